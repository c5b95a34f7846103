"""Nothing acknowledged is lost: vaults under load whose database restarts and whose processes are killed."""

import collections
import http.client
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

from postgres_server import POSTGRES, Server

PROGRAM = os.environ["VOUCHSAFE"]
LOGIN = "login.microsoftonline.com"
VAULT = "restart-kv"
HOST = f"{VAULT}.vault.azure.net"
CLIENTS = 6


def ask(*words, url=None):
    environment = {**os.environ, "VOUCHSAFE_STORE": url} if url else None
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


class Connection(http.client.HTTPSConnection):
    """Connection leads to a port of this computer, whatever the host is called."""

    def __init__(self, host, port, context):
        super().__init__(host, timeout=60, context=context)
        self.here = port

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.here), self.timeout)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)


class Process:
    """Process is one service, which may be killed and started again; it then listens on another port."""

    def __init__(self, service, folder, environment):
        self.command = [PROGRAM, "--json", "serve", service, "--dir", str(folder)]
        self.environment = {**os.environ, **environment}
        self.log = tempfile.TemporaryFile("w+")
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env=self.environment)
        with self.process.stdout as told:
            line = told.readline()
        if not line:
            self.process.wait()
            self.log.seek(0)
            raise AssertionError(self.log.read())
        self.port = urllib.parse.urlsplit(json.loads(line)["listening"]).port

    def kill(self):
        self.process.kill()
        self.process.wait()

    def start_again(self):
        """start_again returns when the service runs; its database may be away for a while."""
        end = time.monotonic() + 20
        while True:
            try:
                return self.start()
            except AssertionError:
                assert time.monotonic() < end
                time.sleep(0.2)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)
        self.log.close()


