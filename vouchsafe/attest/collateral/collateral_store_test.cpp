#include "vouchsafe/attest/collateral/collateral_store.h"

#include <atomic>
#include <future>
#include <thread>

#include "vouchsafe/attest/collateral/test_pieces.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/evidence/tdx/test_machine.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

// SlowVendor holds answers back until it is told, and says when somebody waits for one.
struct SlowVendor {
    std::promise<void> first, go;
    std::shared_future<void> told = go.get_future().share();
    std::atomic<int> waiting{0};

    FetchUrl before(FetchUrl fetch) {
        return [this, fetch](const std::string& url) {
            if (waiting++ == 0) first.set_value();
            told.wait();
            return fetch(url);
        };
    }
};

class CollateralStoreTest : public ::testing::Test {
  protected:
    CollateralStoreTest() {
        config_.kds_url = kAmdKds;
        config_.pcs_url = kIntelPcs;
    }

    std::unique_ptr<CollateralStore> store(FetchUrl fetch = {}) {
        return MUST(CollateralStore::create(config_, folder_.pack, piece_anchors(), clock_,
                                            fetch ? std::move(fetch) : vendor_.fetch()));
    }
    void serve(const std::vector<CollateralPiece>& pieces) {
        for (const CollateralPiece& piece : pieces) vendor_.serve_piece(piece, config_);
    }
    int asked(const CollateralName& name) { return vendor_.asked(url_of(name, config_)); }
    void pass(Seconds time) { clock_.set(clock_.now() + time); }
    static std::vector<std::string> names(const std::vector<CollateralProblem>& problems) {
        std::vector<std::string> out;
        for (const CollateralProblem& problem : problems) out.push_back(problem.name);
        return out;
    }
    // eventually waits for what a store does in the background.
    static bool eventually(const std::function<bool()>& holds) {
        for (int i = 0; i < 2000; ++i) {
            if (holds()) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return false;
    }

    PackFolder folder_;
    FakeVendor vendor_;
    FixedClock clock_{march_2026()};
    CollateralConfig config_;
    const CollateralName milan_ = CollateralName::amd_vcek_crl(SnpProduct::milan);
};

TEST_F(CollateralStoreTest, FetchesNothingByDefault) {
    config_ = {};
    ASSERT_TRUE(folder_.keep({root_list()}));
    auto store = MUST(CollateralStore::create({}, folder_.pack, piece_anchors(), clock_));
    HeldSnp snp = store->snp_crls(SnpProduct::milan);
    EXPECT_TRUE(snp.crls.empty());
    EXPECT_EQ(names(snp.missing), std::vector<std::string>{"amd/milan.crl"});
    HeldTdx tdx = store->tdx(emerald(), PckCa::platform);
    ASSERT_TRUE(tdx.collateral);
    EXPECT_FALSE(tdx.collateral->tcb_info());
    EXPECT_EQ(names(tdx.missing),
              (std::vector<std::string>{"intel/pck-platform.crl", "intel/tcb-90c06f000000.json",
                                        "intel/qe-identity-td.json"}));
    EXPECT_EQ(vendor_.asked(), 0);
}

TEST_F(CollateralStoreTest, VerifiesQuotesWithAPackAlone) {
    ASSERT_TRUE(folder_.keep(all_pieces()));
    auto store = MUST(CollateralStore::create({}, folder_.pack, piece_anchors(), clock_));
    HeldTdx held = store->tdx(emerald(), PckCa::platform);
    ASSERT_TRUE(held.collateral);
    EXPECT_TRUE(held.missing.empty());
    Checks checks;
    evidence::TdxRules rules;
    rules.accepted_status = evidence::testing::any_status();
    EXPECT_TRUE(evidence::verify_tdx(evidence::testing::recorded_quote("v5-bodytype3"),
                                     *held.collateral, rules, clock_.now(), checks));
    EXPECT_EQ(store->tdx(emerald(), PckCa::platform).collateral, held.collateral);
    EXPECT_EQ(store->snp_crls(SnpProduct::milan).crls.size(), 1u);
    EXPECT_EQ(names(store->snp_crls(SnpProduct::milan, evidence::SnpSigner::vlek).missing),
              std::vector<std::string>{"amd/milan-vlek.crl"});
    EXPECT_FALSE(store->snp_crls(SnpProduct::genoa).missing.empty());

    clock_.set(at("2026-05-02T00:00:00Z"));  // everything but Intel's root list ran out
    EXPECT_EQ(store->tdx(emerald(), PckCa::platform).missing.size(), 3u);
    EXPECT_TRUE(store->snp_crls(SnpProduct::milan).crls.empty());
}

TEST_F(CollateralStoreTest, FetchesWhatIsMissingOnceAndKeepsItOnDisk) {
    serve(all_pieces());
    EXPECT_TRUE(store()->tdx(emerald(), PckCa::platform).missing.empty());
    auto again = store();  // another process, later
    EXPECT_TRUE(again->tdx(emerald(), PckCa::platform).missing.empty());
    EXPECT_EQ(again->snp_crls(SnpProduct::milan).crls.size(), 1u);
    EXPECT_EQ(vendor_.asked(), 5);
    EXPECT_EQ(folder_.load().pieces.size(), 5u);
}

TEST_F(CollateralStoreTest, AsksOnceForTenWhoNeedTheSame) {
    serve({milan_list()});
    SlowVendor slow;
    auto store = this->store(slow.before(vendor_.fetch()));
    std::vector<std::future<HeldSnp>> askers;
    for (int i = 0; i < 10; ++i) {
        askers.push_back(
            std::async(std::launch::async, [&] { return store->snp_crls(SnpProduct::milan); }));
    }
    slow.first.get_future().wait();
    slow.go.set_value();
    for (auto& asker : askers) EXPECT_EQ(asker.get().crls.size(), 1u);
    EXPECT_EQ(asked(milan_), 1);
}

TEST_F(CollateralStoreTest, AServiceThatHangsDelaysOnlyThoseWhoNeedWhatIsNotThere) {
    serve(all_pieces());
    ASSERT_TRUE(folder_.keep({root_list(), pck_list(), emerald_tcb(), qe_piece()}));
    SlowVendor slow;
    auto store = this->store(slow.before(vendor_.fetch()));
    auto waits = std::async(std::launch::async, [&] { return store->snp_crls(SnpProduct::milan); });
    slow.first.get_future().wait();
    EXPECT_TRUE(store->tdx(emerald(), PckCa::platform).missing.empty());  // or this would hang
    slow.go.set_value();
    EXPECT_EQ(waits.get().crls.size(), 1u);
}

TEST_F(CollateralStoreTest, HonoursRetryAfterForTheWholeService) {
    serve(all_pieces());
    net::ClientResponse busy{429, {}, ""};
    busy.headers.set("Retry-After", "7200");
    vendor_.serve(url_of(milan_, config_), busy);
    auto store = this->store();
    for (int i = 0; i < 10; ++i) {
        HeldSnp held = store->snp_crls(SnpProduct::milan, evidence::SnpSigner::vlek);
        ASSERT_EQ(held.missing.size(), 2u);
        EXPECT_NE(held.missing[0].why.find("429"), std::string::npos) << held.missing[0].why;
    }
    EXPECT_EQ(vendor_.asked(), 1);
    EXPECT_TRUE(store->tdx(emerald(), PckCa::platform).missing.empty());  // another service
    pass(Seconds(7199));
    EXPECT_TRUE(store->snp_crls(SnpProduct::milan).crls.empty());
    EXPECT_EQ(asked(milan_), 1);
    serve({milan_list()});
    pass(Seconds(1));
    EXPECT_EQ(store->snp_crls(SnpProduct::milan).crls.size(), 1u);
    EXPECT_EQ(asked(milan_), 2);
}

TEST_F(CollateralStoreTest, DoesNotHammerAServiceThatIsDown) {
    auto store = this->store();
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(store->snp_crls(SnpProduct::milan).crls.empty());
    EXPECT_EQ(asked(milan_), 1);
    pass(config_.retry);
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(store->snp_crls(SnpProduct::milan).crls.empty());
    EXPECT_EQ(asked(milan_), 2);
    pass(config_.retry);  // the second time it takes twice as long
    EXPECT_TRUE(store->snp_crls(SnpProduct::milan).crls.empty());
    EXPECT_EQ(asked(milan_), 2);
    clock_.set(march_2026() - Seconds(3600));  // a clock that was set back keeps nobody waiting
    EXPECT_TRUE(store->snp_crls(SnpProduct::milan).crls.empty());
    EXPECT_EQ(asked(milan_), 3);
}

TEST_F(CollateralStoreTest, AnUnknownPlatformDoesNotKeepOthersFromBeingAskedFor) {
    serve({root_list(), pck_list(), emerald_tcb(), qe_piece()});
    const Fmspc unknown = fmspc_of("000000000001");
    vendor_.serve(url_of(CollateralName::tcb_info(unknown), config_), {404, {}, ""});
    auto store = this->store();
    HeldTdx held = store->tdx(unknown, PckCa::platform);
    EXPECT_EQ(names(held.missing), std::vector<std::string>{"intel/tcb-000000000001.json"});
    EXPECT_TRUE(store->tdx(emerald(), PckCa::platform).missing.empty());
}

TEST_F(CollateralStoreTest, KeepsNothingThatDoesNotVerify) {
    CollateralPiece bent = milan_list();
    bent.bytes.back() ^= 1;
    serve({bent});
    auto store = this->store();
    HeldSnp held = store->snp_crls(SnpProduct::milan);
    EXPECT_TRUE(held.crls.empty());
    EXPECT_TRUE(folder_.load().pieces.empty());
    serve({milan_list("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z")});  // stale
    pass(config_.max_retry);
    EXPECT_TRUE(store->snp_crls(SnpProduct::milan).crls.empty());
    EXPECT_TRUE(folder_.load().pieces.empty());
    EXPECT_EQ(asked(milan_), 2);
}

TEST_F(CollateralStoreTest, RenewsInTheBackgroundAndGoesOnServing) {
    CollateralPiece list = milan_list();
    list.fetched = march_2026();
    list.source = "a pack";
    ASSERT_TRUE(folder_.keep({list}));
    auto store = this->store();
    pass(config_.refresh - Seconds(1));
    EXPECT_EQ(store->snp_crls(SnpProduct::milan).crls.size(), 1u);
    EXPECT_EQ(asked(milan_), 0);
    serve({milan_list("2026-03-20T12:00:00Z")});
    pass(Seconds(1));
    EXPECT_EQ(store->snp_crls(SnpProduct::milan).crls.size(), 1u);
    EXPECT_TRUE(eventually([&] {
        auto crls = store->snp_crls(SnpProduct::milan).crls;
        return crls[0].this_update() == at("2026-03-20T12:00:00Z");
    }));
    EXPECT_EQ(asked(milan_), 1);
    // An older one from a cache that is behind changes nothing.
    serve({milan_list("2026-03-02T00:00:00Z")});
    pass(config_.refresh);
    EXPECT_EQ(store->snp_crls(SnpProduct::milan).crls.size(), 1u);
    EXPECT_TRUE(eventually([&] { return asked(milan_) == 2; }));
    EXPECT_TRUE(eventually([&] { return !store->freshness()["problems"].empty(); }));
    EXPECT_EQ(store->snp_crls(SnpProduct::milan).crls[0].this_update(), at("2026-03-20T12:00:00Z"));
}

TEST_F(CollateralStoreTest, NoticesWhatAnotherProcessPutsIntoTheFolder) {
    auto store = MUST(CollateralStore::create({}, folder_.pack, piece_anchors(), clock_));
    EXPECT_TRUE(store->snp_crls(SnpProduct::milan).crls.empty());
    ASSERT_TRUE(folder_.keep({milan_list()}));
    pass(config_.rescan);
    EXPECT_EQ(store->snp_crls(SnpProduct::milan).crls.size(), 1u);
    std::filesystem::remove_all(folder_.pack.folder());
    pass(config_.rescan);
    EXPECT_TRUE(store->snp_crls(SnpProduct::milan).crls.empty());
}

TEST_F(CollateralStoreTest, ServesWhatItFetchedAlsoIfTheDiskTakesNothing) {
    ASSERT_TRUE(write_file(folder_.pack.folder(), as_bytes("no folder"), Overwrite::no));
    serve({milan_list()});
    auto store = this->store();
    EXPECT_EQ(store->snp_crls(SnpProduct::milan).crls.size(), 1u);
    pass(config_.rescan);
    EXPECT_EQ(store->snp_crls(SnpProduct::milan).crls.size(), 1u);
    EXPECT_EQ(asked(milan_), 1);
}

TEST_F(CollateralStoreTest, GivesNoneWhosePartsDoNotHoldTogether) {
    evidence::testing::TdxMachine machine;
    evidence::TrustAnchors anchors;
    anchors.intel = machine.root();
    auto made = machine.collateral();
    std::vector<VerifiedPiece> pieces;
    auto add = [&](const CollateralPiece& piece) {
        Checks checks;
        pieces.push_back(MUST(verify_piece(piece, {anchors, nullptr, march_2026()}, checks)));
    };
    add({CollateralName::qe_identity(), to_bytes(made.qe_identity->json),
         made.qe_identity->issuer_chain});
    ASSERT_TRUE(folder_.pack.keep(pieces, {anchors, nullptr, march_2026()}, Replace::older));
    auto store = MUST(CollateralStore::create({}, folder_.pack, anchors, clock_));
    HeldTdx held = store->tdx(emerald(), PckCa::platform);
    ASSERT_TRUE(held.collateral);
    EXPECT_TRUE(held.collateral->qe_identity());

    machine.revoked_by_root = {evidence::testing::TdxMachine::kSignerSerial};
    pieces.clear();
    add({CollateralName::root_crl(), *machine.collateral().root_crl});
    ASSERT_TRUE(folder_.pack.keep(pieces, {anchors, nullptr, march_2026()}, Replace::older));
    pass(config_.rescan);
    held = store->tdx(emerald(), PckCa::platform);
    EXPECT_TRUE(!held.collateral || !held.collateral->qe_identity());
    EXPECT_NE(store->freshness()["problems"].dump().find("intel/qe-identity-td.json"),
              std::string::npos);
}

TEST_F(CollateralStoreTest, TellsHowFreshEverythingIs) {
    CollateralPiece tcb = emerald_tcb();
    tcb.source = "https://pcs.example/tcb";
    tcb.fetched = at("2026-03-17T00:00:00Z");
    ASSERT_TRUE(folder_.keep({tcb, root_list("2023")}));
    auto store = MUST(CollateralStore::create({}, folder_.pack, piece_anchors(), clock_));
    Json told = store->freshness();
    ASSERT_EQ(told["pieces"].size(), 2u);
    EXPECT_EQ(told["pieces"][0], Json({{"name", "intel/root.crl"},
                                       {"valid_from", "2023-04-03T10:22:51Z"},
                                       {"valid_to", "2024-04-02T10:22:51Z"},
                                       {"in_force", false},
                                       {"fetched", nullptr},
                                       {"from", nullptr}}));
    EXPECT_EQ(told["pieces"][1], Json({{"name", "intel/tcb-90c06f000000.json"},
                                       {"valid_from", "2026-03-16T22:06:09Z"},
                                       {"valid_to", "2026-04-15T22:06:09Z"},
                                       {"in_force", true},
                                       {"fetched", "2026-03-17T00:00:00Z"},
                                       {"from", "https://pcs.example/tcb"},
                                       {"evaluation", 18}}));
    EXPECT_TRUE(told["problems"].empty());
}

TEST_F(CollateralStoreTest, RefusesUrlsThatNobodyMayFetch) {
    config_.kds_url = "http://kds.example";
    EXPECT_FALSE(
        CollateralStore::create(config_, folder_.pack, piece_anchors(), clock_, vendor_.fetch()));
    config_.kds_url = kAmdKds;
    EXPECT_FALSE(CollateralStore::create(config_, folder_.pack, piece_anchors(), clock_));
}

}  // namespace
}  // namespace vouchsafe::attest
