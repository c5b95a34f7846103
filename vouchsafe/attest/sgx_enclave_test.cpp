// Enclaves, by a machine in software and by the recorded quote.
#include <gmock/gmock.h>

#include "vouchsafe/attest/collateral/test_pieces.h"
#include "vouchsafe/attest/default_policy.h"
#include "vouchsafe/attest/policy/signed_document.h"
#include "vouchsafe/attest/reference/test_reference.h"
#include "vouchsafe/attest/test_service.h"
#include "vouchsafe/evidence/sgx/test_machine.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;
using evidence::testing::SgxMachine;

constexpr auto kSgx = evidence::IntelTee::sgx;

std::vector<CollateralPiece> pieces_of(const SgxMachine& machine) {
    evidence::TdxCollateral all = machine.collateral();
    return {{CollateralName::root_crl(), *all.root_crl},
            {CollateralName::pck_crl(PckCa::platform), *all.pck_crl,
             machine.issuer().pem() + machine.root().pem()},
            {CollateralName::tcb_info(fmspc_of("00606a000000"), kSgx), to_bytes(all.tcb_info->json),
             all.tcb_info->issuer_chain},
            {CollateralName::qe_identity(kSgx), to_bytes(all.qe_identity->json),
             all.qe_identity->issuer_chain}};
}

// SgxOffice appraises enclaves of one simulated machine with the first `count` pieces of its
// collateral.
struct SgxOffice : Running {
    SgxMachine machine;

    explicit SgxOffice(SgxMachine given = {}, size_t count = 4) : machine(std::move(given)) {
        anchors = {};
        anchors.intel = machine.root();
        clock.set(march_2026());
        CollateralPack pack(dir.path() / "sgx-collateral");
        PieceTerms terms{anchors, nullptr, march_2026()};
        for (const CollateralPiece& piece : pieces_of(machine)) {
            if (count-- == 0) break;
            Checks checks;
            VerifiedPiece one = MUST(verify_piece(piece, terms, checks));
            MUST(pack.keep({&one, 1}, terms, Replace::anything));
        }
        collateral = MUST(CollateralStore::create({}, pack, anchors, clock));
        service = MUST(create());
    }
    net::Response ask(const Json& request, const std::string& type = "SgxEnclave") {
        return send("POST", "/attest/" + type, dump_json(request), "2022-08-01");
    }
    Json claims(const Json& request, const std::string& type = "SgxEnclave") {
        return claims_of(*this, token_of(ask(request, type)));
    }
    void set_sgx_policy(const std::string& text) {
        constexpr const char* kSomebody = "aaaaaaaa-0000-4000-8000-00000000000c";
        MUST(service->assign_role(kSomebody, "Attestation Contributor"));
        ASSERT_EQ(send("PUT", "/policies/SgxEnclave", unsigned_policy(text), "2022-08-01",
                       access_token(kSomebody))
                      .status,
                  200);
    }
};

Json quote_request(const SgxMachine& machine) {
    return {{"quote", encode_base64url(machine.quote())}};
}
Json held_data(std::string_view data, const char* type) {
    return {{"data", encode_base64url(as_bytes(data))}, {"dataType", type}};
}

// hold puts the digest of data into the machine's report, at the report data or the CONFIGID.
void hold(SgxMachine& machine, size_t offset, std::string_view data) {
    Bytes digest = crypto::hash(crypto::HashAlg::sha256, as_bytes(data));
    digest.resize(64);
    std::ranges::copy(digest, machine.signed_part.begin() + static_cast<ptrdiff_t>(offset));
}

Bytes envelope(ByteView quote, uint32_t version = 1, uint32_t type = 2, uint64_t more = 0) {
    return Writer().u32_le(version).u32_le(type).u64_le(quote.size() + more).bytes(quote).take();
}

