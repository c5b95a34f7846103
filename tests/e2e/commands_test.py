"""The commands, each as a user types it: results, refusals, exit codes, and what they leave behind."""

import base64
import datetime
import json
import os
import pathlib
import resource
import signal
import socket
import ssl
import subprocess
import tempfile
import unittest
import urllib.request

PROGRAM = os.environ["VOUCHSAFE"]
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "data/diabetes.csv"
ATTEST = "https://sharedweu.weu.attest.azure.net"


def run(*arguments, cwd=None, **options):
    options.setdefault("timeout", 120)
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], capture_output=True, text=True, cwd=cwd or ROOT, **options
    )


class InALab(unittest.TestCase):
    """A lab with a vault, an officer, a key and a machine that may have it released."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="vs-e2e-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.work = pathlib.Path(cls.folder.name)
        cls.lab = cls.work / "lab"
        demo = run("--json", "demo", "--dir", cls.lab, "--no-refusals")
        assert demo.returncode == 0, demo.stderr
        steps = {step["step"]: step for step in map(json.loads, demo.stdout.splitlines())}
        cls.key = steps["owner"]["details"]["key"]
        cls.sealed = pathlib.Path(steps["owner"]["details"]["sealed"])
        cls.enc = pathlib.Path(steps["owner"]["details"]["pair"])
        cls.vault = cls.key.split("//")[1].split(".")[0]
        cls.ok("vm", "create", "alice", "--dir", cls.lab)
        # The machine gets its identity when it first runs.
        cls.ok("vm", "exec", "alice", "--dir", cls.lab, "--", "true")
        cls.ok("admin", "assign-role", "Key Vault Crypto Service Release User", "alice", "--vault",
               cls.vault, "--key", "KeyEncryptionKey", "--dir", cls.lab)

    @classmethod
    def ok(cls, *arguments, **options):
        result = run(*arguments, **options)
        assert result.returncode == 0, (arguments, result.stdout, result.stderr)
        return result

    def inside(self, *command, read=(), write=(), machine="alice"):
        options = []
        for path in read:
            options += ["--read", path]
        for path in write:
            options += ["--write", path]
        return run("vm", "exec", machine, "--dir", self.lab, *options, "--", *command)


class Attest(InALab):
    def test_prints_a_token_that_verifies_against_the_services_keys(self):
        token = self.inside("vouchsafe", "attest", "--url", ATTEST)
        self.assertEqual(token.returncode, 0, token.stderr)
        self.assertEqual(token.stdout.count("."), 2)
        self.assertEqual(len(token.stdout.splitlines()), 1)

    def test_claims_are_those_of_a_confidential_vm_and_say_simulated(self):
        shown = self.inside("vouchsafe", "attest", "--claims", "--nonce", "n-123")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        claims = json.loads(shown.stdout)
        tee = claims["x-ms-isolation-tee"]
        self.assertEqual(claims["iss"], ATTEST)
        self.assertEqual(claims["x-ms-attestation-type"], "azurevm")
        self.assertEqual(tee["x-ms-attestation-type"], "sevsnpvm")
        self.assertEqual(tee["x-ms-compliance-status"], "azure-compliant-cvm")
        self.assertEqual(claims["x-vouchsafe-trust-tier"], "simulated")

    def test_a_real_tpm_answers_the_challenge_unless_that_is_not_wanted(self):
        def claims_with(*options):
            shown = self.inside("vouchsafe", "attest", "--claims", *options)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            return json.loads(shown.stdout)

        fresh = claims_with()
        self.assertEqual(fresh["exp"] - fresh["iat"], 300)
        self.assertRegex(fresh["x-vouchsafe-challenge"], r"^[-_A-Za-z0-9]{86}$")
        self.assertIn("jkt", fresh["cnf"])
        lasting = claims_with("--no-challenge")
        self.assertEqual(lasting["exp"] - lasting["iat"], 28800)
        self.assertNotIn("x-vouchsafe-challenge", lasting)

    def test_without_a_tpm_it_says_so(self):
        result = run("attest")
        self.assertEqual(result.returncode, 3)
        self.assertIn("/dev/tpmrm0", result.stderr)
        self.assertEqual(result.stdout, "")


class Confinement(InALab):
    def test_a_guest_cannot_see_the_vault(self):
        secret = self.lab / "vault"
        self.assertTrue(any(secret.iterdir()))
        result = self.inside("ls", secret)
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual(result.stdout, "")

    def test_a_guest_cannot_write_outside(self):
        target = self.work / "escape"
        self.inside("touch", target)
        self.assertFalse(target.exists())

    def test_a_guest_reaches_what_it_was_given(self):
        out = self.work / "out"
        out.mkdir(exist_ok=True)
        result = self.inside("cp", self.sealed, out / "copy", read=[self.sealed], write=[out])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual((out / "copy").read_bytes(), self.sealed.read_bytes())

    def test_exit_codes_of_the_command_come_through(self):
        self.assertEqual(self.inside("sh", "-c", "exit 7").returncode, 7)


class Keys(InALab):
    def test_release_and_open_the_native_file(self):
        result = self.inside("vouchsafe", "open", self.sealed, "--out", "-", "--key", self.key,
                             "--attest-url", ATTEST, read=[self.sealed])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.encode(), DATA.read_bytes().replace(b"\r\n", b"\n"))

    def test_open_the_tutorials_pair(self):
        key_file = self.enc.with_suffix(".key")
        result = self.inside("vouchsafe", "train", self.enc, "--wrapped-key", key_file, "--key", self.key,
                             "--attest-url", ATTEST, read=[self.enc, key_file])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(result.stdout.startswith("Model Accuracy: 0.7208\n"), result.stdout)

    def test_train_writes_a_sealed_model_and_predict_uses_it(self):
        out = self.work / "models"
        out.mkdir()
        model = out / "model.sealed"
        trained = self.inside("vouchsafe", "train", self.sealed, "--key", self.key, "--attest-url", ATTEST,
                              "--model-out", model, read=[self.sealed], write=[out])
        self.assertEqual(trained.returncode, 0, trained.stderr)
        self.assertNotIn(b"Glucose", model.read_bytes())
        predicted = self.inside("vouchsafe", "predict", self.sealed, "--model", model, "--key", self.key,
                                "--attest-url", ATTEST, read=[self.sealed, model])
        self.assertEqual(predicted.returncode, 0, predicted.stderr)
        self.assertEqual(len(predicted.stdout.splitlines()), 769)
        again = self.inside("vouchsafe", "train", self.sealed, "--key", self.key, "--attest-url", ATTEST,
                            "--model-out", model, read=[self.sealed], write=[out])
        self.assertEqual(again.returncode, 1, "an existing model is not overwritten")
        self.assertIn("--force", again.stderr)

    def test_key_unwrap_gives_the_data_key(self):
        key_file = self.enc.with_suffix(".key")
        result = self.inside("sh", "-c",
                             f"{PROGRAM} key unwrap --key {self.key} --attest-url {ATTEST} --alg RSA1_5 "
                             f"--in {key_file} | wc -c", read=[key_file])
        self.assertEqual(result.stdout.strip(), "32", result.stderr)

    def test_a_key_that_is_not_there_is_refused_with_a_request_id(self):
        wrong = self.key.rsplit("/", 2)[0] + "/NoSuchKey"
        result = self.inside("vouchsafe", "--json", "key", "release", "--key", wrong, "--attest-url", ATTEST)
        self.assertEqual(result.returncode, 1)
        error = json.loads(result.stderr.splitlines()[-1])["error"]
        self.assertTrue(error["request_id"])

    def test_a_machine_without_the_role_is_refused_and_the_log_says_why(self):
        run("vm", "create", "mallory", "--dir", self.lab)
        result = self.inside("vouchsafe", "--json", "key", "release", "--key", self.key, "--attest-url",
                             ATTEST, machine="mallory")
        self.assertEqual(result.returncode, 1)
        error = json.loads(result.stderr.splitlines()[-1])["error"]
        self.assertEqual(error["check"]["code"], "CALLER-ROLE")
        self.assertEqual(error["check"]["expected"], "", "outsiders learn code and request id only")
        shown = run("audit", "show", error["request_id"], "--dir", self.lab)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("CALLER-ROLE", shown.stdout)
        self.assertIn("remedy", shown.stdout)

    def test_a_key_outside_a_vault_is_never_sent_a_token(self):
        result = self.inside("vouchsafe", "key", "show", "--key", "https://vault.example.org/keys/a")
        self.assertEqual(result.returncode, 2)
        self.assertIn("no vault", result.stderr)


class Algorithms(InALab):
    def set_algorithm(self, name):
        """set_algorithm starts the lab's attestation service with this setting, which makes a key, and tells its keys."""
        service = subprocess.Popen(
            [PROGRAM, "--json", "serve", "attestation", "--dir", self.lab, "--signing-algorithm", name],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            url = json.loads(service.stdout.readline())["listening"]
            context = ssl._create_unverified_context()
            with urllib.request.urlopen(url + "/certs", timeout=30, context=context) as answer:
                return json.load(answer)
        finally:
            service.send_signal(signal.SIGTERM)
            service.communicate(timeout=30)

    def test_a_vault_releases_to_tokens_of_every_algorithm(self):
        certs = self.work / "certs.json"
        for name in ("ES256", "PS256", "RS256"):
            with self.subTest(name):
                keys = self.set_algorithm(name)
                certs.write_text(json.dumps(keys))
                token = self.inside("vouchsafe", "attest", "--url", ATTEST)
                self.assertEqual(token.returncode, 0, token.stderr)
                header = token.stdout.split(".")[0]
                header = json.loads(base64.urlsafe_b64decode(header + "=="))
                self.assertEqual((header["alg"], header["kid"]), (name, keys["keys"][0]["kid"]))
                verified = run("verify", "token", "--token", "-", "--jwks", certs, input=token.stdout)
                self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
                opened = self.inside("vouchsafe", "open", self.sealed, "--out", "-", "--key", self.key,
                                     "--attest-url", ATTEST, read=[self.sealed])
                self.assertEqual(opened.returncode, 0, opened.stderr)


class Files(unittest.TestCase):
    """seal and open with a key in a file: no lab needed."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="vs-e2e-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.work = pathlib.Path(cls.folder.name)
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out",
                        cls.work / "key.pem"], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", cls.work / "key.pem", "-pubout", "-out",
                        cls.work / "pub.pem"], check=True, capture_output=True)
        (cls.work / "data.csv").write_bytes(DATA.read_bytes())
        sealed = run("seal", cls.work / "data.csv", "--public-key", cls.work / "pub.pem")
        assert sealed.returncode == 0, sealed.stderr

    def test_round_trip(self):
        out = self.work / "opened.csv"
        result = run("open", self.work / "data.csv.sealed", "--private-key", self.work / "key.pem", "--out", out)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(out.read_bytes(), DATA.read_bytes())
        self.assertEqual(out.stat().st_mode & 0o777, 0o600)

    def test_existing_files_are_kept_without_force(self):
        before = (self.work / "data.csv.sealed").read_bytes()
        result = run("seal", self.work / "data.csv", "--public-key", self.work / "pub.pem")
        self.assertEqual(result.returncode, 1)
        self.assertIn("--force", result.stderr)
        self.assertEqual((self.work / "data.csv.sealed").read_bytes(), before)

    def test_a_changed_file_gives_no_output(self):
        data = bytearray((self.work / "data.csv.sealed").read_bytes())
        data[len(data) // 2] ^= 1
        (self.work / "changed.sealed").write_bytes(data)
        out = self.work / "never.csv"
        result = run("--json", "open", self.work / "changed.sealed", "--private-key", self.work / "key.pem",
                     "--out", out)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(json.loads(result.stderr)["error"]["check"]["code"], "SEAL-TAG")
        self.assertFalse(out.exists())
        self.assertEqual([p.name for p in self.work.iterdir() if p.name.startswith("never.csv")], [])

    def test_a_full_disk_leaves_nothing(self):
        out = self.work / "big.sealed"

        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        result = run("seal", self.work / "data.csv", "--public-key", self.work / "pub.pem", "--out", out,
                     preexec_fn=small_files)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertEqual([p.name for p in self.work.iterdir() if p.name.startswith("big.sealed")], [])

    def test_hostile_files_get_one_clear_error(self):
        for name, content in {"empty": b"", "text": b"hello", "zeros": bytes(5000), "ff": b"\xff" * 5000}.items():
            path = self.work / name
            path.write_bytes(content)
            with self.subTest(name):
                result = run("open", path, "--private-key", self.work / "key.pem", "--out", self.work / "x")
                self.assertIn(result.returncode, (1, 2), result.stderr)
                self.assertTrue(result.stderr.startswith("vouchsafe: "), result.stderr)
                self.assertFalse((self.work / "x").exists())

    def test_secrets_are_not_in_errors(self):
        (self.work / "bad.csv").write_text("a,Outcome\n12.5,1\nSECRETCELL,0\n")
        result = run("train", "--plain", self.work / "bad.csv")
        self.assertEqual(result.returncode, 2)
        self.assertNotIn("SECRETCELL", result.stderr)
        self.assertIn("row", result.stderr)

    def test_training_on_a_plain_file_prints_the_table(self):
        result = run("train", "--plain", DATA)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(result.stdout.startswith("Model Accuracy: 0.7208\n"))


class CommandLine(unittest.TestCase):
    def commands(self):
        listed = run("--help").stdout
        section = listed.split("Subcommands:")[1].split("Start here:")[0]
        return [line.split()[0] for line in section.splitlines() if line.startswith("  ") and line[2] != " "]

    def test_every_command_has_help_with_an_example(self):
        names = self.commands()
        self.assertIn("demo", names)
        for name in names:
            with self.subTest(name):
                result = run(name, "--help")
                self.assertEqual(result.returncode, 0)
                if name != "verify":
                    self.assertIn("Example", result.stdout)

    def test_a_word_that_is_no_command_is_named(self):
        for words, named in ((("upp",), "'upp'"), (("vm", "shel", "MyCVM"), "'vm shel'"),
                             (("--json", "vm", "--dir=x", "lst"), "'vm lst'")):
            refused = run(*words)
            self.assertEqual(refused.returncode, 2)
            self.assertIn(f"there is no command {named}\n", refused.stderr)
        self.assertIn("subcommand is required", run("vm").stderr)

    def test_every_command_of_a_lab_has_examples_of_its_own(self):
        commands = ["up", "env", "down", "reset", "status", "logs", *(f"vm {name}" for name in (
            "list", "create", "delete", "exec", "shell", "cp", "connect", "start", "stop", "ssh", "console",
            "image build"))]
        for command in commands:
            shown = run(*command.split(), "--help").stdout
            examples = shown.partition("Examples:\n")[2].splitlines()
            self.assertIn(f"vouchsafe {command}", examples[0], command)
            prose = [line for line in examples if not line.startswith(" ")]
            self.assertLessEqual(max(map(len, prose), default=0), 80, command)

    def test_usage_errors_are_exit_code_2(self):
        for words in (["nonsense"], [], ["demo", "--nonsense"], ["verify", "token"], ["explain", "NO-SUCH"],
                      ["train", "--plain", "/nonexistent.csv", "--rounds", "many"],
                      ["audit", "verify", "--in", "/nonexistent"],
                      ["--site", "/nonexistent", "attest"],
                      ["audit", "check-proof", "--proof", "/nonexistent", "--since", "/nonexistent", "--key", "k+1+k"],
                      ["vault", "rules", "propose", "--policy", "/nonexistent", "--key", "https://v/keys/k"]):
            with self.subTest(words):
                self.assertEqual(run(*words).returncode, 2)

    def test_an_option_that_is_given_says_something(self):
        # As of --key "$(cat vault.key)" where there is no such file.
        for words in (["audit", "verify", "--key", ""], ["audit", "verify", "--checkpoint", ""],
                      ["admin", "vault", "list", "--store", ""]):
            with self.subTest(words):
                result = run(*words)
                self.assertEqual(result.returncode, 2)
                self.assertIn(f"{words[-2]}: it has no value", result.stderr)

    def test_help_fits_80_columns(self):
        for words in (["serve", "vault"], ["serve", "attestation"], ["admin", "vault", "create"], ["verify", "snp"]):
            with self.subTest(words):
                options = run(*words, "--help").stdout.split("Examples:")[0]
                # Words that are longer stand alone, to be copied.
                long = [line for line in options.splitlines() if len(line) > 80 and len(line.split()) > 1]
                self.assertEqual(long, [])
        self.assertIn("--sku {premium,standard}=premium", run("admin", "vault", "create", "--help").stdout)
        self.assertIn("--attestation-origin https", run("serve", "vault", "--help").stdout.split("Examples:")[1])

    def test_explain_knows_every_code(self):
        listed = json.loads(run("--json", "explain", "--list").stdout)
        self.assertGreater(len(listed), 60)
        one = run("explain", listed[0]["code"].lower())
        self.assertEqual(one.returncode, 0)
        self.assertIn(listed[0]["remedy"], one.stdout)

    def test_completion_is_valid_shell(self):
        script = run("completion", "bash")
        self.assertEqual(script.returncode, 0)
        check = subprocess.run(["bash", "-n"], input=script.stdout, text=True, capture_output=True)
        self.assertEqual(check.returncode, 0, check.stderr)
        asked = subprocess.run(
            ["bash", "-c", script.stdout + '\nCOMP_WORDS=(vouchsafe key ""); COMP_CWORD=2; _vouchsafe; '
             'echo "${COMPREPLY[@]}"'], capture_output=True, text=True)
        self.assertIn("release", asked.stdout)


class Serve(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vs-e2e-")
        self.addCleanup(folder.cleanup)
        self.work = pathlib.Path(folder.name)

    def test_a_production_service_wants_tls_of_its_own(self):
        result = run("serve", "attestation", "--dir", self.work / "prod")
        self.assertEqual(result.returncode, 2)
        self.assertIn("--tls-cert", result.stderr)

    def serve(self, *arguments):
        process = subprocess.Popen([PROGRAM, "--json", "serve", *map(str, arguments)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        return process

    def make_lab(self):
        lab = self.work / "lab"
        made = run("vm", "create", "m", "--dir", lab)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertIn(f"vouchsafe vm exec m --dir {lab} -- vouchsafe attest", made.stderr)
        return lab

    def test_services_answer_and_stop_in_order(self):
        lab = self.make_lab()
        for name, extra in (("attestation", []), ("identity", []), ("vault", []), ("imds", ["--machine", "m"])):
            with self.subTest(name):
                process = self.serve(name, "--dir", lab, *extra)
                told = json.loads(process.stdout.readline())
                host, port = told["listening"].split("//")[1].split(":")
                socket.create_connection((host, int(port)), timeout=5).close()
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(timeout=10), 0, process.stderr.read())

    def test_an_occupied_port_is_named(self):
        lab = self.make_lab()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            result = run("serve", "attestation", "--dir", lab, "--listen", f"127.0.0.1:{port}")
        self.assertEqual(result.returncode, 1)
        self.assertIn(str(port), result.stderr)


class VerifyToken(unittest.TestCase):
    VECTORS = ROOT / "tests/vectors/maa"

    def verify(self, token, *extra):
        return run("verify", "token", "--token", self.VECTORS / token, "--jwks", self.VECTORS / "sharedweu.jwks.json",
                   *extra)

    def test_a_real_token_at_its_time_and_after(self):
        token = "cvm-snp-weu-2023-03.jwt"
        part = (self.VECTORS / token).read_text().split(".")[1]
        issued = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["iat"]
        moment = datetime.datetime.fromtimestamp(issued + 60, datetime.timezone.utc)
        at = ["--at", moment.strftime("%Y-%m-%dT%H:%M:%SZ")]
        self.assertEqual(self.verify(token, *at).returncode, 0)
        late = self.verify(token, "--json")
        self.assertEqual(late.returncode, 1)
        self.assertEqual(json.loads(late.stdout)["refusal"]["code"], "TOKEN-EXPIRED")
        other = self.verify(token, *at, "--issuer", "https://elsewhere.example.org", "--json")
        self.assertEqual(json.loads(other.stdout)["refusal"]["code"], "TOKEN-ISSUER")

    def test_files_that_cannot_be_read_are_exit_code_2(self):
        result = run("verify", "token", "--token", "/nonexistent", "--jwks", "/nonexistent")
        self.assertEqual(result.returncode, 2)
        self.assertIn("/nonexistent", result.stderr)


if __name__ == "__main__":
    unittest.main()
