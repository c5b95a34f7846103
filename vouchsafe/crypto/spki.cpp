#include "vouchsafe/crypto/spki.h"

#include <algorithm>
#include <array>

#include "vouchsafe/crypto/der.h"

namespace vouchsafe::crypto {

namespace {

constexpr uint8_t kTagInteger = 0x02;
constexpr uint8_t kTagBitString = 0x03;
constexpr uint8_t kTagSequence = 0x30;
constexpr uint8_t kUncompressed = 0x04;

// AlgorithmIdentifiers, whole. rsaEncryption with NULL; id-ecPublicKey with the curve's name.
constexpr uint8_t kRsa[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                            0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
constexpr uint8_t kP256[] = {0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                             0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr uint8_t kP384[] = {0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
                             0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
constexpr uint8_t kP521[] = {0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
                             0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};
constexpr uint8_t kP256k[] = {0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
                              0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a};

struct NamedCurve {
    ByteView algorithm;
    Curve curve;
    size_t width;
};
const std::array<NamedCurve, 4> kNamedCurves{{{kP256, Curve::p256, 32},
                                              {kP384, Curve::p384, 48},
                                              {kP521, Curve::p521, 66},
                                              {kP256k, Curve::p256k, 32}}};

// take reads one element with this tag off the front of `rest`.
std::optional<DerElement> take(ByteView& rest, uint8_t tag) {
    Result<DerElement> element = parse_der_element(rest);
    if (!element || element->tag != tag) return std::nullopt;
    rest = rest.subspan(element->whole.size());
    return *element;
}

// take_positive reads an INTEGER that is not negative and has no byte too many (X.690, 8.3.2).
std::optional<ByteView> take_positive(ByteView& rest) {
    const auto integer = take(rest, kTagInteger);
    if (!integer || integer->content.empty()) return std::nullopt;
    const ByteView number = integer->content;
    if (number[0] & 0x80) return std::nullopt;
    if (number[0] != 0 || number.size() == 1) return number;
    if (!(number[1] & 0x80)) return std::nullopt;
    return number.subspan(1);
}

std::optional<SpkiNumbers> split_rsa(ByteView bits) {
    const auto key = take(bits, kTagSequence);
    if (!key || !bits.empty()) return std::nullopt;
    ByteView rest = key->content;
    const auto modulus = take_positive(rest);
    if (!modulus) return std::nullopt;
    const auto exponent = take_positive(rest);
    if (!exponent || !rest.empty()) return std::nullopt;
    return RsaNumbers{*modulus, *exponent};
}

std::optional<SpkiNumbers> split_point(const NamedCurve& named, ByteView bits) {
    if (bits.size() != 1 + 2 * named.width || bits[0] != kUncompressed) return std::nullopt;
    return EcPoint{named.curve, bits.subspan(1, named.width), bits.last(named.width)};
}

}  // namespace

std::optional<SpkiNumbers> split_plain_spki(ByteView der) {
    const auto info = take(der, kTagSequence);
    if (!info || !der.empty()) return std::nullopt;
    ByteView rest = info->content;
    const auto algorithm = take(rest, kTagSequence);
    if (!algorithm) return std::nullopt;
    const auto key = take(rest, kTagBitString);
    // The first byte counts the bits that the last one lacks.
    if (!key || !rest.empty() || key->content.empty() || key->content[0] != 0) return std::nullopt;
    const ByteView bits = key->content.subspan(1);
    if (std::ranges::equal(algorithm->whole, kRsa)) return split_rsa(bits);
    for (const NamedCurve& named : kNamedCurves) {
        if (std::ranges::equal(algorithm->whole, named.algorithm)) return split_point(named, bits);
    }
    return std::nullopt;
}

}  // namespace vouchsafe::crypto
