#include "vouchsafe/attest/receipt.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::attest {

struct VerifiedReceiptMaker {
    static VerifiedReceipt make(Receipt receipt) { return VerifiedReceipt(std::move(receipt)); }
};

namespace {

constexpr int64_t kMaxTreeSize = (int64_t{1} << 53) - 1;  // whole in every reader of JSON
constexpr size_t kMaxPathLength = 53;
constexpr size_t kMaxJti = 128;
constexpr int64_t kEndOfTime = 253402300799;  // 9999-12-31T23:59:59Z
constexpr std::string_view kReceiptForm = "a signed receipt in compact form";

Result<audit::TreeHash> parse_tree_hash(const std::string& text, std::string_view name) {
    auto bytes = decode_base64url(text);
    audit::TreeHash out;
    if (!bytes || bytes->size() != out.size()) {
        return fail(Code::invalid, "{} is not {} bytes of base64url", name, out.size());
    }
    std::ranges::copy(*bytes, out.begin());
    return out;
}

Result<audit::TreeHash> tree_hash_member(const Json& payload, std::string_view name) {
    return parse_tree_hash(TRY(json_string(payload, name)), name);
}

Result<int64_t> bounded_member(const Json& payload, std::string_view name, int64_t min,
                               int64_t max) {
    int64_t value = TRY(json_integer(payload, name));
    if (value >= min && value <= max) return value;
    return fail(Code::invalid, "{} is not a number from {} to {}", name, min, max);
}

Result<std::vector<audit::TreeHash>> parse_path(const Json& payload) {
    const Json* list = TRY(json_array(payload, "path"));
    if (list->size() > kMaxPathLength) {
        return fail(Code::invalid, "path has more than {} hashes", kMaxPathLength);
    }
    std::vector<audit::TreeHash> out;
    for (const Json& step : *list) {
        if (!step.is_string()) return fail(Code::invalid, "path has something else than strings");
        out.push_back(TRY(parse_tree_hash(step.get<std::string>(), "a hash of path")));
    }
    return out;
}

struct UnverifiedReceipt {
    jose::Jws jws;
    Receipt receipt;
};

Result<UnverifiedReceipt> read_receipt(std::string_view compact) {
    jose::Jws jws = TRY(jose::parse_jws(compact, kMaxReceipt));
    std::string type = TRY(with_context(json_string(jws.header, "typ"), "header"));
    if (type != kReceiptType) return fail(Code::invalid, "header: typ is not {}", kReceiptType);
    JsonLimits limits{.max_bytes = kMaxReceipt, .max_depth = 8, .max_values = 1024};
    Json payload = TRY(with_context(parse_json_object(as_text(jws.payload), limits), "payload"));
    Receipt receipt = TRY(with_context(Receipt::parse(payload), "payload"));
    return UnverifiedReceipt{std::move(jws), std::move(receipt)};
}

std::vector<crypto::SigAlg> signing_algorithms() {
    return {jose::kSigningAlgorithms.begin(), jose::kSigningAlgorithms.end()};
}

// The token holds as of the receipt's time, and is the one that the receipt is about.
Result<void> check_receipt_token(const Receipt& receipt, const std::string& token,
                                 const jose::JwkSet& keys, const ReceiptRules& rules,
                                 Checks& checks) {
    jose::JwtRules at_its_time;
    at_its_time.algorithms = signing_algorithms();
    at_its_time.issuers = {receipt.issuer};
    at_its_time.now = receipt.issued;
    at_its_time.skew = rules.skew;
    VerifiedClaims verified = TRY(jose::verify_jwt(token, keys, at_its_time, checks));
    const Json* jti = find_member(verified.claims(), "jti");
    bool same = jti != nullptr && *jti == receipt.token_jti;
    return checks.require(same, "RECEIPT-TOKEN", "jti", show_json(receipt.token_jti),
                          jti == nullptr ? "nothing" : show_json(*jti));
}

// What the log's own entry says, where the receipt says it is.
Result<void> check_recorded_entry(const Receipt& receipt, audit::Log& log, Checks& checks) {
    Bytes bytes = TRY(log.encoded(receipt.proof.index));
    auto entry = audit::Entry::parse(bytes);
    audit::TreeHash leaf = audit::leaf_hash(bytes);
    std::string field = fmt::format("entry {}", receipt.proof.index);
    TRY(checks.require(leaf == receipt.leaf, "RECEIPT-ENTRY", field + ", hash",
                       encode_hex(receipt.leaf), encode_hex(leaf)));
    bool allowed = entry && entry->outcome == audit::Outcome::allowed;
    TRY(checks.require(allowed, "RECEIPT-ENTRY", field + ", outcome", "allowed",
                       entry ? std::string(audit::outcome_name(entry->outcome)) : "unreadable"));
    Json details = entry ? entry->details : Json::object();
    for (auto [name, told] : {std::pair("issuer", receipt.issuer), {"jti", receipt.token_jti}}) {
        std::string found = text_or_empty(details, name);
        TRY(checks.require(found == told, "RECEIPT-ENTRY", fmt::format("{}, {}", field, name),
                           show_json(told), show_json(found)));
    }
    return {};
}

}  // namespace

