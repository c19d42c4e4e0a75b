//! `#[agent_endpoint]`: an async function becomes an endpoint with a policy.
