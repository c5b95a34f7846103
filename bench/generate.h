// Generated tables for the benchmarks: normally distributed features with six decimals and a label
// that depends on them. The same rows and columns give the same bytes everywhere.
#pragma once

#include <random>

#include "vouchsafe/seal/source.h"

namespace vouchsafe::bench {

// CsvSource makes the text while it is read, so that sealing it needs no memory for all of it.
class CsvSource : public seal::Source {
  public:
    CsvSource(size_t rows, size_t features) : rows_(rows), features_(features) {}
    std::optional<uint64_t> size() const override { return std::nullopt; }
    Result<ByteView> read_at(uint64_t offset, size_t count, MutableByteView scratch) override;

  private:
    void add_header();
    void add_row();

    size_t rows_;
    size_t features_;
    size_t next_row_ = 0;
    std::mt19937 random_{1};
    std::string text_;  // from offset text_at_
    uint64_t text_at_ = 0;
};

}  // namespace vouchsafe::bench
