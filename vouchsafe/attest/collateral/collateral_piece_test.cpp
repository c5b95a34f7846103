#include "vouchsafe/attest/collateral/collateral_piece.h"

#include "vouchsafe/attest/collateral/test_pieces.h"
#include "vouchsafe/evidence/tdx/test_machine.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;
using evidence::testing::refusal;
using evidence::testing::TdxMachine;

std::string piece_refusal(const CollateralPiece& piece, Time now = march_2026()) {
    return refusal(judge_piece(piece, now));
}

TEST(CollateralNames, AreTheNamesOfFilesAndNothingElseIs) {
    for (const char* text :
         {"amd/milan.crl", "amd/turin-vlek.crl", "intel/root.crl", "intel/pck-platform.crl",
          "intel/pck-processor.crl", "intel/tcb-90c06f000000.json", "intel/qe-identity-td.json",
          "intel/sgx-tcb-00606a000000.json", "intel/qe-identity-sgx.json"}) {
        auto name = CollateralName::parse(text);
        ASSERT_TRUE(name) << text;
        EXPECT_EQ(name->text(), text);
    }
    for (const char* text :
         {"", "amd/rome.crl", "amd/Milan.crl", "../root.crl", "intel/tcb-.json",
          "intel/tcb-90C06F000000.json", "intel/tcb-90c06f00000.json",
          "intel/tcb-90c06f000000.json.x", "intel/tcb-90c06f0000000.json", "intel/sgx-tcb-.json",
          "intel/sgx-tcb-00606A000000.json", "intel/qe-identity-.json", "intel/root.crl/",
          "intel/issuer-0123456789abcdef.pem"}) {
        EXPECT_FALSE(CollateralName::parse(text)) << text;
    }
}

TEST(CollateralPieces, OfTheVendorsAreVerifiedWithTheirDates) {
    for (const CollateralPiece& piece : all_pieces()) {
        auto one = judge_piece(piece);
        ASSERT_TRUE(one) << piece.name.text() << ": " << one.error().message;
        EXPECT_TRUE(one->in_force(march_2026()));
    }
    VerifiedPiece tcb = verified(emerald_tcb());
    EXPECT_EQ(tcb.evaluation(), 18u);
    EXPECT_EQ(tcb.issued(), at("2026-03-16T22:06:09Z"));
    EXPECT_EQ(tcb.valid_to(), at("2026-04-15T22:06:09Z"));
    EXPECT_EQ(verified(root_list()).crl()->this_update(), at("2026-02-26T13:04:00Z"));
}

TEST(CollateralPieces, ForEnclavesAreOthersThanForTrustDomains) {
    for (const CollateralPiece& piece : sgx_pieces()) {
        auto one = judge_piece(piece, at("2025-07-01T00:00:00Z"));
        ASSERT_TRUE(one) << piece.name.text() << ": " << one.error().message;
        EXPECT_EQ(one->evaluation(), 17u);
        CollateralPiece other = piece;
        other.name.tee = evidence::IntelTee::tdx;
        EXPECT_EQ(piece_refusal(other), "TDX-COLLATERAL-FORM");
    }
    CollateralPiece domains = qe_piece();
    domains.name.tee = evidence::IntelTee::sgx;
    EXPECT_EQ(piece_refusal(domains), "SGX-COLLATERAL-FORM");
    CollateralPiece tcb = sgx_pieces().front();
    tcb.name.fmspc = emerald();
    EXPECT_EQ(piece_refusal(tcb), "COLLATERAL-PLACE");
}

TEST(CollateralPieces, ThatRanOutStayGenuineAndSayWhen) {
    auto list = judge_piece(root_list("2023"));
    ASSERT_TRUE(list) << list.error().message;
    EXPECT_FALSE(list->in_force(march_2026()));
    auto document = judge_piece(emerald_tcb("2026"), at("2027-01-01T00:00:00Z"));
    ASSERT_TRUE(document) << document.error().message;
    EXPECT_EQ(document->valid_to(), at("2026-03-03T14:49:26Z"));
    Checks checks;
    EXPECT_EQ(refusal(check_in_force(*document, march_2026(), checks)), "COLLATERAL-DATES");
    EXPECT_TRUE(check_in_force(*document, at("2026-03-03T14:49:26Z"), checks));
}

