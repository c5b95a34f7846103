"""What operators see of a service: health, readiness, metrics, the log, and a stop that loses nothing."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

PROGRAM = os.environ["VOUCHSAFE"]
REFUSED = 'vouchsafe_attestations_total{type="AzureGuest",verdict="refused",code="ATTEST-REQUEST"}'
ATTEST = "/attest/AzureGuest?api-version=2020-10-01"
SAMPLE = re.compile(
    r'^([a-z_]+(?:\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+\})?) (NaN|[+-]Inf|[-+.e0-9]+)$', re.MULTILINE
)


def ask(url, body=None):
    """ask returns status, headers and text of an answer. The lab's own certificates are not the point here."""
    context = ssl._create_unverified_context() if url.startswith("https") else None
    request = urllib.request.Request(url, data=body)
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


class Serving:
    """Serving is one service with its operators' listener."""

    def __init__(self, service, folder, *options):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [PROGRAM, "--json", "--verbose", "serve", service, "--dir", folder, "--operate", "127.0.0.1:0",
             *options],
            stdout=subprocess.PIPE, stderr=self.log, text=True,
        )
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.log.seek(0)
            raise AssertionError(self.log.read())
        told = json.loads(line)
        self.url, self.operate = told["listening"], told["operate"]

    def health(self, path):
        status, _, text = ask(self.operate + path)
        return status, json.loads(text)

    def metrics(self):
        status, headers, text = ask(self.operate + "/metrics")
        assert status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        samples = dict(SAMPLE.findall(text))
        lines = [line for line in text.splitlines() if not line.startswith(("# HELP ", "# TYPE "))]
        assert len(lines) == len(samples), "every line is a sample, and none is there twice"
        return samples

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def logged(self):
        self.log.seek(0)
        return [json.loads(line) for line in self.log]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def refuses_connections(url):
    try:
        ask(url)
    except OSError:
        return True
    return False


