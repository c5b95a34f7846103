// Intel's collateral for TD quotes and for quotes of SGX enclaves, as Intel PCS (API version 4) or
// a PCCS serves it: TCB info version 3 and the identity of the quoting enclave version 2, both
// signed JSON and different for the two, and revocation lists, the same for both. Pure: whoever
// verifies brings it along.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/crypto/crl.h"
#include "vouchsafe/crypto/x509.h"
#include "vouchsafe/evidence/tdx/tee.h"

namespace vouchsafe::evidence {

// TdxCheck is a part of a quote's verification that needs Intel's collateral.
enum class TdxCheck {
    revocation,   // root CRL and PCK CRL
    qe_identity,  // the quoting enclave is Intel's and current
    tcb_info,     // platform and TDX module are current
};
std::string_view tdx_check_name(TdxCheck check);  // "revocation", "qe-identity", "tcb-info"

// TcbStatus is Intel's judgement of a security level (PCS, tcbStatus).
enum class TcbStatus {
    up_to_date,
    sw_hardening_needed,
    configuration_needed,
    configuration_and_sw_hardening_needed,
    out_of_date,
    out_of_date_configuration_needed,
    revoked,
};
std::string_view tcb_status_name(TcbStatus status);  // Intel's word, "UpToDate"

// converge_tcb_status combines the platform's status with that of the TDX module or of the quoting
// enclave, which is up_to_date, out_of_date or revoked (Intel DCAP, convergeTcbStatus).
TcbStatus converge_tcb_status(TcbStatus platform, TcbStatus part);

// Judgement is what a level that is reached means.
struct TcbJudgement {
    TcbStatus status = TcbStatus::revoked;
    Time date;                            // tcbDate: the level has all fixes known by then
    std::vector<std::string> advisories;  // "INTEL-SA-00837", what it lacks
};

struct TcbLevel {
    std::array<uint8_t, 16> sgx_components{};
    uint16_t pcesvn = 0;
    std::array<uint8_t, 16> tdx_components{};  // TDX alone
    TcbJudgement judgement;
};

// TdTcb is Intel's judgement: the platform's level, and the status of platform, TDX module (if
// there is one) and quoting enclave together.
struct TdTcb {
    TcbStatus status = TcbStatus::revoked;
    Time date;                            // of the platform's level
    std::vector<std::string> advisories;  // of all three, sorted, each once
    uint64_t evaluation = 0;              // of TCB info
};

// SvnLevel is a level of a module or an enclave: reached by the same or a higher version.
struct SvnLevel {
    uint16_t isvsvn = 0;
    TcbJudgement judgement;
};

// TdxModule says how Intel's TDX module signs and marks itself.
struct TdxModule {
    std::string id;  // "TDX_01"; "" for the one of major version 0
    std::array<uint8_t, 48> mrsigner{};
    std::array<uint8_t, 8> attributes{};
    std::array<uint8_t, 8> attributes_mask{};
    std::vector<SvnLevel> levels;
};

struct TcbInfo {
    Time issued;
    Time next_update;
    uint64_t evaluation = 0;  // tcbEvaluationDataNumber
    std::array<uint8_t, 6> fmspc{};
    std::array<uint8_t, 2> pceid{};
    TdxModule module;                // of major version 0; TDX alone
    std::vector<TdxModule> modules;  // of the others; TDX alone
    std::vector<TcbLevel> levels;    // best first

