//! The server's side of SCRAM-SHA-256 (RFC 5802 and 7677), without channel binding.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use weir_access::ScramSalt;

/// The one mechanism that is offered.
pub(super) const MECHANISM: &str = "SCRAM-SHA-256";

/// What came is no exchange at all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// An exchange of which the client has sent its first message.
pub(super) struct Exchange {
    /// What the client said of channel binding, to be said again in its last message.
    binding: String,
    nonce: String,
    /// The messages both sides will sign, as far as they are known.
    signed: String,
}

/// What the client sent to prove that it knows a secret, and what it signed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) signed: String,
    pub(super) proof: [u8; 32],
}

/// Writes the proof that we are the server.
pub(super) fn signature(signature: &[u8; 32]) -> String {
    format!("v={}", BASE64_STANDARD.encode(signature))
}

impl Exchange {
    /// Takes the client's first message; returns the exchange and what to answer.
    pub(super) fn begin(salt: &ScramSalt, first: &[u8]) -> Result<(Self, String), Malformed> {
        let mut random = [0_u8; 18];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| Malformed)?;
        Self::begin_with(salt, first, &BASE64_STANDARD.encode(random))
    }

    fn begin_with(salt: &ScramSalt, first: &[u8], ours: &str) -> Result<(Self, String), Malformed> {
        let first = std::str::from_utf8(first).map_err(|_| Malformed)?;
        // `n` or `y`: no channel binding, which was not offered. Then an identity we do not use.
        let mut parts = first.splitn(3, ',');
        let (flag, identity) = (parts.next(), parts.next());
        let bare = parts.next().ok_or(Malformed)?;
        let (Some(flag @ ("n" | "y")), Some(identity)) = (flag, identity) else {
            return Err(Malformed);
        };
        let mut fields = bare.split(',');
        // The name was sent when the connection began; Postgres ignores this one, too.
        let name = fields.next().is_some_and(|field| field.starts_with("n="));
        let theirs = fields.next().and_then(|field| field.strip_prefix("r="));
        let theirs = theirs.filter(|nonce| name && !nonce.is_empty());
        let theirs = theirs.ok_or(Malformed)?;
        let nonce = format!("{theirs}{ours}");
        let answer = format!(
            "r={nonce},s={},i={}",
            BASE64_STANDARD.encode(&salt.salt),
            salt.iterations
        );
        let exchange = Self {
            binding: BASE64_STANDARD.encode(format!("{flag},{identity},")),
            signed: format!("{bare},{answer}"),
            nonce,
        };
        Ok((exchange, answer))
    }

    /// Takes the client's last message; returns its proof, to be checked.
    pub(super) fn end(self, last: &[u8]) -> Result<Proof, Malformed> {
        let last = std::str::from_utf8(last).map_err(|_| Malformed)?;
        let (without_proof, proof) = last.rsplit_once(",p=").ok_or(Malformed)?;
        let mut fields = without_proof.split(',');
        let binding = fields.next().and_then(|field| field.strip_prefix("c="));
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        if binding != Some(self.binding.as_str()) || nonce != Some(self.nonce.as_str()) {
            return Err(Malformed);
        }
        let proof = BASE64_STANDARD.decode(proof).map_err(|_| Malformed)?;
        Ok(Proof {
            signed: format!("{},{without_proof}", self.signed),
            proof: proof.try_into().map_err(|_| Malformed)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use weir_access::ScramKeys;

    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Failure {
        Malformed,
        Wrong,
    }

    fn salt() -> ScramSalt {
        ScramSalt {
            salt: BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(),
            iterations: 4096,
        }
    }

    /// Ends an exchange of somebody who has to prove `pencil`, as in the example of RFC 7677.
    fn ended(exchange: Exchange, last: &[u8]) -> Result<String, Failure> {
        let key = |text: &str| BASE64_STANDARD.decode(text).unwrap().try_into().unwrap();
        let keys = ScramKeys {
            stored_key: key("WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="),
            server_key: key("wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="),
        };
        let Proof { signed, proof } = exchange.end(last).map_err(|_| Failure::Malformed)?;
        let checked = keys.check(signed.as_bytes(), &proof);
        checked.map(|ours| signature(&ours)).ok_or(Failure::Wrong)
    }

    const FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const OURS: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const LAST: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    #[test]
    fn the_example_of_the_standard_succeeds() {
        let (exchange, answer) = Exchange::begin_with(&salt(), FIRST, OURS).unwrap();
        assert_eq!(
            answer,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        assert_eq!(
            ended(exchange, LAST.as_bytes()).unwrap(),
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
    }

    #[test]
    fn another_proof_nonce_or_binding_fails() {
        for (from, to, failure) in [
            ("p=dHzb", "p=dHzc", Failure::Wrong),
            ("r=rOpr", "r=rOps", Failure::Malformed),
            ("c=biws", "c=eSws", Failure::Malformed),
            (",p=", ",q=", Failure::Malformed),
            ("dVQ=", "dV", Failure::Malformed),
        ] {
            let (exchange, _) = Exchange::begin_with(&salt(), FIRST, OURS).unwrap();
            let last = LAST.replace(from, to);
            assert_eq!(ended(exchange, last.as_bytes()), Err(failure), "{to}");
        }
    }

    #[test]
    fn what_is_no_first_message_is_refused() {
        for first in [
            "",
            "n",
            "n,,",
            "p=tls-unique,,n=,r=x",
            "n,,n=user",
            "n,,n=user,r=",
            "n,,r=x",
            "x,,n=,r=x",
        ] {
            let begun = Exchange::begin_with(&salt(), first.as_bytes(), OURS);
            assert_eq!(begun.err(), Some(Malformed), "{first}");
        }
    }
}
