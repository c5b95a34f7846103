#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "vouchsafe/audit/log.h"
#include "vouchsafe/audit/test_tree.h"
#include "vouchsafe/base/encoding.h"

namespace vouchsafe::audit {
namespace {

// The leaves and roots of certificate-transparency's reference tree
// (google/certificate-transparency, cpp/merkletree/merkle_tree_test.cc, Apache-2.0).
const char* const kLeaves[8] = {"",
                                "00",
                                "10",
                                "2021",
                                "3031",
                                "40414243",
                                "5051525354555657",
                                "606162636465666768696a6b6c6d6e6f"};
const char* const kRoots[8] = {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                               "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                               "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                               "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                               "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                               "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                               "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                               "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

std::string hex(const TreeHash& hash) {
    return encode_hex(hash);
}
Bytes leaf(size_t i) {
    return MUST(decode_hex(kLeaves[i]));
}

TEST(Merkle, HashesTheReferenceTree) {
    EXPECT_EQ(hex(empty_root()),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    RootBuilder tree;
    for (size_t i = 0; i < 8; ++i) {
        tree.add(leaf_hash(leaf(i)));
        EXPECT_EQ(hex(tree.root()), kRoots[i]) << i + 1 << " leaves";
    }
}

class LogTest : public testing::Test {
  protected:
    LogTest() : dir_(MUST(TemporaryDir::create("audit-test"))) {
        store_ = MUST(store::open_sqlite(dir_.path() / "audit.db"));
        log_.emplace(*store_);
    }

    static Entry entry(std::string request_id, std::string action = "keys/release") {
        Entry out;
        out.time = from_unix(1'800'000'000);
        out.actor = "actor";
        out.action = std::move(action);
        out.resource = "https://v.vault.azure.net/keys/k";
        out.outcome = Outcome::refused;
        out.request_id = std::move(request_id);
        out.reason = "no";
        out.checks = {{"CALLER-ROLE", "action", "a role", "none", false}};
        out.details = {{"enc", "x"}};
        return out;
    }
    void append_many(size_t count) {
        MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
            for (size_t i = 0; i < count; ++i) {
                TRY(log_->append(tx, entry("r" + std::to_string(i))));
            }
            return {};
        }));
    }
    void change(std::string_view table, std::string_view key, ByteView value) {
        MUST(store_->run([&](store::Transaction& tx) { return tx.put(table, key, value); }));
    }

    TemporaryDir dir_;
    std::unique_ptr<store::Store> store_;
    std::optional<Log> log_;
};

TEST_F(LogTest, KeepsEntriesAndFindsThemByRequest) {
    EXPECT_EQ(MUST(log_->size()), 0u);
    EXPECT_EQ(MUST(log_->append(entry("one"))), 0u);
    EXPECT_EQ(MUST(log_->append(entry("two", "keys/create"))), 1u);
    EXPECT_EQ(MUST(log_->append(entry("one", "keys/unwrap"))), 2u);

    auto found = MUST(log_->find("one"));
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].index, 0u);
    EXPECT_EQ(found[1].entry.action, "keys/unwrap");
    EXPECT_EQ(found[0].entry.encode(), entry("one").encode());
    EXPECT_TRUE(MUST(log_->find("on")).empty());
    EXPECT_TRUE(MUST(log_->find("")).empty());
    EXPECT_EQ(MUST(log_->entries(1, 100)).size(), 2u);
    EXPECT_EQ(MUST(log_->entries(0, 1)).size(), 1u);
    EXPECT_TRUE(MUST(log_->entries(3, 5)).empty());
}

TEST_F(LogTest, AnEntryAndItsActAreCommittedTogether) {
    auto refused = store_->run([&](store::Transaction& tx) -> Result<void> {
        TRY(tx.put("act", "done", {}));
        TRY(log_->append(tx, entry("one")));
        return fail(Code::forbidden, "changed my mind");
    });
    EXPECT_FALSE(refused);
    EXPECT_EQ(MUST(log_->size()), 0u);
    EXPECT_TRUE(MUST(log_->find("one")).empty());
}

TEST_F(LogTest, RefusesEntriesOverTheLimit) {
    Entry large = entry("one");
    large.reason.assign(kMaxEntrySize, 'x');
    EXPECT_EQ(log_->append(large).error().code, Code::invalid);
    EXPECT_EQ(log_->append(entry(std::string(129, 'r'))).error().code, Code::invalid);
    EXPECT_EQ(MUST(log_->size()), 0u);
}

