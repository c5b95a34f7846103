#include "vouchsafe/identity/client_secret.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/kdf.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::identity {

namespace {

constexpr size_t kSecretSize = 32;
constexpr size_t kSaltSize = 16;
constexpr size_t kHashSize = 32;
constexpr uint64_t kScryptN = 4096;  // 4 MiB, about 10 ms
constexpr uint32_t kScryptR = 8;
constexpr uint32_t kScryptP = 1;

SecretBytes stretch(ByteView secret, ByteView salt) {
    return crypto::scrypt(secret, salt, kScryptN, kScryptR, kScryptP, kHashSize);
}

}  // namespace

SecretBytes new_client_secret() {
    SecretBytes random = crypto::random_secret(kSecretSize);
    std::string text = encode_base64url(random.expose());
    SecretBytes secret = SecretBytes::copy_of(text);
    wipe({reinterpret_cast<uint8_t*>(text.data()), text.size()});
    return secret;
}

HashedSecret hash_secret(ByteView secret, Time expires) {
    Bytes salt = crypto::random_bytes(kSaltSize);
    Bytes hash = to_bytes(stretch(secret, salt).expose());
    return {std::move(salt), std::move(hash), expires};
}

bool matches(const HashedSecret& stored, ByteView secret) {
    return equal_ct(stretch(secret, stored.salt).expose(), stored.hash);
}

}  // namespace vouchsafe::identity
