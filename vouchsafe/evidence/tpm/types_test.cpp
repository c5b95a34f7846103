#include "vouchsafe/evidence/tpm/types.h"

#include "vouchsafe/evidence/tpm/test_keys.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

Bytes ak_area() {
    return rsa_area(ak_key().public_key(), kAkAttributes, {}, kTpmAlgRsassa);
}

Bytes ecc_area(const crypto::PublicKey& key, uint16_t curve) {
    crypto::EcPublicParts parts = MUST(key.ec());
    Writer out;
    out.u16_be(kTpmAlgEcc).u16_be(kTpmAlgSha256).u32_be(kAkAttributes).u16_be(0);
    out.u16_be(kTpmAlgNull).u16_be(kTpmAlgEcdsa).u16_be(kTpmAlgSha256).u16_be(curve);
    return out.u16_be(kTpmAlgNull).bytes(tpm2b(parts.x)).bytes(tpm2b(parts.y)).take();
}

TEST(TpmPublic, ReadsARecordedAk) {
    Bytes area = vector_bytes("local/identity-on/ak_pub_tpmt.bin");
    TpmPublic ak = MUST(TpmPublic::parse_area(area));
    EXPECT_EQ(ak.attributes, 0x00050472u);
    EXPECT_TRUE(ak.has(kTpmaRestricted | kTpmaSign | kTpmaFixedTpm));
    EXPECT_FALSE(ak.has(kTpmaDecrypt));
    EXPECT_EQ(ak.key_bits, 2048);
    auto key = MUST(ak.signing_key());
    EXPECT_EQ(key.alg, crypto::SigAlg::rs256);
    EXPECT_EQ(key.key,
              MUST(crypto::PublicKey::from_pem(vector_text("local/sb-on-shim-grub/ak_pub.pem"))));
    EXPECT_EQ(hex(ak.name()), "000b" + hex(crypto::sha256(area)));
}

TEST(TpmPublic, ReadsTheSizedFormWithAndWithoutTheRest) {
    Bytes sized = tpm2b(ak_area());
    EXPECT_TRUE(TpmPublic::parse(sized));
    EXPECT_TRUE(equal(MUST(TpmPublic::parse(sized)).area, ak_area()));
    sized.resize(sized.size() + 72, 0xab);  // name and qualified name of the ReadPublic answer
    EXPECT_FALSE(TpmPublic::parse(sized));
    EXPECT_TRUE(TpmPublic::parse_prefix(sized));
}

TEST(TpmPublic, ReadsEccKeys) {
    auto key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
    TpmPublic ak = MUST(TpmPublic::parse_area(ecc_area(key.public_key(), 3)));
    EXPECT_EQ(MUST(ak.public_key()), key.public_key());
    EXPECT_EQ(MUST(ak.signing_key()).alg, crypto::SigAlg::es256);
    TpmPublic other = MUST(TpmPublic::parse_area(ecc_area(key.public_key(), 0x0010)));
    EXPECT_FALSE(other.public_key());  // BN_P256
}

TEST(TpmPublic, RefusesEveryTruncationAndTrailingByte) {
    Bytes area = ak_area();
    for (size_t size = 0; size < area.size(); ++size) {
        ASSERT_FALSE(TpmPublic::parse_area(ByteView(area).first(size))) << size;
    }
    area.push_back(0);
    EXPECT_FALSE(TpmPublic::parse_area(area));
}

TEST(TpmPublic, RefusesWhatDoesNotFit) {
    const Bytes good = ak_area();
    auto changed = [&](size_t offset, uint8_t value) {
        Bytes bad = good;
        bad[offset] = value;
        return TpmPublic::parse_area(bad);
    };
    ASSERT_TRUE(changed(0, 0));
    EXPECT_FALSE(changed(1, 0x08));   // KEYEDHASH
    EXPECT_FALSE(changed(3, 0x12));   // name algorithm SM3
    EXPECT_FALSE(changed(9, 0x05));   // authPolicy of 5 bytes
    EXPECT_FALSE(changed(16, 0x0c));  // key bits and modulus differ
    Bytes huge(2000);
    EXPECT_FALSE(TpmPublic::parse_area(huge));
}

