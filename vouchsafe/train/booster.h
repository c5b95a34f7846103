// XGBoost, loaded when it is first needed (the only door to its C API).
//
// The defaults reproduce xgboost 3.x's defaults on the 1.7.4 that Debian has: tree_method hist and
// base_score = mean of the labels (ml.md, 1). The library never wipes its own memory: one
// short-lived process per job.
#pragma once

#include <memory>
#include <optional>

#include "vouchsafe/train/table.h"

namespace vouchsafe::train {

enum class TreeMethod { hist, exact, approx };
std::string_view tree_method_name(TreeMethod method);
Result<TreeMethod> parse_tree_method(std::string_view name);

struct BoosterOptions {
    TreeMethod tree_method = TreeMethod::hist;
    int rounds = 100;
    int max_depth = 6;
    double learning_rate = 0.3;
    double lambda = 1;
    int max_bin = 256;                 // hist and approx
    std::optional<double> base_score;  // none: the mean of the training labels
    // How many rows XGBoost gets at a time with hist; 0: about 8 MiB. The result does not depend on
    // it.
    size_t batch_rows = 0;
    // 0: one thread below kSmallRows rows, else one per core. The result does not depend on it.
    unsigned threads = 0;
};

inline constexpr size_t kSmallRows = 20000;

// Rows is a selection of a table's rows, in an order. Borrows both.
struct Rows {
    const Table& table;
    std::span<const uint32_t> index;
};
// all_rows returns 0, 1, 2 ... for Rows of a whole table.
std::vector<uint32_t> all_rows(const Table& table);

// Engine is the loaded library. Cheap to copy, thread-safe.
class Engine {
  public:
    // load sets OMP_WAIT_POLICY=passive unless the environment has a value (spinning threads cost
    // up to 15 times on a busy machine: ml.md, 4), so call it before other threads read the
    // environment. Fails with Code::unavailable if libxgboost.so.0 is not there.
    static Result<Engine> load();
    std::string version() const;  // "xgboost 1.7.4"

    struct Library;
    const Library& library() const { return *library_; }  // for booster.cpp alone

  private:
    explicit Engine(std::shared_ptr<const Library> library) : library_(std::move(library)) {}
    std::shared_ptr<const Library> library_;
};

// Booster is a trained model for two classes, 0 and 1. Not thread-safe.
class Booster {
  public:
    // train fails with Code::invalid unless every label is 0 or 1 and both occur, or for options
    // out of range. Needs little memory beside the table for hist; exact and approx copy the rows.
    static Result<Booster> train(const Engine& engine, const Rows& rows,
                                 const BoosterOptions& options);
    // load takes a model that was sealed: XGBoost's loaders do not check what they read, so nothing
    // unauthenticated may reach them (ml.md, 6).
    static Result<Booster> load(const Engine& engine, const seal::Opened& model);
    ~Booster();
    Booster(Booster&&) noexcept;
    Booster& operator=(Booster&&) noexcept;

    // save returns the model with its columns' names, as UBJSON.
    Result<SecretBytes> save() const;
    const std::vector<std::string>& feature_names() const;

    // predict returns for every row the probability of class 1. Fails with Code::invalid unless the
    // table's columns are those the model was trained with, in that order.
    Result<SecretFloats> predict(const Rows& rows) const;

  private:
    struct State;
    explicit Booster(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// class_of is the predicted class: strictly more than one half (ml.md, 3.4).
inline int class_of(float probability) {
    return probability > 0.5f ? 1 : 0;
}

}  // namespace vouchsafe::train
