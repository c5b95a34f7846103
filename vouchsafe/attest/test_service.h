// A running attestation service for the tests, and what they read out of its answers.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "vouchsafe/access/test_web.h"
#include "vouchsafe/attest/claims/supported_claims.h"
#include "vouchsafe/attest/service.h"
#include "vouchsafe/attest/test_guest.h"
#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/jose/jwt.h"
#include "vouchsafe/jose/signing_key.h"

namespace vouchsafe::attest::testing {

inline constexpr const char* kTenant = "11111111-1111-4111-8111-111111111111";

inline TemporaryDir make_dir() {
    return MUST(TemporaryDir::create("attest"));
}
inline std::unique_ptr<store::Store> open_store(const Path& dir) {
    return MUST(store::open_sqlite(dir / "store.db"));
}

inline Config test_config(const Path& dir) {
    Config out;
    out.directory = dir / "keys";
    out.callers.tenant = kTenant;
    return out;
}

// copy_of_started is a directory in which a service was started once: making its key takes a
// moment, so it is made once for all tests of the binary.
inline TemporaryDir copy_of_started() {
    static const TemporaryDir kStarted = [] {
        TemporaryDir dir = make_dir();
        auto store = open_store(dir.path());
        audit::Log log(*store);
        FixedClock clock(test_time());
        auto anchors = test_anchors();
        MUST(Service::create(test_config(dir.path()), {*store, log, clock, anchors}));
        return dir;
    }();
    TemporaryDir out = make_dir();
    std::filesystem::copy(kStarted.path(), out.path(), std::filesystem::copy_options::recursive);
    return out;
}

// Running is a service with all it borrows; share() one where the test does not need its own.
struct Running {
    TemporaryDir dir = copy_of_started();
    std::unique_ptr<store::Store> store = open_store(dir.path());
    audit::Log log{*store};
    FixedClock clock{test_time()};
    evidence::TrustAnchors anchors = test_anchors();
    access::testing::FakeWeb web;  // before the service: outlives it
    std::unique_ptr<CollateralStore> collateral;
    std::unique_ptr<Service> service;

    Running() {
        keep_ark_list(dir.path() / "collateral");
        open_collateral();
        service = MUST(create());
    }
    void open_collateral() {
        collateral = MUST(
            CollateralStore::create({}, CollateralPack(dir.path() / "collateral"), anchors, clock));
    }

    Config config() const { return test_config(dir.path()); }
    Result<std::unique_ptr<Service>> create(const std::function<void(Config&)>& change = nullptr) {
        Config settings = config();
        if (change) change(settings);
        web.serve(fmt::format("https://login.microsoftonline.com/{}/v2.0", kTenant), login());
        return Service::create(settings,
                               {*store, log, clock, anchors, web.fetch(), collateral.get()});
    }
    static const access::testing::TestIssuer& login() {
        static const access::testing::TestIssuer kLogin{"login-1", make_rsa()};
        return kLogin;
    }
    std::string access_token(std::string_view object_id) const {
        return login().token({{"iss", fmt::format("https://sts.windows.net/{}/", kTenant)},
                              {"aud", "https://attest.azure.net"},
                              {"nbf", to_unix(clock.now())},
                              {"exp", to_unix(clock.now()) + 3600},
                              {"oid", object_id},
                              {"tid", kTenant}});
    }

