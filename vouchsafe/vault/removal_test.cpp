// Every check of the vault is needed: see base/removal_table.h.
#include "vouchsafe/access/client_certificates.h"
#include "vouchsafe/vault/administration.h"
#include "vouchsafe/vault/records.h"
#include "vouchsafe/vault/test_support.h"

// Behind the vault's own, which says `testing` for GoogleTest's namespace.
#include "vouchsafe/base/removal_table.h"

namespace vouchsafe::vault::test {
namespace {

using namespace vouchsafe::testing;

constexpr const char* kSecond = "aaaaaaaa-0000-4000-8000-000000000006";
constexpr const char* kKeyList = "/keys?api-version=7.4";

// What the vault did: gave an answer, or refused by a check.
std::string done(const Answer& answer) {
    if (answer.status == 200 || answer.status == 204) return kAccepted;
    return answer.check().empty() ? kUnreadable : answer.check();
}

class VaultCheckRemoval : public VaultTest {
  protected:
    VaultCheckRemoval() {
        EXPECT_EQ(create("k", exportable_key()).status, 200);
        EXPECT_EQ(create("rsa", {{"kty", "RSA"}}).status, 200);
        MUST(service_->assign_role(kSecond, "Key Vault Crypto Officer", vault_.resource_id));
    }

    // called lists the keys with one claim of a good access token changed.
    Judge called(const char* claim, const Json& value) {
        Json claims = access_claims(kOfficer);
        claims[claim] = value;
        return [this, token = keys().login.token(claims)] {
            return done(send("GET", kKeyList, "", token));
        };
    }
    std::string call_with_two_tokens() {
        net::Request request;
        request.method = "GET";
        request.path = {"keys"};
        request.query = {{"api-version", "7.4"}};
        request.host = "myconfkv.vault.azure.net";
        for (int i = 0; i < 2; ++i) {
            request.headers.add("Authorization", "Bearer " + access_token(kOfficer));
        }
        net::Response response = service_->handler()(request);
        return done({response.status, parsed_or_null(response.body), response.headers});
    }

    // call_with_ended_certificate lists the keys as who has a certificate of the officer's.
    std::string call_with_ended_certificate() {
        const auto key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
        crypto::CertificateSpec spec;
        spec.subject = {{"CN", "Ops"}};
        spec.not_before = kNow - Seconds(60);
        spec.not_after = kNow - Seconds(1);
        const auto made = MUST(crypto::issue_certificate(spec, key.public_key(), nullptr, key,
                                                         crypto::CertSignature::ecdsa_sha256));
        const std::string entry = std::string(kOfficer) + "=subject:CN=Ops";
        Dependencies deps{*store_, clock_, web_.fetch(), keys().signer};
        deps.vouching.certificates = MUST(access::ClientCertificates::parse({{entry}}));
        auto service = MUST(Service::create(config_, std::move(deps)));
        net::Request request;
        request.method = "GET";
        request.path = {"keys"};
        request.query = {{"api-version", "7.4"}};
        request.host = "myconfkv.vault.azure.net";
        request.client_certificate = std::make_shared<const crypto::Certificate>(made);
        net::Response response = service->handler()(request);
        return done({response.status, parsed_or_null(response.body), response.headers});
    }

    // wrapped uses an RSA key that can be used but for one attribute, or one of its operations.
    Judge wrapped(const Json& change) {
        Json usable = {{"attributes", {{"enabled", true}, {"exp", to_unix(kNow) + 10}}},
                       {"key_ops", Json::array({"wrapKey"})}};
        usable.merge_patch(change);
        return [this, usable] {
            EXPECT_EQ(as(kOfficer, "PATCH", "/keys/rsa", usable).status, 200);
            return done(
                as(kUser, "POST", "/keys/rsa/wrapkey", {{"alg", "RSA-OAEP"}, {"value", "AAAA"}}));
        };
    }

    std::string release(const std::string& key, const std::string& target) {
        return done(as(kReleaser, "POST", "/keys/" + key + "/release",
                       {{"target", target}, {"enc", "RSA_AES_KEY_WRAP_256"}}));
    }
    // released asks for the key with one claim of a good attestation token changed.
    Judge released(const char* claim, const Json& value) {
        Json claims = attestation_claims();
        claims[claim] = value;
        return [this, token = keys().attestation.token(claims)] { return release("k", token); };
    }
    // unexportable asks for a key that was made without a release policy.
    Judge unexportable() {
        EXPECT_EQ(create("plain", {{"kty", "EC-HSM"}}).status, 200);
        return [this] { return release("plain", keys().attestation.token(attestation_claims())); };
    }
    // elsewhere asks for a key whose policy names an authority that the operator did not allow.
    Judge elsewhere() {
        const std::string other = "https://other.attest.azure.net";
        web_.serve(other, keys().stranger);
        Json policy = tutorial_policy();
        policy["anyOf"][0]["authority"] = other;
        Json body = exportable_key();
        body["release_policy"] = envelope(policy);
        EXPECT_EQ(create("elsewhere", body).status, 200);
        Json claims = attestation_claims();
        claims["iss"] = other;
        return
            [this, token = keys().stranger.token(claims)] { return release("elsewhere", token); };
    }
    // The key is changed while the authority's keys are fetched.
    // A change between judging and recording, and one more if it was judged again.
    std::string release_meanwhile() {
        const auto change = [this] {
            const Json tags = {{"tags", {{"turn", std::to_string(++turn_)}}}};
            EXPECT_EQ(as(kOfficer, "PATCH", "/keys/k", tags).status, 200);
        };
        store_->before_run = [this, change] {
            change();
            store_->before_run = change;
        };
        std::string out = release("k", keys().attestation.token(attestation_claims()));
        store_->before_run = nullptr;
        return out;
    }

