#include "vouchsafe/guest/site.h"

#include <algorithm>

namespace vouchsafe::guest {

namespace {

constexpr std::string_view kMembers[] = {"ca_file", "connect_to", "tpm", "event_log"};

Result<void> refuse_unknown(const Json& site) {
    for (auto it = site.begin(); it != site.end(); ++it) {
        if (std::find(std::begin(kMembers), std::end(kMembers), it.key()) != std::end(kMembers)) {
            continue;
        }
        return fail(Code::invalid, "the member '{}' is unknown (known: {})", it.key(),
                    fmt::join(kMembers, ", "));
    }
    return {};
}

Result<Site> parse(const std::string& text, const Path& folder) {
    Json json = TRY(parse_json_object(text));
    TRY(refuse_unknown(json));
    Site site;
    if (auto file = TRY(json_optional_string(json, "ca_file"))) {
        site.client.ca_pem = TRY(read_text_file(folder / *file));
    }
    if (find_member(json, "connect_to") != nullptr) {
        const Json* map = TRY(json_object(json, "connect_to"));
        for (auto it = map->begin(); it != map->end(); ++it) {
            site.client.connect_to[it.key()] = TRY(json_string(*map, it.key()));
        }
    }
    if (auto tcti = TRY(json_optional_string(json, "tpm"))) site.machine.tcti = *tcti;
    if (auto log = TRY(json_optional_string(json, "event_log"))) {
        site.machine.event_log = folder / *log;
    }
    return site;
}

}  // namespace

Result<Site> Site::load(const Path& file) {
    std::string text = TRY(read_text_file(file));
    return with_context(parse(text, file.parent_path()), file.string());
}

std::string Site::encode(const Path& ca_file, const std::map<std::string, std::string>& connect_to,
                         const std::string& tcti, const Path& event_log) {
    Json json{{"ca_file", ca_file.string()}, {"connect_to", connect_to}};
    if (!tcti.empty()) json["tpm"] = tcti;
    if (!event_log.empty()) json["event_log"] = event_log.string();
    return dump_json_pretty(json) + "\n";
}

}  // namespace vouchsafe::guest
