// admin rotate-key, signing-keys: what an attestation service's providers sign their tokens with.
#include <algorithm>

#include "app/cmd_admin.h"
#include "app/service_store.h"
#include "app/show.h"
#include "vouchsafe/attest/provider_keys.h"
#include "vouchsafe/lab/data_directory.h"

namespace vouchsafe::app {

namespace {

struct SigningKeysCommand {
    std::string dir;
    std::string issuer;
    bool now = false;
    bool compromised = false;
    std::string store;
};

// AttestationStore is the part of a data directory that attestation services write.
struct AttestationStore {
    Path folder;
    std::unique_ptr<store::Store> store;
    std::unique_ptr<audit::Log> audit;
    std::vector<std::string> issuers;
};

Result<AttestationStore> open_attestation_store(const SigningKeysCommand& command) {
    Path dir =
        command.dir.empty() ? lab::default_lab_path() : std::filesystem::absolute(command.dir);
    TRY(lab::DataDirectory::open(dir));
    AttestationStore out;
    out.folder = dir / "attestation";
    StorePlace place = TRY(store_place(dir, "attestation", command.store));
    if (exists(place)) {
        out.store = TRY(open_or_make(place));
        out.audit = std::make_unique<audit::Log>(*out.store);
        out.issuers = TRY(attest::issuers_with_keys(*out.store));
    }
    if (out.issuers.empty()) {
        return fail(Code::not_found, "{} has no signing keys yet: a service makes its first one",
                    out.folder.string());
    }
    return out;
}

Result<std::string> choose_issuer(const SigningKeysCommand& command, const AttestationStore& in) {
    if (command.issuer.empty() && in.issuers.size() == 1) return in.issuers.front();
    if (std::ranges::find(in.issuers, command.issuer) != in.issuers.end()) return command.issuer;
    return fail(command.issuer.empty() ? Code::invalid : Code::not_found,
                "say with --issuer whose key: {}", fmt::join(in.issuers, ", "));
}

Result<std::unique_ptr<jose::SigningKeys>> open_keys_of(const Context& context,
                                                        const AttestationStore& in,
                                                        const std::string& issuer) {
    attest::Config config;
    config.issuer = issuer;
    config.directory = in.folder;
    return attest::open_signing_keys(config, *in.store, *in.audit, context.clock);
}

std::string_view state_of(const jose::KeyRing& ring, const jose::RingKey& key, Time now) {
    if (&key == &ring.signing(now)) return "signs";
    return key.signs_from > now ? "announced" : "retired";
}

Json key_json(const jose::KeyRing& ring, const jose::RingKey& key, Time now) {
    auto until = ring.published_until(key);
    return {{"kid", key.kid},
            {"algorithm", crypto::sig_alg_name(key.alg)},
            {"state", state_of(ring, key, now)},
            {"signs_from", format_rfc3339(key.signs_from)},
            {"published_until", until ? Json(format_rfc3339(*until)) : Json()}};
}

// show_ring writes the published keys of one issuer, the oldest first.
void show_ring(const Context& context, const std::string& issuer, const jose::KeyRing& ring) {
    Time now = context.clock.now();
    Json list = Json::array();
    std::string text = issuer + "\n";
    for (const jose::RingKey& key : ring.keys()) {
        auto until = ring.published_until(key);
        if (until && *until < now) continue;
        list.push_back(key_json(ring, key, now));
        text += fmt::format("  {:<9} {}  {}  from {}{}\n", state_of(ring, key, now),
                            crypto::sig_alg_name(key.alg), key.kid, format_rfc3339(key.signs_from),
                            until ? ", published until " + format_rfc3339(*until) : "");
    }
    write_out(context.json ? dump_json({{"issuer", issuer}, {"keys", list}}) + "\n" : text);
}

Result<int> rotate_key(const Context& context, const SigningKeysCommand& command) {
    if (command.now && command.compromised) {
        return fail(Code::invalid, "--compromised replaces the key at once: leave out --now");
    }
    AttestationStore opened = TRY(open_attestation_store(command));
    std::string issuer = TRY(choose_issuer(command, opened));
    auto keys = TRY(open_keys_of(context, opened, issuer));
    using When = jose::SigningKeys::When;
    When when = command.now ? When::at_once : When::announced;
    if (command.compromised) when = When::compromised;
    show_ring(context, issuer, *TRY(keys->rotate(when)));
    return 0;
}

Result<int> show_signing_keys(const Context& context, const SigningKeysCommand& command) {
    AttestationStore opened = TRY(open_attestation_store(command));
    std::vector<std::string> issuers = opened.issuers;
    if (!command.issuer.empty()) issuers = {TRY(choose_issuer(command, opened))};
    for (const std::string& issuer : issuers) {
        auto keys = TRY(open_keys_of(context, opened, issuer));
        show_ring(context, issuer, *TRY(keys->current()));
    }
    return 0;
}

constexpr const char* kRotateExamples = R"(Examples:
  vouchsafe admin rotate-key --dir /var/lib/vouchsafe --issuer https://attest.example.org
  vouchsafe admin rotate-key --dir /var/lib/vouchsafe --compromised
The new key is published at once and signs a day later, when everybody who keeps the keys for a while
has it; the old one stays published until its last token has ended. A running service needs no
restart. Run it as the user whom the data directory belongs to.)";

void add_keys_options(Command made, SigningKeysCommand& command) {
    made.option("--dir", command.dir, "data directory (default: the lab in the user's data folder)",
                "DIR");
    made.option("--issuer", command.issuer, "of this provider", "URL");
    add_store_option(made, command.store);
}

}  // namespace

void add_admin_keys(Command group, Context& context) {
    auto command = std::make_shared<SigningKeysCommand>();
    Command rotate = group.add("rotate-key", "give an attestation provider a new signing key");
    rotate.examples(kRotateExamples);
    add_keys_options(rotate, *command);
    rotate.flag("--now", command->now,
                "it signs at once, also if it was announced before: who keeps the keys must ask "
                "again");
    rotate.flag("--compromised", command->compromised,
                "it signs at once, and the old keys are gone: their tokens are worthless");
    rotate.run([&context, command] { return rotate_key(context, *command); });
    Command show = group.add("signing-keys", "show the attestation providers' signing keys");
    add_keys_options(show, *command);
    show.run([&context, command] { return show_signing_keys(context, *command); });
}

}  // namespace vouchsafe::app
