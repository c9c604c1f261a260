//! A Parquet file of any table: rows in, bytes out, driven by the table's definition. Equal rows make equal bytes.

use std::sync::Arc;

use parquet::basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type};
use schemas::tables::{Column, ColumnType, Table};

use crate::error::ExportError;

/// Most rows in a row group.
pub const ROW_GROUP_ROWS_MAX: usize = 100_000;

/// A row group is also closed at 16 MiB of text: it and the file so far are in memory at once. Half of that would make
/// files 5 % larger, since each row group has its own dictionaries.
const ROW_GROUP_TEXT_BYTES_MAX: usize = 16 << 20;

/// A value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Absent; only in nullable columns.
    Null,
    /// For [`ColumnType::Text`] and [`ColumnType::UniqueText`].
    Text(&'a str),
    /// For [`ColumnType::Int32`], [`ColumnType::Int64`] and [`ColumnType::TimestampMs`].
    Int(i64),
    /// For [`ColumnType::Float64`].
    Float(f64),
    /// For [`ColumnType::Bool`].
    Bool(bool),
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(value: Option<&'a str>) -> Self {
        value.map_or(Self::Null, Self::Text)
    }
}

impl From<Option<i64>> for Cell<'_> {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Self::Null, Self::Int)
    }
}

impl From<Option<bool>> for Cell<'_> {
    fn from(value: Option<bool>) -> Self {
        value.map_or(Self::Null, Self::Bool)
    }
}

/// Writes one Parquet file: Snappy, dictionaries and chunk statistics where they help, flat columns.
pub struct TableWriter {
    table: &'static Table,
    file: SerializedFileWriter<Vec<u8>>,
    columns: Vec<Buffer>,
    rows: usize,
    text_bytes: usize,
}

impl TableWriter {
    /// An empty file of that table.
    ///
    /// # Errors
    /// [`ExportError::Bug`] when the table's definition makes no Parquet schema.
    pub fn new(table: &'static Table) -> Result<Self, ExportError> {
        let file = SerializedFileWriter::new(Vec::new(), schema(table).map_err(bug)?, Arc::new(properties(table)));
        let columns = table.columns.iter().map(Buffer::new).collect();
        Ok(Self { table, file: file.map_err(bug)?, columns, rows: 0, text_bytes: 0 })
    }

    /// Adds a row: one cell for each column, in the table's order.
    ///
    /// # Errors
    /// [`ExportError::Bug`] when a cell does not fit its column. The file must be thrown away then.
    pub fn push(&mut self, row: &[Cell<'_>]) -> Result<(), ExportError> {
        if row.len() != self.columns.len() {
            return Err(ExportError::Bug(format!("row of {} has {} cells", self.table.name, row.len())));
        }
        for ((buffer, column), cell) in self.columns.iter_mut().zip(self.table.columns).zip(row) {
            if !buffer.push(*cell) {
                return Err(ExportError::Bug(format!("{}.{} does not hold {cell:?}", self.table.name, column.name)));
            }
            if let Cell::Text(text) = cell {
                self.text_bytes += text.len();
            }
        }
        self.rows += 1;
        if self.rows >= ROW_GROUP_ROWS_MAX || self.text_bytes >= ROW_GROUP_TEXT_BYTES_MAX {
            self.close_row_group().map_err(bug)?;
        }
        Ok(())
    }

    /// Ends the file and returns its bytes.
    ///
    /// # Errors
    /// [`ExportError::Bug`].
    pub fn finish(mut self) -> Result<Vec<u8>, ExportError> {
        if self.rows > 0 {
            self.close_row_group().map_err(bug)?;
        }
        self.file.into_inner().map_err(bug)
    }

    fn close_row_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        for buffer in &mut self.columns {
            let Some(mut column) = group.next_column()? else { break };
            buffer.write(column.untyped())?;
            column.close()?;
        }
        group.close()?;
        (self.rows, self.text_bytes) = (0, 0);
        Ok(())
    }
}

fn bug(error: ParquetError) -> ExportError {
    ExportError::Bug(format!("parquet: {error}"))
}

fn schema(table: &Table) -> Result<Arc<Type>, ParquetError> {
    let field = |column: &Column| {
        let (physical, logical) = match column.ty {
            ColumnType::Text | ColumnType::UniqueText => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
            ColumnType::TimestampMs => (
                PhysicalType::INT64,
                Some(LogicalType::Timestamp { is_adjusted_to_u_t_c: true, unit: TimeUnit::MILLIS }),
            ),
            ColumnType::Int32 => (PhysicalType::INT32, None),
            ColumnType::Int64 => (PhysicalType::INT64, None),
            ColumnType::Bool => (PhysicalType::BOOLEAN, None),
            ColumnType::Float64 => (PhysicalType::DOUBLE, None),
        };
        let repetition = if column.nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let builder = Type::primitive_type_builder(column.name, physical);
        builder.with_repetition(repetition).with_logical_type(logical).build().map(Arc::new)
    };
    let fields = table.columns.iter().map(field).collect::<Result<_, _>>()?;
    Type::group_type_builder(table.name).with_fields(fields).build().map(Arc::new)
}

