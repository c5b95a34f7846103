#include "vouchsafe/crypto/root_ring.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::crypto {

namespace {

constexpr std::string_view kFormat = "vouchsafe root keys 1";
constexpr size_t kMaxFile = 64 << 10;
constexpr size_t kMaxKeys = 2;
constexpr int kForgetAfter = 2;    // calls of refresh
constexpr size_t kMaxBefore = 16;  // each replacement is read as two files of up to two keys

using RawKey = Secret<kRootKeySize>;

// KeyFile is the file's content.
struct KeyFile {
    std::string keeper;
    uint64_t generation = 1;
    std::vector<Json> kept;       // as the keeper gave it, the newest first
    std::optional<RawKey> plain;  // instead: the bytes of the file are the key
};

Result<KeyFile> plain_file(ByteView bytes) {
    KeyFile out;
    out.keeper = keep_in_file()->name();
    out.plain = TRY(RawKey::from_bytes(bytes));
    return out;
}

Result<KeyFile> parse_file(ByteView bytes) {
    if (bytes.size() == kRootKeySize) return plain_file(bytes);
    Json json = TRY(parse_json_object(as_text(bytes), {.max_bytes = kMaxFile}));
    if (TRY(json_string(json, "format")) != kFormat) {
        return fail(Code::unsupported, "not of the format \"{}\"", kFormat);
    }
    KeyFile out;
    out.keeper = TRY(json_string(json, "keeper"));
    const int64_t generation = TRY(json_integer(json, "generation"));
    const Json* keys = TRY(json_array(json, "keys"));
    if (generation < 1 || keys->empty() || keys->size() > kMaxKeys) {
        return fail(Code::invalid, "it has no key, too many, or no generation");
    }
    out.generation = static_cast<uint64_t>(generation);
    for (const Json& one : *keys) {
        if (!one.is_object()) return fail(Code::invalid, "a key that is no object");
        out.kept.push_back(one);
    }
    return out;
}

Bytes encode_file(const KeyFile& file) {
    return to_bytes(dump_json_pretty({{"format", kFormat},
                                      {"keeper", file.keeper},
                                      {"generation", file.generation},
                                      {"keys", file.kept}}) +
                    "\n");
}

// read_private reads a file that nobody else may read. What it holds may be a key: wipe it.
Result<Bytes> read_private(const Path& file) {
    TRY(check_private_file(file));
    return read_file(file, kMaxFile);
}

using Digest = std::array<uint8_t, 32>;

Result<KeyFile> load_file(const Path& file, Digest* digest = nullptr) {
    Bytes bytes = TRY(read_private(file));
    auto out = with_context(parse_file(bytes), file.string());
    if (digest != nullptr) *digest = sha256(bytes);
    wipe(bytes);
    return out;
}

Result<std::vector<RawKey>> recover_all(const KeyFile& file, const Path& path, RootKeeper& keeper) {
    RootKeeper* opener = TRY(with_context(keeper.opener(file.keeper), path.string()));
    std::vector<RawKey> out;
    if (file.plain) out.push_back(TRY(RawKey::from_bytes(file.plain->expose())));
    for (const Json& kept : file.kept) {
        out.push_back(TRY(with_context(opener->recover(kept), path.string())));
    }
    return out;
}

RawKey fresh_key() {
    RawKey out;
    fill_random(out.expose_mutable());
    return out;
}

Result<KeyFile> keep_all(const std::vector<RawKey>& keys, uint64_t generation, RootKeeper& keeper) {
    KeyFile out;
    out.keeper = keeper.name();
    out.generation = generation;
    for (const RawKey& key : keys) out.kept.push_back(TRY(keeper.keep(key)));
    return out;
}

Result<void> save_file(const Path& path, const KeyFile& file, Overwrite overwrite) {
    Bytes bytes = encode_file(file);
    auto done = write_file(path, bytes, overwrite, 0600);
    wipe(bytes);
    return done;
}

// check_kept: once the file is replaced, a keeper that does not give back what it was given would
// be the end of everything.
Result<void> check_kept(const std::vector<RawKey>& keys, const KeyFile& file, RootKeeper& keeper) {
    for (size_t i = 0; i < keys.size(); ++i) {
        const RawKey back =
            TRY(with_context(keeper.recover(file.kept[i]),
                             "nothing was changed: the new keeper does not give the key back"));
        if (equal_ct(back.expose(), keys[i].expose())) continue;
        return fail(Code::io, "nothing was changed: the new keeper gives back another key");
    }
    return {};
}

// make_file makes the first key. Somebody else may have been quicker: then theirs is the key.
Result<void> make_file(const Path& path, RootKeeper& keeper) {
    std::vector<RawKey> keys;
    keys.push_back(fresh_key());
    KeyFile file = TRY(keep_all(keys, 1, keeper));
    const bool plain = file.keeper == keep_in_file()->name();
    auto saved = plain ? write_file(path, keys.front().expose(), Overwrite::no, 0600)
                       : save_file(path, file, Overwrite::no);
    if (!saved && saved.error().code != Code::conflict) return saved;
    return {};
}

}  // namespace

