// The worked example of Azure's public API description: an attest request with a genuine report and
// AMD's certificates, and the claims of Azure's answer.
#include <gtest/gtest.h>

#include "vouchsafe/attest/policy/signed_document.h"
#include "vouchsafe/attest/test_service.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

Json example(const std::string& part) {
    Path file = Path(VS_SOURCE_DIR) / "tests/vectors/attest_snp_vm" / ("azure-api-example." + part);
    return MUST(parse_json_object(as_text(MUST(read_file(file)))));
}

// ExampleOffice believes AMD's root, at the time of Azure's answer, and has no revocation list.
struct ExampleOffice : Running {
    Json answered = example("claims.json");
    Json request = example("request.json");

    ExampleOffice() {
        anchors = evidence::vendor_anchors();
        clock.set(from_unix(answered["iat"]));
        collateral.reset();
        service = MUST(create());
    }
    net::Response ask() {
        return send("POST", "/attest/SevSnpVm", dump_json(request), "2025-06-01");
    }
    void set_policy(const std::string& text) {
        constexpr const char* kSomebody = "aaaaaaaa-0000-4000-8000-00000000000c";
        MUST(service->assign_role(kSomebody, "Attestation Contributor"));
        ASSERT_EQ(send("PUT", "/policies/SevSnpVm", unsigned_policy(text), "2025-06-01",
                       access_token(kSomebody))
                      .status,
                  200);
    }
    // with_report sends the request with its report changed.
    net::Response with_report(const std::function<void(Bytes&)>& change) {
        Json whole = request;
        Bytes text = MUST(decode_base64_any(whole["report"].get<std::string>()));
        Json proof = MUST(parse_json_object(as_text(text)));
        Bytes report = MUST(decode_base64_any(proof["SnpReport"].get<std::string>()));
        change(report);
        proof["SnpReport"] = encode_base64url(report);
        request["report"] = encode_base64url(as_bytes(dump_json(proof)));
        net::Response response = ask();
        request = std::move(whole);
        return response;
    }
};

constexpr const char* kPermitAll = "version= 1.0; authorizationrules { => permit(); };";

// Firmware of 2022, long below every floor: the policy of a service that knows no better refuses.
TEST(AzuresApiExample, IsTooOldForTheBuiltInPolicy) {
    ExampleOffice office;
    EXPECT_EQ(refused_code(office, office.ask()), "SNP-VERSION");
}

TEST(AzuresApiExample, GetsTheClaimsThatAzureGaveByAPolicyThatPermitsIt) {
    ExampleOffice office;
    office.set_policy(kPermitAll);
    office.request["nonce"] = office.answered["nonce"];
    Json claims = claims_of(office, token_of(office.ask()));
    // Of the service, the moment and the policy; and the ID key is on no list of today's.
    for (const char* other : {"iss", "jti", "iat", "nbf", "exp", "x-ms-policy-hash"}) {
        EXPECT_EQ(claims[other].type(), office.answered[other].type()) << other;
        EXPECT_NE(office.answered.erase(other), 0u);
    }
    EXPECT_EQ(office.answered.erase("x-ms-compliance-status"), 1u);
    EXPECT_FALSE(claims.contains("x-ms-compliance-status"));
    for (const auto& [name, value] : office.answered.items())
        EXPECT_EQ(claims[name], value) << name;
    for (const auto& [name, value] : claims.items()) {
        bool azures = office.answered.contains(name) || name.starts_with("x-vouchsafe-") ||
                      name == "iss" || name == "jti" || name == "iat" || name == "nbf" ||
                      name == "exp" || name == "x-ms-policy-hash";
        EXPECT_TRUE(azures) << name;
    }
    EXPECT_EQ(claims["x-vouchsafe-trust-tier"], "hardware");
    EXPECT_EQ(claims["x-vouchsafe-revocation"], "not-checked");
    EXPECT_EQ(claims["x-vouchsafe-snp-report-version"], 1);
}

TEST(AzuresApiExample, IsCompliantWhereItsIdKeyIsKnown) {
    ExampleOffice office;
    std::string id_key = office.answered["x-ms-sevsnpvm-idkeydigest"];
    office.service =
        MUST(office.create([&](Config& config) { config.compliant_id_keys = {id_key}; }));
    office.set_policy(kPermitAll);
    Json claims = claims_of(office, token_of(office.ask()));
    EXPECT_EQ(claims["x-ms-compliance-status"], office.answered["x-ms-compliance-status"]);
}

TEST(AzuresApiExample, CanBeRefusedForItsAgeByAPolicy) {
    ExampleOffice office;
    office.set_policy(
        "version= 1.0; authorizationrules { [type==\"x-vouchsafe-snp-report-version\", value>=2] "
        "=> permit(); };");
    EXPECT_EQ(refused_code(office, office.ask()), "ATTEST-POLICY");
}

TEST(AzuresApiExample, IsRefusedAlteredOrOutOfItsTimeWhateverThePolicy) {
    ExampleOffice office;
    office.set_policy(kPermitAll);
    auto with_byte = [&](size_t at) {
        return refused_code(office, office.with_report([at](Bytes& report) { report[at] ^= 1; }));
    };
    EXPECT_EQ(with_byte(0x90), "SNP-SIGNATURE");  // the measurement
    EXPECT_EQ(with_byte(0x1a0), "SNP-CHIP-ID");
    EXPECT_EQ(with_byte(0x187), "SNP-TCB-MICROCODE");
    EXPECT_EQ(with_byte(0x2a0), "SNP-SIGNATURE");  // the signature itself
    Json other = office.request;
    office.request["runtimeData"]["data"] = encode_base64url(as_bytes("{}"));
    EXPECT_EQ(refused_code(office, office.ask()), "HCL-BINDING");
    office.request = other;
    office.clock.set(MUST(parse_rfc3339("2028-01-26T00:00:00Z")));  // the VCEK ended the day before
    EXPECT_EQ(refused_code(office, office.ask()), "SNP-CHAIN-DATES");
}

}  // namespace
}  // namespace vouchsafe::attest
