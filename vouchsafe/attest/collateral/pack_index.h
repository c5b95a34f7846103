// pack.json of a pack's folder: what the files themselves do not say. For collateral_pack.cpp
// alone.
#pragma once

#include "vouchsafe/attest/collateral/collateral_piece.h"
#include "vouchsafe/base/file.h"

namespace vouchsafe::attest {

struct PackRecord {
    CollateralName name;
    std::string sha256;  // of the file it is about: there may be a record of the one before
    std::string issuer;  // name of the file with the issuer chain; "" if there is none
    std::string source;
    std::optional<Time> fetched;
};

// PackIndex is a value.
struct PackIndex {
    std::vector<PackRecord> records;

    const PackRecord* find(const CollateralName& name, const std::string& sha256) const;
    // put adds a record or replaces the one about the same bytes.
    void put(PackRecord record);

    // load returns an empty index if there is no file; Code::invalid if it is malformed.
    static Result<PackIndex> load(const Path& folder);
    Result<void> store(const Path& folder) const;
};

// issuer_file_name is "issuer-{16 hex digits of its SHA-256}.pem"; is_issuer_file_name knows one.
std::string issuer_file_name(std::string_view chain);
bool is_issuer_file_name(std::string_view name);

}  // namespace vouchsafe::attest
