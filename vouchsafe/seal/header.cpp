#include "vouchsafe/seal/header.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::seal {

namespace {

constexpr uint8_t kVersion = 2;
constexpr uint8_t kFramed = 2;

struct SuiteName {
    uint16_t id;
    std::string_view name;
};
// https://docs.aws.amazon.com/encryption-sdk/latest/developer-guide/algorithms-reference.html
constexpr SuiteName kSuiteNames[] = {
    {0x0578, "AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384"},
    {0x0478, "AES_256_GCM_HKDF_SHA512_COMMIT_KEY"},
    {0x0378, "AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384"},
    {0x0346, "AES_192_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384"},
    {0x0214, "AES_128_GCM_IV12_TAG16_HKDF_SHA256_ECDSA_P256"},
    {0x0178, "AES_256_GCM_IV12_TAG16_HKDF_SHA256"},
    {0x0146, "AES_192_GCM_IV12_TAG16_HKDF_SHA256"},
    {0x0114, "AES_128_GCM_IV12_TAG16_HKDF_SHA256"},
    {0x0078, "AES_256_GCM_IV12_TAG16"},
    {0x0046, "AES_192_GCM_IV12_TAG16"},
    {0x0014, "AES_128_GCM_IV12_TAG16"},
};

// Names that start so belong to the format (specification, "encryption context").
bool is_reserved(std::string_view name) {
    return name.starts_with("aws-crypto-");
}

// Parser is one pass over a header. Every shortage of bytes is a check that names the field.
class Parser {
  public:
    Parser(ByteView bytes, Checks& checks)
        : bytes_(bytes.first(std::min(bytes.size(), kMaxHeaderSize))),
          reader_(bytes_, "header"),
          checks_(checks) {}

    Result<SealedHeader> parse() {
        TRY(parse_format());
        ByteView id = TRY(take(kMessageIdSize, "message id"));
        std::copy(id.begin(), id.end(), header_.message_id.begin());
        TRY(parse_context(TRY(take(TRY(u16("context length")), "context"))));
        TRY(parse_keys());
        TRY(parse_content());
        return std::move(header_);
    }

  private:
    Result<ByteView> take(size_t count, std::string_view field) {
        auto view = reader_.take(count, field);
        if (view) return *view;
        if (bytes_.size() == kMaxHeaderSize) {
            return refuse("header size", fmt::format("at most {} bytes", kMaxHeaderSize), "more");
        }
        return checks_.refuse("SEAL-TRUNCATED", fmt::format("header, {}", field),
                              fmt::format("{} bytes", count),
                              fmt::format("{} bytes before the file ends", reader_.left()));
    }

    Result<uint32_t> number(size_t size, std::string_view field) {
        uint32_t value = 0;
        for (uint8_t byte : TRY(take(size, field))) value = value << 8 | byte;
        return value;
    }
    Result<uint16_t> u16(std::string_view field) {
        return static_cast<uint16_t>(TRY(number(2, field)));
    }

    tl::unexpected<Error> refuse(std::string_view field, std::string expected, std::string found) {
        return checks_.refuse("SEAL-HEADER", field, std::move(expected), std::move(found));
    }

    Result<void> parse_format() {
        uint32_t version = TRY(number(1, "version"));
        bool base64 = version == 'A';
        TRY(checks_.require(
            version == kVersion, "SEAL-FORMAT", "message format version", "2",
            fmt::format("{}{}", version, base64 ? " (the file may be base64 text)" : "")));
        uint16_t suite = TRY(u16("algorithm suite"));
        return checks_.require(suite == kSuite, "SEAL-SUITE", "algorithm suite",
                               fmt::format("0x{:04x} {}", kSuite, suite_name(kSuite)),
                               fmt::format("0x{:04x} {}", suite, suite_name(suite)));
    }

    // A name or value of the context: length and UTF-8 text.
    Result<std::string> parse_text(Reader& in) {
        auto size = in.u16_be("length");
        auto text = size ? in.take(*size, "text") : Result<ByteView>(fail(size.error()));
        if (!text) return refuse("context", "entries that fill it exactly", "an entry that is cut");
        if (!is_utf8(as_text(*text))) return refuse("context", "UTF-8 text", "other bytes");
        return to_text(*text);
    }

    Result<void> parse_context(ByteView bytes) {
        if (bytes.empty()) return {};
        Reader in(bytes, "context");
        auto count = in.u16_be("count");
        if (!count || *count == 0) return refuse("context count", "at least 1 entry", "none");
        for (uint16_t i = 0; i < *count; ++i) {
            std::string name = TRY(parse_text(in));
            std::string value = TRY(parse_text(in));
            bool sorted = header_.context.empty() || header_.context.rbegin()->first < name;
            if (!sorted) return refuse("context", "sorted names, each once", "another order");
            if (is_reserved(name)) {
                return refuse("context", "no reserved names", "a name with \"aws-crypto-\"");
            }
            header_.context.emplace_hint(header_.context.end(), std::move(name), std::move(value));
        }
        if (!in.done()) return refuse("context", "entries that fill it exactly", "more bytes");
        return {};
    }

