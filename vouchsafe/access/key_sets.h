// The public keys of token issuers, fetched over HTTPS and kept. Only URLs that the caller names
// are fetched; what a token says about where its keys are (jku) is never looked at.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/jose/jwk.h"
#include "vouchsafe/jose/kept_tokens.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::access {

// FetchJson gets a JSON object from an https URL. Thread-safe. fetch_with makes one of a client
// that outlives it; fetch_over makes one that has a client of its own for every origin, because
// requests of one client wait for each other, and an issuer that hangs is not to delay another.
using FetchJson = std::function<Result<Json>(const std::string& url)>;
FetchJson fetch_with(net::Client& client);
FetchJson fetch_over(net::ClientOptions options);

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
    // How long requests wait for a fetch, counted from its beginning: all of them for a `brief`
    // time; a few, for whichever issuer, with `patience`, in which two fetches over a slow network
    // fit: `waiting` of them at once, and one more that began its fetch. Of an issuer that failed
    // the last time nobody expects that much. Who waits keeps a worker, and users of other issuers
    // need those: many issuers that hang must not keep all.
    std::chrono::milliseconds brief{300};
    std::chrono::milliseconds patience{3000};
    unsigned waiting = 2;
};

// Issuers whose keys are kept. Operators name few; but whoever may set a release policy names
// addresses of an authority, and each has a thread while it is asked.
inline constexpr size_t kMaxKeySets = 512;

// KeyPlace is where the keys of an issuer are that an operator configured by itself.
struct KeyPlace {
    std::string issuer;    // https; where its discovery document is, which must name it
    std::string jwks_uri;  // https; where its keys are, of any origin; "": the document says it
    FetchJson fetch;       // nullptr: the KeySets' own
    // What `fetch` believes, as any text: keys that were fetched under one are not used under
    // another. "": what the KeySets' own believes.
    std::string trust = {};
};

// KeySets is thread-safe. Keys are fetched in the background, once for all who need them. Who has a
// key does not wait for who needs another one; who waits does so for a limited time, so that an
// issuer that hangs or is gone costs its own users only. It holds at most kMaxKeySets issuers: for
// one more it forgets the one that was not asked for longest, first among those without keys. Its
// end waits for the fetches that run.
class KeySets {
  public:
    using Keys = std::shared_ptr<const jose::JwkSet>;

    // Borrows `clock`.
    KeySets(FetchJson fetch, const Clock& clock, KeySetTimes times = {});

    // find returns the key set of the issuer with this base URL: the `jwks_uri` in
    // {base}/.well-known/openid-configuration, which must be https and of the same origin. It is
    // fetched if it is not known, is old, or lacks `kid`. Code::unavailable if it cannot be had, or
    // if so many issuers are being asked that none can be forgotten.
    Result<Keys> find(const std::string& base, std::string_view kid);
    // The same for an issuer with a place of its own; its keys are kept apart from those above.
    Result<Keys> find(const KeyPlace& place, std::string_view kid);

    // forget drops what is known of all issuers whose base URL is of this origin: one that comes
    // back there is another one, with other keys. It waits for a fetch that runs. Places of their
    // own are not touched.
    void forget(const std::string& origin);

    // tokens keeps what was verified by these keys.
    jose::KeptTokens& tokens() { return tokens_; }

  private:
    using Instant = std::chrono::steady_clock::time_point;
    struct Entry {
        ~Entry();
        std::mutex mutex;
        std::condition_variable idle;  // fetching ended
        bool fetching = false;
        Instant since{};  // fetching began
        Keys keys;
        Time fetched;
        std::optional<Time> tried;
        std::string problem;
        std::thread fetcher;
        uint64_t asked = 0;  // by asks_, when it was last asked for; under the KeySets' mutex
    };
    // entry returns nullptr if there is no room.
    std::shared_ptr<Entry> entry(const std::string& name);
    // forget_one takes out what can be spared; its fetcher has ended. nullptr: nothing can.
    std::shared_ptr<Entry> forget_one();
    Result<Keys> find_named(const std::string& name, const KeyPlace& place, bool checks_name,
                            std::string_view kid);
    Result<Keys> find_in(Entry& known, const KeyPlace& place, bool checks_name,
                         std::string_view kid);
    Result<Keys> fetch(const KeyPlace& place, bool checks_name) const;
    Result<std::string> find_keys_url(const KeyPlace& place, bool checks_name) const;
    // begin starts a fetch; end is what the fetcher does with its result.
    void begin(Entry& known, const KeyPlace& place, bool checks_name);
    void end(Entry& known, const std::string& issuer, Result<Keys> fetched) const;
    // wait returns when the fetch has ended, or no longer is worth waiting for. `began`: this
    // thread began it.
    void wait(Entry& known, bool began, std::unique_lock<std::mutex>& lock);
    bool usable(const Entry& known, Time now) const;

    const FetchJson fetch_;
    const Clock& clock_;
    const KeySetTimes times_;
    jose::KeptTokens tokens_;
    std::atomic<unsigned> waiting_ = 0;
    std::mutex mutex_;
    uint64_t asks_ = 0;
    std::map<std::string, std::shared_ptr<Entry>> entries_;  // last: its fetchers use the others
};

}  // namespace vouchsafe::access
