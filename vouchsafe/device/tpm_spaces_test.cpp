#include "vouchsafe/device/tpm_spaces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <thread>

#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/device/swtpm_for_test.h"
#include "vouchsafe/device/tpm_wire_for_test.h"

namespace vouchsafe::device {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr TpmRc kManager = 12 << 16;  // TSS2_RESMGR_TPM_RC_LAYER
constexpr TpmRc kNotLoaded = kManager | TPM2_RC_REFERENCE_H0;
constexpr TpmRc kSessionNotLoaded = kManager | TPM2_RC_REFERENCE_S0;
constexpr TpmRc kNothingToFlush = kManager | (TPM2_RC_HANDLE + TPM2_RC_P + TPM2_RC_1);

class TpmSpacesTest : public testing::Test {
  protected:
    void open(const TpmSpaceLimits& limits = {}) {
        spaces_ = MUST(TpmSpaces::open(tpm_.socket(), limits));
    }
    TpmSpaces& spaces() {
        if (!spaces_) open();
        return *spaces_;
    }

    static TpmAnswer ask(TpmSpace& space, ByteView command) {
        return MUST(parse_tpm_answer(MUST(space.transmit(command)), false));
    }
    static TpmRc code(TpmSpace& space, ByteView command) { return ask(space, command).rc; }
    // made returns the handle that an answer brings.
    static uint32_t made(TpmSpace& space, ByteView command) {
        return MUST(parse_tpm_answer(MUST(space.transmit(command)), true)).handle.value();
    }
    static Bytes body(TpmSpace& space, ByteView command) {
        TpmAnswer answer = ask(space, command);
        EXPECT_EQ(answer.rc, 0u);
        return to_bytes(answer.body());
    }
    static std::vector<uint32_t> list(TpmSpace& space, uint32_t first) {
        return MUST(parse_tpm_handle_list(ask(space, wire::handles(first))));
    }
    // in_tpm lists what the TPM itself has.
    std::vector<uint32_t> in_tpm(uint32_t first) {
        auto tpm = MUST(TpmConversation::begin(
            tpm_.socket(), -1, TpmConversation::Clock::now() + std::chrono::seconds(5)));
        return MUST(parse_tpm_handle_list(MUST(tpm.ask(wire::handles(first)))));
    }

