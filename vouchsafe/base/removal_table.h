// Check-removal tests: for each code of the catalogue there is a case that is refused under that
// code, and without the check is not (docs/decisions/0011). A code without a case fails the suite.
//
// The cases stand in the removal_test.cpp of the folder that makes the check: `removal_owner` is
// the one table of whose codes are whose. For tests alone; include it in a removal_test.cpp, which
// cmake compiles apart and with the hook of check_removal.h.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "vouchsafe/base/check_removal.h"
#include "vouchsafe/base/result.h"

namespace vouchsafe::testing {

// What happens without the check: "accepted", the code of another check that then says no, or
// "unreadable" where there is nothing left to go on with.
inline constexpr const char* kAccepted = "accepted";
inline constexpr const char* kUnreadable = "unreadable";
// Where only `refuse` gives the code, which nothing removes: the case is refused as before. So the
// row says, and the test sees, that nothing is gone on with.
inline constexpr const char* kStillRefused = "still refused";

template <typename T>
std::string outcome(const Result<T>& result) {
    if (result) return kAccepted;
    const Check* reason = result.error().reason();
    return reason == nullptr ? kUnreadable : reason->code;
}

using Judge = std::function<std::string()>;  // gives an outcome

struct RemovalCase {
    Judge judge;
    std::string without = kAccepted;
};
using RemovalTable = std::map<std::string, RemovalCase>;

struct RemovalOwner {
    std::string_view prefix;  // of codes
    std::string_view folder;  // below vouchsafe/, with the removal_test.cpp
};

// The first row whose prefix fits a code counts.
inline constexpr RemovalOwner kRemovalOwners[] = {
    {"SNP-", "evidence/snp"},
    {"TDX-", "evidence/tdx"},
    {"SGX-", "evidence/sgx"},
    {"HCL-", "evidence/azure"},
    {"AK-FORM", "evidence/azure"},
    {"AK-CERT-PRESENT", "evidence/azure"},
    {"TPM-KEY-FORM", "evidence/azure"},
    {"TPM-PCR-VALUES", "evidence/azure"},
    {"AK-", "evidence/tpm"},
    {"TPM-", "evidence/tpm"},
    {"LOG-", "evidence/boot"},
    {"BOOT-", "evidence/boot"},
    {"IMA-", "evidence/boot"},
    {"CCEL-", "evidence/boot"},
    {"UVM-", "evidence/uvm"},
    {"CERT-", "evidence"},
    {"BUNDLE-", "evidence"},
    {"TOKEN-", "jose"},
    {"ATTEST-", "attest"},
    {"RECEIPT-", "attest"},
    {"COLLATERAL-", "attest/collateral"},
    {"POLICY-", "policy/release"},
    {"RELEASE-", "guest"},
    {"AUDIT-", "audit"},
    {"CALLER-", "vault"},
    {"VAULT-", "vault"},
    {"SEAL-", "seal"},
    {"PAIR-", "seal"},
    {"HTTP-", "net"},
};

// removal_owner names the folder whose test has the case of a code, "" if none does.
inline std::string_view removal_owner(std::string_view code) {
    for (const RemovalOwner& owner : kRemovalOwners) {
        if (code.starts_with(owner.prefix)) return owner.folder;
    }
    return "";
}

// expect_every_check_decides goes over the codes of one folder.
inline void expect_every_check_decides(std::string_view folder, const RemovalTable& table) {
    size_t codes = 0;
    for (const CheckInfo& info : check_catalog()) {
        if (removal_owner(info.code) != folder) continue;
        SCOPED_TRACE(info.code);
        ++codes;
        auto row = table.find(std::string(info.code));
        if (row == table.end()) {
            ADD_FAILURE() << "no test needs this check";
            continue;
        }
        const auto& [judge, without] = row->second;
        EXPECT_EQ(judge(), info.code);
        RemovedCheck removed(info.code);
        EXPECT_EQ(judge(), without == kStillRefused ? std::string(info.code) : without);
    }
    EXPECT_EQ(codes, table.size()) << "a case of a code that is not this folder's";
}

}  // namespace vouchsafe::testing
