#include "vouchsafe/access/key_sets.h"

#include <system_error>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/base/log.h"

namespace vouchsafe::access {

namespace {

// within is false also for a time in the future: a clock that was set back makes everything look
// old rather than young for ever.
bool within(Time since, Time now, Seconds span) {
    return since <= now && now < since + span;
}

}  // namespace

FetchJson fetch_with(net::Client& client) {
    return [&client](const std::string& url) -> Result<Json> {
        net::ClientRequest request;
        request.url = url;
        request.headers.set("Accept", "application/json, application/jwk+json");
        net::ClientResponse response = TRY(client.send(request));
        if (response.status != 200) {
            return fail(Code::unavailable, "{} answered with status {}", url, response.status);
        }
        return with_context(parse_json_object(response.body), url);
    };
}

FetchJson fetch_over(net::ClientOptions options) {
    struct Clients {
        std::mutex mutex;
        std::map<std::string, std::unique_ptr<net::Client>> by_origin;
    };
    return [options = std::move(options),
            clients = std::make_shared<Clients>()](const std::string& url) -> Result<Json> {
        const std::string origin = TRY(net::Url::parse(url)).origin();
        net::Client* client = nullptr;
        {
            std::lock_guard lock(clients->mutex);
            std::unique_ptr<net::Client>& known = clients->by_origin[origin];
            if (!known) known = std::make_unique<net::Client>(options);
            client = known.get();
        }
        return fetch_with(*client)(url);
    };
}

KeySets::KeySets(FetchJson fetch, const Clock& clock, KeySetTimes times)
    : fetch_(std::move(fetch)), clock_(clock), times_(times) {}

KeySets::Entry::~Entry() {
    if (fetcher.joinable()) fetcher.join();
}

std::shared_ptr<KeySets::Entry> KeySets::entry(const std::string& name) {
    std::shared_ptr<Entry> forgotten;  // ends without the lock
    std::lock_guard lock(mutex_);
    auto found = entries_.find(name);
    if (found == entries_.end()) {
        if (entries_.size() >= kMaxKeySets) {
            forgotten = forget_one();
            if (!forgotten) return nullptr;
        }
        found = entries_.emplace(name, std::make_shared<Entry>()).first;
    }
    found->second->asked = ++asks_;
    return found->second;
}

std::shared_ptr<KeySets::Entry> KeySets::forget_one() {
    auto chosen = entries_.end();
    bool chosen_has_keys = false;
    for (auto one = entries_.begin(); one != entries_.end(); ++one) {
        Entry& known = *one->second;
        // Nobody else holds it, and whoever wants to must come through the map, which is locked.
        if (one->second.use_count() != 1) continue;
        std::lock_guard lock(known.mutex);
        if (known.fetching) continue;
        const bool has_keys = known.keys != nullptr;
        const bool better = chosen == entries_.end() || (chosen_has_keys && !has_keys) ||
                            (chosen_has_keys == has_keys && known.asked < chosen->second->asked);
        if (!better) continue;
        chosen = one;
        chosen_has_keys = has_keys;
    }
    if (chosen == entries_.end()) return nullptr;
    return std::move(entries_.extract(chosen).mapped());
}

void KeySets::forget(const std::string& origin) {
    std::vector<std::shared_ptr<Entry>> forgotten;  // declared before the lock, so ends after it
    std::lock_guard lock(mutex_);
    std::erase_if(entries_, [&](auto& one) {
        const std::string& base = one.first;
        if (base != origin && !base.starts_with(origin + "/")) return false;
        forgotten.push_back(std::move(one.second));
        return true;
    });
}

Result<std::string> KeySets::find_keys_url(const KeyPlace& place, bool checks_name) const {
    if (!place.jwks_uri.empty()) return place.jwks_uri;
    const std::string metadata_url = place.issuer + "/.well-known/openid-configuration";
    const net::Url metadata = TRY(net::Url::parse(metadata_url));
    if (metadata.scheme != "https") return fail(Code::invalid, "{} is not https", place.issuer);
    const Json document = TRY((place.fetch ? place.fetch : fetch_)(metadata_url));
    // OpenID Connect Discovery 1.0, 4.3.
    if (checks_name && normalize_url(text_or_empty(document, "issuer")) != place.issuer) {
        return fail(Code::invalid, "{} is of another issuer, {}", metadata_url,
                    show_json(text_or_empty(document, "issuer")));
    }
    std::string keys_url = TRY(json_string(document, "jwks_uri"));
    const net::Url keys = TRY(net::Url::parse(keys_url));
    if (keys.origin() != metadata.origin()) {
        return fail(Code::invalid, "{} names keys of another origin, {}", metadata_url,
                    keys.origin());
    }
    return keys_url;
}

Result<KeySets::Keys> KeySets::fetch(const KeyPlace& place, bool checks_name) const {
    const std::string keys_url = TRY(find_keys_url(place, checks_name));
    const Json set = TRY((place.fetch ? place.fetch : fetch_)(keys_url));
    return std::make_shared<const jose::JwkSet>(TRY(jose::JwkSet::parse(set)));
}

void KeySets::begin(Entry& known, const KeyPlace& place, bool checks_name) {
    known.tried = clock_.now();
    if (known.fetcher.joinable()) known.fetcher.join();  // it has ended already
    known.fetching = true;
    known.since = std::chrono::steady_clock::now();
    try {
        known.fetcher = std::thread([this, &known, place, checks_name] {
            try {
                end(known, place.issuer, fetch(place, checks_name));
            } catch (const std::bad_alloc&) {
                end(known, place.issuer, fail(Code::unavailable, "there is no memory"));
            }
        });
    } catch (const std::system_error&) {
        known.fetching = false;
        known.problem = "no more threads can be started";
    }
}

void KeySets::end(Entry& known, const std::string& issuer, Result<Keys> fetched) const {
    std::lock_guard lock(known.mutex);
    const Time now = clock_.now();
    known.tried = now;
    known.fetching = false;
    if (fetched) {
        known.keys = std::move(*fetched);
        known.fetched = now;
        known.problem.clear();
    } else {
        known.problem = std::move(fetched.error().message);
        log_event(
            LogLevel::warn, "keys of a token issuer cannot be fetched",
            {{"issuer", issuer}, {"problem", known.problem}, {"older_keys", usable(known, now)}});
    }
    known.idle.notify_all();
}

void KeySets::wait(Entry& known, bool began, std::unique_lock<std::mutex>& lock) {
    const bool slot = waiting_.fetch_add(1) < times_.waiting + (began ? 1 : 0);
    const bool patient = known.problem.empty() && slot;
    const Instant until = known.since + (patient ? times_.patience : times_.brief);
    known.idle.wait_until(lock, until, [&] { return !known.fetching; });
    waiting_.fetch_sub(1);
}

bool KeySets::usable(const Entry& known, Time now) const {
    return known.keys && within(known.fetched, now, times_.max_age);
}

Result<KeySets::Keys> KeySets::find(const std::string& base, std::string_view kid) {
    return find_named(base, {base, "", nullptr}, false, kid);
}

Result<KeySets::Keys> KeySets::find(const KeyPlace& place, std::string_view kid) {
    // No base has a line break, so these entries are none of those above.
    return find_named(place.issuer + "\n" + place.jwks_uri + "\n" + place.trust, place, true, kid);
}

Result<KeySets::Keys> KeySets::find_named(const std::string& name, const KeyPlace& place,
                                          bool checks_name, std::string_view kid) {
    const std::shared_ptr<Entry> known = entry(name);
    if (known) return find_in(*known, place, checks_name, kid);
    return fail(Code::unavailable, "{} token issuers are being asked for their keys", kMaxKeySets);
}

Result<KeySets::Keys> KeySets::find_in(Entry& known, const KeyPlace& place, bool checks_name,
                                       std::string_view kid) {
    std::unique_lock lock(known.mutex);
    const Time asked = clock_.now();
    const auto has_kid = [&](Time now) {
        return usable(known, now) && known.keys->find(kid) != nullptr;
    };
    // Who has a key does not wait for those who ask the issuer about another one.
    if (has_kid(asked) && (known.fetching || within(known.fetched, asked, times_.refresh))) {
        return known.keys;
    }
    const bool early = known.tried && within(*known.tried, asked, times_.retry);
    const bool asks = !known.fetching && !early;
    if (asks) begin(known, place, checks_name);
    if (known.fetching) wait(known, asks, lock);

    const Time now = clock_.now();  // who waited must not take its own beginning for the present
    if (has_kid(now)) return known.keys;
    if (known.fetching) {
        return fail(Code::unavailable, "the keys of {} are on their way: it is slow", place.issuer);
    }
    // Whoever found out that the issuer is gone tells it; a key that nobody knows is refused later.
    const bool failed_now = asks && !known.problem.empty();
    if (usable(known, now) && !failed_now) return known.keys;
    return fail(Code::unavailable, "the keys of {} cannot be had: {}", place.issuer, known.problem);
}

}  // namespace vouchsafe::access
