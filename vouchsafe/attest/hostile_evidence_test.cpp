// Requests put together from two machines, and clients that send nothing.
#include <bit>

#include "vouchsafe/attest/test_hostile.h"
#include "vouchsafe/net/test_support.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

// Three machines to take evidence from, all of them sound.
struct Fleet {
    Machine mine;
    Machine neighbour;  // another guest on the same processor, booted from the same disk
    Machine stranger;   // has nothing in common with mine but AMD
    Machine before;     // mine, as it booted another time

    Fleet() {
        neighbour.ak = keys().ask.key;  // making RSA keys takes long: these are at hand
        neighbour.ephemeral = keys().ark.key;
        neighbour.vm_id = "11111111-2BDC-4B6B-8401-E9B964D3AEB7";
        stranger = neighbour;
        stranger.vcek = make_vcek();
        stranger.chip = 0x3A;
        stranger.event_log = recorded_log("sb-on-shim-grub");
        before.event_log = recorded_log("sb-on-uki-snakeoil");
    }
};

const std::string kGuest = "AttestationInfo>";
const std::string kTpm = kGuest + "TpmInfo.";
const std::string kHardware = kGuest + "IsolationInfo.Evidence.";

Part guest_parts(const Machine& machine) {
    return take_apart(MUST(parse_json(guest_request(machine))),
                      {"AttestationInfo", kHardware + "Proof", kHardware + "RunTimeData"});
}

const Fleet& fleet() {
    static const Fleet kFleet;
    return kFleet;
}

// from_another puts what stands at `paths` of another request.
void from_another(const Part& other, const std::vector<std::string>& paths, Changes& changes) {
    for (const std::string& path : paths) {
        const Part* part = find_part(other, path);
        ASSERT_NE(part, nullptr) << path;
        changes[path] = put(write_part(*part, {}));
    }
}

// Groups of parts that only together are worth anything, for the mixes below.
using Groups = std::vector<std::vector<std::string>>;

// mixes tries requests of which some groups, by the bits of a number, are another machine's: a
// usual run those that differ from one machine by one group. It returns the numbers of
// those that got a token and of those that should, because all groups of `bound` are of one
// machine.
struct Mixes {
    std::set<unsigned> granted;
    std::set<unsigned> sound;
};
Mixes mix(const Part& one, const Part& other, const Groups& groups, unsigned bound,
          const AskHostile& ask) {
    Mixes out;
    const auto count = static_cast<int>(groups.size());
    for (unsigned mask = 0; mask < 1u << groups.size(); ++mask) {
        int swapped = std::popcount(mask);
        if (!vouchsafe::testing::every_bit() && std::min(swapped, count - swapped) > 1) continue;
        if ((mask & bound) == 0 || (mask & bound) == bound) out.sound.insert(mask);
        Changes changes;
        for (size_t i = 0; i < groups.size(); ++i) {
            if ((mask >> i & 1) != 0) from_another(other, groups[i], changes);
        }
        if (answer_code(ask(write_request(one, changes))) == "token") out.granted.insert(mask);
    }
    return out;
}

const Groups& guest_groups() {
    static const Groups kGroups = {{kHardware + "Proof"},                            // 1
                                   {kHardware + "RunTimeData"},                      // 2
                                   {kTpm + "AikCert"},                               // 4
                                   {kTpm + "AikPub"},                                // 8
                                   {kTpm + "PcrQuote", kTpm + "PcrSignature"},       // 16
                                   {kTpm + "EncKeyPub", kTpm + "EncKeyCertifyInfo",  //
                                    kTpm + "EncKeyCertifyInfoSignature"},            // 32
                                   {kTpm + "PCRs"},                                  // 64
                                   {kGuest + "TcgLogs"}};                            // 128
    return kGroups;
}

net::Response ask_guest(const std::string& body) {
    return hostile_office().attest(body);
}

