#include "vouchsafe/device/tpm.h"

#include <sys/stat.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "vouchsafe/device/tpm_stack.h"

namespace vouchsafe::device {

namespace {

constexpr size_t kMaxNvPiece = 1024;  // Azure's vTPM and libtpms: NV_BUFFER_MAX
constexpr uint32_t kLayerMask = TSS2_RC_LAYER_MASK;

// The kernel's and the user's resource managers pass a TPM's answer on under their own layer.
bool from_tpm(TSS2_RC rc) {
    uint32_t layer = rc & kLayerMask;
    return layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_TPM_RC_LAYER;
}

Code code_of(TSS2_RC rc) {
    uint32_t layer = rc & kLayerMask;
    uint32_t base = rc & ~kLayerMask;
    if (layer == TSS2_TCTI_RC_LAYER) return Code::unavailable;
    if (from_tpm(rc)) return Code::unavailable;
    // A layer of the stack: an answer it could not read, or our mistake.
    if (base == TSS2_BASE_RC_MALFORMED_RESPONSE || base == TSS2_BASE_RC_INSUFFICIENT_RESPONSE ||
        base == TSS2_BASE_RC_RSP_AUTH_FAILED) {
        return Code::io;
    }
    return Code::internal;
}

Result<void> check_device(const std::string& path) {
    if (::access(path.c_str(), F_OK) != 0) {
        return fail(Code::unavailable, "there is no TPM at {}: {}", path, std::strerror(errno));
    }
    if (::access(path.c_str(), R_OK | W_OK) != 0) {
        return fail(Code::forbidden,
                    "the TPM {} may not be used by this user ({}); join the group \"tss\"", path,
                    std::strerror(errno));
    }
    return {};
}

Result<void> check_socket(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        return fail(Code::unavailable, "there is no software TPM at {}: {}", path,
                    std::strerror(errno));
    }
    if (!S_ISSOCK(info.st_mode)) {
        return fail(Code::invalid, "{} is no socket of a software TPM", path);
    }
    return {};
}

Result<void> check_tcti(std::string_view tcti) {
    constexpr std::string_view kDevice = "device:";
    constexpr std::string_view kSwtpm = "swtpm:path=";
    if (tcti.starts_with(kDevice)) return check_device(std::string(tcti.substr(kDevice.size())));
    if (tcti.starts_with(kSwtpm)) return check_socket(std::string(tcti.substr(kSwtpm.size())));
    return fail(Code::invalid, "\"{}\" names no TPM; it is \"device:PATH\" or \"swtpm:path=PATH\"",
                tcti);
}

void silence_stack() {
    static std::once_flag once;
    std::call_once(once, [] { ::setenv("TSS2_LOG", "all+none", 0); });
}

}  // namespace

tl::unexpected<Error> fail_tpm_as(Code code, TSS2_RC rc, std::string_view what) {
    return fail(code, "{}: {} (0x{:x})", what, Tss2_RC_Decode(rc), rc);
}

tl::unexpected<Error> fail_tpm(TSS2_RC rc, std::string_view what) {
    return fail_tpm_as(code_of(rc), rc, what);
}

bool is_tpm_error(TSS2_RC rc, TPM2_RC error) {
    if (!from_tpm(rc)) return false;
    uint32_t base = rc & ~kLayerMask;
    // Format one carries the number of the handle, parameter or session in bits 6 and 8 to 11.
    constexpr uint32_t kFormatOneError = TPM2_RC_FMT1 | 0x3F;
    if ((base & TPM2_RC_FMT1) != 0) return (base & kFormatOneError) == error;
    return base == error;
}

Result<void> check_pcr_numbers(std::span<const uint32_t> pcrs) {
    constexpr uint32_t kPcrCount = 24;  // PC Client TPMs
    if (pcrs.empty()) return fail(Code::invalid, "no PCR was named");
    for (uint32_t pcr : pcrs) {
        if (pcr >= kPcrCount) return fail(Code::invalid, "there is no PCR {}", pcr);
    }
    return {};
}