TEST(TpmPublic, KnowsItsNumbersAndNoOthers) {
    const TpmPublic ak = MUST(TpmPublic::parse_area(ak_area()));
    const crypto::RsaPublicParts numbers = MUST(ak_key().public_key().rsa());
    EXPECT_TRUE(ak.is_rsa(numbers));
    crypto::RsaPublicParts other = numbers;
    other.modulus.back() ^= 2;
    EXPECT_FALSE(ak.is_rsa(other));
    other = numbers;
    other.modulus.pop_back();
    EXPECT_FALSE(ak.is_rsa(other));
    for (const Bytes& exponent : {Bytes{3}, Bytes{}, Bytes{1, 0, 3}, Bytes{2, 0, 1, 0, 1},
                                  Bytes{1, 0, 0, 0, 0, 0, 1, 0, 1}}) {
        other = numbers;
        other.exponent = exponent;
        EXPECT_FALSE(ak.is_rsa(other));
    }
    TpmPublic other_type = ak;
    other_type.type = kTpmAlgEcc;
    EXPECT_FALSE(other_type.is_rsa(numbers));
}

TEST(TpmPublic, ASigningKeyNeedsItsOwnScheme) {
    TpmPublic key = MUST(TpmPublic::parse_area(
        rsa_area(ak_key().public_key(), kEphemeralAttributes, {}, kTpmAlgNull)));
    EXPECT_FALSE(key.signing_key());
    key.scheme = kTpmAlgRsassa;
    key.scheme_hash = kTpmAlgSha1;  // SHA-1 signatures are not accepted
    EXPECT_FALSE(key.signing_key());
    key.scheme_hash = kTpmAlgSha256;
    EXPECT_TRUE(key.signing_key());
    key.scheme = kTpmAlgEcdsa;
    EXPECT_FALSE(key.signing_key());
}

TEST(PcrSelection, EncodesAsTpmsDo) {
    std::vector<uint32_t> pcrs{0, 1, 2, 3, 4, 5, 6, 7};
    PcrSelection selection{PcrBankSelection::of(crypto::HashAlg::sha256, pcrs)};
    EXPECT_EQ(hex(encode_pcr_selection(selection)), "00000001000b03ff0000");
    EXPECT_EQ(selection[0].pcrs(), pcrs);
    EXPECT_EQ(describe(selection), "sha256:0,1,2,3,4,5,6,7");
}

TEST(PcrDigest, HashesInAscendingOrderAndWantsEveryValue) {
    PcrBank bank = first_pcrs(3);
    PcrSelection selection = select_all(bank);
    std::array<PcrBank, 1> banks{bank};
    Bytes concatenated;
    for (const auto& value : bank.values) append(concatenated, value.second);
    EXPECT_TRUE(equal(MUST(pcr_digest(crypto::HashAlg::sha256, selection, banks)),
                      crypto::sha256(concatenated)));
    banks[0].values[1].pop_back();
    EXPECT_FALSE(pcr_digest(crypto::HashAlg::sha256, selection, banks));
    banks[0].values.erase(1);
    EXPECT_FALSE(pcr_digest(crypto::HashAlg::sha256, selection, banks));
    EXPECT_FALSE(pcr_digest(crypto::HashAlg::sha256, selection, {}));
}

TEST(PcrPolicy, IsPolicyPcrOverTheValues) {
    PcrBank bank = first_pcrs(8);
    PcrSelection selection = select_all(bank);
    std::array<PcrBank, 1> banks{bank};
    Writer expected;
    expected.zeros(32).u32_be(0x17F).bytes(from_hex("00000001000b03ff0000"));
    expected.bytes(MUST(pcr_digest(crypto::HashAlg::sha256, selection, banks)));
    EXPECT_TRUE(equal(MUST(pcr_policy_digest(crypto::HashAlg::sha256, selection, banks)),
                      crypto::sha256(expected.view())));
}

void expect_attest(const Json& facts, const TpmAttest& attest) {
    EXPECT_EQ(attest.magic, kTpmGenerated);
    EXPECT_EQ(attest.type, kTpmStAttestQuote);
    EXPECT_EQ(hex(attest.extra_data), facts.at("nonce"));
    EXPECT_EQ(hex(attest.qualified_signer), facts.at("qualified_signer"));
    EXPECT_EQ(hex(attest.pcr_digest), facts.at("pcr_digest"));
    EXPECT_EQ(fmt::format("{:016x}", attest.firmware_version), facts.at("firmware"));
    EXPECT_EQ(attest.clock.clock, facts.at("clock"));
    EXPECT_EQ(attest.clock.reset_count, facts.at("reset_count"));
    EXPECT_EQ(attest.clock.restart_count, facts.at("restart_count"));
    EXPECT_EQ(attest.clock.safe, facts.at("safe") == 1);
    ASSERT_EQ(attest.pcr_selection.size(), 1u);
    EXPECT_EQ(Json(attest.pcr_selection[0].pcrs()), facts.at("pcr_select")[0][1]);
}

