// The routes by which policies and their signers are read and changed (azure-api C.5). Every answer
// is a token of the service; every change is in the audit log, committed together with it.
#pragma once

#include "vouchsafe/attest/service.h"

namespace vouchsafe::attest {

// What the administrative routes do; routes.cpp says under which path. Reading needs the role
// "Attestation Reader" or more. Changing needs the role "Attestation Contributor" and, as
// Config::policy_changes says, the signature of a policy signing certificate as well: Azure's
// documents are signed without saying for which service, type or time, so that a signature alone
// would let anybody who has seen one bring it back.
net::Response get_policy(Service::Impl& service, const net::Request& request);
net::Response set_policy(Service::Impl& service, const net::Request& request);
net::Response reset_policy(Service::Impl& service, const net::Request& request);
net::Response get_signers(Service::Impl& service, const net::Request& request);
net::Response add_signer(Service::Impl& service, const net::Request& request);
net::Response remove_signer(Service::Impl& service, const net::Request& request);

}  // namespace vouchsafe::attest
