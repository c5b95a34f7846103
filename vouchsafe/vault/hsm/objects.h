// Objects of a token: templates, attributes, and keys that live as long as one operation. Private
// to vault/hsm/.
#pragma once

#include <deque>

#include "vouchsafe/vault/hsm/token.h"

namespace vouchsafe::vault {

// Template collects attributes. Bytes are borrowed: they outlive it.
class Template {
  public:
    Template() = default;
    Template(Template&&) = default;
    Template& operator=(Template&&) = delete;
    Template& flag(CK_ATTRIBUTE_TYPE type, bool value);
    Template& number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
    Template& bytes(CK_ATTRIBUTE_TYPE type, ByteView value);
    CK_ATTRIBUTE* data() { return attributes_.data(); }
    CK_ULONG size() const { return attributes_.size(); }

  private:
    std::vector<CK_ATTRIBUTE> attributes_;
    std::deque<CK_ULONG> numbers_;  // a deque, for its elements stay where they are
};

// read_bytes and read_number read one attribute. One over 64 KiB, or a number of another size, is
// CKR_ATTRIBUTE_VALUE_INVALID.
CK_RV read_bytes(const CK_FUNCTION_LIST& api, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                 CK_ATTRIBUTE_TYPE type, Bytes& out);
CK_RV read_number(const CK_FUNCTION_LIST& api, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                  CK_ATTRIBUTE_TYPE type, CK_ULONG& out);

// SessionObject is removed from the token with this object, if it was made.
class SessionObject {
  public:
    SessionObject(const CK_FUNCTION_LIST& api, CK_SESSION_HANDLE session)
        : api_(api), session_(session) {}
    ~SessionObject();
    SessionObject(const SessionObject&) = delete;
    SessionObject& operator=(const SessionObject&) = delete;

    // create_secret puts a secret key that we have into the token, for this session alone.
    // `purposes` are flags such as CKA_WRAP; extractable only where its value shall be read again.
    CK_RV create_secret(CK_KEY_TYPE type, ByteView value,
                        std::initializer_list<CK_ATTRIBUTE_TYPE> purposes, bool extractable);
    // adopt takes over an object that another call made.
    void adopt(CK_OBJECT_HANDLE handle) { handle_ = handle; }
    CK_OBJECT_HANDLE handle() const { return handle_; }

  private:
    const CK_FUNCTION_LIST& api_;
    const CK_SESSION_HANDLE session_;
    CK_OBJECT_HANDLE handle_ = 0;  // 0 is no object's (CK_INVALID_HANDLE)
};

// ec_parameters is CKA_EC_PARAMS of a curve: its object identifier in DER. Empty for others.
ByteView ec_parameters(crypto::Curve curve);
std::optional<crypto::Curve> curve_of_parameters(ByteView parameters);

// key_class is the class of the half that is secret.
CK_OBJECT_CLASS key_class(HsmKeyKind kind);
CK_KEY_TYPE key_type(HsmKeyKind kind);
CK_BYTE* mutable_bytes(ByteView bytes);  // for PKCS#11, which has no const

}  // namespace vouchsafe::vault
