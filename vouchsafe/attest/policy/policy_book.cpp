#include "vouchsafe/attest/policy/policy_book.h"

#include "vouchsafe/attest/default_policy.h"
#include "vouchsafe/base/encoding.h"

namespace vouchsafe::attest {

using crypto::Certificate;

namespace {

constexpr std::string_view kPolicyTable = "attest_policy";  // issuer|type -> JWS
constexpr std::string_view kSignerTable = "attest_signer";  // issuer|fingerprint -> DER
constexpr char kBetween = '|';                              // stands in no URL

Result<SharedPolicy> make_policy(std::string jws, std::string text, Json signer, bool built_in) {
    auto rules = TRY(policy::AttestationPolicy::parse(text));
    std::string hash = policy_hash(text);
    return std::make_shared<const ActivePolicy>(ActivePolicy{std::move(jws), std::move(text),
                                                             std::move(hash), std::move(signer),
                                                             built_in, std::move(rules)});
}

}  // namespace

Result<SharedPolicy> read_policy(const SignedDocument& document) {
    std::string text = TRY(policy_text(document));
    return make_policy(document.jws, std::move(text), document.signer(), false);
}

Result<SharedPolicy> read_draft(const std::string& draft) {
    // A JWS has no blanks and no "=>"; a policy cannot do without.
    bool text = draft.find_first_of(" =\n") != std::string::npos;
    if (text) return make_policy(unsigned_policy(draft), draft, nullptr, false);
    SignedDocument document = TRY(SignedDocument::parse(draft));
    return read_policy(document);
}

Result<std::unique_ptr<PolicyBook>> PolicyBook::create(store::Store& store, std::string issuer,
                                                       const BuiltIn& built_in) {
    std::unique_ptr<PolicyBook> out(new PolicyBook(store, std::move(issuer)));
    for (const auto& [type, text] : built_in) {
        auto made = make_policy(unsigned_policy(text), text, nullptr, true);
        out->built_in_[type] =
            TRY(with_context(std::move(made), std::string(policy::target_name(type))));
    }
    return out;
}

std::string PolicyBook::key_of(policy::AttestationTarget type) const {
    return fmt::format("{}{}{}", issuer_, kBetween, policy::target_name(type));
}

Result<SharedPolicy> PolicyBook::active(policy::AttestationTarget type) {
    SharedPolicy out;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        out = TRY(active(view, type));
        return {};
    }));
    return out;
}

Result<SharedPolicy> PolicyBook::active(store::View& view, policy::AttestationTarget type) {
    const auto stored = TRY(view.get(kPolicyTable, key_of(type)));
    if (!stored) {
        auto found = built_in_.find(type);
        return found == built_in_.end() ? nullptr : found->second;
    }
    std::lock_guard lock(mutex_);
    SharedPolicy& known = known_[type];
    if (known == nullptr || known->jws != as_text(*stored)) {
        SignedDocument document = TRY(SignedDocument::parse(as_text(*stored)));
        known = TRY(read_policy(document));
    }
    return known;
}

Result<void> PolicyBook::set(store::Transaction& tx, policy::AttestationTarget type,
                             const SignedDocument& document) {
    TRY(read_policy(document));
    return tx.put(kPolicyTable, key_of(type), as_bytes(document.jws));
}

Result<void> PolicyBook::reset(store::Transaction& tx, policy::AttestationTarget type) {
    TRY(tx.erase(kPolicyTable, key_of(type)));
    return {};
}

Result<std::vector<Certificate>> PolicyBook::signers(store::View& view) {
    std::vector<Certificate> out;
    for (const store::Record& record :
         TRY(view.scan(kSignerTable, issuer_ + kBetween, "", kMaxSigners))) {
        out.push_back(TRY(Certificate::parse_der(record.value)));
    }
    return out;
}

Result<bool> PolicyBook::add_signer(store::Transaction& tx, const Certificate& signer) {
    std::string key = issuer_ + kBetween + encode_hex(signer.sha256_fingerprint());
    if (TRY(tx.get(kSignerTable, key))) return false;
    if (TRY(signers(tx)).size() == kMaxSigners) {
        return fail(Code::conflict, "there are {} policy signing certificates already",
                    kMaxSigners);
    }
    TRY(tx.put(kSignerTable, key, signer.der()));
    return true;
}

Result<bool> PolicyBook::remove_signer(store::Transaction& tx, const Certificate& signer) {
    std::string key = issuer_ + kBetween + encode_hex(signer.sha256_fingerprint());
    if (!TRY(tx.get(kSignerTable, key))) return false;
    if (TRY(signers(tx)).size() == 1) {
        return fail(Code::conflict, "the last policy signing certificate cannot be removed");
    }
    return tx.erase(kSignerTable, key);
}

Result<size_t> PolicyBook::erase(store::Transaction& tx, const std::string& issuer) {
    const size_t policies = TRY(store::erase_below(tx, kPolicyTable, issuer + kBetween));
    return policies + TRY(store::erase_below(tx, kSignerTable, issuer + kBetween));
}

}  // namespace vouchsafe::attest
