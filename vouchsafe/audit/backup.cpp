#include "vouchsafe/audit/backup.h"

#include <algorithm>

#include "vouchsafe/audit/tree.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::audit {

namespace {

constexpr std::string_view kMagic = "vouchsafe-backup/1\n";
constexpr size_t kPage = 64;          // records in memory at once
constexpr size_t kChunk = 256 << 10;  // bytes written or read at once
constexpr size_t kMaxService = 64;
constexpr size_t kSumSize = 32;
constexpr uint64_t kMaxTime = 253402300799;  // the last second of the year 9999
constexpr uint8_t kRecord = 1;
constexpr uint8_t kEnd = 0;

// BackupWriter collects small pieces and hashes what it writes.
class BackupWriter {
  public:
    explicit BackupWriter(const Sink& sink) : sink_(sink), hasher_(crypto::HashAlg::sha256) {}

    Result<void> add(ByteView bytes) {
        append(buffer_, bytes);
        if (buffer_.size() >= kChunk) TRY(flush());
        return {};
    }
    Result<void> finish() {
        TRY(flush());
        return sink_(hasher_.finish());
    }

  private:
    Result<void> flush() {
        hasher_.update(buffer_);
        TRY(sink_(buffer_));
        buffer_.clear();
        return {};
    }

    const Sink& sink_;
    crypto::Hasher hasher_;
    Bytes buffer_;
};

// BackupReader gives exactly as many bytes as are asked for. They are valid until the next call.
class BackupReader {
  public:
    explicit BackupReader(const Source& source)
        : source_(source), hasher_(crypto::HashAlg::sha256) {}

    Result<ByteView> take(size_t count) {
        ByteView out = TRY(peek(count));
        begin_ += count;
        hasher_.update(out);
        return out;
    }
    // finish compares the checksum, behind which nothing may be.
    Result<void> finish() {
        const Bytes sum = hasher_.finish();
        ByteView told = TRY(peek(kSumSize));
        begin_ += kSumSize;
        if (!equal(sum, told)) return fail(Code::invalid, "the backup's checksum is wrong");
        if (peek(1)) return fail(Code::invalid, "the backup has more behind its end");
        return {};
    }

  private:
    Result<ByteView> peek(size_t count) {
        if (buffer_.size() - begin_ < count) {
            buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(begin_));
            begin_ = 0;
            const size_t had = buffer_.size();
            buffer_.resize(std::max(count, kChunk));
            const size_t got = TRY(source_(MutableByteView(buffer_).subspan(had)));
            buffer_.resize(had + got);
        }
        if (buffer_.size() - begin_ < count) return fail(Code::invalid, "the backup is cut off");
        return ByteView(buffer_).subspan(begin_, count);
    }

    const Source& source_;
    crypto::Hasher hasher_;
    Bytes buffer_;
    size_t begin_ = 0;
};

Result<uint64_t> take_number(BackupReader& reader, size_t size) {
    uint64_t out = 0;
    for (uint8_t byte : TRY(reader.take(size))) out = out << 8 | byte;
    return out;
}

// take_text takes a text of `min` to `max` bytes with its length in two bytes before it.
Result<std::string> take_text(BackupReader& reader, size_t min, size_t max) {
    const uint64_t size = TRY(take_number(reader, 2));
    if (size < min || size > max) return fail(Code::invalid, "the backup is damaged");
    return to_text(TRY(reader.take(size)));
}

Writer& put_text(Writer& writer, std::string_view text) {
    return writer.u16_be(static_cast<uint16_t>(text.size())).bytes(as_bytes(text));
}

Result<uint64_t> write_records(store::View& view, BackupWriter& out) {
    uint64_t count = 0;
    std::string table;
    while (auto next = TRY(view.next_table(table))) {
        table = *next;
        std::string last;
        while (true) {
            std::vector<store::Record> page = TRY(view.scan(table, "", last, kPage));
            if (page.empty()) break;
            for (const store::Record& record : page) {
                Writer head;
                head.u8(kRecord);
                put_text(put_text(head, table), record.key);
                head.u32_be(static_cast<uint32_t>(record.value.size()));
                TRY(out.add(head.view()));
                TRY(out.add(record.value));
            }
            count += page.size();
            last = page.back().key;
        }
    }
    return count;
}

