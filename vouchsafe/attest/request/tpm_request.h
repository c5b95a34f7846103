// The messages of POST /attest/Tpm: Microsoft's "TPM attestation protocol"
// (virtualization-based-security-protocol.md), each as {"data": base64url of JSON}. Pure: bytes in,
// values out. Nothing here is verified.
//
//   init       {"type":"aikcert"}                     answered by  {"challenge", "service_context"}
//   request    {"request": JWS, typ attReqV2}         answered by  {"report": JWT}
//
// Azure's SDKs put each message under a member `payload`; bare ones are read too, and answered in
// the form they came in. Not read: requests of version 1 (typ attReq, whose TPM parts are in
// Windows' own form) and VBS enclaves (att_type vbs).
#pragma once

#include "vouchsafe/attest/request/json_fields.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/evidence/azure/tpm_machine.h"
#include "vouchsafe/jose/jws.h"

namespace vouchsafe::attest {

// TpmMessage is what `data` holds, out of its `payload` if it was in one.
struct TpmMessage {
    Json content;
    bool in_payload = false;
    // open fails with Code::invalid and a sentence that names the member.
    static Result<TpmMessage> open(std::string_view body, size_t max_size);
};

// tpm_answer is the body of an answer.
Json tpm_answer(Json content, bool in_payload);

// read_tpm_init returns the message if `body` is an init message: bodies longer than such a message
// ever is are not read. nullopt: it is something else, or malformed.
std::optional<TpmMessage> read_tpm_init(std::string_view body);

// TpmKey is a key object of the protocol.
struct TpmKey {
    crypto::PublicKey key;
    std::string jwk;  // as it stands in the request
    // info.tpm_quote: the quote's qualifying data is this hash of `jwk`, a NUL and the challenge.
    std::optional<crypto::HashAlg> quote_hash;
    // info.tpm_certify: the AK certified it, with the challenge as qualifying data.
    std::optional<evidence::KeyCertification> certification;
};

struct TpmRequest {
    bool in_payload = false;
    jose::Jws jws;
    Bytes challenge;
    std::string service_context;  // base64url, unpadded
    std::string rp_data;          // as sent, base64; "" if none
    TpmKey request_key;
    std::vector<TpmKey> other_keys;  // at most two
    evidence::TpmMachineEvidence evidence;

    // parse fails with Code::invalid and a sentence that names the member. Members it does not know
    // are ignored, among them rp_id, custom_claims and boot_attestation.
    static Result<TpmRequest> parse(std::string_view body, size_t max_size);

    // qualifying_data is what the quote must have signed besides the registers, by the way in which
    // request_key is bound; nullopt if it is not.
    std::optional<Bytes> qualifying_data() const;
};

}  // namespace vouchsafe::attest
