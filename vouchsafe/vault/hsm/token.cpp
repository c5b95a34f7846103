#include "vouchsafe/vault/hsm/token.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "vouchsafe/vault/hsm/pkcs11_error.h"

namespace vouchsafe::vault {

namespace {

constexpr auto kLongestWait = std::chrono::seconds(10);
constexpr size_t kMostObjects = 4096;  // remembered handles
constexpr size_t kMostSessions = 256;
constexpr CK_ULONG kMostSlots = 4096;
constexpr CK_ULONG kMostMechanisms = 4096;
// SoftHSM does not show a token while another process writes its file, and one in a network may be
// away for a moment.
constexpr int kLooks = 10;
constexpr auto kBetweenLooks = std::chrono::milliseconds(20);
constexpr int kOpenAttempts = 3;

template <typename T>
bool is_absent(const Result<T>& found) {
    return !found && found.error().code == Code::not_found;
}

// Two of one token within a process would share its login, and so the second would not need the
// PIN: there is one.
struct OpenTokens {
    std::mutex mutex;
    std::map<std::pair<std::string, std::string>, std::weak_ptr<Token>> by_name;
};
OpenTokens& open_tokens() {
    static OpenTokens& all = *new OpenTokens;
    return all;
}

// Labels are padded with blanks to 32 bytes (PKCS#11, 3.2).
std::string_view token_label(const CK_TOKEN_INFO& info) {
    const std::string_view text(reinterpret_cast<const char*>(info.label), sizeof(info.label));
    const size_t end = text.find_last_not_of(std::string_view(" \0", 2));
    return end == std::string_view::npos ? "" : text.substr(0, end + 1);
}

// session_limit leaves one of what the token allows for the login.
size_t session_limit(size_t wanted, const CK_TOKEN_INFO& info) {
    size_t most = kMostSessions;
    for (CK_ULONG limit : {info.ulMaxSessionCount, info.ulMaxRwSessionCount}) {
        if (limit == CK_UNAVAILABLE_INFORMATION || limit == CK_EFFECTIVELY_INFINITE) continue;
        most = std::min<size_t>(most, limit > 1 ? limit - 1 : 1);
    }
    return std::clamp<size_t>(wanted, 1, most);
}

}  // namespace

Result<std::shared_ptr<Token>> Token::open(const HsmSettings& settings, SharedPin pin) {
    if (settings.token.empty()) return fail(Code::invalid, "the token's label is empty");
    if (pin == nullptr || pin->empty()) {
        return fail(Code::invalid, "the PIN of token '{}' is empty", settings.token);
    }
    OpenTokens& all = open_tokens();
    std::lock_guard lock(all.mutex);
    auto& entry = all.by_name[{settings.module.string(), settings.token}];
    if (auto token = entry.lock()) {
        if (equal_ct(token->pin_->expose(), pin->expose())) return token;
        return fail(Code::forbidden, "token '{}' is open in this process with another PIN",
                    settings.token);
    }
    auto token = open_new(settings, pin);
    // A module may know at its initialisation alone which tokens there are.
    for (int again = 1; again < kOpenAttempts && is_absent(token); ++again) {
        token = open_new(settings, pin);
    }
    if (token) entry = *token;
    return token;
}

Result<std::shared_ptr<Token>> Token::open_new(const HsmSettings& settings, SharedPin pin) {
    auto module = TRY(Pkcs11Module::use(settings.module));
    std::shared_ptr<Token> token(new Token(std::move(module), settings.token, std::move(pin)));
    const Slot slot = TRY(token->find_slot());
    if ((slot.info.flags & CKF_USER_PIN_LOCKED) != 0) return fail_pkcs11(CKR_PIN_LOCKED, "login");
    TRY(token->read_mechanisms(slot.id));
    token->limit_ = session_limit(settings.sessions, slot.info);
    const CK_SESSION_HANDLE first = TRY(token->open_session());
    {
        std::lock_guard pool(token->pool_mutex_);
        token->idle_.push_back(first);
        token->open_ = 1;
    }
    return token;
}

Token::~Token() {
    for (CK_SESSION_HANDLE session : idle_) api().C_CloseSession(session);
    if (anchor_) api().C_CloseSession(*anchor_);
}

Result<Token::Slot> Token::find_slot() const {
    auto found = look_for_slot();
    for (int again = 1; again < kLooks && is_absent(found); ++again) {
        std::this_thread::sleep_for(kBetweenLooks);
        found = look_for_slot();
    }
    return found;
}

Result<Token::Slot> Token::look_for_slot() const {
    CK_ULONG count = 0;
    if (CK_RV rv = api().C_GetSlotList(CK_TRUE, nullptr, &count); rv != CKR_OK) {
        return fail_pkcs11(rv, "listing the HSM's tokens");
    }
    if (count > kMostSlots) return fail(Code::unsupported, "the module has {} slots", count);
    std::vector<CK_SLOT_ID> slots(count);
    if (CK_RV rv = api().C_GetSlotList(CK_TRUE, slots.data(), &count); rv != CKR_OK) {
        return fail_pkcs11(rv, "listing the HSM's tokens");
    }
    slots.resize(std::min<size_t>(slots.size(), count));
    std::optional<Slot> found;
    for (CK_SLOT_ID id : slots) {
        CK_TOKEN_INFO info{};
        if (api().C_GetTokenInfo(id, &info) != CKR_OK || token_label(info) != label_) continue;
        if ((info.flags & CKF_TOKEN_INITIALIZED) == 0) continue;
        if (found) {
            return fail(Code::conflict, "the module has two tokens labelled '{}': relabel one",
                        label_);
        }
        found = Slot{id, info};
    }
    if (found) return *found;
    return fail(Code::not_found,
                "the module has no initialized token labelled '{}' among its {}: look at the "
                "label, at the module's configuration and whether this user may read it",
                label_, slots.size());
}

Result<void> Token::read_mechanisms(CK_SLOT_ID slot) {
    CK_ULONG count = 0;
    CK_RV rv = api().C_GetMechanismList(slot, nullptr, &count);
    if (rv != CKR_OK) return fail_pkcs11(rv, "asking what the token can do");
    if (count > kMostMechanisms) return fail(Code::unsupported, "the token names too many of them");
    std::vector<CK_MECHANISM_TYPE> list(count);
    rv = api().C_GetMechanismList(slot, list.data(), &count);
    if (rv != CKR_OK) return fail_pkcs11(rv, "asking what the token can do");
    list.resize(std::min<size_t>(list.size(), count));
    mechanisms_.insert(list.begin(), list.end());
    return {};
}

bool Token::is_logged_in(CK_SESSION_HANDLE session) const {
    CK_SESSION_INFO info{};
    return api().C_GetSessionInfo(session, &info) == CKR_OK && info.state == CKS_RW_USER_FUNCTIONS;
}

// The slot is looked up each time: after a reset a token may be in another one, and the PIN must
// not be shown to a token of another name.
Result<CK_SESSION_HANDLE> Token::open_session() {
    const Slot slot = TRY(find_slot());
    CK_SESSION_HANDLE session = 0;
    const CK_RV rv = api().C_OpenSession(slot.id, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr,
                                         nullptr, &session);
    if (rv != CKR_OK) return fail_pkcs11(rv, "opening a session with the HSM");
    auto logged_in = log_in(session);
    if (logged_in) return session;
    api().C_CloseSession(session);
    return fail(std::move(logged_in.error()));
}

Result<void> Token::log_in(CK_SESSION_HANDLE session) {
    std::lock_guard lock(login_mutex_);
    if (refused_) return fail(*refused_);
    if (is_logged_in(session)) {
        if (logged_in_before_) return {};
        // Somebody else of this process is logged in, and our PIN would not be looked at.
        api().C_Logout(session);
    }
    auto* pin = const_cast<CK_UTF8CHAR*>(pin_->expose().data());
    const CK_RV rv = api().C_Login(session, CKU_USER, pin, pin_->size());
    if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN) {
        auto failure = fail_pkcs11(rv, fmt::format("login to token '{}'", label_));
        if (failure.value().code == Code::forbidden) refused_ = failure.value();
        return failure;
    }
    logged_in_before_ = true;
    anchor_.reset();  // the one that was is gone with its login
    const Slot slot = TRY(find_slot());
    CK_SESSION_HANDLE anchor = 0;
    if (api().C_OpenSession(slot.id, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr,
                            &anchor) == CKR_OK) {
        anchor_ = anchor;
    }
    return {};
}

