// Refusals that no recorded quote shows, by a machine in software.
#include "vouchsafe/evidence/tdx/test_machine.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

constexpr size_t kQeMiscselect = 16, kQeAttributes = 48, kQeMrsigner = 128, kQeProduct = 256,
                 kQeVersion = 258;

// refused tells what a machine is refused for, as "CODE field".
std::string refused(const TdxMachine& machine) {
    TdCase one = machine.to_case();
    auto verified = one.verify();
    return verified ? "accepted" : refusal(verified) + " " + refused_field(verified);
}

Result<VerifiedTdQuote> verify(const TdxMachine& machine,
                               const std::set<TcbStatus>& accepted = any_status()) {
    TdCase one = machine.to_case();
    one.rules.accepted_status = accepted;
    return one.verify();
}

TEST(TdxMachine, IsAcceptedAsItIs) {
    auto verified = verify({}, {TcbStatus::up_to_date});
    ASSERT_TRUE(verified) << message(verified);
    EXPECT_EQ(verified->tier(), Tier::simulated);
    EXPECT_TRUE(verified->not_checked().empty());
}

TEST(TdxMachine, IsRefusedUnderIntelsRoot) {
    TdCase one = TdxMachine{}.to_case();
    one.anchors = vendor_anchors();
    EXPECT_EQ(refusal(one.verify()), "TDX-CHAIN-ROOT");
}

TEST(TdxMachine, IsRefusedForAttributesThatWeakenADomain) {
    auto with = [](uint64_t attributes) {
        TdxMachine machine;
        Bytes raw = Writer().u64_le(attributes).take();
        std::copy(raw.begin(), raw.end(), machine.signed_part.begin() + TdxMachine::kTdAttributes);
        return refused(machine);
    };
    EXPECT_EQ(with(0), "accepted");
    EXPECT_EQ(with(1ull << 63 | 1ull << 31 | 1ull << 30 | 1ull << 28 | 1ull << 27), "accepted");
    EXPECT_EQ(with(1), "TDX-DEBUG td_attributes.debug");
    for (int bit : {1, 4, 7, 8, 16, 29, 32, 62}) {
        EXPECT_EQ(with(1ull << bit), "TDX-ATTRIBUTES td_attributes") << bit;
    }
}

TEST(TdxMachine, IsRefusedForAnotherQuotingEnclave) {
    auto with = [](size_t offset, uint8_t mask) {
        TdxMachine machine;
        machine.qe_report[offset] ^= mask;
        return refused(machine);
    };
    EXPECT_EQ(with(kQeMrsigner, 1), "TDX-QE-IDENTITY mrsigner");
    EXPECT_EQ(with(kQeProduct, 1), "TDX-QE-IDENTITY isvprodid");
    EXPECT_EQ(with(kQeMiscselect + 3, 1), "TDX-QE-IDENTITY miscselect");
    EXPECT_EQ(with(kQeAttributes, 2), "TDX-QE-IDENTITY attributes");  // a debug enclave
    EXPECT_EQ(with(kQeAttributes, 4), "accepted");                    // not in the mask
    EXPECT_EQ(with(kQeAttributes + 8, 1), "accepted");
}

// Without QE identity too: a genuine PCK signs the report of anybody's enclave.
TEST(TdxMachine, IsRefusedForAForeignEnclaveWithoutQeIdentityToo) {
    auto without = [](size_t offset, uint8_t mask) {
        TdxMachine machine;
        machine.qe_report[offset] ^= mask;
        TdCase one = machine.to_case();
        one.collateral.qe_identity.reset();
        one.rules.may_be_unchecked = {TdxCheck::qe_identity};
        auto verified = one.verify();
        return verified ? "accepted" : refusal(verified);
    };
    EXPECT_EQ(without(kQeAttributes, 4), "accepted");  // not in the mask
    EXPECT_EQ(without(kQeAttributes, 2), "TDX-QE-IDENTITY");
    EXPECT_EQ(without(kQeMrsigner, 1), "TDX-QE-IDENTITY");
    EXPECT_EQ(without(kQeProduct, 1), "TDX-QE-IDENTITY");
    EXPECT_EQ(without(kQeMiscselect, 1), "TDX-QE-IDENTITY");
}

