// Helpers of this module's tests: the recorded vectors under tests/vectors, and what a refusal
// said.
#pragma once

#include <gtest/gtest.h>

#include <sstream>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/evidence/anchors/anchors.h"
#include "vouchsafe/evidence/tpm/types.h"

namespace vouchsafe::evidence::testing {

inline Path vector_path(const std::string& name) {
    return Path(VS_SOURCE_DIR) / "tests" / "vectors" / name;
}

inline Bytes vector_bytes(const std::string& name) {
    return MUST(read_file(vector_path(name)));
}

inline std::string vector_text(const std::string& name) {
    return MUST(read_text_file(vector_path(name)));
}

// facts returns what an independent checker found out about the files of a folder.
inline Json facts(const std::string& folder) {
    Json out = MUST(parse_json_object(vector_text(folder + "/facts.json")));
    for (Json& row : out) {
        if (row.is_object() && !row["facts"].is_object()) row["facts"] = Json::object();
    }
    return out;
}

inline Bytes from_hex(const std::string& text) {
    return MUST(decode_hex(text));
}

template <typename T>
std::string hex(const T& bytes) {
    return encode_hex(ByteView(bytes));
}

inline crypto::Certificate vector_certificate(const std::string& name) {
    return MUST(crypto::Certificate::parse_any(vector_bytes(name)));
}

inline Time at(const char* text) {
    return MUST(parse_rfc3339(text));
}

// The times at which the recorded chains are all valid.
inline Time recorded_time() {
    return at("2026-07-01T00:00:00Z");
}
inline Time recorded_vlek_time() {
    return at("2025-07-01T00:00:00Z");
}

// refusal is the code of the failed check, "" if it is no verifier's refusal.
template <typename T>
std::string refusal(const Result<T>& result) {
    if (result || result.error().reason() == nullptr) return "";
    return result.error().reason()->code;
}

template <typename T>
std::string refused_field(const Result<T>& result) {
    return refusal(result).empty() ? "" : result.error().reason()->field;
}

template <typename T>
std::string message(const Result<T>& result) {
    return result ? "accepted" : result.error().message;
}

// passed tells whether a check of this code was made and held.
inline bool passed(const Checks& checks, std::string_view code) {
    for (const Check& check : checks.list()) {
        if (check.code == code && check.passed) return true;
    }
    return false;
}

// read_pcrs reads a file of all 24 SHA-256 registers.
inline PcrBank read_pcrs(const std::string& name) {
    Bytes bytes = vector_bytes(name);
    PcrBank out{crypto::HashAlg::sha256, {}};
    for (uint32_t pcr = 0; pcr < 24; ++pcr) {
        out.values[pcr] = to_bytes(ByteView(bytes).subspan(pcr * 32, 32));
    }
    return out;
}

// read_pcr_text reads one bank of lines "bank index hex".
inline PcrBank read_pcr_text(const std::string& name, crypto::HashAlg bank) {
    PcrBank out{bank, {}};
    std::istringstream in(vector_text(name));
    std::string label, value;
    uint32_t pcr = 0;
    while (in >> label >> pcr >> value) {
        if (label == tpm_hash_label(bank)) out.values[pcr] = from_hex(value);
    }
    return out;
}

// simulated_anchors trusts the simulated root of tests/vectors/local/<identity>.
inline TrustAnchors simulated_anchors(const std::string& identity, bool with_ask = false) {
    TrustAnchors out;
    out.tier = Tier::simulated;
    std::optional<crypto::Certificate> ask;
    if (with_ask) ask = vector_certificate("local/" + identity + "/sim_ask.der");
    out.amd.push_back({SnpProduct::milan, vector_certificate("local/" + identity + "/sim_ark.der"),
                       ask, std::nullopt});
    return out;
}

}  // namespace vouchsafe::evidence::testing