TEST(AttestSgxEnclave, SaysOfAnEnclaveWhatAzureDoesByTheBuiltInPolicy) {
    SgxOffice office;
    Json request = quote_request(office.machine);
    request["nonce"] = "n-1";
    Json claims = office.claims(request);
    auto report = MUST(evidence::SgxQuote::parse(office.machine.quote())).body;
    expect_named(claims);
    EXPECT_EQ(claims["x-ms-attestation-type"], "sgx");
    EXPECT_EQ(claims["x-ms-sgx-is-debuggable"], false);
    EXPECT_EQ(claims["x-ms-sgx-mrenclave"], encode_hex(report.mrenclave));
    EXPECT_EQ(claims["x-ms-sgx-mrsigner"], encode_hex(report.mrsigner));
    EXPECT_EQ(claims["x-ms-sgx-product-id"], report.isvprodid);
    EXPECT_EQ(claims["x-ms-sgx-svn"], report.isvsvn);
    EXPECT_EQ(claims["x-ms-sgx-report-data"], encode_hex(report.report_data));
    EXPECT_FALSE(claims.contains("x-ms-sgx-config-id"));
    EXPECT_FALSE(claims.contains("x-ms-sgx-ehd"));
    EXPECT_EQ(claims["nonce"], "n-1");
    EXPECT_EQ(claims["x-vouchsafe-sgx-tcb-status"], "UpToDate");
    EXPECT_EQ(claims["x-vouchsafe-revocation"], "checked");
    EXPECT_EQ(claims["x-vouchsafe-not-checked"], Json::array());
    EXPECT_EQ(claims["x-vouchsafe-trust-tier"], "simulated");
    EXPECT_EQ(claims["x-ms-policy-hash"], policy_hash(default_sgx_policy()));
    EXPECT_THAT(claims["x-vouchsafe-checks"], ::testing::Contains("SGX-DEBUG"));
}

TEST(AttestSgxEnclave, GivesTheOldNamesBesides) {
    SgxOffice office;
    Json request = quote_request(office.machine);
    request["nonce"] = "n-1";
    Json claims = office.claims(request);
    expect_named(claims);
    for (const auto& [old_name, name] : std::initializer_list<std::pair<const char*, const char*>>{
             {"tee", "x-ms-attestation-type"},
             {"is-debuggable", "x-ms-sgx-is-debuggable"},
             {"product-id", "x-ms-sgx-product-id"},
             {"sgx-mrsigner", "x-ms-sgx-mrsigner"},
             {"sgx-mrenclave", "x-ms-sgx-mrenclave"},
             {"svn", "x-ms-sgx-svn"},
             {"maa-attestationcollateral", "x-ms-sgx-collateral"},
             {"rp_data", "nonce"},
             {"ver", "x-ms-ver"},
             {"policy_hash", "x-ms-policy-hash"},
             {"maa-policyHash", "x-ms-policy-hash"}}) {
        EXPECT_EQ(claims[old_name], claims[name]) << old_name;
        EXPECT_FALSE(claims[name].is_null()) << name;
    }
    EXPECT_FALSE(claims.contains("maa-ehd"));
}

TEST(AttestSgxEnclave, HashesTheCollateralThatWasUsedAndNoOther) {
    SgxOffice office;
    auto digest = [](ByteView bytes) { return encode_hex(crypto::sha256(bytes)); };
    evidence::TdxCollateral all = office.machine.collateral();
    Json hashes = office.claims(quote_request(office.machine))["x-ms-sgx-collateral"];
    EXPECT_EQ(hashes.size(), 7u);
    EXPECT_EQ(hashes["quotehash"].get<std::string>().size(), 64u);
    for (const char* crl : {"tcbinfocrlhash", "qeidcrlhash"}) {
        EXPECT_EQ(hashes[crl].get<std::string>().size(), 64u);
    }
    SgxOffice lists(SgxMachine{}, 3);  // without QE identity
    lists.set_sgx_policy("version=1.0; authorizationrules { => permit(); };");
    Json request = quote_request(lists.machine);
    Json claims = lists.claims(request);
    EXPECT_EQ(claims["x-vouchsafe-not-checked"], Json::array({"qe-identity"}));
    hashes = claims["x-ms-sgx-collateral"];
    EXPECT_EQ(hashes["quotehash"],
              digest(MUST(decode_base64url(request["quote"].get<std::string>()))));
    EXPECT_TRUE(hashes.contains("tcbinfohash") && hashes.contains("tcbinfocrlhash"));
    EXPECT_FALSE(hashes.contains("qeidhash") || hashes.contains("qeidcrlhash") ||
                 hashes.contains("qeidcertshash"));
    SgxOffice bare(SgxMachine{}, 0);
    bare.set_sgx_policy("version=1.0; authorizationrules { => permit(); };");
    EXPECT_EQ(bare.claims(quote_request(bare.machine))["x-ms-sgx-collateral"].size(), 1u);
}

