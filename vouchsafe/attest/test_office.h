// For tests: a service with people who may change policies, and with policy signing certificates.
#pragma once

#include "vouchsafe/attest/policy/signed_document.h"
#include "vouchsafe/attest/policy/test_signer.h"
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
