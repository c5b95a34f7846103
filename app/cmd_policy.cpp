// policy: attestation policies at one's desk: lint, test on recorded evidence, explain.
#include <algorithm>

#include "app/show.h"
#include "app/verdict.h"
#include "vouchsafe/attest/appraise.h"
#include "vouchsafe/attest/policy/judge.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/jose/jws.h"
#include "vouchsafe/lab/data_directory.h"
#include "vouchsafe/policy/maa/explain.h"
#include "vouchsafe/policy/maa/lint.h"

namespace vouchsafe::app {

namespace {

using policy::AttestationTarget;

struct PolicyCommand {
    std::string policy, type, evidence, claims, at, dir;
};

// A policy file is text, or the JWS in which it is sent to a service.
Result<policy::AttestationPolicy> read_policy_file(const std::string& file) {
    std::string text = to_text(TRY(read_evidence(file)));
    size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin != std::string::npos && text[begin] == '{') {
        return fail(Code::invalid,
                    "{} is JSON: a key's release policy, perhaps; this command is for attestation "
                    "policies",
                    file);
    }
    auto draft = TRY(with_context(attest::read_draft(text), file));
    return draft->rules;
}

Result<AttestationTarget> target_of(const PolicyCommand& command) {
    auto target = policy::find_target(command.type);
    if (target) return *target;
    std::vector<std::string_view> names;
    for (AttestationTarget each : policy::kAttestationTargets) {
        names.push_back(policy::target_name(each));
    }
    return fail(Code::invalid, "--type is one of {}", fmt::join(names, ", "));
}

Result<int> run_lint(const Context& context, const PolicyCommand& command) {
    AttestationTarget target = TRY(target_of(command));
    policy::AttestationPolicy rules = TRY(read_policy_file(command.policy));
    std::vector<policy::PolicyWarning> warnings = policy::lint(rules, target);
    if (context.json) {
        Json list = Json::array();
        for (const policy::PolicyWarning& warning : warnings) {
            list.push_back({{"code", warning.code},
                            {"line", warning.at.line},
                            {"column", warning.at.column},
                            {"message", warning.message},
                            {"remedy", warning.remedy}});
        }
        write_out(dump_json({{"warnings", std::move(list)}}) + "\n");
        return warnings.empty() ? 0 : 1;
    }
    for (const policy::PolicyWarning& warning : warnings) write_out(warning.line() + "\n");
    if (warnings.empty()) write_out("nothing to warn of\n");
    return warnings.empty() ? 0 : 1;
}

// show_explanation prints what was decided and why, and returns the exit code.
Result<int> show_explanation(const Context& context, const policy::AttestationPolicy& rules,
                             const Json& claims) {
    auto incoming = TRY(attest::policy_claims(claims));
    policy::AttestationExplanation explained = TRY(policy::explain(rules, incoming));
    if (context.json) {
        write_out(dump_json(explained.to_json()) + "\n");
    } else {
        for (const std::string& line : explained.lines()) write_out(line + "\n");
    }
    return explained.permitted() ? 0 : 1;
}

// claims_of reads a token, whose signature is not looked at, or the claims themselves.
Result<Json> claims_of(const std::string& file) {
    std::string text = to_text(TRY(read_evidence(file)));
    size_t end = text.find_last_not_of(" \t\r\n");
    text.resize(end == std::string::npos ? 0 : end + 1);
    if (!text.starts_with("ey")) return with_context(parse_json_object(text), file);
    jose::Jws token = TRY(with_context(jose::parse_jws(text), file));
    return with_context(parse_json_object(as_text(token.payload)), file);
}

Result<int> run_explain_policy(const Context& context, const PolicyCommand& command) {
    policy::AttestationPolicy rules = TRY(read_policy_file(command.policy));
    return show_explanation(context, rules, TRY(claims_of(command.claims)));
}

// body_of takes a request as it was sent, or the inner document of one, as `attest --evidence`
// prints it.
Result<std::string> body_of(const std::string& file) {
    std::string text = to_text(TRY(read_evidence(file)));
    Json json = TRY(with_context(parse_json_object(text), file));
    if (find_member(json, "TpmInfo") == nullptr) return text;
    return dump_json({{"AttestationInfo", encode_base64url(as_bytes(text))}});
}

Result<attest::Appraisal> appraise(AttestationTarget target, const std::string& body,
                                   const attest::Terms& terms, Checks& checks) {
    if (target == AttestationTarget::azure_guest) {
        return attest::appraise_azure_guest(body, terms, checks);
    }
    if (target == AttestationTarget::sev_snp_vm) {
        return attest::appraise_snp_vm(body, terms, checks);
    }
    if (target == AttestationTarget::tdx_vm) return attest::appraise_tdx_vm(body, terms, checks);
    if (target == AttestationTarget::sgx_enclave) {
        return attest::appraise_sgx_enclave(body, terms, checks);
    }
    if (target == AttestationTarget::open_enclave) {
        return attest::appraise_open_enclave(body, terms, checks);
    }
    return fail(Code::unsupported, "evidence for {} cannot be appraised in this version",
                policy::target_name(target));
}

Result<int> run_test(const Context& context, const PolicyCommand& command) {
    AttestationTarget target = TRY(target_of(command));
    policy::AttestationPolicy rules = TRY(read_policy_file(command.policy));
    std::string body = TRY(body_of(command.evidence));
    attest::Config config;
    evidence::TrustAnchors anchors = evidence::vendor_anchors();
    if (!command.dir.empty()) {
        auto directory = TRY(lab::DataDirectory::open(command.dir));
        anchors = directory.anchors();
        if (directory.kind() == lab::DirectoryKind::lab) {
            config.compliant_id_keys = {encode_hex(lab::simulated_id_key_digest())};
        }
    }
    Time now = command.at.empty() ? context.clock.now()
                                  : TRY(with_context(parse_rfc3339(command.at), "--at"));
    FixedClock clock(now);
    std::unique_ptr<attest::CollateralStore> collateral;
    if (!command.dir.empty()) {
        attest::CollateralPack pack(Path(command.dir) / "collateral");
        collateral = TRY(attest::CollateralStore::create({}, std::move(pack), anchors, clock));
    }
    attest::Terms terms{config, anchors, now, false, collateral.get()};
    Checks checks;
    attest::Appraisal appraisal = TRY(appraise(target, body, terms, checks));
    if (context.verbose) write_err(describe_checks(checks.list(), "  ", context.color_err));
    return show_explanation(context, rules, appraisal.claims);
}

constexpr const char* kPolicyExamples = R"(Examples:
  vouchsafe policy lint my.policy --type AzureGuest
  vouchsafe policy test my.policy --type AzureGuest --evidence evidence.json
  vouchsafe policy explain my.policy --claims token.jwt
The language is described in docs/formats/attestation-policy.md.)";

