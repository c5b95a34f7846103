// For tests alone: endorsements in the form of Microsoft's, by a root that is made here.
#pragma once

#include "vouchsafe/evidence/test_vectors.h"
#include "vouchsafe/evidence/uvm/endorsement.h"

namespace vouchsafe::evidence::testing {

inline Time uvm_time() {
    return at("2023-06-01T00:00:00Z");
}

// DER of SEQUENCE { 1.3.6.1.4.1.311.76.59.1.n }, n below 128: an extended key usage.
inline Bytes uvm_usage(uint8_t n = 2) {
    return {0x30, 0x0d, 0x06, 0x0b, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x4c, 0x3b, 0x01, n};
}

// UvmAuthority is a root, a CA below it and a signer below that.
struct UvmAuthority {
    crypto::PrivateKey root_key = *crypto::PrivateKey::generate_ec(crypto::Curve::p256);
    crypto::PrivateKey ca_key = *crypto::PrivateKey::generate_ec(crypto::Curve::p256);
    crypto::PrivateKey key = *crypto::PrivateKey::generate_ec(crypto::Curve::p256);
    crypto::Certificate root = issue(ca_spec("root"), root_key, nullptr, root_key);
    crypto::Certificate ca = issue(ca_spec("CA"), ca_key, &root, root_key);
    crypto::Certificate leaf = issue(leaf_spec(), key, &ca, ca_key);

    static crypto::CertificateSpec ca_spec(const char* name) {
        crypto::CertificateSpec out;
        out.subject = {{"CN", name}};
        out.not_before = uvm_time() - Seconds{7200};
        out.not_after = uvm_time() + Seconds{7200};
        out.ca = true;
        return out;
    }
    static crypto::CertificateSpec leaf_spec() {
        crypto::CertificateSpec out = ca_spec("ContainerPlat");
        out.subject.push_back({"O", "A: company"});
        out.ca = false;
        out.not_after = uvm_time() + Seconds{3600};
        out.extensions = {{"2.5.29.37", uvm_usage()}};
        return out;
    }
    static crypto::Certificate issue(const crypto::CertificateSpec& spec,
                                     const crypto::PrivateKey& key,
                                     const crypto::Certificate* issuer,
                                     const crypto::PrivateKey& issuer_key) {
        return MUST(crypto::issue_certificate(spec, key.public_key(), issuer, issuer_key,
                                              crypto::CertSignature::ecdsa_sha256));
    }
    crypto::Certificate issue_leaf(const crypto::CertificateSpec& spec) const {
        return issue(spec, key, &ca, ca_key);
    }
};
inline const UvmAuthority& uvm_authority() {
    static const UvmAuthority made;
    return made;
}

inline std::string did_of(const crypto::Certificate& ca,
                          std::string_view policies = "::eku:1.3.6.1.4.1.311.76.59.1.2") {
    return fmt::format("did:x509:0:sha256:{}{}", encode_base64url(ca.sha256_fingerprint()),
                       policies);
}

// MadeUvm is an endorsement before it is encoded. Change what is to be wrong.
struct MadeUvm {
    std::string issuer = did_of(uvm_authority().root);
    std::string feed = "Test-UVM";
    std::vector<crypto::Certificate> chain{uvm_authority().leaf, uvm_authority().ca,
                                           uvm_authority().root};
    std::optional<Bytes> thumbprint;  // of the leaf, if not set
    int64_t alg = -7;
    Cbor content_type = Cbor::of_text("application/json");
    Cbor signing_time = Cbor::of_tag(1, Cbor::of(1675834943));
    std::string payload = dump_json(payload_json());
    std::function<void(std::vector<Cbor>& header)> edit = [](std::vector<Cbor>&) {};

    static Json payload_json() {
        return {{"x-ms-sevsnpvm-guestsvn", "22"},
                {"x-ms-sevsnpvm-launchmeasurement", std::string(96, 'a')}};
    }

    std::vector<UvmIssuer> issuers() const { return {{issuer, feed}}; }

    Bytes encode(const crypto::PrivateKey& key = uvm_authority().key) const {
        std::vector<Cbor> certificates;
        for (const crypto::Certificate& one : chain) {
            certificates.push_back(Cbor::of_bytes(one.der()));
        }
        Bytes x5t = thumbprint.value_or(chain.front().sha256_fingerprint());
        std::vector<Cbor> header{Cbor::of(crypto::kCoseAlg),
                                 Cbor::of(alg),
                                 Cbor::of(crypto::kCoseContentType),
                                 content_type,
                                 Cbor::of(crypto::kCoseX5chain),
                                 Cbor::of_array(certificates),
                                 Cbor::of(crypto::kCoseX5t),
                                 Cbor::of_array({Cbor::of(-16), Cbor::of_bytes(x5t)}),
                                 Cbor::of_text("iss"),
                                 Cbor::of_text(issuer),
                                 Cbor::of_text("feed"),
                                 Cbor::of_text(feed),
                                 Cbor::of_text("signingtime"),
                                 signing_time};
        edit(header);
        Bytes protected_bytes = encode_cbor(Cbor::of_map(header));
        Bytes to_sign = crypto::cose_sig_structure(protected_bytes, as_bytes(payload));
        Bytes signature = MUST(key.sign(crypto::SigAlg::es256, to_sign));
        return encode_cbor(Cbor::of_tag(
            18, Cbor::of_array({Cbor::of_bytes(protected_bytes), Cbor::of_map({}),
                                Cbor::of_bytes(as_bytes(payload)), Cbor::of_bytes(signature)})));
    }
};

// drop_header removes a member of the protected header.
inline void drop_header(std::vector<Cbor>& header, const Cbor& label) {
    for (size_t i = 0; i < header.size(); i += 2) {
        if (!(header[i] == label)) continue;
        header.erase(header.begin() + static_cast<ptrdiff_t>(i),
                     header.begin() + static_cast<ptrdiff_t>(i + 2));
        return;
    }
}

}  // namespace vouchsafe::evidence::testing
