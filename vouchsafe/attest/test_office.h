// For tests: a service with people who may change policies, and with policy signing certificates.
#pragma once

#include "vouchsafe/attest/policy/signed_document.h"
#include "vouchsafe/attest/test_service.h"

namespace vouchsafe::attest::testing {

inline constexpr const char* kContributor = "aaaaaaaa-0000-4000-8000-00000000000c";
inline constexpr const char* kReader = "aaaaaaaa-0000-4000-8000-00000000000d";
inline constexpr const char* kStranger = "aaaaaaaa-0000-4000-8000-00000000000e";
inline constexpr const char* kPermitAll = "version= 1.0; authorizationrules { => permit(); };";

// A service of its own for each test, with somebody who may change policies.
struct Office : Running {
    Office() {
        MUST(service->assign_role(kContributor, "Attestation Contributor"));
        MUST(service->assign_role(kReader, "Attestation Reader"));
    }
    net::Response ask(const std::string& method, const std::string& path, const std::string& body,
                      std::string_view who = kContributor) {
        return send(method, path, body, "2020-10-01", who.empty() ? "" : access_token(who));
    }
    Json told(const net::Response& response) { return claims_of(*this, token_of(response)); }
    Json set(const std::string& text, const std::string& type = "SevSnpVm") {
        return told(ask("PUT", "/policies/" + type, unsigned_policy(text)));
    }
    std::string stored(const std::string& type) {
        return told(ask("GET", "/policies/" + type, ""))["x-ms-policy"];
    }
    net::Response attest_snp(const Machine& machine, const std::string& draft = "") {
        Json request = snp_request(machine);
        if (!draft.empty()) request["draftPolicyForAttestation"] = draft;
        return send("POST", "/attest/SevSnpVm", dump_json(request));
    }
    std::string refused(const net::Response& response, int status) {
        EXPECT_EQ(response.status, status) << response.body;
        return response.headers.get("x-vouchsafe-check");
    }
};

// Signer is somebody with a self-signed certificate.
struct Signer {
    crypto::PrivateKey key = make_rsa();
    crypto::Certificate certificate;
    explicit Signer(const std::string& name) : certificate(certify(name)) {}

    crypto::Certificate certify(const std::string& name) const {
        crypto::CertificateSpec spec;
        spec.subject = {{"CN", name}};
        spec.not_before = test_time() - Seconds(86400);
        spec.not_after = test_time() + Seconds(86400);
        return MUST(crypto::issue_certificate(spec, key.public_key(), nullptr, key,
                                              crypto::CertSignature::rsa_pkcs1_sha256));
    }
    Json x5c() const { return Json::array({encode_base64(certificate.der())}); }
    std::string sign(const Json& payload) const {
        return MUST(jose::sign_jws({{"x5c", x5c()}}, as_bytes(dump_json(payload)), key,
                                   crypto::SigAlg::rs256));
    }
    std::string policy(std::string_view text) const {
        return sign({{"AttestationPolicy", encode_base64url(as_bytes(text))}});
    }
    Json jwk() const { return {{"kty", "RSA"}, {"x5c", x5c()}}; }
};
inline const Signer& first() {
    static const Signer kOne("first");
    return kOne;
}
inline const Signer& second() {
    static const Signer kOne("second");
    return kOne;
}

// SignedOffice demands signatures as well.
struct SignedOffice : Office {
    SignedOffice() { service = MUST(in_signers_mode({first().certificate})); }
    Result<std::unique_ptr<Service>> in_signers_mode(std::vector<crypto::Certificate> signers) {
        return create([&](Config& config) {
            config.policy_changes = Config::PolicyChanges::signers;
            config.policy_signers = std::move(signers);
        });
    }
    std::string code(const std::string& method, const std::string& path, const std::string& body,
                     std::string_view who = kContributor) {
        net::Response response = ask(method, path, body, who);
        return response.status == 200 ? "accepted" : response.headers.get("x-vouchsafe-check");
    }
    std::string put(const std::string& body, std::string_view who = kContributor) {
        return code("PUT", "/policies/SevSnpVm", body, who);
    }
};

}  // namespace vouchsafe::attest::testing
