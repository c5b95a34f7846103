"""The audit log as its operator and an auditor use it: shown, followed, signed, exported, proved, and damaged."""

import base64
import hashlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PROGRAM = os.environ["VOUCHSAFE"]


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def ok(*arguments):
    result = run(*arguments)
    assert result.returncode == 0, (arguments, result.stdout, result.stderr)
    return result.stdout


def serve_for_a_moment(folder, *options):
    """The service signs its log at the start, and again when it stops."""
    service = subprocess.Popen([PROGRAM, "--json", "serve", "vault", "--dir", folder, *options],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = service.stdout.readline()
    service.send_signal(signal.SIGTERM)
    _, errors = service.communicate(timeout=60)
    assert line and service.returncode == 0, errors
    return errors


class Audit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-audit-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab = cls.work / "lab"
        ok("vm", "create", "m", "--dir", cls.lab)
        ok("admin", "create-vault", "first-vault", "--dir", cls.lab)
        nothing = run("audit", "checkpoint", "--dir", cls.lab)
        assert nothing.returncode == 1 and "nothing was signed yet" in nothing.stderr, nothing
        serve_for_a_moment(cls.lab)
        cls.old = cls.work / "old.checkpoint"
        cls.old.write_text(ok("audit", "checkpoint", "--dir", cls.lab))
        cls.key = ok("audit", "checkpoint", "--key", "--dir", cls.lab).strip()
        ok("admin", "create-vault", "second-vault", "--dir", cls.lab)
        serve_for_a_moment(cls.lab)
        cls.new = cls.work / "new.checkpoint"
        cls.new.write_text(ok("audit", "checkpoint", "--dir", cls.lab))
        cls.export = cls.work / "log.jsonl"
        ok("audit", "export", "--dir", cls.lab, "--out", cls.export)

    def shown(self, *options):
        text = ok("--json", "audit", "show", "--dir", self.lab, *options)
        return [json.loads(line) for line in text.splitlines()]

    def changed_lab(self, *statements):
        """changed_lab is a copy of the lab in whose database somebody wrote."""
        folder = tempfile.TemporaryDirectory(prefix="vs-audit-")
        self.addCleanup(folder.cleanup)
        copy = pathlib.Path(folder.name) / "lab"
        shutil.copytree(self.lab, copy, symlinks=True)
        database = sqlite3.connect(copy / "vault/store.db")
        for statement, values in statements:
            database.execute(statement, values)
        database.commit()
        database.close()
        return copy

    def refused(self, *arguments):
        result = run("--json", "audit", *arguments)
        self.assertNotEqual(result.returncode, 0, result.stdout)
        check = json.loads(result.stdout or result.stderr)["error"]["check"]
        return check["code"], check["field"]

    def test_filters_show_what_fits(self):
        everything = self.shown()
        self.assertEqual([entry["index"] for entry in everything], list(range(len(everything))))
        second = self.shown("--vault", "second-vault")
        self.assertTrue(second)
        self.assertTrue(all("second-vault" in entry["resource"] for entry in second))
        self.assertEqual(self.shown("--act", "checkpoints"),
                         [entry for entry in everything if entry["action"] == "checkpoints/key"])
        self.assertEqual({entry["actor"] for entry in self.shown("--who", "operator")}, {"operator"})
        self.assertEqual(self.shown("--refused"), [])
        self.assertEqual(self.shown("--until", "2020-01-01"), [])
        self.assertEqual(self.shown("--since", "2020-01-01"), everything)
        self.assertEqual(self.shown("--request-id", second[0]["request_id"]), second[:1])
        self.assertEqual(run("audit", "show", "--since", "yesterday", "--dir", self.lab).returncode, 2)

    def test_following_goes_on_over_a_store_that_is_put_in_place_anew_and_ends_at_ctrl_c(self):
        lab = self.changed_lab()
        follower = subprocess.Popen([PROGRAM, "--json", "audit", "show", "--follow", "--dir", lab], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(follower.kill)
        count = len(self.shown())
        seen = [json.loads(follower.stdout.readline())["index"] for _ in range(count)]
        self.assertEqual(seen, list(range(count)))
        ok("admin", "create-vault", "third-vault", "--dir", lab)
        entry = json.loads(follower.stdout.readline())
        self.assertIn("third-vault", entry["resource"])
        backup = self.work / "third.backup"
        ok("admin", "backup", "--dir", lab, "--out", backup)
        for name in ("store.db", "store.db-wal", "store.db-shm"):
            (lab / "vault" / name).unlink(missing_ok=True)
        ok("admin", "restore", "--in", backup, "--dir", lab)
        ok("admin", "create-vault", "fourth-vault", "--dir", lab)
        self.assertIn("fourth-vault", json.loads(follower.stdout.readline())["resource"])
        follower.send_signal(signal.SIGINT)
        _, errors = follower.communicate(timeout=30)
        self.assertEqual(follower.returncode, 0, errors)

    def test_checkpoints_are_signed_notes_that_others_verify(self):
        for file in (self.old, self.new):
            text, signature = file.read_text().split("\n\n")
            origin, _, key = self.key.split("+", 2)
            lead, name, blob = signature.rstrip("\n").split(" ")
            self.assertEqual((lead, name), ("\u2014", origin))
            blob, key = base64.b64decode(blob), base64.b64decode(key)
            self.assertEqual(hashlib.sha256(origin.encode() + b"\n" + key).digest()[:4], blob[:4])
            public = Ed25519PublicKey.from_public_bytes(key[1:])
            public.verify(blob[4:], (text + "\n").encode())
            with self.assertRaises(InvalidSignature):
                public.verify(blob[4:], text.encode())
            self.assertEqual(text.split("\n")[0], origin)

    def test_an_export_is_verified_without_the_log_and_by_others(self):
        told = json.loads(ok("--json", "audit", "verify", "--in", self.export, "--key", self.key, "--checkpoint",
                             self.old, "--checkpoint", self.new))
        lines = self.export.read_text().splitlines()
        header = json.loads(lines[0])
        entries = lines[1 + header["checkpoints"]:]
        self.assertEqual((told["size"], told["root"]), (len(entries), header["root"]))
        self.assertEqual((told["covered"], told["key_given"]), (len(entries), True))
        for line in entries:
            raw = line[line.index('"entry":') + 8:-1].encode()
            self.assertEqual(hashlib.sha256(b"\0" + raw).hexdigest(), json.loads(line)["leaf"])
        damaged = self.work / "damaged.jsonl"
        damaged.write_text("\n".join(lines[:-2] + lines[-1:]) + "\n")
        self.assertEqual(self.refused("verify", "--in", damaged, "--key", self.key),
                         ("AUDIT-ENTRY", f"entry {len(entries) - 2}"))
        damaged.write_text(self.export.read_text().replace("second-vault", "Second-vault", 1))
        index = next(i for i, line in enumerate(entries) if "second-vault" in line)
        self.assertEqual(self.refused("verify", "--in", damaged, "--key", self.key), ("AUDIT-ENTRY", f"entry {index}"))
        damaged.write_text("\n".join([json.dumps({**header, "checkpoints": 0})] + entries) + "\n")
        self.assertEqual(self.refused("verify", "--in", damaged, "--key", self.key), ("AUDIT-HEAD", "checkpoints"))
        again = run("audit", "export", "--dir", self.lab, "--out", self.export)
        self.assertNotEqual(again.returncode, 0, "nothing is overwritten")

    def test_a_changed_store_is_found_and_the_entry_named(self):
        told = json.loads(ok("--json", "audit", "verify", "--dir", self.lab, "--key", self.key))
        self.assertEqual(told["covered"], told["size"])
        self.assertGreaterEqual(told["checkpoints"], 2)
        entry, where = (2 * 1,), "WHERE place = ?"
        lab = self.changed_lab((f"UPDATE numbered SET value = ? {where}", (b"{}", *entry)))
        self.assertEqual(self.refused("verify", "--dir", lab), ("AUDIT-ENTRY", "entry 1"))
        lab = self.changed_lab((f"DELETE FROM numbered {where}", entry))
        self.assertEqual(self.refused("verify", "--dir", lab), ("AUDIT-ENTRY", "entry 1"))
        # With its hashes, or these alone: a changed log, and not a store that cannot be reached.
        last = told["size"] - 1
        for gone in (2 * last, 2 * last + 1):
            lab = self.changed_lab(("DELETE FROM numbered WHERE place >= ?", (gone,)))
            self.assertEqual(self.refused("verify", "--dir", lab), ("AUDIT-ENTRY", f"entry {last}"))

    def test_a_log_that_was_set_back_contradicts_a_kept_checkpoint_and_is_not_signed_on(self):
        other = self.work / "other"
        ok("vm", "create", "m", "--dir", other)
        ok("admin", "create-vault", "first-vault", "--dir", other)
        self.assertEqual(self.refused("verify", "--dir", other, "--key", self.key, "--checkpoint", self.new),
                         ("AUDIT-HEAD", "audit log size"))
        self.assertEqual(self.refused("verify", "--dir", other, "--key", self.key), ("AUDIT-HEAD", "checkpoints"))
        wrong = run("audit", "verify", "--dir", other, "--checkpoint", self.new)
        self.assertIn("--key", wrong.stderr)

    def test_proofs_need_no_log(self):
        entries = self.export.read_text().splitlines()[1 + 2:]
        proof, entry = self.work / "entry.proof", self.work / "entry.json"
        ok("audit", "prove", "2", "--dir", self.lab, "--out", proof)
        line = next(line for line in entries if line.startswith('{"index":2,'))
        entry.write_text(line[line.index('"entry":') + 8:-1] + "\n")
        self.assertIn("proved entry 2", ok("audit", "check-proof", "--proof", proof, "--entry", entry, "--key",
                                           self.key))
        entry.write_text(entry.read_text().replace("operator", "somebody"))
        self.assertEqual(self.refused("check-proof", "--proof", proof, "--entry", entry, "--key", self.key)[0],
                         "AUDIT-PROOF")
        growth = self.work / "growth.proof"
        ok("audit", "prove", "--since", self.old, "--dir", self.lab, "--out", growth)
        self.assertIn("proved growth", ok("audit", "check-proof", "--proof", growth, "--since", self.old, "--key",
                                          self.key))
        self.assertEqual(self.refused("check-proof", "--proof", growth, "--since", self.new, "--key", self.key)[0],
                         "AUDIT-PROOF")
        self.assertNotEqual(run("audit", "prove", "99999", "--dir", self.lab).returncode, 0)
        self.assertNotEqual(run("audit", "prove", "--dir", self.lab).returncode, 0)

    def test_it_is_signed_every_so_often(self):
        lab = self.changed_lab()
        service = subprocess.Popen([PROGRAM, "--json", "serve", "vault", "--dir", lab, "--checkpoint-every", "1"],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            self.assertTrue(service.stdout.readline())
            ok("admin", "create-vault", "fifth-vault", "--dir", lab)
            size = len(ok("--json", "audit", "show", "--dir", lab).splitlines())
            for _ in range(100):
                if json.loads(ok("--json", "audit", "checkpoint", "--dir", lab))["size"] == size:
                    break
                time.sleep(0.1)
            else:
                self.fail("no checkpoint while the service runs")
        finally:
            service.send_signal(signal.SIGTERM)
            service.communicate(timeout=60)
        refused = run("serve", "vault", "--dir", lab, "--checkpoint-every", "0")
        self.assertEqual(refused.returncode, 2)


if __name__ == "__main__":
    unittest.main()
