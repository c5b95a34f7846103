#include "vouchsafe/evidence/uvm/did_x509.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/der.h"

namespace vouchsafe::evidence {

using crypto::Certificate;
using crypto::HashAlg;

namespace {

constexpr size_t kMaxDid = 1024;
constexpr std::string_view kExtendedKeyUsage = "2.5.29.37";  // RFC 5280, 4.2.1.12

struct Attribute {
    std::string_view label;
    std::string_view oid;
};
// The labels that a subject rule may use (did-x509, 4.2; RFC 4519, 2).
constexpr Attribute kAttributes[] = {
    {"CN", "2.5.4.3"},  {"L", "2.5.4.7"}, {"ST", "2.5.4.8"},     {"O", "2.5.4.10"},
    {"OU", "2.5.4.11"}, {"C", "2.5.4.6"}, {"STREET", "2.5.4.9"},
};

std::vector<std::string_view> split(std::string_view text, std::string_view by) {
    std::vector<std::string_view> out;
    for (size_t end; (end = text.find(by)) != std::string_view::npos;) {
        out.push_back(text.substr(0, end));
        text.remove_prefix(end + by.size());
    }
    out.push_back(text);
    return out;
}

bool is_oid(std::string_view text) {
    for (std::string_view arc : split(text, ".")) {
        bool digits =
            std::all_of(arc.begin(), arc.end(), [](char c) { return c >= '0' && c <= '9'; });
        if (arc.empty() || !digits) return false;
    }
    return text.find('.') != std::string_view::npos;
}

// oid_of returns the dotted OID of a subject rule's attribute, "" if it is none.
std::string oid_of(std::string_view key) {
    for (const Attribute& known : kAttributes) {
        if (known.label == key) return std::string(known.oid);
    }
    return is_oid(key) ? std::string(key) : "";
}

Result<HashAlg> hash_of(std::string_view name) {
    if (name == "sha256") return HashAlg::sha256;
    if (name == "sha384") return HashAlg::sha384;
    if (name == "sha512") return HashAlg::sha512;
    return fail(Code::unsupported, "did:x509 with fingerprints by {}", name);
}

Result<void> check_policy(const DidX509::Policy& policy) {
    if (policy.name == "eku") {
        if (policy.values.size() == 1 && is_oid(policy.values[0])) return {};
        return fail(Code::invalid, "did:x509: eku takes one OID");
    }
    if (policy.name != "subject") {
        return fail(Code::unsupported, "did:x509: rules about {} are not supported", policy.name);
    }
    if (policy.values.size() % 2 != 0) return fail(Code::invalid, "did:x509: half a subject rule");
    std::vector<std::string> seen;
    for (size_t i = 0; i < policy.values.size(); i += 2) {
        std::string oid = oid_of(policy.values[i]);
        bool twice = std::find(seen.begin(), seen.end(), oid) != seen.end();
        if (oid.empty() || twice || policy.values[i + 1].empty()) {
            return fail(Code::invalid, "did:x509: a subject rule is attribute:value, each once");
        }
        seen.push_back(std::move(oid));
    }
    return {};
}

Result<DidX509::Policy> parse_policy(std::string_view text) {
    std::vector<std::string_view> parts = split(text, ":");
    DidX509::Policy out{std::string(parts[0]), {}};
    for (size_t i = 1; i < parts.size(); ++i) {
        out.values.push_back(TRY(with_context(decode_percent(parts[i]), "did:x509")));
    }
    if (out.name.empty() || out.values.empty()) {
        return fail(Code::invalid, "did:x509: a rule is a name and a value");
    }
    TRY(check_policy(out));
    return out;
}

// extended_key_usage returns the OIDs of the extension, none if it is absent (RFC 5280, 4.2.1.12).
Result<std::vector<std::string>> extended_key_usage(const Certificate& leaf) {
    std::vector<std::string> out;
    auto extension = TRY(leaf.extension(kExtendedKeyUsage));
    if (!extension) return out;
    crypto::DerElement list = TRY(crypto::parse_der_element(*extension));
    for (ByteView left = list.content; !left.empty();) {
        crypto::DerElement one = TRY(crypto::parse_der_element(left));
        out.push_back(TRY(crypto::parse_der_oid(one.whole)));
        left = left.subspan(one.whole.size());
    }
    return out;
}

struct SubjectValue {
    std::string oid;
    std::string value;
};

// subject_values reads a Name (RFC 5280, 4.1.2.4): a sequence of sets of pairs. Values that are
// neither UTF8String nor PrintableString nor IA5String are left out: nothing compares with them.
Result<std::vector<SubjectValue>> subject_values(const Certificate& leaf) {
    std::vector<SubjectValue> out;
    Bytes der = leaf.subject_der();
    for (ByteView names = TRY(crypto::parse_der_element(der)).content; !names.empty();) {
        crypto::DerElement set = TRY(crypto::parse_der_element(names));
        names = names.subspan(set.whole.size());
        for (ByteView pairs = set.content; !pairs.empty();) {
            crypto::DerElement pair = TRY(crypto::parse_der_element(pairs));
            pairs = pairs.subspan(pair.whole.size());
            crypto::DerElement type = TRY(crypto::parse_der_element(pair.content));
            crypto::DerElement value =
                TRY(crypto::parse_der_element(pair.content.subspan(type.whole.size())));
            bool text = value.tag == 0x0c || value.tag == 0x13 || value.tag == 0x16;
            if (!text) continue;
            std::string oid = TRY(crypto::parse_der_oid(type.whole));
            out.push_back({std::move(oid), to_text(value.content)});
        }
    }
    return out;
}

Result<void> meets_eku(const Certificate& leaf, const std::string& oid) {
    auto usages = TRY(extended_key_usage(leaf));
    if (std::find(usages.begin(), usages.end(), oid) != usages.end()) return {};
    return fail(Code::bad_evidence, "{}",
                usages.empty() ? "none" : fmt::format("{}", fmt::join(usages, ", ")));
}

Result<void> meets_subject(const Certificate& leaf, const std::vector<std::string>& values) {
    auto subject = TRY(subject_values(leaf));
    for (size_t i = 0; i + 1 < values.size(); i += 2) {
        std::string oid = oid_of(values[i]);
        bool there = std::any_of(subject.begin(), subject.end(), [&](const SubjectValue& one) {
            return one.oid == oid && one.value == values[i + 1];
        });
        if (!there) return fail(Code::bad_evidence, "{}", leaf.subject());
    }
    return {};
}

}  // namespace

Result<DidX509> DidX509::parse(std::string_view did) {
    constexpr std::string_view kPrefix = "did:x509:";
    if (did.size() > kMaxDid || !did.starts_with(kPrefix)) {
        return fail(Code::invalid, "no did:x509 identifier");
    }
    std::vector<std::string_view> segments = split(did.substr(kPrefix.size()), "::");
    std::vector<std::string_view> head = split(segments[0], ":");
    if (head.size() != 3 || segments.size() < 2) {
        return fail(Code::invalid, "did:x509 is version, hash, fingerprint and at least one rule");
    }
    if (head[0] != "0") return fail(Code::unsupported, "did:x509 of version {}", head[0]);
    DidX509 out{TRY(hash_of(head[1])), {}, {}};
    out.ca_fingerprint = TRY(with_context(decode_base64url(head[2]), "did:x509"));
    if (out.ca_fingerprint.size() != crypto::hash_size(out.hash)) {
        return fail(Code::invalid, "did:x509: the fingerprint has {} bytes",
                    out.ca_fingerprint.size());
    }
    for (size_t i = 1; i < segments.size(); ++i) {
        out.policies.push_back(TRY(parse_policy(segments[i])));
    }
    return out;
}

std::optional<size_t> DidX509::find_ca(const std::vector<Certificate>& chain) const {
    for (size_t i = 1; i < chain.size(); ++i) {
        if (crypto::hash(hash, chain[i].der()) == ca_fingerprint) return i;
    }
    return std::nullopt;
}

Result<void> meets(const Certificate& leaf, const DidX509::Policy& policy) {
    if (policy.name == "eku") return meets_eku(leaf, policy.values[0]);
    return meets_subject(leaf, policy.values);
}

}  // namespace vouchsafe::evidence
