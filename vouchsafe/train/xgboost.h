// XGBoost's functions as they come out of dlopen, and its handles with owners. Private to train/;
// the only header that sees xgboost/c_api.h.
#pragma once

#include <xgboost/c_api.h>

#include <memory>

#include "vouchsafe/train/booster.h"

namespace vouchsafe::train {

struct Engine::Library {
    decltype(&::XGBoostVersion) version;
    decltype(&::XGBGetLastError) last_error;
    decltype(&::XGBRegisterLogCallback) register_log;
    decltype(&::XGProxyDMatrixCreate) proxy_create;
    decltype(&::XGProxyDMatrixSetDataDense) proxy_set_dense;
    decltype(&::XGQuantileDMatrixCreateFromCallback) quantile_create;
    decltype(&::XGDMatrixCreateFromDense) dense_create;
    decltype(&::XGDMatrixSetInfoFromInterface) set_info;
    decltype(&::XGDMatrixFree) matrix_free;
    decltype(&::XGBoosterCreate) booster_create;
    decltype(&::XGBoosterFree) booster_free;
    decltype(&::XGBoosterSetParam) set_param;
    decltype(&::XGBoosterUpdateOneIter) update;
    decltype(&::XGBoosterPredictFromDense) predict;
    decltype(&::XGBoosterSaveModelToBuffer) save;
    decltype(&::XGBoosterLoadModelFromBuffer) load;
    decltype(&::XGBoosterSetStrFeatureInfo) set_names;
    decltype(&::XGBoosterGetStrFeatureInfo) get_names;

    // check turns a return code into an error with the library's own words.
    Result<void> check(int code) const;
};

// Handle owns a DMatrixHandle or a BoosterHandle.
struct HandleDeleter {
    int (*free)(void*);
    void operator()(void* handle) const { free(handle); }
};
using Handle = std::unique_ptr<void, HandleDeleter>;

// array_interface describes memory in numpy's array interface protocol, version 3, as JSON.
std::string array_interface(const float* data, size_t rows, size_t columns);
std::string array_interface(const float* data, size_t count);

// Gather copies selected rows of a table one batch after the other into one buffer, so that no
// second copy of the table is needed.
class Gather {
  public:
    // `batch_rows` 0 chooses batches of about 8 MiB.
    static Result<Gather> create(const Rows& rows, size_t batch_rows);

    void rewind() { next_ = 0; }
    // next copies the next batch; false after the last.
    bool next();
    const float* values() const { return values_.expose().data(); }
    const float* labels() const { return labels_.expose().data(); }
    size_t rows() const { return count_; }
    size_t columns() const { return rows_.table.features(); }

  private:
    explicit Gather(const Rows& rows) : rows_(rows) {}
    Rows rows_;
    size_t batch_rows_ = 0;
    SecretFloats values_;
    SecretFloats labels_;
    size_t next_ = 0;
    size_t count_ = 0;
};

}  // namespace vouchsafe::train
