#include "vouchsafe/attest/collateral/collateral_pack.h"

#include "vouchsafe/attest/collateral/test_pieces.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;
using evidence::testing::refusal;
using Outcome = KeptPiece::Outcome;

Outcome kept_one(const PackFolder& folder, const CollateralPiece& piece,
                 Replace replace = Replace::older) {
    return MUST(folder.keep({piece}, replace)).front().outcome;
}

// block makes a file impossible to replace, so that a writer ends there as if it were killed.
void block(const Path& file) {
    std::filesystem::create_directories(file / "in the way");
}

Json file_of(const std::vector<CollateralPiece>& pieces) {
    return MUST(parse_json(encode_pack_file(pieces, march_2026())));
}

TEST(CollateralPacks, GiveBackWhatTheyKeepAsPlainFiles) {
    PackFolder folder;
    EXPECT_TRUE(folder.load().pieces.empty());
    CollateralPiece list = root_list();
    list.source = "https://certificates.example/root.der";
    list.fetched = march_2026();
    ASSERT_TRUE(folder.keep({list, pck_list(), emerald_tcb(), qe_piece(), milan_list()}));
    VerifiedCollateral loaded = folder.load();
    EXPECT_EQ(loaded.pieces.size(), 5u);
    EXPECT_TRUE(loaded.problems.empty());
    const VerifiedPiece* found = loaded.find(CollateralName::root_crl());
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->piece().source, list.source);
    EXPECT_EQ(found->piece().fetched, list.fetched);
    EXPECT_EQ(MUST(read_file(folder.file("intel/root.crl"))), list.bytes);
    EXPECT_EQ(MUST(read_file(folder.file("intel/tcb-90c06f000000.json"))), emerald_tcb().bytes);
}

TEST(CollateralPacks, NeverReplaceNewerByOlderUnlessTold) {
    PackFolder folder;
    EXPECT_EQ(kept_one(folder, emerald_tcb()), Outcome::written);
    EXPECT_EQ(kept_one(folder, emerald_tcb()), Outcome::same);
    EXPECT_EQ(kept_one(folder, emerald_tcb("2026")), Outcome::left);
    EXPECT_EQ(folder.load().pieces.front().issued(), at("2026-03-16T22:06:09Z"));
    EXPECT_EQ(kept_one(folder, emerald_tcb("2026"), Replace::anything), Outcome::written);
    EXPECT_EQ(folder.load().pieces.front().issued(), at("2026-02-01T14:49:26Z"));
    EXPECT_EQ(kept_one(folder, emerald_tcb()), Outcome::written);
}

TEST(CollateralPacks, ReplaceWhatDoesNotVerify) {
    PackFolder folder;
    ASSERT_TRUE(folder.keep({root_list()}));
    Bytes bent = root_list().bytes;
    bent.back() ^= 1;
    ASSERT_TRUE(write_file(folder.file("intel/root.crl"), bent, Overwrite::yes));
    VerifiedCollateral loaded = folder.load();
    EXPECT_TRUE(loaded.pieces.empty());
    ASSERT_EQ(loaded.problems.size(), 1u);
    EXPECT_EQ(loaded.problems.front().name, "intel/root.crl");
    EXPECT_EQ(kept_one(folder, root_list("2023")), Outcome::written);
    EXPECT_EQ(folder.load().pieces.size(), 1u);
}

TEST(CollateralPacks, TakeListsThatSomebodyPutThere) {
    PackFolder folder;
    std::filesystem::create_directories(folder.file("intel"));
    ASSERT_TRUE(write_file(folder.file("intel/root.crl"), root_list().bytes, Overwrite::no));
    ASSERT_TRUE(write_file(folder.file("intel/notes.txt"), as_bytes("hello"), Overwrite::no));
    // Without its signer, which only pack.json names, a document is of no use.
    ASSERT_TRUE(
        write_file(folder.file("intel/qe-identity-td.json"), qe_piece().bytes, Overwrite::no));
    VerifiedCollateral loaded = folder.load();
    ASSERT_EQ(loaded.pieces.size(), 1u);
    EXPECT_FALSE(loaded.pieces.front().piece().fetched);
    ASSERT_EQ(loaded.problems.size(), 1u);
    EXPECT_EQ(loaded.problems.front().name, "intel/qe-identity-td.json");
}

