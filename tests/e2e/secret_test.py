"""The command secret against a lab's vault, and what an operator decides about deletion."""

import json
import os
import pathlib
import pty
import sqlite3
import stat
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ["VOUCHSAFE"]
VAULT = "https://secret-kv.vault.azure.net"


def run(*arguments, **options):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, timeout=120, **options)


class Secrets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-e2e-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab = cls.work / "lab"
        cls.ok("vm", "create", "m", "--dir", cls.lab)
        cls.ok("admin", "create-vault", "secret-kv", "--retention-days", 7, "--dir", cls.lab)
        app = json.loads(cls.ok("--json", "admin", "create-app", "alice", "--secret-out", cls.work / "alice.secret",
                                "--dir", cls.lab).stdout)
        cls.ok("admin", "assign-role", "Key Vault Secrets Officer", "alice", "--vault", "secret-kv", "--dir", cls.lab)
        cls.who = ["--tenant", app["tenant"], "--client-id", app["client_id"], "--secret-file",
                   cls.work / "alice.secret"]

    @classmethod
    def ok(cls, *arguments, **options):
        result = run(*arguments, **options)
        assert result.returncode == 0, (arguments, result.stdout, result.stderr)
        return result

    def secret(self, verb, *arguments, json_output=False, value=None, **options):
        """secret runs `vouchsafe secret` with the lab's services up."""
        flags = ["--json"] if json_output else []
        if value is not None:
            (self.work / "value").write_bytes(value)
            arguments += ("--in", self.work / "value")
        return run("admin", "exec", "--dir", self.lab, "--", PROGRAM, *flags, "secret", verb, *self.who, *arguments,
                   **options)

    def named(self, verb, name, *arguments, **options):
        return self.secret(verb, "--secret", f"{VAULT}/secrets/{name}", *arguments, **options)

    def test_a_value_goes_in_and_comes_out_unchanged(self):
        value = "-----BEGIN KEY-----\n\u00e9\"\\\n".encode()
        source, target = self.work / "id", self.work / "id.back"
        source.write_bytes(value)
        made = self.named("set", "file", "--in", source, "--content-type", "text/plain")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertTrue(made.stdout.decode().startswith(f"{VAULT}/secrets/file/"))
        self.assertEqual(self.named("show", "file").stdout, value)
        shown = self.named("show", "file", "--out", target, json_output=True)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertNotIn("value", json.loads(shown.stdout))
        self.assertEqual(target.read_bytes(), value)
        self.assertEqual(stat.S_IMODE(target.stat().st_mode), 0o600)
        self.assertNotEqual(self.named("show", "file", "--out", target).returncode, 0, "no surprise overwrite")
        self.assertEqual(self.named("show", "file", "--out", target, "--force").returncode, 0)
        command = [PROGRAM, "secret", "set", *self.who, "--secret", f"{VAULT}/secrets/file"]
        piped = run("admin", "exec", "--dir", self.lab, "--", "sh", "-c", 'printf second | "$@"', "sh", *command)
        self.assertEqual(piped.returncode, 0, piped.stderr)
        version = made.stdout.decode().strip().removeprefix(f"{VAULT}/secrets/")
        self.assertEqual(self.named("show", version).stdout, value)
        self.assertEqual(self.named("show", "file").stdout, b"second")

    def test_what_is_no_text_or_no_vault_is_refused(self):
        refused = self.named("set", "bytes", value=b"\xff\xfe")
        self.assertEqual(refused.returncode, 2)
        self.assertIn(b"base64", refused.stderr)
        self.assertNotEqual(self.named("show", "bytes").returncode, 0)
        self.assertEqual(self.named("set", "bytes", value=b"").returncode, 2)
        for url in ("https://example.org/secrets/x", "https://secret-kv.vault.azure.net/keys/x", "secret"):
            self.assertEqual(self.secret("show", "--secret", url).returncode, 2, url)
        self.assertNotEqual(self.named("show", "json", json_output=True).returncode, 0)

    def test_a_terminal_shows_a_value_only_if_asked(self):
        self.assertEqual(self.named("set", "tty", value=b"hidden-value").returncode, 0)
        for options, shown in (([], False), (["--show"], True)):
            ours, theirs = pty.openpty()
            with os.fdopen(ours, "rb", buffering=0) as terminal:
                result = subprocess.run(
                    [str(word) for word in (PROGRAM, "admin", "exec", "--dir", self.lab, "--", PROGRAM, "secret",
                                            "show", *self.who, "--secret", f"{VAULT}/secrets/tty", *options)],
                    stdout=theirs, stderr=subprocess.PIPE, timeout=120)
                os.close(theirs)
                try:
                    seen = terminal.read(1000)
                except OSError:  # nothing was written
                    seen = b""
            self.assertEqual(b"hidden-value" in seen, shown)
            self.assertEqual(result.returncode == 0, shown, result.stderr)

    def test_deletion_recovery_and_purge(self):
        self.assertEqual(self.named("set", "gone", value=b"v").returncode, 0)
        deleted = self.named("delete", "gone")
        self.assertIn(b"recover", deleted.stdout)
        self.assertEqual(self.named("show", "gone").returncode, 1)
        again = self.named("set", "gone", value=b"w")
        self.assertIn(b"VAULT-NAME-FREE", again.stderr)
        self.assertIn(f"{VAULT}/secrets/gone  until ".encode(),
                      self.secret("list", "--vault", VAULT, "--deleted").stdout)
        self.assertEqual(self.named("recover", "gone").returncode, 0)
        self.assertIn(f"{VAULT}/secrets/gone\n".encode(), self.secret("list", "--vault", VAULT).stdout)
        self.assertEqual(self.named("show", "gone").stdout, b"v")
        self.assertNotEqual(self.named("purge", "gone").returncode, 0, "only what is deleted can be purged")
        self.assertEqual(self.named("delete", "gone").returncode, 0)
        self.assertEqual(self.named("purge", "gone").returncode, 0)
        self.assertEqual(self.named("recover", "gone").returncode, 1)

    def test_an_operator_decides_about_retention_and_protection_once(self):
        for days in (6, 91):
            self.assertEqual(run("admin", "create-vault", "bad", "--retention-days", days, "--dir",
                                 self.lab).returncode, 2)
        self.ok("admin", "create-vault", "later-safe", "--dir", self.lab)
        self.ok("admin", "assign-role", "Key Vault Secrets Officer", "alice", "--vault", "later-safe", "--dir",
                self.lab)
        self.assertIn(b"90 days", self.ok("admin", "protect-vault", "later-safe", "--dir", self.lab).stdout)
        url = ["--secret", "https://later-safe.vault.azure.net/secrets/s"]
        self.assertEqual(self.secret("set", *url, value=b"v").returncode, 0)
        self.assertEqual(self.secret("delete", *url).returncode, 0)
        self.assertIn(b"VAULT-PURGE-PROTECTION", self.secret("purge", *url).stderr)

    def test_serving_purges_what_is_due(self):
        self.assertEqual(self.named("set", "due", value=b"v").returncode, 0)
        self.assertEqual(self.named("delete", "due").returncode, 0)
        with sqlite3.connect(self.lab / "vault/store.db") as store:
            rows = list(store.execute("SELECT collection, key, value FROM keyed"))
            changed = 0
            for kind, key, value in rows:
                if kind == b"vault_deleted" and key == b"secrets/secret-kv/due":
                    sooner = json.dumps({**json.loads(value), "purge": 1}).encode()
                    store.execute("UPDATE keyed SET value = ? WHERE collection = ? AND key = ?",
                                  (sooner, kind, key))
                    changed += 1
                if kind == b"vault_purge_due" and key.endswith(b"/secrets/secret-kv/due"):
                    store.execute("UPDATE keyed SET key = ? WHERE collection = ? AND key = ?",
                                  (b"0000000000000001/secrets/secret-kv/due", kind, key))
                    changed += 1
            self.assertEqual(changed, 2)
        store.close()
        server = subprocess.Popen([PROGRAM, "--json", "serve", "vault", "--dir", str(self.lab)],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            self.assertIn(b"listening", server.stdout.readline())
            shown = b""
            for _ in range(100):
                shown = self.ok("--json", "audit", "show", "--service", "vault", "--dir", self.lab).stdout
                if b"deletedsecrets/purge" in shown and b"retention" in shown:
                    break
                time.sleep(0.1)
            self.assertIn(b"retention", shown)
        finally:
            server.terminate()
            server.wait(timeout=30)
            server.stdout.close()


if __name__ == "__main__":
    unittest.main()
