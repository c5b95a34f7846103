#include "bench/machine.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdlib>
#include <ctime>
#include <fstream>

#include "vouchsafe/base/parallel.h"
#include "vouchsafe/crypto/aead.h"

namespace vouchsafe::bench {

namespace {

double clock_seconds(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::string cpu_model() {
    std::ifstream in("/proc/cpuinfo");
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    }
    return "unknown";
}

}  // namespace

void print_machine() {
    double load = 0;
    ::getloadavg(&load, 1);
    fmt::print("cpu: {}, {} cores, load {:.1f}\n", cpu_model(), core_count(), load);
    for (auto engine : {crypto::AeadEngine::openssl, crypto::AeadEngine::ipsec_mb}) {
        if (!crypto::engine_available(engine)) continue;
        fmt::print("aes-gcm: {}{}\n", crypto::engine_name(engine),
                   engine == crypto::fastest_engine() ? " (used)" : "");
    }
}

Timer::Timer()
    : wall_start_(clock_seconds(CLOCK_MONOTONIC)),
      cpu_start_(clock_seconds(CLOCK_PROCESS_CPUTIME_ID)) {}
double Timer::wall() const {
    return clock_seconds(CLOCK_MONOTONIC) - wall_start_;
}
double Timer::process_cpu() const {
    return clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start_;
}

double thread_cpu() {
    return clock_seconds(CLOCK_THREAD_CPUTIME_ID);
}

double peak_rss_mib() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
}

size_t argument(int argc, char** argv, int index, size_t fallback) {
    return index < argc ? std::strtoull(argv[index], nullptr, 10) : fallback;
}

}  // namespace vouchsafe::bench
