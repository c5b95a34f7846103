#include "app/evidence_files.h"

#include "vouchsafe/crypto/x509.h"
#include "vouchsafe/evidence/azure/hcl.h"

namespace vouchsafe::app {

namespace {

Result<AkFile> ak_of_pem(ByteView pem) {
    if (as_text(pem).find("-----BEGIN PUBLIC KEY-----") != std::string_view::npos) {
        return AkFile{TRY(crypto::PublicKey::from_pem(as_text(pem))), std::nullopt, {}};
    }
    std::vector<crypto::Certificate> chain =
        TRY(crypto::Certificate::parse_pem_bundle(as_text(pem)));
    crypto::PublicKey key = TRY(chain.front().public_key());
    return AkFile{std::move(key), std::nullopt, Bytes(pem.begin(), pem.end())};
}

// What an HCL report says is the AK; whether it holds is for verify hcl to say.
Result<AkFile> ak_of_claims(ByteView runtime_data) {
    Checks checks;
    auto claims = TRY(evidence::RuntimeClaims::parse(runtime_data, checks));
    const evidence::RuntimeKey* key = claims.find_key("HCLAkPub");
    if (key == nullptr) return fail(Code::invalid, "the HCL report has no HCLAkPub");
    return AkFile{key->key, std::nullopt, {}};
}

}  // namespace

bool is_pem(ByteView bytes) {
    return as_text(bytes).find("-----BEGIN ") != std::string_view::npos;
}

Result<std::string> read_compact(const std::string& file) {
    std::string text = to_text(TRY(read_evidence(file)));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    return text;
}

Result<jose::JwkSet> read_key_set(const std::string& file) {
    std::string text = to_text(TRY(read_evidence(file)));
    Json set = TRY(with_context(parse_json(text), file));
    return with_context(jose::JwkSet::parse(set), file);
}

Result<AkFile> read_ak(const std::string& file) {
    Bytes bytes = TRY(read_evidence(file));
    if (is_pem(bytes)) return with_context(ak_of_pem(bytes), file);
    if (auto report = evidence::HclReport::parse(bytes)) {
        return with_context(ak_of_claims(report->runtime_data), file);
    }
    for (auto parse : {&evidence::TpmPublic::parse, &evidence::TpmPublic::parse_area}) {
        auto area = parse(bytes);
        if (!area) continue;
        crypto::PublicKey key = TRY(with_context(area->public_key(), file));
        return AkFile{std::move(key), std::move(*area), {}};
    }
    if (auto certificate = crypto::Certificate::parse_der_prefix(bytes)) {
        crypto::PublicKey key = TRY(with_context(certificate->public_key(), file));
        return AkFile{std::move(key), std::nullopt, std::move(bytes)};
    }
    if (auto key = crypto::PublicKey::from_spki(bytes)) {
        return AkFile{std::move(*key), std::nullopt, {}};
    }
    return fail(
        Code::invalid,
        "{} is neither a TPM's public area nor a public key, a certificate or an HCL report", file);
}

}  // namespace vouchsafe::app
