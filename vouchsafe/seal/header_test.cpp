#include "vouchsafe/seal/header.h"

#include <gtest/gtest.h>

#include "vouchsafe/seal/test_support.h"

namespace vouchsafe::seal {
namespace {

SealedHeader small_header() {
    SealedHeader header;
    header.message_id.fill(1);
    header.context = {{"a", "1"}, {"b", ""}};
    header.keys = {{"provider", "info", {1, 2, 3}}};
    header.frame_length = 100;
    header.commitment.fill(2);
    header.tag.fill(3);
    return header;
}

Bytes encode(const SealedHeader& header) {
    Bytes out = MUST(encode_header_body(header));
    append(out, header.tag);
    return out;
}

Result<SealedHeader> parse(ByteView bytes) {
    Checks checks;
    return parse_header(bytes, checks);
}

// Encodes the small header with the bytes at `offset` replaced.
Result<SealedHeader> parse_with(size_t offset, ByteView replacement) {
    Bytes bytes = encode(small_header());
    std::copy(replacement.begin(), replacement.end(),
              bytes.begin() + static_cast<ptrdiff_t>(offset));
    return parse(bytes);
}

TEST(SealedHeader, ReadsWhatItWrites) {
    Bytes bytes = encode(small_header());
    append(bytes, as_bytes("the body follows"));
    SealedHeader header = MUST(parse(bytes));
    EXPECT_EQ(header.size(), bytes.size() - 16);
    EXPECT_EQ(header.context, small_header().context);
    ASSERT_EQ(header.keys.size(), 1U);
    EXPECT_EQ(header.keys[0].provider, "provider");
    EXPECT_EQ(header.keys[0].info, "info");
    EXPECT_EQ(header.keys[0].wrapped, (Bytes{1, 2, 3}));
    EXPECT_EQ(header.frame_length, 100U);
    EXPECT_EQ(header.message_id, small_header().message_id);
    EXPECT_EQ(header.commitment, small_header().commitment);
    EXPECT_EQ(header.tag, small_header().tag);
    EXPECT_EQ(encode(header), to_bytes(ByteView(bytes).first(header.size())));
}

TEST(SealedHeader, RefusesAnyLengthThatIsTooShort) {
    Bytes bytes = encode(small_header());
    for (size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_EQ(refusal(parse(ByteView(bytes).first(size))), "SEAL-TRUNCATED") << size;
    }
}

TEST(SealedHeader, RefusesOtherVersionsAndSuitesByName) {
    EXPECT_EQ(refusal(parse_with(0, Bytes{1})), "SEAL-FORMAT");
    auto base64 = parse_with(0, as_bytes("A"));
    EXPECT_NE(base64.error().message.find("base64"), std::string::npos);
    auto signed_suite = parse_with(1, Bytes{0x05, 0x78});
    EXPECT_EQ(refusal(signed_suite), "SEAL-SUITE");
    EXPECT_EQ(signed_suite.error().code, Code::unsupported);
    EXPECT_NE(signed_suite.error().message.find("AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384"),
              std::string::npos);
    EXPECT_NE(parse_with(1, Bytes{0x12, 0x34}).error().message.find("unknown suite"),
              std::string::npos);
}

TEST(SealedHeader, RefusesAMalformedContext) {
    constexpr size_t kContext = 1 + 2 + 32;  // length (2), count (2), then entries
    EXPECT_EQ(refusal(parse_with(kContext + 2, Bytes{0, 0})), "SEAL-HEADER");    // no entries
    EXPECT_EQ(refusal(parse_with(kContext + 2, Bytes{0, 1})), "SEAL-HEADER");    // bytes left
    EXPECT_EQ(refusal(parse_with(kContext + 2, Bytes{0, 3})), "SEAL-HEADER");    // too few bytes
    EXPECT_EQ(refusal(parse_with(kContext + 6, as_bytes("b"))), "SEAL-HEADER");  // a name twice
    EXPECT_EQ(refusal(parse_with(kContext + 6, as_bytes("c"))), "SEAL-HEADER");  // not sorted
    EXPECT_EQ(refusal(parse_with(kContext + 6, Bytes{0xff})), "SEAL-HEADER");    // not UTF-8
}

TEST(SealedHeader, RefusesLimitsBeingPassed) {
    Bytes bytes = encode(small_header());
    size_t end = bytes.size() - 16;
    size_t frame_length = end - 32 - 4;
    EXPECT_EQ(refusal(parse_with(frame_length - 1, Bytes{1})), "SEAL-FORMAT");  // not framed
    EXPECT_EQ(refusal(parse_with(frame_length - 1, Bytes{3})), "SEAL-FORMAT");
    EXPECT_EQ(refusal(parse_with(frame_length, Bytes{0, 0, 0, 0})), "SEAL-HEADER");
    EXPECT_EQ(refusal(parse_with(frame_length, Bytes{4, 0, 0, 1})), "SEAL-HEADER");
    EXPECT_TRUE(parse_with(frame_length, Bytes{4, 0, 0, 0}));
    size_t keys = 1 + 2 + 32 + 2 + 2 + 6 + 5;
    EXPECT_EQ(refusal(parse_with(keys, Bytes{0, 0})), "SEAL-HEADER");   // none
    EXPECT_EQ(refusal(parse_with(keys, Bytes{0, 65})), "SEAL-HEADER");  // too many

    SealedHeader large = small_header();
    large.keys.assign(64, {"provider", std::string(65535, 'i'), {}});
    EXPECT_FALSE(encode_header_body(large));
    large.keys.assign(1, {"provider", std::string(65535, 'i'), Bytes(65535)});
    EXPECT_FALSE(encode_header_body(large));
    // The same, claimed: the parser gives up at its limit, not at the end of what it was given.
    Writer claimed;
    claimed.u8(2).u16_be(kSuite).zeros(32).u16_be(0).u16_be(2);
    for (int i = 0; i < 2; ++i) claimed.u16_be(0).u16_be(65535).zeros(65535).u16_be(9).zeros(9);
    claimed.zeros(1000);
    EXPECT_EQ(refusal(parse(claimed.view())), "SEAL-HEADER");
}

TEST(SealedHeader, RefusesToWriteWhatDoesNotFit) {
    auto with = [](auto change) {
        SealedHeader header = small_header();
        change(header);
        return encode_header_body(header).has_value();
    };
    EXPECT_TRUE(with([](SealedHeader&) {}));
    EXPECT_FALSE(with([](SealedHeader& header) { header.keys.clear(); }));
    EXPECT_FALSE(with([](SealedHeader& header) { header.keys.resize(65, header.keys[0]); }));
    EXPECT_FALSE(with([](SealedHeader& header) { header.frame_length = 0; }));
    EXPECT_FALSE(with([](SealedHeader& header) { header.frame_length = kMaxFrameLength + 1; }));
    EXPECT_FALSE(with([](SealedHeader& header) { header.context["c"] = std::string(65536, 'x'); }));
    EXPECT_FALSE(with([](SealedHeader& header) { header.context["c"] = std::string(65530, 'x'); }));
    EXPECT_FALSE(with([](SealedHeader& header) { header.context["c"] = "\xff"; }));
    EXPECT_FALSE(with([](SealedHeader& header) { header.context["aws-crypto-x"] = "1"; }));
    EXPECT_FALSE(with([](SealedHeader& header) { header.keys[0].provider = "\xff"; }));
}

TEST(SealedHeader, RefusesReservedNamesInAContext) {
    SealedHeader header = small_header();
    header.context = {{"aws-cryptoX", "1"}};
    Bytes bytes = encode(header);
    MUST(parse(bytes));
    auto at = std::search(bytes.begin(), bytes.end(), std::begin("oX"), std::begin("oX") + 2);
    at[1] = '-';
    EXPECT_EQ(refusal(parse(bytes)), "SEAL-HEADER");
}

}  // namespace
}  // namespace vouchsafe::seal