TEST_F(LogTest, ProofsOfEverySizeHoldAndNeighboursDoNot) {
    constexpr uint64_t kCount = 17;
    append_many(kCount);
    std::vector<TreeHead> heads;
    for (uint64_t size = 0; size <= kCount; ++size) heads.push_back(MUST(log_->head_at(size)));
    EXPECT_EQ(heads.back(), MUST(log_->head()));

    for (uint64_t size = 1; size <= kCount; ++size) {
        for (uint64_t index = 0; index < size; ++index) {
            Bytes bytes = entry("r" + std::to_string(index)).encode();
            InclusionProof proof = MUST(log_->prove_inclusion(index, size));
            EXPECT_TRUE(verify_inclusion(proof, bytes, heads[size].root));
            EXPECT_TRUE(verify_leaf_inclusion(proof, leaf_hash(bytes), heads[size].root));
            EXPECT_FALSE(verify_inclusion(proof, bytes, heads[size - 1].root));
            bytes.back() ^= 1;
            EXPECT_FALSE(verify_inclusion(proof, bytes, heads[size].root));
        }
        for (uint64_t old_size = 0; old_size <= size; ++old_size) {
            ConsistencyProof proof = MUST(log_->prove_consistency(old_size, size));
            EXPECT_TRUE(verify_consistency(proof, heads[old_size].root, heads[size].root));
            EXPECT_FALSE(verify_consistency(proof, heads[size].root, heads[size - 1].root));
        }
    }
    EXPECT_EQ(log_->prove_inclusion(3, 3).error().code, Code::invalid);
    EXPECT_EQ(log_->prove_inclusion(0, kCount + 1).error().code, Code::invalid);
    EXPECT_EQ(log_->prove_consistency(3, kCount + 1).error().code, Code::invalid);
    EXPECT_EQ(log_->head_at(kCount + 1).error().code, Code::invalid);
}

TEST_F(LogTest, AChangedProofDoesNotHold) {
    append_many(13);
    const TreeHead now = MUST(log_->head());
    const TreeHead before = MUST(log_->head_at(6));
    const Bytes bytes = entry("r4").encode();
    const InclusionProof inclusion = MUST(log_->prove_inclusion(4, 13));
    const ConsistencyProof consistency = MUST(log_->prove_consistency(6, 13));
    for (size_t i = 0; i < inclusion.path.size(); ++i) {
        InclusionProof changed = inclusion;
        changed.path[i][7] ^= 0x10;
        EXPECT_FALSE(verify_inclusion(changed, bytes, now.root));
        changed = inclusion;
        changed.path.erase(changed.path.begin() + static_cast<ptrdiff_t>(i));
        EXPECT_FALSE(verify_inclusion(changed, bytes, now.root));
    }
    for (uint64_t index = 0; index < 14; ++index) {
        InclusionProof changed = inclusion;
        changed.index = index;
        EXPECT_EQ(verify_inclusion(changed, bytes, now.root).has_value(), index == 4);
    }
    for (size_t i = 0; i < consistency.path.size(); ++i) {
        ConsistencyProof changed = consistency;
        changed.path[i][7] ^= 0x10;
        EXPECT_FALSE(verify_consistency(changed, before.root, now.root));
        changed = consistency;
        changed.path.erase(changed.path.begin() + static_cast<ptrdiff_t>(i));
        EXPECT_FALSE(verify_consistency(changed, before.root, now.root));
    }
    ConsistencyProof longer = consistency;
    longer.path.push_back(now.root);
    EXPECT_FALSE(verify_consistency(longer, before.root, now.root));
}

TEST_F(LogTest, VerifyFindsNothingWrongWithAnUntouchedLog) {
    Checks none;
    EXPECT_EQ(MUST(log_->verify({}, none)).size, 0u);
    append_many(9);
    const TreeHead kept = MUST(log_->head());
    append_many(4);
    Checks checks;
    EXPECT_EQ(MUST(log_->verify(kept, checks)).size, 13u);
}

TEST_F(LogTest, VerifyFindsAChangedEntry) {
    append_many(9);
    change("audit_entry", "0000000000000003", entry("r3", "keys/read").encode());
    Checks checks;
    auto verified = log_->verify({}, checks);
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().reason()->code, "AUDIT-ENTRY");
    EXPECT_EQ(verified.error().reason()->field, "entry 3");
}

