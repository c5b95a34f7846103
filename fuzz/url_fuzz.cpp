// A URL that parses is stable: its origin and target give the same URL again.
#include <cstdlib>

#include "vouchsafe/base/bytes.h"
#include "vouchsafe/net/client.h"

using namespace vouchsafe;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Result<net::Url> first = net::Url::parse(as_text({data, size}));
    if (!first) return 0;
    net::Url second = MUST(net::Url::parse(first->origin() + first->target));
    bool same = first->scheme == second.scheme && first->host == second.host &&
                first->port == second.port && first->target == second.target &&
                first->origin() == second.origin();
    if (!same) std::abort();
    return 0;
}
