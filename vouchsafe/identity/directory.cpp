#include "vouchsafe/identity/directory.h"

#include <array>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::identity {

namespace {

constexpr std::string_view kAccounts = "identity_account";  // client id -> Account
constexpr std::string_view kObjects = "identity_object";    // object id -> client id
constexpr std::string_view kNames = "identity_name";        // unique name -> client id
// Both ways, so that either end can go: member's object id / group's, and the other way round.
constexpr std::string_view kGroups = "identity_groups";
constexpr std::string_view kMembers = "identity_members";
constexpr size_t kMaxName = 512;

constexpr std::array<std::pair<PrincipalKind, std::string_view>, 4> kKinds = {
    {{PrincipalKind::app, "app"},
     {PrincipalKind::managed_identity, "managed_identity"},
     {PrincipalKind::user, "user"},
     {PrincipalKind::group, "group"}}};

std::string_view kind_name(PrincipalKind kind) {
    for (const auto& [known, name] : kKinds) {
        if (known == kind) return name;
    }
    return "";
}

Result<PrincipalKind> parse_kind(std::string_view text) {
    for (const auto& [kind, name] : kKinds) {
        if (name == text) return kind;
    }
    return fail(Code::invalid, "a principal of the unknown kind \"{}\"", text);
}

std::string name_key(PrincipalKind kind, std::string_view name) {
    return fmt::format("{}:{}", kind_name(kind), to_lower(name));
}

// unique_name is what no two principals of a kind share: a name, an identity's resource.
Result<std::string> unique_name(const Principal& principal) {
    const bool identity = principal.kind == PrincipalKind::managed_identity;
    const std::string& text = identity ? principal.resource_id : principal.name;
    if (text.empty() || text.size() > kMaxName) {
        return fail(Code::invalid, "the {} must have 1 to {} characters",
                    identity ? "resource id" : "name", kMaxName);
    }
    return name_key(principal.kind, text);
}

std::string pair_key(std::string_view first, std::string_view second) {
    return fmt::format("{}/{}", first, second);
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

Result<std::optional<Account>> find_account(store::View& view, std::string_view id) {
    const std::string key = to_lower(id);
    if (key.empty() || key.size() > store::kMaxKeySize) return std::optional<Account>{};
    const std::optional<Bytes> client_id = TRY(view.get(kObjects, key));
    return get_account(view, client_id ? as_text(*client_id) : std::string_view(key));
}

// others_of returns the second halves of the pairs that begin with `first`.
Result<std::vector<std::string>> others_of(store::View& view, std::string_view table,
                                           std::string_view first, size_t limit) {
    std::vector<std::string> out;
    const std::string prefix = pair_key(first, "");
    for (const store::Record& record : TRY(view.scan(table, prefix, "", limit))) {
        out.push_back(record.key.substr(prefix.size()));
    }
    return out;
}

Result<void> part(store::Transaction& transaction, std::string_view group,
                  std::string_view member) {
    TRY(transaction.erase(kGroups, pair_key(member, group)));
    TRY(transaction.erase(kMembers, pair_key(group, member)));
    return {};
}

// part_all ends what `id` is a member of, and what is a member of it.
Result<void> part_all(store::Transaction& transaction, const std::string& id) {
    for (;;) {
        const auto groups = TRY(others_of(transaction, kGroups, id, store::kMaxScan));
        for (const std::string& group : groups) TRY(part(transaction, group, id));
        const auto members = TRY(others_of(transaction, kMembers, id, store::kMaxScan));
        for (const std::string& member : members) TRY(part(transaction, id, member));
        if (groups.empty() && members.empty()) return {};
    }
}

}  // namespace

Bytes Account::encode() const {
    Json list = Json::array();
    for (const HashedSecret& secret : secrets) list.push_back(secret_json(secret));
    Json out = {{"kind", kind_name(principal.kind)},    {"name", principal.name},
                {"client_id", principal.client_id},     {"object_id", principal.object_id},
                {"resource_id", principal.resource_id}, {"secrets", std::move(list)}};
    if (password) out["password"] = secret_json(*password);
    if (principal.kind == PrincipalKind::user) out["renewable_from"] = to_unix(renewable_from);
    return to_bytes(dump_json(out));
}

Result<Account> Account::parse(ByteView record) {
    Json json = TRY(parse_json_object(as_text(record)));
    Account out;
    out.principal.kind = TRY(parse_kind(TRY(json_string(json, "kind"))));
    out.principal.name = TRY(json_string(json, "name"));
    out.principal.client_id = TRY(json_string(json, "client_id"));
    out.principal.object_id = TRY(json_string(json, "object_id"));
    out.principal.resource_id = TRY(json_string(json, "resource_id"));
    for (const Json& secret : *TRY(json_array(json, "secrets"))) {
        out.secrets.push_back(TRY(parse_secret(secret)));
    }
    if (const Json* password = find_member(json, "password")) {
        out.password = TRY(parse_secret(*password));
    }
    if (out.principal.kind == PrincipalKind::user) {
        out.renewable_from = from_unix(TRY(json_integer(json, "renewable_from")));
    }
    return out;
}

Result<Principal> Directory::add(Account account) {
    Principal& principal = account.principal;
    std::string name = TRY(unique_name(principal));
    principal.client_id = crypto::random_uuid();
    principal.object_id = crypto::random_uuid();
    TRY(store_.run([&](store::Transaction& transaction) -> Result<void> {
        Result<void> named = transaction.insert(kNames, name, as_bytes(principal.client_id));
        if (!named && named.error().code == Code::conflict) {
            return fail(Code::conflict, "{} exists already", name);
        }
        TRY(std::move(named));
        TRY(transaction.insert(kObjects, principal.object_id, as_bytes(principal.client_id)));
        return transaction.insert(kAccounts, principal.client_id, account.encode());
    }));
    return std::move(principal);
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

Result<void> Directory::set_password(std::string_view id, HashedSecret password, Time now) {
    return store_.run([&](store::Transaction& transaction) -> Result<void> {
        std::optional<Account> account = TRY(find_account(transaction, id));
        if (!account || account->principal.kind != PrincipalKind::user) return no_such_principal();
        account->password = password;
        account->renewable_from = now;
        return transaction.put(kAccounts, account->principal.client_id, account->encode());
    });
}

Result<std::optional<Account>> Directory::find(std::string_view id) const {
    std::optional<Account> out;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        out = TRY(find_account(view, id));
        return {};
    }));
    return out;
}

