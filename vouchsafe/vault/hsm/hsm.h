// Keys that live in a hardware security module: made there, used there, and never seen outside but
// wrapped, if they were made to be released. The only door to PKCS#11 (v2.40), by the shared
// library that the HSM's maker delivers.
//
// A key is found again by its id (CKA_ID). The private or secret half is CKA_PRIVATE,
// CKA_SENSITIVE, not CKA_MODIFIABLE, and CKA_EXTRACTABLE only if it is to be released: whoever has
// the token's PIN can take such a key away, as the vault does when it releases it. Of RSA and EC
// keys the public half lies beside it under the same id.
//
// Several processes may use one token at once. Both types are thread-safe and cheap to copy. Not
// for a forked child.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/file.h"
#include "vouchsafe/base/secret.h"
#include "vouchsafe/crypto/keys.h"

namespace vouchsafe::vault {

class Token;

// SharedPin is a PIN that is in memory once, and wiped when the last who needs it lets go.
using SharedPin = std::shared_ptr<const SecretBytes>;

struct HsmSettings {
    Path module;           // absolute: /usr/lib/softhsm/libsofthsm2.so
    std::string token;     // its label
    size_t sessions = 16;  // used at once, at most; one more keeps the login
};

enum class HsmKeyKind { rsa, ec, aes };
struct HsmKeySpec {
    HsmKeyKind kind = HsmKeyKind::rsa;
    size_t bits = 0;                            // RSA: 2048, 3072, 4096; AES: 128, 192, 256
    crypto::Curve curve = crypto::Curve::p256;  // EC: P-256, P-384, P-521
};

// HsmKeyName is how a key is found: by the program, and by a person who looks into the token.
struct HsmKeyName {
    Bytes id;           // 1 to 64 bytes, unique in the token; random for fresh keys
    std::string label;  // CKA_LABEL, for people
};

enum class Releasable { no, yes };

struct GcmSealed {
    Bytes ciphertext;
    Bytes tag;  // 16 bytes
};

// HsmKey is one key in a token. Errors of every operation: Code::unsupported if the token does not
// offer the algorithm, Code::invalid if it does not fit the key, Code::not_found if the key is gone
// from the token, Code::unavailable if the token is. Names and sizes are those of
// crypto::PrivateKey, which does the same with a key in memory.
class HsmKey {
  public:
    const Bytes& id() const;
    const HsmKeySpec& spec() const;
    bool releasable() const;
    // never_outside tells whether an AES key was made in the token and could never leave it, as the
    // token says (CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE). Of other kinds: false.
    bool never_outside() const;
    // public_key is Code::invalid for AES keys.
    Result<crypto::PublicKey> public_key() const;

    // RSA and EC.
    Result<Bytes> sign_digest(crypto::SigAlg alg, ByteView digest) const;

    // RSA. What does not decrypt is Code::bad_evidence, without saying why.
    Result<Bytes> sign_unhashed(ByteView data) const;
    // decrypt_oaep lets the token remove the padding, or where it does not know this hash does it
    // here, after CKM_RSA_X_509.
    Result<SecretBytes> decrypt_oaep(crypto::HashAlg hash, ByteView ciphertext) const;
    // decrypt_pkcs1_any is no padding oracle: the token does the bare operation, CKM_RSA_X_509, and
    // the padding is removed here with implicit rejection. CKM_RSA_PKCS would tell of a wrong
    // padding, so a token that offers no bare operation is Code::unsupported.
    Result<SecretBytes> decrypt_pkcs1_any(ByteView ciphertext) const;