TEST(CollateralPacks, KilledBetweenTwoWritesHoldTheOldPieceOrTheNew) {
    for (bool old_one_stays : {true, false}) {
        PackFolder folder;
        ASSERT_TRUE(folder.keep({emerald_tcb("2026"), root_list()}));
        block(folder.file("intel/qe-identity-td.json"));
        std::vector<CollateralPiece> pieces = {emerald_tcb(), qe_piece()};
        if (old_one_stays) std::ranges::reverse(pieces);
        EXPECT_FALSE(folder.keep(pieces));
        VerifiedCollateral loaded = folder.load();
        const VerifiedPiece* tcb = loaded.find(CollateralName::tcb_info(emerald()));
        ASSERT_NE(tcb, nullptr);
        EXPECT_EQ(tcb->issued(), verified(emerald_tcb(old_one_stays ? "2026" : "2026b")).issued());
        EXPECT_NE(loaded.root_crl(), nullptr);
        std::filesystem::remove_all(folder.file("intel/qe-identity-td.json"));
        ASSERT_TRUE(folder.keep(pieces));
        EXPECT_EQ(folder.load().pieces.size(), 3u);
    }
}

TEST(CollateralPacks, WithoutTheirIndexStillHaveTheirLists) {
    PackFolder folder;
    ASSERT_TRUE(folder.keep(all_pieces()));
    ASSERT_TRUE(write_file(folder.file("pack.json"), as_bytes("{"), Overwrite::yes));
    VerifiedCollateral loaded = folder.load();
    EXPECT_NE(loaded.root_crl(), nullptr);
    EXPECT_NE(loaded.find(CollateralName::amd_vcek_crl(SnpProduct::milan)), nullptr);
    EXPECT_EQ(loaded.problems.front().name, "pack.json");
    ASSERT_TRUE(folder.keep(all_pieces()));
    EXPECT_EQ(folder.load().pieces.size(), 5u);
    EXPECT_TRUE(folder.load().problems.empty());
}

TEST(CollateralPacks, ShowByTheirFingerprintThatAFileChanged) {
    PackFolder folder;
    std::string before = folder.pack.fingerprint();
    ASSERT_TRUE(folder.keep({root_list("2023")}));
    std::string one = folder.pack.fingerprint();
    EXPECT_NE(before, one);
    EXPECT_EQ(one, folder.pack.fingerprint());
    ASSERT_TRUE(write_file(folder.file("intel/root.crl"), root_list().bytes, Overwrite::yes));
    EXPECT_NE(one, folder.pack.fingerprint());
}

TEST(CollateralPackFiles, CarryEverythingFromOneMachineToAnother) {
    PackFolder from, to;
    CollateralPiece list = milan_list();
    list.source = "https://kds.example";
    list.fetched = march_2026();
    ASSERT_TRUE(from.keep({list, root_list(), pck_list(), emerald_tcb(), qe_piece()}));
    std::string text = encode_pack_file(from.pack.load().pieces, march_2026());
    Checks checks;
    auto kept =
        import_pack_file(to.pack, text, piece_anchors(), Replace::older, march_2026(), checks);
    ASSERT_TRUE(kept) << kept.error().message;
    EXPECT_EQ(encode_pack_file(to.pack.load().pieces, march_2026()), text);
    // Years later too: what ran out is told, not refused.
    EXPECT_TRUE(import_pack_file(to.pack, text, piece_anchors(), Replace::older,
                                 at("2026-12-01T00:00:00Z"), checks));
}

