//! SDKs as their makers publish them, pointed at Weir: each call becomes one row, whatever the
//! network does to the requests.

use serde_json::{Value, json};
use weir_testkit::{Clients, Fault, Proxy, Result, Weir, ensure};

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

/// An SDK and the script that drives it.
struct Sdk {
    name: &'static str,
    script: &'static str,
    page: &'static str,
    /// Whether a call that is sent again may say more than at first: Segment's SDK for browsers
    /// adds the user that was identified in between.
    rewrites: bool,
}

const fn sdk(name: &'static str, script: &'static str) -> Sdk {
    Sdk {
        name,
        script,
        page: "",
        rewrites: false,
    }
}

const fn web(name: &'static str, page: &'static str) -> Sdk {
    Sdk {
        name,
        script: "browser/run.mjs",
        page,
        rewrites: false,
    }
}

const SEGMENT_NODE: Sdk = sdk("segment-node", "node/segment.mjs");
const SEGMENT_PYTHON: Sdk = sdk("segment-python", "python/segment_driver.py");
const SEGMENT_WEB: Sdk = Sdk {
    rewrites: true,
    ..web("segment-web", "segment.html")
};
const RUDDER_NODE: Sdk = sdk("rudder-node", "node/rudder.mjs");
const RUDDER_PYTHON: Sdk = sdk("rudder-python", "python/rudder_driver.py");
const RUDDER_WEB: Sdk = web("rudder-web", "rudder.html");

impl Sdk {
    /// Sends `count` numbered events and one of each other kind to `url`; returns what was sent.
    async fn send(&self, weir: &Weir, url: &str, count: usize) -> Result<Value> {
        let count = count.to_string();
        let variables = [
            ("URL_UNDER_TEST", url),
            ("WRITE_KEY", weir.key.as_str()),
            ("SDK_NAME", self.name),
            ("COUNT", count.as_str()),
            ("PAGE", self.page),
        ];
        let report = Clients::find()?.run(self.script, &variables).await?;
        let strangers = report["strangers"].as_array().map_or(0, Vec::len);
        ensure!(strangers == 0, "the page asked others than Weir: {report}");
        Ok(report["sent"].clone())
    }

    /// Checks that each call has one row, raw and typed, with the values that were given.
    async fn check(&self, weir: &Weir, sent: &Value, count: usize) -> Result<()> {
        let name = self.name;
        let mine = format!("(anonymous_id = '{name}-anonymous' or user_id = '{name}-user')");
        let total: i64 = sent
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, n)| n.as_i64())
            .sum();
        let raw = format!("select count(*) from raw_app.events where {mine}");
        weir.until_count(&raw, total).await?;

        let by_type = format!(
            "select type, count(*), count(distinct message_id) from raw_app.events
             where {mine} group by type order by type"
        );
        let mut wanted: Vec<Vec<Value>> = Vec::new();
        for (method, n) in sent.as_object().into_iter().flatten() {
            wanted.push(vec![json!(method), n.clone(), n.clone()]);
        }
        wanted.sort_by_key(|row| row[0].to_string());
        same(weir, &by_type, &wanted).await?;

        let numbered = format!(
            "select count(*), count(distinct marker), count(distinct n), min(n), max(n)
             from app.counted_thing where marker like '{name}-%'"
        );
        same(
            weir,
            &numbered,
            &[vec![
                json!(count),
                json!(count),
                json!(count),
                json!(0),
                json!(count - 1),
            ]],
        )
        .await?;
        let tracks =
            format!("select count(*) from app.tracks where anonymous_id = '{name}-anonymous'");
        ensure!(weir.count(&tracks).await? == count as i64 + 1, "app.tracks");

        self.check_values(weir, sent).await?;
        let bad = if self.rewrites {
            "'quarantined'"
        } else {
            "'quarantined', 'conflict'"
        };
        let refused = format!("select * from weir.event_fate where fate in ({bad})");
        same(weir, &refused, &[]).await
    }

    async fn check_values(&self, weir: &Weir, sent: &Value) -> Result<()> {
        let name = self.name;
        let properties = [
            json!("Zoë said “grüß dich” 日本語 🎉 \\ / \"quotes\""),
            json!("one\ntwo\tthree"),
            json!(7),
            json!(false),
            json!("[1,\"two\",3.5,null,{\"x\":\"y\"}]"),
            json!(9_007_199_254_740_991_i64),
            json!(-42),
            json!(19.99),
            json!(0),
            json!("2024-02-29T12:34:56.789Z"),
            json!("camel"),
            json!("second"),
        ];
        let columns =
            "note, lines, nested_deep_er_number, nested_deep_er_flag, list, big, negative,
            price, zero, moment, camel_case_key, _2nd";
        for (table, marker, column, value) in [
            ("order_completed", "order", "event_text", "Order Completed"),
            ("pages", "page", "name", "Home"),
            ("screens", "screen", "name", "Start"),
        ] {
            if table == "screens" && sent["screen"].is_null() {
                continue;
            }
            let sql = format!(
                "select {columns}, {column} from app.{table} where marker = '{name}-{marker}'"
            );
            same(weir, &sql, &[[&properties[..], &[json!(value)]].concat()]).await?;
        }

        let traits = [
            json!("zoë@example.com"),
            json!("free"),
            json!("Ünïcode & Söhne"),
            json!(3),
            json!("[\"a\",\"b\"]"),
            json!("1990-01-02T00:00:00Z"),
        ];
        let columns = "email, plan, company_name, company_employees, tags, born";
        for (table, marker, column, value) in [
            ("identifies", "identify", "user_id", "user"),
            ("groups", "group", "group_id", "group"),
        ] {
            let sql = format!(
                "select {columns}, {column} from app.{table} where marker = '{name}-{marker}'"
            );
            let id = json!(format!("{name}-{value}"));
            same(weir, &sql, &[[&traits[..], &[id]].concat()]).await?;
        }
        let alias = format!("select previous_id from app.aliases where user_id = '{name}-user'");
        same(weir, &alias, &[vec![json!(format!("{name}-before"))]]).await
    }
}

