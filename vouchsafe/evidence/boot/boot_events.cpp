// What single events say: images, variables, partition tables, text.
#include <algorithm>

#include "vouchsafe/evidence/boot/boot_collector.h"

namespace vouchsafe::evidence {

namespace {

// Tags of the Linux kernel's EFI stub (drivers/firmware/efi/libstub/efistub.h): its options, and
// the initial RAM disk.
constexpr uint32_t kTagInitrd = 0x8F3B22EC;
constexpr uint32_t kTagLoadOptions = 0x8F3B22ED;
// Stubs of before the tags log the text alone.
constexpr std::string_view kStubTexts[] = {"LOADED_IMAGE::LoadOptions", "Linux initrd"};

// is_option_name tells whether this is "Boot" and four hexadecimal digits (UEFI 2.10, 3.3).
bool is_option_name(std::string_view name) {
    if (name.size() != 8 || !name.starts_with("Boot")) return false;
    return name.substr(4).find_first_not_of("0123456789ABCDEFabcdef") == std::string_view::npos;
}

Result<BootOrder> parse_boot_order(ByteView data) {
    Reader in(data, "BootOrder");
    BootOrder out;
    while (!in.done()) out.options.push_back(TRY(in.u16_le("option")));
    return out;
}

// tag_text is the text of a TCG_PCClientTaggedEvent (PFP) of the kernel's stub, or the text that
// stands there without a tag; "" if it is neither.
Result<std::string> tag_text(ByteView data) {
    std::string plain = text_from(data);
    if (std::ranges::find(kStubTexts, plain) != std::end(kStubTexts)) return plain;
    Reader in(data, "tagged event");
    uint32_t tag = TRY(in.u32_le("tag"));
    if (tag != kTagInitrd && tag != kTagLoadOptions) return std::string();
    uint32_t size = TRY(in.u32_le("tagged data size"));
    std::string out = text_from(TRY(in.take(size, "tagged data")));
    TRY(in.end());
    return out;
}

ByteView without_nul(ByteView data) {
    return !data.empty() && data.back() == 0 ? data.first(data.size() - 1) : data;
}

Bytes with_nul(ByteView data) {
    Bytes out = to_bytes(data);
    out.push_back(0);
    return out;
}

}  // namespace

Result<void> BootCollector::add_variable(const LogEvent& event, Result<UefiVariable> parsed) {
    bool measured = covers(event, event.data);
    // Old firmware logs authorities in forms of its own; those are of no use as facts.
    if (!parsed && !measured) return {};
    TRY(checks_.require(parsed.has_value(), "LOG-FORM", fmt::format("event at {:#x}", event.offset),
                        "a UEFI variable", parsed ? parsed->name : parsed.error().message));
    UefiVariable variable = TRY(std::move(parsed));
    if (event.type == kEvEfiVariableDriverConfig) {
        facts_.variables.push_back({std::move(variable.name), std::move(variable.data), measured});
    } else {
        facts_.authorities.push_back(
            {std::move(variable.name), std::move(variable.data), event.digests.at(alg_), measured});
    }
    return {};
}

// The load event is prose that no digest covers, so what is malformed is just not told.
void BootCollector::add_image(const LogEvent& event) {
    BootImage out{shown(event), event.type, event.digests.at(alg_), "", ""};
    if (auto load = ImageLoad::parse(event.data)) {
        out.path = std::move(load->path.file);
        out.device_path = std::move(load->path.text);
    }
    facts_.images.push_back(std::move(out));
}

void BootCollector::add_boot_variable(const LogEvent& event) {
    auto variable = UefiVariable::parse(event.data);
    if (!variable) return add_unreadable(event, variable.error());
    bool whole = covers(event, event.data);
    bool measured = whole || covers(event, variable->data);
    if (variable->name == "BootOrder" && !facts_.boot_order) {
        auto order = parse_boot_order(variable->data);
        if (!order) return add_unreadable(event, order.error());
        facts_.boot_order = BootOrder{std::move(order->options), measured, whole};
    } else if (is_option_name(variable->name)) {
        auto option = LoadOption::parse(variable->data);
        if (!option) return add_unreadable(event, option.error());
        facts_.boot_options.push_back({variable->name, std::move(*option), measured, whole});
    }
}

void BootCollector::add_disk(const LogEvent& event) {
    auto table = GptTable::parse(event.data);
    if (!table) return add_unreadable(event, table.error());
    facts_.disks.push_back({shown(event), std::move(*table), covers(event, event.data)});
}

// The version is text, mostly UTF-16, or a GUID (PFP, "EV_S_CRTM_VERSION").
void BootCollector::add_version(const LogEvent& event) {
    if (event.pcr != roles_.firmware || version_seen_) return;
    version_seen_ = true;
    if (!covers(event, event.data)) return;
    std::string text = text_from(event.data);
    bool readable = !text.empty() && text.find('?') == std::string::npos;
    Guid guid{};
    if (!readable && event.data.size() == guid.size()) {
        std::ranges::copy(event.data, guid.begin());
        text = guid_text(guid);
        readable = true;
    }
    if (readable) facts_.firmware_version = text;
}

// GRUB writes "kernel_cmdline: TEXT" (2.04 and later) or "grub_kernel_cmdline TEXT" and measures
// TEXT, with or without the final NUL. Others measure what they write, of UTF-16 sometimes one byte
// more than they log, or something else.
void BootCollector::add_text(const LogEvent& event) {
    BootString out{shown(event), event.type, "", text_from(event.data), false};
    ByteView data(event.data);
    out.measured = covers(event, data) || covers(event, without_nul(data));
    bool cut = data.size() % 2 == 1 && data.size() > 2 && data[1] == 0;
    if (!out.measured && cut && covers(event, with_nul(data))) {
        out.measured = true;
        out.text = text_from(with_nul(data));
    }
    std::string_view text = as_text(without_nul(data));
    size_t space = text.find(' ');
    if (!out.measured && space != std::string_view::npos) {
        ByteView rest = without_nul(data).subspan(space + 1);
        if (covers(event, rest) || covers(event, data.subspan(space + 1))) {
            std::string_view label = text.substr(0, space);
            if (label.ends_with(':')) label.remove_suffix(1);
            out.label = text_from(as_bytes(label));
            out.text = text_from(rest);
            out.measured = true;
        }
    }
    if (!out.measured && event.type == kEvIpl && add_section(event, out.text)) return;
    if (event.type == kEvIpl) sections_.erase(event.pcr);
    facts_.strings.push_back(std::move(out));
}

// add_section takes what is measured under a name. systemd's stub measures for each section of a
// unified kernel image its name, ASCII with NUL, and then its content; both events log the name in
// UTF-16 (UAPI group, "Unified Kernel Image", PCR 11). False if there is no text.
bool BootCollector::add_section(const LogEvent& event, const std::string& text) {
    if (text.empty()) return false;
    if (covers(event, with_nul(as_bytes(text)))) {
        sections_[event.pcr] = text;
        return true;
    }
    auto named = sections_.find(event.pcr);
    bool name_measured = named != sections_.end() && named->second == text;
    facts_.contents.push_back(
        {shown(event), event.type, text, event.digests.at(alg_), name_measured});
    sections_.erase(event.pcr);
    return true;
}

void BootCollector::add_tag(const LogEvent& event) {
    auto text = tag_text(event.data);
    if (!text) return add_unreadable(event, text.error());
    if (text->empty() || covers(event, event.data)) return;
    facts_.contents.push_back(
        {shown(event), event.type, std::move(*text), event.digests.at(alg_), false});
}

void BootCollector::add_unreadable(const LogEvent& event, const Error& error) {
    facts_.unreadable.push_back(
        {shown(event), event.type, event.offset, error.message, covers(event, event.data)});
}

}  // namespace vouchsafe::evidence
