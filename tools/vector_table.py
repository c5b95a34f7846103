"""Verifies every recorded piece of evidence in tests/vectors with the program, and compares with what an
independent checker found (facts.json). Prints the table of docs/vectors.md; generate_docs.py writes it.
Usage: vector_table.py PROGRAM."""

import base64
import concurrent.futures
import datetime
import json
import os
import pathlib
import subprocess
import sys
from typing import NamedTuple

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "tests/vectors"
SNP_AT = "2026-07-01T00:00:00Z"


# The quotes of the Intel machines in hcl/ are kept with the other quotes.
QUOTES = {"azure-tdx-a": "tdx/v4-azure.quote.bin", "azure-tdx-akcert": "tdx/v4-azure-akcert.quote.bin"}


class Case(NamedTuple):
    vector: str  # path below tests/vectors
    kind: str  # verify KIND
    options: tuple  # as typed; "@path" is a file below tests/vectors, "=text" and "~path" come through a pipe
    verdict: str  # the independent checker's
    ours: str = ""  # why we say no to what holds: a rule of ours, or of the relying party


def facts(topic):
    return {name: row for name, row in json.loads((VECTORS / topic / "facts.json").read_text()).items()
            if isinstance(row, dict) and "verdict" in row}


def snp_cases():
    known = facts("snp")
    unchecked = ("--allow-unchecked", "revocation")

    def case(name, cert, verdict, *more):
        at = "2025-07-01T00:00:00Z" if "vlek" in cert else SNP_AT
        return Case(f"snp/{name}", "snp", ("--report", f"@snp/{name}", "--cert", f"@snp/{cert}", *unchecked, *more,
                                           "--at", at), verdict)

    for name, row in known.items():
        stem = name.removesuffix(".report.bin")
        if stem == name:
            continue
        base = row["derived"].split(":")[0] if row.get("derived") else stem
        cert = "derived/forged-chain.certs.pem" if "forged" in stem else f"{base}.vcek.der"
        more = ()
        if "vlek" in stem:
            cert, more = f"{stem}.vlek.der", ("--vmpl", "1")
        if "google-debug" in stem:
            yield case(name, cert, row["verdict"])._replace(ours="may be debugged, which has to be allowed")
            more = ("--allow-debug",)
        yield case(name, cert, row["verdict"], *more)
    for cert in ("bad-vcek-legacy.der", "bad-vcek-new.der"):
        yield case("milan-v2-coco.report.bin", cert, known[cert]["verdict"])._replace(vector=f"snp/{cert}")
    for report, cert in (("milan-v3-aci", "milan-v3-aci.vcek-older-issue.der"),
                         ("milan-v2-aci-2022", "milan-v2-aci-2022.thim.json")):
        yield case(f"{report}.report.bin", cert, known[cert]["verdict"])._replace(vector=f"snp/{cert}")


def hcl_cases():
    known = facts("hcl")
    for name, row in known.items():
        folder, _, file = name.rpartition("/")
        at = ("--at", SNP_AT)
        report = ("--report", f"@hcl/{name}")
        if file == "hcl-report.bin" and "tdx" not in folder:
            cert = "other-chip.vcek.der" if "novcek" in folder else "vcek.der"
            yield Case(f"hcl/{name}", "hcl", (*report, "--cert", f"@hcl/{folder}/{cert}", "--allow-unchecked",
                                              "revocation", *at), row["verdict"])
        elif folder == "derived":
            yield Case(f"hcl/{name}", "hcl", (*report, "--cert", "@hcl/azure-snp-milan-a/vcek.der",
                                              "--allow-unchecked", "revocation", *at), row["verdict"])
        elif file == "hcl-report.bin" and folder in QUOTES:
            yield Case(f"hcl/{name}", "hcl", (*report, "--quote", f"@{QUOTES[folder]}", "--allow-unchecked",
                                              "revocation,qe-identity,tcb-info", *at), row["verdict"])
        elif file.endswith("tpm-quote.msg"):
            signature = f"@hcl/{name.removesuffix('.msg')}.sig"
            yield Case(f"hcl/{name}", "tpm-quote", ("--attest", f"@hcl/{name}", "--signature", signature, "--ak",
                                                    f"@hcl/{folder}/hcl-report.bin", "--pcrs",
                                                    f"@hcl/{folder}/pcrs-sha256.bin", "--allow-unchecked",
                                                    "ak-chain"), row["verdict"])
        elif file == "ak-cert-chain.pem":
            # The block holds what the NV index does: the certificate, and zeros behind it.
            yield Case(f"hcl/{name}", "ak-cert", ("--cert", f"~hcl/{name}", "--allow-unchecked",
                                                  "revocation", *at), row["verdict"])


