// The commands of `audit` and what they share.
#pragma once

#include "app/context.h"
#include "app/service_store.h"

namespace vouchsafe::app {

// AuditPlace says whose log.
struct AuditPlace {
    std::string dir;
    std::string service = "vault";
    std::string store;
};

void add_audit_place(Command made, AuditPlace& place);

// audit_store finds the log's store; Code::not_found if there is no log yet.
Result<StorePlace> audit_store(const AuditPlace& place);
// open_audit_store opens it.
Result<std::unique_ptr<store::Store>> open_audit_store(const AuditPlace& place);

// add_audit_show adds show; add_audit_checkpoints adds checkpoint, export, prove and check-proof.
void add_audit_show(Command group, Context& context);
void add_audit_checkpoints(Command group, Context& context);

}  // namespace vouchsafe::app
