// What the commands of `policy` for attestation policies and for release policies share.
#pragma once

#include "app/context.h"

namespace vouchsafe::app {

// claims_of reads a token, whose signature is not looked at, or the claims themselves.
Result<Json> claims_of(const std::string& file);

// is_release_policy tells by the first character: attestation policies are no JSON.
bool is_release_policy(std::string_view text);

// lint_release_policy and explain_release_policy take the text of a release policy, of the envelope
// in which it is sent, or of a key that has one. `file` names it in messages. They print what is to
// be said and return the exit code.
Result<int> lint_release_policy(const Context& context, const std::string& text,
                                const std::string& file);
Result<int> explain_release_policy(const Context& context, const std::string& text,
                                   const std::string& file, const Json& claims);

}  // namespace vouchsafe::app
