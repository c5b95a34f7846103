"""The lab behind its front door, as users run it: up, env, status, logs, down, reset, with curl, Python's
urllib and raw sockets as clients that know nothing but the variables of 'vouchsafe env'."""

import contextlib
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ["VOUCHSAFE"]
CURL = shutil.which("curl")


def run(*arguments, **options):
    options.setdefault("timeout", 120)
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, **options)


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


class InADirectory(unittest.TestCase):
    """One lab directory for the tests of a class: its keys take a while."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-up-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab = cls.work / "it's a lab"
        made = run("vm", "create", "alice", "--dir", cls.lab)
        assert made.returncode == 0, made.stderr
        vault = run("admin", "vault", "create", "my-vault-42", "--dir", cls.lab)
        assert vault.returncode == 0, vault.stderr
        cls.addClassCleanup(lambda: run("down", "--dir", cls.lab))

    def up(self, *options):
        made = run("up", "--detach", "--dir", self.lab, *options)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.addCleanup(self.down)
        return made

    def down(self):
        ended = run("down", "--dir", self.lab)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return ended

    def status(self):
        shown = run("--json", "status", "--dir", self.lab)
        return json.loads(shown.stdout)

    def variables(self):
        return json.loads(run("--json", "env", "--dir", self.lab).stdout)

    def curl(self, *arguments):
        """curl returns status and text of an answer, by a client that knows only the variables."""
        environment = {"PATH": os.environ["PATH"], **self.variables()}
        done = subprocess.run([CURL, "-sS", "-w", "\n%{http_code}", *arguments], env=environment,
                              capture_output=True, text=True, timeout=60)
        text, _, status = done.stdout.rpartition("\n")
        return int(status or 0), text, done.stderr

    def tenant(self):
        return json.loads((self.lab / "directory.json").read_text())["tenant"]


@unittest.skipUnless(CURL, "curl is not installed")
class Clients(InADirectory):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        app = run("--json", "admin", "create-app", "bob", "--secret-out", cls.work / "secret", "--dir", cls.lab)
        assert app.returncode == 0, app.stderr
        cls.client_id = json.loads(app.stdout)["client_id"]
        made = run("up", "--detach", "--dir", cls.lab)
        assert made.returncode == 0, made.stderr

    def test_the_login_service_has_its_real_name(self):
        url = f"https://login.microsoftonline.com/{self.tenant()}/v2.0/.well-known/openid-configuration"
        status, text, error = self.curl(url)
        self.assertEqual(status, 200, error)
        self.assertIn(self.tenant(), json.loads(text)["token_endpoint"])

    def test_a_vault_challenges_under_its_real_name(self):
        for name in ("my-vault-42", "My-Vault-42"):
            status, text, error = self.curl("-D", "-", f"https://{name}.vault.azure.net/keys?api-version=7.4")
            self.assertEqual(status, 401, error)
            self.assertIn('resource="https://vault.azure.net"', text)
            self.assertIn(f'authorization="https://login.microsoftonline.com/{self.tenant()}"', text)
        status, _, error = self.curl("https://nobodys.vault.azure.net/keys?api-version=7.4")
        self.assertEqual(status, 404, error)

    def test_the_attestation_service_and_no_other_provider(self):
        status, text, error = self.curl("https://sharedweu.weu.attest.azure.net/certs")
        self.assertEqual(status, 200, error)
        self.assertTrue(json.loads(text)["keys"])
        status, text, _ = self.curl("https://nobody.weu.attest.azure.net/certs")
        self.assertEqual((status, json.loads(text)["error"]["code"]), (404, "ProviderNotFound"))

    def test_the_metadata_service_says_400_to_who_is_no_machine(self):
        url = ("http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01"
               "&resource=https://vault.azure.net")
        for header in ((), ("-H", "Metadata: true")):
            status, text, error = self.curl(*header, url)
            self.assertEqual(status, 400, error)
            self.assertEqual(json.loads(text)["error"], "invalid_request")

    def test_foreign_hosts_are_refused(self):
        for url in ("https://management.example.com/", "https://dc.services.visualstudio.com/v2/track"):
            _, _, error = self.curl(url)
            self.assertIn("403", error)
        status, text, _ = self.curl("http://example.com/")
        self.assertEqual(status, 403)
        self.assertIn("not served here", text)

    def test_a_client_without_the_authority_gets_nothing(self):
        environment = {"PATH": os.environ["PATH"], "HTTPS_PROXY": self.variables()["HTTPS_PROXY"]}
        done = subprocess.run([CURL, "-sS", "https://login.microsoftonline.com/"], env=environment,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (60, ""))
        wait_for(lambda: "does the client trust" in run("logs", "--dir", self.lab).stdout)

    def test_python_finds_the_lab_by_the_variables_alone(self):
        script = ("import json, urllib.request, urllib.error\n"
                  "url = 'https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration'\n"
                  "print(urllib.request.urlopen(url).status)\n"
                  "try: urllib.request.urlopen('https://www.python.org/')\n"
                  "except OSError as error: print(error)\n")
        done = run("env", "--dir", self.lab, "--run", "--", "/usr/bin/python3", "-c", script)
        self.assertEqual(done.returncode, 0, done.stderr)
        first, second = done.stdout.splitlines()
        self.assertEqual(first, "200")
        # Python shows the reason phrase and nothing else.
        self.assertIn("403 www.python.org is not served here", second)

    def test_our_own_client_finds_the_lab_by_the_variables_alone(self):
        done = run("env", "--dir", self.lab, "--run", PROGRAM, "key", "show", "--tenant", self.tenant(),
                   "--key", "https://my-vault-42.vault.azure.net/keys/none", "--client-id", self.client_id,
                   "--secret-file", self.work / "secret")
        # It got a token and reached the vault, where it has no role.
        self.assertEqual(done.returncode, 1, done.stderr)
        logged = run("logs", "--dir", self.lab).stdout
        self.assertRegex(logged, r"login\.microsoftonline\.com  POST /[-0-9a-f]+/oauth2/v2\.0/token  200")
        self.assertRegex(logged, r"my-vault-42\.vault\.azure\.net  GET /keys/none\S*  403")

    def tunnel(self, authority):
        port = self.status()["port"]
        connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        connection.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = connection.recv(4096)
            if not more:
                break
            answer += more
        return connection, answer.decode()

    def test_the_name_in_connect_decides_and_not_sni(self):
        context = ssl.create_default_context(cafile=self.variables()["SSL_CERT_FILE"])
        context.check_hostname = False
        connection, answer = self.tunnel("login.microsoftonline.com:443")
        self.assertIn(" 200 ", answer)
        with context.wrap_socket(connection, server_hostname="my-vault-42.vault.azure.net") as inside:
            names = [value for _, value in inside.getpeercert()["subjectAltName"]]
            self.assertEqual(names, ["login.microsoftonline.com"])
            inside.sendall(b"GET /keys?api-version=7.4 HTTP/1.1\r\nHost: my-vault-42.vault.azure.net\r\n\r\n")
            self.assertIn(b" 421 ", inside.recv(4096))

    def test_hostile_names_get_no_tunnel(self):
        for authority in ("", ":443", "login.microsoftonline.com", "login.microsoftonline.com:80", "[::1]:443",
                          "u:p@login.microsoftonline.com:443", "login.microsoftonline.com.:443", "a" * 300 + ":443",
                          "login.microsoftonline.com.evil.example:443", "\x01.vault.azure.net:443"):
            with self.subTest(authority):
                connection, answer = self.tunnel(authority)
                connection.close()
                self.assertRegex(answer, r"^HTTP/1\.1 40[03] ")

    def test_the_log_has_a_line_for_each_request_without_its_query(self):
        self.curl("https://my-vault-42.vault.azure.net/keys?api-version=7.4&token=hush")
        logged = run("logs", "--dir", self.lab, "--lines", "1").stdout
        self.assertRegex(logged, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  my-vault-42\.vault\.azure\.net  "
                                 r"GET /keys  401  [0-9.]+ ms\n$")
        self.curl("--path-as-is", "-A", "AZURECLI/2.45.0 (DEB) azsdk", "https://login.microsoftonline.com/x")
        self.curl("--path-as-is", "-A", "AZURECLI/2.45.0 (DEB) azsdk", "https://login.microsoftonline.com/x")
        self.assertEqual(run("logs", "--dir", self.lab).stdout.count("debian_az_shim.py"), 1)

    def test_logs_can_be_followed(self):
        following = subprocess.Popen([PROGRAM, "logs", "--dir", self.lab, "--lines", "0", "--follow"],
                                     stdout=subprocess.PIPE, text=True)
        try:
            time.sleep(0.3)
            self.curl("https://login.microsoftonline.com/followed")
            ready, _, _ = select.select([following.stdout], [], [], 20)
            self.assertTrue(ready)
            self.assertIn("/followed", following.stdout.readline())
        finally:
            following.send_signal(signal.SIGINT)
            self.assertEqual(following.wait(timeout=20), 130)
            following.stdout.close()


class Life(InADirectory):
    def test_a_second_up_says_where_the_first_is(self):
        self.up()
        state = self.status()
        self.assertTrue(state["running"] and state["answers"])
        for options in ((), ("--detach",), ("--port", "20001")):
            second = run("up", "--dir", self.lab, *options)
            self.assertEqual(second.returncode, 1)
            self.assertIn(f"process {state['pid']}, port {state['port']}", second.stderr)
        self.assertEqual(self.status()["pid"], state["pid"])

    def test_everything_survives_a_stop_and_a_kill(self):
        self.up()
        before, authority = self.status(), (self.lab / "up/ca.pem").read_text()
        self.assertIn("ended", self.down().stderr)
        self.assertFalse(self.status()["running"])
        self.assertEqual(run("status", "--dir", self.lab).returncode, 3)
        self.up()
        os.kill(self.status()["pid"], signal.SIGKILL)
        wait_for(lambda: not self.status()["running"])
        self.assertTrue(self.status()["killed"])
        self.assertIn("was killed", run("status", "--dir", self.lab).stdout)
        made = self.up()
        after = self.status()
        self.assertTrue(after["answers"])
        self.assertEqual(after["port"], before["port"])
        self.assertEqual((self.lab / "up/ca.pem").read_text(), authority)
        self.assertIn(str(after["port"]), made.stdout)

    def test_down_does_not_end_another_process_with_that_number(self):
        self.up()
        os.kill(self.status()["pid"], signal.SIGKILL)
        wait_for(lambda: not self.status()["running"])
        bystander = subprocess.Popen(["sleep", "600"])
        try:
            state = json.loads((self.lab / "up/state.json").read_text())
            state["pid"] = bystander.pid
            (self.lab / "up/state.json").write_text(json.dumps(state))
            self.assertFalse(self.status()["running"])
            self.assertIn("no lab runs", self.down().stderr)
            self.assertIsNone(bystander.poll())
            self.assertFalse((self.lab / "up/state.json").exists())
        finally:
            bystander.kill()
            bystander.wait()

    def test_a_port_that_is_taken_is_said(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            for options in ((), ("--detach",)):
                made = run("up", "--dir", self.lab, "--port", port, *options)
                self.assertEqual(made.returncode, 1)
                self.assertIn(f"127.0.0.1:{port} is taken", made.stderr)
        for bad in ("0", "65536", "-1", "http"):
            self.assertEqual(run("up", "--dir", self.lab, f"--port={bad}").returncode, 2)
        self.assertFalse(self.status()["running"])

    def test_env_speaks_three_shells_and_json(self):
        self.up()
        variables = self.variables()
        self.assertEqual(variables["HTTPS_PROXY"], f"http://127.0.0.1:{self.status()['port']}")
        self.assertEqual(variables["AZURE_CORE_COLLECT_TELEMETRY"], "0")
        self.assertNotIn("169.254", variables["NO_PROXY"])
        self.assertTrue(pathlib.Path(variables["AZURE_CONFIG_DIR"]).is_relative_to(self.lab))
        seen = subprocess.run(["sh", "-c", 'eval "$("$0" env --dir "$1")"; /usr/bin/env -0', PROGRAM, self.lab],
                              capture_output=True, text=True)
        exported = dict(item.split("=", 1) for item in seen.stdout.split("\0") if item)
        self.assertLessEqual(variables.items(), exported.items())
        fish = run("env", "--shell", "fish", "--dir", self.lab).stdout
        self.assertIn("set -gx NODE_EXTRA_CA_CERTS '" + str(self.lab).replace("'", "\\'"), fish)
        powershell = run("env", "--shell", "powershell", "--dir", self.lab).stdout
        self.assertIn("$env:SSL_CERT_FILE = '" + str(self.lab).replace("'", "''"), powershell)
        self.assertEqual(run("env", "--shell", "tcsh", "--dir", self.lab).returncode, 2)

    def test_env_runs_a_command_as_it_is(self):
        self.up()
        ran = run("env", "--dir", self.lab, "--run", "sh", "-c", 'echo "$HTTPS_PROXY"; exit 7')
        self.assertEqual((ran.returncode, ran.stdout), (7, self.variables()["HTTPS_PROXY"] + "\n"))
        # Signals are as they were: a program that waits can be ended, and a closed pipe ends one.
        ended = run("env", "--dir", self.lab, "--run", "sh", "-c", "kill -TERM $$; echo still here")
        self.assertEqual((ended.returncode, ended.stdout), (-signal.SIGTERM, ""))
        self.assertEqual(run("env", "--dir", self.lab, "--run", "no-such-program").returncode, 127)
        self.assertEqual(run("env", "--dir", self.lab, "--run").returncode, 2)
        self.assertEqual(run("env", "--dir", self.lab, "ls").returncode, 2)
        self.down()
        self.assertEqual(run("env", "--dir", self.lab, "--run", "true").returncode, 3)
        printed = run("env", "--dir", self.lab)
        self.assertEqual(printed.returncode, 0)
        self.assertIn("does not run now", printed.stderr)

    def test_without_a_lab_every_command_says_so(self):
        empty = self.work / "empty"
        self.assertNotEqual(run("env", "--dir", empty).returncode, 0)
        self.assertNotEqual(run("logs", "--dir", empty).returncode, 0)
        gone = run("reset", "--yes", "--dir", empty)
        self.assertEqual((gone.returncode, "nothing to remove" in gone.stderr), (1, True), gone.stderr)
        shown = run("status", "--dir", empty)
        self.assertEqual(shown.returncode, 3)
        self.assertIn(f"'vouchsafe up --dir {empty}' starts one", shown.stdout)
        entered = run("vm", "exec", "alice", "--dir", empty, "--", "true")
        self.assertEqual((entered.returncode, "no machine alice" in entered.stderr), (1, True), entered.stderr)
        self.assertEqual(run("down", "--dir", empty).returncode, 0)
        self.assertFalse(empty.exists())

    def test_machines_of_vm_create_wait_for_the_labs_end(self):
        self.assertEqual(run("vm", "exec", "alice", "--dir", self.lab, "--", "true").returncode, 0)
        self.up()
        for name, told in (("alice", "'vouchsafe down'"), ("bob", "'vouchsafe vm list'")):
            refused = run("vm", "exec", name, "--dir", self.lab, "--", "true")
            self.assertEqual(refused.returncode, 1)
            self.assertIn(told, refused.stderr)
        refused = run("admin", "create-app", "eve", "--secret-out", self.work / "eve", "--dir", self.lab)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("'vouchsafe down'", refused.stderr)

    def test_a_production_directory_is_no_lab(self):
        production = self.work / "production"
        run("serve", "attestation", "--dir", production, "--issuer", "https://a.example.org")
        self.assertTrue((production / "directory.json").exists())
        for command in (("up",), ("up", "--detach"), ("reset", "--yes")):
            refused = run(*command, "--dir", production)
            self.assertEqual(refused.returncode, 2)
            self.assertIn("production directory", refused.stderr)
        self.assertTrue((production / "directory.json").exists())

    @unittest.skipUnless(CURL, "curl is not installed")
    def test_in_the_foreground_requests_are_seen_and_ctrl_c_ends_it(self):
        ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm"}
        environment.pop("NO_COLOR", None)
        process = subprocess.Popen([PROGRAM, "up", "--dir", self.lab], stdout=theirs, stderr=theirs,
                                   stdin=subprocess.DEVNULL, env=environment)
        os.close(theirs)
        seen = b""

        def read_until(text):
            nonlocal seen
            end = time.monotonic() + 60
            while text not in seen:
                ready, _, _ = select.select([ours], [], [], max(0, end - time.monotonic()))
                self.assertTrue(ready, seen)
                seen += os.read(ours, 65536)

        with contextlib.closing(os.fdopen(ours, "rb", buffering=0)):
            read_until(b"Ctrl-C ends it")
            self.curl("https://login.microsoftonline.com/watched")
            read_until(b"/watched")
            self.assertIn(b"\x1b[", seen)
            process.send_signal(signal.SIGINT)
            read_until(b"The lab has ended")
        self.assertEqual(process.wait(timeout=30), 0)
        self.assertFalse((self.lab / "up/state.json").exists())
        self.assertNotIn("\x1b", run("logs", "--dir", self.lab).stdout)

    def test_only_a_lab_with_pass_through_trusts_and_reaches_others(self):
        self.up("--pass-through")
        self.assertTrue(self.status()["pass_through"])
        if pathlib.Path("/etc/ssl/certs/ca-certificates.crt").exists():
            self.assertGreater((self.lab / "up/ca.pem").read_text().count("BEGIN CERTIFICATE"), 1)
        if CURL:
            # Nothing has this name: the door tried.
            self.assertIn("502", self.curl("https://nobody.invalid/")[2])
        self.down()
        self.up()
        self.assertEqual((self.lab / "up/ca.pem").read_text().count("BEGIN CERTIFICATE"), 1)


    @unittest.skipUnless(CURL, "curl is not installed")
    def test_the_log_does_not_grow_for_ever(self):
        self.up()
        log = self.lab / "up/requests.log"
        with log.open("a") as out:
            out.write(("x" * 99 + "\n") * 83886)  # 8 MiB, nearly
        self.down()
        self.up()
        for _ in range(8):
            self.curl("https://login.microsoftonline.com/" + "y" * 200)
        self.assertLess(log.stat().st_size, 10000)
        self.assertGreater((self.lab / "up/requests.log.1").stat().st_size, 8 << 20 >> 1)
        self.assertIn("x" * 99, run("logs", "--dir", self.lab).stdout)
        (self.lab / "up/requests.log.1").unlink()


class Reset(InADirectory):
    def test_reset_asks_and_leaves_what_is_not_the_labs(self):
        self.up()
        self.assertIn("down", run("reset", "--yes", "--dir", self.lab).stderr)
        self.down()
        (self.lab / "my notes").write_text("mine")
        asked = run("reset", "--dir", self.lab, stdin=subprocess.DEVNULL)
        self.assertEqual(asked.returncode, 2)
        self.assertTrue((self.lab / "vault").exists())
        done = run("reset", "--yes", "--dir", self.lab)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("my notes", done.stderr)
        self.assertEqual([entry.name for entry in self.lab.iterdir()], ["my notes"])
        self.assertNotEqual(run("reset", "--yes", "--dir", self.lab).returncode, 0)
        (self.lab / "my notes").unlink()


if __name__ == "__main__":
    unittest.main()
