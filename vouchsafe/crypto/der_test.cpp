#include "vouchsafe/crypto/der.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/test_support.h"

namespace vouchsafe::crypto {
namespace {

// oid is "refused" for what does not parse.
std::string oid(const std::string& text) {
    return parse_der_oid(hex(text)).value_or("refused");
}

TEST(Der, ReadsOneElementAndLeavesTheRest) {
    Bytes bytes = hex("0402aabb0500");
    DerElement element = MUST(parse_der_element(bytes));
    EXPECT_EQ(element.tag, 4);
    EXPECT_EQ(encode_hex(element.content), "aabb");
    EXPECT_EQ(encode_hex(element.whole), "0402aabb");
}

TEST(Der, RefusesLengthsThatDerDoesNotHave) {
    for (const char* text : {"", "04", "0401", "0480", "048101aa", "04820001aa", "0485000000000001",
                             "04ff", "0484ffffffff", "1f0100"}) {
        EXPECT_FALSE(parse_der_element(hex(text)).has_value()) << text;
    }
}

TEST(Der, ReadsObjectIdentifiers) {
    EXPECT_EQ(oid("060a2a864886f84d010d0102"), "1.2.840.113741.1.13.1.2");
    EXPECT_EQ(oid("0603550406"), "2.5.4.6");
    EXPECT_EQ(oid("060100"), "0.0");
    EXPECT_EQ(oid("06028837"), "2.999");
    EXPECT_EQ(oid("06062a8fffffff7f"), "1.2.4294967295");
}

TEST(Der, RefusesMalformedObjectIdentifiers) {
    for (const char* text :
         {"0600", "060180", "06022a80", "06032a8001", "06062a9080808000", "06012a00", "04012a"}) {
        EXPECT_EQ(oid(text), "refused") << text;
    }
}

TEST(Der, ReadsEnumerated) {
    EXPECT_EQ(parse_der_enumerated(hex("0a0101")).value_or(99), 1u);
    for (const char* text : {"0a00", "0a0180", "0a020001", "020101", "0a010100"}) {
        EXPECT_FALSE(parse_der_enumerated(hex(text)).has_value()) << text;
    }
}

TEST(Der, ReadsNamedValues) {
    Bytes bytes = hex("3013 3008 0603550403 020105 3007 06032a0304 0400");
    auto values = MUST(parse_der_named_values(bytes));
    ASSERT_EQ(values.size(), 2u);
    EXPECT_EQ(values[0].oid, "2.5.4.3");
    EXPECT_EQ(encode_hex(values[0].value), "020105");
    EXPECT_EQ(values[1].oid, "1.2.3.4");
    EXPECT_EQ(encode_hex(values[1].value), "0400");
    EXPECT_TRUE(MUST(parse_der_named_values(hex("3000"))).empty());
}

TEST(Der, RefusesMalformedNamedValues) {
    for (const char* text : {"", "0400", "300a 3008 0603550403 020105 00",
                             "3014 3008 0603550403 020105 3008 0603550403 020106",  // twice
                             "300a 3108 0603550403 020105",                         // a SET
                             "300c 300a 0603550403 020105 0500",                    // two values
                             "3007 3005 0603550403",                                // none
                             "300a 3008 0403550403 020105"}) {                      // no OID
        EXPECT_FALSE(parse_der_named_values(hex(text)).has_value()) << text;
    }
}

}  // namespace
}  // namespace vouchsafe::crypto
