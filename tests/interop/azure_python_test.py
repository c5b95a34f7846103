"""The attestation service against Azure's own Python client: azure-security-attestation of Debian's
python3-azure, its validation of tokens on."""

import base64
import hashlib
import json
import pathlib
import struct
import time
import unittest

from serving import ATTESTATION, Process, Serving, names_lead_here

try:
    from azure.core.credentials import AccessToken
    from azure.core.exceptions import HttpResponseError
    from azure.security.attestation import (
        AttestationAdministrationClient, AttestationClient, AttestationPolicyToken, AttestationType)
except ImportError as missing:
    raise unittest.SkipTest(f"Debian's python3-azure is not installed: {missing}") from missing

ISSUER = f"https://{ATTESTATION}"
PERMIT = "version= 1.0; authorizationrules { => permit(); }; issuancerules { };"
VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors"


class Credential:
    def __init__(self, serving):
        self.serving = serving

    def get_token(self, *scopes, **_):
        assert scopes == ("https://attest.azure.net/.default",), scopes
        token, seconds = self.serving.access_token()
        return AccessToken(token, int(time.time()) + seconds)


class AzuresPythonClient(unittest.TestCase):
    PROVES = "attestation"

    @classmethod
    def setUpClass(cls):
        cls.serving = Serving(cls)
        cls.enterClassContext(names_lead_here())

    def client(self, kind, port=None, ca=None, **more):
        seen = []  # by whom each token was signed: the proof that the client looked
        options = {"validate_token": True, "validate_signature": True, "validate_expiration": True,
                   "validate_not_before": True, "validate_issuer": True, "issuer": ISSUER,
                   "validation_callback": lambda token, signer: seen.append(signer),
                   "connection_verify": str(ca or self.serving.ca), "use_env_settings": False, "retry_total": 0}
        port = port or self.serving.attestation.port
        made = kind(f"{ISSUER}:{port}", Credential(self.serving), **options, **more)
        self.addCleanup(made.close)
        made.seen = seen
        return made

    def refused(self, call, *arguments, **more):
        """refused returns status and code of the answer to a call that must not succeed."""
        with self.assertRaises(HttpResponseError) as raised:
            call(*arguments, **more)
        answer = raised.exception.response
        self.assertRegex(answer.headers["x-ms-request-id"], "^[0-9a-f-]{36}$")
        return answer.status_code, raised.exception.error.code, json.loads(answer.text())["error"]

    def test_metadata_and_signers(self):
        client = self.client(AttestationClient)
        metadata = client.get_open_id_metadata()
        self.assertEqual(metadata["issuer"], ISSUER)
        self.assertEqual(metadata["jwks_uri"], ISSUER + "/certs")
        self.assertIn("x-ms-sgx-mrenclave", metadata["claims_supported"])
        signer, = client.get_signing_certificates()
        self.assertTrue(signer.certificates[0].startswith("-----BEGIN CERTIFICATE-----"))
        self.assertTrue(signer.key_id)

    def test_policies_are_set_by_role_read_and_reset(self):
        client = self.client(AttestationAdministrationClient)
        built_in, _ = client.get_policy(AttestationType.SGX_ENCLAVE)
        self.assertIn("authorizationrules", built_in)
        result, token = client.set_policy(AttestationType.SGX_ENCLAVE, PERMIT)
        self.assertEqual(result.policy_resolution, "Updated")
        self.assertIsNone(result.policy_signer)
        sent = AttestationPolicyToken(PERMIT).to_jwt_string()
        self.assertEqual(result.policy_token_hash, hashlib.sha256(sent.encode()).digest())
        self.assertEqual(token.algorithm, "RS256")
        self.assertEqual(client.get_policy(AttestationType.SGX_ENCLAVE)[0], PERMIT)
        for malformed in ("version= 1.0; authorizationrules { permit() };", "", "version= 1.0;"):
            self.assertEqual(self.refused(client.set_policy, AttestationType.SGX_ENCLAVE, malformed)[:2],
                             (400, "PolicyParsingError"), malformed)
        self.assertEqual(client.get_policy(AttestationType.SGX_ENCLAVE)[0], PERMIT)
        self.assertEqual(client.reset_policy(AttestationType.SGX_ENCLAVE)[0].policy_resolution, "Removed")
        self.assertEqual(client.get_policy(AttestationType.SGX_ENCLAVE)[0], built_in)
        self.assertTrue(client.seen and all(client.seen), "each of these tokens was signed, and verified")

    def test_signed_policies_name_their_signer(self):
        key, cert = self.serving.signer("signer-of-policies")
        client = self.client(AttestationAdministrationClient, signing_key=key, signing_certificate=cert)
        result, _ = client.set_policy(AttestationType.OPEN_ENCLAVE, PERMIT)
        self.assertEqual(result.policy_resolution, "Updated")
        self.assertEqual(self.der(result.policy_signer.certificates[0]), self.der(cert))
        sent = AttestationPolicyToken(PERMIT, signing_key=key, signing_certificate=cert).to_jwt_string()
        self.assertEqual(result.policy_token_hash, hashlib.sha256(sent.encode()).digest())
        self.assertEqual(client.get_policy(AttestationType.OPEN_ENCLAVE)[0], PERMIT)
        self.assertEqual(client.reset_policy(AttestationType.OPEN_ENCLAVE)[0].policy_resolution, "Removed")

    @staticmethod
    def der(pem):
        return base64.b64decode("".join(line for line in pem.splitlines() if not line.startswith("-----")))

    def test_policy_management_certificates_are_added_and_removed(self):
        first_key, first = self.serving.signer("first")
        second_key, second = self.serving.signer("second")
        client = self.client(AttestationAdministrationClient)
        as_first = {"signing_key": first_key, "signing_certificate": first}
        as_second = {"signing_key": second_key, "signing_certificate": second}

        def listed():
            chains, _ = client.get_policy_management_certificates()
            return {self.der(chain[0]) for chain in chains}

        self.assertEqual(listed(), set())
        result, _ = client.add_policy_management_certificate(first, **as_first)
        self.assertEqual(result.certificate_resolution, "IsPresent")
        self.assertEqual(result.certificate_thumbprint, hashlib.sha1(self.der(first)).hexdigest())
        self.assertEqual(self.refused(client.add_policy_management_certificate, second, **as_second)[:2],
                         (400, "InvalidOperation"))
        client.add_policy_management_certificate(second, **as_first)
        self.assertEqual(listed(), {self.der(first), self.der(second)})
        result, _ = client.remove_policy_management_certificate(first, **as_second)
        self.assertEqual(result.certificate_resolution, "IsAbsent")
        self.assertEqual(listed(), {self.der(second)})
        self.assertEqual(self.refused(client.remove_policy_management_certificate, second, **as_second)[:2],
                         (400, "InvalidOperation"))
        self.assertTrue(client.seen and all(client.seen))

    def test_evidence_that_does_not_hold_is_refused_with_code_and_request_id(self):
        client = self.client(AttestationClient)
        for call in (client.attest_sgx_enclave, client.attest_open_enclave):
            status, code, error = self.refused(call, b"no quote", runtime_data=b"data")
            self.assertEqual((status, code), (400, "InvalidParameter"))
            self.assertTrue(error["innererror"]["code"])
        genuine = (VECTORS / "tdx/v3-sgx-occlum.quote.bin").read_bytes()
        _, _, error = self.refused(client.attest_sgx_enclave, genuine)
        self.assertEqual(error["innererror"]["code"], "TDX-CHAIN-ROOT", "a lab does not believe Intel's machines")

    def test_a_tpm_gets_an_answer_that_names_what_is_wrong(self):
        client = self.client(AttestationClient)
        with self.assertRaises(HttpResponseError) as raised:
            client.attest_tpm(json.dumps({"payload": {"type": "no such message"}}))
        self.assertIn(raised.exception.status_code, (400, 501))
        self.assertTrue(raised.exception.error.code)

    def test_a_genuine_quote_is_attested_where_intels_root_is_believed(self):
        self.serving.server_certificate()
        service = Process("attestation", self.serving.work / "production",
                          "--tls-cert", self.serving.work / "tls.pem", "--tls-key", self.serving.work / "tls.key")
        service.client = type(self)
        self.addCleanup(service.stop)
        client = self.client(AttestationClient, port=service.port, ca=self.serving.work / "tls.pem")
        quote = (VECTORS / "tdx/v3-sgx-occlum.quote.bin").read_bytes()
        result, token = client.attest_sgx_enclave(quote, draft_policy=PERMIT)
        self.assertEqual(token.algorithm, "none", "a token by a draft is unsigned")
        self.assertEqual((result.issuer, result.verifier_type, result.version), (ISSUER, "sgx", "1.0"))
        self.assertEqual(result.mr_enclave, quote[112:144].hex())
        self.assertEqual(result.mr_signer, quote[176:208].hex())
        self.assertIs(result.is_debuggable, bool(quote[96] & 2))
        hashed = base64.urlsafe_b64encode(PERMIT.encode()).rstrip(b"=")
        self.assertEqual(result.policy_hash, hashlib.sha256(hashed).digest())
        envelope = struct.pack("<IIQ", 1, 2, len(quote)) + quote
        same, _ = client.attest_open_enclave(envelope, draft_policy=PERMIT)
        self.assertEqual(same.mr_enclave, result.mr_enclave)
        self.assertEqual(self.refused(client.attest_open_enclave, quote, draft_policy=PERMIT)[:2],
                         (400, "InvalidParameter"))


if __name__ == "__main__":
    unittest.main()
