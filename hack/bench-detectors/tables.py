"""Markdown on the standard output, progress beside it."""

import sys


def say(words):
    print(f"[bench] {words}", file=sys.stderr, flush=True)


def figure(value, ours):
    """Nanoseconds, and how many times ours."""
    return f"{value:,.0f}" if value == ours else f"{value:,.0f} ({value / ours:.1f}×)"


def table(head, rows):
    print(f"| {' | '.join(head)} |")
    print(f"|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()
