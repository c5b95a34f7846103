#include "vouchsafe/jose/key_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::jose {
namespace {

using crypto::SigAlg;
using ::testing::ElementsAre;

const Time kStart = *parse_rfc3339("2026-07-01T00:00:00Z");
constexpr Seconds kHour{3600};
constexpr Seconds kTokens{28800};
constexpr std::string_view kPlace = "test/one";

crypto::RootKey root_key(uint8_t fill = 1) {
    return MUST(crypto::RootKey::from_bytes(Bytes(32, fill)));
}

SigningKey make_key(SigAlg alg = SigAlg::es256) {
    return MUST(SigningKey::generate("https://as.example", kStart, Seconds{86400 * 100}, alg));
}

KeyRing one_key_ring() {
    return MUST(KeyRing::of(make_key(), kStart));
}

std::vector<std::string> published(const KeyRing& ring, Time now) {
    std::vector<std::string> out;
    const Json set = ring.jwks(now);
    for (const Json& entry : set["keys"]) out.push_back(entry["kid"]);
    return out;
}

std::vector<std::string> kids(const KeyRing& ring) {
    std::vector<std::string> out;
    for (const RingKey& key : ring.keys()) out.push_back(key.kid);
    return out;
}

TEST(KeyRing, AnAnnouncedKeyIsPublishedBeforeItSigns) {
    KeyRing ring = one_key_ring();
    Time turn = kStart + kKeyAnnounced;
    MUST(ring.add(make_key(), turn, kStart));
    auto names = kids(ring);
    EXPECT_EQ(ring.signing(turn - Seconds{1}).kid, names[0]);
    EXPECT_THAT(published(ring, kStart), ElementsAre(names[0], names[1]));
    EXPECT_EQ(ring.signing(turn).kid, names[1]);
    EXPECT_THAT(published(ring, turn), ElementsAre(names[1], names[0]));
}

TEST(KeyRing, AKeyStaysPublishedUntilItsLastTokenHasEnded) {
    KeyRing ring = one_key_ring();
    MUST(ring.add(make_key(), kStart + kHour, kStart + kHour));
    auto names = kids(ring);
    Time end = kStart + kHour + kTokens + kKeyLeeway;
    EXPECT_EQ(ring.published_until(ring.keys()[0]), end);
    EXPECT_EQ(ring.published_until(ring.newest()), std::nullopt);
    EXPECT_THAT(published(ring, end), ElementsAre(names[1], names[0]));
    EXPECT_THAT(published(ring, end + Seconds{1}), ElementsAre(names[1]));
    ring.allow_lifetime(kTokens * 3, kStart);
    ring.allow_lifetime(kTokens, kStart);  // tokens of before may still be there
    EXPECT_EQ(ring.published_until(ring.keys()[0]), end + 2 * kTokens);
    EXPECT_EQ(ring.newest().longest, kTokens);  // it signed none of them
    EXPECT_TRUE(ring.allows_lifetime(kTokens * 3, kStart));
    EXPECT_FALSE(ring.allows_lifetime(kTokens * 3, kStart + kHour));
}

TEST(KeyRing, TidyingErasesPrivateHalvesFirstAndEntriesLater) {
    KeyRing ring = one_key_ring();
    Time turn = kStart + kHour;
    MUST(ring.add(make_key(), turn, turn));
    auto names = kids(ring);
    EXPECT_FALSE(ring.needs_tidying(turn + kKeyLeeway));
    EXPECT_TRUE(ring.needs_tidying(turn + kKeyLeeway + Seconds{1}));
    EXPECT_THAT(ring.tidy(turn + kKeyLeeway + Seconds{1}), ElementsAre());
    EXPECT_FALSE(ring.keys()[0].signer);
    EXPECT_TRUE(ring.newest().signer);
    EXPECT_EQ(published(ring, turn + kHour).size(), 2u);
    // The erased one lives on in the record, and does not sign even if the clock is set back.
    KeyRing again = MUST(KeyRing::parse(ring.to_record(root_key(), kPlace), root_key(), kPlace));
    EXPECT_EQ(again.jwks(turn), ring.jwks(turn));
    EXPECT_EQ(again.signing(kStart).kid, names[1]);

    Time end = *ring.published_until(ring.keys()[0]);
    EXPECT_FALSE(ring.needs_tidying(end));
    EXPECT_THAT(ring.tidy(end + Seconds{1}), ElementsAre(names[0]));
    EXPECT_THAT(kids(ring), ElementsAre(names[1]));
    EXPECT_FALSE(ring.needs_tidying(end + kHour * 10000));
    EXPECT_THAT(ring.tidy(end + kHour * 10000), ElementsAre());
}

TEST(KeyRing, AKeyThatSignsNowOvertakesAnAnnouncedOne) {
    KeyRing ring = one_key_ring();
    MUST(ring.add(make_key(), kStart + kKeyAnnounced, kStart));
    MUST(ring.add(make_key(SigAlg::rs256), kStart + kHour, kStart + kHour));
    auto names = kids(ring);
    EXPECT_EQ(ring.signing(kStart + kHour).kid, names[2]);
    EXPECT_EQ(ring.signing(kStart + 2 * kKeyAnnounced).kid, names[2]);
    EXPECT_EQ(published(ring, kStart + kHour).size(), 3u);
    EXPECT_EQ(ring.algorithms(kStart + kHour), Json({"RS256", "ES256"}));
}

TEST(KeyRing, BringsAnAnnouncedKeyForward) {
    KeyRing ring = one_key_ring();
    EXPECT_FALSE(ring.bring_forward(kStart));
    MUST(ring.add(make_key(), kStart + kKeyAnnounced, kStart));
    EXPECT_TRUE(ring.bring_forward(kStart + kHour));
    EXPECT_EQ(ring.signing(kStart + kHour).kid, kids(ring)[1]);
    EXPECT_EQ(*ring.published_until(ring.keys()[0]), kStart + kHour + kTokens + kKeyLeeway);
}

TEST(KeyRing, SignsWithItsFirstKeyBeforeThatOnesHour) {
    KeyRing ring = one_key_ring();
    MUST(ring.add(make_key(), kStart + kHour, kStart + kHour));
    EXPECT_EQ(ring.signing(kStart - kHour).kid, kids(ring)[0]);
}

TEST(KeyRing, TakesNoKeyWhereAClockIsWrongOrNoneFits) {
    KeyRing ring = one_key_ring();
    Time wrong = kStart - kKeyAnnounced - kKeyLeeway - Seconds{1};
    EXPECT_EQ(ring.add(make_key(), wrong, wrong).error().code, Code::conflict);
    EXPECT_TRUE(ring.add(make_key(), wrong + Seconds{1}, wrong + Seconds{1}));
    while (ring.keys().size() < kMaxRingKeys) MUST(ring.add(make_key(), kStart, kStart));
    EXPECT_EQ(ring.add(make_key(), kStart, kStart).error().code, Code::conflict);
}

TEST(KeyRing, ReadsTheRecordOfOneKeyAsARingOfIt) {
    SigningKey key = make_key(SigAlg::rs256);
    Bytes record = key.to_record(root_key(), kPlace);
    EXPECT_TRUE(KeyRing::is_single(record));
    KeyRing ring = MUST(KeyRing::parse(record, root_key(), kPlace));
    EXPECT_EQ(ring.newest().certificate.der(), key.certificate().der());
    EXPECT_EQ(ring.newest().signs_from, kStart);
    EXPECT_FALSE(KeyRing::is_single(ring.to_record(root_key(), kPlace)));
}

// sealed is a record of this text, as somebody with the root key could write it.
Bytes sealed(const std::string& text) {
    return root_key().seal(std::string(kPlace) + "/ring", as_bytes(text));
}

Json plain(const KeyRing& ring) {
    SecretBytes opened =
        MUST(root_key().open(std::string(kPlace) + "/ring", ring.to_record(root_key(), kPlace)));
    return MUST(parse_json(as_text(opened.expose())));
}

TEST(KeyRing, ReadsARecordOfBeforeAsIfEachKeyHadSignedItsLongestToken) {
    KeyRing ring = one_key_ring();
    ring.allow_lifetime(kTokens * 3, kStart);
    MUST(ring.add(make_key(), kStart + kHour, kStart + kHour));
    Json json = plain(ring);
    auto longest_of = [&] {
        KeyRing read = MUST(KeyRing::parse(sealed(dump_json(json)), root_key(), kPlace));
        return std::vector<Seconds>{read.keys()[0].longest, read.keys()[1].longest};
    };
    EXPECT_THAT(longest_of(), ElementsAre(kTokens * 3, kTokens));
    for (Json& key : json["keys"]) key.erase("longest");
    EXPECT_THAT(longest_of(), ElementsAre(kTokens * 3, kTokens * 3));
}

TEST(KeyRing, OpensNoRecordOfAnotherPlaceOrRootAndNoChangedOne) {
    KeyRing ring = one_key_ring();
    Bytes record = ring.to_record(root_key(), kPlace);
    EXPECT_TRUE(KeyRing::parse(record, root_key(), kPlace));
    EXPECT_EQ(KeyRing::parse(record, root_key(2), kPlace).error().code, Code::bad_evidence);
    EXPECT_EQ(KeyRing::parse(record, root_key(), "test/two").error().code, Code::bad_evidence);
    for (size_t i = 0; i < record.size(); i += 7) {
        Bytes changed = record;
        changed[i] ^= 1;
        EXPECT_FALSE(KeyRing::parse(changed, root_key(), kPlace)) << i;
    }
    for (size_t size : {size_t{0}, size_t{4}, size_t{51}, record.size() - 1}) {
        EXPECT_FALSE(KeyRing::parse({record.data(), size}, root_key(), kPlace)) << size;
    }
    // Who can write the store alone cannot add a key: nothing that is not sealed is read.
    EXPECT_FALSE(KeyRing::parse(as_bytes(dump_json(plain(ring))), root_key(), kPlace));
}

TEST(KeyRing, RefusesWhatMakesNoSense) {
    KeyRing ring = one_key_ring();
    MUST(ring.add(make_key(SigAlg::rs256), kStart + kHour, kStart + kHour));
    const Json good = plain(ring);
    EXPECT_TRUE(KeyRing::parse(sealed(dump_json(good)), root_key(), kPlace));
    auto refused = [&](const std::function<void(Json&)>& change) {
        Json json = good;
        change(json);
        return !KeyRing::parse(sealed(dump_json(json)), root_key(), kPlace);
    };
    EXPECT_TRUE(refused([](Json& json) { json["format"] = 2; }));
    EXPECT_TRUE(refused([](Json& json) { json["longest"] = -1; }));
    EXPECT_TRUE(refused([](Json& json) { json["longest"] = int64_t{1} << 60; }));
    EXPECT_TRUE(refused([](Json& json) { json["longest"] = "28800"; }));
    EXPECT_TRUE(refused([](Json& json) { json["keys"] = Json::array(); }));
    EXPECT_TRUE(refused([](Json& json) { json["keys"] = Json::object(); }));
    EXPECT_TRUE(refused([](Json& json) { json["keys"][0] = 7; }));
    EXPECT_TRUE(refused([](Json& json) { json["keys"][0].erase("from"); }));
    EXPECT_TRUE(refused([](Json& json) { json["keys"][0]["from"] = -1; }));
    EXPECT_TRUE(refused([](Json& json) { json["keys"][0]["longest"] = -1; }));
    EXPECT_TRUE(refused([](Json& json) { json["keys"][0]["longest"] = int64_t{1} << 60; }));
    EXPECT_TRUE(refused([](Json& json) { json["keys"][0]["from"] = int64_t{1} << 60; }));
    EXPECT_TRUE(refused([](Json& json) { json["keys"][0]["certificate"] = "AAAA"; }));
    EXPECT_TRUE(refused([](Json& json) { json["keys"][0]["alg"] = "none"; }));
    EXPECT_TRUE(refused([](Json& json) { json["keys"][0]["alg"] = "RS256"; }));
    EXPECT_TRUE(refused([](Json& json) { json["keys"][1].erase("sealed"); }));  // none could sign
    EXPECT_TRUE(refused([](Json& json) { json["keys"].push_back(json["keys"][1]); }));
    EXPECT_TRUE(refused([](Json& json) { std::swap(json["keys"][0], json["keys"][1]); }));
    EXPECT_TRUE(refused([](Json& json) { json["keys"][0]["sealed"] = json["keys"][1]["sealed"]; }));
    EXPECT_TRUE(refused([](Json& json) {
        json["keys"] = Json(std::vector<Json>(kMaxRingKeys + 1, json["keys"][0]));
    }));
    // The older one may lack its private half, but then says what it was for.
    EXPECT_FALSE(refused([](Json& json) { json["keys"][0].erase("sealed"); }));
    EXPECT_TRUE(refused([](Json& json) {
        json["keys"][0].erase("sealed");
        json["keys"][0].erase("alg");
    }));
    EXPECT_TRUE(refused([](Json& json) {
        json["keys"][0].erase("sealed");
        json["keys"][0]["alg"] = "PS256";
    }));
}

}  // namespace
}  // namespace vouchsafe::jose
