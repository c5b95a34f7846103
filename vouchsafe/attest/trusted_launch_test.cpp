// Machines of Trusted Launch: tokens of their own, where the operator wants that.
#include "vouchsafe/attest/default_policy.h"
#include "vouchsafe/attest/test_service.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

std::string launch_request(const Machine& machine = {}) {
    Json inner = inner_request(machine.evidence(), Dialect::cpp);
    inner["IsolationInfo"] = {{"Type", "TrustedLaunch"}};
    return request_body(inner);
}

// LaunchOffice is a service that takes them.
struct LaunchOffice : Running {
    LaunchOffice() {
        service.reset();
        service = MUST(create([](Config& config) { config.trusted_launch = true; }));
    }
};

LaunchOffice& launch_office() {
    static LaunchOffice office;
    return office;
}

Json launch_claims() {
    net::Response response = launch_office().attest(launch_request());
    Json claims = claims_of(launch_office(), open_envelope(token_of(response)));
    expect_named(claims);
    return claims;
}

TEST(AttestTrustedLaunch, GivesATokenWithoutATee) {
    Json claims = launch_claims();
    EXPECT_EQ(claims["x-ms-attestation-type"], "azurevm");
    EXPECT_EQ(claims["secureboot"], true);
    EXPECT_EQ(claims["x-vouchsafe-trusted-launch"], true);
    EXPECT_EQ(claims["x-vouchsafe-trust-tier"], "simulated");
    EXPECT_EQ(claims["x-ms-runtime"]["keys"][0]["kid"], "TpmEphemeralEncryptionKey");
    EXPECT_FALSE(claims.contains("x-ms-isolation-tee"));
    EXPECT_FALSE(claims.contains("x-ms-compliance-status"));
    EXPECT_EQ(dump_json(claims).find("sevsnpvm"), std::string::npos);
    EXPECT_EQ(dump_json(claims).find("azure-compliant-cvm"), std::string::npos);
}

TEST(AttestTrustedLaunch, IsRefusedWhereNobodyWantsIt) {
    EXPECT_EQ(refused_code(launch_request()), "HCL-ISOLATION");
}

TEST(AttestTrustedLaunch, LeavesConfidentialMachinesWhatTheyAre) {
    net::Response response = launch_office().attest(guest_request(Machine{}));
    Json claims = claims_of(launch_office(), open_envelope(token_of(response)));
    EXPECT_EQ(claims["x-ms-isolation-tee"]["x-ms-attestation-type"], "sevsnpvm");
    EXPECT_FALSE(claims.contains("x-vouchsafe-trusted-launch"));
}

TEST(AttestTrustedLaunch, RefusesWhatDoesNotHold) {
    auto code = [](const std::string& body) {
        return refused_code(launch_office(), launch_office().attest(body));
    };
    Machine machine;
    machine.event_log.clear();
    EXPECT_EQ(code(launch_request(machine)), "LOG-PRESENT");
    Json inner = inner_request(Machine{}.evidence(), Dialect::cpp);
    inner["IsolationInfo"] = {{"Type", "trustedlaunch"}};
    EXPECT_EQ(code(request_body(inner)), "HCL-TEE");
}

// Without the operator's word no policy names them.
TEST(AttestTrustedLaunch, IsInTheBuiltInPolicyOnlyWhereItIsWanted) {
    Config config;
    EXPECT_EQ(default_azure_guest_policy(config).find("trusted-launch"), std::string::npos);
    config.trusted_launch = true;
    EXPECT_NE(default_azure_guest_policy(config).find("trusted-launch"), std::string::npos);
}

}  // namespace
}  // namespace vouchsafe::attest
