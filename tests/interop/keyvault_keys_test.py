"""Keys of a served vault against Azure's own clients: azure-keyvault-keys of Debian's python3-azure, and
@azure/keyvault-keys from npm. What they signed, encrypted and wrapped remotely is checked with other libraries:
Python's `cryptography`, and Node's crypto."""

import base64
import hashlib
import json
import os
import pathlib
import subprocess
import time
import unittest

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.ciphers import Cipher, aead, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from serving import ATTESTATION, LOGIN, PROGRAM, VAULT, Serving, names_lead_here, run

HERE = pathlib.Path(__file__).resolve().parent
MODULES = pathlib.Path(os.environ["VS_BUILD_DIR"]) / "interop/keyvault"
POLICY = {"version": "1.0.0", "anyOf": [{"authority": f"https://{ATTESTATION}", "allOf": [
    {"claim": "x-ms-isolation-tee.x-ms-compliance-status", "equals": "azure-compliant-cvm"}]}]}

try:
    from azure.core.credentials import AccessToken
    from azure.core.exceptions import HttpResponseError
    from azure.keyvault.keys import (
        JsonWebKey, KeyClient, KeyReleasePolicy, KeyRotationLifetimeAction, KeyRotationPolicy,
        KeyRotationPolicyAction)
    from azure.keyvault.keys.crypto import CryptographyClient
    HAVE_AZURE = True
except ImportError:
    HAVE_AZURE = False


def b64(number, size):
    return number.to_bytes(size, "big")


class Credential:
    def __init__(self, serving):
        self.serving = serving

    def get_token(self, *scopes, **_):
        assert scopes == ("https://vault.azure.net/.default",), scopes
        token, seconds = self.serving.access_token("https://vault.azure.net")
        return AccessToken(token, int(time.time()) + seconds)


