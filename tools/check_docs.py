"""Checks the documents against the tree and the program: every relative link resolves, every command
shown exists, generated pages are current. Usage: check_docs.py PROGRAM. Last line: N passed, N failed."""

import pathlib
import re
import subprocess
import sys

import generate_docs

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"^\s*(?:\$ )?vouchsafe ((?:--?[a-z-]+ )*)([a-z]+)((?: [a-z-]+)?)", re.MULTILINE)
GROUPS = {"key", "vm", "serve", "admin", "verify", "audit"}


def documents():
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.split() if "vectors" not in name]


def broken_links(path, text):
    for target in LINK.findall(text):
        if "://" in target or target.startswith("mailto:"):
            continue
        if not (path.parent / target).exists():
            yield f"{path.relative_to(ROOT)}: link to {target} leads nowhere"


def shown_commands(text):
    for block in re.findall(r"^```[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE) + re.findall(r"`([^`\n]+)`", text):
        for _, command, sub in COMMAND.findall(block):
            yield (command, sub.strip()) if command in GROUPS else (command, "")


def command_exists(program, command, sub):
    words = [program, command] + ([sub] if sub else []) + ["--help"]
    return subprocess.run(words, capture_output=True).returncode == 0


def main():
    program = sys.argv[1]
    passed, problems, commands = 0, [], set()
    for path in documents():
        text = path.read_text()
        found = list(broken_links(path, text))
        problems += found
        passed += not found
        commands |= set(shown_commands(text))
    for command, sub in sorted(commands):
        if command_exists(program, command, sub):
            passed += 1
        else:
            problems.append(f"the documents show 'vouchsafe {command} {sub}', which does not exist")
    for name, text in generate_docs.pages(program).items():
        if (ROOT / name).exists() and (ROOT / name).read_text() == text:
            passed += 1
        else:
            problems.append(f"{name} is not current: run python3 tools/generate_docs.py PROGRAM")
    for problem in problems:
        print(problem)
    print(f"{passed} passed, {len(problems)} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
