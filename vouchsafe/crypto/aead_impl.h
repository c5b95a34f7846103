// What an engine of AesGcm does, for aead*.cpp alone. Sizes, overlaps and the order of calls were
// checked by AesGcm before; engines only compute.
#pragma once

#include "vouchsafe/crypto/aead.h"

namespace vouchsafe::crypto {

struct AesGcm::Impl {
    enum class Direction { seal, open };

    virtual ~Impl() = default;

    // begin starts a message. `input` of the pieces is as long as `output`, or the same memory.
    virtual void begin(Direction direction, ByteView nonce, ByteView aad) = 0;
    virtual void update(ByteView input, MutableByteView output) = 0;
    virtual void finish_seal(MutableByteView tag) = 0;
    virtual bool finish_open(ByteView tag) = 0;  // whether the tag holds

    // One-shot forms, for engines that have a faster way.
    virtual void seal(ByteView nonce, ByteView aad, ByteView input, MutableByteView output,
                      MutableByteView tag);
    virtual bool open(ByteView nonce, ByteView aad, ByteView input, ByteView tag,
                      MutableByteView output);

    // The message of the streaming form. The direction is known at its first piece only, so nonce
    // and additional data wait until then.
    enum class Stream { none, started, sealing, opening };
    Stream stream = Stream::none;
    uint64_t streamed = 0;
    Bytes nonce;
    Bytes aad;
};

// `key` has 16, 24 or 32 bytes.
std::unique_ptr<AesGcm::Impl> make_openssl_gcm(ByteView key);

// nullptr if ipsec-mb is not built in or does not run on this CPU. `key` has 32 bytes.
std::unique_ptr<AesGcm::Impl> make_ipsec_mb_gcm(ByteView key);
bool ipsec_mb_available();
bool ipsec_mb_is_a_gain();
std::string_view ipsec_mb_name();

}  // namespace vouchsafe::crypto
