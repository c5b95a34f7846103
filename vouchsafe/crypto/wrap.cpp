#include "vouchsafe/crypto/wrap.h"

#include <algorithm>

#include "vouchsafe/crypto/openssl.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::crypto {

namespace {

constexpr size_t kHalf = 8;  // RFC 3394, 2: keys come in halves of a block of AES
constexpr size_t kBlock = 2 * kHalf;
constexpr size_t kRounds = 6;         // RFC 3394, 2.2.1
constexpr size_t kMaxKey = 64 << 10;  // far more than any key, far less than what int can count
constexpr size_t kFreshKeySize = 32;  // the AES key inside rsa_aes_wrap

// What wrapping begins with: RFC 3394, 2.2.3.1; RFC 5649, 3, the last four bytes of which are the
// key's size.
using Half = std::array<uint8_t, kHalf>;
constexpr Half kInitialValue = {0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6};
constexpr Half kPaddedInitialValue = {0xa6, 0x59, 0x59, 0xa6, 0, 0, 0, 0};
constexpr size_t kSizeAt = 4;

enum class Form { plain, padded };  // RFC 3394, RFC 5649
enum class Direction { unwrap = 0, wrap = 1 };

Result<void> check_kek(ByteView kek) {
    if (kek.size() == 16 || kek.size() == 24 || kek.size() == 32) return {};
    return fail(Code::invalid, "a key-encryption key has 16, 24 or 32 bytes, not {}", kek.size());
}

// One cipher per key size, fetched once.
const EVP_CIPHER* ecb_cipher(size_t key_size) {
    auto fetch = [](const char* name) {
        Cipher cipher(EVP_CIPHER_fetch(nullptr, name, nullptr));
        expect(cipher != nullptr, "EVP_CIPHER_fetch");
        return cipher;
    };
    static const std::array<Cipher, 3> ciphers = {fetch("AES-128-ECB"), fetch("AES-192-ECB"),
                                                  fetch("AES-256-ECB")};
    return ciphers.at(key_size / 8 - 2).get();
}

// Aes is the block cipher alone. OpenSSL has the modes below too, but runs them in software, with
// tables, also where the processor has AES (decision 45).
class Aes {
  public:
    Aes(ByteView kek, Direction direction) : ctx_(EVP_CIPHER_CTX_new()) {
        expect(ctx_ && EVP_CipherInit_ex2(ctx_.get(), ecb_cipher(kek.size()), kek.data(), nullptr,
                                          static_cast<int>(direction), nullptr) == 1,
               "EVP_CipherInit_ex2");
        EVP_CIPHER_CTX_set_padding(ctx_.get(), 0);
    }

    // apply replaces one block by what the cipher makes of it.
    void apply(MutableByteView block) {
        int size = 0;
        expect(EVP_CipherUpdate(ctx_.get(), block.data(), &size, block.data(), kBlock) == 1 &&
                   size == kBlock,
               "EVP_CipherUpdate");
    }

