#include "vouchsafe/audit/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "vouchsafe/audit/log.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/store/test_engine.h"

namespace vouchsafe::audit {
namespace {

using store::EngineKind;

Bytes back_up_whole(store::Store& store, Backup* told = nullptr) {
    Bytes out;
    Checks checks;
    Backup made = MUST(back_up(
        store, "vault", from_unix(1'800'000'000),
        [&](ByteView bytes) -> Result<void> {
            append(out, bytes);
            return {};
        },
        checks));
    if (told != nullptr) *told = made;
    return out;
}

Result<Backup> restore_whole(store::Store& store, ByteView file,
                             std::string_view service = "vault") {
    size_t at = 0;
    Checks checks;
    return restore(
        store, service,
        [&](MutableByteView into) -> Result<size_t> {
            const size_t count = std::min(into.size(), file.size() - at);
            std::copy_n(file.begin() + static_cast<ptrdiff_t>(at), count, into.begin());
            at += count;
            return count;
        },
        checks);
}

void fill(store::Store& store, int entries = 5) {
    Log log(store);
    MUST(store.run([&](store::Transaction& tx) -> Result<void> {
        for (int i = 0; i < entries; ++i) {
            Entry entry;
            entry.request_id = std::to_string(i);
            TRY(log.append(tx, entry));
        }
        TRY(tx.put("binary", std::string("\0\xff\n", 3), {}));
        TRY(tx.put("large", "k", Bytes(1 << 20, 0xa5)));
        for (int i = 0; i < 200; ++i) TRY(tx.put("many", std::to_string(i), as_bytes("v")));
        return {};
    }));
}

// with_sum replaces the checksum, as one who changes a backup by intent would.
Bytes with_sum(Bytes file) {
    file.resize(file.size() - 32);
    append(file, crypto::sha256(file));
    return file;
}

class BackupTest : public testing::TestWithParam<std::pair<EngineKind, EngineKind>> {};

std::vector<std::pair<EngineKind, EngineKind>> engine_pairs() {
    std::vector<std::pair<EngineKind, EngineKind>> out;
    for (EngineKind from : store::engines()) {
        for (EngineKind to : store::engines()) out.emplace_back(from, to);
    }
    return out;
}

INSTANTIATE_TEST_SUITE_P(Engines, BackupTest, testing::ValuesIn(engine_pairs()));

TEST_P(BackupTest, ComesBackAsItWasInEitherEngine) {
    auto from = store::make_engine(GetParam().first);
    auto to = store::make_engine(GetParam().second);
    auto store = MUST(from->try_open());
    fill(*store);
    Backup told;
    const Bytes file = back_up_whole(*store, &told);
    EXPECT_EQ(told.log.size, 5u);

    auto restored = MUST(to->try_open());
    const Backup read = MUST(restore_whole(*restored, file));
    EXPECT_EQ(read.records, told.records);
    EXPECT_EQ(read.made, told.made);
    EXPECT_EQ(read.log, told.log);
    EXPECT_EQ(back_up_whole(*restored), file);
    Checks checks;
    EXPECT_EQ(MUST(Log(*restored).verify(told.log, checks)), told.log);
    EXPECT_EQ(MUST(Log(*restored).append(Entry{})), 5u);

    auto twice = restore_whole(*restored, file);
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().code, Code::conflict);
}

TEST_P(BackupTest, IsOfOneMomentWhileOthersWrite) {
    auto from = store::make_engine(GetParam().first);
    auto to = store::make_engine(GetParam().second);
    auto store = MUST(from->try_open());
    fill(*store);
    std::atomic<bool> stop = false;
    std::thread writer([&] {
        Log log(*store);
        while (!stop) MUST(log.append(Entry{}));
    });
    for (int i = 0; i < 3; ++i) {
        auto restored = MUST(store::make_engine(GetParam().second)->try_open());
        Backup told;
        const Bytes file = back_up_whole(*store, &told);
        EXPECT_EQ(MUST(restore_whole(*restored, file)).log, told.log);
    }
    stop = true;
    writer.join();
}

class BackupFileTest : public testing::Test {
  protected:
    BackupFileTest() : store_(MUST(engine_.try_open())), empty_(MUST(other_.try_open())) {
        Log log(*store_);
        for (const char* id : {"one", "two"}) {
            Entry entry;
            entry.request_id = id;
            MUST(log.append(entry));
        }
        file_ = back_up_whole(*store_);
    }

    // refused restores into an empty store and expects that nothing came of it.
    Error refused(ByteView file, std::string_view service = "vault") {
        auto restored = restore_whole(*empty_, file, service);
        EXPECT_FALSE(restored);
        MUST(empty_->read([&](store::View& view) -> Result<void> {
            EXPECT_FALSE(TRY(view.next_table("")));
            return {};
        }));
        return restored ? Error() : restored.error();
    }

    store::SqliteEngine engine_;
    store::SqliteEngine other_;
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<store::Store> empty_;
    Bytes file_;
};

TEST_F(BackupFileTest, IsRefusedCutOffAnywhereOrLonger) {
    for (size_t size = 0; size < file_.size(); size += 1 + size / 16) {
        EXPECT_EQ(refused(ByteView(file_).first(size)).code, Code::invalid) << size;
    }
    Bytes longer = file_;
    longer.push_back(0);
    EXPECT_EQ(refused(longer).code, Code::invalid);
}

TEST_F(BackupFileTest, IsRefusedWithAnyBitChanged) {
    for (size_t at = 0; at < file_.size(); at += 1 + at / 32) {
        Bytes changed = file_;
        changed[at] ^= static_cast<uint8_t>(1 << (at % 8));
        refused(changed);
    }
}

TEST_F(BackupFileTest, IsRefusedByAnotherService) {
    EXPECT_EQ(refused(file_, "attestation").code, Code::conflict);
}

TEST_F(BackupFileTest, IsRefusedIfItsLogWasChangedWithItsChecksum) {
    const size_t second =
        to_text(file_).rfind("\x28\xb5\x2f\xfd");  // compressed: Zstandard's magic
    ASSERT_NE(second, std::string::npos);
    Bytes changed = file_;
    changed[second + 12] ^= 1;
    EXPECT_EQ(refused(with_sum(changed)).reason()->code, "AUDIT-ENTRY");

    changed = file_;
    changed[file_.size() - 33] ^= 1;  // the root hash
    EXPECT_EQ(refused(with_sum(changed)).reason()->code, "AUDIT-HEAD");
    EXPECT_EQ(with_sum(file_), file_);
}

TEST_F(BackupFileTest, IsNotMadeOfADamagedLog) {
    MUST(store_->run([](store::Transaction& tx) {
        return tx.put("audit_entry", "0000000000000001", Entry{}.encode());
    }));
    Checks checks;
    auto made = back_up(
        *store_, "vault", from_unix(0), [](ByteView) -> Result<void> { return {}; }, checks);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().reason()->code, "AUDIT-ENTRY");
}

}  // namespace
}  // namespace vouchsafe::audit
