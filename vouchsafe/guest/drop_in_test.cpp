// The command lines of Azure's programs, and the values that are unwrapped for them.
#include "vouchsafe/guest/drop_in.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::guest {
namespace {

using crypto::HashAlg;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kKey = "https://v.vault.azure.net/keys/KEK/0011";

// Words is a command line that can be written to, as a program's is.
class Words {
  public:
    explicit Words(std::vector<std::string> words) : texts_(std::move(words)) {
        for (std::string& text : texts_) pointers_.push_back(text.data());
    }
    std::span<char* const> span() const { return pointers_; }
    const std::string& operator[](size_t i) const { return texts_[i]; }

  private:
    std::vector<std::string> texts_;
    std::vector<char*> pointers_;
};

Result<AttestationClientCommand> client(std::vector<std::string> words) {
    Words line(std::move(words));
    return parse_attestation_client(line.span());
}

Result<SkrCommand> skr(std::vector<std::string> words) {
    Words line(std::move(words));
    return parse_skr(line.span());
}

std::string refusal(std::vector<std::string> words) {
    auto parsed = skr(std::move(words));
    if (parsed) return "accepted";
    EXPECT_EQ(parsed.error().code, Code::invalid);
    return parsed.error().message;
}

TEST(AttestationClientCommand, ReadsFlagsAsGetoptDoes) {
    auto plain = MUST(client({}));
    EXPECT_EQ(plain.url, "https://sharedeus2.eus2.attest.azure.net");
    EXPECT_EQ(plain.nonce, "");
    EXPECT_FALSE(plain.print_token);

    auto tutorial = MUST(client({"-a", "https://x.neu.attest.azure.net", "-o", "token"}));
    EXPECT_EQ(tutorial.url, "https://x.neu.attest.azure.net");
    EXPECT_TRUE(tutorial.print_token);

    auto joined = MUST(client({"-ahttps://y", "-n-x", "-oToken", "-o", "BOOL"}));
    EXPECT_EQ(joined.url, "https://y");
    EXPECT_EQ(joined.nonce, "-x");
    EXPECT_FALSE(joined.print_token) << "the last one counts";
    EXPECT_EQ(MUST(client({"-n", "-o", "--"})).nonce, "-o") << "a value may look like a flag";
    EXPECT_EQ(MUST(client({"-a", ""})).url, plain.url);
    EXPECT_FALSE(MUST(client({"-o", ""})).print_token);
}

TEST(AttestationClientCommand, RefusesWhatItDoesNotKnow) {
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"-x"},
                                               {"-o"},
                                               {"-o", "jwt"},
                                               {"-o", "tokne"},
                                               {"token"},
                                               {"-"},
                                               {"--token"},
                                               {"-a", "https://"},
                                               {"-a", "https://a b"},
                                               {"-a", "https://u@h"},
                                               {"-:"},
                                               {"-r"},
                                               {"--", "token"},
                                               {"-a", "\n"}}) {
        auto parsed = client(words);
        ASSERT_FALSE(parsed) << words[0];
        EXPECT_EQ(parsed.error().code, Code::invalid) << words[0];
    }
}

TEST(SkrCommand, ReadsTheTutorialsLine) {
    auto command = MUST(skr({"-a", "https://sharedweu.weu.attest.azure.net", "-k", kKey, "-c",
                             "imds", "-s", "AAECAw==", "-u"}));
    EXPECT_EQ(command.action, SkrAction::unwrap);
    EXPECT_EQ(command.key.text(), kKey);
    EXPECT_FALSE(command.service_principal);
    EXPECT_EQ(encode_hex(command.value.expose()), "00010203");
    EXPECT_FALSE(command.rules.oaep);
    EXPECT_EQ(command.nonce, "");
}

