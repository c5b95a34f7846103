#include "vouchsafe/train/booster.h"

#include <cmath>
#include <numeric>

#include "vouchsafe/base/parallel.h"
#include "vouchsafe/train/xgboost.h"

namespace vouchsafe::train {

namespace {

using Library = Engine::Library;

Result<void> check_options(const BoosterOptions& options) {
    auto within = [](double value, double low, double high) {
        return value >= low && value <= high;
    };
    if (!within(options.rounds, 1, 100000))
        return fail(Code::invalid, "rounds must be 1 to 100000");
    if (!within(options.max_depth, 1, 30)) return fail(Code::invalid, "max-depth must be 1 to 30");
    if (!within(options.max_bin, 2, 65535))
        return fail(Code::invalid, "max-bin must be 2 to 65535");
    if (!within(options.learning_rate, 1e-9, 1)) {
        return fail(Code::invalid, "the learning rate must be above 0 and at most 1");
    }
    if (!within(options.lambda, 0, 1e9)) return fail(Code::invalid, "lambda must not be negative");
    if (options.base_score && !(*options.base_score > 0 && *options.base_score < 1)) {
        return fail(Code::invalid, "base-score must lie between 0 and 1");
    }
    return {};
}

// Checks that the labels are those of two classes and returns their mean.
Result<double> mean_label(const Rows& rows) {
    if (!rows.table.has_label()) return fail(Code::invalid, "the table has no label column");
    std::span<const float> labels = rows.table.expose_labels();
    size_t ones = 0;
    for (uint32_t row : rows.index) {
        if (labels[row] != 0 && labels[row] != 1) {
            return fail(Code::invalid, "row {}, column \"{}\": the label is neither 0 nor 1",
                        size_t{row} + 1, rows.table.label_name());
        }
        ones += labels[row] == 1;
    }
    if (ones == 0 || ones == rows.index.size()) {
        return fail(Code::invalid, "the training rows are all of one class");
    }
    return static_cast<double>(ones) / static_cast<double>(rows.index.size());
}

unsigned thread_count(unsigned wanted, size_t rows) {
    if (wanted != 0) return wanted;
    return rows < kSmallRows ? 1 : core_count();
}

// What the C callbacks of XGQuantileDMatrixCreateFromCallback get.
struct Iteration {
    const Library& library;
    Gather gather;
    void* proxy;
    std::optional<Error> error;
};

extern "C" void reset_iteration(DataIterHandle handle) noexcept {
    static_cast<Iteration*>(handle)->gather.rewind();
}

extern "C" int next_batch(DataIterHandle handle) noexcept {
    auto& iteration = *static_cast<Iteration*>(handle);
    Gather& gather = iteration.gather;
    if (iteration.error || !gather.next()) return 0;
    auto set = [&]() -> Result<void> {
        std::string values = array_interface(gather.values(), gather.rows(), gather.columns());
        std::string labels = array_interface(gather.labels(), gather.rows());
        const Library& library = iteration.library;
        TRY(library.check(library.proxy_set_dense(iteration.proxy, values.c_str())));
        return library.check(library.set_info(iteration.proxy, "label", labels.c_str()));
    }();
    if (set) return 1;
    iteration.error = std::move(set.error());
    return 0;
}

// The matrix for hist: 256 bins per column instead of the numbers themselves. The library walks
// over the rows four times and keeps nothing of a batch but its bins.
Result<Handle> quantile_matrix(const Library& library, const Rows& rows,
                               const BoosterOptions& options, unsigned threads) {
    void* raw = nullptr;
    TRY(library.check(library.proxy_create(&raw)));
    Handle proxy(raw, {library.matrix_free});
    auto gather = TRY(Gather::create(rows, options.batch_rows));
    Iteration iteration{library, std::move(gather), proxy.get(), std::nullopt};
    std::string config =
        fmt::format(R"({{"missing":NaN,"nthread":{},"max_bin":{}}})", threads, options.max_bin);
    int code = library.quantile_create(&iteration, proxy.get(), nullptr, reset_iteration,
                                       next_batch, config.c_str(), &raw);
    if (iteration.error) return fail(std::move(*iteration.error));
    TRY(library.check(code));
    return Handle(raw, {library.matrix_free});
}

// The matrix for exact and approx, which copies all numbers.
Result<Handle> dense_matrix(const Library& library, const Rows& rows, unsigned threads) {
    Gather gather = TRY(Gather::create(rows, rows.index.size()));
    gather.next();
    void* raw = nullptr;
    std::string values = array_interface(gather.values(), gather.rows(), gather.columns());
    std::string labels = array_interface(gather.labels(), gather.rows());
    std::string config = fmt::format(R"({{"missing":NaN,"nthread":{}}})", threads);
    TRY(library.check(library.dense_create(values.c_str(), config.c_str(), &raw)));
    Handle out(raw, {library.matrix_free});
    TRY(library.check(library.set_info(out.get(), "label", labels.c_str())));
    return out;
}

}  // namespace

std::string_view tree_method_name(TreeMethod method) {
    switch (method) {
        case TreeMethod::hist:
            return "hist";
        case TreeMethod::exact:
            return "exact";
        case TreeMethod::approx:
            return "approx";
    }
    return "";
}

Result<TreeMethod> parse_tree_method(std::string_view name) {
    for (TreeMethod method : {TreeMethod::hist, TreeMethod::exact, TreeMethod::approx}) {
        if (name == tree_method_name(method)) return method;
    }
    return fail(Code::invalid, "the tree method must be hist, exact or approx");
}

std::vector<uint32_t> all_rows(const Table& table) {
    std::vector<uint32_t> out(table.rows());
    std::iota(out.begin(), out.end(), 0U);
    return out;
}

struct Booster::State {
    Engine engine;
    Handle handle;
    std::vector<std::string> names;

