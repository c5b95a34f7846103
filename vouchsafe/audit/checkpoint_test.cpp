#include "vouchsafe/audit/checkpoint.h"

#include <gtest/gtest.h>

#include "vouchsafe/audit/checkpoint_book.h"
#include "vouchsafe/audit/log_proof.h"
#include "vouchsafe/audit/test_tree.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/sealed_blob.h"

namespace vouchsafe::audit {
namespace {

std::string code_of(const Error& error) {
    return error.reason() == nullptr ? error.message : error.reason()->code;
}

// Example of golang.org/x/mod/sumdb/note's documentation (BSD-3-Clause): the private key is
// PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz, and the text is
// no checkpoint; what a checkpoint adds to a note is under test besides.
TEST(CheckpointKey, HasTheIdOfSignedNotes) {
    const std::string text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    EXPECT_EQ(MUST(CheckpointKey::parse(text)).text(), text);
    const Bytes secret = MUST(decode_base64("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"));
    auto key = MUST(crypto::Ed25519Key::from_private(ByteView(secret).subspan(1)));
    EXPECT_EQ((CheckpointKey{"PeterNeumann", key.public_key()}).text(), text);
    for (const char* wrong :
         {"", "PeterNeumann", "PeterNeumann+c74f20a3",
          "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
          "Peterneumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
          "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
          "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T="}) {
        EXPECT_FALSE(CheckpointKey::parse(wrong)) << wrong;
    }
}

class CheckpointTest : public testing::Test {
  protected:
    Result<VerifiedCheckpoint> verify(std::string_view note) const {
        Checks checks;
        return verify_checkpoint(note, known_, checks);
    }
    std::string refused(std::string_view note) const {
        auto verified = verify(note);
        return verified ? "accepted" : code_of(verified.error());
    }

    crypto::Ed25519Key key_ = crypto::Ed25519Key::generate();
    CheckpointKey known_{"example.org/log", key_.public_key()};
    TreeHead head_{7, leaf_hash({})};
    std::string note_ = sign_checkpoint(known_.origin, head_, key_);
};

TEST_F(CheckpointTest, IsTheThreeLinesOfTlogCheckpoint) {
    EXPECT_TRUE(note_.starts_with("example.org/log\n7\n" + encode_base64(head_.root) +
                                  "\n\n\xe2\x80\x94 example.org/log "));
    EXPECT_TRUE(note_.ends_with("\n"));
    auto verified = verify(note_);
    ASSERT_TRUE(verified);
    EXPECT_EQ(verified->head(), head_);
    EXPECT_EQ(verified->origin(), known_.origin);
}

TEST_F(CheckpointTest, RefusesEveryFlippedBit) {
    for (size_t bit = 0; bit < note_.size() * 8; ++bit) {
        std::string changed = note_;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
        EXPECT_FALSE(verify(changed)) << bit;
    }
}

TEST_F(CheckpointTest, RefusesEveryPart) {
    for (size_t size = 0; size < note_.size(); ++size) {
        EXPECT_FALSE(verify(std::string_view(note_).substr(0, size))) << size;
    }
}

TEST_F(CheckpointTest, AnotherKeysSignatureIsPassedOverAndDoesNotCount) {
    const auto other = crypto::Ed25519Key::generate();
    const std::string theirs = sign_checkpoint(known_.origin, head_, other);
    EXPECT_EQ(refused(theirs), "AUDIT-CHECKPOINT-SIGNATURE");
    const std::string line = theirs.substr(theirs.find("\n\n") + 2);
    EXPECT_EQ(refused(note_ + line), "accepted");
    EXPECT_EQ(refused(note_ + "\xe2\x80\x94 witness AAAAAAAA\n"), "accepted");
    std::string many = note_;
    for (size_t i = 0; i <= kMaxSignatures; ++i) many += line;
    EXPECT_EQ(refused(many), "AUDIT-CHECKPOINT-FORM");
}

TEST_F(CheckpointTest, IsOfTheLogThatTheKeyIsOf) {
    // The key's owner signs, under the key's name, for another origin.
    const std::string other = sign_checkpoint("example.org/other", head_, key_);
    EXPECT_EQ(refused(other), "AUDIT-CHECKPOINT-SIGNATURE");
}

TEST_F(CheckpointTest, RefusesMalformedNotes) {
    const std::string root = encode_base64(head_.root);
    const std::string signature = "\n\xe2\x80\x94 example.org/log AAAAAAAA\n";
    for (const std::string& body :
         {std::string("example.org/log\n7\nAAAA\n"), "example.org/log\n07\n" + root + "\n",
          "example.org/log\n-7\n" + root + "\n",
          "example.org/log\n99999999999999999999\n" + root + "\n",
          std::string("example.org/log\n7\n"), "\n7\n" + root + "\n", "a b\n7\n" + root + "\n",
          "a+b\n7\n" + root + "\n"}) {
        EXPECT_EQ(refused(body + signature), "AUDIT-CHECKPOINT-FORM") << body;
    }
    EXPECT_EQ(refused(std::string(kMaxNote, 'a') + note_), "AUDIT-CHECKPOINT-FORM");
    EXPECT_EQ(refused(""), "AUDIT-CHECKPOINT-FORM");
}

// A note is what signed-note and tlog-checkpoint say, whoever signed it.
TEST_F(CheckpointTest, RefusesWhatIsSignedAndNoCheckpoint) {
    const std::string id = known_.text().substr(known_.origin.size() + 1, 8);
    const auto signed_with = [&](const std::string& body) {
        Writer bytes;
        bytes.bytes(MUST(decode_hex(id))).bytes(key_.sign(as_bytes(body)));
        return fmt::format("{}\n\xe2\x80\x94 {} {}\n", body, known_.origin,
                           encode_base64(bytes.view()));
    };
    const std::string good = note_.substr(0, note_.find("\n\n") + 1);
    EXPECT_EQ(refused(signed_with(good)), "accepted");
    EXPECT_EQ(refused(signed_with(good + "an extension\n\xc3\xa4\n")), "accepted");
    for (const char* more : {"\n", "one\n\ntwo\n", "\x1b[2J\n", "a\tb\n", "\x7f\n", "a\r\n",
                             "\xff\n", "\xc0\x80\n", "without a newline"}) {
        EXPECT_EQ(refused(signed_with(good + more)), "AUDIT-CHECKPOINT-FORM") << more;
    }
    EXPECT_EQ(refused(signed_with(good + std::string("\0\n", 2))), "AUDIT-CHECKPOINT-FORM");
    EXPECT_EQ(refused(note_ + "\xe2\x80\x94 wit\x07ness AAAAAAAA\n"), "AUDIT-CHECKPOINT-FORM");
}

class CheckpointBookTest : public testing::Test {
  protected:
    CheckpointBookTest()
        : dir_(MUST(TemporaryDir::create("audit-test"))),
          store_(MUST(store::open_sqlite(dir_.path() / "audit.db"))),
          log_(*store_),
          root_(MUST(crypto::RootKey::from_bytes(Bytes(32, 7)))) {}

