#include "vouchsafe/evidence/tpm/ak_cert.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::evidence {

using crypto::Certificate;

namespace {

constexpr size_t kMaxDepth = 4;  // intermediates between the AK certificate and its root

// der_size reads the length of one DER SEQUENCE (X.690, 8.1.3). Certificates have 256 to 65535
// bytes.
Result<size_t> der_size(ByteView bytes) {
    Reader in(bytes, "certificate");
    uint8_t tag = TRY(in.u8("tag"));
    uint8_t length_form = TRY(in.u8("length"));
    if (tag != 0x30 || length_form != 0x82) return fail(Code::invalid, "this is no certificate");
    uint16_t length = TRY(in.u16_be("length"));
    return size_t{4} + length;
}

// NV indices hold the certificate in DER with zeros behind it.
Result<Certificate> parse_padded_der(ByteView bytes) {
    size_t size = TRY(der_size(bytes));
    if (size > bytes.size()) return fail(Code::invalid, "the certificate is cut off");
    if (!all_zero(bytes.subspan(size))) {
        return fail(Code::invalid, "the bytes behind the certificate are not zero");
    }
    return Certificate::parse_der(bytes.first(size));
}

Result<std::vector<Certificate>> parse_certificates(ByteView bytes) {
    if (bytes.empty()) return fail(Code::invalid, "there is none");
    if (bytes[0] != 0x30) return Certificate::parse_pem_bundle(as_text(bytes));
    Certificate one = TRY(parse_padded_der(bytes));
    return std::vector<Certificate>{one};
}

class Path {
  public:
    Path(const std::vector<Certificate>& sent, const TrustAnchors& anchors, Checks& checks)
        : anchors_(anchors), checks_(checks), intermediates_(anchors.ak_intermediates) {
        intermediates_.insert(intermediates_.end(), sent.begin() + 1, sent.end());
    }

    // build returns the certificates from the leaf's issuer up to and with the root.
    Result<std::vector<Certificate>> build(const Certificate& leaf) {
        std::vector<Certificate> out;
        const Certificate* current = &leaf;
        while (out.size() <= kMaxDepth) {
            const Certificate* root = find_issuer(*current, anchors_.ak_roots);
            const Certificate* next =
                root != nullptr ? root : find_issuer(*current, intermediates_);
            if (next == nullptr) return refuse(*current);
            out.push_back(*next);
            if (root != nullptr) {
                TRY(checks_.require(true, "AK-CERT-CHAIN", "AK certificate chain", "a pinned root",
                                    root->subject()));
                return out;
            }
            current = next;
        }
        return refuse(*current);
    }

  private:
    static const Certificate* find_issuer(const Certificate& subject,
                                          const std::vector<Certificate>& from) {
        auto found = std::find_if(from.begin(), from.end(), [&](const Certificate& issuer) {
            return subject.verify_signed_by(issuer).has_value();
        });
        return found == from.end() ? nullptr : &*found;
    }

    tl::unexpected<Error> refuse(const Certificate& where) {
        return checks_.refuse(
            "AK-CERT-CHAIN", "AK certificate chain", "a pinned root",
            fmt::format("no trusted issuer of {} ({})", where.subject(), where.issuer()));
    }

    const TrustAnchors& anchors_;
    Checks& checks_;
    std::vector<Certificate> intermediates_;
};

Result<void> check_dates(const Certificate& certificate, Time now, Checks& checks) {
    return checks.require(
        certificate.valid_at(now), "AK-CERT-DATES", certificate.subject(),
        fmt::format("valid from {} to {}", format_rfc3339(certificate.not_before()),
                    format_rfc3339(certificate.not_after())),
        format_rfc3339(now));
}

}  // namespace

struct AkVerifier {
    static VerifiedAkCertificate make(Certificate certificate, Tier tier) {
        return {std::move(certificate), tier};
    }
};

Result<VerifiedAkCertificate> verify_ak_certificate(ByteView certificate,
                                                    const crypto::PublicKey& ak,
                                                    const TrustAnchors& anchors, Time now,
                                                    Checks& checks) {
    auto sent = parse_certificates(certificate);
    if (!sent || sent->empty()) {
        return checks.refuse("AK-CERT-FORM", "AK certificate", "one X.509 certificate",
                             sent ? "none" : sent.error().message);
    }
    const Certificate& leaf = sent->front();
    auto key = leaf.public_key();
    TRY(checks.require(key && *key == ak, "AK-CERT-KEY", "key of the AK certificate", "the AK",
                       key ? (*key == ak ? "the AK" : "another key") : key.error().message));
    std::vector<Certificate> path = TRY(Path(*sent, anchors, checks).build(leaf));
    TRY(check_dates(leaf, now, checks));
    for (const Certificate& issuer : path) {
        TRY(checks.require(issuer.is_ca(), "AK-CERT-CA", issuer.subject(), "a CA",
                           issuer.is_ca() ? "a CA" : "no CA"));
        TRY(check_dates(issuer, now, checks));
    }
    return AkVerifier::make(leaf, anchors.tier);
}

}  // namespace vouchsafe::evidence
