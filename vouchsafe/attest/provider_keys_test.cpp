// The signing keys of a service: which algorithm, and what becomes of tokens when keys change.
#include "vouchsafe/attest/provider_keys.h"

#include <gtest/gtest.h>

#include "vouchsafe/attest/test_service.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;
using crypto::SigAlg;
using When = jose::SigningKeys::When;

// RotatingService is a service, and beside it an operator's command on the same store.
struct RotatingService {
    Running running;
    std::unique_ptr<jose::SigningKeys> command;

    RotatingService() {
        command =
            MUST(open_signing_keys(running.config(), *running.store, running.log, running.clock));
    }
    void restart(const std::function<void(Config&)>& change) {
        running.service = MUST(running.create(change));
    }
    std::string token(const std::string& query = "") {
        net::Request request;
        request.method = "POST";
        request.path = {"attest", "SevSnpVm"};
        request.query = {{"api-version", "2020-10-01"}};
        if (!query.empty()) request.query.emplace_back("format", query);
        request.body = dump_json(snp_request(Machine{}));
        return token_of(running.service->handler()(request));
    }
    Json get(const std::string& path) {
        return MUST(parse_json_object(running.send("GET", path, "", "").body));
    }
    bool verifies(const std::string& token, Time now) {
        jose::JwtRules rules;
        rules.issuers = {running.config().issuer};
        rules.algorithms.assign(jose::kSigningAlgorithms.begin(), jose::kSigningAlgorithms.end());
        rules.now = now;
        Checks checks;
        return jose::verify_jwt(token, MUST(jose::JwkSet::parse(get("/certs"))), rules, checks)
            .has_value();
    }
    std::vector<audit::Entry> recorded(std::string_view action) {
        std::vector<audit::Entry> out;
        for (auto& stored : MUST(running.log.entries(0, audit::kMaxPage))) {
            if (stored.entry.action == action) out.push_back(std::move(stored.entry));
        }
        return out;
    }
};

Json header_of(const std::string& token) {
    return MUST(jose::parse_jws(token)).header;
}

TEST(AttestKeys, TokensOfEveryFormAreSignedWithTheAlgorithmThatIsSet) {
    RotatingService rotating;
    for (SigAlg alg : {SigAlg::es256, SigAlg::ps256, SigAlg::rs256}) {
        rotating.restart([&](Config& config) { config.signing_algorithm = alg; });
        Json first = rotating.get("/certs")["keys"][0];
        EXPECT_EQ(first["alg"], crypto::sig_alg_name(alg));
        EXPECT_EQ(first["kty"], alg == SigAlg::es256 ? "EC" : "RSA");
        for (const char* form : {"maa", "ear"}) {
            std::string token = rotating.token(form);
            EXPECT_EQ(header_of(token)["alg"], crypto::sig_alg_name(alg)) << form;
            EXPECT_EQ(header_of(token)["kid"], first["kid"]) << form;
            EXPECT_TRUE(rotating.verifies(token, rotating.running.clock.now())) << form;
        }
        EXPECT_TRUE(rotating.running.service->check_signing_key());
    }
    Json algorithms =
        rotating.get("/.well-known/openid-configuration")["id_token_signing_alg_values_supported"];
    EXPECT_EQ(algorithms, Json({"RS256", "ES256", "PS256"}));  // the last one's tokens still count
    EXPECT_EQ(rotating.recorded("signing-keys/rotate").size(), 3u);
    EXPECT_EQ(rotating.recorded("signing-keys/rotate")[0].actor, "service");
}

TEST(AttestKeys, AnswersAboutPoliciesAreSignedWithTheAlgorithmThatIsSet) {
    RotatingService rotating;
    rotating.restart([](Config& config) { config.signing_algorithm = SigAlg::es256; });
    constexpr const char* kAdmin = "22222222-2222-4222-8222-222222222222";
    MUST(rotating.running.service->assign_role(kAdmin, "Attestation Contributor"));
    net::Response answer = rotating.running.send("GET", "/policies/SevSnpVm", "", "2020-10-01",
                                                 rotating.running.access_token(kAdmin));
    EXPECT_EQ(header_of(token_of(answer))["alg"], "ES256");
    EXPECT_TRUE(rotating.verifies(token_of(answer), rotating.running.clock.now()));
}

