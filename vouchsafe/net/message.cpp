#include "vouchsafe/net/message.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::net {

namespace {

auto has_name(std::string_view name) {
    return [name](const auto& item) { return equal_ignore_case(item.first, name); };
}

}  // namespace

void Headers::set(std::string_view name, std::string value) {
    std::erase_if(all_, has_name(name));
    add(name, std::move(value));
}

void Headers::add(std::string_view name, std::string value) {
    all_.emplace_back(name, std::move(value));
}

const std::string* Headers::find(std::string_view name) const {
    auto found = std::find_if(all_.begin(), all_.end(), has_name(name));
    return found == all_.end() ? nullptr : &found->second;
}

std::string Headers::get(std::string_view name) const {
    const std::string* value = find(name);
    return value == nullptr ? "" : *value;
}

size_t Headers::count(std::string_view name) const {
    return static_cast<size_t>(std::count_if(all_.begin(), all_.end(), has_name(name)));
}

const std::string* Request::query_value(std::string_view name) const {
    auto found = std::find_if(query.begin(), query.end(), has_name(name));
    return found == query.end() ? nullptr : &found->second;
}

size_t Request::query_count(std::string_view name) const {
    return static_cast<size_t>(std::count_if(query.begin(), query.end(), has_name(name)));
}

Response json_response(int status, const Json& body) {
    Response response{status, {}, dump_json(body)};
    response.headers.set("Content-Type", "application/json; charset=utf-8");
    return response;
}

Response text_response(int status, std::string body, std::string_view content_type) {
    Response response{status, {}, std::move(body)};
    response.headers.set("Content-Type", std::string(content_type));
    return response;
}

Response error_response(int status, std::string_view code, std::string_view message,
                        std::string_view inner_code) {
    Json error{{"code", code}, {"message", message}};
    if (!inner_code.empty()) error["innererror"] = {{"code", inner_code}};
    return json_response(status, Json{{"error", std::move(error)}});
}

}  // namespace vouchsafe::net