Json Receipt::to_json() const {
    Json path = Json::array();
    for (const audit::TreeHash& step : proof.path) path.push_back(encode_base64url(step));
    return {{"iss", issuer},
            {"iat", to_unix(issued)},
            {"token_jti", token_jti},
            {"index", proof.index},
            {"size", proof.size},
            {"leaf", encode_base64url(leaf)},
            {"root", encode_base64url(root)},
            {"path", std::move(path)}};
}

Result<Receipt> Receipt::parse(const Json& payload) {
    Receipt out;
    out.issuer = TRY(json_string(payload, "iss"));
    out.issued = from_unix(TRY(bounded_member(payload, "iat", 0, kEndOfTime)));
    out.token_jti = TRY(json_string(payload, "token_jti"));
    if (out.token_jti.empty() || out.token_jti.size() > kMaxJti) {
        return fail(Code::invalid, "token_jti does not have 1 to {} characters", kMaxJti);
    }
    const int64_t size = TRY(bounded_member(payload, "size", 1, kMaxTreeSize));
    out.proof.size = static_cast<uint64_t>(size);
    out.proof.index = static_cast<uint64_t>(TRY(bounded_member(payload, "index", 0, size - 1)));
    out.leaf = TRY(tree_hash_member(payload, "leaf"));
    out.root = TRY(tree_hash_member(payload, "root"));
    out.proof.path = TRY(parse_path(payload));
    return out;
}

Result<Receipt> make_receipt(audit::Log& log, const audit::Entry& entry, uint64_t index,
                             std::string issuer, Time now) {
    Receipt out;
    out.issuer = std::move(issuer);
    out.issued = now;
    out.token_jti = TRY(json_string(entry.details, "jti"));
    out.leaf = audit::leaf_hash(entry.encode());
    // Later appends change neither the head of this size nor the proof: no common transaction.
    audit::TreeHead head = TRY(log.head_at(index + 1));
    out.root = head.root;
    out.proof = TRY(log.prove_inclusion(index, head.size));
    if (audit::verify_leaf_inclusion(out.proof, out.leaf, out.root)) return out;
    return fail(Code::io, "the audit log's tree does not have entry {} as it was written", index);
}

Result<std::string> sign_receipt(const Receipt& receipt, const jose::RingKey& key) {
    Json header = {{"jku", receipt.issuer + "/certs"}, {"kid", key.kid}, {"typ", kReceiptType}};
    return jose::sign_jws(std::move(header), as_bytes(dump_json(receipt.to_json())),
                          key.signer->key(), key.alg);
}

Result<VerifiedReceipt> verify_receipt(std::string_view compact, const jose::JwkSet& keys,
                                       const ReceiptRules& rules, Checks& checks) {
    auto read = read_receipt(compact);
    if (!read) {
        return checks.refuse("RECEIPT-FORM", "receipt", std::string(kReceiptForm),
                             show_json(read.error().message));
    }
    TRY(checks.require(true, "RECEIPT-FORM", "receipt", std::string(kReceiptForm), "one"));
    const Receipt& receipt = read->receipt;
    TRY(jose::verify_by_key_set(read->jws, keys, signing_algorithms(), checks));
    bool accepted = rules.issuer.empty() ||
                    jose::normalize_issuer(rules.issuer) == jose::normalize_issuer(receipt.issuer);
    TRY(checks.require(accepted, "TOKEN-ISSUER", "iss",
                       rules.issuer.empty() ? "any whose key is known" : rules.issuer,
                       show_json(receipt.issuer)));
    TRY(checks.require(receipt.issued <= rules.now + rules.skew, "RECEIPT-TIME", "iat",
                       fmt::format("not after {} (now), give or take {} s",
                                   format_rfc3339(rules.now), rules.skew.count()),
                       format_rfc3339(receipt.issued)));
    bool holds =
        audit::verify_leaf_inclusion(receipt.proof, receipt.leaf, receipt.root).has_value();
    TRY(checks.require(
        holds, "RECEIPT-INCLUSION", "path",
        fmt::format("a proof that entry {} is in the tree of {} entries with root {}",
                    receipt.proof.index, receipt.proof.size, encode_hex(receipt.root)),
        holds ? "one" : "none that holds"));
    if (rules.token) TRY(check_receipt_token(receipt, *rules.token, keys, rules, checks));
    return VerifiedReceiptMaker::make(std::move(read->receipt));
}

Result<audit::TreeHead> verify_recorded(const std::vector<VerifiedReceipt>& receipts,
                                        audit::Log& log, Checks& checks,
                                        std::vector<audit::TreeHead> heads) {
    for (const VerifiedReceipt& one : receipts) heads.push_back(one.receipt().head());
    audit::TreeHead now = TRY(log.verify_heads(std::move(heads), checks));
    for (const VerifiedReceipt& one : receipts) {
        TRY(check_recorded_entry(one.receipt(), log, checks));
    }
    return now;
}

}  // namespace vouchsafe::attest
