// UVM endorsements, COSE_Sign1 and did:x509. Oracles: every refusal names a check; what is accepted
// says byte for byte what Microsoft signed in the one genuine endorsement of the corpus (the tag
// and the header that nobody signs may differ); what parses as COSE_Sign1 is within its limits.
#include <cstdlib>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/evidence/uvm/did_x509.h"
#include "vouchsafe/evidence/uvm/endorsement.h"

using namespace vouchsafe;
using namespace vouchsafe::evidence;

namespace {

// SHA-256 of protected header, payload and signature of milan-v2-aci-2022.
constexpr std::string_view kGenuine =
    "018b0978870f0b4af82d1c7b26d081fde99dc8179904ea2114e1184c364b5b32";

void require(bool ok) {
    if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ByteView bytes(data, size);
    Checks checks;
    // 2023-06-01: the genuine certificates are valid then.
    auto verified = verify_uvm(bytes, vendor_uvm_issuers(), {}, from_unix(1685577600), checks);
    require(verified || verified.error().reason() != nullptr);

    if (auto did = DidX509::parse(as_text(bytes))) {
        require(!did->policies.empty() && !did->find_ca({}));
        require(did->ca_fingerprint.size() == crypto::hash_size(did->hash));
    }
    auto message = crypto::parse_cose_sign1(bytes);
    if (!message) {
        require(message.error().code == Code::invalid && !verified);
        return 0;
    }
    require(size <= crypto::kMaxCoseBytes && message->chain.size() <= crypto::kMaxCoseChain);
    if (verified) {
        Bytes said = message->protected_bytes;
        append(said, message->payload);
        append(said, message->signature);
        require(encode_hex(crypto::sha256(said)) == kGenuine);
    }
    return 0;
}
