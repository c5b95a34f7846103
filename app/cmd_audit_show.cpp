// audit show: the entries of a service's log, all of them, those that fit, or as they come.
#include <sys/stat.h>

#include <condition_variable>
#include <mutex>

#include "app/cmd_audit.h"
#include "app/interrupt.h"
#include "app/show.h"
#include "vouchsafe/audit/filter.h"

namespace vouchsafe::app {

namespace {

constexpr std::chrono::seconds kLookAgain{1};

struct ShowCommand {
    AuditPlace place;
    std::string request_id, request_option;
    std::string vault, who, act, since, until, outcome;
    bool refused = false;
    bool follow = false;
};

std::string entry_text(const audit::StoredEntry& stored, bool color) {
    const audit::Entry& entry = stored.entry;
    bool allowed = entry.outcome == audit::Outcome::allowed;
    std::string out = fmt::format("{:>6}  {}  {}  {} {}\n        by {}  request {}\n", stored.index,
                                  format_rfc3339(entry.time),
                                  styled(fmt::format("{:<7}", audit::outcome_name(entry.outcome)),
                                         allowed ? Style::good : Style::bad, color),
                                  entry.action, entry.resource,
                                  entry.actor.empty() ? "unknown" : entry.actor, entry.request_id);
    if (!entry.reason.empty()) out += fmt::format("        {}\n", entry.reason);
    return out;
}

Json entry_json(const audit::StoredEntry& stored) {
    Json json = MUST(parse_json(as_text(stored.entry.encode())));
    json["index"] = stored.index;
    return json;
}

// details_text tells the rest of an entry: whom a role was given, what was changed.
std::string details_text(const Json& details) {
    std::string out;
    for (const auto& [name, value] : details.items()) {
        if (value.is_object() && value.contains("lines")) continue;  // lines of their own
        out += fmt::format("        {} {}\n", printable(name + ":"), show_json(value, 2000));
    }
    return out;
}

void show(const Context& context, bool whole, const audit::StoredEntry& stored) {
    if (context.json) {
        write_out(dump_json(entry_json(stored)) + "\n");
        return;
    }
    write_out(entry_text(stored, context.color_out));
    if (!whole) return;
    write_out(details_text(stored.entry.details));
    write_out(describe_checks(stored.entry.checks, "        ", context.color_out));
    if (!stored.entry.checks.empty() && !stored.entry.checks.back().passed) {
        write_out(describe_refusal(stored.entry.checks.back(), "          ", context.color_out));
    }
    for (const char* name : {"policy", "reference-values"}) {
        const Json* told = find_member(stored.entry.details, name);
        const Json* lines = told != nullptr ? find_member(*told, "lines") : nullptr;
        for (const Json& line : lines != nullptr ? *lines : Json::array()) {
            write_out("          " + printable(line.get<std::string>()) + "\n");
        }
    }
}

Result<std::optional<Time>> time_option(const std::string& text, std::string_view option) {
    if (text.empty()) return std::nullopt;
    auto parsed = parse_rfc3339(text);
    if (parsed) return *parsed;
    return fail(Code::invalid, "{} takes a time like 2026-07-01T09:00:00Z or a day like 2026-07-01",
                option);
}

Result<audit::EntryFilter> filter_of(const ShowCommand& command) {
    audit::EntryFilter out;
    out.vault = command.vault;
    out.actor = command.who;
    out.action = command.act;
    out.since = TRY(time_option(command.since, "--since"));
    out.until = TRY(time_option(command.until, "--until"));
    out.not_allowed = command.refused;
    for (auto one : {audit::Outcome::allowed, audit::Outcome::refused, audit::Outcome::failed}) {
        if (command.outcome == audit::outcome_name(one)) out.outcome = one;
    }
    if (!command.request_id.empty() && !command.request_option.empty() &&
        command.request_id != command.request_option) {
        return fail(Code::invalid, "two different request ids: give one");
    }
    out.request_id = command.request_id.empty() ? command.request_option : command.request_id;
    return out;
}

// FollowedLog is a log that is read on and on: the store is opened anew if it cannot be read, or if
// a file of its name took its place (a restore).
class FollowedLog {
  public:
    explicit FollowedLog(StorePlace place) : place_(std::move(place)) {}

    // next returns entries from `from` on; the log may be shorter than that, having been set back.
    Result<std::vector<audit::StoredEntry>> next(uint64_t from) {
        if (store_ != nullptr && seen_ != identity()) store_.reset();
        if (store_ == nullptr) {
            if (!exists(place_)) return fail(Code::not_found, "{} is gone", place_.shown());
            seen_ = identity();
            store_ = TRY(open_or_make(place_));
        }
        audit::Log log(*store_);
        auto out = log.entries(from, audit::kMaxPage);
        auto size = out ? log.size() : Result<uint64_t>(0);
        if (!out || !size) store_.reset();
        if (out && size && *size < from) {
            return fail(Code::conflict, "the log has {} entries and had {}: it was set back", *size,
                        from);
        }
        return out;
    }

