//! It records as any other crate does.

use futures::executor::block_on;
use telemetry::testing::capture;

stranger::traced! {
    fn here(n: u32) -> u32 {
        n
    }
}

#[test]
fn functions_record_under_another_name() {
    let ((), captured) = capture(|| {
        assert_eq!(block_on(stranger::re_exported("7", (1, 2))), Ok(9));
        assert_eq!(stranger::made(1, 2), 3);
        assert_eq!(here(1), 1);
        let mut other = String::new();
        assert_eq!(block_on(stranger::two_lifetimes("a", &mut other)), "a");
        assert_eq!(
            block_on(stranger::temporaries(String::from("ab").into())),
            2
        );
    });
    assert_eq!(
        captured.tree(),
        "re_exported
  re_exported [agent] ok {\"text\":\"7\",\"total\":1} -> 9
    renamed [tool] ok {\"text\":\"7\",\"times\":\"\"} -> 1
made
  made [span] ok {\"a\":1,\"b\":2} -> 3
here
  here [span] ok {\"n\":1} -> 1
two_lifetimes
  two_lifetimes [span] ok {\"text\":\"a\",\"times\":\"\"} -> \"a\"
temporaries
  temporaries [span] ok -> 2
"
    );
}
