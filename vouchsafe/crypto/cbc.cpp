#include "vouchsafe/crypto/cbc.h"

#include <algorithm>

#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {

namespace {

constexpr size_t kMaxCbcInput = 64 << 10;

const EVP_CIPHER* cbc_cipher(size_t key_size) {
    auto fetch = [](const char* name) {
        Cipher cipher(EVP_CIPHER_fetch(nullptr, name, nullptr));
        expect(cipher != nullptr, "EVP_CIPHER_fetch");
        return cipher;
    };
    static const std::array<Cipher, 3> ciphers = {fetch("AES-128-CBC"), fetch("AES-192-CBC"),
                                                  fetch("AES-256-CBC")};
    return ciphers.at(key_size / 8 - 2).get();
}

Result<void> check_cbc_sizes(ByteView key, ByteView iv, ByteView input) {
    if (key.size() != 16 && key.size() != 24 && key.size() != 32) {
        return fail(Code::invalid, "an AES key has 16, 24 or 32 bytes, not {}", key.size());
    }
    if (iv.size() != kCbcBlock) {
        return fail(Code::invalid, "the initialization vector has {} bytes, not {}", kCbcBlock,
                    iv.size());
    }
    if (input.size() > kMaxCbcInput) return fail(Code::invalid, "the input is too long");
    return {};
}

// run_cbc wants whole blocks and writes as many bytes as it reads.
void run_cbc(bool encrypt, ByteView key, ByteView iv, ByteView input, MutableByteView output) {
    CipherCtx ctx(EVP_CIPHER_CTX_new());
    expect(ctx &&
               EVP_CipherInit_ex2(ctx.get(), cbc_cipher(key.size()), key.data(), iv.data(),
                                  encrypt ? 1 : 0, nullptr) == 1 &&
               EVP_CIPHER_CTX_set_padding(ctx.get(), 0) == 1,
           "EVP_CipherInit_ex2");
    int size = 0;
    expect(EVP_CipherUpdate(ctx.get(), output.data(), &size, input.data(),
                            static_cast<int>(input.size())) == 1 &&
               static_cast<size_t>(size) == input.size(),
           "EVP_CipherUpdate");
}

// padding_of returns how many bytes of the last block are padding, 0 if it is malformed; it looks
// at the same bytes whatever they are.
size_t padding_of(ByteView block) {
    const uint32_t count = block[kCbcBlock - 1];
    uint32_t bad = ((count - 1) >> 31) | ((uint32_t{kCbcBlock} - count) >> 31);
    for (uint32_t i = 0; i < kCbcBlock; ++i) {
        const uint32_t inside = (i - count) >> 31;  // 1 if this byte is padding
        bad |= (0U - inside) & (uint32_t{block[kCbcBlock - 1 - i]} ^ count);
    }
    const uint32_t good = (~bad & (bad - 1)) >> 31;
    return count & (0U - good);
}

}  // namespace

Result<Bytes> aes_cbc_encrypt(ByteView key, ByteView iv, CbcPadding padding, ByteView plaintext) {
    ErrorScope errors;
    TRY(check_cbc_sizes(key, iv, plaintext));
    const size_t rest = plaintext.size() % kCbcBlock;
    if (padding == CbcPadding::none && (plaintext.empty() || rest != 0)) {
        return fail(Code::invalid, "AES-CBC without padding takes whole blocks of {} bytes",
                    kCbcBlock);
    }
    const size_t added = padding == CbcPadding::pkcs7 ? kCbcBlock - rest : 0;
    SecretBytes padded(plaintext.size() + added);
    auto end = std::copy(plaintext.begin(), plaintext.end(), padded.expose_mutable().begin());
    std::fill_n(end, added, static_cast<uint8_t>(added));
    Bytes out(padded.size());
    run_cbc(true, key, iv, padded.expose(), out);
    return out;
}

Result<SecretBytes> aes_cbc_decrypt(ByteView key, ByteView iv, CbcPadding padding,
                                    ByteView ciphertext) {
    ErrorScope errors;
    TRY(check_cbc_sizes(key, iv, ciphertext));
    if (ciphertext.empty() || ciphertext.size() % kCbcBlock != 0) {
        return fail(Code::invalid, "the ciphertext does not open with this key");
    }
    SecretBytes out(ciphertext.size());
    run_cbc(false, key, iv, ciphertext, out.expose_mutable());
    if (padding == CbcPadding::none) return out;
    const size_t added = padding_of(out.expose().last(kCbcBlock));
    if (added == 0) return fail(Code::invalid, "the ciphertext does not open with this key");
    out.truncate(out.size() - added);
    return out;
}

}  // namespace vouchsafe::crypto
