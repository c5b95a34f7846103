#include "vouchsafe/evidence/tdx/quote.h"

#include "vouchsafe/evidence/tdx/pck.h"
#include "vouchsafe/evidence/test_vectors.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

Bytes quote_file(const std::string& name) {
    return vector_bytes("tdx/" + name);
}

void put_u16(Bytes& bytes, size_t offset, uint16_t value) {
    bytes[offset] = static_cast<uint8_t>(value);
    bytes[offset + 1] = static_cast<uint8_t>(value >> 8);
}

std::string hex_u64(uint64_t value) {
    return encode_hex(Writer().u64_le(value).view());
}

void expect_body(const TdReport& body, const Json& facts) {
    EXPECT_EQ(hex(body.tee_tcb_svn), facts["tee_tcb_svn"]);
    EXPECT_EQ(hex(body.mrseam), facts["mrseam"]);
    EXPECT_EQ(hex(body.mrsignerseam), facts["mrsignerseam"]);
    EXPECT_EQ(hex(body.seam_attributes), facts["seam_attr"]);
    EXPECT_EQ(hex_u64(body.td_attributes.raw), facts["td_attributes"]);
    EXPECT_EQ(hex_u64(body.xfam), facts["xfam"]);
    EXPECT_EQ(hex(body.mrtd), facts["mrtd"]);
    EXPECT_EQ(hex(body.mrconfigid), facts["mrconfigid"]);
    EXPECT_EQ(hex(body.mrowner), facts["mrowner"]);
    EXPECT_EQ(hex(body.mrownerconfig), facts["mrownerconfig"]);
    for (size_t i = 0; i < 4; ++i) EXPECT_EQ(hex(body.rtmr[i]), facts["rtmr"][i]);
    EXPECT_EQ(hex(body.report_data), facts["report_data"]);
    EXPECT_EQ(body.td_attributes.debug(), facts["debug"] == 1);
    EXPECT_EQ(body.td_attributes.unknown_bits(), 0u);
    ASSERT_EQ(body.tee_tcb_svn2.has_value(), facts.contains("tee_tcb_svn2"));
    if (!body.tee_tcb_svn2) return;
    EXPECT_EQ(hex(*body.tee_tcb_svn2), facts["tee_tcb_svn2"]);
    EXPECT_EQ(hex(*body.mrservicetd), facts["mrservicetd"]);
}

void expect_pck(const PckInfo& pck, const Json& facts) {
    EXPECT_EQ(hex(pck.fmspc), facts["fmspc"]);
    EXPECT_EQ(hex(pck.pceid), facts["pceid"]);
    EXPECT_EQ(hex(pck.ppid), facts["ppid"]);
    EXPECT_EQ(hex(pck.cpusvn), facts["cpusvn"]);
    EXPECT_EQ(pck.pcesvn, facts["pcesvn"]);
    EXPECT_EQ(static_cast<int>(pck.type), facts["sgx_type"]);
    for (size_t i = 0; i < 16; ++i) EXPECT_EQ(pck.tcb_components[i], facts["tcb_comps"][i]);
}

bool is_td_quote(const std::string& name, const Json& row) {
    return name.ends_with(".quote.bin") && row["facts"].contains("mrtd");
}

TEST(TdxQuote, ReadsEveryRecordedQuoteAsTheFactsSay) {
    int read = 0;
    const Json known_facts = facts("tdx");
    for (const auto& [name, row] : known_facts.items()) {
        if (!is_td_quote(name, row) ||
            row["verdict"].get<std::string>().find("trailing") != std::string::npos) {
            continue;
        }
        SCOPED_TRACE(name);
        auto quote = TdxQuote::parse(quote_file(name));
        ASSERT_TRUE(quote) << message(quote);
        const Json& known = row["facts"];
        EXPECT_EQ(quote->version, known["version"]);
        EXPECT_EQ(quote->size, known["len"].get<size_t>() - known["trailing"].get<size_t>());
        EXPECT_EQ(quote->qe_report.isvsvn, known["qe_isvsvn"]);
        EXPECT_EQ(quote->qe_report.isvprodid, known["qe_isvprodid"]);
        EXPECT_EQ(hex(quote->qe_report.mrsigner), known["qe_mrsigner"]);
        expect_body(quote->body, known);
        auto chain = MUST(crypto::Certificate::parse_pem_bundle(quote->pck_chain));
        ASSERT_EQ(chain.size(), 3u);
        auto pck = PckInfo::parse(chain[0]);
        ASSERT_TRUE(pck) << message(pck);
        expect_pck(*pck, known);
        EXPECT_FALSE(PckInfo::parse(chain[1]).has_value());
        ++read;
    }
    EXPECT_EQ(read, 8);
}

TEST(TdxQuote, RefusesMalformedOnesByName) {
    struct Row {
        const char* name;
        const char* code;
    };
    for (const Row& row :
         std::initializer_list<Row>{{"derived/truncated-body.quote.bin", "TDX-FORM"},
                                    {"derived/siglen-ffffffff.quote.bin", "TDX-FORM"},
                                    {"derived/inner-size-overflow.quote.bin", "TDX-FORM"},
                                    {"derived/version-6.quote.bin", "TDX-VERSION"},
                                    {"derived/v5-body-size-0.quote.bin", "TDX-BODY-TYPE"},
                                    {"derived/trailing-garbage.quote.bin", "TDX-TRAILING"},
                                    {"v4-spr-e4.quote.bin", "TDX-TRAILING"},
                                    {"v3-sgx-occlum.quote.bin", "TDX-TEE"}}) {
        EXPECT_EQ(refusal(TdxQuote::parse(quote_file(row.name))), row.code) << row.name;
    }
}