/// Data pages of version 1 and no page index: every reader knows them, and files stay small. Instants are packed as
/// differences, an encoding of version 2 that DuckDB, Arrow, Spark and Trino read in version 1 pages too.
fn properties(table: &Table) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true);
    for column in table.columns {
        let path = || ColumnPath::from(column.name);
        properties = match column.ty {
            ColumnType::UniqueText => properties
                .set_column_dictionary_enabled(path(), false)
                .set_column_statistics_enabled(path(), EnabledStatistics::None),
            ColumnType::TimestampMs => properties
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED),
            _ => properties,
        };
    }
    properties.build()
}

/// A column of the open row group.
struct Buffer {
    /// 1 where the row has a value, 0 where it is null; empty for a column that is never null.
    present: Vec<i16>,
    nullable: bool,
    values: Values,
}

enum Values {
    /// Texts end to end, and the length of each.
    Text(Vec<u8>, Vec<usize>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float64(Vec<f64>),
    Bool(Vec<bool>),
}

impl Buffer {
    fn new(column: &Column) -> Self {
        let values = match column.ty {
            ColumnType::Text | ColumnType::UniqueText => Values::Text(Vec::new(), Vec::new()),
            ColumnType::TimestampMs | ColumnType::Int64 => Values::Int64(Vec::new()),
            ColumnType::Int32 => Values::Int32(Vec::new()),
            ColumnType::Bool => Values::Bool(Vec::new()),
            ColumnType::Float64 => Values::Float64(Vec::new()),
        };
        Self { present: Vec::new(), nullable: column.nullable, values }
    }

    /// Whether the cell fitted.
    fn push(&mut self, cell: Cell<'_>) -> bool {
        match (&mut self.values, cell) {
            (_, Cell::Null) if self.nullable => {
                self.present.push(0);
                return true;
            }
            (Values::Text(bytes, lengths), Cell::Text(text)) => {
                bytes.extend_from_slice(text.as_bytes());
                lengths.push(text.len());
            }
            (Values::Int64(values), Cell::Int(value)) => values.push(value),
            (Values::Int32(values), Cell::Int(value)) => match i32::try_from(value) {
                Ok(value) => values.push(value),
                Err(_) => return false,
            },
            (Values::Float64(values), Cell::Float(value)) => values.push(value),
            (Values::Bool(values), Cell::Bool(value)) => values.push(value),
            _ => return false,
        }
        if self.nullable {
            self.present.push(1);
        }
        true
    }

