#include <algorithm>

#include "vouchsafe/crypto/aead_impl.h"
#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {

namespace {

constexpr size_t kPiece = 1 << 30;  // EVP counts in int

// One cipher per key size, fetched once: fetching costs as much as sealing a kilobyte.
const EVP_CIPHER* gcm_cipher(size_t key_size) {
    auto fetch = [](const char* name) {
        Cipher cipher(EVP_CIPHER_fetch(nullptr, name, nullptr));
        expect(cipher != nullptr, "EVP_CIPHER_fetch");
        return cipher;
    };
    static const std::array<Cipher, 3> ciphers = {fetch("AES-128-GCM"), fetch("AES-192-GCM"),
                                                  fetch("AES-256-GCM")};
    return ciphers.at(key_size / 8 - 2).get();
}

// The context keeps the expanded key; each message only sets a nonce and a direction.
class OpensslGcm : public AesGcm::Impl {
  public:
    explicit OpensslGcm(ByteView key) : ctx_(EVP_CIPHER_CTX_new()) {
        expect(ctx_ && EVP_CipherInit_ex2(ctx_.get(), gcm_cipher(key.size()), key.data(), nullptr,
                                          1, nullptr) == 1,
               "EVP_CipherInit_ex2");
    }

    void begin(Direction direction, ByteView with_nonce, ByteView with_aad) override {
        int encrypt = direction == Direction::seal ? 1 : 0;
        expect(EVP_CipherInit_ex2(ctx_.get(), nullptr, nullptr, with_nonce.data(), encrypt,
                                  nullptr) == 1,
               "EVP_CipherInit_ex2");
        while (!with_aad.empty()) {
            size_t size = std::min(with_aad.size(), kPiece);
            run(nullptr, with_aad.first(size));
            with_aad = with_aad.subspan(size);
        }
    }

    void update(ByteView input, MutableByteView output) override {
        while (!input.empty()) {
            size_t size = std::min(input.size(), kPiece);
            run(output.data(), input.first(size));
            input = input.subspan(size);
            output = output.subspan(size);
        }
    }

    void finish_seal(MutableByteView tag) override {
        expect(final() && EVP_CIPHER_CTX_ctrl(ctx_.get(), EVP_CTRL_AEAD_GET_TAG,
                                              static_cast<int>(tag.size()), tag.data()) == 1,
               "EVP_CipherFinal_ex");
    }

    bool finish_open(ByteView tag) override {
        ErrorScope errors;
        expect(EVP_CIPHER_CTX_ctrl(ctx_.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()),
                                   const_cast<uint8_t*>(tag.data())) == 1,
               "EVP_CTRL_AEAD_SET_TAG");
        return final();
    }

  private:
    void run(uint8_t* output, ByteView input) {
        int size = 0;
        expect(EVP_CipherUpdate(ctx_.get(), output, &size, input.data(),
                                static_cast<int>(input.size())) == 1 &&
                   static_cast<size_t>(size) == input.size(),
               "EVP_CipherUpdate");
    }

    bool final() {
        uint8_t nothing[EVP_MAX_BLOCK_LENGTH];
        int size = 0;
        return EVP_CipherFinal_ex(ctx_.get(), nothing, &size) == 1 && size == 0;
    }

    CipherCtx ctx_;
};

}  // namespace

std::unique_ptr<AesGcm::Impl> make_openssl_gcm(ByteView key) {
    return std::make_unique<OpensslGcm>(key);
}

}  // namespace vouchsafe::crypto
