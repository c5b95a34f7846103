#include "vouchsafe/evidence/azure/hcl.h"

#include "vouchsafe/evidence/snp/verify.h"
#include "vouchsafe/evidence/test_vectors.h"
#include "vouchsafe/evidence/tpm/quote.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

HclReport recorded(const std::string& name) {
    return MUST(HclReport::parse(vector_bytes("hcl/" + name + "/hcl-report.bin")));
}

// The 64 bytes of report data inside the hardware report.
ByteView report_data(const HclReport& report) {
    size_t offset = report.type == HclReportType::tdx ? 128 : 0x50;
    return ByteView(report.hardware_report).subspan(offset, 64);
}

void expect_claims(const Json& facts, const RuntimeClaims& claims) {
    const Json& vm = facts.at("vm_configuration");
    EXPECT_EQ(claims.vm.secure_boot, vm.at("secure-boot").get<bool>());
    EXPECT_EQ(claims.vm.tpm_enabled, vm.at("tpm-enabled").get<bool>());
    EXPECT_EQ(claims.vm.vm_unique_id, vm.at("vmUniqueId").get<std::string>());
    ASSERT_EQ(claims.keys.size(), facts.at("keys").size());
    for (size_t i = 0; i < claims.keys.size(); ++i) {
        EXPECT_EQ(claims.keys[i].kid, facts.at("keys")[i].at("kid"));
        EXPECT_EQ(claims.keys[i].key.bits(), 2048u);
    }
    bool has_user_data = facts.contains("user_data") && facts.at("user_data").is_string();
    ASSERT_EQ(claims.user_data.has_value(), has_user_data);
    if (has_user_data) {
        EXPECT_EQ(hex(*claims.user_data), to_lower(facts.at("user_data").get<std::string>()));
    }
}

TEST(HclReport, ReadsEveryRecordedReport) {
    int count = 0;
    Json all = facts("hcl");
    for (const auto& [name, row] : all.items()) {
        const Json& expected = row.at("facts");
        if (!name.ends_with("/hcl-report.bin") || !expected.contains("header_version")) continue;
        SCOPED_TRACE(name);
        Checks checks;
        auto report = HclReport::parse(vector_bytes("hcl/" + name), checks);
        ASSERT_TRUE(report) << message(report);
        EXPECT_EQ(report->header_version, expected.at("header_version"));
        EXPECT_EQ(report->report_size, expected.at("report_size"));
        EXPECT_EQ(report->request_type, expected.at("request_type"));
        EXPECT_EQ(report->type == HclReportType::tdx, expected.at("report_type") == "TDX");
        EXPECT_EQ(report->runtime_data.size(), expected.at("variable_size").get<size_t>());
        EXPECT_EQ(hex(crypto::sha256(report->runtime_data)), expected.at("runtime_sha256"));
        EXPECT_TRUE(check_runtime_binding(report_data(*report), report->runtime_data, report->hash,
                                          checks));
        expect_claims(expected, MUST(RuntimeClaims::parse(report->runtime_data, checks)));
        ++count;
    }
    EXPECT_EQ(count, 8);
}

TEST(HclReport, RefusesEveryDerivedReport) {
    auto refused = [](const std::string& name) {
        Checks checks;
        return refusal(HclReport::parse(vector_bytes("hcl/derived/" + name + ".bin"), checks));
    };
    EXPECT_EQ(refused("bad-magic"), "HCL-MAGIC");
    EXPECT_EQ(refused("truncated-1300"), "HCL-FORM");
    EXPECT_EQ(refused("var-size-ffffffff"), "HCL-FORM");
    EXPECT_EQ(refused("var-size-plus-1"), "HCL-FORM");  // the sizes do not fit each other
    EXPECT_EQ(refused("hash-type-9"), "HCL-HASH-TYPE");
    EXPECT_EQ(refused("report-type-vbs"), "HCL-REPORT-TYPE");
}

