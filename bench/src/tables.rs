//! What is measured, and how it is printed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Result;

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
    let duration = Duration::from_secs(arguments.seconds);
    let asked = |table| arguments.only.is_none_or(|only| only == table);
    if asked(Table::Singles) {
        singles(arguments.rounds, duration, services)?;
        eight_connections(duration, services)?;
    }
    if asked(Table::Batches) {
        batches(duration, ours)?;
    }
    if asked(Table::Connections) {
        connections(arguments.rounds, duration, ours, &services.constant)?;
    }
    if asked(Table::Overload) {
        batch_overload(duration, ours)?;
    }
    if asked(Table::Beside) {
        beside_batches(duration, ours)?;
    }
    if asked(Table::Slow) {
        slow_clients(arguments, services)?;
    }
    println!("\n{:.1} MB resident at the end.", ours.resident()?);
    Ok(())
}

/// One service, asked in one way.
struct Case<'a> {
    name: &'static str,
    service: &'a Service,
    load: Load,
    /// Good answers a second, closed loop, from a thread a connection.
    capacity: f64,
    /// Rounds in which one thread of the generator had all connections.
    one_thread: Vec<Round>,
    /// Rounds in which each connection had a thread.
    threads: Vec<Round>,
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
    let load = Load { rate: Some(case.capacity / 2.0), ..case.load.clone() };
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

/// The larger of two in the middle, of those that are numbers; NaN of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
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
fn singles(rounds: usize, duration: Duration, services: &Services) -> Result<()> {
    let rows = requests::rows(256, 2);
    let case = |name, service, address, headers, connections| {
        let load = closed(address, single(&rows, headers), connections, duration);
        Case { name, service, load, capacity: 0.0, one_thread: Vec::new(), threads: Vec::new() }
    };
    let Services { ours, ours_public, constant, demo, .. } = services;
    let mut cases = vec![
        case("anomaly-server, `http`", ours, ours.address, "", 16),
        case("anomaly-server, `public` with basic auth", ours, *ours_public, AUTHORIZATION, 16),
        case("axum: reads the body, answers a constant", constant, constant.address, "", 16),
    ];
    cases.extend(demo.as_ref().map(|demo| case("FastAPI, uvicorn, scikit-learn", demo, demo.address, "", 8)));
    for case in &mut cases {
        case.capacity = run(&case.load)?.rate();
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
    }
    Ok(())
}

