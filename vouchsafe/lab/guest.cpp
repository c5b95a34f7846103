#include "vouchsafe/lab/guest.h"

#include <arpa/inet.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "vouchsafe/lab/guest_child.h"
#include "vouchsafe/lab/guest_settings.h"
#include "vouchsafe/lab/sandbox_plan.h"

namespace vouchsafe::lab {

namespace {

constexpr unsigned long kGuestNamespaceFlags =
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
constexpr const char* kMetadataHost = "169.254.169.254";
constexpr uint16_t kHttpsPort = 443;
constexpr uint16_t kHttpPort = 80;
constexpr size_t kMaxAddresses = 20;  // each has a letter as its label
constexpr const char* kFuseOptions = "rootmode=100600,user_id=1000,group_id=1000";  // and fd
constexpr const char* kPrograms = "/opt/vouchsafe/bin";
// Files of this computer that are the machine's too.
constexpr const char* kSharedSettings[] = {"/etc/ssl/openssl.cnf", "/etc/services",
                                           "/etc/protocols",       "/etc/localtime",
                                           "/etc/os-release",      "/etc/debian_version"};

// SharedFindingsPage is a page that this process and the guest's first one both see.
class SharedFindingsPage {
  public:
    SharedFindingsPage()
        : memory_(::mmap(nullptr, sizeof(ChildFindings), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
        if (memory_ != MAP_FAILED) new (memory_) ChildFindings();
    }
    ~SharedFindingsPage() {
        if (memory_ != MAP_FAILED) ::munmap(memory_, sizeof(ChildFindings));
    }
    SharedFindingsPage(const SharedFindingsPage&) = delete;
    SharedFindingsPage& operator=(const SharedFindingsPage&) = delete;
    ChildFindings* get() const {
        return memory_ == MAP_FAILED ? nullptr : static_cast<ChildFindings*>(memory_);
    }

  private:
    void* memory_;
};

Result<in_addr> parse_address(const std::string& text) {
    in_addr out{};
    if (::inet_pton(AF_INET, text.c_str(), &out) != 1) {
        return fail(Code::invalid, "\"{}\" is no IPv4 address", text);
    }
    return out;
}

sockaddr_in door_at(in_addr address, uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_addr = address;
    out.sin_port = htons(port);
    return out;
}

Result<Path> own_program() {
    std::error_code error;
    Path out = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error) return fail(Code::io, "cannot find this program: {}", error.message());
    return out;
}

void show_settings(PlanMaker& maker, const GuestSpec& spec) {
    const GuestFiles files(spec.folder);
    for (const char* name : {"passwd", "group", "hostname", "nsswitch.conf", "resolv.conf",
                             "profile", "bash.bashrc", "motd", "hosts"}) {
        maker.show(PlaceKind::bind_read, (files.etc() / name).string(),
                   std::string("/etc/") + name);
    }
    std::error_code ignored;
    for (const char* path : kSharedSettings) {
        if (std::filesystem::exists(path, ignored)) maker.show(PlaceKind::bind_read, path, path);
    }
    maker.show(PlaceKind::bind_read, files.authorities().string(), "/etc/ssl/certs");
    maker.show(PlaceKind::bind_read, files.ssh().string(), "/etc/ssh");
}

void show_programs(PlanMaker& maker, const GuestSpec& spec, const Path& program) {
    const std::string folder = kPrograms;
    maker.show(PlaceKind::bind_read, program.string(), folder + "/vouchsafe");
    maker.show(PlaceKind::bind_read, GuestFiles(spec.folder).sudo().string(), folder + "/sudo");
    for (const char* name : kGuestPrograms) maker.link(folder + "/" + name, "vouchsafe");
}

void make_devices(PlanMaker& maker, const GuestSpec& spec) {
    maker.show(PlaceKind::bind_device, "/dev/tty", "/dev/tty");
    maker.make(PlaceKind::terminals, "/dev/pts", "newinstance,ptmxmode=0666,mode=0620,max=256");
    maker.link("/dev/ptmx", "pts/ptmx");
    maker.make(PlaceKind::tmp, "/dev/shm", "mode=1777,size=256m");
    if (spec.tpm) maker.make(PlaceKind::fuse_file, "/dev/tpmrm0", kFuseOptions);
    if (spec.event_log) {
        maker.show(PlaceKind::bind_read, spec.event_log->string(),
                   "/sys/kernel/security/tpm0/binary_bios_measurements");
    }
}

void plan_root(SandboxPlan& plan, const GuestSpec& spec, const Path& program) {
    PlanMaker maker(plan, true);
    maker.programs();
    show_settings(maker, spec);
    show_programs(maker, spec, program);
    make_devices(maker, spec);
    maker.make(PlaceKind::proc_writable, "/proc");
    maker.make(PlaceKind::tmp_programs, "/tmp", "mode=1777,size=1g");
    maker.make(PlaceKind::tmp_programs, "/var/tmp", "mode=1777,size=1g");
    maker.make(PlaceKind::tmp, "/run", "mode=0755,size=16m");
    maker.show(PlaceKind::bind_home, GuestFiles(spec.folder).home().string(), "/home/" + spec.user);
}

Result<GuestPlan> make_plan(const GuestSpec& spec) {
    GuestPlan plan;
    plan.host_name = spec.host_name;
    if (spec.addresses.size() >= kMaxAddresses) {
        return fail(Code::invalid, "a machine has fewer than {} addresses", kMaxAddresses);
    }
    for (const std::string& address : spec.addresses) {
        plan.addresses.push_back(TRY(parse_address(address)));
    }
    plan.addresses.push_back(MUST(parse_address(kMetadataHost)));
    plan.doors = {door_at({htonl(INADDR_LOOPBACK)}, kHttpsPort),
                  door_at(plan.addresses.back(), kHttpPort)};
    plan.root.namespaces = kGuestNamespaceFlags;
    plan.root.uid_map = fmt::format("1000 {} 1", ::geteuid());
    plan.root.gid_map = fmt::format("1000 {} 1", ::getegid());
    plan.root.filter = TRY(make_seccomp_filter(FilterKind::guest));
    plan_root(plan.root, spec, TRY(own_program()));
    return plan;
}

Result<GuestSockets> receive(int channel, bool tpm) {
    char byte = 0;
    iovec text{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(kMaxHandedOut * sizeof(int))]{};
    msghdr message{};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    ssize_t count = ::recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const cmsghdr* header = count == 1 ? CMSG_FIRSTHDR(&message) : nullptr;
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS) {
        return fail(Code::internal, "a machine handed out no sockets");
    }
    int fds[kMaxHandedOut] = {-1, -1, -1};
    std::memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
    GuestSockets out{UniqueFd(fds[0]), UniqueFd(fds[1]), UniqueFd(fds[2])};
    if (!out.https || !out.metadata || bool(out.tpm) != tpm) {
        return fail(Code::internal, "a machine handed out the wrong sockets");
    }
    return out;
}

Error explain_failure(const GuestPlan& plan, const StartFailure& failure, Error error) {
    if (failure.stage == kStageNone) return error;
    std::string where;
    const size_t place = plan.root.findings->place;
    if (failure.stage == kStageMount && place < plan.root.places.size()) {
        where = " " + plan.root.places[place].target.substr(std::strlen(kNewRoot));
    }
    const char* advice =
        "a machine's inside needs user namespaces: sysctl "
        "kernel.unprivileged_userns_clone=1 (Ubuntu 24.04: "
        "kernel.apparmor_restrict_unprivileged_userns=0), or a container that may make them";
    if (where == " /dev/tpmrm0") advice = "the TPM's device needs FUSE: modprobe fuse";
    return Error(Code::unsupported, fmt::format("{}{}: {}; {}", guest_stage_name(failure.stage),
                                                where, std::strerror(failure.error), advice));
}

}  // namespace

