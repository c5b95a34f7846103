// parse_jws: whatever it accepts is put together again to the same text, and signed anew it
// verifies with the same header and payload. No input verifies with a key that nobody signed it
// with. The input is a JWS, and also the header (its first line) and the payload of one.
#include <cstdlib>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/jose/jwt.h"

using namespace vouchsafe;

namespace {

void expect(bool ok) {
    if (!ok) std::abort();
}

const crypto::PrivateKey& key() {
    static const auto made = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
    return made;
}

void expect_refused(std::string_view text) {
    static const auto keys =
        MUST(jose::JwkSet::parse({{"keys", Json::array({jose::encode_jwk(key().public_key())})}}));
    jose::JwtRules rules;
    rules.issuers = {"https://sharedweu.weu.attest.azure.net"};
    rules.algorithms = {crypto::SigAlg::es256, crypto::SigAlg::rs256};
    rules.now = from_unix(1680180000);
    Checks checks;
    auto claims = jose::verify_jwt(text, keys, rules, checks);
    expect(!claims && claims.error().reason() != nullptr);
}

// from_parts makes a JWS of text that mutations reach, which they do not through base64url.
std::string from_parts(std::string_view text) {
    const std::string_view header = text.substr(0, text.find('\n'));
    const std::string_view payload = text.substr(std::min(text.size(), header.size() + 1));
    return encode_base64url(as_bytes(header)) + "." + encode_base64url(as_bytes(payload)) +
           ".c2lnbmF0dXJl";
}

void check(std::string_view text) {
    expect_refused(text);
    auto jws = jose::parse_jws(text);
    if (!jws) {
        expect(jws.error().code == Code::invalid);
        return;
    }
    expect(jws->signing_input + "." + encode_base64url(jws->signature) == text);
    expect(jws->signing_input.ends_with("." + encode_base64url(jws->payload)));
    expect(!jose::verify_jws(*jws, key().public_key()));

    std::string again =
        MUST(jose::sign_jws(jws->header, jws->payload, key(), crypto::SigAlg::es256));
    jose::Jws parsed = MUST(jose::parse_jws(again, 16 * jose::kMaxJwsBytes));
    expect(jose::verify_jws(parsed, key().public_key()).has_value());
    expect(parsed.payload == jws->payload && parsed.kid == jws->kid);
    Json header = jws->header;
    header["alg"] = "ES256";
    expect(parsed.header == header);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text = as_text({data, size});
    check(text);
    check(from_parts(text));
    return 0;
}
