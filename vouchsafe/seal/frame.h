// The body of a sealed file: its frames, where they lie, and how one is sealed and opened. Private
// to seal/.
// https://docs.aws.amazon.com/encryption-sdk/latest/developer-guide/message-format.html, body;
// .../body-aad-reference.html for what each frame's tag covers beside its content.
#pragma once

#include <optional>

#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/seal/header.h"

namespace vouchsafe::seal {

// Regular frame: number (4), nonce (12), content, tag (16). Final frame: ff ff ff ff, number,
// nonce, size of the content (4), content, tag.
inline constexpr size_t kFrameHead = 4 + crypto::kGcmNonceSize;
inline constexpr size_t kFrameOverhead = kFrameHead + crypto::kGcmTagSize;
inline constexpr size_t kFinalHead = 4 + 4 + crypto::kGcmNonceSize + 4;
inline constexpr size_t kFinalOverhead = kFinalHead + crypto::kGcmTagSize;
inline constexpr uint32_t kFinalMark = 0xffffffff;
inline constexpr uint64_t kMaxFrames = 0xffffffff;

// Run is consecutive frames: some regular ones, then perhaps the final one.
struct Run {
    uint64_t number = 0;       // 0, 1, 2 ... in the order of the file
    uint64_t first_frame = 1;  // frames count from 1
    uint64_t regular = 0;
    std::optional<uint32_t> final_size;  // bytes of content in the final frame, if it is here
    uint32_t frame_length = 0;

    size_t plain_size() const { return regular * frame_length + final_size.value_or(0); }
    size_t sealed_size() const {
        return regular * (frame_length + kFrameOverhead) +
               (final_size ? *final_size + kFinalOverhead : 0);
    }
    uint64_t plain_offset() const { return (first_frame - 1) * frame_length; }
    // Offset in the body.
    uint64_t sealed_offset() const { return (first_frame - 1) * (frame_length + kFrameOverhead); }
};

// frames_per_run returns how many frames make a piece of work: about 1 MiB.
size_t frames_per_run(uint32_t frame_length);
// plain_limit and sealed_limit are the largest sizes of a run.
size_t plain_limit(uint32_t frame_length);
size_t sealed_limit(uint32_t frame_length);

// Layout says where the frames of a whole body lie.
struct Layout {
    uint64_t regular = 0;
    uint32_t final_size = 0;
    uint32_t frame_length = 0;

    uint64_t frames() const { return regular + 1; }
    uint64_t runs() const;
    Run run(uint64_t number) const;  // number < runs()
    Run whole() const { return {0, 1, regular, final_size, frame_length}; }
};
// layout_of_plaintext is how we write: the last frame is empty only if there is no plaintext.
// Fails with Code::invalid if there would be more than kMaxFrames.
Result<Layout> layout_of_plaintext(uint64_t size, uint32_t frame_length);
// layout_of_body is the only layout that makes `size` bytes. Fails with SEAL-TRUNCATED if none
// does.
Result<Layout> layout_of_body(uint64_t size, uint32_t frame_length, Checks& checks);

// FrameCipher seals and opens frames of one message. One per thread.
class FrameCipher {
  public:
    // create takes the derived key of 32 bytes.
    static Result<FrameCipher> create(ByteView key, ByteView message_id);

    // seal_header and check_header make and check the header's tag over its body.
    std::array<uint8_t, crypto::kGcmTagSize> seal_header(ByteView header_body);
    Result<void> check_header(const SealedHeader& header, Checks& checks);

    // seal writes run.sealed_size() bytes; `plaintext` has run.plain_size().
    void seal(const Run& run, ByteView plaintext, MutableByteView out);
    // open reads run.sealed_size() bytes and writes run.plain_size(). If any frame is not what and
    // where it should be (SEAL-FRAME, SEAL-TRUNCATED) or its tag does not hold (SEAL-TAG) it fails
    // and `out` holds no plaintext of that frame; the error has this one check.
    Result<void> open(const Run& run, ByteView sealed, MutableByteView out);

  private:
    explicit FrameCipher(crypto::AesGcm aead) : aead_(std::move(aead)) {}
    ByteView aad(uint64_t frame, bool final, uint64_t size);
    Result<void> open_frame(uint64_t frame, bool final, ByteView sealed, MutableByteView out);

    crypto::AesGcm aead_;
    std::array<uint8_t, 96> aad_{};  // begins with the message id
};

}  // namespace vouchsafe::seal
