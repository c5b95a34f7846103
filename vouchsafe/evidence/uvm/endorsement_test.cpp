#include "vouchsafe/evidence/uvm/endorsement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/base/test_flips.h"
#include "vouchsafe/evidence/uvm/test_endorsement.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using vouchsafe::testing::free_bits;

constexpr const char* kGenuine = "milan-v2-aci-2022.uvm-endorsement.cose";

Bytes genuine() {
    return vector_bytes(std::string("uvm/") + kGenuine);
}

// verdict is "ok", or code and field of the check that failed.
std::string verdict(const Result<VerifiedUvmEndorsement>& result) {
    if (result) return "ok";
    const Check* reason = result.error().reason();
    if (reason == nullptr) return "no reason: " + result.error().message;
    EXPECT_EQ(result.error().code, find_check_info(reason->code)->error);
    return reason->code + " " + reason->field;
}

std::string verdict(ByteView cose, const UvmRules& rules = {}, Time now = uvm_time()) {
    Checks checks;
    return verdict(verify_uvm(cose, vendor_uvm_issuers(), rules, now, checks));
}

std::string verdict(const MadeUvm& made, const UvmRules& rules = {}, Time now = uvm_time()) {
    Checks checks;
    return verdict(verify_uvm(made.encode(), made.issuers(), rules, now, checks));
}

TEST(Uvm, GivesTheGenuineEndorsementItsVerdictAndFacts) {
    Json row = facts("uvm")[kGenuine];
    EXPECT_EQ(hex(crypto::sha256(genuine())), row["sha256"]);
    const Json& want = row["facts"];
    Checks checks;
    auto verified = verify_uvm(genuine(), vendor_uvm_issuers(), {}, uvm_time(), checks);
    ASSERT_TRUE(verified) << message(verified);
    const UvmEndorsement& said = verified->endorsement();
    EXPECT_EQ(said.issuer, want["headers"]["iss"]);
    EXPECT_EQ(said.feed, want["headers"]["feed"]);
    EXPECT_EQ(to_unix(*said.signing_time), want["headers"]["signingtime"]);
    EXPECT_EQ(std::to_string(said.guest_svn), want["payload"]["x-ms-sevsnpvm-guestsvn"]);
    EXPECT_EQ(hex(said.measurement), want["payload"]["x-ms-sevsnpvm-launchmeasurement"]);
    EXPECT_EQ(hex(verified->root().sha256_fingerprint()), want["root_sha256"]);
    ASSERT_EQ(verified->chain().size(), want["chain"].size());
    for (size_t i = 0; i < verified->chain().size(); ++i) {
        EXPECT_EQ(verified->chain()[i].subject(), want["chain"][i]);
    }
    auto parsed = MUST(crypto::parse_cose_sign1(genuine()));
    EXPECT_EQ(parsed.alg, want["alg"]);

    std::vector<std::string> codes;
    for (const Check& check : checks.list()) {
        if (codes.empty() || codes.back() != check.code) codes.push_back(check.code);
    }
    EXPECT_THAT(codes, ElementsAre("UVM-FORM", "UVM-ISSUER", "UVM-ROOT", "UVM-DATES", "UVM-CHAIN",
                                   "UVM-THUMBPRINT", "UVM-IDENTITY", "UVM-ALGORITHM",
                                   "UVM-SIGNATURE", "UVM-PAYLOAD", "UVM-SVN"));
    Json told = facts_of(*verified);
    EXPECT_EQ(told["guest_svn"], 22);
    EXPECT_EQ(told["signing_time"], "2023-02-08T05:42:23Z");
    EXPECT_EQ(told["root"]["sha256"], want["root_sha256"]);
}

TEST(Uvm, EndorsesTheMeasurementOfTheReportItCameWith) {
    Bytes report = vector_bytes("snp/milan-v2-aci-2022.report.bin");
    UvmRules rules;
    std::copy_n(report.begin() + 0x90, kUvmMeasurementSize, rules.measurement.emplace().begin());
    rules.minimum_svn = 22;
    EXPECT_EQ(verdict(genuine(), rules), "ok");
    (*rules.measurement)[47] ^= 1;
    EXPECT_EQ(verdict(genuine(), rules), "UVM-MEASUREMENT x-ms-sevsnpvm-launchmeasurement");
    rules.minimum_svn = 23;
    EXPECT_EQ(verdict(genuine(), rules), "UVM-SVN x-ms-sevsnpvm-guestsvn");
}

