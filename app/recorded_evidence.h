// Evidence as it was sent to an attestation service, in a file: verified here as the service would,
// at a time and under the roots of one's choice. For dry runs.
#pragma once

#include "app/context.h"
#include "vouchsafe/attest/judgement.h"
#include "vouchsafe/policy/maa/known_claims.h"

namespace vouchsafe::app {

// RecordedSettings are settings of the service whose judgement is tried out.
struct RecordedSettings {
    std::vector<std::string> id_keys, td_measurements;
    bool trusted_launch = false;
};

// add_recorded_settings adds --id-key, --td-measurement and --trusted-launch.
void add_recorded_settings(Command command, RecordedSettings& settings);

// RecordedEvidence is what the options say.
struct RecordedEvidence {
    std::string type;
    std::string file;
    std::string at;
    std::string challenge;
    std::string dir;
    RecordedSettings settings;
};

// add_recorded_evidence adds --type, --evidence, --at, --challenge, --dir and the settings; the
// first two are required.
void add_recorded_evidence(Command command, RecordedEvidence& recorded);

// read_target wants a kind of evidence, in any capitals.
Result<policy::AttestationTarget> read_target(const std::string& type);

// recorded_body takes a request as it was sent, or the inner document of one, as `attest
// --evidence` prints it.
Result<std::string> recorded_body(const std::string& file);

// RecordedTerms are the roots and settings of a data directory, or the vendors' without one, with
// the settings that were given.
struct RecordedTerms {
    evidence::TrustAnchors anchors;
    attest::Config config;
};
Result<RecordedTerms> recorded_terms(const std::string& dir, const RecordedSettings& settings);

struct AppraisedEvidence {
    policy::AttestationTarget target;
    attest::Appraisal appraisal;
    Time now;  // --at, or the time
};
// appraise_recorded fails with the check that failed. What a policy may judge is not judged; all
// that it may look at is among the claims, but for reference values.
Result<AppraisedEvidence> appraise_recorded(const Context& context,
                                            const RecordedEvidence& recorded);

}  // namespace vouchsafe::app
