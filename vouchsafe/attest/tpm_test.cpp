// Machines with a TPM: both rounds of the protocol, what the report says, and what is refused.
#include <gmock/gmock.h>

#include "vouchsafe/attest/receipt.h"
#include "vouchsafe/attest/test_tpm.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

TpmOffice& office() {
    static TpmOffice one;
    return one;
}

// ask does both rounds after an edit of the machine, and of what it signs.
net::Response ask(TpmOffice& where, const std::function<void(TpmBox&)>& change = nullptr,
                  const std::function<void(Json&)>& edit = nullptr) {
    TpmBox box;
    if (change) change(box);
    Json payload = box.payload(ask_tpm_challenge(where));
    if (edit) edit(payload["att_data"]);
    return where.ask(box.request(dump_json(payload)));
}
std::string code(TpmOffice& where, const std::function<void(TpmBox&)>& change,
                 const std::function<void(Json&)>& edit = nullptr) {
    net::Response response = ask(where, change, edit);
    return response.status == 200 ? "report" : response.headers.get("x-vouchsafe-check");
}
std::string edited(const std::function<void(Json&)>& edit) {
    return code(office(), nullptr, edit);
}
Json& attestation(Json& data) {
    return data["tpm_att_data"]["current_attestation"];
}

TEST(AttestTpm, ReportsWhatTheMachineProved) {
    std::string report = report_of(ask(office()));
    Json claims = claims_of(office(), report);
    expect_named(claims);
    EXPECT_EQ(claims["x-ms-attestation-type"], "tpm");
    EXPECT_EQ(claims["aikValidated"], true);
    EXPECT_EQ(claims["aikPubHash"], encode_base64(crypto::sha256(keys().ak.public_key().spki())));
    EXPECT_EQ(claims["tpmVersion"], 2);
    EXPECT_EQ(claims["secureBootEnabled"], true);
    EXPECT_EQ(claims["cnf"]["jwk"], TpmBox{}.jwk());
    EXPECT_EQ(claims["rp_data"], encode_base64url(as_bytes("my nonce")));
    EXPECT_EQ(claims["x-vouchsafe-pcrs"].size(), 24u);
    EXPECT_EQ(claims["x-vouchsafe-trust-tier"], "simulated");
    EXPECT_EQ(claims["x-vouchsafe-revocation"], "not-checked");
    for (const char* checked : {"TPM-QUOTE-NONCE", "LOG-REPLAY-PCR", "IMA-REPLAY-PCR",
                                "AK-CERT-CHAIN", "ATTEST-CHALLENGE", "ATTEST-REQUEST-KEY"}) {
        EXPECT_THAT(claims["x-vouchsafe-checks"], ::testing::Contains(checked));
    }
    EXPECT_EQ(claims["exp"].get<int64_t>() - claims["iat"].get<int64_t>(), 86400);
    Json header = MUST(jose::parse_jws(report)).header;
    EXPECT_EQ(header["x5c"][0], encode_base64(MUST(office().service->signing_certificate()).der()));
}

TEST(AttestTpm, IsNeverAConfidentialMachine) {
    Json claims = claims_of(office(), report_of(ask(office())));
    EXPECT_FALSE(claims.contains("x-ms-isolation-tee"));
    EXPECT_FALSE(claims.contains("x-ms-compliance-status"));
    EXPECT_FALSE(claims.contains("x-ms-runtime"));
    EXPECT_FALSE(claims.contains("pcrs"));
    EXPECT_FALSE(claims.contains("events"));
}

TEST(AttestTpm, AnswersInTheFormItWasAsked) {
    net::Response wrapped = office().send("POST", "/attest/Tpm",
                                          R"({"data":"eyJwYXlsb2FkIjp7InR5cGUiOiJhaWtjZXJ0In19"})");
    EXPECT_TRUE(MUST(TpmMessage::open(wrapped.body, 4096)).in_payload);
    auto bare = [](const Json& message) {
        return office().send("POST", "/attest/Tpm", dump_json(tpm_answer(message, false)));
    };
    net::Response init = bare({{"type", "aikcert"}});
    TpmMessage answer = MUST(TpmMessage::open(init.body, 4096));
    EXPECT_FALSE(answer.in_payload);
    TpmChallenge challenge{MUST(decode_base64url(answer.content["challenge"].get<std::string>())),
                           answer.content["service_context"]};
    EXPECT_EQ(challenge.challenge.size(), 32u);
    net::Response report = bare(TpmBox{}.request(challenge));
    EXPECT_FALSE(MUST(TpmMessage::open(report.body, 1 << 20)).in_payload);
    EXPECT_EQ(claims_of(office(), report_of(report))["x-ms-attestation-type"], "tpm");
}

