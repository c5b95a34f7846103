// AES-256-GCM messages, as an attacker would send them.
#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/crypto/negative_vectors.h"

namespace vouchsafe::crypto {
namespace {

using namespace testing;

TEST(NegativeAesGcm, OnlyWhatWasSealedOpensAndElseNothingIsLeftBehind) {
    for (AeadEngine engine : {AeadEngine::openssl, AeadEngine::ipsec_mb}) {
        if (!engine_available(engine)) continue;
        for (const Json& row : negative_vectors("aes_gcm")) {
            SCOPED_TRACE(std::string(engine_name(engine)) + ": " + text_of(row, "why"));
            AesGcm gcm = MUST(AesGcm::create(bytes_of(row, "key"), engine));
            Bytes text = bytes_of(row, "ciphertext");
            Bytes out(text.size(), 0xee);
            auto opened = gcm.open(bytes_of(row, "nonce"), bytes_of(row, "aad"), text,
                                   bytes_of(row, "tag"), out);
            EXPECT_EQ(opened.has_value(), row.at("holds").get<bool>());
            if (opened) continue;
            EXPECT_EQ(opened.error().code, Code::bad_evidence);
            EXPECT_TRUE(all_zero(out));
        }
    }
}

// A part of a tag is weaker, and a nonce of another size makes another message: the sizes are in
// the type's contract, so that no caller can pass on what an attacker chose.
TEST(NegativeAesGcmDeathTest, TagsAndNoncesHaveOneSize) {
    const Json& row = negative_vectors("aes_gcm").at(0);
    AesGcm gcm = MUST(AesGcm::create(bytes_of(row, "key")));
    Bytes nonce = bytes_of(row, "nonce");
    Bytes tag = bytes_of(row, "tag");
    Bytes text = bytes_of(row, "ciphertext");
    Bytes out(text.size());
    auto open = [&](ByteView with_nonce, ByteView with_tag) {
        (void)gcm.open(with_nonce, {}, text, with_tag, out);
    };
    EXPECT_DEATH(open(nonce, {}), "tag of 16 bytes");
    EXPECT_DEATH(open(nonce, ByteView(tag).first(12)), "tag of 16 bytes");
    EXPECT_DEATH(open(nonce, Bytes(17)), "tag of 16 bytes");
    EXPECT_DEATH(open({}, tag), "nonce of 12 bytes");
    EXPECT_DEATH(open(ByteView(nonce).first(8), tag), "nonce of 12 bytes");
    EXPECT_DEATH(open(Bytes(16), tag), "nonce of 12 bytes");
}

}  // namespace
}  // namespace vouchsafe::crypto
