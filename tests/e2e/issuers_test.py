"""Callers whom other issuers than the vault's own login vouch for, through the real program and real sockets."""

import contextlib
import datetime
import http.server
import ipaddress
import json
import os
import pathlib
import signal
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

PROGRAM = os.environ["VOUCHSAFE"]
AUDIENCE = "https://vault.azure.net"
KEYS = "/keys?api-version=7.4"


def self_signed(folder):
    """self_signed makes a TLS certificate for 127.0.0.1 that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    now = datetime.datetime.utcnow()
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True).sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "issuer.pem", folder / "issuer.key"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
    return cert_file, key_file


class Issuer:
    """Issuer is an OpenID Connect provider of its own: a discovery document, keys, tokens."""

    def __init__(self, folder):
        folder.mkdir()
        self.cert, key_file = self_signed(folder)
        self.fetched = []
        self.hangs = threading.Event()
        self.rotate()
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.fetched.append(self.path)
                if issuer.hangs.is_set():
                    time.sleep(20)
                    return
                document = {"/.well-known/openid-configuration": {"issuer": issuer.url,
                                                                  "jwks_uri": issuer.url + "/keys"},
                            "/keys": {"keys": [issuer.jwk]}}.get(self.path)
                body = json.dumps(document).encode()
                self.send_response(200 if document else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key_file)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def rotate(self):
        self.key = rsa.generate_private_key(65537, 2048)
        self.kid = os.urandom(8).hex()
        self.jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        self.jwk.update(kid=self.kid, use="sig", key_ops=["verify"])

    def token(self, headers=None, key=None, algorithm="RS256", **changes):
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "repo:our/app", "iat": now, "nbf": now, "exp": now + 600}
        claims.update(changes)
        return jwt.encode(claims, key or self.key, algorithm=algorithm, headers={"kid": self.kid, **(headers or {})})

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Issuers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-issuers-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab = cls.work / "lab"
        cls.ok("vm", "create", "m", "--dir", cls.lab)
        cls.tenant = "11111111-2222-4333-8444-555555555555"
        cls.ok("admin", "vault", "create", "ours", "--tenant", cls.tenant, "--dir", cls.lab)
        cls.ok("admin", "vault", "create", "theirs", "--tenant", "22222222-2222-4333-8444-555555555555",
               "--dir", cls.lab)
        cls.first, cls.second = Issuer(cls.work / "one"), Issuer(cls.work / "two")
        for issuer in (cls.first, cls.second):
            cls.addClassCleanup(issuer.stop)
            principal = cls.ok("admin", "principal", issuer.url, "repo:our/app").strip()
            cls.ok("admin", "assign-role", "Key Vault Crypto Officer", principal, "--vault", "ours", "--dir", cls.lab)
        files = []
        for name, issuer in (("one", cls.first), ("two", cls.second)):
            file = cls.work / f"{name}.toml"
            file.write_text(f'issuer = "{issuer.url}"\ntenant = "{cls.tenant}"\nca = "{issuer.cert}"\n')
            files += ["--trusted-issuer", file]
        cls.process = subprocess.Popen([PROGRAM, "--json", "serve", "vault", "--dir", cls.lab, *files],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        cls.addClassCleanup(cls.end)
        cls.url = json.loads(cls.process.stdout.readline())["listening"]

    @classmethod
    def end(cls):
        cls.process.terminate()
        cls.process.wait(30)
        cls.process.stdout.close()

    @classmethod
    def ok(cls, *arguments):
        done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def ask(self, token=None, vault="ours", url=None):
        """ask lists the keys of a vault and returns the status, and the check that refused."""
        request = urllib.request.Request((url or self.url) + KEYS, headers={"Host": f"{vault}.vault.azure.net"})
        if token is not None:
            request.add_header("Authorization", "Bearer " + token)
        with contextlib.ExitStack() as stack:
            try:
                answer = stack.enter_context(urllib.request.urlopen(
                    request, timeout=30, context=ssl._create_unverified_context()))
            except urllib.error.HTTPError as error:
                answer = stack.enter_context(error)
            return answer.status, answer.headers.get("x-vouchsafe-check", "")

    def test_tokens_of_each_issuer_hold_in_their_tenant_alone(self):
        for issuer in (self.first, self.second):
            self.assertEqual(self.ask(issuer.token()), (200, ""))
            self.assertEqual(self.ask(issuer.token(sub="repo:other/app")), (403, "CALLER-ROLE"))
            self.assertEqual(self.ask(issuer.token(), "theirs"), (401, "TOKEN-ISSUER"))
        self.assertEqual(self.ask(), (401, "CALLER-TOKEN"))

    def test_what_does_not_hold_is_refused(self):
        now = int(time.time())
        one, two = self.first, self.second
        public = one.key.public_key().public_bytes(serialization.Encoding.DER,
                                                   serialization.PublicFormat.SubjectPublicKeyInfo)
        none = jwt.encode({"iss": one.url, "aud": AUDIENCE, "sub": "repo:our/app", "exp": now + 60}, None, "none",
                          headers={"kid": one.kid})
        cases = {
            "forged": (one.token(key=two.key), "TOKEN-SIGNATURE"),
            "of the other issuer": (two.token(iss=one.url), "TOKEN-KID"),
            "alg none": (none, "TOKEN-ALG"),
            "the public key as a secret": (one.token(key=public, algorithm="HS256"), "TOKEN-ALG"),
            "for another audience": (one.token(aud="https://attest.azure.net"), "TOKEN-AUDIENCE"),
            "ended": (one.token(exp=now - 301), "TOKEN-EXPIRED"),
            "not yet valid": (one.token(nbf=now + 400), "TOKEN-NOT-BEFORE"),
            "of an unknown key": (one.token(headers={"kid": "x", "jku": two.url + "/keys"}), "TOKEN-KID"),
            "of a stranger": (one.token(iss="https://evil.example.org"), "TOKEN-ISSUER"),
            "rubbish": ("a.b.c", "TOKEN-FORMAT"),
        }
        for name, (token, check) in cases.items():
            with self.subTest(name):
                self.assertEqual(self.ask(token), (401, check))
        self.assertEqual(self.ask(one.token(padding="x" * 20_000))[0], 431)
        self.assertEqual(self.ask(one.token()), (200, ""))

    def test_rotated_keys_are_found_and_a_stopped_issuer_costs_its_own_users_alone(self):
        rotating = self.second
        self.assertEqual(self.ask(rotating.token()), (200, ""))
        before = len(rotating.fetched)
        rotating.rotate()
        end = time.monotonic() + 20
        while self.ask(rotating.token())[0] != 200:  # at most one fetch in five seconds
            self.assertLess(time.monotonic(), end)
            time.sleep(0.2)
        self.assertLessEqual(len(rotating.fetched) - before, 6)
        known = rotating.token()
        rotating.rotate()
        rotating.hangs.set()
        time.sleep(5.5)
        began = time.monotonic()
        asked = [threading.Thread(target=self.ask, args=(rotating.token(),)) for _ in range(12)]
        for thread in asked:
            thread.start()
        for _ in range(10):
            started = time.monotonic()
            self.assertEqual(self.ask(self.first.token()), (200, ""))
            self.assertLess(time.monotonic() - started, 2)
        self.assertEqual(self.ask(known), (200, ""))  # its old key is known
        for thread in asked:
            thread.join()
        self.assertLess(time.monotonic() - began, 15)
        rotating.hangs.clear()
        end = time.monotonic() + 40  # for the fetch that hangs, and until the next one
        while self.ask(rotating.token())[0] != 200:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.5)

    def test_issuers_change_without_a_restart(self):
        file = self.work / "changing.toml"

        def trust(issuer):
            file.write_text(f'issuer = "{issuer.url}"\ntenant = "{self.tenant}"\nca = "{issuer.cert}"\n')

        trust(self.first)
        with tempfile.TemporaryFile("w+") as log, subprocess.Popen(
                [PROGRAM, "--json", "--verbose", "serve", "vault", "--dir", self.lab, "--trusted-issuer", file],
                stdout=subprocess.PIPE, stderr=log, text=True) as vault:
            try:
                url = json.loads(vault.stdout.readline())["listening"]
                first, second = self.first.token(), self.second.token()
                self.assertEqual(self.ask(first, url=url), (200, ""))
                self.assertEqual(self.ask(second, url=url), (401, "TOKEN-ISSUER"))

                def wait_for(word):
                    end = time.monotonic() + 20
                    while True:
                        log.seek(0)
                        if any(word in json.loads(line)["message"] for line in log):
                            return
                        self.assertLess(time.monotonic(), end)
                        time.sleep(0.1)

                file.write_text("issuer = 'rubbish'\n")
                vault.send_signal(signal.SIGHUP)
                wait_for("of trusted issuers is no good")
                self.assertEqual(self.ask(first, url=url), (200, ""))
                trust(self.second)  # no signal: the file is looked at
                wait_for("trusted issuers read now")
                self.assertEqual(self.ask(first, url=url), (401, "TOKEN-ISSUER"))
                self.assertEqual(self.ask(second, url=url), (200, ""))
            finally:
                vault.terminate()

    def test_our_identity_service_is_an_issuer_like_others(self):
        app = json.loads(self.ok("--json", "admin", "create-app", "alice", "--secret-out", self.work / "secret",
                                 "--dir", self.lab))
        self.ok("admin", "create-vault", "labs", "--dir", self.lab)
        self.ok("admin", "assign-role", "Key Vault Reader", "alice", "--vault", "labs", "--dir", self.lab)
        with contextlib.ExitStack() as stack:
            def serve(*arguments):
                process = stack.enter_context(subprocess.Popen(
                    [PROGRAM, "--json", "serve", *map(str, arguments), "--dir", self.lab], stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL, text=True))
                stack.callback(process.terminate)
                return json.loads(process.stdout.readline())["listening"]

            login = serve("identity")
            file = self.work / "identity.toml"
            file.write_text(f"""issuer = "https://sts.windows.net/{{tenant}}/"
