// The public keys of token issuers, fetched over HTTPS and kept. Only URLs that the caller names
// are fetched; what a token says about where its keys are (jku) is never looked at.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/jose/jwk.h"
#include "vouchsafe/vault/service.h"

namespace vouchsafe::vault {

// KeySets is thread-safe; while one thread fetches an issuer's keys only those wait who need a key
// of that issuer which is not known. It holds one entry for every issuer asked for: the caller
// bounds whom it asks for.
class KeySets {
  public:
    using Keys = std::shared_ptr<const jose::JwkSet>;

    // `config` gives the times of keeping (config.h). Borrows `clock`.
    KeySets(FetchJson fetch, const Clock& clock, const Config& config);

    // find returns the key set of the issuer with this base URL: the `jwks_uri` in
    // {base}/.well-known/openid-configuration, which must be https and of the same origin. It is
    // fetched if it is not known, is old, or lacks `kid`. Code::unavailable if it cannot be had.
    Result<Keys> find(const std::string& base, std::string_view kid);

  private:
    struct Entry {
        std::mutex mutex;
        std::condition_variable idle;  // fetching ended
        bool fetching = false;
        Keys keys;
        Time fetched;
        std::optional<Time> tried;
        std::string problem;
    };
    Entry& entry(const std::string& base);
    Result<Keys> fetch(const std::string& base) const;
    Result<Keys> fetch_unlocked(const std::string& base, Entry& known,
                                std::unique_lock<std::mutex>& lock) const;
    bool usable(const Entry& known, Time now) const;

    const FetchJson fetch_;
    const Clock& clock_;
    const Seconds refresh_, max_age_, retry_;
    std::mutex mutex_;
    std::map<std::string, std::unique_ptr<Entry>> entries_;
};

}  // namespace vouchsafe::vault
