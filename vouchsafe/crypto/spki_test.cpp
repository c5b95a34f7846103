// Whatever split_plain_spki takes apart must be the key that OpenSSL reads from the same bytes, and
// what it does not take must be judged as before.
#include "vouchsafe/crypto/spki.h"

#include <gtest/gtest.h>
#include <openssl/x509.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {
namespace {

std::vector<PublicKey> some_keys() {
    std::vector<PublicKey> out = {MUST(PrivateKey::generate_rsa(2048)).public_key()};
    for (Curve curve : {Curve::p256, Curve::p384, Curve::p521, Curve::p256k}) {
        out.push_back(MUST(PrivateKey::generate_ec(curve)).public_key());
    }
    return out;
}

// by_openssl is the key that OpenSSL's own decoder finds, or null.
Pkey by_openssl(ByteView der) {
    ErrorScope errors;
    const uint8_t* next = der.data();
    Pkey key(d2i_PUBKEY(nullptr, &next, static_cast<long>(der.size())));
    if (next != der.data() + der.size()) key.reset();
    return key;
}

TEST(Spki, TakesEveryKindOfKeyApart) {
    for (const PublicKey& key : some_keys()) {
        const Bytes der = key.spki();
        const auto numbers = split_plain_spki(der);
        ASSERT_TRUE(numbers) << encode_hex(der);
        EXPECT_EQ(std::holds_alternative<RsaNumbers>(*numbers), key.type() == KeyType::rsa);
        const PublicKey again = MUST(PublicKey::from_spki(der, Curves::with_p256k));
        EXPECT_TRUE(again == key);
        EXPECT_EQ(again.spki(), der);
    }
}

TEST(Spki, RefusesTheKoblitzCurveWhereNobodyAskedForIt) {
    const Bytes der = MUST(PrivateKey::generate_ec(Curve::p256k)).public_key().spki();
    EXPECT_EQ(PublicKey::from_spki(der).error().code, Code::unsupported);
    EXPECT_TRUE(PublicKey::from_spki(der, Curves::with_p256k));
}

TEST(Spki, AgreesWithOpensslAboutEveryChangedByte) {
    for (const PublicKey& key : some_keys()) {
        const Bytes good = key.spki();
        for (size_t i = 0; i < good.size(); ++i) {
            // All bits of what gives the form, one of each byte of the numbers.
            const bool form = i < 40 || i + 8 > good.size();
            for (int bit = 0; bit < (form ? 8 : 1); ++bit) {
                Bytes changed = good;
                changed[i] = static_cast<uint8_t>(changed[i] ^ 1 << bit);
                const auto ours = PublicKey::from_spki(changed, Curves::with_p256k);
                if (!ours) continue;
                const Pkey theirs = by_openssl(changed);
                ASSERT_TRUE(theirs) << encode_hex(changed);
                EXPECT_EQ(EVP_PKEY_eq(theirs.get(), ours->handle()), 1) << encode_hex(changed);
            }
        }
    }
}

TEST(Spki, LeavesToOpensslWhatHasAnotherForm) {
    const Bytes der = MUST(PrivateKey::generate_ec(Curve::p256)).public_key().spki();
    for (size_t size = 0; size < der.size(); ++size) {
        EXPECT_FALSE(split_plain_spki(ByteView(der).first(size))) << size;
        EXPECT_FALSE(PublicKey::from_spki(ByteView(der).first(size))) << size;
    }
    Bytes longer = der;
    longer.push_back(0);
    EXPECT_FALSE(split_plain_spki(longer));
    EXPECT_FALSE(PublicKey::from_spki(longer));
    Bytes hybrid = der;
    hybrid[26] = static_cast<uint8_t>(6 + (der.back() & 1));
    EXPECT_FALSE(split_plain_spki(hybrid));
    EXPECT_EQ(PublicKey::from_spki(hybrid).error().code, Code::invalid);
    Bytes off_curve = der;
    off_curve.back() ^= 1;
    EXPECT_TRUE(split_plain_spki(off_curve));
    EXPECT_EQ(PublicKey::from_spki(off_curve).error().code, Code::invalid);
}

}  // namespace
}  // namespace vouchsafe::crypto
