// Group commit: callers who write at the same moment share one commit, so that durability costs one
// flush to disk for all of them. Private to store/.
//
// Whoever finds nobody at work leads: it begins a transaction, does its own work and that of all
// who queue meanwhile, one after another, each behind a savepoint, and commits. A single caller
// waits for nobody but those who are expected, and has one transaction without a savepoint. Who
// leads after a group of several gives them a moment to come again, and does so less often if they
// do not. docs/decisions/0026-storage.md says why, and why the leader does the others' work on its
// own thread. For work that nobody waits for a thread of its own leads, unless it comes alone or is
// taken into another's group.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "vouchsafe/store/store.h"

namespace vouchsafe::store {

inline constexpr size_t kMaxGroup = 128;  // transactions in one commit
// A leader takes nobody in any more after this, so that slow work holds up a bounded group.
inline constexpr std::chrono::milliseconds kMaxGroupTime{20};
// A leader waits no longer than this for as many as there were just now, so long for each of them,
// and not on if nobody came for a pause; for those that are expected (Store::expect), a little
// longer.
inline constexpr std::chrono::microseconds kMaxGather{1000};
inline constexpr std::chrono::microseconds kGatherEach{75};
inline constexpr std::chrono::microseconds kMaxPause{300};
inline constexpr std::chrono::microseconds kMaxExpecting{4000};
inline constexpr unsigned kMaxHaste = 64;  // groups that do not wait after waiting was in vain

// SharedTransaction is an engine's one writing transaction. Called by one thread at a time, in the
// order begin, then for each work but those that begin an empty transaction mark, the work, and
// release or go_back, then commit or roll_back.
class SharedTransaction {
  public:
    virtual ~SharedTransaction() = default;
    virtual Result<void> begin() = 0;
    virtual Result<void> mark() = 0;
    virtual Result<void> release() = 0;
    virtual Result<void> go_back() = 0;
    // check fails if the engine has given up the transaction, or what came after the last mark.
    virtual Result<void> check() = 0;
    // commit fails only if nothing was committed, or nobody can tell.
    virtual Result<void> commit() = 0;
    virtual void roll_back() = 0;  // also if none is open
    virtual Transaction& transaction() = 0;
};

// GroupCommit runs work for many threads. Thread-safe. It borrows `shared`.
class GroupCommit {
  public:
    using Work = Store::Work;
    using Then = Store::Then;

    explicit GroupCommit(SharedTransaction& shared) : shared_(shared) {}
    // Nobody is in run or run_later any more. The destructor waits for what is left to do.
    ~GroupCommit();
    GroupCommit(const GroupCommit&) = delete;
    GroupCommit& operator=(const GroupCommit&) = delete;

    // run, run_later and expect are Store's.
    Result<void> run(const Work& work);
    void run_later(Work work, Then then);
    void expect(bool more);
    Statistics statistics() const;

  private:
    enum class Turn { waits, leads, done };
    // Seat is where a thread waits. Each has its own, so that those who are told do not meet at one
    // lock, and who tells it keeps it too: so the thread is woken when the lock is free again.
    struct Seat {
        std::mutex mutex;  // holds turn
        Turn turn = Turn::waits;
        std::condition_variable told;
    };
    // Job is one transaction. Who waits for it or owns it is told its turn: of `done` last of all,
    // for the job may end by that.
    struct Job {
        virtual ~Job() = default;
        // tell is false if nobody can lead.
        virtual bool tell(Turn turn) = 0;

        const Work* work = nullptr;
        Result<void> result;
        std::exception_ptr thrown;
        bool beside_others = false;  // it saw what others had not yet committed
    };
    // AwaitedJob is on the stack of the thread that waits for it.
    struct AwaitedJob : Job {
        bool tell(Turn turn) override;
        std::shared_ptr<Seat> seat;
    };
    // LaterJob owns itself.
    struct LaterJob : Job {
        LaterJob(GroupCommit& by, Work what, Then tells);
        bool tell(Turn turn) override;
        GroupCommit& group;
        const Work own_work;
        const Then then;
    };
    struct Group {
        std::vector<Job*> jobs;
        bool open = false;
        size_t kept = 0;     // jobs whose work is in the open transaction
        Result<void> whole;  // an error that is everybody's
    };

    static std::shared_ptr<Seat> take_seat();
    static Turn wait(Seat& seat);
    // add takes a job, and tells whether a leader who gathers waits for nobody else.
    bool add(Job* job);
    bool all_here() const;
    // gather waits before the group begins, while no transaction is open.
    void gather(std::unique_lock<std::mutex>& lock);
    void lead(std::unique_lock<std::mutex> lock);
    // lead_group is false if the next group has nobody to lead it.
    bool lead_group(std::unique_lock<std::mutex> lock);
    // rouse has the committer lead. False: no thread can be started.
    bool rouse();
    void commit_for_others();
    void perform(Group& group, Job& job);
    void do_work(Job& job);
    void close(Group& group);

    SharedTransaction& shared_;
    mutable std::mutex mutex_;
    std::deque<Job*> waiting_;
    bool leading_ = false;
    size_t expected_ = 1;     // so many were in the last group, or came while it was committed
    size_t coming_ = 0;       // so many are expected, each before its job
    size_t overdue_ = 0;      // so many of these were waited for in vain
    bool gathering_ = false;  // a leader waits for more
    unsigned hasty_ = 0;      // so many groups to come do not wait
    unsigned haste_ = 1;      // what hasty_ becomes when waiting was in vain
    std::condition_variable gathered_;
    bool roused_ = false;  // the committer is to lead
    bool ending_ = false;
    std::condition_variable rouse_;
    std::thread committer_;  // once there was work that nobody waits for
    Statistics statistics_;
    std::atomic<std::thread::id> worker_{};  // the thread that does work now
};

}  // namespace vouchsafe::store
