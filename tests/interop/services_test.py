"""Tokens and certificates of our services against other people's libraries: Python's `cryptography`
verifies an attestation token from /certs alone, OpenSSL verifies the lab's certificates, tpm2-tools
reads a machine's TPM."""

import base64
import json
import os
import pathlib
import ssl
import subprocess
import tempfile
import unittest
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

PROGRAM = os.environ["VOUCHSAFE"]


def run(*arguments, **options):
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=120, **options)


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class Lab(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-interop-")
        cls.addClassCleanup(folder.cleanup)
        cls.lab = pathlib.Path(folder.name) / "lab"
        made = run(PROGRAM, "vm", "create", "m", "--dir", cls.lab)
        assert made.returncode == 0, made.stderr

    def attest(self):
        token = run(PROGRAM, "vm", "exec", "m", "--dir", self.lab, "--", "vouchsafe", "attest")
        self.assertEqual(token.returncode, 0, token.stderr)
        return token.stdout.strip()

    def fetch(self, path, *options):
        """GET from a lab's attestation service with Python's own TLS."""
        server = subprocess.Popen([PROGRAM, "--json", "serve", "attestation", "--dir", str(self.lab), *options],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            where = json.loads(server.stdout.readline())["listening"]
            context = ssl.create_default_context(cafile=str(self.lab / "root/tls-ca.pem"))
            with urllib.request.urlopen(where + path, context=context, timeout=10) as answer:
                return json.load(answer)
        finally:
            server.terminate()
            server.wait(timeout=10)
            server.stdout.close()

    def test_cryptography_verifies_a_token_from_the_published_certificate(self):
        token = self.attest()
        header, payload, signature = token.split(".")
        self.assertNotRegex(payload, "[-_]", "Azure's guest clients decode with the standard alphabet")
        kid = json.loads(decode(header))["kid"]
        entry = next(key for key in self.fetch("/certs")["keys"] if key["kid"] == kid)
        certificate = x509.load_der_x509_certificate(base64.b64decode(entry["x5c"][0]))
        certificate.public_key().verify(decode(signature), f"{header}.{payload}".encode(), padding.PKCS1v15(),
                                        hashes.SHA256())
        self.assertEqual(certificate.public_key().public_numbers().n, int.from_bytes(decode(entry["n"]), "big"))

    def test_cryptography_verifies_tokens_of_the_other_algorithms(self):
        sha256 = hashes.SHA256()
        for name in ("ES256", "PS256", "RS256"):
            with self.subTest(name):
                entry = self.fetch("/certs", "--signing-algorithm", name)["keys"][0]
                signed, signature = self.attest().rsplit(".", 1)
                header = json.loads(decode(signed.split(".")[0]))
                self.assertEqual((header["alg"], header["kid"], entry["alg"]), (name, entry["kid"], name))
                signature = decode(signature)
                key = x509.load_der_x509_certificate(base64.b64decode(entry["x5c"][0])).public_key()
                if name == "ES256":
                    self.assertEqual(key.public_numbers().x, int.from_bytes(decode(entry["x"]), "big"))
                    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
                    key.verify(utils.encode_dss_signature(r, s), signed.encode(), ec.ECDSA(sha256))
                elif name == "PS256":
                    pss = padding.PSS(mgf=padding.MGF1(sha256), salt_length=32)
                    key.verify(signature, signed.encode(), pss, sha256)
                else:
                    key.verify(signature, signed.encode(), padding.PKCS1v15(), sha256)

    def test_openid_configuration_points_at_the_keys(self):
        metadata = self.fetch("/.well-known/openid-configuration")
        self.assertEqual(metadata["jwks_uri"], metadata["issuer"] + "/certs")

    def test_openssl_verifies_the_simulated_chain(self):
        root = self.lab / "root"
        self.assertEqual(run("openssl", "verify", "-CAfile", root / "ark.pem", root / "ask.pem").returncode, 0)
        text = run("openssl", "x509", "-in", root / "ark.pem", "-noout", "-text").stdout
        self.assertIn("rsassaPss", text)
        self.assertIn("SIMULATED", text)

    def test_tpm2_tools_read_what_a_paravisor_leaves(self):
        script = (
            "export TPM2TOOLS_TCTI=$(python3 -c 'import json,os;print(json.load(open(os.environ[\"VOUCHSAFE_SITE\"]))"
            "[\"tpm\"])'); cd \"$0\" &&"
            "tpm2_nvread 0x01400001 -C o -o hcl && head -c 4 hcl && echo &&"
            "tpm2_readpublic -c 0x81000003 -f pem -o ak.pem >/dev/null &&"
            "tpm2_quote -c 0x81000003 -l sha256:0,1,2,3,4,5,6,7 -q 1234 -m m -s s -o p -g sha256 >/dev/null &&"
            "tpm2_checkquote -u ak.pem -m m -s s -f p -g sha256 -q 1234 >/dev/null && echo quote holds"
        )
        with tempfile.TemporaryDirectory() as work:
            result = run(PROGRAM, "vm", "exec", "m", "--dir", self.lab, "--write", work, "--", "sh", "-c", script, work)
        self.assertEqual(result.stdout.split(), ["HCLA", "quote", "holds"], result.stderr)


if __name__ == "__main__":
    unittest.main()
