// Tokens against the recorded keys of an attestation service. Oracles: every refusal names a check;
// what is accepted is, byte for byte, the one genuine token of the corpus: its signature has no
// second form.
#include "fuzz/recorded.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/jose/jwt.h"

using namespace vouchsafe;
using namespace vouchsafe::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const Bytes kGenuine = recorded("maa/cvm-snp-weu-2023-03.jwt");
    static const auto kKeys = MUST(
        jose::JwkSet::parse(MUST(parse_json_object(as_text(recorded("maa/sharedweu.jwks.json"))))));
    jose::JwtRules rules;
    rules.issuers = {"https://sharedweu.weu.attest.azure.net"};
    rules.now = from_unix(1680180000);  // the genuine token was valid then
    std::string_view text = as_text({data, size});
    Checks checks;
    auto claims = jose::verify_jwt(text, kKeys, rules, checks);
    require_reason(claims);
    if (claims)
        require(text == as_text(kGenuine).substr(0, as_text(kGenuine).find_last_not_of(" \n") + 1));
    return 0;
}
