// Secrets that one TPM alone gives back, and the sessions in which they travel.
#include <tss2/tss2_mu.h>

#include <cstring>

#include "vouchsafe/device/tpm_stack.h"

namespace vouchsafe::device {

namespace {

// The storage key that everybody makes the same way (TCG TPM v2.0 Provisioning Guidance, 7.5.1;
// EK Credential Profile, template H-2 as for the SRK): nothing need be kept of it.
TPM2B_PUBLIC storage_template() {
    TPM2B_PUBLIC out{};
    TPMT_PUBLIC& area = out.publicArea;
    area.type = TPM2_ALG_ECC;
    area.nameAlg = TPM2_ALG_SHA256;
    area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                            TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                            TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
    TPMS_ECC_PARMS& ecc = area.parameters.eccDetail;
    ecc.symmetric.algorithm = TPM2_ALG_AES;
    ecc.symmetric.keyBits.aes = 128;
    ecc.symmetric.mode.aes = TPM2_ALG_CFB;
    ecc.scheme.scheme = TPM2_ALG_NULL;
    ecc.curveID = TPM2_ECC_NIST_P256;
    ecc.kdf.scheme = TPM2_ALG_NULL;
    area.unique.ecc.x.size = 32;  // zeros
    area.unique.ecc.y.size = 32;
    return out;
}

Result<Transient> make_storage_key(ESYS_CONTEXT* esys) {
    TPM2B_PUBLIC wanted = storage_template();
    TPM2B_SENSITIVE_CREATE sensitive{};
    TPM2B_DATA outside{};
    TPML_PCR_SELECTION no_pcrs{};
    ESYS_TR handle = ESYS_TR_NONE;
    TSS2_RC rc = Esys_CreatePrimary(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                    ESYS_TR_NONE, &sensitive, &wanted, &outside, &no_pcrs, &handle,
                                    nullptr, nullptr, nullptr, nullptr);
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "the TPM does not make its storage key");
    return Transient(esys, handle);
}

// A session salted with `key`: what `attributes` has encrypted is readable for that TPM alone. Of
// type HMAC it authorizes the storage key by its empty password.
Result<Transient> start_session(ESYS_CONTEXT* esys, ESYS_TR key, TPM2_SE type,
                                TPMA_SESSION attributes) {
    TPMT_SYM_DEF symmetric{};
    symmetric.algorithm = TPM2_ALG_AES;
    symmetric.keyBits.aes = 128;
    symmetric.mode.aes = TPM2_ALG_CFB;
    ESYS_TR handle = ESYS_TR_NONE;
    TSS2_RC rc =
        Esys_StartAuthSession(esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              nullptr, type, &symmetric, TPM2_ALG_SHA256, &handle);
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "the TPM does not start a session");
    Transient session(esys, handle);
    rc = Esys_TRSess_SetAttributes(esys, handle, TPMA_SESSION_CONTINUESESSION | attributes, 0xFF);
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot set up a TPM session");
    return session;
}

// policy_of is the digest of the policy that a session has satisfied so far.
Result<TPM2B_DIGEST> policy_of(ESYS_CONTEXT* esys, const Transient& session) {
    EsysPtr<TPM2B_DIGEST> digest;
    TSS2_RC rc = call<TPM2B_DIGEST>(digest, [&](auto** out) {
        return Esys_PolicyGetDigest(esys, session.handle(), ESYS_TR_NONE, ESYS_TR_NONE,
                                    ESYS_TR_NONE, out);
    });
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "the TPM does not tell a policy's digest");
    return *digest;
}

TPM2B_PUBLIC sealed_template(const TPM2B_DIGEST& policy) {
    TPM2B_PUBLIC out{};
    TPMT_PUBLIC& area = out.publicArea;
    area.type = TPM2_ALG_KEYEDHASH;
    area.nameAlg = TPM2_ALG_SHA256;
    area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA;
    area.authPolicy = policy;
    area.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
    return out;
}

Result<Bytes> marshal_private(const TPM2B_PRIVATE& area) {
    Bytes out(sizeof area);
    size_t size = 0;
    TSS2_RC rc = Tss2_MU_TPM2B_PRIVATE_Marshal(&area, out.data(), out.size(), &size);
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot encode a sealed object");
    out.resize(size);
    return out;
}

Result<Transient> load_sealed(ESYS_CONTEXT* esys, const Transient& parent,
                              const SealedSecret& sealed) {
    TPM2B_PUBLIC public_area{};
    TPM2B_PRIVATE private_area{};
    size_t public_used = 0, private_used = 0;
    TSS2_RC rc = Tss2_MU_TPM2B_PUBLIC_Unmarshal(
        sealed.public_area.data(), sealed.public_area.size(), &public_used, &public_area);
    TSS2_RC rc2 = Tss2_MU_TPM2B_PRIVATE_Unmarshal(
        sealed.private_area.data(), sealed.private_area.size(), &private_used, &private_area);
    if (rc != TSS2_RC_SUCCESS || rc2 != TSS2_RC_SUCCESS ||
        public_used != sealed.public_area.size() || private_used != sealed.private_area.size()) {
        return fail(Code::invalid, "what was sealed by a TPM is malformed");
    }
    ESYS_TR handle = ESYS_TR_NONE;
    rc = Esys_Load(esys, parent.handle(), ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                   &private_area, &public_area, &handle);
    if (is_tpm_error(rc, TPM2_RC_INTEGRITY) || is_tpm_error(rc, TPM2_RC_BINDING) ||
        is_tpm_error(rc, TPM2_RC_SIZE) || is_tpm_error(rc, TPM2_RC_ATTRIBUTES) ||
        is_tpm_error(rc, TPM2_RC_TYPE) || is_tpm_error(rc, TPM2_RC_HASH)) {
        return fail_tpm_as(Code::bad_evidence, rc,
                           "this was not sealed by this TPM as it is now (it was changed, the TPM "
                           "is another, or was cleared since)");
    }
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "the TPM does not load a sealed object");
    return Transient(esys, handle);
}

}  // namespace

