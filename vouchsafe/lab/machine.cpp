#include "vouchsafe/lab/machine.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <thread>

#include "vouchsafe/base/fd.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/device/tpm.h"
#include "vouchsafe/evidence/boot/event_log.h"
#include "vouchsafe/lab/machine_file.h"
#include "vouchsafe/lab/process.h"
#include "vouchsafe/lab/state_key.h"

namespace vouchsafe::lab {

namespace {

constexpr size_t kNvSize = 2048;  // libtpms allows no more; Azure's are 2600 and 4096
constexpr std::string_view kIdentityFile = "machine.json";
constexpr std::string_view kEventLogFile = "event_log.bin";
constexpr auto kStartTimeout = std::chrono::seconds(10);

// ---- the software TPM ---------------------------------------------------------------------------

// A socket's address holds 107 characters, and swtpm's options are split at commas.
bool usable_socket(const std::string& path) {
    constexpr std::string_view kControlSuffix = ".ctrl";
    return path.size() + kControlSuffix.size() < sizeof(sockaddr_un::sun_path) &&
           path.find(',') == std::string::npos;
}

// answers connects and asks the TPM for something harmless. The socket is there before swtpm has
// read the TPM's state: that one can connect says nothing yet.
bool answers(const std::string& path) {
    // TPM2_GetTestResult (TPM 2.0 Library, part 3, 10.4): tag, size, command code.
    constexpr uint8_t kCommand[] = {0x80, 0x01, 0, 0, 0, 0x0A, 0, 0, 0x01, 0x7C};
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return false;
    timeval limit{.tv_sec = kStartTimeout.count(), .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
        ::send(fd.get(), kCommand, sizeof(kCommand), MSG_NOSIGNAL) != sizeof(kCommand)) {
        return false;
    }
    uint8_t answer[64];
    return ::recv(fd.get(), answer, sizeof(answer), 0) > 0;
}

// What swtpm says of a state whose MAC is not by the key it was given.
constexpr std::string_view kWrongStateKey = "Verification of HMAC failed";

// SoftwareTpm is a running swtpm. Its sockets are in the machine's folder, or in a temporary one if
// that path is too long for a socket.
class SoftwareTpm {
  public:
    static Result<SoftwareTpm> start(const Path& dir, const SecretBytes* state_key) {
        SoftwareTpm out;
        Path run = dir / "run";
        if (!usable_socket((run / "tpm").string())) {
            out.temporary_.emplace(TRY(TemporaryDir::create("vouchsafe-tpm")));
            run = out.temporary_->path();
        }
        TRY(make_private_dir(run));
        TRY(make_private_dir(dir / "tpm"));
        out.socket_ = (run / "tpm").string();
        // swtpm's own filter, if this swtpm and this kernel have it.
        Result<void> ready = out.launch(dir, "kill", state_key);
        if (!ready && ready.error().code == Code::io) ready = out.launch(dir, "none", state_key);
        if (!ready) return fail(std::move(ready.error()));
        return out;
    }
    ~SoftwareTpm() { stop(); }
    SoftwareTpm(SoftwareTpm&&) = default;
    SoftwareTpm& operator=(SoftwareTpm&&) = delete;

    void stop() {
        if (!process_) return;
        process_->stop();
        process_.reset();
        ::unlink(socket_.c_str());
        ::unlink(control().c_str());
    }
    bool running() const { return process_ && process_->running(); }
    const std::string& socket() const { return socket_; }
    std::string control() const { return socket_ + ".ctrl"; }
    std::string tcti() const { return "swtpm:path=" + socket_; }

  private:
    SoftwareTpm() = default;

