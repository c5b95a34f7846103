#include "vouchsafe/device/tpm_command.h"

#include <tss2/tss2_common.h>
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>

namespace vouchsafe::device {

namespace {

constexpr TpmRc kLayer = TSS2_RESMGR_TPM_RC_LAYER;
constexpr size_t kMaxAuthorizations = 3;  // part 1, 18.4

uint32_t kind_byte(uint32_t handle) {
    return handle >> TPM2_HR_SHIFT;
}
uint32_t number_in_kind(uint32_t handle) {
    return handle & TPM2_HR_HANDLE_MASK;
}

void note_handle(TpmCommand& out, uint32_t value, size_t offset, TpmRc missing) {
    if (tpm_handle_kind(value) != TpmHandleKind::other) {
        out.handles.push_back({value, offset, missing});
    }
}

Result<void> read_handles(Reader& in, uint32_t count, TpmCommand& out) {
    for (uint32_t i = 0; i < count; ++i) {
        size_t offset = in.offset();
        note_handle(out, TRY(in.u32_be("handle")), offset, TPM2_RC_REFERENCE_H0 + i);
    }
    return {};
}

Result<void> read_authorization(Reader& in, size_t base, TpmRc missing, TpmCommand& out) {
    size_t offset = base + in.offset();
    note_handle(out, TRY(in.u32_be("session")), offset, missing);
    TRY(in.skip(TRY(in.u16_be("nonce size")), "nonce"));
    TRY(in.skip(1, "attributes"));
    TRY(in.skip(TRY(in.u16_be("authorization size")), "authorization"));
    return {};
}

Result<void> read_authorizations(Reader& in, TpmCommand& out) {
    uint32_t size = TRY(in.u32_be("authorization area size"));
    size_t base = in.offset();
    Reader area(TRY(in.take(size, "authorization area")), "authorization area");
    for (uint32_t i = 0; !area.done(); ++i) {
        if (i == kMaxAuthorizations) return fail(Code::invalid, "more than three authorizations");
        TRY(read_authorization(area, base, TPM2_RC_REFERENCE_S0 + i, out));
    }
    return {};
}

// A query of other things, or one that makes no sense, is for the TPM.
Result<std::optional<TpmHandleQuery>> read_query(Reader& in) {
    uint32_t capability = TRY(in.u32_be("capability"));
    TpmHandleQuery query;
    query.first = TRY(in.u32_be("property"));
    query.count = TRY(in.u32_be("count"));
    TRY(in.end());
    if (capability != TPM2_CAP_HANDLES || tpm_handle_kind(query.first) == TpmHandleKind::other) {
        return std::optional<TpmHandleQuery>();
    }
    return std::optional(query);
}

// What the manager answers itself can have no session: it has no key to sign the answer with.
TpmRc read_own(Reader& in, bool authorized, TpmCommand& out) {
    if (out.code == TPM2_CC_FlushContext) {
        if (authorized) return TPM2_RC_AUTH_CONTEXT;
        auto handle = in.u32_be("handle");
        if (!handle || !in.done()) return TPM2_RC_COMMAND_SIZE;
        out.flushes = *handle;
    }
    if (out.code == TPM2_CC_GetCapability) {
        out.query = read_query(in).value_or(std::nullopt);
        if (out.query && authorized) return TPM2_RC_AUTH_CONTEXT;
    }
    if (out.code == TPM2_CC_ContextSave && !out.handles.empty()) {
        out.saves = out.handles.front().value;
    }
    return TPM2_RC_SUCCESS;
}

Bytes message(uint16_t tag, uint32_t code, ByteView body = {}) {
    return Writer()
        .u16_be(tag)
        .u32_be(static_cast<uint32_t>(kTpmHeaderSize + body.size()))
        .u32_be(code)
        .bytes(body)
        .take();
}

Bytes command_with(uint32_t code, std::initializer_list<uint32_t> numbers) {
    Writer body;
    for (uint32_t number : numbers) body.u32_be(number);
    return message(TPM2_ST_NO_SESSIONS, code, body.view());
}

struct CapabilityList {
    bool more = false;
    std::vector<uint32_t> numbers;
};

Result<CapabilityList> read_list(ByteView body, uint32_t capability, uint32_t words) {
    Reader in(body);
    CapabilityList out;
    out.more = TRY(in.u8("moreData")) != TPM2_NO;
    if (TRY(in.u32_be("capability")) != capability) return fail(Code::io, "another capability");
    uint32_t count = TRY(in.u32_be("count"));
    if (count != in.left() / sizeof(uint32_t) / words) return fail(Code::io, "another length");
    while (!in.done()) out.numbers.push_back(TRY(in.u32_be("entry")));
    return out;
}

// `words`: how many numbers an entry has.
Result<CapabilityList> capability_list(const TpmAnswer& answer, uint32_t capability,
                                       uint32_t words = 1) {
    if (!answer.ok()) return fail(Code::io, "the TPM refused to list (0x{:x})", answer.rc);
    auto out = read_list(answer.body(), capability, words);
    if (!out) return fail(Code::io, "the TPM's list cannot be read: {}", out.error().message);
    return out;
}

Result<std::vector<uint32_t>> whole_list(const TpmAnswer& answer, uint32_t capability) {
    CapabilityList list = TRY(capability_list(answer, capability));
    if (list.more) return fail(Code::io, "the TPM's list goes on");
    return std::move(list.numbers);
}

}  // namespace

TpmHandleKind tpm_handle_kind(uint32_t handle) {
    switch (kind_byte(handle)) {
        case TPM2_HT_TRANSIENT:
            return TpmHandleKind::object;
        case TPM2_HT_HMAC_SESSION:
        case TPM2_HT_POLICY_SESSION:
            return TpmHandleKind::session;
        default:
            return TpmHandleKind::other;
    }
}

Result<TpmCommandTable> TpmCommandTable::parse(ByteView answer) {
    TpmAnswer parsed = TRY(parse_tpm_answer(to_bytes(answer), false));
    TpmCommandTable out;
    for (uint32_t attributes : TRY(whole_list(parsed, TPM2_CAP_COMMANDS))) {
        out.by_code_[attributes & (TPMA_CC_COMMANDINDEX_MASK | TPMA_CC_V)] = attributes;
    }
    return out;
}

std::optional<uint32_t> TpmCommandTable::attributes(uint32_t code) const {
    auto found = by_code_.find(code);
    if (found == by_code_.end()) return std::nullopt;
    return found->second;
}

tl::expected<TpmCommand, TpmRc> parse_tpm_command(ByteView command, const TpmCommandTable& table) {
    auto refuse = [](TpmRc rc) { return tl::unexpected<TpmRc>(rc); };
    if (command.size() < kTpmHeaderSize || command.size() > kMaxTpmCommand) {
        return refuse(TPM2_RC_COMMAND_SIZE);
    }
    Reader in(command);
    uint16_t tag = MUST(in.u16_be("tag"));
    uint32_t size = MUST(in.u32_be("size"));
    TpmCommand out;
    out.code = MUST(in.u32_be("code"));
    if (tag != TPM2_ST_NO_SESSIONS && tag != TPM2_ST_SESSIONS) return refuse(TPM2_RC_BAD_TAG);
    if (size != command.size()) return refuse(TPM2_RC_COMMAND_SIZE);
    auto attributes = table.attributes(out.code);
    if (!attributes) return refuse(TPM2_RC_COMMAND_CODE);

    uint32_t count = (*attributes & TPMA_CC_CHANDLES_MASK) >> TPMA_CC_CHANDLES_SHIFT;
    out.brings_handle = (*attributes & TPMA_CC_RHANDLE) != 0;
    if (!read_handles(in, count, out)) return refuse(TPM2_RC_INSUFFICIENT);
    bool authorized = tag == TPM2_ST_SESSIONS;
    if (authorized && !read_authorizations(in, out)) return refuse(TPM2_RC_AUTHSIZE);
    TpmRc rc = read_own(in, authorized, out);
    if (rc != TPM2_RC_SUCCESS) return refuse(rc);
    return out;
}

void put_handle(MutableByteView message, size_t offset, uint32_t handle) {
    Bytes number = Writer().u32_be(handle).take();
    std::copy(number.begin(), number.end(), message.subspan(offset, number.size()).begin());
}

Result<TpmAnswer> parse_tpm_answer(Bytes answer, bool brings_handle) {
    TpmAnswer out;
    Reader in(answer, "the TPM's answer");
    auto read = [&]() -> Result<bool> {
        TRY(in.skip(sizeof(uint16_t), "tag"));
        uint32_t size = TRY(in.u32_be("size"));
        out.rc = TRY(in.u32_be("code"));
        if (brings_handle && out.ok()) out.handle = TRY(in.u32_be("handle"));
        return size == answer.size() && size <= kMaxTpmCommand;
    };
    if (!read().value_or(false)) {
        return fail(Code::io, "the TPM gave {} bytes that are no answer", answer.size());
    }
    out.bytes = std::move(answer);
    return out;
}

Bytes refuse_tpm_command(TpmRc rc) {
    return message(TPM2_ST_NO_SESSIONS, kLayer | rc);
}

Bytes tpm_success() {
    return message(TPM2_ST_NO_SESSIONS, TPM2_RC_SUCCESS);
}

Bytes answer_tpm_query(const std::vector<uint32_t>& handles, const TpmHandleQuery& query) {
    std::vector<uint32_t> wanted;
    for (uint32_t handle : handles) {
        if (number_in_kind(handle) >= number_in_kind(query.first)) wanted.push_back(handle);
    }
    std::sort(wanted.begin(), wanted.end(),
              [](uint32_t a, uint32_t b) { return number_in_kind(a) < number_in_kind(b); });
    size_t count = std::min<size_t>({wanted.size(), query.count, TPM2_MAX_CAP_HANDLES});
    Writer body;
    body.u8(count < wanted.size() ? TPM2_YES : TPM2_NO);
    body.u32_be(TPM2_CAP_HANDLES).u32_be(static_cast<uint32_t>(count));
    for (size_t i = 0; i < count; ++i) body.u32_be(wanted[i]);
    return message(TPM2_ST_NO_SESSIONS, TPM2_RC_SUCCESS, body.view());
}

Result<std::vector<uint32_t>> parse_tpm_handle_list(const TpmAnswer& answer) {
    return whole_list(answer, TPM2_CAP_HANDLES);
}

Result<uint32_t> parse_tpm_property(const TpmAnswer& answer, uint32_t property) {
    CapabilityList list = TRY(capability_list(answer, TPM2_CAP_TPM_PROPERTIES, 2));
    if (list.numbers.size() != 2 || list.numbers[0] != property) {
        return fail(Code::io, "the TPM answered with another property");
    }
    return list.numbers[1];
}

Bytes tpm_context_load(ByteView context) {
    return message(TPM2_ST_NO_SESSIONS, TPM2_CC_ContextLoad, context);
}
Bytes tpm_context_save(uint32_t handle) {
    return command_with(TPM2_CC_ContextSave, {handle});
}
Bytes tpm_flush_context(uint32_t handle) {
    return command_with(TPM2_CC_FlushContext, {handle});
}
Bytes tpm_get_capability(uint32_t capability, uint32_t property, uint32_t count) {
    return command_with(TPM2_CC_GetCapability, {capability, property, count});
}

bool changes_when_used(ByteView context) {
    constexpr uint32_t kSequenceObject = 0x80000001;
    Reader in(context);
    if (!in.skip(sizeof(uint64_t), "sequence")) return false;
    return in.u32_be("savedHandle").value_or(0) == kSequenceObject;
}

}  // namespace vouchsafe::device
