// The vault under load over TLS, audit entries on disk included: what clients of Azure Key Vault do
// most, and what a million keys more in the vault change (VAULT_KEYS=1000000).
#include <cstdlib>
#include <numeric>

#include "bench/environment.h"
#include "bench/load.h"
#include "vouchsafe/vault/object_test_support.h"
#include "vouchsafe/vault/records.h"

namespace vouchsafe::bench {
namespace {

using namespace vault::test;

constexpr const char* kHost = "myconfkv.vault.azure.net";
constexpr size_t kPage = 25;           // keys in one page of a list
constexpr size_t kTransaction = 1000;  // keys made in one

void prepared(const Answer& answer) {
    if (answer.status == 200) return;
    std::fprintf(stderr, "preparing: %s\n", dump_json(answer.body).c_str());
    std::exit(1);
}

// Office is a vault like the tests' with two keys, a secret, and `more` keys.
class Office : public ObjectTest {
  public:
    explicit Office(size_t more) {
        prepared(create("k", {{"kty", "RSA"}}));
        prepared(create("released", exportable_key("RSA-HSM")));
        prepared(set("s", {{"value", std::string(40, 'x')}}));
        prepared(create("many", {{"kty", "EC"}}));
        for (size_t made = 0; made < more; made += kTransaction) make_more(made);
    }
    net::Handler handler() { return service_->handler(); }

  private:
    void TestBody() override {}

    // Copies of one key under other names, without their private halves, as a list shows them.
    void make_more(size_t from) {
        MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
            vault::Key key = TRY(vault::read_key(tx, "myconfkv", "many", ""));
            for (size_t i = from; i < from + kTransaction; ++i) {
                key.record.name = fmt::format("n{:07}", i);
                TRY(vault::put_key_record(tx, "myconfkv", key.record));
                TRY(vault::put_key_version(tx, "myconfkv", key.record.name, key.version));
            }
            return {};
        }));
    }
};

net::ClientRequest request(const LoadedServer& server, std::string_view target,
                           const std::string& token, const Json& body = nullptr) {
    net::ClientRequest out;
    out.url = server.url(target);
    out.headers.set("Authorization", "Bearer " + token);
    if (body.is_null()) return out;
    out.method = "POST";
    out.headers.set("Content-Type", "application/json");
    out.body = dump_json(body);
    return out;
}

Json asked(net::Client& client, const net::ClientRequest& what) {
    auto answer = client.send(what);
    require(answer && answer->status == 200, what.url.c_str());
    return MUST(parse_json(answer->body));
}

LoadedServer start(size_t more) {
    (void)keys();  // the same in both processes
    return LoadedServer(
        [more](net::ServerOptions options) {
            auto* office = new Office(more);  // for ever: it ends with its process
            return MUST(net::Server::start(std::move(options), office->handler()));
        },
        kHost);
}

std::string wanted;  // the loads whose name it is a part of; all of them: ""

void usual_requests() {
    const LoadedServer server = start(0);
    net::Client client = server.client();
    const std::string officer = access_token(kOfficer), user = access_token(kUser);
    const auto get_key = request(server, "/keys/k?api-version=7.4", officer);
    const auto key = MUST(jose::parse_jwk(asked(client, get_key)["key"]));
    const Bytes sealed = MUST(key.encrypt_oaep(crypto::HashAlg::sha256, Bytes(32, 7)));
    measure(server, {"GET key", {get_key}}, wanted);
    measure(server, {"GET secret", {request(server, "/secrets/s?api-version=7.4", officer)}},
            wanted);
    measure(server,
            {"POST unwrapkey, RSA-OAEP-256",
             {request(server, "/keys/k/unwrapkey?api-version=7.4", user,
                      {{"alg", "RSA-OAEP-256"}, {"value", encode_base64url(sealed)}})}},
            wanted);
    measure(server,
            {"POST release",
             {request(server, "/keys/released/release?api-version=7.4", access_token(kReleaser),
                      {{"target", keys().attestation.token(attestation_claims())},
                       {"nonce", "ADE0101"},
                       {"enc", "RSA_AES_KEY_WRAP_256"}})}},
            wanted);
}

// many_keys: one key by name, and a list of all, page after page.
void many_keys(size_t more) {
    const LoadedServer server = start(more);
    net::Client client = server.client();
    const std::string officer = access_token(kOfficer);
    std::printf("with %zu more keys, before a request: %.0f MiB\n", more, server.resident_mib());
    const auto get =
        request(server, fmt::format("/keys/n{:07}?api-version=7.4", more / 2), officer);
    full_rate(server, {"GET key", {get}}, 1, std::chrono::seconds(4));
    auto next = request(server, "/keys?api-version=7.4&maxresults=25", officer);
    std::vector<double> taken;
    for (;;) {
        const auto start = steady_clock::now();
        const Json page = asked(client, next);
        taken.push_back(std::chrono::duration<double>(steady_clock::now() - start).count() * 1000);
        if (!page.contains("nextLink") || !page["nextLink"].is_string()) break;
        next.url = page["nextLink"].get<std::string>();
    }
    const size_t tenth = std::max<size_t>(taken.size() / 10, 1);
    const auto mean = [&](auto begin) {
        return std::accumulate(begin, begin + static_cast<long>(tenth), 0.0) /
               static_cast<double>(tenth);
    };
    std::printf(
        "list of %zu pages of %zu: first tenth %.2f ms, last tenth %.2f ms a page; then "
        "%.0f MiB\n",
        taken.size(), kPage, mean(taken.begin()), mean(taken.end() - static_cast<long>(tenth)),
        server.resident_mib());
}

}  // namespace
}  // namespace vouchsafe::bench

// An argument names what to measure: "GET secret".
int main(int count, char** arguments) {
    vouchsafe::bench::print_environment();
    if (count > 1) vouchsafe::bench::wanted = arguments[1];
    vouchsafe::bench::usual_requests();
    if (count > 1) return 0;
    const char* more = std::getenv("VAULT_KEYS");
    vouchsafe::bench::many_keys(more ? std::strtoull(more, nullptr, 10) : 1'000'000);
    return 0;
}
