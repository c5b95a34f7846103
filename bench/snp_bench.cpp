// What does the verification of an SEV-SNP report cost beside its one P-384 signature, when the
// machine's certificates were verified before? And what when they were not?
#include "bench/environment.h"
#include "bench/rate.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/evidence/snp/verify.h"

namespace vouchsafe::bench {
namespace {

using namespace evidence;

constexpr const char* kName = "genoa-v3-aci";

Bytes vector_bytes(const std::string& ending) {
    return MUST(read_file(Path(VS_SOURCE_DIR) / "tests/vectors/snp" / (kName + ending)));
}

// The signature's numbers are little-endian in fields of 72 bytes (AMD 56860, signature formats).
Bytes signature_of(ByteView report) {
    Bytes out;
    for (size_t begin : {kSnpSignedSize, kSnpSignedSize + 72}) {
        ByteView number = report.subspan(begin, 48);
        out.insert(out.end(), number.rbegin(), number.rend());
    }
    return out;
}

void run() {
    const Bytes report = vector_bytes(".report.bin");
    const SnpEndorsements endorsements{
        MUST(crypto::Certificate::parse_der(vector_bytes(".vcek.der"))), {}, {}};
    const Time now = MUST(parse_rfc3339("2026-07-01T00:00:00Z"));
    SnpRules rules;
    rules.allow_unchecked = {std::string(kSnpRevocation)};

    Checks first;
    const VerifiedSnpEndorsements cached =
        MUST(verify_snp_endorsements(endorsements, vendor_anchors(), now, first));
    const crypto::PublicKey key = MUST(endorsements.leaf.public_key());
    const Bytes digest =
        crypto::hash(crypto::HashAlg::sha384, ByteView(report).first(kSnpSignedSize));
    const Bytes signature = signature_of(report);

    compare(
        {{"the signature alone (P-384, OpenSSL)",
          [&] { return key.verify_digest(crypto::SigAlg::es384, digest, signature).has_value(); }},
         {"verify_snp, certificates verified before",
          [&] {
              Checks checks;
              return verify_snp(report, cached, rules, now, checks).has_value();
          }},
         {"verify_snp, with the certificates", [&] {
              Checks checks;
              return verify_snp(report, endorsements, vendor_anchors(), rules, now, checks)
                  .has_value();
          }}});
}

}  // namespace
}  // namespace vouchsafe::bench

int main() {
    vouchsafe::bench::print_environment();
    vouchsafe::bench::run();
    return 0;
}
