use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ring::hmac;

use crate::decision::{Decision, Rights};
use crate::grant::{Grant, GrantObject};
use crate::identity::{Auth, Identity};
use crate::name::RoleName;
use crate::object::{Action, Object, SYSTEM_SCHEMAS, SchemaKind};
use crate::password::PasswordHash;
use crate::privilege::Privileges;
use crate::role::Role;
use crate::scram::{ScramKeys, ScramSalt};
use crate::token::{Refusal, TokenHash, TokenInfo};
use crate::user::User;

/// Tokens of one user that may work at one time: each is tried when somebody signs in by a proof.
pub const MAX_TOKENS: usize = 256;

/// Verifiers are tried in multiples of this, so that the time tells neither who is a user nor how
/// many tokens somebody has, within these steps.
const TRIED_AT_ONCE: usize = 32;

/// What a snapshot is made from.
#[derive(Default)]
pub struct AccessParts {
    /// Moves with every change.
    pub epoch: u64,
    /// All users.
    pub users: Vec<User>,
    /// Roles that people made; the built-in ones are always there.
    pub roles: BTreeSet<RoleName>,
    /// All grants.
    pub grants: Vec<Grant>,
    /// All tokens, revoked ones too, by what recognises them.
    pub tokens: Vec<(TokenHash, TokenInfo)>,
    /// What recognises a token that is proved instead of sent; older tokens have none.
    pub token_keys: HashMap<TokenHash, ScramKeys>,
    /// Names of sources, whose schemas nobody else fills.
    pub sources: BTreeSet<String>,
    /// Schemas that people made, with who did.
    pub schemas: BTreeMap<String, String>,
    /// Schemas of users who are gone: nobody inherits them.
    pub former_schemas: BTreeSet<String>,
    /// Tables and views that somebody made in a schema that is not theirs.
    pub owners: HashMap<(String, String), String>,
    /// Makes answers about unknown users stable; random, kept for good.
    pub fake_key: [u8; 32],
}

/// Everybody, and everything they may do, as of one moment. Immutable.
pub struct Access {
    pub(crate) epoch: u64,
    pub(crate) users: BTreeMap<Arc<str>, User>,
    pub(crate) roles: BTreeSet<RoleName>,
    grants: Vec<Grant>,
    pub(crate) granted: HashMap<String, Granted>,
    tokens: HashMap<TokenHash, TokenInfo>,
    /// Of each user, the newest first.
    provable: HashMap<String, Vec<(ScramKeys, TokenHash)>>,
    sources: BTreeSet<String>,
    schemas: BTreeMap<String, String>,
    personal: HashMap<String, Arc<str>>,
    pub(crate) owners: HashMap<String, HashMap<String, String>>,
    fake_key: hmac::Key,
}

/// What one grantee was granted, by schema.
#[derive(Default)]
pub(crate) struct Granted {
    pub(crate) schemas: HashMap<String, Privileges>,
    pub(crate) tables: HashMap<String, HashMap<String, Privileges>>,
}

fn provable(
    tokens: &[(TokenHash, TokenInfo)],
    keys: &HashMap<TokenHash, ScramKeys>,
) -> HashMap<String, Vec<(ScramKeys, TokenHash)>> {
    let mut live: Vec<_> = tokens
        .iter()
        .filter(|(_, info)| info.revoked_at.is_none())
        .collect();
    live.sort_by_key(|(_, info)| std::cmp::Reverse(info.id));
    let mut provable: HashMap<String, Vec<(ScramKeys, TokenHash)>> = HashMap::new();
    for (hash, info) in live {
        if let Some(keys) = keys.get(hash) {
            let of_user = provable.entry(info.user.clone()).or_default();
            of_user.push((*keys, *hash));
        }
    }
    provable
}

impl Default for Access {
    fn default() -> Self {
        Self::new(AccessParts::default())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Access(epoch {}, {} users)",
            self.epoch,
            self.users.len()
        )
    }
}

