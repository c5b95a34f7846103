#include "vouchsafe/crypto/root_ring.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <thread>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::crypto {
namespace {

std::shared_ptr<RootKeeper> plain() {
    return keep_in_file();
}
std::shared_ptr<RootKeeper> passphrase(std::string_view text = "correct horse") {
    return MUST(keep_under_passphrase(SecretBytes::copy_of(text)));
}

class RootRingTest : public ::testing::Test {
  protected:
    RootRingTest() : dir_(MUST(TemporaryDir::create("rootring"))) {}

    std::unique_ptr<RootRing> load(std::shared_ptr<RootKeeper> keeper = plain()) {
        return MUST(RootRing::load_or_create(file_, std::move(keeper)));
    }
    Error refusal(std::shared_ptr<RootKeeper> keeper) {
        auto ring = RootRing::load_or_create(file_, std::move(keeper));
        return ring ? Error{Code::internal, "it loaded", {}} : ring.error();
    }
    TemporaryDir dir_;
    Path file_ = dir_.path() / "root.key";
};

TEST_F(RootRingTest, MakesAKeyOnceAndReadsItAgain) {
    auto first = load();
    EXPECT_EQ(std::filesystem::file_size(file_), kRootKeySize);
    EXPECT_EQ(std::filesystem::status(file_).permissions(), std::filesystem::perms(0600));
    const Bytes sealed = first->seal("c", as_bytes("x"));
    EXPECT_EQ(MUST(load()->open("c", sealed)).expose_text(), "x");
    EXPECT_EQ(first->generation(), 1u);
}

TEST_F(RootRingTest, ReadsTheFileThatARootKeyMade) {
    const Bytes sealed = MUST(RootKey::load_or_create(file_)).seal("c", as_bytes("x"));
    EXPECT_EQ(MUST(load()->open("c", sealed)).expose_text(), "x");
}

TEST_F(RootRingTest, IsOpenedByItsPassphraseAlone) {
    const Bytes sealed = load(passphrase())->seal("c", as_bytes("x"));
    EXPECT_EQ(MUST(load(passphrase())->open("c", sealed)).expose_text(), "x");
    EXPECT_EQ(refusal(passphrase("correct horsf")).code, Code::bad_evidence);
    EXPECT_EQ(refusal(plain()).code, Code::conflict);
    EXPECT_EQ(MUST(inspect_root_file(file_)).keeper, "passphrase");
}

TEST_F(RootRingTest, RefusesAPassphraseThatIsTooShort) {
    EXPECT_EQ(keep_under_passphrase(SecretBytes()).error().code, Code::invalid);
    const Error error = keep_under_passphrase(SecretBytes::copy_of("elevenbytes")).error();
    EXPECT_EQ(error.code, Code::invalid);
    EXPECT_EQ(error.message.find("elevenbytes"), std::string::npos) << error.message;
    EXPECT_TRUE(load(passphrase("twelve bytes")));
}

// Forgetful gives back another key than it was given, or none.
class Forgetful final : public RootKeeper {
  public:
    explicit Forgetful(bool other_key) : other_key_(other_key) {}
    std::string_view name() const override { return "forgetful"; }
    Result<Json> keep(const Secret<kRootKeySize>&) override { return Json::object(); }
    Result<Secret<kRootKeySize>> recover(const Json&) override {
        if (!other_key_) return fail(Code::bad_evidence, "it is gone");
        return Secret<kRootKeySize>();
    }

  private:
    const bool other_key_;
};

TEST_F(RootRingTest, StaysAsItIsIfTheNextKeeperDoesNotGiveTheKeyBack) {
    const Bytes sealed = load()->seal("c", as_bytes("x"));
    auto now = keep_in_file();
    Forgetful gone(false), other(true);
    EXPECT_EQ(add_root_key(file_, *now, gone).error().code, Code::bad_evidence);
    EXPECT_EQ(add_root_key(file_, *now, other).error().code, Code::io);
    EXPECT_EQ(MUST(inspect_root_file(file_)).keeper, "file");
    EXPECT_EQ(MUST(load()->open("c", sealed)).expose_text(), "x");
}

// FileOrPassphrase keeps in the file, and opens what a passphrase keeps as well.
class FileOrPassphrase final : public RootKeeper {
  public:
    explicit FileOrPassphrase(std::shared_ptr<RootKeeper> other) : other_(std::move(other)) {}
    std::string_view name() const override { return "file"; }
    Result<Json> keep(const Secret<kRootKeySize>& key) override { return plain_->keep(key); }
    Result<Secret<kRootKeySize>> recover(const Json& kept) override {
        return plain_->recover(kept);
    }
    Result<RootKeeper*> opener(std::string_view kept_by) override {
        if (kept_by == other_->name()) return other_.get();
        return RootKeeper::opener(kept_by);
    }

