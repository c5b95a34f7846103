#include "app/serve_providers.h"

#include <algorithm>

#include "vouchsafe/access/assignments.h"
#include "vouchsafe/attest/providers.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/lab/services.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::app {

namespace {

constexpr std::string_view kScopeTable = "attest_scope";  // scope -> issuer
constexpr std::string_view kScopeOfOptions = "attestation";

std::string scope_of_options(const lab::DataDirectory& directory) {
    return directory.resource_id(lab::kAttestationProviders, kScopeOfOptions);
}

// has_owner tells whether this issuer owns the scope, or fails if another one does. A scope on
// which nobody has a role is anybody's.
Result<bool> has_owner(store::View& view, const attest::Config& config) {
    std::optional<Bytes> owner = TRY(view.get(kScopeTable, config.resource_id));
    if (!owner) return false;
    if (as_text(*owner) == config.issuer) return true;
    if (!TRY(access::has_roles_on(view, config.resource_id))) return false;
    return fail(
        Code::conflict,
        "the roles given on {} are for {}, and must not rule {}: go back to --issuer {}, or "
        "name the new issuer in a file for --provider, which gives it roles of its own",
        config.resource_id, as_text(*owner), config.issuer, as_text(*owner));
}

// read_provider_file reads a file as if it were the options of a command.
Result<ProvidersAsked> read_provider_file(const std::string& file, const AttestSettings& common) {
    ProvidersAsked out{"", common, {}};
    CommandLine line("provider", "an attestation provider", "", "");
    Command root = line.root();
    root.option("--issuer", out.issuer, "its name in tokens", "URL").required();
    add_attest_settings(root, out.settings);
    TRY(line.parse_words(TRY(settings_words(file))));
    return out;
}

Result<attest::Config> provider_config(attest::Config config, const std::string& issuer,
                                       const AttestSettings& settings, std::string scope) {
    config.issuer = issuer;
    config.resource_id = std::move(scope);
    TRY(apply(settings, config));
    return config;
}

bool covers(const std::string& name, const std::string& host) {
    std::string known = attest::host_name(name);
    if (!known.starts_with("*.")) return known == host;
    size_t dot = host.find('.');
    return dot != std::string::npos && dot > 0 && host.substr(dot) == known.substr(1);
}

}  // namespace

Result<std::string> provider_scope(const lab::DataDirectory& directory, const std::string& issuer) {
    if (issuer.empty()) return scope_of_options(directory);
    std::string host = TRY(net::Url::parse(issuer)).host;
    std::string name = attest::host_name(host);
    if (name == kScopeOfOptions) {
        return fail(Code::invalid, "the host name {} cannot be told from the provider of --issuer",
                    name);
    }
    return directory.resource_id(lab::kAttestationProviders, name);
}

Result<void> check_scope_owner(store::Store& store, const lab::DataDirectory& directory,
                               const attest::Config& config) {
    if (config.resource_id != scope_of_options(directory)) return {};
    return store.read([&](store::View& view) -> Result<void> {
        TRY(has_owner(view, config));
        return {};
    });
}

Result<void> own_scope(store::Store& store, const lab::DataDirectory& directory,
                       const attest::Config& config) {
    if (config.resource_id != scope_of_options(directory)) return {};
    return store.run([&](store::Transaction& tx) -> Result<void> {
        if (TRY(has_owner(tx, config))) return {};
        return tx.put(kScopeTable, config.resource_id, as_bytes(config.issuer));
    });
}

Result<std::vector<attest::Config>> provider_configs(const ProvidersAsked& asked,
                                                     const lab::DataDirectory& directory,
                                                     const attest::Config& shared) {
    std::vector<attest::Config> out;
    bool by_options = !asked.issuer.empty() || asked.files.empty();
    if (by_options) {
        std::string issuer =
            asked.issuer.empty() ? std::string(lab::kAttestationUrl) : asked.issuer;
        out.push_back(
            TRY(provider_config(shared, issuer, asked.settings, scope_of_options(directory))));
    }
    for (const std::string& file : asked.files) {
        auto read = TRY(with_context(read_provider_file(file, asked.settings), file));
        std::string scope = TRY(with_context(provider_scope(directory, read.issuer), file));
        auto config = provider_config(shared, read.issuer, read.settings, std::move(scope));
        out.push_back(TRY(with_context(std::move(config), file)));
    }
    return out;
}

Result<void> check_names(const crypto::Certificate& certificate,
                         const std::vector<std::string>& hosts) {
    std::vector<std::string> names = certificate.dns_names();
    for (const std::string& host : hosts) {
        bool covered =
            std::ranges::any_of(names, [&](const std::string& name) { return covers(name, host); });
        if (covered) continue;
        return fail(Code::invalid, "the certificate of --tls-cert does not name {}, but {}", host,
                    names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", ")));
    }
    return {};
}

}  // namespace vouchsafe::app
