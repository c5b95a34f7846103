#include "vouchsafe/crypto/rsa_padding.h"

#include <algorithm>

#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {

namespace {

// RsaPadding is for the functions below: masks are all ones or zero, and nothing branches on what
// they come from.
struct RsaPadding {
    static constexpr uint32_t kMinPadding = 8;        // RFC 8017, 7.2.1
    static constexpr uint32_t kBeforePadding = 2;     // 00 02
    static constexpr size_t kLengthCandidates = 128;  // of the draft: the last that fits counts
    static constexpr size_t kMinModulus = 512 / 8;    // bytes
    static constexpr size_t kMaxModulus = 8192 / 8;

    using Mask = uint32_t;
    static Mask if_zero(uint32_t value) {
        return static_cast<Mask>(0) - ((~value & (value - 1)) >> 31);
    }
    static Mask if_equal(uint32_t a, uint32_t b) { return if_zero(a ^ b); }
    // if_less wants both below 2^31.
    static Mask if_less(uint32_t a, uint32_t b) { return static_cast<Mask>(0) - ((a - b) >> 31); }
    static uint32_t choose(Mask mask, uint32_t yes, uint32_t no) {
        return (mask & yes) | (~mask & no);
    }

    // expand is the draft's pseudo-random function: HMAC over counter, label and length in bits.
    static void expand(ByteView key, std::string_view label, MutableByteView out) {
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

    // Candidates are two bytes each, cut to as many bits as the largest length has.
    static uint32_t rejected_length(ByteView key, uint32_t modulus_size) {
        const uint32_t limit = modulus_size - kBeforePadding - kMinPadding;
        uint32_t bits = limit;
        for (uint32_t shift : {1U, 2U, 4U, 8U}) bits |= bits >> shift;
        SecretBytes candidates(kLengthCandidates * 2);
        expand(key, "length", candidates.expose_mutable());
        uint32_t length = 0;
        ByteView from = candidates.expose();
        for (size_t i = 0; i < from.size(); i += 2) {
            const uint32_t candidate = ((uint32_t{from[i]} << 8) | from[i + 1]) & bits;
            length = choose(if_less(candidate, limit), candidate, length);
        }
        return length;
    }

    struct Found {
        Mask good;
        uint32_t message_at;
    };
    static Found find_message(ByteView block) {
        Mask good = if_zero(block[0]) & if_equal(block[1], 2);
        uint32_t zero_at = 0;
        Mask found = 0;
        for (uint32_t i = kBeforePadding; i < block.size(); ++i) {
            const Mask zero = if_zero(block[i]);
            zero_at = choose(~found & zero, i, zero_at);
            found |= zero;
        }
        good &= ~if_less(zero_at, kBeforePadding + kMinPadding);  // 0 if there is none
        return {good, zero_at + 1};
    }
};

}  // namespace

SecretBytes remove_pkcs1_padding(ByteView block, ByteView secret, ByteView ciphertext) {
    using Padding = RsaPadding;
    expect(block.size() >= Padding::kMinModulus && block.size() <= Padding::kMaxModulus,
           "a block of a size that keys may have");
    const auto size = static_cast<uint32_t>(block.size());
    Bytes derived = hmac(HashAlg::sha256, secret, ciphertext);
    SecretBytes rejected(size);
    Padding::expand(derived, "message", rejected.expose_mutable());
    const uint32_t length = Padding::rejected_length(derived, size);
    wipe(derived);

    // From here the real message and the other one differ only in where they begin, which whoever
    // sees the answer sees anyway.
    const Padding::Found real = Padding::find_message(block);
    const uint32_t begin = Padding::choose(real.good, real.message_at, size - length);
    SecretBytes out(size - begin);
    MutableByteView to = out.expose_mutable();
    for (uint32_t i = begin; i < size; ++i) {
        to[i - begin] =
            static_cast<uint8_t>(Padding::choose(real.good, block[i], rejected.expose()[i]));
    }
    return out;
}

// OpenSSL deprecates the function and has none in its place: its own providers call the same code.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
Result<SecretBytes> remove_oaep_padding(HashAlg hash, ByteView block) {
    ErrorScope errors;
    const EVP_MD* md = digest_of(hash);
    const int size = static_cast<int>(block.size());
    SecretBytes out(block.size());
    const int length = RSA_padding_check_PKCS1_OAEP_mgf1(
        out.expose_mutable().data(), size, block.data(), size, size, nullptr, 0, md, md);
    if (length < 0) return fail(Code::bad_evidence, "the ciphertext does not open with this key");
    out.truncate(static_cast<size_t>(length));
    return out;
}
#pragma GCC diagnostic pop

}  // namespace vouchsafe::crypto
