// Request bodies and answers of the key operations (azure-api A.3 to A.5, A.7). Member names are
// matched without case, types strictly; unknown members are ignored, as the real service does.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/json.h"
#include "vouchsafe/net/message.h"
#include "vouchsafe/vault/address.h"
#include "vouchsafe/vault/records.h"

namespace vouchsafe::vault {

inline constexpr size_t kMaxTags = 15;      // per object; A.4
inline constexpr size_t kMaxTagText = 256;  // characters of a name or value
inline constexpr size_t kMaxKeyOps = 8;
inline constexpr size_t kMaxNonce = 1024;       // bytes of a release request's nonce
inline constexpr size_t kMaxContentType = 255;  // of a release policy
inline constexpr size_t kMaxPage = 25;          // items of a list answer; A.3

// PolicyEnvelope is `release_policy` as sent, `data` decoded.
struct PolicyEnvelope {
    std::string content_type;
    std::string data;  // "" if absent or undecodable: the real service takes it for no policy (A.8)
    bool immutable = false;
};

struct AttributesBody {
    std::optional<bool> enabled;
    std::optional<int64_t> not_before;
    std::optional<int64_t> expires;
    std::optional<bool> exportable;
};

// KeyBody is the body of create, of import, and, without kty, key_size and crv, of update.
struct KeyBody {
    std::string kty;
    std::optional<int64_t> key_size;
    std::optional<std::string> crv;
    std::optional<std::vector<std::string>> key_ops;
    AttributesBody attributes;
    std::optional<std::map<std::string, std::string>> tags;
    std::optional<PolicyEnvelope> release_policy;
    std::optional<KeyMaterial> material;  // of an import alone
};

// CryptoBody is the body of the cryptographic operations (A.5). What belongs to an algorithm or
// operation is for those to say.
struct CryptoBody {
    std::string alg;
    Bytes value;  // may be empty
    std::optional<Bytes> iv, aad, tag;
    std::optional<Bytes> digest;  // of verify
};

struct ReleaseBody {
    std::string target;  // the attestation token
    std::optional<std::string> nonce;
    std::string enc;
};

// All fail with Code::invalid and a sentence about the member.
// An import may also fail with Code::unsupported, see import_material.
enum class KeyBodyKind { create, import, update };
Result<KeyBody> parse_key_body(const std::string& text, KeyBodyKind kind);
Result<CryptoBody> parse_crypto_body(const std::string& text);
Result<ReleaseBody> parse_release_body(const std::string& text);
Result<size_t> parse_random_body(const std::string& text);  // how many bytes, 1 to 128

// parse_policy_envelope reads a value of `release_policy`.
Result<PolicyEnvelope> parse_policy_envelope(const Json& json);

// Page is what a list request asks for.
struct Page {
    size_t limit = kMaxPage;
    std::string after;  // name or version of the last item of the page before; "" at first
};
Result<Page> parse_page(const net::Request& request);
// next_link continues a list behind `last`.
std::string next_link(std::string_view base, std::string_view path, const ApiVersion& version,
                      const Page& page, std::string_view last);

// Identifiers begin with the base of the address the client used. `collection` is "keys",
// "deletedkeys", "secrets" or "deletedsecrets".
std::string object_id(std::string_view base, std::string_view collection, std::string_view name,
                      std::string_view version = {});
std::string key_id(std::string_view base, std::string_view name, std::string_view version = {});

// The pieces of answers.
// public_jwk is the public half of a version: {} of an oct key. Code::io if it is damaged.
Result<Json> public_jwk(const KeyVersion& version);
// encode_key is the JWK, made of that.
Json encode_key(std::string_view base, const Key& key, Json public_jwk);
Json encode_attributes(const Key& key, const ApiVersion& version, const VaultInfo& vault);
Json encode_policy(const KeyRecord& record);
// add_recovery adds what the attributes of every object say of the vault's soft delete (A.4).
void add_recovery(Json& attributes, const VaultInfo& vault);
// encode_bundle is the whole KeyBundle.
Json encode_bundle(std::string_view base, const Key& key, Json public_jwk,
                   const ApiVersion& version, const VaultInfo& vault);
Result<Json> encode_bundle(std::string_view base, const Key& key, const ApiVersion& version,
                           const VaultInfo& vault);
// encode_item is the key in a list; versioned ids in a list of versions.
Json encode_item(std::string_view base, const Key& key, bool versioned, const ApiVersion& version,
                 const VaultInfo& vault);

}  // namespace vouchsafe::vault
