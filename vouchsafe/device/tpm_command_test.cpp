#include "vouchsafe/device/tpm_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/device/tpm_wire_for_test.h"

namespace vouchsafe::device {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using wire::sized;

constexpr TpmRc kManagerLayer = 12 << 16;
constexpr uint32_t kKey = 0x80ffffff;
constexpr uint32_t kSession = 0x03000001;

uint32_t attributes(uint32_t code, uint32_t handles, bool brings = false) {
    return code | handles << TPMA_CC_CHANDLES_SHIFT | (brings ? TPMA_CC_RHANDLE : 0);
}

Bytes list_answer(uint32_t capability, const std::vector<uint32_t>& numbers, uint8_t more = 0) {
    Writer body;
    body.u8(more).u32_be(capability).u32_be(static_cast<uint32_t>(numbers.size()));
    for (uint32_t number : numbers) body.u32_be(number);
    return wire::plain(0, body);
}

const TpmCommandTable& known() {
    static const TpmCommandTable table = MUST(TpmCommandTable::parse(list_answer(
        TPM2_CAP_COMMANDS,
        {attributes(TPM2_CC_GetRandom, 0), attributes(TPM2_CC_Sign, 1),
         attributes(TPM2_CC_CreatePrimary, 1, true), attributes(TPM2_CC_Certify, 2),
         attributes(TPM2_CC_ContextSave, 1), attributes(TPM2_CC_FlushContext, 0),
         attributes(TPM2_CC_GetCapability, 0), attributes(TPM2_CC_PolicyGetDigest, 1)})));
    return table;
}

TpmCommand parse(ByteView command) {
    auto out = parse_tpm_command(command, known());
    EXPECT_TRUE(out) << out.error();
    return std::move(*out);
}
TpmRc refusal(ByteView command) {
    auto out = parse_tpm_command(command, known());
    return out ? 0 : out.error();
}

std::vector<size_t> offsets(const TpmCommand& command) {
    std::vector<size_t> out;
    for (const TpmHandle& handle : command.handles) out.push_back(handle.offset);
    return out;
}

TEST(TpmCommand, NamesItsObjectsAndSessionsAndNothingElse) {
    EXPECT_THAT(parse(wire::get_random(8)).handles, IsEmpty());
    EXPECT_THAT(parse(wire::create_primary(1)).handles, IsEmpty());  // the owner and a password
    EXPECT_TRUE(parse(wire::create_primary(1)).brings_handle);
    EXPECT_FALSE(parse(wire::sign(kKey)).brings_handle);

    TpmCommand sign = parse(wire::sign(kKey, kSession));
    EXPECT_THAT(offsets(sign), ElementsAre(10, 18));
    EXPECT_EQ(sign.handles[0].value, kKey);
    EXPECT_EQ(sign.handles[0].missing, TPM2_RC_REFERENCE_H0);
    EXPECT_EQ(sign.handles[1].value, kSession);
    EXPECT_EQ(sign.handles[1].missing, TPM2_RC_REFERENCE_S0);
    EXPECT_THAT(parse(wire::sign(0x81000003)).handles, IsEmpty());
}

TEST(TpmCommand, NumbersHandlesByTheirPlace) {
    Writer parameters;
    parameters.bytes(sized({}).view()).u16_be(TPM2_ALG_NULL);
    TpmCommand certify =
        parse(wire::authorized(TPM2_CC_Certify, {0x81000003, kKey}, parameters, kSession));
    ASSERT_THAT(offsets(certify), ElementsAre(14, 22));
    EXPECT_EQ(certify.handles[0].missing, TPM2_RC_REFERENCE_H1);
}

TEST(TpmCommand, ReadsAllAuthorizations) {
    auto with = [](int count) {
        Writer area;
        for (int i = 0; i < count; ++i) {
            area.u32_be(kSession + static_cast<uint32_t>(i)).bytes(sized(Bytes(i, 1)).view());
            area.u8(1).bytes(sized(Bytes(32, 2)).view());
        }
        Writer body;
        body.u32_be(kKey).u32_be(static_cast<uint32_t>(area.view().size())).bytes(area.view());
        return wire::command(TPM2_ST_SESSIONS, TPM2_CC_Sign, body);
    };
    EXPECT_THAT(offsets(parse(with(3))), ElementsAre(10, 18, 18 + 41, 18 + 41 + 42));
    EXPECT_EQ(parse(with(3)).handles[3].missing, TPM2_RC_REFERENCE_S0 + 2);
    EXPECT_EQ(refusal(with(4)), TPM2_RC_AUTHSIZE);
}

TEST(TpmCommand, RefusesWhatEndsTooEarlyOrTooLate) {
    EXPECT_EQ(refusal({}), TPM2_RC_COMMAND_SIZE);
    Bytes command = wire::sign(kKey);
    EXPECT_EQ(refusal(ByteView(command).first(9)), TPM2_RC_COMMAND_SIZE);
    EXPECT_EQ(refusal(ByteView(command).first(20)), TPM2_RC_COMMAND_SIZE);
    command.push_back(0);
    EXPECT_EQ(refusal(command), TPM2_RC_COMMAND_SIZE);
    EXPECT_EQ(refusal(wire::plain(TPM2_CC_Sign, Writer().u16_be(0x8000))), TPM2_RC_INSUFFICIENT);
    EXPECT_EQ(refusal(wire::command(TPM2_ST_SESSIONS, TPM2_CC_Sign, Writer().u32_be(kKey))),
              TPM2_RC_AUTHSIZE);
    // An authorization that is longer than the area, an area that is longer than the command.
    Bytes nonce = wire::sign(kKey);
    nonce[23] = 1;
    EXPECT_EQ(refusal(nonce), TPM2_RC_AUTHSIZE);
    Bytes area = wire::sign(kKey);
    area[14] = 0xff;
    EXPECT_EQ(refusal(area), TPM2_RC_AUTHSIZE);
    Writer rest;
    rest.zeros(kMaxTpmCommand - kTpmHeaderSize);
    EXPECT_EQ(refusal(wire::plain(TPM2_CC_GetRandom, rest)), 0u);
    EXPECT_EQ(refusal(wire::plain(TPM2_CC_GetRandom, rest.zeros(1))), TPM2_RC_COMMAND_SIZE);
}

TEST(TpmCommand, RefusesTagsAndCodesThatAreNone) {
    EXPECT_EQ(refusal(wire::command(TPM2_ST_RSP_COMMAND, TPM2_CC_GetRandom, Writer().u16_be(1))),
              TPM2_RC_BAD_TAG);
    EXPECT_EQ(refusal(wire::plain(TPM2_CC_Quote, Writer().u32_be(kKey))), TPM2_RC_COMMAND_CODE);
    EXPECT_EQ(refusal(wire::plain(0, Writer())), TPM2_RC_COMMAND_CODE);
}

TEST(TpmCommand, SaysWhatIsTheManagersToAnswer) {
    EXPECT_EQ(parse(tpm_flush_context(kKey)).flushes, kKey);
    EXPECT_EQ(parse(tpm_context_save(kSession)).saves, kSession);
    auto query = parse(wire::handles(0x80000000, 7)).query;
    ASSERT_TRUE(query);
    EXPECT_EQ(query->first, 0x80000000);
    EXPECT_EQ(query->count, 7u);
    EXPECT_TRUE(parse(wire::handles(TPM2_LOADED_SESSION_FIRST)).query);
    EXPECT_FALSE(parse(wire::handles(TPM2_PERSISTENT_FIRST)).query);
    EXPECT_FALSE(parse(tpm_get_capability(TPM2_CAP_COMMANDS, 0x80000000, 1)).query);
    Writer shorter;
    shorter.u32_be(TPM2_CAP_HANDLES).u32_be(0x80000000);
    EXPECT_FALSE(parse(wire::plain(TPM2_CC_GetCapability, shorter)).query);  // the TPM refuses it
}

TEST(TpmCommand, RefusesSessionsInWhatTheManagerAnswers) {
    Writer parameters;
    parameters.u32_be(TPM2_CAP_HANDLES).u32_be(0x80000000).u32_be(1);
    EXPECT_EQ(refusal(wire::authorized(TPM2_CC_GetCapability, {}, parameters, kSession)),
              TPM2_RC_AUTH_CONTEXT);
    EXPECT_EQ(refusal(wire::authorized(TPM2_CC_FlushContext, {}, Writer().u32_be(kKey))),
              TPM2_RC_AUTH_CONTEXT);
    EXPECT_EQ(refusal(wire::plain(TPM2_CC_FlushContext, Writer())), TPM2_RC_COMMAND_SIZE);
    EXPECT_EQ(refusal(wire::plain(TPM2_CC_FlushContext, Writer().u64_be(kKey))),
              TPM2_RC_COMMAND_SIZE);
}

TEST(TpmCommand, PutsAHandleInItsPlace) {
    Bytes command = wire::sign(kKey, kSession);
    put_handle(command, 10, 0x80000001);
    EXPECT_EQ(command, wire::sign(0x80000001, kSession));
}

TEST(TpmAnswer, IsReadOrRefused) {
    Bytes good = wire::plain(0, Writer().u32_be(0x80000002));
    EXPECT_EQ(MUST(parse_tpm_answer(good, true)).handle, 0x80000002);
    EXPECT_EQ(MUST(parse_tpm_answer(good, false)).handle, std::nullopt);
    EXPECT_EQ(MUST(parse_tpm_answer(wire::plain(0x922, Writer()), true)).handle, std::nullopt);
    EXPECT_EQ(parse_tpm_answer(wire::plain(0, Writer()), true).error().code, Code::io);
    EXPECT_FALSE(parse_tpm_answer({}, false));
    good.push_back(0);
    EXPECT_FALSE(parse_tpm_answer(good, false));
}

TEST(TpmAnswer, OfAManagerCarriesItsLayer) {
    TpmAnswer refused = MUST(parse_tpm_answer(refuse_tpm_command(TPM2_RC_COMMAND_CODE), false));
    EXPECT_EQ(refused.rc, kManagerLayer | TPM2_RC_COMMAND_CODE);
    EXPECT_TRUE(MUST(parse_tpm_answer(tpm_success(), false)).ok());
}

TEST(TpmAnswer, ListsHandlesByTheirNumber) {
    auto list = [](const TpmHandleQuery& query) {
        return MUST(parse_tpm_handle_list(MUST(parse_tpm_answer(
            answer_tpm_query({0x03000002, 0x02000001, 0x02000003}, query), false))));
    };
    EXPECT_THAT(list({0x02000000, 9}), ElementsAre(0x02000001, 0x03000002, 0x02000003));
    EXPECT_THAT(list({0x02000002, 9}), ElementsAre(0x03000002, 0x02000003));
    EXPECT_THAT(list({0x02000004, 9}), IsEmpty());
    auto cut =
        MUST(parse_tpm_answer(answer_tpm_query({0x80000000, 0x80000001}, {0x80000000, 1}), false));
    EXPECT_FALSE(parse_tpm_handle_list(cut));  // it says that there are more
}

TEST(TpmAnswer, RefusesListsThatAreNone) {
    auto table = [](Bytes answer) { return TpmCommandTable::parse(answer).has_value(); };
    Bytes good = list_answer(TPM2_CAP_COMMANDS, {TPM2_CC_Sign});
    EXPECT_TRUE(table(good));
    EXPECT_FALSE(table(list_answer(TPM2_CAP_HANDLES, {TPM2_CC_Sign})));
    EXPECT_FALSE(table(list_answer(TPM2_CAP_COMMANDS, {TPM2_CC_Sign}, 1)));
    EXPECT_FALSE(table(refuse_tpm_command(TPM2_RC_RETRY)));
    Bytes longer = good;
    longer[18] = 2;
    EXPECT_FALSE(table(longer));

    auto property = [](const std::vector<uint32_t>& numbers) {
        Bytes answer = list_answer(TPM2_CAP_TPM_PROPERTIES, numbers, 1);
        answer[18] = static_cast<uint8_t>(numbers.size() / 2);
        auto parsed = MUST(parse_tpm_answer(answer, false));
        return parse_tpm_property(parsed, TPM2_PT_CONTEXT_GAP_MAX).value_or(0);
    };
    EXPECT_EQ(property({TPM2_PT_CONTEXT_GAP_MAX, 255}), 255u);
    EXPECT_EQ(property({TPM2_PT_CONTEXT_GAP_MAX + 1, 255}), 0u);
    EXPECT_EQ(property({}), 0u);
}

TEST(SavedContext, SaysWhetherItChangesWhenUsed) {
    auto of = [](uint32_t saved_handle) { return Writer().u64_be(1).u32_be(saved_handle).take(); };
    EXPECT_TRUE(changes_when_used(of(0x80000001)));
    EXPECT_FALSE(changes_when_used(of(0x80000000)));
    EXPECT_FALSE(changes_when_used({}));
}

}  // namespace
}  // namespace vouchsafe::device
