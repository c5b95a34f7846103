// What quotes of trust domains and of SGX enclaves have in common: all but the body (Intel TDX DCAP
// Quoting Library API, A.3 and A.4; Intel SGX ECDSA QuoteGenReference, A.4). Bytes to fields,
// nothing more.
#pragma once

#include <string>

#include "vouchsafe/evidence/tdx/enclave_report.h"
#include "vouchsafe/evidence/tdx/tee.h"

namespace vouchsafe::evidence {

struct QuoteParts {
    uint16_t version = 0;
    std::array<uint8_t, 20> user_data{};        // the host's: not the guest's
    size_t signed_size = 0;                     // the signature covers [0, signed_size)
    std::array<uint8_t, 64> signature{};        // r || s, big-endian
    std::array<uint8_t, 64> attestation_key{};  // x || y, big-endian
    std::array<uint8_t, EnclaveReport::kSize> qe_report_bytes{};
    EnclaveReport qe_report;  // what the quoting enclave says about itself
    std::array<uint8_t, 64> qe_report_signature{};
    Bytes qe_authentication_data;
    std::string pck_chain;  // PEM, without the zeros that may end it
    size_t size = 0;        // without the padding behind it

    // pck_issuer_chain is what follows the first certificate of the PCK chain: the issuer's and the
    // root's, the same in all quotes of machines with this issuer; "" if there is no first one.
    std::string pck_issuer_chain() const;
};

// QuotePartsReader reads these parts, for quote.cpp here and in evidence/sgx alone: read_header,
// check_key, then the caller reads the body from in(), then read_signature. Borrows all it is
// given.
class QuotePartsReader {
  public:
    QuotePartsReader(ByteView bytes, IntelTee tee, Checks& checks, QuoteParts& out)
        : bytes_(bytes), in_(bytes, "quote"), tee_(tee), checks_(checks), out_(out) {}

    // read_header returns the TEE type, in version 3 a reserved field. Judges nothing but lengths
    // (TDX-FORM): at most 64 KiB.
    Result<uint32_t> read_header();
    Result<void> check_key();  // TDX-KEY-TYPE
    // read_signature reads all that follows the body; the body ends what is signed. Fails with
    // TDX-FORM, TDX-TRAILING, and the code for another type of certification data.
    Result<void> read_signature();

    Reader& in() { return in_; }
    // formed turns what does not fit into the check TDX-FORM.
    template <typename T>
    Result<T> formed(Result<T> result) {
        if (result) return result;
        return checks_.refuse("TDX-FORM", "lengths", "parts that fit", result.error().message);
    }

  private:
    Result<void> read_signature_data(ByteView bytes);
    Result<ByteView> read_certification(Reader& in, uint16_t expected, std::string_view which);
    Result<void> read_qe_certification(Reader& in);

    ByteView bytes_;
    Reader in_;
    IntelTee tee_;
    Checks& checks_;
    QuoteParts& out_;
    uint16_t key_type_ = 0;
    std::array<uint8_t, 16> vendor_{};
};

}  // namespace vouchsafe::evidence
