// The routes by which reference values are read and changed, and the operator's way to the same
// without a service. Roles, signatures and the audit log are as for policies
// (policy/administrative_task.h).
#pragma once

#include "vouchsafe/attest/reference/reference_book.h"
#include "vouchsafe/attest/service.h"

namespace vouchsafe::attest {

// What the routes do; routes.cpp says under which path. docs/formats/reference-values.md has the
// answers.
net::Response list_references(Service::Impl& service, const net::Request& request);
net::Response get_reference(Service::Impl& service, const net::Request& request);
net::Response put_reference(Service::Impl& service, const net::Request& request);
net::Response delete_reference(Service::Impl& service, const net::Request& request);

// describe_reference is what answers say of a version: "name", "version", "digest", "set-by" ...
Json describe_reference(const StoredReference& stored, Time now);

// OperatorDesk is a service's store as its operator has it. Borrows.
struct OperatorDesk {
    store::Store& store;
    std::string issuer;  // the service's
    Time now;
};
// change_as_operator keeps a set or a removal and records it as done by "operator". If the store
// has policy signing certificates, one of them must have signed: ATTEST-POLICY-SIGNER. Otherwise as
// ReferenceBook::change.
Result<ReferenceChange> change_as_operator(const OperatorDesk& desk,
                                           const ReferenceDocument& document);
// remove_as_operator does the same with a removal of the next version, which nobody signs.
// Code::not_found. Returns that version.
Result<uint64_t> remove_as_operator(const OperatorDesk& desk, std::string_view name);

}  // namespace vouchsafe::attest
