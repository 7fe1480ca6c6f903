//! Against a server of ours that says what no server should, and logs people in as OpenSSH does with PAM.

use std::borrow::Cow;
use std::collections::BTreeMap;

use russh::keys::key::safe_rng;
use russh::keys::{Algorithm, HashAlg, PrivateKey};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Response};
use russh::{Channel, ChannelId, MethodKind, MethodSet};
use russh_sftp::protocol::{Attrs, Data, File, Handle, Name, Version};
use tokio::net::TcpListener;

use super::*;
use crate::spec::Secret;

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// It takes passwords as answers to questions only.
    Dialogue,
    /// A folder without an end, and folders in folders without one.
    Endless,
    Deep,
    /// Names that lead elsewhere.
    Names,
    /// More than was asked for, less, and nothing.
    More,
    Less,
    Empty,
    /// A file of more bytes than there are.
    Huge,
    Handles,
    /// No files at all.
    Refusing,
}

struct Ours {
    wrong: Wrong,
    channel: Option<Channel<Msg>>,
}

impl server::Handler for Ours {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, password: &str) -> Result<Auth, Self::Error> {
        let takes = self.wrong != Wrong::Dialogue && password == "right";
        Ok(if takes { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let Some(mut response) = response else {
            let prompts = vec![(Cow::from("Password: "), false)];
            return Ok(Auth::Partial {
                name: "".into(),
                instructions: "".into(),
                prompts: prompts.into(),
            });
        };
        let is_right = response
            .next()
            .is_some_and(|answer| *answer == b"right"[..]);
        Ok(if is_right {
            Auth::Accept
        } else {
            Auth::reject()
        })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut server::Session,
    ) -> Result<(), Self::Error> {
        self.channel = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _: &str,
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        if self.wrong == Wrong::Refusing {
            return session.channel_failure(id);
        }
        session.channel_success(id)?;
        if let Some(channel) = self.channel.take() {
            let files = Files {
                wrong: self.wrong,
                told: false,
            };
            russh_sftp::server::run(channel.into_stream(), files).await;
        }
        Ok(())
    }
}

struct Files {
    wrong: Wrong,
    told: bool,
}

fn mode(mode: u32) -> FileAttributes {
    FileAttributes {
        size: Some(3),
        permissions: Some(mode),
        mtime: Some(60),
        ..FileAttributes::default()
    }
}

impl russh_sftp::server::Handler for Files {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        StatusCode::OpUnsupported
    }

    async fn init(
        &mut self,
        _: u32,
        _: std::collections::HashMap<String, String>,
    ) -> Result<Version, StatusCode> {
        Ok(Version::new())
    }

    async fn opendir(&mut self, id: u32, _: String) -> Result<Handle, StatusCode> {
        self.told = false;
        let handle = match self.wrong {
            Wrong::Handles => "\u{fffd}",
            _ => "folder",
        };
        Ok(Handle {
            id,
            handle: handle.into(),
        })
    }

    async fn readdir(&mut self, id: u32, _: String) -> Result<Name, StatusCode> {
        if self.told && self.wrong != Wrong::Endless {
            return Err(StatusCode::Eof);
        }
        self.told = true;
        let names: Vec<String> = match self.wrong {
            Wrong::Deep => vec!["d".into()],
            Wrong::Endless => (0..1000).map(|n| format!(".{n}")).collect(),
            Wrong::Names => ["../up.csv", "/etc/passwd", "..", ".", "", "a\0b", "ok.csv"]
                .map(str::to_owned)
                .into(),
            _ => vec!["a.csv".into()],
        };
        let attrs = mode(if self.wrong == Wrong::Deep {
            0o040_755
        } else {
            0o100_644
        });
        let files = names.into_iter().map(|name| File::new(name, attrs.clone()));
        Ok(Name {
            id,
            files: files.collect(),
        })
    }

    async fn open(
        &mut self,
        id: u32,
        _: String,
        _: OpenFlags,
        _: FileAttributes,
    ) -> Result<Handle, StatusCode> {
        Ok(Handle {
            id,
            handle: "file".into(),
        })
    }

