"""Receipts: kept by a machine that attests, verified offline, and held against the service's log."""

import base64
import hashlib
import json
import os
import pathlib
import signal
import ssl
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

PROGRAM = os.environ["VOUCHSAFE"]
ATTEST = "https://sharedweu.weu.attest.azure.net"


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def ok(*arguments):
    result = run(*arguments)
    assert result.returncode == 0, (arguments, result.stdout, result.stderr)
    return result.stdout


class Receipts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-receipt-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab, cls.kept = cls.work / "lab", cls.work / "kept"
        cls.kept.mkdir()
        ok("vm", "create", "alice", "--dir", cls.lab)
        cls.attested = [cls.attest("0"), cls.attest("1")]
        cls.backup = cls.work / "backup"
        subprocess.run(["cp", "-a", cls.lab, cls.backup], check=True)
        cls.attested.append(cls.attest("2"))
        cls.certs = cls.work / "certs.json"
        cls.certs.write_text(json.dumps(cls.ask_service("/certs")[1]))

    @classmethod
    def attest(cls, name, *options):
        token, receipt = cls.kept / f"{name}.jwt", cls.kept / f"{name}.receipt"
        ok("vm", "exec", "alice", "--dir", cls.lab, "--write", cls.kept, "--", "vouchsafe", "attest", "--url", ATTEST,
           "--out", token, "--receipt", receipt, *options)
        return token, receipt

    @classmethod
    def ask_service(cls, path, body=None, lab=None):
        """ask_service starts the lab's attestation service for one question."""
        service = subprocess.Popen([PROGRAM, "--json", "serve", "attestation", "--dir", lab or cls.lab],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            url = json.loads(service.stdout.readline())["listening"]
            with urllib.request.urlopen(urllib.request.Request(url + path, data=body), timeout=30,
                                        context=ssl._create_unverified_context()) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        finally:
            service.send_signal(signal.SIGTERM)
            service.communicate(timeout=30)

    def verify(self, receipt, *options, code=0):
        verified = run("--json", "verify", "receipt", "--receipt", receipt, "--jwks", self.certs, *options)
        self.assertEqual(verified.returncode, code, verified.stdout + verified.stderr)
        return json.loads(verified.stdout)

    def audit(self, *receipts, lab=None, code=0):
        options = [word for receipt in receipts for word in ("--receipt", receipt)]
        verified = run("--json", "audit", "verify", "--service", "attestation", "--dir", lab or self.lab, *options,
                       "--jwks", self.certs)
        self.assertEqual(verified.returncode, code, verified.stdout + verified.stderr)
        return json.loads(verified.stdout or verified.stderr)

    def test_a_receipt_is_verified_offline_with_its_token(self):
        (token, receipt), (other, _) = self.attested[:2]
        verdict = self.verify(receipt, "--token", token, "--issuer", ATTEST)
        self.assertTrue(verdict["valid"])
        claims = json.loads(base64.urlsafe_b64decode(token.read_text().split(".")[1] + "=="))
        self.assertEqual((verdict["facts"]["token_jti"], verdict["facts"]["issuer"]), (claims["jti"], claims["iss"]))
        self.assertEqual(self.verify(receipt, "--token", other, code=1)["refusal"]["code"], "RECEIPT-TOKEN")
        self.assertEqual(self.verify(token, code=1)["refusal"]["code"], "RECEIPT-FORM")
        self.assertEqual(self.verify(receipt, "--issuer", "https://a.example", code=1)["refusal"]["code"],
                         "TOKEN-ISSUER")
        changed = self.work / "changed.receipt"
        header, payload, signature = receipt.read_text().strip().split(".")
        content = json.loads(base64.urlsafe_b64decode(payload + "=="))
        content["index"] += 1
        payload = base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
        changed.write_text(f"{header}.{payload}.{signature}\n")
        self.assertEqual(self.verify(changed, code=1)["refusal"]["code"], "RECEIPT-FORM")
        content["size"] += 1
        payload = base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
        changed.write_text(f"{header}.{payload}.{signature}\n")
        self.assertEqual(self.verify(changed, code=1)["refusal"]["code"], "TOKEN-SIGNATURE")

    def test_a_bundle_keeps_it_with_token_and_keys(self):
        token, receipt = self.attested[0]
        bundle = self.work / "receipt.bundle"
        verdict = self.verify(receipt, "--token", token, "--bundle", bundle)
        again = json.loads(ok("--json", "verify", "bundle", bundle))
        self.assertEqual(again["facts"]["verdict"], verdict["facts"])
        later = json.loads(ok("--json", "verify", "bundle", bundle, "--at", "2040-01-01T00:00:00Z"))
        self.assertTrue(later["valid"])

    def test_the_log_is_held_to_every_receipt(self):
        receipts = [receipt for _, receipt in self.attested]
        self.assertEqual(self.audit(*receipts)["receipts"], 3)
        # An auditor with an export needs none of this program.
        content = json.loads(base64.urlsafe_b64decode(receipts[1].read_text().split(".")[1] + "=="))
        exported = [json.loads(line) for line in
                    ok("--json", "audit", "show", "--service", "attestation", "--dir", self.lab).splitlines()]
        entry = exported[content["index"]]
        self.assertEqual(entry.pop("index"), content["index"])
        self.assertEqual((entry["details"]["jti"], entry["outcome"]), (content["token_jti"], "allowed"))
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        leaf = base64.urlsafe_b64encode(hashlib.sha256(b"\0" + text.encode()).digest()).decode().rstrip("=")
        self.assertEqual(leaf, content["leaf"])
        signed = ok("audit", "checkpoint", "--service", "attestation", "--dir", self.lab)
        self.assertTrue(signed.startswith("vouchsafe/attestation/"), signed)

    def test_a_log_that_was_set_back_and_went_on_is_found(self):
        first, last = self.attested[0][1], self.attested[2][1]
        self.assertEqual(self.audit(first, lab=self.backup)["receipts"], 1)
        cut = self.audit(first, last, lab=self.backup, code=1)["error"]["check"]
        self.assertEqual((cut["code"], cut["field"]), ("AUDIT-HEAD", "audit log size"))
        for _ in range(2):
            self.assertEqual(self.ask_service("/attest/SevSnpVm?api-version=2020-10-01", b"{}", lab=self.backup)[0], 400)
        self.assertEqual(self.audit(first, lab=self.backup)["receipts"], 1)
        regrown = self.audit(first, last, lab=self.backup, code=1)["error"]["check"]
        self.assertEqual(regrown["code"], "AUDIT-HEAD")
        self.assertIn("root of the first", regrown["field"])

    def test_usage_is_said(self):
        _, receipt = self.attested[0]
        alone = run("audit", "verify", "--service", "attestation", "--dir", self.lab, "--receipt", receipt)
        self.assertEqual(alone.returncode, 2)
        self.assertIn("--jwks", alone.stderr)
        vault = run("audit", "verify", "--dir", self.lab, "--receipt", receipt, "--jwks", self.certs)
        self.assertEqual(vault.returncode, 2)
        self.assertIn("--service attestation", vault.stderr)
        status, answer = self.ask_service("/attest/SevSnpVm?api-version=2020-10-01&receipt=yes", b"{}")
        self.assertEqual((status, answer["error"]["innererror"]["code"]), (400, "ATTEST-REQUEST"))
        again = run("vm", "exec", "alice", "--dir", self.lab, "--write", self.kept, "--", "vouchsafe", "attest", "--url",
                    ATTEST, "--receipt", receipt)
        self.assertEqual(again.returncode, 1, "no file is replaced without --force")


if __name__ == "__main__":
    unittest.main()
