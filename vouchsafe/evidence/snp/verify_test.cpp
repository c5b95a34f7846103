#include "vouchsafe/evidence/snp/verify.h"

#include <functional>

#include "vouchsafe/evidence/snp/test_machine.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

TEST(SnpVerify, AcceptsEveryGenuineReport) {
    const std::map<std::string, SnpProduct> reports{
        {"milan-v2-coco", SnpProduct::milan},    {"milan-v2-aci-2022", SnpProduct::milan},
        {"milan-v3-aci", SnpProduct::milan},     {"genoa-v3-aci", SnpProduct::genoa},
        {"bergamo-siena-v5", SnpProduct::genoa}, {"turin-v5-azure", SnpProduct::turin}};
    for (const auto& [name, product] : reports) {
        SCOPED_TRACE(name);
        SnpCase one = recorded_snp(name);
        auto verified = one.verify();
        ASSERT_TRUE(verified) << message(verified);
        EXPECT_EQ(verified->product(), product);
        EXPECT_EQ(verified->tier(), Tier::hardware);
        EXPECT_TRUE(passed(one.checks, "SNP-SIGNATURE"));
        EXPECT_TRUE(passed(one.checks, "SNP-CHAIN-ROOT"));
    }
}

TEST(SnpVerify, TakesTheReportedTcbNotTheCurrentOne) {
    VerifiedSnpReport verified = MUST(recorded_snp("milan-v2-coco").verify());
    EXPECT_EQ(verified.reported_tcb().microcode, 0x73);
    EXPECT_EQ(verified.current_tcb().microcode, 0xce);
}

TEST(SnpVerify, AcceptsAnotherCertificateOfTheSameKey) {
    auto verified = recorded_snp("milan-v3-aci", "milan-v3-aci.vcek-older-issue.der").verify();
    EXPECT_TRUE(verified) << message(verified);
}

TEST(SnpVerify, AcceptsAVlekAtItsTimeAndLevel) {
    SnpCase one = recorded_snp("milan-v3-vlek-aws", "milan-v3-vlek-aws.vlek.der");
    one.now = recorded_vlek_time();
    EXPECT_EQ(refusal(one.verify()), "SNP-VMPL");  // asked for at level 1
    one.rules.vmpl = 1;
    auto verified = one.verify();
    ASSERT_TRUE(verified) << message(verified);
    EXPECT_EQ(MUST(SnpCertificate::parse(verified->signer())).csp_id,
              "CN=cc-us-east-2.amazonaws.com");
    one.now = recorded_time();  // VLEKs live one year
    auto expired = one.verify();
    EXPECT_EQ(refusal(expired), "SNP-CHAIN-DATES");
    EXPECT_EQ(expired.error().code, Code::expired);
}

TEST(SnpVerify, RefusesAReportThatAllowsDebuggingThoughItIsGenuine) {
    SnpCase one = recorded_snp("milan-v2-google-debug");
    auto verified = one.verify();
    EXPECT_EQ(refusal(verified), "SNP-POLICY-DEBUG");
    EXPECT_EQ(refused_field(verified), "policy.debug");
    EXPECT_TRUE(passed(one.checks, "SNP-SIGNATURE"));
}

TEST(SnpVerify, RefusesEveryDerivedReport) {
    struct Row {
        const char* name;
        const char* leaf;
        const char* code;
    };
    for (const Row& row : std::initializer_list<Row>{
             {"derived/flip-report-data", "genoa-v3-aci.vcek.der", "SNP-SIGNATURE"},
             {"derived/flip-policy-debug", "genoa-v3-aci.vcek.der", "SNP-SIGNATURE"},
             {"derived/flip-sig-s", "milan-v3-aci.vcek.der", "SNP-SIGNATURE"},
             {"derived/sig-big-endian", "milan-v3-aci.vcek.der", "SNP-SIGNATURE"},
             {"derived/sig-zero", "milan-v3-aci.vcek.der", "SNP-SIGNATURE-FORM"},
             {"derived/sig-r-high-bytes", "milan-v3-aci.vcek.der", "SNP-SIGNATURE-FORM"},
             {"derived/sig-algo-2", "milan-v3-aci.vcek.der", "SNP-SIGNATURE-ALGORITHM"},
             {"derived/truncated", "turin-v5-azure.vcek.der", "SNP-SIZE"},
             {"derived/empty", "turin-v5-azure.vcek.der", "SNP-SIZE"},
             {"derived/version-0", "turin-v5-azure.vcek.der", "SNP-VERSION"},
             {"derived/version-ffffffff", "turin-v5-azure.vcek.der", "SNP-VERSION"},
             {"milan-v2-coco", "bad-vcek-legacy.der", "SNP-CHAIN-LINK"},
             {"milan-v2-coco", "bad-vcek-new.der", "SNP-CHAIN-LINK"},
             {"milan-v3-aci", "milan-v2-coco.vcek.der", "SNP-TCB-BOOTLOADER"},
             {"milan-v3-aci", "genoa-v3-aci.vcek.der", "SNP-PRODUCT"},
             {"milan-v3-aci", "milan-v3-vlek-aws.vlek.der", "SNP-CERT-KIND"},
             {"milan-v2-coco", "milan-v2-aci-2022.vcek.der", "SNP-CHIP-ID"}}) {
        EXPECT_EQ(refusal(recorded_snp(row.name, row.leaf).verify()), row.code)
            << row.name << " " << row.leaf;
    }
}

