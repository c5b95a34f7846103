#include "vouchsafe/evidence/sgx/quote.h"

#include "vouchsafe/evidence/sgx/test_machine.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

constexpr size_t kSignatureData = 432;  // its size, then signature and key
constexpr size_t kQeReport = kSignatureData + 4 + 128;
constexpr size_t kAuthentication = kQeReport + 384 + 64;  // its size
constexpr size_t kCertification = kAuthentication + 2 + 32;

Bytes with_byte(size_t offset, uint8_t value) {
    Bytes out = recorded_sgx_quote();
    out[offset] = value;
    return out;
}
std::string refusal_with(size_t offset, uint8_t value) {
    return refusal(SgxQuote::parse(with_byte(offset, value)));
}

TEST(SgxQuote, IsReadAsTheFactsSay) {
    Json known = facts("tdx")["v3-sgx-occlum.quote.bin"]["facts"];
    auto quote = SgxQuote::parse(recorded_sgx_quote());
    ASSERT_TRUE(quote) << message(quote);
    EXPECT_EQ(quote->version, known["version"]);
    EXPECT_EQ(quote->size, known["len"]);
    EXPECT_EQ(quote->signed_size, 432u);
    EXPECT_EQ(hex(quote->body.mrenclave), known["mrenclave"]);
    EXPECT_EQ(hex(quote->body.mrsigner), known["mrsigner"]);
    EXPECT_EQ(hex(quote->body.report_data), known["report_data"]);
    EXPECT_EQ(quote->body.debug(), known["debug"] == 1);
    EXPECT_TRUE(quote->body.initialized());
    EXPECT_EQ(quote->body.unknown_flags(), 0u);
    EXPECT_EQ(quote->qe_report.isvsvn, known["qe_isvsvn"]);
    EXPECT_EQ(quote->qe_report.isvprodid, known["qe_isvprodid"]);
    EXPECT_EQ(hex(quote->qe_report.mrsigner), known["qe_mrsigner"]);
    auto chain = MUST(crypto::Certificate::parse_pem_bundle(quote->pck_chain));
    ASSERT_EQ(chain.size(), 3u);
    EXPECT_EQ(hex(MUST(PckInfo::parse(chain[0])).fmspc), known["fmspc"]);
    EXPECT_EQ(quote->pck_issuer_chain(), chain[1].pem() + chain[2].pem());
}

TEST(SgxQuote, HasTheFieldsOfKeySeparationAtTheirPlaces) {
    Bytes bytes(EnclaveReport::kSize);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i % 251);
    auto report = MUST(EnclaveReport::parse(bytes));
    auto at_offset = [&](size_t offset, ByteView field) {
        return equal(field, ByteView(bytes).subspan(offset, field.size()));
    };
    EXPECT_TRUE(at_offset(0, report.cpusvn));
    EXPECT_TRUE(at_offset(32, report.isv_ext_prod_id));
    EXPECT_TRUE(at_offset(48, report.attributes));
    EXPECT_TRUE(at_offset(192, report.config_id));
    EXPECT_TRUE(at_offset(304, report.isv_family_id));
    EXPECT_TRUE(at_offset(320, report.report_data));
    EXPECT_EQ(report.miscselect, 0x13121110u);
    EXPECT_EQ(report.isvprodid, bytes[256] | bytes[257] << 8);
    EXPECT_EQ(report.isvsvn, bytes[258] | bytes[259] << 8);
    EXPECT_EQ(report.config_svn, bytes[260] | bytes[261] << 8);
    bytes.push_back(0);
    EXPECT_FALSE(EnclaveReport::parse(bytes).has_value());
    EXPECT_FALSE(EnclaveReport::parse(ByteView(bytes).first(383)).has_value());
}

TEST(SgxQuote, TellsFlagsOfAnEnclaveApart) {
    auto with = [](uint64_t flags) {
        EnclaveReport out;
        Bytes raw = Writer().u64_le(flags).take();
        std::copy(raw.begin(), raw.end(), out.attributes.begin());
        return out;
    };
    EXPECT_TRUE(with(1).initialized());
    EXPECT_FALSE(with(1).debug());
    EXPECT_TRUE(with(2).debug());
    EXPECT_TRUE(with(1 << 7).key_separation());
    EXPECT_EQ(with(0x4F7).unknown_flags(), 0u);
    EXPECT_EQ(with(1 << 3).unknown_flags(), 8u);
    EXPECT_EQ(with(uint64_t{1} << 63).unknown_flags(), uint64_t{1} << 63);
}

TEST(SgxQuote, RefusesWrongHeaderFieldsEachByName) {
    EXPECT_EQ(refusal_with(0, 3), "");
    for (uint8_t version : {0, 2, 4, 5}) EXPECT_EQ(refusal_with(0, version), "SGX-VERSION");
    EXPECT_EQ(refusal_with(2, 3), "TDX-KEY-TYPE");
    EXPECT_EQ(refusal_with(4, 1), "SGX-TEE");
    EXPECT_EQ(refusal_with(12, 0), "TDX-KEY-TYPE");
    EXPECT_EQ(refusal_with(kCertification, 5), "");
    for (uint8_t type : {3, 6}) {
        EXPECT_EQ(refusal_with(kCertification, type), "SGX-CERTIFICATION-TYPE");
    }
}

TEST(SgxQuote, NamesAQuoteOfATrustDomain) {
    for (const char* name : {"v4-debug", "v5-coco"}) {
        auto quote = SgxQuote::parse(recorded_quote(name));
        EXPECT_EQ(refusal(quote), "SGX-TEE");
        EXPECT_EQ(quote.error().reason()->found, "0x81 (TDX)");
    }
}

TEST(SgxQuote, RefusesPartsThatDoNotFillTheOneAround) {
    for (size_t offset : {kSignatureData, kCertification + 2}) {
        uint8_t size = recorded_sgx_quote()[offset];
        for (int step : {-1, 1}) {
            EXPECT_EQ(refusal_with(offset, static_cast<uint8_t>(size + step)), "TDX-FORM");
        }
        EXPECT_EQ(refusal_with(offset + 3, 0xff), "TDX-FORM");
    }
    EXPECT_EQ(refusal_with(kAuthentication + 1, 0xff), "TDX-FORM");
}

TEST(SgxQuote, RefusesEveryTruncation) {
    Bytes good = recorded_sgx_quote();
    for (size_t size = 0; size < good.size(); ++size) {
        EXPECT_EQ(refusal(SgxQuote::parse(ByteView(good).first(size))), "TDX-FORM") << size;
    }
}

TEST(SgxQuote, AcceptsZeroPaddingAndNothingElseBehindTheQuote) {
    Bytes quote = recorded_sgx_quote();
    quote.resize(quote.size() + 100);
    EXPECT_EQ(refusal(SgxQuote::parse(quote)), "");
    quote.back() = 1;
    EXPECT_EQ(refusal(SgxQuote::parse(quote)), "TDX-TRAILING");
    quote.back() = 0;
    quote.resize((64 << 10) + 1);
    EXPECT_EQ(refusal(SgxQuote::parse(quote)), "TDX-FORM");
}

}  // namespace
}  // namespace vouchsafe::evidence
