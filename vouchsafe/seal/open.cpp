#include "vouchsafe/seal/open.h"

#include "vouchsafe/seal/opened_maker.h"
#include "vouchsafe/seal/session.h"

namespace vouchsafe::seal {

namespace {

// Opens every run to its place in `out`, which is not to be used if this fails.
Result<void> open_body(Source& source, const OpenSession& session, MutableByteView out,
                       Checks& checks) {
    return visit_runs(
        source, session,
        [&](const Run& run, ByteView sealed, FrameCipher& cipher, unsigned) {
            return cipher.open(run, sealed, out.subspan(run.plain_offset(), run.plain_size()));
        },
        {}, checks);
}

// Reads a pipe to its end. What it carries is sealed, so ordinary memory will do.
Result<Bytes> read_all(Source& source) {
    constexpr size_t kPiece = 1 << 20;
    Bytes out;
    while (true) {
        size_t size = out.size();
        out.resize(size + kPiece);
        ByteView got =
            TRY(source.read_at(size, kPiece, MutableByteView(out).subspan(size, kPiece)));
        if (got.size() == kPiece) continue;
        out.resize(size + got.size());
        return out;
    }
}

}  // namespace

Result<Opened> open_to_pages(Source& in, const UnwrapKey& unwrap, const OpenOptions& options,
                             Checks& checks) {
    if (!in.size()) {
        Bytes sealed = TRY(read_all(in));
        return open_bytes(sealed, unwrap, options, checks);
    }
    OpenSession session = TRY(OpenSession::start(in, unwrap, options, checks));
    SecretPages pages = TRY(SecretPages::allocate(session.layout()->whole().plain_size()));
    TRY(open_body(in, session, pages.expose_mutable(), checks));
    return OpenedMaker::make(std::move(pages), session.take_header().context);
}

Result<Opened> open_bytes(ByteView sealed, const UnwrapKey& unwrap, const OpenOptions& options,
                          Checks& checks) {
    MemorySource source(sealed);
    return open_to_pages(source, unwrap, options, checks);
}

Result<size_t> open_into(ByteView sealed, const UnwrapKey& unwrap, const OpenOptions& options,
                         MutableByteView out, Checks& checks) {
    MemorySource source(sealed);
    OpenSession session = TRY(OpenSession::start(source, unwrap, options, checks));
    size_t size = session.layout()->whole().plain_size();
    if (out.size() < size) {
        return fail(Code::invalid, "{} bytes are needed for the plaintext", size);
    }
    auto opened = open_body(source, session, out.first(size), checks);
    if (opened) return size;
    wipe(out.first(size));
    return fail(std::move(opened.error()));
}

}  // namespace vouchsafe::seal
