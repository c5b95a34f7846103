// The pages on which a user signs in (RFC 6749, 4.1.1; RFC 8628, 3.3), and what clients ask before
// (azure-api D.4, real-clients 3.1).
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/identity/pages.h"
#include "vouchsafe/identity/user_grants.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::identity {

namespace {

// Only to the machine that the browser runs on (RFC 8252, 7.3): nobody else can have the code.
bool is_loopback(std::string_view uri) {
    const auto url = net::Url::parse(uri);
    return url && url->scheme == "http" &&
           (url->host == "localhost" || url->host == "127.0.0.1" || url->host == "[::1]");
}

// Asked is a good request for a code.
struct Asked {
    AuthorizationCode code;
    std::string state;
};

// parameters_of gives those of the query, and of a form that was sent the ones it has more.
Step<Form> parameters_of(const net::Request& request, const Config& config) {
    Form out;
    for (const auto& [name, value] : request.query) {
        if (!out.emplace(name, value).second) {
            return stop(400, "invalid_request", 900561, "a parameter is given twice.");
        }
    }
    if (request.body.size() > config.max_body) {
        return stop(400, "invalid_request", 90015, "The request is too long.");
    }
    Result<Form> form = parse_form(request.body);
    if (!form) return stop(400, "invalid_request", 900561, form.error().message + ".");
    out.merge(*form);
    return out;
}

std::string back_to(const std::string& uri, const Form& parameters) {
    std::string out = uri;
    char separator = uri.find('?') == std::string::npos ? '?' : '&';
    for (const auto& [name, value] : parameters) {
        if (value.empty()) continue;
        out += separator + name + "=" + encode_percent(value);
        separator = '&';
    }
    return out;
}

net::Response redirect(const std::string& where) {
    net::Response response = text_page(303, "Go on in your application.");
    response.headers.set("Location", where);
    return response;
}

// read_request is what may be asked at all; until it holds nothing is sent back to redirect_uri.
Step<Asked> read_request(const Service::Impl& impl, const Form& form) {
    Step<std::string> client = public_client(impl.config, form);
    if (!client) return tl::unexpected(client.error());
    Step<std::string> redirect_uri = require_parameter(form, "redirect_uri");
    if (!redirect_uri) return tl::unexpected(redirect_uri.error());
    if (!is_loopback(*redirect_uri)) {
        return stop(400, "invalid_request", 50011,
                    "The redirect_uri must be http://localhost, on any port.");
    }
    const std::string* state = find_parameter(form, "state");
    const std::string* nonce = find_parameter(form, "nonce");
    Asked out;
    out.code.client_id = std::move(*client);
    out.code.redirect_uri = std::move(*redirect_uri);
    out.code.nonce = nonce ? *nonce : "";
    out.state = state ? *state : "";
    return out;
}

// read_rest is what the application is told about if it is wrong.
Step<void> read_rest(const Service::Impl& impl, const Form& form, Asked& asked) {
    const std::string* mode = find_parameter(form, "response_mode");
    if (Step<std::string> type = require_parameter(form, "response_type"); !type) {
        return tl::unexpected(type.error());
    } else if (*type != "code" || (mode && *mode != "query")) {
        return stop(400, "unsupported_response_type", 70005,
                    "Only response_type 'code' with response_mode 'query' is built here.");
    }
    const std::string* method = find_parameter(form, "code_challenge_method");
    const std::string* challenge = find_parameter(form, "code_challenge");
    if (!challenge || !method || *method != "S256") {
        return stop(400, "invalid_request", 9002325,
                    "A code_challenge with the code_challenge_method S256 is required.");
    }
    asked.code.challenge = *challenge;
    Step<std::string> scope = require_parameter(form, "scope");
    if (!scope) return tl::unexpected(scope.error());
    Step<UserScopes> scopes = wanted_scopes(impl.config, *scope);
    if (!scopes) return tl::unexpected(scopes.error());
    asked.code.scopes = std::move(*scopes);
    return {};
}

// present is the user in front of the page: the lab's, or who typed name and password. An error
// with the code 0 means that nothing was typed yet.
Step<Account> present(Service::Impl& impl, const net::Request& request, const Form& form,
                      Time now) {
    if (!impl.config.sign_in_as.empty()) {
        auto account = impl.directory.find_named(PrincipalKind::user, impl.config.sign_in_as);
        if (!account) return failed(account.error(), request);
        if (*account) return std::move(**account);
    }
    if (request.method != "POST") return stop(200, "", 0, "");
    return password_user(impl, request, form, now);
}

std::string told(const OAuthError& error) {
    return error.aadsts == 0 ? "" : fmt::format("AADSTS{}: {}", error.aadsts, error.message);
}

}  // namespace

