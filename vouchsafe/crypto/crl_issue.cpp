#include "vouchsafe/crypto/crl_issue.h"

#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {

namespace {

using AuthorityKeyId = Handle<AUTHORITY_KEYID, AUTHORITY_KEYID_free>;
using CrlHandle = Handle<X509_CRL, X509_CRL_free>;
using Integer = Handle<ASN1_INTEGER, ASN1_INTEGER_free>;
using Revoked = Handle<X509_REVOKED, X509_REVOKED_free>;
using TimeHandle = Handle<ASN1_TIME, ASN1_TIME_free>;

Result<TimeHandle> encode_time(Time time) {
    TimeHandle out(ASN1_TIME_set(nullptr, to_unix(time)));
    if (!out) return fail(Code::invalid, "no list can be dated {}", format_rfc3339(time));
    return out;
}

Result<void> set_dates(X509_CRL* crl, const CrlSpec& spec) {
    TimeHandle from = TRY(encode_time(spec.this_update));
    expect(X509_CRL_set1_lastUpdate(crl, from.get()) == 1, "X509_CRL_set1_lastUpdate");
    if (!spec.next_update) return {};
    if (*spec.next_update < spec.this_update) {
        return fail(Code::invalid, "the next list would be older than this one");
    }
    TimeHandle next = TRY(encode_time(*spec.next_update));
    expect(X509_CRL_set1_nextUpdate(crl, next.get()) == 1, "X509_CRL_set1_nextUpdate");
    return {};
}

Result<void> add_revoked(X509_CRL* crl, const CrlSpec& spec, const Certificate& issuer) {
    TimeHandle since = TRY(encode_time(spec.this_update));
    for (const Certificate& certificate : spec.revoked) {
        if (!equal(certificate.issuer_der(), issuer.subject_der())) {
            return fail(Code::invalid, "{} did not issue {}", issuer.subject(),
                        certificate.subject());
        }
        Integer serial(ASN1_INTEGER_dup(X509_get0_serialNumber(certificate.handle())));
        Revoked entry(X509_REVOKED_new());
        expect(serial && entry && X509_REVOKED_set_serialNumber(entry.get(), serial.get()) == 1 &&
                   X509_REVOKED_set_revocationDate(entry.get(), since.get()) == 1 &&
                   X509_CRL_add0_revoked(crl, entry.get()) == 1,
               "an entry of the list");
        (void)entry.release();  // the list owns it now
    }
    return {};
}

void add_extensions(X509_CRL* crl, const CrlSpec& spec, const Certificate& issuer) {
    Integer number(ASN1_INTEGER_new());
    expect(number && ASN1_INTEGER_set_uint64(number.get(), spec.number) == 1 &&
               X509_CRL_add1_ext_i2d(crl, NID_crl_number, number.get(), 0, X509V3_ADD_APPEND) == 1,
           "the list's number");
    const ASN1_OCTET_STRING* id = X509_get0_subject_key_id(issuer.handle());
    if (id == nullptr) return;
    AuthorityKeyId authority(AUTHORITY_KEYID_new());
    expect(authority != nullptr, "AUTHORITY_KEYID_new");
    authority->keyid = ASN1_OCTET_STRING_dup(id);
    expect(authority->keyid && X509_CRL_add1_ext_i2d(crl, NID_authority_key_identifier,
                                                     authority.get(), 0, X509V3_ADD_APPEND) == 1,
           "the authority key identifier");
}

Result<void> sign(X509_CRL* crl, const PrivateKey& key, CertSignature signature) {
    bool pss = signature == CertSignature::rsa_pss_sha384;
    bool rsa = pss || signature == CertSignature::rsa_pkcs1_sha256;
    if (rsa != (key.type() == KeyType::rsa)) {
        return fail(Code::invalid, "the list's signature does not fit the issuer's key");
    }
    bool sha384 = pss || signature == CertSignature::ecdsa_sha384;
    MdCtx ctx(EVP_MD_CTX_new());
    EVP_PKEY_CTX* parameters = nullptr;  // owned by ctx
    expect(ctx && EVP_DigestSignInit(ctx.get(), &parameters,
                                     digest_of(sha384 ? HashAlg::sha384 : HashAlg::sha256), nullptr,
                                     key.handle()) == 1,
           "EVP_DigestSignInit");
    if (pss) {
        expect(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
                   EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1,
               "the parameters of RSASSA-PSS");
    }
    if (X509_CRL_sign_ctx(crl, ctx.get()) <= 0) return fail(Code::internal, "signing failed");
    return {};
}

}  // namespace

Result<Crl> issue_crl(const CrlSpec& spec, const Certificate& issuer, const PrivateKey& issuer_key,
                      CertSignature signature) {
    ErrorScope errors;
    PublicKey expected = TRY(issuer.public_key());
    if (!(expected == issuer_key.public_key())) {
        return fail(Code::invalid, "the issuer's key does not belong to the issuer");
    }
    CrlHandle crl(X509_CRL_new());
    expect(crl && X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2) == 1 &&
               X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.handle())) == 1,
           "X509_CRL_new");
    TRY(set_dates(crl.get(), spec));
    TRY(add_revoked(crl.get(), spec, issuer));
    add_extensions(crl.get(), spec, issuer);
    expect(X509_CRL_sort(crl.get()) == 1, "X509_CRL_sort");
    TRY(sign(crl.get(), issuer_key, signature));
    // Through the parser, so that what we give out is what everybody else reads.
    return Crl::parse_any(der_of<i2d_X509_CRL>(crl.get()));
}

}  // namespace vouchsafe::crypto
