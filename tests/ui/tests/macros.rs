//! What the macros say to mistakes, and what they must accept.

#[test]
fn mistakes_are_told_where_they_are() {
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}

#[test]
fn what_compiles_without_an_attribute_compiles_with_it() {
    trybuild::TestCases::new().pass("pass/*.rs");
}