TEST(TdxQuote, NamesAnSgxQuote) {
    auto quote = TdxQuote::parse(quote_file("v3-sgx-occlum.quote.bin"));
    ASSERT_FALSE(quote.has_value());
    EXPECT_EQ(quote.error().reason()->found, "0 (SGX), quote version 3");
}

TEST(TdxQuote, RefusesWrongHeaderFieldsEachByName) {
    Bytes good = quote_file("v4-debug.quote.bin");
    auto changed = [&](size_t offset, uint16_t value) {
        Bytes bytes = good;
        put_u16(bytes, offset, value);
        return refusal(TdxQuote::parse(bytes));
    };
    EXPECT_EQ(changed(0, 4), "");
    EXPECT_EQ(changed(0, 2), "TDX-VERSION");
    EXPECT_EQ(changed(0, 5), "TDX-BODY-TYPE");
    EXPECT_EQ(changed(2, 3), "TDX-KEY-TYPE");
    EXPECT_EQ(changed(4, 0), "TDX-TEE");
    EXPECT_EQ(changed(4, 0x82), "TDX-TEE");
    EXPECT_EQ(changed(12, 0), "TDX-KEY-TYPE");
    size_t outer = 48 + 584 + 4 + 128;
    EXPECT_EQ(changed(outer, 6), "");
    EXPECT_EQ(changed(outer, 5), "TDX-CERTIFICATION-TYPE");
    size_t inner = outer + 6 + 384 + 64 + 2 + 32;
    EXPECT_EQ(changed(inner, 5), "");
    EXPECT_EQ(changed(inner, 3), "TDX-CERTIFICATION-TYPE");
    EXPECT_EQ(changed(inner - 34, 31), "TDX-CERTIFICATION-TYPE");  // QE authentication data
    EXPECT_EQ(changed(inner - 34, 0xffff), "TDX-FORM");
}

TEST(TdxQuote, RefusesPartsThatDoNotFillTheOneAround) {
    Bytes good = quote_file("v4-debug.quote.bin");
    for (size_t offset : {size_t{632}, size_t{766}, size_t{1254}}) {  // the three sizes
        for (int step : {-1, 1}) {
            Bytes bytes = good;
            bytes[offset] = static_cast<uint8_t>(bytes[offset] + step);
            EXPECT_EQ(refusal(TdxQuote::parse(bytes)), "TDX-FORM") << offset << " " << step;
        }
    }
}

TEST(TdxQuote, RefusesBodiesOfAnotherTypeOrSize) {
    Bytes good = quote_file("v5-coco.quote.bin");
    auto changed = [&](uint16_t type, uint16_t size) {
        Bytes bytes = good;
        put_u16(bytes, 48, type);
        put_u16(bytes, 50, size);
        return refusal(TdxQuote::parse(bytes));
    };
    EXPECT_EQ(changed(3, 648), "");
    EXPECT_EQ(changed(3, 584), "TDX-BODY-TYPE");
    EXPECT_EQ(changed(2, 648), "TDX-BODY-TYPE");
    EXPECT_EQ(changed(2, 584), "TDX-FORM");  // what then stands at the signature's size
    EXPECT_EQ(changed(1, 384), "TDX-TEE");
    EXPECT_EQ(changed(4, 648), "TDX-BODY-TYPE");
}

TEST(TdxQuote, ReadsATdx10BodyInVersion5) {
    Bytes v5 = quote_file("v5-coco.quote.bin");
    put_u16(v5, 48, 2);
    put_u16(v5, 50, 584);
    v5.erase(v5.begin() + 54 + 584, v5.begin() + 54 + 648);
    auto quote = TdxQuote::parse(v5);
    ASSERT_TRUE(quote) << message(quote);
    EXPECT_FALSE(quote->body.tee_tcb_svn2.has_value());
    EXPECT_EQ(quote->signed_size, 54u + 584u);
}

TEST(TdxQuote, RefusesEveryTruncation) {
    Bytes good = quote_file("v5-coco.quote.bin");
    for (size_t size = 0; size < good.size(); ++size) {
        EXPECT_EQ(refusal(TdxQuote::parse(ByteView(good).first(size))), "TDX-FORM") << size;
    }
}

TEST(TdxQuote, AcceptsZeroPaddingAndNothingElseBehindTheQuote) {
    Bytes quote = quote_file("v5-coco.quote.bin");
    quote.resize(quote.size() + 100);
    EXPECT_EQ(refusal(TdxQuote::parse(quote)), "");
    quote.back() = 1;
    EXPECT_EQ(refusal(TdxQuote::parse(quote)), "TDX-TRAILING");
    quote.back() = 0;
    quote.resize((64 << 10) + 1);
    EXPECT_EQ(refusal(TdxQuote::parse(quote)), "TDX-FORM");
}

TEST(TdAttributes, TellsBitsApart) {
    EXPECT_TRUE(TdAttributes{1}.debug());
    EXPECT_EQ(TdAttributes{0x82}.other_untrusted_bits(), 0x82u);
    EXPECT_TRUE(TdAttributes{1ull << 28}.sept_ve_disable());
    EXPECT_TRUE(TdAttributes{1ull << 29}.migratable());
    EXPECT_TRUE(TdAttributes{1ull << 30}.protection_keys());
    EXPECT_TRUE(TdAttributes{1ull << 31}.key_locker());
    EXPECT_TRUE(TdAttributes{1ull << 63}.perfmon());
    EXPECT_EQ(TdAttributes{0x80000000F80000FF}.unknown_bits(), 0u);
    EXPECT_EQ(TdAttributes{1ull << 16}.unknown_bits(), 1ull << 16);
    EXPECT_EQ(TdAttributes{1ull << 62}.unknown_bits(), 1ull << 62);
}

}  // namespace
}  // namespace vouchsafe::evidence
