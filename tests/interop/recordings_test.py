"""The attestation service is sent what Azure's client sent, header for header, and answers in the same form."""

import base64
import datetime
import json
import pathlib
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

import replaying
from serving import ATTESTATION, Serving

RECORDED = pathlib.Path(__file__).resolve().parent.parent / "vectors/recordings/js-attestation.jsonl"
# Members of the stand-in's answers that Azure's own do not have, and no client reads.
NOT_AZURES = {"revoked_jwks_uri"}


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def json_of(jws, index=1):
    return json.loads(decode(jws.strip('"').split(".")[index]))


class RecordedRequests(unittest.TestCase):
    PROVES = "attestation"
    PROVES_NOT = ("POST /certificates:remove",)  # refused once the recorded signer's certificate has ended

    @classmethod
    def setUpClass(cls):
        cls.serving = Serving(cls)
        cls.access_token = cls.serving.access_token()[0]
        cls.steps = [json.loads(line) for line in RECORDED.read_text().splitlines()]

    def send(self, method, path, query, headers, body):
        """send writes the request as it is given; returns the answer and its body."""
        headers = {name: str(value).replace("<access-token>", self.access_token) for name, value in headers.items()}
        return replaying.send(ATTESTATION, self.serving.attestation.port, self.serving.ca, method, path, query, headers,
                              body)

    def replay(self, step):
        return self.send(**step["request"])

    def claims_of(self, token):
        """claims_of verifies a token by the published certificate, as the client does."""
        answer, keys = self.send("GET", "/certs", "", {"Host": ATTESTATION}, "")
        self.assertEqual(answer.status, 200)
        signed, signature = token.rsplit(".", 1)
        key, = [key for key in keys["keys"] if key["kid"] == json_of(token, 0)["kid"]]
        certificate = x509.load_der_x509_certificate(base64.b64decode(key["x5c"][0]))
        certificate.public_key().verify(decode(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return json_of(token)

    def check_answer(self, step, answer, body):
        recorded = step["answer"]
        self.assertEqual(answer.status, recorded["status"], body)
        self.assertEqual(answer.headers["Content-Type"], recorded["content_type"])
        self.check_types(body, recorded["members"])
        for key in body["keys"] if "of_each_key" in recorded else []:
            self.assertLessEqual(set(recorded["of_each_key"]), set(key))
        if "claims" in recorded:
            claims = self.claims_of(body["token"])
            self.check_types(claims, recorded["claims"])
            for name, value in recorded.get("values", {}).items():
                self.assertEqual(claims[name], value, name)
            return claims
        return None

    def check_types(self, found, recorded):
        types = {name: type(found.get(name)).__name__ for name in recorded if name not in NOT_AZURES}
        self.assertEqual(types, {name: kind for name, kind in recorded.items() if name not in NOT_AZURES})

    def check_refusal(self, answer, body, *codes):
        self.assertEqual(answer.status, 400, body)
        self.assertEqual(answer.headers["Content-Type"], "application/json; charset=utf-8")
        self.assertIn(body["error"]["code"], codes)
        self.assertEqual(body["error"]["code"], answer.headers["x-ms-error-code"])
        self.assertIn(answer.headers["x-ms-request-id"], body["error"]["message"])
        self.assertEqual(body["error"]["innererror"]["code"], answer.headers["x-vouchsafe-check"])
        self.assertNotIn("token", body)

    def introduce_recorded_signer(self, certificate):
        """Another signer is introduced and vouches for the recorded one: the last signer cannot be removed."""
        key_pem, pem = self.serving.signer("before")
        key = serialization.load_pem_private_key(key_pem.encode(), None)
        own = x509.load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)
        for added in (own, certificate):
            x5c = [base64.b64encode(own).decode()]
            payload = {"policyCertificate": {"kty": "RSA", "x5c": [base64.b64encode(added).decode()]}}
            signed = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "RS256", "x5c": x5c}, payload))
            jws = signed + "." + base64url(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))
            headers = {"Host": ATTESTATION, "Authorization": "Bearer <access-token>",
                       "Content-Type": "application/json", "Content-Length": len(jws) + 2}
            answer, body = self.send("POST", "/certificates:add", "api-version=2020-10-01", headers, f'"{jws}"')
            self.assertEqual(answer.status, 200, body)

    def test_every_request_is_answered_as_the_client_needs_it(self):
        for step in self.steps:
            path = step["request"]["path"]
            with self.subTest(step=step["step"], path=path):
                if path in ("/attest/SgxEnclave", "/attest/OpenEnclave"):
                    self.check_refusal(*self.replay(step), "InvalidParameter")
                elif path == "/attest/Tpm":
                    self.check_tpm(step)
                elif path in ("/certificates:add", "/certificates:remove"):
                    self.check_change_of_signers(step)
                else:
                    self.check_answer(step, *self.replay(step))

    def check_tpm(self, step):
        """The recorded message has no evidence: it may begin a conversation, and never gets a token."""
        answer, body = self.replay(step)
        self.assertNotIn("token", body)
        if answer.status == 200:
            self.check_answer(step, answer, body)
        else:
            self.assertIn(answer.status, (400, 501))
            self.assertTrue(body["error"]["code"])
            self.assertTrue(answer.headers["x-ms-request-id"])

    def check_change_of_signers(self, step):
        signer = json_of(step["request"]["body"], 0)["x5c"][0]
        certificate = x509.load_der_x509_certificate(base64.b64decode(signer))
        if step["request"]["path"] == "/certificates:add":
            self.introduce_recorded_signer(certificate.public_bytes(serialization.Encoding.DER))
        answer, body = self.replay(step)
        if datetime.datetime.utcnow() > certificate.not_valid_after:
            self.check_refusal(answer, body, "InvalidOperation")
            self.assertEqual(answer.headers["x-vouchsafe-check"], "ATTEST-POLICY-SIGNER")
        else:
            self.check_answer(step, answer, body)

    def test_none_of_them_is_answered_without_its_token(self):
        for step in self.steps:
            headers = step["request"]["headers"]
            if "Authorization" not in headers or step["request"]["path"] == "/certs":
                continue
            for changed in ({}, {"Authorization": "Bearer " + self.access_token[:-8] + "AAAAAAAA"}):
                with self.subTest(step=step["step"], changed=bool(changed)):
                    bare = {name: value for name, value in headers.items() if name != "Authorization"} | changed
                    answer, body = self.send(**{**step["request"], "headers": bare})
                    self.assertEqual(answer.status, 401, body)
                    self.assertEqual(body["error"]["code"], "Unauthorized")
                    self.assertIn("WWW-Authenticate", answer.headers)


if __name__ == "__main__":
    unittest.main()