struct Guest::Impl {
    GuestSpec spec;
    std::optional<Process> first;
    GuestSockets sockets;
    std::mutex mutex;
};

Guest::Guest(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Guest::~Guest() {
    // Its first process heeds no other signal.
    impl_->first->kill();
}

Result<std::unique_ptr<Guest>> Guest::start(GuestSpec spec) {
    TRY(write_guest_settings(spec));
    GuestPlan plan = TRY(make_plan(spec));
    SharedFindingsPage findings;
    if (findings.get() == nullptr) return fail(Code::io, "mmap: {}", std::strerror(errno));
    plan.root.findings = findings.get();
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return fail(Code::io, "socketpair: {}", std::strerror(errno));
    }
    UniqueFd ours(ends[0]);
    UniqueFd theirs(ends[1]);
    plan.channel = theirs.get();

    Command command;
    command.argv = {"/usr/bin/sleep", "infinity"};
    command.env = std::vector<std::string>{};
    command.directory = "/";
    command.out = Command::Output::discard;
    command.err = Command::Output::discard;
    ChildStep step{plan.root.namespaces, make_guest, &plan};
    StartFailure failure;
    auto started = ChildStarter::start(std::move(command), &step, failure);
    if (!started) return fail(explain_failure(plan, failure, std::move(started.error())));
    auto impl = std::make_unique<Impl>();
    impl->sockets = TRY(receive(ours.get(), spec.tpm));
    impl->first.emplace(std::move(*started));
    impl->spec = std::move(spec);
    return std::unique_ptr<Guest>(new Guest(std::move(impl)));
}

GuestSockets Guest::take_sockets() {
    return std::move(impl_->sockets);
}

int Guest::pid() const {
    return impl_->first->pid();
}

bool Guest::running() const {
    return impl_->first->running();
}

Result<void> Guest::set_names(const std::vector<std::string>& names) {
    std::lock_guard lock(impl_->mutex);
    impl_->spec.names = names;
    return write_hosts(impl_->spec);
}

}  // namespace vouchsafe::lab
