// What SoftHSM never does by itself, by a module that does it.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/wrap.h"
#include "vouchsafe/vault/hsm/hsm_root_keeper.h"
#include "vouchsafe/vault/hsm/softhsm_for_test.h"

namespace vouchsafe::vault {
namespace {

using crypto::SigAlg;

class HsmFaultsTest : public SoftHsmTest {
  protected:
    HsmFaultsTest() : library_(::dlopen(VS_FAULTY_PKCS11, RTLD_NOW)) {
        call<void (*)()>("faulty_reset")();
    }
    template <typename Function>
    Function call(const char* name) {
        return reinterpret_cast<Function>(::dlsym(library_, name));
    }
    void fail_next(const char* function, CK_RV rv, int times = 1, bool after = false) {
        call<void (*)(const char*, CK_RV, int, bool)>("faulty_fail")(function, rv, times, after);
    }
    void hide(CK_MECHANISM_TYPE mechanism) {
        call<void (*)(CK_MECHANISM_TYPE)>("faulty_hide")(mechanism);
    }
    static HsmSettings faulty() { return {VS_FAULTY_PKCS11, "vault", 4}; }
    static Hsm open_faulty() { return MUST(Hsm::open(faulty(), test_pin())); }

    void* library_;
};

TEST_F(HsmFaultsTest, SaysThatThePinIsLocked) {
    constexpr std::pair<CK_RV, const char*> kLogins[] = {
        {CKR_PIN_LOCKED, "security officer"},
        {CKR_PIN_EXPIRED, "expired"},
        {CKR_USER_PIN_NOT_INITIALIZED, "security officer"},
    };
    for (auto [rv, hint] : kLogins) {
        fail_next("C_Login", rv);
        const Error error = Hsm::open(faulty(), test_pin()).error();
        EXPECT_EQ(error.code, Code::forbidden);
        EXPECT_NE(error.message.find(hint), std::string::npos) << error.message;
    }
    fail_next("C_Login", CKR_DEVICE_REMOVED);
    EXPECT_EQ(Hsm::open(faulty(), test_pin()).error().code, Code::unavailable);
    EXPECT_TRUE(Hsm::open(faulty(), test_pin()));
}

TEST_F(HsmFaultsTest, WaitsAMomentForATokenThatIsAway) {
    fail_next("C_GetTokenInfo", CKR_DEVICE_REMOVED, 8);
    const Hsm hsm = open_faulty();
    const HsmKey key = generate(hsm, kP256);
    fail_next("C_SignInit", CKR_DEVICE_REMOVED);  // the session is lost
    fail_next("C_GetTokenInfo", CKR_DEVICE_REMOVED, 8);
    EXPECT_TRUE(key.sign_digest(SigAlg::es256, Bytes(32)));
    fail_next("C_SignInit", CKR_DEVICE_REMOVED, 2);
    fail_next("C_GetTokenInfo", CKR_DEVICE_REMOVED, 1000);
    EXPECT_FALSE(key.sign_digest(SigAlg::es256, Bytes(32)));
}

TEST_F(HsmFaultsTest, ShowsARefusedPinOnce) {
    const Hsm hsm = open_faulty();
    const HsmKey key = generate(hsm, kP256);
    fail_next("C_SignInit", CKR_DEVICE_REMOVED, 2);
    EXPECT_EQ(key.sign_digest(SigAlg::es256, Bytes(32)).error().code, Code::unavailable);
    // All sessions go, and meanwhile somebody changed the PIN.
    CK_C_GetFunctionList get = call<CK_C_GetFunctionList>("C_GetFunctionList");
    CK_FUNCTION_LIST* api = nullptr;
    ASSERT_EQ(get(&api), CKR_OK);
    CK_SLOT_ID slots[8];
    CK_ULONG count = std::size(slots);
    ASSERT_EQ(api->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
    for (CK_ULONG i = 0; i < count; ++i) ASSERT_EQ(api->C_CloseAllSessions(slots[i]), CKR_OK);
    fail_next("C_Login", CKR_PIN_INCORRECT);  // once: a second login would succeed
    EXPECT_EQ(key.sign_digest(SigAlg::es256, Bytes(32)).error().code, Code::forbidden);
    EXPECT_EQ(key.sign_digest(SigAlg::es256, Bytes(32)).error().code, Code::forbidden);
}

TEST_F(HsmFaultsTest, AKeeperShowsARefusedPinOnceAndTellsItNobody) {
    SharedPin pin = shared_pin();
    const std::weak_ptr<const SecretBytes> alive = pin;
    auto keeper = MUST(keep_in_hsm(faulty(), std::move(pin), "root"));
    const Json kept = MUST(keeper->keep(Secret<crypto::kRootKeySize>()));
    fail_next("C_Login", CKR_PIN_INCORRECT);  // once: a second login would succeed
    for (int i = 0; i < 2; ++i) {
        const auto refused = keeper->recover(kept);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Code::forbidden);
        EXPECT_EQ(refused.error().message.find(kTestPin), std::string::npos);
        EXPECT_TRUE(alive.expired()) << "it is wiped";
    }
}

TEST_F(HsmFaultsTest, HoldsOnePinForAllThatUseTheToken) {
    const SharedPin pin = shared_pin();
    const Hsm first = MUST(Hsm::open(faulty(), pin));
    const Hsm second = MUST(Hsm::open(faulty(), shared_pin()));
    EXPECT_EQ(pin.use_count(), 2);  // this one and the token's
    EXPECT_EQ(Hsm::open(faulty(), shared_pin("another-pin")).error().code, Code::forbidden);
}

TEST_F(HsmFaultsTest, TriesAgainWhatWasLostOnTheWay) {
    const HsmKey key = generate(open_faulty(), kP256);
    for (CK_RV rv : {CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_DEVICE_REMOVED,
                     CKR_USER_NOT_LOGGED_IN, CKR_OPERATION_ACTIVE, CKR_KEY_HANDLE_INVALID}) {
        fail_next("C_SignInit", rv);
        EXPECT_TRUE(key.sign_digest(SigAlg::es256, Bytes(32))) << rv;
        fail_next("C_Sign", rv);
        EXPECT_TRUE(key.sign_digest(SigAlg::es256, Bytes(32))) << rv;
    }
    fail_next("C_Sign", CKR_SESSION_CLOSED, 2);
    EXPECT_EQ(key.sign_digest(SigAlg::es256, Bytes(32)).error().code, Code::unavailable);
    fail_next("C_OpenSession", CKR_SESSION_COUNT);
    fail_next("C_Sign", CKR_SESSION_CLOSED);
    EXPECT_EQ(key.sign_digest(SigAlg::es256, Bytes(32)).error().code, Code::unavailable);
    EXPECT_TRUE(key.sign_digest(SigAlg::es256, Bytes(32)));
}

TEST_F(HsmFaultsTest, ServesManyThreadsWhileSessionsGetLost) {
    const HsmKey key = generate(open_faulty(), kP256);
    constexpr int kThreads = 6, kEach = 20, kLost = 8;
    fail_next("C_SignInit", CKR_SESSION_HANDLE_INVALID, kLost);
    std::atomic<int> good = 0, unavailable = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < kEach; ++i) {
                auto signature = key.sign_digest(SigAlg::es256, Bytes(32));
                if (signature) ++good;
                if (!signature && signature.error().code == Code::unavailable) ++unavailable;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(good + unavailable, kThreads * kEach);
    EXPECT_LE(unavailable, kLost / 2);  // each is tried twice
    EXPECT_TRUE(key.sign_digest(SigAlg::es256, Bytes(32)));
}

TEST_F(HsmFaultsTest, MakesNoSecondKeyWhenItDoesNotKnowOfTheFirst) {
    const Hsm hsm = open_faulty();
    HsmKeyName name = fresh_name();
    fail_next("C_GenerateKeyPair", CKR_SESSION_HANDLE_INVALID);
    EXPECT_TRUE(hsm.generate(kP256, name, Releasable::no));
    EXPECT_TRUE(hsm.remove(name.id));
    EXPECT_EQ(hsm.find(name.id).error().code, Code::not_found);
    fail_next("C_GenerateKeyPair", CKR_SESSION_CLOSED, 1, true);
    EXPECT_EQ(hsm.generate(kP256, name, Releasable::no).error().code, Code::unavailable);
    EXPECT_EQ(hsm.generate(kP256, name, Releasable::no).error().code, Code::conflict);
    EXPECT_TRUE(hsm.remove(name.id));
    EXPECT_EQ(hsm.find(name.id).error().code, Code::not_found);
}

TEST_F(HsmFaultsTest, LeavesNoHalfOfAnImportedKey) {
    const Hsm hsm = open_faulty();
    const HsmKeyName name = fresh_name();
    const SecretBytes secret =
        MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256)).to_pkcs8();
    fail_next("C_CreateObject public", CKR_DEVICE_MEMORY);
    const Error error = hsm.import_key(kP256, secret.expose(), name, Releasable::no).error();
    EXPECT_EQ(error.code, Code::unavailable);
    EXPECT_NE(error.message.find("full"), std::string::npos);
    EXPECT_EQ(hsm.remove(name.id).error().code, Code::not_found);
    EXPECT_TRUE(hsm.import_key(kP256, secret.expose(), name, Releasable::no));
}

