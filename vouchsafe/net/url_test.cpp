#include <gtest/gtest.h>

#include "vouchsafe/net/client.h"

namespace vouchsafe::net {
namespace {

TEST(Url, IsTakenApart) {
    Url url = MUST(Url::parse("HTTPS://My.Vault.azure.net/keys/K//release?api-version=7.4"));
    EXPECT_EQ(url.scheme, "https");
    EXPECT_EQ(url.host, "my.vault.azure.net");
    EXPECT_EQ(url.port, 443);
    EXPECT_EQ(url.target, "/keys/K//release?api-version=7.4");
    EXPECT_EQ(url.origin(), "https://my.vault.azure.net");
}

TEST(Url, HasDefaultsForPortAndTarget) {
    EXPECT_EQ(MUST(Url::parse("http://169.254.169.254")).port, 80);
    EXPECT_EQ(MUST(Url::parse("http://h")).target, "/");
    EXPECT_EQ(MUST(Url::parse("http://h?a=b")).target, "/?a=b");
    EXPECT_EQ(MUST(Url::parse("http://h:80/")).origin(), "http://h");
    EXPECT_EQ(MUST(Url::parse("https://h:80/")).origin(), "https://h:80");
}

TEST(Url, TakesIpv6LiteralsInBrackets) {
    Url url = MUST(Url::parse("https://[::1]:8443/a"));
    EXPECT_EQ(url.host, "[::1]");
    EXPECT_EQ(url.port, 8443);
    EXPECT_EQ(url.origin(), "https://[::1]:8443");
}

TEST(Url, RefusesWhatLibrariesReadDifferently) {
    for (std::string_view text : {"",
                                  "h",
                                  "//h/",
                                  "https:/h",
                                  "https:h",
                                  "ftp://h/",
                                  "file:///etc/passwd",
                                  " https://h/",
                                  "https://",
                                  "https:///a",
                                  "https://?a",
                                  "https://user@h/",
                                  "https://h@evil/",
                                  "https://h:0/",
                                  "https://h:65536/",
                                  "https://h:/",
                                  "https://h:44 3/",
                                  "https://h/#a",
                                  "https://h#@evil/",
                                  "https://h\\@evil/",
                                  "https://h/a b",
                                  "https://h/\x80",
                                  "https://h/{kid}",
                                  "https://h/%zz",
                                  "https://h/%",
                                  "https://::1/",
                                  "https://127.1/",
                                  "https://h/a\r\nHost: evil"}) {
        Result<Url> url = Url::parse(text);
        ASSERT_FALSE(url.has_value()) << text;
        EXPECT_EQ(url.error().code, Code::invalid);
    }
    EXPECT_TRUE(Url::parse("https://h/" + std::string(8000, 'a')).has_value());
    EXPECT_FALSE(Url::parse("https://h/" + std::string(9000, 'a')).has_value());
}

}  // namespace
}  // namespace vouchsafe::net
