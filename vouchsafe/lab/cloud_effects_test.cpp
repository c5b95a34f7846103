// What the resource manager's resources do in a lab with all its services, without sockets between
// the tests and them: providers, vaults, roles; and what becomes of a process that died in the
// middle.
#include "vouchsafe/lab/cloud_effects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/lab/services.h"
#include "vouchsafe/net/target.h"
#include "vouchsafe/vault/administration.h"

namespace vouchsafe::lab {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kReader = "fd1bd22b-8476-40bc-a0bc-69b95687b9f3";   // Attestation Reader
constexpr const char* kOfficer = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603";  // Crypto Officer
constexpr const char* kAz = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";       // Azure's command line
constexpr const char* kHost = "mine.weu.attest.azure.net";
constexpr const char* kPolicyText =
    "version= 1.0; authorizationrules{=> deny();}; issuancerules{};";

// One directory that was up once, copied for each lab: its keys take a while.
const Path& blank_directory() {
    static const TemporaryDir dir = MUST(TemporaryDir::create("lab-effects"));
    static const Path made = [] {
        Path path = dir.path() / "blank";
        const SystemClock clock;
        const auto directory = MUST(DataDirectory::create(path, DirectoryKind::lab, clock.now()));
        MUST(Services::start(directory, clock));
        return path;
    }();
    return made;
}

std::string in_base64(const Json& json) {
    return encode_base64url(as_bytes(dump_json(json)));
}
// signed_jws is a JWS by RS256, unsigned_jws one by nobody.
std::string signed_jws(Json header, const Json& payload, const crypto::PrivateKey& key) {
    header["alg"] = "RS256";
    const std::string text = in_base64(header) + "." + in_base64(payload);
    const Bytes signature = MUST(key.sign(crypto::SigAlg::rs256, as_bytes(text)));
    return text + "." + encode_base64url(signature);
}
std::string unsigned_jws(const Json& payload) {
    return in_base64({{"alg", "none"}}) + "." + in_base64(payload) + ".";
}
Json payload_of(const std::string& jws) {
    const size_t begin = jws.find('.') + 1;
    return MUST(
        parse_json(as_text(MUST(decode_base64url(jws.substr(begin, jws.rfind('.') - begin))))));
}

struct Answer {
    int status = 0;
    Json body;
    std::string code() const {
        const Json* error = find_member(body, "error");
        return error == nullptr ? "" : text_or_empty(*error, "code");
    }
};

TemporaryDir make_effects_dir() {
    return MUST(TemporaryDir::create("lab-effects"));
}

struct Lab {
    TemporaryDir dir = make_effects_dir();
    Path path = dir.path() / "lab";
    SystemClock clock;
    std::unique_ptr<DataDirectory> directory;
    std::unique_ptr<Services> services;
    std::map<std::string, std::string> tokens;  // by resource

    Lab() {
        std::filesystem::copy(blank_directory(), path, std::filesystem::copy_options::recursive);
        directory = std::make_unique<DataDirectory>(MUST(DataDirectory::open(path)));
        up();
        const Answer made = arm("PUT", group(), {{"location", "westeurope"}});
        EXPECT_EQ(made.status, 201) << made.body;
    }
    void up() { services = MUST(Services::start(*directory, clock)); }
    void down() { services.reset(); }

    std::string group() const {
        return fmt::format("/subscriptions/{}/resourceGroups/rg", directory->subscription_id());
    }
    std::string provider() const {
        return group() + "/providers/Microsoft.Attestation/attestationProviders/mine";
    }
    std::string vault_id() const {
        return group() + "/providers/Microsoft.KeyVault/vaults/effects";
    }

