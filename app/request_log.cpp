#include "app/request_log.h"

#include <ctime>

#include "app/show.h"
#include "vouchsafe/base/log.h"

namespace vouchsafe::app {

namespace {

constexpr size_t kMaxShown = 300;  // characters of a path

// Debian 12's az calls itself this. Some of its commands stop before they send anything.
constexpr std::string_view kBrokenClient = "AZURECLI/2.45.0 (DEB)";
constexpr std::string_view kHint =
    "this az (2.45.0 of Debian) stops by itself in 'keyvault key', 'keyvault secret', 'role', 'vm' "
    "and 'network' commands: use a newer az, 'az rest', or tests/interop/debian_az_shim.py";

std::string local_time(const char* format) {
    std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::localtime_r(&now, &parts);
    char text[32];
    return std::string(text, std::strftime(text, sizeof text, format, &parts));
}

std::string shown(const std::string& text) {
    if (text.size() <= kMaxShown) return printable(text);
    return printable(text.substr(0, kMaxShown)) + "...";
}

Style style_of(int status) {
    if (status == 0 || status >= 500 || status == 403) return Style::bad;
    return status < 400 ? Style::good : Style::plain;
}

Json event_json(const net::DoorEvent& event) {
    Json json{{"host", event.host},
              {"method", event.method},
              {"path", event.path},
              {"status", event.status},
              {"milliseconds", static_cast<int64_t>(event.seconds * 1000)}};
    if (!event.note.empty()) json["note"] = event.note;
    if (!event.entrance.empty()) json["entrance"] = event.entrance;
    return json;
}

}  // namespace

std::string request_line(const net::DoorEvent& event, std::string_view time, bool color) {
    // By which entrance it came: the machine.
    std::string what = event.entrance.empty() ? "" : shown(event.entrance) + " > ";
    what += event.host.empty() ? "-" : shown(event.host);
    what += "  " + (event.method.empty() ? "-" : shown(event.method));
    if (!event.path.empty()) what += " " + shown(event.path);
    std::string status = event.status == 0 ? "-" : std::to_string(event.status);
    std::string out = fmt::format("{}  {}  {}  {}", styled(time, Style::dim, color), what,
                                  styled(status, style_of(event.status), color),
                                  styled(human_time(event.seconds), Style::dim, color));
    if (!event.note.empty()) out += "  " + shown(event.note);
    return out + "\n";
}

RequestLog::RequestLog(const Context& context, Path file,
                       std::function<void(std::string_view)> show, size_t max_size)
    : context_(context), file_(std::move(file)), show_(std::move(show)), max_size_(max_size) {}

RequestLog::~RequestLog() {
    if (out_ != nullptr) std::fclose(out_);
}

Path RequestLog::previous(const Path& file) {
    Path out = file;
    out += ".1";
    return out;
}

Result<std::unique_ptr<RequestLog>> RequestLog::open(const Context& context, Path file,
                                                     std::function<void(std::string_view)> show,
                                                     size_t max_size) {
    std::unique_ptr<RequestLog> out(
        new RequestLog(context, std::move(file), std::move(show), max_size));
    out->out_ = std::fopen(out->file_.c_str(), "ae");
    if (out->out_ == nullptr) return fail_errno("cannot write", out->file_);
    std::error_code ignored;
    out->size_ = std::filesystem::file_size(out->file_, ignored);
    return out;
}

void RequestLog::write(std::string_view line) {
    if (size_ + line.size() > max_size_ && size_ > 0) {
        std::error_code ignored;
        std::filesystem::rename(file_, previous(file_), ignored);
        std::FILE* next = std::fopen(file_.c_str(), "ae");
        if (next != nullptr) {
            std::fclose(std::exchange(out_, next));
            size_ = 0;
        }
    }
    // A full disk loses lines here, and no request.
    size_ += std::fwrite(line.data(), 1, line.size(), out_);
    std::fflush(out_);
}

void RequestLog::hint(const net::DoorEvent& event) {
    if (hinted_ || event.client.find(kBrokenClient) == std::string::npos) return;
    hinted_ = true;
    std::string line = fmt::format("{}  {}\n", local_time("%H:%M:%S"), kHint);
    write(line);
    if (show_ && !context_.json) show_(line);
}

void RequestLog::add(const net::DoorEvent& event) {
    std::lock_guard lock(mutex_);
    write(request_line(event, local_time("%Y-%m-%d %H:%M:%S"), false));
    if (show_) {
        show_(context_.json ? dump_json(event_json(event)) + "\n"
                            : request_line(event, local_time("%H:%M:%S"), context_.color_out));
    }
    hint(event);
}

}  // namespace vouchsafe::app