TEST(Uvm, IsValidOnlyWhileEveryCertificateIs) {
    EXPECT_THAT(verdict(genuine(), {}, at("2024-01-03T19:22:48Z")),
                ::testing::StartsWith("UVM-DATES CN=ContainerPlat"));
    EXPECT_EQ(verdict(genuine(), {}, at("2024-01-03T19:22:47Z")), "ok");
    EXPECT_EQ(verdict(genuine(), {}, at("2023-01-05T19:22:47Z")), "ok");
    EXPECT_THAT(verdict(genuine(), {}, at("2023-01-05T19:22:46Z")),
                ::testing::StartsWith("UVM-DATES"));
    EXPECT_EQ(verdict(MadeUvm{}, {}, uvm_time() + Seconds{3600}), "ok");
    EXPECT_THAT(verdict(MadeUvm{}, {}, uvm_time() + Seconds{3601}),
                ::testing::StartsWith("UVM-DATES"));
}

TEST(Uvm, RefusesWhatIsNoEndorsement) {
    EXPECT_EQ(verdict(MadeUvm{}), "ok");
    EXPECT_EQ(verdict(Bytes{}), "UVM-FORM endorsement");
    EXPECT_EQ(verdict(to_bytes("{}")), "UVM-FORM endorsement");
    Bytes cut = genuine();
    cut.pop_back();
    EXPECT_EQ(verdict(cut), "UVM-FORM endorsement");
    for (const Cbor& label :
         {Cbor::of(1), Cbor::of(33), Cbor::of_text("iss"), Cbor::of_text("feed")}) {
        MadeUvm made;
        made.edit = [&](std::vector<Cbor>& header) { drop_header(header, label); };
        EXPECT_EQ(verdict(made), "UVM-FORM endorsement");
    }
    for (const Cbor& time : {Cbor::of(1675834943), Cbor::of_tag(1, Cbor::of(-1)),
                             Cbor::of_tag(0, Cbor::of(1)), Cbor::of_tag(1, Cbor::of_text("1"))}) {
        MadeUvm made;
        made.signing_time = time;
        EXPECT_EQ(verdict(made), "UVM-FORM endorsement");
    }
    MadeUvm made;  // what may be absent
    made.edit = [](std::vector<Cbor>& header) {
        drop_header(header, Cbor::of_text("signingtime"));
        drop_header(header, Cbor::of(34));
    };
    EXPECT_EQ(verdict(made), "ok");
}

TEST(Uvm, RefusesEverybodyElseAndEveryOtherFeed) {
    EXPECT_EQ(verdict(MadeUvm{}.encode()), "UVM-ISSUER iss, feed");
    Checks checks;
    auto issuers = vendor_uvm_issuers();
    issuers[0].feed = "ConfAKS-AMD-UVM";
    EXPECT_EQ(verdict(verify_uvm(genuine(), issuers, {}, uvm_time(), checks)),
              "UVM-ISSUER iss, feed");
    EXPECT_EQ(verdict(verify_uvm(genuine(), {}, {}, uvm_time(), checks)), "UVM-ISSUER iss, feed");
    // The genuine name, on certificates that are made here.
    MadeUvm made;
    made.issuer = vendor_uvm_issuers()[0].did;
    made.feed = vendor_uvm_issuers()[0].feed;
    EXPECT_EQ(verdict(made.encode()), "UVM-ROOT iss");
    // The genuine root behind them.
    made.chain.push_back(MUST(crypto::parse_cose_sign1(genuine())).chain.back());
    made.edit = [](std::vector<Cbor>&) {};
    Time now = uvm_time();
    EXPECT_EQ(verdict(made.encode(), {}, now), "UVM-CHAIN x5chain[2]");
}

TEST(Uvm, WantsTheNamedCaAboveTheSigner) {
    MadeUvm made;
    made.issuer = did_of(uvm_authority().ca);  // any CA of the chain can be the one that is meant
    EXPECT_EQ(verdict(made), "ok");
    made.issuer = did_of(uvm_authority().leaf);
    EXPECT_EQ(verdict(made), "UVM-ROOT iss");
    made.issuer = "did:x509:0:sha256:AAAA::eku:1.2";
    EXPECT_EQ(verdict(made), "UVM-ROOT iss");
    made.issuer = "did:web:example.org";
    EXPECT_EQ(verdict(made), "UVM-ROOT iss");
}

TEST(Uvm, RefusesChainsThatDoNotHoldTogether) {
    const UvmAuthority& known = uvm_authority();
    UvmAuthority other;
    MadeUvm made;
    made.chain = {known.leaf, known.root, known.ca};
    EXPECT_EQ(verdict(made), "UVM-CHAIN x5chain[0]");
    made.chain = {other.leaf, known.ca, known.root};
    EXPECT_EQ(verdict(made), "UVM-CHAIN x5chain[0]");
    made.chain = {other.leaf, other.ca, known.root};
    EXPECT_EQ(verdict(made), "UVM-CHAIN x5chain[1]");
    made.chain = {known.leaf, known.root};
    EXPECT_EQ(verdict(made), "UVM-CHAIN x5chain[0]");
    // Signed by a certificate that may not sign.
    crypto::CertificateSpec spec = UvmAuthority::leaf_spec();
    auto below = UvmAuthority::issue(spec, other.key, &known.leaf, known.key);
    made.chain = {below, known.leaf, known.ca, known.root};
    EXPECT_EQ(verdict(made), "UVM-CHAIN x5chain");
}