    static Answer send(const net::Handler& handler, const std::string& method,
                       const std::string& host, const std::string& target, std::string body,
                       const std::string& token) {
        net::Target parsed = MUST(net::parse_target(target));
        net::Request request;
        request.method = method;
        request.target = target;
        request.path = std::move(parsed.path);
        request.query = std::move(parsed.query);
        request.host = host;
        request.body = std::move(body);
        request.remote = "127.0.0.1";
        if (!token.empty()) request.headers.set("Authorization", "Bearer " + token);
        const bool form = request.body.starts_with("grant_type=");
        if (form) request.headers.set("Content-Type", "application/x-www-form-urlencoded");
        const net::Response response = handler(request);
        Answer out{response.status, nullptr};
        if (!response.body.empty()) out.body = MUST(parse_json(response.body, {8 << 20, 128}));
        return out;
    }
    // user_token is kept: a password takes its time.
    std::string user_token(const std::string& resource) {
        std::string& known = tokens[resource];
        if (!known.empty()) return known;
        const std::string password = MUST(read_text_file(path / kLabUserFile));
        const std::string form = fmt::format(
            "grant_type=password&client_id={}&username={}&password={}&scope={}/.default", kAz,
            kLabUser, encode_percent(password), encode_percent(resource));
        const Answer given =
            send(services->identity().handler(), "POST", std::string(kLoginHost),
                 fmt::format("/{}/oauth2/v2.0/token", directory->tenant_id()), form, "");
        EXPECT_EQ(given.status, 200) << given.body;
        known = text_or_empty(given.body, "access_token");
        return known;
    }
    Answer arm(const std::string& method, const std::string& id, const Json& body = nullptr) {
        return send(services->cloud().handler(), method, std::string(kManagementHost),
                    id + "?api-version=2022-07-01", body.is_null() ? "" : dump_json(body),
                    user_token("https://management.azure.com"));
    }
    // attest asks the providers as the front door does.
    Answer attest(const std::string& method, const std::string& target,
                  const std::string& body = "", const std::string& token = "",
                  const std::string& host = kHost) {
        return send(services->providers().handler(), method, host,
                    target + "?api-version=2022-08-01", body, token);
    }
    Answer vault(const std::string& method, const std::string& target, const Json& body = nullptr,
                 const std::string& host = "effects.vault.azure.net") {
        return send(services->vault().handler(), method, host, target + "?api-version=7.4",
                    body.is_null() ? "" : dump_json(body), user_token("https://vault.azure.net"));
    }
    Answer make_provider(const Json& properties = Json::object()) {
        return arm("PUT", provider(), {{"location", "westeurope"}, {"properties", properties}});
    }
    Json vault_body(const Json& change = Json::object()) const {
        Json properties = {{"tenantId", directory->tenant_id()},
                           {"sku", {{"family", "A"}, {"name", "premium"}}},
                           {"accessPolicies", Json::array()},
                           {"enableRbacAuthorization", true}};
        properties.update(change);
        return {{"location", "westeurope"}, {"properties", properties}};
    }
    Answer make_vault(const Json& change = Json::object()) {
        return arm("PUT", vault_id(), vault_body(change));
    }
    Answer assign(const std::string& scope, const std::string& role, const std::string& principal) {
        return arm(
            "PUT",
            fmt::format("{}/providers/Microsoft.Authorization/roleAssignments/{}", scope,
                        crypto::random_uuid()),
            {{"properties",
              {{"roleDefinitionId", "/roleDefinitions/" + role}, {"principalId", principal}}}});
    }
    std::string me() { return MUST(services->identity().find_user(kLabUser)).object_id; }
    std::string robot() {
        return MUST(services->identity().create_managed_identity("robot", "/robot")).client_id;
    }
    std::string robot_token(const std::string& robot, const std::string& resource) {
        const auto issued =
            MUST(services->identity().issue_managed_identity_token(robot, resource));
        return std::string(issued.token.expose_text());
    }
    std::string deleted_vault() const {
        return fmt::format(
            "/subscriptions/{}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/"
            "effects",
            directory->subscription_id());
    }
    bool trusts(const std::string& issuer) {
        // The token is a stranger's; what counts is whether the vault went on to look at its
        // authority.
        const Json policy = {
            {"version", "1.0.0"},
            {"anyOf", {{{"authority", issuer}, {"allOf", {{{"claim", "a"}, {"equals", "b"}}}}}}}};
        const std::string name = "k" + crypto::random_hex(4);
        const Answer made =
            vault("POST", "/keys/" + name + "/create",
                  {{"kty", "RSA-HSM"},
                   {"attributes", {{"exportable", true}}},
                   {"release_policy", {{"data", encode_base64url(as_bytes(dump_json(policy)))}}}});
        if (made.status != 200) std::abort();
        static const auto stranger = MUST(crypto::PrivateKey::generate_rsa(2048));
        const std::string token =
            signed_jws({{"typ", "JWT"}, {"kid", "x"}}, {{"iss", issuer}}, stranger);
        const auto mark = MUST(services->audit_mark());
        vault("POST", "/keys/" + name + "/release", {{"target", token}});
        for (const audit::Entry& entry : MUST(services->entries_since(mark))) {
            for (const Check& check : entry.checks) {
                if (check.code == "VAULT-AUTHORITY-ALLOWED") return check.passed;
            }
        }
        return false;
    }
};

std::string policy_document(const std::string& text) {
    return unsigned_jws({{"AttestationPolicy", encode_base64url(as_bytes(text))}});
}

TEST(OwnProvider, IsAServiceOfItsOwn) {
    Lab lab;
    EXPECT_EQ(lab.attest("GET", "/certs").status, 404);
    const Answer made = lab.make_provider();
    ASSERT_EQ(made.status, 201);
    EXPECT_EQ(made.body["properties"]["attestUri"], std::string("https://") + kHost);
    const Json keys = lab.attest("GET", "/certs").body;
    EXPECT_EQ(keys["keys"].size(), 1U);
    EXPECT_NE(keys, MUST(lab.services->attestation().jwks()));
    EXPECT_EQ(lab.attest("GET", "/.well-known/openid-configuration").body["issuer"],
              std::string("https://") + kHost);
    EXPECT_EQ(lab.attest("GET", "/certs", "", "", "MINE.weu.attest.azure.net:443").status, 200);
    EXPECT_EQ(lab.attest("GET", "/certs", "", "", "mine.neu.attest.azure.net").status, 404);
    EXPECT_THAT(lab.services->connect_to(), Contains(testing::Key(std::string(kHost) + ":443")));
    // Repeated, it is the same.
    EXPECT_EQ(lab.make_provider().status, 200);
    EXPECT_EQ(lab.attest("GET", "/certs").body, keys);
}

TEST(OwnProvider, HasPoliciesThatItsOwnersSet) {
    Lab lab;
    ASSERT_EQ(lab.make_provider().status, 201);
    const std::string mine = lab.user_token("https://attest.azure.net");
    const std::string robot = lab.robot();
    const std::string theirs = lab.robot_token(robot, "https://attest.azure.net");
    auto get = [&](const std::string& token) {
        return lab.attest("GET", "/policies/AzureGuest", "", token).status;
    };
    auto set = [&](const std::string& token) {
        return lab.attest("PUT", "/policies/AzureGuest", policy_document(kPolicyText), token)
            .status;
    };
    EXPECT_EQ(get(""), 401);
    EXPECT_EQ(get(theirs), 401);
    EXPECT_EQ(get(mine), 200);
    EXPECT_EQ(set(theirs), 401);
    EXPECT_EQ(set(mine), 200);
    // The shared one is not theirs, and has a policy of its own.
    EXPECT_EQ(
        Lab::send(lab.services->attestation().handler(), "GET", "sharedweu.weu.attest.azure.net",
                  "/policies/AzureGuest?api-version=2022-08-01", "", mine)
            .status,
        401);
    // A role on the group counts, for what it says.
    const std::string id = MUST(lab.services->identity().find_principal(robot)).object_id;
    EXPECT_EQ(lab.assign(lab.group(), kReader, id).status, 201);
    EXPECT_EQ(get(theirs), 200);
    EXPECT_EQ(set(theirs), 401);
}

TEST(OwnProvider, IsBelievedByVaultsWhileItIsThere) {
    Lab lab;
    ASSERT_EQ(lab.make_vault().status, 201);
    ASSERT_EQ(lab.assign(lab.vault_id(), kOfficer, lab.me()).status, 201);
    const std::string issuer = std::string("https://") + kHost;
    EXPECT_TRUE(lab.trusts(std::string(kAttestationUrl)));
    EXPECT_FALSE(lab.trusts(issuer));
    ASSERT_EQ(lab.make_provider().status, 201);
    EXPECT_TRUE(lab.trusts(issuer));
    ASSERT_EQ(lab.arm("DELETE", lab.provider()).status, 200);
    EXPECT_FALSE(lab.trusts(issuer));
    EXPECT_TRUE(lab.trusts(std::string(kAttestationUrl)));
}

TEST(OwnProvider, OutlivesTheProcessAndEndsWithItsRecord) {
    Lab lab;
    ASSERT_EQ(lab.make_provider().status, 201);
    const std::string token = lab.user_token("https://attest.azure.net");
    ASSERT_EQ(lab.attest("PUT", "/policies/AzureGuest", policy_document(kPolicyText), token).status,
              200);
    const Json keys = lab.attest("GET", "/certs").body;
    const Json policy = lab.attest("GET", "/policies/SevSnpVm", "", token).body;
    lab.down();
    lab.up();
    EXPECT_EQ(lab.attest("GET", "/certs").body, keys);
    auto hash = [&] {
        const std::string shown =
            text_or_empty(lab.attest("GET", "/policies/AzureGuest", "", token).body, "token");
        return text_or_empty(payload_of(shown), "x-ms-policy");
    };
    EXPECT_EQ(hash(), policy_document(kPolicyText));

    // With its group it goes, and what comes back under its name is another one.
    ASSERT_EQ(lab.arm("DELETE", lab.group()).status, 202);
    EXPECT_EQ(lab.attest("GET", "/certs").code(), "ProviderNotFound");
    EXPECT_THAT(lab.services->connect_to(),
                Not(Contains(testing::Key(std::string(kHost) + ":443"))));
    ASSERT_EQ(lab.arm("PUT", lab.group(), {{"location", "westeurope"}}).status, 201);
    ASSERT_EQ(lab.make_provider().status, 201);
    EXPECT_NE(lab.attest("GET", "/certs").body, keys);
    EXPECT_NE(hash(), policy_document(kPolicyText));
}

TEST(OwnProvider, DoesNotTakeANameThatSomebodyHas) {
    Lab lab;
    lab.down();
    {
        // An operator's: 'vouchsafe serve attestation' in the same store.
        auto store = MUST(store::open_sqlite(lab.path / "attestation" / "store.db"));
        audit::Log log(*store);
        attest::Config config;
        config.issuer = std::string("https://") + kHost;
        config.directory = lab.path / "attestation";
        MUST(attest::Service::create(config, {*store, log, lab.clock, lab.directory->anchors()}));
    }
    lab.up();
    const Answer refused = lab.make_provider();
    EXPECT_EQ(refused.status, 409);
    EXPECT_THAT(text_or_empty(refused.body["error"], "message"), HasSubstr("already in use"));
    EXPECT_EQ(lab.arm("GET", lab.provider()).status, 404);
    EXPECT_EQ(lab.attest("GET", "/certs").status, 404);
    EXPECT_EQ(lab.make_provider({{"publicNetworkAccess", "Disabled"}}).status, 501);
}

TEST(OwnProvider, CanBeChangedBySignersAlone) {
    Lab lab;
    EXPECT_EQ(lab.make_provider({{"policySigningCertificates",
                                  {{"keys", {{{"kty", "RSA"}, {"n", "AQAB"}, {"e", "AQAB"}}}}}}})
                  .status,
              400);
    EXPECT_EQ(lab.arm("GET", lab.provider()).status, 404);

    const auto key = MUST(crypto::PrivateKey::generate_rsa(2048));
    crypto::CertificateSpec spec;
    spec.subject = {{"CN", "signer"}};
    spec.not_before = lab.clock.now() - Seconds(86400);
    spec.not_after = lab.clock.now() + Seconds(86400);
    const auto certificate = MUST(crypto::issue_certificate(
        spec, key.public_key(), nullptr, key, crypto::CertSignature::rsa_pkcs1_sha256));
    const Json x5c = Json::array({encode_base64(certificate.der())});
    const Answer made = lab.make_provider(
        {{"policySigningCertificates", {{"keys", {{{"kty", "RSA"}, {"x5c", x5c}}}}}}});
    ASSERT_EQ(made.status, 201);
    EXPECT_EQ(made.body["properties"]["trustModel"], "Isolated");
    const Json payload = {{"AttestationPolicy", encode_base64url(as_bytes(kPolicyText))}};
    const std::string by_signer = signed_jws({{"x5c", x5c}}, payload, key);
    auto set = [&](const std::string& document) {
        return lab
            .attest("PUT", "/policies/AzureGuest", document,
                    lab.user_token("https://attest.azure.net"))
            .status;
    };
    EXPECT_EQ(set(policy_document(kPolicyText)), 400);
    EXPECT_EQ(set(by_signer), 200);
    lab.down();
    lab.up();
    EXPECT_EQ(set(policy_document(kPolicyText)), 400);
    EXPECT_EQ(set(by_signer), 200);
}

TEST(PurgedVault, LeavesNothingToTheNextOfItsName) {
    Lab lab;
    ASSERT_EQ(lab.make_vault({{"softDeleteRetentionInDays", 7}}).status, 201);
    ASSERT_EQ(lab.assign(lab.group(), kOfficer, lab.me()).status, 201);
    // By an operator, on the vault itself: no record would take it away.
    MUST(lab.services->vault().assign_role(lab.me(), "Key Vault Secrets Officer", lab.vault_id()));
    ASSERT_EQ(lab.vault("POST", "/keys/k/create", {{"kty", "RSA"}}).status, 200);
    ASSERT_EQ(lab.vault("POST", "/keys/gone/create", {{"kty", "EC"}}).status, 200);
    ASSERT_EQ(lab.vault("DELETE", "/keys/gone").status, 200);
    ASSERT_EQ(lab.vault("PUT", "/secrets/s", {{"value", "v"}}).status, 200);
    const std::string purge = lab.deleted_vault() + "/purge";
    EXPECT_EQ(lab.arm("POST", purge).status, 404);  // it is not deleted
    ASSERT_EQ(lab.arm("DELETE", lab.vault_id()).status, 200);
    EXPECT_EQ(lab.make_vault().status, 409);
    const auto mark = MUST(lab.services->audit_mark());
    EXPECT_EQ(lab.arm("POST", purge).status, 200);
    const auto entries = MUST(lab.services->entries_since(mark));
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0].action, "vaults/purge");
    EXPECT_EQ(entries[0].actor, lab.me());
    EXPECT_EQ(entries[0].details["keys"], 2);
    EXPECT_EQ(entries[0].details["secrets"], 1);
    EXPECT_EQ(entries[0].details["roles"], 1);
    EXPECT_EQ(lab.arm("POST", purge).status, 404);
    EXPECT_EQ(lab.make_vault({{"createMode", "recover"}}).status, 404);

    ASSERT_EQ(lab.make_vault().status, 201);
    EXPECT_EQ(lab.vault("GET", "/keys/k").status, 404);
    EXPECT_EQ(lab.vault("GET", "/deletedkeys/gone").status, 404);
    EXPECT_EQ(lab.vault("PUT", "/secrets/s", {{"value", "v"}}).status, 403);
    EXPECT_EQ(lab.vault("POST", "/keys/gone/create", {{"kty", "EC"}}).status, 200);
}

