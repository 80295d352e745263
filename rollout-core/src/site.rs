//! Where in the program spans are opened.
//!
//! An expansion says of its function what there is to say in one literal, and nothing more: an item of its own, such as
//! a static, costs the compiler more than all the rest of an annotated function (measured,
//! `benches/examples/compile`). What the literal says is read once, and found again by its address.
//!
//! Its fields, with a NUL between them: kind and [flags](CallSite::parse), function, type, name, names of the arguments
//! with commas between them, module, file, line. A type or a name that is not there is the one that goes without
//! saying.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::Location;
use std::sync::{LazyLock, OnceLock, PoisonError, RwLock};

/// What an annotated function opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A fresh trace with a root span of type `agent`.
    Agent,
    /// A fresh trace.
    Trace,
    /// A span.
    Span,
    /// A `tool.call`/`tool.result` pair.
    Tool,
    /// A span of type `task`.
    Task,
}

impl Kind {
    /// The type of what it opens, where nothing else is said.
    fn span_type(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Tool => "tool",
            Self::Task => "task",
            Self::Trace | Self::Span => "span",
        }
    }
}

/// What the end of an agent waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    /// Nothing.
    No,
    /// Its trace is in the spool.
    Spool,
    /// Its trace is delivered.
    Deliver,
}

/// What an expansion says of its function.
pub type SiteText = &'static str;

/// Where in the program a span is opened by hand.
pub(crate) type Place = &'static Location<'static>;

/// One annotated function, known to the worker by a number.
#[derive(Debug)]
pub(crate) struct CallSite {
    pub(crate) kind: Kind,
    pub(crate) flush: Flush,
    pub(crate) join: bool,
    /// It may name a parent elsewhere.
    pub(crate) parented: bool,
    /// Where a trace is recorded, it opens a span of that, and nothing else.
    pub(crate) plain: bool,
    /// From 1; 0 for what is opened nobody knows where.
    pub(crate) id: u32,
    /// How long the literal is.
    length: usize,
    pub(crate) arguments: Vec<&'static str>,
    pub(crate) span_type: &'static str,
    pub(crate) name: &'static str,
    pub(crate) function: &'static str,
    pub(crate) module: &'static str,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
}

/// All sites that have been called, by what is said of them or where they are, and by their number.
#[derive(Default)]
struct Sites {
    by_text: HashMap<SiteText, &'static CallSite>,
    by_place: HashMap<usize, &'static CallSite>,
    numbered: Vec<&'static CallSite>,
}

static SITES: LazyLock<RwLock<Sites>> = LazyLock::new(RwLock::default);

/// Sites that a thread finds by the address of their literal: a power of two, of which two places are for the same.
const KNOWN: usize = 256;

type Known = Cell<(usize, Option<&'static CallSite>)>;

thread_local! {
    // No destructor, so that it is there as long as the thread is.
    static LAST: [Known; KNOWN] = const { [const { Cell::new((0, None)) }; KNOWN] };
}

impl CallSite {
    /// Where spans come from that no macro has opened.
    pub(crate) const BY_HAND: Self = Self {
        kind: Kind::Span,
        flush: Flush::No,
        join: false,
        parented: false,
        plain: true,
        id: 0,
        length: 0,
        arguments: Vec::new(),
        span_type: "",
        name: "",
        function: "",
        module: "",
        file: "",
        line: 0,
    };

    /// Whether all that an expansion says this of is [`plain`](Self::plain), seen before the site is looked for.
    #[inline]
    pub(crate) fn is_plain(text: SiteText) -> bool {
        matches!(text.as_bytes(), [b's' | b'c' | b'k', 0, ..])
    }

    /// The site of which an expansion says this.
    #[inline]
    pub(crate) fn of(text: SiteText) -> &'static Self {
        LAST.with(|known| {
            let address = text.as_ptr().addr();
            let first = place(address);
            // The same place and the same length: the same text.
            let fits = |(there, site): (usize, Option<&'static Self>)| {
                site.filter(|site| there == address && site.length == text.len())
            };
            match fits(known[first].get()) {
                Some(site) => site,
                None => Self::look_further(text, known, first, fits),
            }
        })
    }

    #[cold]
    #[inline(never)]
    fn look_further(
        text: SiteText,
        known: &[Known; KNOWN],
        first: usize,
        fits: impl Fn((usize, Option<&'static Self>)) -> Option<&'static Self>,
    ) -> &'static Self {
        let second = &known[first ^ 1];
        let site = fits(second.get()).unwrap_or_else(|| Self::registered(text));
        // The one that was called last comes first.
        second.set(known[first].replace((text.as_ptr().addr(), Some(site))));
        site
    }

    /// The site, which gets a number at its first call.
    fn registered(text: SiteText) -> &'static Self {
        let sites = SITES.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(site) = sites.by_text.get(text) {
            return site;
        }
        drop(sites);
        let mut sites = SITES.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(site) = sites.by_text.get(text) {
            return site;
        }
        let site = sites.add(Self::parse(text));
        sites.by_text.insert(text, site);
        site
    }

    /// The site of what is opened by hand at this place.
    pub(crate) fn by_hand(place: Option<Place>) -> &'static Self {
        static ANYWHERE: CallSite = CallSite::BY_HAND;
        let Some(place) = place else {
            return &ANYWHERE;
        };
        let address = std::ptr::from_ref(place).addr();
        let sites = SITES.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(site) = sites.by_place.get(&address) {
            return site;
        }
        drop(sites);
        let mut sites = SITES.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(site) = sites.by_place.get(&address) {
            return site;
        }
        let site = sites.add(Self {
            file: place.file(),
            line: place.line(),
            ..Self::BY_HAND
        });
        sites.by_place.insert(address, site);
        site
    }

    /// Whether nobody has written a function of ours there.
    pub(crate) fn is_by_hand(&self) -> bool {
        self.function.is_empty()
    }

    /// Reads what an expansion says. The first field is a letter for the kind, then `n` for an end that waits for
    /// nothing, `d` for one that waits for delivery, `j` for a span of the caller's trace where there is one,
    /// `p` for one below a parent that what it starts with may name.
    fn parse(text: SiteText) -> Self {
        let mut fields = text.split('\0');
        let mut next = || fields.next().unwrap_or_default();
        let opens = next();
        let kind = match opens.as_bytes().first() {
            Some(b'a') => Kind::Agent,
            Some(b't') => Kind::Trace,
            Some(b'c') => Kind::Tool,
            Some(b'k') => Kind::Task,
            _ => Kind::Span,
        };
        let parented = opens.contains('p');
        let function = next();
        let or = |said: &'static str, otherwise| if said.is_empty() { otherwise } else { said };
        Self {
            kind,
            flush: Flush::of(opens),
            join: opens.contains('j'),
            parented,
            plain: !parented && !matches!(kind, Kind::Agent | Kind::Trace),
            id: 0,
            length: text.len(),
            span_type: or(next(), kind.span_type()),
            name: or(next(), function),
            function,
            arguments: next().split_terminator(',').collect(),
            module: next(),
            file: next(),
            line: next().parse().unwrap_or_default(),
        }
    }

    /// Whether it opens a trace of its own, unless it joins the caller's.
    #[inline]
    pub(crate) fn begins_trace(&self) -> bool {
        matches!(self.kind, Kind::Agent | Kind::Trace)
    }

    /// The site of a number.
    pub(crate) fn find(id: u32) -> Option<&'static Self> {
        let sites = SITES.read().unwrap_or_else(PoisonError::into_inner);
        sites.numbered.get((id as usize).checked_sub(1)?).copied()
    }
}

