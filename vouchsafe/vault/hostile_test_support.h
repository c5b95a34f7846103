// What the tests of hostile requests share: a vault behind a real HTTP server, one valid request
// for each operation of its routes, and the look at what an answer gave away and what it changed.
#pragma once

#include <atomic>
#include <set>
#include <thread>

#include "vouchsafe/net/test_support.h"
#include "vouchsafe/vault/dispatch.h"
#include "vouchsafe/vault/object_test_support.h"

namespace vouchsafe::vault::test {

inline constexpr const char* kApprover = "aaaaaaaa-0000-4000-8000-000000000006";
inline constexpr const char* kSecretText = "hostile-readers-want-this-value";

// Sample is a valid request: what its path names, its body (null: it takes none) and the answer.
struct Sample {
    std::string name = {};
    Json body = nullptr;
    int status = 200;
};

// RawRequest is sent as it is; each has a connection of its own.
struct RawRequest {
    std::string method;
    std::string target;
    std::string body = "";
    std::vector<std::string> headers = {};  // whole lines
    std::string host = "myconfkv.vault.azure.net";

    std::string wire_text() const {
        std::string out = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", method,
                                      target, host);
        for (const std::string& line : headers) out += line + "\r\n";
        return out + fmt::format("Content-Length: {}\r\n\r\n{}", body.size(), body);
    }
};

class HostileTest : public ObjectTest {
  protected:
    HostileTest() {
        for (const char* who : {kOfficer, kApprover}) {
            MUST(service_->assign_role(who, "Key Vault Administrator", vault_.resource_id));
        }
        make_objects();
        make_samples();
        net::ServerOptions options;
        options.max_body = kMaxRequestBody;
        server_ = MUST(net::Server::start(options, service_->handler()));
    }
    ~HostileTest() override { server_->stop(); }

    static std::vector<Route> all_routes() {
        std::vector<Route> out = routes();
        out.insert(out.end(), secrets::routes().begin(), secrets::routes().end());
        return out;
    }

    // sample is the valid request of a route. A route without one fails the test: add its row.
    const Sample& sample(const Route& route) const {
        static const Sample kNone;
        auto found = samples_.find(std::string(route.operation.name));
        EXPECT_TRUE(found != samples_.end()) << "no sample for " << route.operation.name;
        return found == samples_.end() ? kNone : found->second;
    }

    // path fills a route's pattern in; `replace` puts other text, percent-encoded by the caller,
    // into the parameter of this name.
    std::string path(const Route& route, std::string_view parameter = "",
                     const std::string& replacement = "") const {
        const Sample& valid = sample(route);
        std::string out;
        split(route.path, '/', [&](std::string_view segment) {
            std::string text(segment);
            if (segment == "{name}") text = valid.name;
            if (segment == "{version}") text = versions_.at(valid.name);
            if (segment == "{proposal}") text = proposals_.at(std::string(route.operation.name));
            if (segment == "{request}") text = refused_request_;
            if (!parameter.empty() && segment == parameter) text = replacement;
            out += "/" + text;
        });
        return out;
    }
    static bool has(const Route& route, std::string_view parameter) {
        return route.path.find(parameter) != std::string_view::npos;
    }
    std::string body(const Route& route) const {
        const Json& json = sample(route).body;
        return json.is_null() ? "" : dump_json(json);
    }
    // valid is the route's valid request with the officer's token, to be made invalid.
    RawRequest valid(const Route& route) const {
        return {std::string(route.method),
                path(route) + "?api-version=7.6",
                body(route),
                {"Content-Type: application/json", "Authorization: Bearer " + officer_token_}};
    }