TEST(AttestTpm, NeedsAPolicyThatSomebodySet) {
    TpmOffice where;
    EXPECT_EQ(where
                  .send("POST", "/policies/Tpm:reset", jose::unsigned_jws({}, {}), "2025-06-01",
                        where.token())
                  .status,
              200);
    EXPECT_EQ(refused_code(where, where.ask({{"type", "aikcert"}})), "ATTEST-POLICY");
    EXPECT_EQ(refused_code(where, where.ask({{"request", "a.b.c"}})), "ATTEST-POLICY");
}

TEST(AttestTpm, AChallengeIsAnsweredOnceAndByItsOwnContext) {
    TpmBox box;
    TpmChallenge first = ask_tpm_challenge(office()), second = ask_tpm_challenge(office());
    Json request = box.request(first);
    auto code_of = [](const net::Response& response) {
        return response.status == 200 ? "report" : response.headers.get("x-vouchsafe-check");
    };
    EXPECT_EQ(code_of(office().ask(request)), "report");
    EXPECT_EQ(code_of(office().ask(request)), "ATTEST-CHALLENGE");
    EXPECT_EQ(code_of(office().ask(box.request({first.challenge, second.context}))),
              "ATTEST-CHALLENGE");
    EXPECT_EQ(code_of(office().ask(box.request({second.challenge, "AAAA"}))), "ATTEST-CHALLENGE");
    Json stale = box.payload(ask_tpm_challenge(office()));
    stale["att_data"]["challenge"] = encode_base64url(second.challenge);
    stale["att_data"]["service_context"] = second.context;
    EXPECT_EQ(code_of(office().ask(box.request(dump_json(stale)))), "TPM-QUOTE-NONCE");
    EXPECT_EQ(code_of(office().ask(box.request(second))), "report");
}

TEST(AttestTpm, RequestKeyMustSignAndBeBound) {
    TpmBox box;
    Json payload = box.payload(ask_tpm_challenge(office()));
    TpmBox stranger;
    stranger.request_key = keys().ak;
    EXPECT_EQ(office().ask(stranger.request(dump_json(payload))).headers.get("x-vouchsafe-check"),
              "ATTEST-REQUEST-KEY");
    EXPECT_EQ(edited([](Json& data) { data["request_key"].erase("info"); }), "ATTEST-REQUEST-KEY");
    auto hash = [](const char* name) {
        return edited(
            [&](Json& data) { data["request_key"]["info"]["tpm_quote"]["hash_alg"] = name; });
    };
    EXPECT_EQ(hash("sha-384"), "TPM-QUOTE-NONCE");
    EXPECT_EQ(hash("sha-1"), "ATTEST-REQUEST");
    // The text of the key is hashed as it stands there.
    std::string text = dump_json(box.payload(ask_tpm_challenge(office())));
    text.replace(text.find("\"jwk\":{"), 7, "\"jwk\":{ ");
    EXPECT_EQ(office().ask(box.request(text)).headers.get("x-vouchsafe-check"), "TPM-QUOTE-NONCE");
}

TEST(AttestTpm, TakesARequestKeyThatTheTpmHolds) {
    auto held = [](TpmBox& box) { box.certified = true; };
    EXPECT_EQ(code(office(), held), "report");
    auto movable = [](TpmBox& box) {
        box.certified = true;
        box.key_attributes ^= evidence::kTpmaFixedTpm;
    };
    EXPECT_EQ(code(office(), movable), "TPM-CERTIFY-KEY");
    TpmBox box;
    box.certified = true;
    Json old = box.key_object(ask_tpm_challenge(office()));
    auto put_old = [&](Json& data) { data["request_key"] = old; };
    EXPECT_EQ(code(office(), held, put_old), "TPM-CERTIFY-NONCE");
}

