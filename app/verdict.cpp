#include "app/verdict.h"

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

// show_facts prints scalars and, indented, objects; lists of objects only by their number.
void show_facts(const Json& facts, const std::string& indent, std::string& out) {
    for (const auto& [name, value] : facts.items()) {
        if (value.is_object()) {
            out += fmt::format("{}{}\n", indent, name);
            show_facts(value, indent + "  ", out);
        } else if (value.is_array() && !value.empty() && value[0].is_object()) {
            out += fmt::format("{}{:<28} {} (shown with --json)\n", indent, name, value.size());
        } else {
            std::string text = value.is_string() ? value.get<std::string>() : show_json(value, 400);
            out += fmt::format("{}{:<28} {}\n", indent, name, text);
        }
    }
}

void show_verdict(const Context& context, const char* kind, const Verdict& verdict,
                  const Checks& checks) {
    if (context.json) {
        write_out(dump_json(Json{{"schema", kSchema},
                                 {"kind", kind},
                                 {"valid", true},
                                 {"checks", checks_to_json(checks.list())},
                                 {"not_checked", verdict.not_checked},
                                 {"facts", verdict.facts}}) +
                  "\n");
        return;
    }
    std::string out;
    if (context.verbose) out += describe_checks(checks.list(), "", context.color_out);
    out +=
        fmt::format("{} {}\n", styled("valid", Style::good, context.color_out), verdict.sentence);
    for (const std::string& name : verdict.not_checked) {
        out += fmt::format("  {} {}\n", styled("not checked", Style::bad, context.color_out), name);
    }
    show_facts(verdict.facts, "  ", out);
    write_out(out);
}

}  // namespace

void add_verify_options(Command command, VerifyOptions& options, const char* names) {
    command.option("--at", options.at, "judge at this time, not now", "RFC3339");
    if (names == nullptr) return;
    command.option("--allow-unchecked", options.allow_unchecked, names, "NAME");
}

Result<Time> judged_at(const Context& context, const VerifyOptions& options) {
    if (options.at.empty()) return context.clock.now();
    return with_context(parse_rfc3339(options.at), "--at");
}

Result<int> run_verify(const Context& context, const char* kind,
                       const std::function<Result<Verdict>(Checks&)>& verify) {
    Checks checks;
    auto verdict = verify(checks);
    if (verdict) {
        show_verdict(context, kind, *verdict, checks);
        return 0;
    }
    const Check* reason = verdict.error().reason();
    if (reason == nullptr) return fail(std::move(verdict.error()));
    if (context.json) {
        write_out(dump_json(Json{{"schema", kSchema},
                                 {"kind", kind},
                                 {"valid", false},
                                 {"refusal", check_to_json(*reason)},
                                 {"checks", checks_to_json(verdict.error().checks)}}) +
                  "\n");
    } else {
        show_error(context, verdict.error());
    }
    return kRefused;
}

Result<Bytes> read_evidence(const std::string& file) {
    auto bytes = read_file(file == "-" ? "/dev/stdin" : file, kMaxEvidence);
    if (bytes) return bytes;
    return fail(Code::invalid, "{}", bytes.error().message);
}

Result<Bytes> parse_hex_option(const char* option, const std::string& value, size_t size) {
    auto bytes = decode_hex(to_lower(value));
    if (bytes && bytes->size() == size) return bytes;
    return fail(Code::invalid, "{} takes {} hex digits", option, 2 * size);
}

}  // namespace vouchsafe::app
