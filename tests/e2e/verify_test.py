"""verify and inspect on recorded evidence of real machines: verdicts, exit codes, and what they print."""

import base64
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["VOUCHSAFE"]
VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors"
AT = ("--at", "2026-07-01T00:00:00Z")
UNCHECKED = ("--allow-unchecked", "revocation")


def run(*arguments, data=None):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, input=data, timeout=60)


class Verify(unittest.TestCase):
    def verdict(self, *arguments, code):
        result = run("verify", *arguments, "--json")
        self.assertEqual(result.returncode, code, result.stderr)
        verdict = json.loads(result.stdout)
        self.assertEqual(verdict["schema"], "vouchsafe-verdict/1")
        self.assertEqual(verdict["kind"], arguments[0])
        self.assertEqual(verdict["valid"], code == 0)
        return verdict

    def refused(self, code, *arguments):
        verdict = self.verdict(*arguments, code=1)
        self.assertEqual(verdict["refusal"]["code"], code)
        self.assertFalse(verdict["checks"][-1]["passed"])
        self.assertNotIn("facts", verdict)
        plain = run("verify", *arguments)
        self.assertEqual((plain.returncode, plain.stdout), (1, b""))
        for part in (code, "expected", "found", "rule", "remedy"):
            self.assertIn(part, plain.stderr.decode())

    def snp(self, name, cert=None):
        folder = VECTORS / "snp"
        return ("snp", "--report", folder / f"{name}.report.bin", "--cert", folder / f"{cert or name}.vcek.der")

    def test_genuine_reports_of_every_product_are_valid(self):
        for name, product in (("milan-v3-aci", "Milan"), ("genoa-v3-aci", "Genoa"), ("turin-v5-azure", "Turin")):
            verdict = self.verdict(*self.snp(name), *AT, *UNCHECKED, code=0)
            self.assertEqual(verdict["facts"]["product"], product)
            self.assertEqual(verdict["not_checked"], ["revocation"])
            self.assertTrue(all(check["passed"] for check in verdict["checks"]))

    def test_what_is_not_checked_is_a_refusal_unless_it_is_named(self):
        self.refused("SNP-REVOCATION", *self.snp("milan-v3-aci"), *AT)

    def test_reports_that_do_not_hold_are_refused_by_name(self):
        late = ("--at", "2036-07-01T00:00:00Z")
        self.refused("SNP-CHAIN-DATES", *self.snp("milan-v3-aci"), *late, *UNCHECKED)
        self.refused("SNP-SIGNATURE", *self.snp("derived/flip-report-data", "genoa-v3-aci"), *AT, *UNCHECKED)
        self.refused("SNP-POLICY-DEBUG", *self.snp("milan-v2-google-debug"), *AT, *UNCHECKED)
        self.verdict(*self.snp("milan-v2-google-debug"), *AT, *UNCHECKED, "--allow-debug", code=0)

    def test_a_relying_party_can_demand_more(self):
        genuine = (*self.snp("milan-v3-aci"), *AT, *UNCHECKED)
        self.refused("SNP-REPORT-DATA", *genuine, "--report-data", "01" * 64)
        self.verdict(*genuine, "--report-data", "00" * 64, "--min-tcb", "snp=24,microcode=219", code=0)
        self.refused("SNP-TCB-FLOOR", *genuine, "--min-tcb", "snp=24,microcode=220")
        self.refused("SNP-VMPL", *genuine, "--vmpl", "1")
        for wrong in (("--report-data", "00"), ("--min-tcb", "snp=256"), ("--min-tcb", "snap=1"), ("--at", "soon")):
            self.assertEqual(run("verify", *genuine, *wrong).returncode, 2, wrong)

    def test_a_tpms_quote_holds_with_its_values_only(self):
        tpm = VECTORS / "tpm"
        quote = ("tpm-quote", "--signature", tpm / "azure-vtpm.tpm-quote.sig", "--ak", tpm / "azure-vtpm.akpub.pem",
                 "--allow-unchecked", "ak-chain")
        attest = ("--attest", tpm / "azure-vtpm.tpm-quote.msg")
        pcrs = ("--pcrs", tpm / "azure-vtpm.pcrs-sha256.bin")
        verdict = self.verdict(*quote, *attest, *pcrs, "--nonce", "6368616c6c656e6765", code=0)
        self.assertEqual(len(verdict["facts"]["pcrs"]["sha256"]), 24)
        self.refused("TPM-QUOTE-NONCE", *quote, *attest, *pcrs, "--nonce", "00")
        self.refused("TPM-QUOTE-COUNTERS", *quote, *attest, *pcrs, "--reset-count", "77")
        self.refused("TPM-QUOTE-DIGEST", *quote, *attest, "--pcrs", tpm / "derived/pcrs-flip-pcr4.bin")
        self.refused("TPM-QUOTE-MAGIC", *quote, "--attest", tpm / "derived/quote-bad-magic.msg", *pcrs)
        self.refused("TPM-NOT-CHECKED", *quote, *attest)
        self.refused("TPM-NOT-CHECKED", *quote[:-2], *attest, *pcrs)
        verdict = self.verdict(*quote, *attest, "--allow-unchecked", "pcrs", code=0)
        self.assertEqual(verdict["not_checked"], ["pcrs", "ak-chain"])

    def test_a_certificate_says_whose_the_key_of_a_quote_is(self):
        machine = VECTORS / "hcl/azure-tdx-akcert"
        quote = ("tpm-quote", "--attest", machine / "tpm-quote.msg", "--signature", machine / "tpm-quote.sig",
                 "--pcrs", machine / "pcrs-sha256.bin")
        with tempfile.TemporaryDirectory() as work:
            nv = self.nv_index(work)
            listless = ("--allow-unchecked", "revocation")
            verdict = self.verdict(*quote, "--ak", nv, *AT, *listless, code=0)
            self.assertEqual(verdict["not_checked"], ["revocation"])
            self.refused("TPM-NOT-CHECKED", *quote, "--ak", nv, *AT)
            self.refused("AK-CERT-DATES", *quote, "--ak", nv, "--at", "2036-07-01T00:00:00Z", *listless)
        self.refused("TPM-NOT-CHECKED", *quote, "--ak", machine / "hcl-report.bin", *AT)

    def nv_index(self, work):
        """nv_index is the AK's certificate as it stands in the TPM: with zeros behind it."""
        pem = (VECTORS / "hcl/azure-tdx-akcert/ak-cert-chain.pem").read_text()
        nv = pathlib.Path(work) / "nv"
        nv.write_bytes(base64.b64decode("".join(line for line in pem.splitlines() if line[0] != "-")))
        return nv

    def test_an_event_log_is_believed_as_far_as_the_registers_confirm_it(self):
        boot = VECTORS / "local/sb-on-shim-grub"
        log = ("event-log", "--log", boot / "eventlog.bin")
        verdict = self.verdict(*log, "--pcrs", boot / "pcrs.txt", code=0)
        self.assertEqual(verdict["facts"]["secure_boot"], "on")
        self.refused("LOG-REPLAY-PCR", *log, "--pcrs", VECTORS / "local/sb-off-uki/pcrs.txt")

    def test_the_certificate_of_an_azure_key_ends_in_microsofts_root(self):
        with tempfile.TemporaryDirectory() as work:
            nv = self.nv_index(work)
            verdict = self.verdict("ak-cert", "--cert", nv, *AT, "--allow-unchecked", "revocation", code=0)
            self.assertEqual(verdict["not_checked"], ["revocation"])
            self.refused("CERT-NOT-CHECKED", "ak-cert", "--cert", nv, *AT)
            other = VECTORS / "tdx/collateral/root-2026.crl.der"
            self.refused("CERT-NOT-CHECKED", "ak-cert", "--cert", nv, *AT, "--crl", other)
            self.assertEqual(run("verify", "ak-cert", "--cert", nv, "--crl", nv).returncode, 2)
            self.assertEqual(run("verify", "ak-cert", "--cert", nv, "--allow-unchecked", "pcrs").returncode, 2)
            self.assertIn("Global Virtual TPM CA", verdict["facts"]["issuer"])
            self.refused("AK-CERT-DATES", "ak-cert", "--cert", nv, "--at", "2028-01-01")
        self.refused("AK-CERT-CHAIN", "ak-cert", "--cert", VECTORS / "snp/milan-v3-aci.vcek.der", *AT)

    def test_td_quotes_are_judged_by_intels_collateral(self):
        tdx = VECTORS / "tdx"
        collateral = tdx / "collateral"
        documents = ("--tcb-info", collateral / "tcbinfo-90c06f000000-2026b.json", "--qe-identity",
                     collateral / "qeidentity-td-2026.json", "--tcb-chain", collateral / "tcb-signing-chain.pem")
        lists = ("--crl", collateral / "root-2026.crl.der", "--crl", collateral / "pck-platform-2026.crl.der")
        at = ("--at", "2026-04-01")
        quote = ("tdx", "--quote", tdx / "v5-bodytype3.quote.bin", *at)
        verdict = self.verdict(*quote, *documents, *lists, code=0)
        self.assertEqual((verdict["facts"]["tcb"]["status"], verdict["not_checked"]), ("UpToDate", []))
        self.refused("TDX-NOT-CHECKED", *quote, *documents)
        verdict = self.verdict(*quote, *documents, "--allow-unchecked", "revocation", code=0)
        self.assertEqual(verdict["not_checked"], ["revocation"])
        self.assertEqual(run("verify", *quote, "--allow-unchecked", "everything").returncode, 2)
        self.assertEqual(run("verify", *quote, *documents[:4]).returncode, 2)
        self.refused("TDX-TEE", "tdx", "--quote", tdx / "v3-sgx-occlum.quote.bin", *at)
        self.refused("TDX-SIGNATURE", "tdx", "--quote", tdx / "derived/flip-mrtd.quote.bin", *at)

    def test_quotes_of_enclaves_are_judged_by_intels_documents_for_sgx(self):
        tdx, sgx = VECTORS / "tdx", VECTORS / "sgx"
        at = ("--at", "2025-07-01")
        quote = ("sgx", "--quote", tdx / "v3-sgx-occlum.quote.bin", *at)
        chain = ("--tcb-chain", tdx / "collateral/tcb-signing-chain.pem")
        identity = ("--qe-identity", sgx / "qeidentity-2025.json", *chain)
        unchecked = ("--allow-unchecked", "revocation", "--allow-unchecked", "tcb-info")
        self.refused("TDX-NOT-CHECKED", *quote)
        self.refused("SGX-DEBUG", *quote, *identity, *unchecked)
        verdict = self.verdict(*quote, *identity, *unchecked, "--allow-debug", code=0)
        self.assertEqual(verdict["not_checked"], ["revocation", "tcb-info"])
        self.assertTrue(verdict["facts"]["mrenclave"].startswith("8f173e46"))
        self.refused("TDX-TCB-PLATFORM", *quote, *identity, *unchecked[:2], "--tcb-info",
                     sgx / "tcbinfo-00a067110000-2025.json")
        self.refused("SGX-COLLATERAL-FORM", *quote[:3], "--at", "2026-04-01", *chain, *unchecked, "--qe-identity",
                     tdx / "collateral/qeidentity-td-2026.json")
        self.refused("SGX-TEE", "sgx", "--quote", tdx / "v5-bodytype3.quote.bin", *at)

    def test_hcl_reports_bind_their_claims(self):
        folder = VECTORS / "hcl/azure-snp-milan-a"
        cert = next(path for path in folder.iterdir() if "vcek" in path.name)
        report = (folder / "hcl-report.bin").read_bytes()
        with tempfile.TemporaryDirectory() as work:
            changed = pathlib.Path(work) / "changed"
            changed.write_bytes(report[:1300] + bytes([report[1300] ^ 1]) + report[1301:])
            for file, code in ((folder / "hcl-report.bin", 0), (changed, 1)):
                verdict = self.verdict("hcl", "--report", file, "--cert", cert, *AT, *UNCHECKED, code=code)
            self.assertEqual(verdict["refusal"]["code"], "HCL-BINDING")

    def test_hcl_reports_of_intel_machines_need_their_quote(self):
        folder = VECTORS / "hcl/azure-tdx-a"
        hcl = ("hcl", "--report", folder / "hcl-report.bin", *AT)
        unchecked = ("--allow-unchecked", "revocation,qe-identity,tcb-info")
        self.assertEqual(run("verify", *hcl, *unchecked).returncode, 2)
        verdict = self.verdict(*hcl, *unchecked, "--quote", VECTORS / "tdx/v4-azure.quote.bin", code=0)
        self.assertIn("HCLAkPub", json.dumps(verdict["facts"]))
        self.refused("HCL-QUOTE", *hcl, *unchecked, "--quote", VECTORS / "tdx/v4-azure-akcert.quote.bin")
        self.refused("TDX-NOT-CHECKED", *hcl, "--quote", VECTORS / "tdx/v4-azure.quote.bin")


