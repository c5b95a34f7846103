// Who besides the service's own login may say who calls a service, and how much it answers: as
// options of `serve vault` and `serve attestation`, and of their settings files.
#pragma once

#include <string>
#include <vector>

#include "app/context.h"
#include "app/serve_run.h"
#include "vouchsafe/access/caller.h"
#include "vouchsafe/net/rate_limits.h"

namespace vouchsafe::app {

// AccessSettings are the values as given.
struct AccessSettings {
    std::vector<std::string> trusted_issuers;        // settings files, one for each issuer
    std::vector<std::string> operator_certificates;  // "OBJECT-ID=NAME"
    net::RateSettings rates;
};

// add_access_settings: `service_rate` is the option for the limit of one vault or provider.
void add_access_settings(Command command, AccessSettings& settings, const char* service_rate);

// make_vouching reads the files. Code::invalid names the file, or the entry.
Result<access::Vouching> make_vouching(const Context& context, const AccessSettings& settings);

// watch_issuers reads the files of trusted issuers anew and hands the result to `use`. Borrows
// context and settings.
Watched watch_issuers(const Context& context, const AccessSettings& settings,
                      std::function<void(access::Vouching)> use);

// fetch_keys is how key sets are fetched: each origin by itself, and not for long.
Result<access::FetchJson> fetch_keys(const Context& context);

}  // namespace vouchsafe::app
