// A key of the vault opened for use, and the few that are kept open: parsing a private key and what
// OpenSSL prepares for its first use cost as much as using it.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <variant>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/vault/hsm/hsm.h"

namespace vouchsafe::vault {

// OpenedKey holds a private key or the octets of an oct key, which are wiped when the last owner
// lets go; or a key in an HSM. Immutable, thread-safe.
class OpenedKey {
  public:
    explicit OpenedKey(crypto::PrivateKey key) : key_(std::move(key)) {}
    explicit OpenedKey(SecretBytes octets) : key_(std::move(octets)) {}
    explicit OpenedKey(HsmKey key) : key_(std::move(key)) {}

    // hsm_key is nullptr unless that was put in.
    const HsmKey* hsm_key() const { return std::get_if<HsmKey>(&key_); }
    // Of the family that was put in; the other one is a bug and ends the process.
    const crypto::PrivateKey& private_key() const;
    ByteView expose_octets() const;

  private:
    std::variant<crypto::PrivateKey, SecretBytes, HsmKey> key_;
};

// OpenedKeys keeps up to `capacity` of them for at most `max_age` since they were opened. Each is
// bound to the bytes it was opened from: who asks shows a digest of what lies in the store now, so
// that a changed, replaced or deleted record is never answered from memory. Thread-safe.
class OpenedKeys {
  public:
    OpenedKeys(size_t capacity, Seconds max_age) : capacity_(capacity), max_age_(max_age) {}

    using Digest = std::array<uint8_t, 32>;
    // find returns nullptr if there is none, or none for this digest; then it drops what it has.
    std::shared_ptr<const OpenedKey> find(const std::string& name, const Digest& digest, Time now);
    void keep(const std::string& name, const Digest& digest, std::shared_ptr<const OpenedKey> key,
              Time now);
    // forget drops the key of this name: the store has it no more.
    void forget(const std::string& name);
    // drop_old drops those that are too old; without it, what nobody asks for again stays.
    void drop_old(Time now);
    size_t size() const;

  private:
    struct Entry {
        std::string name;
        Digest digest;
        std::shared_ptr<const OpenedKey> key;
        Time opened;
    };
    using Entries = std::list<Entry>;
    void drop_old_locked(Time now);

    const size_t capacity_;
    const Seconds max_age_;
    mutable std::mutex mutex_;
    Entries entries_;  // the one used last comes first
    std::unordered_map<std::string, Entries::iterator> by_name_;
};

}  // namespace vouchsafe::vault
