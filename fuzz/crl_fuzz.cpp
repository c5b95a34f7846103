// Revocation lists, and elements of DER. Oracles: what parses has one form only, and every reader
// copes with it; a list that Intel's root is said to have signed is one of the recorded ones; a
// value that is read from DER is written back as the same bytes.
#include <algorithm>
#include <set>

#include "fuzz/recorded.h"
#include "vouchsafe/crypto/crl.h"
#include "vouchsafe/crypto/der.h"
#include "vouchsafe/evidence/anchors/anchors.h"

using namespace vouchsafe;
using namespace vouchsafe::fuzz;
using crypto::Crl;

namespace {

// The part of a list that is signed: a signature by ECDSA has a second form.
Bytes signed_part(ByteView der) {
    const ByteView list = MUST(crypto::parse_der_element(der)).content;
    return to_bytes(MUST(crypto::parse_der_element(list)).whole);
}

void check_signed(const Crl& crl) {
    static const std::set<Bytes> kGenuine = {
        signed_part(recorded("tdx/collateral/root-2023.crl.der")),
        signed_part(recorded("tdx/collateral/root-2026.crl.der")),
    };
    const crypto::Certificate& root = *evidence::vendor_anchors().intel;
    if (crl.verify_signed_by(root)) require(kGenuine.contains(signed_part(crl.der())));
    if (auto revoked = crl.revokes(root); revoked && *revoked) require(crl.entries() > 0);
}

void check_list(ByteView bytes) {
    const auto crl = Crl::parse_any(bytes);
    if (!crl) {
        require(crl.error().code == Code::invalid);
        return;
    }
    Bytes der = crl->der();
    require(MUST(Crl::parse_any(der)).entries() == crl->entries());
    require(crl->entries() <= der.size());
    (void)crl->issuer_der();
    (void)crl->this_update();
    (void)crl->next_update();
    check_signed(*crl);
    der.push_back(0);
    require(!Crl::parse_any(der));
}

// The recorded list, with the input instead of some of its bytes: its first byte says of which.
void check_changed(ByteView bytes) {
    static const Bytes kGenuine = recorded("tdx/collateral/root-2026.crl.der");
    if (bytes.empty()) return;
    Bytes changed = kGenuine;
    const size_t offset = bytes[0];
    const size_t count = std::min(bytes.size() - 1, changed.size() - offset);
    std::copy_n(bytes.begin() + 1, count, changed.begin() + static_cast<ptrdiff_t>(offset));
    check_list(changed);
}

void check_element(ByteView bytes) {
    const auto element = crypto::parse_der_element(bytes);
    if (!element) return;
    require(equal(element->whole, bytes.first(element->whole.size())));
    require(element->whole.size() - element->content.size() <= 6);
    require(element->whole.empty() || element->tag == bytes[0]);
}

void check_values(ByteView bytes) {
    if (auto value = crypto::parse_der_integer(bytes)) {
        require(equal(crypto::encode_der_integer(*value), bytes));
    }
    if (auto value = crypto::parse_der_octet_string(bytes)) {
        require(equal(crypto::encode_der_octet_string(*value), bytes));
    }
    if (auto value = crypto::parse_der_ia5_string(bytes)) {
        require(equal(crypto::encode_der_ia5_string(*value), bytes));
    }
    if (crypto::parse_der_enumerated(bytes)) require(bytes.size() <= 11);
    if (auto oid = crypto::parse_der_oid(bytes)) require(oid->find('.') != oid->npos);
    if (auto pairs = crypto::parse_der_named_values(bytes)) {
        size_t size = 0;
        for (const crypto::DerNamedValue& pair : *pairs) size += pair.value.size();
        require(size <= bytes.size());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const ByteView bytes(data, size);
    check_list(bytes);
    check_changed(bytes);
    check_element(bytes);
    check_values(bytes);
    return 0;
}