class Load:
    """Load is clients that write keys and secrets, and note what was acknowledged."""

    def __init__(self, vaults, context, token):
        self.vaults, self.context, self.token = vaults, context, token
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.acknowledged = []  # request id, kind of act, name, version, value
        self.refusals = collections.Counter()
        self.wrong = []
        self.threads = [threading.Thread(target=self.write, args=(number,)) for number in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def request(self, connection, method, path, body=None):
        connection.request(method, f"{path}?api-version=7.4", json.dumps(body) if body is not None else None,
                           {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer, json.loads(answer.read() or "{}")

    def write(self, number):
        """write acts until it is told to stop; as other clients do, it tries the other replica next."""
        connection = None
        acts = self.acts(number)
        for turn in itertools.count(number):
            if self.stopped.is_set():
                break
            kind, method, path, body = next(acts)
            try:
                if connection is None:
                    connection = Connection(HOST, self.vaults[turn % len(self.vaults)].port, self.context)
                answer, told = self.request(connection, method, path, body)
            except (OSError, http.client.HTTPException):
                self.refusals["no connection"] += 1
                connection = None
                time.sleep(0.02)
                continue
            with self.lock:
                self.note(answer, told, kind, path, body)
            if answer.status != 200:
                connection.close()
                connection = None
                time.sleep(0.05)
        if connection is not None:
            connection.close()

    @staticmethod
    def acts(number):
        """acts are what one client does: each name is its own, so each act should succeed."""
        for at in itertools.count():
            name = f"o-{number}-{at}"
            yield "secrets/set", "PUT", f"/secrets/{name}", {"value": f"value of {name}"}
            yield "secrets/get", "GET", f"/secrets/{name}", None
            yield "keys/create", "POST", f"/keys/{name}/create", {"kty": "EC"}
            yield "secrets/set", "PUT", f"/secrets/{name}", {"value": f"second value of {name}"}

    def note(self, answer, told, kind, path, body):
        name = path.split("/")[2]
        if answer.status == 200:
            identifier = told["key"]["kid"] if "key" in told else told["id"]
            self.acknowledged.append((answer.getheader("x-ms-request-id"), kind, name, identifier.split("/")[-1],
                                      body.get("value") if body else None))
        elif answer.status == 503:
            self.refusals["503"] += 1
            if answer.getheader("Retry-After") is None:
                self.wrong.append((503, "without Retry-After", told))
        elif answer.status == 404 and kind == "secrets/get":
            self.refusals["404"] += 1  # the act before it was not acknowledged
        else:
            self.wrong.append((answer.status, kind, told))

    def wait_for_more(self, count=40, seconds=25):
        """wait_for_more returns when every client was heard again."""
        with self.lock:
            before = len(self.acknowledged)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with self.lock:
                clients = {act[2].split("-")[1] for act in self.acknowledged[before:]}
                if len(self.acknowledged) >= before + count and len(clients) == CLIENTS:
                    return
            time.sleep(0.02)
        raise AssertionError(f"no more was acknowledged: {self.refusals}, {self.wrong[:3]}")

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


class Restart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-restart-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab = cls.work / "lab"
        ask("vm", "create", "m", "--dir", cls.lab)
        app = json.loads(ask("--json", "admin", "create-app", "alice", "--secret-out", cls.work / "secret", "--dir",
                             cls.lab))
        ask("admin", "create-vault", VAULT, "--dir", cls.lab)
        for role in ("Key Vault Crypto Officer", "Key Vault Secrets Officer"):
            ask("admin", "assign-role", role, "alice", "--vault", VAULT, "--dir", cls.lab)
        cls.context = ssl.create_default_context(cafile=str(cls.lab / "root/tls-ca.pem"))
        login = Process("identity", cls.lab, {})
        cls.addClassCleanup(login.stop)
        where = f"127.0.0.1:{login.port}"
        cls.site = cls.work / "site.json"
        cls.site.write_text(json.dumps({"ca_file": str(cls.lab / "root/tls-ca.pem"), "connect_to": {
            f"{LOGIN}:443": where, "sts.windows.net:443": where}}))
        connection = Connection(LOGIN, login.port, cls.context)
        connection.request("POST", f"/{app['tenant']}/oauth2/v2.0/token", urllib.parse.urlencode({
            "grant_type": "client_credentials", "client_id": app["client_id"],
            "client_secret": (cls.work / "secret").read_text(), "scope": "https://vault.azure.net/.default"}),
            {"Content-Type": "application/x-www-form-urlencoded"})
        cls.token = json.load(connection.getresponse())["access_token"]
        connection.close()

    @staticmethod
    def rolls():
        """rolls makes the times of death; those of a run that failed are had again with VS_SEED."""
        seed = os.environ.setdefault("VS_SEED", str(random.randrange(1 << 32)))
        print(f"VS_SEED={seed}")
        return random.Random(seed)

    def vault(self, lab, url=None):
        environment = {"VOUCHSAFE_SITE": str(self.site)}
        if url is not None:
            environment["VOUCHSAFE_STORE"] = url
        process = Process("vault", lab, environment)
        self.addCleanup(process.stop)
        return process

    def check(self, load, vaults, lab, url=None):
        """check compares what was acknowledged, what is there, and what the log says."""
        self.assertEqual(load.wrong, [])
        entries = {}
        for line in ask("--json", "audit", "show", "--dir", lab, url=url).splitlines():
            entry = json.loads(line)
            entries[entry["request_id"]] = entry
        ask("audit", "verify", "--dir", lab, url=url)
        written = {(entry["action"], entry["details"]["version"]) for entry in entries.values()
                   if entry["outcome"] == "allowed" and entry["action"] in ("secrets/set", "keys/create")}
        there = collections.defaultdict(set)
        connection = Connection(HOST, vaults[0].port, self.context)
        for _, kind, name, version, value in load.acknowledged:
            collection = kind.split("/")[0]
            answer, told = load.request(connection, "GET", f"/{collection}/{name}/{version}")
            self.assertEqual(answer.status, 200, (kind, name, version, told))
            if value is not None:
                self.assertEqual(told["value"], value)
            there[(collection, name)].add(version)
        for request, kind, name, version, _ in load.acknowledged:
            self.assertIn(request, entries, (kind, name))
            self.assertEqual((entries[request]["action"], entries[request]["details"]["version"]), (kind, version))
        # Neither a change without its entry nor an entry without its change.
        found = set()
        for collection, action in (("secrets", "secrets/set"), ("keys", "keys/create")):
            for name in self.names(load, connection, collection):
                for item in self.pages(load, connection, f"/{collection}/{name}/versions"):
                    found.add((action, (item.get("kid") or item["id"]).split("/")[-1]))
        connection.close()
        self.assertEqual(found, written)

    def pages(self, load, connection, path):
        query = ""
        while query is not None:
            connection.request("GET", f"{path}?api-version=7.4{query}", None,
                               {"Authorization": f"Bearer {load.token}"})
            answer = connection.getresponse()
            told = json.loads(answer.read())
            self.assertEqual(answer.status, 200, told)
            yield from told["value"]
            link = told["nextLink"]
            query = None if link is None else "&" + urllib.parse.urlsplit(link).query.split("&", 1)[1]

    def names(self, load, connection, collection):
        items = list(self.pages(load, connection, f"/{collection}"))
        return [(item.get("kid") or item["id"]).split("/")[-1] for item in items]

    @unittest.skipUnless(POSTGRES, "PostgreSQL is not installed: apt-get install postgresql")
    def test_two_replicas_outlive_restarts_of_their_database_and_each_other(self):
        rolls = self.rolls()
        server = Server()
        self.addCleanup(server.stop)
        lab, url = self.copy_with_records_in(server)
        vaults = [self.vault(lab, url), self.vault(lab, url)]
        load = Load(vaults, self.context, self.token)
        try:
            load.wait_for_more()
            for how in (signal.SIGINT, signal.SIGQUIT):
                server.end(how)
                time.sleep(rolls.uniform(0, 1))
                server.start()
                load.wait_for_more()
                time.sleep(rolls.uniform(0, 0.3))
                vaults[0].kill()
                time.sleep(rolls.uniform(0, 0.3))
                vaults[0].start_again()
                load.wait_for_more()
            # Both at once.
            vaults[1].kill()
            server.end(signal.SIGQUIT)
            server.start()
            vaults[1].start_again()
            load.wait_for_more()
        finally:
            load.stop()
        self.assertGreater(load.refusals["503"], 0)
        self.assertGreater(load.refusals["no connection"], 0)
        self.check(load, vaults, lab, url)

    def copy_with_records_in(self, server):
        backup, lab = self.work / "backup", self.work / "replicas"
        ask("admin", "backup", "--dir", self.lab, "--out", backup)
        shutil.copytree(self.lab, lab, ignore=shutil.ignore_patterns("store.db*"))
        ask("admin", "restore", "--in", backup, "--dir", lab, url=server.url())
        return lab, server.url()

    def test_one_vault_outlives_its_death_at_any_time(self):
        rolls = self.rolls()
        lab = self.work / "alone"
        shutil.copytree(self.lab, lab)
        vaults = [self.vault(lab)]
        load = Load(vaults, self.context, self.token)
        try:
            for _ in range(5):
                load.wait_for_more(20)
                time.sleep(rolls.uniform(0, 0.2))
                vaults[0].kill()
                vaults[0].start_again()
            load.wait_for_more(20)
        finally:
            load.stop()
        self.check(load, vaults, lab)


if __name__ == "__main__":
    unittest.main()
