//! What beside the body lets whoever stands behind the gate choose another model than the call names, or
//! another price? Header fields and parameters of the query, each with its source.

use http::HeaderMap;
use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::prompt;
use crate::admit::fields::plain;

/// A header field that steers a call, or the beginning of such ones.
struct Steers {
    /// Its name; with a star at its end the beginning of several.
    field: &'static str,
    /// Who reads it, and what it chooses.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the source of the row, held to be there by a test")
    )]
    source: &'static str,
}

const fn steers(field: &'static str, source: &'static str) -> Steers {
    Steers { field, source }
}

/// The fields by which gateways and clouds choose. Those that keep their own accounts, as traces, metadata
/// and caches, are none of them.
const FIELDS: [Steers; 32] = [
    steers("azureml-model-deployment", "Azure ML, online endpoints: the deployment"),
    steers("azureml-model-group", "Azure ML, online endpoints: the deployment"),
    steers("cf-aig-gateway-id", "Cloudflare AI Gateway, REST API: the gateway and its routes"),
    steers("helicone-fallbacks", "docs.helicone.ai, header directory: other models"),
    steers("helicone-openai-api-base", "docs.helicone.ai, header directory: the provider"),
    steers("helicone-target-provider", "docs.helicone.ai, gateway: the provider"),
    steers("helicone-target-url", "docs.helicone.ai, header directory: the provider"),
    steers("mm-model-id", "KServe ModelMesh: the model"),
    steers("mm-vmodel-id", "KServe ModelMesh: the model"),
    steers("serve_multiplexed_model_id", "docs.ray.io, model multiplexing: the model"),
    steers("x-ai-eg-model", "Envoy AI Gateway: the model that routes are matched by"),
    steers("x-amzn-bedrock-performanceconfig-latency", "Amazon Bedrock: latency at a price"),
    steers("x-amzn-bedrock-service-tier", "Amazon Bedrock: the service tier"),
    steers("x-amzn-sagemaker-inference-component", "Amazon SageMaker: the model"),
    steers("x-amzn-sagemaker-target-model", "Amazon SageMaker, multi-model endpoints: the model"),
    steers("x-amzn-sagemaker-target-variant", "Amazon SageMaker: the variant"),
    steers("x-bf-api-key", "Bifrost: the key of a provider, by its name"),
    steers("x-bf-vk", "Bifrost, virtual keys: providers and models"),
    steers("x-gateway-destination-endpoint", "Gateway API Inference Extension: the endpoint"),
    steers("x-gateway-model-name", "Gateway API Inference Extension: the model"),
    steers("x-gateway-model-name-rewrite", "Gateway API Inference Extension: the model"),
    steers("x-litellm-tags", "docs.litellm.ai, tag based routing: the deployment"),
    steers("x-portkey-aws-*", "portkey.ai, headers: the account and region"),
    steers("x-portkey-azure-*", "portkey.ai, headers: the deployment"),
    steers("x-portkey-config", "portkey.ai, headers: providers, models, fallbacks"),
    steers("x-portkey-custom-host", "portkey.ai, headers: the provider"),
    steers("x-portkey-provider", "portkey.ai, headers: the provider"),
    steers("x-portkey-vertex-*", "portkey.ai, headers: the account and region"),
    steers("x-portkey-virtual-key", "portkey.ai, headers: the provider"),
    steers("x-portkey-workers-ai-*", "portkey.ai, headers: the account"),
    steers("x-vertex-ai-llm-request-type", "Vertex AI: throughput that is paid for otherwise"),
    steers("x-vertex-ai-llm-shared-request-type", "Vertex AI: the service tier"),
];

/// What beside the body chooses a model or a price: the first such header field or parameter.
pub(super) fn steered(head: &Parts) -> Option<&'static str> {
    by_field(&head.headers).or_else(|| head.uri.query().and_then(by_parameter))
}

fn by_field(headers: &HeaderMap) -> Option<&'static str> {
    let steers = |name: &str, field: &str| match field.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name.len() == field.len() && name == field.replace('_', "-"),
    };
    let mut names = headers.keys();
    names.find_map(|name| {
        // Servers that read fields as CGI does take all signs for one.
        let name = plain(name);
        let row = FIELDS.iter().find(|row| steers(&name, row.field));
        row.map(|row| row.field)
    })
}

/// LiteLLM takes a model of the query before that of the body, at all parts of the API but few; others may
/// take anything else from there.
fn by_parameter(query: &str) -> Option<&'static str> {
    let names = query.split(['&', ';']).map(|pair| pair.split('=').next().unwrap_or_default());
    let mut names = names.map(|name| percent_decode_str(name).decode_utf8_lossy().to_lowercase());
    names.find_map(|name| prompt::meant(&name))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn each_row_has_its_source_is_in_order_and_is_told_to_those_who_configure() {
        let page = include_str!("../../../../docs/llm.md");
        assert!(FIELDS.windows(2).all(|rows| rows[0].field < rows[1].field));
        for row in &FIELDS {
            assert!(!row.source.is_empty() && row.field == row.field.to_lowercase());
            assert!(page.contains(&format!("`{}`", row.field)), "{} is not documented", row.field);
        }
    }

    #[test]
    fn fields_that_choose_are_found_and_those_that_keep_accounts_are_not() {
        let field = |name: &'static str| {
            let name = HeaderName::from_static(name);
            by_field(&[(name, HeaderValue::from_static("x"))].into_iter().collect())
        };
        for name in [
            "x-portkey-config",
            "helicone-fallbacks",
            "azureml-model-deployment",
            "serve-multiplexed-model-id",
            "x-portkey-azure-deployment-id",
        ] {
            assert!(field(name).is_some(), "{name}");
        }
        for name in ["x-portkey-trace-id", "helicone-user-id", "openai-beta", "anthropic-beta"] {
            assert_eq!(field(name), None, "{name}");
        }
    }

    #[test]
    fn parameters_that_mean_something_are_found_however_they_are_written() {
        for query in
            ["model=gpt-5-pro", "a=b&MODEL=x", "%6dodel=x", "x;models=y", "service_tier=priority"]
        {
            assert!(by_parameter(query).is_some(), "{query}");
        }
        for query in ["", "beta=true", "api-version=2025-01-01", "x=model"] {
            assert_eq!(by_parameter(query), None, "{query}");
        }
    }
}