TEST(SkrCommand, TakesTheLastAction) {
    EXPECT_EQ(MUST(skr({"-k", kKey, "-r"})).action, SkrAction::release);
    EXPECT_EQ(MUST(skr({"-k", kKey, "-uwr"})).action, SkrAction::release);
    auto wrap = MUST(skr({"-k", kKey, "-rws", "secret text"}));
    EXPECT_EQ(wrap.action, SkrAction::wrap);
    EXPECT_EQ(wrap.value.expose_text(), "secret text") << "not base64: as it is";
    auto batch = MUST(skr({"-k", kKey, "-c", "sp", "-B", "-", "-H", "SHA-384", "-G", "sha1"}));
    EXPECT_EQ(batch.action, SkrAction::batch);
    EXPECT_EQ(batch.batch, "-");
    EXPECT_TRUE(batch.service_principal);
    EXPECT_EQ(batch.rules.oaep, HashAlg::sha384);
    EXPECT_EQ(batch.rules.mgf1, HashAlg::sha1);
}

TEST(SkrCommand, SaysWhatIsWrong) {
    EXPECT_THAT(refusal({}), HasSubstr("-r, -w, -u or -B"));
    EXPECT_THAT(refusal({"-k", kKey}), HasSubstr("-r, -w, -u or -B"));
    EXPECT_THAT(refusal({"-r"}), HasSubstr("-k"));
    EXPECT_THAT(refusal({"-k", kKey, "-r", "-c", "IMDS"}), HasSubstr("imds"));
    EXPECT_THAT(refusal({"-k", kKey, "-u"}), HasSubstr("-s"));
    EXPECT_THAT(refusal({"-k", kKey, "-w", "-s", ""}), HasSubstr("-s"));
    EXPECT_THAT(refusal({"-k", kKey, "-u", "-s", "*"}), HasSubstr("base64"));
    EXPECT_THAT(refusal({"-k", kKey, "-r", "-H", "md5"}), HasSubstr("md5"));
    EXPECT_THAT(refusal({"-k", kKey, "-r", "-H", ""}), HasSubstr("sha256"));
    EXPECT_THAT(refusal({"-k", kKey, "-r", "-z"}), HasSubstr("-z"));
    EXPECT_THAT(refusal({"-k", kKey, "-r", "-a"}), HasSubstr("-a"));
    EXPECT_THAT(refusal({"-k", kKey, "-r", "-n", "\xff"}), HasSubstr("-n"));
    EXPECT_THAT(refusal({"-k", kKey, "-r", "extra"}), HasSubstr("no flag"));
}

// Azure's program looks for a vault's name anywhere in the text, and takes http.
TEST(SkrCommand, SendsNothingToWhatIsNoVault) {
    for (const char* key :
         {"http://v.vault.azure.net/keys/K", "https://example.org/keys/vault.azure.net",
          "https://v.vault.azure.net.example.org/keys/K", "https://v.vault.azure.net/secrets/K",
          "https://user@v.vault.azure.net/keys/K", "https://v.vault.azure.net/keys/K?x=1",
          "https://example.org/?vault.azure.net/keys/K", "v.vault.azure.net/keys/K", "\n"}) {
        EXPECT_NE(refusal({"-k", key, "-r"}), "accepted") << key;
    }
    EXPECT_TRUE(skr({"-k", "https://h.managedhsm.azure.net/keys/K", "-r"}));
}

TEST(SkrCommand, TakesTheSecretOutOfTheCommandLine) {
    Words good({"-k", kKey, "-s", "hunter2", "-w"});
    EXPECT_EQ(MUST(parse_skr(good.span())).value.expose_text(), "hunter2");
    EXPECT_EQ(good[3], std::string(7, '\0'));

    // Also where something before it is wrong, and it is in no error.
    Words bad({"-q", "word", "-shunter2", "-w"});
    auto refused = parse_skr(bad.span());
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, Not(HasSubstr("hunter2")));
    EXPECT_EQ(bad[2], "-s" + std::string(7, '\0'));
    EXPECT_THAT(refusal({"-k", kKey, "-u", "-s", "hunter2!"}), Not(HasSubstr("hunter2")));
    EXPECT_THAT(refusal({"-k", kKey, "-w", "hunter2"}), Not(HasSubstr("hunter2")));
}

