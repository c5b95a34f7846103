#include "vouchsafe/identity/refresh_token.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::identity {

namespace {
constexpr std::string_view kContext = "identity/refresh-token";
}

std::string RefreshToken::encode(const crypto::RootKey& key) const {
    const std::string text = dump_json(
        {{"user", user}, {"signed_in", to_unix(signed_in)}, {"expires", to_unix(expires)}});
    return encode_base64url(key.seal(kContext, as_bytes(text)));
}

Result<RefreshToken> RefreshToken::parse(std::string_view text, const crypto::RootKey& key) {
    const auto sealed = decode_base64url(text);
    if (!sealed) return fail(Code::bad_evidence, "no refresh token of this service");
    const SecretBytes opened = TRY(key.open(kContext, *sealed));
    const Json json = TRY(parse_json_object(opened.expose_text()));
    RefreshToken out;
    out.user = TRY(json_string(json, "user"));
    out.signed_in = from_unix(TRY(json_integer(json, "signed_in")));
    out.expires = from_unix(TRY(json_integer(json, "expires")));
    return out;
}

}  // namespace vouchsafe::identity
