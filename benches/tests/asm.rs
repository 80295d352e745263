//! While nothing is recorded, an annotated function looks once whether it should, and goes on.

use rollout_bench::part::asm;

#[test]
fn nothing_but_a_look_comes_before_the_body() {
    // How many instructions a compiler takes for a load, a comparison, a branch and what it saves of registers is its
    // own business; another call, or a second thing that is looked at, is not.
    for (way, most) in asm::ways().iter().zip([8, 20, 60]) {
        assert_eq!(way.calls(), 0, "{way:#?}");
        assert!(way.instructions.len() <= most, "{way:#?}");
    }
}
