use serde_json::{Value, json};
use weir_testkit::{Context, Result, Weir, ensure, until};

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

/// A project with models, a running server and schedules.
pub(super) struct Shop {
    pub(super) weir: Weir,
}

impl Shop {
    /// A seed, a view over it and two tables, with tests; `schedules` is the text of `schedules.yml`.
    pub(super) fn new(schedules: &str) -> Result<Self> {
        let weir = Weir::init(BINARY)?;
        let mut shop = Self { weir };
        // No profile of whoever runs the tests.
        let home = shop.weir.dir().display().to_string();
        shop.weir.set("HOME", &home);
        shop.write(
            "dbt_project.yml",
            "name: shop\nversion: '1.0'\nprofile: shop\n",
        )?;
        shop.write(
            "seeds/raw_orders.csv",
            "id,customer,amount\n1,ada,10.5\n2,bob,20\n3,ada,30.25\n",
        )?;
        shop.write(
            "models/orders.sql",
            "select id, customer, amount from {{ ref('raw_orders') }}\n",
        )?;
        shop.write(
            "models/customers.sql",
            "{{ config(materialized='table', tags=['daily']) }}\n\
             select customer, sum(amount) as total, count(*) as orders\n\
             from {{ ref('orders') }} group by 1\n",
        )?;
        // Everything that every build saw: whoever builds twice is found out.
        shop.write(
            "models/history.sql",
            "{{ config(materialized='incremental', incremental_strategy='append') }}\n\
             select id, amount from {{ ref('orders') }}\n",
        )?;
        shop.write(
            "models/schema.yml",
            "models:\n  - name: orders\n    columns:\n      - name: id\n        data_tests: [unique, not_null]\n  \
             - name: customers\n    columns:\n      - name: customer\n        data_tests: [unique]\n",
        )?;
        shop.write("schedules.yml", schedules)?;
        Ok(shop)
    }

    pub(super) async fn started(schedules: &str) -> Result<Self> {
        let mut shop = Self::new(schedules)?;
        shop.weir.start().await?;
        Ok(shop)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.weir.dir().join(name);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        // Whole or not at all: the server reads while we write.
        let new = path.with_extension("new");
        std::fs::write(&new, text)?;
        Ok(std::fs::rename(&new, &path)?)
    }

    fn token(&self) -> Result<String> {
        let token = std::fs::read_to_string(self.weir.dir().join(".weir/owner.token"))?;
        Ok(token.trim().to_owned())
    }

    /// Asks the API as the owner; returns status and answer.
    pub(super) async fn ask(&self, method: &str, path: &str, body: Value) -> Result<(u16, Value)> {
        self.ask_as(&self.token()?, method, path, body, None).await
    }

    /// Asks the API with a token, and a key by which calls are told apart.
    pub(super) async fn ask_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Value,
        key: Option<&str>,
    ) -> Result<(u16, Value)> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let method = reqwest::Method::from_bytes(method.as_bytes())?;
        let mut request = http
            .request(method, format!("{}{path}", self.weir.url()))
            .bearer_auth(token);
        if !body.is_null() {
            request = request.json(&body);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// Runs a schedule; the same key makes one run.
    pub(super) async fn trigger(&self, name: &str, key: Option<&str>) -> Result<i64> {
        let path = format!("/api/v1/schedules/{name}/trigger");
        let token = self.token()?;
        let (status, answer) = self.ask_as(&token, "POST", &path, Value::Null, key).await?;
        ensure!(status == 202, "{status}: {answer}");
        answer["run"].as_i64().context("a run")
    }

    pub(super) async fn run(&self, run: i64) -> Result<Value> {
        Ok(self
            .ask("GET", &format!("/api/v1/runs/{run}"), Value::Null)
            .await?
            .1)
    }

    /// Waits until a run has ended, and returns it.
    pub(super) async fn ended(&self, run: i64) -> Result<Value> {
        until(|| async {
            let found = self.run(run).await?;
            Ok((!found["ended_at"].is_null()).then_some(found))
        })
        .await
    }

    /// Waits until the newest run of a schedule is another than `before` and has ended.
    pub(super) async fn next_run(&self, schedule: &str, before: Option<i64>) -> Result<Value> {
        let path = format!("/api/v1/runs?schedule={schedule}&limit=1");
        let run = until(|| async {
            let (_, found) = self.ask("GET", &path, Value::Null).await?;
            let newest = found["runs"][0]["id"].as_i64();
            Ok(newest.filter(|newest| before.is_none_or(|before| *newest > before)))
        });
        self.ended(run.await?).await
    }
}

/// Returns the state of each step, by the name of its model.
pub(super) fn states(run: &Value) -> Vec<(String, String)> {
    let steps = run["details"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    steps
        .map(|step| {
            let asset = text(&step["asset"]);
            let name = asset.rsplit('.').next().unwrap_or_default().to_owned();
            (name, text(&step["state"]))
        })
        .collect()
}

/// Writes what [`states`] returns for everything being in one state.
pub(super) fn all(state: &str) -> Vec<(String, String)> {
    ["raw_orders", "orders", "customers", "history"]
        .map(|name| (name.to_owned(), state.to_owned()))
        .to_vec()
}

/// Sorts what [`states`] returns.
pub(super) fn sorted(mut states: Vec<(String, String)>) -> Vec<(String, String)> {
    states.sort();
    states
}

pub(super) fn null() -> Value {
    json!(null)
}