TEST(AttestTpm, OtherKeysReachRulesIfTheyAreCertified) {
    TpmBox other;
    other.request_key = keys().ask.key;
    other.certified = true;
    TpmOffice demanding(
        "version=1.2; authorizationrules { [type==\"x-ms-tpm-other-keys\"] => permit(); };");
    auto with = [&](TpmOffice& where, const std::function<void(Json&)>& edit) {
        TpmBox box;
        TpmChallenge challenge = ask_tpm_challenge(where);
        Json payload = box.payload(challenge);
        Json key = other.key_object(challenge);
        edit(key);
        payload["att_data"]["other_keys"] = Json::array({key});
        net::Response response = where.ask(box.request(dump_json(payload)));
        return response.status == 200 ? "report" : response.headers.get("x-vouchsafe-check");
    };
    auto uncertified = [](Json& key) { key.erase("info"); };
    EXPECT_EQ(with(demanding, [](Json&) {}), "report");
    EXPECT_EQ(with(demanding, uncertified), "ATTEST-POLICY");
    EXPECT_EQ(with(office(), uncertified), "report");
    EXPECT_EQ(with(office(), [](Json& key) { key["jwk"] = TpmBox{}.jwk(); }), "TPM-CERTIFY-KEY");
    auto quoted = [](Json& key) { key["info"] = {{"tpm_quote", {{"hash_alg", "sha-256"}}}}; };
    EXPECT_EQ(with(office(), quoted), "ATTEST-REQUEST");
}

TEST(AttestTpm, WithoutAnAikCertificateOnlyWhereThePolicySaysSoAndThenSaysSo) {
    auto none = [](Json& data) { attestation(data).erase("aik_cert"); };
    auto unknown = [](Json& data) {
        Certificate own =
            MUST(crypto::issue_certificate(certificate_spec("AK", false), keys().ak.public_key(),
                                           nullptr, keys().ak, CertSignature::rsa_pss_sha384));
        attestation(data)["aik_cert"] = encode_base64url(own.der());
    };
    auto of_another = [](Json& data) {
        attestation(data)["aik_cert"] = encode_base64url(TpmBox::certificate_of(keys().ephemeral));
    };
    EXPECT_EQ(edited(none), "AK-CERT-PRESENT");
    EXPECT_EQ(edited(unknown), "AK-CERT-CHAIN");
    EXPECT_EQ(edited(of_another), "AK-CERT-KEY");
    TpmOffice lenient(
        "version=1.1; configurationrules { => issueproperty(type=\"require_valid_aik_cert\", "
        "value=false); }; authorizationrules { => permit(); };");
    for (const auto& edit : {std::function<void(Json&)>(none), std::function<void(Json&)>(unknown),
                             std::function<void(Json&)>(of_another)}) {
        Json claims = claims_of(lenient, report_of(ask(lenient, nullptr, edit)));
        EXPECT_EQ(claims["aikValidated"], false);
        EXPECT_EQ(claims["x-vouchsafe-trust-tier"], "none");
        EXPECT_EQ(claims["x-vouchsafe-not-checked"], Json::array({"ak-certificate"}));
    }
    EXPECT_EQ(claims_of(lenient, report_of(ask(lenient)))["aikValidated"], true);
}

TEST(AttestTpm, QuotesTheRegistersThatThePolicyDemands) {
    auto few = [](TpmBox& box) {
        box.boot = "sb-on-uki-ownkeys";
        box.pcrs = {0, 1, 2, 3, 4, 5, 6, 7, 10};
    };
    EXPECT_EQ(code(office(), few), "TPM-QUOTE-SELECTION");
    auto masked = [](const char* mask) {
        return fmt::format(
            "version=1.1; configurationrules {{ => issueproperty(type=\"required_pcr_mask\", "
            "value={}); }}; authorizationrules {{ => permit(); }};",
            mask);
    };
    TpmOffice where(masked("0xFF"));
    EXPECT_EQ(code(where, few), "report");
    where.set_policy(masked("0x8FF"));
    EXPECT_EQ(code(where, few), "TPM-QUOTE-SELECTION");
}

TEST(AttestTpm, RefusesWhatDoesNotHold) {
    EXPECT_EQ(edited([](Json& data) {
                  attestation(data)["pcrs"][0]["values"][4]["digest"] =
                      encode_base64url(Bytes(32, 1));
              }),
              "TPM-QUOTE-DIGEST");
    EXPECT_EQ(edited([](Json& data) {
                  attestation(data)["pcrs"].push_back(
                      {{"algorithm", 4},
                       {"values", {{{"index", 0}, {"digest", encode_base64url(Bytes(20))}}}}});
              }),
              "TPM-PCR-VALUES");
    EXPECT_EQ(edited([](Json& data) {
                  attestation(data)["aik_pub"] = jose::encode_jwk(keys().ask.key.public_key());
              }),
              "AK-CERT-KEY");
    EXPECT_EQ(edited([](Json& data) { attestation(data)["signature"] = "AAAA"; }), "AK-FORM");
    auto extend = [](uint32_t pcr) {
        return [pcr](TpmBox& box) {
            box.after_boot = [pcr](evidence::PcrBank& bank) { bank.values[pcr] = Bytes(32, 9); };
        };
    };
    EXPECT_EQ(code(office(), extend(4)), "LOG-REPLAY-PCR");
    EXPECT_EQ(code(office(), extend(10)), "IMA-REPLAY-PCR");
    EXPECT_EQ(code(office(), extend(8)), "report");  // the operating system's
}

