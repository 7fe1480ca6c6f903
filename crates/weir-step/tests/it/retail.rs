//! Pachyderm's joins and groups: stores, purchases and returns, and laboratories.

use crate::world::*;

fn retail(world: &World) {
    let store = |id: u32, zip: &str| {
        (
            format!("STOREID{id}.txt"),
            format!("{{\"storeid\":\"{id}\",\"address\":{{\"zipcode\":\"{zip}\"}}}}"),
        )
    };
    let zips = [
        (1, "02108"),
        (2, "02108"),
        (3, "90210"),
        (4, "94107"),
        (5, "90210"),
    ];
    put(world, "stores", zips.map(|(id, zip)| store(id, zip)));
    let order = |(order, store, quantity, price): (&str, u32, u32, u32)| {
        let text = format!(
            "ORDER_HEADER|{order}|2020-10-10\nSKU|1001|QTY|{quantity}|UNIT_PRICE|{price}.00\n"
        );
        (format!("ORDER{order}_STOREID{store}.txt"), text)
    };
    let purchases = [
        ("W080520", 1, 2, 100),
        ("W080521", 1, 1, 250),
        ("W078929", 2, 1, 75),
        ("W598471", 3, 3, 100),
        ("W080231", 5, 2, 100),
        ("W080528", 5, 1, 250),
    ];
    put(world, "purchases", purchases.map(order));
    let returns = [
        ("W080520", 1, 1, 100),
        ("W080231", 5, 1, 100),
        ("W080528", 5, 1, 250),
        ("W261452", 0, 1, 50),
    ];
    put(world, "returns", returns.map(order));
}

fn put<const N: usize>(world: &World, fileset: &str, files: [(String, String); N]) {
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    world.put(fileset, &files);
}

/// A join of stores with orders, as Pachyderm's scripts do it.
fn join(name: &str, orders: &str, outer_stores: bool, outer_orders: bool) -> String {
    format!(
        r#"
name: {name}
compat: pachyderm
command: [sh]
stdin: |
  zip=UNKNOWN
  if [ -n "$PACH_DATUM_stores_JOIN_ON" ]; then
    zip=$(sed 's/.*"zipcode":"\([0-9]*\)".*/\1/' "/pfs/stores/STOREID$PACH_DATUM_stores_JOIN_ON.txt")
  fi
  file=${{{orders}:-$stores}}
  mkdir -p /pfs/out/$zip
  cp "$file" "/pfs/out/$zip/"
input:
  join:
    - {{fileset: stores, glob: "/STOREID(*).txt", join_on: $1, outer_join: {outer_stores}}}
    - {{fileset: {orders}, glob: "/*_STOREID(*).txt", join_on: $1, outer_join: {outer_orders}}}
output: {{fileset: {name}}}
"#
    )
}

fn by_zip(world: &World, fileset: &str) -> Vec<(String, usize)> {
    let mut zips = std::collections::BTreeMap::new();
    for path in world.paths(fileset) {
        *zips
            .entry(path.split('/').next().unwrap().to_owned())
            .or_insert(0) += 1;
    }
    zips.into_iter().collect()
}

fn zips(pairs: &[(&str, usize)]) -> Vec<(String, usize)> {
    pairs
        .iter()
        .map(|&(zip, count)| (zip.to_owned(), count))
        .collect()
}

#[tokio::test]
async fn joins() {
    let world = World::new().await;
    retail(&world);
    let inner = world
        .runs(&join("inner_join", "purchases", false, false))
        .await;
    assert_eq!(inner.counts(), (6, 0, 0, 6));
    assert_eq!(
        by_zip(&world, "inner_join"),
        zips(&[("02108", 3), ("90210", 3)])
    );

    let on_returns = world
        .runs(&join("outer_returns", "returns", false, true))
        .await;
    assert_eq!(on_returns.counts(), (4, 0, 0, 4));
    assert_eq!(
        by_zip(&world, "outer_returns"),
        zips(&[("02108", 1), ("90210", 2), ("UNKNOWN", 1)])
    );

    let on_stores = world
        .runs(&join("outer_stores", "returns", true, false))
        .await;
    assert_eq!(on_stores.counts(), (6, 0, 0, 6));
    assert_eq!(
        by_zip(&world, "outer_stores"),
        zips(&[("02108", 2), ("90210", 3), ("94107", 1)])
    );

    let full = world.runs(&join("full_outer", "returns", true, true)).await;
    assert_eq!(full.counts(), (7, 0, 0, 7));
    assert_eq!(
        by_zip(&world, "full_outer"),
        zips(&[("02108", 2), ("90210", 3), ("94107", 1), ("UNKNOWN", 1)])
    );
}

