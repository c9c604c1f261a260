//! Preloaded into a process: a durable write takes `DURABLE_WRITE_US` microseconds longer, as on a disk that is asked to keep it.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;
use std::time::Duration;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

type Sync = unsafe extern "C" fn(c_int) -> c_int;

/// `RTLD_NEXT`: the one that stands behind this library's own.
const NEXT: *mut c_void = -1_isize as *mut c_void;

fn later(slot: &OnceLock<Option<Sync>>, name: &CStr, file: c_int) -> c_int {
    static DELAY: OnceLock<Duration> = OnceLock::new();
    let asked = || std::env::var("DURABLE_WRITE_US").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    std::thread::sleep(*DELAY.get_or_init(|| Duration::from_micros(asked())));
    // SAFETY: the C library's own function of this name takes a file and returns a status.
    let next = slot.get_or_init(|| unsafe { std::mem::transmute::<*mut c_void, Option<Sync>>(dlsym(NEXT, name.as_ptr())) });
    next.map_or(-1, |next| unsafe { next(file) })
}

#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(file: c_int) -> c_int {
    static REAL: OnceLock<Option<Sync>> = OnceLock::new();
    later(&REAL, c"fdatasync", file)
}

#[unsafe(no_mangle)]
pub extern "C" fn fsync(file: c_int) -> c_int {
    static REAL: OnceLock<Option<Sync>> = OnceLock::new();
    later(&REAL, c"fsync", file)
}
