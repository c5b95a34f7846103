#include "vouchsafe/guest/secret_client.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/guest/remote_error.h"
#include "vouchsafe/guest/vault_client.h"

namespace vouchsafe::guest {

namespace {

constexpr std::string_view kSecretsVersion = "api-version=7.4";
constexpr size_t kMaxSecretPages = 100000;  // of a list: a vault that never ends is broken

void wipe_text(std::string& text) {
    wipe({reinterpret_cast<uint8_t*>(text.data()), text.size()});
}

std::string url_of(const SecretId& id, std::string_view collection, std::string_view rest = "") {
    return fmt::format("{}/{}/{}{}?{}", id.url.origin(), collection, id.name, rest,
                       kSecretsVersion);
}

// take_value moves the value out of an answer and leaves nothing of it there.
Result<SecretBytes> take_value(Json& bundle) {
    auto found = bundle.find("value");
    if (found == bundle.end() || !found->is_string()) {
        return fail(Code::invalid, "vault: the answer has no value");
    }
    std::string& text = found->get_ref<std::string&>();
    SecretBytes value = SecretBytes::copy_of(text);
    wipe_text(text);
    bundle.erase(found);
    return value;
}

// take_bundle parses an answer that has a value, and wipes its text.
Result<GotSecret> take_bundle(net::ClientResponse response) {
    Result<Json> parsed = parse_json_object(response.body);
    wipe_text(response.body);
    Json bundle = TRY(with_context(std::move(parsed), "vault"));
    SecretBytes value = TRY(take_value(bundle));
    return GotSecret{std::move(bundle), std::move(value)};
}

}  // namespace

Result<SecretId> SecretId::parse(std::string_view text) {
    const auto bad = [&] {
        return fail(
            Code::invalid,
            "'{}' is no secret identifier: write https://VAULT.vault.azure.net/secrets/NAME "
            "or .../secrets/NAME/VERSION",
            text);
    };
    auto url = net::Url::parse(text);
    if (!url || url->scheme != "https") return bad();
    const std::vector<std::string> parts = path_parts(url->target);
    if (parts.size() < 2 || parts.size() > 3 || !equal_ignore_case(parts[0], "secrets")) {
        return bad();
    }
    if (!is_vault_object_name(parts[1])) return bad();
    if (parts.size() == 3 && !is_vault_object_name(parts[2])) return bad();
    return SecretId{std::move(*url), parts[1], parts.size() == 3 ? parts[2] : ""};
}

Result<net::ClientResponse> SecretClient::send(std::string_view method, const std::string& url,
                                               std::string body) {
    const net::Url parsed = TRY(net::Url::parse(url));
    SecretBytes token = TRY(credential_.token(TRY(vault_resource(parsed.host))));
    net::ClientRequest request;
    request.method = std::string(method);
    request.url = url;
    request.bearer = &token;
    if (!body.empty()) request.headers.set("Content-Type", "application/json");
    request.body = std::move(body);
    auto response = with_context(client_.send(request), "vault");
    wipe_text(request.body);
    if (!response) return response;
    if (response->status != 200 && response->status != 204) {
        return fail(remote_error("the vault", *response));
    }
    return response;
}

Result<Json> SecretClient::set(const SecretId& id, const SecretBytes& value,
                               const std::string& content_type) {
    if (!is_utf8(value.expose_text())) {
        return fail(Code::invalid,
                    "a secret is text: encode other bytes first, for example with base64");
    }
    Json body{{"value", value.expose_text()}};
    if (!content_type.empty()) body["contentType"] = content_type;
    std::string text = dump_json(body);
    wipe_text(body["value"].get_ref<std::string&>());
    auto response = TRY(send("PUT", url_of(id, "secrets"), std::move(text)));
    return TRY(take_bundle(std::move(response))).bundle;
}

Result<GotSecret> SecretClient::get(const SecretId& id) {
    return take_bundle(TRY(send("GET", url_of(id, "secrets", "/" + id.version), "")));
}

Result<std::vector<Json>> SecretClient::list(const net::Url& vault, bool deleted) {
    std::vector<Json> out;
    std::string url = fmt::format("{}/{}?{}", vault.origin(),
                                  deleted ? "deletedsecrets" : "secrets", kSecretsVersion);
    for (size_t pages = 0; pages < kMaxSecretPages; ++pages) {
        const auto response = TRY(send("GET", url, ""));
        const Json page = TRY(with_context(parse_json_object(response.body), "vault"));
        const Json* items = TRY(with_context(json_array(page, "value"), "vault"));
        out.insert(out.end(), items->begin(), items->end());
        const auto next = TRY(with_context(json_optional_string(page, "nextLink"), "vault"));
        if (!next) return out;
        // The token is for this vault alone.
        if (TRY(with_context(net::Url::parse(*next), "vault")).origin() != vault.origin()) {
            return fail(Code::invalid, "vault: the list goes on at another place");
        }
        url = *next;
    }
    return fail(Code::invalid, "vault: the list does not end");
}

Result<Json> SecretClient::remove(const SecretId& id) {
    const auto response = TRY(send("DELETE", url_of(id, "secrets"), ""));
    return with_context(parse_json_object(response.body), "vault");
}

Result<Json> SecretClient::recover(const SecretId& id) {
    const auto response = TRY(send("POST", url_of(id, "deletedsecrets", "/recover"), ""));
    return with_context(parse_json_object(response.body), "vault");
}

Result<void> SecretClient::purge(const SecretId& id) {
    TRY(send("DELETE", url_of(id, "deletedsecrets"), ""));
    return {};
}

}  // namespace vouchsafe::guest
