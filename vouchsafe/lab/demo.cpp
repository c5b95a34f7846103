#include "vouchsafe/lab/demo.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/guest/vault_client.h"
#include "vouchsafe/lab/demo_run.h"
#include "vouchsafe/seal/pair.h"
#include "vouchsafe/seal/seal.h"

namespace vouchsafe::lab {

namespace {

constexpr std::string_view kOwner = "data-owner";

Result<void> step_lab(DemoRun& run) {
    Stopwatch watch;
    auto opened = DataDirectory::open(run.options.directory);
    bool made = !opened && opened.error().code == Code::not_found;
    if (made) {
        opened = DataDirectory::create(run.options.directory, DirectoryKind::lab, run.clock.now());
    }
    run.directory = std::make_unique<DataDirectory>(TRY(std::move(opened)));
    if (run.directory->kind() != DirectoryKind::lab) {
        return fail(Code::invalid, "{} is a production directory: the demo needs a lab",
                    run.options.directory.string());
    }
    if (run.options.work.empty()) {
        run.temporary = std::make_unique<TemporaryDir>(TRY(TemporaryDir::create("vouchsafe-demo")));
        run.work = run.temporary->path();
    } else {
        run.work = run.options.work;
        TRY(make_private_dir(run.work));
    }
    run.observer(
        {.name = "lab",
         .text = fmt::format("{} {}", run.options.directory.string(),
                             made ? "made, with a simulated AMD-shaped root of its own" : "opened"),
         .seconds = watch.seconds(),
         .details = {{"directory", run.options.directory.string()}, {"made", made}}});
    return {};
}

Result<void> step_services(DemoRun& run) {
    Stopwatch watch;
    run.services = TRY(Services::start(*run.directory, run.clock));
    run.observer(
        {.name = "services",
         .text = "attestation, vault and identity answer on loopback, each on its own port",
         .seconds = watch.seconds(),
         .details = {{"listeners", run.services->connect_to()}}});
    return {};
}

// owner_credential gives the data owner's application a fresh secret.
Result<std::unique_ptr<guest::ClientSecretCredential>> owner_credential(DemoRun& run,
                                                                        net::Client& client,
                                                                        std::string& object_id) {
    identity::Service& identity = run.services->identity();
    guest::ClientSecretCredential::Options options;
    options.tenant = run.directory->tenant_id();
    auto made = identity.create_app(kOwner);
    if (made) {
        object_id = made->principal.object_id;
        options.client_id = made->principal.client_id;
        options.secret = std::move(made->client_secret);
        return std::make_unique<guest::ClientSecretCredential>(client, std::move(options));
    }
    if (made.error().code != Code::conflict) return fail(made.error());
    for (identity::Principal& principal : TRY(identity.principals())) {
        if (principal.name != kOwner) continue;
        object_id = principal.object_id;
        options.client_id = principal.client_id;
    }
    options.secret = TRY(identity.add_client_secret(options.client_id));
    return std::make_unique<guest::ClientSecretCredential>(client, std::move(options));
}

Result<vault::VaultInfo> open_vault(DemoRun& run) {
    std::string name = "MyConfKV-" + run.directory->tenant_id().substr(0, 8);
    auto found = run.services->vault().find_vault(name);
    if (!found && found.error().code == Code::not_found) {
        vault::VaultSpec spec;
        spec.name = name;
        spec.tenant = run.directory->tenant_id();
        spec.subscription = run.directory->subscription_id();
        spec.resource_group = "MyConfidentialRG";
        found = run.services->vault().create_vault(spec);
    }
    if (found) run.services->allow_vault(name);
    return found;
}

// release_policy is the tutorial's, section 3.4, with the lab's authority, which has the same name.
Json release_policy() {
    return {{"version", "1.0.0"},
            {"anyOf",
             {{{"authority", kAttestationUrl},
               {"allOf",
                {{{"claim", "x-ms-isolation-tee.x-ms-attestation-type"}, {"equals", "sevsnpvm"}},
                 {{"claim", "x-ms-isolation-tee.x-ms-compliance-status"},
                  {"equals", "azure-compliant-cvm"}}}}}}}};
}

Json key_request() {
    return {{"kty", "RSA-HSM"},
            {"key_size", 2048},
            {"key_ops", {"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"}},
            {"attributes", {{"exportable", true}}},
            {"release_policy",
             {{"contentType", "application/json; charset=utf-8"},
              {"data", encode_base64url(as_bytes(dump_json(release_policy())))}}}};
}

Result<void> seal_data(DemoRun& run, const guest::VaultKey& key) {
    run.sealed = run.work / "confidentialData.sealed";
    run.pair = run.work / "confidentialData.enc";
    auto source = TRY(seal::FileSource::open(run.options.data));
    OutputFile native = TRY(OutputFile::create(run.sealed, Overwrite::yes));
    seal::SealOptions options;
    options.context[std::string(seal::kContextFile)] = run.options.data.filename().string();
    options.context[std::string(seal::kContextPurpose)] = "training";
    TRY(seal::seal_file(*source, native, {seal::recipient_for(key.key, key.kid)}, options));
    TRY(native.commit());

    auto again = TRY(seal::FileSource::open(run.options.data));
    OutputFile enc = TRY(OutputFile::create(run.pair, Overwrite::yes));
    Bytes wrapped =
        TRY(seal::seal_pair(*again, enc, seal::wrap_with(key.key, seal::WrapAlg::rsa1_5)));
    TRY(enc.commit());
    return write_file(Path(run.pair).replace_extension(".key"), wrapped, Overwrite::yes);
}

Result<void> step_owner(DemoRun& run) {
    Stopwatch watch;
    run.vault = TRY(open_vault(run));
    net::Client client(run.services->client_options());
    std::string object_id;
    auto credential = TRY(owner_credential(run, client, object_id));
    TRY(run.services->vault().assign_role(object_id, "Key Vault Crypto Officer",
                                          run.vault.resource_id));
    guest::VaultClient vault(client, *credential);
    guest::KeyId id = TRY(guest::KeyId::parse(
        fmt::format("https://{}.{}/keys/{}", to_lower(run.vault.name), kVaultSuffix, kKeyName)));
    guest::VaultKey key = TRY(vault.create_key(id, key_request()));
    run.key_id = key.kid;
    TRY(seal_data(run, key));
    run.observer(
        {.name = "owner",
         .text = fmt::format("{} sealed under {} in vault {}; it opens only where the "
                             "release policy holds",
                             run.options.data.filename().string(), kKeyName, run.vault.name),
         .seconds = watch.seconds(),
         .details = {{"key", run.key_id},
                     {"sealed", run.sealed.string()},
                     {"pair", run.pair.string()},
                     {"policy", release_policy()}}});
    return {};
}

Result<std::unique_ptr<DemoGuest>> step_machine(DemoRun& run) {
    Stopwatch watch;
    MachineSpec spec;
    spec.name = "demo";
    auto guest = TRY(run.make_guest(spec, run.directory->root()));
    TRY(run.allow_release(*guest));
    run.observer(
        {.name = "machine",
         .text = "software TPM with attestation key, HCL report and a recorded Secure Boot",
         .seconds = watch.seconds(),
         .details = {{"vm_id", guest->machine.identity().spec.vm_id},
                     {"identity", guest->principal}}});
    return guest;
}

// guest_failure is a bug of ours, unless the guest says that this computer lacks something.
tl::unexpected<Error> guest_failure(const GuestResult& result) {
    if (result.error.is_null()) {
        return fail(Code::internal, "the guest failed: {}", result.finished.err);
    }
    if (result.error.value("code", "") == code_info(Code::unavailable).name) {
        return fail(Code::unavailable, "the guest failed: {}", result.error.value("message", ""));
    }
    return fail(Code::internal, "the guest failed: {}", dump_json(result.error));
}

Result<void> step_guest(DemoRun& run, DemoGuest& guest) {
    auto mark = TRY(run.services->audit_mark());
    Stopwatch watch;
    GuestResult result = TRY(run.run_guest(guest, {.sealed = run.sealed}));
    if (!result.finished.ok()) return guest_failure(result);
    DemoStep step{.name = "guest", .text = {}, .seconds = watch.seconds()};
    for (const audit::Entry& entry : TRY(run.services->entries_since(mark))) {
        step.checks.insert(step.checks.end(), entry.checks.begin(), entry.checks.end());
    }
    bool identical = false;
    for (const Json& event : result.events) {
        if (event.value("event", "") == "train")
            step.report = event.value("accuracy_line", "") + "\n" + event.value("text", "");
        if (event.value("event", "") == "model") identical = event.value("identical", false);
    }
    if (step.report.empty() || !identical) {
        return fail(Code::internal, "the guest ended without a model that predicts the same");
    }
    step.text = fmt::format(
        "attested, had the key released, trained in memory, sealed the model and "
        "opened it again: same predictions bit for bit; confined by {}",
        result.sandbox.summary());
    step.details = {{"events", result.events},
                    {"sandbox", result.sandbox.summary()},
                    {"missing", result.sandbox.missing}};
    run.observer(step);
    return {};
}

std::vector<Json> parse_events(const std::string& out) {
    std::vector<Json> events;
    std::string_view left = out;
    while (!left.empty()) {
        size_t end = left.find('\n');
        auto json = parse_json(left.substr(0, end));
        if (json && json->is_object()) events.push_back(std::move(*json));
        left = end == std::string_view::npos ? std::string_view() : left.substr(end + 1);
    }
    return events;
}

}  // namespace

Result<std::unique_ptr<DemoGuest>> DemoRun::make_guest(const MachineSpec& spec,
                                                       const SimulatedRoot& root) {
    Path folder = work / "machines" / spec.name;
    auto machine = Machine::open(folder);
    if (!machine && machine.error().code == Code::not_found) {
        TRY(make_private_dir(work / "machines"));
        machine = Machine::create(spec, folder, root, clock.now());
    }
    auto guest = std::make_unique<DemoGuest>(DemoGuest{TRY(std::move(machine)), {}, {}, {}});
    TRY(guest->machine.start());
    guest->metadata_address =
        TRY(services->add_metadata(guest->machine.identity(), guest->principal));
    guest->out = work / ("out-" + spec.name);
    TRY(make_private_dir(guest->out));
    return guest;
}

Result<void> DemoRun::allow_release(const DemoGuest& guest) {
    TRY(services->vault().assign_role(guest.principal, "Key Vault Crypto Service Release User",
                                      vault::key_scope(vault, kKeyName)));
    return {};
}

Result<GuestResult> DemoRun::run_guest(DemoGuest& guest, const GuestRun& run) {
    Path folder = work / "sites" / guest.machine.identity().spec.name;
    TRY(make_private_dir(folder));
    std::map<std::string, std::string> more{{std::string(kMetadataName), guest.metadata_address}};
    if (!run.attestation_address.empty()) {
        more[TRY(net::Url::parse(run.attestation_url)).host + ":443"] = run.attestation_address;
    }
    Path site_file = TRY(services->write_site(folder, &guest.machine, more));

    Command command;
    command.argv = {options.program.string(),
                    "--json",
                    "--site",
                    site_file.string(),
                    "train",
                    run.sealed.string(),
                    "--key",
                    key_id,
                    "--attest-url",
                    run.attestation_url,
                    "--model-out",
                    (guest.out / "model.sealed").string(),
                    "--force"};
    command.env = std::vector<std::string>{"PATH=/usr/bin:/bin", "OMP_WAIT_POLICY=passive"};
    SandboxSpec sandbox;
    sandbox.read = {run.sealed, folder, guest.machine.event_log_path()};
    sandbox.write = {guest.out};
    sandbox.sockets = guest.machine.sockets();
    sandbox.ports = services->ports(guest.metadata_address);
    Sandboxed child = TRY(start_sandboxed(std::move(command), sandbox));
    GuestResult result;
    result.sandbox = child.report;
    result.finished = TRY(child.process.wait(std::chrono::seconds(120)));
    result.events = parse_events(result.finished.out);
    for (Json& line : parse_events(result.finished.err)) {
        if (line.contains("error")) result.error = line["error"];
    }
    return result;
}

Result<void> run_demo(const DemoOptions& options, const Clock& clock,
                      const DemoObserver& observer) {
    DemoRun run{.options = options, .clock = clock, .observer = observer};
    TRY(step_lab(run));
    TRY(step_services(run));
    TRY(step_owner(run));
    auto guest = TRY(step_machine(run));
    TRY(step_guest(run, *guest));
    guest.reset();
    if (!options.refusals) return {};
    return run_refusals(run);
}

}  // namespace vouchsafe::lab
