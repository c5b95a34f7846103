// Receipts: what they prove, and to whom.
#include <gmock/gmock.h>

#include "vouchsafe/attest/test_receipt.h"
#include "vouchsafe/audit/test_tree.h"
#include "vouchsafe/base/removal_table.h"
#include "vouchsafe/base/test_flips.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;
using vouchsafe::testing::outcome;

class AttestReceipt : public ::testing::Test {
  protected:
    std::string judged(const std::string& receipt) { return outcome(office_.verify(receipt)); }
    std::string judged(const Json& payload) { return judged(office_.sign(payload)); }

    ReceiptOffice office_;
};

TEST_F(AttestReceipt, ProvesThatTheAppraisalIsInTheLog) {
    for (size_t others : {0, 1, 2, 3}) {
        office_.append_others(others);
        auto granted = office_.granted();
        ReceiptRules rules = office_.rules();
        rules.token = granted.token;
        Receipt receipt = MUST(office_.verify(granted.receipt, rules)).receipt();
        Json claims = claims_of(office_.running, granted.token);
        EXPECT_EQ(claims["jti"], receipt.token_jti);
        EXPECT_EQ(claims["iss"], receipt.issuer);
        EXPECT_EQ(receipt.head(), MUST(office_.running.log.head()));
        auto entries = MUST(office_.running.log.entries(receipt.proof.index, 2));
        ASSERT_EQ(entries.size(), 1u);
        EXPECT_EQ(entries[0].entry.details["jti"], receipt.token_jti);
        EXPECT_EQ(audit::leaf_hash(entries[0].entry.encode()), receipt.leaf);
        office_.append_others(3);
        EXPECT_TRUE(office_.recorded(granted.receipt, office_.running.log));
    }
}

TEST_F(AttestReceipt, IsThereOnlyForWhoAsksForIt) {
    for (const ReceiptOffice::Query& query : {ReceiptOffice::Query{}, {{"receipt", "false"}}}) {
        net::Response response = office_.ask_snp(query);
        EXPECT_EQ(MUST(parse_json_object(response.body)).size(), 1u);
        EXPECT_FALSE(token_of(response).empty());
    }
    const ReceiptOffice::Query wrong[] = {{{"receipt", "TRUE"}},
                                          {{"receipt", ""}},
                                          {{"receipt", "1"}},
                                          {{"receipt", "true"}, {"receipt", "true"}}};
    for (const auto& query : wrong) {
        EXPECT_EQ(refused_code(office_.running, office_.ask_snp(query)), "ATTEST-REQUEST");
    }
}

TEST_F(AttestReceipt, IsNotGivenForARefusal) {
    Json request = snp_request(Machine{});
    request["nonce"] = true;
    net::Response response = office_.ask("SevSnpVm", dump_json(request), {{"receipt", "true"}});
    EXPECT_EQ(refused_code(office_.running, response), "ATTEST-REQUEST");
    EXPECT_EQ(response.body.find("x-vouchsafe-receipt"), std::string::npos);
    EXPECT_EQ(response.headers.find("x-vouchsafe-receipt"), nullptr);
}

TEST_F(AttestReceipt, ComesWithEveryFormOfAnswer) {
    const ReceiptOffice::Query asked = {{"receipt", "true"}, {"format", "ear"}};
    auto receipt_in = [](const net::Response& response) {
        return MUST(json_string(MUST(parse_json_object(response.body)), "x-vouchsafe-receipt"));
    };
    auto about = [&](const std::string& receipt, const std::string& token) {
        ReceiptRules rules = office_.rules();
        rules.token = token;
        return outcome(office_.verify(receipt, rules));
    };
    net::Response ear = office_.ask_snp(asked);
    EXPECT_EQ(about(receipt_in(ear), token_of(ear)), "accepted");
    net::Response bare = office_.ask_snp({{"receipt", "true"}}, "application/eat+jwt");
    EXPECT_EQ(about(bare.headers.get("x-vouchsafe-receipt"), bare.body), "accepted");
    for (const auto& query : {asked, ReceiptOffice::Query{{"receipt", "true"}}}) {
        net::Response sealed = office_.ask("AzureGuest", guest_request(Machine{}), query);
        EXPECT_EQ(about(receipt_in(sealed), open_envelope(token_of(sealed))), "accepted");
    }
}

