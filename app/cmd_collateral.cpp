// collateral: the pack of a data directory, which its attestation service verifies with.
#include <algorithm>
#include <set>

#include "app/show.h"
#include "app/verdict.h"
#include "vouchsafe/attest/collateral/collateral_store.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/lab/data_directory.h"
#include "vouchsafe/lab/lab_collateral.h"

namespace vouchsafe::app {

namespace {

using namespace attest;
using Outcome = KeptPiece::Outcome;

struct CollateralCommand {
    std::string dir;
    std::string file;
    bool force = false;
    std::string kds_url = kAmdKds;
    std::string pcs_url = kIntelPcs;
    std::string root_crl_url;
    std::string only;
    bool vlek = false;
    std::vector<std::string> fmspcs;
    std::vector<std::string> quotes;
};

// Folder is a data directory and its pack.
struct Folder {
    lab::DataDirectory directory;
    CollateralPack pack;
    evidence::TrustAnchors anchors;
    Time now;
};

Folder folder_of(const Context& context, lab::DataDirectory directory) {
    CollateralPack pack = lab::collateral_pack_of(directory.path());
    evidence::TrustAnchors anchors = directory.anchors();
    return {std::move(directory), std::move(pack), std::move(anchors), context.clock.now()};
}

Result<Folder> open_folder(const Context& context, const CollateralCommand& command) {
    return folder_of(context,
                     TRY(lab::DataDirectory::open(std::filesystem::absolute(command.dir))));
}

// open_or_make_folder: what will serve for the first time may be filled before.
Result<Folder> open_or_make_folder(const Context& context, const CollateralCommand& command) {
    Path path = std::filesystem::absolute(command.dir);
    auto opened = lab::DataDirectory::open(path);
    if (opened || opened.error().code != Code::not_found) {
        return folder_of(context, TRY(std::move(opened)));
    }
    auto made =
        TRY(lab::DataDirectory::create(path, lab::DirectoryKind::production, context.clock.now()));
    write_err(fmt::format("made the production directory {}: it believes the vendors' roots only\n",
                          path.string()));
    return folder_of(context, std::move(made));
}

std::string_view outcome_name(Outcome outcome) {
    switch (outcome) {
        case Outcome::written:
            return "written";
        case Outcome::same:
            return "same";
        case Outcome::left:
            break;
    }
    return "left";
}

std::string validity_words(const VerifiedPiece& piece, Time now, bool color) {
    bool holds = piece.in_force(now);
    return fmt::format("{} {}",
                       holds ? styled("in force until", Style::good, color)
                             : styled("ran out on", Style::bad, color),
                       format_rfc3339(piece.valid_to()));
}

Json kept_json(const KeptPiece& kept, Time now) {
    Json out = describe_piece(kept.piece, now);
    out["outcome"] = outcome_name(kept.outcome);
    if (kept.older) out["check"] = check_to_json(*kept.older);
    return out;
}

std::string kept_line(const KeptPiece& kept, Time now, bool color) {
    std::string out = fmt::format("{:<8} {:<28} {}\n", outcome_name(kept.outcome),
                                  kept.piece.name().text(), validity_words(kept.piece, now, color));
    if (kept.older)
        out += fmt::format("         what is there is newer: {}\n", kept.older->expected);
    return out;
}

Result<int> run_show(const Context& context, const CollateralCommand& command) {
    Folder folder = TRY(open_folder(context, command));
    VerifiedCollateral held = folder.pack.load_verified(folder.anchors, folder.now);
    std::ranges::sort(held.pieces, {}, &VerifiedPiece::name);
    bool good = held.problems.empty();
    Json json{{"pieces", Json::array()}, {"problems", Json::array()}};
    std::string text;
    for (const VerifiedPiece& piece : held.pieces) {
        good &= piece.in_force(folder.now);
        json["pieces"].push_back(describe_piece(piece, folder.now));
        const auto& [name, bytes, chain, source, fetched] = piece.piece();
        text += fmt::format("{:<28} {}\n", name.text(),
                            validity_words(piece, folder.now, context.color_out));
        text += fmt::format(
            "    issued {}{}\n", format_rfc3339(piece.issued()),
            piece.evaluation() == 0 ? "" : fmt::format(", evaluation {}", piece.evaluation()));
        text +=
            fmt::format("    got {} from {}\n", fetched ? format_rfc3339(*fetched) : "some time",
                        source.empty() ? "somewhere" : printable(source));
    }
    for (const CollateralProblem& problem : held.problems) {
        json["problems"].push_back({{"name", problem.name}, {"why", problem.why}});
        text +=
            fmt::format("{:<28} {}\n    {}\n", problem.name,
                        styled("of no use", Style::bad, context.color_out), printable(problem.why));
    }
    if (text.empty()) text = "no collateral is there; fetch or import some\n";
    write_out(context.json ? dump_json(json) + "\n" : text);
    return good ? 0 : 1;
}

Result<int> run_export(const Context& context, const CollateralCommand& command) {
    Folder folder = TRY(open_folder(context, command));
    VerifiedCollateral held = folder.pack.load_verified(folder.anchors, folder.now);
    if (held.pieces.empty()) {
        return fail(Code::not_found, "{} has nothing to export", folder.pack.folder().string());
    }
    std::vector<CollateralPiece> pieces;
    for (const VerifiedPiece& piece : held.pieces) pieces.push_back(piece.piece());
    std::ranges::sort(pieces, {}, &CollateralPiece::name);
    TRY(write_file(command.file, as_bytes(encode_pack_file(pieces, folder.now)),
                   command.force ? Overwrite::yes : Overwrite::no));
    for (const CollateralProblem& problem : held.problems) {
        write_err(fmt::format("left out {}: {}\n", problem.name, printable(problem.why)));
    }
    write_out(context.json ? dump_json({{"file", command.file}, {"pieces", pieces.size()}}) + "\n"
                           : fmt::format("{} pieces in {}\n", pieces.size(), command.file));
    return 0;
}

Result<int> run_import(const Context& context, const CollateralCommand& command) {
    Bytes text = TRY(read_evidence(command.file, kMaxPackFile));
    Folder folder = TRY(open_or_make_folder(context, command));
    Checks checks;
    auto kept = TRY(import_pack_file(folder.pack, as_text(text), folder.anchors,
                                     command.force ? Replace::anything : Replace::older, folder.now,
                                     checks));
    Json json{{"pieces", Json::array()}};
    std::string lines;
    for (const KeptPiece& one : kept) {
        json["pieces"].push_back(kept_json(one, folder.now));
        lines += kept_line(one, folder.now, context.color_out);
    }
    if (context.verbose) lines += describe_checks(checks.list(), "  ", context.color_out);
    write_out(context.json ? dump_json(json) + "\n" : lines);
    return 0;
}

Result<Fmspc> parse_fmspc(const std::string& text) {
    auto bytes = decode_hex(text);
    Fmspc out{};
    if (!bytes || bytes->size() != out.size()) {
        return fail(Code::invalid, "--fmspc takes 12 hex digits, for example 90c06f000000");
    }
    std::ranges::copy(*bytes, out.begin());
    return out;
}

// names_to_fetch: the root's list comes first, because the others' signers are looked up in it.
Result<std::vector<CollateralName>> names_to_fetch(const Folder& folder,
                                                   const CollateralCommand& command) {
    std::vector<CollateralName> out;
    std::set<CollateralName> documents;
    for (const std::string& text : command.fmspcs) {
        documents.insert(CollateralName::tcb_info(TRY(parse_fmspc(text))));
    }
    for (const std::string& file : command.quotes) {
        Checks checks;
        Bytes quote = TRY(read_evidence(file));
        if (auto enclave = sgx_platform_of(quote, folder.anchors, checks)) {
            documents.insert(CollateralName::tcb_info(enclave->fmspc, evidence::IntelTee::sgx));
            continue;
        }
        documents.insert(CollateralName::tcb_info(
            TRY(with_context(tdx_platform_of(quote, folder.anchors, checks), file)).fmspc));
    }
    for (const CollateralPiece& piece : folder.pack.load().pieces) {
        if (piece.name.kind == CollateralName::Kind::tcb_info) documents.insert(piece.name);
    }
    if (command.only != "amd" && folder.anchors.intel) {
        out = {CollateralName::root_crl(), CollateralName::pck_crl(PckCa::platform),
               CollateralName::pck_crl(PckCa::processor), CollateralName::qe_identity()};
        if (std::ranges::any_of(documents, [](const CollateralName& name) {
                return name.tee == evidence::IntelTee::sgx;
            })) {
            out.push_back(CollateralName::qe_identity(evidence::IntelTee::sgx));
        }
        out.insert(out.end(), documents.begin(), documents.end());
    }
    if (command.only == "intel") return out;
    for (const evidence::AmdRoot& root : folder.anchors.amd) {
        out.push_back(CollateralName::amd_vcek_crl(root.product));
        if (command.vlek) out.push_back(CollateralName::amd_vlek_crl(root.product));
    }
    return out;
}

// Fetching fetches pieces one after the other and tells of each.
class Fetching {
  public:
    Fetching(const Context& context, const Folder& folder, CollateralConfig config, FetchUrl fetch)
        : context_(context),
          folder_(folder),
          config_(std::move(config)),
          fetch_(std::move(fetch)),
          held_(folder.pack.load_verified(folder.anchors, folder.now)) {
        if (held_.root_crl() != nullptr) root_crl_ = *held_.root_crl();
    }

