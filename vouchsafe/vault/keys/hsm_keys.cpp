#include "vouchsafe/vault/keys/hsm_keys.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/key_seal.h"

namespace vouchsafe::vault {

namespace {

constexpr uint8_t kPlaceFormat = 1;
constexpr size_t kIdSize = 16;
constexpr size_t kMaxIdSize = 64;
constexpr size_t kMaxSweep = 256;
constexpr int64_t kAtOnce = 0;
constexpr Seconds kLongest{3600};         // that making a key takes, and storing its version
constexpr Seconds kStillMade{24 * 3600};  // how long a key may turn up that was given up

// Pending is a key that may have to be removed.
struct Pending {
    std::string token;
    std::string vault, key;  // whose version it is to be
    int64_t due = 0;         // seconds since 1970; kAtOnce: it is given up, nobody adopts it
    int64_t until = 0;       // so long it is looked for if the token does not have it
};

std::string pending_context(const std::string& id) {
    return "a key in an HSM that may have to go: " + id;
}

Bytes seal_pending(const Core& core, const std::string& id, const Pending& pending) {
    const std::string json = dump_json({{"token", pending.token},
                                        {"vault", pending.vault},
                                        {"key", pending.key},
                                        {"due", pending.due},
                                        {"until", pending.until}});
    return seal_key(*core.root, pending_context(id), as_bytes(json));
}

Result<Pending> open_pending(const Core& core, const std::string& id, ByteView sealed) {
    const SecretBytes opened = TRY(open_key(*core.root, pending_context(id), sealed));
    const Json json = TRY(parse_json_object(opened.expose_text()));
    Pending out;
    out.token = TRY(json_string(json, "token"));
    out.vault = TRY(json_string(json, "vault"));
    out.key = TRY(json_string(json, "key"));
    out.due = TRY(json_integer(json, "due"));
    out.until = TRY(json_integer(json, "until"));
    return out;
}

Result<std::optional<Pending>> read_pending(const Core& core, store::View& view,
                                            const std::string& id) {
    const auto bytes = TRY(view.get(kHsmPendingTable, id));
    if (!bytes) return std::optional<Pending>();
    auto pending = open_pending(core, id, *bytes);
    if (!pending) return fail(Code::io, "a record of {} is damaged", kHsmPendingTable);
    return std::optional(std::move(*pending));
}

Result<HsmKeySpec> spec_in_hsm(const KeySpec& spec) {
    switch (spec.family) {
        case KeyFamily::rsa:
            return HsmKeySpec{HsmKeyKind::rsa, spec.bits, {}};
        case KeyFamily::ec:
            if (spec.curve != crypto::Curve::p256k) {
                return HsmKeySpec{HsmKeyKind::ec, 0, spec.curve};
            }
            return fail(Code::invalid,
                        "The HSM has no keys on P-256K: make one of kind EC, or on another curve.");
        case KeyFamily::oct:
            break;
    }
    if (spec.bits <= 256) return HsmKeySpec{HsmKeyKind::aes, spec.bits, {}};
    return fail(Code::invalid,
                "The HSM has AES keys of up to 256 bits: a key for HMAC is of kind oct.");
}

// announce notes an id before there is a key.
Result<HsmPlace> announce(Core& core, const KeyOrder& order) {
    HsmPlace place{core.hsm->token(), crypto::random_bytes(kIdSize)};
    const std::string id = encode_hex(place.id);
    const int64_t due = to_unix(core.clock.now() + kLongest);
    const Pending pending{place.token, order.vault, order.name, due, 0};
    TRY(core.store.run([&](store::Transaction& tx) {
        return tx.insert(kHsmPendingTable, id, seal_pending(core, id, pending));
    }));
    return place;
}

using UseVersion = std::function<Result<void>(const std::string& place, const KeyVersion& version)>;

Result<void> each_version(store::View& view, std::string_view vault, std::string_view key,
                          const UseVersion& use) {
    const std::string prefix = version_record_key(vault, key, "");
    for (std::string after;;) {
        const auto page = TRY(view.scan(kVersionTable, prefix, after, store::kMaxScan));
        for (const store::Record& record : page) {
            TRY(use(record.key, TRY(parse_key_version(record.value))));
        }
        if (page.size() < store::kMaxScan) return {};
        after = page.back().key;
    }
}

Result<SecretBytes> open_version(const Core& core, store::View& view, std::string_view vault,
                                 std::string_view key, const std::string& place,
                                 const KeyVersion& version) {
    const auto sealed = TRY(view.get(kSecretTable, place));
    if (!sealed) return fail(Code::io, "what is sealed of {} is missing", place);
    return open_sealed_private(core, vault, key, version, *sealed);
}

// is_used tells whether a version of the key that it was made for refers to it. All of them are
// opened: in a version whose record denies that it is in an HSM, what is sealed does not open.
Result<bool> is_used(const Core& core, store::View& view, const Pending& pending,
                     const std::string& id) {
    bool used = false;
    const auto look = [&](const std::string& place, const KeyVersion& version) -> Result<void> {
        const SecretBytes opened =
            TRY(open_version(core, view, pending.vault, pending.key, place, version));
        if (!version.in_hsm) return {};
        const HsmPlace in = TRY(parse_hsm_place(opened.expose()));
        used = used || (in.token == pending.token && encode_hex(in.id) == id);
        return {};
    };
    TRY(each_version(view, pending.vault, pending.key, look));
    return used;
}

// claim_pending makes sure that nobody adopts the key any more. It returns nullopt if somebody has.
Result<std::optional<Pending>> claim_pending(Core& core, const std::string& id, Time until) {
    std::optional<Pending> claimed;
    bool used = false;
    TRY(core.store.run([&](store::Transaction& tx) -> Result<void> {
        claimed = TRY(read_pending(core, tx, id));
        if (!claimed || claimed->due == kAtOnce) return {};
        used = TRY(is_used(core, tx, *claimed, id));
        if (used) {
            claimed.reset();
            TRY(tx.erase(kHsmPendingTable, id));
            return {};
        }
        claimed->due = kAtOnce;
        claimed->until = to_unix(until);
        return tx.put(kHsmPendingTable, id, seal_pending(core, id, *claimed));
    }));
    if (used) {
        log_event(LogLevel::error,
                  "somebody wrote into the store that a key in use be removed from the HSM",
                  {{"id", id}});
    }
    return claimed;
}

// remove_pending returns whether it was removed, or is not there and will not be. One that nobody
// has is looked for until `until`: it may still be in the making.
Result<bool> remove_pending(Core& core, const std::string& id, Time until) {
    const auto pending = TRY(claim_pending(core, id, until));
    if (!pending) return false;
    const auto removed = core.hsm->remove(TRY(decode_hex(id)));
    if (!removed && removed.error().code != Code::not_found) return fail(removed.error());
    if (!removed && to_unix(core.clock.now()) < pending->until) return false;
    TRY(core.store.run([&](store::Transaction& tx) -> Result<void> {
        TRY(tx.erase(kHsmPendingTable, id));
        return {};
    }));
    return true;
}

// find_due gives the ids of this token that are due, whatever else lies in the table.
Result<std::vector<std::string>> find_due(const Core& core) {
    std::vector<std::string> due;
    size_t strange = 0;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        for (std::string after;;) {
            const auto page = TRY(view.scan(kHsmPendingTable, "", after, store::kMaxScan));
            for (const store::Record& record : page) {
                const auto pending = open_pending(core, record.key, record.value);
                if (!pending) ++strange;
                if (!pending || pending->token != core.hsm->token()) continue;
                if (pending->due <= to_unix(core.clock.now())) due.push_back(record.key);
            }
            if (page.size() < store::kMaxScan) return {};
            after = page.back().key;
        }
    }));
    if (strange > 0) {
        log_event(LogLevel::error, "records about keys in the HSM are not this vault's",
                  {{"table", kHsmPendingTable}, {"records", strange}});
    }
    return due;
}

