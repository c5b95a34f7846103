"""Collateral through the program: packs carried between machines, and lists fetched from a service."""

import base64
import http.server
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import unittest

PROGRAM = os.environ["VOUCHSAFE"]
VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors" / "tdx"
RECORDED = VECTORS / "collateral"


def run(*arguments, data=None):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, input=data, timeout=120)


def piece(name, file, *chain, **members):
    out = {"name": name, "bytes": base64.b64encode((RECORDED / file).read_bytes()).decode(), **members}
    if chain:
        out["issuer_chain"] = "".join(path.read_text() for path in chain)
    return out


def pack(*pieces):
    document = {"schema": "vouchsafe/collateral/1", "made": "2026-03-20T00:00:00Z", "pieces": list(pieces)}
    return json.dumps(document).encode()


SIGNERS = RECORDED / "tcb-signing-chain.pem"
ROOT = piece("intel/root.crl", "root-2026.crl.der", fetched="2026-03-20T00:00:00Z", **{"from": "a recording"})
PCK = piece("intel/pck-platform.crl", "pck-platform-2026.crl.der", VECTORS / "intel-pck-platform-ca.pem",
            VECTORS / "intel-sgx-root-ca.pem")
QE = piece("intel/qe-identity-td.json", "qeidentity-td-2026.json", SIGNERS)
TCB = piece("intel/tcb-90c06f000000.json", "tcbinfo-90c06f000000-2026b.json", SIGNERS)
OLDER_TCB = piece("intel/tcb-90c06f000000.json", "tcbinfo-90c06f000000-2026.json", SIGNERS)


class Kds(http.server.BaseHTTPRequestHandler):
    """Kds serves a body, or asks to wait."""

    body = None

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.body is None:
            self.send_response(429)
            self.send_header("Retry-After", "600")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *arguments):
        pass


class Collateral(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.dir = pathlib.Path(self.folder.name) / "service"

    def tearDown(self):
        self.folder.cleanup()

    def collateral(self, verb, *arguments, code=0, data=None, directory=None):
        result = run("collateral", verb, "--dir", directory or self.dir, *arguments, "--json", data=data)
        self.assertEqual(result.returncode, code, result.stderr)
        if result.stdout:
            return json.loads(result.stdout)
        return json.loads(result.stderr.splitlines()[-1])["error"]

    def take(self, *pieces, code=0, options=()):
        return self.collateral("import", "-", *options, data=pack(*pieces), code=code)

    def held(self, code=1):
        return {one["name"]: one for one in self.collateral("show", code=code)["pieces"]}

    def test_a_pack_goes_from_one_machine_to_another_byte_for_byte(self):
        taken = self.take(ROOT, PCK, QE, TCB)
        self.assertEqual({one["outcome"] for one in taken["pieces"]}, {"written"})
        tcb = self.held()["intel/tcb-90c06f000000.json"]
        self.assertEqual((tcb["evaluation"], tcb["valid_to"], tcb["in_force"]),
                         (18, "2026-04-15T22:06:09Z", False))  # the recording ran out: told, not refused
        file = pathlib.Path(self.folder.name) / "pack.json"
        self.assertEqual(self.collateral("export", "--out", file)["pieces"], 4)
        other = pathlib.Path(self.folder.name) / "offline"
        self.collateral("import", file, directory=other)
        for name in ("intel/root.crl", "intel/pck-platform.crl", "intel/tcb-90c06f000000.json"):
            self.assertEqual((other / "collateral" / name).read_bytes(),
                             (self.dir / "collateral" / name).read_bytes())
        self.assertEqual(self.collateral("show", directory=other, code=1)["pieces"],
                         self.collateral("show", code=1)["pieces"])
        self.assertEqual(run("collateral", "export", "--dir", self.dir, "--out", file).returncode, 1)

    def test_nothing_is_taken_from_a_pack_with_one_bad_piece(self):
        bent = dict(ROOT)
        data = bytearray(base64.b64decode(bent["bytes"]))
        data[-1] ^= 1
        bent["bytes"] = base64.b64encode(data).decode()
        self.assertEqual(self.take(TCB, bent, code=1)["check"]["code"], "TDX-CRL-SIGNATURE")
        self.assertEqual(self.held(code=0), {})
        another = dict(TCB, name="intel/tcb-50806f000000.json")
        self.assertEqual(self.take(another, code=1)["check"]["code"], "COLLATERAL-PLACE")
        error = self.collateral("import", "-", data=b"{}", code=2)
        self.assertEqual(error["check"]["code"], "COLLATERAL-FORM")

    def test_older_never_replaces_newer_unless_told(self):
        self.take(TCB)
        self.assertEqual(self.take(OLDER_TCB, code=1)["check"]["code"], "COLLATERAL-OLDER")
        outcomes = {one["name"]: one["outcome"] for one in self.take(OLDER_TCB, ROOT)["pieces"]}
        self.assertEqual(outcomes, {"intel/tcb-90c06f000000.json": "left", "intel/root.crl": "written"})
        self.take(OLDER_TCB, options=["--force"])
        self.assertEqual(self.held()["intel/tcb-90c06f000000.json"]["valid_to"], "2026-03-03T14:49:26Z")

    def test_a_lab_has_its_list_and_fetches_it_from_a_service_alone_that_has_it(self):
        lab = pathlib.Path(self.folder.name) / "lab"
        made = run("vm", "create", "any", "--dir", lab)
        if made.returncode == 3:
            self.skipTest("no software TPM here")
        self.assertEqual(made.returncode, 0, made.stderr)
        shown = self.collateral("show", directory=lab)
        self.assertEqual([(one["name"], one["in_force"]) for one in shown["pieces"]], [("amd/milan.crl", True)])
        self.assertEqual(self.collateral("fetch", directory=lab, code=2)["code"], "invalid")

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kds)
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = ["--kds-url", f"http://127.0.0.1:{server.server_port}"]
        try:
            failed = self.collateral("fetch", *url, directory=lab, code=3)["failed"]
            self.assertEqual((failed[0]["name"], failed[0]["retry_after"]), ("amd/milan.crl", 600))
            Kds.body = (lab / "collateral/amd/milan.crl").read_bytes()
            fetched = self.collateral("fetch", *url, directory=lab)["pieces"]
            self.assertEqual(fetched[0]["outcome"], "same")
            self.assertTrue(fetched[0]["from"].endswith("/vcek/v1/Milan/crl"))
            Kds.body = (RECORDED / "root-2026.crl.der").read_bytes()
            failed = self.collateral("fetch", *url, directory=lab, code=1)["failed"]
            self.assertEqual(failed[0]["error"]["check"]["code"], "COLLATERAL-PLACE")
            self.assertEqual(set(server.asked), {"/vcek/v1/Milan/crl"})
        finally:
            server.shutdown()
            server.server_close()
        self.assertEqual(len(self.collateral("show", directory=lab)["pieces"]), 1)

    def test_a_service_that_is_not_there_is_told_once(self):
        url = "https://127.0.0.1:1"
        result = self.collateral("fetch", "--kds-url", url, "--only", "amd", code=3)
        self.assertEqual([one["name"] for one in result["failed"]],
                         ["amd/milan.crl", "amd/genoa.crl", "amd/turin.crl"])
        self.assertIn("not asked again", result["failed"][1]["error"]["message"])
        self.assertEqual(run("collateral", "fetch", "--dir", self.dir, "--kds-url", "http://kds.example").returncode, 2)


if __name__ == "__main__":
    unittest.main()
