#include <algorithm>

#include "vouchsafe/crypto/openssl.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::crypto {

namespace {

using AuthorityKeyId = Handle<AUTHORITY_KEYID, AUTHORITY_KEYID_free>;
using BasicConstraints = Handle<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free>;
using BitString = Handle<ASN1_BIT_STRING, ASN1_BIT_STRING_free>;
using ExtendedKeyUsage = Handle<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>;
using Extension = Handle<X509_EXTENSION, X509_EXTENSION_free>;
using GeneralName = Handle<GENERAL_NAME, GENERAL_NAME_free>;
using GeneralNames = Handle<GENERAL_NAMES, GENERAL_NAMES_free>;
using Name = Handle<X509_NAME, X509_NAME_free>;
using Object = Handle<ASN1_OBJECT, ASN1_OBJECT_free>;
using OctetString = Handle<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;
using Ia5String = Handle<ASN1_IA5STRING, ASN1_IA5STRING_free>;

enum class Critical { no = 0, yes = 1 };

// RFC 5280, 4.2.1.3
enum KeyUsageBit { kDigitalSignature = 0, kKeyEncipherment = 2, kKeyCertSign = 5, kCrlSign = 6 };

void add_extension(X509* cert, int nid, void* value, Critical critical) {
    expect(X509_add1_ext_i2d(cert, nid, value, static_cast<int>(critical), X509V3_ADD_APPEND) == 1,
           "X509_add1_ext_i2d");
}

Result<void> set_subject(X509* cert, const CertificateSpec& spec) {
    Name name(X509_NAME_new());
    expect(name != nullptr, "X509_NAME_new");
    for (const auto& [type, value] : spec.subject) {
        ByteView text = as_bytes(value);
        if (X509_NAME_add_entry_by_txt(name.get(), type.c_str(), MBSTRING_UTF8, text.data(),
                                       static_cast<int>(text.size()), -1, 0) != 1) {
            return fail(Code::invalid, "a certificate name cannot hold {}={}", type, value);
        }
    }
    expect(X509_set_subject_name(cert, name.get()) == 1, "X509_set_subject_name");
    return {};
}

Result<void> set_validity(X509* cert, const CertificateSpec& spec) {
    if (spec.not_after < spec.not_before ||
        ASN1_TIME_set(X509_getm_notBefore(cert), to_unix(spec.not_before)) == nullptr ||
        ASN1_TIME_set(X509_getm_notAfter(cert), to_unix(spec.not_after)) == nullptr) {
        return fail(Code::invalid, "a certificate cannot be valid from {} to {}",
                    format_rfc3339(spec.not_before), format_rfc3339(spec.not_after));
    }
    return {};
}

void set_serial(X509* cert, uint64_t serial) {
    Bytes bytes = random_bytes(16);
    bytes[0] = static_cast<uint8_t>((bytes[0] & 0x3f) | 0x40);  // positive, and never shorter
    BigNum number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
    expect(number != nullptr, "BN_bin2bn");
    ASN1_INTEGER* field = X509_get_serialNumber(cert);
    bool done = serial != 0 ? ASN1_INTEGER_set_uint64(field, serial) == 1
                            : BN_to_ASN1_INTEGER(number.get(), field) != nullptr;
    expect(done, "the serial number");
}

void add_basic_constraints(X509* cert, const CertificateSpec& spec) {
    BasicConstraints constraints(BASIC_CONSTRAINTS_new());
    expect(constraints != nullptr, "BASIC_CONSTRAINTS_new");
    constraints->ca = spec.ca ? 0xff : 0;
    if (spec.ca && spec.path_length) {
        constraints->pathlen = ASN1_INTEGER_new();
        expect(constraints->pathlen &&
                   ASN1_INTEGER_set_int64(constraints->pathlen, *spec.path_length) == 1,
               "the path length");
    }
    add_extension(cert, NID_basic_constraints, constraints.get(), Critical::yes);
}

void add_key_usage(X509* cert, const CertificateSpec& spec, KeyType type) {
    BitString usage(ASN1_BIT_STRING_new());
    expect(usage != nullptr, "ASN1_BIT_STRING_new");
    auto allow = [&](KeyUsageBit bit) {
        expect(ASN1_BIT_STRING_set_bit(usage.get(), bit, 1) == 1, "ASN1_BIT_STRING_set_bit");
    };
    if (spec.ca) {
        allow(kKeyCertSign);
        allow(kCrlSign);
    } else {
        allow(kDigitalSignature);
        if (spec.server_auth && type == KeyType::rsa) allow(kKeyEncipherment);
    }
    add_extension(cert, NID_key_usage, usage.get(), Critical::yes);
    if (!spec.server_auth) return;
    ExtendedKeyUsage extended(EXTENDED_KEY_USAGE_new());
    expect(extended && sk_ASN1_OBJECT_push(extended.get(), OBJ_nid2obj(NID_server_auth)) > 0,
           "the extended key usage");
    add_extension(cert, NID_ext_key_usage, extended.get(), Critical::no);
}

void add_key_ids(X509* cert, const Certificate* issuer) {
    std::array<uint8_t, EVP_MAX_MD_SIZE> digest;
    unsigned size = 0;
    OctetString own(ASN1_OCTET_STRING_new());
    expect(own && X509_pubkey_digest(cert, digest_of(HashAlg::sha1), digest.data(), &size) == 1 &&
               ASN1_OCTET_STRING_set(own.get(), digest.data(), static_cast<int>(size)) == 1,
           "the subject key identifier");
    add_extension(cert, NID_subject_key_identifier, own.get(), Critical::no);
    const ASN1_OCTET_STRING* theirs =
        issuer != nullptr ? X509_get0_subject_key_id(issuer->handle()) : nullptr;
    if (theirs == nullptr) return;
    AuthorityKeyId authority(AUTHORITY_KEYID_new());
    expect(authority != nullptr, "AUTHORITY_KEYID_new");
    authority->keyid = ASN1_OCTET_STRING_dup(theirs);
    expect(authority->keyid != nullptr, "the authority key identifier");
    add_extension(cert, NID_authority_key_identifier, authority.get(), Critical::no);
}

bool is_dns_name(std::string_view name) {
    return !name.empty() && name.size() <= 253 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || c == '_' || c == '*';
    });
}

