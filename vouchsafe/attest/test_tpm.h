// A machine with a TPM and no more, for the tests: its keys, and the registers and logs of a
// recorded boot; and its messages to /attest/Tpm.
#pragma once

#include "vouchsafe/attest/policy/signed_document.h"
#include "vouchsafe/attest/request/tpm_request.h"
#include "vouchsafe/attest/test_service.h"
#include "vouchsafe/evidence/tpm/pcr_values.h"

namespace vouchsafe::attest::testing {

inline constexpr const char* kTpmPermitAll = "version=1.0; authorizationrules { => permit(); };";

// TpmOffice has a policy for TPMs.
struct TpmOffice : Running {
    explicit TpmOffice(const std::string& policy = kTpmPermitAll, int64_t recorded = 1000) {
        service = MUST(create([&](Config& config) { config.recorded_burst = recorded; }));
        MUST(service->assign_role(kSomebody, "Attestation Contributor"));
        set_policy(policy);
    }
    void set_policy(const std::string& text) {
        ASSERT_EQ(send("PUT", "/policies/Tpm", unsigned_policy(text), "2025-06-01", token()).status,
                  200);
    }
    std::string token() { return access_token(kSomebody); }
    net::Response ask(const Json& message) {
        return send("POST", "/attest/Tpm", dump_json(tpm_answer(message, true)));
    }
    static constexpr const char* kSomebody = "aaaaaaaa-0000-4000-8000-00000000000c";
};

// message_of is what an answer holds, out of its `payload`.
inline Json message_of(const net::Response& response) {
    EXPECT_EQ(response.status, 200) << response.body;
    return MUST(TpmMessage::open(response.body, 1 << 20)).content;
}
inline std::string report_of(const net::Response& response) {
    return message_of(response)["report"];
}

struct TpmChallenge {
    Bytes challenge;
    std::string context;
};
inline TpmChallenge ask_tpm_challenge(TpmOffice& office) {
    Json answer = message_of(office.ask({{"type", "aikcert"}}));
    return {MUST(decode_base64url(answer["challenge"].get<std::string>())),
            answer["service_context"]};
}

// TpmBox is what can be wrong about it; good by default.
struct TpmBox {
    std::string boot = "sb-on-shim-grub";
    PrivateKey ak = keys().ak;
    PrivateKey request_key = keys().ephemeral;
    bool certified = false;  // the request key lives in the TPM, rather than being quoted
    uint32_t key_attributes = 0x00040072;
    std::vector<uint32_t> pcrs = every_pcr();
    std::function<void(evidence::PcrBank&)> after_boot = [](evidence::PcrBank&) {};

    static std::vector<uint32_t> every_pcr() {
        std::vector<uint32_t> out(24);
        std::iota(out.begin(), out.end(), 0u);
        return out;
    }
    Bytes recorded(const std::string& file) const {
        return MUST(read_file(Path(VS_SOURCE_DIR) / "tests/vectors/local" / boot / file));
    }
    evidence::PcrBank values() const {
        for (evidence::PcrBank& bank : MUST(evidence::parse_pcr_values(recorded("pcrs.txt")))) {
            if (bank.hash != HashAlg::sha256) continue;
            std::erase_if(bank.values, [&](const auto& one) {
                return std::ranges::find(pcrs, one.first) == pcrs.end();
            });
            after_boot(bank);
            return bank;
        }
        return {};
    }
    static Bytes certificate_of(const PrivateKey& key) {
        return MUST(crypto::issue_certificate(certificate_spec("AK", false), key.public_key(),
                                              &keys().ark.certificate, keys().ark.key,
                                              CertSignature::rsa_pss_sha384))
            .der();
    }
    Json jwk() const { return jose::encode_jwk(request_key.public_key()); }

    Json payload(const TpmChallenge& challenge) const;
    Json key_object(const TpmChallenge& challenge) const;
    Bytes quote(const evidence::PcrBank& bank, const Bytes& nonce) const {
        using namespace evidence;
        PcrSelection selection{PcrBankSelection::of(HashAlg::sha256, pcrs)};
        Writer out = attest_head(kTpmStAttestQuote, Bytes(34, 1), nonce);
        Bytes digest = MUST(pcr_digest(HashAlg::sha256, selection, {{bank}}));
        return out.bytes(encode_pcr_selection(selection)).u16_be(32).bytes(digest).take();
    }
    // request is the request message for a payload, signed with the request key.
    Json request(const std::string& text, const char* type = "attReqV2") const {
        return {{"request", MUST(jose::sign_jws({{"typ", type}}, as_bytes(text), request_key,
                                                crypto::SigAlg::ps256))}};
    }
    Json request(const TpmChallenge& challenge) const {
        return request(dump_json(payload(challenge)));
    }
};

inline Json TpmBox::key_object(const TpmChallenge& challenge) const {
    if (!certified) {
        return {{"jwk", jwk()}, {"info", {{"tpm_quote", {{"hash_alg", "sha-256"}}}}}};
    }
    using namespace evidence;
    Bytes area = tpm_public(request_key.public_key(), key_attributes, {}, true);
    Bytes name = MUST(TpmPublic::parse(area)).name();
    Writer attest = attest_head(kTpmStAttestCertify, Bytes(34, 1), challenge.challenge);
    Bytes bytes = attest.u16_be(34).bytes(name).u16_be(34).bytes(name).take();
    return {{"jwk", jwk()},
            {"info",
             {{"tpm_certify",
               {{"public", encode_base64url(ByteView(area).subspan(2))},
                {"certification", encode_base64url(bytes)},
                {"signature", encode_base64url(MUST(ak.sign(crypto::SigAlg::rs256, bytes)))}}}}}};
}

inline Json TpmBox::payload(const TpmChallenge& challenge) const {
    Bytes nonce = challenge.challenge;
    if (!certified) {
        Bytes input = to_bytes(dump_json(jwk()));
        input.push_back(0);
        append(input, challenge.challenge);
        nonce = to_bytes(crypto::sha256(input));
    }
    evidence::PcrBank bank = values();
    Json digests = Json::array();
    for (const auto& [index, value] : bank.values) {
        digests.push_back({{"index", index}, {"digest", encode_base64url(value)}});
    }
    Bytes quoted = quote(bank, nonce);
    Json now = {
        {"logs",
         {{{"type", "TCG"}, {"log", encode_base64url(recorded("eventlog.bin"))}},
          {{"type", "IMA"}, {"log", encode_base64url(recorded("ima_runtime_measurements.bin"))}}}},
        {"aik_cert", encode_base64url(certificate_of(ak))},
        {"aik_pub", jose::encode_jwk(ak.public_key())},
        {"pcrs", {{{"algorithm", 11}, {"values", digests}}}},
        {"quote", encode_base64url(quoted)},
        {"signature", encode_base64url(MUST(ak.sign(crypto::SigAlg::rs256, quoted)))}};
    return {{"att_type", "basic"},
            {"att_data",
             {{"rp_id", "https://relying.example"},
              {"rp_data", encode_base64url(as_bytes("my nonce"))},
              {"challenge", encode_base64url(challenge.challenge)},
              {"tpm_att_data", {{"current_attestation", now}}},
              {"request_key", key_object(challenge)},
              {"service_context", challenge.context}}}};
}

}  // namespace vouchsafe::attest::testing
