// Exports: a log with its checkpoints in one file of lines, which is verified without the store it
// came from (docs/formats/checkpoint.md, Exports). An export has what the log has; it is no backup.
#pragma once

#include <functional>
#include <optional>

#include "vouchsafe/audit/backup.h"
#include "vouchsafe/audit/checkpoint.h"
#include "vouchsafe/audit/log.h"

namespace vouchsafe::audit {

struct ExportHead {
    std::string service;
    TreeHead log;
    std::optional<CheckpointKey> key;  // as the store names it
    uint64_t checkpoints = 0;
};

// write_export writes the log as it is at one moment, and verifies nothing: what is wrong with the
// log is to be seen in the export too.
Result<ExportHead> write_export(store::Store& store, std::string_view service, Time now,
                                const Sink& sink);

// Lines gives the next line without its newline; nullopt at the end.
using Lines = std::function<Result<std::optional<std::string>>()>;

struct ExportRules {
    // Who signs the log's checkpoints. nullopt: whom the export names, which shows no more than
    // that the export fits together.
    std::optional<CheckpointKey> key;
    std::vector<TreeHead> kept;  // of checkpoints that were kept elsewhere, and verified
};

struct VerifiedExport {
    ExportHead head;
    uint64_t covered = 0;  // entries that the newest checkpoint is about
};

// require_signed: where an auditor says who signs the log, something must be signed (AUDIT-HEAD),
// or a log that somebody wrote anew would pass by having no checkpoint. There is no key without
// one.
Result<void> require_signed(const std::optional<CheckpointKey>& key,
                            const std::vector<TreeHead>& heads, Checks& checks);

// verify_export checks the form (AUDIT-EXPORT), each checkpoint (AUDIT-CHECKPOINT-*), that each
// entry stands in its place and is the one of its leaf (AUDIT-ENTRY names the entry), and that the
// tree over them is that of the head, of all checkpoints and of `kept` (AUDIT-TREE, AUDIT-HEAD).
// With a key in the rules there must be a checkpoint; what comes behind `covered` is nobody's word.
Result<VerifiedExport> verify_export(const Lines& lines, const ExportRules& rules, Checks& checks);

}  // namespace vouchsafe::audit
