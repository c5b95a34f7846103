// ReleaseRules::parse: what it accepts is written so that it reads back the same, and is as strict
// as itself. Network::parse: a network that it accepts has its own address.
#include <cstdlib>

#include "vouchsafe/access/network.h"
#include "vouchsafe/vault/release_rules.h"

using namespace vouchsafe;

namespace {

void expect(bool ok) {
    if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text = as_text({data, size});
    if (auto network = access::Network::parse(text)) {
        expect(network->contains(text.substr(0, text.find('/'))));
        expect(!network->contains(""));
    }
    Result<Json> json = parse_json(text, {.max_bytes = vault::kMaxRulesBytes});
    if (!json) return 0;
    Result<vault::ReleaseRules> rules = vault::ReleaseRules::parse(*json);
    if (!rules) {
        expect(rules.error().code == Code::invalid && !rules.error().message.empty());
        return 0;
    }
    const vault::ReleaseRules again = MUST(vault::ReleaseRules::of_record(rules->text()));
    expect(again == *rules);
    expect(vault::laxer_than(*rules, again).empty());
    expect(vault::laxer_than(vault::ReleaseRules(), *rules).empty());
    return 0;
}
