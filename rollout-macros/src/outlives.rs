//! Whether what a box gives is known to live as long as the box may, decided from what is spelled.
//!
//! `dyn Future<Output = T> + 'static` may be written where `T` is not `'static`, and an `async` block that only makes
//! its `T` goes into such a box. Nothing that holds a `T` does, and so no wrapper of ours around that box.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    FnArg, GenericArgument, GenericParam, Generics, Lifetime, PathArguments, PathSegment,
    Signature, Type, TypeParamBound, TypeTraitObject, WherePredicate,
};

use crate::inside::assigned;
use crate::shape::ungroup;
use crate::surroundings::Surroundings;

/// What the names in a return type mean.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) signature: &'a Signature,
    /// The block around, if that is known.
    pub(crate) around: Option<&'a Surroundings>,
}

/// How long a box may live.
#[derive(Clone, Copy)]
enum Limit<'a> {
    Static,
    Named(&'a Ident),
    /// `'_`
    Elided,
}

impl<'a> Limit<'a> {
    fn of(lifetime: &'a Lifetime) -> Self {
        match lifetime.ident.to_string().as_str() {
            "static" => Limit::Static,
            "_" => Limit::Elided,
            _ => Limit::Named(&lifetime.ident),
        }
    }

    fn is(self, lifetime: &Ident) -> bool {
        match self {
            Limit::Static => false,
            Limit::Named(named) => named == lifetime,
            Limit::Elided => lifetime == "_",
        }
    }
}

/// Whether `dyn Trait<Item = T>` may outlive `T`.
pub(crate) fn object_may_outlive(object: &TypeTraitObject, scope: Scope<'_>) -> bool {
    let limit = object.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Lifetime(lifetime) => Some(Limit::of(lifetime)),
        _ => None,
    });
    let given = ["Item", "Output"]
        .into_iter()
        .find_map(|name| assigned(&object.bounds, name));
    given.is_some_and(|ty| {
        scope.may_not_outlive(ty.to_token_stream(), limit.unwrap_or(Limit::Static))
    })
}

/// Whether the box that this alias stands for may outlive the arguments. It says how long the box lives by a lifetime
/// of its own, or not at all.
pub(crate) fn alias_may_outlive(alias: &PathSegment, scope: Scope<'_>) -> bool {
    let PathArguments::AngleBracketed(arguments) = &alias.arguments else {
        return false;
    };
    let mut lifetimes = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Lifetime(lifetime) => Some(lifetime),
        _ => None,
    });
    let limit = lifetimes.next().map_or(Limit::Static, Limit::of);
    if lifetimes.next().is_some() {
        return false;
    }
    let mut others = arguments
        .args
        .iter()
        .filter(|argument| !matches!(argument, GenericArgument::Lifetime(_)));
    others.any(|argument| scope.may_not_outlive(argument.to_token_stream(), limit))
}

impl Scope<'_> {
    /// Whether a lifetime or a parameter among the tokens of a type may end before `limit`.
    fn may_not_outlive(self, ty: TokenStream, limit: Limit<'_>) -> bool {
        let mut tokens = ty.into_iter().peekable();
        while let Some(token) = tokens.next() {
            let ends = match token {
                TokenTree::Group(group) => self.may_not_outlive(group.stream(), limit),
                TokenTree::Ident(name) => self.type_may_end(&name, limit),
                TokenTree::Punct(punct) if punct.as_char() == '\'' => match tokens.next() {
                    Some(TokenTree::Ident(name)) => self.lifetime_may_end(&name, limit),
                    _ => false,
                },
                TokenTree::Punct(punct) if punct.as_char() == '&' => {
                    let named = matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == '\'');
                    !named && !matches!(limit, Limit::Elided)
                }
                _ => false,
            };
            if ends {
                return true;
            }
        }
        false
    }

    /// Whether `Self` may hold something that is borrowed.
    pub(crate) fn self_may_borrow(self) -> bool {
        !self.around.is_some_and(Surroundings::is_static)
    }

    /// Whether this name is that of a type parameter, or may be one of the block around.
    pub(crate) fn may_be_parameter(self, name: &Ident) -> bool {
        self.around.is_none_or(|around| around.has_type(name)) || self.has_type(name)
    }

    /// Whether this is a type parameter of the function.
    pub(crate) fn has_type(self, name: &Ident) -> bool {
        let mut own = self.signature.generics.type_params();
        own.any(|parameter| parameter.ident == *name)
    }

    fn lifetime_may_end(self, lifetime: &Ident, limit: Limit<'_>) -> bool {
        if lifetime == "static" || limit.is(lifetime) {
            return false;
        }
        let own = self
            .signature
            .generics
            .lifetimes()
            .any(|parameter| parameter.lifetime.ident == *lifetime);
        let implied = !own && lifetime != "_" && self.is_of_self(limit);
        !implied && !self.says(limit, |subject| subject.is_lifetime(lifetime))
    }

    fn type_may_end(self, name: &Ident, limit: Limit<'_>) -> bool {
        let implied = if self.has_type(name) {
            self.is_borrowed(name, limit)
        } else if name == "Self" {
            self.is_of_self(limit) || !self.self_may_borrow()
        } else {
            match self.around {
                Some(around) if !around.has_type(name) => true,
                Some(around) => {
                    self.is_of_self(limit) && mentions(around.self_type.to_token_stream(), name)
                }
                // A parameter of the block around is known by being one letter.
                None => name.to_string().len() != 1 || self.is_of_self(limit),
            }
        };
        !implied && !self.says(limit, |subject| subject.is_type(name))
    }

    /// Whether the limit is that of a borrow of `self`, which no part of `Self` ends before.
    fn is_of_self(self, limit: Limit<'_>) -> bool {
        let Some(FnArg::Receiver(receiver)) = self.signature.inputs.first() else {
            return false;
        };
        references(receiver.to_token_stream(), limit)
    }

    /// Whether a parameter's value is behind a reference with that limit.
    fn is_borrowed(self, parameter: &Ident, limit: Limit<'_>) -> bool {
        self.signature.inputs.iter().any(|argument| match argument {
            FnArg::Receiver(_) => false,
            FnArg::Typed(argument) => match ungroup(&argument.ty) {
                Type::Reference(ty) => {
                    let same = match &ty.lifetime {
                        None => matches!(limit, Limit::Elided),
                        Some(lifetime) => limit.is(&lifetime.ident),
                    };
                    same && mentions(ty.elem.to_token_stream(), parameter)
                }
                _ => false,
            },
        })
    }

    /// Whether a bound says so of the subject: `T: 'limit`, `'a: 'limit`.
    fn says(self, limit: Limit<'_>, is_subject: impl Fn(&Subject<'_>) -> bool) -> bool {
        let own = bounds(&self.signature.generics);
        let around = self.around.map(|around| bounds(&around.generics));
        let mut all = own.chain(around.into_iter().flatten());
        all.any(|(subject, lifetime)| {
            is_subject(&subject) && (lifetime == "static" || limit.is(lifetime))
        })
    }
}

