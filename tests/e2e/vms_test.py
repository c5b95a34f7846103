"""Virtual machines of the resource manager, as its clients make and end them: 'vouchsafe up' and Python's urllib."""

import base64
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import ssl
import subprocess
import struct
import tempfile
import termios
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

PROGRAM = os.environ["VOUCHSAFE"]
AZ = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"  # client id of Azure's command line
MANAGEMENT = "https://management.azure.com"
CRYPTO_OFFICER = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603"
ENCRYPTION_USER = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZvcnRoZXRlc3RzYWxvbmVub2JvZHloYXN0aGlzMQ== test"


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL)


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
    return found


def children(pid):
    """children returns pid and command line of a process' children."""
    out = {}
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                out[int(folder.name)] = (folder / "cmdline").read_bytes().split(b"\0")
    return out


class Typist:
    """Somebody at a terminal, in which a program is started as a shell would: in a session of its own there."""

    def __init__(self, *words, program=PROGRAM, stdin=None, stdout=None, stderr=None):
        self.terminal, self.programs = pty.openpty()
        streams = [self.programs if one is None else one for one in (stdin, stdout, stderr)]
        self.process = subprocess.Popen([program, *map(str, words)], stdin=streams[0], stdout=streams[1],
                                        stderr=streams[2], start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(self.programs, termios.TIOCSCTTY, 0),
                                        pass_fds=[self.programs])
        self.seen = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)
        os.close(self.programs)

    def type(self, text):
        os.write(self.terminal, text.encode())

    def resize(self, rows, columns):
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def raw(self):
        return not termios.tcgetattr(self.programs)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def read(self, seconds=0.0):
        if select.select([self.terminal], [], [], seconds)[0]:
            with contextlib.suppress(OSError):
                self.seen += os.read(self.terminal, 65536).decode(errors="replace")

    def until(self, pattern):
        """until waits for what is shown, and returns the match; what comes after it is for the next."""
        end = time.monotonic() + 30
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < end, (pattern, self.seen[-500:])
            self.read(0.1)
        self.seen = self.seen[found.end():]
        return found

    def end(self):
        """end returns the exit code."""
        end = time.monotonic() + 30
        while self.process.poll() is None:
            assert time.monotonic() < end, self.seen[-500:]
            self.read(0.05)
        return self.process.returncode


