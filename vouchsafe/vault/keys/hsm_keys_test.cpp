// Keys of the HSM kinds in SoftHSM, through the vault's own routes.
#include "vouchsafe/vault/keys/hsm_keys.h"
#include "vouchsafe/vault/administration.h"

#include <filesystem>

#include "vouchsafe/crypto/wrap.h"
#include "vouchsafe/vault/administration.h"
#include "vouchsafe/vault/hsm/softhsm_for_test.h"
#include "vouchsafe/vault/object_test_support.h"
#include "vouchsafe/vault/root_rotation.h"

namespace vouchsafe::vault::test {
namespace {

std::string b64(ByteView bytes) {
    return encode_base64url(bytes);
}

Bytes bytes_of(const Json& text) {
    return MUST(decode_base64url(text.get<std::string>()));
}

// HsmVault is a vault that is started with an HSM, or without one.
class HsmVault : public ObjectTest {
  public:
    void TestBody() override {}

    void start_with(std::optional<Hsm> hsm) {
        service_.reset();
        Dependencies deps{*store_, clock_, web_.fetch(), keys().signer};
        deps.key_hsm = std::move(hsm);
        service_ = MUST(Service::create(config_, std::move(deps)));
    }
    void purge_whole_vault() {
        MUST(service_->administration().delete_vault(ObjectTest::vault_.name));
        MUST(service_->purge_vault(ObjectTest::vault_.name));
    }
    Answer post(const std::string& path, const Json& body) { return officer("POST", path, body); }
    Answer release(const std::string& key) {
        const std::string token = keys().attestation.token(attestation_claims());
        return as(kReleaser, "POST", "/keys/" + key + "/release",
                  {{"target", token}, {"enc", "RSA_AES_KEY_WRAP_256"}});
    }
    std::vector<store::Record> records(std::string_view table) {
        std::vector<store::Record> out;
        MUST(store_->read([&](store::View& view) -> Result<void> {
            out = TRY(view.scan(table, "", "", 100));
            return {};
        }));
        return out;
    }
    void put(std::string_view table, const std::string& key, ByteView value) {
        MUST(store_->run([&](store::Transaction& tx) { return tx.put(table, key, value); }));
    }
    void erase(std::string_view table, const std::string& key) {
        MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
            TRY(tx.erase(table, key));
            return {};
        }));
    }
    Bytes get(std::string_view table, const std::string& key) {
        for (const store::Record& one : records(table)) {
            if (one.key == key) return one.value;
        }
        return {};
    }
    // forget leaves a key as if it had never been stored.
    void forget(const std::string& name) {
        for (std::string_view table : {kKeyTable, kVersionTable, kSecretTable}) {
            for (const store::Record& one : records(table)) {
                if ((one.key + "/").starts_with("myconfkv/" + name + "/")) erase(table, one.key);
            }
        }
    }
    // before_storing does something when the next key was made and is about to be stored: its id
    // is announced in the transaction before.
    void before_storing(std::function<void()> act) {
        store_->before_run = [this, act] { store_->before_run = act; };
    }
    void fail_writing(const std::string& table) { store_->failing_table = table; }
    size_t purge_due() { return MUST(service_->purge_due()); }
    void pass(Seconds time) { clock_.set(clock_.now() + time); }
    Time now() const { return clock_.now(); }
    size_t rewrap() {
        auto now = crypto::keep_in_file();
        return MUST(rewrap_root({config_, *sqlite_, *now, crypto::keep_in_file(), clock_})).count;
    }
    using ObjectTest::create;
    using ObjectTest::officer;
    using ObjectTest::recorded;
};

class HsmKeysTest : public SoftHsmTest {
  protected:
    HsmKeysTest() { vault_.start_with(open_hsm()); }

