// Check-removal tests: for each code of the catalogue there is a case that is refused under that
// code, and without the check is not (docs/decisions/0011). A code without a case fails the suite.
//
// The cases stand in the removal_test.cpp of each folder, every one with the codes that its
// verifiers make; `removal_file` says which codes are whose, so that none is nobody's.
#pragma once

#include <functional>
#include <map>

#include "vouchsafe/base/check_removal.h"
#include "vouchsafe/evidence/test_vectors.h"

namespace vouchsafe::evidence::testing {

// What happens without the check: "accepted", the code of another check that then says no, or
// "unreadable" where there is nothing left to go on with.
inline constexpr const char* kAccepted = "accepted";
inline constexpr const char* kUnreadable = "unreadable";

template <typename T>
std::string outcome(const Result<T>& result) {
    if (result) return kAccepted;
    return refusal(result).empty() ? kUnreadable : refusal(result);
}

using Judge = std::function<std::string()>;  // gives an outcome

struct RemovalCase {
    Judge judge;
    std::string without = kAccepted;
};
using RemovalTable = std::map<std::string, RemovalCase>;

// removal_file names the folder whose test has the case of a code, "" for codes of other modules.
// The first row that fits counts.
inline std::string_view removal_file(std::string_view code) {
    constexpr std::pair<std::string_view, std::string_view> kRows[] = {{"SNP-", "snp"},
                                                                       {"TDX-", "tdx"},
                                                                       {"HCL-", "azure"},
                                                                       {"AK-FORM", "azure"},
                                                                       {"AK-CERT-PRESENT", "azure"},
                                                                       {"TPM-KEY-FORM", "azure"},
                                                                       {"TPM-PCR-VALUES", "azure"},
                                                                       {"AK-", "tpm"},
                                                                       {"TPM-", "tpm"},
                                                                       {"LOG-", "boot"},
                                                                       {"BOOT-", "boot"},
                                                                       {"IMA-", "boot"},
                                                                       {"CCEL-", "boot"},
                                                                       {"UVM-", "uvm"}};
    for (const auto& [prefix, file] : kRows) {
        if (code.starts_with(prefix)) return file;
    }
    return "";
}

// expect_every_check_decides goes over the codes of one file.
inline void expect_every_check_decides(std::string_view file, const RemovalTable& table) {
    size_t codes = 0;
    for (const CheckInfo& info : check_catalog()) {
        if (removal_file(info.code) != file) continue;
        SCOPED_TRACE(info.code);
        ++codes;
        auto row = table.find(std::string(info.code));
        if (row == table.end()) {
            ADD_FAILURE() << "no test needs this check";
            continue;
        }
        EXPECT_EQ(row->second.judge(), info.code);
        vouchsafe::testing::RemovedCheck removed(info.code);
        EXPECT_EQ(row->second.judge(), row->second.without);
    }
    EXPECT_EQ(codes, table.size()) << "a case of a code that is not this file's";
}

}  // namespace vouchsafe::evidence::testing
