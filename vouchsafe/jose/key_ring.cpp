#include "vouchsafe/jose/key_ring.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/jose/jwk.h"

namespace vouchsafe::jose {

namespace {

constexpr int64_t kRingFormat = 1;
constexpr int64_t kLastSecond = 253402300799;  // 9999-12-31T23:59:59Z
constexpr std::string_view kRingContext = "/ring";

std::string outer_context(std::string_view context) {
    return fmt::format("{}{}", context, kRingContext);
}

Result<RingKey> make_ring_key(crypto::Certificate certificate, crypto::SigAlg alg, Time from,
                              std::optional<SigningKey> signer) {
    std::string kid = encode_base64(thumbprint(TRY(certificate.public_key())));
    Json entry = TRY(key_entry(certificate, alg, kid));
    return RingKey{std::move(kid), std::move(certificate), alg,
                   from,           std::move(signer),      std::move(entry)};
}

// read_longest reads the lifetime of a ring or a key.
Result<Seconds> read_longest(const Json& json) {
    int64_t longest = TRY(json_integer(json, "longest"));
    if (longest < 0 || longest > kMaxTokenLifetime.count()) {
        return fail(Code::invalid, "no token lives for {} s", longest);
    }
    return Seconds{longest};
}

Result<RingKey> parse_ring_key(const Json& json, const crypto::RootKey& root,
                               std::string_view context) {
    int64_t from = TRY(json_integer(json, "from"));
    if (from < 0 || from > kLastSecond) return fail(Code::invalid, "a time is out of range");
    if (find_member(json, "sealed") != nullptr) {
        Bytes record = to_bytes(dump_json(json));
        SigningKey signer = TRY(SigningKey::from_record(record, root, context));
        crypto::Certificate certificate = signer.certificate();
        return make_ring_key(std::move(certificate), signer.alg(), from_unix(from),
                             std::move(signer));
    }
    Bytes der = TRY(decode_base64(TRY(json_string(json, "certificate"))));
    crypto::SigAlg alg = TRY(signing_algorithm(TRY(json_string(json, "alg"))));
    return make_ring_key(TRY(crypto::Certificate::parse_der(der)), alg, from_unix(from),
                         std::nullopt);
}

}  // namespace

Result<KeyRing> KeyRing::of(SigningKey key, Time signs_from) {
    KeyRing out;
    crypto::Certificate certificate = key.certificate();
    crypto::SigAlg alg = key.alg();
    out.keys_.push_back(
        TRY(make_ring_key(std::move(certificate), alg, signs_from, std::move(key))));
    return out;
}

Bytes KeyRing::to_record(const crypto::RootKey& root, std::string_view context) const {
    Json list = Json::array();
    Seconds longest{0};
    for (const RingKey& key : keys_) {
        Json one = {{"certificate", encode_base64(key.certificate.der())},
                    {"alg", crypto::sig_alg_name(key.alg)}};
        if (key.signer) {
            one = MUST(parse_json_object(as_text(key.signer->to_record(root, context))));
        }
        one["from"] = to_unix(key.signs_from);
        one["longest"] = key.longest.count();
        longest = std::max(longest, key.longest);
        list.push_back(std::move(one));
    }
    Json json = {{"format", kRingFormat}, {"longest", longest.count()}, {"keys", std::move(list)}};
    return root.seal(outer_context(context), as_bytes(dump_json(json)));
}

bool KeyRing::is_single(ByteView record) {
    return !record.empty() && record[0] == '{';
}

Result<KeyRing> KeyRing::parse(ByteView record, const crypto::RootKey& root,
                               std::string_view context) {
    if (is_single(record)) {
        SigningKey key = TRY(SigningKey::from_record(record, root, context));
        Time made = key.certificate().not_before() + kSigningKeyBackdate;
        return of(std::move(key), made);
    }
    SecretBytes opened = TRY(root.open(outer_context(context), record));
    Json json = TRY(parse_json_object(as_text(opened.expose())));
    if (TRY(json_integer(json, "format")) != kRingFormat) {
        return fail(Code::unsupported, "the signing keys were stored by another version");
    }
    KeyRing out;
    Seconds longest = TRY(read_longest(json));
    const Json* keys = TRY(json_array(json, "keys"));
    if (keys->empty() || keys->size() > kMaxRingKeys) {
        return fail(Code::invalid, "there are {} signing keys", keys->size());
    }
    for (const Json& one : *keys) {
        out.keys_.push_back(TRY(parse_ring_key(one, root, context)));
        bool own = find_member(one, "longest") != nullptr;
        out.keys_.back().longest = own ? TRY(read_longest(one)) : longest;
    }
    TRY(out.check());
    return out;
}

Result<void> KeyRing::check() const {
    for (size_t i = 0; i < keys_.size(); ++i) {
        if (i > 0 && keys_[i].signs_from < keys_[i - 1].signs_from) {
            return fail(Code::invalid, "the signing keys are out of order");
        }
        for (size_t other = 0; other < i; ++other) {
            if (keys_[other].kid != keys_[i].kid) continue;
            return fail(Code::invalid, "a signing key is there twice");
        }
    }
    if (!keys_.back().signer) return fail(Code::invalid, "the newest key cannot sign");
    return {};
}

const RingKey& KeyRing::signing(Time now) const {
    const RingKey* out = nullptr;
    for (const RingKey& key : keys_) {
        bool came = key.signs_from <= now;
        // Before the first one's hour (a clock was set back) the first that can sign does.
        if (key.signer && (came || out == nullptr)) out = &key;
    }
    return *out;  // the newest can sign
}

std::optional<Time> KeyRing::signs_until(const RingKey& key) const {
    size_t next = static_cast<size_t>(&key - keys_.data()) + 1;
    if (next >= keys_.size()) return std::nullopt;
    return keys_[next].signs_from;
}

std::optional<Time> KeyRing::published_until(const RingKey& key) const {
    auto until = signs_until(key);
    if (!until) return std::nullopt;
    return *until + key.longest + kKeyLeeway;
}

bool KeyRing::is_published(const RingKey& key, Time now) const {
    auto until = published_until(key);
    return !until || now <= *until || &key == &signing(now);
}

bool KeyRing::is_spent(const RingKey& key, Time now) const {
    auto until = signs_until(key);
    return key.signer && until && now > *until + kKeyLeeway && &key != &signing(now);
}

Json KeyRing::jwks(Time now) const {
    const RingKey& first = signing(now);
    Json list = Json::array({first.entry});
    for (const RingKey& key : keys_) {
        if (&key != &first && is_published(key, now)) list.push_back(key.entry);
    }
    return {{"keys", std::move(list)}};
}

Json KeyRing::algorithms(Time now) const {
    Json out = Json::array();
    const Json set = jwks(now);
    for (const Json& entry : set["keys"]) {
        if (std::ranges::find(out, entry["alg"]) == out.end()) out.push_back(entry["alg"]);
    }
    return out;
}

void KeyRing::allow_lifetime(Seconds longest, Time now) {
    // Who asks signs a moment later, and another key's hour may have come by then.
    for (Time when : {now, now + kKeyLeeway}) {
        RingKey& key = keys_[static_cast<size_t>(&signing(when) - keys_.data())];
        key.longest = std::max(key.longest, longest);
    }
}

bool KeyRing::allows_lifetime(Seconds longest, Time now) const {
    return longest <= signing(now).longest && longest <= signing(now + kKeyLeeway).longest;
}

Result<void> KeyRing::add(SigningKey key, Time from, Time now, Seconds longest) {
    if (newest().signs_from > now + kKeyAnnounced + kKeyLeeway) {
        return fail(Code::conflict, "the newest signing key is from {}: is the clock right?",
                    format_rfc3339(newest().signs_from));
    }
    if (keys_.size() == kMaxRingKeys) {
        return fail(Code::conflict,
                    "{} signing keys are published, which is the most: the next one can come at {}",
                    kMaxRingKeys, format_rfc3339(*published_until(keys_.front())));
    }
    KeyRing one = TRY(of(std::move(key), from));
    one.allow_lifetime(longest, from);
    for (RingKey& known : keys_) known.signs_from = std::min(known.signs_from, from);
    keys_.push_back(std::move(one.keys_.front()));
    return {};
}

bool KeyRing::bring_forward(Time now) {
    if (newest().signs_from <= now) return false;
    for (RingKey& key : keys_) key.signs_from = std::min(key.signs_from, now);
    return true;
}

bool KeyRing::needs_tidying(Time now) const {
    return std::ranges::any_of(
        keys_, [&](const RingKey& key) { return is_spent(key, now) || !is_published(key, now); });
}

std::vector<std::string> KeyRing::tidy(Time now) {
    std::vector<std::string> dropped;
    std::vector<RingKey> kept;
    for (RingKey& key : keys_) {
        if (!is_published(key, now)) {
            dropped.push_back(key.kid);
            continue;
        }
        kept.push_back(key);
        if (is_spent(key, now)) kept.back().signer.reset();
    }
    keys_ = std::move(kept);
    return dropped;
}

}  // namespace vouchsafe::jose
