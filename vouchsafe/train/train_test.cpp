#include "vouchsafe/train/train.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <sstream>

#include "vouchsafe/train/split.h"
#include "vouchsafe/train/test_support.h"

namespace vouchsafe::train {
namespace {

bool same_bits(std::span<const float> a, std::span<const float> b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

TEST(Train, PrintsTheTutorialsTable) {
    Trained trained = MUST(run_csv(diabetes(), {}));
    EXPECT_EQ(trained.report.accuracy_line(), "Model Accuracy: 0.7208");
    EXPECT_EQ(trained.report.text(),
              "              precision    recall  f1-score   support\n"
              "\n"
              "           0       0.82      0.73      0.77        99\n"
              "           1       0.59      0.71      0.64        55\n"
              "\n"
              "    accuracy                           0.72       154\n"
              "   macro avg       0.70      0.72      0.71       154\n"
              "weighted avg       0.74      0.72      0.73       154\n");
    EXPECT_EQ(trained.rows, 768U);
    EXPECT_EQ(trained.train_rows, 614U);
    EXPECT_EQ(trained.features.size(), 8U);
    EXPECT_EQ(trained.engine.find("xgboost "), 0U);
}

TEST(Train, PredictsWhatPythonsXgboostPredicts) {
    std::string text = MUST(read_text_file(Path(VS_SOURCE_DIR) /
                                           "tests/vectors/train/probabilities_768_hist_mean.txt"));
    std::istringstream in(text);
    std::vector<float> wanted;
    for (std::string line; in >> line;) wanted.push_back(std::strtof(line.c_str(), nullptr));
    Trained trained = MUST(run_csv(diabetes(), {}));
    ASSERT_EQ(trained.test_probabilities.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_FLOAT_EQ(trained.test_probabilities.expose()[i], wanted[i]) << i;
    }
}

TEST(Train, OtherMethodsAndBaseScoresGiveTheirKnownAccuracies) {
    struct Case {
        TreeMethod method;
        std::optional<double> base_score;
        const char* line;
    };
    Table table = MUST(Table::parse(diabetes()));
    for (const Case& one : {Case{TreeMethod::exact, 0.5, "Model Accuracy: 0.6883"},
                            Case{TreeMethod::exact, std::nullopt, "Model Accuracy: 0.7208"},
                            Case{TreeMethod::hist, 0.5, "Model Accuracy: 0.7338"},
                            Case{TreeMethod::approx, 0.5, "Model Accuracy: 0.7143"},
                            Case{TreeMethod::approx, std::nullopt, "Model Accuracy: 0.7013"}}) {
        TrainOptions options;
        options.booster.tree_method = one.method;
        options.booster.base_score = one.base_score;
        Trained trained = MUST(run_table(table, options));
        EXPECT_EQ(trained.report.accuracy_line(), one.line) << tree_method_name(one.method);
    }
}

TEST(Train, FromASealedFileIsTheSame) {
    Trained plain = MUST(run_csv(diabetes(), {}));
    Bytes sealed = MUST(seal::seal_bytes(diabetes(), {plain_recipient()}, {.frame_length = 5000}));
    seal::MemorySource source(sealed);
    Checks checks;
    auto reader = MUST(seal::SealedReader::open(source, plain_unwrap(), {}, checks));
    Trained trained = MUST(run_sealed(reader, {}));
    EXPECT_TRUE(same_bits(plain.test_probabilities.expose(), trained.test_probabilities.expose()));
    EXPECT_TRUE(equal_ct(plain.model.expose(), trained.model.expose()));
}

TEST(Train, ASealedModelPredictsTheSameBitForBit) {
    Table table = MUST(Table::parse(diabetes()));
    Trained trained = MUST(run_table(table, {}));
    Predicted predicted = MUST(predict(table, sealed_and_opened(trained.model.expose())));
    ASSERT_EQ(predicted.probabilities.size(), 768U);
    for (size_t i = 0; i < trained.test_rows.size(); ++i) {
        EXPECT_EQ(predicted.probabilities.expose()[trained.test_rows[i]],
                  trained.test_probabilities.expose()[i]);
    }
    ASSERT_TRUE(predicted.report);
    EXPECT_GT(predicted.report->accuracy, 0.9);  // most of the rows were trained on
}

TEST(Train, PredictsWithoutALabelAndRefusesOtherColumns) {
    Table table = MUST(Table::parse(diabetes()));
    Trained trained = MUST(run_table(table, {}));
    seal::Opened model = sealed_and_opened(trained.model.expose());
    std::string header =
        "Pregnancies,Glucose,BloodPressure,SkinThickness,Insulin,BMI,"
        "DiabetesPedigreeFunction,Age\n";
    TableOptions optional{.label_use = Label::optional};
    Table one = MUST(Table::parse(as_bytes(header + "6,148,72,35,0,33.6,0.627,50\n"), optional));
    Predicted predicted = MUST(predict(one, model));
    EXPECT_EQ(predicted.probabilities.size(), 1U);
    EXPECT_FALSE(predicted.report);
    Table other = MUST(Table::parse(as_bytes("a,b\n1,2\n"), optional));
    EXPECT_EQ(predict(other, model).error().code, Code::invalid);
    Table all = MUST(Table::parse(diabetes(), {.label = "none", .label_use = Label::optional}));
    EXPECT_FALSE(predict(all, model));
}

TEST(Train, RefusesASealedFileThatIsNoModel) {
    Table table = MUST(Table::parse(diabetes()));
    for (std::string_view text : {"", "{", "{}", "not a model", "{\"learner\":{}}"}) {
        auto predicted = predict(table, sealed_and_opened(as_bytes(text)));
        ASSERT_FALSE(predicted) << text;
        EXPECT_EQ(predicted.error().code, Code::invalid) << text;
    }
}

TEST(Train, RefusesLabelsOfMoreOrFewerThanTwoClasses) {
    auto run = [](std::string_view csv) { return run_csv(as_bytes(csv), {.label = "y"}); };
    auto three = run("a,y\n1,0\n2,1\n3,2\n4,0\n5,1\n6,0\n");
    ASSERT_FALSE(three);
    EXPECT_NE(three.error().message.find("row 3, column \"y\""), std::string::npos);
    EXPECT_EQ(run("a,y\n1,0\n2,1\n3,\n4,0\n5,1\n").error().code, Code::invalid);
    EXPECT_NE(run("a,y\n1,1\n2,1\n3,1\n4,1\n5,1\n").error().message.find("one class"),
              std::string::npos);
    EXPECT_NE(run("a,y\n1,1\n").error().message.find("too few"), std::string::npos);
}

TEST(Train, RefusesOptionsOutOfRange) {
    Table table = MUST(Table::parse(diabetes()));
    auto refused = [&](auto change) {
        TrainOptions options;
        change(options);
        auto trained = run_table(table, options);
        return !trained && trained.error().code == Code::invalid;
    };
    EXPECT_TRUE(refused([](TrainOptions& o) { o.booster.rounds = 0; }));
    EXPECT_TRUE(refused([](TrainOptions& o) { o.booster.max_depth = 0; }));
    EXPECT_TRUE(refused([](TrainOptions& o) { o.booster.max_bin = 1; }));
    EXPECT_TRUE(refused([](TrainOptions& o) { o.booster.learning_rate = 0; }));
    EXPECT_TRUE(refused([](TrainOptions& o) { o.booster.lambda = -1; }));
    EXPECT_TRUE(refused([](TrainOptions& o) { o.booster.base_score = 1; }));
    EXPECT_TRUE(refused([](TrainOptions& o) { o.test_share = 1; }));
    EXPECT_FALSE(parse_tree_method("gpu_hist"));
    EXPECT_EQ(MUST(parse_tree_method("approx")), TreeMethod::approx);
}

TEST(Train, BatchesDoNotChangeTheModel) {
    std::mt19937 random(5);
    std::string csv = "a,b,c,y\n";  // more different values than bins
    for (size_t i = 0; i < 5000; ++i) {
        csv += fmt::format("{},{},{},{}\n", random() / 1e3, random(), random() % 10, random() % 2);
    }
    Table table = MUST(Table::parse(as_bytes(csv), {.label = "y"}));
    std::vector<SecretBytes> models;
    for (size_t batch_rows : {0, 1000, 333}) {
        TrainOptions options;
        options.booster = {.rounds = 5, .batch_rows = batch_rows};
        models.push_back(MUST(run_table(table, options)).model.clone());
    }
    EXPECT_TRUE(equal_ct(models[0].expose(), models[1].expose()));
    EXPECT_TRUE(equal_ct(models[0].expose(), models[2].expose()));
}

}  // namespace
}  // namespace vouchsafe::train
