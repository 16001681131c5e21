"""Compares what the Autobahn testsuite found with what is expected of every case."""

import json
import sys

GOOD = ("OK", "INFORMATIONAL")
QUICK = ("1", "2", "3", "4", "5", "6", "7", "10")


def main(expected_path, index_path, which):
    with open(expected_path) as file:
        expected = json.load(file)
    with open(index_path) as file:
        found = json.load(file)["veche"]
    if which == "quick":
        expected = {case: it for case, it in expected.items() if case.split(".")[0] in QUICK}
    wrong = 0
    for case in sorted(expected.keys() | found.keys(), key=lambda case: [int(n) for n in case.split(".")]):
        result = found.get(case, {})
        behavior, close = result.get("behavior"), result.get("behaviorClose")
        if behavior != expected.get(case) or behavior not in GOOD or close not in GOOD:
            print(f"{case}: {behavior}, close {close}; expected {expected.get(case)}")
            wrong += 1
    print(f"Autobahn: {len(expected) - wrong} of {len(expected)} cases are OK or INFORMATIONAL, as expected")
    return 1 if wrong or not found else 0


sys.exit(main(*sys.argv[1:]))