class Lab(unittest.TestCase):
    """One lab for the tests of a class; each test has a resource group of its own."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-vms-")
        cls.addClassCleanup(folder.cleanup)
        cls.lab = pathlib.Path(folder.name) / "lab"
        cls.addClassCleanup(lambda: run("down", "--dir", cls.lab))
        cls.begin()

    @classmethod
    def begin(cls):
        cls.up()
        about = json.loads((cls.lab / "directory.json").read_text())
        cls.tenant, cls.subscription = about["tenant"], about["subscription"]
        cls.root = f"/subscriptions/{cls.subscription}"

    @classmethod
    def start(cls):
        return run("up", "--detach", "--dir", cls.lab)

    @classmethod
    def up(cls):
        made = cls.start()
        assert made.returncode == 0, made.stderr
        variables = json.loads(run("--json", "env", "--dir", cls.lab).stdout)
        context = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
        cls.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({"https": variables["HTTPS_PROXY"]}),
            urllib.request.HTTPSHandler(context=context))
        cls.tokens = {}

    @classmethod
    def pid(cls):
        return json.loads((cls.lab / "up/state.json").read_text())["pid"]

    @classmethod
    def kill(cls):
        """kill ends the lab as a power cut would, and waits until it and its children are gone."""
        lab = cls.pid()
        gone = [lab, *children(lab)]
        os.kill(lab, signal.SIGKILL)
        wait_for(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in gone))

    def ask(self, method, url, body=None, token=None, form=None):
        """ask returns status and JSON (or None) of an answer."""
        data, headers = None, {}
        if body is not None:
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

    def token(self, scope):
        if scope not in self.tokens:
            status, answer = self.ask(
                "POST", f"https://login.microsoftonline.com/{self.tenant}/oauth2/v2.0/token",
                form={"grant_type": "password", "client_id": AZ, "scope": scope, "username": "user@lab.test",
                      "password": (self.lab / "user.password").read_text()})
            self.assertEqual(status, 200, answer)
            self.tokens[scope] = answer["access_token"]
        return self.tokens[scope]

    def arm(self, method, path, body=None, query=""):
        return self.ask(method, f"{MANAGEMENT}{path}?api-version=2022-11-01{query}", body,
                        self.token("https://management.azure.com//.default"))

    def make(self, path, body):
        status, made = self.arm("PUT", path, body)
        self.assertIn(status, (200, 201), made)
        return made

    def group(self, name):
        path = f"{self.root}/resourceGroups/{name}"
        self.make(path, {"location": "westeurope"})
        self.make(f"{path}/providers/Microsoft.Network/virtualNetworks/net", {
            "location": "westeurope",
            "properties": {"addressSpace": {"addressPrefixes": ["10.10.0.0/16"]},
                           "subnets": [{"name": "s", "properties": {"addressPrefix": "10.10.0.0/24"}}]}})
        return path

    def interface(self, group, name, public=False):
        network = f"{group}/providers/Microsoft.Network"
        properties = {"subnet": {"id": f"{network}/virtualNetworks/net/subnets/s"}}
        if public:
            made = self.make(f"{network}/publicIPAddresses/{name}", {"location": "westeurope"})
            properties["publicIPAddress"] = {"id": made["id"]}
        made = self.make(f"{network}/networkInterfaces/{name}", {
            "location": "westeurope",
            "properties": {"ipConfigurations": [{"name": "ip", "properties": properties}]}})
        return made["id"]

    def body(self, interface, kind="ConfidentialVM", encryption="VMGuestStateOnly", size="Standard_DC2as_v5",
             identity=True, encryption_set=None, secure_boot=True, tpm=True):
        disk = {}
        if kind == "ConfidentialVM":
            disk["securityProfile"] = {"securityEncryptionType": encryption}
            if encryption_set:
                disk["securityProfile"]["diskEncryptionSet"] = {"id": encryption_set}
        elif encryption_set:
            disk["diskEncryptionSet"] = {"id": encryption_set}
        body = {"location": "westeurope",
                "properties": {
                    "hardwareProfile": {"vmSize": size},
                    "networkProfile": {"networkInterfaces": [{"id": interface}]},
                    "storageProfile": {"osDisk": {"createOption": "fromImage", "managedDisk": disk}},
                    "osProfile": {"computerName": "host", "adminUsername": "azureuser", "linuxConfiguration": {
                        "disablePasswordAuthentication": True,
                        "ssh": {"publicKeys": [{"path": "/home/azureuser/.ssh/authorized_keys", "keyData": KEY}]}}}}}
        if kind != "Standard":
            body["properties"]["securityProfile"] = {
                "securityType": kind, "uefiSettings": {"secureBootEnabled": secure_boot, "vTpmEnabled": tpm}}
        if identity:
            body["identity"] = {"type": "SystemAssigned"}
        return body

    def machine(self, group, name, public=False, **more):
        path = f"{group}/providers/Microsoft.Compute/virtualMachines/{name}"
        return self.make(path, self.body(self.interface(group, name, public), **more))

    def power(self, machine):
        status, seen = self.arm("GET", machine["id"], query="&$expand=instanceView")
        self.assertEqual(status, 200, seen)
        return seen["properties"]["instanceView"]["statuses"][1]["code"].partition("/")[2]

    def act(self, machine, action):
        status, answer = self.arm("POST", f"{machine['id']}/{action}")
        self.assertEqual(status, 200, answer)

    def folder(self, machine):
        return self.lab / "vms" / machine["properties"]["vmId"]

    def listed(self, machine):
        file = self.lab / "up/machines.json"
        found = [one for one in json.loads(file.read_text())["machines"] if one["id"] == machine["id"]]
        return found[0] if found else None

    def software_tpm(self, machine):
        """software_tpm returns the process of a machine's swtpm, or None."""
        for pid, words in children(self.pid()).items():
            with contextlib.suppress(OSError):
                if words[0] == b"swtpm" and pathlib.Path(f"/proc/{pid}/cwd").resolve() == self.folder(machine) / "machine":
                    return pid
        return None


