// What does an AzureGuest request cost the attestation service beside the cryptography that it
// cannot do without? From the body to the answer, the audit entry on disk included; collateral
// warm, HTTP and TLS not included.
//
// Of the three kinds of guest_bodies.h each has its own bare cryptography.
//
// `attest_bench again SECONDS` runs the service alone on the first kind, for a profile or for two
// programs in turn, and prints the CPU microseconds of one; `report SECONDS` and `first SECONDS`
// the same for the others, `bare SECONDS` the cryptography of the first kind.
#define VS_TEST_CA_BITS 4096  // as AMD's
#include "bench/environment.h"
#include "bench/guest_bodies.h"
#include "bench/rate.h"
#include "vouchsafe/attest/service.h"
#include "vouchsafe/attest/test_guest.h"
#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/crypto/random.h"

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

// hashed_texts are what is hashed in each request: events whose digests cover their data, each
// event's extension of a register, the registers that the quote signs, the keys that the TPM names,
// and the runtime data that the report holds a digest of.
std::vector<Bytes> hashed_texts(const evidence::AzureGuestEvidence& evidence) {
    constexpr size_t kDigest = 32;
    std::vector<Bytes> out{evidence.runtime_data, evidence.ak_public, evidence.encryption_key,
                           Bytes(evidence.pcr_values.size() * kDigest)};
    const evidence::EventLog log = MUST(evidence::EventLog::parse(evidence.event_log));
    for (const evidence::LogEvent& event : log.events()) {
        if (event.type == evidence::kEvNoAction) continue;
        out.push_back(Bytes(2 * kDigest));
        bool covered = equal(crypto::sha256(event.data), event.digests.at(evidence::kTpmAlgSha256));
        if (covered) out.push_back(event.data);
    }
    return out;
}

// Bare is the cryptography of one request: quote and certified key under RSA-2048, and the hashes;
// for the answer the token's signature, and its encryption to a key that came with the request.
// With a new report there is its P-384 signature. The first request of a processor has two
// certificates more, the VCEK and the AK's, under RSA-4096: those of AMD's issuers and their
// revocation list hold for all processors and are collateral.
struct Bare {
    evidence::AzureGuestEvidence evidence = Machine{}.evidence();
    Signed certificate = make_signed(keys().ark.key, crypto::SigAlg::ps384, 1000);
    Signed report = make_signed(keys().vcek, crypto::SigAlg::es384, evidence::kSnpSignedSize);
    Signed quote = make_signed(keys().ak, crypto::SigAlg::rs256, 145);
    std::vector<Bytes> hashed = hashed_texts(evidence);
    crypto::RsaPublicParts guests_key = keys().ephemeral.public_key().rsa().value();
    Bytes token = Bytes(8000, 0x41);  // its size, and of what is signed

    bool run(int certificates, bool new_report) const {
        bool ok = true;
        for (int i = 0; i < certificates; ++i) ok = ok && certificate.verify();
        ok = ok && (!new_report || report.verify());
        for (int i = 0; i < 2; ++i) ok = ok && quote.verify();
        for (const Bytes& text : hashed) ok = ok && !crypto::sha256(text).empty();
        ok = ok && keys().ak.sign(crypto::SigAlg::rs256, token).has_value();
        return ok && seal();
    }

    bool seal() const {
        SecretBytes key = crypto::random_secret(crypto::kGcmKeySize);
        auto to = crypto::PublicKey::from_rsa(guests_key.modulus, guests_key.exponent);
        auto cipher = crypto::AesGcm::create_any(key.expose());
        Bytes sealed(token.size());
        std::array<uint8_t, crypto::kGcmTagSize> tag;
        cipher->seal(crypto::random_bytes(crypto::kGcmNonceSize), {}, token, sealed, tag);
        return to->encrypt_pkcs1(key.expose()).has_value();
    }
};

std::unique_ptr<attest::CollateralStore> warm_collateral(const Path& folder,
                                                         const evidence::TrustAnchors& anchors,
                                                         const Clock& clock) {
    keep_ark_list(folder);
    return MUST(
        attest::CollateralStore::create({}, attest::CollateralPack(folder), anchors, clock));
}

net::Request make_request(std::string body) {
    net::Request out;
    out.method = "POST";
    out.path = {"attest", "AzureGuest"};
    out.query = {{"api-version", "2020-10-01"}};
    out.body = std::move(body);
    return out;
}

std::vector<net::Request> make_requests(std::vector<std::string> bodies) {
    std::vector<net::Request> out;
    for (std::string& body : bodies) out.push_back(make_request(std::move(body)));
    return out;
}

void run_alone(const Way& way, double seconds) {
    constexpr double kTurn = 0.1;
    rate(way, seconds / 10);  // caches fill
    std::vector<double> rates;
    for (double left = seconds; left > 0; left -= kTurn) rates.push_back(rate(way, kTurn));
    std::printf("%s: best %.1f us, median %.1f us\n", way.name.c_str(),
                1e6 / *std::max_element(rates.begin(), rates.end()), 1e6 / median(rates));
}

void run(std::string_view mode, double seconds) {
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
    const auto answer = [&](const net::Request& request) { return handler(request).status == 200; };
    const auto many = [&](std::string_view wanted) {
        return mode.empty() || mode == wanted ? kMoreThanKept : 0;
    };
    const net::Request again = make_request(guest_body(Machine{}.evidence()));
    const auto reports = make_requests(bodies_with_new_reports(many("report")));
    const auto firsts = make_requests(bodies_of_new_processors(many("first")));
    size_t next = 0;
    const Bare bare;
    const Way bare_again{"cryptography: a machine's next", [&] { return bare.run(0, false); }};
    const Way of_again{"AzureGuest, a machine's next", [&] { return answer(again); }};
    const Way bare_report{"cryptography: with a new report", [&] { return bare.run(0, true); }};
    const Way of_report{"AzureGuest, with a new report",
                        [&] { return answer(reports[next++ % reports.size()]); }};
    const Way bare_first{"cryptography: a processor's first", [&] { return bare.run(2, true); }};
    const Way of_first{"AzureGuest, a processor's first",
                       [&] { return answer(firsts[next++ % firsts.size()]); }};
    if (mode == "again") return run_alone(of_again, seconds);
    if (mode == "report") return run_alone(of_report, seconds);
    if (mode == "first") return run_alone(of_first, seconds);
    if (mode == "bare") return run_alone(bare_again, seconds);
    compare({bare_again, of_again}, 15, 0.3);
    compare({bare_report, of_report}, 15, 0.3);
    compare({bare_first, of_first}, 15, 0.3);
}

}  // namespace
}  // namespace vouchsafe::bench

int main(int count, char** arguments) {
    vouchsafe::bench::print_environment();
    vouchsafe::bench::run(count > 1 ? arguments[1] : "",
                          count > 2 ? std::strtod(arguments[2], nullptr) : 5.0);
    return 0;
}
