#include "vouchsafe/evidence/boot/ima.h"

#include "vouchsafe/evidence/boot/test_boots.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using crypto::HashAlg;

ImaList recorded_list(const std::string& boot) {
    return MUST(ImaList::parse(vector_bytes("local/" + boot + "/ima_runtime_measurements.bin")));
}
std::vector<PcrBank> recorded_banks(const std::string& boot) {
    std::vector<PcrBank> out;
    for (HashAlg bank : {HashAlg::sha1, HashAlg::sha256, HashAlg::sha384}) {
        PcrBank values = booted_pcrs(boot, bank);
        if (!values.values.empty()) out.push_back(std::move(values));
    }
    return out;
}

Bytes field(ByteView bytes) {
    return Writer().u32_le(static_cast<uint32_t>(bytes.size())).bytes(bytes).take();
}
Bytes text_field(std::string_view text) {
    return field(as_bytes(text));
}

// MadeEntry is an entry of a list made for a test.
struct MadeEntry {
    std::string name = "ima-ng";
    Bytes data;
    std::optional<Bytes> digest = std::nullopt;  // in place of the right one
    uint32_t pcr = kImaPcr;
};
Bytes ng_data(std::string_view file = std::string_view("/bin/sh\0", 8)) {
    Bytes digest = to_bytes(std::string_view("sha256:\0", 8));
    digest.resize(40, 0x5a);
    Bytes out = field(digest);
    append(out, text_field(file));
    return out;
}
Bytes encode(const MadeEntry& entry) {
    Writer out;
    out.u32_le(entry.pcr).bytes(entry.digest.value_or(crypto::hash(HashAlg::sha1, entry.data)));
    return out.bytes(text_field(entry.name)).bytes(field(entry.data)).take();
}
Bytes joined(std::initializer_list<MadeEntry> entries) {
    Bytes out;
    for (const MadeEntry& entry : entries) append(out, encode(entry));
    return out;
}
bool accepts(const MadeEntry& entry) {
    return ImaList::parse(encode(entry)).has_value();
}
PcrBank pcr10(const Bytes& value, HashAlg bank = HashAlg::sha256) {
    return {bank, {{kImaPcr, value}}};
}
Result<ReplayedImaList> verify(const ImaList& list, std::vector<PcrBank> banks) {
    Checks checks;
    return verify_ima_list(list, banks, checks);
}

TEST(Ima, RecordedListsReplayToTheirRegisterInBothBanks) {
    for (const char* boot : {"sb-on-shim-grub", "sb-on-shim-grub-chainload", "sb-on-uki-snakeoil",
                             "sb-on-uki-ownkeys", "sb-off-uki", "sb-off-shim-grub-chainload",
                             "sb-off-shim-grub-nolog", "setup-mode-uki-sha256only"}) {
        ImaList list = recorded_list(boot);
        auto replayed = verify(list, recorded_banks(boot));
        ASSERT_TRUE(replayed) << boot << message(replayed);
        bool one_bank = std::string_view(boot) == "setup-mode-uki-sha256only";
        EXPECT_EQ(replayed->banks().size(), one_bank ? 1u : 2u);
        EXPECT_EQ(replayed->entries().size(), list.entries().size());
        EXPECT_EQ(replayed->entries().size(),
                  std::string_view(boot).starts_with("sb-on") ? 14u : 1u);
        EXPECT_EQ(replayed->unconfirmed(), 0u);
        EXPECT_EQ(replayed->entries()[0].file, "boot_aggregate");
    }
}

TEST(Ima, ReadsWhatWasMeasured) {
    const ImaList list = recorded_list("sb-on-shim-grub");
    const ImaEntry& module = list.entries()[1];
    EXPECT_EQ(module.template_name, "ima-sig");
    EXPECT_EQ(module.file, "/lib/modules/10-virtio_ring.ko");
    EXPECT_EQ(module.hash_name, "sha256");
    EXPECT_EQ(hex(module.file_digest).substr(0, 8), "2c500339");
    EXPECT_TRUE(module.signature.empty());
    EXPECT_FALSE(module.violation());
}

TEST(Ima, NamesTheBankThatDiffersAndWantsOne) {
    ImaList list = recorded_list("sb-on-shim-grub");
    std::vector<PcrBank> banks = recorded_banks("sb-on-shim-grub");
    for (size_t i : {0, 1}) {
        auto bad = banks;
        bad[i].values[kImaPcr][0] ^= 1;
        EXPECT_EQ(refusal(verify(list, bad)), "IMA-REPLAY-PCR");
    }
    EXPECT_EQ(refusal(verify(recorded_list("sb-off-uki"), banks)), "IMA-REPLAY-PCR");
    EXPECT_EQ(refused_field(verify(list, {pcr10(Bytes(32))})), "pcr 10 (sha256)");
    EXPECT_EQ(refusal(verify(list, {banks[2]})), "IMA-BANK");  // SHA-384 alone
    EXPECT_EQ(refusal(verify(list, {{HashAlg::sha256, {{9, Bytes(32)}}}})), "IMA-BANK");
    EXPECT_EQ(refusal(verify(list, {})), "IMA-BANK");
}

TEST(Ima, WhatWasMeasuredAfterTheRegisterWasReadIsNotConfirmed) {
    ImaList list = recorded_list("sb-on-shim-grub");
    auto replayed = verify(list, {pcr10(list.replay(HashAlg::sha1, 3), HashAlg::sha1),
                                  pcr10(list.replay(HashAlg::sha256, 3))});
    ASSERT_TRUE(replayed) << message(replayed);
    EXPECT_EQ(replayed->entries().size(), 3u);
    EXPECT_EQ(replayed->unconfirmed(), 11u);
    // A register that nothing extended confirms nothing, and two banks must agree on the place.
    EXPECT_EQ(refusal(verify(list, {pcr10(Bytes(32))})), "IMA-REPLAY-PCR");
    EXPECT_EQ(refusal(verify(list, {pcr10(list.replay(HashAlg::sha1, 2), HashAlg::sha1),
                                    pcr10(list.replay(HashAlg::sha256, 3))})),
              "IMA-REPLAY-PCR");
}

