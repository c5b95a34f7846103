#include "app/serve_settings.h"

#include "app/context.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/jose/signing_key.h"

namespace vouchsafe::app {

namespace {

unsigned whole(Seconds seconds) {
    return static_cast<unsigned>(seconds.count());
}

}  // namespace

AttestSettings::AttestSettings() {
    const attest::Config config;
    token_lifetime = whole(config.token_lifetime);
    fresh_token_lifetime = whole(config.fresh_token_lifetime);
    challenge_lifetime = whole(config.challenge_lifetime);
    recorded_burst = static_cast<unsigned>(config.recorded_burst);
    recorded_per_second = static_cast<unsigned>(config.recorded_per_second);
    max_body = static_cast<unsigned>(config.max_body);
}

void add_attest_settings(Command command, AttestSettings& settings) {
    Command group = command.group("Settings");
    group.option("--token-lifetime", settings.token_lifetime, "of tokens for Azure's clients",
                 "SECONDS");
    group.option("--fresh-token-lifetime", settings.fresh_token_lifetime,
                 "of tokens for evidence that answers a challenge", "SECONDS");
    group.option("--challenge-lifetime", settings.challenge_lifetime,
                 "how long a challenge can be answered", "SECONDS");
    group
        .option("--signing-algorithm", settings.signing_algorithm,
                "of tokens; another one than before makes a new key (default: as before, at first "
                "RS256, which Azure's clients need)",
                "")
        .one_of({"RS256", "PS256", "ES256"});
    group.option("--rotate-signing-key-after", settings.rotate_signing_key_after,
                 "replace signing keys of this age, 2 or more; without it by 'admin rotate-key' "
                 "alone",
                 "DAYS");
    group.option(
        "--id-key", settings.id_keys,
        "digest of a paravisor's ID key whose word counts, 96 hex digits (repeat); instead "
        "of the built-in ones",
        "HEX");
    group.option("--td-measurement", settings.td_measurements,
                 "MRTD of a paravisor on Intel TDX whose word counts, 96 hex digits (repeat); "
                 "instead of the built-in ones",
                 "HEX");
    group.flag("--trusted-launch", settings.trusted_launch,
               "give machines of Azure's Trusted Launch tokens too, never as confidential ones");
    group
        .option(
            "--policy-changes", settings.policy_changes,
            "whose changes of policies count: of callers with a role, or of those that a policy "
            "signing certificate signed besides",
            "")
        .one_of({"roles", "signers"});
    group.option("--policy-signer", settings.policy_signers,
                 "the first policy signing certificates, PEM (repeat)", "FILE");
    group.option(
        "--recorded-burst", settings.recorded_burst,
        "refusals recorded at once, of each caller and of all strangers, before a flood of "
        "them is only counted",
        "N");
    group.option("--recorded-per-second", settings.recorded_per_second, "and after that", "N");
    group.option("--max-body", settings.max_body, "longest request with evidence", "BYTES");
    group.option(
        "--bundles", settings.bundles,
        "keep a bundle of every appraisal here, for 'verify bundle'; some 100 kB each, and "
        "nothing is ever removed",
        "FOLDER");
}

Result<void> apply(const AttestSettings& settings, attest::Config& config) {
    config.token_lifetime = Seconds{settings.token_lifetime};
    config.fresh_token_lifetime = Seconds{settings.fresh_token_lifetime};
    config.challenge_lifetime = Seconds{settings.challenge_lifetime};
    if (!settings.signing_algorithm.empty()) {
        config.signing_algorithm = TRY(jose::signing_algorithm(settings.signing_algorithm));
    }
    if (settings.rotate_signing_key_after) {
        if (*settings.rotate_signing_key_after < 2) {
            return fail(Code::invalid, "rotate-signing-key-after is 2 days at least");
        }
        config.rotate_signing_key_after =
            std::chrono::hours{24} * int64_t{*settings.rotate_signing_key_after};
    }
    if (!settings.id_keys.empty()) config.compliant_id_keys = settings.id_keys;
    if (!settings.td_measurements.empty()) {
        config.compliant_td_measurements = settings.td_measurements;
    }
    config.trusted_launch = settings.trusted_launch;
    if (settings.policy_changes == "signers") {
        config.policy_changes = attest::Config::PolicyChanges::signers;
    }
    for (const std::string& file : settings.policy_signers) {
        std::string pem = TRY(as_named(read_text_file(file)));
        auto certificates = TRY(with_context(crypto::Certificate::parse_pem_bundle(pem), file));
        config.policy_signers.insert(config.policy_signers.end(), certificates.begin(),
                                     certificates.end());
    }
    config.recorded_burst = settings.recorded_burst;
    config.recorded_per_second = settings.recorded_per_second;
    config.max_body = settings.max_body;
    config.bundles = settings.bundles;
    return {};
}

}  // namespace vouchsafe::app