impl Sites {
    /// Gives a site its number.
    fn add(&mut self, mut site: CallSite) -> &'static CallSite {
        site.id = u32::try_from(self.numbered.len() + 1).unwrap_or(u32::MAX);
        // As many as there are places in the program that open spans, each as long as it runs.
        let site = &*Box::leak(Box::new(site));
        self.numbered.push(site);
        site
    }
}

/// A site whose type or name is a constant of the program, which no literal can take in: a static of its function.
#[derive(Debug)]
pub struct Named {
    text: SiteText,
    span_type: &'static str,
    name: &'static str,
    whole: OnceLock<SiteText>,
}

impl Named {
    /// What an expansion says else, and these two where they are not empty.
    pub const fn new(text: SiteText, span_type: &'static str, name: &'static str) -> Self {
        Self {
            text,
            span_type,
            name,
            whole: OnceLock::new(),
        }
    }

    /// What the expansion would have said.
    pub fn text(&'static self) -> SiteText {
        self.whole.get_or_init(|| {
            let mut fields: Vec<_> = self.text.split('\0').map(str::to_owned).collect();
            for (field, said) in [(2, self.span_type), (3, self.name)] {
                if let Some(field) = fields.get_mut(field).filter(|_| !said.is_empty()) {
                    *field = said.replace('\0', "\u{fffd}");
                }
            }
            // Once for each such static.
            String::leak(fields.join("\0"))
        })
    }
}

/// Where a site with this address is looked for first.
#[inline]
fn place(address: usize) -> usize {
    // Fibonacci hashing: the upper bits of the product depend on all of the address.
    let spread = (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (spread >> (u64::BITS - KNOWN.trailing_zeros())) as usize
}

impl Flush {
    /// What the end of the function waits for of which an expansion says this.
    pub(crate) fn of(text: SiteText) -> Self {
        let opens = text.split('\0').next().unwrap_or_default();
        match opens.as_bytes() {
            [b'a', flags @ ..] if flags.contains(&b'd') => Self::Deliver,
            [b'a', flags @ ..] if !flags.contains(&b'n') => Self::Spool,
            _ => Self::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CallSite, Flush, KNOWN, Kind};

    #[test]
    fn says_what_was_written() {
        let site = CallSite::of("ad\0ask\0\0support\0question,depth\0shop::agents\0src/a.rs\x0012");
        assert_eq!(
            (site.kind, site.flush, site.join),
            (Kind::Agent, Flush::Deliver, false)
        );
        assert_eq!(
            (site.span_type, site.name, site.function),
            ("agent", "support", "ask")
        );
        assert_eq!(site.arguments, ["question", "depth"]);
        assert_eq!(
            (site.module, site.file, site.line),
            ("shop::agents", "src/a.rs", 12)
        );
    }

    #[test]
    fn is_one_for_each_text_wherever_that_lies() {
        let texts: Vec<&'static str> = (0..4 * KNOWN)
            .map(|n| &*String::leak(format!("s\0f{n}\0\0\0\0m\0f.rs\01")))
            .collect();
        let sites: Vec<_> = texts.iter().map(|text| CallSite::of(text).id).collect();
        for (text, id) in texts.iter().zip(sites) {
            let elsewhere: &'static str = String::leak((*text).to_owned());
            assert_eq!(CallSite::of(elsewhere).id, id);
            assert_eq!(CallSite::of(text).id, id);
            assert_eq!(
                CallSite::find(id).map(|site| site.name),
                text.split('\0').nth(1)
            );
        }
    }
}
