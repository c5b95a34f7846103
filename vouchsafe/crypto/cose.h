// COSE_Sign1 (RFC 9052, 4.2): one statement with one signature, and the certificates that come with
// it (RFC 9360). Embedded payloads only.
#pragma once

#include "vouchsafe/base/cbor.h"
#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::crypto {

inline constexpr size_t kMaxCoseBytes = 256 << 10;
inline constexpr size_t kMaxCoseChain = 8;
inline constexpr size_t kMinCoseRsaBits = 2048;  // to verify with: RFC 8230, 6.1

// The labels of the header parameters that are read here (IANA, COSE Header Parameters).
inline constexpr int64_t kCoseAlg = 1;
inline constexpr int64_t kCoseCrit = 2;
inline constexpr int64_t kCoseContentType = 3;
inline constexpr int64_t kCoseX5chain = 33;
inline constexpr int64_t kCoseX5t = 34;

// CoseThumbprint is x5t: which certificate the signer means (RFC 9360, 2).
struct CoseThumbprint {
    HashAlg alg;
    Bytes hash;
    bool names(const Certificate& certificate) const;
};

// CoseSign1 is a taken-apart, unverified COSE_Sign1. Header parameters are read from the protected
// header alone; what is in the other one is vouched for by nobody.
struct CoseSign1 {
    Bytes protected_bytes;  // as they were signed
    Cbor header;            // the map in them
    Cbor unprotected;
    Bytes payload;
    Bytes signature;
    int64_t alg = 0;                    // header.1, e.g. -38
    std::vector<Certificate> chain;     // header.33, leaf first; may be empty
    std::optional<CoseThumbprint> x5t;  // header.34
};

// parse_cose_sign1 is strict: tag 18 or none, four members, a protected header with an `alg` that
// is a number, no `crit`, labels that are numbers or text and not in both headers, an embedded
// payload, readable certificates (at most 8; one of them as bytes, more as an array), x5t with
// SHA-256, SHA-384 or SHA-512; at most 256 KiB, and CBOR as base/cbor.h wants it. Code::invalid
// otherwise.
Result<CoseSign1> parse_cose_sign1(ByteView bytes);

// cose_sig_alg names an algorithm of COSE (RFC 9053, 2.1; RFC 8230, 2): ES256, ES384, ES512, PS256,
// PS384, PS512; nullopt for any other.
std::optional<SigAlg> cose_sig_alg(int64_t alg);

// cose_sig_structure is what a signature of COSE_Sign1 is over (RFC 9052, 4.4), without external
// data.
Bytes cose_sig_structure(ByteView protected_bytes, ByteView payload);

// verify_cose_sign1 fails with Code::bad_evidence unless `alg` is one of cose_sig_alg that fits the
// key, the key is strong enough, and the signature holds. The key is the caller's choice. ES256,
// ES384 and ES512 go with P-256, P-384 and P-521 alone.
Result<void> verify_cose_sign1(const CoseSign1& message, const PublicKey& key);

}  // namespace vouchsafe::crypto
