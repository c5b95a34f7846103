#include "vouchsafe/evidence/azure/tpm_machine.h"

#include <functional>

#include "vouchsafe/evidence/azure/test_guest.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using crypto::HashAlg;

// TpmMachine is a recorded boot, quoted by a key of the test's.
struct TpmMachine {
    std::vector<HashAlg> banks = {HashAlg::sha256};
    std::function<void(PcrBank&)> after_boot = [](PcrBank&) {};
    TpmMachineRules rules = {};
    TpmMachineEvidence evidence{ak_key().public_key(),
                                GuestRoot::issue(guest_spec("AK", false), ak_key().public_key(),
                                                 &guest_root().ca, guest_root().ca_key)
                                    .der(),
                                {},
                                {},
                                {},
                                vector_bytes(std::string(kGuestBoot) + "eventlog.bin"),
                                {}};

    void quote() {
        PcrSelection selection;
        evidence.values.clear();
        for (HashAlg hash : banks) {
            PcrBank bank = read_pcr_text(std::string(kGuestBoot) + "pcrs.txt", hash);
            after_boot(bank);
            selection.push_back(select_all(bank).front());
            evidence.values.push_back(std::move(bank));
        }
        evidence.quote = make_quote(selection, evidence.values);
        evidence.quote_signature = ak_sign(evidence.quote);
    }
    Result<VerifiedTpmMachine> verify() const {
        Checks checks;
        return verify_tpm_machine(evidence, guest_root().anchors(), rules, recorded_time(), checks);
    }
};

std::string refused_machine(const std::function<void(TpmMachine&)>& change) {
    TpmMachine one;
    change(one);
    one.quote();
    return refusal(one.verify());
}

TEST(TpmMachine, IsAppraisedInTheBankThatFirmwareExtends) {
    for (const auto& banks :
         {std::vector{HashAlg::sha256}, std::vector{HashAlg::sha1, HashAlg::sha256},
          std::vector{HashAlg::sha256, HashAlg::sha384}}) {
        TpmMachine one;
        one.banks = banks;
        one.quote();
        auto verified = one.verify();
        ASSERT_TRUE(verified) << message(verified);
        EXPECT_EQ(verified->pcrs().hash, HashAlg::sha256);
        EXPECT_EQ(verified->quote().banks().size(), banks.size());
        EXPECT_EQ(verified->secure_boot(), SecureBoot::on);
        EXPECT_TRUE(verified->ak_certificate().has_value());
    }
    // A bank that firmware never extended can be made up whole (CVE-2021-42299).
    for (const auto& banks : {std::vector{HashAlg::sha1}, std::vector{HashAlg::sha384},
                              std::vector{HashAlg::sha1, HashAlg::sha384}}) {
        EXPECT_EQ(refused_machine([&](TpmMachine& one) { one.banks = banks; }),
                  "TPM-QUOTE-SELECTION");
    }
}

TEST(TpmMachine, SaysNothingOfHigherRegistersThatDoNotReplay) {
    TpmMachine one;
    one.after_boot = [](PcrBank& bank) { extend(bank, 8); };
    one.quote();
    auto verified = one.verify();
    ASSERT_TRUE(verified) << message(verified);
    EXPECT_FALSE(verified->log()->confirmed(8));
    EXPECT_TRUE(verified->log()->confirmed(9));
    EXPECT_EQ(refused_machine([](TpmMachine& other) {
                  other.after_boot = [](PcrBank& bank) { extend(bank, 7); };
              }),
              "LOG-REPLAY-PCR");
}

TEST(TpmMachine, NeedsTheRegistersOfTheMaskAndNoOthersBeside) {
    auto without_23 = [](PcrBank& bank) { bank.values.erase(23); };
    EXPECT_EQ(refused_machine([&](TpmMachine& one) { one.after_boot = without_23; }),
              "TPM-QUOTE-SELECTION");
    TpmMachine one;
    one.after_boot = without_23;
    one.rules.required_pcrs = 0x7FFFFF;
    one.quote();
    EXPECT_TRUE(one.verify());
    one.evidence.values[0].values[23] = Bytes(32, 0);
    EXPECT_EQ(refusal(one.verify()), "TPM-PCR-VALUES");
}

TEST(TpmMachine, ReplaysAnImaListInTheSha256BankAlone) {
    TpmMachine one;
    one.banks = {HashAlg::sha1, HashAlg::sha256};
    one.evidence.ima_list = vector_bytes(std::string(kGuestBoot) + "ima_runtime_measurements.bin");
    one.quote();
    auto verified = one.verify();
    ASSERT_TRUE(verified) << message(verified);
    EXPECT_EQ(verified->ima()->banks(), std::vector{HashAlg::sha256});
    one.rules.required_pcrs = 0xFF;
    one.after_boot = [](PcrBank& bank) {
        if (bank.hash == HashAlg::sha256) bank.values.erase(kImaPcr);
    };
    one.quote();
    EXPECT_EQ(refusal(one.verify()), "IMA-BANK");
}

TEST(TpmMachine, RefusesAnAkThatIsWeakOrNobodys) {
    TpmMachine one;
    one.quote();
    one.evidence.ak_certificate.clear();
    EXPECT_EQ(refusal(one.verify()), "AK-CERT-PRESENT");
    one.rules.require_ak_certificate = false;
    EXPECT_FALSE(MUST(one.verify()).ak_certificate().has_value());
    one.evidence.quote_signature.pop_back();
    EXPECT_EQ(refusal(one.verify()), "AK-FORM");
}

}  // namespace
}  // namespace vouchsafe::evidence
