//! A folder of a real OpenSSH server, synced.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use weir_extract::{FileStream, Secret, SourceKind};
use weir_testkit::Sshd;

use crate::files::{room_of, spec, sync};
use crate::memory::Memory;

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_server_are_read_once_each_and_when_they_change() {
    let server = Sshd::start().await.unwrap();
    let (dir, memory) = (tempfile::tempdir().unwrap(), Memory::new());
    let mut spec = spec(&dir, &[]);
    if let SourceKind::Files(files) = &mut spec.kind {
        let (user, path) = (server.user().unwrap(), server.files());
        files.place = format!(
            "sftp://{user}@127.0.0.1:{}{}",
            server.port(),
            path.display()
        );
        files.options = BTreeMap::from([
            (
                "private_key".to_owned(),
                Secret::new(server.key("user").unwrap()),
            ),
            (
                "host_key".to_owned(),
                Secret::new(server.key("host.pub").unwrap()),
            ),
        ]);
        files.streams = vec![FileStream {
            name: "orders".into(),
            files: "**/orders-*.csv".into(),
            ..FileStream::default()
        }];
    }
    let room = room_of(&dir, &memory, spec);
    let put = |name: &str, text: &str, minute: u64| {
        let path = server.files().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(minute * 60))
            .unwrap();
    };
    put("orders-1.csv", "id,total\n1,2\n2,3\n", 1);
    put("2024/orders-2.csv", "id,total\n3,4\n", 1);
    put("other.csv", "id\n9\n", 1);
    sync(&room).await.unwrap();
    assert_eq!(memory.values("orders", "id"), ["3", "1", "2"]);
    let changes = memory.changes("orders").len();
    sync(&room).await.unwrap();
    // Another moment, the same content.
    put("2024/orders-2.csv", "id,total\n3,4\n", 2);
    sync(&room).await.unwrap();
    assert_eq!(memory.changes("orders").len(), changes);
    put("orders-1.csv", "id,total\n1,7\n", 2);
    sync(&room).await.unwrap();
    assert_eq!(memory.values("orders", "total"), ["4", "7"]);
    // A folder that went.
    fs::remove_dir_all(server.files()).unwrap();
    let told = sync(&room).await.unwrap_err();
    assert!(told.contains("cannot be read from `127.0.0.1`"), "{told}");
    assert_eq!(memory.values("orders", "total"), ["4", "7"]);
}
