#include "vouchsafe/vault/hsm/hsm_root_keeper.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/root_ring.h"
#include "vouchsafe/vault/hsm/softhsm_for_test.h"

namespace vouchsafe::vault {
namespace {

class HsmRootKeeperTest : public SoftHsmTest {
  protected:
    static std::unique_ptr<crypto::RootKeeper> keeper(const std::string& label = "root") {
        return MUST(keep_in_hsm(settings(), shared_pin(), label));
    }
    Result<std::unique_ptr<crypto::RootRing>> load(std::unique_ptr<crypto::RootKeeper> by) {
        return crypto::RootRing::load_or_create(dir_.path() / "root.key", std::move(by));
    }
};

TEST_F(HsmRootKeeperTest, GivesTheKeyBackFromItsOwnTokenAlone) {
    const Bytes sealed = MUST(load(keeper()))->seal("c", as_bytes("x"));
    EXPECT_EQ(MUST(MUST(load(keeper()))->open("c", sealed)).expose_text(), "x");
    EXPECT_EQ(MUST(crypto::inspect_root_file(dir_.path() / "root.key")).keeper, "pkcs11");
    add_token("another");
    HsmSettings other = settings();
    other.token = "another";
    EXPECT_EQ(load(MUST(keep_in_hsm(other, shared_pin(), "root"))).error().code,
              Code::bad_evidence);
    auto wrong = MUST(keep_in_hsm(settings(), shared_pin("wrong-pin"), "root"));
    EXPECT_EQ(load(std::move(wrong)).error().code, Code::forbidden);
    EXPECT_EQ(keep_in_hsm(settings(), shared_pin(), "").error().code, Code::invalid);
}

TEST_F(HsmRootKeeperTest, MakesOneKeyThatNeverLeavesTheToken) {
    const Json first = MUST(keeper()->keep(Secret<crypto::kRootKeySize>()));
    const Json second = MUST(keeper()->keep(Secret<crypto::kRootKeySize>()));
    EXPECT_EQ(first["key"], second["key"]);
    EXPECT_NE(first["iv"], second["iv"]);
    const Hsm hsm = open_hsm();
    const HsmKey key = MUST(hsm.find(MUST(decode_hex(first["key"].get<std::string>()))));
    EXPECT_EQ(key.spec().bits, 256U);
    EXPECT_EQ(key.wrap_out(Bytes(32)).error().code, Code::forbidden);
    EXPECT_EQ(MUST(hsm.find_aes("root")), std::vector<Bytes>{key.id()});
    MUST(hsm.generate(kAes256, fresh_name("loose"), Releasable::yes));
    const Json tight = MUST(keeper("loose")->keep(Secret<crypto::kRootKeySize>()));
    EXPECT_FALSE(MUST(hsm.find(MUST(decode_hex(tight["key"].get<std::string>())))).releasable());
    // Another label is another key; a second one with the same label does no harm.
    EXPECT_NE(MUST(keeper("other")->keep(Secret<crypto::kRootKeySize>()))["key"], first["key"]);
    MUST(hsm.generate(kAes256, fresh_name("root"), Releasable::no));
    EXPECT_TRUE(keeper()->recover(first));
}

TEST_F(HsmRootKeeperTest, TakesNoKeyThatSomebodyMayKnow) {
    const Hsm hsm = open_hsm();
    const HsmKeyName planted = fresh_name("root");
    MUST(hsm.import_key(kAes256, Bytes(32, 0x5A), planted, Releasable::no));
    const Json kept = MUST(keeper()->keep(Secret<crypto::kRootKeySize>()));
    EXPECT_NE(kept["key"], encode_hex(planted.id));
    EXPECT_TRUE(MUST(hsm.find(MUST(decode_hex(kept["key"].get<std::string>())))).never_outside());
    EXPECT_FALSE(MUST(hsm.find(planted.id)).never_outside());
}

TEST_F(HsmRootKeeperTest, RefusesWhatWasChangedOrIsMalformed) {
    auto by = keeper();
    const Json kept = MUST(by->keep(Secret<crypto::kRootKeySize>()));
    EXPECT_TRUE(by->recover(kept));
    for (const char* member : {"label", "key", "iv", "sealed"}) {
        for (const Json& value : {Json(nullptr), Json(7), Json::array({"0"})}) {
            Json changed = kept;
            changed[member] = value;
            EXPECT_EQ(by->recover(changed).error().code, Code::invalid) << member;
        }
    }
    for (const char* member : {"key", "iv", "sealed"}) {
        for (const char* value : {"!", "", "AAAA", "00"}) {
            Json changed = kept;
            changed[member] = value;
            EXPECT_FALSE(by->recover(changed)) << member << " " << value;
        }
    }
    const Bytes sealed = MUST(decode_base64(kept["sealed"].get<std::string>()));
    for (size_t i = 0; i < sealed.size(); ++i) {
        Json changed = kept;
        Bytes flipped = sealed;
        flipped[i] ^= 1;
        changed["sealed"] = encode_base64(flipped);
        EXPECT_EQ(by->recover(changed).error().code, Code::bad_evidence) << i;
    }
    // A key of the token that is none of this keeper's.
    const HsmKey ec = generate(open_hsm(), kP256);
    Json changed = kept;
    changed["key"] = encode_hex(ec.id());
    EXPECT_EQ(by->recover(changed).error().code, Code::bad_evidence);
}

}  // namespace
}  // namespace vouchsafe::vault