    void fetch(const CollateralName& name) {
        auto url = net::Url::parse(url_of(name, config_));
        const std::string origin = url ? url->origin() : "";
        if (down_.contains(origin)) {
            return tell(name, Error{Code::unavailable, origin + " was not asked again", {}}, {});
        }
        FetchOutcome outcome = fetch_piece(name, config_, fetch_, terms(), checks_);
        if (!outcome.piece) {
            if (outcome.whole_service) down_.insert(origin);
            return tell(name, outcome.piece.error(), outcome.wait);
        }
        auto kept = folder_.pack.keep({&*outcome.piece, 1}, terms(), Replace::older);
        if (!kept) return tell(name, kept.error(), {});
        if (name == CollateralName::root_crl() && !kept->front().older) {
            root_crl_ = outcome.piece->crl();
        }
        json_["pieces"].push_back(kept_json(kept->front(), folder_.now));
        if (!context_.json) {
            write_out(kept_line(kept->front(), folder_.now, context_.color_out));
        }
    }

    // finish returns the exit code: that of the first failure.
    int finish() {
        if (context_.json) write_out(dump_json(json_) + "\n");
        if (context_.verbose) {
            write_err(describe_checks(checks_.list(), "  ", context_.color_err));
        }
        return failed_ ? code_info(*failed_).exit_code : 0;
    }

