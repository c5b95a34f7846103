#include "vouchsafe/crypto/sealed_blob.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace vouchsafe::crypto {
namespace {

RootKey root_key(uint8_t fill) {
    return MUST(RootKey::from_bytes(Bytes(32, fill)));
}

TEST(SealedBlob, OpensWhatItSealed) {
    RootKey key = root_key(1);
    for (std::string_view text : {"", "x", "a private key"}) {
        Bytes sealed = key.seal("attest/key", as_bytes(text));
        EXPECT_EQ(sealed.size(), text.size() + 52);
        EXPECT_EQ(MUST(key.open("attest/key", sealed)).expose_text(), text);
    }
}

TEST(SealedBlob, NeverSealsTwiceTheSame) {
    RootKey key = root_key(1);
    EXPECT_NE(key.seal("c", as_bytes("same")), key.seal("c", as_bytes("same")));
}

TEST(SealedBlob, RefusesEveryFlippedBitAnotherContextAndAnotherKey) {
    RootKey key = root_key(1);
    Bytes sealed = key.seal("vault/key/a", as_bytes("secret"));
    for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
        Bytes changed = sealed;
        changed[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
        EXPECT_EQ(key.open("vault/key/a", changed).error().code, Code::bad_evidence) << bit;
    }
    for (size_t size = 0; size < sealed.size(); ++size) {
        EXPECT_FALSE(key.open("vault/key/a", ByteView(sealed).first(size))) << size;
    }
    EXPECT_EQ(key.open("vault/key/b", sealed).error().code, Code::bad_evidence);
    EXPECT_EQ(root_key(2).open("vault/key/a", sealed).error().code, Code::bad_evidence);
}

TEST(SealedBlob, RefusesARootKeyOfAnotherSize) {
    EXPECT_FALSE(RootKey::from_bytes(Bytes(31, 1)));
    EXPECT_FALSE(RootKey::from_bytes(Bytes(33, 1)));
}

TEST(RootKeyFile, IsMadeOnceWithModeSixHundred) {
    TemporaryDir dir = MUST(TemporaryDir::create("rootkey"));
    Path file = dir.path() / "root.key";
    RootKey first = MUST(RootKey::load_or_create(file));
    EXPECT_EQ(std::filesystem::file_size(file), 32u);
    EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600));
    RootKey again = MUST(RootKey::load_or_create(file));
    EXPECT_EQ(MUST(again.open("c", first.seal("c", as_bytes("x")))).expose_text(), "x");
}

TEST(RootKeyFile, IsRefusedIfOthersMayReadItOrItIsNoKey) {
    TemporaryDir dir = MUST(TemporaryDir::create("rootkey"));
    Path file = dir.path() / "root.key";
    MUST(RootKey::load_or_create(file));
    std::filesystem::permissions(file, std::filesystem::perms(0640));
    EXPECT_EQ(RootKey::load_or_create(file).error().code, Code::forbidden);

    MUST(write_file(dir.path() / "short.key", as_bytes("short"), Overwrite::no, 0600));
    EXPECT_EQ(RootKey::load_or_create(dir.path() / "short.key").error().code, Code::invalid);
    EXPECT_FALSE(RootKey::load_or_create(dir.path() / "no" / "such" / "folder.key"));
}

}  // namespace
}  // namespace vouchsafe::crypto
