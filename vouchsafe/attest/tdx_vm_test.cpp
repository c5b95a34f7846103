// Trust domains, and what collateral means to an appraisal.
#include <gmock/gmock.h>

#include "vouchsafe/attest/collateral/test_pieces.h"
#include "vouchsafe/attest/policy/signed_document.h"
#include "vouchsafe/attest/reference/test_reference.h"
#include "vouchsafe/attest/test_service.h"
#include "vouchsafe/evidence/tdx/test_machine.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

// TdxOffice appraises recorded quotes under Intel's own root.
struct TdxOffice : Running {
    explicit TdxOffice(const std::vector<CollateralPiece>& pieces = all_pieces()) {
        anchors = piece_anchors();
        clock.set(march_2026());
        Path folder = dir.path() / "intel-collateral";
        std::vector<VerifiedPiece> kept;
        for (const CollateralPiece& piece : pieces) kept.push_back(verified(piece));
        PieceTerms terms{piece_anchors(), nullptr, march_2026()};
        MUST(CollateralPack(folder).keep(kept, terms, Replace::anything));
        collateral =
            MUST(CollateralStore::create({}, CollateralPack(folder), piece_anchors(), clock));
        service = MUST(create());
    }
    net::Response ask(const Json& request) {
        return send("POST", "/attest/TdxVm", dump_json(request), "2025-06-01");
    }
    void set_policy(const std::string& text) {
        constexpr const char* kSomebody = "aaaaaaaa-0000-4000-8000-00000000000c";
        MUST(service->assign_role(kSomebody, "Attestation Contributor"));
        ASSERT_EQ(send("PUT", "/policies/TdxVm", unsigned_policy(text), "2025-06-01",
                       access_token(kSomebody))
                      .status,
                  200);
    }
};

constexpr const char* kPermitAll = "version= 1.0; authorizationrules { => permit(); };";

Json tdx_request(const std::string& quote = "v5-bodytype3") {
    return {{"quote", encode_base64url(evidence::testing::recorded_quote(quote))},
            {"nonce", 12345678901234567}};
}

TEST(AttestTdxVm, SaysOfATrustDomainWhatAzureDoes) {
    TdxOffice office;
    office.set_policy(kPermitAll);
    Json claims = claims_of(office, token_of(office.ask(tdx_request())));
    auto quote = MUST(evidence::TdxQuote::parse(evidence::testing::recorded_quote("v5-bodytype3")));
    expect_named(claims);
    EXPECT_EQ(claims["x-ms-attestation-type"], "tdxvm");
    EXPECT_EQ(claims["eat_profile"], "https://aka.ms/maa-eat-profile-tdxvm");
    EXPECT_EQ(claims["dbgstat"], "disabled");
    EXPECT_EQ(claims["tdx_mrtd"], encode_hex(quote.body.mrtd));
    EXPECT_EQ(claims["tdx_rtmr3"], encode_hex(quote.body.rtmr[3]));
    EXPECT_EQ(claims["tdx_report_data"], encode_hex(quote.body.report_data));
    EXPECT_EQ(claims["tdx_xfam"].get<std::string>().size(), 16u);
    EXPECT_EQ(claims["tdx_td_attributes"].get<std::string>().size(), 16u);
    EXPECT_EQ(claims["tdx_td_attributes_debug"], false);
    EXPECT_TRUE(claims["tdx_seamsvn"].is_number_integer());
    EXPECT_EQ(claims["nonce"], "12345678901234567");
    EXPECT_TRUE(claims["attester_tcb_status"].is_string());
    EXPECT_EQ(claims["x-vouchsafe-revocation"], "checked");
    EXPECT_EQ(claims["x-vouchsafe-not-checked"], Json::array());
    EXPECT_EQ(claims["x-vouchsafe-trust-tier"], "hardware");
}

