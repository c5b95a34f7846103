#include "vouchsafe/lab/tpm_device.h"

#define FUSE_USE_VERSION 314
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

#include "vouchsafe/device/tpm_spaces.h"

namespace vouchsafe::lab {

namespace {

constexpr size_t kMaxOpenFiles = 128;
// More than a command, so that a write that is too long arrives as one and can be refused.
constexpr uint32_t kMaxWrite = 2 * device::kMaxTpmCommand;

// OpenFile is what Linux' driver keeps for one (struct file_priv).
struct OpenFile {
    explicit OpenFile(device::TpmSpaces& spaces) : space(spaces) {}

    device::TpmSpace space;
    Bytes answer;            // what was not read yet
    bool read_from = false;  // part of it was
    int error = 0;           // of a command that nobody waited for
    fuse_pollhandle* watcher = nullptr;

    bool readable() const { return !answer.empty() || error != 0; }
};

// refusal is the errno of a write that is not to be.
int refusal(const OpenFile* file, ByteView command) {
    if (file == nullptr) return EBADF;
    if (command.size() > device::kMaxTpmCommand) return E2BIG;
    return file->readable() && !file->read_from ? EBUSY : 0;
}

void silence_fuse() {
    static std::once_flag once;
    std::call_once(once, [] { ::fuse_set_log_func([](fuse_log_level, const char*, va_list) {}); });
}

struct SessionDelete {
    void operator()(fuse_session* session) const { ::fuse_session_destroy(session); }
};

}  // namespace

struct TpmDevice::Impl {
    ~Impl();
    void run();
    Result<void> mount(UniqueFd fuse);

    OpenFile* find(const fuse_file_info* info);
    void open(fuse_req_t request, fuse_file_info* info);
    void write(fuse_req_t request, ByteView command, const fuse_file_info* info);
    void execute(OpenFile& file, ByteView command);
    void read(fuse_req_t request, size_t size, const fuse_file_info* info);
    void poll(fuse_req_t request, const fuse_file_info* info, fuse_pollhandle* watcher);
    void release(fuse_req_t request, const fuse_file_info* info);
    void wake(OpenFile& file);

    std::unique_ptr<device::TpmSpaces> spaces;
    std::map<uint64_t, OpenFile> files;  // of the thread alone
    uint64_t next_file = 1;
    std::unique_ptr<fuse_session, SessionDelete> session;
    UniqueFd stop;
    std::atomic<bool> serving = false;
    std::thread thread;
};

namespace {

// ---- what the kernel asks -----------------------------------------------------------------------

TpmDevice::Impl& device_of(fuse_req_t request) {
    return *static_cast<TpmDevice::Impl*>(::fuse_req_userdata(request));
}

void on_init(void*, fuse_conn_info* connection) {
    connection->max_write = kMaxWrite;
    connection->max_readahead = 0;
}

// The user who asks is its owner: an owner that the machine's user namespace does not know would
// keep everybody from writing.
void on_getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
    struct stat out {};
    out.st_ino = inode;
    out.st_mode = S_IFREG | 0600;
    out.st_nlink = 1;
    out.st_uid = ::fuse_req_ctx(request)->uid;
    out.st_gid = ::fuse_req_ctx(request)->gid;
    ::fuse_reply_attr(request, &out, 0);
}

// A shell's ">" truncates what it opens; that does nothing to a device.
void on_setattr(fuse_req_t request, fuse_ino_t inode, struct stat*, int what,
                fuse_file_info* info) {
    constexpr int kHarmless = FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_CTIME |
                              FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME_NOW |
                              FUSE_SET_ATTR_ATIME_NOW;
    if ((what & ~kHarmless) != 0) {
        ::fuse_reply_err(request, EPERM);
        return;
    }
    on_getattr(request, inode, info);
}

void on_open(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
    device_of(request).open(request, info);
}
void on_write(fuse_req_t request, fuse_ino_t, const char* bytes, size_t size, off_t,
              fuse_file_info* info) {
    device_of(request).write(request, as_bytes({bytes, size}), info);
}
void on_read(fuse_req_t request, fuse_ino_t, size_t size, off_t, fuse_file_info* info) {
    device_of(request).read(request, size, info);
}
void on_poll(fuse_req_t request, fuse_ino_t, fuse_file_info* info, fuse_pollhandle* watcher) {
    device_of(request).poll(request, info, watcher);
}
void on_release(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
    device_of(request).release(request, info);
}

// libfuse's own input and output write to stderr when a machine ends in the middle of a request.
// ENOENT: the request was withdrawn.
ssize_t checked(TpmDevice::Impl& device, ssize_t done) {
    int error = errno;
    bool passes = done >= 0 || error == EINTR || error == EAGAIN || error == ENOENT;
    if (!passes) ::fuse_session_exit(device.session.get());
    errno = error;
    return done;
}
ssize_t from_kernel(int fd, void* buffer, size_t size, void* device) {
    return checked(*static_cast<TpmDevice::Impl*>(device), ::read(fd, buffer, size));
}
ssize_t to_kernel(int fd, iovec* parts, int count, void* device) {
    return checked(*static_cast<TpmDevice::Impl*>(device), ::writev(fd, parts, count));
}

// Whatever else it asks, libfuse answers with ENOSYS.
fuse_lowlevel_ops operations() {
    fuse_lowlevel_ops out{};
    out.init = on_init;
    out.getattr = on_getattr;
    out.setattr = on_setattr;
    out.open = on_open;
    out.write = on_write;
    out.read = on_read;
    out.poll = on_poll;
    out.release = on_release;
    return out;
}

}  // namespace

