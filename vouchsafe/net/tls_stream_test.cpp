#include "vouchsafe/net/tls_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/ioctl.h>

#include "vouchsafe/net/door_test_support.h"

namespace vouchsafe::net {
namespace {

using test::eventually;

// Streams are a TlsStream and a client of it, after the handshake.
class Streams {
  public:
    Streams()
        : listener_(test::listen_tcp()),
          client_(test::port_of(listener_.get())),
          accepted_(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)),
          context_(MUST(make_server_context(test::Authority().issue("streams.test")))),
          stream(context_.get(), accepted_.get()) {
        SSL_set_fd(client.get(), client_.fd());
        ::fcntl(client_.fd(), F_SETFL, O_NONBLOCK);
        bool shaken = false;
        EXPECT_TRUE(eventually([&] {
            shaken = SSL_connect(client.get()) == 1 || shaken;
            return stream.shake() == Io::done && shaken;
        }));
    }
    bool has_unread() const {
        int count = 0;
        ::ioctl(accepted_.get(), FIONREAD, &count);
        return count > 0;
    }
    void hang_up() { ::shutdown(client_.fd(), SHUT_RDWR); }

  private:
    UniqueFd listener_;
    test::RawClient client_;
    UniqueFd accepted_;
    TlsContext context_;
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> client_context_{
        SSL_CTX_new(TLS_client_method()), SSL_CTX_free};

  public:
    TlsStream stream;
    std::unique_ptr<SSL, decltype(&SSL_free)> client{SSL_new(client_context_.get()), SSL_free};
};

TEST(TlsStream, ReadsAndWritesWhatIsThere) {
    Streams streams;
    std::string read;
    EXPECT_EQ(streams.stream.read(read), Io::wants_read);
    ASSERT_EQ(SSL_write(streams.client.get(), "hello", 5), 5);
    EXPECT_TRUE(eventually([&] { return streams.stream.read(read) == Io::done; }));
    EXPECT_EQ(read, "hello");
    size_t sent = 1;
    EXPECT_EQ(streams.stream.write("!back", sent), Io::done);
    EXPECT_EQ(sent, 5U);
    char answer[8];
    EXPECT_TRUE(eventually([&] { return SSL_read(streams.client.get(), answer, 8) == 4; }));
}

TEST(TlsStream, WantsToWriteWhatNobodyReads) {
    Streams streams;
    const std::string much(1 << 20, 'x');
    Io io = Io::done;
    for (int i = 0; i < 64 && io == Io::done; ++i) {
        size_t sent = 0;
        io = streams.stream.write(much, sent);
    }
    EXPECT_EQ(io, Io::wants_write);
}

// Without a bound a client that sends nothing else would keep its thread for ever.
TEST(TlsStream, StopsReadingKeysThatChangeAndChange) {
    Streams streams;
    for (int i = 0; i < 5000; ++i) {
        ASSERT_EQ(SSL_key_update(streams.client.get(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        ASSERT_EQ(SSL_do_handshake(streams.client.get()), 1) << i;
    }
    ASSERT_EQ(SSL_write(streams.client.get(), "done", 4), 4);
    std::string read;
    EXPECT_EQ(streams.stream.read(read), Io::wants_read);
    EXPECT_TRUE(streams.has_unread());
    EXPECT_TRUE(eventually([&] { return streams.stream.read(read) == Io::done; }));
    EXPECT_EQ(read, "done");
}

TEST(TlsStream, FindsOutThatThePeerIsGoneWithoutASignal) {
    Streams streams;
    auto* before = ::signal(SIGPIPE, SIG_DFL);
    streams.hang_up();
    std::string read;
    EXPECT_TRUE(eventually([&] { return streams.stream.read(read) == Io::over; }));
    size_t sent = 0;
    const std::string much(1 << 20, 'x');
    EXPECT_EQ(streams.stream.write(much, sent), Io::over);
    ::signal(SIGPIPE, before);
}

}  // namespace
}  // namespace vouchsafe::net
