// verify ak-cert: whose a TPM is.
#include "app/cmd_verify.h"
#include "app/evidence_files.h"
#include "app/unchecked_options.h"
#include "vouchsafe/evidence/facts.h"
#include "vouchsafe/evidence/tpm/ak_cert.h"

namespace vouchsafe::app {

namespace {

using namespace evidence;

struct AkCertCommand {
    VerifyOptions options;
    std::string cert, chain;
    std::vector<std::string> crls;
    bool endorsement = false;
};

Result<Verdict> verify_ak_cert(const Context& context, const AkCertCommand& command,
                               Checks& checks) {
    Time now = TRY(judged_at(context, command.options));
    Bytes bytes = TRY(read_evidence(command.cert));
    if (!command.chain.empty()) {
        std::string pem = as_text(bytes).find("-----BEGIN") == std::string_view::npos
                              ? TRY(crypto::Certificate::parse_der_prefix(bytes)).pem()
                              : to_text(bytes);
        bytes = to_bytes(pem + "\n" + to_text(TRY(read_evidence(command.chain))));
    }
    VtpmKey key = command.endorsement ? VtpmKey::endorsement : VtpmKey::attestation;
    auto verified = TRY(verify_vtpm_certificate(bytes, key, vendor_anchors(), now, checks));
    auto not_checked =
        TRY(check_revocation(verified.path(), command.crls, command.options, now, checks));
    Json facts = facts_of(verified.certificate());
    facts["certifies"] = vtpm_key_name(verified.key());
    facts["root"] = verified.root().subject();
    return Verdict{fmt::format("certificate of an {} ({})", vtpm_key_name(verified.key()),
                               tier_name(verified.tier())),
                   std::move(not_checked), std::move(facts)};
}

constexpr const char* kAkExamples = R"(Examples:
  tpm2_nvread 0x01C101D0 -o ak.der
  vouchsafe verify ak-cert --cert ak.der --crl intermediate.crl --crl root.crl
  vouchsafe verify ak-cert --cert ak.der --allow-unchecked revocation
The roots are Microsoft's for Azure's virtual TPMs and Google's; they and the known intermediates are
built in. The certificate of an endorsement key is refused, unless --ek asks for it: such a key signs
no quotes.)";

}  // namespace

void add_verify_ak(Command verify, Context& context) {
    auto cert = std::make_shared<AkCertCommand>();
    Command made = verify.add("ak-cert", "the certificate of an attestation key");
    made.examples(kAkExamples);
    made.option("--cert", cert->cert, "DER as in NV index 0x01C101D0, or PEM", "FILE").required();
    made.option("--chain", cert->chain, "its issuers as PEM, if they are not built in", "FILE");
    made.flag("--ek", cert->endorsement, "it is an endorsement key's certificate");
    add_crl_option(made, cert->crls);
    add_verify_options(made, cert->options, kRevocationUncheckedText);
    made.run([&context, cert] {
        return run_verify(context, "ak-cert", cert->options,
                          [&](Checks& checks) { return verify_ak_cert(context, *cert, checks); });
    });
}

}  // namespace vouchsafe::app
