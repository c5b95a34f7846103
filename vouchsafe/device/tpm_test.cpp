#include "vouchsafe/device/tpm.h"

#include <gtest/gtest.h>

#include <numeric>

#include "vouchsafe/crypto/random.h"
#include "vouchsafe/device/event_log_file.h"
#include "vouchsafe/device/swtpm_for_test.h"
#include "vouchsafe/evidence/tpm/quote.h"

namespace vouchsafe::device {
namespace {

using crypto::HashAlg;
using evidence::TpmPublic;

const std::vector<uint32_t> kPcrs{0, 1, 2, 3, 4, 5, 6, 7};
constexpr uint32_t kScratchPcr = 16;  // the debug register: nobody's policy names it

SwtpmForTest& software_tpm() {
    static SwtpmForTest tpm;
    return tpm;
}

// The attestation key is made once; finding its primes takes the longest.
const Bytes& attestation_key() {
    static const Bytes area = [] {
        Tpm tpm = MUST(Tpm::open(software_tpm().tcti()));
        return MUST(tpm.create_ak());
    }();
    return area;
}

Tpm provisioned() {
    attestation_key();
    return MUST(Tpm::open(software_tpm().tcti()));
}

void extend_sha256(Tpm& tpm, uint32_t pcr) {
    Tpm::PcrDigest digest{HashAlg::sha256, crypto::random_bytes(32)};
    MUST(tpm.pcr_extend(pcr, {&digest, 1}));
}

evidence::TpmSigningKey ak_signing_key() {
    return MUST(MUST(TpmPublic::parse(attestation_key())).signing_key());
}

TEST(Tpm, SaysWhatIsMissingWhenItCannotBeOpened) {
    EXPECT_EQ(Tpm::open("swtpm:path=/nonexistent/tpm").error().code, Code::unavailable);
    EXPECT_EQ(Tpm::open("device:/dev/nonexistent-tpm").error().code, Code::unavailable);
    EXPECT_EQ(Tpm::open("libevil.so:x").error().code, Code::invalid);
    EXPECT_EQ(Tpm::open("").error().code, Code::invalid);
    EXPECT_EQ(Tpm::open("swtpm:path=/etc/passwd").error().code, Code::invalid);
}

TEST(Tpm, SaysThatNobodyAnswersAtADeadSocket) {
    SwtpmForTest dead;
    dead.stop();
    auto tpm = Tpm::open(dead.tcti());
    ASSERT_FALSE(tpm);
    EXPECT_EQ(tpm.error().code, Code::unavailable);
}

TEST(Tpm, SaysUnavailableWhenTheTpmDiesInBetween) {
    SwtpmForTest mortal;
    Tpm tpm = MUST(Tpm::open(mortal.tcti()));
    ASSERT_TRUE(tpm.read_pcrs(kPcrs));
    mortal.stop();
    EXPECT_EQ(tpm.nv_read(kNvHclReport).error().code, Code::unavailable);
}

TEST(Tpm, ReadsBackAnNvIndexWholeWithItsPadding) {
    Tpm tpm = provisioned();
    Bytes content = crypto::random_bytes(1900);
    MUST(tpm.nv_provision(kNvHclReport, content, 2048));
    Bytes read = MUST(tpm.nv_read(kNvHclReport));
    ASSERT_EQ(read.size(), 2048u);
    EXPECT_TRUE(equal(ByteView(read).first(1900), content));
    EXPECT_TRUE(all_zero(ByteView(read).subspan(1900)));
    // Again, shorter: the old index is replaced.
    MUST(tpm.nv_provision(kNvHclReport, content, 1900));
    EXPECT_EQ(MUST(tpm.nv_read(kNvHclReport)), content);
}

TEST(Tpm, SaysNotFoundForAnNvIndexThatDoesNotExist) {
    Tpm tpm = provisioned();
    auto missing = tpm.nv_read(0x01400077);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Code::not_found);
    EXPECT_EQ(tpm.read_public(0x81000077).error().code, Code::not_found);
    EXPECT_EQ(tpm.quote(0x81000077, kPcrs).error().code, Code::not_found);
}

TEST(Tpm, RefusesAnNvIndexTheTpmHasNoRoomFor) {
    Tpm tpm = provisioned();
    EXPECT_EQ(tpm.nv_provision(0x01400078, {}, 2600).error().code, Code::unsupported);
    EXPECT_EQ(tpm.nv_provision(0x01400078, Bytes(10), 9).error().code, Code::invalid);
}

TEST(Tpm, MakesTheAttestationKeyOfAzuresTemplate) {
    Tpm tpm = provisioned();
    EXPECT_EQ(MUST(tpm.read_public(kAkHandle)), attestation_key());
    TpmPublic ak = MUST(TpmPublic::parse(attestation_key()));
    EXPECT_EQ(ak.attributes, 0x00050472u);
    EXPECT_EQ(ak.scheme, evidence::kTpmAlgRsassa);
    EXPECT_EQ(ak.key_bits, 2048);
    EXPECT_TRUE(ak.auth_policy.empty());
}

TEST(Tpm, ReadsAllRegistersOfABank) {
    Tpm tpm = provisioned();
    std::vector<uint32_t> all(24);
    std::iota(all.begin(), all.end(), 0);
    evidence::PcrBank bank = MUST(tpm.read_pcrs(all, HashAlg::sha384));
    EXPECT_EQ(bank.values.size(), 24u);
    EXPECT_EQ(bank.values.at(17), Bytes(48, 0xFF));
    std::vector<uint32_t> wrong{24};
    EXPECT_EQ(tpm.read_pcrs(wrong).error().code, Code::invalid);
    EXPECT_EQ(tpm.read_pcrs({}).error().code, Code::invalid);
}

TEST(Tpm, ExtendsARegister) {
    Tpm tpm = provisioned();
    std::vector<uint32_t> pcr{kScratchPcr};
    Bytes before = MUST(tpm.read_pcrs(pcr)).values.at(kScratchPcr);
    Tpm::PcrDigest digest{HashAlg::sha256, Bytes(32, 7)};
    MUST(tpm.pcr_extend(kScratchPcr, {&digest, 1}));
    append(before, digest.digest);
    EXPECT_EQ(MUST(tpm.read_pcrs(pcr)).values.at(kScratchPcr),
              crypto::hash(HashAlg::sha256, before));
    digest.digest.pop_back();
    EXPECT_EQ(tpm.pcr_extend(kScratchPcr, {&digest, 1}).error().code, Code::invalid);
}

TEST(Tpm, QuotesSoThatTheVerifierAgrees) {
    Tpm tpm = provisioned();
    for (const Bytes& nonce : {Bytes(), crypto::random_bytes(32)}) {
        Quote quote = MUST(tpm.quote(kAkHandle, kPcrs, nonce));
        EXPECT_EQ(quote.signature.size(), 256u);
        Checks checks;
        evidence::QuoteExpectation expected{kPcrs, HashAlg::sha256, nonce};
        EXPECT_TRUE(evidence::verify_quote(quote.attest, quote.signature, ak_signing_key(),
                                           {&quote.values, 1}, expected, checks));
        expected.nonce = Bytes(32, 1);
        EXPECT_FALSE(evidence::verify_quote(quote.attest, quote.signature, ak_signing_key(),
                                            {&quote.values, 1}, expected, checks));
    }
    EXPECT_EQ(tpm.quote(kAkHandle, kPcrs, Bytes(65)).error().code, Code::invalid);
}

TEST(Tpm, CertifiesAKeyThatIsBoundToTheRegisters) {
    Tpm tpm = provisioned();
    Quote quote = MUST(tpm.quote(kAkHandle, kPcrs));
    CertifiedKey key = MUST(tpm.certify_ephemeral_key(kPcrs));
    Checks checks;
    auto verified_quote =
        MUST(evidence::verify_quote(quote.attest, quote.signature, ak_signing_key(),
                                    {&quote.values, 1}, {kPcrs, HashAlg::sha256, {}}, checks));
    auto verified_key =
        MUST(evidence::verify_certify(key.certify_info, key.signature, ak_signing_key(),
                                      MUST(TpmPublic::parse(key.public_area)), checks));
    EXPECT_TRUE(evidence::check_ephemeral_key(verified_key, verified_quote, checks));

    // guest-protocol 1.3, by hand.
    Bytes values;
    for (const auto& [pcr, value] : quote.values.values) append(values, value);
    Writer policy;
    policy.zeros(32).u32_be(0x17F).u32_be(1).u16_be(0x000B).u8(3).u8(0xFF).u8(0).u8(0);
    policy.bytes(crypto::sha256(values));
    EXPECT_EQ(verified_key.public_area().auth_policy, crypto::hash(HashAlg::sha256, policy.view()));
    EXPECT_EQ(verified_key.public_area().attributes, 0x00020432u);

    // The same key every time, as long as nothing changes.
    EXPECT_EQ(MUST(tpm.certify_ephemeral_key(kPcrs)).public_area, key.public_area);
}

class Decrypt : public testing::TestWithParam<DecryptScheme> {
  protected:
    static Bytes encrypt(const CertifiedKey& key, ByteView plain) {
        auto to = MUST(MUST(TpmPublic::parse(key.public_area)).public_key());
        return GetParam() == DecryptScheme::rsaes ? MUST(to.encrypt_pkcs1(plain))
                                                  : MUST(to.encrypt_oaep(HashAlg::sha256, plain));
    }
};

TEST_P(Decrypt, OpensWhatWasMadeForTheEphemeralKeyUntilARegisterChanges) {
    Tpm tpm = provisioned();
    CertifiedKey key = MUST(tpm.certify_ephemeral_key(kPcrs));
    Bytes plain = crypto::random_bytes(32);
    Bytes cipher = encrypt(key, plain);
    SecretBytes opened = MUST(tpm.ephemeral_decrypt(kPcrs, GetParam(), cipher));
    EXPECT_TRUE(equal_ct(opened.expose(), plain));

    extend_sha256(tpm, 7);
    auto refused = tpm.ephemeral_decrypt(kPcrs, GetParam(), cipher);
    // PKCS#1 v1.5 padding of a wrong key holds once in some 65536 times.
    if (!refused) {
        EXPECT_EQ(refused.error().code, Code::bad_evidence);
    } else {
        EXPECT_FALSE(equal_ct(refused->expose(), plain));
    }
}

INSTANTIATE_TEST_SUITE_P(Tpm, Decrypt,
                         testing::Values(DecryptScheme::rsaes, DecryptScheme::oaep_sha256));

TEST(Tpm, RefusesCiphertextsOfOtherSizesAndForms) {
    Tpm tpm = provisioned();
    for (size_t size : {0, 255, 257}) {
        EXPECT_EQ(tpm.ephemeral_decrypt(kPcrs, DecryptScheme::rsaes, Bytes(size)).error().code,
                  Code::bad_evidence);
    }
    auto refused = tpm.ephemeral_decrypt(kPcrs, DecryptScheme::oaep_sha256, Bytes(256, 0xFF));
    EXPECT_EQ(refused.error().code, Code::bad_evidence);  // larger than any modulus
    refused = tpm.ephemeral_decrypt(kPcrs, DecryptScheme::oaep_sha256, Bytes(256, 0x01));
    EXPECT_EQ(refused.error().code, Code::bad_evidence);
}

TEST(Tpm, LeavesNothingLoaded) {
    Tpm tpm = provisioned();
    // Three slots: a fourth use would fail if one were left behind.
    for (int i = 0; i < 4; ++i) {
        (void)tpm.ephemeral_decrypt(kPcrs, DecryptScheme::oaep_sha256, Bytes(256, 0x01));
    }
    EXPECT_TRUE(tpm.certify_ephemeral_key(kPcrs));
}

// FakeTpm answers every command with the same bytes: a broken or hostile TPM. Like swtpm it has a
// second socket, where every command succeeds.
class FakeTpm {
  public:
    explicit FakeTpm(Bytes answer) : dir_(MUST(TemporaryDir::create("vouchsafe-test"))) {
        data_ = listen_at(path());
        control_ = listen_at(path() + ".ctrl");
        data_thread_ = std::thread([this, answer] { serve(data_, answer); });
        control_thread_ = std::thread([this] { serve(control_, Bytes(4)); });
    }
    ~FakeTpm() {
        for (int fd : {data_, control_}) ::shutdown(fd, SHUT_RDWR);
        data_thread_.join();
        control_thread_.join();
        for (int fd : {data_, control_}) ::close(fd);
    }
    std::string path() const { return (dir_.path() / "tpm").string(); }
    std::string tcti() const { return "swtpm:path=" + path(); }

