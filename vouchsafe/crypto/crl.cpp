#include "vouchsafe/crypto/crl.h"

#include "vouchsafe/crypto/der.h"
#include "vouchsafe/crypto/openssl.h"
#include "vouchsafe/crypto/pem.h"

namespace vouchsafe::crypto {

namespace {

constexpr size_t kMaxCrl = 4 << 20;

using CrlHandle = Handle<X509_CRL, X509_CRL_free>;
using PssParams = Handle<RSA_PSS_PARAMS, RSA_PSS_PARAMS_free>;
using Algorithm = Handle<X509_ALGOR, X509_ALGOR_free>;

bool has_critical(const STACK_OF(X509_EXTENSION) * extensions) {
    for (int i = 0; i < X509v3_get_ext_count(extensions); ++i) {
        if (X509_EXTENSION_get_critical(X509v3_get_ext(extensions, i)) == 1) return true;
    }
    return false;
}

// A critical extension that is not understood changes what the list means (RFC 5280, 5.2 and 5.3):
// the certificate issuer of an entry, for example.
bool has_critical(X509_CRL* crl) {
    if (has_critical(X509_CRL_get0_extensions(crl))) return true;
    STACK_OF(X509_REVOKED)* revoked = X509_CRL_get_REVOKED(crl);
    for (int i = 0; i < sk_X509_REVOKED_num(revoked); ++i) {
        if (has_critical(X509_REVOKED_get0_extensions(sk_X509_REVOKED_value(revoked, i)))) {
            return true;
        }
    }
    return false;
}

int nid_of(const X509_ALGOR* algorithm) {
    if (algorithm == nullptr) return NID_undef;
    const ASN1_OBJECT* object = nullptr;
    X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
    return OBJ_obj2nid(object);
}

// pss_is_amds tells whether the parameters are SHA-384, MGF1 with SHA-384, salt 48.
bool pss_is_amds(const X509_ALGOR* algorithm) {
    int type = V_ASN1_UNDEF;
    const void* value = nullptr;
    X509_ALGOR_get0(nullptr, &type, &value, algorithm);
    if (type != V_ASN1_SEQUENCE) return false;
    const auto* sequence = static_cast<const ASN1_STRING*>(value);
    const uint8_t* next = ASN1_STRING_get0_data(sequence);
    PssParams params(d2i_RSA_PSS_PARAMS(nullptr, &next, ASN1_STRING_length(sequence)));
    if (!params || nid_of(params->hashAlgorithm) != NID_sha384 ||
        nid_of(params->maskGenAlgorithm) != NID_mgf1 || params->saltLength == nullptr ||
        ASN1_INTEGER_get(params->saltLength) != 48) {
        return false;
    }
    Algorithm mask_hash(static_cast<X509_ALGOR*>(ASN1_TYPE_unpack_sequence(
        ASN1_ITEM_rptr(X509_ALGOR), params->maskGenAlgorithm->parameter)));
    return nid_of(mask_hash.get()) == NID_sha384;
}

bool is_strong(const X509_ALGOR* algorithm) {
    int nid = nid_of(algorithm);
    if (nid == NID_rsassaPss) return pss_is_amds(algorithm);
    int digest = NID_undef;
    int key = NID_undef;
    if (OBJ_find_sigid_algs(nid, &digest, &key) != 1) return false;
    return (key == NID_rsaEncryption || key == NID_X9_62_id_ecPublicKey) &&
           (digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512);
}

// inner_algorithm returns the signature algorithm of the part that is signed: the first element
// that is a sequence (RFC 5280, 5.1.2). OpenSSL 3.0 has no function for it.
Result<Bytes> inner_algorithm(const Bytes& der) {
    constexpr uint8_t kSequence = 0x30;
    ByteView left = TRY(parse_der_element(TRY(parse_der_element(der)).content)).content;
    for (;;) {
        DerElement element = TRY(parse_der_element(left));
        if (element.tag == kSequence) return to_bytes(element.whole);
        left = left.subspan(element.whole.size());
    }
}

}  // namespace

Result<Crl> Crl::parse_der(ByteView der) {
    ErrorScope errors;
    if (der.size() > kMaxCrl) return fail(Code::invalid, "the revocation list is too long");
    const uint8_t* next = der.data();
    CrlHandle raw(d2i_X509_CRL(nullptr, &next, static_cast<long>(der.size())));
    if (!raw || next != der.data() + der.size()) {
        return fail(Code::invalid, "not a certificate revocation list in DER form");
    }
    Crl crl(std::shared_ptr<X509_CRL>(raw.release(), X509_CRL_free));
    if (!equal(crl.der(), der)) return fail(Code::invalid, "the revocation list is not strict DER");
    const ASN1_TIME* next_update = X509_CRL_get0_nextUpdate(crl.crl_.get());
    if (!time_of(X509_CRL_get0_lastUpdate(crl.crl_.get())) ||
        (next_update != nullptr && !time_of(next_update))) {
        return fail(Code::invalid, "the revocation list's dates are malformed");
    }
    if (has_critical(crl.crl_.get())) {
        return fail(Code::invalid, "the revocation list has a critical extension");
    }
    return crl;
}

Result<Crl> Crl::parse_any(ByteView der_or_pem) {
    constexpr uint8_t kSequence = 0x30;  // DER begins with it; in PEM it would be the digit 0
    if (!der_or_pem.empty() && der_or_pem[0] == kSequence) return parse_der(der_or_pem);
    auto blocks = TRY(parse_pem_blocks(der_or_pem, 1));
    if (blocks[0].label != "X509 CRL") {
        return fail(Code::invalid, "a PEM block that is not a revocation list");
    }
    return parse_der(blocks[0].der.expose());
}

Bytes Crl::der() const {
    return der_of<i2d_X509_CRL>(crl_.get());
}

std::string Crl::issuer() const {
    Bio bio(BIO_new(BIO_s_mem()));
    expect(bio && X509_NAME_print_ex(bio.get(), X509_CRL_get_issuer(crl_.get()), 0,
                                     XN_FLAG_RFC2253) >= 0,
           "X509_NAME_print_ex");
    char* data = nullptr;
    long size = BIO_get_mem_data(bio.get(), &data);
    return std::string(data, static_cast<size_t>(size));
}

Bytes Crl::issuer_der() const {
    return der_of<i2d_X509_NAME>(X509_CRL_get_issuer(crl_.get()));
}

Time Crl::this_update() const {
    return time_of(X509_CRL_get0_lastUpdate(crl_.get())).value();
}

std::optional<Time> Crl::next_update() const {
    return time_of(X509_CRL_get0_nextUpdate(crl_.get()));
}

size_t Crl::entries() const {
    int count = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl_.get()));
    return count > 0 ? static_cast<size_t>(count) : 0;  // -1 if there is no such member
}

