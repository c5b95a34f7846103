"""Our JMESPath against Debian's python3-jmespath: every case of tests/vectors/jmespath/cases.json, which the program's
own unit test evaluates too, must give the same here, or what the file names as the difference."""

import json
import pathlib
import unittest
import warnings

try:
    import jmespath
    from jmespath import exceptions
except ImportError:
    jmespath = None

CASES = pathlib.Path(__file__).resolve().parent.parent / "vectors/jmespath/cases.json"


def expression_of(case):
    if "expression" in case:
        return case["expression"]
    parts = case["repeated"]
    times = parts["times"]
    return parts["before"] + parts["unit"] * times + parts["middle"] + parts.get("after", "") * times


def kind_of(error):
    kinds = ((exceptions.ArityError, "invalid-arity"), (exceptions.VariadictArityError, "invalid-arity"),
             (exceptions.JMESPathTypeError, "invalid-type"), (exceptions.UnknownFunctionError, "unknown-function"),
             (exceptions.JMESPathError, "syntax"), (ValueError, "invalid-value"))
    return next((name for kind, name in kinds if isinstance(error, kind)), type(error).__name__)


def theirs(expression, given):
    """What their library gives: a result with the text of it as JSON, or the kind of its error."""
    try:
        found = jmespath.search(expression, given)
        return {"result": found}, json.dumps(found)
    except Exception as error:  # their library lets TypeError and RecursionError through
        return {"error": kind_of(error)}, None


def same(a, b):
    """JSON values are equal: true is no 1, and 2.0 is 2."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    return a == b


@unittest.skipUnless(jmespath, "python3-jmespath is not installed")
class SameAsPython(unittest.TestCase):
    def test_every_case(self):
        compared = 0
        for topic in json.loads(CASES.read_text()):
            for case in topic["cases"]:
                wanted = case.get("python", case)
                if wanted.get("skipped"):
                    continue
                expression = expression_of(case)
                with self.subTest(topic["topic"], expression=expression[:100]), warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # about the old form of literals
                    found, _ = theirs(expression, topic["given"])
                    self.assertEqual(found.get("error"), wanted.get("error"), found)
                    self.assertTrue(same(found.get("result"), wanted.get("result")), found)
                    compared += 1
        self.assertGreater(compared, 500)


if __name__ == "__main__":
    unittest.main()
