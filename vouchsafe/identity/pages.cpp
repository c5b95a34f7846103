#include "vouchsafe/identity/pages.h"

#include <fmt/format.h>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::identity {

namespace {

constexpr std::string_view kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:24em;margin:4em auto;padding:0 1em;"
    "color:#1b1b1b}label{display:block;margin:1em 0}input{display:block;width:100%;font:inherit;"
    "padding:.4em;box-sizing:border-box;border:1px solid #8a8a8a;border-radius:4px}"
    "button{font:inherit;padding:.5em 2em;border:0;border-radius:4px;background:#1a4f8b;"
    "color:#fff}.problem{color:#a4262c}";

std::string escape(std::string_view text) {
    std::string out;
    for (char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

net::Response page(int status, std::string_view content) {
    net::Response response;
    response.status = status;
    response.body = fmt::format(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\"><title>Sign in - "
        "Vouchsafe</title><style>{}</style></head>\n"
        "<body><h1>Vouchsafe</h1>\n{}</body></html>\n",
        kStyle, content);
    response.headers.set("Content-Type", "text/html; charset=utf-8");
    response.headers.set("Content-Security-Policy",
                         "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
    response.headers.set("Referrer-Policy", "no-referrer");
    response.headers.set("Cache-Control", "no-store");
    return response;
}

std::string input(std::string_view label, std::string_view name, std::string_view more) {
    return fmt::format("<label>{}<input name=\"{}\" required {}></label>\n", label, name, more);
}

}  // namespace

net::Response text_page(int status, std::string_view sentence) {
    return page(status, fmt::format("<p>{}</p>\n", escape(sentence)));
}

net::Response sign_in_page(int status, std::string_view problem, const Query& query,
                           bool with_device_code) {
    std::string address;
    for (const auto& [name, value] : query) {
        address += fmt::format("{}{}={}", address.empty() ? "?" : "&amp;", encode_percent(name),
                               encode_percent(value));
    }
    std::string content;
    if (!problem.empty()) content = fmt::format("<p class=\"problem\">{}</p>\n", escape(problem));
    content += fmt::format("<form method=\"post\" action=\"{}\">\n", address);
    if (with_device_code) content += input("Code", "user_code", "autocomplete=\"off\" autofocus");
    content += input("Name", "username", "autocomplete=\"username\"");
    content += input("Password", "password", "type=\"password\" autocomplete=\"current-password\"");
    content += "<button>Sign in</button></form>\n";
    return page(status, content);
}

}  // namespace vouchsafe::identity
