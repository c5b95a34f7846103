#include "vouchsafe/train/report.h"

#include <gtest/gtest.h>

namespace vouchsafe::train {
namespace {

std::string report(std::vector<int> truth, std::vector<int> predicted) {
    return classification_report(truth, predicted).text();
}

// The texts are scikit-learn 1.2.1's classification_report(truth, predicted, zero_division=0).
TEST(Report, IsScikitLearnsTextForThreeClasses) {
    EXPECT_EQ(report({0, 1, 1, 2, 2, 2}, {0, 0, 1, 2, 2, 1}),
              "              precision    recall  f1-score   support\n"
              "\n"
              "           0       0.50      1.00      0.67         1\n"
              "           1       0.50      0.50      0.50         2\n"
              "           2       1.00      0.67      0.80         3\n"
              "\n"
              "    accuracy                           0.67         6\n"
              "   macro avg       0.67      0.72      0.66         6\n"
              "weighted avg       0.75      0.67      0.68         6\n");
}

TEST(Report, CountsDivisionByZeroAsZero) {
    EXPECT_EQ(report({0, 0, 0}, {1, 1, 1}),
              "              precision    recall  f1-score   support\n"
              "\n"
              "           0       0.00      0.00      0.00       3.0\n"
              "           1       0.00      0.00      0.00       0.0\n"
              "\n"
              "    accuracy                           0.00       3.0\n"
              "   macro avg       0.00      0.00      0.00       3.0\n"
              "weighted avg       0.00      0.00      0.00       3.0\n");
}

TEST(Report, HasOneRowForOneClass) {
    EXPECT_EQ(report({1, 1}, {1, 1}),
              "              precision    recall  f1-score   support\n"
              "\n"
              "           1       1.00      1.00      1.00         2\n"
              "\n"
              "    accuracy                           1.00         2\n"
              "   macro avg       1.00      1.00      1.00         2\n"
              "weighted avg       1.00      1.00      1.00         2\n");
}

TEST(Report, SortsLabelsByValue) {
    EXPECT_EQ(report({-1, 1234567890, 1}, {1, 1234567890, 1}),
              "              precision    recall  f1-score   support\n"
              "\n"
              "          -1       0.00      0.00      0.00         1\n"
              "           1       0.50      1.00      0.67         1\n"
              "  1234567890       1.00      1.00      1.00         1\n"
              "\n"
              "    accuracy                           0.67         3\n"
              "   macro avg       0.50      0.67      0.56         3\n"
              "weighted avg       0.50      0.67      0.56         3\n");
}

TEST(Report, WritesTheAccuracyWithFourDigits) {
    std::vector<int> truth(12, 0), predicted(12, 0);
    for (int i = 0; i < 4; ++i) predicted[i] = 1;
    EXPECT_EQ(classification_report(truth, predicted).accuracy_line(), "Model Accuracy: 0.6667");
}

}  // namespace
}  // namespace vouchsafe::train