TEST(TdxMachine, IsJudgedByItsQuotingEnclaveToo) {
    TdxMachine machine;
    machine.qe_report[kQeVersion] = 4;
    EXPECT_EQ(refused(machine), "accepted");
    machine.qe_report[kQeVersion] = 3;
    EXPECT_EQ(refused(machine), "TDX-QE-LEVEL isvsvn");
    machine.qe_identity["tcbLevels"].push_back(
        {{"tcb", {{"isvsvn", 2}}},
         {"tcbDate", "2020-01-01T00:00:00Z"},
         {"tcbStatus", "OutOfDate"},
         {"advisoryIDs", {"INTEL-SA-00002", "INTEL-SA-00001"}}});
    EXPECT_EQ(refused(machine), "TDX-TCB-STATUS tcbStatus");
    VerifiedTdQuote verified = MUST(verify(machine));
    EXPECT_EQ(verified.tcb()->status, TcbStatus::out_of_date);
    EXPECT_EQ(verified.tcb()->advisories,
              (std::vector<std::string>{"INTEL-SA-00001", "INTEL-SA-00002"}));
    TdCase without_tcb_info = machine.to_case();
    without_tcb_info.collateral.tcb_info.reset();
    without_tcb_info.rules.may_be_unchecked = {TdxCheck::tcb_info};
    EXPECT_EQ(refusal(without_tcb_info.verify()), "TDX-TCB-STATUS");
}

TEST(TdxMachine, IsRefusedForAnotherTdxModuleWithAndWithoutTcbInfo) {
    for (size_t offset : {TdxMachine::kMrSignerSeam, TdxMachine::kSeamAttributes}) {
        TdxMachine machine;
        machine.signed_part[offset] ^= 1;
        TdCase one = machine.to_case();
        EXPECT_EQ(refusal(one.verify()), "TDX-MODULE-SIGNER");
        one.collateral.tcb_info.reset();
        one.rules.may_be_unchecked = {TdxCheck::tcb_info};
        EXPECT_EQ(refusal(one.verify()), "TDX-MODULE-SIGNER");
    }
}

TEST(TdxMachine, IsJudgedByItsTdxModuleToo) {
    TdxMachine machine;
    uint8_t& minor = machine.signed_part[TdxMachine::kBody];
    uint8_t& major = machine.signed_part[TdxMachine::kBody + 1];
    minor = 6;
    EXPECT_EQ(refused(machine), "accepted");
    minor = 5;
    EXPECT_EQ(refused(machine), "TDX-TCB-STATUS tcbStatus");
    EXPECT_EQ(MUST(verify(machine)).tcb()->advisories,
              (std::vector<std::string>{"INTEL-SA-01036", "INTEL-SA-01099"}));
    minor = 1;
    EXPECT_EQ(refused(machine), "TDX-MODULE-LEVEL TDX_01");
    minor = 6;
    major = 2;
    EXPECT_EQ(refused(machine), "TDX-MODULE-IDENTITY tee_tcb_svn[1]");
    major = 0;  // then both are components of the platform's levels
    EXPECT_EQ(refused(machine), "accepted");
    minor = 4;
    EXPECT_EQ(refused(machine), "TDX-TCB-LEVEL TCB");
}

TEST(TdxMachine, IsRefusedWhenItsLevelIsRevokedWhateverTheRulesAccept) {
    TdxMachine machine;
    machine.tcb_info["tcbLevels"][0]["tcbStatus"] = "Revoked";
    auto verified = verify(machine, any_status());
    EXPECT_EQ(refusal(verified), "TDX-TCB-STATUS");
    EXPECT_EQ(verified.error().reason()->found, "Revoked");
    machine.tcb_info["tcbLevels"][0]["tcbStatus"] = "SWHardeningNeeded";
    EXPECT_EQ(refusal(verify(machine, {TcbStatus::up_to_date})), "TDX-TCB-STATUS");
    EXPECT_EQ(refusal(verify(machine, {TcbStatus::sw_hardening_needed})), "");
    machine.tcb_info["tcbLevels"][0]["tcbStatus"] = "Fine";
    EXPECT_EQ(refused(machine), "TDX-COLLATERAL-FORM tcbInfo");
}