TEST(HclReport, TheBindingBreaksWhenTheRuntimeDataChanges) {
    for (const char* name : {"foreign-ak", "runtime-json-changed"}) {
        SCOPED_TRACE(name);
        Checks checks;
        HclReport report =
            MUST(HclReport::parse(vector_bytes(fmt::format("hcl/derived/{}.bin", name)), checks));
        EXPECT_EQ(refusal(check_runtime_binding(report_data(report), report.runtime_data,
                                                report.hash, checks)),
                  "HCL-BINDING");
    }
}

TEST(HclReport, TheBindingWantsZerosBehindTheHash) {
    HclReport report = recorded("azure-snp-milan-a");
    Checks checks;
    Bytes data = to_bytes(report_data(report));
    EXPECT_TRUE(check_runtime_binding(data, report.runtime_data, report.hash, checks));
    data[63] = 1;
    EXPECT_EQ(refusal(check_runtime_binding(data, report.runtime_data, report.hash, checks)),
              "HCL-BINDING");
    // One byte more, the zero behind the JSON, is another text.
    Bytes longer = report.runtime_data;
    longer.push_back(0);
    EXPECT_FALSE(check_runtime_binding(report_data(report), longer, report.hash, checks));
    EXPECT_FALSE(check_runtime_binding({}, report.runtime_data, report.hash, checks));
}

TEST(HclReport, AcceptsAnySizeOfTheIndexWithZeroPadding) {
    Bytes nv = vector_bytes("local/identity-on/hcl_report.bin");
    Bytes claims = vector_bytes("local/identity-on/claims.json");
    for (size_t size : {nv.size(), size_t{2048}, size_t{2600}, size_t{4096}}) {
        Bytes padded = nv;
        padded.resize(size);
        auto report = HclReport::parse(padded);
        ASSERT_TRUE(report) << message(report);
        EXPECT_TRUE(equal(report->runtime_data, claims));
        EXPECT_TRUE(
            equal(report->hardware_report, vector_bytes("local/identity-on/snp_report.bin")));
    }
    nv.resize(2048);
    nv.back() = 1;
    EXPECT_EQ(refusal(HclReport::parse(nv)), "HCL-FORM");
    EXPECT_TRUE(HclReport::parse(vector_bytes("local/identity-full/hcl_nv_2600.bin")));
}

TEST(HclReport, RefusesEveryTruncation) {
    Bytes nv = vector_bytes("local/identity-on/hcl_report.bin");
    for (size_t size = 0; size < nv.size(); ++size) {
        ASSERT_FALSE(HclReport::parse(ByteView(nv).first(size))) << size;
    }
}

TEST(HclReport, AzuresReportsVerifyDownToTheTpmQuote) {
    for (const char* name : {"azure-snp-milan-a", "azure-snp-milan-a-later", "azure-snp-milan-b",
                             "azure-snp-milan-c"}) {
        SCOPED_TRACE(name);
        std::string folder = fmt::format("hcl/{}/", name);
        HclReport hcl = recorded(name);
        Checks checks;
        SnpEndorsements vcek{vector_certificate(folder + "vcek.der"), {}};
        SnpRules rules;
        rules.allow_unchecked = {kSnpRevocation};
        auto snp =
            verify_snp(hcl.hardware_report, vcek, vendor_anchors(), rules, recorded_time(), checks);
        ASSERT_TRUE(snp) << message(snp);
        ASSERT_TRUE(
            check_runtime_binding(snp->report().report_data, hcl.runtime_data, hcl.hash, checks));
        RuntimeClaims claims = MUST(RuntimeClaims::parse(hcl.runtime_data, checks));
        ASSERT_NE(claims.find_key("HCLAkPub"), nullptr);
        TpmSigningKey ak{claims.find_key("HCLAkPub")->key, crypto::SigAlg::rs256};
        auto quote = verify_quote(vector_bytes(folder + "tpm-quote.msg"),
                                  vector_bytes(folder + "tpm-quote.sig"), ak,
                                  {{read_pcrs(folder + "pcrs-sha256.bin")}}, {}, checks);
        EXPECT_TRUE(quote) << message(quote);
    }
}

