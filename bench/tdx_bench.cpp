// How long does the whole verification of a TD quote take, with all of Intel's collateral? And if
// the collateral was verified before? Beside each the P-256 signatures in it, which are the floor.
#include "bench/environment.h"
#include "bench/rate.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/evidence/tdx/verify.h"

namespace vouchsafe::bench {
namespace {

using namespace evidence;

// Attestation key, PCK, two links of the chain, two revocation lists, the signer of the collateral
// and its signatures on two documents.
constexpr int kAllSignatures = 9;
// Attestation key, PCK, the link from the PCK to its issuer.
constexpr int kQuoteSignatures = 3;

Path vector_path(const std::string& name) {
    return Path(VS_SOURCE_DIR) / "tests/vectors/tdx" / name;
}

SignedJson document(const std::string& name) {
    return {MUST(read_text_file(vector_path("collateral/" + name))),
            MUST(read_text_file(vector_path("collateral/tcb-signing-chain.pem")))};
}

void run() {
    const Bytes quote = MUST(read_file(vector_path("v5-bodytype3.quote.bin")));
    const TdxCollateral collateral{
        document("tcbinfo-90c06f000000-2026b.json"), document("qeidentity-td-2026.json"),
        MUST(read_file(vector_path("collateral/root-2026.crl.der"))),
        MUST(read_file(vector_path("collateral/pck-platform-2026.crl.der")))};
    const Time now = MUST(parse_rfc3339("2026-03-20T00:00:00Z"));
    TdxRules without;
    without.may_be_unchecked = {TdxCheck::revocation, TdxCheck::qe_identity, TdxCheck::tcb_info};

    TdxCollateral with_issuer = collateral;
    with_issuer.pck_issuer_chain = MUST(TdxQuote::parse(quote)).pck_issuer_chain();
    Checks first;
    const VerifiedTdxCollateral verified =
        MUST(verify_tdx_collateral(with_issuer, vendor_anchors(), now, first));

    const auto key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
    const crypto::PublicKey public_key = key.public_key();
    const Bytes digest = crypto::hash(crypto::HashAlg::sha256, quote);
    const Bytes signature = MUST(key.sign_digest(crypto::SigAlg::es256, digest));
    auto signatures = [&](int count) {
        bool held = true;
        for (int i = 0; i < count; ++i) {
            held &= public_key.verify_digest(crypto::SigAlg::es256, digest, signature).has_value();
        }
        return held;
    };

    compare(
        {{"three signatures alone (P-256, OpenSSL)", [&] { return signatures(kQuoteSignatures); }},
         {"verify_tdx, collateral verified before", [&] {
              Checks checks;
              return verify_tdx(quote, verified, {}, now, checks).has_value();
          }}});
    compare(
        {{"nine signatures alone (P-256, OpenSSL)", [&] { return signatures(kAllSignatures); }},
         {"verify_tdx with all collateral",
          [&] {
              Checks checks;
              return verify_tdx(quote, collateral, vendor_anchors(), {}, now, checks).has_value();
          }},
         {"verify_tdx without collateral", [&] {
              Checks checks;
              return verify_tdx(quote, {}, vendor_anchors(), without, now, checks).has_value();
          }}});
}

}  // namespace
}  // namespace vouchsafe::bench

int main() {
    vouchsafe::bench::print_environment();
    vouchsafe::bench::run();
    return 0;
}
