// Which handler answers for which host name. What a front door serves is listed in one of these
// tables, and nothing that is not in it is served.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "vouchsafe/net/server.h"

namespace vouchsafe::net {

// A copy that is borrowed by several threads must not be changed any more.
class HostTable {
  public:
    struct Host {
        Handler handler;
        size_t max_body = ServerOptions().max_body;  // bytes; more is 413
    };

    // add has `handler` answer https://NAME/. `pattern` is a name in lower case, or begins with
    // labels "*", each of which stands for one label: "*.vault.azure.net". A name goes before
    // patterns, and of two patterns that fit the one added first. A later one under the same text
    // takes the earlier one's place.
    void add(std::string pattern, Host host);
    // add_plain has it answer http://NAME/, a name or address without patterns.
    void add_plain(std::string name, Host host);

    // remove takes a name or a pattern away, as it was added. False: it was not there.
    bool remove(std::string_view pattern);

    // find takes a name in lower case, without port. nullptr: nobody serves it.
    const Host* find(std::string_view name) const;
    const Host* find_plain(std::string_view name) const;

    // names are the texts that were added: of https, then of http with "http://" before them.
    std::vector<std::string> names() const;

  private:
    struct Pattern {
        std::string text;
        size_t labels = 0;   // how many of the name's labels the asterisks stand for
        std::string suffix;  // with its dot
        Host host;
    };
    std::map<std::string, Host, std::less<>> exact_;
    std::vector<Pattern> patterns_;
    std::map<std::string, Host, std::less<>> plain_;
};

}  // namespace vouchsafe::net