TEST(SnpVerify, RefusesAVersion1ReportByName) {
    SnpCase one = recorded_snp("milan-v2-coco");
    one.report[0] = 1;
    auto verified = one.verify();
    EXPECT_EQ(refusal(verified), "SNP-VERSION");
    EXPECT_EQ(verified.error().reason()->found, "1");
}

TEST(SnpVerify, RefusesACompleteForgedChainWithAmdsNames) {
    SnpCase one = recorded_snp("derived/forged-chain", "genoa-v3-aci.vcek.der");
    one.endorsements = MUST(
        SnpEndorsements::parse(vector_bytes("snp/derived/forged-chain.certs.pem"), one.checks));
    EXPECT_EQ(refusal(one.verify()), "SNP-CHAIN-ROOT");
    // Without its root the forged intermediate is still signed by nobody we know.
    std::erase_if(one.endorsements.intermediates, [](const crypto::Certificate& certificate) {
        return equal(certificate.subject_der(), certificate.issuer_der());
    });
    EXPECT_EQ(refusal(one.verify()), "SNP-CHAIN-ROOT");
    // And the genuine intermediates did not sign the forged leaf.
    one.endorsements.intermediates.clear();
    EXPECT_EQ(refusal(one.verify()), "SNP-CHAIN-LINK");
}

TEST(SnpVerify, AcceptsSimulatedEvidenceUnderItsOwnRootOnly) {
    for (const char* identity : {"identity-on", "identity-off", "identity-full"}) {
        SCOPED_TRACE(identity);
        SnpCase one = simulated_snp(identity);
        auto verified = one.verify();
        ASSERT_TRUE(verified) << message(verified);
        EXPECT_EQ(verified->tier(), Tier::simulated);
        one.anchors = vendor_anchors();
        EXPECT_EQ(refusal(one.verify()), "SNP-CHAIN-ROOT");
        one.endorsements.intermediates.pop_back();  // without its ARK
        EXPECT_EQ(refusal(one.verify()), "SNP-CHAIN-ROOT");
    }
    SnpCase other = simulated_snp("identity-full");
    other.anchors = simulated_anchors("identity-on");
    EXPECT_EQ(refusal(other.verify()), "SNP-CHAIN-ROOT");
}

TEST(SnpVerify, RefusesGenuineEvidenceUnderSimulatedAnchors) {
    SnpCase one = recorded_snp("milan-v3-aci");
    one.anchors = simulated_anchors("identity-on", true);
    EXPECT_EQ(refusal(one.verify()), "SNP-CHAIN-ROOT");
    one.anchors = {};
    EXPECT_EQ(refusal(one.verify()), "SNP-CHAIN-ROOT");
}

TEST(SnpVerify, UsesKnownIntermediatesWhenNoneCome) {
    SnpCase one = simulated_snp("identity-on");
    one.endorsements.intermediates.clear();
    EXPECT_EQ(refusal(one.verify()), "SNP-CHAIN-ROOT");
    one.anchors = simulated_anchors("identity-on", true);
    EXPECT_TRUE(one.verify());
}

TEST(SnpVerify, RefusesALeafInThePlaceOfTheIntermediate) {
    SnpCase one = simulated_snp("identity-on");
    one.endorsements.intermediates = {one.endorsements.leaf};
    EXPECT_EQ(refusal(one.verify()), "SNP-CHAIN-ROOT");
}

TEST(SnpVerify, ChecksTheDatesOfEveryCertificate) {
    SnpCase one = recorded_snp("milan-v3-aci");
    one.now = at("2025-12-01T00:00:00Z");
    auto early = one.verify();
    EXPECT_EQ(refusal(early), "SNP-CHAIN-DATES");
    EXPECT_EQ(refused_field(early), "VCEK");
    one.now = at("2036-01-01T00:00:00Z");
    EXPECT_EQ(refusal(one.verify()), "SNP-CHAIN-DATES");
}

