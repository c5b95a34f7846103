// A whole confidential machine for the tests: a hardware root, a processor, a TPM with its keys and
// quotes, and a recorded event log of a real Secure Boot; and its request bodies in the dialects of
// Azure's clients. Everything is made of keys here, nothing talks to a TPM.
#pragma once

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "vouchsafe/attest/collateral/collateral_store.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/crl_issue.h"
#include "vouchsafe/crypto/x509.h"
#include "vouchsafe/evidence/azure/guest.h"
#include "vouchsafe/evidence/boot/event_log.h"
#include "vouchsafe/evidence/snp/certificate.h"
#include "vouchsafe/jose/jwk.h"

namespace vouchsafe::attest::testing {

using crypto::Certificate;
using crypto::CertSignature;
using crypto::HashAlg;
using crypto::PrivateKey;

inline const std::string kVmId = "70F5CE9A-2BDC-4B6B-8401-E9B964D3AEB7";
inline const std::string kIdKey =
    "0356215882a825279a85b300b0b742931d113bf7e32dde2e50ffde7ec743ca491ecdd7f336dc28a6e0b2bb57af7a44"
    "a3";

inline Time test_time() {
    return MUST(parse_rfc3339("2026-07-01T12:00:00Z"));
}

// Issuer is a certificate with its key.
struct Issuer {
    PrivateKey key;
    Certificate certificate;
};

inline crypto::CertificateSpec certificate_spec(const std::string& name, bool ca) {
    crypto::CertificateSpec spec;
    spec.subject = {{"CN", name}};
    spec.not_before = test_time() - Seconds{86400};
    spec.not_after = test_time() + Seconds{86400 * 365};
    spec.ca = ca;
    return spec;
}

// Tests take short keys for speed; AMD's have 4096 bits.
#ifndef VS_TEST_CA_BITS
#define VS_TEST_CA_BITS 2048
#endif

inline Issuer make_ca(const std::string& name, const Issuer* above) {
    PrivateKey key = MUST(PrivateKey::generate_rsa(VS_TEST_CA_BITS));
    Certificate certificate = MUST(crypto::issue_certificate(
        certificate_spec(name, true), key.public_key(), above ? &above->certificate : nullptr,
        above ? above->key : key, CertSignature::rsa_pss_sha384));
    return {key, certificate};
}

inline PrivateKey make_rsa() {
    return MUST(PrivateKey::generate_rsa(2048));
}
inline PrivateKey make_vcek() {
    return MUST(PrivateKey::generate_ec(crypto::Curve::p384));
}

// Keys are made once per test binary.
struct Keys {
    Issuer ark = make_ca("ARK-TEST", nullptr);
    Issuer ask = make_ca("ASK-TEST", &ark);
    PrivateKey ak = make_rsa();
    PrivateKey ephemeral = make_rsa();
    PrivateKey vcek = make_vcek();
};
inline const Keys& keys() {
    static const Keys one;
    return one;
}

inline evidence::TrustAnchors test_anchors() {
    evidence::TrustAnchors anchors;
    anchors.tier = evidence::Tier::simulated;
    anchors.amd = {
        {evidence::SnpProduct::milan, keys().ark.certificate, std::nullopt, std::nullopt}};
    anchors.ak_roots = {keys().ark.certificate};  // one root for both: the test has no more to say
    return anchors;
}

// keep_ark_list writes the test ARK's revocation list into a pack, with nobody or somebody on it.
inline void keep_ark_list(const Path& folder, const std::vector<Certificate>& revoked = {}) {
    auto list = MUST(
        crypto::issue_crl({test_time() - Seconds{3600}, test_time() + Seconds{864000}, 1, revoked},
                          keys().ark.certificate, keys().ark.key, CertSignature::rsa_pss_sha384));
    evidence::TrustAnchors anchors = test_anchors();
    PieceTerms terms{anchors, nullptr, test_time()};
    Checks checks;
    CollateralPiece piece{CollateralName::amd_vcek_crl(evidence::SnpProduct::milan), list.der()};
    VerifiedPiece verified = MUST(verify_piece(std::move(piece), terms, checks));
    MUST(CollateralPack(folder).keep({&verified, 1}, terms, Replace::anything));
}

// recorded_log is the event log of a real boot.
inline Bytes recorded_log(const std::string& boot) {
    return MUST(read_file(Path(VS_SOURCE_DIR) / "tests/vectors/local" / boot / "eventlog.bin"));
}

// Machine is what can be wrong about it; good by default.
struct Machine {
    PrivateKey ak = keys().ak;
    PrivateKey ephemeral = keys().ephemeral;
    PrivateKey vcek = keys().vcek;
    uint8_t chip = 0xC1;  // every byte of its identity
    uint32_t guest_svn = 7;
    uint64_t policy = 0x3001F;
    uint32_t vmpl = 0;
    evidence::SnpTcb tcb{std::nullopt, 4, 0, 24, 219};
    std::string id_key = kIdKey;
    Bytes host_data = Bytes(32, 0);
    Bytes event_log = recorded_log("sb-on-uki-ownkeys");
    std::vector<uint32_t> pcrs = {0, 1, 2, 3, 4, 5, 6, 7};
    std::string vm_id = kVmId;
    Bytes qualifying = {};  // what the quote signs besides

