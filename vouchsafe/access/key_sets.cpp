#include "vouchsafe/access/key_sets.h"

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

KeySets::KeySets(FetchJson fetch, const Clock& clock, KeySetTimes times)
    : fetch_(std::move(fetch)), clock_(clock), times_(times) {}

KeySets::Entry& KeySets::entry(const std::string& base) {
    std::lock_guard lock(mutex_);
    std::unique_ptr<Entry>& found = entries_[base];
    if (!found) found = std::make_unique<Entry>();
    return *found;
}

Result<KeySets::Keys> KeySets::fetch(const std::string& base) const {
    const std::string metadata_url = base + "/.well-known/openid-configuration";
    const net::Url metadata = TRY(net::Url::parse(metadata_url));
    if (metadata.scheme != "https") return fail(Code::invalid, "{} is not https", base);
    Json document = TRY(fetch_(metadata_url));
    const std::string keys_url = TRY(json_string(document, "jwks_uri"));
    const net::Url keys = TRY(net::Url::parse(keys_url));
    if (keys.origin() != metadata.origin()) {
        return fail(Code::invalid, "{} names keys of another origin, {}", metadata_url,
                    keys.origin());
    }
    Json set = TRY(fetch_(keys_url));
    return std::make_shared<const jose::JwkSet>(TRY(jose::JwkSet::parse(set)));
}

Result<KeySets::Keys> KeySets::fetch_unlocked(const std::string& base, Entry& known,
                                              std::unique_lock<std::mutex>& lock) const {
    struct Fetching {  // ends also if there is no memory
        Fetching(Entry& entry, std::unique_lock<std::mutex>& held) : known(entry), lock(held) {
            known.fetching = true;
            lock.unlock();
        }
        ~Fetching() {
            lock.lock();
            known.fetching = false;
            known.idle.notify_all();
        }
        Entry& known;
        std::unique_lock<std::mutex>& lock;
    } fetching(known, lock);
    return fetch(base);
}

bool KeySets::usable(const Entry& known, Time now) const {
    return known.keys && within(known.fetched, now, times_.max_age);
}

Result<KeySets::Keys> KeySets::find(const std::string& base, std::string_view kid) {
    Entry& known = entry(base);
    std::unique_lock lock(known.mutex);
    Time now = clock_.now();
    const auto has_kid = [&] { return usable(known, now) && known.keys->find(kid) != nullptr; };
    // Who has a key does not wait for those who ask the issuer about another one.
    known.idle.wait(lock, [&] { return !known.fetching || has_kid(); });
    now = clock_.now();  // who waited must not take its own beginning for the present
    if (has_kid() && (known.fetching || within(known.fetched, now, times_.refresh)))
        return known.keys;

    if (known.tried && within(*known.tried, now, times_.retry)) {
        if (usable(known, now)) return known.keys;
        return fail(Code::unavailable, "the keys of {} cannot be had: {}", base, known.problem);
    }
    known.tried = now;
    Result<Keys> fetched = fetch_unlocked(base, known, lock);
    if (fetched) {
        known.keys = *fetched;
        known.fetched = now;
        return fetched;
    }
    known.problem = fetched.error().message;
    log_event(LogLevel::warn, "keys of a token issuer cannot be fetched",
              {{"issuer", base}, {"problem", known.problem}, {"older_keys_serve", has_kid()}});
    if (has_kid()) return known.keys;
    return fail(Code::unavailable, "the keys of {} cannot be had: {}", base, known.problem);
}

}  // namespace vouchsafe::access
