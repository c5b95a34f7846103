// TPM 2.0 structures (TCG TPM 2.0 Library, part 2) that come in evidence: public areas,
// attestations, signatures, PCR selections. Bytes in, fields out; all integers are big-endian.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vouchsafe/crypto/keys.h"

namespace vouchsafe::evidence {

// TPM_ALG_ID (part 2).
inline constexpr uint16_t kTpmAlgRsa = 0x0001;
inline constexpr uint16_t kTpmAlgSha1 = 0x0004;
inline constexpr uint16_t kTpmAlgSha256 = 0x000B;
inline constexpr uint16_t kTpmAlgSha384 = 0x000C;
inline constexpr uint16_t kTpmAlgSha512 = 0x000D;
inline constexpr uint16_t kTpmAlgNull = 0x0010;
inline constexpr uint16_t kTpmAlgRsassa = 0x0014;
inline constexpr uint16_t kTpmAlgRsaes = 0x0015;
inline constexpr uint16_t kTpmAlgRsapss = 0x0016;
inline constexpr uint16_t kTpmAlgOaep = 0x0017;
inline constexpr uint16_t kTpmAlgEcdsa = 0x0018;
inline constexpr uint16_t kTpmAlgEcc = 0x0023;

std::optional<crypto::HashAlg> hash_from_tpm_alg(uint16_t alg);
uint16_t tpm_alg_from_hash(crypto::HashAlg hash);
// tpm_hash_label is "sha256": the name used in fields of checks and by TPM tools.
std::string_view tpm_hash_label(crypto::HashAlg hash);

// TPMA_OBJECT (part 2).
inline constexpr uint32_t kTpmaFixedTpm = 1u << 1;
inline constexpr uint32_t kTpmaStClear = 1u << 2;
inline constexpr uint32_t kTpmaFixedParent = 1u << 4;
inline constexpr uint32_t kTpmaSensitiveDataOrigin = 1u << 5;
inline constexpr uint32_t kTpmaUserWithAuth = 1u << 6;
inline constexpr uint32_t kTpmaAdminWithPolicy = 1u << 7;
inline constexpr uint32_t kTpmaNoDa = 1u << 10;
inline constexpr uint32_t kTpmaRestricted = 1u << 16;
inline constexpr uint32_t kTpmaDecrypt = 1u << 17;
inline constexpr uint32_t kTpmaSign = 1u << 18;

// TpmSigningKey is a public key with the one signature form that is accepted from it.
struct TpmSigningKey {
    crypto::PublicKey key;
    crypto::SigAlg alg;
};

// TpmPublic is a TPMT_PUBLIC of an RSA or ECC key.
struct TpmPublic {
    uint16_t type = 0;      // kTpmAlgRsa or kTpmAlgEcc
    uint16_t name_alg = 0;  // TPM_ALG_ID of a hash
    uint32_t attributes = 0;
    Bytes auth_policy;                 // empty or a digest
    uint16_t symmetric = kTpmAlgNull;  // TPM_ALG_ID; kTpmAlgNull unless a storage key
    uint16_t scheme = kTpmAlgNull;
    uint16_t scheme_hash = kTpmAlgNull;
    uint16_t key_bits = 0;      // RSA
    uint32_t rsa_exponent = 0;  // 0 means 65537, as in the structure
    uint16_t ecc_curve = 0;     // TPM_ECC_CURVE: 3 P-256, 4 P-384, 5 P-521
    Bytes unique_x;             // RSA: the modulus; ECC: x
    Bytes unique_y;             // ECC: y
    Bytes area;                 // the TPMT_PUBLIC exactly as it came

    // parse reads a TPM2B_PUBLIC, whole input. parse_prefix ignores bytes after it (some clients
    // send the rest of the ReadPublic answer: guest-protocol 4.2). parse_area reads a bare
    // TPMT_PUBLIC. Code::invalid if malformed, Code::unsupported for other key types.
    static Result<TpmPublic> parse(ByteView tpm2b);
    static Result<TpmPublic> parse_prefix(ByteView tpm2b);
    static Result<TpmPublic> parse_area(ByteView tpmt);