TEST(AttestTdxVm, IsRefusedByTheBuiltInPolicyWhatIntelDoesNotCallUpToDate) {
    TdxOffice office;
    office.set_policy(kPermitAll);
    Json claims = claims_of(office, token_of(office.ask(tdx_request())));
    bool up_to_date = claims["attester_tcb_status"] == "UpToDate";
    TdxOffice strict;
    net::Response response = strict.ask(tdx_request());
    EXPECT_EQ(response.status, up_to_date ? 200 : 400);
    TdxOffice without({milan_list()});
    EXPECT_EQ(refused_code(without, without.ask(tdx_request())), "TDX-NOT-CHECKED");
}

TEST(AttestTdxVm, TellsAPolicyOfItsOwnWhatWasNotChecked) {
    TdxOffice office({milan_list()});
    office.set_policy(kPermitAll);
    Json claims = claims_of(office, token_of(office.ask(tdx_request())));
    EXPECT_EQ(claims["x-vouchsafe-revocation"], "not-checked");
    EXPECT_EQ(claims["x-vouchsafe-not-checked"].size(), 3u);
    EXPECT_FALSE(claims.contains("attester_tcb_status"));
    office.set_policy(
        "version=1.0; authorizationrules { "
        "[type==\"x-vouchsafe-revocation\", value==\"checked\"] => permit(); };");
    EXPECT_EQ(refused_code(office, office.ask(tdx_request())), "ATTEST-POLICY");
}

TEST(AttestTdxVm, RefusesWhatDoesNotHoldWhateverThePolicy) {
    TdxOffice office;
    office.set_policy(kPermitAll);
    auto code_with = [&](const std::function<void(Json&)>& change) {
        Json request = tdx_request();
        change(request);
        return refused_code(office, office.ask(request));
    };
    Json other = {{"data", encode_base64url(as_bytes("{}"))}, {"dataType", "JSON"}};
    EXPECT_EQ(code_with([&](Json& request) { request["runtimeData"] = other; }), "HCL-BINDING");
    EXPECT_EQ(code_with([&](Json& request) { request["initTimeData"] = other; }),
              "ATTEST-INIT-DATA");
    EXPECT_EQ(code_with([](Json& request) { request["quote"] = "AAAA"; }), "TDX-FORM");
    EXPECT_EQ(code_with([](Json& request) { request.erase("quote"); }), "ATTEST-REQUEST");
    EXPECT_EQ(code_with([](Json& request) { request["quote"] = 1; }), "ATTEST-REQUEST");
    EXPECT_EQ(code_with([](Json& request) {
                  Bytes quote = evidence::testing::recorded_quote("v5-bodytype3");
                  quote[200] ^= 1;
                  request["quote"] = encode_base64url(quote);
              }),
              "TDX-SIGNATURE");
}

// RevokedOffice holds a root list that takes back who issued the machine's PCK, and the list of
// that issuer as well: either both from the beginning, or the root's as a fetch brings it.
struct RevokedOffice : Running {
    evidence::testing::TdxMachine machine;
    FakeVendor vendor;

    explicit RevokedOffice(bool fetched) {
        machine.revoked_by_root = {evidence::testing::TdxMachine::kIssuerSerial};
        anchors = {};
        anchors.intel = machine.root();
        clock.set(march_2026());
        CollateralPiece root{CollateralName::root_crl(), *machine.collateral().root_crl};
        CollateralPiece pck{CollateralName::pck_crl(PckCa::platform), *machine.collateral().pck_crl,
                            machine.issuer().pem() + machine.root().pem()};
        PieceTerms terms{anchors, nullptr, march_2026()};
        Path folder = dir.path() / "revoking";
        auto keep = [&](const CollateralPiece& piece) {
            Checks checks;
            VerifiedPiece verified = MUST(verify_piece(piece, terms, checks));
            MUST(CollateralPack(folder).keep({&verified, 1}, terms, Replace::anything));
        };
        keep(pck);
        CollateralConfig config;
        if (fetched) config.pcs_url = kIntelPcs;
        fetched ? vendor.serve_piece(root, config) : keep(root);
        collateral = MUST(CollateralStore::create(config, CollateralPack(folder), anchors, clock,
                                                  vendor.fetch()));
        service = MUST(create());
    }
};

