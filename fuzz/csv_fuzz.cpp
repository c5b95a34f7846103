// CSV text from outside. Oracles: a slow reader made of strtod and one line at a time finds the
// same numbers, and where it refuses a table so do we; text in pieces gives what the whole text
// gives.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "vouchsafe/train/table_builder.h"

using namespace vouchsafe;
using namespace vouchsafe::train;

namespace {

void require(bool ok) {
    if (!ok) std::abort();
}

std::string trim(std::string text) {
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.pop_back();
    while (!text.empty() && (text[0] == ' ' || text[0] == '\t')) text.erase(0, 1);
    return text;
}

std::optional<float> slow_cell(std::string text) {
    text = trim(std::move(text));
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
        text = trim(text.substr(1, text.size() - 2));
    }
    if (text.empty()) return std::nanf("");
    if (text.find_first_not_of("0123456789.+-eE") != std::string::npos) return std::nullopt;
    char* end = nullptr;
    auto value = static_cast<float>(std::strtod(text.c_str(), &end));
    if (end != text.c_str() + text.size() || std::isinf(value)) return std::nullopt;
    return value;
}

// Every cell of every row, or nothing if one is no number or a row has another length.
std::optional<std::vector<float>> slow_rows(std::string_view text, size_t columns) {
    std::vector<float> out;
    while (!text.empty()) {
        size_t end = text.find('\n');
        std::string line(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (!line.empty() && line.back() == '\r') line.pop_back();
        if (line.empty()) continue;
        size_t count = 0;
        for (size_t at = 0; at != std::string::npos; ++count) {
            size_t comma = line.find(',', at);
            auto value = slow_cell(line.substr(at, comma - at));
            if (!value) return std::nullopt;
            out.push_back(*value);
            at = comma == std::string::npos ? comma : comma + 1;
        }
        if (count != columns) return std::nullopt;
    }
    return out;
}

bool same(float a, float b) {
    return std::memcmp(&a, &b, sizeof a) == 0 || (std::isnan(a) && std::isnan(b));
}

// The table's cells in file order are not kept, so look for a table without a label.
constexpr const char* kNoLabel = "\xff no such name";

Result<Table> parse_in_pieces(ByteView text) {
    TableBuilder builder({.label = kNoLabel, .label_use = Label::optional}, std::nullopt);
    CsvRows scratch;
    size_t first = text.size() / 3;
    size_t second = text.size() / 2;
    TRY(builder.add(0, text.first(first), scratch));
    TRY(builder.add(1, text.subspan(first, second - first), scratch));
    TRY(builder.add(2, text.subspan(second), scratch));
    return std::move(builder).finish();
}

// Where the rows begin: after the first line that is not empty.
std::string_view rows_of(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    while (true) {
        size_t end = text.find('\n');
        if (end == std::string_view::npos) return {};
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end + 1);
        if (!line.empty() && line != "\r") return text;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size > 1 << 16) return 0;
    ByteView text(data, size);
    auto table =
        Table::parse(text, {.label = kNoLabel, .label_use = Label::optional, .threads = 1});
    auto pieces = parse_in_pieces(text);
    require(table.has_value() == pieces.has_value());
    if (!table) {
        require(table.error().message == pieces.error().message);
        require(table.error().code == Code::invalid);
    }
    if (!table && table.error().message.find("row ") != 0) return 0;  // the header, or no rows
    if (!table) {
        const std::string& message = table.error().message;  // may hold a NUL of the header
        size_t number = message.rfind('(') + 1;
        require(number > 0);
        size_t columns = std::strtoul(message.c_str() + number, nullptr, 10);
        require(!slow_rows(rows_of(as_text(text)), columns));
        return 0;
    }
    auto wanted = slow_rows(rows_of(as_text(text)), table->features());
    std::span<const float> found = table->expose_values();
    require(wanted && wanted->size() == found.size());
    for (size_t i = 0; i < found.size(); ++i) {
        require(same(found[i], (*wanted)[i]) && same(found[i], pieces->expose_values()[i]));
    }
    return 0;
}
