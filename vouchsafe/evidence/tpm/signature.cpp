// TPMT_SIGNATURE (TCG TPM 2.0 Library, part 2) and the bare RSA value.
#include "vouchsafe/evidence/tpm/types.h"

namespace vouchsafe::evidence {

using crypto::SigAlg;

namespace {

struct Form {
    uint16_t scheme;
    size_t field;  // bytes of a coordinate, for ECDSA
};

Form form_of(SigAlg alg) {
    switch (alg) {
        case SigAlg::rs256:
        case SigAlg::rs384:
        case SigAlg::rs512:
            return {kTpmAlgRsassa, 0};
        case SigAlg::ps256:
        case SigAlg::ps384:
        case SigAlg::ps512:
            return {kTpmAlgRsapss, 0};
        case SigAlg::es256:
            return {kTpmAlgEcdsa, 32};
        case SigAlg::es384:
            return {kTpmAlgEcdsa, 48};
        case SigAlg::es512:
            return {kTpmAlgEcdsa, 66};
        case SigAlg::es256k:  // a TPM has no such curve
            break;
    }
    return {kTpmAlgNull, 0};
}

Result<ByteView> read_tpm2b(Reader& in, std::string_view field) {
    uint16_t size = TRY(in.u16_be(field));
    return in.take(size, field);
}

// read_signature returns the value as crypto wants it: RSA as it is, ECDSA as r || s.
Result<Bytes> read_signature(const TpmSigningKey& key, ByteView signature) {
    Form form = form_of(key.alg);
    Reader in(signature, "TPMT_SIGNATURE");
    uint16_t scheme = TRY(in.u16_be("scheme"));
    uint16_t hash = TRY(in.u16_be("hash"));
    if (scheme != form.scheme || hash != tpm_alg_from_hash(crypto::sig_alg_hash(key.alg))) {
        return fail(Code::invalid, "signature scheme {:#06x} with hash {:#06x}; the key's is {}",
                    scheme, hash, crypto::sig_alg_name(key.alg));
    }
    Bytes out;
    if (form.scheme == kTpmAlgEcdsa) {
        for (std::string_view part : {"signature r", "signature s"}) {
            ByteView value = TRY(read_tpm2b(in, part));
            if (value.size() > form.field) return fail(Code::invalid, "{} is too long", part);
            out.resize(out.size() + form.field - value.size());
            append(out, value);
        }
    } else {
        out = to_bytes(TRY(read_tpm2b(in, "signature")));
    }
    TRY(in.end());
    return out;
}

}  // namespace

Result<void> verify_tpm_signature(const TpmSigningKey& key, ByteView message, ByteView signature) {
    bool rsa = key.key.type() == crypto::KeyType::rsa;
    if (rsa && signature.size() == (key.key.bits() + 7) / 8) {
        return key.key.verify(key.alg, message, signature);
    }
    Bytes value = TRY(read_signature(key, signature));
    return key.key.verify(key.alg, message, value);
}

}  // namespace vouchsafe::evidence
