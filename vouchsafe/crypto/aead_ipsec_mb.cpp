// The engine on Intel's ipsec-mb library. VS_HAVE_IPSEC_MB comes from CMake.
#include "vouchsafe/crypto/aead_impl.h"
#include "vouchsafe/crypto/openssl.h"

#ifdef VS_HAVE_IPSEC_MB

#include <intel-ipsec-mb.h>

#include <new>

namespace vouchsafe::crypto {

namespace {

using Manager = Handle<IMB_MGR, free_mb_mgr>;

// manager holds the functions for this CPU, or nullptr if the library's self-test failed or the CPU
// has no AES instructions (their emulation is slow). The functions used here never write to it, so
// all threads share it.
const IMB_MGR* manager() {
    static const Manager shared = [] {
        Manager fresh(alloc_mb_mgr(0));
        if (!fresh) return Manager();
        IMB_ARCH arch = IMB_ARCH_NONE;
        init_mb_mgr_auto(fresh.get(), &arch);
        bool tested = (fresh->features & IMB_FEATURE_SELF_TEST_PASS) != 0;
        bool aes = (fresh->features & IMB_FEATURE_AESNI) != 0 && arch != IMB_ARCH_NOAESNI;
        if (imb_get_errno(fresh.get()) != 0 || !tested || !aes) return Manager();
        return fresh;
    }();
    return shared.get();
}

// The library takes no null pointers, also for no bytes.
template <typename Byte>
Byte* pointer(std::span<Byte> bytes) {
    static uint8_t nothing = 0;
    return bytes.empty() ? &nothing : bytes.data();
}

// The expanded key and the state of a message (which holds key stream) live in secret memory.
class IpsecMbGcm : public AesGcm::Impl {
  public:
    IpsecMbGcm(const IMB_MGR* functions, ByteView key) : functions_(functions) {
        static_assert(sizeof(gcm_key_data) % alignof(gcm_context_data) == 0);
        uint8_t* memory = memory_.expose_mutable().data();
        expect(reinterpret_cast<uintptr_t>(memory) % alignof(gcm_key_data) == 0,
               "secret memory aligned for a GCM key");
        key_ = new (memory) gcm_key_data;
        state_ = new (memory + sizeof(gcm_key_data)) gcm_context_data;
        IMB_AES256_GCM_PRE(functions_, key.data(), key_);
    }

    void begin(Direction direction, ByteView with_nonce, ByteView with_aad) override {
        direction_ = direction;
        IMB_AES256_GCM_INIT(functions_, key_, state_, with_nonce.data(), pointer(with_aad),
                            with_aad.size());
    }

    void update(ByteView input, MutableByteView output) override {
        if (direction_ == Direction::seal) {
            IMB_AES256_GCM_ENC_UPDATE(functions_, key_, state_, output.data(), input.data(),
                                      input.size());
        } else {
            IMB_AES256_GCM_DEC_UPDATE(functions_, key_, state_, output.data(), input.data(),
                                      input.size());
        }
    }

    void finish_seal(MutableByteView tag) override {
        IMB_AES256_GCM_ENC_FINALIZE(functions_, key_, state_, tag.data(), tag.size());
        clear_state();
    }

    bool finish_open(ByteView tag) override {
        std::array<uint8_t, kGcmTagSize> computed;
        IMB_AES256_GCM_DEC_FINALIZE(functions_, key_, state_, computed.data(), computed.size());
        clear_state();
        return holds(computed, tag);
    }

    void seal(ByteView with_nonce, ByteView with_aad, ByteView input, MutableByteView output,
              MutableByteView tag) override {
        IMB_AES256_GCM_ENC(functions_, key_, state_, pointer(output), pointer(input), input.size(),
                           with_nonce.data(), pointer(with_aad), with_aad.size(), tag.data(),
                           tag.size());
    }

    bool open(ByteView with_nonce, ByteView with_aad, ByteView input, ByteView tag,
              MutableByteView output) override {
        std::array<uint8_t, kGcmTagSize> computed;
        IMB_AES256_GCM_DEC(functions_, key_, state_, pointer(output), pointer(input), input.size(),
                           with_nonce.data(), pointer(with_aad), with_aad.size(), computed.data(),
                           computed.size());
        return holds(computed, tag);
    }

  private:
    // Decryption only computes the tag, so comparing is ours. The right tag of a forged message
    // must not stay in memory.
    static bool holds(std::array<uint8_t, kGcmTagSize>& computed, ByteView tag) {
        bool same = equal_ct(computed, tag);
        wipe(computed);
        return same;
    }

    void clear_state() { wipe({reinterpret_cast<uint8_t*>(state_), sizeof(gcm_context_data)}); }

    const IMB_MGR* functions_;
    SecretBytes memory_{sizeof(gcm_key_data) + sizeof(gcm_context_data)};
    gcm_key_data* key_ = nullptr;
    gcm_context_data* state_ = nullptr;
    Direction direction_ = Direction::seal;
};

}  // namespace

std::unique_ptr<AesGcm::Impl> make_ipsec_mb_gcm(ByteView key) {
    if (manager() == nullptr) return nullptr;
    return std::make_unique<IpsecMbGcm>(manager(), key);
}

bool ipsec_mb_available() {
    return manager() != nullptr;
}

bool ipsec_mb_is_a_gain() {
    constexpr uint64_t kWide = IMB_FEATURE_AVX512_SKX | IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ;
    return manager() != nullptr && (manager()->features & kWide) == kWide;
}

std::string_view ipsec_mb_name() {
    static const std::string name = fmt::format("ipsec-mb {}", imb_get_version_str());
    return name;
}

}  // namespace vouchsafe::crypto

#else

namespace vouchsafe::crypto {

std::unique_ptr<AesGcm::Impl> make_ipsec_mb_gcm(ByteView) {
    return nullptr;
}
bool ipsec_mb_available() {
    return false;
}
bool ipsec_mb_is_a_gain() {
    return false;
}
std::string_view ipsec_mb_name() {
    return "ipsec-mb (not built in)";
}

}  // namespace vouchsafe::crypto

#endif
