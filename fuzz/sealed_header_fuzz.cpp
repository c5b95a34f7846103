// Sealed files from outside. Oracles: a header that parses is written back byte for byte; opening
// at once and opening piece by piece agree on the outcome, the plaintext and the code of the
// refusal. The corpus holds files whose data key is "wrapped" by doing nothing, so that some do
// open.
#include <cstdlib>

#include "vouchsafe/seal/sealed_reader.h"

using namespace vouchsafe;

namespace {

void require(bool ok) {
    if (!ok) std::abort();
}

Result<SecretBytes> unwrap(const std::string&, const std::string&, ByteView wrapped) {
    return SecretBytes::copy_of(wrapped);
}

Result<Bytes> read_in_pieces(ByteView sealed) {
    seal::MemorySource source(sealed);
    Checks checks;
    auto reader = TRY(seal::SealedReader::open(source, unwrap, {.threads = 1}, checks));
    Bytes out;
    while (auto chunk = TRY(reader.next_chunk())) append(out, *chunk);
    require(reader.plaintext_size() == out.size());
    return out;
}

std::string code_of(const Error& error) {
    require(error.reason() != nullptr);
    return error.reason()->code;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ByteView sealed(data, size);
    Checks checks;
    if (auto header = seal::parse_header(sealed, checks)) {
        require(MUST(seal::encode_header_body(*header)) == header->body);
        require(equal(header->body, sealed.first(header->body.size())));
    }
    auto whole = seal::open_bytes(sealed, unwrap, {.threads = 1}, checks);
    auto pieces = read_in_pieces(sealed);
    require(whole.has_value() == pieces.has_value());
    if (whole) {
        require(equal(whole->expose(), *pieces));
    } else {
        require(code_of(whole.error()) == code_of(pieces.error()));
    }
    return 0;
}
