#include "vouchsafe/train/table_builder.h"

#include <algorithm>
#include <cstring>

namespace vouchsafe::train {

namespace {

constexpr size_t kGrowBytes = 4 << 20;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

std::string_view without_line_end(std::string_view line) {
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

size_t after_first_line_end(ByteView text) {
    size_t at = as_text(text).find('\n');
    return at == std::string_view::npos ? text.size() : at + 1;
}

// 0 if there is no line end.
size_t after_last_line_end(ByteView text) {
    size_t at = as_text(text).rfind('\n');
    return at == std::string_view::npos ? 0 : at + 1;
}

}  // namespace

TableBuilder::TableBuilder(const TableOptions& options, std::optional<uint64_t> text_size)
    : options_(options), text_size_(text_size) {}

// Waits until it is this piece's turn, or, for_columns, until the columns are known.
Result<void> TableBuilder::wait(uint64_t number, bool for_columns) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
        return failed_ < number || turn_ == number || (for_columns && columns_known_);
    });
    if (failed_ < number) return fail(Code::unavailable, "reading the table was given up");
    return {};
}

void TableBuilder::abort(uint64_t number) {
    {
        std::lock_guard lock(mutex_);
        failed_ = std::min(failed_, number);
    }
    changed_.notify_all();
}

void TableBuilder::next_turn() {
    {
        std::lock_guard lock(mutex_);
        ++turn_;
    }
    changed_.notify_all();
}

Result<void> TableBuilder::add(uint64_t number, ByteView text, CsvRows& scratch) {
    TRY(wait(number, true));
    // Before the header line is complete, pieces go one after the other.
    bool header = names_.empty();
    size_t begin = header ? TRY(take_header(text)) : after_first_line_end(text);
    size_t end = std::max(begin, after_last_line_end(text));
    scratch.rows = 0;
    scratch.error.reset();
    if (!names_.empty()) TRY(parse_rows(text.subspan(begin, end - begin), names_.size(), scratch));
    TRY(wait(number, false));
    if (!header) TRY(take_line(text.first(begin)));
    if (scratch.error) return cell_error(*scratch.error);
    size_t row = TRY(reserve(scratch.rows, end - begin));
    TRY(extend_carry(text.subspan(end)));
    std::shared_lock stay(move_);
    next_turn();
    copy_rows(scratch, row);
    return {};
}

