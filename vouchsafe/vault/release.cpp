// Secure key release (azure-api A.7): the only way a private key leaves. The order of the checks is
// the specification's; nothing is fetched before the key's own policy has named whom to ask.
#include <algorithm>

#include "vouchsafe/access/network.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/wrap.h"
#include "vouchsafe/jose/signing_key.h"
#include "vouchsafe/policy/release/evaluate.h"
#include "vouchsafe/policy/release/release_change.h"
#include "vouchsafe/vault/key_rules.h"
#include "vouchsafe/vault/keys/hsm_keys.h"
#include "vouchsafe/vault/object_kind.h"
#include "vouchsafe/vault/operations.h"
#include "vouchsafe/vault/rule_uses.h"

namespace vouchsafe::vault {

namespace {

constexpr size_t kMinTeeKeyBits = 2048;
constexpr size_t kMaxToken = 256 << 10;
constexpr size_t kMaxChange = 32 << 10;  // bytes of the smallest change in an explanation
constexpr size_t kMaxTeeKeys = 16;       // looked at, in the token's order
constexpr std::string_view kTierClaim = "x-vouchsafe-trust-tier";

Result<crypto::HashAlg> parse_enc(const std::string& enc) {
    if (enc == "CKM_RSA_AES_KEY_WRAP") return crypto::HashAlg::sha1;
    if (enc == "RSA_AES_KEY_WRAP_256") return crypto::HashAlg::sha256;
    if (enc == "RSA_AES_KEY_WRAP_384") return crypto::HashAlg::sha384;
    return fail(Code::invalid,
                "enc is CKM_RSA_AES_KEY_WRAP, RSA_AES_KEY_WRAP_256 or RSA_AES_KEY_WRAP_384");
}

Result<void> check_authority_allowed(const Core& core, const std::string& authority,
                                     Checks& checks) {
    const net::Url url = TRY(net::Url::parse(authority));
    const std::vector<std::string> allowed = core.trusted.get();
    return checks.require(
        std::find(allowed.begin(), allowed.end(), url.origin()) != allowed.end(),
        "VAULT-AUTHORITY-ALLOWED", "authority",
        allowed.empty() ? "none is allowed" : fmt::format("{}", fmt::join(allowed, " or ")),
        url.origin());
}

// check_tier: tokens of attestation services that know no tiers, such as Azure's own, are about
// hardware; they are believed because the operator allowed that service.
Result<void> check_tier(const Core& core, const Json& claims, Checks& checks) {
    const Json* claim = find_member(claims, kTierClaim);
    // Without its type at the top it is no attestation in Azure's vocabulary: an EAR, for example,
    // which has its tier inside.
    const bool untold = claim == nullptr && find_member(claims, "x-ms-attestation-type") != nullptr;
    const std::string tier = untold ? "hardware" : claim == nullptr ? "none" : show_json(*claim);
    const bool hardware = untold || (claim != nullptr && *claim == "hardware");
    const bool simulated = claim != nullptr && *claim == "simulated";
    return checks.require(hardware || (simulated && core.config.allow_simulated),
                          "VAULT-TRUST-TIER", kTierClaim,
                          core.config.allow_simulated ? "hardware or simulated" : "hardware", tier);
}

void note_token(Call& call, const VerifiedClaims& token) {
    Json note = {{"iss", token.issuer()}};
    for (const char* name : {"jti", "iat", "exp"}) {
        if (const Json* claim = find_member(token.claims(), name)) {
            note[name] = show_json(*claim);
        }
    }
    call.details["token"] = std::move(note);
}

// note_refusal keeps what an explanation of the refusal tells whoever manages the key.
void note_refusal(Call& call, const policy::ReleasePolicy& policy, const VerifiedClaims& token) {
    call.details["explanation"] = policy::explain(policy, token).to_json();
    auto change = policy::smallest_change(policy, token.issuer(), token.claims());
    if (!change) return;
    // It quotes claims, some of which the machine chooses: it must not make the entry too long.
    Json told = change->to_json();
    if (dump_json(told).size() <= kMaxChange) call.details["smallest_change"] = std::move(told);
}

// judge_token is steps 4 to 8: from a token of anybody to the grant of the key's policy.
Result<policy::Grant> judge_token(Core& core, Call& call, const KeyRecord& key,
                                  const std::string& target) {
    Checks& checks = call.checks;
    Result<jose::ReadToken> read = core.key_sets.tokens().read(target, kMaxToken);
    const Result<std::string> issuer =
        read ? read->issuer() : Result<std::string>(fail(read.error()));
    if (!issuer) {
        return checks.refuse("TOKEN-FORMAT", "target", "a signed JSON Web Token in compact form",
                             issuer.error().message);
    }
    TRY(checks.require(jose::signing_algorithm(read->alg()).has_value(), "TOKEN-ALG", "alg",
                       "RS256, PS256 or ES256", show_json(read->alg())));
    const auto parsed = core.remembered.release_policy(key.policy);
    if (!parsed) return fail(Code::io, "the stored release policy of {} is damaged", key.name);
    const policy::ReleasePolicy& policy = **parsed;
    const std::string authority = TRY(policy::select_authority(policy, *issuer, checks));
    TRY(check_authority_allowed(core, authority, checks));

    access::KeySets::Keys keys = TRY(core.key_sets.find(authority, read->kid()));
    jose::JwtRules rules;
    rules.issuers = {authority};
    rules.now = core.clock.now();
    rules.skew = core.config.token_skew;
    rules.algorithms.assign(jose::kSigningAlgorithms.begin(), jose::kSigningAlgorithms.end());
    const VerifiedClaims token =
        TRY(core.key_sets.tokens().verify(std::move(*read), keys, rules, checks));
    note_token(call, token);
    TRY(check_tier(core, token.claims(), checks));
    Result<policy::Grant> grant = policy::evaluate(policy, token, checks);
    if (!grant) note_refusal(call, policy, token);
    return grant;
}

// Recipient is the key of the machine that the released key is encrypted to.
struct Recipient {
    std::string kid;
    std::shared_ptr<const TeeKey> tee;
};

bool is_encryption_key(const Json& jwk) {
    const Json* use = find_member(jwk, "use");
    if (use != nullptr && *use == "enc") return true;
    const Json* ops = find_member(jwk, "key_ops");
    return ops != nullptr && ops->is_array() &&
           std::find(ops->begin(), ops->end(), "encrypt") != ops->end();
}

// first_encryption_key finds the key of x-ms-runtime.keys that A.7 chooses, or nullptr. The runtime
// claims nested deeper in the token speak of other keys.
const Json* first_encryption_key(const Json& claims) {
    const Json* runtime = find_member(claims, "x-ms-runtime");
    const Json* keys = runtime == nullptr ? nullptr : find_member(*runtime, "keys");
    if (keys == nullptr || !keys->is_array()) return nullptr;
    for (size_t i = 0; i < std::min(keys->size(), kMaxTeeKeys); ++i) {
        if (is_encryption_key((*keys)[i])) return &(*keys)[i];
    }
    return nullptr;
}

Result<Recipient> select_tee_key(Core& core, const VerifiedClaims& token, Checks& checks) {
    constexpr std::string_view kField = "x-ms-runtime.keys";
    const std::string expected = fmt::format("an RSA encryption key of {} bits", kMinTeeKeyBits);
    const Json* jwk = first_encryption_key(token.claims());
    if (jwk == nullptr) return checks.refuse("VAULT-TEE-KEY", kField, expected, "none");
    const auto tee = core.remembered.tee_key(*jwk);
    if (!tee) return checks.refuse("VAULT-TEE-KEY", kField, expected, tee.error().message);
    const crypto::PublicKey& key = (*tee)->key;
    const bool rsa = key.type() == crypto::KeyType::rsa;
    TRY(checks.require(rsa && key.bits() >= kMinTeeKeyBits, "VAULT-TEE-KEY", kField, expected,
                       fmt::format("{} of {} bits", rsa ? "RSA" : "EC", key.bits())));
    return Recipient{text_or_empty(*jwk, "kid"), *tee};
}

// wrap_for encrypts the secret half to `to`; one in an HSM leaves it as ciphertext.
Result<Bytes> wrap_for(Core& core, const Call& call, const Key& key, const LoadedObject& loaded,
                       const crypto::PublicKey& to, crypto::HashAlg hash) {
    if (!key.version.in_hsm) {
        const SecretBytes pkcs8 = TRY(open_private(core, call, key, loaded));
        return crypto::rsa_aes_wrap(to, hash, pkcs8.expose());
    }
    const auto opened = TRY(open_key_for_use(core, call, key, loaded));
    Result<Bytes> wrapped = rsa_aes_wrap(to, hash, *opened->hsm_key());
    if (!wrapped) return fail(hsm_error(std::move(wrapped.error())));
    return wrapped;
}

// encode_key_hsm is the member `key_hsm`: the wrapped key and how it is wrapped.
std::string encode_key_hsm(const std::string& kid, const std::string& enc, ByteView ciphertext) {
    Json json = {{"schema_version", "1.0"},
                 {"header", {{"kid", kid}, {"alg", "dir"}, {"enc", enc}}}};
    json["ciphertext"] = encode_base64url(ciphertext);
    return encode_base64url(as_bytes(dump_json(json)));
}

Json release_header(const net::TlsIdentity& signer) {
    const crypto::Certificate& leaf = signer.chain.front();
    const Bytes sha1 = leaf.sha1_fingerprint();
    Json chain = Json::array();
    for (const crypto::Certificate& cert : signer.chain) {
        chain.push_back(encode_base64(cert.der()));
    }
    std::string kid = encode_hex(sha1);
    std::transform(kid.begin(), kid.end(), kid.begin(), [](char c) {
        return c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return {{"typ", "JWT"},
            {"kid", kid},
            {"x5t", encode_base64url(sha1)},
            {"x5t#S256", encode_base64url(leaf.sha256_fingerprint())},
            {"x5c", std::move(chain)}};
}

Json release_payload(const Call& call, const ReleaseBody& body, const Key& key, Json public_jwk,
                     std::string key_hsm) {
    Json request = {{"api-version", call.version->text()},
                    {"enc", body.enc},
                    {"kid", key_id(call.address.base, key.record.name, call.key_version)}};
    if (body.nonce) request["nonce"] = *body.nonce;
    Json jwk = encode_key(call.address.base, key, std::move(public_jwk));
    jwk["key_hsm"] = std::move(key_hsm);
    Json out = Json::object();
    out["request"] = std::move(request);
    Json& released = out["response"]["key"];
    released["key"] = std::move(jwk);
    released["attributes"] = encode_attributes(key, *call.version, *call.vault);
    released["release_policy"] = encode_policy(key.record);
    return out;
}

Result<void> check_releasable(const Key& key, Checks& checks) {
    TRY(check_enabled(key.version, checks));
    const bool exportable = key.record.exportable && !key.record.policy.empty();
    return checks.require(exportable, "VAULT-KEY-EXPORTABLE", "attributes.exportable",
                          "true, with a release policy", exportable ? "true" : "false");
}

// Counted is what counts a release where the key has rules.
struct Counted {
    ReleaseRules rules;
    TokenUse use;
};

// judge_caller_again goes by the vault's settings of now.
Result<void> judge_caller_again(store::View& view, Core& core, Call& call) {
    const std::shared_ptr<const StoredVault> judged = call.judged_vault;
    call.vault = {judged, &judged->info};
    if (!TRY(is_vault_as_stored(view, judged->info.name, judged->record))) {
        auto now = TRY(read_vault(view, judged->info.name));
        if (!now) return fail(Code::not_found, "there is no vault {} here", judged->info.name);
        call.vault = std::make_shared<const VaultInfo>(std::move(*now));
    }
    Checks again;
    TRY(access::check_network(call.vault->networks, call.request.remote, again));
    return authorize_call(view, core, call, again);
}

// record_of records the release and counts it. What was judged must still hold: fetching keys can
// take long.
store::Store::Work record_of(Core& core, Call& call, std::shared_ptr<const Key> judged,
                             std::shared_ptr<const LoadedObject> loaded, Counted counted) {
    return [&core, &call, judged = std::move(judged), loaded = std::move(loaded),
            counted = std::move(counted)](store::Transaction& tx) -> Result<void> {
        bool same = call.unchanged ||
                    TRY(read_as_stored(tx, kKeys, call, loaded->version)) == loaded->stored;
        if (!same) {
            same = TRY(read_key(tx, call.vault->name, call.key, call.key_version)) == *judged;
        }
        TRY(call.checks.require(same, "VAULT-KEY-UNCHANGED", "key", "as when it was judged",
                                same ? "so" : "changed"));
        if (!call.unchanged) TRY(judge_caller_again(tx, core, call));
        const std::string& rules_id = judged->record.rules_id;
        if (!rules_id.empty()) {
            call.details["release_number"] = TRY(count_release(
                tx, rules_id, counted.rules, counted.use, core.clock.now(), call.checks));
        }
        return append_success(core, tx, call);
    };
}

}  // namespace

ReleaseIdentity::ReleaseIdentity(net::TlsIdentity identity)
    : signer(std::move(identity)),
      header(jose::encode_header(release_header(signer), crypto::SigAlg::rs256)) {}

Result<Json> release_key(Core& core, Call& call) {
    if (!call.version->at_least_7(3)) {
        return fail(Code::invalid, "release needs api-version 7.3 or later");
    }
    const ReleaseBody body = TRY(parse_release_body(call.request.body));
    const crypto::HashAlg hash = TRY(parse_enc(body.enc));
    const auto loaded = std::make_shared<const LoadedObject>(TRY(take_loaded(call)));
    const auto known = TRY(core.remembered.key(loaded->stored));
    const Key& key = *known;
    call.details["enc"] = body.enc;
    call.details["version"] = key.version.version;
    call.details["release_policy"] = key.record.policy;
    TRY(check_releasable(key, call.checks));
    const ReleaseRules rules = TRY(ReleaseRules::of_record(key.record.rules));
    if (!rules.empty()) call.details["release_rules"] = key.record.rules;

    Result<policy::Grant> grant = judge_token(core, call, key.record, body.target);
    if (!grant) {
        // The caller is known; it is the machine that does not convince (A.7).
        if (grant.error().reason() != nullptr) grant.error().code = Code::forbidden;
        return fail(std::move(grant.error()));
    }
    const Counted counted{rules, token_use(body.target, grant->claims(), core.config.token_skew)};
    TRY(check_rules(rules, grant->claims(), core.clock.now(), core.config.token_skew, call.checks));
    const Recipient to = TRY(select_tee_key(core, grant->claims(), call.checks));
    call.details["tee_key"] = {{"kid", show_json(to.kid)}, {"thumbprint", to.tee->thumbprint}};

    const Bytes ciphertext = TRY(wrap_for(core, call, key, *loaded, to.tee->key, hash));
    const auto jwk = TRY(core.remembered.public_jwk(key.version));
    const Json payload =
        release_payload(call, body, key, *jwk, encode_key_hsm(to.kid, body.enc, ciphertext));
    const ReleaseSigner::Shared by = core.release_signer.get();
    std::string jws = TRY(jose::sign_encoded(by->header, as_bytes(dump_json_ascii(payload)),
                                             by->signer.key, crypto::SigAlg::rs256));
    call.recording = {record_of(core, call, known, loaded, counted), [jws = std::move(jws)] {
                          return Json{{"value", jws}};
                      }};
    return Json(nullptr);
}

}  // namespace vouchsafe::vault
