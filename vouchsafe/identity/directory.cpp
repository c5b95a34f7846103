#include "vouchsafe/identity/directory.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::identity {

namespace {

constexpr std::string_view kAccounts = "identity_account";  // client id -> Account
constexpr std::string_view kObjects = "identity_object";    // object id -> client id
constexpr std::string_view kNames = "identity_name";        // unique name -> client id
constexpr size_t kMaxName = 512;

std::string_view kind_name(PrincipalKind kind) {
    return kind == PrincipalKind::app ? "app" : "managed_identity";
}

// unique_name is what no two principals share: an application's name, an identity's resource.
Result<std::string> unique_name(const Principal& principal) {
    bool app = principal.kind == PrincipalKind::app;
    const std::string& text = app ? principal.name : principal.resource_id;
    if (text.empty() || text.size() > kMaxName) {
        return fail(Code::invalid, "the {} must have 1 to {} characters",
                    app ? "name" : "resource id", kMaxName);
    }
    return fmt::format("{}:{}", kind_name(principal.kind), to_lower(text));
}

Json secret_json(const HashedSecret& secret) {
    return {{"salt", encode_base64(secret.salt)},
            {"hash", encode_base64(secret.hash)},
            {"expires", to_unix(secret.expires)}};
}

Result<HashedSecret> parse_secret(const Json& json) {
    HashedSecret out;
    out.salt = TRY(decode_base64(TRY(json_string(json, "salt"))));
    out.hash = TRY(decode_base64(TRY(json_string(json, "hash"))));
    out.expires = from_unix(TRY(json_integer(json, "expires")));
    return out;
}

Result<std::optional<Account>> get_account(store::View& view, std::string_view client_id) {
    std::optional<Bytes> record = TRY(view.get(kAccounts, client_id));
    if (!record) return std::optional<Account>{};
    return std::optional<Account>{TRY(Account::parse(*record))};
}

tl::unexpected<Error> no_such_principal() {
    return fail(Code::not_found, "there is no such principal");
}

}  // namespace

Bytes Account::encode() const {
    Json list = Json::array();
    for (const HashedSecret& secret : secrets) list.push_back(secret_json(secret));
    return to_bytes(dump_json({{"kind", kind_name(principal.kind)},
                               {"name", principal.name},
                               {"client_id", principal.client_id},
                               {"object_id", principal.object_id},
                               {"resource_id", principal.resource_id},
                               {"secrets", std::move(list)}}));
}

Result<Account> Account::parse(ByteView record) {
    Json json = TRY(parse_json_object(as_text(record)));
    Account out;
    std::string kind = TRY(json_string(json, "kind"));
    bool app = kind == kind_name(PrincipalKind::app);
    out.principal.kind = app ? PrincipalKind::app : PrincipalKind::managed_identity;
    out.principal.name = TRY(json_string(json, "name"));
    out.principal.client_id = TRY(json_string(json, "client_id"));
    out.principal.object_id = TRY(json_string(json, "object_id"));
    out.principal.resource_id = TRY(json_string(json, "resource_id"));
    for (const Json& secret : *TRY(json_array(json, "secrets"))) {
        out.secrets.push_back(TRY(parse_secret(secret)));
    }
    return out;
}

Result<Principal> Directory::add(Principal principal, std::vector<HashedSecret> secrets) {
    std::string name = TRY(unique_name(principal));
    principal.client_id = crypto::random_uuid();
    principal.object_id = crypto::random_uuid();
    Account account{principal, std::move(secrets)};
    TRY(store_.run([&](store::Transaction& transaction) -> Result<void> {
        Result<void> named = transaction.insert(kNames, name, as_bytes(principal.client_id));
        if (!named && named.error().code == Code::conflict) {
            return fail(Code::conflict, "{} exists already", name);
        }
        TRY(std::move(named));
        TRY(transaction.insert(kObjects, principal.object_id, as_bytes(principal.client_id)));
        return transaction.insert(kAccounts, principal.client_id, account.encode());
    }));
    return principal;
}

Result<void> Directory::add_secret(std::string_view client_id, HashedSecret secret, Time now) {
    std::string key = to_lower(client_id);
    return store_.run([&](store::Transaction& transaction) -> Result<void> {
        std::optional<Account> account = TRY(get_account(transaction, key));
        if (!account || account->principal.kind != PrincipalKind::app) return no_such_principal();
        std::erase_if(account->secrets,
                      [&](const HashedSecret& old) { return old.expires <= now; });
        if (account->secrets.size() >= kMaxSecrets) {
            return fail(Code::conflict, "the application has {} client secrets already",
                        kMaxSecrets);
        }
        account->secrets.push_back(secret);
        return transaction.put(kAccounts, key, account->encode());
    });
}

Result<std::optional<Account>> Directory::find(std::string_view id) const {
    std::optional<Account> out;
    std::string key = to_lower(id);
    if (key.empty() || key.size() > store::kMaxKeySize) return out;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        std::optional<Bytes> client_id = TRY(view.get(kObjects, key));
        out = TRY(get_account(view, client_id ? as_text(*client_id) : std::string_view(key)));
        return {};
    }));
    return out;
}

Result<std::vector<Principal>> Directory::list() const {
    std::vector<Principal> out;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        std::string after;
        while (true) {
            auto records = TRY(view.scan(kAccounts, "", after, store::kMaxScan));
            for (const store::Record& record : records) {
                out.push_back(TRY(Account::parse(record.value)).principal);
            }
            if (records.size() < store::kMaxScan) return {};
            after = records.back().key;
        }
    }));
    return out;
}

Result<void> Directory::remove(std::string_view client_id) {
    std::string key = to_lower(client_id);
    return store_.run([&](store::Transaction& transaction) -> Result<void> {
        std::optional<Account> account = TRY(get_account(transaction, key));
        if (!account) return no_such_principal();
        TRY(transaction.erase(kNames, TRY(unique_name(account->principal))));
        TRY(transaction.erase(kObjects, account->principal.object_id));
        TRY(transaction.erase(kAccounts, key));
        return {};
    });
}

}  // namespace vouchsafe::identity
