#include "vouchsafe/vault/root_rotation.h"

#include <algorithm>
#include <filesystem>
#include <thread>

#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/key_seal.h"
#include "vouchsafe/vault/object_test_support.h"
#include "vouchsafe/vault/operations.h"
#include "vouchsafe/vault/root_guard.h"
#include "vouchsafe/vault/secrets/secret_records.h"

namespace vouchsafe::vault::test {
namespace {

// sealed_in_version_1 is what earlier programs wrote: the wrapped data key binds the context.
Bytes sealed_in_version_1(const crypto::RootKey& root, const std::string& context, ByteView data) {
    const SecretBytes data_key = crypto::random_secret(crypto::kGcmKeySize);
    const Bytes wrapped = root.seal("vault data key " + context, data_key.expose());
    const Bytes nonce = crypto::random_bytes(crypto::kGcmNonceSize);
    Bytes ciphertext(data.size());
    std::array<uint8_t, crypto::kGcmTagSize> tag;
    const std::string bound = "vault key " + context;
    MUST(crypto::AesGcm::create(data_key.expose()))
        .seal(nonce, as_bytes(bound), data, ciphertext, tag);
    return Writer()
        .u8(1)
        .u16_be(static_cast<uint16_t>(wrapped.size()))
        .bytes(wrapped)
        .bytes(nonce)
        .bytes(ciphertext)
        .bytes(tag)
        .take();
}

class RootRotationTest : public ObjectTest {
  protected:
    Result<Rewrapped> rotate(std::shared_ptr<crypto::RootKeeper> next = crypto::keep_in_file()) {
        auto now = crypto::keep_in_file();
        return rewrap_root({config_, *sqlite_, *now, std::move(next), clock_});
    }
    Path root_file() const { return config_.directory / kRootKeyFile; }
    std::string sign(const std::string& key) {
        const Json body = {{"alg", "ES256"}, {"value", std::string(43, 'A')}};
        return officer("POST", "/keys/" + key + "/sign", body).status == 200 ? "signs" : "does not";
    }
    std::string value(const std::string& secret) {
        const Answer answer = officer("GET", "/secrets/" + secret);
        return answer.status == 200 ? answer.body["value"].get<std::string>() : "none";
    }
    Bytes sealed_at(std::string_view table, const std::string& place) {
        Bytes out;
        MUST(sqlite_->read([&](store::View& view) -> Result<void> {
            out = *TRY(view.get(table, place));
            return {};
        }));
        return out;
    }
    // begin does what a replacement does first, once the file has a new key.
    void begin() {
        auto root = MUST(crypto::RootRing::load_or_create(root_file(), crypto::keep_in_file()));
        const Bytes old = sealed_at(kMetaTable, std::string(kRootKey));
        const SecretBytes proof = MUST(root->open(kRootContext, old));
        put(kMetaTable, std::string(kRootKey), root->seal(kRootContext, proof.expose()));
        MUST(sqlite_->run(
            [&](store::Transaction& tx) { return put_root_generation(tx, root->generation()); }));
    }
    void put(std::string_view table, const std::string& place, ByteView bytes) {
        MUST(sqlite_->run(
            [&](store::Transaction& tx) -> Result<void> { return tx.put(table, place, bytes); }));
    }
};

TEST_F(RootRotationTest, LeavesEverythingUsableForRunningAndForNewServices) {
    create("k", {{"kty", "EC"}});
    create("k", {{"kty", "EC"}});
    set("s", {{"value", "before"}});
    set("gone", {{"value", "deleted"}});
    officer("DELETE", "/secrets/gone");
    const Json backup = officer("POST", "/keys/k/backup").body;
    const Bytes old_file = MUST(read_file(root_file()));
    EXPECT_TRUE(MUST(service_->write_checkpoint(Seconds{0})));

    EXPECT_EQ(MUST(rotate()).count, 4u);
    for (const char* who : {"running", "started anew"}) {
        EXPECT_EQ(sign("k"), "signs") << who;
        EXPECT_EQ(value("s"), "before") << who;
        EXPECT_EQ(create(fmt::format("new-{}", who[0]), {{"kty", "EC"}}).status, 200) << who;
        EXPECT_TRUE(MUST(service_->write_checkpoint(Seconds{0}))) << who;
        start();
    }
    EXPECT_EQ(officer("POST", "/deletedsecrets/gone/recover").status, 200);
    EXPECT_EQ(value("gone"), "deleted");
    officer("DELETE", "/keys/k");
    EXPECT_EQ(officer("DELETE", "/deletedkeys/k").status, 204);
    EXPECT_EQ(officer("POST", "/keys/restore", backup).status, 200);
    EXPECT_EQ(sign("k"), "signs");

    // The key of before opens nothing now.
    service_.reset();
    MUST(write_file(root_file(), old_file, Overwrite::yes, 0600));
    EXPECT_EQ(open(config_).error().code, Code::bad_evidence);
}

TEST_F(RootRotationTest, IsRecordedWithItsBeginningAndItsEnd) {
    create("k", {{"kty", "EC"}});
    MUST(rotate());
    const auto entries = log();
    ASSERT_GE(entries.size(), 2u);
    const audit::Entry& end = entries.back().entry;
    EXPECT_EQ(end.action, "root/rewrapped");
    EXPECT_EQ(end.details["data_keys"], 1);
    EXPECT_EQ(end.details["generation"], 2);
    EXPECT_EQ(entries[entries.size() - 2].entry.action, "root/rewrap");
}

TEST_F(RootRotationTest, BringsKeysOfTheFirstFormatIntoTheSecond) {
    const Answer made = create("k", {{"kty", "EC"}});
    const std::string place =
        "myconfkv/k/" + id_of(made).substr(std::string_view(kBase).size() + 8);
    auto root = MUST(crypto::RootRing::load_or_create(root_file(), crypto::keep_in_file()));
    const KeyVersion version = MUST(parse_key_version(sealed_at(kVersionTable, place)));
    const std::string context = key_seal_context(config_, place, version);
    const SecretBytes pkcs8 = MUST(open_key(*root, context, sealed_at(kSecretTable, place)));
    put(kSecretTable, place, sealed_in_version_1(*root->newest(), context, pkcs8.expose()));
    start();
    EXPECT_EQ(sign("k"), "signs");
    EXPECT_EQ(MUST(rotate()).count, 1u);
    EXPECT_EQ(sealed_at(kSecretTable, place)[0], 2);
    start();
    EXPECT_EQ(sign("k"), "signs");
}

TEST_F(RootRotationTest, NothingIsCommittedUnderAKeyThatIsReplaced) {
    set("s", {{"value", "before"}});
    auto keeper = crypto::keep_in_file();
    MUST(crypto::add_root_key(root_file(), *keeper, *keeper));
    begin();
    const Answer after = set("s", {{"value", "after"}});
    EXPECT_EQ(after.status, 200);
    // It was done twice, and is told once.
    const auto entries = recorded(after);
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(std::ranges::count(entries[0].entry.checks, "VAULT-NAME-FREE", &Check::code), 1);
    EXPECT_EQ(value("s"), "after");
    // What was written is under the newest key alone.
    MUST(crypto::drop_older_root_keys(root_file(), *keeper));
    EXPECT_EQ(value("s"), "after");
}

// Turning replaces the root key before each of the next transactions.
class Turning final : public store::Store {
  public:
    Turning(store::Store& inner, std::function<void()> turn)
        : inner_(inner), turn_(std::move(turn)) {}
    Result<void> run(const std::function<Result<void>(store::Transaction&)>& work) override {
        if (turns-- > 0) turn_();
        return inner_.run(work);
    }
    Result<void> read(const std::function<Result<void>(store::View&)>& work) override {
        return inner_.read(work);
    }
    store::Statistics statistics() const override { return inner_.statistics(); }
    int turns = 0;