    // ruled asks for the key once its rules were set, after `before` releases of the same token.
    Judge ruled(const Json& rules, int before = 0) {
        return [this, rules, before] {
            EXPECT_EQ(create(fmt::format("k{}", ++turn_), exportable_key()).status, 200);
            const std::string key = fmt::format("k{}", turn_);
            EXPECT_EQ(
                as(kOfficer, "PUT", "/keys/" + key + "/x-vouchsafe-release-rules", rules).status,
                200);
            const std::string token = keys().attestation.token(attestation_claims());
            for (int i = 0; i < before; ++i) EXPECT_EQ(release(key, token), kAccepted);
            return release(key, token);
        };
    }
    // changed makes one person lift the rule of two, or anybody the rules beside an immutable
    // policy.
    std::string changed(const Json& rules, bool immutable) {
        const std::string key = fmt::format("/keys/c{}", ++turn_);
        EXPECT_EQ(create(fmt::format("c{}", turn_), exportable_key()).status, 200);
        const std::string place = key + "/x-vouchsafe-release-rules";
        EXPECT_EQ(as(kOfficer, "PUT", place, rules).status, 200);
        if (immutable) {
            const Json fixed = {{"release_policy", envelope(tutorial_policy(), true)}};
            EXPECT_EQ(as(kOfficer, "PATCH", key, fixed).status, 200);
        }
        return done(as(kOfficer, "PUT", place, Json::object()));
    }
    // approved approves a proposal of kOfficer's: as whom, under which hash, after a while, or
    // after the key has changed.
    struct Approving {
        std::string_view by = kSecond;
        bool other_hash = false;
        Seconds later{0};
        bool changed = false;
    };
    std::string approved(const Approving& how) {
        const std::string name = fmt::format("p{}", ++turn_);
        const std::string place = "/keys/" + name + "/x-vouchsafe-release-rules";
        EXPECT_EQ(create(name, exportable_key()).status, 200);
        EXPECT_EQ(as(kOfficer, "PUT", place, {{"twoPerson", true}}).status, 200);
        const Json change = {{"rules", {{"maxReleases", 1}}}};
        const Json proposal = as(kOfficer, "POST", place + "/proposals", change).body;
        const std::string path = place + "/proposals/" + proposal["id"].get<std::string>();
        if (how.changed) {
            MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
                KeyRecord record = *TRY(read_key_record(tx, "myconfkv", name));
                record.rules = R"({"maxReleases":7,"twoPerson":true})";
                return put_key_record(tx, "myconfkv", record);
            }));
        }
        const std::string hash = how.other_hash ? "00" : proposal["hash"].get<std::string>();
        Json claims = access_claims(how.by);
        claims["exp"] = to_unix(kNow + how.later) + 3600;
        clock_.set(kNow + how.later);
        std::string out = done(send("POST", path + "/approve?api-version=7.4",
                                    dump_json({{"hash", hash}}), keys().login.token(claims)));
        clock_.set(kNow);
        return out;
    }

    RemovalTable caller_rows();
    RemovalTable rule_rows();
    RemovalTable proposal_rows();
    RemovalTable key_rows();
    RemovalTable release_rows();
    RemovalTable deletion_rows();

    int turn_ = 0;
};

RemovalTable VaultCheckRemoval::caller_rows() {
    auto nobody = [this] { return done(as(kNobody, "GET", "/keys")); };
    return {
        {"CALLER-TOKEN", {[this] { return call_with_two_tokens(); }}},
        {"CALLER-TENANT", {called("tid", "22222222-1111-4111-8111-111111111111")}},
        {"CALLER-OID", {called("oid", "a/b"), "CALLER-ROLE"}},
        {"CALLER-CERTIFICATE", {[this] { return call_with_ended_certificate(); }}},
        {"CALLER-ROLE", {nobody}},
        {"CALLER-ACCESS-POLICY", {[this] {
             auto& admin = service_->administration();
             MUST(admin.set_authorization("myconfkv", Authorization::access_policies));
             std::string out = done(as(kOfficer, "GET", "/keys"));
             MUST(admin.set_authorization("myconfkv", Authorization::roles));
             return out;
         }}},
        {"CALLER-NETWORK", {[this] {
             auto& admin = service_->administration();
             MUST(admin.set_networks("myconfkv", {"10.0.0.0/8"}));
             std::string out = done(as(kOfficer, "GET", "/keys"));
             MUST(admin.set_networks("myconfkv", {}));
             return out;
         }}},
    };
}

