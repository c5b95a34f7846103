"""A lab among people who mean it ill, and among the unlucky: bodies that are anything, ids in any form, many at once,
hostile names of hosts; programs inside a machine that want out of it; another user of the same computer."""

import concurrent.futures
import contextlib
import copy
import http.client
import json
import os
import pathlib
import random
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import unittest.mock

import full_disk_test
import vms_test

DEEP = 100_000


def variants(value, path=()):
    """variants are paths into a JSON value, its own first."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from variants(inner, (*path, key))


def replaced(value, path, other):
    out = copy.deepcopy(value)
    if not path:
        return other
    at = out
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = other
    return out


@unittest.skipUnless(shutil.which("swtpm"), "swtpm is not installed")
class Requests(vms_test.Lab):
    def setUp(self):
        self.at = self.group(self.id().rsplit(".", 1)[-1])

    def raw(self, method, path, body, headers=()):
        """raw sends a body of bytes as it is."""
        request = vms_test.urllib.request.Request(
            f"{vms_test.MANAGEMENT}{path}?api-version=2022-11-01", data=body, method=method,
            headers={"Authorization": "Bearer " + self.token("https://management.azure.com//.default"),
                     "Content-Type": "application/json", **dict(headers)})
        try:
            with self.opener.open(request, timeout=60) as answer:
                status, text = answer.status, answer.read()
        except vms_test.urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read()
        return status, json.loads(text) if text else None

    def bodies(self):
        """bodies are a good one of each type with code of its own: path, body."""
        located = {"location": "westeurope"}
        network = f"{self.at}/providers/Microsoft.Network"
        subnet = {"id": f"{network}/virtualNetworks/net/subnets/s"}
        public = self.make(f"{network}/publicIPAddresses/p", {**located, "sku": {"name": "Standard"},
                                                              "properties": {"publicIPAllocationMethod": "Static"}})
        interface = {**located, "properties": {"ipConfigurations": [{"name": "ip", "properties": {
            "subnet": subnet, "privateIPAddress": "10.10.0.9", "publicIPAddress": {"id": public["id"]}}}]}}
        yield f"{network}/networkInterfaces/n", interface
        yield f"{network}/publicIPAddresses/q", {**located, "tags": {"a": "b"}, "properties": {"ipAddress": "1.2.3.4"}}
        yield f"{network}/virtualNetworks/v", {**located, "properties": {
            "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [{"name": "s", "properties": {"addressPrefix": "10.0.0.0/24", "addressPrefixes": ["10.0.1.0/24"]}}]}}
        yield f"{network}/virtualNetworks/net/subnets/t", {"properties": {"addressPrefix": "10.10.9.0/24"}}
        yield f"{network}/networkSecurityGroups/g", {**located, "properties": {"securityRules": [
            {"name": "r", "properties": {"priority": 100}}]}}
        yield f"{network}/bastionHosts/b", {**located, "sku": {"name": "Basic"}, "properties": {
            "ipConfigurations": [{"name": "ip", "properties": {"subnet": subnet, "publicIPAddress": {"id": "x"}}}]}}
        made = self.interface(self.at, "for-machine")
        identity = f"{self.at}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
        yield identity, {**located, "tags": {}, "properties": {"principalId": "x"}}
        self.make(identity, located)
        body = self.body(made)
        body["identity"] = {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {identity: {}}}
        body["tags"] = {"vouchsafe.tier": "light"}
        yield f"{self.at}/providers/Microsoft.Compute/virtualMachines/m", body
        yield f"{self.at}/providers/Microsoft.Compute/diskEncryptionSets/d", {
            **located, "identity": {"type": "SystemAssigned", "userAssignedIdentities": {identity: {}}},
            "properties": {"activeKey": {"sourceVault": {"id": "x"}, "keyUrl": "https://v.vault.azure.net/keys/k"}}}
        yield f"{self.at}/providers/Microsoft.Compute/disks/k", {**located, "properties": {"diskSizeGB": 4}}
        yield f"{self.at}/providers/Microsoft.KeyVault/vaults/anything-vault", {**located, "properties": {
            "tenantId": self.tenant, "sku": {"family": "A", "name": "premium"}, "enableRbacAuthorization": True,
            "softDeleteRetentionInDays": 90, "publicNetworkAccess": "Enabled",
            "accessPolicies": [{"tenantId": self.tenant, "objectId": self.tenant, "permissions": {"keys": ["get"]}}],
            "networkAcls": {"defaultAction": "Deny", "bypass": "None", "ipRules": [{"value": "127.0.0.0/8"}],
                            "virtualNetworkRules": [subnet]}}}
        yield f"{self.at}/providers/Microsoft.Attestation/attestationProviders/anything", {**located, "properties": {
            "publicNetworkAccess": "Enabled", "policySigningCertificates": {"keys": []}}}
        yield f"{self.at}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-000000000009", {
            "properties": {"roleDefinitionId": f"{self.root}/providers/Microsoft.Authorization/roleDefinitions/"
                                               f"{vms_test.CRYPTO_OFFICER}",
                           "principalId": self.tenant, "principalType": "ServicePrincipal", "scope": self.at}}
        yield f"{self.at}/providers/Microsoft.Resources/deployments/d", {"properties": {
            "mode": "Incremental", "parameters": {"p": {"value": 1}}, "template": {
                "contentVersion": "1.0.0.0", "parameters": {"p": {"type": "int", "defaultValue": 2}},
                "variables": {"v": "[parameters('p')]"}, "outputs": {"o": {"type": "int", "value": "[variables('v')]"}},
                "resources": [{"type": "Microsoft.Network/virtualNetworks", "apiVersion": "2022-07-01", "name": "x",
                               "location": "westeurope", "dependsOn": [], "copy": {"name": "c", "count": 1},
                               "condition": True, "tags": {}, "properties": {}}]}}}
        thing = {"type": "My.Own/things", "apiVersion": "1", "name": "[n.f(parameters('q'))]", "properties": {
            "all": "[map(createArray(parameters('q')), lambda('x', lambdaVariables('x')))]"}}
        inside = {"languageVersion": "2.0", "definitions": {"s": {"type": "string", "maxLength": 9}},
                  "parameters": {"q": {"$ref": "#/definitions/s", "nullable": False}}, "resources": {"t": thing},
                  "functions": [{"namespace": "n", "members": {"f": {
                      "parameters": [{"name": "x", "type": "string"}],
                      "output": {"type": "string", "value": "[concat(parameters('x'), '1')]"}}}}],
                  "outputs": {"o": {"type": "string", "value": "[reference('t', '1', 'full').name]"}}}
        yield f"{self.at}/providers/Microsoft.Resources/deployments/outer", {"properties": {"template": {
            "languageVersion": "2.0", "resources": {
                "there": {"existing": True, "type": "My.Own/things", "apiVersion": "1", "name": "e"},
                "module": {"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "inner",
                           "resourceGroup": self.at.rsplit("/", 1)[-1], "dependsOn": ["there"],
                           "copy": {"name": "c", "count": 1}, "properties": {
                               "mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"},
                               "parameters": {"q": {"value": "[string(copyIndex())]"}}, "template": inside}}},
            "outputs": {"o": {"type": "array", "value": "[references('module')]"}}}}}
        yield self.at, {**located, "tags": {"a": "b"}, "properties": {}}

    def test_any_member_of_any_body_can_be_anything(self):
        """Each member of each body, replaced by values of other kinds: refused or taken, never 5xx."""
        others = (None, [], {}, "", "x" * 300, -1, 1 << 62, 1e300, True, [None], [[]], {"": None}, "\u0000", "\ud83d\ude00/..")
        rolls = random.Random(1)
        asked = 0
        for path, body in self.bodies():
            kind = path.rsplit("/", 2)[-2]
            heavy = kind in ("virtualMachines", "vaults", "attestationProviders")
            places = list(variants(body))
            for place in places:
                # What runs something has fewer turns: each takes its time.
                for other in rolls.sample(others, 3 if heavy else len(others)):
                    status, answer = self.arm("PUT", path, replaced(body, place, other))
                    asked += 1
                    self.assertTrue(status < 500 or status == 501, (path, place, other, status, answer))
                    if status >= 400:
                        self.assertTrue(answer["error"]["code"], answer)
                    elif kind in ("virtualMachines", "vaults", "attestationProviders"):
                        self.assertIn(self.arm("DELETE", path)[0], (200, 202), path)
                        if kind == "vaults":
                            self.arm("POST", f"{self.root}/providers/Microsoft.KeyVault/locations/westeurope/"
                                             f"deletedVaults/anything-vault/purge")
        print(f"{asked} bodies")

    def test_bodies_that_are_hardly_json_are_refused(self):
        paths = [self.at, f"{self.at}/providers/Microsoft.Network/virtualNetworks/v",
                 f"{self.at}/providers/Microsoft.Compute/virtualMachines/m",
                 f"{self.at}/providers/Microsoft.Resources/deployments/d",
                 f"{self.at}/providers/Microsoft.KeyVault/vaults/hardly-vault"]
        bodies = [b"", b"null", b"[]", b'"x"', b"{", b"\x00" * 100, b"\xff\xfe{\x00}\x00", b'{"a":1,"a":2}', b"{'a':1}",
                  b"[" * DEEP, b'{"a":' * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"properties":' * 500 + b"{}" + b"}" * 500,
                  b'{"location":"westeurope","properties":{"template":' + b"[" * DEEP, b'{"a":"\\ud800"}', b'{"a":1e999999}',
                  b"a=b&c=d", b"<xml/>", b'{"location": "west' + b"\xc3" + b'"}', b"/* */", b"{}//" + b"x" * 100_000]
        for path in paths:
            for body in bodies:
                for method in ("PUT", "PATCH"):
                    with self.subTest(path=path, body=body[:30], method=method):
                        status, answer = self.raw(method, path, body)
                        self.assertTrue(400 <= status < 500, (status, answer))
                        self.assertTrue(answer["error"]["code"])
        # Tags of almost a mebibyte, and of more.
        network = f"{self.at}/providers/Microsoft.Network/virtualNetworks/large"
        for size, wanted in ((900 << 10, (201,)), (1 << 20, (400, 413)), (5 << 20, (400, 413))):
            status, answer = self.arm("PUT", network, {"location": "westeurope", "tags": {"t": "x" * size}})
            self.assertIn(status, wanted, str(answer)[:200])
        self.assertEqual(len(self.arm("GET", network)[1]["tags"]["t"]), 900 << 10)

    def test_ids_in_any_form_are_one_or_none(self):
        path = f"{self.at}/providers/Microsoft.Compute/virtualMachines/Twice"
        made = self.make(path, self.body(self.interface(self.at, "n")))
        for form in (path.upper(), path.lower(), path.replace("/", "//"), path + "/", path.replace("providers", "Providers"),
                     path.replace("Twice", "%54wice"), path.replace("/providers/", "/providers///")):
            with self.subTest(form):
                status, seen = self.arm("GET", form)
                self.assertEqual((status, seen.get("id")), (200, made["id"]), seen)
        # The same machine by another name of its id has the same folder, address and identity.
        again = self.arm("PUT", path.upper().replace("/", "//"), self.body(self.interface(self.at, "n")))
        self.assertEqual((again[0], again[1]["properties"]["vmId"]), (200, made["properties"]["vmId"]))
        self.assertEqual(len([one for one in os.listdir(self.lab / "vms") if one == made["properties"]["vmId"]]), 1)
        for form in (path + "/..", path.replace("Twice", ".."), path.replace("Twice", "."), path.replace("Twice", "%2e%2e"),
                     path.replace("Twice", "a%2fb"), path.replace("Twice", "a%00b"), path.replace("Twice", "%ff"),
                     path.replace("Twice", "x" * 5000), path.replace("Twice", "a%0ab"), "/" * 3000, "/subscriptions",
                     "/subscriptions/" + "a/" * 400, path.replace("Twice", "a%5cb"), path.replace("Twice", "%3Cb%3E")):
            for method in ("GET", "PUT", "DELETE", "PATCH", "POST", "HEAD"):
                with self.subTest(form=form[-40:], method=method):
                    status, _ = self.arm(method, form, {} if method in ("PUT", "PATCH") else None)
                    self.assertLess(status, 500)
                    self.assertTrue(status >= 400 or (method == "GET" and form == "/subscriptions") or
                                    (method == "DELETE" and status == 204), status)
        self.assertEqual(self.arm("DELETE", path.upper().replace("/", "//"))[0], 200)
        self.assertEqual(self.arm("DELETE", path)[0], 204)
        self.assertFalse(self.folder(made).exists())

    def test_many_at_once_leave_one_or_none(self):
        """Eight threads make and end the same things."""
        located = {"location": "westeurope"}
        machine = f"{self.at}/providers/Microsoft.Compute/virtualMachines/m"
        vault = f"{self.at}/providers/Microsoft.KeyVault/vaults/at-once-vault"
        provider = f"{self.at}/providers/Microsoft.Attestation/attestationProviders/atonce"
        subnet = f"{self.at}/providers/Microsoft.Network/virtualNetworks/net/subnets/t"
        interface = self.interface(self.at, "n")
        vault_body = {**located, "properties": {"tenantId": self.tenant, "sku": {"family": "A", "name": "standard"},
                                                "accessPolicies": []}}
        recover = {**vault_body, "properties": {**vault_body["properties"], "createMode": "recover"}}
        purge = f"{self.root}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/at-once-vault/purge"
        steps = [("PUT", machine, self.body(interface)), ("DELETE", machine, None), ("POST", f"{machine}/start", None),
                 ("POST", f"{machine}/restart", None), ("PATCH", machine, {"identity": {"type": "None"}}),
                 ("PUT", vault, vault_body), ("DELETE", vault, None), ("PUT", vault, recover), ("POST", purge, None),
                 ("PUT", provider, {**located, "properties": {}}), ("DELETE", provider, None),
                 ("PUT", subnet, {"properties": {"addressPrefix": "10.10.9.0/24"}}), ("DELETE", subnet, None)]
        self.token("https://management.azure.com//.default")

        def work(number):
            rolls = random.Random(number)
            return [(step[:2], self.arm(*step)) for step in rolls.choices(steps, k=25)]

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for answers in pool.map(work, range(8)):
                for step, (status, answer) in answers:
                    self.assertLess(status, 500, (step, answer))
        there = self.arm("GET", machine)[0] == 200
        _, listed = self.arm("GET", f"{self.at}/providers/Microsoft.Compute/virtualMachines")
        ids = {one["properties"]["vmId"] for one in listed["value"]}
        self.assertEqual(len(ids), there)
        self.assertEqual({one["vm_id"] for one in json.loads((self.lab / "up/machines.json").read_text())["machines"]
                          if one["id"].lower().startswith(self.at.lower())}, ids)
        self.assertTrue(ids <= set(os.listdir(self.lab / "vms")))
        self.assertEqual(self.arm("DELETE", self.at)[0], 202)
        self.assertFalse(ids & set(os.listdir(self.lab / "vms")))

    def tunnel(self, line, more=b""):
        """tunnel sends a request line to the door and returns what comes back."""
        port = json.loads((self.lab / "up/state.json").read_text())["port"]
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(line + b"\r\n" + more + b"\r\n")
            connection.settimeout(20)
            answer = b""
            with contextlib.suppress(OSError):
                while b"\r\n\r\n" not in answer:
                    got = connection.recv(4096)
                    if not got:
                        break
                    answer += got
        return answer

    def test_names_of_hosts_that_are_none_get_nothing(self):
        names = [b"", b":443", b"x", b"management.azure.com", b"management.azure.com:80", b"management.azure.com:443:443",
                 b"management.azure.com.:443", b"management.azure.com%00.evil:443", b"management.azure.com\x00:443",
                 b"[::1]:443", b"[::ffff:127.0.0.1]:443", b"127.0.0.1:443", b"0x7f000001:443", b"2130706433:443", b"localhost:443",
                 b"169.254.169.254:443", b"169.254.169.254:80", b"a.b.vault.azure.net:443", b".vault.azure.net:443",
                 b"*.vault.azure.net:443", b"x" * 64 + b".vault.azure.net:443",
                 b"x.vault.azure.net:443/", b"x.vault.azure.net:443?x", b"\xffx.vault.azure.net:443", b"x.vault.azure.net:0443",
                 b"x.vault.azure.net:+443", b"user@x.vault.azure.net:443",
                 b"x.vault.azure.net\t:443", b"xn--" + b"a" * 60 + b".vault.azure.net:443", b"10.10.0.4:22", b"127.42.0.4:22",
                 b"../../x.vault.azure.net:443", b"$(id).vault.azure.net:443", b"a" * 9000]
        for name in names:
            with self.subTest(name[:60]):
                answer = self.tunnel(b"CONNECT " + name + b" HTTP/1.1", b"Host: " + name[:100] + b"\r\n")
                self.assertRegex(answer[:13], rb"^(HTTP/1\.1 4\d\d|$)")
        for host in (b"", b"x", b"127.0.0.1", b"management.azure.com", b"169.254.169.254\x00", b"a\r\nHost: b", b"x" * 9000,
                     b"localhost, localhost", b"10.10.0.4"):
            for target in (b"/", b"http://169.254.169.254/metadata/identity/oauth2/token?resource=x&api-version=2018-02-01",
                           b"http://management.azure.com/subscriptions", b"http://10.10.0.4/metadata/instance", b"*", b"//x/"):
                with self.subTest(host=host[:30], target=target):
                    answer = self.tunnel(b"GET " + target + b" HTTP/1.1",
                                         b"Host: " + host + b"\r\nMetadata: true\r\nConnection: close\r\n")
                    self.assertRegex(answer[:13], rb"^(HTTP/1\.1 [24]\d\d|$)")
                    self.assertNotIn(b"access_token", answer)
        # What is shown of it to people has nothing that a terminal would do.
        self.tunnel(b"CONNECT \x1b]0;x\x07.vault.azure.net:443 HTTP/1.1")
        logged = subprocess.run([vms_test.PROGRAM, "logs", "--dir", self.lab], capture_output=True).stdout
        self.assertNotRegex(logged, rb"[\x00-\x09\x0b-\x1f\x7f]")


# What a program inside tries, on its own and under sudo. It prints what came of each, as JSON.
ATTACK = r"""
import ctypes, json, os, socket, struct, sys, urllib.error, urllib.request
other, door, lab, abstract = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
out = {}

