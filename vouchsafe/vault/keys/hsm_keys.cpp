#include "vouchsafe/vault/keys/hsm_keys.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::vault {

namespace {

constexpr uint8_t kPlaceFormat = 1;
constexpr size_t kIdSize = 16;
constexpr size_t kMaxIdSize = 64;
constexpr size_t kMaxSweep = 256;
constexpr int64_t kAtOnce = 0;
constexpr Seconds kLongest{3600};  // that making a key takes, and storing its version

struct Pending {
    std::string token;
    int64_t due = 0;
};

Bytes encode_pending(const Pending& pending) {
    return to_bytes(dump_json({{"token", pending.token}, {"due", pending.due}}));
}

Result<Pending> parse_pending(ByteView bytes) {
    const Json json = TRY(parse_json_object(as_text(bytes)));
    Pending out;
    out.token = TRY(json_string(json, "token"));
    out.due = TRY(json_integer(json, "due"));
    return out;
}

Result<std::optional<Pending>> read_pending(store::View& view, const std::string& id) {
    const auto bytes = TRY(view.get(kHsmPendingTable, id));
    if (!bytes) return std::optional<Pending>();
    const auto pending = parse_pending(*bytes);
    if (!pending) return fail(Code::io, "a record of {} is damaged", kHsmPendingTable);
    return std::optional(*pending);
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
Result<HsmPlace> announce(Core& core) {
    HsmPlace place{core.hsm->token(), crypto::random_bytes(kIdSize)};
    const Pending pending{place.token, to_unix(core.clock.now() + kLongest)};
    TRY(core.store.run([&](store::Transaction& tx) {
        return tx.insert(kHsmPendingTable, encode_hex(place.id), encode_pending(pending));
    }));
    return place;
}

// claim_pending makes sure that nobody adopts the key any more. It returns false if somebody has.
Result<bool> claim_pending(Core& core, const std::string& id) {
    bool claimed = false;
    TRY(core.store.run([&](store::Transaction& tx) -> Result<void> {
        auto pending = TRY(read_pending(tx, id));
        claimed = pending.has_value();
        if (!claimed || pending->due == kAtOnce) return {};
        pending->due = kAtOnce;
        return tx.put(kHsmPendingTable, id, encode_pending(*pending));
    }));
    return claimed;
}

Result<bool> remove_pending(Core& core, const std::string& id) {
    if (!TRY(claim_pending(core, id))) return false;
    auto removed = core.hsm->remove(TRY(decode_hex(id)));
    const bool gone = removed || removed.error().code == Code::not_found;
    if (!gone) return fail(std::move(removed.error()));
    TRY(core.store.run([&](store::Transaction& tx) -> Result<void> {
        TRY(tx.erase(kHsmPendingTable, id));
        return {};
    }));
    return true;
}

// make_in_hsm makes the key by `make`, which is told its name and whether it can be released.
template <typename Make>
Result<KeyMaterial> make_in_hsm(Core& core, const KeyOrder& order, const KeySpec& spec,
                                const Make& make) {
    const HsmKeySpec wanted = TRY(spec_in_hsm(spec));
    const HsmPlace place = TRY(announce(core));
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

Result<void> adopt(store::Transaction& tx, const KeyMaterial& material) {
    if (!material.hsm) return {};
    const std::string id = encode_hex(material.hsm->id);
    const auto pending = TRY(read_pending(tx, id));
    if (!pending || pending->due == kAtOnce) {
        return fail(Code::unavailable, "making the key in the HSM took too long: try again");
    }
    TRY(tx.erase(kHsmPendingTable, id));
    return {};
}

void abandon(Core& core, const KeyMaterial& material) {
    if (!material.hsm) return;
    const auto removed = remove_pending(core, encode_hex(material.hsm->id));
    if (removed) return;
    log_event(LogLevel::warn, "a key that was not needed is still in the HSM",
              {{"problem", removed.error().message}});
}

Result<void> doom_hsm_keys(const Core& core, store::Transaction& tx, std::string_view vault,
                           std::string_view key) {
    const std::string prefix = version_record_key(vault, key, "");
    std::string after;
    for (bool more = true; more;) {
        const auto records = TRY(tx.scan(kVersionTable, prefix, after, store::kMaxScan));
        for (const store::Record& record : records) {
            const KeyVersion version = TRY(parse_key_version(record.value));
            if (!version.in_hsm) continue;
            const auto sealed = TRY(tx.get(kSecretTable, record.key));
            if (!sealed) return fail(Code::io, "what is sealed of {} is missing", record.key);
            const SecretBytes place = TRY(open_sealed_private(core, vault, key, version, *sealed));
            const HsmPlace in = TRY(parse_hsm_place(place.expose()));
            TRY(tx.put(kHsmPendingTable, encode_hex(in.id), encode_pending({in.token, kAtOnce})));
        }
        more = records.size() == store::kMaxScan;
        if (more) after = records.back().key;
    }
    return {};
}

Result<size_t> sweep_hsm(Core& core) {
    if (!core.hsm) return size_t{0};
    std::vector<std::string> due;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        for (const store::Record& record : TRY(view.scan(kHsmPendingTable, "", "", kMaxSweep))) {
            const auto pending = TRY(read_pending(view, record.key));
            const bool ours = pending && pending->token == core.hsm->token();
            if (ours && pending->due <= to_unix(core.clock.now())) due.push_back(record.key);
        }
        return {};
    }));
    size_t removed = 0;
    for (const std::string& id : due) removed += TRY(remove_pending(core, id)) ? 1 : 0;
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
