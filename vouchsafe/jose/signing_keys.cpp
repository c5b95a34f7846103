#include "vouchsafe/jose/signing_keys.h"

#include "vouchsafe/base/log.h"

namespace vouchsafe::jose {

namespace {

constexpr Seconds kTryAgain{60};  // after seeing to the keys failed

Result<void> check_rules(const KeyRules& rules) {
    if (rules.algorithm) TRY(signing_algorithm(crypto::sig_alg_name(*rules.algorithm)));
    bool soon = rules.rotate_after != Seconds{0} && rules.rotate_after <= kKeyAnnounced;
    if (rules.longest_token < Seconds{0} || rules.longest_token > kMaxTokenLifetime) {
        return fail(Code::invalid, "tokens live for {} s at most", kMaxTokenLifetime.count());
    }
    if (soon) {
        return fail(Code::invalid, "signing keys cannot be replaced more often than in {} h",
                    2 * kKeyAnnounced / std::chrono::hours{1});
    }
    return {};
}

KeyChange change_to(const RingKey& key, KeyChange::Why why) {
    return {why, key.kid, std::string(crypto::sig_alg_name(key.alg)), key.signs_from, {}};
}

std::vector<std::string> kids_of(const KeyRing& ring) {
    std::vector<std::string> out;
    for (const RingKey& key : ring.keys()) out.push_back(key.kid);
    return out;
}

}  // namespace

std::string_view key_change_name(KeyChange::Why why) {
    switch (why) {
        case KeyChange::Why::age:
            return "age";
        case KeyChange::Why::algorithm:
            return "algorithm";
        case KeyChange::Why::command:
            return "command";
        case KeyChange::Why::compromised:
            return "compromised";
        case KeyChange::Why::ended:
            break;
    }
    return "ended";
}

SigningKeys::SigningKeys(store::Store& store, KeyRecord place, KeyRules rules, const Clock& clock,
                         RecordKeyChange record, crypto::RootKey root)
    : store_(store),
      place_(std::move(place)),
      rules_(rules),
      clock_(clock),
      record_(std::move(record)),
      root_(std::move(root)) {}

Result<std::unique_ptr<SigningKeys>> SigningKeys::open(store::Store& store, KeyRecord place,
                                                       KeyRules rules, const Clock& clock,
                                                       RecordKeyChange record) {
    TRY(check_rules(rules));
    auto root = TRY(open_root_key(store, place.table, place.root_file));
    std::unique_ptr<SigningKeys> out(
        new SigningKeys(store, std::move(place), rules, clock, std::move(record), std::move(root)));
    TRY(with_context(out->settle(), "the signing keys of " + out->place_.id));
    TRY(out->read());
    return out;
}

Result<std::optional<Bytes>> SigningKeys::load() const {
    std::optional<Bytes> out;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        out = TRY(view.get(place_.table, place_.id));
        return {};
    }));
    return out;
}

Result<void> SigningKeys::save(store::Transaction& tx, const KeyRing& ring) const {
    return tx.put(place_.table, place_.id, ring.to_record(root_, place_.context));
}

Result<KeyRing> SigningKeys::parse(ByteView record) const {
    return KeyRing::parse(record, root_, place_.context);
}

Result<SigningKey> SigningKeys::generate(crypto::SigAlg alg) const {
    return SigningKey::generate(place_.common_name, clock_.now(), place_.lifetime, alg);
}

// settle brings the record to what the rules say. A key is made outside of the transaction, for it
// takes a moment; inside counts what the store says then.
Result<void> SigningKeys::settle() {
    std::optional<Bytes> stored = TRY(load());
    std::optional<SigningKey> fresh;
    if (!stored) {
        fresh = TRY(generate(rules_.algorithm.value_or(kSigningAlgorithms.front())));
    } else {
        KeyRing ring = TRY(parse(*stored));
        bool other = rules_.algorithm && ring.newest().alg != *rules_.algorithm;
        bool as_is = !KeyRing::is_single(*stored) &&
                     ring.allows_lifetime(rules_.longest_token, clock_.now());
        if (as_is && !other) return {};
        if (other) fresh = TRY(generate(*rules_.algorithm));
    }
    return store_.run([&](store::Transaction& tx) { return settle_in(tx, std::move(fresh)); });
}

Result<void> SigningKeys::settle_in(store::Transaction& tx, std::optional<SigningKey> fresh) const {
    Time now = clock_.now();
    std::optional<Bytes> stored = TRY(tx.get(place_.table, place_.id));
    if (!stored) {
        if (!fresh) return fail(Code::conflict, "somebody removed the keys at the same time");
        KeyRing first = TRY(KeyRing::of(std::move(*fresh), now));
        first.allow_lifetime(rules_.longest_token, now);
        return save(tx, first);
    }
    KeyRing ring = TRY(parse(*stored));
    ring.allow_lifetime(rules_.longest_token, now);
    if (rules_.algorithm && ring.newest().alg != *rules_.algorithm) {
        if (!fresh) return fail(Code::conflict, "somebody changed the keys at the same time");
        std::vector<std::string> dropped = ring.tidy(now);
        TRY(ring.add(std::move(*fresh), now, now, rules_.longest_token));
        KeyChange change = change_to(ring.newest(), KeyChange::Why::algorithm);
        change.dropped = std::move(dropped);
        TRY(record_(tx, change));
    }
    return save(tx, ring);
}

Result<SharedKeyRing> SigningKeys::read() {
    SharedKeyRing out;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        out = TRY(known_in(view));
        return {};
    }));
    return out;
}

