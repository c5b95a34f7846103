// PCR values from tools. Oracle: what was read, written as lines, reads back the same.
#include <cstdlib>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/evidence/tpm/pcr_values.h"

using namespace vouchsafe;
using namespace vouchsafe::evidence;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto banks = parse_pcr_values(ByteView(data, size));
    if (!banks) return 0;
    std::string text;
    for (const PcrBank& bank : *banks) {
        for (const auto& [pcr, value] : bank.values) {
            if (pcr > 23 || value.size() != crypto::hash_size(bank.hash)) std::abort();
            text += fmt::format("{} {} {}\n", tpm_hash_label(bank.hash), pcr, encode_hex(value));
        }
    }
    auto again = parse_pcr_values(as_bytes(text));
    if (!again || again->size() != banks->size()) std::abort();
    for (size_t i = 0; i < banks->size(); ++i) {
        if ((*again)[i].values != (*banks)[i].values) std::abort();
    }
    return 0;
}
