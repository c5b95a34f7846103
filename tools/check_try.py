"""Finds TRY behind another element of a braced initializer: when it returns, what was built before it
is not destroyed (docs/mistakes.md). Prints each place; exit 1 if there is one."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)
# What stands before the brace of a block; an initializer's follows a type, '=', '(', ',' or return.
BLOCK = re.compile(r"(?:\)|\]|\b(?:else|do|try|const|noexcept|override|final|mutable)|->[\w:<>,\s*&]+)$")
DECLARATION = re.compile(r"\b(?:struct|class|union|enum|namespace)\b[^;{}()]*$|\bextern\s*$")


def blank(match):
    """Keeps lines and length, and that a string was there."""
    text = match.group(0)
    return "".join(c if c == "\n" else " " for c in text) if text[0] == "/" else '"' + "_" * (len(text) - 2) + '"'


def is_block(before):
    before = before.rstrip()
    return not before or before[-1] in ";{}:" or bool(BLOCK.search(before)) or bool(DECLARATION.search(before))


def places(text):
    """The line of each TRY whose innermost braces are an initializer that has an element before it."""
    text = NOISE.sub(blank, text)
    stack = []  # [bracket, braces are a block, a comma was seen]
    for i, c in enumerate(text):
        if c in "({[":
            block = c == "{" and is_block(text[max(0, i - 300):i])
            if c == "{" and block and stack and stack[-1][0] == "{" and not stack[-1][1]:
                block = text[:i].rstrip()[-1] in ")]"  # within an initializer: only a lambda's body
            stack.append([c, block, False])
        elif c in ")}]":
            if stack:
                stack.pop()
        elif c == "," and stack:
            stack[-1][2] = True
        elif text.startswith("TRY(", i) and not (text[i - 1].isalnum() or text[i - 1] == "_"):
            braces = next((entry for entry in reversed(stack) if entry[0] == "{"), None)
            if braces and not braces[1] and braces[2]:
                yield text.count("\n", 0, i) + 1


def main():
    found = 0
    for folder in ("vouchsafe", "app", "fuzz", "bench"):
        for file in sorted((ROOT / folder).rglob("*.[ch]*")):
            if file.suffix not in (".cpp", ".h"):
                continue
            for line in places(file.read_text()):
                print(f"{file.relative_to(ROOT)}:{line}: TRY behind another element of a braced initializer")
                found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