TEST(HclReport, AQuoteOfAnotherKeyDoesNotVerify) {
    HclReport hcl = recorded("azure-snp-milan-c");
    Checks checks;
    RuntimeClaims claims = MUST(RuntimeClaims::parse(hcl.runtime_data, checks));
    TpmSigningKey ak{claims.find_key("HCLAkPub")->key, crypto::SigAlg::rs256};
    auto quote = verify_quote(vector_bytes("hcl/azure-snp-milan-c/wrong-ak.tpm-quote.msg"),
                              vector_bytes("hcl/azure-snp-milan-c/wrong-ak.tpm-quote.sig"), ak,
                              {{read_pcrs("hcl/azure-snp-milan-c/pcrs-sha256.bin")}}, {}, checks);
    EXPECT_EQ(refusal(quote), "TPM-QUOTE-SIGNATURE");
}

TEST(HclReport, AVcekOfAnotherChipDoesNotVerify) {
    HclReport hcl = recorded("azure-snp-2023-novcek");
    Checks checks;
    SnpEndorsements vcek{vector_certificate("hcl/azure-snp-2023-novcek/other-chip.vcek.der"), {}};
    auto snp = verify_snp(hcl.hardware_report, vcek, vendor_anchors(), {}, recorded_time(), checks);
    EXPECT_EQ(refusal(snp), "SNP-CHIP-ID");
}

TEST(RuntimeClaims, ReadsUserDataInEitherCase) {
    Checks checks;
    RuntimeClaims claims =
        MUST(RuntimeClaims::parse(vector_bytes("local/identity-full/claims.json"), checks));
    ASSERT_TRUE(claims.user_data);
    EXPECT_EQ(claims.user_data->back(), 0x3f);
    ASSERT_NE(claims.find_key("HCLEkPub"), nullptr);
    EXPECT_EQ(claims.find_key("HCLEkPub")->operations, std::vector<std::string>{"encrypt"});
    EXPECT_EQ(claims.find_key("hclekpub"), nullptr);
    EXPECT_TRUE(claims.document->contains("vm-configuration"));
}

TEST(RuntimeClaims, RefusesWhatIsNotExactlyReadable) {
    std::string good = to_text(vector_bytes("local/identity-on/claims.json"));
    auto parse = [](const std::string& text) {
        Checks checks;
        return refusal(RuntimeClaims::parse(as_bytes(text), checks));
    };
    auto replaced = [&](const std::string& from, const std::string& to) {
        std::string out = good;
        return out.replace(out.find(from), from.size(), to);
    };
    size_t begin = good.find('[') + 1;
    std::string key = good.substr(begin, good.find("}]") + 1 - begin);
    EXPECT_EQ(parse(good), "");
    EXPECT_EQ(parse("{}"), "HCL-RUNTIME-JSON");
    EXPECT_EQ(parse("[]"), "HCL-RUNTIME-JSON");
    EXPECT_EQ(parse(good + "x"), "HCL-RUNTIME-JSON");
    EXPECT_EQ(parse(good + std::string(1, '\0')), "HCL-RUNTIME-JSON");
    EXPECT_EQ(parse(replaced(key, key + "," + key)), "HCL-RUNTIME-JSON");  // two HCLAkPub
    EXPECT_EQ(parse(replaced("\"kty\":\"RSA\"", "\"kty\":\"EC\"")), "HCL-RUNTIME-JSON");
    EXPECT_EQ(parse(replaced("\"secure-boot\":true", "\"secure-boot\":\"on\"")),
              "HCL-RUNTIME-JSON");
    EXPECT_EQ(parse(replaced("\"user-data\":\"00", "\"user-data\":\"0")), "HCL-RUNTIME-JSON");
    EXPECT_EQ(parse(replaced("\"keys\":", "\"keys\":[],\"keys\":")), "HCL-RUNTIME-JSON");
}

}  // namespace
}  // namespace vouchsafe::evidence