def tried(name, work):
    try:
        value = work()
    except urllib.error.HTTPError as error:
        value = f"HTTP {error.code}"
    except OSError as error:
        value = type(error).__name__
    out[name] = value

def call(name, *arguments):
    return 0 if getattr(libc, name)(*arguments) >= 0 else os.strerror(ctypes.get_errno())

def ask(path, **headers):
    url = "http://169.254.169.254/metadata/" + path
    request = urllib.request.Request(url, headers={"Metadata": "true", **headers})
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5).read().decode()

def raw(text):
    with socket.create_connection(("169.254.169.254", 80), timeout=5) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode())
        answer = b""
        while more := connection.recv(4096):
            answer += more
    return answer.decode()

def connects(address, port):
    with socket.create_connection((address, port), timeout=2):
        return "connected"

def unix(address):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        return "connected"

who = "instance/compute/vmId?api-version=2021-02-01&format=text"
token = "identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net"
tried("me", lambda: ask(who))
tried("me by another host", lambda: ask(who, Host=other))
tried("me by a real name", lambda: ask(who, Host="management.azure.com"))
for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Original-Host", "X-Forwarded-Host", "X-ms-client-ip"):
    tried("me by " + header, lambda: ask(who, **{header: other}))
tried("me in absolute form", lambda: raw(
    f"GET http://{other}/metadata/{who} HTTP/1.1\nHost: {other}\nMetadata: true\nConnection: close\n\n").split("\r\n\r\n")[-1])
