#include "vouchsafe/crypto/random.h"

#include <openssl/rand.h>

#include <algorithm>

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
    Bytes bytes = random_bytes(16);
    bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0f) | 0x40);  // RFC 4122, 4.4: version 4
    bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3f) | 0x80);  // RFC 4122, 4.1.1: the variant
    std::string text = encode_hex(bytes);
    for (size_t position : {8, 13, 18, 23}) text.insert(position, 1, '-');
    return text;
}

}  // namespace vouchsafe::crypto