    // exchange sends bytes and reads the answer; status 0: there was none. Thread-safe.
    std::string send_raw(const std::string& wire) const {
        net::test::RawClient client(server_->port());
        client.send(wire);
        return client.read_all(std::chrono::milliseconds(10'000));
    }
    Answer exchange(const std::string& wire) const { return parse_answer(send_raw(wire)); }
    static Answer parse_answer(const std::string& text) {
        Answer out;
        const size_t end = std::min(text.find("\r\n\r\n"), text.size());
        if (text.starts_with("HTTP/1.1 ")) out.status = std::atoi(text.c_str() + 9);
        for (size_t at = text.find("\r\n"); at < end;) {
            const size_t next = std::min(text.find("\r\n", at + 2), end);
            const std::string line = text.substr(at + 2, next - at - 2);
            const size_t colon = line.find(": ");
            if (colon != std::string::npos) {
                out.headers.add(line.substr(0, colon), line.substr(colon + 2));
            }
            at = next;
        }
        if (end + 4 <= text.size()) out.body = parsed_or_null(text.substr(end + 4));
        return out;
    }

    // refuse sends a request that must be refused with one of the statuses, and with the code.
    Answer refuse(const RawRequest& request, std::set<int> statuses, std::string_view code,
                  const std::string& what) const {
        const std::string text = send_raw(request.wire_text());
        const Answer answer = parse_answer(text);
        EXPECT_TRUE(statuses.contains(answer.status))
            << what << ": " << answer.status << " to " << request.method << " "
            << request.target.substr(0, 200) << " " << request.body.substr(0, 200) << "\n"
            << text.substr(0, 600);
        if (!code.empty()) {
            EXPECT_EQ(answer.code(), code) << what << " " << request.target;
        }
        EXPECT_LT(answer.message().size(), 2000u) << what << ": echoes what it was sent";
        EXPECT_EQ(leaked(text), "") << what << " " << request.method << " " << request.target;
        return answer;
    }

    // refuse_soon is refuse, together with others: what is recorded of those at one time is on disk
    // at once. refuse_all waits for all of them.
    void refuse_soon(RawRequest request, int status, std::string_view code, std::string what) {
        soon_.push_back([=, this] { refuse(request, {status}, code, what); });
    }
    void refuse_all() {
        std::atomic<size_t> next = 0;
        std::vector<std::thread> threads;
        for (int i = 0; i < 8; ++i) {
            threads.emplace_back([&] {
                for (size_t at = next++; at < soon_.size(); at = next++) soon_[at]();
            });
        }
        for (std::thread& thread : threads) thread.join();
        soon_.clear();
    }

    // leaked names the secret that a text has in it, "" if none.
    std::string leaked(std::string_view text) const {
        for (const std::string& secret : secrets_) {
            if (text.find(secret) != std::string_view::npos) return secret;
        }
        return "";
    }

    // What was refused is in the log without what it was about.
    void TearDown() override {
        uint64_t index = 0;
        for (auto page = log_from(index); !page.empty(); page = log_from(index)) {
            for (const audit::StoredEntry& stored : page) {
                const std::string text = to_text(stored.entry.encode());
                EXPECT_EQ(leaked(text), "") << text;
            }
            index += page.size();
        }
        Checks checks;
        EXPECT_TRUE(service_->audit().verify({}, checks));
    }

    // dump is every record that is not the audit log's.
    std::string dump() {
        std::string out;
        MUST(store_->read([&](store::View& view) -> Result<void> {
            std::string table;
            while (auto next = TRY(view.next_table(table))) {
                table = *next;
                if (table.starts_with("audit_")) continue;
                for (const auto& record : TRY(view.scan(table, "", "", store::kMaxScan))) {
                    out += fmt::format("{} {} {}\n", table, record.key, encode_hex(record.value));
                }
            }
            return {};
        }));
        return out;
    }

    std::map<std::string, Sample> samples_;
    std::map<std::string, std::string> versions_;   // of an object
    std::map<std::string, std::string> proposals_;  // of an operation
    std::string refused_request_;
    std::vector<std::string> secrets_;
    const std::string officer_token_ = access_token(kOfficer);
    std::unique_ptr<net::Server> server_;

  private:
    std::vector<audit::StoredEntry> log_from(uint64_t index) {
        return MUST(service_->audit().entries(index, 1000));
    }
    // keep notes an object's version.
    Json keep(const std::string& name, const Answer& made) {
        EXPECT_EQ(made.status, 200) << name << dump_json(made.body);
        const std::string id = id_of(made);
        versions_[name] = id.substr(id.rfind('/') + 1);
        return made.body;
    }
    // gone_backup backs an object up and purges it, so that the backup can be restored.
    Json gone_backup(const std::string& collection, const std::string& name) {
        keep(name, make(collection, name));
        const Json backup = officer("POST", "/" + collection + "/" + name + "/backup").body;
        EXPECT_EQ(officer("DELETE", "/" + collection + "/" + name).status, 200);
        EXPECT_EQ(officer("DELETE", "/deleted" + collection + "/" + name).status, 204);
        return backup;
    }
    std::string propose(int quota) {
        const Answer made = as(kApprover, "POST", rules_path() + "/proposals",
                               {{"rules", {{"twoPerson", true}, {"maxReleases", quota}}}});
        EXPECT_EQ(made.status, 200) << dump_json(made.body);
        proposal_ = made.body;
        return made.body["id"];
    }
    static std::string rules_path() { return "/keys/released/x-vouchsafe-release-rules"; }

    void make_objects();
    void make_samples();
    void make_key_samples();
    void make_rule_samples();
    void make_secret_samples();

    static Json oct_jwk() {
        return {{"kty", "oct"},
                {"k", encode_base64url(Bytes(32, 0xa7))},
                {"key_ops", {"encrypt", "decrypt", "wrapKey", "unwrapKey"}}};
    }

    std::vector<std::function<void()>> soon_;
    Json proposal_;
    Json key_backup_, secret_backup_;
};

inline void HostileTest::make_objects() {
    keep("aes", officer("PUT", "/keys/aes", {{"key", oct_jwk()}}));
    secrets_.push_back(encode_base64url(Bytes(32, 0xa7)));
    secrets_.push_back(encode_hex(Bytes(32, 0xa7)));
    keep("released", create("released", exportable_key()));
    for (const char* name : {"ec", "deleted", "recovered", "purged", "dropped"}) {
        keep(name, make("keys", name));
        keep(name, set(name, {{"value", kSecretText}}));
    }
    keep("ec", make("keys", "ec"));
    secrets_.push_back(kSecretText);
    secrets_.push_back(encode_base64url(as_bytes(std::string_view(kSecretText))));
    for (const char* name : {"deleted", "recovered", "purged"}) {
        for (const char* collection : {"/keys/", "/secrets/"}) {
            EXPECT_EQ(officer("DELETE", std::string(collection) + name).status, 200);
        }
    }
    keep("secret", set("secret", {{"value", kSecretText}}));
    key_backup_ = gone_backup("keys", "restored");
    secret_backup_ = gone_backup("secrets", "restored");
    EXPECT_EQ(officer("PUT", rules_path(), {{"twoPerson", true}}).status, 200);
    proposals_["keys/releaserules/proposal"] = propose(3);
    proposals_["keys/releaserules/withdraw"] = propose(4);
    proposals_["keys/releaserules/approve"] = propose(5);
    refused_request_ = as(kNobody, "GET", "/keys/ec").request_id();
    web_.serve(fmt::format("https://login.microsoftonline.com/{}/v2.0", kNobody), keys().login);
    MUST(service_->create_vault({.name = "foreignkv", .tenant = kNobody}));
    MUST(service_->create_vault({.name = "closedkv", .tenant = kTenant}));
}

inline void HostileTest::make_key_samples() {
    const Json attributes = {{"enabled", true}, {"nbf", 1}, {"exp", to_unix(kNow) + 99}};
    const Json tags = {{"a", "b"}};
    samples_["keys/create"] = {
        "ec", {{"kty", "EC"}, {"crv", "P-256"}, {"attributes", attributes}, {"tags", tags}}};
    samples_["keys/import"] = {
        "imported",
        {{"key", oct_jwk()}, {"Hsm", false}, {"attributes", attributes}, {"tags", tags}}};
    samples_["keys/update"] = {
        "ec", {{"attributes", attributes}, {"tags", tags}, {"key_ops", {"sign", "verify"}}}};
    for (const char* read :
         {"keys/get", "keys/versions", "keys/rotationpolicy/get", "keys/rotate", "keys/backup"}) {
        samples_[read] = {"ec"};
    }
    samples_["keys/list"] = samples_["deletedkeys/list"] = {};
    const Json plain = {{"alg", "A256GCM"}, {"value", "aGk"}, {"aad", "aGk"}};
    samples_["keys/encrypt"] = {"aes", plain};
    const Json sealed = officer("POST", "/keys/aes/encrypt", plain).body;
    samples_["keys/decrypt"] = {"aes",
                                {{"alg", "A256GCM"},
                                 {"value", sealed["value"]},
                                 {"iv", sealed["iv"]},
                                 {"tag", sealed["tag"]},
                                 {"aad", "aGk"}}};
    const Json key = {{"alg", "A256KW"}, {"value", encode_base64url(Bytes(16, 1))}};
    samples_["keys/wrap"] = {"aes", key};
    const Json wrapped = officer("POST", "/keys/aes/wrapkey", key).body;
    samples_["keys/unwrap"] = {"aes", {{"alg", "A256KW"}, {"value", wrapped["value"]}}};
    const Json digest = {{"alg", "ES256"}, {"value", encode_base64url(Bytes(32, 2))}};
    samples_["keys/sign"] = {"ec", digest};
    const Json signature = officer("POST", "/keys/ec/sign", digest).body;
    samples_["keys/verify"] = {
        "ec", {{"alg", "ES256"}, {"digest", digest["value"]}, {"value", signature["value"]}}};
    samples_["keys/rotationpolicy/set"] = {
        "ec",
        {{"lifetimeActions", Json::array({{{"trigger", {{"timeAfterCreate", "P90D"}}},
                                           {"action", {{"type", "Rotate"}}}}})},
         {"attributes", {{"expiryTime", "P2Y"}}}}};
    samples_["keys/attestation"] = {"ec", nullptr, 400};  // there is no HSM that attests
    samples_["rng"] = {"", {{"count", 8}}};
    samples_["keys/restore"] = {"", key_backup_};
}

inline void HostileTest::make_rule_samples() {
    samples_["keys/release"] = {"released",
                                {{"target", keys().attestation.token(attestation_claims())},
                                 {"nonce", "n"},
                                 {"enc", "RSA_AES_KEY_WRAP_256"}}};
    samples_["keys/explain"] = {};
    for (const char* read : {"keys/releaserules/get", "keys/releaserules/proposals",
                             "keys/releaserules/proposal", "keys/releaserules/withdraw"}) {
        samples_[read] = {"released"};
    }
    samples_["keys/releaserules/set"] = {"released", {{"twoPerson", true}}};
    samples_["keys/releaserules/propose"] = {
        "released", {{"rules", {{"twoPerson", true}, {"maxReleases", 9}}}}};
    samples_["keys/releaserules/approve"] = {"released", {{"hash", proposal_["hash"]}}};
}

inline void HostileTest::make_secret_samples() {
    const Json attributes = {{"enabled", true}, {"nbf", 1}, {"exp", 2}};
    samples_["secrets/set"] = {"written",
                               {{"value", kSecretText},
                                {"contentType", "text"},
                                {"attributes", attributes},
                                {"tags", {{"a", "b"}}}}};
    samples_["secrets/update"] = {
        "secret", {{"contentType", "t"}, {"attributes", attributes}, {"tags", {{"a", "b"}}}}};
    for (const char* read : {"secrets/get", "secrets/versions", "secrets/backup"}) {
        samples_[read] = {"secret"};
    }
    samples_["secrets/list"] = samples_["deletedsecrets/list"] = {};
    samples_["secrets/restore"] = {"", secret_backup_};
}

inline void HostileTest::make_samples() {
    make_key_samples();
    make_rule_samples();
    make_secret_samples();
    for (const std::string collection : {"keys", "secrets"}) {
        samples_[collection + "/delete"] = {"dropped"};
        samples_["deleted" + collection + "/get"] = {"deleted"};
        samples_["deleted" + collection + "/recover"] = {"recovered"};
        samples_["deleted" + collection + "/purge"] = {"purged", nullptr, 204};
    }
}

}  // namespace vouchsafe::vault::test
