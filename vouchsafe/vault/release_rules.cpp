#include "vouchsafe/vault/release_rules.h"

#include <algorithm>
#include <array>

#include "vouchsafe/policy/release/compare.h"

namespace vouchsafe::vault {

namespace {

constexpr int64_t kMaxRuleDate = 253402300799;  // 9999-12-31
constexpr std::array<std::string_view, 3> kListNames = {"none", "any", "each"};

// RuleMembers takes an object apart and knows in the end whether anything was left.
class RuleMembers {
  public:
    explicit RuleMembers(const Json& object) : object_(object) {}

    const Json* take(std::string_view name) {
        known_.emplace_back(name);
        return find_member(object_, name);
    }
    Result<bool> flag(std::string_view name) {
        const Json* found = take(name);
        if (found == nullptr) return false;
        if (!found->is_boolean()) return fail(Code::invalid, "{} is true or false", name);
        return found->get<bool>();
    }
    Result<std::optional<int64_t>> number(std::string_view name, int64_t least, int64_t most) {
        const Json* found = take(name);
        if (found == nullptr) return std::optional<int64_t>();
        const bool whole = found->is_number_integer();
        const bool fits = whole && (!found->is_number_unsigned() ||
                                    found->get<uint64_t>() <= static_cast<uint64_t>(most));
        if (!fits || found->get<int64_t>() < least || found->get<int64_t>() > most) {
            return fail(Code::invalid, "{} is a whole number from {} to {}", name, least, most);
        }
        return std::optional(found->get<int64_t>());
    }
    // finish refuses what nobody asked for.
    Result<void> finish(std::string_view where) const {
        for (const auto& [name, value] : object_.items()) {
            if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
            return fail(Code::invalid, "{} has no member {}; there are {}", where, show_json(name),
                        fmt::join(known_, ", "));
        }
        return {};
    }

