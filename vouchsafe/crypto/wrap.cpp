#include "vouchsafe/crypto/wrap.h"

#include <optional>

#include "vouchsafe/crypto/openssl.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::crypto {

namespace {

constexpr size_t kBlock = 8;          // RFC 3394, 2: semiblocks
constexpr size_t kMaxKey = 64 << 10;  // far more than any key, far less than what int can count
constexpr size_t kFreshKeySize = 32;  // the AES key inside rsa_aes_wrap
enum class Form { plain, padded };    // RFC 3394, RFC 5649
enum class Direction { unwrap = 0, wrap = 1 };

Result<Cipher> fetch(Form form, size_t kek_size) {
    if (kek_size != 16 && kek_size != 24 && kek_size != 32) {
        return fail(Code::invalid, "a key-encryption key has 16, 24 or 32 bytes, not {}", kek_size);
    }
    std::string name =
        fmt::format("AES-{}-WRAP{}", kek_size * 8, form == Form::padded ? "-PAD" : "");
    Cipher cipher(EVP_CIPHER_fetch(nullptr, name.c_str(), nullptr));
    expect(cipher != nullptr, "EVP_CIPHER_fetch");
    return cipher;
}

// run writes to `out`, which has 16 bytes more than `in`, and returns how many bytes it wrote, or
// nullopt if OpenSSL refused the input.
std::optional<size_t> run(const Cipher& cipher, Direction direction, ByteView kek, ByteView in,
                          MutableByteView out) {
    CipherCtx ctx(EVP_CIPHER_CTX_new());
    expect(ctx != nullptr, "EVP_CIPHER_CTX_new");
    EVP_CIPHER_CTX_set_flags(ctx.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    expect(EVP_CipherInit_ex2(ctx.get(), cipher.get(), kek.data(), nullptr,
                              static_cast<int>(direction), nullptr) == 1,
           "EVP_CipherInit_ex2");
    int size = 0;
    int done =
        EVP_CipherUpdate(ctx.get(), out.data(), &size, in.data(), static_cast<int>(in.size()));
    if (done != 1 || size <= 0) return std::nullopt;
    return static_cast<size_t>(size);
}

Result<Bytes> wrap(Form form, ByteView kek, ByteView key) {
    ErrorScope errors;
    Cipher cipher = TRY(fetch(form, kek.size()));
    bool fits =
        form == Form::padded ? !key.empty() : key.size() >= 2 * kBlock && key.size() % kBlock == 0;
    if (!fits || key.size() > kMaxKey) {
        return fail(Code::invalid, "a key of {} bytes cannot be wrapped in this form", key.size());
    }
    Bytes out(key.size() + 2 * kBlock);
    auto size = run(cipher, Direction::wrap, kek, key, out);
    expect(size.has_value(), "AES key wrap");
    out.resize(*size);
    return out;
}

Result<SecretBytes> unwrap(Form form, ByteView kek, ByteView wrapped) {
    ErrorScope errors;
    Cipher cipher = TRY(fetch(form, kek.size()));
    bool fits = wrapped.size() >= (form == Form::padded ? 2 : 3) * kBlock &&
                wrapped.size() % kBlock == 0 && wrapped.size() <= kMaxKey + kBlock;
    SecretBytes out(fits ? wrapped.size() + 2 * kBlock : 0);
    std::optional<size_t> size;
    if (fits) size = run(cipher, Direction::unwrap, kek, wrapped, out.expose_mutable());
    if (!size) return fail(Code::bad_evidence, "the wrapped key does not open with this key");
    out.truncate(*size);
    return out;
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
