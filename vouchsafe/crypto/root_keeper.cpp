#include "vouchsafe/crypto/root_keeper.h"

#include <map>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/kdf.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/crypto/sealed_blob.h"

namespace vouchsafe::crypto {

namespace {

constexpr uint64_t kScryptN = 1 << 17;
constexpr uint32_t kScryptR = 8;
constexpr uint32_t kScryptP = 1;
constexpr size_t kSaltSize = 32;
constexpr size_t kMinPassphrase = 12;  // bytes; scrypt makes guessing slow, not hopeless
constexpr size_t kMaxDerived = 4;      // wrapping keys that a keeper remembers
constexpr std::string_view kContext = "root key under a passphrase";

class InFile final : public RootKeeper {
  public:
    std::string_view name() const override { return "file"; }

    Result<Json> keep(const Secret<kRootKeySize>& key) override {
        return Json{{"key", encode_base64(key.expose())}};
    }

    Result<Secret<kRootKeySize>> recover(const Json& kept) override {
        Bytes key = TRY(decode_base64(TRY(json_string(kept, "key"))));
        auto out = Secret<kRootKeySize>::from_bytes(key);
        wipe(key);
        return out;
    }
};

class UnderPassphrase final : public RootKeeper {
  public:
    explicit UnderPassphrase(SecretBytes passphrase) : passphrase_(std::move(passphrase)) {}

    std::string_view name() const override { return "passphrase"; }

    Result<Json> keep(const Secret<kRootKeySize>& key) override {
        if (salt_.empty()) salt_ = random_bytes(kSaltSize);
        const Bytes& salt = salt_;
        const Bytes sealed = TRY(wrapping_key(salt))->seal(kContext, key.expose());
        return Json{{"kdf", "scrypt"},
                    {"n", kScryptN},
                    {"r", kScryptR},
                    {"p", kScryptP},
                    {"salt", encode_base64(salt)},
                    {"sealed", encode_base64(sealed)}};
    }

    Result<Secret<kRootKeySize>> recover(const Json& kept) override {
        TRY(check_costs(kept));
        const Bytes salt = TRY(decode_base64(TRY(json_string(kept, "salt"))));
        const Bytes sealed = TRY(decode_base64(TRY(json_string(kept, "sealed"))));
        if (salt.size() != kSaltSize) return fail(Code::invalid, "the salt has another size");
        auto opened = TRY(wrapping_key(salt))->open(kContext, sealed);
        if (!opened)
            return fail(Code::bad_evidence, "the passphrase is not the one it was kept by");
        return Secret<kRootKeySize>::from_bytes(opened->expose());
    }

  private:
    // The costs stand in the file for other programs. Lower ones would be an attack on the next
    // key, higher ones on the memory of this machine.
    static Result<void> check_costs(const Json& kept) {
        bool known = TRY(json_string(kept, "kdf")) == "scrypt" &&
                     TRY(json_integer(kept, "n")) == int64_t{kScryptN} &&
                     TRY(json_integer(kept, "r")) == int64_t{kScryptR} &&
                     TRY(json_integer(kept, "p")) == int64_t{kScryptP};
        if (!known) return fail(Code::unsupported, "it was derived in a way that is not known");
        return {};
    }

    // Deriving is made slow for those who guess; who has the passphrase need not do it again for
    // each key that is kept.
    Result<const RootKey*> wrapping_key(const Bytes& salt) {
        if (auto known = derived_.find(salt); known != derived_.end()) return &known->second;
        const SecretBytes key =
            scrypt(passphrase_.expose(), salt, kScryptN, kScryptR, kScryptP, kRootKeySize);
        RootKey made = TRY(RootKey::from_bytes(key.expose()));
        if (derived_.size() >= kMaxDerived) derived_.clear();
        return &derived_.emplace(salt, std::move(made)).first->second;
    }

    const SecretBytes passphrase_;
    Bytes salt_;  // of what is kept; empty until then
    std::map<Bytes, RootKey> derived_;
};

}  // namespace

Result<RootKeeper*> RootKeeper::opener(std::string_view kept_by) {
    if (kept_by == name()) return this;
    return fail(Code::conflict, "its root key is kept by \"{}\", not by \"{}\"", kept_by, name());
}

std::unique_ptr<RootKeeper> keep_in_file() {
    return std::make_unique<InFile>();
}

Result<std::unique_ptr<RootKeeper>> keep_under_passphrase(SecretBytes passphrase) {
    if (passphrase.size() < kMinPassphrase) {
        return fail(Code::invalid, "the passphrase is empty or shorter than {} bytes",
                    kMinPassphrase);
    }
    return std::unique_ptr<RootKeeper>(std::make_unique<UnderPassphrase>(std::move(passphrase)));
}

}  // namespace vouchsafe::crypto
