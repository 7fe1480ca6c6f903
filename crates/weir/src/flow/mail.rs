//! One mail, over SMTP.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use weir_flow::BoxError;

use super::delivery::Attached;
use super::file::Email;

/// How long each answer of the server may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a mail says.
pub(super) enum Body {
    Text(String),
    /// The same twice, for programs that show markup and for those that do not, with files.
    Letter {
        text: String,
        html: String,
        attached: Vec<Attached>,
    },
}

/// Sends a mail; the same `id` makes it the same mail for whoever sorts out repetitions.
pub(super) async fn send(
    email: &Email,
    subject: &str,
    body: Body,
    at: DateTime<Utc>,
    id: &str,
) -> Result<(), BoxError> {
    let from: Mailbox = email.from.parse()?;
    let (host, port) = address(&email.server)?;
    let domain = from.email.domain().to_owned();
    let mut message = Message::builder()
        .from(from)
        .subject(subject)
        .date(SystemTime::from(at))
        .message_id(Some(format!("<{id}@{domain}>")));
    for to in &email.to {
        message = message.to(to.parse()?);
    }
    let message = match body {
        Body::Text(text) => message.body(text)?,
        Body::Letter {
            text,
            html,
            attached,
        } => {
            let both = MultiPart::alternative_plain_html(text, html);
            let whole = attached.into_iter().fold(
                MultiPart::mixed().multipart(both),
                |whole, Attached { name, content }| {
                    whole.singlepart(Attachment::new(name).body(content, drawing()))
                },
            );
            message.multipart(whole)?
        }
    };
    let tls = |host: &str| TlsParameters::new(host.to_owned());
    let tls = match email.encryption.as_str() {
        "none" => Tls::None,
        "tls" => Tls::Wrapper(tls(host)?),
        _ => Tls::Required(tls(host)?),
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(port)
        .tls(tls)
        .timeout(Some(PATIENCE));
    if let (Some(user), Some(password)) = (&email.user, &email.password) {
        transport = transport.credentials(Credentials::new(user.clone(), password.clone()));
    }
    transport.build().send(message).await?;
    Ok(())
}

/// The kind of the files that go with mails.
fn drawing() -> ContentType {
    // A constant of this file, tried by every test that sends a mail.
    ContentType::parse("image/svg+xml").unwrap_or(ContentType::TEXT_PLAIN)
}

/// Takes `host:port` apart.
fn address(server: &str) -> Result<(&str, u16), BoxError> {
    let Some((host, port)) = server.rsplit_once(':') else {
        return Ok((server, 587));
    };
    let port = port
        .parse()
        .map_err(|_| format!("`{server}` is no `host:port` of a mail server"))?;
    Ok((host.trim_start_matches('[').trim_end_matches(']'), port))
}
