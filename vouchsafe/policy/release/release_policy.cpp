#include "vouchsafe/policy/release/release_policy.h"

#include <algorithm>
#include <array>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/policy/release/compare.h"

namespace vouchsafe::policy {

namespace {

constexpr std::string_view kVersion = "1.0.0";
constexpr std::array<std::string_view, 7> kOperators = {
    "equals", "notEquals", "less", "lessOrEquals", "greater", "greaterOrEquals", "exists"};

constexpr std::string_view kWritePolicy =
    R"({"version":"1.0.0","anyOf":[{"authority":"https://...","allOf":[...]}]})";
constexpr std::string_view kWriteAuthority = R"({"authority":"https://...","allOf":[...]})";
constexpr std::string_view kWriteClaim = R"({"claim":"a.b","equals":"value"})";
constexpr std::string_view kWriteCondition =
    R"({"claim":"a.b","equals":"value"}, {"allOf":[...]} or {"anyOf":[...]})";

tl::unexpected<Error> wrong(std::string_view path, std::string_view problem,
                            std::string_view write) {
    return fail(Code::invalid, "release policy, {}: {}; write {}",
                path.empty() ? "at the top" : path, problem, write);
}

// Member is a member of an object whose name is a keyword, in the keyword's published spelling.
struct Member {
    std::string_view keyword;
    const Json* value;
};
using Members = std::vector<Member>;

const Json* find(const Members& members, std::string_view keyword) {
    auto found = std::find_if(members.begin(), members.end(),
                              [&](const Member& member) { return member.keyword == keyword; });
    return found == members.end() ? nullptr : found->value;
}

// read_members takes an object apart. Every member's name must be one of `keywords`, without regard
// to capitals, and no keyword may stand twice in two spellings.
Result<Members> read_members(const Json& object, std::string_view path,
                             const std::vector<std::string_view>& keywords,
                             std::string_view write) {
    if (!object.is_object()) return wrong(path, "this is no object", write);
    Members members;
    for (auto it = object.begin(); it != object.end(); ++it) {
        auto keyword = std::find_if(keywords.begin(), keywords.end(), [&](std::string_view known) {
            return equal_ignore_case(known, it.key());
        });
        if (keyword == keywords.end()) {
            return wrong(path, fmt::format("{} is no keyword here", show_json(it.key())), write);
        }
        if (find(members, *keyword) != nullptr) {
            return wrong(path, fmt::format("'{}' appears twice", *keyword), write);
        }
        members.push_back({*keyword, &*it});
    }
    return members;
}

bool is_https_url(std::string_view url) {
    constexpr std::string_view kScheme = "https://";
    constexpr std::string_view kHostCharacters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-:[]";
    if (!equal_ignore_case(url.substr(0, kScheme.size()), kScheme)) return false;
    std::string_view rest = url.substr(kScheme.size());
    std::string_view host = rest.substr(0, rest.find('/'));
    bool visible =
        std::all_of(rest.begin(), rest.end(), [](char c) { return c > ' ' && c < 0x7f; });
    return visible && !host.empty() &&
           host.find_first_not_of(kHostCharacters) == std::string_view::npos &&
           rest.find_first_of("?#\\") == std::string_view::npos;
}

bool is_claim_path(std::string_view path) {
    bool printable = std::none_of(path.begin(), path.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
    return printable && !path.empty() && !path.starts_with('.') && !path.ends_with('.') &&
           path.find("..") == std::string_view::npos;
}

class Parser {
  public:
    Result<std::vector<Authority>> policy(const Json& json) {
        Members members = TRY(read_members(json, "", {"version", "anyOf"}, kWritePolicy));
        const Json* version = find(members, "version");
        if (version != nullptr && *version != Json(kVersion)) {
            return wrong("version", fmt::format("{} is no known version", show_json(*version)),
                         "\"version\":\"1.0.0\"");
        }
        const Json* list = find(members, "anyOf");
        if (list == nullptr || !list->is_array() || list->empty()) {
            return wrong("anyOf", "a list of at least one authority is missing", kWritePolicy);
        }
        std::vector<Authority> out;
        for (size_t i = 0; i < list->size(); ++i) {
            out.push_back(TRY(authority((*list)[i], fmt::format("anyOf[{}]", i))));
        }
        return out;
    }

  private:
    Result<Authority> authority(const Json& json, const std::string& path) {
        Members members =
            TRY(read_members(json, path, {"authority", "allOf", "anyOf"}, kWriteAuthority));
        const Json* url = find(members, "authority");
        if (url == nullptr) return wrong(path, "the authority is missing", kWriteAuthority);
        if (!url->is_string() || !is_https_url(url->get<std::string>())) {
            return wrong(
                path + ".authority",
                fmt::format("{} is no https URL of an attestation service", show_json(*url)),
                R"("authority":"https://name.region.attest.azure.net")");
        }
        if (members.size() != 2) {
            return wrong(path, "an authority has exactly one of allOf and anyOf", kWriteAuthority);
        }
        Condition conditions = TRY(list(members, path, 1));
        return Authority{url->get<std::string>(), std::move(conditions)};
    }

    // list reads the one of allOf and anyOf that `members` has.
    Result<Condition> list(const Members& members, const std::string& parent, size_t depth) {
        Condition out;
        const Json* all = find(members, "allOf");
        const Json* array = all != nullptr ? all : find(members, "anyOf");
        std::string_view keyword = all != nullptr ? "allOf" : "anyOf";
        out.kind = all != nullptr ? Condition::Kind::all_of : Condition::Kind::any_of;
        out.path = fmt::format("{}.{}", parent, keyword);
        if (depth > kMaxDepth) {
            return wrong(out.path, fmt::format("lists are nested deeper than {}", kMaxDepth),
                         "flatter conditions");
        }
        if (!array->is_array() || array->empty()) {
            return wrong(out.path, "this is no list of at least one condition",
                         fmt::format(R"("{}":[{}])", keyword, kWriteClaim));
        }
        for (size_t i = 0; i < array->size(); ++i) {
            out.members.push_back(
                TRY(condition((*array)[i], fmt::format("{}[{}]", out.path, i), depth)));
        }
        return out;
    }

    Result<Condition> condition(const Json& json, const std::string& path, size_t depth) {
        if (find_member_ignore_case(json, "condition") != nullptr) {
            return wrong(path, R"(the form {"claim","condition","value"} is obsolete)",
                         kWriteClaim);
        }
        std::vector<std::string_view> keywords = {"claim", "allOf", "anyOf"};
        keywords.insert(keywords.end(), kOperators.begin(), kOperators.end());
        Members members = TRY(read_members(json, path, keywords, kWriteCondition));
        if (find(members, "claim") != nullptr) return claim(members, path);
        bool one_list =
            members.size() == 1 && (members[0].keyword == "allOf" || members[0].keyword == "anyOf");
        if (!one_list) {
            return wrong(path, "a condition is one claim with one operator, or one list",
                         kWriteCondition);
        }
        return list(members, path, depth + 1);
    }

    Result<Condition> claim(const Members& members, const std::string& path) {
        if (++conditions_ > kMaxConditions) {
            return wrong(path, fmt::format("there are more than {} conditions", kMaxConditions),
                         "a shorter policy");
        }
        const Json* name = find(members, "claim");
        if (!name->is_string() || !is_claim_path(name->get<std::string>())) {
            return wrong(path + ".claim", fmt::format("{} is no claim path", show_json(*name)),
                         R"(names joined by dots: "claim":"x-ms-isolation-tee.x-ms-ver")");
        }
        const Member& other = members[members[0].value == name ? members.size() - 1 : 0];
        auto op = std::find(kOperators.begin(), kOperators.end(), other.keyword);
        if (members.size() != 2 || op == kOperators.end()) {
            return wrong(
                path, "a claim has exactly one operator",
                fmt::format("{} with one of {}", kWriteClaim, fmt::join(kOperators, ", ")));
        }
        Condition out;
        out.path = path;
        out.claim = name->get<std::string>();
        out.op = static_cast<Operator>(op - kOperators.begin());
        TRY(read_value(*other.value, out));
        return out;
    }

    Result<void> read_value(const Json& value, Condition& out) {
        std::string path = fmt::format("{}.{}", out.path, operator_name(out.op));
        std::optional<std::string> text = comparable_text(value);
        if (!text) {
            return wrong(path, fmt::format("{} cannot be compared", show_json(value)),
                         "a string, a number, true or false");
        }
        if (out.op == Operator::exists && *text != "true" && *text != "false") {
            return wrong(path, fmt::format("{} is neither true nor false", show_json(value)),
                         "\"exists\":true or \"exists\":false");
        }
        out.value = dump_json(value);
        out.value_shown = show_json(value);
        out.value_text = std::move(*text);
        return {};
    }

    size_t conditions_ = 0;
};

void write_list(const Condition& list, std::string& out);

void write_condition(const Condition& condition, std::string& out) {
    out += '{';
    if (condition.kind == Condition::Kind::claim) {
        out += fmt::format(R"("claim":{},"{}":{})", dump_json(condition.claim),
                           operator_name(condition.op), condition.value);
    } else {
        write_list(condition, out);
    }
    out += '}';
}

void write_list(const Condition& list, std::string& out) {
    out += list.kind == Condition::Kind::all_of ? R"("allOf":[)" : R"("anyOf":[)";
    for (size_t i = 0; i < list.members.size(); ++i) {
        if (i > 0) out += ',';
        write_condition(list.members[i], out);
    }
    out += ']';
}

std::string write_policy(const std::vector<Authority>& authorities) {
    std::string out = fmt::format(R"({{"version":"{}","anyOf":[)", kVersion);
    for (size_t i = 0; i < authorities.size(); ++i) {
        if (i > 0) out += ',';
        out += fmt::format(R"({{"authority":{},)", dump_json(authorities[i].url));
        write_list(authorities[i].conditions, out);
        out += '}';
    }
    return out + "]}";
}

}  // namespace

std::string_view operator_name(Operator op) {
    return kOperators.at(static_cast<size_t>(op));
}

Result<ReleasePolicy> ReleasePolicy::parse(std::string_view json) {
    Json root =
        TRY(with_context(parse_json(json, {.max_bytes = kMaxPolicyBytes}), "release policy"));
    Parts parts;
    parts.authorities = TRY(Parser().policy(root));
    parts.canonical = write_policy(parts.authorities);
    if (parts.canonical.size() > kMaxPolicyBytes) {
        return fail(Code::invalid, "release policy: written out it has {} bytes, more than {}",
                    parts.canonical.size(), kMaxPolicyBytes);
    }
    return ReleasePolicy(std::make_shared<const Parts>(std::move(parts)));
}

}  // namespace vouchsafe::policy
