"""The tutorials of docs/tutorials, typed into shells as they stand there, against a fresh lab. Prints how long each
step took, and how much of that was ours: the lab's processor time, and the time from request to answer."""

import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import document
import shells

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/interop"))
import azure_cli  # noqa: E402

PROGRAM = os.environ["VOUCHSAFE"]
TUTORIALS = ROOT / "docs/tutorials"
ORIGINALS = os.environ.get("VS_TUTORIAL_ORIGINALS")  # the first tutorial's own text, a Markdown file

# Sections whose steps need what is not built yet, by document. Must be empty in the end.
NOT_THERE_YET = {
    "confidential-vm-ml.md": [],
    "guest-attestation.md": [],
}

# What a step needs of the laptop, beside the program and az.
TOOLS = ("curl", "jq", "ssh", "scp", "ssh-keygen", "sshd")


def missing_tools():
    return [tool for tool in TOOLS if shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin") is None]


class Times:
    """Times is where the seconds of a tutorial went."""

    def __init__(self, lab):
        self.lab = lab
        self.steps = []  # (section, seconds)
        self.processor = 0.0  # of the lab, since it is there
        self.making = 0.0  # of the lab, until it was there
        self.before = self.of_children()

    @staticmethod
    def of_children():
        """of_children is the processor time of all that was typed, once its shell has ended."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def took(self, section, seconds):
        if self.steps and self.steps[-1][0] == section:
            seconds += self.steps.pop()[1]
        self.steps.append((section, seconds))

    def look(self, section):
        """look reads the lab's processor time while it runs. What making it took is told apart."""
        state = subprocess.run([PROGRAM, "--json", "status", "--dir", self.lab], capture_output=True, text=True)
        found = re.search(r'"pid": ?(\d+)', state.stdout)
        if not found:
            return
        fields = pathlib.Path(f"/proc/{found.group(1)}/stat").read_text().rpartition(")")[2].split()
        # utime, stime, and those of children that ended.
        processor = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
        if section.startswith("0."):
            self.making = processor
        self.processor = processor - self.making

    def requests(self):
        log = self.lab / "up/requests.log"
        lines = log.read_text().splitlines() if log.exists() else []
        found = [float(match.group(1)) for line in lines if (match := re.search(r"  ([0-9.]+) ms$", line))]
        return len(found), sum(found) / 1000

    def report(self, name):
        main = sum(seconds for section, seconds in self.steps if not section.startswith(("0.", "Variation")))
        count, answering = self.requests()
        lines = [f"{seconds:7.2f} s  {section}" for section, seconds in self.steps]
        lines.append(f"{main:7.2f} s  {name} without the lab's making and the variations")
        lines.append(f"{sum(seconds for _, seconds in self.steps):7.2f} s  in all. The lab's processor time "
                     f"{self.processor:.2f} s (its making {self.making:.2f} s), {count} requests answered in "
                     f"{answering:.2f} s; processor time of what was typed {self.of_children() - self.before:.2f} s")
        return "\n".join(lines)


def original_scripts(text):
    """original_scripts finds the tutorial's three programs in its text."""
    found = {}
    for code in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for name, mark in (("encrypt_data.py", "def encrypt_file("), ("skr_decrypt.py", "def unwrap_dek("),
                           ("train_xgb.py", "import skr_decrypt")):
            if mark in code:
                found[name] = code
    return found


@unittest.skipUnless(azure_cli.AZ, "azure-cli is not installed")
@unittest.skipIf(missing_tools(), f"not installed: {', '.join(missing_tools())}")
class Tutorials(unittest.TestCase):
    def laptop(self, scripts=None):
        """laptop makes a home folder, and a shell in it that knows the program, az and the clone."""
        folder = tempfile.TemporaryDirectory(prefix="vs-tutorial-")
        self.addCleanup(folder.cleanup)
        top = pathlib.Path(folder.name)
        home, tools = top / "home", top / "bin"
        home.mkdir()
        tools.mkdir()
        for name, program in (("vouchsafe", PROGRAM), ("az", azure_cli.WHOLE_AZ), ("python3", "/usr/bin/python3")):
            (tools / name).symlink_to(program)
        source = ROOT
        if scripts:
            source = top / "clone"
            shutil.copytree(ROOT / "examples", source / "examples")
            (source / "data").symlink_to(ROOT / "data")
            for name, code in scripts.items():
                (source / "examples/confidential_ml" / name).write_text(code)
        environment = {"PATH": f"{tools}:{os.environ['PATH']}", "LANG": "C.UTF-8", "HOME": str(home), "USER": "tester",
                       "SOURCE": str(source), "BROWSER": azure_cli.browser(tools)}
        self.lab = home / ".local/share/vouchsafe/lab"
        self.addCleanup(subprocess.run, [PROGRAM, "down"], env=environment, capture_output=True)
        shell = shells.Laptop(home, environment)
        self.addCleanup(shell.close)
        return shell

    def follow(self, name, scripts=None, other_output=()):
        blocks = document.read((TUTORIALS / name).read_text())
        waiting = NOT_THERE_YET[name]
        self.assertLessEqual(set(waiting), {block.section for block in blocks}, "no such sections")
        laptop = self.laptop(scripts)
        machine = None
        times = Times(self.lab)
        for block in blocks:
            if block.section in waiting:
                continue
            started = time.monotonic()
            try:
                if block.opens:
                    if machine:
                        machine.close()
                    machine = laptop.open(block.script)
                    self.addCleanup(machine.close)
                    continue
                self.assertTrue(block.side == "laptop" or machine, f"{block.name()}: no machine is open")
                output = (laptop if block.side == "laptop" else machine).run(block.script)
            except shells.Ended as error:
                self.fail(f"{name}, line {block.line} ({block.name()}): {error}")
            finally:
                times.took(block.section, time.monotonic() - started)
                times.look(block.section)
            if block.section in other_output:
                continue
            found = document.difference(block, output)
            self.assertIsNone(found, f"{name}, line {block.line} ({block.name()}): {found}")
        for shell in filter(None, (machine, laptop)):
            shell.close()
        report = times.report(name)
        print(f"\n{report}", file=sys.stderr)
        if "VS_BUILD_DIR" in os.environ:
            (pathlib.Path(os.environ["VS_BUILD_DIR"]) / f"tutorial-{pathlib.Path(name).stem}.txt").write_text(report + "\n")
        # The lab's own share, whatever else this computer does.
        self.assertLess(times.processor, 4)

    def test_confidential_vm_ml(self):
        self.follow("confidential-vm-ml.md")

    def test_guest_attestation(self):
        self.follow("guest-attestation.md")

    @unittest.skipUnless(ORIGINALS, "VS_TUTORIAL_ORIGINALS does not name the first tutorial's own text")
    def test_confidential_vm_ml_with_its_own_scripts(self):
        scripts = original_scripts(pathlib.Path(ORIGINALS).read_text())
        self.assertEqual(len(scripts), 3)
        self.follow("confidential-vm-ml.md", scripts,
                    other_output=("5. Encrypt the data", "8. Train inside the machine",
                                  "Variation: an attestation provider of your own"))

    def test_nothing_is_left_out(self):
        waiting = [f"{name}: {section}" for name, sections in NOT_THERE_YET.items() for section in sections]
        if waiting:
            self.skipTest("steps that need what is not there yet: " + "; ".join(waiting))


class Documents(unittest.TestCase):
    """How a document is read and compared."""

    def block(self, kind, expected):
        (block,) = document.read(f"## 1\n```sh laptop\ncommand\n```\n\n```{kind}\n{expected}\n```\n")
        return block

    def test_blocks_have_a_place_and_what_they_print(self):
        text = "# T\n## 1. One\n```sh laptop\na\nb\n```\nso:\n```json\n{}\n```\n```json\n[]\n```\n" \
               "## 2. Two\n```sh laptop opens machine\nssh\n```\n```sh machine\nc\n```\n```sh\n"
        with self.assertRaises(ValueError):
            document.read(text)
        first, second, third = document.read(text.removesuffix("```sh\n"))
        self.assertEqual((first.section, first.line, first.script, first.kind, first.expected),
                         ("1. One", 4, "a\nb\n", "json", "{}\n"))
        self.assertTrue(second.opens)
        self.assertEqual((third.side, third.number, third.kind), ("machine", 2, ""))
        for bad in ("```sh\nx\n```\n", "```sh cloud\nx\n```\n", "```sh machine opens laptop\nx\n```\n"):
            with self.assertRaises(ValueError):
                document.read(bad)

    def test_json_is_compared_by_the_members_that_are_shown(self):
        block = self.block("json", '{"id": "/s/<id>/x", "list": [{"a": 1}], "on": true, "none": null}')
        good = '{"id": "/s/0e8a9c1d-1111-4222-8333-444455556666/x", "list": [{"a": 1, "b": 2}], "on": true, ' \
               '"none": null, "more": 1}'
        self.assertIsNone(document.difference(block, good))
        for change in ((": true", ': "true"'), (": true", ": 1"), ('"a": 1', '"a": 2'), ("/x", "/y"), ("0e8a", "0e8"),
                       ('"none": null, ', ""), ('}], "on', '}, {}], "on'), ("{", "(")):
            self.assertIsNotNone(document.difference(block, good.replace(*change)), change)

    def test_text_is_compared_by_lines(self):
        block = self.block("text", "Name    Size\n...\nat <address>\nend")
        self.assertIsNone(document.difference(block, "Name Size\none\ntwo\nat 10.0.0.4\nend\n"))
        for bad in ("", "Name Size\none\nat ten\nend\n", "Name\nat 10.0.0.4\nend\n",
                    "Name Size\nat 10.0.0.4\nend\nx\n"):
            self.assertIsNotNone(document.difference(block, bad), bad)
        self.assertIsNone(document.difference(self.block("text", "...\ntwo\n...\nend"), "one\ntwo\nthree\nend"))
        self.assertIsNone(document.difference(self.block("text", "one\n..."), "one\n"))
        for bad in ("...\ntwo\n...\nthree", "two\n...", "...\ntwo", "...\nend\n...\ntwo\n..."):
            self.assertIsNotNone(document.difference(self.block("text", bad), "one\ntwo\nthree\nend"), bad)

    def test_a_shell_keeps_variables_and_ends_with_the_first_failure(self):
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder) / "home"
            work.mkdir()
            laptop = shells.Laptop(work, {"PATH": os.environ["PATH"]})
            try:
                self.assertEqual(laptop.run("A='it''s'; cat <<'X'\n$A\nX"), "$A\n")
                machine = laptop.open('B=$A exec sh')
                self.assertEqual(machine.run('printf %s "$B"'), "its")
                machine.close()
                self.assertEqual(laptop.run('cat; echo "$A"'), "its\n")
                with self.assertRaises(shells.Ended) as ended:
                    laptop.run("echo before; ls /nowhere; echo after")
                self.assertIn("before", str(ended.exception))
                self.assertIn("/nowhere", str(ended.exception))
                self.assertNotIn("after", str(ended.exception))
                with self.assertRaises(shells.Ended):
                    laptop.run("true")
            finally:
                laptop.close()


if __name__ == "__main__":
    unittest.main()
