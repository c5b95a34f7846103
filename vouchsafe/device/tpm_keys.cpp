// Quotes, and the ephemeral key of guest-protocol 1.3.
#include <tss2/tss2_mu.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "vouchsafe/device/tpm_stack.h"
#include "vouchsafe/evidence/tpm/quote.h"

namespace vouchsafe::device {

namespace {

constexpr int kQuoteTries = 4;

Result<Bytes> rsa_signature(const TPMT_SIGNATURE& signature) {
    const TPM2B_PUBLIC_KEY_RSA* value = nullptr;
    if (signature.sigAlg == TPM2_ALG_RSASSA) value = &signature.signature.rsassa.sig;
    if (signature.sigAlg == TPM2_ALG_RSAPSS) value = &signature.signature.rsapss.sig;
    if (value == nullptr) {
        return fail(Code::unsupported, "the TPM's attestation key is no RSA key (scheme 0x{:04x})",
                    signature.sigAlg);
    }
    return to_bytes(view_of(value->buffer, value->size));
}

Bytes attest_bytes(const TPM2B_ATTEST& attest) {
    return to_bytes(view_of(attest.attestationData, attest.size));
}

const TPMT_SIG_SCHEME kKeysOwnScheme{TPM2_ALG_NULL, {}};

TPM2B_PUBLIC ephemeral_template(ByteView policy) {
    TPM2B_PUBLIC out{};
    TPMT_PUBLIC& area = out.publicArea;
    area.type = TPM2_ALG_RSA;
    area.nameAlg = TPM2_ALG_SHA256;
    area.objectAttributes = evidence::kEphemeralKeyAttributes;
    area.authPolicy.size = static_cast<UINT16>(policy.size());
    std::memcpy(area.authPolicy.buffer, policy.data(), policy.size());
    area.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
    area.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
    area.parameters.rsaDetail.keyBits = 2048;
    area.parameters.rsaDetail.exponent = 0;
    area.unique.rsa.size = 256;  // zeros
    return out;
}

}  // namespace

Result<Quote> Tpm::quote(uint32_t handle, std::span<const uint32_t> pcrs, ByteView nonce) {
    TPM2B_DATA qualifying{};
    if (nonce.size() > sizeof(qualifying.buffer)) {
        return fail(Code::invalid, "a nonce for a quote has at most {} bytes, not {}",
                    sizeof(qualifying.buffer), nonce.size());
    }
    qualifying.size = static_cast<UINT16>(nonce.size());
    std::copy(nonce.begin(), nonce.end(), qualifying.buffer);
    TRY(check_pcr_numbers(pcrs));
    ESYS_TR key = TRY(impl_->object(handle, fmt::format("key 0x{:08X}", handle)));
    TPML_PCR_SELECTION selection = make_selection(crypto::HashAlg::sha256, pcrs);

    // Values are read apart from the quote: if a register changed in between, do it again.
    for (int i = 0; i < kQuoteTries; ++i) {
        Quote out;
        out.values = TRY(read_pcrs(pcrs));
        EsysPtr<TPM2B_ATTEST> attest;
        EsysPtr<TPMT_SIGNATURE> signature;
        TSS2_RC rc = call<TPM2B_ATTEST>(attest, [&](auto** attest_out) {
            return call<TPMT_SIGNATURE>(signature, [&](auto** signature_out) {
                return Esys_Quote(impl_->esys, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                  &qualifying, &kKeysOwnScheme, &selection, attest_out,
                                  signature_out);
            });
        });
        if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "the TPM does not quote its PCRs");
        out.attest = attest_bytes(*attest);
        out.signature = TRY(rsa_signature(*signature));
        auto parsed = TRY(evidence::TpmAttest::parse(out.attest));
        auto hash = evidence::hash_from_tpm_alg(signature->signature.any.hashAlg);
        if (!hash) return fail(Code::unsupported, "the TPM quotes with an unknown hash");
        Bytes digest = TRY(evidence::pcr_digest(*hash, parsed.pcr_selection, {&out.values, 1}));
        if (equal(digest, parsed.pcr_digest)) return out;
    }
    return fail(Code::unavailable, "the TPM's PCRs changed during {} quotes in a row", kQuoteTries);
}

Result<Tpm::Impl::EphemeralKey> Tpm::Impl::make_ephemeral_key(Tpm& tpm,
                                                              std::span<const uint32_t> pcrs) {
    evidence::PcrBank values = TRY(tpm.read_pcrs(pcrs));
    evidence::PcrSelection selected{evidence::PcrBankSelection::of(crypto::HashAlg::sha256, pcrs)};
    Bytes policy =
        TRY(evidence::pcr_policy_digest(crypto::HashAlg::sha256, selected, {&values, 1}));
    if (auto loaded = reload_ephemeral_key(policy)) return std::move(*loaded);
    return create_ephemeral_key(policy);
}

std::optional<Tpm::Impl::EphemeralKey> Tpm::Impl::reload_ephemeral_key(ByteView policy) {
    if (!saved_key || !equal(saved_key->policy, policy)) return std::nullopt;
    ESYS_TR handle = ESYS_TR_NONE;
    // A TPM that was reset since refuses the context, and would make another key.
    if (Esys_ContextLoad(esys, saved_key->context.get(), &handle) != TSS2_RC_SUCCESS) {
        saved_key.reset();
        return std::nullopt;
    }
    return EphemeralKey{Transient(esys, handle), saved_key->public_area};
}

