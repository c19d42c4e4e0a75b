//! What stands in the place of the function? A unit struct of its name, which can be served.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Attribute, Error, Expr, ExprLit, FnArg, ItemFn, Lit, LitStr, Meta, Result, ReturnType};
use syn::{Signature, Type};

use crate::endpoint::{Access, Endpoint};

/// What the function takes, in the order in which it takes it.
pub(crate) struct Shape<'f> {
    parameters: Vec<Parameter<'f>>,
}

enum Parameter<'f> {
    Caller,
    Input(&'f Type),
}

impl<'f> Shape<'f> {
    /// Looks whether the function can be served at all.
    pub(crate) fn of(function: &'f ItemFn) -> Result<Self> {
        let signature = &function.sig;
        if signature.asyncness.is_none() {
            let why = "an endpoint is an `async fn`: write `async` before `fn`";
            return Err(Error::new(signature.fn_token.span, why));
        }
        if !signature.generics.params.is_empty() || signature.generics.where_clause.is_some() {
            let why = "an endpoint has no type parameters: it is served as it stands";
            return Err(Error::new(signature.generics.span(), why));
        }
        if matches!(signature.output, ReturnType::Default) {
            let why = "an endpoint returns `Result<R, Problem>`, where `R` is a reply such as \
                       `Json<T>`";
            return Err(Error::new(signature.paren_token.span.close(), why));
        }
        let parameters = signature.inputs.iter().map(parameter).collect::<Result<Vec<_>>>()?;
        let callers = parameters.iter().filter(|one| matches!(one, Parameter::Caller)).count();
        if callers > 1 || parameters.len() - callers > 1 {
            let why = "an endpoint takes a `Caller` and one input: put several values into one \
                       struct";
            return Err(Error::new(signature.inputs.span(), why));
        }
        Ok(Self { parameters })
    }

    fn input(&self) -> Option<&'f Type> {
        self.parameters.iter().find_map(|one| match one {
            Parameter::Input(input) => Some(*input),
            Parameter::Caller => None,
        })
    }
}

fn parameter(argument: &FnArg) -> Result<Parameter<'_>> {
    let FnArg::Typed(typed) = argument else {
        return Err(Error::new(argument.span(), "an endpoint is a free function, without `self`"));
    };
    let is_caller = match &*typed.ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "Caller"),
        _ => false,
    };
    Ok(if is_caller { Parameter::Caller } else { Parameter::Input(&typed.ty) })
}

/// The endpoint.
pub(crate) fn expand(endpoint: &Endpoint, function: &ItemFn, shape: &Shape<'_>) -> TokenStream {
    let ItemFn { attrs, vis, sig, block } = function;
    let name = &sig.ident;
    let (docs, others): (Vec<_>, Vec<_>) = attrs.iter().partition(|one| is_doc(one));
    let call = Signature { ident: format_ident!("call", span = name.span()), ..sig.clone() };
    let served = served(endpoint, &docs, sig, shape);
    quote! {
        #(#docs)*
        #[allow(non_camel_case_types, reason = "it stands for the function of that name")]
        #[derive(Clone, Copy, Debug)]
        #vis struct #name;

        impl #name {
            /// Answers without the road: no caller is checked, nothing is counted. For tests of
            /// the function itself.
            #(#others)*
            #vis #call #block
        }

        impl ::core::convert::From<#name> for ::bartizan::endpoint::Served {
            fn from(_: #name) -> Self {
                #served
            }
        }
    }
}

/// What stands for a function that cannot be an endpoint: its name, and why. What it uses stays
/// used, so that one mistake does not become many.
pub(crate) fn stand_in(function: &ItemFn, wrong: &Error) -> TokenStream {
    let ItemFn { vis, sig, block, .. } = function;
    let (name, why) = (&sig.ident, wrong.to_compile_error());
    let call = Signature { ident: format_ident!("call", span = name.span()), ..sig.clone() };
    quote! {
        #why
        #[allow(non_camel_case_types, dead_code, reason = "it stands for what did not compile")]
        #[derive(Clone, Copy, Debug)]
        #[doc(hidden)]
        #vis struct #name;
        #[allow(dead_code, reason = "it stands for what did not compile")]
        impl #name {
            #[doc(hidden)]
            #vis #call #block
        }
        impl ::core::convert::From<#name> for ::bartizan::endpoint::Served {
            fn from(_: #name) -> Self {
                ::core::unimplemented!()
            }
        }
    }
}

