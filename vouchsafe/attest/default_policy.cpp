#include "vouchsafe/attest/default_policy.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {

namespace {

constexpr std::string_view kMachineRules =
    "    [type==\"x-ms-sevsnpvm-is-debuggable\", value==false] &&\n"
    "    [type==\"x-ms-sevsnpvm-migration-allowed\", value==false] &&\n"
    "    [type==\"x-ms-sevsnpvm-vmpl\", value==0] &&\n"
    "    [type==\"x-vouchsafe-revocation\", value==\"checked\"] &&\n";

std::string floor_of(evidence::SnpProduct product, const evidence::SnpTcb& tcb) {
    std::string out = fmt::format("    [type==\"x-vouchsafe-snp-product\", value==\"{}\"] &&\n",
                                  evidence::product_name(product));
    auto at_least = [&](std::string_view component, uint8_t value) {
        out +=
            fmt::format("    [type==\"x-ms-sevsnpvm-{}-svn\", value>={}] &&\n", component, value);
    };
    at_least("bootloader", tcb.bootloader);
    at_least("tee", tcb.tee);
    at_least("snpfw", tcb.snp);
    at_least("microcode", tcb.microcode);
    if (tcb.fmc)
        out += fmt::format("    [type==\"x-vouchsafe-snp-fmc-svn\", value>={}] &&\n", *tcb.fmc);
    return out;
}

// quote_conditions are about quotes of Intel's, by the claims that say whether the host may debug
// and what Intel says of the platform.
std::string quote_conditions(std::string_view debug_claim, std::string_view status_claim) {
    return fmt::format(
        "    [type==\"{}\", value==false] &&\n"
        "    [type==\"{}\", value==\"UpToDate\"] &&\n"
        "    [type==\"x-vouchsafe-revocation\", value==\"checked\"]\n",
        debug_claim, status_claim);
}

// One rule per product line: a machine is of one line, so at most one permits. `last` is one more
// rule, or none.
std::string policy(const Config& config, std::string_view more_rules, std::string_view last) {
    std::string rules;
    for (const auto& [product, tcb] : config.minimum_tcb) {
        std::string conditions =
            fmt::format("{}{}{}", more_rules, kMachineRules, floor_of(product, tcb));
        conditions.resize(conditions.size() - std::string_view(" &&\n").size());
        rules += fmt::format("{}\n    => permit();\n", conditions);
    }
    rules += last;
    return fmt::format("version=1.0;\nauthorizationrules\n{{\n{}}};\nissuancerules\n{{\n}};\n",
                       rules);
}

// quote_policy is for quotes of Intel's.
std::string quote_policy(std::string_view debug_claim, std::string_view status_claim) {
    return fmt::format(
        "version=1.0;\n"
        "authorizationrules\n"
        "{{\n"
        "{}"
        "    => permit();\n"
        "}};\n"
        "issuancerules\n"
        "{{\n"
        "}};\n",
        quote_conditions(debug_claim, status_claim));
}

}  // namespace

std::string default_azure_guest_policy(const Config& config) {
    constexpr std::string_view kGuestRules =
        "    [type==\"secureboot\", value==true] &&\n"
        "    [type==\"x-ms-compliance-status\", value==\"azure-compliant-cvm\"] &&\n";
    constexpr std::string_view kTrustedLaunchRule =
        "    [type==\"secureboot\", value==true] &&\n"
        "    [type==\"x-vouchsafe-trusted-launch\", value==true]\n"
        "    => permit();\n";
    return policy(config, kGuestRules,
                  fmt::format("{}{}    => permit();\n{}", kGuestRules,
                              quote_conditions("tdx_td_attributes_debug", "attester_tcb_status"),
                              config.trusted_launch ? kTrustedLaunchRule : ""));
}

std::string default_snp_vm_policy(const Config& config) {
    return policy(config, "", "");
}

std::string default_tdx_vm_policy() {
    return quote_policy("tdx_td_attributes_debug", "attester_tcb_status");
}

std::string default_sgx_policy() {
    return quote_policy("x-ms-sgx-is-debuggable", "x-vouchsafe-sgx-tcb-status");
}

std::map<policy::AttestationTarget, std::string> default_policies(const Config& config) {
    using enum policy::AttestationTarget;
    return {{azure_guest, default_azure_guest_policy(config)},
            {sev_snp_vm, default_snp_vm_policy(config)},
            {tdx_vm, default_tdx_vm_policy()},
            {sgx_enclave, default_sgx_policy()},
            {open_enclave, default_sgx_policy()}};
}

std::string policy_hash(std::string_view policy_text) {
    return encode_base64url(crypto::sha256(as_bytes(encode_base64url(as_bytes(policy_text)))));
}

}  // namespace vouchsafe::attest