    async fn fstat(&mut self, id: u32, _: String) -> Result<Attrs, StatusCode> {
        let mut attrs = mode(0o100_644);
        if self.wrong == Wrong::Huge {
            attrs.size = Some(u64::MAX);
        }
        Ok(Attrs { id, attrs })
    }

    async fn read(&mut self, id: u32, _: String, at: u64, length: u32) -> Result<Data, StatusCode> {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let left = b"id\n".get(at..).unwrap_or_default();
        let data = match self.wrong {
            Wrong::More => vec![b'x'; length as usize + 1],
            Wrong::Less => left.iter().take(1).copied().collect(),
            Wrong::Empty => Vec::new(),
            _ if left.is_empty() => return Err(StatusCode::Eof),
            _ => left.to_vec(),
        };
        Ok(Data { id, data })
    }
}

/// Starts a server and returns its place; it goes with the runtime of the test.
async fn place(wrong: Wrong, password: &str) -> Sftp {
    let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
    let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
    let config = Arc::new(server::Config {
        keys: vec![key],
        methods: MethodSet::from(&[MethodKind::Password, MethodKind::KeyboardInteractive][..]),
        auth_rejection_time: Duration::ZERO,
        ..server::Config::default()
    });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let ours = Ours {
                wrong,
                channel: None,
            };
            let running = server::run_stream(config.clone(), stream, ours);
            tokio::spawn(async move {
                if let Ok(running) = running.await {
                    let _ = running.await;
                }
            });
        }
    });
    let url = format!("sftp://ada@127.0.0.1:{port}/in");
    let options = [
        ("password", password),
        ("host_key", &fingerprint),
        ("timeout", "20"),
    ];
    let options = options.map(|(name, value)| (name.to_owned(), Secret::new(value)));
    let files = FilesSpec {
        place: url.clone(),
        options: options.into(),
        headers: BTreeMap::new(),
        streams: Vec::new(),
        folder: "/p".into(),
    };
    Sftp::open(&Url::parse(&url).unwrap(), &files).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_given_and_answered() {
    for wrong in [Wrong::Nothing, Wrong::Dialogue] {
        let right = place(wrong, "right").await;
        let found = right.list().await.unwrap();
        assert_eq!(found.len(), 1, "{wrong:?}");
        let copy = right.fetch(&found[0]).await.unwrap().unwrap();
        assert_eq!(std::fs::read(copy.path()).unwrap(), b"id\n");
        let error = place(wrong, "hunter2").await.list().await.unwrap_err();
        assert_eq!(error.kind(), ExtractErrorKind::Denied, "{}", error.told());
        assert!(!error.told().contains("hunter2"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_server_should_say_ends_in_an_error() {
    let list = async |wrong| place(wrong, "right").await.list().await;
    let told = list(Wrong::Endless).await.unwrap_err().told();
    assert!(told.contains("has more than"), "{told}");
    let told = list(Wrong::Refusing).await.unwrap_err().told();
    assert!(told.contains("speaks no SFTP: it refuses"), "{told}");
    let told = list(Wrong::Handles).await.unwrap_err().told();
    assert!(told.contains("bytes that are no text"), "{told}");
    assert!(list(Wrong::Deep).await.unwrap().is_empty());
    let names = list(Wrong::Names).await.unwrap();
    assert!(
        names.iter().map(|l| l.path.as_str()).eq(["ok.csv"]),
        "{names:?}"
    );
    for (wrong, wanted) in [
        (Wrong::More, "Unexpected packet"),
        (Wrong::Empty, "it became shorter"),
        (Wrong::Huge, "it became shorter"),
    ] {
        let place = place(wrong, "right").await;
        let found = place.list().await.unwrap();
        let error = place.fetch(&found[0]).await.unwrap_err();
        assert!(
            error.is_transient() && error.told().contains(wanted),
            "{wrong:?}: {}",
            error.told()
        );
    }
    let slow = place(Wrong::Less, "right").await;
    let found = slow.list().await.unwrap();
    let copy = slow.fetch(&found[0]).await.unwrap().unwrap();
    assert_eq!(std::fs::read(copy.path()).unwrap(), b"id\n");
}