    Result<void> launch(const Path& dir, std::string_view seccomp, const SecretBytes* state_key) {
        ::unlink(socket_.c_str());
        ::unlink(control().c_str());
        Command command;
        command.argv = {"swtpm",
                        "socket",
                        "--tpm2",
                        "--tpmstate",
                        "dir=tpm,mode=0600",
                        "--server",
                        fmt::format("type=unixio,path={},mode=0600", socket_),
                        "--ctrl",
                        fmt::format("type=unixio,path={},mode=0600", control()),
                        "--flags",
                        "not-need-init,startup-clear",
                        "--seccomp",
                        fmt::format("action={}", seccomp)};
        command.directory = dir;
        command.max_output = 4096;
        const UniqueFd key = TRY(pass_state_key(command, state_key));
        auto started = Process::start(std::move(command));
        if (!started && started.error().code == Code::unavailable) {
            return fail(Code::unavailable,
                        "a machine needs a software TPM: install the package swtpm");
        }
        process_ = std::make_unique<Process>(TRY(std::move(started)));
        auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
        while (!answers(socket_)) {
            if (!process_->running()) {
                Finished end = TRY(process_->wait());
                if (end.err.find(kWrongStateKey) != std::string::npos) {
                    return fail(Code::forbidden,
                                "the state of its TPM does not open with this state key: it is "
                                "another machine's key, or the state was changed");
                }
                return fail(Code::io, "swtpm ended at once: {}{}", end.err, end.out);
            }
            if (std::chrono::steady_clock::now() > deadline) {
                return fail(Code::unavailable, "swtpm does not answer");
            }
            std::this_thread::sleep_for(std::chrono::microseconds(300));
        }
        return {};
    }