    net::Response send(const std::string& method, const std::string& path,
                       const std::string& body = "", const std::string& version = "2020-10-01",
                       const std::string& token = "") {
        return send_to(*service, method, path, body, version, token);
    }
    static net::Response send_to(Service& to, const std::string& method, const std::string& path,
                                 const std::string& body, const std::string& version = "2020-10-01",
                                 const std::string& token = "") {
        net::Request request;
        request.method = method;
        std::string segment;
        for (char c : path + "/") {
            if (c != '/') {
                segment += c;
            } else if (!segment.empty()) {
                request.path.push_back(std::exchange(segment, ""));
            }
        }
        if (!version.empty()) request.query.emplace_back("api-version", version);
        request.body = body;
        if (!token.empty()) request.headers.set("Authorization", "Bearer " + token);
        return to.handler()(request);
    }
    net::Response attest(const std::string& body) {
        return send("POST", "/attest/AzureGuest", body);
    }
};

inline Running& share() {
    static Running one;
    return one;
}

// open_envelope does what Azure's client does with the answer (guest-protocol 4.3).
inline std::string open_envelope(const std::string& token) {
    Json envelope = MUST(parse_json_object(as_text(MUST(decode_base64url(token)))));
    Bytes wrapped = MUST(decode_base64(envelope["EncryptedInnerKey"].get<std::string>()));
    SecretBytes key = MUST(keys().ephemeral.decrypt_pkcs1(wrapped, 32));
    Bytes nonce = MUST(decode_base64(envelope["EncryptionParams"]["Iv"].get<std::string>()));
    Bytes tag = MUST(decode_base64(envelope["AuthenticationData"].get<std::string>()));
    Bytes text = MUST(decode_base64(envelope["Jwt"].get<std::string>()));
    MUST(MUST(crypto::AesGcm::create_any(key.expose()))
             .open(nonce, as_bytes("Transport Key"), text, tag, text));
    return to_text(text);
}

inline std::string token_of(const net::Response& response) {
    EXPECT_EQ(response.status, 200) << response.body;
    return MUST(json_string(MUST(parse_json_object(response.body)), "token"));
}

inline Json claims_of(Running& running, const std::string& jwt) {
    jose::JwtRules rules;
    rules.issuers = {running.service->config().issuer};
    rules.now = running.clock.now();
    rules.algorithms.assign(jose::kSigningAlgorithms.begin(), jose::kSigningAlgorithms.end());
    Checks checks;
    auto keys = MUST(jose::JwkSet::parse(MUST(running.service->jwks())));
    return MUST(jose::verify_jwt(jwt, keys, rules, checks)).claims();
}

// expect_named: the metadata list every claim of a token (tokens of every kind come here).
inline void expect_named(const Json& claims) {
    auto known = supported_claims();
    for (const auto& [name, value] : claims.items()) {
        EXPECT_TRUE(std::ranges::find(known, name) != known.end()) << name;
    }
}

inline Json guest_claims(const Machine& machine, Dialect dialect = Dialect::cpp) {
    Running& running = share();
    return claims_of(running,
                     open_envelope(token_of(running.attest(guest_request(machine, dialect)))));
}

inline Json error_of(const net::Response& response) {
    return MUST(parse_json_object(response.body))["error"];
}

// refused_code sends a body that must be refused, and checks the form of every refusal: little for
// the caller, everything for the audit log.
inline std::string refused_code(Running& running, const net::Response& response) {
    EXPECT_EQ(response.status, 400) << response.body;
    std::string code = response.headers.get("x-vouchsafe-check");
    std::string request_id = response.headers.get("x-ms-request-id");
    Json error = error_of(response);
    EXPECT_EQ(error["message"], fmt::format("{} (request {})", code, request_id));
    EXPECT_EQ(error["innererror"]["code"], code);
    EXPECT_EQ(error["code"], response.headers.get("x-ms-error-code"));
    auto entries = MUST(running.log.find(request_id));
    EXPECT_EQ(entries.size(), 1u);
    if (entries.size() == 1) {
        const audit::Entry& entry = entries[0].entry;
        EXPECT_EQ(entry.outcome, audit::Outcome::refused);
        EXPECT_FALSE(entry.checks.empty());
        EXPECT_EQ(entry.checks.back().code, code);
        EXPECT_FALSE(entry.checks.back().passed);
    }
    return code;
}

inline std::string refused_code(const std::string& body) {
    return refused_code(share(), share().attest(body));
}

inline std::string refused_code(const std::function<void(Machine&)>& change) {
    Machine machine;
    change(machine);
    return refused_code(guest_request(machine));
}

}  // namespace vouchsafe::attest::testing