TEST(PurgedVault, WasNotProtected) {
    Lab lab;
    ASSERT_EQ(lab.make_vault({{"enablePurgeProtection", true}}).status, 201);
    ASSERT_EQ(lab.arm("DELETE", lab.vault_id()).status, 200);
    const Answer refused = lab.arm("POST", lab.deleted_vault() + "/purge");
    EXPECT_EQ(refused.status, 405);
    EXPECT_EQ(refused.code(), "MethodNotAllowed");
    ASSERT_EQ(lab.make_vault({{"createMode", "recover"}}).status, 201);

    const std::string other = lab.group() + "/providers/Microsoft.KeyVault/vaults/beside";
    ASSERT_EQ(lab.arm("PUT", other, lab.vault_body()).status, 201);
    ASSERT_EQ(lab.arm("DELETE", other).status, 200);
    MUST(lab.services->vault().protect_from_purge("beside"));  // in the vault alone
    std::string purge = lab.deleted_vault() + "/purge";
    purge.replace(purge.find("effects"), 7, "beside");
    EXPECT_EQ(lab.arm("POST", purge).code(), "MethodNotAllowed");
    EXPECT_TRUE(MUST(lab.services->vault().find_vault("beside")).deleted);
}

TEST(ChangedVault, HasAnotherSkuButNotAnotherRetention) {
    Lab lab;
    ASSERT_EQ(lab.make_vault({{"sku", {{"family", "A"}, {"name", "standard"}}}}).status, 201);
    ASSERT_EQ(lab.assign(lab.vault_id(), kOfficer, lab.me()).status, 201);
    auto make = [&] { return lab.vault("POST", "/keys/k/create", {{"kty", "RSA-HSM"}}).status; };
    EXPECT_EQ(make(), 403);
    EXPECT_EQ(lab.make_vault().status, 200);  // premium
    EXPECT_EQ(make(), 200);
    EXPECT_EQ(lab.make_vault({{"sku", {{"family", "A"}, {"name", "standard"}}}}).status, 200);
    EXPECT_EQ(make(), 403);
    EXPECT_EQ(lab.vault("GET", "/keys/k").status, 200);
    const Answer refused = lab.make_vault({{"softDeleteRetentionInDays", 7}});
    EXPECT_EQ(refused.code(), "BadRequest");
}

