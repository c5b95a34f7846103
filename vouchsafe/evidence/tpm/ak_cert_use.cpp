#include "vouchsafe/evidence/tpm/ak_cert_use.h"

#include <algorithm>

#include "vouchsafe/crypto/der.h"

namespace vouchsafe::evidence {

using crypto::DerElement;

namespace {

constexpr std::string_view kKeyUsage = "2.5.29.15";
constexpr std::string_view kSubjectAltName = "2.5.29.17";
constexpr std::string_view kBasicConstraints = "2.5.29.19";
constexpr std::string_view kExtendedKeyUsage = "2.5.29.37";

// Attributes of a TPM (TCG OID registry, tcg-attribute).
constexpr std::string_view kTpmManufacturer = "2.23.133.2.1";
constexpr std::string_view kTpmModel = "2.23.133.2.2";
constexpr std::string_view kTpmVersion = "2.23.133.2.3";

constexpr uint8_t kBoolean = 0x01;
constexpr uint8_t kInteger = 0x02;
constexpr uint8_t kBitString = 0x03;
constexpr uint8_t kSequence = 0x30;
constexpr uint8_t kSet = 0x31;
constexpr uint8_t kDirectoryName = 0xa4;  // GeneralName (RFC 5280, 4.2.1.6)

constexpr std::string_view kNames[] = {"digitalSignature", "nonRepudiation", "keyEncipherment",
                                       "dataEncipherment", "keyAgreement",   "keyCertSign",
                                       "cRLSign",          "encipherOnly",   "decipherOnly"};

// children reads the elements in the content of another.
Result<std::vector<DerElement>> children(ByteView content) {
    std::vector<DerElement> out;
    while (!content.empty()) {
        out.push_back(TRY(crypto::parse_der_element(content)));
        content = content.subspan(out.back().whole.size());
    }
    return out;
}

// whole_content reads one element that is all there is.
Result<ByteView> whole_content(ByteView der, uint8_t tag) {
    DerElement element = TRY(crypto::parse_der_element(der));
    if (element.tag != tag || element.whole.size() != der.size()) {
        return fail(Code::invalid, "not exactly one element of tag {:#04x}", tag);
    }
    return element.content;
}

// In a BIT STRING the first bit is the highest of the first byte (X.690, 8.6).
Result<uint16_t> parse_key_usage(ByteView der) {
    ByteView content = TRY(whole_content(der, kBitString));
    if (content.size() < 2 || content.size() > 3 || content[0] > 7) {
        return fail(Code::invalid, "a key usage that is none");
    }
    uint16_t out = 0;
    for (unsigned bit = 0; bit < 8 * (content.size() - 1); ++bit) {
        bool set = (content[1 + bit / 8] >> (7 - bit % 8) & 1) != 0;
        if (set && bit >= std::size(kNames)) return fail(Code::invalid, "key usage bit {}", bit);
        if (set) out = static_cast<uint16_t>(out | 1u << bit);
    }
    return out;
}

Result<std::vector<std::string>> parse_purposes(ByteView der) {
    std::vector<std::string> out;
    for (const DerElement& one : TRY(children(TRY(whole_content(der, kSequence))))) {
        out.push_back(TRY(crypto::parse_der_oid(one.whole)));
    }
    if (out.empty()) return fail(Code::invalid, "an extended key usage without any");
    return out;
}

Result<std::optional<uint64_t>> parse_path_length(ByteView der) {
    std::vector<DerElement> parts = TRY(children(TRY(whole_content(der, kSequence))));
    size_t first = !parts.empty() && parts[0].tag == kBoolean ? 1 : 0;
    if (parts.size() == first) return std::nullopt;
    if (parts.size() != first + 1 || parts[first].tag != kInteger) {
        return fail(Code::invalid, "basic constraints that are none");
    }
    return TRY(crypto::parse_der_integer(parts[first].whole));
}

// parse_text takes the strings that names are made of: their tags differ, their ASCII does not.
Result<std::string> parse_text(const DerElement& value) {
    bool printable = std::all_of(value.content.begin(), value.content.end(),
                                 [](uint8_t byte) { return byte >= 0x20 && byte < 0x7f; });
    if (!printable) return fail(Code::invalid, "a TPM attribute that is no text");
    return to_text(value.content);
}

Result<void> read_attribute(ByteView pair, CertificateUse& out) {
    std::vector<DerElement> parts = TRY(children(TRY(whole_content(pair, kSequence))));
    if (parts.size() != 2) return fail(Code::invalid, "a name without value");
    std::string oid = TRY(crypto::parse_der_oid(parts[0].whole));
    std::optional<std::string>* field = oid == kTpmManufacturer ? &out.tpm_manufacturer
                                        : oid == kTpmModel      ? &out.tpm_model
                                        : oid == kTpmVersion    ? &out.tpm_version
                                                                : nullptr;
    if (field == nullptr) return {};
    if (*field) return fail(Code::invalid, "{} appears twice", oid);
    *field = TRY(parse_text(parts[1]));
    return {};
}

// A directory name is a sequence of sets of pairs.
Result<void> read_tpm(ByteView alt_name, CertificateUse& out) {
    for (const DerElement& name : TRY(children(TRY(whole_content(alt_name, kSequence))))) {
        if (name.tag != kDirectoryName) continue;
        for (const DerElement& set : TRY(children(TRY(whole_content(name.content, kSequence))))) {
            if (set.tag != kSet) return fail(Code::invalid, "a directory name that is none");
            for (const DerElement& pair : TRY(children(set.content))) {
                TRY(read_attribute(pair.whole, out));
            }
        }
    }
    return {};
}

}  // namespace

std::vector<std::string> key_usage_names(uint16_t bits) {
    std::vector<std::string> out;
    for (size_t bit = 0; bit < std::size(kNames); ++bit) {
        if ((bits >> bit & 1) != 0) out.emplace_back(kNames[bit]);
    }
    return out;
}

Result<CertificateUse> CertificateUse::parse(const crypto::Certificate& certificate) {
    CertificateUse out;
    if (auto usage = TRY(certificate.extension(kKeyUsage))) {
        out.key_usage = TRY(parse_key_usage(*usage));
    }
    if (auto purposes = TRY(certificate.extension(kExtendedKeyUsage))) {
        out.purposes = TRY(parse_purposes(*purposes));
    }
    if (auto constraints = TRY(certificate.extension(kBasicConstraints))) {
        out.path_length = TRY(parse_path_length(*constraints));
    }
    if (auto names = TRY(certificate.extension(kSubjectAltName))) TRY(read_tpm(*names, out));
    return out;
}

bool CertificateUse::has_purpose(std::string_view oid) const {
    return std::find(purposes.begin(), purposes.end(), oid) != purposes.end();
}

std::string CertificateUse::usage_text() const {
    if (!key_usage) return "none stated";
    return fmt::format("{}", fmt::join(key_usage_names(*key_usage), ", "));
}

}  // namespace vouchsafe::evidence
