// Hashes and HMAC, by OpenSSL.
#pragma once

#include <memory>

#include "vouchsafe/base/bytes.h"

namespace vouchsafe::crypto {

enum class HashAlg { sha1, sha256, sha384, sha512 };

size_t hash_size(HashAlg alg);            // 20, 32, 48, 64
std::string_view hash_name(HashAlg alg);  // "SHA-256"

Bytes hash(HashAlg alg, ByteView data);
std::array<uint8_t, 32> sha256(ByteView data);
Bytes hmac(HashAlg alg, ByteView key, ByteView data);

// Hasher hashes piece by piece. Not thread-safe. finish() may be called once.
class Hasher {
  public:
    explicit Hasher(HashAlg alg);
    ~Hasher();
    Hasher(Hasher&&) noexcept;
    Hasher& operator=(Hasher&&) noexcept;
    void update(ByteView data);
    Bytes finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace vouchsafe::crypto
