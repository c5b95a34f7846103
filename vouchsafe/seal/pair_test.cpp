#include "vouchsafe/seal/pair.h"

#include <gtest/gtest.h>

#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/seal/test_support.h"

namespace vouchsafe::seal {
namespace {

struct Pair {
    Bytes enc;
    Bytes key;
};

Pair sealed_pair(ByteView plain, const WrapKey& wrap) {
    TemporaryDir dir = MUST(TemporaryDir::create("pair"));
    MemorySource in(plain);
    OutputFile out = MUST(OutputFile::create(dir.path() / "x.enc", Overwrite::no));
    Pair made;
    made.key = MUST(seal_pair(in, out, wrap));
    MUST(out.commit());
    made.enc = MUST(read_file(dir.path() / "x.enc"));
    return made;
}

// 256 bytes that begin with the key: costs no RSA.
const WrapKey kPlainWrap = [](ByteView key) {
    Bytes out = to_bytes(key);
    out.resize(256);
    return Result<Bytes>(std::move(out));
};
const PairUnwrap kPlainUnwrap = [](ByteView wrapped) {
    return Result<SecretBytes>(SecretBytes::copy_of(wrapped.first(32)));
};

Result<Opened> open(const Pair& pair, const PairUnwrap& unwrap = kPlainUnwrap) {
    Checks checks;
    MemorySource source(pair.enc);
    return open_pair(source, pair.key, unwrap, checks);
}

TEST(Pair, OpensWhatTheTutorialsPythonSealed) {
    Pair pair{vector("pair_python.enc"), vector("pair_python.key")};
    EXPECT_EQ(to_bytes(MUST(open(pair, pair_unwrap_with(test_key()))).expose()),
              vector("plain_150.txt"));
}

TEST(Pair, RoundTripsWithBothPaddings) {
    for (WrapAlg alg : {WrapAlg::rsa1_5, WrapAlg::rsa_oaep_256}) {
        Pair pair = sealed_pair(as_bytes("content"), wrap_with(test_key().public_key(), alg));
        EXPECT_EQ(pair.enc.size(), 12 + 7 + 16U);
        EXPECT_EQ(pair.key.size(), 256U);
        EXPECT_EQ(as_text(MUST(open(pair, pair_unwrap_with(test_key(), alg))).expose()), "content");
    }
}

TEST(Pair, RoundTripsEverySizeAroundItsPieces) {
    constexpr size_t kPiece = 1 << 20;
    for (size_t size : {size_t{0}, size_t{1}, kPiece - 1, kPiece, kPiece + 1, 3 * kPiece}) {
        Pair pair = sealed_pair(pattern(size), kPlainWrap);
        EXPECT_EQ(to_bytes(MUST(open(pair)).expose()), pattern(size)) << size;
    }
}

TEST(Pair, IsOneGcmMessageOverTheWholeFile) {
    Bytes plain = pattern(3000000);
    Pair pair = sealed_pair(plain, kPlainWrap);
    ByteView enc = pair.enc;
    auto aead = MUST(crypto::AesGcm::create(ByteView(pair.key).first(32)));
    Bytes out(plain.size());
    MUST(aead.open(enc.first(12), {}, enc.subspan(12, plain.size()), enc.last(16), out));
    EXPECT_EQ(out, plain);
}

TEST(Pair, StreamsFilesAndOpensThem) {
    TemporaryDir dir = MUST(TemporaryDir::create("pair"));
    MUST(write_file(dir.path() / "plain", pattern(2500000), Overwrite::no));
    auto in = MUST(FileSource::open(dir.path() / "plain"));
    OutputFile out = MUST(OutputFile::create(dir.path() / "x.enc", Overwrite::no));
    Bytes key = MUST(seal_pair(*in, out, kPlainWrap));
    MUST(out.commit());
    auto enc = MUST(FileSource::open(dir.path() / "x.enc"));
    Checks checks;
    EXPECT_EQ(to_bytes(MUST(open_pair(*enc, key, kPlainUnwrap, checks)).expose()),
              pattern(2500000));
    EXPECT_EQ(checks.list().back().code, "PAIR-TAG");
}

TEST(Pair, EveryBitIsBound) {
    Pair pair = sealed_pair(pattern(40), kPlainWrap);
    for (size_t i = 0; i < pair.enc.size() * 8; ++i) {
        Pair changed = pair;
        changed.enc[i / 8] ^= static_cast<uint8_t>(1 << i % 8);
        EXPECT_EQ(refusal(open(changed)), "PAIR-TAG") << i;
    }
}

TEST(Pair, NoOtherLengthOpens) {
    Pair pair = sealed_pair(pattern(40), kPlainWrap);
    for (size_t size = 0; size < pair.enc.size() + 20; ++size) {
        Pair changed = pair;
        changed.enc.resize(size);
        auto opened = open(changed);
        if (size == pair.enc.size()) {
            EXPECT_TRUE(opened);
        } else {
            EXPECT_EQ(refusal(opened), size < 28 ? "PAIR-SIZE" : "PAIR-TAG") << size;
        }
    }
}

TEST(Pair, RefusesAnotherKeyFile) {
    Pair pair = sealed_pair(pattern(40), kPlainWrap);
    for (size_t size : {0, 32, 255, 257, 344}) {
        Pair changed = pair;
        changed.key.resize(size);
        auto opened = open(changed);
        EXPECT_EQ(refusal(opened), "PAIR-KEY") << size;
        EXPECT_EQ(opened.error().code, Code::invalid);
    }
    Pair other = sealed_pair(pattern(40), kPlainWrap);
    EXPECT_EQ(refusal(open({pair.enc, other.key})), "PAIR-TAG");
    // RSA1_5 unwraps garbage to a random key, and only the tag tells.
    Pair garbage{pair.enc, Bytes(256, 1)};
    EXPECT_EQ(refusal(open(garbage, pair_unwrap_with(test_key()))), "PAIR-TAG");
    auto shorter = [](ByteView wrapped) {
        return Result<SecretBytes>(SecretBytes::copy_of(wrapped.first(16)));
    };
    EXPECT_EQ(refusal(open(pair, shorter)), "PAIR-KEY");
}

}  // namespace
}  // namespace vouchsafe::seal
