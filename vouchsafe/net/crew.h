// Threads that wait for sockets together. What one of them was woken for it does itself, to where
// it has to wait again: so a request is read, answered and its answer sent without being handed
// from thread to thread. Private to net/.
#pragma once

// Boost 1.74 and GCC 12 need <utility> before the first Asio header.
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "vouchsafe/base/blocking.h"
#include "vouchsafe/base/fd.h"
#include "vouchsafe/base/result.h"
#include "vouchsafe/net/tls_stream.h"

namespace vouchsafe::net {

namespace asio = boost::asio;
using Executor = asio::any_io_executor;
template <typename T>
using Awaitable = asio::awaitable<T, Executor>;
inline constexpr asio::use_awaitable_t<Executor> kAwaitable;

// Resume is a coroutine that waits. Called once, it goes on, on the thread that calls it; false:
// what it waits for will not come.
using Resume = asio::async_result<asio::use_awaitable_t<Executor>, void(bool)>::handler_type;

// Waiter is a socket for which one coroutine at a time waits; it outlives that.
struct Waiter {
    UniqueFd socket;

    std::mutex mutex;  // what follows
    std::optional<Resume> resume;
    bool known = false;  // to the crew
};

// Crew is thread-safe. As many threads as there are processors, and two at least, wait for sockets
// while all goes well; the others sleep, and come for those that wait in a handler. So a request
// that arrives wakes few, and threads that have the processors go on. docs/decisions/0047-later.md
class Crew final : private BlockingObserver {
  public:
    ~Crew() { stop(); }

    // start starts so many threads. Code::unavailable if there are no more.
    Result<void> start(const std::string& name, size_t threads);
    // stop ends them. Nothing may wait any more.
    void stop();

    // wait goes on when the socket is ready, on a thread of the crew. False: it cannot be waited
    // for, and the thread is the same.
    Awaitable<bool> wait(Waiter* waiter, Io wanted);

    // soon has a thread of the crew go on with `resume`, when it has come as far as it can with
    // what it is at. To be called by that thread.
    void soon(Resume resume);
    // post is soon for any thread: one of the crew that waits is woken for it.
    void post(Resume resume);

    // Handling is what a thread of the crew does that may take long. While it waits there
    // (Blocking) another one comes at once; if nobody is left for the sockets for other reasons,
    // soon. What it posts is left to others, unless posting is the last that it does.
    class Handling {
      public:
        enum class Posts { anytime, at_its_end };
        explicit Handling(Crew& crew, Posts posts = Posts::anytime);
        ~Handling();
        Handling(const Handling&) = delete;
        Handling& operator=(const Handling&) = delete;

      private:
        Crew& crew_;
        const bool goes_on_;
    };

  private:
    void run();
    void run_some();
    void begin_handling();
    void end_handling();
    void begin_blocking() override;
    void end_blocking() override;
    // call_one tells whether a thread is to be woken that sleeps; the mutex is the caller's.
    bool call_one();
    // rest lets the calling thread sleep while there are enough others. False: the crew ends.
    bool rest();
    // look_out has a thread come if all were in handlers for a while.
    void look_out();
    bool arm(Waiter& waiter, Io wanted);
    std::optional<Resume> take_due();
    std::optional<Resume> take_ready();

    UniqueFd epoll_;
    UniqueFd end_;   // can be read when the threads shall end
    UniqueFd wake_;  // each writing to it wakes one that waits
    size_t enough_ = 0;
    std::vector<std::thread> threads_;
    std::thread lookout_;
    std::atomic<unsigned> posting_ = 0;  // threads within post

    std::mutex mutex_;  // what follows
    bool ending_ = false;
    std::deque<Resume> due_;
    size_t awake_ = 0;     // threads that do not sleep here
    size_t handling_ = 0;  // of these, in a handler
    size_t blocked_ = 0;   // of these, waiting
    size_t sleeping_ = 0;
    size_t called_ = 0;     // of the sleeping, to come
    uint64_t turned_ = 0;   // how often a handler began or ended
    bool alarmed_ = false;  // the lookout has an eye on them
    std::condition_variable come_, alarm_;
};

}  // namespace vouchsafe::net
