// Every SNP check is needed: see removal_table.h.
#include "vouchsafe/crypto/crl_issue.h"
#include "vouchsafe/evidence/removal_table.h"
#include "vouchsafe/evidence/snp/test_machine.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

Judge verify(const SnpCase& one) {
    return [one = one]() mutable { return outcome(one.verify()); };
}

// changed makes a machine whose report says something else, and signs it.
Judge changed(const char* name, const std::function<void(SnpReport&)>& edit) {
    MadeSnp made = MadeSnp::like(name);
    edit(made.report);
    return verify(made.make());
}
Judge changed(const std::function<void(SnpReport&)>& edit) {
    return changed("milan-v3-aci", edit);
}

Judge demanded(const std::function<void(SnpRules&)>& edit) {
    SnpCase one = recorded_snp("turin-v5-azure");
    edit(one.rules);
    return verify(one);
}

// certified makes a machine that is certified for something else.
Judge certified(const char* name, std::string_view oid, Bytes value) {
    MadeSnp made = MadeSnp::like(name);
    crypto::CertificateSpec leaf = vcek_spec(made.report, made.product);
    for (auto& extension : leaf.extensions) {
        if (extension.oid == oid) extension.value = std::move(value);
    }
    return verify(made.make(leaf));
}
Judge level(std::string_view oid) {
    return certified("turin-v5-azure", oid, crypto::encode_der_integer(99));
}

// chained changes the certificates of a made machine.
Judge chained(const std::function<void(SnpCase&)>& edit) {
    SnpCase one = MadeSnp::like("milan-v3-aci").make();
    edit(one);
    return verify(one);
}

crypto::Certificate leaf_by(const crypto::Certificate& issuer, const crypto::PrivateKey& key,
                            crypto::CertSignature form = crypto::CertSignature::rsa_pss_sha384) {
    MadeSnp made = MadeSnp::like("milan-v3-aci");
    return SnpHierarchy::issue(vcek_spec(made.report, made.product),
                               made_hierarchy().leaf_key.public_key(), &issuer, key, form);
}

// bent changes bytes of the encoded report and signs it again.
Judge bent(const std::function<void(Bytes&)>& edit) {
    SnpCase one = MadeSnp::like("milan-v3-aci").make();
    edit(one.report);
    ByteView part = ByteView(one.report).first(kSnpSignedSize);
    set_signature(one.report, MUST(made_hierarchy().leaf_key.sign(crypto::SigAlg::es384, part)));
    return verify(one);
}

RemovalTable form_rows() {
    SnpCase long_s = recorded_snp("derived/sig-r-high-bytes", "milan-v3-aci.vcek.der");
    SnpCase flipped = recorded_snp("derived/flip-report-data", "genoa-v3-aci.vcek.der");
    SnpCase short_report = recorded_snp("derived/truncated", "turin-v5-azure.vcek.der");
    return {
        {"SNP-SIZE", {verify(short_report), kUnreadable}},
        {"SNP-VERSION", {changed("milan-v2-coco", [](SnpReport& r) { r.version = 1; })}},
        {"SNP-RESERVED", {bent([](Bytes& report) { report[0x208] = 1; })}},
        {"SNP-SIGNATURE-ALGORITHM", {changed([](SnpReport& r) { r.signature_algorithm = 2; })}},
        {"SNP-SIGNER",
         {changed([](SnpReport& r) { r.signer = SnpSigner::none; }), "SNP-CERT-KIND"}},
        {"SNP-PRODUCT",
         {certified("milan-v3-aci", kOidProductName, crypto::encode_der_ia5_string("Genoa")),
          "SNP-CHAIN-ROOT"}},
        {"SNP-SIGNATURE-FORM", {verify(long_s)}},
        {"SNP-SIGNATURE", {verify(flipped)}},
    };
}

RemovalTable chain_rows() {
    const SnpHierarchy& made = made_hierarchy();
    const SnpHierarchy& other = other_hierarchy();
    auto without_ca = [&](SnpCase& one) {
        crypto::Certificate no_ca =
            SnpHierarchy::issue(SnpHierarchy::spec("SEV-Made", false), made.ask_key.public_key(),
                                &made.ark, made.ark_key);
        one.endorsements = {leaf_by(no_ca, made.ask_key), {no_ca}};
    };
    auto two_leaves = [] {
        Checks checks;
        std::string leaf = vector_certificate("snp/milan-v3-aci.vcek.der").pem();
        return outcome(SnpEndorsements::parse(as_bytes(leaf + leaf), checks));
    };
    return {
        {"SNP-CHAIN-FORM", {two_leaves}},
        {"SNP-CHAIN-ROOT",
         {chained([&](SnpCase& one) {
              one.endorsements = {leaf_by(other.ask, other.ask_key), {other.ask, other.ark}};
          }),
          "SNP-CHAIN-LINK"}},
        {"SNP-CHAIN-LINK", {chained([&](SnpCase& one) {
             one.endorsements.leaf = leaf_by(other.ask, other.ask_key);
         })}},
        {"SNP-CHAIN-CA", {chained(without_ca)}},
        {"SNP-CHAIN-PSS", {chained([&](SnpCase& one) {
             one.endorsements.leaf =
                 leaf_by(made.ask, made.ask_key, crypto::CertSignature::rsa_pkcs1_sha256);
         })}},
        {"SNP-CHAIN-DATES", {chained([](SnpCase& one) { one.now = at("2027-01-01T00:00:01Z"); })}},
        {"SNP-CERT-FORM", {certified("milan-v3-aci", kOidHwid, Bytes(63, 1)), kUnreadable}},
        {"SNP-CERT-KIND", {chained([&](SnpCase& one) {
             one.endorsements = {leaf_by(made.asvk, made.ask_key), {made.asvk}};
         })}},
        {"SNP-CHIP-ID", {certified("milan-v3-aci", kOidHwid, Bytes(64, 1))}},
        {"SNP-TCB-FMC", {level(kOidFmcSpl)}},
        {"SNP-TCB-BOOTLOADER", {level(kOidBootloaderSpl)}},
        {"SNP-TCB-TEE", {level(kOidTeeSpl)}},
        {"SNP-TCB-SNP", {level(kOidSnpSpl)}},
        {"SNP-TCB-MICROCODE", {level(kOidMicrocodeSpl)}},
        {"SNP-TCB-RESERVED", {changed([](SnpReport& r) { r.reported_tcb[3] = 1; })}},
    };
}

