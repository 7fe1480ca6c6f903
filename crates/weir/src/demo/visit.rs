use chrono::{DateTime, Duration, SecondsFormat, Utc};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Map, Value, json};

use super::company::{CAMPAIGNS, FIRST_NAMES, HOST, LAST_NAMES, PLACES, PLANS, PRODUCTS, Product};

/// Where an event comes from, which decides how it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Channel {
    Web,
    Mobile,
    Server,
}

/// One event of the company, as an SDK would build it.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) at: DateTime<Utc>,
    pub(crate) channel: Channel,
    pub(crate) event: Map<String, Value>,
}

/// Somebody who visits the shop, now and then.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    anonymous_id: String,
    user_id: Option<String>,
    name: String,
    place: usize,
    mobile: bool,
}

impl Visitor {
    pub(super) fn new(rng: &mut StdRng) -> Self {
        let pick = |rng: &mut StdRng, list: &[&str]| {
            list.choose(rng).copied().unwrap_or_default().to_owned()
        };
        Self {
            anonymous_id: uuid(rng),
            user_id: None,
            name: format!("{} {}", pick(rng, &FIRST_NAMES), pick(rng, &LAST_NAMES)),
            place: rng.random_range(0..PLACES.len()),
            mobile: rng.random_bool(0.4),
        }
    }

    /// Makes the events of one visit that begins at `start`; `pace` stretches its pauses.
    pub(super) fn visit(&mut self, rng: &mut StdRng, start: DateTime<Utc>, pace: f64) -> Vec<Made> {
        let mut visit = Visit {
            visitor: self,
            rng,
            at: start,
            pace,
            made: Vec::new(),
        };
        visit.run();
        visit.made
    }
}

struct Visit<'a> {
    visitor: &'a mut Visitor,
    rng: &'a mut StdRng,
    at: DateTime<Utc>,
    pace: f64,
    made: Vec<Made>,
}

