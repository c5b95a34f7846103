// What stands below the simulated roots: SNP reports, runtime claims, HCL blobs.
#include <algorithm>
#include <cstring>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/lab/simulated_root.h"

namespace vouchsafe::lab {

namespace {

// Milan and Genoa: bootloader, tee, four reserved, snp, microcode (AMD 56860, TCB_VERSION).
std::array<uint8_t, 8> tcb_bytes(const evidence::SnpTcb& tcb) {
    return {tcb.bootloader, tcb.tee, 0, 0, 0, 0, tcb.snp, tcb.microcode};
}

constexpr uint32_t kEcdsaP384Sha384 = 1;
constexpr uint64_t kPlatformInfo = 0x25;  // SMT, ECC, alias check complete
constexpr size_t kScalarField = 72;

// AMD writes r and s little-endian, each in 72 bytes.
void write_scalar(Writer& out, ByteView big_endian) {
    Bytes reversed(big_endian.rbegin(), big_endian.rend());
    out.bytes(reversed).zeros(kScalarField - reversed.size());
}

void write_firmware(Writer& out) {
    out.u8(28).u8(55).u8(1).u8(0);  // build, minor, major, reserved
}

}  // namespace

evidence::SnpTcb simulated_tcb() {
    evidence::SnpTcb out;
    out.bootloader = 4;
    out.tee = 0;
    out.snp = 24;
    out.microcode = 219;
    return out;
}

uint64_t tcb_number(const evidence::SnpTcb& tcb) {
    uint64_t out = 0;
    std::array<uint8_t, 8> bytes = tcb_bytes(tcb);
    for (size_t i = 0; i < bytes.size(); ++i) out |= uint64_t{bytes[i]} << (8 * i);
    return out;
}

Result<Bytes> amd_report(const SnpReportSpec& spec, const crypto::PrivateKey& vcek) {
    if (spec.version != 2 && spec.version != 3) {
        return fail(Code::unsupported, "simulated reports have version 2 or 3, not {}",
                    spec.version);
    }
    std::array<uint8_t, 8> tcb = tcb_bytes(spec.tcb);
    std::array<uint8_t, 32> no_agent;
    no_agent.fill(0xFF);
    std::array<uint8_t, 16> image_id{2};

    Writer out;
    out.u32_le(spec.version).u32_le(spec.guest_svn).u64_le(spec.policy);
    out.zeros(16).bytes(image_id);  // family id, image id
    out.u32_le(spec.vmpl).u32_le(kEcdsaP384Sha384).bytes(tcb);
    out.u64_le(kPlatformInfo).u32_le(0).u32_le(0);  // flags: signed by the VCEK; reserved
    out.bytes(spec.report_data).bytes(spec.measurement).bytes(spec.host_data);
    out.bytes(spec.id_key_digest).zeros(48);  // author key digest
    out.bytes(spec.report_id).bytes(no_agent);
    out.bytes(tcb);  // reported
    if (spec.version >= 3) {
        out.u8(0x19).u8(0x01).u8(0x01);  // CPUID family, model, stepping: Milan
    } else {
        out.zeros(3);
    }
    out.zeros(21).bytes(spec.chip_id).bytes(tcb);  // reserved, chip, committed
    write_firmware(out);
    write_firmware(out);
    out.bytes(tcb);  // launch
    out.zeros(evidence::kSnpSignedSize - out.view().size());

    Bytes signature = TRY(vcek.sign(crypto::SigAlg::es384, out.view()));
    ByteView rs(signature);
    write_scalar(out, rs.first(rs.size() / 2));
    write_scalar(out, rs.subspan(rs.size() / 2));
    out.zeros(evidence::kSnpReportSize - out.view().size());
    return out.take();
}

Result<std::string> runtime_claims(const RuntimeClaimsSpec& spec) {
    crypto::RsaPublicParts ak = TRY(spec.ak.rsa());
    Json claims = {
        {"keys",
         {{{"kid", "HCLAkPub"},
           {"key_ops", {"sign"}},
           {"kty", "RSA"},
           {"e", encode_base64url(ak.exponent)},
           {"n", encode_base64url(ak.modulus)}}}},
        {"vm-configuration",
         {{"console-enabled", true},
          {"current-time", to_unix(spec.now)},
          {"secure-boot", spec.secure_boot},
          {"tpm-enabled", true},
          {"vmUniqueId", spec.vm_id}}},
        {"user-data", std::string(128, '0')},
    };
    return dump_json(claims);
}

Bytes hcl_blob(ByteView snp_report, std::string_view claims) {
    constexpr uint32_t kHeaderSize = 32, kRequestDataSize = 20;
    constexpr uint32_t kHeaderVersion = 2, kRequestAkCertificate = 2;
    constexpr uint32_t kDataVersion = 1, kTypeSnp = 2, kHashSha256 = 1;
    uint32_t claims_size = static_cast<uint32_t>(claims.size());
    Writer out;
    out.bytes(as_bytes("HCLA")).u32_le(kHeaderVersion);
    out.u32_le(kHeaderSize + static_cast<uint32_t>(snp_report.size()) + kRequestDataSize +
               claims_size);
    out.u32_le(kRequestAkCertificate).zeros(16);  // status, reserved
    out.bytes(snp_report);
    out.u32_le(kRequestDataSize + claims_size).u32_le(kDataVersion).u32_le(kTypeSnp);
    out.u32_le(kHashSha256).u32_le(claims_size);
    out.bytes(as_bytes(claims));
    return out.take();
}

}  // namespace vouchsafe::lab
