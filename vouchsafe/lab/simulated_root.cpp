#include "vouchsafe/lab/simulated_root.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>

#include "vouchsafe/crypto/crl_issue.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/evidence/snp/certificate.h"

namespace vouchsafe::lab {

using crypto::Certificate;
using crypto::CertificateSpec;
using crypto::CertSignature;
using crypto::PrivateKey;

namespace {

constexpr std::chrono::days kYear{365};
constexpr std::chrono::days kBackdated{1};  // for clocks that are a little behind
constexpr std::string_view kProduct = "Milan-B0";

std::vector<std::pair<std::string, std::string>> amd_name(std::string_view common_name) {
    return {{"OU", "Engineering"},
            {"C", "US"},
            {"O", "SIMULATED - not Advanced Micro Devices"},
            {"CN", fmt::format("SIMULATED {}", common_name)}};
}

std::vector<std::pair<std::string, std::string>> lab_name(std::string_view common_name) {
    return {{"O", "SIMULATED - Vouchsafe lab"}, {"CN", fmt::format("SIMULATED {}", common_name)}};
}

CertificateSpec ca_spec(std::vector<std::pair<std::string, std::string>> subject, Time now,
                        std::chrono::days lifetime, int path_length) {
    CertificateSpec out;
    out.subject = std::move(subject);
    out.not_before = now - kBackdated;
    out.not_after = now + lifetime;
    out.ca = true;
    out.path_length = path_length;
    return out;
}

struct Authority {
    PrivateKey key;
    Certificate certificate;
};

Result<Authority> make_root(Result<PrivateKey> made, const CertificateSpec& spec,
                            CertSignature signature) {
    PrivateKey key = TRY(std::move(made));
    Certificate certificate =
        TRY(crypto::issue_certificate(spec, key.public_key(), nullptr, key, signature));
    return Authority{std::move(key), std::move(certificate)};
}

// A folder of the root: NAME.pem is a certificate, keys/NAME.pem its key.
Result<void> write_authority(const Path& dir, std::string_view name, const Authority& authority) {
    std::string file = fmt::format("{}.pem", name);
    TRY(write_file(dir / "keys" / file, authority.key.to_pem().expose(), Overwrite::no, 0600));
    return write_file(dir / file, as_bytes(authority.certificate.pem()), Overwrite::no, 0644);
}

Result<Authority> read_authority(const Path& dir, std::string_view name) {
    constexpr size_t kMaxPem = 16 << 10;
    std::string file = fmt::format("{}.pem", name);
    Bytes text = TRY(read_file(dir / "keys" / file, kMaxPem));
    auto key = PrivateKey::from_pem(text);
    wipe(text);
    PrivateKey private_key = TRY(with_context(std::move(key), (dir / "keys" / file).string()));
    std::string pem = TRY(read_text_file(dir / file, kMaxPem));
    Certificate certificate = TRY(with_context(Certificate::parse_pem(pem), (dir / file).string()));
    Authority out{std::move(private_key), std::move(certificate)};
    if (!(TRY(out.certificate.public_key()) == out.key.public_key())) {
        return fail(Code::invalid, "{}: key and certificate \"{}\" do not belong together",
                    dir.string(), name);
    }
    return out;
}

}  // namespace

struct SimulatedRoot::Keys {
    Authority ark, ask, vtpm_ca, tls_ca;
};

SimulatedRoot::SimulatedRoot(std::shared_ptr<const Keys> keys) : keys_(std::move(keys)) {}

const Certificate& SimulatedRoot::ark() const {
    return keys_->ark.certificate;
}
const Certificate& SimulatedRoot::ask() const {
    return keys_->ask.certificate;
}
const Certificate& SimulatedRoot::vtpm_ca() const {
    return keys_->vtpm_ca.certificate;
}
const Certificate& SimulatedRoot::tls_ca() const {
    return keys_->tls_ca.certificate;
}
std::string SimulatedRoot::amd_chain_pem() const {
    return ask().pem() + ark().pem();
}
std::string SimulatedRoot::tls_ca_pem() const {
    return tls_ca().pem();
}

evidence::TrustAnchors SimulatedRoot::anchors() const {
    evidence::TrustAnchors out;
    out.tier = evidence::Tier::simulated;
    out.amd.push_back({evidence::SnpProduct::milan, ark(), ask(), std::nullopt});
    out.ak_roots.push_back(vtpm_ca());
    return out;
}

Result<SimulatedRoot> SimulatedRoot::create(const Path& dir, Time now) {
    std::error_code ignored;
    if (std::filesystem::exists(dir, ignored)) {
        return fail(Code::conflict, "{} exists already", dir.string());
    }
    // The two long primes of an RSA-4096 key take most of a second to be found, four shorter ones a
    // fifth of it; verifiers see no difference. Two keys at once.
    constexpr unsigned kPrimes = 4;
    constexpr unsigned kPrimesOf2048 = 3;  // no more are safe at that length
    auto second_key =
        std::async(std::launch::async, [] { return PrivateKey::generate_rsa(4096, kPrimes); });
    auto ark_key = PrivateKey::generate_rsa(4096, kPrimes);
    auto ask_key = second_key.get();

    Authority ark =
        TRY(make_root(std::move(ark_key), ca_spec(amd_name("ARK-Milan"), now, 25 * kYear, 1),
                      CertSignature::rsa_pss_sha384));
    PrivateKey ask = TRY(std::move(ask_key));
    Certificate ask_certificate = TRY(crypto::issue_certificate(
        ca_spec(amd_name("SEV-Milan"), now, 25 * kYear, 0), ask.public_key(), &ark.certificate,
        ark.key, CertSignature::rsa_pss_sha384));
    Authority vtpm_ca = TRY(make_root(PrivateKey::generate_rsa(2048, kPrimesOf2048),
                                      ca_spec(lab_name("Virtual TPM CA"), now, 10 * kYear, 0),
                                      CertSignature::rsa_pkcs1_sha256));
    Authority tls_ca = TRY(make_root(PrivateKey::generate_ec(crypto::Curve::p256),
                                     ca_spec(lab_name("TLS CA"), now, 10 * kYear, 0),
                                     CertSignature::ecdsa_sha256));
    Keys keys{std::move(ark), Authority{std::move(ask), std::move(ask_certificate)},
              std::move(vtpm_ca), std::move(tls_ca)};

    // Written beside and renamed, so that the folder is there whole or not at all.
    Path unfinished = dir;
    unfinished += fmt::format(".{}", crypto::random_hex(6));
    auto write_all = [&]() -> Result<void> {
        TRY(make_private_dir(unfinished));
        TRY(make_private_dir(unfinished / "keys"));
        TRY(write_authority(unfinished, "ark", keys.ark));
        TRY(write_authority(unfinished, "ask", keys.ask));
        TRY(write_authority(unfinished, "vtpm-ca", keys.vtpm_ca));
        TRY(write_authority(unfinished, "tls-ca", keys.tls_ca));
        if (std::rename(unfinished.c_str(), dir.c_str()) == 0) return {};
        bool taken = errno == EEXIST || errno == ENOTEMPTY;
        return fail(taken ? Code::conflict : Code::io, "cannot create {}: {}", dir.string(),
                    std::strerror(errno));
    };
    Result<void> written = write_all();
    if (!written) {
        std::filesystem::remove_all(unfinished, ignored);
        return fail(std::move(written.error()));
    }
    return SimulatedRoot(std::make_shared<const Keys>(std::move(keys)));
}

Result<SimulatedRoot> SimulatedRoot::load(const Path& dir) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(dir, ignored)) {
        return fail(Code::not_found, "there is no simulated root in {}", dir.string());
    }
    Authority ark = TRY(read_authority(dir, "ark"));
    Authority ask = TRY(read_authority(dir, "ask"));
    Authority vtpm_ca = TRY(read_authority(dir, "vtpm-ca"));
    Authority tls_ca = TRY(read_authority(dir, "tls-ca"));
    Keys keys{std::move(ark), std::move(ask), std::move(vtpm_ca), std::move(tls_ca)};
    if (!keys.ask.certificate.verify_signed_by(keys.ark.certificate)) {
        return fail(Code::invalid, "{}: the ASK is not issued by the ARK", dir.string());
    }
    return SimulatedRoot(std::make_shared<const Keys>(std::move(keys)));
}

