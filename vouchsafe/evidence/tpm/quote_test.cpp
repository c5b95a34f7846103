#include "vouchsafe/evidence/tpm/quote.h"

#include "vouchsafe/evidence/tpm/test_keys.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

TpmSigningKey azure_ak() {
    return {MUST(crypto::PublicKey::from_pem(vector_text("tpm/azure-vtpm.akpub.pem"))),
            crypto::SigAlg::rs256};
}

// verify_azure verifies a quote file under Azure's recorded AK and signature.
Result<VerifiedQuote> verify_azure(const std::string& quote, const std::string& pcrs) {
    Checks checks;
    QuoteExpectation expected;
    expected.required_pcrs = {0, 7, 23};
    expected.nonce = to_bytes("challenge");
    return verify_quote(vector_bytes("tpm/" + quote), vector_bytes("tpm/azure-vtpm.tpm-quote.sig"),
                        azure_ak(), {{read_pcrs("tpm/" + pcrs)}}, expected, checks);
}

TEST(TpmQuote, AcceptsAzuresQuoteWithABareSignature) {
    auto quote = verify_azure("azure-vtpm.tpm-quote.msg", "azure-vtpm.pcrs-sha256.bin");
    ASSERT_TRUE(quote) << message(quote);
    EXPECT_EQ(quote->banks().size(), 1u);
    EXPECT_EQ(quote->banks()[0].values.size(), 24u);
}

TEST(TpmQuote, AcceptsASoftwareTpmsQuote) {
    Checks checks;
    TpmSigningKey ak{MUST(crypto::PublicKey::from_spki(vector_bytes("tpm/swtpm-rsassa.akpub.der"))),
                     crypto::SigAlg::rs256};
    auto quote = verify_quote(vector_bytes("tpm/swtpm-rsassa.tpm-quote.msg"),
                              vector_bytes("tpm/swtpm-rsassa.tpm-quote.sig"), ak,
                              {{read_pcrs("tpm/swtpm-rsassa.pcrs-sha256.bin")}}, {}, checks);
    EXPECT_TRUE(quote) << message(quote);
}

TEST(TpmQuote, RefusesEveryDerivedQuote) {
    const char* pcrs = "azure-vtpm.pcrs-sha256.bin";
    EXPECT_EQ(refusal(verify_azure("derived/quote-flip-pcrdigest.msg", pcrs)),
              "TPM-QUOTE-SIGNATURE");
    EXPECT_EQ(refusal(verify_azure("derived/quote-bad-magic.msg", pcrs)), "TPM-QUOTE-MAGIC");
    EXPECT_EQ(refusal(verify_azure("derived/quote-type-certify.msg", pcrs)), "TPM-QUOTE-FORM");
    EXPECT_EQ(refusal(verify_azure("derived/quote-truncated.msg", pcrs)), "TPM-QUOTE-FORM");
    EXPECT_EQ(refusal(verify_azure("azure-vtpm.tpm-quote.msg", "derived/pcrs-flip-pcr4.bin")),
              "TPM-QUOTE-DIGEST");
}

TEST(TpmQuote, AcceptsTheQuotesOfRecordedBoots) {
    for (const char* boot :
         {"sb-on-shim-grub", "sb-on-uki-snakeoil", "sb-off-uki", "sb-off-shim-grub-nolog"}) {
        SCOPED_TRACE(boot);
        std::string folder = fmt::format("local/{}/", boot);
        Checks checks;
        TpmSigningKey ak{MUST(crypto::PublicKey::from_pem(vector_text(folder + "ak_pub.pem"))),
                         crypto::SigAlg::rs256};
        PcrBank pcrs = read_pcr_text(folder + "pcrs.txt", crypto::HashAlg::sha256);
        std::string nonce = vector_text(folder + "nonce.hex");
        QuoteExpectation expected;
        expected.required_pcrs = {0, 1, 2, 3, 4, 5, 6, 7};
        expected.nonce = from_hex(nonce.substr(0, nonce.find_first_of("\r\n")));
        auto quote =
            verify_quote(vector_bytes(folder + "quote.msg"), vector_bytes(folder + "quote.sig"), ak,
                         {{pcrs}}, expected, checks);
        ASSERT_TRUE(quote) << message(quote);
        EXPECT_EQ(quote->banks()[0].values.size(), 15u);  // what was not quoted is left out
    }
}

// Quote is a made one: registers 0 to 7, no nonce.
struct Quote {
    PcrBank pcrs = first_pcrs(8);
    PcrSelection selection = select_all(pcrs);
    QuoteExpectation expected{{0, 1, 2, 3, 4, 5, 6, 7}, crypto::HashAlg::sha256, std::nullopt};
    Bytes bytes = make_quote(selection, {{pcrs}});
    Bytes signature = ak_sign(bytes);
    Checks checks;