TPML_PCR_SELECTION make_selection(crypto::HashAlg bank, std::span<const uint32_t> pcrs) {
    TPML_PCR_SELECTION out{};
    out.count = 1;
    out.pcrSelections[0].hash = evidence::tpm_alg_from_hash(bank);
    out.pcrSelections[0].sizeofSelect = 3;
    for (uint32_t pcr : pcrs) {
        out.pcrSelections[0].pcrSelect[pcr / 8] |= static_cast<uint8_t>(1u << (pcr % 8));
    }
    return out;
}

Tpm::Impl::~Impl() {
    if (esys != nullptr) Esys_Finalize(&esys);
    if (tcti != nullptr) Tss2_TctiLdr_Finalize(&tcti);
}

Tpm::Tpm(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tpm::~Tpm() = default;
Tpm::Tpm(Tpm&&) noexcept = default;
Tpm& Tpm::operator=(Tpm&&) noexcept = default;

Result<Tpm> Tpm::open(std::string_view tcti) {
    TRY(check_tcti(tcti));
    silence_stack();
    auto impl = std::make_unique<Impl>();
    std::string config(tcti);
    TSS2_RC rc = Tss2_TctiLdr_Initialize(config.c_str(), &impl->tcti);
    if (rc == TSS2_TCTI_RC_NOT_SUPPORTED) {  // there is no library for this kind
        return fail(Code::unavailable, "a TPM at {} needs the package libtss2-tcti-{}0", tcti,
                    tcti.substr(0, tcti.find(':')));
    }
    if (rc != TSS2_RC_SUCCESS) {
        return fail_tpm_as(Code::unavailable, rc, fmt::format("no TPM answers at {}", tcti));
    }
    rc = Esys_Initialize(&impl->esys, impl->tcti, nullptr);
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot start the TPM's software stack");
    return Tpm(std::move(impl));
}

Result<ESYS_TR> Tpm::Impl::object(uint32_t handle, std::string_view name) {
    ESYS_TR out = ESYS_TR_NONE;
    TSS2_RC rc =
        Esys_TR_FromTPMPublic(esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &out);
    if (rc == TSS2_RC_SUCCESS) return out;
    // Only this answer means that it does not exist: all others may pass.
    if (is_tpm_error(rc, TPM2_RC_HANDLE)) {
        return fail_tpm_as(Code::not_found, rc, fmt::format("this TPM has no {}", name));
    }
    return fail_tpm(rc, fmt::format("cannot look up {} in the TPM", name));
}

namespace {

std::string nv_name(uint32_t index) {
    if (index == kNvHclReport) {
        return "HCL report (NV index 0x01400001): it is not an Azure confidential VM, or its "
               "paravisor gave it none";
    }
    if (index == kNvAkCertificate) return "AK certificate (NV index 0x01C101D0)";
    return fmt::format("NV index 0x{:08X}", index);
}

}  // namespace

Result<size_t> Tpm::Impl::nv_buffer_size() {
    TPMI_YES_NO more = TPM2_NO;
    EsysPtr<TPMS_CAPABILITY_DATA> data;
    TSS2_RC rc = call<TPMS_CAPABILITY_DATA>(data, [&](auto** out) {
        return Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                  TPM2_CAP_TPM_PROPERTIES, TPM2_PT_NV_BUFFER_MAX, 1, &more, out);
    });
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot read the TPM's properties");
    const auto& list = data->data.tpmProperties;
    size_t size = kMaxNvPiece;
    if (data->capability == TPM2_CAP_TPM_PROPERTIES && list.count == 1 &&
        list.tpmProperty[0].property == TPM2_PT_NV_BUFFER_MAX) {
        size = list.tpmProperty[0].value;
    }
    return std::clamp<size_t>(size, 64, kMaxNvPiece);
}

