#include "vouchsafe/store/sqlite_wal_file.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace vouchsafe::store {

namespace {

constexpr const char* kName = "vouchsafe-gathering";
// SQLite's file takes the largest page at once, and not much more.
constexpr size_t kMostGathered = 64 << 10;

// GatheredLog is one open write-ahead log. `file` is SQLite's own, behind it.
class GatheredLog {
  public:
    explicit GatheredLog(size_t file_size) : memory_(file_size) {}
    sqlite3_file* file() { return reinterpret_cast<sqlite3_file*>(memory_.data()); }
    const sqlite3_io_methods& own() { return *file()->pMethods; }

    int write(const void* data, int size, sqlite3_int64 offset) {
        const auto* bytes = static_cast<const uint8_t*>(data);
        const auto count = static_cast<size_t>(size);
        const bool follows = offset == begin_ + static_cast<sqlite3_int64>(gathered_.size());
        if (!follows || gathered_.size() + count > kMostGathered) {
            if (const int status = flush(); status != SQLITE_OK) return status;
            begin_ = offset;
        }
        gathered_.insert(gathered_.end(), bytes, bytes + count);
        return SQLITE_OK;
    }
    // flush brings what was gathered into the file. If that fails it is dropped: SQLite takes the
    // transaction back.
    int flush() {
        if (gathered_.empty()) return SQLITE_OK;
        const int status =
            own().xWrite(file(), gathered_.data(), static_cast<int>(gathered_.size()), begin_);
        gathered_.clear();
        return status;
    }

  private:
    std::vector<max_align_t> memory_;
    std::vector<uint8_t> gathered_;
    sqlite3_int64 begin_ = 0;  // where in the file they go
};

// LogFile is what SQLite holds.
struct LogFile {
    sqlite3_file base;
    GatheredLog* log;
};

GatheredLog& log_of(sqlite3_file* file) {
    return *reinterpret_cast<LogFile*>(file)->log;
}

// flushed does `then` with SQLite's own file once everything is in it.
template <typename Then>
int flushed(sqlite3_file* file, const Then& then) {
    GatheredLog& log = log_of(file);
    const int status = log.flush();
    return status != SQLITE_OK ? status : then(log.file(), log.own());
}

int close_log(sqlite3_file* file) {
    const std::unique_ptr<GatheredLog> log(&log_of(file));
    const int flushed = log->flush();
    const int closed = log->own().xClose(log->file());
    return flushed != SQLITE_OK ? flushed : closed;
}

int read_log(sqlite3_file* file, void* out, int size, sqlite3_int64 offset) {
    return flushed(file, [&](sqlite3_file* own, const sqlite3_io_methods& methods) {
        return methods.xRead(own, out, size, offset);
    });
}

// No exception may go through SQLite.
int write_log(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
    try {
        return log_of(file).write(data, size, offset);
    } catch (const std::bad_alloc&) {
        return SQLITE_NOMEM;
    }
}

int truncate_log(sqlite3_file* file, sqlite3_int64 size) {
    return flushed(file, [&](sqlite3_file* own, const sqlite3_io_methods& methods) {
        return methods.xTruncate(own, size);
    });
}

int sync_log(sqlite3_file* file, int flags) {
    return flushed(file, [&](sqlite3_file* own, const sqlite3_io_methods& methods) {
        return methods.xSync(own, flags);
    });
}

int size_of_log(sqlite3_file* file, sqlite3_int64* size) {
    return flushed(file, [&](sqlite3_file* own, const sqlite3_io_methods& methods) {
        return methods.xFileSize(own, size);
    });
}

int lock_log(sqlite3_file* file, int level) {
    return log_of(file).own().xLock(log_of(file).file(), level);
}
int unlock_log(sqlite3_file* file, int level) {
    return log_of(file).own().xUnlock(log_of(file).file(), level);
}
int check_log_lock(sqlite3_file* file, int* reserved) {
    return log_of(file).own().xCheckReservedLock(log_of(file).file(), reserved);
}
int control_log(sqlite3_file* file, int operation, void* argument) {
    return log_of(file).own().xFileControl(log_of(file).file(), operation, argument);
}
int sector_of_log(sqlite3_file* file) {
    return log_of(file).own().xSectorSize(log_of(file).file());
}
int characteristics_of_log(sqlite3_file* file) {
    return log_of(file).own().xDeviceCharacteristics(log_of(file).file());
}

constexpr sqlite3_io_methods kMethods = {1,
                                         close_log,
                                         read_log,
                                         write_log,
                                         truncate_log,
                                         sync_log,
                                         size_of_log,
                                         lock_log,
                                         unlock_log,
                                         check_log_lock,
                                         control_log,
                                         sector_of_log,
                                         characteristics_of_log,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr};

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    auto* own = static_cast<sqlite3_vfs*>(vfs->pAppData);
    if ((flags & SQLITE_OPEN_WAL) == 0) return own->xOpen(own, name, file, flags, out_flags);
    file->pMethods = nullptr;
    try {
        auto log = std::make_unique<GatheredLog>(
            static_cast<size_t>(own->szOsFile) / sizeof(max_align_t) + 1);
        const int status = own->xOpen(own, name, log->file(), flags, out_flags);
        if (status != SQLITE_OK) {
            if (log->file()->pMethods != nullptr) log->own().xClose(log->file());
            return status;
        }
        auto* opened = reinterpret_cast<LogFile*>(file);
        opened->log = log.release();
        opened->base.pMethods = &kMethods;
        return SQLITE_OK;
    } catch (const std::bad_alloc&) {
        return SQLITE_NOMEM;
    }
}

}  // namespace

const char* gathering_vfs() {
    static const bool registered = [] {
        sqlite3_vfs* own = sqlite3_vfs_find(nullptr);
        if (own == nullptr) return false;
        static sqlite3_vfs gathering = *own;
        gathering.zName = kName;
        gathering.pNext = nullptr;
        gathering.szOsFile = std::max(own->szOsFile, static_cast<int>(sizeof(LogFile)));
        gathering.pAppData = own;
        gathering.xOpen = open_file;
        return sqlite3_vfs_register(&gathering, 0) == SQLITE_OK;
    }();
    return registered ? kName : nullptr;
}

}  // namespace vouchsafe::store
