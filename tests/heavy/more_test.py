"""Heavy machines that boot otherwise, or not at all: Secure Boot off, other kernel words, images of strangers, ends in
the middle. `make heavy` runs them; they take minutes."""

import json
import signal
import subprocess
import time
import unittest

from heavy_machines import LIMIT, HeavyTest, console_says, processes_of, run, start, wait_for


class Others(HeavyTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create("on")
        cls.create("off", "--secure-boot", "off")

    def tearDown(self):
        for name in ("on", "off"):
            run("vm", "stop", name, "--dir", self.lab)

    def build(self, name, *options):
        image = self.work / name
        built = run("vm", "image", "build", "--output", image, *options)
        self.assertEqual(built.returncode, 0, built.stderr)
        return image

    def foreign(self):
        key, certificate = self.work / "foreign.key", self.work / "foreign.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=stranger", "-keyout",
                        key, "-out", certificate], check=True, capture_output=True)
        return self.build("foreign.img", "--sign-key", key, "--sign-cert", certificate)

    def passes(self, evidence, condition):
        policy = self.work / "policy"
        policy.write_text(f'version=1.0;\nauthorizationrules {{ [type=="secureboot", value=={condition}] => permit(); }};\n'
                          "issuancerules {};\n")
        tested = run("policy", "test", policy, "--type", "AzureGuest", "--evidence", evidence, "--dir", self.lab)
        return tested.returncode == 0

    def test_without_secure_boot_the_evidence_says_so_and_kernel_words_are_measured(self):
        self.boot("off")
        refused = run("vm", "ssh", "--dir", self.lab, "off", "sudo vouchsafe attest")
        self.assertEqual(refused.returncode, 1, refused.stdout)
        self.assertIn("BOOT-SECURE-BOOT", refused.stderr)
        evidence = self.work / "evidence.json"
        evidence.write_text(self.inside("off", "sudo vouchsafe attest --evidence"))
        self.assertTrue(self.passes(evidence, "false"))
        self.assertFalse(self.passes(evidence, "true"))
        facts = self.boot_facts("off")
        self.assertEqual(facts["secure_boot"], "off")
        before = self.registers("off")
        self.stop("off")
        self.boot("off")
        self.assertEqual(self.registers("off"), before)
        self.stop("off")
        self.boot("off", "--image", self.build("words.img", "--kernel-words", "audit=0"))
        self.assertIn("audit=0", self.inside("off", "cat /proc/cmdline"))
        after = self.registers("off")
        changed = {register for register, line in before.items() if after[register] != line}
        # The image as a whole and its sections; what the kernel was called with, and IMA's sum of all these.
        self.assertEqual(changed, {4, 9, 10, 11})
        self.stop("off")

    def test_an_image_of_a_stranger_is_refused_by_firmware_that_checks(self):
        image = self.foreign()
        began = time.monotonic()
        refused = run("vm", "start", "on", "--image", image, "--limit", LIMIT, "--dir", self.lab)
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertIn("Security Violation", refused.stderr)
        self.assertLess(time.monotonic() - began, LIMIT)
        self.gone("on")
        self.boot("off", "--image", image)
        self.stop("off")

    def test_what_does_not_come_in_time_is_ended(self):
        late = run("vm", "start", "on", "--limit", "1", "--dir", self.lab)
        self.assertEqual(late.returncode, 3, late.stderr)
        self.assertIn("did not boot within 1 s", late.stderr)
        self.gone("on")

    def test_nothing_is_left_when_it_is_interrupted_or_killed(self):
        for number in (signal.SIGINT, signal.SIGKILL):
            machine = self.lab / "machines" / "on"
            owner = start("vm", "start", "on", "--dir", self.lab)
            wait_for(lambda: "qemu-system-x86_64" in processes_of(machine).values(), 60)
            time.sleep(2)
            owner.send_signal(number)
            owner.communicate(timeout=30)
            self.gone("on")
        # And it can be started again.
        late = run("vm", "start", "on", "--limit", "1", "--dir", self.lab)
        self.assertIn("did not boot within", late.stderr)

    def test_its_console_is_a_terminal(self):
        self.boot("off")
        console_says(self.lab, "off", "echo $((6*7))-answer; id -un", rb"42-answer\s+azureuser")
        self.stop("off")

    def test_a_light_machine_is_not_booted(self):
        made = run("vm", "create", "light", "--dir", self.lab)
        self.assertEqual(made.returncode, 0, made.stderr)
        refused = run("vm", "start", "light", "--dir", self.lab)
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertIn("--tier qemu", refused.stderr)

    def test_z_a_heavy_machine_is_a_light_one_too(self):
        claims = run("vm", "exec", "on", "--dir", self.lab, "--", "vouchsafe", "attest", "--claims")
        self.assertEqual(claims.returncode, 0, claims.stderr)
        self.assertIs(json.loads(claims.stdout)["secureboot"], True)


if __name__ == "__main__":
    unittest.main()
