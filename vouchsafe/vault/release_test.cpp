// Secure key release: what a good request gets, and every check's nearest refusal.
#include "vouchsafe/vault/records.h"
#include "vouchsafe/vault/test_support.h"

namespace vouchsafe::vault::test {
namespace {

Json parse_part(std::string_view jws, size_t part) {
    for (size_t i = 0; i < part; ++i) jws.remove_prefix(jws.find('.') + 1);
    return MUST(parse_json(to_text(MUST(decode_base64url(jws.substr(0, jws.find('.')))))));
}

std::set<std::string> names(const Json& object) {
    std::set<std::string> out;
    for (const auto& [name, value] : object.items()) out.insert(name);
    return out;
}

class ReleaseTest : public VaultTest {
  protected:
    ReleaseTest() {
        Answer made = create("KeyEncryptionKey", exportable_key());
        bundle_ = made.body;
    }

    static std::string attested(const std::function<void(Json&)>& change = [](Json&) {}) {
        Json claims = attestation_claims();
        change(claims);
        return keys().attestation.token(claims);
    }
    Answer release(const std::string& target, std::string_view oid = kReleaser,
                   const std::string& key = "KeyEncryptionKey") {
        return as(oid, "POST", "/keys/" + key + "/release",
                  {{"target", target}, {"nonce", "ADE0101"}, {"enc", "RSA_AES_KEY_WRAP_256"}});
    }
    // expect_refused checks that nothing leaves and that the log says why.
    void expect_refused(const Answer& answer, const char* check, int status = 403) {
        EXPECT_EQ(answer.status, status) << check << dump_json(answer.body);
        EXPECT_EQ(answer.check(), check);
        EXPECT_FALSE(answer.body.contains("value"));
        auto entries = recorded(answer);
        ASSERT_EQ(entries.size(), 1u) << check;
        EXPECT_EQ(entries[0].entry.action, "keys/release");
        EXPECT_EQ(entries[0].entry.outcome, audit::Outcome::refused);
        ASSERT_FALSE(entries[0].entry.checks.empty());
        EXPECT_EQ(entries[0].entry.checks.back().code, check);
        EXPECT_FALSE(entries[0].entry.checks.back().passed);
        EXPECT_EQ(answer.message().find(entries[0].entry.checks.back().expected),
                  std::string::npos);
    }

    // unwrapped opens a released key with the machine's key.
    static crypto::PrivateKey unwrapped(const Answer& answer, const crypto::PrivateKey& tee,
                                        crypto::HashAlg hash) {
        const Json payload = parse_part(answer.body["value"].get<std::string>(), 1);
        const std::string key_hsm = payload["response"]["key"]["key"]["key_hsm"];
        const Json inner = MUST(parse_json(to_text(MUST(decode_base64url(key_hsm)))));
        const Bytes ciphertext = MUST(decode_base64url(inner["ciphertext"].get<std::string>()));
        const SecretBytes pkcs8 = MUST(crypto::rsa_aes_unwrap(tee, hash, ciphertext));
        return MUST(crypto::PrivateKey::from_pkcs8(pkcs8.expose()));
    }

