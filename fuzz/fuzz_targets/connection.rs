#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| veche_fuzz::connection::run(data));