    // AES. Nonces have 12 bytes and tags 16; never use a nonce twice.
    Result<GcmSealed> gcm_seal(ByteView nonce, ByteView aad, ByteView plaintext) const;
    Result<SecretBytes> gcm_open(ByteView nonce, ByteView aad, ByteView ciphertext,
                                 ByteView tag) const;
    // `iv` has 16 bytes. `padded`: PKCS#7, else whole blocks. That a padding was wrong can be seen.
    Result<Bytes> cbc_encrypt(ByteView iv, bool padded, ByteView plaintext) const;
    Result<SecretBytes> cbc_decrypt(ByteView iv, bool padded, ByteView ciphertext) const;
    // AES-KW (RFC 3394), or `padded` AES-KWP (RFC 5649); sizes as in crypto/wrap.h. A token that
    // counts its filling as part of the key wraps whole 8 bytes only: Code::unsupported.
    Result<Bytes> kw_wrap(bool padded, ByteView key) const;
    Result<SecretBytes> kw_unwrap(bool padded, ByteView wrapped) const;

    // wrap_out gives AES-KWP, under the 32 bytes of `kek`, of the PKCS#8 of an RSA or EC key or of
    // the octets of an AES key. Code::forbidden unless it was made releasable. It is the token's
    // ciphertext; only of a token that counts its filling as part of the key (SoftHSM) it is opened
    // and wrapped anew here.
    Result<Bytes> wrap_out(ByteView kek) const;

    struct State;  // for vault/hsm/ alone

  private:
    friend class Hsm;
    explicit HsmKey(std::shared_ptr<State> state) : state_(std::move(state)) {}
    Result<void> require(HsmKeyKind kind) const;
    Result<SecretBytes> decrypt_bare(ByteView ciphertext) const;
    Result<SecretBytes> make_rejection_secret() const;
    Result<SecretBytes> rejection_secret() const;
    std::shared_ptr<State> state_;
};

class Hsm {
  public:
    // open logs in. Code::invalid for a path that is not absolute or an empty PIN or label,
    // Code::not_found without module or token, Code::forbidden for a PIN that is wrong, locked or
    // expired (a token counts wrong ones, so it is tried once), Code::unsupported for what is no
    // PKCS#11 module, Code::unavailable if the token is not there now. A process has one login to a
    // token: opening it again shares that, and is Code::forbidden with another PIN.
    static Result<Hsm> open(const HsmSettings& settings, SecretBytes pin);
    // The same with a PIN that others hold too, so that it lies in memory once.
    static Result<Hsm> open(const HsmSettings& settings, SharedPin pin);

    // generate makes a key in the token. Code::conflict if the id is taken.
    Result<HsmKey> generate(const HsmKeySpec& spec, const HsmKeyName& name,
                            Releasable releasable) const;
    // import_key puts a key into the token: PKCS#8 of RSA and EC keys, which goes in wrapped under
    // an AES key that was made for it (CKM_AES_KEY_WRAP_PAD), or the octets of an AES key.
    Result<HsmKey> import_key(const HsmKeySpec& spec, ByteView secret, const HsmKeyName& name,
                              Releasable releasable) const;
    // find is Code::not_found without such a key, Code::unsupported if it is of another kind than
    // ours.
    Result<HsmKey> find(const Bytes& id) const;
    // find_aes gives the ids of the AES-256 keys with a label, in order.
    Result<std::vector<Bytes>> find_aes(const std::string& label) const;
    // remove removes both halves for good; Code::not_found if there was neither.
    Result<void> remove(const Bytes& id) const;

    const std::string& token() const;  // its label
    // check asks the token for a sign of life.
    Result<void> check() const;

  private:
    explicit Hsm(std::shared_ptr<Token> token) : token_(std::move(token)) {}
    Result<void> check_free(const Bytes& id) const;
    Result<void> check_new(const HsmKeySpec& spec, const HsmKeyName& name) const;
    Result<void> remove_all(const Bytes& id, size_t& removed) const;
    std::shared_ptr<Token> token_;
};

// rsa_aes_wrap is crypto::rsa_aes_wrap of a key in an HSM, which does the second part:
// RSA-OAEP(hash, fresh AES-256 key) || AES-KWP(that key, `key`).
Result<Bytes> rsa_aes_wrap(const crypto::PublicKey& to, crypto::HashAlg hash, const HsmKey& key);

}  // namespace vouchsafe::vault