TEST(SnpVerify, GivesTheSameVerdictsWithEndorsementsVerifiedBefore) {
    Checks checks;
    SnpCase one = recorded_snp("milan-v3-aci");
    auto endorsed = verify_snp_endorsements(one.endorsements, one.anchors, one.now, checks);
    ASSERT_TRUE(endorsed) << message(endorsed);
    auto judged = [&](ByteView report, Time now) {
        Checks of_report;
        auto verified = verify_snp(report, *endorsed, one.rules, now, of_report);
        if (verified) {
            EXPECT_EQ(verified->tier(), Tier::hardware);
            EXPECT_EQ(verified->not_checked(), std::vector<std::string>{kSnpRevocation});
            EXPECT_TRUE(passed(of_report, "SNP-SIGNATURE"));
        }
        return refusal(verified);
    };
    EXPECT_EQ(judged(one.report, one.now), "");
    EXPECT_EQ(judged(vector_bytes("snp/derived/flip-sig-s.report.bin"), one.now), "SNP-SIGNATURE");
    EXPECT_EQ(judged(recorded_snp("genoa-v3-aci").report, one.now), "SNP-PRODUCT");
    EXPECT_EQ(judged(recorded_snp("milan-v2-coco").report, one.now), "SNP-TCB-BOOTLOADER");
    EXPECT_EQ(judged(vector_bytes("snp/milan-v3-vlek-aws.report.bin"), one.now), "SNP-CERT-KIND");
    EXPECT_EQ(judged(one.report, endorsed->valid_to()), "");
    EXPECT_EQ(judged(one.report, endorsed->valid_to() + Seconds{1}), "SNP-CHAIN-DATES");
    EXPECT_EQ(judged(one.report, endorsed->valid_from()), "");
    EXPECT_EQ(judged(one.report, endorsed->valid_from() - Seconds{1}), "SNP-CHAIN-DATES");
    // Bad endorsements are none.
    one.endorsements.leaf = vector_certificate("snp/bad-vcek-new.der");
    EXPECT_EQ(refusal(verify_snp_endorsements(one.endorsements, one.anchors, one.now, checks)),
              "SNP-CHAIN-LINK");
}

TEST(SnpEndorsements, ReadsBundlesInEitherOrderAndBareDer) {
    Checks checks;
    std::string leaf = vector_certificate("local/identity-on/sim_vcek.der").pem();
    std::string ask = vector_certificate("local/identity-on/sim_ask.der").pem();
    std::string ark = vector_certificate("local/identity-on/sim_ark.der").pem();
    for (const std::string& bundle : {leaf + ask + ark, ark + ask + leaf, ask + leaf + ark}) {
        auto parsed = SnpEndorsements::parse(as_bytes(bundle), checks);
        ASSERT_TRUE(parsed) << message(parsed);
        EXPECT_EQ(parsed->leaf.pem(), leaf);
        EXPECT_EQ(parsed->intermediates.size(), 2u);
    }
    auto der = SnpEndorsements::parse(vector_bytes("snp/milan-v3-aci.vcek.der"), checks);
    ASSERT_TRUE(der);
    EXPECT_TRUE(der->intermediates.empty());
    for (const std::string& bad :
         {std::string("no certificate"), std::string(), ask + ark, leaf + leaf}) {
        EXPECT_EQ(refusal(SnpEndorsements::parse(as_bytes(bad), checks)), "SNP-CHAIN-FORM");
    }
}

TEST(SnpCertificate, RefusesACaCertificate) {
    EXPECT_FALSE(is_snp_leaf(vendor_anchors().amd[0].ark));
    EXPECT_FALSE(SnpCertificate::parse(vendor_anchors().amd[0].ark));
}

// form edits the extensions that AMD would certify for a Milan chip.
using Extensions = std::vector<crypto::CertificateSpec::Extension>;
std::string form(const std::function<void(Extensions&)>& edit, const char* name = "milan-v3-aci") {
    MadeSnp made = MadeSnp::like(name);
    crypto::CertificateSpec leaf = vcek_spec(made.report, made.product);
    edit(leaf.extensions);
    return refusal(made.make(leaf).verify());
}
std::string form_with(std::string_view oid, Bytes value) {
    return form([&](Extensions& list) {
        std::erase_if(list, [&](const auto& extension) { return extension.oid == oid; });
        list.push_back({std::string(oid), std::move(value)});
    });
}
std::string form_without(std::string_view oid, const char* name = "milan-v3-aci") {
    return form(
        [&](Extensions& list) {
            std::erase_if(list, [&](const auto& extension) { return extension.oid == oid; });
        },
        name);
}

