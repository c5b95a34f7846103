#include "vouchsafe/train/csv.h"

#include <locale.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_set>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::train {

namespace {

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

// Powers of ten that double holds exactly. An integer of at most 2^53 divided by one of them is
// rounded once, so the quotient is the correctly rounded value of the decimal (ml.md, 4).
constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
                                   1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19};
constexpr uint64_t kWholePowersOfTen[] = {1,      10,      100,      1000,     10000,
                                          100000, 1000000, 10000000, 100000000};
constexpr double kSign[] = {1, -1};
constexpr size_t kMaxDigits = 19;  // 10^19 fits 64 bits
constexpr uint64_t kMaxExact = uint64_t{1} << 53;

std::string_view trim(std::string_view text) {
    size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string_view unquote(std::string_view text) {
    text = trim(text);
    bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
    return quoted ? trim(text.substr(1, text.size() - 2)) : text;
}

// For numbers from_chars calls out of range: too large is infinite, too small is zero or subnormal.
double parse_extreme(std::string_view number) {
    static const locale_t kPlain = ::newlocale(LC_ALL_MASK, "C", nullptr);
    SecretBytes copy(number.size() + 1);
    std::copy(number.begin(), number.end(), copy.expose_mutable().begin());
    return ::strtod_l(copy.expose_text().data(), nullptr, kPlain);
}

bool is_digit(uint8_t c) {
    return static_cast<uint8_t>(c - '0') < 10;
}

// Lines walks over text that ends with a line feed, which stops every loop below.
class Lines {
  public:
    Lines(ByteView text, size_t columns)
        : at_(text.data()), end_(text.data() + text.size()), columns_(columns) {}

    // skip_empty moves past empty lines; false at the end of the text.
    bool skip_empty() {
        while (at_ != end_) {
            if (*at_ == '\n') {
                ++at_;
            } else if (*at_ == '\r' && at_[1] == '\n') {
                at_ += 2;
            } else {
                return true;
            }
        }
        return false;
    }

    // row parses one line into columns_ floats.
    std::optional<CellError> row(float* out) {
        for (size_t i = 0; i + 1 < columns_; ++i) {
            if (quick_cell(out[i]) && *at_ == ',') {
                ++at_;
            } else if (auto error = careful_cell(i, out[i])) {
                return error;
            }
        }
        size_t last = columns_ - 1;
        if (!quick_cell(out[last]) || *at_ != '\n') return careful_cell(last, out[last]);
        ++at_;
        return std::nullopt;
    }

  private:
    bool at_line_end() const { return *at_ == '\n' || (*at_ == '\r' && at_[1] == '\n'); }

    // take_digits reads digits, eight at a time, behind those in `number`; returns how many. The
    // value is only right if there are at most kMaxDigits of them altogether.
    size_t take_digits(uint64_t& number) {
        const uint8_t* first = at_;
        while (end_ - at_ >= 8) {
            uint64_t text;
            std::memcpy(&text, at_, 8);
            uint64_t digits = text ^ 0x3030303030303030;
            // A byte that is no digit gets a bit in its upper half; carries only reach later bytes.
            uint64_t others = (digits | (digits + 0x0606060606060606)) & 0xf0f0f0f0f0f0f0f0;
            size_t count = others == 0 ? 8 : static_cast<size_t>(std::countr_zero(others)) / 8;
            if (count == 0) break;
            digits <<= 64 - 8 * count;  // leading zeros instead of what follows
            digits = digits * 10 + (digits >> 8);
            digits = (((digits & 0x000000ff000000ff) * (100 + (uint64_t{1000000} << 32))) +
                      (((digits >> 16) & 0x000000ff000000ff) * (1 + (uint64_t{10000} << 32)))) >>
                     32;
            number = number * kWholePowersOfTen[count] + digits;
            at_ += count;
            if (count < 8) return static_cast<size_t>(at_ - first);
        }
        for (; is_digit(*at_); ++at_) number = number * 10 + (*at_ - '0');
        return static_cast<size_t>(at_ - first);
    }

    // quick_cell parses digits with at most one point, and moves behind them. If it fails, or if no
    // separator follows, it says nothing about the cell: that is for careful_cell.
    bool quick_cell(float& out) {
        start_ = at_;
        bool negative = *at_ == '-';
        at_ += negative;
        uint64_t number = 0;
        const uint8_t* first = at_;
        for (; is_digit(*at_); ++at_) number = number * 10 + (*at_ - '0');  // mostly a few
        size_t digits = static_cast<size_t>(at_ - first);
        size_t fraction = 0;
        if (*at_ == '.') {
            ++at_;
            fraction = take_digits(number);
            digits += fraction;
        }
        if (digits - 1 >= kMaxDigits || number > kMaxExact) return false;
        double value = static_cast<double>(number) / kPowersOfTen[fraction];
        out = static_cast<float>(value * kSign[negative]);  // no branch: signs are like coin flips
        return true;
    }

    // careful_cell parses any cell again from its start, and moves past its separator.
    std::optional<CellError> careful_cell(size_t column, float& out) {
        at_ = start_;
        while (*at_ != ',' && !at_line_end()) ++at_;
        auto value =
            parse_cell({reinterpret_cast<const char*>(start_), static_cast<size_t>(at_ - start_)});
        if (!value) return CellError{CellError::Kind::not_a_number, 0, column};
        if (std::isinf(*value)) return CellError{CellError::Kind::too_large, 0, column};
        out = *value;
        bool last = column + 1 == columns_;
        if (*at_ == ',' && last) return CellError{CellError::Kind::too_many_columns, 0, column};
        if (*at_ != ',' && !last) return CellError{CellError::Kind::too_few_columns, 0, column};
        at_ += *at_ == '\r' ? 2 : 1;
        return std::nullopt;
    }

    const uint8_t* at_;
    const uint8_t* end_;
    const uint8_t* start_ = nullptr;  // of the cell
    size_t columns_;
};

}  // namespace

