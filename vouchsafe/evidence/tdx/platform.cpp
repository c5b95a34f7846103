#include "vouchsafe/evidence/tdx/platform.h"

#include <algorithm>
#include <set>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::evidence {

namespace {

constexpr std::array<uint8_t, 32> kSgxQeSigner{
    0x8c, 0x4f, 0x57, 0x75, 0xd7, 0x96, 0x50, 0x3e, 0x96, 0x13, 0x7f, 0x77, 0xc6, 0x8a, 0x82, 0x9a,
    0x00, 0x56, 0xac, 0x8d, 0xed, 0x70, 0x14, 0x0b, 0x08, 0x1b, 0x09, 0x44, 0x90, 0xc5, 0x7b, 0xff};
constexpr std::array<uint8_t, 32> kTdQeSigner{
    0xdc, 0x9e, 0x2a, 0x7c, 0x6f, 0x94, 0x8f, 0x17, 0x47, 0x4e, 0x34, 0xa7, 0xfc, 0x43, 0xed, 0x03,
    0x0f, 0x7c, 0x15, 0x63, 0xf1, 0xba, 0xbd, 0xdf, 0x63, 0x40, 0xc8, 0x2e, 0x0e, 0x54, 0xa8, 0xc5};
constexpr size_t kModuleMinor = 0;  // of tee_tcb_svn
constexpr size_t kModuleMajor = 1;

template <size_t N>
std::array<uint8_t, N> masked(const std::array<uint8_t, N>& value,
                              const std::array<uint8_t, N>& mask) {
    std::array<uint8_t, N> out;
    for (size_t i = 0; i < N; ++i) out[i] = value[i] & mask[i];
    return out;
}

// reaches tells whether every component from `first` on is at least the level's.
bool reaches(const std::array<uint8_t, 16>& svns, const std::array<uint8_t, 16>& level,
             size_t first = 0) {
    for (size_t i = first; i < svns.size(); ++i) {
        if (svns[i] < level[i]) return false;
    }
    return true;
}

}  // namespace

Result<void> PlatformChecker::check_enclave(const QeIdentity& identity,
                                            const EnclaveReport& report) {
    auto same = [&](bool ok, std::string_view field, std::string expected, std::string found) {
        return checks_.require(ok, "TDX-QE-IDENTITY", field, std::move(expected), std::move(found));
    };
    TRY(same(report.mrsigner == identity.mrsigner, "mrsigner", encode_hex(identity.mrsigner),
             encode_hex(report.mrsigner)));
    TRY(same(report.isvprodid == identity.isvprodid, "isvprodid",
             fmt::format("{}", identity.isvprodid), fmt::format("{}", report.isvprodid)));
    TRY(same((report.miscselect & identity.miscselect_mask) == identity.miscselect, "miscselect",
             fmt::format("{:#x} under mask {:#x}", identity.miscselect, identity.miscselect_mask),
             fmt::format("{:#x}", report.miscselect)));
    return same(masked(report.attributes, identity.attributes_mask) == identity.attributes,
                "attributes",
                fmt::format("{} under mask {}", encode_hex(identity.attributes),
                            encode_hex(identity.attributes_mask)),
                encode_hex(report.attributes));
}

