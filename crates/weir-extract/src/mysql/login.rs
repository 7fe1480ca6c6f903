//! Logging in: what the server can do, TLS, and the password.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use super::address::Address;
use super::wire::{Reader, Session, refusal};
use crate::error::{ExtractError, ExtractErrorKind, protocol};

// What client and server can do, by the bits of the protocol.
const LONG_PASSWORD: u32 = 1;
const WITH_DATABASE: u32 = 1 << 3;
const PROTOCOL_41: u32 = 1 << 9;
const SSL: u32 = 1 << 11;
const TRANSACTIONS: u32 = 1 << 13;
const SECURE_CONNECTION: u32 = 1 << 15;
const PLUGIN_AUTH: u32 = 1 << 19;
const LENGTH_OF_AUTH: u32 = 1 << 21;

/// `utf8mb4_general_ci`.
const COLLATION: u8 = 45;
/// Says that the password is to be sent as it is, or that it was known already.
const FULL: u8 = 4;
const FAST: u8 = 3;

/// Reads the server's greeting and proves who we are.
pub(super) async fn log_in(session: &mut Session, address: &Address) -> Result<(), ExtractError> {
    let greeting = session.next().await?;
    if greeting.first() == Some(&0xff) {
        return Err(refusal(&greeting));
    }
    let (offers, mut scramble, mut plugin) = greeted(&greeting)?;
    let mut flags = LONG_PASSWORD
        | WITH_DATABASE
        | PROTOCOL_41
        | TRANSACTIONS
        | SECURE_CONNECTION
        | PLUGIN_AUTH
        | LENGTH_OF_AUTH;
    let mut head = Vec::new();
    let is_secret = address.wants_tls(offers & SSL != 0)?;
    if is_secret {
        flags |= SSL;
    }
    head.extend_from_slice(&flags.to_le_bytes());
    head.extend_from_slice(&(1_u32 << 30).to_le_bytes());
    head.push(COLLATION);
    head.extend_from_slice(&[0; 23]);
    if is_secret {
        session.send(&head).await?;
        session.encrypt(address).await?;
    }
    head.extend_from_slice(address.user.as_bytes());
    head.push(0);
    let proof = proof(&plugin, &address.password, &scramble).unwrap_or_default();
    head.push(proof.len() as u8);
    head.extend_from_slice(&proof);
    head.extend_from_slice(address.database.as_bytes());
    head.push(0);
    head.extend_from_slice(plugin.as_bytes());
    head.push(0);
    session.send(&head).await?;
    loop {
        let answer = session.next().await?;
        match answer.first() {
            Some(0x00) => return Ok(()),
            Some(0xff) => return Err(refusal(&answer)),
            Some(0xfe) => {
                // The user proves itself another way.
                let mut reader = Reader(&answer[1..]);
                plugin = String::from_utf8_lossy(reader.until_zero()?).into_owned();
                scramble = reader.0.strip_suffix(&[0]).unwrap_or(reader.0).to_vec();
                let proof = proof_by(&plugin, address, &scramble, is_secret)?;
                session.send(&proof).await?;
            }
            Some(0x01) => match answer.get(1) {
                Some(&FAST) => {}
                Some(&FULL) if is_secret => {
                    let mut password = address.password.as_bytes().to_vec();
                    password.push(0);
                    session.send(&password).await?;
                }
                _ => {
                    return Err(ExtractError::new(
                        ExtractErrorKind::Denied,
                        "MySQL wants the password itself, which is sent over TLS only",
                    )
                    .hint("add `?sslmode=require` to the URL, and switch TLS on at the server"));
                }
            },
            _ => return Err(protocol("the server answered what was not asked")),
        }
    }
}

