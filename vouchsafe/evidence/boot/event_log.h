// The firmware's event log (TCG PC Client Platform Firmware Profile, "PFP"): SHA-1 and crypto-agile
// form, and its replay against PCR values.
//
// A log is a claim. Only what replays to quoted PCRs is believed, and of an event's data only what
// the event's digest is the hash of: boot_facts.h reads such facts.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/evidence/tpm/types.h"

namespace vouchsafe::evidence {

// Event types (PFP, "Event Types").
inline constexpr uint32_t kEvPrebootCert = 0x00000000;
inline constexpr uint32_t kEvPostCode = 0x00000001;
inline constexpr uint32_t kEvNoAction = 0x00000003;
inline constexpr uint32_t kEvSeparator = 0x00000004;
inline constexpr uint32_t kEvAction = 0x00000005;
inline constexpr uint32_t kEvEventTag = 0x00000006;
inline constexpr uint32_t kEvSCrtmContents = 0x00000007;
inline constexpr uint32_t kEvSCrtmVersion = 0x00000008;
inline constexpr uint32_t kEvCpuMicrocode = 0x00000009;
inline constexpr uint32_t kEvPlatformConfigFlags = 0x0000000A;
inline constexpr uint32_t kEvTableOfDevices = 0x0000000B;
inline constexpr uint32_t kEvCompactHash = 0x0000000C;
inline constexpr uint32_t kEvIpl = 0x0000000D;
inline constexpr uint32_t kEvIplPartitionData = 0x0000000E;
inline constexpr uint32_t kEvNonhostCode = 0x0000000F;
inline constexpr uint32_t kEvNonhostConfig = 0x00000010;
inline constexpr uint32_t kEvNonhostInfo = 0x00000011;
inline constexpr uint32_t kEvOmitBootDeviceEvents = 0x00000012;
inline constexpr uint32_t kEvEfiVariableDriverConfig = 0x80000001;
inline constexpr uint32_t kEvEfiVariableBoot = 0x80000002;
inline constexpr uint32_t kEvEfiBootServicesApplication = 0x80000003;
inline constexpr uint32_t kEvEfiBootServicesDriver = 0x80000004;
inline constexpr uint32_t kEvEfiRuntimeServicesDriver = 0x80000005;
inline constexpr uint32_t kEvEfiGptEvent = 0x80000006;
inline constexpr uint32_t kEvEfiAction = 0x80000007;
inline constexpr uint32_t kEvEfiPlatformFirmwareBlob = 0x80000008;
inline constexpr uint32_t kEvEfiHandoffTables = 0x80000009;
inline constexpr uint32_t kEvEfiPlatformFirmwareBlob2 = 0x8000000A;
inline constexpr uint32_t kEvEfiHandoffTables2 = 0x8000000B;
inline constexpr uint32_t kEvEfiVariableBoot2 = 0x8000000C;
inline constexpr uint32_t kEvEfiGptEvent2 = 0x8000000D;
inline constexpr uint32_t kEvEfiHcrtmEvent = 0x80000010;
inline constexpr uint32_t kEvEfiVariableAuthority = 0x800000E0;
inline constexpr uint32_t kEvEfiSpdmFirmwareBlob = 0x800000E1;
inline constexpr uint32_t kEvEfiSpdmFirmwareConfig = 0x800000E2;

std::string event_type_name(uint32_t type);  // "EV_SEPARATOR", or hex

inline constexpr size_t kMaxEventLogSize = 4 << 20;
inline constexpr size_t kMaxEvents = 8192;

// LogDigest holds its bytes in place: a log has some hundred of them.
struct LogDigest {
    static constexpr size_t kMaxSize = 64;
    std::array<uint8_t, kMaxSize> bytes{};
    size_t size = 0;

    explicit LogDigest(ByteView digest);  // of at most kMaxSize bytes
    operator ByteView() const { return ByteView(bytes).first(size); }
    operator Bytes() const { return to_bytes(ByteView(*this)); }
};

// LogDigests are those of one event, by TPM_ALG_ID, in the order of these. What the functions
// return is borrowed.
class LogDigests {
  public:
    using Entry = std::pair<uint16_t, LogDigest>;

    void reserve(size_t count) { entries_.reserve(count); }
    // add is for an algorithm that is not there.
    void add(uint16_t alg, ByteView digest);
    std::vector<Entry>::const_iterator find(uint16_t alg) const;  // end() if it is not there
    bool contains(uint16_t alg) const { return find(alg) != end(); }
    const LogDigest& at(uint16_t alg) const;  // one that is there
    size_t size() const { return entries_.size(); }
    std::vector<Entry>::const_iterator begin() const { return entries_.begin(); }
    std::vector<Entry>::const_iterator end() const { return entries_.end(); }

