//! Plan to tokens. Cannot fail.
//!
//! Every name of ours is mixed-site and every path absolute, so that the body sees none of them
//! and they see nothing of the user's; the body goes in with the braces it came in.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, TokenStreamExt, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{FnArg, ReturnType, Type};

use crate::capture::{Parameter, hold_receiver};
use crate::ending::{finish, show, without_capture};
use crate::inside::assigned;
use crate::kind::Macro;
use crate::model::{Flow, Input, Plan, Through, output_position};
use crate::opaque::without_impl;
use crate::options::Flush;
use crate::pinned::expand_pinned;
use crate::shape::{Shape, opaque_inside, ungroup};
use crate::site::site;

/// The instrumented function.
pub(crate) fn expand(plan: &Plan<'_>) -> TokenStream {
    match &plan.flow {
        Flow::Guard => guard(plan),
        Flow::Sync { gives, in_place } => synchronous(plan, *gives, *in_place),
        Flow::Pinned(pinned) => expand_pinned(plan, pinned),
        Flow::Async { gives, keep } => asynchronous(plan, *gives, *keep),
    }
}

/// The signature as it was written; a guard, then the body as the last expression.
fn guard(plan: &Plan<'_>) -> TokenStream {
    let signature = &plan.function.signature;
    let enter = begin(plan, Shape::Value, false);
    let opaque = matches!(&signature.output, ReturnType::Type(_, ty) if matches!(ungroup(ty), Type::ImplTrait(_)));
    let body = if opaque {
        // Closures learn their signature from a declared `impl Fn`, which an arm would not hand down.
        plan.block.group.to_token_stream()
    } else {
        body(plan)
    };
    let body = quote_spanned!(mixed()=> let __guard = #enter; #body);
    function(plan, &signature.to_token_stream(), &body)
}

/// The span, then the value of the body, which the span is shown.
fn synchronous(plan: &Plan<'_>, gives: Shape, in_place: bool) -> TokenStream {
    let late = !in_place && plan.reads_patterns;
    let begin = begin(plan, gives, late);
    let finish = finish(plan);
    let (signature, value) = if in_place {
        let (runtime, ty, group) = (&plan.runtime, declared(plan), &plan.block.group);
        // What is recorded is used. Only what is bound again can be unused by the body, and said so.
        let bind_again = !plan.reads_patterns && !plan.inputs.is_empty();
        let bind = plan.parameters.iter().filter(|_| bind_again);
        let bind = bind.map(|parameter| &parameter.inner);
        // What follows a body that diverges must not seem unreachable.
        let value = quote_spanned!(mixed()=> if true #group else { #runtime::returned() });
        let value = told(plan, &value);
        let value = quote_spanned!(mixed()=> #(#bind)* let value: #ty = #value;);
        let signature = if bind_again {
            rewritten(plan, true, None)
        } else {
            plan.function.signature.to_token_stream()
        };
        (signature, value)
    } else {
        let body = closure(plan);
        let value = if late {
            quote_spanned!(mixed()=> span.run(#body))
        } else {
            quote_spanned!(mixed()=> (#body)())
        };
        let value = told(plan, &value);
        let once = (!late).then(|| {
            let runtime = &plan.runtime;
            quote_spanned!(mixed()=> let once = #runtime::Once;)
        });
        let value = quote_spanned!(mixed()=> #once let value = #value;);
        (rewritten(plan, true, None), value)
    };
    if gives == Shape::Value && !late {
        let show = show(plan);
        let body = quote_spanned! {mixed()=>
            let mut span = #begin;
            #value
            if span.is_open() { #show }
            value
        };
        return function(plan, &signature, &body);
    }
    let method = match gives {
        Shape::Value | Shape::Asked => "follow",
        Shape::Future => "future",
        Shape::Stream | Shape::StreamInside => "stream",
        Shape::Iterator | Shape::IteratorInside => "iterator",
    };
    let method = Ident::new(method, mixed());
    let of = hint(plan, gives).map(|of| quote_spanned!(mixed()=> ::<#of, _, _>));
    let begun = late.then(|| quote_spanned!(mixed()=> .begun()));
    let follow = match gives {
        Shape::StreamInside | Shape::IteratorInside => {
            let (runtime, fail) = (&plan.runtime, without_capture(plan));
            let span = begun.map_or_else(
                || quote_spanned!(mixed()=> &mut span),
                |begun| quote_spanned!(mixed()=> span #begun),
            );
            quote_spanned!(mixed()=> #runtime::Carries::of(&value).#method #of (#span, value, #finish, #fail))
        }
        Shape::Future => flushed(
            plan,
            quote_spanned!(mixed()=> span #begun.#method #of (value, #finish)),
        ),
        _ => quote_spanned!(mixed()=> span #begun.#method #of (value, #finish)),
    };
    let body = quote_spanned! {mixed()=>
        let mut span = #begin;
        #value
        #follow
    };
    function(plan, &signature, &body)
}

/// How the span of a function begins that is not async.
pub(crate) fn begin(plan: &Plan<'_>, gives: Shape, late: bool) -> TokenStream {
    let runtime = &plan.runtime;
    if gives == Shape::Value
        && !late
        && let Some((site, values)) = only_arguments(plan)
    {
        return quote_spanned! {mixed()=>
            if #runtime::is_on() { #runtime::enter_with_arguments(#site, #values) } else { #runtime::Entered::NOTHING }
        };
    }
    let site = site(plan, &[]);
    let start = start(plan);
    let with = (!start.is_empty()).then(|| quote_spanned!(mixed()=> , |start| { #start }));
    match gives {
        Shape::Future if late => {
            quote_spanned!(mixed()=> #runtime::Late::<#runtime::Prepared>::new(#site))
        }
        Shape::Future => {
            let with = with.unwrap_or_else(|| quote_spanned!(mixed()=> , |_| {}));
            quote_spanned!(mixed()=> #runtime::prepare(#site #with))
        }
        Shape::Asked => {
            let ask = ask(plan);
            match with {
                _ if late => quote_spanned!(mixed()=> #ask.begins().late(#site)),
                None => quote_spanned!(mixed()=> #ask.begins().enter(#site)),
                with => quote_spanned!(mixed()=> #ask.begins().enter_with(#site #with)),
            }
        }
        _ if late => quote_spanned!(mixed()=> #runtime::Late::<#runtime::Entered>::new(#site)),
        _ => match with {
            None => quote_spanned!(mixed()=> #runtime::enter(#site)),
            with => quote_spanned!(mixed()=> #runtime::enter_with(#site #with)),
        },
    }
}

/// The question to the declared type.
fn ask(plan: &Plan<'_>) -> TokenStream {
    let (runtime, ty) = (&plan.runtime, declared(plan));
    let question = match &plan.flow {
        Flow::Sync { .. } if flushes(plan) => "FlushedReturns",
        _ => "Returns",
    };
    let question = Ident::new(question, mixed());
    quote_spanned!(mixed()=> #runtime::#question::<#ty>::ASK)
}

/// The declared type as the body may name it.
pub(crate) fn declared(plan: &Plan<'_>) -> TokenStream {
    match &plan.function.signature.output {
        ReturnType::Default => quote_spanned!(mixed()=> ()),
        ReturnType::Type(_, ty) => without_impl(ty),
    }
}

/// The body in an async block, which is a field of the runtime's future.
fn asynchronous(plan: &Plan<'_>, gives: Shape, keep: bool) -> TokenStream {
    let runtime = &plan.runtime;
    let signature = &plan.function.signature;
    let finish = finish(plan);
    let never = is_never(&signature.output);
    let returned = if never {
        quote_spanned!(mixed()=> ::core::convert::Infallible)
    } else {
        declared(plan)
    };
    let (site, begin) = begin_inside(plan);
    let with_input = begin.is_some();
    let hold = hold_receiver(signature);
    let bind = plan.parameters.iter().map(|parameter| &parameter.inner);
    let bound = if plan.reads_patterns {
        quote_spanned!(mixed()=> #(#bind)* #begin)
    } else {
        // An async block that is dropped before it is polled drops what it holds in the order in
        // which it names it; what `begin` leaves out must not come last for that.
        let captured = |name: &Ident| plan.inputs.iter().any(|input| input.ident == *name);
        let in_order = !with_input
            || plan
                .parameters
                .iter()
                .all(|parameter| parameter.names.iter().any(captured));
        let touch = plan
            .parameters
            .iter()
            .filter(|_| !in_order)
            .map(|parameter| &parameter.touch);
        quote_spanned!(mixed()=> #(#touch)* #begin #(#bind)*)
    };
    let body = body(plan);
    let (first, last) = output_position(&signature.output);
    let (runtime_there, call) = (respan(runtime, first), quote_spanned!(last=> ()));
    let declared = quote_spanned!(first=> #runtime_there::returned::<#returned> #call);
    // The `return` is never reached: it tells inference the declared type before the body is looked
    // at, as the signature of an `async fn` does.
    let future = quote_spanned! {mixed()=>
        async move {
            #hold
            #bound
            if false {
                return #declared;
            }
            #body
        }
    };
    let new = |method: &str| {
        let (method, of) = (Ident::new(method, mixed()), hint(plan, gives));
        quote_spanned!(mixed()=> #runtime::Async::new(#site, #with_input).#method::<#of, _, _, _>(#future, #finish))
    };
    let inside = |method: &str| {
        let (method, of, fail) = (
            Ident::new(method, mixed()),
            hint(plan, gives),
            without_capture(plan),
        );
        quote_spanned!(mixed()=> {
            let future = #future;
            #runtime::Carries::later(&future)
                .#method::<#of, _, _, _>(#runtime::Async::new(#site, #with_input), future, #finish, #fail)
        })
    };
    let call = match gives {
        Shape::StreamInside => inside("stream_later"),
        Shape::IteratorInside => inside("iterator_later"),
        Shape::Value | Shape::Future if with_input => {
            quote_spanned!(mixed()=> #runtime::future_with_input(#site, #future, #finish))
        }
        Shape::Value | Shape::Future => {
            quote_spanned!(mixed()=> #runtime::future(#site, #future, #finish))
        }
        Shape::Stream => new("stream"),
        Shape::Iterator => new("iterator"),
        Shape::Asked => {
            let ask = ask(plan);
            quote_spanned!(mixed()=> #ask.call(#site, #with_input).value(#future, #finish))
        }
    };
    let call = flushed(plan, call);
    if keep {
        let awaited = if never {
            quote_spanned!(mixed()=> match #call.await {})
        } else {
            quote_spanned!(mixed()=> #call.await)
        };
        return function(plan, &rewritten(plan, true, None), &awaited);
    }
    let output = match &signature.output {
        ReturnType::Default => quote_spanned!(mixed()=> ()),
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    };
    // A mixed-site `impl` has the edition of this crate: it captures every lifetime in scope, as an
    // `async fn` does, also for callers of edition 2021. Lints point at it.
    let here = match &signature.output {
        ReturnType::Default => mixed().located_at(signature.ident.span()),
        ReturnType::Type(..) => first,
    };
    let output = quote_spanned!(here=> -> impl ::core::future::Future<Output = #output>);
    function(plan, &rewritten(plan, false, Some(&output)), &call)
}

/// The site, and the first statement of an async block whose span starts with something.
fn begin_inside(plan: &Plan<'_>) -> (TokenStream, Option<TokenStream>) {
    let runtime = &plan.runtime;
    if let Some((site, values)) = only_arguments(plan) {
        let begin = quote_spanned!(mixed()=> #runtime::begin_with_arguments(#values););
        return (site, Some(begin));
    }
    let start = start(plan);
    let begin =
        (!start.is_empty()).then(|| quote_spanned!(mixed()=> #runtime::begin(|start| { #start });));
    (site(plan, &[]), begin)
}

/// What `impl Trait<Item = T>` says of the value, for inference inside of the body.
pub(crate) fn hint(plan: &Plan<'_>, gives: Shape) -> Option<TokenStream> {
    let name = match gives {
        Shape::Value | Shape::Asked => return None,
        Shape::Future => "Output",
        _ => "Item",
    };
    let declared = match &plan.function.signature.output {
        ReturnType::Type(_, ty) => match ungroup(ty) {
            Type::ImplTrait(ty) => assigned(&ty.bounds, name),
            _ => opaque_inside(ty).and_then(|ty| assigned(&ty.bounds, name)),
        },
        ReturnType::Default => None,
    };
    Some(declared.map_or_else(|| quote_spanned!(mixed()=> _), without_impl))
}

/// The value, told of that before it is looked at.
fn told(plan: &Plan<'_>, value: &TokenStream) -> TokenStream {
    let Flow::Sync { gives, .. } = &plan.flow else {
        return value.clone();
    };
    let identity = match gives {
        Shape::Future => "future_of",
        Shape::Stream => "stream_of",
        Shape::Iterator => "iterator_of",
        _ => return value.clone(),
    };
    let (runtime, identity, of) = (
        &plan.runtime,
        Ident::new(identity, mixed()),
        hint(plan, *gives),
    );
    quote_spanned!(mixed()=> #runtime::#identity::<#of, _>(#value))
}

/// An agent's future is done when its trace is flushed.
pub(crate) fn flushed(plan: &Plan<'_>, call: TokenStream) -> TokenStream {
    if !flushes(plan) {
        return call;
    }
    let runtime = &plan.runtime;
    quote_spanned!(mixed()=> {
        let future = #call;
        #runtime::Flushing::of(&future).flushed(future)
    })
}

fn flushes(plan: &Plan<'_>) -> bool {
    plan.macro_ == Macro::Agent && !matches!(plan.options.flush, Some(Flush::No))
}

pub(crate) fn mixed() -> Span {
    Span::mixed_site()
}

pub(crate) fn function(
    plan: &Plan<'_>,
    signature: &TokenStream,
    body: &TokenStream,
) -> TokenStream {
    let function = plan.function;
    let (attributes, visibility, defaultness) = (
        &function.attributes,
        &function.visibility,
        &function.defaultness,
    );
    let inner = &plan.block.inner_attributes;
    let mut whole = Group::new(Delimiter::Brace, quote!(#inner #body));
    whole.set_span(plan.block.group.span());
    quote!(#(#attributes)* #visibility #defaultness #signature #whole)
}

/// The signature with every parameter but `self` under one name, to be bound again inside.
fn rewritten(plan: &Plan<'_>, keep_async: bool, output: Option<&TokenStream>) -> TokenStream {
    let parameters = plan.parameters.iter().map(|parameter| &parameter.outer);
    signature_with(plan, keep_async, output, &quote!(#(#parameters),*))
}

fn signature_with(
    plan: &Plan<'_>,
    keep_async: bool,
    output: Option<&TokenStream>,
    parameters: &TokenStream,
) -> TokenStream {
    let signature = &plan.function.signature;
    let asyncness = signature.asyncness.as_ref().filter(|_| keep_async);
    let (safety, abi, fn_token) = (&signature.safety, &signature.abi, &signature.fn_token);
    let (ident, generics, where_clause) = (
        &signature.ident,
        &signature.generics,
        &signature.generics.where_clause,
    );
    let output = output.map_or_else(|| signature.output.to_token_stream(), Clone::clone);
    let mut tokens = quote!(#asyncness #safety #abi #fn_token #ident #generics);
    signature.paren_token.surround(&mut tokens, |tokens| {
        if let Some(receiver @ FnArg::Receiver(_)) = signature.inputs.first() {
            receiver.to_tokens(tokens);
            tokens.append_all(quote_spanned!(mixed()=> ,));
        }
        tokens.append_all(parameters.clone());
    });
    tokens.append_all(output);
    where_clause.to_tokens(&mut tokens);
    tokens
}

/// `move || -> T { … }` around the body, parameters bound again in front of it.
fn closure(plan: &Plan<'_>) -> TokenStream {
    let output = declared(plan);
    let hold = hold_receiver(&plan.function.signature);
    // What is recorded is used: then only what is bound again can be said to be unused by the body.
    let stays = |parameter: &&Parameter| parameter.may_stay && plan.inputs.is_empty();
    let bind = plan
        .parameters
        .iter()
        .filter(|parameter| !stays(parameter))
        .map(|parameter| &parameter.inner);
    let (argument, begin) = if plan.reads_patterns {
        let start = start(plan);
        (
            quote_spanned!(mixed()=> late),
            quote_spanned!(mixed()=> late.begin(|start| { #start });),
        )
    } else {
        // What is called where it is made and hands on what it was given a `&mut` of, would not be called by value. A
        // call through a function of ours would hold all that was captured on the stack twice more.
        let once = quote_spanned!(mixed()=> let _once = once;);
        (TokenStream::new(), once)
    };
    let body = body(plan);
    quote_spanned!(mixed()=> move |#argument| -> #output { #hold #(#bind)* #begin #body })
}

/// The body where statements of ours stand before it. An arm is where temporaries of its last
/// expression are dropped, so they go before the parameters do, as in a function.
fn body(plan: &Plan<'_>) -> TokenStream {
    let group = &plan.block.group;
    quote_spanned!(mixed()=> match () { () => #group })
}

/// The site, and the values of what is recorded on entry, if that is nothing but arguments: then the site has their
/// names. That costs the compiler much less than a closure.
fn only_arguments(plan: &Plan<'_>) -> Option<(TokenStream, TokenStream)> {
    let options = plan.options;
    let more = !options.attributes.is_empty()
        || !options.metadata.is_empty()
        || !options.tags.is_empty()
        || !options.identifiers.is_empty()
        || options.parent.is_some();
    let plain = |input: &Input| input.through == Through::Serialize && input.cfg.is_empty();
    if plan.inputs.is_empty() || more || !plan.inputs.iter().all(plain) {
        return None;
    }
    let mut names = Vec::new();
    let mut values = TokenStream::new();
    for input in &plan.inputs {
        let ident = &input.ident;
        names.push(ident.unraw().to_string());
        values.append_all(quote_spanned!(mixed().located_at(ident.span())=> &#ident,));
    }
    Some((site(plan, &names), quote_spanned!(mixed()=> &[#values])))
}

/// What is recorded on entry, as statements on `start`.
fn start(plan: &Plan<'_>) -> TokenStream {
    let runtime = &plan.runtime;
    let options = plan.options;
    let mut statements = TokenStream::new();
    if let Some(parent) = &options.parent {
        let here = mixed().located_at(parent.span());
        let runtime = respan(runtime, here);
        let parent = quote_spanned!(here=> #runtime::AsParent::as_parent(&(#parent)));
        // First: what is said here goes before what comes along.
        statements.append_all(quote_spanned!(mixed()=> start.parent(#parent);));
    }
    for input in &plan.inputs {
        let (cfg, ident) = (&input.cfg, &input.ident);
        let name = ident.unraw().to_string();
        let here = mixed().located_at(ident.span());
        let (trait_, runtime) = match input.through {
            Through::Serialize => (Ident::new("Argument", here), respan(runtime, here)),
            Through::Debug => (Ident::new("DebugArgument", here), respan(runtime, here)),
        };
        statements.append_all(
            quote_spanned!(here=> #cfg #runtime::#trait_::field(&#ident, start, #name);),
        );
    }
    for (key, value) in &options.attributes {
        let here = mixed().located_at(value.span());
        let runtime = respan(runtime, here);
        statements.append_all(
            quote_spanned!(here=> #runtime::Attribute::attribute(&(#value), start, #key);),
        );
    }
    for (key, value) in &options.metadata {
        let here = mixed().located_at(value.span());
        let runtime = respan(runtime, here);
        statements.append_all(
            quote_spanned!(here=> #runtime::Metadata::metadata(&(#value), start, #key);),
        );
    }
    for value in &options.tags {
        let value = quote_spanned!(mixed().located_at(value.span())=> &(#value));
        statements.append_all(quote_spanned!(mixed()=> start.tag(#value);));
    }
    for (key, value) in &options.identifiers {
        let setter = Ident::new(key.name(), mixed());
        let here = mixed().located_at(value.span());
        let runtime_here = respan(runtime, here);
        let value = quote_spanned!(here=> #runtime_here::Identifier::new(&(#value)).get());
        statements.append_all(quote_spanned! {mixed()=>
            #runtime::identifier(#value, |id| start.#setter(id));
        });
    }
    statements
}

/// Moves tokens of ours to where a message about them shall point.
pub(crate) fn respan(tokens: &TokenStream, span: Span) -> TokenStream {
    let moved = tokens.clone().into_iter().map(|mut token| {
        token.set_span(token.span().located_at(span));
        token
    });
    moved.collect()
}

pub(crate) fn is_never(output: &ReturnType) -> bool {
    matches!(output, ReturnType::Type(_, ty) if matches!(ungroup(ty), Type::Never(_)))
}
