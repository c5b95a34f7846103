#include "vouchsafe/audit/entry_form.h"

#include <gtest/gtest.h>

#include "vouchsafe/audit/entry_dictionary.h"
#include "vouchsafe/audit/log.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::audit {
namespace {

Entry usual_entry() {
    Entry out;
    out.time = from_unix(1'800'000'000);
    out.actor = "3f0e7a54-53a5-4c0c-8b0a-0d7d3f9f6a11";
    out.action = "secrets/get";
    out.resource = "https://contoso.vault.example/secrets/ssh";
    out.request_id = "01a20a27-ab9f-719d-b9dd-182789a78b19";
    for (const char* code : {"TOKEN-ALG", "TOKEN-KID", "TOKEN-SIGNATURE", "TOKEN-ISSUER",
                             "TOKEN-AUDIENCE", "CALLER-TENANT", "CALLER-OID", "CALLER-ROLE"}) {
        out.checks.push_back({code, "a field of the token", "what it is", "what it was", true});
    }
    return out;
}

TEST(EntryForm, GivesBackTheBytes) {
    for (const Bytes& entry : {usual_entry().encode(), Entry{}.encode(), to_bytes("{}"), Bytes(),
                               to_bytes("{" + std::string(kMaxEntrySize - 1, 'x')),
                               MUST(decode_hex("7bff00fe8001c3a9"))}) {
        EXPECT_EQ(entry_of(stored_entry(entry)), entry) << entry.size();
    }
}

TEST(EntryForm, IsMuchShorterThanAnEntry) {
    const Bytes entry = usual_entry().encode();
    const Bytes stored = stored_entry(entry);
    EXPECT_LT(stored.size(), entry.size() / 4);
    EXPECT_EQ(encode_hex(ByteView(stored).first(5)), "0128b52ffd");  // docs/formats/audit-log.md
    EXPECT_EQ(stored_entry(as_bytes("{}")), to_bytes("{}"));         // nothing could be won
}

// Entries that were stored are opened with it for ever.
TEST(EntryForm, HasTheDictionaryItHad) {
    EXPECT_EQ(encode_hex(crypto::sha256(as_bytes(kEntryDictionary1))),
              "af0e63fc9b76b1100c027e7934c89d301924d1ef06fd599b48de6df6192ac0f5");
    EXPECT_EQ(
        to_text(entry_of(MUST(decode_hex("0128b52ffd20fd1d0100206172307d0800d48005b4e62a5facb946"
                                         "7155e78075754e417954e5b0cf2a9e875181")))),
        R"({"action":"secrets/get","actor":"a","checks":[{"code":"TOKEN-FORMAT",)"
        R"("expected":"a signed JSON Web Token in compact form","field":"token",)"
        R"("found":"one","passed":true}],"details":{},"outcome":"allowed","reason":"",)"
        R"("request_id":"r","resource":"","time":0})");
}

TEST(EntryForm, LeavesWhatItDoesNotKnowAsItIs) {
    const Bytes stored = stored_entry(usual_entry().encode());
    Bytes other_form = stored;
    other_form[0] = 2;
    EXPECT_EQ(entry_of(other_form), other_form);
    for (size_t size = 0; size < stored.size(); ++size) {
        const Bytes cut(stored.begin(), stored.begin() + static_cast<ptrdiff_t>(size));
        EXPECT_EQ(entry_of(cut), cut) << size;
    }
    Bytes longer = stored;
    longer.push_back(0);
    EXPECT_EQ(entry_of(longer), longer);
    // One byte more than an entry may have.
    const Bytes large = stored_entry(Bytes(kMaxEntrySize + 1, '{'));
    EXPECT_LT(large.size(), 200u);
    EXPECT_EQ(entry_of(large), large);
}

}  // namespace
}  // namespace vouchsafe::audit
