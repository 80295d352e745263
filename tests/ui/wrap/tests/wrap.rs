//! What cannot be wrapped is a compile error that says what can.

#[test]
fn what_can_be_wrapped_is_told() {
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}