    // objects is how many there are in the token: two of a pair, one of an AES key.
    size_t objects() const {
        size_t count = 0;
        for (const auto& entry :
             std::filesystem::recursive_directory_iterator(dir_.path() / "tokens")) {
            const std::string name = entry.path().filename().string();
            if (name.ends_with(".object") && name != "token.object") ++count;
        }
        return count;
    }
    void make(const std::string& name, const Json& body) {
        const Answer made = vault_.create(name, body);
        ASSERT_EQ(made.status, 200) << dump_json(made.body);
    }
    // announced_by_making makes a key, and returns what announced it.
    store::Record announced_by_making(const std::string& name) {
        store::Record out;
        vault_.before_storing([&] { out = vault_.records(kHsmPendingTable).front(); });
        make(name, {{"kty", "EC-HSM"}});
        EXPECT_TRUE(vault_.records(kHsmPendingTable).empty());
        return out;
    }
    Json use(const std::string& path, const Json& body) {
        const Answer answer = vault_.post("/keys/" + path, body);
        EXPECT_EQ(answer.status, 200) << path << dump_json(answer.body);
        return answer.body;
    }
    Json comes_back(const std::string& key, const char* alg, const char* there, const char* back) {
        Json sealed = use(key + "/" + there, {{"alg", alg}, {"value", b64(Bytes(32, 7))}});
        Json body = {{"alg", alg}, {"value", sealed["value"]}};
        for (const char* member : {"iv", "tag"}) {
            if (sealed.contains(member)) body[member] = sealed[member];
        }
        EXPECT_EQ(use(key + "/" + back, body)["value"], b64(Bytes(32, 7))) << alg;
        return body;
    }
    void signs(const std::string& key, const char* alg) {
        const std::string digest = b64(Bytes(32, 1));
        const Json sig = use(key + "/sign", {{"alg", alg}, {"value", digest}});
        const Json body = {{"alg", alg}, {"digest", digest}, {"value", sig["value"]}};
        EXPECT_EQ(use(key + "/verify", body)["value"], true) << alg;
    }

    HsmVault vault_;
};

TEST_F(HsmKeysTest, LiveInTheTokenAndAreUsedThere) {
    make("rsa", {{"kty", "RSA-HSM"}});
    make("ec", {{"kty", "EC-HSM"}, {"crv", "P-256"}});
    make("oct", {{"kty", "oct-HSM"}, {"key_size", 256}});
    EXPECT_EQ(objects(), 5u);
    for (const store::Record& one : vault_.records(kVersionTable)) {
        EXPECT_TRUE(MUST(parse_key_version(one.value)).in_hsm);
    }
    signs("rsa", "RS256");
    signs("rsa", "PS256");
    signs("ec", "ES256");
    for (const char* alg : {"RSA1_5", "RSA-OAEP", "RSA-OAEP-256"}) {
        comes_back("rsa", alg, "wrapkey", "unwrapkey");
    }
    comes_back("oct", "A256GCM", "encrypt", "decrypt");
    comes_back("oct", "A256KW", "wrapkey", "unwrapkey");
    EXPECT_TRUE(vault_.records(kHsmPendingTable).empty());
}

TEST_F(HsmKeysTest, OfOtherKindsStaySealedInTheStore) {
    make("soft", {{"kty", "EC"}});
    EXPECT_EQ(objects(), 0u);
    signs("soft", "ES256");
}

TEST_F(HsmKeysTest, DoNotSayHowACiphertextIsWrong) {
    make("rsa", {{"kty", "RSA-HSM"}});
    make("oct", {{"kty", "oct-HSM"}});
    std::set<std::string> messages;
    for (const Json& body : {Json{{"alg", "RSA-OAEP"}, {"value", b64(Bytes(256, 9))}},
                             Json{{"alg", "RSA-OAEP"}, {"value", b64(Bytes(17, 9))}}}) {
        const Answer answer = vault_.post("/keys/rsa/decrypt", body);
        EXPECT_EQ(answer.status, 400);
        messages.insert(answer.message());
    }
    const Json gcm = {{"alg", "A256GCM"},
                      {"value", b64(Bytes(32, 9))},
                      {"iv", b64(Bytes(12, 9))},
                      {"tag", b64(Bytes(16, 9))}};
    const Answer forged = vault_.post("/keys/oct/decrypt", gcm);
    EXPECT_EQ(forged.status, 400);
    messages.insert(forged.message());
    EXPECT_EQ(messages.size(), 1u);
}

TEST_F(HsmKeysTest, RefuseWhatAnHsmDoesNotDo) {
    make("oct", {{"kty", "oct-HSM"}, {"key_ops", {"sign", "encrypt", "wrapKey"}}});
    const size_t before = objects();
    const Json hmac = {{"alg", "HS256"}, {"value", b64(Bytes(32, 1))}};
    EXPECT_EQ(vault_.post("/keys/oct/sign", hmac).status, 400);
    const Json odd = {{"alg", "CKM_AES_KEY_WRAP_PAD"}, {"value", b64(Bytes(13, 1))}};
    EXPECT_EQ(vault_.post("/keys/oct/wrapkey", odd).status, 400);
    EXPECT_EQ(vault_.create("k1", {{"kty", "EC-HSM"}, {"crv", "P-256K"}}).status, 400);
    const Json long_key = {{"key", {{"kty", "oct-HSM"}, {"k", b64(Bytes(64, 3))}}}};
    EXPECT_EQ(vault_.officer("PUT", "/keys/long", long_key).status, 400);
    EXPECT_EQ(vault_.post("/keys/oct/backup", nullptr).status, 400);
    EXPECT_EQ(objects(), before);
    EXPECT_TRUE(vault_.records(kHsmPendingTable).empty());
}

