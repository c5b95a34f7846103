// What seal's tests share: the test key of tests/vectors/seal and small sealed files. Tests only.
#pragma once

#include <string>

#include "vouchsafe/base/file.h"
#include "vouchsafe/seal/open.h"
#include "vouchsafe/seal/seal.h"

namespace vouchsafe::seal {

inline Path vector_path(std::string_view name) {
    return Path(VS_SOURCE_DIR) / "tests/vectors/seal" / name;
}
inline Bytes vector(std::string_view name) {
    return MUST(read_file(vector_path(name)));
}

inline const std::string kKeyId =
    "https://example.vault.azure.net/keys/KeyEncryptionKey/0123456789abcdef0123456789abcdef";

inline const crypto::PrivateKey& test_key() {
    static const crypto::PrivateKey key =
        MUST(crypto::PrivateKey::from_pem(vector("test_key_not_secret.pem")));
    return key;
}
inline UnwrapKey test_unwrap() {
    return unwrap_with(test_key(), kKeyId);
}

// pattern returns bytes that differ everywhere, at most 6 MiB.
inline Bytes pattern(size_t size) {
    static const Bytes all = [] {
        Bytes out(6 << 20);
        uint32_t state = 12345;
        for (uint8_t& byte : out) {
            state = state * 1664525 + 1013904223;
            byte = static_cast<uint8_t>(state >> 24);
        }
        return out;
    }();
    return to_bytes(ByteView(all).first(size));
}

// For tests that open a file many times: a data key that is "wrapped" by doing nothing, which costs
// no RSA.
inline Recipient plain_recipient(std::string info = "plain") {
    return {"test", std::move(info), [](ByteView key) { return Result<Bytes>(to_bytes(key)); }};
}
inline UnwrapKey plain_unwrap(std::string wanted = "plain") {
    return [wanted](const std::string& provider, const std::string& info,
                    ByteView wrapped) -> Result<SecretBytes> {
        if (provider != "test" || info != wanted) return fail(Code::not_found, "not mine");
        return SecretBytes::copy_of(wrapped);
    };
}

inline Bytes sealed_pattern(size_t size, uint32_t frame_length, EncryptionContext context = {}) {
    return MUST(seal_bytes(pattern(size), {plain_recipient()},
                           {.context = std::move(context), .frame_length = frame_length}));
}

// refusal returns the code of the check that failed, or "" if `result` is no refusal.
template <typename T>
std::string refusal(const Result<T>& result) {
    if (result || result.error().reason() == nullptr) return "";
    return result.error().reason()->code;
}

inline Result<Opened> open_plain(ByteView sealed, OpenOptions options = {}) {
    Checks checks;
    return open_bytes(sealed, plain_unwrap(), options, checks);
}

}  // namespace vouchsafe::seal
