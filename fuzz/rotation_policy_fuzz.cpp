// parse_rotation_policy: what is written of a policy is read back as the same, and no version is
// due within a week of being made.
#include <cstdlib>

#include "vouchsafe/base/json.h"
#include "vouchsafe/vault/keys/rotation_policy.h"

using namespace vouchsafe;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const auto json = parse_json(as_text({data, size}));
    if (!json) return 0;
    const auto policy = vault::parse_rotation_policy(*json);
    if (!policy) {
        if (policy.error().code != Code::invalid) std::abort();
        return 0;
    }
    const auto again = vault::parse_rotation_policy(vault::encode_rotation_policy(*policy));
    if (!again || !(*again == *policy)) std::abort();
    const Time made = from_unix(1'800'000'000);
    std::optional<Time> ends;
    if (policy->expiry) ends = policy->expiry->after(made);
    const auto due = vault::rotation_due(*policy, made, ends);
    if (due && *due < made + std::chrono::days(7)) std::abort();
    return 0;
}
