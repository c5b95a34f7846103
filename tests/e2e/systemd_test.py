"""The units: systemd reads them without a word of complaint, and finds them hardened."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

PROGRAM = os.path.abspath(os.environ["VOUCHSAFE"])
UNITS = pathlib.Path(__file__).resolve().parents[2] / "packaging/systemd"
# In tenths, 0 to 100; below 20 is systemd's "OK" at its best. What is left is what a service needs that listens
# on a port below 1024: the network, and that capability.
EXPOSED_AT_MOST = "15"


@unittest.skipUnless(shutil.which("systemd-analyze"), "needs systemd-analyze")
class Units(unittest.TestCase):
    def analyze(self, *arguments):
        done = subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def test_units_are_well_formed_and_hardened(self):
        units = sorted(UNITS.glob("*.service"))
        self.assertEqual([unit.name for unit in units],
                         ["vouchsafe-attestation.service", "vouchsafe-vault.service"])
        with tempfile.TemporaryDirectory(prefix="vs-units-") as work:
            for unit in units:
                with self.subTest(unit.name):
                    placed = pathlib.Path(work) / unit.name
                    text = unit.read_text()
                    self.assertIn("\nExecStart=vouchsafe ", text)
                    placed.write_text(text.replace("ExecStart=vouchsafe ", f"ExecStart={PROGRAM} "))
                    self.assertEqual(self.analyze("verify", "--man=no", placed), (0, ""))
                    code, told = self.analyze("security", "--offline=true", f"--threshold={EXPOSED_AT_MOST}", placed)
                    self.assertEqual(code, 0, told)


if __name__ == "__main__":
    unittest.main()
