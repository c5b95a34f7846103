#include "vouchsafe/train/train.h"

#include "vouchsafe/base/stopwatch.h"
#include "vouchsafe/train/split.h"

namespace vouchsafe::train {

namespace {

// Compares with the labels, which must be 0 or 1.
Result<Report> compare(const Rows& rows, const SecretFloats& probabilities) {
    std::span<const float> labels = rows.table.expose_labels();
    std::vector<int> truth;
    std::vector<int> predicted;
    truth.reserve(rows.index.size());
    predicted.reserve(rows.index.size());
    for (size_t i = 0; i < rows.index.size(); ++i) {
        float label = labels[rows.index[i]];
        if (label != 0 && label != 1) {
            return fail(Code::invalid, "row {}, column \"{}\": the label is neither 0 nor 1",
                        size_t{rows.index[i]} + 1, rows.table.label_name());
        }
        truth.push_back(label == 1 ? 1 : 0);
        predicted.push_back(class_of(probabilities.expose()[i]));
    }
    return classification_report(truth, predicted);
}

Result<Trained> run_timed(const Table& table, const TrainOptions& options, double table_seconds) {
    Stopwatch watch;
    Trained out;
    out.timings.table = table_seconds;
    Split split = TRY(split_rows(table.rows(), options.test_share, options.seed));
    out.timings.split = watch.lap();
    Engine engine = TRY(Engine::load());
    Booster booster = TRY(Booster::train(engine, {table, split.train}, options.booster));
    out.timings.fit = watch.lap();
    out.test_probabilities = TRY(booster.predict({table, split.test}));
    out.report = TRY(compare({table, split.test}, out.test_probabilities));
    out.timings.predict = watch.lap();
    out.model = TRY(booster.save());
    out.rows = table.rows();
    out.train_rows = split.train.size();
    out.test_rows = std::move(split.test);
    out.features = table.feature_names();
    out.engine = engine.version();
    return out;
}

}  // namespace

Result<Trained> run_sealed(seal::SealedReader& reader, const TrainOptions& options) {
    Stopwatch watch;
    Table table = TRY(Table::parse_sealed(reader, {.label = options.label}));
    return run_timed(table, options, watch.lap());
}

Result<Trained> run_csv(ByteView csv, const TrainOptions& options) {
    Stopwatch watch;
    Table table = TRY(Table::parse(csv, {.label = options.label}));
    return run_timed(table, options, watch.lap());
}

Result<Trained> run_table(const Table& table, const TrainOptions& options) {
    return run_timed(table, options, 0);
}

Result<Predicted> predict(const Table& table, const seal::Opened& model) {
    Engine engine = TRY(Engine::load());
    Booster booster = TRY(Booster::load(engine, model));
    std::vector<uint32_t> rows = all_rows(table);
    Predicted out;
    out.probabilities = TRY(booster.predict({table, rows}));
    if (table.has_label()) out.report = TRY(compare({table, rows}, out.probabilities));
    return out;
}

}  // namespace vouchsafe::train
