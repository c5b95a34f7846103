#include "vouchsafe/attest/request/snp_vm_request.h"

#include "vouchsafe/attest/request/azure_guest_request.h"
#include "vouchsafe/attest/request/json_fields.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::attest {

Result<SnpVmRequest> SnpVmRequest::parse(std::string_view body, size_t max_size) {
    Json json = TRY(parse_json(body, {.max_bytes = max_size}));
    JsonFields request = TRY(JsonFields::of(json, ""));
    Json proof_json = TRY(request.encoded_json("report", kMaxProof));
    SnpProof proof = TRY(SnpProof::parse(proof_json, "report"));

    SnpVmRequest out;
    out.report = std::move(proof.report);
    out.chain = std::move(proof.chain);
    out.bound = TRY(BoundMembers::parse(request));
    return out;
}

}  // namespace vouchsafe::attest