#[tokio::test]
async fn groups() {
    let world = World::new().await;
    retail(&world);
    let step = r#"
name: revenue
shell: |
  total() { cat "$WEIR_IN/$1"/*.txt 2>/dev/null | awk -F'|' '$1 == "SKU" {s += $4 * $6} END {print s + 0}'; }
  echo $(( $(total purchases) - $(total returns) )) > "$WEIR_OUT/${WEIR_GROUP_BY_STORES:-unknown}.txt"
input:
  group:
    - {fileset: stores, glob: "/STOREID(*).txt", group_by: $1}
    - {fileset: purchases, glob: "/*_STOREID(*).txt", group_by: $1}
    - {fileset: returns, glob: "/*_STOREID(*).txt", group_by: $1}
output: {fileset: revenue}
"#;
    assert_eq!(world.runs(step).await.counts(), (6, 0, 0, 6));
    let net = |store: &str| world.text("revenue", &format!("{store}.txt"));
    let expected = [
        ("1", "350"),
        ("2", "75"),
        ("3", "300"),
        ("4", "0"),
        ("5", "100"),
        ("unknown", "-50"),
    ];
    for (store, amount) in expected {
        assert_eq!(net(store), amount, "store {store}");
    }
    // One more purchase is one more datum's work.
    world.put(
        "purchases",
        &[("ORDERW1_STOREID4.txt", "SKU|1|QTY|2|UNIT_PRICE|5.00\n")],
    );
    let ran = world.runs(step).await;
    assert_eq!(ran.counts(), (1, 5, 0, 6));
    assert_eq!(world.text("revenue", "4.txt"), "10");
}

#[tokio::test]
async fn laboratories() {
    let world = World::new().await;
    let results = [
        ("T1606707557-LIPID-PATID1-CLIA24D9871327.txt", "196"),
        ("T1606331395-LIPID-PATID2-CLIA24D9871327.txt", "212"),
        ("T1606707579-LIPID-PATID3-CLIA24D9871327.txt", "188"),
        ("T1606707597-LIPID-PATID4-CLIA24D9871327.txt", "230"),
        ("T1606707613-LIPID-PATID1-CLIA24D9871328.txt", "199"),
        ("T1606707635-LIPID-PATID3-CLIA24D9871328.txt", "187"),
    ];
    world.put("labresults", &results);
    let step = |name: &str, glob: &str| {
        format!(
            r#"
name: {name}
compat: pachyderm
command: [bash]
stdin:
  - "mkdir -p /pfs/out/${{PACH_DATUM_labresults_GROUP_BY}}/"
  - "cp /pfs/labresults/* /pfs/out/${{PACH_DATUM_labresults_GROUP_BY}}/"
input: {{group: [{{fileset: labresults, glob: "{glob}", group_by: $1}}]}}
output: {{fileset: {name}}}
"#
        )
    };
    let patients = world.runs(&step("by_patient", "/*-PATID(*)-*.txt")).await;
    assert_eq!(patients.counts(), (4, 0, 0, 4));
    assert_eq!(
        by_zip(&world, "by_patient"),
        zips(&[("1", 2), ("2", 1), ("3", 2), ("4", 1)])
    );
    let hospitals = world.runs(&step("by_hospital", "/*-CLIA(*).txt")).await;
    assert_eq!(hospitals.counts(), (2, 0, 0, 2));
    assert_eq!(
        by_zip(&world, "by_hospital"),
        zips(&[("24D9871327", 4), ("24D9871328", 2)])
    );
}
