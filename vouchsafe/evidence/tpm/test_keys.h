// A TPM in software, as far as this module's tests need one: a signing key with a TPM's public
// area, and the structures a TPM would sign. Keys are made once per test binary.
#pragma once

#include "vouchsafe/evidence/test_vectors.h"
#include "vouchsafe/evidence/tpm/types.h"

namespace vouchsafe::evidence::testing {

inline constexpr uint32_t kAkAttributes = 0x00050472;         // Azure's AK template
inline constexpr uint32_t kEphemeralAttributes = 0x00020432;  // Azure's ephemeral key template

inline const crypto::PrivateKey& ak_key() {
    static const crypto::PrivateKey kKey = MUST(crypto::PrivateKey::generate_rsa(2048));
    return kKey;
}
inline const crypto::PrivateKey& ephemeral_key() {
    static const crypto::PrivateKey kKey = MUST(crypto::PrivateKey::generate_rsa(2048));
    return kKey;
}

// rsa_area is a TPMT_PUBLIC with `key`. A scheme of kTpmAlgNull has no hash.
inline Bytes rsa_area(const crypto::PublicKey& key, uint32_t attributes, ByteView policy,
                      uint16_t scheme) {
    Writer out;
    out.u16_be(kTpmAlgRsa).u16_be(kTpmAlgSha256).u32_be(attributes);
    out.u16_be(static_cast<uint16_t>(policy.size())).bytes(policy);
    out.u16_be(kTpmAlgNull).u16_be(scheme);
    if (scheme != kTpmAlgNull) out.u16_be(kTpmAlgSha256);
    out.u16_be(static_cast<uint16_t>(key.bits())).u32_be(0);
    Bytes modulus = MUST(key.rsa()).modulus;
    return out.u16_be(static_cast<uint16_t>(modulus.size())).bytes(modulus).take();
}

inline Bytes tpm2b(ByteView bytes) {
    return Writer().u16_be(static_cast<uint16_t>(bytes.size())).bytes(bytes).take();
}

// attest_head is a TPMS_ATTEST up to and with firmwareVersion.
inline Writer attest_head(uint16_t type, ByteView nonce) {
    Writer out;
    out.u32_be(kTpmGenerated).u16_be(type).bytes(tpm2b(Bytes(34, 0x11))).bytes(tpm2b(nonce));
    out.u64_be(3131573).u32_be(3).u32_be(0).u8(1).u64_be(0x2020031200120003);
    return out;
}

inline Bytes make_quote(const PcrSelection& selection, std::span<const PcrBank> banks,
                        ByteView nonce = {}) {
    Writer out = attest_head(kTpmStAttestQuote, nonce);
    out.bytes(encode_pcr_selection(selection));
    out.bytes(tpm2b(MUST(pcr_digest(crypto::HashAlg::sha256, selection, banks))));
    return out.take();
}

inline Bytes make_certify(const TpmPublic& key, ByteView nonce = {}) {
    Writer out = attest_head(kTpmStAttestCertify, nonce);
    out.bytes(tpm2b(key.name())).bytes(tpm2b(Bytes(34, 0x22)));
    return out.take();
}

inline Bytes ak_sign(ByteView message) {
    return MUST(ak_key().sign(crypto::SigAlg::rs256, message));
}

inline TpmSigningKey ak_signing_key() {
    return {ak_key().public_key(), crypto::SigAlg::rs256};
}

// first_pcrs is registers 0 to `count`-1 with recognisable values.
inline PcrBank first_pcrs(uint32_t count) {
    PcrBank out{crypto::HashAlg::sha256, {}};
    for (uint32_t pcr = 0; pcr < count; ++pcr)
        out.values[pcr] = Bytes(32, static_cast<uint8_t>(pcr));
    return out;
}

inline PcrSelection select_all(const PcrBank& bank) {
    std::vector<uint32_t> pcrs;
    for (const auto& value : bank.values) pcrs.push_back(value.first);
    return {PcrBankSelection::of(bank.hash, pcrs)};
}

}  // namespace vouchsafe::evidence::testing