TEST_F(HsmFaultsTest, RefusesWhatTheTokenDoesNotOffer) {
    for (CK_MECHANISM_TYPE type :
         {CKM_AES_KEY_WRAP_PAD, CKM_RSA_X_509, CKM_RSA_PKCS, CKM_RSA_PKCS_PSS, CKM_ECDSA,
          CKM_AES_GCM, CKM_AES_CBC, CKM_AES_CBC_PAD, CKM_AES_KEY_WRAP}) {
        hide(type);
    }
    const Hsm hsm = open_faulty();
    const HsmKey rsa = generate(hsm, kRsa2048, Releasable::yes);
    const HsmKey ec = generate(hsm, kP256);
    const HsmKey aes = generate(hsm, kAes256);
    EXPECT_EQ(rsa.wrap_out(Bytes(32)).error().code, Code::unsupported);
    EXPECT_EQ(rsa.sign_digest(SigAlg::rs256, Bytes(32)).error().code, Code::unsupported);
    EXPECT_EQ(rsa.sign_digest(SigAlg::ps256, Bytes(32)).error().code, Code::unsupported);
    EXPECT_EQ(rsa.sign_unhashed(Bytes(32)).error().code, Code::unsupported);
    EXPECT_EQ(ec.sign_digest(SigAlg::es256, Bytes(32)).error().code, Code::unsupported);
    EXPECT_EQ(aes.gcm_seal(Bytes(12), {}, Bytes(1)).error().code, Code::unsupported);
    EXPECT_EQ(aes.gcm_open(Bytes(12), {}, {}, Bytes(16)).error().code, Code::unsupported);
    EXPECT_EQ(aes.cbc_encrypt(Bytes(16), true, Bytes(16)).error().code, Code::unsupported);
    EXPECT_EQ(aes.cbc_decrypt(Bytes(16), false, Bytes(16)).error().code, Code::unsupported);
    EXPECT_EQ(aes.kw_wrap(false, Bytes(16)).error().code, Code::unsupported);
    EXPECT_EQ(aes.kw_unwrap(true, Bytes(16)).error().code, Code::unsupported);
    const SecretBytes secret =
        MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256)).to_pkcs8();
    EXPECT_EQ(hsm.import_key(kP256, secret.expose(), fresh_name(), Releasable::no).error().code,
              Code::unsupported);
    // Without the bare operation no padding is removed by CKM_RSA_PKCS, which would tell of it.
    const crypto::PublicKey half = MUST(rsa.public_key());
    EXPECT_EQ(rsa.decrypt_pkcs1_any(MUST(half.encrypt_pkcs1(Bytes(8)))).error().code,
              Code::unsupported);
    const Bytes sealed = MUST(half.encrypt_oaep(crypto::HashAlg::sha1, as_bytes("x")));
    EXPECT_EQ(MUST(rsa.decrypt_oaep(crypto::HashAlg::sha1, sealed)).expose_text(), "x");
}

