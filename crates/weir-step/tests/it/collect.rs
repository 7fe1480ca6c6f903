//! Filesets: versions, branches, folders, and collecting what nobody needs.

use std::collections::HashSet;
use std::time::Duration;

use weir_flow::{AttemptId, PublishToken};
use weir_step::*;

use crate::world::*;

const NOW: Duration = Duration::ZERO;
const HOUR: Duration = Duration::from_secs(3600);

fn token(sequence: u64) -> PublishToken {
    PublishToken {
        app: "step.a".to_owned(),
        sequence,
        fence: AttemptId(7),
    }
}

fn change(store: &FilesetStore, name: &str, text: &str) -> FilesetChange {
    let blob = store.put_bytes(text.as_bytes()).unwrap();
    let entry = FileEntry {
        path: "file".to_owned(),
        hash: blob.hash,
        size: blob.size,
        modified_ns: None,
        datum: None,
    };
    FilesetChange {
        name: name.to_owned(),
        branch: "master".to_owned(),
        manifest: Manifest::new(vec![entry]).unwrap(),
    }
}

#[test]
fn a_publication_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = FilesetStore::open(folder.path()).unwrap();
    let both = [change(&store, "a", "1"), change(&store, "b", "1")];
    let first = store.commit(Some(&token(5)), &both).unwrap();
    assert_eq!(
        first,
        Committed {
            version: 1,
            adopted: false
        }
    );
    let again = store
        .commit(Some(&token(5)), &[change(&store, "a", "2")])
        .unwrap();
    assert_eq!(
        again,
        Committed {
            version: 1,
            adopted: true
        }
    );
    let stale = store
        .commit(Some(&token(4)), &[change(&store, "a", "3")])
        .unwrap_err();
    assert_eq!(stale.kind(), StepErrorKind::Stale);
    // The same content again is a publication, and no version.
    let same = store
        .commit(Some(&token(6)), &[change(&store, "a", "1")])
        .unwrap();
    assert_eq!(
        same,
        Committed {
            version: 2,
            adopted: false
        }
    );
    assert_eq!(store.version("a", "master").unwrap(), Some(1));
    store
        .commit(Some(&token(7)), &[change(&store, "a", "2")])
        .unwrap();
    assert_eq!(store.versions("a", "master").unwrap(), [1, 3]);
    assert_eq!(store.versions("b", "master").unwrap(), [1]);
    let old = store.read("a", "master", Some(1)).unwrap();
    assert_eq!(store.read_blob(old.files()[0].hash).unwrap(), b"1");
    // A branch is a pointer.
    store.move_branch("a", "live", "master", Some(1)).unwrap();
    let live = store.read("a", "live", None).unwrap();
    assert_eq!(live, old);
    let error = store.read("a", "lvie", None).unwrap_err();
    assert_eq!(error.hint(), Some("did you mean `a@live`?"));
}

#[test]
fn what_was_never_committed_is_collected_after_grace() {
    let folder = tempfile::tempdir().unwrap();
    let store = FilesetStore::open(folder.path()).unwrap();
    let kept = change(&store, "a", "kept");
    store.commit(None, std::slice::from_ref(&kept)).unwrap();
    let staged = store.put_bytes(b"staged").unwrap();
    let of_ledger = store.put_bytes(b"of the ledger").unwrap();
    std::fs::write(folder.path().join("staging/half"), "half").unwrap();
    assert_eq!(
        store.collect(HOUR, None, &HashSet::new()).unwrap(),
        Collected::default()
    );
    let also = HashSet::from([of_ledger.hash]);
    let collected = store.collect(NOW, None, &also).unwrap();
    assert_eq!(
        collected,
        Collected {
            commits: 0,
            files: 2,
            bytes: 10
        }
    );
    assert!(store.read_blob(staged.hash).is_err());
    assert!(store.read_blob(of_ledger.hash).is_ok());
    // Whoever comes too late is told, and publishes nothing.
    let mut late = change(&store, "a", "late");
    store.collect(NOW, None, &also).unwrap();
    let error = store.commit(None, std::slice::from_ref(&late)).unwrap_err();
    assert_eq!(error.kind(), StepErrorKind::Unavailable);
    late = change(&store, "a", "late");
    store.commit(None, &[late]).unwrap();
    let collected = store.collect(NOW, Some(1), &also).unwrap();
    assert_eq!(
        (collected.commits, collected.files),
        (1, 3),
        "a commit, its manifest, its blob"
    );
    assert_eq!(store.read("a", "master", None).unwrap().files().len(), 1);
    let error = store.read("a", "master", Some(1)).unwrap_err();
    assert_eq!(error.kind(), StepErrorKind::NotFound);
}

#[test]
fn damage_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = FilesetStore::open(folder.path()).unwrap();
    store.commit(None, &[change(&store, "a", "x")]).unwrap();
    let manifest = std::fs::read_dir(folder.path().join("manifests"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(manifest.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(manifest.path(), "weir-manifest 1 0\n").unwrap();
    let error = store.read("a", "master", None).unwrap_err();
    assert_eq!(error.kind(), StepErrorKind::Corrupt);
    let record = folder.path().join(format!("log/{:020}.json", 2));
    std::fs::write(&record, "{\"format\": 9}").unwrap();
    assert_eq!(store.newest().unwrap_err().kind(), StepErrorKind::Newer);
    std::fs::write(&record, "{").unwrap();
    assert_eq!(store.newest().unwrap_err().kind(), StepErrorKind::Corrupt);
}

#[tokio::test]
async fn folders_are_read_as_they_are() {
    let world = World::new().await;
    let incoming = world.project().join("incoming");
    let step = "name: f\nshell: cp \"$WEIR_INPUT_INCOMING\" \"$WEIR_OUT\"\ninput: {folder: incoming, glob: \"/*.txt\"}\noutput: {fileset: f}\n";
    let error = world.fails(step).await;
    assert!(error.contains("there is no folder"), "{error}");
    std::fs::create_dir_all(incoming.join("deep")).unwrap();
    for (path, text) in [
        ("a.txt", "1"),
        ("b.txt", "2"),
        ("deep/c.txt", "3"),
        ("d.csv", "4"),
    ] {
        std::fs::write(incoming.join(path), text).unwrap();
    }
    assert_eq!(world.runs(step).await.counts(), (2, 0, 0, 2));
    // Seen again, nothing is new, though the times are kept now.
    let before = world.store().newest().unwrap().version;
    let again = world.runs(step).await;
    assert_eq!((again.counts(), again.published), ((0, 2, 0, 2), None));
    let folder = world
        .store()
        .list()
        .unwrap()
        .into_iter()
        .find(|(name, _)| name.starts_with("_folder"))
        .unwrap();
    assert_eq!(folder.1.version, 1, "{before}");
    // Changed within the same moment, with the same size: seen all the same.
    std::fs::write(incoming.join("a.txt"), "9").unwrap();
    std::fs::remove_file(incoming.join("b.txt")).unwrap();
    std::fs::write(incoming.join("e.txt"), "5").unwrap();
    let ran = world.runs(step).await;
    assert_eq!((ran.counts(), ran.report.gone), ((2, 0, 0, 2), 1));
    assert_eq!(world.text("f", "a.txt"), "9");
    assert_eq!(world.paths("f"), ["a.txt", "e.txt"]);
}
