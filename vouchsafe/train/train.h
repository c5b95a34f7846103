// The tutorial's train_xgb.py as functions: from opened data to a model and a report.
#pragma once

#include <chrono>

#include "vouchsafe/train/booster.h"
#include "vouchsafe/train/report.h"

namespace vouchsafe::train {

struct TrainOptions {
    std::string label = "Outcome";
    double test_share = 0.2;
    uint32_t seed = 42;
    BoosterOptions booster;
};

// Timings in seconds, for people and benchmarks.
struct TrainTimings {
    double table = 0;  // open and parse
    double split = 0;
    double fit = 0;      // with building XGBoost's matrix
    double predict = 0;  // the test rows, and the report
};

struct Trained {
    SecretBytes model;  // UBJSON; seal it before it goes anywhere
    Report report;      // on the test rows
    size_t rows = 0;    // in the table
    size_t train_rows = 0;
    std::vector<uint32_t> test_rows;  // their numbers in the table, from 0
    SecretFloats test_probabilities;  // the model's, for test_rows
    std::vector<std::string> features;
    std::string engine;  // "xgboost 1.7.4"
    TrainTimings timings;
};

// run_sealed trains on a native sealed file. The plaintext is parsed chunk by chunk and wiped.
Result<Trained> run_sealed(seal::SealedReader& reader, const TrainOptions& options);
// run_csv trains on CSV text that is in memory: an opened pair, or a plain file.
Result<Trained> run_csv(ByteView csv, const TrainOptions& options);
// run_table does the rest for both.
Result<Trained> run_table(const Table& table, const TrainOptions& options);

struct Predicted {
    SecretFloats probabilities;    // one per row
    std::optional<Report> report;  // if the table has the label column
};

// predict applies a model that was sealed. The label column, if the table has it, is not used but
// compared.
Result<Predicted> predict(const Table& table, const seal::Opened& model);

}  // namespace vouchsafe::train
