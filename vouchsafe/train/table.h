// A table of numbers from CSV text: one row per example, float32 features, one label column.
//
// The text is secret: no error ever quotes a cell. Errors name the row and the column.
//
// What is read: a header line with the columns' names, then lines of numbers, separated by commas.
// Line ends are LF or CRLF; the last may be missing; empty lines and a UTF-8 byte order mark are
// skipped. Names and numbers may stand in double quotes and have blanks around them; a line end or
// a comma inside quotes is refused. An empty cell is a missing value (NaN). A number is decimal
// with an optional sign, fraction and exponent, rounded correctly to double and then to float, as
// pandas and XGBoost do together (ml.md, 3.1). Words such as "nan" or "inf" are not numbers.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/base/secret.h"
#include "vouchsafe/seal/sealed_reader.h"

namespace vouchsafe::train {

inline constexpr size_t kMaxColumns = 16384;
inline constexpr size_t kMaxRowBytes = 1 << 20;
inline constexpr size_t kMaxRows = 0xffffffff;

// SecretFloats is a run of float32 in secret pages.
class SecretFloats {
  public:
    SecretFloats() = default;
    static Result<SecretFloats> allocate(size_t count);

    size_t size() const { return pages_.size() / sizeof(float); }
    std::span<const float> expose() const {
        return {reinterpret_cast<const float*>(pages_.expose().data()), size()};
    }
    std::span<float> expose_mutable() {
        return {reinterpret_cast<float*>(pages_.expose_mutable().data()), size()};
    }
    SecretPages& pages() { return pages_; }

  private:
    SecretPages pages_;
};

enum class Label {
    required,  // without the label column the table is refused
    optional,  // it is taken out of the features if it is there
};

struct TableOptions {
    std::string label = "Outcome";
    Label label_use = Label::required;
    unsigned threads = 0;  // 0: one per core
};

class Table {
  public:
    // parse reads CSV text in memory. Fails with Code::invalid.
    static Result<Table> parse(ByteView csv, const TableOptions& options = {});
    // parse_sealed reads it from a sealed file chunk by chunk, on every core; the plaintext is
    // never in memory as a whole, and each piece of it is wiped. Success means that the file ended
    // properly. Also the errors of the reader; the one found earliest in the file is told.
    static Result<Table> parse_sealed(seal::SealedReader& reader, const TableOptions& options = {});

    size_t rows() const { return rows_; }
    size_t features() const { return names_.size(); }
    const std::vector<std::string>& feature_names() const { return names_; }  // in file order
    bool has_label() const { return has_label_; }
    const std::string& label_name() const { return label_name_; }

    // expose_values returns the features row by row, rows() * features() numbers.
    std::span<const float> expose_values() const {
        return values_.expose().first(rows_ * names_.size());
    }
    // expose_labels returns rows() numbers, or none.
    std::span<const float> expose_labels() const {
        return labels_.expose().first(has_label_ ? rows_ : 0);
    }

  private:
    friend class TableBuilder;
    size_t rows_ = 0;
    bool has_label_ = false;
    std::string label_name_;
    std::vector<std::string> names_;
    SecretFloats values_;
    SecretFloats labels_;
};

}  // namespace vouchsafe::train
