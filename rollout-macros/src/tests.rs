//! One expansion per macro, formatted, as a reader would want to see it.

use proc_macro2::TokenStream;
use quote::quote;

use crate::entry;
use crate::kind::Macro;

fn expanded(macro_: Macro, options: TokenStream, item: TokenStream) -> String {
    let tokens = entry::attribute(macro_, options, item);
    let file = syn::parse2(tokens).expect("an expansion is a file of items");
    prettyplease::unparse(&file)
}

macro_rules! assert_expansion {
    ($expansion:expr $(,)?) => {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!($expansion);
        })
    };
}

#[test]
fn agent() {
    assert_expansion!(expanded(
        Macro::Agent,
        quote!(
            name = "support_agent",
            session_id = session,
            flush = "deliver",
            skip(client)
        ),
        quote! {
            /// Answers.
            pub async fn run_agent(client: &Client, session: &str, message: String) -> anyhow::Result<String> {
                client.complete(message).await
            }
        },
    ));
}

#[test]
fn trace() {
    assert_expansion!(expanded(
        Macro::Trace,
        quote!("nightly", join = true, capture_output = false),
        quote! {
            fn nightly() {
                run();
            }
        },
    ));
}

#[test]
fn span() {
    assert_expansion!(expanded(
        Macro::Span,
        quote!(type = "retrieval", debug(return)),
        quote! {
            fn documents<'a>(index: &'a Index, (query, _): (&str, u32)) -> Box<dyn Iterator<Item = Document> + 'a> {
                index.find(query)
            }
        },
    ));
}

#[test]
fn tool() {
    assert_expansion!(expanded(
        Macro::Tool,
        quote!(
            tool_call_id = call.id,
            attributes("order.id" = id),
            tags = ["orders"],
            skip(call)
        ),
        quote! {
            fn lookup_order(&self, call: &Call, mut id: u32) -> Result<Order, LookupError> {
                self.orders.get(id)
            }
        },
    ));
}

#[test]
fn task() {
    assert_expansion!(expanded(
        Macro::Task,
        quote!(skip_fn(quiet)),
        quote! {
            impl Planner {
                fn plan(self, (goal, depth): (Goal, u32)) -> Plan {
                    self.search(goal, depth)
                }

                fn quiet(&self) {}
            }
        },
    ));
}

#[test]
fn observe() {
    assert_expansion!(expanded(
        Macro::Observe,
        quote!(
            type = "llm",
            metadata(feature = "chat", "model.tier" = tier(user)),
            user_id = user,
            crate = crate::telemetry::rollout
        ),
        quote! {
            fn answer(user: &str) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>> {
                Box::pin(async move { ask(user).await })
            }
        },
    ));
}

#[test]
fn what_is_wrong_comes_with_the_function_as_it_was() {
    assert_expansion!(expanded(
        Macro::Span,
        quote!(nmae = "a"),
        quote! {
            fn answer(user: &str) -> usize {
                user.len()
            }
        },
    ));
}

#[test]
fn a_body_that_does_not_parse_yet_keeps_its_attribute() {
    let body = quote!({ let answer = ; client. });
    let expansion = entry::attribute(
        Macro::Span,
        TokenStream::new(),
        quote!(fn answer(client: &Client) -> usize #body),
    );
    let expansion = expansion.to_string();
    assert!(expansion.contains(&body.to_string()), "{expansion}");
    assert!(expansion.contains("concat"), "{expansion}");
}
