#include "vouchsafe/identity/client_secret.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/kdf.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::identity {

namespace {

constexpr size_t kSecretSize = 32;
constexpr size_t kSaltSize = 16;
constexpr size_t kHashSize = 32;
constexpr uint64_t kSecretCost = 4096;     // scrypt's n: 4 MiB, about 10 ms
constexpr uint64_t kPasswordCost = 65536;  // 64 MiB, about 160 ms
constexpr uint32_t kScryptR = 8;
constexpr uint32_t kScryptP = 1;

SecretBytes stretch(ByteView secret, ByteView salt, uint64_t cost) {
    return crypto::scrypt(secret, salt, cost, kScryptR, kScryptP, kHashSize);
}

HashedSecret hash_at(uint64_t cost, ByteView secret, Time expires) {
    Bytes salt = crypto::random_bytes(kSaltSize);
    Bytes hash = to_bytes(stretch(secret, salt, cost).expose());
    return {std::move(salt), std::move(hash), expires};
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
    return hash_at(kSecretCost, secret, expires);
}

bool matches(const HashedSecret& stored, ByteView secret) {
    return equal_ct(stretch(secret, stored.salt, kSecretCost).expose(), stored.hash);
}

HashedSecret hash_password(ByteView password) {
    return hash_at(kPasswordCost, password, Time{});
}

bool matches_password(const HashedSecret& stored, ByteView password) {
    return equal_ct(stretch(password, stored.salt, kPasswordCost).expose(), stored.hash);
}

void matches_nobody(ByteView password) {
    (void)stretch(password, Bytes(kSaltSize), kPasswordCost);
}

}  // namespace vouchsafe::identity
