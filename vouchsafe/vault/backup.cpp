#include "vouchsafe/vault/backup.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/body.h"
#include "vouchsafe/vault/deletion.h"

namespace vouchsafe::vault {

namespace {

constexpr uint8_t kBackupFormat = 1;
constexpr size_t kSealOverhead = 52;  // sealed_blob.h

// SealedVersion is one version as it lies in the store.
struct SealedVersion {
    Bytes version;
    Bytes sealed;
};

// BackedUpVersion is one version in a backup's plaintext; both parts are borrowed from it.
struct BackedUpVersion {
    ByteView version;
    ByteView material;
};
struct BackedUp {
    ByteView record;
    std::vector<BackedUpVersion> versions;
};

// backup_context binds a backup to where it may be restored.
Result<std::string> backup_context(const Core& core, const Call& call) {
    constexpr std::string_view kHead = "/subscriptions/";
    std::string_view id = call.vault->resource_id;
    if (!id.starts_with(kHead)) return fail(Code::io, "the vault's resource id is damaged");
    id.remove_prefix(kHead.size());
    return fmt::format(
        "vault backup {} {} {} {}", core.config.allow_simulated ? "simulated" : "hardware",
        call.operation.collection, call.vault->tenant, to_lower(id.substr(0, id.find('/'))));
}

// find_backup_key returns nullopt before the first backup.
Result<std::optional<crypto::RootKey>> find_backup_key(const Core& core, store::View& view) {
    const auto sealed = TRY(view.get(kMetaTable, kBackupKey));
    if (!sealed) return std::optional<crypto::RootKey>();
    const Result<SecretBytes> key = core.root->open(kBackupKeyContext, *sealed);
    if (!key) return fail(Code::io, "the key of the backups does not open");
    return std::optional(TRY(crypto::RootKey::from_bytes(key->expose())));
}

Result<crypto::RootKey> backup_key(const Core& core, store::Transaction& tx) {
    auto found = TRY(find_backup_key(core, tx));
    if (found) return std::move(*found);
    const SecretBytes key = crypto::random_secret(32);
    TRY(tx.insert(kMetaTable, kBackupKey, core.root->seal(kBackupKeyContext, key.expose())));
    return crypto::RootKey::from_bytes(key.expose());
}

Result<std::vector<SealedVersion>> read_versions(store::View& view, const ObjectKind& kind,
                                                 const Call& call) {
    const std::string prefix = version_record_key(call.vault->name, call.key, "");
    const auto records = TRY(view.scan(kind.version_table, prefix, "", kMaxBackupVersions + 1));
    if (records.size() > kMaxBackupVersions) {
        return fail(Code::invalid, "a {} of more than {} versions cannot be backed up", kind.noun,
                    kMaxBackupVersions);
    }
    std::vector<SealedVersion> out;
    for (const store::Record& record : records) {
        auto sealed = TRY(view.get(kind.material_table, record.key));
        if (!sealed) return fail(Code::io, "what is sealed of {} is missing", record.key);
        out.push_back({record.value, std::move(*sealed)});
    }
    return out;
}

// Sink writes into secret memory of a size that is known before.
class Sink {
  public:
    explicit Sink(size_t size) : out_(size) {}

    void number(size_t value) { put(Writer().u32_be(static_cast<uint32_t>(value)).view()); }
    void sized(ByteView bytes) {
        number(bytes.size());
        put(bytes);
    }
    void put(ByteView bytes) {
        std::copy(bytes.begin(), bytes.end(), out_.expose_mutable().begin() + used_);
        used_ += bytes.size();
    }
    SecretBytes take() { return std::move(out_); }

