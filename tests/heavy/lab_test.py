"""Machines of a running lab that QEMU boots: made, entered, ended and lost as other machines of the resource manager."""

import base64
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from heavy_machines import CACHE, LIMIT, NOT_REACHABLE, console_says, program_of, run, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from vms_test import Lab, children  # noqa: E402

os.environ["XDG_CACHE_HOME"] = str(CACHE)  # of the lab's images, too


class LabMachines(Lab):
    @classmethod
    def setUpClass(cls):
        built = run("--json", "vm", "image", "build")
        if built.returncode == NOT_REACHABLE:
            raise unittest.SkipTest(f"no machine was booted: {built.stderr.strip()}")
        assert built.returncode == 0, built.stderr
        cls.image = json.loads(built.stdout)["image"]
        folder = tempfile.TemporaryDirectory(prefix="vs-heavy-lab-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        for name in ("mine", "other"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", cls.work / name], check=True)
        super().setUpClass()
        self = cls()
        cls.rg = self.group("heavy")
        began = time.monotonic()
        cls.vm = self.heavy("tall", public=True)
        cls.made_in = time.monotonic() - began
        cls.first_power = self.power(cls.vm)
        self.comes("running")
        print(f"tall: running after {time.monotonic() - began:.1f} s")

    def heavy(self, name, public=False, **more):
        body = self.body(self.interface(self.rg, name, public), **more)
        body["tags"] = {"vouchsafe.tier": "qemu"}
        body["properties"]["osProfile"].update(computerName=f"{name}-host", adminUsername="ada")
        keys = body["properties"]["osProfile"]["linuxConfiguration"]["ssh"]["publicKeys"]
        keys[0]["keyData"] = (self.work / "mine.pub").read_text()
        return self.make(f"{self.rg}/providers/Microsoft.Compute/virtualMachines/{name}", body)

    def comes(self, state, vm=None, seconds=LIMIT):
        wait_for(lambda: self.power(vm or self.vm) == state, seconds)

    def reason(self):
        return self.arm("GET", f"{self.vm['id']}/instanceView")[1]["statuses"][1].get("message", "")

    def processes(self, program):
        return [pid for pid, words in children(self.pid()).items() if words[0] == program.encode()]

    def inside(self, *words):
        done = run("vm", "exec", "tall", "--dir", self.lab, "--", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def with_env(self, *words):
        return subprocess.run([os.environ["VOUCHSAFE"], "env", "--dir", self.lab, "--run", "--", *map(str, words)],
                              capture_output=True, text=True, timeout=60)

    def metadata(self, path):
        """The status and JSON of what the machine's metadata service answers inside."""
        request = f"GET {path} HTTP/1.0\r\nHost: 169.254.169.254\r\nMetadata: true\r\n\r\n"
        said = self.inside("sh", "-c", 'printf "$1" | nc -w 10 169.254.169.254 80', "sh", request.replace("%", "%%"))
        head, _, body = said.replace("\r\n", "\n").partition("\n\n")
        return int(head.split()[1]), json.loads(body)

    def token_inside(self, query=""):
        return self.metadata("/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net"
                             + query)

    def test_a_making_it_waits_for_no_boot(self):
        self.assertLess(self.made_in, 10)
        self.assertEqual(self.first_power, "starting")
        self.assertEqual(self.vm["properties"]["provisioningState"], "Succeeded")
        listed = self.listed(self.vm)
        self.assertEqual((listed["tier"], listed["user"], listed["power"], listed["private_ip"]),
                         ("qemu", "ada", "running", "10.10.0.4"))
        self.assertEqual([listed["pid"]], self.processes("qemu-system-x86_64"))

    def test_b_its_user_is_the_one_of_the_request(self):
        self.assertEqual(self.inside("sh", "-c", "id -un; sudo id -u; hostname; pwd").split(),
                         ["ada", "0", "tall-host", "/home/ada"])
        self.assertEqual(self.inside("printf", "%s|", "a b", "it's", "", "$HOME"), "a b|it's||$HOME|")
        self.assertEqual(run("vm", "exec", "tall", "--dir", self.lab, "--", "sh", "-c", "exit 7").returncode, 7)
        said = run("vm", "shell", "tall", "--dir", self.lab, input="id -un\nexit 3\n")
        self.assertEqual((said.stdout, said.returncode), ("ada\n", 3), said.stderr)

    def test_b_it_attests_with_its_own_boot(self):
        claims = json.loads(self.inside("sudo", "vouchsafe", "attest", "--claims"))
        self.assertIs(claims["secureboot"], True)
        self.assertEqual(claims["x-ms-isolation-tee"]["x-ms-compliance-status"], "azure-compliant-cvm")
        self.assertEqual(claims["x-vouchsafe-boot-kernel"], program_of(self.image, self.work))

    def test_b_its_metadata_service_is_its_own(self):
        light = self.machine(self.rg, "other")
        path = "/metadata/instance/compute?api-version=2021-02-01"
        status, told = self.metadata(path)
        self.assertEqual((status, told["vmId"]), (200, self.vm["properties"]["vmId"]))
        status, answer = self.token_inside()
        self.assertEqual(status, 200, answer)
        claims = answer["access_token"].split(".")[1]
        self.assertEqual(json.loads(base64.urlsafe_b64decode(claims + "=="))["oid"], self.vm["identity"]["principalId"])
        for query in (f"&object_id={light['identity']['principalId']}", f"&mi_res_id={light['id']}"):
            self.assertEqual(self.token_inside(query)[0], 400)
        # The sockets behind it are the lab's owner's.
        for socket in (self.folder(self.vm) / "door").iterdir():
            self.assertEqual(socket.parent.stat().st_mode & 0o077, 0)

    def test_b_it_finds_vaults_that_are_made_later_and_they_know_its_address(self):
        address = self.listed(self.vm)["private_ip"]
        for name, rule, why in (("heavy-later-in", address, "Caller is not authorized"),
                                ("heavy-later-out", "10.10.9.9", "Client address is not authorized")):
            self.make(f"{self.rg}/providers/Microsoft.KeyVault/vaults/{name}", {
                "location": "westeurope", "properties": {
                    "tenantId": self.tenant, "sku": {"family": "A", "name": "premium"}, "accessPolicies": [],
                    "enableRbacAuthorization": True,
                    "networkAcls": {"defaultAction": "Deny", "bypass": "None", "ipRules": [{"value": rule}]}}})
            wait_for(lambda name=name: f"{name}.vault.azure.net" in self.inside("cat", "/etc/hosts"), 60)
            said = run("vm", "exec", "tall", "--dir", self.lab, "--", "vouchsafe", "secret", "list", "--vault",
                       f"https://{name}.vault.azure.net")
            self.assertNotEqual(said.returncode, 0)
            self.assertIn(why, said.stderr)
        self.assertIn("tall-host", self.inside("cat", "/etc/hosts"))

    def test_b_ssh_and_scp_reach_it_by_its_public_address(self):
        address = self.listed(self.vm)["public_ip"]
        strict = ("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes")
        entered = self.with_env("ssh", *strict, "-i", self.work / "mine", f"ada@{address}", "id -un")
        self.assertEqual(entered.stdout, "ada\n", entered.stderr)
        refused = self.with_env("ssh", *strict, "-i", self.work / "other", f"ada@{address}", "id -un")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("Permission denied", refused.stderr)
        (self.work / "there").write_text("what is copied")
        for source, target in ((self.work / "there", f"ada@{address}:file"), (f"ada@{address}:file", self.work / "back")):
            copied = self.with_env("scp", *strict, "-i", self.work / "mine", source, target)
            self.assertEqual(copied.returncode, 0, copied.stderr)
        self.assertEqual((self.work / "back").read_text(), "what is copied")

    def test_b_files_are_copied_there_and_back(self):
        (self.work / "tool").write_text("#!/bin/sh\necho it runs\n")
        (self.work / "tool").chmod(0o755)
        copied = run("vm", "cp", "--dir", self.lab, self.work / "tool", "tall:")
        self.assertEqual(copied.returncode, 0, copied.stderr)
        self.assertEqual(self.inside("./tool"), "it runs\n")
        copied = run("vm", "cp", "--dir", self.lab, "tall:tool", self.work / "again")
        self.assertEqual(copied.returncode, 0, copied.stderr)
        self.assertEqual((self.work / "again").read_text(), (self.work / "tool").read_text())
        lost = run("vm", "cp", "--dir", self.lab, "tall:none", self.work / "lost")
        self.assertNotEqual(lost.returncode, 0)
        self.assertFalse((self.work / "lost").exists())

    def test_b_commands_of_vm_know_whose_it_is(self):
        self.assertEqual(run("vm", "ssh", "--dir", self.lab, "tall", "id -un").stdout, "ada\n")
        for verb, az in (("stop", "deallocate"), ("start", "start")):
            refused = run("vm", verb, "tall", "--dir", self.lab)
            self.assertEqual(refused.returncode, 1)
            self.assertIn(f"az vm {az} --resource-group heavy --name tall", refused.stderr)
        self.assertEqual(self.power(self.vm), "running")
        console_says(self.lab, "tall", "echo $((6*7))-answer; id -un", rb"42-answer\s+ada")
        self.assertIn("booted by QEMU", run("vm", "list", "--dir", self.lab).stdout)
        self.assertIn("booted by QEMU", run("status", "--dir", self.lab).stdout)
        tiers = {one["name"]: one["tier"]
                 for one in json.loads(run("--json", "status", "--dir", self.lab).stdout)["machines"]}
        self.assertEqual(tiers["tall"], "qemu")
        self.machine(self.rg, "small")
        refused = run("vm", "console", "small", "--dir", self.lab)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("vouchsafe vm shell", refused.stderr)

    def test_c_what_dies_is_noticed_and_starts_again(self):
        ends = ((lambda: os.kill(self.processes("qemu-system-x86_64")[0], signal.SIGKILL), "QEMU was ended by signal 9"),
                (lambda: run("vm", "exec", "tall", "--dir", self.lab, "--", "sudo", "poweroff", "-f"),
                 "its guest ended it"),
                (lambda: os.kill(self.software_tpm(self.vm), signal.SIGKILL), "swtpm"))
        for end, why in ends:
            end()
            self.comes("stopped", seconds=30)
            self.assertIn(why, self.reason())
            self.assertEqual(self.processes("qemu-system-x86_64"), [])
            self.assertIsNone(self.software_tpm(self.vm))
            refused = run("vm", "exec", "tall", "--dir", self.lab, "--", "true")
            self.assertEqual(refused.returncode, NOT_REACHABLE)
            self.assertIn("is stopped", refused.stderr)
            self.act(self.vm, "start")
            self.assertEqual(self.power(self.vm), "starting")
            refused = run("vm", "exec", "tall", "--dir", self.lab, "--", "true")
            self.assertIn("is starting", refused.stderr)
            self.comes("running")
        self.assertIs(json.loads(self.inside("sudo", "vouchsafe", "attest", "--claims"))["secureboot"], True)

    def test_d_a_boot_is_given_up_when_it_is_not_wanted(self):
        began = time.monotonic()
        self.act(self.vm, "restart")
        self.assertEqual(self.power(self.vm), "starting")
        wait_for(lambda: self.processes("qemu-system-x86_64"), 30)
        self.act(self.vm, "deallocate")
        self.assertEqual(self.power(self.vm), "deallocated")
        self.assertEqual(self.processes("qemu-system-x86_64"), [])
        self.assertLess(time.monotonic() - began, 30)
        second = self.heavy("second")
        self.assertEqual(self.arm("DELETE", second["id"])[0], 200)
        self.assertFalse(self.folder(second).exists())
        self.act(self.vm, "start")

    def test_e_a_machine_of_trusted_launch_boots_too(self):
        self.comes("running")
        trusted = self.heavy("trusted", kind="TrustedLaunch", secure_boot=False)
        self.comes("running", trusted)
        said = run("vm", "exec", "trusted", "--dir", self.lab, "--", "sudo", "vouchsafe", "attest")
        self.assertEqual(said.returncode, 1, said.stdout)
        self.assertIn("BOOT-SECURE-BOOT", said.stderr)
        self.assertEqual(self.arm("DELETE", trusted["id"])[0], 200)

    def test_f_it_boots_again_with_the_lab(self):
        for end in (lambda: run("down", "--dir", self.lab), self.kill):
            began = time.monotonic()
            end()
            self.assertLess(time.monotonic() - began, 10)
            self.up()
            self.assertLess(time.monotonic() - began, 20)
            self.assertIn(self.power(self.vm), ("starting", "running"))
            self.comes("running")
            self.assertEqual(self.inside("id", "-un"), "ada\n")

    def test_g_nothing_is_left_of_it(self):
        self.assertEqual(self.arm("DELETE", self.vm["id"])[0], 200)
        self.assertFalse(self.folder(self.vm).exists())
        self.assertEqual(self.processes("qemu-system-x86_64"), [])


if __name__ == "__main__":
    unittest.main()