Result<SimulatedRoot> SimulatedRoot::load_or_create(const Path& dir, Time now) {
    auto loaded = load(dir);
    if (loaded || loaded.error().code != Code::not_found) return loaded;
    return create(dir, now);
}

Result<crypto::Crl> SimulatedRoot::issue_ark_list() const {
    return crypto::issue_crl({ark().not_before(), ark().not_after(), 1, {}}, ark(), keys_->ark.key,
                             CertSignature::rsa_pss_sha384);
}

Result<SimulatedVcek> SimulatedRoot::issue_vcek(const ChipId& chip, const evidence::SnpTcb& tcb,
                                                Time now) const {
    using crypto::encode_der_integer;
    CertificateSpec spec;
    spec.subject = amd_name("SEV-VCEK");
    spec.not_before = now - kBackdated;
    spec.not_after = now + 7 * kYear;
    auto add = [&](std::string_view oid, Bytes value) {
        spec.extensions.push_back({std::string(oid), std::move(value)});
    };
    add(evidence::kOidStructVersion, encode_der_integer(0));
    add(evidence::kOidProductName, crypto::encode_der_ia5_string(kProduct));
    add(evidence::kOidBootloaderSpl, encode_der_integer(tcb.bootloader));
    add(evidence::kOidTeeSpl, encode_der_integer(tcb.tee));
    add(evidence::kOidSnpSpl, encode_der_integer(tcb.snp));
    for (std::string_view reserved :
         {evidence::kOidSpl4, evidence::kOidSpl5, evidence::kOidSpl6, evidence::kOidSpl7}) {
        add(reserved, encode_der_integer(0));
    }
    add(evidence::kOidMicrocodeSpl, encode_der_integer(tcb.microcode));
    add(evidence::kOidHwid, to_bytes(chip));

    PrivateKey key = TRY(PrivateKey::generate_ec(crypto::Curve::p384));
    Certificate certificate = TRY(crypto::issue_certificate(
        spec, key.public_key(), &ask(), keys_->ask.key, CertSignature::rsa_pss_sha384));
    return SimulatedVcek{std::move(key), std::move(certificate)};
}

