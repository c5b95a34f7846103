// Every recorded file of tests/vectors/snp gets the verdict and the facts of its facts.json, which
// an independent checker found. The fields of the reports themselves are in report_test.cpp.
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/evidence/snp/test_machine.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

std::string stem(std::string_view name) {
    return std::string(name.substr(0, name.find('.')));
}

// The certificate's file for a report's name.
std::string leaf_of(const std::string& report) {
    return report == "milan-v3-vlek-aws" ? report + ".vlek.der" : report + ".vcek.der";
}

// genuineness verifies what facts.json calls valid or not: genuineness, without anybody's policy.
SnpCase genuineness(const std::string& report, const SnpEndorsements& endorsements) {
    SnpCase out{vector_bytes("snp/" + report + ".report.bin"), endorsements};
    out.rules.allow_debug = true;
    if (out.report.size() == kSnpReportSize) out.rules.vmpl = out.report[0x30];
    if (report == "milan-v3-vlek-aws") out.now = recorded_vlek_time();
    return out;
}

void expect_leaf(const Json& ext, const crypto::Certificate& certificate) {
    auto parsed = SnpCertificate::parse(certificate);
    ASSERT_TRUE(parsed) << message(parsed);
    EXPECT_EQ(parsed->struct_version, ext.at("structVersion"));
    EXPECT_EQ(parsed->product_text, ext.at("productName1"));
    EXPECT_EQ(parsed->tcb.bootloader, ext.at("bl"));
    EXPECT_EQ(parsed->tcb.tee, ext.at("tee"));
    EXPECT_EQ(parsed->tcb.snp, ext.at("snp"));
    EXPECT_EQ(parsed->tcb.microcode, ext.at("ucode"));
    EXPECT_EQ(parsed->tcb.fmc.has_value(), ext.contains("fmc"));
    EXPECT_EQ(parsed->tcb.fmc.value_or(0), ext.value("fmc", 0));
    for (const char* reserved : {"spl4", "spl5", "spl6", "spl7"}) {
        EXPECT_EQ(ext.value(reserved, 0), 0);  // others are refused
    }
    EXPECT_EQ(hex(parsed->hwid), ext.value("hwid", ""));
    EXPECT_EQ(parsed->csp_id, ext.value("csp", ""));
    EXPECT_EQ(parsed->kind == SnpSigner::vlek, ext.contains("csp"));
    if (ext.contains("hwid_rawlen")) {
        EXPECT_EQ(MUST(certificate.extension(kOidHwid))->size(), ext.at("hwid_rawlen"));
    }
}

std::string plain_time(Time time) {
    std::string out = format_rfc3339(time).substr(0, 19);
    out[10] = ' ';
    return out;
}

void expect_signer(const Json& cert, const crypto::Certificate& signer) {
    expect_leaf(cert, signer);
    EXPECT_EQ(MUST(SnpCertificate::parse(signer)).kind == SnpSigner::vlek,
              cert.at("kind") == "VLEK");
    EXPECT_EQ(signer.issuer_common_name(), cert.at("issuer"));
    EXPECT_EQ(plain_time(signer.not_before()), cert.at("not_before"));
    EXPECT_EQ(plain_time(signer.not_after()), cert.at("not_after"));
}

// A fact that is true was checked, if we came that far; one that is false was not found to hold.
void expect_checks(const Json& facts, const Checks& checks, bool accepted) {
    for (auto [fact, code] : std::initializer_list<std::pair<const char*, const char*>>{
             {"report_signature", "SNP-SIGNATURE"},
             {"chain_to_pinned_ark", "SNP-CHAIN-DATES"},  // after all links
             {"reported_tcb_equals_cert", "SNP-TCB-MICROCODE"},
             {"chip_id_equals_hwid", "SNP-CHIP-ID"}}) {
        // null: there was nothing to compare
        if (facts.at(fact) == true && accepted) {
            EXPECT_TRUE(passed(checks, code)) << fact;
        }
        if (facts.at(fact) == false) {
            EXPECT_FALSE(passed(checks, code)) << fact;
        }
    }
}

void expect_accepted(const Json& facts, SnpCase& one) {
    auto verified = one.verify();
    ASSERT_TRUE(verified) << message(verified);
    EXPECT_EQ(verified->tier(), Tier::hardware);
    EXPECT_EQ(verified->report().policy.debug_allowed(), facts.at("debug") == 1);
    expect_signer(facts.at("cert"), verified->signer());
    expect_checks(facts.at("check"), one.checks, true);
    if (facts.contains("cpuid")) {
        std::string product = facts.at("cpuid").at("product");
        if (product != "Bergamo/Siena") {
            EXPECT_EQ(product_name(verified->product()), product);
        }
    }
    EXPECT_EQ(verified->report().launch_mitigation_vector.has_value(),
              facts.contains("launch_mit"));
    EXPECT_EQ(verified->report().launch_mitigation_vector.value_or(0),
              facts.value("launch_mit", 0u));
    EXPECT_EQ(verified->report().current_mitigation_vector.value_or(0),
              facts.value("current_mit", 0u));
}