TEST_F(HsmFaultsTest, PassesOnWhatAnExactTokenWraps) {
    call<void (*)(bool, bool)>("faulty_wrap")(true, false);
    const Hsm hsm = open_faulty();
    const Bytes kek = crypto::random_bytes(32);
    for (const HsmKeySpec& spec : {kRsa2048, kP256}) {
        const HsmKey key = generate(hsm, spec, Releasable::yes);
        const SecretBytes pkcs8 = MUST(crypto::aes_kwp_unwrap(kek, MUST(key.wrap_out(kek))));
        EXPECT_EQ(MUST(crypto::PrivateKey::from_pkcs8(pkcs8.expose())).public_key(),
                  MUST(key.public_key()));
    }
    const Bytes raw = crypto::random_bytes(32), secret = crypto::random_bytes(13);
    const HsmKey aes = MUST(hsm.import_key(kAes256, raw, fresh_name(), Releasable::yes));
    EXPECT_TRUE(equal(MUST(crypto::aes_kwp_unwrap(kek, MUST(aes.wrap_out(kek)))).expose(), raw));
    EXPECT_TRUE(
        equal(MUST(crypto::aes_kwp_unwrap(raw, MUST(aes.kw_wrap(true, secret)))).expose(), secret));
}

TEST_F(HsmFaultsTest, WrapsNothingWithATokenThatWrapsInAnotherWay) {
    call<void (*)(bool, bool)>("faulty_wrap")(false, true);
    const Hsm hsm = open_faulty();
    const HsmKey key = generate(hsm, kP256, Releasable::yes);
    EXPECT_EQ(key.wrap_out(Bytes(32)).error().code, Code::unsupported);
    EXPECT_EQ(generate(hsm, kAes256).kw_wrap(true, Bytes(13)).error().code, Code::unsupported);
}

TEST_F(HsmFaultsTest, RemovesOaepHereWhereTheTokenDoesNot) {
    hide(CKM_RSA_PKCS_OAEP);
    const HsmKey key = import_rsa(open_faulty());
    const crypto::PublicKey half = MUST(key.public_key());
    for (auto hash : {crypto::HashAlg::sha1, crypto::HashAlg::sha256}) {
        const Bytes sealed = MUST(half.encrypt_oaep(hash, as_bytes("x")));
        EXPECT_EQ(MUST(key.decrypt_oaep(hash, sealed)).expose_text(), "x");
    }
}

TEST_F(HsmFaultsTest, SaysUnavailableRatherThanThatACiphertextIsWrong) {
    const HsmKey key = import_rsa(open_faulty());
    const Bytes sealed = MUST(MUST(key.public_key()).encrypt_pkcs1(Bytes(8)));
    fail_next("C_Decrypt", CKR_DEVICE_ERROR);
    EXPECT_EQ(key.decrypt_pkcs1_any(sealed).error().code, Code::unavailable);
    EXPECT_EQ(MUST(key.decrypt_pkcs1_any(sealed)).size(), 8U);
}

}  // namespace
}  // namespace vouchsafe::vault
