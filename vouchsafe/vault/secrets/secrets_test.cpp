// Setting, reading, changing and listing secrets.
#include "vouchsafe/vault/object_test_support.h"

namespace vouchsafe::vault::test {
namespace {

class SecretsTest : public ObjectTest {};

TEST_F(SecretsTest, KeepsAndGivesTheTutorialsKeyPair) {
    const std::string pem = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb\n\"\\\u00e9\n";
    Answer made = set("ssh-private-key", {{"value", pem}, {"attributes", Json::object()}});
    ASSERT_EQ(made.status, 200) << dump_json(made.body);
    EXPECT_EQ(made.body["value"], pem);
    EXPECT_THAT(id_of(made), testing::MatchesRegex(std::string(kBase) +
                                                   "/secrets/ssh-private-key/[0-9a-f]{32}"));
    EXPECT_EQ(made.body["attributes"], Json({{"enabled", true},
                                             {"created", to_unix(kNow)},
                                             {"updated", to_unix(kNow)},
                                             {"recoveryLevel", "Recoverable+Purgeable"},
                                             {"recoverableDays", 90}}));
    EXPECT_EQ(made.body.size(), 3u);  // no tags, no contentType
    for (const std::string& path :
         {std::string("/secrets/SSH-private-key/"), std::string("//secrets/ssh-private-key"),
          path_of_object(made)}) {
        EXPECT_EQ(as(kReader, "GET", path).body, made.body) << path;
    }
    EXPECT_EQ(set("empty", {{"value", ""}}).body["value"], "");
    EXPECT_EQ(as(kReader, "GET", "/secrets/empty").body["value"], "");
}

TEST_F(SecretsTest, RecordsEachActWithoutItsValue) {
    const std::string value = "a value nobody may log";
    Answer made = set("s", {{"value", value}, {"tags", {{"t", "v"}}}});
    const Answer answers[] = {made,
                              as(kReader, "GET", "/secrets/s"),
                              officer("PATCH", "/secrets/s", {{"contentType", "x"}}),
                              officer("POST", "/secrets/s/backup"),
                              officer("DELETE", "/secrets/s"),
                              officer("POST", "/deletedsecrets/s/recover")};
    const char* const actions[] = {"secrets/set",    "secrets/get",    "secrets/update",
                                   "secrets/backup", "secrets/delete", "deletedsecrets/recover"};
    for (size_t i = 0; i < std::size(actions); ++i) {
        EXPECT_EQ(answers[i].status, 200) << actions[i];
        auto entries = recorded(answers[i]);
        ASSERT_EQ(entries.size(), 1u) << actions[i];
        EXPECT_EQ(entries[0].entry.action, actions[i]);
        EXPECT_EQ(entries[0].entry.outcome, audit::Outcome::allowed);
        EXPECT_EQ(entries[0].entry.resource, std::string(kBase) + "/secrets/s");
    }
    EXPECT_EQ(recorded(answers[1])[0].entry.actor, kReader);
    for (const audit::StoredEntry& stored : log()) {
        EXPECT_EQ(to_text(stored.entry.encode()).find(value), std::string::npos);
    }
}

TEST_F(SecretsTest, WhatCannotBeRecordedDoesNotHappen) {
    ASSERT_EQ(set("s", {{"value", "v"}}).status, 200);
    Answer backup = officer("POST", "/secrets/s/backup");
    store_->failing_table = "audit_entry";
    EXPECT_EQ(set("s", {{"value", "second"}}).status, 500);
    EXPECT_EQ(set("t", {{"value", "other"}}).status, 500);
    EXPECT_EQ(officer("PATCH", "/secrets/s", {{"tags", {{"a", "b"}}}}).status, 500);
    EXPECT_EQ(officer("DELETE", "/secrets/s").status, 500);
    for (const Answer& answer :
         {as(kReader, "GET", "/secrets/s"), officer("POST", "/secrets/s/backup")}) {
        EXPECT_EQ(answer.status, 500);
        EXPECT_FALSE(answer.body.contains("value"));
    }
    store_->failing_table.clear();
    Answer read = as(kReader, "GET", "/secrets/s");
    EXPECT_EQ(read.body["value"], "v");
    EXPECT_FALSE(read.body.contains("tags"));
    EXPECT_EQ(listed("/secrets"), std::vector<std::string>{"s"});
}

TEST_F(SecretsTest, RefusesMalformedBodiesAndHostileSizes) {
    const Json bodies[] = {
        Json::object(),
        {{"value", nullptr}},
        {{"value", 7}},
        {{"value", {"a"}}},
        {{"value", std::string((25 << 10) + 1, 'x')}},
        {{"value", "v"}, {"contentType", 1}},
        {{"value", "v"}, {"contentType", std::string(256, 'c')}},
        {{"value", "v"}, {"attributes", "enabled"}},
        {{"value", "v"}, {"attributes", {{"enabled", 1}}}},
        {{"value", "v"}, {"attributes", {{"nbf", -1}}}},
        {{"value", "v"}, {"attributes", {{"exp", 1e300}}}},
        {{"value", "v"}, {"attributes", {{"exp", "soon"}}}},
        {{"value", "v"}, {"attributes", {{"nbf", 20}, {"exp", 20}}}},
        {{"value", "v"}, {"tags", {{"a", 1}}}},
        {{"value", "v"}, {"tags", {{"a", std::string(513, 'x')}}}},
        {{"value", "v"}, {"tags", {{std::string(513, 'x'), "a"}}}},
        {{"value", "v"}, {"tags", "x"}},
    };
    for (const Json& body : bodies) {
        Answer answer = set("s", body);
        EXPECT_EQ(answer.status, 400) << dump_json(body).substr(0, 100);
        EXPECT_EQ(answer.code(), "BadParameter");
    }
    const std::string token = access_token(kOfficer);
    const std::string deep = "{\"value\":" + std::string(1000, '[') + std::string(1000, ']') + "}";
    const std::string huge = "{\"value\":\"" + std::string(2 << 20, 'x') + "\"}";
    for (const std::string& text :
         {std::string(), std::string("[]"), std::string("{\"value\":\"a\",\"value\":\"b\"}"),
          std::string("{\"value\":\"\xff\"}"), std::string("{\"value\":\"v\""), deep, huge}) {
        for (const char* method : {"PUT", "PATCH"}) {
            EXPECT_EQ(send(method, "/secrets/s?api-version=7.4", text, token).status, 400)
                << text.substr(0, 40);
        }
    }
    Json many_tags = Json::object();
    for (int i = 0; i < 16; ++i) many_tags[std::to_string(i)] = "x";
    EXPECT_EQ(set("s", {{"value", "v"}, {"tags", many_tags}}).status, 400);
    EXPECT_EQ(set("a_b", {{"value", "v"}}).status, 400);
    EXPECT_EQ(set(std::string(128, 's'), {{"value", "v"}}).status, 400);
    EXPECT_TRUE(listed("/secrets").empty());  // nothing half made

    // The nearest that is accepted.
    many_tags.erase("15");
    many_tags[std::string(512, 'n')] = std::string(512, 'v');
    many_tags.erase("14");
    Answer made = set(std::string(127, 's'), {{"value", std::string(25 << 10, 'x')},
                                              {"contentType", std::string(255, 'c')},
                                              {"attributes", {{"nbf", 19}, {"exp", 20}}},
                                              {"tags", many_tags}});
    ASSERT_EQ(made.status, 200) << dump_json(made.body);
    EXPECT_EQ(made.body["tags"], many_tags);
    EXPECT_EQ(as(kReader, "GET", path_of_object(made)).body, made.body);
}

TEST_F(SecretsTest, EachSetMakesAVersion) {
    Answer first = set("S", {{"value", "one"}, {"tags", {{"a", "b"}}}, {"contentType", "text"}});
    clock_.set(kNow + Seconds(5));
    const std::string token = access_token(kOfficer);
    Answer second = send("PUT", "/secrets/s?api-version=2025-07-01", R"({"value":"two"})", token);
    ASSERT_EQ(second.status, 200);
    EXPECT_THAT(id_of(second), testing::StartsWith(std::string(kBase) + "/secrets/S/"));
    EXPECT_FALSE(second.body.contains("tags"));
    EXPECT_FALSE(second.body.contains("contentType"));
    const std::string first_version = id_of(first).substr(id_of(first).rfind('/') + 1);
    EXPECT_EQ(second.body["previousVersion"], first_version);
    EXPECT_FALSE(as(kReader, "GET", "/secrets/s").body.contains("previousVersion"));
    EXPECT_EQ(as(kReader, "GET", "/secrets/s").body["value"], "two");
    EXPECT_EQ(as(kReader, "GET", path_of_object(first)).body, first.body);
    for (const char* path :
         {"/secrets/nope", "/secrets/s/v1", "/secrets/s/00000000000000000000000000000000"}) {
        EXPECT_EQ(as(kReader, "GET", path).status, 404) << path;
        EXPECT_EQ(as(kReader, "GET", path).code(), "SecretNotFound") << path;
    }
}

TEST_F(SecretsTest, UpdatesEverythingButTheValue) {
    Answer first = set("s", {{"value", "one"}, {"tags", {{"a", "b"}}}, {"contentType", "text"}});
    ASSERT_EQ(set("s", {{"value", "two"}}).status, 200);
    clock_.set(kNow + Seconds(5));
    Answer updated = officer("PATCH", path_of_object(first),
                             {{"contentType", "password"},
                              {"value", "three"},
                              {"attributes", {{"enabled", false}, {"exp", 2000000000}}}});
    ASSERT_EQ(updated.status, 200) << dump_json(updated.body);
    EXPECT_FALSE(updated.body.contains("value"));
    EXPECT_EQ(updated.body["contentType"], "password");
    EXPECT_EQ(updated.body["tags"], Json({{"a", "b"}}));
    EXPECT_EQ(updated.body["attributes"]["updated"], to_unix(kNow) + 5);
    EXPECT_EQ(updated.body["attributes"]["exp"], 2000000000);
    EXPECT_EQ(as(kReader, "GET", "/secrets/s").body["value"], "two");

    Answer current = officer("PATCH", "/secrets/s", {{"tags", {{"c", "d"}}}});
    EXPECT_EQ(current.body["tags"], Json({{"c", "d"}}));
    EXPECT_EQ(officer("PATCH", "/secrets/s", Json::object()).body["tags"], Json({{"c", "d"}}));
    EXPECT_EQ(officer("PATCH", "/secrets/s", {{"tags", Json::object()}}).body.contains("tags"),
              false);
    EXPECT_EQ(officer("PATCH", "/secrets/s", {{"attributes", {{"nbf", 9}, {"exp", 9}}}}).status,
              400);
    EXPECT_EQ(officer("PATCH", "/secrets/nope", Json::object()).status, 404);
    EXPECT_EQ(as(kReader, "PATCH", "/secrets/s", Json::object()).status, 403);
}

TEST_F(SecretsTest, ADisabledSecretIsNotGivenAndDatesForbidNothing) {
    Answer made =
        set("s", {{"value", "v"},
                  {"attributes", {{"nbf", to_unix(kNow) + 10}, {"exp", to_unix(kNow) + 20}}}});
    EXPECT_EQ(as(kReader, "GET", "/secrets/s").status, 200);  // not yet valid
    clock_.set(kNow + Seconds(30));
    EXPECT_EQ(as(kReader, "GET", "/secrets/s").status, 200);  // expired
    ASSERT_EQ(officer("PATCH", "/secrets/s", {{"attributes", {{"enabled", false}}}}).status, 200);
    for (const std::string& path : {std::string("/secrets/s"), path_of_object(made)}) {
        Answer refused = as(kReader, "GET", path);
        EXPECT_EQ(refused.status, 403);
        EXPECT_EQ(refused.code(), "Forbidden");
        EXPECT_EQ(refused.inner(), "SecretDisabled");
        EXPECT_EQ(refused.check(), "VAULT-SECRET-ENABLED");
        EXPECT_FALSE(refused.body.contains("value"));
        EXPECT_EQ(recorded(refused).at(0).entry.outcome, audit::Outcome::refused);
    }
    ASSERT_EQ(officer("PATCH", "/secrets/s", {{"attributes", {{"enabled", true}}}}).status, 200);
    EXPECT_EQ(as(kReader, "GET", "/secrets/s").body["value"], "v");
}

TEST_F(SecretsTest, ListsInPagesWithoutValues) {
    for (const char* name : {"c", "A", "b"})
        ASSERT_EQ(set(name, {{"value", "secret"}}).status, 200);
    ASSERT_EQ(set("b", {{"value", "secret"}, {"contentType", "t"}, {"tags", {{"k", "v"}}}}).status,
              200);
    Answer all = as(kReader, "GET", "/secrets");
    ASSERT_EQ(all.body["value"].size(), 3u);
    EXPECT_EQ(dump_json(all.body).find("\"secret\""), std::string::npos);
    EXPECT_EQ(all.body["value"][0]["id"], std::string(kBase) + "/secrets/A");
    EXPECT_EQ(all.body["value"][1]["contentType"], "t");
    EXPECT_EQ(all.body["value"][1]["tags"], Json({{"k", "v"}}));
    EXPECT_TRUE(all.body["nextLink"].is_null());

    for (const char* path : {"/secrets", "/secrets/b/versions"}) {
        std::set<std::string> seen;
        std::string next = fmt::format("{}?maxresults=1&api-version=7.4", path);
        for (int pages = 0; pages < 5 && !next.empty(); ++pages) {
            Answer page = send("GET", next, "", access_token(kReader));
            ASSERT_EQ(page.body["value"].size(), 1u);
            seen.insert(page.body["value"][0]["id"].get<std::string>());
            const Json& link = page.body["nextLink"];
            next = link.is_null() ? ""
                                  : link.get<std::string>().substr(std::string_view(kBase).size());
        }
        EXPECT_EQ(seen.size(), path == std::string("/secrets") ? 3u : 2u) << path;
    }
    EXPECT_EQ(as(kReader, "GET", "/secrets/nope/versions").code(), "SecretNotFound");
    EXPECT_EQ(as(kReader, "GET", "/secrets?maxresults=26").status, 400);
    EXPECT_EQ(as(kReader, "GET", "/secrets?$skiptoken=!").status, 400);
}

TEST_F(SecretsTest, RolesDecideDownToOneSecret) {
    ASSERT_EQ(set("s", {{"value", "v"}}).status, 200);
    ASSERT_EQ(set("other", {{"value", "v"}}).status, 200);
    EXPECT_EQ(as(kNobody, "GET", "/secrets/s").inner(), "ForbiddenByRbac");
    EXPECT_EQ(as(kUser, "GET", "/secrets/s").status, 403);  // a role for keys
    MUST(service_->assign_role(kNobody, "Key Vault Secrets User", secret_scope(vault_, "s")));
    EXPECT_EQ(as(kNobody, "GET", "/secrets/S").status, 200);
    EXPECT_EQ(as(kNobody, "GET", "/secrets/other").status, 403);
    EXPECT_EQ(as(kNobody, "GET", "/keys/s").status, 403);
    EXPECT_EQ(as(kNobody, "GET", "/secrets").status, 403);
    // Who may read values may not change, and who may see metadata may not read values.
    EXPECT_EQ(as(kReader, "PUT", "/secrets/s", {{"value", "w"}}).status, 403);
    EXPECT_EQ(as(kReader, "DELETE", "/secrets/s").status, 403);
    EXPECT_EQ(as(kReader, "POST", "/secrets/s/backup").status, 403);
    MUST(service_->assign_role(kUser, "Key Vault Reader", vault_.resource_id));
    EXPECT_EQ(as(kUser, "GET", "/secrets").status, 200);
    EXPECT_EQ(as(kUser, "GET", "/secrets/s").status, 403);
    EXPECT_EQ(as(kReader, "GET", "/secrets/s").body["value"], "v");
}

TEST_F(SecretsTest, TheDatabaseHoldsNoValueAndOpensItInItsPlaceOnly) {
    const std::string value = "0123456789abcdef-a-value-to-look-for";
    Answer first = set("s", {{"value", value}});
    ASSERT_EQ(set("t", {{"value", "of another"}}).status, 200);
    const std::string files = on_disk();
    EXPECT_THAT(files, testing::HasSubstr("vault_secret_value"));
    EXPECT_THAT(files, testing::HasSubstr("\"action\":\"secrets/set\""));
    EXPECT_EQ(files.find(value), std::string::npos);
    EXPECT_EQ(files.find(encode_base64(as_bytes(value))), std::string::npos);

    // What is sealed for one secret, put in the place of another one.
    MUST(store_->run([](store::Transaction& tx) -> Result<void> {
        auto values = TRY(tx.scan("vault_secret_value", "", "", 10));
        EXPECT_EQ(values.size(), 2u);
        return tx.put("vault_secret_value", values[1].key, values[0].value);
    }));
    Answer moved = as(kReader, "GET", "/secrets/t");
    EXPECT_EQ(moved.status, 500);
    EXPECT_FALSE(moved.body.contains("value"));
    EXPECT_EQ(as(kReader, "GET", "/secrets/s").body["value"], value);
}

}  // namespace
}  // namespace vouchsafe::vault::test
