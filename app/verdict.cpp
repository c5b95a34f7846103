#include "app/verdict.h"

#include "app/bundle.h"
#include "app/show.h"
#include "vouchsafe/base/encoding.h"

namespace vouchsafe::app {

namespace {

constexpr int kRefused = 1;
constexpr const char* kSchema = "vouchsafe-verdict/1";

Json checks_to_json(const std::vector<Check>& checks) {
    Json list = Json::array();
    for (const Check& check : checks) list.push_back(check_to_json(check));
    return list;
}

// Text is never cut: what is hidden at its end may be what matters.
std::string fact_text(const Json& value) {
    return value.is_string() ? printable(value.get_ref<const std::string&>())
                             : show_json(value, 400);
}

// show_facts prints scalars and, indented, objects; lists of texts one in a line, lists of objects
// only by their number.
void show_facts(const Json& facts, const std::string& indent, std::string& out) {
    for (const auto& [name, value] : facts.items()) {
        std::string shown = printable(name);
        if (value.is_object()) {
            out += fmt::format("{}{}\n", indent, shown);
            show_facts(value, indent + "  ", out);
        } else if (value.is_array() && !value.empty() && value[0].is_object()) {
            out += fmt::format("{}{:<28} {} (shown with --json)\n", indent, shown, value.size());
        } else if (value.is_array() && !value.empty() && value[0].is_string()) {
            for (const Json& one : value) {
                out += fmt::format("{}{:<28} {}\n", indent, shown, fact_text(one));
                shown.clear();
            }
        } else {
            out += fmt::format("{}{:<28} {}\n", indent, shown, fact_text(value));
        }
    }
}

void show_valid(const Context& context, const Judgement& judgement) {
    std::string out;
    if (context.verbose) out += describe_checks(judgement.checks, "", context.color_out);
    out += fmt::format("{} {}\n", styled("valid", Style::good, context.color_out),
                       printable(judgement.sentence));
    for (const Json& name : judgement.document["not_checked"]) {
        out += fmt::format("  {} {}\n", styled("not checked", Style::bad, context.color_out),
                           printable(name.get_ref<const std::string&>()));
    }
    show_facts(judgement.document["facts"], "  ", out);
    write_out(out);
}

Judgement accepted(const char* kind, Verdict verdict, const Checks& checks) {
    return {Json{{"schema", kSchema},
                 {"kind", kind},
                 {"valid", true},
                 {"checks", checks_to_json(checks.list())},
                 {"not_checked", std::move(verdict.not_checked)},
                 {"facts", std::move(verdict.facts)}},
            checks.list(), std::move(verdict.sentence), std::nullopt};
}

Judgement refused(const char* kind, Error error) {
    return {Json{{"schema", kSchema},
                 {"kind", kind},
                 {"valid", false},
                 {"refusal", check_to_json(*error.reason())},
                 {"checks", checks_to_json(error.checks)}},
            error.checks, "", std::move(error)};
}

}  // namespace

void add_verify_options(Command command, VerifyOptions& options, const char* names) {
    command.option("--at", options.at, "judge at this time, not now", "RFC3339");
    if (names != nullptr) {
        command.option("--allow-unchecked", options.allow_unchecked, names, "NAME,...")
            .separated_by(',');
    }
    command.option("--bundle", options.bundle,
                   "write evidence, rules, time and verdict into this file", "OUT");
    command.flag("--force", options.force, "replace that file if it exists");
    options.command = command;
}

Result<Time> judged_at(const Context& context, const VerifyOptions& options) {
    if (options.at.empty() || options.at == "now") return context.clock.now();
    return with_context(parse_rfc3339(options.at), "--at");
}

int show_judgement(const Context& context, const Judgement& judgement) {
    if (context.json) {
        write_out(dump_json(judgement.document) + "\n");
    } else if (judgement.refusal) {
        show_error(context, *judgement.refusal);
    } else {
        show_valid(context, judgement);
    }
    return judgement.refusal ? kRefused : 0;
}

Result<int> run_verify(const Context& context, const char* kind, const VerifyOptions& options,
                       const Verify& verify) {
    if (!options.bundle.empty()) return verify_into_bundle(context, kind, options);
    Checks checks;
    auto verdict = verify(checks);
    if (!verdict && verdict.error().reason() == nullptr) return fail(std::move(verdict.error()));
    Judgement judgement = verdict ? accepted(kind, std::move(*verdict), checks)
                                  : refused(kind, std::move(verdict.error()));
    if (context.judgement == nullptr) return show_judgement(context, judgement);
    *context.judgement = std::move(judgement);
    return 0;
}

Result<Bytes> read_evidence(const std::string& file, size_t max_size) {
    auto bytes = read_file(file == "-" ? "/dev/stdin" : file, max_size);
    if (bytes) return bytes;
    return fail(Code::invalid, "{}", bytes.error().message);
}

Result<Bytes> parse_hex_option(const char* option, const std::string& value, size_t size) {
    auto bytes = decode_hex(to_lower(value));
    if (bytes && bytes->size() == size) return bytes;
    return fail(Code::invalid, "{} takes {} hex digits", option, 2 * size);
}

}  // namespace vouchsafe::app
