// parse_json: whatever it accepts, each writer's output is read back as the same document, and the
// writers keep their promises about characters. The quick reader and writer agree with the library.
#include <cstdlib>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json_quick.h"

using namespace vouchsafe;

namespace {

void expect(bool ok) {
    if (!ok) std::abort();
}

bool printable(std::string_view text) {
    return text.find_first_not_of(
               " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
               "abcdefghijklmnopqrstuvwxyz{|}~") == std::string_view::npos;
}

// Equal numbers may be of different types, which decide whether a field takes them.
bool same_types(const Json& a, const Json& b) {
    if (a.type() != b.type()) return false;
    if (!a.is_structured()) return true;
    auto other = b.begin();
    for (const Json& item : a) {
        if (!same_types(item, *other++)) return false;
    }
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text = as_text({data, size});
    auto json = parse_json(text);
    bool has_nul = text.find('\0') != std::string_view::npos;
    auto careful = parse_json_carefully(text, {});
    expect(has_nul ? !json : json.has_value() == careful.has_value());
    if (!json) {
        expect(json.error().code == Code::invalid && !json.error().message.empty());
        return 0;
    }
    expect(*json == *careful && same_types(*json, *careful));
    expect(dump_json(*json) == careful->dump());
    JsonLimits wide{.max_bytes = 64 << 20};  // writers may need more room than the input
    std::string compact = dump_json(*json);
    std::string ascii = dump_json_ascii(*json);
    expect(MUST(parse_json(compact, wide)) == *json);
    expect(MUST(parse_json(ascii, wide)) == *json);
    expect(MUST(parse_json(dump_json_pretty(*json), wide)) == *json);
    expect(dump_json(MUST(parse_json(compact, wide))) == compact);
    expect(encode_base64url(as_bytes(ascii)).find_first_of("-_") == std::string::npos);
    std::string shown = show_json(*json);
    expect(shown.size() <= 120 && printable(shown));
    return 0;
}