RemovalTable VaultCheckRemoval::key_rows() {
    return {
        {"VAULT-KEY-ENABLED", {wrapped({{"attributes", {{"enabled", false}}}})}},
        {"VAULT-KEY-WINDOW", {wrapped({{"attributes", {{"exp", to_unix(kNow)}}}})}},
        {"VAULT-KEY-OPERATION", {wrapped({{"key_ops", Json::array({"unwrapKey"})}})}},
    };
}

RemovalTable VaultCheckRemoval::release_rows() {
    const auto small = MUST(crypto::PublicKey::from_rsa(
        MUST(decode_hex("c1" + std::string(252, '7') + "f1")), Bytes{1, 0, 1}));
    const Json small_tee_key = {{"keys", Json::array({tee_jwk(small)})}};
    return {
        {"VAULT-KEY-EXPORTABLE", {unexportable(), kUnreadable}},
        {"VAULT-AUTHORITY-ALLOWED", {elsewhere()}},
        {"VAULT-TRUST-TIER", {released("x-vouchsafe-trust-tier", "Simulated")}},
        {"VAULT-TEE-KEY", {released("x-ms-runtime", small_tee_key)}},
        {"VAULT-KEY-UNCHANGED", {[this] { return release_meanwhile(); }}},
    };
}

RemovalTable VaultCheckRemoval::deletion_rows() {
    EXPECT_TRUE(service_->assign_role(kOfficer, "Key Vault Secrets Officer", vault_.resource_id));
    // Each time with another secret, for what one does with it is done.
    auto deleted_name = [this] {
        const std::string name = fmt::format("s{}", ++turn_);
        EXPECT_EQ(as(kOfficer, "PUT", "/secrets/" + name, {{"value", "v"}}).status, 200);
        EXPECT_EQ(as(kOfficer, "DELETE", "/secrets/" + name).status, 200);
        return name;
    };
    auto disabled = [this] {
        const Json body = {{"value", "v"}, {"attributes", {{"enabled", false}}}};
        EXPECT_EQ(as(kOfficer, "PUT", "/secrets/disabled", body).status, 200);
        return done(as(kOfficer, "GET", "/secrets/disabled"));
    };
    auto taken = [this, deleted_name] {
        return done(as(kOfficer, "PUT", "/secrets/" + deleted_name(), {{"value", "v"}}));
    };
    auto is_protected = [this, deleted_name] {
        const std::string name = deleted_name();
        EXPECT_TRUE(service_->protect_from_purge(vault_.name));
        return done(as(kOfficer, "DELETE", "/deletedsecrets/" + name));
    };
    return {
        {"VAULT-SECRET-ENABLED", {disabled}},
        {"VAULT-NAME-FREE", {taken}},
        {"VAULT-PURGE-PROTECTION", {is_protected}},
    };
}

RemovalTable VaultCheckRemoval::rule_rows() {
    const Json workload = {
        {"workload", Json::array({{{"claim", "x-vouchsafe-boot-kernel"}, {"values", {"aa"}}}})}};
    return {
        {"VAULT-RULES-END", {ruled({{"notAfter", to_unix(kNow)}})}},
        {"VAULT-RULES-TOKEN-AGE", {[this, stale = ruled({{"maxTokenAge", 1}})] {
             clock_.set(kNow + Seconds(2));
             std::string out = stale();
             clock_.set(kNow);
             return out;
         }}},
        {"VAULT-RULES-TIER", {ruled({{"trustTier", "hardware"}})}},
        {"VAULT-RULES-WORKLOAD", {ruled(workload)}},
        {"VAULT-RULES-SINGLE-USE", {ruled({{"singleUse", true}}, 1)}},
        {"VAULT-RULES-QUOTA", {ruled({{"maxReleases", 2}}, 2)}},
        {"VAULT-RULES-APPROVAL", {[this] {
             return changed({{"twoPerson", true}}, false);
         }}},
        {"VAULT-RULES-STRICTER", {[this] {
             return changed({{"maxReleases", 1}}, true);
         }}},
    };
}

RemovalTable VaultCheckRemoval::proposal_rows() {
    const auto judge = [this](const Approving& how) {
        return [this, how] { return approved(how); };
    };
    return {
        {"VAULT-PROPOSAL-SECOND", {judge({.by = kOfficer})}},
        {"VAULT-PROPOSAL-HASH", {judge({.other_hash = true})}},
        {"VAULT-PROPOSAL-OPEN", {judge({.later = Seconds(8 * 86400)})}},
        {"VAULT-PROPOSAL-CURRENT", {judge({.changed = true})}},
    };
}

TEST_F(VaultCheckRemoval, EveryCheckDecidesACase) {
    RemovalTable table = caller_rows();
    table.merge(key_rows());
    table.merge(release_rows());
    table.merge(deletion_rows());
    table.merge(rule_rows());
    table.merge(proposal_rows());
    expect_every_check_decides("vault", table);
}

}  // namespace
}  // namespace vouchsafe::vault::test