TEST(VaultNetworks, AreThoseOfItsSubnets) {
    Lab lab;
    const std::string network = lab.group() + "/providers/Microsoft.Network/virtualNetworks/net";
    const std::string subnet = network + "/subnets/sub";
    auto rules = [&](const std::string& id) {
        return Json{
            {"networkAcls", {{"defaultAction", "Deny"}, {"virtualNetworkRules", {{{"id", id}}}}}}};
    };
    EXPECT_EQ(lab.make_vault(rules(subnet)).status, 400);
    EXPECT_EQ(lab.arm("GET", lab.vault_id()).status, 404);
    ASSERT_EQ(
        lab.arm("PUT", network,
                {{"location", "westeurope"},
                 {"properties",
                  {{"addressSpace", {{"addressPrefixes", {"10.7.0.0/16"}}}},
                   {"subnets",
                    {{{"name", "sub"}, {"properties", {{"addressPrefix", "10.7.1.0/24"}}}}}}}}})
            .status,
        201);
    ASSERT_EQ(lab.make_vault(rules(subnet)).status, 201);
    EXPECT_THAT(MUST(lab.services->vault().find_vault("effects")).networks,
                ElementsAre("10.7.1.0/24"));
    ASSERT_EQ(lab.assign(lab.vault_id(), kOfficer, lab.me()).status, 201);
    EXPECT_EQ(lab.vault("GET", "/keys").status, 403);  // from 127.0.0.1
    auto from = [&](const std::string& remote) {
        net::Request request;
        request.method = "GET";
        request.target = "/keys?api-version=7.4";
        request.path = {"keys"};
        request.query = {{"api-version", "7.4"}};
        request.host = "effects.vault.azure.net";
        request.remote = remote;
        request.headers.set("Authorization", "Bearer " + lab.user_token("https://vault.azure.net"));
        return lab.services->vault().handler()(request).status;
    };
    EXPECT_EQ(from("10.7.1.4"), 200);
    EXPECT_EQ(from("10.7.2.4"), 403);
}

