"""Compares every #include with the layers: what vouchsafe_module(... DEPENDS ...) declares, and which
module is the one door to each foreign library. Prints each violation; exit 1 if there is one."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')

# Foreign header prefix -> the only folders (or names of files, without their ending) that may include it.
DOORS = {
    "nlohmann/": {"base"},
    "simdjson": {"base"},
    "zstd.h": {"base"},
    "spdlog/": {"base"},
    "cbor": {"base"},
    "openssl/": {"crypto", "net"},
    "intel-ipsec-mb.h": {"crypto"},
    "sqlite3.h": {"store"},
    "libpq-fe.h": {"postgres_connection"},
    "boost/": {"net"},
    "curl/": {"net"},
    "tss2/": {"device"},
    "p11-kit/": {"vault"},
    "xgboost/": {"train"},
    "seccomp.h": {"lab"},
    "linux/landlock.h": {"lab"},
    "fuse": {"tpm_device"},
    "CLI/": {"command_line"},
}


def declared_dependencies():
    depends = {}
    for listing in sorted(ROOT.glob("vouchsafe/*/CMakeLists.txt")):
        text = listing.read_text()
        match = re.search(r"vouchsafe_module\(\s*(\w+)([^)]*)\)", text)
        if not match:
            continue
        words = match.group(2).split()
        names, taking = set(), False
        for word in words:
            if word in ("DEPENDS", "LIBS", "INCLUDES", "APART"):
                taking = word == "DEPENDS"
            elif taking:
                names.add(word)
        depends[match.group(1)] = names
    return depends


def cycles(depends):
    def reach(start):
        seen, todo = set(), list(depends.get(start, ()))
        while todo:
            module = todo.pop()
            if module not in seen:
                seen.add(module)
                todo += depends.get(module, ())
        return seen

    return [f"module {module} depends on itself" for module in depends if module in reach(module)]


def violations(depends):
    found = cycles(depends)
    for path in sorted(ROOT.glob("vouchsafe/*/**/*")) + sorted(ROOT.glob("app/*")):
        if path.suffix not in (".h", ".cpp"):
            continue
        parts = path.relative_to(ROOT).parts
        module = parts[1] if parts[0] == "vouchsafe" else "app"
        is_test = path.name.endswith("_test.cpp")
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            target, where = match.group(1), f"{path.relative_to(ROOT)}:{number}"
            if target.startswith("vouchsafe/"):
                other = target.split("/")[1]
                if module == "app" or other == module or other in depends.get(module, ()):
                    continue
                found.append(f"{where}: module {module} may not include {target}")
            for prefix, owners in DOORS.items():
                if target.startswith(prefix) and not owners & {module, path.stem} and not is_test:
                    found.append(f"{where}: only {', '.join(sorted(owners))} may include {target}")
    return found


def main():
    problems = violations(declared_dependencies())
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
