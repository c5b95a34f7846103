// verify release, uvm: what a vault and what Microsoft's build signed.
#include "app/cmd_verify.h"
#include "app/unchecked_options.h"
#include "vouchsafe/evidence/uvm/endorsement.h"
#include "vouchsafe/guest/release_answer.h"

namespace vouchsafe::app {

namespace {

struct ReleaseCommand {
    VerifyOptions options;
    std::string jws, host;
    std::vector<std::string> crls;
};

struct UvmCommand {
    VerifyOptions options;
    std::string cose, measurement;
    std::vector<std::string> crls;
    unsigned min_svn = 0;
};

Result<Verdict> verify_release_file(const Context& context, const ReleaseCommand& command,
                                    Checks& checks) {
    Time now = TRY(judged_at(context, command.options));
    Bytes file = TRY(read_evidence(command.jws));
    std::string jws = TRY(with_context(guest::read_release_answer(as_text(file)), command.jws));
    guest::ReleaseTrust trust{command.host, guest::azure_vault_roots(), now};
    auto answer = TRY(guest::verify_release_answer(jws, trust, checks));
    auto not_checked =
        TRY(check_revocation(answer.chain(), command.crls, command.options, now, checks));
    return Verdict{fmt::format("key release by {}", answer.host()), std::move(not_checked),
                   guest::facts_of(answer)};
}

Result<Verdict> verify_uvm_file(const Context& context, const UvmCommand& command, Checks& checks) {
    Time now = TRY(judged_at(context, command.options));
    evidence::UvmRules rules;
    rules.minimum_svn = command.min_svn;
    if (!command.measurement.empty()) {
        Bytes bytes = TRY(
            parse_hex_option("--measurement", command.measurement, evidence::kUvmMeasurementSize));
        std::ranges::copy(bytes, rules.measurement.emplace().begin());
    }
    Bytes cose = TRY(read_evidence(command.cose));
    auto verified =
        TRY(evidence::verify_uvm(cose, evidence::vendor_uvm_issuers(), rules, now, checks));
    auto not_checked =
        TRY(check_revocation(verified.path(), command.crls, command.options, now, checks));
    return Verdict{fmt::format("endorsement of a utility VM ({}, version {})",
                               verified.endorsement().feed, verified.endorsement().guest_svn),
                   std::move(not_checked), evidence::facts_of(verified)};
}

constexpr const char* kReleaseExamples = R"(Examples:
  vouchsafe verify release --jws release.json --host my-vault.vault.azure.net --crl issuing.crl --crl root.crl
  vouchsafe verify release --jws release.jws --allow-unchecked revocation --at 2022-06-01T00:00:00Z --json
Without --host the vault is the one in the answer's key identifier, if it is one of a public Azure cloud: read
which it is. The roots that Azure's vaults chain to are built in; where their lists are is in the
certificates.)";

constexpr const char* kUvmExamples = R"(Examples:
  base64 -d reference-info-base64 > uvm.cose
  vouchsafe verify uvm --cose uvm.cose --measurement 51068107cdc7... --min-svn 22 --allow-unchecked revocation
The file is the one that Azure puts beside a confidential container's security policy; the measurement is the
one in the SNP report (verify snp). Microsoft's certificates live one year: judge an older endorsement at a
time when it was in use (--at). Issuer and root are built in.)";

}  // namespace

void add_verify_statement(Command verify, Context& context) {
    auto release = std::make_shared<ReleaseCommand>();
    Command made = verify.add("release", "a vault's answer to a key release");
    made.examples(kReleaseExamples);
    made.option("--jws", release->jws, "the JWS, or the answer it came in; '-' is stdin", "FILE")
        .required();
    made.option("--host", release->host, "the vault it must be of", "NAME");
    add_crl_option(made, release->crls);
    add_verify_options(made, release->options, kRevocationUncheckedText);
    made.run([&context, release] {
        return run_verify(context, "release", release->options, [&](Checks& checks) {
            return verify_release_file(context, *release, checks);
        });
    });

    auto uvm = std::make_shared<UvmCommand>();
    made = verify.add("uvm", "Microsoft's endorsement of a utility VM (confidential containers)");
    made.examples(kUvmExamples);
    made.option("--cose", uvm->cose, "the COSE_Sign1; '-' is stdin", "FILE").required();
    made.option("--measurement", uvm->measurement, "launch measurement it must endorse, 48 bytes",
                "HEX");
    made.option("--min-svn", uvm->min_svn, "least security version", "N");
    add_crl_option(made, uvm->crls);
    add_verify_options(made, uvm->options, kRevocationUncheckedText);
    made.run([&context, uvm] {
        return run_verify(context, "uvm", uvm->options,
                          [&](Checks& checks) { return verify_uvm_file(context, *uvm, checks); });
    });
}

}  // namespace vouchsafe::app