tried("connect through", lambda: raw(f"CONNECT {other}:80 HTTP/1.1\nHost: {other}\n\n").split(" ")[1])
tried("a token of another", lambda: ask(token + "&mi_res_id=/x"))
for address, port in ((other, 80), (other, 443), ("127.0.0.1", int(door)), ("127.0.0.2", 80), ("127.0.0.1", 22),
                      ("169.254.169.253", 80), ("10.10.0.1", 53), ("1.1.1.1", 53), ("0.0.0.0", int(door)), ("::1", int(door))):
    tried(f"connect {address}:{port}".replace(door, "DOOR").replace(other, "OTHER"), lambda: connects(address, port))
for name, family, kind, protocol in (("raw IP", socket.AF_INET, socket.SOCK_RAW, 1),
                                     ("packets", socket.AF_PACKET, socket.SOCK_RAW, 0),
                                     ("vsock", socket.AF_VSOCK, socket.SOCK_STREAM, 0),
                                     ("kernel crypto", socket.AF_ALG, socket.SOCK_SEQPACKET, 0)):
    tried(name, lambda: socket.socket(family, kind, protocol).close())
tried("abstract", lambda: unix("\0" + abstract))
tried("interfaces", lambda: [name for _, name in socket.if_nameindex()])
tried("lab", lambda: os.listdir(lab))
for path in ("/root", "/home", "/", "/etc", "/proc", "/run", "/tmp", "/dev", "/opt/vouchsafe/bin"):
    tried("list " + path, lambda: sorted(os.listdir(path)))
