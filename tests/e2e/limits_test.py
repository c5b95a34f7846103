"""Limits, new certificates without a restart, and operators' client certificates, with real sockets."""

import contextlib
import datetime
import http.client
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PROGRAM = os.environ["VOUCHSAFE"]
HOST = "ops-vault.vault.azure.net"
KEYS = "/keys?api-version=7.4"
OPERATOR = "aaaaaaaa-0000-4000-8000-000000000001"


class Authority:
    def __init__(self, name):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self.build(name, name, self.key.public_key(), ca=True)

    def build(self, subject, issuer, public, ca=False, names=(), usage=None, days=1):
        now = datetime.datetime.utcnow()
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(public).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=2)).not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), True)
        )
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), False)
        if usage:
            made = made.add_extension(x509.ExtendedKeyUsage([usage]), False)
        return made.sign(self.key, hashes.SHA256())

    def issue(self, folder, name, names=(), usage=ExtendedKeyUsageOID.SERVER_AUTH, days=1, with_root=False):
        """issue writes FOLDER/NAME.pem and .key; an RSA key, for a vault signs releases with it too."""
        key = rsa.generate_private_key(65537, 2048)
        issuer = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        made = self.build(name, issuer, key.public_key(), names=names, usage=usage, days=days)
        chain = [made, self.certificate] if with_root else [made]
        pem = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
        (folder / f"{name}.pem").write_bytes(pem)
        (folder / f"{name}.key").write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return folder / f"{name}.pem", folder / f"{name}.key"

    def write(self, file):
        file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return file


class Serving:
    def __init__(self, service, folder, *options):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [PROGRAM, "--json", "--verbose", "serve", service, "--dir", folder, "--operate", "127.0.0.1:0",
             *map(str, options)], stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.log.seek(0)
            raise AssertionError(self.log.read())
        told = json.loads(line)
        self.port, self.operate = int(told["listening"].rsplit(":", 1)[1]), told["operate"]

    def connect(self, certificate=None):
        context = ssl._create_unverified_context()
        if certificate:
            context.load_cert_chain(*certificate)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)

    def ask(self, connection, path=KEYS, method="GET", body=None, **headers):
        connection.request(method, path, body=body, headers={"Host": HOST, **headers})
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, answer.headers, json.loads(text) if text else None

    def once(self, certificate=None, **asked):
        with contextlib.closing(self.connect(certificate)) as connection:
            return self.ask(connection, **asked)

    def shown(self):
        """shown is the certificate that a new connection gets."""
        return ssl.get_server_certificate(("127.0.0.1", self.port)).strip()

    def metric(self, name):
        with urllib.request.urlopen(self.operate + "/metrics", timeout=30) as answer:
            found = re.search("^" + re.escape(name) + " (.*)$", answer.read().decode(), re.MULTILINE)
        return float(found.group(1)) if found else None

    def logged(self, word):
        self.log.seek(0)
        whole = [line for line in self.log if line.endswith("\n")]  # the last may still be being written
        return [one for one in map(json.loads, whole) if word in one["message"]]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(30) == 0
        finally:
            self.process.kill()
            self.process.stdout.close()
            self.log.close()


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