std::optional<float> parse_cell(std::string_view cell) {
    std::string_view text = unquote(cell);
    if (text.empty()) return kMissing;
    bool plus = text.front() == '+';
    if (plus) text.remove_prefix(1);
    bool plain = !text.empty() && !(plus && text.front() == '-') &&
                 text.find_first_not_of("0123456789.+-eE") == std::string_view::npos;
    if (!plain) return std::nullopt;
    double value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end != text.data() + text.size()) return std::nullopt;
    if (error == std::errc::result_out_of_range) {
        value = parse_extreme(text);
    } else if (error != std::errc()) {
        return std::nullopt;
    }
    return static_cast<float>(value);
}

Result<void> parse_rows(ByteView text, size_t columns, CsvRows& out) {
    out.rows = 0;
    out.error.reset();
    Lines lines(text, columns);
    while (lines.skip_empty()) {
        size_t used = out.rows * columns;
        if (out.values.size() < used + columns) {
            size_t count = std::max<size_t>(2 * out.values.size(), 4096 + columns);
            TRY(out.values.pages().grow(count * sizeof(float)));
        }
        if (auto error = lines.row(out.values.expose_mutable().data() + used)) {
            error->row = out.rows;
            out.error = error;
            break;
        }
        ++out.rows;
    }
    return {};
}

Result<std::vector<std::string>> parse_names(std::string_view line) {
    std::vector<std::string> names;
    std::unordered_set<std::string> seen;
    while (true) {
        size_t comma = line.find(',');
        std::string_view name = unquote(line.substr(0, comma));
        size_t number = names.size() + 1;
        if (name.empty()) {
            return fail(Code::invalid, "column {} has no name in the header line", number);
        }
        if (!is_utf8(name) || name.find('"') != std::string_view::npos) {
            return fail(Code::invalid,
                        "the name of column {} has a quote or a comma in it, or is not UTF-8",
                        number);
        }
        if (!seen.emplace(name).second) {
            return fail(Code::invalid, "the name of column {} occurs twice", number);
        }
        names.emplace_back(name);
        if (names.size() > kMaxColumns) {
            return fail(Code::invalid, "there are more than {} columns", kMaxColumns);
        }
        if (comma == std::string_view::npos) return names;
        line.remove_prefix(comma + 1);
    }
}

}  // namespace vouchsafe::train
