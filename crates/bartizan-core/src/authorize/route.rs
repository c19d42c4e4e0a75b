//! Which endpoint is meant? First the path, then the verb.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use super::laxer::{self, Laxer, Reading};
use super::{Denial, Endpoint};

/// Which endpoint answers which verb at which path.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    paths: matchit::Router<usize>,
    places: Vec<Place>,
    endpoints: Vec<Arc<Endpoint>>,
    /// Where each template stands among the places.
    templates: HashMap<Arc<str>, usize>,
    /// Where readers that are laxer with names find the places, and those that cut formats off.
    laxer: [Laxer; 2],
    /// Whether a template is written so that a plain path may be a laxer reader's name for it.
    odd: bool,
    /// By the first segment of a path: whether all endpoints below it are public.
    public: HashMap<Box<str>, bool>,
    /// Whether any endpoint asks who is calling.
    guarded: bool,
}

/// The verbs that one path template serves.
#[derive(Clone, Debug)]
struct Place {
    /// Verbs and aliases, each with its endpoint.
    verbs: Vec<(Method, usize)>,
}

/// Where a request leads.
#[derive(Clone, Debug)]
pub enum Route {
    /// To this endpoint.
    Found(Arc<Endpoint>),
    /// Nowhere.
    Missing {
        /// Whether guarded endpoints stand near: then an anonymous caller is asked for a
        /// credential first, and learns nothing about what exists.
        guarded: bool,
        /// What a known caller is told.
        denial: Box<Denial>,
    },
}

/// Two endpoints that cannot stand beside each other, or a template that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RouteError {
    /// The same verb, or alias, twice at one path.
    #[error("`{verb} {path}` is served twice")]
    Twice {
        /// The verb or alias.
        verb: Method,
        /// The path template.
        path: Arc<str>,
    },
    /// Two templates match the same paths and differ only in names, or one is malformed.
    #[error("the path `{path}` cannot be served: {why}")]
    Template {
        /// The path template.
        path: Arc<str>,
        /// What is wrong with it.
        why: String,
    },
}

impl Route {
    /// The endpoint, where there is one.
    #[must_use]
    pub fn endpoint(&self) -> Option<&Arc<Endpoint>> {
        match self {
            Self::Found(endpoint) => Some(endpoint),
            Self::Missing { .. } => None,
        }
    }
}

impl Routes {
    /// Adds an endpoint; its index becomes its place among all.
    ///
    /// # Errors
    /// [`RouteError`] where it clashes with one that is there.
    pub fn add(&mut self, mut endpoint: Endpoint) -> Result<Arc<Endpoint>, RouteError> {
        endpoint.index = self.endpoints.len();
        let place = self.place(&endpoint.path)?;
        let verbs = std::iter::once(&endpoint.verb).chain(&endpoint.aliases);
        for verb in verbs {
            if place.verbs.iter().any(|(taken, _)| taken == verb) {
                let path = Arc::clone(&endpoint.path);
                return Err(RouteError::Twice { verb: verb.clone(), path });
            }
            place.verbs.push((verb.clone(), endpoint.index));
        }
        let public = endpoint.access.is_public();
        self.guarded |= !public;
        *self.public.entry(first(&endpoint.path).into()).or_insert(true) &= public;
        let endpoint = Arc::new(endpoint);
        self.endpoints.push(Arc::clone(&endpoint));
        Ok(endpoint)
    }

    fn place(&mut self, path: &Arc<str>) -> Result<&mut Place, RouteError> {
        let next = self.places.len();
        let index = match self.templates.get(path) {
            Some(index) => *index,
            None => {
                self.paths.insert(path.to_string(), next).map_err(|error| {
                    RouteError::Template { path: Arc::clone(path), why: error.to_string() }
                })?;
                self.odd |= laxer::may_differ(path);
                let [names, formats] = &mut self.laxer;
                if let Err(laxer::Clash) = names.add(path, next, Reading::OfNames) {
                    self.paths.remove(path.to_string());
                    let why = "to readers for whom capitals or a slash at the end say nothing it \
                               is another path here: write both alike, or keep them apart";
                    return Err(RouteError::Template { path: Arc::clone(path), why: why.into() });
                }
                // Such a reader is looked for where something is guarded, and may find less.
                let _ = formats.add(path, next, Reading::OfFormats);
                self.places.push(Place { verbs: Vec::new() });
                self.templates.insert(Arc::clone(path), next);
                next
            }
        };
        let missing = || RouteError::Template { path: Arc::clone(path), why: "lost".into() };
        self.places.get_mut(index).ok_or_else(missing)
    }

