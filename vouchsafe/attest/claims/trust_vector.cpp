#include "vouchsafe/attest/claims/trust_vector.h"

#include <algorithm>
#include <array>

#include "vouchsafe/base/json.h"

namespace vouchsafe::attest {

namespace {

struct NamedClaim {
    const char* name;
    std::optional<TrustClaim> claim;
};

std::array<NamedClaim, 4> named(const TrustVector& vector) {
    return {{{"instance-identity", vector.instance_identity},
             {"configuration", vector.configuration},
             {"hardware", vector.hardware},
             {"runtime-opaque", vector.runtime_opaque}}};
}

// worse of two claims: all values in use grow with mistrust, and 2 and 3 both affirm.
TrustClaim worse(TrustClaim a, TrustClaim b) {
    return std::max(a, b);
}

std::optional<TrustClaim> instance_of(bool revocation_checked) {
    if (!revocation_checked) return std::nullopt;
    return TrustClaim::genuine;
}

// The host sees the memory of a guest that it may debug, and of one without hardware.
TrustClaim runtime_of(evidence::Tier tier, bool debug) {
    bool opaque = tier == evidence::Tier::hardware && !debug;
    return opaque ? TrustClaim::genuine : TrustClaim::contraindicated;
}

TrustClaim launch_configuration(bool debug, bool migratable) {
    if (debug) return TrustClaim::contraindicated;
    return migratable ? TrustClaim::known_weakness : TrustClaim::no_known_weakness;
}

TrustClaim boot_configuration(evidence::SecureBoot state) {
    if (state == evidence::SecureBoot::on) return TrustClaim::no_known_weakness;
    bool off = state == evidence::SecureBoot::off;
    return off ? TrustClaim::known_weakness : TrustClaim::part_unavailable;
}

bool reaches_floor(const evidence::VerifiedSnpReport& report, const Config& config) {
    auto floor = config.minimum_tcb.find(report.product());
    if (floor == config.minimum_tcb.end()) return false;
    return evidence::reaches(report.reported_tcb(), floor->second);
}

bool is_checked(const std::vector<std::string>& not_checked) {
    return std::find(not_checked.begin(), not_checked.end(), evidence::kSnpRevocation) ==
           not_checked.end();
}

// trust_vector_of a quote of Intel's.
template <typename Quote>
TrustVector trust_vector_of(const Quote& quote, bool debug, bool migratable) {
    TrustVector out;
    out.instance_identity = instance_of(is_checked(quote.not_checked()));
    out.configuration = launch_configuration(debug, migratable);
    if (quote.tier() != evidence::Tier::hardware) {
        out.hardware = TrustClaim::unrecognized;
    } else if (const auto* tcb = whole_judgement(quote.tcb(), quote.not_checked())) {
        bool current = tcb->status == evidence::TcbStatus::up_to_date;
        out.hardware = current ? TrustClaim::genuine : TrustClaim::known_weakness;
    }
    out.runtime_opaque = runtime_of(quote.tier(), debug);
    out.complete = quote.not_checked().empty();
    return out;
}

}  // namespace

Json TrustVector::to_json() const {
    Json out = Json::object();
    for (const NamedClaim& one : named(*this)) {
        if (one.claim) out[one.name] = static_cast<int>(*one.claim);
    }
    return out;
}

std::string_view TrustVector::status() const {
    int worst = 0;
    for (const NamedClaim& one : named(*this)) {
        if (one.claim) worst = std::max(worst, static_cast<int>(*one.claim));
    }
    if (worst == 0) return "none";
    if (worst < 32) return complete ? "affirming" : "warning";
    return worst < 96 ? "warning" : "contraindicated";
}

const evidence::TdTcb* whole_judgement(const std::optional<evidence::TdTcb>& tcb,
                                       const std::vector<std::string>& not_checked) {
    std::string_view enclave = evidence::tdx_check_name(evidence::TdxCheck::qe_identity);
    bool left_out = std::ranges::find(not_checked, enclave) != not_checked.end();
    return tcb && !left_out ? &*tcb : nullptr;
}

TrustVector trust_vector(const evidence::VerifiedSnpReport& report, const Config& config,
                         const std::vector<std::string>& not_checked) {
    const evidence::SnpPolicy& policy = report.report().policy;
    TrustVector out;
    out.instance_identity = instance_of(is_checked(not_checked));
    out.configuration = launch_configuration(policy.debug_allowed(), policy.migration_allowed());
    out.hardware = TrustClaim::unrecognized;
    if (report.tier() == evidence::Tier::hardware) {
        bool current = reaches_floor(report, config);
        out.hardware = current ? TrustClaim::genuine : TrustClaim::known_weakness;
    }
    out.runtime_opaque = runtime_of(report.tier(), policy.debug_allowed());
    out.complete = not_checked.empty();
    return out;
}

TrustVector trust_vector(const evidence::VerifiedAzureGuest& guest, const Config& config,
                         const std::vector<std::string>& not_checked) {
    TrustVector out = trust_vector(guest.snp(), config, not_checked);
    out.configuration = worse(*out.configuration, boot_configuration(guest.secure_boot()));
    return out;
}

TrustVector trust_vector(const evidence::VerifiedTdQuote& quote) {
    const evidence::TdAttributes& attributes = quote.report().td_attributes;
    return trust_vector_of(quote, attributes.debug(), attributes.migratable());
}

TrustVector trust_vector(const evidence::VerifiedTdGuest& guest) {
    TrustVector out = trust_vector(guest.td());
    out.configuration = worse(*out.configuration, boot_configuration(guest.tpm().secure_boot()));
    return out;
}

TrustVector trust_vector(const evidence::VerifiedSgxQuote& quote) {
    return trust_vector_of(quote, quote.report().debug(), false);
}

TrustVector trust_vector(const evidence::VerifiedTpmMachine& machine) {
    TrustVector out;
    bool known = machine.ak_certificate().has_value();
    out.configuration =
        known ? boot_configuration(machine.secure_boot()) : TrustClaim::part_unavailable;
    out.runtime_opaque = TrustClaim::contraindicated;
    return out;
}

}  // namespace vouchsafe::attest
