// For tests alone: tests/vectors/crypto/negative.json, values that must be refused and the nearest
// ones that hold.
#pragma once

#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/keys.h"

namespace vouchsafe::crypto::testing {

inline Path crypto_vector(const char* name) {
    return Path(VS_SOURCE_DIR) / "tests/vectors/crypto" / name;
}

inline const Json& negative_vectors(const char* section) {
    static const Json kAll = MUST(parse_json(MUST(read_text_file(crypto_vector("negative.json")))));
    return kAll.at(section);
}

inline std::string text_of(const Json& row, const char* member) {
    return row.at(member).get<std::string>();
}
inline Bytes bytes_of(const Json& row, const char* member) {
    return MUST(decode_hex(text_of(row, member)));
}
inline SigAlg alg_of(const Json& row) {
    return sig_alg_from_name(text_of(row, "alg")).value();
}
inline HashAlg hash_of(const Json& row) {
    std::string name = text_of(row, "hash");
    return name == "sha1" ? HashAlg::sha1 : name == "sha384" ? HashAlg::sha384 : HashAlg::sha256;
}

}  // namespace vouchsafe::crypto::testing