for path in ("/etc/shadow", "/proc/kcore", "/proc/1/mem", "/dev/mem", "/dev/fuse", "/dev/kmsg", "/proc/kmsg",
             "/proc/1/root/root"):
    tried("read " + path, lambda: len(open(path, "rb").read(1)))
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/kernel/hostname", "/etc/hosts", "/etc/passwd",
             "/usr/bin/x", "/opt/vouchsafe/bin/vouchsafe"):
    tried("write " + path, lambda: open(path, "r+b" if os.path.exists(path) else "wb").close())
tried("oom", lambda: open("/proc/self/oom_score_adj").read().strip())
tried("fds", lambda: sorted(os.readlink("/proc/self/fd/" + one).split(":")[0] for one in os.listdir("/proc/self/fd")
                            if int(one) > 2 and os.path.exists("/proc/self/fd/" + one)))
tried("fds of the first", lambda: sorted({os.readlink("/proc/1/fd/" + one) for one in os.listdir("/proc/1/fd")}))
tried("processes", lambda: sorted({open(f"/proc/{one}/comm").read().strip() for one in os.listdir("/proc") if one.isdigit()}))
out["ptrace"] = call("ptrace", 16, 1, 0, 0)
out["mount"] = call("mount", b"none", b"/tmp", b"tmpfs", 0, None)
out["remount"] = call("mount", b"none", b"/usr", None, 0x1020, None)
out["umount"] = call("umount2", b"/proc/sys", 2)
out["chroot"] = call("chroot", b"/tmp")
for name in ("/proc/1/ns/net", "/proc/self/ns/net"):
    tried("setns " + name, lambda: call("setns", os.open(name, os.O_RDONLY), 0))
