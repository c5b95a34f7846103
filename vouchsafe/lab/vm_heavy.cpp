#include "vouchsafe/lab/vm_heavy.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <future>
#include <mutex>
#include <thread>

#include "vouchsafe/base/log.h"
#include "vouchsafe/lab/heavy_machine.h"
#include "vouchsafe/lab/own_entrance.h"

namespace vouchsafe::lab {

namespace {

// Several may boot at a time on few processors.
constexpr std::chrono::seconds kBootLimit{300};
constexpr std::chrono::milliseconds kImageLook{50};
constexpr int kBacklog = 64;
constexpr const char* kHttpsSocket = "https";
constexpr const char* kMetadataSocket = "metadata";

Result<Path> heavy_program() {
    std::error_code error;
    Path out = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error) return fail(Code::io, "cannot find this program: {}", error.message());
    return out;
}

std::string unix_target(const Path& socket) {
    return "unix:" + socket.string();
}

Result<UniqueFd> listen_at(const Path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = path.string();
    if (name.size() >= sizeof(address.sun_path)) {
        return fail(Code::invalid, "{} is too long for a socket", name);
    }
    std::memcpy(address.sun_path, name.data(), name.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ::unlink(name.c_str());  // of a lab that was killed
    if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
        ::listen(fd.get(), kBacklog) != 0) {
        return fail_errno("listen at", path);
    }
    return fd;
}

// one_line is what a boot said, for lists and logs.
std::string one_line(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < 0x20; }, ' ');
    return text;
}

}  // namespace

// ---- the image ----------------------------------------------------------------------------------

struct SharedImage::Impl {
    Path cache;
    std::mutex mutex;
    std::shared_future<Result<HeavyImage>> making;

    std::shared_future<Result<HeavyImage>> join();
};

std::shared_future<Result<HeavyImage>> SharedImage::Impl::join() {
    std::lock_guard lock(mutex);
    const bool idle =
        !making.valid() || making.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    if (!idle) return making;
    making = std::async(std::launch::async, [cache = cache]() -> Result<HeavyImage> {
                 HeavyImageSpec spec;
                 spec.cache = cache;
                 spec.program = TRY(heavy_program());
                 spec.progress = [](std::string_view step) {
                     log_event(LogLevel::info, "the image of heavy machines", {{"step", step}});
                 };
                 return build_heavy_image(spec);
             }).share();
    return making;
}

SharedImage::SharedImage(Path cache) : impl_(std::make_unique<Impl>()) {
    impl_->cache = std::move(cache);
}
SharedImage::~SharedImage() = default;

Result<Path> SharedImage::take(const std::function<bool()>& cancelled) {
    const auto making = impl_->join();
    while (making.wait_for(kImageLook) != std::future_status::ready) {
        if (cancelled()) return fail(Code::unavailable, "the boot was given up");
    }
    const Result<HeavyImage>& made = making.get();
    if (!made) return fail(made.error());
    return made->file;
}

// ---- the inside ---------------------------------------------------------------------------------

namespace {

class HeavyInside : public VmInside {
  public:
    static Result<std::unique_ptr<VmInside>> make(const InsideWorld& world,
                                                  std::shared_ptr<SharedImage> image,
                                                  InsideSpec spec);
    ~HeavyInside() override {
        {
            std::lock_guard lock(mutex_);
            cancelled_ = true;
            changed_.notify_all();
        }
        if (thread_.joinable()) thread_.join();
    }

    int pid() const override {
        std::lock_guard lock(mutex_);
        return machine_ ? machine_->state().process.pid : 0;
    }
    bool booted() const override {
        std::lock_guard lock(mutex_);
        return machine_ != nullptr;
    }
    std::string ended() const override {
        std::lock_guard lock(mutex_);
        return machine_ ? machine_->ended() : failure_;
    }
    void names_changed() override {
        std::lock_guard lock(mutex_);
        new_names_ = true;
        changed_.notify_all();
    }

  private:
    HeavyInside(const InsideWorld& world, std::shared_ptr<SharedImage> image)
        : world_(world), image_(std::move(image)) {}

    Result<void> open_sockets(const Path& machine);
    Result<void> open_entrances(const GuestSpec& guest, net::Handler metadata);
    Result<void> prepare(const GuestSpec& guest, const Path& machine);
    Result<std::unique_ptr<HeavyMachine>> boot();
    void run();
    bool wait_for_names();

    const InsideWorld world_;
    const std::shared_ptr<SharedImage> image_;
    std::optional<TemporaryDir> temporary_;  // for sockets, if the machine's path is too long
    Path sockets_;
    std::vector<OwnEntrance> entrances_;
    HeavySpec spec_;
    std::optional<SecretBytes> state_key_;  // until it has booted

