// train and predict: XGBoost on sealed data.
#include <bit>

#include "app/data_options.h"
#include "app/show.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/stopwatch.h"
#include "vouchsafe/seal/open.h"
#include "vouchsafe/seal/seal.h"
#include "vouchsafe/train/train.h"

namespace vouchsafe::app {

namespace {

struct TrainCommand {
    DataOptions data;
    KeyOptions key;
    train::TrainOptions options;
    std::string tree_method = "hist";
    std::string model_out;
    bool force = false;
};

struct PredictCommand {
    DataOptions data;
    KeyOptions key;
    std::string model;
    std::string out;
    bool force = false;
};

// Progress tells what is going on: JSON lines on stdout, or one line each on stderr when verbose.
class Progress {
  public:
    explicit Progress(const Context& context) : context_(context) {}

    void event(std::string_view name, Json details, std::string_view sentence) const {
        if (context_.json) {
            details["event"] = name;
            write_out(dump_json(details) + "\n");
        } else if (context_.verbose) {
            write_err(fmt::format("{}\n", sentence));
        }
    }

    guest::KeySession::Observer observer() const {
        return [this](const guest::SessionEvent& done) {
            Json checks = Json::array();
            for (const Check& check : done.checks) checks.push_back(check_to_json(check));
            bool attest = done.step == "attest";
            event(done.step, {{"seconds", done.seconds}, {"checks", checks}},
                  fmt::format("{} in {}", attest ? "attested" : "key released",
                              human_time(done.seconds)));
        };
    }

  private:
    const Context& context_;
};

Json class_json(const train::ClassScore& score) {
    return {{"precision", score.precision},
            {"recall", score.recall},
            {"f1", score.f1},
            {"support", score.support}};
}

Json report_json(const train::Report& report) {
    Json classes = Json::object();
    for (const auto& score : report.classes)
        classes[std::to_string(score.label)] = class_json(score);
    return {{"accuracy", report.accuracy},
            {"classes", classes},
            {"macro_average", class_json(report.macro_average)},
            {"weighted_average", class_json(report.weighted_average)},
            {"accuracy_line", report.accuracy_line()},
            {"text", report.text()}};
}

seal::SealOptions model_seal_options() {
    seal::SealOptions options;
    options.context = {{std::string(seal::kContextType), "application/x-xgboost+ubj"},
                       {std::string(seal::kContextPurpose), kModelPurpose}};
    return options;
}

// seal_model writes the model for the same key the data was sealed for.
Result<void> seal_model(const TrainCommand& command, KeySource& key, const SecretBytes& model) {
    guest::ReleasedKey released = TRY(key.key());
    std::vector<seal::Recipient> recipients{
        seal::recipient_for(released.key.public_key(), released.kid)};
    Bytes sealed = TRY(seal::seal_bytes(model.expose(), recipients, model_seal_options()));
    return write_file(command.model_out, sealed, command.force ? Overwrite::yes : Overwrite::no);
}

// check_model opens the sealed model again and predicts with it: it must be the same, bit for bit.
Result<void> check_model(const TrainCommand& command, KeySource& key, const train::Table& table,
                         const train::Trained& trained, const Progress& progress) {
    Stopwatch watch;
    DataOptions file;
    file.file = command.model_out;
    file.required[std::string(seal::kContextPurpose)] = kModelPurpose;
    Checks checks;
    seal::Opened model = TRY(open_sealed(file, key, checks));
    train::Predicted again = TRY(train::predict(table, model));
    auto first = trained.test_probabilities.expose();
    auto second = again.probabilities.expose();
    bool same = first.size() == trained.test_rows.size();
    for (size_t i = 0; same && i < first.size(); ++i) {
        same = std::bit_cast<uint32_t>(first[i]) ==
               std::bit_cast<uint32_t>(second[trained.test_rows[i]]);
    }
    if (!same) {
        return fail(Code::internal, "the sealed model predicts otherwise than the trained one");
    }
    progress.event(
        "model",
        {{"file", command.model_out},
         {"predictions", first.size()},
         {"identical", same},
         {"seconds", watch.seconds()}},
        fmt::format("model sealed into {}; opened again, its {} predictions are the same "
                    "bit for bit",
                    command.model_out, first.size()));
    return {};
}

Result<int> run_train(const Context& context, TrainCommand& command) {
    if (!command.model_out.empty() && command.data.plain && command.key.private_key.empty() &&
        command.key.key.empty()) {
        return fail(Code::invalid, "a model is written sealed only: say with --key for whom");
    }
    command.options.booster.tree_method = TRY(train::parse_tree_method(command.tree_method));
    Progress progress(context);
    std::unique_ptr<KeySource> key;
    if (!command.data.plain || !command.model_out.empty()) {
        key = TRY(KeySource::create(context, command.key, progress.observer()));
    }
    Stopwatch watch;
    Checks checks;
    train::TableOptions table_options;
    table_options.label = command.options.label;
    train::Table table = TRY(load_table(command.data, key.get(), table_options, checks));
    progress.event(
        "data",
        {{"rows", table.rows()}, {"features", table.features()}, {"seconds", watch.seconds()}},
        fmt::format("{} rows with {} features opened into memory", table.rows(), table.features()));
    train::Trained trained = TRY(train::run_table(table, command.options));
    Json result = report_json(trained.report);
    result["fit_seconds"] = trained.timings.fit;
    progress.event("train", result, fmt::format("trained in {}", human_time(trained.timings.fit)));
    if (!context.json) {
        write_out(trained.report.accuracy_line() + "\n" + trained.report.text());
    }
    if (command.model_out.empty()) return 0;
    TRY(seal_model(command, *key, trained.model));
    TRY(check_model(command, *key, table, trained, progress));
    return 0;
}

Result<void> write_predictions(const PredictCommand& command, const train::Predicted& predicted) {
    std::string text = "class,probability\n";
    for (float probability : predicted.probabilities.expose()) {
        text += fmt::format("{},{:.9g}\n", train::class_of(probability), probability);
    }
    if (command.out.empty()) {
        write_out(text);
        return {};
    }
    return write_file(command.out, as_bytes(text), command.force ? Overwrite::yes : Overwrite::no,
                      0600);
}

Result<int> run_predict(const Context& context, PredictCommand& command) {
    Progress progress(context);
    auto key = TRY(KeySource::create(context, command.key, progress.observer()));
    Checks checks;
    DataOptions model_file;
    model_file.file = command.model;
    model_file.required[std::string(seal::kContextPurpose)] = kModelPurpose;
    seal::Opened model = TRY(open_sealed(model_file, *key, checks));
    train::TableOptions options;
    options.label_use = train::Label::optional;
    train::Table table = TRY(load_table(command.data, key.get(), options, checks));
    train::Predicted predicted = TRY(train::predict(table, model));
    if (context.json) {
        Json result{{"rows", table.rows()}};
        if (predicted.report) result["report"] = report_json(*predicted.report);
        progress.event("predict", result, "");
        return command.out.empty() ? Result<int>(0)
                                   : (TRY(write_predictions(command, predicted)), Result<int>(0));
    }
    TRY(write_predictions(command, predicted));
    if (predicted.report) write_err(predicted.report->accuracy_line() + "\n");
    return 0;
}

constexpr const char* kTrainExamples = R"(Examples:
  vouchsafe train data.sealed --key https://myvault.vault.azure.net/keys/KeyEncryptionKey \
      --attest-url https://sharedweu.weu.attest.azure.net --model-out model.sealed
  vouchsafe train confidentialData.enc --wrapped-key confidentialData.key --key ... --attest-url ...
  vouchsafe train --plain data.csv            no key, for comparison
The defaults are those of xgboost 3: tree_method hist, base_score the mean of the labels.)";

constexpr const char* kPredictExamples = R"(Example:
  vouchsafe predict data.sealed --model model.sealed --key https://.../keys/KeyEncryptionKey \
      --attest-url https://sharedweu.weu.attest.azure.net --out predictions.csv
Predictions are plain text: they go where you send them.)";

}  // namespace

