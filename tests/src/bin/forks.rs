//! A program that forks while it records: `forks FLAVOUR`, configured by the environment.
//!
//! It exits with 0 when all went as it should, as far as the program itself can tell.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a program that cannot go on says so and fails"
)]

#[cfg(unix)]
fn main() {
    unix::main();
}

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod unix {
    use std::fs::OpenOptions;
    use std::future::ready;
    use std::io::Write as _;
    use std::process::exit;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use futures::executor::block_on;

    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, Pid, fork};
    use rollout::{
        Batch, ExportError, ExportFuture, Exporter, FlushError, ForChild, InitGuard, Receipt,
        agent, task, tool,
    };

    #[tool]
    fn step(name: &str) -> String {
        name.to_owned()
    }

    #[agent]
    fn run(name: &str) -> String {
        step(name)
    }

    /// What is left of the process after the fork; `child` never comes back.
    #[expect(unsafe_code, reason = "forking is what is tested here")]
    fn forked(child: impl FnOnce()) -> Pid {
        // SAFETY: the other threads of this program are the worker's and those that it has started, and none of them
        // holds a lock that the child's part of the tests needs, for the memory allocator has its own care for forks.
        match unsafe { fork() }.expect("a process") {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                child();
                exit(0);
            }
        }
    }

    /// Waits until all is in the spool, and for no server.
    fn spooled() {
        while rollout::blocking_flush(Duration::ZERO) == Err(FlushError::Busy) {
            // A machine with much to do.
        }
    }

    fn ended(child: Pid) {
        let status = waitpid(child, None).expect("a child of ours");
        assert_eq!(status, WaitStatus::Exited(child, 0));
    }

    pub(super) fn main() {
        let flavour = std::env::args().nth(1).expect("a flavour");
        match flavour.as_str() {
            "both" => both(),
            "inside" => inside(),
            "silent" => silent(),
            "generations" => generations(),
            "many" => many(),
            "orphan" => orphan(),
            "own" => drop(own(false)),
            "by_hand" => by_hand(),
            "stays" => stays(),
            "follows" => follows(),
            "patient" => patient(),
            _ => panic!("no such flavour: {flavour}"),
        }
    }

    /// What the parent has recorded is on its way, in whatever place, when the process forks.
    fn both() {
        let guard = rollout::init().expect("the test configures it well");
        for _ in 0..20 {
            run("before");
        }
        let child = forked(|| {
            for _ in 0..20 {
                run("child");
            }
            let stats = guard.stats();
            assert_eq!(stats.events_lost(), 0, "{stats:?}");
            let report = rollout::blocking_shutdown(Duration::from_mins(1)).expect("it runs");
            assert!(report.is_complete(), "{report:?}");
            assert_eq!(report.delivered, 20 * 6);
        });
        for _ in 0..20 {
            run("after");
        }
        ended(child);
        drop(guard);
    }

    /// The process forks inside of spans: these are the parent's to end, and what the child does is below them.
    fn inside() {
        #[task(debug(return))]
        fn outer() -> Pid {
            forked(|| {
                step("child");
                // What was opened before the fork is closed here, too, and ends nothing.
                std::panic::resume_unwind(Box::new("on purpose"));
            })
        }

        let guard = rollout::init().expect("the test configures it well");
        let before = std::process::id();
        let outcome = std::panic::catch_unwind(outer);
        if std::process::id() != before {
            assert!(outcome.is_err());
            rollout::blocking_shutdown(Duration::from_mins(1)).expect("it runs");
            exit(0);
        }
        ended(outcome.expect("the parent goes on"));
        drop(guard);
    }

    /// A child that records nothing ends at once, whatever it drops.
    fn silent() {
        let guard = rollout::init().expect("the test configures it well");
        run("before");
        let mut guard = Some(guard);
        let child = forked(|| {
            let began = Instant::now();
            drop(guard.take());
            assert!(began.elapsed() < Duration::from_secs(4), "{began:?}");
        });
        ended(child);
        run("after");
    }

    fn generations() {
        let guard = rollout::init().expect("the test configures it well");
        run("before");
        let child = forked(|| {
            run("child");
            let grandchild = forked(|| {
                run("grandchild");
                rollout::blocking_shutdown(Duration::from_mins(1)).expect("it runs");
            });
            ended(grandchild);
            rollout::blocking_shutdown(Duration::from_mins(1)).expect("it runs");
        });
        ended(child);
        drop(guard);
    }

    /// Children of one moment have ids of their own.
    fn many() {
        let guard = rollout::init().expect("the test configures it well");
        let children: Vec<_> = (0..8)
            .map(|_| {
                forked(|| {
                    run("child");
                    rollout::blocking_shutdown(Duration::from_mins(1)).expect("it runs");
                })
            })
            .collect();
        children.into_iter().for_each(ended);
        drop(guard);
    }

    /// The parent is killed while a child that records lives on until its input ends.
    fn orphan() {
        let _guard = rollout::init().expect("the test configures it well");
        run("before");
        spooled();
        forked(|| {
            run("child");
            spooled();
            let _ = std::fs::write("ready", "");
            // The test has the other end.
            let _ = std::io::stdin().read_line(&mut String::new());
        });
        let _ = std::io::stdin().read_line(&mut String::new());
    }

    /// The handles of a client lead to the child's.
    fn by_hand() {
        let guard = rollout::init().expect("the test configures it well");
        let child = forked(|| {
            let trace = guard.trace("by hand").start();
            trace.span("task").name("step").in_scope(|_| ());
            trace.signal("inside", &true);
            let id = trace.id().expect("it is recorded");
            trace.end();
            guard.feedback(id, "afterwards", &true);
            rollout::identify_user("somebody", &());
            let report = rollout::blocking_shutdown(Duration::from_mins(1)).expect("it runs");
            assert_eq!(report.delivered, 7, "{report:?}");
        });
        ended(child);
        drop(guard);
    }

    /// An exporter of the program's own: appends to a file.
    struct Own {
        follows: bool,
    }

    impl Exporter for Own {
        fn name(&self) -> &'static str {
            "own"
        }

        fn export<'a>(&'a mut self, batch: &'a Batch) -> ExportFuture<'a> {
            let lines: Vec<u8> = batch
                .events()
                .flat_map(|event| [event, b"\n"].concat())
                .collect();
            let file = OpenOptions::new().append(true).create(true).open("own");
            let written = file.and_then(|mut file| file.write_all(&lines));
            let receipt = written.map(|()| Receipt::all());
            Box::pin(ready(
                receipt.map_err(|error| ExportError::retry(error.to_string())),
            ))
        }

        fn resumes(&self) -> bool {
            true
        }

        fn for_child(&self) -> Option<ForChild> {
            let made: ForChild = Arc::new(|| {
                // What is recorded here would wait for itself if it was made by who records.
                run("made");
                Box::new(Self { follows: true })
            });
            self.follows.then_some(made)
        }
    }

    /// A program that brings its own exporter, and records.
    fn own(follows: bool) -> InitGuard {
        let guard = rollout::builder().exporter(Box::new(Own { follows }));
        let guard = guard.init().expect("the test configures it well");
        run("before");
        guard
    }

    /// The exporter is the parent's alone: what the child records is kept, and that is told once.
    fn stays() {
        let guard = own(false);
        let child = forked(|| {
            run("child");
            run("child");
            let report = rollout::blocking_shutdown(Duration::from_mins(1)).expect("it runs");
            let stats = guard.stats();
            assert!(!report.timed_out, "nobody waits for what is not there");
            assert_eq!((report.delivered, report.spooled, report.lost), (0, 12, 0));
            assert!(report.stopped["own"].contains("forked"), "{report:?}");
            assert_eq!((stats.events_lost(), stats.warnings), (0, 1));
        });
        ended(child);
        run("after");
        drop(guard);
    }

    /// The exporter makes the one of the child.
    fn follows() {
        let guard = own(true);
        let child = forked(|| {
            run("child");
            let report = rollout::blocking_shutdown(Duration::from_mins(1)).expect("it runs");
            assert!(report.is_complete(), "{report:?}");
            assert_eq!(guard.stats().warnings, 0);
        });
        ended(child);
        run("after");
        drop(guard);
    }

    /// A future gives up on a worker that is stuck, in the child too, whatever the parent had waiting when it forked.
    fn patient() {
        let parent = std::process::id();
        let guard = rollout::builder()
            .timeout(Duration::from_millis(10))
            .mask(move |_| {
                while std::process::id() != parent {
                    std::thread::park();
                }
            })
            .init()
            .expect("the test configures it well");
        run("before");
        // Somebody looks at the clock, in the parent.
        block_on(rollout::flush()).expect("it runs");
        let child = forked(|| {
            rollout::client().expect("it runs").signal(
                rollout::TraceRef::External("child".into()),
                "stuck",
                &true,
            );
            assert_eq!(block_on(rollout::flush()), Err(FlushError::Busy));
        });
        ended(child);
        drop(guard);
    }
}
