// The claims of attestation tokens, in the vocabulary of Microsoft Azure Attestation:
// guest-protocol 6, azure-api C.3. Names, nesting and JSON types are Azure's; claims of our own
// begin with "x-vouchsafe-". Pure.
//
// What differs from Azure's guest token, and why:
//   - the claims about Windows' boot manager are constants on Linux, as in
//     Azure's Linux tokens, and are left out for any other system: they would have to be read from
//     Windows' own events, which is not built;
//   - dbvalidated, dbxvalidated and default-securebootkeysvalidated come from the Secure Boot
//     variables in the confirmed PCR 7 (secure_boot_keys.h);
//   - x-ms-azurevm-vmid is left out if the paravisor named no machine.
#pragma once

#include <vector>

#include "vouchsafe/attest/collateral/joined_collateral.h"
#include "vouchsafe/attest/config.h"
#include "vouchsafe/attest/request/azure_guest_request.h"
#include "vouchsafe/attest/request/bound_data.h"
#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/evidence/azure/td_guest.h"

namespace vouchsafe::attest {

// azure_guest_claims gives everything but what add_token_claims adds; `not_checked` is of the
// hardware.
Json azure_guest_claims(const AzureGuestRequest& request, const evidence::VerifiedAzureGuest& guest,
                        const Config& config, std::vector<std::string> not_checked);

// td_guest_claims is the same for a guest on TDX, with the claims of C.3.3 under
// x-ms-isolation-tee.
Json td_guest_claims(const AzureGuestRequest& request, const evidence::VerifiedTdGuest& guest,
                     const Config& config);

// trusted_launch_claims is the same for a machine of Trusted Launch: without x-ms-isolation-tee, as
// in Azure's tokens, and with x-vouchsafe-trusted-launch, which no other has.
Json trusted_launch_claims(const AzureGuestRequest& request, const evidence::VerifiedGuestTpm& tpm);

Json snp_vm_claims(const BoundMembers& bound, const evidence::VerifiedSnpReport& report,
                   const Config& config, const std::vector<std::string>& not_checked);

// tdx_vm_claims: azure-api C.3.3, and the status by Intel's collateral where there was any.
Json tdx_vm_claims(const BoundMembers& bound, const evidence::VerifiedTdQuote& quote);

// pcr_claim is x-vouchsafe-pcrs: texts such as "7:9a1f...", because policies compare texts.
Json pcr_claim(const evidence::PcrBank& pcrs);

// add_bound_claims adds what the evidence carries a digest of, and the nonce.
void add_bound_claims(Json& claims, const BoundMembers& bound);

// add_not_checked: one word for rules to look at, and the list of what was left out.
void add_not_checked(Json& claims, const std::vector<std::string>& names);

// is_compliant tells whether the report's ID key is in Config::compliant_id_keys.
bool is_compliant(const evidence::SnpReport& report, const Config& config);

// is_compliant tells whether the domain's MRTD is in Config::compliant_td_measurements.
bool is_compliant(const evidence::TdReport& report, const Config& config);

// add_token_claims adds iss, iat, nbf, exp, jti (64 random hex digits) and x-ms-ver.
void add_token_claims(Json& claims, const Config& config, Seconds lifetime, Time now);

// add_freshness_claims says that the evidence answers `challenge` (x-vouchsafe-challenge) and binds
// the token to the guest's key, if there is one: cnf.jkt is its thumbprint (RFC 7800, 3; RFC 9449,
// 6.1).
void add_freshness_claims(Json& claims, const std::string& challenge,
                          const std::optional<crypto::PublicKey>& key);

// add_collateral_claims tells how fresh the pieces of collateral were on which the verification
// rests: x-vouchsafe-collateral, an object of each piece's times in seconds since 1970 (issued,
// valid-to, and fetched if that is known); x-vouchsafe-collateral-valid-to, the first end of any;
// and for rules x-vouchsafe-collateral-age, the seconds since the one that was got longest ago was
// got from its vendor: absent if that is not known of every piece. Nothing without pieces.
void add_collateral_claims(Json& claims, const std::vector<PiecePtr>& pieces, Time now);

// add_check_claims adds x-vouchsafe-checks: the codes of all checks made, each once, in order.
void add_check_claims(Json& claims, const std::vector<Check>& checks);

}  // namespace vouchsafe::attest
