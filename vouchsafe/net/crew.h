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
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

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

// Crew is thread-safe.
class Crew {
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
    // wake_for_due is to be called by a thread of the crew before it does what may take long:
    // others are woken for what is due.
    void wake_for_due();

  private:
    void run();
    void run_some();
    bool arm(Waiter& waiter, Io wanted);
    std::optional<Resume> take_due();
    std::optional<Resume> take_ready();

    UniqueFd epoll_;
    UniqueFd end_;   // can be read when the threads shall end
    UniqueFd wake_;  // written to wakes one that waits
    std::atomic<bool> ending_ = false;
    std::vector<std::thread> threads_;

    std::mutex mutex_;
    std::deque<Resume> due_;  // under the mutex
};

}  // namespace vouchsafe::net
