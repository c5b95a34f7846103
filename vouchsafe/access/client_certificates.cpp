#include "vouchsafe/access/client_certificates.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::access {

namespace {

constexpr std::string_view kNameKinds[] = {"dns:", "uri:", "email:", "subject:"};

std::vector<std::string> names_of(const crypto::Certificate& certificate) {
    std::vector<std::string> out = certificate.alternative_names();
    out.push_back("subject:" + certificate.subject());
    return out;
}

}  // namespace

Result<std::shared_ptr<const ClientCertificates>> ClientCertificates::parse(
    std::span<const std::string> entries) {
    std::map<std::string, std::string> by_name;
    for (const std::string& entry : entries) {
        const size_t equals = std::min(entry.find('='), entry.size());
        const std::string id = to_lower(entry.substr(0, equals));
        const std::string name = entry.substr(std::min(equals + 1, entry.size()));
        const bool known =
            std::any_of(std::begin(kNameKinds), std::end(kNameKinds), [&](std::string_view kind) {
                return name.starts_with(kind) && name.size() > kind.size();
            });
        if (!is_guid(id) || !known) {
            return fail(Code::invalid,
                        "'{}': write OBJECT-ID=NAME, where the id is a GUID and the name begins "
                        "with dns:, uri:, email: or subject:",
                        entry);
        }
        if (!by_name.emplace(name, id).second) {
            return fail(Code::invalid, "the certificate {} is named twice", name);
        }
    }
    return std::shared_ptr<const ClientCertificates>(new ClientCertificates(std::move(by_name)));
}

Result<std::optional<Caller>> ClientCertificates::verify(const net::Request& request, Time now,
                                                         Checks& checks) const {
    if (!request.client_certificate) return std::optional<Caller>{};
    if (request.headers.find("Origin") != nullptr) return std::optional<Caller>{};
    const crypto::Certificate& certificate = *request.client_certificate;
    Caller caller;
    bool several = false;
    for (const std::string& name : names_of(certificate)) {
        const auto found = by_name_.find(name);
        if (found == by_name_.end()) continue;
        several = several || (!caller.name.empty() && found->second != caller.object_id);
        caller.object_id = found->second;
        caller.name = name;
    }
    if (caller.name.empty()) return std::optional<Caller>{};
    TRY(checks.require(
        certificate.valid_at(now) && !several, "CALLER-CERTIFICATE", "certificate",
        "valid now, and for one principal",
        several ? "several principals"
                : fmt::format("valid from {} to {}", format_rfc3339(certificate.not_before()),
                              format_rfc3339(certificate.not_after()))));
    caller.vouched_by = "client certificate";
    return std::optional<Caller>(std::move(caller));
}

}  // namespace vouchsafe::access
