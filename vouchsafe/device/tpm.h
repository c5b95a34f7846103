// The TPM of this machine, over the TPM2 Software Stack's ESAPI: what a guest needs for attestation
// and key release (guest-protocol 1), and what the lab needs to provision a software TPM as Azure's
// paravisor does (local-cvm 2.1). Nothing of the stack is seen outside tpm*.cpp.
//
// The kernel's resource manager serves many at once. swtpm serves one connection at a time (the
// stack makes one for each command) and has room for three loaded objects, whoever loads them: let
// one Tpm at a time work with a software TPM. Keep one Tpm for a whole attestation: it remembers
// the ephemeral key's saved context, so that the TPM does not look for its primes at every use. The
// stack writes to sockets with write(2): the program must ignore SIGPIPE.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vouchsafe/base/secret.h"
#include "vouchsafe/evidence/tpm/types.h"

namespace vouchsafe::device {

inline constexpr std::string_view kDefaultTcti = "device:/dev/tpmrm0";

// Azure's handles and indices (guest-protocol 1.1).
inline constexpr uint32_t kAkHandle = 0x81000003;
inline constexpr uint32_t kNvHclReport = 0x01400001;
inline constexpr uint32_t kNvAkCertificate = 0x01C101D0;

// Quote is a quotation as it travels: a bare TPMS_ATTEST and the bare RSA signature (1.2).
struct Quote {
    Bytes attest;
    Bytes signature;
    evidence::PcrBank values;  // of the quoted registers; consistent with the quote's digest
};

// CertifiedKey is the ephemeral key and the AK's statement that this TPM holds it (1.3).
struct CertifiedKey {
    Bytes public_area;   // TPM2B_PUBLIC
    Bytes certify_info;  // TPMS_ATTEST
    Bytes signature;     // bare RSA signature
};

// SealedSecret is what Tpm::seal gives: nothing to anybody but the TPM that made it.
struct SealedSecret {
    Bytes public_area;   // TPM2B_PUBLIC
    Bytes private_area;  // TPM2B_PRIVATE
};
inline constexpr size_t kMaxSealed = 128;  // bytes (MAX_SYM_DATA of TPM 2.0 Library, part 2)

enum class DecryptScheme { rsaes, oaep_sha256 };  // PKCS#1 v1.5; OAEP with an empty label

// Errors of all functions: Code::unavailable if the TPM cannot be reached, is busy, in lockout or
// answers with an error that may pass; Code::io for an answer that makes no sense; each other code
// is named at the function. Messages carry the stack's own words. Not thread-safe.
class Tpm {
  public:
    // open connects. `tcti` is a TCTI configuration: "device:/dev/tpmrm0", "swtpm:path=/run/x/tpm"
    // (its control socket is "<path>.ctrl"). Fails with Code::unavailable if the device or socket
    // is missing or dead, Code::forbidden if it may not be used, Code::invalid for other text.
    // The first call sets TSS2_LOG=all+none in the environment unless it is set, because the stack
    // writes to stderr.
    static Result<Tpm> open(std::string_view tcti = kDefaultTcti);
    ~Tpm();
    Tpm(Tpm&&) noexcept;
    Tpm& operator=(Tpm&&) noexcept;

    // nv_read reads a whole NV index by owner authorization, in pieces of at most 1024 bytes.
    // Code::not_found only if the TPM says that there is no such index; every passing failure, and
    // an index that was never written, is Code::unavailable (guest-protocol 7, no. 2).
    Result<Bytes> nv_read(uint32_t index);

    // read_public returns the TPM2B_PUBLIC of a persistent key. Code::not_found if there is none.
    Result<Bytes> read_public(uint32_t handle);

    // read_pcrs reads the registers of one bank. Code::unsupported if the bank is not active.
    Result<evidence::PcrBank> read_pcrs(std::span<const uint32_t> pcrs,
                                        crypto::HashAlg bank = crypto::HashAlg::sha256);

    // quote signs the SHA-256 registers and `nonce` (may be empty, at most 64 bytes) with the RSA
    // key at `handle`. The values returned are read around the quote and are those it covers.
    Result<Quote> quote(uint32_t handle, std::span<const uint32_t> pcrs, ByteView nonce = {});

    // certify_ephemeral_key makes the key of guest-protocol 1.3 (NULL hierarchy, usable only while
    // `pcrs` keep their present SHA-256 values) and has the AK certify it. The key stays the same
    // until the TPM is reset or one of the registers changes.
    Result<CertifiedKey> certify_ephemeral_key(std::span<const uint32_t> pcrs,
                                               uint32_t ak_handle = kAkHandle);

    // ephemeral_decrypt decrypts with that key, in a policy session that is salted with the key
    // itself and encrypts both ways between us and the TPM. Code::bad_evidence if the ciphertext
    // was not made for the key that this TPM has in its present state, or is malformed.
    // With rsaes a wrong key can also give random bytes: check what you get.
    Result<SecretBytes> ephemeral_decrypt(std::span<const uint32_t> pcrs, DecryptScheme scheme,
                                          ByteView ciphertext);

    // seal hides `secret` (1 to kMaxSealed bytes) so that only this TPM gives it back, and only
    // while `pcrs` have their present SHA-256 values; none may be named. It goes there and back
    // encrypted. A TPM that is cleared forgets it.
    Result<SealedSecret> seal(std::span<const uint32_t> pcrs, ByteView secret);
    // unseal fails with Code::bad_evidence if this TPM did not seal it or a register has another
    // value, with Code::invalid if it is malformed.
    Result<SecretBytes> unseal(std::span<const uint32_t> pcrs, const SealedSecret& sealed);

    // For provisioning a software TPM in the lab.

    // create_ak makes Azure's attestation key (a primary key in the endorsement hierarchy,
    // RSA-2048, RSASSA with SHA-256, restricted) and persists it at `handle`, replacing what is
    // there. Returns its TPM2B_PUBLIC.
    Result<Bytes> create_ak(uint32_t handle = kAkHandle);

    // nv_provision makes an index of `size` bytes in the platform hierarchy with Azure's attributes
    // (0x42060004), replacing one of that name, and writes `content` and zeros into it.
    // Code::unsupported if the TPM refuses the size (libtpms: above 2048 bytes).
    Result<void> nv_provision(uint32_t index, ByteView content, size_t size);

    struct PcrDigest {
        crypto::HashAlg bank;
        Bytes digest;
    };
    // pcr_extend extends one register in all the given banks.
    Result<void> pcr_extend(uint32_t pcr, std::span<const PcrDigest> digests);

    // pcr_allocate has the TPM keep one bank of registers alone, from its next start on.
    Result<void> pcr_allocate(crypto::HashAlg bank);

  private:
    struct Impl;
    explicit Tpm(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace vouchsafe::device
