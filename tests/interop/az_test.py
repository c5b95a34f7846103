"""Azure's command line, unmodified, against a lab behind its front door: how it signs in, and what it asks of
Azure's directory and resource manager. Debian's az 2.45 cannot do some commands by its own packaging; those are
asked with `az rest`."""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import uuid

PROGRAM = os.environ["VOUCHSAFE"]
AZ = shutil.which("az")
USER = "user@lab.test"
MANAGEMENT = "https://management.azure.com"


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=180)


def unsigned_policy(text):
    def encode(value):
        return base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")
    return encode('{"alg":"none"}') + "." + encode(json.dumps({"AttestationPolicy": encode(text)})) + "."


@unittest.skipUnless(AZ, "azure-cli is not installed")
class Az(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-az-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab = cls.work / "lab"
        made = run("vm", "create", "one", "--dir", cls.lab)
        assert made.returncode == 0, made.stderr
        app = run("--json", "admin", "create-app", "robot", "--secret-out", cls.work / "secret", "--dir", cls.lab)
        assert app.returncode == 0, app.stderr
        cls.app = json.loads(app.stdout)
        up = run("up", "--detach", "--dir", cls.lab)
        assert up.returncode == 0, up.stderr
        cls.addClassCleanup(run, "down", "--dir", cls.lab)
        cls.password = (cls.lab / "user.password").read_text()
        variables = json.loads(run("--json", "env", "--dir", cls.lab).stdout)
        # A browser is not told of the proxy; az waits for the program to end before it listens.
        browser = cls.work / "browser"
        browser.write_text('#!/bin/sh\nenv -u HTTP_PROXY -u http_proxy -u HTTPS_PROXY -u https_proxy '
                           'curl -sSL -o /dev/null "$1" &\n')
        browser.chmod(0o755)
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        cls.environment = {**kept, **variables, "BROWSER": f"{browser} %s", "HOME": str(cls.work)}

    def setUp(self):
        # Each test signs in anew.
        config = self.work / f"azure-{uuid.uuid4()}"
        self.variables = {**self.environment, "AZURE_CONFIG_DIR": str(config)}

    def try_az(self, *arguments):
        return subprocess.run([AZ, *arguments], capture_output=True, text=True, timeout=120, env=self.variables)

    def az(self, *arguments):
        done = self.try_az(*arguments, "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def sign_in(self):
        return self.az("login", "-u", USER, "-p", self.password)

    def is_the_lab(self, accounts, user):
        self.assertEqual(len(accounts), 1)
        self.assertEqual(accounts[0]["tenantId"], self.app["tenant"])
        self.assertEqual(accounts[0]["user"]["name"], user)

    def test_a_user_signs_in_by_password(self):
        self.is_the_lab(self.sign_in(), USER)
        token = self.az("account", "get-access-token", "--resource", "https://vault.azure.net")
        self.assertEqual(token["tenant"], self.app["tenant"])

    def test_a_wrong_password_is_refused_with_azures_words(self):
        refused = self.try_az("login", "-u", USER, "-p", "not the password")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("AADSTS50126", refused.stderr)

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_a_user_signs_in_by_browser(self):
        self.is_the_lab(self.az("login"), USER)

    def test_a_user_signs_in_by_device_code(self):
        self.is_the_lab(self.az("login", "--use-device-code"), USER)

    def test_an_application_signs_in(self):
        accounts = self.az("login", "--service-principal", "-u", self.app["client_id"], "-p",
                           (self.work / "secret").read_text(), "--tenant", self.app["tenant"],
                           "--allow-no-subscriptions")  # it has no role anywhere
        self.is_the_lab(accounts, self.app["client_id"])

    def test_the_directory_tells_who_signed_in(self):
        self.sign_in()
        self.assertEqual(self.az("ad", "signed-in-user", "show")["userPrincipalName"], USER)

    def test_groups_and_providers(self):
        self.sign_in()
        group = self.az("group", "create", "--name", "MyConfidentialRG", "--location", "westeurope")
        self.assertEqual(group["properties"]["provisioningState"], "Succeeded")
        self.az("provider", "register", "--namespace", "Microsoft.Attestation")
        state = self.az("provider", "show", "--namespace", "Microsoft.Attestation", "--query", "registrationState")
        self.assertEqual(state, "Registered")
        missing = self.try_az("group", "show", "--name", "Nowhere")
        self.assertEqual(missing.returncode, 3)
        self.assertIn("ResourceGroupNotFound", missing.stderr)
        self.az("group", "delete", "--name", "MyConfidentialRG", "--yes")
        self.assertEqual(self.try_az("group", "show", "--name", "MyConfidentialRG").returncode, 3)

    def test_a_vault_with_roles_and_a_key(self):
        self.sign_in()
        me = self.az("ad", "signed-in-user", "show")["id"]
        self.az("group", "create", "--name", "Vaults", "--location", "westeurope")
        vault = self.az("keyvault", "create", "--name", "MyConfKV-42", "--resource-group", "Vaults", "--location",
                        "westeurope", "--sku", "Premium", "--enable-rbac-authorization", "true",
                        "--enable-purge-protection", "true")
        self.assertEqual(vault["properties"]["vaultUri"], "https://myconfkv-42.vault.azure.net/")
        self.assertEqual(self.az("keyvault", "show", "--name", "MyConfKV-42")["name"], "MyConfKV-42")
        create = ("rest", "--method", "post", "--resource", "https://vault.azure.net", "--url",
                  "https://myconfkv-42.vault.azure.net/keys/KeyEncryptionKey/create?api-version=7.4", "--body",
                  '{"kty":"RSA-HSM"}')
        self.assertIn("Forbidden", self.try_az(*create).stderr)
        subscription = vault["id"].split("/")[2]
        body = {"properties": {"roleDefinitionId": f"/subscriptions/{subscription}/providers/Microsoft.Authorization/"
                                                   "roleDefinitions/14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
                               "principalId": me, "principalType": "User"}}
        self.az("rest", "--method", "put", "--url", f"{MANAGEMENT}{vault['id']}/providers/Microsoft.Authorization/"
                f"roleAssignments/{uuid.uuid4()}?api-version=2022-04-01", "--body", json.dumps(body))
        self.assertIn("KeyEncryptionKey", self.az(*create)["key"]["kid"])

    def test_a_provider_of_ones_own(self):
        self.sign_in()
        self.az("group", "create", "--name", "Providers", "--location", "westeurope")
        # It sends the path with a doubled slash.
        create = ("resource", "create", "-g", "Providers", "-n", "attesta1b2c3", "--resource-type",
                  "Microsoft.Attestation/attestationProviders", "--api-version", "2020-10-01", "-l", "westeurope",
                  "--properties", "{}")
        made = self.az(*create)
        self.assertEqual(made["properties"]["attestUri"], "https://attesta1b2c3.weu.attest.azure.net")
        self.assertEqual(self.az(*create)["id"], made["id"])
        policy = ("rest", "--resource", "https://attest.azure.net", "--url",
                  "https://attesta1b2c3.weu.attest.azure.net/policies/AzureGuest?api-version=2022-08-01")
        self.assertIn("token", self.az(*policy, "--method", "get"))
        document = unsigned_policy("version=1.0; authorizationrules{=>permit();};issuancerules{};")
        self.assertIn("token", self.az(*policy, "--method", "put", "--headers", "Content-Type=text/plain", "--body",
                                       document))
        shared = policy[-1].replace("attesta1b2c3", "sharedweu")
        self.assertIn("Unauthorized", self.try_az(*policy[:-1], shared, "--method", "get").stderr)
        taken = self.try_az("resource", "create", "-g", "Providers", "-n", "sharedweu", *create[6:])
        self.assertIn("DuplicateTenant", taken.stderr)
        self.az("resource", "delete", "--ids", made["id"], "--api-version", "2020-10-01")
        self.assertNotEqual(self.try_az(*policy, "--method", "get").returncode, 0)

    def test_a_deleted_vault_is_purged(self):
        self.sign_in()
        self.az("group", "create", "--name", "Purges", "--location", "westeurope")
        create = ("keyvault", "create", "--resource-group", "Purges", "--location", "westeurope",
                  "--enable-rbac-authorization", "true", "--name")
        self.az(*create, "az-purged")
        self.az("keyvault", "delete", "--name", "az-purged", "--resource-group", "Purges")
        self.assertIn("az-purged", [one["name"] for one in self.az("keyvault", "list-deleted", "--resource-type",
                                                                    "vault")])
        self.assertNotEqual(self.try_az(*create, "az-purged").returncode, 0)
        self.az("keyvault", "purge", "--name", "az-purged", "--location", "westeurope")
        self.assertNotIn("az-purged", [one["name"] for one in self.az("keyvault", "list-deleted", "--resource-type",
                                                                       "vault")])
        self.az(*create, "az-purged")
        self.az(*create, "az-guarded", "--enable-purge-protection", "true")
        self.az("keyvault", "delete", "--name", "az-guarded", "--resource-group", "Purges")
        refused = self.try_az("keyvault", "purge", "--name", "az-guarded", "--location", "westeurope")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("DeletedVaultPurge", refused.stderr)
        self.az("keyvault", "recover", "--name", "az-guarded", "--location", "westeurope")
        self.assertEqual(self.az("keyvault", "show", "--name", "az-guarded")["name"], "az-guarded")

    def test_a_cloud_is_registered_from_the_lab_s_own_word(self):
        self.az("cloud", "register", "--name", "Lab", "--endpoint-resource-manager", MANAGEMENT)
        endpoints = self.az("cloud", "show", "--name", "Lab")["endpoints"]
        self.assertEqual(endpoints["activeDirectory"], "https://login.microsoftonline.com/")
        self.assertEqual(endpoints["resourceManager"], MANAGEMENT)


if __name__ == "__main__":
    unittest.main()
