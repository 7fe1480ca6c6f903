//! Questions that are kept as tables: built when what they read changes, with the rights of whoever asked
//! for that, and of nobody else.

use serde_json::{Value, json};
use weir_testkit::{Context, Result, Weir, ensure, until};

const BINARY: &str = env!("CARGO_BIN_EXE_weir");
const PASSWORD: &str = "a long sentence for everybody";

/// Somebody who asks over HTTP.
pub(crate) struct Person<'a> {
    weir: &'a Weir,
    http: reqwest::Client,
    name: &'a str,
}

impl<'a> Person<'a> {
    /// Makes a user with a password.
    pub(crate) async fn new(weir: &'a Weir, name: &'a str, role: &str) -> Result<Self> {
        let owner = Self::owner(weir)?;
        let user = json!({"name": name, "roles": [role], "password": PASSWORD});
        let (status, said) = owner.ask("POST", "/api/v1/users", Some(user)).await?;
        ensure!(status == 201 || status == 200, "{status} {said}");
        Ok(Self { name, ..owner })
    }

    /// Returns the project's owner, by its token.
    pub(crate) fn owner(weir: &'a Weir) -> Result<Self> {
        Ok(Self {
            weir,
            http: reqwest::Client::builder().no_proxy().build()?,
            name: "",
        })
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<(u16, Value)> {
        let method = reqwest::Method::from_bytes(method.as_bytes())?;
        let request = self
            .http
            .request(method, format!("{}{path}", self.weir.url()));
        let request = match self.name {
            "" => {
                let token = self.weir.dir().join(".weir/owner.token");
                request.bearer_auth(std::fs::read_to_string(token)?.trim())
            }
            name => request.basic_auth(name, Some(PASSWORD)),
        };
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        let said = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok((status, said))
    }

    /// Saves a question; returns its id.
    pub(crate) async fn question(&self, name: &str, sql: &str, sharing: &str) -> Result<String> {
        let draft = json!({"name": name, "sharing": sharing, "body": {"sql": sql}});
        let (status, made) = self.ask("POST", "/api/v1/questions", Some(draft)).await?;
        ensure!(status == 201, "{status} {made}");
        Ok(made["id"].as_str().context("an id")?.to_owned())
    }

    async fn keep(&self, question: &str, table: &str) -> Result<(u16, Value)> {
        let wanted =
            json!({"schema_name": "anna", "table_name": table, "at_most_every_seconds": 1});
        let path = format!("/api/v1/questions/{question}/rollup");
        self.ask("PUT", &path, Some(wanted)).await
    }

    async fn rollup(&self, question: &str) -> Result<Value> {
        let path = format!("/api/v1/questions/{question}/rollup");
        Ok(self.ask("GET", &path, None).await?.1)
    }

    /// Builds a table now, and returns how that ended.
    async fn build(&self, question: &str) -> Result<Value> {
        let path = format!("/api/v1/questions/{question}/rollup/run");
        let (status, begun) = self.ask("POST", &path, None).await?;
        ensure!(status == 202, "{status} {begun}");
        until(|| async {
            let last = self.rollup(question).await?["goes"]["last_run"].clone();
            let ended = last["run"].as_i64() >= begun["run"].as_i64()
                && !matches!(last["state"].as_str(), Some("queued" | "running"));
            Ok(ended.then_some(last))
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_kept_as_a_table_and_follows_its_rows() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    let seen = |n: usize| json!({"type": "track", "event": "Seen", "userId": format!("u{n}")});
    ensure!(weir.send(&[seen(1), seen(2)]).await?, "not acknowledged");
    weir.until_count("select count(*) from app.tracks", 2)
        .await?;
    let anna = Person::new(&weir, "anna", "analyst").await?;
    let sql =
        "select event, count(*) as n from app.tracks where event <> '{{not}}' group by 1 -- all";
    let question = anna.question("Seen", sql, "edit").await?;
    let (status, said) = anna.keep(&question, "seen").await?;
    ensure!(status == 200, "{status} {said}");
    ensure!(said["rollup"]["follows"] == json!(["app.tracks"]), "{said}");
    weir.until_count("select n from anna.seen", 2).await?;

    // It follows its rows, and who made it of what can be seen wherever models are.
    ensure!(weir.send(&[seen(3)]).await?, "not acknowledged");
    weir.until_count("select n from anna.seen", 3).await?;
    let fed = "select count(*) from weir.lineage where schema_name = 'anna' and table_name = 'seen' and source_table = 'tracks'";
    ensure!(weir.count(fed).await? > 0, "no lineage");
    let runs = "select count(*) from weir.runs where schedule = 'rollup.anna.seen' and state = 'succeeded'";
    // A run ends after what it publishes can be seen.
    let asked = &weir;
    until(|| async { Ok((asked.count(runs).await? >= 2).then_some(())) }).await?;
    let (_, models) = anna.ask("GET", "/api/v1/models", None).await?;
    let own = models["models"].as_array().context("models")?;
    ensure!(
        own.iter()
            .any(|one| one["kind"] == "rollup" && one["question"] == json!(question)),
        "{models}"
    );
    let (code, listed, _) = weir.run(&["schedule", "list"])?;
    ensure!(code == 0 && listed.contains("rollup.anna.seen"), "{listed}");

    // A table of a table, and no circles.
    let second = anna
        .question("Twice", "select n * 2 as n from anna.seen", "read")
        .await?;
    let (status, said) = anna.keep(&second, "seen").await?;
    ensure!(status == 409, "{status} {said}");
    let (status, said) = anna.keep(&second, "twice").await?;
    ensure!(status == 200, "{status} {said}");
    weir.until_count("select n from anna.twice", 6).await?;
    let third = anna
        .question("Round", "select n from anna.twice", "read")
        .await?;
    ensure!(anna.keep(&third, "round").await?.0 == 200, "a chain");
    let draft = json!({"name": "Twice", "sharing": "read", "version": 1, "body": {"sql": "select n from anna.round"}});
    weir.until_count("select n from anna.round", 6).await?;
    let path = format!("/api/v1/questions/{second}");
    ensure!(anna.ask("PUT", &path, Some(draft)).await?.0 == 200, "saved");
    let (status, said) = anna.keep(&second, "twice").await?;
    ensure!(
        status == 409 && said.to_string().contains("rollup.anna."),
        "{said}"
    );

    // A start finds everything again.
    weir.kill()?;
    weir.start().await?;
    ensure!(weir.send(&[seen(4)]).await?, "not acknowledged");
    weir.until_count("select n from anna.seen", 4).await?;
    weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollup_has_the_rights_of_its_owner_and_no_others() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    let seen = json!({"type": "track", "event": "Seen", "userId": "u1"});
    ensure!(weir.send(&[seen]).await?, "not acknowledged");
    weir.until_count("select count(*) from app.tracks", 1)
        .await?;
    let anna = Person::new(&weir, "anna", "analyst").await?;
    let vera = Person::new(&weir, "vera", "viewer").await?;
    let emil = Person::new(&weir, "emil", "engineer").await?;
    let owner = Person::owner(&weir)?;
    let sql = "select count(*) as n from app.tracks";
    let question = anna.question("Seen", sql, "edit").await?;
    let path = format!("/api/v1/questions/{question}/rollup");

    // A viewer looks, and changes nothing.
    ensure!(vera.keep(&question, "seen").await?.0 == 403, "kept");
    ensure!(anna.keep(&question, "seen").await?.0 == 200, "not kept");
    ensure!(
        vera.rollup(&question).await?["rollup"]["table_name"] == "seen",
        "unseen"
    );
    ensure!(vera.ask("DELETE", &path, None).await?.0 == 403, "ended");
    let run = format!("{path}/run");
    ensure!(vera.ask("POST", &run, None).await?.0 == 403, "built");

    // What cannot be is refused with a reason.
    let elsewhere = json!({"schema_name": "main", "table_name": "seen"});
    let (status, said) = anna.ask("PUT", &path, Some(elsewhere)).await?;
    ensure!(
        status == 403
            && said["message"]
                .as_str()
                .is_some_and(|text| text.contains("`main`")),
        "{said}"
    );
    for wrong in [
        json!({"schema_name": "anna", "table_name": "seen", "cron": "never"}),
        json!({"schema_name": "anna", "table_name": "seen", "cron": "0 6 * * *", "zone": "Nowhere/At_all"}),
        json!({"schema_name": "anna", "table_name": "", "cron": "0 6 * * *"}),
        json!({"schema_name": "anna", "table_name": "seen", "at_most_every_seconds": 0}),
    ] {
        let (status, said) = anna.ask("PUT", &path, Some(wrong.clone())).await?;
        ensure!(status == 400, "{wrong}: {status} {said}");
    }

    // What somebody else saves is not asked with anna's rights.
    let draft =
        json!({"name": "Seen", "sharing": "edit", "version": 1, "body": {"sql": "select 42 as n"}});
    let saving = format!("/api/v1/questions/{question}");
    let (status, said) = emil.ask("PUT", &saving, Some(draft)).await?;
    ensure!(status == 200, "{status} {said}");
    let built = anna.build(&question).await?;
    ensure!(built["state"] == "succeeded", "{built}");
    ensure!(
        weir.count("select n from anna.seen").await? == 1,
        "emil's version was built"
    );
    let shown = anna.rollup(&question).await?;
    ensure!(
        shown["rollup"]["version"] == 1 && shown["rollup"]["newest"] == 2,
        "{shown}"
    );

    // Rights are asked for at each run.
    let gone = owner
        .ask("DELETE", "/api/v1/users/anna/roles/analyst", None)
        .await?;
    ensure!(gone.0 == 200 || gone.0 == 204, "{gone:?}");
    let failed = owner.build(&question).await?;
    let why = failed["reason"].as_str().context("a reason")?;
    ensure!(
        failed["state"] == "failed" && why.contains("with the rights of `anna`"),
        "{failed}"
    );
    ensure!(
        weir.count("select n from anna.seen").await? == 1,
        "the table went"
    );
    ensure!(
        vera.rollup(&question).await?["goes"]["last_run"]["reason"].is_null(),
        "told to a stranger"
    );

    // Ended, it is built no more, and the table stays.
    ensure!(
        owner.ask("DELETE", &path, None).await?.0 == 204,
        "not ended"
    );
    ensure!(owner.ask("POST", &run, None).await?.0 == 404, "built");
    ensure!(
        weir.count("select n from anna.seen").await? == 1,
        "the table went"
    );
    weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_at_any_step_leaves_the_table_of_the_last_rows() -> Result<()> {
    const POINTS: [&str; 8] = [
        "flow-open-runs",
        "flow-end-and-begin-attempts-done",
        "statement-stored",
        "flow-begin-to-publish",
        "publish-begin",
        "publish-table-done",
        "publish-committed",
        "publish-show",
    ];
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    let seen = |n: usize| json!({"type": "track", "event": "Seen", "userId": format!("u{n}")});
    ensure!(weir.send(&[seen(0)]).await?, "not acknowledged");
    weir.until_count("select count(*) from app.tracks", 1)
        .await?;
    let anna = Person::new(&weir, "anna", "analyst").await?;
    let sql = "select count(*) as n from app.tracks";
    let question = anna.question("Seen", sql, "edit").await?;
    ensure!(anna.keep(&question, "seen").await?.0 == 200, "not kept");
    weir.until_count("select n from anna.seen", 1).await?;
    weir.stop().await?;
    for (at, point) in POINTS.into_iter().enumerate() {
        weir.set("WEIR_FAILPOINTS", &format!("{point}=panic"));
        weir.start().await?;
        ensure!(weir.send(&[seen(at + 1)]).await?, "not acknowledged");
        until(|| {
            let ended = weir.ended_now();
            async move { Ok(ended?.then_some(())) }
        })
        .await
        .with_context(|| format!("{point}: not reached"))?;
        weir.kill()?;
        weir.unset("WEIR_FAILPOINTS");
        weir.start().await?;
        weir.until_count("select n from anna.seen", at as i64 + 2)
            .await?;
        let rows = weir.count("select count(*) from anna.seen").await?;
        ensure!(rows == 1, "{point}: {rows} rows");
        let twice = "select count(*) from (select regexp_replace(about, '.*\"run\":([0-9]*),.*', '\\1') as run \
                     from weir.publications where state = 'published' group by 1 having count(*) > 1) as twice";
        ensure!(weir.count(twice).await? == 0, "{point}: published twice");
        weir.stop().await?;
    }
    Ok(())
}