class Limits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-limits-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab = cls.work / "lab"
        cls.ok("vm", "create", "m", "--dir", cls.lab)
        cls.ok("admin", "create-vault", "ops-vault", "--dir", cls.lab)
        cls.ok("admin", "assign-role", "Key Vault Crypto Officer", OPERATOR, "--vault", "ops-vault", "--dir", cls.lab)
        cls.authority = Authority("Operators")
        cls.client_ca = cls.authority.write(cls.work / "client-ca.pem")
        usage = ExtendedKeyUsageOID.CLIENT_AUTH
        cls.ops = cls.authority.issue(cls.work, "ops", [x509.UniformResourceIdentifier("spiffe://example.org/ops")],
                                      usage)
        cls.other = cls.authority.issue(cls.work, "other", [x509.DNSName("other.example.org")], usage)
        cls.certificates = ["--client-ca", cls.client_ca, "--operator-certificate",
                            f"{OPERATOR}=uri:spiffe://example.org/ops"]

    @classmethod
    def ok(cls, *arguments):
        done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)

    def test_strangers_are_told_to_wait_and_callers_are_served(self):
        with Serving("vault", self.lab, *self.certificates, "--address-rate", 1) as vault:
            with contextlib.closing(vault.connect()) as stranger:
                answers = [vault.ask(stranger) for _ in range(30)]
            self.assertEqual({answer[0] for answer in answers}, {401, 429})
            status, headers, body = answers[-1]
            self.assertEqual(status, 429)
            self.assertGreaterEqual(int(headers["Retry-After"]), 1)
            self.assertEqual(body["error"]["code"], "Throttled")
            self.assertTrue(headers["x-ms-request-id"])
            with contextlib.closing(vault.connect(self.ops)) as caller:
                self.assertEqual({vault.ask(caller)[0] for _ in range(50)}, {200})
            self.assertGreater(vault.metric('vouchsafe_throttled_requests_total{scope="address"}'), 5)
            self.assertIsNone(vault.metric('vouchsafe_throttled_requests_total{scope="principal"}'))

    def test_a_caller_and_a_vault_have_limits_of_their_own(self):
        for option, scope in (("--principal-rate", "principal"), ("--vault-rate", "service")):
            with Serving("vault", self.lab, *self.certificates, option, 1) as vault:
                with contextlib.closing(vault.connect(self.ops)) as caller:
                    statuses = [vault.ask(caller)[0] for _ in range(30)]
                self.assertEqual(statuses[:10], [200] * 10)
                self.assertIn(429, statuses)
                self.assertEqual(vault.once()[0], 401)
                self.assertGreater(vault.metric(f'vouchsafe_throttled_requests_total{{scope="{scope}"}}'), 0)

    def test_the_attestation_service_has_limits_too(self):
        with Serving("attestation", self.lab, "--address-rate", 1) as service:
            path = "/attest/AzureGuest?api-version=2020-10-01"
            with contextlib.closing(service.connect()) as stranger:
                answers = [service.ask(stranger, path, "POST", "{}") for _ in range(30)]
            self.assertEqual({answer[0] for answer in answers}, {400, 429})
            self.assertEqual(answers[-1][2]["error"]["code"], "Throttled")
            self.assertGreaterEqual(int(answers[-1][1]["Retry-After"]), 1)

    def test_a_client_certificate_stands_for_its_principal_where_it_is_optional(self):
        with Serving("vault", self.lab, *self.certificates) as vault:
            self.assertEqual(vault.once(self.ops)[0], 200)
            self.assertEqual(vault.once(self.other)[0], 401)
            self.assertEqual(vault.once()[0], 401)
            status, headers, _ = vault.once(self.ops, Authorization="Bearer rubbish")
            self.assertEqual((status, headers["x-vouchsafe-check"]), (401, "TOKEN-FORMAT"))
            foreign = Authority("Operators").issue(self.work, "foreign", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
            ended = self.authority.issue(self.work, "ended", usage=ExtendedKeyUsageOID.CLIENT_AUTH, days=-1)
            server = self.authority.issue(self.work, "server")
            for certificate in (foreign, ended, server):
                with self.assertRaises((ssl.SSLError, OSError, http.client.HTTPException)):
                    vault.once(certificate)

    def test_an_operator_gets_a_role_while_the_attestation_service_runs(self):
        with Serving("attestation", self.lab, *self.certificates) as service:
            path = "/policies/AzureGuest?api-version=2020-10-01"
            with contextlib.closing(service.connect(self.ops)) as caller:
                self.assertEqual(service.ask(caller, path)[0], 401)
                self.ok("admin", "assign-role", "Attestation Reader", OPERATOR, "--attestation", "--dir", self.lab)
                self.assertEqual(service.ask(caller, path)[0], 200)

    def test_where_a_certificate_is_demanded_nobody_comes_without(self):
        with Serving("vault", self.lab, *self.certificates, "--client-certificates", "required") as vault:
            self.assertEqual(vault.once(self.ops)[0], 200)
            self.assertEqual(vault.once(self.other)[0], 401)
            with self.assertRaises((ssl.SSLError, OSError, http.client.HTTPException)):
                vault.once()

    def test_client_certificates_without_an_authority_are_refused_at_the_start(self):
        for options in (self.certificates[2:], ["--client-certificates", "required"],
                        ["--client-crl", self.client_ca], [*self.certificates, "--client-crl", self.client_ca],
                        ["--client-ca", self.client_ca, "--operator-certificate", "ops=dns:a"]):
            done = subprocess.run([PROGRAM, "serve", "vault", "--dir", self.lab, *map(str, options)],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, done.stderr)

    def test_a_new_tls_certificate_is_taken_up_without_a_restart(self):
        authority = Authority("Servers")
        names = [x509.DNSName(HOST)]
        new = [[file.read_bytes() for file in authority.issue(self.work, f"tls{i}", names, with_root=True)]
               for i in range(3)]
        cert, key = self.work / "live.pem", self.work / "live.key"

        def put(certificate, private):
            for file, data in ((key, private), (cert, certificate)):
                fresh = file.with_suffix(".new")
                fresh.write_bytes(data)
                fresh.rename(file)

        def leaf(data):
            return data.decode().split("-----END CERTIFICATE-----")[0].strip() + "\n-----END CERTIFICATE-----"

        put(*new[0])
        with Serving("vault", self.lab, "--tls-cert", cert, "--tls-key", key, *self.certificates) as vault:
            self.assertEqual(vault.shown(), leaf(new[0][0]))
            with contextlib.closing(vault.connect(self.ops)) as lasting:
                self.assertEqual(vault.ask(lasting)[0], 200)
                put(*new[1])
                vault.process.send_signal(signal.SIGHUP)
                wait_for(lambda: vault.shown() == leaf(new[1][0]))
                self.assertEqual(vault.ask(lasting)[0], 200)

                put(new[2][0], new[1][1])  # a key of another certificate
                vault.process.send_signal(signal.SIGHUP)
                wait_for(lambda: vault.logged("is no good"))
                self.assertIn("does not belong", vault.logged("is no good")[0]["problem"])
                self.assertEqual(vault.shown(), leaf(new[1][0]))
                cert.write_text("rubbish")
                vault.process.send_signal(signal.SIGHUP)
                wait_for(lambda: len(vault.logged("is no good")) == 2)
                ended = [file.read_bytes() for file in authority.issue(self.work, "ended-tls", names, days=-1)]
                put(*ended)
                vault.process.send_signal(signal.SIGHUP)
                wait_for(lambda: len(vault.logged("is no good")) >= 3)
                self.assertEqual(vault.shown(), leaf(new[1][0]))

                put(*new[2])  # no signal: the files are looked at
                wait_for(lambda: vault.shown() == leaf(new[2][0]))
                self.assertEqual(vault.ask(lasting)[0], 200)
            self.assertEqual(vault.once(self.ops)[0], 200)
            self.assertGreaterEqual(vault.metric('vouchsafe_tls_reloads_total{outcome="done"}'), 2)
            self.assertGreaterEqual(vault.metric('vouchsafe_tls_reloads_total{outcome="failed"}'), 3)

    def revocations(self, authority, *revoked, days=1):
        now = datetime.datetime.utcnow()
        made = (x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject)
                .last_update(now - datetime.timedelta(days=2)).next_update(now + datetime.timedelta(days=days)))
        for file in revoked:
            serial = x509.load_pem_x509_certificate(file.read_bytes()).serial_number
            made = made.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(serial)
                                                .revocation_date(now).build())
        return made.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def assert_no_answer(self, vault, certificate):
        with self.assertRaises((ssl.SSLError, OSError, http.client.HTTPException)):
            vault.once(certificate)

    def test_a_revoked_certificate_is_refused_from_the_new_list_on(self):
        crl, fresh = self.work / "clients.crl", self.work / "clients.crl.new"

        def put(data):
            fresh.write_bytes(data)
            fresh.rename(crl)

        put(self.revocations(self.authority, self.other[0]))
        with Serving("vault", self.lab, *self.certificates, "--client-crl", crl) as vault:
            self.assert_no_answer(vault, self.other)
            with contextlib.closing(vault.connect(self.ops)) as lasting, \
                    contextlib.closing(vault.connect()) as stranger:
                self.assertEqual(vault.ask(lasting)[0], 200)
                self.assertEqual(vault.ask(stranger)[0], 401)
                kept = stranger.sock
                put(b"rubbish")
                vault.process.send_signal(signal.SIGHUP)
                wait_for(lambda: vault.logged("is no good"))
                self.assertIn("clients.crl", vault.logged("is no good")[0]["problem"])
                vault.process.send_signal(signal.SIGHUP)  # nothing new ends no connection
                self.assertEqual(vault.ask(lasting)[0], 200)
                put(self.revocations(self.authority, self.ops[0]))  # no signal: the file is looked at
                wait_for(lambda: vault.logged("read now"))
                with self.assertRaises((ssl.SSLError, OSError, http.client.HTTPException)):
                    lasting.auto_open = 0
                    vault.ask(lasting)
                self.assertEqual(vault.ask(stranger)[0], 401)
                self.assertIs(stranger.sock, kept)  # who showed none goes on
            self.assert_no_answer(vault, self.ops)
            self.assertEqual(vault.once(self.other)[0], 401)  # a genuine certificate of nobody
            put(self.revocations(self.authority, days=-1))
            vault.process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(vault.logged("read now")) == 2)
            self.assert_no_answer(vault, self.ops)  # an old list says nothing of now
            self.assertEqual(vault.once()[0], 401)

    def test_another_client_authority_is_taken_up_without_a_restart(self):
        file = self.work / "changing-ca.pem"
        file.write_bytes(self.client_ca.read_bytes())
        other = Authority("Other operators")
        theirs = other.issue(self.work, "theirs", [x509.UniformResourceIdentifier("spiffe://example.org/ops")],
                             ExtendedKeyUsageOID.CLIENT_AUTH)
        with Serving("vault", self.lab, "--client-ca", file, *self.certificates[2:]) as vault:
            self.assertEqual(vault.once(self.ops)[0], 200)
            self.assert_no_answer(vault, theirs)
            file.write_bytes(b"")
            vault.process.send_signal(signal.SIGHUP)
            wait_for(lambda: vault.logged("is no good"))
            self.assertEqual(vault.once(self.ops)[0], 200)
            other.write(file)
            vault.process.send_signal(signal.SIGHUP)
            wait_for(lambda: vault.logged("read now"))
            self.assertEqual(vault.once(theirs)[0], 200)
            self.assert_no_answer(vault, self.ops)


if __name__ == "__main__":
    unittest.main()
