// Certificates of virtual TPMs' keys, to the roots that are built in. Oracles: every refusal names
// a check; what is accepted begins with one of the genuine certificates of the corpus, and is never
// both an attestation key's and an endorsement key's.
#include <set>

#include "fuzz/recorded.h"
#include "vouchsafe/evidence/tpm/ak_cert.h"

using namespace vouchsafe;
using namespace vouchsafe::fuzz;
using namespace vouchsafe::evidence;

namespace {

std::set<Bytes> genuine() {
    std::set<Bytes> out;
    for (const char* name : {"gcp-uca-rsa-ak", "gcp-uca-rsa-ek", "gcp-pca-ecc-ak"}) {
        Bytes pem = recorded(fmt::format("ak_cert/{}.pem", name).c_str());
        out.insert(MUST(crypto::Certificate::parse_pem(as_text(pem))).sha256_fingerprint());
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const std::set<Bytes> kGenuine = genuine();
    ByteView bytes(data, size);
    int accepted = 0;
    for (VtpmKey key : {VtpmKey::attestation, VtpmKey::endorsement}) {
        Checks checks;
        // 2026-07-01: all recorded certificates are valid then.
        auto verified =
            verify_vtpm_certificate(bytes, key, vendor_anchors(), from_unix(1782864000), checks);
        require_reason(verified);
        if (!verified) continue;
        ++accepted;
        require(kGenuine.contains(verified->certificate().sha256_fingerprint()));
        require(verified->key() == key && verified->path().size() >= 2);
    }
    require(accepted <= 1);
    return 0;
}
