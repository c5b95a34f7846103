#include "vouchsafe/attest/service.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "vouchsafe/attest/default_policy.h"
#include "vouchsafe/attest/test_guest.h"
#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/jose/jwt.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

TemporaryDir make_dir() {
    return MUST(TemporaryDir::create("attest"));
}
std::unique_ptr<store::Store> open_store(const Path& dir) {
    return MUST(store::open_sqlite(dir / "store.db"));
}

// Running is a service with all it borrows. Making a key takes a moment: share() one where the test
// does not need its own.
struct Running {
    TemporaryDir dir = make_dir();
    std::unique_ptr<store::Store> store = open_store(dir.path());
    audit::Log log{*store};
    FixedClock clock{test_time()};
    evidence::TrustAnchors anchors = test_anchors();
    std::unique_ptr<Service> service;

    Running() { service = MUST(create()); }

    Config config() const {
        Config out;
        out.directory = dir.path() / "keys";
        return out;
    }
    Result<std::unique_ptr<Service>> create(const std::function<void(Config&)>& change = nullptr) {
        Config settings = config();
        if (change) change(settings);
        return Service::create(settings, {*store, log, clock, anchors});
    }

    net::Response send(const std::string& method, const std::string& path,
                       const std::string& body = "", const std::string& version = "2020-10-01") {
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
        return service->handler()(request);
    }
    net::Response attest(const std::string& body) {
        return send("POST", "/attest/AzureGuest", body);
    }
};

Running& share() {
    static Running one;
    return one;
}

