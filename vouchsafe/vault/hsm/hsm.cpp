#include "vouchsafe/vault/hsm/hsm.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/der.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/crypto/wrap.h"
#include "vouchsafe/vault/hsm/hsm_key_state.h"
#include "vouchsafe/vault/hsm/pkcs11_error.h"

namespace vouchsafe::vault {

namespace {

constexpr size_t kMaxId = 64;
constexpr size_t kMaxLabel = 255;
constexpr size_t kWrappingKeySize = 32;
constexpr uint8_t kExponent[] = {0x01, 0x00, 0x01};
constexpr uint8_t kDerOctetString = 0x04;
constexpr uint8_t kUncompressedPoint = 0x04;  // SEC 1, 2.3.3

Result<void> check_spec(const HsmKeySpec& spec) {
    switch (spec.kind) {
        case HsmKeyKind::rsa:
            if (spec.bits == 2048 || spec.bits == 3072 || spec.bits == 4096) return {};
            return fail(Code::invalid, "an RSA key in an HSM has 2048, 3072 or 4096 bits");
        case HsmKeyKind::ec:
            if (!ec_parameters(spec.curve).empty()) return {};
            return fail(Code::unsupported, "EC keys in an HSM are on P-256, P-384 or P-521");
        case HsmKeyKind::aes:
            if (spec.bits == 128 || spec.bits == 192 || spec.bits == 256) return {};
            break;
    }
    return fail(Code::invalid, "an AES key in an HSM has 128, 192 or 256 bits");
}

// describe_secret_half is the template of what stays in the token.
Template describe_secret_half(const HsmKeySpec& spec, const HsmKeyName& name,
                              Releasable releasable) {
    Template out;
    out.number(CKA_CLASS, key_class(spec.kind))
        .number(CKA_KEY_TYPE, key_type(spec.kind))
        .flag(CKA_TOKEN, true)
        .flag(CKA_PRIVATE, true)
        .flag(CKA_SENSITIVE, true)
        .flag(CKA_EXTRACTABLE, releasable == Releasable::yes)
        .bytes(CKA_ID, name.id)
        .bytes(CKA_LABEL, as_bytes(name.label));
    if (spec.kind == HsmKeyKind::aes) {
        for (CK_ATTRIBUTE_TYPE purpose : {CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP, CKA_UNWRAP}) {
            out.flag(purpose, true);
        }
    } else {
        out.flag(CKA_SIGN, true).flag(CKA_DECRYPT, spec.kind == HsmKeyKind::rsa);
    }
    // The last one: SoftHSM sets attributes in this order, and after it no more when unwrapping.
    out.flag(CKA_MODIFIABLE, false);
    return out;
}

Template describe_public_half(const HsmKeySpec& spec, const HsmKeyName& name) {
    Template out;
    out.number(CKA_CLASS, CKO_PUBLIC_KEY)
        .number(CKA_KEY_TYPE, key_type(spec.kind))
        .flag(CKA_TOKEN, true)
        .flag(CKA_PRIVATE, false)
        .flag(CKA_MODIFIABLE, false)
        .flag(CKA_VERIFY, true)
        .flag(CKA_ENCRYPT, spec.kind == HsmKeyKind::rsa)
        .bytes(CKA_ID, name.id)
        .bytes(CKA_LABEL, as_bytes(name.label));
    return out;
}

CK_RV generate_pair(Token& token, CK_SESSION_HANDLE session, const HsmKeySpec& spec,
                    const HsmKeyName& name, Releasable releasable) {
    const bool rsa = spec.kind == HsmKeyKind::rsa;
    Template secret = describe_secret_half(spec, name, releasable);
    Template open = describe_public_half(spec, name);
    if (rsa) open.number(CKA_MODULUS_BITS, spec.bits).bytes(CKA_PUBLIC_EXPONENT, kExponent);
    if (!rsa) open.bytes(CKA_EC_PARAMS, ec_parameters(spec.curve));
    CK_MECHANISM mechanism{rsa ? CKM_RSA_PKCS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN, nullptr, 0};
    CK_OBJECT_HANDLE halves[2] = {};
    return token.api().C_GenerateKeyPair(session, &mechanism, open.data(), open.size(),
                                         secret.data(), secret.size(), &halves[0], &halves[1]);
}

CK_RV generate_aes(Token& token, CK_SESSION_HANDLE session, const HsmKeySpec& spec,
                   const HsmKeyName& name, Releasable releasable) {
    Template secret = describe_secret_half(spec, name, releasable);
    secret.number(CKA_VALUE_LEN, spec.bits / 8);
    CK_MECHANISM mechanism{CKM_AES_KEY_GEN, nullptr, 0};
    CK_OBJECT_HANDLE handle = 0;
    return token.api().C_GenerateKey(session, &mechanism, secret.data(), secret.size(), &handle);
}

// encode_point is CKA_EC_POINT: the point in an OCTET STRING. All of ours are shorter than 256.
Bytes encode_point(const crypto::EcPublicParts& point) {
    const size_t size = 1 + point.x.size() + point.y.size();
    Writer out;
    out.u8(kDerOctetString);
    if (size >= 0x80) out.u8(0x81);
    return out.u8(static_cast<uint8_t>(size))
        .u8(kUncompressedPoint)
        .bytes(point.x)
        .bytes(point.y)
        .take();
}

// parse_point takes the bare point too: there are tokens that leave out the OCTET STRING.
Result<crypto::PublicKey> parse_point(crypto::Curve curve, ByteView encoded) {
    ByteView point = encoded;
    if (auto element = crypto::parse_der_element(encoded);
        element && element->tag == kDerOctetString && element->whole.size() == encoded.size()) {
        point = element->content;
    }
    if (point.size() % 2 != 1 || point[0] != kUncompressedPoint) {
        return fail(Code::unsupported, "the token gives the EC point in a form that is not known");
    }
    const size_t width = point.size() / 2;
    return crypto::PublicKey::from_ec(curve, point.subspan(1, width), point.subspan(1 + width));
}

// What find reads.
struct FoundKey {
    bool found = false;
    CK_ULONG type = 0;
    CK_ULONG value_size = 0;
    bool never_outside = false;
    Bytes extractable, modulus, exponent, parameters, point;
};

// is_never_outside takes what a token does not say for no.
bool is_never_outside(const CK_FUNCTION_LIST& api, CK_SESSION_HANDLE session,
                      CK_OBJECT_HANDLE key) {
    for (CK_ATTRIBUTE_TYPE wanted : {CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE}) {
        Bytes value;
        const CK_RV rv = read_bytes(api, session, key, wanted, value);
        if (rv != CKR_OK || value.empty() || value[0] == CK_FALSE) return false;
    }
    return true;
}

CK_RV read_halves(Token& token, CK_SESSION_HANDLE session, const Bytes& id, FoundKey& out) {
    out = {};
    const CK_FUNCTION_LIST& api = token.api();
    std::optional<CK_OBJECT_HANDLE> secret, open;
    CK_RV rv = token.find_object(session, CKO_PRIVATE_KEY, id, secret);
    const bool pair = secret.has_value();
    if (rv == CKR_OK && !pair) rv = token.find_object(session, CKO_SECRET_KEY, id, secret);
    if (rv != CKR_OK || !secret) return rv;
    rv = read_number(api, session, *secret, CKA_KEY_TYPE, out.type);
    if (rv == CKR_OK) rv = read_bytes(api, session, *secret, CKA_EXTRACTABLE, out.extractable);
    if (rv != CKR_OK) return rv;
    out.found = true;
    if (!pair) {
        out.never_outside = is_never_outside(api, session, *secret);
        return read_number(api, session, *secret, CKA_VALUE_LEN, out.value_size);
    }
    rv = token.find_object(session, CKO_PUBLIC_KEY, id, open);
    if (rv != CKR_OK || !open) return rv;
    if (out.type == CKK_RSA) {
        rv = read_bytes(api, session, *open, CKA_MODULUS, out.modulus);
        if (rv == CKR_OK) rv = read_bytes(api, session, *open, CKA_PUBLIC_EXPONENT, out.exponent);
    } else if (out.type == CKK_EC) {
        rv = read_bytes(api, session, *open, CKA_EC_PARAMS, out.parameters);
        if (rv == CKR_OK) rv = read_bytes(api, session, *open, CKA_EC_POINT, out.point);
    }
    return rv;
}

// recognize turns what was read into a key of ours.
Result<void> recognize(const FoundKey& key, HsmKeySpec& spec,
                       std::optional<crypto::PublicKey>& public_half) {
    if (key.value_size != 0 && key.type == CKK_AES) {
        spec = {HsmKeyKind::aes, key.value_size * 8, {}};
        return check_spec(spec);
    }
    if (key.type == CKK_RSA && !key.modulus.empty()) {
        public_half = TRY(crypto::PublicKey::from_rsa(key.modulus, key.exponent));
        spec = {HsmKeyKind::rsa, public_half->bits(), {}};
        return check_spec(spec);
    }
    const auto curve = curve_of_parameters(key.parameters);
    if (key.type == CKK_EC && curve && !key.point.empty()) {
        public_half = TRY(parse_point(*curve, key.point));
        spec = {HsmKeyKind::ec, 0, *curve};
        return {};
    }
    return fail(Code::unsupported,
                "the token has a key with this id that is of another kind than ours, or whose "
                "public half is not in the token");
}

CK_RV put_aes(Token& token, CK_SESSION_HANDLE session, Template attributes, ByteView value) {
    attributes.bytes(CKA_VALUE, value);
    CK_OBJECT_HANDLE made = 0;
    return token.api().C_CreateObject(session, attributes.data(), attributes.size(), &made);
}

// put_private unwraps into the token what we wrapped a moment before: so a PKCS#8 goes in whole.
CK_RV put_private(Token& token, CK_SESSION_HANDLE session, Template attributes, ByteView kek,
                  ByteView wrapped) {
    const CK_FUNCTION_LIST& api = token.api();
    SessionObject wrapping(api, session);
    CK_RV rv = wrapping.create_secret(CKK_AES, kek, {CKA_UNWRAP}, false);
    if (rv != CKR_OK) return rv;
    CK_MECHANISM mechanism{CKM_AES_KEY_WRAP_PAD, nullptr, 0};
    CK_OBJECT_HANDLE made = 0;
    return api.C_UnwrapKey(session, &mechanism, wrapping.handle(), mutable_bytes(wrapped),
                           wrapped.size(), attributes.data(), attributes.size(), &made);
}

Result<void> put_public(Token& token, const HsmKeySpec& spec, const HsmKeyName& name,
                        const crypto::PublicKey& key) {
    Template attributes = describe_public_half(spec, name);
    crypto::RsaPublicParts rsa;
    Bytes point;
    if (spec.kind == HsmKeyKind::rsa) {
        rsa = TRY(key.rsa());
        attributes.bytes(CKA_MODULUS, rsa.modulus).bytes(CKA_PUBLIC_EXPONENT, rsa.exponent);
    } else {
        point = encode_point(TRY(key.ec()));
        attributes.bytes(CKA_EC_PARAMS, ec_parameters(spec.curve)).bytes(CKA_EC_POINT, point);
    }
    return token.run(Retry::before_start, "keeping the public half", [&](CK_SESSION_HANDLE s) {
        CK_OBJECT_HANDLE made = 0;
        return token.api().C_CreateObject(s, attributes.data(), attributes.size(), &made);
    });
}

// check_import holds the secret against what it is said to be.
Result<std::optional<crypto::PublicKey>> check_import(const HsmKeySpec& spec, ByteView secret) {
    if (spec.kind == HsmKeyKind::aes) {
        if (secret.size() * 8 == spec.bits) return std::optional<crypto::PublicKey>();
        return fail(Code::invalid, "the key has {} bits, not {}", secret.size() * 8, spec.bits);
    }
    const crypto::PublicKey key = TRY(crypto::PrivateKey::from_pkcs8(secret)).public_key();
    const bool rsa = spec.kind == HsmKeyKind::rsa;
    const bool fits = (key.type() == crypto::KeyType::rsa) == rsa &&
                      (rsa ? key.bits() == spec.bits : TRY(key.ec()).curve == spec.curve);
    if (!fits) return fail(Code::invalid, "the key is of another kind or size than it is said");
    return std::optional(key);
}

}  // namespace

Result<Hsm> Hsm::open(const HsmSettings& settings, SecretBytes pin) {
    return open(settings, std::make_shared<const SecretBytes>(std::move(pin)));
}

Result<Hsm> Hsm::open(const HsmSettings& settings, SharedPin pin) {
    return Hsm(TRY(Token::open(settings, std::move(pin))));
}

Result<void> Hsm::check_free(const Bytes& id) const {
    bool taken = false;
    token_->forget_object(id);  // another process may have removed it
    TRY(token_->run(Retry::always, "looking for a key", [&](CK_SESSION_HANDLE session) {
        for (CK_OBJECT_CLASS kind : {CKO_PRIVATE_KEY, CKO_SECRET_KEY, CKO_PUBLIC_KEY}) {
            std::optional<CK_OBJECT_HANDLE> handle;
            const CK_RV rv = token_->find_object(session, kind, id, handle);
            if (rv != CKR_OK) return rv;
            taken = taken || handle.has_value();
        }
        return CK_RV{CKR_OK};
    }));
    if (taken) return fail(Code::conflict, "the token has a key of this id already");
    return {};
}

Result<void> Hsm::check_new(const HsmKeySpec& spec, const HsmKeyName& name) const {
    TRY(check_spec(spec));
    if (name.id.empty() || name.id.size() > kMaxId || name.label.size() > kMaxLabel) {
        return fail(Code::invalid, "the id of a key has 1 to {} bytes, its label up to {}", kMaxId,
                    kMaxLabel);
    }
    return check_free(name.id);
}

Result<HsmKey> Hsm::generate(const HsmKeySpec& spec, const HsmKeyName& name,
                             Releasable releasable) const {
    TRY(check_new(spec, name));
    TRY(token_->run(Retry::before_start, "making a key", [&](CK_SESSION_HANDLE session) {
        const auto make = spec.kind == HsmKeyKind::aes ? generate_aes : generate_pair;
        return make(*token_, session, spec, name, releasable);
    }));
    return find(name.id);
}

Result<HsmKey> Hsm::import_key(const HsmKeySpec& spec, ByteView secret, const HsmKeyName& name,
                               Releasable releasable) const {
    TRY(check_new(spec, name));
    const auto public_half = TRY(check_import(spec, secret));
    if (!public_half) {
        TRY(token_->run(Retry::before_start, "importing a key", [&](CK_SESSION_HANDLE session) {
            return put_aes(*token_, session, describe_secret_half(spec, name, releasable), secret);
        }));
        return find(name.id);
    }
    if (!token_->offers(CKM_AES_KEY_WRAP_PAD)) {
        return fail(Code::unsupported,
                    "importing a key needs CKM_AES_KEY_WRAP_PAD, which this token does not offer: "
                    "make the key in the token instead");
    }
    const SecretBytes kek = crypto::random_secret(kWrappingKeySize);
    const Bytes wrapped = TRY(crypto::aes_kwp_wrap(kek.expose(), secret));
    TRY(token_->run(Retry::before_start, "importing a key", [&](CK_SESSION_HANDLE session) {
        return put_private(*token_, session, describe_secret_half(spec, name, releasable),
                           kek.expose(), wrapped);
    }));
    auto kept = put_public(*token_, spec, name, *public_half);
    if (kept) return find(name.id);
    size_t removed = 0;
    (void)remove_all(name.id, removed);  // what failed first is what the caller has to know
    return fail(std::move(kept.error()));
}

Result<HsmKey> Hsm::find(const Bytes& id) const {
    FoundKey key;
    auto read = [&](CK_SESSION_HANDLE session) { return read_halves(*token_, session, id, key); };
    CK_RV rv = TRY(token_->try_run(Retry::always, read));
    if (handle_stale(rv)) {
        token_->forget_object(id);
        rv = TRY(token_->try_run(Retry::always, read));
    }
    if (rv != CKR_OK) return fail_pkcs11(rv, "reading a key");
    if (!key.found) {
        return fail(Code::not_found, "the token has no key with the id {}", encode_hex(id));
    }
    auto state = std::make_shared<HsmKey::State>();
    state->token = token_;
    state->id = id;
    state->releasable = !key.extractable.empty() && key.extractable[0] != CK_FALSE;
    state->never_outside = key.never_outside;
    TRY(recognize(key, state->spec, state->public_half));
    return HsmKey(std::move(state));
}

Result<std::vector<Bytes>> Hsm::find_aes(const std::string& label) const {
    std::vector<Bytes> ids;
    TRY(token_->run(Retry::always, "looking for a key", [&](CK_SESSION_HANDLE session) -> CK_RV {
        ids.clear();
        const CK_FUNCTION_LIST& api = token_->api();
        Template wanted;
        wanted.number(CKA_CLASS, CKO_SECRET_KEY)
            .number(CKA_KEY_TYPE, CKK_AES)
            .flag(CKA_TOKEN, true)
            .number(CKA_VALUE_LEN, kWrappingKeySize)
            .bytes(CKA_LABEL, as_bytes(label));
        CK_RV rv = api.C_FindObjectsInit(session, wanted.data(), wanted.size());
        if (rv != CKR_OK) return rv;
        CK_OBJECT_HANDLE handles[64];
        CK_ULONG count = 0;
        rv = api.C_FindObjects(session, handles, std::size(handles), &count);
        api.C_FindObjectsFinal(session);
        for (CK_ULONG i = 0; rv == CKR_OK && i < std::min(count, std::size(handles)); ++i) {
            rv = read_bytes(api, session, handles[i], CKA_ID, ids.emplace_back());
        }
        return rv;
    }));
    std::ranges::sort(ids);
    return ids;
}

Result<void> Hsm::remove_all(const Bytes& id, size_t& removed) const {
    token_->forget_object(id);
    return token_->run(Retry::always, "removing a key", [&](CK_SESSION_HANDLE session) -> CK_RV {
        // The secret half first: without it the other is of no use.
        for (CK_OBJECT_CLASS kind : {CKO_PRIVATE_KEY, CKO_SECRET_KEY, CKO_PUBLIC_KEY}) {
            std::optional<CK_OBJECT_HANDLE> handle;
            CK_RV rv = token_->find_object(session, kind, id, handle);
            if (rv == CKR_OK && handle) rv = token_->api().C_DestroyObject(session, *handle);
            if (rv != CKR_OK && !handle_stale(rv)) return rv;
            if (rv == CKR_OK && handle) ++removed;
            token_->forget_object(id);
        }
        return CKR_OK;
    });
}

Result<void> Hsm::remove(const Bytes& id) const {
    size_t removed = 0;
    TRY(remove_all(id, removed));
    if (removed == 0) {
        return fail(Code::not_found, "the token has no key with the id {}", encode_hex(id));
    }
    return {};
}

const std::string& Hsm::token() const {
    return token_->label();
}

Result<void> Hsm::check() const {
    return token_->run(Retry::always, "asking the HSM", [&](CK_SESSION_HANDLE session) {
        uint8_t sign_of_life[8];
        return token_->api().C_GenerateRandom(session, sign_of_life, sizeof(sign_of_life));
    });
}

}  // namespace vouchsafe::vault