TEST_F(AttestReceipt, RefusesAnotherToken) {
    auto first = office_.granted(), second = office_.granted();
    ReceiptRules rules = office_.rules();
    rules.token = second.token;
    EXPECT_EQ(outcome(office_.verify(first.receipt, rules)), "RECEIPT-TOKEN");
    rules.token = first.token + "x";
    EXPECT_FALSE(office_.verify(first.receipt, rules));
    Json payload = first.payload();
    payload["iss"] = "https://other.attest.example";
    rules.token = first.token;
    EXPECT_EQ(outcome(office_.verify(office_.sign(payload), rules)), "TOKEN-ISSUER");
    rules.issuer = "";
    EXPECT_EQ(outcome(office_.verify(office_.sign(payload), rules)), "TOKEN-ISSUER");
    // Receipts outlive tokens.
    rules = office_.rules();
    rules.token = first.token;
    rules.now += Seconds{86400 * 365};
    EXPECT_EQ(outcome(office_.verify(first.receipt, rules)), "accepted");
}

TEST_F(AttestReceipt, RefusesOneOfTheFuture) {
    auto granted = office_.granted();
    ReceiptRules rules = office_.rules();
    rules.now -= Seconds{300};
    EXPECT_EQ(outcome(office_.verify(granted.receipt, rules)), "accepted");
    rules.now -= Seconds{1};
    EXPECT_EQ(outcome(office_.verify(granted.receipt, rules)), "RECEIPT-TIME");
}

TEST_F(AttestReceipt, RefusesAProofThatDoesNotHold) {
    office_.append_others(6);
    Json good = office_.granted().payload();  // entry 6: a path of two
    ASSERT_EQ(good["path"].size(), 2u);
    EXPECT_EQ(judged(good), "accepted");
    const std::string other = encode_base64url(audit::leaf_hash(as_bytes("other")));
    std::vector<Json> changes;
    for (const char* at : {"/path/0", "/path/1", "/leaf", "/root"}) {
        changes.push_back({{{"op", "replace"}, {"path", at}, {"value", other}}});
    }
    changes.push_back({{{"op", "remove"}, {"path", "/path/1"}}});
    changes.push_back({{{"op", "add"}, {"path", "/path/-"}, {"value", other}}});
    changes.push_back({{{"op", "replace"}, {"path", "/index"}, {"value", 5}}});
    changes.push_back({{{"op", "replace"}, {"path", "/size"}, {"value", 9}}});
    for (const Json& change : changes) {
        EXPECT_EQ(judged(good.patch(change)), "RECEIPT-INCLUSION") << change;
    }
}

