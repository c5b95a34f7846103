// The public keys of token issuers, fetched over HTTPS and kept. Only URLs that the caller names
// are fetched; what a token says about where its keys are (jku) is never looked at.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/jose/jwk.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::access {

// FetchJson gets a JSON object from an https URL. Thread-safe. fetch_with makes one of a client
// that outlives it.
using FetchJson = std::function<Result<Json>(const std::string& url)>;
FetchJson fetch_with(net::Client& client);

// KeySetTimes says how long key sets are kept.
struct KeySetTimes {
    // A fetched key set is fetched again after this time; Azure rotates within a day's notice.
    Seconds refresh{3600};
    // An older key set is not used even if its issuer cannot be reached. A day's outage of an
    // issuer must not stop those who hold its tokens; a longer one could hide a withdrawn key.
    Seconds max_age{86400};
    // Least time between two fetches from one issuer, so that tokens with made-up key ids or an
    // issuer that is down do not make this service hammer it.
    Seconds retry{5};
};

// KeySets is thread-safe; while one thread fetches an issuer's keys only those wait who need a key
// of that issuer which is not known. It holds one entry for every issuer asked for: the caller
// bounds whom it asks for.
class KeySets {
  public:
    using Keys = std::shared_ptr<const jose::JwkSet>;

    // Borrows `clock`.
    KeySets(FetchJson fetch, const Clock& clock, KeySetTimes times = {});

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
    const KeySetTimes times_;
    std::mutex mutex_;
    std::map<std::string, std::unique_ptr<Entry>> entries_;
};

}  // namespace vouchsafe::access