// Looks for the end of the header line; returns where the lines after it begin.
Result<size_t> TableBuilder::take_header(ByteView text) {
    size_t begin = 0;
    while (begin < text.size()) {
        size_t end = begin + after_first_line_end(text.subspan(begin));
        TRY(extend_carry(text.subspan(begin, end - begin)));
        begin = end;
        if (text[end - 1] != '\n') break;
        std::string_view line = carry_.expose_text();
        if (!begun_ && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
        begun_ = true;
        line = without_line_end(line);
        if (!line.empty()) TRY(set_columns(line));
        carry_ = SecretBytes();
        if (!names_.empty()) break;
    }
    return begin;
}

Result<void> TableBuilder::set_columns(std::string_view line) {
    std::vector<std::string> names = TRY(parse_names(line));
    auto label = std::find(names.begin(), names.end(), options_.label);
    bool found = label != names.end();
    if (!found && options_.label_use == Label::required) {
        return fail(Code::invalid, "the table has no column \"{}\" for the label", options_.label);
    }
    if (names.size() == (found ? 1U : 0U)) {
        return fail(Code::invalid, "the table has no columns beside the label");
    }
    label_column_ = static_cast<size_t>(label - names.begin());
    for (const std::string& name : names) {
        if (!found || name != options_.label) table_.names_.push_back(name);
    }
    table_.has_label_ = found;
    table_.label_name_ = options_.label;
    std::lock_guard lock(mutex_);
    names_ = std::move(names);
    columns_known_ = true;
    changed_.notify_all();
    return {};
}

// Finishes the line that began in earlier pieces, if `rest` has its end.
Result<void> TableBuilder::take_line(ByteView rest) {
    TRY(extend_carry(rest));
    if (rest.empty() || rest.back() != '\n') return {};
    TRY(parse_rows(carry_.expose(), names_.size(), line_));
    if (line_.error) return cell_error(*line_.error);
    size_t row = TRY(reserve(line_.rows, carry_.size()));
    copy_rows(line_, row);
    carry_ = SecretBytes();
    return {};
}

Result<void> TableBuilder::extend_carry(ByteView more) {
    if (more.empty()) return {};
    size_t size = carry_.size() + more.size();
    if (size > kMaxRowBytes) {
        return fail(Code::invalid, "row {} is longer than {} bytes", table_.rows_ + 1,
                    kMaxRowBytes);
    }
    SecretBytes joined(size);
    std::ranges::copy(carry_.expose(), joined.expose_mutable().begin());
    std::ranges::copy(more,
                      joined.expose_mutable().begin() + static_cast<ptrdiff_t>(carry_.size()));
    carry_ = std::move(joined);
    return {};
}

// Makes room for `rows` more, which took `bytes` of text, and returns the first one's number.
Result<size_t> TableBuilder::reserve(size_t rows, size_t bytes) {
    size_t first = table_.rows_;
    size_t wanted = first + rows;
    if (wanted > kMaxRows) return fail(Code::invalid, "the table has more than {} rows", kMaxRows);
    size_t width = table_.names_.size();
    if (table_.values_.size() < wanted * width) {
        size_t some = std::min(wanted, kGrowBytes / (width * sizeof(float)));
        size_t room = wanted + std::max(first / 16, some);
        if (first == 0 && text_size_ && rows > 0 && *text_size_ > bytes) {
            // The first rows tell how long the others will be.
            double ratio = static_cast<double>(*text_size_) / static_cast<double>(bytes);
            room = static_cast<size_t>(static_cast<double>(rows) * ratio * 1.02) + 16;
        }
        room = std::max(room, wanted);
        std::unique_lock alone(move_);
        TRY(table_.values_.pages().grow(room * width * sizeof(float)));
        if (table_.has_label_) TRY(table_.labels_.pages().grow(room * sizeof(float)));
    }
    table_.rows_ = wanted;
    return first;
}

void TableBuilder::copy_rows(const CsvRows& parsed, size_t to_row) {
    size_t columns = names_.size();
    size_t width = table_.names_.size();
    const float* from = parsed.values.expose().data();
    float* to = table_.values_.expose_mutable().data() + to_row * width;
    if (!table_.has_label_) {
        if (parsed.rows > 0) std::memcpy(to, from, parsed.rows * width * sizeof(float));
        return;
    }
    float* labels = table_.labels_.expose_mutable().data() + to_row;
    for (size_t i = 0; i < parsed.rows; ++i, from += columns, to += width) {
        std::copy(from, from + label_column_, to);
        std::copy(from + label_column_ + 1, from + columns, to + label_column_);
        labels[i] = from[label_column_];
    }
}

tl::unexpected<Error> TableBuilder::cell_error(const CellError& error) const {
    std::string_view what;
    switch (error.kind) {
        case CellError::Kind::not_a_number:
            what = "is not a number";
            break;
        case CellError::Kind::too_large:
            what = "is too large for float32";
            break;
        case CellError::Kind::too_few_columns:
            what = "is the last of the row, which is too short";
            break;
        case CellError::Kind::too_many_columns:
            what = "is followed by more, the row is too long";
            break;
    }
    return fail(Code::invalid, "row {}, column \"{}\": the cell {} ({} columns are expected)",
                table_.rows_ + error.row + 1, names_[error.column], what, names_.size());
}

Result<Table> TableBuilder::finish() && {
    ByteView line_end = as_bytes("\n");
    if (carry_.size() > 0 && names_.empty()) {
        TRY(take_header(line_end));
    } else if (carry_.size() > 0) {
        TRY(take_line(line_end));
    }
    if (names_.empty()) return fail(Code::invalid, "the table is empty: it has no header line");
    if (table_.rows_ == 0) return fail(Code::invalid, "the table has no rows");
    table_.values_.pages().truncate(table_.rows_ * table_.names_.size() * sizeof(float));
    if (table_.has_label_) table_.labels_.pages().truncate(table_.rows_ * sizeof(float));
    return std::move(table_);
}

}  // namespace vouchsafe::train
