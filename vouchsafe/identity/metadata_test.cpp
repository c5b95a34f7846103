#include "vouchsafe/identity/metadata.h"

#include <gtest/gtest.h>

#include "vouchsafe/identity/test_issuer.h"

namespace vouchsafe::identity {
namespace {

using namespace testing;

using Query = std::vector<std::pair<std::string, std::string>>;
const std::string kToken = "/metadata/identity/oauth2/token";
const Query kGood = {{"api-version", "2018-02-01"}, {"resource", "https://vault.azure.net"}};

struct Identities {
    Principal system = make("system", kVmResource);
    Principal first = make("first", "/identities/first");
    Principal second = make("second", "/identities/second");
    Principal stranger = make("stranger", "/identities/stranger");

    static Principal make(const std::string& name, const std::string& resource) {
        return MUST(share().service->create_managed_identity(name, resource));
    }
};
const Identities& identities() {
    static const Identities one;
    return one;
}

Machine test_machine() {
    Machine machine;
    machine.vm_id = "70f5ce9a-2bdc-4b6b-8401-e9b964d3aeb7";
    machine.name = "MyCVM";
    machine.subscription_id = "66666666-6666-4666-8666-666666666666";
    machine.resource_group = "rg";
    machine.resource_id = kVmResource;
    machine.system_identity = identities().system.client_id;
    machine.user_identities = {identities().first.client_id, identities().second.client_id};
    machine.certificates = {{"VCEK\n", "ASK\nARK\n", 0x7308000000000003}};
    return machine;
}

net::Response get(Metadata& metadata, const std::string& path, Query query = {},
                  bool with_header = true) {
    net::Request request = make_request("GET", path);
    request.query = std::move(query);
    if (with_header) request.headers.set("Metadata", "true");
    return metadata.handler()(request);
}

net::Response get(const std::string& path, Query query = {}, bool with_header = true) {
    Metadata metadata(*share().service, test_machine());
    return get(metadata, path, std::move(query), with_header);
}

// with adds parameters to the good query of a token request.
Query with(Query more) {
    Query out = kGood;
    out.insert(out.end(), more.begin(), more.end());
    return out;
}

TEST(MetadataToken, IsTextThroughoutAndOfTheMachinesIdentity) {
    net::Response response = get(kToken + "/", kGood);  // with a slash, as one client asks
    ASSERT_EQ(response.status, 200) << response.body;
    Json body = body_of(response);
    for (auto it = body.begin(); it != body.end(); ++it) EXPECT_TRUE(it->is_string()) << it.key();
    EXPECT_EQ(body["client_id"], identities().system.client_id);
    EXPECT_EQ(body["expires_in"], "86399");
    EXPECT_EQ(body["ext_expires_in"], "86399");
    EXPECT_EQ(body["expires_on"], std::to_string(to_unix(test_time()) + 86399));
    EXPECT_EQ(body["not_before"], std::to_string(to_unix(test_time())));
    EXPECT_EQ(body["resource"], "https://vault.azure.net");
    EXPECT_EQ(body["token_type"], "Bearer");
    Json claims = share().claims(body["access_token"], "https://vault.azure.net");
    EXPECT_EQ(claims["oid"], identities().system.object_id);
    EXPECT_EQ(claims["xms_mirid"], kVmResource);
}

TEST(MetadataToken, TakesEverySpellingOfAnIdentityOfTheMachine) {
    for (const Query& query : {Query{{"client_id", identities().second.client_id}},
                               Query{{"object_id", identities().second.object_id}},
                               Query{{"msi_res_id", "/identities/second"}},
                               Query{{"mi_res_id", "/Identities/Second"}}}) {
        Json body = body_of(get(kToken, with(query)));
        EXPECT_EQ(body["client_id"], identities().second.client_id) << query[0].first;
    }
}

TEST(MetadataToken, GivesNothingOfOtherMachinesIdentities) {
    for (const Query& query : {Query{{"client_id", identities().stranger.client_id}},
                               Query{{"object_id", identities().stranger.object_id}},
                               Query{{"msi_res_id", "/identities/stranger"}},
                               Query{{"client_id", "nonsense"}}, Query{{"client_id", ""}}}) {
        net::Response response = get(kToken, with(query));
        EXPECT_EQ(response.status, 400);
        EXPECT_EQ(body_of(response)["error"], "invalid_request");
        EXPECT_EQ(body_of(response)["error_description"], "Identity not found");
    }
    EXPECT_EQ(get(kToken, with({{"client_id", identities().first.client_id},
                                {"object_id", identities().first.object_id}}))
                  .status,
              400);
}

TEST(MetadataToken, ChoosesAUserIdentityOnlyIfThereIsOne) {
    Machine machine = test_machine();
    machine.system_identity.clear();
    Metadata metadata(*share().service, machine);
    EXPECT_EQ(get(metadata, kToken, kGood).status, 400);
    machine.user_identities.pop_back();
    metadata.set_machine(machine);
    EXPECT_EQ(body_of(get(metadata, kToken, kGood))["client_id"], identities().first.client_id);
    machine.user_identities.clear();
    metadata.set_machine(machine);
    EXPECT_EQ(body_of(get(metadata, kToken, kGood))["error_description"], "Identity not found");
}

TEST(MetadataToken, RefusesMissingAndUnknownResources) {
    auto error_with = [](Query query) {
        net::Response response = get(kToken, std::move(query));
        EXPECT_EQ(response.status, 400);
        return body_of(response)["error"].get<std::string>();
    };
    EXPECT_EQ(error_with({{"api-version", "2018-02-01"}}), "invalid_resource");
    EXPECT_EQ(error_with({{"api-version", "2018-02-01"}, {"resource", "https://evil.example"}}),
              "invalid_resource");
    Json slash = body_of(
        get(kToken, {{"api-version", "2018-02-01"}, {"resource", "https://vault.azure.net/"}}));
    EXPECT_EQ(slash["resource"], "https://vault.azure.net/");
}

TEST(MetadataRules, RefuseWhatAForwardedRequestLooksLike) {
    net::Response bare = get(kToken, kGood, false);
    EXPECT_EQ(bare.status, 400);
    EXPECT_EQ(body_of(bare)["error"], "invalid_request");
    EXPECT_EQ(body_of(bare)["error_description"], "Required metadata header not specified");

    Metadata metadata(*share().service, test_machine());
    auto status_with = [&](const char* name, const char* value, const char* metadata_value) {
        net::Request request = make_request("GET", kToken);
        request.query = kGood;
        request.headers.set("Metadata", metadata_value);
        if (*name != 0) request.headers.add(name, value);
        return metadata.handler()(request).status;
    };
    EXPECT_EQ(status_with("", "", "True"), 200);
    EXPECT_EQ(status_with("", "", "false"), 400);
    EXPECT_EQ(status_with("Metadata", "true", "true"), 400);
    EXPECT_EQ(status_with("X-Forwarded-For", "10.0.0.1", "true"), 400);
    EXPECT_EQ(get(kToken, with({{"Resource", "https://vault.azure.net"}})).status, 400);
    EXPECT_EQ(get("/metadata/versions", {}, false).status, 400);
}

TEST(MetadataRules, DemandAKnownApiVersionAndNameTheNewest) {
    for (const Query& query :
         {Query{{"resource", "https://vault.azure.net"}},
          Query{{"api-version", "2018-02-02"}, {"resource", "https://vault.azure.net"}}}) {
        net::Response response = get(kToken, query);
        EXPECT_EQ(response.status, 400);
        EXPECT_EQ(body_of(response)["newest-versions"].size(), 3u);
    }
    Json versions = body_of(get("/metadata/versions"))["apiVersions"];
    for (const std::string version : versions) {
        EXPECT_EQ(
            get(kToken, {{"api-version", version}, {"resource", "https://vault.azure.net"}}).status,
            200)
            << version;
    }
}

TEST(MetadataRules, AnswerFourHundredToWhatIsNoVm) {
    Metadata metadata(*share().service, std::nullopt);
    for (const std::string& path : {kToken, std::string("/metadata/instance"),
                                    std::string("/metadata/THIM/amd/certification"),
                                    std::string("/no/such/path"), std::string("/")}) {
        for (bool header : {true, false}) {
            net::Response response = get(metadata, path, kGood, header);
            EXPECT_EQ(response.status, 400) << path;
            EXPECT_EQ(body_of(response)["error"], "invalid_request");
        }
    }
    EXPECT_EQ(body_of(get(metadata, kToken, kGood))["error_description"], "Identity not found");
}

TEST(MetadataCertificates, AreAnsweredWithoutApiVersionAsText) {
    Json body = body_of(get("/metadata/THIM/amd/certification"));
    EXPECT_EQ(body["vcekCert"], "VCEK\n");
    EXPECT_EQ(body["certificateChain"], "ASK\nARK\n");
    EXPECT_EQ(body["tcbm"], "7308000000000003");
    EXPECT_EQ(body["cacheControl"], "86400");
    Machine machine = test_machine();
    machine.certificates->reported_tcb = 0xDB18000000000004;
    Metadata metadata(*share().service, machine);
    EXPECT_EQ(body_of(get(metadata, "/metadata/thim/AMD/certification"))["tcbm"],
              "DB18000000000004");
    machine.certificates.reset();
    machine.security_type = "TrustedLaunch";
    metadata.set_machine(machine);
    EXPECT_EQ(get(metadata, "/metadata/THIM/amd/certification").status, 400);
    EXPECT_EQ(get(metadata, "/metadata/instance/compute/securityProfile/securityType",
                  {{"api-version", "2019-03-11"}, {"format", "text"}})
                  .body,
              "TrustedLaunch");
}

TEST(MetadataInstance, TellsTheVmAsTextAndAsJson) {
    Query version = {{"api-version", "2019-03-11"}};
    Query text = {{"api-version", "2019-03-11"}, {"format", "text"}};
    net::Response id = get("/metadata/instance/compute/vmId", text);
    EXPECT_EQ(id.status, 200);
    EXPECT_EQ(id.body, "70f5ce9a-2bdc-4b6b-8401-e9b964d3aeb7");
    EXPECT_EQ(get("/metadata/instance/compute/vmid", version).body,
              "\"70f5ce9a-2bdc-4b6b-8401-e9b964d3aeb7\"");
    EXPECT_EQ(get("/metadata/instance/compute/location", text).body, "westeurope");
    Json compute = body_of(get("/metadata/instance/compute", version));
    EXPECT_EQ(compute["securityProfile"]["securityType"], "ConfidentialVM");
    EXPECT_EQ(compute["securityProfile"]["secureBootEnabled"], "true");
    EXPECT_EQ(compute["resourceId"], kVmResource);
    EXPECT_EQ(body_of(get("/metadata/instance", version))["compute"], compute);
    EXPECT_EQ(get("/metadata/instance/compute/securityProfile/virtualTpmEnabled", text).body,
              "true");
    EXPECT_EQ(get("/metadata/instance/compute/nothing", text).status, 404);
    EXPECT_EQ(get("/metadata/instance/compute/vmId/deeper", text).status, 404);
    EXPECT_EQ(get("/metadata/instance/compute", {{"api-version", "2019-03-11"}, {"format", "xml"}})
                  .status,
              400);
    EXPECT_EQ(get("/metadata/instance/compute").status, 400);
}

TEST(MetadataInstance, RefusesRenewalAtOnceInsteadOfLettingClientsWait) {
    Metadata metadata(*share().service, test_machine());
    net::Request request = make_request("POST", "/metadata/THIM/tvm/certificate/renew");
    request.headers.set("Metadata", "true");
    EXPECT_EQ(metadata.handler()(request).status, 400);
}

}  // namespace
}  // namespace vouchsafe::identity