void add_train(Command app, Context& context) {
    auto train_options = std::make_shared<TrainCommand>();
    Command train_app = app.add("train", "train XGBoost on sealed data, in memory");
    train_app.examples(kTrainExamples);
    add_data_options(train_app, train_options->data);
    train_app.flag("--plain", train_options->data.plain, "FILE is not sealed");
    train_app.option("--label", train_options->options.label, "the column to predict", "NAME");
    train_app.option("--test-share", train_options->options.test_share, "share of test rows",
                     "0..1");
    train_app.option("--seed", train_options->options.seed,
                     "of the split into training and test rows", "N");
    train_app.option("--rounds", train_options->options.booster.rounds, "trees", "N");
    train_app.option("--max-depth", train_options->options.booster.max_depth, "depth of a tree",
                     "N");
    train_app.option("--base-score", train_options->options.booster.base_score,
                     "first guess (0.5: xgboost 1.7's default)", "0..1");
    train_app.option("--tree-method", train_options->tree_method, "hist, exact or approx", "NAME");
    train_app.option("--threads", train_options->options.booster.threads, "0: as fits the data",
                     "N");
    train_app.option("--model-out", train_options->model_out,
                     "write the model, sealed for the same key", "FILE");
    train_app.flag("--force", train_options->force, "replace the model file if it exists");
    add_key_options(train_app, train_options->key);
    train_app.run([&context, train_options] { return run_train(context, *train_options); });

    auto predict_options = std::make_shared<PredictCommand>();
    Command predict_app = app.add("predict", "apply a sealed model to sealed data, in memory");
    predict_app.examples(kPredictExamples);
    add_data_options(predict_app, predict_options->data);
    predict_app.flag("--plain", predict_options->data.plain, "FILE is not sealed");
    predict_app.option("--model", predict_options->model, "the sealed model", "FILE").required();
    predict_app.option("--out", predict_options->out, "where the predictions go (default: stdout)",
                       "FILE");
    predict_app.flag("--force", predict_options->force, "replace the output if it exists");
    add_key_options(predict_app, predict_options->key);
    predict_app.run([&context, predict_options] { return run_predict(context, *predict_options); });
}

}  // namespace vouchsafe::app