// ---- the file -----------------------------------------------------------------------------------

OpenFile* TpmDevice::Impl::find(const fuse_file_info* info) {
    auto found = files.find(info->fh);
    return found == files.end() ? nullptr : &found->second;
}

void TpmDevice::Impl::open(fuse_req_t request, fuse_file_info* info) {
    if (files.size() >= kMaxOpenFiles) {
        ::fuse_reply_err(request, EMFILE);
        return;
    }
    info->fh = next_file++;
    info->direct_io = 1;
    info->nonseekable = 1;
    info->noflush = 1;
    files.emplace(info->fh, *spaces);
    // A program that was interrupted meanwhile has no file, and the kernel will not release it.
    if (::fuse_reply_open(request, info) != 0) files.erase(info->fh);
}

void TpmDevice::Impl::write(fuse_req_t request, ByteView command, const fuse_file_info* info) {
    OpenFile* file = find(info);
    if (int error = refusal(file, command); error != 0) {
        ::fuse_reply_err(request, error);
        return;
    }
    // Who does not want to wait reads, or polls, and waits there, and gets the error there.
    bool waits = (info->flags & O_NONBLOCK) == 0;
    if (!waits) ::fuse_reply_write(request, command.size());
    execute(*file, command);
    int error = waits ? std::exchange(file->error, 0) : 0;
    if (waits && error != 0) ::fuse_reply_err(request, error);
    if (waits && error == 0) ::fuse_reply_write(request, command.size());
    wake(*file);
}

void TpmDevice::Impl::execute(OpenFile& file, ByteView command) {
    auto answer = file.space.transmit(command);
    file.answer = answer ? std::move(*answer) : Bytes();
    file.error = answer ? 0 : EIO;
    file.read_from = false;
}

void TpmDevice::Impl::read(fuse_req_t request, size_t size, const fuse_file_info* info) {
    OpenFile* file = find(info);
    int error = file == nullptr ? EBADF : std::exchange(file->error, 0);
    if (error != 0) {
        ::fuse_reply_err(request, error);
        return;
    }
    Bytes& answer = file->answer;
    size_t count = std::min(size, answer.size());
    ::fuse_reply_buf(request, reinterpret_cast<const char*>(answer.data()), count);
    answer.erase(answer.begin(), answer.begin() + static_cast<ptrdiff_t>(count));
    file->read_from = true;
    if (answer.empty()) wake(*file);
}

void TpmDevice::Impl::poll(fuse_req_t request, const fuse_file_info* info,
                           fuse_pollhandle* watcher) {
    OpenFile* file = find(info);
    if (file == nullptr) {
        if (watcher != nullptr) ::fuse_pollhandle_destroy(watcher);
        ::fuse_reply_err(request, EBADF);
        return;
    }
    if (watcher != nullptr) {
        if (file->watcher != nullptr) ::fuse_pollhandle_destroy(file->watcher);
        file->watcher = watcher;
    }
    ::fuse_reply_poll(request, file->readable() ? POLLIN | POLLRDNORM : POLLOUT | POLLWRNORM);
}

