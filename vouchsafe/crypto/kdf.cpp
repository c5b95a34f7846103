#include "vouchsafe/crypto/kdf.h"

#include <algorithm>

#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {

// The two steps over OpenSSL's HMAC: its own HKDF looks for HMAC and hash by name in each of them,
// which takes longer than what they do.
SecretBytes hkdf(HashAlg alg, ByteView key, ByteView salt, ByteView info, size_t length) {
    const size_t size = hash_size(alg);
    expect(!key.empty() && length != 0 && length <= 255 * size && info.size() <= kMaxHkdfInfo,
           "sizes within the limits of HKDF");
    Hmac mac(alg);
    Secret<EVP_MAX_MD_SIZE> extracted_memory, block_memory;
    const MutableByteView extracted = extracted_memory.expose_mutable().first(size);
    const MutableByteView block = block_memory.expose_mutable().first(size);
    // RFC 5869, 2.2. HMAC pads its key with zeros: an empty salt is as good as the zeros named
    // there.
    mac.start(salt);
    mac.update(key);
    mac.finish(extracted);
    // 2.3
    SecretBytes out(length);
    uint8_t number = 0;
    for (size_t done = 0; done < length; done += size) {
        mac.start(extracted);
        if (done != 0) mac.update(block);
        mac.update(info);
        mac.update({&++number, 1});
        mac.finish(block);
        std::copy_n(block.data(), std::min(size, length - done),
                    out.expose_mutable().data() + done);
    }
    return out;
}

SecretBytes scrypt(ByteView password, ByteView salt, uint64_t n, uint32_t r, uint32_t p,
                   size_t length) {
    SecretBytes out(length);
    // What the algorithm allocates (RFC 7914, 5 and 6), and a little for OpenSSL itself.
    uint64_t memory = 128 * uint64_t{r} * (n + p + 2) + (1 << 16);
    expect(
        EVP_PBE_scrypt(reinterpret_cast<const char*>(password.data()), password.size(), salt.data(),
                       salt.size(), n, r, p, memory, out.expose_mutable().data(), length) == 1,
        "scrypt with a cost that is a power of two");
    return out;
}

}  // namespace vouchsafe::crypto
