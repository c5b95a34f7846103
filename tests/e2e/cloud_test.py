"""The resource manager of a lab, behind the front door: Python's urllib as a client that knows Azure's host names and
the variables of 'vouchsafe env'. What it makes at management.azure.com is there at vault.azure.net."""

import base64
import json
import os
import pathlib
import signal
import ssl
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request

PROGRAM = os.environ["VOUCHSAFE"]
CRYPTO_OFFICER = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603"
ATTESTATION_READER = "fd1bd22b-8476-40bc-a0bc-69b95687b9f3"
AZ = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"  # client id of Azure's command line
MANAGEMENT = "https://management.azure.com"


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120)


class ResourceManager(unittest.TestCase):
    """One lab for all; each test has a resource group and a vault of its own."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-cloud-")
        cls.addClassCleanup(folder.cleanup)
        cls.lab = pathlib.Path(folder.name) / "lab"
        cls.addClassCleanup(lambda: run("down", "--dir", cls.lab))
        cls.up()
        about = json.loads((cls.lab / "directory.json").read_text())
        cls.tenant, cls.subscription = about["tenant"], about["subscription"]
        cls.root = f"/subscriptions/{cls.subscription}"

    @classmethod
    def up(cls):
        made = run("up", "--detach", "--dir", cls.lab)
        assert made.returncode == 0, made.stderr
        variables = json.loads(run("--json", "env", "--dir", cls.lab).stdout)
        context = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
        cls.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({"https": variables["HTTPS_PROXY"]}),
            urllib.request.HTTPSHandler(context=context))
        cls.tokens = {}

    def ask(self, method, url, body=None, token=None, form=None):
        """ask returns status and JSON (or None) of an answer. A body of bytes is sent as it is."""
        data = None
        headers = {}
        if isinstance(body, bytes):
            data, headers["Content-Type"] = body, "application/json"
        elif body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        if form is not None:
            data, headers["Content-Type"] = urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded"
        if token:
            headers["Authorization"] = "Bearer " + token
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        try:
            with self.opener.open(request, timeout=60) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read()
        return status, json.loads(text) if text else None

    def sign_in(self, scope, password=None):
        password = password or (self.lab / "user.password").read_text()
        return self.ask("POST", f"https://login.microsoftonline.com/{self.tenant}/oauth2/v2.0/token", form={
            "grant_type": "password", "client_id": AZ, "scope": scope, "username": "user@lab.test",
            "password": password})

    def token(self, scope):
        if scope not in self.tokens:
            status, answer = self.sign_in(scope)
            self.assertEqual(status, 200, answer)
            self.tokens[scope] = answer["access_token"]
        return self.tokens[scope]

    def arm(self, method, path, body=None, version="2022-07-01"):
        return self.ask(method, f"{MANAGEMENT}{path}?api-version={version}", body,
                        self.token("https://management.azure.com//.default"))

    def vault(self, method, name, path, body=None, token=None):
        return self.ask(method, f"https://{name}.vault.azure.net{path}?api-version=7.4", body,
                        token or self.token("https://vault.azure.net/.default"))

    def me(self):
        status, me = self.ask("GET", "https://graph.microsoft.com/v1.0/me",
                              token=self.token("https://graph.microsoft.com/.default"))
        self.assertEqual(status, 200, me)
        return me

    def group(self, name):
        path = f"{self.root}/resourcegroups/{name}"
        status, made = self.arm("PUT", path, {"location": "westeurope"})
        self.assertEqual(status, 201, made)
        return path

    def vault_body(self, **properties):
        return {"location": "westeurope",
                "properties": {"tenantId": self.tenant, "sku": {"family": "A", "name": "premium"},
                               "accessPolicies": [], "enableRbacAuthorization": True, **properties}}

    def make_vault(self, group, name, **properties):
        path = f"{group}/providers/Microsoft.KeyVault/vaults/{name}"
        status, made = self.arm("PUT", path, self.vault_body(**properties))
        self.assertEqual(status, 201, made)
        self.assertEqual(made["properties"]["vaultUri"], f"https://{name}.vault.azure.net/")
        return path

    def assign(self, scope, role, principal, number):
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-{number:012}"
        definition = f"{self.root}/providers/Microsoft.Authorization/roleDefinitions/{role}"
        status, made = self.arm("PUT", path, {"properties": {"roleDefinitionId": definition,
                                                             "principalId": principal}})
        self.assertEqual(status, 201, made)
        return path

    def make_key(self, vault, name="k", token=None):
        return self.vault("POST", vault, f"/keys/{name}/create", {"kty": "RSA"}, token)

    def test_a_user_signs_in_and_sees_tenant_subscription_and_self(self):
        status, refused = self.sign_in("https://management.azure.com/.default", password="wrong password")
        self.assertEqual((status, refused["error"]), (400, "invalid_grant"))
        for audience in ("https://management.azure.com", "https://management.core.windows.net"):
            for slash in ("", "/"):
                with self.subTest(audience + slash):
                    token = self.token(f"{audience}{slash}/.default")
                    status, seen = self.ask("GET", f"{MANAGEMENT}/subscriptions?api-version=2022-12-01", token=token)
                    self.assertEqual(status, 200, seen)
                    self.assertEqual([one["subscriptionId"] for one in seen["value"]], [self.subscription])
        status, seen = self.arm("GET", "/tenants")
        self.assertEqual([one["tenantId"] for one in seen["value"]], [self.tenant])
        self.assertEqual(self.me()["userPrincipalName"], "user@lab.test")
        # A token for another service is none here, and no token is none either.
        for token in (None, self.token("https://vault.azure.net/.default")):
            status, refused = self.ask("GET", f"{MANAGEMENT}/subscriptions?api-version=2022-12-01", token=token)
            self.assertEqual(status, 401, refused)

    def test_a_role_opens_a_vault_and_everything_outlives_the_lab(self):
        group = self.group("roles")
        path = f"{group}/providers/Microsoft.KeyVault/vaults/roles-vault"
        self.assertEqual(self.arm("GET", path)[0], 404)
        self.assertEqual(self.make_key("roles-vault")[0], 404)
        self.make_vault(group, "roles-vault")
        status, again = self.arm("PUT", path, self.vault_body())
        self.assertEqual(status, 200, again)

        # Who owns the subscription has no word within a vault.
        self.assertEqual(self.make_key("roles-vault")[0], 403)
        role = self.assign(path, CRYPTO_OFFICER, self.me()["id"], 1)
        status, key = self.make_key("roles-vault")
        self.assertEqual(status, 200, key)
        self.assertIn("https://roles-vault.vault.azure.net/keys/k/", key["key"]["kid"])
        self.make_vault(group, "roles-vault-2")
        self.assertEqual(self.make_key("roles-vault-2")[0], 403)

        run("down", "--dir", self.lab)
        type(self).up()
        self.assertEqual(self.arm("GET", path)[0], 200)
        status, shown = self.vault("GET", "roles-vault", "/keys/k/")
        self.assertEqual((status, shown["key"]["kid"]), (200, key["key"]["kid"]))
        status, groups = self.arm("GET", f"{self.root}/resourcegroups")
        self.assertIn("roles", [one["name"] for one in groups["value"]])

        self.assertEqual(self.arm("DELETE", role)[0], 200)
        self.assertEqual(self.vault("GET", "roles-vault", "/keys/k/")[0], 403)
        self.assertEqual(self.arm("DELETE", role)[0], 204)

    def test_a_role_on_a_group_or_the_subscription_holds_in_its_vaults(self):
        inside, outside = self.group("inherit"), self.group("inherit-not")
        self.make_vault(inside, "inherit-in")
        self.make_vault(outside, "inherit-out")
        role = self.assign(inside, CRYPTO_OFFICER, self.me()["id"], 2)
        self.assertEqual(self.make_key("inherit-in")[0], 200)
        self.assertEqual(self.make_key("inherit-out")[0], 403)
        self.assertEqual(self.arm("DELETE", role)[0], 200)
        role = self.assign(self.root, CRYPTO_OFFICER, self.me()["id"], 3)
        self.assertEqual(self.make_key("inherit-out")[0], 200)
        self.assertEqual(self.arm("DELETE", role)[0], 200)
        self.assertEqual(self.make_key("inherit-out")[0], 403)

    def test_a_lab_killed_right_after_a_write_has_it(self):
        group = self.group("killed")
        self.make_vault(group, "killed-vault")
        self.assign(group, CRYPTO_OFFICER, self.me()["id"], 4)
        pid = json.loads(run("--json", "status", "--dir", self.lab).stdout)["pid"]
        os.kill(pid, signal.SIGKILL)
        type(self).up()
        self.assertEqual(self.make_key("killed-vault")[0], 200)

    def test_access_policies_decide_where_roles_do_not(self):
        group = self.group("policies")
        me = self.me()["id"]
        policy = {"tenantId": self.tenant, "objectId": me,
                  "permissions": {"keys": ["create", "get"], "secrets": [], "certificates": ["list"]}}
        path = self.make_vault(group, "policy-vault", enableRbacAuthorization=False, accessPolicies=[policy])
        self.assign(path, CRYPTO_OFFICER, me, 5)  # no word while policies decide
        self.assertEqual(self.make_key("policy-vault")[0], 200)
        self.assertEqual(self.vault("DELETE", "policy-vault", "/keys/k")[0], 403)

        wrong = {**policy, "permissions": {"keys": ["conquer"]}}
        status, refused = self.arm("PUT", path, self.vault_body(accessPolicies=[wrong]))
        self.assertEqual(status, 400, refused)
        foreign = {**policy, "tenantId": "99999999-9999-4999-8999-999999999999"}
        status, refused = self.arm("PUT", path, self.vault_body(accessPolicies=[foreign]))
        self.assertEqual(status, 400, refused)
        self.assertEqual(self.vault("GET", "policy-vault", "/keys/k/")[0], 200)

        status, _ = self.arm("PUT", path + "/accessPolicies/remove", {"properties": {"accessPolicies": [policy]}})
        self.assertEqual(status, 200)
        self.assertEqual(self.vault("GET", "policy-vault", "/keys/k/")[0], 403)
        status, _ = self.arm("PATCH", path, {"properties": {"enableRbacAuthorization": True}})
        self.assertEqual(status, 200)
        self.assertEqual(self.vault("GET", "policy-vault", "/keys/k/")[0], 200)

    def test_network_rules_close_a_vault(self):
        group = self.group("networks")
        path = self.make_vault(group, "network-vault")
        self.assign(path, CRYPTO_OFFICER, self.me()["id"], 6)
        self.assertEqual(self.make_key("network-vault")[0], 200)
        for rules in ({"networkAcls": {"defaultAction": "Deny", "ipRules": []}},
                      {"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "192.0.2.7/32"}]}},
                      {"publicNetworkAccess": "Disabled"}):
            with self.subTest(rules):
                self.assertEqual(self.arm("PATCH", path, {"properties": rules})[0], 200)
                self.assertEqual(self.make_key("network-vault")[0], 403)
        here = {"publicNetworkAccess": "Enabled",
                "networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "127.0.0.0/8"}]}}
        self.assertEqual(self.arm("PATCH", path, {"properties": here})[0], 200)
        self.assertEqual(self.make_key("network-vault")[0], 200)
        for rules in ({"defaultAction": "Deny", "ipRules": [{"value": "here"}]}, {"defaultAction": "Perhaps"}):
            self.assertEqual(self.arm("PATCH", path, {"properties": {"networkAcls": rules}})[0], 400)
        # A subnet's machines come from its addresses; this program does not.
        network = f"{group}/providers/Microsoft.Network/virtualNetworks/net"
        subnet = {"defaultAction": "Deny", "virtualNetworkRules": [{"id": f"{network}/subnets/sub"}]}
        self.assertEqual(self.arm("PATCH", path, {"properties": {"networkAcls": subnet}})[0], 400)
        self.assertEqual(self.make_key("network-vault")[0], 200)
        status, made = self.arm("PUT", network, {"location": "westeurope", "properties": {"subnets": [
            {"name": "sub", "properties": {"addressPrefix": "10.9.0.0/24"}}]}})
        self.assertEqual(status, 201, made)
        self.assertEqual(self.arm("PATCH", path, {"properties": {"networkAcls": subnet}})[0], 200)
        self.assertEqual(self.make_key("network-vault")[0], 403)

    def test_a_deleted_vault_is_closed_and_comes_back_whole(self):
        group = self.group("deleted")
        path = self.make_vault(group, "deleted-vault")
        role = self.assign(self.root, CRYPTO_OFFICER, self.me()["id"], 7)
        self.addCleanup(lambda: self.arm("DELETE", role))
        self.assertEqual(self.make_key("deleted-vault")[0], 200)
        # The group takes its vaults with it.
        self.assertEqual(self.arm("DELETE", group)[0], 202)
        self.assertEqual(self.vault("GET", "deleted-vault", "/keys/k/")[0], 404)
        shown = run("--json", "admin", "vault", "show", "deleted-vault", "--dir", self.lab)
        self.assertTrue(json.loads(shown.stdout)["deleted"], shown.stderr)
        self.group("deleted")
        status, refused = self.arm("PUT", path, self.vault_body())
        self.assertEqual(status, 409, refused)

        status, back = self.arm("PUT", path, self.vault_body(createMode="recover"))
        self.assertIn(status, (200, 201), back)
        self.assertEqual(self.vault("GET", "deleted-vault", "/keys/k/")[0], 200)

    def test_a_purged_vault_leaves_its_name_and_nothing_else(self):
        group = self.group("purged")
        path = self.make_vault(group, "purged-vault")
        role = self.assign(self.root, CRYPTO_OFFICER, self.me()["id"], 9)
        self.addCleanup(lambda: self.arm("DELETE", role))
        self.assertEqual(self.make_key("purged-vault")[0], 200)
        purge = f"{self.root}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/purged-vault/purge"
        self.assertEqual(self.arm("POST", purge)[0], 404)
        self.assertEqual(self.arm("DELETE", path)[0], 200)
        self.assertEqual(self.arm("POST", purge)[0], 200)
        self.assertEqual(self.arm("PUT", path, self.vault_body(createMode="recover"))[0], 404)
        self.make_vault(group, "purged-vault")
        self.assertEqual(self.vault("GET", "purged-vault", "/keys/k/")[0], 404)

        guarded = self.make_vault(group, "guarded-vault", enablePurgeProtection=True)
        self.assertEqual(self.arm("DELETE", guarded)[0], 200)
        status, refused = self.arm("POST", purge.replace("purged-vault", "guarded-vault"))
        self.assertEqual((status, refused["error"]["code"]), (405, "MethodNotAllowed"))

    def test_a_vault_that_others_made_is_not_taken(self):
        run("down", "--dir", self.lab)
        made = run("admin", "vault", "create", "operators-own", "--dir", self.lab)
        self.assertEqual(made.returncode, 0, made.stderr)
        type(self).up()
        path = f"{self.group('taken')}/providers/Microsoft.KeyVault/vaults/Operators-Own"
        status, refused = self.arm("PUT", path, self.vault_body())
        self.assertEqual(status, 409, refused)
        self.assertEqual(self.arm("GET", path)[0], 404)
        self.assertEqual(self.vault("GET", "operators-own", "/keys")[0], 403)

    def known(self, *ids):
        """known are those of the object ids that the directory has."""
        status, found = self.ask("POST", "https://graph.microsoft.com/v1.0/directoryObjects/getByIds",
                                 {"ids": ids}, self.token("https://graph.microsoft.com/.default"))
        self.assertEqual(status, 200, found)
        return [one["id"] for one in found["value"]]

    def test_a_machine_has_an_identity_while_it_asks_for_one(self):
        group = self.group("machines")
        network = f"{group}/providers/Microsoft.Network/virtualNetworks/net"
        interface = f"{group}/providers/Microsoft.Network/networkInterfaces/nic"
        machine = f"{group}/providers/Microsoft.Compute/virtualMachines/alice"
        subnets = [{"name": "sub", "properties": {"addressPrefix": "10.0.0.0/28"}}]
        body = {"location": "westeurope", "identity": {"type": "SystemAssigned"},
                "properties": {"networkProfile": {"networkInterfaces": [{"id": interface}]}}}
        for path, resource in (
                (network, {"location": "westeurope", "properties": {"subnets": subnets}}),
                (interface, {"location": "westeurope", "properties": {"ipConfigurations": [
                    {"name": "ip", "properties": {"subnet": {"id": f"{network}/subnets/sub"}}}]}})):
            status, made = self.arm("PUT", path, resource)
            self.assertEqual(status, 201, made)
        status, made = self.arm("PUT", machine, body)
        self.assertEqual(status, 201, made)
        principal = made["identity"]["principalId"]
        self.assertEqual(self.known(principal), [principal])
        status, again = self.arm("PUT", machine, body)
        self.assertEqual((status, again["identity"]["principalId"]), (200, principal))
        self.assertEqual(self.arm("POST", machine + "/deallocate")[0], 200)

        unknown = {**body, "identity": {"type": "UserAssigned", "userAssignedIdentities": {machine + "x": {}}}}
        status, refused = self.arm("PUT", machine, unknown)
        self.assertEqual(status, 400, refused)
        self.assertEqual(self.known(principal), [principal])
        status, _ = self.arm("PUT", machine, {**body, "identity": {"type": "None"}})
        self.assertEqual(status, 200)
        self.assertEqual(self.known(principal), [])
        status, other = self.arm("PUT", machine, body)
        self.assertNotEqual(other["identity"]["principalId"], principal)
        self.assertEqual(self.arm("DELETE", machine)[0], 200)
        self.assertEqual(self.known(other["identity"]["principalId"]), [])

    def test_identities_are_known_to_the_token_issuer(self):
        group = self.group("identities")
        path = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mine"
        status, made = self.arm("PUT", path, {"location": "westeurope"})
        self.assertEqual(status, 201, made)
        status, known = self.ask("POST", "https://graph.microsoft.com/v1.0/directoryObjects/getByIds",
                                 {"ids": [made["properties"]["principalId"]]},
                                 self.token("https://graph.microsoft.com/.default"))
        self.assertEqual([one["appId"] for one in known["value"]], [made["properties"]["clientId"]])
        status, again = self.arm("PUT", path, {"location": "westeurope"})
        self.assertEqual(again["properties"]["principalId"], made["properties"]["principalId"])

        disks = f"{group}/providers/Microsoft.Compute/diskEncryptionSets/set"
        status, encryption = self.arm("PUT", disks, {
            "location": "westeurope",
            "identity": {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {path: {}}},
            "properties": {}})
        self.assertEqual(status, 200, encryption)  # its clients know no 201
        self.assertEqual(encryption["identity"]["userAssignedIdentities"][path]["principalId"],
                         made["properties"]["principalId"])
        principal = encryption["identity"]["principalId"]
        ids = [principal, made["properties"]["principalId"]]
        self.assertEqual(self.known(*ids), ids)
        self.assertEqual(self.arm("DELETE", group)[0], 202)
        self.assertEqual(self.known(*ids), [])

    def test_an_id_is_the_same_in_any_case_and_with_any_slashes(self):
        path = self.make_vault(self.group("Any-Case"), "any-case-vault")
        shouted = path.upper().replace("/PROVIDERS/", "//PROVIDERS//") + "/"
        status, shown = self.arm("GET", shouted)
        self.assertEqual((status, shown["id"]), (200, path.replace("resourcegroups", "resourceGroups")))
        status, again = self.arm("PUT", shouted, self.vault_body(enableSoftDelete=True))
        self.assertEqual((status, again["id"]), (200, shown["id"]))
        # A role that is given there counts, and is taken there.
        role = self.assign(shouted.rstrip("/"), CRYPTO_OFFICER, self.me()["id"], 20)
        self.assertEqual(self.make_key("any-case-vault")[0], 200)
        self.assertEqual(self.arm("DELETE", role.lower().replace("/roleassignments/", "//roleassignments//"))[0], 200)
        self.assertEqual(self.vault("GET", "any-case-vault", "/keys/k/")[0], 403)
        self.assertEqual(self.arm("DELETE", shouted)[0], 200)
        self.assertEqual(self.arm("GET", path)[0], 404)
        # Another name is another one, however close.
        self.assertEqual(self.arm("GET", path + "x")[0], 404)

    def test_bodies_that_are_no_json(self):
        group = self.group("no-json")
        vault = f"{group}/providers/Microsoft.KeyVault/vaults/no-json-vault"
        for path in (group, vault):
            for body in (b"", b"[]", b"{'location': 'westeurope'}", b'{"location": "westeurope"', b"\xff\xfe{}"):
                with self.subTest(path=path, body=body):
                    status, refused = self.arm("PUT", path, body)
                    self.assertEqual((status, refused["error"]["code"]), (400, "InvalidRequestContent"))
        # az sends deployments like this: the template is its file, behind a name without quotes.
        network = """{"location": "westeurope", "type": "Microsoft.Network/virtualNetworks", "name": "net",
                      "apiVersion": "2022-07-01", // the newest here
                      "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/24"]},},}"""
        deployment = f"{group}/providers/Microsoft.Resources/deployments/d"
        body = '{"properties": {"mode": "Incremental", "parameters": {}, template: {"resources": [%s]}}}'
        status, made = self.arm("PUT", deployment, (body % network).encode())
        self.assertEqual((status, made["properties"]["provisioningState"]), (200, "Succeeded"), made)
        self.assertEqual(self.arm("GET", f"{group}/providers/Microsoft.Network/virtualNetworks/net")[0], 200)
        for bad in ((body % network)[:-1], body % "{", "template: 1", ""):
            with self.subTest(bad):
                status, refused = self.arm("PUT", deployment + "2", bad.encode())
                self.assertEqual((status, refused["error"]["code"]), (400, "InvalidRequestContent"))
        self.assertEqual(self.arm("GET", deployment + "2")[0], 404)

    def test_deleting_twice_is_no_harm(self):
        group = self.group("twice")
        vault = self.make_vault(group, "twice-vault")
        role = self.assign(vault, CRYPTO_OFFICER, self.me()["id"], 21)
        identity = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/twice"
        network = f"{group}/providers/Microsoft.Network/virtualNetworks/twice"
        for path in (identity, network):
            self.assertEqual(self.arm("PUT", path, {"location": "westeurope"})[0], 201)
        for path in (role, vault, identity, network):
            with self.subTest(path):
                self.assertEqual(self.arm("DELETE", path)[0], 200)
                self.assertEqual(self.arm("DELETE", path)[0], 204)
        self.assertEqual(self.arm("DELETE", group)[0], 202)
        status, gone = self.arm("DELETE", group)
        self.assertEqual((status, gone["error"]["code"]), (404, "ResourceGroupNotFound"))

    def test_a_name_in_use_is_refused_wherever_it_is_asked_for(self):
        first, second = self.group("in-use"), self.group("in-use-not")
        self.make_vault(first, "in-use-vault")
        for name in ("in-use-vault", "In-Use-Vault"):
            status, refused = self.arm("PUT", f"{second}/providers/Microsoft.KeyVault/vaults/{name}",
                                       self.vault_body())
            self.assertEqual((status, refused["error"]["code"]), (409, "VaultAlreadyExists"))
            check = f"{self.root}/providers/Microsoft.KeyVault/checkNameAvailability"
            status, told = self.arm("POST", check, {"name": name, "type": "Microsoft.KeyVault/vaults"})
            self.assertEqual((status, told["nameAvailable"]), (200, False))
        # Names of other types are taken in their group alone.
        for group in (first, second):
            network = f"{group}/providers/Microsoft.Network/virtualNetworks/same"
            self.assertEqual(self.arm("PUT", network, {"location": "westeurope"})[0], 201)
        self.make_vault(second, "in-use-not-vault")

    def provider(self, group, name="mine", **properties):
        path = f"{group}/providers/Microsoft.Attestation/attestationProviders/{name}"
        return path, self.arm("PUT", path, {"location": "westeurope", "properties": properties})

    def attest(self, method, host, path, body=None, token=True):
        """attest asks an attestation provider; a policy is a text, sent as it is."""
        headers = {"Authorization": "Bearer " + self.token("https://attest.azure.net/.default")} if token else {}
        data = None if body is None else body.encode()
        request = urllib.request.Request(f"https://{host}{path}?api-version=2022-08-01", data=data, method=method,
                                         headers={**headers, "Content-Type": "text/plain"})
        try:
            with self.opener.open(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None

    def unsigned(self, text):
        def encode(value):
            return base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")
        return encode('{"alg":"none"}') + "." + encode(json.dumps({"AttestationPolicy": encode(text)})) + "."

    def attested(self, issuer):
        """attested is a machine's token of a provider. The lab is down meanwhile."""
        run("down", "--dir", self.lab)
        run("vm", "create", "prover", "--dir", self.lab)
        made = run("vm", "exec", "prover", "--dir", self.lab, "--", "vouchsafe", "attest", "--attest-url", issuer)
        type(self).up()
        self.assertEqual(made.returncode, 0, made.stderr)
        return made.stdout.strip()

    def test_a_provider_of_ones_own_attests_and_ends_with_its_resource(self):
        host = "mine.weu.attest.azure.net"
        self.assertEqual(self.attest("GET", host, "/certs", token=False)[0], 404)
        group = self.group("providers")
        path, (status, made) = self.provider(group)
        self.assertEqual(status, 201, made)
        self.assertEqual(made["properties"]["attestUri"], f"https://{host}")
        for name, code in (("sharedweu", 409), ("SharedNeu", 409), ("no", 400), ("no-hyphens", 400)):
            with self.subTest(name):
                self.assertEqual(self.provider(group, name)[1][0], code)
        self.assertEqual(self.provider(self.group("providers-2"), "Mine")[1][1]["error"]["code"], "DuplicateTenant")
        status, keys = self.attest("GET", host, "/certs", token=False)
        self.assertEqual(status, 200)
        self.assertNotEqual(keys, self.attest("GET", "sharedweu.weu.attest.azure.net", "/certs", token=False)[1])

        # Its owner sets a policy, which counts for it alone.
        deny = self.unsigned("version=1.0; authorizationrules { => deny(); }; issuancerules {};")
        permit = self.unsigned("version=1.0; authorizationrules { => permit(); }; issuancerules {};")
        self.assertEqual(self.attest("PUT", host, "/policies/SgxEnclave", deny, token=False)[0], 401)
        self.assertEqual(self.attest("PUT", host, "/policies/SgxEnclave", deny)[0], 200)
        self.assertEqual(self.attest("PUT", host, "/policies/AzureGuest", permit)[0], 200)
        self.assertEqual(self.attest("PUT", "sharedweu.weu.attest.azure.net", "/policies/SgxEnclave", deny)[0], 401)

        # A vault believes it, through a restart, until it is gone; what comes back has other keys.
        self.make_vault(group, "proving-vault")
        self.assign(self.root, CRYPTO_OFFICER, self.me()["id"], 20)
        self.addCleanup(self.arm, "DELETE", f"{self.root}/providers/Microsoft.Authorization/roleAssignments/"
                                            "00000000-0000-4000-8000-000000000020")
        policy = {"version": "1.0.0", "anyOf": [{"authority": f"https://{host}", "allOf": [
            {"claim": "x-ms-isolation-tee.x-ms-attestation-type", "equals": "sevsnpvm"}]}]}
        data = base64.urlsafe_b64encode(json.dumps(policy).encode()).decode().rstrip("=")
        status, key = self.vault("POST", "proving-vault", "/keys/k/create", {
            "kty": "RSA-HSM", "attributes": {"exportable": True}, "release_policy": {"data": data}})
        self.assertEqual(status, 200, key)
        token = self.attested(f"https://{host}")
        self.assertEqual(self.attest("GET", host, "/certs", token=False)[1], keys)

        def release(shown):
            return self.vault("POST", "proving-vault", "/keys/k/release", {"target": shown})[0]

        self.assertEqual(release(token), 200)
        self.assertEqual(release(self.attested("https://sharedweu.weu.attest.azure.net")), 403)
        self.assertEqual(self.arm("DELETE", path)[0], 200)
        self.assertEqual(self.attest("GET", host, "/certs", token=False)[0], 404)
        self.assertEqual(release(token), 403)
        self.assertEqual(self.provider(group)[1][0], 201)
        self.assertEqual(release(token), 403)
        self.assertEqual(release(self.attested(f"https://{host}")), 200)

    def test_a_provider_outlives_a_lab_that_is_killed(self):
        group = self.group("killed-providers")
        self.assertEqual(self.provider(group, "survivor")[1][0], 201)
        keys = self.attest("GET", "survivor.weu.attest.azure.net", "/certs", token=False)
        pid = json.loads(run("--json", "status", "--dir", self.lab).stdout)["pid"]
        os.kill(pid, signal.SIGKILL)
        type(self).up()
        self.assertEqual(self.attest("GET", "survivor.weu.attest.azure.net", "/certs", token=False), keys)

    def test_azures_own_providers_and_names_are_told(self):
        attestation = f"{self.root}/providers/Microsoft.Attestation"
        status, listed = self.arm("GET", attestation + "/defaultProviders")
        self.assertEqual([one["properties"]["attestUri"] for one in listed["value"]],
                         ["https://sharedweu.weu.attest.azure.net"])
        self.assertEqual(self.arm("GET", attestation + "/locations/westeurope/defaultProvider")[1], listed["value"][0])
        self.assertEqual(self.arm("GET", attestation + "/locations/eastus/defaultProvider")[0], 404)
        status, cloud = self.ask("GET", f"{MANAGEMENT}/metadata/endpoints?api-version=2022-09-01")
        self.assertEqual((status, cloud["suffixes"]["keyVaultDns"]), (200, "vault.azure.net"))

    def test_what_cannot_be_done_says_so(self):
        group = self.group("unbuilt")
        path, (status, refused) = self.provider(group, "closed", publicNetworkAccess="Disabled")
        self.assertEqual((status, refused["error"]["code"]), (501, "NotImplemented"))
        self.assertEqual(self.arm("GET", path)[0], 404)
        vault = self.make_vault(group, "unbuilt-vault")
        status, refused = self.arm("PATCH", vault, {"properties": {"softDeleteRetentionInDays": 7}})
        self.assertEqual((status, refused["error"]["code"]), (400, "BadRequest"))
        status, refused = self.arm("PATCH", vault, {"properties": {"sku": {"family": "A", "name": "standard"}}})
        self.assertEqual(status, 200, refused)

    def test_roles_are_given_to_whom_the_directory_knows(self):
        group = self.group("principals")
        path = f"{group}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-000000000030"
        body = {"roleDefinitionId": f"{self.root}/providers/Microsoft.Authorization/roleDefinitions/{CRYPTO_OFFICER}",
                "principalId": "99999999-9999-4999-8999-999999999999"}
        for kind in ({}, {"principalType": "User"}):
            status, refused = self.arm("PUT", path, {"properties": {**body, **kind}})
            self.assertEqual((status, refused["error"]["code"]), (400, "PrincipalNotFound"))
        status, made = self.arm("PUT", path, {"properties": {**body, "principalType": "ServicePrincipal"}})
        self.assertEqual(status, 201, made)

    def test_attestation_roles_reach_the_attestation_service(self):
        service = f"{self.root}/resourceGroups/lab/providers/Microsoft.Attestation/attestationProviders/attestation"
        self.group("lab")
        url = "https://sharedweu.weu.attest.azure.net/policies/AzureGuest?api-version=2022-08-01"
        token = self.token("https://attest.azure.net/.default")
        self.assertEqual(self.ask("GET", url, token=token)[0], 401)  # as Azure's says it (azure-api C.7)
        role = self.assign(service, ATTESTATION_READER, self.me()["id"], 8)
        self.assertEqual(self.ask("GET", url, token=token)[0], 200)
        self.assertEqual(self.arm("DELETE", role)[0], 200)
        self.assertEqual(self.ask("GET", url, token=token)[0], 401)


if __name__ == "__main__":
    unittest.main()
