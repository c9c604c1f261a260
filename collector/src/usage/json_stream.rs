//! Cuts a stream into JSON values: one after another (newline-delimited), or the elements of one array (Gemini).

/// Cuts bytes into values.
#[derive(Default)]
pub(super) struct JsonStream {
    /// Of the value that is not whole yet.
    value: Vec<u8>,
    value_bytes: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The values are elements of an array.
    in_array: bool,
    array_ended: bool,
    values: usize,
    /// However many values there are, more may come.
    endless: bool,
}

impl JsonStream {
    /// One value a line.
    pub(super) fn of_lines() -> Self {
        Self { endless: true, ..Self::default() }
    }

    /// Takes the next bytes and gives each value that is whole. One longer than `bytes_max` is passed over.
    pub(super) fn push(&mut self, bytes: &[u8], bytes_max: usize, mut give: impl FnMut(&[u8])) {
        let mut start = 0;
        for (at, byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' if self.depth > 0 => self.in_string = true,
                b'[' if self.depth == 0 && self.values == 0 && !self.in_array => self.in_array = true,
                b'{' | b'[' => {
                    if self.depth == 0 {
                        start = at;
                    }
                    self.depth += 1;
                }
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        self.keep(bytes.get(start..=at).unwrap_or_default(), bytes_max);
                        self.end(bytes_max, &mut give);
                    }
                }
                b']' => self.array_ended = self.in_array,
                _ => {}
            }
        }
        if self.depth > 0 {
            self.keep(bytes.get(start..).unwrap_or_default(), bytes_max);
        }
    }

    /// Is it one whole document: an array that was closed, or a single value where no more may come?
    pub(super) fn is_whole(&self) -> bool {
        if self.in_array { self.array_ended } else { self.is_single() && !self.endless }
    }

    /// Is it a single value so far, and whole?
    pub(super) fn is_single(&self) -> bool {
        !self.in_array && self.depth == 0 && self.values == 1
    }

    fn keep(&mut self, part: &[u8], bytes_max: usize) {
        self.value_bytes = self.value_bytes.saturating_add(part.len());
        if self.value_bytes <= bytes_max {
            self.value.extend_from_slice(part);
        }
    }

    fn end(&mut self, bytes_max: usize, give: &mut impl FnMut(&[u8])) {
        self.values = self.values.saturating_add(1);
        if self.value_bytes <= bytes_max {
            give(&self.value);
        }
        self.value_bytes = 0;
        super::buffer::clear(&mut self.value);
    }
}
