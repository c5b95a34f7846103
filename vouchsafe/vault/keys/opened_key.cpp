#include "vouchsafe/vault/keys/opened_key.h"

namespace vouchsafe::vault {

const crypto::PrivateKey& OpenedKey::private_key() const {
    return std::get<crypto::PrivateKey>(key_);
}

ByteView OpenedKey::expose_octets() const {
    return std::get<SecretBytes>(key_).expose();
}

std::shared_ptr<const OpenedKey> OpenedKeys::find(const std::string& name, const Digest& digest,
                                                  Time now) {
    std::lock_guard lock(mutex_);
    drop_old_locked(now);
    auto found = by_name_.find(name);
    if (found == by_name_.end()) return nullptr;
    if (found->second->digest != digest) {
        entries_.erase(found->second);
        by_name_.erase(found);
        return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->key;
}

void OpenedKeys::keep(const std::string& name, const Digest& digest,
                      std::shared_ptr<const OpenedKey> key, Time now) {
    std::lock_guard lock(mutex_);
    drop_old_locked(now);
    if (auto found = by_name_.find(name); found != by_name_.end()) {
        entries_.erase(found->second);
        by_name_.erase(found);
    }
    while (!entries_.empty() && entries_.size() >= capacity_) {
        by_name_.erase(entries_.back().name);
        entries_.pop_back();
    }
    entries_.push_front({name, digest, std::move(key), now});
    by_name_[name] = entries_.begin();
}

void OpenedKeys::forget(const std::string& name) {
    std::lock_guard lock(mutex_);
    auto found = by_name_.find(name);
    if (found == by_name_.end()) return;
    entries_.erase(found->second);
    by_name_.erase(found);
}

size_t OpenedKeys::size() const {
    std::lock_guard lock(mutex_);
    return entries_.size();
}

void OpenedKeys::drop_old(Time now) {
    std::lock_guard lock(mutex_);
    drop_old_locked(now);
}

// drop_old_locked looks at every entry: there are few. A clock that was set back keeps nothing
// longer.
void OpenedKeys::drop_old_locked(Time now) {
    for (auto it = entries_.begin(); it != entries_.end();) {
        if (now >= it->opened && now - it->opened < max_age_) {
            ++it;
            continue;
        }
        by_name_.erase(it->name);
        it = entries_.erase(it);
    }
}

}  // namespace vouchsafe::vault
