"""Backup, restore and PostgreSQL: the same records in either engine, moved by the real program."""

import glob
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ["VOUCHSAFE"]
POSTGRES = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
PASSWORD = "a s3cret/of@the:store"
QUOTED = "a%20s3cret%2Fof%40the%3Astore"


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


class Server:
    """Server is a PostgreSQL server in a temporary folder, whose role needs a password."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="vs-postgres-")
        self.user = {}
        if os.getuid() == 0:  # which the server refuses
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self.user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        password = pathlib.Path(self.folder) / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self.data = f"{self.folder}/data"
        subprocess.run([f"{POSTGRES[-1]}/initdb", "-D", self.data, "-U", "vouchsafe", "-A", "scram-sha-256",
                        "--pwfile", password, "-E", "UTF8", "--locale=C", "--no-sync"],
                       check=True, capture_output=True, cwd="/", **self.user)
        self.log = open(f"{self.folder}/log", "w")
        self.process = subprocess.Popen([f"{POSTGRES[-1]}/postgres", "-D", self.data, "-k", self.folder,
                                         "-c", "listen_addresses="], stderr=self.log, cwd="/", **self.user)
        while not os.path.exists(f"{self.folder}/.s.PGSQL.5432"):
            assert self.process.poll() is None, pathlib.Path(self.log.name).read_text()
            time.sleep(0.05)

    def url(self, password=QUOTED):
        return f"postgresql://vouchsafe:{password}@/postgres?host={self.folder}"

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        self.log.close()
        shutil.rmtree(self.folder)


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

        wrong = run("audit", "verify", "--dir", lab, url=server.url("hunter2hunter2"), check=False)
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("password authentication failed", wrong.stderr)
        malformed = run("audit", "verify", "--dir", lab, url=server.url(PASSWORD), check=False)
        self.assertIn("malformed", malformed.stderr)
        for refused in (wrong, malformed):
            self.assertNotIn("hunter2", refused.stdout + refused.stderr)
            self.assertNotIn("s3cret", refused.stdout + refused.stderr)

    def test_a_store_that_is_no_url_is_refused(self):
        refused = run("audit", "verify", "--dir", self.lab, "--store", "/some/file", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("--store takes the URL", refused.stderr)


if __name__ == "__main__":
    unittest.main()
