// The same over real sockets: token issuer, attestation service and vault as HTTPS servers under
// Azure's names, and a client that trusts their authority alone.
#include "vouchsafe/vault/test_support.h"

namespace vouchsafe::vault::test {
namespace {

constexpr const char* kVaultHost = "myconfkv.vault.azure.net";
constexpr const char* kLoginHost = "login.microsoftonline.com";
constexpr const char* kAttestationHost = "sharedweu.weu.attest.azure.net";

// TLS is verified at the real time, not at that of the tests.
net::TlsIdentity make_tls_identity() {
    auto root_key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
    auto leaf_key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
    crypto::CertificateSpec root;
    root.subject = {{"CN", "TLS Test Root"}};
    root.not_before = MUST(parse_rfc3339("2020-01-01"));
    root.not_after = MUST(parse_rfc3339("2090-01-01"));
    root.ca = true;
    auto root_cert = MUST(crypto::issue_certificate(root, root_key.public_key(), nullptr, root_key,
                                                    crypto::CertSignature::ecdsa_sha256));
    crypto::CertificateSpec leaf = root;
    leaf.subject = {{"CN", "services"}};
    leaf.ca = false;
    leaf.dns_names = {"*.vault.azure.net", kLoginHost, kAttestationHost};
    leaf.server_auth = true;
    auto leaf_cert = MUST(crypto::issue_certificate(leaf, leaf_key.public_key(), &root_cert,
                                                    root_key, crypto::CertSignature::ecdsa_sha256));
    return {{leaf_cert, root_cert}, leaf_key};
}

class HttpsTest : public VaultTest {
  protected:
    HttpsTest() {
        const net::Handler documents = [this](const net::Request& request) {
            auto found = web_.documents.find("https://" + request.host + request.target);
            if (found == web_.documents.end()) return net::Response{404, {}, ""};
            return net::json_response(200, found->second);
        };
        serve(kLoginHost, documents);
        serve(kAttestationHost, documents);
        net::ClientOptions options;
        options.ca_pem = tls_.chain.back().pem();
        options.connect_to = addresses_;
        fetcher_.emplace(options);
        service_ = MUST(Service::create(
            config_, {*store_, clock_, access::fetch_with(*fetcher_), keys().signer}));
        serve(kVaultHost, service_->handler());
        options.connect_to = addresses_;
        client_.emplace(options);
    }
    ~HttpsTest() override {
        for (auto& server : servers_) server->stop();
    }

    void serve(const std::string& host, net::Handler handler) {
        net::ServerOptions options;
        options.name = host;
        options.tls = tls_;
        servers_.push_back(MUST(net::Server::start(options, std::move(handler))));
        addresses_[host + ":443"] = "127.0.0.1:" + std::to_string(servers_.back()->port());
    }
    Answer ask(const std::string& method, const std::string& target, const std::string& body,
               const std::string& token) {
        net::ClientRequest request;
        request.method = method;
        request.url = std::string("https://") + kVaultHost + target;
        request.body = body;
        if (!body.empty()) request.headers.set("Content-Type", "application/json");
        request.headers.set("x-ms-client-request-id", "mine");
        const SecretBytes bearer = SecretBytes::copy_of(token);
        if (!token.empty()) request.bearer = &bearer;
        net::ClientResponse response = MUST(client_->send(request));
        return {response.status, parsed_or_null(response.body), response.headers};
    }

    net::TlsIdentity tls_ = make_tls_identity();
    std::map<std::string, std::string> addresses_;
    std::vector<std::unique_ptr<net::Server>> servers_;
    std::optional<net::Client> fetcher_;
    std::optional<net::Client> client_;
};

TEST_F(HttpsTest, AKeyIsMadeChallengedForAndReleased) {
    // As the JavaScript client does it: first without token and body, names percent-encoded.
    const std::string path = "/keys/KeyEncryptionKey/create?api%2Dversion=2025-07-01";
    Answer challenge = ask("POST", path, "", "");
    EXPECT_EQ(challenge.status, 401);
    EXPECT_THAT(challenge.headers.get("WWW-Authenticate"), testing::HasSubstr(kTenant));
    EXPECT_EQ(challenge.headers.get("x-ms-client-request-id"), "mine");

    Answer made = ask("POST", path, dump_json(exportable_key()), access_token(kOfficer));
    ASSERT_EQ(made.status, 200) << dump_json(made.body);
    EXPECT_EQ(made.body["attributes"]["hsmPlatform"], "0");
    Answer answer = ask("POST", "/keys/KeyEncryptionKey//release?api-version=7.3",
                        dump_json({{"target", keys().attestation.token(attestation_claims())},
                                   {"nonce", "n"},
                                   {"enc", "RSA_AES_KEY_WRAP_256"}}),
                        access_token(kReleaser));
    ASSERT_EQ(answer.status, 200) << dump_json(answer.body);
    EXPECT_EQ(answer.headers.get("Cache-Control"), "no-cache");
    EXPECT_EQ(recorded(answer).size(), 1u);
}

TEST_F(HttpsTest, AnAuthorityThatCannotBeReachedIsNotBelieved) {
    ASSERT_EQ(ask("POST", "/keys/k/create?api-version=7.4", dump_json(exportable_key()),
                  access_token(kOfficer))
                  .status,
              200);
    servers_[1]->stop();
    Answer answer = ask("POST", "/keys/k/release?api-version=7.4",
                        dump_json({{"target", keys().attestation.token(attestation_claims())}}),
                        access_token(kReleaser));
    EXPECT_EQ(answer.status, 503);
    EXPECT_FALSE(answer.body.contains("value"));
    EXPECT_EQ(recorded(answer).at(0).entry.outcome, audit::Outcome::failed);
}

}  // namespace
}  // namespace vouchsafe::vault::test