TEST(AttestSgxEnclave, TellsDataThatTheEnclaveHolds) {
    SgxMachine machine;
    hold(machine, SgxMachine::kReportData, R"({"b":1})");
    hold(machine, SgxMachine::kConfigId, R"({"a":2})");
    machine.signed_part[SgxMachine::kFlags] |= 0x80;  // KSS
    SgxOffice office(machine);
    Json request = quote_request(machine);
    request["runtimeData"] = held_data(R"({"b":1})", "JSON");
    request["initTimeData"] = held_data(R"({"a":2})", "JSON");
    Json claims = office.claims(request);
    EXPECT_EQ(claims["x-ms-runtime"], Json({{"b", 1}}));
    EXPECT_EQ(claims["x-ms-inittime"], Json({{"a", 2}}));
    EXPECT_FALSE(claims.contains("x-ms-sgx-ehd"));
    EXPECT_EQ(claims["x-ms-sgx-config-id"].get<std::string>().size(), 128u);
    EXPECT_EQ(claims["x-ms-sgx-config-svn"], 0);
    EXPECT_EQ(claims["x-ms-sgx-isv-extended-product-id"].get<std::string>().size(), 32u);
    EXPECT_EQ(claims["x-ms-sgx-isv-family-id"].get<std::string>().size(), 32u);
    request["runtimeData"] = held_data(R"({"b":1})", "Binary");
    claims = office.claims(request);
    EXPECT_FALSE(claims.contains("x-ms-runtime"));
    EXPECT_EQ(claims["x-ms-sgx-ehd"], encode_base64url(as_bytes(R"({"b":1})")));
    EXPECT_EQ(claims["maa-ehd"], claims["x-ms-sgx-ehd"]);
    EXPECT_EQ(claims["aas-ehd"], claims["x-ms-sgx-ehd"]);
    request["runtimeData"] = held_data(R"({"b":2})", "JSON");
    EXPECT_EQ(refused_code(office, office.ask(request)), "HCL-BINDING");
    request.erase("runtimeData");
    request["initTimeData"] = held_data(R"({"a":3})", "JSON");
    EXPECT_EQ(refused_code(office, office.ask(request)), "ATTEST-INIT-DATA");
}

TEST(AttestSgxEnclave, IsRefusedByTheBuiltInPolicyWhatIsDebuggedOutOfDateOrNotChecked) {
    SgxMachine debugged;
    debugged.signed_part[SgxMachine::kFlags] |= 0x02;
    SgxOffice office(debugged);
    EXPECT_EQ(refused_code(office, office.ask(quote_request(debugged))), "SGX-DEBUG");
    office.set_sgx_policy(
        "version=1.0; authorizationrules { [type==\"$is-debuggable\", value==true] => permit(); }; "
        "issuancerules { c:[type==\"x-ms-sgx-mrsigner\"] => issue(type=\"sgx-mrsigner\", "
        "value=\"other\"); => issue(type=\"MAA-EHD\", value=\"made up\"); };");
    Json claims = office.claims(quote_request(debugged));
    EXPECT_EQ(claims["is-debuggable"], true);
    EXPECT_EQ(claims["sgx-mrsigner"], claims["x-ms-sgx-mrsigner"]);  // a policy does not change it
    EXPECT_EQ(claims["x-ms-policy"]["sgx-mrsigner"], "other");
    EXPECT_EQ(claims["x-ms-policy"]["MAA-EHD"], "made up");
    EXPECT_FALSE(claims.contains("MAA-EHD"));

    SgxMachine old;
    old.tcb_info["tcbLevels"][0]["tcbStatus"] = "OutOfDate";
    SgxOffice outdated(old);
    EXPECT_EQ(refused_code(outdated, outdated.ask(quote_request(old))), "SGX-TCB-STATUS");
    SgxOffice without(SgxMachine{}, 1);
    EXPECT_EQ(refused_code(without, without.ask(quote_request(without.machine))),
              "TDX-NOT-CHECKED");
}

TEST(AttestSgxEnclave, RefusesWhatDoesNotHoldWhateverThePolicy) {
    SgxOffice office;
    office.set_sgx_policy("version=1.0; authorizationrules { => permit(); };");
    auto code_with = [&](const std::function<void(Json&)>& change) {
        Json request = quote_request(office.machine);
        change(request);
        return refused_code(office, office.ask(request));
    };
    EXPECT_EQ(code_with([](Json& request) { request["quote"] = "AAAA"; }), "TDX-FORM");
    EXPECT_EQ(code_with([](Json& request) { request.erase("quote"); }), "ATTEST-REQUEST");
    EXPECT_EQ(code_with([](Json& request) { request["quote"] = 1; }), "ATTEST-REQUEST");
    EXPECT_EQ(code_with([](Json& request) {
                  request["quote"] =
                      encode_base64url(evidence::testing::recorded_quote("v5-bodytype3"));
              }),
              "SGX-TEE");
    EXPECT_EQ(code_with([&](Json& request) {
                  Bytes quote = office.machine.quote();
                  quote[SgxMachine::kMrenclave] ^= 1;
                  request["quote"] = encode_base64url(quote);
              }),
              "TDX-SIGNATURE");
    EXPECT_EQ(code_with([](Json& request) {  // genuine, of another root
                  request["quote"] = encode_base64url(evidence::testing::recorded_sgx_quote());
              }),
              "TDX-CHAIN-ROOT");
}

