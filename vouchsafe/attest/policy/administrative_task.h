// One administrative request on its way: who may change what an attestation service judges by, in
// one place for policies, their signers and reference values.
#pragma once

#include <functional>

#include "vouchsafe/attest/policy/signed_document.h"
#include "vouchsafe/attest/service_impl.h"

namespace vouchsafe::attest {

using Actions = std::span<const std::string_view>;
inline constexpr std::string_view kReads[] = {"attestation/read"};
inline constexpr std::string_view kWrites[] = {"attestation/write"};
inline constexpr std::string_view kDeletes[] = {"attestation/delete"};

struct AdministrativeTask {
    Service::Impl& service;
    const net::Request& request;
    audit::Entry entry;
    std::string_view form_check;  // the code for what cannot be read: "ATTEST-POLICY-FORM"
    Checks checks = {};
    std::optional<net::Throttled> throttled = {};  // over a limit: nothing is done

    // by_signers tells whether a change must be signed.
    bool by_signers() const;
    // authorize: the caller is known and has a role that allows one of the actions. It comes before
    // anything else, so that a stranger learns nothing about the document, and an old signed one is
    // no use to whoever may read it.
    Result<void> authorize(Actions actions);

    // readable turns a parser's refusal into `form_check`.
    template <typename T>
    Result<T> readable(Result<T> read, std::string field, std::string expected) {
        TRY(checks.require(read.has_value(), form_check, std::move(field), std::move(expected),
                           read ? "one" : read.error().message));
        return read;
    }

    // check_signature, where a signature is what allows a change: within its transaction.
    Result<void> check_signature(store::View& view, const SignedDocument& document);

    // is_strangers tells whether what failed counts for the caller's address: he showed a
    // credential, is not known by it, and it is not the service that failed.
    bool is_strangers(const Error& error) const;

    // commit makes a change and its audit entry in one transaction.
    Result<void> commit(const std::function<Result<void>(store::Transaction&)>& change);
};

// run_task does a task, and answers with a token of its claims.
net::Response run_task(Service::Impl& service, const net::Request& request, std::string action,
                       std::string_view form_check,
                       const std::function<Result<Json>(AdministrativeTask&)>& act);

}  // namespace vouchsafe::attest
