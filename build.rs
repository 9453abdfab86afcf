//! Lets `cargo test` and `cargo bench` find libpython at run time, wherever the interpreter keeps it.
//!
//! A wheel never links libpython (maturin sets `PYO3_BUILD_EXTENSION_MODULE`), and then nothing is emitted.

fn main() {
    println!("cargo:rerun-if-env-changed=PYO3_BUILD_EXTENSION_MODULE");
    if std::env::var_os("PYO3_BUILD_EXTENSION_MODULE").is_none() {
        pyo3_build_config::add_libpython_rpath_link_args();
    }
}
