// What the tests of secrets, deletion and backup share: a vault whose officer may do everything to
// keys and secrets.
#pragma once

#include "vouchsafe/vault/test_support.h"

namespace vouchsafe::vault::test {

inline constexpr const char* kBase = "https://myconfkv.vault.azure.net";
inline constexpr const char* kReader = "aaaaaaaa-0000-4000-8000-000000000005";
inline constexpr int64_t kDay = 86400;

class ObjectTest : public VaultTest {
  protected:
    ObjectTest() {
        MUST(service_->assign_role(kOfficer, "Key Vault Secrets Officer", vault_.resource_id));
        MUST(service_->assign_role(kReader, "Key Vault Secrets User", vault_.resource_id));
    }

    Answer officer(std::string_view method, const std::string& path, const Json& body = nullptr) {
        return as(kOfficer, method, path, body);
    }
    Answer set(const std::string& name, const Json& body) {
        return officer("PUT", "/secrets/" + name, body);
    }
    // make creates an object of the collection "keys" or "secrets".
    Answer make(const std::string& collection, const std::string& name) {
        if (collection == "keys") return create(name, {{"kty", "EC"}});
        return set(name, {{"value", "the value"}});
    }
    static std::string id_of(const Answer& answer) {
        const Json& body = answer.body;
        return body.contains("key") ? body["key"]["kid"] : body["id"];
    }
    static std::string path_of_object(const Answer& answer) {
        return id_of(answer).substr(std::string_view(kBase).size());
    }
    // listed returns the names in a list.
    std::vector<std::string> listed(const std::string& path) {
        const Answer answer = officer("GET", path);
        EXPECT_EQ(answer.status, 200) << path;
        std::vector<std::string> out;
        for (const Json& item : answer.body["value"]) {
            const std::string id = item.contains("kid") ? item["kid"] : item["id"];
            out.push_back(id.substr(id.rfind('/') + 1));
        }
        return out;
    }
    // another_vault makes a vault in which the officer may do everything too.
    VaultInfo another_vault(const VaultSpec& spec) {
        VaultInfo info = MUST(service_->create_vault(spec));
        MUST(service_->assign_role(kOfficer, "Key Vault Administrator", info.resource_id));
        return info;
    }
    Answer in_vault(const std::string& vault, std::string_view method, const std::string& path,
                    const Json& body = nullptr) {
        const std::string separator = path.find('?') == std::string::npos ? "?" : "&";
        return send(method, path + separator + "api-version=7.4",
                    body.is_null() ? "" : dump_json(body), access_token(kOfficer),
                    vault + ".vault.azure.net");
    }
    std::vector<audit::StoredEntry> log() { return MUST(service_->audit().entries(0, 1000)); }
};

// A test of each collection.
class EachCollection : public ObjectTest, public testing::WithParamInterface<const char*> {
  protected:
    std::string collection() const { return GetParam(); }
    std::string active(const std::string& name) const { return "/" + collection() + "/" + name; }
    std::string deleted(const std::string& name = "") const {
        return "/deleted" + collection() + (name.empty() ? "" : "/" + name);
    }
    std::string not_found() const {
        return collection() == "keys" ? "KeyNotFound" : "SecretNotFound";
    }
};

}  // namespace vouchsafe::vault::test
