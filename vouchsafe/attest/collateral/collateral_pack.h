// A pack of collateral: a folder of plain files under speaking names, which other tools can read
// too, and their exchange between machines. There is nothing secret in it, and nothing in it is
// trusted: every piece is verified when it is read and before it is written.
//
//     DIR/amd/milan.crl            AMD's list of a product, in DER
//     DIR/intel/root.crl           Intel's lists, in DER
//     DIR/intel/tcb-{fmspc}.json   Intel's documents as they were served
//     DIR/intel/issuer-*.pem       the signers' certificates, under the SHA-256 of the file
//     DIR/pack.json                of each file: its SHA-256, signers, when and from where it was
//     got
//
// Several processes may use one folder. Files appear whole, by rename, and pack.json knows a file
// before it appears: wherever a writer is killed, the folder holds the old pieces or the new ones.
#pragma once

#include <span>

#include "vouchsafe/attest/collateral/collateral_piece.h"
#include "vouchsafe/base/file.h"

namespace vouchsafe::attest {

// CollateralProblem is why something by that name is not at hand.
struct CollateralProblem {
    std::string name;  // of a piece or a file
    std::string why;   // a sentence without secrets
};

struct LoadedCollateral {
    std::vector<CollateralPiece> pieces;  // by name
    std::vector<CollateralProblem> problems;
    std::string fingerprint;  // of the folder before it was read
};

// VerifiedCollateral is what verified of it. The others are among the problems.
struct VerifiedCollateral {
    std::vector<VerifiedPiece> pieces;
    std::vector<CollateralProblem> problems;
    std::string fingerprint;

    const VerifiedPiece* find(const CollateralName& name) const;  // borrows; nullptr if not there
    const crypto::Crl* root_crl() const;                          // borrows; nullptr if not there
};

enum class Replace { older, anything };

// KeptPiece tells what became of a piece.
struct KeptPiece {
    enum class Outcome {
        written,
        same,  // the very same was there; pack.json says that it was got again
        left,  // what is there is newer; `older` says so
    };
    VerifiedPiece piece;
    Outcome outcome = Outcome::written;
    std::optional<Check> older = {};
};

// CollateralPack is a folder, which need not exist. Thread-safe; no state but the name.
class CollateralPack {
  public:
    explicit CollateralPack(Path folder) : folder_(std::move(folder)) {}
    const Path& folder() const { return folder_; }

    // load reads all pieces, at most kMaxPieces; files of other names are passed over. A folder
    // that is not there is empty; what cannot be read is a problem, not a failure.
    LoadedCollateral load() const;
    // load_verified verifies them too, under the folder's own list of Intel's root.
    VerifiedCollateral load_verified(const evidence::TrustAnchors& anchors, Time now) const;

    // keep writes pieces, each unless what is there under its name verifies and is newer. Waits for
    // other writers for some seconds, then Code::conflict; Code::io or Code::forbidden if the
    // folder cannot be written.
    Result<std::vector<KeptPiece>> keep(std::span<const VerifiedPiece> pieces,
                                        const PieceTerms& terms, Replace replace) const;

    // fingerprint changes when a file of the folder does. Cheap: reads no content.
    std::string fingerprint() const;

    static constexpr size_t kMaxPieces = 1024;

  private:
    LoadedCollateral load_once() const;
    Result<CollateralPiece> load_piece(const CollateralName& name) const;

    Path folder_;
};

// encode_pack_file and parse_pack_file are the exchange format, docs/formats/collateral.md. Parsing
// takes at most kMaxPackFile bytes, fails with Code::invalid, and trusts nothing.
inline constexpr size_t kMaxPackFile = 32 << 20;
std::string encode_pack_file(const std::vector<CollateralPiece>& pieces, Time made);
Result<std::vector<CollateralPiece>> parse_pack_file(std::string_view text);

// verify_pack_file verifies every piece of a pack on its own, under the pack's own list of Intel's
// root. Fails with the check of the first that does not verify.
Result<std::vector<VerifiedPiece>> verify_pack_file(std::string_view text,
                                                    const evidence::TrustAnchors& anchors, Time now,
                                                    Checks& checks);

// import_pack_file verifies every piece of a pack before the first is written; one that does not
// verify refuses them all. A piece older than what is there is left out unless anything may be
// replaced; if nothing else was in the pack it is refused with COLLATERAL-OLDER.
Result<std::vector<KeptPiece>> import_pack_file(const CollateralPack& pack, std::string_view text,
                                                const evidence::TrustAnchors& anchors,
                                                Replace replace, Time now, Checks& checks);

}  // namespace vouchsafe::attest
