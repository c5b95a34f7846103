// TPM commands and answers as bytes, as far as a resource manager must understand them: which
// objects and sessions a command names and where, which one an answer brings. Pure: bytes in, facts
// out; whether the rest of a command makes sense is for the TPM to say.
//
// Sources: TPM 2.0 Library, part 1, 18 (structure of commands and answers), part 2, 6.6 (response
// codes), 7.2 (kinds of handles), 8.9 (TPMA_CC), 10.8 (capabilities). What is refused is answered
// as the TPM would, with the layer of a resource manager in the code, as Linux does.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "vouchsafe/base/bytes.h"

namespace vouchsafe::device {

using TpmRc = uint32_t;  // a TPM's response code; 0 is success

inline constexpr size_t kMaxTpmCommand = 4096;  // of commands and answers, as at /dev/tpmrm0
inline constexpr size_t kTpmHeaderSize = 10;    // and then comes the first handle

// Kinds of handles that a resource manager gives each space its own of.
enum class TpmHandleKind { other, object, session };
TpmHandleKind tpm_handle_kind(uint32_t handle);

// TpmCommandTable is what a TPM says of its commands: how many handles each takes and brings.
class TpmCommandTable {
  public:
    // parse reads the answer to TPM2_GetCapability(TPM_CAP_COMMANDS), the whole list. Code::io if
    // it is none.
    static Result<TpmCommandTable> parse(ByteView answer);
    // attributes returns the TPMA_CC of a command; nothing if the TPM does not know it.
    std::optional<uint32_t> attributes(uint32_t code) const;

  private:
    std::map<uint32_t, uint32_t> by_code_;
};

struct TpmHandle {
    uint32_t value = 0;
    size_t offset = 0;  // in the command
    TpmRc missing = 0;  // what a TPM says if nothing of this name is loaded
};

// TpmHandleQuery asks which objects or sessions there are.
struct TpmHandleQuery {
    uint32_t first = 0;
    uint32_t count = 0;
};

struct TpmCommand {
    uint32_t code = 0;
    std::vector<TpmHandle> handles;       // objects and sessions, in the order of their offsets
    bool brings_handle = false;           // its answer starts with a handle, if it succeeds
    std::optional<uint32_t> flushes;      // TPM2_FlushContext: what
    std::optional<TpmHandleQuery> query;  // TPM2_GetCapability of objects or sessions
    std::optional<uint32_t> saves;        // TPM2_ContextSave: what
};

// parse_tpm_command fails with the code that is to be answered: for a command of another length
// than it says, one the TPM does not know, and one whose handles or authorizations end beyond it.
tl::expected<TpmCommand, TpmRc> parse_tpm_command(ByteView command, const TpmCommandTable& table);

// put_handle writes a handle in its place. `offset` is one that parse_tpm_command gave, or
// kTpmHeaderSize in an answer that brings one.
void put_handle(MutableByteView message, size_t offset, uint32_t handle);

struct TpmAnswer {
    TpmRc rc = 0;
    std::optional<uint32_t> handle;
    Bytes bytes;  // all of it
    ByteView body() const { return ByteView(bytes).subspan(kTpmHeaderSize); }
    bool ok() const { return rc == 0; }
};
// parse_tpm_answer fails with Code::io if the bytes are no answer.
Result<TpmAnswer> parse_tpm_answer(Bytes answer, bool brings_handle);

// refuse_tpm_command is the answer of a resource manager that refuses.
Bytes refuse_tpm_command(TpmRc rc);
Bytes tpm_success();  // without parameters
// answer_tpm_query lists `handles` from the number on that the query starts with, as many as it
// wants. Which handles are of the kind it asks for, the caller knows: loaded and saved sessions are
// of either kind (part 2, 7.2).
Bytes answer_tpm_query(const std::vector<uint32_t>& handles, const TpmHandleQuery& query);
// parse_tpm_handle_list reads such an answer. Code::io if it is none.
Result<std::vector<uint32_t>> parse_tpm_handle_list(const TpmAnswer& answer);
// parse_tpm_property reads the answer to a query of one property. Code::io if it is none.
Result<uint32_t> parse_tpm_property(const TpmAnswer& answer, uint32_t property);

// Commands that a resource manager sends on its own.
Bytes tpm_context_load(ByteView context);
Bytes tpm_context_save(uint32_t handle);
Bytes tpm_flush_context(uint32_t handle);
Bytes tpm_get_capability(uint32_t capability, uint32_t property, uint32_t count);

// changes_when_used tells of a saved context (TPMS_CONTEXT) whether it is of a sequence object,
// whose state changes from command to command: savedHandle, part 2, 14.5.
bool changes_when_used(ByteView context);

}  // namespace vouchsafe::device
