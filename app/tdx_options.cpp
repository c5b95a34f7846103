#include "app/tdx_options.h"

#include <algorithm>

#include "vouchsafe/crypto/crl.h"

namespace vouchsafe::app {

using namespace evidence;

namespace {

Result<std::optional<SignedJson>> signed_json(const std::string& file, const std::string& chain) {
    if (file.empty()) return std::optional<SignedJson>();
    if (chain.empty()) {
        return fail(Code::invalid, "{} is signed: give its signer's chain with --tcb-chain", file);
    }
    SignedJson out;
    out.json = to_text(TRY(read_evidence(file)));
    out.issuer_chain = to_text(TRY(read_evidence(chain)));
    return std::optional<SignedJson>(std::move(out));
}

constexpr TdxCheck kChecks[] = {TdxCheck::revocation, TdxCheck::qe_identity, TdxCheck::tcb_info};
constexpr TcbStatus kStatus[] = {
    TcbStatus::up_to_date,           TcbStatus::sw_hardening_needed,
    TcbStatus::configuration_needed, TcbStatus::configuration_and_sw_hardening_needed,
    TcbStatus::out_of_date,          TcbStatus::out_of_date_configuration_needed};

}  // namespace

void add_tdx_options(Command command, TdxOptions& options) {
    command.option("--tcb-info", options.tcb_info, "Intel's TCB info of the platform", "FILE");
    command.option("--qe-identity", options.qe_identity, "Intel's identity of the quoting enclave",
                   "FILE");
    command.option("--tcb-chain", options.tcb_chain, "the certificates that signed both, PEM",
                   "FILE");
    command.option("--accept-status", options.accept,
                   "accept this of Intel's TCB statuses beside UpToDate (repeat)", "STATUS");
}

Result<TdxCollateral> read_tdx_collateral(const TdxOptions& options,
                                          const std::vector<std::string>& crls) {
    TdxCollateral out;
    out.tcb_info = TRY(signed_json(options.tcb_info, options.tcb_chain));
    out.qe_identity = TRY(signed_json(options.qe_identity, options.tcb_chain));
    for (const std::string& file : crls) {
        Bytes bytes = TRY(read_evidence(file));
        auto crl = TRY(with_context(crypto::Crl::parse_any(bytes), file));
        bool of_root = crl.issuer_der() == vendor_anchors().intel->subject_der();
        std::optional<Bytes>& place = of_root ? out.root_crl : out.pck_crl;
        if (place) return fail(Code::invalid, "{} is the second list of its issuer", file);
        place = std::move(bytes);
    }
    return out;
}

Result<TdxRules> tdx_rules_of(const TdxOptions& options,
                              const std::vector<std::string>& allow_unchecked) {
    TdxRules rules;
    for (const std::string& name : allow_unchecked) {
        auto check = std::ranges::find(kChecks, name, tdx_check_name);
        if (check == std::end(kChecks)) {
            return fail(Code::invalid,
                        "--allow-unchecked {} is not one of revocation, "
                        "qe-identity, tcb-info",
                        name);
        }
        rules.may_be_unchecked.insert(*check);
    }
    for (const std::string& name : options.accept) {
        auto status = std::ranges::find(kStatus, name, tcb_status_name);
        if (status == std::end(kStatus)) {
            return fail(Code::invalid, "--accept-status {} is none of Intel's that may be accepted",
                        name);
        }
        rules.accepted_status.insert(*status);
    }
    return rules;
}

Json tcb_facts(const std::optional<TdTcb>& tcb) {
    if (!tcb) return nullptr;
    return Json{{"status", tcb_status_name(tcb->status)},
                {"date", format_rfc3339(tcb->date)},
                {"advisories", tcb->advisories},
                {"evaluation", tcb->evaluation}};
}

std::string tcb_words(const std::optional<TdTcb>& tcb) {
    return tcb ? std::string(tcb_status_name(tcb->status)) : "not judged";
}

}  // namespace vouchsafe::app
