#include "vouchsafe/seal/pair.h"

#include <algorithm>

#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/seal/opened_maker.h"

namespace vouchsafe::seal {

namespace {

constexpr size_t kPiece = 1 << 20;
constexpr size_t kPairOverhead = crypto::kGcmNonceSize + crypto::kGcmTagSize;

// PairBytes is NAME.enc taken apart; `content` is to be opened in place.
struct PairBytes {
    std::array<uint8_t, crypto::kGcmNonceSize> nonce{};
    SecretPages content;
    std::array<uint8_t, crypto::kGcmTagSize> tag{};
};

// Reads from `offset` to the end, at most a little more than GCM's limit.
Result<SecretPages> read_rest(Source& source, uint64_t offset) {
    auto known = source.size();
    uint64_t limit = kMaxPairSize + crypto::kGcmTagSize;
    uint64_t left = known ? *known - std::min(*known, offset) : kPiece;
    SecretPages pages = TRY(SecretPages::allocate(std::min(left, limit)));
    size_t size = 0;
    while (true) {
        if (size == pages.size() && !known) TRY(pages.grow(size + std::max(kPiece, size / 2)));
        MutableByteView room = pages.expose_mutable().subspan(size);
        room = room.first(std::min(kPiece, room.size()));
        ByteView got = TRY(source.read_at(offset + size, room.size(), room));
        if (got.data() != room.data()) std::ranges::copy(got, room.begin());
        size += got.size();
        if (got.size() < room.size() || room.empty() || size > limit) break;
    }
    pages.truncate(size);
    return pages;
}

Result<PairBytes> read_pair(Source& source, Checks& checks) {
    PairBytes out;
    ByteView nonce = TRY(source.read_at(0, out.nonce.size(), out.nonce));
    size_t nonce_size = nonce.size();
    if (nonce.data() != out.nonce.data()) std::ranges::copy(nonce, out.nonce.begin());
    out.content = TRY(read_rest(source, out.nonce.size()));
    uint64_t size = source.size().value_or(nonce_size + out.content.size());
    bool fits = size >= kPairOverhead && size <= kMaxPairSize + kPairOverhead;
    TRY(checks.require(fits, "PAIR-SIZE", "size of the sealed file",
                       fmt::format("{} to {} bytes", kPairOverhead, kMaxPairSize + kPairOverhead),
                       fmt::format("{} bytes", size)));
    if (nonce_size + out.content.size() != size || out.content.size() < out.tag.size()) {
        return fail(Code::io, "the sealed file became shorter while it was read");
    }
    size_t content = out.content.size() - out.tag.size();
    std::ranges::copy(out.content.expose().subspan(content), out.tag.begin());
    out.content.truncate(content);
    return out;
}

Result<void> seal_stream(Source& in, OutputFile& enc, ByteView key) {
    crypto::AesGcm aead = TRY(crypto::AesGcm::create(key));
    Bytes nonce = crypto::random_bytes(crypto::kGcmNonceSize);
    TRY(enc.write(nonce));
    aead.start(nonce, {});
    SecretPages plain = TRY(SecretPages::allocate(in.in_memory() ? 0 : kPiece));
    Bytes sealed(kPiece);
    for (uint64_t offset = 0;;) {
        ByteView got = TRY(in.read_at(offset, kPiece, plain.expose_mutable()));
        offset += got.size();
        if (offset > kMaxPairSize) {
            return fail(Code::invalid,
                        "the input is longer than AES-GCM allows in one message; "
                        "use the native format");
        }
        MutableByteView out = MutableByteView(sealed).first(got.size());
        aead.update_seal(got, out);
        TRY(enc.write(out));
        if (got.size() < kPiece) break;
    }
    std::array<uint8_t, crypto::kGcmTagSize> tag;
    aead.finish_seal(tag);
    return enc.write(tag);
}

}  // namespace

Result<Bytes> seal_pair(Source& in, OutputFile& enc, const WrapKey& wrap) {
    SecretBytes key = crypto::random_secret(kDataKeySize);
    Bytes wrapped = TRY(wrap(key.expose()));
    TRY(seal_stream(in, enc, key.expose()));
    return wrapped;
}

PairUnwrap pair_unwrap_with(const crypto::PrivateKey& key, WrapAlg alg) {
    UnwrapKey unwrap = unwrap_with(key, "", alg);
    return [unwrap](ByteView wrapped) { return unwrap("", "", wrapped); };
}

Result<Opened> open_pair(Source& enc, ByteView key_file, const PairUnwrap& unwrap, Checks& checks) {
    bool modulus = key_file.size() == 256 || key_file.size() == 384 || key_file.size() == 512;
    TRY(checks.require(modulus, "PAIR-KEY", "size of the key file", "256, 384 or 512 bytes",
                       fmt::format("{} bytes", key_file.size())));
    PairBytes pair = TRY(read_pair(enc, checks));
    SecretBytes key = TRY(unwrap(key_file));
    TRY(checks.require(key.size() == kDataKeySize, "PAIR-KEY", "data key",
                       fmt::format("{} bytes", kDataKeySize), fmt::format("{} bytes", key.size())));
    crypto::AesGcm aead = TRY(crypto::AesGcm::create(key.expose()));
    aead.start(pair.nonce, {});
    MutableByteView content = pair.content.expose_mutable();
    for (size_t done = 0; done < content.size(); done += kPiece) {
        MutableByteView piece = content.subspan(done, std::min(kPiece, content.size() - done));
        aead.update_open(piece, piece);
    }
    bool held = aead.finish_open(pair.tag).has_value();
    TRY(checks.require(held, "PAIR-TAG", "sealed file", "a tag that holds",
                       held ? "a tag that holds" : "a tag that does not hold"));
    return OpenedMaker::make(std::move(pair.content), {});
}

}  // namespace vouchsafe::seal
