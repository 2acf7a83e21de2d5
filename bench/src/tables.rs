//! What is measured, and how it is printed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::aims::Aims;
use crate::crowd::{self, EXPECT};
use crate::load::{Load, Measured, run};
use crate::process::Service;
use crate::requests::{self, single};
use crate::slow;
use crate::{AUTHORIZATION, Arguments, Services, Table};

/// Rows of a batch.
const BATCH: usize = 1_000;

/// Prints all tables, or one.
pub(crate) fn print(arguments: &Arguments, services: &Services) -> Result<()> {
    let ours = &services.ours;
    let ready = ours.ready_after.as_secs_f64() * 1e3;
    println!("Ready after {ready:.0} ms, {:.1} MB resident.\n", ours.resident()?);
    let mut aims = Aims::default();
    aims.at_most("ready after its start", ready, 50.0, "ms");
    aims.at_most("resident before load", ours.resident()?, 15.0, "MB");
    let duration = Duration::from_secs(arguments.seconds);
    let asked = |table| arguments.only.is_none_or(|only| only == table);
    if asked(Table::Singles) {
        singles(arguments.rounds, duration, services, &mut aims)?;
        eight_connections(duration, services, &mut aims)?;
    }
    if asked(Table::Batches) {
        batches(duration, ours, &mut aims)?;
    }
    if asked(Table::Connections) {
        connections(arguments, services, &mut aims)?;
    }
    if asked(Table::Overload) {
        batch_overload(duration, ours, &mut aims)?;
    }
    if asked(Table::Beside) {
        beside_batches(duration, ours, &mut aims)?;
    }
    if asked(Table::Slow) {
        slow_clients(arguments, services, &mut aims)?;
    }
    println!("\n{:.1} MB resident at the end.\n\n{}", ours.resident()?, aims.table());
    Ok(())
}

/// One service, asked in one way.
struct Case<'a> {
    name: &'static str,
    service: &'a Service,
    load: Load,
    /// Closed loop from one thread of the generator; none before it was measured.
    peak: Option<Measured>,
    /// Rounds in which one thread of the generator had all connections.
    one_thread: Vec<Round>,
    /// Rounds in which each connection had a thread.
    threads: Vec<Round>,
}

impl Case<'_> {
    /// Good answers a second, closed loop.
    fn capacity(&self) -> f64 {
        self.peak.as_ref().map_or(f64::NAN, Measured::rate)
    }
}

/// A round at half of the capacity.
struct Round {
    /// CPU seconds a request.
    cpu: f64,
    /// Milliseconds.
    p50: f64,
    /// Milliseconds.
    p99: f64,
    /// The share of its core that the generator was busy.
    busy: f64,
}

impl Round {
    /// Whether the generator had the time to send when it should, and was answered.
    fn counts(&self) -> bool {
        self.busy <= 0.8 && self.cpu.is_finite()
    }
}

/// Sends at half of the capacity.
fn round(case: &Case<'_>, send: impl FnOnce(&Load) -> Result<Measured>) -> Result<Round> {
    let load = Load { rate: Some(case.capacity() / 2.0), ..case.load.clone() };
    let (cpu, measured) = with_cpu(case.service, send, &load)?;
    let [p50, p99] = [50.0, 99.0].map(|percentile| measured.at(percentile));
    Ok(Round { cpu: cpu / measured.good as f64, p50, p99, busy: measured.busy() })
}

/// The median of those rounds that count; NaN if none does.
fn of_rounds(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    median(rounds.iter().filter(|round| round.counts()).map(figure))
}

/// A figure with its digits; a dash for none.
fn shown(figure: f64, digits: usize, unit: &str) -> String {
    if figure.is_nan() { "–".to_owned() } else { format!("{figure:.digits$} {unit}") }
}

/// Of those that are numbers, the mean of the two in the middle if their number is even; NaN of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
    f64::midpoint(values[last / 2], values[last.div_ceil(2)])
}

