// Every TDX check is needed: see removal_table.h.
#include <algorithm>

#include "vouchsafe/evidence/removal_table.h"
#include "vouchsafe/evidence/tdx/test_machine.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

constexpr size_t kVersion = 0, kKeyType = 2, kTee = 4;  // in the header
constexpr size_t kBodySize = 50;                        // in the descriptor behind it
constexpr size_t kModuleMinor = TdxMachine::kBody, kModuleMajor = TdxMachine::kBody + 1;
constexpr size_t kQeMrsigner = 128, kQeVersion = 258;         // in the QE report
constexpr size_t kSignatureData = 4 + 64 + 64;                // size, signature, key
constexpr size_t kQeReport = kSignatureData + 6;              // behind the signed part
constexpr size_t kAuthentication = kQeReport + 384 + 64 + 2;  // behind the signed part

Judge verify(const TdCase& one) {
    return [one = one]() mutable { return outcome(one.verify()); };
}

// machine changes a machine before everything is signed.
TdCase machine(const std::function<void(TdxMachine&)>& edit) {
    static const TdxMachine kSound;
    TdxMachine out = kSound;
    edit(out);
    return out.to_case();
}
Judge made(const std::function<void(TdxMachine&)>& edit) {
    return verify(machine(edit));
}

// sent changes what a sound machine sent, and what is demanded of it.
Judge sent(const std::function<void(TdCase&)>& edit) {
    static const TdCase kSound = machine([](TdxMachine&) {});
    TdCase one = kSound;
    edit(one);
    return verify(one);
}

// behind changes a byte of the quote at an offset behind its signed part.
Judge behind(size_t offset) {
    return sent([&](TdCase& one) {
        one.quote[MUST(TdxQuote::parse(one.quote)).signed_size + offset] ^= 1;
    });
}

// leaf changes a byte of the PCK certificate, counted from its end.
Judge leaf(size_t from_end) {
    return sent([&](TdCase& one) {
        auto chain =
            MUST(crypto::Certificate::parse_pem_bundle(MUST(TdxQuote::parse(one.quote)).pck_chain));
        Bytes der = chain[0].der();
        der[der.size() - from_end] ^= 1;
        std::string old_pem = chain[0].pem();
        std::string new_pem = MUST(crypto::Certificate::parse_der(der)).pem();
        auto at = std::search(one.quote.begin(), one.quote.end(), old_pem.begin(), old_pem.end());
        std::copy(new_pem.begin(), new_pem.end(), at);
    });
}

// offset_of finds bytes in the PCK certificate, counted from its end.
size_t leaf_offset(const Bytes& bytes) {
    Bytes quote = TdxMachine{}.quote();
    auto chain =
        MUST(crypto::Certificate::parse_pem_bundle(MUST(TdxQuote::parse(quote)).pck_chain));
    Bytes der = chain[0].der();
    auto found = std::find_end(der.begin(), der.end(), bytes.begin(), bytes.end());
    return static_cast<size_t>(der.end() - found);
}

void only_the_quote(TdCase& one) {
    one.collateral = {};
    one.rules.may_be_unchecked = everything_unchecked();
}

RemovalTable form_rows() {
    auto header = [](size_t offset, uint8_t value) {
        return made([=](TdxMachine& m) { m.signed_part[offset] = value; });
    };
    return {
        {"TDX-FORM", {sent([](TdCase& one) { one.quote.resize((64 << 10) + 1); })}},
        {"TDX-VERSION", {header(kVersion, 6)}},
        {"TDX-TEE", {header(kTee, 0x82)}},
        {"TDX-KEY-TYPE", {header(kKeyType, 3)}},
        {"TDX-BODY-TYPE", {header(kBodySize, 0x48)}},
        {"TDX-CERTIFICATION-TYPE", {behind(kSignatureData)}},
        {"TDX-TRAILING", {sent([](TdCase& one) { one.quote.push_back(1); })}},
    };
}

RemovalTable signature_rows() {
    auto flipped_body = [](TdCase& one) { one.quote[TdxMachine::kBody + 48 * 6] ^= 1; };
    auto late = [](TdCase& one) {
        only_the_quote(one);
        one.now = at("2027-06-01T00:00:00Z");
    };
    auto under_intel = [](TdCase& one) {
        only_the_quote(one);
        one.anchors = vendor_anchors();
    };
    const Bytes fmspc_oid = from_hex("060a2a864886f84d010d0104");
    return {
        {"TDX-SIGNATURE", {sent(flipped_body)}},
        {"TDX-QE-BINDING", {behind(kAuthentication)}},
        {"TDX-QE-SIGNATURE", {behind(kQeReport)}},
        {"TDX-CHAIN-FORM", {sent([](TdCase& one) { one.quote.back() = 0; })}},
        {"TDX-CHAIN-ROOT", {sent(under_intel)}},
        {"TDX-CHAIN-LINK", {leaf(1)}},
        {"TDX-CHAIN-CA",
         {made([](TdxMachine& m) { m.issuer_is_ca = false; }), "TDX-CRL-SIGNATURE"}},
        {"TDX-CHAIN-DATES", {sent(late)}},
        {"TDX-PCK-FORM", {leaf(leaf_offset(fmspc_oid) - 11), kUnreadable}},
        {"TDX-NOT-CHECKED", {sent([](TdCase& one) { one.collateral.pck_crl.reset(); })}},
    };
}

