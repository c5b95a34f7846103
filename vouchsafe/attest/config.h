// Settings of the attestation service. Each has its default and the reason for it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/access/caller.h"
#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/crypto/x509.h"
#include "vouchsafe/evidence/snp/report.h"

namespace vouchsafe::attest {

struct Config {
    // The service's name: `iss` of its tokens, base of `jku`, common name of its signing
    // certificate (so at most 64 characters). No trailing slash. Default: the provider the
    // tutorials use.
    std::string issuer = "https://sharedweu.weu.attest.azure.net";

    // Folder for the root key file that seals the signing key at rest. Made (mode 0700) if absent.
    // No default: two services must never share one by accident.
    Path directory;

    // exp - iat. 8 hours is what every published token of the real service has (azure-api C.3).
    Seconds token_lifetime{28800};

    // The same for evidence that answers a challenge: who can ask for one can come back.
    Seconds fresh_token_lifetime{300};
    // How long a challenge can be answered: a quote and two requests, with room for slow TPMs.
    Seconds challenge_lifetime{60};

    // Lifetime of a self-signed signing certificate. Long: clients match its key, not its dates,
    // and one that ends before its key does only breaks them.
    Seconds certificate_lifetime{std::chrono::hours{24 * 365 * 10}};

    // What tokens are signed with: RS256, PS256 or ES256. Another than the signing key's makes a
    // new key at the start, which signs at once. Default: as the store has it, and RS256 for a new
    // one, for Azure's clients know nothing else.
    std::optional<crypto::SigAlg> signing_algorithm;
    // A signing key that is older is replaced; the new one is published a day before it signs, the
    // old one until its last token has ended. At least two days. Default: never, for who verifies
    // with a copy of the keys that he keeps must hear of it first.
    Seconds rotate_signing_key_after{0};

    // The TCB floor, component by component: the lowest values among the genuine reports of Azure's
    // and other public clouds' machines since 2023 that this verifier is tested with. Raise it to
    // the level of AMD's bulletins once the whole fleet has it.
    std::map<evidence::SnpProduct, evidence::SnpTcb> minimum_tcb = {
        {evidence::SnpProduct::milan, {std::nullopt, 3, 0, 8, 115}},
        {evidence::SnpProduct::genoa, {std::nullopt, 10, 0, 23, 27}},
        {evidence::SnpProduct::turin, {uint8_t{1}, 1, 1, 4, 81}},
    };

    // ID_KEY_DIGEST values (96 hex digits) of the paravisors whose word about a machine's AK
    // counts. /attest/AzureGuest refuses others (ATTEST-ID-KEY); /attest/SevSnpVm only leaves out
    // the claim x-ms-compliance-status. Default: the three in Azure's recorded reports of 2023 to
    // 2025.
    std::vector<std::string> compliant_id_keys = {
        "0356215882a825279a85b300b0b742931d113bf7e32dde2e50ffde7ec743ca491ecdd7f336dc28a6e0b2bb57af"
        "7"
        "a44a3",
        "934f68bd8ba01938eec21475c872e3a942b60c59fafc6df9e9a76ee66bc47f2d09c676f61c0315c578da26085f"
        "b"
        "13a71",
        "942fd93ebde6ea7a96efadeafc60f1c6b3d10e703b1dafd7555b92f7f3d32d0e006767648cba5b102af3d65756"
        "a"
        "f4177",
    };

    // The same for guests on Intel TDX, whose quotes name no signer: MRTD (96 hex digits) of the
    // paravisors whose word counts. /attest/AzureGuest refuses others (ATTEST-TD-MEASUREMENT);
    // /attest/TdxVm does not look at it. Default: the two in Azure's recorded quotes. They change
    // with each firmware: add new ones with --td-measurement.
    std::vector<std::string> compliant_td_measurements = {
        "024a32b070383331181619fa387cb4d55d1e38879f989933055ccad5bc2db795d1737b66205949d15469dc8c1b"
        "a7ab7b",
        "12bdbc1609ef066db7a9ec7b26d7509346f4ca46e846274096cb25939b1e711944061ca19a30c6743f1e599148"
        "eee451",
    };

    // Whether machines of Azure's Trusted Launch get tokens of /attest/AzureGuest, without
    // x-ms-isolation-tee and so never as confidential ones, as Azure gives them. Default: no, they
    // are refused by name (HCL-ISOLATION): a release policy that forgot to ask for confidential
    // machines must not come to trust others by an update.
    bool trusted_launch = false;

    // Who may change policies (azure-api C.5). `roles`: callers whose access token and role allow
    // it, as in Azure's mode AAD. `signers`: such callers, if a policy signing certificate signed
    // the change, as in Azure's isolated mode. Default: roles.
    enum class PolicyChanges { roles, signers };
    PolicyChanges policy_changes = PolicyChanges::roles;
    // The first policy signing certificates, taken when the store has none. With `signers` there
    // must be one, or nobody could ever change anything; and one of them must still be in the store
    // when it has some, or others than the operator named would rule.
    std::vector<crypto::Certificate> policy_signers;

    // Whose access tokens count on the routes that need one, and for which resource they must be.
    // Default: no tenant, so nobody's, until somebody names one.
    access::Issuer callers;
    std::string resource = "https://attest.azure.net";
    // Where this service stands for role assignments; Azure's resource manager would say it.
    std::string resource_id =
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/vouchsafe/providers/"
        "Microsoft.Attestation/attestationProviders/vouchsafe";

    // How many refusals are recorded at once and in a second after that: anybody may ask, and could
    // fill the disk. What is not recorded is counted in the next entry that is. Default: more than
    // a fleet of thousands of machines makes that restarts with a wrong policy.
    int64_t recorded_burst = 1000;
    int64_t recorded_per_second = 20;

    // Folder where a bundle of every appraisal is kept (appraisal_bundle.h), granted or refused; an
    // appraisal that cannot be kept is none. Made (mode 0700) if absent. Default: none is kept, for
    // each is some 100 kB, and how long to keep them is for their owner to decide.
    Path bundles;

    // Longest accepted request body. A real request is about 16 kB plus 16/9 of the event log,
    // which firmware limits to 64 or 128 kB.
    size_t max_body = 1 << 20;
};

}  // namespace vouchsafe::attest
