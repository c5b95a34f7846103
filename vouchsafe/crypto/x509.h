// X.509 certificates: reading, verifying one link at a time, and issuing (for the lab's roots and
// the TLS names of its services). Path rules belong to the callers: AMD's, Azure's and TLS's
// differ.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/crypto/keys.h"

struct x509_st;  // OpenSSL's X509

namespace vouchsafe::crypto {

// Certificate is shared, immutable and thread-safe.
class Certificate {
  public:
    // All parsers fail with Code::invalid; a certificate is strict DER of at most 64 KiB. Odd
    // serial numbers (0, negative) are accepted: genuine AMD certificates have them. parse_der
    // refuses trailing bytes; parse_der_prefix ignores them (NV indices are padded).
    static Result<Certificate> parse_der(ByteView der);
    static Result<Certificate> parse_der_prefix(ByteView der);
    static Result<Certificate> parse_pem(std::string_view pem);  // exactly one
    // parse_any accepts DER or PEM.
    static Result<Certificate> parse_any(ByteView bytes);
    // parse_pem_bundle returns them in the order of the file; more than `max` are Code::invalid.
    static Result<std::vector<Certificate>> parse_pem_bundle(std::string_view pem, size_t max = 16);

    Bytes der() const;
    std::string pem() const;      // ends with a newline
    std::string subject() const;  // RFC 2253, e.g. "CN=SEV-Milan,O=..."
    std::string issuer() const;
    std::string subject_common_name() const;  // "" if none or several
    std::string issuer_common_name() const;
    Bytes subject_der() const;
    Bytes issuer_der() const;
    std::string serial_hex() const;  // lower case, whole bytes, "-" before a negative one
    Time not_before() const;
    Time not_after() const;
    bool valid_at(Time time) const { return not_before() <= time && time <= not_after(); }
    bool is_ca() const;                          // basicConstraints CA:TRUE
    Result<PublicKey> public_key() const;        // fails as PublicKey::from_spki does
    std::vector<std::string> dns_names() const;  // subjectAltName, printable ones
    // The printable names of subjectAltName, each with its kind: "dns:...", "uri:...", "email:...".
    std::vector<std::string> alternative_names() const;
    Bytes sha1_fingerprint() const;
    Bytes sha256_fingerprint() const;

    // extension returns the extnValue content of a dotted OID, or nullopt. More than one extension
    // with that OID is Code::invalid. An OID that is none is a bug.
    Result<std::optional<Bytes>> extension(std::string_view oid) const;

    // verify_signed_by checks the signature (PSS parameters included) with the issuer's key and
    // that the names chain. Nothing else: no dates, no CA flag. Code::bad_evidence if it fails,
    // also for signatures with SHA-1 and older hashes.
    Result<void> verify_signed_by(const Certificate& issuer) const;
    // signature_is_pss_sha384 tells whether the signature is RSASSA-PSS, SHA-384, MGF1 SHA-384,
    // salt 48: AMD's form.
    bool signature_is_pss_sha384() const;

    explicit Certificate(std::shared_ptr<x509_st> cert) : cert_(std::move(cert)) {}
    x509_st* handle() const { return cert_.get(); }  // for crypto/ and net/tls alone

  private:
    std::shared_ptr<x509_st> cert_;
};

// DER values inside extensions.
Result<uint64_t> parse_der_integer(ByteView der);        // one non-negative INTEGER, whole input
Result<std::string> parse_der_ia5_string(ByteView der);  // one IA5String, whole input
Result<Bytes> parse_der_octet_string(ByteView der);      // one OCTET STRING, whole input
Bytes encode_der_integer(uint64_t value);
Bytes encode_der_ia5_string(std::string_view text);
Bytes encode_der_octet_string(ByteView bytes);

enum class CertSignature { rsa_pkcs1_sha256, rsa_pss_sha384, ecdsa_sha256, ecdsa_sha384 };

struct CertificateSpec {
    // Names in order, e.g. {{"CN", "SEV-SIM"}, {"O", "..."}}.
    std::vector<std::pair<std::string, std::string>> subject;
    Time not_before;
    Time not_after;
    uint64_t serial = 0;  // 0: a random positive serial number
    bool ca = false;
    std::optional<int> path_length;      // with ca
    std::vector<std::string> dns_names;  // subjectAltName; an IP address text becomes an IP name
    bool server_auth = false;            // extendedKeyUsage serverAuth
    struct Extension {
        std::string oid;
        Bytes value;  // extnValue content
        bool critical = false;
    };
    std::vector<Extension> extensions;
};

// issue_certificate makes a certificate for `subject_key`, with basic constraints, key usage and
// key identifiers. Without `issuer` it is self-signed and `issuer_key` must be the subject's
// private key. Code::invalid if the issuer's key is not the issuer's, if it does not fit
// `signature`, or if a name, date or OID cannot stand in a certificate (a common name has at most
// 64 characters).
Result<Certificate> issue_certificate(const CertificateSpec& spec, const PublicKey& subject_key,
                                      const Certificate* issuer, const PrivateKey& issuer_key,
                                      CertSignature signature);

}  // namespace vouchsafe::crypto
