//! Links for other sites: guessing them keeps nobody from signing in.

use weir_testkit::{Result, Weir, ensure};

use crate::rollups::Person;

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

#[tokio::test]
async fn wrong_secrets_of_links_are_no_wrong_passwords() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    let anna = Person::new(&weir, "anna", "analyst").await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut told = Vec::new();
    for _ in 0..40 {
        let asked = http
            .get(format!("{}/api/v1/embed", weir.url()))
            .header("weir-embed", "f".repeat(64));
        told.push(asked.send().await?.status().as_u16());
    }
    ensure!(told[0] == 404 && told.contains(&429), "{told:?}");
    let (status, said) = anna.ask("GET", "/api/v1/me", None).await?;
    ensure!(status == 200, "{status} {said}");
    weir.stop().await
}
