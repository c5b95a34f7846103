"""A lab whose identity and attestation services run as `vouchsafe serve`, each its own process, for clients that
talk to the attestation service by Azure's names."""

import contextlib
import json
import os
import pathlib
import socket
import ssl
import subprocess
import tempfile
import unittest.mock
import urllib.parse
import urllib.request

import operations

PROGRAM = os.environ["VOUCHSAFE"]
ATTESTATION = "sharedweu.weu.attest.azure.net"
LOGIN = "login.microsoftonline.com"
VAULT = "myvault.vault.azure.net"


def run(*arguments, **options):
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=300, **options)


class Process:
    """Process is one running service; it listens on `port` of this computer."""

    def __init__(self, service, folder, *options, **environment):
        self.log = tempfile.TemporaryFile("w+")
        self.service = service
        self.client = None  # the test class whose client is the only one of this service
        self.process = subprocess.Popen(
            [PROGRAM, "--json", "--verbose", "serve", service, "--dir", str(folder), *[str(o) for o in options]],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env={**os.environ, **environment})
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.log.seek(0)
            raise AssertionError(self.log.read())
        self.port = urllib.parse.urlsplit(json.loads(line)["listening"]).port

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.process.stdout.close()
        self.log.seek(0)
        operations.note(self.client, self.service, self.log)
        self.log.close()


class Serving:
    """Serving is a lab in a folder of its own, with an application that may change policies."""

    def __init__(self, test_class):
        folder = tempfile.TemporaryDirectory(prefix="vs-interop-")
        test_class.addClassCleanup(folder.cleanup)
        self.work = pathlib.Path(folder.name)
        self.lab = self.work / "lab"
        self._ask("vm", "create", "m", "--dir", self.lab)
        self.ca = self.lab / "root/tls-ca.pem"
        self.app = json.loads(self._ask("--json", "admin", "create-app", "alice", "--secret-out",
                                        self.work / "secret", "--dir", self.lab))
        self._ask("admin", "assign-role", "Attestation Contributor", "alice", "--attestation", "--dir", self.lab)
        self.login = self._start(test_class, "identity", self.lab)
        site = self.work / "site.json"
        where = f"127.0.0.1:{self.login.port}"
        site.write_text(json.dumps({"ca_file": str(self.ca), "connect_to": {
            f"{LOGIN}:443": where, "sts.windows.net:443": where}}))
        self.attestation = self._start(test_class, "attestation", self.lab, VOUCHSAFE_SITE=str(site))

    @staticmethod
    def _ask(*arguments):
        done = run(PROGRAM, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @staticmethod
    def _start(test_class, *arguments, **environment):
        process = Process(*arguments, **environment)
        process.client = test_class
        test_class.addClassCleanup(process.stop)
        return process

    def start_vault(self, test_class, role, *options, name=VAULT.split(".", maxsplit=1)[0], **environment):
        """start_vault makes a vault, in which the application has this role, and serves it."""
        self._ask("admin", "create-vault", name, "--dir", self.lab)
        self._ask("admin", "assign-role", role, "alice", "--vault", name, "--dir", self.lab)
        login, attestation = (f"127.0.0.1:{service.port}" for service in (self.login, self.attestation))
        site = self.work / "vault-site.json"
        site.write_text(json.dumps({"ca_file": str(self.ca), "connect_to": {
            f"{LOGIN}:443": login, "sts.windows.net:443": login, f"{ATTESTATION}:443": attestation}}))
        self.vault = self._start(test_class, "vault", self.lab, *options, VOUCHSAFE_SITE=str(site), **environment)

    def attestation_token(self):
        """attestation_token is what the lab's machine gets from the attestation service."""
        return self._ask("vm", "exec", "m", "--dir", self.lab, "--", PROGRAM, "attest").strip()

    def access_token(self, resource="https://attest.azure.net"):
        """access_token signs the application in, as any OAuth client would; returns token and seconds."""
        form = urllib.parse.urlencode({
            "grant_type": "client_credentials", "client_id": self.app["client_id"],
            "client_secret": (self.work / "secret").read_text(), "scope": f"{resource}/.default"})
        url = f"https://{LOGIN}:{self.login.port}/{self.app['tenant']}/oauth2/v2.0/token"
        context = ssl.create_default_context(cafile=str(self.ca))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                             urllib.request.HTTPSHandler(context=context))
        with names_lead_here(), opener.open(url, form.encode(), timeout=30) as answer:
            told = json.load(answer)
        return told["access_token"], told["expires_in"]

    def signer(self, name):
        """signer makes a key and a certificate to sign policies with: two PEM texts."""
        key, cert = self.work / f"{name}.key", self.work / f"{name}.pem"
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-subj",
            f"/CN={name}", "-days", "2").check_returncode()
        return key.read_text(), cert.read_text()

    def server_certificate(self):
        """server_certificate makes one that a service believing the vendors' roots can show: tls.pem, tls.key."""
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.work / "tls.key", "-out",
            self.work / "tls.pem", "-subj", "/CN=test", "-addext", f"subjectAltName=DNS:{ATTESTATION}", "-days",
            "2").check_returncode()


class VaultServing(Serving):
    """VaultServing is a lab with a vault too, `VAULT`, in which the application may do everything with keys and
    secrets, and a second one, `PROTECTED`, that nobody can purge."""

    VAULT = "interop-kv"
    PROTECTED = "interop-safe"

    def __init__(self, test_class):
        super().__init__(test_class)
        for name, options in ((self.VAULT, ["--retention-days", "7"]), (self.PROTECTED, ["--purge-protection"])):
            self._ask("admin", "create-vault", name, *options, "--dir", self.lab)
            for role in ("Key Vault Crypto Officer", "Key Vault Secrets Officer"):
                self._ask("admin", "assign-role", role, "alice", "--vault", name, "--dir", self.lab)
        self.vault = self._start(test_class, "vault", self.lab, VOUCHSAFE_SITE=str(self.work / "site.json"))

    @staticmethod
    def host(name):
        return f"{name}.vault.azure.net"


@contextlib.contextmanager
def names_lead_here(ports=None):
    """Within this context every host name is this computer, as a hosts file would have it. `ports` has the ports of
    those names whose port 443 is another one here."""
    look_up = socket.getaddrinfo

    def look_up_here(host, port, *args, **kwargs):
        here = (ports or {}).get(host, port) if port == 443 else port
        return look_up("127.0.0.1", here, *args, **kwargs)

    with unittest.mock.patch("socket.getaddrinfo", look_up_here):
        yield
