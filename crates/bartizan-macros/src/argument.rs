//! What stands between the brackets? Names, and what they are set to.

use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, Lit, LitStr, Result, Token, bracketed, token};

/// Every argument, in its order.
pub(crate) struct Listed(pub(crate) Vec<Argument>);

/// `name`, `name = "text"`, `name = 5` or `name = ["text", "text"]`.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    value: Value,
}

enum Value {
    None,
    One(Lit),
    Several(Span, Vec<LitStr>),
}

impl Parse for Listed {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let all = Punctuated::<Argument, Token![,]>::parse_terminated(input)?;
        Ok(Self(all.into_iter().collect()))
    }
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let name = Ident::parse_any(input)?;
        if input.parse::<Option<Token![=]>>()?.is_none() {
            return Ok(Self { name, value: Value::None });
        }
        if !input.peek(token::Bracket) {
            return Ok(Self { name, value: Value::One(input.parse()?) });
        }
        let texts;
        let brackets = bracketed!(texts in input);
        let texts = Punctuated::<LitStr, Token![,]>::parse_terminated(&texts)?;
        let value = Value::Several(brackets.span.join(), texts.into_iter().collect());
        Ok(Self { name, value })
    }
}

impl Argument {
    /// Where a mistake in its value is shown.
    pub(crate) fn span(&self) -> Span {
        match &self.value {
            Value::None => self.name.span(),
            Value::One(literal) => literal.span(),
            Value::Several(span, _) => *span,
        }
    }

    /// A word alone.
    pub(crate) fn flag(&self) -> Result<()> {
        match &self.value {
            Value::None => Ok(()),
            Value::One(_) | Value::Several(..) => Err(self.expects("alone, or leave it out", "")),
        }
    }

    /// One text.
    pub(crate) fn text(&self) -> Result<LitStr> {
        match &self.value {
            Value::One(Lit::Str(text)) if text.value().trim().is_empty() => {
                Err(Error::new(text.span(), format!("`{}` is empty", self.name)))
            }
            Value::One(Lit::Str(text)) => Ok(text.clone()),
            Value::None | Value::One(_) | Value::Several(..) => Err(self.expects("", " = \"…\"")),
        }
    }

    /// Texts in brackets.
    pub(crate) fn texts(&self) -> Result<Vec<LitStr>> {
        let Value::Several(_, texts) = &self.value else {
            return Err(self.expects("", " = [\"…\"]"));
        };
        match texts.iter().find(|text| text.value().trim().is_empty()) {
            Some(empty) => {
                Err(Error::new(empty.span(), format!("a text of `{}` is empty", self.name)))
            }
            None => Ok(texts.clone()),
        }
    }

    /// A number, or a text that stands for one.
    pub(crate) fn number_or_text(&self) -> Result<String> {
        match &self.value {
            Value::One(Lit::Str(text)) => Ok(text.value()),
            Value::One(Lit::Int(number)) => Ok(number.base10_digits().to_owned()),
            Value::One(Lit::Float(number)) => Ok(number.base10_digits().to_owned()),
            Value::None | Value::One(_) | Value::Several(..) => Err(self.expects("", " = …")),
        }
    }

    fn expects(&self, how: &str, form: &str) -> Error {
        let (name, space) = (&self.name, if how.is_empty() { "" } else { " " });
        Error::new(self.span(), format!("write `{name}{form}`{space}{how}"))
    }
}
