#include "vouchsafe/attest/reference/reference_set.h"

#include <algorithm>

#include "vouchsafe/attest/reference/reference_values.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::attest {

using policy::AttestationTarget;

namespace {

constexpr std::string_view kReferenceSchema = "vouchsafe/reference-values/1";
constexpr size_t kMaxReferenceDepth = 8;
constexpr size_t kMaxReferenceJsonValues = 16 << 10;

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

Result<uint64_t> read_version(const Json& document, bool removes) {
    uint64_t most = removes ? kMaxRemovalVersion : kMaxReferenceVersion;
    int64_t version = TRY(json_integer(document, "version"));
    if (version < 1 || static_cast<uint64_t>(version) > most) {
        return fail(Code::invalid, "version is {} and not 1 to {}", version, most);
    }
    return static_cast<uint64_t>(version);
}

// Years have four digits in every time zone, so that what is written can be read again.
Result<Time> read_time(const std::string& text, std::string_view path) {
    constexpr int64_t kEndOf9999 = 253402300799;
    Time out = TRY(with_context(parse_rfc3339(text), path));
    if (to_unix(out) < 0 || to_unix(out) > kEndOf9999) {
        return fail(Code::invalid, "{} is not from 1970 to 9999", path);
    }
    return out;
}

Result<void> read_validity(const Json& document, ReferenceSet& out) {
    const Json& validity = *TRY(json_object(document, "validity"));
    TRY(only_members(validity, "validity", {"not-before", "not-after"}));
    auto begin = TRY(with_context(json_optional_string(validity, "not-before"), "validity"));
    auto end = TRY(with_context(json_string(validity, "not-after"), "validity"));
    if (begin) out.not_before = TRY(read_time(*begin, "validity.not-before"));
    out.not_after = TRY(read_time(end, "validity.not-after"));
    if (out.not_before && *out.not_before > out.not_after) {
        return fail(Code::invalid, "validity ends before it begins");
    }
    return {};
}

Result<std::vector<AttestationTarget>> read_kinds(const Json& document) {
    const Json& kinds = *TRY(json_array(document, "evidence"));
    std::vector<AttestationTarget> out;
    for (const Json& kind : kinds) {
        auto target = kind.is_string() ? policy::find_target(kind.get_ref<const std::string&>())
                                       : std::nullopt;
        // Exactly as the format writes it: other programs compare texts.
        if (!target || policy::target_name(*target) != kind.get_ref<const std::string&>() ||
            *target == AttestationTarget::tpm) {
            return fail(Code::invalid, "evidence: there is no kind {}", show_json(kind));
        }
        if (std::ranges::find(out, *target) != out.end()) {
            return fail(Code::invalid, "evidence names {} twice", show_json(kind));
        }
        out.push_back(*target);
    }
    if (out.empty()) return fail(Code::invalid, "evidence names no kind");
    return out;
}

}  // namespace

bool is_reference_name(std::string_view name) {
    auto inner = [](char c) { return c == '-' || c == '.'; };
    return !name.empty() && name.size() <= kMaxReferenceName &&
           std::ranges::all_of(name, is_name_character) && !inner(name.front()) &&
           !inner(name.back());
}

bool ReferenceSet::applies_to(AttestationTarget target) const {
    return std::ranges::find(evidence, target) != evidence.end();
}

Result<ReferenceSet> ReferenceSet::parse(std::string_view text) {
    Json document = TRY(parse_json_object(text, {.max_bytes = kMaxReferenceDocument,
                                                 .max_depth = kMaxReferenceDepth,
                                                 .max_values = kMaxReferenceJsonValues}));
    std::string schema = TRY(json_string(document, "schema"));
    if (schema != kReferenceSchema) {
        return fail(Code::invalid, "schema is {} and not {}", show_json(schema), kReferenceSchema);
    }
    ReferenceSet out;
    out.name = TRY(json_string(document, "name"));
    if (!is_reference_name(out.name)) {
        return fail(Code::invalid, "name {} is not 1 to {} of a-z, 0-9, '-' and '.'",
                    show_json(out.name), kMaxReferenceName);
    }
    out.removes = TRY(json_optional_bool(document, "remove")).value_or(false);
    out.version = TRY(read_version(document, out.removes));
    if (out.removes) {
        TRY(only_members(document, "a removal", {"schema", "name", "version", "remove"}));
        return out;
    }
    TRY(only_members(
        document, "the document",
        {"schema", "name", "version", "description", "validity", "evidence", "values"}));
    out.description = TRY(json_optional_string(document, "description")).value_or("");
    if (out.description.size() > kMaxReferenceDescription) {
        return fail(Code::invalid, "description has more than {} bytes", kMaxReferenceDescription);
    }
    TRY(read_validity(document, out));
    out.evidence = TRY(read_kinds(document));
    const Json& values = *TRY(json_object(document, "values"));
    out.values = TRY(parse_reference_values(values, out.evidence));
    return out;
}

Json ReferenceSet::to_json() const {
    if (removes) return reference_removal(name, version);
    Json out = {{"schema", kReferenceSchema},
                {"name", name},
                {"version", version},
                {"validity", {{"not-after", format_rfc3339(not_after)}}},
                {"values", encode_reference_values(values)}};
    if (not_before) out["validity"]["not-before"] = format_rfc3339(*not_before);
    if (!description.empty()) out["description"] = description;
    out["evidence"] = Json::array();
    for (AttestationTarget target : evidence) {
        out["evidence"].push_back(policy::target_name(target));
    }
    return out;
}

Json reference_removal(std::string_view name, uint64_t version) {
    return {{"schema", kReferenceSchema}, {"name", name}, {"version", version}, {"remove", true}};
}

}  // namespace vouchsafe::attest
