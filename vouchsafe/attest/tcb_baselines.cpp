#include "vouchsafe/attest/tcb_baselines.h"

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::attest {

using evidence::IntelTee;
using policy::AttestationTarget;

namespace {

Json floor_entry(evidence::SnpProduct product, const evidence::SnpTcb& floor, bool selected) {
    Json svns = {{"bootloader", floor.bootloader},
                 {"tee", floor.tee},
                 {"snpfw", floor.snp},
                 {"microcode", floor.microcode}};
    std::string name(evidence::product_name(product));
    std::string id = to_lower(name) + "-";
    if (floor.fmc) {
        svns["fmc"] = *floor.fmc;
        id += fmt::format("{}.", *floor.fmc);
    }
    id += fmt::format("{}.{}.{}.{}", floor.bootloader, floor.tee, floor.snp, floor.microcode);
    return {{"tcbIdentifier", std::move(id)},
            {"isSelectedTcb", selected},
            {"x-vouchsafe-snp-product", std::move(name)},
            {"x-vouchsafe-minimum-svn", std::move(svns)}};
}

// fmspcs_by_evaluation: of TCB info in force, newest last.
std::map<uint64_t, Json> fmspcs_by_evaluation(IntelTee tee, const Json& freshness) {
    std::map<uint64_t, Json> out;
    const Json* pieces = find_member(freshness, "pieces");
    if (pieces == nullptr) return out;
    for (const Json& piece : *pieces) {
        auto name = CollateralName::parse(text_or_empty(piece, "name"));
        bool of_tee = name && name->kind == CollateralName::Kind::tcb_info && name->tee == tee;
        if (!of_tee || !piece.value("in_force", false)) continue;
        out[piece.value("evaluation", uint64_t{0})].push_back(encode_hex(name->fmspc));
    }
    return out;
}

void add_evaluations(IntelTee tee, const Json& freshness, bool selected, Json& out) {
    for (auto& [number, fmspcs] : fmspcs_by_evaluation(tee, freshness)) {
        out.push_back({{"tcbIdentifier", fmt::format("{}", number)},
                       {"tcbEvaluationDataNumber", number},
                       {"isSelectedTcb", selected},
                       {"x-vouchsafe-fmspc", std::move(fmspcs)}});
    }
}

}  // namespace

Json tcb_baselines(AttestationTarget target, const Config& config, const Json& freshness,
                   bool built_in) {
    Json list = Json::array();
    switch (target) {
        case AttestationTarget::azure_guest:
        case AttestationTarget::sev_snp_vm:
            for (const auto& [product, floor] : config.minimum_tcb) {
                list.push_back(floor_entry(product, floor, built_in));
            }
            if (target == AttestationTarget::azure_guest) {
                add_evaluations(IntelTee::tdx, freshness, built_in, list);
            }
            break;
        case AttestationTarget::tdx_vm:
            add_evaluations(IntelTee::tdx, freshness, built_in, list);
            break;
        case AttestationTarget::sgx_enclave:
        case AttestationTarget::open_enclave:
            add_evaluations(IntelTee::sgx, freshness, built_in, list);
            break;
        case AttestationTarget::tpm:
            break;
    }
    return {{"tcbBaselines", std::move(list)}};
}

net::Response get_tcb_baselines(Service::Impl& service, const net::Request& request) {
    const std::string& name = request.params.at("type");
    auto target = policy::find_target(name);
    if (!target) {
        return net::error_response(404, "InvalidOperation",
                                   fmt::format("there is no attestation type {}", show_json(name)));
    }
    if (*target == AttestationTarget::tpm) {
        return net::error_response(400, "InvalidOperation", "a TPM has no TCB baseline");
    }
    auto policy = service.policies->active(*target);
    if (!policy) {
        const CodeInfo& info = code_info(Code::unavailable);
        return net::error_response(info.http_status, info.azure_code,
                                   "the policy in force cannot be read");
    }
    CollateralStore* collateral = service.deps.collateral;
    Json freshness = collateral == nullptr ? Json() : collateral->freshness();
    bool built_in = *policy != nullptr && (*policy)->built_in;
    return net::json_response(200, tcb_baselines(*target, service.config, freshness, built_in));
}

}  // namespace vouchsafe::attest
