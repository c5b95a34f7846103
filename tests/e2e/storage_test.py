"""Backup, restore and PostgreSQL: the same records in either engine, moved by the real program."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

from postgres_server import PASSWORD, POSTGRES, Server

PROGRAM = os.environ["VOUCHSAFE"]


def run(*words, url=None, check=True):
    environment = dict(os.environ)
    environment.pop("VOUCHSAFE_STORE", None)
    if url is not None:
        environment["VOUCHSAFE_STORE"] = url
    done = subprocess.run([PROGRAM, "--json", *map(str, words)], capture_output=True, text=True, timeout=120,
                          env=environment)
    if check:
        assert done.returncode == 0, done.stderr
    return done


class Serving:
    """Serving is a vault that runs."""

    def __init__(self, folder, url=None):
        environment = dict(os.environ)
        if url is not None:
            environment["VOUCHSAFE_STORE"] = url
        self.process = subprocess.Popen([PROGRAM, "--json", "serve", "vault", "--dir", folder], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate()[1])
        self.told = json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)


class Storage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-storage-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab = cls.work / "lab"
        run("vm", "create", "alice", "--dir", cls.lab)
        run("admin", "create-vault", "storage-vault", "--dir", cls.lab)

    def head(self, lab, url=None):
        told = json.loads(run("audit", "verify", "--dir", lab, url=url).stdout)
        return told["size"], told["root"]

    def copy_without_records(self, name):
        lab = self.work / name
        shutil.copytree(self.lab, lab, ignore=shutil.ignore_patterns("store.db*"))
        return lab

    def test_a_backup_of_a_running_service_comes_back_whole(self):
        file = self.work / "running.backup"
        with Serving(self.lab):
            told = json.loads(run("admin", "backup", "--dir", self.lab, "--out", file).stdout)
        self.assertEqual((told["log_size"], told["log_root"]), self.head(self.lab))
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)

        again = run("admin", "backup", "--dir", self.lab, "--out", file, check=False)
        self.assertNotEqual(again.returncode, 0)
        over = run("admin", "restore", "--in", file, "--dir", self.lab, check=False)
        self.assertNotEqual(over.returncode, 0)
        self.assertIn("records already", over.stderr)

        lab = self.copy_without_records("restored")
        self.assertEqual(json.loads(run("admin", "restore", "--in", file, "--dir", lab).stdout), told)
        self.assertEqual(self.head(lab), self.head(self.lab))
        with Serving(lab) as serving:
            self.assertEqual(serving.told["service"], "vault")

    def test_a_damaged_backup_leaves_nothing(self):
        file = self.work / "damaged.backup"
        run("admin", "backup", "--dir", self.lab, "--out", file)
        whole = file.read_bytes()
        lab = self.copy_without_records("damaged")
        for damaged in (whole[:-1], whole[:40], b"", whole[:100] + b"?" + whole[101:]):
            file.write_bytes(damaged)
            refused = run("admin", "restore", "--in", file, "--dir", lab, check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertFalse((lab / "vault/store.db").exists())
        file.write_bytes(whole)
        other = run("admin", "restore", "--in", file, "--dir", lab, "--service", "attestation", check=False)
        self.assertIn("backup of the vault service", other.stderr)

    @unittest.skipUnless(POSTGRES, "PostgreSQL is not installed: apt-get install postgresql")
    def test_records_move_to_postgresql_and_back(self):
        server = Server()
        self.addCleanup(server.stop)
        file, back = self.work / "to.backup", self.work / "back.backup"
        run("admin", "backup", "--dir", self.lab, "--out", file)
        lab = self.copy_without_records("replicas")
        run("admin", "restore", "--in", file, "--dir", lab, url=server.url())
        self.assertEqual(self.head(lab, server.url()), self.head(self.lab))
        # Two replicas of one vault; none of them makes a file.
        with Serving(lab, server.url()), Serving(lab, server.url()):
            run("admin", "backup", "--dir", lab, "--out", back, url=server.url())
        self.assertFalse((lab / "vault/store.db").exists())
        moved = self.copy_without_records("moved")
        run("admin", "restore", "--in", back, "--dir", moved)
        self.assertEqual(self.head(moved), self.head(lab, server.url()))
        # What the replicas signed is true of the log wherever it lies.
        signed = json.loads(run("audit", "checkpoint", "--dir", lab, url=server.url()).stdout)
        kept, export = self.work / "replicas.checkpoint", self.work / "replicas.jsonl"
        kept.write_text(signed["checkpoint"])
        run("audit", "export", "--dir", lab, "--out", export, url=server.url())
        for log in (["--dir", moved], ["--in", export]):
            told = json.loads(run("audit", "verify", *log, "--key", signed["key"], "--checkpoint", kept).stdout)
            self.assertEqual((told["covered"], told["key_given"]), (signed["size"], True))
        self.assertTrue(run("audit", "show", "--act", "checkpoints", "--dir", lab, url=server.url()).stdout)

        wrong = run("audit", "verify", "--dir", lab, url=server.url("hunter2hunter2"), check=False)
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("password authentication failed", wrong.stderr)
        malformed = run("audit", "verify", "--dir", lab, url=server.url(PASSWORD), check=False)
        self.assertIn("malformed", malformed.stderr)
        for refused in (wrong, malformed):
            self.assertNotIn("hunter2", refused.stdout + refused.stderr)
            self.assertNotIn("s3cret", refused.stdout + refused.stderr)

    def test_a_store_that_is_no_url_is_refused(self):
        for words in (["audit", "verify"], ["admin", "vault", "list"], ["admin", "protect-vault", "storage-vault"],
                      ["admin", "access-policy", "list", "--vault", "storage-vault"],
                      ["admin", "assign-role", "Key Vault Reader", "alice", "--vault", "storage-vault"],
                      ["vault", "explain", OBJECT]):
            refused = run(*words, "--dir", self.lab, "--store", "/some/file", check=False)
            self.assertEqual(refused.returncode, 2, words)
            self.assertIn("--store takes the URL", refused.stderr)


OBJECT = "aaaaaaaa-0000-4000-8000-000000000001"


@unittest.skipUnless(POSTGRES, "PostgreSQL is not installed: apt-get install postgresql")
class VaultsOfReplicas(unittest.TestCase):
    """What an operator sets up in the database that replicas share, before the first service."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vs-replicas-")
        self.addCleanup(folder.cleanup)
        self.work = pathlib.Path(folder.name)
        server = Server()
        self.addCleanup(server.stop)
        self.url = server.url()

    def told(self, *words):
        return json.loads(run(*words, "--dir", self.dir, url=self.url).stdout)

    def test_production_vaults_stand_in_the_database(self):
        self.dir = self.work / "production"
        # It makes the directory, and then wants a certificate.
        self.assertEqual(run("serve", "vault", "--dir", self.dir, check=False).returncode, 2)
        # Here by option, as elsewhere by environment.
        made = json.loads(run("admin", "vault", "create", "our-vault", "--retention-days", 30, "--dir", self.dir,
                              "--store", self.url).stdout)
        self.assertEqual((made["retention_days"], made["purge_protection"]), (30, False))
        long = run("admin", "vault", "create", "long-vault", "--retention-days", 91, "--dir", self.dir, url=self.url,
                   check=False)
        self.assertEqual((long.returncode, "7 to 90" in long.stderr), (2, True))
        role = self.told("admin", "assign-role", "Key Vault Reader", OBJECT, "--vault", "our-vault")
        self.assertEqual(role["scope"], made["id"])
        self.told("admin", "vault", "authorization", "our-vault", "access-policies")
        self.told("admin", "vault", "network", "our-vault", "--allow", "10.1.0.0/16")
        policy = self.told("admin", "access-policy", "set", "--vault", "our-vault", "--object-id", OBJECT, "--keys",
                           "get")
        self.assertEqual(self.told("admin", "access-policy", "list", "--vault", "our-vault"), [policy])
        self.assertTrue(self.told("admin", "access-policy", "remove", "--vault", "our-vault", "--object-id",
                                  OBJECT)["removed"])
        self.told("admin", "protect-vault", "our-vault")
        self.told("admin", "vault", "create", "guarded", "--purge-protection", "--sku", "standard")
        shown = {one["name"]: one for one in self.told("admin", "vault", "list")}
        self.assertEqual(shown["our-vault"], self.told("admin", "vault", "show", "our-vault"))
        self.assertEqual({name: (one["purge_protection"], one["retention_days"]) for name, one in shown.items()},
                         {"guarded": (True, 90), "our-vault": (True, 30)})
        self.assertEqual(shown["our-vault"]["networks"], ["10.1.0.0/16"])
        # The log, with what to explain, is there as well, and nothing in the directory.
        entry = json.loads(run("audit", "show", "--act", "vaults/write", "--dir", self.dir,
                               url=self.url).stdout.splitlines()[0])
        told = self.told("vault", "explain", entry["request_id"])
        self.assertEqual((told["operation"], told["resource"]), ("vaults/write", made["id"]))
        self.assertFalse((self.dir / "vault/store.db").exists())
        missing = run("vault", "explain", entry["request_id"], "--dir", self.dir, check=False)
        self.assertEqual((missing.returncode, "has no log yet" in missing.stderr), (1, True))

    def test_a_lab_gives_roles_in_the_database_too(self):
        self.dir = self.work / "lab"
        run("vm", "create", "my-vm", "--dir", self.dir)
        alice = json.loads(run("admin", "create-app", "alice", "--secret-out", self.work / "alice.secret", "--dir",
                               self.dir).stdout)
        made = self.told("admin", "vault", "create", "lab-vault")
        role = self.told("admin", "assign-role", "Key Vault Reader", "alice", "--vault", "lab-vault")
        self.assertEqual((role["principal"], role["scope"]), (alice["object_id"], made["id"]))
        words = ("admin", "assign-role", "Key Vault Reader", "--dir", self.dir)
        nobody = run(*words, "bob", "--vault", "lab-vault", url=self.url, check=False)
        self.assertEqual((nobody.returncode, "no principal 'bob'" in nobody.stderr), (1, True))
        elsewhere = run(*words, "alice", "--vault", "lab-vault", check=False)
        self.assertEqual((elsewhere.returncode, "no vault" in elsewhere.stderr), (1, True))
        useless = run("admin", "assign-role", "Key Vault Reader", "alice", "--attestation", "--dir", self.dir,
                      url=self.url, check=False)
        self.assertEqual((useless.returncode, "allows nothing" in useless.stderr), (2, True))
        provider = self.told("admin", "assign-role", "Attestation Reader", "alice", "--attestation")
        self.assertIn("Microsoft.Attestation/attestationProviders", provider["scope"])
        entries = run("audit", "show", "--service", "attestation", "--dir", self.dir, url=self.url).stdout
        self.assertEqual(json.loads(entries)["details"]["principal"], alice["object_id"])
        self.assertEqual(run("audit", "show", "--service", "attestation", "--dir", self.dir).stdout, "")
        self.assertEqual([(one["role"], one["scope"]) for one in self.told("admin", "roles", "alice")],
                         [("Key Vault Reader", made["id"]), ("Attestation Reader", provider["scope"])])
        taken = ("admin", "remove-role", "Key Vault Reader", "alice", "--vault", "lab-vault", "--dir", self.dir)
        self.assertIn('"removed":true', run(*taken, url=self.url).stdout)
        again = run(*taken, url=self.url, check=False)
        self.assertEqual((again.returncode, "admin roles" in again.stderr), (1, True))
        run("admin", "remove-role", "Attestation Reader", "alice", "--attestation", "--dir", self.dir, url=self.url)
        self.assertEqual(self.told("admin", "roles", "alice"), [])
        both = run("vault", "explain", OBJECT, "--vault", "https://lab-vault.vault.azure.net", "--store", self.url,
                   check=False)
        self.assertEqual((both.returncode, "say where" in both.stderr), (2, True))


if __name__ == "__main__":
    unittest.main()
