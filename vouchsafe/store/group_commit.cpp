#include "vouchsafe/store/group_commit.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include "vouchsafe/base/blocking.h"

namespace vouchsafe::store {

Result<void> GroupCommit::run(const Work& work) {
    // Also true of a follower's work: the thread that does it is the one that would call again.
    if (worker_.load() == std::this_thread::get_id()) {
        return fail(Code::internal, "a transaction was started within a transaction");
    }
    AwaitedJob job;
    job.work = &work;
    job.seat = take_seat();
    std::unique_lock lock(mutex_);
    const bool last = add(&job);
    if (leading_) {
        lock.unlock();
        if (last) gathered_.notify_one();
        if (wait(*job.seat) == Turn::leads) lead(std::unique_lock(mutex_));
    } else {
        lead(std::move(lock));
    }
    if (job.thrown) std::rethrow_exception(job.thrown);
    return std::move(job.result);
}

GroupCommit::~GroupCommit() {
    {
        std::lock_guard lock(mutex_);
        ending_ = true;
    }
    rouse_.notify_one();
    if (committer_.joinable()) committer_.join();
}

// Who comes alone, after a group of one, leads at once: a change of threads costs more than it
// spares.
void GroupCommit::run_later(Work work, Then then) {
    auto job = std::make_unique<LaterJob>(*this, std::move(work), std::move(then));
    std::unique_lock lock(mutex_);
    const bool last = add(job.release());
    const bool led = std::exchange(leading_, true);
    if (!led && expected_ <= 1) return lead(std::move(lock));
    lock.unlock();
    if (last) gathered_.notify_one();
    if (!led && !rouse()) lead(std::unique_lock(mutex_));
}

bool GroupCommit::rouse() {
    std::unique_lock lock(mutex_);
    try {
        if (!committer_.joinable()) committer_ = std::thread([this] { commit_for_others(); });
    } catch (const std::system_error&) {
        return false;
    }
    roused_ = true;
    lock.unlock();
    rouse_.notify_one();
    return true;
}

void GroupCommit::commit_for_others() {
    for (;;) {
        std::unique_lock lock(mutex_);
        rouse_.wait(lock, [&] { return roused_ || ending_; });
        if (!std::exchange(roused_, false)) return;
        lead(std::move(lock));
    }
}

Statistics GroupCommit::statistics() const {
    std::lock_guard lock(mutex_);
    Statistics out = statistics_;
    out.waiting = waiting_.size();
    return out;
}

bool GroupCommit::all_here() const {
    return waiting_.size() >= kMaxGroup || (coming_ <= overdue_ && waiting_.size() >= expected_);
}

bool GroupCommit::add(Job* job) {
    waiting_.push_back(job);
    return gathering_ && all_here();
}

void GroupCommit::expect(bool more) {
    std::unique_lock lock(mutex_);
    more ? ++coming_ : --coming_;
    overdue_ = std::min(overdue_, coming_);
    const bool last = !more && gathering_ && all_here();
    lock.unlock();
    if (last) gathered_.notify_one();
}

// What waiting is for is that somebody comes: who waited in vain waits less often, and not again
// for those who did not come in all the time that there is.
void GroupCommit::gather(std::unique_lock<std::mutex>& lock) {
    using Clock = std::chrono::steady_clock;
    if (all_here()) return;
    if (hasty_ > 0) {
        --hasty_;
        return;
    }
    const Blocking blocking;
    const auto start = Clock::now();
    const auto longest =
        std::min(kMaxGather, kGatherEach * static_cast<int64_t>(std::min(expected_, kMaxGroup)));
    const size_t first = waiting_.size();
    bool more = true;
    gathering_ = true;
    while (more) {
        const size_t before = waiting_.size();
        const bool all =
            gathered_.wait_until(lock, Clock::now() + kMaxPause, [&] { return all_here(); });
        const auto waited = Clock::now() - start;
        if (waited >= kMaxExpecting) overdue_ = coming_;
        more = !all && (coming_ > overdue_ || (waiting_.size() > before && waited < longest));
    }
    gathering_ = false;
    const bool came = waiting_.size() > first;
    hasty_ = came ? 0 : haste_;
    haste_ = came ? 1 : std::min(2 * haste_, kMaxHaste);
}

void GroupCommit::lead(std::unique_lock<std::mutex> lock) {
    while (!lead_group(std::move(lock))) lock = std::unique_lock(mutex_);
}

// lead_group works off a group whose first job is the calling thread's own, or the committer's.
bool GroupCommit::lead_group(std::unique_lock<std::mutex> lock) {
    Group group;
    group.jobs.reserve(kMaxGroup);
    leading_ = true;
    gather(lock);
    worker_ = std::this_thread::get_id();
    const auto start = std::chrono::steady_clock::now();
    auto full = [&] {
        return group.jobs.size() == kMaxGroup ||
               std::chrono::steady_clock::now() - start > kMaxGroupTime;
    };
    while (!waiting_.empty() && group.whole && (group.jobs.empty() || !full())) {
        group.jobs.push_back(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        perform(group, *group.jobs.back());
        lock.lock();
    }
    const bool begun = group.open || group.whole;
    lock.unlock();
    close(group);
    lock.lock();

    worker_ = std::thread::id();
    expected_ = group.jobs.size() + waiting_.size();
    statistics_.transactions += group.kept;
    if (group.kept > 0) ++statistics_.commits;
    // A transaction that cannot be begun may have taken seconds to fail. Who came meanwhile would
    // wait as long again, one after another.
    while (!begun && !waiting_.empty()) {
        waiting_.front()->result = group.whole;
        group.jobs.push_back(waiting_.front());
        waiting_.pop_front();
    }
    Job* next = waiting_.empty() ? nullptr : waiting_.front();  // it stays until it is told
    leading_ = next != nullptr;
    lock.unlock();
    for (Job* job : group.jobs) job->tell(Turn::done);
    return next == nullptr || next->tell(Turn::leads);
}

// take_seat gives the calling thread's seat. One job of a thread waits at a time.
std::shared_ptr<GroupCommit::Seat> GroupCommit::take_seat() {
    thread_local const auto seat = std::make_shared<Seat>();
    std::lock_guard lock(seat->mutex);
    seat->turn = Turn::waits;
    return seat;
}

// Woken before the lock is free, its thread would only wait again.
bool GroupCommit::AwaitedJob::tell(Turn turn) {
    const std::shared_ptr<Seat> kept = seat;
    {
        std::lock_guard lock(kept->mutex);
        kept->turn = turn;
    }
    kept->told.notify_one();
    return true;
}

GroupCommit::LaterJob::LaterJob(GroupCommit& by, Work what, Then tells)
    : group(by), own_work(std::move(what)), then(std::move(tells)) {
    work = &own_work;
}

bool GroupCommit::LaterJob::tell(Turn turn) {
    if (turn == Turn::leads) return group.rouse();
    const std::unique_ptr<LaterJob> self(this);
    if (thrown) result = fail(Code::internal, "the work of a transaction threw an exception");
    then(std::move(result));
    return true;
}

GroupCommit::Turn GroupCommit::wait(Seat& seat) {
    const Blocking blocking;
    std::unique_lock lock(seat.mutex);
    seat.told.wait(lock, [&] { return seat.turn != Turn::waits; });
    return seat.turn;
}

void GroupCommit::do_work(Job& job) {
    try {
        job.result = (*job.work)(shared_.transaction());
        if (job.result) job.result = shared_.check();
    } catch (...) {
        job.thrown = std::current_exception();
    }
}

void GroupCommit::perform(Group& group, Job& job) {
    job.beside_others = group.kept > 0;
    if (!group.open) {
        group.whole = shared_.begin();
        if (!group.whole) {
            job.result = group.whole;
            return;
        }
        group.open = true;
    } else if (job.beside_others) {
        group.whole = shared_.mark();
        if (!group.whole) return;
    }
    do_work(job);
    if (job.result && !job.thrown) {
        if (job.beside_others) group.whole = shared_.release();
        ++group.kept;
    } else if (job.beside_others) {
        group.whole = shared_.go_back();
    } else {
        shared_.roll_back();
        group.open = false;
    }
}

// close commits, or tells all whose work was in the transaction that it is lost. So it tells those
// who failed beside them: what made them fail may be what was lost.
void GroupCommit::close(Group& group) {
    const Blocking blocking;
    if (group.kept > 0 && group.whole) group.whole = shared_.commit();
    if (group.open) shared_.roll_back();
    if (group.whole) return;
    for (Job* job : group.jobs) {
        if (job->result || job->beside_others) job->result = group.whole;
    }
    group.kept = 0;
}

}  // namespace vouchsafe::store
