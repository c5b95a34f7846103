"""Our verdicts against those of other people's tools on recorded evidence, good and broken: `openssl verify` on
certificate chains, `tpm2_checkquote` on quotes, `tpm2_eventlog` on the registers of event logs. A tool that is not
installed is skipped by name."""

import base64
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["VOUCHSAFE"]
VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors"
SOUND = "2026-07-01T00:00:00Z", 1782864000  # a time at which the recorded chains are valid
LATE = "2061-07-01T00:00:00Z", 2887401600
FLIPS = 12  # bytes of each leaf, one at a time


def run(*arguments):
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=60)


def needs(tool):
    return unittest.skipUnless(shutil.which(tool), f"{tool} is not installed")


def pem_blocks(text):
    return re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.S)


def der_of(pem):
    return base64.b64decode("".join(pem.splitlines()[1:-1]))


def pem_of(der):
    lines = base64.b64encode(der).decode()
    lines = [lines[at:at + 64] for at in range(0, len(lines), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----"])


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vs-opinion-")
        self.addCleanup(folder.cleanup)
        self.work = pathlib.Path(folder.name)

    def file(self, name, content):
        path = self.work / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def verdict(self, *arguments):
        """Whether it is valid, and the code it is refused for."""
        result = run(PROGRAM, "verify", *arguments, "--json")
        self.assertIn(result.returncode, (0, 1), result.stderr)
        verdict = json.loads(result.stdout)
        return verdict["valid"], verdict.get("refusal", {}).get("code", "")


@needs("openssl")
class Chains(Case):
    """Each test gives `agree` a chain and how we are asked about it; our refusals must be for the chain."""

    def openssl(self, leaf, issuers, root, time):
        result = run("openssl", "verify", "-no-CApath", "-no-CAstore", "-attime", time, "-CAfile",
                     self.file("root.pem", root), "-untrusted", self.file("issuers.pem", issuers),
                     self.file("leaf.pem", leaf))
        return result.returncode == 0

    def agree(self, leaf, issuers, root, ours, codes, foreign):
        """`ours(leaf, time)` gives our verdict and code; `foreign` is an issuer that did not issue this leaf."""
        when, seconds = SOUND
        self.assertTrue(self.openssl(leaf, issuers, root, seconds))
        self.assertEqual(ours(leaf, when), (True, ""))
        self.assertFalse(self.openssl(leaf, issuers, root, LATE[1]))
        self.assertRegex(ours(leaf, LATE[0])[1], codes)
        self.assertFalse(self.openssl(leaf, foreign, foreign, seconds))
        der = der_of(leaf)
        for step in range(FLIPS):
            at = len(der) - 1 - step * (len(der) // FLIPS)
            broken = pem_of(flipped(der, at))
            self.assertFalse(self.openssl(broken, issuers, root, seconds), at)
            valid, code = ours(broken, when)
            self.assertFalse(valid, at)
            self.assertRegex(code, codes, at)

    def test_amd(self):
        for product, name in (("milan", "milan-v3-aci"), ("turin", "turin-v5-azure")):
            ask, ark = pem_blocks((VECTORS / f"certs/amd-{product}-ask-ark.pem").read_text())
            other = "turin" if product == "milan" else "milan"
            foreign = (VECTORS / f"certs/amd-{other}-ask-ark.pem").read_text()

            def ours(leaf, time):
                return self.verdict("snp", "--report", VECTORS / f"snp/{name}.report.bin", "--cert",
                                    self.file("vcek.pem", leaf), "--at", time, "--allow-unchecked", "revocation")

            leaf = pem_of((VECTORS / f"snp/{name}.vcek.der").read_bytes())
            with self.subTest(product):
                self.agree(leaf, ask, ark, ours, "^SNP-(CHAIN|CERT)-", foreign)
        impostor = pem_of((VECTORS / "certs/bad-vcek-new.der").read_bytes())
        ask, ark = pem_blocks((VECTORS / "certs/amd-milan-ask-ark.pem").read_text())
        self.assertFalse(self.openssl(impostor, ask, ark, SOUND[1]))

    def test_intel(self):
        quote = (VECTORS / "tdx/v5-bodytype3.quote.bin").read_bytes()
        leaf, issuer, root = pem_blocks(quote.decode("latin-1"))
        pinned = (VECTORS / "tdx/intel-sgx-root-ca.pem").read_text()
        self.assertEqual(der_of(root), der_of(pem_blocks(pinned)[0]))

        def ours(changed, time):
            sent = quote.replace(leaf.encode(), changed.encode())
            self.assertEqual(len(sent), len(quote))
            return self.verdict("tdx", "--quote", self.file("quote", sent), "--at", time, "--allow-unchecked",
                                "revocation,qe-identity,tcb-info")

        # A leaf with another key is refused where that key is used first.
        self.agree(leaf, issuer, pinned, ours, "^TDX-(CHAIN|PCK|QE-SIGNATURE)",
                   (VECTORS / "certs/amd-milan-ask-ark.pem").read_text())

    def vtpm(self, leaf, issuers, root, *option):
        folder = VECTORS / "ak_cert/issuers"

        def ours(changed, time):
            return self.verdict("ak-cert", "--cert", self.file("key.pem", changed), "--at", time,
                                "--allow-unchecked", "revocation", *option)

        foreign = (VECTORS / "tdx/intel-sgx-root-ca.pem").read_text()
        self.agree(leaf, (folder / issuers).read_text(), (folder / root).read_text(), ours, "^AK-CERT-", foreign)

    def test_azures_attestation_key(self):
        padded = der_of(pem_blocks((VECTORS / "hcl/azure-tdx-akcert/ak-cert-chain.pem").read_text())[0])
        size = 4 + struct.unpack(">H", padded[2:4])[0]
        self.vtpm(pem_of(padded[:size]), "azure-global-virtual-tpm-ca-03.pem", "azure-virtual-tpm-root-2023.pem")

    def test_googles_virtual_tpms(self):
        for name in ("pca-rsa-ak", "uca-ecc-ak", "pca-ecc-ek", "uca-rsa-ek"):
            option = ("--ek",) if name.endswith("ek") else ()
            issuers, root = (("gcp_ek_ak_ca_intermediate_v3.pem", "gcp_ek_ak_ca_root.pem") if name.startswith("pca")
                             else ("tpm_ek_intermediate_3.pem", "tpm_ek_root_1.pem"))
            leaf = pem_blocks((VECTORS / f"ak_cert/gcp-{name}.pem").read_text())[0]
            with self.subTest(name):
                self.vtpm(leaf, issuers, root, *option)


@needs("tpm2_checkquote")
class Quotes(Case):
    @staticmethod
    def serialized(values):
        """The form in which tpm2-tools keep SHA-256 registers 0 to n: C structures, little-endian."""
        mask = (1 << len(values)) - 1
        out = (struct.pack("<I", 1) + struct.pack("<HB4sx", 0x0B, 3, mask.to_bytes(4, "little"))).ljust(132, b"\0")
        eights = [values[at:at + 8] for at in range(0, len(values), 8)]
        out += struct.pack("<I", len(eights))
        for some in eights:
            digests = b"".join(struct.pack("<H", len(one)) + one.ljust(64, b"\0") for one in some)
            out += struct.pack("<I", len(some)) + digests.ljust(8 * 66, b"\0")
        return out

    def both(self, ak, attest, signature, pcrs, nonce):
        values = [pcrs[at:at + 32] for at in range(0, len(pcrs), 32)]
        attest, signature = self.file("attest", attest), self.file("signature", signature)
        theirs = run("tpm2_checkquote", "-u", ak, "-m", attest, "-s", signature, "-g", "sha256", "-q", nonce, "-f",
                     self.file("pcrs.serialized", self.serialized(values)))
        ours, _ = self.verdict("tpm-quote", "--attest", attest, "--signature", signature, "--ak", ak, "--pcrs",
                               self.file("pcrs", pcrs), "--nonce", nonce, "--allow-unchecked", "ak-chain")
        self.assertEqual(ours, theirs.returncode == 0, theirs.stderr)
        return ours

    def test_good_and_flipped_quotes(self):
        folder = VECTORS / "tpm"
        der = (folder / "swtpm-rsassa.akpub.der").read_bytes()
        spki = pem_of(der).replace("CERTIFICATE", "PUBLIC KEY") + "\n"
        for name, ak in (("azure-vtpm", folder / "azure-vtpm.akpub.pem"), ("swtpm-rsassa", self.file("ak.pem", spki))):
            with self.subTest(name):
                attest = (folder / f"{name}.tpm-quote.msg").read_bytes()
                signature = (folder / f"{name}.tpm-quote.sig").read_bytes()
                pcrs = (folder / f"{name}.pcrs-sha256.bin").read_bytes()
                facts = json.loads(run(PROGRAM, "inspect", folder / f"{name}.tpm-quote.msg", "--json").stdout)
                nonce = facts["facts"]["nonce"]
                self.assertTrue(self.both(ak, attest, signature, pcrs, nonce))
                self.assertFalse(self.both(ak, attest, signature, pcrs, flipped(bytes.fromhex(nonce), 0).hex()))
                self.assertFalse(self.both(ak, attest, signature, flipped(pcrs, 4 * 32), nonce))
                for at in (len(attest) - 1, len(attest) // 2, 44):
                    self.assertFalse(self.both(ak, flipped(attest, at), signature, pcrs, nonce))
                for at in (len(signature) - 1, len(signature) - 128):
                    self.assertFalse(self.both(ak, attest, flipped(signature, at), pcrs, nonce))


@needs("tpm2_eventlog")
class EventLogs(Case):
    # Debian's 5.4 leaves out the startup locality, extends SP800-155 events, and cannot read SHA-1 logs whose events
    # are no UEFI ones; for those logs our values are compared with the machine's registers elsewhere.
    WRONG = {"eventlog-workstation-locality3.bin", "eventlog-sp800155.bin", "eventlog-option-rom-sha1.bin",
             "eventlog-short-no-action.bin"}

    def registers(self, log):
        result = run("tpm2_eventlog", log)
        self.assertEqual(result.returncode, 0, result.stderr)
        out, bank = {}, None
        for line in result.stdout[result.stdout.index("\npcrs:"):].splitlines():
            if heading := re.fullmatch(r"  (\w+):", line):
                bank = out.setdefault(heading[1], {})
            elif value := re.fullmatch(r"    (\d+) *: 0x([0-9a-f]+)", line):
                bank[value[1]] = value[2]
        return out

    def test_registers_are_the_same(self):
        logs = [log for log in sorted((VECTORS / "event_log").glob("*.bin")) if log.name not in self.WRONG]
        logs += sorted(log for log in (VECTORS / "local").glob("*/eventlog.bin"))
        self.assertGreater(len(logs), 12)
        for log in logs:
            with self.subTest(log.relative_to(VECTORS)):
                facts = json.loads(run(PROGRAM, "inspect", log, "--json").stdout)["facts"]
                self.assertEqual(facts["replay"], self.registers(log))


if __name__ == "__main__":
    unittest.main()