RemovalTable revocation_rows() {
    auto with_list = [](const SnpHierarchy& by, const std::vector<crypto::Certificate>& revoked,
                        const char* now) {
        SnpCase one = MadeSnp::like("milan-v3-aci").make();
        one.now = at(now);
        one.endorsements.crls = {MUST(
            crypto::issue_crl({at("2026-06-01T00:00:00Z"), at("2026-08-01T00:00:00Z"), 1, revoked},
                              by.ark, by.ark_key, crypto::CertSignature::rsa_pss_sha384))};
        return verify(one);
    };
    const char* in_time = "2026-07-01T00:00:00Z";
    return {
        {"SNP-CRL-SIGNATURE", {with_list(other_hierarchy(), {}, in_time)}},
        {"SNP-CRL-DATES", {with_list(made_hierarchy(), {}, "2026-09-01T00:00:00Z")}},
        {"SNP-REVOKED", {with_list(made_hierarchy(), {made_hierarchy().ask}, in_time)}},
        {"SNP-REVOCATION", {demanded([](SnpRules& rules) { rules.allow_unchecked.clear(); })}},
    };
}

RemovalTable rule_rows() {
    SnpTcbFloor high{{SnpProduct::turin, SnpTcb{uint8_t{1}, 1, 1, 4, 82}}};
    auto policy = [](int bit) {
        return changed([bit](SnpReport& r) { r.policy.raw |= uint64_t{1} << bit; });
    };
    auto floor = [&](SnpTcbFloor SnpTcbFloors::*which) {
        return demanded([&](SnpRules& rules) { rules.minimum_tcb.*which = high; });
    };
    return {
        {"SNP-POLICY-DEBUG", {policy(19)}},
        {"SNP-POLICY-MIGRATION", {policy(18)}},
        {"SNP-POLICY-RESERVED", {policy(26)}},
        {"SNP-SMT", {demanded([](SnpRules& rules) { rules.require_smt_off = true; })}},
        {"SNP-VMPL", {demanded([](SnpRules& rules) { rules.vmpl = 1; })}},
        {"SNP-TCB-FLOOR", {floor(&SnpTcbFloors::reported)}},
        {"SNP-TCB-FLOOR-CURRENT", {floor(&SnpTcbFloors::current)}},
        {"SNP-TCB-FLOOR-COMMITTED", {floor(&SnpTcbFloors::committed)}},
        {"SNP-TCB-FLOOR-LAUNCH", {floor(&SnpTcbFloors::launch)}},
        {"SNP-REPORT-DATA", {demanded([](SnpRules& r) { r.report_data.emplace().fill(1); })}},
        {"SNP-MEASUREMENT", {demanded([](SnpRules& r) { r.measurement.emplace().fill(1); })}},
        {"SNP-HOST-DATA", {demanded([](SnpRules& r) { r.host_data.emplace().fill(1); })}},
        {"SNP-FAMILY-ID", {demanded([](SnpRules& r) { r.family_id.emplace().fill(9); })}},
        {"SNP-IMAGE-ID", {demanded([](SnpRules& r) { r.image_id.emplace().fill(9); })}},
        {"SNP-GUEST-SVN", {demanded([](SnpRules& rules) { rules.minimum_guest_svn = 3; })}},
        {"SNP-ID-KEY", {demanded([](SnpRules& rules) { rules.id_key_digests = {{}}; })}},
        {"SNP-AUTHOR-KEY", {demanded([](SnpRules& rules) { rules.author_key_digests = {{}}; })}},
        {"SNP-MITIGATION-LAUNCH", {demanded([](SnpRules& r) { r.launch_mitigations = 64; })}},
        {"SNP-MITIGATION-CURRENT", {demanded([](SnpRules& r) { r.current_mitigations = 64; })}},
    };
}

TEST(SnpCheckRemoval, EveryCheckDecidesACase) {
    RemovalTable table = form_rows();
    table.merge(chain_rows());
    table.merge(revocation_rows());
    table.merge(rule_rows());
    expect_every_check_decides("evidence/snp", table);
}

}  // namespace
}  // namespace vouchsafe::evidence
