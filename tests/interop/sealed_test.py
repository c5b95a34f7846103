"""Sealed files against other people's programs, both ways: the native format with the AWS Encryption
SDK for JavaScript (npm), the tutorial's pair with Python's `cryptography`."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.environ["VOUCHSAFE"]
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DATA = ROOT / "data/diabetes.csv"
KEY_ID = "https://my-vault.vault.azure.net/keys/KEK/0123456789abcdef0123456789abcdef"
MODULES = pathlib.Path(os.environ["VS_BUILD_DIR"]) / "interop" / "esdk"


def run(*arguments, **options):
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=300, **options)


class WithKeys(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-interop-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.private, cls.public = cls.work / "key.pem", cls.work / "pub.pem"
        run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", cls.private,
            ).check_returncode()
        run("openssl", "pkey", "-in", cls.private, "-pubout", "-out", cls.public).check_returncode()

    def ok(self, *arguments, **options):
        result = run(*arguments, **options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result


class EncryptionSdk(WithKeys):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The packages go into the build folder, so that the checkout stays clean.
        MODULES.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc", "roundtrip.mjs"):
            (MODULES / name).write_bytes((HERE / "esdk" / name).read_bytes())
        if not (MODULES / "node_modules/@aws-crypto/client-node").exists():
            installed = run("npm", "ci", "--silent", "--ignore-scripts", cwd=MODULES)
            assert installed.returncode == 0, installed.stderr

    def sdk(self, *arguments):
        return run("node", "roundtrip.mjs", *arguments, cwd=MODULES)

    def test_the_sdk_opens_what_we_seal(self):
        sealed, out = self.work / "ours.sealed", self.work / "ours.csv"
        self.ok(PROGRAM, "seal", DATA, "--public-key", self.public, "--key", KEY_ID, "--out", sealed,
                "--purpose", "training")
        opened = self.sdk("open", "--key", self.private, "--name", KEY_ID, "--in", sealed, "--out", out,
                          "--context", "purpose=training", "--context", "file-name=diabetes.csv")
        self.assertEqual(opened.returncode, 0, opened.stderr)
        self.assertEqual(out.read_bytes(), DATA.read_bytes())

    def test_the_sdk_refuses_what_we_refuse(self):
        sealed = self.work / "damaged.sealed"
        self.ok(PROGRAM, "seal", DATA, "--public-key", self.public, "--key", KEY_ID, "--out", sealed)
        data = bytearray(sealed.read_bytes())
        data[len(data) // 2] ^= 1
        sealed.write_bytes(data)
        theirs = self.sdk("open", "--key", self.private, "--name", KEY_ID, "--in", sealed, "--out", self.work / "x")
        ours = run(PROGRAM, "open", sealed, "--private-key", self.private, "--out", self.work / "y")
        self.assertNotEqual(theirs.returncode, 0)
        self.assertEqual(ours.returncode, 1)

    def test_we_open_what_the_sdk_seals_with_any_frame_length(self):
        for frame in (1, 16, 4096, 23873, 1048576):
            with self.subTest(frame):
                plain = self.work / f"plain-{frame}"
                plain.write_bytes(DATA.read_bytes()[:200] if frame == 1 else DATA.read_bytes())
                sealed, out = self.work / f"theirs-{frame}.sealed", self.work / f"theirs-{frame}.csv"
                made = self.sdk("seal", "--key", self.public, "--name", KEY_ID, "--in", plain, "--out", sealed,
                                "--frame-length", frame, "--context", "purpose=training")
                self.assertEqual(made.returncode, 0, made.stderr)
                self.ok(PROGRAM, "open", sealed, "--private-key", self.private, "--out", out,
                        "--require", "purpose=training")
                self.assertEqual(out.read_bytes(), plain.read_bytes())

    def test_the_wrong_key_is_refused_by_both(self):
        other = self.work / "other.pem"
        run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", other)
        sealed = self.work / "forother.sealed"
        self.ok(PROGRAM, "seal", DATA, "--public-key", self.public, "--key", KEY_ID, "--out", sealed)
        theirs = self.sdk("open", "--key", other, "--name", KEY_ID, "--in", sealed, "--out", self.work / "x")
        ours = run(PROGRAM, "--json", "open", sealed, "--private-key", other, "--out", self.work / "y")
        self.assertNotEqual(theirs.returncode, 0)
        self.assertEqual(ours.returncode, 1)
        self.assertEqual(json.loads(ours.stderr)["error"]["check"]["code"], "SEAL-KEY")


class TutorialsPair(WithKeys):
    def python(self, *arguments):
        return run(sys.executable, HERE / "pair_check.py", *arguments)

    def test_python_opens_what_we_seal(self):
        for extra, alg in (([], "rsa1_5"), (["--oaep"], "rsa-oaep-256")):
            with self.subTest(alg):
                base = self.work / f"ours-{alg}.csv"
                self.ok(PROGRAM, "seal", DATA, "--pair", *extra, "--public-key", self.public, "--key", KEY_ID,
                        "--out", base)
                out = self.work / f"python-{alg}.csv"
                opened = self.python("open", "--key", self.private, "--enc", base.with_suffix(".enc"), "--wrapped",
                                     base.with_suffix(".key"), "--out", out, "--alg", alg)
                self.assertEqual(opened.returncode, 0, opened.stderr)
                self.assertEqual(out.read_bytes(), DATA.read_bytes())

    def test_we_open_what_python_seals(self):
        for extra, alg in (([], "rsa1_5"), (["--oaep"], "rsa-oaep-256")):
            with self.subTest(alg):
                enc, key, out = (self.work / f"p-{alg}{end}" for end in (".enc", ".key", ".csv"))
                made = self.python("seal", "--key", self.public, "--in", DATA, "--enc", enc, "--wrapped", key,
                                   "--alg", alg)
                self.assertEqual(made.returncode, 0, made.stderr)
                self.ok(PROGRAM, "open", enc, "--wrapped-key", key, *extra, "--private-key", self.private,
                        "--out", out)
                self.assertEqual(out.read_bytes(), DATA.read_bytes())

    def test_a_changed_byte_is_refused_by_both(self):
        base = self.work / "changed.csv"
        self.ok(PROGRAM, "seal", DATA, "--pair", "--public-key", self.public, "--key", KEY_ID, "--out", base)
        enc = base.with_suffix(".enc")
        data = bytearray(enc.read_bytes())
        data[100] ^= 1
        enc.write_bytes(data)
        theirs = self.python("open", "--key", self.private, "--enc", enc, "--wrapped", base.with_suffix(".key"),
                             "--out", self.work / "x")
        ours = run(PROGRAM, "--json", "open", enc, "--wrapped-key", base.with_suffix(".key"), "--private-key",
                   self.private, "--out", self.work / "y")
        self.assertNotEqual(theirs.returncode, 0)
        self.assertEqual(ours.returncode, 1)
        self.assertEqual(json.loads(ours.stderr)["error"]["check"]["code"], "PAIR-TAG")
        self.assertFalse((self.work / "y").exists())


if __name__ == "__main__":
    unittest.main()
