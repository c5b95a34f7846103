// The root keys of a data directory: the one that seals, and, while it replaces another, that other
// one, under which some things still lie. They live in a file of mode 0600, kept as a RootKeeper
// says:
//
//   {"format": "vouchsafe root keys 1", "keeper": "passphrase", "generation": 2,
//    "keys": [what the keeper gave for the newest, ... for the one before]}
//
// A file of exactly 32 bytes is a key kept by "file", of generation 1 (RootKey).
//
// Replacing a root key goes in three steps: add_root_key puts a fresh one before the others and
// counts the generation on; its owner seals everything anew under it; drop_older_root_keys leaves
// the newest alone. A service that runs meanwhile finds the file changed when something does not
// open, and its owner makes sure by the generation that nothing is sealed under an old one.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "vouchsafe/crypto/root_keeper.h"
#include "vouchsafe/crypto/sealed_blob.h"

namespace vouchsafe::crypto {

// RootRing is thread-safe.
class RootRing {
  public:
    // load_or_create reads the keys, or makes the first if the file does not exist. Two processes
    // that start at once end with the same. Code::forbidden if group or others may read the file,
    // Code::conflict if another keeper keeps it; errors of the keeper.
    static Result<std::unique_ptr<RootRing>> load_or_create(Path file,
                                                            std::shared_ptr<RootKeeper> keeper);

    // seal seals under the newest key.
    Bytes seal(std::string_view context, ByteView plaintext) const;
    // open tries them all, and those of a file that changed; then those of the files that were read
    // before, for what was fetched before an older key went: reading a file may take its keeper
    // longer than somebody takes for several replacements. Errors as RootKey::open.
    Result<SecretBytes> open(std::string_view context, ByteView sealed) const;

    // generation is the newest key's, from 1 on.
    uint64_t generation() const;
    size_t size() const;  // how many keys there are
    // newest is the one that seals.
    std::shared_ptr<const RootKey> newest() const;
    // reload reads the file again. If it fails, everything stays as it was.
    Result<void> reload() const;
    // refresh is to be called from time to time: it reads the file again if it changed. If it did
    // not two times running, the keys of the files before are forgotten: somebody may have replaced
    // them because others know them. Errors as reload.
    Result<void> refresh() const;

  private:
    struct Keys {
        uint64_t generation = 1;
        std::vector<std::shared_ptr<const RootKey>> keys;    // the newest first
        std::vector<std::shared_ptr<const RootKey>> before;  // of the files that were read before
    };
    RootRing(Path file, std::shared_ptr<RootKeeper> keeper)
        : file_(std::move(file)), keeper_(std::move(keeper)) {}
    std::shared_ptr<const Keys> keys() const;
    void set_keys(std::shared_ptr<const Keys> keys) const;
    Result<void> reload_held() const;             // the caller holds loading_, here and below
    Result<bool> reload_if_changed_held() const;  // whether it did

    const Path file_;
    const std::shared_ptr<RootKeeper> keeper_;
    mutable std::mutex loading_;              // holds keeper_ and the next two
    mutable std::array<uint8_t, 32> seen_{};  // digest of the file as it was read
    mutable int unchanged_ = 0;               // how often refresh found it so
    mutable std::mutex mutex_;                // holds keys_
    mutable std::shared_ptr<const Keys> keys_;
};

// add_root_key makes a fresh key the newest; all are then kept by `next`. It returns the new
// generation. That `next` gives them back is made sure of first: else the file stays as it was. If
// the file holds an older key already, a replacement was begun and not ended: then nothing is
// added, and the generation is that one's.
Result<uint64_t> add_root_key(const Path& file, RootKeeper& now, RootKeeper& next);
// drop_older_root_keys leaves the newest alone.
Result<void> drop_older_root_keys(const Path& file, RootKeeper& keeper);

// RootFileState is what a file of root keys says without being opened.
struct RootFileState {
    std::string keeper;  // the name of a RootKeeper
    uint64_t generation = 1;
    bool replacing = false;  // a replacement was begun and not ended
};
// inspect_root_file: Code::not_found without the file; else as load_or_create.
Result<RootFileState> inspect_root_file(const Path& file);

}  // namespace vouchsafe::crypto
