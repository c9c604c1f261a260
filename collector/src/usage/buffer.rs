//! Buffers that do not keep what an unusual event has made them grow to.

/// Empties a buffer; one that an unusual event has made large is given back.
pub(super) fn clear(buffer: &mut Vec<u8>) {
    const KEPT_BYTES_MAX: usize = 64 * 1024;
    if buffer.capacity() > KEPT_BYTES_MAX { *buffer = Vec::new() } else { buffer.clear() }
}
