// Collateral verified once says the same as collateral verified with each quote.
#include "vouchsafe/evidence/tdx/verified_collateral.h"

#include <thread>

#include "vouchsafe/evidence/tdx/test_machine.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

Result<VerifiedTdxCollateral> verify_collateral(TdCase& one) {
    return verify_tdx_collateral(one.collateral, one.anchors, one.now, one.checks);
}

Result<VerifiedTdQuote> verify_with(TdCase& one, const VerifiedTdxCollateral& collateral) {
    return verify_tdx(one.quote, collateral, one.rules, one.now, one.checks);
}

template <typename T>
std::string told(const Result<T>& result) {
    return result ? "accepted" : refusal(result) + " " + refused_field(result);
}

// told_apart verifies the collateral and then the quote.
std::string told_apart(TdCase one) {
    auto collateral = verify_collateral(one);
    return collateral ? told(verify_with(one, *collateral)) : told(collateral);
}

TdCase with_issuer(TdCase one) {
    one.collateral.pck_issuer_chain = MUST(TdxQuote::parse(one.quote)).pck_issuer_chain();
    return one;
}

TdCase current_case() {
    TdCase one{recorded_quote("v5-bodytype3"),
               recorded_collateral("90c06f000000-2026b", "2026", "2026")};
    one.rules = {};
    one.now = march_2026();
    return one;
}

TEST(VerifiedTdxCollateral, SaysTheSameOfEveryRecordedPairAsVerifyingBothAtOnce) {
    int accepted = 0;
    for (const char* tcb_info : {"90c06f000000-2026b", "50806f000000-2026", "90c06f000000-2026",
                                 "50806f000000-2023", "00a06d080000-2025"}) {
        for (const char* quote : {"v5-bodytype3", "v4-azure-akcert", "v5-coco", "v4-spr-e4-trimmed",
                                  "v4-debug", "v4-azure", "v4-fmspc-00a06d08"}) {
            SCOPED_TRACE(std::string(quote) + " " + tcb_info);
            TdCase one{recorded_quote(quote), recorded_collateral(tcb_info, "2026", "2026")};
            one.rules = {.accepted_status = any_status()};
            one.now = march_2026();
            std::string expected = told(one.verify());
            EXPECT_EQ(told_apart(one), expected);
            EXPECT_EQ(told_apart(with_issuer(one)), expected);
            accepted += expected == "accepted" ? 1 : 0;
        }
    }
    EXPECT_GE(accepted, 2);
}

TEST(VerifiedTdxCollateral, SaysTheSameOfEveryQuoteIfThereIsNone) {
    const Json known_facts = facts("tdx");
    for (const auto& [name, row] : known_facts.items()) {
        if (!name.ends_with(".quote.bin")) continue;
        TdCase one{vector_bytes("tdx/" + name)};
        EXPECT_EQ(told_apart(one), told(one.verify())) << name;
    }
    TdCase one{recorded_quote("v5-bodytype3")};
    one.rules = {};
    EXPECT_EQ(told_apart(one), "TDX-NOT-CHECKED revocation");
}

TEST(VerifiedTdxCollateral, GivesTheSameFactsAndKnowsHowLongItHolds) {
    TdCase one = with_issuer(current_case());
    VerifiedTdQuote expected = MUST(one.verify());
    VerifiedTdxCollateral collateral = MUST(verify_collateral(one));
    EXPECT_EQ(collateral.tier(), Tier::hardware);
    EXPECT_EQ(collateral.tcb_info()->evaluation, 18u);
    EXPECT_TRUE(collateral.qe_identity().has_value());
    VerifiedTdQuote verified = MUST(verify_with(one, collateral));
    EXPECT_EQ(verified.tier(), expected.tier());
    EXPECT_EQ(verified.signer().pem(), expected.signer().pem());
    EXPECT_EQ(verified.tcb()->status, expected.tcb()->status);
    EXPECT_EQ(verified.tcb()->evaluation, expected.tcb()->evaluation);
    EXPECT_TRUE(verified.not_checked().empty());
    EXPECT_TRUE(passed(one.checks, "TDX-CHAIN-LINK"));
    one.now = collateral.valid_from();
    EXPECT_EQ(told(verify_with(one, collateral)), "accepted");
    one.now = collateral.valid_to();
    EXPECT_EQ(told(verify_with(one, collateral)), "accepted");
    one.now = collateral.valid_from() - std::chrono::seconds(1);
    EXPECT_EQ(told(verify_with(one, collateral)), "TDX-CRL-DATES PCK CRL");
    one.now = collateral.valid_to() + std::chrono::seconds(1);
    EXPECT_EQ(told(verify_with(one, collateral)), "TDX-COLLATERAL-DATES tcbInfo");
}

