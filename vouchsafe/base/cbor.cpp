#include "vouchsafe/base/cbor.h"

#include <cbor/encoding.h>
#include <cbor/streaming.h>

#include <algorithm>
#include <set>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe {

namespace {

using Kind = Cbor::Kind;

constexpr size_t kMaxHead = 9;
constexpr uint8_t kMajorTypeTag = 6;  // the upper three bits of the initial byte: RFC 8949, 3

// Head is what libcbor says of the next item: its kind, its number or count, its string.
struct Head {
    std::optional<Kind> kind;  // nullopt: one of those that are refused
    uint64_t number = 0;
    ByteView string;
};

template <Kind kind, typename T>
void on_number(void* head, T number) {
    *static_cast<Head*>(head) = {kind, number, {}};
}

template <Kind kind>
void on_string(void* head, cbor_data data, size_t size) {
    *static_cast<Head*>(head) = {kind, 0, {data, size}};
}

template <Kind kind>
void on_simple(void* head) {
    *static_cast<Head*>(head) = {kind, 0, {}};
}

cbor_callbacks make_callbacks() {
    // What is not set here leaves `kind` empty: floating point, indefinite lengths and their end.
    // Tags come as numbers.
    cbor_callbacks out = cbor_empty_callbacks;
    out.uint8 = on_number<Kind::unsigned_integer, uint8_t>;
    out.uint16 = on_number<Kind::unsigned_integer, uint16_t>;
    out.uint32 = on_number<Kind::unsigned_integer, uint32_t>;
    out.uint64 = on_number<Kind::unsigned_integer, uint64_t>;
    out.negint8 = on_number<Kind::negative_integer, uint8_t>;
    out.negint16 = on_number<Kind::negative_integer, uint16_t>;
    out.negint32 = on_number<Kind::negative_integer, uint32_t>;
    out.negint64 = on_number<Kind::negative_integer, uint64_t>;
    out.byte_string = on_string<Kind::bytes>;
    out.string = on_string<Kind::text>;
    out.array_start = on_number<Kind::array, size_t>;
    out.map_start = on_number<Kind::map, size_t>;
    out.boolean = on_number<Kind::boolean, bool>;
    out.null = on_simple<Kind::null>;
    out.undefined = on_simple<Kind::undefined>;
    return out;
}

bool is_string(Kind kind) {
    return kind == Kind::bytes || kind == Kind::text;
}

// shortest_head is the size of the shortest initial bytes that say `number` (RFC 8949, 3).
size_t shortest_head(Kind kind, uint64_t number) {
    bool simple = kind == Kind::boolean || kind == Kind::null || kind == Kind::undefined;
    if (simple || number < 24) return 1;
    if (number <= UINT8_MAX) return 2;
    if (number <= UINT16_MAX) return 3;
    return number <= UINT32_MAX ? 5 : kMaxHead;
}

class Parser {
  public:
    Parser(ByteView bytes, const CborLimits& limits) : bytes_(bytes), limits_(limits) {}

    size_t offset() const { return offset_; }

    Result<Cbor> parse(size_t depth) {
        if (depth > limits_.max_depth) {
            return fail(Code::invalid, "CBOR nested deeper than {} at {}", limits_.max_depth,
                        offset_);
        }
        if (++items_ > limits_.max_items) {
            return fail(Code::invalid, "CBOR with more than {} items", limits_.max_items);
        }
        Head head = TRY(next());
        Cbor out{*head.kind, head.number, to_bytes(head.string), {}};
        if (out.is(Kind::array) || out.is(Kind::map)) {
            out.number = 0;
            TRY(parse_items(head, depth, out));
        } else if (out.is(Kind::tag)) {
            out.items.push_back(TRY(parse(depth + 1)));
        }
        return out;
    }

  private:
    size_t left() const { return bytes_.size() - offset_; }

    // decode has libcbor read the head at the beginning of `input`. Version 0.8 refuses the tags 6
    // to 20, COSE's among them, because they had no meaning once; but the head of a tag has the
    // form of an unsigned integer's, and is read as one.
    static cbor_decoder_result decode(ByteView input, Head& head) {
        static const cbor_callbacks kCallbacks = make_callbacks();
        bool tag = !input.empty() && input[0] >> 5 == kMajorTypeTag;
        if (!tag) return cbor_stream_decode(input.data(), input.size(), &kCallbacks, &head);
        std::array<uint8_t, kMaxHead> number{};
        size_t size = std::min(input.size(), number.size());
        std::copy_n(input.begin(), size, number.begin());
        number[0] &= 0x1f;
        auto read = cbor_stream_decode(number.data(), size, &kCallbacks, &head);
        if (head.kind) head.kind = Kind::tag;
        return read;
    }

    Result<Head> next() {
        Head head;
        cbor_decoder_result read = decode(bytes_.subspan(offset_), head);
        if (read.status == CBOR_DECODER_NEDATA) {
            return fail(Code::invalid, "CBOR cut off at {}", offset_);
        }
        if (read.status != CBOR_DECODER_FINISHED || !head.kind) {
            return fail(Code::invalid, "CBOR of a kind that is not accepted at {}", offset_);
        }
        uint64_t number = is_string(*head.kind) ? head.string.size() : head.number;
        if (read.read != shortest_head(*head.kind, number) + head.string.size()) {
            return fail(Code::invalid, "CBOR not in shortest form at {}", offset_);
        }
        if (head.kind == Kind::text && !is_utf8(as_text(head.string))) {
            return fail(Code::invalid, "CBOR text that is not UTF-8 at {}", offset_);
        }
        offset_ += read.read;
        return head;
    }

