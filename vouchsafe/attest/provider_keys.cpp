#include "vouchsafe/attest/provider_keys.h"

#include <algorithm>

#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::attest {

namespace {

using Why = jose::KeyChange::Why;

constexpr std::string_view kRootKeyFile = "attest.root.key";
constexpr std::string_view kKeyTable = "attest_key";  // issuer -> KeyRing record

std::string_view action_of(Why why) {
    if (why == Why::ended) return "signing-keys/drop";
    return why == Why::compromised ? "signing-keys/withdraw" : "signing-keys/rotate";
}

audit::Entry entry_of(const jose::KeyChange& change, const std::string& issuer, Time now) {
    audit::Entry entry;
    entry.time = now;
    bool by_hand = change.why == Why::command || change.why == Why::compromised;
    entry.actor = by_hand ? "operator" : "service";
    entry.action = action_of(change.why);
    entry.resource = issuer;
    entry.request_id = crypto::random_uuid();
    entry.details = {{"issuer", issuer},
                     {"why", jose::key_change_name(change.why)},
                     {"dropped", change.dropped}};
    if (change.why == Why::ended) return entry;
    entry.details["kid"] = change.kid;
    entry.details["algorithm"] = change.algorithm;
    entry.details["signs-from"] = format_rfc3339(change.signs_from);
    return entry;
}

}  // namespace

Result<std::unique_ptr<jose::SigningKeys>> open_signing_keys(const Config& config,
                                                             store::Store& store, audit::Log& audit,
                                                             const Clock& clock) {
    TRY(make_private_dir(config.directory));
    jose::KeyRecord place{kKeyTable,
                          config.issuer,
                          config.directory / kRootKeyFile,
                          "attest/signing-key/" + config.issuer,
                          config.issuer,
                          config.certificate_lifetime};
    jose::KeyRules rules;
    rules.algorithm = config.signing_algorithm;
    rules.longest_token = std::max(config.token_lifetime, config.fresh_token_lifetime);
    rules.rotate_after = config.rotate_signing_key_after;
    auto record = [&audit, &clock, issuer = config.issuer](
                      store::Transaction& tx, const jose::KeyChange& change) -> Result<void> {
        TRY(audit.append(tx, entry_of(change, issuer, clock.now())));
        return {};
    };
    return jose::SigningKeys::open(store, std::move(place), rules, clock, std::move(record));
}

Result<std::unique_ptr<audit::CheckpointWriter>> open_checkpoints(const Path& directory,
                                                                  store::Store& store,
                                                                  const Clock& clock) {
    TRY(make_private_dir(directory));
    auto root = std::make_shared<const crypto::RootKey>(
        TRY(jose::open_root_key(store, kKeyTable, directory / kRootKeyFile)));
    audit::KeySeal seal{
        [root](std::string_view context, ByteView plaintext) {
            return root->seal(context, plaintext);
        },
        [root](std::string_view context, ByteView sealed) { return root->open(context, sealed); }};
    audit::CheckpointKeyPlace place{"attest_checkpoint_key", "key", "attest/checkpoint-key"};
    return std::make_unique<audit::CheckpointWriter>(store, clock, "attestation", std::move(place),
                                                     std::move(seal));
}

Result<size_t> erase_signing_keys(store::Transaction& tx, const std::string& issuer) {
    return size_t{TRY(tx.erase(kKeyTable, issuer)) ? 1U : 0U};
}

Result<std::vector<std::string>> issuers_with_keys(store::Store& store) {
    std::vector<std::string> out;
    TRY(store.read([&](store::View& view) -> Result<void> {
        for (store::Record& record : TRY(view.scan(kKeyTable, "", "", store::kMaxScan))) {
            out.push_back(std::move(record.key));
        }
        return {};
    }));
    return out;
}

}  // namespace vouchsafe::attest