TEST(Uvm, WantsTheSignerThatIsMeantByThumbprintAndName) {
    MadeUvm made;
    made.thumbprint = uvm_authority().ca.sha256_fingerprint();
    EXPECT_EQ(verdict(made), "UVM-THUMBPRINT x5t");

    crypto::CertificateSpec spec = UvmAuthority::leaf_spec();
    spec.extensions[0].value = uvm_usage(3);
    made = MadeUvm{};
    made.chain[0] = uvm_authority().issue_leaf(spec);
    EXPECT_EQ(verdict(made), "UVM-IDENTITY eku");
    spec.extensions.clear();
    made.chain[0] = uvm_authority().issue_leaf(spec);
    EXPECT_EQ(verdict(made), "UVM-IDENTITY eku");

    made = MadeUvm{};
    made.issuer = did_of(uvm_authority().root, "::subject:CN:ContainerPlat:O:A%3A%20company");
    EXPECT_EQ(verdict(made), "ok");
    made.issuer = did_of(uvm_authority().root, "::subject:CN:ContainerPlat:O:A");
    EXPECT_EQ(verdict(made), "UVM-IDENTITY subject");
}

TEST(Uvm, RefusesOtherAlgorithmsAndSignatures) {
    MadeUvm made;
    made.alg = -257;  // RS256
    EXPECT_EQ(verdict(made), "UVM-ALGORITHM alg");
    made.alg = -38;  // does not fit the key
    EXPECT_EQ(verdict(made), "UVM-SIGNATURE signature");
    made = MadeUvm{};
    Checks checks;
    Bytes forged = made.encode(uvm_authority().ca_key);
    EXPECT_EQ(verdict(verify_uvm(forged, made.issuers(), {}, uvm_time(), checks)),
              "UVM-SIGNATURE signature");
}

TEST(Uvm, RefusesPayloadsThatSaySomethingElse) {
    auto said = [](const Json& payload) {
        MadeUvm made;
        made.payload = dump_json(payload);
        return verdict(made);
    };
    Json good = MadeUvm::payload_json();
    EXPECT_EQ(said(good), "ok");
    for (const Json& svn :
         {Json(22), Json(""), Json("-1"), Json("22 "), Json("4294967296"), Json("0x16"), Json()}) {
        Json bad = good;
        bad["x-ms-sevsnpvm-guestsvn"] = svn;
        EXPECT_EQ(said(bad), "UVM-PAYLOAD payload") << svn;
    }
    for (const Json& measurement : {Json(std::string(94, 'a')), Json(std::string(98, 'a')),
                                    Json(std::string(96, 'g')), Json(1)}) {
        Json bad = good;
        bad["x-ms-sevsnpvm-launchmeasurement"] = measurement;
        EXPECT_EQ(said(bad), "UVM-PAYLOAD payload") << measurement;
    }
    MadeUvm made;
    made.payload = R"({"x-ms-sevsnpvm-guestsvn":"1","x-ms-sevsnpvm-guestsvn":"2"})";
    EXPECT_EQ(verdict(made), "UVM-PAYLOAD payload");
    made = MadeUvm{};
    made.content_type = Cbor::of_text("application/jwt");
    EXPECT_EQ(verdict(made), "UVM-PAYLOAD payload");
    made.payload = "{" + std::string(5000, ' ') + "}";
    EXPECT_EQ(verdict(made), "UVM-PAYLOAD payload");
}

// Free are only the tag and the other header, which nobody signs. (crypto/cose_test.cpp flips every
// bit of a shorter message.)
TEST(UvmMutation, OnlyTheTagAndTheUnsignedHeaderOfTheGenuineEndorsementAreFree) {
    constexpr size_t kFrame = 5;  // tag, array and head of the protected header
    const Bytes original = genuine();
    const auto parsed = MUST(crypto::parse_cose_sign1(original));
    size_t header = kFrame + parsed.protected_bytes.size();
    size_t payload = original.size() - parsed.signature.size() - 3 - parsed.payload.size() - 2;
    auto refused = [](const Bytes& changed) { return verdict(changed) != "ok"; };
    ASSERT_FALSE(refused(original));
    constexpr size_t kTag = 1;
    EXPECT_THAT(free_bits(original, {401, kTag, header}, refused), ::testing::IsEmpty());
    EXPECT_THAT(free_bits(original, {33, payload}, refused), ::testing::IsEmpty());
}

}  // namespace
}  // namespace vouchsafe::evidence
