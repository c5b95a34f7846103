// Helpers of this folder's tests: recorded boots and logs, and logs made for a test.
#pragma once

#include "vouchsafe/evidence/boot/boot_facts.h"
#include "vouchsafe/evidence/test_vectors.h"

namespace vouchsafe::evidence::testing {

inline constexpr std::array kRecordedBoots{"sb-on-shim-grub",
                                           "sb-on-shim-grub-chainload",
                                           "sb-on-uki-snakeoil",
                                           "sb-on-uki-ownkeys",
                                           "sb-off-uki",
                                           "sb-off-shim-grub-chainload",
                                           "setup-mode-uki-sha256only"};

inline EventLog recorded(const std::string& name) {
    return MUST(EventLog::parse(vector_bytes("event_log/" + name)));
}
inline EventLog booted(const std::string& name) {
    return MUST(EventLog::parse(vector_bytes("local/" + name + "/eventlog.bin")));
}
inline PcrBank booted_pcrs(const std::string& name,
                           crypto::HashAlg bank = crypto::HashAlg::sha256) {
    return read_pcr_text("local/" + name + "/pcrs.txt", bank);
}

// boot_facts reads the facts of a log whose own replay is taken for the registers.
inline Result<BootFacts> boot_facts(const EventLog& log, crypto::HashAlg bank) {
    Checks checks;
    ReplayedLog replayed = TRY(verify_event_log(log, log.replay(bank), checks));
    return read_boot_facts(replayed, checks);
}
inline crypto::HashAlg best_bank(const EventLog& log) {
    return log.replay(crypto::HashAlg::sha256).values.empty() ? crypto::HashAlg::sha1
                                                              : crypto::HashAlg::sha256;
}

// spec_id is the first event of a log with one bank.
inline Bytes spec_id(uint16_t alg, uint16_t size, uint32_t pcr = 0) {
    Writer data;
    data.bytes(as_bytes(std::string_view("Spec ID Event03\0", 16))).u32_le(0).u32_le(0x02000200);
    data.u32_le(1).u16_le(alg).u16_le(size).u8(0);
    Writer out;
    out.u32_le(pcr).u32_le(kEvNoAction).zeros(20);
    out.u32_le(static_cast<uint32_t>(data.view().size())).bytes(data.view());
    return out.take();
}

// MadeEvent is an event whose digest is the hash of `hashed`, or of its data.
struct MadeEvent {
    uint32_t pcr = 0;
    uint32_t type = 0;
    Bytes data;
    std::optional<Bytes> hashed = std::nullopt;
};
inline void append_event(Bytes& log, const MadeEvent& event, crypto::HashAlg bank) {
    Writer out;
    out.u32_le(event.pcr).u32_le(event.type).u32_le(1).u16_le(tpm_alg_from_hash(bank));
    out.bytes(crypto::hash(bank, event.hashed.value_or(event.data)));
    out.u32_le(static_cast<uint32_t>(event.data.size())).bytes(event.data);
    append(log, out.view());
}
inline EventLog made_log(const std::vector<MadeEvent>& events) {
    Bytes log = spec_id(kTpmAlgSha256, 32);
    for (const MadeEvent& event : events) append_event(log, event, crypto::HashAlg::sha256);
    return MUST(EventLog::parse(log));
}

inline Bytes utf16(std::string_view text) {
    Writer out;
    for (char c : text) out.u16_le(static_cast<uint8_t>(c));
    return out.take();
}
// global_variable is a UEFI_VARIABLE_DATA of EFI_GLOBAL_VARIABLE.
inline Bytes global_variable(std::string_view name, const Bytes& data) {
    Writer out;
    out.bytes(kEfiGlobalVariable).u64_le(name.size()).u64_le(data.size());
    return out.bytes(utf16(name)).bytes(data).take();
}

}  // namespace vouchsafe::evidence::testing
