#include "vouchsafe/evidence/snp/certificate.h"

namespace vouchsafe::evidence {

namespace {

constexpr size_t kHwidSize = 64;
constexpr size_t kTurinHwidSize = 8;

Result<Bytes> required(const crypto::Certificate& certificate, std::string_view oid) {
    std::optional<Bytes> value = TRY(certificate.extension(oid));
    if (!value) return fail(Code::bad_evidence, "extension {} is missing", oid);
    return std::move(*value);
}

Result<uint8_t> parse_level(ByteView der, std::string_view oid) {
    uint64_t value = TRY(crypto::parse_der_integer(der));
    if (value > 255) return fail(Code::bad_evidence, "extension {} is {}, over 255", oid, value);
    return static_cast<uint8_t>(value);
}

Result<uint8_t> level(const crypto::Certificate& certificate, std::string_view oid) {
    Bytes der = TRY(required(certificate, oid));
    return parse_level(der, oid);
}

Result<SnpTcb> read_tcb(const crypto::Certificate& certificate) {
    SnpTcb out;
    out.bootloader = TRY(level(certificate, kOidBootloaderSpl));
    out.tee = TRY(level(certificate, kOidTeeSpl));
    out.snp = TRY(level(certificate, kOidSnpSpl));
    out.microcode = TRY(level(certificate, kOidMicrocodeSpl));
    std::optional<Bytes> fmc = TRY(certificate.extension(kOidFmcSpl));
    if (fmc) out.fmc = TRY(parse_level(*fmc, kOidFmcSpl));
    for (std::string_view oid : {kOidSpl4, kOidSpl5, kOidSpl6, kOidSpl7}) {
        std::optional<Bytes> reserved = TRY(certificate.extension(oid));
        if (!reserved) continue;
        uint8_t value = TRY(parse_level(*reserved, oid));
        if (value != 0) return fail(Code::bad_evidence, "reserved level {} is {}", oid, value);
    }
    return out;
}

Result<SnpProduct> read_product(std::string_view text) {
    for (SnpProduct product : {SnpProduct::milan, SnpProduct::genoa, SnpProduct::turin}) {
        std::string_view name = product_name(product);
        // "Milan" or "Milan-B0": the stepping differs between certificates of one line.
        if (text == name || (text.starts_with(name) && text[name.size()] == '-')) return product;
    }
    return fail(Code::bad_evidence, "product name \"{}\" is not known", text);
}

// A later version may give the levels another meaning.
Result<uint8_t> read_struct_version(const crypto::Certificate& certificate) {
    std::optional<Bytes> der = TRY(certificate.extension(kOidStructVersion));
    if (!der) return uint8_t{0};
    uint8_t version = TRY(parse_level(*der, kOidStructVersion));
    if (version > 1) return fail(Code::bad_evidence, "struct version {} is not known", version);
    return version;
}

// The HWID is the bare bytes, or an OCTET STRING around them: exact lengths only.
Result<Bytes> read_hwid(const Bytes& value, size_t size) {
    if (value.size() == size) return value;
    if (value.size() == size + 2) {
        Bytes inner = TRY(crypto::parse_der_octet_string(value));
        if (inner.size() == size) return inner;
    }
    return fail(Code::bad_evidence, "HWID has {} bytes, expected {}", value.size(), size);
}

}  // namespace

bool is_snp_leaf(const crypto::Certificate& certificate) {
    auto value = certificate.extension(kOidProductName);
    return !value || value->has_value();  // doubled: a leaf all the same, refused when it is read
}

Result<SnpCertificate> SnpCertificate::parse(const crypto::Certificate& certificate) {
    crypto::PublicKey key = TRY(certificate.public_key());
    if (key.type() != crypto::KeyType::ec || key.bits() != 384) {
        return fail(Code::bad_evidence, "its key is not of curve P-384");
    }
    SnpCertificate out{key, SnpSigner::vcek, SnpProduct::milan, 0, {}, {}, {}, {}};
    out.struct_version = TRY(read_struct_version(certificate));
    Bytes name = TRY(required(certificate, kOidProductName));
    out.product_text = TRY(crypto::parse_der_ia5_string(name));
    out.product = TRY(read_product(out.product_text));
    out.tcb = TRY(read_tcb(certificate));
    if (out.tcb.fmc.has_value() != (out.product == SnpProduct::turin)) {
        return fail(Code::bad_evidence, "the FMC level belongs to Turin and to no other product");
    }
    std::optional<Bytes> hwid = TRY(certificate.extension(kOidHwid));
    std::optional<Bytes> csp = TRY(certificate.extension(kOidCspId));
    if (hwid.has_value() == csp.has_value()) {
        return fail(Code::bad_evidence, "it must have either a chip's HWID or a CSP's name");
    }
    if (hwid) {
        out.kind = SnpSigner::vcek;
        size_t size = out.product == SnpProduct::turin ? kTurinHwidSize : kHwidSize;
        out.hwid = TRY(read_hwid(*hwid, size));
    } else {
        out.kind = SnpSigner::vlek;
        out.csp_id = TRY(crypto::parse_der_ia5_string(*csp));
    }
    return out;
}

}  // namespace vouchsafe::evidence
