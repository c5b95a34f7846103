"""Several attestation providers in one process: told apart by host name, with keys of their own that rotate."""

import base64
import json
import os
import pathlib
import socket
import ssl
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

PROGRAM = os.environ["VOUCHSAFE"]
CONTOSO = "contoso.weu.attest.example.org"
FABRIKAM = "fabrikam.neu.attest.example.org"


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=120)


class Serving:
    """Serving is the attestation service, with its operators' listener."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [PROGRAM, "--json", "serve", "attestation", "--operate", "127.0.0.1:0", *options],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        told = json.loads(self.process.stdout.readline())
        self.url, self.operate = told["listening"], told["operate"]

    def ask(self, host, path, body=None, url=None):
        """ask returns status and JSON of an answer for a host name that leads here."""
        context = ssl._create_unverified_context()
        request = urllib.request.Request((url or self.url) + path, data=body, headers={"Host": host})
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def certs(self, host):
        return self.ask(host, "/certs")[1]["keys"]

    def metadata(self, host):
        return self.ask(host, "/.well-known/openid-configuration")[1]

    def metrics(self):
        with urllib.request.urlopen(self.operate + "/metrics", timeout=30) as answer:
            return answer.read().decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.process.stdout.close()


class Providers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-providers-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab = cls.work / "lab"
        made = run("vm", "create", "alice", "--dir", cls.lab)
        assert made.returncode == 0, made.stderr
        cls.files = []
        for name, text in (
                ("contoso.toml", f'issuer = "https://{CONTOSO}"\nchallenge-lifetime = 17\n'),
                ("fabrikam.toml", f'issuer = "https://{FABRIKAM}"\nsigning-algorithm = "ES256"\n')):
            (cls.work / name).write_text(text)
            cls.files += ["--provider", cls.work / name]

    def serve(self, *options):
        return Serving("--dir", self.lab, *self.files, *options)

    def test_each_provider_answers_to_its_own_name_with_its_own_keys(self):
        with self.serve() as serving:
            seen = {}
            for host in (CONTOSO, FABRIKAM, CONTOSO.upper() + ".:443"):
                metadata = serving.metadata(host)
                seen[host] = (metadata["issuer"], metadata["id_token_signing_alg_values_supported"])
            self.assertEqual(seen[CONTOSO], (f"https://{CONTOSO}", ["RS256"]))
            self.assertEqual(seen[FABRIKAM], (f"https://{FABRIKAM}", ["ES256"]))
            self.assertEqual(seen[CONTOSO.upper() + ".:443"], seen[CONTOSO])
            self.assertEqual(serving.certs(CONTOSO)[0]["kty"], "RSA")
            self.assertEqual((serving.certs(FABRIKAM)[0]["kty"], serving.certs(FABRIKAM)[0]["crv"]), ("EC", "P-256"))

            for host in ("localhost", "127.0.0.1", "other.weu.attest.example.org"):
                status, answer = serving.ask(host, "/certs")
                self.assertEqual((status, answer["error"]["code"]), (421, "ProviderNotFound"))
                self.assertIn(host, answer["error"]["message"])

            attest = "/attest/SevSnpVm?api-version=2020-10-01"
            self.assertEqual(serving.ask(FABRIKAM, attest, b"{}")[0], 400)
            self.assertEqual(serving.ask("localhost", attest, b"{}")[0], 421)
            metrics = serving.metrics()
            self.assertIn(f'vouchsafe_provider_attestations_total{{provider="{FABRIKAM}",verdict="refused"}} 1', metrics)
            self.assertNotIn("localhost", metrics)
            _, ready = serving.ask("", "/readyz", url=serving.operate)
            self.assertEqual(ready["status"], "ok")
            self.assertEqual(ready["checks"], ["store_writable"] + [
                f"{check}:{host}" for host in (CONTOSO, FABRIKAM) for check in ("signing_key", "policies")])

    def test_tls_names_every_provider(self):
        with self.serve() as serving:
            port = int(serving.url.rsplit(":", 1)[1])
            context = ssl.create_default_context(cafile=self.lab / "root/tls-ca.pem")
            for host in (CONTOSO, FABRIKAM):
                with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
                    with context.wrap_socket(plain, server_hostname=host) as tls:
                        self.assertIsNotNone(tls.getpeercert())

    def test_a_running_service_signs_with_the_new_key_and_still_publishes_the_old_one(self):
        def kids(serving, host):  # the first is the one that signs
            return [key["kid"] for key in serving.certs(host)]

        with self.serve() as serving:
            issuer = f"https://{FABRIKAM}"
            others = kids(serving, CONTOSO)
            before = kids(serving, FABRIKAM)
            unnamed = run("admin", "rotate-key", "--dir", self.lab)
            self.assertEqual(unnamed.returncode, 2)
            self.assertIn(issuer, unnamed.stderr)

            announced = run("--json", "admin", "rotate-key", "--dir", self.lab, "--issuer", issuer)
            self.assertEqual(announced.returncode, 0, announced.stderr)
            keys = json.loads(announced.stdout)["keys"]
            self.assertEqual([key["state"] for key in keys][-2:], ["signs", "announced"])
            new = keys[-1]["kid"]
            self.assertEqual(kids(serving, FABRIKAM)[0], before[0])
            self.assertIn(new, kids(serving, FABRIKAM))
            twice = run("admin", "rotate-key", "--dir", self.lab, "--issuer", issuer)
            self.assertNotEqual(twice.returncode, 0)
            self.assertIn("announced already", twice.stderr)

            now = run("admin", "rotate-key", "--now", "--dir", self.lab, "--issuer", issuer)
            self.assertEqual(now.returncode, 0, now.stderr)
            self.assertEqual(kids(serving, FABRIKAM)[0], new)
            self.assertIn(before[0], kids(serving, FABRIKAM))

            gone = run("admin", "rotate-key", "--compromised", "--dir", self.lab, "--issuer", issuer)
            self.assertEqual(gone.returncode, 0, gone.stderr)
            after = kids(serving, FABRIKAM)
            self.assertEqual(len(after), 1)
            self.assertNotIn(after[0], (before[0], new))
            self.assertEqual(kids(serving, CONTOSO), others)
            for key in serving.certs(FABRIKAM):
                self.assertEqual(len(base64.b64decode(key["kid"])), 32)

        shown = run("--json", "admin", "signing-keys", "--dir", self.lab, "--issuer", issuer)
        self.assertEqual([key["kid"] for key in json.loads(shown.stdout)["keys"]], after)
        log = run("--json", "audit", "show", "--service", "attestation", "--dir", self.lab)
        acts = [json.loads(line) for line in log.stdout.splitlines()]
        acts = [(act["action"], act["actor"], act["resource"]) for act in acts if act["action"].startswith("signing-keys")]
        self.assertEqual(acts[-3:], [("signing-keys/rotate", "operator", issuer)] * 2 +
                         [("signing-keys/withdraw", "operator", issuer)])

    def test_bad_provider_files_are_named(self):
        bad = self.work / "bad.toml"

        def refused(text, *options):
            bad.write_text(text)
            made = run("serve", "attestation", "--dir", self.lab, "--provider", bad, *options)
            self.assertEqual(made.returncode, 2, made.stderr)
            return made.stderr

        self.assertIn("bad.toml", refused("challenge-lifetime = 17\n"))
        self.assertIn("issuer", refused("challenge-lifetime = 17\n"))
        self.assertIn("--nothing", refused('issuer = "https://a.example"\nnothing = 3\n'))
        self.assertIn("listen", refused('issuer = "https://a.example"\nlisten = "127.0.0.1:0"\n'))
        self.assertIn("bad.toml", refused('issuer = "https://a.example"\nsigning-algorithm = "HS256"\n'))
        self.assertIn("section", refused("[provider]\nissuer = \"https://a.example\"\n"))
        self.assertIn("2 days", refused('issuer = "https://a.example"\nrotate-signing-key-after = 1\n'))
        self.assertIn("host name", refused('issuer = "https://Attestation:8443"\n'))
        self.assertIn("host name", refused(f'issuer = "https://{CONTOSO}:8443"\n', "--issuer", f"https://{CONTOSO}"))
        self.assertIn("missing.toml", run("serve", "attestation", "--dir", self.lab, "--provider",
                                          self.work / "missing.toml").stderr)

    def test_roles_given_to_the_provider_of_the_options_stay_with_its_issuer(self):
        lab = self.work / "moved"
        for make in (("vm", "create", "m"), ("admin", "create-app", "bob", "--secret-out", self.work / "bob.secret")):
            made = run(*make, "--dir", lab)
            self.assertEqual(made.returncode, 0, made.stderr)
        old, new = "https://old.attest.example.org", "https://new.attest.example.org"
        # As long as nobody has a role there is nothing to stay.
        for issuer, host in ((new, "new.attest.example.org"), (old, "old.attest.example.org")):
            with Serving("--dir", lab, "--issuer", issuer) as serving:
                self.assertEqual(serving.metadata(host)["issuer"], issuer)
        given = run("admin", "assign-role", "Attestation Contributor", "bob", "--dir", lab, "--attestation")
        self.assertEqual(given.returncode, 0, given.stderr)
        refused = run("serve", "attestation", "--dir", lab, "--issuer", new)
        self.assertEqual(refused.returncode, 1, refused.stderr)
        for said in (old, new, "--provider"):
            self.assertIn(said, refused.stderr)
        (self.work / "new.toml").write_text(f'issuer = "{new}"\n')
        with Serving("--dir", lab, "--issuer", old, "--provider", self.work / "new.toml") as serving:
            self.assertEqual(serving.metadata("new.attest.example.org")["issuer"], new)

    def test_a_certificate_that_lacks_a_provider_is_refused(self):
        key, cert = self.work / "tls.key", self.work / "tls.pem"

        def start(names):
            made = subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", key, "-out", cert, "-days", "1", "-subj", "/CN=x", "-addext", f"subjectAltName={names}"],
                capture_output=True, text=True)
            self.assertEqual(made.returncode, 0, made.stderr)
            return ["--tls-cert", cert, "--tls-key", key]

        lacking = run("serve", "attestation", "--dir", self.lab, *self.files, *start(f"DNS:{CONTOSO}"))
        self.assertEqual(lacking.returncode, 2)
        self.assertIn(FABRIKAM, lacking.stderr)
        with self.serve(*start("DNS:*.weu.attest.example.org,DNS:*.neu.attest.example.org")) as serving:
            self.assertEqual(serving.metadata(CONTOSO)["issuer"], f"https://{CONTOSO}")


if __name__ == "__main__":
    unittest.main()
