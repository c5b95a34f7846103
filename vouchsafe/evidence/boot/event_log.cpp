#include "vouchsafe/evidence/boot/event_log.h"

#include <algorithm>
#include <stdexcept>

namespace vouchsafe::evidence {

using crypto::HashAlg;

namespace {

constexpr size_t kSha1Size = 20;
constexpr uint32_t kMaxAlgorithms = 16;
constexpr uint32_t kPcrCount = 24;

constexpr std::string_view kSpecIdCryptoAgile{"Spec ID Event03\0", 16};
constexpr std::string_view kStartupLocality{"StartupLocality\0", 16};

constexpr std::pair<uint32_t, const char*> kEventTypes[] = {
    {kEvPrebootCert, "EV_PREBOOT_CERT"},
    {kEvPostCode, "EV_POST_CODE"},
    {kEvNoAction, "EV_NO_ACTION"},
    {kEvSeparator, "EV_SEPARATOR"},
    {kEvAction, "EV_ACTION"},
    {kEvEventTag, "EV_EVENT_TAG"},
    {kEvSCrtmContents, "EV_S_CRTM_CONTENTS"},
    {kEvSCrtmVersion, "EV_S_CRTM_VERSION"},
    {kEvCpuMicrocode, "EV_CPU_MICROCODE"},
    {kEvPlatformConfigFlags, "EV_PLATFORM_CONFIG_FLAGS"},
    {kEvTableOfDevices, "EV_TABLE_OF_DEVICES"},
    {kEvCompactHash, "EV_COMPACT_HASH"},
    {kEvIpl, "EV_IPL"},
    {kEvIplPartitionData, "EV_IPL_PARTITION_DATA"},
    {kEvNonhostCode, "EV_NONHOST_CODE"},
    {kEvNonhostConfig, "EV_NONHOST_CONFIG"},
    {kEvNonhostInfo, "EV_NONHOST_INFO"},
    {kEvOmitBootDeviceEvents, "EV_OMIT_BOOT_DEVICE_EVENTS"},
    {kEvEfiVariableDriverConfig, "EV_EFI_VARIABLE_DRIVER_CONFIG"},
    {kEvEfiVariableBoot, "EV_EFI_VARIABLE_BOOT"},
    {kEvEfiBootServicesApplication, "EV_EFI_BOOT_SERVICES_APPLICATION"},
    {kEvEfiBootServicesDriver, "EV_EFI_BOOT_SERVICES_DRIVER"},
    {kEvEfiRuntimeServicesDriver, "EV_EFI_RUNTIME_SERVICES_DRIVER"},
    {kEvEfiGptEvent, "EV_EFI_GPT_EVENT"},
    {kEvEfiAction, "EV_EFI_ACTION"},
    {kEvEfiPlatformFirmwareBlob, "EV_EFI_PLATFORM_FIRMWARE_BLOB"},
    {kEvEfiHandoffTables, "EV_EFI_HANDOFF_TABLES"},
    {kEvEfiPlatformFirmwareBlob2, "EV_EFI_PLATFORM_FIRMWARE_BLOB2"},
    {kEvEfiHandoffTables2, "EV_EFI_HANDOFF_TABLES2"},
    {kEvEfiVariableBoot2, "EV_EFI_VARIABLE_BOOT2"},
    {kEvEfiGptEvent2, "EV_EFI_GPT_EVENT2"},
    {kEvEfiHcrtmEvent, "EV_EFI_HCRTM_EVENT"},
    {kEvEfiVariableAuthority, "EV_EFI_VARIABLE_AUTHORITY"},
    {kEvEfiSpdmFirmwareBlob, "EV_EFI_SPDM_FIRMWARE_BLOB"},
    {kEvEfiSpdmFirmwareConfig, "EV_EFI_SPDM_FIRMWARE_CONFIG"}};

struct Algorithm {
    uint16_t id = 0;
    uint16_t size = 0;
};

// TCG_EfiSpecIdEvent (PFP, "TCG_EfiSpecIdEvent"): which banks the log has, and their digest sizes.
Result<std::vector<Algorithm>> parse_spec_id(ByteView data) {
    Reader in(data, "Spec ID event");
    TRY(in.skip(kSpecIdCryptoAgile.size(), "signature"));
    TRY(in.skip(8, "platform class, versions, uintn size"));
    uint32_t count = TRY(in.u32_le("number of algorithms"));
    if (count == 0 || count > kMaxAlgorithms) return fail(Code::invalid, "{} algorithms", count);
    std::vector<Algorithm> out;
    for (uint32_t i = 0; i < count; ++i) {
        Algorithm one;
        one.id = TRY(in.u16_le("algorithm"));
        one.size = TRY(in.u16_le("digest size"));
        std::optional<HashAlg> known = hash_from_tpm_alg(one.id);
        bool size_fits = known ? one.size == crypto::hash_size(*known)
                               : one.size > 0 && one.size <= LogDigest::kMaxSize;
        if (!size_fits) {
            return fail(Code::invalid, "algorithm {:#06x} with digests of {} bytes", one.id,
                        one.size);
        }
        bool twice = std::any_of(out.begin(), out.end(),
                                 [&](const Algorithm& other) { return other.id == one.id; });
        if (twice) return fail(Code::invalid, "algorithm {:#06x} is there twice", one.id);
        out.push_back(one);
    }
    uint8_t vendor = TRY(in.u8("vendor info size"));
    TRY(in.skip(vendor, "vendor info"));
    TRY(in.end());
    return out;
}

// TCG_PCR_EVENT: the form of SHA-1 logs, and of the first event of all logs.
Result<LogEvent> read_sha1_event(Reader& in) {
    LogEvent out;
    out.offset = in.offset();
    out.pcr = TRY(in.u32_le("PCR index"));
    out.type = TRY(in.u32_le("event type"));
    out.digests.add(kTpmAlgSha1, TRY(in.take(kSha1Size, "digest")));
    uint32_t size = TRY(in.u32_le("event size"));
    out.data = to_bytes(TRY(in.take(size, "event data")));
    return out;
}

// TCG_PCR_EVENT2. Every event has one digest of every bank, in any order.
Result<LogEvent> read_agile_event(Reader& in, const std::vector<Algorithm>& algorithms) {
    LogEvent out;
    out.offset = in.offset();
    out.pcr = TRY(in.u32_le("PCR index"));
    out.type = TRY(in.u32_le("event type"));
    uint32_t count = TRY(in.u32_le("digest count"));
    if (count != algorithms.size()) {
        return fail(Code::invalid, "{} digests at {:#x}, the log has {} banks", count, out.offset,
                    algorithms.size());
    }
    out.digests.reserve(count);
    for (uint32_t i = 0; i < count; ++i) {
        uint16_t id = TRY(in.u16_le("digest algorithm"));
        auto known = std::find_if(algorithms.begin(), algorithms.end(),
                                  [&](const Algorithm& one) { return one.id == id; });
        if (known == algorithms.end() || out.digests.contains(id)) {
            return fail(Code::invalid, "digest of algorithm {:#06x} at {:#x}", id, out.offset);
        }
        out.digests.add(id, TRY(in.take(known->size, "digest")));
    }
    uint32_t size = TRY(in.u32_le("event size"));
    out.data = to_bytes(TRY(in.take(size, "event data")));
    return out;
}

// padding_begins returns where the zeros, or the ones, at the end begin. An event may end in such
// bytes too, so padding is what an event would begin with: none begins so, as each has a register
// and at least one digest.
size_t padding_begins(ByteView bytes) {
    if (bytes.empty()) return 0;
    uint8_t filler = bytes.back();
    if (filler != 0x00 && filler != 0xFF) return bytes.size();
    size_t at = bytes.size();
    while (at > 0 && bytes[at - 1] == filler) --at;
    return at;
}

bool starts_with(ByteView data, std::string_view text) {
    return data.size() >= text.size() && as_text(data.first(text.size())) == text;
}

// LocalityFinder reads the Startup Locality event, which must come before PCR 0 is extended
// (PFP, "Startup Locality Event").
class LocalityFinder {
  public:
    Result<void> look_at(const LogEvent& event) {
        if (event.type != kEvNoAction) {
            if (event.pcr == 0) pcr0_extended_ = true;
            return {};
        }
        if (event.pcr != 0 || !starts_with(event.data, kStartupLocality)) return {};
        if (locality_) return fail(Code::invalid, "two startup locality events");
        if (pcr0_extended_) return fail(Code::invalid, "startup locality after PCR 0 was extended");
        if (event.data.size() != kStartupLocality.size() + 1) {
            return fail(Code::invalid, "a startup locality event of {} bytes", event.data.size());
        }
        uint8_t value = event.data.back();
        if (value != 0 && value != 3 && value != 4) {
            return fail(Code::invalid, "startup locality {}", value);
        }
        locality_ = value;
        return {};
    }
    std::optional<uint8_t> locality() const { return locality_; }

