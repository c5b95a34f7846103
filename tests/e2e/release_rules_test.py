"""Release rules of a key, changes by two persons, and what a refusal tells whom, through the real program."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["VOUCHSAFE"]
ATTEST = "https://sharedweu.weu.attest.azure.net"
KEY = "https://rules-vault.vault.azure.net/keys/kek"


def run(*arguments, **options):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=180, **options)


class ReleaseRules(unittest.TestCase):
    """A lab with a vault, two officers, an exportable key, and a machine that may have it released."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vs-rules-")
        cls.addClassCleanup(folder.cleanup)
        cls.work = pathlib.Path(folder.name)
        cls.lab = cls.work / "lab"
        cls.ok("vm", "create", "vm1", "--dir", cls.lab)
        cls.ok("vm", "exec", "vm1", "--dir", cls.lab, "--", "true")
        cls.ok("admin", "create-vault", "rules-vault", "--dir", cls.lab)
        cls.apps = {}
        for name in ("alice", "bob"):
            made = cls.ok("--json", "admin", "create-app", name, "--secret-out", cls.work / f"{name}.secret",
                          "--dir", cls.lab)
            cls.apps[name] = json.loads(made.stdout)
            cls.assign("Key Vault Crypto Officer", name)
        cls.assign("Key Vault Crypto Service Release User", "vm1")
        policy = cls.work / "policy.json"
        policy.write_text(json.dumps({"version": "1.0.0", "anyOf": [{"authority": ATTEST, "allOf": [
            {"claim": "x-ms-isolation-tee.x-ms-attestation-type", "equals": "sevsnpvm"}]}]}))
        made = cls.by("alice", "key", "create", "--policy", policy, "--key", KEY)
        assert made.returncode == 0, made.stderr

    @classmethod
    def ok(cls, *arguments):
        result = run(*arguments)
        assert result.returncode == 0, (arguments, result.stdout, result.stderr)
        return result

    @classmethod
    def assign(cls, role, who):
        cls.ok("admin", "assign-role", role, who, "--vault", "rules-vault", "--dir", cls.lab)

    @classmethod
    def by(cls, who, *words):
        """by runs a command as one of the officers while the lab's services are up."""
        app = cls.apps[who]
        return run("admin", "exec", "--dir", cls.lab, "--", PROGRAM, *words, "--tenant", app["tenant"],
                   "--client-id", app["client_id"], "--secret-file", cls.work / f"{who}.secret")

    def rules(self, value, who="alice"):
        file = self.work / "rules.json"
        file.write_text(json.dumps(value))
        return self.by(who, "vault", "rules", "set", file, "--key", KEY)

    def release(self):
        result = run("vm", "exec", "vm1", "--dir", self.lab, "--", "vouchsafe", "--json", "key", "release",
                     "--key", KEY, "--attest-url", ATTEST)
        error = json.loads(result.stderr.splitlines()[-1])["error"] if result.returncode else None
        return result.returncode, error

    def test_a_quota_ends_releases_and_the_refusal_is_explained_to_the_right_people(self):
        self.assertEqual(self.rules({"maxReleases": 1, "singleUse": True}).returncode, 0)
        self.assertEqual(self.release()[0], 0)
        code, error = self.release()
        self.assertEqual(code, 1)
        self.assertEqual(error["check"]["code"], "VAULT-RULES-QUOTA")
        self.assertEqual(error["check"]["found"], "", "the machine learns code and request id only")
        request = error["request_id"]

        shown = run("vault", "explain", request, "--dir", self.lab)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("at most 1", shown.stdout)
        self.assertIn("remedy", shown.stdout)
        self.assertLessEqual(max(map(len, shown.stdout.splitlines())), 80, shown.stdout)
        vault = ("vault", "explain", request, "--vault", "https://rules-vault.vault.azure.net")
        asked = self.by("alice", "--json", *vault)
        self.assertEqual(asked.returncode, 0, asked.stderr)
        self.assertEqual(json.loads(asked.stdout)["checks"][-1]["code"], "VAULT-RULES-QUOTA")
        inside = run("vm", "exec", "vm1", "--dir", self.lab, "--", "vouchsafe", *vault)
        self.assertNotEqual(inside.returncode, 0, "the machine may not change the key")
        self.assertIn("no explanation", inside.stderr)

        told = self.by("alice", "vault", "rules", "show", "--key", KEY)
        self.assertIn("since there are rules: 1", told.stdout)
        self.assertEqual(self.rules({}).returncode, 0)

    def test_two_persons_change_what_needs_two(self):
        self.assertEqual(self.rules({"twoPerson": True}).returncode, 0)
        alone = self.rules({})
        self.assertEqual(alone.returncode, 1)
        self.assertIn("VAULT-RULES-APPROVAL", alone.stderr)
        empty = self.work / "empty.json"
        empty.write_text("{}")
        made = self.by("alice", "--json", "vault", "rules", "propose", "--rules", empty, "--key", KEY)
        self.assertEqual(made.returncode, 0, made.stderr)
        proposal = json.loads(made.stdout)
        approve = ("vault", "rules", "approve", proposal["id"], "--hash", proposal["hash"], "--key", KEY)
        self.assertIn("VAULT-PROPOSAL-SECOND", self.by("alice", *approve).stderr)
        self.assertIn(proposal["hash"], self.by("bob", "vault", "rules", "proposals", "--key", KEY).stdout)
        approved = self.by("bob", *approve)
        self.assertEqual(approved.returncode, 0, approved.stderr)
        self.assertIn("no release rules", approved.stdout)


