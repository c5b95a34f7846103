// Step 6 of the demo: the same run, each time with one thing wrong. Each must be refused for
// exactly that reason, and nothing may come out.
#include <algorithm>

#include "vouchsafe/lab/demo_run.h"

namespace vouchsafe::lab {

namespace {

constexpr Seconds kNineHours{9 * 3600};

struct Refusal {
    char letter;
    std::string_view what;
    std::string_view code;          // the check that must say no
    bool release_expected = false;  // the key comes out, the data does not
};

// refusing_check finds the check that said no: the guest's own, or the service's under the request
// id.
Result<Check> refusing_check(DemoRun& run, const GuestResult& result) {
    std::string request_id = result.error.is_object() ? result.error.value("request_id", "") : "";
    if (request_id.empty()) {
        const Json* check = find_member(result.error, "check");
        if (check == nullptr) {
            return fail(Code::internal, "the guest failed without a check: {}{}",
                        result.finished.err,
                        result.finished.signal != 0 ? " (killed by a signal)" : "");
        }
        return Check{check->value("code", ""), check->value("field", ""),
                     check->value("expected", ""), check->value("found", ""), false};
    }
    for (const auto& stored : TRY(run.services->find(request_id))) {
        const auto& checks = stored.entry.checks;
        if (!checks.empty() && !checks.back().passed) return checks.back();
    }
    return fail(Code::internal, "no service knows why it refused request {}", request_id);
}

Result<size_t> releases_since(DemoRun& run, uint64_t from) {
    size_t count = 0;
    for (const auto& stored : TRY(run.services->vault().audit().entries(from, audit::kMaxPage))) {
        bool release = stored.entry.action.find("release") != std::string::npos;
        if (release && stored.entry.outcome == audit::Outcome::allowed) ++count;
    }
    return count;
}

// shows_plaintext looks for lines of the data set in what came out of the guest.
bool shows_plaintext(const std::string& data, const GuestResult& result) {
    size_t start = 0;
    while (start < data.size()) {
        size_t end = std::min(data.find('\n', start), data.size());
        std::string_view line = std::string_view(data).substr(start, end - start);
        while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
        if (line.size() >= 16 && (result.finished.out.find(line) != std::string::npos ||
                                  result.finished.err.find(line) != std::string::npos)) {
            return true;
        }
        start = end + 1;
    }
    return false;
}

// check_nothing_leaked returns the sentence that says what was looked for.
Result<std::string> check_nothing_leaked(DemoRun& run, const Refusal& refusal,
                                         const DemoGuest& guest, const GuestResult& result,
                                         uint64_t audit_before) {
    size_t releases = TRY(releases_since(run, audit_before));
    if (releases != (refusal.release_expected ? 1U : 0U)) {
        return fail(Code::internal, "refusal ({}): the vault released {} keys", refusal.letter,
                    releases);
    }
    if (!std::filesystem::is_empty(guest.out)) {
        return fail(Code::internal, "refusal ({}): the guest wrote a file", refusal.letter);
    }
    bool trained = std::any_of(result.events.begin(), result.events.end(), [](const Json& event) {
        return event.value("event", "") == "train" || event.value("event", "") == "data";
    });
    std::string data = TRY(read_text_file(run.options.data, 64 << 20));
    if (trained || shows_plaintext(data, result)) {
        return fail(Code::internal, "refusal ({}): data came out", refusal.letter);
    }
    return std::string(refusal.release_expected ? "no plaintext came out; the guest wrote no file"
                                                : "no key left the vault; the guest wrote no file");
}

Result<void> expect_refusal(DemoRun& run, const Refusal& refusal, DemoGuest& guest,
                            const GuestRun& guest_run) {
    Stopwatch watch;
    uint64_t audit_before = TRY(run.services->vault().audit().size());
    GuestResult result = TRY(run.run_guest(guest, guest_run));
    if (result.finished.ok()) {
        return fail(Code::internal, "refusal ({}) {}: the run was not refused", refusal.letter,
                    refusal.what);
    }
    Check check = TRY(refusing_check(run, result));
    if (check.code != refusal.code) {
        return fail(Code::internal, "refusal ({}) {}: refused by {} ({}: expected {}, found {})",
                    refusal.letter, refusal.what, check.code, check.field, check.expected,
                    check.found);
    }
    DemoStep step{.name = "refusal", .text = {}, .seconds = watch.seconds()};
    step.text = fmt::format("({}) {}", refusal.letter, refusal.what);
    step.leaked = TRY(check_nothing_leaked(run, refusal, guest, result, audit_before));
    step.refusal = check;
    step.details = {{"letter", std::string(1, refusal.letter)}, {"nothing_leaked", step.leaked}};
    run.observer(step);
    return {};
}

// refuse_machine runs the guest on a machine of its own that has something wrong.
Result<void> refuse_machine(DemoRun& run, const Refusal& refusal, const MachineSpec& spec,
                            const SimulatedRoot& root, bool with_role) {
    auto guest = TRY(run.make_guest(spec, root));
    if (with_role) TRY(run.allow_release(*guest));
    return expect_refusal(run, refusal, *guest, {.sealed = run.sealed});
}

Result<void> refuse_expired_token(DemoRun& run, DemoGuest& guest) {
    // The lab's own service with its own key, but by a clock nine hours behind: its token is real
    // and ended an hour ago.
    OffsetClock late(run.clock, -kNineHours);
    GuestRun guest_run{.sealed = run.sealed};
    guest_run.attestation_address =
        TRY(run.services->add_attestation("attestation", std::string(kAttestationUrl), late));
    auto done = expect_refusal(run, {'e', "an expired token", "TOKEN-EXPIRED"}, guest, guest_run);
    run.services->remove_attestation(guest_run.attestation_address);
    return done;
}

Result<void> refuse_other_authority(DemoRun& run, DemoGuest& guest) {
    GuestRun guest_run{.sealed = run.sealed};
    guest_run.attestation_url = "https://elsewhere.weu.attest.azure.net";
    guest_run.attestation_address = TRY(
        run.services->add_attestation("other-attestation", guest_run.attestation_url, run.clock));
    auto done = expect_refusal(run, {'f', "a token of another authority", "POLICY-AUTHORITY"},
                               guest, guest_run);
    run.services->remove_attestation(guest_run.attestation_address);
    return done;
}

Result<void> refuse_flipped_byte(DemoRun& run, DemoGuest& guest) {
    Bytes sealed = TRY(read_file(run.sealed));
    sealed[sealed.size() / 2] ^= 1;
    Path changed = run.work / "changed.sealed";
    TRY(write_file(changed, sealed, Overwrite::yes));
    return expect_refusal(run, {'g', "one flipped byte in the sealed file", "SEAL-TAG", true},
                          guest, {.sealed = changed});
}

}  // namespace

Result<void> run_refusals(DemoRun& run) {
    const SimulatedRoot& root = run.directory->root();
    MachineSpec spec;
    spec.name = "secure-boot-off";
    spec.secure_boot = false;
    TRY(refuse_machine(run, {'a', "Secure Boot off", "BOOT-SECURE-BOOT"}, spec, root, true));

    spec = {};
    spec.name = "debug-allowed";
    spec.allow_debug = true;
    TRY(refuse_machine(run, {'b', "a report whose policy allows debugging", "SNP-POLICY-DEBUG"},
                       spec, root, true));

    spec = {};
    spec.name = "extended-pcr";
    spec.extend_after_boot = 4;
    TRY(refuse_machine(run, {'c', "a PCR extended after the boot", "LOG-REPLAY-PCR"}, spec, root,
                       true));

    spec = {};
    spec.name = "no-role";
    TRY(refuse_machine(run, {'d', "an identity without the release role", "CALLER-ROLE"}, spec,
                       root, false));

    spec = {};
    spec.name = "honest";
    auto honest = TRY(run.make_guest(spec, root));
    TRY(run.allow_release(*honest));
    TRY(refuse_expired_token(run, *honest));
    TRY(refuse_other_authority(run, *honest));
    TRY(refuse_flipped_byte(run, *honest));

    SimulatedRoot foreign =
        TRY(SimulatedRoot::load_or_create(run.directory->path() / "foreign-root", run.clock.now()));
    spec = {};
    spec.name = "foreign-root";
    return refuse_machine(run, {'h', "a report signed by another root", "SNP-CHAIN-ROOT"}, spec,
                          foreign, true);
}

}  // namespace vouchsafe::lab