Result<GeneralName> general_name(const std::string& text) {
    GeneralName name(GENERAL_NAME_new());
    expect(name != nullptr, "GENERAL_NAME_new");
    if (OctetString address(a2i_IPADDRESS(text.c_str())); address != nullptr) {
        GENERAL_NAME_set0_value(name.get(), GEN_IPADD, address.release());
        return name;
    }
    if (!is_dns_name(text)) return fail(Code::invalid, "'{}' is not a DNS name", text);
    Ia5String dns(ASN1_IA5STRING_new());
    expect(dns && ASN1_STRING_set(dns.get(), text.data(), static_cast<int>(text.size())) == 1,
           "ASN1_STRING_set");
    GENERAL_NAME_set0_value(name.get(), GEN_DNS, dns.release());
    return name;
}

Result<void> add_names(X509* cert, const CertificateSpec& spec) {
    if (spec.dns_names.empty()) return {};
    GeneralNames names(GENERAL_NAMES_new());
    expect(names != nullptr, "GENERAL_NAMES_new");
    for (const std::string& text : spec.dns_names) {
        GeneralName name = TRY(general_name(text));
        expect(sk_GENERAL_NAME_push(names.get(), name.get()) > 0, "sk_GENERAL_NAME_push");
        (void)name.release();  // the list owns it now
    }
    add_extension(cert, NID_subject_alt_name, names.get(), Critical::no);
    return {};
}

Result<void> add_own_extensions(X509* cert, const CertificateSpec& spec) {
    for (const auto& [oid, value, critical] : spec.extensions) {
        Object object(OBJ_txt2obj(oid.c_str(), 1));
        if (!object) return fail(Code::invalid, "'{}' is not a dotted OID", oid);
        OctetString content(ASN1_OCTET_STRING_new());
        expect(content && ASN1_OCTET_STRING_set(content.get(), value.data(),
                                                static_cast<int>(value.size())) == 1,
               "ASN1_OCTET_STRING_set");
        Extension extension(
            X509_EXTENSION_create_by_OBJ(nullptr, object.get(), critical ? 1 : 0, content.get()));
        expect(extension && X509_add_ext(cert, extension.get(), -1) == 1, "X509_add_ext");
    }
    return {};
}

Result<void> sign_certificate(X509* cert, const PrivateKey& key, CertSignature signature) {
    bool rsa =
        signature == CertSignature::rsa_pkcs1_sha256 || signature == CertSignature::rsa_pss_sha384;
    if (rsa != (key.type() == KeyType::rsa)) {
        return fail(Code::invalid, "the certificate signature does not fit the issuer's key");
    }
    bool sha256 =
        signature == CertSignature::rsa_pkcs1_sha256 || signature == CertSignature::ecdsa_sha256;
    MdCtx ctx(EVP_MD_CTX_new());
    EVP_PKEY_CTX* parameters = nullptr;  // owned by ctx
    expect(ctx && EVP_DigestSignInit(ctx.get(), &parameters,
                                     digest_of(sha256 ? HashAlg::sha256 : HashAlg::sha384), nullptr,
                                     key.handle()) == 1,
           "EVP_DigestSignInit");
    if (signature == CertSignature::rsa_pss_sha384) {
        expect(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
                   EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1,
               "the parameters of RSASSA-PSS");
    }
    if (X509_sign_ctx(cert, ctx.get()) <= 0) {
        return fail(Code::internal, "signing the certificate failed");
    }
    return {};
}

}  // namespace

Result<Certificate> issue_certificate(const CertificateSpec& spec, const PublicKey& subject_key,
                                      const Certificate* issuer, const PrivateKey& issuer_key,
                                      CertSignature signature) {
    ErrorScope errors;
    PublicKey issuer_public = issuer != nullptr ? TRY(issuer->public_key()) : subject_key;
    if (!(issuer_public == issuer_key.public_key())) {
        return fail(Code::invalid, "the issuer's key does not belong to the issuer");
    }
    X509Cert cert(X509_new());
    expect(cert && X509_set_version(cert.get(), X509_VERSION_3) == 1 &&
               X509_set_pubkey(cert.get(), subject_key.handle()) == 1,
           "X509_new");
    set_serial(cert.get(), spec.serial);
    TRY(set_validity(cert.get(), spec));
    TRY(set_subject(cert.get(), spec));
    const X509_NAME* issuer_name =
        X509_get_subject_name(issuer != nullptr ? issuer->handle() : cert.get());
    expect(X509_set_issuer_name(cert.get(), issuer_name) == 1, "X509_set_issuer_name");
    add_basic_constraints(cert.get(), spec);
    add_key_usage(cert.get(), spec, subject_key.type());
    add_key_ids(cert.get(), issuer);
    TRY(add_names(cert.get(), spec));
    TRY(add_own_extensions(cert.get(), spec));
    TRY(sign_certificate(cert.get(), issuer_key, signature));
    // Through the parser, so that what we give out is what everybody else reads.
    return Certificate::parse_der(der_of<i2d_X509>(cert.get()));
}

}  // namespace vouchsafe::crypto