Result<Bytes> Tpm::nv_read(uint32_t index) {
    std::string name = nv_name(index);
    ESYS_TR handle = TRY(impl_->object(index, name));
    EsysPtr<TPM2B_NV_PUBLIC> info;
    TSS2_RC rc = call<TPM2B_NV_PUBLIC>(info, [&](auto** out) {
        return Esys_NV_ReadPublic(impl_->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                  out, nullptr);
    });
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot read the size of the " + name);
    size_t size = info->nvPublic.dataSize;
    size_t piece = TRY(impl_->nv_buffer_size());

    Bytes content;
    content.reserve(size);
    while (content.size() < size) {
        EsysPtr<TPM2B_MAX_NV_BUFFER> part;
        rc = call<TPM2B_MAX_NV_BUFFER>(part, [&](auto** out) {
            return Esys_NV_Read(impl_->esys, ESYS_TR_RH_OWNER, handle, ESYS_TR_PASSWORD,
                                ESYS_TR_NONE, ESYS_TR_NONE,
                                static_cast<UINT16>(std::min(piece, size - content.size())),
                                static_cast<UINT16>(content.size()), out);
        });
        if (is_tpm_error(rc, TPM2_RC_NV_UNINITIALIZED)) {
            return fail_tpm_as(Code::unavailable, rc,
                               fmt::format("NV index 0x{:08X} exists but was never written: this "
                                           "machine is not fully provisioned",
                                           index));
        }
        if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot read the " + name);
        if (part->size == 0 || part->size > size - content.size()) {
            return fail(Code::io, "the TPM gave {} bytes of NV index 0x{:08X} where {} were left",
                        part->size, index, size - content.size());
        }
        append(content, view_of(part->buffer, part->size));
    }
    return content;
}

Result<Bytes> Tpm::read_public(uint32_t handle) {
    std::string name = fmt::format("key 0x{:08X}", handle);
    ESYS_TR object = TRY(impl_->object(handle, name));
    EsysPtr<TPM2B_PUBLIC> area;
    TSS2_RC rc = call<TPM2B_PUBLIC>(area, [&](auto** out) {
        return Esys_ReadPublic(impl_->esys, object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, out,
                               nullptr, nullptr);
    });
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot read the public part of " + name);
    return marshal_public(*area);
}

Result<Bytes> marshal_public(const TPM2B_PUBLIC& area) {
    Bytes out(sizeof(TPM2B_PUBLIC));
    size_t size = 0;
    TSS2_RC rc = Tss2_MU_TPM2B_PUBLIC_Marshal(&area, out.data(), out.size(), &size);
    if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot encode a public area");
    out.resize(size);
    return out;
}

Result<evidence::PcrBank> Tpm::read_pcrs(std::span<const uint32_t> pcrs, crypto::HashAlg bank) {
    TRY(check_pcr_numbers(pcrs));
    evidence::PcrBank out{bank, {}};
    std::vector<uint32_t> wanted(pcrs.begin(), pcrs.end());
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    size_t done = 0;
    // One call returns at most eight registers (part 3, TPM2_PCR_Read).
    while (done < wanted.size()) {
        TPML_PCR_SELECTION selection = make_selection(bank, std::span(wanted).subspan(done));
        EsysPtr<TPML_PCR_SELECTION> selected;
        EsysPtr<TPML_DIGEST> values;
        TSS2_RC rc = call<TPML_PCR_SELECTION>(selected, [&](auto** selected_out) {
            return call<TPML_DIGEST>(values, [&](auto** values_out) {
                return Esys_PCR_Read(impl_->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                     &selection, nullptr, selected_out, values_out);
            });
        });
        if (rc != TSS2_RC_SUCCESS) return fail_tpm(rc, "cannot read the TPM's PCRs");
        size_t count = values->count;
        if (count == 0) {
            return fail(Code::unsupported, "this TPM has no active PCR bank {}",
                        evidence::tpm_hash_label(bank));
        }
        TPML_PCR_SELECTION expected = make_selection(
            bank, std::span(wanted).subspan(done, std::min(count, wanted.size() - done)));
        if (count > wanted.size() - done || selected->count != 1 ||
            selected->pcrSelections[0].hash != expected.pcrSelections[0].hash ||
            std::memcmp(selected->pcrSelections[0].pcrSelect, expected.pcrSelections[0].pcrSelect,
                        3) != 0) {
            return fail(Code::io, "the TPM answered with other PCRs than it was asked for");
        }
        for (size_t i = 0; i < count; ++i, ++done) {
            const TPM2B_DIGEST& digest = values->digests[i];
            if (digest.size != crypto::hash_size(bank)) {
                return fail(Code::io, "the TPM gave a PCR of {} bytes", digest.size);
            }
            out.values[wanted[done]] = to_bytes(view_of(digest.buffer, digest.size));
        }
    }
    return out;
}

}  // namespace vouchsafe::device
