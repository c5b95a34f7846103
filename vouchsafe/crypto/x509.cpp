// Reading and checking certificates. Issuing them is in x509_issue.cpp.
#include "vouchsafe/crypto/x509.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/der.h"
#include "vouchsafe/crypto/openssl.h"
#include "vouchsafe/crypto/pem.h"

namespace vouchsafe::crypto {

namespace {

constexpr size_t kMaxCertificate = 64 << 10;

using GeneralNames = Handle<GENERAL_NAMES, GENERAL_NAMES_free>;
using BasicConstraints = Handle<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free>;
using Object = Handle<ASN1_OBJECT, ASN1_OBJECT_free>;

std::shared_ptr<X509> share(X509Cert cert) {
    return {cert.release(), X509_free};
}

std::string text_of(const X509_NAME* name) {
    Bio bio(BIO_new(BIO_s_mem()));
    expect(bio && X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) >= 0,
           "X509_NAME_print_ex");
    char* data = nullptr;
    long size = BIO_get_mem_data(bio.get(), &data);
    return std::string(data, static_cast<size_t>(size));
}

std::string common_name_of(const X509_NAME* name) {
    int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (index < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, index) >= 0) return "";
    const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index));
    unsigned char* raw = nullptr;
    int size = ASN1_STRING_to_UTF8(&raw, value);
    OpensslMemory text(raw);
    if (size < 0) return "";
    return to_text({text.get(), static_cast<size_t>(size)});
}

}  // namespace

Result<Certificate> Certificate::parse_der(ByteView der) {
    ErrorScope errors;
    if (der.size() > kMaxCertificate) return fail(Code::invalid, "the certificate is too long");
    const uint8_t* next = der.data();
    X509Cert raw(d2i_X509(nullptr, &next, static_cast<long>(der.size())));
    if (!raw || next != der.data() + der.size()) {
        return fail(Code::invalid, "not an X.509 certificate in DER form");
    }
    Certificate cert(share(std::move(raw)));
    // What OpenSSL reads leniently (BER) it writes differently, and a certificate must have one
    // form only: fingerprints are taken of it.
    if (!equal(cert.der(), der)) return fail(Code::invalid, "the certificate is not strict DER");
    if (!time_of(X509_get0_notBefore(cert.handle())) ||
        !time_of(X509_get0_notAfter(cert.handle()))) {
        return fail(Code::invalid, "the certificate's validity is malformed");
    }
    return cert;
}

Result<Certificate> Certificate::parse_der_prefix(ByteView der) {
    return parse_der(TRY(parse_der_element(der)).whole);
}

Result<Certificate> Certificate::parse_pem(std::string_view pem) {
    auto all = TRY(parse_pem_bundle(pem));
    if (all.size() != 1) {
        return fail(Code::invalid, "{} certificates where one was expected", all.size());
    }
    return std::move(all[0]);
}

Result<Certificate> Certificate::parse_any(ByteView bytes) {
    constexpr uint8_t kSequence = 0x30;  // DER begins with it; in PEM it would be the digit 0
    if (!bytes.empty() && bytes[0] == kSequence) return parse_der(bytes);
    return parse_pem(as_text(bytes));
}

Result<std::vector<Certificate>> Certificate::parse_pem_bundle(std::string_view pem, size_t max) {
    auto blocks = TRY(parse_pem_blocks(as_bytes(pem), max));
    std::vector<Certificate> out;
    for (const PemBlock& block : blocks) {
        if (block.label != "CERTIFICATE") {
            return fail(Code::invalid, "a PEM block that is not a certificate");
        }
        out.push_back(TRY(parse_der(block.der.expose())));
    }
    return out;
}

Bytes Certificate::der() const {
    return der_of<i2d_X509>(cert_.get());
}

std::string Certificate::pem() const {
    return std::string(encode_pem("CERTIFICATE", der()).expose_text());
}

std::string Certificate::subject() const {
    return text_of(X509_get_subject_name(cert_.get()));
}

std::string Certificate::issuer() const {
    return text_of(X509_get_issuer_name(cert_.get()));
}

std::string Certificate::subject_common_name() const {
    ErrorScope errors;
    return common_name_of(X509_get_subject_name(cert_.get()));
}

std::string Certificate::issuer_common_name() const {
    ErrorScope errors;
    return common_name_of(X509_get_issuer_name(cert_.get()));
}

Bytes Certificate::subject_der() const {
    return der_of<i2d_X509_NAME>(X509_get_subject_name(cert_.get()));
}

Bytes Certificate::issuer_der() const {
    return der_of<i2d_X509_NAME>(X509_get_issuer_name(cert_.get()));
}

