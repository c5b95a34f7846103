#include "app/evidence_files.h"

namespace vouchsafe::app {

namespace {

bool is_pem(ByteView bytes) {
    return as_text(bytes).find("-----BEGIN ") != std::string_view::npos;
}

Result<crypto::PublicKey> key_of_pem(std::string_view pem) {
    if (pem.find("-----BEGIN PUBLIC KEY-----") != std::string_view::npos) {
        return crypto::PublicKey::from_pem(pem);
    }
    std::vector<crypto::Certificate> chain = TRY(crypto::Certificate::parse_pem_bundle(pem));
    return chain.front().public_key();
}

// pem_of gives any accepted form of certificates as PEM.
Result<std::string> pem_of(const std::string& file) {
    Bytes bytes = TRY(read_evidence(file));
    if (is_pem(bytes) && bytes[0] != '{') return to_text(bytes);
    if (!bytes.empty() && bytes[0] == '{') {
        Json thim = TRY(with_context(parse_json_object(as_text(bytes)), file));
        return TRY(json_string(thim, "vcekCert")) + TRY(json_string(thim, "certificateChain"));
    }
    return TRY(with_context(crypto::Certificate::parse_der(bytes), file)).pem();
}

}  // namespace

Result<AkFile> read_ak(const std::string& file) {
    Bytes bytes = TRY(read_evidence(file));
    if (is_pem(bytes)) {
        return AkFile{TRY(with_context(key_of_pem(as_text(bytes)), file)), std::nullopt};
    }
    for (auto parse : {&evidence::TpmPublic::parse, &evidence::TpmPublic::parse_area}) {
        auto area = parse(bytes);
        if (!area) continue;
        crypto::PublicKey key = TRY(with_context(area->public_key(), file));
        return AkFile{std::move(key), std::move(*area)};
    }
    if (auto certificate = crypto::Certificate::parse_der_prefix(bytes)) {
        return AkFile{TRY(with_context(certificate->public_key(), file)), std::nullopt};
    }
    if (auto key = crypto::PublicKey::from_spki(bytes))
        return AkFile{std::move(*key), std::nullopt};
    return fail(Code::invalid,
                "{} is neither a TPM's public area nor a public key nor a certificate", file);
}

Result<evidence::SnpEndorsements> read_snp_endorsements(const std::string& cert,
                                                        const std::string& chain, Checks& checks) {
    std::string pem = TRY(pem_of(cert));
    if (!chain.empty()) pem += "\n" + TRY(pem_of(chain));
    return evidence::SnpEndorsements::parse(as_bytes(pem), checks);
}

}  // namespace vouchsafe::app
