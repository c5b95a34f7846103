// Sealing into the native format (header.h): data in, sealed file out, on every core.
#pragma once

#include "vouchsafe/seal/keys.h"
#include "vouchsafe/seal/source.h"

namespace vouchsafe::seal {

struct SealOptions {
    EncryptionContext context;
    uint32_t frame_length = kDefaultFrameLength;  // 1 to kMaxFrameLength
    unsigned threads = 0;                         // 0: one per core
};

// seal_file reads `in` to its end and writes the sealed file into `out` under a fresh data key. It
// needs a few frames of memory, however long the input is. The caller commits `out`: it holds
// nothing useful if this failed. Errors: Code::invalid for bad options, the recipients' own, io.
Result<void> seal_file(Source& in, OutputFile& out, const std::vector<Recipient>& recipients,
                       const SealOptions& options = {});

// seal_bytes is seal_file in memory.
Result<Bytes> seal_bytes(ByteView plaintext, const std::vector<Recipient>& recipients,
                         const SealOptions& options = {});

// MessageKeys is what must be fresh for every sealed message: the data key and the message id, with
// the data key's wrapped forms. It is used up by sealing, because using it twice would repeat
// nonces.
class MessageKeys {
  public:
    // create draws a data key and a message id and has the key wrapped for every recipient.
    static Result<MessageKeys> create(const std::vector<Recipient>& recipients);
    // fixed is for known-answer tests only.
    static MessageKeys fixed(SecretBytes data_key, ByteView message_id, std::vector<DataKey> keys);

  private:
    friend class Sealer;
    SecretBytes data_key_;
    std::array<uint8_t, kMessageIdSize> message_id_{};
    std::vector<DataKey> keys_;
};

// Sealer seals one message into memory the caller provides: for benchmarks and known answers.
class Sealer {
  public:
    static Result<Sealer> create(MessageKeys keys, const SealOptions& options);
    Sealer(Sealer&&) noexcept;
    Sealer& operator=(Sealer&&) noexcept;
    ~Sealer();

    // sealed_size returns the size of the sealed file for `plaintext_size` bytes.
    uint64_t sealed_size(uint64_t plaintext_size) const;
    // seal_into writes sealed_size(plaintext.size()) bytes to `out`. Once per Sealer.
    Result<void> seal_into(ByteView plaintext, MutableByteView out) &&;
    Result<void> seal_to_file(Source& in, OutputFile& out) &&;

  private:
    struct State;
    explicit Sealer(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace vouchsafe::seal
