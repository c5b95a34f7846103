// Every check of the log is needed: see base/removal_table.h.
#include "vouchsafe/audit/export.h"
#include "vouchsafe/audit/log_proof.h"
#include "vouchsafe/audit/test_tree.h"
#include "vouchsafe/base/removal_table.h"

namespace vouchsafe::audit {
namespace {

using namespace vouchsafe::testing;

Entry entry(std::string request_id) {
    Entry out;
    out.actor = "actor";
    out.action = "keys/read";
    out.resource = "https://v.vault.azure.net/keys/k";
    out.request_id = std::move(request_id);
    return out;
}

// judge_log verifies a log of two entries against a kept head.
std::string judge_log(const TreeHead& kept, const std::function<void(store::Store&)>& change) {
    TemporaryDir dir = MUST(TemporaryDir::create("audit-test"));
    auto store = MUST(store::open_sqlite(dir.path() / "audit.db"));
    Log log(*store);
    for (const char* id : {"one", "two"}) MUST(log.append(entry(id)));
    change(*store);
    Checks checks;
    return outcome(log.verify(kept, checks));
}

std::string judge_changed_entry() {
    return judge_log({}, [](store::Store& store) {
        MUST(store.run([](store::Transaction& tx) {
            return tx.put("audit_entry", "0000000000000001", entry("2").encode());
        }));
    });
}

std::string judge_head_of_another_log() {
    return judge_log({2, {}}, [](store::Store&) {});
}

std::string judge_changed_tree() {
    return judge_log({}, [](store::Store& store) { change_node(store, 1, 0); });
}

struct Signed {
    crypto::Ed25519Key key = crypto::Ed25519Key::generate();
    CheckpointKey known{"log", key.public_key()};
    TreeHead head{1, leaf_hash(as_bytes("entry"))};
    std::string note = sign_checkpoint("log", head, key);
};

std::string judge_malformed_checkpoint() {
    Checks checks;
    return outcome(verify_checkpoint("no note", Signed().known, checks));
}

std::string judge_checkpoint_of_another_key() {
    Checks checks;
    return outcome(verify_checkpoint(Signed().note, Signed().known, checks));
}

std::string judge_proof_of_another_entry() {
    const Signed made;
    Checks checks;
    return outcome(verify_entry_proof({0, {}, made.note}, as_bytes("other"), made.known, checks));
}

std::string judge_no_export() {
    Checks checks;
    return outcome(verify_export(
        []() -> Result<std::optional<std::string>> { return std::nullopt; }, {}, checks));
}

TEST(AuditCheckRemoval, EveryCheckDecidesACase) {
    const RemovalTable table = {
        {"AUDIT-TREE", {judge_changed_tree}},
        {"AUDIT-ENTRY", {judge_changed_entry, "AUDIT-TREE"}},
        {"AUDIT-HEAD", {judge_head_of_another_log}},
        {"AUDIT-EXPORT", {judge_no_export, kStillRefused}},
        {"AUDIT-CHECKPOINT-FORM", {judge_malformed_checkpoint, kStillRefused}},
        {"AUDIT-CHECKPOINT-SIGNATURE", {judge_checkpoint_of_another_key}},
        {"AUDIT-PROOF", {judge_proof_of_another_entry}},
    };
    expect_every_check_decides("audit", table);
}

}  // namespace
}  // namespace vouchsafe::audit