// read_records puts records until their end. Their order is strict, so that none is there twice.
Result<uint64_t> read_records(BackupReader& reader, store::Transaction& tx) {
    uint64_t count = 0;
    std::pair<std::string, std::string> last;
    while (true) {
        const uint64_t kind = TRY(take_number(reader, 1));
        if (kind == kEnd) return count;
        if (kind != kRecord) return fail(Code::invalid, "the backup is damaged");
        std::string table = TRY(take_text(reader, 1, store::kMaxTableName));
        std::string key = TRY(take_text(reader, 1, store::kMaxKeySize));
        const uint64_t size = TRY(take_number(reader, 4));
        if (size > store::kMaxValueSize) return fail(Code::invalid, "the backup is damaged");
        TRY(tx.insert(table, key, TRY(reader.take(size))));
        std::pair<std::string, std::string> place(std::move(table), std::move(key));
        if (place <= last) return fail(Code::invalid, "the backup is out of order");
        last = std::move(place);
        ++count;
    }
}

Result<Backup> read_backup(BackupReader& reader, std::string_view service, store::Transaction& tx) {
    if (as_text(TRY(reader.take(kMagic.size()))) != kMagic) {
        return fail(Code::invalid, "it is no backup of this program");
    }
    Backup out;
    out.service = TRY(take_text(reader, 1, kMaxService));
    if (out.service != service) {
        return fail(Code::conflict, "it is a backup of the {} service, not of the {} service",
                    out.service, service);
    }
    const uint64_t made = TRY(take_number(reader, 8));
    if (made > kMaxTime) return fail(Code::invalid, "the backup is damaged");
    out.made = from_unix(static_cast<int64_t>(made));
    out.records = TRY(read_records(reader, tx));
    if (TRY(take_number(reader, 8)) != out.records) {
        return fail(Code::invalid, "the backup lacks records");
    }
    out.log.size = TRY(take_number(reader, 8));
    ByteView root = TRY(reader.take(out.log.root.size()));
    std::copy(root.begin(), root.end(), out.log.root.begin());
    TRY(reader.finish());
    return out;
}

}  // namespace

Result<Backup> back_up(store::Store& store, std::string_view service, Time now, const Sink& sink,
                       Checks& checks) {
    if (service.empty() || service.size() > kMaxService) {
        return fail(Code::invalid, "a service's name has 1 to {} bytes", kMaxService);
    }
    Backup out{std::string(service), now, 0, {}};
    BackupWriter writer(sink);
    Writer head;
    head.bytes(as_bytes(kMagic));
    put_text(head, service).u64_be(static_cast<uint64_t>(to_unix(now)));
    TRY(writer.add(head.view()));
    TRY(store.read([&](store::View& view) -> Result<void> {
        out.log = TRY(verify_tree(view, {}, checks));
        out.records = TRY(write_records(view, writer));
        return {};
    }));
    TRY(writer.add(
        Writer().u8(kEnd).u64_be(out.records).u64_be(out.log.size).bytes(out.log.root).view()));
    TRY(writer.finish());
    return out;
}

Result<Backup> restore(store::Store& store, std::string_view service, const Source& source,
                       Checks& checks) {
    Backup out;
    TRY(store.run([&](store::Transaction& tx) -> Result<void> {
        if (TRY(tx.next_table(""))) {
            return fail(Code::conflict,
                        "there are records already: a backup is restored into an "
                        "empty store only");
        }
        BackupReader reader(source);
        out = TRY(read_backup(reader, service, tx));
        TRY(verify_tree(tx, {out.log}, checks));
        return {};
    }));
    return out;
}

}  // namespace vouchsafe::audit