net::Response Service::Impl::authorize(const net::Request& request) {
    const Time now = deps.clock.now();
    const std::string& tenant = request.params.at("tenant");
    if (!knows_tenant(tenant)) return text_page(400, told(unknown_tenant(tenant)));
    Step<Form> form = parameters_of(request, config);
    if (!form) return text_page(form.error().status, told(form.error()));
    Step<Asked> asked = read_request(*this, *form);
    if (!asked) return text_page(asked.error().status, told(asked.error()));
    if (Step<void> rest = read_rest(*this, *form, *asked); !rest) {
        return redirect(
            back_to(asked->code.redirect_uri, {{"error", rest.error().error},
                                               {"error_description", told(rest.error())},
                                               {"state", asked->state}}));
    }
    Step<Account> user = present(*this, request, *form, now);
    if (!user) return sign_in_page(user.error().status, told(user.error()), request.query, false);
    asked->code.user = user->principal.object_id;
    const std::string uri = asked->code.redirect_uri;
    const std::string code = sign_ins.begin(std::move(asked->code), now);
    return redirect(back_to(uri, {{"code", code},
                                  {"state", asked->state},
                                  {"client_info", client_info(config, user->principal)}}));
}

net::Response Service::Impl::device_code(const net::Request& request) {
    const Time now = deps.clock.now();
    const auto refused = [&](const OAuthError& error) {
        return oauth_error_response(error, request, now);
    };
    const std::string& tenant = request.params.at("tenant");
    if (!knows_tenant(tenant)) return refused(unknown_tenant(tenant));
    Step<Form> form = parameters_of(request, config);
    if (!form) return refused(form.error());
    Step<std::string> client = public_client(config, *form);
    if (!client) return refused(client.error());
    Step<std::string> scope = require_parameter(*form, "scope");
    if (!scope) return refused(scope.error());
    Step<UserScopes> scopes = wanted_scopes(config, *scope);
    if (!scopes) return refused(scopes.error());
    Device device;
    device.client_id = std::move(*client);
    device.scopes = std::move(*scopes);
    const SignIns::Begun begun = sign_ins.begin_device(std::move(device), now);
    if (!config.sign_in_as.empty()) {
        Step<Account> user = present(*this, request, *form, now);
        if (user) sign_ins.approve(begun.user_code, user->principal.object_id, now);
    }
    const std::string page = page_base() + "/device";
    return net::json_response(
        200,
        {{"user_code", begun.user_code},
         {"device_code", begun.device_code},
         {"verification_uri", page},
         {"expires_in", kDeviceLifetime.count()},
         {"interval", 1},
         {"message", fmt::format("To sign in, open {} and enter {}.", page, begun.user_code)}});
}

net::Response Service::Impl::device_page(const net::Request& request) {
    const Time now = deps.clock.now();
    Step<Form> form = parameters_of(request, config);
    if (!form) return text_page(form.error().status, told(form.error()));
    const std::string* typed = find_parameter(*form, "user_code");
    if (request.method != "POST" || !typed) return sign_in_page(200, "", request.query, true);
    Step<Account> user = present(*this, request, *form, now);
    if (!user) return sign_in_page(user.error().status, told(user.error()), request.query, true);
    if (!sign_ins.approve(*typed, user->principal.object_id, now)) {
        return sign_in_page(400, "No device waits with this code.", request.query, true);
    }
    return text_page(200, "You are signed in. Go on at your device.");
}

// That a user exists is not told (real-clients 3.1).
net::Response Service::Impl::user_realm(const net::Request& request) const {
    const std::string& user = request.params.at("user");
    const size_t at = user.find('@');
    const std::string host = config.authority.substr(config.authority.find("//") + 2);
    return net::json_response(200,
                              {{"ver", "1.0"},
                               {"account_type", "Managed"},
                               {"domain_name", at == std::string::npos ? "" : user.substr(at + 1)},
                               {"cloud_instance_name", host},
                               {"cloud_audience_urn", "urn:federation:MicrosoftOnline"}});
}

}  // namespace vouchsafe::identity
