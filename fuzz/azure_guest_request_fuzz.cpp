// What one dialect says parses the same when it is written again in another: plain members,
// standard base64, numbers.
#include <cstdlib>

#include "vouchsafe/attest/request/azure_guest_request.h"
#include "vouchsafe/attest/request/quote_request.h"
#include "vouchsafe/attest/request/snp_vm_request.h"
#include "vouchsafe/attest/request/tpm_request.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/jose/jwk.h"

using namespace vouchsafe;
using attest::AzureGuestRequest;

namespace {

constexpr size_t kMaxSize = 1 << 20;

std::string write(const AzureGuestRequest& request) {
    const auto& evidence = request.evidence;
    Json values = Json::array();
    for (const auto& value : evidence.pcr_values) {
        values.push_back({{"Index", value.index}, {"Digest", encode_base64(value.digest)}});
    }
    Json proof = {{"SnpReport", encode_base64(evidence.snp_report)},
                  {"VcekCertChain", encode_base64(evidence.vcek_chain)}};
    Json inner = {{"AttestationProtocolVersion", request.protocol_version},
                  {"OSType", encode_base64(as_bytes(request.os.type))},
                  {"OSDistro", encode_base64(as_bytes(request.os.distro))},
                  {"OSBuild", encode_base64(as_bytes(request.os.build))},
                  {"OSVersionMajor", request.os.version_major},
                  {"OSVersionMinor", request.os.version_minor},
                  {"TcgLogs", encode_base64(evidence.event_log)},
                  {"ClientPayload", request.client_payload ? *request.client_payload : Json()},
                  {"TpmInfo",
                   {{"AikCert", encode_base64(evidence.ak_certificate)},
                    {"AikPub", encode_base64(evidence.ak_public)},
                    {"PcrQuote", encode_base64(evidence.quote)},
                    {"PcrSignature", encode_base64(evidence.quote_signature)},
                    {"PcrSet", evidence.pcr_set},
                    {"PCRs", values},
                    {"EncKeyPub", encode_base64(evidence.encryption_key)},
                    {"EncKeyCertifyInfo", encode_base64(evidence.certify_info)},
                    {"EncKeyCertifyInfoSignature", encode_base64(evidence.certify_signature)}}},
                  {"IsolationInfo",
                   {{"Type", evidence.isolation_type},
                    {"Evidence",
                     {{"Proof", encode_base64(as_bytes(dump_json(proof)))},
                      {"RunTimeData", encode_base64(evidence.runtime_data)}}}}}};
    return dump_json({{"AttestationInfo", encode_base64(as_bytes(dump_json(inner)))}});
}

void check(std::string_view text) {
    Result<AzureGuestRequest> parsed = AzureGuestRequest::parse(text, kMaxSize);
    if (!parsed) return;
    std::string written = write(*parsed);
    Result<AzureGuestRequest> again = AzureGuestRequest::parse(written, 2 * kMaxSize);
    if (!again || write(*again) != written) std::abort();
}

// What is taken out of Open Enclave's envelope is all that follows it.
void check_envelope(ByteView report) {
    auto request = attest::QuoteRequest::parse_open_enclave(
        dump_json({{"report", encode_base64url(report)}}), kMaxSize);
    if (!request) return;
    if (report.size() < 16 || !equal(request->quote, report.subspan(16))) std::abort();
}

// The same bytes as a TPM's message, and as what its JWS holds: the key's text, which the quote is
// bound to, is a part of it and says the key that was read.
void check_tpm(std::string_view text) {
    (void)attest::read_tpm_init(text);
    (void)attest::TpmRequest::parse(text, kMaxSize);
    std::string jws = jose::unsigned_jws({{"typ", "attReqV2"}}, as_bytes(text));
    auto request = attest::TpmRequest::parse(
        dump_json(attest::tpm_answer({{"request", jws}}, true)), 4 * kMaxSize);
    if (!request) return;
    const attest::TpmKey& key = request->request_key;
    if (text.find(key.jwk) == text.npos) std::abort();
    if (MUST(jose::parse_jwk(MUST(parse_json(key.jwk)))) != key.key) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text = as_text({data, size});
    check(text);
    // The same bytes as what stands inside the envelope: mutations reach the members this way.
    check(dump_json({{"AttestationInfo", encode_base64url({data, size})}}));
    (void)attest::SnpVmRequest::parse(text, kMaxSize);
    (void)attest::QuoteRequest::parse(text, kMaxSize);
    (void)attest::QuoteRequest::parse_open_enclave(text, kMaxSize);
    check_envelope({data, size});
    check_tpm(text);
    return 0;
}
