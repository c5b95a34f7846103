// policy: attestation policies and release policies at one's desk: lint, test on recorded evidence,
// explain.
#include "app/cmd_policy.h"

#include "app/recorded_evidence.h"
#include "app/show.h"
#include "app/verdict.h"
#include "vouchsafe/attest/policy/judge.h"
#include "vouchsafe/attest/reference/match.h"
#include "vouchsafe/attest/reference/reference_book.h"
#include "vouchsafe/jose/jws.h"
#include "vouchsafe/policy/maa/explain.h"
#include "vouchsafe/policy/maa/lint.h"

namespace vouchsafe::app {

namespace {

using policy::AttestationTarget;

struct PolicyCommand {
    std::string policy, type, claims;
    RecordedEvidence evidence;
    std::vector<std::string> references;
    bool release = false;
};

// A policy file is text, or the JWS in which it is sent to a service.
Result<policy::AttestationPolicy> parse_attestation(const std::string& text,
                                                    const std::string& file) {
    if (is_release_policy(text)) {
        return fail(Code::invalid,
                    "{} is JSON: a key's release policy, perhaps; evidence is for attestation "
                    "policies, 'vouchsafe policy explain' takes both",
                    file);
    }
    auto draft = TRY(with_context(attest::read_draft(text), file));
    return draft->rules;
}

Result<std::string> read_policy_text(const std::string& file) {
    return to_text(TRY(read_evidence(file)));
}

Result<int> run_lint(const Context& context, const PolicyCommand& command) {
    const std::string text = TRY(read_policy_text(command.policy));
    if (command.release || is_release_policy(text)) {
        return lint_release_policy(context, text, command.policy);
    }
    if (command.type.empty()) {
        return fail(Code::invalid, "an attestation policy is for a kind of evidence: add --type");
    }
    AttestationTarget target = TRY(read_target(command.type));
    policy::AttestationPolicy rules = TRY(parse_attestation(text, command.policy));
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

Result<int> run_explain_policy(const Context& context, const PolicyCommand& command) {
    const std::string text = TRY(read_policy_text(command.policy));
    if (command.release || is_release_policy(text)) {
        return explain_release_policy(context, text, command.policy,
                                      TRY(claims_of(command.claims)));
    }
    policy::AttestationPolicy rules = TRY(parse_attestation(text, command.policy));
    return show_explanation(context, rules, TRY(claims_of(command.claims)));
}

// add_references compares with the sets of reference values in the files and adds the claims.
Result<attest::ReferenceFindings> add_references(const std::vector<std::string>& files,
                                                 AppraisedEvidence& evidence) {
    attest::ReferenceFindings findings;
    for (const std::string& file : files) {
        std::string text = to_text(TRY(read_evidence(file)));
        auto document = TRY(with_context(attest::ReferenceDocument::read(text), file));
        if (!document.set.applies_to(evidence.target)) {
            write_err(fmt::format("{} is not for evidence of kind {}: passed over\n", file,
                                  policy::target_name(evidence.target)));
            continue;
        }
        findings.add(document.set,
                     attest::compare(document.set, evidence.appraisal.measured, evidence.now));
    }
    attest::add_reference_claims(evidence.appraisal.claims, findings);
    return findings;
}

Result<int> run_test(const Context& context, const PolicyCommand& command) {
    policy::AttestationPolicy rules =
        TRY(parse_attestation(TRY(read_policy_text(command.policy)), command.policy));
    AppraisedEvidence evidence = TRY(appraise_recorded(context, command.evidence));
    auto findings = TRY(add_references(command.references, evidence));
    int exit_code = TRY(show_explanation(context, rules, evidence.appraisal.claims));
    for (const std::string& line : findings.lines()) {
        if (!context.json) write_out(line + "\n");
    }
    return exit_code;
}

constexpr const char* kPolicyExamples = R"(Examples:
  vouchsafe policy lint my.policy --type AzureGuest
  vouchsafe policy test my.policy --type AzureGuest --evidence evidence.json
  vouchsafe policy explain my.policy --claims token.jwt
  vouchsafe policy lint release-policy.json
  vouchsafe policy explain release-policy.json --claims token.jwt
A file in JSON is a key's release policy. The language of attestation policies is described in
docs/formats/attestation-policy.md.)";

constexpr const char* kLintExamples = R"(Examples:
  vouchsafe policy lint my.policy --type SevSnpVm
  vouchsafe policy lint release-policy.json
  vouchsafe key show --json --key URL | vouchsafe policy lint -
A file in JSON is a key's release policy: as it is, in the envelope in which it is sent, or a whole key.
Exit code 0: nothing to warn of; 1: warnings; 2: it does not parse.)";

constexpr const char* kTestExamples = R"(Examples:
  vouchsafe attest --evidence > evidence.json          in the machine
  vouchsafe policy test my.policy --type AzureGuest --evidence evidence.json
  vouchsafe policy test my.policy --type SevSnpVm --evidence request.json --at 2026-07-01T00:00:00Z
  vouchsafe policy test my.policy --type SevSnpVm --evidence request.json --reference prod.json
The evidence is verified first, as the service does it; then each rule is told, and for a refusal the
smallest change that would pass. Exit code 0: permitted; 1: refused.)";

constexpr const char* kExplainExamples = R"(Examples:
  vouchsafe policy explain my.policy --claims token.jwt
  vouchsafe policy explain release-policy.json --claims token.jwt
Of a release policy that refuses, the smallest change is told under which it would pass. Claims are taken at their word: nobody's signature is looked at.)";

}  // namespace

Result<Json> claims_of(const std::string& file) {
    std::string text = to_text(TRY(read_evidence(file)));
    size_t end = text.find_last_not_of(" \t\r\n");
    text.resize(end == std::string::npos ? 0 : end + 1);
    if (!text.starts_with("ey")) return with_context(parse_json_object(text), file);
    jose::Jws token = TRY(with_context(jose::parse_jws(text), file));
    return with_context(parse_json_object(as_text(token.payload)), file);
}

void add_policy(Command app, Context& context) {
    auto command = std::make_shared<PolicyCommand>();
    Command group = app.add("policy", "attestation and release policies: warn, try out, explain");
    group.examples(kPolicyExamples);

    Command lint = group.add("lint", "warn of what a policy hardly means");
    lint.examples(kLintExamples);
    lint.argument("POLICY", command->policy, "its text, or the JWS it is sent in; '-' is stdin");
    lint.option("--type", command->type, "kind of evidence an attestation policy is for", "TYPE");
    lint.flag("--release", command->release, "it is a release policy, whatever it looks like");
    lint.run([&context, command] { return run_lint(context, *command); });

    Command test = group.add("test", "apply a policy to recorded evidence");
    test.examples(kTestExamples);
    test.argument("POLICY", command->policy, "its text, or the JWS it is sent in");
    add_recorded_evidence(test, command->evidence);
    test.option("--reference", command->references,
                "compare with this set of reference values as well (repeat)", "FILE");
    test.run([&context, command] { return run_test(context, *command); });

    Command explain = group.add("explain", "apply a policy to claims, and say which rule decided");
    explain.examples(kExplainExamples);
    explain.argument("POLICY", command->policy, "its text, or the JWS it is sent in");
    explain.flag("--release", command->release, "it is a release policy, whatever it looks like");
    explain.option("--claims", command->claims, "a token, or claims as JSON", "FILE").required();
    explain.run([&context, command] { return run_explain_policy(context, *command); });
}

}  // namespace vouchsafe::app