/// CPU seconds that the service used while `load` was sent, and what was measured.
fn with_cpu(
    service: &Service,
    send: impl FnOnce(&Load) -> Result<Measured>,
    load: &Load,
) -> Result<(f64, Measured)> {
    let before = service.cpu()?;
    let measured = send(load)?;
    Ok((service.cpu()? - before, measured))
}

fn closed(address: SocketAddr, requests: Arc<Vec<Vec<u8>>>, connections: usize, duration: Duration) -> Load {
    Load { address, requests, connections, rate: None, duration }
}

/// Single rows: CPU a request at half of capacity.
fn singles(rounds: usize, duration: Duration, services: &Services, aims: &mut Aims) -> Result<()> {
    let rows = requests::rows(256, 2);
    let case = |name, service, address, headers, connections| {
        let load = closed(address, single(&rows, headers), connections, duration);
        Case { name, service, load, peak: None, one_thread: Vec::new(), threads: Vec::new() }
    };
    let Services { ours, ours_public, constant, demo, .. } = services;
    let mut cases = vec![
        case("anomaly-server, `http`", ours, ours.address, "", 16),
        case("anomaly-server, `public` with basic auth, as shipped", ours, *ours_public, AUTHORIZATION, 16),
        case("axum: reads the body, answers a constant", constant, constant.address, "", 16),
    ];
    cases.extend(demo.as_ref().map(|demo| case("FastAPI, uvicorn, scikit-learn", demo, demo.address, "", 8)));
    for case in &mut cases {
        case.peak = Some(crowd::run(&case.load)?);
    }
    for _ in 0..rounds {
        for case in &mut cases {
            let [one_thread, threads] = [round(case, crowd::run)?, round(case, run)?];
            case.one_thread.push(one_thread);
            case.threads.push(threads);
        }
    }
    print_singles(&cases);
    let all = cases.iter().flat_map(|case| case.one_thread.iter().chain(&case.threads));
    let discarded = all.filter(|round| !round.counts()).count();
    println!("\n{discarded} rounds were discarded because the generator was busier than 80 %.");
    let cost = |case: usize| of_rounds(&cases[case].one_thread, |round| round.cpu);
    println!("Against the constant: {} its CPU.", shown(cost(0) / cost(2), 2, "times"));
    if cases.len() > 3 {
        println!("Against FastAPI: {} its predictions a CPU second.", shown(cost(3) / cost(0), 0, "times"));
        aims.at_least("predictions a CPU second, to FastAPI's", cost(3) / cost(0), 300.0, "times");
    }
    aims.at_most("a single row's CPU, to the constant's", cost(0) / cost(2), 1.6, "times");
    for (case, name) in cases.iter().zip(["single row", "single row with basic auth"]) {
        aims.at_least(format!("{name}: requests a second"), case.capacity(), 50_000.0, "");
        aims.at_most(
            format!("{name}: CPU"),
            of_rounds(&case.one_thread, |round| round.cpu * 1e6),
            15.0,
            "µs",
        );
        // (from one thread it has the millisecond of that thread's timers in it, and what comes at once because of them)
        let p99 = of_rounds(&case.threads, |round| round.p99);
        aims.at_most(format!("{name}: p99 at half of capacity, from a thread a connection"), p99, 2.0, "ms");
    }
    Ok(())
}

