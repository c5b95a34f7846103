// AttestationPolicy::parse: what it accepts, printed, is read back as an equal policy. evaluate and
// explain: end within their bounds, agree, and refuse without issuing. lint: ends.
#include <cstdlib>

#include "vouchsafe/base/json.h"
#include "vouchsafe/policy/maa/explain.h"
#include "vouchsafe/policy/maa/lint.h"

using namespace vouchsafe;

namespace {

void expect(bool ok) {
    if (!ok) std::abort();
}

// Claims of every type, some of them several times, for the corpus' policies to look at.
const std::vector<policy::Claim>& claims() {
    static const std::vector<policy::Claim> made = [] {
        Json json = {{"a", {1, 2, "x", true}},
                     {"b", {1, 2, 3, 4, 5, 6, 7, 8}},
                     {"s", "text"},
                     {"secureboot", true},
                     {"aikValidated", true},
                     {"x-ms-sevsnpvm-is-debuggable", false},
                     {"x-ms-compliance-status", "azure-compliant-cvm"},
                     {"x-ms-sevsnpvm-vmpl", 0},
                     {"x-ms-sevsnpvm-microcode-svn", 115},
                     {"x-ms-isolation-tee", {{"x-ms-compliance-status", "azure-compliant-cvm"}}},
                     {"x-ms-azurevm-attested-pcrs", {0, 4, 7}},
                     {"events", {{"Events", {{{"EventSeq", 1}, {"PcrIndex", 12}}}}}},
                     {"pcrs", {{"PCRs", {{{"Index", 0}}}}}}};
        return MUST(policy::claims_from_json(json, policy::ClaimIssuer::attestation_service));
    }();
    return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto parsed = policy::AttestationPolicy::parse(as_text({data, size}));
    if (!parsed) {
        expect(parsed.error().code == Code::invalid);
        expect(parsed.error().message.starts_with("attestation policy"));
        return 0;
    }
    std::string text = parsed->to_text();
    if (text.size() <= policy::kMaxAttestationPolicyBytes) {
        auto again = MUST(policy::AttestationPolicy::parse(text));
        expect(again == *parsed && again.to_text() == text);
    }

    policy::PolicyTrace trace;
    auto outcome = policy::evaluate(*parsed, claims(), &trace);
    if (outcome) {
        expect(outcome->permitted() || outcome->issued.empty());
        expect(outcome->permitted() || !outcome->reason.empty());
        expect(trace.claims.size() <= policy::kMaxClaims);
        if (auto explanation = policy::explain(*parsed, claims())) {
            expect(explanation->verdict == outcome->verdict);
            expect(!explanation->lines().empty() && explanation->to_json().is_object());
        }
    } else {
        expect(outcome.error().message.find("more than") != std::string::npos);
    }
    for (const auto& warning : policy::lint(*parsed, policy::AttestationTarget::azure_guest)) {
        expect(!warning.line().empty());
    }
    return 0;
}
