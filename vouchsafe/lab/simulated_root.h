// The lab's root of trust: an AMD-shaped key hierarchy, a vTPM certificate authority and a TLS
// authority of our own, made once into a folder. Every subject says SIMULATED. What is issued here
// is accepted only by verifiers whose anchors are anchors() of the same folder (tier simulated).
//
// Also the makers of what stands below these roots: VCEK certificates, SNP reports, HCL blobs.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/crypto/crl.h"
#include "vouchsafe/evidence/anchors/anchors.h"
#include "vouchsafe/net/tls.h"

namespace vouchsafe::lab {

using ChipId = std::array<uint8_t, 64>;

// SimulatedVcek is the signing key of one simulated processor at one TCB.
struct SimulatedVcek {
    crypto::PrivateKey key;
    crypto::Certificate certificate;
};

class SimulatedRoot {
  public:
    // create makes all keys (about a second: two RSA-4096 in parallel) and writes them to `dir`:
    // DIR/keys/*.pem with mode 0600, DIR/*.pem certificates. `dir` appears whole or not at all.
    // Code::conflict if it exists.
    static Result<SimulatedRoot> create(const Path& dir, Time now);
    // load fails with Code::not_found if there is no such folder, Code::invalid if what is in it
    // does not fit together.
    static Result<SimulatedRoot> load(const Path& dir);
    static Result<SimulatedRoot> load_or_create(const Path& dir, Time now);

    // anchors are what a verifier of this lab believes.
    evidence::TrustAnchors anchors() const;
    std::string amd_chain_pem() const;  // ASK, then ARK: THIM's `certificateChain`
    std::string tls_ca_pem() const;
    const crypto::Certificate& ark() const;
    const crypto::Certificate& ask() const;
    const crypto::Certificate& vtpm_ca() const;
    const crypto::Certificate& tls_ca() const;

    // issue_vcek makes a P-384 key and its certificate with AMD's extensions (product Milan-B0).
    Result<SimulatedVcek> issue_vcek(const ChipId& chip, const evidence::SnpTcb& tcb,
                                     Time now) const;
    // issue_ark_list makes a revocation list of the ARK with nothing on it, valid from the ARK's
    // first moment to its last.
    Result<crypto::Crl> issue_ark_list() const;
    // issue_ak_certificate certifies a TPM's attestation key for one year.
    Result<crypto::Certificate> issue_ak_certificate(const crypto::PublicKey& ak,
                                                     std::string_view vm_id, Time now) const;
    // issue_tls makes a P-256 key and a server certificate for `names` (DNS names or IP addresses),
    // valid for 90 days. The chain ends before the CA.
    Result<net::TlsIdentity> issue_tls(const std::vector<std::string>& names, Time now) const;

    // issue_release_signer is what a vault signs release answers with: RSA-2048, and the chain ends
    // with the CA.
    Result<net::TlsIdentity> issue_release_signer(const std::vector<std::string>& names,
                                                  Time now) const;

    struct Keys;  // private to simulated_root.cpp

  private:
    explicit SimulatedRoot(std::shared_ptr<const Keys> keys);
    Result<crypto::Certificate> issue_server_certificate(const std::vector<std::string>& names,
                                                         const crypto::PublicKey& key,
                                                         Time now) const;
    std::shared_ptr<const Keys> keys_;
};

// The TCB of simulated processors: bootloader 4, tee 0, snp 24, microcode 219.
evidence::SnpTcb simulated_tcb();
uint64_t tcb_number(const evidence::SnpTcb& tcb);  // Milan's layout; THIM prints it as `tcbm`

// simulated_id_key_digest is the ID key digest in the reports of the lab's machines. It is no
// vendor's: only a lab's attestation service has it on its list of compliant ID keys.
std::array<uint8_t, 48> simulated_id_key_digest();

// SNP guest policy bits (AMD 56860, table "Guest Policy").
inline constexpr uint64_t kSnpPolicyDefault = 0x3001F;  // ABI 0.31, SMT, reserved bit 17
inline constexpr uint64_t kSnpPolicyDebug = uint64_t{1} << 19;

struct SnpReportSpec {
    uint32_t version = 2;  // 2 or 3
    uint32_t guest_svn = 7;
    uint64_t policy = kSnpPolicyDefault;
    uint32_t vmpl = 0;
    evidence::SnpTcb tcb = simulated_tcb();
    std::array<uint8_t, 64> report_data{};
    std::array<uint8_t, 48> measurement{};
    std::array<uint8_t, 32> host_data{};
    std::array<uint8_t, 48> id_key_digest{};
    std::array<uint8_t, 32> report_id{};
    ChipId chip_id{};
};

// amd_report builds the 1184 bytes and signs them (AMD 56860, ATTESTATION_REPORT).
Result<Bytes> amd_report(const SnpReportSpec& spec, const crypto::PrivateKey& vcek);

struct RuntimeClaimsSpec {
    crypto::PublicKey ak;
    std::string vm_id;
    bool secure_boot = true;
    Time now;
};
// runtime_claims writes the paravisor's JSON, without HCLEkPub so that the whole report fits into
// the 2048 bytes that libtpms allows an index (local-cvm 2.3).
Result<std::string> runtime_claims(const RuntimeClaimsSpec& spec);

// hcl_blob puts header, report and claims together (guest-protocol 2).
Bytes hcl_blob(ByteView snp_report, std::string_view claims);

}  // namespace vouchsafe::lab
