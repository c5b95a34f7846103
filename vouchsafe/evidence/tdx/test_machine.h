// A TDX machine in software under a root of its own: to test what no recorded quote has. It starts
// as the recorded v5-bodytype3 and Intel's collateral for it; tests change members, then everything
// is signed anew. Keys are made once per test binary.
#pragma once

#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/evidence/tdx/test_collateral.h"

namespace vouchsafe::evidence::testing {

inline const crypto::PrivateKey& tdx_key(const std::string& name) {
    static std::map<std::string, crypto::PrivateKey> keys;
    auto found = keys.find(name);
    if (found == keys.end()) {
        auto key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
        found = keys.emplace(name, key).first;
    }
    return found->second;
}

inline Bytes public_point(const crypto::PrivateKey& key) {
    auto parts = MUST(key.public_key().ec());
    append(parts.x, parts.y);
    return parts.x;
}

inline Bytes sign_es256(const std::string& key, ByteView message) {
    return MUST(tdx_key(key).sign(crypto::SigAlg::es256, message));
}

inline Bytes der(uint8_t tag, const Bytes& content) {
    Bytes out = crypto::encode_der_octet_string(content);
    out[0] = tag;
    return out;
}
inline Bytes joined(std::initializer_list<Bytes> parts) {
    Bytes out;
    for (const Bytes& part : parts) append(out, part);
    return out;
}

// der_number is an INTEGER of any size.
inline Bytes der_number(ByteView digits) {
    while (digits.size() > 1 && digits[0] == 0) digits = digits.subspan(1);
    Bytes content;
    if (digits[0] & 0x80) content.push_back(0);
    append(content, digits);
    return der(0x02, content);
}

struct TdxMachine {
    IntelTee tee = IntelTee::tdx;
    Bytes signed_part;  // header, descriptor and body
    Bytes qe_report;
    Bytes pck_extension;
    Bytes authentication_data = Bytes(32, 0x5a);
    Json tcb_info;
    Json qe_identity;
    std::string issuer_name = "Intel SGX PCK Platform CA";
    bool issuer_is_ca = true;
    std::string signer_name = "Intel SGX TCB Signing";
    std::string signer_issuer = "root";
    std::vector<uint8_t> revoked_by_root;    // serial numbers
    std::vector<uint8_t> revoked_by_issuer;  // serial numbers
    std::string pck_crl_key = "issuer";

    static constexpr uint8_t kIssuerSerial = 2, kLeafSerial = 3, kSignerSerial = 4;
    static constexpr auto kExtensionOid = "1.2.840.113741.1.13.1";
    static constexpr size_t kBody = 54;  // where it begins in signed_part
    static constexpr size_t kMrSignerSeam = kBody + 64, kSeamAttributes = kBody + 112;
    static constexpr size_t kTdAttributes = kBody + 120;

    TdxMachine() {
        TdxQuote genuine = MUST(TdxQuote::parse(recorded_quote("v5-bodytype3")));
        signed_part = recorded_quote("v5-bodytype3");
        signed_part.resize(genuine.signed_size);
        qe_report = to_bytes(ByteView(genuine.qe_report_bytes));
        pck_extension = extension_of(genuine);
        tcb_info = MUST(parse_json(recorded_json("tcbinfo-90c06f000000-2026b").json))["tcbInfo"];
        qe_identity = MUST(parse_json(recorded_json("qeidentity-td-2026").json))["enclaveIdentity"];
    }

    // extension_of the PCK certificate that a quote brings.
    static Bytes extension_of(const QuoteParts& quote) {
        auto chain = MUST(crypto::Certificate::parse_pem_bundle(quote.pck_chain));
        return *MUST(chain[0].extension(kExtensionOid));
    }

