// admin backup, restore: the records of one service in one file.
#include <fcntl.h>
#include <unistd.h>

#include "app/cmd_admin.h"
#include "app/service_store.h"
#include "app/show.h"
#include "vouchsafe/audit/backup.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/lab/data_directory.h"

namespace vouchsafe::app {

namespace {

struct BackupCommand {
    std::string dir;
    std::string service = "vault";
    std::string store;
    std::string file;
};

Result<StorePlace> backup_place(const BackupCommand& command) {
    Path dir =
        command.dir.empty() ? lab::default_lab_path() : std::filesystem::absolute(command.dir);
    TRY(lab::DataDirectory::open(dir));
    return store_place(dir, command.service, command.store);
}

void show_backup(const Context& context, const audit::Backup& backup, std::string_view what) {
    if (context.json) {
        write_out(dump_json({{"service", backup.service},
                             {"made", format_rfc3339(backup.made)},
                             {"records", backup.records},
                             {"log_size", backup.log.size},
                             {"log_root", encode_hex(backup.log.root)}}) +
                  "\n");
        return;
    }
    write_out(fmt::format("{}: {} records, log of {} entries, root {}\n", what, backup.records,
                          backup.log.size, encode_hex(backup.log.root)));
}

Result<int> run_backup(const Context& context, const BackupCommand& command) {
    StorePlace place = TRY(backup_place(command));
    if (!exists(place)) {
        return fail(Code::not_found, "{} has no records yet", place.folder.string());
    }
    auto store = TRY(open_or_make(place));
    OutputFile out = TRY(OutputFile::create(command.file, Overwrite::no, 0600));
    Checks checks;
    auto backup = TRY(audit::back_up(
        *store, command.service, context.clock.now(),
        [&](ByteView bytes) { return out.write(bytes); }, checks));
    TRY(out.commit());
    show_backup(context, backup, command.file);
    return 0;
}

// BackupFile reads a file piece by piece.
class BackupFile {
  public:
    explicit BackupFile(int fd) : fd_(fd) {}
    ~BackupFile() { ::close(fd_); }
    BackupFile(const BackupFile&) = delete;
    BackupFile& operator=(const BackupFile&) = delete;

    Result<size_t> read(MutableByteView into) const {
        size_t done = 0;
        while (done < into.size()) {
            const ssize_t got = ::read(fd_, into.data() + done, into.size() - done);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return fail(Code::io, "reading failed: {}", std::strerror(errno));
            if (got == 0) break;
            done += static_cast<size_t>(got);
        }
        return done;
    }

  private:
    int fd_;
};

Result<audit::Backup> restore_file(const BackupCommand& command, const StorePlace& place) {
    const int fd = ::open(command.file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno("cannot read", command.file);
    BackupFile file(fd);
    auto store = TRY(open_or_make(place));
    Checks checks;
    return with_context(
        audit::restore(
            *store, command.service, [&](MutableByteView into) { return file.read(into); }, checks),
        command.file);
}

Result<int> run_restore(const Context& context, const BackupCommand& command) {
    StorePlace place = TRY(backup_place(command));
    const bool was_there = exists(place);
    auto restored = restore_file(command, place);
    if (!restored && !was_there) {
        // An empty store would look like one that lost everything.
        std::error_code ignored;
        for (const char* suffix : {"", "-wal", "-shm"}) {
            std::filesystem::remove(place.file().string() + suffix, ignored);
        }
    }
    auto backup = TRY(std::move(restored));
    show_backup(context, backup, place.shown());
    return 0;
}

constexpr const char* kBackupExamples = R"(Examples:
  vouchsafe admin backup --dir /var/lib/vouchsafe --out vault-2026-07-01.backup
  vouchsafe admin backup --dir /var/lib/vouchsafe --service attestation --out attestation.backup
The service may run meanwhile; the backup is of one moment. Keys in it are sealed under the root key,
which is NOT in it: without a copy of vault/root.key, kept elsewhere, they are lost.)";

constexpr const char* kRestoreExamples = R"(Examples:
  vouchsafe admin restore --in vault-2026-07-01.backup --dir /var/lib/vouchsafe
  VOUCHSAFE_STORE=postgresql://... vouchsafe admin restore --in vault.backup --dir /var/lib/vouchsafe
The directory must have its other files, above all the root key; the service must not run, and must
have no records. All of the backup is restored, or nothing. It does not matter which engine the
backup is from: this also moves a store to PostgreSQL and back.)";

void add_backup_options(Command made, BackupCommand& command) {
    made.option("--dir", command.dir, "data directory (default: the lab in the user's data folder)",
                "DIR");
    made.option("--service", command.service, "whose records", "").one_of({"vault", "attestation"});
    add_store_option(made, command.store);
}

}  // namespace

void add_admin_backup(Command group, Context& context) {
    auto command = std::make_shared<BackupCommand>();
    Command backup = group.add("backup", "write a service's records to a file, while it runs");
    backup.examples(kBackupExamples);
    add_backup_options(backup, *command);
    backup.option("--out", command->file, "the backup (mode 0600)", "FILE").required();
    backup.run([&context, command] { return run_backup(context, *command); });
    Command restore = group.add("restore", "put a backup into an empty store");
    restore.examples(kRestoreExamples);
    add_backup_options(restore, *command);
    restore.option("--in", command->file, "the backup", "FILE").required();
    restore.run([&context, command] { return run_restore(context, *command); });
}

}  // namespace vouchsafe::app
