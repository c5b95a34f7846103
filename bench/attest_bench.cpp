// What does an AzureGuest request cost the attestation service beside the cryptography that it
// cannot do without? From the body to the answer, the audit entry on disk included; collateral
// warm, HTTP and TLS not included.
#define VS_TEST_CA_BITS 4096  // as AMD's
#include "bench/environment.h"
#include "bench/rate.h"
#include "vouchsafe/attest/service.h"
#include "vouchsafe/attest/test_guest.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::bench {
namespace {

using namespace attest::testing;

// Signed is something with its signature, and how to verify it.
struct Signed {
    crypto::PublicKey key;
    crypto::SigAlg alg;
    Bytes data;
    Bytes signature;
    bool verify() const { return key.verify(alg, data, signature).has_value(); }
};

Signed make_signed(const PrivateKey& key, crypto::SigAlg alg, size_t size) {
    Signed out{key.public_key(), alg, Bytes(size, 0x5A), {}};
    out.signature = MUST(key.sign(alg, out.data));
    return out;
}

// Bare is the cryptography of one request: the AK's certificate under RSA-4096, the report's P-384
// signature, quote and certified key under RSA-2048, the hashes of the log's events; and for the
// answer the token's signature and the key of its envelope. The first request of a processor has
// two certificates more, under RSA-4096, which the service verifies once and keeps.
struct Bare {
    Signed certificate = make_signed(keys().ark.key, crypto::SigAlg::ps384, 1000);
    Signed report = make_signed(keys().vcek, crypto::SigAlg::es384, evidence::kSnpSignedSize);
    Signed quote = make_signed(keys().ak, crypto::SigAlg::rs256, 145);
    Bytes log = recorded_log("sb-on-uki-ownkeys");
    Bytes claims = Bytes(6000, 0x41);
    Bytes inner_key = Bytes(32, 0x42);

    bool run(int certificates) const {
        bool ok = true;
        for (int i = 0; i < certificates; ++i) ok = ok && certificate.verify();
        ok = ok && report.verify();
        for (int i = 0; i < 2; ++i) ok = ok && quote.verify();
        ok = ok && !crypto::hash(crypto::HashAlg::sha256, log).empty();
        ok = ok && keys().ak.sign(crypto::SigAlg::rs256, claims).has_value();
        return ok && keys().ephemeral.public_key().encrypt_pkcs1(inner_key).has_value();
    }
};

std::unique_ptr<attest::CollateralStore> warm_collateral(const Path& folder,
                                                         const evidence::TrustAnchors& anchors,
                                                         const Clock& clock) {
    keep_ark_list(folder);
    return MUST(
        attest::CollateralStore::create({}, attest::CollateralPack(folder), anchors, clock));
}

void run() {
    TemporaryDir dir = MUST(TemporaryDir::create("attest-bench"));
    std::unique_ptr<store::Store> store = MUST(store::open_sqlite(dir.path() / "store.db"));
    audit::Log log(*store);
    FixedClock clock(test_time());
    evidence::TrustAnchors anchors = test_anchors();
    auto collateral = warm_collateral(dir.path() / "collateral", anchors, clock);
    attest::Config config;
    config.directory = dir.path() / "keys";
    auto service = MUST(
        attest::Service::create(config, {*store, log, clock, anchors, nullptr, collateral.get()}));
    net::Handler handler = service->handler();
    net::Request request;
    request.method = "POST";
    request.path = {"attest", "AzureGuest"};
    request.query = {{"api-version", "2020-10-01"}};
    request.body = guest_request(Machine{});
    Bare bare;
    compare({{"the cryptography of a request alone", [&] { return bare.run(1); }},
             {"the same of a processor's first", [&] { return bare.run(3); }},
             {"POST /attest/AzureGuest", [&] { return handler(request).status == 200; }}},
            15, 0.3);
}

}  // namespace
}  // namespace vouchsafe::bench

int main() {
    vouchsafe::bench::print_environment();
    vouchsafe::bench::run();
    return 0;
}
