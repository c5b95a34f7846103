#include "vouchsafe/vault/hsm/pkcs11_error.h"

#include <algorithm>

namespace vouchsafe::vault {

namespace {

struct Pkcs11Row {
    CK_RV rv;
    std::string_view name;
    Code code;
    std::string_view remedy;
};

constexpr std::string_view kWrongPin =
    "the PIN is not this token's; correct it before the next start, as a token locks itself after "
    "some wrong ones";
constexpr std::string_view kLookAtToken =
    "look whether the HSM is there and well, and at the module's own log";
constexpr std::string_view kNotThisToken = "this token does not do that";
constexpr std::string_view kKeyGone = "the token does not have the key any more";

constexpr Pkcs11Row kPkcs11Rows[] = {
    {CKR_PIN_INCORRECT, "CKR_PIN_INCORRECT", Code::forbidden, kWrongPin},
    {CKR_PIN_INVALID, "CKR_PIN_INVALID", Code::forbidden, kWrongPin},
    {CKR_PIN_LEN_RANGE, "CKR_PIN_LEN_RANGE", Code::forbidden, kWrongPin},
    {CKR_PIN_LOCKED, "CKR_PIN_LOCKED", Code::forbidden,
     "the token's PIN is locked: its security officer has to set it anew"},
    {CKR_PIN_EXPIRED, "CKR_PIN_EXPIRED", Code::forbidden,
     "the PIN has expired: set another one with the maker's tool"},
    {CKR_USER_PIN_NOT_INITIALIZED, "CKR_USER_PIN_NOT_INITIALIZED", Code::forbidden,
     "the token has no user PIN yet: its security officer has to set one"},
    {CKR_USER_ANOTHER_ALREADY_LOGGED_IN, "CKR_USER_ANOTHER_ALREADY_LOGGED_IN", Code::conflict,
     "somebody else is logged in to the token within this process"},
    {CKR_USER_NOT_LOGGED_IN, "CKR_USER_NOT_LOGGED_IN", Code::unavailable, kLookAtToken},
    {CKR_TOKEN_NOT_PRESENT, "CKR_TOKEN_NOT_PRESENT", Code::unavailable, kLookAtToken},
    {CKR_TOKEN_NOT_RECOGNIZED, "CKR_TOKEN_NOT_RECOGNIZED", Code::unavailable, kLookAtToken},
    {CKR_SLOT_ID_INVALID, "CKR_SLOT_ID_INVALID", Code::unavailable, kLookAtToken},
    {CKR_DEVICE_REMOVED, "CKR_DEVICE_REMOVED", Code::unavailable, kLookAtToken},
    {CKR_DEVICE_ERROR, "CKR_DEVICE_ERROR", Code::unavailable, kLookAtToken},
    {CKR_DEVICE_MEMORY, "CKR_DEVICE_MEMORY", Code::unavailable,
     "the token is full: remove keys that nobody needs"},
    {CKR_HOST_MEMORY, "CKR_HOST_MEMORY", Code::unavailable, "the module found no memory"},
    {CKR_SESSION_COUNT, "CKR_SESSION_COUNT", Code::unavailable,
     "the token has no session left: lower the number of sessions of each service that uses it"},
    {CKR_SESSION_CLOSED, "CKR_SESSION_CLOSED", Code::unavailable, kLookAtToken},
    {CKR_SESSION_HANDLE_INVALID, "CKR_SESSION_HANDLE_INVALID", Code::unavailable, kLookAtToken},
    {CKR_CRYPTOKI_NOT_INITIALIZED, "CKR_CRYPTOKI_NOT_INITIALIZED", Code::unavailable,
     "something else in this process ended the module: restart the service"},
    {CKR_GENERAL_ERROR, "CKR_GENERAL_ERROR", Code::unavailable, kLookAtToken},
    {CKR_FUNCTION_FAILED, "CKR_FUNCTION_FAILED", Code::unavailable, kLookAtToken},
    {CKR_CANT_LOCK, "CKR_CANT_LOCK", Code::unsupported, "the module is not for several threads"},
    {CKR_SESSION_READ_ONLY, "CKR_SESSION_READ_ONLY", Code::forbidden,
     "the token cannot be written"},
    {CKR_TOKEN_WRITE_PROTECTED, "CKR_TOKEN_WRITE_PROTECTED", Code::forbidden,
     "the token cannot be written"},
    {CKR_KEY_UNEXTRACTABLE, "CKR_KEY_UNEXTRACTABLE", Code::forbidden,
     "the key was made to stay in the token"},
    {CKR_KEY_NOT_WRAPPABLE, "CKR_KEY_NOT_WRAPPABLE", Code::forbidden,
     "the key was made to stay in the token"},
    {CKR_ACTION_PROHIBITED, "CKR_ACTION_PROHIBITED", Code::forbidden, "the token forbids that"},
    {CKR_KEY_HANDLE_INVALID, "CKR_KEY_HANDLE_INVALID", Code::not_found, kKeyGone},
    {CKR_OBJECT_HANDLE_INVALID, "CKR_OBJECT_HANDLE_INVALID", Code::not_found, kKeyGone},
    {CKR_KEY_TYPE_INCONSISTENT, "CKR_KEY_TYPE_INCONSISTENT", Code::invalid,
     "the key is of another type"},
    {CKR_KEY_FUNCTION_NOT_PERMITTED, "CKR_KEY_FUNCTION_NOT_PERMITTED", Code::invalid,
     "the key was not made for that"},
    {CKR_DATA_INVALID, "CKR_DATA_INVALID", Code::invalid, "the input is none for this algorithm"},
    {CKR_DATA_LEN_RANGE, "CKR_DATA_LEN_RANGE", Code::invalid,
     "the input has a size that the algorithm does not take"},
    {CKR_KEY_SIZE_RANGE, "CKR_KEY_SIZE_RANGE", Code::unsupported, kNotThisToken},
    {CKR_CURVE_NOT_SUPPORTED, "CKR_CURVE_NOT_SUPPORTED", Code::unsupported, kNotThisToken},
    {CKR_DOMAIN_PARAMS_INVALID, "CKR_DOMAIN_PARAMS_INVALID", Code::unsupported, kNotThisToken},
    {CKR_MECHANISM_INVALID, "CKR_MECHANISM_INVALID", Code::unsupported, kNotThisToken},
    {CKR_MECHANISM_PARAM_INVALID, "CKR_MECHANISM_PARAM_INVALID", Code::unsupported, kNotThisToken},
    {CKR_ARGUMENTS_BAD, "CKR_ARGUMENTS_BAD", Code::unsupported, kNotThisToken},
    {CKR_FUNCTION_NOT_SUPPORTED, "CKR_FUNCTION_NOT_SUPPORTED", Code::unsupported, kNotThisToken},
    {CKR_ATTRIBUTE_TYPE_INVALID, "CKR_ATTRIBUTE_TYPE_INVALID", Code::unsupported, kNotThisToken},
    {CKR_ATTRIBUTE_VALUE_INVALID, "CKR_ATTRIBUTE_VALUE_INVALID", Code::unsupported, kNotThisToken},
    {CKR_ATTRIBUTE_READ_ONLY, "CKR_ATTRIBUTE_READ_ONLY", Code::unsupported, kNotThisToken},
    {CKR_TEMPLATE_INCONSISTENT, "CKR_TEMPLATE_INCONSISTENT", Code::unsupported, kNotThisToken},
    {CKR_TEMPLATE_INCOMPLETE, "CKR_TEMPLATE_INCOMPLETE", Code::unsupported, kNotThisToken},
};

template <typename... Values>
bool is_one_of(CK_RV rv, Values... values) {
    return ((rv == values) || ...);
}

}  // namespace

tl::unexpected<Error> fail_pkcs11(CK_RV rv, std::string_view what) {
    const auto* row = std::ranges::find(kPkcs11Rows, rv, &Pkcs11Row::rv);
    if (row != std::end(kPkcs11Rows)) {
        return fail(row->code, "{}: {} ({})", what, row->remedy, row->name);
    }
    return fail(Code::unavailable, "{}: the PKCS#11 module failed with 0x{:x}; {}", what, rv,
                kLookAtToken);
}

bool session_lost(CK_RV rv) {
    return lost_before_start(rv) ||
           is_one_of(rv, CKR_SESSION_CLOSED, CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT);
}

bool lost_before_start(CK_RV rv) {
    return is_one_of(rv, CKR_SESSION_HANDLE_INVALID, CKR_USER_NOT_LOGGED_IN, CKR_OPERATION_ACTIVE);
}

bool handle_stale(CK_RV rv) {
    return is_one_of(rv, CKR_KEY_HANDLE_INVALID, CKR_OBJECT_HANDLE_INVALID);
}

bool is_bad_data(CK_RV rv) {
    return is_one_of(rv, CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_DATA_INVALID,
                     CKR_DATA_LEN_RANGE, CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE,
                     CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED);
}

bool refuses_mechanism(CK_RV rv) {
    return is_one_of(rv, CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD,
                     CKR_FUNCTION_NOT_SUPPORTED);
}

}  // namespace vouchsafe::vault
