// What the Secure Boot variables in a confirmed PCR 7 say about the keys a machine boots with.
// Pure.
#pragma once

#include "vouchsafe/evidence/boot/boot_facts.h"

namespace vouchsafe::attest {

struct SecureBootKeys {
    bool db_well_formed = false;   // `db` was measured and is a proper signature database
    bool dbx_well_formed = false;  // the same for `dbx`, which may be empty
    // KEK and db hold certificates of Microsoft's 2011 set, and nothing else. A machine with keys
    // of its own, or with Microsoft's newer ones, is not of the default set as this program knows
    // it.
    bool only_default_keys = false;
};

SecureBootKeys read_secure_boot_keys(const evidence::BootFacts& facts);

}  // namespace vouchsafe::attest
