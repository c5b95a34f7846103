// Every check of what a TPM says, and of its keys' certificates, is needed: see removal_table.h.
#include "vouchsafe/evidence/removal_table.h"
#include "vouchsafe/evidence/tpm/quote.h"
#include "vouchsafe/evidence/tpm/test_keys.h"
#include "vouchsafe/evidence/tpm/test_vtpm_ca.h"
#include "vouchsafe/evidence/unchecked.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

Judge certificate(const std::function<void(AkCase&)>& edit) {
    AkCase one;
    edit(one);
    return [one] { return outcome(one.verify()); };
}

// Quote is one to verify: sound as it is.
struct Quote {
    PcrBank pcrs = first_pcrs(8);
    Bytes attest = make_quote(select_all(pcrs), {{pcrs}});
    Bytes signature = ak_sign(attest);
    QuoteExpectation expected{.required_pcrs = {0, 7}};

    void sign(const Bytes& other) {
        attest = other;
        signature = ak_sign(attest);
    }
    Result<VerifiedQuote> verify() const {
        Checks checks;
        return verify_quote(attest, signature, ak_signing_key(), {{pcrs}}, expected, checks);
    }
};

Judge quote(const std::function<void(Quote&)>& edit) {
    Quote one;
    edit(one);
    return [one] { return outcome(one.verify()); };
}

Bytes policy_of(const PcrBank& pcrs) {
    return MUST(pcr_policy_digest(crypto::HashAlg::sha256, select_all(pcrs), {{pcrs}}));
}

TpmPublic key_area(uint32_t attributes, const PcrBank& bound) {
    return MUST(TpmPublic::parse_area(
        rsa_area(ephemeral_key().public_key(), attributes, policy_of(bound), kTpmAlgNull)));
}

// Certified is a key that the TPM holds, and says so: sound as it is.
struct Certified {
    TpmPublic key = key_area(kEphemeralAttributes, first_pcrs(8));
    Bytes attest = make_certify(key);
    Bytes signature = ak_sign(attest);

    void sign(const Bytes& other) {
        attest = other;
        signature = ak_sign(attest);
    }
    Result<void> verify() const {
        Checks checks;
        VerifiedTpmKey verified =
            TRY(verify_certify(attest, signature, ak_signing_key(), key, checks));
        return check_ephemeral_key(verified, TRY(Quote{}.verify()), checks);
    }
};

Judge certified(const std::function<void(Certified&)>& edit) {
    Certified one;
    edit(one);
    return [one] { return outcome(one.verify()); };
}
Judge holds(const TpmPublic& key) {
    return certified([&](Certified& one) {
        one.key = key;
        one.sign(make_certify(key));
    });
}

Bytes with_byte(Bytes bytes, size_t offset, uint8_t value) {
    bytes[offset] = value;
    return bytes;
}

RemovalTable certificate_rows() {
    auto unrooted = [](AkCase& one) { one.anchors.ak_roots = {}; };
    auto too_deep = [](AkCase& one) {
        one.issued_by({vtpm_spec("first", true), vtpm_spec("second", true)});
    };
    auto for_servers = [](AkCase& one) {
        crypto::CertificateSpec spec = vtpm_spec("ak", false);
        spec.server_auth = true;
        one.certificate = vtpm_certificate(spec, &vtpm_root()).der();
    };
    auto with_unknown_demand = [](AkCase& one) {
        crypto::CertificateSpec spec = vtpm_spec("ak", false);
        spec.extensions = {{"1.2.3.4", {5, 0}, true}};
        one.certificate = vtpm_certificate(spec, &vtpm_root()).der();
    };
    return {
        {"AK-CERT-FORM",
         {certificate([](AkCase& one) { one.certificate.push_back(1); }), kUnreadable}},
        {"AK-CERT-KEY",
         {certificate([](AkCase& one) { one.ak = vtpm_key("other").public_key(); })}},
        {"AK-CERT-CHAIN", {certificate(unrooted), kUnreadable}},
        {"AK-CERT-CA", {certificate(too_deep), "AK-CERT-PATH"}},
        {"AK-CERT-PATH", {certificate(with_unknown_demand)}},
        {"AK-CERT-DATES",
         {certificate([](AkCase& one) { one.now = at("2027-01-01T00:00:01Z"); }), "AK-CERT-PATH"}},
        {"AK-CERT-USAGE", {certificate(for_servers)}},
    };
}

