#include "vouchsafe/evidence/boot/test_boots.h"
#include "vouchsafe/evidence/facts.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

TEST(BootFactsAsJson, NameCertificatesPartitionsAndTheBootChain) {
    Json read = facts_of(MUST(boot_facts(booted("sb-on-shim-grub"), crypto::HashAlg::sha256)));
    EXPECT_EQ(read["secure_boot"], "on");
    const Json& db = read["variables"][3];
    EXPECT_EQ(db["name"], "db");
    EXPECT_EQ(db["certificates"].size(), 2u);
    EXPECT_EQ(db["hashes"], 0);
    EXPECT_EQ(read["variables"][4]["hashes"], 1);  // dbx
    const Json& authorities = read["authorities"];
    std::string windows = authorities[0]["certificate"];
    EXPECT_NE(windows.find("Microsoft Corporation UEFI CA 2011"), std::string::npos) << windows;
    EXPECT_TRUE(authorities[1]["text"].get<std::string>().starts_with("sbat,1,2025021800"));
    std::string debian = authorities[2]["certificate"];
    EXPECT_NE(debian.find("Debian"), std::string::npos) << debian;
    EXPECT_EQ(read["disks"][0]["partitions"][0]["type"], "c12a7328-f81f-11d2-ba4b-00c04fc93ec9");
    EXPECT_EQ(read["images"][1]["path"], "\\EFI\\BOOT\\grubx64.efi");
    EXPECT_EQ(read["images"][1]["pcr"], 4);
    EXPECT_EQ(read["contents"][0]["name"], "MokList");
    EXPECT_FALSE(read.contains("unreadable"));
}

TEST(BootFactsAsJson, TellWhatCannotBeReadAndASignatureDatabaseThatIsNone) {
    BootFacts broken;
    broken.variables = {{"db", Bytes(5), true}, {"Other", Bytes(5), true}};
    broken.unreadable = {{5, kEvEfiGptEvent, 77, "too short", true}};
    Json read = facts_of(broken);
    EXPECT_TRUE(read["variables"][0].contains("unreadable"));
    EXPECT_FALSE(read["variables"][1].contains("unreadable"));
    EXPECT_EQ(read["unreadable"][0]["type"], "EV_EFI_GPT_EVENT");
    EXPECT_EQ(read["unreadable"][0]["why"], "too short");
}

TEST(LogFacts, OfATrustDomainAreItsRegisters) {
    Json read = facts_of(MUST(TdEventLog::parse(vector_bytes("tdx/ccel-live2.bin"))));
    EXPECT_EQ(read["banks"], Json::array({"sha384"}));
    EXPECT_EQ(read["rtmr"].size(), 4u);
    EXPECT_EQ(read["rtmr"][3], std::string(96, '0'));
    EXPECT_EQ(read["events"].size(), 21u);
}

TEST(ImaFacts, ShowNamesThatDoNotPrintWithoutHarm) {
    // The name of the only file is made one of an escape sequence and a byte that is no UTF-8.
    Bytes bytes = vector_bytes("local/sb-off-uki/ima_runtime_measurements.bin");
    bytes[87] = 0x1b;
    bytes[88] = 0xff;
    Json read = facts_of(MUST(ImaList::parse(bytes)));
    EXPECT_EQ(read["entries"][0]["file"], "??ot_aggregate");
    EXPECT_EQ(read["entries"][0]["measured"], true);
    EXPECT_EQ(read["replay"].size(), 2u);
}

}  // namespace
}  // namespace vouchsafe::evidence
