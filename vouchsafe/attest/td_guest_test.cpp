// Guests with a vTPM on Intel TDX: the hardware's part is a TD quote, the rest is any guest's.
#include <gmock/gmock.h>

#include "vouchsafe/attest/challenges.h"
#include "vouchsafe/attest/test_hostile.h"
#include "vouchsafe/attest/test_td_guest.h"
#include "vouchsafe/evidence/tdx/test_collateral.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;
using evidence::testing::march_2026;
using evidence::testing::TdxMachine;

constexpr const char* kAnyGuest = "version=1.0; authorizationrules { => permit(); };";

// TdGuestOffice knows a machine on TDX, Intel's documents about it, and who certified its AK.
struct TdGuestOffice : Running {
    TdxMachine hardware;
    Machine guest;  // what is not of the hardware
    Certificate ca = make_vtpm_ca();

    explicit TdGuestOffice(bool with_collateral = true) {
        anchors = {};
        anchors.intel = hardware.root();
        anchors.ak_roots = {ca};
        clock.set(march_2026());
        Path folder = dir.path() / "intel";
        if (with_collateral) keep_documents(folder);
        collateral = MUST(CollateralStore::create({}, CollateralPack(folder), anchors, clock));
        trust_measurement(encode_hex(mrtd()));
    }
    static crypto::CertificateSpec spring(const std::string& name, bool is_ca) {
        crypto::CertificateSpec out = certificate_spec(name, is_ca);
        out.not_before = march_2026() - Seconds{86400};
        return out;
    }
    static Certificate make_vtpm_ca() {
        const PrivateKey& key = keys().ark.key;
        return MUST(crypto::issue_certificate(spring("vTPM CA", true), key.public_key(), nullptr,
                                              key, CertSignature::rsa_pss_sha384));
    }
    Bytes mrtd() const {
        constexpr size_t kMrtd = 136;  // in a TD report body (TDX 1.0)
        return to_bytes(ByteView(hardware.signed_part).subspan(TdxMachine::kBody + kMrtd, 48));
    }
    void trust_measurement(const std::string& hex) {
        service = MUST(create([&](Config& config) { config.compliant_td_measurements = {hex}; }));
    }
    void keep_documents(const Path& folder) const {
        evidence::TdxCollateral all = hardware.collateral();
        auto quote = MUST(evidence::TdxQuote::parse(hardware.quote()));
        auto chain = MUST(Certificate::parse_pem_bundle(quote.pck_chain));
        auto fmspc = MUST(evidence::PckInfo::parse(chain[0])).fmspc;
        auto document = [](CollateralName name, const evidence::SignedJson& json) {
            return CollateralPiece{name, to_bytes(json.json), json.issuer_chain};
        };
        PieceTerms terms{anchors, nullptr, march_2026()};
        for (const CollateralPiece& piece :
             {CollateralPiece{CollateralName::root_crl(), *all.root_crl},
              CollateralPiece{CollateralName::pck_crl(PckCa::platform), *all.pck_crl,
                              hardware.issuer().pem() + hardware.root().pem()},
              document(CollateralName::tcb_info(fmspc), *all.tcb_info),
              document(CollateralName::qe_identity(), *all.qe_identity)}) {
            Checks checks;
            VerifiedPiece verified = MUST(verify_piece(piece, terms, checks));
            MUST(CollateralPack(folder).keep({&verified, 1}, terms, Replace::anything));
        }
    }

    // inner is what the guest sends; its domain's quote is bound to `bound`, or to its runtime
    // data.
    Json inner(const std::optional<Bytes>& bound = std::nullopt) {
        evidence::AzureGuestEvidence evidence = guest.evidence();
        evidence.ak_certificate =
            MUST(crypto::issue_certificate(spring("AK", false), guest.ak.public_key(), &ca,
                                           keys().ark.key, CertSignature::rsa_pss_sha384))
                .der();
        return td_inner_request(evidence, hardware, bound.value_or(evidence.runtime_data));
    }
    std::string code(const Json& sent, bool draft = false) {
        Json body = MUST(parse_json(request_body(sent)));
        if (draft) body["draftPolicyForAttestation"] = kAnyGuest;
        return answer_code(attest(dump_json(body)));
    }
};

TEST(AttestTdGuest, GetsATokenWithItsDomainUnderTheIsolation) {
    TdGuestOffice office;
    net::Response response = office.attest(request_body(office.inner()));
    Json claims = claims_of(office, open_envelope(token_of(response)));
    expect_named(claims);
    EXPECT_EQ(claims["x-ms-attestation-type"], "azurevm");
    EXPECT_EQ(claims["secureboot"], true);
    EXPECT_EQ(claims["x-ms-azurevm-vmid"], kVmId);
    EXPECT_EQ(claims["x-vouchsafe-revocation"], "checked");
    const Json& domain = claims["x-ms-isolation-tee"];
    EXPECT_EQ(domain["x-ms-attestation-type"], "tdxvm");
    EXPECT_EQ(domain["x-ms-compliance-status"], "azure-compliant-cvm");
    EXPECT_EQ(domain["attester_tcb_status"], "UpToDate");
    EXPECT_EQ(domain["tdx_mrtd"], encode_hex(office.mrtd()));
    EXPECT_EQ(domain["tdx_td_attributes_debug"], false);
    EXPECT_EQ(domain["x-ms-runtime"]["keys"][0]["kid"], "HCLAkPub");
    for (const auto& [name, value] : domain.items()) {
        EXPECT_FALSE(name.starts_with("x-ms-sevsnpvm-")) << name;
    }
}