impl Access {
    /// Builds a snapshot.
    pub fn new(parts: AccessParts) -> Self {
        let mut granted: HashMap<String, Granted> = HashMap::new();
        for grant in &parts.grants {
            let of = granted.entry(grant.grantee.clone()).or_default();
            let privileges = match &grant.object {
                GrantObject::Schema(schema) => of.schemas.entry(schema.clone()).or_default(),
                GrantObject::Table { schema, table } => of
                    .tables
                    .entry(schema.clone())
                    .or_default()
                    .entry(table.clone())
                    .or_default(),
            };
            *privileges = privileges.with(grant.privileges.and(grant.object.possible()));
        }
        let mut owners: HashMap<String, HashMap<String, String>> = HashMap::new();
        for ((schema, table), owner) in parts.owners {
            owners.entry(schema).or_default().insert(table, owner);
        }
        let mut users = BTreeMap::new();
        // Owned by a name that nobody can have.
        let gone: Arc<str> = "".into();
        let former = parts.former_schemas.into_iter();
        let mut personal: HashMap<String, Arc<str>> =
            former.map(|schema| (schema, gone.clone())).collect();
        for user in parts.users {
            let name: Arc<str> = user.name.as_str().into();
            personal.insert(user.schema.clone(), name.clone());
            users.insert(name, user);
        }
        Self {
            epoch: parts.epoch,
            provable: provable(&parts.tokens, &parts.token_keys),
            users,
            roles: parts.roles,
            grants: parts.grants,
            granted,
            tokens: parts.tokens.into_iter().collect(),
            sources: parts.sources,
            schemas: parts.schemas,
            personal,
            owners,
            fake_key: hmac::Key::new(hmac::HMAC_SHA256, &parts.fake_key),
        }
    }

    /// Returns a number that moves with every change.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    // --- who is there ---