    SwtpmForTest tpm_;
    std::unique_ptr<TpmSpaces> spaces_;
};

TEST_F(TpmSpacesTest, HoldMoreObjectsThanTheTpmHasRoomFor) {
    TpmSpace a(spaces());
    TpmSpace b(spaces());
    std::vector<uint32_t> of_a, of_b;
    std::vector<Bytes> areas;
    for (uint8_t i = 0; i < 5; ++i) {
        of_a.push_back(made(a, wire::create_primary(i)));
        of_b.push_back(made(b, wire::create_primary(static_cast<uint8_t>(100 + i))));
        areas.push_back(body(a, wire::read_public(of_a.back())));
    }
    EXPECT_EQ(of_a, of_b);  // each counts for itself
    for (size_t i = 0; i < 5; ++i) {
        EXPECT_EQ(body(a, wire::read_public(of_a[i])), areas[i]);
        EXPECT_NE(body(b, wire::read_public(of_b[i])), areas[i]);
        EXPECT_EQ(code(a, wire::sign(of_a[i])), 0u);
    }
    EXPECT_THAT(in_tpm(TPM2_TRANSIENT_FIRST), IsEmpty());
}

TEST_F(TpmSpacesTest, DoNotSeeOrUseObjectsOfOthers) {
    TpmSpace a(spaces());
    TpmSpace b(spaces());
    uint32_t first = made(a, wire::create_primary(1));
    uint32_t second = made(a, wire::create_primary(2));
    made(b, wire::create_primary(3));
    EXPECT_THAT(list(a, TPM2_TRANSIENT_FIRST), ElementsAre(second, first));
    EXPECT_THAT(list(b, TPM2_TRANSIENT_FIRST), ElementsAre(first));
    EXPECT_EQ(code(b, wire::read_public(second)), kNotLoaded);
    EXPECT_EQ(code(b, wire::sign(second)), kNotLoaded);
    EXPECT_EQ(code(b, tpm_context_save(second)), kNotLoaded);
    EXPECT_EQ(code(b, tpm_flush_context(second)), kNothingToFlush);
    // Nor by the name that the TPM would give it.
    EXPECT_EQ(code(b, wire::read_public(TPM2_TRANSIENT_FIRST)), kNotLoaded);
    EXPECT_EQ(code(a, wire::sign(second)), 0u);
}

TEST_F(TpmSpacesTest, ListAsManyHandlesAsWereAskedForFromWhereItWasAsked) {
    TpmSpace space(spaces());
    uint32_t high = made(space, wire::create_primary(1));
    uint32_t low = made(space, wire::create_primary(2));
    TpmAnswer one = ask(space, wire::handles(TPM2_TRANSIENT_FIRST, 1));
    EXPECT_EQ(one.body()[0], TPM2_YES);
    EXPECT_EQ(MUST(Reader(one.body().subspan(9)).u32_be("handle")), low);
    EXPECT_THAT(list(space, high), ElementsAre(high));
    // What is not theirs is the TPM's to list.
    EXPECT_THAT(list(space, TPM2_PCR_FIRST), testing::SizeIs(24));
}

TEST_F(TpmSpacesTest, FlushWhatIsTheirsAndGiveTheNameAgain) {
    TpmSpace space(spaces());
    uint32_t handle = made(space, wire::create_primary(1));
    EXPECT_EQ(code(space, tpm_flush_context(handle)), 0u);
    EXPECT_EQ(code(space, wire::read_public(handle)), kNotLoaded);
    EXPECT_EQ(code(space, tpm_flush_context(handle)), kNothingToFlush);
    EXPECT_EQ(code(space, tpm_flush_context(0x81000001)), kNothingToFlush);
    EXPECT_EQ(made(space, wire::create_primary(2)), handle);
}

TEST_F(TpmSpacesTest, RefuseObjectsAndSessionsBeyondTheirLimits) {
    TpmSpaceLimits limits;
    limits.objects = 2;
    limits.sessions = 1;
    open(limits);
    TpmSpace a(spaces());
    TpmSpace b(spaces());
    made(a, wire::create_primary(1));
    uint32_t last = made(a, wire::create_primary(2));
    made(a, wire::start_session());
    EXPECT_EQ(code(a, wire::create_primary(3)), kManager | TPM2_RC_OBJECT_MEMORY);
    EXPECT_EQ(code(a, wire::start_session()), kManager | TPM2_RC_SESSION_HANDLES);
    EXPECT_THAT(in_tpm(TPM2_TRANSIENT_FIRST), IsEmpty());
    EXPECT_THAT(in_tpm(TPM2_ACTIVE_SESSION_FIRST), testing::SizeIs(1));
    EXPECT_EQ(code(b, wire::create_primary(3)), 0u);  // b has its own
    EXPECT_EQ(code(b, wire::start_session()), 0u);
    EXPECT_EQ(code(a, tpm_flush_context(last)), 0u);
    EXPECT_EQ(code(a, wire::create_primary(3)), 0u);
}

TEST_F(TpmSpacesTest, KeepSessionsAndTheirStateApart) {
    TpmSpace a(spaces());
    TpmSpace b(spaces());
    std::vector<uint32_t> sessions;
    for (int i = 0; i < 5; ++i) sessions.push_back(made(a, wire::start_session()));
    uint32_t other = made(b, wire::start_session());
    ASSERT_EQ(code(a, wire::policy_command_code(sessions[2])), 0u);
    Bytes fresh = body(a, wire::policy_digest(sessions[0]));
    EXPECT_NE(body(a, wire::policy_digest(sessions[2])), fresh);
    EXPECT_EQ(body(b, wire::policy_digest(other)), fresh);

    EXPECT_EQ(code(b, wire::policy_digest(sessions[2])), kNotLoaded);
    EXPECT_EQ(code(b, tpm_context_save(sessions[2])), kNotLoaded);
    EXPECT_EQ(code(b, tpm_flush_context(sessions[2])), kNothingToFlush);
    uint32_t key = made(b, wire::create_primary(1));
    EXPECT_EQ(code(b, wire::sign(key, sessions[2])), kSessionNotLoaded);
    EXPECT_THAT(list(a, TPM2_LOADED_SESSION_FIRST), testing::UnorderedElementsAreArray(sessions));
    EXPECT_THAT(list(b, TPM2_LOADED_SESSION_FIRST), ElementsAre(other));
    EXPECT_THAT(list(b, TPM2_ACTIVE_SESSION_FIRST), IsEmpty());
    EXPECT_THAT(in_tpm(TPM2_LOADED_SESSION_FIRST), IsEmpty());
    EXPECT_EQ(code(a, tpm_flush_context(sessions[2])), 0u);
    EXPECT_EQ(code(a, wire::policy_digest(sessions[2])), kNotLoaded);
}

TEST_F(TpmSpacesTest, ForgetASessionThatACommandEnds) {
    TpmSpace space(spaces());
    uint32_t key = made(space, wire::create_primary(1));
    // With an empty secret and no salt its HMACs may be empty (part 1, 19.6.5).
    uint32_t session = made(space, wire::start_session(TPM2_SE_HMAC));
    EXPECT_EQ(code(space, wire::sign(key, session, TPMA_SESSION_CONTINUESESSION)), 0u);
    EXPECT_THAT(list(space, TPM2_LOADED_SESSION_FIRST), ElementsAre(session));
    EXPECT_EQ(code(space, wire::sign(key, session)), 0u);
    EXPECT_THAT(list(space, TPM2_LOADED_SESSION_FIRST), IsEmpty());
    EXPECT_THAT(in_tpm(TPM2_ACTIVE_SESSION_FIRST), IsEmpty());
}

TEST_F(TpmSpacesTest, CarryTheStateOfAHashFromCommandToCommand) {
    TpmSpace a(spaces());
    TpmSpace b(spaces());
    uint32_t of_a = made(a, wire::hash_start());
    uint32_t of_b = made(b, wire::hash_start());
    ASSERT_EQ(code(a, wire::hash_update(of_a, as_bytes("one "))), 0u);
    ASSERT_EQ(code(b, wire::hash_update(of_b, as_bytes("another "))), 0u);
    ASSERT_EQ(code(a, wire::hash_update(of_a, as_bytes("and "))), 0u);
    Bytes answer = body(a, wire::hash_complete(of_a, as_bytes("two")));
    auto expected = crypto::sha256(as_bytes("one and two"));
    EXPECT_TRUE(equal(ByteView(answer).subspan(6, 32), expected));
    // The TPM flushes a sequence that is complete.
    EXPECT_THAT(list(a, TPM2_TRANSIENT_FIRST), IsEmpty());
    EXPECT_EQ(code(a, wire::hash_update(of_a, as_bytes("three"))), kNotLoaded);
    EXPECT_EQ(code(b, wire::hash_update(of_b, as_bytes("too"))), 0u);
}

TEST_F(TpmSpacesTest, FlushWhatTheyHoldWhenTheyClose) {
    auto a = std::make_unique<TpmSpace>(spaces());
    TpmSpace b(spaces());
    made(*a, wire::create_primary(1));
    made(*a, wire::start_session());
    made(*a, wire::start_session());
    uint32_t other = made(b, wire::start_session());
    EXPECT_THAT(in_tpm(TPM2_ACTIVE_SESSION_FIRST), testing::SizeIs(3));
    a.reset();
    EXPECT_THAT(in_tpm(TPM2_ACTIVE_SESSION_FIRST), testing::SizeIs(1));
    EXPECT_EQ(code(b, wire::policy_digest(other)), 0u);
}

TEST_F(TpmSpacesTest, LetASessionGoFromOneToTheNextByItsSavedContext) {
    auto a = std::make_unique<TpmSpace>(spaces());
    uint32_t session = made(*a, wire::start_session());
    ASSERT_EQ(code(*a, wire::policy_command_code(session)), 0u);
    Bytes digest = body(*a, wire::policy_digest(session));
    Bytes context = body(*a, tpm_context_save(session));
    EXPECT_EQ(code(*a, wire::policy_digest(session)), kNotLoaded);
    EXPECT_THAT(list(*a, TPM2_ACTIVE_SESSION_FIRST), ElementsAre(session));
    a.reset();  // as tpm2_startauthsession ends
    TpmSpace b(spaces());
    EXPECT_THAT(list(b, TPM2_ACTIVE_SESSION_FIRST), IsEmpty());
    EXPECT_EQ(code(b, tpm_flush_context(session)), kNothingToFlush);
    EXPECT_EQ(made(b, tpm_context_load(context)), session);
    EXPECT_EQ(body(b, wire::policy_digest(session)), digest);
    // A session's context is good once.
    TpmSpace c(spaces());
    EXPECT_NE(code(c, tpm_context_load(context)), 0u);
    EXPECT_EQ(body(b, wire::policy_digest(session)), digest);
}

TEST_F(TpmSpacesTest, FlushASavedSessionOfTheirOwn) {
    TpmSpace a(spaces());
    TpmSpace b(spaces());
    uint32_t session = made(a, wire::start_session());
    body(a, tpm_context_save(session));
    EXPECT_EQ(code(b, tpm_flush_context(session)), kNothingToFlush);
    EXPECT_EQ(code(a, tpm_flush_context(session)), 0u);
    EXPECT_THAT(in_tpm(TPM2_ACTIVE_SESSION_FIRST), IsEmpty());
}

TEST_F(TpmSpacesTest, FlushTheOldestOfTheSessionsThatNobodyBringsBack) {
    TpmSpaceLimits limits;
    limits.taken_sessions = 2;
    open(limits);
    TpmSpace space(spaces());
    std::vector<Bytes> contexts;
    for (int i = 0; i < 3; ++i) {
        contexts.push_back(body(space, tpm_context_save(made(space, wire::start_session()))));
    }
    EXPECT_NE(code(space, tpm_context_load(contexts[0])), 0u);
    EXPECT_EQ(code(space, tpm_context_load(contexts[1])), 0u);
    EXPECT_EQ(code(space, tpm_context_load(contexts[2])), 0u);
}

TEST_F(TpmSpacesTest, SaveOldSessionsAnewAndFlushThoseThatWereTakenAway) {
    TpmSpaceLimits limits;
    limits.session_age = 4;
    open(limits);
    TpmSpace idle(spaces());
    TpmSpace busy(spaces());
    uint32_t kept = made(idle, wire::start_session());
    ASSERT_EQ(code(idle, wire::policy_command_code(kept)), 0u);
    Bytes digest = body(idle, wire::policy_digest(kept));
    Bytes taken = body(idle, tpm_context_save(made(idle, wire::start_session())));
    uint32_t used = made(busy, wire::start_session());
    for (int i = 0; i < 20; ++i) ASSERT_EQ(code(busy, wire::policy_digest(used)), 0u);
    EXPECT_EQ(body(idle, wire::policy_digest(kept)), digest);
    EXPECT_NE(code(idle, tpm_context_load(taken)), 0u);
    EXPECT_THAT(in_tpm(TPM2_ACTIVE_SESSION_FIRST), testing::SizeIs(2));
}

TEST_F(TpmSpacesTest, LoadASavedObjectAsAnotherOne) {
    TpmSpace a(spaces());
    TpmSpace b(spaces());
    uint32_t key = made(a, wire::create_primary(1));
    Bytes context = body(a, tpm_context_save(key));
    uint32_t copy = made(b, tpm_context_load(context));
    EXPECT_EQ(body(b, wire::read_public(copy)), body(a, wire::read_public(key)));
    EXPECT_EQ(code(a, tpm_flush_context(key)), 0u);
    EXPECT_EQ(code(b, wire::sign(copy)), 0u);
    context[20] ^= 1;
    EXPECT_NE(code(b, tpm_context_load(context)), 0u);
}

TEST_F(TpmSpacesTest, LeaveTheTpmToOthersBetweenCommands) {
    TpmSpace space(spaces());
    uint32_t key = made(space, wire::create_primary(1));
    in_tpm(TPM2_TRANSIENT_FIRST);  // connects beside it
    EXPECT_EQ(code(space, wire::sign(key)), 0u);
}

TEST_F(TpmSpacesTest, RemoveWhatSomebodyLeftInTheTpmBeforeThem) {
    {
        auto tpm = MUST(TpmConversation::begin(
            tpm_.socket(), -1, TpmConversation::Clock::now() + std::chrono::seconds(5)));
        for (uint8_t i = 0; i < 3; ++i) ASSERT_TRUE(MUST(tpm.ask(wire::create_primary(i))).ok());
        ASSERT_FALSE(MUST(tpm.ask(wire::create_primary(3))).ok());
        ASSERT_TRUE(MUST(tpm.ask(wire::start_session())).ok());
    }
    TpmSpace space(spaces());
    EXPECT_EQ(code(space, wire::create_primary(3)), 0u);
    EXPECT_THAT(in_tpm(TPM2_TRANSIENT_FIRST), IsEmpty());
    EXPECT_THAT(in_tpm(TPM2_LOADED_SESSION_FIRST), IsEmpty());
}

TEST_F(TpmSpacesTest, SurviveHostileBytes) {
    TpmSpace good(spaces());
    TpmSpace bad(spaces());
    uint32_t key = made(good, wire::create_primary(1));
    uint32_t session = made(good, wire::start_session());
    std::vector<Bytes> seeds = {wire::get_random(8),       wire::create_primary(2),
                                wire::sign(key),           wire::sign(key, session),
                                wire::start_session(),     wire::policy_digest(session),
                                tpm_context_save(session), tpm_flush_context(session),
                                wire::handles(session),    wire::hash_complete(key, {})};
    for (const Bytes& seed : seeds) {
        for (size_t i = 0; i < seed.size(); ++i) {
            Bytes flipped = seed;
            flipped[i] ^= 0xff;
            ASSERT_TRUE(bad.transmit(flipped)) << i;
            ASSERT_NE(code(bad, ByteView(seed).first(i)), 0u) << i;
        }
        Bytes longer = seed;
        longer.push_back(0);
        EXPECT_EQ(code(bad, longer), kManager | TPM2_RC_COMMAND_SIZE);
    }
    EXPECT_EQ(code(bad, Bytes(kMaxTpmCommand + 1)), kManager | TPM2_RC_COMMAND_SIZE);
    EXPECT_EQ(code(good, wire::sign(key)), 0u);
    EXPECT_EQ(code(good, wire::policy_digest(session)), 0u);
}

TEST_F(TpmSpacesTest, LoseTheirObjectsAndSessionsWhenTheTpmIsReset) {
    TpmSpace a(spaces());
    TpmSpace b(spaces());
    uint32_t key = made(a, wire::create_primary(1));
    uint32_t session = made(a, wire::start_session());
    tpm_.restart();
    EXPECT_EQ(code(a, wire::sign(key)), kNotLoaded);
    EXPECT_THAT(list(a, TPM2_TRANSIENT_FIRST), IsEmpty());
    // The reset TPM gives the name again, to somebody else.
    EXPECT_EQ(made(b, wire::start_session()), session);
    EXPECT_EQ(code(a, wire::policy_digest(session)), kNotLoaded);
    EXPECT_EQ(code(b, wire::policy_digest(session)), 0u);
}

TEST_F(TpmSpacesTest, SayThatTheTpmIsGone) {
    TpmSpace space(spaces());
    uint32_t key = made(space, wire::create_primary(1));
    made(space, wire::start_session());
    tpm_.stop();
    EXPECT_EQ(space.transmit(wire::sign(key)).error().code, Code::io);
    EXPECT_EQ(space.transmit(wire::get_random(8)).error().code, Code::io);
    EXPECT_FALSE(TpmSpaces::open(tpm_.socket()));
}

TEST_F(TpmSpacesTest, GiveUpOnATpmThatDoesNotAnswer) {
    TpmSpaceLimits limits;
    limits.command = std::chrono::milliseconds(50);
    open(limits);
    TpmSpace space(spaces());
    tpm_.freeze(true);
    EXPECT_EQ(space.transmit(wire::get_random(8)).error().code, Code::unavailable);
    tpm_.freeze(false);
    EXPECT_EQ(code(space, wire::create_primary(1)), 0u);
}

TEST_F(TpmSpacesTest, CanBeStoppedInTheMiddleOfACommand) {
    auto space = std::make_unique<TpmSpace>(spaces());
    made(*space, wire::start_session());
    tpm_.freeze(true);
    std::thread stopper([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        spaces().stop();
    });
    auto begun = std::chrono::steady_clock::now();
    EXPECT_EQ(space->transmit(wire::create_primary(1)).error().code, Code::unavailable);
    stopper.join();
    EXPECT_EQ(space->transmit(wire::get_random(8)).error().code, Code::unavailable);
    space.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));
    tpm_.freeze(false);
    spaces_.reset();  // flushes the session after all
    EXPECT_THAT(in_tpm(TPM2_ACTIVE_SESSION_FIRST), IsEmpty());
}

TEST_F(TpmSpacesTest, ServeManyThreads) {
    constexpr int kThreads = 4;
    open();
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            TpmSpace space(spaces());
            uint32_t key = made(space, wire::create_primary(static_cast<uint8_t>(t)));
            Bytes area = body(space, wire::read_public(key));
            bool same = true;
            for (int i = 0; i < 20; ++i) {
                same = same && body(space, wire::read_public(key)) == area;
            }
            if (same) ++good;
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(good, kThreads);
}

}  // namespace
}  // namespace vouchsafe::device
