#include "vouchsafe/evidence/boot/boot_facts.h"

#include <algorithm>

namespace vouchsafe::evidence {

namespace {

constexpr uint32_t kSecureBootPcr = 7;
constexpr uint64_t kMaxNameChars = 512;
constexpr size_t kMaxText = 4096;

// EFI_GLOBAL_VARIABLE, 8BE4DF61-93CA-11D2-AA0D-00E098032B8C, as stored.
constexpr std::array<uint8_t, 16> kEfiGlobalVariable{
    0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};

// UEFI device path nodes (UEFI 2.10, 10.3): media / file path, and the end.
constexpr uint8_t kMediaPath = 4;
constexpr uint8_t kFilePath = 4;
constexpr uint8_t kEndPath = 0x7F;

char printable(uint16_t unit) {
    return unit >= 0x20 && unit < 0x7F ? static_cast<char>(unit) : '?';
}

// text_from_utf16 reads little-endian units up to a NUL.
std::string text_from_utf16(ByteView bytes) {
    std::string out;
    for (size_t i = 0; i + 1 < bytes.size() && out.size() < kMaxText; i += 2) {
        auto unit = static_cast<uint16_t>(bytes[i] | (bytes[i + 1] << 8));
        if (unit == 0) break;
        out.push_back(printable(unit));
    }
    return out;
}

bool looks_like_utf16(ByteView bytes) {
    if (bytes.size() < 4 || bytes.size() % 2 != 0) return false;
    for (size_t i = 1; i < bytes.size(); i += 2) {
        if (bytes[i] != 0) return false;
    }
    return true;
}

std::string text_from(ByteView bytes) {
    if (looks_like_utf16(bytes)) return text_from_utf16(bytes);
    std::string out;
    for (uint8_t byte : bytes) {
        if (byte == 0 || out.size() == kMaxText) break;
        out.push_back(printable(byte));
    }
    return out;
}

// UEFI_VARIABLE_DATA (PFP, "UEFI_VARIABLE_DATA").
struct Variable {
    bool global = false;  // of EFI_GLOBAL_VARIABLE
    std::string name;
    Bytes data;
};

Result<Variable> parse_variable(ByteView bytes) {
    Reader in(bytes, "UEFI variable event");
    Variable out;
    auto guid = TRY(in.array<16>("vendor GUID"));
    out.global = guid == kEfiGlobalVariable;
    uint64_t name_chars = TRY(in.u64_le("name length"));
    uint64_t data_size = TRY(in.u64_le("data length"));
    if (name_chars > kMaxNameChars || data_size > bytes.size()) {
        return fail(Code::invalid, "UEFI variable event: name of {} characters, data of {} bytes",
                    name_chars, data_size);
    }
    out.name = text_from_utf16(TRY(in.take(name_chars * 2, "name")));
    out.data = to_bytes(TRY(in.take(data_size, "data")));
    TRY(in.end());
    return out;
}

// image_path reads the file path out of a UEFI_IMAGE_LOAD_EVENT; "" if there is none. All of it is
// prose that no digest covers, so what is malformed is just not told.
Result<std::string> image_path(ByteView bytes) {
    Reader in(bytes, "image load event");
    TRY(in.skip(24, "location, length, link address"));
    uint64_t size = TRY(in.u64_le("device path length"));
    if (size > in.left()) return fail(Code::invalid, "device path of {} bytes", size);
    Reader path(TRY(in.take(size, "device path")), "device path");
    std::string out;
    while (!path.done()) {
        uint8_t type = TRY(path.u8("type"));
        uint8_t subtype = TRY(path.u8("subtype"));
        uint16_t length = TRY(path.u16_le("length"));
        if (length < 4) return fail(Code::invalid, "device path node of {} bytes", length);
        ByteView node = TRY(path.take(length - 4, "node"));
        if (type == kEndPath) break;
        if (type == kMediaPath && subtype == kFilePath) out += text_from_utf16(node);
    }
    return out;
}

// Collector goes over the events of one log.
class Collector {
  public:
    Collector(const ReplayedLog& log, Checks& checks)
        : log_(log), checks_(checks), alg_(tpm_alg_from_hash(log.bank())) {}

    Result<BootFacts> collect() {
        for (const LogEvent& event : log_.log().events()) {
            if (event.type == kEvNoAction || !log_.confirmed(event.pcr)) continue;
            TRY(add(event));
        }
        find_command_line();
        return std::move(facts_);
    }

  private:
    bool covers(const LogEvent& event, ByteView text) const {
        return equal(crypto::hash(log_.bank(), text), event.digests.at(alg_));
    }