Result<std::optional<Account>> Directory::find_named(PrincipalKind kind,
                                                     std::string_view name) const {
    std::optional<Account> out;
    if (name.empty() || name.size() > kMaxName) return out;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        const std::optional<Bytes> client_id = TRY(view.get(kNames, name_key(kind, name)));
        if (client_id) out = TRY(get_account(view, as_text(*client_id)));
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
        return part_all(transaction, account->principal.object_id);
    });
}

Result<void> Directory::add_member(std::string_view group, std::string_view member) {
    return store_.run([&](store::Transaction& transaction) -> Result<void> {
        const auto into = TRY(find_account(transaction, group));
        const auto who = TRY(find_account(transaction, member));
        if (!into || into->principal.kind != PrincipalKind::group || !who ||
            who->principal.kind == PrincipalKind::group) {
            return no_such_principal();
        }
        const std::string& id = who->principal.object_id;
        if (TRY(others_of(transaction, kGroups, id, kMaxGroups)).size() == kMaxGroups) {
            return fail(Code::conflict, "nobody can be in more than {} groups", kMaxGroups);
        }
        TRY(transaction.put(kGroups, pair_key(id, into->principal.object_id), {}));
        return transaction.put(kMembers, pair_key(into->principal.object_id, id), {});
    });
}

Result<void> Directory::remove_member(std::string_view group, std::string_view member) {
    return store_.run([&](store::Transaction& transaction) {
        return part(transaction, to_lower(group), to_lower(member));
    });
}

Result<std::vector<std::string>> Directory::groups_of(std::string_view member) const {
    std::vector<std::string> out;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        out = TRY(others_of(view, kGroups, to_lower(member), kMaxGroups));
        return {};
    }));
    return out;
}

}  // namespace vouchsafe::identity
