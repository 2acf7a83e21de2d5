"""What Schemathesis has to be told of this API: how to write rows as lines, and what a schema cannot say."""

import json

import schemathesis
from hypothesis import strategies as st

LARGEST = 3.4028234663852886e38

numbers = st.floats(-LARGEST, LARGEST) | st.integers(-(10**30), 10**30)
rows = st.lists(st.tuples(numbers, numbers), max_size=20)


def line(row, named):
    return json.dumps(dict(zip(("mean", "sd"), row, strict=True)) if named else row)


def csv(rows):
    return "".join(f"{row[0]!r},{row[1]!r}\r\n" for row in rows)


schemathesis.openapi.media_type(
    "application/x-ndjson",
    st.builds(lambda rows, named: "\n".join(line(row, named) for row in rows).encode(), rows, st.booleans()),
)
schemathesis.openapi.media_type("text/csv", rows.map(lambda rows: ("mean,sd\n" + csv(rows)).encode()))
schemathesis.openapi.media_type("application/octet-stream", st.binary(max_size=200))


@schemathesis.hook
def filter_case(context, case):
    """Leaves out what parameters say of bodies and answers, which no schema of theirs can: `columns` is not for answers in JSON
    (422), and with `passthrough` rows may have more members than features."""
    query, meta = case.query or {}, case.meta
    if meta is None:
        return True
    if any(mutation.parameter == "Authorization" for mutation in meta.phase.data.mutations):
        # (asking without it is a check of its own; here --auth puts back what was taken away)
        return False
    if case.operation.path != "/predictions":
        return True
    if meta.generation.mode.is_positive:
        return not ("columns" in query and case.media_type == "application/json")
    return "passthrough" not in query
