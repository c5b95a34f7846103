#include "vouchsafe/evidence/tdx/quote.h"

namespace vouchsafe::evidence {

namespace {

constexpr uint16_t kSgxVersion = 3;
constexpr uint32_t kSgxTee = 0;
constexpr uint32_t kTdxTee = 0x81;

// DCAP, A.4.2: types and sizes of the body of version 5.
constexpr uint16_t kBodySgx = 1;
constexpr uint16_t kBodyTdx10 = 2;
constexpr uint16_t kBodyTdx15 = 3;
constexpr uint32_t kSizeTdx10 = 584;
constexpr uint32_t kSizeTdx15 = 648;

class Parser {
  public:
    Parser(ByteView bytes, Checks& checks)
        : checks_(checks), parts_(bytes, IntelTee::tdx, checks, out_) {}

    Result<TdxQuote> parse() {
        TRY(check_kind(TRY(parts_.read_header())));
        TRY(parts_.check_key());
        uint16_t type = TRY(read_body_type());
        TRY(parts_.formed(read_body(parts_.in(), type == kBodyTdx15)));
        TRY(parts_.read_signature());
        return std::move(out_);
    }

  private:
    Result<void> check_kind(uint32_t tee) {
        // In version 3 this field is reserved and zero: SGX.
        bool sgx = tee == kSgxTee && out_.version >= kSgxVersion && out_.version <= 5;
        TRY(checks_.require(
            !sgx, "TDX-TEE", "TEE type", "0x81 (TDX)",
            sgx ? fmt::format("0 (SGX), quote version {}", out_.version) : "not SGX"));
        TRY(checks_.require(out_.version == 4 || out_.version == 5, "TDX-VERSION", "version",
                            "4 or 5", fmt::format("{}", out_.version)));
        return checks_.require(tee == kTdxTee, "TDX-TEE", "TEE type", "0x81 (TDX)",
                               fmt::format("{:#x}", tee));
    }

    // read_body_type reads the descriptor of version 5; version 4 has none and one type.
    Result<uint16_t> read_body_type() {
        if (out_.version == 4) return kBodyTdx10;
        uint16_t type = TRY(parts_.formed(parts_.in().u16_le("body type")));
        uint32_t size = TRY(parts_.formed(parts_.in().u32_le("body size")));
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

    Checks& checks_;
    TdxQuote out_;
    QuotePartsReader parts_;
};

}  // namespace

Result<TdxQuote> TdxQuote::parse(ByteView bytes, Checks& checks) {
    return Parser(bytes, checks).parse();
}

Result<TdxQuote> TdxQuote::parse(ByteView bytes) {
    Checks checks;
    return parse(bytes, checks);
}

}  // namespace vouchsafe::evidence
