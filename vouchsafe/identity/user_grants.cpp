#include "vouchsafe/identity/user_grants.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/identity/access_token.h"
#include "vouchsafe/identity/refresh_token.h"

namespace vouchsafe::identity {

namespace {

constexpr std::string_view kDeviceGrant = "urn:ietf:params:oauth:grant-type:device_code";

// SignedIn is a user, the application in front of them, and what it may have.
struct SignedIn {
    Account user;
    std::string client_id;
    UserScopes scopes;
    Time since;         // when the user was there
    std::string nonce;  // "" if none
};

tl::unexpected<OAuthError> invalid_grant(int aadsts, std::string message) {
    return stop(400, "invalid_grant", aadsts, std::move(message));
}

// present_user finds the user of a sign-in again: who was removed since gets nothing.
Step<Account> present_user(const Service::Impl& impl, const net::Request& request,
                           const std::string& id) {
    auto account = impl.directory.find(id);
    if (!account) return failed(account.error(), request);
    if (*account && (*account)->principal.kind == PrincipalKind::user) return std::move(**account);
    return invalid_grant(50034, "The user is not in this tenant any more.");
}

Step<SignedIn> by_password(Service::Impl& impl, const net::Request& request, const Form& form,
                           const std::string& client, Time now) {
    Step<std::string> scope = require_parameter(form, "scope");
    if (!scope) return tl::unexpected(scope.error());
    Step<UserScopes> scopes = wanted_scopes(impl.config, *scope);
    if (!scopes) return tl::unexpected(scopes.error());
    Step<Account> user = password_user(impl, request, form, now);
    if (!user) return tl::unexpected(user.error());
    return SignedIn{std::move(*user), client, std::move(*scopes), now, ""};
}

bool verifies(const std::string& verifier, const std::string& challenge) {
    return equal_ct(as_bytes(encode_base64url(crypto::sha256(as_bytes(verifier)))),
                    as_bytes(challenge));
}

// A code is gone with the first try, right or wrong (RFC 6749, 4.1.2).
Step<SignedIn> by_code(Service::Impl& impl, const net::Request& request, const Form& form,
                       const std::string& client, Time now) {
    for (const char* name : {"code", "redirect_uri", "code_verifier"}) {
        Step<std::string> there = require_parameter(form, name);
        if (!there) return tl::unexpected(there.error());
    }
    std::optional<AuthorizationCode> code = impl.sign_ins.take(form.at("code"), now);
    if (!code) {
        return invalid_grant(70008,
                             "The authorization code is not known here, was used, or has "
                             "expired. Sign in again.");
    }
    if (code->client_id != client || code->redirect_uri != form.at("redirect_uri")) {
        return invalid_grant(70000,
                             "The authorization code was given to another application or "
                             "for another redirect_uri.");
    }
    if (!verifies(form.at("code_verifier"), code->challenge)) {
        return invalid_grant(501481, "The code_verifier does not match the code_challenge.");
    }
    Step<Account> user = present_user(impl, request, code->user);
    if (!user) return tl::unexpected(user.error());
    return SignedIn{std::move(*user), client, std::move(code->scopes), now, std::move(code->nonce)};
}

// MSAL for Python sends the device's code under both names.
Step<SignedIn> by_device(Service::Impl& impl, const net::Request& request, const Form& form,
                         const std::string& client, Time now) {
    Step<std::string> code = require_parameter(form, "device_code");
    if (!code) return tl::unexpected(code.error());
    std::optional<Device> device = impl.sign_ins.take_device(*code, now);
    if (!device || device->client_id != client) {
        return stop(400, "expired_token", 70020,
                    "The device code is not known here, was used, or has expired.");
    }
    if (device->user.empty()) {
        return stop(400, "authorization_pending", 70016,
                    "The user has not signed in on the page yet. Go on asking.");
    }
    Step<Account> user = present_user(impl, request, device->user);
    if (!user) return tl::unexpected(user.error());
    return SignedIn{std::move(*user), client, std::move(device->scopes), now, ""};
}

Step<SignedIn> by_refresh(Service::Impl& impl, const net::Request& request, const Form& form,
                          const std::string& client, Time now) {
    Step<std::string> text = require_parameter(form, "refresh_token");
    if (!text) return tl::unexpected(text.error());
    const std::string* scope = find_parameter(form, "scope");
    Step<UserScopes> scopes = wanted_scopes(impl.config, scope ? *scope : "");
    if (!scopes) return tl::unexpected(scopes.error());
    auto token = RefreshToken::parse(*text, impl.root);
    if (!token) return invalid_grant(9002313, "The refresh token is not one of this service.");
    if (token->expires <= now) return invalid_grant(70008, "The refresh token has expired.");
    Step<Account> user = present_user(impl, request, token->user);
    if (!user) return tl::unexpected(user.error());
    if (token->signed_in < user->renewable_from) {
        return invalid_grant(50173, "The password was changed since the user signed in.");
    }
    return SignedIn{std::move(*user), client, std::move(*scopes), token->signed_in, ""};
}

Step<Json> answer(const Service::Impl& impl, const net::Request& request, const SignedIn& who,
                  Time now) {
    const Config& config = impl.config;
    const Principal& user = who.user.principal;
    auto groups = impl.directory.groups_of(user.object_id);
    if (!groups) return failed(groups.error(), request);
    const TokenSpec spec{.principal = user,
                         .groups = std::move(*groups),
                         .how = Authentication::none,
                         .audience = who.scopes.resource,
                         .client_id = who.client_id};
    auto access = mint_access_token(config, impl.key, spec, now, config.user_token_lifetime);
    if (!access) return failed(access.error(), request);
    Json body = {{"token_type", "Bearer"},
                 {"scope", who.scopes.text},
                 {"expires_in", config.user_token_lifetime.count()},
                 {"ext_expires_in", config.user_token_lifetime.count()},
                 {"access_token", access->token.expose_text()},
                 {"client_info", client_info(config, user)}};
    if (who.scopes.offline) {
        const RefreshToken refresh{user.object_id, who.since, now + config.refresh_token_lifetime};
        body["refresh_token"] = refresh.encode(impl.root);
        body["foci"] = "1";  // one of the applications that share their sign-ins
    }
    if (who.scopes.openid) {
        auto id = mint_id_token(config, impl.key, user, who.client_id, who.nonce, now);
        if (!id) return failed(id.error(), request);
        body["id_token"] = *id;
    }
    return body;
}

using Grant = Step<SignedIn> (*)(Service::Impl&, const net::Request&, const Form&,
                                 const std::string&, Time);

Grant find_grant(std::string_view type) {
    if (type == "password") return by_password;
    if (type == "authorization_code") return by_code;
    if (type == "refresh_token") return by_refresh;
    return type == kDeviceGrant ? by_device : nullptr;
}

}  // namespace

bool is_user_grant(std::string_view grant_type) {
    return find_grant(grant_type) != nullptr;
}

Step<Json> user_grant(Service::Impl& impl, const net::Request& request, const Form& form,
                      Time now) {
    Step<std::string> client = public_client(impl.config, form);
    if (!client) return tl::unexpected(client.error());
    Step<SignedIn> who = find_grant(form.at("grant_type"))(impl, request, form, *client, now);
    if (!who) return tl::unexpected(who.error());
    return answer(impl, request, *who, now);
}

Step<Account> password_user(Service::Impl& impl, const net::Request& request, const Form& form,
                            Time now) {
    for (const char* name : {"username", "password"}) {
        Step<std::string> there = require_parameter(form, name);
        if (!there) return tl::unexpected(there.error());
    }
    auto checked = impl.passwords.check(form.at("username"), as_bytes(form.at("password")), now);
    if (!checked) return failed(checked.error(), request);
    if (checked->verdict == Passwords::Verdict::right) return std::move(*checked->user);
    if (checked->verdict == Passwords::Verdict::locked) {
        return invalid_grant(50053, "Too many wrong passwords in a row. Try again in a minute.");
    }
    return invalid_grant(50126,
                         "Error validating credentials due to invalid username or "
                         "password.");
}

std::string client_info(const Config& config, const Principal& user) {
    return encode_base64url(
        as_bytes(dump_json({{"uid", user.object_id}, {"utid", config.tenant_id}})));
}

}  // namespace vouchsafe::identity
