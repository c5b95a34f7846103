"""Attestation policies on the command line: warnings, a dry run on evidence of a lab's machine, explanations."""

import base64
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["VOUCHSAFE"]
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOKEN = ROOT / "tests/vectors/maa/cvm-snp-weu-2023-03.jwt"
WANTS = 'version=1.0; authorizationrules {{ [type=="x-ms-sevsnpvm-is-debuggable", value==false] && ' \
        '[type=="x-ms-sevsnpvm-microcode-svn", value>={}] => permit(); }};'


def run(*arguments, **options):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120, **options)


class Policies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-policy-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)

    def policy(self, text):
        file = self.work / "a.policy"
        file.write_text(text)
        return file

    def test_lint_warns_and_a_policy_that_does_not_parse_is_an_error(self):
        good = self.policy(WANTS.format(100))
        self.assertEqual(run("policy", "lint", good, "--type", "SevSnpVm").returncode, 0)
        bad = run("--json", "policy", "lint", self.policy("version=1.0; authorizationrules { => permit(); };"), "--type",
                  "SevSnpVm")
        self.assertEqual(bad.returncode, 1)
        self.assertIn("MAA-LINT-PERMIT-ALWAYS", [one["code"] for one in json.loads(bad.stdout)["warnings"]])
        broken = run("policy", "lint", self.policy("version=1.0;\nauthorizationrules { [type=\"a\"] => permit(); };"),
                     "--type", "SevSnpVm")
        self.assertEqual(broken.returncode, 2)
        self.assertIn("line 2, column", broken.stderr)
        self.assertEqual(run("policy", "lint", good, "--type", "Toaster").returncode, 2)

    def release_policy(self, value):
        file = self.work / "release.json"
        file.write_text(json.dumps({"version": "1.0.0", "anyOf": [{
            "authority": "https://sharedweu.weu.attest.azure.net",
            "allOf": [{"claim": "x-ms-isolation-tee.x-ms-attestation-type", "equals": value}]}]}))
        return file

    def test_lint_knows_a_release_policy_by_its_form(self):
        policy = self.release_policy("sevsnpvm")
        told = run("--json", "policy", "lint", policy)
        self.assertEqual(told.returncode, 1)
        codes = [one["code"] for one in json.loads(told.stdout)["warnings"]]
        self.assertEqual(codes, ["RELEASE-LINT-DEBUG-UNCHECKED", "RELEASE-LINT-ANY-MACHINE",
                                 "RELEASE-LINT-SHARED-AUTHORITY"])
        envelope = base64.urlsafe_b64encode(policy.read_bytes()).decode()
        key = json.dumps({"key": {}, "release_policy": {"data": envelope}})
        same = run("--json", "policy", "lint", "-", input=key)
        self.assertEqual(same.stdout, told.stdout)
        text = run("policy", "lint", policy).stdout
        self.assertLess(max(map(len, text.splitlines())), 110, text)
        self.assertEqual(run("policy", "lint", "--release", self.policy("version=1.0;")).returncode, 2)

    def test_explain_of_a_release_policy_tells_the_smallest_change(self):
        claims = self.work / "claims.json"
        claims.write_text(json.dumps({"iss": "https://sharedweu.weu.attest.azure.net",
                                      "x-ms-isolation-tee": {"x-ms-attestation-type": "tdxvm"}}))
        refused = run("--json", "policy", "explain", self.release_policy("sevsnpvm"), "--claims", claims)
        self.assertEqual(refused.returncode, 1, refused.stderr)
        change = json.loads(refused.stdout)["change"]
        self.assertEqual([one["path"] for one in change["conditions"]], ["anyOf[0].allOf[0]"])
        wider = self.work / "wider.json"
        wider.write_text(change["policy"])
        self.assertEqual(run("policy", "explain", wider, "--claims", claims).returncode, 0)

    def test_explain_says_which_rule_decided_and_what_would_pass(self):
        refused = run("policy", "explain", self.policy(WANTS.format(220)), "--claims", TOKEN)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("smallest change that would pass", refused.stdout)
        permitted = run("--json", "policy", "explain", self.policy(WANTS.format(100)), "--claims", TOKEN)
        self.assertEqual(permitted.returncode, 0)
        self.assertTrue(json.loads(permitted.stdout))

    def test_a_dry_run_on_a_machines_evidence_decides_as_the_service_would(self):
        lab, evidence = self.work / "lab", self.work / "evidence.json"
        self.assertEqual(run("vm", "create", "m", "--dir", lab).returncode, 0)
        collected = run("vm", "exec", "m", "--dir", lab, "--", "vouchsafe", "attest", "--evidence")
        self.assertEqual(collected.returncode, 0, collected.stderr)
        evidence.write_text(collected.stdout)
        test = ("policy", "test", "--type", "AzureGuest", "--evidence", evidence)
        self.assertEqual(run(*test, self.policy(WANTS.format(219)), "--dir", lab).returncode, 0)
        self.assertEqual(run(*test, self.policy(WANTS.format(220)), "--dir", lab).returncode, 1)
        revocation = 'version=1.0; authorizationrules { [type=="x-vouchsafe-revocation", value=="checked"] => permit(); };'
        self.assertEqual(run(*test, self.policy(revocation), "--dir", lab).returncode, 0)
        fresh = 'version=1.0; authorizationrules { [type=="x-vouchsafe-collateral-age", value<=9999999] => permit(); };'
        self.assertEqual(run(*test, self.policy(fresh), "--dir", lab).returncode, 0)
        # Recorded evidence may answer a challenge, which is to be named; this quote does not sign it.
        inner = base64.urlsafe_b64encode(collected.stdout.encode()).decode().rstrip("=")
        evidence.write_text(json.dumps({"AttestationInfo": inner, "challenge": "abc"}))
        for options, code in (((), "ATTEST-CHALLENGE"), (("--challenge", "abd"), "ATTEST-CHALLENGE"),
                              (("--challenge", "abc"), "TPM-QUOTE-NONCE")):
            answered = run("--json", *test, self.policy(fresh), "--dir", lab, *options)
            self.assertEqual(answered.returncode, 1)
            self.assertIn(code, answered.stdout + answered.stderr)
        # With the settings of the service that is to judge by it.
        evidence.write_text(collected.stdout)
        other_key = run("--json", *test, self.policy(fresh), "--dir", lab, "--id-key", "00" * 48)
        self.assertEqual(other_key.returncode, 1)
        self.assertIn("ATTEST-ID-KEY", other_key.stdout + other_key.stderr)
        launched = dict(json.loads(collected.stdout), IsolationInfo={"Type": "TrustedLaunch"})
        evidence.write_text(json.dumps(launched))
        for options, code in (((), "HCL-ISOLATION"), (("--trusted-launch",), "AK-CERT")):
            by_itself = run("--json", *test, self.policy(fresh), *options)
            self.assertEqual(by_itself.returncode, 1)
            self.assertIn(code, by_itself.stdout + by_itself.stderr)
        evidence.write_text(collected.stdout)
        # Without the lab its root is nobody's.
        stranger = run("--json", *test, self.policy(WANTS.format(219)))
        self.assertEqual(stranger.returncode, 1)
        self.assertIn("SNP-CHAIN", stranger.stdout + stranger.stderr)


if __name__ == "__main__":
    unittest.main()
