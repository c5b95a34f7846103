// For tests alone: a few commands as bytes (TPM 2.0 Library, part 3), and a TPM that is asked with
// them.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "vouchsafe/device/tpm_command.h"

namespace vouchsafe::device::wire {

inline Bytes command(uint16_t tag, uint32_t code, const Writer& body) {
    return Writer()
        .u16_be(tag)
        .u32_be(static_cast<uint32_t>(kTpmHeaderSize + body.view().size()))
        .u32_be(code)
        .bytes(body.view())
        .take();
}
inline Bytes plain(uint32_t code, const Writer& body) {
    return command(TPM2_ST_NO_SESSIONS, code, body);
}

// authorized: handles, then one authorization by `session` with an empty secret, then parameters.
inline Bytes authorized(uint32_t code, std::initializer_list<uint32_t> handles,
                        const Writer& parameters, uint32_t session = TPM2_RS_PW,
                        uint8_t attributes = 0) {
    Writer body;
    for (uint32_t handle : handles) body.u32_be(handle);
    body.u32_be(9).u32_be(session).u16_be(0).u8(attributes).u16_be(0);
    body.bytes(parameters.view());
    return command(TPM2_ST_SESSIONS, code, body);
}

inline Writer sized(ByteView bytes) {
    Writer out;
    out.u16_be(static_cast<uint16_t>(bytes.size())).bytes(bytes);
    return out;
}

inline Bytes get_random(uint16_t count) {
    return plain(TPM2_CC_GetRandom, Writer().u16_be(count));
}

// create_primary makes a P-256 signing key in the owner's hierarchy, another for each `which`.
inline Bytes create_primary(uint8_t which) {
    constexpr uint32_t kAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                     TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                     TPMA_OBJECT_SIGN_ENCRYPT;
    Writer area;
    area.u16_be(TPM2_ALG_ECC).u16_be(TPM2_ALG_SHA256).u32_be(kAttributes).u16_be(0);
    area.u16_be(TPM2_ALG_NULL).u16_be(TPM2_ALG_ECDSA).u16_be(TPM2_ALG_SHA256);
    area.u16_be(TPM2_ECC_NIST_P256).u16_be(TPM2_ALG_NULL);
    area.u16_be(1).u8(which).u16_be(0);
    Writer parameters;
    parameters.u16_be(4).u32_be(0).bytes(sized(area.view()).view()).u16_be(0).u32_be(0);
    return authorized(TPM2_CC_CreatePrimary, {TPM2_RH_OWNER}, parameters);
}

inline Bytes read_public(uint32_t handle) {
    return plain(TPM2_CC_ReadPublic, Writer().u32_be(handle));
}

inline Bytes sign(uint32_t key, uint32_t session = TPM2_RS_PW, uint8_t attributes = 0) {
    Writer parameters;
    parameters.bytes(sized(Bytes(32, 7)).view()).u16_be(TPM2_ALG_NULL);
    parameters.u16_be(TPM2_ST_HASHCHECK).u32_be(TPM2_RH_NULL).u16_be(0);
    return authorized(TPM2_CC_Sign, {key}, parameters, session, attributes);
}

inline Bytes start_session(uint8_t type = TPM2_SE_POLICY) {
    Writer body;
    body.u32_be(TPM2_RH_NULL).u32_be(TPM2_RH_NULL).bytes(sized(Bytes(16, 1)).view()).u16_be(0);
    body.u8(type).u16_be(TPM2_ALG_NULL).u16_be(TPM2_ALG_SHA256);
    return plain(TPM2_CC_StartAuthSession, body);
}
inline Bytes policy_command_code(uint32_t session) {
    return plain(TPM2_CC_PolicyCommandCode, Writer().u32_be(session).u32_be(TPM2_CC_Sign));
}
inline Bytes policy_digest(uint32_t session) {
    return plain(TPM2_CC_PolicyGetDigest, Writer().u32_be(session));
}

inline Bytes hash_start() {
    return plain(TPM2_CC_HashSequenceStart, Writer().u16_be(0).u16_be(TPM2_ALG_SHA256));
}
inline Bytes hash_update(uint32_t sequence, ByteView data) {
    return authorized(TPM2_CC_SequenceUpdate, {sequence}, sized(data));
}
inline Bytes hash_complete(uint32_t sequence, ByteView data) {
    return authorized(TPM2_CC_SequenceComplete, {sequence}, sized(data).u32_be(TPM2_RH_NULL));
}

inline Bytes handles(uint32_t first, uint32_t count = 32) {
    return tpm_get_capability(TPM2_CAP_HANDLES, first, count);
}

}  // namespace vouchsafe::device::wire