    Result<void> parse_items(const Head& head, size_t depth, Cbor& out) {
        bool map = *head.kind == Kind::map;
        if (head.number > left() / (map ? 2 : 1)) {
            return fail(Code::invalid, "CBOR with {} entries where {} bytes are left at {}",
                        head.number, left(), offset_);
        }
        std::set<std::string_view> keys;  // as they are encoded
        for (uint64_t i = 0; i < head.number; ++i) {
            size_t start = offset_;
            out.items.push_back(TRY(parse(depth + 1)));
            if (!map) continue;
            if (!keys.insert(as_text(bytes_.subspan(start, offset_ - start))).second) {
                return fail(Code::invalid, "CBOR with a key that appears twice at {}", start);
            }
            out.items.push_back(TRY(parse(depth + 1)));
        }
        return {};
    }

    ByteView bytes_;
    const CborLimits& limits_;
    size_t offset_ = 0;
    size_t items_ = 0;
};

size_t encode_head(const Cbor& value, uint8_t* out) {
    switch (value.kind) {
        case Kind::unsigned_integer:
            return cbor_encode_uint(value.number, out, kMaxHead);
        case Kind::negative_integer:
            return cbor_encode_negint(value.number, out, kMaxHead);
        case Kind::bytes:
            return cbor_encode_bytestring_start(value.string.size(), out, kMaxHead);
        case Kind::text:
            return cbor_encode_string_start(value.string.size(), out, kMaxHead);
        case Kind::array:
            return cbor_encode_array_start(value.items.size(), out, kMaxHead);
        case Kind::map:
            return cbor_encode_map_start(value.items.size() / 2, out, kMaxHead);
        case Kind::tag:
            return cbor_encode_tag(value.number, out, kMaxHead);
        case Kind::boolean:
            return cbor_encode_bool(value.number != 0, out, kMaxHead);
        case Kind::null:
            return cbor_encode_null(out, kMaxHead);
        case Kind::undefined:
            return cbor_encode_undef(out, kMaxHead);
    }
    return 0;
}

void encode_to(const Cbor& value, Bytes& out) {
    std::array<uint8_t, kMaxHead> head;
    append(out, ByteView(head).first(encode_head(value, head.data())));
    append(out, value.string);
    for (const Cbor& item : value.items) encode_to(item, out);
}

}  // namespace

Cbor Cbor::of(int64_t value) {
    if (value >= 0) return {Kind::unsigned_integer, static_cast<uint64_t>(value), {}, {}};
    return {Kind::negative_integer, static_cast<uint64_t>(-1 - value), {}, {}};
}

Cbor Cbor::of_bytes(ByteView value) {
    return {Kind::bytes, 0, to_bytes(value), {}};
}

Cbor Cbor::of_text(std::string_view value) {
    return {Kind::text, 0, to_bytes(value), {}};
}

Cbor Cbor::of_array(std::vector<Cbor> items) {
    return {Kind::array, 0, {}, std::move(items)};
}

Cbor Cbor::of_map(std::vector<Cbor> keys_and_values) {
    return {Kind::map, 0, {}, std::move(keys_and_values)};
}

Cbor Cbor::of_tag(uint64_t number, Cbor content) {
    return {Kind::tag, number, {}, {std::move(content)}};
}

std::optional<int64_t> Cbor::to_integer() const {
    if (number > INT64_MAX) return std::nullopt;
    if (kind == Kind::unsigned_integer) return static_cast<int64_t>(number);
    if (kind == Kind::negative_integer) return -1 - static_cast<int64_t>(number);
    return std::nullopt;
}

std::optional<std::string_view> Cbor::to_text() const {
    if (kind != Kind::text) return std::nullopt;
    return as_text(string);
}

const Cbor* Cbor::find(int64_t key) const {
    if (kind != Kind::map) return nullptr;
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
        if (items[i].to_integer() == key) return &items[i + 1];
    }
    return nullptr;
}

const Cbor* Cbor::find(std::string_view key) const {
    if (kind != Kind::map) return nullptr;
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
        if (items[i].to_text() == key) return &items[i + 1];
    }
    return nullptr;
}

Result<Cbor> parse_cbor(ByteView bytes, const CborLimits& limits) {
    if (bytes.size() > limits.max_bytes) {
        return fail(Code::invalid, "CBOR of {} bytes is longer than the limit of {}", bytes.size(),
                    limits.max_bytes);
    }
    Parser parser(bytes, limits);
    Cbor out = TRY(parser.parse(1));
    if (parser.offset() != bytes.size()) {
        return fail(Code::invalid, "CBOR followed by {} bytes", bytes.size() - parser.offset());
    }
    return out;
}

Bytes encode_cbor(const Cbor& value) {
    Bytes out;
    encode_to(value, out);
    return out;
}

}  // namespace vouchsafe
