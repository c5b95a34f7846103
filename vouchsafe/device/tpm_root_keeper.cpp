#include "vouchsafe/device/tpm_root_keeper.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::device {

namespace {

constexpr size_t kMostPcrs = 24;

Result<std::vector<uint32_t>> parse_pcrs(const Json& kept) {
    const Json* list = TRY(json_array(kept, "pcrs"));
    if (list->size() > kMostPcrs) return fail(Code::invalid, "it names too many PCRs");
    std::vector<uint32_t> out;
    for (const Json& one : *list) {
        if (!one.is_number_unsigned() || one.get<uint64_t>() >= kMostPcrs) {
            return fail(Code::invalid, "it names a PCR that is none");
        }
        out.push_back(one.get<uint32_t>());
    }
    return out;
}

class InTpm final : public crypto::RootKeeper {
  public:
    InTpm(std::string tcti, std::vector<uint32_t> pcrs)
        : tcti_(std::move(tcti)), pcrs_(std::move(pcrs)) {}

    std::string_view name() const override { return "tpm"; }

    Result<Json> keep(const Secret<crypto::kRootKeySize>& key) override {
        Tpm tpm = TRY(Tpm::open(tcti_));
        const SealedSecret sealed = TRY(tpm.seal(pcrs_, key.expose()));
        return Json{{"pcrs", pcrs_},
                    {"public", encode_base64(sealed.public_area)},
                    {"private", encode_base64(sealed.private_area)}};
    }

    // The file says which PCRs it was sealed to; the TPM sees to it that they are these.
    Result<Secret<crypto::kRootKeySize>> recover(const Json& kept) override {
        const std::vector<uint32_t> pcrs = TRY(parse_pcrs(kept));
        SealedSecret sealed;
        sealed.public_area = TRY(decode_base64(TRY(json_string(kept, "public"))));
        sealed.private_area = TRY(decode_base64(TRY(json_string(kept, "private"))));
        Tpm tpm = TRY(Tpm::open(tcti_));
        const SecretBytes key = TRY(tpm.unseal(pcrs, sealed));
        if (pcrs_.empty()) pcrs_ = pcrs;
        return Secret<crypto::kRootKeySize>::from_bytes(key.expose());
    }

  private:
    std::string tcti_;
    std::vector<uint32_t> pcrs_;
};

}  // namespace

std::unique_ptr<crypto::RootKeeper> keep_in_tpm(std::string tcti, std::vector<uint32_t> pcrs) {
    return std::make_unique<InTpm>(std::move(tcti), std::move(pcrs));
}

}  // namespace vouchsafe::device
