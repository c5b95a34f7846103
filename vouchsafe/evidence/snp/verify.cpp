#include "vouchsafe/evidence/snp/verify.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/pem.h"
#include "vouchsafe/evidence/snp/certificate.h"
#include "vouchsafe/evidence/snp/endorser.h"
#include "vouchsafe/evidence/snp/steps.h"

namespace vouchsafe::evidence {

using crypto::Certificate;

namespace {

constexpr uint32_t kEcdsaP384Sha384 = 1;  // AMD 56860, "Signature algorithm encodings"
constexpr size_t kP384Size = 48;

// The order of P-384 (FIPS 186-5, D.1.2.4), big-endian.
constexpr std::array<uint8_t, kP384Size> kP384Order{
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73};

Result<void> check_level(std::string_view code, std::string_view name, int certificate, int report,
                         Checks& checks) {
    return checks.require(certificate == report, code, fmt::format("reported_tcb.{}", name),
                          fmt::format("{} (certificate)", certificate), fmt::format("{}", report));
}

// The key of a VCEK or VLEK is derived from the TCB in the certificate: the report must claim the
// same. It is the *reported* TCB, not the current one (AMD 56860, "TCB version").
Result<void> check_tcb(const SnpCertificate& certificate, const SnpReport& report, Checks& checks) {
    SnpTcb tcb = decode_tcb(report.reported_tcb, certificate.product);
    TRY(checks.require(tcb_reserved_zero(report.reported_tcb, certificate.product),
                       "SNP-TCB-RESERVED", "reported_tcb", "reserved bytes zero",
                       encode_hex(report.reported_tcb)));
    if (tcb.fmc && certificate.tcb.fmc) {
        TRY(check_level("SNP-TCB-FMC", "fmc", *certificate.tcb.fmc, *tcb.fmc, checks));
    }
    TRY(check_level("SNP-TCB-BOOTLOADER", "bootloader", certificate.tcb.bootloader, tcb.bootloader,
                    checks));
    TRY(check_level("SNP-TCB-TEE", "tee", certificate.tcb.tee, tcb.tee, checks));
    TRY(check_level("SNP-TCB-SNP", "snp", certificate.tcb.snp, tcb.snp, checks));
    return check_level("SNP-TCB-MICROCODE", "microcode", certificate.tcb.microcode, tcb.microcode,
                       checks);
}

// chip_id has 64 bytes; on Turin the first 8 are the HWID and the rest is zero. All zero means that
// the host masks it: then the signature alone ties the report to the chip.
Result<void> check_chip(const SnpCertificate& certificate, const SnpReport& report,
                        Checks& checks) {
    if (certificate.kind == SnpSigner::vlek || all_zero(report.chip_id)) {
        return checks.require(true, "SNP-CHIP-ID", "chip_id", "none to compare",
                              all_zero(report.chip_id) ? "masked" : "signed by a VLEK");
    }
    ByteView chip(report.chip_id);
    bool same = equal(chip.first(certificate.hwid.size()), certificate.hwid) &&
                all_zero(chip.subspan(certificate.hwid.size()));
    return checks.require(same, "SNP-CHIP-ID", "chip_id", hex_start(certificate.hwid),
                          hex_start(chip));
}

// Scalar is one number of the signature.
struct Scalar {
    Bytes big_endian;  // 48 bytes
    bool in_range;     // 1 to n-1, and the high bytes of its little-endian field of 72 are zero
};
Scalar read_scalar(ByteView field) {
    Scalar out{Bytes(field.rend() - kP384Size, field.rend()), false};
    const Bytes& number = out.big_endian;
    bool below = std::lexicographical_compare(number.begin(), number.end(), kP384Order.begin(),
                                              kP384Order.end());
    out.in_range = below && !all_zero(number) && all_zero(field.subspan(kP384Size));
    return out;
}

// Holds tells whether a signature over data holds.
using Holds = std::function<bool(ByteView data, ByteView signature)>;

Holds by_key_of(const SnpCertificate& certificate) {
    return [&](ByteView data, ByteView signature) {
        return certificate.key.verify(crypto::SigAlg::es384, data, signature).has_value();
    };
}

Result<void> check_signature(const SnpCertificate& certificate, const SnpReport& report,
                             ByteView bytes, const Holds& holds, Checks& checks) {
    Scalar r = read_scalar(report.signature_r);
    Scalar s = read_scalar(report.signature_s);
    bool in_range = r.in_range && s.in_range;
    TRY(checks.require(in_range, "SNP-SIGNATURE-FORM", r.in_range ? "signature s" : "signature r",
                       "little-endian, 1 to n-1, high 24 bytes zero",
                       in_range ? "well formed" : "out of range"));
    Bytes signature = std::move(r.big_endian);
    append(signature, s.big_endian);
    const bool held = holds(bytes.first(kSnpSignedSize), signature);
    return checks.require(held, "SNP-SIGNATURE", "signature",
                          fmt::format("made with the {}'s key", signer_name(certificate.kind)),
                          held ? "holds" : "does not hold");
}

Result<void> check_form(const SnpReport& report, const SnpRules& rules, Checks& checks) {
    TRY(checks.require(report.version >= 2 || rules.allow_version_1, "SNP-VERSION", "version",
                       rules.allow_version_1 ? "1 to 5, by these rules" : "2 to 5",
                       fmt::format("{}", report.version)));
    TRY(checks.require(report.signature_algorithm == kEcdsaP384Sha384, "SNP-SIGNATURE-ALGORITHM",
                       "signature_algo", "1 (ECDSA P-384 with SHA-384)",
                       fmt::format("{}", report.signature_algorithm)));
    bool signs = report.signer == SnpSigner::vcek || report.signer == SnpSigner::vlek;
    return checks.require(signs, "SNP-SIGNER", "signing_key", "VCEK or VLEK",
                          std::string(signer_name(report.signer)));
}

Result<SnpCertificate> read_leaf(const Certificate& leaf, Checks& checks) {
    auto parsed = SnpCertificate::parse(leaf);
    std::string found = parsed ? "well formed" : parsed.error().message;
    TRY(checks.require(parsed.has_value(), "SNP-CERT-FORM", leaf.subject_common_name(),
                       "AMD's extensions and a P-384 key", std::move(found)));
    return parsed;
}

// The report says who signed it; versions before 3 do not say on which product.
Result<void> check_agreement(const SnpReport& report, const SnpCertificate& certificate,
                             Checks& checks) {
    TRY(checks.require(certificate.kind == report.signer, "SNP-CERT-KIND", "signing_key",
                       std::string(signer_name(report.signer)) + " (report)",
                       std::string(signer_name(certificate.kind)) + " (certificate)"));
    if (!report.cpuid) return {};
    std::optional<SnpProduct> product = report.product();
    return checks.require(product == certificate.product, "SNP-PRODUCT", "product",
                          product ? std::string(product_name(*product)) : "a known CPU family",
                          product ? certificate.product_text
                                  : fmt::format("family {:02x}h model {:02x}h",
                                                report.cpuid->family, report.cpuid->model));
}

Result<Certificate> read_certificate(ByteView der, ReadCertificates* read_before) {
    auto known = read_before == nullptr ? nullptr : read_before->find(to_bytes(der));
    return known == nullptr ? Certificate::parse_der(der) : *known;
}

Result<std::vector<Certificate>> read_certificates(ByteView bytes, ReadCertificates* read_before) {
    constexpr size_t kMost = 16;
    if (!bytes.empty() && bytes[0] == 0x30) {
        Certificate one = TRY(Certificate::parse_der(bytes));
        return std::vector<Certificate>{one};
    }
    std::vector<Certificate> out;
    for (const crypto::PemBlock& block : TRY(crypto::parse_pem_blocks(bytes, kMost))) {
        if (block.label != "CERTIFICATE") {
            return fail(Code::invalid, "a PEM block that is not a certificate");
        }
        out.push_back(TRY(read_certificate(block.der.expose(), read_before)));
    }
    return out;
}

}  // namespace

std::string hex_start(ByteView bytes) {
    constexpr size_t kShown = 16;
    if (bytes.size() <= kShown) return encode_hex(bytes);
    return encode_hex(bytes.first(kShown)) + "...";
}

Result<SnpEndorsements> SnpEndorsements::parse(ByteView pem_or_der, Checks& checks,
                                               ReadCertificates* read_before) {
    constexpr std::string_view kExpected = "one VCEK or VLEK and its issuers";
    auto certificates = read_certificates(pem_or_der, read_before);
    if (!certificates) {
        return checks.refuse("SNP-CHAIN-FORM", "certificate chain", std::string(kExpected),
                             certificates.error().message);
    }
    auto middle = std::stable_partition(certificates->begin(), certificates->end(), is_snp_leaf);
    auto leaves = middle - certificates->begin();
    TRY(checks.require(leaves == 1, "SNP-CHAIN-FORM", "certificate chain", std::string(kExpected),
                       fmt::format("{} leaves in {} certificates", leaves, certificates->size())));
    return SnpEndorsements{certificates->front(), {middle, certificates->end()}};
}

struct SnpVerifier {
    // endorse verifies the way from the leaf, read already, to a pinned root.
    static Result<VerifiedSnpEndorsements> endorse(const SnpEndorsements& endorsements,
                                                   SnpCertificate certificate,
                                                   const TrustAnchors& anchors, Time now,
                                                   Checks& checks) {
        SnpChain chain = TRY(verify_snp_chain(endorsements, anchors, certificate.product,
                                              certificate.kind, now, checks));
        TRY(check_snp_revocation(endorsements, now, chain, checks));
        VerifiedSnpEndorsements out(endorsements.leaf, std::move(certificate), anchors.tier);
        out.root_name_ = chain.ark.subject();
        out.valid_from_ = chain.valid_from;
        out.valid_to_ = chain.valid_to;
        out.revocation_checked_ = chain.revocation_checked;
        return out;
    }