TEST(VerifiedTdxCollateral, IsRefusedWhenTimeHasPassed) {
    TdCase one = with_issuer(current_case());
    VerifiedTdxCollateral collateral = MUST(verify_collateral(one));
    one.rules.may_be_unchecked = everything_unchecked();
    for (const char* time : {"2026-04-15T22:10:00Z", "2026-04-15T22:16:04Z", "2026-04-15T22:34:06Z",
                             "2026-03-16T22:20:00Z", "2026-01-27T00:00:00Z"}) {
        one.now = at(time);
        std::string expected = told(one.verify());
        EXPECT_NE(expected, "accepted") << time;
        EXPECT_EQ(told(verify_with(one, collateral)), expected) << time;
        EXPECT_NE(refusal(verify_collateral(one)), "") << time;
    }
}

TEST(VerifiedTdxCollateral, VouchesUnderItsOwnRootAlone) {
    TdCase intels = with_issuer(current_case());
    TdCase made = with_issuer(TdxMachine{}.to_case());
    VerifiedTdxCollateral under_intel = MUST(verify_collateral(intels));
    VerifiedTdxCollateral under_other = MUST(verify_collateral(made));
    EXPECT_EQ(under_other.tier(), Tier::simulated);
    EXPECT_EQ(told(verify_with(made, under_other)), "accepted");
    EXPECT_EQ(told(verify_with(made, under_intel)), "TDX-CHAIN-ROOT root");
    EXPECT_EQ(told(verify_with(intels, under_other)), "TDX-CHAIN-ROOT root");
    std::swap(intels.anchors, made.anchors);
    EXPECT_EQ(refusal(verify_collateral(intels)), "TDX-CRL-SIGNATURE");
    EXPECT_EQ(refusal(verify_collateral(made)), "TDX-CRL-SIGNATURE");
    made.anchors.intel.reset();
    EXPECT_EQ(refusal(verify_collateral(made)), "TDX-CHAIN-ROOT");
}

TEST(VerifiedTdxCollateral, FindsARevokedPckOnItsList) {
    TdxMachine machine;
    machine.revoked_by_issuer = {TdxMachine::kLeafSerial};
    TdCase one = machine.to_case();
    EXPECT_EQ(told_apart(one), "TDX-REVOKED PCK");
    EXPECT_EQ(told_apart(with_issuer(one)), "TDX-REVOKED PCK");
    machine.revoked_by_root = {TdxMachine::kIssuerSerial};
    one = machine.to_case();
    EXPECT_EQ(told_apart(one), "TDX-REVOKED intermediate");
    EXPECT_TRUE(verify_collateral(one));  // it cannot know the quote's issuer
    one = with_issuer(one);
    EXPECT_EQ(told(verify_collateral(one)), "TDX-REVOKED intermediate");
}

// Every certificate that a machine issues is another one, of the same name and key.
TEST(VerifiedTdxCollateral, VerifiesTheListForAnIssuerThatItDoesNotKnow) {
    TdxMachine machine;
    TdCase one = with_issuer(machine.to_case());
    VerifiedTdxCollateral collateral = MUST(verify_collateral(one));
    one.checks = {};
    EXPECT_EQ(told(verify_with(one, collateral)), "accepted");
    EXPECT_FALSE(passed(one.checks, "TDX-CRL-SIGNATURE"));
    one.quote = machine.quote();
    EXPECT_EQ(told(verify_with(one, collateral)), "accepted");
    EXPECT_TRUE(passed(one.checks, "TDX-CRL-SIGNATURE"));
    machine.issuer_name = "Intel SGX PCK Processor CA";
    one.quote = machine.quote();
    EXPECT_EQ(told(verify_with(one, collateral)), "TDX-CRL-SIGNATURE PCK CRL");
    machine.issuer_is_ca = false;
    one.quote = machine.quote();
    EXPECT_EQ(told(verify_with(one, collateral)), "TDX-CHAIN-CA intermediate");
}

