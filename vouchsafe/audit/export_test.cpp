#include "vouchsafe/audit/export.h"

#include <gtest/gtest.h>

#include "vouchsafe/audit/checkpoint_book.h"
#include "vouchsafe/audit/filter.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/sealed_blob.h"

namespace vouchsafe::audit {
namespace {

using LinesOfText = std::vector<std::string>;

class ExportTest : public testing::Test {
  protected:
    ExportTest()
        : dir_(MUST(TemporaryDir::create("audit-test"))),
          store_(MUST(store::open_sqlite(dir_.path() / "audit.db"))),
          log_(*store_),
          root_(MUST(crypto::RootKey::from_bytes(Bytes(32, 7)))) {
        for (int i = 0; i < 5; ++i) append(i);
        sign();  // 6 entries
        for (int i = 5; i < 9; ++i) append(i);
        sign();  // 10
        append(9);
        lines_ = exported();
    }

    void append(int i) {
        Entry entry;
        entry.action = "keys/read";
        entry.reason = "a \"quoted\" reason, with } and \n";
        entry.request_id = fmt::format("request-{}", i);
        MUST(log_.append(entry));
    }
    void sign() {
        CheckpointWriter writer(
            *store_, clock_, "vault", {"a_table", "checkpoint", "its context"},
            {[this](std::string_view c, ByteView p) { return root_.seal(c, p); },
             [this](std::string_view c, ByteView s) { return root_.open(c, s); }});
        ASSERT_TRUE(MUST(writer.write(Seconds{0})));
    }
    LinesOfText exported() {
        std::string text;
        MUST(write_export(*store_, "vault", clock_.now(), [&](ByteView bytes) -> Result<void> {
            text += as_text(bytes);
            return {};
        }));
        LinesOfText out;
        while (!text.empty()) {
            out.push_back(text.substr(0, text.find('\n')));
            text.erase(0, text.find('\n') + 1);
        }
        return out;
    }
    static Result<VerifiedExport> verify(const LinesOfText& lines, const ExportRules& rules) {
        size_t next = 0;
        Checks checks;
        return verify_export(
            [&]() -> Result<std::optional<std::string>> {
                if (next == lines.size()) return std::nullopt;
                return lines[next++];
            },
            rules, checks);
    }
    // refused returns code and field of what is wrong with the lines.
    std::string refused(const LinesOfText& lines, ExportRules rules = {}) const {
        auto verified = verify(lines, rules);
        if (verified) return "accepted";
        const Check* reason = verified.error().reason();
        return reason == nullptr ? verified.error().message : reason->code + " " + reason->field;
    }
    // line_of is the place of an entry's line: behind the header and two checkpoints.
    static size_t line_of(size_t index) { return 3 + index; }
    // with_new_leaf makes an entry's line fit together again, as who rewrites the file would.
    static std::string with_new_leaf(const std::string& line) {
        const size_t entry = line.find("\"entry\":") + 8;
        const std::string bytes = line.substr(entry, line.size() - entry - 1);
        const size_t leaf = line.find("\"leaf\":\"") + 8;
        std::string out = line;
        return out.replace(leaf, 64, encode_hex(leaf_hash(as_bytes(bytes))));
    }

