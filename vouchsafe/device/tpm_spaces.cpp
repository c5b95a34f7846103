#include "vouchsafe/device/tpm_spaces.h"

#include <sys/eventfd.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vouchsafe::device {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFactsLimit = std::chrono::seconds(10);
constexpr milliseconds kLastFlushLimit{500};
constexpr TpmRc kNoSuchHandle = TPM2_RC_HANDLE + TPM2_RC_P + TPM2_RC_1;  // as TPM2_FlushContext
constexpr uint32_t kAllHandles = TPM2_MAX_CAP_HANDLES;

// A context that the TPM will never load again: it was reset, or the hierarchy's proof changed.
bool is_dead_context(TpmRc rc) {
    constexpr TpmRc kFormatOneError = TPM2_RC_FMT1 | 0x3F;
    TpmRc error = rc & kFormatOneError;
    return error == TPM2_RC_HANDLE || error == TPM2_RC_INTEGRITY;
}

// As Linux names them; a TPM counts from 0x80000000, so that one is never taken for the other.
uint32_t free_name(const std::map<uint32_t, Bytes>& objects) {
    uint32_t name = TPM2_HR_TRANSIENT | TPM2_HR_HANDLE_MASK;
    while (objects.contains(name)) --name;
    return name;
}

}  // namespace

// ---- one command --------------------------------------------------------------------------------

// Turn is what a space has in the TPM while one of its commands runs.
class TpmSpaces::Turn {
  public:
    Turn(TpmSpaces& manager, TpmSpace& space, TpmConversation& tpm)
        : manager_(manager), space_(space), tpm_(tpm) {}

    // prepare makes room: nothing is in the TPM afterwards, and no saved session is too old.
    Result<void> prepare() {
        manager_.flush_closed(tpm_);
        // Of a command that was cut off before what it made was saved.
        std::erase_if(space_.objects_, [](const auto& object) { return object.second.empty(); });
        if (!manager_.clean_) {
            TRY(remove_all(TPM2_HT_TRANSIENT));
            TRY(remove_all(TPM2_HT_LOADED_SESSION));
        }
        manager_.clean_ = false;
        return renew_old_sessions();
    }

    Result<Bytes> run(const TpmCommand& command, ByteView bytes) {
        Bytes sent = to_bytes(bytes);
        for (const TpmHandle& handle : command.handles) {
            TpmRc rc = TRY(load(handle, sent));
            if (rc == TPM2_RC_SUCCESS) continue;
            TRY(put_back());
            return refuse_tpm_command(rc);
        }
        TpmAnswer answer = TRY(ask_until_done(sent, command.brings_handle));
        if (answer.ok() && command.saves) TRY(take_away(*command.saves));
        if (answer.handle) TRY(adopt(answer));
        TRY(put_back());
        return std::move(answer.bytes);
    }

    void finish() { manager_.clean_ = true; }

  private:
    struct Loaded {
        uint32_t name;    // of the space
        uint32_t handle;  // of the TPM
        bool save;
    };

    Result<void> remove_all(uint32_t kind) {
        uint32_t first = kind << TPM2_HR_SHIFT;
        TpmAnswer list = TRY(tpm_.ask(tpm_get_capability(TPM2_CAP_HANDLES, first, kAllHandles)));
        for (uint32_t handle : TRY(parse_tpm_handle_list(list))) {
            TRY(tpm_.ask(tpm_flush_context(handle)));
            manager_.forget_session(handle);
        }
        return {};
    }

    Result<void> renew_old_sessions() {
        auto& sessions = manager_.sessions_;
        while (!sessions.empty() &&
               sessions.front().saved_at + manager_.limits_.session_age <= manager_.saves_) {
            Session& oldest = sessions.front();
            if (oldest.holder == nullptr) {
                TRY(flush_session(oldest.handle));
                continue;
            }
            TRY(tpm_.ask(tpm_context_load(oldest.context)));
            TRY(save_session(oldest));
        }
        return {};
    }

