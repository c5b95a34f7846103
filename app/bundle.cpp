#include "app/bundle.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "app/show.h"

namespace vouchsafe::app {

namespace {

using evidence::Bundle;
using evidence::BundleFile;

constexpr const char* kFileKind = "FILE";
// What a bundle has in another place, or what is not its business.
constexpr std::string_view kOutside[] = {"at", "bundle", "force", "help", "dir"};

// MemoryFile is a file without a place on disk. Its path works in this process while it lives.
class MemoryFile {
  public:
    static Result<MemoryFile> create(const BundleFile& file) {
        int fd = ::memfd_create("evidence", MFD_CLOEXEC);
        if (fd < 0) return fail_errno("cannot make a memory file for", file.name);
        MemoryFile out(fd, file.name);
        for (ByteView rest = file.bytes; !rest.empty();) {
            ssize_t written = ::write(fd, rest.data(), rest.size());
            if (written < 0) return fail_errno("cannot write the memory file of", file.name);
            rest = rest.subspan(static_cast<size_t>(written));
        }
        return out;
    }
    ~MemoryFile() {
        if (fd_ >= 0) ::close(fd_);
    }
    MemoryFile(MemoryFile&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)), name_(std::move(other.name_)) {}
    MemoryFile& operator=(MemoryFile&&) = delete;

    std::string path() const { return fmt::format("/proc/self/fd/{}", fd_); }
    const std::string& name() const { return name_; }

  private:
    MemoryFile(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
    int fd_;
    std::string name_;
};

const CommandOutline* find_command(const CommandOutline& in, std::string_view name) {
    auto found = std::ranges::find(in.commands, name, &CommandOutline::name);
    return found == in.commands.end() ? nullptr : &*found;
}

// Words makes the command line that a bundle stands for. Files are given as files only and all
// else as anything but files: a bundle cannot have a file of this machine read.
class Words {
  public:
    Words(const CommandOutline& command, const BundleTerms& terms)
        : command_(command), words_{"verify", command.name, "--at=" + format_rfc3339(terms.time)} {
        bool takes_dir = std::ranges::count(command.options, "dir", &OptionOutline::name) > 0;
        if (takes_dir && !terms.dir.empty()) words_.push_back("--dir=" + terms.dir);
    }

    Result<void> add_rule(const std::string& name, const std::vector<std::string>& values) {
        const OptionOutline* option = TRY(find_option(name, false));
        if (option->takes_value == values.empty()) {
            return fail(Code::invalid, "the rule {} {}", name,
                        option->takes_value ? "has no value" : "takes no value");
        }
        if (values.empty()) words_.push_back("--" + name);
        for (const std::string& value : values) {
            words_.push_back(fmt::format("--{}={}", name, value));
        }
        return {};
    }

    Result<void> add_file(const std::string& name, const MemoryFile& file) {
        TRY(find_option(name, true));
        words_.push_back(fmt::format("--{}={}", name, file.path()));
        return {};
    }

    std::vector<std::string> take() { return std::move(words_); }

  private:
    Result<const OptionOutline*> find_option(const std::string& name, bool is_file) {
        auto option = std::ranges::find(command_.options, name, &OptionOutline::name);
        bool known = option != command_.options.end() && std::ranges::count(kOutside, name) == 0;
        if (known && (option->kind == kFileKind) == is_file) return &*option;
        return fail(Code::invalid, "verify {} has no {} {}", command_.name,
                    is_file ? "file" : "rule", name);
    }

    const CommandOutline& command_;
    std::vector<std::string> words_;
};

// name_files puts the names of files where a message has their paths in this process.
std::string name_files(std::string text, const std::vector<MemoryFile>& files) {
    for (const MemoryFile& file : files) {
        std::string path = file.path();
        size_t at = text.find(path);
        if (at != std::string::npos) text.replace(at, path.size(), file.name());
    }
    return text;
}

Result<std::vector<BundleFile>> read_files(const std::vector<std::string>& paths) {
    std::vector<BundleFile> out;
    for (const std::string& path : paths) {
        Bytes bytes = TRY(read_evidence(path));
        std::string name = path == "-" ? "stdin" : std::filesystem::path(path).filename().string();
        out.push_back({std::move(name), std::move(bytes)});
    }
    return out;
}

std::string directory_of(const VerifyOptions& options) {
    for (const GivenOption& option : options.command->given()) {
        if (option.name == "dir") return option.values.front();
    }
    return "";
}

Result<Bundle> collect(const Context& context, const char* kind, const VerifyOptions& options) {
    Bundle out;
    out.made_by = fmt::format("vouchsafe {}", context.version);
    out.kind = kind;
    // To the second, as it is written.
    out.time = TRY(parse_rfc3339(format_rfc3339(TRY(judged_at(context, options)))));
    for (const GivenOption& option : options.command->given()) {
        if (std::ranges::count(kOutside, option.name) != 0) continue;
        if (option.kind == kFileKind) {
            out.files[option.name] = TRY(read_files(option.values));
        } else {
            out.rules[option.name] = option.values;
        }
    }
    return out;
}

}  // namespace

Result<Judgement> judge_bundle(const Context& context, const Bundle& bundle,
                               const BundleTerms& terms) {
    Judgement out;
    Context quiet;
    quiet.judgement = &out;
    quiet.site_file = context.site_file;
    CommandLine line("vouchsafe", "", "", "");
    add_verify(line.root(), quiet);
    CommandOutline outline = line.outline();
    const CommandOutline* command = find_command(*find_command(outline, "verify"), bundle.kind);
    if (command == nullptr) return fail(Code::invalid, "there is no verify {}", bundle.kind);

    std::vector<MemoryFile> files;
    Words words(*command, terms);
    for (const auto& [name, values] : bundle.rules) TRY(words.add_rule(name, values));
    for (const auto& [name, list] : bundle.files) {
        for (const BundleFile& file : list) {
            files.push_back(TRY(MemoryFile::create(file)));
            TRY(words.add_file(name, files.back()));
        }
    }
    Runner runner = TRY(line.parse_words(words.take()));
    auto done = runner();
    if (done) return out;
    Error error = std::move(done.error());
    error.message = name_files(std::move(error.message), files);
    return fail(std::move(error));
}

Result<int> verify_into_bundle(const Context& context, const char* kind,
                               const VerifyOptions& options) {
    Bundle bundle = TRY(collect(context, kind, options));
    Judgement judgement = TRY(judge_bundle(context, bundle, {bundle.time, directory_of(options)}));
    bundle.verdict = judgement.document;
    TRY(write_file(options.bundle, as_bytes(bundle.encode()),
                   options.force ? Overwrite::yes : Overwrite::no));
    return show_judgement(context, judgement);
}

}  // namespace vouchsafe::app
