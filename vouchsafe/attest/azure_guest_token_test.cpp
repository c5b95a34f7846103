// What a token says, and the envelope it travels in.
#include <set>

#include "vouchsafe/attest/default_policy.h"
#include "vouchsafe/attest/test_service.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

TEST(AttestAzureGuest, GrantsATokenInEveryDialect) {
    for (Dialect dialect : {Dialect::cpp, Dialect::python, Dialect::padded}) {
        Json claims = guest_claims(Machine{}, dialect);
        EXPECT_EQ(claims["x-ms-attestation-type"], "azurevm");
        EXPECT_EQ(claims["secureboot"], true);
        EXPECT_EQ(claims["x-ms-isolation-tee"]["x-ms-attestation-type"], "sevsnpvm");
        EXPECT_EQ(claims["x-ms-isolation-tee"]["x-ms-compliance-status"], "azure-compliant-cvm");
        EXPECT_EQ(claims["x-ms-azurevm-osversion-major"], 22);
        EXPECT_EQ(claims["x-ms-azurevm-osversion-minor"], 4);
        EXPECT_EQ(claims["x-vouchsafe-trust-tier"], "simulated");
    }
    EXPECT_EQ(guest_claims(Machine{}, Dialect::cpp)["x-ms-runtime"]["client-payload"]["nonce"],
              "QURFMDEwMQ==");
    Json payload = guest_claims(Machine{}, Dialect::python)["x-ms-runtime"]["client-payload"];
    EXPECT_EQ(payload, MUST(parse_json(R"({"nonce":"plain","deep":{"a":[1,2.5,null]}})")));
}

std::string type_of(const Json& value) {
    return value.is_number_integer() ? "integer" : value.type_name();
}

// compare walks a token of the real service and demands every claim, of the same type, in ours.
void compare(const Json& azure, const Json& ours, const std::string& path,
             const std::set<std::string>& exceptions) {
    for (auto it = azure.begin(); it != azure.end(); ++it) {
        std::string name = path + it.key();
        if (exceptions.contains(name)) continue;
        ASSERT_TRUE(ours.contains(it.key())) << name;
        EXPECT_EQ(type_of(ours[it.key()]), type_of(*it)) << name;
        if (it->is_object()) compare(*it, ours[it.key()], name + ".", exceptions);
    }
}

TEST(AttestAzureGuest, HasEveryClaimOfARealTokenWithItsType) {
    std::string real =
        MUST(read_text_file(Path(VS_SOURCE_DIR) / "tests/vectors/maa/cvm-snp-weu-2023-03.jwt"));
    Json azure =
        MUST(parse_json(as_text(MUST(jose::parse_jws(real.substr(0, real.find('\n')))).payload)));
    Json ours = guest_claims(Machine{});
    compare(azure, ours, "", {});
    // The values that do not depend on machine or time are the same too.
    for (const char* name : {"x-ms-ver", "x-ms-attestation-type", "secureboot",
                             "x-ms-azurevm-attestation-protocol-ver", "x-ms-azurevm-vmid",
                             "x-ms-azurevm-bootdebug-enabled", "x-ms-azurevm-debuggersdisabled",
                             "x-ms-azurevm-hvci-policy", "x-ms-azurevm-signingdisabled",
                             "x-ms-azurevm-testsigning-enabled"}) {
        EXPECT_EQ(ours[name], azure[name]) << name;
    }
    EXPECT_EQ(ours["x-ms-runtime"]["keys"][0]["kid"], "TpmEphemeralEncryptionKey");
    EXPECT_EQ(ours["x-ms-runtime"]["keys"][0]["key_ops"],
              azure["x-ms-runtime"]["keys"][0]["key_ops"]);
    // And ours has no more than Azure's names, its own, and the firmware's newer ones.
    std::set<std::string> more;
    for (auto it = ours.begin(); it != ours.end(); ++it) {
        if (!azure.contains(it.key())) more.insert(it.key());
    }
    EXPECT_EQ(more, (std::set<std::string>{
                        "x-vouchsafe-boot-authorities", "x-vouchsafe-boot-images",
                        "x-vouchsafe-boot-kernel", "x-vouchsafe-checks", "x-vouchsafe-collateral",
                        "x-vouchsafe-collateral-valid-to", "x-vouchsafe-not-checked",
                        "x-vouchsafe-pcrs", "x-vouchsafe-revocation", "x-vouchsafe-trust-tier"}));
}

