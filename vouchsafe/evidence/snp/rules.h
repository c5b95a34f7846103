// What a relying party may demand of an SEV-SNP report beyond being genuine.
//
// The defaults refuse what weakens a machine (debugging, a migration agent, an unknown policy bit,
// revocation that nobody looked at) and demand nothing that depends on whose machine it is.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "vouchsafe/evidence/snp/report.h"

namespace vouchsafe::evidence {

// The name of what is not checked without AMD's revocation list, in SnpRules::allow_unchecked and
// VerifiedSnpReport::not_checked.
inline constexpr const char* kSnpRevocation = "revocation";

// SnpTcbFloor is a minimum for each product, component by component; a product that is absent has
// none. A component FMC counts for Turin alone.
using SnpTcbFloor = std::map<SnpProduct, SnpTcb>;

// SnpTcbFloors: a report states four TCBs (AMD 56860, table 23).
struct SnpTcbFloors {
    SnpTcbFloor reported;   // what the host claims, and the VCEK is made for
    SnpTcbFloor current;    // what runs now
    SnpTcbFloor committed;  // what the host cannot go below any more
    SnpTcbFloor launch;     // what ran when the guest was launched
};

struct SnpRules {
    // Version 1 is what firmware of 2021 and 2022 wrote. It is signed like the others, but states
    // neither the committed TCB nor that of the launch: they are zero, below every floor.
    bool allow_version_1 = false;

    uint32_t vmpl = 0;  // exactly; AMD: 0 is the most privileged level
    SnpTcbFloors minimum_tcb;

    // Guest policy bits 19 and 18: the host may read the machine's memory, or have it moved. What a
    // report says is recorded as a check all the same.
    bool allow_debug = false;
    bool allow_migration = false;
    // Simultaneous multithreading: off on the host (PLATFORM_INFO), and forbidden by the guest
    // policy.
    bool require_smt_off = false;

    // Expected exactly; absent: anything.
    std::optional<std::array<uint8_t, 64>> report_data;
    std::optional<std::array<uint8_t, 48>> measurement;
    std::optional<std::array<uint8_t, 32>> host_data;
    std::optional<std::array<uint8_t, 16>> family_id;
    std::optional<std::array<uint8_t, 16>> image_id;
    uint32_t minimum_guest_svn = 0;

    // Digests of which the report must have one; empty: no demand. Zeros mean that no key signed
    // (AMD 56860, ID block) and match nothing, even if they are on the list.
    std::vector<std::array<uint8_t, 48>> id_key_digests;
    std::vector<std::array<uint8_t, 48>> author_key_digests;

    // What may go unchecked for want of collateral: kSnpRevocation, or nothing. Other names mean
    // nothing here.
    std::set<std::string, std::less<>> allow_unchecked;

    // Bits that must be set in the mitigation vectors, which reports have from version 5 on.
    uint64_t launch_mitigations = 0;
    uint64_t current_mitigations = 0;
};

}  // namespace vouchsafe::evidence
