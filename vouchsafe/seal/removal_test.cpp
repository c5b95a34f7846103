// Every check of sealed files is needed: see base/removal_table.h.
#include "vouchsafe/base/removal_table.h"
#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/seal/frame.h"
#include "vouchsafe/seal/pair.h"
#include "vouchsafe/seal/test_support.h"

namespace vouchsafe::seal {
namespace {

using namespace vouchsafe::testing;

constexpr uint32_t kFrame = 16;

// A file of four frames, whose data key is wrapped by doing nothing.
const Bytes& sound_file() {
    static const Bytes kFile = sealed_pattern(3 * kFrame + 5, kFrame, {{"purpose", "test"}});
    return kFile;
}
size_t body_offset() {
    Checks checks;
    return MUST(parse_header(sound_file(), checks)).size();
}

// flipped opens the sound file with one bit of one byte changed.
Judge flipped(size_t offset) {
    return [offset] {
        Bytes sealed = sound_file();
        sealed[offset] ^= 1;
        return outcome(open_plain(sealed));
    };
}

// unwrapped opens the sound file with another answer of who holds the key.
Judge unwrapped(const std::function<Result<SecretBytes>(ByteView)>& answer) {
    return [answer] {
        Checks checks;
        auto unwrap = [&](const std::string&, const std::string&, ByteView wrapped) {
            return answer(wrapped);
        };
        return outcome(open_bytes(sound_file(), unwrap, {}, checks));
    };
}

RemovalTable header_rows() {
    constexpr size_t kVersion = 0, kSuiteLow = 2, kContextCount = 1 + 2 + kMessageIdSize + 2;
    const size_t body = body_offset();
    auto longer_key = [](ByteView wrapped) {
        Bytes key = to_bytes(wrapped);
        key.push_back(0);
        return Result<SecretBytes>(SecretBytes::copy_of(key));
    };
    auto another_key = [](ByteView) { return Result<SecretBytes>(SecretBytes(32)); };
    auto other_purpose = [] {
        return outcome(open_plain(sound_file(), {.required_context = {{"purpose", "model"}}}));
    };
    return {
        {"SEAL-FORMAT", {flipped(kVersion), "SEAL-HEADER-TAG"}},
        {"SEAL-SUITE", {flipped(kSuiteLow), "SEAL-HEADER-TAG"}},
        {"SEAL-HEADER", {flipped(kContextCount), kStillRefused}},
        {"SEAL-KEY", {unwrapped(longer_key), "SEAL-COMMITMENT"}},
        {"SEAL-COMMITMENT", {unwrapped(another_key), "SEAL-HEADER-TAG"}},
        {"SEAL-HEADER-TAG", {flipped(body - 1)}},
        {"SEAL-CONTEXT", {other_purpose}},
    };
}

RemovalTable body_rows() {
    const size_t body = body_offset();
    auto cut = [] {
        return outcome(open_plain(ByteView(sound_file()).first(sound_file().size() - 1)));
    };
    return {
        {"SEAL-FRAME", {flipped(body + 3), kStillRefused}},
        {"SEAL-TAG", {flipped(body + kFrameHead), kStillRefused}},
        {"SEAL-TRUNCATED", {cut, kStillRefused}},
    };
}

// PairCase is two files of the tutorial's kind, sealed with no content: sound as they are.
struct PairCase {
    Bytes enc;
    Bytes key_file = Bytes(256);

    PairCase() {
        std::array<uint8_t, crypto::kGcmTagSize> tag{};
        const Bytes nonce(crypto::kGcmNonceSize);
        MUST(crypto::AesGcm::create(Bytes(32))).seal(nonce, {}, {}, {}, tag);
        enc = Writer().bytes(nonce).bytes(tag).take();
    }
    std::string judge() const {
        MemorySource source(enc);
        auto unwrap = [](ByteView wrapped) {
            return Result<SecretBytes>(SecretBytes::copy_of(wrapped.first(32)));
        };
        Checks checks;
        return outcome(open_pair(source, key_file, unwrap, checks));
    }
};

Judge pair(const std::function<void(PairCase&)>& edit) {
    PairCase one;
    edit(one);
    return [one] { return one.judge(); };
}

RemovalTable pair_rows() {
    return {
        {"PAIR-SIZE", {pair([](PairCase& one) { one.enc.pop_back(); }), kUnreadable}},
        {"PAIR-KEY", {pair([](PairCase& one) { one.key_file.push_back(0); })}},
        {"PAIR-TAG", {pair([](PairCase& one) { one.enc.back() ^= 1; })}},
    };
}

TEST(SealCheckRemoval, EveryCheckDecidesACase) {
    RemovalTable table = header_rows();
    table.merge(body_rows());
    table.merge(pair_rows());
    expect_every_check_decides("seal", table);
}

}  // namespace
}  // namespace vouchsafe::seal
