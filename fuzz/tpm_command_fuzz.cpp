// Commands of a TPM as a resource manager reads and rewrites them. Oracles: what is accepted is as
// long as it says; its handles are where they are said to be, one after the other, and are objects
// or sessions; with other objects in their places it is the same command, and nothing else in it
// has changed. Answers: what is accepted is what it was; a list of handles is read back as it was
// made.
#include <cstdlib>

#include "vouchsafe/device/tpm_command.h"

using namespace vouchsafe;
using namespace vouchsafe::device;

namespace {

void require(bool ok) {
    if (!ok) std::abort();
}

// Some of what libtpms says of its commands: TPMA_CC (part 2, 8.9).
const TpmCommandTable& commands() {
    static const TpmCommandTable table = [] {
        constexpr uint32_t kAttributes[] = {
            0x12000131,  // CreatePrimary: a handle, and brings one
            0x02c00121,  // Clear
            0x04400137,  // NV_Write: two handles
            0x04000148,  // Certify: two
            0x0300013e,  // SequenceComplete: flushes
            0x02000158,  // Quote
            0x0200015d,  // Sign
            0x10000161,  // ContextLoad
            0x02000162,  // ContextSave
            0x00000165,  // FlushContext
            0x14000176,  // StartAuthSession: two, and brings one
            0x0000017a,  // GetCapability
            0x0000017b,  // GetRandom
            0x10000186,  // HashSequenceStart
            0x02000189,  // PolicyGetDigest
        };
        Writer body;
        body.u8(0).u32_be(2).u32_be(std::size(kAttributes));
        for (uint32_t attributes : kAttributes) body.u32_be(attributes);
        Bytes answer = Writer()
                           .u16_be(0x8001)
                           .u32_be(static_cast<uint32_t>(kTpmHeaderSize + body.view().size()))
                           .u32_be(0)
                           .bytes(body.view())
                           .take();
        return MUST(TpmCommandTable::parse(answer));
    }();
    return table;
}

uint32_t number_at(ByteView bytes, size_t offset) {
    return MUST(Reader(bytes.subspan(offset)).u32_be("number"));
}

void check_handles(const TpmCommand& command, ByteView bytes) {
    size_t end = kTpmHeaderSize;
    for (const TpmHandle& handle : command.handles) {
        require(handle.offset >= end && handle.offset + sizeof(uint32_t) <= bytes.size());
        require(number_at(bytes, handle.offset) == handle.value);
        require(tpm_handle_kind(handle.value) != TpmHandleKind::other);
        require(handle.missing != 0);
        end = handle.offset + sizeof(uint32_t);
    }
    require(command.handles.size() <= 6);
}

void check_rewriting(const TpmCommand& command, ByteView bytes) {
    Bytes changed = to_bytes(bytes);
    for (const TpmHandle& handle : command.handles) {
        put_handle(changed, handle.offset, handle.value ^ 0x00a5a5a5);
    }
    auto parsed = parse_tpm_command(changed, commands());
    require(parsed.has_value());
    const TpmCommand& again = *parsed;
    require(again.code == command.code && again.handles.size() == command.handles.size());
    for (size_t i = 0; i < again.handles.size(); ++i) {
        require(again.handles[i].offset == command.handles[i].offset);
        require(again.handles[i].value == (command.handles[i].value ^ 0x00a5a5a5));
        put_handle(changed, again.handles[i].offset, command.handles[i].value);
    }
    require(equal(changed, bytes));
}

void check_command(ByteView bytes) {
    auto command = parse_tpm_command(bytes, commands());
    if (!command) {
        require(command.error() != 0);
        return;
    }
    require(bytes.size() <= kMaxTpmCommand && number_at(bytes, 2) == bytes.size());
    check_handles(*command, bytes);
    check_rewriting(*command, bytes);
}

void check_answer(ByteView bytes) {
    auto answer = parse_tpm_answer(to_bytes(bytes), true);
    if (!answer) return;
    require(equal(answer->bytes, bytes) && answer->ok() == answer->handle.has_value());
    if (auto list = parse_tpm_handle_list(*answer)) {
        require(list->size() * sizeof(uint32_t) + 9 == answer->body().size());
    }
    (void)parse_tpm_property(*answer, 0x114).has_value();
    (void)TpmCommandTable::parse(bytes).has_value();
    (void)changes_when_used(answer->body());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ByteView bytes(data, size);
    check_command(bytes);
    check_answer(bytes);
    return 0;
}
