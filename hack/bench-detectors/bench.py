"""Scoring and fitting beside other programs: the same data and forest, one run after another by turns, medians as Markdown.

bench.py MEASURE REVISION [PART…]: the two programs of this project, `detectors/examples/measure.rs` and
`trainer/examples/revision.rs`; parts are `fit` and forests as 256x10, all by default. BENCH_QUICK=1 takes three minutes instead
of fifteen.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np

import peers
from ours import Ours
from tables import figure, say, table

warnings.filterwarnings("ignore")
QUICK = os.environ.get("BENCH_QUICK") == "1"
TREES = 100
FORESTS = [(256, 10)] if QUICK else [(256, 2), (256, 10), (256, 100), (4096, 10)]
BATCHES = [1_000, 100_000] if QUICK else [1_000, 1_000_000]
RUNS = 3 if QUICK else 5
# The most seconds of one run: who is slower scores as many of the rows as fit.
LONGEST = 0.5 if QUICK else 1.0
# Fits in one turn of who takes less than SHORT seconds for one.
FITS, SHORT = 15, 0.02
# Seconds of single rows for each run.
SINGLE = 0.03 if QUICK else 0.1


def data(rows, columns, seed):
    """Ten clusters, unequal scales and 1 % of uniform noise."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(scale=3, size=(10, columns))
    table = random.normal(size=(rows, columns), scale=0.7) + centres[random.integers(0, 10, rows)]
    noise = random.random(rows) < 0.01
    table[noise] = random.uniform(-12, 12, size=(noise.sum(), columns))
    return (table * 10.0 ** (np.arange(columns) % 5 - 2)).astype(np.float32)


