#include "vouchsafe/evidence/tpm/types.h"

#include <algorithm>

namespace vouchsafe::evidence {

using crypto::HashAlg;

namespace {

constexpr size_t kMaxPublicArea = 1024;
constexpr size_t kMaxBanks = 16;
constexpr size_t kMaxSelect = 4;  // bytes of bitmap: 32 registers
constexpr uint16_t kMinRsaBits = 1024;
constexpr uint16_t kMaxRsaBits = 8192;
constexpr uint32_t kDefaultExponent = 65537;
constexpr uint16_t kTpmAlgEcdaa = 0x001A;
constexpr uint32_t kTpmCcPolicyPcr = 0x0000017F;  // TPM_CC_PolicyPCR

// read_tpm2b reads a size in two bytes, then that many bytes.
Result<ByteView> read_tpm2b(Reader& in, std::string_view field) {
    uint16_t size = TRY(in.u16_be(field));
    return in.take(size, field);
}

// A scheme is an algorithm and, unless it is null or RSAES, a hash (part 2, TPMT_RSA_SCHEME).
Result<void> read_scheme(Reader& in, TpmPublic& out) {
    out.scheme = TRY(in.u16_be("scheme"));
    if (out.scheme == kTpmAlgNull || out.scheme == kTpmAlgRsaes) return {};
    out.scheme_hash = TRY(in.u16_be("scheme hash"));
    if (out.scheme == kTpmAlgEcdaa) TRY(in.skip(2, "ECDAA count"));
    return {};
}

Result<void> read_symmetric(Reader& in, TpmPublic& out) {
    out.symmetric = TRY(in.u16_be("symmetric algorithm"));
    if (out.symmetric == kTpmAlgNull) return {};
    return in.skip(4, "symmetric key bits and mode");
}

Result<void> read_rsa(Reader& in, TpmPublic& out) {
    TRY(read_symmetric(in, out));
    TRY(read_scheme(in, out));
    out.key_bits = TRY(in.u16_be("key bits"));
    out.rsa_exponent = TRY(in.u32_be("exponent"));
    out.unique_x = to_bytes(TRY(read_tpm2b(in, "modulus")));
    if (out.key_bits < kMinRsaBits || out.key_bits > kMaxRsaBits ||
        out.unique_x.size() * 8 != out.key_bits) {
        return fail(Code::invalid, "an RSA key of {} bits with a modulus of {} bytes", out.key_bits,
                    out.unique_x.size());
    }
    return {};
}

Result<void> read_ecc(Reader& in, TpmPublic& out) {
    TRY(read_symmetric(in, out));
    TRY(read_scheme(in, out));
    out.ecc_curve = TRY(in.u16_be("curve"));
    uint16_t kdf = TRY(in.u16_be("kdf"));
    if (kdf != kTpmAlgNull) TRY(in.skip(2, "kdf hash"));
    out.unique_x = to_bytes(TRY(read_tpm2b(in, "x")));
    out.unique_y = to_bytes(TRY(read_tpm2b(in, "y")));
    return {};
}

Result<PcrSelection> read_pcr_selection(Reader& in) {
    uint32_t count = TRY(in.u32_be("number of PCR banks"));
    if (count > kMaxBanks) return fail(Code::invalid, "{} PCR banks, over {}", count, kMaxBanks);
    PcrSelection out;
    for (uint32_t i = 0; i < count; ++i) {
        PcrBankSelection bank;
        bank.hash_alg = TRY(in.u16_be("PCR bank"));
        uint8_t size = TRY(in.u8("PCR bitmap size"));
        if (size > kMaxSelect) return fail(Code::invalid, "a PCR bitmap of {} bytes", size);
        bank.bitmap = to_bytes(TRY(in.take(size, "PCR bitmap")));
        bool twice = std::any_of(out.begin(), out.end(), [&](const PcrBankSelection& other) {
            return other.hash_alg == bank.hash_alg;
        });
        if (twice) return fail(Code::invalid, "PCR bank {:#06x} is there twice", bank.hash_alg);
        out.push_back(std::move(bank));
    }
    return out;
}

std::optional<crypto::Curve> curve_from_tpm(uint16_t curve) {
    switch (curve) {
        case 0x0003:
            return crypto::Curve::p256;
        case 0x0004:
            return crypto::Curve::p384;
        case 0x0005:
            return crypto::Curve::p521;
        default:
            return std::nullopt;
    }
}

// left_pad gives a coordinate the width of its field: a TPM may leave leading zeros out.
Result<Bytes> left_pad(ByteView value, size_t width) {
    if (value.size() > width)
        return fail(Code::invalid, "{} bytes for a field of {}", value.size(), width);
    Bytes out(width - value.size());
    append(out, value);
    return out;
}

size_t curve_width(crypto::Curve curve) {
    switch (curve) {
        case crypto::Curve::p256:
            return 32;
        case crypto::Curve::p384:
            return 48;
        case crypto::Curve::p521:
            return 66;
        case crypto::Curve::p256k:  // a TPM has no such curve
            break;
    }
    return 0;
}

}  // namespace

std::optional<HashAlg> hash_from_tpm_alg(uint16_t alg) {
    switch (alg) {
        case kTpmAlgSha1:
            return HashAlg::sha1;
        case kTpmAlgSha256:
            return HashAlg::sha256;
        case kTpmAlgSha384:
            return HashAlg::sha384;
        case kTpmAlgSha512:
            return HashAlg::sha512;
        default:
            return std::nullopt;
    }
}

uint16_t tpm_alg_from_hash(HashAlg hash) {
    switch (hash) {
        case HashAlg::sha1:
            return kTpmAlgSha1;
        case HashAlg::sha256:
            return kTpmAlgSha256;
        case HashAlg::sha384:
            return kTpmAlgSha384;
        case HashAlg::sha512:
            return kTpmAlgSha512;
    }
    return kTpmAlgNull;
}

std::string_view tpm_hash_label(HashAlg hash) {
    switch (hash) {
        case HashAlg::sha1:
            return "sha1";
        case HashAlg::sha256:
            return "sha256";
        case HashAlg::sha384:
            return "sha384";
        case HashAlg::sha512:
            return "sha512";
    }
    return "unknown";
}

Result<TpmPublic> TpmPublic::parse_area(ByteView tpmt) {
    if (tpmt.size() > kMaxPublicArea) {
        return fail(Code::invalid, "a public area of {} bytes, over {}", tpmt.size(),
                    kMaxPublicArea);
    }
    Reader in(tpmt, "TPMT_PUBLIC");
    TpmPublic out;
    out.type = TRY(in.u16_be("type"));
    out.name_alg = TRY(in.u16_be("name algorithm"));
    out.attributes = TRY(in.u32_be("attributes"));
    out.auth_policy = to_bytes(TRY(read_tpm2b(in, "authPolicy")));
    std::optional<HashAlg> name_hash = hash_from_tpm_alg(out.name_alg);
    if (!name_hash) return fail(Code::unsupported, "name algorithm {:#06x}", out.name_alg);
    if (!out.auth_policy.empty() && out.auth_policy.size() != crypto::hash_size(*name_hash)) {
        return fail(Code::invalid, "an authPolicy of {} bytes", out.auth_policy.size());
    }
    if (out.type == kTpmAlgRsa) {
        TRY(read_rsa(in, out));
    } else if (out.type == kTpmAlgEcc) {
        TRY(read_ecc(in, out));
    } else {
        return fail(Code::unsupported, "a TPM key of type {:#06x}", out.type);
    }
    TRY(in.end());
    out.area = to_bytes(tpmt);
    return out;
}

Result<TpmPublic> TpmPublic::parse(ByteView tpm2b) {
    Reader in(tpm2b, "TPM2B_PUBLIC");
    ByteView area = TRY(read_tpm2b(in, "public area"));
    TRY(in.end());
    return parse_area(area);
}

Result<TpmPublic> TpmPublic::parse_prefix(ByteView tpm2b) {
    Reader in(tpm2b, "TPM2B_PUBLIC");
    ByteView area = TRY(read_tpm2b(in, "public area"));
    return parse_area(area);
}

Bytes TpmPublic::name() const {
    Writer out;
    out.u16_be(name_alg);
    // parse_area accepts known name algorithms only.
    out.bytes(crypto::hash(hash_from_tpm_alg(name_alg).value_or(HashAlg::sha256), area));
    return out.take();
}

Result<crypto::PublicKey> TpmPublic::public_key() const {
    if (type == kTpmAlgRsa) {
        Writer exponent;
        exponent.u32_be(rsa_exponent == 0 ? kDefaultExponent : rsa_exponent);
        return crypto::PublicKey::from_rsa(unique_x, exponent.view());
    }
    std::optional<crypto::Curve> curve = curve_from_tpm(ecc_curve);
    if (!curve) return fail(Code::unsupported, "TPM curve {:#06x}", ecc_curve);
    Bytes x = TRY(left_pad(unique_x, curve_width(*curve)));
    Bytes y = TRY(left_pad(unique_y, curve_width(*curve)));
    return crypto::PublicKey::from_ec(*curve, x, y);
}

namespace {

Result<TpmSigningKey> with_scheme(crypto::PublicKey key, uint16_t scheme, uint16_t hash) {
    struct Row {
        uint16_t scheme, hash;
        crypto::SigAlg alg;
    };
    using crypto::SigAlg;
    static constexpr std::array<Row, 9> kForms{{
        {kTpmAlgRsassa, kTpmAlgSha256, SigAlg::rs256},
        {kTpmAlgRsassa, kTpmAlgSha384, SigAlg::rs384},
        {kTpmAlgRsassa, kTpmAlgSha512, SigAlg::rs512},
        {kTpmAlgRsapss, kTpmAlgSha256, SigAlg::ps256},
        {kTpmAlgRsapss, kTpmAlgSha384, SigAlg::ps384},
        {kTpmAlgRsapss, kTpmAlgSha512, SigAlg::ps512},
        {kTpmAlgEcdsa, kTpmAlgSha256, SigAlg::es256},
        {kTpmAlgEcdsa, kTpmAlgSha384, SigAlg::es384},
        {kTpmAlgEcdsa, kTpmAlgSha512, SigAlg::es512},
    }};
    auto row = std::find_if(kForms.begin(), kForms.end(), [&](const Row& form) {
        return form.scheme == scheme && form.hash == hash;
    });
    bool rsa = key.type() == crypto::KeyType::rsa;
    bool fits = row != kForms.end() && (row->scheme == kTpmAlgEcdsa) == !rsa;
    if (!fits) {
        return fail(Code::unsupported, "a TPM key with signing scheme {:#06x}, hash {:#06x}",
                    scheme, hash);
    }
    return TpmSigningKey{std::move(key), row->alg};
}

}  // namespace

bool TpmPublic::is_rsa(const crypto::RsaPublicParts& numbers) const {
    uint64_t exponent = 0;
    if (numbers.exponent.size() > sizeof(exponent)) return false;
    for (uint8_t byte : numbers.exponent) exponent = exponent << 8 | byte;
    return type == kTpmAlgRsa && equal(unique_x, numbers.modulus) &&
           exponent == (rsa_exponent == 0 ? kDefaultExponent : rsa_exponent);
}

Result<TpmSigningKey> TpmPublic::signing_key() const {
    return signing_key(TRY(public_key()));
}

Result<TpmSigningKey> TpmPublic::signing_key(crypto::PublicKey key) const {
    return with_scheme(std::move(key), scheme, scheme_hash);
}

Result<TpmSigningKey> signing_key_for(const crypto::PublicKey& key, ByteView signature) {
    bool bare = key.type() == crypto::KeyType::rsa && signature.size() == (key.bits() + 7) / 8;
    if (bare) return with_scheme(key, kTpmAlgRsassa, kTpmAlgSha256);
    Reader in(signature, "TPMT_SIGNATURE");
    uint16_t scheme = TRY(in.u16_be("scheme"));
    uint16_t hash = TRY(in.u16_be("hash"));
    return with_scheme(key, scheme, hash);
}

PcrBankSelection PcrBankSelection::of(HashAlg hash, std::span<const uint32_t> pcrs) {
    PcrBankSelection out{tpm_alg_from_hash(hash), Bytes(3)};
    for (uint32_t pcr : pcrs) {
        if (pcr < 24) out.bitmap[pcr / 8] |= static_cast<uint8_t>(1u << (pcr % 8));
    }
    return out;
}

std::vector<uint32_t> PcrBankSelection::pcrs() const {
    std::vector<uint32_t> out;
    for (uint32_t pcr = 0; pcr < bitmap.size() * 8; ++pcr) {
        if ((bitmap[pcr / 8] >> (pcr % 8)) & 1) out.push_back(pcr);
    }
    return out;
}

Bytes encode_pcr_selection(const PcrSelection& selection) {
    Writer out;
    out.u32_be(static_cast<uint32_t>(selection.size()));
    for (const PcrBankSelection& bank : selection) {
        out.u16_be(bank.hash_alg).u8(static_cast<uint8_t>(bank.bitmap.size())).bytes(bank.bitmap);
    }
    return out.take();
}

std::string describe(const PcrSelection& selection) {
    std::string out;
    for (const PcrBankSelection& bank : selection) {
        std::optional<HashAlg> hash = hash_from_tpm_alg(bank.hash_alg);
        if (!out.empty()) out += "+";
        out += hash ? std::string(tpm_hash_label(*hash)) : fmt::format("{:#06x}", bank.hash_alg);
        out += fmt::format(":{}", fmt::join(bank.pcrs(), ","));
    }
    return out;
}

Result<Bytes> pcr_digest(HashAlg digest_alg, const PcrSelection& selection,
                         std::span<const PcrBank> banks) {
    crypto::Hasher hasher(digest_alg);
    for (const PcrBankSelection& selected : selection) {
        std::optional<HashAlg> hash = hash_from_tpm_alg(selected.hash_alg);
        auto bank = std::find_if(banks.begin(), banks.end(),
                                 [&](const PcrBank& one) { return hash && one.hash == *hash; });
        for (uint32_t pcr : selected.pcrs()) {
            if (bank == banks.end()) {
                return fail(Code::invalid, "no values of PCR bank {:#06x}", selected.hash_alg);
            }
            auto value = bank->values.find(pcr);
            if (value == bank->values.end() ||
                value->second.size() != crypto::hash_size(bank->hash)) {
                return fail(Code::invalid, "no value of pcr {} ({})", pcr,
                            tpm_hash_label(bank->hash));
            }
            hasher.update(value->second);
        }
    }
    return hasher.finish();
}

Result<Bytes> pcr_policy_digest(HashAlg policy_alg, const PcrSelection& selection,
                                std::span<const PcrBank> banks) {
    Writer out;
    out.zeros(crypto::hash_size(policy_alg));  // the policy before this command
    out.u32_be(kTpmCcPolicyPcr);
    out.bytes(encode_pcr_selection(selection));
    out.bytes(TRY(pcr_digest(policy_alg, selection, banks)));
    return crypto::hash(policy_alg, out.view());
}

Result<TpmAttest> TpmAttest::parse(ByteView bytes) {
    Reader in(bytes, "TPMS_ATTEST");
    TpmAttest out;
    out.magic = TRY(in.u32_be("magic"));
    out.type = TRY(in.u16_be("type"));
    bool known = out.type == kTpmStAttestQuote || out.type == kTpmStAttestCertify;
    if (out.magic != kTpmGenerated || !known) return out;
    out.qualified_signer = to_bytes(TRY(read_tpm2b(in, "qualifiedSigner")));
    out.extra_data = to_bytes(TRY(read_tpm2b(in, "extraData")));
    out.clock.clock = TRY(in.u64_be("clock"));
    out.clock.reset_count = TRY(in.u32_be("resetCount"));
    out.clock.restart_count = TRY(in.u32_be("restartCount"));
    uint8_t safe = TRY(in.u8("safe"));
    if (safe > 1) return fail(Code::invalid, "TPMS_ATTEST: safe is {}", safe);
    out.clock.safe = safe == 1;
    out.firmware_version = TRY(in.u64_be("firmwareVersion"));
    if (out.type == kTpmStAttestQuote) {
        out.pcr_selection = TRY(read_pcr_selection(in));
        out.pcr_digest = to_bytes(TRY(read_tpm2b(in, "pcrDigest")));
    } else {
        out.name = to_bytes(TRY(read_tpm2b(in, "name")));
        out.qualified_name = to_bytes(TRY(read_tpm2b(in, "qualifiedName")));
    }
    TRY(in.end());
    return out;
}

}  // namespace vouchsafe::evidence