    // As Linux does: a TPM that asks for the command again (libtpms does so at the first use of a
    // key under protection against guessing) is given it again, after pauses that double.
    Result<TpmAnswer> ask_until_done(ByteView command, bool brings_handle) {
        constexpr milliseconds kLongestPause = std::chrono::seconds(1);
        TpmAnswer answer = TRY(tpm_.ask(command, brings_handle));
        for (milliseconds pause{1}; answer.rc == TPM2_RC_RETRY && pause <= kLongestPause;
             pause *= 2) {
            TRY(tpm_.pause(pause));
            answer = TRY(tpm_.ask(command, brings_handle));
        }
        return answer;
    }

    // load puts what the command names into the TPM, and the TPM's name for it into the command.
    Result<TpmRc> load(const TpmHandle& named, Bytes& command) {
        auto same = [&](const Loaded& loaded) { return loaded.name == named.value; };
        auto found = std::find_if(loaded_.begin(), loaded_.end(), same);
        if (found == loaded_.end()) {
            const Bytes* context = context_of(named.value);
            if (context == nullptr) return named.missing;
            bool save = is_session(named.value) || changes_when_used(*context);
            TpmAnswer answer = TRY(tpm_.ask(tpm_context_load(*context), true));
            if (is_dead_context(answer.rc)) forget(named.value);
            if (is_dead_context(answer.rc)) return named.missing;
            if (!answer.ok()) return answer.rc;
            found = loaded_.insert(loaded_.end(), {named.value, *answer.handle, save});
        }
        put_handle(command, named.offset, found->handle);
        return TPM2_RC_SUCCESS;
    }

    // adopt gives the space what the answer brings.
    Result<void> adopt(TpmAnswer& answer) {
        switch (tpm_handle_kind(*answer.handle)) {
            case TpmHandleKind::object:
                return adopt_object(answer);
            case TpmHandleKind::session:
                return adopt_session(answer);
            case TpmHandleKind::other:
                break;
        }
        return {};
    }

    Result<void> adopt_object(TpmAnswer& answer) {
        if (space_.objects_.size() >= manager_.limits_.objects) {
            return give_up(answer, TPM2_RC_OBJECT_MEMORY);
        }
        uint32_t name = free_name(space_.objects_);
        space_.objects_[name];
        loaded_.push_back({name, *answer.handle, true});
        put_handle(answer.bytes, kTpmHeaderSize, name);
        return {};
    }

    Result<void> adopt_session(TpmAnswer& answer) {
        auto& sessions = manager_.sessions_;
        auto held = std::count_if(sessions.begin(), sessions.end(),
                                  [&](const Session& s) { return s.holder == &space_; });
        if (static_cast<size_t>(held) >= manager_.limits_.sessions) {
            return give_up(answer, TPM2_RC_SESSION_HANDLES);
        }
        // One that was taken away comes back, or, after a reset of the TPM, the name does.
        manager_.forget_session(*answer.handle);
        Session session;
        session.handle = *answer.handle;
        session.holder = &space_;
        sessions.push_back(std::move(session));
        loaded_.push_back({*answer.handle, *answer.handle, true});
        return {};
    }

    Result<void> give_up(TpmAnswer& answer, TpmRc rc) {
        TRY(flush_session(*answer.handle));
        answer.bytes = refuse_tpm_command(rc);
        return {};
    }

    // take_away: the client saved a session itself, and may bring it back, in whatever space.
    Result<void> take_away(uint32_t handle) {
        Session* session = manager_.find_session(handle);
        if (session == nullptr) return {};
        session->holder = nullptr;
        session->saver = &space_;
        session->context.clear();
        note_save(*session);
        std::erase_if(loaded_, [&](const Loaded& loaded) { return loaded.name == handle; });
        auto& sessions = manager_.sessions_;
        auto taken = [](const Session& s) { return s.holder == nullptr; };
        if (static_cast<size_t>(std::count_if(sessions.begin(), sessions.end(), taken)) <=
            manager_.limits_.taken_sessions) {
            return {};
        }
        return flush_session(std::find_if(sessions.begin(), sessions.end(), taken)->handle);
    }