TEST(AttestSgxEnclave, IsRefusedWhatIntelTookBack) {
    SgxMachine machine;
    machine.revoked_by_issuer = {SgxMachine::kLeafSerial};
    SgxOffice office(machine);
    EXPECT_EQ(refused_code(office, office.ask(quote_request(machine))), "TDX-REVOKED");
}

TEST(AttestOpenEnclave, SaysTheSameOfTheQuoteInTheEnvelope) {
    SgxOffice office;
    Bytes quote = office.machine.quote();
    Json claims = office.claims({{"report", encode_base64url(envelope(quote))}}, "OpenEnclave");
    Json bare = office.claims({{"quote", encode_base64url(quote)}});
    for (const char* unlike : {"jti", "iat", "nbf", "exp"}) {
        claims.erase(unlike);
        bare.erase(unlike);
    }
    EXPECT_EQ(claims, bare);
}

TEST(AttestOpenEnclave, RefusesEveryOtherEnvelope) {
    SgxOffice office;
    Bytes quote = office.machine.quote();
    auto code_of = [&](const Bytes& report) {
        return refused_code(office,
                            office.ask({{"report", encode_base64url(report)}}, "OpenEnclave"));
    };
    EXPECT_EQ(code_of(envelope(quote, 2)), "ATTEST-REQUEST");
    EXPECT_EQ(code_of(envelope(quote, 1, 1)), "ATTEST-REQUEST");  // a local report
    EXPECT_EQ(code_of(envelope(quote, 1, 2, 1)), "ATTEST-REQUEST");
    EXPECT_EQ(code_of(envelope(quote, 1, 2, uint64_t{1} << 63)), "ATTEST-REQUEST");
    EXPECT_EQ(code_of(envelope(quote, 1, 2, ~uint64_t{0})), "ATTEST-REQUEST");  // one less
    EXPECT_EQ(code_of(Bytes(15)), "ATTEST-REQUEST");
    EXPECT_EQ(code_of(quote), "ATTEST-REQUEST");
    EXPECT_EQ(code_of(envelope({})), "TDX-FORM");
    EXPECT_EQ(refused_code(office, office.ask({{"quote", encode_base64url(envelope(quote))}},
                                              "OpenEnclave")),
              "ATTEST-REQUEST");
}

TEST(AttestSgxEnclave, IsJudgedByIntelsRootInAServiceForMachines) {
    Running running;
    running.anchors = evidence::vendor_anchors();
    running.collateral.reset();
    running.service = MUST(running.create());
    Json request = {
        {"quote", encode_base64url(evidence::testing::recorded_sgx_quote())},
        {"draftPolicyForAttestation", "version=1.0; authorizationrules { => permit(); };"}};
    net::Response response =
        running.send("POST", "/attest/SgxEnclave", dump_json(request), "2022-08-01");
    EXPECT_EQ(response.status, 200) << response.body;
}

TEST(AttestSgxEnclave, IsComparedWithReferenceValues) {
    SgxOffice office;
    office.set_sgx_policy(
        "version=1.0; authorizationrules { "
        "[type==\"x-vouchsafe-reference-values\", value==\"prod\"] => permit(); };");
    auto body = MUST(evidence::SgxQuote::parse(office.machine.quote())).body;
    Json values = {{"mrenclave", {encode_hex(body.mrenclave)}},
                   {"mrsigner", {encode_hex(body.mrsigner)}},
                   {"product-id", {{"min", body.isvprodid}, {"max", body.isvprodid}}},
                   {"svn", {{"max", body.isvsvn}}},
                   {"tcb-evaluation", {{"min", 1}}}};
    int version = 0;
    auto status = [&](const Json& sgx) {
        Json document = with_values({{"sgx", sgx}}, {"SgxEnclave"});
        document["version"] = ++version;
        document["validity"] = {{"not-after", "2026-12-31"}};
        EXPECT_EQ(send_reference(office, document), 200);
        return office.ask(quote_request(office.machine)).status;
    };
    EXPECT_EQ(status(values), 200);
    for (const auto& [name, value] : values.items()) {
        Json changed = values;
        if (value.is_array()) {
            changed[name] = {std::string(64, 'e')};
        } else {
            changed[name] = {{"min", 70000}};
        }
        EXPECT_EQ(status(changed), 400) << name;
    }
    // A field of key separation is none where the enclave has no key separation.
    ASSERT_FALSE(body.key_separation());
    Json separated = values;
    separated["config-id"] = {encode_hex(body.config_id)};
    EXPECT_EQ(status(separated), 400);
}

}  // namespace
}  // namespace vouchsafe::attest
