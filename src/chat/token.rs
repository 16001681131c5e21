//! Tokens by which a site names its members: JSON Web Tokens (RFC 7519), signed with
//! HMAC and SHA-256 (`HS256`, RFC 7518 §3.2) and nothing else.

use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use sha2::Sha256;

/// Tells tokens that the site has signed.
#[derive(Clone, Debug)]
pub(super) struct Verifier {
    mac: Hmac<Sha256>,
}

/// Whom a token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Who it is at the site, whatever the name (RFC 7519 §4.1.2).
    pub(super) subject: String,
    pub(super) name: Option<String>,
    pub(super) role: Option<String>,
    /// When the token ends: Unix time.
    pub(super) expires: Option<Duration>,
}

/// Why a token names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Malformed,
    Unsigned,
    NotYet,
    Expired,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// What has to be understood, and is not (RFC 7515 §4.1.11).
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    sub: Subject,
    name: Option<String>,
    role: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
}

/// Text, as it should be, or a number, as databases have it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Subject {
    Text(String),
    Number(u64),
}

impl Verifier {
    pub(super) fn new(secret: &[u8]) -> Self {
        let mac = Hmac::new_from_slice(secret).expect("a key of any length");
        Verifier { mac }
    }

    /// Whom a token names at that time since 1970.
    pub(super) fn verify(&self, token: &str, now: Duration) -> Result<Member, Refused> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Refused::Malformed)?;
        let header: Header = read(header)?;
        if header.alg != "HS256" || header.crit.is_some() {
            return Err(Refused::Unsigned);
        }
        let signature = decode(signature)?;
        let mac = self.mac.clone().chain_update(signed);
        mac.verify_slice(&signature)
            .map_err(|_| Refused::Unsigned)?;
        let claims: Claims = read(claims)?;
        let expires = claims.exp.map(time);
        if expires.is_some_and(|at| at <= now) {
            return Err(Refused::Expired);
        }
        if claims.nbf.is_some_and(|at| time(at) > now + LEEWAY) {
            return Err(Refused::NotYet);
        }
        let subject = match claims.sub {
            Subject::Text(text) => text,
            Subject::Number(number) => number.to_string(),
        };
        let role = claims.role.as_deref().and_then(super::names::of_member);
        (!subject.is_empty())
            .then_some(Member {
                subject,
                name: claims.name,
                role,
                expires,
            })
            .ok_or(Refused::Malformed)
    }
}

impl Refused {
    /// What a peer is told.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Refused::Malformed => "the token is no JSON Web Token with a subject",
            Refused::Unsigned => "the token is not signed by the site (HS256)",
            Refused::NotYet => "the token does not hold yet",
            Refused::Expired => "the token has expired",
        }
    }
}

fn read<T: DeserializeOwned>(part: &str) -> Result<T, Refused> {
    let json = decode(part)?;
    // A list would be taken for the values of an object.
    let is_object = json.trim_ascii_start().starts_with(b"{");
    let read = serde_json::from_slice(&json).ok().filter(|_| is_object);
    read.ok_or(Refused::Malformed)
}

fn decode(part: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed)
}

/// A number of seconds, perhaps with a fraction (RFC 7519 §2, NumericDate).
fn time(seconds: f64) -> Duration {
    if seconds <= 0.0 {
        return Duration::ZERO;
    }
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// How far the clock of the site may be ahead.
const LEEWAY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";
    const NOW: Duration = Duration::from_secs(1_000_000);

    fn token(header: &str, claims: &str) -> String {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        let signed = format!("{header}.{claims}");
        let mac = Verifier::new(SECRET).mac.chain_update(&signed);
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    fn verify(claims: &str) -> Result<Member, Refused> {
        let token = token(r#"{"alg":"HS256","typ":"JWT"}"#, claims);
        Verifier::new(SECRET).verify(&token, NOW)
    }

    #[test]
    fn token_of_the_rfc_is_read() {
        // RFC 7515, appendix A.1.
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let verifier = Verifier::new(&URL_SAFE_NO_PAD.decode(key).expect("base64"));
        // Well signed, and without a subject.
        assert_eq!(verifier.verify(token, NOW), Err(Refused::Malformed));
        let forged = token.replace("dBjf", "eBjf");
        assert_eq!(verifier.verify(&forged, NOW), Err(Refused::Unsigned));
    }

    #[test]
    fn token_names_a_member_and_their_role() {
        let member = verify(r#"{"sub":"7","name":"Ann","role":"editor","exp":1000000.5}"#);
        assert_eq!(
            member,
            Ok(Member {
                subject: "7".into(),
                name: Some("Ann".into()),
                role: Some("editor".into()),
                expires: Some(NOW + Duration::from_millis(500)),
            })
        );
        let member = verify(r#"{"sub":7,"iat":99999999999,"aud":["x"]}"#).expect("a member");
        assert_eq!(
            (&*member.subject, member.name, member.expires),
            ("7", None, None)
        );
    }

    #[test]
    fn token_holds_from_its_beginning_to_its_end() {
        for (claims, refused) in [
            (r#"{"sub":"7","exp":1000000}"#, Refused::Expired),
            (r#"{"sub":"7","exp":-1}"#, Refused::Expired),
            (r#"{"sub":"7","nbf":1000061}"#, Refused::NotYet),
            (r#"{"sub":"7","nbf":1e300}"#, Refused::NotYet),
            (r#"{"sub":"7","exp":"soon"}"#, Refused::Malformed),
            (r#"{"sub":""}"#, Refused::Malformed),
            (r#"{"sub":null}"#, Refused::Malformed),
            ("[]", Refused::Malformed),
            (r#"["7",null,null,null,null]"#, Refused::Malformed),
        ] {
            assert_eq!(verify(claims), Err(refused), "{claims}");
        }
        assert!(verify(r#"{"sub":"7","nbf":1000060,"exp":1e300}"#).is_ok());
    }

    #[test]
    fn token_that_is_signed_otherwise_or_not_at_all_names_nobody() {
        let verifier = Verifier::new(SECRET);
        let claims = r#"{"sub":"7"}"#;
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"None"}"#,
            r#"{"alg":"HS512"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":"HS256","crit":["exp"]}"#,
        ] {
            let token = token(header, claims);
            assert_eq!(
                verifier.verify(&token, NOW),
                Err(Refused::Unsigned),
                "{header}"
            );
        }
        let good = token(r#"{"alg":"HS256"}"#, claims);
        let (signed, signature) = good.rsplit_once('.').expect("a signature");
        for (wrong, refused) in [
            (format!("{signed}."), Refused::Unsigned),
            (format!("{signed}.{}", &signature[..8]), Refused::Unsigned),
            (format!("{signed}.{signature}="), Refused::Malformed),
            (
                format!("{signed}.{signature}.{signature}"),
                Refused::Unsigned,
            ),
            (signed.to_owned(), Refused::Malformed),
            (String::new(), Refused::Malformed),
            ("..".to_owned(), Refused::Malformed),
        ] {
            assert_eq!(verifier.verify(&wrong, NOW), Err(refused), "{wrong}");
        }
        let other = Verifier::new(b"another secret of thirty-two bytes");
        assert_eq!(other.verify(&good, NOW), Err(Refused::Unsigned));
    }
}
