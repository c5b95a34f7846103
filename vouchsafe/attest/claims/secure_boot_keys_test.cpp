#include "vouchsafe/attest/claims/secure_boot_keys.h"

#include <gtest/gtest.h>

#include "vouchsafe/attest/test_guest.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

constexpr std::array<uint8_t, 16> kX509 = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                                           0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};

// list writes one EFI_SIGNATURE_LIST of entries of one size.
Bytes list(ByteView type, const std::vector<Bytes>& entries) {
    auto entry_size = static_cast<uint32_t>(16 + entries.front().size());
    auto count = static_cast<uint32_t>(entries.size());
    Writer out;
    out.bytes(type).u32_le(28 + count * entry_size).u32_le(0).u32_le(entry_size);
    for (const Bytes& entry : entries) out.bytes(Bytes(16, 0x77)).bytes(entry);
    return out.take();
}

Bytes joined(std::initializer_list<Bytes> parts) {
    Bytes out;
    for (const Bytes& part : parts) append(out, part);
    return out;
}

evidence::BootFacts facts(const Bytes& kek, const Bytes& db, const Bytes& dbx) {
    evidence::BootFacts out;
    out.variables = {{"KEK", kek, true}, {"db", db, true}, {"dbx", dbx, true}};
    return out;
}

Bytes microsoft(const std::string& name) {
    return MUST(read_file(Path(VS_SOURCE_DIR) / "tests/vectors/secure_boot" / name));
}

TEST(SecureBootKeys, AreTheDefaultOnesOnlyIfNothingElseIsThere) {
    Bytes kek = list(kX509, {microsoft("MicCorKEKCA2011_2011-06-24.crt")});
    Bytes windows = list(kX509, {microsoft("MicWinProPCA2011_2011-10-19.crt")});
    Bytes third_party = list(kX509, {microsoft("MicCorUEFCA2011_2011-06-27.crt")});
    Bytes own = list(kX509, {keys().ark.certificate.der()});
    Bytes db = joined({windows, third_party});

    SecureBootKeys found = read_secure_boot_keys(facts(kek, db, {}));
    EXPECT_TRUE(found.db_well_formed);
    EXPECT_TRUE(found.dbx_well_formed);
    EXPECT_TRUE(found.only_default_keys);

    auto is_default = [](const evidence::BootFacts& boot) {
        return read_secure_boot_keys(boot).only_default_keys;
    };
    EXPECT_FALSE(is_default(facts(kek, joined({db, own}), {})));
    EXPECT_FALSE(is_default(facts(own, db, {})));
    EXPECT_FALSE(is_default(facts(kek, {}, {})));
    EXPECT_FALSE(is_default(facts({}, db, {})));
    EXPECT_FALSE(is_default(facts(db, kek, {})));
}

TEST(SecureBootKeys, CountOnlyWhenTheyWereMeasuredOnceAndAreWellFormed) {
    Bytes db = list(kX509, {{1, 2, 3}});
    evidence::BootFacts good = facts({}, db, {});
    EXPECT_TRUE(read_secure_boot_keys(good).db_well_formed);

    evidence::BootFacts unmeasured = good;
    unmeasured.variables[1].measured = false;
    EXPECT_FALSE(read_secure_boot_keys(unmeasured).db_well_formed);

    evidence::BootFacts twice = good;
    twice.variables.push_back(twice.variables[1]);
    EXPECT_FALSE(read_secure_boot_keys(twice).db_well_formed);

    evidence::BootFacts cut = good;
    cut.variables[1].data.pop_back();
    EXPECT_FALSE(read_secure_boot_keys(cut).db_well_formed);

    EXPECT_FALSE(read_secure_boot_keys({}).db_well_formed);
    EXPECT_FALSE(read_secure_boot_keys({}).dbx_well_formed);
}

}  // namespace
}  // namespace vouchsafe::attest
