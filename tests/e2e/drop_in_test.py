"""This program in the place of AttestationClient and AzureAttestSKR, called through links inside machines."""

import base64
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["VOUCHSAFE"]
ATTEST = "https://sharedweu.weu.attest.azure.net"
SNP_POLICY = {
    "version": "1.0.0",
    "anyOf": [{
        "authority": ATTEST,
        "allOf": [
            {"claim": "x-ms-isolation-tee.x-ms-attestation-type", "equals": "sevsnpvm"},
            {"claim": "x-ms-isolation-tee.x-ms-compliance-status", "equals": "azure-compliant-cvm"},
        ],
    }],
}


def run(*arguments, **options):
    options.setdefault("timeout", 120)
    return subprocess.run([str(argument) for argument in arguments], capture_output=True, **options)


def openssl(*arguments, data=b""):
    done = run("openssl", *arguments, input=data)
    assert done.returncode == 0, done.stderr
    return done.stdout


def split_token(text):
    """As jq's 'split(".") | .[0],.[1] | @base64d | fromjson' does: the standard alphabet."""
    parts = text.split(".")[:2]
    return [json.loads(base64.b64decode(part + "=" * (-len(part) % 4), validate=True)) for part in parts]


class InMachines(unittest.TestCase):
    """A lab with a vault, three keys, a confidential machine and one of Trusted Launch."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-e2e-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab = cls.work / "lab"
        cls.links = cls.work / "links"
        cls.links.mkdir()
        for name in ("AttestationClient", "AzureAttestSKR"):
            (cls.links / name).symlink_to(os.path.realpath(PROGRAM))
        demo = run(PROGRAM, "--json", "demo", "--dir", cls.lab, "--no-refusals")
        assert demo.returncode == 0, demo.stderr
        steps = {step["step"]: step for step in map(json.loads, demo.stdout.splitlines())}
        cls.key = steps["owner"]["details"]["key"]
        cls.vault = cls.key.split("//")[1].split(".")[0]
        cls.host = cls.key.split("/keys/")[0]
        cls.ok("vm", "create", "alice")
        cls.ok("vm", "create", "tina", "--kind", "trusted-launch")
        for machine in ("alice", "tina"):
            cls.ok("vm", "exec", machine, "--", "true")
            for role in ("Key Vault Crypto Service Release User", "Key Vault Crypto Officer"):
                cls.ok("admin", "assign-role", role, machine, "--vault", cls.vault)
        cls.make_key("Kek", SNP_POLICY)
        other = json.loads(json.dumps(SNP_POLICY))
        other["anyOf"][0]["allOf"][0]["equals"] = "tdxvm"
        cls.make_key("OtherPolicy", other)
        cls.public = cls.work / "kek.pem"
        shown = cls.inside("vouchsafe", "key", "show", "--key", cls.host + "/keys/Kek")
        cls.public.write_bytes(shown.stdout[shown.stdout.index(b"-----BEGIN"):])

    @classmethod
    def ok(cls, *arguments):
        where = arguments.index("--") if "--" in arguments else len(arguments)
        done = run(PROGRAM, *arguments[:where], "--dir", cls.lab, *arguments[where:])
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done

    @classmethod
    def make_key(cls, name, policy):
        file = cls.links / f"{name}.json"
        file.write_text(json.dumps(policy))
        made = cls.inside("vouchsafe", "key", "create", "--key", f"{cls.host}/keys/{name}", "--policy", file)
        assert made.returncode == 0, made.stderr

    @classmethod
    def inside(cls, *command, machine="alice", trace="", environment=()):
        """environment: NAME=VALUE of the command, as 'env' takes them."""
        words = ["vm", "exec", machine, "--dir", cls.lab, "--read", cls.links, "--"]
        if trace:
            environment = (*environment, f"SKR_TRACE_ON={trace}")
        return run(PROGRAM, *words, *(["env", *environment] if environment else []), *command)

    def client(self, *arguments, **options):
        return self.inside(self.links / "AttestationClient", *arguments, **options)

    def skr(self, *arguments, key="Kek", **options):
        return self.inside(self.links / "AzureAttestSKR", "-a", ATTEST, "-k", f"{self.host}/keys/{key}",
                           *arguments, **options)

    def refused(self, done, code, *words):
        """Nothing on standard output, and on standard error why."""
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, b"")
        for word in words:
            self.assertIn(word, done.stderr.decode())

    def wrapped(self, plain, *options):
        options = options or ("rsa_padding_mode:pkcs1",)
        arguments = [word for option in options for word in ("-pkeyopt", option)]
        return openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", self.public, *arguments, data=plain)

    def unwrap(self, blob, *arguments, **options):
        return self.skr("-c", "imds", "-s", base64.b64encode(blob).decode(), "-u", *arguments, **options)


class AttestationClient(InMachines):
    def test_prints_the_token_and_nothing_else(self):
        done = self.client("-a", ATTEST, "-n", "task 9", "-o", "token")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, b"")
        self.assertRegex(done.stdout, rb"\A[-\w]+\.[-\w]+\.[-\w]+\Z", "no line end, as theirs")
        header, claims = split_token(done.stdout.decode())
        self.assertEqual(header["alg"], "RS256")
        self.assertEqual(header["jku"], ATTEST + "/certs")
        self.assertEqual(claims["iss"], ATTEST)
        self.assertEqual(claims["x-ms-attestation-type"], "azurevm")
        self.assertEqual(claims["x-ms-isolation-tee"]["x-ms-attestation-type"], "sevsnpvm")
        self.assertEqual(claims["x-ms-isolation-tee"]["x-ms-compliance-status"], "azure-compliant-cvm")
        self.assertTrue(claims["secureboot"])
        self.assertEqual(claims["exp"] - claims["iat"], 28800, "as long as Azure's")
        nonce = claims["x-ms-runtime"]["client-payload"]["nonce"]
        self.assertEqual(base64.b64decode(nonce), b"task 9")

    def test_the_payload_has_no_letter_of_the_other_alphabet(self):
        done = self.client("-a", ATTEST, "-n", "?>~" * 40 + "\u00fc", "-o", "TOKEN")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotRegex(done.stdout.split(b".")[1], rb"[-_]")

    def test_says_true_or_refuses(self):
        done = self.client("-a", ATTEST)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"true", b""))
        done = self.client("-a", "http://sharedweu.weu.attest.azure.net:443/some/path", "-o", "bool")
        self.assertEqual((done.returncode, done.stdout), (0, b"true"), done.stderr)

    def test_failures_are_told_by_the_exit_code(self):
        self.refused(self.client("-a", "https://nowhere.attest.azure.net", "-o", "token"), 2, "nowhere")
        for arguments in (["-z"], ["-o"], ["-o", "jwt"], ["token"], ["-a", "https://a b"], ["--version"]):
            self.refused(self.client(*arguments), 1, "Usage: AttestationClient", "AttestationClient: ")

    def test_without_a_tpm_it_is_no_confidential_machine(self):
        if os.path.exists("/dev/tpmrm0") or os.path.exists("/dev/tpm0"):
            self.skipTest("this computer has a TPM")
        for output in ("token", "bool"):
            done = run(self.links / "AttestationClient", "-o", output)
            self.refused(done, 2, "no TPM", "not a confidential VM")
        done = run(self.links / "AzureAttestSKR", "-k", self.key, "-r")
        self.refused(done, 2, "no TPM", "not a confidential VM")

    def test_a_trusted_launch_machine_is_never_a_confidential_one(self):
        done = self.client("-a", ATTEST, "-o", "token", machine="tina")
        self.assertEqual(done.returncode, 0, done.stderr)
        claims = split_token(done.stdout.decode())[1]
        self.assertEqual(claims["x-ms-attestation-type"], "azurevm")
        self.assertTrue(claims["secureboot"])
        self.assertNotIn("x-ms-isolation-tee", claims)
        self.assertNotIn("sevsnpvm", json.dumps(claims))
        done = self.client("-a", ATTEST, machine="tina")
        self.assertEqual((done.returncode, done.stdout), (0, b"false"), done.stderr)
        self.refused(self.skr("-r", machine="tina"), 4, "403")
        self.assertEqual(self.skr("-r").returncode, 0)

    def test_its_own_name_changes_nothing(self):
        other = self.links / "Attestationclient"
        other.symlink_to(os.path.realpath(PROGRAM))
        self.addCleanup(other.unlink)
        self.assertIn(b"vouchsafe", run(other, "--version").stdout)


class Unwrap(InMachines):
    def test_the_tutorials_key_whatever_it_ends_with(self):
        """RSA1_5, and skr_decrypt.py's way of taking the line end away."""
        for end in (b"x", b"\n", b"\n\n", b"\0", b"\0\n", b"\r\n"):
            dek = os.urandom(32 - len(end)) + end
            done = self.unwrap(self.wrapped(dek))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, dek + b"\n")
            self.assertEqual(done.stderr, b"")
            taken = done.stdout[:-1] if done.stdout.endswith(b"\n") else done.stdout
            self.assertEqual(taken, dek)

    def test_oaep_of_each_hash(self):
        dek = os.urandom(32)
        oaep = ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"]
        self.assertEqual(self.unwrap(self.wrapped(dek, *oaep)).stdout, dek + b"\n")
        mixed = ["rsa_padding_mode:oaep", "rsa_oaep_md:sha384", "rsa_mgf1_md:sha1"]
        blob = self.wrapped(dek, *mixed)
        self.assertEqual(self.unwrap(blob, "-H", "SHA-384", "-G", "sha1").stdout, dek + b"\n")
        self.refused(self.unwrap(blob), 5)
        self.refused(self.unwrap(self.wrapped(dek), "-H", "sha256"), 5)

    def test_what_was_wrapped_comes_back(self):
        done = self.skr("-s", "mysecretkey123 \u00e9", "-w")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, rb"\A[A-Za-z0-9+/]{342}==\n\Z")
        self.assertEqual(self.unwrap(base64.b64decode(done.stdout)).stdout,
                         "mysecretkey123 \u00e9\n".encode())
        self.refused(self.skr("-s", "x" * 191, "-w"), 5, "too many")

    def test_wrong_values_give_nothing(self):
        other = self.work / "other.pem"
        key = openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
        other.write_bytes(openssl("pkey", "-pubout", data=key))
        foreign = openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", other, data=os.urandom(32))
        for blob in (foreign, os.urandom(256), bytes(256), b"\xff" * 256, b"short", os.urandom(512)):
            self.refused(self.unwrap(blob), 5)
        for text in ("", "*", "AA==AA==", "-", "\n"):
            self.refused(self.skr("-s", text, "-u"), 1)

    def test_the_secret_is_in_no_message(self):
        secret = "hunter2-hunter2"
        for arguments in (["-s", secret, "-u"], ["-s", secret, "-w", "-z"], ["-w", secret],
                          ["-s", secret, "-w", "-H", "md5"]):
            done = self.skr(*arguments, trace="2")
            self.refused(done, 1)
            self.assertNotIn(secret.encode(), done.stderr)

    def test_other_users_do_not_see_the_secret_in_the_command_line(self):
        """While it waits for its batch: by then the words have been read."""
        words = [str(self.links / "AzureAttestSKR"), "-k", self.key, "-s", "hunter2", "-B", "-"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as child:
            self.addCleanup(child.kill)
            line = pathlib.Path(f"/proc/{child.pid}/cmdline")
            for _ in range(200):
                shown = line.read_bytes()
                if b"AzureAttestSKR" in shown and b"hunter2" not in shown:
                    break
                child.poll()
                subprocess.run(["sleep", "0.02"], check=True)
            self.assertIn(b"AzureAttestSKR", shown)
            self.assertNotIn(b"hunter2", shown)
            child.communicate(b"{}")
            self.assertEqual(child.returncode, 1)


class Release(InMachines):
    def test_release_says_what_it_is_on_standard_error(self):
        done = self.skr("-r")
        self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr)
        self.assertIn(b"RSA", done.stderr)
        self.assertEqual(self.skr("-r", "-n", 'a"b}\\', "-c", "imds").returncode, 0, "no JSON is pasted")

    def test_each_step_that_fails_has_its_exit_code(self):
        self.refused(self.skr("-r", key="OtherPolicy"), 4, "403")
        self.refused(self.skr("-r", key="NoSuchKey"), 4, "404")
        elsewhere = self.links / "AzureAttestSKR"
        self.refused(self.inside(elsewhere, "-a", "https://nowhere.attest.azure.net", "-k",
                                 self.host + "/keys/Kek", "-r"), 2, "nowhere")
        self.refused(self.inside(elsewhere, "-a", ATTEST, "-k", "https://nowhere.vault.azure.net/keys/K",
                                 "-r"), 6, "nowhere")
        self.refused(self.skr("-r", environment=["IMDS_CLIENT_ID=00000000-0000-0000-0000-000000000000"]), 3)
        self.refused(self.skr("-r", "-c", "sp"), 3, "AKV_SKR_TENANT_ID")

    def test_usage(self):
        link = self.links / "AzureAttestSKR"
        for arguments in ([], ["-k", self.key], ["-r"], ["-k", "https://example.org/vault.azure.net/keys/k", "-r"],
                          ["-k", self.key.replace("https", "http"), "-r"], ["-k", self.key, "-r", "-c", "SP"],
                          ["-k", self.key, "-r", "-x"], ["-k", self.key, "-r", "word"],
                          ["-k", self.key, "-r", "-H", "md5"], ["-k", self.key, "-u"],
                          ["-k", self.key, "-r", "-a", "https://\x1b[31m"]):
            done = run(link, *arguments)
            self.refused(done, 1, "Usage: AzureAttestSKR")
            self.assertNotIn(b"\x1b", done.stderr)
        self.assertEqual(run(link, "--help").returncode, 0)

    def test_an_application_is_named_by_three_variables(self):
        secret = self.work / "app.secret"
        made = json.loads(self.ok("--json", "admin", "create-app", "trainer", "--secret-out", secret).stdout)
        self.ok("admin", "assign-role", "Key Vault Crypto Service Release User", "trainer", "--vault", self.vault)
        variables = [f"AKV_SKR_TENANT_ID={made['tenant']}", f"AKV_SKR_CLIENT_ID={made['client_id']}"]
        good = f"AKV_SKR_CLIENT_SECRET={secret.read_text()}"
        done = self.skr("-r", "-c", "sp", environment=[*variables, good])
        self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr)
        bad = self.skr("-r", "-c", "sp", environment=[*variables, "AKV_SKR_CLIENT_SECRET=a&b=c"])
        self.refused(bad, 3)
        self.assertNotIn(b"a&b=c", bad.stderr)
        self.refused(self.skr("-r", "-c", "sp", environment=variables), 3, "AKV_SKR_CLIENT_SECRET")

    def test_traces_go_to_standard_error(self):
        plain = b"0123456789abcdef"
        blob = self.wrapped(plain)
        for level, words in (("1", [b"released"]), ("2", [b"released", b"RELEASE-SIGNATURE"])):
            done = self.unwrap(blob, trace=level)
            self.assertEqual(done.stdout, plain + b"\n")
            for word in words:
                self.assertIn(word, done.stderr)
            self.assertNotIn(plain, done.stderr)
            self.assertFalse(re.search(rb"eyJ[\w-]{20}", done.stderr), "no token")
        self.refused(self.unwrap(blob, trace="3"), 255, "SKR_TRACE_ON")