class Operate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-operate-")
        cls.addClassCleanup(folder.cleanup)
        cls.lab = pathlib.Path(folder.name) / "lab"
        made = subprocess.run([PROGRAM, "vm", "create", "alice", "--dir", cls.lab], capture_output=True, text=True)
        assert made.returncode == 0, made.stderr

    def store(self, lab=None):
        path = (lab or self.lab) / "attestation/store.db"
        return contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=20))

    def test_a_settings_file_says_what_options_say(self):
        with tempfile.TemporaryDirectory(prefix="vs-settings-") as work:
            settings = pathlib.Path(work) / "attestation.toml"
            settings.write_text('# a comment\nissuer = "https://attest.example.org"\nchallenge-lifetime = 17\n')

            def challenge_ends_in(*options):
                with Serving("attestation", self.lab, "--config", settings, *options) as serving:
                    _, _, text = ask(serving.url + "/.well-known/openid-configuration")
                    self.assertEqual(json.loads(text)["issuer"], "https://attest.example.org")
                    _, _, text = ask(serving.url + "/challenge", b"")
                    return json.loads(text)["expires"] - time.time()

            self.assertTrue(10 < challenge_ends_in() <= 17)
            self.assertTrue(990 < challenge_ends_in("--challenge-lifetime", "1000") <= 1000)

            def refused(text):
                settings.write_text(text)
                made = subprocess.run([PROGRAM, "serve", "attestation", "--dir", self.lab, "--config", settings],
                                      capture_output=True, text=True, timeout=30)
                self.assertEqual(made.returncode, 2)
                return made.stderr

            self.assertIn("kds-url", refused('kds-url = ""\npolicy-changes = "signers"\n'))
            self.assertIn("token-lifetime", refused("token-lifetime = true\n"))
            self.assertIn("--nothing", refused("nothing = 3\n"))
            self.assertIn("section", refused("[serve]\nissuer = \"x\"\n"))
            self.assertIn("max-connections", refused("max-connections = 0\n"))
            self.assertIn("lifetimes", refused("challenge-lifetime = 0\n"))
            self.assertIn("challenge-lifetime", refused("challenge-lifetime = soon\n"))
            self.assertIn("policy-changes", refused('policy-changes = "anybody"\n'))

    def test_the_longest_request_is_the_settings(self):
        def refused_for(size, *options):
            with Serving("attestation", self.lab, *options) as serving:
                status, headers, _ = ask(serving.url + ATTEST, json.dumps({"AttestationInfo": "a" * size}).encode())
                return status, headers["x-vouchsafe-check"]

        self.assertEqual(refused_for(1_500_000), (413, "HTTP-REQUEST"))
        self.assertEqual(refused_for(1_500_000, "--max-body", "2000000"), (400, "ATTEST-REQUEST"))
        self.assertEqual(refused_for(2_500_000, "--max-body", "2000000"), (413, "HTTP-REQUEST"))

    def test_every_service_lives_is_ready_and_counts(self):
        for service in ("attestation", "vault", "identity"):
            with self.subTest(service), Serving(service, self.lab) as serving:
                self.assertEqual(serving.health("/healthz"),
                                 (200, {"service": service, "status": "ok", "checks": ["store_readable"], "failed": []}))
                status, told = serving.health("/readyz")
                self.assertEqual((status, told["status"], told["checks"][0]), (200, "ok", "store_writable"))
                status, _, _ = ask(serving.url + "/no/such/path")
                self.assertEqual(status, 404)
                samples = serving.metrics()
                self.assertEqual(
                    samples['vouchsafe_http_requests_total{method="GET",route="none",status="4xx"}'], "1")
                self.assertGreater(float(samples["vouchsafe_tls_certificate_end_seconds"]), time.time())
                self.assertEqual(serving.stop(), 0)

    def test_the_public_listener_tells_operators_things_to_nobody(self):
        with Serving("attestation", self.lab) as serving:
            for path in ("/healthz", "/readyz", "/metrics"):
                self.assertEqual(ask(serving.url + path)[0], 404)
                self.assertEqual(ask(serving.operate + path, b"{}")[0], 413)
            self.assertEqual(ask(serving.operate + "/certs")[0], 404)

    def test_a_refusal_is_counted_under_its_code_and_logged_under_its_request_id(self):
        with Serving("attestation", self.lab) as serving:
            self.assertNotIn(REFUSED, serving.metrics())
            for count in ("1", "2"):
                status, headers, _ = ask(serving.url + ATTEST + "&x=query-secret", b'{"body-secret": 1}')
                self.assertEqual((status, headers["x-vouchsafe-check"]), (400, "ATTEST-REQUEST"))
                samples = serving.metrics()
                self.assertEqual(samples[REFUSED], count)
                self.assertEqual(samples['vouchsafe_attestation_duration_seconds_count{type="AzureGuest"}'], count)
            self.assertEqual(serving.stop(), 0)
            lines = [line for line in serving.logged() if line.get("request_id") == headers["x-ms-request-id"]]
            self.assertEqual(len(lines), 1)
            self.assertEqual(lines[0]["route"], "/attest/AzureGuest")
            self.assertEqual((lines[0]["status"], lines[0]["check"]), (400, "ATTEST-REQUEST"))
            self.assertNotIn("secret", json.dumps(serving.logged()))

    def test_a_store_that_cannot_be_read_is_named_and_comes_back(self):
        lab = self.lab.parent / "damaged"  # the store notices at the next start what is done to it here
        shutil.copytree(self.lab, lab)
        with Serving("attestation", lab) as serving, self.store(lab) as store:
            self.assertEqual(serving.health("/healthz")[0], 200)
            store.execute("ALTER TABLE keyed RENAME TO hidden")
            try:
                wait_for(lambda: serving.health("/healthz")[0] == 503)
                self.assertEqual(serving.health("/healthz")[1]["failed"], ["store_readable"])
                wait_for(lambda: serving.health("/readyz")[0] == 503)
                self.assertEqual(serving.health("/readyz")[1]["failed"], ["store_writable", "signing_key", "policies"])
            finally:
                store.execute("ALTER TABLE hidden RENAME TO keyed")
            wait_for(lambda: serving.health("/healthz")[0] == 200 and serving.health("/readyz")[0] == 200)
            self.assertEqual(serving.stop(), 0)
            changes = [line["message"] for line in serving.logged() if line.get("check") == "store_readable"]
            self.assertEqual(changes, ["a health check fails", "a health check holds again"])

    def test_checking_leaves_no_record(self):
        def records(store):
            return store.execute("SELECT (SELECT count(*) FROM keyed) + (SELECT count(*) FROM numbered)").fetchone()

        with Serving("attestation", self.lab) as serving, self.store() as store:
            before = records(store)
            self.assertEqual(serving.health("/readyz")[0], 200)
            self.assertEqual(records(store), before)

    def test_stopping_answers_what_was_asked_and_is_not_ready_meanwhile(self):
        answers = []
        with Serving("attestation", self.lab) as serving, self.store() as store:
            store.execute("BEGIN IMMEDIATE")  # the refusal cannot be recorded yet
            asking = threading.Thread(target=lambda: answers.append(ask(serving.url + ATTEST, b"{}")))
            asking.start()
            wait_for(lambda: serving.metrics()["vouchsafe_http_requests_in_flight"] == "1")
            serving.process.send_signal(signal.SIGTERM)
            wait_for(lambda: serving.health("/readyz") == (
                503, {"service": "attestation", "status": "stopping", "checks": [], "failed": []}))
            self.assertEqual(serving.health("/healthz")[0], 200)
            wait_for(lambda: refuses_connections(serving.url))
            self.assertEqual(answers, [])
            store.execute("ROLLBACK")
            asking.join()
            self.assertEqual(serving.process.wait(timeout=30), 0)
        self.assertEqual((answers[0][0], answers[0][1]["x-vouchsafe-check"]), (400, "ATTEST-REQUEST"))

    def test_a_taken_port_is_said(self):
        with Serving("attestation", self.lab) as serving:
            taken = serving.operate.removeprefix("http://")
            other = subprocess.run([PROGRAM, "serve", "vault", "--dir", self.lab, "--operate", taken],
                                   capture_output=True, text=True, timeout=60)
        self.assertEqual(other.returncode, 1)
        self.assertIn(f"{taken} is taken", other.stderr)


if __name__ == "__main__":
    unittest.main()