    // find_module returns the module of a major version, tee_tcb_svn[1]; Code::not_found if Intel
    // lists none.
    Result<const TdxModule*> find_module(uint8_t major) const;
};

struct QeIdentity {
    Time issued;
    Time next_update;
    uint64_t evaluation = 0;
    uint32_t miscselect = 0;
    uint32_t miscselect_mask = 0;
    std::array<uint8_t, 16> attributes{};
    std::array<uint8_t, 16> attributes_mask{};
    std::array<uint8_t, 32> mrsigner{};
    uint16_t isvprodid = 0;
    std::vector<SvnLevel> levels;  // best first
};

// find_level returns the first level that `isvsvn` reaches; Code::not_found if it reaches none.
Result<const SvnLevel*> find_level(const std::vector<SvnLevel>& levels, uint16_t isvsvn);

// SignedJson is a document as served, and the certificates of its signer: the TCB signing
// certificate and the root, PEM (from the answer's header, URL-decoded).
struct SignedJson {
    std::string json;
    std::string issuer_chain;
};

// TdxCollateral is what is at hand. Nothing in it is trusted.
struct TdxCollateral {
    std::optional<SignedJson> tcb_info;
    std::optional<SignedJson> qe_identity;
    std::optional<Bytes> root_crl;  // of the Intel SGX Root CA; DER or PEM
    std::optional<Bytes> pck_crl;   // of the PCK's issuer: platform or processor CA
    // The PCK's issuer and the root, PEM, as Intel serves them with the PCK CRL and as every quote
    // brings them (TdxQuote::pck_issuer_chain). Not needed: it saves work where many quotes are
    // verified with one VerifiedTdxCollateral.
    std::optional<std::string> pck_issuer_chain = {};
    // Whose quotes tcb_info and qe_identity are for.
    IntelTee tee = IntelTee::tdx;
};

// parse_chain_to_root reads certificates as PEM, of which the last one usually is the pinned root:
// then that one is not read again, because reading a certificate costs twice what verifying one
// does. Fails as Certificate::parse_pem_bundle does.
Result<std::vector<crypto::Certificate>> parse_chain_to_root(std::string_view pem,
                                                             const crypto::Certificate& root);

// CollateralValidity is when a part of the collateral holds, and the check that says so.
struct CollateralValidity {
    std::string_view code;
    std::string field;
    Time from;
    Time to;

    Result<void> check(Time now, Checks& checks) const;  // fails with `code`
};

// CollateralVerifier verifies collateral at one time under Intel's root. Borrows what it is given.
// A signer's chain that comes twice is verified once.
class CollateralVerifier {
  public:
    // root_crl may be nullptr: then the signers are not looked up in it.
    CollateralVerifier(const crypto::Certificate& root, const crypto::Crl* root_crl, Time now,
                       Checks& checks, IntelTee tee)
        : root_(root), root_crl_(root_crl), now_(now), checks_(checks), tee_(tee) {}

    // The signature is verified over the bytes of the inner object as they were served, and these
    // very bytes are then parsed. Fail with the checks TDX-COLLATERAL-* (form: of the TEE) and
    // TDX-REVOKED.
    Result<TcbInfo> verify_tcb_info(const SignedJson& document);
    Result<QeIdentity> verify_qe_identity(const SignedJson& document);

    // validities has those of the signers and documents verified, in the order of the checks.
    const std::vector<CollateralValidity>& validities() const { return validities_; }

  private:
    struct Signer {
        std::string chain;
        crypto::Certificate certificate;
    };
    Result<std::string> verify_signature(const SignedJson& document, std::string_view member);
    Result<crypto::Certificate> verify_signer(const std::string& chain, std::string_view member);
    Result<void> check_validity(std::string_view code, std::string_view field, Time from, Time to);

    const crypto::Certificate& root_;
    const crypto::Crl* root_crl_;
    Time now_;
    Checks& checks_;
    IntelTee tee_;
    std::optional<Signer> verified_;
    std::vector<CollateralValidity> validities_;
};

// A revocation list is verified when all three passed; `name` is the field that the checks tell.
// read_crl fails with TDX-CRL-FORM, check_crl_signature with TDX-CRL-SIGNATURE if another than
// `issuer` signed the list, check_crl_dates with TDX-CRL-DATES if it is not current.
Result<crypto::Crl> read_crl(ByteView bytes, std::string_view name, Checks& checks);
Result<void> check_crl_signature(const crypto::Crl& crl, const crypto::Certificate& issuer,
                                 std::string_view name, Checks& checks);
Result<CollateralValidity> check_crl_dates(const crypto::Crl& crl, std::string_view name, Time now,
                                           Checks& checks);

// check_not_revoked fails with TDX-REVOKED. The list must be of the certificate's issuer.
Result<void> check_not_revoked(const crypto::Crl& crl, const crypto::Certificate& certificate,
                               std::string_view name, Checks& checks);

}  // namespace vouchsafe::evidence