    /// All endpoints, in the order in which they were added.
    pub fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.endpoints.iter()
    }

    /// The endpoint of that index.
    #[must_use]
    pub fn endpoint(&self, index: usize) -> Option<&Arc<Endpoint>> {
        self.endpoints.get(index)
    }

    /// The endpoints of every verb at this path, which must be canonical.
    pub fn at(&self, path: &str) -> impl Iterator<Item = &Arc<Endpoint>> {
        let place = self.paths.at(path).ok().and_then(|found| self.places.get(*found.value));
        let verbs = place.into_iter().flat_map(|place| &place.verbs);
        verbs.filter_map(|(_, index)| self.endpoints.get(*index))
    }

    /// Whether laxer readers do no harm with a canonical path. Some cut `;…` off, to some a slash at
    /// the end or capitals say nothing, some cut a format off (`.json`): they must find it where it
    /// leads here, or at an endpoint that demands no more than the one here, which is what `covers`
    /// says of the two. What leads nowhere is read alike: it goes nowhere.
    #[must_use]
    pub fn reads_alike(
        &self,
        verb: &Method,
        overridden: Option<&Method>,
        path: &str,
        covers: impl Fn(&Endpoint, &Endpoint) -> bool,
    ) -> bool {
        if !self.odd && !laxer::may_differ(path) {
            return true;
        }
        let Ok(found) = self.paths.at(path) else { return true };
        // Written as the configuration has it, it is meant.
        if found.params.is_empty() {
            return true;
        }
        let Route::Found(own) = self.find(verb, overridden, path) else { return true };
        // What is answered here has no other reader.
        if own.about.built_in {
            return true;
        }
        let [names, formats] = &self.laxer;
        let harmless = |places: &[usize]| {
            places.contains(found.value)
                || places.iter().all(|place| self.covers(*place, &own, &covers))
        };
        let named = names.at(path, Reading::OfNames);
        !laxer::loses_a_name(path)
            && !named.is_empty()
            && harmless(named)
            && (!laxer::names_a_format(path) || harmless(formats.at(path, Reading::OfFormats)))
    }

    /// Whether who may do what leads to `own` may do the same at a place. A verb that is not served
    /// there nobody may use there, unless it changes nothing (RFC 9110 section 9.2.1) and all that
    /// is served there they may do.
    fn covers(
        &self,
        place: usize,
        own: &Endpoint,
        covers: impl Fn(&Endpoint, &Endpoint) -> bool,
    ) -> bool {
        let Some(place) = self.places.get(place) else { return false };
        let of = |index: usize| self.endpoints.get(index).filter(|other| !other.about.built_in);
        let covered = |index: usize| of(index).is_some_and(|other| covers(own, other));
        match place.verbs.iter().find(|(verb, _)| *verb == own.verb) {
            Some((_, index)) => covered(*index),
            None => own.verb.is_safe() && place.verbs.iter().all(|(_, index)| covered(*index)),
        }
    }

    /// Where `verb path` leads. `overridden` is the verb of `X-AGIS-Method`, which counts where
    /// the endpoint allows it; the path must be canonical.
    #[must_use]
    pub fn find(&self, verb: &Method, overridden: Option<&Method>, path: &str) -> Route {
        let place = self.paths.at(path).ok().and_then(|found| self.places.get(*found.value));
        let Some(place) = place else {
            let guarded = self.guarded && !self.beside_public_only(path);
            return Route::Missing { guarded, denial: Box::new(Denial::UnknownPath) };
        };
        let verb = overridden.unwrap_or(verb);
        let served = place.verbs.iter().find(|(served, _)| served == verb);
        let endpoint = served.and_then(|(_, index)| self.endpoints.get(*index));
        let endpoint =
            endpoint.or_else(|| self.headline(place, verb).filter(|_| overridden.is_none()));
        match endpoint {
            Some(endpoint) if overridden.is_none() || endpoint.method_override => {
                Route::Found(Arc::clone(endpoint))
            }
            _ => self.no_verb(place, overridden.is_some()),
        }
    }

    /// The path as the configuration has it, where it has no parameters: it names nobody.
    #[must_use]
    pub fn constant(&self, path: &str) -> Option<Arc<str>> {
        let place = self.places.get(*self.paths.at(path).ok()?.value)?;
        let (_, index) = place.verbs.first()?;
        let written = &self.endpoints.get(*index)?.path;
        (**written == *path).then(|| Arc::clone(written))
    }

    /// What answers a HEAD that nobody serves as such: the endpoint of GET, under the same rights
    /// (RFC 9110 section 9.3.2). Where a protocol is spoken, that says which methods there are.
    fn headline(&self, place: &Place, verb: &Method) -> Option<&Arc<Endpoint>> {
        let (_, index) = place.verbs.iter().find(|(served, _)| *served == Method::GET)?;
        let endpoint = self.endpoints.get(*index).filter(|_| *verb == Method::HEAD)?;
        (!endpoint.speaks_a_protocol()).then_some(endpoint)
    }

    fn no_verb(&self, place: &Place, overridden: bool) -> Route {
        let endpoint = |(_, index): &(Method, usize)| self.endpoints.get(*index);
        let guarded =
            place.verbs.iter().filter_map(endpoint).any(|endpoint| !endpoint.access.is_public());
        let denial = if overridden {
            Denial::Override
        } else {
            Denial::UnknownVerb(place.verbs.iter().map(|(verb, _)| verb.clone()).collect())
        };
        Route::Missing { guarded, denial: Box::new(denial) }
    }

    /// Whether all endpoints under the first segment of `path` are public, and there are some.
    fn beside_public_only(&self, path: &str) -> bool {
        self.public.get(first(path)).copied().unwrap_or(false)
    }
}

/// The first segment of a path.
fn first(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}
