// A token of a PKCS#11 module, logged in: its sessions, what it can do, and where its objects are.
// Private to vault/hsm/.
//
// A session serves one thread at a time, so there is a bounded pool of them, and one more that does
// nothing but keep the login, which ends with the last session. Sessions get lost: somebody resets
// the HSM, or a connection to it breaks. Then another one is opened, with a new login where needed.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "vouchsafe/base/secret.h"
#include "vouchsafe/vault/hsm/hsm.h"
#include "vouchsafe/vault/hsm/pkcs11_module.h"

namespace vouchsafe::vault {

// Retry says what to do when a session was lost on the way: what has no effect, or the same one
// twice, is done again; what makes something only if it cannot have happened yet.
enum class Retry { always, before_start };

// WrapForm is how a token's CKM_AES_KEY_WRAP_PAD wraps what is not whole semiblocks of 8 bytes: as
// RFC 5649 says, or like SoftHSM 2.6, which fills it up with zeros first and counts these as part
// of the key. What it unwraps is right in both.
enum class WrapForm { exact, zeros_counted };

// Token is thread-safe.
class Token {
  public:
    // open gives what this process has open already, if it has; Code::forbidden if the PIN is
    // another one then; Code::not_found after some tries. See Hsm::open.
    static Result<std::shared_ptr<Token>> open(const HsmSettings& settings, SharedPin pin);
    ~Token();
    Token(const Token&) = delete;
    Token& operator=(const Token&) = delete;

    const CK_FUNCTION_LIST& api() const { return module_->api(); }
    const std::string& label() const { return label_; }
    bool offers(CK_MECHANISM_TYPE mechanism) const { return mechanisms_.contains(mechanism); }

    // try_run calls `act` with a session that is logged in, and returns what it returned. `act` may
    // run twice. Code::unavailable if no session becomes free in ten seconds; errors of a login.
    using Act = std::function<CK_RV(CK_SESSION_HANDLE)>;
    Result<CK_RV> try_run(Retry retry, const Act& act);
    // run is try_run where everything but CKR_OK is an error.
    Result<void> run(Retry retry, std::string_view what, const Act& act);

    // find_object gives the handle of the object with this class and CKA_ID, or none; within `act`
    // of run. What was found is remembered until a session is lost.
    CK_RV find_object(CK_SESSION_HANDLE session, CK_OBJECT_CLASS object_class, const Bytes& id,
                      std::optional<CK_OBJECT_HANDLE>& found);
    void forget_object(const Bytes& id);

    // wrap_form tries it once, with a key that is none. Code::unsupported without
    // CKM_AES_KEY_WRAP_PAD, or if it is neither.
    Result<WrapForm> wrap_form();

  private:
    struct Slot {
        CK_SLOT_ID id;
        CK_TOKEN_INFO info;
    };
    Token(std::unique_ptr<Pkcs11Module> module, std::string label, SharedPin pin)
        : module_(std::move(module)), label_(std::move(label)), pin_(std::move(pin)) {}
    static Result<std::shared_ptr<Token>> open_new(const HsmSettings& settings, SharedPin pin);
    Result<Slot> find_slot() const;  // with some patience
    Result<Slot> look_for_slot() const;
    Result<void> read_mechanisms(CK_SLOT_ID slot);
    Result<CK_SESSION_HANDLE> open_session();
    Result<void> log_in(CK_SESSION_HANDLE session);
    Result<CK_SESSION_HANDLE> take_session();
    void give_back(CK_SESSION_HANDLE session);
    void drop_lost(CK_SESSION_HANDLE session);
    bool is_logged_in(CK_SESSION_HANDLE session) const;

    const std::unique_ptr<Pkcs11Module> module_;
    const std::string label_;
    const SharedPin pin_;
    std::set<CK_MECHANISM_TYPE> mechanisms_;
    size_t limit_ = 1;  // of sessions in the pool

    std::mutex form_mutex_;  // holds the next one
    std::optional<WrapForm> form_;

    std::mutex login_mutex_;  // holds the next three
    bool logged_in_before_ = false;
    std::optional<CK_SESSION_HANDLE> anchor_;
    std::optional<Error> refused_;  // a PIN that was refused once is not tried again

    std::mutex pool_mutex_;  // holds the rest
    std::condition_variable returned_;
    std::vector<CK_SESSION_HANDLE> idle_;
    size_t open_ = 0;
    std::map<std::pair<CK_OBJECT_CLASS, Bytes>, CK_OBJECT_HANDLE> objects_;
    uint64_t forgotten_ = 0;  // how often something was taken out of objects_
};

}  // namespace vouchsafe::vault
