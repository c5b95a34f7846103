#include "vouchsafe/attest/snp_chains.h"

#include "vouchsafe/attest/test_service.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

Bytes chain_of(const Machine& machine) {
    return to_bytes(machine.chain_pem());
}

std::string endorsed(KeptSnpChains& kept, const Bytes& chain, Time now,
                     CollateralStore* collateral = share().collateral.get()) {
    static const evidence::TrustAnchors kAnchors = test_anchors();
    KeepingEndorser endorser(kAnchors, collateral, &kept);
    Checks checks;
    auto out = endorser.endorse(chain, now, checks);
    if (out) return fmt::format("{} checks", checks.list().size());
    return out.error().reason()->code;
}

bool holds(KeptSnpChains& kept, const Bytes& chain) {
    return kept.chains.find(crypto::hash(crypto::HashAlg::sha256, chain)) != nullptr;
}

TEST(KeptSnpChains, GiveTheSameChecksAsAFreshVerification) {
    KeptSnpChains kept;
    const Bytes chain = chain_of(Machine{});
    const std::string first = endorsed(kept, chain, test_time());
    ASSERT_TRUE(holds(kept, chain));
    EXPECT_EQ(endorsed(kept, chain, test_time()), first);
}

TEST(KeptSnpChains, KeepNothingThatWasRefused) {
    KeptSnpChains kept;
    Bytes other = chain_of(Machine{});
    other[other.size() / 2] ^= 1;
    EXPECT_TRUE(endorsed(kept, other, test_time()).starts_with("SNP-C"));
    EXPECT_FALSE(holds(kept, other));
}

TEST(KeptSnpChains, AreVerifiedAgainOnceADateHasPassed) {
    KeptSnpChains kept;
    const Bytes chain = chain_of(Machine{});
    endorsed(kept, chain, test_time());
    EXPECT_EQ(endorsed(kept, chain, test_time() + std::chrono::hours{24 * 365 * 30}, nullptr),
              "SNP-CHAIN-DATES");
}

TEST(KeptSnpChains, AreHeldAgainstAListThatCameLater) {
    KeptSnpChains kept;
    const Bytes chain = chain_of(Machine{});
    const std::string without = endorsed(kept, chain, test_time(), nullptr);
    const std::string with = endorsed(kept, chain, test_time());
    EXPECT_NE(with, without);  // the checks of the list
    EXPECT_EQ(endorsed(kept, chain, test_time()), with);
    EXPECT_EQ(endorsed(kept, chain, test_time(), nullptr), without);
}

TEST(KeptSnpChains, AreRefusedOnceAListRevokesThem) {
    KeptSnpChains kept;
    const Bytes chain = chain_of(Machine{});
    endorsed(kept, chain, test_time());
    TemporaryDir dir = make_dir();
    keep_ark_list(dir.path(), {keys().ask.certificate});
    auto collateral = MUST(
        CollateralStore::create({}, CollateralPack(dir.path()), test_anchors(), share().clock));
    EXPECT_EQ(endorsed(kept, chain, test_time(), collateral.get()), "SNP-REVOKED");
}

// A report as its verifier takes it apart: what is signed, and r and s big-endian.
struct SignedReport {
    explicit SignedReport(const Machine& machine) {
        data = machine.report(Bytes(64, 7));
        data.resize(evidence::kSnpSignedSize);
        signature = MUST(machine.vcek.sign(crypto::SigAlg::es384, data));
    }
    Bytes data, signature;
};

TEST(KeptSnpSignatures, HoldOnlyForExactlyWhatHeld) {
    KeptSnpChains kept;
    const evidence::TrustAnchors anchors = test_anchors();
    KeepingEndorser endorser(anchors, share().collateral.get(), &kept);
    Checks checks;
    const auto endorsements = MUST(endorser.endorse(chain_of(Machine{}), test_time(), checks));
    Machine stranger;
    stranger.vcek = make_vcek();
    const auto others = MUST(endorser.endorse(chain_of(stranger), test_time(), checks));
    const SignedReport report(Machine{});
    EXPECT_FALSE(endorser.holds(*others, report.data, report.signature));
    for (int again = 0; again < 2; ++again) {
        EXPECT_TRUE(endorser.holds(*endorsements, report.data, report.signature));
        EXPECT_FALSE(endorser.holds(*others, report.data, report.signature));
        for (size_t at : {size_t{0}, report.data.size() - 1}) {
            Bytes data = report.data;
            data[at] ^= 1;
            EXPECT_FALSE(endorser.holds(*endorsements, data, report.signature));
        }
        for (size_t at : {size_t{0}, report.signature.size() - 1}) {
            Bytes signature = report.signature;
            signature[at] ^= 1;
            EXPECT_FALSE(endorser.holds(*endorsements, report.data, signature));
        }
    }
}

