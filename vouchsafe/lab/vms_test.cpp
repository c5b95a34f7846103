#include "vouchsafe/lab/vms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/device/tpm.h"
#include "vouchsafe/lab/guest_settings.h"
#include "vouchsafe/lab/heavy_machine.h"
#include "vouchsafe/lab/services.h"
#include "vouchsafe/lab/ssh_files.h"
#include "vouchsafe/net/target.h"

namespace vouchsafe::lab {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Insides are fake ones, and what they were made of.
struct Insides {
    struct State {
        InsideSpec spec;
        std::atomic<bool> booted{true};
        std::atomic<bool> running{true};
        std::string why = "its first process ended";  // before running is false
        std::atomic<int> told{0};
    };
    std::mutex mutex;
    std::map<std::string, std::shared_ptr<State>> made;  // by host name; the last of each
    std::optional<Error> failure;
    std::atomic<int> alive{0};

    class Fake : public VmInside {
      public:
        Fake(Insides& all, std::shared_ptr<State> state) : all_(all), state_(std::move(state)) {
            ++all_.alive;
        }
        ~Fake() override { --all_.alive; }
        int pid() const override { return state_->booted ? ::getpid() : 0; }
        bool booted() const override { return state_->booted; }
        std::string ended() const override { return state_->running ? "" : state_->why; }
        void names_changed() override { ++state_->told; }

      private:
        Insides& all_;
        std::shared_ptr<State> state_;
    };

    MakeInside maker() {
        return [this](InsideSpec spec) -> Result<std::unique_ptr<VmInside>> {
            std::lock_guard lock(mutex);
            if (failure) return fail(*failure);
            auto state = std::make_shared<State>();
            state->spec = std::move(spec);
            state->booted = !state->spec.heavy;
            made[state->spec.guest.host_name] = state;
            return std::make_unique<Fake>(*this, state);
        };
    }
    State& of(const std::string& host) {
        std::lock_guard lock(mutex);
        return *made.at(host);
    }
};

struct Answer {
    int status = 0;
    Json body;
    std::string code() const {
        const Json* error = find_member(body, "error");
        return error == nullptr ? "" : text_or_empty(*error, "code");
    }
};

// One lab for all tests: its RSA-4096 keys take a while. Each test has a resource group.
class VmsTest : public ::testing::Test {
  protected:
    struct Lab {
        Lab(TemporaryDir made_dir, DataDirectory made)
            : dir(std::move(made_dir)), directory(std::move(made)) {}
        TemporaryDir dir;
        SystemClock clock;
        DataDirectory directory;
        Insides insides;
        std::vector<std::string> told;
        std::mutex told_mutex;
        std::unique_ptr<Services> services;
        std::string token;

