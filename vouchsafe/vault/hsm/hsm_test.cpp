#include "vouchsafe/vault/hsm/hsm.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "vouchsafe/vault/hsm/softhsm_for_test.h"

namespace vouchsafe::vault {
namespace {

using crypto::SigAlg;

class HsmTest : public SoftHsmTest {
  protected:
    // What anybody in this process can do to us, and a reset of a real HSM does.
    static void close_all_sessions() {
        void* library = ::dlopen(kSoftHsmModule, RTLD_NOW);
        auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
        CK_FUNCTION_LIST* api = nullptr;
        ASSERT_EQ(get(&api), CKR_OK);
        CK_SLOT_ID slots[8];
        CK_ULONG count = std::size(slots);
        ASSERT_EQ(api->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
        for (CK_ULONG i = 0; i < count; ++i) {
            ASSERT_EQ(api->C_CloseAllSessions(slots[i]), CKR_OK);
        }
    }
    static Error open_error(const HsmSettings& settings, std::string_view pin = kTestPin) {
        auto hsm = Hsm::open(settings, SecretBytes::copy_of(pin));
        EXPECT_FALSE(hsm);
        return hsm ? Error() : hsm.error();
    }
    static bool signs(const HsmKey& key) {
        const Bytes digest = crypto::random_bytes(32);
        auto signature = key.sign_digest(SigAlg::es256, digest);
        return signature && MUST(key.public_key()).verify_digest(SigAlg::es256, digest, *signature);
    }
};

TEST_F(HsmTest, WantsTheRightPin) {
    const Error error = open_error(settings(), "wrong-pin-0000");
    EXPECT_EQ(error.code, Code::forbidden);
    EXPECT_NE(error.message.find("CKR_PIN_INCORRECT"), std::string::npos);
    EXPECT_EQ(error.message.find("wrong-pin"), std::string::npos);
    EXPECT_EQ(open_error(settings(), "").code, Code::invalid);
    EXPECT_TRUE(Hsm::open(settings(), test_pin()));
}

TEST_F(HsmTest, WantsTheRightPinAlsoWhileTheProcessIsLoggedIn) {
    const Hsm first = open_hsm();
    EXPECT_EQ(open_error(settings(), "wrong-pin-0000").code, Code::forbidden);
    const Hsm second = open_hsm();
    const HsmKey key = generate(first, kP256);
    EXPECT_TRUE(signs(MUST(second.find(key.id()))));
}

TEST_F(HsmTest, SaysWhatIsMissing) {
    HsmSettings other = settings();
    other.token = "no such token";
    EXPECT_EQ(open_error(other).code, Code::not_found);
    other.token = "";
    EXPECT_EQ(open_error(other).code, Code::invalid);
    other = settings();
    other.module = "/usr/lib/softhsm/no-such-module.so";
    EXPECT_EQ(open_error(other).code, Code::not_found);
    other.module = "libsofthsm2.so";
    EXPECT_EQ(open_error(other).code, Code::invalid);
}

TEST_F(HsmTest, RefusesALibraryThatIsNoPkcs11Module) {
    HsmSettings other = settings();
    for (const char* library :
         {"/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6"}) {
        if (!std::filesystem::exists(library)) continue;
        other.module = library;
        const Error error = open_error(other);
        EXPECT_EQ(error.code, Code::unsupported);
        EXPECT_NE(error.message.find("no PKCS#11 module"), std::string::npos) << error.message;
    }
    other.module = dir_.path() / "softhsm2.conf";
    EXPECT_EQ(open_error(other).code, Code::unsupported);
}

TEST_F(HsmTest, RefusesTwoTokensOfOneLabel) {
    add_token("vault");
    EXPECT_EQ(open_error(settings()).code, Code::conflict);
}

TEST_F(HsmTest, FindsItsTokenAmongOthers) {
    add_token("another");
    const HsmKey key = generate(open_hsm(), kP256);
    HsmSettings other = settings();
    other.token = "another";
    const Hsm second = MUST(Hsm::open(other, test_pin()));
    EXPECT_EQ(second.find(key.id()).error().code, Code::not_found);
    EXPECT_TRUE(open_hsm().find(key.id()));
}

TEST_F(HsmTest, FindsKeysAgainAfterARestart) {
    std::vector<HsmKeySpec> specs{kRsa2048};
    for (size_t bits : {128U, 192U, 256U}) specs.push_back({HsmKeyKind::aes, bits, {}});
    for (auto curve : {crypto::Curve::p256, crypto::Curve::p384, crypto::Curve::p521}) {
        specs.push_back({HsmKeyKind::ec, 0, curve});
    }
    for (const HsmKeySpec& spec : specs) {
        const HsmKey key = generate(open_hsm(), spec, Releasable::yes);  // and it is closed again
        const HsmKey again = MUST(open_hsm().find(key.id()));
        EXPECT_EQ(again.spec().kind, spec.kind);
        EXPECT_EQ(again.spec().bits, spec.bits);
        EXPECT_EQ(again.spec().curve, spec.curve);
        EXPECT_TRUE(again.releasable());
        if (spec.kind == HsmKeyKind::aes) continue;
        EXPECT_EQ(MUST(again.public_key()), MUST(key.public_key()));
    }
}

TEST_F(HsmTest, MakesNoKeyOfAnotherSizeOrOfATakenId) {
    const Hsm hsm = open_hsm();
    for (const HsmKeySpec& spec : std::initializer_list<HsmKeySpec>{{HsmKeyKind::rsa, 1024, {}},
                                                                    {HsmKeyKind::rsa, 2049, {}},
                                                                    {HsmKeyKind::aes, 512, {}}}) {
        EXPECT_EQ(hsm.generate(spec, fresh_name(), Releasable::no).error().code, Code::invalid);
    }
    EXPECT_EQ(hsm.generate(kP256, {{}, "no id"}, Releasable::no).error().code, Code::invalid);
    EXPECT_EQ(hsm.generate(kP256, {Bytes(65), "long"}, Releasable::no).error().code, Code::invalid);
    const HsmKeyName name = fresh_name();
    EXPECT_TRUE(hsm.generate(kP256, name, Releasable::no));
    for (const HsmKeySpec& spec : {kP256, kAes256}) {
        EXPECT_EQ(hsm.generate(spec, name, Releasable::no).error().code, Code::conflict);
    }
}

TEST_F(HsmTest, ImportsKeysAndUsesThem) {
    const Hsm hsm = open_hsm();
    const crypto::PrivateKey& rsa = test_rsa_key();
    const HsmKey key =
        MUST(hsm.import_key(kRsa2048, rsa.to_pkcs8().expose(), fresh_name(), Releasable::no));
    EXPECT_EQ(MUST(key.public_key()), rsa.public_key());
    const Bytes digest = crypto::random_bytes(32);
    EXPECT_TRUE(rsa.public_key().verify_digest(SigAlg::ps256, digest,
                                               MUST(key.sign_digest(SigAlg::ps256, digest))));
    for (auto curve : {crypto::Curve::p256, crypto::Curve::p384, crypto::Curve::p521}) {
        const auto ec = MUST(crypto::PrivateKey::generate_ec(curve));
        const HsmKey imported = MUST(hsm.import_key(
            {HsmKeyKind::ec, 0, curve}, ec.to_pkcs8().expose(), fresh_name(), Releasable::no));
        EXPECT_EQ(MUST(imported.public_key()), ec.public_key());
        if (curve == crypto::Curve::p256) {
            EXPECT_TRUE(signs(imported));
        }
        EXPECT_EQ(imported.wrap_out(Bytes(32)).error().code, Code::forbidden);
    }
}

TEST_F(HsmTest, ImportsNothingThatIsNotWhatItIsSaidToBe) {
    const Hsm hsm = open_hsm();
    const SecretBytes rsa = test_rsa_key().to_pkcs8();
    const SecretBytes ec = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p384)).to_pkcs8();
    auto code = [&](const HsmKeySpec& spec, ByteView secret) {
        return hsm.import_key(spec, secret, fresh_name(), Releasable::no).error().code;
    };
    EXPECT_EQ(code({HsmKeyKind::rsa, 3072, {}}, rsa.expose()), Code::invalid);
    EXPECT_EQ(code(kP256, rsa.expose()), Code::invalid);
    EXPECT_EQ(code(kP256, ec.expose()), Code::invalid);
    EXPECT_EQ(code(kRsa2048, ec.expose()), Code::invalid);
    EXPECT_EQ(code(kAes256, Bytes(16)), Code::invalid);
    EXPECT_EQ(code(kRsa2048, rsa.expose().first(100)), Code::invalid);
}

TEST_F(HsmTest, RemovesAKeyForGood) {
    const Hsm hsm = open_hsm();
    for (const HsmKeySpec& spec : {kP256, kAes256}) {
        const HsmKey key = generate(hsm, spec);
        const HsmKey neighbour = generate(hsm, kP256);
        EXPECT_TRUE(signs(neighbour));
        EXPECT_TRUE(hsm.remove(key.id()));
        EXPECT_EQ(hsm.remove(key.id()).error().code, Code::not_found);
        EXPECT_EQ(hsm.find(key.id()).error().code, Code::not_found);
        EXPECT_EQ(spec.kind == HsmKeyKind::ec
                      ? key.sign_digest(SigAlg::es256, Bytes(32)).error().code
                      : key.kw_wrap(true, Bytes(8)).error().code,
                  Code::not_found);
        EXPECT_TRUE(signs(neighbour));
    }
}

TEST_F(HsmTest, SurvivesThatAllItsSessionsAreClosed) {
    const Hsm hsm = open_hsm();
    const HsmKey key = generate(hsm, kP256);
    const HsmKey aes = generate(hsm, kAes256);
    EXPECT_TRUE(signs(key));
    close_all_sessions();
    EXPECT_TRUE(signs(key));
    close_all_sessions();
    EXPECT_TRUE(hsm.find(key.id()));
    close_all_sessions();
    EXPECT_TRUE(aes.kw_wrap(true, Bytes(8)));
    close_all_sessions();
    EXPECT_TRUE(hsm.generate(kP256, fresh_name(), Releasable::no));
    close_all_sessions();
    EXPECT_TRUE(hsm.check());
    close_all_sessions();
    EXPECT_TRUE(hsm.remove(key.id()));
}

TEST_F(HsmTest, ServesManyThreadsWithFewSessions) {
    const Hsm hsm = open_hsm(2);
    const HsmKey key = generate(hsm, kP256);
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 25; ++i) good += signs(key) ? 1 : 0;
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(good, 200);
}

