use std::collections::HashMap;

fn main() {
    let double = |number: i32| number * 2;
    rollout::wrap_tools(HashMap::from([("double", double)]));
}
