"""The attestation service against Azure's own client, @azure/attestation, and jose, both from npm, and tpm2-tools."""

import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

import operations

PROGRAM = os.environ["VOUCHSAFE"]
HERE = pathlib.Path(__file__).resolve().parent
MODULES = pathlib.Path(os.environ["VS_BUILD_DIR"]) / "interop" / "maa"


def run(*arguments, **options):
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=300, **options)


class AzuresClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # The packages go into the build folder, so that the checkout stays clean.
        MODULES.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc", "administer.mjs", "results.mjs"):
            (MODULES / name).write_bytes((HERE / "maa" / name).read_bytes())
        if not (MODULES / "node_modules/@azure/attestation").exists():
            installed = run("npm", "ci", "--silent", "--ignore-scripts", cwd=MODULES)
            if installed.returncode != 0:
                raise unittest.SkipTest("npm could not install @azure/attestation: " + installed.stderr[-300:])
        folder = tempfile.TemporaryDirectory(prefix="vs-interop-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab = cls.work / "lab"
        made = run(PROGRAM, "vm", "create", "m", "--dir", cls.lab)
        assert made.returncode == 0, made.stderr

    def signer(self, name):
        key, cert = self.work / f"{name}.key", self.work / f"{name}.pem"
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-subj",
            f"/CN={name}", "-days", "2").check_returncode()
        return key, cert

    def start_tpm(self):
        """A TPM in software; returns how tpm2-tools find it."""
        state, socket = self.work / "tpm", self.work / "tpm.sock"
        state.mkdir()
        emulator = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--flags", "startup-clear",
             "--server", f"type=unixio,path={socket}", "--ctrl", f"type=unixio,path={socket}.ctrl"],
            stderr=subprocess.DEVNULL)
        self.addCleanup(emulator.wait)
        self.addCleanup(emulator.terminate)
        deadline = time.monotonic() + 10
        while not pathlib.Path(f"{socket}.ctrl").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        return f"swtpm:path={socket}"

    def test_policies_and_signers_are_read_and_changed(self):
        secret = self.work / "alice.secret"
        made = run(PROGRAM, "--json", "admin", "create-app", "alice", "--secret-out", secret, "--dir", self.lab)
        self.assertEqual(made.returncode, 0, made.stderr)
        alice = json.loads(made.stdout)
        assigned = run(PROGRAM, "admin", "assign-role", "Attestation Contributor", "alice", "--attestation", "--dir",
                       self.lab)
        self.assertEqual(assigned.returncode, 0, assigned.stderr)
        environment = {**os.environ, "NODE_EXTRA_CA_CERTS": str(self.lab / "root/tls-ca.pem"),
                       "TPM2TOOLS_TCTI": self.start_tpm()}
        result = run(PROGRAM, "admin", "exec", "--dir", self.lab, "--", "node", MODULES / "administer.mjs",
                     alice["tenant"], alice["client_id"], secret, *self.signer("first"), *self.signer("second"),
                     self.work, env=environment)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        seen = json.loads(result.stdout)
        self.assertIn("x-ms-sevsnpvm-is-debuggable", seen.pop("builtIn"))
        self.assertEqual(seen, {
            "issuer": "https://sharedweu.weu.attest.azure.net", "signers": 1,
            "set": "Updated", "stored": True, "malformed": "400 PolicyParsingError", "signed": "Updated",
            "signerKnown": 1, "reset": "Removed", "backToBuiltIn": True,
            "tpmWithoutPolicy": "400 PolicyEvaluationError", "tpm": ["tpm", False, "none", True],
            "tpmAgain": "400 InvalidParameter", "baselines": 3,
            "noCertificates": 0, "added": "IsPresent", "byStranger": "400 InvalidOperation",
            "addedByFirst": "IsPresent", "certificates": 2, "removed": "IsAbsent", "last": "400 InvalidOperation",
            "jose": "RS256", "withoutToken": 401})
        operations.tell(type(self), "attestation", [
            "GET /.well-known/openid-configuration", "GET /certs", "GET /policies/{type}", "PUT /policies/{type}",
            "POST /policies/{type}", "POST /attest/Tpm", "GET /certificates", "POST /certificates:add",
            "POST /certificates:remove"])

    def test_results_of_every_form_verify(self):
        shown = run(PROGRAM, "vm", "exec", "m", "--dir", self.lab, "--", PROGRAM, "attest", "--evidence")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        evidence = self.work / "evidence.json"
        evidence.write_text(shown.stdout)
        result = run(PROGRAM, "admin", "exec", "--dir", self.lab, "--", "node", MODULES / "results.mjs", evidence,
                     env={**os.environ, "NODE_EXTRA_CA_CERTS": str(self.lab / "root/tls-ca.pem")})
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        profile = "tag:github.com,2023:veraison/ear"
        self.assertEqual(json.loads(result.stdout), {
            "plain": "sevsnpvm", "ear": [profile, "contraindicated", True],
            "bare": [f'application/eat+jwt; eat_profile="{profile}"', profile],
            "draft": "none", "draftVerifies": False, "otherFormat": 400})


if __name__ == "__main__":
    unittest.main()
