#include "vouchsafe/vault/remembered.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/jose/jwk.h"
#include "vouchsafe/vault/object_kind.h"
#include "vouchsafe/vault/secrets/secret_records.h"

namespace vouchsafe::vault {

namespace {

// found_or_made is what is kept of these bytes, or what `make` makes of them now.
template <typename Value, size_t most, typename Make>
Result<std::shared_ptr<const Value>> found_or_made(Kept<Value, most>& kept, const Bytes& bytes,
                                                   Make make) {
    if (auto found = kept.find(bytes)) return found;
    auto made = std::make_shared<const Value>(TRY(make()));
    kept.keep(bytes, made);
    return made;
}

// both joins the bytes of two records so that no other two give the same.
Bytes both(const StoredObject& object) {
    return Writer().u64_be(object.record.size()).bytes(object.record).bytes(object.version).take();
}

}  // namespace

Result<std::shared_ptr<const Key>> Remembered::key(const StoredObject& object) {
    return found_or_made(keys_, both(object), [&] { return key_of(object); });
}

Result<std::shared_ptr<const secrets::Secret>> Remembered::secret(const StoredObject& object) {
    return found_or_made(secrets_, both(object), [&] { return secrets::secret_of(object); });
}

Result<std::shared_ptr<const std::string>> Remembered::current_version(const Bytes& record) {
    return found_or_made(current_versions_, record, [&]() -> Result<std::string> {
        const Result<Json> json = parse_json_object(as_text(record));
        std::string version = json ? text_or_empty(*json, "current") : "";
        if (version.empty()) return fail(Code::io, "the record names no version");
        return version;
    });
}

Result<std::shared_ptr<const Json>> Remembered::public_jwk(const KeyVersion& version) {
    return found_or_made(public_jwks_, version.spki, [&] { return vault::public_jwk(version); });
}

Result<std::shared_ptr<const policy::ReleasePolicy>> Remembered::release_policy(
    const std::string& text) {
    return found_or_made(policies_, to_bytes(text),
                         [&] { return policy::ReleasePolicy::parse(text); });
}

Result<std::shared_ptr<const TeeKey>> Remembered::tee_key(const Json& jwk) {
    // By a digest, as a machine may have put anything into it.
    const auto digest = crypto::sha256(as_bytes(dump_json(jwk)));
    const Bytes name(digest.begin(), digest.end());
    return found_or_made(tee_keys_, name, [&]() -> Result<TeeKey> {
        crypto::PublicKey key = TRY(jose::parse_jwk(jwk));
        std::string thumbprint = encode_base64url(jose::thumbprint(key));
        return TeeKey{std::move(key), std::move(thumbprint)};
    });
}

}  // namespace vouchsafe::vault