TEST(TdxMachine, IsRefusedWhenACertificateIsRevoked) {
    TdxMachine machine;
    machine.revoked_by_issuer = {9};
    machine.revoked_by_root = {TdxMachine::kLeafSerial};  // of another issuer
    EXPECT_EQ(refused(machine), "accepted");
    machine.revoked_by_issuer = {9, TdxMachine::kLeafSerial};
    EXPECT_EQ(refused(machine), "TDX-REVOKED PCK");
    machine.revoked_by_root = {TdxMachine::kIssuerSerial};
    EXPECT_EQ(refused(machine), "TDX-REVOKED intermediate");
    machine.revoked_by_issuer = {};
    machine.revoked_by_root = {TdxMachine::kSignerSerial};
    EXPECT_EQ(refused(machine), "TDX-REVOKED Intel SGX TCB Signing");
}

TEST(TdxMachine, UsesARevocationListEvenIfRevocationMayBeUnchecked) {
    TdxMachine machine;
    machine.revoked_by_issuer = {TdxMachine::kLeafSerial};
    TdCase one = machine.to_case();
    one.rules.may_be_unchecked = everything_unchecked();
    one.collateral.root_crl.reset();
    EXPECT_EQ(refusal(one.verify()), "TDX-REVOKED");
}

TEST(TdxMachine, RefusesRevocationListsOfOthers) {
    TdxMachine machine;
    machine.pck_crl_key = "pck";
    EXPECT_EQ(refused(machine), "TDX-CRL-SIGNATURE PCK CRL");
    TdCase one = TdxMachine{}.to_case();
    std::swap(one.collateral.root_crl, one.collateral.pck_crl);
    EXPECT_EQ(refusal(one.verify()), "TDX-CRL-SIGNATURE");
    one.collateral.root_crl = Bytes{};
    EXPECT_EQ(refusal(one.verify()), "TDX-CRL-FORM");
}

TEST(TdxMachine, RefusesAnIssuerThatIsNoPckCa) {
    TdxMachine machine;
    machine.issuer_name = "Intel SGX PCK Processor CA";
    EXPECT_EQ(refused(machine), "accepted");
    machine.issuer_name = "Intel SGX TCB Signing";
    EXPECT_EQ(refused(machine), "TDX-CHAIN-CA intermediate");
    machine.issuer_name = "Intel SGX PCK Platform CA";
    machine.issuer_is_ca = false;
    EXPECT_EQ(refused(machine), "TDX-CHAIN-CA intermediate");
}

TEST(TdxMachine, RefusesCollateralOfAnotherSigner) {
    TdxMachine machine;
    machine.signer_name = "Intel SGX PCK Certificate";
    EXPECT_EQ(refused(machine), "TDX-COLLATERAL-CHAIN enclaveIdentity");
    machine.signer_name = "Intel SGX TCB Signing";
    machine.signer_issuer = "issuer";
    EXPECT_EQ(refused(machine), "TDX-COLLATERAL-CHAIN enclaveIdentity");
    TdCase one = TdxMachine{}.to_case();
    one.collateral.tcb_info->issuer_chain =
        recorded_json("tcbinfo-90c06f000000-2026b").issuer_chain;
    EXPECT_EQ(refusal(one.verify()), "TDX-COLLATERAL-CHAIN");
    one.collateral.tcb_info->issuer_chain = "";
    EXPECT_EQ(refusal(one.verify()), "TDX-COLLATERAL-CHAIN");
}

}  // namespace
}  // namespace vouchsafe::evidence
