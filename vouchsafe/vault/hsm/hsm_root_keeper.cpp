#include "vouchsafe/vault/hsm/hsm_root_keeper.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::vault {

namespace {

constexpr std::string_view kRootFormat = "vouchsafe root key in an HSM 1";
constexpr size_t kRootIdSize = 16;
constexpr size_t kMaxRootIdSize = 64;

class InHsm final : public crypto::RootKeeper {
  public:
    InHsm(HsmSettings settings, SharedPin pin, std::string label)
        : settings_(std::move(settings)), pin_(std::move(pin)), label_(std::move(label)) {}

    std::string_view name() const override { return "pkcs11"; }

    Result<Json> keep(const Secret<crypto::kRootKeySize>& key) override {
        const Hsm hsm = TRY(open());
        const HsmKey wrapping = TRY(find_or_make(hsm));
        const Bytes iv = crypto::random_bytes(crypto::kGcmNonceSize);
        GcmSealed sealed = TRY(wrapping.gcm_seal(iv, as_bytes(kRootFormat), key.expose()));
        append(sealed.ciphertext, sealed.tag);
        return Json{{"label", label_},
                    {"key", encode_hex(wrapping.id())},
                    {"iv", encode_base64(iv)},
                    {"sealed", encode_base64(sealed.ciphertext)}};
    }

    // The file says which key it was, so that a second one with the same label does no harm.
    Result<Secret<crypto::kRootKeySize>> recover(const Json& kept) override {
        const Bytes id = TRY(decode_hex(TRY(json_string(kept, "key"))));
        const Bytes iv = TRY(decode_base64(TRY(json_string(kept, "iv"))));
        const Bytes sealed = TRY(decode_base64(TRY(json_string(kept, "sealed"))));
        const std::string label(TRY(json_string(kept, "label")));
        if (id.empty() || id.size() > kMaxRootIdSize || iv.size() != crypto::kGcmNonceSize ||
            sealed.size() != crypto::kRootKeySize + crypto::kGcmTagSize) {
            return fail(Code::invalid, "id, IV or ciphertext have another size");
        }
        const Hsm hsm = TRY(open());
        const HsmKey wrapping = TRY(find(hsm, id, label));
        const ByteView all = sealed;
        auto key = wrapping.gcm_open(iv, as_bytes(kRootFormat), all.first(crypto::kRootKeySize),
                                     all.subspan(crypto::kRootKeySize));
        if (key) return Secret<crypto::kRootKeySize>::from_bytes(key->expose());
        if (key.error().code != Code::bad_evidence) return fail(std::move(key.error()));
        return fail(Code::bad_evidence, "the key in the HSM does not open it: it was changed");
    }

  private:
    Result<Hsm> open() {
        if (refused_) return fail(*refused_);
        Result<Hsm> hsm = Hsm::open(settings_, pin_);
        if (!hsm && hsm.error().code == Code::forbidden) {
            refused_ = hsm.error();
            pin_.reset();
        }
        return hsm;
    }

    // Two processes that begin at once may make two keys: the first one is used from then on. A key
    // that others may know is none of ours, whatever its label.
    Result<HsmKey> find_or_make(const Hsm& hsm) const {
        const std::vector<Bytes> ids = TRY(hsm.find_aes(label_));
        for (const Bytes& id : ids) {
            HsmKey key = TRY(hsm.find(id));
            if (key.never_outside() && !key.releasable()) return key;
        }
        return hsm.generate({HsmKeyKind::aes, 256, {}}, {crypto::random_bytes(kRootIdSize), label_},
                            Releasable::no);
    }

    Result<HsmKey> find(const Hsm& hsm, const Bytes& id, const std::string& label) const {
        auto key = hsm.find(id);
        if (key && key->spec().kind == HsmKeyKind::aes) return key;
        if (!key && key.error().code != Code::not_found) return key;
        return fail(Code::bad_evidence,
                    "token '{}' does not have the AES key '{}' with the id {} that keeps this root "
                    "key: is it the right token?",
                    settings_.token, label, encode_hex(id));
    }

    const HsmSettings settings_;
    SharedPin pin_;  // nullptr once it was refused
    const std::string label_;
    std::optional<Error> refused_;
};

}  // namespace

Result<std::unique_ptr<crypto::RootKeeper>> keep_in_hsm(HsmSettings settings, SharedPin pin,
                                                        std::string label) {
    if (label.empty()) return fail(Code::invalid, "the label of the key in the HSM is empty");
    return std::unique_ptr<crypto::RootKeeper>(
        std::make_unique<InHsm>(std::move(settings), std::move(pin), std::move(label)));
}

}  // namespace vouchsafe::vault
