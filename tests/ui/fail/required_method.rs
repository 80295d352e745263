trait Search {
    #[rollout::tool]
    fn run(&self);
}

fn main() {
    fn _search(search: &dyn Search) {
        search.run();
    }
}
