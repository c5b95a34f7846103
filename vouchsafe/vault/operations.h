// What a request can do in a vault, and what every operation is given. Private to vault/.
#pragma once

#include <algorithm>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/access/assignments.h"
#include "vouchsafe/access/caller.h"
#include "vouchsafe/access/key_sets.h"
#include "vouchsafe/crypto/root_ring.h"
#include "vouchsafe/vault/keys/opened_key.h"
#include "vouchsafe/vault/remembered.h"
#include "vouchsafe/vault/wire.h"

namespace vouchsafe::vault {

// Of the private keys that are kept open, see OpenedKeys.
inline constexpr size_t kMaxOpenedKeys = 256;
inline constexpr Seconds kOpenedKeyAge{600};

// ReleaseIdentity is what signs releases, and the header that these signatures have.
struct ReleaseIdentity {
    explicit ReleaseIdentity(net::TlsIdentity signer);  // release.cpp

    net::TlsIdentity signer;
    std::string header;  // encoded: jose::encode_header
};

// ReleaseSigner holds what signs releases, which changes with the service's certificate.
// Thread-safe.
class ReleaseSigner {
  public:
    using Shared = std::shared_ptr<const ReleaseIdentity>;
    explicit ReleaseSigner(net::TlsIdentity signer)
        : signer_(std::make_shared<const ReleaseIdentity>(std::move(signer))) {}
    Shared get() const {
        std::lock_guard lock(mutex_);
        return signer_;
    }
    void set(net::TlsIdentity signer) {
        auto made = std::make_shared<const ReleaseIdentity>(std::move(signer));
        std::lock_guard lock(mutex_);
        signer_.swap(made);
    }

  private:
    mutable std::mutex mutex_;
    Shared signer_;
};

// TrustedOrigins are the attestation services whose tokens release keys. Thread-safe.
class TrustedOrigins {
  public:
    explicit TrustedOrigins(std::vector<std::string> origins) : origins_(std::move(origins)) {}
    std::vector<std::string> get() const {
        std::lock_guard lock(mutex_);
        return origins_;
    }
    void add(std::string origin) {
        std::lock_guard lock(mutex_);
        const bool known = std::find(origins_.begin(), origins_.end(), origin) != origins_.end();
        if (!known) origins_.push_back(std::move(origin));
    }
    void remove(const std::string& origin) {
        std::lock_guard lock(mutex_);
        std::erase(origins_, origin);
    }

  private:
    mutable std::mutex mutex_;
    std::vector<std::string> origins_;
};

// Core is what the service is made of. Thread-safe; immutable but for trusted, release_signer,
// key_sets, vouching, assignments, opened_keys, remembered and limits.
struct Core {
    Config config;
    store::Store& store;
    const Clock& clock;
    TrustedOrigins trusted;  // at first Config::attestation_origins
    ReleaseSigner release_signer;
    std::function<void(const Verdict&)> on_verdict;  // nullptr: nobody wants to know
    std::unique_ptr<crypto::RootRing> root;
    std::optional<Hsm> hsm;
    audit::Log log;
    access::KeySets key_sets;
    access::CurrentVouching vouching;
    std::shared_ptr<net::RateLimits> limits;  // nullptr: none
    access::KnownAssignments assignments;
    OpenedKeys opened_keys{kMaxOpenedKeys, kOpenedKeyAge};
    Remembered remembered;
};

struct Call;

// What an operation needs of the object that the path names. It is read in the snapshot in which
// the caller is judged, so that a request reads the store once (Call::loaded).
enum class Needs { nothing, object, object_and_material };

// DataActions are actions in a vault (A.2).
struct DataActions : access::NeededActions {
    DataActions(std::initializer_list<std::string_view> names)
        : NeededActions(access::Provider::key_vault, {names.begin(), names.end()}) {}
};

// Operation is one row of the table in routes.cpp.
struct Operation {
    std::string_view name;  // in the audit log: "keys/release"
    DataActions actions;    // of which the caller needs one
    // Whether every outcome is recorded: the operation appends its success itself, in the
    // transaction in which it happens. Of others only refusals are recorded, and what was done
    // with the secret of an oct key.
    bool audited = false;
    // Gives the body of the answer 200; null is the answer 204 without one, or says nothing if the
    // call has a recording.
    Result<Json> (*act)(Core&, Call&) = nullptr;
    std::string_view collection = "keys";  // or "secrets": whose names the path has
    // Finds the key that is concerned where the path does not name it. Who may not act on that key
    // is told what it fails with when there is none.
    Result<void> (*locate)(Core&, Call&) = nullptr;
    Needs needs = Needs::nothing;
};

// StoredObject is a key or secret as it lies in the store, with one of its versions.
struct StoredObject {
    Bytes record;
    Bytes version;

