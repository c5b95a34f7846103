#include "app/recorded_evidence.h"

#include "app/show.h"
#include "app/verdict.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/lab/data_directory.h"

namespace vouchsafe::app {

using policy::AttestationTarget;

Result<std::string> recorded_body(const std::string& file) {
    std::string text = to_text(TRY(read_evidence(file)));
    Json json = TRY(with_context(parse_json_object(text), file));
    if (find_member(json, "TpmInfo") == nullptr) return text;
    return dump_json({{"AttestationInfo", encode_base64url(as_bytes(text))}});
}

void add_recorded_settings(Command command, RecordedSettings& settings) {
    command.option("--id-key", settings.id_keys,
                   "digest of a paravisor's ID key whose word counts (repeat)", "HEX");
    command.option("--td-measurement", settings.td_measurements,
                   "MRTD of a paravisor whose word counts (repeat)", "HEX");
    command.flag("--trusted-launch", settings.trusted_launch,
                 "machines of Trusted Launch are judged too, not refused by name");
}

Result<RecordedTerms> recorded_terms(const std::string& dir, const RecordedSettings& settings) {
    RecordedTerms out{evidence::vendor_anchors(), {}};
    if (!dir.empty()) {
        auto directory = TRY(lab::DataDirectory::open(dir));
        out.anchors = directory.anchors();
        if (directory.kind() == lab::DirectoryKind::lab) {
            out.config.compliant_id_keys = {encode_hex(lab::simulated_id_key_digest())};
            out.config.trusted_launch = true;
        }
    }
    if (settings.trusted_launch) out.config.trusted_launch = true;
    if (!settings.id_keys.empty()) out.config.compliant_id_keys = settings.id_keys;
    if (!settings.td_measurements.empty()) {
        out.config.compliant_td_measurements = settings.td_measurements;
    }
    return out;
}

Result<AttestationTarget> read_target(const std::string& type) {
    auto target = policy::find_target(type);
    if (target) return *target;
    std::vector<std::string_view> names;
    for (AttestationTarget each : policy::kAttestationTargets) {
        names.push_back(policy::target_name(each));
    }
    return fail(Code::invalid, "--type is one of {}", fmt::join(names, ", "));
}

void add_recorded_evidence(Command command, RecordedEvidence& recorded) {
    command
        .option("--type", recorded.type,
                "kind of the evidence: AzureGuest, SevSnpVm, TdxVm, SgxEnclave, OpenEnclave",
                "TYPE")
        .required();
    command.option("--evidence", recorded.file, "body of an attest request", "FILE").required();
    command.option("--at", recorded.at, "verify at this time, not now", "RFC3339");
    command.option("--challenge", recorded.challenge, "that the evidence answers", "TEXT");
    command.option("--dir", recorded.dir, "data directory: its roots and its collateral", "DIR");
    add_recorded_settings(command, recorded.settings);
}

Result<AppraisedEvidence> appraise_recorded(const Context& context,
                                            const RecordedEvidence& recorded) {
    AttestationTarget target = TRY(read_target(recorded.type));
    std::string body = TRY(recorded_body(recorded.file));
    if (target == AttestationTarget::tpm) {
        return fail(Code::unsupported, "a TPM's request answers a challenge: it cannot be tried");
    }
    auto [anchors, config] = TRY(recorded_terms(recorded.dir, recorded.settings));
    Time now = recorded.at.empty() ? context.clock.now()
                                   : TRY(with_context(parse_rfc3339(recorded.at), "--at"));
    FixedClock clock(now);
    std::unique_ptr<attest::CollateralStore> collateral;
    if (!recorded.dir.empty()) {
        attest::CollateralPack pack(Path(recorded.dir) / "collateral");
        collateral = TRY(attest::CollateralStore::create({}, std::move(pack), anchors, clock));
    }
    attest::KnownChallenge challenge(recorded.challenge);
    attest::Terms terms{config, anchors, now, false, collateral.get()};
    terms.challenges = &challenge;
    Checks checks;
    attest::Appraisal appraisal =
        TRY(attest::appraise_for_rules(target, body, std::move(terms), checks));
    if (context.verbose) write_err(describe_checks(checks.list(), "  ", context.color_err));
    return AppraisedEvidence{target, std::move(appraisal), now};
}

}  // namespace vouchsafe::app
