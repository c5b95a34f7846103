#include "vouchsafe/attest/policy/signed_document.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/x509_path.h"
#include "vouchsafe/jose/jwk.h"
#include "vouchsafe/jose/jws.h"

namespace vouchsafe::attest {

using crypto::Certificate;

namespace {

constexpr std::string_view kNone = "none";

// compact takes the JWS out of what it is wrapped in.
Result<std::string> compact(std::string_view body) {
    size_t begin = body.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return fail(Code::invalid, "the body is empty");
    size_t end = body.find_last_not_of(" \t\r\n") + 1;
    body = body.substr(begin, end - begin);
    if (body.front() != '"' && body.front() != '{') return std::string(body);
    Json json = TRY(parse_json(body, {.max_bytes = kMaxPolicyDocument}));
    if (json.is_object() && json.size() == 1) json = Json(json.begin().value());
    if (!json.is_string()) return fail(Code::invalid, "the body holds no compact JWS");
    return json.get<std::string>();
}

// Azure's Python client writes RS256 so, and its certificate into a JWK (below).
constexpr std::string_view kPythonsRs256 = "RSA256";

// read_chain takes the certificates of a header or of a JWK.
Result<std::vector<Certificate>> read_chain(const Json& holder) {
    const Json* x5c = find_member(holder, "x5c");
    if (x5c == nullptr || !x5c->is_array() || x5c->empty() || x5c->size() > kMaxSignerChain) {
        return fail(Code::invalid, "a signed document needs x5c of 1 to {} certificates",
                    kMaxSignerChain);
    }
    std::vector<Certificate> out;
    for (const Json& entry : *x5c) {
        if (!entry.is_string()) return fail(Code::invalid, "x5c holds something else than text");
        Bytes der = TRY(with_context(decode_base64(entry.get_ref<const std::string&>()), "x5c"));
        out.push_back(TRY(with_context(Certificate::parse_der(der), "x5c")));
    }
    return out;
}

const Json& holder_of_chain(const Json& header) {
    const Json* jwk = find_member(header, "jwk");
    bool in_jwk = find_member(header, "x5c") == nullptr && jwk != nullptr && jwk->is_object();
    return in_jwk ? *jwk : header;
}

bool leads_to(const std::vector<Certificate>& chain, const Certificate& signer, Time now) {
    if (!signer.valid_at(now)) return false;
    if (chain.front().der() == signer.der()) return true;
    return signer.is_ca() &&
           crypto::verify_path(chain, signer, now, crypto::PathPurpose::any).has_value();
}

}  // namespace

Result<SignedDocument> SignedDocument::parse(std::string_view body) {
    if (body.size() > kMaxPolicyDocument) {
        return fail(Code::invalid, "a document of {} bytes is longer than {}", body.size(),
                    kMaxPolicyDocument);
    }
    SignedDocument out;
    out.jws = TRY(compact(body));
    jose::Jws jws = TRY(jose::parse_jws(out.jws, kMaxPolicyDocument));
    if (jws.alg == kPythonsRs256) jws.alg = crypto::sig_alg_name(crypto::SigAlg::rs256);
    out.payload = std::move(jws.payload);
    out.alg = jws.alg;
    if (jws.alg == kNone) {
        if (jws.signature.empty()) return out;
        return fail(Code::invalid, "alg is none, and yet there is a signature");
    }
    out.chain = TRY(read_chain(holder_of_chain(jws.header)));
    crypto::PublicKey key = TRY(with_context(out.chain.front().public_key(), "x5c"));
    auto verified = jose::verify_jws(jws, key);
    if (!verified) return fail(Code::invalid, "{}", verified.error().message);
    return out;
}

Json SignedDocument::signer() const {
    if (chain.empty()) return nullptr;
    Json out = jose::encode_jwk(MUST(chain.front().public_key()));
    out["alg"] = alg;
    out["x5c"] = Json::array();
    for (const Certificate& certificate : chain) {
        out["x5c"].push_back(encode_base64(certificate.der()));
    }
    return out;
}

Result<std::string> sign_document(ByteView payload, const crypto::PrivateKey& key,
                                  const std::vector<Certificate>& chain) {
    if (chain.empty() || chain.size() > kMaxSignerChain) {
        return fail(Code::invalid, "a signer has 1 to {} certificates", kMaxSignerChain);
    }
    crypto::PublicKey signer = TRY(chain.front().public_key());
    if (!(signer == key.public_key())) {
        return fail(Code::invalid, "the key is not that of the first certificate, {}",
                    chain.front().subject());
    }
    crypto::SigAlg alg = crypto::SigAlg::rs256;
    if (signer.type() == crypto::KeyType::ec) {
        crypto::Curve curve = TRY(signer.ec()).curve;
        alg = curve == crypto::Curve::p256   ? crypto::SigAlg::es256
              : curve == crypto::Curve::p384 ? crypto::SigAlg::es384
                                             : crypto::SigAlg::es512;
    }
    Json x5c = Json::array();
    for (const Certificate& one : chain) x5c.push_back(encode_base64(one.der()));
    return jose::sign_jws({{"x5c", std::move(x5c)}}, payload, key, alg);
}

Result<void> check_signer(const SignedDocument& document, const std::vector<Certificate>& signers,
                          Time now, Checks& checks) {
    bool known = !document.chain.empty() &&
                 std::any_of(signers.begin(), signers.end(), [&](const Certificate& signer) {
                     return leads_to(document.chain, signer, now);
                 });
    return checks.require(
        known, "ATTEST-POLICY-SIGNER", "x5c",
        fmt::format("one of the {} policy signing certificates, in its time", signers.size()),
        document.chain.empty() ? "unsigned" : document.chain.front().subject());
}

Result<std::string> policy_text(const SignedDocument& document) {
    Json payload = TRY(with_context(parse_json_object(as_text(document.payload)), "payload"));
    std::string encoded = TRY(json_string(payload, "AttestationPolicy"));
    Bytes text = TRY(with_context(decode_base64url(encoded), "AttestationPolicy"));
    return to_text(text);
}

std::string unsigned_policy(std::string_view text) {
    Json payload = {{"AttestationPolicy", encode_base64url(as_bytes(text))}};
    return jose::unsigned_jws(Json::object(), as_bytes(dump_json(payload)));
}

Result<Certificate> signer_to_change(const SignedDocument& document) {
    Json payload = TRY(with_context(parse_json_object(as_text(document.payload)), "payload"));
    for (std::string_view name :
         {"policyCertificate", "x-ms-policyCertificate", "maa-policyCertificate"}) {
        const Json* jwk = find_member(payload, name);
        if (jwk == nullptr) continue;
        if (!jwk->is_object()) return fail(Code::invalid, "{} is no JWK", name);
        return TRY(with_context(read_chain(*jwk), std::string(name))).front();
    }
    return fail(Code::invalid, "the payload names no policyCertificate");
}

}  // namespace vouchsafe::attest
