// --allow-unchecked and --crl, as the commands share them that verify a certification path.
#pragma once

#include "app/verdict.h"
#include "vouchsafe/evidence/revocation.h"

namespace vouchsafe::app {

// read_unchecked reads what the caller allows to go unchecked. Fails with Code::invalid for a name
// that is not among `names`. `code` is the check that refuses what was not allowed.
Result<evidence::Unchecked> read_unchecked(std::string_view code,
                                           std::initializer_list<std::string_view> names,
                                           const std::vector<std::string>& allowed);

// What --allow-unchecked takes where revocation is all that may be missing.
inline constexpr const char* kRevocationUncheckedText =
    "accept that this is not checked: revocation";

// add_crl_option adds --crl, and read_crls reads the files it names: DER or PEM, one list each.
void add_crl_option(Command command, std::vector<std::string>& crls);
Result<std::vector<crypto::Crl>> read_crls(const std::vector<std::string>& crls);

// check_revocation checks a verified path against the lists, and returns what was not checked.
Result<std::vector<std::string>> check_revocation(std::span<const crypto::Certificate> path,
                                                  const std::vector<std::string>& crls,
                                                  const VerifyOptions& options, Time now,
                                                  Checks& checks);

}  // namespace vouchsafe::app
