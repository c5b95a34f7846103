// Receipts (docs/formats/receipt.md): the service's signed word that an appraisal is an entry of
// its audit log, with the proof that goes with it. Making one, verifying one by the service's keys,
// and comparing a verified one with the log. What a receipt says of the log is true of one tree
// head; that everybody is shown the same log is for those to find out who compare receipts.
#pragma once

#include <optional>
#include <string>

#include "vouchsafe/audit/log.h"
#include "vouchsafe/jose/jwt.h"
#include "vouchsafe/jose/key_ring.h"

namespace vouchsafe::attest {

inline constexpr std::string_view kReceiptType = "vouchsafe-receipt+jwt";  // header member typ
inline constexpr size_t kMaxReceipt = 16 << 10;                            // bytes of the JWS

struct Receipt {
    std::string issuer;
    Time issued;
    std::string token_jti;  // of the token that was answered with it
    audit::InclusionProof proof;
    audit::TreeHash leaf;  // at proof.index
    audit::TreeHash root;  // at proof.size

    audit::TreeHead head() const { return {proof.size, root}; }
    Json to_json() const;  // the payload
    // parse fails with Code::invalid and a sentence that names the member. It bounds the proof and
    // does not verify it.
    static Result<Receipt> parse(const Json& payload);
};

// make_receipt is about `entry`, which is at `index` of the log and has details.jti, with the proof
// for the tree of index + 1 entries. Code::io if that proof does not hold: the log is damaged.
Result<Receipt> make_receipt(audit::Log& log, const audit::Entry& entry, uint64_t index,
                             std::string issuer, Time now);

// sign_receipt: `key` has a signer. The header has jku: the issuer's /certs.
Result<std::string> sign_receipt(const Receipt& receipt, const jose::RingKey& key);

// VerifiedReceipt can be made by verify_receipt alone.
class VerifiedReceipt {
  public:
    const Receipt& receipt() const { return receipt_; }

  private:
    friend struct VerifiedReceiptMaker;  // defined in receipt.cpp alone
    explicit VerifiedReceipt(Receipt receipt) : receipt_(std::move(receipt)) {}
    Receipt receipt_;
};

struct ReceiptRules {
    std::string issuer;  // the one accepted, compared as tokens' are; "": any whose key is known
    Time now;
    Seconds skew{300};
    // The token that the receipt must be about. It must hold as of the receipt's own time: receipts
    // outlive tokens.
    std::optional<std::string> token;
};

// verify_receipt checks, each as a coded Check: form (RECEIPT-FORM), signature as of a token
// (TOKEN-ALG, TOKEN-KID, TOKEN-SIGNATURE), TOKEN-ISSUER, RECEIPT-TIME, RECEIPT-INCLUSION, and with
// a token all that verify_jwt does and RECEIPT-TOKEN. `compact` is the JWS without a newline.
Result<VerifiedReceipt> verify_receipt(std::string_view compact, const jose::JwkSet& keys,
                                       const ReceiptRules& rules, Checks& checks);

// verify_recorded holds the log to receipts of it: recomputes the tree from all entries and
// compares it with each receipt's head (AUDIT-TREE, AUDIT-HEAD), then each receipt's entry with
// what the receipt says of it (RECEIPT-ENTRY). `heads` are others that were kept of the log, of
// checkpoints. Returns the log's head of now.
Result<audit::TreeHead> verify_recorded(const std::vector<VerifiedReceipt>& receipts,
                                        audit::Log& log, Checks& checks,
                                        std::vector<audit::TreeHead> heads = {});

}  // namespace vouchsafe::attest
