#include "vouchsafe/train/xgboost.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>

#include "vouchsafe/base/log.h"

namespace vouchsafe::train {

namespace {

constexpr const char* kLibrary = "libxgboost.so.0";
constexpr size_t kBatchBytes = 8 << 20;

// Finds a function; the first one that is missing is remembered.
struct Symbols {
    void* library;
    std::string missing;

    template <typename Function>
    void find(Function& function, const char* name) {
        function = reinterpret_cast<Function>(::dlsym(library, name));
        if (function == nullptr && missing.empty()) missing = name;
    }
};

void log_library_message(const char* text) {
    log_event(LogLevel::debug, "xgboost", {{"text", text}});
}

}  // namespace

Result<Engine> Engine::load() {
    ::setenv("OMP_WAIT_POLICY", "passive", 0);
    void* library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);  // stays until the process ends
    if (library == nullptr) {
        return fail(Code::unavailable, "{} cannot be loaded; install libxgboost0 ({})", kLibrary,
                    ::dlerror());
    }
    auto out = std::make_shared<Library>();
    Symbols symbols{library, {}};
    symbols.find(out->version, "XGBoostVersion");
    symbols.find(out->last_error, "XGBGetLastError");
    symbols.find(out->register_log, "XGBRegisterLogCallback");
    symbols.find(out->proxy_create, "XGProxyDMatrixCreate");
    symbols.find(out->proxy_set_dense, "XGProxyDMatrixSetDataDense");
    symbols.find(out->quantile_create, "XGQuantileDMatrixCreateFromCallback");
    symbols.find(out->dense_create, "XGDMatrixCreateFromDense");
    symbols.find(out->set_info, "XGDMatrixSetInfoFromInterface");
    symbols.find(out->matrix_free, "XGDMatrixFree");
    symbols.find(out->booster_create, "XGBoosterCreate");
    symbols.find(out->booster_free, "XGBoosterFree");
    symbols.find(out->set_param, "XGBoosterSetParam");
    symbols.find(out->update, "XGBoosterUpdateOneIter");
    symbols.find(out->predict, "XGBoosterPredictFromDense");
    symbols.find(out->save, "XGBoosterSaveModelToBuffer");
    symbols.find(out->load, "XGBoosterLoadModelFromBuffer");
    symbols.find(out->set_names, "XGBoosterSetStrFeatureInfo");
    symbols.find(out->get_names, "XGBoosterGetStrFeatureInfo");
    if (!symbols.missing.empty()) {
        return fail(Code::unavailable, "{} has no function {}; version 1.7 or later is needed",
                    kLibrary, symbols.missing);
    }
    out->register_log(log_library_message);
    return Engine(std::move(out));
}

std::string Engine::version() const {
    int major = 0, minor = 0, patch = 0;
    library_->version(&major, &minor, &patch);
    return fmt::format("xgboost {}.{}.{}", major, minor, patch);
}

Result<void> Engine::Library::check(int code) const {
    if (code == 0) return {};
    std::string_view text = last_error();
    return fail(Code::internal, "xgboost: {}", text.substr(0, text.find('\n')));
}

std::string array_interface(const float* data, size_t rows, size_t columns) {
    return fmt::format(R"({{"data":[{},true],"shape":[{},{}],"typestr":"<f4","version":3}})",
                       reinterpret_cast<uintptr_t>(data), rows, columns);
}

std::string array_interface(const float* data, size_t count) {
    return fmt::format(R"({{"data":[{},true],"shape":[{}],"typestr":"<f4","version":3}})",
                       reinterpret_cast<uintptr_t>(data), count);
}

Result<Gather> Gather::create(const Rows& rows, size_t batch_rows) {
    Gather out(rows);
    size_t columns = rows.table.features();
    if (batch_rows == 0) batch_rows = std::max<size_t>(1, kBatchBytes / (columns * sizeof(float)));
    out.batch_rows_ = std::min(batch_rows, rows.index.size());
    out.values_ = TRY(SecretFloats::allocate(out.batch_rows_ * columns));
    if (rows.table.has_label()) out.labels_ = TRY(SecretFloats::allocate(out.batch_rows_));
    return out;
}

bool Gather::next() {
    constexpr size_t kAhead = 8;  // rows lie anywhere in the table: fetch some in advance
    count_ = std::min(batch_rows_, rows_.index.size() - next_);
    std::span<const uint32_t> index = rows_.index.subspan(next_, count_);
    const float* from = rows_.table.expose_values().data();
    const float* labels = rows_.table.expose_labels().data();
    float* to = values_.expose_mutable().data();
    float* to_labels = labels_.expose_mutable().data();
    size_t width = columns();
    for (size_t i = 0; i < count_; ++i, to += width) {
        if (i + kAhead < count_) {
            const float* later = from + size_t{index[i + kAhead]} * width;
            for (size_t k = 0; k < width; k += 16) __builtin_prefetch(later + k);
        }
        const float* row = from + size_t{index[i]} * width;
        std::copy(row, row + width, to);
        if (rows_.table.has_label()) to_labels[i] = labels[index[i]];
    }
    next_ += count_;
    return count_ > 0;
}

}  // namespace vouchsafe::train