// The values are those of Intel's QE identities: "TD_QE", the same in all recorded issues since
// 2023, and "QE", the same in the two of 2022 and 2025.
Result<void> PlatformChecker::check_enclave_unlisted(const EnclaveReport& report) {
    QeIdentity intel;
    intel.miscselect_mask = 0xffffffff;
    intel.attributes[0] = 0x11;  // initialized, provisioning key; not debug
    intel.attributes_mask = {0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    intel.mrsigner = tee_ == IntelTee::tdx ? kTdQeSigner : kSgxQeSigner;
    intel.isvprodid = tee_ == IntelTee::tdx ? 2 : 1;
    return check_enclave(intel, report);
}

Result<TcbJudgement> PlatformChecker::judge_enclave(const QeIdentity& identity,
                                                    const EnclaveReport& report) {
    TRY(check_enclave(identity, report));
    auto level = find_level(identity.levels, report.isvsvn);
    TRY(checks_.require(level.has_value(), "TDX-QE-LEVEL", "isvsvn",
                        fmt::format("at least {}", identity.levels.back().isvsvn),
                        fmt::format("{}", report.isvsvn)));
    return TRY(std::move(level))->judgement;
}

Result<void> PlatformChecker::check_module_signer(const TdxModule& module, const TdReport& report) {
    TRY(checks_.require(report.mrsignerseam == module.mrsigner, "TDX-MODULE-SIGNER", "mrsignerseam",
                        encode_hex(module.mrsigner), encode_hex(report.mrsignerseam)));
    return checks_.require(
        masked(report.seam_attributes, module.attributes_mask) == module.attributes,
        "TDX-MODULE-SIGNER", "seam_attributes",
        fmt::format("{} under mask {}", encode_hex(module.attributes),
                    encode_hex(module.attributes_mask)),
        encode_hex(report.seam_attributes));
}

Result<void> PlatformChecker::check_module_unlisted(const TdReport& report) {
    TdxModule production;
    production.attributes_mask.fill(0xff);
    return check_module_signer(production, report);
}

// A module of major version 0 has no levels of its own: its version is among the TDX components.
Result<std::optional<TcbJudgement>> PlatformChecker::judge_module(const TcbInfo& info,
                                                                  const TdReport& report) {
    uint8_t major = report.tee_tcb_svn[kModuleMajor];
    uint8_t minor = report.tee_tcb_svn[kModuleMinor];
    auto found = info.find_module(major);
    TRY(checks_.require(found.has_value(), "TDX-MODULE-IDENTITY", "tee_tcb_svn[1]",
                        "a major version that Intel lists", fmt::format("{}", major)));
    const TdxModule& module = *TRY(std::move(found));
    TRY(check_module_signer(module, report));
    if (major == 0) return std::optional<TcbJudgement>();
    auto level = find_level(module.levels, minor);
    TRY(checks_.require(level.has_value(), "TDX-MODULE-LEVEL", module.id,
                        fmt::format("at least {}", module.levels.back().isvsvn),
                        fmt::format("{}", minor)));
    return std::optional<TcbJudgement>(TRY(std::move(level))->judgement);
}

// PCS, Get TDX TCB Info, "How to determine the TCB status": the first level whose SGX components,
// PCESVN and TDX components are all reached (SGX TCB info: the first two). With a module that is
// listed by itself (major version above 0) the first two TDX components, the module's version, are
// not compared here.
Result<TcbJudgement> PlatformChecker::judge_platform(const TcbInfo& info, const TdReport* report,
                                                     const PckInfo& pck) {
    size_t first = report != nullptr && report->tee_tcb_svn[kModuleMajor] > 0 ? 2 : 0;
    auto reached = [&](const TcbLevel& one) {
        return reaches(pck.tcb_components, one.sgx_components) && pck.pcesvn >= one.pcesvn &&
               (report == nullptr || reaches(report->tee_tcb_svn, one.tdx_components, first));
    };
    std::string found = fmt::format("SGX {} PCESVN {}", encode_hex(pck.tcb_components), pck.pcesvn);
    if (report != nullptr) found += " TDX " + encode_hex(report->tee_tcb_svn);
    auto level = std::find_if(info.levels.begin(), info.levels.end(), reached);
    std::optional<TcbJudgement> judgement;
    if (level != info.levels.end()) judgement = level->judgement;
    TRY(checks_.require(judgement.has_value(), tee_terms(tee_).tcb_level, "TCB",
                        "a level that Intel lists", found));
    return judgement.value_or(TcbJudgement{});  // revoked, if nothing better is known
}

Result<TdTcb> PlatformChecker::judge(const TcbInfo& info, const TdReport* report,
                                     const PckInfo& pck,
                                     const std::optional<TcbJudgement>& enclave) {
    TRY(checks_.require(info.fmspc == pck.fmspc, "TDX-TCB-PLATFORM", "fmspc", encode_hex(pck.fmspc),
                        encode_hex(info.fmspc)));
    TRY(checks_.require(info.pceid == pck.pceid, "TDX-TCB-PLATFORM", "pceId", encode_hex(pck.pceid),
                        encode_hex(info.pceid)));
    std::optional<TcbJudgement> module;
    if (report != nullptr) module = TRY(judge_module(info, *report));
    TcbJudgement platform = TRY(judge_platform(info, report, pck));
    TdTcb out{platform.status, platform.date, {}, info.evaluation};
    std::set<std::string> advisories(platform.advisories.begin(), platform.advisories.end());
    for (const std::optional<TcbJudgement>* part : {&std::as_const(module), &enclave}) {
        if (!*part) continue;
        out.status = converge_tcb_status(out.status, (*part)->status);
        advisories.insert((*part)->advisories.begin(), (*part)->advisories.end());
    }
    out.advisories.assign(advisories.begin(), advisories.end());
    return out;
}

}  // namespace vouchsafe::evidence