TEST(VerifiedTdxCollateral, RefusesAForgedListWithTheIssuerOrWithTheQuote) {
    TdxMachine machine;
    machine.pck_crl_key = "pck";
    TdCase one = machine.to_case();
    EXPECT_TRUE(verify_collateral(one));
    EXPECT_EQ(told_apart(one), "TDX-CRL-SIGNATURE PCK CRL");
    one = with_issuer(one);
    EXPECT_EQ(told(verify_collateral(one)), "TDX-CRL-SIGNATURE PCK CRL");
    EXPECT_EQ(told(one.verify()), "TDX-CRL-SIGNATURE PCK CRL");
}

TEST(VerifiedTdxCollateral, RefusesAnIssuerThatIsNone) {
    TdxMachine machine;
    auto refused = [&](const std::string& chain, Time now = march_2026()) {
        TdCase one = machine.to_case();
        one.collateral = {};
        one.collateral.pck_issuer_chain = chain;
        one.now = now;
        return refusal(verify_collateral(one));
    };
    const std::string root = machine.root().pem();
    const std::string sound = machine.issuer().pem() + root;
    EXPECT_EQ(refused(sound), "");
    EXPECT_EQ(refused(""), "TDX-CHAIN-FORM");
    EXPECT_EQ(refused(root), "TDX-CHAIN-FORM");
    EXPECT_EQ(refused(machine.issuer().pem() + sound), "TDX-CHAIN-FORM");
    EXPECT_EQ(refused(sound, at("2027-06-01T00:00:00Z")), "TDX-CHAIN-DATES");
    EXPECT_EQ(refused(*with_issuer(current_case()).collateral.pck_issuer_chain), "TDX-CHAIN-ROOT");
    EXPECT_EQ(refused(machine.sign_json("x", "{}").issuer_chain), "TDX-CHAIN-CA");
    machine.issuer_is_ca = false;
    EXPECT_EQ(refused(machine.issuer().pem() + root), "TDX-CHAIN-CA");
    crypto::Certificate self = machine.issue("issuer", "Intel SGX PCK Platform CA",
                                             TdxMachine::kIssuerSerial, true, nullptr, "issuer");
    EXPECT_EQ(refused(self.pem() + root), "TDX-CHAIN-LINK");
}

TEST(VerifiedTdxCollateral, LeavesNoByteOfTheChainFree) {
    TdCase one = with_issuer(current_case());
    VerifiedTdxCollateral collateral = MUST(verify_collateral(one));
    TdxQuote quote = MUST(TdxQuote::parse(one.quote));
    size_t begin = quote.size - quote.pck_chain.size();
    std::set<std::string> refusals;
    for (size_t i = begin; i < quote.size; i += 37) {
        one.quote[i] ^= 1;
        refusals.insert(told(verify_with(one, collateral)));
        one.quote[i] ^= 1;
    }
    EXPECT_FALSE(refusals.contains("accepted"));
    for (const char* link : {"TDX-CHAIN-LINK PCK", "TDX-CHAIN-LINK intermediate"}) {
        EXPECT_TRUE(refusals.contains(link)) << link;
    }
    EXPECT_EQ(told(verify_with(one, collateral)), "accepted");
}

TEST(VerifiedTdxCollateral, IsSharedByThreads) {
    const TdCase sound = with_issuer(current_case());
    TdCase first = sound;
    const VerifiedTdxCollateral collateral = MUST(verify_collateral(first));
    std::array<int, 3> accepted{};
    std::vector<std::jthread> threads;
    for (int& count : accepted) {
        threads.emplace_back([&sound, &collateral, &count] {
            for (int i = 0; i < 3; ++i) {
                TdCase one = sound;
                count += verify_with(one, collateral) ? 1 : 0;
            }
        });
    }
    threads.clear();
    EXPECT_EQ(accepted, (std::array<int, 3>{3, 3, 3}));
}

}  // namespace
}  // namespace vouchsafe::evidence