def tdx_cases():
    unchecked = ("--allow-unchecked", "revocation,qe-identity,tcb-info")
    for name, row in facts("tdx").items():
        if not name.endswith(".quote.bin"):
            continue
        case = Case(f"tdx/{name}", "tdx", ("--quote", f"@tdx/{name}", *unchecked, "--at", SNP_AT), row["verdict"])
        if "debug" in name:
            yield case._replace(ours="may be debugged, which has to be allowed")
            case = case._replace(options=(*case.options, "--allow-debug"))
        if "trailing" in row["verdict"]:
            case = case._replace(ours="bytes that nobody signed follow")
        if "SGX" in row["verdict"]:
            case = case._replace(ours="an enclave is no confidential VM")
        yield case
    enclave = "tdx/v3-sgx-occlum.quote.bin"
    options = ("--quote", f"@{enclave}", *unchecked, "--at", SNP_AT)
    verdict = facts("tdx")["v3-sgx-occlum.quote.bin"]["verdict"]
    yield Case(enclave, "sgx", options, verdict, ours="may be debugged, which has to be allowed")
    yield Case(enclave, "sgx", (*options, "--allow-debug"), verdict)
    for log, quote in (("ccel-cos113", "v4-gcp-cos113"), ("ccel-cos113-dup-separator", "v4-gcp-cos113"),
                       ("ccel-live", "v4-live-2026"), ("ccel-live2", "v4-live-2026")):
        yield Case(f"tdx/{log}.bin", "tdx", ("--quote", f"@tdx/{quote}.quote.bin", "--event-log", f"@tdx/{log}.bin",
                                             *unchecked, "--at", SNP_AT), facts("tdx")[f"{log}.bin"]["verdict"])
    yield from tcb_cases()


def tcb_cases():
    """The pairs of quote and TCB info, a day after the latter was issued, with what else is current then."""
    known = facts("tdx")
    chain = ("--tcb-chain", "@tdx/collateral/tcb-signing-chain.pem")
    for pair in json.loads((VECTORS / "tdx/facts.json").read_text())["_tcb_status_of_pairs"]:
        quote = QUOTES.get(pair["quote"].split("/")[1], pair["quote"])
        issued = known[pair["tcbinfo"].removeprefix("tdx/")]["facts"]["issueDate"]
        if issued < "2025":
            continue  # older than the recorded certificate of its signer
        at = rfc3339(datetime.datetime.fromisoformat(issued.replace("Z", "+00:00")).timestamp() + 86400)
        status = pair["platform_status"]
        yield Case(quote, "tdx", ("--quote", f"@{quote}", "--tcb-info", f"@{pair['tcbinfo']}", *chain,
                                  *current_collateral(known, at), *(("--allow-debug",) if "debug" in quote else ()),
                                  "--at", at), f"valid, TCB {status}" if status == "UpToDate" else f"TCB: {status}")