Result<CK_SESSION_HANDLE> Token::take_session() {
    std::unique_lock lock(pool_mutex_);
    const bool free =
        returned_.wait_for(lock, kLongestWait, [&] { return !idle_.empty() || open_ < limit_; });
    if (!free) {
        return fail(Code::unavailable,
                    "all {} sessions with the HSM are busy: try again, or allow "
                    "more of them",
                    limit_);
    }
    if (!idle_.empty()) {
        const CK_SESSION_HANDLE session = idle_.back();
        idle_.pop_back();
        return session;
    }
    ++open_;
    lock.unlock();
    auto session = open_session();
    if (session) return session;
    lock.lock();
    --open_;
    returned_.notify_one();
    return session;
}

void Token::give_back(CK_SESSION_HANDLE session) {
    std::lock_guard lock(pool_mutex_);
    idle_.push_back(session);
    returned_.notify_one();
}

// drop_lost forgets a session and everything that may have gone with it.
void Token::drop_lost(CK_SESSION_HANDLE session) {
    std::lock_guard lock(pool_mutex_);
    std::vector<CK_SESSION_HANDLE> gone{session};
    const auto kept =
        std::ranges::partition(idle_, [&](CK_SESSION_HANDLE idle) { return is_logged_in(idle); });
    gone.insert(gone.end(), kept.begin(), kept.end());
    idle_.erase(kept.begin(), kept.end());
    for (CK_SESSION_HANDLE one : gone) {
        CK_SESSION_INFO info{};
        if (api().C_GetSessionInfo(one, &info) == CKR_OK) api().C_CloseSession(one);
    }
    open_ -= gone.size();
    objects_.clear();
    ++forgotten_;
    returned_.notify_all();
}