// check_root: what does not open although the store's own proof does is damaged for good.
Result<void> check_root(const Core& core, store::View& view) {
    const auto proof = TRY(view.get(kMetaTable, kRootKey));
    if (proof && core.root->open(kRootContext, *proof)) return {};
    return fail(Code::unavailable, "this service has not the root key that the store is under");
}

// make_in_hsm makes the key by `make`, which is told its name and whether it can be released.
template <typename Make>
Result<KeyMaterial> make_in_hsm(Core& core, const KeyOrder& order, const KeySpec& spec,
                                const Make& make) {
    const HsmKeySpec wanted = TRY(spec_in_hsm(spec));
    const HsmPlace place = TRY(announce(core, order));
    KeyMaterial out{spec, {}, {}, place};
    const HsmKeyName name{place.id, fmt::format("{}/{}", order.vault, order.name)};
    const auto releasable = order.exportable ? Releasable::yes : Releasable::no;
    Result<HsmKey> made = make(wanted, name, releasable);
    if (made && spec.family != KeyFamily::oct) {
        auto half = made->public_key();
        if (half) out.spki = half->spki();
        if (!half) made = fail(std::move(half.error()));
    }
    if (!made) {
        abandon(core, out);
        return fail(hsm_error(std::move(made.error())));
    }
    out.secret = SecretBytes::copy_of(encode_hsm_place(place));
    return out;
}

}  // namespace

Bytes encode_hsm_place(const HsmPlace& place) {
    return Writer()
        .u8(kPlaceFormat)
        .u8(static_cast<uint8_t>(place.token.size()))
        .bytes(as_bytes(place.token))
        .bytes(place.id)
        .take();
}