TEST_F(HsmKeysTest, CanBeImported) {
    const Bytes octets(32, 0x42);
    const Json jwk = {{"kty", "oct-HSM"},
                      {"k", b64(octets)},
                      {"key_ops", {"encrypt", "decrypt", "wrapKey", "unwrapKey"}}};
    ASSERT_EQ(vault_.officer("PUT", "/keys/oct", {{"key", jwk}}).status, 200);
    EXPECT_EQ(objects(), 1u);
    const Json wrapped = use("oct/wrapkey", {{"alg", "A256KW"}, {"value", b64(Bytes(16, 5))}});
    const auto plain = MUST(crypto::aes_kw_unwrap(octets, bytes_of(wrapped["value"])));
    EXPECT_EQ(to_bytes(plain.expose()), Bytes(16, 5));
}

TEST_F(HsmKeysTest, LeaveForTheMachineAsCiphertextIfTheyWereMadeReleasable) {
    const Answer made = vault_.create("kek", exportable_key());
    ASSERT_EQ(made.status, 200) << dump_json(made.body);
    EXPECT_EQ(objects(), 2u);
    const Answer answer = vault_.release("kek");
    ASSERT_EQ(answer.status, 200) << dump_json(answer.body);
    std::string jws = answer.body["value"];
    jws = jws.substr(jws.find('.') + 1);
    const Json payload =
        MUST(parse_json(to_text(MUST(decode_base64url(jws.substr(0, jws.find('.')))))));
    const Bytes key_hsm = bytes_of(payload["response"]["key"]["key"]["key_hsm"]);
    const Json inner = MUST(parse_json(as_text(key_hsm)));
    const SecretBytes pkcs8 = MUST(
        crypto::rsa_aes_unwrap(keys().tee, crypto::HashAlg::sha256, bytes_of(inner["ciphertext"])));
    const auto key = MUST(crypto::PrivateKey::from_pkcs8(pkcs8.expose()));
    EXPECT_TRUE(key.public_key() == MUST(jose::parse_jwk(made.body["key"])));
}

TEST_F(HsmKeysTest, GoFromTheTokenWhenTheyArePurged) {
    make("k", {{"kty", "EC-HSM"}});
    make("k", {{"kty", "EC-HSM"}});
    EXPECT_EQ(vault_.post("/keys/k/rotate", nullptr).status, 200);
    EXPECT_EQ(objects(), 6u);
    EXPECT_EQ(vault_.officer("DELETE", "/keys/k").status, 200);
    EXPECT_EQ(objects(), 6u);
    // Refused in the transaction, when the key is in the token already.
    EXPECT_EQ(vault_.create("k", {{"kty", "EC-HSM"}}).status, 409);
    EXPECT_EQ(objects(), 6u);
    EXPECT_EQ(vault_.officer("DELETE", "/deletedkeys/k").status, 204);
    EXPECT_EQ(objects(), 0u);
    EXPECT_TRUE(vault_.records(kHsmPendingTable).empty());
}

TEST_F(HsmKeysTest, GoFromTheTokenWithTheirVault) {
    make("k", {{"kty", "EC-HSM"}});
    make("gone", {{"kty", "EC-HSM"}});
    EXPECT_EQ(vault_.officer("DELETE", "/keys/gone").status, 200);
    EXPECT_EQ(objects(), 4u);
    vault_.purge_whole_vault();
    EXPECT_EQ(objects(), 0u);
    EXPECT_TRUE(vault_.records(kHsmPendingTable).empty());
}

TEST_F(HsmKeysTest, AreRemovedAgainIfTheirVersionCannotBeStored) {
    make("k", {{"kty", "EC-HSM"}});
    vault_.fail_writing(std::string(kVersionTable));
    EXPECT_EQ(vault_.create("k", {{"kty", "EC-HSM"}}).status, 500);
    EXPECT_EQ(vault_.post("/keys/k/rotate", nullptr).status, 500);
    EXPECT_EQ(objects(), 2u);
    // Where the id cannot be noted first, no key is made.
    vault_.fail_writing(std::string(kHsmPendingTable));
    EXPECT_EQ(vault_.create("k", {{"kty", "EC-HSM"}}).status, 500);
    EXPECT_EQ(objects(), 2u);
    vault_.fail_writing("");
    EXPECT_TRUE(vault_.records(kHsmPendingTable).empty());
    signs("k", "ES256");
}

