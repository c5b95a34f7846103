// Helpers of the collateral tests: recorded pieces of Intel's, made ones of AMD's (no list of AMD's
// is recorded), and a vendor's service that answers as it is told.
#pragma once

#include <map>
#include <mutex>

#include "vouchsafe/attest/collateral/collateral_store.h"
#include "vouchsafe/crypto/crl_issue.h"
#include "vouchsafe/evidence/snp/test_machine.h"
#include "vouchsafe/evidence/tdx/test_collateral.h"

namespace vouchsafe::attest::testing {

using evidence::SnpProduct;
using evidence::testing::at;
using evidence::testing::march_2026;

// Intel's root as pinned, and a made ARK for Milan.
inline const evidence::TrustAnchors& piece_anchors() {
    static const evidence::TrustAnchors kAnchors = [] {
        evidence::TrustAnchors out = evidence::vendor_anchors();
        out.amd.clear();
        out.amd.push_back({SnpProduct::milan, evidence::testing::made_hierarchy().ark,
                           evidence::testing::made_hierarchy().ask, std::nullopt});
        return out;
    }();
    return kAnchors;
}

// milan_list is made by the pinned ARK, impostors_list by another of the same name.
inline CollateralPiece milan_list(const char* from = "2026-03-01T00:00:00Z",
                                  const char* to = "2026-05-01T00:00:00Z") {
    const auto& by = evidence::testing::made_hierarchy();
    return {CollateralName::amd_vcek_crl(SnpProduct::milan),
            MUST(crypto::issue_crl({at(from), at(to), 1, {}}, by.ark, by.ark_key,
                                   crypto::CertSignature::rsa_pss_sha384))
                .der()};
}
inline CollateralPiece impostors_list() {
    using evidence::testing::SnpHierarchy;
    constexpr auto kForm = crypto::CertSignature::ecdsa_sha384;
    auto key = SnpHierarchy::p384();
    auto ark = SnpHierarchy::issue(SnpHierarchy::spec("ARK-Made", true), key.public_key(), nullptr,
                                   key, kForm);
    CollateralPiece out = milan_list();
    out.bytes =
        MUST(crypto::issue_crl({at("2026-03-01T00:00:00Z"), at("2026-05-01T00:00:00Z"), 1, {}}, ark,
                               key, kForm))
            .der();
    return out;
}

inline Bytes collateral_file(const std::string& name) {
    return evidence::testing::vector_bytes("tdx/collateral/" + name);
}
inline std::string recorded_chain() {
    return to_text(collateral_file("tcb-signing-chain.pem"));
}
inline Fmspc fmspc_of(const char* hex) {
    Fmspc out{};
    std::ranges::copy(MUST(decode_hex(hex)), out.begin());
    return out;
}
inline const Fmspc& emerald() {
    static const Fmspc kFmspc = fmspc_of("90c06f000000");
    return kFmspc;
}

inline CollateralPiece root_list(const std::string& year = "2026") {
    return {CollateralName::root_crl(), collateral_file("root-" + year + ".crl.der")};
}
inline CollateralPiece pck_list(const std::string& year = "2026") {
    return {CollateralName::pck_crl(PckCa::platform),
            collateral_file("pck-platform-" + year + ".crl.der"),
            evidence::testing::vector_text("tdx/intel-pck-platform-ca.pem") +
                evidence::testing::vector_text("tdx/intel-sgx-root-ca.pem")};
}
inline CollateralPiece emerald_tcb(const std::string& when = "2026b") {
    return {CollateralName::tcb_info(emerald()),
            collateral_file("tcbinfo-90c06f000000-" + when + ".json"), recorded_chain()};
}
inline CollateralPiece qe_piece(const std::string& year = "2026") {
    return {CollateralName::qe_identity(), collateral_file("qeidentity-td-" + year + ".json"),
            recorded_chain()};
}
// Intel's documents for SGX, of July 2025.
inline std::vector<CollateralPiece> sgx_pieces() {
    using evidence::testing::vector_bytes;
    constexpr auto kSgx = evidence::IntelTee::sgx;
    return {{CollateralName::tcb_info(fmspc_of("00a067110000"), kSgx),
             vector_bytes("sgx/tcbinfo-00a067110000-2025.json"), recorded_chain()},
            {CollateralName::qe_identity(kSgx), vector_bytes("sgx/qeidentity-2025.json"),
             recorded_chain()}};
}
inline std::vector<CollateralPiece> all_pieces() {
    return {milan_list(), root_list(), pck_list(), emerald_tcb(), qe_piece()};
}

inline Result<VerifiedPiece> judge_piece(const CollateralPiece& piece, Time now = march_2026()) {
    Checks checks;
    return verify_piece(piece, {piece_anchors(), nullptr, now}, checks);
}
inline VerifiedPiece verified(const CollateralPiece& piece) {
    return MUST(judge_piece(piece));
}

// PackFolder is a pack in a temporary folder.
struct PackFolder {
    TemporaryDir folder = make();
    CollateralPack pack{folder.path() / "collateral"};

    static TemporaryDir make() { return MUST(TemporaryDir::create("vouchsafe-collateral")); }
    Path file(const std::string& name) const { return pack.folder() / name; }
    Result<std::vector<KeptPiece>> keep(const std::vector<CollateralPiece>& pieces,
                                        Replace replace = Replace::older) const {
        std::vector<VerifiedPiece> all;
        for (const CollateralPiece& piece : pieces) all.push_back(verified(piece));
        return pack.keep(all, {piece_anchors(), nullptr, march_2026()}, replace);
    }
    VerifiedCollateral load() const { return pack.load_verified(piece_anchors(), march_2026()); }
};

// FakeVendor serves answers by URL and counts. Thread-safe.
class FakeVendor {
  public:
    void serve(const std::string& url, net::ClientResponse answer) {
        std::lock_guard lock(mutex_);
        answers_[url] = std::move(answer);
    }
    // serve_piece answers as the vendors do, at the URL that the piece has.
    void serve_piece(const CollateralPiece& piece, const CollateralConfig& config) {
        net::ClientResponse answer{200, {}, to_text(piece.bytes)};
        if (piece.name.has_issuer_chain()) {
            for (const char* header : {"TCB-Info-Issuer-Chain", "SGX-PCK-CRL-Issuer-Chain",
                                       "SGX-Enclave-Identity-Issuer-Chain"}) {
                answer.headers.set(header, encode_percent(piece.issuer_chain));
            }
        }
        serve(url_of(piece.name, config), std::move(answer));
    }
    int asked(const std::string& url) {
        std::lock_guard lock(mutex_);
        return asked_[url];
    }
    int asked() {
        std::lock_guard lock(mutex_);
        int sum = 0;
        for (const auto& [url, count] : asked_) sum += count;
        return sum;
    }
    FetchUrl fetch() {
        return [this](const std::string& url) -> Result<net::ClientResponse> {
            std::lock_guard lock(mutex_);
            ++asked_[url];
            auto found = answers_.find(url);
            if (found == answers_.end()) return fail(Code::unavailable, "{} does not answer", url);
            return found->second;
        };
    }

  private:
    std::mutex mutex_;
    std::map<std::string, net::ClientResponse> answers_;
    std::map<std::string, int> asked_;
};

}  // namespace vouchsafe::attest::testing