impl Visit<'_> {
    fn run(&mut self) {
        self.open("Home", "/");
        if self.visitor.user_id.is_none() && self.rng.random_bool(0.15) {
            self.sign_up();
        }
        let mut cart: Vec<(&'static Product, u32)> = Vec::new();
        for _ in 0..self.rng.random_range(1..=4) {
            let product = &PRODUCTS[self.rng.random_range(0..PRODUCTS.len())];
            self.open(
                product.name,
                &format!("/products/{}", product.sku.to_lowercase()),
            );
            self.track("Product Viewed", product_json(product));
            if self.rng.random_bool(0.35) {
                let quantity = self.rng.random_range(1..=3);
                let mut properties = product_json(product);
                properties["quantity"] = json!(quantity);
                self.track("Product Added", properties);
                cart.push((product, quantity));
            }
        }
        if !cart.is_empty() && self.rng.random_bool(0.6) {
            self.check_out(&cart);
        }
    }

    fn sign_up(&mut self) {
        let user_id = format!("u_{}", self.rng.random_range(10_000..99_999));
        let plan = PLANS[self.rng.random_range(0..PLANS.len())];
        let email = format!(
            "{}@example.com",
            self.visitor.name.to_lowercase().replace(' ', ".")
        );
        self.visitor.user_id = Some(user_id);
        let traits = json!({
            "name": self.visitor.name,
            "email": email,
            "plan": plan,
            "city": PLACES[self.visitor.place].0,
            "created_at": time(self.at),
        });
        self.make("identify", [("traits", traits)]);
        let method = self.one_of(&["email", "google"]);
        self.track("Signed Up", json!({ "plan": plan, "method": method }));
        if plan == "studio" {
            let id = format!("g_{}", self.rng.random_range(100..140));
            let name = format!("{} Studio", self.visitor.name);
            let traits = json!({ "name": name, "seats": self.rng.random_range(2..30) });
            self.make("group", [("groupId", json!(id)), ("traits", traits)]);
        }
    }

    fn check_out(&mut self, cart: &[(&Product, u32)]) {
        let value: u32 = cart
            .iter()
            .map(|(product, quantity)| product.cents * quantity)
            .sum();
        self.track(
            "Checkout Started",
            json!({ "value": money(value), "currency": "EUR" }),
        );
        if !self.rng.random_bool(0.7) {
            return;
        }
        // A whole number first, then not: the column's type widens by itself.
        let shipping = if value > 5000 { json!(0) } else { json!(4.95) };
        let products: Vec<Value> = cart
            .iter()
            .map(|(product, quantity)| {
                let mut line = product_json(product);
                line["quantity"] = json!(quantity);
                line
            })
            .collect();
        let order = json!({
            "order_id": format!("o_{:08x}", self.rng.random::<u32>()),
            "total": money(value),
            "shipping": shipping,
            "currency": "EUR",
            "coupon": self.one_of(&["", "", "", "GREEN10"]),
            "products": products,
        });
        // The order is reported by the shop's server, which knows the user but not the browser.
        let channel = if self.visitor.user_id.is_some() {
            Channel::Server
        } else {
            self.channel()
        };
        self.make_on(
            channel,
            "track",
            [("event", json!("Order Completed")), ("properties", order)],
        );
    }

    fn open(&mut self, title: &str, path: &str) {
        let properties = json!({
            "title": title,
            "path": path,
            "url": format!("{HOST}{path}"),
            "referrer": self.one_of(&["", "https://www.google.com/", "https://www.instagram.com/"]),
        });
        let kind = if self.visitor.mobile {
            "screen"
        } else {
            "page"
        };
        self.make(kind, [("name", json!(title)), ("properties", properties)]);
    }

    fn track(&mut self, event: &str, properties: Value) {
        self.make(
            "track",
            [("event", json!(event)), ("properties", properties)],
        );
    }

    fn make<const N: usize>(&mut self, kind: &str, fields: [(&str, Value); N]) {
        self.make_on(self.channel(), kind, fields);
    }

    fn make_on<const N: usize>(
        &mut self,
        channel: Channel,
        kind: &str,
        fields: [(&str, Value); N],
    ) {
        let pause = self.rng.random_range(0.5..12.0) * self.pace;
        self.at += Duration::milliseconds((pause * 1000.0) as i64);
        let mut event = Map::new();
        event.insert("type".into(), json!(kind));
        event.insert("messageId".into(), json!(uuid(self.rng)));
        if channel != Channel::Server {
            event.insert("anonymousId".into(), json!(self.visitor.anonymous_id));
        }
        if let Some(user_id) = &self.visitor.user_id {
            event.insert("userId".into(), json!(user_id));
        }
        for (name, value) in fields {
            event.insert(name.into(), value);
        }
        event.insert("context".into(), self.context(channel));
        event.insert("timestamp".into(), json!(time(self.at)));
        self.made.push(Made {
            at: self.at,
            channel,
            event,
        });
    }

    fn context(&mut self, channel: Channel) -> Value {
        let (_, locale, timezone) = PLACES[self.visitor.place];
        match channel {
            Channel::Server => json!({
                "library": { "name": "@segment/analytics-node", "version": "3.1.0" },
            }),
            Channel::Mobile => json!({
                "library": { "name": "analytics-react-native", "version": "2.24.1" },
                "app": { "name": "Moss & Ladder", "version": "4.2.0" },
                "device": { "model": self.one_of(&["iPhone16,2", "Pixel 9", "SM-S921B"]) },
                "os": { "name": self.one_of(&["iOS", "Android"]), "version": "19" },
                "locale": locale,
                "timezone": timezone,
            }),
            Channel::Web => {
                let (source, medium, name) = CAMPAIGNS[self.rng.random_range(0..CAMPAIGNS.len())];
                let mut context = json!({
                    "library": { "name": "analytics.js", "version": "npm:next-1.84.3" },
                    "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
                    "locale": locale,
                    "timezone": timezone,
                });
                if !source.is_empty() {
                    context["campaign"] =
                        json!({ "source": source, "medium": medium, "name": name });
                }
                context
            }
        }
    }

    fn channel(&self) -> Channel {
        if self.visitor.mobile {
            Channel::Mobile
        } else {
            Channel::Web
        }
    }

    fn one_of(&mut self, list: &[&'static str]) -> &'static str {
        list.choose(self.rng).copied().unwrap_or_default()
    }
}

fn product_json(product: &Product) -> Value {
    json!({
        "product_id": product.sku,
        "name": product.name,
        "category": product.category,
        "price": money(product.cents),
    })
}

fn money(cents: u32) -> f64 {
    f64::from(cents) / 100.0
}

/// Writes a time the way SDKs do.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Makes a random (version 4) UUID from the seeded generator.
pub(crate) fn uuid(rng: &mut StdRng) -> String {
    uuid::Builder::from_random_bytes(rng.random())
        .into_uuid()
        .to_string()
}