    /// Hands all values to the file and empties the buffer.
    fn write(&mut self, column: &mut ColumnWriter<'_>) -> Result<(), ParquetError> {
        let present = self.nullable.then_some(self.present.as_slice());
        match (&mut self.values, column) {
            (Values::Text(bytes, lengths), ColumnWriter::ByteArrayColumnWriter(column)) => {
                let all = ByteArray::from(std::mem::take(bytes));
                let mut start = 0;
                let texts = lengths.drain(..).map(|length| {
                    let text = all.slice(start, length);
                    start += length;
                    text
                });
                column.write_batch(&texts.collect::<Vec<_>>(), present, None)?;
            }
            (Values::Int64(values), ColumnWriter::Int64ColumnWriter(column)) => {
                column.write_batch(values, present, None)?;
                values.clear();
            }
            (Values::Int32(values), ColumnWriter::Int32ColumnWriter(column)) => {
                column.write_batch(values, present, None)?;
                values.clear();
            }
            (Values::Float64(values), ColumnWriter::DoubleColumnWriter(column)) => {
                column.write_batch(values, present, None)?;
                values.clear();
            }
            (Values::Bool(values), ColumnWriter::BoolColumnWriter(column)) => {
                column.write_batch(values, present, None)?;
                values.clear();
            }
            _ => return Err(ParquetError::General("schema and buffers disagree".to_owned())),
        }
        self.present.clear();
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    use proptest::prelude::*;

    const MIXED: Table = Table {
        name: "mixed",
        columns: &[
            Column { name: "text", ty: ColumnType::Text, nullable: true, doc: "" },
            Column { name: "unique", ty: ColumnType::UniqueText, nullable: false, doc: "" },
            Column { name: "at", ty: ColumnType::TimestampMs, nullable: true, doc: "" },
            Column { name: "small", ty: ColumnType::Int32, nullable: true, doc: "" },
            Column { name: "big", ty: ColumnType::Int64, nullable: false, doc: "" },
            Column { name: "share", ty: ColumnType::Float64, nullable: true, doc: "" },
            Column { name: "yes", ty: ColumnType::Bool, nullable: true, doc: "" },
        ],
    };

    type Row = (Option<String>, String, Option<i64>, Option<i32>, i64, Option<f64>, Option<bool>);

    fn write(rows: &[Row]) -> Vec<u8> {
        let mut writer = TableWriter::new(&MIXED).unwrap();
        for (text, unique, at, small, big, share, yes) in rows {
            let cells = [
                text.as_deref().into(),
                Cell::Text(unique),
                (*at).into(),
                small.map(i64::from).into(),
                Cell::Int(*big),
                share.map_or(Cell::Null, Cell::Float),
                (*yes).into(),
            ];
            writer.push(&cells).unwrap();
        }
        writer.finish().unwrap()
    }

    fn read(file: &[u8]) -> Vec<Row> {
        let reader = SerializedFileReader::new(on_disk(file)).unwrap();
        let row = |row: parquet::record::Row| {
            let mut fields = row.into_columns().into_iter().map(|(_, field)| field);
            let mut next = || fields.next().unwrap();
            let text = |field| match field {
                Field::Null => None,
                Field::Str(text) => Some(text),
                other => panic!("{other:?}"),
            };
            let text_column = text(next());
            let unique = text(next()).unwrap();
            let at = match next() {
                Field::Null => None,
                Field::TimestampMillis(at) => Some(at),
                other => panic!("{other:?}"),
            };
            let small = match next() {
                Field::Null => None,
                Field::Int(n) => Some(n),
                other => panic!("{other:?}"),
            };
            let Field::Long(big) = next() else { panic!() };
            let share = match next() {
                Field::Null => None,
                Field::Double(n) => Some(n),
                other => panic!("{other:?}"),
            };
            let yes = match next() {
                Field::Null => None,
                Field::Bool(yes) => Some(yes),
                other => panic!("{other:?}"),
            };
            (text_column, unique, at, small, big, share, yes)
        };
        reader.get_row_iter(None).unwrap().map(|r| row(r.unwrap())).collect()
    }

    /// The parquet crate reads from files; this one is gone when it is closed.
    fn on_disk(bytes: &[u8]) -> std::fs::File {
        let name = format!("sage-{}-{:?}.parquet", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        file
    }

    /// The `id` column.
    pub(crate) fn ids_of(file: &[u8]) -> Vec<String> {
        let reader = SerializedFileReader::new(on_disk(file)).unwrap();
        let id = |row: parquet::record::Row| match row.into_columns().into_iter().next() {
            Some((name, Field::Str(id))) if name == "id" => id,
            other => panic!("{other:?}"),
        };
        reader.get_row_iter(None).unwrap().map(|row| id(row.unwrap())).collect()
    }

    proptest! {
        #[test]
        fn rows_are_read_back_and_bytes_depend_on_them_alone(rows: Vec<Row>) {
            let file = write(&rows);
            prop_assert_eq!(&write(&rows), &file);
            prop_assert_eq!(read(&file), rows);
        }
    }

    #[test]
    fn a_cell_that_does_not_fit_is_refused() {
        let good = [Cell::Null, Cell::Text("u"), Cell::Null, Cell::Null, Cell::Int(1), Cell::Null, Cell::Null];
        for (column, cell) in
            [(0, Cell::Int(1)), (1, Cell::Null), (3, Cell::Int(1 << 40)), (4, Cell::Text("1")), (6, Cell::Int(1))]
        {
            let mut row = good;
            row[column] = cell;
            assert!(matches!(TableWriter::new(&MIXED).unwrap().push(&row), Err(ExportError::Bug(_))), "{cell:?}");
        }
        assert!(TableWriter::new(&MIXED).unwrap().push(&good).is_ok());
        assert!(TableWriter::new(&MIXED).unwrap().push(&good[1..]).is_err());
    }

    #[test]
    fn row_groups_are_bounded_by_rows_and_by_text() {
        let groups = |rows: usize, text: &str| {
            let row = (None, text.to_owned(), Some(1), None, 1, None, None);
            let file = write(&vec![row; rows]);
            let reader = SerializedFileReader::new(on_disk(&file)).unwrap();
            reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect::<Vec<_>>()
        };
        assert_eq!(groups(100_001, "u"), [100_000, 1]);
        assert_eq!(groups(18, &"u".repeat(1 << 20)), [16, 2]);
        assert_eq!(groups(0, ""), [0; 0]);
    }
}
