"""One machine with Secure Boot, booted by QEMU: entered by ssh, attesting with the event log of its own boot."""

import os
import pathlib
import socket
import stat
import subprocess
import unittest

from heavy_machines import HeavyTest, program_of, run

TEXT = "what is copied"


class BootedWithSecureBoot(HeavyTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine = cls.create("alice")
        cls.addClassCleanup(run, "vm", "stop", "alice", "--dir", cls.lab)
        cls.boot("alice")
        cls.config = cls.machine / "heavy" / "ssh_config"

    def ssh(self, *arguments, program="ssh"):
        return subprocess.run([program, "-F", str(self.config), "-o", "BatchMode=yes", *map(str, arguments)],
                              capture_output=True, text=True, timeout=60)

    def test_its_user_enters_by_ssh_and_may_become_root(self):
        self.assertEqual(self.inside("alice", "id -un; sudo id -u; hostname").split(), ["azureuser", "0", "alice"])
        self.assertEqual(self.inside("alice", "sudo printf '%s|' 'a b' --x \"it's\""), "a b|--x|it's|")

    def test_the_given_key_enters_and_no_other(self):
        only = ("-o", "IdentitiesOnly=yes", "-o", f"IdentityFile=none")
        self.assertEqual(self.ssh(*only, "-i", self.work / "mine", "alice", "true").returncode, 0)
        refused = self.ssh("-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                           "-o", "IdentitiesOnly=yes", "-i", self.work / "other", "-p", self.port(),
                           "azureuser@127.0.0.1", "true")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("Permission denied", refused.stderr)

    def port(self):
        return next(line.split()[1] for line in self.config.read_text().splitlines() if "Port" in line)

    def test_another_host_key_is_not_believed(self):
        known = self.work / "known"
        lines = (self.machine / "heavy" / "known_hosts").read_text()
        mine = (self.work / "other.pub").read_text().split()
        known.write_text(f"{lines.split()[0]} {mine[0]} {mine[1]}\n")
        refused = self.ssh("-o", f"UserKnownHostsFile={known}", "alice", "true")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("host key", refused.stderr.lower())

    def test_files_are_copied_there_and_back(self):
        (self.work / "there").write_text(TEXT)
        for source, target in ((self.work / "there", "alice:/tmp/file"), ("alice:/tmp/file", self.work / "back")):
            copied = self.ssh(source, target, program="scp")
            self.assertEqual(copied.returncode, 0, copied.stderr)
        self.assertEqual((self.work / "back").read_text(), TEXT)

    def test_it_attests_with_the_event_log_of_this_boot(self):
        claims = self.attested("alice")
        self.assertIs(claims["secureboot"], True)
        self.assertEqual(claims["x-ms-isolation-tee"]["x-ms-compliance-status"], "azure-compliant-cvm")
        self.assertIs(claims["x-ms-isolation-tee"]["x-ms-runtime"]["vm-configuration"]["secure-boot"], True)
        digest = program_of(self.image["image"], self.work)
        self.assertEqual(claims["x-vouchsafe-boot-kernel"], digest)
        self.assertIn(digest, claims["x-vouchsafe-boot-images"])
        self.assertEqual(len(claims["x-vouchsafe-boot-authorities"]), 1)
        facts = self.boot_facts("alice")
        self.assertEqual(facts["secure_boot"], "on")
        # Firmware's registers, and what the kernel image's stub and the kernel measured.
        self.assertEqual(facts["confirmed_pcrs"], [0, 1, 2, 3, 4, 5, 6, 7, 9, 11])
        self.assertEqual(self.inside("alice", "cat /sys/kernel/security/lockdown").split()[1], "[integrity]")

    def test_an_event_log_that_is_not_of_this_boot_is_refused(self):
        light = self.lab / "machines" / "alice" / "event_log.bin"
        copied = self.ssh(light, "alice:/tmp/recorded", program="scp")
        self.assertEqual(copied.returncode, 0, copied.stderr)
        self.inside("alice", "echo '{\"event_log\": \"/tmp/recorded\"}' > /tmp/site.json")
        refused = run("vm", "ssh", "--dir", self.lab, "alice", "sudo vouchsafe --site /tmp/site.json attest")
        self.assertEqual(refused.returncode, 1, refused.stdout)
        self.assertIn("LOG-REPLAY-PCR", refused.stderr)

    def test_its_network_has_the_services_and_nothing_else(self):
        answer = self.inside("alice", "printf 'GET /metadata/instance?api-version=2021-02-01 HTTP/1.0\\r\\n"
                             "Host: 169.254.169.254\\r\\nMetadata: true\\r\\n\\r\\n' | nc -w 5 169.254.169.254 80")
        self.assertIn("200 OK", answer)
        self.assertIn('"name":"alice"', answer)
        with socket.create_server(("127.0.0.1", 0)) as mine:
            mine.settimeout(5)
            port = mine.getsockname()[1]
            for address in ("169.254.0.2", "169.254.1.1", "10.0.2.2"):
                done = run("vm", "ssh", "--dir", self.lab, "alice", f"echo x | nc -w 1 {address} {port}")
                self.assertNotEqual(done.returncode, 0, address)
            mine.setblocking(False)
            with self.assertRaises(BlockingIOError):
                mine.accept()

    def test_its_files_are_its_owners(self):
        folder = self.machine / "heavy"
        self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700)
        for name in ("id_ed25519", "host_key", "vars.fd", "settings.cpio", "state.json"):
            self.assertEqual(stat.S_IMODE(os.stat(folder / name).st_mode) & 0o077, 0, name)

    def test_it_runs_once_and_is_not_removed_meanwhile(self):
        for command in (("start", "alice"), ("delete", "alice")):
            refused = run("vm", *command, "--dir", self.lab)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("alice is running", refused.stderr)

    def test_z_its_power_button_ends_it(self):
        self.stop("alice")
        console = pathlib.Path(self.machine / "heavy" / "console.log").read_text(errors="replace")
        self.assertIn("Power down", console)


if __name__ == "__main__":
    unittest.main()
