// What a server does under load over TLS, client and server side by side on one machine: requests a
// second and the server's own CPU for each, latencies at half that load, and what idle connections
// cost in memory. The server is a process of its own, so that its share can be told.
#pragma once

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

#include "vouchsafe/base/file.h"
#include "vouchsafe/net/client.h"
#include "vouchsafe/net/test_support.h"

namespace vouchsafe::bench {

using std::chrono::steady_clock;

inline void require(bool ok, const char* what) {
    if (ok) return;
    std::fprintf(stderr, "%s failed\n", what);
    std::exit(1);
}

// LoadedServer runs what `make` returns in a child process until it is destroyed. Make it before
// any thread is started.
class LoadedServer {
  public:
    // make starts the service with a TLS identity and returns its server; what the server borrows,
    // it keeps for ever.
    using Make = std::function<std::unique_ptr<net::Server>(net::ServerOptions)>;

    // `host` is the name clients reach it by.
    explicit LoadedServer(const Make& make, std::string host = "bench.test")
        : host_(std::move(host)), folder_(MUST(TemporaryDir::create("load-bench"))) {
        rlimit files{16384, 16384};
        setrlimit(RLIMIT_NOFILE, &files);
        int told[2];
        require(::pipe(told) == 0, "pipe");
        process_ = ::fork();
        require(process_ >= 0, "fork");
        if (process_ == 0) serve(make, told[1]);
        ::close(told[1]);
        require(::read(told[0], &port_, sizeof port_) == sizeof port_, "starting the server");
        ::close(told[0]);
    }
    ~LoadedServer() {
        ::kill(process_, SIGKILL);
        ::waitpid(process_, nullptr, 0);
    }
    LoadedServer(const LoadedServer&) = delete;
    LoadedServer& operator=(const LoadedServer&) = delete;

    net::Client client() const {
        net::ClientOptions options;
        options.ca_pem = authority_.pem();
        options.connect_to = {{host_ + ":443", fmt::format("127.0.0.1:{}", port_)}};
        options.use_proxy = false;
        return net::Client(std::move(options));
    }
    std::string url(std::string_view target) const {
        return fmt::format("https://{}{}", host_, target);
    }

    // Seconds of processor time of the server so far, all threads.
    double cpu_seconds() const {
        std::ifstream file(fmt::format("/proc/{}/stat", process_));
        std::string text((std::istreambuf_iterator<char>(file)), {});
        std::istringstream fields(text.substr(text.rfind(')') + 2));
        std::string skipped;
        for (int i = 0; i < 11; ++i) fields >> skipped;
        double user = 0, system = 0;
        fields >> user >> system;
        return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
    }
    double resident_mib() const {
        std::ifstream file(fmt::format("/proc/{}/statm", process_));
        double size = 0, resident = 0;
        file >> size >> resident;
        return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
    }

  private:
    [[noreturn]] void serve(const Make& make, int tell) const {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::setenv("TMPDIR", folder_.path().c_str(), 1);
        net::ServerOptions options;
        options.tls = authority_.issue(host_);
        options.max_connections = 2000;
        options.workers = 16;  // as the program's services
        options.idle_timeout = std::chrono::minutes(10);
        auto server = make(std::move(options));
        uint16_t port = server->port();
        require(::write(tell, &port, sizeof port) == sizeof port, "telling the port");
        for (;;) ::pause();
    }

    const std::string host_;
    // The server's temporary files: it is killed, and removes none.
    const TemporaryDir folder_;
    net::test::Authority authority_;
    pid_t process_ = -1;
    uint16_t port_ = 0;
};

// at_once runs `work(thread)` on so many threads and returns when all have ended.
inline void at_once(size_t threads, const std::function<void(size_t)>& work) {
    std::vector<std::thread> all;
    for (size_t i = 0; i < threads; ++i) all.emplace_back([&, i] { work(i); });
    for (std::thread& one : all) one.join();
}

// Load is requests that are sent in turn.
struct Load {
    std::string name;
    std::vector<net::ClientRequest> requests;

    const net::ClientRequest& at(size_t i) const { return requests[i % requests.size()]; }
};

inline void send(net::Client& client, const net::ClientRequest& request) {
    auto answer = client.send(request);
    if (answer && answer->status == 200) return;
    std::fprintf(stderr, "%s: %s\n", request.url.c_str(),
                 answer ? answer->body.c_str() : answer.error().message.c_str());
    std::exit(1);
}

// full_rate: requests a second with `threads` clients that each wait for their answer.
inline double full_rate(const LoadedServer& server, const Load& load, size_t threads,
                        std::chrono::seconds time) {
    std::atomic<size_t> done = 0, next = 0;
    const double cpu = server.cpu_seconds();
    const auto start = steady_clock::now();
    at_once(threads, [&](size_t) {
        net::Client client = server.client();
        for (; steady_clock::now() - start < time; ++done) {
            send(client, load.at(next++));
        }
    });
    const double taken = std::chrono::duration<double>(steady_clock::now() - start).count();
    const double used = server.cpu_seconds() - cpu;
    const auto count = static_cast<double>(done);
    std::printf(
        "%s, %zu clients: %.0f a second, %.0f a second of the server's CPU (%.1f us each)\n",
        load.name.c_str(), threads, count / taken, count / used, 1e6 * used / count);
    return count / taken;
}

// latencies: requests begin at even times, whether earlier ones were answered or not, and their
// time runs from when they were due.
inline void latencies(const LoadedServer& server, const Load& load, double rate,
                      std::chrono::seconds time) {
    constexpr size_t kThreads = 16;
    const size_t count = static_cast<size_t>(rate * static_cast<double>(time.count()));
    std::vector<double> taken(count);
    std::atomic<size_t> next = 0;
    const auto start = steady_clock::now() + std::chrono::milliseconds(100);
    at_once(kThreads, [&](size_t) {
        net::Client client = server.client();
        send(client, load.requests.front());  // its connection is there before
        for (size_t i = next++; i < count; i = next++) {
            const auto due =
                start + std::chrono::duration_cast<steady_clock::duration>(
                            std::chrono::duration<double>(static_cast<double>(i) / rate));
            std::this_thread::sleep_until(due);
            send(client, load.at(i));
            taken[i] = std::chrono::duration<double>(steady_clock::now() - due).count() * 1000;
        }
    });
    std::sort(taken.begin(), taken.end());
    std::printf("at %.0f a second: median %.1f ms, p99 %.1f ms, worst %.1f ms\n", rate,
                taken[count / 2], taken[count * 99 / 100], taken.back());
}

// measure prints full rates with 1, 4 and 16 clients, and latencies at half the last rate. Loads of
// which the name does not have `wanted` in it are left out.
inline void measure(const LoadedServer& server, const Load& load, std::string_view wanted = {},
                    std::chrono::seconds time = std::chrono::seconds(4)) {
    if (load.name.find(wanted) == std::string::npos) return;
    for (size_t clients : {1, 4}) full_rate(server, load, clients, time);
    const double rate = full_rate(server, load, 16, time);
    latencies(server, load, rate / 2, time);
}

inline void idle_memory(const LoadedServer& server, std::string_view target, size_t connections) {
    const double before = server.resident_mib();
    std::vector<net::Client> clients;
    while (clients.size() < connections) {
        clients.push_back(server.client());
        send(clients.back(), {.url = server.url(target)});
    }
    const double after = server.resident_mib();
    std::printf("memory with %zu idle TLS connections: %.0f MiB (%.0f MiB and %.0f KiB each)\n",
                connections, after, before,
                1024 * (after - before) / static_cast<double>(connections));
}

}  // namespace vouchsafe::bench
