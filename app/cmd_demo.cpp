// demo: the whole first tutorial on this machine.

#include "app/show.h"
#include "vouchsafe/base/stopwatch.h"
#include "vouchsafe/lab/demo.h"

namespace vouchsafe::app {

namespace {

struct DemoCommand {
    std::string dir;
    std::string data;
    bool no_refusals = false;
};

Path program_path() {
    std::error_code error;
    Path path = std::filesystem::read_symlink("/proc/self/exe", error);
    return error ? Path("/proc/self/exe") : path;
}

// find_data looks for the tutorial's data set where a checkout has it.
Result<Path> find_data(const std::string& given) {
    if (!given.empty()) return std::filesystem::absolute(given);
    for (const Path& place : {Path("data/diabetes.csv"),
                              program_path().parent_path().parent_path() / "data/diabetes.csv"}) {
        std::error_code ignored;
        if (std::filesystem::exists(place, ignored)) return std::filesystem::absolute(place);
    }
    return fail(Code::not_found,
                "data/diabetes.csv is not here: run the demo from a checkout, or give --data FILE "
                "(a CSV file with a column Outcome of 0 and 1)");
}

std::string_view title(const std::string& name) {
    if (name == "lab") return "1 lab";
    if (name == "services") return "2 services";
    if (name == "owner") return "3 data owner";
    if (name == "machine") return "4 machine";
    if (name == "guest") return "5 guest";
    return "6 refused";
}

Json step_json(const lab::DemoStep& step) {
    Json json{{"step", step.name},
              {"text", step.text},
              {"seconds", step.seconds},
              {"details", step.details}};
    if (!step.report.empty()) json["report"] = step.report;
    if (step.refusal) json["refusal"] = check_to_json(*step.refusal);
    if (!step.checks.empty()) {
        json["checks"] = Json::array();
        for (const Check& check : step.checks) json["checks"].push_back(check_to_json(check));
    }
    return json;
}

void show_step(const Context& context, const lab::DemoStep& step) {
    if (context.json) {
        write_out(dump_json(step_json(step)) + "\n");
        return;
    }
    bool color = context.color_out;
    std::string out = fmt::format(
        "{}  {} {}\n", styled(fmt::format("{:<12}", title(step.name)), Style::bold, color),
        step.text, styled("(" + human_time(step.seconds) + ")", Style::dim, color));
    if (context.verbose) out += describe_checks(step.checks, "              ", color);
    if (!step.report.empty()) out += "\n" + step.report + "\n";
    if (step.refusal) {
        out += describe_refusal(*step.refusal, "              ", color);
        out += fmt::format("              {}  {}\n", styled("checked ", Style::dim, color),
                           step.leaked);
    }
    write_out(out);
}

Result<int> run_demo(const Context& context, const DemoCommand& command) {
    lab::DemoOptions options;
    options.directory =
        command.dir.empty() ? lab::default_lab_path() : std::filesystem::absolute(command.dir);
    if (!command.dir.empty()) options.work = options.directory / "work";
    options.data = TRY(find_data(command.data));
    options.program = program_path();
    options.refusals = !command.no_refusals;
    Stopwatch watch;
    size_t refused = 0;
    TRY(lab::run_demo(options, context.clock, [&](const lab::DemoStep& step) {
        if (step.refusal) ++refused;
        show_step(context, step);
    }));
    if (context.json) return 0;
    write_out(fmt::format(
        "\nDone in {}: the data was readable in the guest's memory and nowhere else{}.\n{}",
        human_time(watch.seconds()),
        refused == 0 ? ""
                     : fmt::format(", and {} runs that should not have it did not get it", refused),
        command.dir.empty()
            ? "Next: docs/tour.md, or the same with --verbose; --dir DIR keeps every "
              "file.\n"
            : fmt::format("Everything is in {}.\n", options.directory.string())));
    return 0;
}

constexpr const char* kDemoExamples = R"(Examples:
  vouchsafe demo
  vouchsafe demo --verbose --dir /tmp/lab      every check; keeps sealed files, machines and logs
  vouchsafe demo --json | jq .refusal.code
The lab's keys are made once, in the lab directory; its root is simulated and no production
directory believes it.)";

}  // namespace

void add_demo(Command app, Context& context) {
    auto command = std::make_shared<DemoCommand>();
    Command demo = app.add("demo", "the whole first tutorial on this machine");
    demo.examples(kDemoExamples);
    demo.option("--dir", command->dir,
                "lab directory; keeps everything there (default: the user's data folder)", "DIR");
    demo.option("--data", command->data, "data set (default: data/diabetes.csv)", "FILE");
    demo.flag("--no-refusals", command->no_refusals, "stop after the guest's run");
    demo.run([&context, command] { return run_demo(context, *command); });
}

}  // namespace vouchsafe::app
