// Every part of a valid request of each kind removed, emptied, written twice, replaced by each
// wrong type, too long, cut or flipped: a refusal with its code, never a failure, never a token;
// but for the changes listed here, which change nothing that counts.
#include "vouchsafe/attest/test_hostile.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

const std::string kInfo = "AttestationInfo>";
const std::string kProofAt = kInfo + "IsolationInfo.Evidence.Proof";
const std::string kRuntimeAt = kInfo + "IsolationInfo.Evidence.RunTimeData";

// Names of changes that leave a text a text.
const std::set<std::string> kOtherTexts = {R"("")", R"("x")", R"("*AAA")", R"("AAAAA")"};
const std::set<std::string> kOtherBytes = {"a byte cut", "a byte more", "a bit flipped"};
const std::set<std::string> kAbsent = {"removed", "null"};

std::set<std::string> any_of(std::initializer_list<std::set<std::string>> sets) {
    std::set<std::string> out;
    for (const auto& one : sets) out.insert(one.begin(), one.end());
    return out;
}

TEST(RequestMutation, OfAGuestGetsNoTokenByAnyPartChanged) {
    Json request = MUST(parse_json(guest_request(Machine{})));
    HostileWalk walk{take_apart(request, {"AttestationInfo", kProofAt, kRuntimeAt}),
                     {{"", 1 << 20},
                      {"AttestationInfo", 1 << 20},
                      {kInfo + "TcgLogs", 512 << 10},
                      {kInfo + "ClientPayload", 32 << 10},
                      {kInfo + "ClientPayload.nonce", 32 << 10},
                      {kInfo + "TpmInfo.AikCert", 16 << 10},
                      {kProofAt, 128 << 10},
                      {kProofAt + ">VcekCertChain", 64 << 10},
                      {kRuntimeAt, 64 << 10}}};
    WalkOutcome outcome = every_hostile_change(
        walk, [](const std::string& body) { return hostile_office().attest(body); });
    const std::set<std::string> any_json =
        any_of({kAbsent,
                kOtherTexts,
                {"true", "12", "1.5", "-1", "123456789012345678901234567890", "[]", "{}",
                 R"([{"a":[null]}])"}});
    const std::set<std::string> os_text = any_of({{R"("")"}, kOtherBytes});
    expect_granted(
        outcome,
        {// The guest's own word, echoed or shown, of which nothing is verified.
         {kInfo + "ClientPayload", any_json},
         {kInfo + "ClientPayload.nonce", any_of({any_json, kOtherBytes, {"twice in capitals"}})},
         {kInfo + "OSType", os_text},
         {kInfo + "OSDistro", os_text},
         {kInfo + "OSBuild", os_text},
         // Clients differ: "" is 0.
         {kInfo + "OSVersionMajor", {R"("")", "12"}},
         {kInfo + "OSVersionMinor", {R"("")", "12"}},
         // Around the PEM blocks stands what one likes.
         {kProofAt + ">VcekCertChain", {"a byte cut", "a byte more"}},
         // ReadPublic's other answers may stand behind it (guest-protocol 4.2).
         {kInfo + "TpmInfo.AikPub", {"a byte more"}},
         // The flip falls into the SHA-384 digest of an event: not of the bank that is quoted.
         {kInfo + "TcgLogs", {"a bit flipped"}}});
}

// The hardware signs whatever a guest of its own making wants: here it did, so that all of the
// runtime data is read.
TEST(RequestMutation, OfAGuestWithSignedRuntimeDataGetsNoTokenForAnotherKey) {
    Machine machine;
    evidence::AzureGuestEvidence evidence = machine.evidence();
    HostileWalk walk{take_apart(MUST(parse_json(as_text(evidence.runtime_data))), {}),
                     {{"", 64 << 10}}};
    WalkOutcome outcome = every_hostile_change(walk, [&](const std::string& runtime) {
        evidence.runtime_data = to_bytes(runtime);
        evidence.snp_report = machine.report(crypto::sha256(evidence.runtime_data));
        return hostile_office().attest(request_body(inner_request(evidence, Dialect::cpp)));
    });
    // Only the AK's key is compared; the rest is the signer's word, and members in other capitals
    // are other members, because here names compare exactly.
    const std::set<std::string> capitals = {"twice in capitals"};
    const std::set<std::string> optional = any_of({kAbsent, capitals});
    const std::set<std::string> any_text = any_of({kOtherTexts, kOtherBytes, {kTooLong}});
    expect_granted(outcome, {{"keys", capitals},
                             {"keys[0].kty", capitals},
                             {"keys[0].kid", capitals},
                             {"keys[0].n", capitals},
                             {"keys[0].e", capitals},
                             {"keys[0].key_ops", any_of({capitals, {"removed", "[]"}})},
                             {"keys[0].key_ops[0]", any_of({any_text, {"removed", "twice"}})},
                             {"user-data", optional},
                             {"vm-configuration", any_of({capitals, {"removed", "{}"}})},
                             {"vm-configuration.console-enabled", optional},
                             {"vm-configuration.current-time", any_of({optional, {"-1", "12"}})},
                             {"vm-configuration.secure-boot", optional},
                             {"vm-configuration.tpm-enabled", optional},
                             {"vm-configuration.vmUniqueId", any_of({optional, any_text})}});
}

TEST(RequestMutation, OfAnSnpMachineGetsNoTokenByAnyPartChanged) {
    const std::string init = R"({"policy":["p"]})";
    Machine machine;
    machine.host_data = to_bytes(crypto::sha256(as_bytes(init)));
    Json request = snp_request(machine);
    request["initTimeData"] = {{"data", encode_base64url(as_bytes(init))}, {"dataType", "JSON"}};
    request["nonce"] = "4711";
    HostileWalk walk{take_apart(request, {"report", "runtimeData.data", "initTimeData.data"}),
                     {{"", 1 << 20},
                      {"report", 128 << 10},
                      {"report>VcekCertChain", 64 << 10},
                      {"runtimeData.data", 64 << 10},
                      {"initTimeData.data", 64 << 10}}};
    WalkOutcome outcome = every_hostile_change(walk, [](const std::string& body) {
        return hostile_office().send("POST", "/attest/SevSnpVm", body);
    });
    // Who leaves data out gets a token that does not vouch for it; the nonce is echoed.
    expect_granted(outcome, {{"runtimeData", kAbsent},
                             {"initTimeData", kAbsent},
                             {"nonce", any_of({kAbsent, kOtherTexts, kOtherBytes, {"12", "-1"}})},
                             {"report>VcekCertChain", {"a byte cut", "a byte more"}}});
}

TEST(RequestMutation, OfATrustDomainGetsNoTokenByAnyPartChanged) {
    TdOffice office;
    Json request = office.request(R"({"key":[1]})", "not JSON");
    HostileWalk walk{take_apart(request, {"runtimeData.data"}),
                     {{"", 1 << 20},
                      {"quote", 64 << 10},
                      {"runtimeData.data", 64 << 10},
                      {"initTimeData.data", 64 << 10},
                      {"draftPolicyForAttestation", 256 << 10}},
                     5};
    WalkOutcome outcome =
        every_hostile_change(walk, [&](const std::string& body) { return office.ask(body); });
    expect_granted(outcome, {{"runtimeData", kAbsent},
                             {"initTimeData", kAbsent},
                             {"nonce", any_of({kAbsent, kOtherTexts, {"12", "-1"}})}});
}

}  // namespace
}  // namespace vouchsafe::attest