  private:
    const Json& object_;
    std::vector<std::string> known_;
};

bool is_short_text(const Json& json) {
    return json.is_string() && !json.get_ref<const std::string&>().empty() &&
           json.get_ref<const std::string&>().size() <= kMaxWorkloadText;
}

Result<std::vector<std::string>> parse_values(const Json* json) {
    const bool list = json != nullptr && json->is_array() && !json->empty() &&
                      json->size() <= kMaxWorkloadValues &&
                      std::all_of(json->begin(), json->end(), is_short_text);
    if (!list) {
        return fail(Code::invalid, "workload: values is a list of 1 to {} texts of at most {}",
                    kMaxWorkloadValues, kMaxWorkloadText);
    }
    auto values = json->get<std::vector<std::string>>();
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return values;
}

Result<WorkloadRule> parse_workload(const Json& json) {
    if (!json.is_object()) return fail(Code::invalid, "workload is a list of objects");
    RuleMembers members(json);
    WorkloadRule out;
    const Json* claim = members.take("claim");
    if (claim == nullptr || !is_short_text(*claim)) {
        return fail(Code::invalid, "workload: claim is the path of a claim in the token");
    }
    out.claim = claim->get<std::string>();
    out.values = TRY(parse_values(members.take("values")));
    if (const Json* list = members.take("list"); list != nullptr) {
        if (*list != "any" && *list != "each") {
            return fail(Code::invalid, "workload: list is any or each");
        }
        out.list = *list == "any" ? WorkloadRule::List::any : WorkloadRule::List::each;
    }
    TRY(members.finish("a requirement of workload"));
    return out;
}

bool is_one_of(const WorkloadRule& rule, const Json& value) {
    const std::optional<std::string> text = policy::comparable_text(value);
    return text && std::find(rule.values.begin(), rule.values.end(), *text) != rule.values.end();
}

bool workload_holds(const WorkloadRule& rule, const Json* claim) {
    if (claim == nullptr) return false;
    if (!claim->is_array()) return is_one_of(rule, *claim);
    const auto allowed = [&](const Json& member) { return is_one_of(rule, member); };
    if (rule.list == WorkloadRule::List::any) {
        return std::any_of(claim->begin(), claim->end(), allowed);
    }
    return rule.list == WorkloadRule::List::each && !claim->empty() &&
           std::all_of(claim->begin(), claim->end(), allowed);
}

Result<void> check_end(const ReleaseRules& rules, Time now, Checks& checks) {
    if (!rules.not_after) return {};
    return checks.require(to_unix(now) < *rules.not_after, "VAULT-RULES-END", "notAfter",
                          "before " + format_rfc3339(from_unix(*rules.not_after)),
                          format_rfc3339(now));
}

Result<void> check_age(const ReleaseRules& rules, const Json& claims, Time now, Seconds skew,
                       Checks& checks) {
    if (!rules.max_token_age) return {};
    const std::string expected = fmt::format("at most {} s old", *rules.max_token_age);
    const Json* iat = find_member(claims, "iat");
    // verify_jwt has refused an iat that is no time.
    if (iat == nullptr || !iat->is_number_integer()) {
        return checks.require(false, "VAULT-RULES-TOKEN-AGE", "iat", expected, "nothing");
    }
    const int64_t age = to_unix(now) - iat->get<int64_t>();
    return checks.require(age <= *rules.max_token_age && age >= -skew.count(),
                          "VAULT-RULES-TOKEN-AGE", "iat", expected, fmt::format("{} s", age));
}

bool keeps(const WorkloadRule& old, const ReleaseRules& next) {
    return std::any_of(next.workload.begin(), next.workload.end(), [&](const WorkloadRule& rule) {
        return rule.claim == old.claim && rule.list == old.list &&
               std::includes(old.values.begin(), old.values.end(), rule.values.begin(),
                             rule.values.end());
    });
}

bool raises(const std::optional<int64_t>& now, const std::optional<int64_t>& next) {
    return now && (!next || *next > *now);
}

}  // namespace

Result<ReleaseRules> ReleaseRules::parse(const Json& json) {
    if (!json.is_object()) return fail(Code::invalid, "release rules are a JSON object");
    RuleMembers members(json);
    ReleaseRules out;
    out.single_use = TRY(members.flag("singleUse"));
    out.max_releases = TRY(members.number("maxReleases", 0, kMaxQuota));
    out.not_after = TRY(members.number("notAfter", 0, kMaxRuleDate));
    out.max_token_age = TRY(members.number("maxTokenAge", 1, kMaxTokenAgeRule));
    if (const Json* tier = members.take("trustTier"); tier != nullptr) {
        if (*tier != "hardware") return fail(Code::invalid, "trustTier can only be hardware");
        out.hardware_tier = true;
    }
    if (const Json* list = members.take("workload"); list != nullptr) {
        if (!list->is_array() || list->size() > kMaxWorkloads) {
            return fail(Code::invalid, "workload is a list of at most {} requirements",
                        kMaxWorkloads);
        }
        for (const Json& item : *list) out.workload.push_back(TRY(parse_workload(item)));
    }
    out.two_person = TRY(members.flag("twoPerson"));
    TRY(members.finish("the release rules"));
    return out;
}

Json ReleaseRules::to_json() const {
    Json out = Json::object();
    if (single_use) out["singleUse"] = true;
    if (max_releases) out["maxReleases"] = *max_releases;
    if (not_after) out["notAfter"] = *not_after;
    if (max_token_age) out["maxTokenAge"] = *max_token_age;
    if (hardware_tier) out["trustTier"] = "hardware";
    for (const WorkloadRule& rule : workload) {
        Json item = {{"claim", rule.claim}, {"values", rule.values}};
        if (rule.list != WorkloadRule::List::none) {
            item["list"] = kListNames.at(static_cast<size_t>(rule.list));
        }
        out["workload"].push_back(std::move(item));
    }
    if (two_person) out["twoPerson"] = true;
    return out;
}

std::string ReleaseRules::text() const {
    return empty() ? "" : dump_json(to_json());
}

Result<ReleaseRules> ReleaseRules::of_record(const std::string& stored) {
    if (stored.empty()) return ReleaseRules();
    Result<Json> json = parse_json(stored);
    Result<ReleaseRules> rules = json ? parse(*json) : Result<ReleaseRules>(fail(json.error()));
    if (!rules) return fail(Code::io, "stored release rules are damaged");
    return rules;
}

std::string laxer_than(const ReleaseRules& now, const ReleaseRules& next) {
    if (now.single_use && !next.single_use) return "singleUse";
    if (raises(now.max_releases, next.max_releases)) return "maxReleases";
    if (raises(now.not_after, next.not_after)) return "notAfter";
    if (raises(now.max_token_age, next.max_token_age)) return "maxTokenAge";
    if (now.hardware_tier && !next.hardware_tier) return "trustTier";
    for (const WorkloadRule& rule : now.workload) {
        if (!keeps(rule, next)) return "workload";
    }
    return now.two_person && !next.two_person ? "twoPerson" : "";
}

Result<void> check_rules(const ReleaseRules& rules, const VerifiedClaims& token, Time now,
                         Seconds skew, Checks& checks) {
    const Json& claims = token.claims();
    TRY(check_end(rules, now, checks));
    TRY(check_age(rules, claims, now, skew, checks));
    if (rules.hardware_tier) {
        const Json* tier = find_member(claims, "x-vouchsafe-trust-tier");
        TRY(checks.require(tier != nullptr && *tier == "hardware", "VAULT-RULES-TIER",
                           "x-vouchsafe-trust-tier", "hardware",
                           tier == nullptr ? "nothing" : show_json(*tier)));
    }
    for (const WorkloadRule& rule : rules.workload) {
        const Json* claim = policy::find_claim(claims, rule.claim);
        TRY(checks.require(
            workload_holds(rule, claim), "VAULT-RULES-WORKLOAD", rule.claim,
            fmt::format("{}{}", rule.list == WorkloadRule::List::each ? "each of " : "one of ",
                        show_json(Json(rule.values), 2000)),
            claim == nullptr ? "nothing" : show_json(*claim, 2000)));
    }
    return {};
}

}  // namespace vouchsafe::vault
