#include "vouchsafe/train/csv.h"

#include <locale.h>

#include <algorithm>
#include <charconv>
#include <cmath>
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
        for (size_t i = 0; i < columns_; ++i) {
            if (!cell(out[i])) return CellError{CellError::Kind::not_a_number, 0, i};
            if (std::isinf(out[i])) return CellError{CellError::Kind::too_large, 0, i};
            bool last = i + 1 == columns_;
            if (*at_ == ',') {
                if (last) return CellError{CellError::Kind::too_many_columns, 0, i};
            } else if (!last) {
                return CellError{CellError::Kind::too_few_columns, 0, i};
            }
            at_ += *at_ == '\r' ? 2 : 1;
        }
        return std::nullopt;
    }

  private:
    bool at_cell_end() const {
        return *at_ == ',' || *at_ == '\n' || (*at_ == '\r' && at_[1] == '\n');
    }

    // cell parses up to a separator and stops there. Digits with at most one point are read here;
    // everything else goes the slow way.
    bool cell(float& out) {
        const uint8_t* start = at_;
        bool negative = *at_ == '-';
        at_ += negative;
        uint64_t number = 0;
        const uint8_t* first = at_;
        for (; is_digit(*at_); ++at_) number = number * 10 + (*at_ - '0');
        size_t digits = static_cast<size_t>(at_ - first);
        size_t fraction = 0;
        if (*at_ == '.') {
            first = ++at_;
            for (; is_digit(*at_); ++at_) number = number * 10 + (*at_ - '0');
            fraction = static_cast<size_t>(at_ - first);
            digits += fraction;
        }
        bool simple = digits - 1 < kMaxDigits && number <= kMaxExact && at_cell_end();
        if (!simple) return slow_cell(start, out);
        double value = static_cast<double>(number) / kPowersOfTen[fraction];
        out = static_cast<float>(negative ? -value : value);
        return true;
    }

    bool slow_cell(const uint8_t* start, float& out) {
        at_ = start;
        while (!at_cell_end()) ++at_;
        auto value =
            parse_cell({reinterpret_cast<const char*>(start), static_cast<size_t>(at_ - start)});
        if (value) out = *value;
        return value.has_value();
    }

    const uint8_t* at_;
    const uint8_t* end_;
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
