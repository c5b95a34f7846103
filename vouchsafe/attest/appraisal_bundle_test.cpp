#include "vouchsafe/attest/appraisal_bundle.h"

#include "vouchsafe/attest/collateral/collateral_pack.h"
#include "vouchsafe/attest/policy/judge.h"
#include "vouchsafe/attest/test_office.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

struct Keeper : Office {
    Keeper() {
        service = MUST(create([&](Config& config) { config.bundles = folder(); }));
    }
    Path folder() const { return dir.path() / "bundles"; }

    std::vector<Path> kept() const {
        std::vector<Path> out;
        for (const auto& one : std::filesystem::recursive_directory_iterator(folder())) {
            if (one.is_regular_file()) out.push_back(one.path());
        }
        return out;
    }
    audit::Entry entry_of(const net::Response& response) {
        return MUST(log.find(response.headers.get("x-ms-request-id"))).at(0).entry;
    }
    // bundle_of checks what every bundle must be, and returns it.
    evidence::Bundle bundle_of(const net::Response& response) {
        std::string id = response.headers.get("x-ms-request-id");
        Path file = folder() / format_rfc3339(clock.now()).substr(0, 10) / (id + ".json");
        Bytes bytes = MUST(read_file(file));
        EXPECT_EQ(entry_of(response).details["bundle"], encode_hex(crypto::sha256(bytes)));
        auto mode = std::filesystem::status(file).permissions();
        EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
        return MUST(evidence::Bundle::parse(as_text(bytes)));
    }
};

// again judges a bundle as `verify appraisal` does, with its collateral unless that is taken away.
std::string again(const evidence::Bundle& bundle, Json* claims = nullptr) {
    evidence::TrustAnchors anchors = test_anchors();
    FixedClock clock(bundle.time);
    Checks checks;
    std::unique_ptr<CollateralStore> collateral;
    if (bundle.files.contains("collateral")) {
        std::string_view pack = as_text(bundle.files.at("collateral").at(0).bytes);
        collateral = CollateralStore::of(MUST(verify_pack_file(pack, anchors, bundle.time, checks)),
                                         anchors, clock);
    }
    ActivePolicy policy = *MUST(read_draft(to_text(bundle.files.at("policy").at(0).bytes)));
    policy.built_in = bundle.rules.contains("built-in");
    Config config;
    config.compliant_id_keys = bundle.rules.at("id-key");
    Terms terms{config, anchors, bundle.time};
    terms.collateral = collateral.get();
    const Hearing hearing{terms, std::make_shared<const ActivePolicy>(std::move(policy)), nullptr};
    Json details;
    auto target = *policy::find_target(bundle.rules.at("type").at(0));
    auto judged = judge_evidence(target, as_text(bundle.files.at("evidence").at(0).bytes), hearing,
                                 checks, details);
    if (!judged) return judged.error().reason()->code;
    if (claims != nullptr) *claims = judged->appraisal.claims;
    return "permitted";
}

TEST(AppraisalBundle, HoldsWhatTheJudgementRestedOn) {
    Keeper keeper;
    for (const net::Response& response :
         {keeper.attest_snp(Machine{}), keeper.attest(guest_request(Machine{}))}) {
        ASSERT_EQ(response.status, 200);
        evidence::Bundle bundle = keeper.bundle_of(response);
        EXPECT_EQ(bundle.kind, "appraisal");
        EXPECT_EQ(bundle.time, keeper.clock.now());
        EXPECT_TRUE(bundle.verdict["valid"]);
        Json claims;
        EXPECT_EQ(again(bundle, &claims), "permitted");
        EXPECT_EQ(bundle.verdict["facts"]["claims"], claims);
        bundle.files.erase("collateral");
        EXPECT_EQ(again(bundle), "SNP-REVOCATION");
    }
    EXPECT_EQ(keeper.kept().size(), 2u);
}

TEST(AppraisalBundle, IsKeptOfARefusalToo) {
    Keeper keeper;
    Machine machine;
    machine.policy |= 1u << 19;
    net::Response refused = keeper.attest_snp(machine);
    EXPECT_EQ(refused.status, 400);
    evidence::Bundle bundle = keeper.bundle_of(refused);
    EXPECT_FALSE(bundle.verdict["valid"]);
    EXPECT_EQ(bundle.verdict["refusal"]["code"], "SNP-POLICY-DEBUG");
    EXPECT_EQ(again(bundle), "SNP-POLICY-DEBUG");
    bundle.files["policy"][0].bytes = to_bytes(std::string_view(kPermitAll));
    bundle.rules.erase("built-in");
    EXPECT_EQ(again(bundle), "permitted");  // by another policy
}

TEST(AppraisalBundle, LeavesOutWhatOnlyTheServiceKnows) {
    Keeper keeper;
    Json request = snp_request(Machine{});
    request["challenge"] = Challenges(Seconds{60}).issue(test_time()).text;  // another's
    net::Response refused = keeper.send("POST", "/attest/SevSnpVm", dump_json(request));
    EXPECT_EQ(refused.headers.get("x-vouchsafe-check"), "ATTEST-CHALLENGE");
    EXPECT_TRUE(keeper.kept().empty());
    EXPECT_FALSE(keeper.entry_of(refused).details.contains("bundle"));
}

TEST(AppraisalBundle, WithoutRoomForItThereIsNoToken) {
    Keeper keeper;
    Path day = keeper.folder() / format_rfc3339(keeper.clock.now()).substr(0, 10);
    MUST(write_file(day, {}, Overwrite::no));  // a file where the folder should be
    net::Response response = keeper.attest_snp(Machine{});
    EXPECT_EQ(response.status, 500);
    EXPECT_EQ(response.body.find("token"), std::string::npos);
}

TEST(AppraisalBundle, WritesAFloorAsTheOptionTakesIt) {
    EXPECT_EQ(tcb_floor_text(evidence::SnpProduct::milan, {std::nullopt, 3, 0, 8, 115}),
              "milan:bootloader=3,tee=0,snp=8,microcode=115");
    EXPECT_EQ(tcb_floor_text(evidence::SnpProduct::turin, {uint8_t{1}, 1, 1, 4, 81}),
              "turin:bootloader=1,tee=1,snp=4,microcode=81,fmc=1");
}

}  // namespace
}  // namespace vouchsafe::attest