// What cannot be opened any more is an entry that was changed, not an error that hides which.
TEST_F(LogTest, VerifyFindsADamagedCompressedEntry) {
    append_many(9);
    Bytes stored;
    MUST(store_->read([&](store::View& view) -> Result<void> {
        stored = *TRY(view.get("audit_entry", "0000000000000003"));
        return {};
    }));
    const Bytes good = stored;
    for (size_t at : {size_t{0}, size_t{3}, stored.size() / 2, stored.size() - 1}) {
        stored = good;
        stored[at] ^= 0x40;
        change("audit_entry", "0000000000000003", stored);
        Checks checks;
        auto verified = log_->verify({}, checks);
        ASSERT_FALSE(verified) << at;
        EXPECT_EQ(verified.error().reason()->code, "AUDIT-ENTRY");
        EXPECT_EQ(verified.error().reason()->field, "entry 3");
    }
    change("audit_entry", "0000000000000003", good);
    Checks checks;
    EXPECT_TRUE(log_->verify({}, checks));
}

TEST_F(LogTest, KeepsEntriesCompressed) {
    append_many(1);
    MUST(store_->read([&](store::View& view) -> Result<void> {
        EXPECT_LT(TRY(view.get("audit_entry", "0000000000000000"))->size(),
                  entry("r0").encode().size() * 2 / 3);
        return {};
    }));
    EXPECT_EQ(MUST(log_->encoded(0)), entry("r0").encode());
}

TEST_F(LogTest, VerifyFindsAChangedTree) {
    append_many(9);
    change_node(*store_, 3, 0);
    Checks checks;
    auto verified = log_->verify({}, checks);
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().reason()->code, "AUDIT-TREE");
}

// Who takes an entry away takes its hashes along, and what is moved brings the wrong ones: that is
// a log that was changed, not a database that cannot be read.
TEST_F(LogTest, VerifyNamesTheEntryWhereTheTreesRecordsAreGoneOrMoved) {
    struct Damage {
        char of;
        char with;  // 0: removed
        const char* expected;
    };
    // Of the last entry, of one that completes a subtree of the root, and of one whose hashes the
    // root does not need; and another entry's in their place.
    constexpr Damage kCases[] = {
        {'8', 0, "AUDIT-ENTRY entry 8"},   {'7', 0, "AUDIT-ENTRY entry 7"},
        {'8', '7', "AUDIT-ENTRY entry 8"}, {'7', '6', "AUDIT-ENTRY entry 7"},
        {'2', 0, "AUDIT-ENTRY entry 2"},   {'2', '4', "AUDIT-ENTRY entry 2"}};
    append_many(9);
    const auto hashes_of = [&](char index) {
        Bytes out;
        MUST(store_->read([&](store::View& view) -> Result<void> {
            out = *TRY(view.get("audit_hash", std::string(15, '0') + index));
            return {};
        }));
        return out;
    };
    for (const Damage& damage : kCases) {
        const std::string key = std::string(15, '0') + damage.of;
        const Bytes good = hashes_of(damage.of);
        if (damage.with != 0) change("audit_hash", key, hashes_of(damage.with));
        if (damage.with == 0) {
            MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
                TRY(tx.erase("audit_hash", key));
                return {};
            }));
        }
        Checks checks;
        const auto verified = log_->verify({}, checks);
        ASSERT_FALSE(verified);
        ASSERT_NE(verified.error().reason(), nullptr) << verified.error().message;
        EXPECT_EQ(verified.error().reason()->code + " " + verified.error().reason()->field,
                  damage.expected);
        change("audit_hash", key, good);
    }
    Checks checks;
    EXPECT_TRUE(log_->verify({}, checks));
}

TEST_F(LogTest, AKeptHeadFindsARewrittenLog) {
    append_many(9);
    const TreeHead kept = MUST(log_->head());

    // Somebody with the database makes a whole new log, consistent in itself.
    store_ = MUST(store::open_sqlite(dir_.path() / "rewritten.db"));
    log_.emplace(*store_);
    append_many(5);
    Checks shorter;
    auto verified = log_->verify(kept, shorter);
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().reason()->code, "AUDIT-HEAD");

    MUST(log_->append(entry("other")));
    append_many(5);
    Checks rewritten;
    verified = log_->verify(kept, rewritten);
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().reason()->code, "AUDIT-HEAD");
}

