//! The lifetimes that `impl Trait` captures, and when temporaries are dropped, depend on the edition.

#[test]
fn what_is_accepted_is_accepted_in_the_edition_before() {
    trybuild::TestCases::new().pass("../pass/*.rs");
}
