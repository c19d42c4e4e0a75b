//! Is the insecure program refused by the compiler? See compile_fail/README.md.

#[test]
fn insecure_programs_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