RemovalTable quote_rows() {
    auto no_values = [] {
        Checks checks;
        return outcome(Unchecked("TPM-NOT-CHECKED", {}).leave_out("pcrs", checks));
    };
    const Bytes sound = Quote{}.attest;
    const Bytes certify = Certified{}.attest;
    return {
        {"TPM-QUOTE-FORM", {quote([](Quote& q) { q.attest.pop_back(); }), kUnreadable}},
        {"TPM-QUOTE-MAGIC",
         {quote([&](Quote& q) { q.sign(with_byte(sound, 0, 0)); }), "TPM-QUOTE-SELECTION"}},
        {"TPM-QUOTE-TYPE", {quote([&](Quote& q) { q.sign(certify); }), "TPM-QUOTE-SELECTION"}},
        {"TPM-QUOTE-SIGNATURE", {quote([](Quote& q) { q.signature[0] ^= 1; })}},
        {"TPM-QUOTE-NONCE", {quote([](Quote& q) { q.expected.nonce = to_bytes("fresh"); })}},
        {"TPM-QUOTE-COUNTERS", {quote([](Quote& q) { q.expected.reset_count = 9; })}},
        {"TPM-QUOTE-SELECTION", {quote([](Quote& q) { q.expected.required_pcrs.push_back(8); })}},
        {"TPM-NOT-CHECKED", {no_values}},
        {"TPM-QUOTE-DIGEST", {quote([](Quote& q) { q.pcrs.values[7][0] ^= 1; })}},
    };
}

// bound_to judges a certification that answers `answered`, for a request with this key.
Judge bound_to(const crypto::PublicKey& sent, const std::string& answered) {
    TpmPublic held = key_area(kEphemeralAttributes, first_pcrs(8));
    Bytes attest = make_certify(held, as_bytes(answered));
    KeyCertification certification{held.area, attest, ak_sign(attest)};
    return [=] {
        Checks checks;
        return outcome(
            verify_certified_key(certification, sent, as_bytes("asked"), ak_signing_key(), checks));
    };
}

RemovalTable key_rows() {
    auto ak_attributes = [] {
        Checks checks;
        Bytes area =
            rsa_area(ak_key().public_key(), kAkAttributes ^ kTpmaRestricted, {}, kTpmAlgRsassa);
        return outcome(check_ak_attributes(MUST(TpmPublic::parse_area(area)), checks));
    };
    const Bytes sound = Certified{}.attest;
    const Bytes quoted = Quote{}.attest;
    const TpmPublic open = key_area(kEphemeralAttributes | kTpmaUserWithAuth, first_pcrs(8));
    return {
        {"AK-ATTRIBUTES", {ak_attributes}},
        {"TPM-CERTIFY-FORM", {certified([](Certified& c) { c.attest.pop_back(); }), kUnreadable}},
        {"TPM-CERTIFY-MAGIC",
         {certified([&](Certified& c) { c.sign(with_byte(sound, 0, 0)); }), "TPM-CERTIFY-NAME"}},
        {"TPM-CERTIFY-TYPE",
         {certified([&](Certified& c) { c.sign(quoted); }), "TPM-CERTIFY-NAME"}},
        {"TPM-CERTIFY-SIGNATURE", {certified([](Certified& c) { c.signature[0] ^= 1; })}},
        {"TPM-CERTIFY-NAME", {certified([](Certified& c) { c.key.area.back() ^= 2; })}},
        {"TPM-CERTIFY-NONCE", {bound_to(ephemeral_key().public_key(), "before")}},
        {"TPM-CERTIFY-KEY", {bound_to(ak_key().public_key(), "asked")}},
        {"TPM-KEY-ATTRIBUTES", {holds(open)}},
        {"TPM-KEY-POLICY", {holds(key_area(kEphemeralAttributes, first_pcrs(7)))}},
    };
}

TEST(TpmCheckRemoval, EveryCheckDecidesACase) {
    RemovalTable table = certificate_rows();
    table.merge(quote_rows());
    table.merge(key_rows());
    expect_every_check_decides("evidence/tpm", table);
}

}  // namespace
}  // namespace vouchsafe::evidence
