#include "vouchsafe/net/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vouchsafe::net {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using namespace std::string_literals;

TEST(Target, DropsEmptySegments) {
    EXPECT_THAT(MUST(parse_target("/keys/k//release")).path, ElementsAre("keys", "k", "release"));
    EXPECT_THAT(MUST(parse_target("//keys/k/")).path, ElementsAre("keys", "k"));
    EXPECT_THAT(MUST(parse_target("/")).path, IsEmpty());
    EXPECT_THAT(MUST(parse_target("/?a=b")).path, IsEmpty());
}

TEST(Target, DecodesSegmentsWhichStayText) {
    EXPECT_THAT(MUST(parse_target("/a%2Fb/%2e%2E/./../%00/%41%3a")).path,
                ElementsAre("a/b", "..", ".", "..", "\0"s, "A:"));
    EXPECT_THAT(MUST(parse_target("/a+b")).path, ElementsAre("a+b"));
    EXPECT_THAT(MUST(parse_target("/%2525")).path, ElementsAre("%25"));
}

TEST(Target, DecodesQueryNamesAndValuesInOrder) {
    EXPECT_THAT(MUST(parse_target("/k?api%2Dversion=7.4&a=1&a=2+3%2B&b&&=c&d=e=f?g/h")).query,
                ElementsAre(Pair("api-version", "7.4"), Pair("a", "1"), Pair("a", "2 3+"),
                            Pair("b", ""), Pair("", "c"), Pair("d", "e=f?g/h")));
    EXPECT_THAT(MUST(parse_target("/k?a%26b=%3D")).query, ElementsAre(Pair("a&b", "=")));
    EXPECT_THAT(MUST(parse_target("/k?")).query, IsEmpty());
}

TEST(Target, TakesTheAbsoluteForm) {
    Target target = MUST(parse_target("http://169.254.169.254:80/metadata/instance?a=b"));
    EXPECT_EQ(target.authority, "169.254.169.254:80");
    EXPECT_THAT(target.path, ElementsAre("metadata", "instance"));
    EXPECT_THAT(target.query, ElementsAre(Pair("a", "b")));
    EXPECT_THAT(MUST(parse_target("HTTPS://h?a")).query, ElementsAre(Pair("a", "")));
}

TEST(Target, RefusesWhatIsNoTarget) {
    for (std::string_view text :
         {"",      "*",        "keys",      "host:443",    "/%",          "/%4",  "/%g0",
          "/%0g",  "/a?%",     "/a?b=%1",   "/a b",        "/a\tb",       "/a#b", "/\x80",
          "/\x7f", "ftp://h/", "http:///x", "http://u@h/", "http://h:0/", "?a"}) {
        EXPECT_FALSE(parse_target(text).has_value()) << text;
    }
    EXPECT_FALSE(parse_target("/a\0b"s).has_value());
}

TEST(Authority, TakesNamesAddressesAndPorts) {
    Authority authority = MUST(parse_authority("My-Vault_1.vault.Azure.net:8443"));
    EXPECT_EQ(authority.host, "my-vault_1.vault.azure.net");
    EXPECT_EQ(authority.port, 8443);
    EXPECT_EQ(MUST(parse_authority("127.0.0.1")).port, std::nullopt);
    EXPECT_EQ(MUST(parse_authority("[FE80::1]:1")).host, "[fe80::1]");
    EXPECT_EQ(MUST(parse_authority("h:65535")).port, 65535);
    EXPECT_TRUE(parse_authority(std::string(63, 'a') + ".b").has_value());
}

TEST(Authority, RefusesEverythingElse) {
    for (std::string_view text :
         {"",           ":80",          "h:",          "h:0",       "h:65536", "h:080", "h:+1",
          "h:1x",       "h:1:2",        "u@h",         "u:p@h",     "a..b",    ".a",    "a.",
          "a b",        "a/b",          "a%41",        "h\xc3\xa4", "::1",     "[::1",  "[::1]x",
          "[::1]:",     "[::1%25eth0]", "[127.0.0.1]", "[]",        "127.1",   "1",     "256.0.0.1",
          "0x7f000001", "a.0x1",        "1.2.3.04"}) {
        EXPECT_FALSE(parse_authority(text).has_value()) << text;
    }
    EXPECT_FALSE(parse_authority(std::string(64, 'a') + ".b").has_value());
    EXPECT_FALSE(parse_authority("h\0"s).has_value());
}

}  // namespace
}  // namespace vouchsafe::net