class VerifyStatements(unittest.TestCase):
    """Statements that others signed: a vault's releases, endorsements of utility VMs, attestation tokens."""

    verdict, refused = Verify.verdict, Verify.refused

    def test_a_vaults_release_tells_what_was_released_and_by_whom(self):
        skr = VECTORS / "skr"
        release = ("release", "--jws", skr / "release-ec-hsm-2022-05.jws")
        at = ("--at", "2022-06-01", "--allow-unchecked", "revocation")
        self.refused("CERT-NOT-CHECKED", *release, *at[:2])
        facts = self.verdict(*release, *at, code=0)["facts"]
        self.assertEqual((facts["vault"], facts["key"]["kty"]), ("gearamakv1.vault.azure.net", "EC-HSM"))
        self.assertEqual(facts["release_policy"]["anyOf"][0]["authority"], "https://sharedwus.wus.attest.azure.net")
        self.verdict(*release, *at, "--host", "gearamakv1.vault.azure.net", code=0)
        self.refused("RELEASE-KEY-ID", *release, *at, "--host", "another.vault.azure.net")
        self.refused("RELEASE-NAME", *release, *at, "--host", "gearamakv1.example.org")
        self.refused("RELEASE-CHAIN", *release)
        for name, code in (("payload-changed", "RELEASE-SIGNATURE"), ("self-signed", "RELEASE-CHAIN"),
                           ("alg-none", "RELEASE-FORMAT")):
            self.refused(code, "release", "--jws", skr / f"derived/release-ec-hsm-2022-05-{name}.jws", *at)

    def test_a_release_is_read_from_the_vaults_answer_and_from_a_pipe(self):
        jws = (VECTORS / "skr/release-ec-hsm-2022-05.jws").read_text().strip()
        arguments = ("verify", "release", "--jws", "-", "--at", "2022-06-01", "--allow-unchecked", "revocation")
        for data, code in ((json.dumps({"value": jws}), 0), (jws, 0), ("{}", 2), ("", 1)):
            self.assertEqual(run(*arguments, data=data.encode()).returncode, code, data[:20])

    def test_an_endorsement_holds_at_its_time_for_its_measurement(self):
        uvm = ("uvm", "--cose", VECTORS / "uvm/milan-v2-aci-2022.uvm-endorsement.cose")
        at = ("--at", "2023-06-01", "--allow-unchecked", "revocation")
        self.refused("CERT-NOT-CHECKED", *uvm, *at[:2])
        report = (VECTORS / "snp/milan-v2-aci-2022.report.bin").read_bytes()
        measurement = report[0x90:0xC0].hex()
        facts = self.verdict(*uvm, *at, "--measurement", measurement, "--min-svn", "22", code=0)["facts"]
        self.assertEqual((facts["guest_svn"], facts["feed"]), (22, "ContainerPlat-AMD-UVM"))
        self.assertEqual(facts["launch_measurement"], measurement)
        self.refused("UVM-MEASUREMENT", *uvm, *at, "--measurement", "00" * 48)
        self.refused("UVM-SVN", *uvm, *at, "--min-svn", "23")
        self.refused("UVM-DATES", *uvm)
        self.refused("UVM-FORM", "uvm", "--cose", VECTORS / "uvm/README.md", *at)
        self.assertEqual(run("verify", *uvm, *at, "--measurement", "00").returncode, 2)

    def test_a_token_says_whether_it_is_an_attestation(self):
        maa = VECTORS / "maa"
        for name, keys, at, statement, tee in (
                ("cvm-snp-weu-2023-03", "sharedweu", "2023-03-30T12:00:00Z", "attestation", "sevsnpvm"),
                ("policy-sharedwus", "sharedwus-2022-06", "2022-05-31T22:50:00Z", "policy", None)):
            token = ("token", "--token", maa / f"{name}.jwt", "--jwks", maa / f"{keys}.jwks.json", "--at", at)
            facts = self.verdict(*token, code=0)["facts"]
            self.assertEqual((facts["statement"], facts.get("tee")), (statement, tee))
            self.assertIn("iss", facts["claims"])
            self.assertEqual("no attestation" in run("verify", *token).stdout.decode(), statement == "policy")