  private:
    std::vector<Entry> entries_;
};

struct LogEvent {
    uint32_t pcr = 0;
    uint32_t type = 0;
    LogDigests digests;
    Bytes data;
    size_t offset = 0;  // of the event in the log
};

// LogContent is a log as it stands there: what registers it means is not looked at.
struct LogContent {
    bool crypto_agile = false;
    std::vector<uint16_t> banks;  // TPM_ALG_IDs
    std::vector<LogEvent> events;
};
// LogPadding: the log of a trust domain fills its area with zeros or ones, that of a TPM ends.
enum class LogPadding { none, allowed };
// parse_log_content fails with Code::invalid for more than kMaxEventLogSize bytes or kMaxEvents
// events, and where a size does not fit what is left.
Result<LogContent> parse_log_content(ByteView bytes, LogPadding padding);

class EventLog {
  public:
    // parse fails with the check LOG-FORM. A log of zero bytes is malformed: see
    // check_log_present.
    static Result<EventLog> parse(ByteView bytes, Checks& checks);
    static Result<EventLog> parse(ByteView bytes);

    bool crypto_agile() const { return content_.crypto_agile; }
    const std::vector<uint16_t>& banks() const { return content_.banks; }
    const std::vector<LogEvent>& events() const { return content_.events; }
    std::optional<uint8_t> startup_locality() const { return startup_locality_; }

    // replay computes the registers that the log extends, in one bank. PCR 0 begins with the
    // startup locality in its last byte (PFP, "Startup Locality Event"), PCRs 17 to 22 with ones,
    // others with zeros. EV_NO_ACTION is never extended. Empty if the log has no digests of that
    // bank.
    PcrBank replay(crypto::HashAlg bank) const;

    // initial_value is what a register holds before any event of this log.
    Bytes initial_value(uint32_t pcr, crypto::HashAlg bank) const;

  private:
    EventLog(LogContent content, std::optional<uint8_t> startup_locality)
        : content_(std::move(content)), startup_locality_(startup_locality) {}
    LogContent content_;
    std::optional<uint8_t> startup_locality_;
};

// ReplayedLog is a log whose replay gave the register values it was compared with.
class ReplayedLog {
  public:
    const EventLog& log() const { return log_; }
    crypto::HashAlg bank() const { return bank_; }
    // confirmed tells whether this register was compared and equal.
    bool confirmed(uint32_t pcr) const { return confirmed_.contains(pcr); }
    const std::map<uint32_t, Bytes>& confirmed_pcrs() const { return confirmed_; }
    // digests returns all that was extended into each confirmed register, in order: whatever stands
    // in such a register is here, and nothing else was measured into it. A register into which
    // nothing was extended has an empty list.
    std::map<uint32_t, std::vector<Bytes>> digests() const;

  private:
    friend struct LogVerifier;  // event_log_replay.cpp alone
    ReplayedLog(EventLog log, crypto::HashAlg bank, std::map<uint32_t, Bytes> confirmed)
        : log_(std::move(log)), bank_(bank), confirmed_(std::move(confirmed)) {}
    EventLog log_;
    crypto::HashAlg bank_;
    std::map<uint32_t, Bytes> confirmed_;
};

// check_log_present requires that `log` is not empty, and where it is says why, by the registers
// that came with it: LOG-LOST if in some bank one of PCRs 0 to 7 was extended, so that there was a
// log; else LOG-PRESENT. Initial values are zeros, in PCR 0 also a startup locality of 3 or 4.
Result<void> check_log_present(ByteView log, std::span<const PcrBank> values, Checks& checks);

// The name of what is not checked without register values (unchecked.h; LOG-NOT-CHECKED).
inline constexpr const char* kLogUnconfirmed = "event-log";

// verify_event_log compares the replay with `values` (one bank). PCRs 0 to 7 are the firmware's and
// must equal the replay, also where the log has nothing for them; a higher register is compared if
// the log extends it (PCR 10 is IMA's, others may be the operating system's).
// Codes LOG-BANK, LOG-REPLAY-PCR with the field "pcr 7 (sha256)".
Result<ReplayedLog> verify_event_log(EventLog log, const PcrBank& values, Checks& checks);

}  // namespace vouchsafe::evidence
