// What people see of a front door: one line a request, in a file of bounded size and, in the
// foreground, on the terminal.
#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "app/context.h"
#include "vouchsafe/net/front_door.h"

namespace vouchsafe::app {

// RequestLog is thread-safe.
class RequestLog {
  public:
    // open continues the file. When it is longer than `max_size` bytes it becomes FILE.1, and a new
    // one begins. `show` gets each line for the terminal, with its end; nullptr: nobody looks.
    static Result<std::unique_ptr<RequestLog>> open(const Context& context, Path file,
                                                    std::function<void(std::string_view)> show,
                                                    size_t max_size = 8 << 20);
    ~RequestLog();

    void add(const net::DoorEvent& event);

    // previous is where the lines before the file's first are.
    static Path previous(const Path& file);

  private:
    RequestLog(const Context& context, Path file, std::function<void(std::string_view)> show,
               size_t max_size);
    void write(std::string_view line);
    void hint(const net::DoorEvent& event);

    const Context& context_;
    const Path file_;
    const std::function<void(std::string_view)> show_;
    const size_t max_size_;
    std::mutex mutex_;
    std::FILE* out_ = nullptr;
    size_t size_ = 0;
    bool hinted_ = false;
};

// request_line is "04:50:01  host  GET /path  200  3 ms  note", with "entrance > " before the host
// if it came by one: what a client chose is made
// printable and cut. `time` is as it shall appear.
std::string request_line(const net::DoorEvent& event, std::string_view time, bool color);

}  // namespace vouchsafe::app