TEST(AttestTdxVm, NeverOverlooksThatTheRootTookTheIssuerBack) {
    for (bool fetched : {false, true}) {
        RevokedOffice office(fetched);
        Json request = {{"quote", encode_base64url(office.machine.quote())},
                        {"draftPolicyForAttestation", kPermitAll}};
        EXPECT_EQ(refused_code(office, office.send("POST", "/attest/TdxVm", dump_json(request))),
                  "TDX-REVOKED")
            << fetched;
    }
}

// --- revocation of SEV-SNP machines

TEST(AttestRevocation, OfAMachinesCertificateIsLookedUp) {
    Running running;
    auto ask = [&] {
        return running.send("POST", "/attest/SevSnpVm", dump_json(snp_request(Machine{})));
    };
    EXPECT_EQ(claims_of(running, token_of(ask()))["x-vouchsafe-revocation"], "checked");
    keep_ark_list(running.dir.path() / "collateral", {keys().ask.certificate});
    running.open_collateral();
    running.service = MUST(running.create());
    EXPECT_EQ(refused_code(running, ask()), "SNP-REVOKED");
    EXPECT_EQ(refused_code(running, running.attest(guest_request(Machine{}))), "SNP-REVOKED");
}

TEST(AttestRevocation, WithoutListsTheBuiltInPolicyRefuses) {
    Running running;
    std::filesystem::remove_all(running.dir.path() / "collateral");
    running.open_collateral();
    running.service = MUST(running.create());
    EXPECT_EQ(refused_code(running, running.attest(guest_request(Machine{}))), "SNP-REVOCATION");
    running.collateral.reset();
    running.service = MUST(running.create());
    EXPECT_EQ(refused_code(running, running.attest(guest_request(Machine{}))), "SNP-REVOCATION");
}

TEST(AttestTdxVm, IsComparedWithReferenceValues) {
    TdxOffice office;
    office.set_policy(
        "version=1.0; authorizationrules { "
        "[type==\"x-vouchsafe-reference-values\", value==\"prod\"] => permit(); };");
    auto body =
        MUST(evidence::TdxQuote::parse(evidence::testing::recorded_quote("v5-bodytype3"))).body;
    Json values = {{"mrtd", {encode_hex(body.mrtd)}},
                   {"rtmr0", {encode_hex(body.rtmr[0])}},
                   {"rtmr1", {encode_hex(body.rtmr[1])}},
                   {"rtmr2", {encode_hex(body.rtmr[2])}},
                   {"rtmr3", {encode_hex(body.rtmr[3])}},
                   {"mrseam", {encode_hex(body.mrseam)}},
                   {"mrsignerseam", {encode_hex(body.mrsignerseam)}},
                   {"mrconfigid", {encode_hex(body.mrconfigid)}},
                   {"mrowner", {encode_hex(body.mrowner)}},
                   {"mrownerconfig", {encode_hex(body.mrownerconfig)}},
                   {"minimum-tee-tcb-svn", body.tee_tcb_svn},
                   {"tcb-evaluation", {{"min", 1}}}};
    int version = 0;
    auto status = [&](const Json& tdx) {
        Json document = with_values({{"tdx", tdx}}, {"TdxVm"});
        document["version"] = ++version;
        document["validity"] = {{"not-after", "2026-12-31"}};
        EXPECT_EQ(send_reference(office, document), 200);
        return office.ask(tdx_request()).status;
    };
    EXPECT_EQ(status(values), 200);
    for (const auto& [name, value] : values.items()) {
        Json changed = values;
        if (name == "minimum-tee-tcb-svn") {
            changed[name][0] = 255;
        } else if (name == "tcb-evaluation") {
            changed[name] = {{"max", 1}};
        } else {
            changed[name] = {std::string(96, 'e')};
        }
        EXPECT_EQ(status(changed), 400) << name;
    }
}

}  // namespace
}  // namespace vouchsafe::attest