    // check_all_was_checked names what was not, if the rules allow that.
    static Result<std::vector<std::string>> check_all_was_checked(
        const VerifiedSnpEndorsements& endorsements, const SnpRules& rules, Checks& checks) {
        bool checked = endorsements.revocation_checked_;
        bool allowed = rules.allow_unchecked.contains(kSnpRevocation);
        TRY(checks.require(checked || allowed, "SNP-REVOCATION", kSnpRevocation,
                           fmt::format("the revocation list of {}{}", endorsements.root_name_,
                                       allowed ? ", though these rules do without" : ""),
                           checked ? "checked" : "no list"));
        if (checked) return std::vector<std::string>{};
        return std::vector<std::string>{kSnpRevocation};
    }

    // judge verifies a report of which the form was checked, and that it agrees with the leaf.
    static Result<VerifiedSnpReport> judge(ByteView bytes, SnpReport report,
                                           const VerifiedSnpEndorsements& endorsements,
                                           const Holds& holds, const SnpRules& rules,
                                           Checks& checks) {
        const SnpCertificate& certificate = endorsements.certificate_;
        TRY(check_tcb(certificate, report, checks));
        TRY(check_chip(certificate, report, checks));
        TRY(check_signature(certificate, report, bytes, holds, checks));
        TRY(check_snp_rules(report, certificate.product, rules, checks));
        auto not_checked = TRY(check_all_was_checked(endorsements, rules, checks));
        return VerifiedSnpReport(std::move(report), certificate.product, endorsements.tier_,
                                 endorsements.leaf_, std::move(not_checked));
    }