    evidence::AzureGuestEvidence evidence() const;
    Bytes runtime_data() const;
    Bytes report(ByteView report_data) const;
    Certificate vcek_certificate() const;
    std::string chain_pem() const {
        return vcek_certificate().pem() + keys().ask.certificate.pem() +
               keys().ark.certificate.pem();
    }
};

inline Bytes Machine::runtime_data() const {
    Json jwk = jose::encode_jwk(ak.public_key());
    jwk["kid"] = "HCLAkPub";
    jwk["key_ops"] = Json::array({"sign"});
    Json json = {{"keys", Json::array({jwk})},
                 {"vm-configuration",
                  {{"console-enabled", true},
                   {"current-time", 1680130419},
                   {"secure-boot", true},
                   {"tpm-enabled", true},
                   {"vmUniqueId", vm_id}}},
                 {"user-data", std::string(128, '0')}};
    if (vm_id.empty()) json["vm-configuration"].erase("vmUniqueId");
    return to_bytes(dump_json(json));
}

inline Certificate Machine::vcek_certificate() const {
    using namespace evidence;
    crypto::CertificateSpec spec = certificate_spec("SEV-VCEK", false);
    auto add = [&](std::string_view oid, Bytes value) {
        spec.extensions.push_back({std::string(oid), std::move(value)});
    };
    auto number = [](uint64_t value) { return crypto::encode_der_integer(value); };
    add(kOidStructVersion, number(1));
    add(kOidProductName, crypto::encode_der_ia5_string("Milan-B0"));
    add(kOidBootloaderSpl, number(tcb.bootloader));
    add(kOidTeeSpl, number(tcb.tee));
    add(kOidSnpSpl, number(tcb.snp));
    for (auto oid : {kOidSpl4, kOidSpl5, kOidSpl6, kOidSpl7}) add(oid, number(0));
    add(kOidMicrocodeSpl, number(tcb.microcode));
    add(kOidHwid, Bytes(64, chip));
    return MUST(crypto::issue_certificate(spec, vcek.public_key(), &keys().ask.certificate,
                                          keys().ask.key, CertSignature::rsa_pss_sha384));
}

// AMD 56860, ATTESTATION_REPORT, version 2.
inline Bytes Machine::report(ByteView report_data) const {
    Bytes raw_tcb = {tcb.bootloader, tcb.tee, 0, 0, 0, 0, tcb.snp, tcb.microcode};
    Bytes family{1}, image{2};
    family.resize(16);
    image.resize(16);
    Bytes data = to_bytes(report_data);
    data.resize(64);
    Writer out;
    out.u32_le(2).u32_le(guest_svn).u64_le(policy).bytes(family).bytes(image);
    out.u32_le(vmpl).u32_le(1).bytes(raw_tcb).u64_le(0x25).u64_le(0);
    out.bytes(data).bytes(Bytes(48, 0x4D)).bytes(host_data).bytes(MUST(decode_hex(id_key)));
    out.zeros(48).bytes(Bytes(32, 0x1D)).bytes(Bytes(32, 0xFF)).bytes(raw_tcb);
    out.zeros(24).bytes(Bytes(64, chip)).bytes(raw_tcb);
    out.u8(28).u8(55).u8(1).u8(0).u8(28).u8(55).u8(1).u8(0).bytes(raw_tcb);
    out.zeros(evidence::kSnpSignedSize - out.view().size());
    Bytes signature = MUST(vcek.sign(crypto::SigAlg::es384, out.view()));
    for (size_t half : {0, 48}) {  // r, s: little-endian in 72 bytes each
        out.bytes(Bytes(signature.rend() - static_cast<ptrdiff_t>(half) - 48,
                        signature.rend() - static_cast<ptrdiff_t>(half)));
        out.zeros(24);
    }
    out.zeros(evidence::kSnpReportSize - out.view().size());
    return out.take();
}

// TPM2B_PUBLIC of an RSA-2048 key (TPM 2.0 part 2, TPMT_PUBLIC).
inline Bytes tpm_public(const crypto::PublicKey& key, uint32_t attributes, ByteView policy,
                        bool signs) {
    Writer area;
    area.u16_be(evidence::kTpmAlgRsa).u16_be(evidence::kTpmAlgSha256).u32_be(attributes);
    area.u16_be(static_cast<uint16_t>(policy.size())).bytes(policy);
    area.u16_be(evidence::kTpmAlgNull);
    if (signs) {
        area.u16_be(evidence::kTpmAlgRsassa).u16_be(evidence::kTpmAlgSha256);
    } else {
        area.u16_be(evidence::kTpmAlgNull);
    }
    area.u16_be(2048).u32_be(0).u16_be(256).bytes(MUST(key.rsa()).modulus);
    return Writer().u16_be(static_cast<uint16_t>(area.view().size())).bytes(area.view()).take();
}

// The part of a TPMS_ATTEST before its type-specific end.
inline Writer attest_head(uint16_t type, const Bytes& signer, const Bytes& qualifying = {}) {
    Writer out;
    out.u32_be(evidence::kTpmGenerated).u16_be(type);
    out.u16_be(static_cast<uint16_t>(signer.size())).bytes(signer);
    out.u16_be(static_cast<uint16_t>(qualifying.size())).bytes(qualifying);
    out.u64_be(1000).u32_be(1).u32_be(0).u8(1).u64_be(0x2020031200120000);
    return out;
}

inline evidence::AzureGuestEvidence Machine::evidence() const {
    using namespace evidence;
    AzureGuestEvidence out;
    out.isolation_type = "SevSnp";
    out.runtime_data = runtime_data();
    out.snp_report = report(crypto::sha256(out.runtime_data));
    out.vcek_chain = to_bytes(chain_pem());
    out.event_log = event_log;

    PcrBank replayed;
    if (!event_log.empty()) {
        replayed = MUST(EventLog::parse(event_log)).replay(HashAlg::sha256);
    }
    PcrBank bank{HashAlg::sha256, {}};
    for (uint32_t pcr : pcrs) {
        Bytes value = replayed.values.contains(pcr) ? replayed.values[pcr] : Bytes(32, 0);
        bank.values[pcr] = value;
        out.pcr_set.push_back(pcr);
        out.pcr_values.push_back({pcr, value});
    }
    PcrSelection selection{PcrBankSelection::of(HashAlg::sha256, pcrs)};
    std::vector<PcrBank> banks{bank};
    Bytes digest = MUST(pcr_digest(HashAlg::sha256, selection, banks));
    Bytes policy_digest = MUST(pcr_policy_digest(HashAlg::sha256, selection, banks));

    out.ak_public = tpm_public(ak.public_key(), 0x00050472, {}, true);
    out.encryption_key =
        tpm_public(ephemeral.public_key(), kEphemeralKeyAttributes, policy_digest, false);
    crypto::CertificateSpec ak_spec = certificate_spec("AK of " + kVmId, false);
    out.ak_certificate =
        MUST(crypto::issue_certificate(ak_spec, ak.public_key(), &keys().ark.certificate,
                                       keys().ark.key, CertSignature::rsa_pss_sha384))
            .der();

    Bytes ak_name = MUST(TpmPublic::parse(out.ak_public)).name();
    Writer quote = attest_head(kTpmStAttestQuote, ak_name, qualifying);
    quote.bytes(encode_pcr_selection(selection)).u16_be(32).bytes(digest);
    out.quote = quote.take();
    out.quote_signature = MUST(ak.sign(crypto::SigAlg::rs256, out.quote));

    Bytes key_name = MUST(TpmPublic::parse(out.encryption_key)).name();
    Writer certify = attest_head(kTpmStAttestCertify, ak_name);
    certify.u16_be(34).bytes(key_name).u16_be(34).bytes(key_name);
    out.certify_info = certify.take();
    out.certify_signature = MUST(ak.sign(crypto::SigAlg::rs256, out.certify_info));
    return out;
}

// Dialect is how a client writes the request (guest-protocol 4.2).
enum class Dialect {
    cpp,     // standard base64, numbers, base64 payload values
    python,  // URL alphabet without padding in the proof, version as text, plain payload
    padded,  // as cpp, with the NV index's zeros and the rest of ReadPublic behind AK parts
};

inline std::string base64_of(ByteView bytes, bool url) {
    return url ? encode_base64url(bytes) : encode_base64(bytes);
}

// inner_request is what AttestationInfo holds.
inline Json inner_request(const evidence::AzureGuestEvidence& evidence, Dialect dialect) {
    bool python = dialect == Dialect::python;
    auto b64 = [](ByteView bytes) { return encode_base64(bytes); };
    Bytes certificate = evidence.ak_certificate;
    Bytes ak = evidence.ak_public;
    if (dialect == Dialect::padded) {
        certificate.resize(4096);
        ak.resize(ak.size() + 72, 0xA5);
    }
    Json pcrs = Json::array();
    for (const auto& value : evidence.pcr_values) {
        pcrs.push_back({{"Index", value.index}, {"Digest", b64(value.digest)}});
    }
    Json proof = {{"SnpReport", encode_base64url(evidence.snp_report)},
                  {"VcekCertChain", base64_of(evidence.vcek_chain, python)}};
    Json inner = {{"AttestationProtocolVersion", "2.0"},
                  {"OSType", b64(as_bytes("Linux"))},
                  {"OSDistro", b64(as_bytes("Ubuntu"))},
                  {"OSBuild", b64(as_bytes("NotApplication"))},
                  {"TcgLogs", b64(evidence.event_log)},
                  {"TpmInfo",
                   {{"AikCert", b64(certificate)},
                    {"AikPub", b64(ak)},
                    {"PcrQuote", b64(evidence.quote)},
                    {"PcrSignature", b64(evidence.quote_signature)},
                    {"EncKeyPub", b64(evidence.encryption_key)},
                    {"EncKeyCertifyInfo", b64(evidence.certify_info)},
                    {"EncKeyCertifyInfoSignature", b64(evidence.certify_signature)},
                    {"PcrSet", evidence.pcr_set},
                    {"PCRs", pcrs}}},
                  {"IsolationInfo",
                   {{"Type", "SevSnp"},
                    {"Evidence",
                     {{"Proof", base64_of(as_bytes(dump_json_pretty(proof)), python)},
                      {"RunTimeData", base64_of(evidence.runtime_data, python)}}}}}};
    if (python) {
        inner["OSVersionMajor"] = "22";
        inner["OSVersionMinor"] = "04";
        inner["ClientPayload"] = {{"nonce", "plain"}, {"deep", {{"a", {1, 2.5, nullptr}}}}};
    } else {
        inner["OSVersionMajor"] = 22;
        inner["OSVersionMinor"] = 4;
        inner["ClientPayload"] = {{"nonce", b64(as_bytes("ADE0101"))}};
    }
    return inner;
}

inline std::string request_body(const Json& inner) {
    return dump_json({{"AttestationInfo", encode_base64url(as_bytes(inner.dump(1, '\t')))}});
}

inline std::string guest_request(const Machine& machine, Dialect dialect = Dialect::cpp) {
    return request_body(inner_request(machine.evidence(), dialect));
}

// snp_request is the body of /attest/SevSnpVm over the machine's runtime data.
inline Json snp_request(const Machine& machine) {
    Bytes runtime = machine.runtime_data();
    Json report = {{"SnpReport", encode_base64url(machine.report(crypto::sha256(runtime)))},
                   {"VcekCertChain", encode_base64url(as_bytes(machine.chain_pem()))}};
    return {{"report", encode_base64url(as_bytes(dump_json_pretty(report)))},
            {"runtimeData", {{"data", encode_base64url(runtime)}, {"dataType", "JSON"}}}};
}

}  // namespace vouchsafe::attest::testing
