#include "vouchsafe/evidence/tdx/quote.h"

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::evidence {

namespace {

constexpr size_t kMaxQuote = 64 << 10;
constexpr size_t kHeaderSize = 48;  // DCAP, A.3.1
constexpr uint16_t kSgxVersion = 3;
constexpr uint32_t kSgxTee = 0;
constexpr uint32_t kTdxTee = 0x81;
constexpr uint16_t kEcdsaP256 = 2;
constexpr std::array<uint8_t, 16> kIntelQe{0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                           0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

// DCAP, A.4.2: types and sizes of the body of version 5.
constexpr uint16_t kBodySgx = 1;
constexpr uint16_t kBodyTdx10 = 2;
constexpr uint16_t kBodyTdx15 = 3;
constexpr uint32_t kSizeTdx10 = 584;
constexpr uint32_t kSizeTdx15 = 648;

// DCAP, A.3.9: types of certification data.
constexpr uint16_t kQeReportData = 6;
constexpr uint16_t kPckChain = 5;

// Parser turns what does not fit into the check TDX-FORM.
class Parser {
  public:
    Parser(ByteView bytes, Checks& checks) : bytes_(bytes), checks_(checks) {}

    Result<TdxQuote> parse() {
        TRY(checks_.require(bytes_.size() <= kMaxQuote, "TDX-FORM", "quote",
                            fmt::format("at most {} bytes", kMaxQuote),
                            fmt::format("{} bytes", bytes_.size())));
        Reader in(bytes_, "TD quote");
        TRY(read_header(in));
        uint16_t type = TRY(read_body_type(in));
        TRY(formed(read_body(in, type == kBodyTdx15)));
        out_.signed_size = in.offset();
        ByteView signature = TRY(formed(take_sized(in, "signature data")));
        out_.size = in.offset();
        TRY(read_signature_data(signature));
        ByteView trailing = TRY(formed(in.rest("padding")));
        TRY(checks_.require(
            all_zero(trailing), "TDX-TRAILING", "behind the quote", "only zeros",
            all_zero(trailing) ? "only zeros" : fmt::format("{} other bytes", trailing.size())));
        return std::move(out_);
    }

  private:
    template <typename T>
    Result<T> formed(Result<T> result) {
        if (result) return result;
        return checks_.refuse("TDX-FORM", "lengths", "parts that fit", result.error().message);
    }

    static Result<ByteView> take_sized(Reader& in, std::string_view field) {
        uint32_t size = TRY(in.u32_le(field));
        return in.take(size, field);
    }

    Result<void> read_header(Reader& in) {
        if (in.left() < kHeaderSize) {
            return checks_.refuse("TDX-FORM", "header", fmt::format("{} bytes", kHeaderSize),
                                  fmt::format("{} bytes", in.left()));
        }
        out_.version = TRY(in.u16_le("version"));
        uint16_t key_type = TRY(in.u16_le("attestation key type"));
        // In version 3 this field is reserved and zero: SGX.
        uint32_t tee = TRY(in.u32_le("TEE type"));
        TRY(in.skip(4, "reserved"));
        auto vendor = TRY(in.array<16>("QE vendor id"));
        out_.user_data = TRY(in.array<20>("user data"));
        bool sgx = tee == kSgxTee && out_.version >= kSgxVersion && out_.version <= 5;
        TRY(checks_.require(
            !sgx, "TDX-TEE", "TEE type", "0x81 (TDX)",
            sgx ? fmt::format("0 (SGX), quote version {}", out_.version) : "not SGX"));
        TRY(checks_.require(out_.version == 4 || out_.version == 5, "TDX-VERSION", "version",
                            "4 or 5", fmt::format("{}", out_.version)));
        TRY(checks_.require(tee == kTdxTee, "TDX-TEE", "TEE type", "0x81 (TDX)",
                            fmt::format("{:#x}", tee)));
        TRY(checks_.require(key_type == kEcdsaP256, "TDX-KEY-TYPE", "attestation key type",
                            "2 (ECDSA P-256)", fmt::format("{}", key_type)));
        return checks_.require(equal(vendor, kIntelQe), "TDX-KEY-TYPE", "QE vendor id",
                               encode_hex(kIntelQe) + " (Intel)", encode_hex(vendor));
    }

    // read_body_type reads the descriptor of version 5; version 4 has none and one type.
    Result<uint16_t> read_body_type(Reader& in) {
        if (out_.version == 4) return kBodyTdx10;
        uint16_t type = TRY(formed(in.u16_le("body type")));
        uint32_t size = TRY(formed(in.u32_le("body size")));
        TRY(checks_.require(type != kBodySgx, "TDX-TEE", "body type", "2 or 3 (TD report)",
                            type == kBodySgx ? "1 (SGX enclave report)" : fmt::format("{}", type)));
        bool known = (type == kBodyTdx10 && size == kSizeTdx10) ||
                     (type == kBodyTdx15 && size == kSizeTdx15);
        TRY(checks_.require(known, "TDX-BODY-TYPE", "body",
                            "type 2 with 584 bytes or type 3 with 648",
                            fmt::format("type {} with {} bytes", type, size)));
        return type;
    }

    Result<void> read_body(Reader& in, bool tdx15) {
        TdReport& body = out_.body;
        body.tee_tcb_svn = TRY(in.array<16>("tee_tcb_svn"));
        body.mrseam = TRY(in.array<48>("mrseam"));
        body.mrsignerseam = TRY(in.array<48>("mrsignerseam"));
        body.seam_attributes = TRY(in.array<8>("seam_attributes"));
        body.td_attributes.raw = TRY(in.u64_le("td_attributes"));
        body.xfam = TRY(in.u64_le("xfam"));
        body.mrtd = TRY(in.array<48>("mrtd"));
        body.mrconfigid = TRY(in.array<48>("mrconfigid"));
        body.mrowner = TRY(in.array<48>("mrowner"));
        body.mrownerconfig = TRY(in.array<48>("mrownerconfig"));
        for (auto& rtmr : body.rtmr) rtmr = TRY(in.array<48>("rtmr"));
        body.report_data = TRY(in.array<64>("report_data"));
        if (!tdx15) return {};
        body.tee_tcb_svn2 = TRY(in.array<16>("tee_tcb_svn2"));
        body.mrservicetd = TRY(in.array<48>("mrservicetd"));
        return {};
    }

    // DCAP, A.3.8: signature, key, then the certification data, which ends the signature data.
    Result<void> read_signature_data(ByteView bytes) {
        Reader in(bytes, "signature data");
        out_.signature = TRY(formed(in.array<64>("signature")));
        out_.attestation_key = TRY(formed(in.array<64>("attestation key")));
        ByteView certification = TRY(read_certification(in, kQeReportData, "outer"));
        return read_qe_certification(certification);
    }

    // read_certification reads type, size and data, and nothing may follow.
    Result<ByteView> read_certification(Reader& in, uint16_t expected, std::string_view which) {
        uint16_t type = TRY(formed(in.u16_le("certification data type")));
        TRY(checks_.require(type == expected, "TDX-CERTIFICATION-TYPE",
                            fmt::format("{} certification data", which),
                            fmt::format("{}", expected), fmt::format("{}", type)));
        ByteView data = TRY(formed(take_sized(in, "certification data")));
        TRY(formed(in.end()));
        return data;
    }

    // DCAP, A.3.11: QE report, its signature, authentication data, inner certification data.
    Result<void> read_qe_certification(ByteView bytes) {
        Reader in(bytes, "QE report certification data");
        out_.qe_report_bytes = TRY(formed(in.array<384>("QE report")));
        TRY(formed(read_qe_report()));
        out_.qe_report_signature = TRY(formed(in.array<64>("QE report signature")));
        uint16_t size = TRY(formed(in.u16_le("QE authentication data")));
        out_.qe_authentication_data =
            to_bytes(TRY(formed(in.take(size, "QE authentication data"))));
        ByteView chain = TRY(read_certification(in, kPckChain, "inner"));
        while (!chain.empty() && chain.back() == 0) chain = chain.first(chain.size() - 1);
        out_.pck_chain = to_text(chain);
        return {};
    }

    Result<void> read_qe_report() {
        Reader in(out_.qe_report_bytes, "QE report");
        QeReport& report = out_.qe_report;
        TRY(in.skip(16, "cpusvn"));
        report.miscselect = TRY(in.u32_le("miscselect"));
        TRY(in.skip(28, "reserved"));
        report.attributes = TRY(in.array<16>("attributes"));
        report.mrenclave = TRY(in.array<32>("mrenclave"));
        TRY(in.skip(32, "reserved"));
        report.mrsigner = TRY(in.array<32>("mrsigner"));
        TRY(in.skip(96, "reserved"));
        report.isvprodid = TRY(in.u16_le("isvprodid"));
        report.isvsvn = TRY(in.u16_le("isvsvn"));
        TRY(in.skip(60, "reserved"));
        report.report_data = TRY(in.array<64>("report_data"));
        return in.end();
    }

    ByteView bytes_;
    Checks& checks_;
    TdxQuote out_;
};

}  // namespace

Result<TdxQuote> TdxQuote::parse(ByteView bytes, Checks& checks) {
    return Parser(bytes, checks).parse();
}

Result<TdxQuote> TdxQuote::parse(ByteView bytes) {
    Checks checks;
    return parse(bytes, checks);
}

std::string TdxQuote::pck_issuer_chain() const {
    constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
    size_t end = pck_chain.find(kEnd);
    if (end == std::string::npos) return "";
    size_t next = pck_chain.find("-----BEGIN", end + kEnd.size());
    return next == std::string::npos ? "" : pck_chain.substr(next);
}

}  // namespace vouchsafe::evidence
