#include "vouchsafe/jose/jws.h"

#include <algorithm>
#include <array>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::jose {

namespace {

struct Parts {
    std::array<std::string_view, 3> part;
};

Result<Parts> split(std::string_view compact) {
    Parts out;
    size_t first = compact.find('.');
    size_t second = first == std::string_view::npos ? first : compact.find('.', first + 1);
    if (second == std::string_view::npos || compact.find('.', second + 1) != compact.npos) {
        auto dots = std::count(compact.begin(), compact.end(), '.');
        return fail(Code::invalid, "a JWS has three parts, this has {}", dots + 1);
    }
    out.part = {compact.substr(0, first), compact.substr(first + 1, second - first - 1),
                compact.substr(second + 1)};
    return out;
}

// check_header refuses what would change the meaning of the rest: RFC 7515, 4.1.11 and RFC 7797, 3.
Result<void> check_header(const Json& header) {
    if (find_member(header, "crit") != nullptr) {
        return fail(Code::invalid, "the header has critical extensions; none is known here");
    }
    const Json* encoded = find_member(header, "b64");
    if (encoded != nullptr && *encoded != true) {
        return fail(Code::invalid, "the header says that the payload is not encoded");
    }
    return {};
}

}  // namespace

Result<Jws> parse_jws(std::string_view compact, size_t max_bytes) {
    if (compact.size() > max_bytes) {
        return fail(Code::invalid, "a JWS of {} bytes is longer than the limit of {}",
                    compact.size(), max_bytes);
    }
    Parts parts = TRY(split(compact));
    Bytes header = TRY(with_context(decode_base64url(parts.part[0]), "header"));
    Jws out;
    out.header = TRY(with_context(parse_json_object(as_text(header)), "header"));
    TRY(check_header(out.header));
    out.alg = TRY(with_context(json_string(out.header, "alg"), "header"));
    if (find_member(out.header, "kid") != nullptr) {
        out.kid = TRY(with_context(json_string(out.header, "kid"), "header"));
    }
    out.payload = TRY(with_context(decode_base64url(parts.part[1]), "payload"));
    out.signature = TRY(with_context(decode_base64url(parts.part[2]), "signature"));
    out.signing_input = compact.substr(0, parts.part[0].size() + 1 + parts.part[1].size());
    return out;
}

Result<void> verify_jws(const Jws& jws, const crypto::PublicKey& key) {
    auto alg = crypto::sig_alg_from_name(jws.alg);
    if (!alg) {
        return fail(Code::bad_evidence, "{} is no signature algorithm accepted here",
                    show_json(jws.alg));
    }
    if (key.type() == crypto::KeyType::rsa && key.bits() < kMinRsaBits) {
        return fail(Code::bad_evidence, "an RSA key of {} bits is too weak: {} is the least",
                    key.bits(), kMinRsaBits);
    }
    if (!key.verify(*alg, as_bytes(jws.signing_input), jws.signature)) {
        return fail(Code::bad_evidence, "the {} signature does not hold", jws.alg);
    }
    return {};
}

std::string encode_header(Json header, crypto::SigAlg alg) {
    header["alg"] = crypto::sig_alg_name(alg);
    return encode_base64url(as_bytes(dump_json_ascii(header)));
}

Result<std::string> sign_encoded(const std::string& header, ByteView payload,
                                 const crypto::PrivateKey& key, crypto::SigAlg alg) {
    std::string out = header + "." + encode_base64url(payload);
    Bytes signature = TRY(key.sign(alg, as_bytes(out)));
    return out + "." + encode_base64url(signature);
}

Result<std::string> sign_jws(Json header, ByteView payload, const crypto::PrivateKey& key,
                             crypto::SigAlg alg) {
    return sign_encoded(encode_header(std::move(header), alg), payload, key, alg);
}

std::string unsigned_jws(Json header, ByteView payload) {
    header["alg"] = "none";
    return encode_base64url(as_bytes(dump_json_ascii(header))) + "." + encode_base64url(payload) +
           ".";
}

}  // namespace vouchsafe::jose
