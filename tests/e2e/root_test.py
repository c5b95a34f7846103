"""Who keeps a vault's root key: a file, a passphrase, a TPM or an HSM, through the real program; and another one in
its place while requests are served."""

import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

PROGRAM = os.environ["VOUCHSAFE"]
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
VAULT = "root-kv"
HOST = f"https://{VAULT}.vault.azure.net"
ATTEST = "https://sharedweu.weu.attest.azure.net"
LOGIN = "login.microsoftonline.com"
PIN = "test-pin-4711"


def run(*arguments, environment=None):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **(environment or {})})


def private(file, text):
    file.write_text(text)
    file.chmod(0o600)
    return file


class Tpm:
    """Tpm is a software TPM in a folder of its own."""

    def __init__(self, folder):
        folder.mkdir(exist_ok=True)
        socket = folder / "tpm"
        self.tcti = f"swtpm:path={socket}"
        self.process = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}", "--server", f"type=unixio,path={socket}",
             "--ctrl", f"type=unixio,path={socket}.ctrl", "--flags", "not-need-init,startup-clear"],
            stderr=subprocess.DEVNULL)
        while not socket.exists():
            assert self.process.poll() is None
            time.sleep(0.01)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Serving:
    """Serving is one service that runs; or the text in which it said why it does not."""

    def __init__(self, service, folder, *options, **environment):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [PROGRAM, "--json", "serve", service, "--dir", str(folder), *map(str, options)], stdout=subprocess.PIPE,
            stderr=self.log, text=True, env={**os.environ, **environment})
        line = self.process.stdout.readline()
        self.refusal = None if line else self.wait()
        self.port = urllib.parse.urlsplit(json.loads(line)["listening"]).port if line else None

    def wait(self):
        self.process.wait(60)
        self.process.stdout.close()
        self.log.seek(0)
        with self.log:
            return self.log.read()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.wait()