@unittest.skipUnless(shutil.which("swtpm"), "swtpm is not installed")
class Machines(Lab):
    def test_each_kind_has_what_such_a_machine_has(self):
        group = self.group("kinds")
        confidential = self.machine(group, "confidential", public=True)
        self.assertEqual(self.power(confidential), "running")
        self.assertTrue(self.software_tpm(confidential))
        self.assertTrue(json.loads((self.folder(confidential) / "machine/machine.json").read_text())["vcek_pem"])
        listed = self.listed(confidential)
        self.assertEqual((listed["name"], listed["group"], listed["user"], listed["power"], listed["security_type"]),
                         ("confidential", "kinds", "azureuser", "running", "ConfidentialVM"))
        self.assertEqual(listed["private_ip"], "10.10.0.4")
        self.assertTrue(listed["public_ip"].startswith("127.42."), listed)
        self.assertEqual(listed["tier"], "light")

        trusted = self.machine(group, "trusted", kind="TrustedLaunch")
        self.assertTrue(self.software_tpm(trusted))
        self.assertFalse(json.loads((self.folder(trusted) / "machine/machine.json").read_text())["vcek_pem"])

        for name, more in (("standard", {"kind": "Standard"}), ("bare", {"kind": "TrustedLaunch", "tpm": False})):
            plain = self.machine(group, name, size="Standard_D2s_v5", **more)
            self.assertEqual(self.power(plain), "running")
            self.assertIsNone(self.software_tpm(plain))
            self.assertFalse((self.folder(plain) / "machine").exists())
        # The folder has no secret for others to read.
        self.assertEqual(self.folder(confidential).stat().st_mode & 0o077, 0)
        self.assertEqual((self.folder(confidential) / "state.key").stat().st_mode & 0o777, 0o600)

    def test_what_azure_or_the_lab_refuses_leaves_nothing(self):
        group = self.group("refused")
        before = set(os.listdir(self.lab / "vms"))
        interface = self.interface(group, "n")
        path = f"{group}/providers/Microsoft.Compute/virtualMachines/m"
        rows = [({"size": "Standard_DC2es_v5"}, 501, "NotImplemented"),
                ({"size": "Standard_EC4eds_v5"}, 501, "NotImplemented"),
                ({"size": "Standard_D2s_v5"}, 400, "BadRequest"),
                ({"tpm": False}, 400, "InvalidParameter"),
                ({"encryption": "NonPersistedTPM"}, 501, "NotImplemented"),
                ({"encryption": "DiskWithVMGuestState", "secure_boot": False}, 400, "InvalidParameter"),
                ({"encryption_set": f"{group}/providers/Microsoft.Compute/diskEncryptionSets/none"}, 400,
                 "InvalidResourceReference")]
        for change, status, code in rows:
            with self.subTest(change):
                got, answer = self.arm("PUT", path, self.body(interface, **change))
                self.assertEqual((got, answer["error"]["code"]), (status, code), answer)
                self.assertEqual(self.arm("GET", path)[0], 404)
        for user in ("root", "Admin", "a b", "-x", "x" * 33):
            body = self.body(interface)
            body["properties"]["osProfile"]["adminUsername"] = user
            got, answer = self.arm("PUT", path, body)
            self.assertEqual((got, answer["error"]["code"]), (400, "InvalidParameter"), user)
        for kind, tier in (("Standard", "qemu"), ("ConfidentialVM", "other")):
            body = {**self.body(interface, kind=kind), "tags": {"vouchsafe.tier": tier}}
            got, answer = self.arm("PUT", path, body)
            self.assertEqual((got, answer["error"]["code"]), (400, "InvalidParameter"), answer)
        self.assertEqual(set(os.listdir(self.lab / "vms")), before)

    def test_it_goes_through_its_power_states(self):
        group = self.group("power")
        made = self.machine(group, "m")
        first = self.software_tpm(made)
        for action, state, runs in (("powerOff", "stopped", False), ("powerOff", "stopped", False),
                                    ("start", "running", True), ("start", "running", True),
                                    ("deallocate", "deallocated", False), ("start", "running", True)):
            self.act(made, action)
            self.assertEqual(self.power(made), state, action)
            self.assertEqual(self.software_tpm(made) is not None, runs, action)
            self.assertEqual(self.listed(made)["power"], state)
        for action in ("restart", "redeploy"):
            old = self.software_tpm(made)
            self.act(made, action)
            self.assertEqual(self.power(made), "running")
            self.assertNotIn(self.software_tpm(made), (None, old))
        self.assertNotEqual(self.software_tpm(made), first)

        # A PUT starts nothing, and changes what may be changed.
        self.act(made, "deallocate")
        body = self.body(made["properties"]["networkProfile"]["networkInterfaces"][0]["id"], size="Standard_DC4as_v5")
        status, changed = self.arm("PUT", made["id"], body)
        self.assertEqual((status, changed["properties"]["vmId"]), (200, made["properties"]["vmId"]))
        self.assertEqual(self.power(made), "deallocated")
        status, refused = self.arm("PATCH", made["id"], {"properties": {"securityProfile": {"securityType": "Standard"}}})
        self.assertEqual((status, refused["error"]["code"]), (409, "PropertyChangeNotAllowed"))

        folder = self.folder(made)
        self.assertTrue(folder.exists())
        principal = made["identity"]["principalId"]
        self.assertEqual(self.arm("DELETE", made["id"])[0], 200)
        self.assertEqual(self.arm("DELETE", made["id"])[0], 204)
        self.assertFalse(folder.exists())
        self.assertIsNone(self.listed(made))
        status, _ = self.ask("GET", f"https://graph.microsoft.com/v1.0/directoryObjects/{principal}",
                             token=self.token("https://graph.microsoft.com/.default"))
        self.assertEqual(status, 404)
        self.assertEqual(self.arm("POST", f"{made['id']}/start")[0], 404)

    def test_one_that_dies_is_shown_so_and_starts_again(self):
        made = self.machine(self.group("dies"), "victim")
        os.kill(self.software_tpm(made), signal.SIGKILL)
        wait_for(lambda: self.power(made) == "stopped")
        _, view = self.arm("GET", f"{made['id']}/instanceView")
        self.assertIn("swtpm", view["statuses"][1]["message"])
        self.assertIn("swtpm", self.listed(made)["reason"])
        wait_for(lambda: "victim  -  -  " in run("logs", "--dir", self.lab).stdout)
        self.act(made, "start")
        self.assertEqual(self.power(made), "running")
        self.assertNotIn("message", self.arm("GET", f"{made['id']}/instanceView")[1]["statuses"][1])

    def enter(self, machine, *words):
        """enter runs a program inside a machine and returns what it printed."""
        done = run("vm", "exec", machine["name"], "--dir", self.lab, "--", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def need_insides(self, machine):
        listed = self.listed(machine)
        if listed["pid"] == 0:
            self.skipTest(listed["reason"])

    def subject(self, machine, query=""):
        """subject returns for whom the metadata service gives a token inside, or the status of its refusal."""
        url = ("http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01"
               "&resource=https://vault.azure.net" + query)
        text, _, status = self.enter(machine, "curl", "-s", "-H", "Metadata: true", "-w", "\n%{http_code}",
                                     url).rpartition("\n")
        if status != "200":
            return int(status)
        claims = json.loads(text)["access_token"].split(".")[1]
        return json.loads(base64.urlsafe_b64decode(claims + "=="))["oid"]

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_a_program_inside_has_its_machines_identity_and_no_other(self):
        group = self.group("identities")
        machines = [self.machine(group, name) for name in ("inside-one", "inside-two")]
        self.need_insides(machines[0])
        ids = [machine["identity"]["principalId"] for machine in machines]
        self.assertEqual([self.subject(machine) for machine in machines], ids)
        for query in (f"&object_id={ids[1]}", f"&mi_res_id={machines[1]['id']}"):
            self.assertEqual(self.subject(machines[0], query), 400)
        # Nor with headers that say it comes from elsewhere, nor by the other's addresses.
        url = "http://169.254.169.254/metadata/instance/compute/vmId?api-version=2021-02-01&format=text"
        said = self.enter(machines[0], "curl", "-s", "-H", "Metadata: true", "-H", "Host: 10.10.0.5", url)
        self.assertEqual(said, machines[0]["properties"]["vmId"])
        other = run("vm", "exec", "inside-one", "--dir", self.lab, "--", "curl", "-s", "-m", "2", "-H",
                    "Metadata: true", "http://10.10.0.5/metadata/instance?api-version=2021-02-01")
        self.assertNotEqual(other.returncode, 0)
        # What is taken away is gone for a program that runs, too.
        status, _ = self.arm("PATCH", machines[0]["id"], {"identity": {"type": "None"}})
        self.assertEqual(status, 200)
        self.assertEqual(self.subject(machines[0]), 400)

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_a_vault_knows_machines_by_their_private_addresses(self):
        group = self.group("rules")
        inside, outside = self.machine(group, "rules-in", public=True), self.machine(group, "rules-out")
        self.need_insides(inside)
        path = f"{group}/providers/Microsoft.KeyVault/vaults/rules-vault"
        address = self.listed(inside)["private_ip"]
        code, made = self.arm("PUT", path, {
            "location": "westeurope", "properties": {
                "tenantId": self.tenant, "sku": {"family": "A", "name": "premium"}, "accessPolicies": [],
                "enableRbacAuthorization": True,
                "networkAcls": {"defaultAction": "Deny", "bypass": "None", "ipRules": [{"value": address}]}}})
        self.assertEqual(code, 201, made)
        for machine, status in ((inside, "401"), (outside, "403")):
            wait_for(lambda machine=machine: "rules-vault.vault.azure.net" in self.enter(machine, "cat", "/etc/hosts"))
            said = self.enter(machine, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                              "https://rules-vault.vault.azure.net/keys?api-version=7.4")
            self.assertEqual(said, status)

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_a_machine_finds_a_vault_that_is_made_later(self):
        group = self.group("later")
        machine = self.machine(group, "later-vm")
        self.need_insides(machine)
        self.make(f"{group}/providers/Microsoft.KeyVault/vaults/later-vault", {
            "location": "westeurope", "properties": {"tenantId": self.tenant, "sku": {"family": "A", "name": "premium"},
                                                     "accessPolicies": [], "enableRbacAuthorization": True}})
        wait_for(lambda: "later-vault.vault.azure.net" in self.enter(machine, "cat", "/etc/hosts"))
        said = self.enter(machine, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                          "https://later-vault.vault.azure.net/keys?api-version=7.4")
        self.assertEqual(said, "401")

    def test_the_end_of_the_first_process_is_the_machines(self):
        machine = self.machine(self.group("first"), "first-vm")
        self.need_insides(machine)
        self.enter(machine, "sh", "-c", "echo kept > /home/azureuser/note")
        os.kill(self.listed(machine)["pid"], signal.SIGKILL)
        wait_for(lambda: self.power(machine) == "stopped")
        self.assertIsNone(self.software_tpm(machine))
        self.assertEqual(self.listed(machine)["pid"], 0)
        self.act(machine, "start")
        self.assertEqual(self.enter(machine, "cat", "/home/azureuser/note"), "kept\n")

    def test_a_shell_has_a_terminal_of_the_machines(self):
        machine = self.machine(self.group("terminals"), "typed")
        self.need_insides(machine)
        with Typist("vm", "shell", "typed", "--dir", self.lab) as typist:
            typist.resize(33, 111)
            typist.until(r"azureuser@host:~\$ ")
            self.assertTrue(typist.raw())
            typist.type("tty; stty size; test $(tty) -ef /dev/stdin && echo it-is-$((40 + 2))\r")
            self.assertTrue(typist.until(r"\r(/dev/pts/\d+)\r\n"))
            typist.until(r"33 111\r\nit-is-42\r\n")
            typist.resize(44, 99)
            typist.type("stty size\r")
            typist.until(r"44 99\r\n")
            # Ctrl-C, Ctrl-Z and job control are the machine's.
            typist.until(r"\$ ")
            typist.type("sleep 100\r")
            time.sleep(0.3)
            typist.type("\x1a")
            typist.until(r"Stopped +sleep 100\r\n")
            typist.until(r"\$ ")
            typist.type("fg\r")
            typist.until(r"sleep 100\r\n")
            time.sleep(0.3)
            typist.type("\x03")
            typist.until(r"\$ ")
            typist.type("echo code-$?; exit 7\r")
            typist.until(r"code-130\r\n")
            self.assertNotIn("job control", typist.seen)
            self.assertEqual(typist.end(), 7)
            self.assertFalse(typist.raw())

    def test_a_terminal_gets_its_modes_back_and_the_program_goes(self):
        machine = self.machine(self.group("signals"), "ended")
        self.need_insides(machine)
        words = ("vm", "exec", "ended", "--dir", self.lab, "--")
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            with self.subTest(number), Typist(*words, "sh", "-c", "trap '' HUP TERM INT; echo up; sleep 600") as typist:
                typist.until("up")
                self.assertTrue(typist.raw())
                os.kill(typist.process.pid, number)
                self.assertEqual(typist.end(), 128 + number)
                self.assertFalse(typist.raw())
                wait_for(lambda: "sh" not in self.enter(machine, "ps", "-e", "-o", "comm="))
        with Typist(*words, "sh", "-c", "echo up; kill -9 $$") as typist:
            self.assertEqual(typist.end(), 137)
            self.assertFalse(typist.raw())
        with Typist(*words, "sh", "-c", "echo up; sleep 600") as typist:
            typist.until("up")
            os.kill(self.listed(machine)["pid"], signal.SIGKILL)
            self.assertEqual(typist.end(), 137)
            self.assertFalse(typist.raw())

    def test_a_command_in_the_background_waits_for_its_turn(self):
        machine = self.machine(self.group("jobs"), "jobs")
        self.need_insides(machine)
        script = "echo up-$((40 + 2)); for i in 1 2; do read line; echo got-$line; done; exit 6"
        with Typist("--norc", "-i", program="/bin/bash") as shell:
            shell.until(r"[#$] $")
            shell.type(f"PS1=ready:; {PROGRAM} vm exec jobs --dir {self.lab} -- sh -c '{script}' &\r")
            shell.until(r"up-42\s")
            shell.type("jobs\r")
            shell.until(r"\[1\]\+ +Running")
            command, = children(shell.process.pid)
            shell.type("fg\r")
            shell.until(r"ready:fg\s")
            wait_for(shell.raw)
            shell.type("one\r")
            shell.until(r"got-one\s")
            os.kill(command, signal.SIGTSTP)
            shell.until(r"Stopped")
            shell.until(r"ready:")
            self.assertFalse(shell.raw())
            shell.type("fg\r")
            shell.until(r"vm exec jobs")
            wait_for(shell.raw)
            shell.type("two\r")
            shell.until(r"got-two\s")
            shell.until(r"ready:")
            shell.type("echo code-$?\r")
            shell.until(r"code-6\s")

    def test_a_command_with_input_from_elsewhere_is_interrupted_too(self):
        machine = self.machine(self.group("partly"), "partly")
        self.need_insides(machine)
        script = "cat; tty <&1; echo up; exec sleep 600"
        words = ("vm", "exec", "partly", "--dir", self.lab, "--", "sh", "-c")
        with open(__file__, "rb") as file, Typist(*words, script, stdin=file) as typist:
            typist.until(r"unittest\.main\(\)\r\n/dev/pts/\d+\r\nup\r\n")
            self.assertFalse(typist.raw())
            typist.type("\x03")
            self.assertEqual(typist.end(), 130)
        # As one is of which nothing is at the terminal.
        nothing = subprocess.DEVNULL
        with Typist(*words, "touch up; exec sleep 600", stdin=nothing, stdout=nothing, stderr=nothing) as typist:
            wait_for(lambda: run(*words, "ls up").returncode == 0)
            typist.type("\x03")
            self.assertEqual(typist.end(), 130)

    @unittest.skipUnless(pathlib.Path("/usr/sbin/sshd").exists(), "sshd is not installed")
    def test_a_machine_from_before_openssh_was_installed_says_so(self):
        machine = self.machine(self.group("before-ssh"), "early")
        key = self.lab / "vms" / machine["properties"]["vmId"] / "disk/ssh/ssh_host_ed25519_key"
        wait_for(lambda: self.power(machine) == "running")
        key.unlink()
        refused = run("vm", "connect", "early", "--dir", self.lab)
        self.assertEqual(refused.returncode, 3)
        self.assertIn("az vm restart --resource-group before-ssh --name early", refused.stderr)
        self.act(machine, "restart")
        greeted = run("vm", "connect", "early", "--dir", self.lab)
        self.assertTrue(greeted.stdout.startswith("SSH-2.0-"), greeted)

    def test_a_group_ends_with_its_machines(self):
        group = self.group("ends")
        made = [self.machine(group, f"m{i}") for i in range(3)]
        self.assertIn(self.arm("DELETE", group)[0], (200, 202))
        for one in made:
            self.assertFalse(self.folder(one).exists())
            self.assertIsNone(self.listed(one))

    def test_status_shows_them(self):
        made = self.machine(self.group("shown"), "shown-vm")
        self.assertIn("shown-vm", run("status", "--dir", self.lab).stdout)
        shown = json.loads(run("--json", "status", "--dir", self.lab).stdout)["machines"]
        self.assertIn(made["id"], [one["id"] for one in shown])


def without(folder):
    """without returns words that run a program where a folder of this computer is empty."""
    hide = 'mount -t tmpfs none "$0" && exec "$@"'
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", hide, folder] if folder.exists() else []


OVMF = pathlib.Path("/usr/share/ovmf")


@unittest.skipUnless(shutil.which("swtpm"), "swtpm is not installed")
@unittest.skipUnless(subprocess.run([*without(OVMF), "true"], capture_output=True).returncode == 0,
                     "no namespaces to hide QEMU's firmware in")
class WithoutQemu(Lab):
    """A lab on a computer where what QEMU needs is not installed."""

    @classmethod
    def start(cls):
        return subprocess.run([*without(OVMF), PROGRAM, "up", "--detach", "--dir", str(cls.lab)], capture_output=True,
                              text=True, timeout=120)

    def test_packages_for_qemu_are_named_and_nothing_is_made(self):
        group = self.group("none")
        path = f"{group}/providers/Microsoft.Compute/virtualMachines/m"
        body = self.body(self.interface(group, "m"))
        status, answer = self.arm("PUT", path, {**body, "tags": {"vouchsafe.tier": "qemu"}})
        self.assertEqual((status, answer["error"]["code"]), (409, "OperationNotAllowed"), answer)
        self.assertRegex(answer["error"]["message"], r"apt-get install .*\bovmf\b")
        self.assertEqual(self.arm("GET", path)[0], 404)
        self.assertEqual(os.listdir(self.lab / "vms"), [])
        made = self.make(path, {**body, "tags": {"vouchsafe.tier": "light"}})
        self.assertEqual(self.power(made), "running")


@unittest.skipUnless(shutil.which("swtpm"), "swtpm is not installed")
class Lives(Lab):
    """What the lab's own end and return mean."""

    def test_the_wanted_state_outlives_the_lab(self):
        group = self.group("lives")
        runs, stopped = self.machine(group, "runs"), self.machine(group, "stopped")
        self.act(stopped, "deallocate")
        attested = (self.folder(runs) / "machine/machine.json").read_text()
        for end in (lambda: run("down", "--dir", self.lab), self.kill):
            end()
            self.up()
            wait_for(lambda: self.power(runs) == "running")
            self.assertEqual(self.power(stopped), "deallocated")
            self.assertIsNone(self.software_tpm(stopped))
            self.assertEqual((self.folder(runs) / "machine/machine.json").read_text(), attested)
        self.assertEqual(run("down", "--dir", self.lab).returncode, 0)
        self.assertFalse((self.lab / "up/machines.json").exists())
        self.up()

    def test_a_kill_in_the_middle_leaves_nothing_half_made(self):
        group = self.group("killed")
        wanted = {}
        for i in range(9):
            name = f"m{i}"
            body = self.body(self.interface(group, name))
            path = f"{group}/providers/Microsoft.Compute/virtualMachines/{name}"
            lab = self.pid()
            code = os.fork()
            if code == 0:
                with contextlib.suppress(Exception):
                    self.arm("PUT", path, body)
                os._exit(0)
            time.sleep(0.01 * i + 0.005)
            self.kill()
            os.waitpid(code, 0)
            self.up()
            self.assertNotEqual(self.pid(), lab)
            status, made = self.arm("GET", path)
            self.assertIn(status, (200, 404))
            if status == 200:
                wanted[made["properties"]["vmId"]] = made
            if status == 200 and i % 3 == 2:  # and in the middle of its end
                code = os.fork()
                if code == 0:
                    with contextlib.suppress(Exception):
                        self.arm("DELETE", path)
                    os._exit(0)
                time.sleep(0.004 * i)
                self.kill()
                os.waitpid(code, 0)
                self.up()
                if self.arm("GET", path)[0] == 404:
                    del wanted[made["properties"]["vmId"]]
        mine = {one["vm_id"] for one in json.loads((self.lab / "up/machines.json").read_text())["machines"]
                if one["group"] == "killed"}
        self.assertEqual(mine, set(wanted))
        for made in wanted.values():
            wait_for(lambda made=made: self.power(made) == "running")
        folders = {one for one in os.listdir(self.lab / "vms")}
        self.assertTrue(set(wanted) <= folders)
        known = {one["vm_id"] for one in json.loads((self.lab / "up/machines.json").read_text())["machines"]}
        self.assertEqual(folders, known)

    def test_folders_without_record_go_and_records_without_folder_get_one(self):
        group = self.group("folders")
        made = self.machine(group, "m")
        run("down", "--dir", self.lab)
        shutil.rmtree(self.folder(made))
        stray = self.lab / "vms/00000000-0000-4000-8000-000000000000"
        (stray / "machine").mkdir(parents=True)
        self.up()
        wait_for(lambda: self.power(made) == "running")
        self.assertFalse(stray.exists())
        self.assertTrue((self.folder(made) / "machine/machine.json").exists())


@unittest.skipUnless(shutil.which("swtpm"), "swtpm is not installed")
class EncryptionSets(Lab):
    def vault(self, method, name, path, body=None):
        return self.ask(method, f"https://{name}.vault.azure.net{path}?api-version=7.4", body,
                        self.token("https://vault.azure.net/.default"))

    def assign(self, scope, role, principal):
        self.number = getattr(self, "number", 0) + 1
        path = (f"{scope}/providers/Microsoft.Authorization/roleAssignments/"
                f"00000000-0000-4000-8000-{abs(hash((self.id(), self.number))) % 10**12:012}")
        self.make(path, {"properties": {
            "roleDefinitionId": f"{self.root}/providers/Microsoft.Authorization/roleDefinitions/{role}",
            "principalId": principal}})
        return path

    def encryption_set(self, group, name, kind="ConfidentialVmEncryptedWithCustomerKey"):
        """encryption_set returns the set, its vault's name and path, and its key."""
        _, me = self.ask("GET", "https://graph.microsoft.com/v1.0/me",
                         token=self.token("https://graph.microsoft.com/.default"))
        vault = f"{name}-vault"
        path = f"{group}/providers/Microsoft.KeyVault/vaults/{vault}"
        self.make(path, {"location": "westeurope",
                         "properties": {"tenantId": self.tenant, "sku": {"family": "A", "name": "premium"},
                                        "accessPolicies": [], "enableRbacAuthorization": True}})
        self.assign(path, CRYPTO_OFFICER, me["id"])
        status, key = self.vault("POST", vault, "/keys/k/create", {"kty": "RSA-HSM", "key_size": 3072})
        self.assertEqual(status, 200, key)
        made = self.make(f"{group}/providers/Microsoft.Compute/diskEncryptionSets/{name}", {
            "location": "westeurope", "identity": {"type": "SystemAssigned"},
            "properties": {"activeKey": {"sourceVault": {"id": path}, "keyUrl": key["key"]["kid"]},
                           "encryptionType": kind}})
        return made, vault, path, key["key"]["kid"]

    def refuse(self, path, body, code="KeyVaultAccessForbidden"):
        status, answer = self.arm("PUT", path, body)
        self.assertEqual(answer["error"]["code"], code, answer)
        self.assertEqual(self.arm("GET", path)[0], 404)
        return answer["error"]["message"]

    def test_the_key_of_a_set_guards_the_state(self):
        group = self.group("cmk")
        made_set, vault, vault_path, kid = self.encryption_set(group, "des")
        path = f"{group}/providers/Microsoft.Compute/virtualMachines/m"
        body = self.body(self.interface(group, "m"), encryption="DiskWithVMGuestState", encryption_set=made_set["id"])
        before = set(os.listdir(self.lab / "vms"))
        message = self.refuse(path, body)
        self.assertIn(kid, message)
        self.assertIn("disk encryption set 'des'", message)
        self.assertEqual(set(os.listdir(self.lab / "vms")), before)

        role = self.assign(vault_path, ENCRYPTION_USER, made_set["identity"]["principalId"])
        machine = self.make(path, body)
        self.assertEqual(self.power(machine), "running")
        kept = json.loads((self.folder(machine) / "state.key.json").read_text())
        self.assertEqual(kept["key"], kid)
        self.assertFalse((self.folder(machine) / "state.key").exists())

        # Each start needs the key.
        self.act(machine, "deallocate")
        for forbid, allow in ((lambda: self.vault("PATCH", vault, "/keys/k", {"attributes": {"enabled": False}}),
                               lambda: self.vault("PATCH", vault, "/keys/k", {"attributes": {"enabled": True}})),
                              (lambda: self.vault("DELETE", vault, "/keys/k"),
                               lambda: self.vault("POST", vault, "/deletedkeys/k/recover")),
                              (lambda: self.arm("DELETE", role),
                               lambda: self.assign(vault_path, ENCRYPTION_USER, made_set["identity"]["principalId"]))):
            forbid()
            status, answer = self.arm("POST", f"{machine['id']}/start")
            self.assertIn(answer["error"]["code"], ("KeyVaultAccessForbidden", "KeyVaultKeyNotFound"), answer)
            self.assertGreaterEqual(status, 400)
            self.assertNotEqual(self.power(machine), "running")
            self.assertIsNone(self.software_tpm(machine))
            allow()
            self.act(machine, "start")
            self.assertEqual(self.power(machine), "running")
            self.act(machine, "powerOff")

        # At the lab's return too: then it says why.
        self.act(machine, "start")
        self.vault("PATCH", vault, "/keys/k", {"attributes": {"enabled": False}})
        run("down", "--dir", self.lab)
        self.up()
        wait_for(lambda: self.power(machine) == "stopped")
        self.assertIn("Unable to access key vault", self.listed(machine)["reason"])
        wait_for(lambda: "does not start: Unable to access" in run("logs", "--dir", self.lab).stdout)
        self.vault("PATCH", vault, "/keys/k", {"attributes": {"enabled": True}})
        self.act(machine, "start")

        # A new active key takes over at the next start, and the old one is not needed any more.
        status, new = self.vault("POST", vault, "/keys/k2/create", {"kty": "RSA"})
        self.assertEqual(status, 200, new)
        changed = {**made_set, "properties": {**made_set["properties"], "activeKey": {
            "sourceVault": {"id": vault_path}, "keyUrl": new["key"]["kid"]}}}
        self.assertEqual(self.arm("PUT", made_set["id"], changed)[0], 200)
        self.act(machine, "restart")
        self.vault("DELETE", vault, "/keys/k")
        self.act(machine, "restart")
        self.assertEqual(json.loads((self.folder(machine) / "state.key.json").read_text())["key"], new["key"]["kid"])

    def test_a_set_of_the_wrong_kind_or_without_identity_is_refused(self):
        group = self.group("wrong")
        at_rest, _, _, _ = self.encryption_set(group, "rest", "EncryptionAtRestWithCustomerKey")
        path = f"{group}/providers/Microsoft.Compute/virtualMachines/m"
        interface = self.interface(group, "m")
        self.refuse(path, self.body(interface, encryption_set=at_rest["id"]), "InvalidParameter")
        message = self.refuse(path, self.body(interface, kind="Standard", encryption_set=at_rest["id"]))
        self.assertIn("grant get, wrap and unwrap", message)
        confidential, _, _, _ = self.encryption_set(group, "conf")
        self.refuse(path, self.body(interface, kind="TrustedLaunch", encryption_set=confidential["id"]),
                    "InvalidParameter")


if __name__ == "__main__":
    unittest.main()