  private:
    PieceTerms terms() const {
        return {folder_.anchors, root_crl_ ? &*root_crl_ : nullptr, folder_.now};
    }

    void tell(const CollateralName& name, const Error& error, std::optional<Seconds> wait) {
        if (!failed_) failed_ = error.code;
        Json failure{{"name", name.text()}, {"error", error_to_json(error)}};
        if (wait) failure["retry_after"] = wait->count();
        json_["failed"].push_back(failure);
        if (context_.json) return;
        std::string line =
            fmt::format("{:<8} {:<28} {}\n", "failed", name.text(), printable(error.message));
        if (wait) line += fmt::format("         to be asked again in {} s\n", wait->count());
        const Check* reason = error.reason();
        if (reason != nullptr) line += describe_refusal(*reason, "         ", context_.color_err);
        write_err(line);
    }

    const Context& context_;
    const Folder& folder_;
    const CollateralConfig config_;
    const FetchUrl fetch_;
    VerifiedCollateral held_;
    std::optional<crypto::Crl> root_crl_;
    std::set<std::string> down_;
    std::optional<Code> failed_;
    Checks checks_;
    Json json_{{"pieces", Json::array()}, {"failed", Json::array()}};
};

Result<int> run_fetch(const Context& context, const CollateralCommand& command) {
    CollateralConfig config;
    config.kds_url = command.kds_url;
    config.pcs_url = command.pcs_url;
    config.root_crl_url = command.root_crl_url;
    TRY(check_urls(config));
    Folder folder = TRY(open_or_make_folder(context, command));
    if (folder.directory.kind() == lab::DirectoryKind::lab && command.kds_url == kAmdKds) {
        return fail(Code::invalid,
                    "a lab believes its own root and has its list; name a service that has it with "
                    "--kds-url");
    }
    auto names = TRY(names_to_fetch(folder, command));
    Fetching fetching(context, folder, config, fetch_over(TRY(context.site()).client, config));
    for (const CollateralName& name : names) fetching.fetch(name);
    return fetching.finish();
}

constexpr const char* kCollateralExamples = R"(Examples:
  vouchsafe collateral fetch --dir /var/lib/vouchsafe --quote quote.bin
  vouchsafe collateral fetch --dir /var/lib/vouchsafe --pcs-url https://pccs.example:8081 --only intel
  vouchsafe collateral show --dir /var/lib/vouchsafe
  vouchsafe collateral export --dir /var/lib/vouchsafe --out pack.json    # here with a network,
  vouchsafe collateral import --dir /var/lib/vouchsafe pack.json          # there without
Every piece is verified under the directory's roots before it is kept. A running service notices what
these commands change.)";

using Action = Result<int> (*)(const Context&, const CollateralCommand&);

Command add_command(Command group, Context& context, const char* name, const char* text,
                    const std::shared_ptr<CollateralCommand>& command, Action action) {
    Command made = group.add(name, text);
    made.option("--dir", command->dir, "data directory; the collateral is in DIR/collateral", "DIR")
        .required();
    made.run([&context, command, action] { return action(context, *command); });
    return made;
}

}  // namespace

