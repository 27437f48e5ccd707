//! What a call may reach. Pure: a target in, a verdict out.

use super::target::Target;
use crate::model::{AddressBlock, HostRule};
use crate::redact::Secret;
use std::sync::Arc;

/// A credential that the proxy adds, so that no tool holds it.
#[derive(Debug)]
pub struct Attached {
    /// Where it goes, and nowhere else.
    pub place: HostRule,
    /// The header's name.
    pub header: String,
    /// The header's value.
    pub value: Secret,
}

/// The rules of a call.
#[derive(Debug, Default)]
pub struct Rules {
    /// What may be reached; empty is nothing.
    pub allow: Vec<HostRule>,
    /// What may not be, whatever `allow` says.
    pub deny: Vec<HostRule>,
    /// Addresses that are not public and may be reached by a listed name.
    pub opened: Vec<AddressBlock>,
    /// Credentials for listed hosts.
    pub attached: Arc<Vec<Attached>>,
}

/// What is wanted of a target.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// A connection that cannot be looked into.
    Tunnel,
    /// A plain request.
    Request {
        /// As it was sent.
        method: &'a str,
        /// Without the query.
        path: &'a str,
    },
}

/// A target that may be reached.
#[derive(Debug)]
pub struct Granted<'a> {
    /// The entry that says so.
    pub entry: &'a HostRule,
    /// Whether a plain request has to travel encrypted, to port 443.
    pub encrypt: bool,
    /// What is added to a plain request.
    pub attached: Vec<&'a Attached>,
}

impl Rules {
    /// Reads the entries of a call.
    ///
    /// # Errors
    /// What is wrong with the first that has no reading.
    pub fn read(
        allow: &[String],
        deny: &[String],
        opened: &[String],
        attached: Arc<Vec<Attached>>,
    ) -> Result<Self, String> {
        let hosts = |list: &[String], refuses| {
            list.iter().map(|text| HostRule::parse(text, refuses)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Rules {
            allow: hosts(allow, false)?,
            deny: hosts(deny, true)?,
            opened: opened
                .iter()
                .map(|text| AddressBlock::parse(text))
                .collect::<Result<_, _>>()?,
            attached,
        })
    }

    /// Judges a target. What is refused wins, and what is not listed is refused.
    ///
    /// # Errors
    /// Why not, in words for a person and a model.
    pub fn judge(&self, target: &Target, wanted: Wanted<'_>) -> Result<Granted<'_>, String> {
        let named = |entry: &&HostRule| entry.names(&target.host, target.port);
        for entry in self.deny.iter().filter(named) {
            match wanted {
                Wanted::Request { method, path } if entry.looks_inside() => {
                    if entry.may_mean(method, path) {
                        return Err(format!("refused by `{}` of network.denyHosts", entry.written));
                    }
                }
                Wanted::Tunnel if entry.looks_inside() => {
                    return Err(format!(
                        "`{}` of network.denyHosts looks at requests, which cannot be seen inside \
                         an encrypted connection; send it as http:// to the proxy",
                        entry.written
                    ));
                }
                _ => return Err(format!("refused by `{}` of network.denyHosts", entry.written)),
            }
        }
        let mut listed = false;
        for entry in self.allow.iter().filter(named) {
            listed = true;
            let granted = match wanted {
                Wanted::Tunnel => !entry.looks_inside(),
                Wanted::Request { method, path } => entry.fits(method, path),
            };
            if granted {
                return Ok(self.grant(entry, target, wanted));
            }
        }
        Err(match (listed, wanted) {
            (false, _) => not_listed(target),
            (true, Wanted::Tunnel) => format!(
                "the entries of sandbox.hosts for {target} name methods or paths, which cannot be \
                 seen inside an encrypted connection; use http://{}/ with the proxy{}",
                target.host, ", which encrypts it where the entry says https://"
            ),
            (true, Wanted::Request { method, path }) => {
                format!("sandbox.hosts does not list {method} {path} at {target}")
            }
        })
    }

    /// Whether there is a point in looking into requests to this target at all.
    ///
    /// # Errors
    /// Why not.
    pub fn named(&self, target: &Target) -> Result<(), String> {
        let names = |entry: &&HostRule| entry.names(&target.host, target.port);
        if let Some(entry) = self.deny.iter().filter(names).find(|entry| !entry.looks_inside()) {
            return Err(format!("refused by `{}` of network.denyHosts", entry.written));
        }
        match self.allow.iter().find(names) {
            Some(_) => Ok(()),
            None => Err(not_listed(target)),
        }
    }

    /// Whether any entry that refuses looks at methods or paths.
    pub fn looks_inside(&self) -> bool {
        self.deny.iter().any(HostRule::looks_inside)
    }

    fn grant<'a>(
        &'a self,
        entry: &'a HostRule,
        target: &Target,
        wanted: Wanted<'_>,
    ) -> Granted<'a> {
        let Wanted::Request { method, path } = wanted else {
            return Granted { entry, encrypt: false, attached: Vec::new() };
        };
        let fits = |attached: &&Attached| {
            attached.place.names(&target.host, target.port) && attached.place.fits(method, path)
        };
        let attached: Vec<&Attached> = self.attached.iter().filter(fits).collect();
        // A credential never travels in the open.
        let encrypt = entry.encrypt || attached.iter().any(|attached| attached.place.encrypt);
        Granted { entry, encrypt, attached }
    }
}

