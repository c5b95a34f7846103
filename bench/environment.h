// What a benchmark prints before its numbers, and how it measures.
#pragma once

#include <sys/resource.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>
#include <thread>

#include "vouchsafe/base/stopwatch.h"
#include "vouchsafe/crypto/aead.h"

namespace vouchsafe::bench {

inline std::string cpu_model() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    }
    return "unknown CPU";
}

inline unsigned cores() {
    return std::max(1U, std::thread::hardware_concurrency());
}

inline void print_environment() {
    double load = 0;
    std::ifstream("/proc/loadavg") >> load;
    std::printf("%s, %u cores, load %.1f; engine %s\n", cpu_model().c_str(), cores(), load,
                std::string(crypto::engine_name(crypto::fastest_engine())).c_str());
}

// Seconds of processor time of this process so far, all threads.
inline double cpu_seconds() {
    return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

// Largest resident size of this process so far, in MiB.
inline double peak_mib() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace vouchsafe::bench