for name, flag in (("NEWNS", 0x20000), ("NEWNET", 0x40000000), ("NEWPID", 0x20000000), ("NEWUSER and NEWNS", 0x10020000),
                   ("NEWCGROUP", 0x2000000), ("NEWTIME", 0x80)):
    out["unshare " + name] = call("unshare", flag)
out["clock"] = call("clock_settime", 0, ctypes.create_string_buffer(struct.pack("ll", 0, 0)))
out["hostname"] = call("sethostname", b"x", 1)
out["setuid"] = call("setuid", 65534)
out["mknod"] = call("mknod", b"/tmp/null", 0o20666, os.makedev(1, 3))
out["keyctl"] = call("syscall", 250, 0, -3, 0)
out["perf"] = call("syscall", 298, 0, 0, -1, -1, 0)
out["bpf"] = call("syscall", 321, 0, 0, 0)
out["io_uring"] = call("syscall", 425, 1, 0)
print(json.dumps(out))
"""


@unittest.skipUnless(shutil.which("swtpm"), "swtpm is not installed")
class Insides(vms_test.Lab):
    """What a program inside a machine can do to others."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        first = cls()
        cls.at = first.group("insides")
        cls.mine, cls.other = (first.machine(cls.at, name) for name in ("mine", "other"))
        if first.listed(cls.mine)["pid"] == 0:
            raise unittest.SkipTest(first.listed(cls.mine)["reason"])

    def runTest(self):
        """For setUpClass, which makes one of these."""

    def enter(self, machine, *words, timeout=120, **options):
        return subprocess.run([vms_test.PROGRAM, "vm", "exec", machine["name"], "--dir", str(self.lab), "--", *words],
                              capture_output=True, text=True, timeout=timeout, **options)

    def script(self, machine, text, *arguments, sudo=False, **options):
        words = ["/usr/bin/python3", "-c", text, *map(str, arguments)]
        return self.enter(machine, *(["sudo"] if sudo else []), *words, **options)

    def alive(self):
        """alive: the lab and the other machine answer, soon."""
        start = time.monotonic()
        self.assertEqual(self.arm("GET", self.at)[0], 200)
        self.assertEqual(self.power(self.other), "running")
        said = self.enter(self.other, "curl", "-s", "-m", "20", "-H", "Metadata: true",
                          "http://169.254.169.254/metadata/instance/compute/vmId?api-version=2021-02-01&format=text")
        self.assertEqual(said.stdout, self.other["properties"]["vmId"], said.stderr)
        return time.monotonic() - start

    def attack(self, **options):
        port = json.loads((self.lab / "up/state.json").read_text())["port"]
        name = f"vs-outside-{os.getpid()}"
        with socket.socket(socket.AF_UNIX) as outside:
            outside.bind("\0" + name)
            outside.listen()
            done = self.script(self.mine, ATTACK, self.listed(self.other)["private_ip"], port, self.lab, name, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_nothing_of_others_is_reached(self):
        me = self.mine["properties"]["vmId"]
        for sudo in (False, True):
            seen = self.attack(sudo=sudo)
            for what, result in seen.items():
                with self.subTest(what, sudo=sudo):
                    if what.startswith("me"):
                        self.assertIn(result, (me, "HTTP 400", "HTTP 421", ""), what)
                    elif what.startswith("connect "):
                        self.assertIn(result, ("ConnectionRefusedError", "OSError", "TimeoutError",
                                               "400", "403", "404", "405", "421"))
                    elif what.startswith("write "):
                        self.assertIn(result, ("OSError", "PermissionError", "FileNotFoundError"))
                    elif what.startswith("unshare ") or what in ("ptrace", "mount", "remount", "umount", "chroot",
                                                                 "clock", "hostname",
                                                                  "mknod", "keyctl", "perf", "bpf", "io_uring"):
                        self.assertEqual(result, "Operation not permitted")
            self.assertEqual(seen["a token of another"], "HTTP 400")
            self.assertEqual(seen["setns /proc/self/ns/net"], "Operation not permitted")
            self.assertIn(seen["setns /proc/1/ns/net"], ("Operation not permitted", "PermissionError"))
            self.assertEqual(seen["abstract"], "ConnectionRefusedError")
            self.assertEqual(seen["interfaces"], ["lo"])
            self.assertEqual(seen["lab"], "FileNotFoundError")
            self.assertEqual(seen["list /root"], "FileNotFoundError")
            self.assertEqual(seen["list /home"], ["azureuser"])
            self.assertEqual(seen["list /run"], [])
            self.assertEqual(seen["list /tmp"], [])
            self.assertEqual(seen["fds"], [])
            self.assertIn(seen["fds of the first"], (["/dev/null"], "PermissionError"))
            self.assertLessEqual(set(seen["processes"]), {"sleep", "python3", "sudo", "unshare"})
            for path in ("/etc/shadow", "/dev/mem", "/dev/fuse", "/dev/kmsg"):
                self.assertEqual(seen["read " + path], "FileNotFoundError", path)
            for path in ("/proc/kcore", "/proc/kmsg", "/proc/1/root/root"):
                self.assertIn(seen["read " + path], ("PermissionError", "FileNotFoundError", 0), path)
            for name in ("raw IP", "packets", "vsock", "kernel crypto"):
                self.assertIn(seen[name], ("PermissionError", "OSError"), name)
            self.assertEqual(seen["oom"], "1000")

    def test_connections_without_end(self):
        """Thousands of connections (VS_FLOOD) to the machine's services, of which many stay open and say little."""
        flood = r"""
import resource, socket, sys
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
kept, made = [], 0
for port, address in ((80, "169.254.169.254"), (443, "127.0.0.1")):
    for number in range(int(sys.argv[1])):
        one = socket.socket()
        one.settimeout(0.2)
        try:
            one.connect((address, port))
            one.send(b"GET /metadata HTTP/1.1\r\n"[:number % 20])
            made += 1
            kept.append(one)
        except OSError:
            one.close()
        if len(kept) > min(hard, 4000) - 50:
            kept.pop(0).close()
    print(made, flush=True)
sys.stdin.read()
"""
        count = os.environ.get("VS_FLOOD", "600")
        flooding = subprocess.Popen([vms_test.PROGRAM, "vm", "exec", "mine", "--dir", str(self.lab), "--",
                                     "/usr/bin/python3", "-c", flood, count],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            waits = [self.alive() for _ in range(3)]
            for _ in range(2):
                self.assertTrue(flooding.stdout.readline())
            waits += [self.alive() for _ in range(3)]
        finally:
            flooding.stdin.close()
            flooding.wait(timeout=60)
            flooding.stdout.close()
        self.assertLess(max(waits), 20)
        # It harmed itself, and no longer than it went on.
        vms_test.wait_for(lambda: self.enter(self.mine, "curl", "-s", "-m", "5", "-H", "Metadata: true",
                                             "http://169.254.169.254/metadata/instance?api-version=2021-02-01").returncode == 0)

    def test_commands_without_end(self):
        """Programs that write half commands, read nothing, and open files without end, beside one that works."""
        if not shutil.which("tpm2_getrandom"):
            self.skipTest("tpm2-tools are not installed")
        storm = r"""
import os, random, signal, sys
for number in range(8):
    if os.fork() == 0:
        signal.alarm(20)
        rolls, kept = random.Random(number), []
        good = bytes.fromhex("80010000000c0000017b0020")
        while True:
            try:
                file = os.open("/dev/tpmrm0", os.O_RDWR | (os.O_NONBLOCK if number % 2 else 0))
                kept.append(file)
                command = bytearray(good)
                if number > 1:
                    command[rolls.randrange(len(command))] = rolls.randrange(256)
                if number > 4:
                    command = command[:rolls.randrange(len(command))]
                if number > 6:
                    command += bytes(rolls.randrange(9000))
                os.write(file, bytes(command))
                if number % 3:
                    os.read(file, rolls.randrange(1, 5000))
            except OSError:
                pass
            while len(kept) > 10:
                os.close(kept.pop(rolls.randrange(len(kept))))
"""
        before = self.listed(self.mine)["pid"]
        storming = subprocess.Popen([vms_test.PROGRAM, "vm", "exec", "mine", "--dir", str(self.lab), "--",
                                     "/usr/bin/python3", "-c", storm + "\nos.wait()"])
        try:
            end = time.monotonic() + 8
            worked, last = 0, ""
            while time.monotonic() < end:
                self.assertLess(self.alive(), 20)
                done = self.enter(self.other, "tpm2_getrandom", "--hex", "8")
                self.assertEqual((done.returncode, len(done.stdout)), (0, 16), done.stderr)
                done = self.enter(self.mine, "tpm2_getrandom", "--hex", "8")
                worked += done.returncode == 0
                last = done.stderr or last
        finally:
            storming.kill()
            storming.wait()
        vms_test.wait_for(lambda: self.enter(self.mine, "tpm2_getrandom", "--hex", "8").returncode == 0)
        self.assertGreater(worked, 0, last)
        self.assertEqual(self.listed(self.mine)["pid"], before)

    def test_a_home_that_nobody_can_remove(self):
        """Folders without rights, and folders deeper than any path: the machine starts again, and can be ended."""
        machine = self.machine(self.at, "stubborn")
        script = """
import os
os.makedirs("closed/below/more"); os.makedirs("modules/a/b")
open("modules/a/b/f", "w").close()
for folder in ("closed/below/more", "closed/below", "closed", "modules/a/b", "modules/a", "modules"):
    os.chmod(folder, 0 if "closed" in folder else 0o500)
os.symlink("/", "root"); os.mkfifo("pipe")
os.chmod(".", 0o777)
for depth in range(2500):
    os.mkdir("d"); os.chdir("d")
"""
        done = self.script(machine, script)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.act(machine, "restart")
        self.assertEqual(self.power(machine), "running")
        self.assertEqual(self.arm("DELETE", machine["id"])[0], 200)
        self.assertFalse(self.folder(machine).exists())
        self.alive()


@unittest.skipUnless(shutil.which("swtpm") and shutil.which("setpriv") and os.geteuid() == 0,
                     "needs root, to be two others")
class Users(unittest.TestCase):
    """Two users of one computer, each with a lab of his own and no rights but a user's."""

    @classmethod
    def setUpClass(cls):
        if not full_disk_test.have_own_mounts():
            raise unittest.SkipTest("needs to mount files over others")
        folder = tempfile.TemporaryDirectory(prefix="vs-users-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.work.chmod(0o755)
        # Where everybody finds it.
        cls.program = cls.work / "vouchsafe"
        shutil.copy(vms_test.PROGRAM, cls.program)
        cls.users = {}
        # ssh wants users who have names. Nobody but this process and its children sees these.
        known = cls.work / "passwd"
        known.write_text(pathlib.Path("/etc/passwd").read_text() + "".join(
            f"{name}:x:{uid}:{uid}::{cls.work / name}:/bin/sh\n" for name, uid in (("ada", 64001), ("bob", 64002))))
        subprocess.run(["mount", "--bind", known, "/etc/passwd"], check=True)
        cls.addClassCleanup(subprocess.run, ["umount", "-l", "/etc/passwd"], check=True)
        for name, uid in (("ada", 64001), ("bob", 64002)):
            home = cls.work / name
            home.mkdir(mode=0o755)
            os.chown(home, uid, uid)
            cls.users[name] = uid
            cls.addClassCleanup(cls.run_as, name, cls.program, "down")
            made = cls.run_as(name, cls.program, "up", "--detach")
            assert made.returncode == 0, made.stderr

    @classmethod
    def run_as(cls, name, *words, variables=False, **options):
        """run_as runs a program as a user with nothing but a home, or with the variables of 'vouchsafe env' too."""
        if variables:
            words = [cls.program, "env", "--run", *words]
        home = cls.work / name
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(cls.as_user(name, *words), capture_output=True, text=True, timeout=120, cwd=home,
                              **options)

    @classmethod
    def as_user(cls, name, *words):
        uid = cls.users[name]
        return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--bounding-set=-all",
                "--no-new-privs", "env", "-i", f"HOME={cls.work / name}", f"PATH={os.environ['PATH']}",
                *map(str, words)]

    def lab(self, name):
        return self.work / name / ".local/share/vouchsafe/lab"

    def client(self, name):
        """client is a vms_test.Lab of a user's."""
        client = vms_test.Lab("group")
        client.lab = self.lab(name)
        variables = json.loads(self.run_as(name, self.program, "--json", "env").stdout)
        client.opener = vms_test.urllib.request.build_opener(
            vms_test.urllib.request.ProxyHandler({"https": variables["HTTPS_PROXY"]}),
            vms_test.urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])))
        client.tokens = {}
        about = json.loads((client.lab / "directory.json").read_text())
        client.tenant, client.subscription = about["tenant"], about["subscription"]
        client.root = f"/subscriptions/{client.subscription}"
        return client

    def test_each_has_a_lab_and_nothing_of_the_others(self):
        machines = {}
        for name in self.users:
            client = self.client(name)
            self.run_as(name, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.work / name / "key")
            with unittest.mock.patch.object(vms_test, "KEY", (self.work / name / "key.pub").read_text()):
                machines[name] = client.machine(client.group("rg"), name + "-vm", public=True)
            listed = client.listed(machines[name])
            self.assertTrue(listed["pid"], listed["reason"])

            def inside(*words, name=name):
                done = self.run_as(name, self.program, "vm", "exec", name + "-vm", "--", *words)
                self.assertEqual(done.returncode, 0, (words, done.stderr))
                return done.stdout

            self.assertEqual(inside("id", "-un"), "azureuser\n")
            self.assertEqual(inside("sudo", "id", "-u"), "0\n")
            self.assertIn("virtual machine", inside("sh", "-c", "echo a virtual machine > note; cat note"))
            token = inside("vouchsafe", "attest", "--url", "https://sharedweu.weu.attest.azure.net")
            self.assertEqual(token.count("."), 2)
            if shutil.which("tpm2_getrandom"):
                self.assertEqual(len(inside("tpm2_getrandom", "--hex", "8")), 16)
            # At a terminal that is another's, as after su: it cannot be opened anew.
            words = self.as_user(name, self.program, "vm", "exec", name + "-vm", "--", "sh", "-c",
                                 "tty; echo up; read line; echo got-$line; exit 6")
            with vms_test.Typist(*words[1:], program=words[0]) as typist:
                typist.until(r"/dev/pts/0\r\nup\r\n")
                typist.type("it\r")
                typist.until(r"got-it\r\n")
                self.assertEqual(typist.end(), 6)
                self.assertFalse(typist.raw())
            if os.access("/usr/sbin/sshd", os.X_OK):
                key = self.work / name / "key"
                said = self.run_as(name, "ssh", "-o", "BatchMode=yes", "-i", key,
                                   f"azureuser@{listed['public_ip']}", "id", "-un", variables=True)
                self.assertEqual(said.stdout, "azureuser\n", said.stderr)

        # Not the other's files, nor what goes by them, nor his processes' insides.
        lab, listed = self.lab("ada"), self.client("ada").listed(machines["ada"])
        for words in (("ls", lab), ("cat", lab / "user.password"), ("cat", lab / "up/machines.json"),
                      ("cat", lab / "root/tls-ca.pem"), (self.program, "vm", "exec", "ada-vm", "--dir", lab, "--", "id"),
                      (self.program, "env", "--dir", lab),
                      (self.program, "down", "--dir", lab), (self.program, "up", "--detach", "--dir", lab),
                      ("ls", f"/proc/{listed['pid']}/root/"), ("cat", f"/proc/{listed['pid']}/environ"),
                      ("nsenter", "-t", listed["pid"], "-U", "-m", "id"), ("nsenter", "-t", listed["pid"], "-n", "id"),
                      ("kill", "-9", listed["pid"]), ("ls", f"/proc/{listed['pid']}/fd")):
            with self.subTest(words[:2]):
                done = self.run_as("bob", *words)
                self.assertNotEqual(done.returncode, 0, done.stdout)
                self.assertEqual(done.stdout, "")
        # His machine is his: the list that the other makes up is not enough.
        mine = self.lab("bob") / "up/machines.json"
        kept = mine.read_text()
        forged = json.loads(kept)
        forged["machines"][0].update({one: listed[one] for one in ("pid", "start", "boot")})
        mine.write_text(json.dumps(forged))
        done = self.run_as("bob", self.program, "vm", "exec", "bob-vm", "--", "id")
        mine.write_text(kept)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        # Nothing lies about for others: no sockets that are everybody's, nothing open in /tmp.
        for name, uid in self.users.items():
            for path in pathlib.Path("/tmp").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    self.assertFalse(path.stat().st_uid == uid and path.stat().st_mode & 0o077, path)
            open_ones = [path for path in self.lab(name).rglob("*")
                         if not path.is_symlink() and path.stat().st_mode & 0o002]
            self.assertEqual(open_ones, [])
        self.assertEqual(self.lab("ada").stat().st_mode & 0o077, 0)

        # A program that starts others without end has as many as its machine may, and the lab goes on.
        bomb = """
import os, sys, time
made = 0
try:
    while made < 6000:
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
        made += 1
except OSError:
    pass
print(made, flush=True)
sys.stdin.read()
"""
        bombing = subprocess.Popen(self.as_user("ada", self.program, "vm", "exec", "ada-vm", "--",
                                                "/usr/bin/python3", "-c", bomb),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        made = int(bombing.stdout.readline())
        self.assertTrue(1000 < made < 5000, made)
        client = self.client("ada")
        try:
            client.act(machines["ada"], "restart")
        finally:
            bombing.stdin.close()
            bombing.wait(timeout=60)
            bombing.stdout.close()
        self.assertEqual(client.power(machines["ada"]), "running")
        for name in self.users:
            kept = self.run_as(name, self.program, "vm", "exec", name + "-vm", "--", "cat", "note")
            self.assertEqual(kept.stdout, "a virtual machine\n", kept.stderr)
            ended = self.run_as(name, self.program, "down")
            self.assertEqual(ended.returncode, 0, ended.stderr)
            again = self.run_as(name, self.program, "up", "--detach")
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertEqual(self.run_as(name, self.program, "reset", "--yes").returncode, 1)
            self.assertEqual(self.run_as(name, self.program, "down").returncode, 0)
            ended = self.run_as(name, self.program, "reset", "--yes")
            self.assertEqual((ended.returncode, self.lab(name).exists()), (0, False), ended.stderr)


if __name__ == "__main__":
    unittest.main()
