// The answer of a key release (azure-api A.7): a JWS in which a vault says which key it released,
// under which policy, and holds the key itself, wrapped for the machine that asked. Verified by
// that machine, and by anybody later.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::guest {

// ReleaseTrust says from whom an answer is accepted.
struct ReleaseTrust {
    // The vault's host name. "": whichever vault the answer itself names, if it is one of a public
    // Azure cloud (KeyId::resource).
    std::string host;
    std::vector<crypto::Certificate> trusted;  // roots
    Time now;
};

// azure_vault_roots returns the public roots that the certificates of Azure's vaults chain to:
// Baltimore CyberTrust Root (recorded answers of 2022), DigiCert Global Root G2 and Microsoft RSA
// Root Certificate Authority 2017. Immutable, built once, thread-safe.
const std::vector<crypto::Certificate>& azure_vault_roots();

// read_release_answer takes the JWS out of what a file holds: itself, or the vault's whole answer
// {"value": JWS}. Code::invalid if it is an object without that member.
Result<std::string> read_release_answer(std::string_view text);

// VerifiedReleaseAnswer is what a vault signed. It exists only if verify_release_answer said yes.
class VerifiedReleaseAnswer {
  public:
    const std::string& host() const { return host_; }  // the vault's
    const std::string& kid() const { return kid_; }    // of the released key, with version
    const crypto::PublicKey& public_key() const { return public_key_; }
    const std::string& enc() const { return enc_; }          // "RSA_AES_KEY_WRAP_256"
    const Bytes& ciphertext() const { return ciphertext_; }  // RSA part, then AES-KWP part
    const std::string& nonce() const { return nonce_; }      // as the request had it; "" if none
    // The signer's certificates, leaf first, up to and with the root.
    const std::vector<crypto::Certificate>& chain() const { return chain_; }
    const Json& body() const { return *body_; }  // request and response, as they were signed

  private:
    friend struct ReleaseVerifier;  // release_answer.cpp alone
    VerifiedReleaseAnswer(crypto::PublicKey key, std::shared_ptr<const Json> body)
        : public_key_(std::move(key)), body_(std::move(body)) {}
    std::string host_;
    std::string kid_;
    crypto::PublicKey public_key_;
    std::string enc_;
    Bytes ciphertext_;
    std::string nonce_;
    std::vector<crypto::Certificate> chain_;
    std::shared_ptr<const Json> body_;  // immutable
};

// verify_release_answer checks a compact JWS: form (RELEASE-FORMAT), RS256 by x5c[0]
// (RELEASE-SIGNATURE), the chain in its order to one of the trusted roots, which x5c includes, as a
// TLS server's (RELEASE-CHAIN), kid, x5t and x5t#S256 over x5c[0] (RELEASE-THUMBPRINT), that x5c[0]
// carries the vault's host name (RELEASE-NAME), and that the key released is the one in the request
// and of that vault (RELEASE-KEY-ID). Revocation is the caller's to check, over chain()
// (evidence::check_path_revocation).
Result<VerifiedReleaseAnswer> verify_release_answer(std::string_view jws, const ReleaseTrust& trust,
                                                    Checks& checks);

// facts_of says what was released, to whom, under which policy, and who signed it.
Json facts_of(const VerifiedReleaseAnswer& answer);

struct ReleaseExpectation {
    std::string kid;    // as asked for; with or without version
    std::string nonce;  // as sent; "" if none was
    std::string host;   // the vault's host name: the signer's certificate must carry it
    std::vector<crypto::Certificate> trusted;
    Time now;
};

// VerifiedRelease is the answer to one's own request. It exists only if verify_release said yes.
class VerifiedRelease {
  public:
    const std::string& kid() const { return answer_.kid(); }
    const crypto::PublicKey& public_key() const { return answer_.public_key(); }
    const std::string& enc() const { return answer_.enc(); }
    const Bytes& ciphertext() const { return answer_.ciphertext(); }

  private:
    friend struct ReleaseVerifier;  // release_answer.cpp alone
    explicit VerifiedRelease(VerifiedReleaseAnswer answer) : answer_(std::move(answer)) {}
    VerifiedReleaseAnswer answer_;
};

// verify_release is verify_release_answer for the answer to one's own request: it must be for the
// key that was asked for (RELEASE-KEY-ID) and repeat the nonce (RELEASE-NONCE).
Result<VerifiedRelease> verify_release(std::string_view jws, const ReleaseExpectation& expected,
                                       Checks& checks);

}  // namespace vouchsafe::guest