TEST(AttestKeys, WithoutASettingAServiceKeepsTheAlgorithmOfItsStore) {
    RotatingService rotating;
    rotating.restart([](Config& config) { config.signing_algorithm = SigAlg::es256; });
    Json keys = rotating.get("/certs");
    rotating.restart([](Config&) {});
    EXPECT_EQ(rotating.get("/certs"), keys);
}

TEST(AttestKeys, ATokenOfTheOldKeyVerifiesUntilItEndsAndTheKeyGoesThen) {
    RotatingService rotating;
    rotating.restart([](Config& config) { config.token_lifetime = Seconds{7200}; });
    rotating.running.clock.set(test_time() + Seconds{60});
    std::string old = rotating.token();
    MUST(rotating.command->rotate(When::at_once));
    std::string fresh = rotating.token();
    EXPECT_NE(header_of(old)["kid"], header_of(fresh)["kid"]);
    EXPECT_EQ(rotating.get("/certs")["keys"][0]["kid"], header_of(fresh)["kid"]);

    // The store knew tokens of eight hours before: their key stays for as long.
    Time last = rotating.running.clock.now() + Seconds{28800} + jose::kKeyLeeway;
    rotating.running.clock.set(last);
    EXPECT_TRUE(rotating.verifies(old, test_time() + Seconds{7200}));
    EXPECT_TRUE(rotating.verifies(fresh, test_time() + Seconds{7200}));
    rotating.running.clock.set(last + Seconds{1});
    EXPECT_FALSE(rotating.verifies(old, test_time() + Seconds{7200}));
    EXPECT_TRUE(rotating.verifies(fresh, test_time() + Seconds{7200}));
    EXPECT_EQ(rotating.get("/certs")["keys"].size(), 1u);

    auto rotated = rotating.recorded("signing-keys/rotate");
    ASSERT_EQ(rotated.size(), 1u);
    EXPECT_EQ(rotated[0].actor, "operator");
    EXPECT_EQ(rotated[0].details["kid"], header_of(fresh)["kid"]);
    EXPECT_EQ(rotated[0].details["algorithm"], "RS256");
    auto dropped = rotating.recorded("signing-keys/drop");
    ASSERT_EQ(dropped.size(), 1u);
    EXPECT_EQ(dropped[0].details["dropped"], Json::array({header_of(old)["kid"]}));
}

TEST(AttestKeys, TokensOfACompromisedKeyAreWorthlessAtOnce) {
    RotatingService rotating;
    std::string old = rotating.token();
    EXPECT_TRUE(rotating.verifies(old, rotating.running.clock.now()));
    MUST(rotating.command->rotate(When::compromised));
    EXPECT_FALSE(rotating.verifies(old, rotating.running.clock.now()));
    EXPECT_TRUE(rotating.verifies(rotating.token(), rotating.running.clock.now()));
    EXPECT_EQ(rotating.recorded("signing-keys/withdraw").size(), 1u);
}

TEST(AttestKeys, ADamagedRecordAnswersWithAnErrorAndNoKey) {
    RotatingService rotating;
    Running& running = rotating.running;
    MUST(running.store->run([&](store::Transaction& tx) {
        return tx.put("attest_key", running.config().issuer, as_bytes("damaged"));
    }));
    EXPECT_EQ(running.send("GET", "/certs", "", "").status, 500);
    EXPECT_EQ(running.send("GET", "/.well-known/openid-configuration", "", "").status, 500);
    EXPECT_EQ(running.send("POST", "/attest/SevSnpVm", dump_json(snp_request(Machine{}))).status,
              500);
    EXPECT_FALSE(running.service->check_signing_key());
}

TEST(AttestKeys, AreListedByIssuer) {
    RotatingService rotating;
    Running& running = rotating.running;
    auto other = MUST(running.create([](Config& config) { config.issuer = "https://a.example"; }));
    EXPECT_EQ(MUST(issuers_with_keys(*running.store)),
              (std::vector<std::string>{"https://a.example", running.config().issuer}));
}

}  // namespace
}  // namespace vouchsafe::attest
