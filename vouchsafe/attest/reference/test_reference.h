// For tests: documents of reference values that the tests' machine matches.
#pragma once

#include "vouchsafe/attest/reference/match.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::attest::testing {

// reference_document is for SEV-SNP machines of the launch 4D4D..., until the end of 2026.
inline Json reference_document(const std::string& name = "prod", uint64_t version = 1) {
    return {{"schema", "vouchsafe/reference-values/1"},
            {"name", name},
            {"version", version},
            {"validity", {{"not-before", "2026-01-01"}, {"not-after", "2026-12-31T23:59:59Z"}}},
            {"evidence", {"AzureGuest", "SevSnpVm"}},
            {"values", {{"snp", {{"measurement", {encode_hex(Bytes(48, 0x4D))}}}}}}};
}
// with_values is the same document about other values.
inline Json with_values(Json values, std::vector<std::string> evidence) {
    Json out = reference_document();
    out["values"] = std::move(values);
    out["evidence"] = std::move(evidence);
    return out;
}
inline ReferenceSet reference_set(const Json& document) {
    return MUST(ReferenceSet::parse(dump_json(document)));
}

// send_reference puts a set as a contributor whom the service knows by this id.
template <typename Office>
int send_reference(Office& office, const Json& document) {
    std::string name = document["name"];
    return office
        .send("PUT", "/reference-values/" + name, dump_json(document), "",
              office.access_token("aaaaaaaa-0000-4000-8000-00000000000c"))
        .status;
}

}  // namespace vouchsafe::attest::testing