fn print_singles(cases: &[Case<'_>]) {
    println!(
        "| single row, 10 features | requests/s, closed loop | generator busy | at half of that, from one thread: CPU a request | p99 | generator busy | from a thread a connection: CPU a request | p50 | p99 | generator busy |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for case in cases {
        let Case { name, peak, one_thread, threads, .. } = case;
        let capacity = case.capacity();
        let peak = 100.0 * peak.as_ref().map_or(f64::NAN, Measured::busy);
        let cpu = |rounds: &[Round]| shown(of_rounds(rounds, |round| round.cpu * 1e6), 1, "µs");
        // (of all rounds: it says why some do not count)
        let busy = |rounds: &[Round]| 100.0 * median(rounds.iter().map(|round| round.busy));
        let p50 = |rounds: &[Round]| shown(of_rounds(rounds, |round| round.p50), 3, "ms");
        let p99 = |rounds: &[Round]| shown(of_rounds(rounds, |round| round.p99), 3, "ms");
        println!(
            "| {name} | {capacity:.0} | {peak:.0} % | {} | {} | {:.0} % | {} | {} | {} | {:.0} % |",
            cpu(one_thread),
            p99(one_thread),
            busy(one_thread),
            cpu(threads),
            p50(threads),
            p99(threads),
            busy(threads)
        );
    }
}

/// Eight connections that ask as fast as they are answered.
fn eight_connections(duration: Duration, services: &Services, aims: &mut Aims) -> Result<()> {
    let Some(demo) = &services.demo else { return Ok(()) };
    let rows = requests::rows(256, 2);
    let measure = |address| run(&closed(address, single(&rows, ""), 8, duration));
    let measured = [measure(services.ours.address)?, measure(demo.address)?];
    let [ours, theirs] = measured.each_ref().map(|measured| measured.at(99.0));
    let [busy, theirs_busy] = measured.each_ref().map(|measured| 100.0 * measured.busy());
    println!(
        "p99 at 8 connections, closed loop: {ours:.3} ms, FastAPI {theirs:.1} ms: {:.0} times lower (generator busy {busy:.0} % and {theirs_busy:.0} %).",
        theirs / ours
    );
    aims.at_least("p99 at 8 connections, FastAPI's to ours", theirs / ours, 100.0, "times");
    Ok(())
}

fn batches(duration: Duration, ours: &Service, aims: &mut Aims) -> Result<()> {
    let rows = requests::rows(BATCH, 3);
    println!("\n| batches of 1,000 rows x 10 | rows/s | CPU a row | rows a CPU second | generator busy |");
    println!("|---|---|---|---|---|");
    let json = ("JSON, 17 digits", requests::json_batch(&rows, ""), 700_000.0);
    let tensors = ("Open Inference Protocol, FP32 in binary", requests::tensor_batch(&rows), 2_500_000.0);
    for (name, requests, asked) in [json, tensors] {
        let (cpu, measured) = with_cpu(ours, run, &closed(ours.address, requests, 4, duration))?;
        let scored = (measured.good * BATCH as u64) as f64;
        let rate = measured.rate() * BATCH as f64;
        let busy = 100.0 * measured.busy();
        println!("| {name} | {rate:.0} | {:.3} µs | {:.0} | {busy:.0} % |", cpu / scored * 1e6, scored / cpu);
        aims.at_least(format!("{name}: rows a CPU second"), scored / cpu, asked, "");
    }
    Ok(())
}

/// Ten times the connections that saturate it, and 160, and servers that answer a constant in the same way, in turn: axum's,
/// and a loop that works as long for a request. What that loop misses is more than the machine gives.
///
/// Each answer's latency is told in units of connections ÷ capacity, which is what everybody waits at capacity who is
/// answered in turn; capacity is that of 16 connections in the turn before. So a virtual machine that is half as
/// fast for a while changes both, and a pause within a turn counts. It is told in answers, too: who is answered in turn
/// sees as many as there are connections, however fast the machine is.
fn connections(arguments: &Arguments, services: &Services, aims: &mut Aims) -> Result<()> {
    const TURN: Duration = Duration::from_millis(250);
    const MANY: usize = 160;
    let Services { ours, constant, .. } = services;
    let rows = requests::rows(256, 2);
    let send = |service: &Service, connections| {
        crowd::run(&closed(service.address, single(&rows, ""), connections, TURN))
    };
    let (few, rates) = saturating(|connections| Ok(send(ours, connections)?.rate()))?;
    let shown = rates.map(|rate| format!("{rate:.0}")).join(", ");
    println!("\n{few} connections saturate it. Answers a second of 1, 2, 4, 8, 16 and 32: {shown}.");
    let bare = as_slow_a_loop(arguments, rates.into_iter().fold(0.0, f64::max))?;
    let mut crowds = Vec::new();
    for connections in BTreeSet::from([10 * few, MANY]) {
        crowds.push(Crowd::new("anomaly-server, `http`", ours, connections)?);
        crowds.push(Crowd::new("axum: answers a constant", constant, connections)?);
        crowds.push(Crowd::new("a bare loop: works as long", &bare, connections)?);
    }
    let duration = Duration::from_secs(arguments.seconds);
    let turns = arguments.rounds * duration.div_duration_f64(TURN).ceil() as usize;
    for _ in 0..turns {
        for crowd in &mut crowds {
            let capacity = send(crowd.service, ENOUGH)?.rate();
            crowd.add(capacity, &send(crowd.service, crowd.connections)?)?;
        }
    }
    println!(
        "\n| single rows | connections | of the peak's answers | p50 | p99 | p99 in answers / connections | its most | p99 in connections / capacity | the same, median of the turns | resident | generator busy |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for crowd in &crowds {
        crowd.print();
    }
    for crowd in crowds.iter().filter(|crowd| std::ptr::eq(crowd.service, ours)) {
        let of = |what| format!("{} connections: {what}", crowd.connections);
        aims.at_least(of("answers, of the peak's"), crowd.median(0), 90.0, "%");
        aims.at_most(of("p99 in answers / connections"), crowd.p99_answers(), 1.5, "");
        aims.at_most(of("p99 in connections / capacity"), crowd.p99_wait(), 1.5, "");
    }
    Ok(())
}

/// Connections of which capacity is told.
const ENOUGH: usize = 16;

/// Numbers of connections of which the fewest are found that saturate a service.
const COUNTS: [usize; 6] = [1, 2, 4, 8, ENOUGH, 2 * ENOUGH];

/// How many connections saturate a service, and the rates that say so: the fewest that reach 90 % of the most.
fn saturating(rate: impl Fn(usize) -> Result<f64>) -> Result<(usize, [f64; COUNTS.len()])> {
    let mut rates = [const { Vec::new() }; COUNTS.len()];
    for _ in 0..8 {
        for (rates, connections) in rates.iter_mut().zip(COUNTS) {
            rates.push(rate(connections)?);
        }
    }
    let rates = rates.map(|rates| median(rates.into_iter()));
    let most = rates.into_iter().fold(0.0, f64::max);
    let few = rates.iter().zip(COUNTS).find(|(rate, _)| **rate >= 0.9 * most);
    Ok((few.map_or(2 * ENOUGH, |(_, connections)| connections), rates))
}

/// A bare loop that works for as long as it takes to answer no more than `rate` requests a second.
fn as_slow_a_loop(arguments: &Arguments, rate: f64) -> Result<Service> {
    let start = |work: Duration| {
        let address = SocketAddr::from(([127, 0, 0, 1], 9030));
        let binary = arguments.binaries.join("bare").display().to_string();
        let flags = [address.to_string(), work.as_nanos().to_string()];
        Service::start(&arguments.core, &binary, &flags, address, "/")
    };
    let without_work = start(Duration::ZERO)?;
    let requests = single(&requests::rows(256, 2), "");
    let load = closed(without_work.address, requests, ENOUGH, Duration::from_secs(arguments.seconds));
    let (cpu, measured) = with_cpu(&without_work, crowd::run, &load)?;
    drop(without_work);
    let of_a_request = Duration::from_secs_f64(cpu / measured.answered() as f64);
    start(Duration::from_secs_f64(1.0 / rate).saturating_sub(of_a_request))
}

/// What many connections to a service have seen in all their turns.
struct Crowd<'a> {
    name: &'static str,
    service: &'a Service,
    connections: usize,
    latencies: Histogram<u64>,
    /// In units of connections ÷ capacity / [`Crowd::UNIT`].
    waits: Histogram<u64>,
    /// How many answers came until one's own.
    until: Histogram<u64>,
    /// Of each turn: the share of the peak's answers in per cent, p99 of the waits, the share that the generator was busy.
    figures: Vec<[f64; 3]>,
    /// Megabytes resident before the first turn, and the most after any.
    resident: [f64; 2],
}