TEST(AttestTpm, SaysOfAMachineWithoutLogsNothingOfItsBoot) {
    Json claims = claims_of(office(), report_of(ask(office(), nullptr, [](Json& data) {
                                attestation(data)["logs"] = Json::array();
                            })));
    EXPECT_EQ(claims["secureBootEnabled"], false);
    EXPECT_FALSE(claims.contains("x-vouchsafe-boot-images"));
    auto off = [](TpmBox& box) { box.boot = "sb-off-uki"; };
    EXPECT_EQ(claims_of(office(), report_of(ask(office(), off)))["secureBootEnabled"], false);
}

TEST(AttestTpm, NamesWhatItDoesNotRead) {
    TpmBox box;
    auto found_of = [](const net::Response& response) {
        EXPECT_EQ(refused_code(office(), response), "ATTEST-REQUEST");
        auto entries = MUST(office().log.find(response.headers.get("x-ms-request-id")));
        return entries.at(0).entry.checks.back().found;
    };
    Json payload = box.payload(ask_tpm_challenge(office()));
    EXPECT_THAT(found_of(office().ask(box.request(dump_json(payload), "attReq"))),
                ::testing::HasSubstr("only attReqV2 is built here"));
    payload["att_type"] = "vbs";
    EXPECT_THAT(found_of(office().ask(box.request(dump_json(payload)))),
                ::testing::HasSubstr("only basic is built here"));
    Json two = attestation(payload["att_data"])["logs"][0];
    payload["att_type"] = "basic";
    attestation(payload["att_data"])["logs"][1] = two;
    EXPECT_THAT(found_of(office().ask(box.request(dump_json(payload)))),
                ::testing::HasSubstr("more than one TCG log"));
    EXPECT_THAT(found_of(office().ask({{"type", "other"}})),
                ::testing::HasSubstr("request is missing"));
}

// Microsoft's samples, shortened.
constexpr const char* kRules12 =
    "version=1.2;\n"
    "configurationrules{};\n"
    "authorizationrules {\n"
    "  c:[type==\"x-ms-tpm-request-key\", issuer==\"AttestationService\"] =>\n"
    "    add(type=\"kty\", value=JsonToClaimValue(JmesPath(c.value, \"jwk.kty\")));\n"
    "  c:[type==\"x-ms-tpm-request-key\", issuer==\"AttestationService\"] =>\n"
    "    add(type=\"attr\", value=JsonToClaimValue(JmesPath(c.value,\n"
    "      \"info.tpm_certify.obj_attr\")));\n"
    "  [type==\"aikValidated\", value==true] && [type==\"kty\", value==\"RSA\"] &&\n"
    "  [type==\"attr\", value==262258] => permit();\n"
    "};\n"
    "issuancerules {\n"
    "  => issueproperty(type=\"report_validity_in_minutes\", value=60);\n"
    "  => issueproperty(type=\"omit_x5c\", value=true);\n"
    "  c:[type==\"events\", issuer==\"AttestationService\"] => add(type=\"vars\",\n"
    "    value=JmesPath(c.value, \"Events[?EventTypeString == 'EV_EFI_VARIABLE_DRIVER_CONFIG' && "
    "ProcessedData.VariableGuid == '8BE4DF61-93CA-11D2-AA0D-00E098032B8C']\"));\n"
    "  c:[type==\"vars\", issuer==\"AttestationPolicy\"] => issue(type=\"sb\",\n"
    "    value=JsonToClaimValue(JmesPath(c.value, \"[?ProcessedData.UnicodeName == 'SecureBoot'] | "
    "length(@) == `1` && @[0].PcrIndex == `7` && @[0].ProcessedData.VariableData == 'AQ'\")));\n"
    "  c:[type==\"events\", issuer==\"AttestationService\"] => issue(type=\"ima\",\n"
    "    value=JsonToClaimValue(JmesPath(c.value,\n"
    "    \"length(Events[?EventTypeString == 'IMA_MEASUREMENT_EVENT']) > `0`\")));\n"
    "  c:[type==\"pcrs\", issuer==\"AttestationService\"] => add(type=\"pcr7\",\n"
    "    value=JsonToClaimValue(JmesPath(c.value,\n"
    "    \"PCRs[? Index == `7`].Digests.SHA256 | @[0] == '{PCR7}'\")));\n"
    "  [type==\"pcr7\", value==true] => issue(type=\"golden\", value=true);\n"
    "  c:[type==\"pcrs\"] => issue(type=\"leak\", value=c.value);\n"
    "};\n";