    bool operator==(const StoredObject&) const = default;
};

// LoadedObject is a StoredObject with what is sealed of that version.
struct LoadedObject {
    StoredObject stored;
    std::string version;  // which one it is
    std::optional<Bytes> material = {};
};

// CountedFor is what a request has counted for already, however often it is judged.
using CountedFor = std::vector<std::pair<net::LimitScope, std::string>>;

// Recording is what an operation leaves to be done when it used a secret: `work` records that, by
// transact, and after it `answer` is the body of the answer. Both may be called on another thread,
// with the call.
struct Recording {
    store::Store::Work work;
    std::function<Json()> answer;
};

// Call is one request on its way. When `act` runs, the caller is known and allowed.
struct Call {
    const net::Request& request;
    const Operation& operation;
    std::string request_id;
    std::shared_ptr<const VaultInfo> vault = nullptr;           // nullptr: not known yet
    std::shared_ptr<const StoredVault> judged_vault = nullptr;  // `vault` and how it is stored
    Address address;
    std::optional<ApiVersion> version;
    access::Caller caller;
    std::string key;          // name of a key or secret, from the path; "" if it names none
    std::string key_version;  // from the path; "" if it names none
    Checks checks;
    Json details = Json::object();  // for the audit log
    CountedFor& counted_for;
    std::optional<net::Throttled> throttled;  // it was over a limit, and is not done
    // What the operation needs, or why it is not there; absent if it needs nothing.
    std::optional<Result<LoadedObject>> loaded = {};
    // What vault, roles and object were read from. Within the transaction of transact: whether all
    // of it is as it was judged. After it: whether what was remembered proved outdated, so that
    // nothing was done and the request is to be judged anew.
    store::Basis basis = {};
    bool unchanged = false;
    bool outdated = false;
    std::optional<Recording> recording = {};

    // resource_id is what the caller's roles are judged on.
    std::string resource_id() const;
};

// key_seal_context is what the sealed private half of a version is bound to: the kind of data
// directory, its place ("{vault}/{key}/{version}" in lower case), type and public half.
std::string key_seal_context(const Config& config, std::string_view place,
                             const KeyVersion& version);

// make_entry begins an audit entry about the call: everything but outcome and reason.
audit::Entry make_entry(const Core& core, const Call& call);

// append_success records that the call did what it asked for, within the transaction that does it.
Result<void> append_success(Core& core, store::Transaction& transaction, const Call& call);

// transact is core.store.run for a call. If what was judged is no longer so and the call was judged
// by memory, it does nothing and notes that (Call::outdated). The store may run `work` again: then
// what it noted in the call's checks and details before is taken back, so that the log has each
// once.
Result<void> transact(Core& core, Call& call,
                      const std::function<Result<void>(store::Transaction&)>& work);

// transact_later is transact for who goes on meanwhile (Store::run_later). The call outlives it.
void transact_later(Core& core, Call& call, store::Store::Work work, store::Store::Then then);

// authorize_call judges whether the caller may do this, by what decides in the vault: CALLER-ROLE
// or CALLER-ACCESS-POLICY.
Result<void> authorize_call(store::View& view, Core& core, const Call& call, Checks& checks);

// load_key reads the key the path names.
Result<Key> load_key(Core& core, const Call& call);

// take_loaded moves out what the operation needs: it says so in its row. Code::not_found if there
// is no such object, Code::io if its record is damaged.
Result<LoadedObject> take_loaded(Call& call);

// The secret half at rest: PKCS#8, the octets of an oct key, or where in an HSM it is. seal_private
// binds it to its place, its public half and the kind of data directory; open_private fails with
// Code::io if what was loaded of the key does not open or is missing. open_key_for_use is
// open_private for what the key's operations need, from memory where it was opened just now.
Bytes seal_private(const Core& core, std::string_view vault, std::string_view key,
                   const KeyVersion& version, ByteView pkcs8);
Result<SecretBytes> open_private(Core& core, const Call& call, const Key& key,
                                 const LoadedObject& loaded);
// open_sealed_private is open_private for what the caller read from kSecretTable.
Result<SecretBytes> open_sealed_private(const Core& core, std::string_view vault,
                                        std::string_view key, const KeyVersion& version,
                                        ByteView sealed);
Result<std::shared_ptr<const OpenedKey>> open_key_for_use(Core& core, const Call& call,
                                                          const Key& key,
                                                          const LoadedObject& loaded);

// The operations; each returns the body of its 200 answer.
Result<Json> create_key(Core& core, Call& call);
Result<Json> get_key(Core& core, Call& call);
Result<Json> update_key(Core& core, Call& call);
Result<Json> list_keys(Core& core, Call& call);
Result<Json> list_key_versions(Core& core, Call& call);
Result<Json> encrypt_with_key(Core& core, Call& call);
Result<Json> decrypt_with_key(Core& core, Call& call);
Result<Json> wrap_with_key(Core& core, Call& call);
Result<Json> unwrap_with_key(Core& core, Call& call);
Result<Json> sign_with_key(Core& core, Call& call);
Result<Json> verify_with_key(Core& core, Call& call);
Result<Json> release_key(Core& core, Call& call);
// Explanations of requests (explanation.cpp).
Result<void> locate_explained(Core& core, Call& call);
Result<Json> get_explanation(Core& core, Call& call);
Error no_explanation();  // the same for foreign and for unknown requests
// Release rules (rule_operations.cpp).
Result<Json> get_release_rules(Core& core, Call& call);
Result<Json> put_release_rules(Core& core, Call& call);
Result<Json> list_rule_proposals(Core& core, Call& call);
Result<Json> get_rule_proposal(Core& core, Call& call);
Result<Json> propose_rules(Core& core, Call& call);
Result<Json> approve_rules(Core& core, Call& call);
Result<Json> withdraw_rules(Core& core, Call& call);
Result<Json> import_key(Core& core, Call& call);
Result<Json> rotate_key(Core& core, Call& call);
Result<Json> get_rotation_policy(Core& core, Call& call);
Result<Json> set_rotation_policy(Core& core, Call& call);
Result<Json> attest_key(Core& core, Call& call);
Result<Json> random_octets(Core& core, Call& call);

}  // namespace vouchsafe::vault