  private:
    CipherCtx ctx_;
};

void copy(ByteView from, MutableByteView to) {
    std::copy(from.begin(), from.end(), to.begin());
}

// xor_number is for big-endian numbers.
void xor_number(MutableByteView into, uint64_t number) {
    for (size_t i = into.size(); i-- > 0; number >>= 8) into[i] ^= static_cast<uint8_t>(number);
}

uint32_t read_number(ByteView bytes) {
    uint32_t out = 0;
    for (uint8_t byte : bytes) out = out << 8 | byte;
    return out;
}

// wrap_halves is W of RFC 3394, 2.2.1, as it is described there for indices: `halves` are A, R[1],
// ..., R[n]. A single R makes one block with A (RFC 5649, 4.1).
void wrap_halves(ByteView kek, MutableByteView halves) {
    Aes aes(kek, Direction::wrap);
    if (halves.size() == kBlock) return aes.apply(halves);
    Secret<kBlock> block;
    const MutableByteView a = block.expose_mutable().first<kHalf>();
    const MutableByteView r = block.expose_mutable().last<kHalf>();
    uint64_t step = 0;
    copy(halves.first(kHalf), a);
    for (size_t round = 0; round < kRounds; ++round) {
        for (size_t at = kHalf; at < halves.size(); at += kHalf) {
            copy(halves.subspan(at, kHalf), r);
            aes.apply(block.expose_mutable());
            xor_number(a, ++step);
            copy(r, halves.subspan(at, kHalf));
        }
    }
    copy(a, halves.first(kHalf));
}

// unwrap_halves undoes wrap_halves (RFC 3394, 2.2.2; RFC 5649, 4.2).
void unwrap_halves(ByteView kek, MutableByteView halves) {
    Aes aes(kek, Direction::unwrap);
    if (halves.size() == kBlock) return aes.apply(halves);
    Secret<kBlock> block;
    const MutableByteView a = block.expose_mutable().first<kHalf>();
    const MutableByteView r = block.expose_mutable().last<kHalf>();
    uint64_t step = kRounds * (halves.size() / kHalf - 1);
    copy(halves.first(kHalf), a);
    for (size_t round = 0; round < kRounds; ++round) {
        for (size_t at = halves.size() - kHalf; at > 0; at -= kHalf) {
            copy(halves.subspan(at, kHalf), r);
            xor_number(a, step--);
            aes.apply(block.expose_mutable());
            copy(r, halves.subspan(at, kHalf));
        }
    }
    copy(a, halves.first(kHalf));
}

// opened_size is how long the key is that unwrap_halves left behind A, or nullopt if A or the
// padding is not what wrapping begins with (RFC 3394, 2.2.3; RFC 5649, 3). Which of it does not
// hold makes no difference in time: all is looked at.
std::optional<size_t> opened_size(Form form, ByteView halves) {
    const size_t all = halves.size() - kHalf;
    if (form == Form::plain) {
        if (CRYPTO_memcmp(halves.data(), kInitialValue.data(), kHalf) != 0) return std::nullopt;
        return all;
    }
    const uint32_t size = read_number(halves.subspan(kSizeAt, kHalf - kSizeAt));
    const uint32_t padding = static_cast<uint32_t>(all) - size;  // 0 to 7, or wraps around
    const uint32_t last = padding % 8;
    auto wrong =
        static_cast<uint32_t>(CRYPTO_memcmp(halves.data(), kPaddedInitialValue.data(), kSizeAt));
    wrong |= padding - last;
    for (uint32_t i = 0; i < 8; ++i) {
        const uint32_t counts = 0 - ((i - last) >> 31);  // all ones for i < last
        wrong |= counts & halves[halves.size() - 1 - i];
    }
    if (wrong != 0) return std::nullopt;
    return size;
}

Result<Bytes> wrap(Form form, ByteView kek, ByteView key) {
    ErrorScope errors;
    TRY(check_kek(kek));
    const bool fits =
        form == Form::padded ? !key.empty() : key.size() >= kBlock && key.size() % kHalf == 0;
    if (!fits || key.size() > kMaxKey) {
        return fail(Code::invalid, "a key of {} bytes cannot be wrapped in this form", key.size());
    }
    Bytes out(kHalf + (key.size() + kHalf - 1) / kHalf * kHalf);  // its padding is zeros
    const MutableByteView a = MutableByteView(out).first(kHalf);
    copy(form == Form::padded ? kPaddedInitialValue : kInitialValue, a);
    if (form == Form::padded) xor_number(a, key.size());
    copy(key, MutableByteView(out).subspan(kHalf));
    wrap_halves(kek, out);
    return out;
}

Result<SecretBytes> unwrap(Form form, ByteView kek, ByteView wrapped) {
    ErrorScope errors;
    TRY(check_kek(kek));
    const bool fits = wrapped.size() >= (form == Form::padded ? kBlock : kBlock + kHalf) &&
                      wrapped.size() % kHalf == 0 && wrapped.size() <= kMaxKey + kHalf;
    if (!fits) return fail(Code::bad_evidence, "the wrapped key does not open with this key");
    SecretBytes out = SecretBytes::copy_of(wrapped);
    unwrap_halves(kek, out.expose_mutable());
    const auto size = opened_size(form, out.expose());
    if (!size) return fail(Code::bad_evidence, "the wrapped key does not open with this key");
    return SecretBytes::copy_of(out.expose().subspan(kHalf, *size));
}

}  // namespace

Result<Bytes> aes_kw_wrap(ByteView kek, ByteView key) {
    return wrap(Form::plain, kek, key);
}

Result<SecretBytes> aes_kw_unwrap(ByteView kek, ByteView wrapped) {
    return unwrap(Form::plain, kek, wrapped);
}

Result<Bytes> aes_kwp_wrap(ByteView kek, ByteView key) {
    return wrap(Form::padded, kek, key);
}

Result<SecretBytes> aes_kwp_unwrap(ByteView kek, ByteView wrapped) {
    return unwrap(Form::padded, kek, wrapped);
}

Result<Bytes> rsa_aes_wrap(const PublicKey& to, HashAlg hash, ByteView key) {
    SecretBytes fresh = random_secret(kFreshKeySize);
    Bytes out = TRY(to.encrypt_oaep(hash, fresh.expose()));
    append(out, TRY(aes_kwp_wrap(fresh.expose(), key)));
    return out;
}

Result<SecretBytes> rsa_aes_unwrap(const PrivateKey& key, HashAlg hash, ByteView wrapped) {
    if (key.type() != KeyType::rsa) return fail(Code::invalid, "not an RSA key");
    size_t modulus = (key.bits() + 7) / 8;
    // One error whatever fails: which step it was would help to guess.
    auto damaged = [] {
        return fail(Code::bad_evidence, "the wrapped key does not open with this key");
    };
    if (wrapped.size() <= modulus) return damaged();
    auto kek = key.decrypt_oaep(hash, wrapped.first(modulus));
    if (!kek) return damaged();
    auto out = aes_kwp_unwrap(kek->expose(), wrapped.subspan(modulus));
    if (!out) return damaged();
    return out;
}

}  // namespace vouchsafe::crypto