void add_collateral(Command app, Context& context) {
    Command group = app.add("collateral", "revocation lists and Intel's TCB collateral");
    group.examples(kCollateralExamples);
    auto command = std::make_shared<CollateralCommand>();
    Command fetch = add_command(group, context, "fetch", "get it from the vendors or a cache",
                                command, run_fetch);
    fetch.examples(kCollateralExamples);
    fetch.option("--kds-url", command->kds_url, "AMD's KDS, or what speaks like it", "URL");
    fetch.option("--pcs-url", command->pcs_url, "Intel's PCS, or a PCCS", "URL");
    fetch.option("--root-crl-url", command->root_crl_url,
                 "the list of Intel's root (default: Intel's own, or the PCCS's)", "URL");
    fetch.option("--only", command->only, "one vendor's", "").one_of({"amd", "intel"});
    fetch.flag("--vlek", command->vlek, "AMD's lists for VLEKs too");
    fetch.option("--fmspc", command->fmspcs,
                 "TCB info of this Intel platform, beside those that are there (repeat)", "HEX");
    fetch.option("--quote", command->quotes, "and of the platform of this TD or SGX quote (repeat)",
                 "FILE");
    Command show = add_command(group, context, "show",
                               "what is there; exit code 1 if something ran out or is of no use",
                               command, run_show);
    show.examples(kCollateralExamples);
    Command exported = add_command(group, context, "export", "write a pack for another machine",
                                   command, run_export);
    exported.examples(kCollateralExamples);
    exported.option("--out", command->file, "the pack", "FILE").required();
    exported.flag("--force", command->force, "replace the file");
    Command imported = add_command(group, context, "import",
                                   "take a pack in, if all of it verifies", command, run_import);
    imported.examples(kCollateralExamples);
    imported.argument("PACK", command->file, "file written by export, or - for stdin");
    imported.flag("--force", command->force, "replace newer pieces by older ones too");
}

}  // namespace vouchsafe::app
