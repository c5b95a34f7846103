// Hostile requests of machines with a TPM: see hostile_request_test.cpp. What the client signs is
// signed again after each change, and answers a challenge of its own: one that got a report is
// spent.
#include "vouchsafe/attest/test_hostile.h"
#include "vouchsafe/attest/test_tpm.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

TpmOffice& tpm_office() {
    static TpmOffice one(kTpmPermitAll, 10);  // a flood is counted rather than recorded
    return one;
}

void replace_text(std::string& text, const std::string& old, const std::string& fresh) {
    size_t at = text.find(old);
    if (at != text.npos) text.replace(at, old.size(), fresh);
}

// as_token makes of a report what the walk reads.
net::Response as_token(net::Response response) {
    if (response.status != 200) return response;
    return net::json_response(200, {{"token", report_of(response)}});
}

// SignedWalk changes what is signed.
struct SignedWalk {
    TpmBox box;
    Json first = box.payload(ask_tpm_challenge(tpm_office()));

    std::string fresh(std::string text) const {
        Json other = box.payload(ask_tpm_challenge(tpm_office()));
        for (const char* name : {"challenge", "service_context"}) {
            replace_text(text, dump_json(first["att_data"][name]),
                         dump_json(other["att_data"][name]));
        }
        for (const char* name : {"quote", "signature"}) {
            auto in = [&](const Json& payload) {
                return dump_json(payload["att_data"]["tpm_att_data"]["current_attestation"][name]);
            };
            replace_text(text, in(first), in(other));
        }
        return text;
    }
    net::Response ask(const std::string& text) const {
        return as_token(tpm_office().ask(box.request(fresh(text))));
    }
};

const std::set<std::string> kGone = {"removed", "null"};
const std::set<std::string> kInCapitals = {"twice in capitals"};

TEST(RequestMutation, OfWhatATpmsMachineSignsGetsNoReportByAnyPartChanged) {
    SignedWalk signed_walk;
    const std::string now = "att_data.tpm_att_data.current_attestation.";
    HostileWalk walk{take_apart(signed_walk.first, {}),
                     {{"", 1 << 20},
                      {now + "aik_cert", 16 << 10},
                      {now + "logs[0].log", 512 << 10},
                      {now + "logs[1].log", 512 << 10}}};
    walk.limits["att_data.rp_data"] = 4 << 10;
    WalkOutcome outcome =
        every_hostile_change(walk, [&](const std::string& text) { return signed_walk.ask(text); });
    std::set<std::string> ignored = {kTooLong,
                                     "true",
                                     "12",
                                     "1.5",
                                     "-1",
                                     R"("")",
                                     R"("x")",
                                     R"("*AAA")",
                                     R"("AAAAA")",
                                     "[]",
                                     "{}",
                                     R"([{"a":[null]}])",
                                     "twice in capitals",
                                     "removed",
                                     "null",
                                     "123456789012345678901234567890"};
    expect_granted(outcome,
                   {// Not read.
                    {"att_data.rp_id", ignored},
                    // Echoed.
                    {"att_data.rp_data",
                     {"removed", "null", R"("")", "a byte cut", "a byte more", "a bit flipped"}},
                    // Who sends no logs gets a report that says nothing of the boot.
                    {now + "logs", {"removed", "null", "[]"}},
                    {now + "logs[0]", {"removed"}},
                    {now + "logs[1]", {"removed"}},
                    // Names of JWKs compare exactly: another name is another member.
                    {now + "aik_pub.e", kInCapitals},
                    {now + "aik_pub.kty", kInCapitals},
                    {now + "aik_pub.n", kInCapitals},
                    // Clients differ: "" is 0.
                    {now + "pcrs[0].values[0].index", {R"("")"}}});
}

TEST(RequestMutation, OfATpmsMessageGetsNoReportByAnyPartChanged) {
    TpmBox box;
    auto request = [&] { return box.request(ask_tpm_challenge(tpm_office())); };
    Json first = request();
    HostileWalk walk{take_apart({{"payload", first}}, {}), {{"", 1 << 20}}, 1};
    WalkOutcome outcome = every_hostile_change(walk, [&](std::string text) {
        replace_text(text, dump_json(first["request"]), dump_json(request()["request"]));
        std::string body = dump_json({{"data", encode_base64url(as_bytes(text))}});
        return as_token(tpm_office().send("POST", "/attest/Tpm", body));
    });
    expect_granted(outcome, {});
    HostileWalk outer{take_apart({{"data", "e30"}}, {}), {{"", 1 << 20}}, 1};
    for (const Part& part : outer.request.parts) {
        for (const auto& [name, change] : hostile_changes(part, 1 << 20)) {
            SCOPED_TRACE(name);
            std::string body = write_request(outer.request, {{part.path, change}});
            EXPECT_EQ(answer_code(tpm_office().send("POST", "/attest/Tpm", body)),
                      "ATTEST-REQUEST");
        }
    }
}

TEST(EvidenceMutation, OfTwoMachinesWithATpmIsNeverMixed) {
    TpmBox mine, other;
    other.ak = keys().ask.key;
    other.boot = "sb-on-uki-snakeoil";
    for (const char* part : {"aik_cert", "aik_pub", "pcrs", "quote", "signature", "logs"}) {
        TpmChallenge challenge = ask_tpm_challenge(tpm_office());
        Json payload = mine.payload(challenge);
        auto in = [](Json& one) -> Json& {
            return one["att_data"]["tpm_att_data"]["current_attestation"];
        };
        Json theirs = other.payload(challenge);
        in(payload)[part] = in(theirs)[part];
        net::Response response = tpm_office().ask(mine.request(dump_json(payload)));
        EXPECT_EQ(response.status, 400) << part;
    }
}

}  // namespace
}  // namespace vouchsafe::attest