fn not_listed(target: &Target) -> String {
    format!("{target} is not in sandbox.hosts")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: &[&str], deny: &[&str]) -> Rules {
        let read = |list: &[&str], refuses| {
            list.iter().map(|text| HostRule::parse(text, refuses).unwrap()).collect()
        };
        Rules { allow: read(allow, false), deny: read(deny, true), ..Rules::default() }
    }

    fn tunnel(rules: &Rules, target: &str) -> bool {
        rules.judge(&Target::parse(target, None).unwrap(), Wanted::Tunnel).is_ok()
    }

    fn request(rules: &Rules, target: &str, method: &str, path: &str) -> bool {
        let wanted = Wanted::Request { method, path };
        rules.judge(&Target::parse(target, Some(80)).unwrap(), wanted).is_ok()
    }

    #[test]
    fn an_empty_list_is_nothing() {
        assert!(!tunnel(&Rules::default(), "a.test:443"));
        assert!(!request(&Rules::default(), "a.test", "GET", "/"));
    }

    #[test]
    fn what_is_refused_wins_over_what_is_listed() {
        let both = rules(&["*.a.test"], &["x.a.test"]);
        assert!(tunnel(&both, "y.a.test:443") && !tunnel(&both, "x.a.test:443"));
        let everything = rules(&["a.test:8443"], &["*"]);
        assert!(!tunnel(&everything, "a.test:8443"));
    }

    #[test]
    fn a_tunnel_needs_an_entry_that_does_not_look_inside() {
        let inside = rules(&["GET a.test/v1"], &[]);
        assert!(!tunnel(&inside, "a.test:443"));
        assert!(request(&inside, "a.test", "GET", "/v1/x"));
        assert!(!request(&inside, "a.test", "POST", "/v1/x"));
        let refused = rules(&["a.test"], &["DELETE a.test", "a.test/admin"]);
        assert!(!tunnel(&refused, "a.test:443"));
        assert!(request(&refused, "a.test", "GET", "/v1"));
        for (method, path) in [
            ("DELETE", "/v1"),
            ("delete", "/v1"),
            ("GET", "/admin"),
            ("GET", "/ADMIN/x"),
            ("GET", "/x/../admin"),
            ("GET", "/%61dmin"),
        ] {
            assert!(!request(&refused, "a.test", method, path), "{method} {path}");
        }
    }

    #[test]
    fn a_credential_goes_to_its_own_place_and_encrypted() {
        let mut rules = rules(&["a.test", "b.test"], &[]);
        rules.attached = Arc::new(vec![Attached {
            place: HostRule::parse("https://a.test", false).unwrap(),
            header: "authorization".to_owned(),
            value: Secret::new("x".to_owned()),
        }]);
        let judge = |host| {
            let wanted = Wanted::Request { method: "GET", path: "/" };
            rules.judge(&Target::parse(host, Some(80)).unwrap(), wanted).unwrap()
        };
        assert!(judge("a.test").encrypt && judge("a.test").attached.len() == 1);
        assert!(!judge("b.test").encrypt && judge("b.test").attached.is_empty());
    }
}