    Json bundle_;
};

TEST_F(ReleaseTest, GivesTheKeyToTheMachineTheTokenNames) {
    Answer answer = release(attested());
    ASSERT_EQ(answer.status, 200) << dump_json(answer.body);
    EXPECT_EQ(names(answer.body), std::set<std::string>{"value"});
    const crypto::PrivateKey key = unwrapped(answer, keys().tee, crypto::HashAlg::sha256);
    EXPECT_TRUE(key.public_key() == MUST(jose::parse_jwk(bundle_["key"])));

    auto entries = recorded(answer);
    ASSERT_EQ(entries.size(), 1u);
    const audit::Entry& entry = entries[0].entry;
    EXPECT_EQ(entry.outcome, audit::Outcome::allowed);
    EXPECT_EQ(entry.actor, kReleaser);
    EXPECT_EQ(entry.details["enc"], "RSA_AES_KEY_WRAP_256");
    EXPECT_EQ(entry.details["token"]["iss"], kAuthority);
    EXPECT_EQ(entry.details["tee_key"]["kid"], "\"TpmEphemeralEncryptionKey\"");
    std::set<std::string> checks;
    for (const Check& check : entry.checks) {
        EXPECT_TRUE(check.passed) << check.code;
        checks.insert(check.code);
    }
    for (const char* check :
         {"CALLER-ROLE", "VAULT-KEY-ENABLED", "VAULT-KEY-EXPORTABLE", "VAULT-AUTHORITY-ALLOWED",
          "TOKEN-SIGNATURE", "TOKEN-EXPIRED", "VAULT-TRUST-TIER", "POLICY-AUTHORITY",
          "POLICY-CLAIM-MISMATCH", "VAULT-TEE-KEY", "VAULT-KEY-UNCHANGED"}) {
        EXPECT_TRUE(checks.contains(check)) << check;
    }
}

TEST_F(ReleaseTest, TheAnswerHasTheFormOfTheRecordedOne) {
    const std::string recorded_jws =
        MUST(read_text_file(Path(VS_SOURCE_DIR) / "tests/vectors/skr/release-ec-hsm-2022-05.jws"));
    const Json theirs = parse_part(recorded_jws, 1);
    Answer answer = release(attested());
    const std::string jws = answer.body["value"];
    const Json ours = parse_part(jws, 1);

    EXPECT_EQ(names(parse_part(jws, 0)), names(parse_part(recorded_jws, 0)));
    auto request = names(theirs["request"]);
    request.insert("nonce");
    EXPECT_EQ(names(ours["request"]), request);
    const Json& our_key = ours["response"]["key"];
    const Json& their_key = theirs["response"]["key"];
    EXPECT_EQ(names(our_key), names(their_key));
    EXPECT_EQ(names(our_key["attributes"]), names(their_key["attributes"]));
    EXPECT_EQ(names(our_key["key"]), names(their_key["key"]));
    const auto inner = [](const Json& key) {
        return MUST(
            parse_json(to_text(MUST(decode_base64url(key["key"]["key_hsm"].get<std::string>())))));
    };
    EXPECT_EQ(names(inner(our_key)), names(inner(their_key)));
    EXPECT_EQ(names(inner(our_key)["header"]), names(inner(their_key)["header"]));
    EXPECT_EQ(inner(our_key)["header"], Json({{"kid", "TpmEphemeralEncryptionKey"},
                                              {"alg", "dir"},
                                              {"enc", "RSA_AES_KEY_WRAP_256"}}));

    EXPECT_EQ(ours["request"],
              Json({{"api-version", "7.4"},
                    {"enc", "RSA_AES_KEY_WRAP_256"},
                    {"nonce", "ADE0101"},
                    {"kid", "https://myconfkv.vault.azure.net/keys/KeyEncryptionKey"}}));
    EXPECT_EQ(our_key["key"]["kid"], bundle_["key"]["kid"]);
    EXPECT_EQ(our_key["release_policy"], bundle_["release_policy"]);
}

TEST_F(ReleaseTest, TheAnswerVerifiesUpItsOwnChain) {
    const std::string text = release(attested()).body["value"];
    const jose::Jws jws = MUST(jose::parse_jws(text));
    EXPECT_EQ(jws.alg, "RS256");
    std::vector<crypto::Certificate> chain;
    for (const Json& cert : jws.header["x5c"]) {
        chain.push_back(
            MUST(crypto::Certificate::parse_der(MUST(decode_base64(cert.get<std::string>())))));
    }
    ASSERT_EQ(chain.size(), 2u);
    MUST(jose::verify_jws(jws, MUST(chain[0].public_key())));
    MUST(chain[0].verify_signed_by(chain[1]));
    MUST(chain[1].verify_signed_by(chain[1]));
    EXPECT_EQ(to_lower(jws.kid), encode_hex(chain[0].sha1_fingerprint()));
    EXPECT_NE(to_lower(jws.kid), jws.kid);
    EXPECT_EQ(jws.header["x5t"], encode_base64url(chain[0].sha1_fingerprint()));
    EXPECT_EQ(jws.header["x5t#S256"], encode_base64url(chain[0].sha256_fingerprint()));
}

TEST_F(ReleaseTest, WrapsByEveryEncAndEveryAddress) {
    const std::string version =
        bundle_["key"]["kid"].get<std::string>().substr(std::string("https://myconfkv.vault."
                                                                    "azure.net")
                                                            .size());
    const std::pair<const char*, crypto::HashAlg> encs[] = {
        {"CKM_RSA_AES_KEY_WRAP", crypto::HashAlg::sha1},
        {"RSA_AES_KEY_WRAP_256", crypto::HashAlg::sha256},
        {"RSA_AES_KEY_WRAP_384", crypto::HashAlg::sha384}};
    for (const auto& [enc, hash] : encs) {
        Answer answer =
            as(kReleaser, "POST", version + "/release", {{"Target", attested()}, {"enc", enc}});
        ASSERT_EQ(answer.status, 200) << enc;
        unwrapped(answer, keys().tee, hash);
        const Json request = parse_part(answer.body["value"].get<std::string>(), 1)["request"];
        EXPECT_EQ(request["kid"], bundle_["key"]["kid"]);
        EXPECT_FALSE(request.contains("nonce"));
    }
    // Without enc the oldest is meant; an empty version is no version.
    Answer answer =
        as(kReleaser, "POST", "/keys/keyencryptionkey//release", {{"target", attested()}});
    ASSERT_EQ(answer.status, 200);
    unwrapped(answer, keys().tee, crypto::HashAlg::sha1);
    EXPECT_EQ(parse_part(answer.body["value"].get<std::string>(), 1)["request"]["enc"],
              "CKM_RSA_AES_KEY_WRAP");
}

TEST_F(ReleaseTest, ReleasesRsaKeysToo) {
    Answer made = create("rsa", exportable_key("RSA-HSM"));
    Answer answer = release(attested(), kReleaser, "rsa");
    ASSERT_EQ(answer.status, 200);
    const crypto::PrivateKey key = unwrapped(answer, keys().tee, crypto::HashAlg::sha256);
    EXPECT_TRUE(key.public_key() == MUST(jose::parse_jwk(made.body["key"])));
    // What was wrapped for the key while it was in the vault opens on the machine.
    const Bytes wrapped =
        MUST(key.public_key().encrypt_oaep(crypto::HashAlg::sha256, as_bytes("data key")));
    EXPECT_EQ(MUST(key.decrypt_oaep(crypto::HashAlg::sha256, wrapped)).expose_text(), "data key");
}

TEST_F(ReleaseTest, NeedsTheRoleToRelease) {
    expect_refused(release(attested(), kUser), "CALLER-ROLE");
    expect_refused(release(attested(), kNobody), "CALLER-ROLE");
    EXPECT_EQ(release(attested(), kOfficer).status, 200);
    // A releaser may not even read the key.
    EXPECT_EQ(as(kReleaser, "GET", "/keys/KeyEncryptionKey").status, 403);
}

TEST_F(ReleaseTest, RefusesMalformedRequests) {
    const auto status = [&](const Json& body) {
        return as(kReleaser, "POST", "/keys/KeyEncryptionKey/release", body).status;
    };
    EXPECT_EQ(status(Json::object()), 400);
    EXPECT_EQ(status({{"target", ""}}), 400);
    EXPECT_EQ(status({{"target", 1}}), 400);
    EXPECT_EQ(status({{"target", attested()}, {"enc", "RSA_AES_KEY_WRAP"}}), 400);
    EXPECT_EQ(status({{"target", attested()}, {"nonce", 1}}), 400);
    EXPECT_EQ(status({{"target", attested()}, {"nonce", std::string(1025, 'n')}}), 400);
    EXPECT_EQ(status({{"target", attested()}, {"nonce", std::string(1024, 'n')}}), 200);
    EXPECT_EQ(release(attested(), kReleaser, "nope").code(), "KeyNotFound");
    EXPECT_EQ(send("POST", "/keys/KeyEncryptionKey/release?api-version=7.2",
                   dump_json({{"target", attested()}}), access_token(kReleaser))
                  .status,
              400);
}

TEST_F(ReleaseTest, RefusesDisabledAndUnexportableKeysButNotExpiredOnes) {
    ASSERT_EQ(create("plain", {{"kty", "EC-HSM"}}).status, 200);
    expect_refused(release(attested(), kReleaser, "plain"), "VAULT-KEY-EXPORTABLE", 400);

    const std::string path = "/keys/KeyEncryptionKey";
    as(kOfficer, "PATCH", path, {{"attributes", {{"exp", 1}}}});
    EXPECT_EQ(release(attested()).status, 200);
    as(kOfficer, "PATCH", path, {{"attributes", {{"enabled", false}}}});
    expect_refused(release(attested()), "VAULT-KEY-ENABLED");
}

TEST_F(ReleaseTest, RefusesTokensThatDoNotHold) {
    expect_refused(release("abc"), "TOKEN-FORMAT");
    expect_refused(release("e30.e30."), "TOKEN-FORMAT");
    const std::string payload = attested().substr(attested().find('.') + 1);
    expect_refused(release(encode_base64url(as_bytes("{\"alg\":\"none\"}")) + "." +
                           payload.substr(0, payload.find('.') + 1)),
                   "TOKEN-ALG");
    const auto signed_with = [](crypto::SigAlg alg) {
        const TestIssuer& issuer = keys().attestation;
        return MUST(jose::mint_jwt({{"kid", issuer.kid}}, attestation_claims(), issuer.key, alg));
    };
    expect_refused(release(signed_with(crypto::SigAlg::ps256)), "TOKEN-ALG");
    EXPECT_EQ(release(signed_with(crypto::SigAlg::rs256)).status, 200);

    expect_refused(release(attested([](Json& c) { c["exp"] = to_unix(kNow) - 300; })),
                   "TOKEN-EXPIRED");
    EXPECT_EQ(release(attested([](Json& c) { c["exp"] = to_unix(kNow) - 299; })).status, 200);
    expect_refused(release(attested([](Json& c) { c["nbf"] = to_unix(kNow) + 301; })),
                   "TOKEN-NOT-BEFORE");
    EXPECT_EQ(release(attested([](Json& c) { c["nbf"] = to_unix(kNow) + 300; })).status, 200);

    const TestIssuer forger{keys().attestation.kid, keys().stranger.key};
    expect_refused(release(forger.token(attestation_claims())), "TOKEN-SIGNATURE");
    expect_refused(release(keys().stranger.token(attestation_claims())), "TOKEN-KID");
    std::string flipped = attested();
    flipped[flipped.find('.') + 20] ^= 1;
    EXPECT_EQ(release(flipped).status, 403);
}

TEST_F(ReleaseTest, TakesEveryAlgorithmThatAttestationServicesSignWith) {
    static const crypto::PrivateKey ec = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
    Json published = Json::array();
    auto publish = [&](std::string_view kid, const crypto::PrivateKey& key, std::string_view alg) {
        Json jwk = jose::encode_jwk(key.public_key());
        jwk.update({{"kid", kid}, {"use", "sig"}, {"alg", alg}});
        published.push_back(std::move(jwk));
    };
    const crypto::PrivateKey& rsa = keys().stranger.key;
    publish("ec", ec, "ES256");
    publish("pss", rsa, "PS256");
    publish("rsa", rsa, "RS256");
    for (auto& [url, document] : web_.documents) {
        if (document == keys().attestation.jwks()) document = {{"keys", published}};
    }
    auto token = [](std::string_view kid, const crypto::PrivateKey& key, crypto::SigAlg alg) {
        return MUST(jose::mint_jwt({{"kid", kid}}, attestation_claims(), key, alg));
    };
    using crypto::SigAlg;
    EXPECT_EQ(release(token("ec", ec, SigAlg::es256)).status, 200);
    EXPECT_EQ(release(token("pss", rsa, SigAlg::ps256)).status, 200);
    EXPECT_EQ(release(token("rsa", rsa, SigAlg::rs256)).status, 200);
    expect_refused(release(token("pss", rsa, SigAlg::rs256)), "TOKEN-ALG");
    expect_refused(release(token("rsa", rsa, SigAlg::ps256)), "TOKEN-ALG");
    expect_refused(release(token("rsa", rsa, SigAlg::rs512)), "TOKEN-ALG");
    expect_refused(release(token("ec", rsa, SigAlg::rs256)), "TOKEN-ALG");
}

TEST_F(ReleaseTest, NeverLooksWhereATokenSaysItsKeysAre) {
    const std::string evil = "https://evil.example/certs";
    web_.documents[evil] = keys().stranger.jwks();
    const std::string token =
        MUST(jose::mint_jwt({{"kid", keys().stranger.kid}, {"jku", evil}}, attestation_claims(),
                            keys().stranger.key, crypto::SigAlg::rs256));
    expect_refused(release(token), "TOKEN-KID");
    EXPECT_EQ(web_.fetched[evil], 0);
}

TEST_F(ReleaseTest, RefusesAuthoritiesOutsideThePolicyWithoutAskingThem) {
    const std::string other = "https://other.attest.azure.net";
    web_.serve(other, keys().stranger);
    Json claims = attestation_claims();
    claims["iss"] = other;
    expect_refused(release(keys().stranger.token(claims)), "POLICY-AUTHORITY");
    EXPECT_TRUE(web_.fetched.find(other + "/certs") == web_.fetched.end());
}

TEST_F(ReleaseTest, RefusesAuthoritiesTheOperatorDidNotAllow) {
    const std::string other = "https://other.attest.azure.net";
    web_.serve(other, keys().stranger);
    Json policy = tutorial_policy();
    policy["anyOf"][0]["authority"] = other;
    Json body = exportable_key();
    body["release_policy"] = envelope(policy);
    ASSERT_EQ(create("k", body).status, 200);
    Json claims = attestation_claims();
    claims["iss"] = other;
    const std::string token = keys().stranger.token(claims);
    expect_refused(release(token, kReleaser, "k"), "VAULT-AUTHORITY-ALLOWED");
    EXPECT_TRUE(web_.fetched.find(other + "/certs") == web_.fetched.end());

    config_.attestation_origins.push_back("https://OTHER.attest.azure.net/");
    start();
    EXPECT_EQ(release(token, kReleaser, "k").status, 200);
}

TEST_F(ReleaseTest, BelievesAnAuthorityWhileItIsTrusted) {
    const std::string other = "https://other.attest.azure.net";
    web_.serve(other, keys().stranger);
    Json policy = tutorial_policy();
    policy["anyOf"][0]["authority"] = other;
    Json body = exportable_key();
    body["release_policy"] = envelope(policy);
    ASSERT_EQ(create("k", body).status, 200);
    Json claims = attestation_claims();
    claims["iss"] = other;
    const std::string token = keys().stranger.token(claims);
    EXPECT_EQ(service_->trust_attestation("other.attest.azure.net").error().code, Code::invalid);
    expect_refused(release(token, kReleaser, "k"), "VAULT-AUTHORITY-ALLOWED");
    MUST(service_->trust_attestation("https://OTHER.attest.azure.net/"));
    MUST(service_->trust_attestation(other));
    EXPECT_EQ(release(token, kReleaser, "k").status, 200);
    service_->distrust_attestation(other);
    expect_refused(release(token, kReleaser, "k"), "VAULT-AUTHORITY-ALLOWED");

    // One that comes back under the name has other keys, and what the old one said is nobody's.
    web_.serve(other, keys().attestation);
    MUST(service_->trust_attestation(other));
    EXPECT_NE(release(token, kReleaser, "k").status, 200);
    EXPECT_EQ(release(keys().attestation.token(claims), kReleaser, "k").status, 200);
}

TEST_F(ReleaseTest, RefusesWhatThePolicyDoesNotAllow) {
    Answer wrong = release(
        attested([](Json& c) { c["x-ms-isolation-tee"]["x-ms-attestation-type"] = "tdxvm"; }));
    expect_refused(wrong, "POLICY-CLAIM-MISMATCH");
    EXPECT_EQ(wrong.code(), "Forbidden");
    const audit::Entry entry = recorded(wrong).at(0).entry;
    EXPECT_EQ(entry.checks.back().field, "x-ms-isolation-tee.x-ms-attestation-type");
    EXPECT_TRUE(entry.details.contains("explanation"));
    EXPECT_EQ(dump_json(wrong.body).find("tdxvm"), std::string::npos);
    expect_refused(
        release(attested([](Json& c) { c["x-ms-isolation-tee"].erase("x-ms-compliance-status"); })),
        "POLICY-CLAIM-MISSING");
}

TEST_F(ReleaseTest, RefusesMachinesWithoutAUsableKey) {
    const auto with_keys = [&](const Json& list) {
        return release(attested([&](Json& c) { c["x-ms-runtime"]["keys"] = list; }));
    };
    static const auto small = MUST(crypto::PublicKey::from_rsa(
        MUST(decode_hex("c1" + std::string(252, '7') + "f1")), Bytes{1, 0, 1}));
    const Json good = tee_jwk(keys().tee.public_key());
    Json signing = good;
    signing["key_ops"] = Json::array({"sign"});
    Json by_use = signing;
    by_use["use"] = "enc";
    const auto ec = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));

