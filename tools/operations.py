"""The operations of the services, each with how it compares to Azure's and which tests prove it: docs/api/operations.json.
The answer and the words are written by hand; `proved_by` is what a run of the interop tests saw.

  operations.py check RESULTS    is the file what this run saw? Last line: N passed, N failed.
  operations.py update RESULTS   put what this run saw into the file; tests that did not run keep what they had

RESULTS is what the tests wrote to $VS_OPERATIONS (tests/interop/operations.py)."""

import collections
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE = ROOT / "docs/api/operations.json"
SOURCES = {
    "vault": ["vault/routes.cpp", "vault/secrets/routes.cpp"],
    "attestation": ["attest/routes.cpp"],
    "identity": ["identity/routes.cpp"],
    "metadata": ["identity/metadata_routes.cpp"],
}
# same, differs: proved by other people's clients. described: as Azure's description has it, and no client here uses it.
ANSWERS = {"same": "same", "differs": "**differs**", "described": "as described", "ours": "ours",
           "absent": "not there"}
ROUTE = re.compile(r'"(GET|PUT|POST|PATCH|DELETE)", ("/[^"]*"|k\w+)')
CONSTANT = re.compile(r'constexpr std::string_view (k\w+) =\s*"(/[^"]*)"')


def load():
    return json.loads(FILE.read_text())


def forms(operation):
    """forms are the routes of an operation: one, or two where the version may be left out."""
    return {operation.replace("[", "").replace("]", ""), re.sub(r"\[[^]]*\]", "", operation)}


def routes(service):
    """routes are those in the sources, but for the kinds of evidence, whose names are in a table."""
    for name in SOURCES[service]:
        text = (ROOT / "vouchsafe" / name).read_text()
        constants = dict(CONSTANT.findall(text))
        for method, path in ROUTE.findall(text):
            yield f"{method} {constants[path] if path.startswith('k') else path.strip(chr(34))}"


def undescribed():
    for service, operations in load().items():
        known = set().union(*map(forms, operations))
        yield from (f"{service}: {route}" for route in routes(service) if route not in known)


def seen_in(results):
    """seen_in gives who ran at all, and of each service and route by whom it was used with which statuses."""
    ran, seen = set(), collections.defaultdict(dict)
    for line in pathlib.Path(results).read_text().splitlines():
        one = json.loads(line)
        ran.add(one["test"])
        by = seen[one["service"], one["operation"]]
        by[one["test"]] = sorted({*by.get(one["test"], ()), *one["statuses"]})
    return ran, seen


def provers(service, operation, answer, seen):
    """provers are the tests whose clients were answered: with success, unless the answer is known to differ."""
    def good(statuses):
        return answer == "differs" or any(200 <= status < 300 for status in statuses)

    return {test for form in forms(operation) for test, statuses in seen.get((service, form), {}).items()
            if good(statuses)}


def check(results):
    ran, seen = seen_in(results)
    passed, problems, not_run = 0, [], set()
    problems += [f"{what} is not in {FILE.name}" for what in undescribed()]
    for service, operations in load().items():
        for operation, told in operations.items():
            found = provers(service, operation, told["answer"], seen)
            listed = set(told["proved_by"])
            not_run |= listed - ran
            if told["answer"] in ("same", "differs") and not listed:
                problems.append(f"{service}: {operation} is listed as \"{told['answer']}\", and nothing proves it")
            elif listed & ran != found:
                problems.append(f"{service}: {operation} was to be proved by {sorted(listed & ran)}, and this run saw "
                                f"{sorted(found)}: mend it, or run tools/operations.py update {results}")
            else:
                passed += 1
    for test in sorted(not_run):
        print(f"NOT RUN: {test}, which proves operations of {FILE.name}")
    return passed, problems


def update(results):
    ran, seen = seen_in(results)
    everything = load()
    for service, operations in everything.items():
        for operation, told in operations.items():
            kept = set(told["proved_by"]) - ran
            told["proved_by"] = sorted(kept | provers(service, operation, told["answer"], seen))
    FILE.write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n")


def table(service):
    """table is the service's part of docs/api/compatibility.md."""
    lines = ["| operation | against Azure's | | proved by |", "| --- | --- | --- | --- |"]
    for operation, told in load()[service].items():
        by = ", ".join(f"`{test}`" for test in told["proved_by"]) or "-"
        shown = f"`{operation}`" if "/" in operation else operation
        lines.append(f"| {shown} | {ANSWERS[told['answer']]} | {told['words']} | {by} |")
    return "\n".join(lines)


def with_tables(text):
    """with_tables puts the tables between their marks."""
    for service in SOURCES:
        begin, end = f"<!-- operations: {service} -->\n", "<!-- end -->"
        head, rest = text.split(begin)
        _, tail = rest.split(end, 1)
        text = f"{head}{begin}{table(service)}\n{end}{tail}"
    missing = list(undescribed())
    if missing:
        raise SystemExit(f"not in {FILE}: {', '.join(missing)}")
    return text


def main():
    verb, results = sys.argv[1:]
    if verb == "update":
        update(results)
        return 0
    passed, problems = check(results)
    for problem in problems:
        print(problem)
    print(f"{passed} passed, {len(problems)} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
