// The few DER values (X.690, 8 and 10) that certificate extensions hold.
#include <algorithm>

#include "vouchsafe/crypto/der.h"
#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::crypto {

namespace {

constexpr uint8_t kInteger = 0x02;
constexpr uint8_t kOctetString = 0x04;
constexpr uint8_t kIa5String = 0x16;

Result<ByteView> parse_whole(ByteView der, uint8_t tag, std::string_view name) {
    DerElement element = TRY(parse_der_element(der));
    if (element.tag != tag || element.whole.size() != der.size()) {
        return fail(Code::invalid, "not exactly one DER {}", name);
    }
    return element.content;
}

Bytes encode(uint8_t tag, ByteView content) {
    Bytes out = {tag};
    if (content.size() < 0x80) {
        out.push_back(static_cast<uint8_t>(content.size()));
    } else {
        Bytes length;
        for (size_t left = content.size(); left != 0; left >>= 8) {
            length.insert(length.begin(), static_cast<uint8_t>(left));
        }
        out.push_back(static_cast<uint8_t>(0x80 | length.size()));
        append(out, length);
    }
    append(out, content);
    return out;
}

}  // namespace

Result<DerElement> parse_der_element(ByteView bytes) {
    Reader reader(bytes, "DER");
    uint8_t tag = TRY(reader.u8("tag"));
    if ((tag & 0x1f) == 0x1f) return fail(Code::invalid, "DER: a tag of several bytes");
    size_t length = TRY(reader.u8("length"));
    if (length >= 0x80) {
        size_t count = length & 0x7f;
        if (count == 0 || count > 4) return fail(Code::invalid, "DER: a length of {} bytes", count);
        ByteView digits = TRY(reader.take(count, "length"));
        length = 0;
        for (uint8_t digit : digits) length = length << 8 | digit;
        if (digits[0] == 0 || length < 0x80) return fail(Code::invalid, "DER: a length too long");
    }
    ByteView content = TRY(reader.take(length, "content"));
    return DerElement{tag, content, bytes.first(reader.offset())};
}

Result<uint64_t> parse_der_integer(ByteView der) {
    ByteView content = TRY(parse_whole(der, kInteger, "INTEGER"));
    if (content.empty()) return fail(Code::invalid, "an INTEGER without content");
    if (content[0] & 0x80) return fail(Code::invalid, "a negative INTEGER");
    if (content[0] == 0 && content.size() > 1) {
        if (!(content[1] & 0x80)) return fail(Code::invalid, "an INTEGER not in shortest form");
        content = content.subspan(1);
    }
    if (content.size() > 8) return fail(Code::invalid, "an INTEGER over 64 bits");
    uint64_t value = 0;
    for (uint8_t byte : content) value = value << 8 | byte;
    return value;
}

Result<std::string> parse_der_ia5_string(ByteView der) {
    ByteView content = TRY(parse_whole(der, kIa5String, "IA5String"));
    if (std::any_of(content.begin(), content.end(), [](uint8_t byte) { return byte > 0x7f; })) {
        return fail(Code::invalid, "an IA5String that is not ASCII");
    }
    return to_text(content);
}

Result<Bytes> parse_der_octet_string(ByteView der) {
    return to_bytes(TRY(parse_whole(der, kOctetString, "OCTET STRING")));
}

Bytes encode_der_integer(uint64_t value) {
    Bytes content;
    do {
        content.insert(content.begin(), static_cast<uint8_t>(value));
        value >>= 8;
    } while (value != 0);
    if (content[0] & 0x80) content.insert(content.begin(), 0);
    return encode(kInteger, content);
}

Bytes encode_der_ia5_string(std::string_view text) {
    return encode(kIa5String, as_bytes(text));
}

Bytes encode_der_octet_string(ByteView bytes) {
    return encode(kOctetString, bytes);
}

}  // namespace vouchsafe::crypto
