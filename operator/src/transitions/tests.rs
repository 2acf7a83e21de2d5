use super::*;
use crate::fixtures::World;
use crate::htpasswd::Lines;
use crate::observed::Auth;

/// Reasons of the Events of one more pass.
fn next(world: World) -> (World, Vec<String>) {
    let old = world.status();
    let world = world.reconciled();
    let notes = notes(&old, &world.status());
    let reasons = notes.iter().map(|n| format!("{}{}", if n.warning { "!" } else { "" }, n.reason)).collect();
    (world, reasons)
}

#[test]
fn nothing_happens_when_nothing_flips() {
    for world in
        [World::ready(), World::new().reconciled(), World::new().reconciled().too_few_rows().reconciled()]
    {
        let (world, _) = next(world);
        assert_eq!(next(world.later(jiff::SignedDuration::from_hours(1))).1, [""; 0]);
    }
}

#[test]
fn the_life_of_a_model_reads_like_a_story() {
    let (world, started) = next(World::new());
    assert_eq!(started, ["TrainingStarted"]);
    let (world, trained) = next(world.published(980));
    assert_eq!(trained, ["Trained"]);
    let (world, rolled_out) = next(world.reconciled().rolled_out());
    assert_eq!(rolled_out, ["RolledOut", "Ready"]);
    let (world, exposed) = next(world.exposed("traefik.io/ingress-controller").reconciled().rolled_out());
    assert_eq!(exposed, ["Ready"]);
    let (world, changed) = next(world.seed(17));
    assert_eq!(changed, ["TrainingStarted"]);
    let (_, failed) = next(world.too_few_rows());
    assert_eq!(failed, ["!TrainingFailed"]);
}

#[test]
fn going_back_to_an_earlier_spec_starts_no_training() {
    let later = World::ready().later(jiff::SignedDuration::from_hours(1));
    let world = later.seed(17).reconciled().published(980).reconciled().rolled_out().reconciled();
    let (world, back) = next(world.seed(16));
    assert_eq!(back, ["Trained"]);
    assert_eq!(next(world.rolled_out()).1, ["RolledOut", "Ready"]);
}

#[test]
fn a_training_says_rows_and_threshold() {
    let world = World::new().reconciled();
    let old = world.status();
    let new = world.published(980).reconciled().status();
    let trained = notes(&old, &new).remove(0);
    assert!(trained.message.contains("is trained on 980 rows: threshold -0.6125"), "{}", trained.message);
}

#[test]
fn exposure_is_told_when_it_begins_changes_and_ends() {
    let (world, exposed) = next(World::ready().exposed("traefik.io/ingress-controller"));
    assert!(exposed.contains(&"Exposed".to_owned()), "{exposed:?}");
    let mut world = world.rolled_out().reconciled();
    world.observed.host_conflict = Some("demo/older".into());
    let (world, conflict) = next(world);
    assert_eq!(conflict, ["!HostConflict"]);
    let mut world = world;
    world.observed.host_conflict = None;
    let (world, again) = next(world);
    assert_eq!(again, ["Exposed", "Ready"]);
    let (_, closed) = next(world.edited(|spec| spec.ingress = None));
    assert!(closed.contains(&"NotExposed".to_owned()), "{closed:?}");
}

#[test]
fn what_passwords_cost_the_ingress_controller_is_told_once() {
    let named = |cost: u32| {
        let line = format!("ann:$2y${cost:02}$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a");
        Auth::Named(Lines::check(line.as_bytes()).unwrap())
    };
    let mut world = World::ready().exposed("traefik.io/ingress-controller");
    world.observed.auth = named(8);
    let (world, cheap) = next(world.reconciled().rolled_out());
    assert!(!cheap.contains(&"!ExpensivePasswords".to_owned()), "{cheap:?}");
    let mut world = world;
    world.observed.auth = named(10);
    let old = world.status();
    let world = world.reconciled();
    let told = notes(&old, &world.status());
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].warning && told[0].reason == "ExpensivePasswords", "{told:?}");
    assert!(
        told[0].message.starts_with("bcrypt of cost 10 in line 1 takes some 70 ms"),
        "{}",
        told[0].message
    );
    assert_eq!(next(world).1, [""; 0]);
    // An ingress controller that does not ask for the password pays nothing.
    let mut world = World::ready().exposed("example.com/gateway");
    world.observed.auth = named(10);
    let (_, other) = next(world.reconciled().rolled_out());
    assert!(!other.contains(&"!ExpensivePasswords".to_owned()), "{other:?}");
}

#[test]
fn a_roll_out_that_fails_is_told_once() {
    let world = World::ready().seed(17).reconciled().published(980).reconciled().stalled();
    let (world, first) = next(world);
    let (world, second) = next(world.rolled_out());
    let (_, third) = next(world);
    let told: Vec<String> = [first, second, third].concat();
    assert_eq!(told.iter().filter(|r| *r == "!RollOutFailed").count(), 1, "{told:?}");
}

#[test]
fn what_somebody_must_act_on_is_a_warning() {
    let mut world = World::new();
    world.observed.source = crate::observed::Source::NotFound { name: "data".into() };
    assert_eq!(next(world).1, ["!SourceNotFound"]);
    let mut world = World::ready();
    let object = crate::outcome::Problem { object: "Service demo/machine".into(), message: "foreign".into() };
    world.applied.conflicts = vec![object];
    assert_eq!(next(world).1, ["!NameConflict"]);
}

#[test]
fn a_long_message_is_cut_to_what_an_event_takes() {
    let cut = note(true, "X", "Y", "ä".repeat(2_000));
    assert!(cut.message.len() <= LONGEST_MESSAGE && cut.message.ends_with('…'));
}
