// The attestation providers of one process, as their operator names them: one by the options of
// `serve attestation`, or several by --provider FILE, a settings file each.
#pragma once

#include <string>
#include <vector>

#include "app/serve_settings.h"
#include "vouchsafe/lab/data_directory.h"
#include "vouchsafe/net/tls.h"
#include "vouchsafe/store/store.h"

namespace vouchsafe::app {

// ProvidersAsked is what the command line says.
struct ProvidersAsked {
    std::string issuer;  // "" if it is not given
    AttestSettings settings;
    std::vector<std::string> files;  // each has `issuer` and may have what is in AttestSettings
};

// provider_configs makes each provider's settings out of those that they share: issuer, where it
// stands for role assignments, and AttestSettings, which a file changes for its own provider.
// Without an issuer and files it is one, the tutorials'. Code::invalid names the file.
Result<std::vector<attest::Config>> provider_configs(const ProvidersAsked& asked,
                                                     const lab::DataDirectory& directory,
                                                     const attest::Config& shared);

// provider_scope is where the provider of an issuer named in a file stands for role assignments;
// for "" that of whose issuer is an option, as a lab's own.
// Code::invalid for the host name "attestation": that is the scope of whose issuer is an option.
Result<std::string> provider_scope(const lab::DataDirectory& directory, const std::string& issuer);

// The scope of a provider whose issuer is an option is the same for every issuer, and roles stay
// with their scope. So it is the first one's that was started under it, and a store says whose.
// check_scope_owner fails with Code::conflict, and says what to do, if it is another one's;
// own_scope does so too, and else makes it this one's. Providers with scopes by host name pass.
Result<void> check_scope_owner(store::Store& store, const lab::DataDirectory& directory,
                               const attest::Config& config);
Result<void> own_scope(store::Store& store, const lab::DataDirectory& directory,
                       const attest::Config& config);

// check_names fails with Code::invalid if a certificate lacks one of the host names: clients of
// that provider would not connect. A name "*.example.org" in it stands for one label.
Result<void> check_names(const crypto::Certificate& certificate,
                         const std::vector<std::string>& hosts);

}  // namespace vouchsafe::app