fn print_singles(cases: &[Case<'_>]) {
    println!(
        "| single row, 10 features | requests/s, closed loop | at half of that, from one thread: CPU a request | p99 | generator busy | from a thread a connection: CPU a request | p50 | p99 | generator busy |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for Case { name, capacity, one_thread, threads, .. } in cases {
        let cpu = |rounds: &[Round]| shown(of_rounds(rounds, |round| round.cpu * 1e6), 1, "µs");
        // (of all rounds: it says why some do not count)
        let busy = |rounds: &[Round]| 100.0 * median(rounds.iter().map(|round| round.busy));
        let p50 = |rounds: &[Round]| shown(of_rounds(rounds, |round| round.p50), 3, "ms");
        let p99 = |rounds: &[Round]| shown(of_rounds(rounds, |round| round.p99), 3, "ms");
        println!(
            "| {name} | {capacity:.0} | {} | {} | {:.0} % | {} | {} | {} | {:.0} % |",
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
fn eight_connections(duration: Duration, services: &Services) -> Result<()> {
    let Some(demo) = &services.demo else { return Ok(()) };
    let rows = requests::rows(256, 2);
    let p99 =
        |address| -> Result<f64> { Ok(run(&closed(address, single(&rows, ""), 8, duration))?.at(99.0)) };
    let (ours, theirs) = (p99(services.ours.address)?, p99(demo.address)?);
    println!("p99 at 8 connections: {ours:.3} ms, FastAPI {theirs:.1} ms: {:.0} times lower.", theirs / ours);
    Ok(())
}

fn batches(duration: Duration, ours: &Service) -> Result<()> {
    let rows = requests::rows(BATCH, 3);
    println!("\n| batches of 1,000 rows x 10 | rows/s | CPU a row | rows a CPU second |\n|---|---|---|---|");
    let json = ("JSON, 17 digits", requests::json_batch(&rows, ""));
    for (name, requests) in [json, ("Open Inference Protocol, FP32 in binary", requests::tensor_batch(&rows))]
    {
        let (cpu, measured) = with_cpu(ours, run, &closed(ours.address, requests, 4, duration))?;
        let scored = (measured.good * BATCH as u64) as f64;
        let rate = measured.rate() * BATCH as f64;
        println!("| {name} | {rate:.0} | {:.3} µs | {:.0} |", cpu / scored * 1e6, scored / cpu);
    }
    Ok(())
}

/// Ten times the connections that saturate it, and a server that answers a constant in the same way, in alternating turns.
///
/// Each answer's latency is told in units of connections ÷ capacity, which is what everybody waits at capacity who is
/// answered in turn; capacity is that of the turn before, with a tenth of the connections. So a virtual machine that is half as
/// fast for a while changes both, and a pause within a turn counts.
fn connections(rounds: usize, duration: Duration, ours: &Service, constant: &Service) -> Result<()> {
    const CONNECTIONS: usize = 160;
    const TURN: Duration = Duration::from_millis(250);
    /// A unit of a histogram that has whole numbers.
    const UNIT: f64 = 1e4;
    let rows = requests::rows(256, 2);
    let services = [("anomaly-server, `http`", ours), ("axum: answers a constant", constant)];
    let before = [ours.resident()?, constant.resident()?];
    let none = || Measured::none(Duration::ZERO).map(|measured| measured.latencies);
    let (mut waits, mut latencies) = ([none()?, none()?], [none()?, none()?]);
    let mut figures = [Vec::new(), Vec::new()];
    let turns = rounds * duration.div_duration_f64(TURN).ceil() as usize;
    for (at, (_, service)) in (0..turns).flat_map(|_| services.iter().enumerate()) {
        let load = |connections| closed(service.address, single(&rows, ""), connections, TURN);
        let capacity = crowd::run(&load(CONNECTIONS / 10))?.rate();
        let measured = crowd::run(&load(CONNECTIONS))?;
        let in_turn = CONNECTIONS as f64 / capacity * 1e9;
        for step in measured.latencies.iter_recorded() {
            let wait = step.value_iterated_to() as f64 / in_turn * UNIT;
            waits[at].saturating_record_n(wait as u64, step.count_at_value());
        }
        latencies[at].add(&measured.latencies)?;
        let resident = service.resident()? - before[at];
        figures[at].push([
            100.0 * measured.rate() / capacity,
            measured.at(99.0) * 1e6 / in_turn,
            resident,
            100.0 * measured.busy(),
        ]);
    }
    println!(
        "\n| {CONNECTIONS} connections of single rows | of the peak's answers | p50 | p99 | p99 in units of connections / capacity | of the median turn | resident | generator busy |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (at, (name, _)) in services.iter().enumerate() {
        let [share, turn, resident, busy] =
            std::array::from_fn(|figure| median(figures[at].iter().map(|turn| turn[figure])));
        let [p50, p99] = [50.0, 99.0].map(|share| latencies[at].value_at_percentile(share) as f64 / 1e6);
        let wait = waits[at].value_at_percentile(99.0) as f64 / UNIT;
        println!(
            "| {name} | {share:.0} % | {p50:.2} ms | {p99:.2} ms | {wait:.2} | {turn:.2} | {resident:+.1} MB | {busy:.0} % |"
        );
    }
    Ok(())
}

/// Batches beyond capacity, open loop: what is shed costs r of what is served. Ten times the capacity can be offered by
/// clients alone that ask before they send: copying bodies that nobody wants would take more than the generator's core.
fn batch_overload(duration: Duration, ours: &Service) -> Result<()> {
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
        let (capacity, cost) = (measured.rate(), cpu / measured.good as f64);
        for k in multiples {
            let load = Load { rate: Some(k * capacity), connections: 512, ..calm.clone() };
            let (cpu, measured) = with_cpu(ours, crowd::run, &load)?;
            let r = if measured.shed == 0 {
                0.0
            } else {
                ((cpu - measured.good as f64 * cost) / (measured.shed as f64 * cost)).max(0.0)
            };
            let offered = (measured.good + measured.shed) as f64 / measured.elapsed.as_secs_f64() / capacity;
            let bound = (0.9 * (1.0 - offered * r) / (1.0 - r)).max(0.0);
            println!(
                "| {k:.0} (offered {offered:.1}), {how} | {:.0} | {:.0} % | {r:.3} | {:.0} % | {:.1} ms | {:.0} % |",
                measured.rate(),
                100.0 * measured.rate() / capacity,
                100.0 * bound,
                measured.at(99.0),
                100.0 * measured.busy()
            );
        }
    }
    Ok(())
}

/// An honest client beside ten thousand that hold connections.
fn slow_clients(arguments: &Arguments, services: &Services) -> Result<()> {
    let [server, other] = &services.held;
    let before = server.resident()?;
    let measure = |crowded: Option<&Service>| {
        let crowded = crowded.map(|service| service.address);
        slow::measure(&arguments.core, &arguments.binaries, server.address, crowded, arguments.seconds)
    };
    println!("\n| {} slow connections | p50 | p99 of an honest client |\n|---|---|---|", slow::CLIENTS);
    for (name, crowded) in
        [("none", None), ("at another server on the same core", Some(other)), ("at its server", Some(server))]
    {
        let [p50, p99] = measure(crowded)?;
        println!("| {name} | {p50:.0} µs | {p99:.0} µs |");
    }
    println!("\n{:+.1} MB resident with all of them.", server.resident()? - before);
    Ok(())
}

/// Single rows while eight clients send the largest batches.
fn beside_batches(duration: Duration, ours: &Service) -> Result<()> {
    let full = requests::json_batch(&requests::rows(5_000, 4), "");
    let batches = closed(ours.address, full, 8, duration + Duration::from_secs(1));
    let background = thread::spawn(move || run(&batches));
    thread::sleep(Duration::from_millis(500));
    let rows = requests::rows(256, 2);
    let singles = Load { rate: Some(200.0), ..closed(ours.address, single(&rows, ""), 2, duration) };
    let measured = run(&singles)?;
    let batches = background.join().map_err(|_| anyhow::anyhow!("the batches' thread panicked"))??;
    println!(
        "\nSingle rows while 8 clients send batches of 5,000 rows ({:.0} rows/s): p50 {:.2} ms, p99 {:.2} ms.",
        batches.rate() * 5_000.0,
        measured.at(50.0),
        measured.at(99.0)
    );
    Ok(())
}
