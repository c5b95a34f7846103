// AES-256-GCM (NIST SP 800-38D) with 12-byte nonces and 16-byte tags, by two engines with identical
// output: OpenSSL everywhere, and Intel ipsec-mb where it is built in and the CPU gains by it.
#pragma once

#include <memory>
#include <string_view>

#include "vouchsafe/base/secret.h"

namespace vouchsafe::crypto {

inline constexpr size_t kGcmKeySize = 32;
inline constexpr size_t kGcmNonceSize = 12;
inline constexpr size_t kGcmTagSize = 16;
inline constexpr uint64_t kGcmMaxMessage = (uint64_t{1} << 36) - 32;  // SP 800-38D, 5.2.1.1

enum class AeadEngine { openssl, ipsec_mb };

std::string_view engine_name(AeadEngine engine);  // with the library's version
bool engine_available(AeadEngine engine);
AeadEngine fastest_engine();  // chosen once per process

// AesGcm is one key, expanded, for many messages. Not thread-safe: one per thread, and not for a
// forked child (whose secret memory is empty). Nonces, tags and outputs of a wrong size, messages
// over kGcmMaxMessage, outputs that overlap the input without being it, and streaming calls out of
// order are bugs and end the process.
class AesGcm {
  public:
    // create fails with Code::invalid unless the key has 32 bytes, and with Code::unsupported if
    // the engine is not available.
    static Result<AesGcm> create(ByteView key, AeadEngine engine = fastest_engine());
    // create_any accepts 16, 24 and 32 byte keys; always OpenSSL (Azure's envelope and oct keys).
    static Result<AesGcm> create_any(ByteView key);
    ~AesGcm();
    AesGcm(AesGcm&&) noexcept;
    AesGcm& operator=(AesGcm&&) noexcept;

    // seal writes plaintext.size() bytes to `ciphertext` (may be the same memory) and 16 to `tag`.
    // Never use a nonce twice with one key.
    void seal(ByteView nonce, ByteView aad, ByteView plaintext, MutableByteView ciphertext,
              MutableByteView tag);

    // open writes ciphertext.size() bytes to `plaintext` (may be the same memory). If the tag does
    // not hold it wipes them and fails with Code::bad_evidence.
    Result<void> open(ByteView nonce, ByteView aad, ByteView ciphertext, ByteView tag,
                      MutableByteView plaintext);

    // The streaming form, for one message of any length that is not in memory at once: start, any
    // number of updates in one direction (in place allowed), then finish. start, seal and open drop
    // an unfinished message. Opened bytes must not be used before finish_open succeeded; if it
    // fails, the caller wipes them.
    void start(ByteView nonce, ByteView aad);
    void update_seal(ByteView plaintext, MutableByteView ciphertext);
    void update_open(ByteView ciphertext, MutableByteView plaintext);
    void finish_seal(MutableByteView tag);
    Result<void> finish_open(ByteView tag);

    struct Impl;  // private to aead*.cpp

  private:
    explicit AesGcm(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace vouchsafe::crypto