TEST_F(AttestReceipt, RefusesWhatIsNoReceipt) {
    Json good = office_.granted().payload();
    for (const auto& [name, value] : good.items()) {
        Json without = good;
        without.erase(name);
        EXPECT_EQ(judged(without), "RECEIPT-FORM") << name;
        const Json wrong[] = {nullptr, true, -1, 1.5, "", "x", Json::array({1}), Json::object()};
        for (const Json& other : wrong) {
            if (name == "iss" && other.is_string()) continue;   // another issuer
            if (name == "token_jti" && other == "x") continue;  // another token
            Json changed = good;
            changed[name] = other;
            EXPECT_EQ(judged(changed), "RECEIPT-FORM") << name << " " << other;
        }
    }
    const std::string hash = good["leaf"];
    const std::pair<const char*, Json> bounds[] = {
        {"path", Json(std::vector<std::string>(54, hash))},
        {"path", Json::array({hash, hash + "A"})},
        {"path", Json::array({nullptr})},
        {"leaf", hash + "="},
        {"root", hash.substr(1)},
        {"index", good["size"]},
        {"size", int64_t{1} << 53},
        {"size", uint64_t{1} << 63},
        {"iat", 253402300800},
        {"token_jti", std::string(129, 'a')},
    };
    for (const auto& [name, value] : bounds) {
        Json changed = good;
        changed[name] = value;
        EXPECT_EQ(judged(changed), "RECEIPT-FORM") << name << " " << value;
    }
    Json more = good;
    more["more"] = {{"members", "are ignored"}};
    EXPECT_EQ(judged(more), "accepted");
    more["more"] = std::string(kMaxReceipt, 'x');
    EXPECT_EQ(judged(more), "RECEIPT-FORM");
    const std::string type(kReceiptType), text = dump_json(good);
    EXPECT_EQ(judged(office_.sign(text, "JWT")), "RECEIPT-FORM");
    EXPECT_EQ(judged(office_.sign(text + " ", type)), "accepted");
    EXPECT_EQ(judged(office_.sign(text + "x", type)), "RECEIPT-FORM");
    EXPECT_EQ(judged(office_.sign("[]", type)), "RECEIPT-FORM");
    EXPECT_EQ(judged(std::string()), "RECEIPT-FORM");
    EXPECT_EQ(judged(jose::unsigned_jws({{"typ", type}}, as_bytes(text))), "TOKEN-ALG");
}

TEST_F(AttestReceipt, HasNoBitThatCanBeFlipped) {
    office_.append_others(2);
    const jose::JwkSet keys = office_.keys();
    const ReceiptRules rules = office_.rules();
    Bytes good = to_bytes(office_.granted().receipt);
    auto refused = [&](const Bytes& changed) {
        Checks checks;
        auto verified = verify_receipt(as_text(changed), keys, rules, checks);
        return !verified && verified.error().reason() != nullptr;
    };
    EXPECT_THAT(vouchsafe::testing::free_bits(good, {.stride = 11}, refused), ::testing::IsEmpty());
}

TEST_F(AttestReceipt, IsNoTokenAndATokenIsNoReceipt) {
    auto granted = office_.granted();
    EXPECT_EQ(judged(granted.token), "RECEIPT-FORM");
    jose::JwtRules rules;
    rules.issuers = {office_.running.config().issuer};
    rules.now = office_.running.clock.now();
    Checks checks;
    auto verified = jose::verify_jwt(granted.receipt, office_.keys(), rules, checks);
    EXPECT_EQ(outcome(verified), "TOKEN-FORMAT");
}

// What a log says to receipts of another past.
class RewrittenLog : public AttestReceipt {
  protected:
    // rewritten is a log of the same entries after `change`, as somebody with the database makes
    // one: consistent in itself.
    std::string against(const std::function<void(std::vector<audit::Entry>&)>& change) {
        std::vector<audit::Entry> entries;
        for (auto& stored : MUST(office_.running.log.entries(0, audit::kMaxPage))) {
            entries.push_back(std::move(stored.entry));
        }
        change(entries);
        TemporaryDir dir = make_dir();
        auto store = open_store(dir.path());
        audit::Log log(*store);
        for (const audit::Entry& entry : entries) MUST(log.append(entry));
        return outcome(office_.recorded(receipt_, log));
    }
    static audit::Entry other_entry() {
        audit::Entry out;
        out.action = "other";
        return out;
    }
    void SetUp() override {
        office_.append_others(4);
        receipt_ = office_.granted().receipt;
        office_.append_others(3);
    }
    std::string receipt_;
};