    expect_refused(release(attested([](Json& c) { c.erase("x-ms-runtime"); })), "VAULT-TEE-KEY");
    // The key of the machine's paravisor deeper in the token is not the one.
    expect_refused(release(attested([&](Json& c) {
                       c["x-ms-isolation-tee"]["x-ms-runtime"] = c["x-ms-runtime"];
                       c.erase("x-ms-runtime");
                   })),
                   "VAULT-TEE-KEY");
    expect_refused(with_keys(Json::array()), "VAULT-TEE-KEY");
    expect_refused(with_keys(Json::array({signing})), "VAULT-TEE-KEY");
    expect_refused(with_keys(Json::array({tee_jwk(small), good})), "VAULT-TEE-KEY");
    expect_refused(with_keys(Json::array({tee_jwk(ec.public_key()), good})), "VAULT-TEE-KEY");
    Json broken = good;
    broken.erase("n");
    expect_refused(with_keys(Json::array({broken, good})), "VAULT-TEE-KEY");
    EXPECT_EQ(with_keys(Json::array({signing, by_use})).status, 200);
    EXPECT_EQ(with_keys(Json::array({signing, good})).status, 200);
    EXPECT_EQ(with_keys(Json::array({7, "x", good})).status, 200);
}

TEST_F(ReleaseTest, ALaboratoryVaultBelievesBothTiersAndNoOther) {
    const auto with_tier = [&](const Json& tier) {
        return release(attested([&](Json& c) { c["x-vouchsafe-trust-tier"] = tier; }));
    };
    EXPECT_EQ(with_tier("simulated").status, 200);
    EXPECT_EQ(with_tier("hardware").status, 200);
    EXPECT_EQ(release(attested([](Json& c) { c.erase("x-vouchsafe-trust-tier"); })).status, 200);
    // An EAR of the same service has its tier inside, and no type at the top.
    expect_refused(release(attested([](Json& c) {
                       c.erase("x-vouchsafe-trust-tier");
                       c.erase("x-ms-attestation-type");
                   })),
                   "VAULT-TRUST-TIER");
    expect_refused(with_tier("Simulated"), "VAULT-TRUST-TIER");
    expect_refused(with_tier(Json::array({"hardware"})), "VAULT-TRUST-TIER");
}

