#include "vouchsafe/crypto/random.h"

#include <openssl/rand.h>

#include <algorithm>
#include <chrono>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {

namespace {

constexpr size_t kPiece = 1 << 20;  // RAND_bytes counts in int

// Public and secret random bytes come from two generators, so that one never helps to guess the
// other.
template <auto Generate>
void fill(MutableByteView out) {
    while (!out.empty()) {
        MutableByteView piece = out.first(std::min(out.size(), kPiece));
        expect(Generate(piece.data(), static_cast<int>(piece.size())) == 1, "RAND_bytes");
        out = out.subspan(piece.size());
    }
}

using UuidBytes = std::array<uint8_t, 16>;

// name_bytes is for names alone, never for keys, nonces and what somebody may use as a secret: each
// thread takes many from the generator at a time, since calling it costs more than what it makes.
UuidBytes name_bytes() {
    constexpr uint8_t kAtOnce = 32;
    // The first byte is how many are left. A forked child finds zeros here (SecretBytes), so it
    // never gives out what its parent does.
    thread_local SecretBytes kept(1 + kAtOnce * sizeof(UuidBytes));
    uint8_t& left = kept.expose_mutable()[0];
    const MutableByteView all = kept.expose_mutable().subspan(1);
    if (left == 0) {
        fill<RAND_bytes>(all);
        left = kAtOnce;
    }
    const MutableByteView next = all.subspan(--left * sizeof(UuidBytes), sizeof(UuidBytes));
    UuidBytes out;
    std::copy(next.begin(), next.end(), out.begin());
    wipe(next);
    return out;
}

// uuid_of gives 16 bytes their version and RFC 9562's variant (4.1, 4.2).
std::string uuid_of(UuidBytes bytes, uint8_t version) {
    bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0f) | version << 4);
    bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3f) | 0x80);
    std::string text = encode_hex(bytes);
    for (size_t position : {8, 13, 18, 23}) text.insert(position, 1, '-');
    return text;
}

}  // namespace

void fill_random(MutableByteView out) {
    fill<RAND_bytes>(out);
}

Bytes random_bytes(size_t count) {
    Bytes out(count);
    fill_random(out);
    return out;
}

SecretBytes random_secret(size_t count) {
    SecretBytes out(count);
    fill<RAND_priv_bytes>(out.expose_mutable());
    return out;
}

std::string random_hex(size_t bytes) {
    return encode_hex(random_bytes(bytes));
}

std::string random_uuid() {
    UuidBytes bytes;
    fill_random(bytes);
    return uuid_of(bytes, 4);
}

std::string time_ordered_uuid() {
    using std::chrono::milliseconds;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    auto left = static_cast<uint64_t>(std::chrono::duration_cast<milliseconds>(now).count());
    UuidBytes bytes = name_bytes();
    for (size_t i = 6; i-- > 0; left >>= 8) bytes[i] = static_cast<uint8_t>(left);
    return uuid_of(bytes, 7);
}

}  // namespace vouchsafe::crypto
