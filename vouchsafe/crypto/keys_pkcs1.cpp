// RSAES-PKCS1-v1_5 decryption with implicit rejection (draft-irtf-cfrg-rsa-guidance, 7). OpenSSL
// does it itself from 3.2 on; 3.0 tells whether the padding held, so the padding is removed here.
#include <openssl/core_names.h>

#include <algorithm>

#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {

namespace {

constexpr size_t kMinPadding = 8;          // RFC 8017, 7.2.1
constexpr size_t kBeforePadding = 2;       // 00 02
constexpr size_t kLengthCandidates = 128;  // of the draft: the last one that fits is taken
constexpr size_t kMaxModulus = 8192 / 8;   // bytes

// Masks are all ones or zero; nothing here branches on what they come from.
using Mask = uint32_t;
Mask mask_if_zero(uint32_t value) {
    return static_cast<Mask>(0) - ((~value & (value - 1)) >> 31);
}
Mask mask_if_equal(uint32_t a, uint32_t b) {
    return mask_if_zero(a ^ b);
}
// mask_if_less wants both below 2^31.
Mask mask_if_less(uint32_t a, uint32_t b) {
    return static_cast<Mask>(0) - ((a - b) >> 31);
}
uint32_t choose(Mask mask, uint32_t yes, uint32_t no) {
    return (mask & yes) | (~mask & no);
}

// expand is the draft's pseudo-random function: HMAC over counter, label and length in bits.
void expand(ByteView key, std::string_view label, MutableByteView out) {
    const auto bits = static_cast<uint16_t>(out.size() * 8);
    uint16_t counter = 0;
    for (size_t at = 0; at < out.size(); ++counter) {
        Bytes block = hmac(HashAlg::sha256, key,
                           Writer().u16_be(counter).bytes(as_bytes(label)).u16_be(bits).take());
        const size_t size = std::min(block.size(), out.size() - at);
        std::copy_n(block.begin(), size, out.begin() + static_cast<ptrdiff_t>(at));
        wipe(block);
        at += size;
    }
}

// derive_rejection_key is HMAC with the hash of the private exponent over the ciphertext.
SecretBytes derive_rejection_key(const EVP_PKEY* key, ByteView ciphertext) {
    BIGNUM* raw = nullptr;
    int got = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_D, &raw);
    BigNum exponent(raw);
    expect(got == 1, "RSA private exponent");
    SecretBytes bytes(ciphertext.size());
    expect(BN_bn2binpad(exponent.get(), bytes.expose_mutable().data(),
                        static_cast<int>(bytes.size())) >= 0,
           "BN_bn2binpad");
    auto hashed = sha256(bytes.expose());
    Bytes derived = hmac(HashAlg::sha256, hashed, ciphertext);
    SecretBytes out = SecretBytes::copy_of(derived);
    wipe(hashed);
    wipe(derived);
    return out;
}

// Candidates are two bytes each, cut to as many bits as the largest length has.
uint32_t rejected_length(ByteView key, uint32_t modulus_size) {
    const uint32_t limit = modulus_size - kBeforePadding - kMinPadding;
    uint32_t bits = limit;
    for (uint32_t shift : {1U, 2U, 4U, 8U}) bits |= bits >> shift;
    SecretBytes candidates(kLengthCandidates * 2);
    expand(key, "length", candidates.expose_mutable());
    uint32_t length = 0;
    ByteView from = candidates.expose();
    for (size_t i = 0; i < from.size(); i += 2) {
        const uint32_t candidate = ((uint32_t{from[i]} << 8) | from[i + 1]) & bits;
        length = choose(mask_if_less(candidate, limit), candidate, length);
    }
    return length;
}

struct Unpadded {
    Mask good;
    uint32_t message_at;
};
Unpadded find_message(ByteView block) {
    Mask good = mask_if_zero(block[0]) & mask_if_equal(block[1], 2);
    uint32_t zero_at = 0;
    Mask found = 0;
    for (uint32_t i = kBeforePadding; i < block.size(); ++i) {
        const Mask zero = mask_if_zero(block[i]);
        zero_at = choose(~found & zero, i, zero_at);
        found |= zero;
    }
    good &= ~mask_if_less(zero_at, kBeforePadding + kMinPadding);  // 0 if there is none
    return {good, zero_at + 1};
}

}  // namespace

Result<SecretBytes> PrivateKey::decrypt_pkcs1_any(ByteView ciphertext) const {
    ErrorScope errors;
    if (type() != KeyType::rsa) return fail(Code::invalid, "not an RSA key");
    const auto size = static_cast<uint32_t>((bits() + 7) / 8);
    expect(size <= kMaxModulus, "a modulus of a size that keys may have");
    PkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
    expect(ctx && EVP_PKEY_decrypt_init(ctx.get()) == 1, "EVP_PKEY_decrypt_init");
    expect(EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_NO_PADDING) == 1, "no padding");
    SecretBytes block(size);
    size_t got = size;
    if (ciphertext.size() != size ||
        EVP_PKEY_decrypt(ctx.get(), block.expose_mutable().data(), &got, ciphertext.data(),
                         ciphertext.size()) != 1 ||
        got != size) {
        return fail(Code::bad_evidence, "the ciphertext does not open with this key");
    }
    const SecretBytes kdk = derive_rejection_key(key_.get(), ciphertext);
    SecretBytes rejected(size);
    expand(kdk.expose(), "message", rejected.expose_mutable());
    const uint32_t length = rejected_length(kdk.expose(), size);

    // From here the real message and the other one differ only in where they begin, which whoever
    // sees the answer sees anyway.
    const Unpadded real = find_message(block.expose());
    const uint32_t begin = choose(real.good, real.message_at, size - length);
    SecretBytes out(size - begin);
    MutableByteView to = out.expose_mutable();
    for (uint32_t i = begin; i < size; ++i) {
        to[i - begin] =
            static_cast<uint8_t>(choose(real.good, block.expose()[i], rejected.expose()[i]));
    }
    return out;
}

}  // namespace vouchsafe::crypto