    std::optional<TemporaryDir> temporary_;
    std::string socket_;
    std::unique_ptr<Process> process_;
};

// ---- provisioning -------------------------------------------------------------------------------

template <size_t N>
std::array<uint8_t, N> random_array() {
    std::array<uint8_t, N> out;
    crypto::fill_random(out);
    return out;
}

// What a simulated launch measures: always the same "firmware".
std::array<uint8_t, 48> launch_measurement() {
    Bytes digest = crypto::hash(crypto::HashAlg::sha384, as_bytes("SIMULATED firmware 1"));
    std::array<uint8_t, 48> out;
    std::copy(digest.begin(), digest.end(), out.begin());
    return out;
}

struct HostReport {
    Bytes hcl;
    std::string vcek_pem;
};

// make_report is the processor's and the paravisor's part: a fresh chip, its VCEK, a report that is
// bound to the claims.
Result<HostReport> make_report(const MachineSpec& spec, const ChipId& chip,
                               const SimulatedVcek& vcek, const crypto::PublicKey& ak, Time now) {
    std::string claims = TRY(runtime_claims({ak, spec.vm_id, spec.secure_boot, now}));
    SnpReportSpec report;
    report.version = spec.report_version;
    if (spec.allow_debug) report.policy |= kSnpPolicyDebug;
    report.chip_id = chip;
    report.measurement = launch_measurement();
    report.id_key_digest = simulated_id_key_digest();
    report.report_id = random_array<32>();
    auto binding = crypto::sha256(as_bytes(claims));
    std::copy(binding.begin(), binding.end(), report.report_data.begin());
    Bytes signed_report = TRY(amd_report(report, vcek.key));
    return HostReport{hcl_blob(signed_report, claims), vcek.certificate.pem()};
}

// provision_ak makes the attestation key and stores its certificate.
Result<crypto::PublicKey> provision_ak(device::Tpm& tpm, const MachineSpec& spec,
                                       const SimulatedRoot& root, Time now) {
    Bytes area = TRY(tpm.create_ak());
    auto parsed = TRY(evidence::TpmPublic::parse(area));
    crypto::PublicKey ak = TRY(parsed.public_key());
    crypto::Certificate certificate = TRY(root.issue_ak_certificate(ak, spec.vm_id, now));
    TRY(tpm.nv_provision(device::kNvAkCertificate, certificate.der(), kNvSize));
    return ak;
}

// provision_confidential does to a new TPM what Azure's paravisor and its certificate service do.
// It returns the VCEK's certificate.
Result<std::string> provision_confidential(device::Tpm& tpm, const MachineSpec& spec,
                                           const SimulatedRoot& root, Time now) {
    // The TPM looks for primes meanwhile.
    ChipId chip = random_array<64>();
    auto vcek_made =
        std::async(std::launch::async, [&] { return root.issue_vcek(chip, simulated_tcb(), now); });
    crypto::PublicKey ak = TRY(provision_ak(tpm, spec, root, now));
    SimulatedVcek vcek = TRY(vcek_made.get());
    HostReport report = TRY(make_report(spec, chip, vcek, ak, now));
    TRY(tpm.nv_provision(device::kNvHclReport, report.hcl, kNvSize));
    return report.vcek_pem;
}

// ---- the recorded boot --------------------------------------------------------------------------

Result<void> extend(device::Tpm& tpm, uint32_t pcr, const evidence::LogDigests& by_bank) {
    std::vector<device::Tpm::PcrDigest> digests;
    for (const auto& [alg, digest] : by_bank) {
        if (auto bank = evidence::hash_from_tpm_alg(alg)) digests.push_back({*bank, digest});
    }
    return tpm.pcr_extend(pcr, digests);
}

Result<void> boot(const std::string& tcti, const MachineSpec& spec) {
    auto log = TRY(evidence::EventLog::parse(boot_recording(spec.secure_boot)));
    device::Tpm tpm = TRY(device::Tpm::open(tcti));
    for (const evidence::LogEvent& event : log.events()) {
        if (event.type != evidence::kEvNoAction) TRY(extend(tpm, event.pcr, event.digests));
    }
    if (!spec.extend_after_boot) return {};
    evidence::LogDigests digests;
    for (uint16_t alg : log.banks()) {
        if (auto hash = evidence::hash_from_tpm_alg(alg)) {
            digests.add(alg, crypto::hash(*hash, as_bytes("extended after the boot")));
        }
    }
    return extend(tpm, *spec.extend_after_boot, digests);
}

// ---- made and started ---------------------------------------------------------------------------

Result<void> check_spec(const MachineSpec& spec) {
    constexpr size_t kMaxName = 64;
    constexpr uint32_t kPcrCount = 24;
    bool good = !spec.name.empty() && spec.name.size() <= kMaxName &&
                std::all_of(spec.name.begin(), spec.name.end(), [](char c) {
                    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-';
                });
    if (!good) {
        return fail(Code::invalid, "\"{}\" is no machine name (letters, digits and '-', 1 to {})",
                    spec.name, kMaxName);
    }
    if (spec.extend_after_boot && *spec.extend_after_boot >= kPcrCount) {
        return fail(Code::invalid, "there is no PCR {}", *spec.extend_after_boot);
    }
    return {};
}

Result<void> check_state_key(const SecretBytes* state_key) {
    if (state_key == nullptr || state_key->size() == kStateKeySize) return {};
    return fail(Code::invalid, "a machine's state key has {} bytes, not {}", kStateKeySize,
                state_key->size());
}

Result<void> check_start(const MachineIdentity& identity, const SecretBytes* state_key) {
    const std::string& name = identity.spec.name;
    if (identity.state_key && state_key == nullptr) {
        return fail(Code::invalid,
                    "the state of the machine {} is encrypted: it starts with its state key alone",
                    name);
    }
    if (!identity.state_key && state_key != nullptr) {
        return fail(Code::invalid,
                    "the machine {} was made without a state key: it has no use for one", name);
    }
    return check_state_key(state_key);
}

// take_folder makes the folder of a machine to be, locked. What a process that was ended while it
// made this machine left there is removed: it has our lock, which nobody holds, and no identity.
Result<FileLock> take_folder(const Path& dir) {
    std::error_code error;
    const bool used = std::filesystem::exists(dir, error) && !std::filesystem::is_empty(dir, error);
    if (used && (!std::filesystem::exists(dir / kMachineLock, error) ||
                 std::filesystem::exists(dir / kIdentityFile, error))) {
        return fail(Code::conflict, "{} exists already", dir.string());
    }
    TRY(make_private_dir(dir));
    auto lock = FileLock::take(dir / kMachineLock);
    if (!lock && lock.error().code == Code::conflict) {
        return fail(Code::conflict, "another process is making the machine in {}", dir.string());
    }
    FileLock held = TRY(std::move(lock));
    for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
        if (entry.path().filename() == kMachineLock) continue;
        std::filesystem::remove_all(entry.path(), error);
        if (error) return fail(Code::io, "cannot remove what is left in {}", dir.string());
    }
    return held;
}

Result<MachineIdentity> make_machine(const MachineSpec& spec, const Path& dir,
                                     const SimulatedRoot& root, Time now,
                                     const SecretBytes* state_key) {
    MachineIdentity out;
    out.spec = spec;
    if (out.spec.vm_id.empty()) out.spec.vm_id = crypto::random_uuid();
    if (out.spec.principal_id.empty()) out.spec.principal_id = crypto::random_uuid();
    out.state_key = state_key != nullptr;
    SoftwareTpm process = TRY(SoftwareTpm::start(dir, state_key));
    device::Tpm tpm = TRY(device::Tpm::open(process.tcti()));
    if (spec.kind == MachineKind::confidential) {
        out.vcek_pem = TRY(provision_confidential(tpm, out.spec, root, now));
        out.chain_pem = root.amd_chain_pem();
        out.reported_tcb = tcb_number(simulated_tcb());
    } else {
        TRY(provision_ak(tpm, out.spec, root, now));
    }
    TRY(write_file(dir / kEventLogFile, boot_recording(spec.secure_boot), Overwrite::no, 0600));
    // Last, because it is what makes the folder a machine.
    TRY(write_file(dir / kIdentityFile, as_bytes(encode_machine(out)), Overwrite::no, 0600));
    return out;
}

}  // namespace