TEST(CollateralPieces, ThatHaveNotBegunAreRefused) {
    EXPECT_EQ(piece_refusal(emerald_tcb(), at("2026-03-16T22:06:08Z")), "COLLATERAL-DATES");
    EXPECT_EQ(piece_refusal(emerald_tcb(), at("2026-03-16T22:06:09Z")), "");
    EXPECT_EQ(piece_refusal(milan_list("2026-04-01T00:00:00Z")), "COLLATERAL-DATES");
}

TEST(CollateralPieces, OfAnotherRootAreRefused) {
    EXPECT_EQ(piece_refusal(impostors_list()), "SNP-CRL-SIGNATURE");
    CollateralPiece list = milan_list();
    list.name = CollateralName::amd_vcek_crl(SnpProduct::genoa);  // no root is pinned for it
    EXPECT_EQ(piece_refusal(list), "COLLATERAL-PLACE");
    list.name = CollateralName::root_crl();
    EXPECT_EQ(piece_refusal(list), "TDX-CRL-SIGNATURE");
    CollateralPiece intels = root_list();
    intels.name = milan_list().name;
    EXPECT_EQ(piece_refusal(intels), "COLLATERAL-PLACE");

    TdxMachine other;
    auto made = other.collateral();
    EXPECT_EQ(piece_refusal({CollateralName::root_crl(), *made.root_crl}), "TDX-CRL-SIGNATURE");
    EXPECT_EQ(piece_refusal({CollateralName::tcb_info(emerald()), to_bytes(made.tcb_info->json),
                             made.tcb_info->issuer_chain}),
              "TDX-COLLATERAL-CHAIN");
    CollateralPiece pck = pck_list();
    pck.issuer_chain = other.issuer().pem() + other.root().pem();
    EXPECT_EQ(piece_refusal(pck), "TDX-CHAIN-ROOT");
}

TEST(CollateralPieces, WithAnotherOnesSignatureAreRefused) {
    CollateralPiece piece = emerald_tcb();
    Json mine = MUST(parse_json(as_text(piece.bytes)));
    Json others = MUST(parse_json(as_text(emerald_tcb("2026").bytes)));
    std::string text = to_text(piece.bytes);
    std::string signature = mine["signature"];
    text.replace(text.find(signature), signature.size(), others["signature"].get<std::string>());
    piece.bytes = to_bytes(text);
    EXPECT_EQ(piece_refusal(piece), "TDX-COLLATERAL-SIGNATURE");
    piece = pck_list();
    piece.bytes.back() ^= 1;
    EXPECT_EQ(piece_refusal(piece), "TDX-CRL-SIGNATURE");
}

TEST(CollateralPieces, UnderAnothersNameAreRefused) {
    CollateralPiece piece = emerald_tcb();
    piece.name = CollateralName::tcb_info(fmspc_of("50806f000000"));
    EXPECT_EQ(piece_refusal(piece), "COLLATERAL-PLACE");
    piece.name = CollateralName::qe_identity();
    EXPECT_EQ(piece_refusal(piece), "TDX-COLLATERAL-FORM");
    piece = pck_list();
    piece.name = CollateralName::pck_crl(PckCa::processor);
    EXPECT_EQ(piece_refusal(piece), "COLLATERAL-PLACE");
}

TEST(CollateralPieces, ThatAreCutOrWithoutTheirSignerAreRefused) {
    for (CollateralPiece piece : all_pieces()) {
        piece.bytes.resize(piece.bytes.size() / 2);
        bool list = piece.name.text().ends_with(".crl");
        EXPECT_EQ(piece_refusal(piece), list ? "COLLATERAL-FORM" : "TDX-COLLATERAL-FORM");
        piece.bytes.clear();
        EXPECT_NE(piece_refusal(piece), "");
    }
    for (CollateralPiece piece : {pck_list(), emerald_tcb()}) {
        piece.issuer_chain.clear();
        EXPECT_NE(piece_refusal(piece), "");
        piece.issuer_chain = evidence::testing::vector_text("tdx/intel-sgx-root-ca.pem");
        EXPECT_NE(piece_refusal(piece), "");
    }
}

