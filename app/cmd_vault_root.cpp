// vault rewrap-root: another root key for a vault, or another keeper of it, while services run.
#include "app/cmd_vault.h"
#include "app/root_options.h"
#include "app/service_store.h"
#include "app/show.h"
#include "vouchsafe/base/stopwatch.h"
#include "vouchsafe/crypto/root_ring.h"
#include "vouchsafe/lab/data_directory.h"
#include "vouchsafe/vault/records.h"
#include "vouchsafe/vault/root_rotation.h"

namespace vouchsafe::app {

namespace {

struct RewrapCommand {
    std::string dir;
    std::string store;
    RootOptions now;
    std::string to;
    // Where the new keeper needs something else than the one of now.
    std::string passphrase;
    std::vector<std::string> pcrs;
    HsmOptions hsm;
    std::string label;
};

RootOptions next_options(const RewrapCommand& command) {
    RootOptions out = command.now;
    if (!command.passphrase.empty()) out.passphrases = {command.passphrase};
    if (!command.pcrs.empty()) out.pcrs = command.pcrs;
    if (!command.hsm.module.empty()) out.hsm.module = command.hsm.module;
    if (!command.hsm.token.empty()) out.hsm.token = command.hsm.token;
    if (!command.hsm.pin.empty()) out.hsm.pin = command.hsm.pin;
    if (!command.label.empty()) out.label = command.label;
    return out;
}

bool says_how(const HsmOptions& options) {
    return !options.module.empty() || !options.token.empty() || !options.pin.empty();
}

// check_belongs: what would be ignored was meant otherwise.
Result<void> check_belongs(const RewrapCommand& command, std::string_view to) {
    const bool other_passphrase = !command.passphrase.empty() && to != "passphrase";
    const bool other_tpm = !command.pcrs.empty() && to != "tpm";
    const bool in_hsm = says_how(command.hsm) || !command.label.empty();
    if (!other_passphrase && !other_tpm && (!in_hsm || to == "pkcs11")) return {};
    return fail(Code::invalid,
                "--to-passphrase goes with --to passphrase, --to-pcr with --to tpm, --to-module, "
                "--to-token, --to-pin and --to-label with --to pkcs11; this is about \"{}\"",
                to);
}

// is_alike: the new key is kept just as the old one.
bool is_alike(const RewrapCommand& command) {
    return command.passphrase.empty() && command.pcrs.empty() && !says_how(command.hsm) &&
           command.label.empty();
}

// Keepers of the key that there is, and of the one that replaces it.
struct Keepers {
    std::string from;
    std::shared_ptr<crypto::RootKeeper> now;
    std::shared_ptr<crypto::RootKeeper> next;
};

Result<Keepers> choose_keepers(const RewrapCommand& command, const Path& directory) {
    const auto state = TRY(crypto::inspect_root_file(directory / vault::kRootKeyFile));
    const std::string to = command.to.empty() ? state.keeper : command.to;
    if (state.replacing && to != state.keeper) {
        return fail(Code::conflict,
                    "a change to \"{0}\" was begun and not ended: end it first, with --to {0} and "
                    "the same options as then",
                    state.keeper);
    }
    TRY(check_belongs(command, to));
    if (to == "passphrase" && next_options(command).passphrases.empty()) {
        return fail(Code::invalid, "say with --to-passphrase FILE under which the new key is kept");
    }
    Keepers out;
    out.from = state.keeper;
    if (!state.replacing) out.now = TRY(open_root_keeper(command.now, directory));
    const bool same = out.now != nullptr && to == state.keeper && is_alike(command);
    out.next = same ? out.now : TRY(make_root_keeper(next_options(command), to));
    // What was begun is kept by the next one already.
    if (state.replacing) out.now = out.next;
    return out;
}

// show_progress tells every second how far it is.
std::function<void(size_t)> show_progress(const Context& context) {
    if (context.json) return nullptr;
    auto since = std::make_shared<Stopwatch>();
    return [since](size_t done) {
        if (since->seconds() < 1) return;
        since->lap();
        write_err(fmt::format("looked at {} keys and secrets\n", done));
    };
}

void show_rewrapped(const Context& context, const vault::Rewrapped& done, const Keepers& keepers) {
    const std::string keeper(keepers.next->name());
    if (context.json) {
        write_out(
            dump_json(
                {{"generation", done.generation}, {"keeper", keeper}, {"rewrapped", done.count}}) +
            "\n");
        return;
    }
    write_out(fmt::format("root key {} is kept by \"{}\"; {} keys and secrets were wrapped anew\n",
                          done.generation, keeper, done.count));
    if (keeper == keepers.from) return;
    write_out(
        fmt::format("Services that are started with --root {} must say --root {} from now "
                    "on, with what it needs.\n",
                    keepers.from, keeper));
}

Result<int> run_rewrap(const Context& context, const RewrapCommand& command) {
    const Path dir =
        command.dir.empty() ? lab::default_lab_path() : std::filesystem::absolute(command.dir);
    const auto directory = TRY(lab::DataDirectory::open(dir));
    const StorePlace place = TRY(store_place(dir, "vault", command.store));
    std::error_code ignored;
    if (!exists(place) || !std::filesystem::exists(place.folder / vault::kRootKeyFile, ignored)) {
        return fail(Code::not_found, "{} has no vault yet", place.folder.string());
    }
    vault::Config config;
    config.directory = place.folder;
    config.allow_simulated = directory.kind() == lab::DirectoryKind::lab;
    const Keepers keepers = TRY(choose_keepers(command, config.directory));
    auto store = TRY(open_or_make(place));
    const auto done = TRY(vault::rewrap_root(
        {config, *store, *keepers.now, keepers.next, context.clock, show_progress(context)}));
    show_rewrapped(context, done, keepers);
    return 0;
}

constexpr const char* kRewrapExamples = R"(Examples:
  vouchsafe vault rewrap-root --dir /var/lib/vouchsafe
  vouchsafe vault rewrap-root --dir /var/lib/vouchsafe --to passphrase --to-passphrase /root/vault.pass
  vouchsafe vault rewrap-root --dir /var/lib/vouchsafe --to tpm
  vouchsafe vault rewrap-root --dir /var/lib/vouchsafe --to pkcs11 --hsm-token vault \
      --hsm-module /usr/lib/softhsm/libsofthsm2.so --hsm-pin /etc/vouchsafe/hsm.pin
Makes a fresh root key, wraps every data key anew and then drops the old root key. Services may run
meanwhile; one that is to go on under another keeper must have been started with what that needs
(--root-passphrase, --hsm-..., not --root), or it has to be restarted afterwards. Interrupted, it
goes on when it is called again. Beginning and end are in the audit log. Old copies of the key file
open old copies of the store: destroy them.)";

}  // namespace

void add_vault_root(Command group, Context& context) {
    auto command = std::make_shared<RewrapCommand>();
    Command made =
        group.add("rewrap-root", "replace a vault's root key, or who keeps it, while it runs");
    made.examples(kRewrapExamples);
    made.option("--dir", command->dir, "data directory (default: the user's lab)", "DIR");
    add_store_option(made, command->store);
    made.option("--to", command->to, "who shall keep the new key (default: as the old one)", "")
        .one_of({"file", "passphrase", "tpm", "pkcs11"});
    add_root_options(made, command->now);
    Command next = made.group("The new key", "where its keeper needs something else than above");
    next.option("--to-passphrase", command->passphrase, "file with the new passphrase", "FILE");
    next.option("--to-pcr", command->pcrs, "register of the TPM (repeat)", "N");
    next.option("--to-module", command->hsm.module, "of another HSM", "LIBRARY");
    next.option("--to-token", command->hsm.token, "label of another token", "LABEL");
    next.option("--to-pin", command->hsm.pin, "file with its PIN", "FILE");
    next.option("--to-label", command->label, "of another AES key in it", "LABEL");
    made.run([&context, command] { return run_rewrap(context, *command); });
}

}  // namespace vouchsafe::app
