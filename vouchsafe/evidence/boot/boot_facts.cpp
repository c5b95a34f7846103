#include "vouchsafe/evidence/boot/boot_facts.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/evidence/boot/boot_collector.h"
#include "vouchsafe/evidence/boot/ccel.h"

namespace vouchsafe::evidence {

namespace {

// Values of the variable SecureBoot that firmware measures: on, off, and off where the variable
// does not exist.
struct SecureBootForm {
    SecureBoot state;
    std::string_view data;
};
constexpr SecureBootForm kSecureBootForms[] = {
    {SecureBoot::on, {"\x01", 1}}, {SecureBoot::off, {"\x00", 1}}, {SecureBoot::off, {}}};

Bytes secure_boot_event(std::string_view data) {
    constexpr std::string_view kName = "SecureBoot";
    Writer out;
    out.bytes(kEfiGlobalVariable).u64_le(kName.size()).u64_le(data.size());
    for (char c : kName) out.u16_le(static_cast<uint8_t>(c));
    return out.bytes(as_bytes(data)).take();
}

// EV_SEPARATOR measures one of these (PFP, "EV_SEPARATOR").
constexpr std::array<uint8_t, 4> kSeparators[] = {
    {0, 0, 0, 0}, {0xFF, 0xFF, 0xFF, 0xFF}, {1, 0, 0, 0}};

// Words in the file names of boot loaders.
constexpr std::string_view kLoaders[] = {"grub", "shim", "systemd-boot", "bootmgfw", "refind"};

bool names_loader(const std::string& path) {
    std::string lower = to_lower(path);
    return std::ranges::any_of(
        kLoaders, [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

bool is_command_line(const BootString& string) {
    return string.measured &&
           (string.label == "kernel_cmdline" || string.label == "grub_kernel_cmdline");
}

}  // namespace

BootCollector::BootCollector(const BootLog& log, Checks& checks)
    : log_(log),
      checks_(checks),
      alg_(tpm_alg_from_hash(log.bank)),
      roles_(log.registers == RegisterKind::pcr ? Roles{7, 4, 0} : Roles{1, 2, 1}) {
    facts_.registers = log.registers;
}

Result<BootFacts> BootCollector::collect() {
    for (const LogEvent& event : log_.events) {
        if (event.type == kEvNoAction || !log_.confirmed.contains(event.pcr)) continue;
        TRY(add(event));
    }
    find_command_line();
    find_kernel_image();
    return std::move(facts_);
}

bool BootCollector::covers(const LogEvent& event, ByteView text) const {
    return equal(crypto::hash(log_.bank, text), event.digests.at(alg_));
}

uint32_t BootCollector::shown(const LogEvent& event) const {
    return log_.registers == RegisterKind::pcr ? event.pcr : event.pcr - 1;
}

Result<void> BootCollector::add(const LogEvent& event) {
    if (event.pcr == roles_.secure_boot) TRY(look_at_policy(event));
    switch (event.type) {
        case kEvEfiBootServicesApplication:
        case kEvEfiBootServicesDriver:
        case kEvEfiRuntimeServicesDriver:
            add_image(event);
            break;
        case kEvEfiVariableBoot:
        case kEvEfiVariableBoot2:
            add_boot_variable(event);
            break;
        case kEvEfiGptEvent:
        case kEvEfiGptEvent2:
            add_disk(event);
            break;
        case kEvSCrtmVersion:
            add_version(event);
            break;
        case kEvEventTag:
            add_tag(event);
            break;
        case kEvIpl:
        case kEvAction:
        case kEvEfiAction:
            add_text(event);
            break;
        default:
            break;
    }
    return {};
}

// Types are not covered by digests, so an event is taken for the SecureBoot variable if it reads
// like it, whatever type it claims.
Result<void> BootCollector::look_at_policy(const LogEvent& event) {
    auto variable = UefiVariable::parse(event.data);
    TRY(log_.registers == RegisterKind::pcr ? look_at_pcr7(event, variable)
                                            : look_at_rtmr0(event, variable));
    policy_began_ = true;
    if (event.type == kEvEfiVariableDriverConfig || event.type == kEvEfiVariableAuthority) {
        TRY(add_variable(event, std::move(variable)));
    }
    return {};
}

Result<void> BootCollector::look_at_pcr7(const LogEvent& event,
                                         const Result<UefiVariable>& variable) {
    if (!variable || !variable->global() || variable->name != "SecureBoot") return {};
    bool on = variable->data.size() == 1 && variable->data[0] == 1;
    TRY(require_covered(covers(event, event.data)));
    SecureBoot state = on ? SecureBoot::on : SecureBoot::off;
    if (!policy_began_) facts_.secure_boot = state;
    return require_state(state, true);
}

Result<void> BootCollector::look_at_rtmr0(const LogEvent& event,
                                          const Result<UefiVariable>& variable) {
    for (const auto& separator : kSeparators) {
        policy_separated_ = policy_separated_ || covers(event, separator);
    }
    std::optional<SecureBoot> state;
    for (const SecureBootForm& form : kSecureBootForms) {
        if (covers(event, secure_boot_event(form.data))) state = form.state;
    }
    if (!state) {
        if (!variable || !variable->global() || variable->name != "SecureBoot") return {};
        TRY(require_covered(covers(event, event.data)));
        state = SecureBoot::off;
    }
    bool in_place = secure_boot_known_ || !policy_separated_;
    if (!secure_boot_known_ && in_place) facts_.secure_boot = *state;
    secure_boot_known_ = true;
    return require_state(*state, in_place);
}

Result<void> BootCollector::require_covered(bool covered) {
    return checks_.require(covered, "LOG-SECURE-BOOT", "SecureBoot event",
                           "data that its digest covers", covered ? "covered" : "not covered");
}

Result<void> BootCollector::require_state(SecureBoot state, bool in_place) {
    std::string_view register_name =
        log_.registers == RegisterKind::pcr ? "first event of pcr 7" : "first in rtmr 0";
    return checks_.require(
        in_place && state == facts_.secure_boot, "LOG-SECURE-BOOT", "SecureBoot event",
        fmt::format("{} ({})", secure_boot_name(facts_.secure_boot), register_name),
        fmt::format("{}{}", secure_boot_name(state), in_place ? "" : " behind a separator"));
}

void BootCollector::find_command_line() {
    auto& strings = facts_.strings;
    if (std::ranges::count_if(strings, is_command_line) != 1) return;
    facts_.command_line = std::ranges::find_if(strings, is_command_line)->text;
}

void BootCollector::find_kernel_image() {
    uint32_t place =
        log_.registers == RegisterKind::pcr ? roles_.applications : roles_.applications - 1;
    const BootImage* last = nullptr;
    for (const BootImage& image : facts_.images) {
        bool application = image.pcr == place && image.type == kEvEfiBootServicesApplication;
        if (application) last = &image;
    }
    if (last != nullptr && !names_loader(last->path)) facts_.kernel_image = last->digest;
}

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
    BootLog source{log.log().events(), log.bank(), {}, RegisterKind::pcr};
    for (const auto& [pcr, value] : log.confirmed_pcrs()) source.confirmed.insert(pcr);
    return BootCollector(source, checks).collect();
}

Result<BootFacts> read_boot_facts(const ReplayedTdLog& log, Checks& checks) {
    BootLog source{log.log().events(), crypto::HashAlg::sha384, {}, RegisterKind::rtmr};
    for (uint32_t rtmr : log.confirmed()) source.confirmed.insert(rtmr + 1);
    return BootCollector(source, checks).collect();
}

Result<void> check_secure_boot(const BootFacts& facts, Checks& checks) {
    return checks.require(facts.secure_boot == SecureBoot::on, "BOOT-SECURE-BOOT", "secure boot",
                          "on", std::string(secure_boot_name(facts.secure_boot)));
}

}  // namespace vouchsafe::evidence
