#include "vouchsafe/attest/collateral/collateral_pack.h"

#include <sys/stat.h>

#include <algorithm>
#include <thread>

#include "vouchsafe/attest/collateral/pack_index.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {

namespace {

constexpr std::string_view kVendors[] = {"amd", "intel"};

std::string digest_of(ByteView bytes) {
    return encode_hex(crypto::sha256(bytes));
}

// piece_names lists the pieces that there are files of, sorted.
std::vector<CollateralName> piece_names(const Path& folder) {
    std::vector<CollateralName> out;
    for (std::string_view vendor : kVendors) {
        std::error_code error;
        std::filesystem::directory_iterator entries(folder / vendor, error), end;
        for (; !error && entries != end; entries.increment(error)) {
            auto name = CollateralName::parse(
                fmt::format("{}/{}", vendor, entries->path().filename().string()));
            if (name && out.size() < CollateralPack::kMaxPieces) out.push_back(*name);
        }
    }
    std::ranges::sort(out);
    return out;
}

Result<void> make_folders(const Path& folder) {
    for (std::string_view vendor : kVendors) {
        std::error_code error;
        std::filesystem::create_directories(folder / vendor, error);
        if (error) {
            return fail(Code::io, "cannot make {}: {}", (folder / vendor).string(),
                        error.message());
        }
    }
    return {};
}

// take_lock waits while another writer has it: a writer needs milliseconds.
Result<FileLock> take_lock(const Path& folder) {
    constexpr int kTries = 500;
    constexpr std::chrono::milliseconds kPause{10};
    for (int i = 1;; ++i) {
        auto lock = FileLock::take(folder / "lock");
        if (lock || lock.error().code != Code::conflict || i == kTries) return lock;
        std::this_thread::sleep_for(kPause);
    }
}

// PackWriter writes pieces in the order that makes every state in between readable: the signers,
// pack.json with the new records beside the old, the pieces, pack.json without the old.
class PackWriter {
  public:
    PackWriter(const Path& folder, PackIndex index) : folder_(folder), index_(std::move(index)) {}

    Result<void> announce(const VerifiedPiece& verified) {
        const CollateralPiece& piece = verified.piece();
        PackRecord record{piece.name, digest_of(piece.bytes), "", piece.source, piece.fetched};
        if (piece.name.has_issuer_chain()) {
            record.issuer = issuer_file_name(piece.issuer_chain);
            TRY(write_file(folder_ / "intel" / record.issuer, as_bytes(piece.issuer_chain),
                           Overwrite::yes));
        }
        current_.push_back(record);
        index_.put(std::move(record));
        return {};
    }
    Result<void> store_announced() { return index_.store(folder_); }

    Result<void> write(const VerifiedPiece& verified) {
        return write_file(folder_ / verified.name().text(), verified.piece().bytes, Overwrite::yes);
    }

    Result<void> finish() {
        std::erase_if(index_.records, [&](const PackRecord& record) {
            return std::ranges::any_of(current_, [&](const PackRecord& now) {
                return now.name == record.name && now.sha256 != record.sha256;
            });
        });
        return index_.store(folder_);
    }

  private:
    const Path& folder_;
    PackIndex index_;
    std::vector<PackRecord> current_;
};

// compare tells what is to become of a piece, given what is there.
KeptPiece compare(const VerifiedPiece& piece, const Result<CollateralPiece>& there,
                  const PieceTerms& terms, Replace replace) {
    KeptPiece out{piece};
    if (!there) return out;
    if (equal(there->bytes, piece.piece().bytes) &&
        there->issuer_chain == piece.piece().issuer_chain) {
        out.outcome = KeptPiece::Outcome::same;
        return out;
    }
    // Newer is newer whatever the clock says, also if it has not begun.
    const PieceTerms ever{terms.anchors, terms.root_crl, MUST(parse_rfc3339("9999-12-31"))};
    Checks checks;
    auto held = verify_piece(*there, ever, checks);
    if (!held || replace == Replace::anything) return out;
    if (auto newer = check_not_older(piece, *held, checks); !newer) {
        out.outcome = KeptPiece::Outcome::left;
        out.older = *newer.error().reason();
    }
    return out;
}

}  // namespace

const VerifiedPiece* VerifiedCollateral::find(const CollateralName& name) const {
    auto found = std::ranges::find(pieces, name, &VerifiedPiece::name);
    return found == pieces.end() ? nullptr : &*found;
}

