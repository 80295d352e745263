//! What the block around a function says of the names in its signature. An attribute on the block sees that; one on
//! the function does not.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::{GenericArgument, GenericParam, Generics, ImplItemType, PathArguments, Token, Type};

use crate::inside::replace;
use crate::shape::ungroup;

/// How often a type is looked up that stands for another one.
const LOOKED_UP: usize = 8;

/// An `impl` block.
pub(crate) struct Surroundings {
    pub(crate) generics: Generics,
    /// Whose methods these are.
    pub(crate) self_type: Type,
    /// The name of the trait that is implemented.
    trait_name: Option<Ident>,
    /// `type NAME = …;`
    types: Vec<ImplItemType>,
}

impl Surroundings {
    /// Reads what stands before the braces, and the types between them. `None` if that is no `impl` block.
    pub(crate) fn of(head: &[TokenTree], inside: TokenStream) -> Option<Self> {
        let is_impl =
            |token: &TokenTree| matches!(token, TokenTree::Ident(ident) if ident == "impl");
        let start = head.iter().position(is_impl)? + 1;
        let head: TokenStream = head[start..].iter().cloned().collect();
        let (generics, self_type, trait_name) = Parser::parse2(header, head).ok()?;
        Some(Self {
            generics,
            self_type,
            trait_name,
            types: types(inside),
        })
    }

    /// The type with what `Self::Name` stands for in place of that, wherever this block says it.
    pub(crate) fn spelled_out(&self, ty: &Type) -> Type {
        let mut ty = ty.clone();
        for _ in 0..LOOKED_UP {
            let mut found = false;
            replace(&mut ty, &mut |ty| {
                let stands_for = self.stands_for(ty);
                found |= stands_for.is_some();
                stands_for
            });
            if !found {
                break;
            }
        }
        ty
    }

    fn stands_for(&self, ty: &Type) -> Option<Type> {
        let Type::Path(path) = ungroup(ty) else {
            return None;
        };
        let segments = &path.path.segments;
        let ours = match &path.qself {
            None => segments.len() == 2 && segments[0].ident == "Self",
            Some(qself) => {
                let is_self =
                    matches!(ungroup(&qself.ty), Type::Path(ty) if ty.path.is_ident("Self"));
                let of_trait = segments.iter().nth_back(1).map(|segment| &segment.ident);
                is_self && qself.position > 0 && of_trait == self.trait_name.as_ref()
            }
        };
        let last = segments.last().filter(|_| ours)?;
        let mut named = self.types.iter().filter(|ty| ty.ident == last.ident);
        // There are several where `cfg` chooses.
        match (named.next(), named.next()) {
            (Some(found), None) => applied(found, &last.arguments),
            _ => None,
        }
    }
}

fn header(input: ParseStream<'_>) -> syn::Result<(Generics, Type, Option<Ident>)> {
    let mut generics: Generics = if input.peek(Token![<]) {
        input.parse()?
    } else {
        Generics::default()
    };
    input.parse::<Option<Token![!]>>()?;
    let first: Type = input.parse()?;
    let (self_type, trait_name) = if input.peek(Token![for]) {
        input.parse::<Token![for]>()?;
        let trait_name = match ungroup(&first) {
            Type::Path(path) => path.path.segments.last().map(|last| last.ident.clone()),
            _ => None,
        };
        (input.parse()?, trait_name)
    } else {
        (first, None)
    };
    generics.where_clause = input.parse()?;
    Ok((generics, self_type, trait_name))
}

/// Between the braces of an `impl`, the word `type` begins a type and nothing else.
fn types(inside: TokenStream) -> Vec<ImplItemType> {
    let mut types = Vec::new();
    let mut tokens = inside.into_iter();
    while let Some(token) = tokens.next() {
        if matches!(&token, TokenTree::Ident(ident) if ident == "type") {
            let mut item = TokenStream::from(token);
            for token in tokens.by_ref() {
                let ends = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ';');
                item.extend([token]);
                if ends {
                    break;
                }
            }
            types.extend(syn::parse2::<ImplItemType>(item));
        }
    }
    types
}

/// The type with these arguments for its parameters; `None` where some are left to be inferred.
fn applied(found: &ImplItemType, arguments: &PathArguments) -> Option<Type> {
    let parameters = &found.generics.params;
    let arguments = match arguments {
        PathArguments::AngleBracketed(arguments) => arguments.args.iter().collect(),
        _ => Vec::new(),
    };
    if parameters.len() != arguments.len() {
        return None;
    }
    if arguments.is_empty() {
        return Some(found.ty.clone());
    }
    let pairs: Vec<(&GenericParam, &GenericArgument)> = parameters.iter().zip(arguments).collect();
    syn::parse2(put_in(found.ty.to_token_stream(), &pairs)).ok()
}

fn put_in(tokens: TokenStream, pairs: &[(&GenericParam, &GenericArgument)]) -> TokenStream {
    let argument = |name: &Ident, lifetime: bool| {
        let named = pairs.iter().find(|(parameter, _)| match parameter {
            GenericParam::Lifetime(parameter) => lifetime && parameter.lifetime.ident == *name,
            GenericParam::Type(parameter) => !lifetime && parameter.ident == *name,
            GenericParam::Const(parameter) => !lifetime && parameter.ident == *name,
        });
        named.map(|(_, argument)| argument.to_token_stream())
    };
    let mut put = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(quote) if quote.as_char() == '\'' => {
                let lifetime = match tokens.peek() {
                    Some(TokenTree::Ident(name)) => argument(name, true),
                    _ => None,
                };
                match lifetime {
                    Some(lifetime) => {
                        tokens.next();
                        put.extend(lifetime);
                    }
                    None => put.extend([TokenTree::Punct(quote)].into_iter().chain(tokens.next())),
                }
            }
            TokenTree::Ident(name) => match argument(&name, false) {
                Some(argument) => put.extend(argument),
                None => put.extend([TokenTree::Ident(name)]),
            },
            TokenTree::Group(group) => {
                let inside = put_in(group.stream(), pairs);
                put.extend([TokenTree::Group(proc_macro2::Group::new(
                    group.delimiter(),
                    inside,
                ))]);
            }
            other => put.extend([other]),
        }
    }
    put
}
