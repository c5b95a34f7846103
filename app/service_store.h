// Where a service keeps its records: in SQLite in its folder of the data directory, or in a
// PostgreSQL database that several replicas share.
#pragma once

#include <memory>

#include "app/command_line.h"
#include "vouchsafe/store/store.h"

namespace vouchsafe::app {

// add_store_option adds --store. Without it the environment variable VOUCHSAFE_STORE counts, where
// a URL with a password belongs, as in a settings file: command lines are there for all to see.
void add_store_option(Command command, std::string& url);

// StorePlace is where the records of `service` ("vault", "attestation") are.
struct StorePlace {
    Path folder;         // of the service, in the data directory
    std::string url;     // of PostgreSQL; empty: SQLite in the folder
    std::string schema;  // in the database

    Path file() const { return folder / "store.db"; }
    // shown names the place for people, without the URL: it may hold a password.
    std::string shown() const;
};

// store_place fails with Code::invalid if `option`, or VOUCHSAFE_STORE, is no URL of PostgreSQL.
Result<StorePlace> store_place(const Path& directory, std::string_view service,
                               const std::string& option);

// open_or_make opens the store and makes it if it is not there.
Result<std::unique_ptr<store::Store>> open_or_make(const StorePlace& place);

// exists is false if SQLite would have to make a file.
bool exists(const StorePlace& place);

}  // namespace vouchsafe::app
