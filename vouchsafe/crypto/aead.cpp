#include "vouchsafe/crypto/aead.h"

#include <functional>

#include "vouchsafe/crypto/aead_impl.h"
#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {

namespace {

using Direction = AesGcm::Impl::Direction;
using Stream = AesGcm::Impl::Stream;

// Wrong sizes and calls out of order are mistakes of the caller's code and end the process: going
// on would mean a nonce used twice or a tag cut short.
void check_sizes(ByteView nonce, ByteView input, ByteView output) {
    expect(nonce.size() == kGcmNonceSize, "a nonce of 12 bytes");
    expect(input.size() == output.size(), "output as long as input");
    const std::less<const uint8_t*> before;
    bool same = input.data() == output.data();
    bool apart = !before(input.data(), output.data() + output.size()) ||
                 !before(output.data(), input.data() + input.size());
    expect(same || apart || input.empty(), "output that is the input or does not overlap it");
    expect(input.size() <= kGcmMaxMessage, "a message within the limit of AES-GCM");
}

void check_tag(ByteView tag) {
    expect(tag.size() == kGcmTagSize, "a tag of 16 bytes");
}

// enter begins the message at its first piece and holds it to one direction.
void enter(AesGcm::Impl& impl, Direction direction) {
    Stream wanted = direction == Direction::seal ? Stream::sealing : Stream::opening;
    if (impl.stream == Stream::started) {
        impl.begin(direction, impl.nonce, impl.aad);
        impl.stream = wanted;
    }
    expect(impl.stream == wanted, "a message started and going in one direction");
}

void update(AesGcm::Impl& impl, Direction direction, ByteView input, MutableByteView output) {
    enter(impl, direction);
    check_sizes(impl.nonce, input, output);
    impl.streamed += input.size();
    expect(impl.streamed <= kGcmMaxMessage, "a message within the limit of AES-GCM");
    if (!input.empty()) impl.update(input, output);
}

tl::unexpected<Error> bad_tag() {
    return fail(Code::bad_evidence, "the authentication tag does not hold");
}

}  // namespace

void AesGcm::Impl::seal(ByteView with_nonce, ByteView with_aad, ByteView input,
                        MutableByteView output, MutableByteView tag) {
    begin(Direction::seal, with_nonce, with_aad);
    if (!input.empty()) update(input, output);
    finish_seal(tag);
}

bool AesGcm::Impl::open(ByteView with_nonce, ByteView with_aad, ByteView input, ByteView tag,
                        MutableByteView output) {
    begin(Direction::open, with_nonce, with_aad);
    if (!input.empty()) update(input, output);
    return finish_open(tag);
}

std::string_view engine_name(AeadEngine engine) {
    static const std::string openssl =
        fmt::format("OpenSSL {}", OpenSSL_version(OPENSSL_FULL_VERSION_STRING));
    return engine == AeadEngine::openssl ? openssl : ipsec_mb_name();
}

bool engine_available(AeadEngine engine) {
    return engine == AeadEngine::openssl || ipsec_mb_available();
}

AeadEngine fastest_engine() {
    static const AeadEngine fastest =
        ipsec_mb_is_a_gain() ? AeadEngine::ipsec_mb : AeadEngine::openssl;
    return fastest;
}

AesGcm::AesGcm(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AesGcm::~AesGcm() = default;
AesGcm::AesGcm(AesGcm&&) noexcept = default;
AesGcm& AesGcm::operator=(AesGcm&&) noexcept = default;

Result<AesGcm> AesGcm::create(ByteView key, AeadEngine engine) {
    if (key.size() != kGcmKeySize) {
        return fail(Code::invalid, "an AES-256 key has {} bytes, not {}", kGcmKeySize, key.size());
    }
    if (engine == AeadEngine::openssl) return AesGcm(make_openssl_gcm(key));
    auto impl = make_ipsec_mb_gcm(key);
    if (!impl) return fail(Code::unsupported, "AES-GCM by ipsec-mb is not available here");
    return AesGcm(std::move(impl));
}

Result<AesGcm> AesGcm::create_any(ByteView key) {
    if (key.size() != 16 && key.size() != 24 && key.size() != 32) {
        return fail(Code::invalid, "an AES key has 16, 24 or 32 bytes, not {}", key.size());
    }
    return AesGcm(make_openssl_gcm(key));
}

void AesGcm::seal(ByteView nonce, ByteView aad, ByteView plaintext, MutableByteView ciphertext,
                  MutableByteView tag) {
    check_sizes(nonce, plaintext, ciphertext);
    check_tag(tag);
    impl_->stream = Stream::none;
    impl_->seal(nonce, aad, plaintext, ciphertext, tag);
}

Result<void> AesGcm::open(ByteView nonce, ByteView aad, ByteView ciphertext, ByteView tag,
                          MutableByteView plaintext) {
    check_sizes(nonce, ciphertext, plaintext);
    check_tag(tag);
    impl_->stream = Stream::none;
    if (impl_->open(nonce, aad, ciphertext, tag, plaintext)) return {};
    wipe(plaintext);
    return bad_tag();
}

void AesGcm::start(ByteView nonce, ByteView aad) {
    expect(nonce.size() == kGcmNonceSize, "a nonce of 12 bytes");
    impl_->nonce.assign(nonce.begin(), nonce.end());
    impl_->aad.assign(aad.begin(), aad.end());
    impl_->streamed = 0;
    impl_->stream = Stream::started;
}

void AesGcm::update_seal(ByteView plaintext, MutableByteView ciphertext) {
    update(*impl_, Direction::seal, plaintext, ciphertext);
}

void AesGcm::update_open(ByteView ciphertext, MutableByteView plaintext) {
    update(*impl_, Direction::open, ciphertext, plaintext);
}

void AesGcm::finish_seal(MutableByteView tag) {
    check_tag(tag);
    enter(*impl_, Direction::seal);
    impl_->stream = Stream::none;
    impl_->finish_seal(tag);
}

Result<void> AesGcm::finish_open(ByteView tag) {
    check_tag(tag);
    enter(*impl_, Direction::open);
    impl_->stream = Stream::none;
    if (impl_->finish_open(tag)) return {};
    return bad_tag();
}

}  // namespace vouchsafe::crypto