def timed(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def make_peers(forest, rows):
    made = []
    for kind in peers.ALL:
        try:
            peer = kind(forest, rows)
            for threads in (1, 2):
                peer.score(rows[:10], threads)
            made.append(peer)
        except Exception as problem:
            say(f"left out: {kind.name}: {str(problem).splitlines()[0][:120] if str(problem) else type(problem).__name__}")
    return made


def agreement(forest, ours, rows):
    """We score as scikit-learn does, or all figures are void."""
    rows = rows[:100_000]
    ours.seconds(f"score {len(rows)} 1 chosen")
    scores, anomalies = ours.results(len(rows))
    expected = forest.score_samples(rows)
    different = int((anomalies != (expected < forest.offset_)).sum())
    difference = abs(scores - expected).max()
    say(f"scores of {len(rows)} rows differ by at most {difference:.1e}; {different} verdicts differ")
    if different or difference > 1e-12:
        sys.exit("scikit-learn scores otherwise: nothing was measured")


def batches(ours, others, rows, size, threads):
    """Nanoseconds a row, median of alternating runs, by name."""
    sizes, repeats = {}, {Ours.name: min(20, max(1, 200_000 // size))}
    for peer in others:
        pilot = min(size, 2_000)
        peer.score(rows[:pilot], threads)
        cost = timed(lambda: peer.score(rows[:pilot], threads)) / pilot
        sizes[peer.name] = size if cost * size <= LONGEST else max(pilot, int(LONGEST / cost) // 1_000 * 1_000)
        # As often in a turn as ours, if it can in a quarter of a second.
        repeats[peer.name] = min(repeats[Ours.name], max(1, int(0.25 / (cost * size))))
    times = {name: [] for name in [Ours.name, *sizes]}
    for _ in range(RUNS):
        for _ in range(repeats[Ours.name]):
            times[Ours.name].append(ours.seconds(f"score {size} {threads} chosen") / size)
        for peer in others:
            part = rows[:sizes[peer.name]]
            for _ in range(repeats[peer.name]):
                times[peer.name].append(timed(lambda: peer.score(part, threads)) / len(part))
    return {name: 1e9 * statistics.median(values) for name, values in times.items()}


def single_rows(ours, others, rows):
    """Nanoseconds for one row after the other, each a call of its own."""
    times = {name: [] for name in [Ours.name, *(peer.name for peer in others)]}
    for _ in range(RUNS):
        times[Ours.name].append(ours.seconds("one 20000 chosen") / 20_000)
        for peer in others:
            calls, end = 0, time.perf_counter() + SINGLE
            begin = time.perf_counter()
            while time.perf_counter() < end:
                peer.score(rows[calls % 1_000][None], 1)
                calls += 1
            times[peer.name].append((time.perf_counter() - begin) / calls)
    return {name: 1e9 * statistics.median(values) for name, values in times.items()}


def scoring(ours, forests):
    from sklearn.ensemble import IsolationForest

    kinds = ["1 row", *(f"{size:,} rows, {threads} thread{'s'[:threads - 1]}" for size in BATCHES for threads in (1, 2))]
    kernels = []
    for sample, columns in forests:
        label = f"{TREES} × {sample:,}, {columns} columns"
        rows = data(BATCHES[-1], columns, 2)
        forest = IsolationForest(n_estimators=TREES, max_samples=sample, random_state=1, contamination=0.01).fit(data(20_000, columns, 1))
        ours.load(forest, rows)
        agreement(forest, ours, rows)
        others = make_peers(forest, data(20_000, columns, 1))
        say(f"{label}: scored beside {', '.join(peer.name for peer in others)}")
        results = [single_rows(ours, others, rows)]
        results += [batches(ours, others, rows, size, threads) for size in BATCHES for threads in (1, 2)]
        print(f"\n### Scoring, {label}\n\nNanoseconds a row, scores and verdicts written; in brackets how many times ours.\n")
        table(["", *kinds], [
            [name + ("" if name == Ours.name or next(p for p in others if p.name == name).same_forest else " (own forest)"),
             *(figure(result[name], result[Ours.name]) for result in results)]
            for name in results[0]])
        kernels += own_figures(ours, label)
    print("\n### This project, kernel by kernel\n\nNanoseconds a row on one thread, median of alternating runs.\n")
    table(["forest", "kernel", "100,000 rows", "1 row, warm", "1 row, cold", "explained"], kernels)


def own_figures(ours, label):
    names, chosen = ours.ask("kernels").split(" chosen:")
    names = names.split()
    asked = [("score 100000 1 {}", 100_000), ("one 10000 {}", 10_000), ("cold 50 {}", 50)]
    times = {(name, kind): [] for name in names for kind in range(3)}
    explained = []
    for _ in range(RUNS + 2):
        for name in names:
            for kind, (line, rows) in enumerate(asked):
                times[name, kind].append(ours.seconds(line.format(name)) / rows)
        explained.append(ours.seconds("explain 2000") / 2_000)
    cells = [[f"{1e9 * statistics.median(times[name, kind]):,.0f}" for kind in range(3)] for name in names]
    return [
        [label, f"**{name}**" if name == chosen else name, *three, f"{1e9 * statistics.median(explained):,.0f}"]
        for name, three in zip(names, cells)]


def fitting(ours, revision):
    from sklearn.ensemble import IsolationForest

    rows = data(1_000_000, 10, 3)
    ours.load(None, rows)
    forest = IsolationForest(n_estimators=TREES, max_samples=256, random_state=1).fit(rows[:1_000])
    others = [peer for peer in make_peers(forest, rows[:1_000]) if hasattr(peer, "fit")]
    times = {name: [] for name in ["fit", "fit + threshold", *(peer.name for peer in others)]}
    firsts = {name: [] for name in times}
    layouts = {peer.name: getattr(peer, "layout", lambda rows: rows)(rows) for peer in others}
    for run in range(2 * RUNS):
        # Several in a turn, like short batches: the first finds caches full of what others left, and is told apart.
        times["fit"] += [ours.seconds("fit 100 256") for _ in range(FITS)]
        firsts["fit"].append(times["fit"][-FITS])
        if run % 2 == 0:
            times["fit + threshold"].append(ours.seconds("train 100 256"))
        for peer in others:
            if run < 2 or statistics.median(times[peer.name]) < LONGEST:
                repeats = FITS if run and statistics.median(times[peer.name]) < SHORT else 1
                times[peer.name] += [timed(lambda: peer.fit(layouts[peer.name])) for _ in range(repeats)]
                firsts[peer.name].append(times[peer.name][-repeats])
    medians = {name: 1e9 * statistics.median(values) for name, values in times.items()}
    served = statistics.median(ours.seconds("served 1000000") for _ in range(RUNS))
    csv = dict(part.split("=") for part in subprocess.check_output([revision, "200000" if QUICK else "1000000", "10"],
                                                                     text=True).split())
    print("\n### Fitting 1,000,000 × 10, 100 trees of 256 rows, one thread\n")
    table(["", "milliseconds", "times ours"], [
        ["this project" if name == "fit" else name if name not in ("fit + threshold",) else f"this project, {name}",
         f"{value / 1e6:,.2f}", "" if name == "fit" else f"{value / medians['fit']:.1f}"] for name, value in medians.items()])
    told = ", ".join(f"{'this project' if name == 'fit' else name} {1e3 * statistics.median(seconds):.2f} ms"
                     for name, seconds in firsts.items() if seconds and len(seconds) < len(times[name]))
    print(f"\nThe first fit of a turn, when other programs' tables are in the caches: {told}. Each fit of this project has a seed, and so "
          "rows, of its own; the others draw the same again.")
    print(f"\nCSV of {float(csv['megabytes']):.0f} MB to a revision's bytes: {float(csv['seconds']):.2f} s, "
          f"{float(csv['megabytes']) / float(csv['seconds']):.0f} MB/s on one core (reading alone "
          f"{float(csv['megabytes']) / float(csv['read']):.0f} MB/s). 1,000,000 rows of f64 scored with verdict and severity, as a "
          f"server does: {1e3 * served:.0f} ns a row; memory at most {int(ours.ask('memory')) / 1e6:,.0f} MB, with the table in f32 and "
          "f64.")


def main():
    measure, revision, *parts = sys.argv[1:]
    parts = parts or [*(f"{sample}x{columns}" for sample, columns in FORESTS), "fit"]
    forests = [tuple(map(int, part.split("x"))) for part in parts if part != "fit"]
    begin = time.time()
    with tempfile.TemporaryDirectory(prefix="bench-detectors-") as folder:
        ours = Ours(measure, folder)
        print(f"Kernels: {ours.ask('kernels')}.")
        if forests:
            scoring(ours, forests)
        ours.close()
        if "fit" in parts:
            # All on one core, and not the first, which serves the machine's interrupts.
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
            ours = Ours(measure, folder)
            fitting(ours, revision)
            ours.close()
    say(f"done in {time.time() - begin:.0f} s")


if __name__ == "__main__":
    main()
