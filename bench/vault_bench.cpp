// What do unwrapping a key, releasing one and reading a secret cost the vault beside the
// cryptography that they cannot do without? From the request to the answer: access token verified,
// roles judged, key found, audit entry in the store. HTTP and TLS are not included, nor is waiting
// for the disk.
#include <memory>

#include "bench/environment.h"
#include "bench/rate.h"
#include "vouchsafe/vault/object_test_support.h"

namespace vouchsafe::bench {
namespace {

using namespace vault::test;

// Bench is a vault like the tests' with one key in it.
class Bench : public ObjectTest {
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
        measure_release();
        measure_secret();
    }

  private:
    void TestBody() override {}

    // measure_release: two tokens verified, one signature made, the key wrapped for the machine.
    void measure_release() {
        require(create("released", exportable_key("RSA-HSM")));
        const std::string access = access_token(kReleaser);
        const std::string target = keys().attestation.token(attestation_claims());
        const auto login = keys().login.key.public_key();
        const auto attestation = keys().attestation.key.public_key();
        const auto tee = keys().tee.public_key();
        const auto access_jws = MUST(jose::parse_jws(access));
        const auto target_jws = MUST(jose::parse_jws(target));
        const Bytes answer(8000, 'x');  // about as long as the answer that is signed
        const Bytes pkcs8(1218, 1);     // an RSA-2048 key
        const auto bare = [&] {
            return jose::verify_jws(access_jws, login).has_value() &&
                   jose::verify_jws(target_jws, attestation).has_value() &&
                   crypto::rsa_aes_wrap(tee, crypto::HashAlg::sha256, pkcs8).has_value() &&
                   keys().signer.key.sign(crypto::SigAlg::rs256, answer).has_value();
        };
        const Json body = {
            {"target", target}, {"nonce", "ADE0101"}, {"enc", "RSA_AES_KEY_WRAP_256"}};
        compare({{"the cryptography of a release alone", bare},
                 {"POST release", post({"keys", "released", "release"}, body, access)}},
                15, 0.3);
    }

    void measure_secret() {
        require(as(kOfficer, "PUT", "/secrets/s", {{"value", std::string(40, 'x')}}));
        const std::string access = access_token(kOfficer);
        const auto login = keys().login.key.public_key();
        const auto jws = MUST(jose::parse_jws(access));
        auto request = std::make_shared<net::Request>(begin({"secrets", "s"}, access));
        request->method = "GET";
        compare({{"the check of an access token alone",
                  [&] { return jose::verify_jws(jws, login).has_value(); }},
                 {"GET secret", sender(request)}},
                15, 0.3);
    }

    static void require(const Answer& answer) {
        if (answer.status == 200) return;
        std::fprintf(stderr, "preparing: %s\n", dump_json(answer.body).c_str());
        std::exit(1);
    }
    static net::Request begin(std::vector<std::string> path, const std::string& access) {
        net::Request request;
        request.path = std::move(path);
        request.query = {{"api-version", "7.4"}};
        request.host = "myconfkv.vault.azure.net";
        request.remote = "127.0.0.1";
        request.tls = true;
        request.headers.set("Authorization", "Bearer " + access);
        return request;
    }
    std::function<bool()> sender(const std::shared_ptr<net::Request>& request) {
        return [handler = service_->handler(), request] { return handler(*request).status == 200; };
    }
    std::function<bool()> post(std::vector<std::string> path, const Json& body,
                               const std::string& access) {
        auto request = std::make_shared<net::Request>(begin(std::move(path), access));
        request->method = "POST";
        request->body = dump_json(body);
        return sender(request);
    }

    std::function<bool()> unwrap(const char* operation, const char* alg, const Bytes& value) {
        return post({"keys", "k", operation}, {{"alg", alg}, {"value", encode_base64url(value)}},
                    access_token(kUser));
    }
};

}  // namespace
}  // namespace vouchsafe::bench

int main() {
    vouchsafe::bench::print_environment();
    vouchsafe::bench::Bench().run();
    return 0;
}
