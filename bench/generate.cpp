#include "bench/generate.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

namespace vouchsafe::bench {

namespace {

// Box and Muller; std::normal_distribution may differ between libraries.
double normal(std::mt19937& random) {
    double a = (random() + 0.5) / 4294967296.0;
    double b = (random() + 0.5) / 4294967296.0;
    return std::sqrt(-2 * std::log(a)) * std::cos(2 * std::numbers::pi * b);
}

// Six decimals, without the cost of printf.
void add_number(std::string& out, double value) {
    auto millionths = static_cast<uint64_t>(std::llround(std::fabs(value) * 1e6));
    if (value < 0) out += '-';
    char digits[24];
    size_t count = 0;
    while (count < 7 || millionths > 0) {
        digits[count++] = static_cast<char>('0' + millionths % 10);
        millionths /= 10;
        if (count == 6) digits[count++] = '.';
    }
    while (count > 0) out += digits[--count];
}

}  // namespace

void CsvSource::add_header() {
    for (size_t i = 0; i < features_; ++i) text_ += fmt::format("f{},", i);
    text_ += "Outcome\n";
}

void CsvSource::add_row() {
    double sum = 0;
    for (size_t i = 0; i < features_; ++i) {
        double value = normal(random_);
        if (i < 8) sum += i % 2 == 0 ? value : -value * value / 2;
        add_number(text_, value);
        text_ += ',';
    }
    double noise = normal(random_);
    text_ += sum + 2 + noise > 0 ? "1\n" : "0\n";
}

Result<ByteView> CsvSource::read_at(uint64_t offset, size_t count, MutableByteView scratch) {
    if (offset == 0 && text_.empty()) add_header();
    text_.erase(0, static_cast<size_t>(offset - text_at_));
    text_at_ = offset;
    while (text_.size() < count && next_row_ < rows_) {
        add_row();
        ++next_row_;
    }
    size_t size = std::min(count, text_.size());
    std::copy_n(text_.begin(), size, scratch.begin());
    return scratch.first(size);
}

}  // namespace vouchsafe::bench