TEST(SnpCertificate, HasEachOfAmdsExtensionsOnceAndWellFormed) {
    constexpr const char* kRefused = "SNP-CERT-FORM";
    for (std::string_view oid : {kOidBootloaderSpl, kOidTeeSpl, kOidSnpSpl, kOidMicrocodeSpl}) {
        EXPECT_EQ(form_without(oid), kRefused) << oid;
        EXPECT_EQ(form([&](Extensions& list) {
                      list.push_back({std::string(oid), crypto::encode_der_integer(4)});
                  }),
                  kRefused)
            << oid;
        EXPECT_EQ(form_with(oid, crypto::encode_der_integer(256)), kRefused) << oid;
        EXPECT_EQ(form_with(oid, {0x04, 0x01, 0x04}), kRefused) << oid;
        EXPECT_EQ(form_with(oid, {0x02, 0x01, 0x04, 0x00}), kRefused) << oid;
    }
    EXPECT_EQ(form_without(kOidFmcSpl, "turin-v5-azure"), kRefused);
    EXPECT_EQ(form_with(kOidFmcSpl, crypto::encode_der_integer(0)), kRefused);  // Milan has none
    for (std::string_view oid : {kOidSpl4, kOidSpl5, kOidSpl6, kOidSpl7}) {
        EXPECT_EQ(form_with(oid, crypto::encode_der_integer(0)), "") << oid;
        EXPECT_EQ(form_with(oid, crypto::encode_der_integer(1)), kRefused) << oid;
    }
    EXPECT_EQ(form_with(kOidStructVersion, crypto::encode_der_integer(1)), "");
    EXPECT_EQ(form_with(kOidStructVersion, crypto::encode_der_integer(2)), kRefused);
    EXPECT_EQ(form_with(kOidProductName, crypto::encode_der_ia5_string("Milan-B1")), "");
    EXPECT_EQ(form_with(kOidProductName, crypto::encode_der_ia5_string("Milano")), kRefused);
}

TEST(SnpCertificate, IsOfAChipOrOfACloudAndOfOneSize) {
    constexpr const char* kRefused = "SNP-CERT-FORM";
    MadeSnp made = MadeSnp::like("milan-v3-aci");
    Bytes hwid = to_bytes(made.report.chip_id);
    EXPECT_EQ(form_with(kOidHwid, hwid), "");
    EXPECT_EQ(form_with(kOidHwid, crypto::encode_der_octet_string(hwid)), "");
    Bytes longer = hwid;
    longer.push_back(0);
    EXPECT_EQ(form_with(kOidHwid, longer), kRefused);
    longer.push_back(0);  // as long as a wrapped one
    EXPECT_EQ(form_with(kOidHwid, longer), kRefused);
    EXPECT_EQ(form_with(kOidHwid, to_bytes(ByteView(hwid).first(8))), kRefused);  // Turin's
    EXPECT_EQ(form_without(kOidHwid), kRefused);
    EXPECT_EQ(form_with(kOidCspId, crypto::encode_der_ia5_string("a cloud")), kRefused);

    crypto::PrivateKey p256 = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
    SnpCase one = made.make();
    one.endorsements.leaf =
        SnpHierarchy::issue(vcek_spec(made.report, made.product), p256.public_key(),
                            &made.hierarchy->ask, made.hierarchy->ask_key);
    EXPECT_EQ(refusal(one.verify()), kRefused);
}

TEST(VendorAnchors, AreTheVendorsSelfConsistentRoots) {
    const TrustAnchors& anchors = vendor_anchors();
    EXPECT_EQ(anchors.tier, Tier::hardware);
    ASSERT_EQ(anchors.amd.size(), 3u);
    for (const AmdRoot& root : anchors.amd) {
        SCOPED_TRACE(product_name(root.product));
        EXPECT_EQ(root.ark.subject_common_name(),
                  fmt::format("ARK-{}", product_name(root.product)));
        EXPECT_TRUE(root.ark.verify_signed_by(root.ark));
        ASSERT_TRUE(root.ask && root.asvk);
        EXPECT_TRUE(root.ask->verify_signed_by(root.ark));
        EXPECT_TRUE(root.asvk->verify_signed_by(root.ark));
        EXPECT_TRUE(root.ask->is_ca() && root.asvk->is_ca());
    }
    EXPECT_EQ(hex(anchors.amd[0].ark.sha256_fingerprint()),
              "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd");
    EXPECT_TRUE(hex(anchors.amd[1].ark.sha256_fingerprint()).starts_with("4c6598d19c18719c"));
    EXPECT_TRUE(hex(anchors.amd[2].ark.sha256_fingerprint()).starts_with("1f084161a44bb6d9"));
    for (const crypto::Certificate& root : anchors.ak_roots) {
        EXPECT_TRUE(root.verify_signed_by(root)) << root.subject();
    }
    EXPECT_TRUE(anchors.ak_intermediates[0].verify_signed_by(anchors.ak_roots[0]));
}

}  // namespace
}  // namespace vouchsafe::evidence