class Inspect(unittest.TestCase):
    def test_names_every_kind_of_file_and_claims_nothing(self):
        kinds = {
            "snp/milan-v3-aci.report.bin": "snp-report",
            "hcl/azure-snp-milan-a/hcl-report.bin": "hcl-report",
            "tdx/v4-gcp-cos113.quote.bin": "tdx-quote",
            "tpm/azure-vtpm.tpm-quote.msg": "tpm-attest",
            "tpm/azure-vtpm.pcrs-sha256.bin": "pcr-values",
            "local/sb-on-shim-grub/eventlog.bin": "event-log",
            "local/sb-on-shim-grub/pcrs.txt": "pcr-values",
            "local/identity-on/ak_pub_tpmt.bin": "tpm-public",
            "snp/milan-v3-aci.vcek.der": "certificate",
            "certs/amd-milan-ask-ark.pem": "certificates",
            "maa/cvm-snp-weu-2023-03.jwt": "token",
            "maa/sharedweu.jwks.json": "jwks",
            "seal/esdk_js_128.sealed": "sealed-file",
            "tdx/v3-sgx-occlum.quote.bin": "sgx-quote",
            "tdx/ccel-cos113.bin": "td-event-log",
            "local/sb-on-shim-grub/ima_runtime_measurements.bin": "ima-list",
            "uvm/milan-v2-aci-2022.uvm-endorsement.cose": "cose-sign1",
        }
        for name, kind in kinds.items():
            result = run("inspect", VECTORS / name, "--json")
            self.assertEqual(result.returncode, 0, (name, result.stderr))
            found = json.loads(result.stdout)
            self.assertEqual((found["kind"], found["verified"]), (kind, False), name)
            self.assertIn(b"nothing of it was verified", run("inspect", VECTORS / name).stdout)

    def test_reads_what_comes_in_a_pipe_and_refuses_what_it_does_not_know(self):
        report = (VECTORS / "snp/milan-v3-aci.report.bin").read_bytes()
        self.assertEqual(run("inspect", "-", data=report).returncode, 0)
        for data in (b"", b"\x00" * 100, report[:-1], b"x" * (9 << 20)):
            result = run("inspect", "-", data=data)
            self.assertEqual((result.returncode, result.stdout), (2, b""))
        self.assertEqual(run("inspect", "/nonexistent").returncode, 2)


