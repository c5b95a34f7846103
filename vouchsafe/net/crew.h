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
    // Long is what a thread of the crew does that may take long, such as a handler: if nobody else
    // is there for the sockets and for what is due, others come.
    class Long {
      public:
        explicit Long(Crew& crew) : crew_(crew) { crew_.begin_long(); }
        ~Long() { crew_.end_long(); }
        Long(const Long&) = delete;
        Long& operator=(const Long&) = delete;

      private:
        Crew& crew_;
    };

  private:
    void run();
    void run_some();
    void begin_long();
    void end_long();
    // rest lets the calling thread sleep while there are enough others. False: the crew ends.
    bool rest();
    // look_out has a thread come that sleeps when none was there for a moment.
    void look_out();
    bool arm(Waiter& waiter, Io wanted);
    std::optional<Resume> take_due();
    std::optional<Resume> take_ready();

    UniqueFd epoll_;
    UniqueFd end_;   // can be read when the threads shall end
    UniqueFd wake_;  // written to wakes one that waits
    std::atomic<bool> ending_ = false;
    std::vector<std::thread> threads_;

    std::mutex mutex_;  // what follows
    std::deque<Resume> due_;
    size_t awake_ = 0;  // threads that do not sleep here
    size_t long_ = 0;   // of these, at what may take long
    size_t sleeping_ = 0;
    size_t called_ = 0;   // of the sleeping, to come
    uint64_t begun_ = 0;  // how often something long began or ended
    bool alarmed_ = false;
    std::condition_variable come_, alarm_;
    std::thread lookout_;
};

}  // namespace vouchsafe::net
