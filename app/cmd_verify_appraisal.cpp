// verify appraisal: what an attestation service would make of evidence, offline.
#include "app/cmd_verify.h"
#include "app/recorded_evidence.h"
#include "app/snp_options.h"
#include "vouchsafe/attest/collateral/collateral_pack.h"
#include "vouchsafe/attest/default_policy.h"
#include "vouchsafe/attest/judgement.h"
#include "vouchsafe/base/encoding.h"

namespace vouchsafe::app {

namespace {

using namespace attest;

struct AppraisalCommand {
    VerifyOptions options;
    std::string type, evidence, policy, collateral, challenge, dir;
    std::vector<std::string> references, min_tcb;
    RecordedSettings settings;
    bool built_in = false;
};

// parse_floor reads "milan:bootloader=3,snp=8".
Result<void> parse_floor(const std::string& text, Config& config) {
    size_t colon = text.find(':');
    for (auto& [product, floor] : config.minimum_tcb) {
        if (!equal_ignore_case(text.substr(0, colon), evidence::product_name(product))) continue;
        if (colon == std::string::npos) break;
        floor = TRY(parse_tcb(text.substr(colon + 1)));
        return {};
    }
    return fail(Code::invalid, "--min-tcb takes PRODUCT:NAME=N,... with milan, genoa or turin");
}

Result<void> apply(const AppraisalCommand& command, Config& config) {
    for (const std::string& floor : command.min_tcb) TRY(parse_floor(floor, config));
    return {};
}

Result<SharedPolicy> policy_of(const AppraisalCommand& command, policy::AttestationTarget target,
                               const Config& config) {
    std::string text;
    if (command.policy.empty()) {
        auto built_in = default_policies(config);
        if (!built_in.contains(target)) {
            return fail(Code::invalid, "{} has no built-in policy: give --policy",
                        policy::target_name(target));
        }
        text = built_in.at(target);
    } else {
        text = to_text(TRY(read_evidence(command.policy)));
    }
    SharedPolicy read = TRY(with_context(read_draft(text), "the policy"));
    ActivePolicy policy = *read;
    policy.built_in = command.built_in || command.policy.empty();
    return std::make_shared<const ActivePolicy>(std::move(policy));
}

Result<ReferenceBook::Sets> references_of(const AppraisalCommand& command) {
    std::vector<ReferenceSet> sets;
    for (const std::string& file : command.references) {
        std::string text = to_text(TRY(read_evidence(file)));
        sets.push_back(TRY(with_context(ReferenceDocument::read(text), file)).set);
    }
    return std::make_shared<const std::vector<ReferenceSet>>(std::move(sets));
}

std::vector<std::string> not_checked_of(const Json& claims) {
    const Json* named = find_member(claims, "x-vouchsafe-not-checked");
    if (named == nullptr || !named->is_array()) return {};
    return named->get<std::vector<std::string>>();
}

Result<Verdict> verify_appraisal(const Context& context, const AppraisalCommand& command,
                                 Checks& checks) {
    const Time now = TRY(judged_at(context, command.options));
    const policy::AttestationTarget target = TRY(read_target(command.type));
    RecordedTerms recorded = TRY(recorded_terms(command.dir, command.settings));
    TRY(apply(command, recorded.config));
    const std::string body = TRY(recorded_body(command.evidence));
    SharedPolicy policy = TRY(policy_of(command, target, recorded.config));
    ReferenceBook::Sets references = TRY(references_of(command));

    FixedClock clock(now);
    std::unique_ptr<CollateralStore> collateral;
    if (!command.collateral.empty()) {
        Bytes pack = TRY(read_evidence(command.collateral, kMaxPackFile));
        auto pieces = TRY(verify_pack_file(as_text(pack), recorded.anchors, now, checks));
        collateral = CollateralStore::of(std::move(pieces), recorded.anchors, clock);
    }
    KnownChallenge challenge(command.challenge);
    Terms terms{recorded.config, recorded.anchors, now};
    terms.collateral = collateral.get();
    terms.challenges = &challenge;
    const Hearing hearing{std::move(terms), std::move(policy), std::move(references)};
    Json details;
    attest::Judgement judged = TRY(judge_evidence(target, body, hearing, checks, details));
    Json claims = std::move(judged.appraisal.claims);
    std::string sentence =
        fmt::format("{} evidence, permitted by {} policy {}", policy::target_name(target),
                    judged.policy->built_in ? "the built-in" : "the", judged.policy->hash);
    auto not_checked = not_checked_of(claims);
    return Verdict{std::move(sentence),
                   std::move(not_checked),
                   {{"type", policy::target_name(target)}, {"claims", std::move(claims)}}};
}

constexpr const char* kVerifyAppraisalExamples = R"(Examples:
  vouchsafe collateral export --dir DIR --out pack.json
  vouchsafe verify appraisal --type SevSnpVm --evidence request.json --collateral pack.json
  vouchsafe verify appraisal --type AzureGuest --evidence evidence.json --collateral pack.json \
      --policy my.policy --reference prod.json
  vouchsafe verify bundle REQUEST-ID.json           one that 'serve attestation --bundles' kept
It is judged as 'serve attestation' would: all verification, reference values, policy. Without
--policy the built-in one decides. The facts are the claims that a token would have.)";

}  // namespace

void add_verify_appraisal(Command verify, Context& context) {
    auto command = std::make_shared<AppraisalCommand>();
    Command made = verify.add("appraisal", "evidence as an attestation service judges it");
    made.examples(kVerifyAppraisalExamples);
    made.option("--type", command->type,
                "kind of the evidence: AzureGuest, SevSnpVm, TdxVm, SgxEnclave, OpenEnclave, Tpm",
                "TYPE")
        .required();
    made.option("--evidence", command->evidence, "body of an attest request", "FILE").required();
    made.option("--policy", command->policy, "its text, or the JWS it is sent in", "FILE");
    made.flag("--built-in", command->built_in,
              "that policy is a built-in one: what it demands is checked in the evidence as well");
    made.option("--reference", command->references, "a set of reference values (repeat)", "FILE");
    made.option("--collateral", command->collateral, "a pack, from 'collateral export'", "FILE");
    made.option("--challenge", command->challenge, "that the evidence answers", "TEXT");
    add_recorded_settings(made, command->settings);
    made.option("--min-tcb", command->min_tcb,
                "least TCB of a product under the built-in policy, milan:snp=8,... (repeat)",
                "SPEC");
    made.option("--dir", command->dir, "data directory whose roots count, instead of the vendors'",
                "DIR");
    add_verify_options(made, command->options);
    made.run([&context, command] {
        return run_verify(context, "appraisal", command->options, [&](Checks& checks) {
            return verify_appraisal(context, *command, checks);
        });
    });
}

}  // namespace vouchsafe::app