    Result<VerifiedQuote> verify() {
        return verify_quote(bytes, signature, ak_signing_key(), {{pcrs}}, expected, checks);
    }
};

TEST(TpmQuote, RefusesAnotherNonce) {
    Quote quote;
    quote.bytes = make_quote(quote.selection, {{quote.pcrs}}, as_bytes("fresh"));
    quote.signature = ak_sign(quote.bytes);
    EXPECT_TRUE(quote.verify());
    quote.expected.nonce = to_bytes("fresh");
    EXPECT_TRUE(quote.verify());
    for (const char* other : {"", "fres", "fresh2", "FRESH"}) {
        quote.expected.nonce = to_bytes(other);
        EXPECT_EQ(refusal(quote.verify()), "TPM-QUOTE-NONCE") << other;
    }
}

TEST(TpmQuote, RefusesASelectionThatLeavesOutARegister) {
    Quote quote;
    quote.expected.required_pcrs.push_back(8);
    EXPECT_EQ(refusal(quote.verify()), "TPM-QUOTE-SELECTION");
    quote.expected.required_pcrs = {0};
    quote.expected.required_bank = crypto::HashAlg::sha384;
    EXPECT_EQ(refusal(quote.verify()), "TPM-QUOTE-SELECTION");
}

TEST(TpmQuote, RefusesASelectionOfNothing) {
    Quote quote;
    quote.selection = {};
    quote.bytes = make_quote(quote.selection, {{quote.pcrs}});
    quote.signature = ak_sign(quote.bytes);
    quote.expected.required_pcrs.clear();
    EXPECT_EQ(refusal(quote.verify()), "TPM-QUOTE-SELECTION");
}

TEST(TpmQuote, RefusesOtherCounters) {
    Quote quote;
    TpmAttest attest = MUST(TpmAttest::parse(quote.bytes));
    quote.expected.reset_count = attest.clock.reset_count;
    quote.expected.restart_count = attest.clock.restart_count;
    EXPECT_TRUE(quote.verify());
    ++*quote.expected.restart_count;
    EXPECT_EQ(refusal(quote.verify()), "TPM-QUOTE-COUNTERS");
    quote.expected.restart_count.reset();
    --*quote.expected.reset_count;
    EXPECT_EQ(refusal(quote.verify()), "TPM-QUOTE-COUNTERS");
}

TEST(TpmQuote, WithoutValuesChecksAllElse) {
    Quote quote;
    auto verify = [&quote] {
        quote.checks = {};
        return verify_quote_digest(quote.bytes, quote.signature, ak_signing_key(), quote.expected,
                                   quote.checks);
    };
    EXPECT_TRUE(verify());
    quote.expected.required_pcrs.push_back(8);
    EXPECT_EQ(refusal(verify()), "TPM-QUOTE-SELECTION");
    quote.signature.back() ^= 1;
    EXPECT_EQ(refusal(verify()), "TPM-QUOTE-SIGNATURE");
}

