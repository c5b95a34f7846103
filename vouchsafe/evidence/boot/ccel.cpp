#include "vouchsafe/evidence/boot/ccel.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::evidence {

namespace {

constexpr uint32_t kSoftwareRtmr = 3;

bool has_only_sha384(const LogContent& content) {
    return content.crypto_agile && content.banks == std::vector<uint16_t>{kTpmAlgSha384};
}

Result<void> check_registers(const LogContent& content) {
    for (const LogEvent& event : content.events) {
        if (event.type == kEvNoAction || (event.pcr >= 1 && event.pcr <= kRtmrCount)) continue;
        return fail(Code::invalid, "register {} at {:#x}", event.pcr, event.offset);
    }
    return {};
}

std::string banks_text(const LogContent& content) {
    std::vector<std::string> names;
    for (uint16_t bank : content.banks) {
        auto hash = hash_from_tpm_alg(bank);
        names.push_back(hash ? std::string(tpm_hash_label(*hash)) : fmt::format("{:#06x}", bank));
    }
    return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

Result<TdEventLog> TdEventLog::parse(ByteView bytes, Checks& checks) {
    auto content = parse_log_content(bytes, LogPadding::allowed);
    Result<void> form;
    if (!content) {
        form = fail(content.error());
    } else if (!content->crypto_agile) {
        form = fail(Code::invalid, "a log of SHA-1 alone");
    } else {
        form = check_registers(*content);
    }
    TRY(checks.require(
        form.has_value(), "CCEL-FORM", "event log", "the event log of a trust domain",
        form ? fmt::format("{} events", content->events.size()) : form.error().message));
    if (!content) return fail(std::move(content.error()));
    TRY(checks.require(has_only_sha384(*content), "CCEL-BANK", "event log", "sha384",
                       banks_text(*content)));
    return TdEventLog(std::move(*content));
}

Result<TdEventLog> TdEventLog::parse(ByteView bytes) {
    Checks checks;
    return parse(bytes, checks);
}

std::array<Rtmr, kRtmrCount> TdEventLog::replay() const {
    std::array<Rtmr, kRtmrCount> out{};
    for (const LogEvent& event : content_.events) {
        auto digest = event.digests.find(kTpmAlgSha384);
        bool extends = event.type != kEvNoAction && digest != event.digests.end();
        if (!extends || event.pcr < 1 || event.pcr > kRtmrCount) continue;
        Rtmr& value = out[event.pcr - 1];
        crypto::Hasher hasher(crypto::HashAlg::sha384);
        hasher.update(value);
        hasher.update(digest->second);
        Bytes extended = hasher.finish();
        std::ranges::copy(extended, value.begin());
    }
    return out;
}

bool TdEventLog::extends(uint32_t rtmr) const {
    return std::ranges::any_of(content_.events, [&](const LogEvent& event) {
        return event.type != kEvNoAction && event.pcr == rtmr + 1;
    });
}

struct TdLogVerifier {
    static ReplayedTdLog make(TdEventLog log, std::set<uint32_t> confirmed) {
        return {std::move(log), std::move(confirmed)};
    }
};

Result<ReplayedTdLog> verify_td_event_log(TdEventLog log, const VerifiedTdQuote& quote,
                                          Checks& checks) {
    std::array<Rtmr, kRtmrCount> replayed = log.replay();
    std::set<uint32_t> confirmed;
    for (uint32_t i = 0; i < kRtmrCount; ++i) {
        const Rtmr& found = quote.report().rtmr[i];
        bool same = equal(replayed[i], found);
        if (i == kSoftwareRtmr && !log.extends(i) && !same) continue;
        TRY(checks.require(same, "CCEL-REPLAY-RTMR", fmt::format("rtmr {}", i),
                           encode_hex(replayed[i]) + " (replay of the log)", encode_hex(found)));
        confirmed.insert(i);
    }
    return TdLogVerifier::make(std::move(log), std::move(confirmed));
}

}  // namespace vouchsafe::evidence