TEST(AttestTdGuest, IsRefusedForAnotherDomainOrParavisor) {
    TdGuestOffice office;
    EXPECT_EQ(office.code(office.inner(to_bytes("other runtime data"))), "HCL-BINDING");
    office.trust_measurement(std::string(96, 'a'));
    EXPECT_EQ(office.code(office.inner()), "ATTEST-TD-MEASUREMENT");
    EXPECT_EQ(office.code(office.inner(), true), "ATTEST-TD-MEASUREMENT");  // under any policy
}

TEST(AttestTdGuest, IsRefusedForWhatAnyGuestIs) {
    TdGuestOffice office;
    auto with = [&](const std::function<void(Json&)>& edit) {
        Json sent = office.inner();
        edit(sent);
        return office.code(sent);
    };
    EXPECT_EQ(with([](Json& sent) { sent["TpmInfo"]["AikCert"] = ""; }), "AK-CERT-PRESENT");
    EXPECT_EQ(with([](Json& sent) { sent["TcgLogs"] = ""; }), "LOG-LOST");
    EXPECT_EQ(with([](Json& sent) {
                  sent["TpmInfo"]["PCRs"][3]["Digest"] = encode_base64(Bytes(32, 1));
              }),
              "TPM-QUOTE-DIGEST");
    office.guest.ak = keys().ask.key;
    Json stranger = office.inner();
    office.guest.ak = keys().ak;
    EXPECT_EQ(with([&](Json& sent) { sent["TpmInfo"] = stranger["TpmInfo"]; }), "HCL-AK");
}

TEST(AttestTdGuest, ProofMustBeAQuoteOfADomainThatNobodyDebugs) {
    TdGuestOffice office;
    auto proof = [&](const Json& value) {
        Json sent = office.inner();
        sent["IsolationInfo"]["Evidence"]["Proof"] = value;
        return office.code(sent);
    };
    EXPECT_EQ(proof(encode_base64(Bytes(1024, 0x81))), "TDX-VERSION");  // such as a TDREPORT
    EXPECT_EQ(proof(inner_request(Machine{}.evidence(),
                                  Dialect::cpp)["IsolationInfo"]["Evidence"]["Proof"]),
              "TDX-VERSION");
    EXPECT_EQ(proof(1), "ATTEST-REQUEST");
    EXPECT_EQ(proof(""), "TDX-FORM");
    Json labelled = office.inner();
    labelled["IsolationInfo"]["Type"] = "SevSnp";
    EXPECT_EQ(office.code(labelled), "ATTEST-REQUEST");
    office.hardware.signed_part[TdxMachine::kTdAttributes] |= 1;
    EXPECT_EQ(office.code(office.inner()), "TDX-DEBUG");
    // Under a policy of one's own too: who can write into the paravisor names any AK.
    EXPECT_EQ(office.code(office.inner(), true), "TDX-DEBUG");
}

TEST(AttestTdGuest, WithoutIntelsDocumentsIsForOtherPoliciesThanTheBuiltIn) {
    TdGuestOffice office(false);
    EXPECT_EQ(office.code(office.inner()), "TDX-NOT-CHECKED");
    EXPECT_EQ(office.code(office.inner(), true), "token");
}

TEST(AttestTdGuest, AnswersAChallenge) {
    TdGuestOffice office;
    std::string challenge =
        MUST(parse_json(office.send("POST", "/challenge", "", "").body))["challenge"];
    office.guest.qualifying = challenge_digest(challenge);
    Json body = MUST(parse_json(request_body(office.inner())));
    body["challenge"] = challenge;
    Json claims = claims_of(office, open_envelope(token_of(office.attest(dump_json(body)))));
    EXPECT_EQ(claims["x-vouchsafe-challenge"], challenge);
    EXPECT_EQ(answer_code(office.attest(dump_json(body))), "ATTEST-CHALLENGE");
}

TEST(RequestMutation, OfAGuestOnTdxGetsNoTokenByAnyPartOfItsHardwareChanged) {
    TdGuestOffice office;
    office.service = MUST(office.create([&](Config& config) {
        config.compliant_td_measurements = {encode_hex(office.mrtd())};
        config.recorded_burst = 10;
    }));
    Json sent = office.inner();
    HostileWalk walk{take_apart(sent["IsolationInfo"], {"Evidence.RunTimeData"}),
                     {{"Evidence.Proof", 64 << 10}, {"Evidence.RunTimeData", 64 << 10}},
                     5};
    const std::string whole = dump_json(sent["IsolationInfo"]);
    WalkOutcome outcome = every_hostile_change(walk, [&](const std::string& text) {
        std::string inner = dump_json(sent);
        inner.replace(inner.find(whole), whole.size(), text.empty() ? "null" : text);
        return office.attest(dump_json({{"AttestationInfo", encode_base64url(as_bytes(inner))}}));
    });
    expect_granted(outcome, {});
}

}  // namespace
}  // namespace vouchsafe::attest
