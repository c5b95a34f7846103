#include "vouchsafe/attest/challenges.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::attest {

namespace {

constexpr size_t kExpiresSize = 8;  // bytes; the end, in seconds since 1970, big-endian
constexpr size_t kIdSize = 24;      // random bytes
constexpr size_t kSealSize = 32;    // HMAC-SHA256 of both
constexpr size_t kBodySize = kExpiresSize + kIdSize;

}  // namespace

Bytes challenge_digest(std::string_view challenge) {
    return crypto::hash(crypto::HashAlg::sha256, as_bytes(challenge));
}

Challenges::Challenges(Seconds lifetime)
    : lifetime_(lifetime), key_(crypto::random_secret(kSealSize)) {}

Bytes Challenges::seal_of(ByteView body) const {
    return crypto::hmac(crypto::HashAlg::sha256, key_.expose(), body);
}

Result<void> KnownChallenge::check(std::string_view text, Time, Checks& checks) {
    bool same = text == text_;
    return checks.require(same, "ATTEST-CHALLENGE", "challenge",
                          text_.empty() ? "none: no challenge was named" : "the one that was named",
                          same ? "the same" : "another");
}

Challenges::Issued Challenges::issue(Time now) const {
    Time expires = now + lifetime_;
    Writer writer;
    writer.u64_be(static_cast<uint64_t>(to_unix(expires))).bytes(crypto::random_bytes(kIdSize));
    Bytes body = writer.take();
    Bytes seal = seal_of(body);
    body.insert(body.end(), seal.begin(), seal.end());
    return {encode_base64url(body), expires};
}

Result<Challenges::Opened> Challenges::open(std::string_view text, Checks& checks) const {
    Bytes decoded = decode_base64url(text).value_or(Bytes());
    ByteView body = ByteView(decoded).first(std::min(decoded.size(), kBodySize));
    bool ours = equal_ct(seal_of(body), ByteView(decoded).subspan(body.size()));
    TRY(checks.require(ours, "ATTEST-CHALLENGE", "challenge", "one of this service's",
                       ours ? "one of them" : "another"));
    Reader reader(body);
    Opened out;
    out.expires = static_cast<int64_t>(TRY(reader.u64_be("expires")));
    out.id = to_text(TRY(reader.take(kIdSize, "id")));
    return out;
}

Result<void> Challenges::require_open(const Opened& opened, Time now, Checks& checks) {
    latest_ = std::max(latest_, to_unix(now));
    bool in_force = latest_ < opened.expires;
    TRY(checks.require(in_force, "ATTEST-CHALLENGE", "challenge", "one in force",
                       in_force ? "in force" : "expired"));
    bool fresh = !answered_.contains(opened);
    return checks.require(fresh, "ATTEST-CHALLENGE", "challenge", "one that nobody answered",
                          fresh ? "such a one" : "answered before");
}

Result<void> Challenges::check(std::string_view text, Time now, Checks& checks) {
    Opened opened = TRY(open(text, checks));
    std::lock_guard lock(mutex_);
    return require_open(opened, now, checks);
}

Result<void> Challenges::spend(std::string_view text, Time now, Checks& checks) {
    Opened opened = TRY(open(text, checks));
    std::lock_guard lock(mutex_);
    TRY(require_open(opened, now, checks));
    answered_.erase(answered_.begin(), answered_.lower_bound(Opened{latest_, {}}));
    answered_.insert(std::move(opened));
    return {};
}

void Challenges::give_back(std::string_view text) {
    Checks unheard;
    auto opened = open(text, unheard);
    if (!opened) return;
    std::lock_guard lock(mutex_);
    answered_.erase(*opened);
}

}  // namespace vouchsafe::attest
