#include "vouchsafe/evidence/snp_verify.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/evidence/snp_certificate.h"

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

std::string hex_start(ByteView bytes) {
    constexpr size_t kShown = 16;
    if (bytes.size() <= kShown) return encode_hex(bytes);
    return encode_hex(bytes.first(kShown)) + "...";
}

bool same_key(const Certificate& a, const Certificate& b) {
    if (equal(a.der(), b.der())) return true;
    auto key_a = a.public_key();
    auto key_b = b.public_key();
    return key_a && key_b && *key_a == *key_b;
}

bool self_issued(const Certificate& certificate) {
    return equal(certificate.subject_der(), certificate.issuer_der());
}

// Chain is a leaf's way up: all three links verified.
struct Chain {
    Certificate intermediate;
    const AmdRoot* root;
};

// ChainVerifier finds and verifies the way from the leaf to a pinned ARK of `product`.
class ChainVerifier {
  public:
    ChainVerifier(const SnpEndorsements& endorsements, const TrustAnchors& anchors,
                  SnpProduct product, SnpSigner kind, Checks& checks)
        : endorsements_(endorsements), product_(product), kind_(kind), checks_(checks) {
        for (const AmdRoot& root : anchors.amd) {
            if (root.product == product) roots_.push_back(&root);
        }
    }

    Result<Chain> verify(Time now) {
        TRY(refuse_own_roots());
        Chain chain = TRY(find());
        TRY(check_link(endorsements_.leaf, chain.intermediate, "leaf"));
        TRY(check_signer_kind(chain.intermediate));
        TRY(check_dates(endorsements_.leaf, signer_name(kind_), now));
        TRY(check_dates(chain.intermediate, "intermediate", now));
        TRY(check_dates(chain.root->ark, "ARK", now));
        return chain;
    }

  private:
    std::string expected_root() const {
        return fmt::format("the pinned ARK of {} ({})", product_name(product_),
                           roots_.empty() ? "none is pinned" : roots_.front()->ark.subject());
    }

    // A root that comes with the evidence must be a pinned one; otherwise somebody made an own
    // chain.
    Result<void> refuse_own_roots() {
        for (const Certificate& certificate : endorsements_.intermediates) {
            if (!self_issued(certificate)) continue;
            bool pinned = std::any_of(roots_.begin(), roots_.end(), [&](const AmdRoot* root) {
                return same_key(certificate, root->ark);
            });
            TRY(checks_.require(pinned, "SNP-CHAIN-ROOT", "root", expected_root(),
                                fmt::format("{}, SHA-256 {}", certificate.subject(),
                                            hex_start(certificate.sha256_fingerprint()))));
        }
        return {};
    }

    // The intermediates that could have issued the leaf: those that came, else the known ones.
    std::vector<Certificate> candidates() const {
        std::vector<Certificate> out;
        auto consider = [&](const Certificate& certificate) {
            if (!self_issued(certificate) &&
                equal(certificate.subject_der(), endorsements_.leaf.issuer_der())) {
                out.push_back(certificate);
            }
        };
        std::for_each(endorsements_.intermediates.begin(), endorsements_.intermediates.end(),
                      consider);
        if (!out.empty()) return out;
        for (const AmdRoot* root : roots_) {
            const auto& known = kind_ == SnpSigner::vlek ? root->asvk : root->ask;
            if (known) consider(*known);
        }
        return out;
    }

    // find chooses the intermediate that a pinned ARK signed.
    Result<Chain> find() {
        std::vector<Certificate> intermediates = candidates();
        for (const Certificate& intermediate : intermediates) {
            for (const AmdRoot* root : roots_) {
                if (!intermediate.verify_signed_by(root->ark)) continue;
                TRY(checks_.require(true, "SNP-CHAIN-ROOT", "root", expected_root(),
                                    root->ark.subject()));
                TRY(check_link(intermediate, root->ark, "intermediate"));
                return Chain{intermediate, root};
            }
        }
        std::string found =
            intermediates.empty()
                ? fmt::format("no certificate of its issuer, {}", endorsements_.leaf.issuer())
                : fmt::format("{}, which that ARK did not sign", intermediates.front().subject());
        return checks_.refuse("SNP-CHAIN-ROOT", "root", expected_root(), found);
    }

    Result<void> check_link(const Certificate& subject, const Certificate& issuer,
                            std::string_view field) {
        TRY(checks_.require(issuer.is_ca(), "SNP-CHAIN-CA", field, "an issuer that is a CA",
                            issuer.subject()));
        TRY(checks_.require(subject.signature_is_pss_sha384(), "SNP-CHAIN-PSS", field,
                            "RSASSA-PSS, SHA-384, salt 48",
                            subject.signature_is_pss_sha384() ? "the same" : "another form"));
        auto signature = subject.verify_signed_by(issuer);
        return checks_.require(signature.has_value(), "SNP-CHAIN-LINK", field,
                               fmt::format("signed by {}", issuer.subject()),
                               signature ? "signed" : signature.error().message);
    }

