// policy: attestation policies at one's desk: lint, test on recorded evidence, explain.
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

Result<int> run_lint(const Context& context, const PolicyCommand& command) {
    AttestationTarget target = TRY(read_target(command.type));
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
    policy::AttestationPolicy rules = TRY(read_policy_file(command.policy));
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
The language is described in docs/formats/attestation-policy.md.)";

constexpr const char* kLintExamples = R"(Examples:
  vouchsafe policy lint my.policy --type SevSnpVm
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
    add_recorded_evidence(test, command->evidence);
    test.option("--reference", command->references,
                "compare with this set of reference values as well (repeat)", "FILE");
    test.run([&context, command] { return run_test(context, *command); });

    Command explain = group.add("explain", "apply a policy to claims, and say which rule decided");
    explain.examples(kExplainExamples);
    explain.argument("POLICY", command->policy, "its text, or the JWS it is sent in");
    explain.option("--claims", command->claims, "a token, or claims as JSON", "FILE").required();
    explain.run([&context, command] { return run_explain_policy(context, *command); });
}

}  // namespace vouchsafe::app