constexpr const char* kLintExamples = R"(Examples:
  vouchsafe policy lint my.policy --type SevSnpVm
Exit code 0: nothing to warn of; 1: warnings; 2: it does not parse.)";

constexpr const char* kTestExamples = R"(Examples:
  vouchsafe attest --evidence > evidence.json          in the machine
  vouchsafe policy test my.policy --type AzureGuest --evidence evidence.json
  vouchsafe policy test my.policy --type SevSnpVm --evidence request.json --at 2026-07-01T00:00:00Z
The evidence is verified first, as the service does it; then each rule is told, and for a refusal the
smallest change that would pass. Exit code 0: permitted; 1: refused.)";

constexpr const char* kExplainExamples = R"(Examples:
  vouchsafe policy explain my.policy --claims token.jwt
  vouchsafe policy explain my.policy --claims claims.json
Claims are taken at their word: nobody's signature is looked at.)";

}  // namespace

void add_policy(Command app, Context& context) {
    auto command = std::make_shared<PolicyCommand>();
    Command group = app.add("policy", "attestation policies: warn, try out, explain");
    group.examples(kPolicyExamples);

    Command lint = group.add("lint", "warn of what a policy hardly means");
    lint.examples(kLintExamples);
    lint.argument("POLICY", command->policy, "its text, or the JWS it is sent in; '-' is stdin");
    lint.option("--type", command->type, "kind of evidence it is for", "TYPE").required();
    lint.run([&context, command] { return run_lint(context, *command); });

    Command test = group.add("test", "apply a policy to recorded evidence");
    test.examples(kTestExamples);
    test.argument("POLICY", command->policy, "its text, or the JWS it is sent in");
    test.option("--type", command->type,
                "kind of the evidence: AzureGuest, SevSnpVm, TdxVm, SgxEnclave, OpenEnclave",
                "TYPE")
        .required();
    test.option("--evidence", command->evidence, "body of an attest request", "FILE").required();
    test.option("--at", command->at, "verify at this time, not now", "RFC3339");
    test.option("--dir", command->dir, "data directory: its roots and its collateral", "DIR");
    test.run([&context, command] { return run_test(context, *command); });

    Command explain = group.add("explain", "apply a policy to claims, and say which rule decided");
    explain.examples(kExplainExamples);
    explain.argument("POLICY", command->policy, "its text, or the JWS it is sent in");
    explain.option("--claims", command->claims, "a token, or claims as JSON", "FILE").required();
    explain.run([&context, command] { return run_explain_policy(context, *command); });
}

}  // namespace vouchsafe::app
