#include "vouchsafe/cloud/resource_id.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/cloud/template/evaluate.h"

namespace vouchsafe::cloud {

namespace {

// is_segment: what Azure lets nobody use in a name is refused everywhere.
bool is_segment(std::string_view text) {
    if (text.empty() || text.size() > kMaxNameLength || text == "." || text == "..") return false;
    if (!is_utf8(text)) return false;
    return std::all_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte >= ' ' && byte != 0x7f &&
               std::string_view("<>%&\\?/#").find(c) == std::string_view::npos;
    });
}

tl::unexpected<Problem> bad_id(std::string_view why) {
    return refuse(400, "InvalidResourceId", "The path is no resource id: {}.", why);
}

}  // namespace

Outcome<ResourceId> ResourceId::parse(std::string_view text) {
    return parse(split_path(text));
}

Outcome<ResourceId> ResourceId::parse(const std::vector<std::string>& segments) {
    size_t length = 0;
    for (const std::string& segment : segments) {
        if (!is_segment(segment)) return bad_id("a segment cannot be a name");
        length += segment.size() + 1;
    }
    if (length > kMaxIdLength) return bad_id("it is too long");

    ResourceId out;
    size_t at = 0;
    auto next_is = [&](std::string_view word) {
        return at < segments.size() && equal_ignore_case(segments[at], word);
    };
    if (next_is("subscriptions")) {
        if (segments.size() < 2) return bad_id("the subscription's id is missing");
        out.subscription = segments[1];
        at = 2;
        if (next_is("resourceGroups")) {
            if (segments.size() < 4) return bad_id("the resource group's name is missing");
            out.group = segments[3];
            at = 4;
        }
    }
    while (at < segments.size()) {
        if (!next_is("providers")) return bad_id("'providers' is missing");
        if (++at == segments.size()) return bad_id("the provider's namespace is missing");
        Section section;
        section.provider = segments[at++];
        while (at < segments.size()) {
            if (next_is("providers") && !section.names.empty()) break;
            section.types.push_back(segments[at++]);
            if (at < segments.size()) section.names.push_back(segments[at++]);
        }
        out.sections.push_back(std::move(section));
    }
    return out;
}

bool ResourceId::is_collection() const {
    return !sections.empty() && sections.back().types.size() == sections.back().names.size() + 1;
}
bool ResourceId::is_item() const {
    return !sections.empty() && !sections.back().types.empty() && !is_collection();
}
bool ResourceId::is_child() const {
    return is_item() && sections.back().names.size() > 1;
}

std::string ResourceId::type() const {
    if (sections.empty()) {
        return group.empty() ? "Microsoft.Resources/subscriptions"
                             : "Microsoft.Resources/resourceGroups";
    }
    std::string out = sections.back().provider;
    for (const std::string& type : sections.back().types) out += "/" + type;
    return out;
}

std::string ResourceId::name() const {
    if (sections.empty()) return group;
    return sections.back().names.empty() ? "" : sections.back().names.back();
}

std::string ResourceId::text() const {
    std::string out;
    if (!subscription.empty()) out += "/subscriptions/" + subscription;
    if (!group.empty()) out += "/resourceGroups/" + group;
    for (const Section& section : sections) {
        out += "/providers/" + section.provider;
        for (size_t i = 0; i < section.types.size(); ++i) {
            out += "/" + section.types[i];
            if (i < section.names.size()) out += "/" + section.names[i];
        }
    }
    return out;
}

std::string ResourceId::scope() const {
    ResourceId out = *this;
    if (!out.sections.empty()) out.sections.pop_back();
    const std::string text = out.text();
    return text.empty() ? "/" : text;
}

ResourceId ResourceId::parent() const {
    ResourceId out = *this;
    out.sections.back().types.pop_back();
    if (!is_collection()) out.sections.back().names.pop_back();
    return out;
}

std::string record_key(std::string_view id) {
    return to_lower(id);
}

}  // namespace vouchsafe::cloud
