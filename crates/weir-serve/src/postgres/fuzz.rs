use arrow::datatypes::{DataType, Field, Schema};
use bytes::{Buf, BytesMut};
use pgwire::messages::PgWireFrontendMessage as Message;
use weir_access::ScramSalt;

use super::command::understand;
use super::copy_in::Columns;
use super::encode::copy::Style;
use super::scram::Exchange;
use super::settings::Variables;
use super::{decode, frame, script};

/// Types of parameters that are read in ways of their own.
const OIDS: [u32; 20] = [
    0, 16, 17, 20, 21, 23, 25, 700, 701, 1007, 1009, 1016, 1082, 1083, 1114, 1184, 1186, 1700,
    2950, 3802,
];

/// What bytes came to, for a test to see that it reached what it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Start-up packets with a protocol's version.
    pub startups: usize,
    /// Messages that could be decoded.
    pub messages: usize,
    /// Values of parameters that could be read.
    pub values: usize,
    /// Exchanges of SCRAM that began.
    pub exchanges: usize,
    /// Rows that could be copied in.
    pub rows: usize,
}

/// Takes any bytes the way a connection's go: start-up packets until one names a version, then
/// messages, each with what is read out of it before anybody is asked.
pub fn connection(bytes: &[u8]) -> Reached {
    let (mut input, mut reached) = (BytesMut::from(bytes), Reached::default());
    while let Ok(Some(mut packet)) = frame::startup(&mut input) {
        if packet.get_u32() >> 16 == 3 {
            reached.startups += 1;
            let _ = Variables::new(&frame::parameters(&packet));
            break;
        }
    }
    let context = frame::context();
    let salt = ScramSalt {
        salt: vec![7; 16],
        iterations: 4096,
    };
    let mut exchange = None;
    while let Ok(Some(message)) = frame::message(&mut input, &context) {
        reached.messages += 1;
        match message {
            Message::Query(query) => read(&query.query),
            Message::Parse(parse) => read(&parse.query),
            Message::Bind(bind) => {
                for value in &bind.parameters {
                    for (oid, binary) in OIDS.iter().flat_map(|oid| [(*oid, false), (*oid, true)]) {
                        let value = decode::parameter(1, oid, binary, value.as_ref());
                        reached.values += usize::from(value.is_ok());
                    }
                }
            }
            Message::PasswordMessageFamily(message) => {
                let body = frame::secret(message);
                match exchange.take() {
                    None => {
                        let _ = frame::text(&body);
                        let first = frame::sasl_first(&body);
                        let begun = first.and_then(|(_, first)| Exchange::begin(&salt, first).ok());
                        exchange = begun.map(|(exchange, _)| exchange);
                        reached.exchanges += usize::from(exchange.is_some());
                    }
                    Some(exchange) => drop(exchange.end(&body)),
                }
            }
            Message::CopyData(data) => {
                for style in [text_style(), csv_style(), Style::Binary] {
                    let fields = ["a", "b"].map(|name| Field::new(name, DataType::Int64, true));
                    let schema = Schema::new(fields.to_vec());
                    let read = Columns::read(data.data.clone(), &style, &schema);
                    reached.rows += read.map_or(0, |read| read.rows());
                }
            }
            _ => {}
        }
    }
    reached
}

fn read(sql: &str) {
    for statement in script::statements(sql) {
        let _ = understand(statement);
    }
}

fn text_style() -> Style {
    Style::Text {
        delimiter: b'\t',
        null: "\\N".to_owned(),
        header: false,
    }
}

fn csv_style() -> Style {
    Style::Csv {
        delimiter: b',',
        quote: b'"',
        null: String::new(),
        header: false,
        force_quote: false,
    }
}