# --- what firmware and kernel log: event-log, tdx --event-log

class BootLogs(unittest.TestCase):
    verdict = Verify.verdict
    refused = Verify.refused
    BOOT = VECTORS / "local/sb-on-shim-grub"

    def test_a_log_without_registers_is_told_only_if_that_is_asked_for(self):
        log = ("event-log", "--log", self.BOOT / "eventlog.bin", *AT)
        self.refused("LOG-NOT-CHECKED", *log)
        verdict = self.verdict(*log, "--allow-unchecked", "event-log", code=0)
        self.assertEqual((verdict["not_checked"], verdict["facts"]["confirmed_pcrs"]), (["event-log"], []))
        registers = (self.BOOT / "pcrs.txt").read_text().lower().splitlines()
        self.assertIn(f"sha256 7 {verdict['facts']['replay']['sha256']['7']}", registers)
        self.assertNotIn("secure_boot", verdict["facts"])
        self.assertEqual(run("verify", *log, "--allow-unchecked", "revocation").returncode, 2)
        self.assertEqual(run("verify", *log[:3], "--at", "soon").returncode, 2)

    def test_what_booted_is_told_as_far_as_it_is_measured(self):
        log = ("event-log", "--log", self.BOOT / "eventlog.bin", "--pcrs", self.BOOT / "pcrs.txt")
        facts = self.verdict(*log, code=0)["facts"]
        self.assertEqual(facts["banks"], ["sha1", "sha256", "sha384", "sha512"])
        self.assertEqual(facts["confirmed_pcrs"], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14])
        self.assertEqual([image["path"] for image in facts["images"]],
                         ["\\EFI\\BOOT\\BOOTX64.EFI", "\\EFI\\BOOT\\grubx64.efi", "", ""])
        claimed = facts["claimed_by_labels"]  # which no digest covers
        self.assertEqual(claimed["kernel_image"], facts["images"][-1]["digest"])
        self.assertEqual((facts["digest_bank"], len(claimed["kernel_image"])), ("sha256", 64))
        db = next(variable for variable in facts["variables"] if variable["name"] == "db")
        self.assertIn("Microsoft Corporation UEFI CA 2011", " ".join(db["certificates"]))
        self.assertIn("disk", facts["disks"][0])

    def test_a_lost_log_is_not_the_same_as_one_that_never_was(self):
        boot = VECTORS / "local/sb-off-shim-grub-nolog"
        with tempfile.TemporaryDirectory() as work:
            empty, untouched = pathlib.Path(work) / "log", pathlib.Path(work) / "pcrs"
            empty.write_bytes(b"")
            untouched.write_bytes(bytes(24 * 32))
            self.refused("LOG-LOST", "event-log", "--log", empty, "--pcrs", boot / "pcrs.txt")
            self.refused("LOG-PRESENT", "event-log", "--log", empty, "--pcrs", untouched)
            self.refused("LOG-PRESENT", "event-log", "--log", empty, "--allow-unchecked", "event-log")

    def test_the_kernels_list_is_confirmed_by_register_10(self):
        log = ("event-log", "--log", self.BOOT / "eventlog.bin", "--pcrs", self.BOOT / "pcrs.txt")
        facts = self.verdict(*log, "--ima", self.BOOT / "ima_runtime_measurements.bin", code=0)["facts"]
        self.assertEqual((len(facts["ima"]["entries"]), facts["ima"]["unconfirmed_entries"]), (14, 0))
        self.assertEqual(facts["ima"]["entries"][0]["file"], "boot_aggregate")
        other = VECTORS / "local/sb-off-uki/ima_runtime_measurements.bin"
        self.refused("IMA-REPLAY-PCR", *log, "--ima", other)
        self.refused("IMA-FORM", *log, "--ima", self.BOOT / "eventlog.bin")

    def test_the_log_of_a_trust_domain_is_confirmed_by_its_quote(self):
        tdx = VECTORS / "tdx"
        unchecked = [word for name in ("revocation", "qe-identity", "tcb-info") for word in ("--allow-unchecked", name)]
        quote = ("tdx", "--quote", tdx / "v4-gcp-cos113.quote.bin", *AT, *unchecked)
        facts = self.verdict(*quote, "--event-log", tdx / "ccel-cos113.bin", code=0)["facts"]
        self.assertEqual(facts["boot"]["confirmed_rtmrs"], [0, 1, 2, 3])
        self.assertEqual(facts["boot"]["secure_boot"], "off")
        self.assertFalse(facts["debug_allowed"])
        self.assertNotIn("boot", self.verdict(*quote, code=0)["facts"])
        self.refused("CCEL-REPLAY-RTMR", *quote, "--event-log", tdx / "ccel-cos113-dup-separator.bin")
        self.refused("CCEL-FORM", *quote, "--event-log", tdx / "ccel-cos113.acpi-table.bin")
        debug = ("tdx", "--quote", tdx / "v4-debug.quote.bin", *AT, *unchecked)
        self.refused("TDX-DEBUG", *debug)
        facts = self.verdict(*debug, "--allow-debug", code=0)["facts"]
        self.assertTrue(facts["debug_allowed"] and facts["td_attributes"]["debug"])


if __name__ == "__main__":
    unittest.main()