// open_envelope does what Azure's client does with the answer (guest-protocol 4.3).
std::string open_envelope(const std::string& token) {
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

std::string token_of(const net::Response& response) {
    EXPECT_EQ(response.status, 200) << response.body;
    return MUST(json_string(MUST(parse_json_object(response.body)), "token"));
}

Json claims_of(Running& running, const std::string& jwt) {
    jose::JwtRules rules;
    rules.issuers = {running.service->config().issuer};
    rules.now = running.clock.now();
    Checks checks;
    auto keys = MUST(jose::JwkSet::parse(running.service->jwks()));
    return MUST(jose::verify_jwt(jwt, keys, rules, checks)).claims();
}

Json guest_claims(const Machine& machine, Dialect dialect = Dialect::cpp) {
    Running& running = share();
    return claims_of(running,
                     open_envelope(token_of(running.attest(guest_request(machine, dialect)))));
}

Json error_of(const net::Response& response) {
    return MUST(parse_json_object(response.body))["error"];
}

// refused_code sends a body that must be refused, and checks the form of every refusal: little for
// the caller, everything for the audit log.
std::string refused_code(Running& running, const net::Response& response) {
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

std::string refused_code(const std::string& body) {
    return refused_code(share(), share().attest(body));
}

std::string refused_code(const std::function<void(Machine&)>& change) {
    Machine machine;
    change(machine);
    return refused_code(guest_request(machine));
}

// The claims that a change of the decoded evidence is refused with.
std::string refused_evidence(const std::function<void(evidence::AzureGuestEvidence&)>& change) {
    evidence::AzureGuestEvidence evidence = Machine{}.evidence();
    change(evidence);
    return refused_code(request_body(inner_request(evidence, Dialect::cpp)));
}

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
    EXPECT_EQ(more, (std::set<std::string>{"x-vouchsafe-checks", "x-vouchsafe-trust-tier"}));
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
    EXPECT_EQ(refused_evidence([](Evidence& e) { e.event_log.clear(); }), "LOG-PRESENT");
    EXPECT_EQ(refused_evidence([](Evidence& e) { e.event_log.pop_back(); }), "LOG-FORM");
}

TEST(AttestAzureGuest, RefusesMachinesThatAreNoSnpMachines) {
    for (auto [type, code] : {std::pair{"TrustedLaunch", "HCL-ISOLATION"},
                              std::pair{"Tdx", "HCL-TEE"}, std::pair{"", "HCL-TEE"}}) {
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

TEST(AttestSnpVm, GrantsAPlainTokenBoundToItsRuntimeData) {
    Machine machine;
    Json request = snp_request(machine);
    request["nonce"] = 1234567890123456789;
    net::Response response = share().send("POST", "/attest/SevSnpVM", dump_json(request));
    Json claims = claims_of(share(), token_of(response));
    EXPECT_EQ(claims["x-ms-attestation-type"], "sevsnpvm");
    EXPECT_EQ(claims["x-ms-compliance-status"], "azure-compliant-cvm");
    EXPECT_EQ(claims["nonce"], "1234567890123456789");
    EXPECT_EQ(claims["x-ms-sevsnpvm-microcode-svn"], 219);
    EXPECT_EQ(claims["x-ms-runtime"], MUST(parse_json(as_text(machine.runtime_data()))));
    EXPECT_EQ(claims["x-ms-policy-hash"],
              policy_hash(default_snp_vm_policy(share().service->config())));
    EXPECT_EQ(claims["x-vouchsafe-trust-tier"], "simulated");
}

TEST(AttestSnpVm, RefusesOtherRuntimeDataAndOtherInitData) {
    auto code_with = [](const std::function<void(Json&)>& change) {
        Json request = snp_request(Machine{});
        change(request);
        return refused_code(share(), share().send("POST", "/attest/SevSnpVm", dump_json(request)));
    };
    Json other = {{"data", encode_base64url(as_bytes("{}"))}, {"dataType", "JSON"}};
    EXPECT_EQ(code_with([&](Json& request) { request["runtimeData"] = other; }), "HCL-BINDING");
    EXPECT_EQ(code_with([&](Json& request) {
                  other["dataType"] = "Binary";
                  request["runtimeData"] = other;
              }),
              "HCL-BINDING");
    EXPECT_EQ(code_with([&](Json& request) { request["initTimeData"] = other; }),
              "ATTEST-INIT-DATA");
    EXPECT_EQ(
        code_with([](Json& request) { request["draftPolicyForAttestation"] = "version=1.0;"; }),
        "ATTEST-DRAFT-POLICY");
    EXPECT_EQ(code_with([](Json& request) { request["nonce"] = 1.5; }), "ATTEST-REQUEST");
    EXPECT_EQ(code_with([](Json& request) { request["nonce"] = true; }), "ATTEST-REQUEST");
    EXPECT_EQ(code_with([](Json& request) { request["runtimeData"]["dataType"] = "XML"; }),
              "ATTEST-REQUEST");
    EXPECT_EQ(code_with([](Json& request) { request.erase("report"); }), "ATTEST-REQUEST");
}

TEST(AttestSnpVm, BindsInitDataToTheReportsHostData) {
    Machine machine;
    std::string init = R"({"policy":"p"})";
    machine.host_data = to_bytes(crypto::sha256(as_bytes(init)));
    Json request = snp_request(machine);
    request["initTimeData"] = {{"data", encode_base64url(as_bytes(init))}, {"dataType", "json"}};
    request["nonce"] = "text";
    Json claims =
        claims_of(share(), token_of(share().send("POST", "/attest/SevSnpVm", dump_json(request))));
    EXPECT_EQ(claims["x-ms-inittime"], Json({{"policy", "p"}}));
    EXPECT_EQ(claims["nonce"], "text");
}

TEST(AttestRoutes, AnswerOnEveryApiVersionAndOnNoOther) {
    for (const char* version :
         {"2018-09-01-preview", "2020-10-01", "2022-08-01", "2022-09-01-preview", "2025-06-01"}) {
        EXPECT_EQ(share()
                      .send("POST", "/attest/SevSnpVm", dump_json(snp_request(Machine{})), version)
                      .status,
                  200)
            << version;
    }
    net::Response missing = share().send("POST", "/attest/AzureGuest", "{}", "");
    EXPECT_EQ(missing.status, 400);
    EXPECT_EQ(error_of(missing)["code"], "MissingApiVersionParameter");
    net::Response unknown = share().send("POST", "/attest/AzureGuest", "{}", "2020-10-02");
    EXPECT_EQ(unknown.status, 400);
    EXPECT_EQ(error_of(unknown)["code"], "UnsupportedApiVersion");
}

TEST(AttestRoutes, SayWhatIsNotBuiltAndWhatIsNotThere) {
    for (auto [method, path] :
         {std::pair{"POST", "/attest/SgxEnclave"}, std::pair{"POST", "/attest/OpenEnclave"},
          std::pair{"POST", "/attest/TdxVm"}, std::pair{"POST", "/attest/Tpm"},
          std::pair{"GET", "/policies/SevSnpVm"}, std::pair{"PUT", "/policies/AzureGuest"},
          std::pair{"POST", "/policies/AzureGuest:reset"}, std::pair{"GET", "/certificates"},
          std::pair{"POST", "/certificates:add"}, std::pair{"POST", "/certificates:remove"},
          std::pair{"GET", "/tcbbaselines/TdxVm"}}) {
        net::Response response = share().send(method, path);
        EXPECT_EQ(response.status, 501) << path;
        EXPECT_EQ(error_of(response)["code"], "NotImplemented");
    }
    EXPECT_EQ(share().send("GET", "/nothing").status, 404);
    EXPECT_EQ(share().send("POST", "/attest/Other").status, 404);
    EXPECT_EQ(share().send("GET", "/attest/AzureGuest").status, 405);
}

TEST(AttestRoutes, PublishKeyAndMetadataWithoutApiVersion) {
    Json configuration = MUST(
        parse_json_object(share().send("GET", "/.well-known/openid-configuration", "", "").body));
    EXPECT_EQ(configuration["issuer"], "https://sharedweu.weu.attest.azure.net");
    EXPECT_EQ(configuration["jwks_uri"], "https://sharedweu.weu.attest.azure.net/certs");
    EXPECT_EQ(configuration["response_types_supported"], Json::array({"token", "none"}));
    EXPECT_EQ(configuration["id_token_signing_alg_values_supported"], Json::array({"RS256"}));

    Json set = MUST(parse_json_object(share().send("GET", "/certs", "", "").body));
    ASSERT_EQ(set["keys"].size(), 1u);
    const Json& key = set["keys"][0];
    EXPECT_EQ(key["kty"], "RSA");
    EXPECT_EQ(key["alg"], "RS256");
    EXPECT_EQ(key["use"], "sig");
    Bytes der = MUST(decode_base64(key["x5c"][0].get<std::string>()));
    Certificate certificate = MUST(Certificate::parse_der(der));
    EXPECT_EQ(certificate.subject_common_name(), "https://sharedweu.weu.attest.azure.net");
    EXPECT_TRUE(MUST(certificate.public_key()) == MUST(jose::parse_jwk(key)));
}

TEST(AttestService, KeepsItsKeyOverARestartButOnlyUnderItsRootKey) {
    Running& running = share();
    auto again = MUST(running.create());
    EXPECT_EQ(again->jwks(), running.service->jwks());
    auto elsewhere =
        running.create([&](Config& config) { config.directory = running.dir.path() / "other"; });
    ASSERT_FALSE(elsewhere);
    EXPECT_EQ(elsewhere.error().code, Code::bad_evidence);
}

TEST(AttestService, TwoWithDifferentIssuersHaveDifferentKeys) {
    Running& running = share();
    auto other = MUST(running.create([](Config& config) {
        config.issuer = "https://other.neu.attest.azure.net";
        config.token_lifetime = Seconds{60};
    }));
    EXPECT_NE(other->jwks()["keys"][0]["kid"], running.service->jwks()["keys"][0]["kid"]);
    std::swap(other, running.service);
    net::Response response =
        running.send("POST", "/attest/SevSnpVm", dump_json(snp_request(Machine{})));
    Json claims = claims_of(running, token_of(response));
    std::swap(other, running.service);
    EXPECT_EQ(claims["iss"], "https://other.neu.attest.azure.net");
    EXPECT_EQ(claims["exp"].get<int64_t>() - claims["iat"].get<int64_t>(), 60);
}

TEST(AttestService, RefusesSettingsThatMakeNoSense) {
    auto code_with = [](const std::function<void(Config&)>& change) {
        auto created = share().create(change);
        return created ? std::optional<Code>{} : created.error().code;
    };
    EXPECT_EQ(code_with([](Config& c) { c.issuer = "http://plain.example"; }), Code::invalid);
    EXPECT_EQ(code_with([](Config& c) { c.issuer += "/"; }), Code::invalid);
    EXPECT_EQ(code_with([](Config& c) { c.issuer += std::string(40, 'a'); }), Code::invalid);
    EXPECT_EQ(code_with([](Config& c) { c.directory = ""; }), Code::invalid);
    EXPECT_EQ(code_with([](Config& c) { c.token_lifetime = Seconds{0}; }), Code::invalid);
    EXPECT_EQ(code_with([](Config& c) { c.minimum_tcb.erase(evidence::SnpProduct::turin); }),
              Code::invalid);
    EXPECT_EQ(code_with([](Config& c) { c.compliant_id_keys = {"abc"}; }), Code::invalid);
}

TEST(AttestService, AnswersOverARealSocket) {
    auto server = MUST(net::Server::start({.name = "attest"}, share().service->handler()));
    net::Client client({});
    net::ClientRequest request;
    request.method = "POST";
    request.url = fmt::format("http://127.0.0.1:{}/attest/AzureGuest?api%2Dversion=2020-10-01",
                              server->port());
    request.headers.set("Content-Type", "application/json");
    request.body = guest_request(Machine{});
    net::ClientResponse answer = MUST(client.send(request));
    ASSERT_EQ(answer.status, 200) << answer.body;
    std::string token = MUST(json_string(MUST(parse_json_object(answer.body)), "token"));
    EXPECT_EQ(claims_of(share(), open_envelope(token))["x-ms-attestation-type"], "azurevm");
}

TEST(DefaultPolicy, NamesTheFloorAndHashesAsAzureDoes) {
    Config config;
    std::string text = default_azure_guest_policy(config);
    EXPECT_NE(text.find("[type==\"secureboot\", value==true]"), std::string::npos);
    EXPECT_NE(text.find("[type==\"x-ms-sevsnpvm-microcode-svn\", value>=115]"), std::string::npos);
    EXPECT_EQ(default_snp_vm_policy(config).find("secureboot"), std::string::npos);
    config.minimum_tcb[evidence::SnpProduct::milan].microcode = 219;
    EXPECT_NE(policy_hash(default_azure_guest_policy(config)), policy_hash(text));
    // SHA-256 of the base64url text, not of the policy: computed with Python's hashlib.
    EXPECT_EQ(policy_hash("version=1.0;"), "19i83kYUJrNjFhofbXgekndgH4nqXEkpmebWlG5krvs");
}

}  // namespace
}  // namespace vouchsafe::attest