TEST_F(RewrittenLog, IsFoundByAReceipt) {
    using Entries = std::vector<audit::Entry>;
    EXPECT_EQ(against([](Entries&) {}), "accepted");
    EXPECT_EQ(against([](Entries& all) { all.push_back(other_entry()); }), "accepted");
    EXPECT_EQ(against([](Entries& all) { all.resize(all.size() - 3); }), "accepted");
    // Cut, and cut and grown again.
    EXPECT_EQ(against([](Entries& all) { all.resize(4); }), "AUDIT-HEAD");
    EXPECT_EQ(against([](Entries& all) {
                  all.resize(4);
                  all.resize(9, other_entry());
              }),
              "AUDIT-HEAD");
    // Something before it, it itself, its order.
    EXPECT_EQ(against([](Entries& all) { all[0].actor = "somebody else"; }), "AUDIT-HEAD");
    EXPECT_EQ(against([](Entries& all) { all[4].details["jti"] = "another"; }), "AUDIT-HEAD");
    EXPECT_EQ(against([](Entries& all) { std::swap(all[3], all[4]); }), "AUDIT-HEAD");
    EXPECT_EQ(against([](Entries& all) { all.erase(all.begin()); }), "AUDIT-HEAD");
}

TEST_F(RewrittenLog, IsFoundByAnyOfManyReceipts) {
    std::vector<VerifiedReceipt> receipts = {MUST(office_.verify(receipt_))};
    receipts.push_back(MUST(office_.verify(office_.granted().receipt)));
    receipts.push_back(receipts.front());
    Checks checks;
    EXPECT_TRUE(verify_recorded(receipts, office_.running.log, checks));
    auto other = MUST(office_.verify(receipt_)).receipt().to_json();
    other["root"] = other["leaf"];  // a tree of one entry, which this log never was
    other["path"] = Json::array();
    other["index"] = 0;
    other["size"] = 1;
    receipts.push_back(MUST(office_.verify(office_.sign(other))));
    Checks again;
    EXPECT_EQ(outcome(verify_recorded(receipts, office_.running.log, again)), "AUDIT-HEAD");
}

TEST_F(RewrittenLog, IsNoMatterWhereTheReceiptIsAboutAnotherEntry) {
    Json payload = MUST(office_.verify(receipt_)).receipt().to_json();
    auto told = [&](const char* name, const char* value) {
        Json changed = payload;
        changed[name] = value;
        ReceiptRules any;
        any.now = office_.rules().now;
        Checks checks;
        auto verified = MUST(office_.verify(office_.sign(changed), any));
        return outcome(verify_recorded({verified}, office_.running.log, checks));
    };
    EXPECT_EQ(told("token_jti", "another"), "RECEIPT-ENTRY");
    EXPECT_EQ(told("iss", "https://other.attest.example"), "RECEIPT-ENTRY");

    audit::Entry refused;
    refused.outcome = audit::Outcome::refused;
    refused.details = {{"issuer", office_.running.config().issuer}, {"jti", "j"}};
    uint64_t index = MUST(office_.running.log.append(refused));
    Receipt about = MUST(make_receipt(office_.running.log, refused, index,
                                      office_.running.config().issuer, office_.rules().now));
    EXPECT_EQ(outcome(office_.recorded(office_.sign(about.to_json()), office_.running.log)),
              "RECEIPT-ENTRY");
}

TEST_F(AttestReceipt, IsTheSameWhateverIsAppendedMeanwhile) {
    office_.append_others(5);
    audit::Entry entry;
    entry.details = {{"jti", "j"}};
    audit::Log& log = office_.running.log;
    uint64_t index = MUST(log.append(entry));
    auto made = [&] {
        return MUST(make_receipt(log, entry, index, "https://a.example", from_unix(1))).to_json();
    };
    Json before = made();
    office_.append_others(7);
    EXPECT_EQ(made(), before);
}

TEST_F(AttestReceipt, IsNotMadeFromADamagedLog) {
    audit::Entry entry;
    entry.details = {{"jti", "j"}};
    audit::Log& log = office_.running.log;
    uint64_t index = MUST(log.append(entry));
    auto made = [&] { return make_receipt(log, entry, index, "https://a.example", from_unix(1)); };
    EXPECT_TRUE(made());
    audit::change_node(*office_.running.store, 0, index);
    ASSERT_FALSE(made());
    EXPECT_EQ(made().error().code, Code::io);
}

}  // namespace
}  // namespace vouchsafe::attest
