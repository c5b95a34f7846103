#include "app/service_store.h"

#include <cstdlib>

namespace vouchsafe::app {

void add_store_option(Command command, std::string& url) {
    command.option("--store", url,
                   "PostgreSQL database that replicas share, e.g. "
                   "postgresql://vouchsafe@db.example.org/vouchsafe?sslmode=verify-full (default: "
                   "SQLite in the data directory). With a password in it say it in the environment "
                   "variable VOUCHSAFE_STORE instead, or in a settings file of serve",
                   "URL");
}

std::string StorePlace::shown() const {
    return url.empty() ? file().string() : fmt::format("PostgreSQL, schema {}", schema);
}

Result<StorePlace> store_place(const Path& directory, std::string_view service,
                               const std::string& option) {
    const char* variable = std::getenv("VOUCHSAFE_STORE");
    StorePlace out{directory / service, option, fmt::format("vouchsafe_{}", service)};
    if (out.url.empty() && variable != nullptr) out.url = variable;
    if (!out.url.empty() && !store::is_postgres_url(out.url)) {
        return fail(Code::invalid, "{} takes the URL of a PostgreSQL database: postgresql://...",
                    option.empty() ? "VOUCHSAFE_STORE" : "--store");
    }
    return out;
}

Result<std::unique_ptr<store::Store>> open_or_make(const StorePlace& place) {
    TRY(make_private_dir(place.folder));
    if (!place.url.empty()) return store::open_postgres(place.url, place.schema);
    return store::open_sqlite(place.file());
}

bool exists(const StorePlace& place) {
    std::error_code ignored;
    return !place.url.empty() || std::filesystem::exists(place.file(), ignored);
}

}  // namespace vouchsafe::app
