// Each kind of value: what matches, and the nearest that does not.
#include <gmock/gmock.h>

#include "vouchsafe/attest/reference/test_reference.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;
using ::testing::HasSubstr;

Time july() {
    return MUST(parse_rfc3339("2026-07-01T12:00:00Z"));
}

std::vector<std::string> fields(const Json& document, const Measured& measured, Time now = july()) {
    std::vector<std::string> out;
    for (const Mismatch& one : compare(reference_set(document), measured, now)) {
        EXPECT_FALSE(one.expected.empty());
        EXPECT_FALSE(one.found.empty());
        out.push_back(one.field);
    }
    return out;
}
using Fields = std::vector<std::string>;

TEST(ReferenceMatch, ComparesEachDigestAndEachNumberOfTheFormat) {
    for (const ReferenceField& field : reference_fields()) {
        SCOPED_TRACE(field.path);
        std::string kind = field.group == "snp"   ? "SevSnpVm"
                           : field.group == "tdx" ? "TdxVm"
                                                  : "SgxEnclave";
        Json value;
        Measured good, near;
        if (field.size > 0) {
            Bytes digest(field.size, 0x11);
            value = {encode_hex(Bytes(field.size, 0x22)), encode_hex(digest)};
            good.digests[field.path] = digest;
            digest.back() ^= 1;
            near.digests[field.path] = digest;
        } else {
            value = {{"min", 5}, {"max", 6}};
            good.numbers[field.path] = 5;
            near.numbers[field.path] = 4;
        }
        Json document = with_values({{field.group, {{field.name(), value}}}}, {kind});
        Fields its{std::string(field.path)};
        EXPECT_EQ(fields(document, good), Fields{});
        EXPECT_EQ(fields(document, near), its);
        EXPECT_EQ(fields(document, Measured{}), its);
        if (field.size > 0) continue;
        good.numbers[field.path] = 6;
        EXPECT_EQ(fields(document, good), Fields{});
        near.numbers[field.path] = 7;
        EXPECT_EQ(fields(document, near), its);
    }
}

TEST(ReferenceMatch, WantsEveryComponentOfTheTcbOfTheProduct) {
    Json floor = {{"bootloader", 4}, {"tee", 1}, {"snp", 24}, {"microcode", 219}};
    Json document = with_values({{"snp", {{"minimum-tcb", {{"Milan", floor}}}}}}, {"SevSnpVm"});
    Fields its{"snp.minimum-tcb"};
    auto with = [&](evidence::SnpProduct product, evidence::SnpTcb tcb) {
        Measured measured;
        measured.snp_product = product;
        measured.snp_tcb = tcb;
        return fields(document, measured);
    };
    constexpr auto kMilan = evidence::SnpProduct::milan;
    EXPECT_EQ(with(kMilan, {std::nullopt, 4, 1, 24, 219}), Fields{});
    EXPECT_EQ(with(kMilan, {std::nullopt, 9, 9, 99, 255}), Fields{});
    EXPECT_EQ(with(kMilan, {std::nullopt, 3, 9, 99, 255}), its);
    EXPECT_EQ(with(kMilan, {std::nullopt, 9, 0, 99, 255}), its);
    EXPECT_EQ(with(kMilan, {std::nullopt, 9, 9, 23, 255}), its);
    EXPECT_EQ(with(kMilan, {std::nullopt, 9, 9, 99, 218}), its);
    EXPECT_EQ(with(evidence::SnpProduct::genoa, {std::nullopt, 9, 9, 99, 255}), its);
    EXPECT_EQ(fields(document, Measured{}), its);
}

TEST(ReferenceMatch, WantsEveryComponentOfTheTdxModulesTcb) {
    std::vector<int> floor(16, 3);
    Json document = with_values({{"tdx", {{"minimum-tee-tcb-svn", floor}}}}, {"TdxVm"});
    Measured measured;
    EXPECT_EQ(fields(document, measured), Fields{"tdx.minimum-tee-tcb-svn"});
    TeeTcbSvn svn;
    svn.fill(3);
    measured.tee_tcb_svn = svn;
    EXPECT_EQ(fields(document, measured), Fields{});
    for (size_t i = 0; i < svn.size(); ++i) {
        svn.fill(200);
        svn[i] = 2;
        measured.tee_tcb_svn = svn;
        EXPECT_EQ(fields(document, measured), Fields{"tdx.minimum-tee-tcb-svn"}) << i;
    }
}

TEST(ReferenceMatch, ComparesTheQuotedRegister) {
    Json document = with_values({{"pcrs", {{"7", {encode_hex(Bytes(32, 7))}}}}}, {"AzureGuest"});
    Measured measured;
    EXPECT_EQ(fields(document, measured), Fields{"pcrs.7"});
    measured.pcrs[6] = Bytes(32, 7);
    EXPECT_EQ(fields(document, measured), Fields{"pcrs.7"});
    measured.pcrs[7] = Bytes(32, 7);
    EXPECT_EQ(fields(document, measured), Fields{});
    measured.pcrs[7][0] ^= 1;
    EXPECT_EQ(fields(document, measured), Fields{"pcrs.7"});
}

