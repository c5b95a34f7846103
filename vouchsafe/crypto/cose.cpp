#include "vouchsafe/crypto/cose.h"

#include <algorithm>

namespace vouchsafe::crypto {

namespace {

using Kind = Cbor::Kind;

constexpr uint64_t kCoseSign1Tag = 18;  // RFC 9052, 2

struct AlgNumber {
    int64_t number;  // IANA, COSE Algorithms
    SigAlg alg;
};
constexpr AlgNumber kAlgs[] = {
    {-7, SigAlg::es256},  {-35, SigAlg::es384}, {-36, SigAlg::es512},
    {-37, SigAlg::ps256}, {-38, SigAlg::ps384}, {-39, SigAlg::ps512},
};

// RFC 9054, 2.1
std::optional<HashAlg> hash_of(const Cbor& alg) {
    auto number = alg.to_integer();
    if (number == -16) return HashAlg::sha256;
    if (number == -43) return HashAlg::sha384;
    if (number == -44) return HashAlg::sha512;
    return std::nullopt;
}

// check_labels: RFC 9052, 1.5 and 3.
Result<void> check_labels(const Cbor& header) {
    for (size_t i = 0; i < header.items.size(); i += 2) {
        const Cbor& label = header.items[i];
        if (!label.to_integer() && !label.to_text()) {
            return fail(Code::invalid, "a header label that is neither a number nor text");
        }
    }
    return {};
}

Result<void> check_disjoint(const Cbor& one, const Cbor& other) {
    for (size_t i = 0; i < one.items.size(); i += 2) {
        for (size_t j = 0; j < other.items.size(); j += 2) {
            if (one.items[i] == other.items[j]) {
                return fail(Code::invalid, "a header parameter that stands in both headers");
            }
        }
    }
    return {};
}

Result<Certificate> read_certificate(const Cbor& value) {
    if (!value.is(Kind::bytes)) return fail(Code::invalid, "x5chain must hold byte strings");
    return with_context(Certificate::parse_der(value.string), "x5chain");
}

Result<std::vector<Certificate>> read_chain(const Cbor& header) {
    std::vector<Certificate> out;
    const Cbor* chain = header.find(kCoseX5chain);
    if (chain == nullptr) return out;
    if (!chain->is(Kind::array)) {
        out.push_back(TRY(read_certificate(*chain)));
        return out;
    }
    if (chain->items.size() < 2 || chain->items.size() > kMaxCoseChain) {  // RFC 9360, 2
        return fail(Code::invalid, "x5chain is an array of 2 to {} certificates, or one as bytes",
                    kMaxCoseChain);
    }
    for (const Cbor& item : chain->items) out.push_back(TRY(read_certificate(item)));
    return out;
}

Result<std::optional<CoseThumbprint>> read_x5t(const Cbor& header) {
    const Cbor* x5t = header.find(kCoseX5t);
    if (x5t == nullptr) return std::optional<CoseThumbprint>{};
    bool pair = x5t->is(Kind::array) && x5t->items.size() == 2 && x5t->items[1].is(Kind::bytes);
    auto alg = pair ? hash_of(x5t->items[0]) : std::nullopt;
    if (!alg) return fail(Code::invalid, "x5t is no pair of SHA-256, -384 or -512 and a hash");
    return std::optional<CoseThumbprint>(CoseThumbprint{*alg, x5t->items[1].string});
}

Result<Cbor> read_protected(ByteView bytes) {
    Cbor header = TRY(with_context(parse_cbor(bytes), "protected header"));
    if (!header.is(Kind::map)) return fail(Code::invalid, "the protected header is no map");
    TRY(check_labels(header));
    if (header.find(kCoseCrit) != nullptr) {  // RFC 9052, 3.1
        return fail(Code::invalid, "the header has critical parameters; none is known here");
    }
    return header;
}

// untagged takes the four members out of a COSE_Sign1, tagged or not.
Result<const Cbor*> untagged(const Cbor& message) {
    const Cbor* out = &message;
    if (message.is(Kind::tag)) {
        if (message.number != kCoseSign1Tag) {
            return fail(Code::invalid, "tag {} is not COSE_Sign1", message.number);
        }
        out = &message.items[0];
    }
    bool form = out->is(Kind::array) && out->items.size() == 4 && out->items[0].is(Kind::bytes) &&
                out->items[1].is(Kind::map) && out->items[2].is(Kind::bytes) &&
                out->items[3].is(Kind::bytes);
    if (!form) {
        return fail(Code::invalid,
                    "COSE_Sign1 is an array of protected header, header, payload and signature");
    }
    return out;
}

}  // namespace

bool CoseThumbprint::names(const Certificate& certificate) const {
    return crypto::hash(alg, certificate.der()) == hash;
}

Result<CoseSign1> parse_cose_sign1(ByteView bytes) {
    Cbor message = TRY(parse_cbor(bytes, {.max_bytes = kMaxCoseBytes}));
    const Cbor* members = TRY(untagged(message));
    CoseSign1 out;
    out.protected_bytes = members->items[0].string;
    out.header = TRY(read_protected(out.protected_bytes));
    out.unprotected = members->items[1];
    TRY(check_labels(out.unprotected));
    TRY(check_disjoint(out.header, out.unprotected));
    out.payload = members->items[2].string;
    out.signature = members->items[3].string;
    const Cbor* alg = out.header.find(kCoseAlg);
    if (alg == nullptr || !alg->to_integer()) {
        return fail(Code::invalid, "the protected header has no number as alg");
    }
    out.alg = *alg->to_integer();
    out.chain = TRY(read_chain(out.header));
    out.x5t = TRY(read_x5t(out.header));
    return out;
}

std::optional<SigAlg> cose_sig_alg(int64_t alg) {
    auto found = std::find_if(std::begin(kAlgs), std::end(kAlgs),
                              [&](const AlgNumber& known) { return known.number == alg; });
    if (found == std::end(kAlgs)) return std::nullopt;
    return found->alg;
}

Bytes cose_sig_structure(ByteView protected_bytes, ByteView payload) {
    return encode_cbor(Cbor::of_array({Cbor::of_text("Signature1"), Cbor::of_bytes(protected_bytes),
                                       Cbor::of_bytes({}), Cbor::of_bytes(payload)}));
}

Result<void> verify_cose_sign1(const CoseSign1& message, const PublicKey& key) {
    auto alg = cose_sig_alg(message.alg);
    if (!alg) {
        return fail(Code::bad_evidence, "{} is no signature algorithm accepted here", message.alg);
    }
    if (key.type() == KeyType::rsa && key.bits() < kMinCoseRsaBits) {
        return fail(Code::bad_evidence, "an RSA key of {} bits is too weak: {} is the least",
                    key.bits(), kMinCoseRsaBits);
    }
    Bytes signed_bytes = cose_sig_structure(message.protected_bytes, message.payload);
    if (!key.verify(*alg, signed_bytes, message.signature)) {
        return fail(Code::bad_evidence, "the {} signature does not hold", sig_alg_name(*alg));
    }
    return {};
}

}  // namespace vouchsafe::crypto