@unittest.skipUnless(HAVE_AZURE, "Debian's python3-azure is not installed")
class AzuresPythonClient(unittest.TestCase):
    PROVES = "vault"
    HARDWARE = False  # whether the keys that are used are of the HSM kinds
    CURVES = {"P-256": ("SECP256R1", "ES256", 256), "P-384": ("SECP384R1", "ES384", 384),
              "P-521": ("SECP521R1", "ES512", 512), "P-256K": ("SECP256K1", "ES256K", 256)}

    @classmethod
    def start_vault(cls):
        cls.serving.start_vault(cls, "Key Vault Administrator")

    @classmethod
    def setUpClass(cls):
        cls.serving = Serving(cls)
        cls.start_vault()
        cls.enterClassContext(names_lead_here())
        # The port makes this client's check of the challenge fail: it compares ports too.
        cls.options = {"verify_challenge_resource": False, "connection_verify": str(cls.serving.ca),
                       "use_env_settings": False, "retry_total": 0}
        cls.url = f"https://{VAULT}:{cls.serving.vault.port}"
        cls.client = KeyClient(cls.url, Credential(cls.serving), **cls.options)
        cls.addClassCleanup(cls.client.close)

    def remote(self, key):
        """remote is a client that asks the vault for everything: its own arithmetic is switched off."""
        made = CryptographyClient(key.id, Credential(self.serving), **self.options)
        made._initialized = True
        made._local_provider = type("None_", (), {"supports": lambda *_: False})()
        self.addCleanup(made.close)
        return made

    def refused(self, call, *arguments, **more):
        with self.assertRaises(HttpResponseError) as raised:
            call(*arguments, **more)
        return raised.exception.status_code

    def test_keys_of_every_kind_are_made_and_shown(self):
        made = [self.client.create_rsa_key("rsa", size=3072),
                self.client.create_rsa_key("rsa-hsm", hardware_protected=True)]
        for curve in ("P-256", "P-384", "P-521", "P-256K"):
            made.append(self.client.create_ec_key("ec-" + curve, curve=curve, tags={"curve": curve}))
            self.assertEqual(made[-1].key.crv, curve)
        for size in (128, 192, 256):
            made.append(self.client.create_oct_key(f"oct-{size}", size=size, hardware_protected=True))
            self.assertEqual((made[-1].key_type, made[-1].key.k), ("oct-HSM", None))
        self.assertEqual(len(made[0].key.n), 384)
        for key in made:
            self.assertEqual(self.client.get_key(key.name).id, key.id)
            self.assertEqual(self.client.get_key(key.name, key.properties.version).id, key.id)
        listed = {key.name for key in self.client.list_properties_of_keys()}
        self.assertLessEqual({key.name for key in made}, listed)
        changed = self.client.update_key_properties("rsa", tags={"a": "b"}, key_operations=["sign"])
        self.assertEqual((changed.properties.tags, changed.key_operations), ({"a": "b"}, ["sign"]))
        for bad in ({"size": 1024}, {"size": 2049}):
            self.assertEqual(self.refused(self.client.create_rsa_key, "bad", **bad), 400)
        self.assertEqual(self.refused(self.client.create_oct_key, "bad", size=512), 400)

    def test_rsa_is_used_remotely(self):
        key = self.client.create_rsa_key("used-rsa", hardware_protected=self.HARDWARE)
        public = rsa.RSAPublicNumbers(int.from_bytes(key.key.e, "big"), int.from_bytes(key.key.n, "big")).public_key()
        crypto = self.remote(key)
        oaep = {"RSA-OAEP": hashes.SHA1, "RSA-OAEP-256": hashes.SHA256}
        for alg in ("RSA1_5", *oaep):
            pad = padding.PKCS1v15() if alg == "RSA1_5" else padding.OAEP(padding.MGF1(oaep[alg]()), oaep[alg](), None)
            self.assertEqual(crypto.decrypt(alg, public.encrypt(b"secret", pad)).plaintext, b"secret")
            self.assertEqual(crypto.unwrap_key(alg, public.encrypt(b"secret", pad)).key, b"secret")
            self.assertEqual(crypto.decrypt(alg, crypto.encrypt(alg, b"secret").ciphertext).plaintext, b"secret")
            self.assertEqual(crypto.unwrap_key(alg, crypto.wrap_key(alg, b"secret").encrypted_key).key, b"secret")
            refused = [bytes(255), b"\xff" * 256] + ([] if alg == "RSA1_5" else [bytes(255) + b"\1"])
            for ciphertext in refused:
                self.assertEqual(self.refused(crypto.decrypt, alg, ciphertext), 400)
        rejected = crypto.decrypt("RSA1_5", bytes(255) + b"\x07").plaintext
        self.assertEqual(crypto.unwrap_key("RSA1_5", bytes(255) + b"\x07").key, rejected, "the same each time")
        for bits in (256, 384, 512):
            digest = hashlib.new(f"sha{bits}", b"message").digest()
            algorithm = getattr(hashes, f"SHA{bits}")()
            for name, pad in ((f"RS{bits}", padding.PKCS1v15()),
                              (f"PS{bits}", padding.PSS(padding.MGF1(algorithm), bits // 8))):
                signature = crypto.sign(name, digest).signature
                public.verify(signature, digest, pad, utils.Prehashed(algorithm))
                self.assertTrue(crypto.verify(name, digest, signature).is_valid)
                self.assertFalse(crypto.verify(name, digest, signature[:-1] + bytes([signature[-1] ^ 1])).is_valid)
                self.assertEqual(self.refused(crypto.sign, name, digest[:-1]), 400)

    def test_curves_sign_remotely(self):
        for name, (curve, alg, bits) in self.CURVES.items():
            key = self.client.create_ec_key("signs-" + name, curve=name, hardware_protected=self.HARDWARE)
            public = ec.EllipticCurvePublicNumbers(
                int.from_bytes(key.key.x, "big"), int.from_bytes(key.key.y, "big"), getattr(ec, curve)()).public_key()
            crypto = self.remote(key)
            digest = hashlib.new(f"sha{bits}", b"message").digest()
            signature = crypto.sign(alg, digest).signature
            half = len(signature) // 2
            der = utils.encode_dss_signature(int.from_bytes(signature[:half], "big"),
                                             int.from_bytes(signature[half:], "big"))
            scheme = ec.ECDSA(utils.Prehashed(getattr(hashes, f"SHA{bits}")()))
            public.verify(der, digest, scheme)
            with self.assertRaises(InvalidSignature):
                public.verify(der, bytes(bits // 8), scheme)
            self.assertTrue(crypto.verify(alg, digest, signature).is_valid)
            self.assertFalse(crypto.verify(alg, digest, bytes(len(signature))).is_valid)

    def test_imported_oct_keys_do_what_another_library_does(self):
        for bits in (128, 192, 256):
            octets = os.urandom(bits // 8)
            key = self.client.import_key(f"aes-{bits}", JsonWebKey(
                kty="oct", k=octets, key_ops=["encrypt", "decrypt", "wrapKey", "unwrapKey"]),
                hardware_protected=self.HARDWARE)
            self.assertIsNone(key.key.k)
            crypto = self.remote(key)
            sealed = crypto.encrypt(f"A{bits}GCM", b"secret", additional_authenticated_data=b"about")
            both = sealed.ciphertext + sealed.tag
            self.assertEqual(aead.AESGCM(octets).decrypt(sealed.iv, both, b"about"), b"secret")
            iv = os.urandom(12)
            theirs = aead.AESGCM(octets).encrypt(iv, b"theirs", b"about")
            opened = {"iv": iv, "authentication_tag": theirs[-16:], "additional_authenticated_data": b"about"}
            self.assertEqual(crypto.decrypt(f"A{bits}GCM", theirs[:-16], **opened).plaintext, b"theirs")
            opened["additional_authenticated_data"] = b"other"
            self.assertEqual(self.refused(crypto.decrypt, f"A{bits}GCM", theirs[:-16], **opened), 400)

            iv = os.urandom(16)
            pad = PKCS7(128).padder()
            for alg, plain in ((f"A{bits}CBC", b"sixteen bytes ok"), (f"A{bits}CBCPAD", b"any size")):
                padded = plain if alg.endswith("CBC") else pad.update(plain) + pad.finalize()
                encryptor = Cipher(algorithms.AES(octets), modes.CBC(iv)).encryptor()
                expected = encryptor.update(padded) + encryptor.finalize()
                self.assertEqual(crypto.encrypt(alg, plain, iv=iv).ciphertext, expected)
                self.assertEqual(crypto.decrypt(alg, expected, iv=iv).plaintext, plain)

            wrapped = keywrap.aes_key_wrap(octets, bytes(range(32)))
            self.assertEqual(crypto.wrap_key(f"A{bits}KW", bytes(range(32))).encrypted_key, wrapped)
            self.assertEqual(crypto.unwrap_key(f"A{bits}KW", wrapped).key, bytes(range(32)))
            self.assertEqual(self.refused(crypto.unwrap_key, f"A{bits}KW", bytes(40)), 400)

    def test_imported_keys_are_those_that_were_made_elsewhere(self):
        private = rsa.generate_private_key(65537, 2048)
        numbers = private.private_numbers()
        public = numbers.public_numbers
        parts = {"n": b64(public.n, 256), "e": b64(public.e, 3), "d": b64(numbers.d, 256), "p": b64(numbers.p, 128),
                 "q": b64(numbers.q, 128), "dp": b64(numbers.dmp1, 128), "dq": b64(numbers.dmq1, 128),
                 "qi": b64(numbers.iqmp, 128)}
        key = self.client.import_key("from-elsewhere", JsonWebKey(kty="RSA", **parts), hardware_protected=True)
        self.assertEqual((key.key_type, key.key.n), ("RSA-HSM", parts["n"]))
        signature = self.remote(key).sign("PS256", bytes(32)).signature
        private.public_key().verify(signature, bytes(32), padding.PSS(padding.MGF1(hashes.SHA256()), 32),
                                    utils.Prehashed(hashes.SHA256()))
        for part in ("d", "p", "q", "dp", "dq", "qi"):
            wrong = {**parts, part: parts[part][:-1] + bytes([parts[part][-1] ^ 2])}
            self.assertEqual(self.refused(self.client.import_key, "wrong", JsonWebKey(kty="RSA", **wrong)), 400, part)
        private = ec.generate_private_key(ec.SECP256K1())
        point, d = private.public_key().public_numbers(), private.private_numbers().private_value
        jwk = {"crv": "P-256K", "x": b64(point.x, 32), "y": b64(point.y, 32)}
        key = self.client.import_key("k1", JsonWebKey(kty="EC", d=b64(d, 32), **jwk))
        signature = self.remote(key).sign("ES256K", bytes(32)).signature
        der = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        private.public_key().verify(der, bytes(32), ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        self.assertEqual(
            self.refused(self.client.import_key, "wrong", JsonWebKey(kty="EC", d=b64(d - 1, 32), **jwk)), 400)
        self.assertEqual(self.refused(self.client.get_key, "wrong"), 404, "nothing half made")

    def test_keys_rotate_and_have_policies(self):
        first = self.client.create_ec_key("turns", curve="P-384", tags={"a": "b"})
        second = self.client.rotate_key("turns")
        self.assertEqual((second.key.crv, second.properties.tags), ("P-384", {"a": "b"}))
        versions = {key.version for key in self.client.list_properties_of_key_versions("turns")}
        self.assertEqual(versions, {first.properties.version, second.properties.version})
        default, = self.client.get_key_rotation_policy("turns").lifetime_actions
        self.assertEqual((default.action.lower(), default.time_before_expiry), ("notify", "P30D"))
        actions = [KeyRotationLifetimeAction(KeyRotationPolicyAction.rotate, time_after_create="P2M")]
        stored = self.client.update_key_rotation_policy("turns", KeyRotationPolicy(), lifetime_actions=actions,
                                                        expires_in="P90D")
        self.assertEqual((stored.expires_in, stored.lifetime_actions[0].time_after_create), ("P90D", "P2M"))
        self.assertEqual(self.client.get_key_rotation_policy("turns").expires_in, "P90D")
        third = self.client.rotate_key("turns")
        self.assertAlmostEqual(third.properties.expires_on.timestamp(), time.time() + 90 * 86400, delta=60)
        self.assertEqual(self.refused(self.client.update_key_rotation_policy, "turns", KeyRotationPolicy(),
                                      expires_in="P27D"), 400)

    def test_random_bytes(self):
        self.assertEqual(len(self.client.get_random_bytes(128)), 128)
        self.assertEqual(self.refused(self.client.get_random_bytes, 129), 400)

    def test_a_key_is_released_after_rotation(self):
        policy = KeyReleasePolicy(json.dumps(POLICY).encode())
        self.client.create_rsa_key("released", hardware_protected=True, exportable=True, release_policy=policy)
        rotated = self.client.rotate_key("released")
        self.assertEqual(json.loads(rotated.properties.release_policy.encoded_policy), POLICY)
        answer = self.client.release_key("released", self.serving.attestation_token())
        payload = answer.value.split(".")[1]
        told = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        self.assertEqual(told["response"]["key"]["key"]["kid"], rotated.id)


@unittest.skipUnless(HAVE_AZURE, "Debian's python3-azure is not installed")
class AzuresPythonClientWithKeysInAnHsm(AzuresPythonClient):
    """The same of keys that live in SoftHSM."""

    HARDWARE = True
    CURVES = {name: row for name, row in AzuresPythonClient.CURVES.items() if name != "P-256K"}

    @classmethod
    def start_vault(cls):
        tokens = cls.serving.work / "tokens"
        tokens.mkdir()
        configuration, pin = cls.serving.work / "softhsm2.conf", cls.serving.work / "pin"
        configuration.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
        pin.write_text("test-pin-4711")
        pin.chmod(0o600)
        environment = {"SOFTHSM2_CONF": str(configuration)}
        run("softhsm2-util", "--init-token", "--free", "--label", "vault", "--pin", pin.read_text(), "--so-pin",
            "so-pin-0815", env={**os.environ, **environment}).check_returncode()
        cls.serving.start_vault(cls, "Key Vault Administrator", "--hsm-keys", "--hsm-module",
                                "/usr/lib/softhsm/libsofthsm2.so", "--hsm-token", "vault", "--hsm-pin", pin,
                                **environment)

    def test_what_an_hsm_does_not_do_is_said(self):
        self.assertEqual(self.refused(self.client.create_ec_key, "k1-hsm", curve="P-256K", hardware_protected=True), 400)
        self.client.create_oct_key("no-backup", size=256, hardware_protected=True)
        self.assertEqual(self.refused(self.client.backup_key, "no-backup"), 400)


class AzuresNodeClient(unittest.TestCase):
    PROVES = "vault"

    @classmethod
    def setUpClass(cls):
        # The packages go into the build folder, so that the checkout stays clean.
        MODULES.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc", "keys.mjs", "sign_in.mjs"):
            (MODULES / name).write_bytes((HERE / "keyvault" / name).read_bytes())
        if not (MODULES / "node_modules/@azure/keyvault-keys").exists():
            installed = subprocess.run(["npm", "ci", "--silent", "--ignore-scripts"], cwd=MODULES, text=True,
                                       capture_output=True, timeout=300, check=False)
            if installed.returncode != 0:
                raise unittest.SkipTest("npm could not install @azure/keyvault-keys: " + installed.stderr[-300:])
        cls.serving = Serving(cls)
        cls.serving.start_vault(cls, "Key Vault Administrator")

    def test_every_method_for_keys_and_their_use(self):
        token = self.serving.work / "token.jwt"
        token.write_text(self.serving.attestation_token())
        told = self.serving.work / "node.json"
        told.write_text(json.dumps({
            "vault": f"https://{VAULT}:{self.serving.vault.port}", "login": [LOGIN, self.serving.login.port],
            "tenant": self.serving.app["tenant"], "client": self.serving.app["client_id"],
            "secret": (self.serving.work / "secret").read_text(), "token": token.read_text(), "policy": POLICY}))
        result = run("node", MODULES / "keys.mjs", told,
                     env={**os.environ, "NODE_EXTRA_CA_CERTS": str(self.serving.ca)})
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        curves = {"P-256": True, "P-384": True, "P-521": True, "P-256K": True}
        self.assertEqual(json.loads(result.stdout), {
            "kinds": ["RSA", "RSA-HSM", "EC", "EC-HSM", "oct", "oct-HSM"], "get": True, "listed": True,
            "updated": ["sign"], "rsa": {"RSA1_5": True, "RSA-OAEP": True, "RSA-OAEP-256": True},
            "signatures": {f"{kind}{bits}": True for kind in ("RS", "PS") for bits in (256, 384, 512)},
            "wrongSignature": False, "signData": True, "curves": curves,
            "aes": {f"A{bits}{mode}": True for bits in (128, 192, 256) for mode in ("GCM", "CBC", "CBCPAD", "KW")},
            "wrongTag": "400 BadParameter", "imported": ["RSA-HSM", True], "wrongImport": "400 BadParameter",
            "rotated": 2, "defaultPolicy": ["Notify", "P30D"], "policy": ["Rotate", "P2M", "P90D"],
            "badPolicy": "400 BadParameter", "random": 32, "tooManyRandom": "400 BadParameter",
            "attestation": "400 BadParameter", "released": True})


if __name__ == "__main__":
    unittest.main()
