// Hostile requests: a valid one taken apart to its last member, also inside the documents that it
// carries in base64, so that each part alone can be written in another way; and what every answer
// to such a request must have.
#pragma once

#include <cctype>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "vouchsafe/attest/test_service.h"
#include "vouchsafe/base/test_flips.h"
#include "vouchsafe/evidence/tdx/test_machine.h"

namespace vouchsafe::attest::testing {

// Part is one value of a request. Its path names members and elements from the outside in; '>'
// enters a document: "AttestationInfo>TpmInfo.PCRs[0].Digest", "report>" for a whole document.
struct Part {
    enum class Kind { leaf, object, array, document };
    Kind kind = Kind::leaf;
    std::string path;
    std::string name;  // of a member, else ""
    std::string text;  // of a leaf: its JSON
    std::vector<Part> parts;
};

// take_apart: `documents` are the paths of the texts that are JSON in base64.
inline Part take_apart(const Json& json, const std::set<std::string>& documents,
                       std::string path = "", std::string name = "") {
    Part out{Part::Kind::leaf, std::move(path), std::move(name), "", {}};
    auto inside = [&](const Json& value, std::string below, std::string called = "") {
        out.parts.push_back(take_apart(value, documents, std::move(below), std::move(called)));
    };
    if (json.is_object()) {
        out.kind = Part::Kind::object;
        bool first = out.path.empty() || out.path.ends_with('>');
        for (const auto& [key, value] : json.items()) {
            inside(value, out.path + (first ? "" : ".") + key, key);
        }
    } else if (json.is_array()) {
        out.kind = Part::Kind::array;
        for (const Json& value : json) {
            inside(value, fmt::format("{}[{}]", out.path, out.parts.size()));
        }
    } else if (documents.contains(out.path)) {
        out.kind = Part::Kind::document;
        Bytes text = MUST(decode_base64_any(json.get<std::string>()));
        inside(MUST(parse_json(as_text(text))), out.path + ">");
    } else {
        out.text = dump_json(json);
    }
    return out;
}

// Written is a value as it stands in the text: with its name, if it is a member.
struct Written {
    std::string name;
    std::string text;
};
// A Change writes a value another way: not at all, once or twice.
using Change = std::function<std::vector<Written>(const Written&)>;
using Changes = std::map<std::string, Change>;  // by path

std::string write_part(const Part& part, const Changes& changes);

inline std::vector<Written> write_changed(const Part& part, const Changes& changes) {
    Written as_it_is{part.name, write_part(part, changes)};
    auto change = changes.find(part.path);
    if (change == changes.end()) return {std::move(as_it_is)};
    return change->second(as_it_is);
}

inline std::string write_part(const Part& part, const Changes& changes) {
    if (part.kind == Part::Kind::leaf) return part.text;
    std::string out;
    for (const Part& inner : part.parts) {
        for (const Written& written : write_changed(inner, changes)) {
            if (!out.empty() && part.kind != Part::Kind::document) out += ',';
            if (part.kind == Part::Kind::object) out += dump_json(written.name) + ":";
            out += written.text;
        }
    }
    if (part.kind == Part::Kind::object) return "{" + out + "}";
    if (part.kind == Part::Kind::array) return "[" + out + "]";
    return '"' + encode_base64url(as_bytes(out)) + '"';
}

inline std::string write_request(const Part& request, const Changes& changes = {}) {
    std::string out;
    for (const Written& written : write_changed(request, changes)) out += written.text;
    return out;
}

// find_part returns the part of that path, or nullptr.
inline const Part* find_part(const Part& part, const std::string& path) {
    if (part.path == path) return &part;
    for (const Part& inner : part.parts) {
        if (const Part* found = find_part(inner, path)) return found;
    }
    return nullptr;
}

inline Change put(std::string text) {
    return [text = std::move(text)](const Written& good) {
        return std::vector<Written>{{good.name, text}};
    };
}

// decoded returns the bytes of a text that is base64, nullopt if it is not.
inline std::optional<Bytes> decoded(const std::string& json) {
    if (json.size() < 3 || json.front() != '"') return std::nullopt;
    auto bytes = decode_base64_any(std::string_view(json).substr(1, json.size() - 2));
    return bytes ? std::optional<Bytes>(std::move(*bytes)) : std::nullopt;
}

inline Change put_bytes(void (*change)(Bytes&)) {
    return [change](const Written& good) {
        Bytes bytes = decoded(good.text).value_or(Bytes{});
        change(bytes);
        return std::vector<Written>{{good.name, '"' + encode_base64(bytes) + '"'}};
    };
}

struct NamedChange {
    std::string name;
    Change change;
};

inline const std::string kTooLong = "longer than its limit";

// hostile_changes: everything that is tried on one part. `limit` is how many bytes it may have.
inline std::vector<NamedChange> hostile_changes(const Part& part, size_t limit) {
    std::vector<NamedChange> out{
        {"removed", [](const Written&) { return std::vector<Written>{}; }},
        {"twice",
         [](const Written& good) {
             return std::vector<Written>{good, good};
         }},
        {kTooLong, put('"' + encode_base64url(Bytes(limit + 1, 'a')) + '"')},
        {"40 lists", put(std::string(40, '[') + std::string(40, ']'))},
        {"no UTF-8", put("\"\xff\"")}};
    if (!part.name.empty()) {
        out.push_back({"twice in capitals", [](const Written& good) {
                           std::string other = good.name;
                           for (char& c : other) {
                               if (std::isalpha(static_cast<unsigned char>(c)) != 0)
                                   c = static_cast<char>(c ^ 0x20);
                           }
                           return std::vector<Written>{good, {other, good.text}};
                       }});
    }
    for (const char* text :
         {"null", "true", "12", "1.5", "-1", "123456789012345678901234567890", "1e999", "\"\"",
          "\"x\"", "\"*AAA\"", "\"AAAAA\"", "[]", "{}", "[{\"a\":[null]}]", "nul"}) {
        out.push_back({text, put(text)});
    }
    bool text = part.kind == Part::Kind::leaf || part.kind == Part::Kind::document;
    if (text && decoded(write_part(part, {}))) {
        out.push_back({"a byte cut", put_bytes([](Bytes& bytes) { bytes.pop_back(); })});
        out.push_back({"a byte more", put_bytes([](Bytes& bytes) { bytes.push_back('Z'); })});
        // In a document the flip leaves no UTF-8, wherever its middle is.
        out.push_back({"a bit flipped", part.kind == Part::Kind::document
                                            ? put_bytes([](Bytes& b) { b[b.size() / 2] ^= 0x80; })
                                            : put_bytes([](Bytes& b) { b[b.size() / 2] ^= 1; })});
    }
    return out;
}

// HostileWalk is a request of which every part is changed. The limits are the service's, said here
// once more. A usual run takes samples, one change of `stride`; VS_EVERY_BIT=1 makes all.
struct HostileWalk {
    Part request;
    std::map<std::string, size_t> limits = {};  // bytes that a part may have, by path
    size_t stride = 29;  // prime to the numbers of changes, so that each has its turn
};

inline constexpr size_t kHostileLimit = 4 << 10;  // at least that of a part not in `limits`

using ChangeNames = std::map<std::string, std::set<std::string>>;  // of changes, by path

// WalkOutcome: which changes got a token all the same, and which were left out.
struct WalkOutcome {
    ChangeNames granted;
    ChangeNames left_out;
};

// answer_code returns the code of the check that failed, or "token". Every refusal has the form
// that Azure's clients read, an id, and a code of the catalogue; and no token.
inline std::string answer_code(const net::Response& response) {
    if (response.status == 200) {
        EXPECT_FALSE(token_of(response).empty());
        return "token";
    }
    EXPECT_EQ(response.status, 400) << response.body;
    std::string id = response.headers.get("x-ms-request-id");
    std::string code = response.headers.get("x-vouchsafe-check");
    EXPECT_TRUE(is_guid(id)) << id;
    EXPECT_NE(find_check_info(code), nullptr) << code;
    EXPECT_EQ(response.body.find("\"token\""), std::string::npos);
    auto body = parse_json_object(response.body);
    EXPECT_TRUE(body.has_value()) << response.body;
    if (!body) return "no JSON";
    Json error = body->value("error", Json::object());
    EXPECT_FALSE(text_or_empty(error, "code").empty());
    EXPECT_EQ(text_or_empty(error, "code"), response.headers.get("x-ms-error-code"));
    EXPECT_EQ(text_or_empty(error, "message"), fmt::format("{} (request {})", code, id));
    EXPECT_EQ(text_or_empty(error.value("innererror", Json::object()), "code"), code);
    return code;
}

using AskHostile = std::function<net::Response(const std::string& body)>;

// every_hostile_change sends each change of each part alone.
inline WalkOutcome every_hostile_change(const HostileWalk& walk, const AskHostile& ask) {
    EXPECT_EQ(answer_code(ask(write_request(walk.request))), "token");
    WalkOutcome out;
    size_t count = 0;
    std::vector<const Part*> parts{&walk.request};
    while (!parts.empty()) {
        const Part& part = *parts.back();
        parts.pop_back();
        auto limit = walk.limits.find(part.path);
        bool limited = limit != walk.limits.end();
        std::string good = write_part(part, {});
        for (const auto& [name, change] :
             hostile_changes(part, limited ? limit->second : kHostileLimit)) {
            SCOPED_TRACE(fmt::format("{}: {}", part.path, name));
            if (name == good) continue;  // 12 in the place of 12
            if (++count % walk.stride != 0 && !vouchsafe::testing::every_bit()) {
                out.left_out[part.path].insert(name);
                continue;
            }
            std::string code = answer_code(ask(write_request(walk.request, {{part.path, change}})));
            if (code == "token") out.granted[part.path].insert(name);
            if (limited && name == kTooLong) {
                EXPECT_EQ(code, "ATTEST-REQUEST");
            }
        }
        for (const Part& inner : part.parts) parts.push_back(&inner);
    }
    return out;
}

// expect_granted compares what got a token with the list of what may: exactly.
inline void expect_granted(const WalkOutcome& outcome, ChangeNames harmless) {
    for (const auto& [path, names] : outcome.left_out) {
        for (const std::string& name : names) {
            auto row = harmless.find(path);
            if (row == harmless.end()) break;
            row->second.erase(name);
            if (row->second.empty()) harmless.erase(row);
        }
    }
    EXPECT_EQ(outcome.granted, harmless);
}

// hostile_office has its own audit log, in which a flood is counted rather than recorded.
inline Running& hostile_office() {
    static Running one;
    static const bool kStarted = [] {
        one.service = MUST(one.create([](Config& config) { config.recorded_burst = 10; }));
        return true;
    }();
    EXPECT_TRUE(kStarted);
    return one;
}

// TdOffice trusts a root of Intel's making that a machine in software has; it has no collateral.
struct TdOffice : Running {
    evidence::testing::TdxMachine machine;
    TdOffice() {
        anchors = {};
        anchors.intel = machine.root();
        clock.set(evidence::testing::march_2026());
        collateral.reset();
        service = MUST(create([](Config& config) { config.recorded_burst = 10; }));
    }
    // request is about a trust domain with this data, under a policy that does without collateral.
    Json request(std::string_view runtime, std::string_view init) {
        constexpr size_t kMrConfigId = 184, kReportData = 520;  // TD report body (TDX 1.0)
        auto put_digest = [&](size_t at, const Bytes& digest) {
            std::ranges::copy(
                digest, machine.signed_part.begin() + machine.kBody + static_cast<ptrdiff_t>(at));
        };
        Bytes bound = crypto::hash(HashAlg::sha256, as_bytes(runtime));
        bound.resize(64);
        put_digest(kReportData, bound);
        put_digest(kMrConfigId, crypto::hash(HashAlg::sha384, as_bytes(init)));
        auto data = [](std::string_view text, const char* type) {
            return Json{{"data", encode_base64url(as_bytes(text))}, {"dataType", type}};
        };
        return {
            {"quote", encode_base64url(machine.quote())},
            {"runtimeData", data(runtime, "JSON")},
            {"initTimeData", data(init, "Binary")},
            {"nonce", 12345678901234567},
            {"draftPolicyForAttestation", "version= 1.0; authorizationrules { => permit(); };"}};
    }
    net::Response ask(const std::string& body) { return send("POST", "/attest/TdxVm", body); }
};

}  // namespace vouchsafe::attest::testing