TEST(CollateralPieces, OfAWithdrawnSignerAreRefused) {
    TdxMachine machine;
    evidence::TrustAnchors anchors;
    anchors.intel = machine.root();
    auto judged = [&](uint8_t revoked) {
        machine.revoked_by_root = {revoked};
        auto made = machine.collateral();
        auto list = MUST(crypto::Crl::parse_any(*made.root_crl));
        Checks checks;
        return refusal(
            verify_piece({CollateralName::qe_identity(), to_bytes(made.qe_identity->json),
                          made.qe_identity->issuer_chain},
                         {anchors, &list, march_2026()}, checks));
    };
    EXPECT_EQ(judged(TdxMachine::kSignerSerial), "TDX-REVOKED");
    EXPECT_EQ(judged(TdxMachine::kIssuerSerial), "");
}

TEST(CollateralPieces, ComeInPemAndAreKeptInDerAndLoseRemarks) {
    CollateralPiece piece = pck_list();
    std::string digits = encode_base64(piece.bytes);
    std::string pem = "-----BEGIN X509 CRL-----\n";
    for (size_t i = 0; i < digits.size(); i += 64) pem += digits.substr(i, 64) + "\n";
    CollateralPiece other = piece;
    other.bytes = to_bytes(pem + "-----END X509 CRL-----\n");
    other.issuer_chain = "remarks\n" + other.issuer_chain;
    VerifiedPiece one = verified(other);
    EXPECT_EQ(one.piece().bytes, piece.bytes);
    EXPECT_EQ(one.piece().issuer_chain, verified(piece).piece().issuer_chain);
}

TEST(CollateralPieces, AreNewerByEvaluationThenByDate) {
    VerifiedPiece old_one = verified(emerald_tcb("2026")), new_one = verified(emerald_tcb());
    Checks checks;
    EXPECT_TRUE(check_not_older(new_one, old_one, checks));
    EXPECT_TRUE(check_not_older(new_one, new_one, checks));
    EXPECT_EQ(refusal(check_not_older(old_one, new_one, checks)), "COLLATERAL-OLDER");
    EXPECT_EQ(refusal(check_not_older(verified(root_list("2023")), verified(root_list()), checks)),
              "COLLATERAL-OLDER");
}

TEST(SgxPlatforms, AreReadFromQuotesOfEnclavesAlone) {
    Checks checks;
    Bytes quote = evidence::testing::recorded_quote("v3-sgx-occlum");
    auto platform = sgx_platform_of(quote, evidence::vendor_anchors(), checks);
    ASSERT_TRUE(platform) << platform.error().message;
    EXPECT_EQ(encode_hex(platform->fmspc), "00606a000000");
    EXPECT_EQ(platform->ca, PckCa::platform);
    EXPECT_FALSE(tdx_platform_of(quote, evidence::vendor_anchors(), checks));
    EXPECT_FALSE(sgx_platform_of(evidence::testing::recorded_quote("v4-debug"),
                                 evidence::vendor_anchors(), checks));
}

TEST(TdxPlatforms, AreReadFromQuotesOfIntelsPcksAlone) {
    Checks checks;
    auto platform = tdx_platform_of(evidence::testing::recorded_quote("v5-bodytype3"),
                                    evidence::vendor_anchors(), checks);
    ASSERT_TRUE(platform) << platform.error().message;
    EXPECT_EQ(platform->fmspc, emerald());
    EXPECT_EQ(platform->ca, PckCa::platform);
    Bytes forged = evidence::testing::vector_bytes("tdx/derived/forged-chain.quote.bin");
    EXPECT_FALSE(tdx_platform_of(forged, evidence::vendor_anchors(), checks));
    EXPECT_FALSE(tdx_platform_of(ByteView(forged).first(100), evidence::vendor_anchors(), checks));
    EXPECT_FALSE(tdx_platform_of(evidence::testing::recorded_quote("v5-bodytype3"),
                                 evidence::TrustAnchors(), checks));
}

}  // namespace
}  // namespace vouchsafe::attest
