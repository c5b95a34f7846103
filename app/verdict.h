// What `verify` answers: the verdict, the checks behind it, and the facts it stands for. The JSON
// form is described in docs/formats/verdict.md.
#pragma once

#include <functional>

#include "app/context.h"

namespace vouchsafe::app {

// VerifyOptions are what every `verify` command takes.
struct VerifyOptions {
    std::string at;
    std::vector<std::string> allow_unchecked;
    std::string bundle;
    bool force = false;
    std::optional<Command> command;  // whose options these are
};
// add_verify_options adds --at, --bundle, and --allow-unchecked where `names` says what can be left
// unchecked.
void add_verify_options(Command command, VerifyOptions& options, const char* names = nullptr);
// judged_at is --at, or now.
Result<Time> judged_at(const Context& context, const VerifyOptions& options);

// Verdict is the answer to evidence that holds.
struct Verdict {
    std::string sentence;                  // "SEV-SNP report of a Milan machine", for people
    std::vector<std::string> not_checked;  // what the caller allowed to be missing
    Json facts;
};

// Judgement is a verdict either way, with the object that `--json` prints.
struct Judgement {
    Json document;
    std::vector<Check> checks;
    std::string sentence;          // if valid
    std::optional<Error> refusal;  // else
};

// run_verify calls `verify`, prints what it found and returns the exit code: 0 valid, 1 refused.
// Other errors (a file that cannot be read, usage) are returned: exit code 2. `kind` names what is
// verified, "snp". With --bundle the same is done from a bundle, which is then written.
using Verify = std::function<Result<Verdict>(Checks& checks)>;
Result<int> run_verify(const Context& context, const char* kind, const VerifyOptions& options,
                       const Verify& verify);
// show_judgement prints it and returns the exit code.
int show_judgement(const Context& context, const Judgement& judgement);

// kMaxEvidence is more than any piece of evidence needs.
inline constexpr size_t kMaxEvidence = 8 << 20;
// read_evidence reads a file of at most that size, or stdin for "-". A file that cannot be read is
// Code::invalid: to a verifier that is bad usage.
Result<Bytes> read_evidence(const std::string& file, size_t max_size = kMaxEvidence);
// parse_hex_option reads the hex value of an option of exactly `size` bytes.
Result<Bytes> parse_hex_option(const char* option, const std::string& value, size_t size);

}  // namespace vouchsafe::app
