// What became of one request and why, for who manages the key it was about and for who operates the
// vault: out of the audit log, which has it all.
#pragma once

#include "vouchsafe/audit/log.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::vault {

// explain_request describes the request's last entry in the log:
//   request_id, time, operation, resource, caller, outcome, reason
//   checks          in order: code, field, expected, found, passed; of a failed one also what the
//                   rule is, its source and the remedy
//   policy          of a refused release: each condition of the policy, as a tree
//   smallest_change of it that would pass: conditions from and to, and the whole policy
//   release_rules   of a release, if the key has some
// Code::not_found if the log has no such request.
Result<Json> explain_request(audit::Log& log, std::string_view request_id);

// key_of_entry is the name of the key that an entry of this vault is about, "" if it is about none
// or about another vault's. `suffixes` are the service's.
std::string key_of_entry(const audit::Entry& entry, std::string_view vault,
                         const std::vector<std::string>& suffixes);

}  // namespace vouchsafe::vault