TEST(AttestationOrigin, IsTheHostOfWhateverIsWritten) {
    EXPECT_EQ(MUST(attestation_origin("https://H.attest.azure.net/attest?x=1")),
              "https://h.attest.azure.net");
    EXPECT_EQ(MUST(attestation_origin("h.attest.azure.net")), "https://h.attest.azure.net");
    EXPECT_EQ(MUST(attestation_origin("http://h.attest.azure.net:8443/")),
              "https://h.attest.azure.net:8443");
    for (const char* text : {"", "/", "https://", "https://a b/", "https://a:99999", "h\r\nX: y"}) {
        EXPECT_FALSE(attestation_origin(text)) << text;
    }
}

// ---- unwrapping ---------------------------------------------------------------------------------

const crypto::PrivateKey& kek() {
    static const crypto::PrivateKey key = MUST(crypto::PrivateKey::generate_rsa(2048));
    return key;
}
const crypto::PrivateKey& other_kek() {
    static const crypto::PrivateKey key = MUST(crypto::PrivateKey::generate_rsa(2048));
    return key;
}

std::string opened(const UnwrapRules& rules, ByteView wrapped) {
    auto plain = unwrap_value(kek(), rules, wrapped);
    if (plain) return encode_hex(plain->expose());
    EXPECT_EQ(plain.error().code, Code::bad_evidence);
    return "refused";
}

TEST(UnwrapValue, OpensWhatTheProgramsOfAllYearsWrapped) {
    const Bytes dek = crypto::random_bytes(32);
    const crypto::PublicKey open = kek().public_key();
    EXPECT_EQ(opened({}, MUST(open.encrypt_oaep(HashAlg::sha256, dek))), encode_hex(dek));
    EXPECT_EQ(opened({}, MUST(open.encrypt_pkcs1(dek))), encode_hex(dek));
    for (size_t size : {16, 24}) {
        Bytes key = crypto::random_bytes(size);
        EXPECT_EQ(opened({}, MUST(open.encrypt_pkcs1(key))), encode_hex(key));
    }
    Bytes text = to_bytes(std::string_view("mysecretkey123"));
    EXPECT_EQ(opened({}, MUST(open.encrypt_oaep(HashAlg::sha256, text))), encode_hex(text));
    EXPECT_EQ(opened({HashAlg::sha1, {}}, MUST(open.encrypt_oaep(HashAlg::sha1, dek))),
              encode_hex(dek));
    EXPECT_EQ(
        opened({HashAlg::sha512, HashAlg::sha512}, MUST(open.encrypt_oaep(HashAlg::sha512, dek))),
        encode_hex(dek));
}

TEST(UnwrapValue, RefusesTheNearestThings) {
    const Bytes dek = crypto::random_bytes(32);
    const crypto::PublicKey open = kek().public_key();
    // With -H or -G there is no second way.
    EXPECT_EQ(opened({HashAlg::sha256, {}}, MUST(open.encrypt_pkcs1(dek))), "refused");
    EXPECT_EQ(opened({{}, HashAlg::sha256}, MUST(open.encrypt_pkcs1(dek))), "refused");
    EXPECT_EQ(
        opened({HashAlg::sha256, HashAlg::sha1}, MUST(open.encrypt_oaep(HashAlg::sha256, dek))),
        "refused");
    EXPECT_EQ(opened({}, MUST(open.encrypt_oaep(HashAlg::sha1, dek))), "refused");
    // PKCS #1 v1.5 around something that is no key for AES.
    EXPECT_EQ(opened({}, MUST(open.encrypt_pkcs1(crypto::random_bytes(31)))), "refused");
    EXPECT_EQ(opened({}, MUST(open.encrypt_pkcs1({}))), "refused");
    EXPECT_EQ(opened({}, Bytes()), "refused");
    EXPECT_EQ(opened({}, Bytes(255)), "refused");
    EXPECT_EQ(opened({}, Bytes(256, 0xff)), "refused");
    Bytes wrapped = MUST(open.encrypt_pkcs1(dek));
    auto ec = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
    EXPECT_EQ(unwrap_value(ec, {}, wrapped).error().code, Code::unsupported);
}

