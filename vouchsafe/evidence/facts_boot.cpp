// What firmware and kernel logged, as JSON.
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/evidence/facts.h"

namespace vouchsafe::evidence {

namespace {

constexpr size_t kMaxEventData = 256;  // bytes of an event shown

std::string bank_name(uint16_t alg) {
    auto hash = hash_from_tpm_alg(alg);
    return hash ? std::string(tpm_hash_label(*hash)) : fmt::format("0x{:04x}", alg);
}

// shown_text replaces what does not print; a file's name may be any bytes.
std::string shown_text(ByteView bytes) {
    std::string out(as_text(bytes));
    bool utf8 = is_utf8(out);
    for (char& c : out) {
        auto byte = static_cast<uint8_t>(c);
        if (byte < 0x20 || byte == 0x7F || (byte > 0x7F && !utf8)) c = '?';
    }
    return out;
}

Json events_json(const std::vector<LogEvent>& events) {
    Json out = Json::array();
    for (const LogEvent& event : events) {
        Json digests = Json::object();
        for (const auto& [alg, digest] : event.digests)
            digests[bank_name(alg)] = encode_hex(digest);
        ByteView shown = ByteView(event.data).first(std::min(event.data.size(), kMaxEventData));
        out.push_back({{"pcr", event.pcr},
                       {"type", event_type_name(event.type)},
                       {"digests", digests},
                       {"data_size", event.data.size()},
                       {"data", encode_hex(shown)}});
    }
    return out;
}

std::string certificate_text(ByteView der) {
    auto certificate = crypto::Certificate::parse_der(der);
    return certificate ? certificate->subject() : "a certificate that cannot be read";
}

// A variable that holds a signature database is told by its certificates and the number of hashes.
void put_signatures(Json& out, const BootVariable& variable) {
    bool database = variable.name == "PK" || variable.name == "KEK" || variable.name == "db" ||
                    variable.name == "dbx";
    if (!database) return;
    auto signatures = parse_uefi_signatures(variable.data);
    if (!signatures) {
        out["unreadable"] = signatures.error().message;
        return;
    }
    Json certificates = Json::array();
    size_t others = 0;
    for (const UefiSignature& signature : *signatures) {
        if (signature.is_certificate()) {
            certificates.push_back(certificate_text(signature.data));
        } else {
            ++others;
        }
    }
    out["certificates"] = certificates;
    out["hashes"] = others;
}

// An authority is an EFI_SIGNATURE_DATA: an owner and a certificate. Old shims leave the owner out,
// and SbatLevel is text.
Json authority_json(const BootAuthority& authority) {
    Json out{{"variable", authority.variable},
             {"digest", encode_hex(authority.digest)},
             {"measured", authority.measured}};
    ByteView data(authority.data);
    auto certificate = crypto::Certificate::parse_der(data);
    if (!certificate && data.size() > sizeof(Guid)) {
        certificate = crypto::Certificate::parse_der(data.subspan(sizeof(Guid)));
    }
    if (certificate) {
        out["certificate"] = certificate->subject();
    } else if (authority.variable == "SbatLevel") {
        out["text"] = shown_text(data);
    }
    return out;
}

Json disk_json(const BootDisk& disk, const char* number) {
    Json partitions = Json::array();
    for (const GptPartition& partition : disk.table.partitions) {
        partitions.push_back({{"name", partition.name},
                              {"type", guid_text(partition.type)},
                              {"id", guid_text(partition.id)},
                              {"first_lba", partition.first_lba},
                              {"last_lba", partition.last_lba}});
    }
    return {{number, disk.pcr},
            {"disk", guid_text(disk.table.disk)},
            {"partitions", partitions},
            {"measured", disk.measured}};
}

Json option_json(const BootOption& option) {
    return {{"name", option.name},
            {"active", option.option.active},
            {"description", option.option.description},
            {"path", option.option.path.text},
            {"measured", option.measured},
            {"name_measured", option.name_measured}};
}

template <typename T, typename F>
Json list_json(const T& items, F to_json) {
    Json out = Json::array();
    for (const auto& item : items) out.push_back(to_json(item));
    return out;
}

// The policy of the firmware: Secure Boot, its variables, boot order and options, disks.
void put_firmware(Json& out, const BootFacts& boot, const char* number) {
    out["variables"] = list_json(boot.variables, [](const BootVariable& variable) {
        Json one{{"name", variable.name},
                 {"size", variable.data.size()},
                 {"measured", variable.measured}};
        put_signatures(one, variable);
        return one;
    });
    out["authorities"] = list_json(boot.authorities, authority_json);
    out["boot_options"] = list_json(boot.boot_options, option_json);
    out["disks"] =
        list_json(boot.disks, [&](const BootDisk& disk) { return disk_json(disk, number); });
    if (boot.boot_order) {
        out["boot_order"] = {{"options", boot.boot_order->options},
                             {"measured", boot.boot_order->measured},
                             {"name_measured", boot.boot_order->name_measured}};
    }
}

// What was booted: images, texts, files.
void put_software(Json& out, const BootFacts& boot, const char* number) {
    out["images"] = list_json(boot.images, [&](const BootImage& image) {
        return Json{{number, image.pcr},
                    {"digest", encode_hex(image.digest)},
                    {"path", image.path},
                    {"device_path", image.device_path}};
    });
    out["strings"] = list_json(boot.strings, [&](const BootString& text) {
        return Json{{number, text.pcr},
                    {"label", text.label},
                    {"text", text.text},
                    {"measured", text.measured}};
    });
    out["contents"] = list_json(boot.contents, [&](const BootContent& content) {
        return Json{{number, content.pcr},
                    {"name", content.name},
                    {"digest", encode_hex(content.digest)},
                    {"name_measured", content.name_measured}};
    });
}

// What rests on types and labels, which no digest covers: whoever writes the log can give them to
// other events that really happened.
Json claims_json(const BootFacts& boot) {
    Json out = Json::object();
    if (boot.firmware_version) out["firmware_version"] = *boot.firmware_version;
    if (boot.kernel_image) out["kernel_image"] = encode_hex(*boot.kernel_image);
    if (boot.command_line) out["command_line"] = *boot.command_line;
    return out;
}

Json ima_json(std::span<const ImaEntry> entries) {
    return list_json(entries, [](const ImaEntry& entry) {
        Json one{{"file", shown_text(as_bytes(entry.file))},
                 {"hash", entry.hash_name},
                 {"digest", encode_hex(entry.file_digest)},
                 {"template", entry.template_name},
                 {"measured", !entry.violation()}};
        if (!entry.signature.empty()) one["signature"] = encode_hex(entry.signature);
        if (!entry.buffer.empty()) one["buffer"] = encode_hex(entry.buffer);
        return one;
    });
}

}  // namespace

Json facts_of(const EventLog& log) {
    Json banks = Json::array();
    Json replay = Json::object();
    for (uint16_t bank : log.banks()) {
        banks.push_back(bank_name(bank));
        if (auto hash = hash_from_tpm_alg(bank)) {
            replay[bank_name(bank)] = facts_of(log.replay(*hash));
        }
    }
    Json out{{"crypto_agile", log.crypto_agile()},
             {"banks", banks},
             {"events", events_json(log.events())},
             {"replay", replay}};
    if (log.startup_locality()) out["startup_locality"] = *log.startup_locality();
    return out;
}

Json facts_of(const TdEventLog& log) {
    Json replay = Json::array();
    for (const Rtmr& rtmr : log.replay()) replay.push_back(encode_hex(rtmr));
    return {{"banks", {"sha384"}}, {"events", events_json(log.events())}, {"rtmr", replay}};
}

Json facts_of(const BootFacts& boot) {
    const char* number = boot.registers == RegisterKind::pcr ? "pcr" : "rtmr";
    Json out{{"secure_boot", secure_boot_name(boot.secure_boot)}};
    put_firmware(out, boot, number);
    put_software(out, boot, number);
    out["claimed_by_labels"] = claims_json(boot);
    if (!boot.unreadable.empty()) {
        out["unreadable"] = list_json(boot.unreadable, [&](const BootUnreadable& event) {
            return Json{{number, event.pcr},
                        {"type", event_type_name(event.type)},
                        {"offset", event.offset},
                        {"why", event.why},
                        {"measured", event.measured}};
        });
    }
    return out;
}

Json facts_of(const ImaList& list) {
    Json replay = Json::object();
    for (crypto::HashAlg bank : {crypto::HashAlg::sha1, crypto::HashAlg::sha256}) {
        replay[std::string(tpm_hash_label(bank))] = encode_hex(list.replay(bank));
    }
    return {{"entries", ima_json(list.entries())}, {"replay", replay}};
}

Json facts_of(const ReplayedImaList& list) {
    Json banks = Json::array();
    for (crypto::HashAlg bank : list.banks()) banks.push_back(tpm_hash_label(bank));
    return {{"entries", ima_json(list.entries())},
            {"unconfirmed_entries", list.unconfirmed()},
            {"banks", banks}};
}

}  // namespace vouchsafe::evidence