    // VLEKs come from the ASVK ("SEV-VLEK-Milan"), VCEKs from the ASK ("SEV-Milan").
    Result<void> check_signer_kind(const Certificate& issuer) {
        bool vlek_issuer = issuer.subject_common_name().find("VLEK") != std::string::npos;
        return checks_.require(vlek_issuer == (kind_ == SnpSigner::vlek), "SNP-CERT-KIND",
                               "certificate issuer", kind_ == SnpSigner::vlek ? "ASVK" : "ASK",
                               issuer.subject_common_name());
    }

    Result<void> check_dates(const Certificate& certificate, std::string_view field, Time now) {
        return checks_.require(
            certificate.valid_at(now), "SNP-CHAIN-DATES", field,
            fmt::format("valid from {} to {}", format_rfc3339(certificate.not_before()),
                        format_rfc3339(certificate.not_after())),
            format_rfc3339(now));
    }

    const SnpEndorsements& endorsements_;
    SnpProduct product_;
    SnpSigner kind_;
    Checks& checks_;
    std::vector<const AmdRoot*> roots_;
};

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

bool reaches(const SnpTcb& tcb, const SnpTcb& floor) {
    return tcb.fmc.value_or(0) >= floor.fmc.value_or(0) && tcb.bootloader >= floor.bootloader &&
           tcb.tee >= floor.tee && tcb.snp >= floor.snp && tcb.microcode >= floor.microcode;
}

Result<void> check_policy(const SnpPolicy& policy, Checks& checks) {
    TRY(checks.require(policy.reserved_must_be_one() && policy.unknown_bits() == 0,
                       "SNP-POLICY-RESERVED", "policy", "bit 17 set, bits 26 to 63 clear",
                       fmt::format("{:#x}", policy.raw)));
    TRY(checks.require(!policy.debug_allowed(), "SNP-POLICY-DEBUG", "policy.debug", "0 (forbidden)",
                       policy.debug_allowed() ? "1 (allowed)" : "0 (forbidden)"));
    return checks.require(!policy.migration_allowed(), "SNP-POLICY-MIGRATION", "policy.migrate_ma",
                          "0 (forbidden)",
                          policy.migration_allowed() ? "1 (allowed)" : "0 (forbidden)");
}

Result<void> check_rules(const SnpReport& report, SnpProduct product, const SnpRules& rules,
                         Checks& checks) {
    TRY(check_policy(report.policy, checks));
    TRY(checks.require(report.vmpl == rules.vmpl, "SNP-VMPL", "vmpl", fmt::format("{}", rules.vmpl),
                       fmt::format("{}", report.vmpl)));
    if (auto floor = rules.minimum_tcb.find(product); floor != rules.minimum_tcb.end()) {
        SnpTcb tcb = decode_tcb(report.reported_tcb, product);
        TRY(checks.require(reaches(tcb, floor->second), "SNP-TCB-FLOOR", "reported_tcb",
                           "at least " + describe(floor->second), describe(tcb)));
    }
    if (rules.report_data) {
        TRY(checks.require(equal(report.report_data, *rules.report_data), "SNP-REPORT-DATA",
                           "report_data", encode_hex(*rules.report_data),
                           encode_hex(report.report_data)));
    }
    return {};
}

Result<std::vector<Certificate>> read_certificates(ByteView bytes) {
    if (!bytes.empty() && bytes[0] == 0x30) {
        Certificate one = TRY(Certificate::parse_der(bytes));
        return std::vector<Certificate>{one};
    }
    return Certificate::parse_pem_bundle(as_text(bytes));
}

}  // namespace

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
                                  const Certificate& signer) {
        return {std::move(report), product, tier, signer};
    }
};

Result<VerifiedSnpReport> verify_snp(ByteView report, const SnpEndorsements& endorsements,
                                     const TrustAnchors& anchors, const SnpRules& rules, Time now,
                                     Checks& checks) {
    SnpReport parsed = TRY(SnpReport::parse(report, checks));
    TRY(check_form(parsed, checks));
    SnpCertificate certificate = TRY(check_certificate(endorsements.leaf, parsed, checks));
    TRY(ChainVerifier(endorsements, anchors, certificate.product, certificate.kind, checks)
            .verify(now));
    TRY(check_tcb(certificate, parsed, checks));
    TRY(check_chip(certificate, parsed, checks));
    TRY(check_signature(certificate, parsed, report, checks));
    TRY(check_rules(parsed, certificate.product, rules, checks));
    return SnpVerifier::make(std::move(parsed), certificate.product, anchors.tier,
                             endorsements.leaf);
}

}  // namespace vouchsafe::evidence
