# The doors of the project. Each is one command; CI walks through the same ones.

# what there is
default:
    @just --list

# the quick start on http://127.0.0.1:8000
demo:
    cargo run --release -- run --demo

# every test
test:
    cargo xtask test

# all that a change must pass
ci:
    .ci/run

# the form of the code, and the lints
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings
    cargo xtask tidy

# the suites of others, on their data
conformance:
    cargo xtask conformance

# writes the generated pages of docs/
pages:
    cargo xtask pages

# the road without network, timed
bench *ARGS:
    cargo xtask bench {{ARGS}}

# searches for inputs that break a promise
fuzz *ARGS:
    cargo xtask fuzz {{ARGS}}

# the policy with Cedar in it, which the default build leaves out
cedar:
    cargo test -p bartizan-core -p bartizan-gateway --features bartizan-core/cedar,bartizan-gateway/cedar --lib

# names by a model, which the default build leaves out; brings the model and its runtime
names:
    cargo xtask names

# what takes long
nightly:
    cargo xtask nightly

# licences, sources and banned versions of the dependencies (needs cargo-deny)
deny:
    cargo deny check bans licenses sources
