// Receipts' payloads. Oracle: what was read, written again, reads back the same, and its proof is
// short enough to be verified at once.
#include <cstdlib>

#include "vouchsafe/attest/receipt.h"

using namespace vouchsafe;
using namespace vouchsafe::attest;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto payload = parse_json_object(as_text(ByteView(data, size)));
    if (!payload) return 0;
    auto receipt = Receipt::parse(*payload);
    if (!receipt) return 0;
    const Json written = receipt->to_json();
    auto again = Receipt::parse(written);
    if (!again || again->to_json() != written) std::abort();
    if (receipt->proof.index >= receipt->proof.size || receipt->proof.path.size() > 53) {
        std::abort();
    }
    (void)audit::verify_leaf_inclusion(receipt->proof, receipt->leaf, receipt->root);
    return 0;
}
