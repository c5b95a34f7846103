"""A vault's secrets, and deletion and backup of its keys, against Azure's own clients: @azure/keyvault-secrets and
@azure/keyvault-keys from npm, azure-keyvault-secrets and azure-keyvault-keys of Debian's python3-azure."""

import json
import os
import pathlib
import time
import unittest

from serving import VaultServing, names_lead_here, run

try:
    from azure.core.credentials import AccessToken
    from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
    from azure.keyvault.keys import KeyClient
    from azure.keyvault.secrets import SecretClient
except ImportError:
    SecretClient = None

HERE = pathlib.Path(__file__).resolve().parent
MODULES = pathlib.Path(os.environ["VS_BUILD_DIR"]) / "interop" / "keyvault"
DAY = 86400


class JavaScriptClients(unittest.TestCase):
    PROVES = "vault"

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        # The packages go into the build folder, so that the checkout stays clean.
        MODULES.mkdir(parents=True, exist_ok=True)
        for file in (HERE / "keyvault").iterdir():
            (MODULES / file.name).write_bytes(file.read_bytes())
        if not all((MODULES / "node_modules/@azure" / name).exists() for name in ("keyvault-keys", "keyvault-secrets")):
            installed = run("npm", "ci", "--silent", "--ignore-scripts", cwd=MODULES)
            if installed.returncode != 0:
                raise unittest.SkipTest("npm could not install Azure's clients: " + installed.stderr[-300:])
        cls.serving = VaultServing(cls)

    def test_every_method_of_the_secret_client_and_deletion_of_keys(self):
        serving = self.serving
        port = serving.vault.port
        result = run("node", MODULES / "secrets.mjs", serving.app["tenant"], serving.app["client_id"],
                     serving.work / "secret", serving.login.port, port,
                     env={**os.environ, "NODE_EXTRA_CA_CERTS": str(serving.ca)})
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        seen = json.loads(result.stdout)
        base = f"https://{serving.host(serving.VAULT)}:{port}"
        self.assertEqual(seen["secrets"], {
            "set": ["one", {"use": "test"}, "text/plain", True],
            "recovery": ["CustomizedRecoverable+Purgeable", 7], "expiresOn": 1000,
            "get": "two", "getVersion": "one", "previous": True,
            "updated": [False, "changed", {"more": "tags"}, None], "disabled": "403 Forbidden VAULT-SECRET-ENABLED",
            "versions": 2, "list": 30, "pages": 4,
            "restoreWhileThere": "409 Conflict",
            "deleted": ["js", None, f"{base}/deletedsecrets/js", 7],
            "gone": "404 SecretNotFound", "taken": "409 Conflict VAULT-NAME-FREE",
            "restoreWhileDeleted": "409 Conflict VAULT-NAME-FREE",
            "getDeleted": True, "listDeleted": ["js"], "recovered": "js", "afterRecovery": "two",
            "purged": "404 SecretNotFound", "restored": "js", "afterRestore": "two",
            "foreign": "400 BadParameter", "tooLong": "400 BadParameter", "listManyDeleted": 30,
            "protected": "Recoverable", "purgeProtected": "403 Forbidden VAULT-PURGE-PROTECTION"})
        self.assertEqual(seen["keys"], {
            "restoreWhileThere": "409 Conflict", "deleted": ["js", f"{base}/deletedkeys/js", 7],
            "gone": "404 KeyNotFound", "taken": "409 Conflict VAULT-NAME-FREE",
            "getDeleted": True, "listDeleted": ["js"], "recovered": True, "purged": "404 KeyNotFound",
            "restored": True, "foreign": "400 BadParameter"})
        self.assertEqual(seen["asked"], [f"https://vault.azure.net/.default,{serving.app['tenant']}"],
                         "the challenge told every client what to ask for")


