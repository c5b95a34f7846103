"""The vault is sent what Azure's clients sent, header for header, and answers in the same form. Where it does not, the
difference stands in DIFFERENCES with its reason."""

import base64
import json
import pathlib
import unittest

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import replaying
from serving import Serving

RECORDED = pathlib.Path(__file__).resolve().parent.parent / "vectors/recordings"
VAULT = "myconfkv-1"
HOST = f"{VAULT}.vault.azure.net"
UNSIGNED = "eyJhbGciOiJub25lIn0.e30."  # what was recorded as attestation token
DATA_KEY = bytes([7]) * 32
PADDINGS = {
    "RSA1_5": padding.PKCS1v15(),
    "RSA-OAEP": padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),
    "RSA-OAEP-256": padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None),
}
# (file, step): what is answered instead of what was recorded, and why.
DIFFERENCES = {
    ("js-keyvault", 17): (200, "the stand-in knew no deleted keys; the client polls until this answer, as on Azure"),
}
# Members that the stand-in's answers have and ours do not: what is empty is left out. The clients read both alike.
NOT_OURS = {"tags: {}, not None", "contentType: NoneType, not None"}


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def number(text):
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def shape_of(value):
    if isinstance(value, dict):
        return {name: shape_of(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape_of(value[0])] if value else []
    return type(value).__name__


def lacking(recorded, found, path=""):
    """lacking lists what is in the recorded shape and not, or of another type, in the found one."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        return [what for name, member in recorded.items()
                for what in lacking(member, found.get(name), f"{path}.{name}".strip("."))]
    if isinstance(recorded, list) and isinstance(found, list) and recorded and found:
        return lacking(recorded[0], found[0], path + "[]")
    return [] if recorded == found else [f"{path}: {recorded}, not {found}"]


class RecordedRequests(unittest.TestCase):
    PROVES = "vault"

    @classmethod
    def setUpClass(cls):
        cls.serving = Serving(cls)
        cls.serving.start_vault(cls, "Key Vault Administrator", name=VAULT)
        cls.access_token = cls.serving.access_token("https://vault.azure.net")[0]
        cls.attestation_token = cls.serving.attestation_token()

    def setUp(self):
        self.key = None  # as its creation was answered
        self.wrapped = None

    @staticmethod
    def steps(name):
        return [json.loads(line) for line in (RECORDED / f"{name}.jsonl").read_text().splitlines()]

    def send(self, method, path, query, headers, body):
        return replaying.send(HOST, self.serving.vault.port, self.serving.ca, method, path, query, headers, body)

    def filled(self, request):
        """filled puts this run's values where the recording had those of its own."""
        def sealed(alg):
            public = rsa.RSAPublicNumbers(number(self.key["e"]), number(self.key["n"])).public_key()
            return base64url(public.encrypt(DATA_KEY, PADDINGS[alg]))

        body = request["body"].replace("<attestation-token>", self.attestation_token)
        for alg in PADDINGS:
            if f"<sealed with {alg}>" in body:
                body = body.replace(f"<sealed with {alg}>", sealed(alg))
        if self.wrapped:
            body = body.replace("<wrapped>", self.wrapped)
        path = request["path"]
        if self.key:
            path = path.replace("<version>", self.key["kid"].rsplit("/", 1)[1])
        headers = {name: value.replace("<access-token>", self.access_token)
                   for name, value in request["headers"].items()}
        if "Content-Length" in headers:
            headers["Content-Length"] = len(body.encode())
        return {**request, "path": path, "headers": headers, "body": body}

    def replay(self, step):
        answer, body = self.send(**self.filled(step["request"]))
        if answer.status == 200 and step["request"]["path"].endswith("/create"):
            self.key = body["key"]
        if answer.status == 200 and step["request"]["path"].endswith("/wrapkey"):
            self.wrapped = body["value"]
        return answer, body

    def check(self, step, answer, body):
        recorded = step["answer"]
        self.assertEqual(answer.status, recorded["status"], body)
        for name, value in recorded["headers"].items():
            self.assertEqual(answer.headers[name], value.replace("<tenant>", self.serving.app["tenant"]), name)
        self.assertLessEqual(set(lacking(recorded["body"], shape_of(body))), NOT_OURS)
        if "code" in recorded:
            self.assertEqual(body["error"]["code"], recorded["code"])
        for name, value in recorded.get("values", {}).items():
            self.assertEqual(body[name], value, name)
        self.assertRegex(answer.headers["x-ms-request-id"], "^[0-9a-f-]{36}$")

    def play(self, name):
        for step in self.steps(name):
            with self.subTest(recording=name, step=step["step"], path=step["request"]["path"]):
                answer, body = self.replay(step)
                if (name, step["step"]) in DIFFERENCES:
                    self.assertEqual(answer.status, DIFFERENCES[name, step["step"]][0], body)
                    continue
                self.check(step, answer, body)

    def test_the_javascript_clients_for_keys_and_secrets(self):
        self.play("js-keyvault")

    def test_the_python_client_for_secrets(self):
        self.play("python-keyvault-secrets")

    def test_what_the_javascript_client_was_refused(self):
        create = next(step["request"] for step in self.steps("js-keyvault") if step["step"] == 3)
        create = {**create, "path": "/keys/KeyEncryptionKey/create"}
        self.assertEqual(self.send(**self.filled(create))[0].status, 200)
        good, self.attestation_token = self.attestation_token, UNSIGNED
        self.addCleanup(setattr, self, "attestation_token", good)
        self.play("js-keyvault-errors")

    def test_the_release_that_was_recorded_is_refused_with_its_unsigned_token(self):
        """The stand-in believed every token."""
        for step in self.steps("js-keyvault"):
            if step["step"] == 3:
                create = {**step["request"], "path": "/keys/believes-nobody/create"}
                self.assertEqual(self.send(**self.filled(create))[0].status, 200)
            if step["step"] == 11:
                release = {**step["request"], "path": "/keys/believes-nobody/release"}
                release["body"] = release["body"].replace("<attestation-token>", UNSIGNED)
                answer, body = self.send(**self.filled(release))
                self.assertEqual((answer.status, body["error"]["code"]), (403, "Forbidden"))

    def test_none_of_them_is_answered_without_its_token(self):
        for name in ("js-keyvault", "js-keyvault-errors", "python-keyvault-secrets"):
            for step in self.steps(name):
                headers = {key: value for key, value in step["request"]["headers"].items()
                           if key.lower() != "authorization"}
                if "<" in step["request"]["path"] or len(headers) == len(step["request"]["headers"]):
                    continue
                with self.subTest(recording=name, step=step["step"]):
                    answer, body = self.send(**self.filled({**step["request"], "headers": headers,
                                                            "body": ""}))
                    self.assertEqual((answer.status, body["error"]["code"]), (401, "Unauthorized"))
                    self.assertIn("WWW-Authenticate", answer.headers)


if __name__ == "__main__":
    unittest.main()
