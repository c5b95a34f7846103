// verify: relying-party checks, offline.

#include "app/show.h"
#include "vouchsafe/jose/jwt.h"

namespace vouchsafe::app {

namespace {

struct VerifyTokenCommand {
    std::string token;
    std::string jwks;
    std::string issuer;
    std::string audience;
    std::string at;
};

// read_input fails with Code::invalid: to a verifier a file that cannot be read is bad usage.
Result<std::string> read_input(const std::string& file) {
    auto text = read_text_file(file == "-" ? "/dev/stdin" : file);
    if (text) return text;
    return fail(Code::invalid, "{}", text.error().message);
}

Result<VerifiedClaims> verify(const Context& context, const VerifyTokenCommand& command,
                              Checks& checks) {
    std::string token = TRY(read_input(command.token));
    while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
    Json set = TRY(with_context(parse_json(TRY(read_input(command.jwks))), command.jwks));
    jose::JwkSet keys = TRY(with_context(jose::JwkSet::parse(set), command.jwks));
    jose::JwtRules rules;
    rules.now = command.at.empty() ? context.clock.now() : TRY(parse_rfc3339(command.at));
    rules.issuers = {command.issuer};
    if (command.issuer.empty()) {
        // Without --issuer any issuer is accepted whose key is in the set, and the output names it.
        auto stated = jose::peek_issuer(token);
        if (stated) rules.issuers = {*stated};
    }
    if (!command.audience.empty()) rules.audiences = {command.audience};
    return jose::verify_jwt(token, keys, rules, checks);
}

Result<int> run_verify_token(const Context& context, const VerifyTokenCommand& command) {
    Checks checks;
    VerifiedClaims verified = TRY(verify(context, command, checks));
    if (context.json) {
        Json list = Json::array();
        for (const Check& check : checks.list()) list.push_back(check_to_json(check));
        write_out(dump_json(Json{{"valid", true},
                                 {"issuer", verified.issuer()},
                                 {"claims", verified.claims()},
                                 {"checks", list}}) +
                  "\n");
        return 0;
    }
    if (context.verbose) write_out(describe_checks(checks.list(), "", context.color_out));
    write_out(fmt::format("{} token of {}\n", styled("valid", Style::good, context.color_out),
                          verified.issuer()));
    if (context.verbose) write_out(dump_json_pretty(verified.claims()) + "\n");
    return 0;
}

constexpr const char* kExamples = R"(Examples:
  vouchsafe verify token --token token.jwt --jwks certs.json --issuer https://sharedweu.weu.attest.azure.net
  vouchsafe verify token --token - --jwks certs.json --at 2026-07-01T00:00:00Z --json
Exit codes: 0 valid, 1 refused, 2 usage or a file that cannot be read.)";

}  // namespace

void add_verify(Command app, Context& context) {
    Command group = app.add("verify", "check what somebody presents, offline");
    auto command = std::make_shared<VerifyTokenCommand>();
    Command token = group.add("token", "an attestation token against its issuer's keys");
    token.examples(kExamples);
    token.option("--token", command->token, "the token; '-' is stdin", "FILE").required();
    token.option("--jwks", command->jwks, "the issuer's keys, as its /certs answers them", "FILE")
        .required();
    token.option("--issuer", command->issuer, "accept this issuer only", "URL");
    token.option("--audience", command->audience, "require this audience", "TEXT");
    token.option("--at", command->at, "judge at this time, not now", "RFC3339");
    token.run([&context, command] { return run_verify_token(context, *command); });
}

}  // namespace vouchsafe::app