@unittest.skipIf(SecretClient is None, "Debian's python3-azure is not installed")
class PythonClients(unittest.TestCase):
    PROVES = "vault"

    @classmethod
    def setUpClass(cls):
        cls.serving = VaultServing(cls)
        hosts = [cls.serving.host(name) for name in (VaultServing.VAULT, VaultServing.PROTECTED)]
        # Without a port in the URL, as this client compares it with the challenge's resource.
        cls.enterClassContext(names_lead_here({host: cls.serving.vault.port for host in hosts}))

    def get_token(self, *scopes, tenant_id=None, **_):
        self.assertEqual((scopes, tenant_id),
                         (("https://vault.azure.net/.default",), self.serving.app["tenant"]))
        token, seconds = self.serving.access_token("https://vault.azure.net")
        return AccessToken(token, int(time.time()) + seconds)

    def client(self, kind, vault=VaultServing.VAULT):
        made = kind(f"https://{self.serving.host(vault)}", self, connection_verify=str(self.serving.ca),
                    use_env_settings=False, retry_total=0)
        self.addCleanup(made.close)
        return made

    def refused(self, call, *arguments, **more):
        """refused returns status and inner code of the answer to a call that must not succeed."""
        with self.assertRaises(HttpResponseError) as raised:
            call(*arguments, **more)
        error = json.loads(raised.exception.response.text())["error"]
        return raised.exception.status_code, error.get("innererror", {}).get("code")

    def test_every_method_of_the_secret_client(self):
        client = self.client(SecretClient)
        first = client.set_secret("py", "one", content_type="text/plain", tags={"use": "test"}, enabled=True)
        self.assertEqual((first.value, first.properties.content_type, first.properties.tags),
                         ("one", "text/plain", {"use": "test"}))
        self.assertEqual((first.properties.recovery_level, first.properties.recoverable_days),
                         ("CustomizedRecoverable+Purgeable", 7))
        second = client.set_secret("py", "two \u00e9")
        self.assertEqual(client.get_secret("PY").value, "two \u00e9")
        self.assertEqual(client.get_secret("py", first.properties.version).value, "one")

        updated = client.update_secret_properties("py", second.properties.version, enabled=False, tags={"a": "b"})
        self.assertEqual((updated.enabled, updated.tags), (False, {"a": "b"}))
        self.assertEqual(self.refused(client.get_secret, "py"), (403, "SecretDisabled"))
        client.update_secret_properties("py", enabled=True)
        self.assertEqual({v.version for v in client.list_properties_of_secret_versions("py")},
                         {first.properties.version, second.properties.version})
        for number in range(28):
            client.set_secret(f"py-{number}", "x")
        names = {s.name for s in client.list_properties_of_secrets(max_page_size=10)}
        self.assertEqual(len(names), 29)

        backup = client.backup_secret("py")
        with self.assertRaises(ResourceExistsError):
            client.restore_secret_backup(backup)
        deleted = client.begin_delete_secret("py", _polling_interval=0.1).result()
        self.assertEqual(deleted.recovery_id, f"https://{self.serving.host(VaultServing.VAULT)}/deletedsecrets/py")
        self.assertEqual((deleted.scheduled_purge_date - deleted.deleted_date).days, 7)
        with self.assertRaises(ResourceNotFoundError):
            client.get_secret("py")
        with self.assertRaises(ResourceExistsError):
            client.set_secret("py", "three")
        self.assertEqual(client.get_deleted_secret("py").name, "py")
        self.assertEqual([d.name for d in client.list_deleted_secrets()], ["py"])
        poller = client.begin_recover_deleted_secret("py", _polling_interval=0.1)
        poller.wait()
        self.assertEqual(poller.result().name, "py")
        self.assertEqual(client.get_secret("py").value, "two \u00e9")
        client.begin_delete_secret("py", _polling_interval=0.1).wait()
        client.purge_deleted_secret("py")
        with self.assertRaises(ResourceNotFoundError):
            client.get_deleted_secret("py")
        self.assertEqual(client.restore_secret_backup(backup).version, second.properties.version)
        self.assertEqual(client.get_secret("py", first.properties.version).value, "one")
        self.assertEqual(self.refused(client.restore_secret_backup, b"no backup")[0], 400)

    def test_purge_protection(self):
        client = self.client(SecretClient, VaultServing.PROTECTED)
        self.assertEqual(client.set_secret("py", "one").properties.recovery_level, "Recoverable")
        deleted = client.begin_delete_secret("py", _polling_interval=0.1).result()
        self.assertEqual((deleted.scheduled_purge_date - deleted.deleted_date).days, 90)
        self.assertEqual(self.refused(client.purge_deleted_secret, "py"), (403, "VAULT-PURGE-PROTECTION"))
        client.begin_recover_deleted_secret("py", _polling_interval=0.1).wait()
        self.assertEqual(client.get_secret("py").value, "one")

    def test_keys_are_deleted_recovered_purged_backed_up_and_restored(self):
        client = self.client(KeyClient)
        made = client.create_ec_key("py", tags={"a": "b"})
        self.assertEqual(made.properties.recoverable_days, 7)
        backup = client.backup_key("py")
        with self.assertRaises(ResourceExistsError):
            client.restore_key_backup(backup)
        deleted = client.begin_delete_key("py", _polling_interval=0.1).result()
        self.assertEqual((deleted.id, deleted.properties.tags), (made.id, {"a": "b"}))
        with self.assertRaises(ResourceNotFoundError):
            client.get_key("py")
        with self.assertRaises(ResourceExistsError):
            client.create_ec_key("py")
        self.assertEqual(client.get_deleted_key("py").id, made.id)
        self.assertEqual([d.name for d in client.list_deleted_keys()], ["py"])
        poller = client.begin_recover_deleted_key("py", _polling_interval=0.1)
        poller.wait()
        self.assertEqual(poller.result().id, made.id)
        client.begin_delete_key("py", _polling_interval=0.1).wait()
        client.purge_deleted_key("py")
        with self.assertRaises(ResourceNotFoundError):
            client.get_deleted_key("py")
        restored = client.restore_key_backup(backup)
        self.assertEqual((restored.id, restored.key.x, restored.properties.tags), (made.id, made.key.x, {"a": "b"}))
        self.assertEqual(self.refused(client.restore_key_backup, b"no backup")[0], 400)


if __name__ == "__main__":
    unittest.main()
