#include "vouchsafe/vault/hsm/objects.h"

namespace vouchsafe::vault {

namespace {

constexpr CK_ULONG kMaxAttribute = 64 << 10;
CK_BBOOL pkcs11_true = CK_TRUE;
CK_BBOOL pkcs11_false = CK_FALSE;

// OBJECT IDENTIFIERs in DER (RFC 5480, 2.1.1.1).
constexpr uint8_t kOidP256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr uint8_t kOidP384[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
constexpr uint8_t kOidP521[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};
constexpr crypto::Curve kHsmCurves[] = {crypto::Curve::p256, crypto::Curve::p384,
                                        crypto::Curve::p521};

}  // namespace

CK_BYTE* mutable_bytes(ByteView bytes) {
    static const uint8_t nothing = 0;  // modules take a null pointer for a missing argument
    return const_cast<CK_BYTE*>(bytes.empty() ? &nothing : bytes.data());
}

Template& Template::flag(CK_ATTRIBUTE_TYPE type, bool value) {
    attributes_.push_back({type, value ? &pkcs11_true : &pkcs11_false, sizeof(CK_BBOOL)});
    return *this;
}

Template& Template::number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
    numbers_.push_back(value);
    attributes_.push_back({type, &numbers_.back(), sizeof(CK_ULONG)});
    return *this;
}

Template& Template::bytes(CK_ATTRIBUTE_TYPE type, ByteView value) {
    attributes_.push_back({type, mutable_bytes(value), value.size()});
    return *this;
}

CK_RV read_bytes(const CK_FUNCTION_LIST& api, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                 CK_ATTRIBUTE_TYPE type, Bytes& out) {
    CK_ATTRIBUTE attribute{type, nullptr, 0};
    CK_RV rv = api.C_GetAttributeValue(session, object, &attribute, 1);
    if (rv != CKR_OK) return rv;
    if (attribute.ulValueLen > kMaxAttribute) return CKR_ATTRIBUTE_VALUE_INVALID;
    out.resize(attribute.ulValueLen);
    attribute.pValue = mutable_bytes(out);
    rv = api.C_GetAttributeValue(session, object, &attribute, 1);
    if (rv == CKR_OK && attribute.ulValueLen > out.size()) return CKR_ATTRIBUTE_VALUE_INVALID;
    if (rv == CKR_OK) out.resize(attribute.ulValueLen);
    return rv;
}

CK_RV read_number(const CK_FUNCTION_LIST& api, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                  CK_ATTRIBUTE_TYPE type, CK_ULONG& out) {
    CK_ATTRIBUTE attribute{type, &out, sizeof(out)};
    const CK_RV rv = api.C_GetAttributeValue(session, object, &attribute, 1);
    if (rv == CKR_OK && attribute.ulValueLen != sizeof(out)) return CKR_ATTRIBUTE_VALUE_INVALID;
    return rv;
}

SessionObject::~SessionObject() {
    if (handle_ != 0) api_.C_DestroyObject(session_, handle_);
}

CK_RV SessionObject::create_secret(CK_KEY_TYPE type, ByteView value,
                                   std::initializer_list<CK_ATTRIBUTE_TYPE> purposes,
                                   bool extractable) {
    Template attributes;
    attributes.number(CKA_CLASS, CKO_SECRET_KEY)
        .number(CKA_KEY_TYPE, type)
        .flag(CKA_TOKEN, false)
        .flag(CKA_PRIVATE, true)
        .flag(CKA_SENSITIVE, true)
        .flag(CKA_EXTRACTABLE, extractable)
        .bytes(CKA_VALUE, value);
    for (CK_ATTRIBUTE_TYPE purpose : purposes) attributes.flag(purpose, true);
    return api_.C_CreateObject(session_, attributes.data(), attributes.size(), &handle_);
}

ByteView ec_parameters(crypto::Curve curve) {
    switch (curve) {
        case crypto::Curve::p256:
            return kOidP256;
        case crypto::Curve::p384:
            return kOidP384;
        case crypto::Curve::p521:
            return kOidP521;
        default:
            return {};
    }
}

std::optional<crypto::Curve> curve_of_parameters(ByteView parameters) {
    for (crypto::Curve curve : kHsmCurves) {
        if (equal(ec_parameters(curve), parameters)) return curve;
    }
    return std::nullopt;
}

CK_OBJECT_CLASS key_class(HsmKeyKind kind) {
    return kind == HsmKeyKind::aes ? CKO_SECRET_KEY : CKO_PRIVATE_KEY;
}

CK_KEY_TYPE key_type(HsmKeyKind kind) {
    switch (kind) {
        case HsmKeyKind::rsa:
            return CKK_RSA;
        case HsmKeyKind::ec:
            return CKK_EC;
        case HsmKeyKind::aes:
            break;
    }
    return CKK_AES;
}

}  // namespace vouchsafe::vault
