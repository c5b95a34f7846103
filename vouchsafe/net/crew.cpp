#include "vouchsafe/net/crew.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <typeinfo>

#include "vouchsafe/base/log.h"

namespace vouchsafe::net {

namespace {

constexpr size_t kFewest = 2;  // so that one reads while the other is in a handler
constexpr std::chrono::milliseconds kLook{1};
constexpr unsigned kQuietLooks = 20;  // then the lookout sleeps

// The crew that the calling thread comes back to soon, to see what is due.
thread_local const Crew* own_crew = nullptr;

bool watch(int epoll, int operation, int fd, uint32_t events, void* data) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = data;
    return ::epoll_ctl(epoll, operation, fd, &event) == 0;
}

}  // namespace

Result<void> Crew::start(const std::string& name, size_t threads) {
    epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    end_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!epoll_ || !end_ || !wake_ ||
        !watch(epoll_.get(), EPOLL_CTL_ADD, end_.get(), EPOLLIN, nullptr) ||
        !watch(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), EPOLLIN | EPOLLET, nullptr)) {
        return fail(Code::unavailable, "sockets cannot be waited for: {}", std::strerror(errno));
    }
    enough_ = std::max<size_t>(kFewest, std::thread::hardware_concurrency());
    try {
        for (size_t i = 0; i < threads; ++i) {
            threads_.emplace_back([this, name] {
                ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
                run();
            });
        }
        lookout_ = std::thread([this] { look_out(); });
    } catch (const std::system_error&) {
        stop();
        return fail(Code::unavailable, "no more threads can be started");
    }
    return {};
}

void Crew::stop() {
    {
        std::lock_guard lock(mutex_);
        ending_ = true;
    }
    come_.notify_all();
    alarm_.notify_all();
    if (end_) ::eventfd_write(end_.get(), 1);
    if (lookout_.joinable()) lookout_.join();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    while (posting_ != 0) std::this_thread::yield();
}

// arm: each wait is for one event, and one thread gets it.
bool Crew::arm(Waiter& waiter, Io wanted) {
    const uint32_t events = (wanted == Io::wants_write ? EPOLLOUT : EPOLLIN) | EPOLLONESHOT;
    const int operation = std::exchange(waiter.known, true) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    return watch(epoll_.get(), operation, waiter.socket.get(), events, &waiter);
}

Awaitable<bool> Crew::wait(Waiter* waiter, Io wanted) {
    // Another thread may be woken before this one has left here, and finds the mutex locked.
    auto arming = [this, waiter, wanted](Resume resume) {
        std::unique_lock lock(waiter->mutex);
        waiter->resume.emplace(std::move(resume));
        if (arm(*waiter, wanted)) return;
        Resume now = std::move(*waiter->resume);
        waiter->resume.reset();
        lock.unlock();
        now(false);
    };
    return asio::async_initiate<const asio::use_awaitable_t<Executor>, void(bool)>(arming,
                                                                                   kAwaitable);
}

void Crew::soon(Resume resume) {
    std::lock_guard lock(mutex_);
    due_.push_back(std::move(resume));
}

// Who finds something due wakes the next one only where it may be long in coming back. A thread of
// the crew that comes back soon goes on with the first itself. What was posted may have been done,
// and all have stopped, before another thread is back from waking.
void Crew::post(Resume resume) {
    ++posting_;
    bool wake = false;
    {
        std::lock_guard lock(mutex_);
        wake = due_.empty() != (own_crew == this);
        due_.push_back(std::move(resume));
    }
    if (wake) ::eventfd_write(wake_.get(), 1);
    --posting_;
}

// One is, if all that are awake are in handlers, and fewer of them have something to do than there
// are processors.
bool Crew::call_one() {
    const size_t there = awake_ + called_;
    const bool wanted = handling_ >= there && there < blocked_ + enough_ && called_ < sleeping_;
    if (wanted) ++called_;
    return wanted;
}