Result<Certificate> SimulatedRoot::issue_ak_certificate(const crypto::PublicKey& ak,
                                                        std::string_view vm_id, Time now) const {
    CertificateSpec spec;
    spec.subject = {{"CN", fmt::format("{}.TrustedVM.SIMULATED", vm_id)}};
    spec.not_before = now - kBackdated;
    spec.not_after = now + kYear;
    return crypto::issue_certificate(spec, ak, &vtpm_ca(), keys_->vtpm_ca.key,
                                     CertSignature::rsa_pkcs1_sha256);
}

Result<Certificate> SimulatedRoot::issue_server_certificate(const std::vector<std::string>& names,
                                                            const crypto::PublicKey& key,
                                                            Time now) const {
    constexpr std::chrono::days kLifetime{90};
    if (names.empty()) return fail(Code::invalid, "a server certificate needs a name");
    CertificateSpec spec;
    // A common name has 64 characters at most (RFC 5280, A.1); host names may have more.
    constexpr size_t kMaxShown = 64 - std::string_view("SIMULATED ").size();
    spec.subject = lab_name(names.front().size() <= kMaxShown ? names.front() : "server");
    spec.not_before = now - kBackdated;
    spec.not_after = now + kLifetime;
    spec.dns_names = names;
    spec.server_auth = true;
    return crypto::issue_certificate(spec, key, &tls_ca(), keys_->tls_ca.key,
                                     CertSignature::ecdsa_sha256);
}

Result<net::TlsIdentity> SimulatedRoot::issue_tls(const std::vector<std::string>& names,
                                                  Time now) const {
    PrivateKey key = TRY(PrivateKey::generate_ec(crypto::Curve::p256));
    Certificate certificate = TRY(issue_server_certificate(names, key.public_key(), now));
    return net::TlsIdentity{{std::move(certificate)}, std::move(key)};
}

Result<net::TlsIdentity> SimulatedRoot::issue_release_signer(const std::vector<std::string>& names,
                                                             Time now) const {
    PrivateKey key = TRY(PrivateKey::generate_rsa(2048));
    Certificate certificate = TRY(issue_server_certificate(names, key.public_key(), now));
    return net::TlsIdentity{{std::move(certificate), tls_ca()}, std::move(key)};
}

std::array<uint8_t, 48> simulated_id_key_digest() {
    Bytes digest = crypto::hash(crypto::HashAlg::sha384,
                                as_bytes("SIMULATED ID key of the Vouchsafe lab's machines"));
    std::array<uint8_t, 48> out{};
    std::memcpy(out.data(), digest.data(), out.size());
    return out;
}

}  // namespace vouchsafe::lab
