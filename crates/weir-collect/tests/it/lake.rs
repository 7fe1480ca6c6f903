use std::path::Path;

use bytes::Bytes;
use http::Request;
use weir_catalog::{Actor, Catalog};
use weir_collect::{ApplyCounts, Collector, Limits, LiveEvents, event_apply};
use weir_core::{Seq, SourceName, TableName};
use weir_lake::{Lake, LakeOptions};

struct World {
    lake: Lake,
    collector: Collector,
    counts: ApplyCounts,
    key: String,
}

impl World {
    async fn open(dir: &Path) -> Self {
        let catalog = Catalog::open(&dir.join("catalog.db")).await.unwrap();
        let name = SourceName::new("shop").unwrap();
        catalog
            .upsert_source(&Actor::local(), &name, true, &Default::default())
            .await
            .unwrap();
        let key = catalog
            .create_key(&Actor::local(), &name, "")
            .await
            .unwrap()
            .key
            .reveal()
            .to_owned();
        let counts = ApplyCounts::default();
        let mut options = LakeOptions::new(dir.join(".weir"), dir.join("lake").to_str().unwrap());
        options.min_free_bytes = 0;
        let lake = Lake::open(options, event_apply(&counts)).await.unwrap();
        lake.recovered().await;
        let collector = Collector::new(lake.clone(), catalog, Limits::default(), LiveEvents::new());
        Self {
            lake,
            collector,
            counts,
            key,
        }
    }

    /// Sends a batch and waits until its rows are readable.
    async fn send(&self, events: &[&str]) {
        let body = format!(
            r#"{{"writeKey":"{}","batch":[{}]}}"#,
            self.key,
            events.join(",")
        );
        let request = Request::post("/v1/batch").body(Bytes::from(body)).unwrap();
        let response = self.collector.handle(request, [127, 0, 0, 1].into()).await;
        assert_eq!(response.status(), 200);
        let lsn = response.headers()["x-weir-lsn"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        self.lake.wait_visible(Seq(lsn)).await;
    }

    fn rows(&self, schema: &str, table: &str) -> u64 {
        let view = self.lake.view();
        let name = TableName::new(schema, table).unwrap();
        view.table(&name).map_or(0, |table| table.rows())
    }
}

const ORDER: &str = r#"{"type":"track","event":"Order Completed","userId":"u","messageId":"o1","properties":{"total":1}}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_become_rows_once_whatever_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::open(dir.path()).await;
    let wider = ORDER.replace("o1", "o2").replace(":1}", ":1.5}");
    let other = ORDER.replace(":1}", ":2}");
    world.send(&[ORDER, &wider, ORDER, &other, "oops"]).await;
    assert_eq!(world.rows("raw_shop", "events"), 2);
    assert_eq!(world.rows("raw_shop", "duplicates"), 2);
    assert_eq!(world.rows("raw_shop", "quarantine"), 1);
    assert_eq!(world.rows("shop", "tracks"), 2);
    assert_eq!(world.rows("shop", "order_completed"), 2);
    assert_eq!((world.counts.applied(), world.counts.duplicates()), (2, 1));
    assert_eq!(world.counts.conflicts(), 1);
    world.lake.close().await.unwrap();
    drop(world);

    let world = World::open(dir.path()).await;
    world.send(&[ORDER]).await;
    assert_eq!(world.rows("shop", "order_completed"), 2);
    assert_eq!(world.rows("raw_shop", "duplicates"), 3);
    world.lake.close().await.unwrap();
}
