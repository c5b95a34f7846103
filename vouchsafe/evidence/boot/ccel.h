// The event log of a trust domain (ACPI table CCEL; UEFI 2.10, 38 "Confidential Computing"), and
// its replay against the RTMRs of a verified quote.
//
// It is a crypto-agile TCG log (event_log.h) with SHA-384 alone. What stands in the place of the
// PCR is a register's index: 0 is MRTD, 1 to 4 are RTMR 0 to 3. RTMR 0 holds what PCRs 1 and 7 do,
// RTMR 1 PCRs 2 to 6, RTMR 2 PCRs 8 to 15 (UEFI 2.10, 38.4.1). RTMR 3 is the software's own.
#pragma once

#include <set>

#include "vouchsafe/evidence/boot/event_log.h"
#include "vouchsafe/evidence/tdx/verify.h"

namespace vouchsafe::evidence {

inline constexpr size_t kRtmrCount = 4;
using Rtmr = std::array<uint8_t, 48>;

class TdEventLog {
  public:
    // parse takes the log with its padding: zeros or ones up to the end of the area. Fails with the
    // checks CCEL-FORM (also where an event measures into MRTD, which nothing can after the
    // start) and CCEL-BANK.
    static Result<TdEventLog> parse(ByteView bytes, Checks& checks);
    static Result<TdEventLog> parse(ByteView bytes);

    // LogEvent::pcr is the register's index: RTMR n is n + 1.
    const std::vector<LogEvent>& events() const { return content_.events; }
    // replay computes all four registers; one that the log does not extend is zero.
    std::array<Rtmr, kRtmrCount> replay() const;
    bool extends(uint32_t rtmr) const;

  private:
    explicit TdEventLog(LogContent content) : content_(std::move(content)) {}
    LogContent content_;
};

// ReplayedTdLog is a log whose replay gave the RTMRs of a verified quote.
class ReplayedTdLog {
  public:
    const TdEventLog& log() const { return log_; }
    const std::set<uint32_t>& confirmed() const { return confirmed_; }  // RTMRs: 0 to 3

  private:
    friend struct TdLogVerifier;  // ccel.cpp alone
    ReplayedTdLog(TdEventLog log, std::set<uint32_t> confirmed)
        : log_(std::move(log)), confirmed_(std::move(confirmed)) {}
    TdEventLog log_;
    std::set<uint32_t> confirmed_;
};

// verify_td_event_log compares the replay with the quote. RTMRs 0 to 2 must equal it, also where
// the log has nothing for them; RTMR 3 if the log extends it, as software may use it and log
// elsewhere. Code CCEL-REPLAY-RTMR with the field "rtmr 1".
Result<ReplayedTdLog> verify_td_event_log(TdEventLog log, const VerifiedTdQuote& quote,
                                          Checks& checks);

}  // namespace vouchsafe::evidence
