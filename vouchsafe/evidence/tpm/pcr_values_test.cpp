#include "vouchsafe/evidence/tpm/pcr_values.h"

#include "vouchsafe/evidence/test_vectors.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using crypto::HashAlg;

Result<std::vector<PcrBank>> parse(std::string_view text) {
    return parse_pcr_values(as_bytes(text));
}
const std::string kOnes(40, '1');  // a SHA-1 value

TEST(PcrValues, ReadsRecordedRegistersOfEveryBank) {
    auto banks = MUST(parse_pcr_values(vector_bytes("local/sb-on-shim-grub/pcrs.txt")));
    ASSERT_EQ(banks.size(), 4u);
    for (const PcrBank& bank : banks) {
        EXPECT_EQ(bank.values, read_pcr_text("local/sb-on-shim-grub/pcrs.txt", bank.hash).values);
        EXPECT_EQ(bank.values.size(), 24u);
    }
}

TEST(PcrValues, ReadsBytes) {
    auto banks = MUST(parse_pcr_values(vector_bytes("tpm/azure-vtpm.pcrs-sha256.bin")));
    ASSERT_EQ(banks.size(), 1u);
    EXPECT_EQ(banks[0].hash, HashAlg::sha256);
    EXPECT_EQ(banks[0].values.size(), 24u);
    EXPECT_EQ(hex(banks[0].values[17]), std::string(64, 'f'));
    EXPECT_FALSE(parse_pcr_values(Bytes(767)));
    EXPECT_FALSE(parse_pcr_values(Bytes(769)));
}

TEST(PcrValues, ReadsWhatTpm2ToolsPrint) {
    auto banks = MUST(parse("  sha1:\n    0 : 0x" + kOnes + "\n    16: 0x" + kOnes +
                            "\n  sha256:\n" + "    7 : 0x" + std::string(64, 'A') + "\n"));
    ASSERT_EQ(banks.size(), 2u);
    EXPECT_EQ(hex(banks[0].values[16]), kOnes);
    EXPECT_EQ(hex(banks[1].values[7]), std::string(64, 'a'));
}

TEST(PcrValues, RefusesWhatIsNoneOfTheForms) {
    EXPECT_TRUE(parse("# comment\n\nsha1 0 " + kOnes));
    for (const std::string& text :
         {std::string(), std::string("# nothing\n"), "sha1 24 " + kOnes, "sha1 -1 " + kOnes,
          "sha1 0x1 " + kOnes, "sha1 0 " + kOnes + "1", "sha1 0 " + kOnes + "11", "md5 0 " + kOnes,
          "sha256 0 " + kOnes, std::string("sha1 0"), "0 : 0x" + kOnes, "sha1: 0 : 0x" + kOnes,
          "sha1 0 " + kOnes + "\nsha1 0 " + kOnes, "sha1 0 " + std::string(40, 'g')}) {
        auto parsed = parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().code, Code::invalid);
    }
    EXPECT_FALSE(parse(std::string(70000, '\n') + "sha1 0 " + kOnes));
}

}  // namespace
}  // namespace vouchsafe::evidence
