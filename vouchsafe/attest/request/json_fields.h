// Reading the members of a request the way Azure's clients need it: names compare without case
// (azure-api F.11), bytes come in either base64 alphabet, padded or not (guest-protocol 4.2). What
// is read is checked: a member that appears twice in different capitals, has another type or is
// longer than its limit is Code::invalid, and the message names it by its path.
#pragma once

#include <optional>
#include <string>

#include "vouchsafe/base/bytes.h"
#include "vouchsafe/base/json_fwd.h"

namespace vouchsafe::attest {

// JsonFields borrows one JSON object.
class JsonFields {
  public:
    // of fails with Code::invalid unless `value` is an object. `path` is its name in messages.
    static Result<JsonFields> of(const Json& value, std::string path);

    // find returns nullptr if the member is absent or null.
    Result<const Json*> find(std::string_view name) const;
    Result<const Json*> require(std::string_view name) const;
    Result<JsonFields> object(std::string_view name) const;

    Result<std::string> string(std::string_view name, size_t max_size) const;
    Result<std::optional<std::string>> optional_string(std::string_view name,
                                                       size_t max_size) const;
    // bytes decodes base64 to at most `max_size` bytes; "" is no bytes.
    Result<Bytes> bytes(std::string_view name, size_t max_size) const;
    // encoded_text decodes base64 to UTF-8 text.
    Result<std::string> encoded_text(std::string_view name, size_t max_size) const;
    // encoded_json decodes base64 to JSON text of at most `max_size` bytes and parses it.
    Result<Json> encoded_json(std::string_view name, size_t max_size) const;
    // whole_number takes 12, "12" and "" (0): clients differ (guest-protocol 4.2). 0 to 2^31-1.
    Result<int64_t> whole_number(std::string_view name) const;

    std::string path_of(std::string_view name) const;

  private:
    JsonFields(const Json& object, std::string path) : object_(&object), path_(std::move(path)) {}
    const Json* object_;
    std::string path_;
};

// parse_draft_policy reads draftPolicyForAttestation, which all attest routes take (azure-api C.2);
// "" if it is absent.
Result<std::string> parse_draft_policy(const JsonFields& request);

}  // namespace vouchsafe::attest