    CheckpointWriter writer(const crypto::RootKey& root) {
        return CheckpointWriter(
            *store_, clock_, "vault", {"a_table", "checkpoint", "its context"},
            {[&root](std::string_view c, ByteView p) { return root.seal(c, p); },
             [&root](std::string_view c, ByteView s) { return root.open(c, s); }});
    }
    void append(const char* id) {
        Entry entry;
        entry.action = "keys/read";
        entry.request_id = id;
        MUST(log_.append(entry));
    }
    CheckpointKey key() { return MUST(read_checkpoint_key(*store_)).value(); }

    TemporaryDir dir_;
    std::unique_ptr<store::Store> store_;
    Log log_;
    crypto::RootKey root_;
    FixedClock clock_{from_unix(1'800'000'000)};
    CheckpointWriter writer_ = writer(root_);
};

TEST_F(CheckpointBookTest, SignsWhenTheLogGrewAndItIsTime) {
    EXPECT_FALSE(MUST(writer_.write(Seconds{60})));
    EXPECT_FALSE(MUST(newest_checkpoint(*store_)));
    append("one");
    const StoredCheckpoint first = MUST(writer_.write(Seconds{60})).value();
    EXPECT_EQ(first.head, MUST(log_.head()));
    EXPECT_EQ(first.head.size, 2u) << "the entry, and that of the key";
    EXPECT_EQ(MUST(log_.entries(1, 1)).front().entry.details["key"], key().text());

    clock_.set(clock_.now() + Seconds{60});
    EXPECT_FALSE(MUST(writer_.write(Seconds{60}))) << "the log stood still";
    append("two");
    const StoredCheckpoint second = MUST(writer_.write(Seconds{60})).value();
    append("three");
    clock_.set(clock_.now() + Seconds{59});
    EXPECT_FALSE(MUST(writer_.write(Seconds{60}))) << "too soon";
    EXPECT_TRUE(MUST(writer_.write(Seconds{59})));
    append("four");
    clock_.set(clock_.now() - Seconds{3600});
    EXPECT_TRUE(MUST(writer_.write(Seconds{60}))) << "a clock that was set back stops nothing";

    Checks checks;
    EXPECT_EQ(MUST(newest_checkpoint(*store_))->head.size, 5u);
    EXPECT_EQ(MUST(checkpoints(*store_, 2, 100)).size(), 3u);
    for (const auto& one : MUST(checkpoints(*store_, 0, 100))) {
        EXPECT_EQ(MUST(verify_checkpoint(one.note, key(), checks)).head(), one.head);
        EXPECT_EQ(MUST(log_.head_at(one.head.size)), one.head);
    }
    EXPECT_EQ(second.head.size, 3u);
}

TEST_F(CheckpointBookTest, SeveralWritersUseOneKeyAndTheWrongRootKeyNone) {
    append("one");
    MUST(writer_.write(Seconds{0}));
    const CheckpointKey before = key();
    append("two");
    CheckpointWriter other = writer(root_);
    EXPECT_TRUE(MUST(other.write(Seconds{0})));
    EXPECT_EQ(key(), before);
    append("three");
    auto wrong_root = MUST(crypto::RootKey::from_bytes(Bytes(32, 8)));
    EXPECT_EQ(writer(wrong_root).write(Seconds{0}).error().code, Code::bad_evidence);
}

TEST_F(CheckpointBookTest, TheKeyIsSealedAndNoOtherIsTakenForIt) {
    append("one");
    MUST(writer_.write(Seconds{0}));
    append("two");
    MUST(store_->run([&](store::Transaction& tx) {
        const auto sealed = root_.seal("its context", Bytes(32, 1));
        return tx.put("a_table", "checkpoint", sealed);
    }));
    EXPECT_EQ(writer_.write(Seconds{0}).error().code, Code::bad_evidence);
}

TEST_F(CheckpointBookTest, NothingIsSignedThatDoesNotContinueTheNewest) {
    for (const char* id : {"one", "two", "three"}) append(id);
    MUST(writer_.write(Seconds{0}));
    append("four");
    change_node(*store_, 2, 0);
    append("five");
    append("six");
    append("seven");
    append("eight");
    auto written = writer_.write(Seconds{0});
    ASSERT_FALSE(written);
    EXPECT_EQ(code_of(written.error()), "AUDIT-HEAD");
}

TEST_F(CheckpointBookTest, ProofsLeadToTheNewestCheckpoint) {
    for (const char* id : {"one", "two", "three", "four", "five"}) append(id);
    const StoredCheckpoint old = MUST(writer_.write(Seconds{0})).value();
    for (const char* id : {"six", "seven", "eight"}) append(id);
    const StoredCheckpoint now = MUST(writer_.write(Seconds{0})).value();
    Checks checks;
    const uint64_t size = now.head.size;
    for (uint64_t index = 0; index < size; ++index) {
        EntryProof made{index, MUST(log_.prove_inclusion(index, size)).path, now.note};
        const EntryProof read = MUST(EntryProof::parse(made.encode()));
        EXPECT_EQ(read.encode(), made.encode());
        EXPECT_EQ(MUST(verify_entry_proof(read, MUST(log_.encoded(index)), key(), checks)).head(),
                  now.head);
        auto other =
            verify_entry_proof(read, MUST(log_.encoded((index + 1) % size)), key(), checks);
        EXPECT_EQ(code_of(other.error()), "AUDIT-PROOF");
    }
    GrowthProof grown{old.head.size,
                      MUST(log_.prove_consistency(old.head.size, now.head.size)).path, now.note};
    const GrowthProof read = MUST(GrowthProof::parse(grown.encode()));
    EXPECT_EQ(read.encode(), grown.encode());
    auto before = MUST(verify_checkpoint(old.note, key(), checks));
    EXPECT_EQ(MUST(verify_growth_proof(read, before, key(), checks)).head(), now.head);
    GrowthProof wrong = read;
    wrong.old_size -= 1;
    EXPECT_EQ(code_of(verify_growth_proof(wrong, before, key(), checks).error()), "AUDIT-PROOF");
    wrong = read;
    wrong.path[0][0] ^= 1;
    EXPECT_EQ(code_of(verify_growth_proof(wrong, before, key(), checks).error()), "AUDIT-PROOF");
}

TEST(LogProof, RefusesWhatIsNone) {
    const std::string hash = encode_base64(TreeHash{}) + "\n";
    const std::string head = "c2sp.org/tlog-proof@v1\n";
    EXPECT_TRUE(EntryProof::parse(head + "index 1\n" + hash + "\nnote"));
    std::string long_path = head + "index 1\n";
    for (int i = 0; i < 129; ++i) long_path += hash;
    for (const std::string& text :
         {std::string(), head, head + "index 1\n", head + "index 1\n" + hash,
          head + "index\n\nnote", head + "index x\n\nnote", head + "index 1 \n\nnote",
          head + "index 1\nAAAA\n\nnote", "index 1\n" + hash + "\nnote", long_path + "\nnote",
          head + "index 1\n" + hash + "\n" + std::string(kMaxProof, 'x')}) {
        EXPECT_FALSE(EntryProof::parse(text)) << text.substr(0, 80);
    }
    EXPECT_TRUE(GrowthProof::parse("old 1\n\nnote"));
    EXPECT_FALSE(GrowthProof::parse("new 1\n\nnote"));
    EXPECT_FALSE(GrowthProof::parse("old 1\nnote"));
}

}  // namespace
}  // namespace vouchsafe::audit
