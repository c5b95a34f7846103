"""Bundles that an attestation service keeps of its appraisals, judged again by others."""

import base64
import json
import os
import pathlib
import ssl
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

PROGRAM = os.environ["VOUCHSAFE"]
DENIES = "version=1.0; authorizationrules { => deny(); };"


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def post(url, body):
    request = urllib.request.Request(url, data=json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=60, context=ssl._create_unverified_context()) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers


class Appraisals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-appraisal-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab, cls.bundles = cls.work / "lab", cls.work / "bundles"
        assert run("vm", "create", "m", "--dir", cls.lab).returncode == 0
        collected = run("vm", "exec", "m", "--dir", cls.lab, "--", "vouchsafe", "attest", "--evidence")
        assert collected.returncode == 0, collected.stderr
        cls.evidence = collected.stdout
        encoded = base64.urlsafe_b64encode(cls.evidence.encode()).decode().rstrip("=")
        service = subprocess.Popen(
            [PROGRAM, "--json", "serve", "attestation", "--dir", cls.lab, "--bundles", cls.bundles],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            url = json.loads(service.stdout.readline())["listening"] + "/attest/AzureGuest?api-version=2020-10-01"
            cls.granted = post(url, {"AttestationInfo": encoded})
            draft = {"AttestationInfo": encoded, "draftPolicyForAttestation": DENIES}
            cls.refused = post(url, draft)
        finally:
            service.terminate()
            service.wait(timeout=30)
            service.stdout.close()

    def bundle_of(self, answer):
        found = list(self.bundles.glob(f"*/{answer[1]['x-ms-request-id']}.json"))
        self.assertEqual(len(found), 1)
        return found[0]

    def judged(self, bundle, *options):
        done = run("--json", "verify", "bundle", bundle, "--dir", self.lab, *options)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    def test_a_token_can_be_explained_years_later(self):
        self.assertEqual(self.granted[0], 200)
        code, verdict = self.judged(self.bundle_of(self.granted))
        self.assertEqual(code, 0, verdict)
        claims = verdict["facts"]["verdict"]["claims"]
        self.assertEqual(claims["x-ms-isolation-tee"]["x-ms-attestation-type"], "sevsnpvm")
        self.assertEqual(claims["x-vouchsafe-trust-tier"], "simulated")
        self.assertIn("amd/milan.crl", claims["x-vouchsafe-collateral"])

    def test_a_refusal_holds_too(self):
        self.assertEqual(self.refused[0], 400)
        code, verdict = self.judged(self.bundle_of(self.refused))
        self.assertEqual((code, verdict["refusal"]["code"]), (1, "ATTEST-POLICY"))

    def test_simulated_hardware_is_nobodys_without_the_labs_roots(self):
        done = run("--json", "verify", "bundle", self.bundle_of(self.granted))
        self.assertEqual(done.returncode, 1)
        # It is refused, and so the verdict is another than the recorded one.
        refusal = json.loads(done.stdout)["refusal"]
        self.assertEqual((refusal["code"], refusal["field"]), ("BUNDLE-VERDICT", "checks"))
        now = run("--json", "verify", "bundle", self.bundle_of(self.granted), "--at", "now")
        self.assertEqual(now.returncode, 1)
        self.assertEqual(json.loads(now.stdout)["refusal"]["code"], "COLLATERAL-PLACE")

    def test_another_policy_another_time_and_other_collateral_judge_anew(self):
        bundle = self.bundle_of(self.granted)
        policy = self.work / "denies.policy"
        policy.write_text(DENIES)
        code, verdict = self.judged(bundle, "--with", f"policy={policy}")
        self.assertEqual((code, verdict["refusal"]["code"]), (1, "ATTEST-POLICY"))
        code, verdict = self.judged(bundle, "--at", "2090-01-01T00:00:00Z")
        self.assertEqual(code, 1)
        pack = self.work / "pack.json"
        self.assertEqual(run("collateral", "export", "--dir", self.lab, "--out", pack).returncode, 0)
        code, verdict = self.judged(bundle, "--at", "now", "--with", f"collateral={pack}")
        self.assertEqual(code, 0, verdict)

    def test_what_was_changed_in_a_bundle_shows(self):
        bundle = json.loads(self.bundle_of(self.granted).read_text())
        bundle["verdict"]["facts"]["claims"]["secureboot"] = False
        changed = self.work / "changed.json"
        changed.write_text(json.dumps(bundle))
        code, verdict = self.judged(changed)
        self.assertEqual((code, verdict["refusal"]["code"]), (1, "BUNDLE-VERDICT"))
        request = bundle["files"]["evidence"][0]
        body = json.loads(base64.b64decode(request["bytes"]))
        inner = json.loads(self.evidence)
        inner["TpmInfo"]["PcrSet"] = [0]
        body["AttestationInfo"] = base64.urlsafe_b64encode(json.dumps(inner).encode()).decode()
        request["bytes"] = base64.b64encode(json.dumps(body).encode()).decode()
        changed.write_text(json.dumps(bundle))
        self.assertEqual(self.judged(changed)[0], 1)

    def test_evidence_is_judged_without_a_service(self):
        evidence, pack = self.work / "evidence.json", self.work / "held.json"
        evidence.write_text(self.evidence)
        self.assertEqual(run("collateral", "export", "--dir", self.lab, "--out", pack).returncode, 0)
        verify = ("--json", "verify", "appraisal", "--type", "AzureGuest", "--evidence", evidence, "--dir", self.lab)
        self.assertEqual(run(*verify, "--collateral", pack).returncode, 0)
        without = run(*verify)
        self.assertEqual(without.returncode, 1)
        self.assertEqual(json.loads(without.stdout)["refusal"]["code"], "SNP-REVOCATION")
        tpm = run("verify", "appraisal", "--type", "Tpm", "--evidence", evidence)
        self.assertEqual(tpm.returncode, 2)
        self.assertIn("give --policy", tpm.stderr)


if __name__ == "__main__":
    unittest.main()
