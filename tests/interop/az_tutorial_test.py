"""The commands of the first tutorial one by one, with the tutorial's own flags: what az prints, field by field, against
what the tutorial says it prints; and their nearest refusals. Commands that Debian's az 2.45 cannot do by its packaging
run with debian_az_shim.py."""

import json
import unittest
import uuid

import azure_cli

GUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$"
IMAGE = "Canonical:0001-com-ubuntu-confidential-vm-jammy:22_04-lts-cvm:latest"
POLICY = {"version": "1.0.0", "anyOf": [{"authority": "https://sharedweu.weu.attest.azure.net", "allOf": [
    {"claim": "x-ms-isolation-tee.x-ms-attestation-type", "equals": "sevsnpvm"},
    {"claim": "x-ms-isolation-tee.x-ms-compliance-status", "equals": "azure-compliant-cvm"}]}]}


class Tutorial(azure_cli.SignedIn):
    """One lab; each test has a resource group of its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        account = cls.az("account", "show")
        cls.root, cls.tenant = f"/subscriptions/{account['id']}", account["tenantId"]
        cls.me = cls.az("ad", "signed-in-user", "show")["id"]
        (cls.work / "release-policy.json").write_text(json.dumps(POLICY, indent=2))

    def make_group(self):
        name = f"rg-{uuid.uuid4().hex[:8]}"
        self.az("group", "create", "--name", name, "--location", "westeurope")
        return name

    def make_vault(self, group, *flags):
        name = f"MyConfKV-{uuid.uuid4().hex[:8]}"
        return self.az("keyvault", "create", "--name", name, "--resource-group", group, "--location", "westeurope",
                       "--sku", "Premium", "--enable-rbac-authorization", "true", *flags)

    def give(self, role, scope, principal=None, kind="User"):
        return self.whole_az("role", "assignment", "create", "--role", role, "--assignee-object-id",
                             principal or self.me, "--assignee-principal-type", kind, "--scope", scope)

    def make_machine(self, group, name="MyCVM", *flags):
        return self.whole_az(
            "vm", "create", "--resource-group", group, "--name", name, "--image", IMAGE, "--size", "Standard_DC2as_v5",
            "--security-type", "ConfidentialVM", "--os-disk-security-encryption-type", "DiskWithVMGuestState",
            "--enable-vtpm", "true", "--enable-secure-boot", "true", "--assign-identity", "[system]",
            "--public-ip-sku", "Standard", "--admin-username", "azureuser", "--generate-ssh-keys", *flags)

    def matches(self, told, pattern):
        self.assertRegex(str(told), pattern)

    def test_a_group_is_what_the_tutorial_shows(self):
        made = self.az("group", "create", "--name", "MyConfidentialRG", "--location", "westeurope")
        self.assertEqual(made, {
            "id": f"{self.root}/resourceGroups/MyConfidentialRG", "location": "westeurope", "managedBy": None,
            "name": "MyConfidentialRG", "properties": {"provisioningState": "Succeeded"}, "tags": None,
            "type": "Microsoft.Resources/resourceGroups"})

    def test_sizes_of_a_region(self):
        table = self.try_az("vm", "list-skus", "--location", "westeurope", "--size", "Standard_DC2as_v5", "--all",
                            "--output", "table").stdout
        self.assertRegex(table, r"(?m)^virtualMachines +westeurope +Standard_DC2as_v5 +1,2,3 +None$")
        nowhere = self.az("vm", "list-skus", "--location", "westeurope", "--size", "Standard_NC1_v9", "--all")
        self.assertEqual(nowhere, [])

    def test_a_vault_is_what_the_tutorial_shows(self):
        group = self.make_group()
        made = self.make_vault(group, "--enable-purge-protection", "true")
        name = made["name"]
        self.assertEqual(made["id"],
                         f"{self.root}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{name}")
        self.assertEqual((made["location"], made["resourceGroup"], made["type"]),
                         ("westeurope", group, "Microsoft.KeyVault/vaults"))
        properties = made["properties"]
        shown = {"enableRbacAuthorization": True, "provisioningState": "Succeeded",
                 "sku": {"family": "A", "name": "Premium"}, "tenantId": self.tenant,
                 "vaultUri": f"https://{name.lower()}.vault.azure.net/"}
        self.assertEqual({key: properties[key] for key in shown}, shown)
        system = made["systemData"]
        for when in ("createdAt", "lastModifiedAt"):
            self.matches(system.pop(when), TIME)
        self.assertEqual(system, {"createdBy": azure_cli.USER, "createdByType": "User",
                                  "lastModifiedBy": azure_cli.USER, "lastModifiedByType": "User"})

    def test_roles_are_given_listed_and_taken(self):
        vault = self.make_vault(self.make_group())["id"]
        made = self.give("Key Vault Crypto Officer", vault)
        self.assertEqual((made["principalId"], made["principalType"], made["scope"], made["type"]),
                         (self.me, "User", vault, "Microsoft.Authorization/roleAssignments"))
        self.assertTrue(made["roleDefinitionId"].endswith("14b46e9e-c2b7-41b4-b07b-48a6ebf60603"))
        self.assertNotIn("systemData", made)
        listed = self.whole_az("role", "assignment", "list", "--scope", vault)
        self.assertEqual([(one["principalName"], one["roleDefinitionName"], one["scope"]) for one in listed],
                         [(azure_cli.USER, "Key Vault Crypto Officer", vault)])
        refused = self.try_az("role", "assignment", "create", "--role", "Key Vault Chief", "--assignee-object-id",
                              self.me, "--assignee-principal-type", "User", "--scope", vault,
                              program=azure_cli.WHOLE_AZ)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("Role 'Key Vault Chief' doesn't exist", refused.stderr)
        self.whole_az("role", "assignment", "delete", "--ids", made["id"])
        self.assertEqual(self.whole_az("role", "assignment", "list", "--scope", vault), [])

    def test_a_key_with_a_release_policy(self):
        vault = self.make_vault(self.make_group(), "--enable-purge-protection", "true")
        create = ("keyvault", "key", "create", "--vault-name", vault["name"], "--name", "KeyEncryptionKey", "--kty",
                  "RSA-HSM", "--exportable", "true")
        refused = self.try_az(*create, "--policy", "@release-policy.json", program=azure_cli.WHOLE_AZ)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("Forbidden", refused.stderr)
        self.give("Key Vault Crypto Officer", vault["id"])
        refused = self.try_az(*create, program=azure_cli.WHOLE_AZ)  # a key that leaves needs a policy
        self.assertNotEqual(refused.returncode, 0)
        made = self.whole_az(*create, "--policy", "@release-policy.json")
        attributes = made["attributes"]
        for when in ("created", "updated"):
            self.matches(attributes[when], TIME)
        self.assertEqual({name: attributes[name] for name in ("enabled", "exportable", "recoverableDays")},
                         {"enabled": True, "exportable": True, "recoverableDays": 90})
        key = made["key"]
        self.assertEqual((key["kty"], key["e"], key["keyOps"]),
                         ("RSA-HSM", "AQAB", ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]))
        self.matches(key["kid"], rf"^https://{vault['name'].lower()}\.vault\.azure\.net/keys/KeyEncryptionKey/"
                                 r"[0-9a-f]{32}$")
        self.assertIsNone(made["managed"])
        shown = self.whole_az("keyvault", "key", "show", "--vault-name", vault["name"], "--name", "KeyEncryptionKey",
                              "--query", "releasePolicy")
        self.assertEqual(shown, made["releasePolicy"])
        self.assertEqual((shown["contentType"], shown["immutable"]), ("application/json; charset=utf-8", False))
        # As the tutorial shows it: without white space, its members in this order.
        self.assertEqual(shown["encodedPolicy"], json.dumps(POLICY, separators=(",", ":")))

    def test_secrets_from_files(self):
        vault = self.make_vault(self.make_group())
        name = vault["name"]
        self.give("Key Vault Secrets Officer", vault["id"])
        text = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
        (self.work / "secret-file").write_text(text)
        made = self.whole_az("keyvault", "secret", "set", "--vault-name", name, "--name", "ssh-private-key", "--file",
                             "secret-file")
        self.matches(made["id"], rf"^https://{name.lower()}\.vault\.azure\.net/secrets/ssh-private-key/[0-9a-f]+$")
        self.assertEqual((made["name"], made["tags"]), ("ssh-private-key", {"file-encoding": "utf-8"}))
        self.assertTrue(made["attributes"]["enabled"])
        shown = self.try_az("keyvault", "secret", "show", "--name", "ssh-private-key", "--vault-name", name, "--query",
                            "value", "-o", "tsv", program=azure_cli.WHOLE_AZ)
        self.assertEqual(shown.stdout.rstrip("\n"), text.rstrip("\n"))
        missing = self.try_az("keyvault", "secret", "show", "--name", "none", "--vault-name", name,
                              program=azure_cli.WHOLE_AZ)
        self.assertEqual(missing.returncode, 3)
        self.assertIn("SecretNotFound", missing.stderr)

    def test_a_machine_is_what_the_tutorial_shows(self):
        group = self.make_group()
        made = self.make_machine(group)
        machine = f"{self.root}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/MyCVM"
        self.matches(made["identity"]["systemAssignedIdentity"], GUID)
        self.matches(made["macAddress"], r"^([0-9A-F]{2}-){5}[0-9A-F]{2}$")
        self.matches(made["publicIpAddress"], r"^\d+\.\d+\.\d+\.\d+$")
        self.assertEqual({name: made[name] for name in ("fqdns", "id", "location", "powerState", "privateIpAddress",
                                                        "resourceGroup")},
                         {"fqdns": "", "id": machine, "location": "westeurope", "powerState": "VM running",
                          "privateIpAddress": "10.0.0.4", "resourceGroup": group})
        self.assertEqual(made["identity"]["userAssignedIdentities"], {})

        shown = self.whole_az("vm", "show", "-d", "--resource-group", group, "--name", "MyCVM")
        self.assertEqual((shown["identity"]["principalId"], shown["publicIps"]),
                         (made["identity"]["systemAssignedIdentity"], made["publicIpAddress"]))
        self.assertEqual(shown["securityProfile"], {
            "encryptionAtHost": None, "securityType": "ConfidentialVM",
            "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True}})
        self.assertEqual(shown["storageProfile"]["osDisk"]["managedDisk"]["securityProfile"]["securityEncryptionType"],
                         "DiskWithVMGuestState")
        public_key = (self.work / ".ssh/id_rsa.pub").read_text().strip()
        self.assertEqual(shown["osProfile"]["linuxConfiguration"]["ssh"]["publicKeys"][0]["keyData"].strip(),
                         public_key)
        self.assertEqual([one["name"] for one in self.whole_az("vm", "list", "--resource-group", group)], ["MyCVM"])

        self.whole_az("vm", "delete", "--resource-group", group, "--name", "MyCVM", "--yes")
        self.assertEqual(self.whole_az("vm", "list", "--resource-group", group), [])
        again = self.try_az("vm", "delete", "--resource-group", group, "--name", "MyCVM", "--yes",
                            program=azure_cli.WHOLE_AZ)
        self.assertEqual(again.returncode, 0, again.stderr)  # as in Azure
        gone = self.try_az("vm", "show", "--resource-group", group, "--name", "MyCVM", program=azure_cli.WHOLE_AZ)
        self.assertEqual(gone.returncode, 3)
        self.assertIn("ResourceNotFound", gone.stderr)

    def test_a_disk_encryption_set_for_a_machines_disk(self):
        group = self.make_group()
        vault = self.make_vault(group, "--enable-purge-protection", "true")
        self.give("Key Vault Crypto Officer", vault["id"])
        key = self.whole_az("keyvault", "key", "create", "--vault-name", vault["name"], "--name", "DiskKey", "--kty",
                            "RSA-HSM", "--exportable", "true", "--policy", "@release-policy.json")["key"]["kid"]
        made = self.whole_az("disk-encryption-set", "create", "--resource-group", group, "--name", "MyDiskKeys",
                             "--key-url", key, "--encryption-type", "ConfidentialVmEncryptedWithCustomerKey")
        self.assertEqual((made["encryptionType"], made["activeKey"]["keyUrl"], made["provisioningState"]),
                         ("ConfidentialVmEncryptedWithCustomerKey", key, "Succeeded"))
        self.matches(made["identity"]["principalId"], GUID)
        self.give("Key Vault Crypto Service Encryption User", vault["id"], made["identity"]["principalId"],
                  "ServicePrincipal")
        self.make_machine(group, "MyCVM", "--os-disk-secure-vm-disk-encryption-set", made["id"])
        shown = self.whole_az("vm", "show", "--resource-group", group, "--name", "MyCVM", "--query",
                              "storageProfile.osDisk.managedDisk.securityProfile")
        self.assertEqual(shown["diskEncryptionSet"]["id"], made["id"])
        refused = self.try_az("disk-encryption-set", "create", "--resource-group", "none", "--name", "d", "--key-url",
                              key, program=azure_cli.WHOLE_AZ)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("ResourceGroupNotFound", refused.stderr)

    def test_a_machine_that_cannot_be_is_refused_with_azures_words(self):
        refused = self.try_az(
            "vm", "create", "--resource-group", self.make_group(), "--name", "odd", "--image", IMAGE, "--size",
            "Standard_DC2as_v5", "--security-type", "ConfidentialVM", "--os-disk-security-encryption-type",
            "DiskWithVMGuestState", "--enable-vtpm", "false", "--enable-secure-boot", "true", "--admin-username",
            "azureuser", "--generate-ssh-keys", program=azure_cli.WHOLE_AZ)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("InvalidParameter", refused.stderr)

    def test_the_network_of_the_second_tutorial(self):
        group = self.make_group()
        made = self.whole_az("network", "vnet", "create", "--resource-group", group, "--name", "vm-ubuntu-cvm-vnet",
                             "--address-prefix", "10.10.0.0/24", "--subnet-name", "vm-subnet", "--subnet-prefixes",
                             "10.10.0.0/26")["newVNet"]
        self.assertEqual((made["addressSpace"]["addressPrefixes"], made["provisioningState"], made["location"]),
                         (["10.10.0.0/24"], "Succeeded", "westeurope"))
        bastion = self.whole_az("network", "vnet", "subnet", "create", "--resource-group", group, "--vnet-name",
                                "vm-ubuntu-cvm-vnet", "--name", "AzureBastionSubnet", "--address-prefixes",
                                "10.10.0.64/26")
        self.assertEqual(bastion["id"], f"{made['id']}/subnets/AzureBastionSubnet")
        address = self.whole_az("network", "public-ip", "create", "--resource-group", group, "--name",
                                "bastion-northeurope-ip", "--sku", "Standard")["publicIp"]
        self.assertEqual((address["publicIPAllocationMethod"], address["sku"]["name"]), ("Static", "Standard"))

        machine = self.make_machine(group, "vm-ubuntu-cvm", "--vnet-name", "vm-ubuntu-cvm-vnet", "--subnet",
                                    "vm-subnet", "--public-ip-address", "")
        self.assertEqual((machine["privateIpAddress"], machine["publicIpAddress"]), ("10.10.0.4", ""))
        refused = self.try_az("network", "vnet", "subnet", "create", "--resource-group", group, "--vnet-name", "none",
                              "--name", "s", "--address-prefixes", "10.10.0.128/26", program=azure_cli.WHOLE_AZ)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("NotFound", refused.stderr)

    def test_deleting(self):
        group = self.make_group()
        vault = self.make_vault(group)["name"]
        for _ in range(2):  # twice is no error, as in Azure
            done = self.try_az("keyvault", "delete", "--name", vault, "--resource-group", group)
            self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.assertIn(vault, [one["name"] for one in self.az("keyvault", "list-deleted")])
        taken = self.try_az("keyvault", "create", "--name", vault, "--resource-group", group, "--location",
                            "westeurope")
        self.assertNotEqual(taken.returncode, 0)
        self.assertEqual(self.az("keyvault", "recover", "--name", vault)["name"], vault)
        done = self.try_az("group", "delete", "--name", group, "--yes", "--no-wait")
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.assertEqual(self.az("group", "exists", "--name", group), False)
        again = self.try_az("group", "delete", "--name", group, "--yes", "--no-wait")
        self.assertEqual(again.returncode, 3)
        self.assertIn("ResourceGroupNotFound", again.stderr)

    def test_a_name_that_is_taken_is_refused(self):
        vault = self.make_vault(self.make_group())["name"]
        for name in (vault, vault.upper()):
            taken = self.try_az("keyvault", "create", "--name", name, "--resource-group", self.make_group(),
                                "--location", "westeurope")
            self.assertNotEqual(taken.returncode, 0)
            self.assertIn("VaultAlreadyExists", taken.stderr)

    def test_a_template_with_comments_and_parameters(self):
        group = self.make_group()
        template = self.work / "bastion.json"
        template.write_text("""{
  // az pastes this file into a body that is no JSON
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  "parameters": { "name": { "type": "string" } },
  "resources": [
    { "type": "Microsoft.Network/publicIPAddresses", "apiVersion": "2022-07-01",
      "location": "[resourceGroup().location]", "name": "[concat(parameters('name'), '-ip')]", "sku": { "name": "Standard" },
      "properties": { "publicIPAllocationMethod": "Static" } }
  ],
  "outputs": { "address": { "type": "string",
    "value": "[reference(concat(parameters('name'), '-ip')).ipAddress]" } }
}""")
        made = self.az("deployment", "group", "create", "--resource-group", group, "--name", "d1", "--template-file",
                       template, "--parameters", "name=bastion")
        self.assertEqual(made["properties"]["provisioningState"], "Succeeded")
        self.matches(made["properties"]["outputs"]["address"]["value"], r"^\d+\.\d+\.\d+\.\d+$")
        template.write_text(template.read_text().replace("concat(", "concatenate("))
        refused = self.try_az("deployment", "group", "create", "--resource-group", group, "--name", "d2",
                              "--template-file", template, "--parameters", "name=bastion")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("InvalidTemplate", refused.stderr)

    def test_a_template_with_modules(self):
        group = self.make_group()
        template = self.work / "modules.json"

        def module(name, parameters, inside):
            return {"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": name, "properties": {
                "expressionEvaluationOptions": {"scope": "inner"}, "mode": "Incremental", "parameters": parameters,
                "template": {"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
                             "contentVersion": "1.0.0.0", **inside}}}

        network = module("network", {"range": {"value": "[parameters('range')]"}}, {
            "parameters": {"range": {"type": "string"}},
            "resources": [{"type": "Microsoft.Network/virtualNetworks", "apiVersion": "2023-04-01", "name": "v",
                           "location": "[resourceGroup().location]", "properties": {
                               "addressSpace": {"addressPrefixes": ["[parameters('range')]"]},
                               "subnets": [{"name": "s", "properties": {
                                   "addressPrefix": "[cidrSubnet(parameters('range'), 24, 1)]"}}]}}],
            "outputs": {"subnet": {"type": "string",
                                   "value": "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'v', 's')]"}}})
        interface = module("interface", {"subnet": {"value":
            "[reference(resourceId('Microsoft.Resources/deployments', 'network'), '2022-09-01').outputs.subnet.value]"}}, {
            "parameters": {"subnet": {"type": "string"}},
            "resources": [{"type": "Microsoft.Network/networkInterfaces", "apiVersion": "2023-04-01", "name": "n",
                           "location": "[resourceGroup().location]", "properties": {"ipConfigurations": [
                               {"name": "ip", "properties": {"subnet": {"id": "[parameters('subnet')]"}}}]}}],
            "outputs": {"address": {"type": "string", "value":
                "[reference('n').ipConfigurations[0].properties.privateIPAddress]"}}})
        document = {"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
                    "contentVersion": "1.0.0.0",
                    "parameters": {"range": {"type": "string", "defaultValue": "10.30.0.0/16"}},
                    "resources": [interface, network],
                    "outputs": {"address": {"type": "string",
                                            "value": "[reference('interface').outputs.address.value]"}}}
        template.write_text(json.dumps(document))
        on = ("--resource-group", group)
        self.az("deployment", "group", "validate", *on, "--name", "main", "--template-file", template)
        made = self.az("deployment", "group", "create", *on, "--name", "main", "--template-file", template)
        self.assertEqual(made["properties"]["outputs"]["address"]["value"], "10.30.1.4")
        self.assertEqual(len(made["properties"]["outputResources"]), 2)
        names = {one["name"] for one in self.az("deployment", "group", "list", *on)}
        self.assertEqual(names, {"main", "network", "interface"})
        operations = self.az("deployment", "operation", "group", "list", *on, "--name", "main")
        self.assertEqual([one["properties"]["targetResource"]["resourceName"] for one in operations],
                         ["network", "interface"])
        self.assertEqual(len(self.az("deployment", "operation", "group", "list", *on, "--name", "network")), 1)

        # A module that fails says why, all the way down.
        interface["properties"]["parameters"]["subnet"]["value"] = "[concat(resourceGroup().id, '/none')]"
        template.write_text(json.dumps(document))
        refused = self.try_az("deployment", "group", "create", *on, "--name", "main", "--template-file", template)
        self.assertNotEqual(refused.returncode, 0)
        for code in ("DeploymentFailed", "ResourceDeploymentFailure"):
            self.assertIn(code, refused.stderr)
        shown = self.az("deployment", "group", "show", *on, "--name", "interface")
        self.assertEqual(shown["properties"]["provisioningState"], "Failed")

    @unittest.skipUnless(azure_cli.is_debians(), "az is not Debian's 2.45")
    def test_the_log_tells_users_of_debians_az(self):
        self.make_group()
        log = (self.lab / "up/requests.log").read_text()
        self.assertEqual(log.count("(2.45.0 of Debian)"), 1)

    @unittest.skipUnless(azure_cli.is_debians(), "az is not Debian's 2.45")
    def test_debians_az_still_needs_help(self):
        # When one of these passes, the help for it can go.
        for command in (("vm", "list"), ("role", "assignment", "list"),
                        ("keyvault", "key", "list", "--vault-name", "v"),
                        ("keyvault", "secret", "show", "--vault-name", "v", "--name", "s"),
                        ("network", "vnet", "create", "-g", "g", "-n", "n")):
            with self.subTest(command):
                self.assertNotEqual(self.try_az(*command).returncode, 0)
                self.assertRegex(self.try_az(*command).stderr, "has no attribute|No module named|operation group")


if __name__ == "__main__":
    unittest.main()
