// The settings of the attestation service that operators may change, as options of
// `serve attestation` and of its settings file.
#pragma once

#include "app/command_line.h"
#include "vouchsafe/attest/config.h"

namespace vouchsafe::app {

// AttestSettings are the values as given; their defaults are attest::Config's.
struct AttestSettings {
    unsigned token_lifetime;
    unsigned fresh_token_lifetime;
    unsigned challenge_lifetime;
    std::string signing_algorithm;
    std::optional<unsigned> rotate_signing_key_after;  // days
    std::vector<std::string> id_keys;
    std::vector<std::string> td_measurements;
    bool trusted_launch = false;
    std::string policy_changes = "roles";
    std::vector<std::string> policy_signers;
    unsigned recorded_burst;
    unsigned recorded_per_second;
    unsigned max_body;
    std::string bundles;

    AttestSettings();
};

void add_attest_settings(Command command, AttestSettings& settings);

// apply reads the files that are named and sets `config`. The service checks the values.
Result<void> apply(const AttestSettings& settings, attest::Config& config);

}  // namespace vouchsafe::app
