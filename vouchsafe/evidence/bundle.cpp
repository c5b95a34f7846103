#include "vouchsafe/evidence/bundle.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::evidence {

namespace {

constexpr const char* kSchema = "vouchsafe-bundle/1";
constexpr size_t kMaxFileName = 255;
constexpr std::string_view kMembers[] = {"schema", "made_by", "kind",   "time",
                                         "rules",  "files",   "verdict"};

bool is_option_name(std::string_view name) {
    auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
    return !name.empty() && name.front() != '-' && std::ranges::all_of(name, fits);
}

Result<void> check_option_name(const std::string& name) {
    if (is_option_name(name)) return {};
    return fail(Code::invalid, "{} is no name of an option", show_json(name));
}

Result<std::vector<std::string>> parse_values(const std::string& option, const Json& values) {
    TRY(check_option_name(option));
    if (!values.is_array()) return fail(Code::invalid, "rules.{} is no array", option);
    std::vector<std::string> out;
    for (const Json& value : values) {
        if (!value.is_string()) return fail(Code::invalid, "rules.{} is no array of text", option);
        out.push_back(value.get<std::string>());
    }
    return out;
}

Result<BundleFile> parse_file(const Json& file) {
    if (!file.is_object() || file.size() != 2) {
        return fail(Code::invalid, "a file is no object of name and bytes");
    }
    BundleFile out;
    out.name = TRY(json_string(file, "name"));
    if (out.name.size() > kMaxFileName) return fail(Code::invalid, "the name is too long");
    out.bytes = TRY(decode_base64(TRY(json_string(file, "bytes"))));
    return out;
}

Result<std::vector<BundleFile>> parse_files(const std::string& option, const Json& files) {
    TRY(check_option_name(option));
    if (!files.is_array()) return fail(Code::invalid, "files.{} is no array", option);
    if (files.size() > kMaxBundleFiles) return fail(Code::invalid, "too many files");
    std::vector<BundleFile> out;
    for (const Json& file : files) {
        out.push_back(TRY(with_context(parse_file(file), "files." + option)));
    }
    return out;
}

std::string at(const std::string& path, std::string_view member) {
    return path.empty() ? std::string(member) : fmt::format("{}.{}", path, member);
}

struct Difference {
    std::string path, recorded, now;
};

std::optional<Difference> difference(const std::string& path, const Json& recorded,
                                     const Json& now);

std::optional<Difference> object_difference(const std::string& path, const Json& recorded,
                                            const Json& now) {
    for (const auto& [name, value] : recorded.items()) {
        const Json* same = find_member(now, name);
        if (same == nullptr) return Difference{at(path, name), show_json(value), "absent"};
        if (auto found = difference(at(path, name), value, *same)) return found;
    }
    return std::nullopt;
}

// A later program may make more checks in between; those that were made must be made again.
std::optional<Difference> checks_difference(const Json& recorded, const Json& now) {
    auto next = now.begin();
    for (const Json& check : recorded) {
        while (next != now.end() && object_difference("", check, *next)) ++next;
        if (next == now.end())
            return Difference{"checks", show_json(check), "not made, or differs"};
        ++next;
    }
    return std::nullopt;
}

std::optional<Difference> difference(const std::string& path, const Json& recorded,
                                     const Json& now) {
    if (recorded.is_object() && now.is_object()) return object_difference(path, recorded, now);
    if (path == "checks" && recorded.is_array() && now.is_array()) {
        return checks_difference(recorded, now);
    }
    if (recorded == now) return std::nullopt;
    return Difference{path, show_json(recorded), show_json(now)};
}

}  // namespace

Result<Bundle> Bundle::parse(std::string_view json) {
    Json document =
        TRY(parse_json_object(json, {.max_bytes = kMaxBundle, .max_values = kMaxBundleValues}));
    for (const auto& [name, value] : document.items()) {
        if (std::ranges::count(kMembers, name) == 0) {
            return fail(Code::invalid, "a bundle has no member {}", show_json(name));
        }
    }
    if (TRY(json_string(document, "schema")) != kSchema) {
        return fail(Code::invalid, "the schema is not {}", kSchema);
    }
    Bundle out;
    out.made_by = TRY(json_string(document, "made_by"));
    out.kind = TRY(json_string(document, "kind"));
    TRY(check_option_name(out.kind));
    out.time = TRY(parse_rfc3339(TRY(json_string(document, "time"))));
    for (const auto& [option, values] : TRY(json_object(document, "rules"))->items()) {
        out.rules[option] = TRY(parse_values(option, values));
    }
    size_t count = 0;
    for (const auto& [option, files] : TRY(json_object(document, "files"))->items()) {
        out.files[option] = TRY(parse_files(option, files));
        count += files.size();
    }
    if (count > kMaxBundleFiles) return fail(Code::invalid, "too many files");
    out.verdict = *TRY(json_object(document, "verdict"));
    TRY(with_context(json_bool(out.verdict, "valid"), "verdict"));
    TRY(with_context(json_string(out.verdict, "kind"), "verdict"));
    TRY(with_context(json_array(out.verdict, "checks"), "verdict"));
    return out;
}

std::string Bundle::encode() const {
    Json all = Json::object();
    for (const auto& [option, list] : files) {
        all[option] = Json::array();
        for (const BundleFile& file : list) {
            all[option].push_back({{"name", file.name}, {"bytes", encode_base64(file.bytes)}});
        }
    }
    return dump_json_pretty(Json{{"schema", kSchema},
                                 {"made_by", made_by},
                                 {"kind", kind},
                                 {"time", format_rfc3339(time)},
                                 {"rules", rules},
                                 {"files", all},
                                 {"verdict", verdict}}) +
           "\n";
}

Result<void> compare_verdicts(const Json& recorded, const Json& now, Checks& checks) {
    auto found = difference("", recorded, now);
    if (!found) return checks.require(true, "BUNDLE-VERDICT", "verdict", "as recorded", "the same");
    return checks.require(false, "BUNDLE-VERDICT", found->path, found->recorded, found->now);
}

}  // namespace vouchsafe::evidence