  private:
    std::unique_ptr<RootKeeper> plain_ = keep_in_file();
    std::shared_ptr<RootKeeper> other_;
};

TEST_F(RootRingTest, FollowsToAKeeperThatItCanOpen) {
    auto following = load(std::make_shared<FileOrPassphrase>(passphrase()));
    auto staying = load();
    auto now = keep_in_file();
    auto next = passphrase();
    MUST(add_root_key(file_, *now, *next));
    EXPECT_TRUE(MUST(inspect_root_file(file_)).replacing);
    const Bytes sealed = load(passphrase())->seal("c", as_bytes("new"));
    EXPECT_EQ(MUST(following->open("c", sealed)).expose_text(), "new");
    EXPECT_FALSE(staying->open("c", sealed));
    EXPECT_EQ(staying->reload().error().code, Code::conflict);
    MUST(drop_older_root_keys(file_, *next));
    EXPECT_FALSE(MUST(inspect_root_file(file_)).replacing);
}

TEST_F(RootRingTest, ForgetsAKeyThatWasReplaced) {
    auto ring = load();
    const Bytes old = ring->seal("c", as_bytes("x"));
    auto keeper = keep_in_file();
    MUST(add_root_key(file_, *keeper, *keeper));
    MUST(ring->refresh());
    EXPECT_EQ(ring->size(), 2u);
    MUST(drop_older_root_keys(file_, *keeper));
    MUST(ring->refresh());  // finds the file changed, though everything opens
    EXPECT_EQ(ring->size(), 1u);
    MUST(ring->refresh());
    EXPECT_TRUE(ring->open("c", old)) << "it may have been fetched just before";
    MUST(ring->refresh());
    EXPECT_EQ(ring->open("c", old).error().code, Code::bad_evidence);
    EXPECT_TRUE(ring->open("c", ring->seal("c", as_bytes("y"))));
    std::filesystem::remove(file_);
    EXPECT_EQ(ring->refresh().error().code, Code::not_found);
    EXPECT_TRUE(ring->open("c", ring->seal("c", as_bytes("y"))));
}

TEST_F(RootRingTest, OpensWhatWasFetchedBeforeSeveralReplacements) {
    auto ring = load();
    const Bytes old = ring->seal("c", as_bytes("x"));
    auto keeper = keep_in_file();
    for (int i = 0; i < 2; ++i) {
        MUST(add_root_key(file_, *keeper, *keeper));
        MUST(ring->reload());
        MUST(drop_older_root_keys(file_, *keeper));
        MUST(ring->reload());
    }
    EXPECT_TRUE(ring->open("c", old));
    MUST(ring->refresh());
    MUST(ring->refresh());
    EXPECT_EQ(ring->open("c", old).error().code, Code::bad_evidence);
}

TEST_F(RootRingTest, HoldsNoKeyInTheClearUnderAPassphrase) {
    MUST(RootRing::load_or_create(file_, passphrase()));
    const std::string text = MUST(read_text_file(file_));
    EXPECT_NE(text.find("scrypt"), std::string::npos);
    const Json json = MUST(parse_json_object(text));
    const std::string sealed_text = json["keys"][0]["sealed"].get<std::string>();
    EXPECT_EQ(MUST(decode_base64(sealed_text)).size(), kRootKeySize + 52);
}

TEST_F(RootRingTest, RefusesAFileThatOthersMayReadOrThatIsNone) {
    load();
    std::filesystem::permissions(file_, std::filesystem::perms(0640));
    EXPECT_EQ(refusal(plain()).code, Code::forbidden);
    std::filesystem::permissions(file_, std::filesystem::perms(0600));
    const std::string one = R"({"key":")" + encode_base64(Bytes(32, 7)) + R"("})";
    auto with = [&](std::string_view generation, std::string_view keys) {
        return fmt::format(R"({{"format":"vouchsafe root keys 1","keeper":"file",)"
                           R"("generation":{},"keys":[{}]}})",
                           generation, keys);
    };
    MUST(write_file(file_, as_bytes(with("1", one)), Overwrite::yes, 0600));
    EXPECT_EQ(load()->size(), 1u);
    const std::string bad[] = {"",
                               std::string(31, 'k'),
                               std::string(33, 'k'),
                               "{}",
                               with("0", one),
                               with("-1", one),
                               with("\"1\"", one),
                               with("1", ""),
                               with("1", "7"),
                               with("1", "{}"),
                               with("1", R"({"key":"AAAA"})"),
                               with("1", one + "," + one + "," + one)};
    for (const std::string& text : bad) {
        MUST(write_file(file_, as_bytes(text), Overwrite::yes, 0600));
        EXPECT_NE(refusal(plain()).code, Code::internal) << text;
    }
}

TEST_F(RootRingTest, RefusesOtherCostsThanItsOwn) {
    load(passphrase());
    Json json = MUST(parse_json_object(MUST(read_text_file(file_))));
    for (const char* cost : {"n", "r", "p"}) {
        Json changed = json;
        changed["keys"][0][cost] = 2;
        MUST(write_file(file_, as_bytes(dump_json(changed)), Overwrite::yes, 0600));
        EXPECT_EQ(refusal(passphrase()).code, Code::unsupported) << cost;
    }
}

TEST_F(RootRingTest, SealsUnderTheNewestAndOpensUnderBothWhileOneReplacesTheOther) {
    auto running = load();
    const Bytes before = running->seal("c", as_bytes("before"));
    EXPECT_EQ(MUST(add_root_key(file_, *plain(), *plain())), 2u);
    auto started = load();
    EXPECT_EQ(started->size(), 2u);
    EXPECT_EQ(started->generation(), 2u);
    EXPECT_EQ(MUST(started->open("c", before)).expose_text(), "before");
    const Bytes after = started->seal("c", as_bytes("after"));
    MUST(drop_older_root_keys(file_, *plain()));
    auto ended = load();
    EXPECT_EQ(ended->size(), 1u);
    EXPECT_EQ(MUST(ended->open("c", after)).expose_text(), "after");
    EXPECT_EQ(ended->open("c", before).error().code, Code::bad_evidence);
}

TEST_F(RootRingTest, MayBeKeptByAnotherKeeperFromThenOn) {
    const Bytes before = load()->seal("c", as_bytes("before"));
    auto next = passphrase();
    MUST(add_root_key(file_, *plain(), *next));
    EXPECT_EQ(refusal(plain()).code, Code::conflict);
    EXPECT_EQ(MUST(load(next)->open("c", before)).expose_text(), "before");
}

TEST_F(RootRingTest, FindsAChangedFileWhenSomethingDoesNotOpen) {
    auto running = load();
    MUST(add_root_key(file_, *plain(), *plain()));
    const Bytes sealed = load()->seal("c", as_bytes("x"));
    EXPECT_EQ(running->generation(), 1u);
    EXPECT_EQ(MUST(running->open("c", sealed)).expose_text(), "x");
    EXPECT_EQ(running->generation(), 2u);
    EXPECT_EQ(running->open("d", sealed).error().code, Code::bad_evidence);
}

TEST_F(RootRingTest, OpensWhatWasFetchedJustBeforeTheOlderKeyWent) {
    auto running = load();
    const Bytes fetched = running->seal("c", as_bytes("x"));
    MUST(add_root_key(file_, *plain(), *plain()));
    MUST(running->reload());
    MUST(drop_older_root_keys(file_, *plain()));
    MUST(running->reload());
    EXPECT_EQ(running->size(), 1u);
    MUST(running->refresh());
    EXPECT_EQ(MUST(running->open("c", fetched)).expose_text(), "x");
    MUST(running->refresh());
    EXPECT_EQ(running->open("c", fetched).error().code, Code::bad_evidence);
}

// Slow keeps in the file; once it is told to, it recovers only when it may go on.
class Slow final : public RootKeeper {
  public:
    std::string_view name() const override { return "file"; }
    Result<Json> keep(const Secret<kRootKeySize>& key) override { return plain_->keep(key); }
    Result<Secret<kRootKeySize>> recover(const Json& kept) override {
        if (wait) {
            began.set_value();
            wait = false;
            go_on.get_future().wait();
        }
        return plain_->recover(kept);
    }
    bool wait = false;
    std::promise<void> began, go_on;