    crypto::Certificate issue(const std::string& key, const std::string& name, uint8_t serial,
                              bool ca, const crypto::Certificate* issuer,
                              const std::string& issuer_key, bool with_extension = false) const {
        crypto::CertificateSpec spec;
        spec.subject = {{"CN", name}, {"O", "Test"}};
        spec.not_before = at("2026-01-01T00:00:00Z");
        spec.not_after = at("2027-01-01T00:00:00Z");
        spec.serial = serial;
        spec.ca = ca;
        if (with_extension) spec.extensions.push_back({kExtensionOid, pck_extension});
        return MUST(crypto::issue_certificate(spec, tdx_key(key).public_key(), issuer,
                                              tdx_key(issuer_key),
                                              crypto::CertSignature::ecdsa_sha256));
    }
    const crypto::Certificate& root() const {
        static const crypto::Certificate kRoot =
            issue("root", "Intel SGX Root CA", 1, true, nullptr, "root");
        return kRoot;
    }
    crypto::Certificate issuer() const {
        return issue("issuer", issuer_name, kIssuerSerial, issuer_is_ca, &root(), "root");
    }

    Bytes quote() const {
        crypto::Certificate ca = issuer();
        std::string chain =
            issue("pck", "Intel SGX PCK Certificate", kLeafSerial, false, &ca, "issuer", true)
                .pem() +
            ca.pem() + root().pem();
        Bytes point = public_point(tdx_key("attestation"));
        Bytes bound = joined({point, authentication_data});
        Bytes report = qe_report;
        report.resize(320);
        append(report, crypto::hash(crypto::HashAlg::sha256, bound));
        report.resize(384);
        Writer inner;
        inner.bytes(report).bytes(sign_es256("pck", report));
        inner.u16_le(static_cast<uint16_t>(authentication_data.size())).bytes(authentication_data);
        inner.u16_le(5).u32_le(static_cast<uint32_t>(chain.size())).bytes(as_bytes(chain));
        Writer outer;
        outer.bytes(sign_es256("attestation", signed_part)).bytes(point);
        if (tee == IntelTee::tdx) {
            outer.u16_le(6).u32_le(static_cast<uint32_t>(inner.view().size()));
        }
        outer.bytes(inner.view());
        Writer out;
        out.bytes(signed_part).u32_le(static_cast<uint32_t>(outer.view().size()));
        return out.bytes(outer.view()).take();
    }

    // sign_json signs the text of an inner object as it is.
    SignedJson sign_json(const std::string& member, const std::string& inner) const {
        std::string json = fmt::format("{{\"{}\":{},\"signature\":\"{}\"}}", member, inner,
                                       encode_hex(sign_es256("signer", as_bytes(inner))));
        crypto::Certificate ca = issuer();
        const crypto::Certificate& above = signer_issuer == "root" ? root() : ca;
        return {json,
                issue("signer", signer_name, kSignerSerial, false, &above, signer_issuer).pem() +
                    root().pem()};
    }

    static Bytes make_crl(const crypto::Certificate& issuer, const std::string& key,
                          const std::vector<uint8_t>& serials) {
        const Bytes algorithm = from_hex("300a06082a8648ce3d040302");  // ECDSA with SHA-256
        auto time = [](std::string_view text) { return der(0x17, to_bytes(text)); };
        Bytes entries;
        for (uint8_t serial : serials) {
            append(entries, der(0x30, joined({der(0x02, {serial}), time("260101000000Z")})));
        }
        if (!entries.empty()) entries = der(0x30, entries);
        Bytes tbs = der(0x30, joined({der(0x02, {1}), algorithm, issuer.subject_der(),
                                      time("260301000000Z"), time("260401000000Z"), entries}));
        Bytes raw = sign_es256(key, tbs);
        Bytes signature = der(0x30, joined({der_number(ByteView(raw).first(32)),
                                            der_number(ByteView(raw).subspan(32))}));
        return der(0x30, joined({tbs, algorithm, der(0x03, joined({Bytes{0}, signature}))}));
    }

    TdxCollateral collateral() const {
        TdxCollateral out{sign_json("tcbInfo", dump_json(tcb_info)),
                          sign_json("enclaveIdentity", dump_json(qe_identity)),
                          make_crl(root(), "root", revoked_by_root),
                          make_crl(issuer(), pck_crl_key, revoked_by_issuer)};
        out.tee = tee;
        return out;
    }

    TdCase to_case() const {
        TdCase out{quote(), collateral()};
        out.rules = {};
        out.anchors = {};
        out.anchors.intel = root();
        out.now = march_2026();
        return out;
    }
};

}  // namespace vouchsafe::evidence::testing