// A wrong padding gives bytes of a random length: about three in 245 have that of a key for AES.
TEST(UnwrapValue, NeverTakesARejectedPlaintextForAKey) {
    const Bytes dek = crypto::random_bytes(32);
    for (int i = 0; i < 400; ++i) {
        EXPECT_EQ(opened({}, MUST(other_kek().public_key().encrypt_pkcs1(dek))), "refused");
    }
}

// ---- -B -----------------------------------------------------------------------------------------

Json item(const char* id, std::string_view text) {
    Bytes wrapped = MUST(kek().public_key().encrypt_oaep(HashAlg::sha256, as_bytes(text)));
    return {{"id", id}, {"wrapped", encode_base64(wrapped)}};
}

std::string batch(const Json& keys, size_t expected) {
    auto items = MUST(parse_batch(dump_json({{"keys", keys}})));
    BatchAnswer answer = MUST(unwrap_batch(kek(), {}, items));
    EXPECT_EQ(answer.opened, expected);
    return std::string(answer.text.expose_text());
}

TEST(Batch, AnswersAsAzuresProgram) {
    Json nameless = item("", "b\"\\\n\u00e9");
    nameless.erase("id");
    std::string text = batch({item("a", "first"), nameless}, 2);
    EXPECT_EQ(text,
              "{\n  \"results\": [\n    {\n      \"id\": \"a\",\n      \"unwrapped\": \"first\"\n"
              "    },\n    {\n      \"id\": \"1\",\n      \"unwrapped\": \"b\\\"\\\\\\n\u00e9\"\n"
              "    }\n  ]\n}");
    EXPECT_EQ(text, MUST(parse_json(text)).dump(2)) << "the layout of Azure's JSON library";
    EXPECT_EQ(batch(Json::array(), 0), Json({{"results", Json::array()}}).dump(2));
}

TEST(Batch, TellsOfEachItemWhatIsWrong) {
    Json wrong = {{"id", "w"}, {"wrapped", encode_base64(Bytes(256))}};
    std::string text = batch({item("a", "good"),
                              item("b", "\xff\xfe"),
                              wrong,
                              {{"id", "n"}},
                              {{"id", "s"}, {"wrapped", "*"}}},
                             1);
    Json results = MUST(parse_json(text))["results"];
    ASSERT_EQ(results.size(), 5u);
    EXPECT_EQ(results[0]["unwrapped"], "good");
    for (size_t i = 1; i < 5; ++i) {
        EXPECT_FALSE(results[i].contains("unwrapped")) << i;
        EXPECT_THAT(results[i]["error"].get<std::string>(), Not(testing::IsEmpty())) << i;
    }
    EXPECT_THAT(results[1]["error"].get<std::string>(), HasSubstr("UTF-8"));
    EXPECT_EQ(text, MUST(parse_json(text)).dump(2));
}

TEST(Batch, RefusesWhatIsNoBatch) {
    for (const char* text : {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[1]})",
                             R"({"keys":[{"id":1,"wrapped":"AA=="}]})", R"({"keys":[)"}) {
        auto parsed = parse_batch(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().code, Code::invalid) << text;
    }
    auto ec = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
    auto items = MUST(parse_batch(dump_json({{"keys", {item("a", "x")}}})));
    EXPECT_EQ(unwrap_batch(ec, {}, items).error().code, Code::unsupported);
}

TEST(OpenTpm, SaysWhatAMachineWithoutOneIs) {
    if (std::filesystem::exists("/dev/tpmrm0") || std::filesystem::exists("/dev/tpm0")) {
        GTEST_SKIP() << "this machine has a TPM";
    }
    auto tpm = open_tpm({});
    ASSERT_FALSE(tpm);
    EXPECT_EQ(tpm.error().code, Code::unavailable);
    EXPECT_THAT(tpm.error().message, HasSubstr("not a confidential VM"));
    Machine other;
    other.tcti = "device:/nonexistent/tpm";
    EXPECT_FALSE(open_tpm(other)) << "a site file's TPM is not replaced by another";
}

}  // namespace
}  // namespace vouchsafe::guest