TEST_F(HsmKeysTest, ThatAKilledProcessLeftAreRemovedAfterAWhile) {
    const store::Record left = announced_by_making("k");
    vault_.forget("k");
    vault_.put(kHsmPendingTable, left.key, left.value);
    vault_.purge_due();
    EXPECT_EQ(objects(), 2u);
    vault_.pass(Seconds{3601});
    vault_.purge_due();
    EXPECT_EQ(objects(), 0u);
    EXPECT_TRUE(vault_.records(kHsmPendingTable).empty());
}

TEST_F(HsmKeysTest, InUseAreNotRemovedByWhoCanWriteTheStore) {
    const store::Record old = announced_by_making("k");
    const store::Record other = announced_by_making("other");
    const std::string plain = dump_json({{"token", "vault"}, {"due", 0}});
    vault_.pass(Seconds{3601});
    for (ByteView record : {as_bytes(plain), ByteView(other.value), ByteView(old.value)}) {
        vault_.put(kHsmPendingTable, old.key, record);
        vault_.purge_due();
        EXPECT_EQ(objects(), 4u);
        signs("k", "ES256");
    }
    EXPECT_TRUE(vault_.records(kHsmPendingTable).empty()) << "what was put back counts for nothing";
    // Nor does it help to deny that the version is in the HSM.
    const auto versions = vault_.records(kVersionTable);
    for (const store::Record& version : versions) {
        Json json = MUST(parse_json(as_text(version.value)));
        json.erase("in_hsm");
        vault_.put(kVersionTable, version.key, as_bytes(dump_json(json)));
    }
    vault_.put(kHsmPendingTable, old.key, old.value);
    vault_.purge_due();
    EXPECT_EQ(objects(), 4u);
}

TEST_F(HsmKeysTest, OfOneEntryThatFailsDoNotHoldUpTheOthers) {
    const store::Record good = announced_by_making("good");
    const store::Record bad = announced_by_making("bad");
    make("bad", {{"kty", "EC-HSM"}});
    EXPECT_EQ(objects(), 6u);
    for (const store::Record& one : vault_.records(kSecretTable)) {
        if (one.key.find("/bad/") == std::string::npos) continue;
        vault_.put(kSecretTable, one.key, Bytes(7));  // is it used? that cannot be told
    }
    vault_.forget("good");
    for (const store::Record& one : {good, bad}) vault_.put(kHsmPendingTable, one.key, one.value);
    vault_.put(kHsmPendingTable, "00", as_bytes("{}"));
    vault_.put(kHsmPendingTable, "no id", good.value);
    vault_.pass(Seconds{3601});
    vault_.purge_due();
    EXPECT_EQ(objects(), 4u);
    EXPECT_EQ(vault_.records(kHsmPendingTable).size(), 3u);
}

TEST_F(HsmKeysTest, WhoseMakingTookTooLongAreNotStoredAndDoNotStay) {
    vault_.before_storing([&] {
        vault_.pass(Seconds{3601});
        vault_.purge_due();
    });
    EXPECT_EQ(vault_.create("k", {{"kty", "EC-HSM"}}).status, 503);
    EXPECT_EQ(objects(), 0u);
    // One that turns up only after it was given up.
    const store::Record left = announced_by_making("k");
    const Bytes id = MUST(decode_hex(left.key));
    vault_.forget("k");
    MUST(open_hsm().remove(id));
    vault_.put(kHsmPendingTable, left.key, left.value);
    vault_.pass(Seconds{3601});
    vault_.purge_due();
    EXPECT_EQ(vault_.records(kHsmPendingTable).size(), 1u);
    MUST(open_hsm().generate(kP256, {id, "late"}, Releasable::no));
    vault_.purge_due();
    EXPECT_EQ(objects(), 0u);
    EXPECT_TRUE(vault_.records(kHsmPendingTable).empty());
    // One that never does.
    vault_.put(kHsmPendingTable, left.key, left.value);
    vault_.purge_due();
    vault_.pass(Seconds{24 * 3600});
    vault_.purge_due();
    EXPECT_TRUE(vault_.records(kHsmPendingTable).empty());
}

