// The contents of Intel's TCB info and QE identity (PCS, API version 4), for collateral.cpp,
// which verifies them first.
#pragma once

#include "vouchsafe/evidence/tdx/collateral.h"

namespace vouchsafe::evidence {

// Both take the signed bytes and fail with Code::invalid for a document of another kind (SGX has
// some of the same form) or version, for one without a level, and for a member that is missing,
// malformed or out of range. Members that are not known are ignored: Intel adds some. TCB info of
// SGX has no TDX module and no TDX components: they stay zero.
Result<TcbInfo> parse_tcb_info(std::string_view json, IntelTee tee);
Result<QeIdentity> parse_qe_identity(std::string_view json, IntelTee tee);

}  // namespace vouchsafe::evidence
