// ReleasePolicy::parse: the canonical form of whatever it accepts is read back as the same policy.
// evaluate: it grants exactly if the explanation says so, and reports a check that fits. What
// smallest_change makes of a policy grants.
#include <cstdlib>

#include "vouchsafe/base/json.h"
#include "vouchsafe/jose/jwt.h"
#include "vouchsafe/policy/release/evaluate.h"
#include "vouchsafe/policy/release/release_change.h"
#include "vouchsafe/policy/release/release_lint.h"

using namespace vouchsafe;

namespace {

void expect(bool ok) {
    if (!ok) std::abort();
}

// The claims the corpus' policies speak about, by the only way to get any: a verified token.
const VerifiedClaims& claims() {
    static const VerifiedClaims verified = [] {
        auto key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
        Json token = {{"iss", "https://sharedweu.weu.attest.azure.net"},
                      {"exp", 2000000000},
                      {"secureboot", true},
                      {"x-ms-isolation-tee",
                       {{"x-ms-attestation-type", "sevsnpvm"},
                        {"x-ms-compliance-status", "azure-compliant-cvm"},
                        {"x-ms-sevsnpvm-microcode-svn", 115}}}};
        std::string text = MUST(jose::mint_jwt(Json::object(), token, key, crypto::SigAlg::es256));
        auto keys = MUST(
            jose::JwkSet::parse({{"keys", Json::array({jose::encode_jwk(key.public_key())})}}));
        jose::JwtRules rules;
        rules.issuers = {"https://sharedweu.weu.attest.azure.net"};
        rules.algorithms = {crypto::SigAlg::es256};
        rules.now = from_unix(1900000000);
        Checks checks;
        return MUST(jose::verify_jwt(text, keys, rules, checks));
    }();
    return verified;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto policy = policy::ReleasePolicy::parse(as_text({data, size}));
    if (!policy) {
        expect(policy.error().code == Code::invalid);
        expect(policy.error().message.starts_with("release policy"));
        return 0;
    }
    auto again = MUST(policy::ReleasePolicy::parse(policy->canonical()));
    expect(again.canonical() == policy->canonical());
    expect(again.authorities().size() == policy->authorities().size());

    Checks checks;
    auto grant = policy::evaluate(*policy, claims(), checks);
    auto explanation = policy::explain(again, claims());
    expect(grant.has_value() == explanation.passed());
    expect(grant.has_value() || grant.error().reason() != nullptr);
    for (const auto& warning : policy::lint_release(*policy)) expect(!warning.path.empty());
    const auto change = policy::smallest_change(*policy, claims().issuer(), claims().claims());
    expect(!change || !grant.has_value());
    if (change && !change->policy.empty()) {
        auto wider = MUST(policy::ReleasePolicy::parse(change->policy));
        expect(policy::explain(wider, claims()).passed());
    }
    expect(!explanation.lines().empty() && explanation.to_json()["passed"] == grant.has_value());
    return 0;
}
