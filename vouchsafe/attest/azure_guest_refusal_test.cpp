// The nearest evidence that gets no token, and how the refusal reads.
#include "vouchsafe/attest/test_service.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

// The claims that a change of the decoded evidence is refused with.
std::string refused_evidence(const std::function<void(evidence::AzureGuestEvidence&)>& change) {
    evidence::AzureGuestEvidence evidence = Machine{}.evidence();
    change(evidence);
    return refused_code(request_body(inner_request(evidence, Dialect::cpp)));
}

TEST(AttestAzureGuest, RefusesWhatTheDefaultPolicyForbids) {
    EXPECT_EQ(refused_code([](Machine& machine) { machine.policy |= 1 << 19; }),
              "SNP-POLICY-DEBUG");
    EXPECT_EQ(refused_code([](Machine& machine) { machine.policy |= 1 << 18; }),
              "SNP-POLICY-MIGRATION");
    EXPECT_EQ(refused_code([](Machine& machine) { machine.vmpl = 1; }), "SNP-VMPL");
    EXPECT_EQ(
        refused_code([](Machine& machine) { machine.event_log = recorded_log("sb-off-uki"); }),
        "BOOT-SECURE-BOOT");
}

TEST(AttestAzureGuest, TellsAForbiddenMachineFromBadEvidence) {
    auto azure_code = [](const std::function<void(Machine&)>& change) {
        Machine machine;
        change(machine);
        return error_of(share().attest(guest_request(machine)))["code"];
    };
    EXPECT_EQ(azure_code([](Machine& machine) { machine.policy |= 1 << 19; }),
              "PolicyEvaluationError");
    EXPECT_EQ(azure_code([](Machine& machine) { machine.event_log.clear(); }), "InvalidParameter");
}

TEST(AttestAzureGuest, HoldsTheTcbFloorInEveryComponent) {
    auto with_tcb = [](evidence::SnpTcb tcb) {
        Machine machine;
        machine.tcb = tcb;
        return machine;
    };
    EXPECT_EQ(share().attest(guest_request(with_tcb({std::nullopt, 3, 0, 8, 115}))).status, 200);
    for (evidence::SnpTcb low : {evidence::SnpTcb{std::nullopt, 2, 0, 8, 115},
                                 evidence::SnpTcb{std::nullopt, 3, 0, 7, 115},
                                 evidence::SnpTcb{std::nullopt, 3, 0, 8, 114}}) {
        EXPECT_EQ(refused_code(guest_request(with_tcb(low))), "SNP-TCB-FLOOR");
    }
}

TEST(AttestAzureGuest, RefusesEveryPieceOfEvidenceThatIsChanged) {
    using Evidence = evidence::AzureGuestEvidence;
    EXPECT_EQ(refused_evidence([](Evidence& e) { e.snp_report[0x90] ^= 1; }), "SNP-SIGNATURE");
    EXPECT_EQ(refused_evidence([](Evidence& e) { e.runtime_data.back() = ' '; }), "HCL-BINDING");
    EXPECT_EQ(refused_evidence([](Evidence& e) { e.quote_signature[9] ^= 1; }),
              "TPM-QUOTE-SIGNATURE");
    EXPECT_EQ(refused_evidence([](Evidence& e) { e.pcr_values[7].digest[0] ^= 1; }),
              "TPM-QUOTE-DIGEST");
    EXPECT_EQ(refused_evidence([](Evidence& e) { e.certify_signature[9] ^= 1; }),
              "TPM-CERTIFY-SIGNATURE");
    EXPECT_EQ(refused_evidence([](Evidence& e) { e.encryption_key.back() ^= 2; }),
              "TPM-CERTIFY-NAME");
    EXPECT_EQ(refused_evidence([](Evidence& e) { e.ak_public.back() ^= 2; }), "HCL-AK");
    EXPECT_EQ(refused_evidence([](Evidence& e) { e.ak_certificate.clear(); }), "AK-CERT-PRESENT");
    EXPECT_EQ(refused_evidence([](Evidence& e) { e.event_log.clear(); }), "LOG-LOST");
    EXPECT_EQ(refused_evidence([](Evidence& e) { e.event_log.pop_back(); }), "LOG-FORM");
}

TEST(AttestAzureGuest, RefusesMachinesThatAreNoSnpMachines) {
    for (auto [type, code] :
         {std::pair{"TrustedLaunch", "HCL-ISOLATION"}, std::pair{"Tdx", "ATTEST-REQUEST"},
          std::pair{"tdx", "HCL-TEE"}, std::pair{"", "HCL-TEE"}}) {
        Json inner = inner_request(Machine{}.evidence(), Dialect::cpp);
        inner["IsolationInfo"] = {{"Type", type}};
        EXPECT_EQ(refused_code(request_body(inner)), code) << type;
    }
}

TEST(AttestAzureGuest, RefusesAnotherRoot) {
    Running& running = share();
    evidence::TrustAnchors kept = running.anchors;
    running.anchors.amd[0].ark = MUST(crypto::issue_certificate(
        certificate_spec("ARK-OTHER", true), keys().ephemeral.public_key(), nullptr,
        keys().ephemeral, CertSignature::rsa_pss_sha384));
    EXPECT_EQ(refused_code(guest_request(Machine{})), "SNP-CHAIN-ROOT");
    running.anchors = kept;
    EXPECT_EQ(running.attest(guest_request(Machine{})).status, 200);
}

TEST(AttestAzureGuest, AnswersHostileBodiesWithOneCode) {
    for (const std::string& body :
         {std::string(), std::string("{}"), std::string(200000, '['), std::string(2 << 20, '{'),
          std::string("{\"AttestationInfo\":\"" + std::string(900000, 'A') + "\"}"),
          std::string("{\"AttestationInfo\":1,\"AttestationInfo\":2}")}) {
        EXPECT_EQ(refused_code(body), "ATTEST-REQUEST");
    }
}

TEST(AttestAzureGuest, TellsOutsidersOnlyCodeAndRequest) {
    net::Response response = share().attest("{\"AttestationInfo\":\"secret-looking text\"}");
    Json error = error_of(response);
    EXPECT_EQ(error["code"], "InvalidParameter");
    EXPECT_EQ(error.size(), 3u);
    EXPECT_EQ(response.body.find("AttestationInfo"), std::string::npos);
}

}  // namespace
}  // namespace vouchsafe::attest
