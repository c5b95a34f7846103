"""What the tests of heavy machines share: a lab directory with machines that QEMU boots, and looks at their image."""

import base64
import hashlib
import json
import os
import pathlib
import pty
import re
import select
import shutil
import struct
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ["VOUCHSAFE"]
CACHE = pathlib.Path(os.environ["VS_BUILD_DIR"]) / "heavy-cache"
LIMIT = 300  # seconds for one boot, where others use the computer too
NOT_REACHABLE = 3  # exit code


def run(*arguments, **options):
    options.setdefault("timeout", LIMIT + 60)
    environment = {**os.environ, "XDG_CACHE_HOME": str(CACHE)}
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, env=environment, **options)


def start(*arguments):
    """Starts the program without waiting for it."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(CACHE)}
    return subprocess.Popen([PROGRAM, *map(str, arguments)], text=True, env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)


def wait_for(condition, seconds=LIMIT):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def console_says(lab, name, line, pattern):
    """Types a line at a machine's serial console, on a terminal, until the pattern is seen, and leaves."""
    terminal, ours = pty.openpty()
    environment = {**os.environ, "XDG_CACHE_HOME": str(CACHE)}
    console = subprocess.Popen([PROGRAM, "vm", "console", name, "--dir", lab], stdin=ours, stdout=ours, stderr=ours,
                               env=environment, start_new_session=True)
    os.close(ours)
    os.write(terminal, f"\n{line}\n".encode())
    seen = b""
    end = time.monotonic() + 60
    while not re.search(pattern, seen):
        assert time.monotonic() < end, seen
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 4096)
    os.write(terminal, b"\x1d")
    assert console.wait(10) == 0
    os.close(terminal)


def processes_of(folder):
    """The command lines of processes that were told of a folder."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words:
            found[int(entry.name)] = words.split(b"\0")[0].decode()
    return found


def program_of(image, folder):
    """The signed program on an image's partition, and its digest as Secure Boot has it."""
    file = pathlib.Path(folder) / "program.efi"
    subprocess.run(["mcopy", "-n", "-o", "-i", f"{image}@@1M", "::/EFI/BOOT/BOOTX64.EFI", file], check=True)
    return authenticode(file.read_bytes())


def authenticode(program):
    """SHA-256 of a PE program without its checksum, its signature and the reference to that (Microsoft, "Windows
    Authenticode Portable Executable Signature Format")."""
    pe, = struct.unpack_from("<I", program, 0x3C)
    optional = pe + 24
    checksum, entry = optional + 64, optional + 112 + 4 * 8
    at, size = struct.unpack_from("<II", program, entry)
    end = at if size else len(program)
    parts = program[:checksum] + program[checksum + 4:entry] + program[entry + 8:end]
    return hashlib.sha256(parts).hexdigest()


class HeavyTest(unittest.TestCase):
    """One lab directory for the tests of a class."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-heavy-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab = cls.work / "lab"
        built = run("--json", "vm", "image", "build")
        if built.returncode == NOT_REACHABLE:
            raise unittest.SkipTest(f"no machine was booted: {built.stderr.strip()}")
        assert built.returncode == 0, built.stderr
        cls.image = json.loads(built.stdout)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", cls.work / "mine"], check=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", cls.work / "other"], check=True)

    @classmethod
    def create(cls, name, *options):
        made = run("vm", "create", name, "--tier", "qemu", "--ssh-key", cls.work / "mine.pub", "--dir", cls.lab, *options)
        assert made.returncode == 0, made.stderr
        return cls.lab / "machines" / name

    @classmethod
    def boot(cls, name, *options):
        began = time.monotonic()
        booted = run("vm", "start", name, "--detach", "--limit", LIMIT, "--dir", cls.lab, *options)
        assert booted.returncode == 0, booted.stderr
        print(f"{name}: ssh after {time.monotonic() - began:.1f} s")

    def inside(self, name, command):
        done = run("vm", "ssh", "--dir", self.lab, name, command)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def attested(self, name):
        return json.loads(self.inside(name, "sudo vouchsafe attest --claims"))

    def registers(self, name):
        text = self.inside(name, "cd /sys/class/tpm/tpm0/pcr-sha256; for i in $(seq 0 23); do echo sha256 $i $(cat $i); done")
        return {int(line.split()[1]): line for line in text.splitlines()}

    def boot_facts(self, name):
        """What the event log tells, as far as the registers confirm it."""
        log, registers = self.work / "log", self.work / "registers"
        log.write_bytes(base64.b64decode(
            self.inside(name, "sudo base64 /sys/kernel/security/tpm0/binary_bios_measurements")))
        registers.write_text("\n".join(self.registers(name).values()) + "\n")
        verified = run("--json", "verify", "event-log", "--log", log, "--pcrs", registers)
        self.assertEqual(verified.returncode, 0, verified.stderr)
        return json.loads(verified.stdout)["facts"]

    def stop(self, name):
        stopped = run("vm", "stop", name, "--dir", self.lab)
        self.assertEqual(stopped.returncode, 0, stopped.stderr)
        self.gone(name)

    def gone(self, name):
        """Nothing of a machine runs any more."""
        machine = self.lab / "machines" / name
        wait_for(lambda: not processes_of(machine), 20)
        again = run("vm", "stop", name, "--dir", self.lab)
        self.assertEqual(again.returncode, NOT_REACHABLE)
        self.assertIn("does not run", again.stderr)
