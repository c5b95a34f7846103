// A service's signing keys in its store: read anew whenever they changed there, and replaced when
// it is time. Any number of processes may share one store: what one of them, or an operator's
// command, changes there counts from the next request on, and they do not undo each other's work.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "vouchsafe/jose/key_record.h"
#include "vouchsafe/jose/key_ring.h"

namespace vouchsafe::jose {

using SharedKeyRing = std::shared_ptr<const KeyRing>;

struct KeyRules {
    // The algorithm of the key that signs. nullopt: that of the newest key, RS256 for the first.
    // Another one makes a new key at open() that signs at once, and never later: two processes
    // with different settings do not fight.
    std::optional<crypto::SigAlg> algorithm = std::nullopt;
    // Longest lifetime of the tokens signed with these keys, but for those of current_for.
    Seconds longest_token{0};
    // A key older than this is replaced; zero: never. Longer than kKeyAnnounced.
    Seconds rotate_after{0};
};

// KeyChange is told within the transaction that makes it: if it cannot be recorded it is not made.
struct KeyChange {
    enum class Why { age, algorithm, command, compromised, ended };
    Why why;
    std::string kid;        // of the new key; "" if keys only ended
    std::string algorithm;  // "RS256"
    Time signs_from;
    std::vector<std::string> dropped;  // kids that are no longer published
};
std::string_view key_change_name(KeyChange::Why why);  // "age"
using RecordKeyChange = std::function<Result<void>(store::Transaction&, const KeyChange&)>;

// SigningKeys is thread-safe.
class SigningKeys {
  public:
    // open reads the keys, makes the first one if there is none, and brings a record from before
    // there were several into today's form. Borrows `store` and `clock`. Errors: those of the store
    // and of open_root_key, KeyRing::parse, SigningKey::generate; Code::invalid for rules that
    // make no sense.
    static Result<std::unique_ptr<SigningKeys>> open(store::Store& store, KeyRecord place,
                                                     KeyRules rules, const Clock& clock,
                                                     RecordKeyChange record);

    // current is what the store says now. If a key is too old or has ended, this call sees to it
    // first; what goes wrong there is logged and tried again later, and the known keys still sign.
    Result<SharedKeyRing> current();

    // current_for is current for signing a token of that lifetime now. If it is longer than any
    // that this key signed, the store is told first, so that the key stays published for as long.
    // `known` is what known_in returned: then nothing is read unless something has to be done.
    Result<SharedKeyRing> current_for(Seconds lifetime);
    Result<SharedKeyRing> current_for(Seconds lifetime, SharedKeyRing known);

    // known_in returns the keys as they are there, old or not. They are the same object as long as
    // nobody changes them. Code::io if they are not there.
    Result<SharedKeyRing> known_in(store::View& view);

    // rotate makes a new key of the newest one's algorithm.
    //   announced   it signs in kKeyAnnounced from now. Code::conflict if one is announced already.
    //   at_once     it signs now, or the announced one does
    //   compromised it signs now, and all others are gone: tokens that they signed are worthless
    enum class When { announced, at_once, compromised };
    Result<SharedKeyRing> rotate(When when);

  private:
    SigningKeys(store::Store& store, KeyRecord place, KeyRules rules, const Clock& clock,
                RecordKeyChange record, crypto::RootKey root);

    Result<std::optional<Bytes>> load() const;
    Result<void> save(store::Transaction& tx, const KeyRing& ring) const;
    Result<KeyRing> parse(ByteView record) const;
    Result<SigningKey> generate(crypto::SigAlg alg) const;
    Result<void> settle();
    Result<void> settle_in(store::Transaction& tx, std::optional<SigningKey> fresh) const;
    bool too_old(const KeyRing& ring) const;
    Result<void> tend(const KeyRing& known);
    Result<void> replace(KeyRing& ring, SigningKey fresh, When when, KeyChange& change) const;
    Result<SharedKeyRing> read();
    // tended is what current does with the known keys.
    Result<SharedKeyRing> tended(SharedKeyRing known);

    store::Store& store_;
    const KeyRecord place_;
    const KeyRules rules_;
    const Clock& clock_;
    const RecordKeyChange record_;
    const crypto::RootKey root_;
    std::mutex tending_;      // held by the thread that sees to the keys
    Time tend_not_before_{};  // under tending_
    std::mutex mutex_;        // holds what follows
    Bytes stored_;            // the record that `ring_` is of
    SharedKeyRing ring_;
};

}  // namespace vouchsafe::jose
