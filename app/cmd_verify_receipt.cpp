// verify receipt: an attestation service's signed word that an appraisal is in its audit log.
#include "app/cmd_verify.h"
#include "app/evidence_files.h"
#include "vouchsafe/attest/receipt.h"
#include "vouchsafe/base/encoding.h"

namespace vouchsafe::app {

namespace {

struct VerifyReceiptCommand {
    std::string receipt, jwks, token, issuer;
    VerifyOptions options;
};

Result<Verdict> verify_receipt_file(const Context& context, const VerifyReceiptCommand& command,
                                    Checks& checks) {
    std::string compact = TRY(read_compact(command.receipt));
    jose::JwkSet keys = TRY(read_key_set(command.jwks));
    attest::ReceiptRules rules;
    rules.issuer = command.issuer;
    rules.now = TRY(judged_at(context, command.options));
    if (!command.token.empty()) rules.token = TRY(read_compact(command.token));
    auto verified = TRY(attest::verify_receipt(compact, keys, rules, checks));
    const attest::Receipt& receipt = verified.receipt();
    Json facts{{"issuer", receipt.issuer},         {"issued", format_rfc3339(receipt.issued)},
               {"token_jti", receipt.token_jti},   {"token_given", rules.token.has_value()},
               {"index", receipt.proof.index},     {"size", receipt.proof.size},
               {"leaf", encode_hex(receipt.leaf)}, {"root", encode_hex(receipt.root)}};
    return Verdict{
        fmt::format("receipt of {}: entry {} of its log", receipt.issuer, receipt.proof.index),
        {},
        std::move(facts)};
}

constexpr const char* kVerifyReceiptExamples = R"(Examples:
  vouchsafe verify receipt --receipt receipt.jwt --jwks certs.json --token token.jwt
  vouchsafe verify receipt --receipt receipt.jwt --jwks certs.json --token token.jwt --bundle kept.json
The token must hold as of the receipt's time; whether it does today is for verify token to say. That the log
still has the entry is for those who have the log: vouchsafe audit verify --receipt. Keep the keys with the
receipt (--bundle does): services take old ones off their list.)";

}  // namespace

void add_verify_receipt(Command verify, Context& context) {
    auto command = std::make_shared<VerifyReceiptCommand>();
    Command made = verify.add("receipt", "an attestation service's proof that it recorded a token");
    made.examples(kVerifyReceiptExamples);
    made.option("--receipt", command->receipt, "the receipt; '-' is stdin", "FILE").required();
    made.option("--jwks", command->jwks, "the issuer's keys, as its /certs answers them", "FILE")
        .required();
    made.option("--token", command->token, "the token that it must be about", "FILE");
    made.option("--issuer", command->issuer, "accept this issuer only", "URL");
    add_verify_options(made, command->options);
    made.run([&context, command] {
        return run_verify(context, "receipt", command->options, [&](Checks& checks) {
            return verify_receipt_file(context, *command, checks);
        });
    });
}

}  // namespace vouchsafe::app