class ProductionDirectory(unittest.TestCase):
    """Vaults, roles, policies and networks of a production directory, before its first service."""

    OBJECT = "aaaaaaaa-0000-4000-8000-000000000001"

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vs-admin-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name) / "prod"
        # It makes the directory, and then wants a certificate.
        self.assertEqual(run("serve", "vault", "--dir", self.dir).returncode, 2)

    def admin(self, *words, code=0):
        result = run("--json", "admin", *words, "--dir", self.dir)
        self.assertEqual(result.returncode, code, (words, result.stdout, result.stderr))
        return json.loads(result.stdout) if code == 0 and result.stdout.startswith(("{", "[")) else result

    def test_an_operator_sets_up_a_vault(self):
        tenant = "11111111-1111-4111-8111-111111111111"
        made = self.admin("vault", "create", "prod-vault", "--tenant", tenant)
        self.assertEqual((made["tenant"], made["authorization"], made["networks"]), (tenant, "roles", []))
        self.admin("vault", "create", "prod-vault", code=1)
        own = run("admin", "vault", "create", "own-vault", "--dir", self.dir)
        self.assertIn("note: access tokens of tenant", own.stderr)
        self.assertNotIn(tenant, own.stderr)
        role = self.admin("assign-role", "Key Vault Reader", self.OBJECT, "--vault", "prod-vault")
        self.assertEqual(role["scope"], made["id"])
        named = self.admin("assign-role", "Key Vault Reader", "alice", "--vault", "prod-vault", code=2)
        self.assertIn("object id", named.stderr)
        self.admin("vault", "network", "prod-vault", "--allow", "10.1.0.0/16", "--allow", "2001:db8::/32")
        self.admin("vault", "network", "prod-vault", "--allow", "10.1.0.0/8", code=2)
        self.admin("vault", "network", "prod-vault", code=2)
        self.admin("vault", "authorization", "prod-vault", "access-policies")
        policy = self.admin("access-policy", "set", "--vault", "prod-vault", "--object-id", self.OBJECT,
                            "--keys", "get,list", "--secrets", "all")
        self.assertEqual(policy["keys"], ["get", "list"])
        self.assertEqual(len(policy["secrets"]), 8)
        self.assertEqual(self.admin("access-policy", "list", "--vault", "prod-vault"), [policy])
        self.admin("access-policy", "remove", "--vault", "prod-vault", "--object-id", self.OBJECT)
        shown = self.admin("vault", "show", "prod-vault")
        self.assertEqual(shown["networks"], ["10.1.0.0/16", "2001:db8::/32"])
        self.assertIn(shown, self.admin("vault", "list"))
        log = run("audit", "show", "--dir", self.dir)
        self.assertIn("vaults/networks/write", log.stdout)
        self.assertNotIn("Key Vault Reader", log.stdout)
        whole = run("--verbose", "audit", "show", "--dir", self.dir, "--act", "roleAssignments")
        self.assertIn(f'principal: "{self.OBJECT}"\n        role: "Key Vault Reader"', whole.stdout)

    def test_roles_on_an_attestation_service_are_given_before_its_first_start(self):
        role = ("assign-role", "Attestation Contributor", "--attestation")
        made = self.admin(*role, self.OBJECT)
        self.assertTrue(made["scope"].endswith("/attestationProviders/attestation"), made)
        of_provider = self.admin(*role, self.OBJECT, "--issuer", "https://contoso.attest.example.org")
        self.assertTrue(of_provider["scope"].endswith("/contoso.attest.example.org"), of_provider)
        self.assertIn("object id", self.admin(*role, "alice", code=2).stderr)
        unknown = self.admin("assign-role", "Attestation Dictator", self.OBJECT, "--attestation", code=2)
        self.assertIn("Attestation Contributor", unknown.stderr)  # what roles there are
        self.assertEqual(len(run("--json", "audit", "show", "--service", "attestation", "--dir",
                                 self.dir).stdout.splitlines()), 2)

    def test_what_is_for_labs_says_what_is_for_production(self):
        for words in (("create-vault", "our-vault"), ("principals",)):
            self.assertIn("admin vault create", self.admin(*words, code=2).stderr)
        self.assertEqual(self.admin("vault", "list"), [])


if __name__ == "__main__":
    unittest.main()
