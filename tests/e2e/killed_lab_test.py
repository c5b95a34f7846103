"""A lab that is killed in the middle of what it does (SIGKILL, as a power cut or the kernel's OOM killer would): the
next 'up' finds a consistent state. Kills at random moments in operations of each kind; VS_SEED repeats a run, and
VS_KILLS=500 makes a long one."""

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import threading
import time
import unittest
import urllib.error

import vms_test

KILLS = int(os.environ.get("VS_KILLS", "9"))
ROLE = vms_test.CRYPTO_OFFICER


def records(lab, service, table):
    """records are what a service keeps, as (key, value)."""
    with contextlib.closing(sqlite3.connect(f"file:{lab}/{service}/store.db?mode=ro", uri=True)) as store:
        return store.execute("SELECT key, value FROM keyed WHERE collection = ?", (table.encode(),)).fetchall()


def processes_below(folder):
    """processes_below are pids of software TPMs whose folder is below this one."""
    out = set()
    for process in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and (process / "cmdline").read_bytes().startswith(b"swtpm\0") and \
                    pathlib.Path(os.readlink(process / "cwd")).is_relative_to(folder):
                out.add(int(process.name))
    return out


class Consistent(vms_test.Lab):
    """A lab, operations of each kind, and what must be so in it at any time."""

    def setUp(self):
        self.at = self.group("killed")
        self.interfaces = {name: self.interface(self.at, name) for name in ("m0", "m1", "m2")}
        _, me = self.ask("GET", "https://graph.microsoft.com/v1.0/me",
                         token=self.token("https://graph.microsoft.com/.default"))
        self.me = me["id"]
        self.long = {}  # how long operations took that were not cut short

    def provider_path(self, kind, name):
        return f"{self.at}/providers/{kind}/{name}"

    # ---- operations: each returns method, path, body, and what it shall be afterwards (None: unknown)

    def operations(self):
        located = {"location": "westeurope"}
        vault = {**located, "properties": {"tenantId": self.tenant, "sku": {"family": "A", "name": "premium"},
                                           "accessPolicies": [], "enableRbacAuthorization": True}}
        machine = self.provider_path("Microsoft.Compute/virtualMachines", "m0")
        machine_1 = self.provider_path("Microsoft.Compute/virtualMachines", "m1")
        vaults = self.provider_path("Microsoft.KeyVault/vaults", "killed-vault")
        provider = self.provider_path("Microsoft.Attestation/attestationProviders", "killed")
        sets = self.provider_path("Microsoft.Compute/diskEncryptionSets", "des")
        identity = self.provider_path("Microsoft.ManagedIdentity/userAssignedIdentities", "lent")
        role = (f"{self.at}/providers/Microsoft.Authorization/roleAssignments/"
                "00000000-0000-4000-8000-000000000001")
        deployment = self.provider_path("Microsoft.Resources/deployments", "d")
        deleted = (f"{self.root}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/killed-vault")
        template = {"properties": {"mode": "Incremental", "template": {"resources": [
            {"type": "Microsoft.KeyVault/vaults", "apiVersion": "2022-07-01", "name": "killed-vault-2", **vault},
            {"type": "Microsoft.Compute/virtualMachines", "apiVersion": "2022-07-01", "name": "m2",
             **self.body(self.interfaces["m2"])}]}}}
        return {
            "make a machine": [("PUT", machine, self.body(self.interfaces["m0"]))],
            "change a machine": [("PATCH", machine, {"identity": {"type": "None"}}),
                                 ("PATCH", machine, {"identity": {"type": "SystemAssigned"}})],
            "lend": [("PUT", identity, located),
                     ("PATCH", machine, {"identity": {"type": "UserAssigned",
                                                      "userAssignedIdentities": {identity: {}}}}),
                     ("DELETE", identity, None)],
            "power": [("POST", f"{machine}/{action}", None) for action in
                      ("deallocate", "start", "powerOff", "restart", "redeploy")],
            "end a machine": [("DELETE", machine, None)],
            "make a vault": [("PUT", vaults, vault)],
            "close a vault": [("PATCH", vaults, {"properties": {"publicNetworkAccess": "Disabled"}}),
                              ("PATCH", vaults, {"properties": {"publicNetworkAccess": "Enabled"}})],
            "end a vault": [("DELETE", vaults, None)],
            "recover a vault": [("PUT", vaults, {**vault, "properties": {**vault["properties"],
                                                                        "createMode": "recover"}})],
            "purge a vault": [("DELETE", vaults, None), ("POST", f"{deleted}/purge", None)],
            "make a provider": [("PUT", provider, {**located, "properties": {}})],
            "end a provider": [("DELETE", provider, None)],
            "make a set": [("PUT", sets, {**located, "identity": {"type": "SystemAssigned"}, "properties": {}})],
            "end a set": [("DELETE", sets, None)],
            "assign a role": [("PUT", role, {"properties": {
                "roleDefinitionId": f"{self.root}/providers/Microsoft.Authorization/roleDefinitions/{ROLE}",
                "principalId": self.me}})],
            "take a role": [("DELETE", role, None)],
            "deploy": [("PUT", deployment, template)],
            "end the group": [("PUT", machine_1, self.body(self.interfaces["m1"])), ("DELETE", self.at, None)],
        }

    def client(self, steps, done):
        """client does the steps until the lab is gone, and notes what it was told."""
        for method, path, body in steps:
            start = time.monotonic()
            try:
                status, answer = self.arm(method, path, body)
            except (OSError, urllib.error.URLError, ValueError):
                return
            done.append((method, path, status, answer))
            if status >= 500:
                return
            self.long[(method, path)] = time.monotonic() - start

    # ---- what must be so after each start

    def list(self, path):
        status, listed = self.arm("GET", path)
        self.assertEqual(status, 200, listed)
        return listed["value"]

    def resources(self, kind):
        return self.list(f"{self.root}/providers/{kind}")

    def check(self):
        self.assertEqual(records(self.lab, "cloud", "cloud_pending"), [])
        machines = self.resources("Microsoft.Compute/virtualMachines")
        vms_test.wait_for(lambda: all(self.power(one) != "starting" for one in machines))
        ids = {one["properties"]["vmId"] for one in machines}
        self.assertEqual(set(os.listdir(self.lab / "vms")), ids)
        states = {one["properties"]["vmId"]: self.state(one) for one in machines}

        # What a full disk did not take is written a moment after there is room.
        def listed():
            file = json.loads((self.lab / "up/machines.json").read_text())
            return {one["vm_id"]: one["power"] for one in file["machines"]}

        with contextlib.suppress(AssertionError):
            vms_test.wait_for(lambda: listed() == states, 5)
        self.assertEqual(listed(), states)
        self.assertEqual({pathlib.Path(os.readlink(f"/proc/{pid}/cwd")).parent.name
                          for pid in processes_below(self.lab)},
                         {one for one, state in states.items() if state == "running"})
        self.check_identities(machines)
        self.check_vaults()
        self.check_providers()

    def state(self, machine):
        """state is whether a machine runs; that it does not has a reason that somebody gave."""
        status = self.arm("GET", machine["id"] + "/instanceView")[1]["statuses"][1]
        self.assertNotIn("message", status, machine["name"])
        return status["code"].partition("/")[2]

    def check_identities(self, machines):
        """Identities are those of what there is, with the ids that are shown."""
        shown = {}
        for one in machines + self.resources("Microsoft.Compute/diskEncryptionSets"):
            if "systemassigned" in one.get("identity", {}).get("type", "").lower():
                shown[one["id"].lower()] = one["identity"]["principalId"]
        for one in self.resources("Microsoft.ManagedIdentity/userAssignedIdentities"):
            shown[one["id"].lower()] = one["properties"]["principalId"]
        kept = {}
        for _, value in records(self.lab, "identity", "identity_account"):
            principal = json.loads(value)
            if principal.get("resource_id"):
                kept[principal["resource_id"].lower()] = principal["object_id"]
        self.assertEqual(kept, shown)

    def check_vaults(self):
        there = {one["name"] for one in self.resources("Microsoft.KeyVault/vaults")}
        deleted = {one["name"] for one in self.list(f"{self.root}/providers/Microsoft.KeyVault/deletedVaults")}
        self.assertFalse(there & deleted)
        for name in ("killed-vault", "killed-vault-2"):
            status, answer = self.ask("GET", f"https://{name}.vault.azure.net/keys?api-version=7.4",
                                      token=self.token("https://vault.azure.net/.default"))
            self.assertIn(status, (200, 403) if name in there else (404,), (name, answer))
        # Who has no role is refused, and who has one is let in, whatever the vault: as the records say.
        roles = [one for one in self.list(f"{self.at}/providers/Microsoft.Authorization/roleAssignments")
                 if one["id"].lower().startswith(self.at.lower())] if self.arm("GET", self.at)[0] == 200 else []
        for name in there:
            vault = next(one for one in self.resources("Microsoft.KeyVault/vaults") if one["name"] == name)
            closed = vault["properties"]["publicNetworkAccess"] == "Disabled"
            status, _ = self.ask("GET", f"https://{name}.vault.azure.net/keys?api-version=7.4",
                                 token=self.token("https://vault.azure.net/.default"))
            self.assertEqual(status, 200 if roles and not closed else 403, (name, closed, roles))

    def check_providers(self):
        there = {one["name"] for one in self.resources("Microsoft.Attestation/attestationProviders")}
        status, _ = self.ask("GET", "https://killed.weu.attest.azure.net/certs")
        self.assertEqual(status, 200 if "killed" in there else 404)

    def check_told(self, steps, done):
        """What was acknowledged is so, unless a later step may have begun to change it."""
        for at, (method, path, status, answer) in enumerate(done):
            if status >= 300 or method == "POST" or any(path.startswith(one[1]) for one in steps[at + 1:]):
                continue
            found, there = self.arm("GET", path)
            self.assertEqual(found, 404 if method == "DELETE" else 200, (method, path))
            if method != "DELETE" and "vmId" in answer.get("properties", {}):
                self.assertEqual(there["properties"]["vmId"], answer["properties"]["vmId"])

    def repeat(self, name):
        """repeat does what was cut short, so that what comes next finds it."""
        if self.arm("GET", self.at)[0] == 404:
            self.group("killed")
            for interface in self.interfaces:
                self.interface(self.at, interface)
        for method, path, body in self.operations()[name]:
            status, answer = self.arm(method, path, body)
            if name == "end the group" and method == "DELETE":
                self.assertIn(status, (202, 404), answer)
                self.group("killed")
                for interface in self.interfaces:
                    self.interface(self.at, interface)
                break
            self.assertLess(status, 500, (name, method, path, answer))
        self.check()

    def finish(self):
        """All can be deleted, and nothing is left."""
        self.assertEqual(self.arm("DELETE", self.at)[0], 202)
        self.check()
        self.assertEqual(os.listdir(self.lab / "vms"), [])