Result<HsmPlace> parse_hsm_place(ByteView bytes) {
    Reader reader(bytes, "place of a key in an HSM");
    const uint8_t format = TRY(reader.u8("format"));
    if (format != kPlaceFormat) {
        return fail(Code::unsupported, "place of a key in an HSM, of format {}", format);
    }
    HsmPlace out;
    const uint8_t size = TRY(reader.u8("size of the label"));
    out.token = to_text(TRY(reader.take(size, "label")));
    out.id = to_bytes(TRY(reader.rest("id")));
    if (out.token.empty() || out.id.empty() || out.id.size() > kMaxIdSize) {
        return fail(Code::invalid, "place of a key in an HSM: label or id of another size");
    }
    return out;
}

bool goes_to_hsm(const Core& core, std::string_view kty) {
    return core.hsm.has_value() && kty.ends_with("-HSM");
}

Result<KeyMaterial> make_material(Core& core, const KeyOrder& order, const KeySpec& spec) {
    if (!goes_to_hsm(core, order.kty)) return generate_material(spec);
    return make_in_hsm(
        core, order, spec,
        [&](const HsmKeySpec& wanted, const HsmKeyName& name, Releasable releasable) {
            return core.hsm->generate(wanted, name, releasable);
        });
}

Result<KeyMaterial> place_material(Core& core, const KeyOrder& order, KeyMaterial brought) {
    if (!goes_to_hsm(core, order.kty)) return brought;
    return make_in_hsm(
        core, order, brought.spec,
        [&](const HsmKeySpec& wanted, const HsmKeyName& name, Releasable releasable) {
            return core.hsm->import_key(wanted, brought.secret.expose(), name, releasable);
        });
}

Result<void> adopt(const Core& core, store::Transaction& tx, const KeyMaterial& material) {
    if (!material.hsm) return {};
    const std::string id = encode_hex(material.hsm->id);
    const auto pending = TRY(read_pending(core, tx, id));
    if (!pending || pending->due == kAtOnce) {
        return fail(Code::unavailable, "making the key in the HSM took too long: try again");
    }
    TRY(tx.erase(kHsmPendingTable, id));
    return {};
}

void abandon(Core& core, const KeyMaterial& material) {
    if (!material.hsm) return;
    const auto removed = remove_pending(core, encode_hex(material.hsm->id), core.clock.now());
    if (removed) return;
    log_event(LogLevel::warn, "a key that was not needed is still in the HSM",
              {{"problem", removed.error().message}});
}

Result<size_t> doom_hsm_keys(const Core& core, store::Transaction& tx, std::string_view vault,
                             std::string_view key) {
    size_t left = 0;
    const auto doom = [&](const std::string& place, const KeyVersion& version) -> Result<void> {
        if (!version.in_hsm) return {};
        const auto opened = open_version(core, tx, vault, key, place, version);
        if (!opened) {
            TRY(check_root(core, tx));
            log_event(LogLevel::error, "a key that is purged stays in the HSM: its place is lost",
                      {{"key", place}, {"problem", opened.error().message}});
            ++left;
            return {};
        }
        const HsmPlace in = TRY(parse_hsm_place(opened->expose()));
        const std::string id = encode_hex(in.id);
        const Pending pending{in.token, std::string(vault), std::string(key), kAtOnce, 0};
        return tx.put(kHsmPendingTable, id, seal_pending(core, id, pending));
    };
    TRY(each_version(tx, vault, key, doom));
    return left;
}

Result<size_t> sweep_hsm(Core& core) {
    if (!core.hsm) return size_t{0};
    const auto due = TRY(find_due(core));
    if (due.empty()) return size_t{0};
    TRY(core.hsm->check());
    size_t removed = 0;
    for (const std::string& id : due) {
        const auto done = remove_pending(core, id, core.clock.now() + kStillMade);
        if (done && *done) ++removed;
        if (!done) {
            log_event(LogLevel::warn, "a key that nobody needs is still in the HSM",
                      {{"id", id}, {"problem", done.error().message}});
        }
        if (removed == kMaxSweep) break;
    }
    return removed;
}

Result<HsmKey> open_hsm_key(const Core& core, ByteView reference) {
    const HsmPlace place = TRY(parse_hsm_place(reference));
    if (!core.hsm || core.hsm->token() != place.token) {
        return fail(Code::unavailable,
                    "the key is in the HSM token '{}', which this service was "
                    "not started with",
                    place.token);
    }
    Result<HsmKey> found = core.hsm->find(place.id);
    if (!found) return fail(hsm_error(std::move(found.error())));
    return found;
}

Error hsm_error(Error error) {
    switch (error.code) {
        case Code::unsupported:
        case Code::invalid:
            return Error{
                Code::invalid,
                fmt::format("The HSM that has the key does not do this: {}", error.message),
                {}};
        case Code::not_found:
            return Error{Code::io, std::move(error.message), {}};
        case Code::bad_evidence:
        case Code::io:
            return error;
        default:
            return Error{Code::unavailable, std::move(error.message), {}};
    }
}

}  // namespace vouchsafe::vault
