#include "vouchsafe/lab/data_directory.h"

#include <cstdlib>

#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/lab/lab_collateral.h"

namespace vouchsafe::lab {

namespace {

constexpr int kFormat = 1;
Path description(const Path& path) {
    return path / "directory.json";
}

Result<Json> read_description(const Path& path) {
    auto text = read_text_file(description(path));
    if (!text && text.error().code == Code::not_found) {
        return fail(Code::not_found, "{} is no data directory: --dir says where it is",
                    path.string());
    }
    if (!text) return fail(text.error());
    Json json = TRY(with_context(parse_json_object(*text), description(path).string()));
    if (TRY(json_integer(json, "format")) != kFormat) {
        return fail(Code::unsupported, "{} was made by another version of this program",
                    path.string());
    }
    return json;
}

Result<DirectoryKind> parse_kind(const Path& path, const Json& json) {
    std::string kind = TRY(json_string(json, "kind"));
    for (DirectoryKind known : {DirectoryKind::lab, DirectoryKind::production}) {
        if (kind == kind_name(known)) return known;
    }
    return fail(Code::invalid, "{}: unknown kind '{}'", path.string(), kind);
}

// remove_unfinished clears what an interrupted creation left beside the root's folder.
Result<void> remove_unfinished(const Path& path) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
        if (!entry.path().filename().string().starts_with("root.")) continue;
        std::filesystem::remove_all(entry.path(), error);
    }
    if (error) return fail(Code::io, "cannot clear {}: {}", path.string(), error.message());
    return {};
}

}  // namespace

std::string_view kind_name(DirectoryKind kind) {
    return kind == DirectoryKind::lab ? "lab" : "production";
}

Result<DirectoryKind> DataDirectory::kind_of(const Path& path) {
    return parse_kind(path, TRY(read_description(path)));
}

Result<DataDirectory> DataDirectory::open(const Path& path) {
    Json json = TRY(read_description(path));
    DataDirectory out;
    out.path_ = path;
    out.kind_ = TRY(parse_kind(path, json));
    out.tenant_id_ = TRY(json_string(json, "tenant"));
    out.subscription_id_ = TRY(json_string(json, "subscription"));
    if (out.kind_ == DirectoryKind::lab) {
        out.root_ = TRY(SimulatedRoot::load(path / "root"));
        TRY(ensure_lab_collateral(path, *out.root_));
    }
    return out;
}

Result<DataDirectory> DataDirectory::create(const Path& path, DirectoryKind kind, Time now) {
    TRY(make_private_dir(path));
    // The description comes last: without it the directory is unfinished and taken up again.
    std::error_code ignored;
    if (std::filesystem::exists(description(path), ignored)) {
        return fail(Code::conflict, "{} is a data directory already", path.string());
    }
    FileLock lock = TRY(FileLock::take(path / "lock"));
    TRY(remove_unfinished(path));
    if (kind == DirectoryKind::lab) TRY(SimulatedRoot::load_or_create(path / "root", now));
    for (const char* service : {"attestation", "vault", "identity", "machines"}) {
        TRY(make_private_dir(path / service));
    }
    Json json{{"format", kFormat},
              {"kind", kind_name(kind)},
              {"tenant", crypto::random_uuid()},
              {"subscription", crypto::random_uuid()},
              {"created", format_rfc3339(now)}};
    TRY(write_file(description(path), as_bytes(dump_json_pretty(json) + "\n"), Overwrite::no));
    return open(path);
}

evidence::TrustAnchors DataDirectory::anchors() const {
    return kind_ == DirectoryKind::lab ? root().anchors() : evidence::vendor_anchors();
}

std::string DataDirectory::resource_id(std::string_view type, std::string_view name) const {
    return fmt::format("/subscriptions/{}/resourceGroups/{}/providers/{}/{}", subscription_id_,
                       kind_name(kind_), type, name);
}

Path default_lab_path() {
    const char* data = std::getenv("XDG_DATA_HOME");
    if (data != nullptr && *data == '/') return Path(data) / "vouchsafe" / "lab";
    const char* home = std::getenv("HOME");
    Path base = home != nullptr && *home == '/' ? Path(home) : Path("/tmp");
    return base / ".local" / "share" / "vouchsafe" / "lab";
}

}  // namespace vouchsafe::lab
