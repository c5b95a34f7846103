#include "vouchsafe/net/host_table.h"

#include <algorithm>

namespace vouchsafe::net {

void HostTable::add(std::string pattern, Host host) {
    size_t labels = 0;
    while (std::string_view(pattern).substr(2 * labels).starts_with("*.")) ++labels;
    if (labels == 0) {
        exact_.insert_or_assign(std::move(pattern), std::move(host));
        return;
    }
    auto same = [&](const Pattern& known) { return known.text == pattern; };
    std::string suffix = pattern.substr(2 * labels - 1);
    Pattern made{pattern, labels, std::move(suffix), std::move(host)};
    auto found = std::find_if(patterns_.begin(), patterns_.end(), same);
    if (found == patterns_.end()) {
        patterns_.push_back(std::move(made));
    } else {
        *found = std::move(made);
    }
}

void HostTable::add_plain(std::string name, Host host) {
    plain_.insert_or_assign(std::move(name), std::move(host));
}

bool HostTable::remove(std::string_view pattern) {
    if (auto found = exact_.find(pattern); found != exact_.end()) {
        exact_.erase(found);
        return true;
    }
    return std::erase_if(patterns_, [&](const Pattern& known) { return known.text == pattern; }) !=
           0;
}

const HostTable::Host* HostTable::find(std::string_view name) const {
    if (auto found = exact_.find(name); found != exact_.end()) return &found->second;
    for (const Pattern& pattern : patterns_) {
        if (!name.ends_with(pattern.suffix)) continue;
        std::string_view rest = name.substr(0, name.size() - pattern.suffix.size());
        auto dots = static_cast<size_t>(std::count(rest.begin(), rest.end(), '.'));
        if (!rest.empty() && dots + 1 == pattern.labels) return &pattern.host;
    }
    return nullptr;
}

const HostTable::Host* HostTable::find_plain(std::string_view name) const {
    auto found = plain_.find(name);
    return found == plain_.end() ? nullptr : &found->second;
}

std::vector<std::string> HostTable::names() const {
    std::vector<std::string> out;
    for (const auto& [name, host] : exact_) out.push_back(name);
    for (const Pattern& pattern : patterns_) out.push_back(pattern.text);
    for (const auto& [name, host] : plain_) out.push_back("http://" + name);
    return out;
}

}  // namespace vouchsafe::net