const crypto::Crl* VerifiedCollateral::root_crl() const {
    const VerifiedPiece* found = find(CollateralName::root_crl());
    return found == nullptr ? nullptr : &*found->crl();
}

std::string CollateralPack::fingerprint() const {
    std::string out;
    auto note = [&](const std::string& file) {
        struct stat info {};
        if (::stat((folder_ / file).c_str(), &info) != 0) return;
        out += fmt::format("{} {} {} {}.{}\n", file, info.st_ino, info.st_size, info.st_mtim.tv_sec,
                           info.st_mtim.tv_nsec);
    };
    note("pack.json");
    for (const CollateralName& name : piece_names(folder_)) note(name.text());
    return out;
}

LoadedCollateral CollateralPack::load() const {
    // A writer may be at work. What it leaves is whole again in milliseconds.
    constexpr int kTries = 3;
    for (int i = 1;; ++i) {
        LoadedCollateral out = load_once();
        if (i == kTries || out.fingerprint == fingerprint()) return out;
    }
}

LoadedCollateral CollateralPack::load_once() const {
    LoadedCollateral out;
    out.fingerprint = fingerprint();
    auto index = PackIndex::load(folder_);
    if (!index) {
        out.problems.push_back({"pack.json", index.error().message});
        index = PackIndex{};
    }
    for (const CollateralName& name : piece_names(folder_)) {
        auto bytes = read_file(folder_ / name.text(), kMaxCollateralBytes);
        if (!bytes) {
            out.problems.push_back({name.text(), bytes.error().message});
            continue;
        }
        CollateralPiece piece{name, std::move(*bytes)};
        if (const PackRecord* record = index->find(name, digest_of(piece.bytes))) {
            piece.source = record->source;
            piece.fetched = record->fetched;
            auto chain = record->issuer.empty() ? Result<std::string>("")
                                                : read_text_file(folder_ / "intel" / record->issuer,
                                                                 kMaxCollateralChain);
            piece.issuer_chain = chain ? std::move(*chain) : "";
        }
        out.pieces.push_back(std::move(piece));
    }
    return out;
}

VerifiedCollateral CollateralPack::load_verified(const evidence::TrustAnchors& anchors,
                                                 Time now) const {
    LoadedCollateral loaded = load();
    VerifiedCollateral out{{}, std::move(loaded.problems), std::move(loaded.fingerprint)};
    std::optional<crypto::Crl> root_crl;
    // The root's list first: the others' signers are looked up in it.
    std::ranges::stable_partition(loaded.pieces, [](const CollateralPiece& piece) {
        return piece.name == CollateralName::root_crl();
    });
    for (CollateralPiece& piece : loaded.pieces) {
        const std::string name = piece.name.text();
        Checks checks;
        auto verified =
            verify_piece(std::move(piece), {anchors, root_crl ? &*root_crl : nullptr, now}, checks);
        if (!verified) {
            out.problems.push_back({name, verified.error().message});
            continue;
        }
        if (verified->name() == CollateralName::root_crl()) root_crl = verified->crl();
        out.pieces.push_back(std::move(*verified));
    }
    return out;
}

Result<std::vector<KeptPiece>> CollateralPack::keep(std::span<const VerifiedPiece> pieces,
                                                    const PieceTerms& terms,
                                                    Replace replace) const {
    TRY(make_folders(folder_));
    FileLock lock = TRY(take_lock(folder_));
    LoadedCollateral there = load_once();
    std::vector<KeptPiece> out;
    for (const VerifiedPiece& piece : pieces) {
        auto found = std::ranges::find(there.pieces, piece.name(), &CollateralPiece::name);
        out.push_back(compare(piece,
                              found == there.pieces.end()
                                  ? Result<CollateralPiece>(fail(Code::not_found, "none"))
                                  : Result<CollateralPiece>(*found),
                              terms, replace));
    }
    // An index that cannot be read says nothing: it is made anew.
    PackWriter writer(folder_, PackIndex::load(folder_).value_or(PackIndex{}));
    bool left_all = true;
    for (const KeptPiece& kept : out) {
        if (kept.outcome == KeptPiece::Outcome::left) continue;
        TRY(writer.announce(kept.piece));
        left_all = false;
    }
    if (left_all) return out;
    TRY(writer.store_announced());
    for (const KeptPiece& kept : out) {
        if (kept.outcome == KeptPiece::Outcome::written) TRY(writer.write(kept.piece));
    }
    TRY(writer.finish());
    return out;
}

}  // namespace vouchsafe::attest
