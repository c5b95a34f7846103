// Every check of the log is needed: see base/removal_table.h.
#include "vouchsafe/audit/log.h"
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

TEST(AuditCheckRemoval, EveryCheckDecidesACase) {
    expect_every_check_decides("audit", {{"AUDIT-TREE", {judge_changed_entry}},
                                         {"AUDIT-HEAD", {judge_head_of_another_log}}});
}

}  // namespace
}  // namespace vouchsafe::audit
