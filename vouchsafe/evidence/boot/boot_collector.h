// Internal: goes over the events of one log and collects what they say. For boot_facts.cpp.
#pragma once

#include <set>

#include "vouchsafe/evidence/boot/boot_facts.h"

namespace vouchsafe::evidence {

// BootLog is what is needed of a log, be it a TPM's or a trust domain's.
struct BootLog {
    const std::vector<LogEvent>& events;
    crypto::HashAlg bank;
    std::set<uint32_t> confirmed;  // as LogEvent::pcr counts
    RegisterKind registers = RegisterKind::pcr;
};

class BootCollector {
  public:
    BootCollector(const BootLog& log, Checks& checks);
    Result<BootFacts> collect();

  private:
    // Which register, as LogEvent::pcr counts, holds what.
    struct Roles {
        uint32_t secure_boot;
        uint32_t applications;
        uint32_t firmware;
    };

    // covers tells whether the event's digest is the hash of `text`.
    bool covers(const LogEvent& event, ByteView text) const;
    uint32_t shown(const LogEvent& event) const;  // the register's number for people

    Result<void> add(const LogEvent& event);
    Result<void> look_at_policy(const LogEvent& event);
    Result<void> look_at_pcr7(const LogEvent& event, const Result<UefiVariable>& variable);
    Result<void> look_at_rtmr0(const LogEvent& event, const Result<UefiVariable>& variable);
    Result<void> require_covered(bool covered);
    Result<void> require_state(SecureBoot state, bool in_place);
    Result<void> add_variable(const LogEvent& event, Result<UefiVariable> variable);
    void add_image(const LogEvent& event);
    void add_boot_variable(const LogEvent& event);
    void add_disk(const LogEvent& event);
    void add_version(const LogEvent& event);
    void add_text(const LogEvent& event);
    void add_tag(const LogEvent& event);
    bool add_section(const LogEvent& event, const std::string& text);
    void add_unreadable(const LogEvent& event, const Error& error);
    void find_command_line();
    void find_kernel_image();

    const BootLog& log_;
    Checks& checks_;
    uint16_t alg_;
    Roles roles_;
    BootFacts facts_;
    bool policy_began_ = false;       // an event of the Secure Boot register was seen
    bool policy_separated_ = false;   // and a separator
    bool secure_boot_known_ = false;  // facts_.secure_boot is decided
    bool version_seen_ = false;
    std::map<uint32_t, std::string> sections_;  // by register: the name that was just measured
};

}  // namespace vouchsafe::evidence
