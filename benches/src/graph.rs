//! A picture of lines over logarithmic scales, as SVG.

use std::fmt::Write as _;

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 48.0;
const TOP: f64 = 40.0;
const BELOW: f64 = 64.0;
const COLOURS: [&str; 4] = ["#0b6bcb", "#c2410c", "#6b7280", "#15803d"];

/// A name, and points of what is counted and what it costs.
pub type Line<'a> = (&'a str, Vec<(u64, f64)>);

/// Two panels beside each other, with one scale of costs.
pub struct Graph<'a> {
    /// Of the costs.
    pub title: &'a str,
    /// What is counted, and the lines.
    pub panels: [(&'a str, Vec<Line<'a>>); 2],
}

impl Graph<'_> {
    /// The picture.
    pub fn svg(&self) -> String {
        let costs = self.panels.iter().flat_map(|(_, lines)| lines);
        let costs = costs.flat_map(|(_, points)| points.iter().map(|(_, cost)| *cost));
        let most = costs.fold(100.0, f64::max);
        let decades = most.log10().ceil().max(1.0);
        let (width, height) = (2.0 * (LEFT + WIDTH) + 24.0, TOP + HEIGHT + BELOW);
        let mut svg = String::new();
        let out = &mut svg;
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            out,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">"#
        );
        let _ = writeln!(
            out,
            r##"<rect width="{width}" height="{height}" fill="#fff"/>"##
        );
        let _ = writeln!(
            out,
            r#"<text x="8" y="18" font-size="13">{}</text>"#,
            self.title
        );
        for (index, (counted, lines)) in self.panels.iter().enumerate() {
            let left = LEFT + index as f64 * (WIDTH + LEFT);
            panel(out, left, decades, counted, lines);
        }
        for (index, (name, _)) in self.panels[0].1.iter().enumerate() {
            let (x, y) = (LEFT + index as f64 * 190.0, TOP + HEIGHT + 52.0);
            let colour = COLOURS[index % COLOURS.len()];
            let _ = writeln!(
                out,
                r#"<path d="M{x} {} h20" stroke="{colour}" stroke-width="2"/><text x="{}" y="{y}">{name}</text>"#,
                y - 4.0,
                x + 26.0
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn panel(out: &mut String, left: f64, decades: f64, counted: &str, lines: &[Line<'_>]) {
    let all = || {
        lines
            .iter()
            .flat_map(|(_, points)| points.iter().map(|(at, _)| *at))
    };
    let least = (all().min().unwrap_or(1) as f64).log10();
    let span = (all().max().unwrap_or(1) as f64).log10() - least;
    let x = |at: u64| left + ((at as f64).log10() - least) / span.max(0.1) * (WIDTH - 24.0) + 12.0;
    let y = |cost: f64| TOP + HEIGHT - cost.max(1.0).log10() / decades * HEIGHT;
    for decade in 0..=decades as i32 {
        let cost = 10_f64.powi(decade);
        let _ = writeln!(
            out,
            r##"<path d="M{left} {0:.1} h{WIDTH}" stroke="#ddd"/><text x="{1}" y="{2:.1}" text-anchor="end">{cost}</text>"##,
            y(cost),
            left - 6.0,
            y(cost) + 4.0
        );
    }
    let mut counts: Vec<u64> = all().collect();
    counts.sort_unstable();
    counts.dedup();
    for at in counts {
        let _ = writeln!(
            out,
            r#"<text x="{:.1}" y="{}" text-anchor="middle">{at}</text>"#,
            x(at),
            TOP + HEIGHT + 16.0
        );
    }
    let _ = writeln!(
        out,
        r#"<text x="{}" y="{}" text-anchor="middle">{counted}</text>"#,
        left + WIDTH / 2.0,
        TOP + HEIGHT + 32.0
    );
    for (index, (_, points)) in lines.iter().enumerate() {
        let points: Vec<String> = points
            .iter()
            .map(|(at, cost)| format!("{:.1},{:.1}", x(*at), y(*cost)))
            .collect();
        let _ = writeln!(
            out,
            r#"<polyline points="{}" fill="none" stroke="{}" stroke-width="2"/>"#,
            points.join(" "),
            COLOURS[index % COLOURS.len()]
        );
    }
}
