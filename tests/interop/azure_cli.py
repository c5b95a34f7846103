"""Azure's command line against a lab behind its front door: the installed az, and the one that runs where the installed
one is Debian's 2.45 and crashes."""

import importlib.metadata
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["VOUCHSAFE"]
AZ = shutil.which("az")
SHIM = pathlib.Path(__file__).resolve().with_name("debian_az_shim.py")
USER = "user@lab.test"


def is_debians():
    """is_debians tells whether az is the one whose packaging breaks it."""
    try:
        return AZ == "/usr/bin/az" and importlib.metadata.version("azure-cli") == "2.45.0"
    except importlib.metadata.PackageNotFoundError:
        return False


# The az that has all commands.
WHOLE_AZ = str(SHIM) if is_debians() else AZ


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=180)


def browser(folder):
    """browser makes a program that opens a page as a browser does, which is not told of the proxy: az waits for the
    program to end before it listens."""
    path = folder / "browser"
    path.write_text('#!/bin/sh\nenv -u HTTP_PROXY -u http_proxy -u HTTPS_PROXY -u https_proxy '
                    'curl -sSL -o /dev/null "$1" &\n')
    path.chmod(0o755)
    return f"{path} %s"


@unittest.skipUnless(AZ, "azure-cli is not installed")
class SignedIn(unittest.TestCase):
    """One lab, in which the user has signed in, for the tests of a class."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-az-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab = cls.work / "lab"
        up = run("up", "--detach", "--dir", cls.lab)
        assert up.returncode == 0, up.stderr
        cls.addClassCleanup(run, "down", "--dir", cls.lab)
        variables = json.loads(run("--json", "env", "--dir", cls.lab).stdout)
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        cls.environment = {**kept, **variables, "HOME": str(cls.work)}
        cls.az("login", "-u", USER, "-p", (cls.lab / "user.password").read_text())

    @classmethod
    def try_az(cls, *arguments, program=AZ):
        return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=120,
                              env=cls.environment, cwd=cls.work)

    @classmethod
    def az(cls, *arguments, program=AZ):
        done = cls.try_az(*arguments, "-o", "json", program=program)
        assert done.returncode == 0, f"az {' '.join(map(str, arguments))}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    @classmethod
    def whole_az(cls, *arguments):
        return cls.az(*arguments, program=WHOLE_AZ)