  private:
    SecretBytes out_;
    size_t used_ = 0;
};

Result<SecretBytes> encode_backup(const Core& core, const Call& call, const ObjectKind& kind,
                                  const Bytes& record, const std::vector<SealedVersion>& versions) {
    std::vector<SecretBytes> materials;
    size_t size = 1 + 4 + record.size() + 4;
    for (const SealedVersion& version : versions) {
        materials.push_back(
            TRY(kind.open_material(core, call, {record, version.version}, version.sealed)));
        size += 4 + version.version.size() + 4 + materials.back().size();
    }
    if (size + kSealOverhead > kMaxBackup) {
        return fail(Code::invalid, "the versions of this {} are too long together for a backup",
                    kind.noun);
    }
    Sink sink(size);
    sink.put(Bytes{kBackupFormat});
    sink.sized(record);
    sink.number(versions.size());
    for (size_t i = 0; i < versions.size(); ++i) {
        sink.sized(versions[i].version);
        sink.sized(materials[i].expose());
    }
    return sink.take();
}

Result<ByteView> read_sized(Reader& reader, std::string_view field) {
    return reader.take(TRY(reader.u32_be(field)), field);
}

Result<BackedUp> parse_backup(ByteView plaintext) {
    Reader reader(plaintext, "backup");
    const uint8_t format = TRY(reader.u8("format"));
    if (format != kBackupFormat) return fail(Code::invalid, "a backup of format {}", format);
    BackedUp out;
    out.record = TRY(read_sized(reader, "record"));
    const uint32_t count = TRY(reader.u32_be("number of versions"));
    if (count == 0 || count > kMaxBackupVersions) {
        return fail(Code::invalid, "a backup of {} versions", count);
    }
    for (uint32_t i = 0; i < count; ++i) {
        const ByteView version = TRY(read_sized(reader, "version"));
        const ByteView material = TRY(read_sized(reader, "material"));
        out.versions.push_back({version, material});
    }
    TRY(reader.end());
    return out;
}

tl::unexpected<Error> not_ours() {
    return fail(Code::invalid,
                "The backup blob was not made here for a vault of this tenant and subscription, or "
                "was changed.");
}

Result<SecretBytes> open_backup(const Core& core, const Call& call) {
    const Json json = TRY(parse_body(call.request.body, kMaxRequestBody));
    const std::string value = TRY(required_text(json, "value"));
    const Result<Bytes> blob = decode_base64_any(value);
    if (!blob || blob->size() > kMaxBackup) return not_ours();
    std::optional<crypto::RootKey> key;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        key = TRY(find_backup_key(core, view));
        return {};
    }));
    if (!key) return not_ours();
    Result<SecretBytes> opened = key->open(TRY(backup_context(core, call)), *blob);
    if (!opened) return not_ours();
    return opened;
}

// put_backup writes a whole object; the name is free.
Result<void> put_backup(const Core& core, store::Transaction& tx, const ObjectKind& kind,
                        const Call& call, const BackedUp& backup) {
    const std::string& vault = call.vault->name;
    const Bytes record = to_bytes(backup.record);
    for (const BackedUpVersion& version : backup.versions) {
        const StoredObject object{record, to_bytes(version.version)};
        const Bytes sealed = TRY(kind.admit(core, call, object, version.material));
        const Json json = TRY(parse_json_object(as_text(version.version)));
        const std::string key =
            version_record_key(vault, call.key, TRY(json_string(json, "version")));
        TRY(tx.insert(kind.version_table, key, version.version));
        TRY(tx.insert(kind.material_table, key, sealed));
    }
    return tx.insert(kind.table, key_record_key(vault, call.key), record);
}

}  // namespace

Result<Json> backup_object(Core& core, Call& call) {
    const ObjectKind& kind = kind_of(call);
    Bytes record;
    std::vector<SealedVersion> versions;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        record = TRY(read_object(view, kind, call)).record;
        versions = TRY(read_versions(view, kind, call));
        return {};
    }));
    const SecretBytes plaintext = TRY(encode_backup(core, call, kind, record, versions));
    const std::string context = TRY(backup_context(core, call));
    call.details["versions"] = versions.size();
    Bytes blob;
    TRY(transact(core, call, [&](store::Transaction& tx) -> Result<void> {
        TRY(read_object(tx, kind, call));  // not deleted meanwhile
        blob = TRY(backup_key(core, tx)).seal(context, plaintext.expose());
        return append_success(core, tx, call);
    }));
    return Json{{"value", encode_base64url(blob)}};
}

Result<Json> restore_object(Core& core, Call& call) {
    const ObjectKind& kind = kind_of(call);
    const SecretBytes plaintext = TRY(open_backup(core, call));
    const BackedUp backup = TRY(parse_backup(plaintext.expose()));
    call.key = TRY(json_string(TRY(parse_json_object(as_text(backup.record))), "name"));
    call.details["versions"] = backup.versions.size();
    Json answer;
    TRY(transact(core, call, [&](store::Transaction& tx) -> Result<void> {
        TRY(check_name_free(core, tx, call, kind));
        if (TRY(tx.get(kind.table, key_record_key(call.vault->name, call.key)))) {
            return fail(Code::conflict, "There is a {} {} in this vault already.", kind.noun,
                        call.key);
        }
        TRY(put_backup(core, tx, kind, call, backup));
        if (kind.restored != nullptr) TRY(kind.restored(tx, call));
        const StoredObject object = TRY(read_object(tx, kind, call));
        if (kind.returned != nullptr) TRY(kind.returned(tx, call, object));
        answer = TRY(kind.bundle(call, object));
        return append_success(core, tx, call);
    }));
    return answer;
}

}  // namespace vouchsafe::vault
