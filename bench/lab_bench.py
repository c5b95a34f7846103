"""lab_bench.py PROGRAM [MACHINES]: what a lab on this computer takes: 'up', virtual machines, memory.

A fresh lab's time is compared with that of a key by OpenSSL, in the same run. Memory is the proportional share (PSS) of the lab, its software TPMs and the first processes of its machines.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ["VOUCHSAFE"] = program = os.path.abspath(sys.argv[1])
machines = int(sys.argv[2]) if len(sys.argv) > 2 else 100
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/e2e"))
from vms_test import Lab, children, run  # noqa: E402
RUNS = 10


class Measured(Lab):
    def runTest(self):
        pass


def timed(work):
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def show(what, times):
    times.sort()
    print(f"{what}: median {times[len(times) // 2]:.2f} s, {times[0]:.2f} to {times[-1]:.2f}", flush=True)


def must(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def pss(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0


def descendants(pid):
    found = list(children(pid))
    return found + [one for child in found for one in descendants(child)]


def memory(pid):
    below = descendants(pid)
    return pss(pid), sum(map(pss, below)), len(below)


def version(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]


def measure_up():
    fresh, existing = [], []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory(prefix="vs-bench-") as folder:
            for times in fresh, existing:
                times.append(timed(lambda: must(program, "up", "--detach", "--dir", folder)))
                must(program, "down", "--dir", folder)
    show("up, fresh directory", fresh)
    show("  one RSA-2048 key by openssl (a fresh lab has two, one of three primes, two of 4,096 bits)",
         [timed(lambda: must("openssl", "genrsa", "2048")) for _ in range(RUNS)])
    show("up, existing directory", existing)


def wait_until_running(lab, count):
    while True:
        listed = json.loads((lab / "up/machines.json").read_text())["machines"]
        if len(listed) == count and all(one["power"] == "running" for one in listed):
            return
        time.sleep(0.02)


def measure_machines():
    Measured.setUpClass()
    try:
        lab = Measured()
        group = lab.group("bench")
        empty = memory(lab.pid())
        puts = []
        for i in range(machines):
            name = f"m{i}"
            path = f"{group}/providers/Microsoft.Compute/virtualMachines/{name}"
            body = lab.body(lab.interface(group, name))
            puts.append(timed(lambda: lab.make(path, body)))
        show(f"PUT of a confidential VM until it runs ({machines} of them)", puts)
        enter = [timed(lambda: must(program, "vm", "exec", "--dir", str(lab.lab), "m0", "true")) for _ in range(RUNS)]
        show("a command inside (vm exec)", enter)
        full = memory(lab.pid())
        print(f"memory: {empty[0]:.0f} MiB without machines; with {machines} the lab {full[0]:.0f} MiB and their "
              f"{full[2]} processes {full[1]:.0f} MiB, {sum(full[:2]):.0f} MiB in all")
        must(program, "down", "--dir", str(lab.lab))
        print(f"up with {machines} machines: {timed(lab.up):.2f} s, and until all run "
              f"{timed(lambda: wait_until_running(lab.lab, machines)):.2f} s more")
        print(f"their group deleted: {timed(lambda: lab.arm('DELETE', group)):.2f} s")
    finally:
        Measured.doClassCleanups()


print(version(program, "--version"), "|", version("openssl", "version"), "|", version("swtpm", "--version"))
measure_up()
measure_machines()
