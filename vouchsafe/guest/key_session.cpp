#include "vouchsafe/guest/key_session.h"

#include "vouchsafe/base/stopwatch.h"

namespace vouchsafe::guest {

KeySession::KeySession(const Site& site, Credential& credential, KeySessionOptions options,
                       const Clock& clock, Observer observer)
    : site_(site),
      credential_(credential),
      options_(std::move(options)),
      clock_(clock),
      observer_(std::move(observer)),
      metadata_(site.client),
      client_(site.client) {}

Result<SecretBytes> KeySession::token() {
    if (options_.token) return options_.token->clone();
    if (options_.attest_url.empty()) {
        return fail(Code::invalid,
                    "to have the key released give --attest-url URL (or --token FILE)");
    }
    Stopwatch watch;
    SecretBytes token =
        TRY(attest(site_.machine, metadata_, client_, options_.attest_url, options_.nonce));
    observer_({"attest", watch.seconds(), {}});
    return token;
}

Result<crypto::PrivateKey> KeySession::key() {
    if (key_) return *key_;
    SecretBytes presented = TRY(token());
    std::vector<crypto::Certificate> trusted;
    if (!site_.client.ca_pem.empty()) {
        trusted = TRY(crypto::Certificate::parse_pem_bundle(site_.client.ca_pem));
    }
    Stopwatch watch;
    Checks checks;
    VaultClient vault(client_, credential_);
    key_ = TRY(
        vault.release_key(options_.key, site_.machine, presented, trusted, clock_.now(), checks));
    observer_({"release", watch.seconds(), checks.list()});
    return *key_;
}

}  // namespace vouchsafe::guest