class RootKeys(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-root-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.pattern = cls.work / "pattern"
        cls.ok("vm", "create", "m", "--dir", cls.pattern)
        cls.ok("admin", "create-vault", VAULT, "--retention-days", 7, "--dir", cls.pattern)
        app = json.loads(cls.ok("--json", "admin", "create-app", "alice", "--secret-out", cls.work / "alice.secret",
                                "--dir", cls.pattern))
        for role in ("Key Vault Secrets Officer", "Key Vault Crypto Officer"):
            cls.ok("admin", "assign-role", role, "alice", "--vault", VAULT, "--dir", cls.pattern)
        cls.who = ["--tenant", app["tenant"], "--client-id", app["client_id"], "--secret-file",
                   cls.work / "alice.secret"]
        cls.passphrase = private(cls.work / "passphrase", "correct horse battery staple\n")
        cls.login = Serving("identity", cls.pattern)
        cls.addClassCleanup(cls.login.stop)
        tokens = cls.work / "tokens"
        tokens.mkdir()
        configuration = cls.work / "softhsm2.conf"
        configuration.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
        cls.hsm_environment = {"SOFTHSM2_CONF": str(configuration)}
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "vault", "--pin", PIN, "--so-pin",
                        "so-pin-0815"], check=True, capture_output=True, env={**os.environ, **cls.hsm_environment})
        cls.pin = private(cls.work / "pin", PIN)
        cls.hsm = ["--hsm-module", MODULE, "--hsm-token", "vault", "--hsm-pin", cls.pin]

    @classmethod
    def ok(cls, *arguments, **environment):
        result = run(*arguments, environment=environment)
        assert result.returncode == 0, (arguments, result.stdout, result.stderr)
        return result.stdout

    def setUp(self):
        self.lab = self.work / self._testMethodName
        shutil.copytree(self.pattern, self.lab)
        self.site = self.work / f"{self._testMethodName}.site"

    def serve(self, *options, folder=None, names=None):
        """serve starts the vault and makes the site file that leads to it, and to what `names` has."""
        where = f"127.0.0.1:{self.login.port}"
        names = {f"{LOGIN}:443": where, "sts.windows.net:443": where, **(names or {})}
        ca = str(self.pattern / "root/tls-ca.pem")
        self.site.write_text(json.dumps({"ca_file": ca, "connect_to": names}))
        vault = Serving("vault", folder or self.lab, *options, VOUCHSAFE_SITE=str(self.site), **self.hsm_environment)
        if vault.refusal is None:
            self.addCleanup(lambda: vault.process.poll() is None and vault.stop())
            names[f"{VAULT}.vault.azure.net:443"] = f"127.0.0.1:{vault.port}"
            self.site.write_text(json.dumps({"ca_file": ca, "connect_to": names}))
        return vault

    def refused(self, *options, folder=None):
        vault = self.serve(*options, folder=folder)
        self.assertIsNotNone(vault.refusal, "it must not start")
        return vault.refusal

    def ask(self, *words):
        return run("--site", self.site, "--json", *words, *self.who)

    def put(self, name, value):
        file = self.work / f"{self._testMethodName}-{name}.value"
        file.write_text(value)
        return self.ask("secret", "set", "--secret", f"{HOST}/secrets/{name}", "--in", file)

    def get(self, name):
        done = run("--site", self.site, "secret", "show", "--secret", f"{HOST}/secrets/{name}", *self.who)
        return done.stdout if done.returncode == 0 else done.stderr

    def rewrap(self, *options, folder=None):
        return run("--json", "vault", "rewrap-root", "--dir", folder or self.lab, *options,
                   environment=self.hsm_environment)

    def moved(self, *options):
        done = self.rewrap(*options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def keeper(self):
        return json.loads((self.lab / "vault/root.key").read_text())["keeper"]

    def test_a_passphrase_keeps_it_and_no_other_one_opens_it(self):
        vault = self.serve()
        self.assertEqual(self.put("s", "kept").returncode, 0)
        vault.stop()
        told = self.moved("--to", "passphrase", "--to-passphrase", self.passphrase)
        self.assertEqual((told["keeper"], told["generation"]), ("passphrase", 2))
        vault = self.serve("--root", "passphrase", "--root-passphrase", self.passphrase)
        self.assertEqual(self.get("s"), "kept")
        vault.stop()

        self.assertIn("--root-passphrase FILE", self.refused())
        wrong = private(self.work / "wrong", "correct horse battery stable\n")
        self.assertIn("is not the one that keeps this root key", self.refused("--root-passphrase", wrong))
        self.assertIn("--root passphrase", self.refused("--root", "file"))
        self.assertIn("rewrap-root --to tpm", self.refused("--root", "tpm"))
        self.assertIn("empty", self.refused("--root-passphrase", private(self.work / "empty", "\n")))
        everybodys = private(self.work / "everybodys", "correct horse battery staple\n")
        everybodys.chmod(0o644)
        self.assertIn("chmod 600", self.refused("--root-passphrase", everybodys))
        self.assertIn("credential", self.refused("--root-passphrase", "credential:root"))

        own = run("admin", "create-vault", "another-kv", "--dir", self.lab)
        self.assertIn("rewrap-root --to file", own.stderr, "a lab's own commands know the file alone")

        again = self.moved("--root-passphrase", self.passphrase, "--to", "file")
        self.assertEqual((again["keeper"], again["generation"]), ("file", 3))
        self.serve()
        self.assertEqual(self.get("s"), "kept")

    def test_systemd_hands_over_the_passphrase_and_a_settings_file_names_it(self):
        self.moved("--to", "passphrase", "--to-passphrase", self.passphrase)
        settings = self.work / "vault.toml"
        settings.write_text(f'dir = "{self.lab}"\nroot = "passphrase"\nroot-passphrase = "credential:passphrase"\n')
        process = subprocess.Popen([PROGRAM, "--json", "serve", "vault", "--config", settings], stdout=subprocess.PIPE,
                                   text=True, env={**os.environ, "CREDENTIALS_DIRECTORY": str(self.work)})
        self.assertIn("listening", process.stdout.readline())
        process.terminate()
        process.wait(60)
        process.stdout.close()

    def fresh(self, name):
        """fresh is a lab without a vault."""
        lab = self.work / f"{self._testMethodName}-{name}"
        shutil.copytree(self.pattern, lab, ignore=shutil.ignore_patterns("vault"))
        return lab

    def test_a_new_directory_is_kept_as_the_setting_says(self):
        lab = self.fresh("fresh")
        self.serve("--root", "passphrase", "--root-passphrase", self.passphrase, folder=lab).stop()
        file = lab / "vault/root.key"
        self.assertEqual(json.loads(file.read_text())["keeper"], "passphrase")
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        self.assertIn("--root-passphrase FILE", self.refused(folder=lab))

    def test_a_tpm_keeps_it_and_that_of_another_machine_does_not_open_it(self):
        mine, other = Tpm(self.work / "mine"), Tpm(self.work / "other")
        self.addCleanup(mine.stop)
        self.addCleanup(other.stop)
        vault = self.serve()
        self.assertEqual(self.put("s", "kept").returncode, 0)
        vault.stop()
        self.assertEqual(self.moved("--to", "tpm", "--root-tcti", mine.tcti)["keeper"], "tpm")
        vault = self.serve("--root", "tpm", "--root-tcti", mine.tcti)
        self.assertEqual(self.get("s"), "kept")
        vault.stop()
        def pcrs():
            return [key["pcrs"] for key in json.loads((self.lab / "vault/root.key").read_text())["keys"]]

        self.moved("--root-tcti", mine.tcti, "--to-pcr", "7", "--to-pcr", "4")
        self.moved("--root-tcti", mine.tcti)
        self.assertEqual(pcrs(), [[4, 7]], "another key is not sealed any looser by itself")
        refusal = self.refused("--root-tcti", other.tcti)
        self.assertIn("the TPM is another", refusal)
        self.assertIn("root.key", refusal)
        self.assertNotEqual(self.refused("--root-tcti", "swtpm:path=/nonexistent/tpm"), "")
        lost = self.rewrap("--root-tcti", other.tcti, "--to", "file")
        self.assertNotEqual(lost.returncode, 0)
        self.assertEqual(self.keeper(), "tpm", "nothing was changed")

    def test_an_hsm_keeps_it(self):
        vault = self.serve()
        self.assertEqual(self.put("s", "kept").returncode, 0)
        vault.stop()
        self.assertIn("--hsm-module", self.rewrap("--to", "pkcs11").stderr)
        self.assertEqual(self.moved("--to", "pkcs11", *self.hsm)["keeper"], "pkcs11")
        vault = self.serve("--root", "pkcs11", *self.hsm)
        self.assertEqual(self.get("s"), "kept")
        vault.stop()
        wrong = private(self.work / "wrong-pin", "not-the-pin")
        self.assertIn("the PIN is not this token's", self.refused(*self.hsm[:4], "--hsm-pin", wrong))
        missing = ["--hsm-module", MODULE, "--hsm-token", "elsewhere", "--hsm-pin", self.pin]
        self.assertIn("no initialized token labelled", self.refused(*missing))
        self.assertIn("no PKCS#11 module", self.refused("--hsm-module", "/nonexistent.so", *self.hsm[2:]))

    def test_keys_of_hsm_kinds_live_in_the_hsm(self):
        key = f"{HOST}/keys/kek"
        plain, wrapped = private(self.work / "plain", "a data key"), self.work / "wrapped"

        def opened(alg="RSA-OAEP-256"):
            return run("--site", self.site, "key", "unwrap", "--key", key, "--via-vault", "--alg", alg, "--in", wrapped,
                       *self.who)

        settings = self.work / "hsm.toml"
        settings.write_text(f'hsm-module = "{MODULE}"\nhsm-token = "vault"\nhsm-pin = "{self.pin}"\nhsm-keys = true\n')
        vault = self.serve("--config", settings)
        made = self.ask("key", "create", "--key", key)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertEqual(self.ask("key", "wrap", "--key", key, "--in", plain, "--out", wrapped).returncode, 0)
        self.assertEqual(opened().stdout, "a data key", opened().stderr)
        vault.stop()

        self.moved("--to", "pkcs11", *self.hsm)
        vault = self.serve("--root", "pkcs11", "--hsm-keys", *self.hsm)
        self.assertEqual(opened().stdout, "a data key")
        vault.stop()

        vault = self.serve(*self.hsm)
        without = opened()
        self.assertEqual((without.returncode, without.stdout), (3, ""), without.stderr)
        vault.stop()
        self.assertIn("--hsm-module", self.refused("--hsm-keys", folder=self.pattern))

    def test_a_key_of_the_hsm_is_released_to_a_machine_that_was_attested(self):
        self.ok("vm", "exec", "m", "--dir", self.lab, "--", "true")  # makes the machine's principal
        attestation = Serving("attestation", self.lab)
        self.addCleanup(attestation.stop)
        self.ok("admin", "assign-role", "Key Vault Crypto Service Release User", "m", "--vault", VAULT, "--dir", self.lab)
        policy = self.work / "release-policy.json"
        policy.write_text(json.dumps({"version": "1.0.0", "anyOf": [{"authority": ATTEST, "allOf": [
            {"claim": "x-ms-isolation-tee.x-ms-attestation-type", "equals": "sevsnpvm"}]}]}))
        away = self.work / "machine"
        away.mkdir()
        # The machine stays up while its command waits. What it may connect to are the lab's own services, and that
        # vault has no HSM: so the client runs beside the machine, with its TPM and its metadata service.
        machine = subprocess.Popen(
            [PROGRAM, "vm", "exec", "m", "--dir", self.lab, "--write", away, "--", "sh", "-c",
             f'cat "$VOUCHSAFE_SITE" > {away}/site; echo up; until [ -e {away}/end ]; do sleep 0.1; done'],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(machine.communicate, timeout=60)
        self.addCleanup((away / "end").touch)
        self.assertEqual(machine.stdout.readline(), "up\n")

        def release(name):
            site = json.loads((away / "site").read_text())
            site["connect_to"][f"{VAULT}.vault.azure.net:443"] = f"127.0.0.1:{vault.port}"
            site["ca_file"] = str(self.pattern / "root/tls-ca.pem")
            (away / "our-site").write_text(json.dumps(site))
            return run("--site", away / "our-site", "--json", "key", "release", "--key", f"{HOST}/keys/{name}",
                       "--attest-url", ATTEST, "--out", away / f"{name}.pem", "--force")

        def public(name):
            key = json.loads(self.ask("key", "show", "--key", f"{HOST}/keys/{name}").stdout)
            number = key.get("key", key)["n"]
            return int.from_bytes(base64.urlsafe_b64decode(number + "=" * (-len(number) % 4)), "big")

        more_names = {f"{urllib.parse.urlsplit(ATTEST).hostname}:443": f"127.0.0.1:{attestation.port}"}
        vault = self.serve("--hsm-keys", *self.hsm, names=more_names)
        for name, options in (("kek", ["--policy", policy]), ("stays", [])):
            made = self.ask("key", "create", "--key", f"{HOST}/keys/{name}", *options)
            self.assertEqual(made.returncode, 0, made.stderr)
        released = release("kek")
        self.assertEqual(released.returncode, 0, released.stderr)
        modulus = subprocess.run(["openssl", "rsa", "-in", away / "kek.pem", "-noout", "-modulus"], check=True,
                                 capture_output=True, text=True).stdout
        self.assertEqual(int(modulus.strip().split("=")[1], 16), public("kek"))
        refused = release("stays")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("VAULT-KEY-EXPORTABLE", refused.stderr)
        self.assertFalse((away / "stays.pem").exists())
        vault.stop()
        # It is in the token and nowhere else.
        vault = self.serve(names=more_names)
        self.assertEqual(release("kek").returncode, 3)

    def test_a_vault_that_was_told_who_keeps_its_key_follows_to_nobody_else(self):
        self.moved("--to", "passphrase", "--to-passphrase", self.passphrase)
        with_passphrase = ["--root-passphrase", self.passphrase]
        vault = self.serve("--root", "passphrase", *with_passphrase)
        self.assertEqual(self.put("s", "kept").returncode, 0)
        self.moved(*with_passphrase)
        self.assertEqual(self.put("s", "under another key").returncode, 0)
        self.moved(*with_passphrase, "--to", "file")
        self.assertEqual(self.put("s", "lost").returncode, 3)
        self.assertIn("the root key was replaced, and this service cannot read it", vault.stop())
        vault = self.serve()
        self.assertEqual(self.get("s"), "under another key")

    def test_no_error_repeats_a_secret_that_stands_where_a_file_should(self):
        for options in (["--hsm-keys", *self.hsm[:4], "--hsm-pin", PIN], [*self.hsm[:4], "--hsm-pin", f"a/{PIN}"]):
            text = self.refused("--root", "pkcs11", *options, folder=self.fresh(str(len(options))))
            self.assertIn("--hsm-pin", text)
            self.assertNotIn(PIN, text)
        text = self.refused("--root", "passphrase", "--root-passphrase", "correct horse", folder=self.fresh("words"))
        self.assertIn("the passphrase", text)
        self.assertNotIn("horse", text)
        short = private(self.work / "short", "elevenbytes\n")
        text = self.refused("--root", "passphrase", "--root-passphrase", short, folder=self.fresh("short-lab"))
        self.assertIn("12 bytes", text)
        self.assertNotIn("elevenbytes", text)

    def test_requests_are_served_while_one_keeper_follows_another(self):
        second = private(self.work / "second", "another passphrase\n")
        vault = self.serve("--root-passphrase", self.passphrase, "--root-passphrase", second, *self.hsm)
        self.assertEqual(self.put("s", "kept").returncode, 0)
        problems, count, done = [], [0], threading.Event()

        def work():
            while not done.is_set():
                name = f"n{count[0]}"
                made, got, again = self.put(name, name), self.get("s"), self.get(name)
                if (made.returncode, got, again) != (0, "kept", name):
                    problems.append((made.stderr, got, again))
                count[0] += 1

        worker = threading.Thread(target=work)
        worker.start()
        with_all = ["--root-passphrase", self.passphrase, *self.hsm]
        try:
            steps = [[], ["--to", "passphrase"], ["--to", "passphrase", "--to-passphrase", second],
                     ["--root-passphrase", second, "--to", "pkcs11"], ["--to", "file"]]
            for step in steps:
                self.moved(*with_all, *step)
        finally:
            done.set()
            worker.join()
        said = vault.stop()
        self.assertEqual(problems, [], said)
        self.assertGreater(count[0], 2)
        self.assertEqual(self.keeper(), "file")
        self.serve()
        self.assertEqual(self.get("n0"), "n0")
        log = run("audit", "show", "--service", "vault", "--dir", self.lab)
        self.assertIn("root/rewrapped", log.stdout, log.stderr)

    def test_a_change_that_was_interrupted_is_ended_by_another_call(self):
        vault = self.serve()
        for i in range(3):
            self.assertEqual(self.put(f"s{i}", "kept").returncode, 0)
        vault.stop()
        change = [PROGRAM, "vault", "rewrap-root", "--dir", str(self.lab), "--to", "passphrase", "--to-passphrase",
                  str(self.passphrase)]
        for delay in (0.2, 0.6, 1.0, 1.4):
            process = subprocess.Popen(change, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            time.sleep(delay)
            process.kill()
            process.wait()
            state = (self.lab / "vault/root.key").read_bytes()
            if len(state) != 32 and len(json.loads(state)["keys"]) == 2:
                self.assertIn("--to passphrase", self.rewrap("--to", "file").stderr)
            self.serve("--root-passphrase", self.passphrase).stop()
        self.moved("--root-passphrase", self.passphrase, "--to", "passphrase")
        self.assertEqual(len(json.loads((self.lab / "vault/root.key").read_text())["keys"]), 1)
        self.serve("--root-passphrase", self.passphrase)
        self.assertEqual([self.get(f"s{i}") for i in range(3)], ["kept"] * 3)

    def test_says_what_it_needs(self):
        self.assertIn("Examples", run("vault", "rewrap-root", "--help").stdout)
        nothing = self.rewrap(folder=self.work / "nothing")
        self.assertNotEqual(nothing.returncode, 0)
        self.assertIn("--root-pcr", self.rewrap("--to", "tpm", "--root-pcr", "24").stderr)
        self.assertIn("goes with", self.rewrap("--to-passphrase", self.passphrase).stderr)


if __name__ == "__main__":
    unittest.main()