TEST(Roles, AreGivenToWhomTheDirectoryKnowsAndSaidOfWhoGaveThem) {
    Lab lab;
    ASSERT_EQ(lab.make_vault().status, 201);
    EXPECT_EQ(lab.assign(lab.vault_id(), kOfficer, "99999999-9999-4999-8999-999999999999").code(),
              "PrincipalNotFound");
    const auto robot = MUST(lab.services->identity().find_principal(lab.robot()));
    EXPECT_EQ(lab.assign(lab.vault_id(), kOfficer, robot.client_id).code(), "PrincipalNotFound");
    const auto mark = MUST(lab.services->audit_mark());
    EXPECT_EQ(lab.assign(lab.vault_id(), kOfficer, robot.object_id).status, 201);
    const auto entries = MUST(lab.services->entries_since(mark));
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0].actor, lab.me());
}

// Processes that died. What they left is written into the store as they would have.
struct Died : Lab {
    // die ends the services and has the store say that `what` was under way with the record that
    // `id` had, which `gone` takes away.
    void die(const std::string& id, cloud::Pending::What what, bool gone) {
        const auto records = MUST(services->cloud().resources_of(type_of(id)));
        cloud::Resource record;
        for (const cloud::Resource& one : records) {
            if (equal_ignore_case(one.id, id)) record = one;
        }
        down();
        write(what, record, gone);
    }
    void write(cloud::Pending::What what, const cloud::Resource& record, bool gone) const {
        auto store = MUST(store::open_sqlite(path / "cloud" / "store.db"));
        MUST(store->run([&](store::Transaction& tx) -> Result<void> {
            if (gone) TRY(cloud::erase_resource(tx, record.id));
            return cloud::put_pending(tx, {what, record});
        }));
    }
    static std::string type_of(const std::string& id) {
        return cloud::ResourceId::parse(id)->type();
    }
};

