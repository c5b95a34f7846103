#include "vouchsafe/crypto/cose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/test_support.h"

namespace vouchsafe::crypto {
namespace {

using ::testing::HasSubstr;

// RFC 9052, appendix C.2.1, and the key "11" of C.7.1.
constexpr std::string_view kExample =
    "d28443a10126a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c465ab05aac34"
    "cc6b23d58fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c3"
    "45cacb36";
PublicKey example_key() {
    return MUST(PublicKey::from_ec(
        Curve::p256, hex("bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff"),
        hex("20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e")));
}

TEST(Cose, VerifiesTheExampleOfTheStandard) {
    CoseSign1 message = MUST(parse_cose_sign1(hex(kExample)));
    EXPECT_EQ(message.alg, -7);
    EXPECT_EQ(as_text(message.payload), "This is the content.");
    EXPECT_EQ(message.unprotected.find(4)->string, to_bytes("11"));
    EXPECT_TRUE(message.chain.empty());
    EXPECT_FALSE(message.x5t);
    EXPECT_TRUE(verify_cose_sign1(message, example_key()));
}

TEST(Cose, RefusesEveryFlippedBitOfTheExampleThatIsSigned) {
    // The tag says only what follows, and the other header is signed by nobody.
    Bytes genuine = hex(kExample);
    const CoseSign1 original = MUST(parse_cose_sign1(genuine));
    const PublicKey key = example_key();
    size_t accepted = 0;
    for (size_t bit = 0; bit < genuine.size() * 8; ++bit) {
        Bytes changed = genuine;
        changed[bit / 8] = static_cast<uint8_t>(changed[bit / 8] ^ (1U << (bit % 8)));
        auto message = parse_cose_sign1(changed);
        if (!message || !verify_cose_sign1(*message, key)) continue;
        ++accepted;
        EXPECT_EQ(message->protected_bytes, original.protected_bytes) << bit;
        EXPECT_EQ(message->payload, original.payload) << bit;
        EXPECT_EQ(message->signature, original.signature) << bit;
    }
    EXPECT_GT(accepted, 0U);
}

struct Keys {
    PrivateKey rsa = *PrivateKey::generate_rsa(2048);
    PrivateKey p256 = *PrivateKey::generate_ec(Curve::p256);
    PrivateKey p384 = *PrivateKey::generate_ec(Curve::p384);
    PrivateKey p521 = *PrivateKey::generate_ec(Curve::p521);
};
const Keys& keys() {
    static const Keys made;
    return made;
}

Cbor label(int64_t number) {
    return Cbor::of(number);
}

Bytes message_of(const std::vector<Cbor>& header, const std::vector<Cbor>& unprotected = {},
                 ByteView signature = {}) {
    Cbor content = Cbor::of_array({Cbor::of_bytes(encode_cbor(Cbor::of_map(header))),
                                   Cbor::of_map(unprotected), Cbor::of_bytes(as_bytes("payload")),
                                   Cbor::of_bytes(signature)});
    return encode_cbor(Cbor::of_tag(18, std::move(content)));
}

std::string refusal(ByteView bytes) {
    auto message = parse_cose_sign1(bytes);
    if (message) return "accepted";
    EXPECT_EQ(message.error().code, Code::invalid);
    return message.error().message;
}
std::string refusal(const std::vector<Cbor>& header, const std::vector<Cbor>& unprotected = {}) {
    return refusal(message_of(header, unprotected));
}

TEST(Cose, VerifiesEveryAlgorithmWithItsOwnKeyAlone) {
    struct Row {
        int64_t number;
        SigAlg alg;
        const PrivateKey& key;
    };
    const Row kRows[] = {{-7, SigAlg::es256, keys().p256},  {-35, SigAlg::es384, keys().p384},
                         {-36, SigAlg::es512, keys().p521}, {-37, SigAlg::ps256, keys().rsa},
                         {-38, SigAlg::ps384, keys().rsa},  {-39, SigAlg::ps512, keys().rsa}};
    for (const Row& row : kRows) {
        EXPECT_EQ(cose_sig_alg(row.number), row.alg);
        std::vector<Cbor> header{label(kCoseAlg), Cbor::of(row.number)};
        Bytes to_sign = cose_sig_structure(encode_cbor(Cbor::of_map(header)), as_bytes("payload"));
        Bytes signature = MUST(row.key.sign(row.alg, to_sign));
        CoseSign1 message = MUST(parse_cose_sign1(message_of(header, {}, signature)));
        EXPECT_TRUE(verify_cose_sign1(message, row.key.public_key()));
        const PrivateKey& other = &row.key == &keys().rsa ? keys().p256 : keys().rsa;
        EXPECT_FALSE(verify_cose_sign1(message, other.public_key()));
        message.payload.push_back(0);
        EXPECT_FALSE(verify_cose_sign1(message, row.key.public_key()));
    }
    // RS256, EdDSA, HMAC: not here.
    for (int64_t other : {-257, -8, 5, 0, -40}) EXPECT_EQ(cose_sig_alg(other), std::nullopt);
    CoseSign1 message = MUST(parse_cose_sign1(message_of({label(kCoseAlg), Cbor::of(-8)})));
    EXPECT_FALSE(verify_cose_sign1(message, keys().p256.public_key()));
}

TEST(Cose, RefusesRsaKeysBelow2048Bits) {
    Bytes odd(128, 0xff);
    PublicKey weak = MUST(PublicKey::from_rsa(odd, hex("010001")));
    CoseSign1 message =
        MUST(parse_cose_sign1(message_of({label(kCoseAlg), Cbor::of(-38)}, {}, Bytes(128, 1))));
    auto verified = verify_cose_sign1(message, weak);
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().code, Code::bad_evidence);
    EXPECT_THAT(verified.error().message, HasSubstr("too weak"));
}

TEST(Cose, RefusesWhatIsNotFourMembersBehindItsTag) {
    EXPECT_THAT(refusal(hex("d38443a10126a04040")), HasSubstr("tag 19"));
    EXPECT_EQ(refusal(hex("8443a10126a04040")), "accepted");  // the tag may be left out
    for (const char* bytes :
         {"a0", "80", "8343a10126a040", "8543a10126a0404040", "8460a04040", "8443a10126804040",
          "8443a10126a0f640", "8443a10126a040f6", "d2d28443a10126a04040", "8443a10126a0604040"}) {
        EXPECT_NE(refusal(hex(bytes)), "accepted") << bytes;
    }
    EXPECT_NE(refusal(hex("8443a10126a0404000")), "accepted");
    EXPECT_THAT(refusal(Bytes(kMaxCoseBytes + 1, 0)), HasSubstr("longer than the limit"));
}

TEST(Cose, RefusesHeadersThatAreNotPlain) {
    Cbor alg = Cbor::of(-38);
    EXPECT_EQ(refusal({label(kCoseAlg), alg}), "accepted");
    EXPECT_EQ(refusal({label(kCoseAlg), alg, Cbor::of_text("iss"), Cbor::of(1)}), "accepted");
    EXPECT_THAT(refusal(hex("8440a04040")), HasSubstr("protected header"));
    EXPECT_THAT(refusal(hex("844180a04040")), HasSubstr("no map"));
    EXPECT_THAT(refusal(std::vector<Cbor>{}), HasSubstr("alg"));
    EXPECT_THAT(refusal(std::vector<Cbor>{}, {label(kCoseAlg), alg}), HasSubstr("alg"));
    EXPECT_THAT(refusal({label(kCoseAlg), Cbor::of_text("PS384")}), HasSubstr("alg"));
    EXPECT_THAT(refusal({label(kCoseAlg), alg, label(kCoseCrit), Cbor::of_array({label(33)})}),
                HasSubstr("critical"));
    EXPECT_THAT(refusal({label(kCoseAlg), alg, Cbor::of_bytes({}), alg}), HasSubstr("label"));
    EXPECT_THAT(refusal({label(kCoseAlg), alg}, {Cbor::of_bytes({}), alg}), HasSubstr("label"));
    EXPECT_THAT(refusal({label(kCoseAlg), alg}, {label(kCoseAlg), alg}), HasSubstr("both headers"));
    EXPECT_THAT(refusal({label(kCoseAlg), alg, label(kCoseAlg), alg}), HasSubstr("twice"));
}

TEST(Cose, ReadsOneCertificateAsBytesAndMoreAsAnArray) {
    CertificateSpec spec;
    spec.subject = {{"CN", "signer"}};
    spec.not_before = from_unix(1700000000);
    spec.not_after = from_unix(1800000000);
    Certificate cert = MUST(issue_certificate(spec, keys().p256.public_key(), nullptr, keys().p256,
                                              CertSignature::ecdsa_sha256));
    Cbor der = Cbor::of_bytes(cert.der());
    Cbor alg = Cbor::of(-7);
    auto with_chain = [&](Cbor chain) {
        return message_of({label(kCoseAlg), alg, label(kCoseX5chain), std::move(chain)});
    };
    EXPECT_EQ(MUST(parse_cose_sign1(with_chain(der))).chain.size(), 1U);
    EXPECT_EQ(MUST(parse_cose_sign1(with_chain(Cbor::of_array({der, der})))).chain.size(), 2U);
    EXPECT_EQ(refusal(with_chain(Cbor::of_array(std::vector<Cbor>(8, der)))), "accepted");
    for (const Cbor& bad :
         {Cbor::of_array({}), Cbor::of_array({der}), Cbor::of_array(std::vector<Cbor>(9, der)),
          Cbor::of_array({der, Cbor::of(1)}), Cbor::of_bytes({}), Cbor::of_text("x"),
          Cbor::of_array({der, Cbor::of_bytes(as_bytes("0"))})}) {
        EXPECT_THAT(refusal(with_chain(bad)), HasSubstr("x5chain"));
    }
    // A chain in the other header is nobody's statement.
    EXPECT_TRUE(
        MUST(parse_cose_sign1(message_of({label(kCoseAlg), alg}, {label(kCoseX5chain), der})))
            .chain.empty());

    auto with_x5t = [&](Cbor x5t) {
        return message_of({label(kCoseAlg), alg, label(kCoseX5t), std::move(x5t)});
    };
    for (auto [number, hash_alg] :
         {std::pair{-16, HashAlg::sha256}, std::pair{-43, HashAlg::sha384},
          std::pair{-44, HashAlg::sha512}}) {
        Cbor x5t = Cbor::of_array({Cbor::of(number), Cbor::of_bytes(hash(hash_alg, cert.der()))});
        EXPECT_TRUE(MUST(parse_cose_sign1(with_x5t(x5t))).x5t->names(cert));
        x5t.items[1].string[0] ^= 1;
        EXPECT_FALSE(MUST(parse_cose_sign1(with_x5t(x5t))).x5t->names(cert));
    }
    Cbor sha1 = Cbor::of_array({Cbor::of(-14), Cbor::of_bytes(cert.sha1_fingerprint())});
    for (const Cbor& bad : {sha1, Cbor::of_array({Cbor::of(-16)}), Cbor::of(-16),
                            Cbor::of_array({Cbor::of(-16), Cbor::of(1)})}) {
        EXPECT_THAT(refusal(with_x5t(bad)), HasSubstr("x5t"));
    }
}

}  // namespace
}  // namespace vouchsafe::crypto
