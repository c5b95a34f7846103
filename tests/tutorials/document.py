"""A tutorial's document as a program. Its blocks are fences with the words

    sh laptop                 a block for the shell on the laptop
    sh machine                one for the shell inside the machine
    sh laptop opens machine   one that leaves the laptop's shell for one inside the machine

and a fence `json` or `text` right behind one of these is what it prints: of JSON the members that are shown, of text
all lines (runs of blanks, and of dashes, count as one; `...` stands for any lines). `<word>` in either stands for
something: PLACEHOLDERS says what."""

import dataclasses
import json
import re

PLACEHOLDERS = {
    "id": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "hex": r"[0-9a-fA-F]+",
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\+00:00|Z)",
    "address": r"\d+\.\d+\.\d+\.\d+",
    "hardware-address": r"(?:[0-9A-F]{2}-){5}[0-9A-F]{2}",
    "digits": r"\d+",
    "text": r"\S.*",
}
HEADING = re.compile(r"^#{2,} (.*)$")
FENCE = re.compile(r"^```(.*)$")


@dataclasses.dataclass
class Block:
    section: str  # its heading
    number: int  # in the section, from 1
    line: int  # of the document
    side: str  # "laptop" or "machine"
    opens: bool
    script: str
    expected: str = ""
    kind: str = ""  # of what is expected: "json", "text", or "": anything

    def name(self):
        return f"{self.section}, block {self.number}"


def read(text):
    """read returns the blocks of a document in their order."""
    blocks, section, fence, content = [], "", None, []
    behind = None  # the block that the next fence may tell the output of
    for number, line in enumerate(text.split("\n"), 1):
        mark = FENCE.match(line)
        if fence is None and mark:
            fence, content, start = mark.group(1).strip(), [], number + 1
        elif fence is not None and line == "```":
            behind = _close(blocks, behind, section, fence, "\n".join(content) + "\n", start)
            fence = None
        elif fence is not None:
            content.append(line)
        elif heading := HEADING.match(line):
            section, behind = heading.group(1), None
    if fence is not None:
        raise ValueError(f"the fence of line {start - 1} has no end")
    return blocks


def _close(blocks, behind, section, fence, content, line):
    words = fence.split()
    if words[:1] == ["sh"]:
        if words[1:] not in (["laptop"], ["machine"], ["laptop", "opens", "machine"]):
            raise ValueError(f"line {line - 1}: 'sh' wants laptop, machine, or laptop opens machine")
        before = sum(one.section == section for one in blocks)
        blocks.append(Block(section, before + 1, line, words[1], "opens" in words, content))
        return blocks[-1]
    if fence in ("json", "text") and behind is not None:
        behind.kind, behind.expected = fence, content
    return None


def difference(block, output):
    """difference says what of the output is not as the document shows it, or None."""
    if block.kind == "json":
        try:
            return _json_difference("", json.loads(block.expected), json.loads(output))
        except json.JSONDecodeError as error:
            return f"this is no JSON ({error}): {output}"
    if block.kind == "text":
        return _text_difference(block.expected, output)
    return None


def _matches(expected, told):
    parts = re.split(r"<([a-z-]+)>", expected)
    pattern = "".join(PLACEHOLDERS[part] if odd else re.escape(part)
                      for part, odd in zip(parts, [False, True] * len(parts)))
    return re.fullmatch(pattern, told) is not None


def _json_difference(where, expected, told):
    if isinstance(expected, dict) and isinstance(told, dict):
        for name, value in expected.items():
            if name not in told:
                return f"{where}.{name} is missing"
            if found := _json_difference(f"{where}.{name}", value, told[name]):
                return found
        return None
    if isinstance(expected, list) and isinstance(told, list) and len(expected) == len(told):
        found = (_json_difference(f"{where}[{i}]", *pair) for i, pair in enumerate(zip(expected, told)))
        return next(filter(None, found), None)
    same = _matches(expected, told) if isinstance(expected, str) and isinstance(told, str) else (
        type(expected) is type(told) and expected == told)
    return None if same else f"{where or 'it'} is {json.dumps(told)}, not {json.dumps(expected)}"


def _lines(text):
    return [re.sub("-{2,}", "--", " ".join(line.split())) for line in text.strip("\n").split("\n")]


def _text_difference(expected, told):
    lines, pieces = _lines(told), [[]]
    for line in _lines(expected):
        if line == "...":
            pieces.append([])
        else:
            pieces[-1].append(line)
    at = 0
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        # The first piece stands at the beginning, the last one at the end, others anywhere between.
        places = [0] if number == 0 else range(at, len(lines) + 1)
        if last and (number or piece):
            places = [len(lines) - len(piece)] if number else [0]
        found = next((place for place in places if place >= at and _stands(piece, lines[place:])), None)
        if found is None:
            return "from line {} on there is not:\n{}\nbut:\n{}".format(
                at + 1, "\n".join(piece), "\n".join(lines[at:]))
        at = found + len(piece)
    return None if at == len(lines) else f"there is more: {lines[at]!r}"


def _stands(piece, lines):
    return len(piece) <= len(lines) and all(map(_matches, piece, lines))
