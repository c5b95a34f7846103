#include "vouchsafe/evidence/tpm/ak_cert.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/der.h"
#include "vouchsafe/crypto/x509_path.h"
#include "vouchsafe/evidence/tpm/ak_cert_use.h"

namespace vouchsafe::evidence {

using crypto::Certificate;

namespace {

constexpr uint8_t kSequence = 0x30;  // DER begins with it; in PEM it would be the digit 0
constexpr size_t kMaxDepth = 4;      // intermediates between the certificate and its root

// NV indices hold the certificate in DER with zeros behind it.
Result<Certificate> parse_padded_der(ByteView bytes) {
    crypto::DerElement element = TRY(crypto::parse_der_element(bytes));
    if (!all_zero(bytes.subspan(element.whole.size()))) {
        return fail(Code::invalid, "the bytes behind the certificate are not zero");
    }
    return Certificate::parse_der(element.whole);
}

Result<std::vector<Certificate>> parse_certificates(ByteView bytes) {
    if (bytes.empty()) return fail(Code::invalid, "there is none");
    if (bytes[0] != kSequence) return Certificate::parse_pem_bundle(as_text(bytes));
    Certificate one = TRY(parse_padded_der(bytes));
    return std::vector<Certificate>{one};
}

const Certificate* find_issuer(const Certificate& subject, const std::vector<Certificate>& from) {
    auto found = std::find_if(from.begin(), from.end(), [&](const Certificate& issuer) {
        return subject.verify_signed_by(issuer).has_value();
    });
    return found == from.end() ? nullptr : &*found;
}

// name_of names a certificate in checks: those of TPMs may have no subject.
std::string name_of(const Certificate& certificate) {
    std::string subject = certificate.subject();
    return subject.empty() ? "certificate " + certificate.serial_hex() : subject;
}

void add(std::vector<Certificate>& out, std::span<const Certificate> more) {
    out.insert(out.end(), more.begin(), more.end());
}

}  // namespace

// VtpmCertificateVerifier makes the checks of one certificate.
class VtpmCertificateVerifier {
  public:
    VtpmCertificateVerifier(const TrustAnchors& anchors, Time now, Checks& checks)
        : tier_(anchors.tier),
          now_(now),
          checks_(checks),
          roots_(anchors.ak_roots),
          intermediates_(anchors.ak_intermediates) {}

    void add_google(const TrustAnchors& anchors) {
        add(roots_, anchors.google_vtpm_roots);
        add(intermediates_, anchors.google_vtpm_intermediates);
    }

    // read returns the leaf, and keeps what came with it.
    Result<Certificate> read(ByteView bytes) {
        auto parsed = parse_certificates(bytes);
        TRY(checks_.require(parsed.has_value(), "AK-CERT-FORM", "certificate",
                            "one X.509 certificate, and issuers",
                            parsed ? "well formed" : parsed.error().message));
        std::vector<Certificate> sent = TRY(std::move(parsed));
        add(intermediates_, std::span(sent).subspan(1));
        return sent.front();
    }

    Result<void> check_key(const Certificate& leaf, const crypto::PublicKey& ak) {
        auto key = leaf.public_key();
        bool same = key && *key == ak;
        return checks_.require(same, "AK-CERT-KEY", "key of the AK certificate", "the AK",
                               !key   ? key.error().message
                               : same ? "the AK"
                                      : "another key");
    }

    Result<VerifiedVtpmCertificate> verify(const Certificate& leaf, VtpmKey key) {
        std::vector<Certificate> path = TRY(check_path(leaf));
        TRY(check_dates(leaf));
        for (size_t i = 0; i < path.size(); ++i) {
            TRY(check_issuer(path[i], i));
            TRY(check_dates(path[i]));
        }
        TRY(check_usage(leaf, key));
        TRY(check_whole(leaf, path));
        path.insert(path.begin(), leaf);
        return VerifiedVtpmCertificate(std::move(path), key, tier_);
    }

  private:
    // find_path returns the certificates from the leaf's issuer up to and with the root.
    Result<std::vector<Certificate>> find_path(const Certificate& leaf) {
        std::vector<Certificate> out;
        const Certificate* current = &leaf;
        while (out.size() <= kMaxDepth) {
            const Certificate* root = find_issuer(*current, roots_);
            const Certificate* next =
                root != nullptr ? root : find_issuer(*current, intermediates_);
            if (next == nullptr) break;
            out.push_back(*next);
            if (root != nullptr) return out;
            current = next;
        }
        return fail(Code::bad_evidence, "no trusted issuer of {} ({})", name_of(*current),
                    current->issuer());
    }

    Result<std::vector<Certificate>> check_path(const Certificate& leaf) {
        auto path = find_path(leaf);
        TRY(checks_.require(path.has_value(), "AK-CERT-CHAIN", "certificate chain", "a pinned root",
                            path ? path->back().subject() : path.error().message));
        return path;
    }

