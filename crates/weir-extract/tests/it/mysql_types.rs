//! Types of MariaDB in the lake, copied and followed, and what stands in the way of both.

use weir_extract::{SourceSpec, SyncRequest};

use crate::memory::{Memory, Row};
use crate::mysql::{run, server, shop, spec};
use crate::shop::{room, sync};

const TYPES: &str = "CREATE TABLE t (id int PRIMARY KEY, \
    ti tinyint, si smallint, mi mediumint, i int, bi bigint, \
    tu tinyint unsigned, su smallint unsigned, mu mediumint unsigned, iu int unsigned zerofill, bu bigint unsigned, \
    de decimal(20,6), du decimal(38,0), wide decimal(60,3), f float, d double, b1 bit(1), b9 bit(9), b64 bit(64), \
    y year, da date, dt datetime, dt6 datetime(6), ts timestamp NULL, ts3 timestamp(3) NULL, tm time, tm2 time(2), tm6 time(6), \
    c char(5), cb binary(5), vc varchar(300), vb varbinary(300), tx text, mtx mediumtext, bl blob, lb longblob, \
    l1 varchar(20) CHARACTER SET latin1, l2 char(5) CHARACTER SET latin2, cy text CHARACTER SET cp1251, \
    sj varchar(20) CHARACTER SET sjis, u2 varchar(20) CHARACTER SET ucs2, u32 text CHARACTER SET utf32, cp varchar(9) CHARACTER SET cp850, \
    e enum('a','b''c','d,e') CHARACTER SET latin1, s set('x','y','é'), j json, p point, u uuid, i6 inet6, i4 inet4, \
    g int AS (i + 1) VIRTUAL, gs int AS (i + 2) STORED, `od``d name` int)";

const ROWS: [&str; 3] = [
    "-128, -32768, -8388608, -2147483648, -9223372036854775808, 255, 65535, 16777215, 4294967295, 18446744073709551615, \
     -12345678901234.567890, 12345678901234567890123456789012345678, -123456789012345678901234567890.125, 0.1, 1e-300, 1, 257, 18446744073709551615, \
     2024, '2024-02-29', '2024-02-29 23:59:59', '1000-01-01 00:00:00.000001', '2038-01-19 03:14:07', '1970-01-01 00:00:01.001', '-838:59:59', '-00:00:01.50', '12:34:56.000001', \
     'ab ', X'0100', 'ü😀', X'00', 'text', 'more', X'ff00', '', 'é€', 'ł', 'ж', '日本', 'ü', '😀', '┐é', 'b''c', 'x,é', '{\"a\": [1, null]}', \
     ST_PointFromText('POINT(1 2)'), '123e4567-e89b-12d3-a456-426614174000', '2001:db8::1', '10.0.0.0', 7",
    "127, 32767, 8388607, 2147483646, 9223372036854775807, 0, 0, 0, 5, 0, 0.5, -1, 0, 3.4e38, -1.7976931348623157e308, 0, 0, 0, \
     1901, '9999-12-31', '0000-00-00', '0000-00-00', '0000-00-00', '0000-00-00', '838:59:59', '00:00:00', '-12:34:56.999999', \
     '', '', REPEAT('é', 200), REPEAT('x', 300), '', '', '', REPEAT('y', 70000), '', '', '', '', '', '', '', 'a', '', '0', NULL, \
     '00000000-0000-0000-0000-000000000000', '::', '0.0.0.0', NULL",
    "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
     NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
];

const COLUMNS: &str = "ti, si, mi, i, bi, tu, su, mu, iu, bu, de, du, wide, f, d, b1, b9, b64, y, da, dt, dt6, ts, ts3, tm, tm2, tm6, \
    c, cb, vc, vb, tx, mtx, bl, lb, l1, l2, cy, sj, u2, u32, cp, e, s, j, p, u, i6, i4, `od``d name`";

fn insert(from: usize) -> String {
    let rows = ROWS.iter().enumerate();
    let rows = rows.map(|(at, row)| {
        format!(
            "INSERT INTO t (id, {COLUMNS}) VALUES ({}, {row});",
            from + at
        )
    });
    format!("SET sql_mode = ''; {}", rows.collect::<String>())
}