TEST(Interrupted, CreationsOfProvidersAreEnded) {
    Died lab;
    ASSERT_EQ(lab.make_provider().status, 201);
    const Json keys = lab.attest("GET", "/certs").body;
    // After the effect and before the record: nobody can have used it.
    lab.die(lab.provider(), cloud::Pending::What::put, true);
    lab.up();
    EXPECT_EQ(lab.arm("GET", lab.provider()).status, 200);
    EXPECT_EQ(lab.attest("GET", "/certs").status, 200);
    EXPECT_NE(lab.attest("GET", "/certs").body, keys);
    const Json fresh = lab.attest("GET", "/certs").body;
    // A change: it keeps what it has.
    lab.die(lab.provider(), cloud::Pending::What::put, false);
    lab.up();
    EXPECT_EQ(lab.attest("GET", "/certs").body, fresh);
    EXPECT_EQ(
        lab.attest("GET", "/policies/AzureGuest", "", lab.user_token("https://attest.azure.net"))
            .status,
        200);
}

TEST(Interrupted, CreationsOfProvidersBeforeTheirEffectAreEndedToo) {
    Died lab;
    ASSERT_EQ(lab.make_provider().status, 201);
    const auto record = MUST(lab.services->cloud().resources_of(kAttestationProviders)).at(0);
    ASSERT_EQ(lab.arm("DELETE", lab.provider()).status, 200);
    lab.down();
    lab.write(cloud::Pending::What::put, record, true);
    lab.up();
    EXPECT_EQ(lab.arm("GET", lab.provider()).status, 200);
    EXPECT_EQ(lab.attest("GET", "/certs").status, 200);
}