    Result<void> put_back() {
        for (const Loaded& loaded : loaded_) {
            if (is_session(loaded.name)) {
                Session* session = manager_.find_session(loaded.name);
                if (session != nullptr) TRY(save_session(*session));
            } else {
                TRY(put_object(loaded));
            }
        }
        return {};
    }

    // What the TPM does not know any more was flushed by the command.
    Result<void> put_object(const Loaded& loaded) {
        if (loaded.save) {
            TpmAnswer saved = TRY(tpm_.ask(tpm_context_save(loaded.handle)));
            if (saved.ok()) space_.objects_[loaded.name] = to_bytes(saved.body());
            if (!saved.ok()) space_.objects_.erase(loaded.name);
        }
        TpmAnswer flushed = TRY(tpm_.ask(tpm_flush_context(loaded.handle)));
        if (!flushed.ok()) space_.objects_.erase(loaded.name);
        return {};
    }

    Result<void> save_session(Session& session) {
        TpmAnswer saved = TRY(tpm_.ask(tpm_context_save(session.handle)));
        if (!saved.ok()) return flush_session(session.handle);
        session.context = to_bytes(saved.body());
        note_save(session);
        return {};
    }

    void note_save(Session& session) {
        session.saved_at = ++manager_.saves_;
        auto& sessions = manager_.sessions_;
        auto here = std::find_if(sessions.begin(), sessions.end(),
                                 [&](const Session& s) { return &s == &session; });
        sessions.splice(sessions.end(), sessions, here);
    }

    Result<void> flush_session(uint32_t handle) {
        manager_.forget_session(handle);
        TRY(tpm_.ask(tpm_flush_context(handle)));
        return {};
    }

    static bool is_session(uint32_t handle) {
        return tpm_handle_kind(handle) == TpmHandleKind::session;
    }

    const Bytes* context_of(uint32_t name) const {
        if (is_session(name)) {
            Session* session = manager_.find_session(name);
            return session != nullptr && session->holder == &space_ ? &session->context : nullptr;
        }
        auto found = space_.objects_.find(name);
        return found == space_.objects_.end() ? nullptr : &found->second;
    }

    void forget(uint32_t name) {
        manager_.forget_session(name);
        space_.objects_.erase(name);
    }

    TpmSpaces& manager_;
    TpmSpace& space_;
    TpmConversation& tpm_;
    std::vector<Loaded> loaded_;
};

// ---- the manager --------------------------------------------------------------------------------

TpmSpaces::TpmSpaces(Path socket, const TpmSpaceLimits& limits, UniqueFd stop)
    : socket_(std::move(socket)), limits_(limits), stop_(std::move(stop)) {}

Result<std::unique_ptr<TpmSpaces>> TpmSpaces::open(const Path& socket,
                                                   const TpmSpaceLimits& limits) {
    UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!stop) return fail(Code::io, "eventfd: {}", std::strerror(errno));
    std::unique_ptr<TpmSpaces> out(new TpmSpaces(socket, limits, std::move(stop)));
    TRY(out->ask_for_facts());
    return out;
}

TpmSpaces::~TpmSpaces() {
    if (closed_.empty()) return;
    auto tpm = converse(kLastFlushLimit, -1);
    if (tpm) flush_closed(*tpm);
}

void TpmSpaces::stop() {
    uint64_t one = 1;
    // It fails only if it was stopped 2^64 times before.
    [[maybe_unused]] ssize_t ignored = ::write(stop_.get(), &one, sizeof(one));
}

Result<TpmConversation> TpmSpaces::converse(milliseconds limit, int stop) const {
    return TpmConversation::begin(socket_, stop, TpmConversation::Clock::now() + limit);
}