@unittest.skipUnless(shutil.which("swtpm"), "swtpm is not installed")
class Killed(Consistent):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        seed = os.environ.setdefault("VS_SEED", str(random.randrange(1 << 32)))
        print(f"VS_SEED={seed}")
        cls.rolls = random.Random(seed)

    def restart_in_the_middle(self, name, steps):
        expected = sum(self.long.get((method, path), 0.05) for method, path, _ in steps)
        done = []
        client = threading.Thread(target=self.client, args=(steps, done))
        lab, below = self.pid(), processes_below(self.lab)
        client.start()
        time.sleep(self.rolls.uniform(0, 1.1) * expected)
        os.kill(lab, signal.SIGKILL)
        vms_test.wait_for(lambda: not pathlib.Path(f"/proc/{lab}").exists())
        client.join()
        # No wait for the lab's children: who brings the lab up again does not wait either.
        self.up()
        self.assertFalse(processes_below(self.lab) & below, "software TPMs outlived their lab")
        for method, path, status, answer in done:
            self.assertLess(status, 500, (name, method, path, answer))
        return done

    def test_it_is_as_it_says_after_each_kill(self):
        names = list(self.operations())
        for kill in range(KILLS):
            # In their order for the first, so that each finds what it works on; then at random.
            at = kill % len(names) if kill < len(names) else self.rolls.randrange(len(names))
            if KILLS < len(names):
                at = kill * len(names) // KILLS
            name = names[at]
            with self.subTest(kill=kill, operation=name):
                before = names[:at] if kill == 0 else []
                for earlier in before:
                    self.client(self.operations()[earlier], [])
                steps = self.operations()[name]
                self.check_told(steps, self.restart_in_the_middle(name, steps))
                self.check()
                self.repeat(name)
        self.finish()


if __name__ == "__main__":
    unittest.main()
