#include "vouchsafe/evidence/snp_verify.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/evidence/snp_certificate.h"
#include "vouchsafe/evidence/snp_steps.h"

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

// read_scalar turns a little-endian 72-byte field to 48 big-endian bytes; nullopt unless the high
// bytes are zero and the number is in 1..n-1.
std::optional<Bytes> read_scalar(ByteView field) {
    if (!all_zero(field.subspan(kP384Size))) return std::nullopt;
    Bytes out(field.rend() - kP384Size, field.rend());
    bool below =
        std::lexicographical_compare(out.begin(), out.end(), kP384Order.begin(), kP384Order.end());
    if (all_zero(out) || !below) return std::nullopt;
    return out;
}

Result<void> check_signature(const SnpCertificate& certificate, const SnpReport& report,
                             ByteView bytes, Checks& checks) {
    std::optional<Bytes> r = read_scalar(report.signature_r);
    std::optional<Bytes> s = read_scalar(report.signature_s);
    TRY(checks.require(r && s, "SNP-SIGNATURE-FORM", r ? "signature s" : "signature r",
                       "little-endian, 1 to n-1, high 24 bytes zero",
                       r && s ? "well formed" : "out of range"));
    Bytes signature = std::move(*r);
    append(signature, *s);
    auto verified =
        certificate.key.verify(crypto::SigAlg::es384, bytes.first(kSnpSignedSize), signature);
    return checks.require(verified.has_value(), "SNP-SIGNATURE", "signature",
                          fmt::format("made with the {}'s key", signer_name(certificate.kind)),
                          verified ? "holds" : "does not hold");
}

Result<void> check_form(const SnpReport& report, Checks& checks) {
    TRY(checks.require(report.version >= 2, "SNP-VERSION", "version", "2 to 5",
                       fmt::format("{}", report.version)));
    TRY(checks.require(report.signature_algorithm == kEcdsaP384Sha384, "SNP-SIGNATURE-ALGORITHM",
                       "signature_algo", "1 (ECDSA P-384 with SHA-384)",
                       fmt::format("{}", report.signature_algorithm)));
    bool signs = report.signer == SnpSigner::vcek || report.signer == SnpSigner::vlek;
    return checks.require(signs, "SNP-SIGNER", "signing_key", "VCEK or VLEK",
                          std::string(signer_name(report.signer)));
}

Result<SnpCertificate> check_certificate(const Certificate& leaf, const SnpReport& report,
                                         Checks& checks) {
    auto parsed = SnpCertificate::parse(leaf);
    TRY(checks.require(parsed.has_value(), "SNP-CERT-FORM", leaf.subject_common_name(),
                       "AMD's extensions and a P-384 key",
                       parsed ? "well formed" : parsed.error().message));
    TRY(checks.require(parsed->kind == report.signer, "SNP-CERT-KIND", "signing_key",
                       std::string(signer_name(report.signer)) + " (report)",
                       std::string(signer_name(parsed->kind)) + " (certificate)"));
    if (report.cpuid) {
        std::optional<SnpProduct> product = report.product();
        TRY(checks.require(product == parsed->product, "SNP-PRODUCT", "product",
                           product ? std::string(product_name(*product)) : "a known CPU family",
                           product ? parsed->product_text
                                   : fmt::format("family {:02x}h model {:02x}h",
                                                 report.cpuid->family, report.cpuid->model)));
    }
    return std::move(*parsed);
}

// check_all_was_checked names what was not, if the rules allow that.
Result<std::vector<std::string>> check_all_was_checked(bool revocation_checked,
                                                       const SnpChain& chain, const SnpRules& rules,
                                                       Checks& checks) {
    bool allowed = rules.allow_unchecked.contains(kSnpRevocation);
    TRY(checks.require(revocation_checked || allowed, "SNP-REVOCATION", kSnpRevocation,
                       fmt::format("the revocation list of {}{}", chain.root->ark.subject(),
                                   allowed ? ", though these rules do without" : ""),
                       revocation_checked ? "checked" : "no list"));
    if (revocation_checked) return std::vector<std::string>{};
    return std::vector<std::string>{kSnpRevocation};
}

Result<std::vector<Certificate>> read_certificates(ByteView bytes) {
    if (!bytes.empty() && bytes[0] == 0x30) {
        Certificate one = TRY(Certificate::parse_der(bytes));
        return std::vector<Certificate>{one};
    }
    return Certificate::parse_pem_bundle(as_text(bytes));
}

}  // namespace

std::string hex_start(ByteView bytes) {
    constexpr size_t kShown = 16;
    if (bytes.size() <= kShown) return encode_hex(bytes);
    return encode_hex(bytes.first(kShown)) + "...";
}

Result<SnpEndorsements> SnpEndorsements::parse(ByteView pem_or_der, Checks& checks) {
    constexpr std::string_view kExpected = "one VCEK or VLEK and its issuers";
    auto certificates = read_certificates(pem_or_der);
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
    static VerifiedSnpReport make(SnpReport report, SnpProduct product, Tier tier,
                                  const Certificate& signer, std::vector<std::string> not_checked) {
        return {std::move(report), product, tier, signer, std::move(not_checked)};
    }
};

Result<VerifiedSnpReport> verify_snp(ByteView report, const SnpEndorsements& endorsements,
                                     const TrustAnchors& anchors, const SnpRules& rules, Time now,
                                     Checks& checks) {
    SnpReport parsed = TRY(SnpReport::parse(report, checks));
    TRY(check_form(parsed, checks));
    SnpCertificate certificate = TRY(check_certificate(endorsements.leaf, parsed, checks));
    SnpChain chain = TRY(verify_snp_chain(endorsements, anchors, certificate.product,
                                          certificate.kind, now, checks));
    bool revocation_checked = TRY(check_snp_revocation(endorsements, chain, now, checks));
    TRY(check_tcb(certificate, parsed, checks));
    TRY(check_chip(certificate, parsed, checks));
    TRY(check_signature(certificate, parsed, report, checks));
    TRY(check_snp_rules(parsed, certificate.product, rules, checks));
    std::vector<std::string> not_checked =
        TRY(check_all_was_checked(revocation_checked, chain, rules, checks));
    return SnpVerifier::make(std::move(parsed), certificate.product, anchors.tier,
                             endorsements.leaf, std::move(not_checked));
}

}  // namespace vouchsafe::evidence
