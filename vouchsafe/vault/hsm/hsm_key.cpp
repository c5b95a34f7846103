// The operations of RSA and EC keys, and what all operations share.
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/crypto/rsa_padding.h"
#include "vouchsafe/vault/hsm/hsm_key_operations.h"
#include "vouchsafe/vault/hsm/pkcs11_error.h"

namespace vouchsafe::vault {

namespace {

constexpr size_t kReleaseKeySize = 32;

// DigestInfo up to the digest (RFC 8017, 9.2, note 1).
constexpr uint8_t kSha256Info[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                   0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
constexpr uint8_t kSha384Info[] = {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                   0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30};
constexpr uint8_t kSha512Info[] = {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                   0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40};

// What PKCS#11 calls a hash, and MGF1 with it.
struct Pkcs11Hash {
    CK_MECHANISM_TYPE hash;
    CK_RSA_PKCS_MGF_TYPE mgf;
    ByteView digest_info;
};
Pkcs11Hash pkcs11_hash(crypto::HashAlg alg) {
    switch (alg) {
        case crypto::HashAlg::sha1:
            return {CKM_SHA_1, CKG_MGF1_SHA1, {}};
        case crypto::HashAlg::sha256:
            return {CKM_SHA256, CKG_MGF1_SHA256, kSha256Info};
        case crypto::HashAlg::sha384:
            return {CKM_SHA384, CKG_MGF1_SHA384, kSha384Info};
        case crypto::HashAlg::sha512:
            break;
    }
    return {CKM_SHA512, CKG_MGF1_SHA512, kSha512Info};
}

tl::unexpected<Error> other_key() {
    return fail(Code::invalid, "the algorithm does not fit the key");
}

bool is_es(crypto::SigAlg alg) {
    return crypto::sig_alg_name(alg).starts_with("ES");
}

bool fits_curve(crypto::SigAlg alg, crypto::Curve curve) {
    switch (curve) {
        case crypto::Curve::p256:
            return alg == crypto::SigAlg::es256;
        case crypto::Curve::p384:
            return alg == crypto::SigAlg::es384;
        case crypto::Curve::p521:
            return alg == crypto::SigAlg::es512;
        default:
            return false;
    }
}

Result<Bytes> sign_in_token(const HsmKey::State& key, CK_MECHANISM mechanism, ByteView input,
                            size_t size) {
    TRY(require_mechanism(*key.token, mechanism.mechanism));
    const CK_FUNCTION_LIST& api = key.token->api();
    PassResult result =
        TRY(pass_through({api.C_SignInit, api.C_Sign}, key, mechanism, input, size));
    if (result.rv != CKR_OK) return fail_pkcs11(result.rv, "signing in the HSM");
    // Both kinds have one size. Anything else would be no signature to whoever gets it.
    if (result.output.size() != size) {
        return fail(Code::unavailable, "the HSM gave a signature of {} bytes, not {}",
                    result.output.size(), size);
    }
    return to_bytes(result.output.expose());
}

}  // namespace

Result<CK_RV> HsmKey::State::with_key(const Act& act) const {
    for (bool again = false;; again = true) {
        bool found = true;
        const CK_RV rv = TRY(token->try_run(Retry::always, [&](CK_SESSION_HANDLE session) -> CK_RV {
            std::optional<CK_OBJECT_HANDLE> handle;
            const CK_RV looked = token->find_object(session, key_class(spec.kind), id, handle);
            found = looked != CKR_OK || handle.has_value();
            return looked == CKR_OK && handle ? act(session, *handle) : looked;
        }));
        if (found && !handle_stale(rv)) return rv;
        token->forget_object(id);
        if (!found || again) {
            return fail(Code::not_found, "the token does not have the key {} any more",
                        encode_hex(id));
        }
    }
}

Result<void> require_mechanism(const Token& token, CK_MECHANISM_TYPE mechanism) {
    if (token.offers(mechanism)) return {};
    return fail(Code::unsupported, "the HSM does not offer this algorithm (mechanism 0x{:x})",
                mechanism);
}

Result<PassResult> pass_through(const TokenVerb& verb, const HsmKey::State& key,
                                CK_MECHANISM mechanism, ByteView input, size_t most) {
    PassResult out;
    out.output = SecretBytes(most + kSpareOutput);
    CK_ULONG size = 0;
    out.rv = TRY(key.with_key([&](CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle) {
        CK_MECHANISM once = mechanism;
        const CK_RV rv = verb.start(session, &once, handle);
        if (rv != CKR_OK) return rv;
        size = out.output.size();
        return verb.act(session, mutable_bytes(input), input.size(),
                        out.output.expose_mutable().data(), &size);
    }));
    out.output.truncate(out.rv == CKR_OK ? std::min<size_t>(size, out.output.size()) : 0);
    return out;
}

tl::unexpected<Error> fail_decryption(CK_RV rv) {
    if (!is_bad_data(rv)) return fail_pkcs11(rv, "decrypting in the HSM");
    return fail(Code::bad_evidence, "the ciphertext does not open with this key");
}

const Bytes& HsmKey::id() const {
    return state_->id;
}

const HsmKeySpec& HsmKey::spec() const {
    return state_->spec;
}

bool HsmKey::releasable() const {
    return state_->releasable;
}

bool HsmKey::never_outside() const {
    return state_->never_outside;
}

Result<crypto::PublicKey> HsmKey::public_key() const {
    if (!state_->public_half) return fail(Code::invalid, "an AES key has no public half");
    return *state_->public_half;
}

Result<void> HsmKey::require(HsmKeyKind kind) const {
    if (state_->spec.kind != kind) return other_key();
    return {};
}

Result<Bytes> HsmKey::sign_digest(crypto::SigAlg alg, ByteView digest) const {
    const State& key = *state_;
    const crypto::HashAlg hash = crypto::sig_alg_hash(alg);
    if (digest.size() != crypto::hash_size(hash)) {
        return fail(Code::invalid, "a digest for {} has {} bytes, not {}",
                    crypto::sig_alg_name(alg), crypto::hash_size(hash), digest.size());
    }
    if (is_es(alg)) {
        if (key.spec.kind != HsmKeyKind::ec || !fits_curve(alg, key.spec.curve)) return other_key();
        const size_t width = TRY(key.public_half->ec()).x.size();
        return sign_in_token(key, {CKM_ECDSA, nullptr, 0}, digest, 2 * width);
    }
    TRY(require(HsmKeyKind::rsa));
    const Pkcs11Hash names = pkcs11_hash(hash);
    if (crypto::sig_alg_name(alg).starts_with("PS")) {
        CK_RSA_PKCS_PSS_PARAMS pss{names.hash, names.mgf, digest.size()};
        return sign_in_token(key, {CKM_RSA_PKCS_PSS, &pss, sizeof(pss)}, digest,
                             key.modulus_size());
    }
    Bytes info = to_bytes(names.digest_info);
    append(info, digest);
    return sign_in_token(key, {CKM_RSA_PKCS, nullptr, 0}, info, key.modulus_size());
}

Result<Bytes> HsmKey::sign_unhashed(ByteView data) const {
    TRY(require(HsmKeyKind::rsa));
    constexpr size_t kOverhead = 11;  // RFC 8017, 9.2
    if (data.size() + kOverhead > state_->modulus_size()) {
        return fail(Code::invalid, "{} bytes are too many to sign with this key", data.size());
    }
    return sign_in_token(*state_, {CKM_RSA_PKCS, nullptr, 0}, data, state_->modulus_size());
}

Result<SecretBytes> HsmKey::decrypt_oaep(crypto::HashAlg hash, ByteView ciphertext) const {
    TRY(require(HsmKeyKind::rsa));
    const State& key = *state_;
    if (ciphertext.size() != key.modulus_size()) return fail_decryption(CKR_ENCRYPTED_DATA_INVALID);
    if (key.token->offers(CKM_RSA_PKCS_OAEP)) {
        const Pkcs11Hash names = pkcs11_hash(hash);
        CK_RSA_PKCS_OAEP_PARAMS oaep{names.hash, names.mgf, CKZ_DATA_SPECIFIED, nullptr, 0};
        const CK_FUNCTION_LIST& api = key.token->api();
        PassResult result = TRY(pass_through({api.C_DecryptInit, api.C_Decrypt}, key,
                                             {CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep)}, ciphertext,
                                             key.modulus_size()));
        if (result.rv == CKR_OK) return std::move(result.output);
        if (!refuses_mechanism(result.rv)) return fail_decryption(result.rv);
    }
    const SecretBytes block = TRY(decrypt_bare(ciphertext));
    return crypto::remove_oaep_padding(hash, block.expose());
}

// decrypt_bare gives a block as long as the modulus.
Result<SecretBytes> HsmKey::decrypt_bare(ByteView ciphertext) const {
    const State& key = *state_;
    if (!key.token->offers(CKM_RSA_X_509)) {
        return fail(Code::unsupported,
                    "the HSM does not offer this algorithm for its keys, nor CKM_RSA_X_509, by "
                    "which it could be done without it");
    }
    if (ciphertext.size() != key.modulus_size()) return fail_decryption(CKR_ENCRYPTED_DATA_INVALID);
    const CK_FUNCTION_LIST& api = key.token->api();
    PassResult result =
        TRY(pass_through({api.C_DecryptInit, api.C_Decrypt}, key, {CKM_RSA_X_509, nullptr, 0},
                         ciphertext, key.modulus_size()));
    if (result.rv != CKR_OK) return fail_decryption(result.rv);
    if (result.output.size() == key.modulus_size()) return std::move(result.output);
    if (result.output.size() > key.modulus_size()) return fail_decryption(CKR_GENERAL_ERROR);
    SecretBytes whole(key.modulus_size());  // some tokens leave out leading zeros
    ByteView from = result.output.expose();
    std::copy(from.begin(), from.end(),
              whole.expose_mutable().end() - static_cast<ptrdiff_t>(from.size()));
    return whole;
}

// The rejection secret has to be one that only the key's holder knows, and the same in every
// process that uses the key. We do not have the exponent, so it is the hash of what the key makes
// of a number that the modulus determines. No operation of ours tells that to a caller: the number
// has no padding of a signature, and is chosen so that what comes out has none of a ciphertext.
Result<SecretBytes> HsmKey::make_rejection_secret() const {
    const Bytes modulus = TRY(state_->public_half->rsa()).modulus;
    for (uint8_t attempt = 0;; ++attempt) {
        Bytes number;
        for (uint8_t part = 0; number.size() < modulus.size(); ++part) {
            append(number, crypto::hmac(crypto::HashAlg::sha256, modulus,
                                        Writer()
                                            .bytes(as_bytes("vouchsafe rejection secret 1"))
                                            .u8(attempt)
                                            .u8(part)
                                            .take()));
        }
        number.resize(modulus.size());
        number[0] = 0;  // below the modulus
        const SecretBytes block = TRY(decrypt_bare(number));
        if (block.expose()[0] == 0 && block.expose()[1] == 2) continue;
        return SecretBytes::copy_of(crypto::sha256(block.expose()));
    }
}

Result<SecretBytes> HsmKey::rejection_secret() const {
    std::lock_guard lock(state_->mutex);
    if (state_->rejection_secret.empty()) {
        state_->rejection_secret = TRY(make_rejection_secret());
    }
    return state_->rejection_secret.clone();
}

Result<SecretBytes> HsmKey::decrypt_pkcs1_any(ByteView ciphertext) const {
    TRY(require(HsmKeyKind::rsa));
    const SecretBytes secret = TRY(rejection_secret());
    const SecretBytes block = TRY(decrypt_bare(ciphertext));
    return crypto::remove_pkcs1_padding(block.expose(), secret.expose(), ciphertext);
}

Result<Bytes> rsa_aes_wrap(const crypto::PublicKey& to, crypto::HashAlg hash, const HsmKey& key) {
    const SecretBytes fresh = crypto::random_secret(kReleaseKeySize);
    Bytes out = TRY(to.encrypt_oaep(hash, fresh.expose()));
    append(out, TRY(key.wrap_out(fresh.expose())));
    return out;
}

}  // namespace vouchsafe::vault
