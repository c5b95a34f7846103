#include "vouchsafe/attest/appraisal_bundle.h"

#include <algorithm>

#include "vouchsafe/attest/collateral/collateral_pack.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {

using evidence::Bundle;
using evidence::BundleFile;

namespace {

constexpr int kOwnerOnly = 0600;

// is_services_own tells of a check that nobody else can make again.
bool is_services_own(const Check& check) {
    return check.code == "ATTEST-CHALLENGE" && check.field == "challenge";
}

Json check_json(const Check& check) {
    return {{"code", check.code},
            {"field", check.field},
            {"expected", check.expected},
            {"found", check.found},
            {"passed", check.passed}};
}

Json verdict_of(const HeardRequest& heard) {
    Json list = Json::array();
    for (const Check& check : heard.checks) {
        if (!is_services_own(check)) list.push_back(check_json(check));
    }
    Json out{{"schema", "vouchsafe-verdict/1"},
             {"kind", "appraisal"},
             {"valid", heard.claims != nullptr},
             {"checks", std::move(list)}};
    if (heard.claims == nullptr) {
        out["refusal"] = check_json(heard.checks.back());
    } else {
        out["facts"] = {{"type", policy::target_name(heard.target)}, {"claims", *heard.claims}};
    }
    return out;
}

std::vector<BundleFile> reference_files(const ReferenceBook::Sets& sets,
                                        policy::AttestationTarget target) {
    std::vector<BundleFile> out;
    if (sets == nullptr) return out;
    for (const ReferenceSet& set : *sets) {
        if (!set.applies_to(target)) continue;
        out.push_back({set.name + ".json", to_bytes(dump_json(set.to_json()))});
    }
    return out;
}

std::string pack_of(const std::vector<PiecePtr>& pieces, Time now) {
    std::vector<CollateralPiece> out;
    for (const PiecePtr& piece : pieces) out.push_back(piece->piece());
    return encode_pack_file(out, now);
}

void add_rules(Bundle& bundle, const HeardRequest& heard) {
    const Config& config = heard.hearing.terms.config;
    bundle.rules["type"] = {std::string(policy::target_name(heard.target))};
    if (heard.hearing.policy->built_in) bundle.rules["built-in"] = {};
    if (heard.challenge) bundle.rules["challenge"] = {*heard.challenge};
    if (config.trusted_launch) bundle.rules["trusted-launch"] = {};
    bundle.rules["id-key"] = config.compliant_id_keys;
    bundle.rules["td-measurement"] = config.compliant_td_measurements;
    for (const auto& [product, floor] : config.minimum_tcb) {
        bundle.rules["min-tcb"].push_back(tcb_floor_text(product, floor));
    }
    std::erase_if(bundle.rules, [](const auto& rule) {
        const bool flag = rule.first == "built-in" || rule.first == "trusted-launch";
        return rule.second.empty() && !flag;
    });
}

}  // namespace

std::string tcb_floor_text(evidence::SnpProduct product, const evidence::SnpTcb& floor) {
    std::string out = fmt::format("{}:bootloader={},tee={},snp={},microcode={}",
                                  to_lower(evidence::product_name(product)), floor.bootloader,
                                  floor.tee, floor.snp, floor.microcode);
    if (floor.fmc) out += fmt::format(",fmc={}", *floor.fmc);
    return out;
}

std::optional<Bundle> bundle_of(const HeardRequest& heard) {
    if (heard.hearing.policy == nullptr || heard.checks.empty()) return std::nullopt;
    const Check& last = heard.checks.back();
    if (heard.claims == nullptr && (last.passed || is_services_own(last))) return std::nullopt;
    Bundle out;
    out.made_by = "vouchsafe " VS_VERSION;
    out.kind = "appraisal";
    out.time = heard.hearing.terms.now;
    add_rules(out, heard);
    out.files["evidence"] = {{"request.json", to_bytes(heard.body)}};
    out.files["policy"] = {{"policy.jws", to_bytes(heard.hearing.policy->jws)}};
    auto references = reference_files(heard.hearing.references, heard.target);
    if (!references.empty()) out.files["reference"] = std::move(references);
    const std::vector<PiecePtr>* used = heard.hearing.terms.used_collateral;
    if (used != nullptr && !used->empty()) {
        out.files["collateral"] = {{"collateral.json", to_bytes(pack_of(*used, out.time))}};
    }
    out.verdict = verdict_of(heard);
    return out;
}

Result<std::string> keep_bundle(const Bundle& bundle, const Path& dir,
                                const std::string& request_id) {
    const Path day = dir / format_rfc3339(bundle.time).substr(0, 10);
    TRY(make_private_dir(day));
    const std::string text = bundle.encode();
    TRY(write_file(day / (request_id + ".json"), as_bytes(text), Overwrite::no, kOwnerOnly));
    return encode_hex(crypto::sha256(as_bytes(text)));
}

}  // namespace vouchsafe::attest
