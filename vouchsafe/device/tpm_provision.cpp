// What the lab does to a new software TPM, as Azure's paravisor does it (local-cvm 2.1).
#include <algorithm>
#include <cstring>
#include <numeric>

#include "vouchsafe/crypto/random.h"
#include "vouchsafe/device/tpm_stack.h"

namespace vouchsafe::device {

namespace {

// fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, restricted, sign.
constexpr TPMA_OBJECT kAkAttributes = 0x00050472;
// authwrite, ownerread, authread, no_da, platformcreate.
constexpr TPMA_NV kNvAttributes = 0x42060004;
constexpr size_t kNvPiece = 1024;

TPM2B_PUBLIC ak_template() {
    TPM2B_PUBLIC out{};
    TPMT_PUBLIC& area = out.publicArea;
    area.type = TPM2_ALG_RSA;
    area.nameAlg = TPM2_ALG_SHA256;
    area.objectAttributes = kAkAttributes;
    area.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
    area.parameters.rsaDetail.scheme.scheme = TPM2_ALG_RSASSA;
    area.parameters.rsaDetail.scheme.details.rsassa.hashAlg = TPM2_ALG_SHA256;
    area.parameters.rsaDetail.keyBits = 2048;
    area.parameters.rsaDetail.exponent = 0;
    area.unique.rsa.size = 256;  // zeros
    return out;
}

}  // namespace

Result<Bytes> Tpm::create_ak(uint32_t handle) {
    ESYS_CONTEXT* esys = impl_->esys;
    auto old = impl_->object(handle, "old key");
    if (!old && old.error().code != Code::not_found) return fail(std::move(old.error()));
    if (old) {
        ESYS_TR none = ESYS_TR_NONE;
        TSS2_RC rc = Esys_EvictControl(esys, ESYS_TR_RH_OWNER, *old, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                       ESYS_TR_NONE, handle, &none);
        if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot remove the old attestation key");
    }
    TPM2B_PUBLIC wanted = ak_template();
    TPM2B_SENSITIVE_CREATE sensitive{};
    TPM2B_DATA outside{};
    TPML_PCR_SELECTION no_pcrs{};
    ESYS_TR made = ESYS_TR_NONE;
    EsysPtr<TPM2B_PUBLIC> area;
    TSS2_RC rc = call<TPM2B_PUBLIC>(area, [&](auto** out) {
        return Esys_CreatePrimary(esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                  ESYS_TR_NONE, &sensitive, &wanted, &outside, &no_pcrs, &made, out,
                                  nullptr, nullptr, nullptr);
    });
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot make the attestation key");
    Transient key(esys, made);
    ESYS_TR persistent = ESYS_TR_NONE;
    rc = Esys_EvictControl(esys, ESYS_TR_RH_OWNER, key.handle(), ESYS_TR_PASSWORD, ESYS_TR_NONE,
                           ESYS_TR_NONE, handle, &persistent);
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot make the attestation key persistent");
    return marshal_public(*area);
}

Result<void> Tpm::nv_provision(uint32_t index, ByteView content, size_t size) {
    if (content.size() > size || size > UINT16_MAX) {
        return fail(Code::invalid, "{} bytes do not fit into an NV index of {}", content.size(),
                    size);
    }
    ESYS_CONTEXT* esys = impl_->esys;
    auto old = impl_->object(index, "old index");
    if (!old && old.error().code != Code::not_found) return fail(std::move(old.error()));
    if (old) {
        TSS2_RC rc = Esys_NV_UndefineSpace(esys, ESYS_TR_RH_PLATFORM, *old, ESYS_TR_PASSWORD,
                                           ESYS_TR_NONE, ESYS_TR_NONE);
        if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot remove the old NV index");
    }
    // Only the platform writes; nobody needs to know the password afterwards.
    TPM2B_AUTH password{};
    password.size = 32;
    crypto::fill_random({password.buffer, password.size});
    TPM2B_NV_PUBLIC area{};
    area.nvPublic.nvIndex = index;
    area.nvPublic.nameAlg = TPM2_ALG_SHA256;
    area.nvPublic.attributes = kNvAttributes;
    area.nvPublic.dataSize = static_cast<UINT16>(size);
    ESYS_TR handle = ESYS_TR_NONE;
    TSS2_RC rc = Esys_NV_DefineSpace(esys, ESYS_TR_RH_PLATFORM, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                     ESYS_TR_NONE, &password, &area, &handle);
    if (is_tpm_error(rc, TPM2_RC_SIZE)) {
        return fail_tpm_as(Code::unsupported, rc,
                           fmt::format("the TPM has no NV index of {} bytes", size));
    }
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot define an NV index");

    Bytes padded = to_bytes(content);
    padded.resize(size, 0);
    for (size_t offset = 0; offset < size; offset += kNvPiece) {
        TPM2B_MAX_NV_BUFFER part{};
        part.size = static_cast<UINT16>(std::min(kNvPiece, size - offset));
        std::memcpy(part.buffer, padded.data() + offset, part.size);
        rc = Esys_NV_Write(esys, handle, handle, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                           &part, static_cast<UINT16>(offset));
        if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot write an NV index");
    }
    return {};
}

Result<void> Tpm::pcr_extend(uint32_t pcr, std::span<const PcrDigest> digests) {
    TRY(check_pcr_numbers({&pcr, 1}));
    TPML_DIGEST_VALUES values{};
    if (digests.empty() || digests.size() > std::size(values.digests)) {
        return fail(Code::invalid, "{} digests for one PCR", digests.size());
    }
    for (const PcrDigest& digest : digests) {
        if (digest.digest.size() != crypto::hash_size(digest.bank)) {
            return fail(Code::invalid, "a digest of {} bytes for bank {}", digest.digest.size(),
                        evidence::tpm_hash_label(digest.bank));
        }
        TPMT_HA& value = values.digests[values.count++];
        value.hashAlg = evidence::tpm_alg_from_hash(digest.bank);
        std::memcpy(&value.digest, digest.digest.data(), digest.digest.size());
    }
    TSS2_RC rc = Esys_PCR_Extend(impl_->esys, ESYS_TR_PCR0 + pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                 ESYS_TR_NONE, &values);
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, fmt::format("cannot extend PCR {}", pcr));
    return {};
}

Result<void> Tpm::pcr_allocate(crypto::HashAlg bank) {
    constexpr uint32_t kRegisters = 24;
    std::vector<uint32_t> all(kRegisters);
    std::iota(all.begin(), all.end(), 0);
    TPML_PCR_SELECTION wanted{};
    // What is not named keeps its registers, so every bank is named.
    for (auto each : {crypto::HashAlg::sha1, crypto::HashAlg::sha256, crypto::HashAlg::sha384,
                      crypto::HashAlg::sha512}) {
        const std::span<const uint32_t> registers =
            each == bank ? std::span<const uint32_t>(all) : std::span<const uint32_t>();
        wanted.pcrSelections[wanted.count++] = make_selection(each, registers).pcrSelections[0];
    }
    TPMI_YES_NO done = TPM2_NO;
    UINT32 most = 0, needed = 0, free = 0;
    TSS2_RC rc = Esys_PCR_Allocate(impl_->esys, ESYS_TR_RH_PLATFORM, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                   ESYS_TR_NONE, &wanted, &done, &most, &needed, &free);
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot choose the banks of registers");
    if (done != TPM2_YES) return fail(Code::unsupported, "the TPM cannot keep that bank alone");
    return {};
}

}  // namespace vouchsafe::device
