#include "vouchsafe/attest/reference/measured.h"

#include <algorithm>

#include "vouchsafe/attest/claims/trust_vector.h"

namespace vouchsafe::attest {

namespace {

// Zeros in other fields are values: an RTMR that nothing extended, Intel as MRSIGNERSEAM.
constexpr std::string_view kGivenByOwner[] = {"snp.host-data",
                                              "snp.id-key-digest",
                                              "snp.author-key-digest",
                                              "snp.family-id",
                                              "snp.image-id",
                                              "tdx.mrconfigid",
                                              "tdx.mrowner",
                                              "tdx.mrownerconfig",
                                              "sgx.config-id",
                                              "sgx.isv-family-id",
                                              "sgx.isv-extended-product-id"};

// Intel's number counts only where platform and quoting enclave were judged.
template <typename Quote>
void add_evaluation(Measured& out, std::string_view path, const Quote& quote) {
    const evidence::TdTcb* tcb = whole_judgement(quote.tcb(), quote.not_checked());
    if (tcb != nullptr) out.numbers[path] = tcb->evaluation;
}

void add_registers(Measured& out, const evidence::VerifiedGuestTpm& tpm) {
    out.pcrs = tpm.pcrs().values;
    out.events = tpm.measured();
}

}  // namespace

Measured measured_of(const evidence::VerifiedSnpReport& verified) {
    const evidence::SnpReport& report = verified.report();
    Measured out;
    out.digests["snp.measurement"] = to_bytes(report.measurement);
    out.digests["snp.host-data"] = to_bytes(report.host_data);
    out.digests["snp.id-key-digest"] = to_bytes(report.id_key_digest);
    out.digests["snp.author-key-digest"] = to_bytes(report.author_key_digest);
    out.digests["snp.family-id"] = to_bytes(report.family_id);
    out.digests["snp.image-id"] = to_bytes(report.image_id);
    out.numbers["snp.guest-svn"] = report.guest_svn;
    out.snp_product = verified.product();
    out.snp_tcb = verified.reported_tcb();
    return out;
}

Measured measured_of(const evidence::VerifiedAzureGuest& guest) {
    Measured out = measured_of(guest.snp());
    add_registers(out, guest.tpm());
    return out;
}

Measured measured_of(const evidence::VerifiedTdQuote& quote) {
    const evidence::TdReport& report = quote.report();
    Measured out;
    out.digests["tdx.mrtd"] = to_bytes(report.mrtd);
    out.digests["tdx.rtmr0"] = to_bytes(report.rtmr[0]);
    out.digests["tdx.rtmr1"] = to_bytes(report.rtmr[1]);
    out.digests["tdx.rtmr2"] = to_bytes(report.rtmr[2]);
    out.digests["tdx.rtmr3"] = to_bytes(report.rtmr[3]);
    out.digests["tdx.mrseam"] = to_bytes(report.mrseam);
    out.digests["tdx.mrsignerseam"] = to_bytes(report.mrsignerseam);
    out.digests["tdx.mrconfigid"] = to_bytes(report.mrconfigid);
    out.digests["tdx.mrowner"] = to_bytes(report.mrowner);
    out.digests["tdx.mrownerconfig"] = to_bytes(report.mrownerconfig);
    out.tee_tcb_svn = report.tee_tcb_svn;
    add_evaluation(out, "tdx.tcb-evaluation", quote);
    return out;
}

Measured measured_of(const evidence::VerifiedTdGuest& guest) {
    Measured out = measured_of(guest.td());
    add_registers(out, guest.tpm());
    return out;
}

Measured measured_of(const evidence::VerifiedSgxQuote& quote) {
    const evidence::EnclaveReport& report = quote.report();
    Measured out;
    out.digests["sgx.mrenclave"] = to_bytes(report.mrenclave);
    out.digests["sgx.mrsigner"] = to_bytes(report.mrsigner);
    out.numbers["sgx.product-id"] = report.isvprodid;
    out.numbers["sgx.svn"] = report.isvsvn;
    add_evaluation(out, "sgx.tcb-evaluation", quote);
    if (!report.key_separation()) return out;
    out.digests["sgx.config-id"] = to_bytes(report.config_id);
    out.digests["sgx.isv-family-id"] = to_bytes(report.isv_family_id);
    out.digests["sgx.isv-extended-product-id"] = to_bytes(report.isv_ext_prod_id);
    out.numbers["sgx.config-svn"] = report.config_svn;
    return out;
}

ReferenceValues reference_values_of(const Measured& measured) {
    ReferenceValues out;
    for (const auto& [path, digest] : measured.digests) {
        bool by_owner = std::ranges::find(kGivenByOwner, path) != std::end(kGivenByOwner);
        if (!by_owner || !all_zero(digest)) out.digests[path] = {digest};
    }
    for (const auto& [path, number] : measured.numbers) {
        out.numbers[path].min = number;
        if (path == "sgx.product-id") out.numbers[path].max = number;
    }
    if (measured.snp_product) out.minimum_tcb[*measured.snp_product] = measured.snp_tcb;
    out.minimum_tee_tcb_svn = measured.tee_tcb_svn;
    for (const auto& [index, value] : measured.pcrs) {
        if (index < kReferenceRegisters) out.pcrs[index] = {value};
    }
    return out;
}

}  // namespace vouchsafe::attest
