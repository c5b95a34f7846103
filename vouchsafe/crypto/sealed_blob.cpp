#include "vouchsafe/crypto/sealed_blob.h"

#include <sys/stat.h>

#include <cerrno>

#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/crypto/kdf.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::crypto {

namespace {

constexpr std::string_view kMagic = "VSB1";
constexpr std::string_view kInfo = "vouchsafe sealed blob 1";
constexpr size_t kBlobSaltSize = 32;

Bytes additional_data(std::string_view context) {
    return Writer().bytes(as_bytes(kMagic)).bytes(as_bytes(context)).take();
}

// derive gives key || nonce of one blob.
SecretBytes derive(const Secret<kRootKeySize>& root, ByteView salt) {
    return hkdf(HashAlg::sha256, root.expose(), salt, as_bytes(kInfo), kGcmKeySize + kGcmNonceSize);
}

Result<RootKey> load(const Path& file) {
    TRY(check_private_file(file));
    Bytes bytes = TRY(read_file(file, 4096));
    Result<RootKey> key = with_context(RootKey::from_bytes(bytes), file.string());
    wipe(bytes);
    return key;
}

}  // namespace

Result<void> check_private_file(const Path& file) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) {
        if (errno == ENOENT) return fail(Code::not_found, "{} does not exist", file.string());
        return fail(Code::io, "cannot look at {}", file.string());
    }
    if ((info.st_mode & 077) != 0) {
        return fail(Code::forbidden,
                    "{} may be read by others: the root key must have mode 0600 (chmod 600)",
                    file.string());
    }
    return {};
}

Result<RootKey> RootKey::load_or_create(const Path& file) {
    Result<RootKey> existing = load(file);
    if (existing || existing.error().code != Code::not_found) return existing;
    SecretBytes fresh = random_secret(kRootKeySize);
    Result<void> written = write_file(file, fresh.expose(), Overwrite::no, 0600);
    // Somebody else may have been first: then theirs is the key.
    if (!written && written.error().code != Code::conflict) return fail(written.error());
    return load(file);
}

Result<RootKey> RootKey::from_bytes(ByteView key) {
    return RootKey(TRY(Secret<kRootKeySize>::from_bytes(key)));
}

Bytes RootKey::seal(std::string_view context, ByteView plaintext) const {
    Bytes salt = random_bytes(kBlobSaltSize);
    SecretBytes derived = derive(key_, salt);
    AesGcm cipher = MUST(AesGcm::create(derived.expose().first(kGcmKeySize)));
    Bytes ciphertext(plaintext.size());
    std::array<uint8_t, kGcmTagSize> tag;
    cipher.seal(derived.expose().subspan(kGcmKeySize), additional_data(context), plaintext,
                ciphertext, tag);
    return Writer().bytes(as_bytes(kMagic)).bytes(salt).bytes(ciphertext).bytes(tag).take();
}

Result<SecretBytes> RootKey::open(std::string_view context, ByteView sealed) const {
    constexpr size_t kOverhead = kMagic.size() + kBlobSaltSize + kGcmTagSize;
    if (sealed.size() < kOverhead || as_text(sealed.first(kMagic.size())) != kMagic) {
        return fail(Code::bad_evidence, "no sealed blob");
    }
    ByteView salt = sealed.subspan(kMagic.size(), kBlobSaltSize);
    ByteView ciphertext = sealed.subspan(kMagic.size() + kBlobSaltSize, sealed.size() - kOverhead);
    SecretBytes derived = derive(key_, salt);
    AesGcm cipher = MUST(AesGcm::create(derived.expose().first(kGcmKeySize)));
    SecretBytes plaintext(ciphertext.size());
    Result<void> opened =
        cipher.open(derived.expose().subspan(kGcmKeySize), additional_data(context), ciphertext,
                    sealed.last(kGcmTagSize), plaintext.expose_mutable());
    if (!opened) {
        return fail(Code::bad_evidence,
                    "the sealed blob does not open: it was changed, moved, or sealed under another "
                    "root key");
    }
    return plaintext;
}

}  // namespace vouchsafe::crypto