TEST(AttestTpm, OffersLogsRegistersAndKeysToPolicies) {
    std::string rules = kRules12;
    TpmBox box;
    rules.replace(rules.find("{PCR7}"), 6, encode_hex(box.values().values[7]));
    TpmOffice where(rules);
    EXPECT_EQ(code(where, nullptr), "ATTEST-POLICY");  // the TPM does not hold this key
    std::string report = report_of(ask(where, [](TpmBox& one) { one.certified = true; }));
    Json claims = claims_of(where, report);
    EXPECT_EQ(claims["sb"], true);
    EXPECT_EQ(claims["ima"], true);
    EXPECT_EQ(claims["golden"], true);
    EXPECT_FALSE(claims.contains("leak"));
    EXPECT_EQ(claims["exp"].get<int64_t>() - claims["iat"].get<int64_t>(), 3600);
    Json header = MUST(jose::parse_jws(report)).header;
    EXPECT_FALSE(header.contains("x5c"));
    EXPECT_EQ(header["x5t"],
              encode_base64url(MUST(where.service->signing_certificate()).sha1_fingerprint()));
}

TEST(AttestTpm, GivesAReceiptBesideTheReport) {
    net::Request request;
    request.method = "POST";
    request.path = {"attest", "Tpm"};
    request.query = {{"api-version", "2025-06-01"}, {"receipt", "true"}};
    request.body = dump_json(tpm_answer(TpmBox{}.request(ask_tpm_challenge(office())), true));
    net::Response response = office().service->handler()(request);
    Json content = MUST(TpmMessage::open(response.body, 1 << 20)).content;
    ReceiptRules rules;
    rules.now = office().clock.now();
    rules.token = report_of(response);
    Checks checks;
    auto keys = MUST(jose::JwkSet::parse(MUST(office().service->jwks())));
    std::string receipt = MUST(json_string(content, "x-vouchsafe-receipt"));
    EXPECT_TRUE(verify_receipt(receipt, keys, rules, checks));
}

TEST(AttestTpm, TellsRulesWhatTheyMayConcludeFromAbsence) {
    TpmOffice where(
        "version=1.2; authorizationrules {"
        "  [type==\"x-vouchsafe-confirmed-pcrs\", value==8] &&"
        "  [type==\"x-vouchsafe-ima-verified\", value==true] => permit(); };");
    EXPECT_EQ(code(where, nullptr), "report");
    auto extended = [](TpmBox& box) {
        box.after_boot = [](evidence::PcrBank& bank) { bank.values[8] = Bytes(32, 9); };
    };
    EXPECT_EQ(code(where, extended), "ATTEST-POLICY");
    auto without = [](size_t index) {
        return [index](Json& data) { attestation(data)["logs"].erase(index); };
    };
    EXPECT_EQ(code(where, nullptr, without(1)), "ATTEST-POLICY");  // IMA's list
    EXPECT_EQ(code(where, nullptr, without(0)), "ATTEST-POLICY");
}

TEST(AttestTpm, AsEarAffirmsNothing) {
    TpmBox box;
    net::Request unused;
    Json message = tpm_answer(box.request(ask_tpm_challenge(office())), true);
    net::Request request;
    request.method = "POST";
    request.path = {"attest", "Tpm"};
    request.query = {{"api-version", "2025-06-01"}, {"format", "ear"}};
    request.body = dump_json(message);
    Json ear = claims_of(office(), report_of(office().service->handler()(request)));
    const Json& submod = ear["submods"].begin().value();
    EXPECT_EQ(submod["ear.status"], "contraindicated");
}

}  // namespace
}  // namespace vouchsafe::attest