    TemporaryDir dir_;
    std::unique_ptr<store::Store> store_;
    Log log_;
    crypto::RootKey root_;
    FixedClock clock_{from_unix(1'800'000'000)};
    LinesOfText lines_;
};

TEST_F(ExportTest, VerifiesWithoutTheStore) {
    const CheckpointKey key = MUST(read_checkpoint_key(*store_)).value();
    ExportRules rules{key, {MUST(log_.head_at(3))}};
    const VerifiedExport verified = MUST(verify(lines_, rules));
    EXPECT_EQ(verified.head.log, MUST(log_.head()));
    EXPECT_EQ(verified.head.checkpoints, 2u);
    EXPECT_EQ(verified.covered, 10u);
    EXPECT_EQ(verified.head.key, key);
    EXPECT_EQ(refused(lines_), "accepted");
    rules.key = CheckpointKey{key.origin, crypto::Ed25519Key::generate().public_key()};
    EXPECT_EQ(refused(lines_, rules), "AUDIT-CHECKPOINT-SIGNATURE checkpoint of 6 entries");
}

TEST_F(ExportTest, NamesTheEntryThatWasChangedRemovedMovedOrAdded) {
    LinesOfText changed = lines_;
    const size_t at = changed[line_of(4)].find("keys/read");
    changed[line_of(4)][at] = 'K';
    EXPECT_EQ(refused(changed), "AUDIT-ENTRY entry 4");

    LinesOfText removed = lines_;
    removed.erase(removed.begin() + static_cast<ptrdiff_t>(line_of(7)));
    EXPECT_EQ(refused(removed), "AUDIT-ENTRY entry 7");

    LinesOfText moved = lines_;
    std::swap(moved[line_of(2)], moved[line_of(8)]);
    EXPECT_EQ(refused(moved), "AUDIT-ENTRY entry 2");

    LinesOfText cut = lines_;
    cut.resize(line_of(9));
    EXPECT_EQ(refused(cut), "AUDIT-ENTRY entry 9");

    LinesOfText twice = lines_;
    twice.insert(twice.begin() + static_cast<ptrdiff_t>(line_of(5)), lines_[line_of(5)]);
    EXPECT_EQ(refused(twice), "AUDIT-ENTRY entry 6");

    LinesOfText added = lines_;
    added.push_back(added.back());
    EXPECT_EQ(refused(added), "AUDIT-ENTRY entry 11");
}

TEST_F(ExportTest, ACheckpointFindsWhatWasRewrittenWithItsLeafAndTheHead) {
    LinesOfText changed = lines_;
    std::string& line = changed[line_of(8)];
    line[line.find("keys/read")] = 'K';
    line = with_new_leaf(line);
    EXPECT_EQ(refused(changed), "AUDIT-TREE audit log root");

    // The root in the first line is nobody's signature: it is rewritten too.
    auto root_of = [](const LinesOfText& lines) {
        Checks checks;
        size_t next = 0;
        auto told = verify_export(
            [&]() -> Result<std::optional<std::string>> {
                if (next == lines.size()) return std::nullopt;
                return lines[next++];
            },
            {}, checks);
        return told.error().reason()->found;
    };
    changed[0].replace(changed[0].find("\"root\":\"") + 8, 64, root_of(changed));
    EXPECT_EQ(refused(changed),
              "AUDIT-HEAD root of the first 10 entries, those before 6 being right");
}

TEST_F(ExportTest, AKeptHeadFindsAnExportThatWasCutWithItsHeader) {
    // An older export is a whole one, of a log that was set back.
    const TreeHead kept = MUST(log_.head());
    LinesOfText older = lines_;
    append(10);
    EXPECT_EQ(refused(older, {std::nullopt, {kept}}), "accepted");
    EXPECT_EQ(refused(older, {std::nullopt, {MUST(log_.head())}}), "AUDIT-HEAD audit log size");
}

// A log written anew can name the genuine key: it only cannot have anything signed by it.
TEST_F(ExportTest, WhoSaysWhoSignsWantsSomethingSigned) {
    const CheckpointKey key = MUST(read_checkpoint_key(*store_)).value();
    LinesOfText unsigned_lines = lines_;
    unsigned_lines.erase(unsigned_lines.begin() + 1, unsigned_lines.begin() + 3);
    std::string& header = unsigned_lines[0];
    header.replace(header.find("\"checkpoints\":2"), 15, "\"checkpoints\":0");
    EXPECT_EQ(refused(unsigned_lines), "accepted");  // it fits together, and no more is said
    EXPECT_EQ(refused(unsigned_lines, {key, {}}), "AUDIT-HEAD checkpoints");
    EXPECT_EQ(refused(unsigned_lines, {key, {MUST(log_.head_at(3))}}), "accepted");
    EXPECT_EQ(refused(lines_, {key, {}}), "accepted");
}

// Two replicas that sign two histories, as after one of them was set back.
TEST_F(ExportTest, TwoCheckpointsThatContradictEachOtherAreFound) {
    const CheckpointKey key = MUST(read_checkpoint_key(*store_)).value();
    Bytes sealed;
    MUST(store_->read([&](store::View& view) -> Result<void> {
        sealed = TRY(view.get("a_table", "checkpoint")).value();
        return {};
    }));
    const SecretBytes secret = MUST(root_.open("its context", sealed));
    const auto signer = MUST(crypto::Ed25519Key::from_private(secret.expose()));
    const auto with_third = [&](const TreeHead& head) {
        LinesOfText lines = lines_;
        lines[0].replace(lines[0].find("\"checkpoints\":2"), 15, "\"checkpoints\":3");
        const Json line = {{"checkpoint", sign_checkpoint(key.origin, head, signer)},
                           {"written", "2027-01-15T08:00:00Z"}};
        lines.insert(lines.begin() + 3, dump_json(line));
        return lines;
    };
    const TreeHead genuine = MUST(log_.head_at(10));
    EXPECT_EQ(refused(with_third(genuine), {key, {}}), "accepted");
    TreeHead other = genuine;
    other.root[0] ^= 1;
    EXPECT_EQ(refused(with_third(other), {key, {}}), "AUDIT-HEAD root of the first 10 entries");
    EXPECT_EQ(refused(with_third({12, genuine.root}), {key, {}}), "AUDIT-HEAD audit log size");
}

TEST_F(ExportTest, TellsOfADamagedStore) {
    MUST(store_->run([](store::Transaction& tx) -> Result<void> {
        TRY(tx.erase("audit_entry", "0000000000000003"));
        return tx.put("audit_entry", "0000000000000005", as_bytes("{}"));
    }));
    EXPECT_EQ(refused(exported()), "AUDIT-ENTRY entry 3");
}

TEST_F(ExportTest, RefusesWhatIsNoExport) {
    EXPECT_EQ(refused({}), "AUDIT-EXPORT line 1");
    for (const char* line : {"", "{}", "[]", "{\"format\":\"vouchsafe audit export 2\"}", "x"}) {
        EXPECT_EQ(refused({line}), "AUDIT-EXPORT line 1") << line;
    }
    LinesOfText without_checkpoint = lines_;
    without_checkpoint.erase(without_checkpoint.begin() + 1);
    EXPECT_EQ(refused(without_checkpoint), "AUDIT-EXPORT checkpoint 1");
    const std::string& good = lines_[line_of(0)];
    for (const std::string& line :
         {std::string(), std::string("{}"), good.substr(0, good.size() - 2), good.substr(1),
          good.substr(0, 40), " " + good, "{\"index\":-0" + good.substr(10),
          "{\"index\":00" + good.substr(10)}) {
        LinesOfText lines = lines_;
        lines[line_of(0)] = line;
        EXPECT_EQ(refused(lines), "AUDIT-EXPORT entry 0") << line;
    }
}

TEST(EntryFilter, LetsThroughWhatFitsAll) {
    Entry entry;
    entry.time = from_unix(1000);
    entry.actor = "alice";
    entry.action = "keys/release";
    entry.resource = "https://my-vault.vault.azure.net/keys/k";
    entry.outcome = Outcome::refused;
    entry.request_id = "one";
    EntryFilter all{"My-Vault",      "alice", "keys",           from_unix(1000),
                    from_unix(1000), "one",   Outcome::refused, true};
    EXPECT_TRUE(all.matches(entry));
    EXPECT_TRUE(EntryFilter{}.matches(entry));
    EntryFilter one;
    one = all, one.vault = "my";
    EXPECT_FALSE(one.matches(entry));
    one = all, one.actor = "ali";
    EXPECT_FALSE(one.matches(entry));
    one = all, one.action = "key";
    EXPECT_FALSE(one.matches(entry));
    one = all, one.action = "keys/release/more";
    EXPECT_FALSE(one.matches(entry));
    one = all, one.since = from_unix(1001);
    EXPECT_FALSE(one.matches(entry));
    one = all, one.until = from_unix(999);
    EXPECT_FALSE(one.matches(entry));
    one = all, one.request_id = "two";
    EXPECT_FALSE(one.matches(entry));
    one = all, one.outcome = Outcome::failed;
    EXPECT_FALSE(one.matches(entry));
    entry.outcome = Outcome::allowed;
    one = {}, one.not_allowed = true;
    EXPECT_FALSE(one.matches(entry));
}

TEST(EntryFilter, KnowsAVaultInAllFormsOfResources) {
    EntryFilter filter;
    filter.vault = "one";
    Entry entry;
    for (const char* resource :
         {"https://one.vault.azure.net/secrets/s", "https://one.example:8443",
          "/subscriptions/s/providers/Microsoft.KeyVault/vaults/one/keys/k",
          "/subscriptions/s/providers/Microsoft.KeyVault/vaults/one", "one", "one/keys/k"}) {
        entry.resource = resource;
        EXPECT_TRUE(filter.matches(entry)) << resource;
    }
    for (const char* resource :
         {"https://other.vault.azure.net/keys/one", "/vaults/one-more", "", "root key"}) {
        entry.resource = resource;
        EXPECT_FALSE(filter.matches(entry)) << resource;
    }
}

}  // namespace
}  // namespace vouchsafe::audit