TEST_F(ReleaseTest, AProductionVaultRefusesSimulatedMachinesWhateverThePolicySays) {
    service_.reset();
    sqlite_ = MUST(store::open_sqlite(dir_.path() / "production.db"));
    store_.emplace(*sqlite_);
    config_.directory = dir_.path() / "production";
    config_.allow_simulated = false;
    start();
    vault_ = MUST(service_->create_vault({.name = "myconfkv", .tenant = kTenant}));
    MUST(service_->assign_role(kOfficer, "Key Vault Crypto Officer", vault_.resource_id));
    Json policy = tutorial_policy();
    policy["anyOf"][0]["allOf"].push_back(
        {{"claim", "x-vouchsafe-trust-tier"}, {"equals", "simulated"}});
    Json lenient = exportable_key();
    Json strange = lenient;
    strange["release_policy"] = envelope(policy);
    ASSERT_EQ(create("k", lenient).status, 200);
    ASSERT_EQ(create("strange", strange).status, 200);
    expect_refused(release(attested(), kOfficer, "k"), "VAULT-TRUST-TIER");
    expect_refused(release(attested(), kOfficer, "strange"), "VAULT-TRUST-TIER");
    EXPECT_EQ(
        release(attested([](Json& c) { c["x-vouchsafe-trust-tier"] = "hardware"; }), kOfficer, "k")
            .status,
        200);
}