Result<SharedKeyRing> SigningKeys::known_in(store::View& view) {
    std::optional<Bytes> stored = TRY(view.get(place_.table, place_.id));
    if (!stored) return fail(Code::io, "the signing keys of {} are gone", place_.id);
    std::lock_guard lock(mutex_);
    if (ring_ == nullptr || stored_ != *stored) {
        auto ring = TRY(with_context(parse(*stored), "the signing keys of " + place_.id));
        ring_ = std::make_shared<const KeyRing>(std::move(ring));
        stored_ = std::move(*stored);
    }
    return ring_;
}

bool SigningKeys::too_old(const KeyRing& ring) const {
    if (rules_.rotate_after == Seconds{0}) return false;
    return clock_.now() >= ring.newest().signs_from + rules_.rotate_after - kKeyAnnounced;
}

Result<SharedKeyRing> SigningKeys::current() {
    return tended(TRY(read()));
}

Result<SharedKeyRing> SigningKeys::tended(SharedKeyRing known) {
    // A key that somebody's command made does not know yet how long this service's tokens live.
    bool known_to_live = known->allows_lifetime(rules_.longest_token, clock_.now());
    if (!too_old(*known) && !known->needs_tidying(clock_.now()) && known_to_live) return known;
    // Others go on with what they have meanwhile: it still signs.
    std::unique_lock lock(tending_, std::try_to_lock);
    if (!lock || clock_.now() < tend_not_before_) return known;
    Result<void> tended = tend(*known);
    if (tended) return read();
    tend_not_before_ = clock_.now() + kTryAgain;
    log_event(LogLevel::error, "signing keys cannot be replaced",
              {{"keys", place_.id}, {"error", tended.error().message}});
    return known;
}

Result<SharedKeyRing> SigningKeys::current_for(Seconds lifetime) {
    return current_for(lifetime, TRY(read()));
}

Result<SharedKeyRing> SigningKeys::current_for(Seconds lifetime, SharedKeyRing known) {
    known = TRY(tended(std::move(known)));
    if (known->allows_lifetime(lifetime, clock_.now())) return known;
    TRY(store_.run([&](store::Transaction& tx) -> Result<void> {
        std::optional<Bytes> stored = TRY(tx.get(place_.table, place_.id));
        if (!stored) return fail(Code::io, "the signing keys of {} are gone", place_.id);
        KeyRing ring = TRY(parse(*stored));
        ring.allow_lifetime(lifetime, clock_.now());
        return save(tx, ring);
    }));
    return read();
}

Result<void> SigningKeys::tend(const KeyRing& known) {
    std::optional<SigningKey> fresh;
    if (too_old(known)) fresh = TRY(generate(known.newest().alg));
    return store_.run([&](store::Transaction& tx) -> Result<void> {
        std::optional<Bytes> stored = TRY(tx.get(place_.table, place_.id));
        if (!stored) return fail(Code::io, "they are gone");
        KeyRing ring = TRY(parse(*stored));
        Time now = clock_.now();
        bool replaces = fresh && too_old(ring);  // unless another process has been here
        bool known_to_live = ring.allows_lifetime(rules_.longest_token, now);
        if (!replaces && !ring.needs_tidying(now) && known_to_live) return {};
        ring.allow_lifetime(rules_.longest_token, now);
        KeyChange change{KeyChange::Why::ended, "", "", now, ring.tidy(now)};
        if (replaces) {
            TRY(ring.add(std::move(*fresh), now + kKeyAnnounced, now, rules_.longest_token));
            std::vector<std::string> dropped = std::move(change.dropped);
            change = change_to(ring.newest(), KeyChange::Why::age);
            change.dropped = std::move(dropped);
        }
        bool told = replaces || !change.dropped.empty();  // erasing a private half changes nothing
        if (told) TRY(record_(tx, change));
        return save(tx, ring);
    });
}

Result<SharedKeyRing> SigningKeys::rotate(When when) {
    SigningKey fresh = TRY(generate(TRY(read())->newest().alg));
    TRY(store_.run([&](store::Transaction& tx) -> Result<void> {
        std::optional<Bytes> stored = TRY(tx.get(place_.table, place_.id));
        if (!stored) return fail(Code::io, "the signing keys of {} are gone", place_.id);
        KeyRing ring = TRY(parse(*stored));
        KeyChange change{};
        TRY(replace(ring, std::move(fresh), when, change));
        TRY(record_(tx, change));
        return save(tx, ring);
    }));
    return read();
}

Result<void> SigningKeys::replace(KeyRing& ring, SigningKey fresh, When when,
                                  KeyChange& change) const {
    Time now = clock_.now();
    if (when == When::compromised) {
        std::vector<std::string> dropped = kids_of(ring);
        ring = TRY(KeyRing::of(std::move(fresh), now));
        ring.allow_lifetime(rules_.longest_token, now);
        change = change_to(ring.newest(), KeyChange::Why::compromised);
        change.dropped = std::move(dropped);
        return {};
    }
    std::vector<std::string> dropped = ring.tidy(now);
    bool announced = ring.newest().signs_from > now;
    if (announced && when == When::announced) {
        return fail(Code::conflict, "a new key is announced already and signs from {}",
                    format_rfc3339(ring.newest().signs_from));
    }
    if (announced) {
        ring.bring_forward(now);
    } else {
        Time from = when == When::announced ? now + kKeyAnnounced : now;
        TRY(ring.add(std::move(fresh), from, now, rules_.longest_token));
    }
    change = change_to(ring.newest(), KeyChange::Why::command);
    change.dropped = std::move(dropped);
    return {};
}

}  // namespace vouchsafe::jose
