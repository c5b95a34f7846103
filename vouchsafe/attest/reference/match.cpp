#include "vouchsafe/attest/reference/match.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::attest {

namespace {

using Mismatches = std::vector<Mismatch>;
constexpr std::string_view kNotInEvidence = "not in the evidence";

bool is_among(const Bytes& value, const Digests& digests) {
    return std::ranges::binary_search(digests, value);
}

std::string describe(const Digests& digests) {
    if (digests.size() == 1) return encode_hex(digests.front());
    return fmt::format("one of {} digests", digests.size());
}

std::string describe(const NumberRange& range) {
    return fmt::format("{} to {}", range.min, range.max);
}

void compare_value(std::string field, const Digests& allowed, const Bytes* found, Mismatches& out) {
    if (found != nullptr && is_among(*found, allowed)) return;
    out.push_back({std::move(field), describe(allowed),
                   found == nullptr ? std::string(kNotInEvidence) : encode_hex(*found)});
}

template <typename Map>
const typename Map::mapped_type* find_value(const Map& map, const typename Map::key_type& key) {
    auto found = map.find(key);
    return found == map.end() ? nullptr : &found->second;
}

// Everything that was measured must be known, and something must have been: what one good event
// proves, anybody can append.
void compare_events(uint32_t index, const Digests& allowed, const std::vector<Bytes>* events,
                    Mismatches& out) {
    std::string field = fmt::format("event-digests.{}", index);
    std::string expected = fmt::format("events of {} known digests alone", allowed.size());
    if (events == nullptr) {
        out.push_back({field, expected, "the register is not confirmed by a log"});
        return;
    }
    if (events->empty()) out.push_back({field, expected, "no event"});
    for (size_t i = 0; i < events->size(); ++i) {
        const Bytes& digest = (*events)[i];
        if (is_among(digest, allowed)) continue;
        out.push_back(
            {field, expected,
             fmt::format("event {} of {}: {}", i + 1, events->size(), encode_hex(digest))});
        return;  // one unknown event tells enough
    }
}

void compare_tcb(const ReferenceValues& values, const Measured& measured, Mismatches& out) {
    if (!values.minimum_tcb.empty()) {
        const auto* floor =
            measured.snp_product ? find_value(values.minimum_tcb, *measured.snp_product) : nullptr;
        if (floor == nullptr) {
            std::string found = measured.snp_product
                                    ? std::string(evidence::product_name(*measured.snp_product))
                                    : std::string(kNotInEvidence);
            out.push_back({"snp.minimum-tcb", "one of the set's products", found});
        } else if (!evidence::reaches(measured.snp_tcb, *floor)) {
            out.push_back({"snp.minimum-tcb", "at least " + evidence::describe(*floor),
                           evidence::describe(measured.snp_tcb)});
        }
    }
    if (!values.minimum_tee_tcb_svn) return;
    const TeeTcbSvn& floor = *values.minimum_tee_tcb_svn;
    bool reached = measured.tee_tcb_svn &&
                   std::ranges::equal(*measured.tee_tcb_svn, floor, std::ranges::greater_equal{});
    if (reached) return;
    out.push_back(
        {"tdx.minimum-tee-tcb-svn", "at least " + encode_hex(floor),
         measured.tee_tcb_svn ? encode_hex(*measured.tee_tcb_svn) : std::string(kNotInEvidence)});
}

}  // namespace

Mismatches compare(const ReferenceSet& set, const Measured& measured, Time now) {
    if (set.removes) return {{"name", "a set in force", "removed"}};
    if (set.not_before && now < *set.not_before) {
        return {{"validity", "from " + format_rfc3339(*set.not_before) + " on",
                 "not yet: it is " + format_rfc3339(now)}};
    }
    if (now > set.not_after) {
        return {{"validity", "until " + format_rfc3339(set.not_after),
                 "ended: it is " + format_rfc3339(now)}};
    }
    const ReferenceValues& values = set.values;
    Mismatches out;
    for (const ReferenceField& field : reference_fields()) {
        if (const Digests* allowed = find_value(values.digests, field.path)) {
            compare_value(std::string(field.path), *allowed,
                          find_value(measured.digests, field.path), out);
        }
        const NumberRange* range = find_value(values.numbers, field.path);
        if (range == nullptr) continue;
        const uint64_t* found = find_value(measured.numbers, field.path);
        if (found != nullptr && *found >= range->min && *found <= range->max) continue;
        out.push_back({std::string(field.path), describe(*range),
                       found == nullptr ? std::string(kNotInEvidence) : std::to_string(*found)});
    }
    compare_tcb(values, measured, out);
    for (const auto& [index, allowed] : values.pcrs) {
        compare_value(fmt::format("pcrs.{}", index), allowed, find_value(measured.pcrs, index),
                      out);
    }
    for (const auto& [index, allowed] : values.events) {
        compare_events(index, allowed, find_value(measured.events, index), out);
    }
    return out;
}

void ReferenceFindings::add(const ReferenceSet& set, Mismatches mismatches) {
    std::string version = fmt::format("{}:{}", set.name, set.version);
    if (mismatches.empty()) {
        matched.push_back(set.name);
        versions.push_back(std::move(version));
    } else if (missed.size() == kMaxMissedTold) {
        ++not_told;
    } else {
        missed.push_back({std::move(version), std::move(mismatches)});
    }
}

std::vector<std::string> ReferenceFindings::lines() const {
    std::vector<std::string> out;
    for (const std::string& set : versions) {
        out.push_back(fmt::format("reference values {}: all match", set));
    }
    for (const Missed& one : missed) {
        size_t told = std::min(one.mismatches.size(), kMaxMismatchesTold);
        for (size_t i = 0; i < told; ++i) {
            const Mismatch& mismatch = one.mismatches[i];
            out.push_back(fmt::format("reference values {}: {}: expected {}, found {}", one.set,
                                      mismatch.field, mismatch.expected, mismatch.found));
        }
        size_t more = one.mismatches.size() - told;
        if (more > 0) {
            out.push_back(fmt::format("reference values {}: {} more do not match", one.set, more));
        }
    }
    if (not_told > 0) out.push_back(fmt::format("{} more sets do not match", not_told));
    return out;
}

Json ReferenceFindings::to_json() const {
    Json out = {{"matched", versions}};
    if (missed.empty()) return out;
    out["missed"] = Json::array();
    for (const Missed& one : missed) {
        size_t told = std::min(one.mismatches.size(), kMaxMismatchesTold);
        for (size_t i = 0; i < told; ++i) {
            const Mismatch& mismatch = one.mismatches[i];
            out["missed"].push_back({{"set", one.set},
                                     {"field", mismatch.field},
                                     {"expected", mismatch.expected},
                                     {"found", mismatch.found}});
        }
    }
    out["lines"] = lines();
    return out;
}

void add_reference_claims(Json& claims, const ReferenceFindings& findings) {
    if (findings.matched.empty()) return;
    claims["x-vouchsafe-reference-values"] = findings.matched;
    claims["x-vouchsafe-reference-value-versions"] = findings.versions;
}

}  // namespace vouchsafe::attest
