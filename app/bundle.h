// Verdicts in bundles (docs/formats/bundle.md): making one, and verifying what is in one again.
// Both go through the command itself, with the bundle's files in memory in place of those on disk,
// so a bundle cannot mean anything that the command line does not.
#pragma once

#include "app/verdict.h"
#include "vouchsafe/evidence/bundle.h"

namespace vouchsafe::app {

// verify_into_bundle is run_verify for a command that was given --bundle. It writes the bundle
// whatever the verdict, and prints it.
Result<int> verify_into_bundle(const Context& context, const char* kind,
                               const VerifyOptions& options);

// BundleTerms is what a bundle does not decide.
struct BundleTerms {
    Time time;
    std::string dir;  // data directory whose roots count, where the command asks for one
};
// judge_bundle runs the bundle's command on its files. Fails with Code::invalid if kind, rules or
// files are not that command's.
Result<Judgement> judge_bundle(const Context& context, const evidence::Bundle& bundle,
                               const BundleTerms& terms);

}  // namespace vouchsafe::app
