// A set of reference values: what the evidence of a good machine contains
// (docs/formats/reference-values.md). Document to values and back; match.h compares. Pure.
#pragma once

#include <array>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/evidence/snp/report.h"
#include "vouchsafe/policy/maa/known_claims.h"

namespace vouchsafe::attest {

inline constexpr size_t kMaxReferenceDocument = 128 << 10;  // bytes of the JSON
inline constexpr size_t kMaxReferenceName = 64;
inline constexpr size_t kMaxReferenceDescription = 1024;            // bytes
inline constexpr uint64_t kMaxReferenceVersion = 1000000000000000;  // 10^15, of a set
// A removal's may be one higher, so that there is one for every set.
inline constexpr uint64_t kMaxRemovalVersion = kMaxReferenceVersion + 1;
inline constexpr size_t kMaxReferenceDigests = 1024;  // of one field
inline constexpr uint32_t kReferenceRegisters = 16;   // PCRs 0 to 15: none can be reset

// ReferenceField is a field of one value in evidence: a digest or a number.
struct ReferenceField {
    std::string_view group;  // "snp"
    std::string_view path;   // "snp.measurement": how maps, messages and the format name it
    size_t size = 0;         // bytes of a digest; 0: a number

    std::string_view name() const { return path.substr(group.size() + 1); }
};
std::span<const ReferenceField> reference_fields();

// NumberRange is inclusive at both ends.
struct NumberRange {
    uint64_t min = 0;
    uint64_t max = std::numeric_limits<uint32_t>::max();
    bool operator==(const NumberRange&) const = default;
};

using TeeTcbSvn = std::array<uint8_t, 16>;
using Digests = std::vector<Bytes>;  // in order, each once

struct ReferenceValues {
    // By ReferenceField::path, whose views they keep.
    std::map<std::string_view, Digests> digests;
    std::map<std::string_view, NumberRange> numbers;
    std::map<evidence::SnpProduct, evidence::SnpTcb> minimum_tcb;
    std::optional<TeeTcbSvn> minimum_tee_tcb_svn;
    std::map<uint32_t, Digests> pcrs;
    std::map<uint32_t, Digests> events;

    bool operator==(const ReferenceValues&) const = default;
};

struct ReferenceSet {
    std::string name;
    uint64_t version = 0;
    bool removes = false;  // takes the set of this name out of force; what follows is then empty
    std::string description;
    std::optional<Time> not_before;
    Time not_after{};
    std::vector<policy::AttestationTarget> evidence;
    ReferenceValues values;

    bool operator==(const ReferenceSet&) const = default;

    bool applies_to(policy::AttestationTarget target) const;

    // parse reads the document. Code::invalid and a sentence that names the member; whatever the
    // format does not describe is refused.
    static Result<ReferenceSet> parse(std::string_view text);
    // to_json gives a document that parses to an equal set.
    Json to_json() const;
};

// is_reference_name: 1 to 64 of a-z, 0-9, '-' and '.', with a letter or digit at both ends.
bool is_reference_name(std::string_view name);

// reference_removal is the document that takes a set out of force.
Json reference_removal(std::string_view name, uint64_t version);

}  // namespace vouchsafe::attest
