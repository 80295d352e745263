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
    use std::process::exit;
    use std::time::{Duration, Instant};

    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, Pid, fork};
    use rollout::{FlushError, agent, task, tool};

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
}
