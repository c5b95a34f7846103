// Evidence bundles. Oracle: what was read, written again, reads back the same.
#include <cstdlib>

#include "vouchsafe/evidence/bundle.h"

using namespace vouchsafe;
using namespace vouchsafe::evidence;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto bundle = Bundle::parse(as_text(ByteView(data, size)));
    if (!bundle) return 0;
    std::string text = bundle->encode();
    auto again = Bundle::parse(text);
    if (!again || again->encode() != text) std::abort();
    Checks checks;
    if (!compare_verdicts(bundle->verdict, again->verdict, checks)) std::abort();
    return 0;
}
