#include "vouchsafe/crypto/der.h"

#include <algorithm>
#include <set>

#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::crypto {

namespace {

constexpr uint8_t kInteger = 0x02;
constexpr uint8_t kOctetString = 0x04;
constexpr uint8_t kObjectIdentifier = 0x06;
constexpr uint8_t kEnumerated = 0x0a;
constexpr uint8_t kIa5String = 0x16;
constexpr uint8_t kSequence = 0x30;

Result<ByteView> parse_whole(ByteView der, uint8_t tag, std::string_view name) {
    DerElement element = TRY(parse_der_element(der));
    if (element.tag != tag || element.whole.size() != der.size()) {
        return fail(Code::invalid, "not exactly one DER {}", name);
    }
    return element.content;
}

// parse_number reads the content of an INTEGER or ENUMERATED (X.690, 8.3).
Result<uint64_t> parse_number(ByteView content, std::string_view name) {
    if (content.empty()) return fail(Code::invalid, "an {} without content", name);
    if (content[0] & 0x80) return fail(Code::invalid, "a negative {}", name);
    if (content[0] == 0 && content.size() > 1) {
        if (!(content[1] & 0x80)) return fail(Code::invalid, "an {} not in shortest form", name);
        content = content.subspan(1);
    }
    if (content.size() > 8) return fail(Code::invalid, "an {} over 64 bits", name);
    uint64_t value = 0;
    for (uint8_t byte : content) value = value << 8 | byte;
    return value;
}

// parse_arc reads one number of an OID: seven bits in each byte, the highest says that more follow.
Result<uint32_t> parse_arc(Reader& reader) {
    uint64_t value = 0;
    for (;;) {
        uint8_t byte = TRY(reader.u8("arc"));
        if (value == 0 && byte == 0x80) return fail(Code::invalid, "an OID not in shortest form");
        value = value << 7 | (byte & 0x7f);
        if (value > UINT32_MAX) return fail(Code::invalid, "an OID with a number over 32 bits");
        if (!(byte & 0x80)) return static_cast<uint32_t>(value);
    }
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
    return parse_number(TRY(parse_whole(der, kInteger, "INTEGER")), "INTEGER");
}

Result<uint64_t> parse_der_enumerated(ByteView der) {
    return parse_number(TRY(parse_whole(der, kEnumerated, "ENUMERATED")), "ENUMERATED");
}

Result<std::string> parse_der_oid(ByteView der) {
    Reader reader(TRY(parse_whole(der, kObjectIdentifier, "OBJECT IDENTIFIER")), "OID");
    std::string out;
    while (!reader.done() || out.empty()) {
        uint32_t arc = TRY(parse_arc(reader));
        if (out.empty()) {  // the first two arcs share a number
            uint32_t first = std::min<uint32_t>(arc / 40, 2);
            out = fmt::format("{}.{}", first, arc - first * 40);
        } else {
            out += fmt::format(".{}", arc);
        }
    }
    return out;
}

Result<std::vector<DerNamedValue>> parse_der_named_values(ByteView der) {
    ByteView left = TRY(parse_whole(der, kSequence, "SEQUENCE"));
    std::vector<DerNamedValue> out;
    std::set<std::string> seen;
    while (!left.empty()) {
        DerElement pair = TRY(parse_der_element(left));
        left = left.subspan(pair.whole.size());
        if (pair.tag != kSequence) return fail(Code::invalid, "a pair that is not a SEQUENCE");
        DerElement name = TRY(parse_der_element(pair.content));
        std::string oid = TRY(parse_der_oid(name.whole));
        DerElement value = TRY(parse_der_element(pair.content.subspan(name.whole.size())));
        if (name.whole.size() + value.whole.size() != pair.content.size()) {
            return fail(Code::invalid, "more than one value for {}", oid);
        }
        if (!seen.insert(oid).second) return fail(Code::invalid, "{} appears twice", oid);
        out.push_back({std::move(oid), value.whole});
    }
    return out;
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