void TpmDevice::Impl::wake(OpenFile& file) {
    fuse_pollhandle* watcher = std::exchange(file.watcher, nullptr);
    if (watcher == nullptr) return;
    ::fuse_lowlevel_notify_poll(watcher);
    ::fuse_pollhandle_destroy(watcher);
}

void TpmDevice::Impl::release(fuse_req_t request, const fuse_file_info* info) {
    OpenFile* file = find(info);
    if (file != nullptr && file->watcher != nullptr) ::fuse_pollhandle_destroy(file->watcher);
    files.erase(info->fh);
    ::fuse_reply_err(request, 0);
}

// ---- the thread ---------------------------------------------------------------------------------

void TpmDevice::Impl::run() {
    fuse_buf request{};
    pollfd watched[2] = {{stop.get(), POLLIN, 0}, {::fuse_session_fd(session.get()), POLLIN, 0}};
    while (!::fuse_session_exited(session.get())) {
        if (::poll(watched, 2, -1) < 0 && errno != EINTR) break;
        if (watched[0].revents != 0) break;
        int size = ::fuse_session_receive_buf(session.get(), &request);
        if (size == -EINTR || size == -EAGAIN) continue;
        if (size <= 0) break;  // it was unmounted
        ::fuse_session_process_buf(session.get(), &request);
    }
    std::free(request.mem);
    for (auto& [number, file] : files) {
        if (file.watcher != nullptr) ::fuse_pollhandle_destroy(file.watcher);
    }
    files.clear();
    serving = false;
}

Result<void> TpmDevice::Impl::mount(UniqueFd fuse) {
    // Not to wait for a request that was withdrawn between poll and read, and not to be kept open
    // by a program that is started meanwhile.
    int flags = ::fcntl(fuse.get(), F_GETFL);
    if (flags < 0 || ::fcntl(fuse.get(), F_SETFL, flags | O_NONBLOCK) < 0 ||
        ::fcntl(fuse.get(), F_SETFD, FD_CLOEXEC) < 0) {
        return fail(Code::invalid, "no descriptor of a mounted device: {}", std::strerror(errno));
    }
    silence_fuse();
    char name[] = "vtpm";
    char* argv[] = {name, nullptr};
    fuse_args args = FUSE_ARGS_INIT(1, argv);
    fuse_lowlevel_ops ops = operations();
    session.reset(::fuse_session_new(&args, &ops, sizeof(ops), this));
    ::fuse_opt_free_args(&args);
    if (!session) return fail(Code::internal, "libfuse refuses to start");
    fuse_custom_io io{};
    io.read = from_kernel;
    io.writev = to_kernel;
    if (::fuse_session_custom_io(session.get(), &io, fuse.get()) != 0) {
        return fail(Code::internal, "libfuse does not take a mounted descriptor");
    }
    fuse.release();  // the session's now
    return {};
}

TpmDevice::Impl::~Impl() {
    if (!thread.joinable()) return;
    uint64_t one = 1;
    [[maybe_unused]] ssize_t ignored = ::write(stop.get(), &one, sizeof(one));
    spaces->stop();
    thread.join();
}

TpmDevice::TpmDevice(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TpmDevice::~TpmDevice() = default;

Result<std::unique_ptr<TpmDevice>> TpmDevice::start(UniqueFd fuse, const Path& tpm_socket) {
    auto impl = std::make_unique<Impl>();
    impl->spaces = TRY(device::TpmSpaces::open(tpm_socket));
    impl->stop = UniqueFd(::eventfd(0, EFD_CLOEXEC));
    if (!impl->stop) return fail(Code::io, "eventfd: {}", std::strerror(errno));
    TRY(impl->mount(std::move(fuse)));
    impl->serving = true;
    // Signals are for the program's other threads.
    sigset_t all, old;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &old);
    impl->thread = std::thread([raw = impl.get()] { raw->run(); });
    ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
    return std::unique_ptr<TpmDevice>(new TpmDevice(std::move(impl)));
}

bool TpmDevice::serving() const {
    return impl_->serving;
}

}  // namespace vouchsafe::lab
