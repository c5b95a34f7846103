// Checkpoints, the proofs that contain one, and exports. Oracle: a proof that was read is written
// as it was; nothing that a stranger writes is signed by our key; an export has no more than it
// says.
#include <cstdlib>

#include "vouchsafe/audit/export.h"
#include "vouchsafe/audit/log_proof.h"

using namespace vouchsafe;
using namespace vouchsafe::audit;

namespace {

void read_export(std::string_view text) {
    auto lines = [&]() -> Result<std::optional<std::string>> {
        if (text.empty()) return std::nullopt;
        std::string line(text.substr(0, text.find('\n')));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        return line;
    };
    Checks checks;
    auto verified = verify_export(lines, {}, checks);
    if (verified && verified->covered > verified->head.log.size) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const CheckpointKey kKey{"log", crypto::Ed25519Key::generate().public_key()};
    const std::string_view text = as_text(ByteView(data, size));
    Checks checks;
    if (verify_checkpoint(text, kKey, checks)) std::abort();
    (void)peek_checkpoint(text);
    if (auto key = CheckpointKey::parse(text); key && key->text() != text) std::abort();
    if (auto proof = EntryProof::parse(text); proof) {
        if (MUST(EntryProof::parse(proof->encode())).encode() != proof->encode()) std::abort();
        if (verify_entry_proof(*proof, {}, kKey, checks)) std::abort();
    }
    if (auto proof = GrowthProof::parse(text); proof) {
        if (MUST(GrowthProof::parse(proof->encode())).encode() != proof->encode()) std::abort();
    }
    read_export(text);
    return 0;
}
