//! Pictures of every page for people to look at: `cargo run -p rollout-tests --bin pictures -- FOLDER`. Each is taken in
//! light and dark on a laptop's window, and in light on a telephone; behind the folder, a word that names of pages must
//! have in them.

#![expect(
    clippy::print_stdout,
    reason = "a program for a terminal, which may fail loudly"
)]

use std::path::PathBuf;

use rollout_tests::browser::Page;
use rollout_tests::pages::House;

fn main() {
    let mut words = std::env::args().skip(1);
    let folder = PathBuf::from(words.next().unwrap_or_else(|| "target/pictures".to_owned()));
    let word = words.next().unwrap_or_default();
    let Some(page) = Page::start() else { return };
    let house = House::open();
    for (kind, scheme, width, height) in [
        ("light", "light", 1280, 800),
        ("dark", "dark", 1280, 800),
        ("390", "light", 390, 844),
    ] {
        page.size(width, height);
        page.prefers(scheme, true);
        for place in house.places() {
            if !place.name.contains(&word) {
                continue;
            }
            place.open(&page);
            let path = folder.join(format!("{}-{kind}.png", place.name));
            page.picture_at(&path);
            println!("{}", path.display());
        }
    }
}
