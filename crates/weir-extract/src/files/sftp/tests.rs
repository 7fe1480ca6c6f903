//! Against a real OpenSSH server, directly and by way of a network that breaks.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use russh::keys::{HashAlg, PublicKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use weir_testkit::Sshd;

use super::*;
use crate::spec::Secret;

/// The place of a server's files, with options besides the key of the user and that of the host.
fn place(server: &Sshd, port: u16, folder: &str, options: &[(&str, &str)]) -> Sftp {
    opened(server, port, folder, options).unwrap()
}

fn opened(
    server: &Sshd,
    port: u16,
    folder: &str,
    options: &[(&str, &str)],
) -> Result<Sftp, ExtractError> {
    let user = server.user().unwrap();
    let path = server.files();
    let url = format!("sftp://{user}@127.0.0.1:{port}{}{folder}", path.display());
    let mut given: BTreeMap<String, Secret> = options
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
        .collect();
    let logs_in = ["password", "private_key", "key_file"];
    if !options.iter().any(|(name, _)| logs_in.contains(name)) {
        given.insert(
            "private_key".into(),
            Secret::new(server.key("user").unwrap()),
        );
    }
    if !options
        .iter()
        .any(|(name, _)| ["host_key", "known_hosts"].contains(name))
    {
        given.insert(
            "host_key".into(),
            Secret::new(server.key("host.pub").unwrap()),
        );
    }
    let files = FilesSpec {
        place: url.clone(),
        options: given,
        headers: BTreeMap::new(),
        streams: Vec::new(),
        folder: path.parent().unwrap().to_owned(),
    };
    Sftp::open(&Url::parse(&url).unwrap(), &files)
}

async fn listed(place: &Sftp) -> Vec<Listed> {
    let mut listed = place.list().await.unwrap();
    listed.sort_by(|a, b| a.path.cmp(&b.path));
    listed
}

async fn trouble(place: &Sftp) -> (ExtractErrorKind, String) {
    let error = place.list().await.unwrap_err();
    let advice = error.advice().unwrap_or_default();
    (error.kind(), format!("{}; {advice}", error.told()))
}

/// What a network between us and the server does after so many bytes from it.
#[derive(Clone, Copy)]
enum Then {
    Cut,
    Hang,
}