    /// Returns all users, by name.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// Returns the user of that name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.get(name)
    }

    /// Returns the roles that people made, by name.
    pub fn custom_roles(&self) -> impl Iterator<Item = &RoleName> {
        self.roles.iter()
    }

    /// Whether there is a role of that name, built in or made.
    pub fn has_role(&self, name: &str) -> bool {
        Role::named(name).is_some() || self.roles.contains(name)
    }

    /// Returns all grants.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Returns all tokens, in no order.
    pub fn tokens(&self) -> impl Iterator<Item = &TokenInfo> {
        self.tokens.values()
    }

    /// Returns the schemas that people made, with who did.
    pub fn schemas(&self) -> impl Iterator<Item = (&str, &str)> {
        let made = self.schemas.iter();
        made.map(|(schema, owner)| (schema.as_str(), owner.as_str()))
    }

    /// Returns every schema that exists whether or not anything is in it: people's own and made ones.
    pub fn known_schemas(&self) -> impl Iterator<Item = &str> {
        self.schemas
            .keys()
            .map(String::as_str)
            .chain(self.personal.keys().map(String::as_str))
    }

    /// Returns what `schema` is for.
    pub fn schema_kind(&self, schema: &str) -> SchemaKind<'_> {
        if SYSTEM_SCHEMAS.contains(&schema) {
            SchemaKind::System
        } else if schema.starts_with("raw_") {
            SchemaKind::Raw
        } else if self.sources.contains(schema) {
            // Before people's own: a source must never end up in somebody's hands.
            SchemaKind::Source
        } else if let Some(user) = self.personal.get(schema) {
            SchemaKind::Personal(user)
        } else if schema.starts_with("mart_") {
            SchemaKind::Mart
        } else {
            SchemaKind::Shared(self.schemas.get(schema).map(String::as_str))
        }
    }

    /// Returns who owns a schema, or a table in it where that is somebody else.
    pub fn owner_of(&self, object: &Object<'_>) -> Option<&str> {
        let schema = object.schema()?;
        if let Object::Table { table, .. } = object
            && let Some(owner) = self.owners.get(schema).and_then(|of| of.get(*table))
        {
            return Some(owner);
        }
        match self.schema_kind(schema) {
            SchemaKind::Personal(user) => Some(user),
            _ => self.schemas.get(schema).map(String::as_str),
        }
    }

    // --- signing in ---

    /// Returns who the user is once a door has seen the password proved; none for those who cannot
    /// sign in.
    pub fn identity(&self, user: &str) -> Option<Identity> {
        let (name, user) = self.users.get_key_value(user)?;
        let may = !user.disabled && user.password.is_some();
        may.then(|| Identity::new(name.clone(), user.id, Auth::Password))
    }

    /// Returns what a client that signs in as `user` needs to prove a password or a token.
    ///
    /// There is one for every name, always the same: from outside, users cannot be told from
    /// nobody.
    pub fn scram(&self, user: &str) -> ScramSalt {
        // Made in any case, so that it takes the same time.
        let fake = ScramSalt::fake(user, &self.fake_key);
        self.users.get(user).map_or(fake, |user| user.scram.clone())
    }

    /// Checks the proof that a client sent for the messages `signed`: that it knows the user's
    /// password, or one of the user's tokens. Returns who came, and the signature by which the
    /// server proves itself.
    pub fn authenticate_proof(
        &self,
        user: &str,
        signed: &[u8],
        proof: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<(Identity, [u8; 32]), Refusal> {
        let fake = ScramKeys::fake(user, &self.fake_key);
        let known = self.users.get_key_value(user);
        let password = known.and_then(|(_, user)| user.password.as_ref());
        // All are tried, whichever fits.
        let mut found = None;
        let checked = password.map_or(&fake, |password| &password.scram);
        if let Some(signature) = checked.check(signed, proof)
            && password.is_some()
        {
            found = Some((Auth::Password, signature));
        }
        let tokens = self.provable.get(user).into_iter().flatten();
        let good = |hash: &TokenHash| {
            let token = self.tokens.get(hash);
            token.is_some_and(|token| token.refusal(now).is_none())
        };
        let mut tried = 1;
        for (keys, hash) in tokens.filter(|(_, hash)| good(hash)).take(MAX_TOKENS) {
            if let Some(signature) = keys.check(signed, proof) {
                found = Some((Auth::Token(*hash), signature));
            }
            tried += 1;
        }
        while tried % TRIED_AT_ONCE != 0 {
            std::hint::black_box(fake.check(signed, proof));
            tried += 1;
        }
        let (name, user) = known.ok_or(Refusal::Unknown)?;
        let (auth, signature) = found.ok_or(Refusal::WrongPassword)?;
        match user.disabled {
            true => Err(Refusal::Disabled),
            false => Ok((Identity::new(name.clone(), user.id, auth), signature)),
        }
    }

    /// Checks a password that was sent in clear.
    ///
    /// Takes some 19 MiB and tens of milliseconds, for unknown users too: callers bound how many of
    /// these run at a time, and run them off the runtime.
    pub fn authenticate_password(&self, user: &str, password: &str) -> Result<Identity, Refusal> {
        let known = self.users.get(user);
        let hash = known.and_then(|user| user.password.as_ref());
        let hash = hash.map_or(PasswordHash::fake(), |secrets| &secrets.hash);
        let right = hash.verify(password);
        match known {
            None => Err(Refusal::Unknown),
            Some(_) if !right => Err(Refusal::WrongPassword),
            Some(_) => self.identity(user).ok_or(Refusal::Disabled),
        }
    }

    /// Says whose token it is. Takes a hash and a look-up.
    pub fn authenticate_token(&self, token: &str, now: DateTime<Utc>) -> Result<Identity, Refusal> {
        // Timing tells about the hash of a guess, which says nothing about any token.
        let hash = TokenHash::of_sent(token).ok_or(Refusal::Unknown)?;
        let info = self.tokens.get(&hash).ok_or(Refusal::Unknown)?;
        if let Some(refusal) = info.refusal(now) {
            return Err(refusal);
        }
        let (name, user) = self
            .users
            .get_key_value(info.user.as_str())
            .ok_or(Refusal::Unknown)?;
        if user.disabled {
            return Err(Refusal::Disabled);
        }
        Ok(Identity::new(name.clone(), user.id, Auth::Token(hash)))
    }

    /// Whether somebody who signed in earlier is still let in: not dropped or disabled, the token
    /// not taken back or expired.
    pub fn still_valid(&self, who: &Identity, now: DateTime<Utc>) -> bool {
        self.standing(who)
            .is_some_and(|token| token.is_none_or(|token| token.refusal(now).is_none()))
            || who.is_local()
    }

    /// Returns the token somebody came by, if they stand where they stood when they came; the outer
    /// none says that they do not.
    fn standing(&self, who: &Identity) -> Option<Option<&TokenInfo>> {
        let user = self.users.get(who.user())?;
        if user.disabled || user.id != who.user_id {
            return None;
        }
        match who.auth() {
            Auth::Local => None,
            Auth::Password => Some(None),
            Auth::Token(hash) => {
                let token = self.tokens.get(&hash)?;
                (token.revoked_at.is_none() && token.user == who.user()).then_some(Some(token))
            }
        }
    }

    /// Returns the token by which somebody came, for listing.
    pub fn token_of(&self, who: &Identity) -> Option<&TokenInfo> {
        match who.auth() {
            Auth::Token(hash) => self.tokens.get(&hash),
            _ => None,
        }
    }

    // --- deciding ---

    /// Decides whether `who` may do `action` to `object`.
    ///
    /// This is the one place. Everything that guards anything asks here, or [`Self::rights`] for
    /// many questions about one person.
    pub fn decide(&self, who: &Identity, action: Action, object: &Object<'_>) -> Decision {
        self.rights(who).decide(action, object)
    }

    /// Looks up once who somebody is now.
    pub fn rights(&self, who: &Identity) -> Rights<'_> {
        if who.is_local() {
            return Rights::local(self);
        }
        match self.standing(who) {
            None => Rights::nobody(self),
            Some(token) => match self.users.get(who.user()) {
                Some(user) => Rights::of(self, user, token),
                None => Rights::nobody(self),
            },
        }
    }

    /// Returns what `user` may do, however they came; for views that run as their owner.
    pub fn rights_of_user(&self, user: &str) -> Rights<'_> {
        match self.users.get(user) {
            Some(user) if !user.disabled => Rights::of(self, user, None),
            _ => Rights::nobody(self),
        }
    }
}
