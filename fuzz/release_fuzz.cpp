// Answers of a key release. Oracles: every refusal names a check; what is accepted is byte for byte
// the one genuine answer of the corpus, whose signature has no second form.
#include <cstdlib>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/guest/release_answer.h"

using namespace vouchsafe;

namespace {

// SHA-256 of release-ec-hsm-2022-05.jws.
constexpr std::string_view kGenuine =
    "317f2f987cfc84faaf6cc4e302a0b53490328653b13e0c03b3ad5705b3701d28";

void require(bool ok) {
    if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto jws = guest::read_release_answer(as_text({data, size}));
    if (!jws) {
        require(jws.error().code == Code::invalid);
        return 0;
    }
    // 2022-06-01: the genuine certificates are valid then.
    guest::ReleaseTrust trust{"", guest::azure_vault_roots(), from_unix(1654041600)};
    Checks checks;
    auto answer = guest::verify_release_answer(*jws, trust, checks);
    if (!answer) {
        require(answer.error().reason() != nullptr);
        return 0;
    }
    require(encode_hex(crypto::sha256(as_bytes(*jws))) == kGenuine);
    require(guest::facts_of(*answer).is_object());
    return 0;
}