void expect_no_mix(const Machine& other, unsigned bound) {
    Mixes mixes =
        mix(guest_parts(fleet().mine), guest_parts(other), guest_groups(), bound, ask_guest);
    EXPECT_EQ(mixes.granted, mixes.sound);
    EXPECT_GT(mixes.sound.size(), 1u);
}

TEST(EvidenceMutation, OfTwoGuestsOfOneProcessorIsNeverMixed) {
    expect_no_mix(fleet().neighbour, 0x3F);  // they booted alike: registers and logs are the same
}
TEST(EvidenceMutation, OfTwoStrangersIsNeverMixed) {
    expect_no_mix(fleet().stranger, 0xFF);
}
TEST(EvidenceMutation, OfTwoBootsOfOneMachineIsNeverMixed) {
    expect_no_mix(fleet().before, 0xF0);  // what stays over a boot is the same
}

// swap_each puts each part of `other` alone into `one`, if it differs, and returns the paths of
// those that got a token. A usual run takes every fourth.
std::set<std::string> swap_each(const Part& one, const Part& other, const AskHostile& ask) {
    std::set<std::string> out;
    size_t count = 0;
    std::vector<const Part*> parts{&one};
    while (!parts.empty()) {
        const Part& part = *parts.back();
        parts.pop_back();
        const Part* same = find_part(other, part.path);
        if (same == nullptr || write_part(*same, {}) == write_part(part, {})) continue;
        for (const Part& inner : part.parts) parts.push_back(&inner);
        if (++count % 4 != 0 && !vouchsafe::testing::every_bit()) continue;
        Changes changes;
        from_another(other, {part.path}, changes);
        if (answer_code(ask(write_request(one, changes))) == "token") out.insert(part.path);
    }
    return out;
}

// expect_only: nothing but these parts of the other machine is as good as mine.
void expect_only(const Machine& other, const std::set<std::string>& interchangeable) {
    std::set<std::string> granted =
        swap_each(guest_parts(fleet().mine), guest_parts(other), ask_guest);
    if (vouchsafe::testing::every_bit()) {
        EXPECT_EQ(granted, interchangeable);
    }
    for (const std::string& path : granted) EXPECT_TRUE(interchangeable.contains(path)) << path;
}

TEST(EvidenceMutation, OfAnotherGuestGetsNoTokenInAnySinglePart) {
    const std::string proof = kHardware + "Proof";
    const std::set<std::string> all = {"", "AttestationInfo", kGuest};
    expect_only(fleet().stranger, all);
    std::set<std::string> same_processor = all;
    same_processor.insert(proof + ">VcekCertChain");
    expect_only(fleet().neighbour, same_processor);
    // A machine's hardware vouches for the same key at each of its boots.
    std::set<std::string> same_machine = same_processor;
    same_machine.merge(std::set<std::string>{kGuest + "IsolationInfo",
                                             kGuest + "IsolationInfo.Evidence", proof, proof + ">",
                                             proof + ">SnpReport", kTpm + "AikCert"});
    expect_only(fleet().before, same_machine);
}

net::Response ask_snp(const std::string& body) {
    return hostile_office().send("POST", "/attest/SevSnpVm", body);
}

TEST(EvidenceMutation, OfTwoSnpMachinesIsNeverMixed) {
    Part mine = take_apart(snp_request(fleet().mine), {"report"});
    const Groups groups = {{"report>SnpReport"}, {"runtimeData"}, {"report>VcekCertChain"}};
    for (auto [other, bound] : {std::pair{&fleet().neighbour, 3u}, {&fleet().stranger, 7u}}) {
        Mixes mixes =
            mix(mine, take_apart(snp_request(*other), {"report"}), groups, bound, ask_snp);
        EXPECT_EQ(mixes.granted, mixes.sound);
    }
}

