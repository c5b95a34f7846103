// What the tests of vault/ share: issuers of tokens that are served to the vault, a vault on a
// temporary store, and requests to its handler.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "vouchsafe/access/test_web.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/wrap.h"
#include "vouchsafe/net/test_support.h"
#include "vouchsafe/vault/service.h"

namespace vouchsafe::vault::test {

using access::testing::FakeWeb;
using access::testing::TestIssuer;

inline const Time kNow = from_unix(1'800'000'000);
inline constexpr const char* kTenant = "11111111-1111-4111-8111-111111111111";
inline constexpr const char* kOfficer = "aaaaaaaa-0000-4000-8000-000000000001";
inline constexpr const char* kReleaser = "aaaaaaaa-0000-4000-8000-000000000002";
inline constexpr const char* kUser = "aaaaaaaa-0000-4000-8000-000000000003";
inline constexpr const char* kNobody = "aaaaaaaa-0000-4000-8000-000000000004";
inline constexpr const char* kAuthority = "https://sharedweu.weu.attest.azure.net";

// RSA keys are slow to make: one of each for all tests of the binary.
struct Keys {
    TestIssuer login{"login-1", make_rsa()};
    TestIssuer attestation{"attest-1", make_rsa()};
    TestIssuer stranger{"stranger-1", make_rsa()};
    crypto::PrivateKey tee = make_rsa();
    net::TlsIdentity signer = make_signer();

    static crypto::PrivateKey make_rsa() { return MUST(crypto::PrivateKey::generate_rsa(2048)); }

    static net::TlsIdentity make_signer() {
        auto root_key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
        auto leaf_key = MUST(crypto::PrivateKey::generate_rsa(2048));
        crypto::CertificateSpec root;
        root.subject = {{"CN", "Vault Test Root"}};
        root.not_before = kNow - Seconds(86400);
        root.not_after = kNow + Seconds(86400 * 365);
        root.ca = true;
        auto root_cert = MUST(crypto::issue_certificate(
            root, root_key.public_key(), nullptr, root_key, crypto::CertSignature::ecdsa_sha256));
        crypto::CertificateSpec leaf = root;
        leaf.subject = {{"CN", "vault.azure.net"}};
        leaf.ca = false;
        leaf.dns_names = {"vault.azure.net", "*.vault.azure.net"};
        leaf.server_auth = true;
        auto leaf_cert =
            MUST(crypto::issue_certificate(leaf, leaf_key.public_key(), &root_cert, root_key,
                                           crypto::CertSignature::ecdsa_sha256));
        return {{leaf_cert, root_cert}, leaf_key};
    }
};
inline const Keys& keys() {
    static const Keys kKeys;
    return kKeys;
}

inline std::string login_base() {
    return fmt::format("https://login.microsoftonline.com/{}/v2.0", kTenant);
}

inline Json access_claims(std::string_view oid) {
    return {{"iss", fmt::format("https://sts.windows.net/{}/", kTenant)},
            {"aud", "https://vault.azure.net"},
            {"iat", to_unix(kNow)},
            {"nbf", to_unix(kNow)},
            {"exp", to_unix(kNow) + 3600},
            {"oid", oid},
            {"tid", kTenant},
            {"appid", "55555555-5555-4555-8555-555555555555"}};
}
inline std::string access_token(std::string_view oid) {
    return keys().login.token(access_claims(oid));
}

inline Json tee_jwk(const crypto::PublicKey& key) {
    Json jwk = jose::encode_jwk(key);
    jwk["kid"] = "TpmEphemeralEncryptionKey";
    jwk["key_ops"] = Json::array({"encrypt"});
    return jwk;
}
// attestation_claims are those of a good confidential VM.
inline Json attestation_claims() {
    return {{"iss", kAuthority},
            {"jti", "token-1"},
            {"iat", to_unix(kNow)},
            {"nbf", to_unix(kNow)},
            {"exp", to_unix(kNow) + 28800},
            {"x-ms-attestation-type", "azurevm"},
            {"x-vouchsafe-trust-tier", "simulated"},
            {"x-ms-runtime", {{"keys", Json::array({tee_jwk(keys().tee.public_key())})}}},
            {"x-ms-isolation-tee",
             {{"x-ms-attestation-type", "sevsnpvm"},
              {"x-ms-compliance-status", "azure-compliant-cvm"},
              {"x-ms-sevsnpvm-is-debuggable", false}}}};
}

inline Json tutorial_policy() {
    return {{"version", "1.0.0"},
            {"anyOf",
             Json::array(
                 {{{"authority", kAuthority},
                   {"allOf", Json::array({{{"claim", "x-ms-isolation-tee.x-ms-attestation-type"},
                                           {"equals", "sevsnpvm"}},
                                          {{"claim", "x-ms-isolation-tee.x-ms-compliance-status"},
                                           {"equals", "azure-compliant-cvm"}}})}}})}};
}
inline Json envelope(const Json& policy, bool immutable = false) {
    Json out = {{"data", encode_base64url(as_bytes(dump_json(policy)))}};
    if (immutable) out["immutable"] = true;
    return out;
}
// An exportable key under the tutorial's policy. EC keys are made faster.
inline Json exportable_key(const char* kty = "EC-HSM") {
    return {{"kty", kty},
            {"attributes", {{"exportable", true}}},
            {"release_policy", envelope(tutorial_policy())}};
}

// FailingStore is a store whose writes to some tables fail, as on a full disk, and in which others
// write between what a request reads and what it writes.
class FailingStore : public store::Store {
  public:
    explicit FailingStore(store::Store& inner) : inner_(inner) {}
    std::string failing_table;              // "" for none
    std::function<void()> before_run = {};  // called once, before the next transaction

    Result<void> run(const std::function<Result<void>(store::Transaction&)>& work) override {
        if (auto others = std::exchange(before_run, nullptr)) others();
        return inner_.run([&](store::Transaction& tx) -> Result<void> {
            Failing failing(tx, failing_table);
            return work(failing);
        });
    }
    void run_later(Work work, Then then) override {
        if (auto others = std::exchange(before_run, nullptr)) others();
        inner_.run_later(
            [this, work = std::move(work)](store::Transaction& tx) -> Result<void> {
                Failing failing(tx, failing_table);
                return work(failing);
            },
            std::move(then));
    }
    void expect(bool more) override { inner_.expect(more); }
    Result<void> read(const std::function<Result<void>(store::View&)>& work) override {
        return inner_.read(work);
    }
    Result<void> recall(const std::function<Result<void>(store::View&)>& work,
                        store::Basis& basis) override {
        return inner_.recall(work, basis);
    }
    store::Statistics statistics() const override { return inner_.statistics(); }

  private:
    class Failing : public store::Transaction {
      public:
        Failing(store::Transaction& inner, std::string_view table) : inner_(inner), table_(table) {}
        Result<bool> still_holds(const store::Basis& basis) override {
            return inner_.still_holds(basis);
        }
        Result<std::optional<Bytes>> get(std::string_view table, std::string_view key) override {
            return inner_.get(table, key);
        }
        Result<std::vector<store::Record>> scan(std::string_view table, std::string_view prefix,
                                                std::string_view after, size_t limit) override {
            return inner_.scan(table, prefix, after, limit);
        }
        Result<std::optional<std::string>> next_table(std::string_view after) override {
            return inner_.next_table(after);
        }
        Result<void> put(std::string_view table, std::string_view key, ByteView value) override {
            if (table == table_) return fail(Code::io, "the disk is full");
            return inner_.put(table, key, value);
        }
        Result<void> insert(std::string_view table, std::string_view key, ByteView value) override {
            if (table == table_) return fail(Code::io, "the disk is full");
            return inner_.insert(table, key, value);
        }
        Result<bool> erase(std::string_view table, std::string_view key) override {
            return inner_.erase(table, key);
        }

      private:
        store::Transaction& inner_;
        std::string_view table_;
    };
    store::Store& inner_;
};

// Answer is a response with its body taken apart.
struct Answer {
    int status = 0;
    Json body;
    net::Headers headers;

    std::string code() const { return text("code"); }
    std::string message() const { return text("message"); }
    std::string inner() const {
        return body.contains("error") && body["error"].contains("innererror")
                   ? body["error"]["innererror"]["code"].get<std::string>()
                   : "";
    }
    std::string check() const { return headers.get("x-vouchsafe-check"); }
    std::string request_id() const { return headers.get("x-ms-request-id"); }

  private:
    std::string text(const char* name) const {
        return body.contains("error") ? body["error"][name].get<std::string>() : "";
    }
};

inline Json parsed_or_null(const std::string& text) {
    Result<Json> json = parse_json(text, {.max_bytes = 8 << 20});  // a backup is long
    return json ? *json : Json(nullptr);
}

// VaultTest is a laboratory vault "myconfkv" with the roles of the tutorial.
class VaultTest : public testing::Test {
  protected:
    VaultTest() : dir_(MUST(TemporaryDir::create("vault-test"))) {
        sqlite_ = MUST(store::open_sqlite(dir_.path() / "vault.db"));
        store_.emplace(*sqlite_);
        config_.directory = dir_.path() / "keys";
        config_.attestation_origins = {kAuthority};
        config_.allow_simulated = true;
        web_.serve(login_base(), keys().login);
        web_.serve(kAuthority, keys().attestation);
        start();
        vault_ = MUST(service_->create_vault({.name = "myconfkv", .tenant = kTenant}));
        MUST(service_->assign_role(kOfficer, "Key Vault Crypto Officer", vault_.resource_id));
        MUST(service_->assign_role(kReleaser, "Key Vault Crypto Service Release User",
                                   vault_.resource_id));
        MUST(service_->assign_role(kUser, "Key Vault Crypto User", vault_.resource_id));
    }

    void start() { service_ = MUST(open(config_)); }
    Result<std::unique_ptr<Service>> open(const Config& config) {
        return Service::create(config, {*store_, clock_, web_.fetch(), keys().signer});
    }

    // send gives the handler a request. `target` is path and query; an empty token sends none.
    Answer send(std::string_view method, std::string_view target, const std::string& body,
                const std::string& token, std::string_view host = "myconfkv.vault.azure.net") {
        return send_to(*service_, method, target, body, token, host);
    }
    static Answer send_to(Service& service, std::string_view method, std::string_view target,
                          const std::string& body, const std::string& token,
                          std::string_view host = "myconfkv.vault.azure.net") {
        net::Request request;
        request.method = method;
        request.target = target;
        request.host = host;
        request.body = body;
        request.remote = "127.0.0.1";
        request.tls = true;
        const size_t mark = target.find('?');
        split(target.substr(0, mark), '/',
              [&](std::string_view part) { request.path.emplace_back(part); });
        if (mark != std::string_view::npos) {
            split(target.substr(mark + 1), '&', [&](std::string_view part) {
                const size_t equals = part.find('=');
                request.query.emplace_back(part.substr(0, equals), part.substr(equals + 1));
            });
        }
        if (!token.empty()) request.headers.set("Authorization", "Bearer " + token);
        net::Response response = net::test::answered(service.handler(), std::move(request));
        return {response.status, parsed_or_null(response.body), response.headers};
    }
    // as sends JSON as one of the principals, with api-version 7.4.
    Answer as(std::string_view oid, std::string_view method, const std::string& path,
              const Json& body = nullptr) {
        const std::string separator = path.find('?') == std::string::npos ? "?" : "&";
        return send(method, path + separator + "api-version=7.4",
                    body.is_null() ? "" : dump_json(body), access_token(oid));
    }
    Answer create(const std::string& name, const Json& body) {
        return as(kOfficer, "POST", "/keys/" + name + "/create", body);
    }

    // recorded returns the audit entries of an answer's request.
    std::vector<audit::StoredEntry> recorded(const Answer& answer) {
        return MUST(service_->audit().find(answer.request_id()));
    }

    // on_disk is all that can be read in the store's files, audit entries opened.
    std::string on_disk() {
        std::string out;
        for (const char* name : {"vault.db", "vault.db-wal"}) {
            out += to_text(MUST(read_file(dir_.path() / name)));
        }
        audit::Log log(*store_);
        const uint64_t entries = MUST(log.size());
        for (uint64_t i = 0; i < entries; ++i) out += to_text(MUST(log.encoded(i)));
        return out;
    }

    static void split(std::string_view text, char separator,
                      const std::function<void(std::string_view)>& use) {
        while (!text.empty()) {
            const size_t end = std::min(text.find(separator), text.size());
            if (end > 0) use(text.substr(0, end));
            text.remove_prefix(std::min(end + 1, text.size()));
        }
    }

    TemporaryDir dir_;
    std::unique_ptr<store::Store> sqlite_;
    std::optional<FailingStore> store_;
    FixedClock clock_{kNow};
    FakeWeb web_;
    Config config_;
    std::unique_ptr<Service> service_;
    VaultInfo vault_;
};

}  // namespace vouchsafe::vault::test
