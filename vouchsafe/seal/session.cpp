#include "vouchsafe/seal/session.h"

#include <algorithm>

#include "vouchsafe/base/parallel.h"
#include "vouchsafe/seal/first_error.h"
#include "vouchsafe/seal/key_derivation.h"

namespace vouchsafe::seal {

namespace {

// Text from an unverified header, for people: printable ASCII, not too long.
std::string printable(std::string_view text) {
    std::string out;
    for (char c : text.substr(0, 200)) out += c >= 0x20 && c < 0x7f ? c : '?';
    return text.size() > 200 ? out + "..." : out;
}

// Asks for every data key in turn. What is not ours is passed over; if none can be unwrapped the
// first real error is told.
Result<SecretBytes> unwrap_any(const SealedHeader& header, const UnwrapKey& unwrap,
                               Checks& checks) {
    std::optional<Error> first;
    std::string wrapped_for;
    for (const DataKey& key : header.keys) {
        auto opened = unwrap(key.provider, key.info, key.wrapped);
        std::string name = fmt::format("{} {}", printable(key.provider), printable(key.info));
        if (opened) {
            TRY(checks.require(opened->size() == kDataKeySize, "SEAL-KEY", "data key",
                               fmt::format("{} bytes", kDataKeySize),
                               fmt::format("{} bytes", opened->size())));
            return opened;
        }
        if (opened.error().code != Code::not_found && !first) first = std::move(opened.error());
        wrapped_for += (wrapped_for.empty() ? "" : ", ") + name;
    }
    if (first) return fail(std::move(*first));
    return checks.refuse("SEAL-KEY", "data key", "wrapped for a key that is held here",
                         "wrapped for " + wrapped_for);
}

Result<void> check_context(const EncryptionContext& context, const EncryptionContext& required,
                           Checks& checks) {
    for (const auto& [name, value] : required) {
        auto found = context.find(name);
        bool same = found != context.end() && found->second == value;
        TRY(checks.require(same, "SEAL-CONTEXT", name, printable(value),
                           found == context.end() ? "absent" : printable(found->second)));
    }
    return {};
}

// Looks for the final frame where the size of the file puts it, so that a file that was cut or
// continued is refused before anything of it is used.
Result<void> check_end(Source& source, uint64_t body_offset, const Layout& layout, Checks& checks) {
    Run last = layout.run(layout.runs() - 1);
    uint64_t offset =
        body_offset + last.sealed_offset() + last.regular * (layout.frame_length + kFrameOverhead);
    std::array<uint8_t, kFinalHead> scratch;
    Reader head(TRY(source.read_at(offset, kFinalHead, scratch)), "final frame");
    uint32_t mark = TRY(head.u32_be("mark"));
    TRY(head.skip(kFrameHead, "number and nonce"));
    uint32_t size = TRY(head.u32_be("size"));
    if (mark == kFinalMark && size == layout.final_size) return {};
    return checks.refuse(
        "SEAL-TRUNCATED", "end of the file",
        fmt::format("the final frame with {} bytes", layout.final_size),
        mark == kFinalMark ? fmt::format("a final frame with {} bytes", size) : "no final frame");
}

// Long frames need much memory per thread: at most some 256 MiB together.
unsigned threads_for(unsigned wanted, uint32_t frame_length) {
    size_t fit = std::max<size_t>(1, (size_t{256} << 20) / sealed_limit(frame_length));
    return static_cast<unsigned>(std::min<size_t>(fit, wanted == 0 ? core_count() : wanted));
}

}  // namespace

Result<OpenSession> OpenSession::start(Source& source, const UnwrapKey& unwrap,
                                       const OpenOptions& options, Checks& checks) {
    OpenSession out;
    {
        Bytes scratch(source.in_memory() ? 0 : kMaxHeaderSize);
        ByteView head = TRY(source.read_at(0, kMaxHeaderSize, scratch));
        out.header_ = TRY(parse_header(head, checks));
    }
    const SealedHeader& header = out.header_;
    {
        SecretBytes data_key = TRY(unwrap_any(header, unwrap, checks));
        SecretBytes commitment = derive_commitment(data_key.expose(), header.message_id);
        bool same = equal_ct(commitment.expose(), header.commitment);
        TRY(checks.require(same, "SEAL-COMMITMENT", "key commitment", "that of the data key",
                           same ? "that of the data key" : "that of another key"));
        out.key_ = derive_key(data_key.expose(), header.message_id);
    }
    FrameCipher cipher = TRY(out.cipher());
    TRY(cipher.check_header(header, checks));
    TRY(check_context(header.context, options.required_context, checks));
    out.threads_ = threads_for(options.threads, header.frame_length);
    if (auto size = source.size()) {
        uint64_t body = *size - std::min<uint64_t>(*size, header.size());
        out.layout_ = TRY(layout_of_body(body, header.frame_length, checks));
        TRY(check_end(source, header.size(), *out.layout_, checks));
        out.threads_ = static_cast<unsigned>(std::min<uint64_t>(out.threads_, out.layout_->runs()));
    }
    return out;
}

SealedFeed::SealedFeed(Source& source, const OpenSession& session)
    : source_(source),
      layout_(session.layout()),
      frame_length_(session.header().frame_length),
      body_offset_(session.header().size()) {
    // One byte more than a run tells whether a pipe has ended.
    if (!source.in_memory()) scratch_size_ = sealed_limit(frame_length_) + 1;
}

Result<std::optional<SealedFeed::Item>> SealedFeed::claim(MutableByteView scratch) {
    std::lock_guard lock(mutex_);
    if (done_) return std::optional<Item>();
    if (!layout_) return claim_unknown(scratch);
    Item item{layout_->run(next_++), {}};
    done_ = item.run.final_size.has_value();
    return std::optional<Item>(item);
}

// The size of a pipe is not known, but whether it ends within the next run is, by asking for one
// byte more than a run can have. Then what is left is a body of known size.
Result<std::optional<SealedFeed::Item>> SealedFeed::claim_unknown(MutableByteView scratch) {
    done_ = true;  // unless this goes well
    uint64_t each = frames_per_run(frame_length_);
    Run run{next_, next_ * each + 1, each, std::nullopt, frame_length_};
    Checks checks;
    if (run.first_frame + each > kMaxFrames) {
        return checks.refuse("SEAL-FRAME", "body", fmt::format("at most {} frames", kMaxFrames),
                             "more");
    }
    size_t want = sealed_limit(frame_length_) + 1;
    ByteView sealed =
        TRY(source_.read_at(body_offset_ + run.sealed_offset(), want, scratch.first(want)));
    done_ = sealed.size() < want;
    if (done_) {
        Layout rest = TRY(layout_of_body(sealed.size(), frame_length_, checks));
        run.regular = rest.regular;
        run.final_size = rest.final_size;
    }
    ++next_;
    return std::optional<Item>(Item{run, sealed.first(run.sealed_size())});
}

Result<void> SealedFeed::load(Item& item, MutableByteView scratch) {
    if (!layout_) return {};
    size_t size = item.run.sealed_size();
    item.sealed = TRY(source_.read_at(body_offset_ + item.run.sealed_offset(), size, scratch));
    if (item.sealed.size() == size) return {};
    return fail(Code::io, "the sealed file became shorter while it was read");
}

tl::unexpected<Error> add_refusal(Checks& checks, Error error) {
    const Check* reason = error.reason();
    if (reason == nullptr) return fail(std::move(error));
    return checks.refuse(reason->code, reason->field, reason->expected, reason->found);
}

void add_success(Checks& checks, uint64_t frames) {
    std::string field = frames == 1 ? "frame 1" : fmt::format("frames 1 to {}", frames);
    MUST(checks.require(true, "SEAL-FRAME", field, "in order", "in order"));
    MUST(checks.require(true, "SEAL-TAG", field, "tags that hold", "tags that hold"));
    MUST(checks.require(true, "SEAL-TRUNCATED", "end of the file", "the final frame",
                        fmt::format("frame {}, the final one", frames)));
}

Result<void> visit_runs(Source& source, const OpenSession& session, const RunVisitor& visit,
                        const std::function<void(uint64_t)>& on_failure, Checks& checks) {
    SealedFeed feed(source, session);
    FirstError failure;
    std::atomic<uint64_t> last_frame{0};
    run_workers(session.threads(), [&](unsigned worker) {
        auto work = [&](uint64_t& number) -> Result<void> {
            FrameCipher cipher = TRY(session.cipher());
            Bytes scratch(feed.scratch_size());
            while (!failure.failed()) {
                number = UINT64_MAX;  // a failure here is later than all runs so far
                auto item = TRY(feed.claim(scratch));
                if (!item) break;
                number = item->run.number;
                TRY(feed.load(*item, scratch));
                TRY(visit(item->run, item->sealed, cipher, worker));
                if (item->run.final_size) last_frame = item->run.first_frame + item->run.regular;
            }
            return {};
        };
        uint64_t number = UINT64_MAX;
        auto done = work(number);
        if (done) return;
        failure.note(number, std::move(done.error()));
        if (on_failure) on_failure(number);
    });
    if (auto error = failure.take()) return add_refusal(checks, std::move(*error));
    add_success(checks, last_frame);
    return {};
}

}  // namespace vouchsafe::seal