/// Returns what the server can do, what it wants scrambled, and by which plugin.
fn greeted(greeting: &[u8]) -> Result<(u32, Vec<u8>, String), ExtractError> {
    let mut reader = Reader(greeting);
    if reader.number(1)? != 10 {
        return Err(ExtractError::new(
            ExtractErrorKind::Unreachable,
            "what answers there does not speak the protocol of MySQL",
        )
        .hint("check the host and port in the variable that `url` names"));
    }
    reader.until_zero()?;
    reader.take(4)?;
    let mut scramble = reader.take(8)?.to_vec();
    reader.take(1)?;
    let low = reader.number(2)?;
    reader.take(3)?;
    let high = reader.number(2)?;
    let length = usize::try_from(reader.number(1)?).unwrap_or(0);
    reader.take(10)?;
    let more = reader.take(length.saturating_sub(8).max(13))?;
    scramble.extend_from_slice(more.strip_suffix(&[0]).unwrap_or(more));
    let plugin = reader.until_zero().unwrap_or_default();
    let flags = low as u32 | (high as u32) << 16;
    Ok((
        flags,
        scramble,
        String::from_utf8_lossy(plugin).into_owned(),
    ))
}

fn proof_by(
    plugin: &str,
    address: &Address,
    scramble: &[u8],
    is_secret: bool,
) -> Result<Vec<u8>, ExtractError> {
    // Anybody may ask for the password itself: only a server whose certificate was checked gets it.
    if plugin == "mysql_clear_password" && is_secret && address.is_verified() {
        let mut password = address.password.as_bytes().to_vec();
        password.push(0);
        return Ok(password);
    }
    proof(plugin, &address.password, scramble).ok_or_else(|| {
        ExtractError::new(
            ExtractErrorKind::Unsupported,
            format!("MySQL asks for a way of logging in that is not supported: `{plugin}`"),
        )
        .hint("give Weir a user of its own, IDENTIFIED VIA mysql_native_password or WITH caching_sha2_password")
    })
}

/// Proves the password without telling it; none for a plugin that is not known.
fn proof(plugin: &str, password: &str, scramble: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match plugin {
        "mysql_native_password" => &SHA1_FOR_LEGACY_USE_ONLY,
        "caching_sha2_password" => &SHA256,
        _ => return None,
    };
    if password.is_empty() {
        return Some(Vec::new());
    }
    let once = digest(algorithm, password.as_bytes());
    let twice = digest(algorithm, once.as_ref());
    let mut mixed = Context::new(algorithm);
    let parts = match plugin {
        "mysql_native_password" => [scramble, twice.as_ref()],
        _ => [twice.as_ref(), scramble],
    };
    parts.iter().for_each(|part| mixed.update(part));
    let mixed = mixed.finish();
    let both = once.as_ref().iter().zip(mixed.as_ref());
    Some(both.map(|(a, b)| a ^ b).collect())
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// A greeting as servers send it, with TLS offered.
    fn greeting() -> Vec<u8> {
        let mut body = b"\x0a10.11\0".to_vec();
        body.extend_from_slice(&[1; 4 + 8]);
        body.push(0);
        body.extend_from_slice(&((SSL | PROTOCOL_41) as u16).to_le_bytes());
        body.extend_from_slice(&[0; 3]);
        body.extend_from_slice(&((PLUGIN_AUTH >> 16) as u16).to_le_bytes());
        body.push(21);
        body.extend_from_slice(&[0; 10]);
        body.extend_from_slice(&[1; 12]);
        body.extend_from_slice(b"\0mysql_native_password\0");
        let mut packet = vec![body.len() as u8, 0, 0, 0];
        packet.append(&mut body);
        packet
    }

    #[tokio::test]
    async fn what_comes_before_tls_does_not_pass_for_an_answer_within() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // The greeting, and an OK as if we were logged in.
            let mut sent = greeting();
            sent.extend_from_slice(&[7, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0]);
            stream.write_all(&sent).await.unwrap();
            stream
        });
        let url = format!("mysql://ann:pw@127.0.0.1:{port}/shop?sslmode=require");
        let error = Session::open(&Address::read(&url).unwrap()).await.err();
        let told = error.unwrap().to_string();
        assert!(told.contains("before TLS had begun"), "{told}");
        server.await.unwrap();
    }

    #[test]
    fn only_a_server_that_is_known_gets_the_password_itself() {
        let proof = |mode: &str| {
            let url = format!("mysql://ann:pw@db.example/shop?sslmode={mode}");
            proof_by(
                "mysql_clear_password",
                &Address::read(&url).unwrap(),
                b"",
                true,
            )
        };
        assert!(proof("require").is_err() && proof("prefer").is_err());
        assert_eq!(proof("verify-full").unwrap(), b"pw\0");
    }
}
