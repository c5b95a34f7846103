#include "vouchsafe/seal/seal.h"

#include <algorithm>

#include "vouchsafe/base/parallel.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/seal/first_error.h"
#include "vouchsafe/seal/frame.h"
#include "vouchsafe/seal/key_derivation.h"

namespace vouchsafe::seal {

namespace {

// PlainFeed hands out the runs of a plaintext in order, as SealedFeed does those of a sealed file.
class PlainFeed {
  public:
    struct Item {
        Run run;
        ByteView plain;
    };

    PlainFeed(Source& source, uint32_t frame_length, std::optional<Layout> layout)
        : source_(source), frame_length_(frame_length), layout_(layout) {}

    // One byte more than a run tells whether a pipe has ended.
    size_t scratch_size() const { return source_.in_memory() ? 0 : plain_limit(frame_length_) + 1; }

    Result<std::optional<Item>> claim(MutableByteView scratch) {
        std::lock_guard lock(mutex_);
        if (done_) return std::optional<Item>();
        if (!layout_) return claim_unknown(scratch);
        Item item{layout_->run(next_++), {}};
        done_ = item.run.final_size.has_value();
        return std::optional<Item>(item);
    }

    Result<void> load(Item& item, MutableByteView scratch) {
        if (!layout_) return {};
        size_t size = item.run.plain_size();
        item.plain = TRY(source_.read_at(item.run.plain_offset(), size, scratch));
        if (item.plain.size() == size) return {};
        return fail(Code::io, "the input became shorter while it was read");
    }

  private:
    Result<std::optional<Item>> claim_unknown(MutableByteView scratch) {
        done_ = true;  // unless this goes well
        uint64_t each = frames_per_run(frame_length_);
        Run run{next_, next_ * each + 1, each, std::nullopt, frame_length_};
        if (run.first_frame + each > kMaxFrames) {
            return fail(Code::invalid, "the input needs more than {} frames; choose longer frames",
                        kMaxFrames);
        }
        size_t want = plain_limit(frame_length_) + 1;
        ByteView plain = TRY(source_.read_at(run.plain_offset(), want, scratch.first(want)));
        done_ = plain.size() < want;
        if (done_) {
            Layout rest = TRY(layout_of_plaintext(plain.size(), frame_length_));
            run.regular = rest.regular;
            run.final_size = rest.final_size;
        }
        ++next_;
        return std::optional<Item>(Item{run, plain.first(run.plain_size())});
    }

    Source& source_;
    uint32_t frame_length_;
    std::optional<Layout> layout_;
    std::mutex mutex_;
    uint64_t next_ = 0;
    bool done_ = false;
};

// RunSink takes the sealed bytes of a run: in memory `room` gives the place to seal to, for a file
// it is scratch and `put` writes it.
struct RunSink {
    std::function<MutableByteView(const Run&, Bytes& scratch)> room;
    std::function<Result<void>(const Run&, ByteView sealed)> put;
};

}  // namespace

struct Sealer::State {
    SecretBytes key;  // the derived one
    SealedHeader header;
    unsigned threads = 1;

