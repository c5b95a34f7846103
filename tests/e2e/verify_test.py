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
        quote = ("tpm-quote", "--signature", tpm / "azure-vtpm.tpm-quote.sig", "--ak", tpm / "azure-vtpm.akpub.pem")
        attest = ("--attest", tpm / "azure-vtpm.tpm-quote.msg")
        pcrs = ("--pcrs", tpm / "azure-vtpm.pcrs-sha256.bin")
        verdict = self.verdict(*quote, *attest, *pcrs, "--nonce", "6368616c6c656e6765", code=0)
        self.assertEqual(len(verdict["facts"]["pcrs"]["sha256"]), 24)
        self.refused("TPM-QUOTE-NONCE", *quote, *attest, *pcrs, "--nonce", "00")
        self.refused("TPM-QUOTE-DIGEST", *quote, *attest, "--pcrs", tpm / "derived/pcrs-flip-pcr4.bin")
        self.refused("TPM-QUOTE-MAGIC", *quote, "--attest", tpm / "derived/quote-bad-magic.msg", *pcrs)

    def test_an_event_log_is_believed_as_far_as_the_registers_confirm_it(self):
        boot = VECTORS / "local/sb-on-shim-grub"
        log = ("event-log", "--log", boot / "eventlog.bin")
        verdict = self.verdict(*log, "--pcrs", boot / "pcrs.txt", code=0)
        self.assertEqual(verdict["facts"]["secure_boot"], "on")
        self.refused("LOG-REPLAY-PCR", *log, "--pcrs", VECTORS / "local/sb-off-uki/pcrs.txt")

    def test_the_certificate_of_an_azure_key_ends_in_microsofts_root(self):
        pem = (VECTORS / "hcl/azure-tdx-akcert/ak-cert-chain.pem").read_text()
        with tempfile.TemporaryDirectory() as work:
            nv = pathlib.Path(work) / "nv"  # as in the TPM: with zeros behind it
            nv.write_bytes(base64.b64decode("".join(line for line in pem.splitlines() if line[0] != "-")))
            verdict = self.verdict("ak-cert", "--cert", nv, *AT, code=0)
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
        self.refused("HCL-TEE", "hcl", "--report", VECTORS / "hcl/azure-tdx-a/hcl-report.bin", "--cert", cert, *AT,
                     *UNCHECKED)


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


if __name__ == "__main__":
    unittest.main()