  private:
    // The SQLite file's; of PostgreSQL there is none.
    std::pair<dev_t, ino_t> identity() const {
        struct stat status {};
        if (!place_.url.empty() || ::stat(place_.file().c_str(), &status) != 0) return {};
        return {status.st_dev, status.st_ino};
    }

    const StorePlace place_;
    std::pair<dev_t, ino_t> seen_;
    std::unique_ptr<store::Store> store_;
};

// Pause ends at Ctrl-C or SIGTERM.
class Pause {
  public:
    Pause() {
        on_interrupt([this] {
            std::lock_guard lock(mutex_);
            over_ = true;
            changed_.notify_all();
        });
    }
    // wait tells whether to go on.
    bool wait() {
        std::unique_lock lock(mutex_);
        return !changed_.wait_for(lock, kLookAgain, [&] { return over_; });
    }
    bool over() {
        std::lock_guard lock(mutex_);
        return over_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool over_ = false;
};

Result<int> follow(const Context& context, const ShowCommand& command,
                   const audit::EntryFilter& filter, bool whole) {
    // Static: the watcher thread may still call it while the process ends.
    static Pause pause;
    FollowedLog log(TRY(audit_store(command.place)));
    std::string problem;  // told once
    for (uint64_t next = 0; !pause.over();) {
        auto entries = log.next(next);
        if (!entries && entries.error().code == Code::conflict) return fail(entries.error());
        if (!entries) {
            const std::string& now = entries.error().message;
            if (now != problem) write_err(fmt::format("cannot read the log: {}; trying on\n", now));
            problem = now;
            if (!pause.wait()) return 0;
            continue;
        }
        problem.clear();
        for (const auto& stored : *entries) {
            if (filter.matches(stored.entry)) show(context, whole, stored);
        }
        next += entries->size();
        if (entries->empty() && !pause.wait()) return 0;
    }
    return 0;
}

Result<int> run_show(const Context& context, const ShowCommand& command) {
    const audit::EntryFilter filter = TRY(filter_of(command));
    const bool whole = !filter.request_id.empty() || context.verbose;
    if (command.follow) return follow(context, command, filter, whole);
    auto store = TRY(open_audit_store(command.place));
    audit::Log log(*store);
    if (!filter.request_id.empty()) {
        auto entries = TRY(log.find(filter.request_id));
        if (entries.empty()) {
            return fail(Code::not_found, "the {}'s log has no request {}", command.place.service,
                        filter.request_id);
        }
        for (const auto& stored : entries) {
            if (filter.matches(stored.entry)) show(context, whole, stored);
        }
        return 0;
    }
    uint64_t next = 0;
    while (true) {
        auto entries = TRY(log.entries(next, audit::kMaxPage));
        if (entries.empty()) return 0;
        for (const auto& stored : entries) {
            if (filter.matches(stored.entry)) show(context, whole, stored);
        }
        next += entries.size();
    }
}

constexpr const char* kShowExamples = R"(Examples:
  vouchsafe audit show --vault my-vault --act keys/release --refused
  vouchsafe audit show --since 2026-07-01 --who 3f2c1c5e-0d5a-4c1e-9a55-7a3d6e0f1b22
  vouchsafe --json audit show --follow | jq -c 'select(.outcome == "refused")'
What is given must all fit. One request, and with --verbose every entry, is shown with its
checks and details: who was given which role, for instance. --follow shows what there is and
goes on until Ctrl-C; a store that is away for a while, or was put in place anew, is opened again.)";

}  // namespace

void add_audit_show(Command group, Context& context) {
    auto command = std::make_shared<ShowCommand>();
    Command made = group.add("show", "the log, the part of it that fits, or one request");
    made.examples(kShowExamples);
    add_audit_place(made, command->place);
    made.argument("REQUEST-ID", command->request_id, "one request, with all its checks").optional();
    made.option("--request-id", command->request_option, "the same", "ID");
    made.option("--vault", command->vault, "what concerns this vault", "NAME");
    made.option("--who", command->who, "what was done by: an object id, \"operator\", \"service\"",
                "ACTOR");
    made.option("--act", command->act, "this act (keys/release), or all that begin so (keys)",
                "ACTION");
    made.option("--since", command->since, "not before", "TIME");
    made.option("--until", command->until, "not after", "TIME");
    made.option("--outcome", command->outcome, "only what ended so", "")
        .one_of({"allowed", "refused", "failed"});
    made.flag("--refused", command->refused, "only what was refused or failed");
    made.flag("--follow", command->follow, "go on as entries come");
    made.run([&context, command] { return run_show(context, *command); });
}

}  // namespace vouchsafe::app