impl Surroundings {
    /// Whether nothing in it is borrowed or may be.
    fn is_static(&self) -> bool {
        self.generics.params.is_empty() && !borrows(self.self_type.to_token_stream())
    }

    fn has_type(&self, name: &Ident) -> bool {
        self.generics
            .type_params()
            .any(|parameter| parameter.ident == *name)
    }
}

fn borrows(ty: TokenStream) -> bool {
    let mut tokens = ty.into_iter().peekable();
    let mut any = false;
    while let Some(token) = tokens.next() {
        any |= match token {
            TokenTree::Group(group) => borrows(group.stream()),
            TokenTree::Punct(punct) if punct.as_char() == '&' => true,
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                !matches!(tokens.next(), Some(TokenTree::Ident(name)) if name == "static")
            }
            _ => false,
        };
    }
    any
}

/// What a bound is about.
enum Subject<'a> {
    Lifetime(&'a Ident),
    Type(&'a Ident),
}

impl Subject<'_> {
    fn is_lifetime(&self, name: &Ident) -> bool {
        matches!(self, Subject::Lifetime(other) if *other == name)
    }

    fn is_type(&self, name: &Ident) -> bool {
        matches!(self, Subject::Type(other) if *other == name)
    }
}

/// All bounds of these parameters that are lifetimes.
fn bounds(generics: &Generics) -> impl Iterator<Item = (Subject<'_>, &Ident)> {
    fn lifetime(bound: &TypeParamBound) -> Option<&Ident> {
        match bound {
            TypeParamBound::Lifetime(lifetime) => Some(&lifetime.ident),
            _ => None,
        }
    }
    let mut all = Vec::new();
    for parameter in &generics.params {
        match parameter {
            GenericParam::Lifetime(parameter) => {
                let subject = || Subject::Lifetime(&parameter.lifetime.ident);
                all.extend(
                    parameter
                        .bounds
                        .iter()
                        .map(|bound| (subject(), &bound.ident)),
                );
            }
            GenericParam::Type(parameter) => {
                let subject = || Subject::Type(&parameter.ident);
                all.extend(
                    parameter
                        .bounds
                        .iter()
                        .filter_map(lifetime)
                        .map(|bound| (subject(), bound)),
                );
            }
            GenericParam::Const(_) => {}
        }
    }
    let clause = generics
        .where_clause
        .iter()
        .flat_map(|clause| &clause.predicates);
    for predicate in clause {
        match predicate {
            WherePredicate::Lifetime(predicate) => {
                let subject = || Subject::Lifetime(&predicate.lifetime.ident);
                all.extend(
                    predicate
                        .bounds
                        .iter()
                        .map(|bound| (subject(), &bound.ident)),
                );
            }
            WherePredicate::Type(predicate) => {
                if let Type::Path(path) = ungroup(&predicate.bounded_ty)
                    && let Some(ident) = path.path.get_ident()
                {
                    all.extend(
                        predicate
                            .bounds
                            .iter()
                            .filter_map(lifetime)
                            .map(|bound| (Subject::Type(ident), bound)),
                    );
                }
            }
            _ => {}
        }
    }
    all.into_iter()
}

/// Whether `&'limit` is among the tokens of a receiver.
fn references(receiver: TokenStream, limit: Limit<'_>) -> bool {
    let mut tokens = receiver.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) if references(group.stream(), limit) => return true,
            TokenTree::Punct(punct) if punct.as_char() == '&' => {
                let quoted = tokens.next_if(
                    |token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '\''),
                );
                let same = match (quoted, tokens.peek()) {
                    (None, _) => matches!(limit, Limit::Elided),
                    (Some(_), Some(TokenTree::Ident(name))) => limit.is(name),
                    (Some(_), _) => false,
                };
                if same {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

fn mentions(ty: TokenStream, name: &Ident) -> bool {
    ty.into_iter().any(|token| match token {
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Ident(ident) => ident == *name,
        _ => false,
    })
}