TEST(TpmAttest, ReadsRecordedQuotes) {
    Json all = facts("tpm");
    for (const char* name : {"azure-vtpm.tpm-quote.msg", "swtpm-rsassa.tpm-quote.msg"}) {
        SCOPED_TRACE(name);
        auto attest = TpmAttest::parse(vector_bytes(fmt::format("tpm/{}", name)));
        ASSERT_TRUE(attest) << message(attest);
        expect_attest(all.at(name).at("facts"), *attest);
    }
}

TEST(TpmAttest, RefusesEveryTruncation) {
    Bytes quote = vector_bytes("tpm/azure-vtpm.tpm-quote.msg");
    for (size_t size = 0; size < quote.size(); ++size) {
        ASSERT_FALSE(TpmAttest::parse(ByteView(quote).first(size))) << size;
    }
    quote.push_back(0);
    EXPECT_FALSE(TpmAttest::parse(quote));
}

TEST(TpmAttest, RefusesHostileSelections) {
    PcrBank bank = first_pcrs(8);
    std::array<PcrBank, 1> banks{bank};
    PcrSelection twice = select_all(bank);
    twice.push_back(twice[0]);
    EXPECT_FALSE(TpmAttest::parse(make_quote(twice, banks)));
    PcrSelection wide = select_all(bank);
    wide[0].bitmap.resize(5);
    EXPECT_FALSE(TpmAttest::parse(make_quote(wide, banks)));
    Writer many = attest_head(kTpmStAttestQuote, {});
    EXPECT_FALSE(TpmAttest::parse(many.u32_be(0xffffffff).take()));
}

TEST(TpmSignature, AcceptsBothFormsAndNoOtherScheme) {
    Bytes text = to_bytes("text");
    Bytes bare = ak_sign(text);
    auto structured = [&](uint16_t scheme, uint16_t hash) {
        return Writer().u16_be(scheme).u16_be(hash).bytes(tpm2b(bare)).take();
    };
    EXPECT_TRUE(verify_tpm_signature(ak_signing_key(), text, bare));
    EXPECT_TRUE(
        verify_tpm_signature(ak_signing_key(), text, structured(kTpmAlgRsassa, kTpmAlgSha256)));
    EXPECT_FALSE(
        verify_tpm_signature(ak_signing_key(), text, structured(kTpmAlgRsapss, kTpmAlgSha256)));
    EXPECT_FALSE(
        verify_tpm_signature(ak_signing_key(), text, structured(kTpmAlgRsassa, kTpmAlgSha1)));
    EXPECT_FALSE(verify_tpm_signature(ak_signing_key(), text, {}));
    EXPECT_FALSE(verify_tpm_signature(ak_signing_key(), to_bytes("test"), bare));
    Bytes longer = structured(kTpmAlgRsassa, kTpmAlgSha256);
    longer.push_back(0);
    EXPECT_FALSE(verify_tpm_signature(ak_signing_key(), text, longer));
}

TEST(TpmSignature, AcceptsEcdsaWithShortNumbers) {
    auto key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
    TpmSigningKey signer{key.public_key(), crypto::SigAlg::es256};
    Bytes text = to_bytes("text");
    Bytes value = MUST(key.sign(crypto::SigAlg::es256, text));
    ByteView r = ByteView(value).first(32), s = ByteView(value).subspan(32);
    while (r[0] == 0) r = r.subspan(1);  // as TPMs do
    Bytes signature =
        Writer().u16_be(kTpmAlgEcdsa).u16_be(kTpmAlgSha256).bytes(tpm2b(r)).bytes(tpm2b(s)).take();
    EXPECT_TRUE(verify_tpm_signature(signer, text, signature));
    signature.back() ^= 1;
    EXPECT_FALSE(verify_tpm_signature(signer, text, signature));
}

}  // namespace
}  // namespace vouchsafe::evidence
