// What does unwrapping a key cost the vault beside the one RSA operation that it cannot do without?
// From the request to the answer: access token verified, roles judged, key found, audit entry in
// the store. HTTP and TLS are not included, nor is waiting for the disk.
#include <memory>

#include "bench/environment.h"
#include "bench/rate.h"
#include "vouchsafe/vault/test_support.h"

namespace vouchsafe::bench {
namespace {

using namespace vault::test;

// Bench is a vault like the tests' with one key in it.
class Bench : public VaultTest {
  public:
    void run() {
        const Json made = create("k", {{"kty", "RSA"}}).body;
        const auto key = MUST(jose::parse_jwk(made["key"]));
        const auto bare = MUST(crypto::PrivateKey::generate_rsa(2048));
        const Bytes plain(32, 7);
        const Bytes sealed_bare =
            MUST(bare.public_key().encrypt_oaep(crypto::HashAlg::sha256, plain));
        const Bytes old_bare = MUST(bare.public_key().encrypt_pkcs1(plain));
        const Bytes sealed = MUST(key.encrypt_oaep(crypto::HashAlg::sha256, plain));
        const Bytes old = MUST(key.encrypt_pkcs1(plain));
        compare(
            {{"the bare private operation, RSA-OAEP-256",
              [&] { return bare.decrypt_oaep(crypto::HashAlg::sha256, sealed_bare).has_value(); }},
             {"the bare one of RSA1_5, no oracle",
              [&] { return bare.decrypt_pkcs1_any(old_bare).has_value(); }},
             {"POST unwrapkey, RSA-OAEP-256", unwrap("unwrapkey", "RSA-OAEP-256", sealed)},
             {"POST unwrapkey, RSA1_5", unwrap("unwrapkey", "RSA1_5", old)},
             {"POST sign, RS256", unwrap("sign", "RS256", Bytes(32, 1))}},
            15, 0.3);
    }

  private:
    void TestBody() override {}

    std::function<bool()> unwrap(const char* operation, const char* alg, const Bytes& value) {
        auto request = std::make_shared<net::Request>();
        request->method = "POST";
        request->path = {"keys", "k", operation};
        request->query = {{"api-version", "7.4"}};
        request->host = "myconfkv.vault.azure.net";
        request->remote = "127.0.0.1";
        request->tls = true;
        request->headers.set("Authorization", "Bearer " + access_token(kUser));
        request->body = dump_json({{"alg", alg}, {"value", encode_base64url(value)}});
        return [handler = service_->handler(), request] { return handler(*request).status == 200; };
    }
};

}  // namespace
}  // namespace vouchsafe::bench

int main() {
    vouchsafe::bench::print_environment();
    vouchsafe::bench::Bench().run();
    return 0;
}
