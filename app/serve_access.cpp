#include "app/serve_access.h"

#include "vouchsafe/access/client_certificates.h"
#include "vouchsafe/access/trusted_issuers.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::app {

namespace {

constexpr std::string_view kTenantPlace = "{tenant}";
// A key set is some kilobytes; whoever needs longer than this for it is as good as gone.
constexpr std::chrono::milliseconds kKeyConnectTimeout{3'000};
constexpr std::chrono::milliseconds kKeyTimeout{8'000};

// IssuerFile is what a file says of an issuer, for all of its tenants.
struct IssuerFile {
    access::TrustedIssuer issuer;
    std::vector<std::string> tenants;
    std::string principals = "own";
    std::string ca;
};

net::ClientOptions for_keys(net::ClientOptions options) {
    options.connect_timeout = kKeyConnectTimeout;
    options.timeout = kKeyTimeout;
    return options;
}

std::string of_tenant(std::string url, const std::string& tenant) {
    const size_t at = url.find(kTenantPlace);
    return at == std::string::npos ? url : url.replace(at, kTenantPlace.size(), tenant);
}

// read_issuer_file reads a file as if it were the options of a command.
Result<IssuerFile> read_issuer_file(const std::string& file) {
    IssuerFile out;
    CommandLine line("issuer", "a trusted issuer", "", "");
    Command root = line.root();
    root.option("--issuer", out.issuer.issuer, "iss of its tokens", "URL").required();
    root.option("--tenant", out.tenants, "where its tokens count", "GUID").required();
    root.option("--audience", out.issuer.audiences, "aud of its tokens", "NAME");
    root.option("--jwks", out.issuer.jwks_uri, "its keys", "URL");
    root.option("--ca", out.ca, "who issues its TLS certificate", "FILE");
    root.option("--principals", out.principals, "for whom it speaks", "").one_of({"own", "tenant"});
    root.option("--principal-claim", out.issuer.principal_claim, "who calls", "NAME");
    root.option("--groups-claim", out.issuer.groups_claim, "groups of who calls", "NAME");
    root.option("--tenant-claim", out.issuer.tenant_claim, "must name the tenant", "NAME");
    root.option("--login", out.issuer.login, "where clients log in", "URL");
    TRY(line.parse_words(TRY(settings_words(file))));
    return out;
}

// add_issuers adds the issuer of a file once for each of its tenants.
Result<void> add_issuers(const Context& context, const std::string& file,
                         std::vector<access::TrustedIssuer>& out) {
    IssuerFile read = TRY(read_issuer_file(file));
    net::ClientOptions client = for_keys(TRY(context.site()).client);
    if (!read.ca.empty()) {
        client.ca_pem = TRY(as_named(read_text_file(read.ca)));
        TRY(with_context(crypto::Certificate::parse_pem_bundle(client.ca_pem), read.ca));
        read.issuer.trust = encode_hex(crypto::sha256(as_bytes(client.ca_pem)));
    }
    read.issuer.fetch = access::fetch_over(std::move(client));
    if (read.principals == "tenant") read.issuer.principals = access::Principals::tenant;
    for (const std::string& tenant : read.tenants) {
        access::TrustedIssuer one = read.issuer;
        one.tenant = tenant;
        one.issuer = of_tenant(one.issuer, tenant);
        one.jwks_uri = of_tenant(one.jwks_uri, tenant);
        out.push_back(std::move(one));
    }
    return {};
}

}  // namespace

void add_access_settings(Command command, AccessSettings& settings, const char* service_rate) {
    Command group = command.group("Callers and limits");
    group.option("--trusted-issuer", settings.trusted_issuers,
                 "an issuer whose access tokens count besides those of --login: a settings file "
                 "with issuer, tenant and more, see docs/run/operate.md (repeat)",
                 "FILE");
    group.option("--operator-certificate", settings.operator_certificates,
                 "a client certificate that stands for a principal where a request has no token: "
                 "OBJECT-ID=dns:NAME, =uri:NAME, =email:NAME or =subject:NAME (repeat); needs "
                 "--client-ca",
                 "ID=NAME");
    group.option("--address-rate", settings.rates.address,
                 "requests a second that one address may send without a token that holds; 0: no "
                 "limit. Of each rate, ten times as many may come at once",
                 "N");
    group.option("--principal-rate", settings.rates.principal,
                 "requests a second that one caller may send", "N");
    group.option(service_rate, settings.rates.service,
                 "requests a second that one vault or provider answers", "N");
}

Result<access::Vouching> make_vouching(const Context& context, const AccessSettings& settings) {
    access::Vouching out;
    if (!settings.trusted_issuers.empty()) {
        std::vector<access::TrustedIssuer> issuers;
        for (const std::string& file : settings.trusted_issuers) {
            TRY(with_context(add_issuers(context, file, issuers), file));
        }
        out.issuers = TRY(access::TrustedIssuers::create(std::move(issuers)));
    }
    if (!settings.operator_certificates.empty()) {
        out.certificates = TRY(access::ClientCertificates::parse(settings.operator_certificates));
    }
    return out;
}

Watched watch_issuers(const Context& context, const AccessSettings& settings,
                      std::function<void(access::Vouching)> use) {
    return {settings.trusted_issuers, [&context, &settings, use = std::move(use)] {
                auto vouching = make_vouching(context, settings);
                if (!vouching) {
                    log_event(LogLevel::error,
                              "what is new of trusted issuers is no good; all of "
                              "the old stays",
                              {{"problem", vouching.error().message}});
                    return;
                }
                use(std::move(*vouching));
                log_event(LogLevel::info, "callers are judged by the trusted issuers read now",
                          {{"files", settings.trusted_issuers.size()}});
            }};
}

Result<access::FetchJson> fetch_keys(const Context& context) {
    return access::fetch_over(for_keys(TRY(context.site()).client));
}

}  // namespace vouchsafe::app