TEST(CollateralPackFiles, AreVerifiedWholeBeforeAnythingIsWritten) {
    PackFolder folder;
    std::vector<CollateralPiece> pieces = all_pieces();
    pieces.back().bytes[40] ^= 1;
    Checks checks;
    EXPECT_NE(refusal(import_pack_file(folder.pack, encode_pack_file(pieces, march_2026()),
                                       piece_anchors(), Replace::anything, march_2026(), checks)),
              "");
    EXPECT_TRUE(folder.load().pieces.empty());
    // Another's roots: a lab takes nothing from a production pack.
    EXPECT_NE(refusal(import_pack_file(folder.pack, encode_pack_file(all_pieces(), march_2026()),
                                       evidence::TrustAnchors(), Replace::anything, march_2026(),
                                       checks)),
              "");
    EXPECT_TRUE(folder.load().pieces.empty());
}

TEST(CollateralPackFiles, ThatAreOlderAsAWholeAreRefusedAndInPartLeftOut) {
    PackFolder folder;
    ASSERT_TRUE(folder.keep({emerald_tcb()}));
    auto imported = [&](const std::vector<CollateralPiece>& pieces, Replace replace) {
        Checks checks;
        return import_pack_file(folder.pack, encode_pack_file(pieces, march_2026()),
                                piece_anchors(), replace, march_2026(), checks);
    };
    EXPECT_EQ(refusal(imported({emerald_tcb("2026")}, Replace::older)), "COLLATERAL-OLDER");
    auto mixed = MUST(imported({emerald_tcb("2026"), root_list()}, Replace::older));
    EXPECT_EQ(mixed[0].outcome, Outcome::left);
    EXPECT_EQ(mixed[0].older->code, "COLLATERAL-OLDER");
    EXPECT_EQ(mixed[1].outcome, Outcome::written);
    EXPECT_EQ(MUST(imported({emerald_tcb("2026")}, Replace::anything))[0].outcome,
              Outcome::written);
}

TEST(CollateralPackFiles, OfOtherFormsAreRefused) {
    auto parses = [](const Json& json) { return parse_pack_file(dump_json(json)).has_value(); };
    const Json good = file_of({emerald_tcb(), root_list()});
    EXPECT_TRUE(parses(good));
    EXPECT_TRUE(parses(file_of({})));
    auto changed = [&](const std::function<void(Json&)>& change) {
        Json json = good;
        change(json);
        return parses(json);
    };
    EXPECT_FALSE(changed([](Json& json) { json["schema"] = "vouchsafe/collateral/2"; }));
    EXPECT_FALSE(changed([](Json& json) { json["made"] = "yesterday"; }));
    EXPECT_FALSE(changed([](Json& json) { json["more"] = 1; }));
    EXPECT_FALSE(changed([](Json& json) { json["pieces"] = Json::object(); }));
    EXPECT_FALSE(changed([](Json& json) { json["pieces"].push_back(json["pieces"][0]); }));
    EXPECT_FALSE(changed([](Json& json) { json["pieces"].push_back("intel/root.crl"); }));
    EXPECT_FALSE(changed([](Json& json) { json["pieces"][0]["more"] = 1; }));
    EXPECT_FALSE(changed([](Json& json) { json["pieces"][0]["bytes"] = "???"; }));
    EXPECT_FALSE(changed([](Json& json) { json["pieces"][0].erase("bytes"); }));
    EXPECT_FALSE(changed([](Json& json) { json["pieces"][0]["name"] = "../../etc/passwd"; }));
    EXPECT_FALSE(changed([](Json& json) { json["pieces"][0]["fetched"] = 5; }));
    EXPECT_FALSE(changed([](Json& json) { json["pieces"][1]["issuer_chain"] = "x"; }));
    EXPECT_FALSE(
        changed([](Json& json) { json["pieces"][0]["issuer_chain"] = std::string(40000, 'x'); }));
    Checks checks;
    PackFolder folder;
    EXPECT_EQ(refusal(import_pack_file(folder.pack, "[]", piece_anchors(), Replace::older,
                                       march_2026(), checks)),
              "COLLATERAL-FORM");
}

}  // namespace
}  // namespace vouchsafe::attest
