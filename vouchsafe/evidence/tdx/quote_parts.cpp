#include "vouchsafe/evidence/tdx/quote_parts.h"

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::evidence {

namespace {

constexpr size_t kMaxQuote = 64 << 10;
constexpr size_t kHeaderSize = 48;  // DCAP, A.3.1
constexpr uint16_t kEcdsaP256 = 2;
constexpr std::array<uint8_t, 16> kIntelQe{0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                           0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

// DCAP, A.3.9: types of certification data.
constexpr uint16_t kQeReportData = 6;
constexpr uint16_t kPckChain = 5;

Result<ByteView> take_sized(Reader& in, std::string_view field) {
    uint32_t size = TRY(in.u32_le(field));
    return in.take(size, field);
}

}  // namespace

Result<uint32_t> QuotePartsReader::read_header() {
    TRY(checks_.require(bytes_.size() <= kMaxQuote, "TDX-FORM", "quote",
                        fmt::format("at most {} bytes", kMaxQuote),
                        fmt::format("{} bytes", bytes_.size())));
    if (in_.left() < kHeaderSize) {
        return checks_.refuse("TDX-FORM", "header", fmt::format("{} bytes", kHeaderSize),
                              fmt::format("{} bytes", in_.left()));
    }
    out_.version = TRY(in_.u16_le("version"));
    key_type_ = TRY(in_.u16_le("attestation key type"));
    uint32_t tee = TRY(in_.u32_le("TEE type"));
    // Version 3: security versions of QE and PCE; later ones: reserved. Nothing depends on them.
    TRY(in_.skip(4, "reserved"));
    vendor_ = TRY(in_.array<16>("QE vendor id"));
    out_.user_data = TRY(in_.array<20>("user data"));
    return tee;
}

Result<void> QuotePartsReader::check_key() {
    TRY(checks_.require(key_type_ == kEcdsaP256, "TDX-KEY-TYPE", "attestation key type",
                        "2 (ECDSA P-256)", fmt::format("{}", key_type_)));
    return checks_.require(equal(vendor_, kIntelQe), "TDX-KEY-TYPE", "QE vendor id",
                           encode_hex(kIntelQe) + " (Intel)", encode_hex(vendor_));
}

Result<void> QuotePartsReader::read_signature() {
    out_.signed_size = in_.offset();
    ByteView signature = TRY(formed(take_sized(in_, "signature data")));
    out_.size = in_.offset();
    TRY(read_signature_data(signature));
    ByteView trailing = TRY(formed(in_.rest("padding")));
    return checks_.require(
        all_zero(trailing), "TDX-TRAILING", "behind the quote", "only zeros",
        all_zero(trailing) ? "only zeros" : fmt::format("{} other bytes", trailing.size()));
}

// DCAP, A.3.8: signature, key, then the certification data, which ends the signature data. In
// version 3 the QE report stands there bare (QuoteGenReference, A.4).
Result<void> QuotePartsReader::read_signature_data(ByteView bytes) {
    Reader in(bytes, "signature data");
    out_.signature = TRY(formed(in.array<64>("signature")));
    out_.attestation_key = TRY(formed(in.array<64>("attestation key")));
    if (tee_ == IntelTee::sgx) return read_qe_certification(in);
    Reader outer(TRY(read_certification(in, kQeReportData, "outer")),
                 "QE report certification data");
    return read_qe_certification(outer);
}

// read_certification reads type, size and data, and nothing may follow.
Result<ByteView> QuotePartsReader::read_certification(Reader& in, uint16_t expected,
                                                      std::string_view which) {
    uint16_t type = TRY(formed(in.u16_le("certification data type")));
    TRY(checks_.require(type == expected, tee_terms(tee_).certification_type,
                        fmt::format("{} certification data", which), fmt::format("{}", expected),
                        fmt::format("{}", type)));
    ByteView data = TRY(formed(take_sized(in, "certification data")));
    TRY(formed(in.end()));
    return data;
}

// DCAP, A.3.11: QE report, its signature, authentication data, inner certification data.
Result<void> QuotePartsReader::read_qe_certification(Reader& in) {
    out_.qe_report_bytes = TRY(formed(in.array<EnclaveReport::kSize>("QE report")));
    out_.qe_report = TRY(formed(EnclaveReport::parse(out_.qe_report_bytes)));
    out_.qe_report_signature = TRY(formed(in.array<64>("QE report signature")));
    uint16_t size = TRY(formed(in.u16_le("QE authentication data")));
    out_.qe_authentication_data = to_bytes(TRY(formed(in.take(size, "QE authentication data"))));
    ByteView chain = TRY(read_certification(in, kPckChain, "inner"));
    while (!chain.empty() && chain.back() == 0) chain = chain.first(chain.size() - 1);
    out_.pck_chain = to_text(chain);
    return {};
}

std::string QuoteParts::pck_issuer_chain() const {
    constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
    size_t end = pck_chain.find(kEnd);
    if (end == std::string::npos) return "";
    size_t next = pck_chain.find("-----BEGIN", end + kEnd.size());
    return next == std::string::npos ? "" : pck_chain.substr(next);
}

}  // namespace vouchsafe::evidence
