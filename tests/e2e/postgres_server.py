"""A PostgreSQL server of a test's own, on a Unix socket alone."""

import glob
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

POSTGRES = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
PASSWORD = "a s3cret/of@the:store"
QUOTED = "a%20s3cret%2Fof%40the%3Astore"


class Server:
    """Server is a PostgreSQL server in a temporary folder, whose role needs a password. It flushes to disk as in
    production."""

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
        self.log = open(f"{self.folder}/log", "a")
        self.start()

    def start(self):
        """start returns when there is a socket; after a crash the server still recovers behind it."""
        self.process = subprocess.Popen([f"{POSTGRES[-1]}/postgres", "-D", self.data, "-k", self.folder,
                                         "-c", "listen_addresses="], stderr=self.log, cwd="/", **self.user)
        while not os.path.exists(f"{self.folder}/.s.PGSQL.5432"):
            assert self.process.poll() is None, pathlib.Path(self.log.name).read_text()
            time.sleep(0.05)

    def end(self, how):
        """end ends the server: SIGINT in order, SIGQUIT as a crash does. What it flushed to disk stays."""
        self.process.send_signal(how)
        self.process.wait(60)

    def url(self, password=QUOTED):
        return f"postgresql://vouchsafe:{password}@/postgres?host={self.folder}"

    def stop(self):
        self.end(signal.SIGINT)
        self.log.close()
        shutil.rmtree(self.folder)
