// The header of a sealed file: AWS Encryption SDK message format, version 2, with the algorithm
// suite 0x0478 (AES-256-GCM, HKDF-SHA512, key commitment, no signature) and framed content.
// https://docs.aws.amazon.com/encryption-sdk/latest/developer-guide/message-format.html
//
// Here are only bytes and fields; keys and tags are checked in open.h.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "vouchsafe/base/bytes.h"
#include "vouchsafe/base/result.h"

namespace vouchsafe::seal {

// EncryptionContext is what a sealed file says about itself in the clear: file name, content type,
// purpose. It is bound to the data: changing it breaks the header's tag. Names and values are
// UTF-8.
using EncryptionContext = std::map<std::string, std::string>;

inline constexpr std::string_view kContextFile = "file-name";
inline constexpr std::string_view kContextType = "content-type";
inline constexpr std::string_view kContextPurpose = "purpose";

// DataKey is the data key wrapped for one recipient.
struct DataKey {
    std::string provider;  // who can unwrap it: kProvider for a key in a vault
    std::string info;      // which key: for kProvider the key's URL
    Bytes wrapped;
};

// kProvider is the provider id of data keys wrapped by a vault's RSA key with RSA-OAEP-256.
inline constexpr std::string_view kProvider = "vouchsafe";

inline constexpr uint16_t kSuite = 0x0478;
inline constexpr size_t kMessageIdSize = 32;
inline constexpr size_t kCommitmentSize = 32;
inline constexpr uint32_t kDefaultFrameLength = 1 << 20;
// Our limits; the format itself allows more.
inline constexpr uint32_t kMaxFrameLength = 64 << 20;
inline constexpr size_t kMaxHeaderSize = 128 << 10;
inline constexpr size_t kMaxDataKeys = 64;

struct SealedHeader {
    std::array<uint8_t, kMessageIdSize> message_id{};
    EncryptionContext context;
    std::vector<DataKey> keys;
    uint32_t frame_length = kDefaultFrameLength;
    std::array<uint8_t, kCommitmentSize> commitment{};
    std::array<uint8_t, 16> tag{};
    Bytes body;  // the bytes the tag covers: all of the header before the tag

    size_t size() const { return body.size() + tag.size(); }
};

// parse_header reads the header at the start of `bytes`, of which more may follow. Nothing in it is
// to be believed before its tag was checked; it is needed to find the key.
// Fails with the checks SEAL-FORMAT, SEAL-SUITE, SEAL-HEADER, or SEAL-TRUNCATED if `bytes` end
// within the header.
Result<SealedHeader> parse_header(ByteView bytes, Checks& checks);

// encode_header_body writes everything before the tag from the other fields. Fails with
// Code::invalid if a field does not fit the format: no data key, too many, a context of more than
// 65535 bytes, a name in it that starts with "aws-crypto-", text that is not UTF-8.
Result<Bytes> encode_header_body(const SealedHeader& header);

// suite_name returns the specification's name of an algorithm suite, or "unknown suite".
std::string_view suite_name(uint16_t suite);

}  // namespace vouchsafe::seal
