//! Moss & Ladder, a made-up shop for house plants: what it sells, to whom, and where it advertises.

pub(super) struct Product {
    pub(super) sku: &'static str,
    pub(super) name: &'static str,
    pub(super) category: &'static str,
    pub(super) cents: u32,
}

const fn product(
    sku: &'static str,
    name: &'static str,
    category: &'static str,
    cents: u32,
) -> Product {
    Product {
        sku,
        name,
        category,
        cents,
    }
}

pub(super) const PRODUCTS: [Product; 12] = [
    product("MON-01", "Monstera deliciosa", "plants", 3490),
    product("FIC-02", "Fiddle-leaf fig", "plants", 5900),
    product("POT-03", "Golden pothos", "plants", 1250),
    product("SNA-04", "Snake plant", "plants", 1900),
    product("CAL-05", "Calathea orbifolia", "plants", 2750),
    product("TER-06", "Terracotta pot, 20 cm", "pots", 1400),
    product("GLZ-07", "Glazed pot, 15 cm", "pots", 2200),
    product("BAS-08", "Seagrass basket", "pots", 2600),
    product("SOI-09", "Potting soil, 10 l", "care", 900),
    product("FER-10", "Liquid fertiliser", "care", 750),
    product("MIS-11", "Brass mister", "care", 1850),
    product("LAD-12", "Plant ladder, oak", "furniture", 14900),
];

pub(super) const FIRST_NAMES: [&str; 16] = [
    "Ada", "Bilal", "Chiara", "Daniel", "Elif", "Femi", "Grete", "Hiro", "Ines", "Jonas", "Kavya",
    "Lucía", "Mats", "Noor", "Olena", "Paulo",
];

pub(super) const LAST_NAMES: [&str; 12] = [
    "Almeida",
    "Brandt",
    "Costa",
    "Dupont",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ivanova",
    "Jensen",
    "Kowalski",
    "Lindqvist",
];

/// Place, language and time zone, as browsers send them.
pub(super) const PLACES: [(&str, &str, &str); 6] = [
    ("Berlin", "de-DE", "Europe/Berlin"),
    ("Lisbon", "pt-PT", "Europe/Lisbon"),
    ("London", "en-GB", "Europe/London"),
    ("New York", "en-US", "America/New_York"),
    ("Tokyo", "ja-JP", "Asia/Tokyo"),
    ("São Paulo", "pt-BR", "America/Sao_Paulo"),
];

/// Campaign source, medium and name; the first is none.
pub(super) const CAMPAIGNS: [(&str, &str, &str); 4] = [
    ("", "", ""),
    ("google", "cpc", "spring-green"),
    ("newsletter", "email", "repotting-week"),
    ("instagram", "social", "shelfie"),
];

pub(super) const PLANS: [&str; 3] = ["free", "plus", "studio"];

pub(super) const HOST: &str = "https://www.mossandladder.example";