// The other process is forked before the module starts here, and waits.
TEST_F(HsmTest, SharesATokenWithAnotherProcess) {
    const HsmKeyName first = fresh_name(), second = fresh_name();
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        char byte = 0;
        if (::read(ready[0], &byte, 1) != 1) ::_exit(10);
        auto hsm = Hsm::open(settings(), test_pin());
        if (!hsm) ::_exit(11);
        auto key = hsm->find(first.id);
        if (!key || !signs(*key)) ::_exit(12);
        if (!hsm->remove(first.id)) ::_exit(13);
        ::_exit(hsm->generate(kP256, second, Releasable::no) ? 0 : 14);
    }
    const Hsm hsm = open_hsm();
    const HsmKey key = MUST(hsm.generate(kP256, first, Releasable::no));
    EXPECT_TRUE(signs(key));
    ASSERT_EQ(::write(ready[1], "x", 1), 1);
    int status = -1;
    ::waitpid(child, &status, 0);
    ::close(ready[0]);
    ::close(ready[1]);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_EQ(key.sign_digest(SigAlg::es256, Bytes(32)).error().code, Code::not_found);
    EXPECT_EQ(hsm.find(first.id).error().code, Code::not_found);
    EXPECT_TRUE(signs(MUST(hsm.find(second.id))));
}

}  // namespace
}  // namespace vouchsafe::vault
