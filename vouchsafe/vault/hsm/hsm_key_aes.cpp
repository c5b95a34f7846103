// The operations of AES keys, and wrapping keys out of the token.
#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/crypto/der.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/crypto/wrap.h"
#include "vouchsafe/vault/hsm/hsm_key_operations.h"
#include "vouchsafe/vault/hsm/pkcs11_error.h"

namespace vouchsafe::vault {

namespace {

constexpr size_t kAesBlock = 16;
constexpr size_t kSemiblock = 8;
constexpr size_t kMaxWrapped = 64 << 10;  // as crypto/wrap.h
constexpr size_t kReleaseKekSize = 32;

CK_MECHANISM wrap_mechanism(bool padded) {
    return {padded ? CKM_AES_KEY_WRAP_PAD : CKM_AES_KEY_WRAP, nullptr, 0};
}

CK_GCM_PARAMS gcm_parameters(ByteView nonce, ByteView aad) {
    CK_GCM_PARAMS out{};
    out.pIv = mutable_bytes(nonce);
    out.ulIvLen = nonce.size();
    out.ulIvBits = nonce.size() * 8;
    out.pAAD = aad.empty() ? nullptr : mutable_bytes(aad);
    out.ulAADLen = aad.size();
    out.ulTagBits = crypto::kGcmTagSize * 8;
    return out;
}

Result<void> check_nonce(ByteView nonce) {
    if (nonce.size() == crypto::kGcmNonceSize) return {};
    return fail(Code::invalid, "AES-GCM has a nonce of {} bytes", crypto::kGcmNonceSize);
}

Result<void> check_cbc(ByteView iv, bool whole_blocks, ByteView input) {
    if (iv.size() != kAesBlock) return fail(Code::invalid, "AES-CBC has an iv of 16 bytes");
    if (input.size() > kMaxWrapped) return fail(Code::invalid, "the input is over 64 KiB");
    if (whole_blocks && (input.empty() || input.size() % kAesBlock != 0)) {
        return fail(Code::invalid, "the input has to be whole blocks of 16 bytes");
    }
    return {};
}

// wrap_object is C_WrapKey of one object under another.
CK_RV wrap_object(const CK_FUNCTION_LIST& api, CK_SESSION_HANDLE session, bool padded,
                  CK_OBJECT_HANDLE kek, CK_OBJECT_HANDLE object, Bytes& out) {
    CK_MECHANISM mechanism = wrap_mechanism(padded);
    CK_ULONG size = 0;
    CK_RV rv = api.C_WrapKey(session, &mechanism, kek, object, nullptr, &size);
    if (rv != CKR_OK) return rv;
    if (size > kMaxWrapped + 2 * kSemiblock) return CKR_KEY_SIZE_RANGE;
    out.resize(size);
    rv = api.C_WrapKey(session, &mechanism, kek, object, out.data(), &size);
    if (rv == CKR_OK && size > out.size()) return CKR_GENERAL_ERROR;
    if (rv == CKR_OK) out.resize(size);
    return rv;
}

// count_right wraps anew what a token of WrapForm::zeros_counted wrapped, so that whoever gets it
// finds the key alone. Without it the few bytes behind the end of a PKCS#8 would be part of it.
Result<Bytes> count_right(HsmKeyKind kind, ByteView kek, ByteView wrapped) {
    auto key = crypto::aes_kwp_unwrap(kek, wrapped);
    if (!key) return fail(Code::unavailable, "the HSM wrapped a key in a way that is not known");
    if (kind == HsmKeyKind::aes) return to_bytes(wrapped);  // always whole semiblocks
    const size_t size = TRY(crypto::parse_der_element(key->expose())).whole.size();
    ByteView zeros = key->expose().subspan(size);
    if (zeros.size() >= kSemiblock || !all_zero(zeros)) {
        return fail(Code::unavailable, "the HSM wrapped more than a key");
    }
    return crypto::aes_kwp_wrap(kek, key->expose().first(size));
}

}  // namespace

Result<WrapForm> Token::wrap_form() {
    TRY(require_mechanism(*this, CKM_AES_KEY_WRAP_PAD));
    std::lock_guard lock(form_mutex_);
    if (form_) return *form_;
    const Bytes kek = crypto::random_bytes(kReleaseKekSize);
    const Bytes value(kSemiblock + 1, 0x77);
    Bytes wrapped;
    TRY(run(Retry::always, "trying how the HSM wraps keys", [&](CK_SESSION_HANDLE session) {
        SessionObject wrapping(api(), session), object(api(), session);
        CK_RV rv = wrapping.create_secret(CKK_AES, kek, {CKA_WRAP}, false);
        if (rv == CKR_OK) rv = object.create_secret(CKK_GENERIC_SECRET, value, {}, true);
        if (rv != CKR_OK) return rv;
        return wrap_object(api(), session, true, wrapping.handle(), object.handle(), wrapped);
    }));
    auto opened = crypto::aes_kwp_unwrap(kek, wrapped);
    Bytes filled = value;
    filled.resize(2 * kSemiblock);
    if (opened && equal(opened->expose(), value)) form_ = WrapForm::exact;
    if (opened && equal(opened->expose(), filled)) form_ = WrapForm::zeros_counted;
    if (form_) return *form_;
    return fail(Code::unsupported, "the HSM's CKM_AES_KEY_WRAP_PAD is not that of RFC 5649");
}

Result<GcmSealed> HsmKey::gcm_seal(ByteView nonce, ByteView aad, ByteView plaintext) const {
    TRY(require(HsmKeyKind::aes));
    TRY(check_nonce(nonce));
    TRY(require_mechanism(*state_->token, CKM_AES_GCM));
    CK_GCM_PARAMS gcm = gcm_parameters(nonce, aad);
    const CK_FUNCTION_LIST& api = state_->token->api();
    const PassResult result = TRY(pass_through({api.C_EncryptInit, api.C_Encrypt}, *state_,
                                               {CKM_AES_GCM, &gcm, sizeof(gcm)}, plaintext,
                                               plaintext.size() + crypto::kGcmTagSize));
    if (result.rv != CKR_OK) return fail_pkcs11(result.rv, "encrypting in the HSM");
    ByteView sealed = result.output.expose();
    if (sealed.size() != plaintext.size() + crypto::kGcmTagSize) {
        return fail(Code::unavailable, "the HSM gave {} bytes of ciphertext for {}", sealed.size(),
                    plaintext.size());
    }
    return GcmSealed{to_bytes(sealed.first(plaintext.size())),
                     to_bytes(sealed.subspan(plaintext.size()))};
}

Result<SecretBytes> HsmKey::gcm_open(ByteView nonce, ByteView aad, ByteView ciphertext,
                                     ByteView tag) const {
    TRY(require(HsmKeyKind::aes));
    TRY(check_nonce(nonce));
    if (tag.size() != crypto::kGcmTagSize) {
        return fail(Code::invalid, "AES-GCM has a tag of {} bytes", crypto::kGcmTagSize);
    }
    TRY(require_mechanism(*state_->token, CKM_AES_GCM));
    CK_GCM_PARAMS gcm = gcm_parameters(nonce, aad);
    Bytes sealed = to_bytes(ciphertext);
    append(sealed, tag);
    const CK_FUNCTION_LIST& api = state_->token->api();
    PassResult result = TRY(pass_through({api.C_DecryptInit, api.C_Decrypt}, *state_,
                                         {CKM_AES_GCM, &gcm, sizeof(gcm)}, sealed, sealed.size()));
    if (result.rv != CKR_OK) return fail_decryption(result.rv);
    if (result.output.size() != ciphertext.size()) return fail_decryption(CKR_GENERAL_ERROR);
    return std::move(result.output);
}

Result<Bytes> HsmKey::cbc_encrypt(ByteView iv, bool padded, ByteView plaintext) const {
    TRY(require(HsmKeyKind::aes));
    TRY(check_cbc(iv, !padded, plaintext));
    const CK_MECHANISM_TYPE type = padded ? CKM_AES_CBC_PAD : CKM_AES_CBC;
    TRY(require_mechanism(*state_->token, type));
    const CK_FUNCTION_LIST& api = state_->token->api();
    const PassResult result = TRY(pass_through({api.C_EncryptInit, api.C_Encrypt}, *state_,
                                               {type, mutable_bytes(iv), iv.size()}, plaintext,
                                               plaintext.size() + kAesBlock));
    if (result.rv != CKR_OK) return fail_pkcs11(result.rv, "encrypting in the HSM");
    return to_bytes(result.output.expose());
}

Result<SecretBytes> HsmKey::cbc_decrypt(ByteView iv, bool padded, ByteView ciphertext) const {
    TRY(require(HsmKeyKind::aes));
    TRY(check_cbc(iv, true, ciphertext));
    const CK_MECHANISM_TYPE type = padded ? CKM_AES_CBC_PAD : CKM_AES_CBC;
    TRY(require_mechanism(*state_->token, type));
    const CK_FUNCTION_LIST& api = state_->token->api();
    PassResult result =
        TRY(pass_through({api.C_DecryptInit, api.C_Decrypt}, *state_,
                         {type, mutable_bytes(iv), iv.size()}, ciphertext, ciphertext.size()));
    if (result.rv != CKR_OK) return fail_decryption(result.rv);
    return std::move(result.output);
}

// PKCS#11 wraps keys, not bytes: the caller's become a key of the session first.
Result<Bytes> HsmKey::kw_wrap(bool padded, ByteView key) const {
    TRY(require(HsmKeyKind::aes));
    const bool fits =
        padded ? !key.empty() : key.size() >= 2 * kSemiblock && key.size() % kSemiblock == 0;
    if (!fits || key.size() > kMaxWrapped) {
        return fail(Code::invalid, "a key of {} bytes cannot be wrapped in this form", key.size());
    }
    TRY(require_mechanism(*state_->token, wrap_mechanism(padded).mechanism));
    if (key.size() % kSemiblock != 0 && TRY(state_->token->wrap_form()) != WrapForm::exact) {
        return fail(Code::unsupported, "this HSM wraps keys of whole 8 bytes only");
    }
    const CK_FUNCTION_LIST& api = state_->token->api();
    Bytes out;
    const CK_RV rv =
        TRY(state_->with_key([&](CK_SESSION_HANDLE session, CK_OBJECT_HANDLE kek) -> CK_RV {
            SessionObject object(api, session);
            const CK_RV made = object.create_secret(CKK_GENERIC_SECRET, key, {}, true);
            if (made != CKR_OK) return made;
            return wrap_object(api, session, padded, kek, object.handle(), out);
        }));
    if (rv != CKR_OK) return fail_pkcs11(rv, "wrapping in the HSM");
    return out;
}

Result<SecretBytes> HsmKey::kw_unwrap(bool padded, ByteView wrapped) const {
    TRY(require(HsmKeyKind::aes));
    if (wrapped.size() < (padded ? 2 : 3) * kSemiblock || wrapped.size() % kSemiblock != 0 ||
        wrapped.size() > kMaxWrapped + kSemiblock) {
        return fail_decryption(CKR_WRAPPED_KEY_LEN_RANGE);
    }
    TRY(require_mechanism(*state_->token, wrap_mechanism(padded).mechanism));
    const CK_FUNCTION_LIST& api = state_->token->api();
    Bytes value;
    const CK_RV rv =
        TRY(state_->with_key([&](CK_SESSION_HANDLE session, CK_OBJECT_HANDLE kek) -> CK_RV {
            // The caller gets the value, so the token may tell it to us.
            Template attributes;
            attributes.number(CKA_CLASS, CKO_SECRET_KEY)
                .number(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                .flag(CKA_TOKEN, false)
                .flag(CKA_PRIVATE, true)
                .flag(CKA_SENSITIVE, false)
                .flag(CKA_EXTRACTABLE, true);
            CK_MECHANISM mechanism = wrap_mechanism(padded);
            CK_OBJECT_HANDLE made = 0;
            const CK_RV unwrapped =
                api.C_UnwrapKey(session, &mechanism, kek, mutable_bytes(wrapped), wrapped.size(),
                                attributes.data(), attributes.size(), &made);
            if (unwrapped != CKR_OK) return unwrapped;
            SessionObject object(api, session);
            object.adopt(made);
            return read_bytes(api, session, made, CKA_VALUE, value);
        }));
    if (rv != CKR_OK) return fail_decryption(rv);
    SecretBytes out = SecretBytes::copy_of(value);
    wipe(value);
    return out;
}

Result<Bytes> HsmKey::wrap_out(ByteView kek) const {
    if (kek.size() != kReleaseKekSize) {
        return fail(Code::invalid, "the key to wrap under has {} bytes", kReleaseKekSize);
    }
    if (!state_->releasable) {
        return fail(Code::forbidden,
                    "the key was made to stay in the HSM: make a new version of "
                    "it that is exportable");
    }
    const WrapForm form = TRY(state_->token->wrap_form());
    const CK_FUNCTION_LIST& api = state_->token->api();
    Bytes out;
    const CK_RV rv =
        TRY(state_->with_key([&](CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) -> CK_RV {
            SessionObject wrapping(api, session);
            const CK_RV made = wrapping.create_secret(CKK_AES, kek, {CKA_WRAP}, false);
            if (made != CKR_OK) return made;
            return wrap_object(api, session, true, wrapping.handle(), key, out);
        }));
    if (rv != CKR_OK) return fail_pkcs11(rv, "wrapping a key out of the HSM");
    if (form == WrapForm::zeros_counted) return count_right(state_->spec.kind, kek, out);
    return out;
}

}  // namespace vouchsafe::vault
