// Every route with every kind of bad input: the documented status and code, nothing changed, and
// nothing given away. The list of routes is the service's own, so none can be forgotten.
#include "vouchsafe/vault/hostile_test_inputs.h"
#include "vouchsafe/vault/hostile_test_support.h"

namespace vouchsafe::vault::test {
namespace {

// some_route_takes tells whether some route takes this method at this path.
bool some_route_takes(const std::string& path, std::string_view method) {
    const auto parts_of = [](std::string_view text) {
        std::vector<std::string_view> out;
        for (size_t at = 0; at < text.size();) {
            const size_t end = std::min(text.find('/', at + 1), text.size());
            out.push_back(text.substr(at + 1, end - at - 1));
            at = end;
        }
        return out;
    };
    const auto parts = parts_of(path);
    for (const auto* table : {&routes(), &secrets::routes()}) {
        for (const Route& route : *table) {
            const auto pattern = parts_of(route.path);
            const bool fits = std::ranges::equal(pattern, parts, [](auto segment, auto text) {
                return segment.starts_with('{') || segment == text;
            });
            if (fits && route.method == method) return true;
        }
    }
    return false;
}

TEST_F(HostileTest, TheSamplesAreValidRequests) {
    const std::string before = dump();
    std::set<std::string> used;
    for (const Route& route : all_routes()) {
        used.emplace(route.operation.name);
        const Answer answer = exchange(valid(route).wire_text());
        EXPECT_EQ(answer.status, sample(route).status)
            << route.method << " " << route.path << dump_json(answer.body);
    }
    for (const auto& [operation, unused] : samples_) {
        EXPECT_TRUE(used.contains(operation)) << "a sample of no route: " << operation;
    }
    EXPECT_NE(dump(), before);
}

TEST_F(HostileTest, WhoeverHasNoGoodTokenIsChallengedOnEveryRoute) {
    const std::string before = dump();
    const BadTokens tokens = bad_tokens();
    for (const Route& route : all_routes()) {
        for (const auto& [what, line] : tokens) {
            RawRequest request = valid(route);
            request.headers = {line};
            // A folded line is no HTTP of today, and is refused before the token is looked at.
            const bool folded = what == "with a line folded in";
            const Answer answer = refuse(request, folded ? std::set{400, 401} : std::set{401},
                                         folded ? "" : "Unauthorized", what);
            if (folded) continue;
            EXPECT_THAT(answer.headers.get("WWW-Authenticate"), testing::HasSubstr(kTenant));
        }
        // Without a token nothing else counts (azure-api 0.7).
        RawRequest probe = valid(route);
        probe.headers.clear();
        refuse(probe, {401}, "Unauthorized", "no token");
        probe.body = "";
        probe.target = path(route, "{name}", "a_b");
        refuse(probe, {401}, "Unauthorized", "no token, no body, bad name, no version");
    }
    EXPECT_EQ(dump(), before);
}

TEST_F(HostileTest, WhoeverHasNoRoleIsRefusedOnEveryRoute) {
    const std::string before = dump();
    const std::string nobody = bearer(access_token(kNobody));
    for (const Route& route : all_routes()) {
        const bool hidden = route.operation.locate != nullptr;
        RawRequest request = valid(route);
        request.headers = {nobody};
        const Answer answer =
            refuse(request, {hidden ? 404 : 403}, hidden ? "KeyNotFound" : "Forbidden", "no role");
        EXPECT_EQ(answer.inner(), hidden ? "" : "ForbiddenByRbac") << route.path;
        // Before it is told whether there is such a thing.
        if (has(route, "{name}")) {
            request.target = path(route, "{name}", "nope") + "?api-version=7.6";
            refuse(request, {403}, "Forbidden", "no role, and no such object");
        }
        // What it may do in one vault it may not in another.
        request = valid(route);
        request.host = "closedkv.vault.azure.net";
        refuse(request, {hidden ? 404 : 403}, "", "another vault");
        request.host = "foreignkv.vault.azure.net";
        refuse(request, {401}, "Unauthorized", "a vault of another tenant");
    }
    EXPECT_EQ(dump(), before);
}

TEST_F(HostileTest, EveryRouteRefusesMalformedBodies) {
    for (const Route& route : all_routes()) {
        const Sample& good = sample(route);
        if (good.body.is_null()) continue;
        const std::string before = dump();
        for (const std::string& bad : bad_bodies(good.body)) {
            RawRequest request = valid(route);
            request.body = bad;
            if (bad.size() > kMaxRequestBody) {
                refuse_soon(request, 413, "RequestEntityTooLarge", "long body");
            } else if (route.operation.name == "keys/release" && bad.ends_with("AAAAAA\"}")) {
                // A target that is no token is one that does not convince (A.7).
                refuse_soon(request, 403, "Forbidden", "target");
            } else {
                refuse_soon(request, 400, "BadParameter", "body");
            }
        }
        refuse_all();
        EXPECT_EQ(dump(), before) << route.path;
    }
}

TEST_F(HostileTest, EveryUseOfAKeyRefusesOtherAlgorithmsAndSizes) {
    const std::string before = dump();
    const auto octets = [](size_t size) { return Json(encode_base64url(Bytes(size, 3))); };
    struct Change {
        std::set<std::string> operations;
        const char* member;
        std::vector<Json> values;
    };
    const Json names[] = {"RSA1_5",  "RSA-OAEP", "RSA-OAEP-256", "A128GCM", "A192GCM", "A128CBC",
                          "A256CBC", "A128KW",   "RS256",        "PS512",   "ES384",   "ES512",
                          "ES256K",  "RSNULL",   "HS256",        "none",    "a256gcm", "A256GCM ",
                          "dir",     "",         "RSA-OAEP-512"};
    const std::set<std::string> all = {"keys/encrypt", "keys/decrypt", "keys/wrap",
                                       "keys/unwrap",  "keys/sign",    "keys/verify"};
    const std::vector<Change> changes = {
        {all, "alg", {std::begin(names), std::end(names)}},
        {{"keys/decrypt"}, "iv", {octets(0), octets(11), octets(13), octets(16), nullptr}},
        {{"keys/decrypt"}, "tag", {octets(0), octets(4), octets(15), octets(17), nullptr}},
        {{"keys/decrypt"}, "value", {octets(0), octets(3), octets(64 << 10), nullptr}},
        {{"keys/encrypt"}, "iv", {octets(12)}},
        {{"keys/encrypt"}, "tag", {octets(16)}},
        {{"keys/wrap"}, "value", {octets(0), octets(8), octets(15), octets(17), nullptr}},
        {{"keys/wrap", "keys/unwrap", "keys/sign"}, "aad", {octets(1)}},
        {{"keys/unwrap"}, "value", {octets(0), octets(16), octets(23), octets(24), octets(25)}},
        {{"keys/sign"}, "value", {octets(0), octets(31), octets(33), octets(64), nullptr}},
        {{"keys/sign"}, "digest", {octets(32)}},
        {{"keys/verify"}, "digest", {octets(0), octets(31), octets(33), nullptr}},
        {{"keys/release"}, "enc", {"RSA_AES_KEY_WRAP_512", "rsa_aes_key_wrap_256", ""}},
        {{"keys/release"}, "nonce", {std::string(1025, 'n')}},
        {{"keys/create"}, "kty", {"DSA", "rsa", "RSA-HSM ", "", nullptr}},
        {{"keys/create"}, "crv", {"P-224", "p-256", "SECP256K1", "X25519"}},
        {{"keys/create"}, "key_size", {0, 256, 2048}},
        {{"keys/create", "keys/update"}, "key_ops", {Json::array({"decrypt"}), Json::array({""})}},
        {{"rng"}, "count", {0, 129, 1LL << 62, nullptr}},
    };
    for (const Route& route : all_routes()) {
        for (const Change& change : changes) {
            if (!change.operations.contains(std::string(route.operation.name))) continue;
            for (const Json& value : change.values) {
                RawRequest request = valid(route);
                Json changed = sample(route).body;
                changed[change.member] = value;
                request.body = dump_json(changed);
                refuse_soon(request, 400, "BadParameter", change.member);
            }
        }
    }
    refuse_all();
    EXPECT_EQ(dump(), before);
}

TEST_F(HostileTest, EveryRouteRefusesMalformedNamesAndVersions) {
    const std::string before = dump();
    for (const Route& route : all_routes()) {
        const auto with = [&](std::string_view parameter, const std::string& text) {
            RawRequest request = valid(route);
            request.target = path(route, parameter, text) + "?api-version=7.6";
            return request;
        };
        const bool secrets = route.operation.collection == "secrets";
        const char* not_found = secrets ? "SecretNotFound" : "KeyNotFound";
        if (has(route, "{name}")) {
            for (const std::string bad : {"a_b", "a.b", "%C3%A4", "a%00", "a%2Fb", "..%2F..",
                                          "%2e%2e", "a%20b", "a'--", "%ff", "%252e", "$"}) {
                refuse_soon(with("{name}", bad), 400, "BadParameter", "name " + bad);
            }
            refuse_soon(with("{name}", std::string(128, 'a')), 400, "BadParameter", "long name");
            const std::string_view operation = route.operation.name;
            const bool makes = operation == "keys/create" || operation == "keys/import" ||
                               operation == "secrets/set";
            if (!makes) refuse_soon(with("{name}", "nope"), 404, not_found, "unknown name");
        }
        if (has(route, "{version}")) {
            for (const std::string& bad :
                 {std::string("x"), std::string(31, '0'), std::string(33, '0'),
                  std::string(32, 'A'), std::string(32, '0'), std::string("%2e%2e"),
                  std::string(300, 'a')}) {
                refuse_soon(with("{version}", bad), 404, not_found, "version " + bad);
            }
        }
        for (const char* parameter : {"{proposal}", "{request}"}) {
            if (!has(route, parameter)) continue;
            for (const char* bad : {"x", "%2e%2e", "00000000-0000-4000-8000-000000000000"}) {
                refuse_soon(with(parameter, bad), 404, not_found, parameter);
            }
        }
    }
    refuse_all();
    EXPECT_EQ(dump(), before);
}

TEST_F(HostileTest, EveryRouteRefusesMalformedQueries) {
    const std::string before = dump();
    for (const Route& route : all_routes()) {
        for (const std::string& bad :
             {std::string("?"), std::string("?api-version="), std::string("?api-version=7"),
              std::string("?api-version=7.7"), std::string("?api-version=8.0"),
              std::string("?api-version=latest"), std::string("?api-version=2025-07-02"),
              std::string("?api-version=7.4%00"), std::string("?api-version=7.4'"),
              std::string("?api-version=+7.4"), "?api-version=7." + std::string(2000, '4')}) {
            RawRequest request = valid(route);
            request.target = path(route) + bad;
            refuse_soon(request, 400, "BadParameter", "api-version");
        }
        const bool lists =
            route.operation.name.ends_with("/list") || route.operation.name.ends_with("/versions");
        if (!lists) continue;
        for (const char* bad :
             {"maxresults=0", "maxresults=26", "maxresults=-1", "maxresults=", "maxresults=1e1",
              "maxresults=99999999999999999999", "maxresults=%2B1", "$skiptoken=!",
              "$skiptoken=Li4v", "$skiptoken=a2V5L2E", "$skiptoken=_w", "$skiptoken="}) {
            RawRequest request = valid(route);
            request.target += std::string("&") + bad;
            refuse_soon(request, 400, "BadParameter", bad);
        }
    }
    refuse_all();
    EXPECT_EQ(dump(), before);
}

TEST_F(HostileTest, EveryRouteRefusesOtherMethodsAndMalformedHttp) {
    const std::string before = dump();
    for (const Route& route : all_routes()) {
        for (const char* method : {"GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS",
                                   "TRACE", "PROPFIND", "CONNECT"}) {
            if (some_route_takes(path(route), method)) continue;
            RawRequest request = valid(route);
            request.method = method;
            const Answer answer = refuse(request, {405}, "", method);
            EXPECT_NE(answer.headers.find("Allow"), nullptr) << method;
        }
        RawRequest request = valid(route);
        for (const std::string& bad :
             {std::string("%"), std::string("%zz"), std::string("\x80"), std::string("a b")}) {
            request.target = path(route) + "/" + bad + "?api-version=7.6";
            refuse(request, {400}, "BadRequest", "target");
        }
        request.target = path(route) + "/one/more/segment/than/known?api-version=7.6";
        refuse(request, {404}, "", "longer path");
        request.target = path(route) + "?api-version=7.6&" + std::string(20 << 10, 'a');
        refuse(request, {431}, "RequestHeaderFieldsTooLarge", "long target");
        request = valid(route);
        for (const char* host : {"nosuchvault.vault.azure.net", "evil.example", "127.0.0.1",
                                 "vault.azure.net", "a.myconfkv.vault.azure.net"}) {
            request.host = host;
            refuse(request, {404}, "VaultNotFound", host);
        }
        for (const char* host : {"", "a b", "myconfkv.vault.azure.net:x", "my_conf@kv"}) {
            request.host = host;
            refuse(request, {400, 404}, "", host);
        }
        for (const char* line :
             {"Host: myconfkv.vault.azure.net", "Transfer-Encoding: chunked", "Content-Length: 7",
              "no colon", "Bad Name: x", ": x", "X: a\x01"}) {
            request = valid(route);
            request.headers.emplace_back(line);
            refuse(request, {400}, "BadRequest", line);
        }
        request = valid(route);
        request.headers.push_back("X: " + std::string(20 << 10, 'a'));
        refuse(request, {431}, "RequestHeaderFieldsTooLarge", "long header");
    }
    EXPECT_EQ(dump(), before);
}

}  // namespace
}  // namespace vouchsafe::vault::test