    std::atomic<bool> cancelled_ = false;
    mutable std::mutex mutex_;  // what follows
    std::condition_variable changed_;
    std::unique_ptr<HeavyMachine> machine_;  // set once
    std::string failure_;                    // why it did not boot
    bool new_names_ = false;
    std::thread thread_;
};

// open_sockets finds a place for sockets. Their folder is the owner's alone.
Result<void> HeavyInside::open_sockets(const Path& machine) {
    sockaddr_un address{};
    sockets_ = machine.parent_path() / "door";
    if ((sockets_ / kMetadataSocket).string().size() >= sizeof(address.sun_path)) {
        temporary_.emplace(TRY(TemporaryDir::create("vouchsafe-door")));
        sockets_ = temporary_->path();
    }
    return make_private_dir(sockets_);
}

Result<void> HeavyInside::open_entrances(const GuestSpec& guest, net::Handler metadata) {
    // Vaults that let a subnet in know its machines by this; without a network it is this
    // computer's.
    const std::string address = guest.addresses.empty() ? "127.0.0.1" : guest.addresses.front();
    net::Entrance https;
    https.listener = TRY(listen_at(sockets_ / kHttpsSocket));
    https.name = guest.host_name;
    https.address = address;
    entrances_.push_back(TRY(OwnEntrance::open(world_.door, std::move(https))));
    net::Entrance plain;
    plain.listener = TRY(listen_at(sockets_ / kMetadataSocket));
    plain.kind = net::Entrance::Kind::http;
    plain.name = guest.host_name;
    plain.address = address;
    plain.plain = std::move(metadata);
    entrances_.push_back(TRY(OwnEntrance::open(world_.door, std::move(plain))));
    return {};
}

Result<void> HeavyInside::prepare(const GuestSpec& guest, const Path& machine) {
    spec_.folder = machine;
    spec_.user = guest.user;
    spec_.authorized_keys = guest.authorized_keys;
    spec_.addresses = guest.addresses;
    spec_.ca_pem = world_.ca_pem;
    spec_.metadata = unix_target(sockets_ / kMetadataSocket);
    spec_.services = {{world_.names(), unix_target(sockets_ / kHttpsSocket)}};
    spec_.relay = {TRY(heavy_program()).string(), "vm", "relay"};
    spec_.limit = kBootLimit;
    spec_.cancelled = [this] { return cancelled_.load(); };
    return check_heavy_spec(spec_);
}

Result<std::unique_ptr<VmInside>> HeavyInside::make(const InsideWorld& world,
                                                    std::shared_ptr<SharedImage> image,
                                                    InsideSpec spec) {
    std::unique_ptr<HeavyInside> out(new HeavyInside(world, std::move(image)));
    TRY(out->open_sockets(spec.heavy->machine));
    TRY(out->prepare(spec.guest, spec.heavy->machine));
    TRY(out->open_entrances(spec.guest, std::move(spec.metadata)));
    out->state_key_ = std::move(spec.heavy->state_key);
    out->thread_ = std::thread([inside = out.get()] { inside->run(); });
    return std::unique_ptr<VmInside>(std::move(out));
}

Result<std::unique_ptr<HeavyMachine>> HeavyInside::boot() {
    HeavySpec spec = spec_;
    spec.image = TRY(image_->take(spec.cancelled));
    spec.state_key = state_key_ ? &*state_key_ : nullptr;
    spec.services.front().names = world_.names();
    return HeavyMachine::start(std::move(spec));
}

// wait_for_names returns when hosts have changed; false: it is the end.
bool HeavyInside::wait_for_names() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return cancelled_ || new_names_; });
    new_names_ = false;
    return !cancelled_;
}

void HeavyInside::run() {
    Result<std::unique_ptr<HeavyMachine>> booted = boot();
    state_key_.reset();
    {
        std::lock_guard lock(mutex_);
        if (!booted) failure_ = one_line(booted.error().message);
        if (booted) machine_ = std::move(*booted);
    }
    if (!machine_) return;
    while (wait_for_names()) {
        auto done = machine_->set_names(0, world_.names());
        if (done || cancelled_) continue;
        log_event(LogLevel::warn, "a machine does not learn of new hosts",
                  {{"error", done.error().message}});
    }
}

}  // namespace

Result<std::unique_ptr<VmInside>> make_heavy_inside(const InsideWorld& world,
                                                    std::shared_ptr<SharedImage> image,
                                                    InsideSpec spec) {
    if (auto missing = missing_heavy_packages(); !missing.empty()) {
        return fail(Code::unsupported,
                    "machines that QEMU boots need packages that are not installed on this "
                    "computer: apt-get install {}",
                    fmt::join(missing, " "));
    }
    return HeavyInside::make(world, std::move(image), std::move(spec));
}

}  // namespace vouchsafe::lab