TEST_F(ReleaseTest, WhatCannotBeRecordedDoesNotLeave) {
    for (const char* table : {"audit_entry", "audit_hash", "audit_request", "audit_size"}) {
        store_->failing_table = table;
        Answer answer = release(attested());
        EXPECT_EQ(answer.status, 500) << table;
        EXPECT_FALSE(answer.body.contains("value"));
    }
    store_->failing_table.clear();
    EXPECT_EQ(release(attested()).status, 200);
}

TEST_F(ReleaseTest, AKeyThatChangesWhileItIsJudgedIsNotReleased) {
    clock_.set(kNow + Seconds(3600));  // so that the keys are fetched again
    bool changed = false;
    auto fetch = web_.fetch();
    service_ = MUST(
        Service::create(config_, {*store_, clock_,
                                  [&](const std::string& url) {
                                      if (url == std::string(kAuthority) + "/certs" && !changed) {
                                          changed = true;
                                          EXPECT_EQ(as(kOfficer, "PATCH", "/keys/KeyEncryptionKey",
                                                       {{"tags", {{"a", "b"}}}})
                                                        .status,
                                                    200);
                                      }
                                      return fetch(url);
                                  },
                                  keys().signer}));
    const auto fresh = [&] { return attested([](Json& c) { c["exp"] = to_unix(kNow) + 7200; }); };
    expect_refused(release(fresh()), "VAULT-KEY-UNCHANGED", 409);
    EXPECT_TRUE(changed);
    EXPECT_EQ(release(fresh()).status, 200);
}

TEST_F(ReleaseTest, AKeyMovedToAnotherPlaceInTheStoreDoesNotOpen) {
    const auto place = [](const std::string& name, const Json& bundle) {
        const std::string kid = bundle["key"]["kid"];
        return version_record_key("myconfkv", name, kid.substr(kid.rfind('/') + 1));
    };
    const Json two = create("two", exportable_key()).body;
    MUST(sqlite_->run([&](store::Transaction& tx) -> Result<void> {
        auto sealed = TRY(tx.get(kSecretTable, place("KeyEncryptionKey", bundle_)));
        return tx.put(kSecretTable, place("two", two), *sealed);
    }));
    Answer answer = release(attested(), kReleaser, "two");
    EXPECT_EQ(answer.status, 500);
    EXPECT_FALSE(answer.body.contains("value"));
    EXPECT_EQ(release(attested()).status, 200);
}

}  // namespace
}  // namespace vouchsafe::vault::test
