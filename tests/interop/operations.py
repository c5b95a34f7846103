"""Notes which operations other people's clients used, and with what outcome, as the services' own logs tell it. The
stage `interop` compares that with docs/api/operations.json (tools/operations.py). A test class says with PROVES which
service its clients talk to: the others serve that one, and what they are asked is ours. With PROVES_NOT it names
operations whose answer is not the same in each run."""

import json
import os


def note(client, service, log):
    """note appends one line for each operation of one service: by which test class, and the answers' statuses."""
    results = os.environ.get("VS_OPERATIONS")
    if not results or service != getattr(client, "PROVES", None):
        return
    statuses = {}
    for line in log:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # not every line of standard error is an event
        if event.get("message") == "request":
            statuses.setdefault(f"{event['method']} {event['route']}", set()).add(event["status"])
    for operation in getattr(client, "PROVES_NOT", ()):
        statuses.pop(operation, None)
    append(results, client, service, statuses)


def tell(client, service, operations):
    """tell is for a client whose service writes no log to read: its results were compared, and these succeeded."""
    results = os.environ.get("VS_OPERATIONS")
    if results:
        append(results, client, service, {operation: {200} for operation in operations})


def append(results, client, service, statuses):
    with open(results, "a", encoding="utf-8") as out:
        for operation, seen in statuses.items():
            out.write(json.dumps({"test": f"{client.__module__}.{client.__qualname__}", "service": service,
                                  "operation": operation, "statuses": sorted(seen)}) + "\n")