def current_collateral(known, at):
    """QE identity and revocation lists, as far as recorded ones are current."""
    options, missing = [], []
    for year in ("2025", "2026"):
        row = known[f"collateral/qeidentity-td-{year}.json"]["facts"]
        if row["issueDate"] <= at <= row["nextUpdate"]:
            options = ["--qe-identity", f"@tdx/collateral/qeidentity-td-{year}.json"]
    missing += [] if options else ["qe-identity"]
    lists = [known[f"collateral/{name}-2026.crl.der"]["facts"] for name in ("root", "pck-platform")]
    if all(row["this_update"].replace(" ", "T") <= at <= row["next_update"].replace(" ", "T") for row in lists):
        options += ["--crl", "@tdx/collateral/root-2026.crl.der", "--crl", "@tdx/collateral/pck-platform-2026.crl.der"]
    else:
        missing.append("revocation")
    return (*options, *(("--allow-unchecked", ",".join(missing)) if missing else ()))


def tpm_cases():
    known = facts("tpm")
    quote = {"--attest": "azure-vtpm.tpm-quote.msg", "--signature": "azure-vtpm.tpm-quote.sig",
             "--ak": "azure-vtpm.akpub.pem", "--pcrs": "azure-vtpm.pcrs-sha256.bin"}
    swtpm = {name: value.replace("azure-vtpm", "swtpm-rsassa").replace(".pem", ".der")
             for name, value in quote.items()}
    rows = [("azure-vtpm.tpm-quote.msg", quote), ("swtpm-rsassa.tpm-quote.msg", swtpm),
            ("derived/pcrs-flip-pcr4.bin", quote | {"--pcrs": "derived/pcrs-flip-pcr4.bin"})]
    rows += [(name, quote | {"--attest": name}) for name in known if name.startswith("derived/quote-")]
    for name, files in rows:
        options = [word for option, file in files.items() for word in (option, f"@tpm/{file}")]
        yield Case(f"tpm/{name}", "tpm-quote", (*options, "--allow-unchecked", "ak-chain"), known[name]["verdict"])
    for name, row in known.items():
        if "eventlog" in name and (VECTORS / "event_log" / name).exists():
            yield log_case(name, row)


def log_case(name, row):
    known = facts("tpm")
    replayed = known["eventlog-rhel8-uefi.bin"] if "digest-flip" in name else row
    options = ("--log", f"@event_log/{name}")
    if "replay" in replayed["facts"]:
        return Case(f"event_log/{name}", "event-log", (*options, "--pcrs", "=" + values(replayed)),
                    row["verdict"].replace("well formed", "well formed, replays to these registers", 1)
                    if replayed is row else row["verdict"])
    return Case(f"event_log/{name}", "event-log", (*options, "--allow-unchecked", "event-log"), row["verdict"])


def values(row):
    """values is the registers an independent replay gave, as lines."""
    return "".join(f"{bank} {pcr} {value}\n" for bank, pcrs in row["facts"]["replay"].items()
                   for pcr, value in pcrs.items())


def local_cases():
    for folder in sorted((VECTORS / "local").iterdir()):
        pcrs, log, quote = (folder / name for name in ("pcrs.txt", "eventlog.bin", "quote.msg"))
        name = f"local/{folder.name}"
        if log.exists():
            yield Case(f"{name}/eventlog.bin", "event-log", ("--log", f"@{name}/eventlog.bin", "--pcrs",
                                                             f"@{name}/pcrs.txt"), "valid: replays to its registers")
        elif pcrs.exists():
            yield Case(f"{name}/pcrs.txt", "event-log", ("--log", "=", "--pcrs", f"@{name}/pcrs.txt"),
                       "registers extended, but no log")
        if quote.exists():
            yield Case(f"{name}/quote.msg", "tpm-quote",
                       ("--attest", f"@{name}/quote.msg", "--signature", f"@{name}/quote.sig", "--ak",
                        f"@{name}/ak_pub.pem", "--pcrs", f"@{name}/pcrs.txt", "--nonce",
                        (folder / "nonce.hex").read_text().strip(), "--allow-unchecked", "ak-chain"), "valid")