TEST_F(LogTest, VerifiesManyKeptHeadsAtOnce) {
    append_many(9);
    std::vector<TreeHead> heads;
    for (uint64_t size : {9, 4, 0, 4, 7}) heads.push_back(MUST(log_->head_at(size)));
    append_many(2);
    Checks checks;
    EXPECT_EQ(MUST(log_->verify_heads(heads, checks)).size, 11u);
    EXPECT_EQ(MUST(log_->verify_heads({}, checks)).size, 11u);
    for (size_t i : {0, 1, 3, 4}) {
        std::vector<TreeHead> changed = heads;
        changed[i].root[0] ^= 1;
        Checks again;
        auto verified = log_->verify_heads(changed, again);
        ASSERT_FALSE(verified) << i;
        EXPECT_EQ(verified.error().reason()->code, "AUDIT-HEAD");
    }
    heads.push_back({12, {}});
    EXPECT_FALSE(log_->verify_heads(heads, checks));
}

TEST_F(LogTest, GivesTheBytesThatWereHashed) {
    append_many(2);
    EXPECT_EQ(MUST(log_->encoded(1)), entry("r1").encode());
    EXPECT_EQ(log_->encoded(2).error().code, Code::invalid);
}

TEST_F(LogTest, VerifyNamesAMissingEntry) {
    append_many(4);
    MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
        TRY(tx.erase("audit_entry", "0000000000000002"));
        return {};
    }));
    Checks checks;
    auto verified = log_->verify({}, checks);
    ASSERT_FALSE(verified);
    ASSERT_NE(verified.error().reason(), nullptr);
    EXPECT_EQ(verified.error().reason()->code, "AUDIT-ENTRY");
    EXPECT_EQ(verified.error().reason()->field, "entry 2");
}

// write_old_log makes the records that a log had before its size moved to audit_size: a record for
// each node of the tree.
void write_old_log(store::Store& store, const std::vector<Entry>& entries) {
    MUST(store.run([&](store::Transaction& tx) -> Result<void> {
        std::map<std::pair<unsigned, uint64_t>, TreeHash> nodes;
        for (uint64_t index = 0; index < entries.size(); ++index) {
            const Bytes bytes = entries[index].encode();
            TRY(tx.insert("audit_entry", store::number_key(index), bytes));
            const std::string& id = entries[index].request_id;
            TRY(tx.insert("audit_request", id + "/" + store::number_key(index), {}));
            nodes[{0, index}] = leaf_hash(bytes);
            for (unsigned level = 0; (index + 1) % (2ULL << level) == 0; ++level) {
                const uint64_t right = index >> level;
                nodes[{level + 1, right / 2}] =
                    node_hash(nodes.at({level, right - 1}), nodes.at({level, right}));
            }
        }
        for (const auto& [place, hash] : nodes) {
            const std::string key = fmt::format("{:02x}/{:016x}", place.first, place.second);
            TRY(tx.insert("audit_node", key, hash));
        }
        return tx.put("audit_head", "size", Writer().u64_be(entries.size()).view());
    }));
}

// is_refused_by_older_programs: they take the size from here, as eight bytes or, in a log without
// entries, no record.
bool is_refused_by_older_programs(store::Store& store) {
    bool out = false;
    MUST(store.read([&](store::View& view) -> Result<void> {
        const auto size = TRY(view.get("audit_head", "size"));
        out = size && size->size() != 8;
        return {};
    }));
    return out;
}

TEST_F(LogTest, GoesOnWithALogOfAnOlderProgram) {
    for (size_t old_size = 0; old_size <= 9; ++old_size) {
        auto store = MUST(store::open_sqlite(dir_.path() / fmt::format("old-{}.db", old_size)));
        Log log(*store);
        RootBuilder tree;
        std::vector<Entry> entries;
        for (size_t i = 0; i < 20; ++i) entries.push_back(entry(fmt::format("r{}", i)));
        for (size_t i = 0; i < old_size; ++i) tree.add(leaf_hash(entries[i].encode()));
        write_old_log(*store, {entries.begin(), entries.begin() + static_cast<long>(old_size)});
        const TreeHead before = MUST(log.head());
        EXPECT_EQ(before.size, old_size);
        EXPECT_EQ(before.root, tree.root());
        Checks checks;
        MUST(log.verify(before, checks));
        EXPECT_FALSE(is_refused_by_older_programs(*store));

        for (size_t i = old_size; i < entries.size(); ++i) {
            EXPECT_EQ(MUST(log.append(entries[i])), i);
            EXPECT_TRUE(is_refused_by_older_programs(*store));
            tree.add(leaf_hash(entries[i].encode()));
            EXPECT_EQ(MUST(log.head()).root, tree.root());
        }
        MUST(log.verify(before, checks));
        const TreeHead now = MUST(log.head());
        for (uint64_t i = 0; i < entries.size(); ++i) {
            MUST(verify_inclusion(MUST(log.prove_inclusion(i, now.size)), entries[i].encode(),
                                  now.root));
            MUST(verify_consistency(MUST(log.prove_consistency(i, now.size)),
                                    MUST(log.head_at(i)).root, now.root));
            EXPECT_EQ(MUST(log.find(entries[i].request_id)).at(0).index, i);
        }
    }
}

