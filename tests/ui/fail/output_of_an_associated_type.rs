struct Opaque;

impl std::ops::Add for &Opaque {
    type Output = Opaque;

    #[rollout::span(capture_input = false)]
    fn add(self, _: Self) -> Self::Output {
        Opaque
    }
}

fn main() {}
