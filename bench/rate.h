// How often something can be done in a second of one core, several ways side by side: they take
// turns, so that what else the machine does hits all of them, and the ratios are those of turns.
#pragma once

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

namespace vouchsafe::bench {

struct Way {
    std::string name;
    std::function<bool()> run;  // false ends the program: it did not do what is measured
};

inline double thread_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// rate runs for about this time and returns how often in a second.
inline double rate(const Way& way, double seconds) {
    double start = thread_seconds();
    double taken = 0;
    size_t done = 0;
    while (taken < seconds) {
        if (!way.run()) {
            std::fprintf(stderr, "%s: failed\n", way.name.c_str());
            std::exit(1);
        }
        ++done;
        taken = thread_seconds() - start;
    }
    return static_cast<double>(done) / taken;
}

inline double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

// compare prints for each way the median rate, the best one, the time of one, and the median of
// its ratio to the first way in the same turn.
inline void compare(const std::vector<Way>& ways, int turns = 15, double seconds = 0.1) {
    std::vector<std::vector<double>> rates(ways.size()), ratios(ways.size());
    for (int turn = 0; turn < turns; ++turn) {
        for (size_t i = 0; i < ways.size(); ++i) {
            rates[i].push_back(rate(ways[i], seconds));
            ratios[i].push_back(rates[i].back() / rates[0].back());
        }
    }
    std::printf("%-44s %10s %10s %10s %8s\n", "per core", "median/s", "best/s", "best us", "ratio");
    for (size_t i = 0; i < ways.size(); ++i) {
        double best = *std::max_element(rates[i].begin(), rates[i].end());
        std::printf("%-44s %10.0f %10.0f %10.1f %8.2f\n", ways[i].name.c_str(), median(rates[i]),
                    best, 1e6 / best, median(ratios[i]));
    }
}

}  // namespace vouchsafe::bench