    Result<void> add(const LogEvent& event) {
        if (event.pcr == kSecureBootPcr) {
            TRY(look_at_secure_boot(event));
            first_of_pcr7_ = false;
        }
        switch (event.type) {
            case kEvEfiVariableDriverConfig:
            case kEvEfiVariableAuthority:
                if (event.pcr == kSecureBootPcr) return add_variable(event);
                return {};
            case kEvEfiBootServicesApplication:
            case kEvEfiBootServicesDriver:
            case kEvEfiRuntimeServicesDriver:
                add_image(event);
                return {};
            case kEvIpl:
            case kEvAction:
            case kEvEfiAction:
                add_string(event);
                return {};
            default:
                return {};
        }
    }

    // Types are not covered by digests, so an event is taken for the SecureBoot variable if it
    // reads like it, whatever type it claims.
    Result<void> look_at_secure_boot(const LogEvent& event) {
        auto variable = parse_variable(event.data);
        if (!variable || !variable->global || variable->name != "SecureBoot") return {};
        bool on = variable->data.size() == 1 && variable->data[0] == 1;
        SecureBoot state = on ? SecureBoot::on : SecureBoot::off;
        bool measured = covers(event, event.data);
        TRY(checks_.require(measured, "LOG-SECURE-BOOT", "SecureBoot event",
                            "data that its digest covers", measured ? "covered" : "not covered"));
        if (first_of_pcr7_) facts_.secure_boot = state;
        return checks_.require(
            state == facts_.secure_boot, "LOG-SECURE-BOOT", "SecureBoot event",
            std::string(secure_boot_name(facts_.secure_boot)) + " (first event of pcr 7)",
            std::string(secure_boot_name(state)));
    }

    Result<void> add_variable(const LogEvent& event) {
        auto variable = parse_variable(event.data);
        bool measured = covers(event, event.data);
        // Old firmware logs authorities in forms of its own; those are of no use as facts.
        if (!variable && !measured) return {};
        TRY(checks_.require(variable.has_value(), "LOG-FORM",
                            fmt::format("event at {:#x}", event.offset), "a UEFI variable",
                            variable ? variable->name : variable.error().message));
        if (event.type == kEvEfiVariableDriverConfig) {
            facts_.variables.push_back({variable->name, std::move(variable->data), measured});
        } else {
            facts_.authorities.push_back(
                {variable->name, std::move(variable->data), event.digests.at(alg_), measured});
        }
        return {};
    }

    void add_image(const LogEvent& event) {
        auto path = image_path(event.data);
        facts_.images.push_back(
            {event.pcr, event.type, event.digests.at(alg_), path ? std::move(*path) : ""});
    }

    // GRUB writes "kernel_cmdline: TEXT" (2.04 and later) or "grub_kernel_cmdline TEXT" and
    // measures TEXT, with or without the final NUL. Others measure what they write, or something
    // else.
    void add_string(const LogEvent& event) {
        BootString out{event.pcr, event.type, "", text_from(event.data), false};
        ByteView data(event.data);
        ByteView without_nul =
            !data.empty() && data.back() == 0 ? data.first(data.size() - 1) : data;
        out.measured = covers(event, data) || covers(event, without_nul);
        std::string_view text = as_text(without_nul);
        size_t space = text.find(' ');
        if (!out.measured && space != std::string_view::npos) {
            ByteView rest = without_nul.subspan(space + 1);
            if (covers(event, rest) || covers(event, data.subspan(space + 1))) {
                std::string_view label = text.substr(0, space);
                if (label.ends_with(':')) label.remove_suffix(1);
                out.label = text_from(as_bytes(label));
                out.text = text_from(rest);
                out.measured = true;
            }
        }
        facts_.strings.push_back(std::move(out));
    }

    void find_command_line() {
        auto is_one = [](const BootString& string) {
            return string.measured &&
                   (string.label == "kernel_cmdline" || string.label == "grub_kernel_cmdline");
        };
        auto& strings = facts_.strings;
        if (std::count_if(strings.begin(), strings.end(), is_one) != 1) return;
        facts_.command_line = std::find_if(strings.begin(), strings.end(), is_one)->text;
    }

    const ReplayedLog& log_;
    Checks& checks_;
    uint16_t alg_;
    bool first_of_pcr7_ = true;
    BootFacts facts_;
};

}  // namespace

std::string_view secure_boot_name(SecureBoot state) {
    switch (state) {
        case SecureBoot::on:
            return "on";
        case SecureBoot::off:
            return "off";
        case SecureBoot::not_measured:
            return "not measured";
    }
    return "unknown";
}

Result<BootFacts> read_boot_facts(const ReplayedLog& log, Checks& checks) {
    return Collector(log, checks).collect();
}

Result<void> check_secure_boot(const BootFacts& facts, Checks& checks) {
    return checks.require(facts.secure_boot == SecureBoot::on, "BOOT-SECURE-BOOT", "secure boot",
                          "on", std::string(secure_boot_name(facts.secure_boot)));
}

}  // namespace vouchsafe::evidence
