"""The demo, end to end: the real program, real sockets, real software TPMs, a confined guest."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ["VOUCHSAFE"]
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TABLE = """Model Accuracy: 0.7208
              precision    recall  f1-score   support

           0       0.82      0.73      0.77        99
           1       0.59      0.71      0.64        55

    accuracy                           0.72       154
   macro avg       0.70      0.72      0.71       154
weighted avg       0.74      0.72      0.73       154
"""
REFUSALS = [
    ("a", "BOOT-SECURE-BOOT"),
    ("b", "SNP-POLICY-DEBUG"),
    ("c", "LOG-REPLAY-PCR"),
    ("d", "CALLER-ROLE"),
    ("e", "TOKEN-EXPIRED"),
    ("f", "POLICY-AUTHORITY"),
    ("g", "SEAL-TAG"),
    ("h", "SNP-CHAIN-ROOT"),
]


def run(*arguments, **options):
    options.setdefault("timeout", 240)
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, **options
    )


def children_of(text):
    """Processes whose command line mentions `text`."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (OSError, NotADirectoryError):
            continue
        if entry.name.isdigit() and text in line:
            found.append(line)
    return found


class Demo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="vs-e2e-")
        cls.lab = pathlib.Path(cls.folder.name) / "lab"
        cls.result = run("--json", "demo", "--dir", cls.lab)
        cls.steps = [json.loads(line) for line in cls.result.stdout.splitlines()]

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def step(self, name):
        return next(step for step in self.steps if step["step"] == name)

    def test_ends_well_and_says_nothing_on_stderr(self):
        self.assertEqual(self.result.returncode, 0, self.result.stderr)
        self.assertEqual(self.result.stderr, "")

    def test_every_step_is_told_in_order(self):
        names = [step["step"] for step in self.steps]
        self.assertEqual(names[:5], ["lab", "services", "owner", "machine", "guest"])
        self.assertEqual(names[5:], ["refusal"] * 8)

    def test_prints_the_tutorials_table(self):
        self.assertEqual(self.step("guest")["report"], TABLE)

    def test_the_guest_was_confined_and_says_how(self):
        self.assertIn("namespaces", self.step("guest")["details"]["sandbox"])

    def test_the_checks_of_a_success_are_told_too(self):
        codes = {check["code"] for check in self.step("guest")["checks"]}
        self.assertTrue({"SNP-SIGNATURE", "TPM-QUOTE-SIGNATURE", "LOG-REPLAY-PCR"} <= codes, codes)
        self.assertTrue(all(check["passed"] for check in self.step("guest")["checks"]))

    def test_each_refusal_has_its_reason_and_a_remedy(self):
        refused = [step for step in self.steps if step["step"] == "refusal"]
        found = [(step["details"]["letter"], step["refusal"]["code"]) for step in refused]
        self.assertEqual(found, REFUSALS)
        for step in refused:
            for member in ("field", "expected", "found", "remedy", "source"):
                self.assertTrue(step["refusal"][member], (step["text"], member))
            self.assertTrue(step["details"]["nothing_leaked"])

    def test_nothing_readable_is_left_on_the_disk(self):
        line = (ROOT / "data/diabetes.csv").read_bytes().splitlines()[1]
        for path in self.lab.rglob("*"):
            if path.is_file():
                self.assertNotIn(line, path.read_bytes(), path)
        for service in ("vault", "attestation"):  # their entries are compressed on the disk
            shown = run("--json", "audit", "show", "--service", service, "--dir", self.lab)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertIn("request_id", shown.stdout)
            self.assertNotIn(line.decode(), shown.stdout)

    def test_secrets_of_the_lab_are_the_owners_alone(self):
        for path in self.lab.rglob("*"):
            if path.is_file() and ("key" in path.suffix or path.parent.name == "keys"):
                if path.suffix != ".key" or path.parent.name != "work":
                    self.assertEqual(path.stat().st_mode & 0o077, 0, path)

    def test_no_process_is_left(self):
        self.assertEqual(children_of(str(self.lab)), [])

    def test_runs_again_in_the_same_lab(self):
        again = run("demo", "--dir", self.lab, "--no-refusals")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn(TABLE, again.stdout)
        self.assertNotIn("\x1b[", again.stdout, "no colour into a pipe")

    def test_the_audit_log_of_the_lab_is_whole_and_names_the_release(self):
        verified = run("audit", "verify", "--dir", self.lab)
        self.assertEqual(verified.returncode, 0, verified.stderr)
        shown = run("--json", "audit", "show", "--dir", self.lab)
        entries = [json.loads(line) for line in shown.stdout.splitlines()]
        releases = [e for e in entries if "release" in e["action"] and e["outcome"] == "allowed"]
        self.assertGreaterEqual(len(releases), 2)


class DemoTrouble(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="vs-e2e-")
        self.addCleanup(self.folder.cleanup)
        self.lab = pathlib.Path(self.folder.name) / "lab"

    def test_a_second_demo_at_the_same_time_is_told_so(self):
        first = subprocess.Popen(
            [PROGRAM, "demo", "--dir", str(self.lab)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )
        try:
            first.stdout.readline()
            first.stdout.readline()  # services are up: the lab is taken
            second = run("demo", "--dir", self.lab)
            self.assertEqual(second.returncode, 1)
            self.assertIn("in use by another", second.stderr)
        finally:
            _, err = first.communicate(timeout=240)
        self.assertEqual(first.returncode, 0, err)

    def test_interrupting_at_any_moment_leaves_nothing(self):
        # Temporary files in a folder of its own: other tests make theirs at the same time.
        temporary = pathlib.Path(self.folder.name) / "tmp"
        temporary.mkdir()
        for delay in (0.05, 0.4, 1.0, 1.6, 2.4):
            process = subprocess.Popen(
                [PROGRAM, "demo", "--dir", str(self.lab)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
                env=os.environ | {"TMPDIR": str(temporary)},
            )
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            self.assertIn(process.returncode, (130, 0))
            deadline = time.time() + 5
            while children_of(str(self.lab)) and time.time() < deadline:
                time.sleep(0.05)
            self.assertEqual(children_of(str(self.lab)), [])
        self.assertEqual(list(temporary.iterdir()), [])
        finished = run("demo", "--dir", self.lab, "--no-refusals")
        self.assertEqual(finished.returncode, 0, finished.stderr)

    def test_without_swtpm_it_says_what_to_install(self):
        result = run("demo", "--dir", self.lab, env={"PATH": "/nonexistent", "HOME": self.folder.name})
        self.assertEqual(result.returncode, 3)
        self.assertIn("swtpm", result.stderr)

    def test_without_data_it_says_how_to_give_some(self):
        result = subprocess.run(
            [PROGRAM, "demo", "--dir", str(self.lab), "--data", "/nonexistent.csv"],
            capture_output=True, text=True, cwd=self.folder.name, timeout=60,
        )
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("nonexistent.csv", result.stderr)


if __name__ == "__main__":
    unittest.main()