// A guest can add the event of a good kernel after it booted a bad one; the bad one stays.
TEST(ReferenceMatch, WantsNothingButKnownEventsInARegister) {
    Bytes a(32, 0xA), b(32, 0xB), bad(32, 0xC);
    Json document =
        with_values({{"event-digests", {{"4", {encode_hex(b), encode_hex(a)}}}}}, {"AzureGuest"});
    auto with = [&](std::vector<Bytes> events) {
        Measured measured;
        measured.events[4] = std::move(events);
        return fields(document, measured);
    };
    Fields its{"event-digests.4"};
    EXPECT_EQ(with({a, b}), Fields{});
    EXPECT_EQ(with({b, a, a}), Fields{});
    EXPECT_EQ(with({a}), Fields{});
    EXPECT_EQ(with({bad, a, b}), its);
    EXPECT_EQ(with({a, b, bad}), its);
    EXPECT_EQ(with({}), its);
    EXPECT_EQ(fields(document, Measured{}), its);
    Measured unconfirmed;
    unconfirmed.events[5] = {a};
    EXPECT_EQ(fields(document, unconfirmed), its);
}

TEST(ReferenceMatch, IsOfAllFieldsTogether) {
    Json document = reference_document();
    document["values"]["snp"]["guest-svn"] = {{"min", 7}};
    Measured measured;
    measured.digests["snp.measurement"] = Bytes(48, 0x4D);
    measured.numbers["snp.guest-svn"] = 7;
    EXPECT_EQ(fields(document, measured), Fields{});
    measured.numbers["snp.guest-svn"] = 6;
    EXPECT_EQ(fields(document, measured), Fields{"snp.guest-svn"});
    measured.digests.clear();
    EXPECT_EQ(fields(document, measured), (Fields{"snp.measurement", "snp.guest-svn"}));
}

TEST(ReferenceMatch, IsOnlyWithinTheValidity) {
    Measured measured;
    measured.digests["snp.measurement"] = Bytes(48, 0x4D);
    auto at = [&](const char* time) {
        return fields(reference_document(), measured, MUST(parse_rfc3339(time)));
    };
    EXPECT_EQ(at("2026-01-01T00:00:00Z"), Fields{});
    EXPECT_EQ(at("2025-12-31T23:59:59Z"), Fields{"validity"});
    EXPECT_EQ(at("2026-12-31T23:59:59Z"), Fields{});
    EXPECT_EQ(at("2027-01-01T00:00:00Z"), Fields{"validity"});
    EXPECT_EQ(fields(reference_removal("prod", 2), measured), Fields{"name"});
}

TEST(ReferenceMatch, HoldsOfWhatWasMadeOfTheEvidenceItself) {
    Measured measured;
    for (const ReferenceField& field : reference_fields()) {
        if (field.group != "snp") continue;
        if (field.size > 0) measured.digests[field.path] = Bytes(field.size, 1);
        if (field.size == 0) measured.numbers[field.path] = 5;
    }
    measured.digests["snp.host-data"] = Bytes(32, 0);  // nobody gave any
    measured.snp_product = evidence::SnpProduct::milan;
    measured.snp_tcb = {std::nullopt, 4, 0, 24, 219};
    measured.pcrs = {{7, Bytes(32, 7)}, {23, Bytes(32, 8)}};
    ReferenceSet set = reference_set(reference_document());
    set.evidence = {policy::AttestationTarget::azure_guest};
    set.values = reference_values_of(measured);
    EXPECT_FALSE(set.values.digests.contains("snp.host-data"));
    EXPECT_FALSE(set.values.pcrs.contains(23));
    EXPECT_EQ(reference_set(set.to_json()), set);
    EXPECT_EQ(fields(set.to_json(), measured), Fields{});
    measured.digests["snp.image-id"][0] ^= 1;
    measured.snp_tcb.tee = 1;
    measured.numbers["snp.guest-svn"] = 4;
    EXPECT_EQ(fields(set.to_json(), measured), (Fields{"snp.image-id", "snp.guest-svn"}));
}

TEST(ReferenceFindings, AreBoundedAndNameSetFieldAndValues) {
    ReferenceFindings findings;
    EXPECT_TRUE(findings.empty());
    Json many = reference_document("many");
    for (const char* name : {"id-key-digest", "author-key-digest"}) {
        many["values"]["snp"][name] = {encode_hex(Bytes(48, 1))};
    }
    for (const char* name : {"family-id", "image-id"}) {
        many["values"]["snp"][name] = {encode_hex(Bytes(16, 1))};
    }
    for (size_t i = 0; i < kMaxMissedTold + 2; ++i) {
        findings.add(reference_set(many), compare(reference_set(many), Measured{}, july()));
    }
    findings.add(reference_set(reference_document("good", 3)), {});
    Json told = findings.to_json();
    EXPECT_EQ(told["matched"], Json::array({"good:3"}));
    EXPECT_EQ(told["missed"].size(), kMaxMissedTold * kMaxMismatchesTold);
    EXPECT_EQ(told["missed"][0]["field"], "snp.measurement");
    EXPECT_EQ(told["missed"][0]["expected"], encode_hex(Bytes(48, 0x4D)));
    EXPECT_EQ(told["missed"][0]["found"], "not in the evidence");
    auto lines = findings.lines();
    EXPECT_THAT(lines, ::testing::Contains("reference values many:1: 1 more do not match"));
    EXPECT_EQ(lines.back(), "2 more sets do not match");
    Json claims = Json::object();
    add_reference_claims(claims, findings);
    EXPECT_EQ(claims, (Json{{"x-vouchsafe-reference-values", {"good"}},
                            {"x-vouchsafe-reference-value-versions", {"good:3"}}}));
    claims = Json::object();
    add_reference_claims(claims, {});
    EXPECT_TRUE(claims.empty());
}

}  // namespace
}  // namespace vouchsafe::attest