    // `below` is how many CAs stand between this one and the leaf (RFC 5280, 6.1.4 (k) to (n)).
    Result<void> check_issuer(const Certificate& issuer, size_t below) {
        auto use = CertificateUse::parse(issuer);
        bool may_sign = use && (!use->key_usage || use->has(kUseCertSign));
        bool room = use && (!use->path_length || below <= *use->path_length);
        return checks_.require(issuer.is_ca() && may_sign && room, "AK-CERT-CA", issuer.subject(),
                               fmt::format("a CA that may issue, with {} CAs below it", below),
                               !use              ? use.error().message
                               : !issuer.is_ca() ? "no CA"
                               : !may_sign       ? "usage " + use->usage_text()
                               : !room ? fmt::format("at most {} below it", *use->path_length)
                                       : "such a CA");
    }

    Result<void> check_dates(const Certificate& certificate) {
        return checks_.require(
            certificate.valid_at(now_), "AK-CERT-DATES", name_of(certificate),
            fmt::format("valid from {} to {}", format_rfc3339(certificate.not_before()),
                        format_rfc3339(certificate.not_after())),
            format_rfc3339(now_));
    }

    // What the steps above do not look at, by a second implementation.
    Result<void> check_whole(const Certificate& leaf, const std::vector<Certificate>& path) {
        std::vector<Certificate> below{leaf};
        add(below, std::span(path).first(path.size() - 1));
        auto valid = crypto::verify_path(below, path.back(), now_, crypto::PathPurpose::any);
        return checks_.require(valid.has_value(), "AK-CERT-PATH", "certificate chain",
                               "a valid path to " + path.back().subject(),
                               valid ? "one" : valid.error().message);
    }

    Result<void> check_usage(const Certificate& leaf, VtpmKey key) {
        auto use = CertificateUse::parse(leaf);
        bool fits = false;
        std::string found = use ? "" : use.error().message;
        if (use) {
            std::optional<VtpmKey> kind = leaf.is_ca() ? std::nullopt : key_of(*use, leaf);
            fits = kind.has_value() && kind.value() == key;
            found = fmt::format("usage {}", use->usage_text());
            if (kind) found = fmt::format("that of an {}: {}", vtpm_key_name(*kind), found);
            if (!kind && !use->purposes.empty()) {
                found += fmt::format("; purposes {}", fmt::join(use->purposes, ", "));
            }
        }
        return checks_.require(fits, "AK-CERT-USAGE", name_of(leaf),
                               fmt::format("the certificate of an {}", vtpm_key_name(key)), found);
    }

    // key_of tells which key of a TPM a certificate is of by its usage: see the header.
    static std::optional<VtpmKey> key_of(const CertificateUse& use, const Certificate& leaf) {
        constexpr uint16_t kIssues = kUseCertSign | kUseCrlSign;
        constexpr uint16_t kOpens = kUseKeyEncipherment | kUseDataEncipherment | kUseKeyAgreement;
        auto key = leaf.public_key();
        if (!key || use.has_any(kIssues)) return std::nullopt;
        bool stated = !use.purposes.empty();
        bool signs = use.has(kUseDigitalSignature);
        if (signs && !use.has_any(kOpens)) {
            bool fits = !stated || use.has_purpose(kPurposeAk) || use.has_purpose(kPurposeEk);
            return fits ? std::optional(VtpmKey::attestation) : std::nullopt;
        }
        bool opens =
            use.has(key->type() == crypto::KeyType::rsa ? kUseKeyEncipherment : kUseKeyAgreement);
        bool fits = opens && !signs && (!stated || use.has_purpose(kPurposeEk));
        return fits ? std::optional(VtpmKey::endorsement) : std::nullopt;
    }

    Tier tier_;
    Time now_;
    Checks& checks_;
    std::vector<Certificate> roots_;
    std::vector<Certificate> intermediates_;
};

std::string_view vtpm_key_name(VtpmKey key) {
    return key == VtpmKey::attestation ? "attestation key" : "endorsement key";
}

Result<VerifiedAkCertificate> verify_ak_certificate(ByteView certificate,
                                                    const crypto::PublicKey& ak,
                                                    const TrustAnchors& anchors, Time now,
                                                    Checks& checks) {
    VtpmCertificateVerifier verifier(anchors, now, checks);
    Certificate leaf = TRY(verifier.read(certificate));
    TRY(verifier.check_key(leaf, ak));
    return verifier.verify(leaf, VtpmKey::attestation);
}

Result<VerifiedVtpmCertificate> verify_vtpm_certificate(ByteView certificate, VtpmKey key,
                                                        const TrustAnchors& anchors, Time now,
                                                        Checks& checks) {
    VtpmCertificateVerifier verifier(anchors, now, checks);
    verifier.add_google(anchors);
    Certificate leaf = TRY(verifier.read(certificate));
    return verifier.verify(leaf, key);
}

}  // namespace vouchsafe::evidence