TEST(AttestAzureGuest, SaysWhatTheReportSays) {
    Machine machine;
    Json tee = guest_claims(machine)["x-ms-isolation-tee"];
    EXPECT_EQ(tee["x-ms-sevsnpvm-bootloader-svn"], 4);
    EXPECT_EQ(tee["x-ms-sevsnpvm-tee-svn"], 0);
    EXPECT_EQ(tee["x-ms-sevsnpvm-snpfw-svn"], 24);
    EXPECT_EQ(tee["x-ms-sevsnpvm-microcode-svn"], 219);
    EXPECT_EQ(tee["x-ms-sevsnpvm-guestsvn"], 7);
    EXPECT_EQ(tee["x-ms-sevsnpvm-idkeydigest"], kIdKey);
    EXPECT_EQ(tee["x-ms-sevsnpvm-authorkeydigest"], std::string(96, '0'));
    EXPECT_EQ(tee["x-ms-sevsnpvm-launchmeasurement"], encode_hex(Bytes(48, 0x4D)));
    EXPECT_EQ(tee["x-ms-sevsnpvm-hostdata"], std::string(64, '0'));
    EXPECT_EQ(tee["x-ms-sevsnpvm-reportid"], encode_hex(Bytes(32, 0x1D)));
    EXPECT_EQ(tee["x-ms-sevsnpvm-familyId"], "01000000000000000000000000000000");
    EXPECT_EQ(tee["x-ms-sevsnpvm-imageId"], "02000000000000000000000000000000");
    EXPECT_EQ(tee["x-ms-sevsnpvm-reportdata"],
              encode_hex(crypto::sha256(machine.runtime_data())) + std::string(64, '0'));
    EXPECT_EQ(tee["x-ms-sevsnpvm-is-debuggable"], false);
    EXPECT_EQ(tee["x-ms-sevsnpvm-migration-allowed"], false);
    EXPECT_EQ(tee["x-ms-sevsnpvm-smt-allowed"], true);
    EXPECT_EQ(tee["x-ms-sevsnpvm-vmpl"], 0);
    EXPECT_EQ(tee["x-vouchsafe-snp-product"], "Milan");
    EXPECT_EQ(tee["x-ms-runtime"], MUST(parse_json(as_text(machine.runtime_data()))));

    machine.policy = 0x2001F;
    machine.guest_svn = 9;
    Json other = guest_claims(machine)["x-ms-isolation-tee"];
    EXPECT_EQ(other["x-ms-sevsnpvm-smt-allowed"], false);
    EXPECT_EQ(other["x-ms-sevsnpvm-guestsvn"], 9);
}

TEST(AttestAzureGuest, NamesTheKeyThatOpensTheTokenAndTheAttestedRegisters) {
    Machine machine;
    machine.pcrs = {0, 1, 2, 3, 4, 5, 6, 7, 11, 14};
    Json claims = guest_claims(machine);
    EXPECT_EQ(claims["x-ms-azurevm-attested-pcrs"], Json(machine.pcrs));
    EXPECT_TRUE(MUST(jose::parse_jwk(claims["x-ms-runtime"]["keys"][0])) ==
                keys().ephemeral.public_key());
}

TEST(AttestAzureGuest, RefusesAParavisorNobodyKnows) {
    EXPECT_EQ(refused_code([](Machine& machine) { machine.id_key = std::string(96, 'a'); }),
              "ATTEST-ID-KEY");
}

TEST(AttestAzureGuest, LeavesOutWhatItCannotKnow) {
    Machine nameless;
    nameless.vm_id = "";
    EXPECT_FALSE(guest_claims(nameless).contains("x-ms-azurevm-vmid"));

    Json inner = inner_request(Machine{}.evidence(), Dialect::cpp);
    inner["OSType"] = encode_base64(as_bytes("Windows"));
    Json windows = claims_of(share(), open_envelope(token_of(share().attest(request_body(inner)))));
    EXPECT_EQ(windows["x-ms-azurevm-is-windows"], true);
    EXPECT_FALSE(windows.contains("x-ms-azurevm-kerneldebug-enabled"));
}

