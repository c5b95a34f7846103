// Certificates from outside, one or several. Oracles: what parses has one form only, and every
// reader copes with it; endorsements that are refused name a check; a leaf has what its kind has.
#include <cstdlib>

#include "vouchsafe/crypto/x509.h"
#include "vouchsafe/evidence/snp/verify.h"
#include "vouchsafe/evidence/tdx/pck.h"
#include "vouchsafe/evidence/tpm/ak_cert_use.h"

using namespace vouchsafe;
using crypto::Certificate;

namespace {

void require(bool ok) {
    if (!ok) std::abort();
}

void check_endorsements(ByteView bytes) {
    Checks checks;
    const auto endorsements = evidence::SnpEndorsements::parse(bytes, checks);
    require(endorsements || endorsements.error().reason() != nullptr);
    if (!endorsements) return;
    require(evidence::is_snp_leaf(endorsements->leaf));
    for (const Certificate& other : endorsements->intermediates) {
        require(!evidence::is_snp_leaf(other));
    }
}

void check_leaf(const Certificate& cert) {
    if (auto snp = evidence::SnpCertificate::parse(cert)) {
        const bool vcek = snp->kind == evidence::SnpSigner::vcek;
        require(evidence::is_snp_leaf(cert) && snp->hwid.empty() != vcek);
        require(snp->csp_id.empty() || !vcek);
    }
    if (auto pck = evidence::PckInfo::parse(cert)) {
        require(MUST(pck->key.ec()).curve == crypto::Curve::p256);
        require(!evidence::is_snp_leaf(cert));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    check_endorsements({data, size});
    auto cert = Certificate::parse_any({data, size});
    if (!cert) return 0;
    Bytes der = cert->der();
    Bytes padded = der;
    padded.resize(der.size() + 16);
    require(!Certificate::parse_der(padded));
    require(MUST(Certificate::parse_der_prefix(padded)).der() == der);
    require(MUST(Certificate::parse_pem(cert->pem())).der() == der);
    if (auto key = cert->public_key()) {
        require(MUST(crypto::PublicKey::from_spki(key->spki())) == *key);
    }
    require(cert->valid_at(cert->not_before()) == (cert->not_before() <= cert->not_after()));
    require(cert->subject_common_name().size() <= 2 * size &&
            cert->serial_hex().size() <= 2 * size + 1);
    (void)cert->subject();
    (void)cert->issuer();
    (void)cert->is_ca();
    (void)cert->dns_names();
    (void)cert->signature_is_pss_sha384();
    if (auto use = evidence::CertificateUse::parse(*cert)) (void)use->usage_text();
    (void)cert->extension("1.3.6.1.4.1.3704.1.4").has_value();
    check_leaf(*cert);
    (void)cert->verify_signed_by(*cert).has_value();
    return 0;
}