def token_cases():
    for name, row in facts("maa").items():
        if not name.endswith(".jwt"):
            continue
        keys = "sharedweu" if "weu" in name else "sharedwus-2022-06"
        claims = row["facts"] or {}
        at = claims.get("nbf") or 1654037300
        yield Case(f"maa/{name}", "token", ("--token", f"@maa/{name}", "--jwks", f"@maa/{keys}.jwks.json", "--at",
                                            rfc3339(at)), row["verdict"])


def release_cases():
    for name, row in facts("skr").items():
        if name.endswith(".jws"):
            yield Case(f"skr/{name}", "release", ("--jws", f"@skr/{name}", "--allow-unchecked", "revocation",
                                                  "--at", "2022-06-01T00:00:00Z"),
                       row["verdict"])


def uvm_cases():
    for name, row in facts("uvm").items():
        if name.endswith(".cose"):
            yield Case(f"uvm/{name}", "uvm", ("--cose", f"@uvm/{name}", "--allow-unchecked", "revocation",
                                              "--at", "2023-02-01T00:00:00Z"),
                       row["verdict"])


def rfc3339(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def all_cases():
    for part in (snp_cases, hcl_cases, tdx_cases, tpm_cases, local_cases, token_cases, release_cases, uvm_cases):
        yield from part()


def holds(verdict):
    """holds tells whether an independent verdict is a yes."""
    if "must be refused" in verdict or "wrong chain" in verdict or "replay differs" in verdict:
        return False
    yes = ("valid", "chain valid", "well formed", "replays to all")
    return verdict.startswith(yes) and "but signature invalid" not in verdict


def run(program, case):
    """run gives the code of the refusal, "" if there is none, or "unreadable"."""
    words, data = [], None
    for word in case.options:
        if word.startswith("="):
            word, data = "-", word[1:].encode()
        if word.startswith("~"):
            lines = (VECTORS / word[1:]).read_text().splitlines()
            word, data = "-", base64.b64decode("".join(line for line in lines if not line.startswith("-")))
        words.append(str(VECTORS / word[1:]) if word.startswith("@") else word)
    done = subprocess.run([program, "--json", "verify", case.kind, *words], capture_output=True, input=data,
                          timeout=60)
    if done.returncode not in (0, 1):
        return "unreadable"
    verdict = json.loads(done.stdout)
    return "" if verdict["valid"] else verdict["refusal"]["code"]


def row_of(case, refusal):
    agrees = holds(case.verdict) == (refusal == "")
    if not agrees and case.ours and refusal:
        agreement = f"stricter: {case.ours}"
    else:
        agreement = "yes" if agrees else "**NO**"
    asked = " ".join(word.split("/")[-1] if word[0] in "@~" else "-" if word[0] == "=" else word
                     for word in case.options)
    ours = f"refused, `{refusal}`" if refusal and refusal != "unreadable" else refusal or "valid"
    return f"| {case.vector} | `{case.kind} {asked}` | {case.verdict} | {ours} | {agreement} |"


def table(program):
    cases = list(all_cases())
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        refusals = list(pool.map(lambda case: run(program, case), cases))
    return [row_of(case, refusal) for case, refusal in zip(cases, refusals)]


def page(program):
    rows = table(program)
    wrong = sum("**NO**" in row for row in rows)
    return "\n".join([
        "# Recorded evidence and what this program says of it", "",
        "Generated by `tools/generate_docs.py`, which runs `vouchsafe verify` on everything in `tests/vectors`; the "
        "stage `docs`", "of `tools/ci.sh` fails if this page is not what a run gives. The independent verdict is that "
        "of the checker described in", "the folders' README files: its code shares nothing with this program.", "",
        f"{len(rows)} verifications, {wrong} deviations.", "",
        "| evidence | `vouchsafe verify` | independent verdict | ours | agrees |", "| --- | --- | --- | --- | --- |",
        *rows]) + "\n"


if __name__ == "__main__":
    print(page(sys.argv[1]), end="")
