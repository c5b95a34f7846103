// CSV lines to floats: the inner loop of table.h, whose rules these are. Private to train/.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/train/table.h"

namespace vouchsafe::train {

// CellError says where a row went wrong, and never what stood there.
struct CellError {
    enum class Kind { not_a_number, too_large, too_few_columns, too_many_columns };
    Kind kind = Kind::not_a_number;
    size_t row = 0;     // of the text that was parsed, from 0
    size_t column = 0;  // from 0
};

// CsvRows is what parse_rows fills: `rows` times the number of columns, in file order. Reused from
// one piece of text to the next.
struct CsvRows {
    SecretFloats values;
    size_t rows = 0;
    std::optional<CellError> error;  // the first one; rows before it are there
};

// parse_rows parses whole lines: `text` is empty or ends with '\n'. Fails only for want of memory;
// what is wrong with the text is in out.error.
Result<void> parse_rows(ByteView text, size_t columns, CsvRows& out);

// parse_cell parses one cell, without its separator. nullopt if it is no number; too large ones are
// infinite.
std::optional<float> parse_cell(std::string_view cell);

// parse_names parses the header line, without its line end. Fails with Code::invalid for no name,
// an empty or repeated one, one that is not UTF-8, or more than kMaxColumns.
Result<std::vector<std::string>> parse_names(std::string_view line);

}  // namespace vouchsafe::train
