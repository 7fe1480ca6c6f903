//! `COPY`: rows in and rows out.

use super::*;

impl Session {
    /// Takes rows from the client, and writes them by one statement once all are there.
    pub(super) async fn copy_in(
        &mut self,
        wire: &mut Wire,
        asked: &mut Asked<'_, '_>,
        target: &str,
        about: &Description,
        style: &encode::copy::Style,
    ) -> Result<String, Stop> {
        let schema = about
            .schema
            .clone()
            .ok_or_else(|| Failure::new("42809", "COPY ... FROM STDIN takes a table"))?;
        let sent = received(wire, asked, style, schema.fields().len()).await?;
        let columns = Columns::read(sent.freeze(), style, &schema)?;
        let rows = columns.rows();
        if rows > 0 {
            let (sql, parameters) = columns.insert(target, &schema);
            let mut answer = self.ask(wire, asked, &sql, parameters).await?;
            answer.skip(wire, asked, None).await?;
            self.wrote(wire);
        }
        Ok(format!("COPY {rows}"))
    }
}

/// Receives what a client copies, until it says that this is all.
async fn received(
    wire: &mut Wire,
    asked: &mut Asked<'_, '_>,
    style: &encode::copy::Style,
    columns: usize,
) -> Result<BytesMut, Stop> {
    use pgwire::messages::copy::CopyInResponse;
    let format = match style.format() {
        encode::Format::Text => 0,
        encode::Format::Binary => 1,
    };
    wire.put(Reply::CopyInResponse(CopyInResponse::new(
        format as i8,
        columns as i16,
        vec![format; columns],
    )));
    wire.flush().await?;
    let mut sent = BytesMut::new();
    loop {
        let message = tokio::select! {
            message = wire.message() => message?,
            () = asked.as_mut() => return Err(cancelled()),
        };
        match message {
            Message::CopyData(data) if sent.len() + data.data.len() > copy_in::MAX_BYTES => {
                return Err(Failure::new(
                    "53400",
                    format!("one COPY takes {} MB", copy_in::MAX_BYTES >> 20),
                )
                .hint("send the rows in several")
                .into());
            }
            Message::CopyData(data) => sent.extend_from_slice(&data.data),
            Message::CopyDone(_) => return Ok(sent),
            Message::CopyFail(fail) => {
                let why = format!("COPY from stdin failed: {}", fail.message);
                return Err(Failure::new("57014", why).into());
            }
            // Clients send these ahead.
            Message::Flush(_) | Message::Sync(_) => {}
            _ => {
                let why = "unexpected message during COPY from stdin".to_owned();
                return Err(Stop::Broken(Broken::Protocol(why)));
            }
        }
    }
}

pub(super) async fn copy_out(
    wire: &mut Wire,
    asked: &mut Asked<'_, '_>,
    answer: &mut Answer,
    style: &encode::copy::Style,
    zone: &encode::Zone,
) -> Result<(), Stop> {
    use pgwire::messages::copy::{CopyDone, CopyOutResponse};
    let columns = answer.schema().fields().len() as i16;
    let format = match style.format() {
        encode::Format::Text => 0,
        encode::Format::Binary => 1,
    };
    wire.put(Reply::CopyOutResponse(CopyOutResponse::new(
        format as i8,
        columns,
        vec![format; columns as usize],
    )));
    let sent = answer.copy(wire, asked, style, zone).await?;
    wire.put(Reply::CopyDone(CopyDone::new()));
    wire.put(tag(format!("COPY {sent}")));
    Ok(())
}
