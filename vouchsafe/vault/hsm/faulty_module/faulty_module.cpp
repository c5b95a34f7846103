// A PKCS#11 module for tests alone: SoftHSM, but for what a test wants to go wrong, and for what it
// wants to go right that SoftHSM does wrong. Tests find the functions faulty_* by dlsym.
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "vouchsafe/crypto/der.h"
#include "vouchsafe/crypto/wrap.h"

namespace {

using vouchsafe::Bytes;
using vouchsafe::ByteView;

struct Fault {
    CK_RV rv = CKR_OK;
    int times = 0;
    bool after = false;  // the call takes effect, and fails nevertheless
};

std::mutex mutex;
std::map<std::string, Fault> faults;
std::set<CK_MECHANISM_TYPE> hidden;
bool wraps_exactly = false;
bool wraps_wrongly = false;
std::map<CK_OBJECT_HANDLE, Bytes> values;  // of secret keys that were put in
CK_FUNCTION_LIST* real = nullptr;
CK_FUNCTION_LIST ours;

template <typename Call>
CK_RV pass(const char* name, Call call) {
    Fault fault;
    {
        std::lock_guard lock(mutex);
        auto found = faults.find(name);
        if (found != faults.end() && found->second.times > 0) {
            fault = found->second;
            --found->second.times;
        }
    }
    if (fault.times == 0) return call();
    if (fault.after) call();
    return fault.rv;
}

CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
    return pass("C_GetTokenInfo", [&] { return real->C_GetTokenInfo(slot, info); });
}

CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR* pin, CK_ULONG size) {
    return pass("C_Login", [&] { return real->C_Login(session, user, pin, size); });
}

CK_RV generate_key_pair(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_ATTRIBUTE* open,
                        CK_ULONG open_count, CK_ATTRIBUTE* secret, CK_ULONG secret_count,
                        CK_OBJECT_HANDLE* open_key, CK_OBJECT_HANDLE* secret_key) {
    return pass("C_GenerateKeyPair", [&] {
        return real->C_GenerateKeyPair(session, mechanism, open, open_count, secret, secret_count,
                                       open_key, secret_key);
    });
}

CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
    return pass("C_SignInit", [&] { return real->C_SignInit(session, mechanism, key); });
}

CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG data_size, CK_BYTE* out,
           CK_ULONG* size) {
    return pass("C_Sign", [&] { return real->C_Sign(session, data, data_size, out, size); });
}

CK_RV decrypt(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG data_size, CK_BYTE* out,
              CK_ULONG* size) {
    return pass("C_Decrypt", [&] { return real->C_Decrypt(session, data, data_size, out, size); });
}

CK_RV create_object(CK_SESSION_HANDLE session, CK_ATTRIBUTE* attributes, CK_ULONG count,
                    CK_OBJECT_HANDLE* object) {
    CK_OBJECT_CLASS kind = CKO_SECRET_KEY;
    Bytes value;
    for (CK_ULONG i = 0; i < count; ++i) {
        const auto* bytes = static_cast<const uint8_t*>(attributes[i].pValue);
        if (attributes[i].type == CKA_CLASS) kind = *static_cast<CK_ULONG*>(attributes[i].pValue);
        if (attributes[i].type == CKA_VALUE) value.assign(bytes, bytes + attributes[i].ulValueLen);
    }
    const CK_RV rv = pass(kind == CKO_PUBLIC_KEY ? "C_CreateObject public" : "C_CreateObject",
                          [&] { return real->C_CreateObject(session, attributes, count, object); });
    std::lock_guard lock(mutex);
    if (rv == CKR_OK && !value.empty()) values[*object] = value;
    return rv;
}

// unfilled removes the zeros that SoftHSM counts as part of a key.
Bytes unfilled(CK_OBJECT_HANDLE key, const Bytes& filled) {
    if (auto known = values.find(key); known != values.end()) return known->second;
    const auto whole = MUST(vouchsafe::crypto::parse_der_element(filled)).whole;
    return vouchsafe::to_bytes(whole);
}

CK_RV wrap_key(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE kek,
               CK_OBJECT_HANDLE key, CK_BYTE* out, CK_ULONG* size) {
    const CK_RV rv = real->C_WrapKey(session, mechanism, kek, key, out, size);
    std::lock_guard lock(mutex);
    if (rv != CKR_OK || out == nullptr) return rv;
    if (wraps_wrongly) out[0] ^= 1;
    if (!wraps_exactly || !values.contains(kek)) return rv;
    const auto filled = MUST(vouchsafe::crypto::aes_kwp_unwrap(values[kek], {out, *size}));
    const Bytes right = MUST(vouchsafe::crypto::aes_kwp_wrap(
        values[kek], unfilled(key, vouchsafe::to_bytes(filled.expose()))));
    std::copy(right.begin(), right.end(), out);
    *size = right.size();
    return rv;
}

CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void* application, CK_NOTIFY notify,
                   CK_SESSION_HANDLE* session) {
    return pass("C_OpenSession",
                [&] { return real->C_OpenSession(slot, flags, application, notify, session); });
}

CK_RV get_mechanism_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE* list, CK_ULONG* count) {
    CK_ULONG size = 0;
    CK_RV rv = real->C_GetMechanismList(slot, nullptr, &size);
    if (rv != CKR_OK) return rv;
    std::vector<CK_MECHANISM_TYPE> all(size);
    rv = real->C_GetMechanismList(slot, all.data(), &size);
    if (rv != CKR_OK) return rv;
    std::lock_guard lock(mutex);
    std::erase_if(all, [](CK_MECHANISM_TYPE type) { return hidden.contains(type); });
    *count = all.size();
    if (list != nullptr) std::copy(all.begin(), all.end(), list);
    return CKR_OK;
}

}  // namespace

extern "C" {

void faulty_fail(const char* function, CK_RV rv, int times, bool after) {
    std::lock_guard lock(mutex);
    faults[function] = {rv, times, after};
}

void faulty_hide(CK_MECHANISM_TYPE mechanism) {
    std::lock_guard lock(mutex);
    hidden.insert(mechanism);
}

void faulty_wrap(bool exactly, bool wrongly) {
    std::lock_guard lock(mutex);
    wraps_exactly = exactly;
    wraps_wrongly = wrongly;
}

void faulty_reset() {
    std::lock_guard lock(mutex);
    wraps_exactly = wraps_wrongly = false;
    values.clear();
    faults.clear();
    hidden.clear();
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
    void* library = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return CKR_LIBRARY_LOAD_FAILED;
    auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
    if (get == nullptr || get(&real) != CKR_OK) return CKR_LIBRARY_LOAD_FAILED;
    ours = *real;
    ours.C_GetTokenInfo = get_token_info;
    ours.C_Login = login;
    ours.C_GenerateKeyPair = generate_key_pair;
    ours.C_SignInit = sign_init;
    ours.C_Sign = sign;
    ours.C_Decrypt = decrypt;
    ours.C_CreateObject = create_object;
    ours.C_WrapKey = wrap_key;
    ours.C_OpenSession = open_session;
    ours.C_GetMechanismList = get_mechanism_list;
    *list = &ours;
    return CKR_OK;
}
}