Result<void> TpmSpaces::ask_for_facts() {
    TpmConversation tpm = TRY(converse(kFactsLimit, stop_.get()));
    TpmAnswer commands =
        TRY(tpm.ask(tpm_get_capability(TPM2_CAP_COMMANDS, TPM2_CC_FIRST, TPM2_MAX_CAP_CC)));
    table_ = TRY(TpmCommandTable::parse(commands.bytes));
    if (limits_.session_age != 0) return {};
    TpmAnswer gap =
        TRY(tpm.ask(tpm_get_capability(TPM2_CAP_TPM_PROPERTIES, TPM2_PT_CONTEXT_GAP_MAX, 1)));
    limits_.session_age = std::max(1U, TRY(parse_tpm_property(gap, TPM2_PT_CONTEXT_GAP_MAX)) / 2);
    return {};
}

Result<Bytes> TpmSpaces::transmit(TpmSpace& space, ByteView bytes) {
    auto command = parse_tpm_command(bytes, table_);
    if (!command) return refuse_tpm_command(command.error());
    std::lock_guard lock(mutex_);
    if (command->query) return answer_query(space, *command->query);
    if (command->flushes) return flush(space, *command->flushes);
    TpmConversation tpm = TRY(converse(limits_.command, stop_.get()));
    Turn turn(*this, space, tpm);
    TRY(turn.prepare());
    Bytes answer = TRY(turn.run(*command, bytes));
    turn.finish();
    return answer;
}

Bytes TpmSpaces::answer_query(const TpmSpace& space, const TpmHandleQuery& query) const {
    std::vector<uint32_t> out;
    uint32_t kind = query.first >> TPM2_HR_SHIFT;
    if (kind == TPM2_HT_TRANSIENT) {
        for (const auto& [name, context] : space.objects_) out.push_back(name);
    }
    for (const Session& session : sessions_) {
        if (kind == TPM2_HT_LOADED_SESSION && session.holder == &space) {
            out.push_back(session.handle);
        }
        if (kind == TPM2_HT_SAVED_SESSION && session.saver == &space) {
            out.push_back(session.handle);
        }
    }
    return answer_tpm_query(out, query);
}

Result<Bytes> TpmSpaces::flush(TpmSpace& space, uint32_t handle) {
    if (space.objects_.erase(handle) == 1) return tpm_success();
    const Session* session = find_session(handle);
    bool own = session != nullptr && (session->holder == &space || session->saver == &space);
    if (!own) return refuse_tpm_command(kNoSuchHandle);
    TpmConversation tpm = TRY(converse(limits_.command, stop_.get()));
    TpmAnswer answer = TRY(tpm.ask(tpm_flush_context(handle)));
    forget_session(handle);
    return std::move(answer.bytes);
}

void TpmSpaces::close(TpmSpace& space) {
    std::lock_guard lock(mutex_);
    for (Session& session : sessions_) {
        if (session.saver == &space) session.saver = nullptr;
        if (session.holder == &space) closed_.push_back(session.handle);
    }
    sessions_.remove_if([&](const Session& session) { return session.holder == &space; });
    if (closed_.empty()) return;
    auto tpm = converse(limits_.command, stop_.get());
    if (tpm) flush_closed(*tpm);
}

// What cannot be flushed now is flushed by the next command, or at the end.
void TpmSpaces::flush_closed(TpmConversation& tpm) {
    while (!closed_.empty() && tpm.ask(tpm_flush_context(closed_.back()))) closed_.pop_back();
}

TpmSpaces::Session* TpmSpaces::find_session(uint32_t handle) {
    auto found = std::find_if(sessions_.begin(), sessions_.end(),
                              [&](const Session& session) { return session.handle == handle; });
    return found == sessions_.end() ? nullptr : &*found;
}

void TpmSpaces::forget_session(uint32_t handle) {
    sessions_.remove_if([&](const Session& session) { return session.handle == handle; });
}

}  // namespace vouchsafe::device
