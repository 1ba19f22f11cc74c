//! The node binary: everything it does is in [`chickadee::cli`].

fn main() -> std::process::ExitCode {
    chickadee::cli::run()
}