TEST_F(HsmKeysTest, CanBePurgedThoughWhereTheyAreIsLost) {
    make("k", {{"kty", "EC-HSM"}});
    make("k", {{"kty", "EC-HSM"}});
    const store::Record good = vault_.records(kSecretTable).front();
    vault_.put(kSecretTable, good.key, Bytes(7));
    EXPECT_EQ(vault_.officer("DELETE", "/keys/k").status, 200);
    // Not by a service that opens nothing at all: it would take every place for lost.
    const std::string root(kRootKey);
    const Bytes proof = vault_.get(kMetaTable, root);
    vault_.put(kMetaTable, root, Bytes(60));
    EXPECT_EQ(vault_.officer("DELETE", "/deletedkeys/k").status, 503);
    vault_.put(kMetaTable, root, proof);
    const Answer purged = vault_.officer("DELETE", "/deletedkeys/k");
    EXPECT_EQ(purged.status, 204);
    EXPECT_EQ(vault_.recorded(purged).at(0).entry.details["left_in_hsm"], 1);
    EXPECT_EQ(objects(), 2u);
    EXPECT_TRUE(vault_.records(kVersionTable).empty());
}

TEST_F(HsmKeysTest, MadeToLeaveAreNotStoredUnderANameThatMustStay) {
    make("k", exportable_key());
    vault_.before_storing([&] {
        EXPECT_EQ(vault_.officer("DELETE", "/keys/k").status, 200);
        EXPECT_EQ(vault_.officer("DELETE", "/deletedkeys/k").status, 204);
    });
    EXPECT_EQ(vault_.create("k", {{"kty", "EC-HSM"}}).status, 409);
    EXPECT_EQ(objects(), 0u);
}

TEST_F(HsmKeysTest, AreUnavailableWithoutTheTokenAndThereAgainWithIt) {
    make("k", {{"kty", "EC-HSM"}});
    const Json sign = {{"alg", "ES256"}, {"value", b64(Bytes(32, 1))}};
    vault_.start_with(std::nullopt);
    EXPECT_EQ(vault_.post("/keys/k/sign", sign).status, 503);
    // Made without an HSM they are sealed in the store, and stay there.
    make("soft", {{"kty", "EC-HSM"}});
    vault_.start_with(open_hsm());
    signs("k", "ES256");
    signs("soft", "ES256");
    EXPECT_EQ(objects(), 2u);
    EXPECT_EQ(vault_.post("/keys/soft/rotate", nullptr).status, 200);
    EXPECT_EQ(objects(), 4u);
}

TEST_F(HsmKeysTest, CannotBeTakenForKeysOfTheStoreOrTheOtherWayRound) {
    make("oct", {{"kty", "oct-HSM"}});
    const store::Record record = vault_.records(kVersionTable).front();
    Json json = MUST(parse_json(as_text(record.value)));
    json.erase("in_hsm");
    vault_.put(kVersionTable, record.key, as_bytes(dump_json(json)));
    const Json body = {{"alg", "A256GCM"}, {"value", b64(Bytes(16, 1))}};
    EXPECT_EQ(vault_.post("/keys/oct/encrypt", body).status, 500);
}

TEST_F(HsmKeysTest, StayUsableWhenTheRootKeyIsReplaced) {
    make("k", {{"kty", "EC-HSM"}});
    EXPECT_EQ(vault_.rewrap(), 1u);
    signs("k", "ES256");
    vault_.start_with(open_hsm());
    signs("k", "ES256");
}

TEST(HsmPlace, IsParsedAsItWasWrittenAndNothingElse) {
    const HsmPlace place{"vault", Bytes(16, 7)};
    const Bytes good = encode_hsm_place(place);
    const HsmPlace back = MUST(parse_hsm_place(good));
    EXPECT_EQ(back.token, "vault");
    EXPECT_EQ(back.id, place.id);
    for (size_t size = 0; size <= 7; ++size) {
        EXPECT_FALSE(parse_hsm_place(ByteView(good).first(size))) << size;
    }
    Bytes other = good;
    other[0] = 2;
    EXPECT_EQ(parse_hsm_place(other).error().code, Code::unsupported);
    EXPECT_FALSE(parse_hsm_place(encode_hsm_place({"", Bytes(16, 7)})));
    EXPECT_FALSE(parse_hsm_place(encode_hsm_place({"vault", Bytes(65, 7)})));
}

}  // namespace
}  // namespace vouchsafe::vault::test
