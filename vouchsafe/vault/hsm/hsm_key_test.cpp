#include <gtest/gtest.h>

#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/crypto/wrap.h"
#include "vouchsafe/vault/hsm/softhsm_for_test.h"

namespace vouchsafe::vault {
namespace {

using crypto::HashAlg;
using crypto::SigAlg;

class HsmKeyTest : public SoftHsmTest {
  protected:
    // An AES key that we know, in the token and here.
    HsmKey import_aes(const Hsm& hsm, ByteView key) {
        return MUST(hsm.import_key({HsmKeyKind::aes, key.size() * 8, {}}, key, fresh_name(),
                                   Releasable::no));
    }
};

TEST_F(HsmKeyTest, SignsWithRsaAsOpensslVerifies) {
    const Hsm hsm = open_hsm();
    for (size_t bits : {2048U, 3072U, 4096U}) {
        const HsmKey key = generate(hsm, {HsmKeyKind::rsa, bits, {}});
        const crypto::PublicKey half = MUST(key.public_key());
        EXPECT_EQ(half.bits(), bits);
        EXPECT_EQ(MUST(MUST(hsm.find(key.id())).public_key()), half);
        for (SigAlg alg : {SigAlg::rs256, SigAlg::rs384, SigAlg::rs512, SigAlg::ps256,
                           SigAlg::ps384, SigAlg::ps512}) {
            const Bytes digest = crypto::hash(crypto::sig_alg_hash(alg), as_bytes("message"));
            const Bytes signature = MUST(key.sign_digest(alg, digest));
            EXPECT_TRUE(half.verify_digest(alg, digest, signature)) << crypto::sig_alg_name(alg);
            EXPECT_TRUE(half.verify(alg, as_bytes("message"), signature));
            EXPECT_FALSE(half.verify(alg, as_bytes("massage"), signature));
            EXPECT_EQ(key.sign_digest(alg, Bytes(31)).error().code, Code::invalid);
        }
        EXPECT_EQ(key.sign_digest(SigAlg::es256, Bytes(32)).error().code, Code::invalid);
    }
}

TEST_F(HsmKeyTest, SignsBareBytesWithRsa) {
    const HsmKey key = import_rsa(open_hsm());
    const crypto::PublicKey half = MUST(key.public_key());
    // RS256 is the same over a DigestInfo.
    const Bytes digest = crypto::hash(HashAlg::sha256, as_bytes("m"));
    Bytes info = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                  0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    append(info, digest);
    EXPECT_TRUE(half.verify_digest(SigAlg::rs256, digest, MUST(key.sign_unhashed(info))));
    EXPECT_TRUE(key.sign_unhashed(Bytes(245)));
    EXPECT_EQ(key.sign_unhashed(Bytes(246)).error().code, Code::invalid);
}

TEST_F(HsmKeyTest, SignsWithEachCurveAsOpensslVerifies) {
    const Hsm hsm = open_hsm();
    constexpr std::pair<crypto::Curve, SigAlg> kPairs[] = {{crypto::Curve::p256, SigAlg::es256},
                                                           {crypto::Curve::p384, SigAlg::es384},
                                                           {crypto::Curve::p521, SigAlg::es512}};
    for (auto [curve, alg] : kPairs) {
        const HsmKey key = generate(hsm, {HsmKeyKind::ec, 0, curve});
        const crypto::PublicKey half = MUST(key.public_key());
        for (int i = 0; i < 20; ++i) {  // r and s have leading zeros now and then
            const Bytes digest = crypto::random_bytes(crypto::hash_size(crypto::sig_alg_hash(alg)));
            const Bytes signature = MUST(key.sign_digest(alg, digest));
            EXPECT_TRUE(half.verify_digest(alg, digest, signature));
        }
        for (auto [other, other_alg] : kPairs) {
            if (other == curve) continue;
            const Bytes digest(crypto::hash_size(crypto::sig_alg_hash(other_alg)));
            EXPECT_EQ(key.sign_digest(other_alg, digest).error().code, Code::invalid);
        }
        EXPECT_EQ(key.sign_digest(SigAlg::rs256, Bytes(32)).error().code, Code::invalid);
    }
}

TEST_F(HsmKeyTest, DecryptsOaepWithEachHash) {
    const HsmKey key = import_rsa(open_hsm());
    const HsmKey other = import_rsa(open_hsm(), Releasable::no, 1);
    const crypto::PublicKey half = MUST(key.public_key());
    for (HashAlg hash : {HashAlg::sha1, HashAlg::sha256, HashAlg::sha384, HashAlg::sha512}) {
        for (std::string_view text : {"", "x", "a key of thirty-two bytes, more or less"}) {
            const Bytes sealed = MUST(half.encrypt_oaep(hash, as_bytes(text)));
            EXPECT_EQ(MUST(key.decrypt_oaep(hash, sealed)).expose_text(), text);
            EXPECT_EQ(other.decrypt_oaep(hash, sealed).error().code, Code::bad_evidence);
        }
        Bytes sealed = MUST(half.encrypt_oaep(hash, as_bytes("x")));
        const auto wrong = hash == HashAlg::sha1 ? HashAlg::sha256 : HashAlg::sha1;
        const Error first = key.decrypt_oaep(wrong, sealed).error();
        EXPECT_EQ(first.code, Code::bad_evidence);
        sealed.back() ^= 1;
        EXPECT_EQ(key.decrypt_oaep(hash, sealed).error().message, first.message);
        sealed.pop_back();
        EXPECT_EQ(key.decrypt_oaep(hash, sealed).error().message, first.message);
        EXPECT_EQ(key.decrypt_oaep(hash, Bytes(256, 0xff)).error().message, first.message);
    }
}

TEST_F(HsmKeyTest, DecryptsPkcs1AndTellsNothingOfAWrongPadding) {
    const Hsm hsm = open_hsm();
    const HsmKey key = import_rsa(hsm);
    const crypto::PublicKey half = MUST(key.public_key());
    for (size_t size : {0U, 1U, 32U, 245U}) {
        const Bytes text = crypto::random_bytes(size);
        const Bytes sealed = MUST(half.encrypt_pkcs1(text));
        EXPECT_TRUE(equal(MUST(key.decrypt_pkcs1_any(sealed)).expose(), text));
    }
    Bytes wrong = MUST(half.encrypt_oaep(HashAlg::sha256, as_bytes("no such padding")));
    const SecretBytes first = MUST(key.decrypt_pkcs1_any(wrong));
    EXPECT_LE(first.size(), 245U);
    // The same each time, also for who opens the key anew; another one for another ciphertext.
    EXPECT_TRUE(equal(MUST(key.decrypt_pkcs1_any(wrong)).expose(), first.expose()));
    const HsmKey again = MUST(hsm.find(key.id()));
    EXPECT_TRUE(equal(MUST(again.decrypt_pkcs1_any(wrong)).expose(), first.expose()));
    wrong = MUST(half.encrypt_oaep(HashAlg::sha256, as_bytes("no such padding")));
    EXPECT_FALSE(equal(MUST(key.decrypt_pkcs1_any(wrong)).expose(), first.expose()));
    // What everybody can see is an error.
    EXPECT_EQ(key.decrypt_pkcs1_any(Bytes(255)).error().code, Code::bad_evidence);
    EXPECT_EQ(key.decrypt_pkcs1_any(Bytes(256, 0xff)).error().code, Code::bad_evidence);
}

TEST_F(HsmKeyTest, SealsWithAesGcmAsOpensslOpens) {
    const Hsm hsm = open_hsm();
    for (size_t size : {16U, 24U, 32U}) {
        const Bytes raw = crypto::random_bytes(size);
        const HsmKey key = import_aes(hsm, raw);
        crypto::AesGcm reference = MUST(crypto::AesGcm::create_any(raw));
        const Bytes nonce = crypto::random_bytes(12);
        for (std::string_view aad : {"", "bound"}) {
            for (size_t length : {1U, 16U, 1000U}) {
                const Bytes text = crypto::random_bytes(length);
                const GcmSealed sealed = MUST(key.gcm_seal(nonce, as_bytes(aad), text));
                Bytes expected(length), tag(16);
                reference.seal(nonce, as_bytes(aad), text, expected, tag);
                EXPECT_TRUE(equal(sealed.ciphertext, expected));
                EXPECT_TRUE(equal(sealed.tag, tag));
                EXPECT_TRUE(
                    equal(MUST(key.gcm_open(nonce, as_bytes(aad), expected, tag)).expose(), text));
                EXPECT_EQ(key.gcm_open(nonce, as_bytes("else"), expected, tag).error().code,
                          Code::bad_evidence);
                expected[0] ^= 1;
                EXPECT_EQ(key.gcm_open(nonce, as_bytes(aad), expected, tag).error().code,
                          Code::bad_evidence);
                expected[0] ^= 1;
                tag[15] ^= 1;
                EXPECT_EQ(key.gcm_open(nonce, as_bytes(aad), expected, tag).error().code,
                          Code::bad_evidence);
            }
        }
        EXPECT_EQ(key.gcm_seal(Bytes(11), {}, Bytes(1)).error().code, Code::invalid);
        EXPECT_EQ(key.gcm_open(nonce, {}, Bytes(1), Bytes(15)).error().code, Code::invalid);
    }
}

TEST_F(HsmKeyTest, HasAesCbcWithAndWithoutPadding) {
    // NIST SP 800-38A, F.2.5, first block.
    const Bytes raw = {0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe, 0x2b, 0x73, 0xae,
                       0xf0, 0x85, 0x7d, 0x77, 0x81, 0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61,
                       0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3, 0x09, 0x14, 0xdf, 0xf4};
    const Bytes iv = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const Bytes text = {0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96,
                        0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a};
    const Bytes expected = {0xf5, 0x8c, 0x4c, 0x04, 0xd6, 0xe5, 0xf1, 0xba,
                            0x77, 0x9e, 0xab, 0xfb, 0x5f, 0x7b, 0xfb, 0xd6};
    const HsmKey key = import_aes(open_hsm(), raw);
    EXPECT_TRUE(equal(MUST(key.cbc_encrypt(iv, false, text)), expected));
    EXPECT_TRUE(equal(MUST(key.cbc_decrypt(iv, false, expected)).expose(), text));
    EXPECT_EQ(key.cbc_encrypt(iv, false, Bytes(15)).error().code, Code::invalid);
    EXPECT_EQ(key.cbc_encrypt(Bytes(15), false, text).error().code, Code::invalid);
    for (size_t size : {1U, 15U, 16U, 100U}) {
        const Bytes plain = crypto::random_bytes(size);
        const Bytes sealed = MUST(key.cbc_encrypt(iv, true, plain));
        EXPECT_EQ(sealed.size(), size / 16 * 16 + 16);
        EXPECT_TRUE(equal(MUST(key.cbc_decrypt(iv, true, sealed)).expose(), plain));
        EXPECT_EQ(key.cbc_decrypt(iv, true, ByteView(sealed).first(15)).error().code,
                  Code::invalid);
    }
    EXPECT_EQ(key.cbc_decrypt(iv, true, expected).error().code, Code::bad_evidence);
}

TEST_F(HsmKeyTest, WrapsAndUnwrapsAsOpensslDoes) {
    const Bytes raw = crypto::random_bytes(32);
    const HsmKey key = import_aes(open_hsm(), raw);
    for (size_t size : {16U, 24U, 32U, 64U}) {
        const Bytes secret = crypto::random_bytes(size);
        const Bytes wrapped = MUST(key.kw_wrap(false, secret));
        EXPECT_TRUE(equal(wrapped, MUST(crypto::aes_kw_wrap(raw, secret))));
        EXPECT_TRUE(equal(MUST(key.kw_unwrap(false, wrapped)).expose(), secret));
    }
    // SoftHSM counts its filling as part of the key when it wraps, and unwraps rightly.
    for (size_t size : {1U, 7U, 8U, 16U, 33U, 1000U}) {
        const Bytes secret = crypto::random_bytes(size);
        const Bytes expected = MUST(crypto::aes_kwp_wrap(raw, secret));
        EXPECT_TRUE(equal(MUST(key.kw_unwrap(true, expected)).expose(), secret)) << size;
        const auto done = key.kw_wrap(true, secret);
        if (size % 8 == 0) {
            EXPECT_TRUE(done && equal(*done, expected)) << size;
        } else {
            EXPECT_EQ(done.error().code, Code::unsupported) << size;
        }
    }
    Bytes wrapped = MUST(key.kw_wrap(false, Bytes(32, 7)));
    wrapped[3] ^= 1;
    EXPECT_EQ(key.kw_unwrap(false, wrapped).error().code, Code::bad_evidence);
    EXPECT_EQ(key.kw_unwrap(true, wrapped).error().code, Code::bad_evidence);
    EXPECT_EQ(key.kw_unwrap(false, Bytes(23)).error().code, Code::bad_evidence);
    EXPECT_EQ(key.kw_wrap(false, Bytes(15)).error().code, Code::invalid);
    EXPECT_EQ(key.kw_wrap(true, {}).error().code, Code::invalid);
}

TEST_F(HsmKeyTest, IsWrappedOutForReleaseAsTheSameKey) {
    const Hsm hsm = open_hsm();
    const crypto::PrivateKey& machine = test_rsa_key();
    const HsmKey rsa = generate(hsm, kRsa2048, Releasable::yes);
    for (HashAlg hash : {HashAlg::sha1, HashAlg::sha256, HashAlg::sha384}) {
        const Bytes wrapped = MUST(rsa_aes_wrap(machine.public_key(), hash, rsa));
        const SecretBytes pkcs8 = MUST(crypto::rsa_aes_unwrap(machine, hash, wrapped));
        const auto opened = MUST(crypto::PrivateKey::from_pkcs8(pkcs8.expose()));
        EXPECT_EQ(opened.public_key(), MUST(rsa.public_key()));
    }
    for (crypto::Curve curve : {crypto::Curve::p256, crypto::Curve::p384, crypto::Curve::p521}) {
        const HsmKey ec = generate(hsm, {HsmKeyKind::ec, 0, curve}, Releasable::yes);
        const Bytes kek = crypto::random_bytes(32);
        const SecretBytes pkcs8 = MUST(crypto::aes_kwp_unwrap(kek, MUST(ec.wrap_out(kek))));
        EXPECT_EQ(MUST(crypto::PrivateKey::from_pkcs8(pkcs8.expose())).public_key(),
                  MUST(ec.public_key()));
    }
    const Bytes raw = crypto::random_bytes(24);
    const HsmKey aes =
        MUST(hsm.import_key({HsmKeyKind::aes, 192, {}}, raw, fresh_name(), Releasable::yes));
    const Bytes kek = crypto::random_bytes(32);
    EXPECT_TRUE(equal(MUST(crypto::aes_kwp_unwrap(kek, MUST(aes.wrap_out(kek)))).expose(), raw));
    EXPECT_EQ(aes.wrap_out(Bytes(16)).error().code, Code::invalid);
}

TEST_F(HsmKeyTest, StaysInTheTokenUnlessItWasMadeToBeReleased) {
    const Hsm hsm = open_hsm();
    for (const HsmKeySpec& spec : {kRsa2048, kP256, kAes256}) {
        const HsmKey key = generate(hsm, spec);
        EXPECT_FALSE(key.releasable());
        EXPECT_EQ(key.wrap_out(Bytes(32)).error().code, Code::forbidden);
        EXPECT_FALSE(MUST(hsm.find(key.id())).releasable());
    }
}

TEST_F(HsmKeyTest, DoesNothingThatBelongsToAnotherKindOfKey) {
    const Hsm hsm = open_hsm();
    const HsmKey ec = generate(hsm, kP256);
    const HsmKey aes = generate(hsm, kAes256);
    const HsmKey rsa = import_rsa(hsm);
    for (const HsmKey* key : {&ec, &aes}) {
        EXPECT_EQ(key->sign_unhashed(Bytes(8)).error().code, Code::invalid);
        EXPECT_EQ(key->sign_digest(SigAlg::ps256, Bytes(32)).error().code, Code::invalid);
        EXPECT_EQ(key->decrypt_oaep(HashAlg::sha1, Bytes(256)).error().code, Code::invalid);
        EXPECT_EQ(key->decrypt_pkcs1_any(Bytes(256)).error().code, Code::invalid);
    }
    for (const HsmKey* key : {&ec, &rsa}) {
        EXPECT_EQ(key->gcm_seal(Bytes(12), {}, Bytes(8)).error().code, Code::invalid);
        EXPECT_EQ(key->gcm_open(Bytes(12), {}, {}, Bytes(16)).error().code, Code::invalid);
        EXPECT_EQ(key->cbc_encrypt(Bytes(16), true, Bytes(8)).error().code, Code::invalid);
        EXPECT_EQ(key->cbc_decrypt(Bytes(16), true, Bytes(16)).error().code, Code::invalid);
        EXPECT_EQ(key->kw_wrap(true, Bytes(8)).error().code, Code::invalid);
        EXPECT_EQ(key->kw_unwrap(true, Bytes(16)).error().code, Code::invalid);
    }
    EXPECT_EQ(aes.public_key().error().code, Code::invalid);
    EXPECT_EQ(aes.sign_digest(SigAlg::es256, Bytes(32)).error().code, Code::invalid);
}

}  // namespace
}  // namespace vouchsafe::vault