TEST(TpmQuote, RefusesEveryFlippedBit) {
    Quote quote;
    ASSERT_TRUE(quote.verify());
    for (Bytes* bytes : {&quote.bytes, &quote.signature}) {
        for (size_t bit = 0; bit < bytes->size() * 8; ++bit) {
            (*bytes)[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
            quote.checks = {};
            ASSERT_NE(refusal(quote.verify()), "") << bit;
            (*bytes)[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
        }
    }
}

Bytes policy_of(const PcrBank& pcrs) {
    return MUST(pcr_policy_digest(crypto::HashAlg::sha256, select_all(pcrs), {{pcrs}}));
}

// Certified is an ephemeral key bound to registers 0 to 7 and its certification.
struct Certified {
    Quote quote;
    Bytes policy = policy_of(quote.pcrs);
    TpmPublic key = area(kEphemeralAttributes, policy);
    Bytes bytes = make_certify(key);
    Bytes signature = ak_sign(bytes);
    Checks checks;

    static TpmPublic area(uint32_t attributes, ByteView policy_digest) {
        return MUST(TpmPublic::parse_area(
            rsa_area(ephemeral_key().public_key(), attributes, policy_digest, kTpmAlgNull)));
    }
    Result<VerifiedTpmKey> verify() {
        return verify_certify(bytes, signature, ak_signing_key(), key, checks);
    }
    // check_bound certifies `other` and checks it against the quote.
    Result<void> check_bound(const TpmPublic& other) {
        key = other;
        bytes = make_certify(key);
        signature = ak_sign(bytes);
        VerifiedTpmKey verified = MUST(verify());
        return check_ephemeral_key(verified, MUST(quote.verify()), checks);
    }
};

TEST(TpmCertify, RefusesAnotherKey) {
    Certified one;
    EXPECT_TRUE(one.verify());
    one.key = Certified::area(kEphemeralAttributes | kTpmaUserWithAuth, one.policy);
    EXPECT_EQ(refusal(one.verify()), "TPM-CERTIFY-NAME");
}

TEST(TpmCertify, RefusesAQuoteInItsPlace) {
    Certified one;
    one.bytes = one.quote.bytes;
    one.signature = one.quote.signature;
    EXPECT_EQ(refusal(one.verify()), "TPM-CERTIFY-TYPE");
    Quote quote;
    quote.bytes = Certified().bytes;
    quote.signature = ak_sign(quote.bytes);
    EXPECT_EQ(refusal(quote.verify()), "TPM-QUOTE-TYPE");
}

TEST(TpmCertify, RefusesEveryFlippedBit) {
    Certified one;
    ASSERT_TRUE(one.verify());
    for (Bytes* bytes : {&one.bytes, &one.signature, &one.key.area}) {
        for (size_t bit = 0; bit < bytes->size() * 8; ++bit) {
            (*bytes)[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
            one.checks = {};
            ASSERT_NE(refusal(one.verify()), "") << bit;
            (*bytes)[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
        }
    }
}

TEST(TpmCertify, OfAKeySentElsewhereAnswersANonceAndNeverLeavesTheTpm) {
    auto verify = [](uint32_t attributes, const crypto::PublicKey& key, std::string_view nonce) {
        TpmPublic held = Certified::area(attributes, {});
        Bytes bytes = make_certify(held, as_bytes("asked"));
        Checks checks;
        return refusal(verify_certified_key({held.area, bytes, ak_sign(bytes)}, key,
                                            as_bytes(nonce), ak_signing_key(), checks));
    };
    const crypto::PublicKey key = ephemeral_key().public_key();
    EXPECT_EQ(verify(kEphemeralAttributes, key, "asked"), "");
    EXPECT_EQ(verify(kEphemeralAttributes, key, "aske"), "TPM-CERTIFY-NONCE");
    EXPECT_EQ(verify(kEphemeralAttributes, key, ""), "TPM-CERTIFY-NONCE");
    EXPECT_EQ(verify(kEphemeralAttributes, ak_key().public_key(), "asked"), "TPM-CERTIFY-KEY");
    EXPECT_EQ(verify(kEphemeralAttributes ^ kTpmaFixedTpm, key, "asked"), "TPM-CERTIFY-KEY");
}

TEST(EphemeralKey, MustHaveExactlyTheProtocolsAttributes) {
    Certified one;
    EXPECT_TRUE(one.check_bound(Certified::area(kEphemeralAttributes, one.policy)));
    for (uint32_t change : {kTpmaUserWithAuth, kTpmaFixedTpm, kTpmaFixedParent, kTpmaNoDa,
                            kTpmaSensitiveDataOrigin, kTpmaAdminWithPolicy, kTpmaSign}) {
        auto bound = one.check_bound(Certified::area(kEphemeralAttributes ^ change, one.policy));
        EXPECT_EQ(refusal(bound), "TPM-KEY-ATTRIBUTES") << change;
    }
}

TEST(EphemeralKey, MustBeBoundToTheQuotedValues) {
    Certified one;
    EXPECT_EQ(refusal(one.check_bound(Certified::area(kEphemeralAttributes, {}))),
              "TPM-KEY-POLICY");
    PcrBank other = one.quote.pcrs;
    other.values[7].back() ^= 1;
    Bytes policy = MUST(pcr_policy_digest(crypto::HashAlg::sha256, one.quote.selection, {{other}}));
    EXPECT_EQ(refusal(one.check_bound(Certified::area(kEphemeralAttributes, policy))),
              "TPM-KEY-POLICY");
    PcrBank fewer = first_pcrs(7);
    policy = MUST(pcr_policy_digest(crypto::HashAlg::sha256, select_all(fewer), {{fewer}}));
    EXPECT_EQ(refusal(one.check_bound(Certified::area(kEphemeralAttributes, policy))),
              "TPM-KEY-POLICY");
}

TEST(AkAttributes, MustBeARestrictedSigningKeyOfThisTpm) {
    auto check = [](uint32_t attributes) {
        Checks checks;
        TpmPublic ak = MUST(
            TpmPublic::parse_area(rsa_area(ak_key().public_key(), attributes, {}, kTpmAlgRsassa)));
        return refusal(check_ak_attributes(ak, checks));
    };
    EXPECT_EQ(check(kAkAttributes), "");
    for (uint32_t change : {kTpmaRestricted, kTpmaSign, kTpmaFixedTpm, kTpmaDecrypt}) {
        EXPECT_EQ(check(kAkAttributes ^ change), "AK-ATTRIBUTES") << change;
    }
}

}  // namespace
}  // namespace vouchsafe::evidence
