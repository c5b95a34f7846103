"""Reference values on the command line: made of a lab machine's evidence, compared, signed, kept, and told."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["VOUCHSAFE"]
WANTS = 'version=1.0; authorizationrules { [type=="x-vouchsafe-reference-values", value=="prod"] => permit(); };'


def run(*arguments, **options):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120, **options)


class References(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-reference-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab, cls.evidence = cls.work / "lab", cls.work / "evidence.json"
        made = run("vm", "create", "m", "--dir", cls.lab)
        assert made.returncode == 0, made.stderr
        collected = run("vm", "exec", "m", "--dir", cls.lab, "--", "vouchsafe", "attest", "--evidence")
        assert collected.returncode == 0, collected.stderr
        cls.evidence.write_text(collected.stdout)
        cls.recorded = ("--type", "AzureGuest", "--evidence", cls.evidence, "--dir", cls.lab)

    def write(self, name, content):
        file = self.work / name
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    def make(self, *options):
        made = run("reference", "from-evidence", *self.recorded, "--name", "prod", "--until", "2099-01-01", *options)
        self.assertEqual(made.returncode, 0, made.stderr)
        return json.loads(made.stdout)

    def test_what_is_made_of_evidence_matches_it_and_what_differs_does_not(self):
        whole = self.make()
        self.assertEqual(sorted(whole["values"]), ["pcrs", "snp"])
        self.assertEqual(run("reference", "lint", self.write("whole.json", whole)).returncode, 0)
        good = run("reference", "test", self.work / "whole.json", *self.recorded)
        self.assertEqual(good.returncode, 0, good.stdout + good.stderr)
        some = self.make("--pcr", "7", "--events", "4")
        self.assertEqual(list(some["values"]["pcrs"]), ["7"])
        self.assertEqual(run("reference", "test", self.write("some.json", some), *self.recorded).returncode, 0)
        some["values"]["event-digests"]["4"] = some["values"]["event-digests"]["4"][1:] or ["00" * 32]
        bad = run("reference", "test", self.write("bad.json", some), *self.recorded)
        self.assertEqual(bad.returncode, 1)
        self.assertIn("event-digests.4", bad.stdout)
        policy = self.write("a.policy", WANTS)
        test = ("policy", "test", policy, *self.recorded, "--reference")
        self.assertEqual(run(*test, self.work / "whole.json").returncode, 0)
        refused = run(*test, self.work / "bad.json")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("prod:1: event-digests.4", refused.stdout)
        self.assertEqual(run("reference", "from-evidence", *self.recorded, "--name", "prod", "--until", "2099-01-01",
                             "--pcr", "16").returncode, 2)

    def test_lint_warns_and_refuses_what_is_no_set(self):
        whole = self.make()
        whole["validity"]["not-after"] = "2026-01-01"
        warned = run("--json", "reference", "lint", self.write("ended.json", whole))
        self.assertEqual(warned.returncode, 1)
        self.assertIn("ended", json.loads(warned.stdout)["warnings"][0])
        whole["more"] = 1
        broken = run("reference", "lint", self.write("broken.json", whole))
        self.assertEqual(broken.returncode, 2)
        self.assertIn("more", broken.stderr)

    def test_sets_are_kept_by_version_in_a_data_directory(self):
        first, second = self.make(), self.make("--version", "2")
        where = ("--dir", self.lab)
        self.assertEqual(run("reference", "set", self.write("1.json", first), *where).returncode, 0)
        second["description"] = "the second"
        kept = run("--json", "reference", "set", self.write("2.json", second), *where)
        self.assertEqual(json.loads(kept.stdout), {"name": "prod", "version": 2, "old-version": 1})
        late = run("--json", "reference", "set", self.work / "1.json", *where)
        self.assertEqual(late.returncode, 1)
        self.assertIn("ATTEST-REFERENCE-VERSION", late.stdout + late.stderr)
        shown = run("reference", "show", "prod", *where)
        self.assertEqual(json.loads(shown.stdout), second)
        self.assertEqual(json.loads(run("reference", "show", "prod", "--version", "1", *where).stdout), first)
        self.assertEqual(run("reference", "show", "other", *where).returncode, 1)
        listed = json.loads(run("--json", "reference", "list", *where).stdout)
        self.assertEqual([(one["name"], one["version"], one["status"], one["set-by"]) for one in listed],
                         [("prod", 2, "in force", "operator")])
        self.assertEqual(run("reference", "remove", "prod", *where).returncode, 0)
        self.assertEqual(run("reference", "remove", "prod", *where).returncode, 1)
        self.assertIn("removed", run("reference", "list", *where).stdout)
        log = run("audit", "show", "--service", "attestation", *where).stdout
        self.assertEqual(log.count("reference-values/set prod"), 2)
        self.assertEqual(log.count("reference-values/remove prod"), 1)

    def test_sign_makes_what_signers_send(self):
        key, certificate = self.work / "signer.key", self.work / "signer.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=signer", "-days", "2", "-keyout", key, "-out", certificate],
                       check=True, capture_output=True)
        document = self.write("signed.json", self.make())
        signed = run("reference", "sign", document, "--key", key, "--certificate", certificate)
        self.assertEqual(signed.returncode, 0, signed.stderr)
        self.assertEqual(signed.stdout.count("."), 2)
        self.assertEqual(run("reference", "lint", self.write("signed.jws", signed.stdout)).returncode, 0)
        self.assertEqual(run("reference", "sign", self.write("x.json", "{}"), "--key", key, "--certificate",
                             certificate).returncode, 2)


if __name__ == "__main__":
    unittest.main()
