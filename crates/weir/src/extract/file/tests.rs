use super::*;

fn read_source(text: &str) -> Result<SourceSpec, Vec<String>> {
    let variable = |name: &str| (name == "KEY").then(|| "s3cret-value".to_owned());
    parse(
        ("sources/shop.yml", "shop", text),
        Path::new("/p"),
        &variable,
    )
    .map_err(|errors| {
        let told = |error: &ModelError| {
            let place = error
                .place()
                .map_or(String::new(), |p| format!("{}:{}", p.line, p.column));
            format!(
                "{place}: {error}; {}",
                error.hint_text().unwrap_or_default()
            )
        };
        errors.iter().map(told).collect()
    })
}

#[test]
fn a_tap_is_read_with_its_secrets() {
    let spec = read_source(
        "kind: singer\ntap: tap-x\npip: tap-x==1.0\nconfig:\n  api_key: ${env:KEY}\n  depth: 3\n\
         streams:\n  orders:\n    drop: [email]\n    replication: incremental\n  \"*\":\n    skip: true\n",
    )
    .unwrap();
    let SourceKind::Singer(singer) = &spec.kind else {
        panic!("no tap");
    };
    assert_eq!(singer.config["api_key"], "s3cret-value");
    assert_eq!(singer.config["depth"], 3);
    assert_eq!(singer.pip, ["tap-x==1.0"]);
    assert!(spec.takes("orders") && !spec.takes("others"));
    assert_eq!(spec.rules("orders").drop, ["email"]);
    assert!(!format!("{:?}", read_source("kind: postgres\nurl: ${env:KEY}\n")).contains("s3cret"));
}

#[test]
fn files_are_read_with_their_patterns_and_looked_at_by_themselves() {
    let spec = read_source(
        "kind: files\npath: data/in\nstreams:\n  orders:\n    files: \"o-*.csv\"\n    delimiter: \";\"\n    key: [id]\n",
    )
    .unwrap();
    let SourceKind::Files(files) = &spec.kind else {
        panic!("no files");
    };
    assert_eq!(spec.every, Some(WATCHED));
    assert_eq!(
        (files.place.as_str(), files.streams[0].delimiter),
        ("data/in", Some(b';'))
    );
    assert_eq!(spec.rules("orders").key, ["id"]);
    let spec = read_source(
        "kind: files\npath: https://docs.google.com/spreadsheets/d/1a-B/edit\noptions: {api_key: \"${env:KEY}\"}\n\
         streams:\n  plan: {sheet: \"2026\"}\n  people: {key: [id]}\n",
    )
    .unwrap();
    let SourceKind::Files(files) = &spec.kind else {
        panic!("no files");
    };
    let sheets = files
        .streams
        .iter()
        .map(|s| (s.name.as_str(), s.sheet.as_deref()));
    assert!(sheets.eq([("plan", Some("2026")), ("people", None)]));
    assert_eq!(spec.every, None);
    let spec = read_source(
        "kind: files\npath: sftp://ada@h/in\noptions: {password: \"${env:KEY}\", timeout: 5}\n",
    )
    .unwrap();
    assert_eq!(spec.every, None);
    for options in ["passphrase: abc", "api_key: abc", "password: abc"] {
        let text = format!("kind: files\npath: sftp://ada@h/in\noptions: {{{options}}}\n");
        let wrong = read_source(&text).unwrap_err();
        assert!(wrong[0].contains("is a secret"), "{wrong:?}");
    }
    let wrong = read_source("kind: files\nstreams:\n  a: {delimiter: xy, files: a}\n").unwrap_err();
    assert!(wrong[0].contains("needs a `path`"), "{wrong:?}");
    let wrong =
        read_source("kind: files\npath: s3://b\noptions: {secret_access_key: abc}\n").unwrap_err();
    assert!(wrong[0].contains("is a secret"), "{wrong:?}");
}

#[test]
fn mistakes_name_the_place_and_the_fix() {
    let wrong = |text: &str| read_source(text).unwrap_err().join("\n");
    assert_eq!(
        wrong("kind: singr\n"),
        "1:7: there is no kind of source `singr`; did you mean `singer`?"
    );
    assert!(wrong("kind: singer\n").contains("needs a `tap`"));
    assert_eq!(
        wrong("kind: singer\ntap: tap-x\nstreems: [a]\n"),
        "3:1: unknown key `streems` of a source; did you mean `streams`?"
    );
    assert!(
        wrong("kind: singer\ntap: t\nconfig:\n  password: hunter2\n")
            .starts_with("4:13: `password` is a secret")
    );
    assert!(wrong("kind: postgres\nurl: postgresql://me:pw@h/db\n").contains("is a secret"));
    assert!(wrong("kind: mysql\nurl: mysql://me:pw@h/db\n").contains("is a secret"));
    assert!(wrong("kind: mysql\n").contains("a MySQL source needs a `url`"));
    for kind in ["kind: mysql\nurl: ${env:KEY}\n", "kind: files\npath: in\n"] {
        let told = wrong(&format!("{kind}streams: {{a: {{replication: xmin}}}}\n"));
        assert!(told.contains("`replication`"), "{told}");
    }
    assert_eq!(
        read_source("kind: mariadb\nurl: ${env:KEY}\n")
            .unwrap()
            .kind_name(),
        "mysql"
    );
    assert_eq!(
        wrong("kind: postgres\nurl: ${env:KEY}\nreplication: xmim\n"),
        "3:14: `replication` cannot be `xmim`; did you mean `xmin`?"
    );
    assert!(
        wrong("kind: singer\ntap: t\nstreams:\n  a: {replication: xmin}\n")
            .contains("it is one of `full_table`, `incremental`")
    );
    assert!(
        wrong("kind: singer\ntap: t\nschema_changes: freez\n").contains("did you mean `freeze`?")
    );
    assert_eq!(
        wrong("kind: singer\ntap: t\nevery: 1h\nschedule: 0 6 * * *\n"),
        "4:11: a source says in two ways when it is synced: `every` and `schedule`; take one of them away"
    );
    assert_eq!(
        wrong("kind: singer\ntap: t\nbudget: 100 a day\n"),
        "3:9: `100 a day` is no budget of requests; write one such as `10/s`, `100/min`, `5000/h` or `100000/day`"
    );
    assert!(
        wrong("kind: singer\ntap: t\nschedule: 0 6 * * *\nzone: Europe/Berlyn\n")
            .starts_with("4:7: ")
    );
    assert!(
        wrong("kind: singer\ntap: t\nconfig:\n  a: ${env:NONE}\n")
            .contains("there is no variable `NONE`")
    );
}
