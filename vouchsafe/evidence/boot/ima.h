// The measurement list of the Linux kernel's IMA (securityfs file binary_runtime_measurements):
// what files it measured into PCR 10, and the replay against that register.
//
// Sources: Linux, Documentation/security/IMA-templates.rst; security/integrity/ima/ima_fs.c
// (ima_measurements_show), ima_queue.c (ima_add_template_entry).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vouchsafe/evidence/tpm/types.h"

namespace vouchsafe::evidence {

inline constexpr size_t kMaxImaListSize = 8 << 20;
inline constexpr size_t kMaxImaEntries = 1 << 17;
inline constexpr uint32_t kImaPcr = 10;

struct ImaEntry {
    std::array<uint8_t, 20> digest{};  // SHA-1 of `data`; zeros: a violation
    std::string template_name;         // "ima", "ima-ng", "ima-sig", "ima-buf"
    Bytes data;                        // what is hashed for each bank
    std::string hash_name;             // of the file's digest: "sha256"
    Bytes file_digest;
    std::string file;        // a path, "boot_aggregate", or the name of a buffer
    Bytes signature;         // ima-sig: of the file, "" if none
    Bytes buffer;            // ima-buf: what was measured
    bool violation() const;  // a file was measured while it was written: nothing of it is covered
};

class ImaList {
  public:
    // parse fails with the check IMA-FORM: for a list of zero bytes too, as every list begins with
    // the boot_aggregate; for other templates than the four; for other registers than 10.
    static Result<ImaList> parse(ByteView bytes, Checks& checks);
    static Result<ImaList> parse(ByteView bytes);

    const std::vector<ImaEntry>& entries() const { return entries_; }
    // replay computes register 10 over the first `count` entries, or all, in one bank. Violations
    // extend ones. As kernels from 5.8 on do: each bank gets the hash of the entry's data.
    Bytes replay(crypto::HashAlg bank, size_t count = SIZE_MAX) const;

  private:
    friend struct ImaParser;  // ima.cpp alone
    std::vector<ImaEntry> entries_;
};

// ReplayedImaList is a list of which the first entries replay to a register's values.
class ReplayedImaList {
  public:
    // entries are the confirmed ones alone.
    std::span<const ImaEntry> entries() const { return std::span(list_.entries()).first(count_); }
    // Entries that came behind: measured after the register was read, or invented.
    size_t unconfirmed() const { return list_.entries().size() - count_; }
    const std::vector<crypto::HashAlg>& banks() const { return banks_; }

  private:
    friend struct ImaVerifier;  // ima.cpp alone
    ReplayedImaList(ImaList list, size_t count, std::vector<crypto::HashAlg> banks)
        : list_(std::move(list)), count_(count), banks_(std::move(banks)) {}
    ImaList list_;
    size_t count_;
    std::vector<crypto::HashAlg> banks_;
};

// verify_ima_list compares the list with the values of register 10 in the SHA-1 and SHA-256 banks,
// those that are in `values`, at least one (IMA-BANK). Kernels without support for a longer hash
// extend something else there, so other banks are not looked at. A machine goes on measuring, so
// the list may be longer than what the register holds: it is confirmed up to the entry after which
// all banks agree (IMA-REPLAY-PCR with the field "pcr 10 (sha256)" if there is none). Every entry's
// digest must be that of its data (IMA-DIGEST).
Result<ReplayedImaList> verify_ima_list(ImaList list, std::span<const PcrBank> values,
                                        Checks& checks);

}  // namespace vouchsafe::evidence
