#include "vouchsafe/seal/sealed_reader.h"

#include <algorithm>
#include <condition_variable>
#include <system_error>
#include <thread>

#include "vouchsafe/seal/session.h"

namespace vouchsafe::seal {

namespace {

// Slot is room for one run on its way from a thread to the caller.
struct Slot {
    bool ready = false;
    SecretPages plain;
    size_t size = 0;
    uint64_t frames = 0;  // of the whole file, if the final frame is here; else 0
    std::optional<Error> error;
};

}  // namespace

// Slots form a ring: run n goes into slot n % slots. Threads claim runs in order, each when its
// slot was given back, and the caller takes the slots in order. With one thread there is one slot,
// and the caller fills it itself.
struct SealedReader::State {
    State(Source& from, OpenSession opened, Checks& record)
        : source(from), session(std::move(opened)), checks(record), feed(source, session) {}
    ~State();

    Result<void> prepare();
    void work();
    bool wait_for_room();
    Result<void> fill(Slot& slot, SealedFeed::Item item, FrameCipher& cipher,
                      MutableByteView scratch);
    Result<Slot*> fill_own_slot();
    Result<Slot*> wait_for_slot();
    Result<std::optional<ByteView>> next();

    Source& source;
    OpenSession session;
    Checks& checks;
    SealedFeed feed;

    std::vector<Slot> slots;
    std::vector<std::thread> threads;
    std::mutex claiming;  // held while a run is claimed; taken before `mutex`
    uint64_t next_claim = 0;
    std::mutex mutex;  // for the four below and Slot::ready
    std::condition_variable changed;
    uint64_t given_back = 0;  // slots the caller is done with
    bool all_claimed = false;
    bool stopping = false;

    // The caller's side.
    Slot* current = nullptr;
    uint64_t taken = 0;
    std::optional<FrameCipher> own_cipher;
    Bytes own_scratch;
    bool ended = false;
    std::optional<Error> failure;
};

SealedReader::State::~State() {
    {
        std::lock_guard lock(mutex);
        stopping = true;
    }
    changed.notify_all();
    for (std::thread& thread : threads) thread.join();
}

Result<void> SealedReader::State::prepare() {
    unsigned wanted = session.threads();
    slots.resize(wanted == 1 ? 1 : wanted + 1);
    for (Slot& slot : slots) {
        slot.plain = TRY(SecretPages::allocate(plain_limit(session.header().frame_length)));
    }
    for (unsigned i = 0; wanted > 1 && i < wanted; ++i) {
        try {
            threads.emplace_back([this] { work(); });
        } catch (const std::system_error&) {
            break;  // those that exist do the work, or else the caller
        }
    }
    if (threads.empty()) {
        own_cipher = TRY(session.cipher());
        own_scratch.resize(feed.scratch_size());
    }
    return {};
}

// Waits until the slot of the next run is free. False if there is nothing to do any more.
bool SealedReader::State::wait_for_room() {
    std::unique_lock lock(mutex);
    changed.wait(lock,
                 [&] { return stopping || all_claimed || next_claim < given_back + slots.size(); });
    return !stopping && !all_claimed;
}

void SealedReader::State::work() {
    Bytes scratch(feed.scratch_size());
    auto cipher = session.cipher();
    while (true) {
        std::unique_lock claim(claiming);
        if (!wait_for_room()) return;
        Slot& slot = slots[next_claim++ % slots.size()];
        auto item = feed.claim(scratch);
        if (!item || (*item)->run.final_size) {
            std::lock_guard lock(mutex);
            all_claimed = true;
        }
        claim.unlock();
        Result<void> filled = !item     ? Result<void>(fail(item.error()))
                              : !cipher ? Result<void>(fail(cipher.error()))
                                        : fill(slot, **item, *cipher, scratch);
        if (!filled) slot.error = std::move(filled.error());
        {
            std::lock_guard lock(mutex);
            slot.ready = true;
        }
        changed.notify_all();
    }
}

Result<void> SealedReader::State::fill(Slot& slot, SealedFeed::Item item, FrameCipher& cipher,
                                       MutableByteView scratch) {
    TRY(feed.load(item, scratch));
    slot.size = item.run.plain_size();
    slot.frames = item.run.final_size ? item.run.first_frame + item.run.regular : 0;
    return cipher.open(item.run, item.sealed, slot.plain.expose_mutable().first(slot.size));
}

Result<Slot*> SealedReader::State::fill_own_slot() {
    auto item = TRY(feed.claim(own_scratch));
    TRY(fill(slots[0], *item, *own_cipher, own_scratch));
    return &slots[0];
}

// Gives back the slot of the last call and waits for the next.
Result<Slot*> SealedReader::State::wait_for_slot() {
    Slot& slot = slots[taken % slots.size()];
    std::unique_lock lock(mutex);
    if (current != nullptr) current->ready = false;
    given_back = taken++;
    changed.notify_all();
    changed.wait(lock, [&] { return slot.ready; });
    if (slot.error) return fail(std::move(*slot.error));
    return &slot;
}

Result<std::optional<ByteView>> SealedReader::State::next() {
    if (slots.empty()) TRY(prepare());
    if (current != nullptr && current->frames != 0) {
        ended = true;
        add_success(checks, current->frames);
        return std::optional<ByteView>();
    }
    current = TRY(threads.empty() ? fill_own_slot() : wait_for_slot());
    return std::optional<ByteView>(current->plain.expose().first(current->size));
}

SealedReader::SealedReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
SealedReader::SealedReader(SealedReader&&) noexcept = default;
SealedReader& SealedReader::operator=(SealedReader&&) noexcept = default;
SealedReader::~SealedReader() = default;

Result<SealedReader> SealedReader::open(Source& source, const UnwrapKey& unwrap,
                                        const OpenOptions& options, Checks& checks) {
    OpenSession session = TRY(OpenSession::start(source, unwrap, options, checks));
    return SealedReader(std::make_unique<State>(source, std::move(session), checks));
}

const SealedHeader& SealedReader::header() const {
    return state_->session.header();
}

std::optional<uint64_t> SealedReader::plaintext_size() const {
    const auto& layout = state_->session.layout();
    if (!layout) return std::nullopt;
    return layout->whole().plain_size();
}

size_t SealedReader::chunk_limit() const {
    return plain_limit(header().frame_length);
}
unsigned SealedReader::thread_count() const {
    return state_->session.threads();
}

Result<std::optional<ByteView>> SealedReader::next_chunk() {
    State& state = *state_;
    if (state.failure) return fail(*state.failure);
    if (state.ended) return std::optional<ByteView>();
    auto chunk = state.next();
    if (chunk) return chunk;
    auto refusal = add_refusal(state.checks, std::move(chunk.error()));
    state.failure = refusal.value();
    return refusal;
}

Result<void> SealedReader::visit_chunks(const ChunkVisitor& visit,
                                        const std::function<void(uint64_t)>& on_failure) {
    State& state = *state_;
    std::vector<SecretPages> plain(state.session.threads());
    return visit_runs(
        state.source, state.session,
        [&](const Run& run, ByteView sealed, FrameCipher& cipher, unsigned worker) -> Result<void> {
            if (plain[worker].size() == 0) {
                plain[worker] = TRY(SecretPages::allocate(chunk_limit()));
            }
            MutableByteView out = plain[worker].expose_mutable().first(run.plain_size());
            TRY(cipher.open(run, sealed, out));
            return visit(run.number, out, worker);
        },
        on_failure, state.checks);
}

}  // namespace vouchsafe::seal