Result<SealedSecret> Tpm::seal(std::span<const uint32_t> pcrs, ByteView secret) {
    if (!pcrs.empty()) TRY(check_pcr_numbers(pcrs));
    TPM2B_SENSITIVE_CREATE sensitive{};
    if (secret.empty() || secret.size() > kMaxSealed) {
        return fail(Code::invalid, "a TPM seals 1 to {} bytes, not {}", kMaxSealed, secret.size());
    }
    ESYS_CONTEXT* esys = impl_->esys;
    Transient parent = TRY(make_storage_key(esys));
    TPM2B_DIGEST policy{};
    {
        Transient session = TRY(start_policy_session(esys, parent.handle(), pcrs));
        policy = TRY(policy_of(esys, session));
    }
    Transient session =
        TRY(start_session(esys, parent.handle(), TPM2_SE_HMAC, TPMA_SESSION_DECRYPT));
    const TPM2B_PUBLIC wanted = sealed_template(policy);
    const TPM2B_DATA outside{};
    const TPML_PCR_SELECTION no_pcrs{};
    sensitive.sensitive.data.size = static_cast<UINT16>(secret.size());
    std::memcpy(sensitive.sensitive.data.buffer, secret.data(), secret.size());
    EsysPtr<TPM2B_PRIVATE> private_area;
    EsysPtr<TPM2B_PUBLIC> public_area;
    TSS2_RC rc = call<TPM2B_PRIVATE>(private_area, [&](auto** private_out) {
        return call<TPM2B_PUBLIC>(public_area, [&](auto** public_out) {
            return Esys_Create(esys, parent.handle(), session.handle(), ESYS_TR_NONE, ESYS_TR_NONE,
                               &sensitive, &wanted, &outside, &no_pcrs, private_out, public_out,
                               nullptr, nullptr, nullptr);
        });
    });
    wipe({reinterpret_cast<uint8_t*>(&sensitive), sizeof sensitive});
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "the TPM does not seal");
    SealedSecret out;
    out.public_area = TRY(marshal_public(*public_area));
    out.private_area = TRY(marshal_private(*private_area));
    return out;
}

Result<SecretBytes> Tpm::unseal(std::span<const uint32_t> pcrs, const SealedSecret& sealed) {
    if (!pcrs.empty()) TRY(check_pcr_numbers(pcrs));
    ESYS_CONTEXT* esys = impl_->esys;
    Transient parent = TRY(make_storage_key(esys));
    Transient object = TRY(load_sealed(esys, parent, sealed));
    Transient session = TRY(start_policy_session(esys, parent.handle(), pcrs));
    // Only the answer is encrypted: the command has nothing that could be.
    TSS2_RC rc = Esys_TRSess_SetAttributes(
        esys, session.handle(), TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_ENCRYPT, 0xFF);
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot set up a TPM session");
    EsysPtr<TPM2B_SENSITIVE_DATA> plain;
    rc = call<TPM2B_SENSITIVE_DATA>(plain, [&](auto** out) {
        return Esys_Unseal(esys, object.handle(), session.handle(), ESYS_TR_NONE, ESYS_TR_NONE,
                           out);
    });
    if (is_tpm_error(rc, TPM2_RC_POLICY_FAIL)) {
        return fail_tpm_as(Code::bad_evidence, rc,
                           "the TPM gives this back only while its PCRs are as when it was sealed, "
                           "and under the same choice of them");
    }
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "the TPM does not unseal");
    SecretBytes out = SecretBytes::copy_of(view_of(plain->buffer, plain->size));
    wipe({plain->buffer, sizeof(plain->buffer)});
    overwrite_last_answer(esys);
    return out;
}

Result<Transient> start_policy_session(ESYS_CONTEXT* esys, ESYS_TR key,
                                       std::span<const uint32_t> pcrs) {
    Transient session =
        TRY(start_session(esys, key, TPM2_SE_POLICY, TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT));
    TPML_PCR_SELECTION selection = make_selection(crypto::HashAlg::sha256, pcrs);
    TPM2B_DIGEST present_values{};  // empty: the TPM takes the registers as they are
    TSS2_RC rc = Esys_PolicyPCR(esys, session.handle(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                &present_values, &selection);
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "the TPM refuses the policy of its PCRs");
    return session;
}

void overwrite_last_answer(ESYS_CONTEXT* esys) {
    TPM2B_MAX_BUFFER zeros{};
    zeros.size = 512;
    EsysPtr<TPM2B_DIGEST> digest;
    EsysPtr<TPMT_TK_HASHCHECK> ticket;
    call<TPM2B_DIGEST>(digest, [&](auto** digest_out) {
        return call<TPMT_TK_HASHCHECK>(ticket, [&](auto** ticket_out) {
            return Esys_Hash(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &zeros,
                             TPM2_ALG_SHA256, ESYS_TR_RH_NULL, digest_out, ticket_out);
        });
    });
}

}  // namespace vouchsafe::device