Result<void> Crl::verify_signed_by(const Certificate& issuer) const {
    ErrorScope errors;
    if (X509_NAME_cmp(X509_CRL_get_issuer(crl_.get()), X509_get_subject_name(issuer.handle())) !=
        0) {
        return fail(Code::bad_evidence, "the revocation list was issued by {}, not by {}",
                    this->issuer(), issuer.subject());
    }
    // All bits are set if the certificate does not state its key usage.
    if ((X509_get_key_usage(issuer.handle()) & KU_CRL_SIGN) == 0) {
        return fail(Code::bad_evidence, "the key of {} may not sign revocation lists",
                    issuer.subject());
    }
    const X509_ALGOR* algorithm = nullptr;
    X509_CRL_get0_signature(crl_.get(), nullptr, &algorithm);
    Bytes inner = TRY(inner_algorithm(der()));
    // RFC 5280, 5.1.1.2: both statements of the algorithm, outside and inside, are the same.
    if (!equal(inner, der_of<i2d_X509_ALGOR>(algorithm)) || !is_strong(algorithm)) {
        return fail(Code::bad_evidence,
                    "the revocation list of {} is signed in a way that is not accepted",
                    issuer.subject());
    }
    PublicKey key = TRY(issuer.public_key());
    if (X509_CRL_verify(crl_.get(), key.handle()) != 1) {
        return fail(Code::bad_evidence, "the signature of {} on its revocation list does not hold",
                    issuer.subject());
    }
    return {};
}

Result<bool> Crl::revokes(const Certificate& certificate) const {
    if (X509_NAME_cmp(X509_CRL_get_issuer(crl_.get()),
                      X509_get_issuer_name(certificate.handle())) != 0) {
        return fail(Code::invalid, "the revocation list of {} says nothing about {}, issued by {}",
                    issuer(), certificate.subject(), certificate.issuer());
    }
    X509_REVOKED* entry = nullptr;
    // 2 would be "removeFromCRL", which means something in delta lists alone: here it is revoked.
    return X509_CRL_get0_by_serial(crl_.get(), &entry,
                                   X509_get0_serialNumber(certificate.handle())) != 0;
}

}  // namespace vouchsafe::crypto
