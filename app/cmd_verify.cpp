// verify: relying-party checks, offline.

#include "app/cmd_verify.h"
#include "app/evidence_files.h"
#include "vouchsafe/jose/jwt.h"
#include "vouchsafe/jose/maa_token.h"
#include "vouchsafe/jose/signing_key.h"

namespace vouchsafe::app {

namespace {

struct VerifyTokenCommand {
    std::string token;
    std::string jwks;
    std::string issuer;
    std::string audience;
    VerifyOptions options;
};

// verdict_of says what the token is: the service's answers about policies carry the same signature
// as its attestations.
Verdict verdict_of(const VerifiedClaims& verified) {
    jose::MaaToken token = jose::describe_maa_token(verified.claims());
    Json facts{{"statement", jose::maa_statement_name(token.statement)},
               {"claims", verified.claims()}};
    std::string what = "token, no attestation,";
    if (token.statement == jose::MaaStatement::policy) {
        what = "policy token, no attestation,";
        facts["policy"] = token.policy_text ? Json(*token.policy_text) : Json();
    } else if (token.statement == jose::MaaStatement::attestation) {
        what = fmt::format("attestation ({})", token.tee.empty() ? "no TEE" : token.tee);
        facts["attestation_type"] = token.attestation_type;
        facts["tee"] = token.tee.empty() ? Json() : Json(token.tee);
        facts["compliance"] = token.compliance.empty() ? Json() : Json(token.compliance);
    }
    return {fmt::format("{} of {}", what, verified.issuer()), {}, std::move(facts)};
}

Result<Verdict> verify_token(const Context& context, const VerifyTokenCommand& command,
                             Checks& checks) {
    std::string token = TRY(read_compact(command.token));
    jose::JwkSet keys = TRY(read_key_set(command.jwks));
    jose::JwtRules rules;
    rules.now = TRY(judged_at(context, command.options));
    rules.algorithms.assign(jose::kSigningAlgorithms.begin(), jose::kSigningAlgorithms.end());
    rules.issuers = {command.issuer};
    if (command.issuer.empty()) {
        // Without --issuer any issuer is accepted whose key is in the set, and the output names it.
        auto stated = jose::peek_issuer(token);
        if (stated) rules.issuers = {*stated};
    }
    if (!command.audience.empty()) rules.audiences = {command.audience};
    VerifiedClaims verified = TRY(jose::verify_jwt(token, keys, rules, checks));
    return verdict_of(verified);
}

constexpr const char* kVerifyExamples = R"(Examples:
  vouchsafe verify token --token token.jwt --jwks certs.json --issuer https://sharedweu.weu.attest.azure.net
  vouchsafe verify token --token - --jwks certs.json --at 2026-07-01T00:00:00Z --json
Exit codes: 0 valid, 1 refused, 2 usage or a file that cannot be read.)";

}  // namespace

void add_verify(Command app, Context& context) {
    Command group = app.add("verify", "check what somebody presents, offline");
    auto command = std::make_shared<VerifyTokenCommand>();
    Command token = group.add("token", "an attestation token against its issuer's keys");
    token.examples(kVerifyExamples);
    token.option("--token", command->token, "the token; '-' is stdin", "FILE").required();
    token.option("--jwks", command->jwks, "the issuer's keys, as its /certs answers them", "FILE")
        .required();
    token.option("--issuer", command->issuer, "accept this issuer only", "URL");
    token.option("--audience", command->audience, "require this audience", "TEXT");
    add_verify_options(token, command->options);
    token.run([&context, command] {
        return run_verify(context, "token", command->options,
                          [&](Checks& checks) { return verify_token(context, *command, checks); });
    });
    add_verify_receipt(group, context);
    add_verify_snp(group, context);
    add_verify_hcl(group, context);
    add_verify_tdx(group, context);
    add_verify_sgx(group, context);
    add_verify_log(group, context);
    add_verify_ak(group, context);
    add_verify_quote(group, context);
    add_verify_statement(group, context);
    add_verify_appraisal(group, context);
    add_verify_bundle(group, context);
}

}  // namespace vouchsafe::app
