#include "vouchsafe/seal/frame.h"

#include <algorithm>

namespace vouchsafe::seal {

namespace {

constexpr std::string_view kFrameText = "AWSKMSEncryptionClient Frame";
constexpr std::string_view kFinalText = "AWSKMSEncryptionClient Final Frame";
static_assert(kMessageIdSize + kFinalText.size() + 4 + 8 <= 96);

void store_be(uint64_t value, MutableByteView out) {
    for (size_t i = out.size(); i-- > 0; value >>= 8) out[i] = static_cast<uint8_t>(value);
}

using Nonce = std::array<uint8_t, crypto::kGcmNonceSize>;
// The nonce of a frame is its number, that of the header is zero (specification, "Construct a
// frame" and "Authentication tag").
Nonce nonce_of(uint64_t frame) {
    Nonce nonce{};
    store_be(frame, nonce);
    return nonce;
}

// A refusal that stands alone: the opening thread adds it to its checks.
tl::unexpected<Error> refuse(std::string_view code, uint64_t frame, std::string_view what,
                             std::string expected, std::string found) {
    Checks checks;
    std::string field =
        what.empty() ? fmt::format("frame {}", frame) : fmt::format("frame {}, {}", frame, what);
    return checks.refuse(code, field, std::move(expected), std::move(found));
}

}  // namespace

size_t frames_per_run(uint32_t frame_length) {
    return std::max<size_t>(1, kDefaultFrameLength / frame_length);
}

size_t plain_limit(uint32_t frame_length) {
    return frames_per_run(frame_length) * frame_length;
}

size_t sealed_limit(uint32_t frame_length) {
    return frames_per_run(frame_length) * (frame_length + kFrameOverhead) + kFinalOverhead -
           kFrameOverhead;
}

uint64_t Layout::runs() const {
    uint64_t each = frames_per_run(frame_length);
    return (frames() + each - 1) / each;
}

Run Layout::run(uint64_t number) const {
    uint64_t each = frames_per_run(frame_length);
    Run out{number, number * each + 1, each, std::nullopt, frame_length};
    if (out.first_frame + each > frames()) {
        out.regular = frames() - out.first_frame;
        out.final_size = final_size;
    }
    return out;
}

Result<Layout> layout_of_plaintext(uint64_t size, uint32_t frame_length) {
    uint64_t regular = size == 0 ? 0 : (size - 1) / frame_length;
    if (regular + 1 > kMaxFrames) {
        return fail(Code::invalid, "{} bytes need more than {} frames; choose longer frames", size,
                    kMaxFrames);
    }
    return Layout{regular, static_cast<uint32_t>(size - regular * frame_length), frame_length};
}

Result<Layout> layout_of_body(uint64_t size, uint32_t frame_length, Checks& checks) {
    if (size < kFinalOverhead) {
        return checks.refuse("SEAL-TRUNCATED", "body", "a final frame at the end",
                             fmt::format("{} bytes, less than a final frame", size));
    }
    uint64_t frame = uint64_t{frame_length} + kFrameOverhead;
    uint64_t regular = (size - kFinalOverhead) / frame;
    uint64_t rest = (size - kFinalOverhead) % frame;
    if (rest > frame_length || regular + 1 > kMaxFrames) {
        return checks.refuse("SEAL-TRUNCATED", "body", "whole frames and a final frame",
                             fmt::format("{} bytes, which no frames make up", size));
    }
    return Layout{regular, static_cast<uint32_t>(rest), frame_length};
}

Result<FrameCipher> FrameCipher::create(ByteView key, ByteView message_id) {
    FrameCipher out(TRY(crypto::AesGcm::create(key)));
    std::copy(message_id.begin(), message_id.end(), out.aad_.begin());
    return out;
}

ByteView FrameCipher::aad(uint64_t frame, bool final, uint64_t size) {
    std::string_view text = final ? kFinalText : kFrameText;
    MutableByteView rest = MutableByteView(aad_).subspan(kMessageIdSize);
    std::copy(text.begin(), text.end(), rest.begin());
    store_be(frame, rest.subspan(text.size(), 4));
    store_be(size, rest.subspan(text.size() + 4, 8));
    return ByteView(aad_).first(kMessageIdSize + text.size() + 12);
}

std::array<uint8_t, crypto::kGcmTagSize> FrameCipher::seal_header(ByteView header_body) {
    std::array<uint8_t, crypto::kGcmTagSize> tag{};
    aead_.seal(nonce_of(0), header_body, {}, {}, tag);
    return tag;
}

Result<void> FrameCipher::check_header(const SealedHeader& header, Checks& checks) {
    bool held = aead_.open(nonce_of(0), header.body, {}, header.tag, {}).has_value();
    return checks.require(held, "SEAL-HEADER-TAG", "header", "a tag that holds",
                          held ? "a tag that holds" : "a tag that does not hold");
}

void FrameCipher::seal(const Run& run, ByteView plaintext, MutableByteView out) {
    uint64_t count = run.regular + (run.final_size ? 1 : 0);
    for (uint64_t i = 0; i < count; ++i) {
        bool final = i == run.regular;
        uint64_t frame = run.first_frame + i;
        size_t size = final ? *run.final_size : run.frame_length;
        Nonce nonce = nonce_of(frame);
        if (final) {
            store_be(kFinalMark, out.first(4));
            out = out.subspan(4);
        }
        store_be(frame, out.first(4));
        std::copy(nonce.begin(), nonce.end(), out.begin() + 4);
        out = out.subspan(kFrameHead);
        if (final) {
            store_be(size, out.first(4));
            out = out.subspan(4);
        }
        aead_.seal(nonce, aad(frame, final, size), plaintext.first(size), out.first(size),
                   out.subspan(size, crypto::kGcmTagSize));
        plaintext = plaintext.subspan(size);
        out = out.subspan(size + crypto::kGcmTagSize);
    }
}

Result<void> FrameCipher::open(const Run& run, ByteView sealed, MutableByteView out) {
    uint64_t count = run.regular + (run.final_size ? 1 : 0);
    for (uint64_t i = 0; i < count; ++i) {
        bool final = i == run.regular;
        size_t size = final ? *run.final_size : run.frame_length;
        size_t whole = size + (final ? kFinalOverhead : kFrameOverhead);
        TRY(open_frame(run.first_frame + i, final, sealed.first(whole), out.first(size)));
        sealed = sealed.subspan(whole);
        out = out.subspan(size);
    }
    return {};
}

Result<void> FrameCipher::open_frame(uint64_t frame, bool final, ByteView sealed,
                                     MutableByteView out) {
    Reader in(sealed, "frame");
    uint32_t number = TRY(in.u32_be("number"));
    bool marked = number == kFinalMark;
    if (marked != final) {
        return refuse("SEAL-TRUNCATED", frame, "", final ? "the final frame" : "a regular frame",
                      marked ? "the final frame, and bytes after it" : "no final frame");
    }
    if (final) number = TRY(in.u32_be("number"));
    if (number != frame) {
        return refuse("SEAL-FRAME", frame, "number", fmt::format("{}", frame),
                      fmt::format("{}", number));
    }
    Nonce nonce = TRY(in.array<crypto::kGcmNonceSize>("nonce"));
    if (nonce != nonce_of(frame)) {
        return refuse("SEAL-FRAME", frame, "nonce", "the frame's number", "another value");
    }
    if (final) {
        uint32_t size = TRY(in.u32_be("size"));
        if (size != out.size()) {
            return refuse("SEAL-TRUNCATED", frame, "size of the content",
                          fmt::format("{} bytes", out.size()), fmt::format("{} bytes", size));
        }
    }
    ByteView content = TRY(in.take(out.size(), "content"));
    ByteView tag = TRY(in.take(crypto::kGcmTagSize, "tag"));
    if (!aead_.open(nonce, aad(frame, final, out.size()), content, tag, out)) {
        return refuse("SEAL-TAG", frame, "", "a tag that holds", "a tag that does not hold");
    }
    return {};
}

}  // namespace vouchsafe::seal
