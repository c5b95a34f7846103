// Private to device/tpm*.cpp: the one place where the TPM2 Software Stack's types are seen.
#pragma once

#include <tss2/tss2_esys.h>

#include <memory>
#include <string_view>

#include "vouchsafe/device/tpm.h"

namespace vouchsafe::device {

// fail_tpm turns a response code of any layer of the stack into an error: our sentence, then the
// stack's own words.
tl::unexpected<Error> fail_tpm(TSS2_RC rc, std::string_view what);
// fail_tpm_as is the same with a code that the caller knows better.
tl::unexpected<Error> fail_tpm_as(Code code, TSS2_RC rc, std::string_view what);

// is_tpm_error tells whether the TPM itself answered with the format-one or format-zero error
// `error` (TPM 2.0 Library, part 2, 6.6), whatever handle, parameter or session it was for.
bool is_tpm_error(TSS2_RC rc, TPM2_RC error);

// Memory that the stack allocated.
struct EsysFree {
    void operator()(void* pointer) const { Esys_Free(pointer); }
};
template <typename T>
using EsysPtr = std::unique_ptr<T, EsysFree>;

// call runs a function of the stack whose last argument is a T**, and owns what comes out.
template <typename T, typename Function>
TSS2_RC call(EsysPtr<T>& out, Function&& function) {
    T* raw = nullptr;
    TSS2_RC rc = function(&raw);
    out.reset(raw);
    return rc;
}

inline ByteView view_of(const uint8_t* data, size_t size) {
    return {data, size};
}

Result<Bytes> marshal_public(const TPM2B_PUBLIC& area);
TPML_PCR_SELECTION make_selection(crypto::HashAlg bank, std::span<const uint32_t> pcrs);
Result<void> check_pcr_numbers(std::span<const uint32_t> pcrs);

// Transient is a loaded object or session; the TPM has room for three, so it is flushed always.
class Transient {
  public:
    Transient(ESYS_CONTEXT* esys, ESYS_TR handle) : esys_(esys), handle_(handle) {}
    ~Transient() {
        if (handle_ != ESYS_TR_NONE) Esys_FlushContext(esys_, handle_);
    }
    Transient(Transient&& other) noexcept
        : esys_(other.esys_), handle_(std::exchange(other.handle_, ESYS_TR_NONE)) {}
    Transient& operator=(Transient&&) = delete;
    ESYS_TR handle() const { return handle_; }

  private:
    ESYS_CONTEXT* esys_;
    ESYS_TR handle_;
};

// start_policy_session starts a session that satisfies the policy of `pcrs` as they are. It is
// salted with `key`: the salt, and with it all that goes over the wire in this session, can be read
// only by the TPM that holds that key.
Result<Transient> start_policy_session(ESYS_CONTEXT* esys, ESYS_TR key,
                                       std::span<const uint32_t> pcrs);
// overwrite_last_answer: the stack keeps the last answer in a buffer that it frees without wiping.
// A command larger than any decrypted block overwrites it.
void overwrite_last_answer(ESYS_CONTEXT* esys);

struct Tpm::Impl {
    ~Impl();
    TSS2_TCTI_CONTEXT* tcti = nullptr;
    ESYS_CONTEXT* esys = nullptr;

    // object makes the stack know a persistent key or an NV index; `name` is for the error.
    Result<ESYS_TR> object(uint32_t handle, std::string_view name);

    struct EphemeralKey {
        Transient key;
        Bytes public_area;  // TPM2B_PUBLIC
    };
    // make_ephemeral_key loads the key that belongs to the registers' present values. The TPM looks
    // for its primes each time it is made anew, so a saved context of it is kept (encrypted by the
    // TPM, worthless elsewhere).
    Result<EphemeralKey> make_ephemeral_key(Tpm& tpm, std::span<const uint32_t> pcrs);
    Result<EphemeralKey> create_ephemeral_key(ByteView policy);
    std::optional<EphemeralKey> reload_ephemeral_key(ByteView policy);

    struct SavedKey {
        Bytes policy;
        Bytes public_area;
        EsysPtr<TPMS_CONTEXT> context;
    };
    std::optional<SavedKey> saved_key;

    Result<size_t> nv_buffer_size();
};

}  // namespace vouchsafe::device
