// TPM structures. Oracles: a public area that parses is the whole input, and is the same in its
// sized form; a PCR selection writes back to the bytes it came from.
#include <algorithm>
#include <cstdlib>

#include "vouchsafe/evidence/tpm/types.h"

using namespace vouchsafe;
using namespace vouchsafe::evidence;

namespace {

void require(bool ok) {
    if (!ok) std::abort();
}

void check_public(ByteView bytes) {
    auto area = TpmPublic::parse_area(bytes);
    if (!area) return;
    require(equal(area->area, bytes));
    Bytes sized = Writer().u16_be(static_cast<uint16_t>(bytes.size())).bytes(bytes).take();
    require(MUST(TpmPublic::parse(sized)).name() == area->name());
    sized.push_back(0x5a);
    require(!TpmPublic::parse(sized));
    require(MUST(TpmPublic::parse_prefix(sized)).name() == area->name());
    auto key = area->public_key();
    auto signer = area->signing_key();
    require(!signer || (key && signer->key == *key));
    if (signer) (void)verify_tpm_signature(*signer, bytes, bytes).has_value();
}

void check_attest(ByteView bytes) {
    auto attest = TpmAttest::parse(bytes);
    if (!attest || attest->magic != kTpmGenerated || attest->type != kTpmStAttestQuote) return;
    Bytes selection = encode_pcr_selection(attest->pcr_selection);
    require(std::search(bytes.begin(), bytes.end(), selection.begin(), selection.end()) !=
            bytes.end());
    for (const PcrBankSelection& bank : attest->pcr_selection) {
        for (uint32_t pcr : bank.pcrs()) require(pcr < 32);
    }
    (void)describe(attest->pcr_selection);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ByteView bytes(data, size);
    check_public(bytes);
    check_attest(bytes);
    return 0;
}
