// Asymmetric keys: RSA, the NIST curves, and secp256k1 for who asks for it, over OpenSSL's EVP.
//
// Both types are cheap to copy (shared, immutable) and thread-safe. Private keys never leave
// OpenSSL's memory except through to_pkcs8.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "vouchsafe/base/secret.h"
#include "vouchsafe/crypto/hash.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace vouchsafe::crypto {

enum class KeyType { rsa, ec };
enum class Curve { p256, p384, p521, p256k };  // p256k is secp256k1, Azure's P-256K

// Signature algorithms by their JOSE names (RFC 7518, 3.1). ES* signatures are r || s, big-endian,
// fixed width. PS* use MGF1 with the same hash and a salt of the hash's length.
enum class SigAlg { rs256, rs384, rs512, ps256, ps384, ps512, es256, es384, es512, es256k };
std::string_view sig_alg_name(SigAlg alg);  // "RS256"
std::optional<SigAlg> sig_alg_from_name(std::string_view name);
HashAlg sig_alg_hash(SigAlg alg);

// Which curves a reader takes. No certificate, token or TPM of ours is on secp256k1: only a vault,
// whose users may keep such keys, reads it.
enum class Curves { nist, with_p256k };

struct RsaPublicParts {
    Bytes modulus;   // big-endian, no leading zeros
    Bytes exponent;  // big-endian, no leading zeros
};
struct EcPublicParts {
    Curve curve;
    Bytes x, y;  // big-endian, width of the field
};

// What a JSON Web Key says of a private key (RFC 7518, 6.2.2, 6.3.2): big-endian, leading zeros
// allowed but in x and y.
struct RsaPrivateParts {
    Bytes modulus, exponent;
    SecretBytes d, p, q, dp, dq, qi;
};
struct EcPrivateParts {
    EcPublicParts point;
    SecretBytes d;
};

class PublicKey {
  public:
    // Every key read from outside is RSA with an odd modulus of 1024 to 8192 bits and an odd
    // exponent of 3 up to 64 bits, or EC with a valid point on a named curve, not in hybrid form:
    // Code::invalid or Code::unsupported otherwise. id-RSASSA-PSS keys are unsupported.
    // from_spki reads a SubjectPublicKeyInfo, whole input.
    static Result<PublicKey> from_spki(ByteView der, Curves curves = Curves::nist);
    static Result<PublicKey> from_pem(std::string_view pem);  // one block PUBLIC KEY
    // from_rsa ignores leading zeros.
    static Result<PublicKey> from_rsa(ByteView modulus, ByteView exponent);
    // from_ec wants both coordinates in the width of the field.
    static Result<PublicKey> from_ec(Curve curve, ByteView x, ByteView y);

    KeyType type() const;
    size_t bits() const;
    Bytes spki() const;
    std::string pem() const;
    Result<RsaPublicParts> rsa() const;  // Code::invalid for another type
    Result<EcPublicParts> ec() const;
    bool operator==(const PublicKey& other) const;

    // verify fails with Code::bad_evidence if the signature does not hold, Code::invalid if the
    // algorithm does not fit the key (ES256 goes with P-256 alone, and so on).
    Result<void> verify(SigAlg alg, ByteView message, ByteView signature) const;
    // verify_digest is the same for a message hashed by the caller; a digest of another size than
    // the algorithm's is Code::invalid.
    Result<void> verify_digest(SigAlg alg, ByteView digest, ByteView signature) const;

    // verify_unhashed is verify for PrivateKey::sign_unhashed.
    Result<void> verify_unhashed(ByteView data, ByteView signature) const;

    // RSA only. encrypt_oaep uses `hash` for OAEP and MGF1, empty label. encrypt_pkcs1 is RSAES
    // PKCS#1 v1.5: only where a protocol demands it.
    Result<Bytes> encrypt_oaep(HashAlg hash, ByteView plaintext) const;
    Result<Bytes> encrypt_pkcs1(ByteView plaintext) const;

    // For crypto/ alone.
    explicit PublicKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
    evp_pkey_st* handle() const { return key_.get(); }

  private:
    std::shared_ptr<evp_pkey_st> key_;
};

class PrivateKey {
  public:
    // generate_rsa: exponent 65537; 2048 to 8192 bits. A modulus of more than two primes (RFC 8017
    // 3.2; from 4096 bits at most 4) is found several times sooner and used sooner; Code::invalid
    // if the bits do not carry so many.
    static Result<PrivateKey> generate_rsa(size_t bits, unsigned primes = 2);
    static Result<PrivateKey> generate_ec(Curve curve);
    // from_pkcs8 accepts PKCS#8 PrivateKeyInfo, and bare PKCS#1 or SEC1, as DER, whole input. RSA
    // keys have at least 2048 bits. A trial signature proves that the parts belong together,
    // which makes this cost several signatures: keep the key rather than its bytes.
    static Result<PrivateKey> from_pkcs8(ByteView der, Curves curves = Curves::nist);
    // from_rsa and from_ec check every part against every other one: p and q are primes of half the
    // modulus's length and their product is the modulus; d, dp, dq and qi are what follows; d of an
    // EC key is in range and gives the point, which is on the curve. RSA keys have 2048 bits and
    // more. Code::invalid otherwise, without saying which part is wrong. They cost some ms.
    static Result<PrivateKey> from_rsa(const RsaPrivateParts& parts);
    static Result<PrivateKey> from_ec(const EcPrivateParts& parts);
    // trust_pkcs8 is from_pkcs8 without checks: for what to_pkcs8 of such a key wrote and nobody
    // can have changed since, such as the contents of an authentic ciphertext of our own.
    static Result<PrivateKey> trust_pkcs8(ByteView der);
    static Result<PrivateKey> from_pem(ByteView pem);

    PublicKey public_key() const;
    KeyType type() const;
    size_t bits() const;
    SecretBytes to_pkcs8() const;
    SecretBytes to_pem() const;

    Result<Bytes> sign(SigAlg alg, ByteView message) const;
    Result<Bytes> sign_digest(SigAlg alg, ByteView digest) const;
    // sign_unhashed is RSASSA-PKCS1-v1_5 over the bytes themselves, without a DigestInfo: Azure's
    // RSNULL. At most 11 bytes less than the modulus has.
    Result<Bytes> sign_unhashed(ByteView data) const;

    // RSA only. The error never says which step failed (padding oracles); it is Code::bad_evidence.
    Result<SecretBytes> decrypt_oaep(HashAlg hash, ByteView ciphertext) const;
    // decrypt_pkcs1 gives `expected_size` bytes that look random instead of an error if the padding
    // is wrong or the size differs (implicit rejection), so that the caller's next check decides.
    // They are the same each time for one key and ciphertext. Only what everybody can see is an
    // error: a ciphertext of another length than the modulus is Code::invalid.
    Result<SecretBytes> decrypt_pkcs1(ByteView ciphertext, size_t expected_size) const;
    // decrypt_pkcs1_any is the same for plaintexts of any length: a wrong padding gives bytes of a
    // length that both derive from key and ciphertext (draft-irtf-cfrg-rsa-guidance, 7; the same
    // values as OpenSSL 3.2 and later). Time and memory access do not depend on the padding; the
    // length of what comes out is all that is seen. Only a ciphertext of another length than the
    // modulus, or not below it, is an error: Code::bad_evidence.
    Result<SecretBytes> decrypt_pkcs1_any(ByteView ciphertext) const;

    // For crypto/ alone.
    explicit PrivateKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
    evp_pkey_st* handle() const { return key_.get(); }

  private:
    std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace vouchsafe::crypto
