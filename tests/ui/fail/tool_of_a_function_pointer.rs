fn main() {
    rollout::wrap_tools(vec![("len", str::len as fn(&str) -> usize)]);
}