class Batch(InMachines):
    def batch(self, document, *arguments):
        return self.skr("-B", document, *arguments)

    def item(self, name, plain):
        return {"id": name, "wrapped": base64.b64encode(self.wrapped(plain)).decode()}

    def test_inline_and_from_a_file(self):
        document = {"keys": [self.item("a", b"0123456789abcdef"), self.item("b", b"\xff" * 16)]}
        done = self.batch(json.dumps(document))
        self.assertEqual(done.returncode, 0, done.stderr)
        answer = json.loads(done.stdout)
        self.assertEqual(done.stdout.decode(), json.dumps(answer, indent=2) + "\n")
        self.assertEqual(answer["results"][0], {"id": "a", "unwrapped": "0123456789abcdef"})
        self.assertEqual(list(answer["results"][1]), ["error", "id"])
        file = self.links / "batch.json"
        file.write_text(json.dumps(document))
        self.assertEqual(self.batch(file).stdout, done.stdout)

    def test_nothing_that_opens_is_a_failure(self):
        wrong = {"keys": [{"wrapped": base64.b64encode(bytes(256)).decode()}]}
        self.refused(self.batch(json.dumps(wrong)), 5, "none of the 1")
        for document in ("{}", '{"keys": 1}', "/no/such/file", '{"keys": [{"id": 1}]}'):
            self.refused(self.batch(document), 1)


if __name__ == "__main__":
    unittest.main()
