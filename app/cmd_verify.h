// The parts of `verify`, one for each kind of evidence.
#pragma once

#include "app/verdict.h"

namespace vouchsafe::app {

void add_verify_tpm(Command verify, Context& context);  // tpm-quote, event-log, ak-cert
void add_verify_snp(Command verify, Context& context);  // snp, hcl
void add_verify_tdx(Command verify, Context& context);

}  // namespace vouchsafe::app
