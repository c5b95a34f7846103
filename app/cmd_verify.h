// The parts of `verify`, one for each kind of evidence.
#pragma once

#include "app/verdict.h"

namespace vouchsafe::app {

void add_verify_ak(Command verify, Context& context);
void add_verify_appraisal(Command verify, Context& context);
void add_verify_log(Command verify, Context& context);  // event-log
void add_verify_quote(Command verify, Context& context);
void add_verify_receipt(Command verify, Context& context);
void add_verify_snp(Command verify, Context& context);
void add_verify_hcl(Command verify, Context& context);
void add_verify_tdx(Command verify, Context& context);
void add_verify_sgx(Command verify, Context& context);
void add_verify_statement(Command verify, Context& context);  // release, uvm
void add_verify_bundle(Command verify, Context& context);

}  // namespace vouchsafe::app
