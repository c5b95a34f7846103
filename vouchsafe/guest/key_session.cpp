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

Result<device::Tpm*> KeySession::tpm() {
    if (!tpm_) tpm_ = TRY(open_tpm(site_.machine));
    return &*tpm_;
}

Result<void> KeySession::attest_once() {
    if (options_.token) return {};
    if (options_.attest_url.empty()) {
        return fail(Code::invalid,
                    "to have the key released give --attest-url URL (or --token FILE)");
    }
    Stopwatch watch;
    AttestOptions how{options_.attest_url, options_.nonce};
    options_.token = TRY(attest(*TRY(tpm()), site_.machine, metadata_, client_, how)).token;
    observer_({"attest", watch.seconds(), {}});
    return {};
}

Result<ReleasedKey> KeySession::key(const std::string& version) {
    auto known = keys_.find(version);
    if (known != keys_.end()) return known->second;
    TRY(attest_once());
    KeyId id = options_.key;
    if (!version.empty()) id.version = version;
    std::vector<crypto::Certificate> trusted;
    if (!site_.client.ca_pem.empty()) {
        trusted = TRY(crypto::Certificate::parse_pem_bundle(site_.client.ca_pem));
    }
    Stopwatch watch;
    Checks checks;
    VaultClient vault(client_, credential_);
    ReleasedKey key = TRY(vault.release_key(id, *TRY(tpm()), site_.machine.pcrs, *options_.token,
                                            trusted, clock_.now(), checks));
    observer_({"release", watch.seconds(), checks.list()});
    keys_.emplace(version, key);
    return key;
}

}  // namespace vouchsafe::guest
