// Putting a table together from pieces of text that several threads parse. Private to train/.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include "vouchsafe/train/csv.h"

namespace vouchsafe::train {

// TableBuilder gets the text of a table in numbered pieces, cut anywhere. The expensive part of
// add, parsing the lines that lie wholly in a piece, runs on all threads at once; only the lines
// across the cuts are joined in turn. A piece may wait for the ones before it, so pieces must be
// begun in order, and abort() called when one of them will never come.
class TableBuilder {
  public:
    // `text_size` is that of all pieces, if known: it saves growing.
    TableBuilder(const TableOptions& options, std::optional<uint64_t> text_size);

    // add parses piece `number` (0, 1, 2 ...), using `scratch`. Thread-safe. Fails with
    // Code::invalid for the text's faults, Code::unavailable without memory or after abort.
    Result<void> add(uint64_t number, ByteView text, CsvRows& scratch);
    // abort tells that piece `number` failed, so that later ones do not wait for it. Thread-safe.
    void abort(uint64_t number);
    // finish returns the table once all pieces were added.
    Result<Table> finish() &&;

  private:
    Result<void> wait(uint64_t number, bool for_columns);
    Result<size_t> take_header(ByteView text);
    Result<void> set_columns(std::string_view line);
    Result<void> take_line(ByteView rest);
    Result<void> extend_carry(ByteView more);
    Result<size_t> reserve(size_t rows, size_t bytes);
    void copy_rows(const CsvRows& parsed, size_t to_row);
    void next_turn();
    tl::unexpected<Error> cell_error(const CellError& error) const;

    TableOptions options_;
    std::optional<uint64_t> text_size_;

    std::mutex mutex_;  // for turn_, columns_known_ and failed_
    std::condition_variable changed_;
    uint64_t turn_ = 0;
    bool columns_known_ = false;
    uint64_t failed_ = UINT64_MAX;  // the lowest piece that failed

    // Set once, before columns_known_.
    std::vector<std::string> names_;
    size_t label_column_ = 0;  // names_.size() if there is none

    // Only for the one whose turn it is.
    SecretBytes carry_;  // the beginning of a line whose end is still to come
    CsvRows line_;
    bool begun_ = false;  // the first byte was seen

    std::shared_mutex move_;  // held alone while the table's memory may move
    Table table_;
};

}  // namespace vouchsafe::train