RemovalTable list_rows() {
    auto stale = [](TdCase& one) { one.now = at("2026-04-01T00:00:01Z"); };
    auto revoked = [](TdxMachine& m) { m.revoked_by_issuer = {TdxMachine::kLeafSerial}; };
    return {
        {"TDX-CRL-FORM",
         {sent([](TdCase& one) { one.collateral.root_crl = Bytes{}; }), kUnreadable}},
        {"TDX-CRL-SIGNATURE", {made([](TdxMachine& m) { m.pck_crl_key = "pck"; })}},
        {"TDX-CRL-DATES", {sent(stale)}},
        {"TDX-REVOKED", {made(revoked)}},
    };
}

RemovalTable collateral_rows() {
    auto stale = [](TdCase& one) {
        one.collateral.root_crl.reset();
        one.collateral.pck_crl.reset();
        one.rules.may_be_unchecked = {TdxCheck::revocation};
        one.now = at("2026-07-01T00:00:00Z");
    };
    auto changed = [](TdCase& one) {
        std::string& json = one.collateral.tcb_info->json;
        json[json.find("\"issueDate\":\"202") + 15] = '1';  // 2016
    };
    auto unknown_word = [](TdxMachine& m) { m.tcb_info["tcbLevels"][0]["tcbStatus"] = "Fine"; };
    auto other_signer = [](TdxMachine& m) { m.signer_name = "Intel SGX PCK Certificate"; };
    return {
        {"TDX-COLLATERAL-FORM", {made(unknown_word), kUnreadable}},
        {"TDX-COLLATERAL-CHAIN", {made(other_signer)}},
        {"TDX-COLLATERAL-SIGNATURE", {sent(changed)}},
        {"TDX-COLLATERAL-DATES", {sent(stale)}},
        {"TDX-EVALUATION", {sent([](TdCase& one) { one.rules.minimum_evaluation = 99; })}},
    };
}

RemovalTable platform_rows() {
    auto module = [](uint8_t major, uint8_t minor) {
        return made([=](TdxMachine& m) {
            m.signed_part[kModuleMajor] = major;
            m.signed_part[kModuleMinor] = minor;
        });
    };
    auto out_of_date = [](TdxMachine& m) { m.tcb_info["tcbLevels"][0]["tcbStatus"] = "OutOfDate"; };
    return {
        {"TDX-QE-IDENTITY", {made([](TdxMachine& m) { m.qe_report[kQeMrsigner] ^= 1; })}},
        {"TDX-QE-LEVEL", {made([](TdxMachine& m) { m.qe_report[kQeVersion] = 3; }), kUnreadable}},
        {"TDX-TCB-PLATFORM", {made([](TdxMachine& m) { m.tcb_info["pceId"] = "0001"; })}},
        {"TDX-MODULE-SIGNER",
         {made([](TdxMachine& m) { m.signed_part[TdxMachine::kMrSignerSeam] ^= 1; })}},
        {"TDX-MODULE-IDENTITY", {module(2, 6), kUnreadable}},
        {"TDX-MODULE-LEVEL", {module(1, 1), kUnreadable}},
        {"TDX-TCB-LEVEL", {module(0, 4), "TDX-TCB-STATUS"}},
        {"TDX-TCB-STATUS", {made(out_of_date)}},
    };
}

RemovalTable rule_rows() {
    auto attribute = [](size_t byte, uint8_t mask) {
        return made(
            [=](TdxMachine& m) { m.signed_part[TdxMachine::kTdAttributes + byte] |= mask; });
    };
    return {
        {"TDX-DEBUG", {attribute(0, 0x01)}},
        {"TDX-ATTRIBUTES", {attribute(3, 0x20)}},
        {"TDX-ATTRIBUTES-REQUIRED",
         {sent([](TdCase& one) { one.rules.required_attributes = uint64_t{1} << 63; })}},
        {"TDX-REPORT-DATA", {sent([](TdCase& one) { one.rules.report_data.emplace().fill(1); })}},
    };
}

TEST(TdxCheckRemoval, EveryCheckDecidesACase) {
    RemovalTable table = form_rows();
    table.merge(signature_rows());
    table.merge(list_rows());
    table.merge(collateral_rows());
    table.merge(platform_rows());
    table.merge(rule_rows());
    expect_every_check_decides("evidence/tdx", table);
}

}  // namespace
}  // namespace vouchsafe::evidence