impl<'a> Crowd<'a> {
    /// A unit of a histogram that has whole numbers.
    const UNIT: f64 = 1e4;

    fn new(name: &'static str, service: &'a Service, connections: usize) -> Result<Self> {
        let Measured { latencies, until, .. } = Measured::none(Duration::ZERO)?;
        let (waits, resident) = (latencies.clone(), [service.resident()?; 2]);
        Ok(Self { name, service, connections, latencies, waits, until, figures: Vec::new(), resident })
    }

    fn add(&mut self, capacity: f64, turn: &Measured) -> Result<()> {
        let in_turn = self.connections as f64 / capacity * 1e9;
        for step in turn.latencies.iter_recorded() {
            let wait = step.value_iterated_to() as f64 / in_turn * Self::UNIT;
            self.waits.saturating_record_n(wait as u64, step.count_at_value());
        }
        self.latencies.add(&turn.latencies)?;
        self.until.add(&turn.until)?;
        let wait = turn.at(99.0) * 1e6 / in_turn;
        self.figures.push([100.0 * turn.rate() / capacity, wait, 100.0 * turn.busy()]);
        self.resident[1] = f64::max(self.resident[1], self.service.resident()?);
        Ok(())
    }

    fn print(&self) {
        let Self { name, connections, .. } = self;
        let [p50, p99] = [50.0, 99.0].map(|share| self.latencies.value_at_percentile(share) as f64 / 1e6);
        let (answers, wait, [share, turn, busy]) =
            (self.p99_answers(), self.p99_wait(), [0, 1, 2].map(|figure| self.median(figure)));
        let most = self.until.max() as f64 / *connections as f64;
        let more = self.resident[1] - self.resident[0];
        println!(
            "| {name} | {connections} | {share:.0} % | {p50:.2} ms | {p99:.2} ms | {answers:.2} | {most:.2} | {wait:.2} | {turn:.2} | {more:+.1} MB | {busy:.0} % |"
        );
    }

