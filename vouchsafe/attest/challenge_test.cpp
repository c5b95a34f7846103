// Freshness: challenges, who may answer them, and what the token says then.
#include <gmock/gmock.h>

#include "vouchsafe/attest/challenges.h"
#include "vouchsafe/attest/test_service.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

std::string ask_challenge(Running& running) {
    net::Response response = running.send("POST", "/challenge", "", "");
    EXPECT_EQ(response.status, 200) << response.body;
    Json answer = MUST(parse_json_object(response.body));
    EXPECT_EQ(answer["expires"], to_unix(running.clock.now()) + 60);
    return answer["challenge"];
}

// answer is the request of a machine whose quote signs the SHA-256 of `signed_text`.
std::string answer(const std::string& challenge, const std::string& signed_text) {
    Machine machine;
    machine.qualifying = challenge_digest(signed_text);
    Json body = MUST(parse_json(guest_request(machine)));
    body["challenge"] = challenge;
    return dump_json(body);
}

TEST(AttestChallenge, MakesATokenFreshShortLivedAndBoundToTheGuestsKey) {
    Running& running = share();
    std::string challenge = ask_challenge(running);
    net::Response response = running.attest(answer(challenge, challenge));
    Json claims = claims_of(running, open_envelope(token_of(response)));
    EXPECT_EQ(claims["x-vouchsafe-challenge"], challenge);
    EXPECT_EQ(claims["exp"].get<int64_t>() - claims["iat"].get<int64_t>(), 300);
    EXPECT_EQ(claims["cnf"]["jkt"],
              encode_base64url(jose::thumbprint(keys().ephemeral.public_key())));
    Json without = guest_claims(Machine{});
    EXPECT_EQ(without["exp"].get<int64_t>() - without["iat"].get<int64_t>(), 28800);
    EXPECT_FALSE(without.contains("x-vouchsafe-challenge"));
    EXPECT_FALSE(without.contains("cnf"));
}

TEST(AttestChallenge, IsAnsweredOnce) {
    Running& running = share();
    std::string challenge = ask_challenge(running);
    std::string body = answer(challenge, challenge);
    EXPECT_EQ(running.attest(body).status, 200);
    EXPECT_EQ(refused_code(running, running.attest(body)), "ATTEST-CHALLENGE");
}

TEST(AttestChallenge, IsNotSpentByEvidenceThatDoesNotAnswerIt) {
    Running& running = share();
    std::string challenge = ask_challenge(running);
    std::string other = ask_challenge(running);
    EXPECT_EQ(refused_code(running, running.attest(answer(challenge, other))), "TPM-QUOTE-NONCE");
    Json unsigned_answer = MUST(parse_json(guest_request(Machine{})));
    unsigned_answer["challenge"] = challenge;
    EXPECT_EQ(refused_code(running, running.attest(dump_json(unsigned_answer))), "TPM-QUOTE-NONCE");
    EXPECT_EQ(running.attest(answer(challenge, challenge)).status, 200);
}

TEST(AttestChallenge, OfAnotherServiceOrAlteredIsRefused) {
    Running& running = share();
    std::string foreign = Challenges(Seconds{60}).issue(running.clock.now()).text;
    std::string altered = ask_challenge(running);
    altered[3] = altered[3] == 'A' ? 'B' : 'A';
    std::string cut = ask_challenge(running);
    cut.pop_back();
    for (const std::string& text : {foreign, altered, cut, std::string("AAAA"), std::string()}) {
        EXPECT_EQ(refused_code(running, running.attest(answer(text, text))), "ATTEST-CHALLENGE")
            << text;
    }
    EXPECT_EQ(refused_code(running, running.attest(answer(std::string(129, 'A'), "x"))),
              "ATTEST-REQUEST");
}

TEST(AttestChallenge, EndsAtItsTimeAndIsForgottenThen) {
    Checks checks;
    Challenges challenges(Seconds{60});
    Time now = test_time();
    auto issued = challenges.issue(now);
    EXPECT_TRUE(challenges.spend(issued.text, now, checks));
    EXPECT_FALSE(challenges.spend(issued.text, now, checks));
    auto other = challenges.issue(now);
    EXPECT_TRUE(challenges.check(other.text, now + Seconds{59}, checks));
    auto late = challenges.check(other.text, now + Seconds{60}, checks);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().reason()->found, "expired");
    // Another that is spent later clears what has ended; the ended one stays refused.
    auto later = challenges.issue(now + Seconds{70});
    EXPECT_TRUE(challenges.spend(later.text, now + Seconds{70}, checks));
    EXPECT_FALSE(challenges.spend(issued.text, now + Seconds{70}, checks));
    EXPECT_FALSE(challenges.spend(issued.text, now, checks));  // nor if the clock goes back
}

TEST(AttestChallenge, CanBeDemandedByAPolicy) {
    Running& running = share();
    std::string demanding =
        "version=1.0; authorizationrules { [type==\"x-vouchsafe-challenge\", "
        "issuer==\"AttestationService\"] => permit(); };";
    std::string challenge = ask_challenge(running);
    Json body = MUST(parse_json(answer(challenge, challenge)));
    body["draftPolicyForAttestation"] = demanding;
    EXPECT_EQ(running.attest(dump_json(body)).status, 200);
    Json without = MUST(parse_json(guest_request(Machine{})));
    without["draftPolicyForAttestation"] = demanding;
    EXPECT_EQ(refused_code(running, running.attest(dump_json(without))), "ATTEST-POLICY");
}

// Who rules a guest can append to its log: rules must not take that for the service's word.
TEST(AttestBootClaims, AreTheGuestsWordAndItsRegistersAreNot) {
    Json request = MUST(parse_json(guest_request(Machine{})));
    auto permitted_by = [&](const std::string& condition) {
        request["draftPolicyForAttestation"] =
            "version=1.0; authorizationrules { [" + condition + "] => permit(); };";
        return share().attest(dump_json(request)).status == 200;
    };
    EXPECT_TRUE(permitted_by("type==\"x-vouchsafe-boot-kernel\", issuer==\"CustomClaim\""));
    EXPECT_FALSE(permitted_by("type==\"x-vouchsafe-boot-kernel\", issuer==\"AttestationService\""));
    EXPECT_TRUE(permitted_by("type==\"x-vouchsafe-pcrs\", issuer==\"AttestationService\""));
}

TEST(AttestChallenge, EndpointIsInTheMetadata) {
    net::Response response = share().send("GET", "/.well-known/openid-configuration", "", "");
    Json metadata = MUST(parse_json_object(response.body));
    EXPECT_EQ(metadata["x-vouchsafe-challenge-endpoint"],
              share().service->config().issuer + "/challenge");
}

}  // namespace
}  // namespace vouchsafe::attest
