// How good a classifier is: accuracy and scikit-learn 1.2.1's classification_report, text included.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace vouchsafe::train {

struct ClassScore {
    int label = 0;
    double precision = 0;
    double recall = 0;
    double f1 = 0;
    size_t support = 0;
};

struct Report {
    double accuracy = 0;
    size_t total = 0;
    std::vector<ClassScore> classes;  // by label: every label that is true or predicted somewhere
    ClassScore macro_average;         // plain mean
    ClassScore weighted_average;      // weighted by support
    bool none_correct = false;        // then scikit-learn prints the supports as "99.0"

    // text is classification_report(truth, predicted): six lines and more, with a final newline.
    std::string text() const;
    // accuracy_line is "Model Accuracy: 0.7208", without a newline.
    std::string accuracy_line() const;
};

// classification_report compares two runs of equal length, at least one long.
Report classification_report(std::span<const int> truth, std::span<const int> predicted);

}  // namespace vouchsafe::train
