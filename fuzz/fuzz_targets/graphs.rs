#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| magnet_fuzz::targets::call("graphs", data));