  private:
    std::optional<uint8_t> locality_;
    bool pcr0_extended_ = false;
};

Result<void> check_event(const LogEvent& event) {
    if (event.type != kEvNoAction && event.pcr >= kPcrCount) {
        return fail(Code::invalid, "PCR {} at {:#x}", event.pcr, event.offset);
    }
    return {};
}

}  // namespace

LogDigest::LogDigest(ByteView digest) : size(std::min(digest.size(), kMaxSize)) {
    std::ranges::copy(digest.first(size), bytes.begin());
}

void LogDigests::add(uint16_t alg, ByteView digest) {
    auto place = std::ranges::lower_bound(entries_, alg, {}, &Entry::first);
    entries_.emplace(place, alg, LogDigest(digest));
}

std::vector<LogDigests::Entry>::const_iterator LogDigests::find(uint16_t alg) const {
    return std::ranges::find(entries_, alg, &Entry::first);
}

const LogDigest& LogDigests::at(uint16_t alg) const {
    auto found = find(alg);
    return found == end() ? throw std::out_of_range("no such digest") : found->second;
}

std::string event_type_name(uint32_t type) {
    for (const auto& [known, name] : kEventTypes) {
        if (known == type) return name;
    }
    return fmt::format("{:#010x}", type);
}

Result<LogContent> parse_log_content(ByteView bytes, LogPadding padding) {
    if (bytes.size() > kMaxEventLogSize) {
        return fail(Code::invalid, "{} bytes, over {}", bytes.size(), kMaxEventLogSize);
    }
    Reader in(bytes, "event log");
    LogContent out;
    LogEvent first = TRY(read_sha1_event(in));
    std::vector<Algorithm> algorithms;
    if (first.type == kEvNoAction && starts_with(first.data, kSpecIdCryptoAgile)) {
        out.crypto_agile = true;
        algorithms = TRY(parse_spec_id(first.data));
        for (const Algorithm& one : algorithms) out.banks.push_back(one.id);
    } else {
        out.banks.push_back(kTpmAlgSha1);
    }
    out.events.push_back(std::move(first));
    size_t padded_from = padding == LogPadding::allowed ? padding_begins(bytes) : bytes.size();
    while (!in.done()) {
        if (in.offset() >= padded_from) break;
        if (out.events.size() == kMaxEvents)
            return fail(Code::invalid, "over {} events", kMaxEvents);
        LogEvent event =
            out.crypto_agile ? TRY(read_agile_event(in, algorithms)) : TRY(read_sha1_event(in));
        out.events.push_back(std::move(event));
    }
    return out;
}

Result<EventLog> EventLog::parse(ByteView bytes) {
    LogContent content = TRY(parse_log_content(bytes, LogPadding::none));
    LocalityFinder locality;
    for (const LogEvent& event : content.events) {
        TRY(check_event(event));
        TRY(locality.look_at(event));
    }
    return EventLog(std::move(content), locality.locality());
}

Result<EventLog> EventLog::parse(ByteView bytes, Checks& checks) {
    auto parsed = parse(bytes);
    TRY(checks.require(
        parsed.has_value(), "LOG-FORM", "event log", "a TCG event log",
        parsed ? fmt::format("{} events", parsed->events().size()) : parsed.error().message));
    return parsed;
}

}  // namespace vouchsafe::evidence