    static Result<SnpReport> read(ByteView bytes, const SnpRules& rules, Checks& checks) {
        SnpReport report = TRY(SnpReport::parse(bytes, checks));
        TRY(check_form(report, rules, checks));
        return report;
    }

    static Result<VerifiedSnpReport> verify(ByteView bytes, SnpReport report,
                                            const VerifiedSnpEndorsements& endorsements,
                                            const Holds& holds, const SnpRules& rules, Time now,
                                            Checks& checks) {
        TRY(checks.require(
            endorsements.valid_from_ <= now && now <= endorsements.valid_to_, "SNP-CHAIN-DATES",
            "endorsements",
            fmt::format("valid from {} to {}", format_rfc3339(endorsements.valid_from_),
                        format_rfc3339(endorsements.valid_to_)),
            format_rfc3339(now)));
        TRY(check_agreement(report, endorsements.certificate_, checks));
        return judge(bytes, std::move(report), endorsements, holds, rules, checks);
    }
};

bool SnpEndorser::holds(const VerifiedSnpEndorsements& endorsements, ByteView data,
                        ByteView signature) {
    return by_key_of(endorsements.certificate())(data, signature);
}

Result<VerifiedSnpEndorsements> verify_snp_endorsements(const SnpEndorsements& endorsements,
                                                        const TrustAnchors& anchors, Time now,
                                                        Checks& checks) {
    SnpCertificate certificate = TRY(read_leaf(endorsements.leaf, checks));
    return SnpVerifier::endorse(endorsements, std::move(certificate), anchors, now, checks);
}

Result<VerifiedSnpReport> verify_snp(ByteView report, const VerifiedSnpEndorsements& endorsements,
                                     const SnpRules& rules, Time now, Checks& checks) {
    SnpReport parsed = TRY(SnpVerifier::read(report, rules, checks));
    return SnpVerifier::verify(report, std::move(parsed), endorsements,
                               by_key_of(endorsements.certificate()), rules, now, checks);
}

Result<VerifiedSnpReport> verify_snp(ByteView report, const SnpEndorsements& endorsements,
                                     const TrustAnchors& anchors, const SnpRules& rules, Time now,
                                     Checks& checks) {
    SnpReport parsed = TRY(SnpVerifier::read(report, rules, checks));
    SnpCertificate certificate = TRY(read_leaf(endorsements.leaf, checks));
    TRY(check_agreement(parsed, certificate, checks));
    VerifiedSnpEndorsements verified =
        TRY(SnpVerifier::endorse(endorsements, std::move(certificate), anchors, now, checks));
    return SnpVerifier::judge(report, std::move(parsed), verified,
                              by_key_of(verified.certificate()), rules, checks);
}

Result<std::shared_ptr<const VerifiedSnpEndorsements>> FreshSnpEndorser::endorse(ByteView chain,
                                                                                 Time now,
                                                                                 Checks& checks) {
    SnpEndorsements endorsements = TRY(SnpEndorsements::parse(chain, checks));
    endorsements.crls = crls_;
    return std::make_shared<const VerifiedSnpEndorsements>(
        TRY(verify_snp_endorsements(endorsements, anchors_, now, checks)));
}

Result<VerifiedSnpReport> verify_snp(ByteView report, ByteView chain, SnpEndorser& endorser,
                                     const SnpRules& rules, Time now, Checks& checks) {
    SnpReport parsed = TRY(SnpVerifier::read(report, rules, checks));
    auto endorsements = TRY(endorser.endorse(chain, now, checks));
    const Holds holds = [&](ByteView data, ByteView signature) {
        return endorser.holds(*endorsements, data, signature);
    };
    return SnpVerifier::verify(report, std::move(parsed), *endorsements, holds, rules, now, checks);
}

}  // namespace vouchsafe::evidence
