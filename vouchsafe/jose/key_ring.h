// The signing keys of one service over time. Each signs from its hour until the next one's; it is
// published before, so that who keeps key sets for a while knows it when it begins, and afterwards
// until every token it signed has ended. A KeyRing is what the store says at one moment: whoever
// shares the store and the time of day comes to the same conclusions, without talking.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/json.h"
#include "vouchsafe/jose/signing_key.h"

namespace vouchsafe::jose {

// A new key is published for so long before it signs: verifiers keep key sets for up to a day
// (access/key_sets.h does), and those that do not ask again for an unknown key must not meet one.
inline constexpr Seconds kKeyAnnounced{86400};
// For clocks: five minutes that verifiers allow a token beyond its end (JwtRules), and as much
// between the processes that share a store.
inline constexpr Seconds kKeyLeeway{600};
inline constexpr size_t kMaxRingKeys = 16;  // published at once
// A token that lives longer would keep its key published for as long.
inline constexpr Seconds kMaxTokenLifetime{86400 * 366};

// RingKey is one of them. Without `signer` its private half was erased: it only verifies.
struct RingKey {
    std::string kid;  // standard base64 of the RFC 7638 thumbprint (azure-api C.3)
    crypto::Certificate certificate;
    crypto::SigAlg alg;
    Time signs_from;
    std::optional<SigningKey> signer;
    Json entry;  // of the key set (key_entry)
    // The longest lifetime of a token that it may have signed: at least that of Azure's tokens.
    Seconds longest{28800};
};

// KeyRing is a plain value; a const one may be shared by threads.
class KeyRing {
  public:
    // of is a ring of one key.
    static Result<KeyRing> of(SigningKey key, Time signs_from);

    // The stored form is a sealed blob (sealed_blob.h) of
    //   {"format": 1, "longest": seconds, "keys": [{"from": seconds since 1970, "longest": seconds,
    //    "certificate", "alg" unless RS256, "sealed" unless erased}, ...]}
    // with the oldest key first. A key without `longest`, as keys were stored before, has the
    // ring's, which is the greatest of all. The whole is sealed beside each private half
    // (signing_key.h): who can only write the store must not add a key that the service then
    // publishes as its own. A record of one SigningKey, which is what services stored before, is
    // read as a ring of it.
    //
    // parse fails with Code::bad_evidence if anything does not open, belong together or make sense,
    // Code::invalid if it is no record at all.
    Bytes to_record(const crypto::RootKey& root, std::string_view context) const;
    static Result<KeyRing> parse(ByteView record, const crypto::RootKey& root,
                                 std::string_view context);
    // is_single tells whether a record is in the form of one SigningKey.
    static bool is_single(ByteView record);

    const std::vector<RingKey>& keys() const { return keys_; }  // in order of signs_from
    const RingKey& newest() const { return keys_.back(); }
    // signing is the key that signs at `now`: the last one whose hour has come. It has a signer.
    const RingKey& signing(Time now) const;
    // `key` is one of keys(). published_until is when the last token that this key may have signed
    // has ended; nullopt while it has no successor.
    std::optional<Time> published_until(const RingKey& key) const;
    // jwks is the key set at `now`, the signing key first; algorithms are those of its keys, each
    // once.
    Json jwks(Time now) const;
    Json algorithms(Time now) const;

    // allow_lifetime makes known that a token which is signed at `now`, or within kKeyLeeway after,
    // may live for so long, at most kMaxTokenLifetime: who signs it stays published for it. Other
    // keys do not. allows_lifetime tells whether that is known already.
    void allow_lifetime(Seconds longest, Time now);
    bool allows_lifetime(Seconds longest, Time now) const;

    // add makes `key` sign from `from` on, tokens of up to `longest` (see allow_lifetime for longer
    // ones); a key that would sign later than that signs no more.
    // Code::conflict if the ring is full, or the newest key is further in the future than keys are
    // announced: then a clock is wrong.
    Result<void> add(SigningKey key, Time from, Time now, Seconds longest = {});
    // bring_forward lets an announced key sign now, and tells whether there was one.
    bool bring_forward(Time now);

    // needs_tidying: a key has ended, or the private half of one that signs no more is still there.
    // tidy takes those away and returns the kids that are no longer published.
    bool needs_tidying(Time now) const;
    std::vector<std::string> tidy(Time now);

  private:
    KeyRing() = default;
    std::optional<Time> signs_until(const RingKey& key) const;
    bool is_published(const RingKey& key, Time now) const;
    bool is_spent(const RingKey& key, Time now) const;
    Result<void> check() const;

    std::vector<RingKey> keys_;
};

}  // namespace vouchsafe::jose