Result<CK_RV> Token::try_run(Retry retry, const Act& act) {
    for (bool again = false;; again = true) {
        const CK_SESSION_HANDLE session = TRY(take_session());
        const CK_RV rv = act(session);
        if (!session_lost(rv)) {
            give_back(session);
            return rv;
        }
        drop_lost(session);
        if (again || (retry == Retry::before_start && !lost_before_start(rv))) return rv;
    }
}

Result<void> Token::run(Retry retry, std::string_view what, const Act& act) {
    const CK_RV rv = TRY(try_run(retry, act));
    if (rv != CKR_OK) return fail_pkcs11(rv, what);
    return {};
}

CK_RV Token::find_object(CK_SESSION_HANDLE session, CK_OBJECT_CLASS object_class, const Bytes& id,
                         std::optional<CK_OBJECT_HANDLE>& found) {
    found.reset();
    const std::pair name{object_class, id};
    uint64_t forgotten = 0;
    {
        std::lock_guard lock(pool_mutex_);
        forgotten = forgotten_;
        if (auto known = objects_.find(name); known != objects_.end()) found = known->second;
    }
    if (found) return CKR_OK;
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE wanted[] = {
        {CKA_CLASS, &object_class, sizeof(object_class)},
        {CKA_TOKEN, &yes, sizeof(yes)},
        {CKA_ID, const_cast<uint8_t*>(id.data()), id.size()},
    };
    CK_RV rv = api().C_FindObjectsInit(session, wanted, std::size(wanted));
    if (rv != CKR_OK) return rv;
    CK_OBJECT_HANDLE handle = 0;
    CK_ULONG count = 0;
    rv = api().C_FindObjects(session, &handle, 1, &count);
    api().C_FindObjectsFinal(session);
    if (rv != CKR_OK || count == 0) return rv;
    found = handle;
    std::lock_guard lock(pool_mutex_);
    if (forgotten_ != forgotten) return CKR_OK;  // this may have been meant
    if (objects_.size() >= kMostObjects) objects_.clear();
    objects_[name] = handle;
    return CKR_OK;
}

void Token::forget_object(const Bytes& id) {
    std::lock_guard lock(pool_mutex_);
    std::erase_if(objects_, [&](const auto& object) { return object.first.second == id; });
    ++forgotten_;
}

}  // namespace vouchsafe::vault