Crew::Handling::Handling(Crew& crew, Posts posts) : crew_(crew), goes_on_(posts == Posts::anytime) {
    if (goes_on_) own_crew = nullptr;
    crew_.begin_handling();
}

Crew::Handling::~Handling() {
    crew_.end_handling();
    if (goes_on_) own_crew = &crew_;
}

void Crew::begin_handling() {
    bool due = false, call = false, alarm = false;
    {
        std::lock_guard lock(mutex_);
        ++handling_;
        ++turned_;
        due = !due_.empty();
        call = call_one();
        alarm = handling_ >= awake_ + called_ && !std::exchange(alarmed_, true);
    }
    if (due) ::eventfd_write(wake_.get(), 1);
    if (call) come_.notify_one();
    if (alarm) alarm_.notify_one();
}

void Crew::end_handling() {
    std::lock_guard lock(mutex_);
    --handling_;
    ++turned_;
}

void Crew::begin_blocking() {
    bool call = false;
    {
        std::lock_guard lock(mutex_);
        ++blocked_;
        call = call_one();
    }
    if (call) come_.notify_one();
}

void Crew::end_blocking() {
    std::lock_guard lock(mutex_);
    --blocked_;
}

// Who sleeps leaves another one that is in no handler, and nothing due: that one may be waiting for
// sockets already.
bool Crew::rest() {
    std::unique_lock lock(mutex_);
    const bool enough = awake_ > blocked_ + enough_ && awake_ > handling_ + 1;
    if (!enough || !due_.empty()) return !ending_;
    --awake_;
    ++sleeping_;
    come_.wait(lock, [&] { return called_ > 0 || ending_; });
    --sleeping_;
    ++awake_;
    if (called_ > 0) --called_;
    return !ending_;
}

void Crew::look_out() {
    std::unique_lock lock(mutex_);
    while (!ending_) {
        alarm_.wait(lock, [&] { return alarmed_ || ending_; });
        unsigned quiet = 0;
        uint64_t seen = turned_;
        while (!ending_ && quiet < kQuietLooks) {
            alarm_.wait_for(lock, kLook);
            const bool nobody = handling_ >= awake_ + called_;
            quiet = nobody ? 0 : quiet + 1;
            if (nobody && turned_ == seen && called_ < sleeping_) {
                ++called_;
                come_.notify_one();
            }
            seen = turned_;
        }
        alarmed_ = false;
    }
}

std::optional<Resume> Crew::take_due() {
    std::lock_guard lock(mutex_);
    if (due_.empty()) return std::nullopt;
    std::optional<Resume> out(std::move(due_.front()));
    due_.pop_front();
    return out;
}

namespace {

std::optional<Resume> take_resume(Waiter& waiter) {
    std::lock_guard lock(waiter.mutex);
    std::optional<Resume> out(std::move(waiter.resume));
    waiter.resume.reset();
    return out;
}

}  // namespace

std::optional<Resume> Crew::take_ready() {
    epoll_event event{};
    if (::epoll_wait(epoll_.get(), &event, 1, -1) != 1) return std::nullopt;
    if (event.data.ptr == nullptr) return std::nullopt;
    return take_resume(*static_cast<Waiter*>(event.data.ptr));
}

void Crew::run_some() {
    while (rest()) {
        std::optional<Resume> due = take_due();
        std::optional<Resume> next = due ? std::move(due) : take_ready();
        if (next) (*next)(true);
    }
}

void Crew::run() {
    observe_blocking(this);
    own_crew = this;
    {
        std::lock_guard lock(mutex_);
        ++awake_;
    }
    for (;;) {
        try {
            run_some();
            return;
        } catch (const std::exception& error) {
            log_event(LogLevel::error, "a server's thread caught an exception",
                      {{"exception_type", typeid(error).name()}});
        }
    }
}

}  // namespace vouchsafe::net