jwks = "{login}/{{tenant}}/discovery/v2.0/keys"
tenant = ["{app['tenant']}"]
ca = "{self.lab}/root/tls-ca.pem"
principals = "tenant"
principal-claim = "oid"
tenant-claim = "tid"
login = "{login}"
""")
            vault = serve("vault", "--trusted-issuer", file)
            form = urllib.parse.urlencode({
                "grant_type": "client_credentials", "client_id": app["client_id"],
                "client_secret": (self.work / "secret").read_text().strip(), "scope": AUDIENCE + "/.default"})
            context = ssl._create_unverified_context()
            with urllib.request.urlopen(f"{login}/{app['tenant']}/oauth2/v2.0/token", data=form.encode(),
                                        context=context, timeout=30) as answer:
                token = json.load(answer)["access_token"]
            request = urllib.request.Request(vault + KEYS, headers={"Host": "labs.vault.azure.net"})
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, context=context, timeout=30)
            with refused.exception as error:
                self.assertIn(f'authorization="{login}/{app["tenant"]}"', error.headers["WWW-Authenticate"])
            request.add_header("Authorization", "Bearer " + token)
            with urllib.request.urlopen(request, context=context, timeout=30) as answer:
                self.assertEqual(answer.status, 200)

    def test_bad_issuer_files_are_named(self):
        def refused(text):
            file = self.work / "bad.toml"
            file.write_text(text)
            done = subprocess.run([PROGRAM, "serve", "vault", "--dir", self.lab, "--trusted-issuer", file],
                                  capture_output=True, text=True, timeout=60)
            self.assertIn(done.returncode, (1, 2), done.stderr)
            return done.stderr

        tenant = f'tenant = "{self.tenant}"\n'
        self.assertIn("https", refused(f'issuer = "http://a.example"\n{tenant}'))
        self.assertIn("GUID", refused('issuer = "https://a.example"\ntenant = "contoso"\n'))
        self.assertIn("bad.toml", refused(f'issuer = "https://a.example"\n{tenant}jkw = "x"\n'))
        self.assertIn("bad.toml", refused('issuer = "https://a.example"\n'))
        self.assertIn("bad.toml", refused(f'issuer = "https://a.example"\n{tenant}ca = "/none"\n'))


if __name__ == "__main__":
    unittest.main()
