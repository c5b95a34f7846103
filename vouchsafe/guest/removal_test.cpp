// Every check of a released key is needed: see base/removal_table.h. Two of them are made with the
// key in hand: it comes over TLS from a vault that may lie, to a software TPM.
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/removal_table.h"
#include "vouchsafe/crypto/wrap.h"
#include "vouchsafe/device/swtpm_for_test.h"
#include "vouchsafe/guest/release_answer.h"
#include "vouchsafe/guest/vault_client.h"
#include "vouchsafe/jose/jwk.h"
#include "vouchsafe/jose/jws.h"
#include "vouchsafe/net/server.h"

namespace vouchsafe::guest {
namespace {

using namespace vouchsafe::testing;
using crypto::Certificate;
using crypto::PrivateKey;
using crypto::PublicKey;

constexpr std::string_view kEnc = "RSA_AES_KEY_WRAP_256";
const std::string kHost = "my-vault.vault.azure.net";
const std::string kKid = "https://my-vault.vault.azure.net/keys/KEK/00";
const Time kNow = SystemClock().now();  // TLS looks at it

PrivateKey make_ec_key() {
    return MUST(PrivateKey::generate_ec(crypto::Curve::p256));
}

// VaultSigner holds the keys of a vault. Made once: RSA keys are slow to find.
struct VaultSigner {
    PrivateKey root_key = make_ec_key();
    PrivateKey leaf_key = make_leaf_key();
    Certificate root = issue("root", "", root_key.public_key(), nullptr);
    Certificate leaf = leaf_for("*.vault.azure.net");

    static PrivateKey make_leaf_key() { return MUST(PrivateKey::generate_rsa(2048)); }

    Certificate leaf_for(const std::string& names) const {
        return issue("leaf", names, leaf_key.public_key(), &root);
    }
    Certificate issue(const std::string& name, const std::string& dns_name, const PublicKey& key,
                      const Certificate* issuer) const {
        crypto::CertificateSpec spec;
        spec.subject = {{"CN", name}};
        spec.not_before = kNow - Seconds{3600};
        spec.not_after = kNow + Seconds{3600};
        spec.ca = issuer == nullptr;
        spec.server_auth = issuer != nullptr;
        if (issuer != nullptr) spec.dns_names = {dns_name};
        return MUST(crypto::issue_certificate(spec, key, issuer, root_key,
                                              crypto::CertSignature::ecdsa_sha256));
    }
};
const VaultSigner& vault_signer() {
    static const VaultSigner kSigner;
    return kSigner;
}

// MadeAnswer is a vault's answer: sound as it is.
struct MadeAnswer {
    Certificate leaf = vault_signer().leaf;
    Json header_edit = Json::object();
    std::string nonce = "n";
    std::string_view enc = kEnc;
    PublicKey key = vault_signer().root_key.public_key();
    Bytes ciphertext = Bytes(300);

