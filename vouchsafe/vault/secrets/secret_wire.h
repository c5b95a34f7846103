// Request bodies and answers of the secret operations (azure-api A.9). A value is in no answer but
// those of set and get. Private to vault/.
#pragma once

#include "vouchsafe/vault/secrets/secret_records.h"

namespace vouchsafe::vault::secrets {

inline constexpr size_t kMaxSecretValue = 25 << 10;   // bytes of UTF-8; A.9
inline constexpr size_t kMaxSecretContentType = 255;  // bytes
inline constexpr size_t kMaxSecretTagText = 512;      // bytes of a name or value; A.4

// SecretBody is the body of update and, with a value, of set.
struct SecretBody {
    SecretBytes value;
    std::optional<std::string> content_type;
    AttributesBody attributes;
    std::optional<std::map<std::string, std::string>> tags;
};

// Both fail with Code::invalid and a sentence about the member, never with its value.
Result<SecretBody> parse_set_body(const std::string& text);
Result<SecretBody> parse_update_body(const std::string& text);

// apply changes what the body says. Code::invalid for dates in the wrong order.
Result<void> apply(SecretVersion& version, const SecretBody& body);

// encode_secret is the SecretBundle without its value.
Json encode_secret(const Call& call, const Secret& secret);
// encode_secret_item is the secret in a list; versioned ids in a list of versions.
Json encode_secret_item(const Call& call, const Secret& secret, bool versioned);

}  // namespace vouchsafe::vault::secrets
