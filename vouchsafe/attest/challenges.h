// Challenges: what makes evidence fresh. A client asks for one, has its TPM sign it with the quote,
// and gets a token that says so.
#pragma once

#include <mutex>
#include <set>
#include <string>

#include "vouchsafe/base/bytes.h"
#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/result.h"
#include "vouchsafe/base/secret.h"

namespace vouchsafe::attest {

inline constexpr size_t kMaxChallenge = 128;  // characters; one of ours has 86

// challenge_digest is what the quote of an answer has as qualifying data: SHA-256 of the text.
Bytes challenge_digest(std::string_view challenge);

// ChallengeBook knows whose answers count. Implementations are thread-safe.
class ChallengeBook {
  public:
    virtual ~ChallengeBook() = default;

    // check fails with the check ATTEST-CHALLENGE unless `text` may be answered.
    virtual Result<void> check(std::string_view text, Time now, Checks& checks) = 0;
};

// KnownChallenge is for judging again what was judged: the one challenge that the caller says was
// answered then.
class KnownChallenge final : public ChallengeBook {
  public:
    explicit KnownChallenge(std::string text) : text_(std::move(text)) {}
    Result<void> check(std::string_view text, Time now, Checks& checks) override;

  private:
    const std::string text_;
};

// Challenges issues challenges that carry their own proof (an HMAC under a key of this process), so
// that asking for them costs no memory, and remembers those that were answered until they expire.
// None survives a restart. Thread-safe.
class Challenges final : public ChallengeBook {
  public:
    explicit Challenges(Seconds lifetime);

    struct Issued {
        std::string text;  // base64url
        Time expires;
    };
    Issued issue(Time now) const;

    // check: `text` is one of this object's, has not expired, and was not answered.
    Result<void> check(std::string_view text, Time now, Checks& checks) override;
    // spend is check, and counts it as answered: of two answers one gets through.
    Result<void> spend(std::string_view text, Time now, Checks& checks);
    // give_back lets a challenge that spend took be answered again: there was no answer.
    void give_back(std::string_view text);

  private:
    struct Opened {
        int64_t expires = 0;  // seconds since 1970
        std::string id;       // bytes
        auto operator<=>(const Opened&) const = default;
    };
    Result<Opened> open(std::string_view text, Checks& checks) const;
    // require_open wants the lock.
    Result<void> require_open(const Opened& opened, Time now, Checks& checks);
    Bytes seal_of(ByteView body) const;

    const Seconds lifetime_;
    const SecretBytes key_;
    std::mutex mutex_;
    std::set<Opened> answered_;  // in the order of their end
    // Seconds since 1970, never going back: a clock that does must not revive what was forgotten.
    int64_t latest_ = 0;
};

}  // namespace vouchsafe::attest
