// IMA measurement lists. Oracles: what parses, written again, is the same bytes; a list whose
// digests are right verifies against its own replay, up to any entry; a changed register does not.
#include <cstdlib>

#include "vouchsafe/base/json.h"
#include "vouchsafe/evidence/boot/ima.h"
#include "vouchsafe/evidence/facts.h"

using namespace vouchsafe;
using namespace vouchsafe::evidence;
using crypto::HashAlg;

namespace {

void require(bool ok) {
    if (!ok) std::abort();
}

void put(Writer& out, ByteView field) {
    out.u32_le(static_cast<uint32_t>(field.size())).bytes(field);
}

Bytes encode(const ImaList& list) {
    Writer out;
    for (const ImaEntry& entry : list.entries()) {
        out.u32_le(kImaPcr).bytes(entry.digest);
        put(out, as_bytes(entry.template_name));
        if (entry.template_name == "ima") {
            out.bytes(entry.file_digest);
            put(out, as_bytes(entry.file));
        } else {
            put(out, entry.data);
        }
    }
    return out.take();
}

bool verifies(const ImaList& list, size_t count, uint8_t change) {
    std::vector<PcrBank> banks;
    for (HashAlg bank : {HashAlg::sha1, HashAlg::sha256}) {
        Bytes value = list.replay(bank, count);
        value[0] ^= change;
        banks.push_back({bank, {{kImaPcr, std::move(value)}}});
    }
    Checks checks;
    auto replayed = verify_ima_list(list, banks, checks);
    require(replayed || replayed.error().reason() != nullptr);
    if (replayed) require(replayed->entries().size() == count);
    return replayed.has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ByteView bytes(data, size);
    auto list = ImaList::parse(bytes);
    if (!list) return 0;
    require(equal(encode(*list), bytes));
    require(!dump_json(facts_of(*list)).empty());
    bool right = true;
    for (const ImaEntry& entry : list->entries()) {
        Bytes digest = crypto::hash(HashAlg::sha1, entry.data);
        right = right && (entry.violation() || equal(digest, entry.digest));
    }
    size_t count = list->entries().size();
    require(verifies(*list, count, 0) == right);
    require(verifies(*list, (count + 1) / 2, 0) == right);
    require(!verifies(*list, count, 1));
    return 0;
}