/// Checks that a query's rows are these.
async fn same(weir: &Weir, sql: &str, wanted: &[Vec<Value>]) -> Result<()> {
    let found = weir.query(sql).await?;
    ensure!(
        found == wanted,
        "{sql}\nfound  {}\nwanted {}",
        json!(found),
        json!(wanted)
    );
    Ok(())
}

/// Sends straight to Weir; what arrived is there hot, and after a restart cold.
async fn arrives(sdk: Sdk) -> Result<()> {
    const COUNT: usize = 20;
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    let sent = sdk.send(&weir, weir.url(), COUNT).await?;
    sdk.check(&weir, &sent, COUNT).await?;
    weir.stop().await?;
    weir.start().await?;
    sdk.check(&weir, &sent, COUNT).await
}

/// Sends through a network that refuses, breaks and forgets; the SDK's own retries are all there is.
async fn arrives_in_spite_of_faults(sdk: Sdk) -> Result<()> {
    // Healthy requests between them, because RudderStack's SDK for Node gives up after three retries.
    const FAULTS: [Fault; 9] = [
        Fault::Status(503),
        Fault::Status(503),
        Fault::None,
        Fault::RetryAfter(1),
        Fault::None,
        Fault::DropRequest,
        Fault::None,
        Fault::LoseAnswer,
        Fault::None,
    ];
    const COUNT: usize = 70;
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    let proxy = Proxy::start(weir.url()).await?;
    proxy.script("POST", &FAULTS);
    let sent = sdk.send(&weir, &proxy.url(), COUNT).await?;
    ensure!(proxy.met() == 5, "the SDK met {} of 5 faults", proxy.met());
    sdk.check(&weir, &sent, COUNT).await?;
    // The lost answer made the SDK send again, and Weir knew.
    let told = "select count(*) from weir.event_fate where fate in ('duplicate', 'conflict')";
    ensure!(weir.count(told).await? > 0, "no duplicate was told");
    Ok(())
}

macro_rules! for_each_sdk {
    ($($sdk:ident: $arrives:ident, $faults:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $arrives() -> Result<()> {
            arrives($sdk).await
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn $faults() -> Result<()> {
            arrives_in_spite_of_faults($sdk).await
        }
    )*};
}

for_each_sdk! {
    SEGMENT_NODE: segment_node, segment_node_in_spite_of_faults;
    SEGMENT_PYTHON: segment_python, segment_python_in_spite_of_faults;
    SEGMENT_WEB: segment_web, segment_web_in_spite_of_faults;
    RUDDER_NODE: rudder_node, rudder_node_in_spite_of_faults;
    RUDDER_PYTHON: rudder_python, rudder_python_in_spite_of_faults;
    RUDDER_WEB: rudder_web, rudder_web_in_spite_of_faults;
}
