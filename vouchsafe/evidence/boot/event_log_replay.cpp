#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/evidence/boot/event_log.h"

namespace vouchsafe::evidence {

using crypto::HashAlg;

namespace {

constexpr uint32_t kFirmwarePcrs = 8;  // PCRs 0 to 7 are the firmware's (PFP, "PCR Usage")

// is_initial allows PCR 0 a startup locality: without a log nobody says which.
bool is_initial(uint32_t pcr, ByteView value) {
    if (pcr != 0 || value.empty()) return all_zero(value);
    uint8_t last = value.back();
    return all_zero(value.first(value.size() - 1)) && (last == 0 || last == 3 || last == 4);
}

}  // namespace

Bytes EventLog::initial_value(uint32_t pcr, HashAlg bank) const {
    // PCRs 17 to 22 are all ones until a dynamic launch (PFP, "PCR Initial and Reset Values").
    bool ones = pcr >= 17 && pcr <= 22;
    Bytes out(crypto::hash_size(bank), ones ? 0xFF : 0x00);
    if (pcr == 0 && startup_locality_) out.back() = *startup_locality_;
    return out;
}

PcrBank EventLog::replay(HashAlg bank) const {
    PcrBank out{bank, {}};
    uint16_t alg = tpm_alg_from_hash(bank);
    if (std::find(banks().begin(), banks().end(), alg) == banks().end()) return out;
    if (startup_locality_) out.values[0] = initial_value(0, bank);
    Bytes extended;  // one buffer for all
    for (const LogEvent& event : events()) {
        auto digest = event.digests.find(alg);
        if (event.type == kEvNoAction || digest == event.digests.end()) continue;
        auto [value, fresh] = out.values.try_emplace(event.pcr);
        if (fresh) value->second = initial_value(event.pcr, bank);
        extended = value->second;
        append(extended, digest->second);
        value->second = crypto::hash(bank, extended);
    }
    return out;
}

Result<void> check_log_present(ByteView log, std::span<const PcrBank> values, Checks& checks) {
    size_t compared = 0;
    for (const PcrBank& bank : values) {
        if (!log.empty()) break;
        for (const auto& [pcr, value] : bank.values) {
            if (pcr >= kFirmwarePcrs) continue;
            TRY(checks.require(is_initial(pcr, value), "LOG-LOST",
                               fmt::format("pcr {} ({})", pcr, tpm_hash_label(bank.hash)),
                               "its initial value, as there is no log", encode_hex(value)));
            ++compared;
        }
    }
    std::string_view none =
        compared > 0 ? "none; nothing was measured into PCRs 0 to 7" : "none, and no register";
    return checks.require(!log.empty(), "LOG-PRESENT", "event log", "present",
                          log.empty() ? std::string(none) : fmt::format("{} bytes", log.size()));
}

std::map<uint32_t, std::vector<Bytes>> ReplayedLog::digests() const {
    std::map<uint32_t, std::vector<Bytes>> out;
    for (const auto& [pcr, value] : confirmed_) out[pcr];
    for (const LogEvent& event : log_.events()) {
        auto digest = event.digests.find(tpm_alg_from_hash(bank_));
        auto wanted = out.find(event.pcr);
        bool extended = event.type != kEvNoAction && digest != event.digests.end();
        if (extended && wanted != out.end()) wanted->second.push_back(digest->second);
    }
    return out;
}

struct LogVerifier {
    static ReplayedLog make(EventLog log, HashAlg bank, std::map<uint32_t, Bytes> confirmed) {
        return {std::move(log), bank, std::move(confirmed)};
    }
};

Result<ReplayedLog> verify_event_log(EventLog log, const PcrBank& values, Checks& checks) {
    bool has_bank = std::find(log.banks().begin(), log.banks().end(),
                              tpm_alg_from_hash(values.hash)) != log.banks().end();
    TRY(checks.require(has_bank, "LOG-BANK", "event log", std::string(tpm_hash_label(values.hash)),
                       has_bank ? "has digests of this bank" : "has no digests of this bank"));
    PcrBank replayed = log.replay(values.hash);
    std::map<uint32_t, Bytes> confirmed;
    for (const auto& [pcr, found] : values.values) {
        auto logged = replayed.values.find(pcr);
        if (pcr >= kFirmwarePcrs && logged == replayed.values.end()) continue;
        Bytes expected =
            logged == replayed.values.end() ? log.initial_value(pcr, values.hash) : logged->second;
        TRY(checks.require(equal(expected, found), "LOG-REPLAY-PCR",
                           fmt::format("pcr {} ({})", pcr, tpm_hash_label(values.hash)),
                           encode_hex(expected) + " (replay of the log)", encode_hex(found)));
        confirmed[pcr] = found;
    }
    return LogVerifier::make(std::move(log), values.hash, std::move(confirmed));
}

}  // namespace vouchsafe::evidence