Result<Tpm::Impl::EphemeralKey> Tpm::Impl::create_ephemeral_key(ByteView policy) {
    TPM2B_PUBLIC wanted = ephemeral_template(policy);
    TPM2B_SENSITIVE_CREATE sensitive{};
    TPM2B_DATA outside{};
    TPML_PCR_SELECTION no_pcrs{};
    ESYS_TR handle = ESYS_TR_NONE;
    EsysPtr<TPM2B_PUBLIC> made;
    TSS2_RC rc = call<TPM2B_PUBLIC>(made, [&](auto** out) {
        return Esys_CreatePrimary(esys, ESYS_TR_RH_NULL, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                  ESYS_TR_NONE, &sensitive, &wanted, &outside, &no_pcrs, &handle,
                                  out, nullptr, nullptr, nullptr);
    });
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "the TPM does not make its ephemeral key");
    Transient key(esys, handle);
    Bytes public_area = TRY(marshal_public(*made));
    EphemeralKey out{std::move(key), std::move(public_area)};
    EsysPtr<TPMS_CONTEXT> context;
    rc = call<TPMS_CONTEXT>(context,
                            [&](auto** saved) { return Esys_ContextSave(esys, handle, saved); });
    if (rc == TSS2_RC_SUCCESS) {
        saved_key.emplace(SavedKey{to_bytes(policy), out.public_area, std::move(context)});
    }
    return out;
}

Result<CertifiedKey> Tpm::certify_ephemeral_key(std::span<const uint32_t> pcrs,
                                                uint32_t ak_handle) {
    ESYS_TR ak = TRY(impl_->object(ak_handle, fmt::format("key 0x{:08X}", ak_handle)));
    auto ephemeral = TRY(impl_->make_ephemeral_key(*this, pcrs));
    TPM2B_DATA qualifying{};
    EsysPtr<TPM2B_ATTEST> attest;
    EsysPtr<TPMT_SIGNATURE> signature;
    TSS2_RC rc = call<TPM2B_ATTEST>(attest, [&](auto** attest_out) {
        return call<TPMT_SIGNATURE>(signature, [&](auto** signature_out) {
            return Esys_Certify(impl_->esys, ephemeral.key.handle(), ak, ESYS_TR_PASSWORD,
                                ESYS_TR_PASSWORD, ESYS_TR_NONE, &qualifying, &kKeysOwnScheme,
                                attest_out, signature_out);
        });
    });
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "the TPM does not certify its ephemeral key");
    Bytes signed_value = TRY(rsa_signature(*signature));
    return CertifiedKey{std::move(ephemeral.public_area), attest_bytes(*attest),
                        std::move(signed_value)};
}

namespace {

// TPM2_RSA_Decrypt (part 3, 14.3) answers VALUE for a number above the modulus, SIZE and VALUE for
// what does not decode.
bool is_refused_ciphertext(TSS2_RC rc) {
    return is_tpm_error(rc, TPM2_RC_VALUE) || is_tpm_error(rc, TPM2_RC_SIZE);
}

}  // namespace

Result<SecretBytes> Tpm::ephemeral_decrypt(std::span<const uint32_t> pcrs, DecryptScheme scheme,
                                           ByteView ciphertext) {
    constexpr size_t kModulusSize = 256;
    if (ciphertext.size() != kModulusSize) {
        return fail(Code::bad_evidence, "{} bytes are no ciphertext for the TPM's RSA-2048 key",
                    ciphertext.size());
    }
    auto ephemeral = TRY(impl_->make_ephemeral_key(*this, pcrs));
    Transient session = TRY(start_policy_session(impl_->esys, ephemeral.key.handle(), pcrs));

    TPM2B_PUBLIC_KEY_RSA input{};
    input.size = static_cast<UINT16>(ciphertext.size());
    std::copy(ciphertext.begin(), ciphertext.end(), input.buffer);
    TPMT_RSA_DECRYPT how{};
    how.scheme = scheme == DecryptScheme::rsaes ? TPM2_ALG_RSAES : TPM2_ALG_OAEP;
    how.details.oaep.hashAlg = TPM2_ALG_SHA256;
    TPM2B_DATA no_label{};
    EsysPtr<TPM2B_PUBLIC_KEY_RSA> plain;
    TSS2_RC rc = call<TPM2B_PUBLIC_KEY_RSA>(plain, [&](auto** out) {
        return Esys_RSA_Decrypt(impl_->esys, ephemeral.key.handle(), session.handle(), ESYS_TR_NONE,
                                ESYS_TR_NONE, &input, &how, &no_label, out);
    });
    if (is_refused_ciphertext(rc) ||
        // libtpms says "failure" of wrong padding, as of a TPM that is broken and does nothing
        // more.
        (is_tpm_error(rc, TPM2_RC_FAILURE) && read_pcrs(pcrs))) {
        return fail_tpm_as(Code::bad_evidence, rc,
                           "the TPM cannot open this with the key of its present state (if a PCR "
                           "was extended or the machine restarted since, attest again)");
    }
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "the TPM does not decrypt");
    SecretBytes out = SecretBytes::copy_of(view_of(plain->buffer, plain->size));
    wipe({plain->buffer, sizeof(plain->buffer)});
    overwrite_last_answer(impl_->esys);
    return out;
}

}  // namespace vouchsafe::device
