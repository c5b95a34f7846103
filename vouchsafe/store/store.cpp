#include "vouchsafe/store/store.h"

namespace vouchsafe::store {

bool is_postgres_url(std::string_view where) {
    return where.starts_with("postgres://") || where.starts_with("postgresql://");
}

}  // namespace vouchsafe::store
