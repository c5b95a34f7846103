#include "vouchsafe/crypto/rsa_padding.h"

#include <gtest/gtest.h>

#include <set>

#include "vouchsafe/crypto/random.h"

namespace vouchsafe::crypto {
namespace {

constexpr size_t kBlockSize = 256;
const Bytes kRejectionSecret(32, 5);

Bytes padded_block(ByteView message, size_t padding) {
    Bytes out = {0, 2};
    out.insert(out.end(), padding, 0xaa);
    out.push_back(0);
    append(out, message);
    return out;
}

SecretBytes remove(ByteView block, ByteView ciphertext = as_bytes("c")) {
    return remove_pkcs1_padding(block, kRejectionSecret, ciphertext);
}

TEST(RsaPadding, RemovesPkcs1) {
    for (size_t size : {0U, 1U, 32U, 245U}) {
        Bytes message = random_bytes(size);
        const Bytes block = padded_block(message, kBlockSize - size - 3);
        EXPECT_TRUE(equal(remove(block).expose(), message)) << size;
    }
    Bytes zeros(20);  // the first zero ends the padding
    EXPECT_TRUE(equal(remove(padded_block(zeros, kBlockSize - 23)).expose(), zeros));
}

TEST(RsaPadding, GivesTheSameRandomBytesForEachWrongPadding) {
    const Bytes message(32, 7);
    const Bytes good = padded_block(message, kBlockSize - 35);
    std::vector<Bytes> wrong(5, good);
    wrong[0][0] = 1;
    wrong[1][1] = 1;
    wrong[2] = padded_block(Bytes(kBlockSize - 10, 7), 7);  // one byte of padding too few
    wrong[3] = Bytes(kBlockSize, 0xaa), wrong[3][0] = 0, wrong[3][1] = 2;  // and no end of it
    wrong[4] = Bytes(kBlockSize);
    const SecretBytes rejected = remove(wrong[0]);
    for (const Bytes& block : wrong) {
        EXPECT_TRUE(equal(remove(block).expose(), rejected.expose()));
    }
    EXPECT_FALSE(equal(rejected.expose(), message));
    EXPECT_FALSE(equal(remove(wrong[0], as_bytes("d")).expose(), rejected.expose()));
    const SecretBytes other = remove_pkcs1_padding(wrong[0], Bytes(32, 6), as_bytes("c"));
    EXPECT_FALSE(equal(other.expose(), rejected.expose()));
}

TEST(RsaPadding, RejectsWithEveryLengthThatAMessageMayHave) {
    std::set<size_t> sizes;
    for (int i = 0; i < 400; ++i) {
        sizes.insert(remove(Bytes(kBlockSize), Bytes{uint8_t(i), uint8_t(i >> 8)}).size());
    }
    EXPECT_GT(sizes.size(), 150U);
    EXPECT_LE(*sizes.rbegin(), kBlockSize - 11);
    EXPECT_LT(*sizes.begin(), 10U);
}

TEST(RsaPadding, RemovesNoOaepThatIsNone) {
    const Error first = remove_oaep_padding(HashAlg::sha256, Bytes(kBlockSize)).error();
    EXPECT_EQ(first.code, Code::bad_evidence);
    for (const Bytes& block : {random_bytes(kBlockSize), Bytes(), Bytes(10)}) {
        EXPECT_EQ(remove_oaep_padding(HashAlg::sha256, block).error().message, first.message);
    }
}

}  // namespace
}  // namespace vouchsafe::crypto
