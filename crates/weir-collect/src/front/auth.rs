use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// Base64 as it is found in the wild: padded or not.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Longest text that can be a write key.
const LONGEST: usize = 200;

/// Decodes base64 of either alphabet; a `+` that became a space on the way is put back.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().replace(' ', "+");
    if text.contains(['-', '_']) {
        return URL_SAFE.decode(text).ok();
    }
    STANDARD.decode(text).ok()
}

/// The write keys a request gives outside its body, in the order they count.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Keys(Vec<String>);

impl Keys {
    /// Reads them from the `Authorization` header and the query.
    ///
    /// Basic has the key as user name (RudderStack, Segment). A bearer token is Segment's OAuth,
    /// which says nothing to us: its key is in the body; but people put the key itself there too.
    pub(crate) fn read(headers: &HeaderMap, query: &[(String, String)]) -> Self {
        let mut keys = Self::default();
        let header = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        if let Some((scheme, rest)) = header.and_then(|header| header.split_once(' ')) {
            if scheme.eq_ignore_ascii_case("basic") {
                let decoded = decode_base64(rest).and_then(|bytes| String::from_utf8(bytes).ok());
                if let Some(pair) = decoded {
                    let (user, password) = pair.split_once(':').unwrap_or((&pair, ""));
                    keys.add(user);
                    keys.add(password);
                }
            } else if scheme.eq_ignore_ascii_case("bearer") {
                keys.add(rest.trim());
            }
        }
        for (name, value) in query {
            if name == "writeKey" {
                keys.add(value);
            }
        }
        keys
    }

    /// Adds a key found in the body.
    pub(crate) fn add(&mut self, key: &str) {
        let sound = !key.is_empty() && key.len() <= LONGEST && !key.contains(char::is_control);
        if sound && !self.0.iter().any(|known| known == key) && self.0.len() < 4 {
            self.0.push(key.to_owned());
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn keys(header: &str, query: &[(&str, &str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(header).unwrap());
        let query: Vec<_> = query
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Keys::read(&headers, &query).0
    }

    #[test]
    fn every_way_to_give_a_key() {
        assert_eq!(keys("Basic d2tfYTo=", &[]), ["wk_a"]);
        assert_eq!(keys("basic d2tfYTo", &[]), ["wk_a"]);
        assert_eq!(keys("Basic d2tfYQ==", &[]), ["wk_a"]);
        assert_eq!(
            keys("Bearer wk_b", &[("writeKey", "wk_c")]),
            ["wk_b", "wk_c"]
        );
        assert_eq!(keys("Basic !!!", &[("writeKey", "wk_c")]), ["wk_c"]);
        assert_eq!(keys("Digest x", &[]), [""; 0]);
    }
}
