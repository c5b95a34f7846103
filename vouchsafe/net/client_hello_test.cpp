// What comes at an https entrance before TLS is there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/net/door_test_support.h"

namespace vouchsafe::net {
namespace {

using std::chrono::milliseconds;
using test::Door;
using test::enter_https;
using test::Entered;
using test::kUnrecognizedName;
using test::RawClient;
using test::Visitor;
using testing::ElementsAre;

// hello is the first flight of a TLS client that asks for `name`: one record.
std::string hello(const std::string& name, int version = TLS1_3_VERSION) {
    std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()),
                                                         SSL_CTX_free);
    SSL_CTX_set_max_proto_version(context.get(), version);
    std::unique_ptr<SSL, void (*)(SSL*)> tls(SSL_new(context.get()), SSL_free);
    if (!name.empty()) SSL_set_tlsext_host_name(tls.get(), name.c_str());
    BIO* out = BIO_new(BIO_s_mem());
    SSL_set_bio(tls.get(), BIO_new(BIO_s_mem()), out);
    SSL_connect(tls.get());
    char* bytes = nullptr;
    long size = BIO_get_mem_data(out, &bytes);
    return {bytes, static_cast<size_t>(size)};
}

// in_records has the same message in records of `size` bytes.
std::string in_records(std::string_view record, size_t size) {
    std::string out;
    for (std::string_view rest = record.substr(5); !rest.empty();) {
        std::string_view part = rest.substr(0, size);
        out += std::string("\x16\x03\x01\x00", 4) + static_cast<char>(part.size());
        out += part;
        rest.remove_prefix(part.size());
    }
    return out;
}

// answer_to is what comes back for bytes behind which there is nothing.
std::string answer_to(uint16_t port, std::string_view bytes) {
    RawClient client(port);
    client.send(bytes);
    ::shutdown(client.fd(), SHUT_WR);
    return client.read_all();
}

MATCHER(IsServerHello, "") {
    return arg.size() > 5 && arg[0] == 0x16 && arg[5] == 0x02;
}
MATCHER_P(IsAlert, code, "") {
    return arg.size() == 7 && arg[0] == 0x15 && arg[6] == code;
}

TEST(ClientHello, IsTakenInAnyPieces) {
    Door door;
    Entered entered = enter_https(door);
    for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const std::string good = hello("login.example.org", version);
        EXPECT_THAT(answer_to(entered.port, good), IsServerHello());
        for (size_t size : {1, 3, 5, 100}) {
            EXPECT_THAT(answer_to(entered.port, in_records(good, size)), IsServerHello()) << size;
        }
        RawClient slow(entered.port);
        for (char byte : good) {
            ASSERT_TRUE(slow.send({&byte, 1}));
            std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
        EXPECT_EQ(slow.read_until("\x02").substr(0, 1), "\x16");
    }
}

TEST(ClientHello, IsRefusedWithAnAlertIfItsNameIsNone) {
    Door door;
    Entered entered = enter_https(door);
    std::string good = hello("login.example.org");
    const size_t name = good.find("login");
    ASSERT_NE(name, std::string::npos);
    EXPECT_THAT(answer_to(entered.port, hello("")), IsAlert(kUnrecognizedName));
    for (char byte : {'/', ' ', '\n', ':', '@', '\x7f', '\xe4', '*'}) {
        std::string other = good;
        other[name + 2] = byte;
        EXPECT_THAT(answer_to(entered.port, other), IsAlert(kUnrecognizedName)) << byte;
    }
    std::string zero = good;
    zero[name + 2] = 0;
    EXPECT_THAT(answer_to(entered.port, zero), IsAlert(kUnrecognizedName));
    std::string upper = good;
    upper[name + 2] = 'G';
    EXPECT_THAT(answer_to(entered.port, upper), IsServerHello());
    EXPECT_THAT(answer_to(entered.port, hello(std::string(255, 'a'))), IsAlert(kUnrecognizedName));
    // Another kind of name (not 0, host_name), and lengths that do not fit.
    for (size_t at : {name - 3, name - 2, name - 1, name - 5, name - 4}) {
        std::string other = good;
        ++other[at];
        EXPECT_THAT(answer_to(entered.port, other), testing::Not(IsServerHello())) << name - at;
    }
    EXPECT_THAT(door.minted(), ElementsAre("login.example.org"));
}

TEST(ClientHello, MayHaveAnyByteWrong) {
    Door door;
    Entered entered = enter_https(door);
    auto is_harmless = [&](const std::string& bytes) {
        std::string answer = answer_to(entered.port, bytes);
        return answer.empty() || answer[0] == 0x15 || answer[0] == 0x16;
    };
    for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const std::string good = hello("login.example.org", version);
        for (size_t at = 0; at < good.size(); ++at) {
            for (int flip : {0xff, 0x01}) {
                std::string bad = good;
                bad[at] = static_cast<char>(bad[at] ^ flip);
                EXPECT_TRUE(is_harmless(bad)) << at;
            }
            EXPECT_EQ(answer_to(entered.port, good.substr(0, at)), "") << at;  // and cut
        }
    }
    EXPECT_THAT(door.minted(), ElementsAre("login.example.org"));
    Visitor visitor(door, entered, "login.example.org");
    EXPECT_EQ(visitor.tls.shake(), 0);
}

TEST(ClientHello, IsNotWaitedForLong) {
    Door door([](FrontDoorOptions& options) { options.idle_timeout = milliseconds(200); });
    Entered entered = enter_https(door);
    RawClient silent(entered.port), half(entered.port), plain(entered.port), endless(entered.port);
    ASSERT_TRUE(half.send(hello("login.example.org").substr(0, 60)));
    ASSERT_TRUE(plain.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    // A message of 16 MiB, as its length says: more than any hello has.
    ASSERT_TRUE(endless.send(std::string("\x16\x03\x01\x40\x00\x01\xff\xff\xff", 9)));
    auto begin = test::Clock::now();
    EXPECT_TRUE(silent.closed());
    EXPECT_TRUE(half.closed());
    EXPECT_TRUE(plain.closed());
    EXPECT_TRUE(endless.closed());
    EXPECT_LT(test::since(begin), milliseconds(1500));
}

}  // namespace
}  // namespace vouchsafe::net