TEST(KeptSnpSignatures, AreKeptOnceAndNotWhereNothingIs) {
    KeptSnpChains kept;
    const evidence::TrustAnchors anchors = test_anchors();
    KeepingEndorser keeping(anchors, share().collateral.get(), &kept);
    KeepingEndorser forgetful(anchors, share().collateral.get(), nullptr);
    Checks checks;
    const auto endorsements = MUST(keeping.endorse(chain_of(Machine{}), test_time(), checks));
    SignedReport report(Machine{});
    EXPECT_TRUE(forgetful.holds(*endorsements, report.data, report.signature));
    report.data[1] ^= 1;
    EXPECT_FALSE(forgetful.holds(*endorsements, report.data, report.signature));
    EXPECT_FALSE(keeping.holds(*endorsements, report.data, report.signature));
}

// Through the service: the same machine again, and then with a report that its processor did not
// sign.
TEST(KeptSnpSignatures, DoNotCoverAChangedReport) {
    Running running;
    Json body = snp_request(Machine{});
    const auto send = [&] { return running.send("POST", "/attest/SevSnpVm", dump_json(body)); };
    EXPECT_EQ(send().status, 200);
    EXPECT_EQ(send().status, 200);
    Json inner =
        MUST(parse_json_object(as_text(MUST(decode_base64url(body["report"].get<std::string>())))));
    Bytes report = MUST(decode_base64url(inner["SnpReport"].get<std::string>()));
    report[0x50] ^= 1;  // REPORT_DATA
    inner["SnpReport"] = encode_base64url(report);
    body["report"] = encode_base64url(as_bytes(dump_json(inner)));
    EXPECT_EQ(refused_code(running, send()), "SNP-SIGNATURE");
}

TEST(KeptSnpChains, ForgetTheChainThatWasNotUsedForLongest) {
    KeptSnpChains all;
    auto& kept = all.chains;
    auto some = std::make_shared<const KeptSnpChain>();
    auto digest = [](size_t i) { return to_bytes(fmt::format("{}", i)); };
    for (size_t i = 0; i < kept.kMost; ++i) kept.keep(digest(i), some);
    EXPECT_NE(kept.find(digest(0)), nullptr);  // used now
    kept.keep(digest(kept.kMost), some);
    EXPECT_NE(kept.find(digest(0)), nullptr);
    EXPECT_EQ(kept.find(digest(1)), nullptr);
    EXPECT_NE(kept.find(digest(kept.kMost)), nullptr);
}

TEST(KeptSnpChains, HaveTheIssuersOfVerifiedChainsReadAlready) {
    KeptSnpChains kept;
    Machine machine;
    machine.chip = 0xC2;
    const std::string first = endorsed(kept, chain_of(Machine{}), test_time());
    EXPECT_NE(kept.issuers.find(keys().ask.certificate.der()), nullptr);
    EXPECT_NE(kept.issuers.find(keys().ark.certificate.der()), nullptr);
    EXPECT_EQ(kept.issuers.find(machine.vcek_certificate().der()), nullptr);
    EXPECT_EQ(endorsed(kept, chain_of(machine), test_time()), first);
}

TEST(KeptSnpChains, KeepNoIssuersOfARefusedChain) {
    KeptSnpChains kept;
    endorsed(kept, chain_of(Machine{}), test_time() + std::chrono::hours{24 * 365 * 30}, nullptr);
    EXPECT_EQ(kept.issuers.find(keys().ask.certificate.der()), nullptr);
}

// The signatures of issuers and lists are kept, and what a list says is judged for each chain.
TEST(KeptSnpChains, HoldAnotherProcessorAgainstAKnownList) {
    KeptSnpChains kept;
    TemporaryDir dir = make_dir();
    Machine revoked;
    revoked.chip = 0xC3;
    keep_ark_list(dir.path(), {keys().ask.certificate});
    auto collateral = MUST(
        CollateralStore::create({}, CollateralPack(dir.path()), test_anchors(), share().clock));
    endorsed(kept, chain_of(Machine{}), test_time());
    for (int again = 0; again < 2; ++again) {
        EXPECT_EQ(endorsed(kept, chain_of(revoked), test_time(), collateral.get()), "SNP-REVOKED");
    }
    revoked.chip = 0xC4;
    EXPECT_EQ(endorsed(kept, chain_of(revoked), test_time() + std::chrono::hours{24 * 365 * 30}),
              "SNP-CHAIN-DATES");
}

TEST(KeptSnpChains, TakeNoOtherCertificateForAKnownIssuer) {
    KeptSnpChains kept;
    endorsed(kept, chain_of(Machine{}), test_time());
    const Issuer other = make_ca("ASK-TEST", &keys().ark);  // of the same name, with another key
    const std::string chain =
        Machine{}.vcek_certificate().pem() + other.certificate.pem() + keys().ark.certificate.pem();
    EXPECT_EQ(endorsed(kept, to_bytes(chain), test_time()), "SNP-CHAIN-LINK");
}

}  // namespace
}  // namespace vouchsafe::attest