std::string Certificate::serial_hex() const {
    const ASN1_INTEGER* serial = X509_get0_serialNumber(cert_.get());
    BigNum number(ASN1_INTEGER_to_BN(serial, nullptr));
    expect(number != nullptr, "ASN1_INTEGER_to_BN");
    Bytes bytes(static_cast<size_t>(std::max(1, BN_num_bytes(number.get()))));
    expect(BN_bn2binpad(number.get(), bytes.data(), static_cast<int>(bytes.size())) >= 0,
           "BN_bn2binpad");
    return (BN_is_negative(number.get()) ? "-" : "") + encode_hex(bytes);
}

Time Certificate::not_before() const {
    return time_of(X509_get0_notBefore(cert_.get())).value();
}

Time Certificate::not_after() const {
    return time_of(X509_get0_notAfter(cert_.get())).value();
}

bool Certificate::is_ca() const {
    ErrorScope errors;
    BasicConstraints constraints(static_cast<BASIC_CONSTRAINTS*>(
        X509_get_ext_d2i(cert_.get(), NID_basic_constraints, nullptr, nullptr)));
    return constraints != nullptr && constraints->ca != 0;
}

Result<PublicKey> Certificate::public_key() const {
    ErrorScope errors;
    Pkey key(X509_get_pubkey(cert_.get()));
    if (!key) return fail(Code::unsupported, "the certificate's key is none that we know");
    return checked_public_key(std::move(key));
}

std::vector<std::string> Certificate::alternative_names() const {
    ErrorScope errors;
    std::vector<std::string> out;
    GeneralNames names(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(cert_.get(), NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        int type = 0;
        const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type);
        if (type != GEN_DNS && type != GEN_URI && type != GEN_EMAIL) continue;
        const auto* text = static_cast<const ASN1_IA5STRING*>(value);
        std::string name =
            to_text({ASN1_STRING_get0_data(text), static_cast<size_t>(ASN1_STRING_length(text))});
        bool printable =
            std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < '\x7f'; });
        if (!printable) continue;
        out.push_back((type == GEN_DNS ? "dns:" : type == GEN_URI ? "uri:" : "email:") + name);
    }
    return out;
}

std::vector<std::string> Certificate::dns_names() const {
    constexpr std::string_view kKind = "dns:";
    std::vector<std::string> out;
    for (const std::string& name : alternative_names()) {
        if (name.starts_with(kKind)) out.push_back(name.substr(kKind.size()));
    }
    return out;
}

Bytes Certificate::sha1_fingerprint() const {
    return hash(HashAlg::sha1, der());
}

Bytes Certificate::sha256_fingerprint() const {
    return hash(HashAlg::sha256, der());
}

Result<std::optional<Bytes>> Certificate::extension(std::string_view oid) const {
    ErrorScope errors;
    Object object(OBJ_txt2obj(std::string(oid).c_str(), 1));
    expect(object != nullptr, "a dotted OID");
    int index = X509_get_ext_by_OBJ(cert_.get(), object.get(), -1);
    if (index < 0) return std::nullopt;
    if (X509_get_ext_by_OBJ(cert_.get(), object.get(), index) >= 0) {
        return fail(Code::invalid, "the certificate has several extensions {}", oid);
    }
    const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(X509_get_ext(cert_.get(), index));
    return to_bytes(
        ByteView(ASN1_STRING_get0_data(value), static_cast<size_t>(ASN1_STRING_length(value))));
}

Result<void> Certificate::verify_signed_by(const Certificate& issuer) const {
    ErrorScope errors;
    if (X509_NAME_cmp(X509_get_issuer_name(cert_.get()), X509_get_subject_name(issuer.handle())) !=
        0) {
        return fail(Code::bad_evidence, "the certificate of {} was issued by {}, not by {}",
                    subject(), this->issuer(), issuer.subject());
    }
    int digest = NID_undef;
    if (X509_get_signature_info(cert_.get(), &digest, nullptr, nullptr, nullptr) != 1 ||
        (digest != NID_sha256 && digest != NID_sha384 && digest != NID_sha512)) {
        return fail(Code::bad_evidence,
                    "the certificate of {} has a signature without SHA-256, SHA-384 or SHA-512",
                    subject());
    }
    PublicKey key = TRY(issuer.public_key());
    if (X509_verify(cert_.get(), key.handle()) != 1) {
        return fail(Code::bad_evidence,
                    "the signature of {} on the certificate of {} does not hold", issuer.subject(),
                    subject());
    }
    return {};
}

bool Certificate::signature_is_pss_sha384() const {
    ErrorScope errors;
    int digest = NID_undef;
    int algorithm = NID_undef;
    uint32_t flags = 0;
    // For RSASSA-PSS OpenSSL sets X509_SIG_INFO_TLS if MGF1 has the same hash and the salt its
    // length.
    return X509_get_signature_info(cert_.get(), &digest, &algorithm, nullptr, &flags) == 1 &&
           algorithm == NID_rsassaPss && digest == NID_sha384 && (flags & X509_SIG_INFO_TLS) != 0;
}

}  // namespace vouchsafe::crypto
