#include "vouchsafe/evidence/azure/hcl_verify.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::evidence {

namespace {

Result<HclReport> parse_report(ByteView nv, HclReportType type, std::string_view tee,
                               Checks& checks) {
    HclReport report = TRY(HclReport::parse(nv, checks));
    TRY(checks.require(report.type == type, "HCL-TEE", "report type", std::string(tee),
                       std::string(report_type_name(report.type))));
    return report;
}

Result<RuntimeClaims> bound_claims(const HclReport& report, ByteView report_data,
                                   const std::optional<crypto::PublicKey>& ak, Checks& checks) {
    TRY(check_runtime_binding(report_data, report.runtime_data, report.hash, checks));
    RuntimeClaims claims = TRY(RuntimeClaims::parse(report.runtime_data, checks));
    if (!ak) return claims;
    const RuntimeKey* key = claims.find_key("HCLAkPub");
    bool same = key != nullptr && key->key == *ak;
    TRY(checks.require(same, "HCL-AK", "runtime key HCLAkPub", "the AK that was given",
                       key == nullptr ? "absent"
                       : same         ? "the AK that was given"
                                      : "another key"));
    return claims;
}

// A field of TDREPORT_STRUCT (Intel 344425, table "TDREPORT_STRUCT", "REPORTMACSTRUCT" and
// "TDINFO_STRUCT"), and the same field of a quote.
struct SharedField {
    const char* name;
    size_t offset;
    Bytes in_quote;
};

std::vector<SharedField> shared_fields(const TdReport& quote) {
    auto bytes = [](const auto& field) { return Bytes(field.begin(), field.end()); };
    auto number = [](uint64_t value) {
        Bytes out;
        for (int i = 0; i < 8; ++i, value >>= 8) out.push_back(static_cast<uint8_t>(value));
        return out;
    };
    return {{"report data", 128, bytes(quote.report_data)},
            {"attributes", 512, number(quote.td_attributes.raw)},
            {"XFAM", 520, number(quote.xfam)},
            {"MRTD", 528, bytes(quote.mrtd)},
            {"MRCONFIGID", 576, bytes(quote.mrconfigid)},
            {"MROWNER", 624, bytes(quote.mrowner)},
            {"MROWNERCONFIG", 672, bytes(quote.mrownerconfig)},
            {"RTMR0", 720, bytes(quote.rtmr[0])},
            {"RTMR1", 768, bytes(quote.rtmr[1])},
            {"RTMR2", 816, bytes(quote.rtmr[2])},
            {"RTMR3", 864, bytes(quote.rtmr[3])}};
}

// `td_report` has kTdReportSize bytes: HclReport::parse cut it so.
Result<void> check_same_domain(ByteView td_report, const TdReport& quote, Checks& checks) {
    for (const SharedField& field : shared_fields(quote)) {
        ByteView in_report = td_report.subspan(field.offset, field.in_quote.size());
        TRY(checks.require(equal(in_report, field.in_quote), "HCL-QUOTE", field.name,
                           encode_hex(in_report), encode_hex(field.in_quote)));
    }
    return {};
}

}  // namespace

struct HclVerifier {
    static VerifiedHclReport make(HclReport report, RuntimeClaims claims, VerifiedSnpReport snp) {
        return {std::move(report), std::move(claims), std::move(snp)};
    }
    static VerifiedTdHclReport make(HclReport report, RuntimeClaims claims, VerifiedTdQuote quote) {
        return {std::move(report), std::move(claims), std::move(quote)};
    }
};

Result<VerifiedHclReport> verify_hcl(ByteView nv, const SnpEndorsements& endorsements,
                                     const TrustAnchors& anchors, const SnpRules& rules,
                                     const std::optional<crypto::PublicKey>& ak, Time now,
                                     Checks& checks) {
    HclReport report = TRY(parse_report(nv, HclReportType::snp, "SNP", checks));
    VerifiedSnpReport snp =
        TRY(verify_snp(report.hardware_report, endorsements, anchors, rules, now, checks));
    RuntimeClaims claims = TRY(bound_claims(report, snp.report().report_data, ak, checks));
    return HclVerifier::make(std::move(report), std::move(claims), std::move(snp));
}

Result<VerifiedTdHclReport> verify_td_hcl(ByteView nv, ByteView quote,
                                          const TdxCollateral& collateral,
                                          const TrustAnchors& anchors, const TdxRules& rules,
                                          const std::optional<crypto::PublicKey>& ak, Time now,
                                          Checks& checks) {
    HclReport report = TRY(parse_report(nv, HclReportType::tdx, "TDX", checks));
    VerifiedTdQuote verified = TRY(verify_tdx(quote, collateral, anchors, rules, now, checks));
    TRY(check_same_domain(report.hardware_report, verified.report(), checks));
    RuntimeClaims claims = TRY(bound_claims(report, verified.report().report_data, ak, checks));
    return HclVerifier::make(std::move(report), std::move(claims), std::move(verified));
}

}  // namespace vouchsafe::evidence
