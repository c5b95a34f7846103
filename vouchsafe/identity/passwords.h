// Whether a password is a user's, for few tries. Private to identity/.
#pragma once

#include <map>
#include <mutex>

#include "vouchsafe/identity/directory.h"

namespace vouchsafe::identity {

inline constexpr size_t kPasswordTries = 10;  // wrong ones in a row; then the user waits
inline constexpr Seconds kPasswordPause{60};  // as Azure's smart lockout does at first

// Passwords is thread-safe and borrows the directory.
class Passwords {
  public:
    explicit Passwords(const Directory& directory) : directory_(directory) {}

    enum class Verdict { right, wrong, locked };
    struct Answer {
        Verdict verdict = Verdict::wrong;
        std::optional<Account> user;  // if right
    };
    // check compares. An unknown name, a user without a password and a wrong password are one
    // answer, after the same work. Errors are the store's.
    Result<Answer> check(std::string_view name, ByteView password, Time now);

  private:
    struct Tries {
        size_t wrong = 0;
        Time until;  // locked before this
    };
    bool locked(const std::string& user, Time now);
    void note(const std::string& user, bool right, Time now);

    const Directory& directory_;
    std::mutex mutex_;
    std::map<std::string, Tries> tries_;  // object id; only of users that exist
};

}  // namespace vouchsafe::identity