TEST(Ima, AViolationExtendsOnesAndCoversNothing) {
    MadeEntry violation{"ima-ng", ng_data(), Bytes(20)};
    ImaList list = MUST(ImaList::parse(joined({{"ima-ng", ng_data()}, violation})));
    EXPECT_TRUE(list.entries()[1].violation());
    for (HashAlg bank : {HashAlg::sha1, HashAlg::sha256}) {
        Bytes value(crypto::hash_size(bank));
        append(value, crypto::hash(bank, ng_data()));
        value = crypto::hash(bank, value);
        value.resize(2 * value.size(), 0xFF);
        EXPECT_EQ(list.replay(bank), crypto::hash(bank, value));
    }
    EXPECT_TRUE(verify(list, {pcr10(list.replay(HashAlg::sha256))}));
}

TEST(Ima, HashesTheOldTemplateWithItsNameInAFixedField) {
    Bytes hashed(20, 7);
    append(hashed, as_bytes("/bin/sh"));
    hashed.resize(276);
    Writer out;
    out.u32_le(kImaPcr).bytes(crypto::hash(HashAlg::sha1, hashed)).bytes(text_field("ima"));
    out.bytes(Bytes(20, 7)).bytes(text_field("/bin/sh"));
    ImaList list = MUST(ImaList::parse(out.view()));
    EXPECT_EQ(list.entries()[0].file, "/bin/sh");
    EXPECT_EQ(list.entries()[0].hash_name, "sha1");
    EXPECT_TRUE(verify(list, {pcr10(list.replay(HashAlg::sha1), HashAlg::sha1)}));
    for (const std::string& name : {std::string(256, 'x'), std::string("a\0b", 3)}) {
        Bytes bad = Writer().u32_le(kImaPcr).zeros(20).bytes(text_field("ima")).zeros(20).take();
        append(bad, text_field(name));
        EXPECT_FALSE(ImaList::parse(bad));
    }
}

TEST(Ima, RefusesAnEntryWhoseDigestIsNotThatOfItsData) {
    Bytes bytes = vector_bytes("local/sb-on-shim-grub/ima_runtime_measurements.bin");
    bytes[bytes.size() - 6] ^= 1;  // in the last file's name
    ImaList list = MUST(ImaList::parse(bytes));
    auto replayed = verify(list, recorded_banks("sb-on-shim-grub"));
    EXPECT_EQ(refusal(replayed), "IMA-DIGEST");
    EXPECT_EQ(refused_field(replayed), "entry 13");
}

TEST(Ima, RefusesWhatIsNoList) {
    Bytes good = vector_bytes("local/sb-off-uki/ima_runtime_measurements.bin");
    for (size_t size = 0; size < good.size(); ++size) {
        Checks checks;
        ASSERT_EQ(refusal(ImaList::parse(ByteView(good).first(size), checks)), "IMA-FORM") << size;
    }
    for (size_t offset : {24, 35, 39, 83, 102}) {  // every length in it
        for (uint32_t value : {0xffffffffu, 0x7fffffffu, 0x1000u}) {
            Bytes bad = good;
            Bytes little = Writer().u32_le(value).take();
            std::copy(little.begin(), little.end(), bad.begin() + static_cast<ptrdiff_t>(offset));
            EXPECT_FALSE(ImaList::parse(bad)) << offset;
        }
    }
    EXPECT_FALSE(ImaList::parse(Bytes(kMaxImaListSize + 1)));
}

TEST(Ima, RefusesTemplatesRegistersDigestsAndNamesThatItDoesNotKnow) {
    EXPECT_TRUE(accepts({"ima-ng", ng_data()}));
    EXPECT_FALSE(accepts({"ima-ng", ng_data(), std::nullopt, 11}));
    for (const char* name : {"", "evm-sig", "ima-ngv2", "ima-ng\n"}) {
        EXPECT_FALSE(accepts({name, ng_data()})) << name;
    }
    Bytes with_more = ng_data();
    append(with_more, text_field("s"));
    EXPECT_FALSE(accepts({"ima-ng", with_more}));
    EXPECT_TRUE(accepts({"ima-sig", with_more}));
    EXPECT_TRUE(accepts({"ima-buf", with_more}));
    EXPECT_FALSE(accepts({"ima-sig", ng_data()}));
    for (std::string_view file :
         {std::string_view(""), std::string_view("no-nul"), std::string_view("a\0b\0", 4)}) {
        EXPECT_FALSE(accepts({"ima-ng", ng_data(file)}));
    }
    for (std::string_view digest :
         {std::string_view("sha256:\0abc", 11), std::string_view(":\0abc", 5),
          std::string_view("sha256abc"), std::string_view("sm3:\0", 5),
          std::string_view("SM3:\0abc", 8)}) {
        Bytes data = text_field(digest);
        append(data, text_field(std::string_view("/a\0", 3)));
        EXPECT_FALSE(accepts({"ima-ng", data}));
    }
    Bytes data = text_field(std::string_view("sm3-256:\0abc", 12));
    append(data, text_field(std::string_view("/a\0", 3)));
    EXPECT_TRUE(accepts({"ima-ng", data}));
}

}  // namespace
}  // namespace vouchsafe::evidence
