"""Verdicts in one file with what they rest on: verified again, changed, and judged at another time."""

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
SNP = VECTORS / "snp"


def run(*arguments, data=None):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, input=data, timeout=60)


class Bundle(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.file = pathlib.Path(self.folder.name) / "verdict.json"

    def tearDown(self):
        self.folder.cleanup()

    def make(self, name, *rules, code=0):
        """make verifies a recorded report into a bundle and returns the verdict that was printed."""
        made = run("verify", "snp", "--report", SNP / f"{name}.report.bin", "--cert", SNP / f"{name}.vcek.der",
                   "--allow-unchecked", "revocation", *AT, *rules, "--bundle", self.file, "--json")
        self.assertEqual(made.returncode, code, made.stderr)
        return json.loads(made.stdout)

    def again(self, *options, code=0):
        result = run("verify", "bundle", self.file, *options, "--json")
        self.assertEqual(result.returncode, code, result.stderr)
        return json.loads(result.stdout) if result.stdout else None

    def changed(self, change):
        bundle = json.loads(self.file.read_text())
        change(bundle)
        self.file.write_text(json.dumps(bundle))

    def test_holds_years_later_without_the_files_it_was_made_of(self):
        verdict = self.make("milan-v3-aci", "--min-tcb", "snp=24")
        again = self.again()
        self.assertTrue(again["valid"])
        self.assertEqual(again["facts"]["verdict"], verdict["facts"])
        self.assertEqual(again["not_checked"], ["revocation"])
        self.assertEqual(again["facts"]["rules"]["min-tcb"], ["snp=24"])
        self.assertEqual(again["checks"][-1]["code"], verdict["checks"][-1]["code"])
        plain = run("verify", "bundle", self.file)
        self.assertIn(b"as recorded at 2026-07-01T00:00:00Z", plain.stdout)

    def test_holds_for_a_refusal_too(self):
        verdict = self.make("milan-v2-google-debug", code=1)
        self.assertEqual(self.again(code=1)["refusal"], verdict["refusal"])

    def test_every_part_that_was_changed_shows(self):
        def verdict(bundle):
            bundle["verdict"]["facts"]["measurement"] = "00" * 48

        def acceptance(bundle):
            bundle["verdict"]["valid"] = False

        def evidence(bundle):
            report = bytearray(base64.b64decode(bundle["files"]["report"][0]["bytes"]))
            report[0x90] ^= 1
            bundle["files"]["report"][0]["bytes"] = base64.b64encode(report).decode()

        def rule(bundle):
            bundle["rules"]["min-tcb"] = ["snp=255"]

        def time(bundle):
            bundle["time"] = "2046-07-01T00:00:00Z"

        for change in (verdict, acceptance, evidence, rule, time):
            self.make("milan-v3-aci", "--force")
            self.changed(change)
            self.assertEqual(self.again(code=1)["refusal"]["code"], "BUNDLE-VERDICT", change.__name__)

    def test_can_be_judged_at_another_time(self):
        self.make("milan-v3-aci")
        self.assertTrue(self.again("--at", "2027-01-01T00:00:00Z")["valid"])
        self.assertEqual(self.again("--at", "2046-01-01T00:00:00Z", code=1)["refusal"]["code"], "SNP-CHAIN-DATES")

    def test_a_bundle_of_a_stranger_reads_and_writes_no_file_here(self):
        here = pathlib.Path(self.folder.name) / "written"

        def unknown_kind(bundle):
            bundle["kind"] = "bundle"

        def path(bundle):
            bundle["rules"]["report"] = [str(SNP / "milan-v3-aci.report.bin")]
            del bundle["files"]["report"]

        def output(bundle):
            bundle["rules"]["bundle"] = [str(here)]

        def text_for_file(bundle):
            bundle["files"]["min-tcb"] = bundle["files"]["report"]

        def global_option(bundle):
            bundle["rules"]["site"] = ["/dev/null"]

        def swallowing(bundle):
            bundle["rules"]["min-tcb"] = [""]

        def swallowing_too(bundle):
            bundle["rules"]["min-tcb"] = []

        def flag_with_a_value(bundle):
            bundle["rules"]["allow-debug"] = ["false"]

        def hidden_in_a_list(bundle):
            bundle["rules"]["min-tcb"] = ["snp=255,microcode=255,snp=0"]

        for change in (unknown_kind, path, output, text_for_file, global_option, swallowing, swallowing_too,
                       flag_with_a_value, hidden_in_a_list):
            self.make("milan-v3-aci", "--force")
            self.changed(change)
            self.assertIsNone(self.again(code=2), change.__name__)
            self.assertFalse(here.exists())

    def test_what_a_stranger_writes_cannot_play_with_the_terminal(self):
        self.make("milan-v3-aci")

        def escape(bundle):
            bundle["made_by"] = "me\x1b[2J\n  not\u202e\u0085"
            bundle["files"]["report"][0]["name"] = "r\x1b[1A"

        self.changed(escape)
        shown = run("verify", "bundle", self.file).stdout.decode()
        self.assertIn("me\\x1b[2J\\x0a  not\\xe2\\x80\\xae\\xc2\\x85", shown)
        self.assertNotRegex(shown, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")

    def test_an_empty_value_does_not_take_the_next_option(self):
        hcl = VECTORS / "hcl/azure-tdx-a"
        result = run("verify", "hcl", "--report", hcl / "hcl-report.bin", "--quote", VECTORS / "tdx/v4-azure.quote.bin",
                     "--allow-unchecked", "revocation,qe-identity,tcb-info", *AT, "--min-tcb=",
                     f"--ak={VECTORS / 'tpm/azure-vtpm.akpub.pem'}")
        self.assertEqual((result.returncode, result.stdout), (2, b""))
        self.assertIn(b"--min-tcb=", result.stderr)

    def test_does_not_replace_a_file_unasked(self):
        self.file.write_text("mine")
        made = run("verify", "snp", "--report", SNP / "milan-v3-aci.report.bin", "--cert",
                   SNP / "milan-v3-aci.vcek.der", "--allow-unchecked", "revocation", *AT, "--bundle", self.file)
        self.assertNotEqual(made.returncode, 0)
        self.assertEqual(self.file.read_text(), "mine")

    def test_takes_evidence_from_a_pipe_and_in_every_other_kind(self):
        report = (SNP / "milan-v3-aci.report.bin").read_bytes()
        made = run("verify", "snp", "--report", "-", "--cert", SNP / "milan-v3-aci.vcek.der", "--allow-unchecked",
                   "revocation", *AT, "--bundle", self.file, data=report)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertTrue(self.again()["valid"])
        hcl = VECTORS / "hcl/azure-tdx-a"
        made = run("verify", "hcl", "--report", hcl / "hcl-report.bin", "--quote", VECTORS / "tdx/v4-azure.quote.bin",
                   "--allow-unchecked", "revocation,qe-identity,tcb-info", *AT, "--bundle", self.file, "--force")
        self.assertEqual(made.returncode, 0, made.stderr)
        again = self.again()
        self.assertEqual(again["not_checked"], ["revocation", "qe-identity", "tcb-info"])
        self.assertEqual(again["facts"]["kind"], "hcl")
        self.assertIn("quote", again["facts"]["files"])


if __name__ == "__main__":
    unittest.main()