    Result<void> parse_keys() {
        uint16_t count = TRY(u16("count of data keys"));
        if (count == 0 || count > kMaxDataKeys) {
            return refuse("count of data keys", fmt::format("1 to {}", kMaxDataKeys),
                          fmt::format("{}", count));
        }
        for (uint16_t i = 0; i < count; ++i) {
            DataKey key;
            key.provider = to_text(TRY(take(TRY(u16("provider id length")), "provider id")));
            key.info = to_text(TRY(take(TRY(u16("provider info length")), "provider info")));
            key.wrapped = to_bytes(TRY(take(TRY(u16("data key length")), "data key")));
            if (!is_utf8(key.provider)) return refuse("provider id", "UTF-8 text", "other bytes");
            header_.keys.push_back(std::move(key));
        }
        return {};
    }

    Result<void> parse_content() {
        uint32_t type = TRY(number(1, "content type"));
        TRY(checks_.require(type == kFramed, "SEAL-FORMAT", "content type", "2 (framed)",
                            fmt::format("{}{}", type, type == 1 ? " (not framed)" : "")));
        header_.frame_length = TRY(number(4, "frame length"));
        bool fits = header_.frame_length >= 1 && header_.frame_length <= kMaxFrameLength;
        if (!fits) {
            return refuse("frame length", fmt::format("1 to {} bytes", kMaxFrameLength),
                          fmt::format("{}", header_.frame_length));
        }
        ByteView commitment = TRY(take(kCommitmentSize, "key commitment"));
        std::copy(commitment.begin(), commitment.end(), header_.commitment.begin());
        header_.body = to_bytes(bytes_.first(reader_.offset()));
        ByteView tag = TRY(take(header_.tag.size(), "header tag"));
        std::copy(tag.begin(), tag.end(), header_.tag.begin());
        return checks_.require(true, "SEAL-HEADER", "header", "well formed",
                               fmt::format("{} bytes", header_.size()));
    }

    ByteView bytes_;
    Reader reader_;
    Checks& checks_;
    SealedHeader header_;
};

Result<void> write_text(Writer& out, std::string_view text, std::string_view field) {
    if (text.size() > 0xffff)
        return fail(Code::invalid, "the {} is longer than 65535 bytes", field);
    out.u16_be(static_cast<uint16_t>(text.size())).bytes(as_bytes(text));
    return {};
}

Result<Bytes> encode_context(const EncryptionContext& context) {
    if (context.empty()) return Bytes{};
    if (context.size() > 0xffff) return fail(Code::invalid, "too many context entries");
    Writer out;
    out.u16_be(static_cast<uint16_t>(context.size()));
    for (const auto& [name, value] : context) {
        if (!is_utf8(name) || !is_utf8(value)) {
            return fail(Code::invalid, "the encryption context holds text that is not UTF-8");
        }
        if (is_reserved(name)) {
            return fail(Code::invalid, "context names may not start with aws-crypto-");
        }
        TRY(write_text(out, name, "context name"));
        TRY(write_text(out, value, "context value"));
    }
    if (out.view().size() > 0xffff) {
        return fail(Code::invalid, "the encryption context is longer than 65535 bytes");
    }
    return out.take();
}

}  // namespace

std::string_view suite_name(uint16_t suite) {
    for (const SuiteName& known : kSuiteNames) {
        if (known.id == suite) return known.name;
    }
    return "unknown suite";
}

Result<SealedHeader> parse_header(ByteView bytes, Checks& checks) {
    return Parser(bytes, checks).parse();
}

Result<Bytes> encode_header_body(const SealedHeader& header) {
    if (header.keys.empty() || header.keys.size() > kMaxDataKeys) {
        return fail(Code::invalid, "a sealed file has 1 to {} recipients, not {}", kMaxDataKeys,
                    header.keys.size());
    }
    if (header.frame_length < 1 || header.frame_length > kMaxFrameLength) {
        return fail(Code::invalid, "the frame length must be 1 to {} bytes", kMaxFrameLength);
    }
    Bytes context = TRY(encode_context(header.context));
    Writer out;
    out.u8(kVersion).u16_be(kSuite).bytes(header.message_id);
    out.u16_be(static_cast<uint16_t>(context.size())).bytes(context);
    out.u16_be(static_cast<uint16_t>(header.keys.size()));
    for (const DataKey& key : header.keys) {
        if (!is_utf8(key.provider)) return fail(Code::invalid, "a provider id must be UTF-8");
        TRY(write_text(out, key.provider, "provider id"));
        TRY(write_text(out, key.info, "provider information"));
        TRY(write_text(out, as_text(key.wrapped), "wrapped data key"));
    }
    out.u8(kFramed).u32_be(header.frame_length).bytes(header.commitment);
    if (out.view().size() + header.tag.size() > kMaxHeaderSize) {
        return fail(Code::invalid, "the header would be longer than {} bytes", kMaxHeaderSize);
    }
    return out.take();
}

}  // namespace vouchsafe::seal