TEST_F(LogTest, RefusesALogWhoseSizeIsGone) {
    append_many(3);
    MUST(store_->run([&](store::Transaction& tx) -> Result<void> {
        TRY(tx.erase("audit_size", "entries"));
        return {};
    }));
    EXPECT_EQ(log_->size().error().code, Code::io);
    EXPECT_EQ(log_->append(entry("r")).error().code, Code::io);
}

TEST_F(LogTest, RefusesATreeWhoseHashesAreOfAnotherNumber) {
    for (size_t bytes : {0, 32, 64, 95, 97, 128}) {
        store_ = MUST(store::open_sqlite(dir_.path() / fmt::format("{}.db", bytes)));
        log_.emplace(*store_);
        append_many(4);
        change("audit_hash", store::number_key(3), Bytes(bytes));
        EXPECT_EQ(log_->head().error().code, Code::io) << bytes;
    }
}

TEST(Entry, RefusesWhatIsNoEntry) {
    Entry good;
    good.request_id = "r";
    EXPECT_TRUE(Entry::parse(good.encode()));
    Json json = MUST(parse_json(as_text(good.encode())));
    for (auto& [name, value] : json.items()) {
        Json changed = json;
        changed.erase(name);
        EXPECT_FALSE(Entry::parse(as_bytes(dump_json(changed)))) << name;
    }
    json["outcome"] = "perhaps";
    EXPECT_FALSE(Entry::parse(as_bytes(dump_json(json))));
}

// encode_by_document is what encode writes, the long way.
Bytes encode_by_document(const Entry& entry) {
    Json list = Json::array();
    for (const Check& check : entry.checks) {
        list.push_back({{"code", check.code},
                        {"field", check.field},
                        {"expected", check.expected},
                        {"found", check.found},
                        {"passed", check.passed}});
    }
    return to_bytes(dump_json({{"time", to_unix(entry.time)},
                               {"actor", entry.actor},
                               {"action", entry.action},
                               {"resource", entry.resource},
                               {"outcome", outcome_name(entry.outcome)},
                               {"request_id", entry.request_id},
                               {"reason", entry.reason},
                               {"checks", std::move(list)},
                               {"details", entry.details}}));
}

TEST(Entry, IsWrittenAsItsDocumentIs) {
    std::mt19937 random(7);
    const std::string_view parts[] = {"plain",
                                      "\"",
                                      "\\",
                                      "\n",
                                      "\x01",
                                      "\x7f",
                                      "\xc3\xa9",
                                      "\xff",
                                      "\xe2\x82",
                                      "\xed\xa0\x80",
                                      "\xf0\x9f\x94\x91",
                                      "\xf4\x90\x80\x80",
                                      "\xc0\xaf",
                                      "/",
                                      "\t<>&'",
                                      {"\0", 1}};
    auto text = [&] {
        std::string out;
        for (size_t left = random() % 4; left > 0; --left) {
            out += parts[random() % std::size(parts)];
        }
        return out;
    };
    for (int i = 0; i < 2000; ++i) {
        Entry entry;
        entry.time = from_unix(static_cast<int64_t>(random()) * (random() % 2 == 0 ? 1 : -1));
        entry.outcome = static_cast<Outcome>(random() % 3);
        entry.actor = text();
        entry.action = text();
        entry.resource = text();
        entry.request_id = text();
        entry.reason = text();
        for (size_t left = random() % 4; left > 0; --left) {
            entry.checks.push_back({text(), text(), text(), text(), random() % 2 == 0});
        }
        if (random() % 2 == 0)
            entry.details = {{"b", text()}, {"a", {1, -1, 0.5, nullptr, text()}}};
        ASSERT_EQ(as_text(entry.encode()), as_text(encode_by_document(entry)));
    }
}

}  // namespace
}  // namespace vouchsafe::audit