fn values(row: &Row) -> Row {
    let own = row.iter().filter(|(name, _)| *name != "id");
    own.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_types_are_the_same_copied_and_followed() {
    let server = server(&[]).await;
    run(&server, TYPES).await;
    run(&server, &insert(0)).await;
    let memory = Memory::new();
    let room = shop(&server, &memory);
    sync(&room, false).await.unwrap();
    run(&server, &insert(10)).await;
    // And as they come with a row from before.
    run(&server, "SET sql_mode = ''; UPDATE t SET ti = 1 WHERE id = 10; UPDATE t SET ti = -128 WHERE id = 10").await;
    sync(&room, false).await.unwrap();
    let mut rows = memory.current("t");
    rows.sort_by_key(|row| row["id"].as_ref().unwrap().parse::<u32>().unwrap());
    assert_eq!(rows.len(), 6);
    for at in 0..3 {
        let (copied, followed) = (values(&rows[at]), values(&rows[at + 3]));
        assert_eq!(copied, followed, "row {at}");
    }
    let first = &rows[0];
    for (column, wanted) in [
        ("bi", "-9223372036854775808"),
        ("bu", "18446744073709551615"),
        ("iu", "4294967295"),
        ("de", "-12345678901234.567890"),
        ("du", "12345678901234567890123456789012345678"),
        ("wide", "-123456789012345678901234567890.125"),
        ("f", "0.1"),
        ("d", "1e-300"),
        ("b1", "true"),
        ("b9", "257"),
        ("b64", "18446744073709551615"),
        ("y", "2024"),
        ("da", "2024-02-29"),
        ("dt", "2024-02-29T23:59:59"),
        ("dt6", "1000-01-01T00:00:00.000001"),
        ("ts", "2038-01-19T03:14:07Z"),
        ("ts3", "1970-01-01T00:00:01.001Z"),
        ("tm", "-838:59:59"),
        ("tm2", "-00:00:01.50"),
        ("c", "ab"),
        ("cb", "0100000000"),
        ("vc", "ü😀"),
        ("bl", "ff00"),
        ("l1", "é€"),
        ("l2", "ł"),
        ("cy", "ж"),
        ("sj", "日本"),
        ("u2", "ü"),
        ("u32", "😀"),
        ("cp", "┐é"),
        ("e", "b'c"),
        ("s", "x,é"),
        ("j", "{\"a\": [1, null]}"),
        ("p", "000000000101000000000000000000f03f0000000000000040"),
        ("u", "123e4567-e89b-12d3-a456-426614174000"),
        ("i6", "2001:db8::1"),
        ("i4", "10.0.0.0"),
        ("g", "-2147483647"),
        ("gs", "-2147483646"),
        ("od`d_name", "7"),
    ] {
        assert_eq!(first[column].as_deref(), Some(wanted), "{column}");
    }
    // What is no date is kept beside the row.
    let unfit = memory.changes("t")[1]["weir_unfit"].clone().unwrap();
    assert!(
        unfit.contains("0000-00-00 00:00:00") && unfit.contains("not a date"),
        "{unfit}"
    );
    assert_eq!(rows[1]["dt"], None);
    assert!(
        rows[2]
            .iter()
            .all(|(name, value)| name == "id" || value.is_none())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_is_told_with_the_way_out() {
    let server = server(&[]).await;
    run(
        &server,
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO a VALUES (1); \
         CREATE USER weak IDENTIFIED BY 'p w'; GRANT SELECT (id) ON shop.a TO weak",
    )
    .await;
    let memory = Memory::new();
    let url = server.url("shop");
    let told = async |spec: SourceSpec| sync(&room(&memory, spec), false).await.unwrap_err();
    let contains = |told: &str, parts: &[&str]| {
        for part in parts {
            assert!(told.contains(part), "`{part}` is not in: {told}");
        }
    };
    contains(
        &told(spec("mysql://root@127.0.0.1:1/shop".into())).await,
        &["MySQL cannot be reached", "host and port"],
    );
    contains(
        &told(spec(url.replace("root@", "nobody@"))).await,
        &["MySQL does not let us in", "check the user"],
    );
    contains(
        &told(spec(url.replace("/shop", "/shup"))).await,
        &["Unknown database", "check the database"],
    );
    contains(
        &told(spec(format!("{url}?sslmode=require"))).await,
        &["does not offer TLS", "sslmode=disable"],
    );
    let weak = url.replace("root@", "weak:p%20w@");
    contains(
        &told(spec(url.replace("root@", "weak:wrong@"))).await,
        &["MySQL does not let us in"],
    );
    // One grant after the other.
    contains(
        &told(spec(weak.clone())).await,
        &[
            "lacks the right `BINLOG MONITOR`",
            "GRANT BINLOG MONITOR ON *.* TO 'weak'@'%'",
        ],
    );
    run(&server, "GRANT BINLOG MONITOR ON *.* TO weak").await;
    contains(
        &told(spec(weak.clone())).await,
        &[
            "lacks the right `REPLICATION SLAVE`",
            "GRANT REPLICATION SLAVE ON *.* TO 'weak'@'%'",
        ],
    );
    run(&server, "GRANT REPLICATION SLAVE ON *.* TO weak; REVOKE SELECT (id) ON shop.a FROM weak; GRANT SHOW VIEW ON shop.* TO weak").await;
    contains(
        &told(spec(weak.clone())).await,
        &[
            "no table that the user may read",
            "GRANT SELECT ON `shop`.* TO 'weak'@'%'",
        ],
    );
    run(&server, "GRANT SELECT ON shop.* TO weak").await;
    let room = room(&memory, spec(weak));
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("a", "id"), ["1"]);
    // Settings of the log.
    run(&server, "SET GLOBAL binlog_row_image = 'MINIMAL'").await;
    contains(
        &told(spec(url.clone())).await,
        &[
            "binlog_row_image` is MINIMAL",
            "SET GLOBAL binlog_row_image = 'FULL'",
        ],
    );
    run(
        &server,
        "SET GLOBAL binlog_row_image = 'FULL'; SET GLOBAL binlog_format = 'MIXED'",
    )
    .await;
    contains(
        &told(spec(url.clone())).await,
        &[
            "binlog_format` is MIXED",
            "SET GLOBAL binlog_format = 'ROW'",
        ],
    );
    run(&server, "SET GLOBAL binlog_format = 'ROW'").await;
    let offered = room.discover("shop").await.unwrap();
    let streams = offered
        .streams
        .iter()
        .map(|planned| planned.offered.stream.as_str());
    assert_eq!(streams.collect::<Vec<_>>(), ["a", "b"]);
    let some = SyncRequest {
        streams: vec!["a".into()],
        ..SyncRequest::default()
    };
    let mut running = room.sync("shop", some).unwrap();
    assert!(
        running
            .ended()
            .await
            .unwrap_err()
            .to_string()
            .contains("read together")
    );
    // A server without a log.
    let bare = weir_testkit::Mariadb::start_with(&[]).await.unwrap();
    bare.ask("", "CREATE DATABASE shop").await.unwrap().unwrap();
    contains(
        &told(spec(bare.url("shop"))).await,
        &["writes no binary log", "`log_bin`"],
    );
}