    Result<void> seal_frames(Source& source, std::optional<Layout> layout, const RunSink& sink);
    Result<void> work(PlainFeed& feed, const RunSink& sink, FirstError& failure, uint64_t& number);
};

Result<MessageKeys> MessageKeys::create(const std::vector<Recipient>& recipients) {
    MessageKeys out;
    out.data_key_ = crypto::random_secret(kDataKeySize);
    crypto::fill_random(out.message_id_);
    for (const Recipient& recipient : recipients) {
        Bytes wrapped = TRY(recipient.wrap(out.data_key_.expose()));
        out.keys_.push_back({recipient.provider, recipient.info, std::move(wrapped)});
    }
    return out;
}

MessageKeys MessageKeys::fixed(SecretBytes data_key, ByteView message_id,
                               std::vector<DataKey> keys) {
    MessageKeys out;
    out.data_key_ = std::move(data_key);
    std::copy_n(message_id.begin(), std::min(message_id.size(), kMessageIdSize),
                out.message_id_.begin());
    out.keys_ = std::move(keys);
    return out;
}

Sealer::Sealer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Sealer::Sealer(Sealer&&) noexcept = default;
Sealer& Sealer::operator=(Sealer&&) noexcept = default;
Sealer::~Sealer() = default;

Result<Sealer> Sealer::create(MessageKeys keys, const SealOptions& options) {
    auto state = std::make_unique<State>();
    state->header.message_id = keys.message_id_;
    state->header.context = options.context;
    state->header.keys = std::move(keys.keys_);
    state->header.frame_length = options.frame_length;
    ByteView data_key = keys.data_key_.expose();
    SecretBytes commitment = derive_commitment(data_key, keys.message_id_);
    std::ranges::copy(commitment.expose(), state->header.commitment.begin());
    state->header.body = TRY(encode_header_body(state->header));
    state->key = derive_key(data_key, keys.message_id_);
    FrameCipher cipher = TRY(FrameCipher::create(state->key.expose(), state->header.message_id));
    state->header.tag = cipher.seal_header(state->header.body);
    size_t fit = std::max<size_t>(1, (size_t{256} << 20) / sealed_limit(options.frame_length));
    unsigned wanted = options.threads == 0 ? core_count() : options.threads;
    state->threads = static_cast<unsigned>(std::min<size_t>(fit, wanted));
    return Sealer(std::move(state));
}

uint64_t Sealer::sealed_size(uint64_t plaintext_size) const {
    auto layout = layout_of_plaintext(plaintext_size, state_->header.frame_length);
    return state_->header.size() + (layout ? layout->whole().sealed_size() : 0);
}

Result<void> Sealer::State::work(PlainFeed& feed, const RunSink& sink, FirstError& failure,
                                 uint64_t& number) {
    FrameCipher cipher = TRY(FrameCipher::create(key.expose(), header.message_id));
    SecretPages plain = TRY(SecretPages::allocate(feed.scratch_size()));
    Bytes sealed;
    while (!failure.failed()) {
        number = UINT64_MAX;  // a failure here is later than all runs so far
        auto item = TRY(feed.claim(plain.expose_mutable()));
        if (!item) break;
        number = item->run.number;
        TRY(feed.load(*item, plain.expose_mutable()));
        MutableByteView out = sink.room(item->run, sealed);
        cipher.seal(item->run, item->plain, out);
        TRY(sink.put(item->run, out));
    }
    return {};
}

Result<void> Sealer::State::seal_frames(Source& source, std::optional<Layout> layout,
                                        const RunSink& sink) {
    PlainFeed feed(source, header.frame_length, layout);
    uint64_t useful = layout ? layout->runs() : threads;
    FirstError failure;
    run_workers(static_cast<unsigned>(std::min<uint64_t>(threads, useful)), [&](unsigned) {
        uint64_t number = UINT64_MAX;
        auto done = work(feed, sink, failure, number);
        if (!done) failure.note(number, std::move(done.error()));
    });
    if (auto error = failure.take()) return fail(std::move(*error));
    return {};
}

Result<void> Sealer::seal_into(ByteView plaintext, MutableByteView out) && {
    const SealedHeader& header = state_->header;
    Layout layout = TRY(layout_of_plaintext(plaintext.size(), header.frame_length));
    if (out.size() != sealed_size(plaintext.size())) {
        return fail(Code::invalid, "{} bytes are needed for the sealed file",
                    sealed_size(plaintext.size()));
    }
    std::ranges::copy(header.body, out.begin());
    std::ranges::copy(header.tag, out.begin() + static_cast<ptrdiff_t>(header.body.size()));
    MutableByteView body = out.subspan(header.size());
    MemorySource source(plaintext);
    RunSink sink{[&](const Run& run, Bytes&) {
                     return body.subspan(run.sealed_offset(), run.sealed_size());
                 },
                 [](const Run&, ByteView) { return Result<void>(); }};
    return state_->seal_frames(source, layout, sink);
}

Result<void> Sealer::seal_to_file(Source& in, OutputFile& out) && {
    const SealedHeader& header = state_->header;
    std::optional<Layout> layout;
    if (in.size()) layout = TRY(layout_of_plaintext(*in.size(), header.frame_length));
    Bytes head = header.body;
    append(head, header.tag);
    TRY(out.write_at(head, 0));
    RunSink sink{[](const Run& run, Bytes& scratch) {
                     scratch.resize(run.sealed_size());
                     return MutableByteView(scratch);
                 },
                 [&](const Run& run, ByteView sealed) {
                     return out.write_at(sealed, header.size() + run.sealed_offset());
                 }};
    return state_->seal_frames(in, layout, sink);
}

Result<void> seal_file(Source& in, OutputFile& out, const std::vector<Recipient>& recipients,
                       const SealOptions& options) {
    Sealer sealer = TRY(Sealer::create(TRY(MessageKeys::create(recipients)), options));
    return std::move(sealer).seal_to_file(in, out);
}

Result<Bytes> seal_bytes(ByteView plaintext, const std::vector<Recipient>& recipients,
                         const SealOptions& options) {
    Sealer sealer = TRY(Sealer::create(TRY(MessageKeys::create(recipients)), options));
    Bytes out(sealer.sealed_size(plaintext.size()));
    TRY(std::move(sealer).seal_into(plaintext, out));
    return out;
}

}  // namespace vouchsafe::seal