TEST(Interrupted, RemovalsOfProvidersAreEnded) {
    Died lab;
    ASSERT_EQ(lab.make_provider().status, 201);
    lab.die(lab.provider(), cloud::Pending::What::remove, false);
    lab.up();
    EXPECT_EQ(lab.arm("GET", lab.provider()).status, 404);
    EXPECT_EQ(lab.attest("GET", "/certs").status, 404);
    // After the effect.
    ASSERT_EQ(lab.make_provider().status, 201);
    const auto record = MUST(lab.services->cloud().resources_of(kAttestationProviders)).at(0);
    ASSERT_EQ(lab.arm("DELETE", lab.provider()).status, 200);
    lab.down();
    lab.write(cloud::Pending::What::remove, record, false);
    lab.up();
    EXPECT_EQ(lab.attest("GET", "/certs").status, 404);
    EXPECT_EQ(lab.make_provider().status, 201);
}

TEST(Interrupted, PurgesAndRecoveriesOfVaultsAreEnded) {
    Died lab;
    ASSERT_EQ(lab.make_vault().status, 201);
    const auto record = MUST(lab.services->cloud().resources_of("Microsoft.KeyVault/vaults")).at(0);
    ASSERT_EQ(lab.arm("DELETE", lab.vault_id()).status, 200);
    lab.down();
    lab.write(cloud::Pending::What::recover, record, false);
    lab.up();
    EXPECT_EQ(lab.arm("GET", lab.vault_id()).status, 200);
    EXPECT_FALSE(MUST(lab.services->vault().find_vault("effects")).deleted);

    ASSERT_EQ(lab.arm("DELETE", lab.vault_id()).status, 200);
    // After the effect: the vault is gone already.
    MUST(lab.services->vault().purge_vault("effects"));
    lab.down();
    lab.write(cloud::Pending::What::purge, record, false);
    lab.up();
    EXPECT_EQ(lab.arm("GET", lab.deleted_vault()).status, 404);
    EXPECT_EQ(lab.make_vault().status, 201);
}

}  // namespace
}  // namespace vouchsafe::lab