  private:
    store::Store& inner_;
    std::function<void()> turn_;
};

TEST_F(RootRotationTest, AWriteIsDoneThoughSeveralReplacementsComeBeforeIt) {
    set("s", {{"value", "before"}});
    auto ring = MUST(crypto::RootRing::load_or_create(root_file(), crypto::keep_in_file()));
    Turning store(*sqlite_, [this] { MUST(rotate()); });
    RootGuard guard(store, *ring);
    const auto write = [&](int turns) {
        store.turns = turns;
        return guard.run([&](store::Transaction& tx) {
            return tx.put(kMetaTable, "proof", ring->seal("c", as_bytes("x")));
        });
    };
    MUST(write(4));
    auto newest = MUST(crypto::RootRing::load_or_create(root_file(), crypto::keep_in_file()));
    EXPECT_EQ(MUST(newest->open("c", sealed_at(kMetaTable, "proof"))).expose_text(), "x");
    EXPECT_EQ(write(100).error().code, Code::unavailable);
    EXPECT_GT(store.turns, 80);  // it gave up
}

TEST_F(RootRotationTest, NothingSealedIsWrittenByWorkThatNobodyWaitsFor) {
    auto ring = MUST(crypto::RootRing::load_or_create(root_file(), crypto::keep_in_file()));
    RootGuard guard(*sqlite_, *ring);
    const auto write = [&](std::string_view table) {
        std::promise<Result<void>> told;
        guard.run_later([&](store::Transaction& tx) { return tx.put(table, "later", Bytes{1}); },
                        [&](Result<void> done) { told.set_value(std::move(done)); });
        return told.get_future().get();
    };
    const auto is_there = [&](std::string_view table) {
        bool out = false;
        MUST(sqlite_->read([&](store::View& view) -> Result<void> {
            out = TRY(view.get(table, "later")).has_value();
            return {};
        }));
        return out;
    };
    MUST(write("vault"));
    EXPECT_TRUE(is_there("vault"));
    EXPECT_EQ(write(kSecretTable).error().code, Code::internal);
    EXPECT_FALSE(is_there(kSecretTable));
}

TEST_F(RootRotationTest, GoesOnWhereItWasInterrupted) {
    set("s", {{"value", "v"}});
    auto keeper = crypto::keep_in_file();
    MUST(crypto::add_root_key(root_file(), *keeper, *keeper));
    start();  // with both keys
    EXPECT_EQ(value("s"), "v");
    EXPECT_EQ(MUST(rotate()).generation, 2u);
    EXPECT_EQ(MUST(rotate()).generation, 3u);
    start();
    EXPECT_EQ(value("s"), "v");
}

TEST_F(RootRotationTest, KeepsBothKeysIfSomethingDoesNotOpen) {
    set("s", {{"value", "v"}});
    create("k", {{"kty", "EC"}});
    const Answer got = officer("GET", "/keys/k");
    const std::string place = "myconfkv/k/" + id_of(got).substr(std::string_view(kBase).size() + 8);
    const Bytes good = sealed_at(kSecretTable, place);
    Bytes bad = good;
    bad[20] ^= 1;
    put(kSecretTable, place, bad);
    EXPECT_EQ(rotate().error().code, Code::bad_evidence);
    start();
    EXPECT_EQ(value("s"), "v");
    put(kSecretTable, place, good);
    EXPECT_EQ(MUST(rotate()).generation, 2u);
    start();
    EXPECT_EQ(sign("k"), "signs");
}

TEST_F(RootRotationTest, AServiceThatCannotReadTheNextKeeperSaysSoAndChangesNothing) {
    set("s", {{"value", "before"}});
    MUST(rotate(MUST(crypto::keep_under_passphrase(SecretBytes::copy_of("correct horse")))));
    EXPECT_EQ(set("s", {{"value", "after"}}).status, 503);
    EXPECT_EQ(open(config_).error().code, Code::conflict);
}

TEST_F(RootRotationTest, AnOlderCopyOfTheFileIsNotTakenForTheStores) {
    set("s", {{"value", "before"}});
    const Bytes older = MUST(read_file(root_file()));
    MUST(rotate());
    const Bytes newest = MUST(read_file(root_file()));
    MUST(write_file(root_file(), older, Overwrite::yes, 0600));
    // Neither by a replacement there,
    const auto again = rotate();
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Code::conflict) << again.error().message;
    EXPECT_EQ(MUST(read_file(root_file())), older);
    // nor by a service that finds in it a key of the generation that the store demands.
    auto keeper = crypto::keep_in_file();
    MUST(crypto::add_root_key(root_file(), *keeper, *keeper));
    EXPECT_EQ(set("s", {{"value", "after"}}).status, 503);
    MUST(write_file(root_file(), newest, Overwrite::yes, 0600));
    EXPECT_EQ(set("s", {{"value", "after"}}).status, 200);
    start();
    EXPECT_EQ(value("s"), "after");
}

TEST_F(RootRotationTest, WhatTheReplacedKeySealsOpensNoMore) {
    set("s", {{"value", "before"}});
    const std::string place = [&] {
        std::string out;
        MUST(sqlite_->read([&](store::View& view) -> Result<void> {
            out = TRY(view.scan(secrets::kValues, "", "", 1)).at(0).key;
            return {};
        }));
        return out;
    }();
    const Bytes sealed = sealed_at(secrets::kValues, place);  // by whoever has the old key
    MUST(rotate());
    EXPECT_EQ(value("s"), "before");
    for (int i = 0; i < 3; ++i) MUST(service_->purge_due());
    put(secrets::kValues, place, sealed);
    EXPECT_EQ(value("s"), "none");
}

TEST_F(RootRotationTest, IsDoneByOneAtATime) {
    FileLock lock = MUST(FileLock::take(config_.directory / "root.lock"));
    EXPECT_EQ(rotate().error().code, Code::conflict);
}

TEST_F(RootRotationTest, LosesNothingThatIsWrittenMeanwhile) {
    for (int i = 0; i < 20; ++i) set(fmt::format("old-{}", i), {{"value", "old"}});
    std::atomic<bool> done = false;
    std::vector<std::string> acknowledged;
    std::thread writer([&] {
        for (int i = 0; !done; ++i) {
            const std::string name = fmt::format("new-{}", i);
            if (set(name, {{"value", name}}).status == 200) acknowledged.push_back(name);
        }
    });
    for (int i = 0; i < 3; ++i) MUST(rotate());
    done = true;
    writer.join();
    start();
    EXPECT_FALSE(acknowledged.empty());
    for (const std::string& name : acknowledged) EXPECT_EQ(value(name), name);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(value(fmt::format("old-{}", i)), "old");
}

}  // namespace
}  // namespace vouchsafe::vault::test
