//! The keeper of steps as a program of its own, for tests and benchmarks.

fn main() {
    weir_step::keep_if_asked();
    std::process::exit(2);
}