Result<std::unique_ptr<RootRing>> RootRing::load_or_create(Path file,
                                                           std::shared_ptr<RootKeeper> keeper) {
    std::unique_ptr<RootRing> out(new RootRing(std::move(file), std::move(keeper)));
    auto loaded = out->reload();
    if (!loaded && loaded.error().code == Code::not_found) {
        TRY(make_file(out->file_, *out->keeper_));
        loaded = out->reload();
    }
    TRY(std::move(loaded));
    return out;
}

std::shared_ptr<const RootRing::Keys> RootRing::keys() const {
    std::lock_guard lock(mutex_);
    return keys_;
}

uint64_t RootRing::generation() const {
    return keys()->generation;
}

size_t RootRing::size() const {
    return keys()->keys.size();
}

std::shared_ptr<const RootKey> RootRing::newest() const {
    return keys()->keys.front();
}

void RootRing::set_keys(std::shared_ptr<const Keys> keys) const {
    std::lock_guard lock(mutex_);
    keys_ = std::move(keys);
}

Result<void> RootRing::reload_held() const {
    Digest digest{};
    KeyFile file = TRY(load_file(file_, &digest));
    auto fresh = std::make_shared<Keys>();
    fresh->generation = file.generation;
    for (const RawKey& raw : TRY(recover_all(file, file_, *keeper_))) {
        RootKey key = TRY(RootKey::from_bytes(raw.expose()));
        fresh->keys.push_back(std::make_shared<const RootKey>(std::move(key)));
    }
    seen_ = digest;
    unchanged_ = 0;
    if (const auto held = keys()) {
        fresh->before = held->keys;
        fresh->before.insert(fresh->before.end(), held->before.begin(), held->before.end());
        if (fresh->before.size() > kMaxBefore) fresh->before.resize(kMaxBefore);
    }
    set_keys(std::move(fresh));
    return {};
}

Result<bool> RootRing::reload_if_changed_held() const {
    Bytes bytes = TRY(read_private(file_));
    const bool same = sha256(bytes) == seen_;
    wipe(bytes);
    if (!same) TRY(reload_held());
    return !same;
}

Result<void> RootRing::reload() const {
    std::lock_guard loading(loading_);
    return reload_held();
}

Result<void> RootRing::refresh() const {
    std::lock_guard loading(loading_);
    const bool changed = TRY(reload_if_changed_held());
    if (changed || ++unchanged_ < kForgetAfter) return {};
    const auto held = keys();
    if (held->before.empty()) return {};
    auto fresh = std::make_shared<Keys>(*held);
    fresh->before.clear();
    set_keys(std::move(fresh));
    return {};
}

Bytes RootRing::seal(std::string_view context, ByteView plaintext) const {
    return newest()->seal(context, plaintext);
}

Result<SecretBytes> RootRing::open(std::string_view context, ByteView sealed) const {
    auto open_with = [&](const std::vector<std::shared_ptr<const RootKey>>& keys) {
        Result<SecretBytes> opened = fail(Code::bad_evidence, "no key opens it");
        for (size_t i = 0; !opened && i < keys.size(); ++i) opened = keys[i]->open(context, sealed);
        return opened;
    };
    const auto held = keys();
    auto opened = open_with(held->keys);
    if (opened) return opened;
    {
        std::lock_guard loading(loading_);
        if (const auto read = reload_if_changed_held(); !read) {
            log_event(LogLevel::error, "the root key was replaced, and this service cannot read it",
                      {{"problem", read.error().message}});
        }
    }
    // Another thread may have read the changed file in the meantime: what counts is the keys.
    const auto now = keys();
    if (now != held) opened = open_with(now->keys);
    return opened || now->before.empty() ? std::move(opened) : open_with(now->before);
}

Result<uint64_t> add_root_key(const Path& file, RootKeeper& now, RootKeeper& next) {
    KeyFile known = TRY(load_file(file));
    if (known.kept.size() > 1) {
        // Begun before: it is `next` that keeps them now.
        TRY(recover_all(known, file, next));
        return known.generation;
    }
    std::vector<RawKey> keys;
    keys.push_back(fresh_key());
    for (RawKey& older : TRY(recover_all(known, file, now))) keys.push_back(std::move(older));
    KeyFile all = TRY(keep_all(keys, known.generation + 1, next));
    TRY(check_kept(keys, all, next));
    TRY(save_file(file, all, Overwrite::yes));
    return all.generation;
}

Result<void> drop_older_root_keys(const Path& file, RootKeeper& keeper) {
    KeyFile known = TRY(load_file(file));
    TRY(recover_all(known, file, keeper));
    if (known.kept.size() <= 1) return {};
    known.kept.resize(1);
    return save_file(file, known, Overwrite::yes);
}

Result<RootFileState> inspect_root_file(const Path& file) {
    KeyFile known = TRY(load_file(file));
    return RootFileState{std::move(known.keeper), known.generation, known.kept.size() > 1};
}

}  // namespace vouchsafe::crypto
