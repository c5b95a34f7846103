// The command lines of AttestationClient and AzureAttestSKR, Azure's programs for guests
// (guest-protocol 5), whose places this program takes: what their flags mean, and how a value is
// unwrapped. Who runs them is app/drop_in*.cpp; what differs from theirs, and why, is in
// docs/run/drop-in-programs.md.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/guest/vault_client.h"

namespace vouchsafe::guest {

struct AttestationClientCommand {
    std::string url = "https://sharedeus2.eus2.attest.azure.net";
    std::string nonce;         // an empty one is sent too
    bool print_token = false;  // else "true" or "false"
};

// parse_attestation_client reads "-a URL -n TEXT -o token|bool", as getopt(3) reads flags: a value
// may stand in the flag's own word, and the last of several counts. `words` are those behind the
// program's name. Code::invalid for everything else.
Result<AttestationClientCommand> parse_attestation_client(std::span<char* const> words);

// What the value of AzureAttestSKR's -s was wrapped with. Without a word of the caller's it is
// RSA-OAEP with SHA-256, as the program of 2026 wraps, or else PKCS #1 v1.5 around a key for AES,
// as the programs of 2023 to 2025 and the tutorial's encrypt_data.py wrap.
struct UnwrapRules {
    std::optional<crypto::HashAlg> oaep;  // RSA-OAEP and nothing else
    std::optional<crypto::HashAlg> mgf1;  // absent: as `oaep`, or SHA-256
};

enum class SkrAction { release, wrap, unwrap, batch };

struct SkrCommand {
    std::string url = "https://sharedweu.weu.attest.azure.net";
    std::string nonce;  // "": none was given
    KeyId key;
    bool service_principal = false;  // else the machine's managed identity
    SkrAction action = SkrAction::release;
    SecretBytes value;  // of -s: what to wrap; or what to unwrap, decoded
    std::string batch;  // of -B: a file, "-" or the JSON itself
    UnwrapRules rules;
};

// parse_skr reads AzureAttestSKR's flags, in the same way. The value of -s is taken away: its place
// in `words` is filled with zeros, because everybody can read a program's command line. Nothing of
// it is in an error.
Result<SkrCommand> parse_skr(std::span<char* const> words);

// attestation_origin is "https://host[:port]" of what -a says: scheme and path do not count, as
// Azure's programs have it. Code::invalid if there is no host name in it.
Result<std::string> attestation_origin(std::string_view url);

// unwrap_value opens a wrapped value. The error never says which step failed; it is
// Code::bad_evidence. Code::unsupported if the key is no RSA key.
Result<SecretBytes> unwrap_value(const crypto::PrivateKey& key, const UnwrapRules& rules,
                                 ByteView wrapped);

// BatchItem is one of the "keys" of -B.
struct BatchItem {
    std::string id;                // its place, from 0, where it has no name
    std::optional<Bytes> wrapped;  // absent: it has none that can be read
};
// parse_batch reads {"keys": [{"id": TEXT, "wrapped": BASE64}, ...]}. Code::invalid.
Result<std::vector<BatchItem>> parse_batch(std::string_view text);

struct BatchAnswer {
    SecretBytes text;   // {"results": [{"id", "unwrapped"} or {"id", "error"}, ...]}, two blanks
                        // at each level
    size_t opened = 0;  // how many
};
// unwrap_batch unwraps each item. What is no UTF-8 text cannot stand in JSON: that item fails.
Result<BatchAnswer> unwrap_batch(const crypto::PrivateKey& key, const UnwrapRules& rules,
                                 std::span<const BatchItem> items);

}  // namespace vouchsafe::guest