    const Library& library() const { return engine.library(); }
    Result<void> create(void* const* matrix);
    Result<void> set(const char* name, const std::string& value);
    Result<void> set_names(const std::vector<std::string>& wanted);
    Result<void> read_names();
};

Result<void> Booster::State::create(void* const* matrix) {
    void* raw = nullptr;
    TRY(library().check(library().booster_create(matrix, matrix == nullptr ? 0 : 1, &raw)));
    handle = Handle(raw, {library().booster_free});
    return {};
}

Result<void> Booster::State::set(const char* name, const std::string& value) {
    return library().check(library().set_param(handle.get(), name, value.c_str()));
}

Result<void> Booster::State::set_names(const std::vector<std::string>& wanted) {
    std::vector<const char*> pointers;
    for (const std::string& name : wanted) pointers.push_back(name.c_str());
    TRY(library().check(
        library().set_names(handle.get(), "feature_name", pointers.data(), pointers.size())));
    names = wanted;
    return {};
}

Result<void> Booster::State::read_names() {
    bst_ulong count = 0;
    const char** list = nullptr;
    TRY(library().check(library().get_names(handle.get(), "feature_name", &count, &list)));
    names.assign(list, list + count);
    return {};
}

Booster::Booster(std::unique_ptr<State> state) : state_(std::move(state)) {}
Booster::Booster(Booster&&) noexcept = default;
Booster& Booster::operator=(Booster&&) noexcept = default;
Booster::~Booster() = default;

const std::vector<std::string>& Booster::feature_names() const {
    return state_->names;
}

Result<Booster> Booster::train(const Engine& engine, const Rows& rows,
                               const BoosterOptions& options) {
    TRY(check_options(options));
    double base_score = TRY(mean_label(rows));
    if (options.base_score) base_score = *options.base_score;
    unsigned threads = thread_count(options.threads, rows.index.size());
    const Library& library = engine.library();
    Handle matrix = TRY(options.tree_method == TreeMethod::hist
                            ? quantile_matrix(library, rows, options, threads)
                            : dense_matrix(library, rows, threads));
    void* matrices[] = {matrix.get()};
    auto state =
        std::make_unique<State>(State{engine, Handle(nullptr, {library.booster_free}), {}});
    TRY(state->create(matrices));
    TRY(state->set("objective", "binary:logistic"));
    TRY(state->set("eval_metric", "logloss"));
    TRY(state->set("tree_method", std::string(tree_method_name(options.tree_method))));
    TRY(state->set("base_score", fmt::format("{:.17g}", base_score)));
    TRY(state->set("max_depth", fmt::format("{}", options.max_depth)));
    TRY(state->set("learning_rate", fmt::format("{:.17g}", options.learning_rate)));
    TRY(state->set("reg_lambda", fmt::format("{:.17g}", options.lambda)));
    if (options.tree_method != TreeMethod::exact) {
        TRY(state->set("max_bin", fmt::format("{}", options.max_bin)));
    }
    TRY(state->set("nthread", fmt::format("{}", threads)));
    TRY(state->set_names(rows.table.feature_names()));
    for (int round = 0; round < options.rounds; ++round) {
        TRY(library.check(library.update(state->handle.get(), round, matrix.get())));
    }
    return Booster(std::move(state));
}

Result<Booster> Booster::load(const Engine& engine, const seal::Opened& model) {
    const Library& library = engine.library();
    auto state =
        std::make_unique<State>(State{engine, Handle(nullptr, {library.booster_free}), {}});
    TRY(state->create(nullptr));
    ByteView bytes = model.expose();
    auto loaded = library.check(library.load(state->handle.get(), bytes.data(), bytes.size()));
    if (!loaded)
        return fail(Code::invalid, "the sealed file holds no model: {}", loaded.error().message);
    TRY(state->read_names());
    return Booster(std::move(state));
}

Result<SecretBytes> Booster::save() const {
    const Library& library = state_->library();
    bst_ulong size = 0;
    const char* data = nullptr;
    TRY(library.check(library.save(state_->handle.get(), R"({"format":"ubj"})", &size, &data)));
    ByteView bytes(reinterpret_cast<const uint8_t*>(data), size);
    SecretBytes out = SecretBytes::copy_of(bytes);
    // The library's buffer lives on until its next call; nobody reads it any more.
    wipe({const_cast<uint8_t*>(bytes.data()), bytes.size()});
    return out;
}

Result<SecretFloats> Booster::predict(const Rows& rows) const {
    if (rows.table.feature_names() != state_->names) {
        return fail(Code::invalid,
                    "the table's {} columns are not the {} the model was trained with, in their "
                    "order",
                    rows.table.features(), state_->names.size());
    }
    constexpr const char* kConfig =
        R"({"type":0,"training":false,"iteration_begin":0,"iteration_end":0,)"
        R"("strict_shape":false,"missing":NaN,"cache_id":0})";
    const Library& library = state_->library();
    TRY(state_->set("nthread", fmt::format("{}", thread_count(0, rows.index.size()))));
    void* raw = nullptr;
    TRY(library.check(library.proxy_create(&raw)));
    Handle proxy(raw, {library.matrix_free});
    SecretFloats out = TRY(SecretFloats::allocate(rows.index.size()));
    Gather gather = TRY(Gather::create(rows, 0));
    for (size_t done = 0; gather.next(); done += gather.rows()) {
        std::string values = array_interface(gather.values(), gather.rows(), gather.columns());
        const bst_ulong* shape = nullptr;
        bst_ulong dimensions = 0;
        const float* result = nullptr;
        TRY(library.check(library.predict(state_->handle.get(), values.c_str(), kConfig,
                                          proxy.get(), &shape, &dimensions, &result)));
        if (dimensions != 1 || shape[0] != gather.rows()) {
            return fail(Code::invalid, "the model is not one for two classes");
        }
        std::copy(result, result + gather.rows(),
                  out.expose_mutable().begin() + static_cast<ptrdiff_t>(done));
    }
    return out;
}

}  // namespace vouchsafe::train