  private:
    std::unique_ptr<RootKeeper> plain_ = keep_in_file();
};

TEST_F(RootRingTest, OpensWithKeysThatAnotherThreadReadMeanwhile) {
    auto keeper = std::make_shared<Slow>();
    auto running = load(keeper);
    MUST(add_root_key(file_, *plain(), *plain()));
    const Bytes sealed = load()->seal("c", as_bytes("x"));
    keeper->wait = true;
    auto open = [&] {
        const auto opened = running->open("c", sealed);
        return opened ? std::string(opened->expose_text()) : opened.error().message;
    };
    auto first = std::async(std::launch::async, open);
    keeper->began.get_future().wait();
    auto second = std::async(std::launch::async, open);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // it waits for the first by now
    keeper->go_on.set_value();
    EXPECT_EQ(first.get(), "x");
    EXPECT_EQ(second.get(), "x");
}

TEST_F(RootRingTest, GoesOnWithAReplacementThatWasBegun) {
    auto running = load();
    EXPECT_EQ(MUST(add_root_key(file_, *plain(), *plain())), 2u);
    EXPECT_EQ(MUST(add_root_key(file_, *plain(), *plain())), 2u);
    EXPECT_EQ(load()->size(), 2u);
    MUST(drop_older_root_keys(file_, *plain()));
    MUST(drop_older_root_keys(file_, *plain()));
    EXPECT_EQ(MUST(add_root_key(file_, *plain(), *plain())), 3u);
}

}  // namespace
}  // namespace vouchsafe::crypto
