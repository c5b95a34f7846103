// What each built-in role may do on every route (azure-api B.1). The operations are those of the
// routes; a new one must be given to somebody here.
#include "vouchsafe/vault/hostile_test_support.h"

namespace vouchsafe::vault::test {
namespace {

using Names = std::set<std::string>;

// With the public half of an asymmetric key anybody can do the last three.
const Names kReadKeys = {"keys/get",
                         "keys/list",
                         "keys/versions",
                         "keys/attestation",
                         "rng",
                         "deletedkeys/get",
                         "deletedkeys/list",
                         "keys/releaserules/get",
                         "keys/releaserules/proposals",
                         "keys/releaserules/proposal",
                         "keys/encrypt",
                         "keys/wrap",
                         "keys/verify"};
const Names kUpdateKeys = {"keys/update",
                           "keys/explain",
                           "keys/releaserules/set",
                           "keys/releaserules/propose",
                           "keys/releaserules/approve",
                           "keys/releaserules/withdraw",
                           "keys/releaserules/get",
                           "keys/releaserules/proposals",
                           "keys/releaserules/proposal"};
const Names kReadMetadata = {"secrets/list", "secrets/versions", "deletedsecrets/get",
                             "deletedsecrets/list"};

Names operator+(Names a, const Names& b) {
    a.insert(b.begin(), b.end());
    return a;
}

class RoleTableTest : public HostileTest {
  protected:
    // allowed are the operations that a principal with this role alone is not refused.
    Names allowed(const char* role) {
        const std::string who = fmt::format("bbbbbbbb-0000-4000-8000-{:012}", ++principals_);
        MUST(service_->assign_role(who, role, vault_.resource_id));
        const std::string token = access_token(who);
        Names out;
        for (const Route& route : all_routes()) {
            RawRequest request = valid(route);
            // What is allowed fails later, so that nothing changes for the next role.
            request.body = sample(route).body.is_null() ? "" : "[]";
            if (request.body.empty() && has(route, "{name}")) {
                request.target = path(route, "{name}", "nope") + "?api-version=7.6";
            }
            request.headers = {"Authorization: Bearer " + token};
            const int status = exchange(request.wire_text()).status;
            const bool hidden = route.operation.locate != nullptr;
            if (status != (hidden ? 404 : 403)) out.emplace(route.operation.name);
        }
        return out;
    }
    void expect(const char* role, const Names& names) { EXPECT_EQ(allowed(role), names) << role; }
    Names all(std::string_view collection) const {
        Names out;
        for (const Route& route : all_routes()) {
            if (route.operation.collection == collection) out.emplace(route.operation.name);
        }
        return out;
    }

  private:
    int principals_ = 0;
};

TEST_F(RoleTableTest, EachRoleMayDoWhatItsActionsSay) {
    const std::string before = dump();
    expect("Key Vault Crypto Officer", all("keys"));
    expect("Key Vault Secrets Officer", all("secrets"));
    expect("Key Vault Reader", kReadKeys + kReadMetadata + Names{"keys/rotationpolicy/get"});
    expect(
        "Key Vault Crypto User",
        kReadKeys + kUpdateKeys + Names{"keys/backup", "keys/decrypt", "keys/unwrap", "keys/sign"});
    expect("Key Vault Crypto Service Encryption User", kReadKeys + Names{"keys/unwrap"});
    expect("Key Vault Crypto Service Release User", Names{"keys/release"});
    expect("Key Vault Secrets User", kReadMetadata + Names{"secrets/get"});
    expect("Key Vault Certificate User", kReadKeys + kReadMetadata + Names{"secrets/get"});
    for (const char* none : {"Owner", "Contributor", "Reader", "User Access Administrator",
                             "Key Vault Contributor", "Key Vault Certificates Officer",
                             "Key Vault Purge Operator", "Attestation Contributor"}) {
        expect(none, {});
    }
    // Assignments apart, nothing changed.
    const std::string after = dump();
    EXPECT_EQ(after.substr(after.find("\nvault ")), before.substr(before.find("\nvault ")));
}

}  // namespace
}  // namespace vouchsafe::vault::test
