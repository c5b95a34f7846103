// Tokens of trusted issuers: which hold, and the nearest that do not.
#include "vouchsafe/access/trusted_issuers.h"

#include <gtest/gtest.h>

#include <future>

#include "vouchsafe/access/client_certificates.h"
#include "vouchsafe/access/test_web.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::access::trusted_issuers_test {
namespace {

using testing::FakeWeb;
using testing::TestIssuer;

const Time kNow = from_unix(1'800'000'000);
constexpr const char* kTenant = "11111111-1111-4111-8111-111111111111";
constexpr const char* kOtherTenant = "22222222-2222-4222-8222-222222222222";
constexpr const char* kAlice = "aaaaaaaa-0000-4000-8000-000000000001";
constexpr const char* kGroup = "aaaaaaaa-0000-4000-8000-00000000000f";
constexpr const char* kBuilds = "https://builds.example.org";
constexpr const char* kAudience = "https://vault.azure.net";

struct Keys {
    TestIssuer home{"home-1", make_rsa()};
    TestIssuer builds{"builds-1", make_rsa()};
    TestIssuer stranger{"stranger-1", make_rsa()};

    static crypto::PrivateKey make_rsa() { return MUST(crypto::PrivateKey::generate_rsa(2048)); }
};
const Keys& keys() {
    static const Keys kKeys;
    return kKeys;
}

Json claims_of(std::string_view issuer) {
    return {{"iss", issuer},        {"aud", kAudience},     {"sub", "repo:org/app"},
            {"iat", to_unix(kNow)}, {"nbf", to_unix(kNow)}, {"exp", to_unix(kNow) + 3600},
            {"tid", kTenant},       {"oid", kAlice}};
}

class TrustedIssuersTest : public ::testing::Test {
  protected:
    TrustedIssuersTest() {
        web_.serve(fmt::format("https://login.microsoftonline.com/{}/v2.0", kTenant), keys().home);
        web_.serve(kBuilds, keys().builds);
        builds_.issuer = kBuilds;
        builds_.tenant = kTenant;
    }

    Result<Caller> ask(const std::string& token, const char* tenant = kTenant) {
        if (!issuers_) issuers_ = MUST(TrustedIssuers::create({builds_}));
        net::Request request;
        request.headers.set("Authorization", "Bearer " + token);
        Issuer issuer;
        issuer.tenant = tenant;
        Checks checks;
        return verify_caller(request, issuer, kAudience, sets_, clock_.now(), checks,
                             {issuers_, nullptr});
    }
    // refused returns the check that refused, "" if none did.
    std::string refused(const std::string& token, const char* tenant = kTenant) {
        const Result<Caller> caller = ask(token, tenant);
        if (caller) return "";
        const Check* reason = caller.error().reason();
        if (reason == nullptr) return std::string(code_info(caller.error().code).name);
        EXPECT_EQ(caller.error().code, Code::unauthenticated);
        return reason->code;
    }
    std::string changed(const char* claim, const Json& value) {
        Json claims = claims_of(kBuilds);
        if (value.is_null()) {
            claims.erase(claim);
        } else {
            claims[claim] = value;
        }
        return refused(keys().builds.token(claims));
    }
    int fetches(const std::string& url) { return web_.fetched[url]; }

    FakeWeb web_;
    FixedClock clock_{kNow};
    KeySets sets_{web_.fetch(), clock_};
    TrustedIssuer builds_;
    std::shared_ptr<const TrustedIssuers> issuers_;
};

TEST_F(TrustedIssuersTest, ATokenSpeaksForItsSubjectAndForNobodyElse) {
    const Caller caller = MUST(ask(keys().builds.token(claims_of(kBuilds))));
    EXPECT_EQ(caller.object_id, principal_of(kBuilds, "repo:org/app"));
    EXPECT_TRUE(is_guid(caller.object_id));
    EXPECT_NE(caller.object_id, kAlice);  // whatever the token says its oid is
    EXPECT_EQ(caller.vouched_by, kBuilds);
    EXPECT_EQ(caller.name, "repo:org/app");
    EXPECT_NE(principal_of(kBuilds, "a"), principal_of("https://other.example.org", "a"));
    EXPECT_NE(principal_of(kBuilds, "a"), group_of(kBuilds, "a"));
    EXPECT_EQ(principal_of(std::string(kBuilds) + "/", "a"), principal_of(kBuilds, "a"));
}

TEST_F(TrustedIssuersTest, TheLogIsToldWhichTokenItWas) {
    const auto told = [&](const Json& claims, const char* issuer) {
        Json details = Json::object();
        Json all = claims_of(issuer);
        all.update(claims);
        const bool own = std::string_view(issuer) != kBuilds;
        add_vouching(MUST(ask((own ? keys().home : keys().builds).token(all))), details);
        return details.value("access_token", "");
    };
    const std::string home = fmt::format("https://sts.windows.net/{}/", kTenant);
    for (const char* issuer : {kBuilds, home.c_str()}) {
        EXPECT_EQ(told({{"uti", "of-Entra"}, {"jti", "another"}}, issuer), "of-Entra");
        EXPECT_EQ(told({{"uti", ""}, {"jti", "run-4711"}}, issuer), "run-4711");
        EXPECT_EQ(told({{"uti", 5}}, issuer), "");
        EXPECT_EQ(told({{"jti", std::string(128, 'j')}}, issuer), std::string(128, 'j'));
        EXPECT_EQ(told({{"jti", std::string(129, 'j')}}, issuer),
                  "sha256:" + encode_hex(crypto::sha256(as_bytes(std::string(129, 'j')))));
    }
}

TEST_F(TrustedIssuersTest, TheServicesOwnLoginGoesOnToCount) {
    Json claims = claims_of(fmt::format("https://sts.windows.net/{}/", kTenant));
    const Caller caller = MUST(ask(keys().home.token(claims)));
    EXPECT_EQ(caller.object_id, kAlice);
    EXPECT_EQ(caller.vouched_by, "");
    claims["iss"] = kBuilds;  // each issuer's keys are for its own name
    EXPECT_EQ(refused(keys().home.token(claims)), "TOKEN-KID");
    claims["iss"] = fmt::format("https://sts.windows.net/{}/", kTenant);
    EXPECT_EQ(refused(keys().builds.token(claims)), "TOKEN-KID");
}

TEST_F(TrustedIssuersTest, OfAnotherIssuerNothingIsFetched) {
    web_.serve("https://evil.example.org", keys().stranger);
    Json claims = claims_of("https://evil.example.org");
    const std::string token =
        MUST(jose::mint_jwt({{"kid", "stranger-1"},
                             {"jku", "https://evil.example.org/certs"},
                             {"x5u", "https://evil.example.org/certs"},
                             {"jwk", jose::encode_jwk(keys().stranger.key.public_key())}},
                            claims, keys().stranger.key, crypto::SigAlg::rs256));
    EXPECT_EQ(refused(token), "TOKEN-ISSUER");
    claims["iss"] = kBuilds;
    EXPECT_EQ(refused(MUST(jose::mint_jwt({{"kid", "stranger-1"},
                                           {"jku", "https://evil.example.org/certs"},
                                           {"x5u", "https://evil.example.org/certs"}},
                                          claims, keys().stranger.key, crypto::SigAlg::rs256))),
              "TOKEN-KID");
    for (const auto& [url, count] : web_.fetched) {
        EXPECT_TRUE(url.starts_with(kBuilds)) << url;
    }
}

TEST_F(TrustedIssuersTest, AKeyIdIsATextAndNoPath) {
    EXPECT_EQ(refused(keys().builds.token(claims_of(kBuilds))), "");
    for (const char* kid : {"../../etc/passwd", "https://evil.example.org/certs", "builds-1/",
                            "BUILDS-1", "builds-1?x", "%62uilds-1", " builds-1", "*"}) {
        const TestIssuer forger{kid, keys().builds.key};
        EXPECT_EQ(refused(forger.token(claims_of(kBuilds))), "TOKEN-KID") << kid;
    }
    for (const auto& [url, count] : web_.fetched) {
        EXPECT_TRUE(url == std::string(kBuilds) + "/certs" ||
                    url == std::string(kBuilds) + "/.well-known/openid-configuration")
            << url;
    }
}

TEST_F(TrustedIssuersTest, OneOfSeveralAudiencesMustBeTheService) {
    const std::string other = "https://attest.azure.net";
    EXPECT_EQ(changed("aud", Json::array({other, kAudience})), "");
    EXPECT_EQ(changed("aud", Json::array({other, std::string(kAudience) + "/x"})),
              "TOKEN-AUDIENCE");
    EXPECT_EQ(changed("aud", Json::array()), "TOKEN-AUDIENCE");
    EXPECT_EQ(changed("aud", Json::array({kAudience, 7})), "TOKEN-FORMAT");
    EXPECT_EQ(changed("aud", Json::array({Json::array({kAudience})})), "TOKEN-FORMAT");
    EXPECT_EQ(changed("aud", {{kAudience, kAudience}}), "TOKEN-FORMAT");
}

TEST_F(TrustedIssuersTest, WhatDoesNotHoldIsRefused) {
    EXPECT_EQ(changed("aud", "https://attest.azure.net"), "TOKEN-AUDIENCE");
    EXPECT_EQ(changed("aud", nullptr), "TOKEN-AUDIENCE");
    EXPECT_EQ(changed("exp", to_unix(kNow) - 300), "TOKEN-EXPIRED");
    EXPECT_EQ(changed("exp", to_unix(kNow) - 299), "");
    EXPECT_EQ(changed("exp", nullptr), "TOKEN-FORMAT");
    EXPECT_EQ(changed("nbf", to_unix(kNow) + 301), "TOKEN-NOT-BEFORE");
    EXPECT_EQ(changed("nbf", to_unix(kNow) + 300), "");
    EXPECT_EQ(changed("sub", nullptr), "CALLER-OID");
    EXPECT_EQ(changed("sub", ""), "CALLER-OID");
    EXPECT_EQ(changed("sub", 7), "CALLER-OID");
    EXPECT_EQ(changed("sub", std::string(255, 's')), "");
    EXPECT_EQ(changed("sub", std::string(256, 's')), "CALLER-OID");
    EXPECT_EQ(changed("iss", std::string(kBuilds) + "/x"), "TOKEN-ISSUER");
    EXPECT_EQ(changed("padding", std::string(13'000, 'x')), "CALLER-TOKEN");  // over 16 kB
}

TEST_F(TrustedIssuersTest, ForgedTokensAreRefused) {
    const std::string good = keys().builds.token(claims_of(kBuilds));
    const std::string body = good.substr(0, good.rfind('.'));
    const std::string payload = body.substr(body.find('.') + 1);
    const auto header = [](const Json& json) {
        return encode_base64url(as_bytes(dump_json(json)));
    };
    EXPECT_EQ(refused(good), "");
    std::string flipped = good;
    flipped[flipped.rfind('.') + 10] = flipped[flipped.rfind('.') + 10] == 'A' ? 'B' : 'A';
    EXPECT_EQ(refused(flipped), "TOKEN-SIGNATURE");
    EXPECT_EQ(refused(header({{"alg", "none"}}) + "." + payload + "."), "TOKEN-ALG");
    EXPECT_EQ(refused(header({{"alg", "none"}, {"kid", "builds-1"}}) + "." + payload + "."),
              "TOKEN-ALG");
    // The public key as the secret of an HMAC (RFC 8725, 2.1).
    const std::string input = header({{"alg", "HS256"}, {"kid", "builds-1"}}) + "." + payload;
    const Bytes secret = keys().builds.key.public_key().spki();
    const Bytes mac = crypto::hmac(crypto::HashAlg::sha256, secret, as_bytes(input));
    EXPECT_EQ(refused(input + "." + encode_base64url(mac)), "TOKEN-ALG");
    TestIssuer forger{"builds-1", keys().stranger.key};
    EXPECT_EQ(refused(forger.token(claims_of(kBuilds))), "TOKEN-SIGNATURE");
    for (const char* rubbish : {"", ".", "..", "a.b.c", "e30.e30.", "\x01"}) {
        EXPECT_NE(refused(rubbish), "") << rubbish;
    }
}

TEST_F(TrustedIssuersTest, AnIssuerCountsForItsTenantsAlone) {
    const std::string token = keys().builds.token(claims_of(kBuilds));
    EXPECT_EQ(refused(token), "");
    EXPECT_EQ(refused(token, kOtherTenant), "TOKEN-ISSUER");
    builds_.tenant_claim = "tid";
    issuers_ = MUST(TrustedIssuers::create({builds_}));
    EXPECT_EQ(refused(token), "");
    EXPECT_EQ(changed("tid", kOtherTenant), "CALLER-TENANT");
    EXPECT_EQ(changed("tid", nullptr), "CALLER-TENANT");
}

TEST_F(TrustedIssuersTest, ATenantsOwnIssuerNamesObjectIdsAndGroups) {
    builds_.principals = Principals::tenant;
    builds_.principal_claim = "oid";
    issuers_ = MUST(TrustedIssuers::create({builds_}));
    Json claims = claims_of(kBuilds);
    claims["groups"] = Json::array({kGroup, "admins", 7});
    const Caller caller = MUST(ask(keys().builds.token(claims)));
    EXPECT_EQ(caller.object_id, kAlice);
    EXPECT_EQ(caller.groups, std::vector<std::string>{kGroup});
    EXPECT_EQ(changed("oid", "operator"), "CALLER-OID");
    builds_.principals = Principals::own;
    builds_.principal_claim = "sub";
    issuers_ = MUST(TrustedIssuers::create({builds_}));
    EXPECT_EQ(MUST(ask(keys().builds.token(claims))).groups,
              (std::vector<std::string>{group_of(kBuilds, kGroup), group_of(kBuilds, "admins")}));
}

TEST_F(TrustedIssuersTest, ATenantWithALoginOfItsOwnBelievesTheServicesNoMore) {
    builds_.login = "https://builds.example.org/";
    issuers_ = MUST(TrustedIssuers::create({builds_}));
    EXPECT_EQ(refused(keys().builds.token(claims_of(kBuilds))), "");
    EXPECT_EQ(
        refused(keys().home.token(claims_of(fmt::format("https://sts.windows.net/{}/", kTenant)))),
        "TOKEN-ISSUER");
    const Vouching vouching{issuers_, nullptr};
    EXPECT_EQ(vouching.login_of(kTenant, "https://l"), "https://builds.example.org");
    EXPECT_EQ(vouching.login_of(kOtherTenant, "https://l"), "https://l");
}

TEST_F(TrustedIssuersTest, ItsAudiencesReplaceTheServices) {
    builds_.audiences = {"vaults", "others"};
    EXPECT_EQ(changed("aud", kAudience), "TOKEN-AUDIENCE");
    EXPECT_EQ(changed("aud", "others"), "");
    EXPECT_EQ(changed("aud", Json::array({"x", "vaults"})), "");
}

TEST_F(TrustedIssuersTest, KeysAreFetchedAnewWhenTheIssuerRotates) {
    const std::string certs = std::string(kBuilds) + "/certs";
    const std::string old = keys().builds.token(claims_of(kBuilds));
    const std::string fresh = keys().stranger.token(claims_of(kBuilds));
    EXPECT_EQ(refused(old), "");
    EXPECT_EQ(refused(fresh), "TOKEN-KID");
    web_.serve(kBuilds, keys().stranger);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(refused(fresh), "TOKEN-KID");
    EXPECT_EQ(fetches(certs), 1);
    clock_.set(kNow + KeySetTimes{}.retry);
    EXPECT_EQ(refused(fresh), "");
    EXPECT_EQ(refused(old), "TOKEN-KID");
    EXPECT_EQ(fetches(certs), 2);
}

// What is kept of a signature that held belongs to the key, not to its name.
TEST_F(TrustedIssuersTest, ATokenThatHeldIsWorthNothingOnceItsKeyIsWithdrawn) {
    const std::string token = keys().builds.token(claims_of(kBuilds));
    EXPECT_EQ(refused(token), "");
    TestIssuer replaced{keys().builds.kid, keys().stranger.key};
    web_.serve(kBuilds, replaced);
    clock_.set(kNow + KeySetTimes{}.refresh - Seconds(1));
    EXPECT_EQ(changed("exp", to_unix(kNow) + 9000), "");  // as long as the old keys are kept
    clock_.set(kNow + KeySetTimes{}.refresh);
    EXPECT_EQ(refused(token), "TOKEN-SIGNATURE");
    web_.documents[std::string(kBuilds) + "/certs"] = {{"keys", Json::array()}};
    clock_.set(kNow + KeySetTimes{}.refresh * 2);
    EXPECT_EQ(refused(replaced.token(claims_of(kBuilds))), "TOKEN-KID");
}

TEST_F(TrustedIssuersTest, AnIssuerThatIsNoLongerTrustedIsRefusedAtOnce) {
    const std::string token = keys().builds.token(claims_of(kBuilds));
    EXPECT_EQ(refused(token), "");
    issuers_ = MUST(TrustedIssuers::create({}));
    EXPECT_EQ(refused(token), "TOKEN-ISSUER");
}

TEST_F(TrustedIssuersTest, AnIssuerThatIsDownCostsItsOwnUsersAlone) {
    for (const char* path : {"/certs", "/.well-known/openid-configuration"}) {
        web_.documents.erase(kBuilds + std::string(path));
    }
    const std::string home =
        keys().home.token(claims_of(fmt::format("https://sts.windows.net/{}/", kTenant)));
    EXPECT_EQ(refused(keys().builds.token(claims_of(kBuilds))), "unavailable");
    EXPECT_EQ(refused(home), "");
    web_.serve(kBuilds, keys().builds);
    clock_.set(kNow + KeySetTimes{}.retry);
    EXPECT_EQ(refused(keys().builds.token(claims_of(kBuilds))), "");
}

TEST_F(TrustedIssuersTest, AnIssuerThatHangsKeepsNobodyWaitingForLong) {
    std::promise<void> answer;
    std::shared_future<void> answered = answer.get_future().share();
    builds_.fetch = [answered](const std::string& url) -> Result<Json> {
        answered.wait();
        return fail(Code::unavailable, "{} is down", url);
    };
    issuers_ = MUST(TrustedIssuers::create({builds_}));
    KeySetTimes times;
    times.patience = std::chrono::milliseconds(50);
    KeySets sets(web_.fetch(), clock_, times);
    const KeyPlace place{kBuilds, "", builds_.fetch};
    const auto started = std::chrono::steady_clock::now();
    for (int i = 0; i < 20; ++i) {
        const auto keys_found = sets.find(place, "builds-1");
        ASSERT_FALSE(keys_found);
        EXPECT_EQ(keys_found.error().code, Code::unavailable);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(2));
    EXPECT_TRUE(
        sets.find(fmt::format("https://login.microsoftonline.com/{}/v2.0", kTenant), "home-1"));
    answer.set_value();
}

TEST_F(TrustedIssuersTest, KeysComeFromWhereTheOperatorSaysAlone) {
    builds_.jwks_uri = "https://keys.example.org/jwks";
    web_.documents["https://keys.example.org/jwks"] = keys().stranger.jwks();
    EXPECT_EQ(refused(keys().stranger.token(claims_of(kBuilds))), "");
    EXPECT_EQ(refused(keys().builds.token(claims_of(kBuilds))), "TOKEN-KID");
    EXPECT_EQ(fetches(std::string(kBuilds) + "/.well-known/openid-configuration"), 0);
}

TEST_F(TrustedIssuersTest, ADiscoveryDocumentOfAnotherIssuerIsNotBelieved) {
    Json& document = web_.documents[std::string(kBuilds) + "/.well-known/openid-configuration"];
    document["issuer"] = "https://other.example.org";
    EXPECT_EQ(refused(keys().builds.token(claims_of(kBuilds))), "unavailable");
    document["issuer"] = kBuilds;
    clock_.set(kNow + KeySetTimes{}.retry);
    EXPECT_EQ(refused(keys().builds.token(claims_of(kBuilds))), "");
}

TEST_F(TrustedIssuersTest, SettingsThatMeanNothingAreRefused) {
    const auto fails = [&](const std::function<void(TrustedIssuer&)>& change) {
        TrustedIssuer one = builds_;
        change(one);
        const auto made = TrustedIssuers::create({builds_, one});
        return !made && made.error().code == Code::invalid;
    };
    EXPECT_FALSE(fails([](TrustedIssuer& one) { one.tenant = kOtherTenant; }));
    EXPECT_TRUE(fails([](TrustedIssuer&) {}));  // twice
    EXPECT_TRUE(fails([](TrustedIssuer& one) { one.issuer = "http://builds.example.org"; }));
    EXPECT_TRUE(fails([](TrustedIssuer& one) { one.tenant = "contoso"; }));
    const auto with = [](auto change) {
        return [change](TrustedIssuer& one) {
            one.tenant = kOtherTenant;
            change(one);
        };
    };
    EXPECT_TRUE(fails(with([](TrustedIssuer& one) { one.jwks_uri = "http://k.example.org"; })));
    EXPECT_TRUE(fails(with([](TrustedIssuer& one) { one.login = "login"; })));
    EXPECT_TRUE(fails(with([](TrustedIssuer& one) { one.principal_claim = ""; })));
    EXPECT_TRUE(fails(with([](TrustedIssuer& one) { one.audiences = {""}; })));
}

class ClientCertificatesTest : public ::testing::Test {
  protected:
    static net::Request request_with(std::vector<std::string> dns_names) {
        static const auto kKey = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
        crypto::CertificateSpec spec;
        spec.subject = {{"CN", "Ops"}};
        spec.not_before = kNow - Seconds(60);
        spec.not_after = kNow + Seconds(60);
        spec.dns_names = std::move(dns_names);
        net::Request request;
        request.client_certificate =
            std::make_shared<const crypto::Certificate>(MUST(crypto::issue_certificate(
                spec, kKey.public_key(), nullptr, kKey, crypto::CertSignature::ecdsa_sha256)));
        return request;
    }
    static Result<Caller> ask(const net::Request& request, const std::vector<std::string>& entries,
                              Time now = kNow) {
        FakeWeb web;
        FixedClock clock(now);
        KeySets sets(web.fetch(), clock);
        Issuer issuer;
        issuer.tenant = kTenant;
        Checks checks;
        return verify_caller(request, issuer, kAudience, sets, now, checks,
                             {nullptr, MUST(ClientCertificates::parse(entries))});
    }
    static std::string refused(const Result<Caller>& caller) {
        return caller ? "" : caller.error().reason()->code;
    }
    static std::string entry(const std::string& name) { return std::string(kAlice) + "=" + name; }
};

TEST_F(ClientCertificatesTest, ANameStandsForItsPrincipal) {
    const auto request = request_with({"ops.example.org"});
    const Caller caller = MUST(ask(request, {entry("dns:ops.example.org")}));
    EXPECT_EQ(caller.object_id, kAlice);
    EXPECT_EQ(caller.vouched_by, "client certificate");
    EXPECT_EQ(caller.name, "dns:ops.example.org");
    EXPECT_EQ(MUST(ask(request, {entry("subject:CN=Ops")})).object_id, kAlice);
    EXPECT_EQ(refused(ask(request, {entry("dns:example.org")})), "CALLER-TOKEN");
    EXPECT_EQ(refused(ask(request, {entry("email:ops.example.org")})), "CALLER-TOKEN");
    EXPECT_EQ(refused(ask(net::Request{}, {entry("dns:ops.example.org")})), "CALLER-TOKEN");
}

TEST_F(ClientCertificatesTest, OneThatEndedOrIsAmbiguousStandsForNobody) {
    const auto request = request_with({"ops.example.org", "dev.example.org"});
    const std::vector<std::string> entries = {entry("dns:ops.example.org")};
    EXPECT_EQ(refused(ask(request, entries, kNow + Seconds(61))), "CALLER-CERTIFICATE");
    EXPECT_EQ(refused(ask(request, entries, kNow + Seconds(60))), "");
    EXPECT_EQ(
        refused(ask(request, {entries.front(), std::string(kGroup) + "=dns:dev.example.org"})),
        "CALLER-CERTIFICATE");
}

TEST_F(ClientCertificatesTest, ATokenGoesBeforeTheCertificate) {
    auto request = request_with({"ops.example.org"});
    request.headers.set("Authorization", "Bearer rubbish");
    EXPECT_EQ(refused(ask(request, {entry("dns:ops.example.org")})), "TOKEN-FORMAT");
}

TEST_F(ClientCertificatesTest, ABrowserDoesNotShowItForAWebPage) {
    auto request = request_with({"ops.example.org"});
    request.headers.set("Origin", "https://evil.example.org");
    EXPECT_EQ(refused(ask(request, {entry("dns:ops.example.org")})), "CALLER-TOKEN");
}

TEST_F(ClientCertificatesTest, EntriesThatMeanNothingAreRefused) {
    for (const char* text :
         {"", "=", "dns:a", "x=dns:a", "aaaaaaaa-0000-4000-8000-000000000001",
          "aaaaaaaa-0000-4000-8000-000000000001=", "aaaaaaaa-0000-4000-8000-000000000001=dns:",
          "aaaaaaaa-0000-4000-8000-000000000001=ops"}) {
        EXPECT_FALSE(ClientCertificates::parse(std::vector<std::string>{text})) << text;
    }
    EXPECT_FALSE(ClientCertificates::parse(
        std::vector<std::string>{entry("dns:a"), std::string(kGroup) + "=dns:a"}));
}

}  // namespace
}  // namespace vouchsafe::access::trusted_issuers_test
