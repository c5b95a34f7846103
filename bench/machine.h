// What every benchmark says about where it ran, and how it measures.
#pragma once

#include <string>

namespace vouchsafe::bench {

// print_machine writes CPU, cores, load and library versions to stdout.
void print_machine();

// Wall and CPU seconds since construction. On a machine with other work CPU seconds are the better
// guide to what the code costs, wall seconds to what a user waits.
class Timer {
  public:
    Timer();
    double wall() const;
    double process_cpu() const;  // of all threads

  private:
    double wall_start_;
    double cpu_start_;
};

// thread_cpu returns the calling thread's CPU seconds so far.
double thread_cpu();

// peak_rss_mib returns the process's largest resident size so far.
double peak_rss_mib();

// Numbered arguments with defaults: argument(argc, argv, 1, 1000).
size_t argument(int argc, char** argv, int index, size_t fallback);

}  // namespace vouchsafe::bench