/// The draft, written out as a developer would write it, and the function that serves it.
fn served(
    endpoint: &Endpoint,
    docs: &[&Attribute],
    sig: &Signature,
    shape: &Shape<'_>,
) -> TokenStream {
    let Endpoint { verb, path, .. } = endpoint;
    let access = access(&endpoint.access);
    let told = told(endpoint, docs);
    let bounds = bounds(endpoint);
    let handler = handler(sig, shape);
    quote! { ::bartizan::endpoint(#verb, #path) #access #told #bounds #handler }
}

fn access(access: &Access) -> TokenStream {
    let (scopes, roles) = match access {
        Access::Public => return quote! { .public() },
        Access::Authenticated => return quote! { .authenticated() },
        Access::Held { scopes, roles } => (scopes, roles),
    };
    let (first, rest) = match scopes.split_first() {
        Some((first, rest)) => (quote! { .scope(#first) }, (rest, roles.as_slice())),
        None => match roles.split_first() {
            Some((first, rest)) => (quote! { .role(#first) }, (&[][..], rest)),
            None => (TokenStream::new(), (&[][..], &[][..])),
        },
    };
    let (scopes, roles) = rest;
    quote! { #first #(.and_scope(#scopes))* #(.or_role(#roles))* }
}

/// What agents are told.
fn told(endpoint: &Endpoint, docs: &[&Attribute]) -> TokenStream {
    let Endpoint { aliases, preconditions, side_effects, .. } = endpoint;
    let resource = endpoint.resource.iter();
    let action = match &endpoint.action {
        Some(action) => quote! { ::core::option::Option::Some(#action) },
        None => quote! { ::core::option::Option::None },
    };
    let category = endpoint.category.iter();
    let documented = || first_paragraph(docs);
    let description = endpoint.description.as_ref().map(LitStr::value).or_else(documented);
    let description = description.iter();
    let impact = endpoint.intent_impact.iter();
    let weighting = endpoint.intent_weighting.iter();
    quote! {
        #(.alias(#aliases))*
        #(.resource(#resource, #action))*
        #(.category(#category))*
        #(.description(#description))*
        #(.precondition(#preconditions))*
        #(.side_effect(#side_effects))*
        #(.intent_impact(#impact))*
        #(.intent_weighting(#weighting))*
    }
}

/// What it may take.
fn bounds(endpoint: &Endpoint) -> TokenStream {
    let size = endpoint.max_request_size.iter();
    let timeout = endpoint.timeout_ms.iter();
    let by = by(endpoint.by.as_ref());
    let rate = endpoint.rate.iter();
    let cost = endpoint.cost_usd.iter();
    let finish = endpoint.finishes.then(|| {
        quote! { .on_disconnect(::bartizan::core::authorize::endpoint::OnDisconnect::Finish) }
    });
    quote! {
        #(.max_request_size(#size))*
        #(.timeout(::core::time::Duration::from_millis(#timeout)))*
        #(.rate(#rate, #by))*
        #(.cost_usd(#cost))*
        #finish
    }
}

fn by(word: Option<&LitStr>) -> TokenStream {
    let word = word.map_or_else(|| "user".to_owned(), LitStr::value);
    if let Some(claim) = word.strip_prefix("claim:") {
        return quote! { ::bartizan::limits::By::Claim(::core::convert::From::from(#claim)) };
    }
    let variant = match word.as_str() {
        "endpoint" => quote! { Endpoint },
        "global" => quote! { Everybody },
        "ip" => quote! { Ip },
        "key" => quote! { Key },
        "model" => quote! { Model },
        "role" => quote! { Role },
        "tenant" => quote! { Tenant },
        "tool" => quote! { Tool },
        "verb" => quote! { Verb },
        _ => quote! { User },
    };
    quote! { ::bartizan::limits::By::#variant }
}

/// The function as the handler. What the compiler has to say about the types of its input and of
/// its reply it says there, in the developer's own line.
fn handler(sig: &Signature, shape: &Shape<'_>) -> TokenStream {
    let name = &sig.ident;
    let output = match &sig.output {
        ReturnType::Type(_, output) => output.span(),
        ReturnType::Default => name.span(),
    };
    let passed = shape.parameters.iter().map(|one| match one {
        Parameter::Caller => quote! { caller },
        Parameter::Input(_) => quote! { input },
    });
    let takes_caller = shape.parameters.iter().any(|one| matches!(one, Parameter::Caller));
    let caller = if takes_caller {
        quote! { caller }
    } else {
        quote! { _ }
    };
    match shape.input() {
        Some(input) => {
            let method = quote_spanned! { output=> json::<#input, _, _, _> };
            quote! { .#method(|#caller, input| #name::call(#(#passed),*)) }
        }
        None => {
            let method = quote_spanned! { output=> call };
            quote! { .#method(|#caller| #name::call(#(#passed),*)) }
        }
    }
}

fn is_doc(attribute: &Attribute) -> bool {
    attribute.path().is_ident("doc")
}

/// The doc comment up to its first empty line, on one line.
fn first_paragraph(docs: &[&Attribute]) -> Option<String> {
    let line = |attribute: &&Attribute| match &attribute.meta {
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        Meta::List(_) | Meta::Path(_) => None,
    };
    let lines: Vec<_> = docs.iter().filter_map(line).collect();
    let lines = lines.split(String::is_empty).find(|paragraph| !paragraph.is_empty())?;
    Some(lines.join(" "))
}
