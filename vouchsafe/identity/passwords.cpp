#include "vouchsafe/identity/passwords.h"

namespace vouchsafe::identity {

bool Passwords::locked(const std::string& user, Time now) {
    std::lock_guard lock(mutex_);
    auto found = tries_.find(user);
    return found != tries_.end() && now < found->second.until;
}

void Passwords::note(const std::string& user, bool right, Time now) {
    std::lock_guard lock(mutex_);
    if (right) {
        tries_.erase(user);
        return;
    }
    Tries& tries = tries_[user];
    if (++tries.wrong < kPasswordTries) return;
    tries = {0, now + kPasswordPause};
}

Result<Passwords::Answer> Passwords::check(std::string_view name, ByteView password, Time now) {
    auto account = TRY(directory_.find_named(PrincipalKind::user, name));
    if (!account || !account->password) {
        matches_nobody(password);
        return Answer{};
    }
    const std::string user = account->principal.object_id;
    if (locked(user, now)) return Answer{Verdict::locked, std::nullopt};
    const bool right = matches_password(*account->password, password);
    note(user, right, now);
    if (!right) return Answer{};
    return Answer{Verdict::right, std::move(account)};
}

}  // namespace vouchsafe::identity
