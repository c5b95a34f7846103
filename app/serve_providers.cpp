#include "app/serve_providers.h"

#include <algorithm>

#include "vouchsafe/attest/providers.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/lab/services.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::app {

namespace {

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
    std::string host = TRY(net::Url::parse(issuer)).host;
    return directory.resource_id(lab::kAttestationProviders, attest::host_name(host));
}

Result<std::vector<attest::Config>> provider_configs(const ProvidersAsked& asked,
                                                     const lab::DataDirectory& directory,
                                                     const attest::Config& shared) {
    std::vector<attest::Config> out;
    bool by_options = !asked.issuer.empty() || asked.files.empty();
    if (by_options) {
        std::string issuer =
            asked.issuer.empty() ? std::string(lab::kAttestationUrl) : asked.issuer;
        std::string scope = directory.resource_id(lab::kAttestationProviders, "attestation");
        out.push_back(TRY(provider_config(shared, issuer, asked.settings, std::move(scope))));
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