struct Machine::Impl {
    Path dir;
    MachineIdentity identity;
    std::optional<FileLock> lock;
    std::optional<SoftwareTpm> tpm;
};

Machine::Machine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Machine::~Machine() = default;
Machine::Machine(Machine&&) noexcept = default;
Machine& Machine::operator=(Machine&&) noexcept = default;

Result<Machine> Machine::create(const MachineSpec& spec, const Path& dir, const SimulatedRoot& root,
                                Time now, const SecretBytes* state_key) {
    TRY(check_spec(spec));
    TRY(check_state_key(state_key));
    Path absolute = std::filesystem::absolute(dir);
    const FileLock lock = TRY(take_folder(absolute));
    auto made = make_machine(spec, absolute, root, now, state_key);
    if (!made) {
        std::error_code ignored;
        std::filesystem::remove_all(absolute, ignored);
        return fail(std::move(made.error()));
    }
    auto impl = std::make_unique<Impl>();
    impl->dir = absolute;
    impl->identity = std::move(*made);
    return Machine(std::move(impl));
}

Result<Machine> Machine::open(const Path& dir) {
    constexpr size_t kMaxFile = 256 << 10;
    Path file = dir / kIdentityFile;
    auto text = read_text_file(file, kMaxFile);
    if (!text && text.error().code == Code::not_found) {
        return fail(Code::not_found, "there is no machine {} in {}", dir.filename().string(),
                    dir.parent_path().string());
    }
    auto impl = std::make_unique<Impl>();
    impl->dir = std::filesystem::absolute(dir);
    impl->identity = TRY(with_context(parse_machine(TRY(std::move(text))), file.string()));
    return Machine(std::move(impl));
}

Result<void> Machine::start(const SecretBytes* state_key) {
    TRY(check_start(impl_->identity, state_key));
    if (running()) {
        return fail(Code::conflict, "the machine {} is running", impl_->identity.spec.name);
    }
    stop();
    auto lock = FileLock::take(impl_->dir / kMachineLock);
    if (!lock && lock.error().code == Code::conflict) {
        return fail(Code::conflict, "the machine {} is running in another process",
                    impl_->identity.spec.name);
    }
    impl_->lock.emplace(TRY(std::move(lock)));
    auto tpm = SoftwareTpm::start(impl_->dir, state_key);
    Result<void> booted =
        tpm ? boot(tpm->tcti(), impl_->identity.spec) : Result<void>(fail(std::move(tpm.error())));
    if (!booted) {
        impl_->lock.reset();
        return with_context(std::move(booted),
                            fmt::format("the machine {}", impl_->identity.spec.name));
    }
    impl_->tpm.emplace(std::move(*tpm));
    return {};
}

void Machine::stop() {
    impl_->tpm.reset();
    impl_->lock.reset();
}

bool Machine::running() const {
    return impl_->tpm && impl_->tpm->running();
}
const Path& Machine::dir() const {
    return impl_->dir;
}
const MachineIdentity& Machine::identity() const {
    return impl_->identity;
}

std::string Machine::tcti() const {
    return impl_->tpm ? impl_->tpm->tcti() : std::string();
}

std::vector<Path> Machine::sockets() const {
    if (!impl_->tpm) return {};
    return {impl_->tpm->socket(), impl_->tpm->control()};
}

Path Machine::event_log_path() const {
    return impl_->dir / kEventLogFile;
}

}  // namespace vouchsafe::lab