TEST(EvidenceMutation, OfOneReportUnderAnothersSignatureGetsNoToken) {
    const Machine& mine = fleet().mine;
    Bytes report = mine.report(crypto::sha256(mine.runtime_data()));
    for (const Machine* other : {&fleet().neighbour, &fleet().stranger}) {
        Bytes spliced = other->report(crypto::sha256(other->runtime_data()));
        std::copy_n(report.begin(), evidence::kSnpSignedSize, spliced.begin());
        Part request = take_apart(snp_request(mine), {"report"});
        Changes changes{{"report>SnpReport", put('"' + encode_base64url(spliced) + '"')}};
        EXPECT_EQ(answer_code(ask_snp(write_request(request, changes))), "SNP-SIGNATURE");
    }
}

TEST(EvidenceMutation, OfTwoTrustDomainsIsNeverMixed) {
    TdOffice office;
    auto ask = [&](const std::string& body) { return office.ask(body); };
    Part mine = take_apart(office.request(R"({"key":1})", "one"), {});
    Bytes my_quote = office.machine.quote();
    Part other = take_apart(office.request(R"({"key":2})", "two"), {});
    Mixes mixes = mix(mine, other, {{"quote"}, {"runtimeData"}, {"initTimeData"}}, 7, ask);
    EXPECT_EQ(mixes.granted, (std::set<unsigned>{0, 7}));
    Bytes spliced = office.machine.quote();
    std::copy_n(my_quote.begin(), office.machine.signed_part.size(), spliced.begin());
    Changes changes{{"quote", put('"' + encode_base64url(spliced) + '"')}};
    EXPECT_EQ(answer_code(office.ask(write_request(mine, changes))), "TDX-SIGNATURE");
}

// --- clients that send nothing, or little

// SlowClient sends the begin of `request`, then a byte of the rest whenever drip() is called.
class SlowClient {
  public:
    SlowClient(uint16_t port, std::string request, size_t at_once)
        : client_(port), rest_(request.substr(at_once)) {
        EXPECT_TRUE(client_.send(request.substr(0, at_once)));
    }
    void drip() {
        if (rest_.empty()) return;
        client_.send(rest_.substr(0, 1));
        rest_.erase(0, 1);
    }
    bool dropped() { return client_.closed(); }

  private:
    net::test::RawClient client_;
    std::string rest_;
};

TEST(HostileClients, ThatAreSilentOrSlowKeepNobodyFromAToken) {
    constexpr size_t kSlow = 50;
    constexpr std::chrono::milliseconds kPatience(800);
    net::ServerOptions options{.name = "attest", .max_connections = kSlow + 1};
    options.idle_timeout = kPatience;
    options.workers = 2;
    auto server = MUST(net::Server::start(options, hostile_office().service->handler()));
    std::string body = guest_request(fleet().mine);
    std::string head = fmt::format(
        "POST /attest/AzureGuest?api-version=2020-10-01 HTTP/1.1\r\nHost: h\r\n"
        "Content-Length: {}\r\n\r\n",
        body.size());
    const size_t begins[] = {0, 1, head.size() - 1, head.size(), head.size() + 1000};
    std::vector<std::unique_ptr<SlowClient>> slow;
    auto started = net::test::Clock::now();
    for (size_t i = 0; i < kSlow; ++i) {
        std::string request = i % 10 == 0 ? "" : head + body;  // every tenth says nothing
        size_t at_once = std::min(begins[i % std::size(begins)], request.size());
        slow.push_back(std::make_unique<SlowClient>(server->port(), request, at_once));
    }
    net::test::RawClient good(server->port());
    for (int i = 0; i < 3; ++i) {
        for (auto& client : slow) client->drip();
        ASSERT_TRUE(good.send(head + body));
        std::string answer = good.read_until("\"}");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer.substr(0, 200);
        EXPECT_NE(answer.find("{\"token\":\""), std::string::npos);
    }
    for (auto& client : slow) EXPECT_TRUE(client->dropped());
    EXPECT_GE(net::test::since(started), kPatience - std::chrono::milliseconds(100));
}

}  // namespace
}  // namespace vouchsafe::attest
