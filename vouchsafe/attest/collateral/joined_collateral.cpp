#include "vouchsafe/attest/collateral/joined_collateral.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {

evidence::TdxCollateral join(const TdxParts& parts) {
    evidence::TdxCollateral out;
    out.tee = parts.tee;
    auto document = [](const PiecePtr& part) -> std::optional<evidence::SignedJson> {
        if (!part) return std::nullopt;
        return evidence::SignedJson{to_text(part->piece().bytes), part->piece().issuer_chain};
    };
    out.tcb_info = document(parts.tcb_info);
    out.qe_identity = document(parts.qe_identity);
    if (parts.root_crl) out.root_crl = parts.root_crl->piece().bytes;
    if (parts.pck_crl) {
        out.pck_crl = parts.pck_crl->piece().bytes;
        out.pck_issuer_chain = parts.pck_crl->piece().issuer_chain;
    }
    return out;
}

UsedDocuments used_documents(const TdxParts& parts) {
    auto digest = [](ByteView bytes) { return encode_hex(crypto::sha256(bytes)); };
    auto document = [&](const PiecePtr& part) {
        return part ? digest(part->piece().bytes) : std::string();
    };
    auto chain = [&](const PiecePtr& part) {
        return part ? digest(as_bytes(part->piece().issuer_chain)) : std::string();
    };
    return {document(parts.tcb_info), chain(parts.tcb_info), document(parts.qe_identity),
            chain(parts.qe_identity), document(parts.root_crl)};
}

}  // namespace vouchsafe::attest
