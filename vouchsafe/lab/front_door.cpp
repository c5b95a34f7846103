#include "vouchsafe/lab/front_door.h"

#include <set>

#include "vouchsafe/base/json.h"
#include "vouchsafe/lab/running_lab.h"
#include "vouchsafe/lab/vm_inside.h"
#include "vouchsafe/net/router.h"

namespace vouchsafe::lab {

namespace {

constexpr std::string_view kAttestationPattern = "*.*.attest.azure.net";  // {name}.{region}
constexpr std::string_view kMetadataAddress = "169.254.169.254";

// lab_hosts says which handler answers for which host name. It is the one place where a service
// comes behind the door.
Result<net::HostTable> lab_hosts(Services& services, identity::Metadata& no_machine) {
    net::HostTable hosts;
    for (std::string_view name : kLoginHosts) {
        hosts.add(std::string(name), {services.identity().handler()});
    }
    hosts.add(std::string(kGraphHost), {services.identity().graph_handler()});
    hosts.add(std::string(kManagementHost),
              {services.cloud().handler(), services.cloud().max_body()});
    hosts.add(fmt::format("*.{}", kVaultSuffix),
              {services.vault().handler(), vault::kMaxRequestBody});
    hosts.add(TRY(net::Url::parse(kAttestationUrl)).host, {services.attestation().handler()});
    hosts.add(std::string(kAttestationPattern), {services.providers().handler()});
    // Who comes through the door is no machine of the lab's: those have metadata services of their
    // own.
    hosts.add_plain(std::string(kMetadataAddress), {no_machine.handler()});
    return hosts;
}

// door_pages are the door's own pages, at http://localhost:PORT.
// A browser is not told of the proxy, so it finds the sign-in pages here.
net::Handler door_pages(const DataDirectory& directory, Services& services,
                        const std::vector<std::string>& hosts) {
    auto router = std::make_shared<net::Router>();
    Json about{{"service", "vouchsafe lab"}, {"tenant", directory.tenant_id()}, {"hosts", hosts}};
    router->add("GET", "/",
                [about](const net::Request&) { return net::json_response(200, about); });
    const net::Handler sign_in = services.identity().handler();
    for (const char* method : {"GET", "POST"}) {
        router->add(method, "/aad/device", sign_in);
        router->add(method, "/aad/{tenant}/oauth2/v2.0/authorize", sign_in);
    }
    return [router](const net::Request& request) { return router->handle(request); };
}

// system_authorities is the system's bundle, where Debian, Fedora and Alpine keep it; "" without
// one.
std::string system_authorities() {
    for (const char* file : {"/etc/ssl/certs/ca-certificates.crt",
                             "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"}) {
        if (auto text = read_text_file(file)) return std::move(*text);
    }
    return "";
}

}  // namespace

Result<std::unique_ptr<LabDoor>> LabDoor::start(const DataDirectory& directory, Services& services,
                                                const Clock& clock, LabDoorOptions options) {
    std::unique_ptr<LabDoor> out(new LabDoor());
    out->services_ = &services;
    out->ca_pem_ = directory.root().tls_ca_pem();
    out->no_machine_ = std::make_unique<identity::Metadata>(services.identity(), std::nullopt);
    net::FrontDoorOptions door;
    door.port = options.port;
    door.hosts = TRY(lab_hosts(services, *out->no_machine_));
    door.pages = door_pages(directory, services, door.hosts.names());
    door.mint = [&directory, &clock](const std::string& name) {
        return directory.root().issue_tls({name}, clock.now());
    };
    door.pass_through = options.pass_through;
    door.on_event = std::move(options.on_event);
    out->door_ = TRY(net::FrontDoor::start(std::move(door)));
    services.identity().serve_pages_at(fmt::format("http://localhost:{}/aad", out->port()));
    return out;
}

namespace {

// hosts_of_machines are the names that a machine's programs find: those the door serves, and of its
// patterns the names that there are.
std::vector<std::string> hosts_of_machines(const net::FrontDoor& door, const Services& services) {
    std::set<std::string> out;
    for (const std::string& name : door.hosts()) {
        const bool plain = name.find("://") != std::string::npos;
        if (!plain && name.find('*') == std::string::npos) out.insert(name);
    }
    for (const auto& [name, address] : services.connect_to()) {
        out.insert(name.substr(0, name.rfind(':')));
    }
    return {out.begin(), out.end()};
}

}  // namespace

Result<void> LabDoor::run_machines(Vms::Tell tell) {
    runs_machines_ = true;
    auto names = [door = door_.get(), services = services_] {
        return hosts_of_machines(*door, *services);
    };
    return services_->run_machines(insides_behind({*door_, ca_pem_, std::move(names)}),
                                   std::move(tell));
}

LabDoor::~LabDoor() {
    if (runs_machines_) services_->vms().end();
}

std::vector<std::pair<std::string, std::string>> client_variables(const Path& lab, uint16_t port) {
    const LabFiles files(lab);
    const std::string proxy = fmt::format("http://127.0.0.1:{}", port);
    const std::string direct = "localhost,127.0.0.1,::1";  // never the metadata address
    const std::string authority = files.authority().string();
    return {{"HTTPS_PROXY", proxy},
            {"HTTP_PROXY", proxy},
            {"https_proxy", proxy},
            {"http_proxy", proxy},
            {"NO_PROXY", direct},
            {"no_proxy", direct},
            {"REQUESTS_CA_BUNDLE", authority},
            {"SSL_CERT_FILE", authority},
            {"CURL_CA_BUNDLE", authority},
            {"NODE_EXTRA_CA_CERTS", authority},
            {"AZURE_CONFIG_DIR", files.azure().string()},
            {"AZURE_CORE_COLLECT_TELEMETRY", "0"},
            {"AZURE_CORE_CHECK_FOR_UPGRADE", "no"},
            {"VOUCHSAFE_SITE", files.site().string()}};
}

Result<void> write_client_files(const DataDirectory& directory, bool pass_through) {
    const LabFiles files(directory.path());
    std::string authorities = directory.root().tls_ca_pem();
    if (pass_through) authorities += system_authorities();
    TRY(write_file(files.authority(), as_bytes(authorities), Overwrite::yes));
    std::string site = guest::Site::encode(files.authority(), {}, "", {});
    TRY(write_file(files.site(), as_bytes(site), Overwrite::yes));
    return make_private_dir(files.azure());
}

}  // namespace vouchsafe::lab