TEST(AttestAzureGuest, TokenHasTheHeaderAndTimesOfTheRealOnes) {
    Running& running = share();
    std::string jwt = open_envelope(token_of(running.attest(guest_request(Machine{}))));
    Json header = MUST(jose::parse_jws(jwt)).header;
    EXPECT_EQ(header.size(), 4u);
    EXPECT_EQ(header["alg"], "RS256");
    EXPECT_EQ(header["typ"], "JWT");
    EXPECT_EQ(header["jku"], "https://sharedweu.weu.attest.azure.net/certs");
    EXPECT_EQ(MUST(decode_base64(header["kid"].get<std::string>())).size(), 32u);
    Json claims = claims_of(running, jwt);
    EXPECT_EQ(claims["iss"], "https://sharedweu.weu.attest.azure.net");
    EXPECT_EQ(claims["iat"], to_unix(test_time()));
    EXPECT_EQ(claims["nbf"], claims["iat"]);
    EXPECT_EQ(claims["exp"], to_unix(test_time()) + 28800);
    EXPECT_EQ(MUST(decode_hex(claims["jti"].get<std::string>())).size(), 32u);
    EXPECT_EQ(claims["x-ms-policy-hash"],
              policy_hash(default_azure_guest_policy(running.service->config())));
    std::vector<std::string> checks = claims["x-vouchsafe-checks"];
    for (const char* code : {"ATTEST-REQUEST", "SNP-SIGNATURE", "HCL-AK", "TPM-QUOTE-SIGNATURE",
                             "TPM-KEY-POLICY", "BOOT-SECURE-BOOT"}) {
        EXPECT_EQ(std::count(checks.begin(), checks.end(), code), 1) << code;
    }
}

TEST(AttestAzureGuest, PayloadDecodesWithTheStandardAlphabet) {
    for (int i = 0; i < 3; ++i) {  // every alignment of the awkward characters
        Json inner = inner_request(Machine{}.evidence(), Dialect::cpp);
        inner["OSDistro"] =
            encode_base64(as_bytes(std::string(i, 'x') + ">>>???~~~\u00e9\u4e2d\x7f"));
        inner["ClientPayload"] = {{"nonce", std::string(i, 'y') + "~?>\u2603"}};
        std::string jwt = open_envelope(token_of(share().attest(request_body(inner))));
        std::string payload = jwt.substr(jwt.find('.') + 1);
        payload.resize(payload.find('.'));
        EXPECT_EQ(payload.find_first_of("-_"), std::string::npos);
        EXPECT_EQ(claims_of(share(), jwt)["x-ms-runtime"]["client-payload"],
                  inner["ClientPayload"]);
    }
}

TEST(AttestAzureGuest, EnvelopeHasEveryMemberTheClientsDemand) {
    std::string token = token_of(share().attest(guest_request(Machine{})));
    Json envelope = MUST(parse_json_object(as_text(MUST(decode_base64url(token)))));
    Json params = envelope["EncryptionParams"];
    EXPECT_EQ(params["BlockMode"], "ChainingModeGCM");
    EXPECT_EQ(params["BlockPadding"], "PKCS7");
    EXPECT_EQ(params["Cipher"], "AES");
    EXPECT_EQ(params["KeySizeInBits"], 256);
    EXPECT_EQ(MUST(decode_base64(params["Iv"].get<std::string>())).size(), 12u);
    EXPECT_EQ(MUST(decode_base64(envelope["AuthenticationData"].get<std::string>())).size(), 16u);
    EXPECT_EQ(MUST(decode_base64(envelope["EncryptedInnerKey"].get<std::string>())).size(), 256u);
    EXPECT_EQ(envelope.size(), 4u);
}

TEST(AttestAzureGuest, WritesTheGrantIntoTheAuditLog) {
    net::Response response = share().attest(guest_request(Machine{}));
    Json claims = claims_of(share(), open_envelope(token_of(response)));
    auto entries = MUST(share().log.find(response.headers.get("x-ms-request-id")));
    ASSERT_EQ(entries.size(), 1u);
    const audit::Entry& entry = entries[0].entry;
    EXPECT_EQ(entry.outcome, audit::Outcome::allowed);
    EXPECT_EQ(entry.action, "attest/AzureGuest");
    EXPECT_EQ(entry.resource, kVmId);
    EXPECT_EQ(entry.details["jti"], claims["jti"]);
    EXPECT_TRUE(std::all_of(entry.checks.begin(), entry.checks.end(),
                            [](const Check& check) { return check.passed; }));
}

}  // namespace
}  // namespace vouchsafe::attest
