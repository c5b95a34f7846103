#include "vouchsafe/base/base64_wide.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>

namespace vouchsafe {

namespace {

#define VS_AVX2 [[gnu::target("avx2")]]

constexpr size_t kDigits = 32;  // of a block
constexpr size_t kBytes = 24;   // that these stand for
// A block is stored as 32 bytes, of which the last 8 mean nothing, and is read as two times 16, of
// which the last 4 do.
constexpr size_t kStoredBeyond = 8;
constexpr size_t kReadBeyond = 4;

size_t whole_blocks(size_t size, size_t beyond) {
    static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
    return has_avx2 && size > beyond ? (size - beyond) / kBytes : 0;
}

VS_AVX2 inline __m256i all_of(int byte) {
    return _mm256_set1_epi8(static_cast<char>(byte));
}

VS_AVX2 inline __m256i load(const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

VS_AVX2 inline void store(void* to, __m256i value) {
    _mm256_storeu_si256(static_cast<__m256i*>(to), value);
}

// The following give bytes of ones where the answer is yes.
VS_AVX2 inline __m256i between(__m256i digits, char first, char last) {
    return _mm256_and_si256(_mm256_cmpgt_epi8(digits, all_of(first - 1)),
                            _mm256_cmpgt_epi8(all_of(last + 1), digits));
}

VS_AVX2 inline __m256i either(__m256i digits, const std::array<char, 2>& two) {
    return _mm256_or_si256(_mm256_cmpeq_epi8(digits, all_of(two[0])),
                           _mm256_cmpeq_epi8(digits, all_of(two[1])));
}

// values_of turns characters into what they stand for, and notes in `known` which stand for
// something.
VS_AVX2 inline __m256i values_of(__m256i digits, const Base64Ends& ends, __m256i& known) {
    const __m256i upper = between(digits, 'A', 'Z');
    const __m256i lower = between(digits, 'a', 'z');
    const __m256i decimal = between(digits, '0', '9');
    const __m256i is_62 = either(digits, ends.for_62);
    const __m256i is_63 = either(digits, ends.for_63);
    const __m256i letter = _mm256_or_si256(upper, lower);
    const __m256i end = _mm256_or_si256(is_62, is_63);
    known = _mm256_and_si256(known, _mm256_or_si256(_mm256_or_si256(letter, decimal), end));
    __m256i out = _mm256_and_si256(upper, _mm256_add_epi8(digits, all_of(-'A')));
    out = _mm256_or_si256(out, _mm256_and_si256(lower, _mm256_add_epi8(digits, all_of(26 - 'a'))));
    out =
        _mm256_or_si256(out, _mm256_and_si256(decimal, _mm256_add_epi8(digits, all_of(52 - '0'))));
    out = _mm256_or_si256(out, _mm256_and_si256(is_62, all_of(62)));
    return _mm256_or_si256(out, _mm256_and_si256(is_63, all_of(63)));
}

// joined puts together 32 values of 6 bits to 24 bytes.
VS_AVX2 inline __m256i joined(__m256i values) {
    const __m256i twelve = _mm256_maddubs_epi16(values, _mm256_set1_epi32(0x01400140));
    const __m256i twenty_four = _mm256_madd_epi16(twelve, _mm256_set1_epi32(0x00011000));
    const __m256i order = _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1,
                                           2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
    return _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(twenty_four, order),
                                       _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
}

VS_AVX2 bool decode_blocks(const char* from, size_t blocks, const Base64Ends& ends, uint8_t* to) {
    __m256i known = all_of(-1);
    for (; blocks > 0; --blocks, from += kDigits, to += kBytes) {
        store(to, joined(values_of(load(from), ends, known)));
    }
    return _mm256_movemask_epi8(known) == -1;
}

// taken_apart makes 32 values of 6 bits of 24 bytes.
VS_AVX2 inline __m256i taken_apart(const uint8_t* from) {
    const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + kBytes / 2));
    const __m256i order = _mm256_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10, 1, 0,
                                           2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
    const __m256i spread = _mm256_shuffle_epi8(_mm256_set_m128i(second, first), order);
    const __m256i even = _mm256_mulhi_epu16(_mm256_and_si256(spread, _mm256_set1_epi32(0x0FC0FC00)),
                                            _mm256_set1_epi32(0x04000040));
    const __m256i odd = _mm256_mullo_epi16(_mm256_and_si256(spread, _mm256_set1_epi32(0x003F03F0)),
                                           _mm256_set1_epi32(0x01000010));
    return _mm256_or_si256(even, odd);
}

// Where the alphabet goes on with other characters, the distance to them changes.
VS_AVX2 inline __m256i change(__m256i values, int from, int by) {
    return _mm256_and_si256(_mm256_cmpgt_epi8(values, all_of(from - 1)), all_of(by));
}

VS_AVX2 inline __m256i digits_of(__m256i values, const Base64Ends& ends) {
    const int lower = 'a' - 26;
    const int decimal = '0' - 52;
    const int end_62 = ends.for_62[0] - 62;
    const int end_63 = ends.for_63[0] - 63;
    __m256i distance = _mm256_add_epi8(all_of('A'), change(values, 26, lower - 'A'));
    distance = _mm256_add_epi8(distance, change(values, 52, decimal - lower));
    distance = _mm256_add_epi8(distance, change(values, 62, end_62 - decimal));
    distance = _mm256_add_epi8(distance, change(values, 63, end_63 - end_62));
    return _mm256_add_epi8(values, distance);
}

VS_AVX2 void encode_blocks(const uint8_t* from, size_t blocks, const Base64Ends& ends, char* to) {
    for (; blocks > 0; --blocks, from += kBytes, to += kDigits) {
        store(to, digits_of(taken_apart(from), ends));
    }
}

}  // namespace

std::optional<size_t> decode_base64_wide(std::string_view text, const Base64Ends& ends,
                                         MutableByteView out) {
    const size_t blocks = std::min(whole_blocks(out.size(), kStoredBeyond), text.size() / kDigits);
    if (blocks == 0) return 0;
    if (!decode_blocks(text.data(), blocks, ends, out.data())) return std::nullopt;
    return blocks * kDigits;
}

size_t encode_base64_wide(ByteView bytes, const Base64Ends& ends, std::span<char> out) {
    const size_t blocks = std::min(whole_blocks(bytes.size(), kReadBeyond), out.size() / kDigits);
    if (blocks > 0) encode_blocks(bytes.data(), blocks, ends, out.data());
    return blocks * kBytes;
}

}  // namespace vouchsafe

#else

namespace vouchsafe {

std::optional<size_t> decode_base64_wide(std::string_view, const Base64Ends&, MutableByteView) {
    return 0;
}

size_t encode_base64_wide(ByteView, const Base64Ends&, std::span<char>) {
    return 0;
}

}  // namespace vouchsafe

#endif
