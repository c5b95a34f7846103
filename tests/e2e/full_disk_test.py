"""A lab on a disk that is full: requests fail, the lab lives and says what is so, and when there is room again
everything works and nothing that was acknowledged is lost. The disk is a small one in memory, seen by nobody else."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import killed_lab_test
import vms_test

CLONE_NEWNS = 0x00020000
SIZE = "32m"
# How much room there is when an operation begins; each has its turn with one, with VS_FILLS all.
ROOM = tuple(kib << 10 for kib in (8, 24, 48, 96, 160, 320))


def have_own_mounts():
    """have_own_mounts lets this process mount what no other sees. Only root may, without further ado."""
    return os.geteuid() == 0 and ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) == 0


@unittest.skipUnless(shutil.which("swtpm"), "swtpm is not installed")
class FullDisk(killed_lab_test.Consistent):
    @classmethod
    def setUpClass(cls):
        if not have_own_mounts():
            raise unittest.SkipTest("needs to mount a file system: run by root")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        folder = tempfile.TemporaryDirectory(prefix="vs-full-")
        cls.addClassCleanup(folder.cleanup)
        cls.disk = pathlib.Path(folder.name)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0755", "small", cls.disk], check=True)
        cls.addClassCleanup(subprocess.run, ["umount", "-l", cls.disk], check=True)
        cls.lab = cls.disk / "lab"
        cls.addClassCleanup(lambda: vms_test.run("down", "--dir", cls.lab))
        cls.begin()

    def fill(self, left=0):
        """fill leaves so many bytes of the disk."""
        with open(self.disk / "ballast", "wb", buffering=0) as ballast:
            with contextlib.suppress(OSError):
                while ballast.write(b"\0" * 65536):
                    pass
            ballast.truncate(max(0, ballast.tell() - left))

    def free(self):
        with contextlib.suppress(FileNotFoundError):
            (self.disk / "ballast").unlink()

    def setUp(self):
        super().setUp()
        self.addCleanup(self.free)

    def state(self, machine):
        """Here one may have stopped because its TPM had no room, and says so."""
        return self.power(machine)

    def test_requests_fail_and_nothing_else(self):
        operations = self.operations()
        for name in ("make a machine", "make a vault", "make a provider", "make a set", "assign a role"):
            self.client(operations[name], [])
        machine = operations["make a machine"][0][1]
        before = self.arm("GET", machine)[1]
        self.check()
        self.fill()
        lab = self.pid()
        for name, steps in operations.items():
            for method, path, body in steps:
                with self.subTest(operation=name, path=path):
                    status, answer = self.arm(method, path, body)
                    # What is done already, and what is not there, are answers too.
                    if status >= 400:
                        self.assertTrue(answer["error"]["code"] and answer["error"]["message"], answer)
        self.assertEqual(self.arm("GET", self.root + "/resourcegroups")[0], 200)
        self.assertEqual(self.pid(), lab)
        self.free()
        status, answer = self.arm("PUT", self.at, {"location": "westeurope"})
        self.assertIn(status, (200, 201), answer)
        self.check()
        if self.arm("GET", machine)[0] == 200:
            self.assertEqual(self.arm("GET", machine)[1]["properties"]["vmId"], before["properties"]["vmId"])
        for name in operations:
            self.repeat(name)
        self.kill()
        self.up()
        self.check()
        self.assertEqual(self.arm("DELETE", self.at)[0], 202)
        self.check()

    def test_what_is_acknowledged_is_there_however_much_room_there_was(self):
        """The disk becomes full at another moment of each operation."""
        for turn, name in enumerate(self.operations()):
            for left in ROOM if "VS_FILLS" in os.environ else ROOM[turn % len(ROOM):][:1]:
                steps, done = self.operations()[name], []
                self.fill(left)
                for method, path, body in steps:
                    status, answer = self.arm(method, path, body)
                    done.append((method, path, status, answer))
                    if status >= 500:
                        break
                self.free()
                with self.subTest(operation=name, left=left):
                    self.assertIn(self.arm("PUT", f"{self.root}/resourcegroups/other", {"location": "westeurope"})[0],
                                  (200, 201))
                    self.check_told(steps, done)
                    self.check()
                    if left == 48 << 10:
                        self.kill()
                        self.up()
                        self.check_told(steps, done)
                        self.check()
                self.repeat(name)
        self.finish()

    def test_up_says_that_it_is_full_and_works_later(self):
        vms_test.run("down", "--dir", self.lab)
        self.fill()
        made = vms_test.run("up", "--detach", "--dir", self.lab)
        self.free()
        if made.returncode != 0:
            self.assertRegex(made.stderr, "(?i)no space left|disk is full|is the disk full")
        self.up()
        self.check()
        vms_test.run("down", "--dir", self.lab)
        self.addCleanup(self.up)
        # A lab that was never there, too.
        fresh = self.disk / "fresh"
        self.addCleanup(lambda: vms_test.run("down", "--dir", fresh))
        for left in (0, 16 << 10, 64 << 10, 256 << 10):
            self.fill(left)
            made = vms_test.run("up", "--detach", "--dir", fresh)
            self.free()
            if made.returncode != 0:
                self.assertRegex(made.stderr, "(?i)no space left|disk is full|is the disk full", left)
            vms_test.run("down", "--dir", fresh)
        made = vms_test.run("up", "--detach", "--dir", fresh)
        self.assertEqual(made.returncode, 0, made.stderr)


if __name__ == "__main__":
    unittest.main()