    /// The median of a figure of the turns.
    fn median(&self, figure: usize) -> f64 {
        median(self.figures.iter().map(|turn| turn[figure]))
    }

    /// p99 of the answers that came until one's own, in units of connections.
    fn p99_answers(&self) -> f64 {
        self.until.value_at_percentile(99.0) as f64 / self.connections as f64
    }

    /// p99 of the latencies in units of connections ÷ capacity.
    fn p99_wait(&self) -> f64 {
        self.waits.value_at_percentile(99.0) as f64 / Self::UNIT
    }
}

/// Batches beyond capacity, open loop: what is shed costs r of what is served. Ten times the capacity can be offered by
/// clients alone that ask before they send: copying bodies that nobody wants would take more than the generator's core.
fn batch_overload(duration: Duration, ours: &Service, aims: &mut Aims) -> Result<()> {
    let rows = requests::rows(BATCH, 3);
    let [sent, asked] = ["", EXPECT].map(|headers| requests::json_batch(&rows, headers));
    println!(
        "\n| batches at a multiple k of capacity | accepted/s | of capacity | r | 0.9 (1 - k r)/(1 - r) | p99 of the accepted | generator busy |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (how, requests, multiples) in
        [("sent at once", sent, [2.0, 4.0].as_slice()), ("asked first", asked, &[2.0, 4.0, 10.0])]
    {
        let calm = closed(ours.address, Arc::clone(&requests), 4, duration);
        let (cpu, measured) = with_cpu(ours, crowd::run, &calm)?;
        let (capacity, cost) = (measured.rate(), cpu / measured.answered() as f64);
        for k in multiples {
            let load = Load { rate: Some(k * capacity), connections: 512, ..calm.clone() };
            let (cpu, measured) = with_cpu(ours, crowd::run, &load)?;
            let r = if measured.shed == 0 {
                0.0
            } else {
                ((cpu - measured.good as f64 * cost) / (measured.shed as f64 * cost)).max(0.0)
            };
            let offered = (measured.good + measured.shed) as f64 / measured.elapsed.as_secs_f64() / capacity;
            let bound = 100.0 * (0.9 * (1.0 - offered * r) / (1.0 - r)).max(0.0);
            let share = 100.0 * measured.rate() / capacity;
            let p99 = measured.at(99.0);
            let name = format!("batches at {k:.0} times capacity, {how}");
            aims.at_least(format!("{name}: accepted, of capacity"), share, bound, "%");
            aims.at_most(format!("{name}: p99 of the accepted"), p99, 50.0, "ms");
            println!(
                "| {k:.0} (offered {offered:.1}), {how} | {:.0} | {share:.0} % | {r:.3} | {bound:.0} % | {p99:.1} ms | {:.0} % |",
                measured.rate(),
                100.0 * measured.busy()
            );
        }
    }
    Ok(())
}

/// An honest client beside ten thousand that hold connections.
fn slow_clients(arguments: &Arguments, services: &Services, aims: &mut Aims) -> Result<()> {
    let [server, other] = &services.held;
    let before = server.resident()?;
    let measure = |crowded: Option<&Service>| {
        let crowded = crowded.map(|service| service.address);
        slow::measure(&arguments.core, &arguments.binaries, server.address, crowded, arguments.seconds)
    };
    println!("\n| {} slow connections | p50 | p99 of an honest client |\n|---|---|---|", slow::CLIENTS);
    let cases = [
        ("none", None),
        ("at another server on the same core", Some(other)),
        ("at its server", Some(server)),
    ];
    let mut all = Vec::new();
    for (name, crowded) in cases {
        let [p50, p99] = measure(crowded)?;
        println!("| {name} | {p50:.0} µs | {p99:.0} µs |");
        all.push(p99);
    }
    let more = server.resident()? - before;
    println!(
        "\n{more:+.1} MB resident with all of them. (Each line is one measurement of {} s.)",
        arguments.seconds
    );
    aims.at_most("slow connections: p99 of an honest client, to that without", all[2] / all[0], 3.0, "times");
    aims.at_most("slow connections: more resident", more, 64.0, "MB");
    Ok(())
}

/// Single rows while eight clients send the largest batches.
fn beside_batches(duration: Duration, ours: &Service, aims: &mut Aims) -> Result<()> {
    let full = requests::json_batch(&requests::rows(5_000, 4), "");
    let batches = closed(ours.address, full, 8, duration + Duration::from_secs(1));
    let background = thread::spawn(move || run(&batches));
    thread::sleep(Duration::from_millis(500));
    let rows = requests::rows(256, 2);
    let singles = Load { rate: Some(200.0), ..closed(ours.address, single(&rows, ""), 2, duration) };
    let measured = run(&singles)?;
    let batches = background.join().map_err(|_| anyhow::anyhow!("the batches' thread panicked"))??;
    let [p50, p99] = [50.0, 99.0].map(|share| measured.at(share));
    println!(
        "\nSingle rows while 8 clients send batches of 5,000 rows ({:.0} rows/s): p50 {p50:.2} ms, p99 {p99:.2} ms.",
        batches.rate() * 5_000.0
    );
    aims.at_most("single rows beside full batches: p99", p99, 5.0, "ms");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_connections_that_come_near_the_peak_saturate_it() {
        let rates =
            |connections: usize| Ok([11.0, 32.0, 83.0, 87.0, 86.0, 85.0][connections.ilog2() as usize]);
        assert_eq!(saturating(rates).unwrap(), (4, [11.0, 32.0, 83.0, 87.0, 86.0, 85.0]));
        assert_eq!(saturating(|connections| Ok(connections as f64)).unwrap().0, 2 * ENOUGH);
    }
}
