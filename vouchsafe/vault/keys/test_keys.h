// What the tests of keys' uses share.
#pragma once

#include "vouchsafe/vault/test_support.h"

namespace vouchsafe::vault::test {

class KeyUseTest : public VaultTest {
  protected:
    Answer use(const std::string& path, const Json& body, const char* who = kUser) {
        return as(who, "POST", "/keys/" + path, body);
    }
    static std::string b64(ByteView bytes) { return encode_base64url(bytes); }
    static Bytes bytes_of(const Json& text) {
        return MUST(decode_base64url(text.get<std::string>()));
    }
    void import_oct(const std::string& name, const Bytes& octets) {
        const Json jwk = {
            {"kty", "oct"},
            {"k", b64(octets)},
            {"key_ops", {"encrypt", "decrypt", "wrapKey", "unwrapKey", "sign", "verify"}}};
        ASSERT_EQ(as(kOfficer, "PUT", "/keys/" + name, {{"key", jwk}}).status, 200);
    }
};

}  // namespace vouchsafe::vault::test