void expect_report(const std::string& name, const std::string& verdict, const Json& facts) {
    std::string report = name.substr(0, name.find(".report.bin"));
    std::string leaf = leaf_of(facts.value("verify_with", report));
    Checks checks;
    SnpEndorsements endorsements =
        report == "derived/forged-chain"
            ? MUST(SnpEndorsements::parse(vector_bytes("snp/" + report + ".certs.pem"), checks))
            : SnpEndorsements{vector_certificate("snp/" + leaf), {}};
    SnpCase one = genuineness(report, endorsements);
    if (verdict == "valid") return expect_accepted(facts, one);
    std::string code = refusal(one.verify());
    if (facts.contains("check") && facts.at("check").is_object()) {
        expect_checks(facts.at("check"), one.checks, false);
    }
    if (verdict == "malformed") {
        EXPECT_EQ(code, "SNP-SIZE");
    } else if (verdict == "wrong chain") {
        EXPECT_EQ(code, "SNP-CHAIN-ROOT");
        EXPECT_EQ(MUST(SnpReport::parse(one.report)).measurement[0], 0x5e);  // forged, and read
    } else {
        // What is wrong with the signature may be told earlier, by its form.
        EXPECT_EQ(verdict, "signature invalid");
        EXPECT_TRUE(code.starts_with("SNP-SIGNATURE") || code == "SNP-VERSION") << code;
    }
}

void expect_certificate(const std::string& name, const std::string& verdict, const Json& facts) {
    crypto::Certificate leaf = vector_certificate("snp/" + name);
    expect_leaf(facts.at("ext"), leaf);
    if (facts.contains("not_before")) {
        EXPECT_EQ(plain_time(leaf.not_before()) + "+00:00", facts.at("not_before"));
    }
    bool good = verdict.starts_with("chain valid");
    SnpCase one = genuineness(good ? stem(name) : "milan-v2-coco", {leaf, {}});
    auto verified = one.verify();
    EXPECT_EQ(verified.has_value(), good) << message(verified);
    if (good) return;
    EXPECT_TRUE(verdict.starts_with("wrong chain; does not sign milan-v2-coco"));
    EXPECT_EQ(refusal(verified), "SNP-CHAIN-LINK");
    expect_checks(facts.at("check"), one.checks, false);
}

// The host's certificate cache: leaf and chain in one JSON.
void expect_certificate_cache(const std::string& name) {
    Json cache = MUST(parse_json_object(vector_text("snp/" + name)));
    std::string pem =
        MUST(json_string(cache, "vcekCert")) + MUST(json_string(cache, "certificateChain"));
    Checks checks;
    auto verified =
        genuineness(stem(name), MUST(SnpEndorsements::parse(as_bytes(pem), checks))).verify();
    EXPECT_TRUE(verified) << message(verified);
}

void expect_host_data(const std::string& name) {
    SnpCase one = recorded_snp(stem(name));
    Bytes policy = MUST(decode_base64(vector_text("snp/" + name)));
    one.rules.host_data = crypto::sha256(policy);
    EXPECT_TRUE(one.verify());
    policy.back() ^= 1;
    one.rules.host_data = crypto::sha256(policy);
    EXPECT_EQ(refusal(one.verify()), "SNP-HOST-DATA");
}

TEST(SnpVectors, EveryFileGetsItsVerdictAndFacts) {
    Json all = facts("snp");
    int files = 0;
    for (const auto& [name, row] : all.items()) {
        SCOPED_TRACE(name);
        if (name.ends_with(".cose")) continue;  // an endorsement of Microsoft's, not of AMD's
        ++files;
        Bytes bytes = vector_bytes("snp/" + name);
        EXPECT_EQ(bytes.size(), row.at("size"));
        EXPECT_EQ(hex(crypto::sha256(bytes)), row.at("sha256"));
        std::string verdict = row.at("verdict");
        if (name.ends_with(".report.bin")) {
            expect_report(name, verdict, row.at("facts"));
        } else if (name.ends_with(".der")) {
            expect_certificate(name, verdict, row.at("facts"));
        } else if (name.ends_with(".thim.json")) {
            expect_certificate_cache(name);
        } else if (name.ends_with(".b64")) {
            expect_host_data(name);
        } else {
            EXPECT_EQ(name, "derived/forged-chain.certs.pem");  // goes with its report
        }
    }
    EXPECT_EQ(files, 34);
}

}  // namespace
}  // namespace vouchsafe::evidence
