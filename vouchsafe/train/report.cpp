#include "vouchsafe/train/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace vouchsafe::train {

namespace {

struct Counts {
    size_t correct = 0;    // predicted and true
    size_t predicted = 0;  // predicted
    size_t support = 0;    // true
};

double ratio(double part, double whole) {
    return whole == 0 ? 0 : part / whole;
}

ClassScore score(int label, const Counts& counts) {
    ClassScore out;
    out.label = label;
    auto correct = static_cast<double>(counts.correct);
    out.precision = ratio(correct, static_cast<double>(counts.predicted));
    out.recall = ratio(correct, static_cast<double>(counts.support));
    // The formula of scikit-learn 1.2.1; newer ones use 2tp/(2tp+fp+fn).
    out.f1 = ratio(2 * out.precision * out.recall, out.precision + out.recall);
    out.support = counts.support;
    return out;
}

template <typename Weight>
ClassScore average(const std::vector<ClassScore>& classes, Weight weight) {
    ClassScore out;
    double total = 0;
    for (const ClassScore& one : classes) {
        double share = weight(one);
        out.precision += share * one.precision;
        out.recall += share * one.recall;
        out.f1 += share * one.f1;
        out.support += one.support;
        total += share;
    }
    out.precision /= total;
    out.recall /= total;
    out.f1 /= total;
    return out;
}

}  // namespace

Report classification_report(std::span<const int> truth, std::span<const int> predicted) {
    std::map<int, Counts> counts;
    Report out;
    out.total = truth.size();
    size_t correct = 0;
    for (size_t i = 0; i < truth.size(); ++i) {
        ++counts[truth[i]].support;
        ++counts[predicted[i]].predicted;
        if (truth[i] != predicted[i]) continue;
        ++counts[truth[i]].correct;
        ++correct;
    }
    out.none_correct = correct == 0;
    out.accuracy = static_cast<double>(correct) / static_cast<double>(out.total);
    for (const auto& [label, count] : counts) out.classes.push_back(score(label, count));
    out.macro_average = average(out.classes, [](const ClassScore&) { return 1.0; });
    out.weighted_average = average(
        out.classes, [](const ClassScore& one) { return static_cast<double>(one.support); });
    return out;
}

std::string Report::text() const {
    size_t width = std::string_view("weighted avg").size();
    for (const ClassScore& one : classes) {
        width = std::max(width, fmt::formatted_size("{}", one.label));
    }
    auto count = [&](size_t support) {
        return fmt::format("{}{}", support, none_correct ? ".0" : "");
    };
    auto row = [&](const std::string& name, const ClassScore& one) {
        return fmt::format("{:>{}}  {:>9.2f} {:>9.2f} {:>9.2f} {:>9}\n", name, width, one.precision,
                           one.recall, one.f1, count(one.support));
    };
    std::string out = fmt::format("{:>{}}  {:>9} {:>9} {:>9} {:>9}\n\n", "", width, "precision",
                                  "recall", "f1-score", "support");
    for (const ClassScore& one : classes) out += row(fmt::format("{}", one.label), one);
    out += fmt::format("\n{:>{}}  {:>9} {:>9} {:>9.2f} {:>9}\n", "accuracy", width, "", "",
                       accuracy, count(total));
    return out + row("macro avg", macro_average) + row("weighted avg", weighted_average);
}

std::string Report::accuracy_line() const {
    return fmt::format("Model Accuracy: {:.4f}", accuracy);
}

}  // namespace vouchsafe::train
