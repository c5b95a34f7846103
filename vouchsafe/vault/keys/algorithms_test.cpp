// Every algorithm of azure-api A.5 through the vault's handler.
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/keys/test_keys.h"

namespace vouchsafe::vault::test {
namespace {

class AlgorithmsTest : public KeyUseTest {};

TEST_F(AlgorithmsTest, SignsAndVerifiesWithEveryAlgorithm) {
    ASSERT_EQ(create("rsa", {{"kty", "RSA"}}).status, 200);
    struct {
        const char *alg, *key;
        size_t digest, signature;
    } const cases[] = {
        {"RS256", "rsa", 32, 256},   {"RS384", "rsa", 48, 256},   {"RS512", "rsa", 64, 256},
        {"PS256", "rsa", 32, 256},   {"PS384", "rsa", 48, 256},   {"PS512", "rsa", 64, 256},
        {"RSNULL", "rsa", 51, 256},  {"ES256", "P-256", 32, 64},  {"ES384", "P-384", 48, 96},
        {"ES512", "P-521", 64, 132}, {"ES256K", "P-256K", 32, 64}};
    for (const auto& c : cases) {
        if (std::string_view(c.key) != "rsa") {
            ASSERT_EQ(create(c.key, {{"kty", "EC"}, {"crv", c.key}}).status, 200);
        }
        const std::string key = c.key;
        Bytes digest = crypto::random_bytes(c.digest);
        Answer made = use(key + "/sign", {{"alg", c.alg}, {"value", b64(digest)}});
        ASSERT_EQ(made.status, 200) << c.alg << dump_json(made.body);
        Bytes signature = bytes_of(made.body["value"]);
        EXPECT_EQ(signature.size(), c.signature);
        EXPECT_EQ(recorded(made).at(0).entry.action, "keys/sign");
        const auto verify = [&](const Bytes& what, const Bytes& by) {
            Answer answer =
                use(key + "/verify", {{"alg", c.alg}, {"digest", b64(what)}, {"value", b64(by)}});
            EXPECT_EQ(answer.status, 200) << c.alg << dump_json(answer.body);
            return answer.body;
        };
        EXPECT_EQ(verify(digest, signature), Json({{"value", true}})) << c.alg;
        signature[7] ^= 1;
        EXPECT_EQ(verify(digest, signature), Json({{"value", false}})) << c.alg;
        signature[7] ^= 1;
        digest[7] ^= 1;
        EXPECT_EQ(verify(digest, signature), Json({{"value", false}}));
        EXPECT_EQ(verify(digest, Bytes(signature.begin(), signature.end() - 1)),
                  Json({{"value", false}}));
        EXPECT_EQ(verify(digest, {}), Json({{"value", false}}));
        EXPECT_EQ(verify(digest, Bytes(c.signature)), Json({{"value", false}}));
        EXPECT_EQ(verify(digest, Bytes(c.signature, 0xff)), Json({{"value", false}}));
        if (std::string_view(c.alg) == "RSNULL") continue;
        for (size_t size : {size_t{0}, c.digest - 1, c.digest + 1, size_t{20}}) {
            const std::string wrong = b64(Bytes(size));
            EXPECT_EQ(use(key + "/sign", {{"alg", c.alg}, {"value", wrong}}).status, 400);
            EXPECT_EQ(
                use(key + "/verify", {{"alg", c.alg}, {"digest", wrong}, {"value", b64(signature)}})
                    .status,
                400);
        }
    }
}

// A published value: RFC 4231, test case 2, is HMAC of a text; ours is of a digest, so the expected
// value is that of HMAC itself, whose own tests have the RFC's.
TEST_F(AlgorithmsTest, AuthenticatesWithOctKeys) {
    const Bytes octets = crypto::random_bytes(64);
    import_oct("mac", octets);
    struct {
        const char* alg;
        crypto::HashAlg hash;
    } const cases[] = {{"HS256", crypto::HashAlg::sha256},
                       {"HS384", crypto::HashAlg::sha384},
                       {"HS512", crypto::HashAlg::sha512}};
    for (const auto& c : cases) {
        const Bytes digest = crypto::random_bytes(crypto::hash_size(c.hash));
        Answer made = use("mac/sign", {{"alg", c.alg}, {"value", b64(digest)}});
        ASSERT_EQ(made.status, 200) << dump_json(made.body);
        Bytes mac = bytes_of(made.body["value"]);
        EXPECT_EQ(mac, crypto::hmac(c.hash, octets, digest));
        const auto verify = [&] {
            return use("mac/verify", {{"alg", c.alg}, {"digest", b64(digest)}, {"value", b64(mac)}})
                .body;
        };
        EXPECT_EQ(verify(), Json({{"value", true}}));
        mac.back() ^= 1;
        EXPECT_EQ(verify(), Json({{"value", false}}));
        mac.pop_back();
        EXPECT_EQ(verify(), Json({{"value", false}}));
    }
    import_oct("short", Bytes(16, 1));
    EXPECT_EQ(use("short/sign", {{"alg", "HS256"}, {"value", b64(Bytes(32))}}).status, 400);
}

TEST_F(AlgorithmsTest, EncryptsWithAesGcm) {
    for (size_t bits : {128, 192, 256}) {
        const std::string key = "k" + std::to_string(bits);
        const std::string alg = fmt::format("A{}GCM", bits);
        ASSERT_EQ(create(key, {{"kty", "oct"}, {"key_size", bits}}).status, 200);
        for (size_t size : {0, 1, 16, 1000}) {
            const Bytes plaintext = crypto::random_bytes(size);
            Answer sealed =
                use(key + "/encrypt", {{"alg", alg}, {"value", b64(plaintext)}, {"aad", "AQID"}});
            ASSERT_EQ(sealed.status, 200) << dump_json(sealed.body);
            EXPECT_EQ(bytes_of(sealed.body["iv"]).size(), 12U);
            EXPECT_EQ(bytes_of(sealed.body["tag"]).size(), 16U);
            EXPECT_EQ(sealed.body["aad"], "AQID");
            EXPECT_EQ(bytes_of(sealed.body["value"]).size(), size);
            EXPECT_EQ(recorded(sealed).size(), 1U) << "an oct key was used";
            Json back = {{"alg", alg},
                         {"value", sealed.body["value"]},
                         {"iv", sealed.body["iv"]},
                         {"tag", sealed.body["tag"]},
                         {"aad", sealed.body["aad"]}};
            Answer opened = use(key + "/decrypt", back);
            EXPECT_EQ(opened.body, Json({{"kid", sealed.body["kid"]}, {"value", b64(plaintext)}}));
            std::set<std::string> messages;
            for (const char* member : {"iv", "tag", "aad", "value"}) {
                Json changed = back;
                Bytes value = bytes_of(changed[member]);
                if (value.empty()) continue;
                value[0] ^= 1;
                changed[member] = b64(value);
                Answer refused = use(key + "/decrypt", changed);
                EXPECT_EQ(refused.status, 400);
                messages.insert(refused.message());
            }
            EXPECT_EQ(messages.size(), 1U);
            for (const char* member : {"iv", "tag"}) {
                for (const Json& bad : {Json(nullptr), Json(""), Json("AAAA"), Json(7)}) {
                    Json changed = back;
                    changed[member] = bad;
                    EXPECT_EQ(use(key + "/decrypt", changed).status, 400) << member << bad;
                }
            }
        }
    }
}

// The ciphertext of NIST SP 800-38D's reference (McGrew and Viega, test case 16: AES-256 with AAD).
TEST_F(AlgorithmsTest, OpensAPublishedAesGcmCiphertext) {
    import_oct(
        "k", MUST(decode_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308")));
    Answer opened =
        use("k/decrypt",
            {{"alg", "A256GCM"},
             {"iv", b64(MUST(decode_hex("cafebabefacedbaddecaf888")))},
             {"aad", b64(MUST(decode_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2")))},
             {"tag", b64(MUST(decode_hex("76fc6ece0f4e1768cddf8853bb2d551b")))},
             {"value",
              b64(MUST(decode_hex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                                  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662")))}});
    ASSERT_EQ(opened.status, 200) << dump_json(opened.body);
    EXPECT_EQ(encode_hex(bytes_of(opened.body["value"])),
              "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
              "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
}

TEST_F(AlgorithmsTest, EncryptsWithAesCbc) {
    const Bytes iv = crypto::random_bytes(16);
    for (size_t bits : {128, 192, 256}) {
        const std::string key = "k" + std::to_string(bits);
        ASSERT_EQ(create(key, {{"kty", "oct-HSM"}, {"key_size", bits}}).status, 200);
        for (const bool padded : {false, true}) {
            const std::string alg = fmt::format("A{}CBC{}", bits, padded ? "PAD" : "");
            const Bytes plaintext = crypto::random_bytes(padded ? 21 : 32);
            Json body = {{"alg", alg}, {"value", b64(plaintext)}, {"iv", b64(iv)}};
            Answer sealed = use(key + "/encrypt", body);
            ASSERT_EQ(sealed.status, 200) << dump_json(sealed.body);
            EXPECT_EQ(sealed.body["iv"], b64(iv));
            EXPECT_EQ(bytes_of(sealed.body["value"]).size(), 32U);
            Json back = {{"alg", alg}, {"value", sealed.body["value"]}, {"iv", b64(iv)}};
            EXPECT_EQ(use(key + "/decrypt", back).body["value"], b64(plaintext));
            for (const char* iv_text : {"", "AAAA"}) {
                body["iv"] = iv_text;
                EXPECT_EQ(use(key + "/encrypt", body).status, 400);
            }
            body.erase("iv");
            EXPECT_EQ(use(key + "/encrypt", body).status, 400);
            back["tag"] = b64(Bytes(16));
            EXPECT_EQ(use(key + "/decrypt", back).status, 400) << "nothing authenticates it";
        }
        EXPECT_EQ(use(key + "/encrypt",
                      {{"alg", fmt::format("A{}CBC", bits)}, {"value", "AAAA"}, {"iv", b64(iv)}})
                      .status,
                  400);
    }
    // A wrong padding and a wrong size are refused with the same words.
    const auto refused = [&](const Bytes& value) {
        Answer answer =
            use("k256/decrypt", {{"alg", "A256CBCPAD"}, {"value", b64(value)}, {"iv", b64(iv)}});
        EXPECT_EQ(answer.status, 400);
        return answer.message();
    };
    std::set<std::string> messages{refused(Bytes(15)), refused({})};
    // Of random blocks one in some 256 has a padding that holds.
    int held = 0;
    for (int i = 0; i < 20; ++i) {
        Answer answer =
            use("k256/decrypt",
                {{"alg", "A256CBCPAD"}, {"value", b64(crypto::random_bytes(16))}, {"iv", b64(iv)}});
        if (answer.status == 200) {
            ++held;
        } else {
            messages.insert(answer.message());
        }
    }
    EXPECT_LT(held, 5);
    EXPECT_EQ(messages.size(), 1U);
}

TEST_F(AlgorithmsTest, WrapsWithAesKeys) {
    for (size_t bits : {128, 192, 256}) {
        const std::string key = "k" + std::to_string(bits);
        ASSERT_EQ(create(key, {{"kty", "oct"}, {"key_size", bits}}).status, 200);
        const Bytes secret = crypto::random_bytes(32);
        for (const std::string& alg : {fmt::format("A{}KW", bits), std::string("CKM_AES_KEY_WRAP"),
                                       std::string("CKM_AES_KEY_WRAP_PAD")}) {
            Answer wrapped = use(key + "/wrapkey", {{"alg", alg}, {"value", b64(secret)}});
            ASSERT_EQ(wrapped.status, 200) << dump_json(wrapped.body);
            Bytes value = bytes_of(wrapped.body["value"]);
            EXPECT_EQ(value.size(), 40U);
            EXPECT_EQ(use(key + "/unwrapkey", {{"alg", alg}, {"value", b64(value)}}).body["value"],
                      b64(secret));
            value[5] ^= 1;
            EXPECT_EQ(use(key + "/unwrapkey", {{"alg", alg}, {"value", b64(value)}}).message(),
                      "value does not decrypt with this key and alg");
            const bool padded = alg.ends_with("PAD");
            EXPECT_EQ(use(key + "/wrapkey", {{"alg", alg}, {"value", b64(Bytes(20))}}).status,
                      padded ? 200 : 400);
            EXPECT_EQ(use(key + "/unwrapkey", {{"alg", alg}, {"value", ""}}).status, 400);
        }
    }
    // RFC 3394, 4.6.
    import_oct(
        "rfc",
        MUST(decode_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")));
    const Bytes key_data =
        MUST(decode_hex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f"));
    EXPECT_EQ(encode_hex(bytes_of(
                  use("rfc/wrapkey", {{"alg", "A256KW"}, {"value", b64(key_data)}}).body["value"])),
              "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21");
}

}  // namespace
}  // namespace vouchsafe::vault::test
