#include "vouchsafe/lab/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "vouchsafe/attest/collateral/collateral_store.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/device/event_log_file.h"
#include "vouchsafe/device/tpm.h"
#include "vouchsafe/evidence/azure/guest.h"
#include "vouchsafe/lab/data_directory.h"
#include "vouchsafe/lab/lab_collateral.h"

namespace vouchsafe::lab {
namespace {

const Time kNow = *parse_rfc3339("2026-07-01T00:00:00Z");
const std::vector<uint32_t> kPcrs{0, 1, 2, 3, 4, 5, 6, 7};

const TemporaryDir& lab_dir() {
    static const TemporaryDir dir = MUST(TemporaryDir::create("vouchsafe-lab"));
    return dir;
}

// One root for all tests: its RSA-4096 keys take a while.
const SimulatedRoot& root() {
    static const SimulatedRoot made = MUST(SimulatedRoot::create(lab_dir().path() / "root", kNow));
    return made;
}

Machine started(const MachineSpec& spec, std::string_view name) {
    Machine machine = MUST(Machine::create(spec, lab_dir().path() / name, root(), kNow));
    MUST(machine.start());
    return machine;
}

// One good machine for all tests that change nothing about it.
const Machine& good_machine() {
    static const Machine machine = started({}, "good");
    return machine;
}

// collect does what a guest does (guest-protocol, page 0).
evidence::AzureGuestEvidence collect(const Machine& machine) {
    device::Tpm tpm = MUST(device::Tpm::open(machine.tcti()));
    auto hcl = MUST(evidence::HclReport::parse(MUST(tpm.nv_read(device::kNvHclReport))));
    device::Quote quote = MUST(tpm.quote(device::kAkHandle, kPcrs));
    device::CertifiedKey key = MUST(tpm.certify_ephemeral_key(kPcrs));
    evidence::AzureGuestEvidence out;
    out.isolation_type = "SevSnp";
    out.snp_report = hcl.hardware_report;
    out.runtime_data = hcl.runtime_data;
    out.vcek_chain = to_bytes(machine.identity().vcek_pem + machine.identity().chain_pem);
    out.ak_certificate = MUST(tpm.nv_read(device::kNvAkCertificate));
    out.ak_public = MUST(tpm.read_public(device::kAkHandle));
    out.quote = quote.attest;
    out.quote_signature = quote.signature;
    out.pcr_set = kPcrs;
    for (const auto& [pcr, value] : quote.values.values) out.pcr_values.push_back({pcr, value});
    out.encryption_key = key.public_area;
    out.certify_info = key.certify_info;
    out.certify_signature = key.signature;
    out.event_log = MUST(device::read_event_log(machine.event_log_path())).value_or(Bytes());
    return out;
}

// No revocation list comes with this evidence: a service looks it up (lab_collateral.h).
evidence::AzureGuestRules rules() {
    evidence::AzureGuestRules out;
    out.snp.allow_unchecked.insert(std::string(evidence::kSnpRevocation));
    return out;
}

Result<evidence::VerifiedAzureGuest> verify(const Machine& machine) {
    Checks checks;
    return evidence::verify_azure_guest(collect(machine), root().anchors(), rules(), kNow, checks);
}

std::string refusal(const Machine& machine) {
    auto verified = verify(machine);
    if (verified) return "accepted";
    return verified.error().reason() != nullptr ? verified.error().reason()->code
                                                : verified.error().message;
}

TEST(Machine, IsBelievedByAVerifierOfItsRoot) {
    auto verified = verify(good_machine());
    ASSERT_TRUE(verified) << verified.error().message;
    EXPECT_EQ(verified->tier(), evidence::Tier::simulated);
    EXPECT_EQ(verified->secure_boot(), evidence::SecureBoot::on);
    EXPECT_EQ(verified->runtime().vm.vm_unique_id, good_machine().identity().spec.vm_id);
    EXPECT_EQ(verified->snp().report().version, 2u);
    EXPECT_EQ(verified->snp().report().reported_tcb[7],
              good_machine().identity().reported_tcb >> 56);
}

TEST(Machine, IsRefusedWhereItDiffers) {
    MachineSpec debug;
    debug.allow_debug = true;
    EXPECT_EQ(refusal(started(debug, "debug")), "SNP-POLICY-DEBUG");

    MachineSpec open_boot;
    open_boot.secure_boot = false;
    open_boot.report_version = 3;
    Machine off = started(open_boot, "off");
    EXPECT_EQ(refusal(off), "BOOT-SECURE-BOOT");
    Checks checks;
    evidence::AzureGuestRules lenient = rules();
    lenient.require_secure_boot = false;
    auto verified =
        evidence::verify_azure_guest(collect(off), root().anchors(), lenient, kNow, checks);
    ASSERT_TRUE(verified) << verified.error().message;
    EXPECT_EQ(verified->runtime().vm.secure_boot, false);
    EXPECT_EQ(verified->snp().report().version, 3u);

    MachineSpec extended;
    extended.extend_after_boot = 7;
    EXPECT_EQ(refusal(started(extended, "extended")), "LOG-REPLAY-PCR");
}

TEST(Machine, IsRefusedByTheVendorsRoots) {
    Checks checks;
    auto verified = evidence::verify_azure_guest(collect(good_machine()),
                                                 evidence::vendor_anchors(), {}, kNow, checks);
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().reason()->code, "SNP-CHAIN-ROOT");
}

TEST(Machine, KeepsItsIdentityOverARestart) {
    MachineSpec spec;
    spec.name = "kept";
    std::string tcti;
    Bytes ak;
    {
        Machine machine = started(spec, "kept");
        ak = MUST(MUST(device::Tpm::open(machine.tcti())).read_public(device::kAkHandle));
        EXPECT_EQ(machine.start().error().code, Code::conflict);
        // Another handle on the same machine, as another process would have it.
        EXPECT_EQ(MUST(Machine::open(machine.dir())).start().error().code, Code::conflict);
        tcti = machine.tcti();
        machine.stop();
        machine.stop();
        EXPECT_FALSE(machine.running());
        EXPECT_EQ(device::Tpm::open(tcti).error().code, Code::unavailable);
    }
    Machine machine = MUST(Machine::open(lab_dir().path() / "kept"));
    EXPECT_EQ(machine.identity().spec.name, "kept");
    MUST(machine.start());
    EXPECT_EQ(MUST(MUST(device::Tpm::open(machine.tcti())).read_public(device::kAkHandle)), ak);
    EXPECT_TRUE(verify(machine));
}

TEST(Machine, WorksBesideAnother) {
    std::string found[2];
    std::thread threads[2];
    root();
    for (int i = 0; i < 2; ++i) {
        threads[i] = std::thread(
            [&found, i] { found[i] = refusal(started({}, fmt::format("parallel{}", i))); });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(found[0], "accepted");
    EXPECT_EQ(found[1], "accepted");
}

TEST(Machine, WorksInAFolderWhosePathIsTooLongForASocket) {
    Path deep = lab_dir().path() / std::string(120, 'd') / "a,b";
    std::filesystem::create_directories(deep);
    Machine machine = MUST(Machine::create({}, deep / "vm", root(), kNow));
    MUST(machine.start());
    EXPECT_EQ(machine.sockets().size(), 2u);
    EXPECT_TRUE(device::Tpm::open(machine.tcti()));
}

// A trusted launch machine has what Azure's has: an attestation key and its certificate.
TEST(Machine, OfTrustedLaunchHasNoReportOfAProcessor) {
    MachineSpec spec;
    spec.kind = MachineKind::trusted_launch;
    spec.vm_size = "Standard_D2s_v5";
    Machine machine = started(spec, "trusted");
    EXPECT_EQ(machine.identity().vcek_pem, "");
    EXPECT_EQ(machine.identity().chain_pem, "");
    device::Tpm tpm = MUST(device::Tpm::open(machine.tcti()));
    EXPECT_EQ(tpm.nv_read(device::kNvHclReport).error().code, Code::not_found);
    auto area = MUST(evidence::TpmPublic::parse(MUST(tpm.read_public(device::kAkHandle))));
    auto certificate =
        MUST(crypto::Certificate::parse_der_prefix(MUST(tpm.nv_read(device::kNvAkCertificate))));
    EXPECT_EQ(MUST(certificate.public_key()), MUST(area.public_key()));
    EXPECT_TRUE(certificate.verify_signed_by(root().vtpm_ca()));

    Machine opened = MUST(Machine::open(machine.dir()));
    EXPECT_EQ(opened.identity().spec.kind, MachineKind::trusted_launch);
    EXPECT_EQ(opened.identity().spec.vm_size, "Standard_D2s_v5");
    EXPECT_EQ(opened.identity().spec.location, "");
}

SecretBytes random_key(size_t size = kStateKeySize) {
    SecretBytes out(size);
    crypto::fill_random(out.expose_mutable());
    return out;
}

bool state_shows(const Machine& machine, ByteView what) {
    Bytes state = MUST(read_file(machine.dir() / "tpm/tpm2-00.permall"));
    return std::search(state.begin(), state.end(), what.begin(), what.end()) != state.end();
}

TEST(Machine, StartsWithItsStateKeyAlone) {
    const SecretBytes key = random_key();
    Machine machine = MUST(Machine::create({}, lab_dir().path() / "sealed", root(), kNow, &key));
    EXPECT_TRUE(machine.identity().state_key);
    MUST(machine.start(&key));
    EXPECT_TRUE(verify(machine));
    machine.stop();

    Machine opened = MUST(Machine::open(machine.dir()));
    EXPECT_EQ(opened.start().error().code, Code::invalid);
    const SecretBytes other = random_key();
    auto refused = opened.start(&other);
    EXPECT_EQ(refused.error().code, Code::forbidden);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("state key"));
    EXPECT_FALSE(opened.running());
    const SecretBytes shorter = random_key(16);
    EXPECT_EQ(opened.start(&shorter).error().code, Code::invalid);
    MUST(opened.start(&key));
    EXPECT_TRUE(verify(opened));
}

// The certificate authority's name stands in the attestation key's certificate.
TEST(Machine, HidesItsStateByItsKeyAndLeavesTheKeyNowhere) {
    const ByteView name = as_bytes("SIMULATED Virtual TPM CA");
    EXPECT_TRUE(state_shows(good_machine(), name));
    const SecretBytes key = random_key();
    Machine machine = MUST(Machine::create({}, lab_dir().path() / "hidden", root(), kNow, &key));
    EXPECT_FALSE(state_shows(machine, name));
    MUST(machine.start(&key));
    EXPECT_FALSE(state_shows(machine, name));
    machine.stop();
    const std::string hex = encode_hex(key.expose());
    for (const auto& entry : std::filesystem::recursive_directory_iterator(machine.dir())) {
        if (!entry.is_regular_file()) continue;
        std::string text = encode_hex(MUST(read_file(entry.path())));
        EXPECT_EQ(text.find(hex), std::string::npos) << entry.path();
    }
}

// Who edits the file does not get around the key.
TEST(Machine, DoesNotOpenItsStateBecauseItsFileSaysNoKey) {
    const SecretBytes key = random_key();
    Machine machine = MUST(Machine::create({}, lab_dir().path() / "edited", root(), kNow, &key));
    Path file = machine.dir() / "machine.json";
    Json json = MUST(parse_json_object(MUST(read_text_file(file))));
    json["state_key"] = false;
    MUST(write_file(file, as_bytes(dump_json(json)), Overwrite::yes));
    Machine opened = MUST(Machine::open(machine.dir()));
    EXPECT_FALSE(opened.start());
    EXPECT_FALSE(opened.running());
}

TEST(Machine, RefusesAStateKeyItHasNoUseFor) {
    const SecretBytes key = random_key();
    Machine machine = MUST(Machine::create({}, lab_dir().path() / "keyless", root(), kNow));
    EXPECT_EQ(machine.start(&key).error().code, Code::invalid);
    MUST(machine.start());
    const SecretBytes empty;
    EXPECT_EQ(Machine::create({}, lab_dir().path() / "n", root(), kNow, &empty).error().code,
              Code::invalid);
    EXPECT_FALSE(std::filesystem::exists(lab_dir().path() / "n"));
}

// machine.json as it was before machines had kinds.
TEST(Machine, OpensAFileOfAnOlderVersion) {
    Machine machine = MUST(Machine::create({}, lab_dir().path() / "older", root(), kNow));
    Path file = machine.dir() / "machine.json";
    Json json = MUST(parse_json_object(MUST(read_text_file(file))));
    json.erase("kind");
    json.erase("state_key");
    MUST(write_file(file, as_bytes(dump_json(json)), Overwrite::yes));
    Machine opened = MUST(Machine::open(machine.dir()));
    EXPECT_EQ(opened.identity().spec.kind, MachineKind::confidential);
    EXPECT_FALSE(opened.identity().state_key);
    MUST(opened.start());
    json["kind"] = "standard";
    MUST(write_file(file, as_bytes(dump_json(json)), Overwrite::yes));
    EXPECT_EQ(Machine::open(machine.dir()).error().code, Code::invalid);
}

TEST(Machine, IsNotMadeTwiceNorHalf) {
    EXPECT_EQ(Machine::open(lab_dir().path() / "absent").error().code, Code::not_found);
    EXPECT_EQ(Machine::create({}, lab_dir().path(), root(), kNow).error().code, Code::conflict);
    MachineSpec spec;
    spec.name = "../x";
    EXPECT_EQ(Machine::create(spec, lab_dir().path() / "n", root(), kNow).error().code,
              Code::invalid);
    spec = {};
    spec.report_version = 9;
    EXPECT_EQ(Machine::create(spec, lab_dir().path() / "n", root(), kNow).error().code,
              Code::unsupported);
    EXPECT_FALSE(std::filesystem::exists(lab_dir().path() / "n"));
}

TEST(Machine, IsMadeWhereAnEndedProcessLeftHalfOfIt) {
    const Path dir = lab_dir().path() / "half";
    MUST(make_private_dir(dir));
    MUST(write_file(dir / "tpm2-00.permall", as_bytes("half"), Overwrite::no));
    // Not ours, as far as one can see.
    EXPECT_EQ(Machine::create({}, dir, root(), kNow).error().code, Code::conflict);
    {
        const FileLock making = MUST(FileLock::take(dir / kMachineLock));
        EXPECT_EQ(Machine::create({}, dir, root(), kNow).error().code, Code::conflict);
    }
    Machine machine = MUST(Machine::create({}, dir, root(), kNow));
    MUST(machine.start());
    EXPECT_EQ(Machine::create({}, dir, root(), kNow).error().code, Code::conflict);
}

TEST(Machine, SaysWhatToInstallWithoutASoftwareTpm) {
    std::string path = std::getenv("PATH");
    ::setenv("PATH", "/nonexistent", 1);
    auto machine = Machine::create({}, lab_dir().path() / "none", root(), kNow);
    ::setenv("PATH", path.c_str(), 1);
    ASSERT_FALSE(machine);
    EXPECT_EQ(machine.error().code, Code::unavailable);
    EXPECT_THAT(machine.error().message, testing::HasSubstr("swtpm"));
    EXPECT_FALSE(std::filesystem::exists(lab_dir().path() / "none"));
}

TEST(SimulatedRoot, IsTheSameWhenLoaded) {
    root();
    SimulatedRoot loaded = MUST(SimulatedRoot::load(lab_dir().path() / "root"));
    EXPECT_EQ(loaded.amd_chain_pem(), root().amd_chain_pem());
    EXPECT_EQ(loaded.tls_ca_pem(), root().tls_ca_pem());
    EXPECT_EQ(SimulatedRoot::create(lab_dir().path() / "root", kNow).error().code, Code::conflict);
    EXPECT_EQ(SimulatedRoot::load(lab_dir().path() / "no-root").error().code, Code::not_found);
    for (const auto& entry : std::filesystem::directory_iterator(lab_dir().path() / "root/keys")) {
        EXPECT_EQ(entry.status().permissions(), std::filesystem::perms{0600}) << entry.path();
    }
    EXPECT_EQ(std::filesystem::status(lab_dir().path() / "root/keys").permissions(),
              std::filesystem::perms{0700});
}

TEST(SimulatedRoot, SaysSimulatedInEverySubject) {
    using testing::HasSubstr;
    ChipId chip{};
    SimulatedVcek vcek = MUST(root().issue_vcek(chip, simulated_tcb(), kNow));
    auto ak = MUST(root().issue_ak_certificate(root().ask().public_key().value(), "id", kNow));
    auto tls = MUST(root().issue_tls({"localhost"}, kNow));
    for (const crypto::Certificate& certificate :
         {root().ark(), root().ask(), root().vtpm_ca(), root().tls_ca(), vcek.certificate, ak,
          tls.chain.at(0)}) {
        EXPECT_THAT(certificate.subject(), HasSubstr("SIMULATED"));
    }
}

TEST(SimulatedRoot, IsRefusedWhenItsFilesDoNotFitTogether) {
    root();
    Path copy = lab_dir().path() / "root-copy";
    std::filesystem::copy(lab_dir().path() / "root", copy,
                          std::filesystem::copy_options::recursive);
    std::filesystem::copy_file(copy / "keys/ark.pem", copy / "keys/ask.pem",
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_EQ(SimulatedRoot::load(copy).error().code, Code::invalid);
}

TEST(LabCollateral, IsThereForAsLongAsTheLabAndMadeAgainWhereItIsMissing) {
    root();
    Path dir = lab_dir().path() / "lab";
    std::filesystem::create_directory(dir);
    std::filesystem::permissions(dir, std::filesystem::perms::owner_all);
    std::filesystem::copy(lab_dir().path() / "root", dir / "root",
                          std::filesystem::copy_options::recursive);
    auto made = MUST(DataDirectory::create(dir, DirectoryKind::lab, kNow));
    FixedClock clock(kNow);
    auto lists = [&] {
        auto store = MUST(
            attest::CollateralStore::create({}, collateral_pack_of(dir), made.anchors(), clock));
        return store->snp_crls(evidence::SnpProduct::milan).crls;
    };
    ASSERT_EQ(lists().size(), 1u);
    EXPECT_TRUE(lists()[0].verify_signed_by(root().ark()));
    EXPECT_FALSE(MUST(lists()[0].revokes(root().ask())));
    clock.set(root().ark().not_after());
    EXPECT_EQ(lists().size(), 1u);
    clock.set(kNow);

    // A lab of an older version of this program.
    std::filesystem::remove_all(dir / "collateral");
    EXPECT_TRUE(lists().empty());
    ASSERT_TRUE(DataDirectory::open(dir));
    EXPECT_EQ(lists().size(), 1u);
    std::string before = collateral_pack_of(dir).fingerprint();
    ASSERT_TRUE(DataDirectory::open(dir));
    EXPECT_EQ(collateral_pack_of(dir).fingerprint(), before);
}

TEST(LabCollateral, IsNotMadeForProduction) {
    Path dir = lab_dir().path() / "production";
    ASSERT_TRUE(DataDirectory::create(dir, DirectoryKind::production, kNow));
    EXPECT_FALSE(std::filesystem::exists(dir / "collateral"));
}

TEST(SimulatedRoot, MakesServerCertificatesForNamesAndAddresses) {
    auto identity = MUST(root().issue_tls({"demo.vault.azure.net", "127.0.0.1"}, kNow));
    const crypto::Certificate& leaf = identity.chain.at(0);
    EXPECT_TRUE(leaf.verify_signed_by(root().tls_ca()));
    EXPECT_THAT(leaf.dns_names(), testing::Contains("demo.vault.azure.net"));
    EXPECT_EQ(MUST(leaf.public_key()), identity.key.public_key());
    EXPECT_EQ(root().issue_tls({}, kNow).error().code, Code::invalid);
}

}  // namespace
}  // namespace vouchsafe::lab