/// A network; returns its port. It goes with the runtime of the test.
async fn network(server: &Sshd, after: usize, then: Then) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (port, upstream) = (listener.local_addr().unwrap().port(), server.port());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let server = TcpStream::connect(("127.0.0.1", upstream)).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let asking = tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
                });
                let mut left = after;
                let mut bytes = vec![0; 16 << 10];
                while left > 0 {
                    let most = left.min(bytes.len());
                    let read = from_server.read(&mut bytes[..most]).await.unwrap_or(0);
                    if read == 0 || to_client.write_all(&bytes[..read]).await.is_err() {
                        return;
                    }
                    left -= read;
                }
                match then {
                    Then::Cut => asking.abort(),
                    Then::Hang => {
                        let _ = asking.await;
                    }
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_listed_and_fetched_as_they_are() {
    let server = Sshd::start().await.unwrap();
    let files = server.files();
    // Not a multiple of what is asked for at once.
    let long: Vec<u8> = (0..3_000_001_u32).map(|n| (n % 251) as u8).collect();
    fs::create_dir_all(files.join("2024/01")).unwrap();
    fs::create_dir_all(files.join(".cache")).unwrap();
    for (name, bytes) in [
        ("a b#ü.csv", &b"id\n1\n"[..]),
        ("2024/01/long.csv", &long),
        ("2024/empty.csv", b""),
        (".hidden.csv", b"id\n"),
        (".cache/c.csv", b"id\n"),
    ] {
        fs::write(files.join(name), bytes).unwrap();
    }
    fs::write(files.join(OsStr::from_bytes(b"latin-\xe9.csv")), b"id\n").unwrap();
    symlink(files.join("a b#ü.csv"), files.join("link.csv")).unwrap();
    symlink(files.join("gone.csv"), files.join("dangling.csv")).unwrap();
    // Round and round.
    symlink(&files, files.join("2024/up")).unwrap();
    symlink("self", files.join("self")).unwrap();
    let place = place(&server, server.port(), "", &[]);
    let found = listed(&place).await;
    let names: Vec<(&str, u64)> = found.iter().map(|l| (l.path.as_str(), l.size)).collect();
    let wanted = [
        ("2024/01/long.csv", 3_000_001),
        ("2024/empty.csv", 0),
        ("a b#ü.csv", 5),
        ("link.csv", 5),
    ];
    assert_eq!(names, wanted);
    let modified = fs::metadata(files.join("2024/01/long.csv"))
        .unwrap()
        .modified();
    let modified = modified
        .unwrap()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    assert_eq!(found[0].modified, Some(modified.as_secs() as i64 * 1000));
    for (listed, wanted) in [
        (&found[0], &long[..]),
        (&found[1], b""),
        (&found[3], b"id\n1\n"),
    ] {
        let copy = place.fetch(listed).await.unwrap().unwrap();
        assert!(fs::read(copy.path()).unwrap() == wanted, "{}", listed.path);
    }
    // One that went since, and a folder of them.
    fs::remove_file(files.join("2024/01/long.csv")).unwrap();
    assert!(place.fetch(&found[0]).await.unwrap().is_none());
    fs::remove_dir_all(files.join("2024")).unwrap();
    assert!(place.fetch(&found[1]).await.unwrap().is_none());
    assert_eq!(listed(&place).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_logs_in_shows_a_key() {
    let server = Sshd::start().await.unwrap();
    fs::write(server.files().join("a.csv"), b"id\n").unwrap();
    let with = |options: &[(&str, &str)]| opened(&server, server.port(), "", options);
    let locked = server.key("locked").unwrap();
    let in_a_line = server.key("user").unwrap().replace('\n', "\\n");
    for options in [
        &[
            ("private_key", locked.as_str()),
            ("passphrase", "open sesame"),
        ][..],
        &[("private_key", server.key("rsa").unwrap().as_str())],
        &[("private_key", in_a_line.as_str())],
        &[("key_file", "user")],
        &[("key_file", "locked"), ("passphrase", "open sesame")],
    ] {
        assert_eq!(with(options).unwrap().list().await.unwrap().len(), 1);
    }
    let host = server.key("host").unwrap();
    for (options, wanted, told) in [
        (
            &[("password", "hunter2")][..],
            ExtractErrorKind::Denied,
            "with this password",
        ),
        (
            &[("private_key", host.as_str())],
            ExtractErrorKind::Denied,
            "with this key",
        ),
        (
            &[("private_key", locked.as_str())],
            ExtractErrorKind::Invalid,
            "needs `passphrase",
        ),
        (
            &[("private_key", locked.as_str()), ("passphrase", "hunter2")],
            ExtractErrorKind::Invalid,
            "check `passphrase`",
        ),
        (
            &[("private_key", "hunter2")],
            ExtractErrorKind::Invalid,
            "cannot be read",
        ),
        (
            &[("key_file", "nowhere")],
            ExtractErrorKind::Invalid,
            "the `key_file`, cannot be read",
        ),
    ] {
        let (kind, message) = trouble(&with(options).unwrap()).await;
        assert!(
            kind == wanted && message.contains(told),
            "{told}: {kind:?} {message}"
        );
        assert!(!message.contains("hunter2"), "{message}");
    }
    // One way to log in, and nothing that means nothing.
    for (options, told) in [
        (&[("password", "")][..], "one way to log in"),
        (&[("password", "a"), ("key_file", "b")], "one way to log in"),
        (&[("pasword", "a")], "unknown key `pasword`"),
        (&[("timeout", "0")], "no length of time"),
        (
            &[("host_key", "ssh-ed25519 nonsense")],
            "`host_key` is no key",
        ),
        (&[("host_key", "SHA256:nonsense")], "`host_key` is no key"),
    ] {
        let message = with(options).err().unwrap().told();
        assert!(message.contains(told), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_a_host_that_is_not_known() {
    let server = Sshd::start().await.unwrap();
    fs::write(server.files().join("a.csv"), b"id\n").unwrap();
    let key = |name: &str| server.key(name).unwrap();
    let shown = PublicKey::from_openssh(&key("host.pub")).unwrap();
    let fingerprint = shown.fingerprint(HashAlg::Sha256).to_string();
    let other = PublicKey::from_openssh(&key("user.pub")).unwrap();
    let other = other.fingerprint(HashAlg::Sha256).to_string();
    let hosts = server.files().parent().unwrap().join("hosts");
    let with = |name: &str, value: &str| place(&server, server.port(), "", &[(name, value)]);
    let written = hosts.display().to_string();
    let line = |name: &str| format!("[127.0.0.1]:{} {}", server.port(), key(name));
    // As it is, by whatever says so; also where only its second key is known.
    for (name, value) in [
        ("host_key", fingerprint.as_str()),
        ("host_key", &key("host.pub")),
        ("host_key", &key("host_ecdsa.pub")),
    ] {
        assert_eq!(with(name, value).list().await.unwrap().len(), 1, "{value}");
    }
    for known in ["host.pub", "host_ecdsa.pub"] {
        fs::write(&hosts, format!("# us\n{}", line(known))).unwrap();
        let place = with("known_hosts", &written);
        assert_eq!(place.list().await.unwrap().len(), 1, "{known}");
    }
    // Another, none, and one that was stolen.
    let stolen = format!("{}@revoked * {}", line("host.pub"), key("host.pub"));
    for (name, value, lines, told) in [
        ("host_key", other.as_str(), String::new(), "another key"),
        ("host_key", &key("user.pub"), String::new(), "another key"),
        ("known_hosts", &written, line("user.pub"), "another key"),
        ("known_hosts", &written, stolen, "another key"),
        ("known_hosts", &written, String::new(), "is not known"),
        ("known_hosts", "nowhere", String::new(), "is not known"),
    ] {
        fs::write(&hosts, lines).unwrap();
        let (kind, message) = trouble(&with(name, value)).await;
        assert_eq!(kind, ExtractErrorKind::Denied, "{message}");
        assert!(message.contains(told), "{message}");
        assert!(
            message.contains(&format!("`host_key: {fingerprint}`")),
            "{message}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_breaks_and_a_folder_that_is_missing_are_told() {
    let server = Sshd::start().await.unwrap();
    let long = vec![b'x'; 4 << 20];
    fs::write(server.files().join("long.csv"), &long).unwrap();
    let (kind, message) = trouble(&place(&server, server.port(), "/none", &[])).await;
    assert_eq!(kind, ExtractErrorKind::NotFound, "{message}");
    assert!(message.contains("/none` cannot be read"), "{message}");
    for (then, told) in [
        (Then::Cut, "the file `long.csv`"),
        (Then::Hang, "within 2 s"),
    ] {
        // In the middle of the file.
        let port = network(&server, 1 << 20, then).await;
        let place = place(&server, port, "", &[("timeout", "2")]);
        let found = listed(&place).await;
        let error = place.fetch(&found[0]).await.unwrap_err();
        assert!(
            error.is_transient() && error.told().contains(told),
            "{}",
            error.told()
        );
        // Before anybody said who they are.
        let port = network(&server, 10, then).await;
        let place = self::place(&server, port, "", &[("timeout", "1")]);
        let (kind, message) = trouble(&place).await;
        assert_eq!(kind, ExtractErrorKind::Unreachable, "{message}");
    }
    // After that it is there again.
    let again = place(&server, server.port(), "", &[]);
    let found = listed(&again).await;
    let copy = again.fetch(&found[0]).await.unwrap().unwrap();
    assert!(fs::read(copy.path()).unwrap() == long);
    let late = place(&server, server.port(), "", &[]);
    drop((again, server));
    let (kind, _) = trouble(&late).await;
    assert_eq!(kind, ExtractErrorKind::Unreachable);
}

#[test]
fn places_are_read_as_they_are_written() {
    let open = |place: &str| {
        let options = [
            ("password", "p"),
            (
                "host_key",
                "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            ),
        ];
        let options = options.map(|(name, value)| (name.to_owned(), Secret::new(value)));
        let files = FilesSpec {
            place: place.to_owned(),
            options: options.into(),
            headers: BTreeMap::new(),
            streams: Vec::new(),
            folder: "/p".into(),
        };
        Sftp::open(&Url::parse(place).unwrap(), &files)
    };
    for (place, host, port, user, folder) in [
        ("sftp://ada@h.example/in", "h.example", 22, "ada", "/in"),
        ("sftp://ada%40x@h:2222/a%20b/", "h", 2222, "ada@x", "/a b"),
        ("sftp://ada@[::1]/~/in", "::1", 22, "ada", "in"),
        ("sftp://ada@h/~", "h", 22, "ada", "."),
        ("sftp://ada@h", "h", 22, "ada", "/"),
    ] {
        let sftp = open(place).unwrap();
        let found = (&*sftp.host, sftp.port, &*sftp.user, &*sftp.folder);
        assert_eq!(found, (host, port, user, folder));
    }
    for (place, told) in [
        ("sftp://ada:hunter2@h/in", "the password is in `path`"),
        ("sftp://h/in", "no user"),
        ("sftp://ada@h/in?x", "a `?` or `#`"),
        ("sftp://ada@h/%ff", "is no text"),
        ("sftp://ada@h/%00", "is no text"),
    ] {
        let told_of = open(place).err().unwrap().told();
        assert!(
            told_of.contains(told) && !told_of.contains("hunter2"),
            "{told_of}"
        );
    }
}