  private:
    static int listen_at(const std::string& path) {
        int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address = unix_address(path);
        EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
        EXPECT_EQ(::listen(fd, 4), 0);
        return fd;
    }
    static void serve(int listener, const Bytes& answer) {
        Bytes command(4096);
        while (true) {
            int fd = ::accept(listener, nullptr, nullptr);
            if (fd < 0) return;
            if (::read(fd, command.data(), command.size()) > 0) {
                (void)!::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
            }
            ::close(fd);
        }
    }

    TemporaryDir dir_;
    int data_ = -1, control_ = -1;
    std::thread data_thread_, control_thread_;
};

Bytes answer(uint32_t code, uint32_t size = 10) {
    return Writer().u16_be(0x8001).u32_be(size).u32_be(code).take();
}

TEST(Tpm, TellsAPassingFailureFromAMissingIndex) {
    constexpr uint32_t kRcFailure = 0x101, kRcLockout = 0x921, kRcNoSuchHandle = 0x18B;
    for (uint32_t code : {kRcFailure, kRcLockout}) {
        FakeTpm fake(answer(code));
        Tpm tpm = MUST(Tpm::open(fake.tcti()));
        EXPECT_EQ(tpm.nv_read(kNvHclReport).error().code, Code::unavailable) << code;
    }
    FakeTpm fake(answer(kRcNoSuchHandle));
    Tpm tpm = MUST(Tpm::open(fake.tcti()));
    auto missing = tpm.nv_read(kNvHclReport);
    EXPECT_EQ(missing.error().code, Code::not_found);
    EXPECT_NE(missing.error().message.find("HCL report"), std::string::npos);
}

TEST(Tpm, SurvivesAnswersThatMakeNoSense) {
    Bytes success_without_content = answer(0);
    Bytes too_long = answer(0, 0xFFFFFFFF);
    Bytes too_short = answer(0, 3);
    Bytes noise(64, 0xA5);
    for (const Bytes& bytes : {success_without_content, too_long, too_short, noise}) {
        FakeTpm fake(bytes);
        Tpm tpm = MUST(Tpm::open(fake.tcti()));
        EXPECT_FALSE(tpm.nv_read(kNvHclReport));
    }
}

TEST(EventLogFile, TellsNoLogFromOneThatCannotBeRead) {
    TemporaryDir dir = MUST(TemporaryDir::create("vouchsafe-test"));
    Path path = dir.path() / "log";
    EXPECT_EQ(MUST(read_event_log(path)), std::nullopt);
    MUST(write_file(path, {}, Overwrite::no));
    EXPECT_EQ(MUST(read_event_log(path)), std::nullopt);
    MUST(write_file(path, as_bytes("log"), Overwrite::yes));
    EXPECT_EQ(MUST(read_event_log(path)), to_bytes("log"));
    EXPECT_FALSE(read_event_log(dir.path()));
}

constexpr uint32_t kSealingPcr = 23;  // of applications

TEST(TpmSeal, GivesBackWhatItSealedAndOnlyThat) {
    Tpm tpm = MUST(Tpm::open(software_tpm().tcti()));
    for (const std::vector<uint32_t>& pcrs : {std::vector<uint32_t>{}, kPcrs}) {
        const Bytes secret = crypto::random_bytes(32);
        SealedSecret sealed = MUST(tpm.seal(pcrs, secret));
        EXPECT_TRUE(equal(MUST(tpm.unseal(pcrs, sealed)).expose(), secret));
        for (Bytes* part : {&sealed.public_area, &sealed.private_area}) {
            part->back() ^= 1;
            EXPECT_EQ(tpm.unseal(pcrs, sealed).error().code, Code::bad_evidence);
            part->back() ^= 1;
            part->push_back(0);
            EXPECT_EQ(tpm.unseal(pcrs, sealed).error().code, Code::invalid);
            part->pop_back();
        }
        EXPECT_TRUE(tpm.unseal(pcrs, sealed));
    }
}

TEST(TpmSeal, HoldsBackWhileARegisterIsAnother) {
    Tpm tpm = MUST(Tpm::open(software_tpm().tcti()));
    const std::vector<uint32_t> pcrs{kSealingPcr};
    SealedSecret sealed = MUST(tpm.seal(pcrs, crypto::random_bytes(32)));
    EXPECT_TRUE(tpm.unseal(pcrs, sealed));
    EXPECT_EQ(tpm.unseal({}, sealed).error().code, Code::bad_evidence);
    extend_sha256(tpm, kSealingPcr);
    EXPECT_EQ(tpm.unseal(pcrs, sealed).error().code, Code::bad_evidence);
}

TEST(TpmSeal, OpensNothingOfAnotherTpm) {
    SealedSecret sealed;
    {
        SwtpmForTest other;
        sealed = MUST(MUST(Tpm::open(other.tcti())).seal({}, crypto::random_bytes(32)));
    }
    Tpm tpm = MUST(Tpm::open(software_tpm().tcti()));
    EXPECT_EQ(tpm.unseal({}, sealed).error().code, Code::bad_evidence);
}

TEST(TpmSeal, TakesOneTo128Bytes) {
    Tpm tpm = MUST(Tpm::open(software_tpm().tcti()));
    EXPECT_EQ(tpm.seal({}, {}).error().code, Code::invalid);
    EXPECT_EQ(tpm.seal({}, Bytes(kMaxSealed + 1, 1)).error().code, Code::invalid);
    EXPECT_TRUE(tpm.seal({}, Bytes(kMaxSealed, 1)));
    EXPECT_EQ(tpm.seal(std::vector<uint32_t>{24}, Bytes(32, 1)).error().code, Code::invalid);
}

}  // namespace
}  // namespace vouchsafe::device