        void start() {
            services.reset();
            services = MUST(Services::start(directory, clock));
        }
        void run() {
            MUST(services->run_machines(insides.maker(),
                                        [this](const std::string& name, const std::string& what) {
                                            std::lock_guard lock(told_mutex);
                                            told.push_back(name + ": " + what);
                                        }));
        }
    };
    static std::unique_ptr<Lab> make_lab() {
        TemporaryDir dir = MUST(TemporaryDir::create("vouchsafe-vms"));
        DataDirectory directory = MUST(
            DataDirectory::create(dir.path() / "lab", DirectoryKind::lab, SystemClock().now()));
        auto lab = std::make_unique<Lab>(std::move(dir), std::move(directory));
        lab->start();
        lab->run();
        auto owner = MUST(lab->services->identity().create_managed_identity("owner", "/owner"));
        const std::string scope = "/subscriptions/" + lab->directory.subscription_id();
        MUST(lab->services->cloud().put(
            scope + "/providers/Microsoft.Authorization/roleAssignments/" +
                "00000000-0000-4000-8000-000000000001",
            {{"properties",
              {{"roleDefinitionId", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"},
               {"principalId", owner.object_id}}}}));
        lab->token = MUST(lab->services->identity().issue_managed_identity_token(
                              owner.client_id, "https://management.azure.com"))
                         .token.expose_text();
        return lab;
    }
    static Lab& lab() {
        static std::unique_ptr<Lab> made = make_lab();
        return *made;
    }

    VmsTest() {
        lab().insides.failure.reset();
        {
            std::lock_guard lock(lab().told_mutex);
            lab().told.clear();
        }
        const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
        group_ = fmt::format("/subscriptions/{}/resourceGroups/{}",
                             lab().directory.subscription_id(), name);
        must_be(201, send("PUT", group_, {{"location", "westeurope"}}));
        must_be(
            201,
            send("PUT", group_ + "/providers/Microsoft.Network/virtualNetworks/net",
                 {{"location", "westeurope"},
                  {"properties",
                   {{"addressSpace", {{"addressPrefixes", {"10.9.0.0/16"}}}},
                    {"subnets",
                     {{{"name", "s"}, {"properties", {{"addressPrefix", "10.9.0.0/24"}}}}}}}}}));
    }
    ~VmsTest() override {
        lab().insides.failure.reset();
        send("DELETE", group_);
    }
    static void must_be(int status, const Answer& answer) {
        if (answer.status == status) return;
        fmt::print(stderr, "{} {}\n", answer.status, dump_json(answer.body));
        std::abort();
    }

    static Answer send(const std::string& method, const std::string& id, const Json& body = nullptr,
                       const std::string& query = "") {
        net::Request request;
        request.method = method;
        request.target = id + "?api-version=2022-11-01" + query;
        net::Target target = MUST(net::parse_target(request.target));
        request.path = std::move(target.path);
        request.query = std::move(target.query);
        if (!body.is_null()) request.body = dump_json(body);
        request.headers.set("Authorization", "Bearer " + lab().token);
        net::Response response = lab().services->cloud().handler()(request);
        return {response.status, response.body.empty() ? Json() : MUST(parse_json(response.body))};
    }
    std::string id_of(const std::string& name) const {
        return group_ + "/providers/Microsoft.Compute/virtualMachines/" + name;
    }
    Json body_of(const std::string& name, const std::string& type = "ConfidentialVM") const {
        const std::string interface =
            group_ + "/providers/Microsoft.Network/networkInterfaces/" + name;
        const std::string subnet =
            group_ + "/providers/Microsoft.Network/virtualNetworks/net/subnets/s";
        Answer made =
            send("PUT", interface,
                 {{"location", "westeurope"},
                  {"properties",
                   {{"ipConfigurations",
                     {{{"name", "ip"}, {"properties", {{"subnet", {{"id", subnet}}}}}}}}}}});
        EXPECT_THAT(made.status, ::testing::AnyOf(200, 201));
        Json disk = Json::object();
        if (type == "ConfidentialVM") {
            disk["securityProfile"]["securityEncryptionType"] = "VMGuestStateOnly";
        }
        Json body = {
            {"location", "westeurope"},
            {"identity", {{"type", "SystemAssigned"}}},
            {"properties",
             {{"hardwareProfile", {{"vmSize", "Standard_DC2as_v5"}}},
              {"networkProfile", {{"networkInterfaces", {{{"id", interface}}}}}},
              {"storageProfile", {{"osDisk", {{"managedDisk", disk}}}}},
              {"osProfile",
               {{"computerName", name},
                {"adminUsername", "ada"},
                {"linuxConfiguration",
                 {{"ssh", {{"publicKeys", {{{"keyData", "ssh-ed25519 AAAA key\n"}}}}}}}}}}}}};
        if (type != "Standard") {
            body["properties"]["securityProfile"] = {
                {"securityType", type},
                {"uefiSettings", {{"secureBootEnabled", true}, {"vTpmEnabled", true}}}};
        }
        return body;
    }
    Json make(const std::string& name, const std::string& type = "ConfidentialVM") const {
        Answer made = send("PUT", id_of(name), body_of(name, type));
        must_be(201, made);
        return made.body;
    }
    Json heavy_body_of(const std::string& name, const std::string& type = "ConfidentialVM") const {
        Json body = body_of(name, type);
        body["tags"]["vouchsafe.tier"] = "qemu";
        return body;
    }
    Json make_heavy(const std::string& name, const std::string& type = "ConfidentialVM") const {
        Answer made = send("PUT", id_of(name), heavy_body_of(name, type));
        must_be(201, made);
        return made.body;
    }
    bool comes_to(const std::string& name, const std::string& code) const {
        return wait_until([&] { return code_of(name) == code; });
    }
    Json power(const std::string& name) const {
        return send("GET", id_of(name) + "/instanceView").body["statuses"][1];
    }
    std::string code_of(const std::string& name) const { return power(name)["code"]; }
    // as_inside asks a machine's metadata service for a token, as its programs do.
    static Answer token_inside(const std::string& host, const std::string& query = "") {
        net::Request request;
        request.method = "GET";
        request.target =
            "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://"
            "vault.azure.net" +
            query;
        net::Target target = MUST(net::parse_target(request.target));
        request.path = std::move(target.path);
        request.query = std::move(target.query);
        request.host = "169.254.169.254";
        request.headers.set("Metadata", "true");
        net::Response response = lab().insides.of(host).spec.metadata(request);
        return {response.status, MUST(parse_json(response.body))};
    }
    // make_key makes an RSA key in a vault as somebody who may.
    static void make_key(const std::string& vault, const std::string& name,
                         const std::string& scope) {
        auto officer = lab().services->identity().create_managed_identity("officer", "/officer");
        const identity::Principal who = MUST(std::move(officer));
        MUST(lab().services->vault().assign_role(who.object_id, "Key Vault Crypto Officer", scope));
        auto token = MUST(lab().services->identity().issue_managed_identity_token(
            who.client_id, "https://vault.azure.net"));
        net::Request request;
        request.method = "POST";
        request.target = "/keys/" + name + "/create?api-version=7.4";
        net::Target target = MUST(net::parse_target(request.target));
        request.path = std::move(target.path);
        request.query = std::move(target.query);
        request.host = vault + ".vault.azure.net";
        request.remote = "127.0.0.1";
        request.body = R"({"kty":"RSA"})";
        request.headers.set("Authorization", fmt::format("Bearer {}", token.token.expose_text()));
        EXPECT_EQ(lab().services->vault().handler()(request).status, 200);
    }
    static std::string subject_of(const Answer& answer) {
        const std::string token = text_or_empty(answer.body, "access_token");
        const size_t first = token.find('.');
        if (first == std::string::npos) return "";
        const Bytes claims =
            MUST(decode_base64url(token.substr(first + 1, token.rfind('.') - first - 1)));
        return MUST(json_string(MUST(parse_json(as_text(claims))), "oid"));
    }
    static bool wait_until(const std::function<bool()>& holds) {
        for (int i = 0; i < 500 && !holds(); ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        return holds();
    }

    std::string group_;
};

TEST_F(VmsTest, GivesAnInsideWhatItsRecordSays) {
    const Json made = make("alpha");
    const InsideSpec& spec = lab().insides.of("alpha").spec;
    EXPECT_EQ(spec.guest.user, "ada");
    EXPECT_THAT(spec.guest.authorized_keys, ElementsAre("ssh-ed25519 AAAA key"));
    EXPECT_THAT(spec.guest.addresses, ElementsAre("10.9.0.4"));
    EXPECT_TRUE(spec.guest.tpm);
    ASSERT_TRUE(spec.tpm);
    auto tpm = MUST(device::Tpm::open("swtpm:path=" + spec.tpm->string()));
    EXPECT_FALSE(MUST(tpm.nv_read(device::kNvHclReport)).empty());
    ListedVm listed = MUST(lab().services->vms().find("ALPHA", "GivesAnInsideWhatItsRecordSays"));
    EXPECT_EQ(listed.vm_id, made["properties"]["vmId"]);
    EXPECT_EQ(listed.process, MUST(mark_process(::getpid())));
    EXPECT_THAT(MUST(read_vm_list(lab().directory.path())), Contains(listed));
}

TEST_F(VmsTest, GivesATpmToThoseThatHaveOne) {
    make("trusted", "TrustedLaunch");
    make("plain", "Standard");
    const InsideSpec& trusted = lab().insides.of("trusted").spec;
    ASSERT_TRUE(trusted.tpm);
    auto tpm = MUST(device::Tpm::open("swtpm:path=" + trusted.tpm->string()));
    EXPECT_FALSE(tpm.nv_read(device::kNvHclReport));
    EXPECT_FALSE(lab().insides.of("plain").spec.tpm);
    EXPECT_FALSE(lab().insides.of("plain").spec.guest.tpm);
}

TEST_F(VmsTest, KeepsTheIdentitiesOfMachinesApart) {
    const std::string first = make("first")["identity"]["principalId"];
    const std::string second = make("second")["identity"]["principalId"];
    EXPECT_NE(first, second);
    EXPECT_EQ(subject_of(token_inside("first")), first);
    EXPECT_EQ(subject_of(token_inside("second")), second);
    for (const std::string& id : {"&object_id=" + second, "&mi_res_id=" + id_of("second"),
                                  "&msi_res_id=" + id_of("second")}) {
        EXPECT_EQ(token_inside("first", id).status, 400) << id;
    }
    EXPECT_EQ(subject_of(token_inside("first", "&object_id=" + first)), first);
}

TEST_F(VmsTest, TakesNoIdentityOfAMachineOfTheCommandLine) {
    const Path machine = lab().directory.path() / "machines" / "alice";
    MUST(make_private_dir(machine));
    const std::string in_lab = lab().directory.resource_id("Microsoft.Compute/virtualMachines", "");
    const std::string lab_group = in_lab.substr(0, in_lab.find("/providers/"));
    EXPECT_LT(send("PUT", lab_group, {{"location", "westeurope"}}).status, 300);
    identity::Service& issuer = lab().services->identity();
    const auto alice = MUST(issuer.create_managed_identity("alice", in_lab + "alice"));
    const Json body = body_of("n");
    EXPECT_EQ(send("PUT", in_lab + "Alice", body).code(), "Conflict");
    EXPECT_TRUE(issuer.find_principal(alice.object_id));
    EXPECT_EQ(send("PUT", in_lab + "alice2", body).status, 201);
    EXPECT_EQ(send("DELETE", lab_group).status, 202);
    std::filesystem::remove_all(machine);
    MUST(issuer.remove_principal(alice.client_id));
}

TEST_F(VmsTest, FollowsWhatIsLentAndTakenAway) {
    const std::string lent =
        group_ + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/lent";
    Answer made = send("PUT", lent, {{"location", "westeurope"}});
    must_be(201, made);
    const std::string client = made.body["properties"]["clientId"];
    const std::string own = make("m")["identity"]["principalId"];
    EXPECT_EQ(token_inside("m", "&client_id=" + client).status, 400);

    auto patch = [&](const Json& identity) {
        return send("PATCH", id_of("m"), {{"identity", identity}}).status;
    };
    EXPECT_EQ(patch({{"type", "SystemAssigned, UserAssigned"},
                     {"userAssignedIdentities", {{lent, Json::object()}}}}),
              200);
    EXPECT_EQ(subject_of(token_inside("m", "&client_id=" + client)),
              made.body["properties"]["principalId"]);
    EXPECT_EQ(patch({{"type", "SystemAssigned"}, {"userAssignedIdentities", nullptr}}), 200);
    EXPECT_EQ(token_inside("m", "&client_id=" + client).status, 400);
    EXPECT_EQ(subject_of(token_inside("m")), own);
    EXPECT_EQ(patch({{"type", "None"}}), 200);
    EXPECT_EQ(token_inside("m").status, 400);
}

TEST_F(VmsTest, NoticesTheEndOfAnInside) {
    make("m");
    EXPECT_EQ(code_of("m"), "PowerState/running");
    lab().insides.of("m").running = false;
    EXPECT_EQ(code_of("m"), "PowerState/stopped");
    EXPECT_EQ(power("m")["message"], "its first process ended");
    EXPECT_TRUE(wait_until([&] {
        std::lock_guard lock(lab().told_mutex);
        return !lab().told.empty();
    }));
    EXPECT_THAT(lab().told, ElementsAre("m: the machine stopped: its first process ended"));
    EXPECT_EQ(send("POST", id_of("m") + "/start").status, 200);
    EXPECT_EQ(code_of("m"), "PowerState/running");

    // Without anybody asking.
    lab().insides.of("m").running = false;
    EXPECT_TRUE(
        wait_until([&] { return MUST(lab().services->vms().find("m")).power == "stopped"; }));
    EXPECT_EQ(MUST(lab().services->vms().find("m")).process.pid, 0);
}

TEST_F(VmsTest, GivesQemuWhatItsRecordSays) {
    Json body = heavy_body_of("heavy-a");
    body["properties"]["securityProfile"]["uefiSettings"]["secureBootEnabled"] = false;
    Answer made = send("PUT", id_of("heavy-a"), body);
    ASSERT_EQ(made.status, 201) << dump_json(made.body);
    const InsideSpec& spec = lab().insides.of("heavy-a").spec;
    EXPECT_EQ(spec.guest.user, "ada");
    EXPECT_THAT(spec.guest.authorized_keys, ElementsAre("ssh-ed25519 AAAA key"));
    EXPECT_THAT(spec.guest.addresses, ElementsAre("10.9.0.4"));
    EXPECT_FALSE(spec.tpm);
    ASSERT_TRUE(spec.heavy);
    // Its TPM is there, encrypted under the key, and left to QEMU.
    Machine machine = MUST(Machine::open(spec.heavy->machine));
    EXPECT_FALSE(machine.identity().spec.secure_boot);
    EXPECT_EQ(machine.identity().spec.kind, MachineKind::confidential);
    EXPECT_FALSE(machine.start());
    ASSERT_TRUE(spec.heavy->state_key);
    EXPECT_TRUE(machine.start(&*spec.heavy->state_key));
    machine.stop();
    EXPECT_EQ(subject_of(token_inside("heavy-a")), made.body["identity"]["principalId"]);

    make_heavy("heavy-b", "TrustedLaunch");
    machine = MUST(Machine::open(lab().insides.of("heavy-b").spec.heavy->machine));
    EXPECT_TRUE(machine.identity().spec.secure_boot);
    EXPECT_EQ(machine.identity().spec.kind, MachineKind::trusted_launch);
    make("light-a");
    EXPECT_FALSE(lab().insides.of("light-a").spec.heavy);
    EXPECT_EQ(
        token_inside("heavy-b", "&object_id=" + std::string(subject_of(token_inside("heavy-a"))))
            .status,
        400);
}

TEST_F(VmsTest, WaitsForNoBoot) {
    make_heavy("slow");
    EXPECT_EQ(code_of("slow"), "PowerState/starting");
    EXPECT_FALSE(power("slow").contains("message"));
    ListedVm listed = MUST(lab().services->vms().find("slow"));
    EXPECT_TRUE(listed.heavy());
    EXPECT_EQ(listed.process.pid, 0);
    // What is asked meanwhile goes on, and does not begin anew.
    const auto* first = &lab().insides.of("slow");
    EXPECT_EQ(send("POST", id_of("slow") + "/start").status, 200);
    EXPECT_EQ(
        send("PATCH", id_of("slow"), {{"tags", {{"vouchsafe.tier", "qemu"}, {"a", "b"}}}}).status,
        200);
    EXPECT_EQ(code_of("slow"), "PowerState/starting");
    EXPECT_EQ(first, &lab().insides.of("slow"));

    lab().insides.of("slow").booted = true;
    EXPECT_EQ(code_of("slow"), "PowerState/running");
    listed = MUST(lab().services->vms().find("slow"));
    EXPECT_EQ(listed.process, MUST(mark_process(::getpid())));
    EXPECT_THAT(MUST(read_vm_list(lab().directory.path())), Contains(listed));
    EXPECT_THAT(lab().told, IsEmpty());

    // Without anybody asking.
    EXPECT_EQ(send("POST", id_of("slow") + "/restart").status, 200);
    EXPECT_EQ(MUST(lab().services->vms().find("slow")).power, "starting");
    lab().insides.of("slow").booted = true;
    EXPECT_TRUE(
        wait_until([&] { return MUST(lab().services->vms().find("slow")).power == "running"; }));
}

TEST_F(VmsTest, EndsABootThatNobodyWantsAnyMore) {
    const int alive = lab().insides.alive;
    make_heavy("m");
    EXPECT_EQ(send("POST", id_of("m") + "/deallocate").status, 200);
    EXPECT_EQ(code_of("m"), "PowerState/deallocated");
    EXPECT_EQ(lab().insides.alive, alive);
    EXPECT_EQ(send("POST", id_of("m") + "/start").status, 200);
    EXPECT_EQ(code_of("m"), "PowerState/starting");
    EXPECT_EQ(lab().insides.alive, alive + 1);
    EXPECT_EQ(send("DELETE", id_of("m")).status, 200);
    EXPECT_EQ(lab().insides.alive, alive);
}

TEST_F(VmsTest, ShowsWhyABootFailed) {
    const int alive = lab().insides.alive;
    make_heavy("m");
    lab().insides.of("m").why = "the firmware refused the image";
    lab().insides.of("m").running = false;
    EXPECT_EQ(code_of("m"), "PowerState/stopped");
    EXPECT_EQ(power("m")["message"], "the firmware refused the image");
    EXPECT_EQ(lab().insides.alive, alive);
    EXPECT_EQ(send("POST", id_of("m") + "/start").status, 200);
    EXPECT_EQ(code_of("m"), "PowerState/starting");
    lab().insides.of("m").booted = true;
    EXPECT_TRUE(comes_to("m", "PowerState/running"));
    lab().insides.of("m").why = "its guest ended it";
    lab().insides.of("m").running = false;
    EXPECT_EQ(code_of("m"), "PowerState/stopped");
    std::lock_guard lock(lab().told_mutex);
    EXPECT_THAT(lab().told,
                ElementsAre("m: the machine does not start: the firmware refused the image",
                            "m: the machine stopped: its guest ended it"));
}

TEST_F(VmsTest, RefusesWhatQemuCannotBootHere) {
    lab().insides.failure = Error{Code::unsupported, "apt-get install qemu-system-x86"};
    Answer refused = send("PUT", id_of("m"), heavy_body_of("m"));
    EXPECT_EQ(refused.status, 409);
    EXPECT_EQ(refused.code(), "OperationNotAllowed");
    EXPECT_EQ(refused.body["error"]["message"], "apt-get install qemu-system-x86");
    EXPECT_EQ(send("GET", id_of("m")).status, 404);
    EXPECT_FALSE(lab().services->vms().find("m"));
    lab().insides.failure.reset();

    Json bare = heavy_body_of("m", "TrustedLaunch");
    bare["properties"]["securityProfile"]["uefiSettings"]["vTpmEnabled"] = false;
    for (const Json& body : {heavy_body_of("m", "Standard"), bare}) {
        refused = send("PUT", id_of("m"), body);
        EXPECT_EQ(refused.status, 400);
        EXPECT_EQ(refused.code(), "InvalidParameter");
    }
    // And packages that were removed since.
    make_heavy("m");
    EXPECT_EQ(send("POST", id_of("m") + "/deallocate").status, 200);
    lab().insides.failure = Error{Code::unsupported, "apt-get install qemu-system-x86"};
    EXPECT_EQ(send("POST", id_of("m") + "/start").code(), "OperationNotAllowed");
    EXPECT_EQ(code_of("m"), "PowerState/stopped");
    EXPECT_EQ(power("m")["message"], "apt-get install qemu-system-x86");
}

TEST_F(VmsTest, KeepsAMachineInItsTier) {
    make_heavy("m");
    make("light");
    for (const Json& tags :
         {Json{{"vouchsafe.tier", "light"}}, Json{{"vouchsafe.tier", nullptr}}}) {
        Answer refused = send("PATCH", id_of("m"), {{"tags", tags}});
        EXPECT_EQ(refused.status, 409) << dump_json(tags);
        EXPECT_EQ(refused.code(), "PropertyChangeNotAllowed");
    }
    EXPECT_EQ(send("PATCH", id_of("light"), {{"tags", {{"vouchsafe.tier", "qemu"}}}}).code(),
              "PropertyChangeNotAllowed");
    EXPECT_EQ(send("PATCH", id_of("light"), {{"tags", {{"vouchsafe.tier", "light"}}}}).status, 200);
    EXPECT_TRUE(MUST(lab().services->vms().find("m")).heavy());
    EXPECT_FALSE(MUST(lab().services->vms().find("light")).heavy());
}

TEST_F(VmsTest, LeavesNothingOfWhatCouldNotBeMade) {
    const int alive = lab().insides.alive;
    lab().insides.failure = Error{Code::unavailable, "no more processes"};
    Answer refused = send("PUT", id_of("m"), body_of("m"));
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.body["error"]["message"], "no more processes");
    EXPECT_EQ(send("GET", id_of("m")).status, 404);
    EXPECT_FALSE(lab().services->vms().find("m"));
    for (const identity::Principal& one : MUST(lab().services->identity().principals())) {
        EXPECT_NE(to_lower(one.resource_id), to_lower(id_of("m")));
    }
    EXPECT_EQ(lab().insides.alive, alive);
    lab().insides.failure.reset();
    make("m");
    EXPECT_EQ(lab().insides.alive, alive + 1);
    EXPECT_EQ(send("DELETE", id_of("m")).status, 200);
    EXPECT_EQ(send("DELETE", id_of("m")).status, 204);
    EXPECT_EQ(lab().insides.alive, alive);
}

TEST_F(VmsTest, RunsMachinesWithoutInsideWhereThereAreNone) {
    lab().insides.failure = Error{Code::unsupported, "no namespaces here"};
    make("m");
    make("n");
    EXPECT_EQ(code_of("m"), "PowerState/running");
    EXPECT_FALSE(power("m").contains("message"));
    const ListedVm listed = MUST(lab().services->vms().find("m"));
    EXPECT_EQ(listed.process.pid, 0);
    EXPECT_THAT(listed.reason, HasSubstr("no namespaces here"));
    EXPECT_THAT(lab().told,
                ElementsAre("m: machines run, but nobody can enter them: no namespaces here"));
}

TEST_F(VmsTest, TellsInsidesOfNewHosts) {
    make("m");
    lab().services->allow_vault("a-new-vault");
    EXPECT_TRUE(wait_until([&] { return lab().insides.of("m").told > 0; }));
}

TEST_F(VmsTest, HasTheVaultJudgeAndRecordTheUseOfASetsKey) {
    vault::Service& vaults = lab().services->vault();
    MUST(vaults.create_vault({.name = "des-vault", .tenant = lab().directory.tenant_id()}));
    const vault::VaultInfo info = MUST(vaults.find_vault("des-vault"));
    const std::string set_id = group_ + "/providers/Microsoft.Compute/diskEncryptionSets/des";
    Answer set =
        send("PUT", set_id,
             {{"location", "westeurope"},
              {"identity", {{"type", "SystemAssigned"}}},
              {"properties",
               {{"encryptionType", "ConfidentialVmEncryptedWithCustomerKey"},
                {"activeKey", {{"keyUrl", "https://des-vault.vault.azure.net/keys/k"}}}}}});
    must_be(200, set);
    const std::string principal = set.body["identity"]["principalId"];
    Json body = body_of("m");
    body["properties"]["storageProfile"]["osDisk"]["managedDisk"]["securityProfile"]
        ["diskEncryptionSet"] = {{"id", set_id}};
    EXPECT_EQ(send("PUT", id_of("m"), body).code(), "KeyVaultAccessForbidden");
    MUST(vaults.assign_role(principal, "Key Vault Crypto Service Encryption User",
                            info.resource_id));
    // There is no key yet.
    EXPECT_EQ(send("PUT", id_of("m"), body).code(), "KeyVaultKeyNotFound");

    make_key("des-vault", "k", info.resource_id);
    Answer made = send("PUT", id_of("m"), body);
    ASSERT_EQ(made.status, 201) << dump_json(made.body);
    EXPECT_EQ(send("POST", id_of("m") + "/restart").status, 200);

    // What the set's identity did and was refused, in the vault's log.
    std::vector<std::string> seen;
    for (const auto& one : MUST(vaults.audit().entries(0, audit::kMaxPage))) {
        if (one.entry.actor != principal) continue;
        seen.push_back(
            fmt::format("{} {}", one.entry.action, audit::outcome_name(one.entry.outcome)));
    }
    EXPECT_THAT(seen, ElementsAre("keys/wrap refused", "keys/unwrap allowed"));
}

TEST_F(VmsTest, StartsAgainWhatShallRun) {
    make("runs");
    make("stopped");
    make("odd");
    make_heavy("heavy");
    EXPECT_EQ(send("POST", id_of("stopped") + "/deallocate").status, 200);
    const Path stray = lab().directory.path() / "vms" / "00000000-0000-4000-8000-000000000000";
    MUST(make_private_dir(stray));
    lab().insides.made.clear();
    lab().start();
    EXPECT_EQ(lab().insides.alive, 0);
    EXPECT_FALSE(std::filesystem::exists(LabFiles(lab().directory.path()).machines()));
    // Until machines run, their state is that of their records.
    EXPECT_EQ(code_of("stopped"), "PowerState/deallocated");
    lab().run();
    EXPECT_FALSE(std::filesystem::exists(stray));
    EXPECT_TRUE(wait_until([&] { return code_of("runs") == "PowerState/running"; }));
    EXPECT_TRUE(wait_until([&] { return code_of("odd") == "PowerState/running"; }));
    EXPECT_EQ(code_of("stopped"), "PowerState/deallocated");
    EXPECT_TRUE(wait_until([&] { return lab().insides.alive == 3; }));
    EXPECT_EQ(code_of("heavy"), "PowerState/starting");
    lab().insides.of("heavy").booted = true;
    EXPECT_EQ(code_of("heavy"), "PowerState/running");
    EXPECT_EQ(subject_of(token_inside("runs")),
              send("GET", id_of("runs")).body["identity"]["principalId"]);
}

TEST_F(VmsTest, ForgetsTheListOfARunThatWasKilled) {
    const Path lab_path = lab().directory.path();
    lab().start();
    ListedVm gone;
    gone.name = "gone";
    MUST(write_vm_list(lab_path, {gone}));
    lab().run();
    EXPECT_TRUE(MUST(read_vm_list(lab_path)).empty());
}

TEST_F(VmsTest, DoesWhatIsAskedWhileMachinesAreStarted) {
    for (int i = 0; i < 6; ++i) make(fmt::format("m{}", i));
    lab().start();
    lab().run();
    // Some of these are still waiting for their start.
    EXPECT_EQ(send("POST", id_of("m5") + "/powerOff").status, 200);
    EXPECT_EQ(send("DELETE", id_of("m4")).status, 200);
    EXPECT_EQ(send("POST", id_of("m3") + "/restart").status, 200);
    EXPECT_EQ(code_of("m5"), "PowerState/stopped");
    EXPECT_EQ(code_of("m3"), "PowerState/running");
    for (int i = 0; i < 4; ++i) {
        EXPECT_TRUE(
            wait_until([&] { return code_of(fmt::format("m{}", i)) == "PowerState/running"; }));
    }
    EXPECT_EQ(code_of("m5"), "PowerState/stopped");
    EXPECT_FALSE(lab().services->vms().find("m4"));
    EXPECT_EQ(lab().insides.alive, 4);
}

// The list for other processes.

ListedVm example_vm(const std::string& name, const std::string& group) {
    ListedVm out;
    out.name = name;
    out.group = group;
    out.id = "/" + group + "/" + name;
    out.power = "running";
    out.process = {42, 7, "boot"};
    return out;
}

TEST(VmList, IsReadAsItWasWritten) {
    TemporaryDir dir = MUST(TemporaryDir::create("vouchsafe-list"));
    MUST(make_private_dir(LabFiles(dir.path()).folder()));
    EXPECT_THAT(MUST(read_vm_list(dir.path())), IsEmpty());
    const std::vector<ListedVm> machines = {example_vm("a", "g"), example_vm("b", "g")};
    MUST(write_vm_list(dir.path(), machines));
    EXPECT_EQ(MUST(read_vm_list(dir.path())), machines);
    const Path file = LabFiles(dir.path()).machines();
    for (const char* text : {"", "[]", "{}", "{\"machines\":[{}]}", "{\"machines\":1}"}) {
        MUST(write_file(file, as_bytes(std::string_view(text)), Overwrite::yes));
        EXPECT_EQ(read_vm_list(dir.path()).error().code, Code::invalid) << text;
    }
    remove_vm_list(dir.path());
    EXPECT_THAT(MUST(read_vm_list(dir.path())), IsEmpty());
}

TEST(VmList, TellsSshTheHostKeysOfBothTiers) {
    TemporaryDir dir = MUST(TemporaryDir::create("vouchsafe-list"));
    const LabFiles files(dir.path());
    std::vector<ListedVm> machines = {example_vm("light", "g"), example_vm("heavy", "g"),
                                      example_vm("private", "g"), example_vm("new", "g")};
    machines[0].public_ip = "127.42.0.1";
    machines[1].public_ip = "127.42.0.2";
    machines[3].public_ip = "127.42.0.4";
    for (ListedVm& vm : machines) vm.vm_id = vm.name;
    for (size_t i = 1; i < machines.size(); ++i) machines[i].tier = "qemu";
    auto write = [](const Path& path, std::string_view text) {
        MUST(make_private_dir(path.parent_path()));
        MUST(write_file(path, as_bytes(text), Overwrite::yes));
    };
    write(GuestFiles(files.disk("light")).ssh() / "ssh_host_ed25519_key.pub",
          "ssh-ed25519 LIGHT host\n");
    write(heavy_folder(files.machine("heavy")) / "known_hosts", "vouchsafe-x ssh-ed25519 HEAVY\n");
    write(heavy_folder(files.machine("private")) / "known_hosts", "vouchsafe-x ssh-ed25519 NONE\n");
    MUST(make_private_dir(files.folder()));
    MUST(write_ssh_files(dir.path(), machines));
    EXPECT_EQ(MUST(read_text_file(files.folder() / "known_hosts")),
              "127.42.0.1 ssh-ed25519 LIGHT host\n127.42.0.2 ssh-ed25519 HEAVY\n");
    EXPECT_THAT(MUST(read_text_file(files.folder() / "ssh_config")),
                HasSubstr("Host 127.42.0.1 127.42.0.2 127.42.0.4\n"));
}

TEST(VmList, FindsAMachineByNameAndGroup) {
    const std::vector<ListedVm> machines = {example_vm("a", "one"), example_vm("a", "two"),
                                            example_vm("b", "one")};
    EXPECT_EQ(MUST(find_vm(machines, "B")).id, "/one/b");
    EXPECT_EQ(MUST(find_vm(machines, "a", "TWO")).id, "/two/a");
    EXPECT_EQ(find_vm(machines, "a").error().code, Code::conflict);
    EXPECT_EQ(find_vm(machines, "c").error().code, Code::not_found);
    EXPECT_EQ(find_vm(machines, "b", "two").error().code, Code::not_found);
}

// What a record means.

const std::string kVmId =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/"
    "virtualMachines/My_Machine";

cloud::Resource record_of(const Json& properties, const Json& tags = Json::object()) {
    cloud::Resource out{kVmId, "Microsoft.Compute/virtualMachines", "My_Machine"};
    out.body = {{"location", "westeurope"}, {"properties", properties}, {"tags", tags}};
    out.body["properties"]["vmId"] = "AAAAAAAA-1111-4111-8111-aaaaaaaaaaaa";
    return out;
}
cloud::Outcome<VmSpec> spec_of(const Json& properties, const Json& tags = Json::object()) {
    return parse_vm_spec(record_of(properties, tags), [](std::string_view) -> Result<Json> {
        return fail(Code::not_found, "nothing");
    });
}
Json of_size(const std::string& size) {
    return {{"hardwareProfile", {{"vmSize", size}}},
            {"securityProfile",
             {{"securityType", "ConfidentialVM"}, {"uefiSettings", {{"vTpmEnabled", true}}}}}};
}

TEST(VmSpec, HasDefaults) {
    auto spec = spec_of(Json::object());
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->security, VmSecurity::standard);
    EXPECT_FALSE(spec->tpm);
    EXPECT_EQ(spec->host_name, "My-Machine");
    EXPECT_EQ(spec->user, "azureuser");
    EXPECT_EQ(spec->vm_id, "aaaaaaaa-1111-4111-8111-aaaaaaaaaaaa");
    EXPECT_EQ(spec->group, "g");
}

TEST(VmSpec, TellsSizesByTheirNames) {
    for (const char* size : {"Standard_DC2as_v5", "standard_dc96ads_v5", "Standard_EC4as_v5",
                             "Standard_EC8ads_v6", "Standard_NCC40ads_H100_v5"}) {
        EXPECT_TRUE(spec_of(of_size(size))) << size;
    }
    for (const char* size : {"Standard_DC2es_v5", "Standard_DC4eds_v5", "Standard_EC2es_v6"}) {
        EXPECT_EQ(spec_of(of_size(size)).error().status, 501) << size;
    }
    for (const char* size : {"Standard_D2as_v5", "Standard_DC2s_v3", "Standard_E4as_v5", "x"}) {
        EXPECT_EQ(spec_of(of_size(size)).error().code, "BadRequest") << size;
    }
    Json plain = of_size("Standard_D2s_v5");
    plain.erase("securityProfile");
    EXPECT_TRUE(spec_of(plain));
}

TEST(VmSpec, RefusesWhatItCannotBe) {
    auto code = [](const char* pointer, const Json& value) {
        Json properties = of_size("Standard_DC2as_v5");
        properties[Json::json_pointer(pointer)] = value;
        auto spec = spec_of(properties);
        return spec ? "" : spec.error().code;
    };
    EXPECT_EQ(code("/osProfile/adminUsername", "ada"), "");
    for (const char* user : {"root", "Administrator", "a b", "", ".a", "-a"}) {
        EXPECT_EQ(code("/osProfile/adminUsername", user), *user == 0 ? "" : "InvalidParameter");
    }
    EXPECT_EQ(code("/securityProfile/securityType", "Other"), "InvalidParameter");
    EXPECT_EQ(code("/securityProfile/uefiSettings/vTpmEnabled", false), "InvalidParameter");
    const char* keys = "/osProfile/linuxConfiguration/ssh/publicKeys";
    EXPECT_EQ(code(keys, {{{"keyData", "ssh-rsa AAAA me"}}}), "");
    EXPECT_EQ(code(keys, {{{"keyData", "ssh-rsa AAAA me\nssh-rsa BBBB you"}}}), "InvalidParameter");
    EXPECT_EQ(code(keys, {{{"keyData", ""}}}), "InvalidParameter");
    const char* set = "/storageProfile/osDisk/managedDisk/securityProfile/diskEncryptionSet/id";
    EXPECT_EQ(code(set, "/subscriptions/none"), "InvalidResourceReference");
    EXPECT_TRUE(spec_of(Json::object(), {{"Vouchsafe.Tier", "light"}}));
    auto heavy = spec_of(of_size("Standard_DC2as_v5"), {{"Vouchsafe.Tier", "qemu"}});
    ASSERT_TRUE(heavy);
    EXPECT_TRUE(heavy->heavy());
    EXPECT_FALSE(spec_of(of_size("Standard_DC2as_v5"))->heavy());
    EXPECT_EQ(spec_of(Json::object(), {{"vouchsafe.tier", "qemu"}}).error().status, 400);
    EXPECT_EQ(spec_of(Json::object(), {{"vouchsafe.tier", "x"}}).error().status, 400);
}

}  // namespace
}  // namespace vouchsafe::lab
