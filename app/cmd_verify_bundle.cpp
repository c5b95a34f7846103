// verify bundle: a verdict of before, verified again from what it rested on.
#include <filesystem>

#include "app/bundle.h"
#include "app/cmd_verify.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::app {

namespace {

using evidence::Bundle;
using evidence::BundleFile;

struct BundleCommand {
    std::string file, dir;
    std::vector<std::string> replaced;  // OPTION=FILE
    VerifyOptions options;
};

Json files_json(const Bundle& bundle) {
    Json out = Json::object();
    for (const auto& [option, files] : bundle.files) {
        for (const BundleFile& file : files) {
            Bytes digest = crypto::hash(crypto::HashAlg::sha256, file.bytes);
            out[option].push_back(fmt::format("sha256 {} {}", encode_hex(digest), file.name));
        }
    }
    return out;
}

// replace_files puts other files in the place of those that the bundle has.
Result<void> replace_files(const std::vector<std::string>& replaced, Bundle& bundle) {
    std::map<std::string, std::vector<BundleFile>> fresh;
    for (const std::string& one : replaced) {
        size_t equals = one.find('=');
        if (equals == std::string::npos || equals == 0) {
            return fail(Code::invalid, "--with takes OPTION=FILE, e.g. policy=my.policy");
        }
        const std::string file = one.substr(equals + 1);
        Bytes bytes = TRY(read_evidence(file));
        fresh[one.substr(0, equals)].push_back(
            {std::filesystem::path(file).filename().string(), std::move(bytes)});
    }
    // A policy of somebody's own decides what the built-in one had checked.
    if (fresh.contains("policy")) bundle.rules.erase("built-in");
    for (auto& [option, files] : fresh) bundle.files[option] = std::move(files);
    return {};
}

Result<Verdict> verify_bundle(const Context& context, const BundleCommand& command,
                              Checks& checks) {
    Bytes bytes = TRY(read_evidence(command.file, evidence::kMaxBundle));
    Bundle bundle = TRY(with_context(Bundle::parse(as_text(bytes)), command.file));
    TRY(replace_files(command.replaced, bundle));
    bool as_recorded = command.options.at.empty() && command.replaced.empty();
    Time time = command.options.at.empty() ? bundle.time : TRY(judged_at(context, command.options));
    Judgement judgement =
        TRY(with_context(judge_bundle(context, bundle, {time, command.dir}), command.file));
    if (as_recorded) TRY(evidence::compare_verdicts(bundle.verdict, judgement.document, checks));
    if (judgement.refusal) return fail(std::move(*judgement.refusal));
    for (Check& check : judgement.checks) {
        TRY(checks.require(true, check.code, check.field, check.expected, check.found));
    }
    Json facts{{"kind", bundle.kind},
               {"made_by", bundle.made_by},
               {"time", format_rfc3339(bundle.time)},
               {"rules", bundle.rules},
               {"files", files_json(bundle)},
               {"verdict", judgement.document["facts"]}};
    return Verdict{
        fmt::format("{}, {} {}", judgement.sentence,
                    as_recorded ? "as recorded at" : "judged again at", format_rfc3339(time)),
        judgement.document["not_checked"].get<std::vector<std::string>>(), std::move(facts)};
}

constexpr const char* kVerifyBundleExamples = R"(Examples:
  vouchsafe verify snp --report report.bin --cert vcek.der --crl milan.crl --bundle verdict.json
  vouchsafe verify bundle verdict.json
  vouchsafe verify bundle verdict.json --at 2036-01-01T00:00:00Z    # would it hold then?
  vouchsafe verify bundle appraisal.json --at now --with collateral=pack.json --with policy=my.policy
Everything is verified again, at the time and by the rules in the bundle, which are shown: whether they
are yours is for you to say.)";

}  // namespace

void add_verify_bundle(Command verify, Context& context) {
    auto command = std::make_shared<BundleCommand>();
    Command made = verify.add("bundle", "a verdict in one file with all that it rests on");
    made.examples(kVerifyBundleExamples);
    made.argument("FILE", command->file, "what verify ... --bundle wrote; '-' is stdin");
    made.option("--at", command->options.at, "judge at this time (or now), not at the recorded one",
                "RFC3339");
    made.option("--with", command->replaced,
                "judge with another file in the place of the bundle's (repeat): collateral=FILE, "
                "policy=FILE, crl=FILE, ... by the option of its command",
                "OPTION=FILE");
    made.option("--dir", command->dir,
                "of an appraisal: data directory whose roots count, instead of the vendors'",
                "DIR");
    made.run([&context, command] {
        return run_verify(context, "bundle", command->options,
                          [&](Checks& checks) { return verify_bundle(context, *command, checks); });
    });
}

}  // namespace vouchsafe::app