    bool has(uint32_t attribute_bits) const {
        return (attributes & attribute_bits) == attribute_bits;
    }
    Bytes name() const;  // nameAlg || H(area) (part 1, "Names")
    Result<crypto::PublicKey> public_key() const;
    // is_rsa tells whether these are the numbers of this key, without leading zeros.
    bool is_rsa(const crypto::RsaPublicParts& numbers) const;
    // signing_key needs a key that carries its own scheme (RSASSA, RSAPSS or ECDSA).
    Result<TpmSigningKey> signing_key() const;
    // The same where public_key() was made before, of the same numbers.
    Result<TpmSigningKey> signing_key(crypto::PublicKey key) const;
};

// PcrBankSelection is a TPMS_PCR_SELECTION: one bank and a bitmap of registers.
struct PcrBankSelection {
    uint16_t hash_alg = kTpmAlgSha256;
    Bytes bitmap;  // bit n of byte m is PCR 8m+n

    // of makes the selection that TPMs and Azure's clients use: three bytes of bitmap.
    static PcrBankSelection of(crypto::HashAlg hash, std::span<const uint32_t> pcrs);
    std::vector<uint32_t> pcrs() const;  // ascending
    bool operator==(const PcrBankSelection&) const = default;
};
using PcrSelection = std::vector<PcrBankSelection>;  // TPML_PCR_SELECTION
Bytes encode_pcr_selection(const PcrSelection& selection);
std::string describe(const PcrSelection& selection);  // "sha256:0,1,2"

// PcrBank is values of one bank, by register.
struct PcrBank {
    crypto::HashAlg hash = crypto::HashAlg::sha256;
    std::map<uint32_t, Bytes> values;
};

// pcr_digest hashes the selected registers in the order of the selection: ascending
// within a bank. Code::invalid if a value is missing or has the wrong size.
Result<Bytes> pcr_digest(crypto::HashAlg digest_alg, const PcrSelection& selection,
                         std::span<const PcrBank> banks);

// pcr_policy_digest is the authPolicy of "these registers have these values": PolicyPCR alone in a
// session of hash `policy_alg` (part 3, TPM2_PolicyPCR; guest-protocol 1.3).
Result<Bytes> pcr_policy_digest(crypto::HashAlg policy_alg, const PcrSelection& selection,
                                std::span<const PcrBank> banks);

struct TpmClockInfo {
    uint64_t clock = 0;  // milliseconds
    uint32_t reset_count = 0;
    uint32_t restart_count = 0;
    bool safe = false;
};

inline constexpr uint32_t kTpmGenerated = 0xFF544347;    // TPM_GENERATED_VALUE
inline constexpr uint16_t kTpmStAttestCertify = 0x8017;  // TPM_ST
inline constexpr uint16_t kTpmStAttestQuote = 0x8018;

// TpmAttest is a TPMS_ATTEST of type quote or certify. Its magic and type are the verifier's to
// check.
struct TpmAttest {
    uint32_t magic = 0;
    uint16_t type = 0;
    Bytes qualified_signer;
    Bytes extra_data;  // the nonce
    TpmClockInfo clock;
    uint64_t firmware_version = 0;
    PcrSelection pcr_selection;  // quote
    Bytes pcr_digest;            // quote
    Bytes name;                  // certify
    Bytes qualified_name;        // certify

    // parse reads a bare TPMS_ATTEST (no size in front), whole input. Other types, and a wrong
    // magic, end after firmware_version: the bytes behind are not looked at.
    static Result<TpmAttest> parse(ByteView bytes);
};

// signing_key_for gives a key that says nothing of its scheme (a PEM file) the one the signature
// names: RSASSA, RSAPSS or ECDSA with SHA-256, SHA-384 or SHA-512; a bare RSA value is RSASSA with
// SHA-256. Code::unsupported for anything else.
Result<TpmSigningKey> signing_key_for(const crypto::PublicKey& key, ByteView signature);

// verify_tpm_signature accepts the two forms met: a TPMT_SIGNATURE, whose scheme and hash must be
// those of the key, and the bare RSA value (guest-protocol 1.2). Code::bad_evidence if it does not
// hold, Code::invalid if it is malformed.
Result<void> verify_tpm_signature(const TpmSigningKey& key, ByteView message, ByteView signature);

}  // namespace vouchsafe::evidence