    std::string sign() const {
        const Bytes sha1 = leaf.sha1_fingerprint();
        Json header = {{"x5c", Json::array({encode_base64(leaf.der()),
                                            encode_base64(vault_signer().root.der())})},
                       {"kid", encode_hex(sha1)},
                       {"x5t", encode_base64url(sha1)},
                       {"x5t#S256", encode_base64url(leaf.sha256_fingerprint())}};
        header.update(header_edit);
        const Json key_hsm = {{"header", {{"enc", enc}}},
                              {"ciphertext", encode_base64url(ciphertext)}};
        Json jwk = jose::encode_jwk(key);
        jwk["kid"] = kKid;
        jwk["key_hsm"] = encode_base64url(as_bytes(dump_json(key_hsm)));
        const Json body = {{"request", {{"kid", kKid}, {"nonce", nonce}}},
                           {"response", {{"key", {{"key", jwk}}}}}};
        return MUST(jose::sign_jws(header, as_bytes(dump_json(body)), vault_signer().leaf_key,
                                   crypto::SigAlg::rs256));
    }
};

// verified is verify_release of a changed answer, or with another expectation.
Judge verified(const std::string& jws,
               const std::function<void(ReleaseExpectation&)>& edit = nullptr) {
    ReleaseExpectation expected{kKid, "n", kHost, {vault_signer().root}, kNow};
    if (edit) edit(expected);
    return [=] {
        Checks checks;
        return outcome(verify_release(jws, expected, checks));
    };
}

RemovalTable answer_rows() {
    MadeAnswer other_thumbprint, other_name;
    other_thumbprint.header_edit = {{"x5t", "AAAA"}};
    other_name.leaf = vault_signer().leaf_for("*.example.org");
    const std::string sound = MadeAnswer().sign();
    const std::string of_another = other_name.sign();
    const std::string mixed =
        sound.substr(0, sound.rfind('.')) + of_another.substr(of_another.rfind('.'));
    auto elsewhere = [](ReleaseExpectation& expected) { expected.kid += "1"; };
    auto another_time = [](ReleaseExpectation& expected) { expected.nonce = "m"; };
    auto no_root = [](ReleaseExpectation& expected) { expected.trusted.clear(); };
    return {
        {"RELEASE-SIGNATURE", {verified(mixed)}},
        {"RELEASE-CHAIN", {verified(sound, no_root)}},
        {"RELEASE-NAME", {verified(of_another)}},
        {"RELEASE-THUMBPRINT", {verified(other_thumbprint.sign())}},
        {"RELEASE-KEY-ID", {verified(sound, elsewhere)}},
        {"RELEASE-NONCE", {verified(sound, another_time)}},
    };
}

// GuestTpm is a TPM with its ephemeral key.
struct GuestTpm {
    const std::vector<uint32_t> pcrs{0, 7};
    device::SwtpmForTest process;
    device::Tpm tpm;
    PublicKey ephemeral;

    GuestTpm() : tpm(open(process)), ephemeral(find_key(tpm, pcrs)) {}

    static device::Tpm open(const device::SwtpmForTest& process) {
        return MUST(device::Tpm::open(process.tcti()));
    }
    static PublicKey find_key(device::Tpm& tpm, const std::vector<uint32_t>& pcrs) {
        MUST(tpm.create_ak());
        const Bytes area = MUST(tpm.certify_ephemeral_key(pcrs)).public_area;
        return MUST(MUST(evidence::TpmPublic::parse(area)).public_key());
    }
};

// fetch_key asks a vault that answers so, apart from the nonce, which is the request's.
std::string fetch_key(GuestTpm& guest, const MadeAnswer& answer) {
    net::ServerOptions options;
    options.tls =
        net::TlsIdentity{{vault_signer().leaf, vault_signer().root}, vault_signer().leaf_key};
    options.workers = 1;
    auto server = MUST(net::Server::start(options, [&](const net::Request& request) {
        MadeAnswer out = answer;
        out.nonce = MUST(json_string(MUST(parse_json_object(request.body)), "nonce"));
        return net::json_response(200, {{"value", out.sign()}});
    }));
    net::Client client(
        {.ca_pem = vault_signer().root.pem(),
         .connect_to = {{kHost + ":443", fmt::format("127.0.0.1:{}", server->port())}}});
    StaticCredential credential(SecretBytes::copy_of("access token"));
    Checks checks;
    return outcome(VaultClient(client, credential)
                       .release_key(MUST(KeyId::parse(kKid)), guest.tpm, guest.pcrs,
                                    SecretBytes::copy_of("attestation token"),
                                    {vault_signer().root}, kNow, checks));
}

RemovalTable key_rows(GuestTpm& guest) {
    const PrivateKey key = make_ec_key();
    MadeAnswer sound;
    sound.key = key.public_key();
    sound.ciphertext = MUST(
        crypto::rsa_aes_wrap(guest.ephemeral, crypto::HashAlg::sha256, key.to_pkcs8().expose()));
    EXPECT_EQ(fetch_key(guest, sound), kAccepted);
    MadeAnswer other_enc = sound, other_key = sound;
    other_enc.enc = "CKM_RSA_AES_KEY_WRAP";
    other_key.key = make_ec_key().public_key();
    return {
        {"RELEASE-FORMAT", {[&guest, other_enc] { return fetch_key(guest, other_enc); }}},
        {"RELEASE-KEY-PAIR", {[&guest, other_key] { return fetch_key(guest, other_key); }}},
    };
}

TEST(ReleaseCheckRemoval, EveryCheckDecidesACase) {
    GuestTpm guest;
    RemovalTable table = answer_rows();
    table.merge(key_rows(guest));
    expect_every_check_decides("guest", table);
}

}  // namespace
}  // namespace vouchsafe::guest
