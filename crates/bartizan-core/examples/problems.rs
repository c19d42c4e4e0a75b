//! Prints docs/problems.md: every kind of problem that a client may meet, from the table that answers are made from.

use std::io::{self, Write};

use bartizan_core::problem;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(HEAD.as_bytes())?;
    for kind in problem::ALL {
        let reason = kind.status.canonical_reason().unwrap_or_default();
        let status = kind.status.as_u16();
        writeln!(
            out,
            "| `{}` | {status} {reason} | {} | {} |",
            kind.name, kind.title, kind.remedy
        )?;
    }
    Ok(())
}

const HEAD: &str = "\
# Problems

<!-- Written by `cargo xtask pages` from the table in `problem.rs`. Change the code, not this page. -->

An error is answered with `application/problem+json` (RFC 9457): `type`, `title`, `status`, `detail`, `request_id`.
`type` is `urn:bartizan:problem:NAME`; the title is the same for every occurrence, the detail is about this one. Nothing
of the inside is in it: with the `request_id` the operator finds the reason in the audit log. Token endpoints answer in
the words of RFC 6749, and the protocols of OpenAI and Anthropic in theirs, with the same statuses.

| name | status | title | what to do |
|---|---|---|---|
";
