//! Allocations on the thread that is traced.

use serde::{Deserialize, Serialize};

use crate::child::Task;
use crate::contender::{Kind, LEAVES, Mode, SPANS, Shape, Values};
use crate::server;
use crate::table::{Table, figure};

/// Trees before the count, so that every buffer has its size.
const WARM_UP: usize = 50;

/// Counts, of which the least is taken: now and then somebody else holds on to what could be used again.
const SAMPLES: usize = 20;

/// Trees of a count.
const TREES: u64 = 10;

/// Allocations per span, by shape.
#[derive(Debug, Serialize, Deserialize)]
pub struct Found(Vec<(Shape, f64)>);

/// Counts those of one contender, in this process. `allocations` counts what the calling thread allocates meanwhile.
pub fn measure(kind: Kind, allocations: impl Fn(&mut dyn FnMut()) -> u64) -> Found {
    let contender = kind.start(Mode::On, 8 * 1024).expect("everybody can be on");
    let values = Values::default();
    let mut found = Vec::new();
    for &shape in kind.shapes() {
        let mut trees = || {
            for _ in 0..TREES {
                contender.tree(shape, LEAVES, &values);
            }
        };
        for _ in 0..WARM_UP {
            trees();
            contender.drain();
        }
        let samples = (0..SAMPLES).map(|_| {
            let count = allocations(&mut trees);
            contender.drain();
            count
        });
        let least = samples.min().unwrap_or_default();
        found.push((shape, least as f64 / (TREES * SPANS) as f64));
    }
    Found(found)
}

/// Counts those of all contenders, each by a process of the program `allocations`, whose allocator counts.
pub fn tables() -> Vec<Table> {
    let heads = std::iter::once("allocations per span");
    let heads = heads.chain(Kind::RECORDERS.iter().map(|kind| kind.name()));
    let mut table = Table::new(
        "Allocations on the thread that is traced",
        "By a global allocator that counts those of the calling thread; the least of twenty counts of ten trees, in \
         the steady state.",
        &heads.collect::<Vec<_>>(),
    );
    let program = server::build(&["-p", "rollout-bench", "--bin", "allocations"]);
    let found = Kind::RECORDERS.map(|kind| {
        let mut command = std::process::Command::new(&program);
        Task::Allocations(kind).run_by::<Found>(&mut command).0
    });
    for shape in Shape::ALL {
        let cells = found.iter().map(|found| {
            let it = found.iter().find(|(its, _)| *its == shape);
            figure(it.map_or(f64::NAN, |(_, allocations)| *allocations))
        });
        table.row(std::iter::once(shape.name().to_owned()).chain(cells));
    }
    vec![table]
}
